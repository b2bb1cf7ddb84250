/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-fixture.h"

#include <elf.h>
#include <string.h>

#if HVXL_WITH_BZIP2
#include <bzlib.h>
#endif
#if HVXL_WITH_LZ4
#include <lz4.h>
#endif
#if HVXL_WITH_LZMA
#include <lzma.h>
#endif
#if HVXL_WITH_LZO
#include <lzo/lzo1x.h>
#endif
#if HVXL_WITH_ZLIB
#include <zlib.h>
#endif
#if HVXL_WITH_ZSTD
#include <zstd.h>
#endif

#define SETUP_SECTS 3
#define GAP         112 /* code in front of the payload */

const char *const packer_names[N_PACKERS] = { "gzip", "bzip2", "xz", "lzma", "lz4", "zstd", "lzo" };

void
fixture_put_le32(GByteArray *bytes, gsize at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(bytes->data + at, &value, sizeof(value));
}

/* ---- the ELF ---- */

typedef struct Start {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Nhdr note;
    char owner[4];
    guint64 entry;
} Start;

static void
fill(GByteArray *elf, guint seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    for (gsize page = 4096; page < elf->len; page += 4096) {
        gsize end = MIN(page + 4096, elf->len);

        for (gsize at = page; page / 4096 % 3 != 1 && at < end; at++)
            elf->data[at] = page / 4096 % 3 == 2 ? (guint8)g_rand_int(rand) : (guint8)(at / 7);
    }
}

GByteArray *
fixture_elf(gsize size, guint seed)
{
    GByteArray *elf = g_byte_array_new();
    Start start = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = offsetof(Start, segments),
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2 },
        .segments = { { .p_type = PT_LOAD, .p_filesz = size, .p_memsz = size },
                      { .p_type = PT_NOTE,
                        .p_offset = offsetof(Start, note),
                        .p_filesz = sizeof(Elf64_Nhdr) + 4 + 8 } },
        .note = { 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */ },
        .owner = "Xen",
        .entry = 0x1000000,
    };

    g_assert_cmpuint(size, >=, sizeof(start));
    g_byte_array_set_size(elf, (guint)size);
    memset(elf->data, 0, size);
    memcpy(elf->data, &start, sizeof(start));
    fill(elf, seed);
    return elf;
}

/* ---- packers ---- */

#if HVXL_WITH_ZLIB
static gsize
pack_gzip(const GByteArray *in, guint8 *out, gsize room)
{
    z_stream stream = { 0 };

    g_assert_cmpint(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    stream.next_in = in->data;
    stream.avail_in = in->len;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}
#endif

#if HVXL_WITH_BZIP2
static gsize
pack_bzip2(const GByteArray *in, guint8 *out, gsize room)
{
    unsigned len = (unsigned)room;

    g_assert_cmpint(BZ2_bzBuffToBuffCompress((char *)out, &len, (char *)in->data, in->len, 9, 0, 0),
                    ==, BZ_OK);
    return len;
}
#endif

#if HVXL_WITH_LZMA
static gsize
run_lzma(lzma_stream *stream, const GByteArray *in, guint8 *out, gsize room)
{
    gsize len;

    stream->next_in = in->data;
    stream->avail_in = in->len;
    stream->next_out = out;
    stream->avail_out = room;
    g_assert_cmpint(lzma_code(stream, LZMA_FINISH), ==, LZMA_STREAM_END);
    len = stream->total_out;
    lzma_end(stream);
    return len;
}

/* As `xz --check=crc32 --x86 --lzma2=dict=32MiB`, but for a dictionary that suits a test. */
static gsize
pack_xz(const GByteArray *in, guint8 *out, gsize room)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    lzma_filter filters[] = { { LZMA_FILTER_X86, NULL },
                              { LZMA_FILTER_LZMA2, &options },
                              { LZMA_VLI_UNKNOWN, NULL } };

    g_assert_false(lzma_lzma_preset(&options, 1));
    g_assert_cmpint(lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC32), ==, LZMA_OK);
    return run_lzma(&stream, in, out, room);
}

static gsize
pack_lzma(const GByteArray *in, guint8 *out, gsize room)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;

    g_assert_false(lzma_lzma_preset(&options, 1));
    g_assert_cmpint(lzma_alone_encoder(&stream, &options), ==, LZMA_OK);
    return run_lzma(&stream, in, out, room);
}
#endif

#if HVXL_WITH_LZ4
/* As `lz4 -l`. */
static gsize
pack_lz4(const GByteArray *in, guint8 *out, gsize room)
{
    const guint32 magic = GUINT32_TO_LE(0x184c2102);
    gsize len = 4, block = 8 * 1024 * 1024;

    memcpy(out, &magic, 4);
    for (gsize at = 0; at < in->len; at += block) {
        int n = LZ4_compress_default((const char *)in->data + at, (char *)out + len + 4,
                                     (int)MIN(block, in->len - at), (int)(room - len - 4));
        guint32 word = GUINT32_TO_LE((guint32)n);

        g_assert_cmpint(n, >, 0);
        memcpy(out + len, &word, 4);
        len += 4 + (gsize)n;
    }
    return len;
}
#endif

#if HVXL_WITH_ZSTD
static gsize
pack_zstd(const GByteArray *in, guint8 *out, gsize room)
{
    size_t len = ZSTD_compress(out, room, in->data, in->len, 3);

    g_assert_false(ZSTD_isError(len));
    return len;
}
#endif

#if HVXL_WITH_LZO
static gsize
put_be32(guint8 *out, gsize at, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(out + at, &value, 4);
    return at + 4;
}

/* As `lzop`, with the checksum of unpacked blocks that it writes by default. */
static gsize
pack_lzo(const GByteArray *in, guint8 *out, gsize room)
{
    static const guint8 header[] = {
        0x89, 'L',  'Z',  'O', 0, '\r', '\n', 0x1a, '\n', 0x10, 0x40, 0x20,
        0xa0, 0x09, 0x40, 1,   5, 0,    0,    0,    1, /* flags: checksums of what is unpacked */
        0,    0,    0,    0,   0, 0,    0,    0,    0,    0,    0,    0, /* mode, time */
        3,    'e',  'l',  'f', 0, 0,    0,    0
    };
    g_autofree void *work = g_malloc(LZO1X_1_MEM_COMPRESS);
    gsize len = sizeof(header), block = 256 * 1024;

    memcpy(out, header, sizeof(header));
    for (gsize at = 0; at < in->len; at += block) {
        guint32 size = (guint32)MIN(block, in->len - at);
        lzo_uint n = room - len - 12;
        gsize words = len;

        g_assert_cmpint(lzo1x_1_compress(in->data + at, size, out + len + 12, &n, work), ==,
                        LZO_E_OK);
        if (n >= size) {
            memcpy(out + len + 12, in->data + at, size);
            n = size;
        }
        words = put_be32(out, words, size);
        words = put_be32(out, words, (guint32)n);
        put_be32(out, words, (guint32)lzo_adler32(1, in->data + at, size));
        len += 12 + n;
    }
    return put_be32(out, len, 0);
}
#endif

typedef gsize (*Pack)(const GByteArray *in, guint8 *out, gsize room);

static const Pack packers[N_PACKERS] = {
#if HVXL_WITH_ZLIB
    [PACK_GZIP] = pack_gzip,
#endif
#if HVXL_WITH_BZIP2
    [PACK_BZIP2] = pack_bzip2,
#endif
#if HVXL_WITH_LZMA
    [PACK_XZ] = pack_xz,       [PACK_LZMA] = pack_lzma,
#endif
#if HVXL_WITH_LZ4
    [PACK_LZ4] = pack_lz4,
#endif
#if HVXL_WITH_ZSTD
    [PACK_ZSTD] = pack_zstd,
#endif
#if HVXL_WITH_LZO
    [PACK_LZO] = pack_lzo,
#endif
};

GByteArray *
fixture_pack(Packer packer, const GByteArray *elf)
{
    gsize room = elf->len + elf->len / 8 + 65536;
    GByteArray *packed;
    gsize len;

    if (!packers[packer])
        return NULL;
    packed = g_byte_array_new();
    g_byte_array_set_size(packed, (guint)room);
    len = packers[packer](elf, packed->data, room);
    if (packer == PACK_GZIP) { /* ends in a size word by itself */
        g_byte_array_set_size(packed, (guint)len);
        return packed;
    }
    g_byte_array_set_size(packed, (guint)len + 4);
    fixture_put_le32(packed, len, elf->len);
    return packed;
}

GByteArray *
fixture_bzimage(const GByteArray *payload)
{
    GByteArray *image = g_byte_array_new();
    gsize code = (SETUP_SECTS + 1) * 512;

    g_byte_array_set_size(image, (guint)(code + GAP + payload->len + 20));
    memset(image->data, 0x90, image->len);
    image->data[0x1f1] = SETUP_SECTS;
    image->data[0x1fe] = 0x55;
    image->data[0x1ff] = 0xaa;
    memcpy(image->data + 0x202, "HdrS\x0f\x02", 6);
    fixture_put_le32(image, 0x248, GAP);
    fixture_put_le32(image, 0x24c, payload->len);
    memcpy(image->data + code + GAP, payload->data, payload->len);
    return image;
}

GByteArray *
fixture_kernel(Packer packer, gsize size, guint seed)
{
    g_autoptr(GByteArray) elf = fixture_elf(size, seed);
    g_autoptr(GByteArray) payload = fixture_pack(packer, elf);

    return payload ? fixture_bzimage(payload) : NULL;
}
