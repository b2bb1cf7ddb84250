/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <disk>: xl-disk-configuration(5) tells what libxl makes of it. */
#include "hvxl-config-keys.h"

#include <string.h>

/* The words of domXML; "aio" is how xm and sxp said raw. */
static const HvxlName disk_formats[] = {
    { "raw", LIBXL_DISK_FORMAT_RAW },     { "qcow", LIBXL_DISK_FORMAT_QCOW },
    { "qcow2", LIBXL_DISK_FORMAT_QCOW2 }, { "qed", LIBXL_DISK_FORMAT_QED },
    { "vhd", LIBXL_DISK_FORMAT_VHD },     { "vpc", LIBXL_DISK_FORMAT_VHD },
    { "aio", LIBXL_DISK_FORMAT_RAW },     HVXL_NAMES_END,
};

/* UNKNOWN: libxl looks at the source and chooses. "tap" was blktap, which libxl takes where the
 * host has it. */
static const HvxlName disk_backends[] = {
    { "qemu", LIBXL_DISK_BACKEND_QDISK },   { "phy", LIBXL_DISK_BACKEND_PHY },
    { "file", LIBXL_DISK_BACKEND_QDISK },   { "tap", LIBXL_DISK_BACKEND_UNKNOWN },
    { "tap2", LIBXL_DISK_BACKEND_UNKNOWN }, HVXL_NAMES_END,
};

/* ---- the source ---- */

/* QEMU's syntax wants these escaped inside a value. */
static void
append_escaped(GString *out, const char *text)
{
    for (; text && *text; text++) {
        if (strchr(":;@\\", *text))
            g_string_append_c(out, '\\');
        g_string_append_c(out, *text);
    }
}

static char *
rbd_path(const ConfDisk *disk)
{
    GString *out = g_string_new("rbd:");

    g_string_append(out, disk->source_name);
    if (disk->source_snapshot) {
        g_string_append_c(out, '@');
        append_escaped(out, disk->source_snapshot);
    }
    for (guint i = 0; i < disk->source_hosts->len; i++) {
        const ConfDiskHost *host = disk->source_hosts->pdata[i];
        bool v6 = host->name && strchr(host->name, ':');

        g_string_append(out, i ? "\\;" : ":mon_host=");
        g_string_append(out, v6 ? "[" : "");
        append_escaped(out, host->name);
        g_string_append(out, v6 ? "]" : "");
        if (host->port) {
            g_string_append(out, "\\:");
            append_escaped(out, host->port);
        }
    }
    if (disk->source_config) {
        g_string_append(out, ":conf=");
        append_escaped(out, disk->source_config);
    }
    return g_string_free(out, FALSE);
}

/* What the script block-iscsi takes. */
static gboolean
build_iscsi(const ConfDisk *disk, const ConfDiskHost *host, libxl_device_disk *xl, GError **error)
{
    g_auto(GStrv) name = g_strsplit(disk->source_name ? disk->source_name : "", "/", 2);

    if (name[0] == NULL || *name[0] == '\0')
        return hvxl_invalid(error, "disk '%s': <source> names no target of iscsi", disk->target);
    if (name[1] && strcmp(name[1], "0") != 0)
        return hvxl_refuse(disk->target, "devices/disk/source/@name", "a LUN other than 0", error);
    xl->pdev_path = g_strdup_printf("iqn=%s,portal=%s:%s", name[0], host->name,
                                    host->port ? host->port : "3260");
    hvxl_set_string(&xl->script, "block-iscsi");
    return TRUE;
}

/* What our block-nbd takes. Xen's own, which runs without our helper and in a driver domain, has to
 * be one of the site's: libxl calls it without what it looks for. */
static void
build_nbd(HvxlBuild *b, const ConfDisk *disk, const ConfDiskHost *host, libxl_device_disk *xl)
{
    xl->pdev_path = g_strdup_printf("%s %s%s%s", host->name, host->port ? host->port : "10809",
                                    disk->source_name ? " " : "",
                                    disk->source_name ? disk->source_name : "");
    if (b->env->hotplug_script && disk->backenddomain == NULL)
        hvxl_set_hotplug(&xl->script, b->env, "block-nbd");
    else
        hvxl_set_string(&xl->script, "block-nbd");
}

/* Scripts make a block device of it. */
static gboolean
build_script_source(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    const ConfDiskHost *host = disk->source_hosts->len ? disk->source_hosts->pdata[0] : NULL;

    if (host == NULL || host->name == NULL || strpbrk(host->name, " \t,"))
        return hvxl_invalid(error, "disk '%s': <source> names no server of %s", disk->target,
                            disk->source_protocol);
    g_clear_pointer(&xl->pdev_path, g_free);
    if (strcmp(disk->source_protocol, "iscsi") == 0)
        return build_iscsi(disk, host, xl, error);
    build_nbd(b, disk, host, xl);
    return TRUE;
}

static gboolean
build_network_source(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    const char *protocol = disk->source_protocol ? disk->source_protocol : "";

    if (strcmp(protocol, "iscsi") == 0 || strcmp(protocol, "nbd") == 0)
        return build_script_source(b, disk, xl, error);
    if (strcmp(protocol, "rbd") != 0)
        return hvxl_refuse(disk->target, "devices/disk/source/@protocol", "other", error);
    if (disk->driver_name && strcmp(disk->driver_name, "qemu") != 0)
        return hvxl_refuse(disk->target, "devices/disk/driver/@name", "not qemu, with a network",
                           error);
    if (disk->source_name == NULL || *disk->source_name == '\0')
        return hvxl_invalid(error, "disk '%s': <source> has no name= of a pool and an image",
                            disk->target);
    xl->backend = LIBXL_DISK_BACKEND_QDISK;
    g_free(xl->pdev_path);
    xl->pdev_path = rbd_path(disk);
    return TRUE;
}

static gboolean
build_source(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    switch (conf_disk_source_type(disk)) {
    case CONF_DISK_TYPE_ABSENT:
    case CONF_DISK_TYPE_FILE:
    case CONF_DISK_TYPE_BLOCK:
        hvxl_set_string(&xl->pdev_path, disk->source && *disk->source ? disk->source : NULL);
        return TRUE;
    case CONF_DISK_TYPE_NETWORK:
        return build_network_source(b, disk, xl, error);
    case CONF_DISK_TYPE_VOLUME:
        if (disk->source_pool == NULL && disk->source_volume == NULL)
            return TRUE; /* an empty drive */
        return hvxl_refuse(disk->target, "devices/disk/@type", "volume, not found", error);
    case CONF_DISK_TYPE_DIR:
    case CONF_DISK_TYPE_NVME:
    case CONF_DISK_TYPE_VHOSTUSER:
        break;
    }
    return hvxl_refuse(disk->target, "devices/disk/@type", "dir, nvme, vhostuser", error);
}

/* ---- driver and format ---- */

static gboolean
build_driver(const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    const char *name = disk->driver_name;
    int value = LIBXL_DISK_FORMAT_RAW;
    bool raw_only = name && (strcmp(name, "phy") == 0 || strcmp(name, "file") == 0);

    if (disk->driver_type && !hvxl_name_find(disk_formats, disk->driver_type, &value))
        return hvxl_refuse(disk->target, "devices/disk/driver/@type", "other", error);
    xl->format = (libxl_disk_format)value;
    if (raw_only && xl->format != LIBXL_DISK_FORMAT_RAW)
        return hvxl_refuse(disk->target, "devices/disk/driver/@type", "not raw, with phy or file",
                           error);
    if (xl->script) {
        if (xl->format != LIBXL_DISK_FORMAT_RAW)
            return hvxl_refuse(disk->target, "devices/disk/driver/@type", "not raw, with a script",
                               error);
        return TRUE; /* the script's device is one of dom0's kernel, whatever driver is named */
    }
    value = LIBXL_DISK_BACKEND_UNKNOWN;
    if (name && !hvxl_name_find(disk_backends, name, &value))
        return hvxl_refuse(disk->target, "devices/disk/driver/@name", "other", error);
    if (value != LIBXL_DISK_BACKEND_UNKNOWN)
        xl->backend = (libxl_disk_backend)value;
    return TRUE;
}

void
hvxl_disk_set_hotplug(libxl_device_disk *xl, const HvxlConfigEnv *env, const ConfDisk *disk)
{
    hvxl_set_hotplug(&xl->script, env, disk->shareable ? "block-shared" : NULL);
}

/* QEMU 7.2 refuses to serve an image that it may not write: it tells the node of the file so,
 * and not the one above it. dom0's kernel can do it, for a guest without an emulated drive. */
static bool
avoids_qemu(const HvxlBuild *b, const ConfDisk *disk, const libxl_device_disk *xl)
{
    return xl->backend == LIBXL_DISK_BACKEND_QDISK && !xl->readwrite &&
           b->type != LIBXL_DOMAIN_TYPE_HVM &&
           conf_disk_source_type(disk) != CONF_DISK_TYPE_NETWORK;
}

/* The script of a disk that dom0's kernel serves; all others run none. */
static void
build_script(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl)
{
    bool phy = xl->backend == LIBXL_DISK_BACKEND_PHY || avoids_qemu(b, disk, xl) ||
               (xl->backend == LIBXL_DISK_BACKEND_UNKNOWN &&
                conf_disk_source_type(disk) == CONF_DISK_TYPE_BLOCK);

    /* A driver domain has scripts of its own. */
    if (b->env->hotplug_script == NULL || xl->backend_domname || xl->script || !phy ||
        xl->format != LIBXL_DISK_FORMAT_RAW || xl->pdev_path == NULL || xl->is_cdrom)
        return;
    if (xl->backend == LIBXL_DISK_BACKEND_QDISK)
        xl->backend = LIBXL_DISK_BACKEND_PHY;
    hvxl_disk_set_hotplug(xl, b->env, disk);
}

static gboolean
build_device(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    xl->is_cdrom = disk->device == CONF_DISK_DEVICE_CDROM;
    xl->removable = xl->is_cdrom;
    xl->readwrite = !disk->readonly && !xl->is_cdrom;
    switch (disk->device) {
    case CONF_DISK_DEVICE_ABSENT:
    case CONF_DISK_DEVICE_DISK:
    case CONF_DISK_DEVICE_CDROM:
        break;
    case CONF_DISK_DEVICE_FLOPPY:
        return hvxl_refuse(disk->target, "devices/disk/@device", "floppy", error);
    case CONF_DISK_DEVICE_LUN:
        return hvxl_refuse(disk->target, "devices/disk/@device", "lun", error);
    }
    if (g_strcmp0(disk->target_bus, "virtio") == 0 || g_strcmp0(disk->target_bus, "sata") == 0)
        return hvxl_refuse(disk->target, "devices/disk/target/@bus", disk->target_bus, error);
    if (xl->pdev_path == NULL && !xl->is_cdrom)
        return hvxl_refuse(disk->target, "devices/disk/source", "none, and no CD-ROM", error);
    if (xl->pdev_path == NULL)
        xl->format = LIBXL_DISK_FORMAT_EMPTY;
    return TRUE;
}

static void
warn_disk(HvxlBuild *b, const ConfDisk *disk)
{
    const struct {
        bool set;
        const char *path, *value;
    } left_out[] = {
        { disk->driver_cache != NULL, "devices/disk/driver/@cache", NULL },
        { disk->driver_io != NULL, "devices/disk/driver/@io", NULL },
        { disk->driver_error_policy != NULL, "devices/disk/driver/@error_policy", NULL },
        { disk->serial != NULL, "devices/disk/serial", NULL },
        { disk->wwn != NULL, "devices/disk/wwn", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(left_out); i++) {
        if (left_out[i].set)
            hvxl_warn(b, disk->target, left_out[i].path, left_out[i].value);
    }
}

static gboolean
build_disk_rest(HvxlBuild *b, const ConfDisk *disk, GError **error)
{
    return hvxl_build_extra(b, disk->target, "devices/disk", disk->dev.extra, error) &&
           hvxl_build_extra(b, disk->target, "devices/disk/driver", disk->driver_extra, error) &&
           hvxl_build_extra(b, disk->target, "devices/disk/source", disk->source_extra, error);
}

gboolean
hvxl_build_disk(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    if (disk->transient)
        return hvxl_refuse(disk->target, "devices/disk/transient", NULL, error);
    if (!build_source(b, disk, xl, error) || !build_driver(disk, xl, error) ||
        !build_device(b, disk, xl, error))
        return FALSE;
    hvxl_set_string(&xl->vdev, disk->target);
    hvxl_set_string(&xl->backend_domname, disk->backenddomain);
    if (disk->driver_discard && xl->readwrite)
        libxl_defbool_set(&xl->discard_enable, strcmp(disk->driver_discard, "unmap") == 0);
    warn_disk(b, disk);
    if (!build_disk_rest(b, disk, error) ||
        !hvxl_keys_build(b, hvxl_disk_keys, hvxl_n_disk_keys, disk->target,
                         conf_xl_ext_device(b->ext, disk->target), xl, error))
        return FALSE;
    build_script(b, disk, xl);
    return TRUE;
}

gboolean
hvxl_build_disks(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->disks->len; i++) {
        libxl_device_disk *xl = HVXL_ADD(b->config, disks, num_disks, disk);

        if (!hvxl_build_disk(b, b->def->disks->pdata[i], xl, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_disk_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfDisk *disk,
                libxl_device_disk *ret_disk, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_disk(&b, disk, ret_disk, error);
}
