/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XenServer's archives: ova.xml out of the tar, the domains out of that, and the disks behind it
 * into files. The sums of tar's headers are made right first: no mutation would find them.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x2l-xva.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD    512u
#define SUM_AT    148
#define SIZE_AT   124
#define MAX_SIZES (16u << 20) /* of disks that are written here */

static void
fix_header(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + SUM_AT, ' ', 8);
    for (unsigned i = 0; i < RECORD; i++)
        sum += header[i];
    snprintf((char *)header + SUM_AT, 8, "%06o", sum);
}

static void
fix_headers(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= RECORD;) {
        g_autofree char *octal = g_strndup((char *)data + at + SIZE_AT, 12);
        guint64 len = g_ascii_strtoull(octal, NULL, 8);

        if (memcmp(data + at + 257, "ustar", 5) != 0)
            return;
        fix_header(data + at);
        at += RECORD;
        len = (len + RECORD - 1) / RECORD * RECORD;
        if (len > size - at)
            return;
        at += len;
    }
}

static void
remove_all(const char *dir)
{
    g_autoptr(GDir) files = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(files))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        g_assert(!g_str_has_suffix(name, ".part")); /* nothing stays behind */
        g_unlink(path);
    }
    g_rmdir(dir);
}

static gboolean
small_enough(const GPtrArray *natives)
{
    for (guint i = 0; i < natives->len; i++) {
        g_autoptr(GPtrArray) disks = conf_native_disks(natives->pdata[i]);

        for (guint k = 0; k < disks->len; k++) {
            if (((ConfXvaDisk *)disks->pdata[k])->size > MAX_SIZES)
                return FALSE;
        }
    }
    return TRUE;
}

static void
extract(X2lTar *tar, GPtrArray *natives)
{
    char dir[] = "/tmp/fuzz-tar.XXXXXX";
    const X2lOptions options = { .extract_dir = dir, .disk_format = "raw" };
    g_autoptr(GError) error = NULL;

    if (!g_mkdtemp(dir))
        g_error("%s: no folder can be made", dir);
    for (guint i = 0; i < natives->len; i++)
        ((ConfNative *)natives->pdata[i])->disk_dir = g_strdup(dir);
    x2l_xva_extract(tar, natives, "fuzz", &options, &error);
    remove_all(dir);
}

static void
read_archive(int fd, const uint8_t *start, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(X2lTar) tar = x2l_tar_open(fd, start, len, "fuzz", &error);
    g_autoptr(GPtrArray) natives = NULL;
    g_autofree char *text = NULL;
    gsize text_len;

    if (tar)
        text = x2l_xva_read_ova(tar, "fuzz", &text_len, &error);
    if (text)
        natives = conf_native_parse(CONF_FORMAT_XVA, text, text_len, "fuzz", NULL, &error);
    g_assert(!natives == !!error);
    if (natives && small_enough(natives))
        extract(tar, natives);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *copy = g_memdup2(data, size);
    size_t start = MIN(size, X2L_SNIFF);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    fix_headers(copy, size);
    if (x2l_tar_is(copy, start) && write(fd, copy, size) == (ssize_t)size &&
        lseek(fd, (off_t)start, SEEK_SET) >= 0)
        read_archive(fd, copy, start);
    close(fd);
    return 0;
}
