/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a qcow2 image says of itself: the snapshots in it, and what it stands on. Read by ourselves,
 * as QEMU's specification of the format has it ("QCOW2 header", "Snapshots"). All numbers are
 * big-endian. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HEADER_LEN               72
#define HEADER_LEN_V3            104
#define EXTENSION_LEN            8
#define EXTENSION_BACKING_FORMAT 0xe2792aca
#define MAX_EXTENSIONS           64
#define MAX_BACKING              1023 /* as QEMU */
#define ENTRY_LEN                40
#define MAX_SNAPSHOTS            65536       /* as QEMU */
#define MAX_EXTRA                1024        /* as QEMU */
#define MAX_TABLE                (64u << 20) /* as QEMU */

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
    guint64 first, offset, n;

    if (!read_at(fd, header, sizeof(header), 0, path, error))
        return NULL;
    if (memcmp(header, "QFI\xfb", 4) != 0 || number(header + 4, 4) < 2) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is no image of the format 'qcow2'",
                    path);
        return NULL;
    }
    n = number(header + 60, 4);
    first = offset = number(header + 64, 8);
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
        /* Two names of 64 KiB each, in 65536 entries of a file with holes, would fill the memory.
         */
        if (offset - first > MAX_TABLE) {
            g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                        "the list of snapshots in '%s' has no end", path);
            return NULL;
        }
    }
    return g_steal_pointer(&all);
}

static int
open_image(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        hv_set_io_error(error, errno, "open", path);
    return fd;
}

GPtrArray *
hv_qcow2_snapshots(const char *path, GError **error)
{
    int fd = open_image(path, error);
    GPtrArray *all;

    if (fd < 0)
        return NULL;
    all = read_table(fd, path, error);
    close(fd);
    return all;
}

/* ---- what it stands on ---- */

/* The name of the file in QEMU's long form of a backing name, which is JSON; NULL: it has none. */
static char *
name_in_json(const char *json)
{
    g_autoptr(GRegex) regex = g_regex_new("\"filename\"\\s*:\\s*\"([^\"\\\\]+)\"", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    return g_regex_match(regex, json, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

/* Relative names are relative to the image's folder. What is no file of this host stays as it is:
 * it has a colon before its first slash. */
static char *
resolve(const char *path, const char *backing)
{
    g_autofree char *in_json = g_str_has_prefix(backing, "json:") ? name_in_json(backing) : NULL;
    g_autofree char *folder = NULL;
    gsize plain = strcspn(backing, ":/");

    if (in_json)
        return resolve(path, in_json);
    if (g_str_has_prefix(backing, "file:"))
        return resolve(path, backing + strlen("file:"));
    if (g_path_is_absolute(backing) || backing[plain] == ':')
        return g_strdup(backing);
    folder = g_path_get_dirname(path);
    return g_build_filename(folder, backing, NULL);
}

/* NULL: the header does not say. */
static char *
read_backing_format(int fd, guint64 offset, const char *path, GError **error)
{
    for (guint i = 0; i < MAX_EXTENSIONS; i++) {
        guint8 head[EXTENSION_LEN];
        guint64 type, len;

        if (!read_at(fd, head, sizeof(head), offset, path, error))
            return NULL;
        type = number(head, 4);
        len = number(head + 4, 4);
        if (type == 0)
            return NULL;
        if (type == EXTENSION_BACKING_FORMAT && len <= MAX_BACKING)
            return read_string(fd, len, offset + EXTENSION_LEN, path, error);
        offset += EXTENSION_LEN + ((len + 7) & ~(guint64)7);
    }
    return NULL;
}

static gboolean
read_backing(int fd, const char *path, HvQcow2Backing *ret_backing, GError **error)
{
    g_autoptr(GError) local = NULL;
    guint8 header[HEADER_LEN_V3] = { 0 };
    g_autofree char *name = NULL;
    guint64 version, len;

    if (!read_at(fd, header, HEADER_LEN, 0, path, NULL) || memcmp(header, "QFI\xfb", 4) != 0)
        return TRUE;
    version = number(header + 4, 4);
    len = number(header + 16, 4);
    if (version < 2 || number(header + 8, 8) == 0 || len == 0)
        return TRUE;
    if (len > MAX_BACKING) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "the header of '%s' makes no sense", path);
        return FALSE;
    }
    if (version > 2 && !read_at(fd, header, HEADER_LEN_V3, 0, path, error))
        return FALSE;
    name = read_string(fd, len, number(header + 8, 8), path, error);
    if (!name)
        return FALSE;
    ret_backing->format = read_backing_format(
        fd, version > 2 ? number(header + 100, 4) : HEADER_LEN, path, &local);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    ret_backing->path = resolve(path, name);
    return TRUE;
}

gboolean
hv_qcow2_backing(const char *path, HvQcow2Backing *ret_backing, GError **error)
{
    int fd = open_image(path, error);
    gboolean ok;

    *ret_backing = (HvQcow2Backing){ 0 };
    if (fd < 0)
        return FALSE;
    ok = read_backing(fd, path, ret_backing, error);
    close(fd);
    if (!ok)
        hv_qcow2_backing_clear(ret_backing);
    return ok;
}

void
hv_qcow2_backing_clear(HvQcow2Backing *backing)
{
    g_clear_pointer(&backing->path, g_free);
    g_clear_pointer(&backing->format, g_free);
}
