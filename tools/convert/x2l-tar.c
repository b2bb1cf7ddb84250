/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Archives, by libarchive: of its many formats and filters only those that XenServer writes. */
#include "x2l-tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (64u << 10)

struct X2lTar {
    struct archive *archive;
    char *path;
    int fd;
    guint8 *start; /* what the caller has read already */
    gsize start_len;
    guint8 *buffer;
    guint64 position;
    guint64 size; /* of a regular file; else 0 */
    gboolean regular, packed;
};

static const guint8 gzip_magic[] = { 0x1f, 0x8b }, zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
#define USTAR_OFFSET 257

static gboolean
is_packed(const void *start, gsize len)
{
    return (len >= sizeof gzip_magic && memcmp(start, gzip_magic, sizeof gzip_magic) == 0) ||
           (len >= sizeof zstd_magic && memcmp(start, zstd_magic, sizeof zstd_magic) == 0);
}

gboolean
x2l_tar_is(const void *start, gsize len)
{
    return is_packed(start, len) ||
           (len >= USTAR_OFFSET + 5 && memcmp((const char *)start + USTAR_OFFSET, "ustar", 5) == 0);
}

/* ---- the bytes ---- */

static la_ssize_t
on_read(struct archive *archive, void *data, const void **ret_bytes)
{
    X2lTar *tar = data;
    ssize_t r;

    if (tar->start_len) {
        r = (ssize_t)tar->start_len;
        tar->start_len = 0;
        tar->position += (guint64)r;
        *ret_bytes = tar->start;
        return r;
    }
    do
        r = read(tar->fd, tar->buffer, READ_STEP);
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        archive_set_error(archive, errno, "%s", g_strerror(errno));
        return ARCHIVE_FATAL;
    }
    tar->position += (guint64)r;
    *ret_bytes = tar->buffer;
    return r;
}

/* Not behind the end: what is cut off there shall be seen. 0: it has to be read. */
static la_int64_t
on_skip(struct archive *archive, void *data, la_int64_t request)
{
    X2lTar *tar = data;
    guint64 left = tar->regular && tar->size > tar->position ? tar->size - tar->position : 0;
    guint64 skip = MIN((guint64)MAX(request, 0), left);

    if (skip == 0 || tar->start_len || lseek(tar->fd, (off_t)skip, SEEK_CUR) < 0)
        return 0;
    tar->position += skip;
    return (la_int64_t)skip;
}

/* ---- the archive ---- */

static gboolean
fail(X2lTar *tar, GError **error)
{
    const char *reason = archive_error_string(tar->archive);

    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s (at byte %" G_GUINT64_FORMAT ")",
                tar->path, reason ? reason : "this archive can't be read", tar->position);
    return FALSE;
}

X2lTar *
x2l_tar_open(int fd, const void *start, gsize len, const char *path, GError **error)
{
    g_autoptr(X2lTar) tar = g_new0(X2lTar, 1);
    struct stat st;

    tar->archive = archive_read_new();
    tar->path = g_strdup(path);
    tar->fd = fd;
    tar->start = g_memdup2(start, len);
    tar->start_len = len;
    tar->buffer = g_malloc(READ_STEP);
    tar->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    tar->size = tar->regular ? (guint64)st.st_size : 0;
    tar->packed = is_packed(start, len);
    archive_read_support_format_tar(tar->archive);
    archive_read_support_filter_gzip(tar->archive);
    archive_read_support_filter_zstd(tar->archive);
    if (archive_read_open2(tar->archive, tar, NULL, on_read, on_skip, NULL) == ARCHIVE_OK)
        return g_steal_pointer(&tar);
    fail(tar, error);
    return NULL;
}

void
x2l_tar_close(X2lTar *tar)
{
    if (!tar)
        return;
    archive_read_free(tar->archive);
    g_free(tar->path);
    g_free(tar->start);
    g_free(tar->buffer);
    g_free(tar);
}

gboolean
x2l_tar_next(X2lTar *tar, const char **ret_name, guint64 *ret_size, GError **error)
{
    struct archive_entry *entry;

    for (;;) {
        int rc = archive_read_next_header(tar->archive, &entry);

        if (rc == ARCHIVE_EOF) {
            *ret_name = NULL;
            return TRUE;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return fail(tar, error);
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
            !archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0 ||
            !archive_entry_pathname(entry))
            continue;
        *ret_name = archive_entry_pathname(entry);
        *ret_size = (guint64)archive_entry_size(entry);
        return TRUE;
    }
}

gboolean
x2l_tar_read(X2lTar *tar, void *data, gsize size, GError **error)
{
    gsize done = 0;

    while (done < size) {
        la_ssize_t r = archive_read_data(tar->archive, (char *)data + done, size - done);

        if (r < 0)
            return fail(tar, error);
        if (r == 0) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                        "%s: the archive ends in the middle of a file (at byte %" G_GUINT64_FORMAT
                        ")",
                        tar->path, tar->position);
            return FALSE;
        }
        done += (gsize)r;
    }
    return TRUE;
}

guint64
x2l_tar_position(const X2lTar *tar)
{
    return tar->position;
}

guint64
x2l_tar_size(const X2lTar *tar)
{
    return tar->size;
}

gboolean
x2l_tar_is_packed(const X2lTar *tar)
{
    return tar->packed;
}
