/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#define HOLE (64u << 10) /* runs of zeros of this size are not written */

struct X2lDisk {
    char *path;
    char *part; /* the raw image, while it is not whole */
    char *done; /* what gets the name: the part, or the one of another format */
    int fd;
    gboolean qcow2, replace, published;
};

static gboolean
fail(const char *path, GError **error)
{
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
    return FALSE;
}

X2lDisk *
x2l_disk_new(const char *path, guint64 size, const char *format, gboolean replace, GError **error)
{
    X2lDisk *disk = g_new0(X2lDisk, 1);

    disk->path = g_strdup(path);
    disk->part = g_strconcat(path, ".XXXXXX.part", NULL);
    disk->qcow2 = g_strcmp0(format, "qcow2") == 0;
    disk->replace = replace;
    disk->fd = -1;
    if (!replace && g_access(path, F_OK) == 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                    "%s: is there already, and stays as it is (--replace writes it anew)", path);
    } else {
        disk->fd = g_mkstemp_full(disk->part, O_RDWR | O_CLOEXEC, 0600);
        if (disk->fd >= 0 && ftruncate(disk->fd, (off_t)size) == 0)
            return disk;
        fail(disk->part, error);
    }
    x2l_disk_free(disk);
    return NULL;
}

void
x2l_disk_free(X2lDisk *disk)
{
    if (!disk)
        return;
    if (disk->fd >= 0) {
        close(disk->fd);
        unlink(disk->part);
    }
    if (disk->done && !disk->published)
        unlink(disk->done);
    g_free(disk->path);
    g_free(disk->part);
    g_free(disk->done);
    g_free(disk);
}

static gboolean
is_zero(const guint8 *data, gsize len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static gboolean
write_run(X2lDisk *disk, guint64 offset, const guint8 *data, gsize len, GError **error)
{
    while (len > 0) {
        ssize_t r = pwrite(disk->fd, data, len, (off_t)offset);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return fail(disk->part, error);
        offset += (guint64)r;
        data += r;
        len -= (gsize)r;
    }
    return TRUE;
}

gboolean
x2l_disk_write(X2lDisk *disk, guint64 offset, const guint8 *data, gsize len, GError **error)
{
    while (len > 0) {
        gsize run = 0, step;

        /* As much as is no hole, in one write. */
        while (run < len && !is_zero(data + run, MIN(HOLE, len - run)))
            run += MIN(HOLE, len - run);
        if (run && !write_run(disk, offset, data, run, error))
            return FALSE;
        step = run ? run : MIN(HOLE, len);
        offset += step;
        data += step;
        len -= step;
    }
    return TRUE;
}

/* ---- the end ---- */

/* A file that somebody else wrote, or a folder. */
static gboolean
sync_path(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        fail(path, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

static gboolean
to_qcow2(X2lDisk *disk, GError **error)
{
    const char *argv[] = {
        "qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", NULL, NULL, NULL
    };
    g_autofree char *messages = NULL;
    int status;

    disk->done = g_strconcat(disk->part, ".qcow2", NULL);
    argv[7] = disk->part; /* absolute, so no option */
    argv[8] = disk->done;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
                      NULL, NULL, NULL, &messages, &status, error) ||
        !g_spawn_check_wait_status(status, error)) {
        g_prefix_error(error, "%s: qemu-img: %s%s", disk->path,
                       messages ? g_strchomp(messages) : "", messages && *messages ? ": " : "");
        return FALSE;
    }
    if (g_chmod(disk->done, 0600) < 0)
        return fail(disk->done, error);
    /* qemu-img leaves that to the system. */
    if (!sync_path(disk->done, error))
        return FALSE;
    unlink(disk->part);
    return TRUE;
}

gboolean
x2l_disk_finish(X2lDisk *disk, GError **error)
{
    gboolean synced = disk->qcow2 || fsync(disk->fd) == 0;
    gboolean ok = synced ? TRUE : fail(disk->part, error);

    if (ok && disk->qcow2)
        ok = to_qcow2(disk, error);
    else if (ok)
        disk->done = g_strdup(disk->part);
    if (!ok)
        return FALSE;
    close(disk->fd);
    disk->fd = -1;
    return TRUE;
}

static gboolean
give_name(X2lDisk *disk, GError **error)
{
    /* Without --replace nothing that came meanwhile is written over. */
    if (!disk->replace && link(disk->done, disk->path) == 0) {
        unlink(disk->done);
        disk->published = TRUE;
        return TRUE;
    }
    if (!disk->replace && errno != EPERM && errno != EOPNOTSUPP)
        return fail(disk->path, error);
    if (rename(disk->done, disk->path) < 0)
        return fail(disk->path, error);
    disk->published = TRUE;
    return TRUE;
}

gboolean
x2l_disk_publish(X2lDisk *disk, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(disk->path);

    return give_name(disk, error) && sync_path(folder, error);
}

gboolean
x2l_disk_check_space(const char *dir, guint64 bytes, GError **error)
{
    struct statvfs fs;
    guint64 left;

    if (statvfs(dir, &fs) < 0)
        return fail(dir, error);
    left = (guint64)fs.f_bavail * fs.f_frsize;
    if (left >= bytes)
        return TRUE;
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                "%s: %" G_GUINT64_FORMAT
                " MiB are free, and the archive's disks take up to %" G_GUINT64_FORMAT " MiB",
                dir, left >> 20, (bytes + (1 << 20) - 1) >> 20);
    return FALSE;
}

char *
x2l_disk_checksum(const char *kind, const guint8 *data, gsize len)
{
    if (strcmp(kind, "checksum") == 0)
        return g_compute_checksum_for_data(G_CHECKSUM_SHA1, data, len);
    if (strcmp(kind, "xxhash") == 0)
        return g_strdup_printf("%016" G_GINT64_MODIFIER "x", (guint64)XXH64(data, len, 0));
    return NULL;
}
