/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of snapshots in a qcow2 image, read by ourselves: as QEMU's specification of the format
 * has it ("QCOW2 header", "Snapshots"). All numbers are big-endian. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HEADER_LEN    72
#define ENTRY_LEN     40
#define MAX_SNAPSHOTS 65536 /* as QEMU */
#define MAX_EXTRA     1024  /* as QEMU */

static void
snapshot_free(gpointer data)
{
    HvQcow2Snapshot *snapshot = data;

    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot);
}

static guint64
number(const guint8 *at, guint bytes)
{
    guint64 value = 0;

    for (guint i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static gboolean
read_at(int fd, void *data, gsize len, guint64 offset, const char *path, GError **error)
{
    ssize_t n = offset > G_MAXINT64 ? 0 : pread(fd, data, len, (off_t)offset);

    if (n == (ssize_t)len)
        return TRUE;
    if (n < 0)
        hv_set_io_error(error, errno, "read", path);
    else
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is cut off, or no qcow2 image", path);
    return FALSE;
}

static char *
read_string(int fd, gsize len, guint64 offset, const char *path, GError **error)
{
    g_autofree char *text = g_malloc0(len + 1);

    return read_at(fd, text, len, offset, path, error) ? g_steal_pointer(&text) : NULL;
}

/* One entry of the table; *offset moves to the next, which is aligned to 8 bytes. */
static HvQcow2Snapshot *
read_entry(int fd, guint64 *offset, const char *path, GError **error)
{
    guint8 entry[ENTRY_LEN];
    gsize id_len, name_len, extra_len;
    HvQcow2Snapshot *snapshot;
    guint64 at;

    if (!read_at(fd, entry, sizeof(entry), *offset, path, error))
        return NULL;
    id_len = number(entry + 12, 2);
    name_len = number(entry + 14, 2);
    extra_len = number(entry + 36, 4);
    if (extra_len > MAX_EXTRA) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "the list of snapshots in '%s' makes no sense", path);
        return NULL;
    }
    at = *offset + ENTRY_LEN + extra_len;
    snapshot = g_new0(HvQcow2Snapshot, 1);
    snapshot->id = read_string(fd, id_len, at, path, error);
    snapshot->name = snapshot->id ? read_string(fd, name_len, at + id_len, path, error) : NULL;
    if (!snapshot->name) {
        snapshot_free(snapshot);
        return NULL;
    }
    *offset = (at + id_len + name_len + 7) & ~(guint64)7;
    return snapshot;
}

static GPtrArray *
read_table(int fd, const char *path, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(snapshot_free);
    guint8 header[HEADER_LEN];
    guint64 offset, n;

    if (!read_at(fd, header, sizeof(header), 0, path, error))
        return NULL;
    if (memcmp(header, "QFI\xfb", 4) != 0 || number(header + 4, 4) < 2) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is no image of the format 'qcow2'",
                    path);
        return NULL;
    }
    n = number(header + 60, 4);
    offset = number(header + 64, 8);
    if (n > MAX_SNAPSHOTS) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' says that it has %u snapshots", path,
                    (guint)n);
        return NULL;
    }
    for (guint64 i = 0; i < n; i++) {
        HvQcow2Snapshot *snapshot = read_entry(fd, &offset, path, error);

        if (!snapshot)
            return NULL;
        g_ptr_array_add(all, snapshot);
    }
    return g_steal_pointer(&all);
}

GPtrArray *
hv_qcow2_snapshots(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    GPtrArray *all;

    if (fd < 0) {
        hv_set_io_error(error, errno, "open", path);
        return NULL;
    }
    all = read_table(fd, path, error);
    close(fd);
    return all;
}
