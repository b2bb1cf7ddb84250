/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's monitor, through libxl: it gives the text of commands that are made for people. The drives
 * of PV disks have no name there that a command could use, but their devices have a path.
 */
#include "hvxl-tune.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MS  3000
#define MAX_ANSWER (1u << 20)

/* What QEMU answers to one command; NULL: nothing, or not in time. */
static char *
ask(HvxlCtx *ctx, int domid, const char *command, GError **error)
{
    HvxlOp op;
    char *output = NULL;
    char *copy;
    int rc;

    hvxl_op_init(&op, ctx, NULL, ANSWER_MS);
    rc = hvxl_op_wait(
        &op, libxl_qemu_monitor_command(ctx->libxl, (uint32_t)domid, command, &output, &op.how));
    if (rc != 0) {
        free(output);
        hvxl_set_error(ctx, op.timed_out ? ERROR_TIMEDOUT : rc, error,
                       "the device model of domain id %d does not answer '%s'", domid, command);
        return NULL;
    }
    copy = g_strndup(output ? output : "", MAX_ANSWER);
    free(output);
    return copy;
}

/* ---- drives ---- */

GArray *
hvxl_qemu_drives(HvxlCtx *ctx, int domid, GError **error)
{
    g_autofree char *block = ask(ctx, domid, "info block", error);
    g_autofree char *stats = block ? ask(ctx, domid, "info blockstats", error) : NULL;

    return stats ? hvxl_parse_drives(block, stats) : NULL;
}

/* ---- limits ---- */

static gboolean
limit_drive(HvxlCtx *ctx, int domid, const HvxlDrive *drive, const HvDiskLimits *limits,
            GError **error)
{
    g_autofree char *command = g_strdup_printf(
        "block_set_io_throttle %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
        " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
        drive->path ? drive->path : drive->name, limits->total_bytes, limits->read_bytes,
        limits->write_bytes, limits->total_iops, limits->read_iops, limits->write_iops);
    g_autofree char *answer = ask(ctx, domid, command, error);

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
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autoptr(GArray) drives = NULL;
    guint disk_number, devid;
    gboolean any = FALSE;

    if (!ctx)
        return FALSE;
    /* Data of such a disk does not pass through the device model. */
    if (hvxl_vdev_parse(disk->target, &disk_number, &devid) && hvxl_is_blkback(domid, devid)) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "limiting disk '%s', whose data the kernel of domain 0 moves (blkback); a disk "
                    "with <driver name='qemu'/> can be limited",
                    disk->target);
        return FALSE;
    }
    drives = hvxl_qemu_drives(ctx, domid, error);
    for (guint i = 0; drives && i < drives->len; i++) {
        const HvxlDrive *drive = &g_array_index(drives, HvxlDrive, i);

        if (!hvxl_drive_is_of(drive, disk))
            continue;
        any = TRUE;
        if (!limit_drive(ctx, domid, drive, limits, error))
            return FALSE;
    }
    if (drives && !any)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "limiting disk '%s', which is not one of the device model", disk->target);
    return any;
}
