/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of the host: <hostdev>, <interface type='hostdev'> and <controller type='usb'>. */
#include "hvxl-config-keys.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_USB_PORTS 8 /* as stock */
#define MAX_USB_PORTS     31

/* ---- PCI ---- */

static gboolean
in_range(const ConfOptInt *value, int64_t max)
{
    return value->value >= 0 && value->value <= max;
}

static gboolean
set_pci_address(libxl_device_pci *xl, const ConfOptInt *domain, const ConfOptInt *bus,
                const ConfOptInt *slot, const ConfOptInt *function, GError **error)
{
    if (!bus->set || !slot->set)
        return hvxl_invalid(error, "hostdev pci: <source> has no whole <address>");
    if (!in_range(domain, 0xffff) || !in_range(bus, 0xff) || !in_range(slot, 0x1f) ||
        !in_range(function, 7))
        return hvxl_invalid(error, "hostdev pci: no PCI device can have this address");
    xl->domain = (int)domain->value;
    xl->bus = (uint8_t)bus->value;
    xl->dev = (uint8_t)slot->value;
    xl->func = (uint8_t)function->value;
    xl->vfunc_mask = 1; /* this function alone, and it becomes function 0 of its slot */
    return TRUE;
}

/* Where the guest sees it: libxl chooses the slot only. */
static gboolean
set_guest_slot(HvxlBuild *b, const ConfDevice *dev, libxl_device_pci *xl, GError **error)
{
    const ConfAddress *address = dev->address;

    if (address == NULL || g_strcmp0(address->type, "pci") != 0 || !address->slot.set)
        return TRUE;
    if (!in_range(&address->slot, 0x1f) || !in_range(&address->function, 7))
        return hvxl_invalid(error, "hostdev pci: no PCI device can have this address");
    if (address->domain.value || address->bus.value)
        hvxl_warn(b, NULL, "devices/hostdev/address", "not on bus 0");
    else
        xl->vdevfn = (uint32_t)(address->slot.value << 3 | address->function.value);
    return TRUE;
}

char *
hvxl_pci_name(const libxl_device_pci *xl)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", (unsigned)xl->domain, xl->bus, xl->dev, xl->func);
}

char *
hvxl_usbctrl_name(const libxl_device_usbctrl *xl)
{
    return g_strdup_printf("usb%d", xl->devid);
}

/* pci_msitranslate= and pci_power_mgmt= of the domain are what its devices don't say themselves. */
static gboolean
build_pci_keys(HvxlBuild *b, libxl_device_pci *xl, GError **error)
{
    g_autofree char *name = hvxl_pci_name(xl);
    const char *translate = conf_xl_keys_get(b->ext->keys, "pci_msitranslate");
    const char *power = conf_xl_keys_get(b->ext->keys, "pci_power_mgmt");

    if ((translate && !hvxl_key_parse_bool(translate, &xl->msitranslate)) ||
        (power && !hvxl_key_parse_bool(power, &xl->power_mgmt)))
        return hvxl_invalid(error, "metadata: pci_msitranslate and pci_power_mgmt are 0 or 1");
    return hvxl_keys_build(b, hvxl_pci_keys, hvxl_n_pci_keys, name,
                           conf_xl_ext_device(b->ext, name), xl, error);
}

gboolean
hvxl_build_pci(HvxlBuild *b, const ConfHostdev *hostdev, libxl_device_pci *xl, GError **error)
{
    if (hostdev->driver_name && strcmp(hostdev->driver_name, "xen") != 0)
        return hvxl_refuse(hostdev->driver_name, "devices/hostdev/driver/@name", "other", error);
    if (hostdev->rom_bar || hostdev->rom_file)
        hvxl_warn(b, NULL, "devices/hostdev/rom", NULL);
    if (hostdev->dev.boot_order.set)
        hvxl_warn(b, NULL, "devices/hostdev/boot", NULL);
    xl->permissive = g_strcmp0(hostdev->write_filtering, "no") == 0;
    xl->seize = g_strcmp0(hostdev->managed, "yes") == 0;
    return set_guest_slot(b, &hostdev->dev, xl, error) &&
           set_pci_address(xl, &hostdev->domain, &hostdev->bus, &hostdev->slot, &hostdev->function,
                           error) &&
           hvxl_build_extra(b, "pci", "devices/hostdev", hostdev->dev.extra, error) &&
           hvxl_build_extra(b, "pci", "devices/hostdev/source", hostdev->source_extra, error) &&
           build_pci_keys(b, xl, error);
}

gboolean
hvxl_pci_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfHostdev *hostdev,
               libxl_device_pci *ret_pci, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_pci(&b, hostdev, ret_pci, error);
}

/* A virtual function of a card. Its MAC address is the card's business: nothing here sets it. */
static gboolean
build_interface_pci(HvxlBuild *b, const ConfInterface *iface, libxl_device_pci *xl, GError **error)
{
    const ConfAddress *source = iface->source_address;

    if (source == NULL || g_strcmp0(source->type, "pci") != 0)
        return hvxl_invalid(error, "interface '%s': <source> has no <address type='pci'>",
                            iface->mac);
    hvxl_warn(b, iface->mac, "devices/interface/@type", "hostdev, its MAC address");
    xl->seize = true;
    return set_guest_slot(b, &iface->dev, xl, error) &&
           set_pci_address(xl, &source->domain, &source->bus, &source->slot, &source->function,
                           error);
}

gboolean
hvxl_interface_pci_build(const HvxlConfigEnv *env, const ConfDomain *def,
                         const ConfInterface *iface, libxl_device_pci *ret_pci, GPtrArray *warnings,
                         GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           build_interface_pci(&b, iface, ret_pci, error);
}

/* ---- USB ---- */

/* The controller by its index, and a port of it; libxl takes a free one where nothing is said. */
static void
set_usb_port(const ConfDevice *dev, libxl_device_usbdev *xl)
{
    const ConfAddress *address = dev->address;
    guint64 port;

    if (address == NULL || g_strcmp0(address->type, "usb") != 0 || !address->bus.set ||
        !in_range(&address->bus, INT_MAX) || address->port == NULL ||
        !g_ascii_string_to_unsigned(address->port, 10, 1, MAX_USB_PORTS, &port, NULL))
        return;
    xl->ctrl = (libxl_devid)address->bus.value;
    xl->port = (int)port;
}

gboolean
hvxl_build_usbdev(HvxlBuild *b, const ConfHostdev *hostdev, libxl_device_usbdev *xl, GError **error)
{
    unsigned bus, device;

    if (hostdev->usb_bus.set && hostdev->usb_device.set) {
        bus = (unsigned)hostdev->usb_bus.value;
        device = (unsigned)hostdev->usb_device.value;
    } else if (!hostdev->vendor.set || !hostdev->product.set) {
        return hvxl_invalid(error, "hostdev usb: <source> has neither an <address> nor <vendor> "
                                   "and <product>");
    } else if (b->env->usb_find == NULL) {
        return hvxl_refuse(NULL, "devices/hostdev/source/vendor", "unresolved", error);
    } else if (!b->env->usb_find((unsigned)hostdev->vendor.value, (unsigned)hostdev->product.value,
                                 &bus, &device, b->env->data, error)) {
        return FALSE;
    }
    if (bus < 1 || bus > 255 || device < 1 || device > 255)
        return hvxl_invalid(error, "hostdev usb: no device can be number %u on bus %u", device,
                            bus);
    libxl_device_usbdev_init_type(xl, LIBXL_USBDEV_TYPE_HOSTDEV);
    xl->u.hostdev.hostbus = (uint8_t)bus;
    xl->u.hostdev.hostaddr = (uint8_t)device;
    set_usb_port(&hostdev->dev, xl);
    if (hostdev->dev.boot_order.set)
        hvxl_warn(b, NULL, "devices/hostdev/boot", NULL);
    return hvxl_build_extra(b, "usb", "devices/hostdev", hostdev->dev.extra, error) &&
           hvxl_build_extra(b, "usb", "devices/hostdev/source", hostdev->source_extra, error);
}

gboolean
hvxl_usbdev_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfHostdev *hostdev,
                  libxl_device_usbdev *ret_usbdev, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_usbdev(&b, hostdev, ret_usbdev, error);
}

/* The emulated ones are PCI devices of an HVM guest; qusb is QEMU's side of Xen's PV protocol. */
static const struct UsbModel {
    const char *model;
    libxl_usbctrl_type type;
    int version;
} usb_models[] = {
    { "qusb1", LIBXL_USBCTRL_TYPE_QUSB, 1 },
    { "qusb2", LIBXL_USBCTRL_TYPE_QUSB, 2 },
    { "piix3-uhci", LIBXL_USBCTRL_TYPE_DEVICEMODEL, 1 },
    { "ehci", LIBXL_USBCTRL_TYPE_DEVICEMODEL, 2 },
    { "nec-xhci", LIBXL_USBCTRL_TYPE_DEVICEMODEL, 3 },
};

static gboolean
build_usbctrl_keys(HvxlBuild *b, libxl_device_usbctrl *xl, GError **error)
{
    g_autofree char *name = hvxl_usbctrl_name(xl);

    return hvxl_keys_build(b, hvxl_usbctrl_keys, hvxl_n_usbctrl_keys, name,
                           conf_xl_ext_device(b->ext, name), xl, error);
}

gboolean
hvxl_build_usbctrl(HvxlBuild *b, const ConfController *controller, libxl_device_usbctrl *xl,
                   GError **error)
{
    const char *model = controller->model ? controller->model : "qusb2";
    int64_t ports = controller->ports.set ? controller->ports.value : DEFAULT_USB_PORTS;

    for (size_t i = 0; i < G_N_ELEMENTS(usb_models); i++) {
        if (strcmp(usb_models[i].model, model) != 0)
            continue;
        xl->type = usb_models[i].type;
        xl->version = usb_models[i].version;
    }
    if (xl->type == LIBXL_USBCTRL_TYPE_AUTO)
        return hvxl_refuse(model, "devices/controller/@model", "other, of usb", error);
    if (xl->type == LIBXL_USBCTRL_TYPE_DEVICEMODEL && b->type != LIBXL_DOMAIN_TYPE_HVM)
        return hvxl_refuse(model, "devices/controller/@model", "emulated, not HVM", error);
    if (ports < 1 || ports > MAX_USB_PORTS)
        return hvxl_invalid(error, "controller usb: %" G_GINT64_FORMAT " ports, at most %d", ports,
                            MAX_USB_PORTS);
    /* An emulated controller has the ports that its kind has. */
    if (xl->type == LIBXL_USBCTRL_TYPE_QUSB || controller->ports.set)
        xl->ports = (int)ports;
    if (controller->index.set)
        xl->devid = (int)CLAMP(controller->index.value, 0, INT_MAX);
    return build_usbctrl_keys(b, xl, error);
}

gboolean
hvxl_usbctrl_build(const HvxlConfigEnv *env, const ConfDomain *def,
                   const ConfController *controller, libxl_device_usbctrl *ret_usbctrl,
                   GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_usbctrl(&b, controller, ret_usbctrl, error);
}

/* ---- all of them ---- */

static gboolean
build_hostdev(HvxlBuild *b, const ConfHostdev *hostdev, GError **error)
{
    const char *type = hostdev->type ? hostdev->type : "";

    if (g_strcmp0(hostdev->mode, "capabilities") == 0)
        return hvxl_refuse(NULL, "devices/hostdev/@mode", "capabilities", error);
    if (strcmp(type, "pci") == 0)
        return hvxl_build_pci(b, hostdev, HVXL_ADD(b->config, pcidevs, num_pcidevs, pci), error);
    if (strcmp(type, "usb") == 0)
        return hvxl_build_usbdev(b, hostdev, HVXL_ADD(b->config, usbdevs, num_usbdevs, usbdev),
                                 error);
    return hvxl_refuse(type, "devices/hostdev/@type", "other", error);
}

static gboolean
build_usbctrls(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->controllers->len; i++) {
        const ConfController *controller = b->def->controllers->pdata[i];
        libxl_device_usbctrl *xl;

        if (g_strcmp0(controller->type, "usb") != 0)
            continue;
        xl = HVXL_ADD(b->config, usbctrls, num_usbctrls, usbctrl);
        xl->devid = b->config->num_usbctrls - 1;
        if (!hvxl_build_usbctrl(b, controller, xl, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_hostdevs(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->hostdevs->len; i++) {
        if (!build_hostdev(b, b->def->hostdevs->pdata[i], error))
            return FALSE;
    }
    for (guint i = 0; i < b->def->interfaces->len; i++) {
        const ConfInterface *iface = b->def->interfaces->pdata[i];

        if (g_strcmp0(iface->type, "hostdev") == 0 &&
            !build_interface_pci(b, iface, HVXL_ADD(b->config, pcidevs, num_pcidevs, pci), error))
            return FALSE;
    }
    return build_usbctrls(b, error);
}
