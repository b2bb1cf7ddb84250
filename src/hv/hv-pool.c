/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that are volumes of storage pools: where those are, for as long as the domain runs. Nobody
 * here knows pools; whoever opened the host may (HvConfig.find_volume). What was found stands in
 * the disk's `source` and is never part of a definition that is written, but for the state file.
 */
#include "hv-private.h"

/* It becomes part of the state file, and of commands. */
static gboolean
is_usable(const char *path)
{
    if (!g_path_is_absolute(path) || !g_utf8_validate(path, -1, NULL))
        return FALSE;
    for (const char *c = path; *c; c++) {
        if (g_ascii_iscntrl(*c))
            return FALSE;
    }
    return TRUE;
}

static gboolean
refuse(const ConfDisk *disk, const char *why, GError **error)
{
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "disk '%s', volume '%s' of storage pool '%s', %s",
                disk->target, disk->source_volume ? disk->source_volume : "",
                disk->source_pool ? disk->source_pool : "", why);
    return FALSE;
}

gboolean
hv_pool_find(HvHost *host, ConfDisk *disk, GCancellable *cancellable, GError **error)
{
    g_autofree char *path = NULL;
    gboolean block = FALSE;

    if (disk->type != CONF_DISK_TYPE_VOLUME || disk->source)
        return TRUE;
    if (!disk->source_pool && !disk->source_volume)
        return TRUE; /* an empty drive */
    if (!disk->source_pool || !disk->source_volume)
        return refuse(disk, "lacks the name of one of the two", error);
    if (!host->find_volume)
        return refuse(disk, "cannot be found: nobody here knows storage pools", error);
    if (!host->find_volume(disk->source_pool, disk->source_volume, &path, &block, cancellable,
                           host->find_volume_data, error))
        return FALSE;
    if (!is_usable(path))
        return refuse(disk, "has a path that cannot be used", error);
    disk->source = g_steal_pointer(&path);
    disk->volume_type = block ? CONF_DISK_TYPE_BLOCK : CONF_DISK_TYPE_FILE;
    return TRUE;
}

gboolean
hv_pool_find_device(HvHost *host, ConfAnyDevice *device, GError **error)
{
    return device->kind != CONF_DEVICE_DISK || hv_pool_find(host, device->disk, NULL, error);
}

void
hv_pool_find_again(HvHost *host, ConfDomain *live)
{
    for (guint i = 0; i < live->disks->len; i++) {
        g_autoptr(GError) error = NULL;

        if (!hv_pool_find(host, live->disks->pdata[i], NULL, &error))
            g_warning("domain '%s' runs, but where its volume is, is not known: %s", live->name,
                      error->message);
    }
}

gboolean
hv_host_disk_size(HvHost *host, const ConfDisk *disk, HvDiskSize *ret_size, GError **error)
{
    const ConfAnyDevice any = { .kind = CONF_DEVICE_DISK, .disk = (ConfDisk *)disk };
    g_autoptr(ConfAnyDevice) found = conf_device_copy(&any);

    return hv_pool_find_device(host, found, error) && hv_disk_size(found->disk, ret_size, error);
}
