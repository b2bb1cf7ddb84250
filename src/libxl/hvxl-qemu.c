/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's human monitor. libxl's own way to it waits for ever where QEMU hangs, so it is not used.
 * The drives of PV disks have no name there that a command could use, but their devices have a
 * path.
 */
#include "hvxl-qmp.h"
#include "hvxl-tune.h"

#include <string.h>

/* ---- drives ---- */

GArray *
hvxl_qemu_drives(int domid, GError **error)
{
    g_autofree char *block = hvxl_qmp_human(domid, "info block", error);
    g_autofree char *stats = block ? hvxl_qmp_human(domid, "info blockstats", error) : NULL;

    return stats ? hvxl_parse_drives(block, stats) : NULL;
}

/* ---- limits ---- */

static gboolean
limit_drive(int domid, const HvxlDrive *drive, const HvDiskLimits *limits, GError **error)
{
    g_autofree char *command = g_strdup_printf(
        "block_set_io_throttle %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
        " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
        drive->path ? drive->path : drive->name, limits->total_bytes, limits->read_bytes,
        limits->write_bytes, limits->total_iops, limits->read_iops, limits->write_iops);
    g_autofree char *answer = hvxl_qmp_human(domid, command, error);

    if (!answer)
        return FALSE;
    /* Nothing is said where it worked. */
    if (!*g_strstrip(answer))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                "the device model of domain id %d refuses limits for '%s': %s", domid, drive->name,
                answer);
    return FALSE;
}

gboolean
hvxl_set_disk_limits(HvEngine *engine, int domid, const ConfDisk *disk, const HvDiskLimits *limits,
                     GError **error)
{
    g_autoptr(GArray) drives = NULL;
    guint disk_number, devid;
    gboolean any = FALSE;

    /* Data of such a disk does not pass through the device model. */
    if (hvxl_vdev_parse(disk->target, &disk_number, &devid) && hvxl_is_blkback(domid, devid)) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "limiting disk '%s', whose data the kernel of domain 0 moves (blkback); a disk "
                    "with <driver name='qemu'/> can be limited",
                    disk->target);
        return FALSE;
    }
    drives = hvxl_qemu_drives(domid, error);
    for (guint i = 0; drives && i < drives->len; i++) {
        const HvxlDrive *drive = &g_array_index(drives, HvxlDrive, i);

        if (!hvxl_drive_is_of(drive, disk))
            continue;
        any = TRUE;
        if (!limit_drive(domid, drive, limits, error))
            return FALSE;
    }
    if (drives && !any)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "limiting disk '%s', which is not one of the device model", disk->target);
    return any;
}
