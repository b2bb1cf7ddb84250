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
is_left_out(const ConfDisk *disk, gboolean restore)
{
    const char *policy = disk->source_startup_policy;

    if (!policy || !disk->source)
        return FALSE;
    if (disk->type != CONF_DISK_TYPE_FILE && disk->type != CONF_DISK_TYPE_BLOCK)
        return FALSE;
    return (g_str_equal(policy, "optional") || (restore && g_str_equal(policy, "requisite"))) &&
           access(disk->source, F_OK) != 0;
}

static HvMissing *
missing_new(const ConfDomain *def, guint index)
{
    g_autoptr(ConfDomain) named = conf_domain_copy(def);
    const ConfDisk *disk = def->disks->pdata[index];
    HvMissing *missing = g_new0(HvMissing, 1);

    /* What libvirt's clients know the disk by has no place in a definition that does not run. */
    conf_domain_assign_aliases(named);
    missing->alias = g_strdup(((const ConfDisk *)named->disks->pdata[index])->dev.alias);
    missing->path = g_strdup(disk->source);
    missing->dropped = !hv_disk_is_removable(disk);
    return missing;
}

ConfDomain *
hv_def_startup(const ConfDomain *def, gboolean restore, GPtrArray **ret_missing)
{
    ConfDomain *left = conf_domain_copy(def);
    GPtrArray *all = g_ptr_array_new_with_free_func(missing_free);

    for (guint i = 0, at = 0; i < def->disks->len; i++) {
        ConfDisk *disk = left->disks->pdata[at];

        if (is_left_out(disk, restore)) {
            g_ptr_array_add(all, missing_new(def, i));
            if (!hv_disk_is_removable(disk)) {
                g_ptr_array_remove_index(left->disks, at);
                continue;
            }
            g_clear_pointer(&disk->source, g_free);
        }
        at++;
    }
    *ret_missing = all;
    return left;
}
