/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which locks a domain has to hold. As the stock drivers' plugin for virtlockd has it, so that
 * hosts of both kinds keep each other off a disk: a lockspace and a name in it must come out the
 * same here and there.
 */
#include "hv-private.h"

#include <string.h>

static void
lease_free(gpointer data)
{
    HvLease *lease = data;

    g_free(lease->lockspace);
    g_free(lease->resource);
    g_free(lease);
}

GPtrArray *
hv_leases_new(void)
{
    return g_ptr_array_new_with_free_func(lease_free);
}

HvLease *
hv_lease_copy(const HvLease *lease)
{
    HvLease *copy = g_memdup2(lease, sizeof(*lease));

    copy->lockspace = g_strdup(lease->lockspace);
    copy->resource = g_strdup(lease->resource);
    return copy;
}

int
hv_leases_find(const GPtrArray *leases, const HvLease *like)
{
    for (guint i = 0; i < leases->len; i++) {
        const HvLease *lease = leases->pdata[i];

        if (g_str_equal(lease->lockspace, like->lockspace) &&
            g_str_equal(lease->resource, like->resource))
            return (int)i;
    }
    return -1;
}

/* ---- names of devices that are the same on every host ---- */

#define PATIENCE_MS 10000
#define NAME_MAX_B  65536

/* The only line of what a program says. NULL: it does not know the device, or is not there. */
static char *
ask_program(const char *const *argv)
{
    const HvRun run = { .argv = argv, .output_max = NAME_MAX_B, .limit_ms = PATIENCE_MS };
    g_autofree char *out = NULL;

    if (!hv_run(&run, &out, NULL))
        return NULL;
    g_strstrip(out);
    return *out && !strpbrk(out, "\n/") && g_utf8_validate(out, -1, NULL) ? g_steal_pointer(&out)
                                                                          : NULL;
}

static char *
lvm_uuid(const char *path)
{
    const char *const argv[] = { "lvs",       "--noheadings", "--unbuffered", "--nosuffix",
                                 "--options", "uuid",         path,           NULL };

    return ask_program(argv);
}

static char *
scsi_id(const char *path)
{
    const char *const argv[] = {
        "/lib/udev/scsi_id", "--replace-whitespace", "--whitelisted", "--device", path, NULL
    };

    return ask_program(argv);
}

/* ---- one disk ---- */

/* *ret_name and the folder that it is in. NULL: the file itself is what is locked. */
static const char *
find_lockspace(const HvLocks *locks, const char *path, char **ret_name)
{
    gboolean device = g_str_has_prefix(path, "/dev/");

    if (device && locks->lvm_dir && (*ret_name = lvm_uuid(path)))
        return locks->lvm_dir;
    if (device && locks->scsi_dir && (*ret_name = scsi_id(path)))
        return locks->scsi_dir;
    if (!locks->file_dir)
        return NULL;
    *ret_name = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);
    return locks->file_dir;
}

/* Can a guest write to what others, too, can reach by this path? */
static gboolean
is_lockable(const ConfDisk *disk)
{
    ConfDiskType type = conf_disk_source_type(disk);

    return disk->source && !disk->readonly && disk->device != CONF_DISK_DEVICE_CDROM &&
           (type == CONF_DISK_TYPE_FILE || type == CONF_DISK_TYPE_BLOCK ||
            type == CONF_DISK_TYPE_DIR || type == CONF_DISK_TYPE_ABSENT);
}

static gboolean
add_disk(const HvLocks *locks, const ConfDisk *disk, GPtrArray *leases, GError **error)
{
    g_autofree char *name = NULL;
    const char *lockspace;
    HvLease lease;

    if (locks->no_disks || !is_lockable(disk))
        return TRUE;
    if (disk->backenddomain && !locks->file_dir)
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "disk '%s' is in domain '%s', where virtlockd cannot lock it: name a "
                         "file_lockspace_dir in libxl-lockd.conf",
                         disk->target, disk->backenddomain);
    lockspace = find_lockspace(locks, disk->source, &name);
    lease = (HvLease){ .lockspace = (char *)(lockspace ? lockspace : ""),
                       .resource = lockspace ? name : disk->source,
                       .shared = disk->shareable,
                       .create = lockspace != NULL };
    g_ptr_array_add(leases, hv_lease_copy(&lease));
    return TRUE;
}

/* ---- <lease> ---- */

static gboolean
add_lease(const ConfLease *said, GPtrArray *leases, GError **error)
{
    g_autofree char *lockspace = NULL;
    HvLease lease;
    guint64 offset = 0;

    if (said->target_offset &&
        (!g_ascii_string_to_unsigned(said->target_offset, 10, 0, G_MAXUINT64, &offset, NULL) ||
         offset != 0))
        return hv_refuse(error, HV_ERROR_CONFIG, "Offset must be zero for this lock manager");
    if (!said->target_path || !said->lockspace || !said->key)
        return hv_refuse(error, HV_ERROR_CONFIG, "Missing path or lockspace for lease resource");
    lockspace = g_strconcat(said->target_path, "/", said->lockspace, NULL);
    lease = (HvLease){ .lockspace = lockspace, .resource = said->key };
    g_ptr_array_add(leases, hv_lease_copy(&lease));
    return TRUE;
}

/* ---- all of it ---- */

GPtrArray *
hv_leases_of_device(const HvLocks *locks, const ConfAnyDevice *device, GError **error)
{
    g_autoptr(GPtrArray) leases = hv_leases_new();

    if (device->kind == CONF_DEVICE_DISK && !add_disk(locks, device->disk, leases, error))
        return NULL;
    if (device->kind == CONF_DEVICE_LEASE && !add_lease(device->lease, leases, error))
        return NULL;
    return g_steal_pointer(&leases);
}

/* Where disks take none by themselves it is easy to forget the <lease>. */
static gboolean
check_required(const HvLocks *locks, const ConfDomain *def, GError **error)
{
    if (!locks->no_disks || !locks->require_lease || def->leases->len > 0)
        return TRUE;
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = def->disks->pdata[i];

        if (is_lockable(disk) && !disk->shareable)
            return hv_refuse(error, HV_ERROR_CONFIG,
                             "Read/write, exclusive access, disks were present, but no leases "
                             "specified");
    }
    return TRUE;
}

GPtrArray *
hv_leases_of_domain(const HvLocks *locks, const ConfDomain *def, GError **error)
{
    g_autoptr(GPtrArray) leases = hv_leases_new();

    if (!check_required(locks, def, error))
        return NULL;
    for (guint i = 0; i < def->leases->len; i++)
        if (!add_lease(def->leases->pdata[i], leases, error))
            return NULL;
    for (guint i = 0; i < def->disks->len; i++)
        if (!add_disk(locks, def->disks->pdata[i], leases, error))
            return NULL;
    return g_steal_pointer(&leases);
}
