/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of the disks of a running domain. QEMU has their images open, so QEMU makes them, all
 * in one transaction. What dom0's kernel serves has no snapshots.
 *
 * An HVM guest's disk is two drives until its PV driver has unplugged the emulated one. Each keeps
 * a picture of its own of the image: a snapshot by the one is overwritten by the other. So QEMU
 * must let go of the images, which it can while the guest stands still, for its memory. */
#include "hvxl-device.h"

#include "hvxl-hooks.h"
#include "hvxl-json.h"
#include "hvxl-qmp.h"
#include "hvxl-tune.h"

#include <string.h>

#define NODE_NAME_MAX 31 /* QEMU's */

/* ---- who serves a disk ---- */

/* The PV node of a disk is named after its target, the emulated drive of an HVM guest is not. */
static gboolean
is_pv(const HvxlDrive *drive, const ConfDisk *disk)
{
    return g_str_has_prefix(drive->name, disk->target);
}

/* How many it is; the last of them. */
static guint
count_drives(const GArray *drives, const ConfDisk *disk, const HvxlDrive **ret_last)
{
    guint n = 0;

    *ret_last = NULL;
    for (guint i = 0; i < drives->len; i++) {
        const HvxlDrive *drive = &g_array_index(drives, HvxlDrive, i);

        if (!drive->path || !hvxl_drive_is_of(drive, disk))
            continue;
        *ret_last = drive;
        n++;
    }
    return n;
}

/* NULL and *error: there is no drive that could do it. */
static const HvxlDrive *
find_drive(const GArray *drives, const ConfDisk *disk, GError **error)
{
    const HvxlDrive *found;
    guint n = count_drives(drives, disk, &found);

    if (n == 1)
        return found;
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                n == 0 ? "disk '%s' is not served by QEMU (driver name='qemu'): a snapshot of it "
                         "while the domain runs"
                       : "the guest has no PV driver for disk '%s', or not yet: a snapshot of it "
                         "while the domain runs, without its memory",
                disk->target);
    return NULL;
}

/* ---- the transaction ---- */

/* A name that no node of this disk has had: of the target, so that it is found again. */
static char *
new_node_name(const ConfDisk *disk, const HvxlDrive *drive)
{
    const char *dash = strrchr(drive->name, '-');
    guint64 n = 0;
    g_autofree char *name = NULL;

    if (dash && g_str_has_prefix(dash, "-over"))
        n = g_ascii_strtoull(dash + strlen("-over"), NULL, 10);
    name = g_strdup_printf("%s-over%u", disk->target, (guint)(n + 1));
    return strlen(name) <= NODE_NAME_MAX ? g_steal_pointer(&name) : NULL;
}

static void
add_action(GString *command, const ConfSnapshot *snapshot, const ConfSnapshotDisk *wanted,
           const ConfDisk *disk, const HvxlDrive *drive)
{
    g_autofree char *device = hvxl_json_quote(drive->name);
    g_autofree char *name = hvxl_json_quote(snapshot->name);
    g_autofree char *file = wanted->source ? hvxl_json_quote(wanted->source) : NULL;
    g_autofree char *node = new_node_name(disk, drive);

    if (g_str_has_suffix(command->str, "}"))
        g_string_append_c(command, ',');
    if (wanted->place == CONF_SNAPSHOT_INTERNAL) {
        g_string_append_printf(command,
                               "{\"type\":\"blockdev-snapshot-internal-sync\",\"data\":"
                               "{\"device\":%s,\"name\":%s}}",
                               device, name);
        return;
    }
    g_string_append_printf(command,
                           "{\"type\":\"blockdev-snapshot-sync\",\"data\":{\"%s\":%s,"
                           "\"snapshot-file\":%s,\"format\":\"qcow2\",\"mode\":\"existing\"",
                           is_pv(drive, disk) ? "node-name" : "device", device, file);
    if (node)
        g_string_append_printf(command, ",\"snapshot-node-name\":\"%s\"", node);
    g_string_append(command, "}}");
}

/* NULL: it has no part in this, or is a logical volume, which is libhv's. */
static const ConfDisk *
disk_of(const ConfSnapshotDisk *wanted, const ConfDomain *live)
{
    const ConfDisk *disk = conf_domain_find_disk(live, wanted->name);

    if (!disk || wanted->place == CONF_SNAPSHOT_EXTERNAL)
        return disk;
    return wanted->place == CONF_SNAPSHOT_INTERNAL && g_strcmp0(disk->driver_type, "qcow2") == 0
               ? disk
               : NULL;
}

/* What QEMU refuses was not done. Where its answer does not come, nobody knows. */
static gboolean
order(int domid, const char *command, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *answer = hvxl_qmp_patient(domid, command, &local);

    if (!answer) {
        gboolean known = g_error_matches(local, HV_ERROR, HV_ERROR_UNSUPPORTED);

        g_set_error_literal(error, HV_ERROR, known ? HV_ERROR_UNSUPPORTED : HV_ERROR_TIMEOUT,
                            local->message);
        return FALSE;
    }
    answer = hvxl_qmp_check(domid, g_steal_pointer(&answer), error);
    return answer != NULL;
}

static gboolean
create(int domid, const ConfDomain *live, const ConfSnapshot *snapshot, const GArray *drives,
       GError **error)
{
    g_autoptr(GString)
        command = g_string_new("{\"execute\":\"transaction\",\"arguments\":{\"actions\":[");

    for (guint i = 0; i < snapshot->disks->len; i++) {
        const ConfSnapshotDisk *wanted = snapshot->disks->pdata[i];
        const ConfDisk *disk = disk_of(wanted, live);
        const HvxlDrive *drive = disk ? find_drive(drives, disk, error) : NULL;

        if (disk && !drive)
            return FALSE;
        if (drive)
            add_action(command, snapshot, wanted, disk, drive);
    }
    g_string_append(command, "]}}");
    return order(domid, command->str, error);
}

/* ---- deleting ---- */

static gboolean
delete_one(int domid, const ConfDisk *disk, const HvxlDrive *drive, const char *name,
           GError **error)
{
    g_autofree char *id = NULL;
    g_autofree char *device = hvxl_json_quote(drive->name);
    g_autofree char *quoted = hvxl_json_quote(name);
    g_autofree char *command = NULL;

    if (!hv_snapshot_find_in_image(disk, name, &id, error))
        return FALSE;
    if (!id)
        return TRUE;
    command = g_strdup_printf("{\"execute\":\"blockdev-snapshot-delete-internal-sync\","
                              "\"arguments\":{\"device\":%s,\"name\":%s}}",
                              device, quoted);
    return order(domid, command, error);
}

static gboolean
delete_all(int domid, const ConfDomain *live, const ConfSnapshot *snapshot, const GArray *drives,
           GError **error)
{
    for (guint i = 0; i < snapshot->disks->len; i++) {
        const ConfSnapshotDisk *wanted = snapshot->disks->pdata[i];
        const ConfDisk *disk = wanted->place == CONF_SNAPSHOT_INTERNAL ? disk_of(wanted, live)
                                                                       : NULL;
        const HvxlDrive *drive = disk ? find_drive(drives, disk, error) : NULL;

        if (disk && (!drive || !delete_one(domid, disk, drive, snapshot->name, error)))
            return FALSE;
    }
    return TRUE;
}

/* ---- two drives of one disk ---- */

/* Internal ones only: to other images QEMU would have to move both. */
static gboolean
is_shared(const ConfDomain *live, const ConfSnapshot *snapshot, const GArray *drives)
{
    gboolean shared = FALSE;

    for (guint i = 0; i < snapshot->disks->len; i++) {
        const ConfSnapshotDisk *wanted = snapshot->disks->pdata[i];
        const ConfDisk *disk = disk_of(wanted, live);
        const HvxlDrive *drive;

        if (disk && wanted->place == CONF_SNAPSHOT_EXTERNAL)
            return FALSE;
        shared |= disk && count_drives(drives, disk, &drive) > 1;
    }
    return shared;
}

static gboolean
change_released(int domid, const ConfDomain *live, const ConfSnapshot *snapshot,
                HvDiskSnapshotOp op, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!hvxl_qmp_release_images(domid, &local)) {
        if (g_error_matches(local, HV_ERROR, HV_ERROR_WRONG_STATE))
            g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                        "the guest has no PV driver for its disks, or not yet, and does not stand "
                        "still: to %s a snapshot in their images",
                        op == HV_DISK_SNAPSHOT_DELETE ? "delete" : "make");
        else
            g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return op == HV_DISK_SNAPSHOT_DELETE ? hv_snapshot_images_delete(snapshot, live, error)
                                         : hv_snapshot_images_create(snapshot, live, error);
}

/* ---- the hook ---- */

/* Who finds the domain later finds what it writes to. */
static void
update_userdata(HvEngine *engine, int domid, const ConfSnapshot *snapshot)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, &error);
    g_autofree char *xml = ctx ? hvxl_userdata_read(ctx, domid) : NULL;
    g_autoptr(ConfDomain) kept = xml ? conf_domain_parse_xml(xml, -1, "userdata", 0, NULL) : NULL;

    if (!kept)
        return;
    hv_snapshot_move_disks(kept, snapshot);
    if (!hvxl_userdata_write(ctx, domid, kept, &error))
        g_warning("%s", error->message);
}

gboolean
hvxl_disk_snapshot(HvEngine *engine, int domid, const ConfDomain *live,
                   const ConfSnapshot *snapshot, HvDiskSnapshotOp op, GError **error)
{
    g_autoptr(GArray) drives = hvxl_qemu_drives(domid, error);

    if (!drives)
        return FALSE;
    if (is_shared(live, snapshot, drives))
        return change_released(domid, live, snapshot, op, error);
    if (op == HV_DISK_SNAPSHOT_DELETE)
        return delete_all(domid, live, snapshot, drives, error);
    if (!create(domid, live, snapshot, drives, error))
        return FALSE;
    update_userdata(engine, domid, snapshot);
    return TRUE;
}
