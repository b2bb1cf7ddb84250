/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The packers that Linux knows (CONFIG_KERNEL_*). Each is optional at build time; what the build
 * lacks is left to libxc. The data end before the payload does: four bytes of size follow them.
 */
#include "hvxl-kernel-image.h"

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

#define PIECE (256 * 1024)
/* Linux asks xz for a dictionary of 32 MiB, of 128 MiB since 6.12. */
#define XZ_MEMORY ((guint64)192 * 1024 * 1024)
/* zstd -22, which Linux uses, has a window of 2^27. */
#define ZSTD_WINDOW_LOG 27
/* The block of lz4's legacy frame. */
#define LZ4_BLOCK (8 * 1024 * 1024)
/* lzop writes blocks of 256 KiB; its reader takes up to this. */
#define LZO_BLOCK (64 * 1024 * 1024)

static const char stopped[] = "unpacking was stopped";
G_GNUC_UNUSED static const char damaged[] = "its payload is damaged or cut off";
static const char wrong_size[] = "its payload has another size than it says";
G_GNUC_UNUSED static const char no_library[] =
    "its payload is packed in a way that this build has no library for";

typedef struct Output {
    HvxlUnpackSink sink;
    gpointer user;
    guint64 left; /* what may still come */
} Output;

G_GNUC_UNUSED static const char *
emit(Output *out, const guint8 *data, gsize len)
{
    if (len > out->left)
        return wrong_size;
    out->left -= len;
    return len == 0 || out->sink(data, len, out->user) ? NULL : stopped;
}

/* ---- streams ---- */

#if HVXL_WITH_ZLIB
static const char *
unpack_gzip(const guint8 *in, gsize len, Output *out)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    z_stream stream = { .next_in = (Bytef *)in, .avail_in = (uInt)len };
    const char *why = NULL;
    int r = inflateInit2(&stream, 15 + 16); /* the largest window, and gzip's header */

    if (r != Z_OK)
        return damaged;
    while (!why && r == Z_OK) {
        stream.next_out = piece;
        stream.avail_out = PIECE;
        r = inflate(&stream, Z_NO_FLUSH);
        why = emit(out, piece, PIECE - stream.avail_out);
    }
    inflateEnd(&stream);
    return why ? why : r == Z_STREAM_END ? NULL : damaged;
}
#endif

#if HVXL_WITH_BZIP2
static const char *
unpack_bzip2(const guint8 *in, gsize len, Output *out)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    bz_stream stream = { .next_in = (char *)in, .avail_in = (unsigned)len };
    const char *why = NULL;
    int r = BZ2_bzDecompressInit(&stream, 0, 0);

    if (r != BZ_OK)
        return damaged;
    while (!why && r == BZ_OK) {
        stream.next_out = (char *)piece;
        stream.avail_out = PIECE;
        r = BZ2_bzDecompress(&stream);
        /* It has no error of its own for data that end too early. */
        if (r == BZ_OK && stream.avail_out == PIECE && stream.avail_in == 0)
            r = BZ_UNEXPECTED_EOF;
        why = emit(out, piece, PIECE - stream.avail_out);
    }
    BZ2_bzDecompressEnd(&stream);
    return why ? why : r == BZ_STREAM_END ? NULL : damaged;
}
#endif

#if HVXL_WITH_LZMA
static const char *
run_lzma(lzma_stream *stream, Output *out)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    lzma_ret r = LZMA_OK;
    const char *why = NULL;

    while (!why && r == LZMA_OK) {
        stream->next_out = piece;
        stream->avail_out = PIECE;
        r = lzma_code(stream, LZMA_RUN);
        why = emit(out, piece, PIECE - stream->avail_out);
    }
    if (why)
        return why;
    return r == LZMA_STREAM_END       ? NULL
           : r == LZMA_MEMLIMIT_ERROR ? "its payload takes too much memory to unpack"
                                      : damaged;
}

static const char *
unpack_xz(const guint8 *in, gsize len, Output *out)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    const char *why = damaged;

    stream.next_in = in;
    stream.avail_in = len;
    if (lzma_stream_decoder(&stream, XZ_MEMORY, 0) == LZMA_OK)
        why = run_lzma(&stream, out);
    lzma_end(&stream);
    return why;
}

static const char *
unpack_lzma(const guint8 *in, gsize len, Output *out)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    const char *why = damaged;

    stream.next_in = in;
    stream.avail_in = len;
    if (lzma_alone_decoder(&stream, XZ_MEMORY) == LZMA_OK)
        why = run_lzma(&stream, out);
    lzma_end(&stream);
    return why;
}
#endif

#if HVXL_WITH_ZSTD
static const char *
run_zstd(ZSTD_DStream *stream, const guint8 *in, gsize len, Output *out)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    ZSTD_inBuffer from = { in, len, 0 };
    const char *why = NULL;
    size_t r = 1;

    while (!why && r != 0) {
        ZSTD_outBuffer to = { piece, PIECE, 0 };

        r = ZSTD_decompressStream(stream, &to, &from);
        if (ZSTD_isError(r) || (r != 0 && to.pos == 0 && from.pos == from.size))
            return damaged;
        why = emit(out, piece, to.pos);
    }
    return why;
}

static const char *
unpack_zstd(const guint8 *in, gsize len, Output *out)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    const char *why = damaged;

    if (stream &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
        why = run_zstd(stream, in, len, out);
    ZSTD_freeDStream(stream);
    return why;
}
#endif

/* ---- blocks ---- */

#if HVXL_WITH_LZ4
/* Legacy frame: a magic word, then blocks, each behind its length. What is left at the end is the
 * size word, too short for a block. */
static const char *
unpack_lz4(const guint8 *in, gsize len, Output *out)
{
    g_autofree guint8 *block = g_malloc(LZ4_BLOCK);
    const char *why = NULL;
    gsize at = 4;

    while (!why && len - at > 4) {
        guint32 packed = in[at] | in[at + 1] << 8 | in[at + 2] << 16 | (guint32)in[at + 3] << 24;
        int n;

        at += 4;
        if (packed > len - at)
            return damaged;
        n = LZ4_decompress_safe((const char *)in + at, (char *)block, (int)packed, LZ4_BLOCK);
        if (n <= 0)
            return damaged;
        at += packed;
        why = emit(out, block, (gsize)n);
    }
    return why;
}
#endif

#if HVXL_WITH_LZO
/* lzop's file: numbers are big-endian, and fields come and go with version and flags. */
enum {
    LZOP_ADLER32 = 0x1,
    LZOP_ADLER32_PACKED = 0x2,
    LZOP_EXTRA_FIELD = 0x40,
    LZOP_CRC32 = 0x100,
    LZOP_CRC32_PACKED = 0x200,
    LZOP_FILTER = 0x800,
};

typedef struct Reader {
    const guint8 *at;
    gsize left;
    gboolean short_of; /* a read went beyond the end; it gave 0 */
} Reader;

static const guint8 *
take(Reader *in, gsize len)
{
    const guint8 *at = in->at;

    if (len > in->left) {
        in->short_of = TRUE;
        return NULL;
    }
    in->at += len;
    in->left -= len;
    return at;
}

static guint32
take_be(Reader *in, gsize bytes)
{
    const guint8 *at = take(in, bytes);
    guint32 value = 0;

    for (gsize i = 0; at && i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static gboolean
read_lzop_header(Reader *in, guint32 *ret_flags)
{
    gboolean is_new;
    guint32 flags;

    take(in, 9); /* magic */
    is_new = take_be(in, 2) >= 0x0940;
    take(in, is_new ? 4 : 2); /* versions of the library */
    take(in, is_new ? 2 : 1); /* method, level: LZO1X in any case */
    flags = take_be(in, 4);
    if (flags & LZOP_FILTER)
        return FALSE;
    take(in, is_new ? 12 : 8); /* mode, time */
    take(in, take_be(in, 1));  /* name */
    take(in, 4);               /* checksum of the header */
    if (flags & LZOP_EXTRA_FIELD)
        take(in, (gsize)take_be(in, 4) + 4);
    *ret_flags = flags;
    return !in->short_of;
}

static const char *
unpack_lzo_block(Reader *in, guint32 flags, guint32 size, guint8 *block, Output *out)
{
    guint32 packed = take_be(in, 4);
    lzo_uint n = size;
    const guint8 *data;

    if (in->short_of || packed > size)
        return damaged;
    /* Checksums are not looked at: the ELF is checked, and libxc does not look either. */
    take(in, (flags & LZOP_ADLER32 ? 4 : 0) + (flags & LZOP_CRC32 ? 4 : 0));
    if (packed < size)
        take(in, (flags & LZOP_ADLER32_PACKED ? 4 : 0) + (flags & LZOP_CRC32_PACKED ? 4 : 0));
    data = take(in, packed);
    if (in->short_of)
        return damaged;
    if (packed == size)
        return emit(out, data, size);
    if (lzo1x_decompress_safe(data, packed, block, &n, NULL) != LZO_E_OK || n != size)
        return damaged;
    return emit(out, block, size);
}

static const char *
unpack_lzo(const guint8 *payload, gsize len, Output *out)
{
    Reader in = { payload, len, FALSE };
    g_autofree guint8 *block = NULL;
    gsize block_size = 0;
    guint32 flags = 0, size;
    const char *why = NULL;

    if (!read_lzop_header(&in, &flags))
        return damaged;
    while (!why && (size = take_be(&in, 4)) != 0) {
        if (size > LZO_BLOCK || size > out->left)
            return wrong_size;
        if (size > block_size) {
            g_free(block);
            block = g_malloc(size);
            block_size = size;
        }
        why = unpack_lzo_block(&in, flags, size, block, out);
    }
    return why ? why : in.short_of ? damaged : NULL;
}
#endif

/* ---- which is which ---- */

typedef const char *(*Unpacker)(const guint8 *in, gsize len, Output *out);

#if HVXL_WITH_ZLIB
#define GZIP unpack_gzip
#else
#define GZIP NULL
#endif
#if HVXL_WITH_BZIP2
#define BZIP2 unpack_bzip2
#else
#define BZIP2 NULL
#endif
#if HVXL_WITH_LZMA
#define XZ   unpack_xz
#define LZMA unpack_lzma
#else
#define XZ   NULL
#define LZMA NULL
#endif
#if HVXL_WITH_LZO
#define LZO unpack_lzo
#else
#define LZO NULL
#endif
#if HVXL_WITH_LZ4
#define LZ4 unpack_lz4
#else
#define LZ4 NULL
#endif
#if HVXL_WITH_ZSTD
#define ZSTD unpack_zstd
#else
#define ZSTD NULL
#endif

static const struct {
    guint8 magic[9];
    gsize magic_len;
    Unpacker unpack; /* NULL: the library was not there at build time */
} formats[] = {
    { { 0x1f, 0x8b }, 2, GZIP },
    { { 'B', 'Z', 'h' }, 3, BZIP2 },
    { { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, XZ },
    { { 0x5d, 0, 0 }, 3, LZMA },
    { { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' }, 9, LZO },
    { { 0x02, 0x21, 0x4c, 0x18 }, 4, LZ4 },
    { { 0x28, 0xb5, 0x2f, 0xfd }, 4, ZSTD },
};

const char *
hvxl_kernel_unpack(const guint8 *payload, gsize len, guint64 size, HvxlUnpackSink sink,
                   gpointer user)
{
    Output out = { sink, user, size };
    const char *why;

    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (len < formats[i].magic_len ||
            memcmp(payload, formats[i].magic, formats[i].magic_len) != 0)
            continue;
        if (!formats[i].unpack)
            return no_library;
        why = formats[i].unpack(payload, len, &out);
        return why ? why : out.left ? wrong_size : NULL;
    }
    return "its payload is packed in an unknown way";
}
