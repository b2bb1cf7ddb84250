/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices out of libxl's structs. */
#include "hvxl-adopt.h"

#include <string.h>

/* ---- disks ---- */

static bool
is_script(const libxl_device_disk *xl, const char *name)
{
    g_autofree char *base = xl->script ? g_path_get_basename(xl->script) : NULL;

    return g_strcmp0(base, name) == 0;
}

/* "rbd:POOL/IMAGE[@SNAPSHOT][:mon_host=A\;B][:conf=FILE]", as hvxl-config-disk.c writes it. */
static void
adopt_rbd(ConfDisk *disk, const char *text)
{
    g_autoptr(GString) word = g_string_new(NULL);

    disk->type = CONF_DISK_TYPE_NETWORK;
    disk->source_protocol = g_strdup("rbd");
    for (;; text++) {
        if (*text == '\\' && text[1]) {
            g_string_append_c(word, *++text);
            continue;
        }
        if (*text && *text != ':') {
            g_string_append_c(word, *text);
            continue;
        }
        if (disk->source_name == NULL) {
            char *at = strchr(word->str, '@');

            disk->source_snapshot = at ? g_strdup(at + 1) : NULL;
            disk->source_name = at ? g_strndup(word->str, (gsize)(at - word->str))
                                   : g_strdup(word->str);
        } else if (g_str_has_prefix(word->str, "conf=")) {
            hvxl_adopt_string(&disk->source_config, word->str + strlen("conf="));
        } else if (g_str_has_prefix(word->str, "mon_host=")) {
            g_auto(GStrv) hosts = g_strsplit(word->str + strlen("mon_host="), ";", 64);

            for (char **h = hosts; *h; h++) {
                ConfDiskHost *host = conf_disk_host_new();
                char *colon = strrchr(*h, ':');

                if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) && colon[1]) {
                    host->port = g_strdup(colon + 1);
                    *colon = '\0';
                }
                host->name = **h == '[' ? g_strndup(*h + 1, strcspn(*h + 1, "]")) : g_strdup(*h);
                g_ptr_array_add(disk->source_hosts, host);
            }
        }
        g_string_truncate(word, 0);
        if (*text == '\0')
            return;
    }
}

/* "iqn=NAME,portal=HOST:PORT"; another parameter has no element, and stays with the script. */
static bool
adopt_iscsi(ConfDisk *disk, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 4);
    char *colon = words[0] && words[1] ? strrchr(words[1], ':') : NULL;
    ConfDiskHost *host;

    if (colon == NULL || words[2] || !g_str_has_prefix(words[0], "iqn=") ||
        !g_str_has_prefix(words[1], "portal="))
        return false;
    host = conf_disk_host_new();
    host->port = g_strdup(colon + 1);
    *colon = '\0';
    host->name = g_strdup(words[1] + strlen("portal="));
    g_ptr_array_add(disk->source_hosts, host);
    disk->type = CONF_DISK_TYPE_NETWORK;
    disk->source_protocol = g_strdup("iscsi");
    disk->source_name = g_strdup(words[0] + strlen("iqn="));
    return true;
}

/* "HOST PORT [EXPORT]" */
static bool
adopt_nbd(ConfDisk *disk, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 3);
    ConfDiskHost *host;

    if (words[0] == NULL || words[1] == NULL)
        return false;
    host = conf_disk_host_new();
    host->name = g_strdup(words[0]);
    host->port = g_strdup(words[1]);
    g_ptr_array_add(disk->source_hosts, host);
    disk->type = CONF_DISK_TYPE_NETWORK;
    disk->source_protocol = g_strdup("nbd");
    disk->source_name = g_strdup(words[2]);
    return true;
}

static void
adopt_source(const libxl_device_disk *xl, ConfDisk *disk)
{
    const char *path = xl->format == LIBXL_DISK_FORMAT_EMPTY ? NULL : xl->pdev_path;
    /* What a script takes may be anything: a block device is what the guest gets in the end. */
    bool device = xl->script || (path && g_str_has_prefix(path, "/dev/"));

    disk->type = device || xl->backend == LIBXL_DISK_BACKEND_PHY ? CONF_DISK_TYPE_BLOCK
                                                                 : CONF_DISK_TYPE_FILE;
    if (path && is_script(xl, "block-iscsi") && adopt_iscsi(disk, path))
        return;
    if (path && is_script(xl, "block-nbd") && adopt_nbd(disk, path))
        return;
    if (path && g_str_has_prefix(path, "rbd:"))
        adopt_rbd(disk, path + strlen("rbd:"));
    else
        hvxl_adopt_string(&disk->source, path);
}

ConfDisk *
hvxl_disk_adopt(libxl_domain_type type, const libxl_device_disk *xl)
{
    static const char *const formats[] = {
        [LIBXL_DISK_FORMAT_QCOW] = "qcow", [LIBXL_DISK_FORMAT_QCOW2] = "qcow2",
        [LIBXL_DISK_FORMAT_VHD] = "vhd",   [LIBXL_DISK_FORMAT_RAW] = "raw",
        [LIBXL_DISK_FORMAT_QED] = "qed",
    };
    static const char *const drivers[] = {
        [LIBXL_DISK_BACKEND_PHY] = "phy",
        [LIBXL_DISK_BACKEND_TAP] = "tap",
        [LIBXL_DISK_BACKEND_QDISK] = "qemu",
    };
    ConfDisk *disk = conf_disk_new();

    disk->device = xl->is_cdrom ? CONF_DISK_DEVICE_CDROM : CONF_DISK_DEVICE_DISK;
    adopt_source(xl, disk);
    if ((size_t)xl->format < G_N_ELEMENTS(formats))
        hvxl_adopt_string(&disk->driver_type, formats[xl->format]);
    if ((size_t)xl->backend < G_N_ELEMENTS(drivers))
        hvxl_adopt_string(&disk->driver_name, drivers[xl->backend]);
    if (!libxl_defbool_is_default(xl->discard_enable))
        disk->driver_discard = g_strdup(hvxl_is_on(xl->discard_enable) ? "unmap" : "ignore");
    hvxl_adopt_string(&disk->target, xl->vdev);
    hvxl_adopt_string(&disk->backenddomain, xl->backend_domname);
    disk->readonly = !xl->readwrite;
    return disk;
}

/* ---- interfaces ---- */

char *
hvxl_mac_format(const libxl_mac *mac)
{
    static const libxl_mac none;

    return memcmp(mac, &none, sizeof none) == 0
               ? NULL
               : g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", (*mac)[0], (*mac)[1], (*mac)[2],
                                 (*mac)[3], (*mac)[4], (*mac)[5]);
}

static ConfVlanTag *
add_tag(ConfInterface *iface, const char *text)
{
    ConfVlanTag *tag = conf_vlan_tag_new();

    tag->id = (unsigned)g_ascii_strtoull(text, NULL, 10) & 0xfff;
    g_ptr_array_add(iface->vlan, tag);
    return tag;
}

/* BRIDGE[.TAG][:TRUNK:TRUNK...] */
static void
adopt_openvswitch(const char *text, ConfInterface *iface)
{
    g_auto(GStrv) words = g_strsplit(text, ":", 256);
    char *dot = strrchr(words[0], '.');

    hvxl_adopt_string(&iface->virtualport_type, "openvswitch");
    if (dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1)) {
        ConfVlanTag *tag = add_tag(iface, dot + 1);

        if (words[1])
            tag->native_mode = g_strdup("tagged");
        *dot = '\0';
    }
    for (char **word = words + 1; *word; word++)
        add_tag(iface, *word);
    if (words[1])
        iface->vlan_trunk = CONF_TRISTATE_ON;
    hvxl_adopt_string(&iface->source_bridge, words[0]);
}

static void
adopt_ips(const char *text, ConfInterface *iface)
{
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t", 64);

    for (char **word = words; *word; word++) {
        char *slash = strchr(*word, '/');
        ConfIp *ip;

        if (**word == '\0')
            continue;
        ip = conf_ip_new();
        if (slash) {
            ip->prefix = (ConfOptInt){ true, (int64_t)g_ascii_strtoull(slash + 1, NULL, 10) };
            *slash = '\0';
        }
        ip->address = g_strdup(*word);
        ip->family = g_strdup(strchr(*word, ':') ? "ipv6" : "ipv4");
        g_ptr_array_add(iface->ips, ip);
    }
}

ConfInterface *
hvxl_nic_adopt(libxl_domain_type type, const libxl_device_nic *xl)
{
    ConfInterface *iface = conf_interface_new();
    g_autofree char *script = xl->script ? g_path_get_basename(xl->script) : NULL;
    bool routed = xl->bridge == NULL;

    iface->type = g_strdup(routed ? "ethernet" : "bridge");
    iface->mac = hvxl_mac_format(&xl->mac);
    hvxl_adopt_string(&iface->script, xl->script);
    if (routed)
        hvxl_adopt_string(&iface->source_dev, xl->gatewaydev);
    else if (g_strcmp0(script, "vif-openvswitch") == 0)
        adopt_openvswitch(xl->bridge, iface);
    else
        hvxl_adopt_string(&iface->source_bridge, xl->bridge);
    adopt_ips(xl->ip, iface);
    hvxl_adopt_string(&iface->target, xl->ifname);
    hvxl_adopt_string(&iface->backenddomain, xl->backend_domname);
    if (type == LIBXL_DOMAIN_TYPE_HVM)
        hvxl_adopt_string(&iface->model,
                          xl->nictype == LIBXL_NIC_TYPE_VIF ? "netfront" : xl->model);
    if (xl->mtu > 0)
        iface->mtu = (ConfOptInt){ true, xl->mtu };
    if (hvxl_rate_average(xl) > 0)
        iface->outbound_average = (ConfOptInt){ true, hvxl_rate_average(xl) };
    return iface;
}

/* ---- devices of the host ---- */

ConfHostdev *
hvxl_pci_adopt(const libxl_device_pci *xl)
{
    ConfHostdev *hostdev = conf_hostdev_new();

    hostdev->mode = g_strdup("subsystem");
    hostdev->type = g_strdup("pci");
    hostdev->managed = g_strdup(xl->seize ? "yes" : "no");
    hostdev->driver_name = g_strdup("xen");
    hostdev->domain = (ConfOptInt){ true, xl->domain };
    hostdev->bus = (ConfOptInt){ true, xl->bus };
    hostdev->slot = (ConfOptInt){ true, xl->dev };
    hostdev->function = (ConfOptInt){ true, xl->func };
    if (xl->permissive)
        hostdev->write_filtering = g_strdup("no");
    if (xl->vdevfn) {
        hostdev->dev.address = conf_address_new();
        hostdev->dev.address->type = g_strdup("pci");
        hostdev->dev.address->domain = hostdev->dev.address->bus = (ConfOptInt){ true, 0 };
        hostdev->dev.address->slot = (ConfOptInt){ true, xl->vdevfn >> 3 & 0x1f };
        hostdev->dev.address->function = (ConfOptInt){ true, xl->vdevfn & 7 };
    }
    return hostdev;
}

ConfHostdev *
hvxl_usbdev_adopt(const libxl_device_usbdev *xl)
{
    ConfHostdev *hostdev = conf_hostdev_new();

    hostdev->mode = g_strdup("subsystem");
    hostdev->type = g_strdup("usb");
    hostdev->managed = g_strdup("no");
    if (xl->type == LIBXL_USBDEV_TYPE_HOSTDEV) {
        hostdev->usb_bus = (ConfOptInt){ true, xl->u.hostdev.hostbus };
        hostdev->usb_device = (ConfOptInt){ true, xl->u.hostdev.hostaddr };
    }
    return hostdev;
}

ConfController *
hvxl_usbctrl_adopt(const libxl_device_usbctrl *xl)
{
    static const char *const emulated[] = { NULL, "piix3-uhci", "ehci", "nec-xhci" };
    ConfController *controller = conf_controller_new();
    bool qusb = xl->type != LIBXL_USBCTRL_TYPE_DEVICEMODEL;

    controller->type = g_strdup("usb");
    controller->index = (ConfOptInt){ true, xl->devid < 0 ? 0 : xl->devid };
    if (qusb)
        controller->model = g_strdup(xl->version == 1 ? "qusb1" : "qusb2");
    else if (xl->version > 0 && (size_t)xl->version < G_N_ELEMENTS(emulated))
        controller->model = g_strdup(emulated[xl->version]);
    if (xl->ports > 0)
        controller->ports = (ConfOptInt){ true, xl->ports };
    return controller;
}

/* ---- character devices ---- */

ConfChardev *
hvxl_channel_adopt(const libxl_device_channel *xl)
{
    ConfChardev *chr = conf_chardev_new();
    bool socket = xl->connection == LIBXL_CHANNEL_CONNECTION_SOCKET;

    chr->type = g_strdup(socket ? "unix" : "pty");
    if (socket) {
        hvxl_adopt_string(&chr->source_path, xl->u.socket.path);
        chr->source_mode = g_strdup("bind");
    }
    chr->target_type = g_strdup("xen");
    hvxl_adopt_string(&chr->target_name, xl->name);
    return chr;
}

static void
add_serial(const char *word, ConfDomain *def)
{
    ConfChardev *serial = conf_chardev_from_qemu(word);

    if (serial == NULL)
        return;
    serial->target_port = (ConfOptInt){ true, def->serials->len };
    g_ptr_array_add(def->serials, serial);
}

static void
adopt_serials(const libxl_domain_build_info *info, ConfDomain *def)
{
    if (info->u.hvm.serial)
        add_serial(info->u.hvm.serial, def);
    for (int i = 0; i < libxl_string_list_length(&info->u.hvm.serial_list); i++)
        add_serial(info->u.hvm.serial_list[i], def);
}

static void
add_console(ConfDomain *def)
{
    ConfChardev *console = conf_chardev_new();

    console->type = g_strdup("pty");
    console->target_type = g_strdup("xen");
    console->target_port = (ConfOptInt){ true, 0 };
    g_ptr_array_add(def->consoles, console);
}

/* ---- all of them ---- */

static GPtrArray *
keys_of(ConfXlExt *ext, const char *target)
{
    return conf_xl_ext_ensure_device(ext, target ? target : "disk");
}

static void
adopt_disks(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext)
{
    libxl_device_disk fresh;

    libxl_device_disk_init(&fresh);
    for (int i = 0; i < config->num_disks; i++) {
        const libxl_device_disk *xl = &config->disks[i];
        libxl_device_disk known = fresh;

        /* What <driver name=> says needs no key. */
        ConfDisk *disk = hvxl_disk_adopt(config->c_info.type, xl);

        if (xl->backend != LIBXL_DISK_BACKEND_STANDALONE)
            known.backend = xl->backend;
        if (disk->type == CONF_DISK_TYPE_NETWORK)
            known.script = xl->script;
        g_ptr_array_add(def->disks, disk);
        hvxl_keys_adopt(hvxl_disk_keys, hvxl_n_disk_keys, config->c_info.type, xl, &known,
                        keys_of(ext, xl->vdev));
    }
    libxl_device_disk_dispose(&fresh);
}

static void
adopt_nics(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext)
{
    libxl_device_nic fresh;

    libxl_device_nic_init(&fresh);
    for (int i = 0; i < config->num_nics; i++) {
        const libxl_device_nic *xl = &config->nics[i];
        ConfInterface *iface = hvxl_nic_adopt(config->c_info.type, xl);
        libxl_device_nic known = fresh;

        if (xl->bridge == NULL)
            known.gatewaydev = xl->gatewaydev; /* <source dev=> */
        g_ptr_array_add(def->interfaces, iface);
        if (iface->mac == NULL)
            continue; /* nothing that its keys could be known by */
        hvxl_keys_adopt(hvxl_nic_keys, hvxl_n_nic_keys, config->c_info.type, xl, &known,
                        keys_of(ext, iface->mac));
    }
    libxl_device_nic_dispose(&fresh);
}

static void
adopt_pcis(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext)
{
    libxl_device_pci fresh;

    libxl_device_pci_init(&fresh);
    for (int i = 0; i < config->num_pcidevs; i++) {
        const libxl_device_pci *xl = &config->pcidevs[i];
        g_autofree char *name = hvxl_pci_name(xl);
        libxl_device_pci known = fresh;

        known.seize = xl->seize; /* managed= */
        known.permissive = xl->permissive;
        g_ptr_array_add(def->hostdevs, hvxl_pci_adopt(xl));
        hvxl_keys_adopt(hvxl_pci_keys, hvxl_n_pci_keys, config->c_info.type, xl, &known,
                        keys_of(ext, name));
    }
    libxl_device_pci_dispose(&fresh);
}

static void
adopt_usb(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext)
{
    for (int i = 0; i < config->num_usbctrls; i++) {
        const libxl_device_usbctrl *xl = &config->usbctrls[i];
        g_autofree char *name = hvxl_usbctrl_name(xl);

        g_ptr_array_add(def->controllers, hvxl_usbctrl_adopt(xl));
        if (xl->type == LIBXL_USBCTRL_TYPE_PV || xl->type == LIBXL_USBCTRL_TYPE_AUTO)
            conf_xl_keys_set(keys_of(ext, name), "type", libxl_usbctrl_type_to_string(xl->type));
    }
    for (int i = 0; i < config->num_usbdevs; i++)
        g_ptr_array_add(def->hostdevs, hvxl_usbdev_adopt(&config->usbdevs[i]));
}

void
hvxl_adopt_devices(const libxl_domain_config *config, ConfDomain *def, ConfXlExt *ext)
{
    adopt_disks(config, def, ext);
    adopt_nics(config, def, ext);
    adopt_pcis(config, def, ext);
    adopt_usb(config, def, ext);
    for (int i = 0; i < config->num_channels; i++)
        g_ptr_array_add(def->channels, hvxl_channel_adopt(&config->channels[i]));
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_HVM)
        adopt_serials(&config->b_info, def);
    else
        add_console(def);
    hvxl_adopt_displays(config, def);
    hvxl_adopt_texts(config, def);
}
