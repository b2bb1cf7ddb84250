/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is answered of storage where no stock storage daemon is: look-ups, so that a client which
 * asks for a disk by its path (virt-install does) finds files and devices that exist.
 *
 * A file or block device of the host is a volume, and its folder the pool that it is in. There is
 * no other pool: lists are empty, and nothing is made, changed or remembered. A read-only client
 * finds nothing, as it must not learn which files the host has.
 */
#include "lvd-do.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- finding ---- */

static gboolean
no_volume(const char *path, GError **error)
{
    lvd_set_error(error, VIR_ERR_NO_STORAGE_VOL, VIR_FROM_STORAGE,
                  "no storage vol with matching path '%s'", path);
    return FALSE;
}

static gboolean
is_visible(LvdCall *call, const char *path)
{
    return !lvd_call_is_readonly(call) && g_path_is_absolute(path) &&
           g_utf8_validate(path, -1, NULL);
}

static gboolean
find_volume(LvdCall *call, const char *path, struct stat *ret_stat, GError **error)
{
    if (is_visible(call, path) && stat(path, ret_stat) == 0 &&
        (S_ISREG(ret_stat->st_mode) || S_ISBLK(ret_stat->st_mode)))
        return TRUE;
    return no_volume(path, error);
}

static gboolean
find_pool(LvdCall *call, const char *folder, GError **error)
{
    struct stat st;

    if (is_visible(call, folder) && stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
        return TRUE;
    lvd_set_error(error, VIR_ERR_NO_STORAGE_POOL, VIR_FROM_STORAGE,
                  "no storage pool with matching name '%s'", folder);
    return FALSE;
}

/* The same for the same folder, always (RFC 4122, made from a name). */
static void
folder_uuid(const char *folder, guint8 uuid[16])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize length = sizeof digest;

    g_checksum_update(sum, (const guchar *)"file://", -1);
    g_checksum_update(sum, (const guchar *)folder, -1);
    g_checksum_get_digest(sum, digest, &length);
    memcpy(uuid, digest, 16);
    uuid[6] = (guint8)((uuid[6] & 0x0f) | 0x50);
    uuid[8] = (guint8)((uuid[8] & 0x3f) | 0x80);
}

static void
fill_pool(lvd_nonnull_storage_pool *ret_pool, const char *folder)
{
    ret_pool->name = g_strdup(folder);
    folder_uuid(folder, (guint8 *)ret_pool->uuid);
}

/* A device that we may not open is none that we can tell anything of. */
static gboolean
can_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static gboolean
return_volume(LvdCall *call, lvd_nonnull_storage_vol *ret_vol, const char *path, GError **error)
{
    struct stat st;

    if (!find_volume(call, path, &st, error))
        return FALSE;
    if (!can_open(path))
        return no_volume(path, error);
    ret_vol->pool = g_path_get_dirname(path);
    ret_vol->name = g_path_get_basename(path);
    ret_vol->key = g_strdup(path);
    return TRUE;
}

/* ---- lists: nothing is in them ---- */

gboolean
lvd_do_connect_num_of_storage_pools(LvdCall *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

gboolean
lvd_do_connect_list_storage_pools(LvdCall *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

gboolean
lvd_do_connect_num_of_defined_storage_pools(LvdCall *call, const void *args, void *ret,
                                            GError **error)
{
    return TRUE;
}

gboolean
lvd_do_connect_list_defined_storage_pools(LvdCall *call, const void *args, void *ret,
                                          GError **error)
{
    return TRUE;
}

/* Its flags choose among pools; any choice of none is none. */
gboolean
lvd_do_connect_list_all_storage_pools(LvdCall *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

/* ---- volumes ---- */

gboolean
lvd_do_storage_vol_lookup_by_path(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_lookup_by_path_args *a = args;
    lvd_storage_vol_lookup_by_path_ret *r = ret;

    return return_volume(call, &r->vol, a->path, error);
}

gboolean
lvd_do_storage_vol_lookup_by_key(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_lookup_by_key_args *a = args;
    lvd_storage_vol_lookup_by_key_ret *r = ret;

    return return_volume(call, &r->vol, a->key, error);
}

gboolean
lvd_do_storage_vol_lookup_by_name(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_lookup_by_name_args *a = args;
    lvd_storage_vol_lookup_by_name_ret *r = ret;

    if (!find_pool(call, a->pool.name, error))
        return FALSE;
    g_autofree char *path = g_build_filename(a->pool.name, a->name, NULL);
    if (strchr(a->name, '/') || *a->name == '\0')
        return no_volume(path, error);
    return return_volume(call, &r->vol, path, error);
}

gboolean
lvd_do_storage_vol_get_path(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_get_path_args *a = args;
    lvd_storage_vol_get_path_ret *r = ret;
    struct stat st;

    if (!find_volume(call, a->vol.key, &st, error))
        return FALSE;
    r->name = g_strdup(a->vol.key);
    return TRUE;
}

/* What a definition says counts: a guest may have written a header into its raw disk. Else what the
 * image says of itself. */
static char *
image_format(LvdCall *call, const char *path, gboolean block)
{
    g_autoptr(GPtrArray) domains = hv_host_list(lvd_call_host(call));

    for (guint i = 0; i < domains->len; i++) {
        g_autoptr(HvView) view = hv_domain_view(g_ptr_array_index(domains, i));
        const ConfDomain *def = hv_view_current(view);
        int index = def ? hv_def_find_disk(def, path, NULL) : -1;

        if (index >= 0) {
            const ConfDisk *disk = g_ptr_array_index(def->disks, (guint)index);

            return g_strdup(disk->driver_type ? disk->driver_type : "raw");
        }
    }
    return g_strdup(block ? "raw" : hv_image_format(path));
}

typedef struct Volume {
    gboolean block;
    char *format;
    HvDiskSize size;
} Volume;

static void
volume_clear(Volume *volume)
{
    g_free(volume->format);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Volume, volume_clear)

static gboolean
measure_volume(LvdCall *call, const char *path, Volume *ret_volume, GError **error)
{
    struct stat st;

    if (!find_volume(call, path, &st, error))
        return FALSE;
    ret_volume->block = S_ISBLK(st.st_mode);
    ret_volume->format = image_format(call, path, ret_volume->block);
    ConfDisk disk = { .type = ret_volume->block ? CONF_DISK_TYPE_BLOCK : CONF_DISK_TYPE_FILE,
                      .source = (char *)path,
                      .driver_type = ret_volume->format };
    if (hv_disk_size(&disk, &ret_volume->size, NULL))
        return TRUE;
    disk.driver_type = NULL; /* what the definition says of it is wrong: as it lies there */
    return hv_disk_size(&disk, &ret_volume->size, error);
}

gboolean
lvd_do_storage_vol_get_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_get_info_args *a = args;
    lvd_storage_vol_get_info_ret *r = ret;
    g_auto(Volume) volume = { 0 };

    if (!measure_volume(call, a->vol.key, &volume, error))
        return FALSE;
    r->type = volume.block ? VIR_STORAGE_VOL_BLOCK : VIR_STORAGE_VOL_FILE;
    r->capacity = volume.size.capacity;
    r->allocation = volume.size.allocation;
    return TRUE;
}

gboolean
lvd_do_storage_vol_get_info_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_get_info_flags_args *a = args;
    lvd_storage_vol_get_info_flags_ret *r = ret;
    g_auto(Volume) volume = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !measure_volume(call, a->vol.key, &volume, error))
        return FALSE;
    r->type = volume.block ? VIR_STORAGE_VOL_BLOCK : VIR_STORAGE_VOL_FILE;
    r->capacity = volume.size.capacity;
    r->allocation = a->flags & VIR_STORAGE_VOL_GET_PHYSICAL ? volume.size.physical
                                                            : volume.size.allocation;
    return TRUE;
}

gboolean
lvd_do_storage_vol_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_vol_get_xml_desc_args *a = args;
    lvd_storage_vol_get_xml_desc_ret *r = ret;
    g_auto(Volume) volume = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !measure_volume(call, a->vol.key, &volume, error))
        return FALSE;
    g_autofree char *name = g_path_get_basename(a->vol.key);
    return lvd_return_text(
        &r->xml,
        g_markup_printf_escaped("<volume type='%s'>\n"
                                "  <name>%s</name>\n"
                                "  <key>%s</key>\n"
                                "  <capacity unit='bytes'>%" G_GUINT64_FORMAT "</capacity>\n"
                                "  <allocation unit='bytes'>%" G_GUINT64_FORMAT "</allocation>\n"
                                "  <physical unit='bytes'>%" G_GUINT64_FORMAT "</physical>\n"
                                "  <target>\n"
                                "    <path>%s</path>\n"
                                "    <format type='%s'/>\n"
                                "  </target>\n"
                                "</volume>\n",
                                volume.block ? "block" : "file", name, a->vol.key,
                                volume.size.capacity, volume.size.allocation, volume.size.physical,
                                a->vol.key, volume.format),
        error);
}

/* ---- the folders that they are in ---- */

gboolean
lvd_do_storage_pool_lookup_by_name(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_lookup_by_name_args *a = args;
    lvd_storage_pool_lookup_by_name_ret *r = ret;

    if (!find_pool(call, a->name, error))
        return FALSE;
    fill_pool(&r->pool, a->name);
    return TRUE;
}

gboolean
lvd_do_storage_pool_lookup_by_volume(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_lookup_by_volume_args *a = args;
    lvd_storage_pool_lookup_by_volume_ret *r = ret;
    struct stat st;

    if (!find_volume(call, a->vol.key, &st, error))
        return FALSE;
    g_autofree char *folder = g_path_get_dirname(a->vol.key);
    fill_pool(&r->pool, folder);
    return TRUE;
}

typedef struct Space {
    guint64 capacity, allocation, available; /* bytes */
} Space;

static gboolean
measure_pool(LvdCall *call, const char *folder, Space *ret_space, GError **error)
{
    struct statvfs vfs;

    if (!find_pool(call, folder, error))
        return FALSE;
    if (statvfs(folder, &vfs) < 0) {
        lvd_set_error(error, VIR_ERR_SYSTEM_ERROR, VIR_FROM_STORAGE, "cannot statvfs path '%s': %s",
                      folder, g_strerror(errno));
        return FALSE;
    }
    ret_space->capacity = (guint64)vfs.f_blocks * vfs.f_frsize;
    ret_space->available = (guint64)vfs.f_bfree * vfs.f_frsize;
    ret_space->allocation = ret_space->capacity - ret_space->available;
    return TRUE;
}

gboolean
lvd_do_storage_pool_get_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_get_info_args *a = args;
    lvd_storage_pool_get_info_ret *r = ret;
    Space space;

    if (!measure_pool(call, a->pool.name, &space, error))
        return FALSE;
    r->state = VIR_STORAGE_POOL_RUNNING;
    r->capacity = space.capacity;
    r->allocation = space.allocation;
    r->available = space.available;
    return TRUE;
}

gboolean
lvd_do_storage_pool_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_get_xml_desc_args *a = args;
    lvd_storage_pool_get_xml_desc_ret *r = ret;
    Space space;
    guint8 uuid[16];
    char text[37];

    if (!lvd_check_flags(call, a->flags, error) || !measure_pool(call, a->pool.name, &space, error))
        return FALSE;
    folder_uuid(a->pool.name, uuid);
    conf_uuid_format(uuid, text);
    return lvd_return_text(
        &r->xml,
        g_markup_printf_escaped("<pool type='dir'>\n"
                                "  <name>%s</name>\n"
                                "  <uuid>%s</uuid>\n"
                                "  <capacity unit='bytes'>%" G_GUINT64_FORMAT "</capacity>\n"
                                "  <allocation unit='bytes'>%" G_GUINT64_FORMAT "</allocation>\n"
                                "  <available unit='bytes'>%" G_GUINT64_FORMAT "</available>\n"
                                "  <source>\n"
                                "  </source>\n"
                                "  <target>\n"
                                "    <path>%s</path>\n"
                                "  </target>\n"
                                "</pool>\n",
                                a->pool.name, text, space.capacity, space.allocation,
                                space.available, a->pool.name),
        error);
}

gboolean
lvd_do_storage_pool_get_autostart(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_get_autostart_args *a = args;

    return find_pool(call, a->pool.name, error);
}

/* Each look-up looks at the host anew. */
gboolean
lvd_do_storage_pool_refresh(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_refresh_args *a = args;

    return lvd_check_flags(call, a->flags, error) && find_pool(call, a->pool.name, error);
}

gboolean
lvd_do_storage_pool_is_active(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_is_active_args *a = args;
    lvd_storage_pool_is_active_ret *r = ret;

    r->active = 1;
    return find_pool(call, a->pool.name, error);
}

gboolean
lvd_do_storage_pool_is_persistent(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_storage_pool_is_persistent_args *a = args;

    return find_pool(call, a->pool.name, error);
}
