/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks whose source is not there when a domain starts, by their startupPolicy. */
#include "hv-private.h"

#include <unistd.h>

static void
missing_free(gpointer data)
{
    HvMissing *missing = data;

    g_free(missing->alias);
    g_free(missing->path);
    g_free(missing);
}

/* Mandatory, which is the default: the engine finds that it is missing, and fails. Requisite: so it
 * does at a boot, but not where a guest goes on that ran before. */
static gboolean
may_be_missing(const ConfDisk *disk, gboolean restore)
{
    const char *policy = disk->source_startup_policy;

    return policy &&
           (g_str_equal(policy, "optional") || (restore && g_str_equal(policy, "requisite")));
}

static gboolean
is_missing(const ConfDisk *disk)
{
    ConfDiskType type = conf_disk_source_type(disk);

    return disk->source && (type == CONF_DISK_TYPE_FILE || type == CONF_DISK_TYPE_BLOCK) &&
           access(disk->source, F_OK) != 0;
}

static HvMissing *
missing_new(const ConfDomain *def, guint index, const ConfDisk *disk)
{
    g_autoptr(ConfDomain) named = conf_domain_copy(def);
    HvMissing *missing = g_new0(HvMissing, 1);

    /* What libvirt's clients know the disk by has no place in a definition that does not run. */
    conf_domain_assign_aliases(named);
    missing->alias = g_strdup(((const ConfDisk *)named->disks->pdata[index])->dev.alias);
    missing->path = disk->source ? g_strdup(disk->source)
                                 : g_strconcat(disk->source_pool, "/", disk->source_volume, NULL);
    missing->dropped = !hv_disk_is_removable(disk);
    return missing;
}

static void
take_medium(ConfDisk *disk)
{
    if (disk->type == CONF_DISK_TYPE_VOLUME)
        disk->type = CONF_DISK_TYPE_FILE;
    g_clear_pointer(&disk->source, g_free);
    g_clear_pointer(&disk->source_pool, g_free);
    g_clear_pointer(&disk->source_volume, g_free);
}

/* *ret_missing: it is not there, and need not be. */
static gboolean
look(HvHost *host, ConfDisk *disk, gboolean restore, GCancellable *cancellable,
     gboolean *ret_missing, GError **error)
{
    gboolean optional = may_be_missing(disk, restore);

    *ret_missing = FALSE;
    if (!hv_pool_find(host, disk, cancellable, optional ? NULL : error)) {
        *ret_missing = optional;
        return optional;
    }
    *ret_missing = optional && is_missing(disk);
    return TRUE;
}

ConfDomain *
hv_def_startup(HvHost *host, const ConfDomain *def, gboolean restore, GCancellable *cancellable,
               GPtrArray **ret_missing, GError **error)
{
    g_autoptr(ConfDomain) left = conf_domain_copy(def);
    GPtrArray *all = *ret_missing = g_ptr_array_new_with_free_func(missing_free);

    for (guint i = 0, at = 0; i < def->disks->len; i++) {
        ConfDisk *disk = left->disks->pdata[at];
        gboolean missing;

        if (!look(host, disk, restore, cancellable, &missing, error))
            return NULL;
        if (missing)
            g_ptr_array_add(all, missing_new(def, i, disk));
        if (missing && !hv_disk_is_removable(disk)) {
            g_ptr_array_remove_index(left->disks, at);
            continue;
        }
        if (missing)
            take_medium(disk);
        at++;
    }
    return g_steal_pointer(&left);
}
