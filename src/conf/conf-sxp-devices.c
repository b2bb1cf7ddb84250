/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* (device (KIND ...)): one device each, in both directions. */
#include "conf-sxp.h"

#include <string.h>

/* ---- what several kinds have ---- */

/* Domain 0 is the rule. Another one has to be named: a number means whoever has it just now. */
static char *
read_backend(SxpRead *in, const SxpItem *item)
{
    g_autofree char *text = sxp_text(item->node);

    if (text == NULL || g_str_equal(text, "0") || g_str_equal(text, "Domain-0")) {
        sxp_mark(item, CONF_FATE_DEFAULT);
        return NULL;
    }
    if (strspn(text, "0123456789") == strlen(text)) {
        sxp_remark(in, item, CONF_OUTCOME_LOST,
                   "a domain's number does not outlive it; write the name of the driver domain");
        return NULL;
    }
    return g_steal_pointer(&text);
}

static void
read_devid(SxpRead *in, const ConfNode *node)
{
    const ConfNode *uuid = node->items != NULL ? conf_node_find(node, "uuid") : NULL;

    if (uuid != NULL && uuid->text != NULL)
        g_hash_table_add(in->uuids, g_strdup(uuid->text));
}

/* What is written right but has no home costs the device and not the domain. */
static gboolean
unless_unsupported(SxpRead *in, const SxpItem *item, GError **inner, GError **error)
{
    const char *reason;

    if (!g_error_matches(*inner, CONF_ERROR, CONF_ERROR_UNSUPPORTED)) {
        g_propagate_error(error, g_steal_pointer(inner));
        return FALSE;
    }
    /* The row says the place already: "FILE:LINE:COLUMN: device[1]/vbd/uname: REASON" */
    reason = strstr((*inner)->message, item->path);
    reason = reason != NULL ? strstr(reason, ": ") : NULL;
    sxp_remark(in, item, CONF_OUTCOME_LOST, "%s", reason != NULL ? reason + 2 : (*inner)->message);
    g_clear_error(inner);
    return TRUE;
}

/* ---- disks ---- */

gboolean
sxp_read_uname(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    ConfPlace place = sxp_place(in, item);
    ConfDisk *disk = target;

    if (text == NULL)
        return sxp_fail(in, item, error, "expected one text such as phy:/dev/vg/disk");
    if (disk->source != NULL) /* src beside uname */
        return TRUE;
    return conf_disk_set_uname(disk, text, &place, error);
}

gboolean
sxp_read_vdev(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    ConfPlace place = sxp_place(in, item);

    if (text == NULL)
        return sxp_fail(in, item, error, "expected one name such as xvda");
    return conf_disk_set_vdev(target, text, &place, error);
}

gboolean
sxp_read_mode(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    static const char *const xenapi[][2] = { { "RW", "w" }, { "RO", "r" } };
    g_autofree char *text = sxp_text(item->node);
    ConfPlace place = sxp_place(in, item);

    for (gsize i = 0; i < G_N_ELEMENTS(xenapi); i++) {
        if (g_strcmp0(text, xenapi[i][0]) == 0)
            conf_set_string(&text, xenapi[i][1]);
    }
    return conf_disk_set_mode(target, text != NULL ? text : "", &place, error);
}

gboolean
sxp_read_bootable(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    ConfTristate on = CONF_TRISTATE_ABSENT;

    if (text == NULL || !sxp_switch(text, &on))
        return sxp_fail(in, item, error, "expected 0 or 1");
    if (on == CONF_TRISTATE_ON && in->boot_disk == NULL) {
        in->boot_disk = target;
        in->boot_item = item;
    }
    return TRUE;
}

gboolean
sxp_read_discard(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    ConfTristate on = CONF_TRISTATE_ABSENT;
    ConfDisk *disk = target;

    if (text == NULL || !sxp_switch(text, &on))
        return sxp_fail(in, item, error, "expected 0 or 1");
    conf_set_string(&disk->driver_discard, on == CONF_TRISTATE_ON ? "unmap" : "ignore");
    return TRUE;
}

gboolean
sxp_read_disk_backend(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ((ConfDisk *)target)->backenddomain = read_backend(in, item);
    return TRUE;
}

static bool
has_target(const ConfDomain *def, const char *target)
{
    for (guint i = 0; i < def->disks->len; i++) {
        if (g_strcmp0(((ConfDisk *)def->disks->pdata[i])->target, target) == 0)
            return true;
    }
    return false;
}

static gboolean
finish_disk(SxpRead *in, ConfDisk *disk, const SxpItem *item, GError **error)
{
    if (disk->target == NULL)
        return sxp_fail(in, item, error, "this disk has no (dev ...)");
    if (has_target(in->def, disk->target))
        return sxp_fail(in, item, error, "a second disk '%s'", disk->target);
    if (disk->type == CONF_DISK_TYPE_ABSENT)
        disk->type = CONF_DISK_TYPE_FILE; /* an empty drive */
    if (disk->source == NULL && disk->type == CONF_DISK_TYPE_FILE &&
        disk->device != CONF_DISK_DEVICE_CDROM && disk->device != CONF_DISK_DEVICE_FLOPPY)
        return sxp_fail(in, item, error, "the disk '%s' has no (uname ...)", disk->target);
    if (disk->device == CONF_DISK_DEVICE_CDROM)
        disk->readonly = true;
    return TRUE;
}

static gboolean
read_disk(SxpRead *in, const SxpItem *item, GError **error)
{
    g_autoptr(ConfDisk) disk = conf_disk_new();
    g_autoptr(GError) inner = NULL;

    if (!sxp_read_table(in, &sxp_disk_table, item->node, item->path, disk, &inner) ||
        !finish_disk(in, disk, item, &inner)) {
        if (in->boot_disk == disk)
            in->boot_disk = NULL;
        return unless_unsupported(in, item, &inner, error);
    }
    g_ptr_array_add(in->def->disks, g_steal_pointer(&disk));
    return TRUE;
}

static gboolean
add_image_drive(SxpRead *in, const char *text, const char *path, const char *target, GError **error)
{
    const SxpItem *item = sxp_item(in, path);
    g_autoptr(ConfDisk) disk = conf_disk_new();
    g_autoptr(GError) inner = NULL;
    ConfPlace place;

    if (text == NULL || item == NULL)
        return TRUE;
    place = sxp_place(in, item);
    if (!conf_disk_set_uname(disk, text, &place, &inner) ||
        !conf_disk_set_vdev(disk, target, &place, &inner))
        return unless_unsupported(in, item, &inner, error);
    if (has_target(in->def, disk->target)) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "the drive %s is described as a device, too",
                   disk->target);
        return TRUE;
    }
    disk->readonly = disk->device == CONF_DISK_DEVICE_CDROM;
    if (disk->driver_name == NULL && disk->source != NULL)
        conf_set_string(&disk->driver_name, disk->type == CONF_DISK_TYPE_BLOCK ? "phy" : "file");
    g_ptr_array_add(in->def->disks, g_steal_pointer(&disk));
    return TRUE;
}

gboolean
sxp_image_drives(SxpRead *in, GError **error)
{
    return add_image_drive(in, in->guest.cdrom, "image/hvm/cdrom", "hdc:cdrom", error) &&
           add_image_drive(in, in->guest.fda, "image/hvm/fda", "fda", error) &&
           add_image_drive(in, in->guest.fdb, "image/hvm/fdb", "fdb", error);
}

/* ---- interfaces ---- */

gboolean
sxp_read_mac(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfInterface *iface = target;
    g_autofree char *text = sxp_text(item->node);
    g_autofree char *mac = text != NULL ? conf_mac_canonical(text) : NULL;

    if (mac == NULL)
        return sxp_fail(in, item, error, "'%s' is no MAC address", text != NULL ? text : "(...)");
    g_free(iface->mac);
    iface->mac = g_steal_pointer(&mac);
    return TRUE;
}

gboolean
sxp_read_ip(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfInterface *iface = target;
    g_autofree char *text = sxp_text(item->node);
    g_auto(GStrv) words = g_strsplit_set(text != NULL ? text : "", " ,", -1);

    for (char **word = words; *word != NULL; word++) {
        char *slash = strchr(*word, '/');
        g_autofree char *address = NULL;
        guint64 prefix = 0;
        ConfIp *ip;

        if (**word == '\0')
            continue;
        address = slash != NULL ? g_strndup(*word, (gsize)(slash - *word)) : g_strdup(*word);
        if (!g_hostname_is_ip_address(address) ||
            (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, 128, &prefix, NULL)))
            return sxp_fail(in, item, error, "'%s' is no IP address", *word);
        ip = conf_ip_new();
        conf_set_string(&ip->address, address);
        conf_set_string(&ip->family, strchr(address, ':') != NULL ? "ipv6" : "ipv4");
        ip->prefix = (ConfOptInt){ slash != NULL, (int64_t)prefix };
        g_ptr_array_add(iface->ips, ip);
    }
    return TRUE;
}

/* xend keeps the rate as the two numbers of the back end, bytes and microseconds: "65536,50000" */
gboolean
sxp_read_rate(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfInterface *iface = target;
    g_autofree char *text = sxp_text(item->node);
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ",", 3);
    guint64 bytes, usecs;
    int64_t kib;

    if (g_strv_length(parts) == 2 &&
        g_ascii_string_to_unsigned(parts[0], 10, 1, G_MAXUINT, &bytes, NULL) &&
        g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXUINT, &usecs, NULL))
        kib = (int64_t)(MAX(bytes * 1000000 / usecs, 1024) / 1024);
    else if (text == NULL || !conf_rate_parse(text, &kib))
        return sxp_fail(in, item, error, "'%s' is no rate such as 10MB/s or 65536,50000",
                        text != NULL ? text : "(...)");
    iface->outbound_average = (ConfOptInt){ true, kib };
    return TRUE;
}

gboolean
sxp_read_vif_type(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    static const char *const pv[] = { "netfront", "paravirtualised", "vif", NULL };
    ConfInterface *iface = target;
    g_autofree char *text = sxp_text(item->node);

    if (text != NULL && g_str_equal(text, "ioemu")) {
        /* Without a type an HVM guest gets an emulated card and a PV one a netfront. */
        sxp_mark(item, CONF_FATE_DEFAULT);
    } else if (text != NULL && g_strv_contains(pv, text)) {
        if (in->guest.hvm)
            conf_set_string(&iface->model, "netfront");
        else
            sxp_mark(item, CONF_FATE_DEFAULT);
    } else {
        return sxp_fail(in, item, error, "'%s' is none of ioemu, netfront, paravirtualised",
                        text != NULL ? text : "(...)");
    }
    return TRUE;
}

gboolean
sxp_read_vif_backend(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ((ConfInterface *)target)->backenddomain = read_backend(in, item);
    return TRUE;
}

/* A bare script is looked up in the folder of Xen's scripts, by libxl as by xend. All but the one
 * for bridges need none. */
static void
set_connection(SxpRead *in, ConfInterface *iface, const SxpItem *item)
{
    g_autofree char *script = iface->script ? g_path_get_basename(iface->script) : NULL;
    bool bridged = script == NULL || g_str_equal(script, "vif-bridge");

    if (iface->source_bridge == NULL && bridged) {
        conf_set_string(&iface->source_bridge, "xenbr0");
        sxp_remark_device(
            in, item,
            "no bridge is named; xend took the first one of the host, and xenbr0, the "
            "default of its scripts, is assumed");
    }
    conf_set_string(&iface->type, iface->source_bridge != NULL ? "bridge" : "ethernet");
}

static gboolean
read_interface(SxpRead *in, const SxpItem *item, GError **error)
{
    g_autoptr(ConfInterface) iface = conf_interface_new();

    if (item->node->items != NULL &&
        !sxp_read_table(in, &sxp_interface_table, item->node, item->path, iface, error))
        return FALSE;
    set_connection(in, iface, item);
    if (iface->mac == NULL) {
        iface->mac = conf_mac_derive(in->def, in->def->interfaces->len);
        sxp_remark_device(
            in, item,
            "no mac is given, and a definition needs a lasting one: %s, made from the "
            "domain's %s",
            iface->mac, in->def->uuid_set ? "UUID" : "name");
    }
    g_ptr_array_add(in->def->interfaces, g_steal_pointer(&iface));
    return TRUE;
}

/* ---- frame buffer, keyboard, console ---- */

static gboolean
read_vfb(SxpRead *in, const SxpItem *item, GError **error)
{
    if (in->has_vfb) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "a guest on Xen has one frame buffer");
        return TRUE;
    }
    in->has_vfb = true;
    return item->node->items == NULL ||
           sxp_read_table(in, &sxp_display_table, item->node, item->path, &in->vfb, error);
}

static gboolean
read_vkbd(SxpRead *in, const SxpItem *item, GError **error)
{
    in->has_vkbd = true;
    return item->node->items == NULL ||
           sxp_read_table(in, &sxp_input_table, item->node, item->path, in->def, error);
}

static gboolean
read_console(SxpRead *in, const SxpItem *item, GError **error)
{
    /* An HVM guest's console is its first serial port, which the image names. */
    if (!in->guest.hvm) {
        ConfChardev *console = conf_chardev_new();

        conf_set_string(&console->type, "pty");
        conf_set_string(&console->target_type, "xen");
        console->target_port = (ConfOptInt){ true, in->def->consoles->len };
        g_ptr_array_add(in->def->consoles, console);
    }
    return item->node->items == NULL ||
           sxp_read_table(in, &sxp_console_table, item->node, item->path, in->def, error);
}

/* ---- PCI ---- */

/* vdevfn is slot and function of the guest, vslt (before Xen 4) the slot. */
gboolean
sxp_read_pci_slot(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfHostdev *dev = target;
    g_autofree char *text = sxp_text(item->node);
    bool hex = text != NULL && g_ascii_strncasecmp(text, "0x", 2) == 0;
    bool devfn = g_str_has_suffix(item->row->path, "vdevfn");
    guint64 number;
    ConfAddress *address;

    if (text == NULL ||
        !g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, 0xff, &number, NULL))
        return sxp_fail(in, item, error, "'%s' is no slot of the guest's PCI bus",
                        text != NULL ? text : "(...)");
    if (dev->dev.address != NULL)
        return TRUE;
    if (!devfn && number > 0x1f)
        return sxp_fail(in, item, error, "'%s' is beyond the last slot, 0x1f", text);
    address = dev->dev.address = conf_address_new();
    conf_set_string(&address->type, "pci");
    address->domain = address->bus = (ConfOptInt){ true, 0 };
    address->slot = (ConfOptInt){ true, (int64_t)(devfn ? number >> 3 : number) };
    address->function = (ConfOptInt){ true, (int64_t)(devfn ? number & 7 : 0) };
    return TRUE;
}

static bool
is_on(const ConfNode *node)
{
    ConfTristate on = CONF_TRISTATE_ABSENT;

    return node->text != NULL && sxp_switch(node->text, &on) && on == CONF_TRISTATE_ON;
}

/* (opts ((permissive 1) (msitranslate 0))), also without the inner list */
gboolean
sxp_read_pci_opts(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfHostdev *dev = target;
    const char *prefix = item->path;
    ConfNode *list = item->node;

    if (list->items != NULL && list->items->len == 1 &&
        ((ConfNode *)list->items->pdata[0])->key == NULL) {
        list = list->items->pdata[0];
        prefix = sxp_first_of(in, prefix);
    }
    item->node->fate = list->fate = CONF_FATE_CARRIED;
    for (guint i = 0; list->items != NULL && i < list->items->len; i++) {
        ConfNode *node = list->items->pdata[i];
        SxpItem option = { node, item->row,
                           sxp_path(in, prefix, node->key != NULL ? node->key : "?") };

        if (g_strcmp0(node->key, "permissive") == 0) {
            conf_set_string(&dev->write_filtering, is_on(node) ? "no" : "yes");
            sxp_mark(&option, CONF_FATE_CARRIED);
        } else if (node->key != NULL && (g_str_equal(node->key, "msitranslate") ||
                                         g_str_equal(node->key, "power_mgmt"))) {
            g_autofree char *name = conf_pci_name(dev);

            /* That it is off is worth a word where the domain says it is on. */
            conf_xl_keys_set(conf_xl_ext_ensure_device(in->ext, name), node->key,
                             is_on(node) ? "1" : "0");
            sxp_mark(&option, CONF_FATE_CARRIED);
        } else {
            sxp_remark(in, &option, CONF_OUTCOME_LOST, "unknown option of a PCI device");
        }
    }
    return TRUE;
}

static gboolean
check_pci(SxpRead *in, const ConfHostdev *dev, const SxpItem *item, GError **error)
{
    const ConfOptInt *parts[] = { &dev->domain, &dev->bus, &dev->slot, &dev->function };
    const int64_t most[] = { 0xffff, 0xff, 0x1f, 7 };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (i > 0 && !parts[i]->set)
            return sxp_fail(in, item, error, "a PCI device needs bus, slot and func");
        if (parts[i]->value < 0 || parts[i]->value > most[i])
            return sxp_fail(in, item, error, "no PCI address has parts as large as these");
    }
    return TRUE;
}

static gboolean
read_pci_dev(SxpRead *in, const SxpItem *item, GError **error)
{
    g_autoptr(ConfHostdev) dev = conf_hostdev_new();

    if (!sxp_read_table(in, &sxp_pci_dev_table, item->node, item->path, dev, error) ||
        !check_pci(in, dev, item, error))
        return FALSE;
    dev->domain.set = true;
    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "pci");
    g_ptr_array_add(in->def->hostdevs, g_steal_pointer(&dev));
    return TRUE;
}

typedef gboolean (*ReadItem)(SxpRead *in, const SxpItem *item, GError **error);

/* Each item with this key, with the path that the report will give it. */
static gboolean
each_item(SxpRead *in, ConfNode *group, const char *key, const char *prefix, ReadItem read,
          GError **error)
{
    unsigned total = 0, count = 0;

    for (guint i = 0; group->items != NULL && i < group->items->len; i++)
        total += g_strcmp0(((ConfNode *)group->items->pdata[i])->key, key) == 0;
    if (total > CONF_MAX_DEVICES)
        return sxp_fail(in, &(SxpItem){ group, NULL, prefix }, error,
                        "%u devices are more than the %d that a domain may have", total,
                        CONF_MAX_DEVICES);
    for (guint i = 0; group->items != NULL && i < group->items->len; i++) {
        ConfNode *node = group->items->pdata[i];
        g_autofree char *name = NULL;
        SxpItem item;

        if (g_strcmp0(node->key, key) != 0)
            continue;
        name = total > 1 ? g_strdup_printf("%s[%u]", key, count) : g_strdup(key);
        count++;
        node->fate = CONF_FATE_CARRIED;
        item = (SxpItem){ node, NULL, sxp_path(in, prefix, name) };
        if (!read(in, &item, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_pci(SxpRead *in, const SxpItem *item, GError **error)
{
    return sxp_read_table(in, &sxp_pci_table, item->node, item->path, in->def, error) &&
           each_item(in, item->node, "dev", item->path, read_pci_dev, error);
}

/* ---- USB ---- */

gboolean
sxp_read_usb_version(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfController *controller = target;
    g_autofree char *text = sxp_text(item->node);

    if (g_strcmp0(text, "1") != 0 && g_strcmp0(text, "2") != 0)
        return sxp_fail(in, item, error, "'%s' is neither USB 1 nor 2",
                        text != NULL ? text : "(...)");
    controller->model = g_strconcat("qusb", text, NULL);
    return TRUE;
}

/* (port (1 1-2) (2 '')): nothing is lost with the ports to which nothing is assigned. */
static void
mark_free_ports(ConfNode *node)
{
    ConfNode *ports = node->items != NULL ? conf_node_find(node, "port") : NULL;

    for (guint i = 0; ports != NULL && ports->items != NULL && i < ports->items->len; i++) {
        if (sxp_is_empty(ports->items->pdata[i]))
            conf_node_mark(ports->items->pdata[i], CONF_FATE_DEFAULT);
    }
}

static gboolean
read_usb(SxpRead *in, const SxpItem *item, GError **error)
{
    g_autoptr(ConfController) controller = conf_controller_new();
    unsigned index = 0;

    for (guint i = 0; i < in->def->controllers->len; i++)
        index += g_strcmp0(((ConfController *)in->def->controllers->pdata[i])->type, "usb") == 0;
    conf_set_string(&controller->type, "usb");
    controller->index = (ConfOptInt){ true, index };
    if (!sxp_read_table(in, &sxp_usb_table, item->node, item->path, controller, error))
        return FALSE;
    if (controller->ports.set && (controller->ports.value < 1 || controller->ports.value > 31))
        return sxp_fail(in, item, error, "a virtual USB controller has 1 to 31 ports");
    if (controller->model == NULL)
        conf_set_string(&controller->model, "qusb2");
    mark_free_ports(item->node);
    g_ptr_array_add(in->def->controllers, g_steal_pointer(&controller));
    return TRUE;
}

/* ---- SCSI ---- */

static bool
hctl(const char *text, guint64 ret_parts[4])
{
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ":", 5);

    if (g_strv_length(parts) != 4)
        return false;
    for (gsize i = 0; i < 4; i++) {
        if (!g_ascii_string_to_unsigned(parts[i], 10, 0, 0xffff, &ret_parts[i], NULL))
            return false;
    }
    return true;
}

static void
scsi_clear(SxpScsi *scsi)
{
    sxp_clear_fields(&sxp_scsi_dev_table, NULL, scsi);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SxpScsi, scsi_clear)

static gboolean
read_scsi_dev(SxpRead *in, const SxpItem *item, GError **error)
{
    g_auto(SxpScsi) scsi = { NULL, NULL };
    g_autoptr(ConfHostdev) dev = conf_hostdev_new();
    ConfAddress *address;
    guint64 p[4], v[4];

    if (!sxp_read_table(in, &sxp_scsi_dev_table, item->node, item->path, &scsi, error))
        return FALSE;
    if (!hctl(scsi.p_dev, p) || !hctl(scsi.v_dev, v))
        return sxp_fail(in, item, error, "p-dev and v-dev must be HOST:CHANNEL:TARGET:LUN");
    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "scsi");
    dev->source_extra = g_strdup_printf(
        "<source><adapter name='scsi_host%" G_GUINT64_FORMAT "'/><address bus='%" G_GUINT64_FORMAT
        "' target='%" G_GUINT64_FORMAT "' unit='%" G_GUINT64_FORMAT "'/></source>",
        p[0], p[1], p[2], p[3]);
    address = dev->dev.address = conf_address_new();
    conf_set_string(&address->type, "drive");
    address->controller = (ConfOptInt){ true, (int64_t)v[0] };
    address->bus = (ConfOptInt){ true, (int64_t)v[1] };
    address->target = (ConfOptInt){ true, (int64_t)v[2] };
    address->unit = (ConfOptInt){ true, (int64_t)v[3] };
    g_ptr_array_add(in->def->hostdevs, g_steal_pointer(&dev));
    sxp_remark_device(
        in, item, "as <hostdev type='scsi'>, which libvirt's Xen driver keeps but does not attach");
    return TRUE;
}

/* (vscsi (dev ...) (dev ...)) and (vscsi (devs ((dev ...)))) */
static gboolean
read_scsi(SxpRead *in, const SxpItem *item, GError **error)
{
    ConfNode *devs = conf_node_find(item->node, "devs");
    const char *prefix = item->path;
    ConfNode *group = item->node;

    if (!sxp_read_table(in, &sxp_scsi_table, item->node, item->path, in->def, error))
        return FALSE;
    if (devs != NULL) {
        group = devs;
        prefix = sxp_path(in, item->path, "devs");
        devs->fate = CONF_FATE_CARRIED;
        if (devs->items != NULL && devs->items->len == 1 &&
            ((ConfNode *)devs->items->pdata[0])->key == NULL) {
            group = devs->items->pdata[0];
            prefix = sxp_first_of(in, prefix);
            group->fate = CONF_FATE_CARRIED;
        }
    }
    return each_item(in, group, "dev", prefix, read_scsi_dev, error);
}

/* ---- the kinds ---- */

static gboolean
read_internal(SxpRead *in, const SxpItem *item, GError **error)
{
    conf_node_mark(item->node, CONF_FATE_RUNTIME);
    return TRUE;
}

static const struct {
    const char *kind;
    bool empty; /* (KIND) alone says something */
    ReadItem read;
} kinds[] = {
    { "vbd", false, read_disk },       { "tap", false, read_disk },
    { "tap2", false, read_disk },      { "vif", true, read_interface },
    { "vfb", true, read_vfb },         { "vkbd", true, read_vkbd },
    { "console", true, read_console }, { "pci", false, read_pci },
    { "vusb", true, read_usb },        { "vscsi", false, read_scsi },
    { "data", true, read_internal },   { "ioports", false, sxp_read_ioports },
    { "irq", false, sxp_read_irq },
};

gboolean
sxp_read_device(SxpRead *in, ConfNode *node, const char *path, GError **error)
{
    ConfNode *kind = NULL;
    SxpItem item;

    for (guint i = 0; node->items != NULL && i < node->items->len && kind == NULL; i++) {
        ConfNode *item_node = node->items->pdata[i];

        if (item_node->key != NULL && !g_str_equal(item_node->key, "@"))
            kind = item_node;
    }
    item = (SxpItem){ node, NULL, path };
    if (kind == NULL)
        return sxp_fail(in, &item, error, "a device without a kind; expected (device (vbd ...))");
    node->fate = CONF_FATE_CARRIED;
    read_devid(in, kind);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!g_str_equal(kind->key, kinds[i].kind))
            continue;
        item = (SxpItem){ kind, NULL, sxp_path(in, path, kind->key) };
        if (kind->items == NULL && !kinds[i].empty)
            return sxp_fail(in, &item, error, "nothing is said about this device");
        if (kind->fate == CONF_FATE_UNSEEN)
            kind->fate = CONF_FATE_CARRIED;
        return kinds[i].read(in, &item, error);
    }
    return TRUE; /* as a whole without a home: sxp_why() */
}

/* ---- writing ---- */

/* NULL: xend has no word for such a source. */
static char *
format_uname(const ConfDisk *disk)
{
    const char *type = disk->driver_type != NULL ? disk->driver_type : "raw";
    const char *driver = disk->driver_name != NULL ? disk->driver_name : "";
    bool raw = g_str_equal(type, "raw");

    if (disk->type == CONF_DISK_TYPE_NETWORK) {
        const ConfDiskHost *host = disk->source_hosts->len > 0 ? disk->source_hosts->pdata[0]
                                                               : NULL;

        if (g_strcmp0(disk->source_protocol, "nbd") != 0 || host == NULL || host->name == NULL ||
            disk->source_name != NULL)
            return NULL;
        return g_strdup_printf("nbd:%s%s%s", host->name, host->port != NULL ? " " : "",
                               host->port != NULL ? host->port : "");
    }
    if (disk->source == NULL) /* an empty drive; a volume of a pool has no path here */
        return disk->device == CONF_DISK_DEVICE_CDROM || disk->device == CONF_DISK_DEVICE_FLOPPY
                   ? g_strdup("")
                   : NULL;
    if (g_str_equal(driver, "tap") || g_str_equal(driver, "tap2"))
        return g_strdup_printf("%s:%s:%s", driver, raw ? "aio" : type, disk->source);
    if (!raw)
        return g_strdup_printf("tap:%s:%s", type, disk->source);
    if (disk->type == CONF_DISK_TYPE_BLOCK)
        return g_strconcat("phy:", disk->source, NULL);
    if (disk->type == CONF_DISK_TYPE_FILE)
        return g_strconcat("file:", disk->source, NULL);
    return NULL;
}

void
sxp_write_uname(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    g_autofree char *uname = format_uname(source);

    sxp_add(parent, "uname", uname);
}

void
sxp_write_vdev(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfDisk *disk = source;
    g_autofree char *dev = NULL;

    if (disk->target == NULL || disk->device == CONF_DISK_DEVICE_FLOPPY)
        sxp_add(parent, "dev", disk->target);
    else
        dev = g_strconcat(disk->target, disk->device == CONF_DISK_DEVICE_CDROM ? ":cdrom" : ":disk",
                          NULL);
    sxp_add(parent, "dev", dev);
}

void
sxp_write_mode(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfDisk *disk = source;

    sxp_add(parent, "mode",
            disk->readonly ? (disk->shareable ? "r!" : "r") : (disk->shareable ? "w!" : "w"));
}

/* The disk that a bootloader looks into. */
void
sxp_write_bootable(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const GPtrArray *disks = out->def->disks;

    for (guint i = 0; i < disks->len; i++) {
        const ConfDisk *disk = disks->pdata[i];

        if (disk->device == CONF_DISK_DEVICE_CDROM || disk->device == CONF_DISK_DEVICE_FLOPPY)
            continue;
        sxp_add_number(parent, "bootable", disk == source);
        return;
    }
}

void
sxp_write_discard(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfDisk *disk = source;

    if (disk->driver_discard != NULL)
        sxp_add_number(parent, "discard-enable", g_str_equal(disk->driver_discard, "unmap"));
}

void
sxp_write_disk_backend(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfDisk *disk = source;

    sxp_add(parent, "backend", disk->backenddomain != NULL ? disk->backenddomain : "0");
}

void
sxp_write_mac(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    sxp_add(parent, "mac", ((const ConfInterface *)source)->mac);
}

void
sxp_write_ip(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfInterface *iface = source;
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < iface->ips->len; i++) {
        const ConfIp *ip = iface->ips->pdata[i];

        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", ip->address);
        if (ip->prefix.set)
            g_string_append_printf(text, "/%" G_GINT64_FORMAT, ip->prefix.value);
    }
    if (text->len > 0)
        sxp_add(parent, "ip", text->str);
}

void
sxp_write_rate(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfInterface *iface = source;
    g_autofree char *rate = iface->outbound_average.set
                                ? conf_rate_format(iface->outbound_average.value)
                                : NULL;

    sxp_add(parent, "rate", rate);
}

void
sxp_write_vif_type(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfInterface *iface = source;

    if (out->guest.hvm)
        sxp_add(parent, "type", g_strcmp0(iface->model, "netfront") == 0 ? "netfront" : "ioemu");
}

/* netfront is what the type says. */
void
sxp_write_model(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfInterface *iface = source;

    if (g_strcmp0(iface->model, "netfront") != 0)
        sxp_add(parent, "model", iface->model);
}

void
sxp_write_vif_backend(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfInterface *iface = source;

    sxp_add(parent, "backend", iface->backenddomain != NULL ? iface->backenddomain : "0");
}

void
sxp_write_pci_slot(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfAddress *address = ((const ConfHostdev *)source)->dev.address;
    g_autofree char *text = NULL;

    if (address == NULL || g_strcmp0(address->type, "pci") != 0 || !address->slot.set) {
        sxp_add(parent, "vdevfn", "0x100"); /* any */
        return;
    }
    text = g_strdup_printf(
        "0x%x", (unsigned)((address->slot.value & 0x1f) << 3 | (address->function.value & 7)));
    sxp_add(parent, "vdevfn", text);
}

void
sxp_write_pci_opts(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    static const char *const names[] = { "msitranslate", "power_mgmt" };
    const ConfHostdev *dev = source;
    g_autofree char *name = conf_pci_name(dev);
    const GPtrArray *keys = conf_xl_ext_device(out->ext, name);
    ConfNode *opts = conf_node_new(CONF_NODE_GROUP, "opts", 0, 0);

    if (dev->write_filtering != NULL)
        sxp_add_number(opts, "permissive", g_str_equal(dev->write_filtering, "no"));
    for (gsize i = 0; keys != NULL && i < G_N_ELEMENTS(names); i++)
        sxp_add(opts, names[i], conf_xl_keys_get(keys, names[i]));
    if (opts->items->len > 0)
        g_ptr_array_add(parent->items, opts);
    else
        conf_node_free(opts);
}

void
sxp_write_usb_version(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfController *controller = source;

    sxp_add(parent, "usb-ver", g_strcmp0(controller->model, "qusb1") == 0 ? "1" : "2");
}
