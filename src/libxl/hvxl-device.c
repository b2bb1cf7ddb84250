/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that come, go and change while a domain runs: one row a kind. */
#include "hvxl-device.h"

#include "hvxl-env.h"
#include "hvxl-model.h"
#include "hvxl-monitor.h"

#include <stdlib.h>
#include <string.h>

/* How long a guest may take to let go of a disk before it keeps it. libxl gives other kinds 10 s
 * and takes them away then. */
#define RELEASE_MS 30000

#define XENBUS_CONNECTED 4 /* <xen/io/xenbus.h> */

/* One call, as far as all kinds of devices need the same. */
typedef struct Plug {
    HvEngine *engine;
    HvxlCtx *ctx;
    uint32_t domid;
    const ConfDomain *live;
    HvxlConfigEnv env;
} Plug;

static void
plug_clear(Plug *plug)
{
    g_clear_pointer(&plug->ctx, hvxl_ctx_put);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plug, plug_clear)

static gboolean
plug_begin(Plug *plug, HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    plug->engine = engine;
    plug->domid = (uint32_t)domid;
    plug->live = live;
    plug->ctx = hvxl_ctx_get(engine, error);
    if (!plug->ctx)
        return FALSE;
    hvxl_env_fill(engine, plug->ctx, &plug->env);
    return TRUE;
}

/* Drives an operation to its end: the guest has a say in most of these. */
#define WAIT(plug, op, limit_ms, call)                                                             \
    (hvxl_op_init(&(op), (plug)->ctx, NULL, limit_ms), hvxl_op_wait(&(op), (call)))

static gboolean unsupported(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
unsupported(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED, text);
    return FALSE;
}

/* ---- disks ---- */

static gboolean
is_cdrom(const ConfDisk *disk)
{
    return disk->device == CONF_DISK_DEVICE_CDROM;
}

/* An emulated controller has what it had when its machine was switched on. */
static gboolean
check_bus(const ConfDisk *disk, GError **error)
{
    const char *bus = disk->target_bus ? disk->target_bus : "xen";

    if (is_cdrom(disk))
        return unsupported(error, "a CD-ROM drive cannot be hotplugged, its medium can be changed");
    if (!g_str_equal(bus, "xen"))
        return unsupported(error, "disk bus '%s' cannot be hotplugged, 'xen' can (target xvdN)",
                           bus);
    return TRUE;
}

static gboolean
has_device_model(const Plug *plug)
{
    gint64 pid;

    return hvxl_xs_read_number(plug->engine, &pid, "/local/domain/%u/image/device-model-pid",
                               plug->domid);
}

/* libxl serves an image file by QEMU, and starts none for a PV or PVH guest that runs already. What
 * is raw and local dom0's kernel can serve, behind a loop device that our hotplug helper makes. */
static gboolean
avoid_qemu(const Plug *plug, const ConfDisk *disk, libxl_device_disk *xl, GError **error)
{
    gboolean qemu = xl->backend == LIBXL_DISK_BACKEND_QDISK ||
                    (xl->backend == LIBXL_DISK_BACKEND_UNKNOWN &&
                     conf_disk_source_type(disk) != CONF_DISK_TYPE_BLOCK);

    if (!qemu || xl->backend_domname || xl->script || has_device_model(plug))
        return TRUE;
    if (xl->format != LIBXL_DISK_FORMAT_RAW || disk->type == CONF_DISK_TYPE_NETWORK)
        return unsupported(error,
                           "disk '%s' needs a device model, and this domain runs without one: plug "
                           "a raw image or a block device, or start the domain with a disk of this "
                           "kind",
                           disk->target);
    if (!plug->env.hotplug_script)
        return unsupported(error,
                           "disk '%s' is an image file, which needs a device model or xlvirt's "
                           "hotplug helper: this domain runs without the one, this host without "
                           "the other",
                           disk->target);
    xl->backend = LIBXL_DISK_BACKEND_PHY;
    hvxl_disk_set_hotplug(xl, &plug->env, disk);
    return TRUE;
}

/* Somebody may have plugged one behind our back. */
static gboolean
is_taken(const Plug *plug, const char *target, GError **error)
{
    int n = 0;
    libxl_device_disk *all = libxl_device_disk_list(plug->ctx->libxl, plug->domid, &n);
    gboolean taken = FALSE;

    for (int i = 0; i < n; i++)
        taken |= g_strcmp0(all[i].vdev, target) == 0;
    libxl_device_disk_list_free(all, n);
    if (taken)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "domain id %u has a disk '%s' already",
                    plug->domid, target);
    return taken;
}

/* What libxl cannot add it leaves half in xenstore, but for what is there already: somebody was
 * faster since we looked, and has a whole one. */
static gboolean
is_left_half(int rc)
{
    return rc != ERROR_DEVICE_EXISTS;
}

static gboolean
attach_disk(Plug *plug, ConfAnyDevice *device, GError **error)
{
    const ConfDisk *disk = device->disk;
    libxl_device_disk xl;
    gint64 log_size = hvxl_model_log_size(plug->live->name);
    gboolean ok, half = FALSE;
    HvxlOp op;
    int rc = 0;

    if (!check_bus(disk, error) || is_taken(plug, disk->target, error))
        return FALSE;
    libxl_device_disk_init(&xl);
    ok = hvxl_disk_build(&plug->env, plug->live, disk, &xl, NULL, error) &&
         avoid_qemu(plug, disk, &xl, error);
    if (ok)
        rc = WAIT(plug, op, 0, libxl_device_disk_add(plug->ctx->libxl, plug->domid, &xl, &op.how));
    if (ok && rc != 0) {
        ok = hvxl_set_error(plug->ctx, rc, error, "cannot attach disk '%s'", disk->target);
        half = is_left_half(rc);
    } else if (ok) {
        ok = hvxl_model_serves(plug->engine, (int)plug->domid, plug->live->name, log_size, &xl, 1,
                               error);
        half = !ok;
    }
    if (half)
        libxl_device_disk_destroy(plug->ctx->libxl, plug->domid, &xl, NULL);
    libxl_device_disk_dispose(&xl);
    return ok;
}

/* A guest that has never taken the disk up cannot be using it, and will not let go of it either. */
static gboolean
is_in_use(const Plug *plug, const libxl_device_disk *xl)
{
    libxl_diskinfo info;
    gboolean used;

    libxl_diskinfo_init(&info);
    used = libxl_device_disk_getinfo(plug->ctx->libxl, plug->domid, xl, &info) != 0 ||
           info.state == XENBUS_CONNECTED;
    libxl_diskinfo_dispose(&info);
    return used;
}

static gboolean
detach_disk(Plug *plug, const ConfAnyDevice *device, GError **error)
{
    const ConfDisk *disk = device->disk;
    libxl_device_disk xl;
    HvxlOp op;
    int rc;

    if (!check_bus(disk, error))
        return FALSE;
    libxl_device_disk_init(&xl);
    rc = libxl_vdev_to_device_disk(plug->ctx->libxl, plug->domid, disk->target, &xl);
    if (rc == 0 && is_in_use(plug, &xl))
        rc = WAIT(plug, op, RELEASE_MS,
                  libxl_device_disk_safe_remove(plug->ctx->libxl, plug->domid, &xl, &op.how));
    else if (rc == 0)
        rc = WAIT(plug, op, RELEASE_MS,
                  libxl_device_disk_destroy(plug->ctx->libxl, plug->domid, &xl, &op.how));
    libxl_device_disk_dispose(&xl);
    if (rc == 0)
        return TRUE;
    if (rc == ERROR_TIMEDOUT || rc == ERROR_ABORTED) {
        g_set_error(error, HV_ERROR, HV_ERROR_TIMEOUT,
                    "the guest does not let go of disk '%s': it is in use there", disk->target);
        return FALSE;
    }
    return hvxl_set_error(plug->ctx, rc, error, "cannot detach disk '%s'", disk->target);
}

static gboolean
check_medium(const ConfDisk *before, const ConfDisk *after, GError **error)
{
    if (!is_cdrom(before))
        return unsupported(error,
                           "disk '%s' of a running domain cannot be changed, it is no CD-ROM drive",
                           before->target);
    if (g_strcmp0(before->target_bus, after->target_bus) != 0)
        return unsupported(error, "the bus of disk '%s' cannot be changed while the domain runs",
                           before->target);
    return TRUE;
}

/* The tray moves for it, of which libhv tells by itself. */
static int
insert_medium(Plug *plug, libxl_device_disk *xl)
{
    HvxlMonitors *monitors = plug->engine->monitors;
    HvxlOp op;
    int rc;

    hvxl_monitors_ignore_trays(monitors, (int)plug->domid);
    rc = WAIT(plug, op, 0, libxl_cdrom_insert(plug->ctx->libxl, plug->domid, xl, &op.how));
    hvxl_monitors_heed_trays(monitors, (int)plug->domid);
    return rc;
}

static gboolean
update_disk(Plug *plug, const ConfAnyDevice *before, ConfAnyDevice *after, gboolean force,
            GError **error)
{
    libxl_device_disk xl;
    gboolean ok;
    int rc = 0;

    if (!check_medium(before->disk, after->disk, error))
        return FALSE;
    libxl_device_disk_init(&xl);
    ok = hvxl_disk_build(&plug->env, plug->live, after->disk, &xl, NULL, error);
    if (ok)
        rc = insert_medium(plug, &xl);
    libxl_device_disk_dispose(&xl);
    return ok &&
           (rc == 0 || hvxl_set_error(plug->ctx, rc, error, "cannot change the medium of disk '%s'",
                                      before->disk->target));
}

/* ---- PCI devices ---- */

static HvPciAddress
address_of(const libxl_device_pci *xl)
{
    return (HvPciAddress){ (guint)xl->domain, xl->bus, xl->dev, xl->func };
}

/* managed='yes': taken from its driver before, given back after. */
static gboolean
attach_pci(Plug *plug, libxl_device_pci *xl, gboolean managed, GError **error)
{
    HvPciAddress address = address_of(xl);
    HvxlOp op;
    int rc;

    if (managed && !hvxl_pci_detach(plug->engine, &address, error))
        return FALSE;
    rc = WAIT(plug, op, 0, libxl_device_pci_add(plug->ctx->libxl, plug->domid, xl, &op.how));
    if (rc == 0)
        return TRUE;
    /* What libxl says where the domain is not prepared for it names a hypercall. */
    hvxl_set_error(plug->ctx, rc, error, "cannot attach PCI device %04x:%02x:%02x.%x%s",
                   address.domain, address.bus, address.slot, address.function,
                   plug->live->features.xen_passthrough == CONF_TRISTATE_ON
                       ? ""
                       : " (a domain that was started without one takes it only where it has "
                         "<features><xen><passthrough state='on'/>)");
    if (managed)
        hvxl_pci_attach(plug->engine, &address, NULL);
    return FALSE;
}

static gboolean
detach_pci(Plug *plug, libxl_device_pci *xl, gboolean managed, GError **error)
{
    HvPciAddress address = address_of(xl);
    g_autoptr(GError) local = NULL;
    HvxlOp op;
    int rc;

    rc = WAIT(plug, op, 0, libxl_device_pci_remove(plug->ctx->libxl, plug->domid, xl, &op.how));
    if (rc != 0)
        return hvxl_set_error(plug->ctx, rc, error, "cannot detach PCI device %04x:%02x:%02x.%x",
                              address.domain, address.bus, address.slot, address.function);
    /* The guest has lost it: that its driver is not back is another matter. */
    if (managed && !hvxl_pci_attach(plug->engine, &address, &local))
        g_warning("%s", local->message);
    return TRUE;
}

static gboolean
is_managed(const char *managed)
{
    return g_strcmp0(managed, "yes") == 0;
}

/* ---- interfaces ---- */

static gboolean
is_pci_nic(const ConfInterface *iface)
{
    return g_strcmp0(iface->type, "hostdev") == 0;
}

typedef gboolean (*PciFunc)(Plug *plug, libxl_device_pci *xl, gboolean managed, GError **error);

static gboolean
with_nic_pci(Plug *plug, const ConfInterface *iface, PciFunc func, GError **error)
{
    libxl_device_pci xl;
    gboolean ok;

    libxl_device_pci_init(&xl);
    ok = hvxl_interface_pci_build(&plug->env, plug->live, iface, &xl, NULL, error) &&
         func(plug, &xl, FALSE, error);
    libxl_device_pci_dispose(&xl);
    return ok;
}

/* QEMU takes no card while its machine runs: what is plugged has a PV driver in its guest. */
static gboolean
set_nic_type(const Plug *plug, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    if (plug->live->os.type != CONF_OS_HVM)
        return TRUE;
    if (iface->model && !g_str_equal(iface->model, "netfront"))
        return unsupported(error,
                           "an interface of the emulated model '%s' cannot be hotplugged, "
                           "'netfront' can",
                           iface->model);
    xl->nictype = LIBXL_NIC_TYPE_VIF;
    return TRUE;
}

/* The name that Xen's backend gives it, or the user. */
static void
fill_nic(const Plug *plug, ConfInterface *iface, const libxl_device_nic *xl)
{
    if (!iface->target)
        iface->target = g_strdup_printf("vif%u.%d%s", plug->domid, xl->devid,
                                        xl->nictype == LIBXL_NIC_TYPE_VIF_IOEMU ? "-emu" : "");
}

static gboolean
attach_interface(Plug *plug, ConfAnyDevice *device, GError **error)
{
    ConfInterface *iface = device->interface;
    libxl_device_nic xl;
    gboolean ok;
    HvxlOp op;
    int rc = 0;

    if (is_pci_nic(iface))
        return with_nic_pci(plug, iface, attach_pci, error);
    libxl_device_nic_init(&xl);
    ok = hvxl_nic_build(&plug->env, plug->live, iface, &xl, NULL, error) &&
         set_nic_type(plug, iface, &xl, error);
    if (ok)
        rc = WAIT(plug, op, 0, libxl_device_nic_add(plug->ctx->libxl, plug->domid, &xl, &op.how));
    if (ok && rc == 0) {
        fill_nic(plug, iface, &xl);
    } else if (ok) {
        ok = hvxl_set_error(plug->ctx, rc, error, "cannot attach interface %s", iface->mac);
        if (xl.devid >= 0 && is_left_half(rc))
            libxl_device_nic_destroy(plug->ctx->libxl, plug->domid, &xl, NULL);
    }
    libxl_device_nic_dispose(&xl);
    return ok;
}

/* libxl's own libxl_mac_to_device_nic() keeps the list of all of them for ever (4.17). */
static gboolean
find_nic(const Plug *plug, const char *mac, libxl_device_nic *ret_nic, GError **error)
{
    int n = 0;
    libxl_device_nic *all = libxl_device_nic_list(plug->ctx->libxl, plug->domid, &n);
    gboolean found = FALSE;

    for (int i = 0; i < n && !found; i++) {
        g_autofree char *text = g_strdup_printf(LIBXL_MAC_FMT, LIBXL_MAC_BYTES(all[i].mac));

        found = g_ascii_strcasecmp(text, mac) == 0;
        if (found)
            libxl_device_nic_copy(plug->ctx->libxl, ret_nic, &all[i]);
    }
    libxl_device_nic_list_free(all, n);
    if (!found)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "domain id %u has no interface %s",
                    plug->domid, mac);
    return found;
}

static gboolean
detach_interface(Plug *plug, const ConfAnyDevice *device, GError **error)
{
    const ConfInterface *iface = device->interface;
    libxl_device_nic xl;
    gboolean found;
    HvxlOp op;
    int rc = 0;

    if (is_pci_nic(iface))
        return with_nic_pci(plug, iface, detach_pci, error);
    libxl_device_nic_init(&xl);
    found = find_nic(plug, iface->mac, &xl, error);
    if (found)
        rc = WAIT(plug, op, 0,
                  libxl_device_nic_remove(plug->ctx->libxl, plug->domid, &xl, &op.how));
    libxl_device_nic_dispose(&xl);
    return found && (rc == 0 || hvxl_set_error(plug->ctx, rc, error, "cannot detach interface %s",
                                               iface->mac));
}

/* What can change is how dom0's side is connected; all else a guest would have to be told. */
static gboolean
check_nic(const ConfInterface *before, const ConfInterface *after, GError **error)
{
    const struct {
        const char *what, *before, *after;
    } fixed[] = {
        { "type", before->type, after->type },
        { "model", before->model, after->model },
        { "script", before->script, after->script },
        { "backenddomain", before->backenddomain, after->backenddomain },
        { "target device", before->target, after->target },
        { "virtualport", before->virtualport_type, after->virtualport_type },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (g_strcmp0(fixed[i].before, fixed[i].after) != 0)
            return unsupported(error,
                               "the %s of interface %s cannot be changed while the domain runs",
                               fixed[i].what, before->mac);
    if (is_pci_nic(before))
        return unsupported(error, "interface %s is a PCI device, nothing of it can be changed",
                           before->mac);
    if (before->outbound_average.value != after->outbound_average.value ||
        before->mtu.value != after->mtu.value)
        return unsupported(error,
                           "the bandwidth and mtu of interface %s cannot be changed while the "
                           "domain runs",
                           before->mac);
    return TRUE;
}

static char *
bridge_of(Plug *plug, const ConfInterface *iface, GError **error)
{
    libxl_device_nic xl;
    char *bridge = NULL;

    libxl_device_nic_init(&xl);
    if (hvxl_nic_build(&plug->env, plug->live, iface, &xl, NULL, error))
        bridge = g_strdup(xl.bridge ? xl.bridge : "");
    libxl_device_nic_dispose(&xl);
    return bridge;
}

static gboolean
is_up(const ConfInterface *iface)
{
    return g_strcmp0(iface->link_state, "down") != 0;
}

static gboolean
update_interface(Plug *plug, const ConfAnyDevice *before, ConfAnyDevice *after, gboolean force,
                 GError **error)
{
    const ConfInterface *old = before->interface, *new = after->interface;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    libxl_device_nic xl;
    int domid = (int)plug->domid;
    gboolean found;
    int devid;

    if (!check_nic(old, new, error))
        return FALSE;
    from = bridge_of(plug, old, error);
    to = from ? bridge_of(plug, new, error) : NULL;
    if (!to)
        return FALSE;
    libxl_device_nic_init(&xl);
    found = find_nic(plug, old->mac, &xl, error);
    devid = xl.devid;
    libxl_device_nic_dispose(&xl);
    if (!found)
        return FALSE;
    if (!g_str_equal(from, to) && !hvxl_vif_set_bridge(plug->engine, domid, devid, from, to, error))
        return FALSE;
    if (is_up(old) == is_up(new) ||
        hvxl_vif_set_link(plug->engine, domid, devid, is_up(new), error))
        return TRUE;
    if (!g_str_equal(from, to))
        hvxl_vif_set_bridge(plug->engine, domid, devid, to, from, NULL);
    return FALSE;
}

/* ---- hostdevs and USB ---- */

static gboolean
with_pci(Plug *plug, const ConfHostdev *hostdev, PciFunc func, GError **error)
{
    libxl_device_pci xl;
    gboolean ok;

    libxl_device_pci_init(&xl);
    ok = hvxl_pci_build(&plug->env, plug->live, hostdev, &xl, NULL, error) &&
         func(plug, &xl, is_managed(hostdev->managed), error);
    libxl_device_pci_dispose(&xl);
    return ok;
}

static gboolean
attach_usb(Plug *plug, const ConfHostdev *hostdev, GError **error)
{
    libxl_device_usbdev xl;
    gboolean ok;
    HvxlOp op;
    int rc = 0;

    libxl_device_usbdev_init(&xl);
    ok = hvxl_usbdev_build(&plug->env, plug->live, hostdev, &xl, NULL, error);
    if (ok)
        rc = WAIT(plug, op, 0,
                  libxl_device_usbdev_add(plug->ctx->libxl, plug->domid, &xl, &op.how));
    if (ok && rc != 0)
        ok = hvxl_set_error(plug->ctx, rc, error, "cannot attach USB device %u:%u",
                            xl.u.hostdev.hostbus, xl.u.hostdev.hostaddr);
    libxl_device_usbdev_dispose(&xl);
    return ok;
}

/* libxl wants to know on which controller and port it sits. */
static gboolean
find_usb(const Plug *plug, libxl_device_usbdev *xl, GError **error)
{
    int n = 0;
    libxl_device_usbdev *all = libxl_device_usbdev_list(plug->ctx->libxl, plug->domid, &n);
    gboolean found = FALSE;

    for (int i = 0; i < n && !found; i++) {
        if (all[i].u.hostdev.hostbus != xl->u.hostdev.hostbus ||
            all[i].u.hostdev.hostaddr != xl->u.hostdev.hostaddr)
            continue;
        libxl_device_usbdev_copy(plug->ctx->libxl, xl, &all[i]);
        found = TRUE;
    }
    libxl_device_usbdev_list_free(all, n);
    if (!found)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "domain id %u has no USB device %u:%u",
                    plug->domid, xl->u.hostdev.hostbus, xl->u.hostdev.hostaddr);
    return found;
}

static gboolean
detach_usb(Plug *plug, const ConfHostdev *hostdev, GError **error)
{
    libxl_device_usbdev xl;
    gboolean ok;
    HvxlOp op;
    int rc = 0;

    libxl_device_usbdev_init(&xl);
    ok = hvxl_usbdev_build(&plug->env, plug->live, hostdev, &xl, NULL, error) &&
         find_usb(plug, &xl, error);
    if (ok)
        rc = WAIT(plug, op, 0,
                  libxl_device_usbdev_remove(plug->ctx->libxl, plug->domid, &xl, &op.how));
    if (ok && rc != 0)
        ok = hvxl_set_error(plug->ctx, rc, error, "cannot detach USB device %u:%u",
                            xl.u.hostdev.hostbus, xl.u.hostdev.hostaddr);
    libxl_device_usbdev_dispose(&xl);
    return ok;
}

static gboolean
attach_hostdev(Plug *plug, ConfAnyDevice *device, GError **error)
{
    const ConfHostdev *hostdev = device->hostdev;

    if (g_strcmp0(hostdev->type, "pci") == 0)
        return with_pci(plug, hostdev, attach_pci, error);
    if (g_strcmp0(hostdev->type, "usb") == 0)
        return attach_usb(plug, hostdev, error);
    return unsupported(error, "a <hostdev> of type '%s' cannot be attached, pci and usb can",
                       hostdev->type ? hostdev->type : "");
}

static gboolean
detach_hostdev(Plug *plug, const ConfAnyDevice *device, GError **error)
{
    const ConfHostdev *hostdev = device->hostdev;

    if (g_strcmp0(hostdev->type, "pci") == 0)
        return with_pci(plug, hostdev, detach_pci, error);
    if (g_strcmp0(hostdev->type, "usb") == 0)
        return detach_usb(plug, hostdev, error);
    return unsupported(error, "a <hostdev> of type '%s' cannot be detached, pci and usb can",
                       hostdev->type ? hostdev->type : "");
}

/* ---- controllers ---- */

static gboolean
check_controller(const ConfController *controller, GError **error)
{
    return g_strcmp0(controller->type, "usb") == 0 ||
           unsupported(error, "a controller of type '%s' cannot be hotplugged, usb can",
                       controller->type ? controller->type : "");
}

static gboolean
attach_controller(Plug *plug, ConfAnyDevice *device, GError **error)
{
    const ConfController *controller = device->controller;
    libxl_device_usbctrl xl;
    gboolean ok;
    HvxlOp op;
    int rc = 0;

    if (!check_controller(controller, error))
        return FALSE;
    libxl_device_usbctrl_init(&xl);
    ok = hvxl_usbctrl_build(&plug->env, plug->live, controller, &xl, NULL, error);
    if (ok)
        rc = WAIT(plug, op, 0,
                  libxl_device_usbctrl_add(plug->ctx->libxl, plug->domid, &xl, &op.how));
    libxl_device_usbctrl_dispose(&xl);
    return ok && (rc == 0 || hvxl_set_error(plug->ctx, rc, error,
                                            "cannot attach USB controller %" G_GINT64_FORMAT,
                                            controller->index.value));
}

static gboolean
detach_controller(Plug *plug, const ConfAnyDevice *device, GError **error)
{
    const ConfController *controller = device->controller;
    libxl_device_usbctrl xl;
    HvxlOp op;
    int rc;

    if (!check_controller(controller, error))
        return FALSE;
    libxl_device_usbctrl_init(&xl);
    rc = libxl_devid_to_device_usbctrl(plug->ctx->libxl, plug->domid, (int)controller->index.value,
                                       &xl);
    if (rc == 0)
        rc = WAIT(plug, op, 0,
                  libxl_device_usbctrl_remove(plug->ctx->libxl, plug->domid, &xl, &op.how));
    libxl_device_usbctrl_dispose(&xl);
    return rc == 0 ||
           hvxl_set_error(plug->ctx, rc, error, "cannot detach USB controller %" G_GINT64_FORMAT,
                          controller->index.value);
}

/* ---- the hooks ---- */

typedef struct PlugRow {
    gboolean (*attach)(Plug *plug, ConfAnyDevice *device, GError **error);
    gboolean (*detach)(Plug *plug, const ConfAnyDevice *device, GError **error);
    gboolean (*update)(Plug *plug, const ConfAnyDevice *before, ConfAnyDevice *after,
                       gboolean force, GError **error);
} PlugRow;

/* What has no row libxl cannot do while a domain runs. */
static const PlugRow rows[CONF_N_DEVICE_KINDS] = {
    [CONF_DEVICE_DISK] = { attach_disk, detach_disk, update_disk },
    [CONF_DEVICE_INTERFACE] = { attach_interface, detach_interface, update_interface },
    [CONF_DEVICE_HOSTDEV] = { attach_hostdev, detach_hostdev, NULL },
    [CONF_DEVICE_CONTROLLER] = { attach_controller, detach_controller, NULL },
};

/* libxl keeps the XML for who finds the domain later. Without it, it has its own record. */
static void
remember(Plug *plug, const ConfDomain *live)
{
    g_autoptr(GError) error = NULL;

    if (!hvxl_userdata_write(plug->ctx, (int)plug->domid, live, &error))
        g_warning("%s", error->message);
}

gboolean
hvxl_attach_device(HvEngine *engine, int domid, const ConfDomain *live, ConfAnyDevice *device,
                   GError **error)
{
    g_autoptr(ConfDomain) with = NULL;
    g_auto(Plug) plug = { 0 };

    if (!rows[device->kind].attach)
        return unsupported(error, "a <%s> cannot be attached to a running domain",
                           conf_device_element(device));
    if (!plug_begin(&plug, engine, domid, live, error) ||
        !rows[device->kind].attach(&plug, device, error))
        return FALSE;
    with = conf_domain_copy(live);
    if (conf_domain_insert_device(with, device, NULL))
        remember(&plug, with);
    return TRUE;
}

gboolean
hvxl_detach_device(HvEngine *engine, int domid, const ConfDomain *live, const ConfAnyDevice *device,
                   GError **error)
{
    g_autoptr(ConfDomain) without = NULL;
    g_auto(Plug) plug = { 0 };
    ConfAnyDevice found;

    if (!rows[device->kind].detach)
        return unsupported(error, "a <%s> cannot be detached from a running domain",
                           conf_device_element(device));
    if (!plug_begin(&plug, engine, domid, live, error) ||
        !rows[device->kind].detach(&plug, device, error))
        return FALSE;
    without = conf_domain_copy(live);
    if (conf_domain_find_device(without, device, &found, NULL)) {
        conf_domain_remove_device(without, &found);
        remember(&plug, without);
    }
    return TRUE;
}

gboolean
hvxl_update_device(HvEngine *engine, int domid, const ConfDomain *live, const ConfAnyDevice *before,
                   ConfAnyDevice *after, gboolean force, GError **error)
{
    g_autoptr(ConfDomain) changed = NULL;
    g_auto(Plug) plug = { 0 };
    ConfAnyDevice found;

    if (!rows[before->kind].update)
        return unsupported(error, "a <%s> of a running domain cannot be changed",
                           conf_device_element(before));
    if (!plug_begin(&plug, engine, domid, live, error) ||
        !rows[before->kind].update(&plug, before, after, force, error))
        return FALSE;
    changed = conf_domain_copy(live);
    if (conf_domain_find_device(changed, before, &found, NULL)) {
        conf_domain_replace_device(changed, &found, after);
        remember(&plug, changed);
    }
    return TRUE;
}
