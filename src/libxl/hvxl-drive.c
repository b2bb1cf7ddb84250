/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-drive.h"

#include "hvxl-json.h"

#include <string.h>

/* ---- names of virtual disks ---- */

#define XVD_EXTENDED (1u << 28)
#define MAX_DISK     (1u << 20)

/* The letters of a disk: "a" is 0, "z" 25, "aa" 26. NULL: there are none. */
static const char *
parse_letters(const char *at, guint *ret_disk)
{
    guint disk = 0;

    if (!g_ascii_islower(*at))
        return NULL;
    for (; g_ascii_islower(*at) && disk < MAX_DISK; at++)
        disk = disk * 26 + (guint)(*at - 'a') + 1;
    *ret_disk = disk - 1;
    return at;
}

static gboolean
parse_partition(const char *at, guint *ret_partition)
{
    guint64 partition = 0;

    if (*at && !g_ascii_string_to_unsigned(at, 10, 1, 255, &partition, NULL))
        return FALSE;
    *ret_partition = (guint)partition;
    return TRUE;
}

/* d5p1 */
static gboolean
parse_plain(const char *name, guint *ret_disk, guint *ret_partition)
{
    char *end;
    guint64 disk = g_ascii_strtoull(name + 1, &end, 10);

    if (name[0] != 'd' || !g_ascii_isdigit(name[1]) || disk >= MAX_DISK)
        return FALSE;
    *ret_disk = (guint)disk;
    return *end == '\0' ? (*ret_partition = 0, TRUE)
                        : *end == 'p' && end[1] && parse_partition(end + 1, ret_partition);
}

static guint
xvd_number(guint disk, guint partition)
{
    return disk < 16 && partition < 16 ? 202u << 8 | disk << 4 | partition
                                       : XVD_EXTENDED | disk << 8 | partition;
}

gboolean
hvxl_vdev_parse(const char *name, guint *ret_disk, guint *ret_number)
{
    guint disk, partition;
    const char *rest;

    if (parse_plain(name, &disk, &partition)) {
        *ret_disk = disk;
        *ret_number = xvd_number(disk, partition);
        return TRUE;
    }
    rest = g_str_has_prefix(name, "xvd")                                  ? name + 3
           : g_str_has_prefix(name, "sd") || g_str_has_prefix(name, "hd") ? name + 2
                                                                          : NULL;
    rest = rest ? parse_letters(rest, &disk) : NULL;
    if (!rest || !parse_partition(rest, &partition))
        return FALSE;
    *ret_disk = disk;
    if (name[0] == 'x')
        *ret_number = xvd_number(disk, partition);
    else if (name[0] == 's' && disk < 16 && partition < 16)
        *ret_number = 8u << 8 | disk << 4 | partition;
    else if (name[0] == 'h' && disk < 4 && partition < 64)
        *ret_number = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
    else
        return FALSE;
    return TRUE;
}

/* ---- what QEMU tells of its drives ---- */

static void
drive_clear(gpointer data)
{
    HvxlDrive *drive = data;

    g_free(drive->name);
    g_free(drive->path);
}

/* "ide0-hd0 (#block167): /a.img (raw)" begins a drive; lines that begin with a space tell more. */
static GArray *
parse_block(const char *text)
{
    GArray *drives = g_array_new(FALSE, TRUE, sizeof(HvxlDrive));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    g_array_set_clear_func(drives, drive_clear);
    for (guint i = 0; lines[i]; i++) {
        char *line = g_strchomp(lines[i]);
        const char *attached = strstr(line, "Attached to:");

        if (*line && !g_ascii_isspace(*line)) {
            HvxlDrive drive = {
                .name = g_strndup(line, strcspn(line, " :")),
                .stats = { -1, -1, -1, -1, -1, -1, -1, -1, -1 },
            };

            g_array_append_val(drives, drive);
        } else if (attached && drives->len > 0) {
            HvxlDrive *last = &g_array_index(drives, HvxlDrive, drives->len - 1);

            g_free(last->path);
            last->path = g_strdup(g_strstrip((char *)attached + strlen("Attached to:")));
        }
    }
    return drives;
}

/* "NAME: rd_bytes=0 wr_bytes=0 ..." */
static void
parse_stats(const char *line, HvDiskStats *ret_stats)
{
    static const struct {
        const char *key;
        gsize offset;
    } keys[] = {
        { "rd_operations=", offsetof(HvDiskStats, rd_reqs) },
        { "rd_bytes=", offsetof(HvDiskStats, rd_bytes) },
        { "rd_total_time_ns=", offsetof(HvDiskStats, rd_ns) },
        { "wr_operations=", offsetof(HvDiskStats, wr_reqs) },
        { "wr_bytes=", offsetof(HvDiskStats, wr_bytes) },
        { "wr_total_time_ns=", offsetof(HvDiskStats, wr_ns) },
        { "flush_operations=", offsetof(HvDiskStats, fl_reqs) },
        { "flush_total_time_ns=", offsetof(HvDiskStats, fl_ns) },
    };
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    for (guint i = 0; words[i]; i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(keys); j++) {
            gsize len = strlen(keys[j].key);
            gint64 *figure = (gint64 *)(gpointer)((char *)ret_stats + keys[j].offset);

            if (strncmp(words[i], keys[j].key, len) == 0)
                *figure = g_ascii_strtoll(words[i] + len, NULL, 10);
        }
    }
}

GArray *
hvxl_parse_drives(const char *info_block, const char *info_blockstats)
{
    GArray *drives = parse_block(info_block);
    g_auto(GStrv) lines = g_strsplit(info_blockstats, "\n", -1);
    guint n = 0;

    for (guint i = 0; lines[i]; i++) {
        if (!strstr(lines[i], "rd_bytes="))
            continue;
        if (n < drives->len)
            parse_stats(lines[i], &g_array_index(drives, HvxlDrive, n).stats);
        n++;
    }
    /* A drive came or went between the two questions: none of the figures can be trusted. */
    for (guint i = 0; n != drives->len && i < drives->len; i++)
        g_array_index(drives, HvxlDrive, i).stats = (HvDiskStats){ -1, -1, -1, -1, -1,
                                                                   -1, -1, -1, -1 };
    return drives;
}

/* The emulated drive in place of an HVM guest's disk: two a channel of IDE. A CD-ROM drive has the
 * number of its PV disk in its name. */
static gboolean
is_emulated(const char *drive, const char *target, guint disk, guint devid)
{
    char name[32];

    g_snprintf(name, sizeof(name), "ide-%u", devid);
    if (g_str_equal(drive, name))
        return TRUE;

    if (disk < 4) {
        for (guint i = 0; i < 2; i++) {
            g_snprintf(name, sizeof(name), "ide%u-%s%u", disk / 2, i == 0 ? "hd" : "cd", disk % 2);
            if (g_str_equal(drive, name))
                return TRUE;
        }
    }
    g_snprintf(name, sizeof(name), "scsi0-hd%u", disk);
    return g_str_has_prefix(target, "sd") && g_str_equal(drive, name);
}

gboolean
hvxl_drive_is_of(const HvxlDrive *drive, const ConfDisk *disk)
{
    gsize len = strlen(disk->target);
    guint number, devid;

    /* The node of a PV disk: target, '-' and its format. */
    if (strncmp(drive->name, disk->target, len) == 0 &&
        (drive->name[len] == '-' || drive->name[len] == '\0'))
        return TRUE;
    return hvxl_vdev_parse(disk->target, &number, &devid) &&
           is_emulated(drive->name, disk->target, number, devid);
}

const ConfDisk *
hvxl_drive_find_disk(const char *name, const ConfDomain *live)
{
    const HvxlDrive drive = { .name = (char *)name };

    for (guint i = 0; i < live->disks->len; i++) {
        const ConfDisk *disk = live->disks->pdata[i];

        if (disk->target && hvxl_drive_is_of(&drive, disk))
            return disk;
    }
    return NULL;
}

/* ---- nodes ---- */

/* A node that opens a file itself, below the one that knows its format. */
static gboolean
is_storage(const char *node)
{
    static const char *const drivers[] = { "file", "host_device", "host_cdrom" };
    const char *driver = hvxl_json_get(node, "drv");

    for (gsize i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (hvxl_json_is(driver, drivers[i]))
            return TRUE;
    }
    return FALSE;
}

GPtrArray *
hvxl_node_names(const char *answer, const char *file, gboolean storage)
{
    const char *nodes = hvxl_json_get(answer, "return");
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (const char *node = NULL; (node = hvxl_json_next(nodes, node));) {
        char *name = hvxl_json_string(hvxl_json_get(node, "node-name"));

        if (name && hvxl_json_is(hvxl_json_get(node, "file"), file) && is_storage(node) == storage)
            g_ptr_array_add(names, name);
        else
            g_free(name);
    }
    return names;
}

char *
hvxl_node_file(const char *answer, const char *name)
{
    const char *nodes = hvxl_json_get(answer, "return");

    for (const char *node = NULL; (node = hvxl_json_next(nodes, node));) {
        if (hvxl_json_is(hvxl_json_get(node, "node-name"), name))
            return hvxl_json_string(hvxl_json_get(node, "file"));
    }
    return NULL;
}
