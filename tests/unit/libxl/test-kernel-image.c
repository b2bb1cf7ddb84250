/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel files: headers, each packer, damage, bombs, and what may be called a kernel for Xen. */
#include "kernel-fixture.h"
#include "libxl/hvxl-kernel-image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static gboolean
append(const guint8 *data, gsize len, gpointer user)
{
    g_byte_array_append(user, data, (guint)len);
    return TRUE;
}

/* The payload that the header names, unpacked; a reason where that is not to be had. */
static const char *
unpack_kernel(const GByteArray *kernel, GByteArray *ret_elf)
{
    HvxlPayload payload;
    const char *why = hvxl_kernel_find_payload(kernel->data, MIN(kernel->len, HVXL_KERNEL_HEAD),
                                               kernel->len, &payload);
    const guint8 *at = kernel->data + (why ? 0 : payload.offset);
    guint64 size = 0;

    why = why ? why : hvxl_kernel_unpacked_size(at, payload.length, &size);
    return why ? why : hvxl_kernel_unpack(at, payload.length, size, append, ret_elf);
}

static const char *
check_elf(const GByteArray *elf)
{
    int fd = memfd_create("elf", MFD_CLOEXEC);
    const char *why;

    g_assert_cmpint(write(fd, elf->data, elf->len), ==, elf->len);
    why = hvxl_kernel_check_elf(fd, elf->len);
    close(fd);
    return why;
}

/* ---- headers ---- */

static const struct {
    const char *name, *why;
    guint at;
    const char *bytes;
    gsize len;
} headers[] = {
    { "good", NULL, 0, "", 0 },
    { "no-magic", "it is no bzImage", 0x202, "HdrX", 4 },
    { "no-boot-flag", "it is no bzImage", 0x1fe, "\0\0", 2 },
    { "old", "its boot protocol is older than 2.08", 0x206, "\x07\x02", 2 },
    { "payload-behind-the-end", "its header places the payload outside the file", 0x248,
      "\xff\xff\xff\xff", 4 },
    { "payload-too-long", "its header places the payload outside the file", 0x24c,
      "\xff\xff\xff\xff", 4 },
    { "payload-without-bytes", "its header places the payload outside the file", 0x24c,
      "\x04\0\0\0", 4 },
    { "setup-behind-the-end", "its header places the payload outside the file", 0x1f1, "\xff", 1 },
    { "packer-unknown", "its payload is packed in an unknown way", 4 * 512 + 112, "?", 1 },
};

static void
test_headers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
        g_autoptr(GByteArray) kernel = fixture_kernel(PACK_GZIP, 64 * 1024, 1);
        g_autoptr(GByteArray) elf = g_byte_array_new();

        if (!kernel) {
            g_test_skip("built without zlib");
            return;
        }
        memcpy(kernel->data + headers[i].at, headers[i].bytes, headers[i].len);
        g_test_message("%s", headers[i].name);
        g_assert_cmpstr(unpack_kernel(kernel, elf), ==, headers[i].why);
    }
}

/* setup_sects 0 stands for 4. */
static void
test_old_setup(void)
{
    guint8 head[HVXL_KERNEL_HEAD] = { 0 };
    HvxlPayload payload;

    memcpy(head + 0x1fe, "\x55\xaa", 2);
    memcpy(head + 0x202, "HdrS\x08\x02", 6);
    head[0x248] = 16;
    head[0x24c] = 99;
    g_assert_null(hvxl_kernel_find_payload(head, sizeof(head), 5 * 512 + 16 + 99, &payload));
    g_assert_cmpuint(payload.offset, ==, 5 * 512 + 16);
    g_assert_cmpuint(payload.length, ==, 99);
    g_assert_nonnull(hvxl_kernel_find_payload(head, sizeof(head), 5 * 512 + 16 + 98, &payload));
    g_assert_nonnull(hvxl_kernel_find_payload(head, 0x24f, 8192, &payload));
    g_assert_nonnull(hvxl_kernel_find_payload(head, 0, 0, &payload));
    g_assert_nonnull(
        hvxl_kernel_find_payload(head, sizeof(head), HVXL_KERNEL_MAX_FILE + 1, &payload));
}

static void
test_unpacked_already(void)
{
    g_autoptr(GByteArray) elf = fixture_elf(8192, 1);
    HvxlPayload payload;

    g_assert_cmpstr(hvxl_kernel_find_payload(elf->data, HVXL_KERNEL_HEAD, 8192, &payload), ==,
                    "it is unpacked already");
}

static void
test_whole_gzip(void)
{
    g_autoptr(GByteArray) elf = fixture_elf(300000, 1);
    g_autoptr(GByteArray) file = fixture_pack(PACK_GZIP, elf);
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (!file) {
        g_test_skip("built without zlib");
        return;
    }
    g_assert_cmpstr(unpack_kernel(file, out), ==, NULL);
    g_assert_cmpmem(out->data, out->len, elf->data, elf->len);
}

/* ---- packers ---- */

static void
test_packer(gconstpointer data)
{
    Packer packer = GPOINTER_TO_UINT(data);

    /* One piece, several, and more than one of lz4's blocks. */
    for (gsize size = 4096; size <= 10 * MIB; size *= 50) {
        g_autoptr(GByteArray) elf = fixture_elf(size + 13, packer);
        g_autoptr(GByteArray) payload = fixture_pack(packer, elf);
        g_autoptr(GByteArray) kernel = payload ? fixture_bzimage(payload) : NULL;
        g_autoptr(GByteArray) out = g_byte_array_new();

        if (!kernel) {
            g_test_skip("built without its library");
            return;
        }
        g_assert_cmpstr(unpack_kernel(kernel, out), ==, NULL);
        g_assert_cmpmem(out->data, out->len, elf->data, elf->len);
        g_assert_cmpstr(check_elf(out), ==, NULL);
    }
}

/* Cut off anywhere, it is never taken for whole. */
static void
test_cut(gconstpointer data)
{
    g_autoptr(GByteArray) elf = fixture_elf(600 * 1024, 1);
    g_autoptr(GByteArray) payload = fixture_pack(GPOINTER_TO_UINT(data), elf);

    for (gsize len = 8; payload && len + 4 < payload->len; len += payload->len / 40) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        g_autoptr(GByteArray) out = g_byte_array_new();
        g_autofree guint8 *exact = NULL;

        g_byte_array_append(cut, payload->data, (guint)len);
        g_byte_array_append(cut, payload->data + payload->len - 4, 4);
        exact = g_memdup2(cut->data, cut->len); /* so that AddressSanitizer sees its end */
        g_assert_nonnull(hvxl_kernel_unpack(exact, cut->len, elf->len, append, out));
        g_assert_cmpuint(out->len, <=, elf->len);
    }
}

/* A flipped bit is found, or gives other bytes; it never gives more of them. */
static void
test_flipped(gconstpointer data)
{
    g_autoptr(GByteArray) elf = fixture_elf(600 * 1024, 1);
    g_autoptr(GByteArray) payload = fixture_pack(GPOINTER_TO_UINT(data), elf);
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    for (guint i = 0; payload && i < 100; i++) {
        gsize at = i < 40 ? i : (gsize)g_rand_int(rand) % payload->len;
        g_autoptr(GByteArray) out = g_byte_array_new();

        payload->data[at] ^= (guint8)(1 << i % 8);
        hvxl_kernel_unpack(payload->data, payload->len, elf->len, append, out);
        g_assert_cmpuint(out->len, <=, elf->len);
        payload->data[at] ^= (guint8)(1 << i % 8);
    }
}

/* More than it says, and less. */
static void
test_lies(gconstpointer data)
{
    g_autoptr(GByteArray) elf = fixture_elf(3 * MIB, 1);
    g_autoptr(GByteArray) payload = fixture_pack(GPOINTER_TO_UINT(data), elf);
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (!payload)
        return;
    g_assert_nonnull(hvxl_kernel_unpack(payload->data, payload->len, elf->len - 1, append, out));
    g_assert_cmpuint(out->len, <, elf->len);
    g_assert_nonnull(hvxl_kernel_unpack(payload->data, payload->len, elf->len + 1, append, out));
}

static void
test_bomb(void)
{
    g_autoptr(GByteArray) zeros = g_byte_array_new();
    g_autoptr(GByteArray) elf = fixture_elf(4096, 1);

    g_byte_array_set_size(zeros, 32 * MIB);
    memset(zeros->data, 0, zeros->len);
    memcpy(zeros->data, elf->data, elf->len);
    for (Packer packer = 0; packer < N_PACKERS; packer++) {
        g_autoptr(GByteArray) payload = fixture_pack(packer, zeros);
        g_autoptr(GByteArray) kernel = payload ? fixture_bzimage(payload) : NULL;
        g_autoptr(GByteArray) out = g_byte_array_new();

        if (!kernel)
            continue;
        g_test_message("%s: %u bytes", packer_names[packer], payload->len);
        g_assert_cmpuint(payload->len, <, zeros->len / HVXL_KERNEL_MAX_RATIO);
        g_assert_cmpstr(unpack_kernel(kernel, out), ==, "it unpacks to more than a kernel does");
        g_assert_cmpuint(out->len, ==, 0);
        /* It says that it is small. */
        fixture_put_le32(kernel, kernel->len - 24, 8192);
        g_assert_nonnull(unpack_kernel(kernel, out));
        g_assert_cmpuint(out->len, <=, 8192);
    }
}

static gboolean
stop_at_once(const guint8 *data, gsize len, gpointer user)
{
    ++*(guint *)user;
    return FALSE;
}

static void
test_stopped(gconstpointer data)
{
    g_autoptr(GByteArray) elf = fixture_elf(10 * MIB, 1);
    g_autoptr(GByteArray) payload = fixture_pack(GPOINTER_TO_UINT(data), elf);
    guint calls = 0;

    if (!payload)
        return;
    g_assert_nonnull(
        hvxl_kernel_unpack(payload->data, payload->len, elf->len, stop_at_once, &calls));
    g_assert_cmpuint(calls, ==, 1);
}

/* ---- what Xen boots ---- */

#define HEADER(field) offsetof(Elf64_Ehdr, field)
#define SEGMENT(n, field)                                                                          \
    (sizeof(Elf64_Ehdr) + (n) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))
#define NOTE (sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))

static const struct {
    const char *name, *why;
    gsize at;
    const char *bytes;
    gsize len;
} elves[] = {
    { "good", NULL, 0, "", 0 },
    { "arm", "what it unpacks to is no ELF file for x86", HEADER(e_machine), "\xb7", 1 },
    { "big-endian", "what it unpacks to is no ELF file for x86", EI_DATA, "\x02", 1 },
    { "no-elf", "what it unpacks to is no ELF file for x86", 0, "MZ", 2 },
    { "no-segments", "what it unpacks to has no program headers that make sense", HEADER(e_phnum),
      "\0", 1 },
    { "many-segments", "what it unpacks to has no program headers that make sense", HEADER(e_phnum),
      "\xff\xff", 2 },
    { "segments-outside", "what it unpacks to has no program headers that make sense",
      HEADER(e_phoff), "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
    { "thin-segments", "what it unpacks to is no ELF file for x86", HEADER(e_phentsize), "\x08",
      1 },
    { "cut", "what it unpacks to is cut off", SEGMENT(0, p_offset), "\x01", 1 },
    { "wraps", "what it unpacks to is cut off", SEGMENT(0, p_filesz),
      "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
    { "other-owner", "what it unpacks to has no notes for Xen", NOTE + 12, "GNU", 3 },
    { "note-too-long", "what it unpacks to has no notes for Xen", NOTE + 4, "\xff\xff\xff\xff", 4 },
    { "owner-too-long", "what it unpacks to has no notes for Xen", NOTE, "\xff\xff\xff\xff", 4 },
    { "no-note", "what it unpacks to has no notes for Xen", SEGMENT(1, p_type), "\x01", 1 },
};

static void
test_elves(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elves); i++) {
        g_autoptr(GByteArray) elf = fixture_elf(16384, 1);

        memcpy(elf->data + elves[i].at, elves[i].bytes, elves[i].len);
        g_test_message("%s", elves[i].name);
        g_assert_cmpstr(check_elf(elf), ==, elves[i].why);
    }
}

/* A PV kernel of 32 bits. */
static void
test_narrow(void)
{
    g_autoptr(GByteArray) elf = g_byte_array_new();
    struct {
        Elf32_Ehdr header;
        Elf32_Phdr segment;
        Elf32_Nhdr note;
        char owner[4];
        guint32 entry;
    } start = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
                    .e_machine = EM_386,
                    .e_phoff = sizeof(Elf32_Ehdr),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = 1 },
        .segment = { .p_type = PT_NOTE,
                     .p_offset = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
                     .p_filesz = sizeof(Elf32_Nhdr) + 8 },
        .note = { 4, 4, 1 },
        .owner = "Xen",
    };

    g_byte_array_append(elf, (const guint8 *)&start, sizeof(start));
    g_assert_cmpstr(check_elf(elf), ==, NULL);
    g_byte_array_set_size(elf, sizeof(start) - 5);
    g_assert_nonnull(check_elf(elf));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kernel/image/headers", test_headers);
    g_test_add_func("/kernel/image/old-setup", test_old_setup);
    g_test_add_func("/kernel/image/unpacked-already", test_unpacked_already);
    g_test_add_func("/kernel/image/whole-gzip", test_whole_gzip);
    for (Packer packer = 0; packer < N_PACKERS; packer++) {
        const struct {
            const char *name;
            GTestDataFunc test;
        } tests[] = { { "unpack", test_packer },
                      { "cut", test_cut },
                      { "flipped", test_flipped },
                      { "lies", test_lies },
                      { "stopped", test_stopped } };

        for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/kernel/%s/%s", packer_names[packer],
                                                    tests[i].name);

            g_test_add_data_func(path, GUINT_TO_POINTER(packer), tests[i].test);
        }
    }
    g_test_add_func("/kernel/image/bomb", test_bomb);
    g_test_add_func("/kernel/elf/fields", test_elves);
    g_test_add_func("/kernel/elf/32-bits", test_narrow);
    return g_test_run();
}
