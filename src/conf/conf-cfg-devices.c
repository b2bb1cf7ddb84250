/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: PCI, USB, serial ports, channels, sound and watchdog, both directions. */
#include "conf-cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- PCI ---- */

/* xl reads these with atoi(): "yes" is 0 for it. */
static const char *
pci_flag(const char *name, const char *value, const ConfPlace *place, unsigned offset)
{
    static const char *const flags[] = { "permissive", "seize", "msitranslate", "power_mgmt",
                                         NULL };
    int64_t number;

    if (!g_strv_contains(flags, name))
        return value;
    bool on = atoi(value) != 0;
    if (!cfg_parse_int(value, &number))
        conf_place_report(place, offset, CONF_OUTCOME_CHANGED, name, value,
                          "xl wants a number here, and takes this for %d", on);
    return on ? "1" : "0";
}

static void
append_pci_word(GString *text, const CfgWord *word, const char *value)
{
    g_string_append_printf(text, "%s%s%s%s", text->len ? "," : "", word->name, value ? "=" : "",
                           value ? value : "");
}

/* xl: `whole` with flags as it understands them, `plain` without the parameters that ride in
 * metadata, which are in `keys`. */
static void
split_pci(const char *text, const ConfPlace *place, GString *whole, GString *plain, GPtrArray *keys)
{
    g_autoptr(GPtrArray) words = cfg_words(text);

    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);
        const char *value = word->value ? pci_flag(word->name, word->value, place, word->offset)
                                        : NULL;

        append_pci_word(whole, word, value);
        if (value == NULL || !cfg_carry_word("pci", word->name, value, keys))
            append_pci_word(plain, word, value);
    }
}

static gboolean
read_pci(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) keys = conf_xl_keys_new();
    g_autoptr(GString) whole = g_string_new(NULL), plain = g_string_new(NULL);

    if (r->who == CFG_XL)
        split_pci(text, place, whole, plain, keys);
    else
        g_string_assign(plain, text);
    g_autoptr(GError) local = NULL;
    g_autoptr(ConfHostdev) dev = conf_hostdev_parse_pci(plain->str, place, &local);
    g_autofree char *name = dev ? conf_pci_name(dev) : NULL;

    /* A name of xl's, or all functions of a slot: only the host knows the addresses. */
    if (g_error_matches(local, CONF_ERROR, CONF_ERROR_UNSUPPORTED) &&
        cfg_carry_item(r, "pci", whole->str))
        return TRUE;
    if (dev == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    cfg_carry_device(r->ext, name, keys);
    /* The defaults of the whole domain stand in front of pci= in the table. */
    if (dev->write_filtering == NULL && r->parts.pci_permissive == CONF_TRISTATE_ON)
        conf_set_string(&dev->write_filtering, "no");
    if (dev->managed == NULL)
        conf_set_string(&dev->managed, r->parts.pci_seize == CONF_TRISTATE_ON ? "yes" : "no");
    g_ptr_array_add(r->def->hostdevs, g_steal_pointer(&dev));
    return TRUE;
}

gboolean
cfg_read_pci(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_pci, error);
}

void
cfg_write_pci(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->hostdevs->len; i++) {
        const ConfHostdev *dev = g_ptr_array_index(w->def->hostdevs, i);
        g_autoptr(GString) text = g_string_new(NULL);

        if (g_strcmp0(dev->type, "pci") != 0)
            continue;
        g_autofree char *name = conf_pci_name(dev);
        g_string_append(text, name);
        const ConfAddress *address = dev->dev.address;
        if (address && address->slot.set && g_strcmp0(address->type, "pci") == 0)
            g_string_append_printf(text, "@%02x", (unsigned)address->slot.value);
        if (dev->write_filtering)
            g_string_append_printf(text, ",permissive=%d", g_str_equal(dev->write_filtering, "no"));
        if (g_strcmp0(dev->managed, "yes") == 0 && w->who == CFG_XL)
            g_string_append(text, ",seize=1");
        cfg_put_carried_words(w, "pci", name, text);
        g_ptr_array_add(list, g_string_free(g_steal_pointer(&text), FALSE));
    }
    cfg_append_carried(w, key->name, list);
    cfg_put_list(w, key->name, list);
}

/* ---- USB devices of the emulated bus ---- */

static ConfHostdev *
add_usb_hostdev(ConfDomain *def)
{
    ConfHostdev *dev = conf_hostdev_new();

    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "usb");
    conf_set_string(&dev->managed, "no");
    g_ptr_array_add(def->hostdevs, dev);
    return dev;
}

static bool
hex4(const char *text, size_t len, ConfOptInt *ret)
{
    if (len < 1 || len > 4 || strspn(text, "0123456789abcdefABCDEF") < len)
        return false;
    *ret = (ConfOptInt){ true, (int64_t)g_ascii_strtoull(text, NULL, 16) };
    return true;
}

/* "host:VID:PID" in hexadecimal, "host:BUS.ADDR" in decimal */
static gboolean
read_usb_host(CfgReader *r, const char *text, const ConfPlace *place, GError **error)
{
    ConfOptInt first = { false, 0 }, second = { false, 0 };
    const char *colon = strchr(text, ':'), *dot = strchr(text, '.');
    unsigned bus, addr;
    int end = 0;

    if (colon && hex4(text, (size_t)(colon - text), &first) &&
        hex4(colon + 1, strlen(colon + 1), &second)) {
        ConfHostdev *dev = add_usb_hostdev(r->def);

        dev->vendor = first;
        dev->product = second;
        return TRUE;
    }
    if (dot && sscanf(text, "%3u.%3u%n", &bus, &addr, &end) == 2 && text[end] == '\0') {
        ConfHostdev *dev = add_usb_hostdev(r->def);

        dev->usb_bus = (ConfOptInt){ true, bus };
        dev->usb_device = (ConfOptInt){ true, addr };
        return TRUE;
    }
    conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                     "expected host:VENDOR:PRODUCT or host:BUS.ADDRESS, found 'host:%s'", text);
    return FALSE;
}

static gboolean
read_usbdevice(CfgReader *r, const char *text, unsigned index, const ConfPlace *place,
               GError **error)
{
    static const char *const inputs[] = { "tablet", "mouse", "keyboard", NULL };

    if (*text == '\0')
        return TRUE;
    if (g_str_has_prefix(text, "host:"))
        return read_usb_host(r, text + strlen("host:"), place, error);
    if (!g_strv_contains(inputs, text)) {
        if (cfg_carry_item(r, "usbdevice", text))
            return TRUE;
        conf_place_error(place, 0, error, CONF_ERROR_UNSUPPORTED,
                         "libvirt's Xen driver knows tablet, mouse, keyboard and host devices, not "
                         "'%s'",
                         text);
        return FALSE;
    }
    ConfInput *input = conf_input_new();
    conf_set_string(&input->type, text);
    conf_set_string(&input->bus, "usb");
    g_ptr_array_add(r->def->inputs, input);
    return TRUE;
}

gboolean
cfg_read_usbdevice(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_usbdevice, error);
}

/* A device of the host by vendor and product has no other word in xl than this one. */
static bool
by_vendor(const ConfHostdev *dev)
{
    return g_strcmp0(dev->type, "usb") == 0 && dev->vendor.set && dev->product.set;
}

/* xm has no other place for a USB device of the host. */
static bool
is_emulated(const CfgWriter *w, const ConfHostdev *dev)
{
    return by_vendor(dev) || (w->who == CFG_XM && g_strcmp0(dev->type, "usb") == 0);
}

static bool
is_usb_input(const ConfInput *input)
{
    return g_strcmp0(input->bus, "usb") == 0 && input->type;
}

void
cfg_write_usbdevice(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->inputs->len; i++) {
        const ConfInput *input = g_ptr_array_index(w->def->inputs, i);

        if (is_usb_input(input))
            g_ptr_array_add(list, g_strdup(input->type));
    }
    for (guint i = 0; i < w->def->hostdevs->len; i++) {
        const ConfHostdev *dev = g_ptr_array_index(w->def->hostdevs, i);

        if (by_vendor(dev))
            g_ptr_array_add(list, g_strdup_printf("host:%04x:%04x", (unsigned)dev->vendor.value,
                                                  (unsigned)dev->product.value));
        else if (w->who == CFG_XM && g_strcmp0(dev->type, "usb") == 0) /* xl has usbdev= */
            g_ptr_array_add(list, g_strdup_printf("host:%d.%d", (int)dev->usb_bus.value,
                                                  (int)dev->usb_device.value));
    }
    cfg_append_carried(w, key->name, list);
    if (w->who == CFG_XL) {
        cfg_put_list(w, key->name, list);
        return;
    }
    /* xm has one. */
    if (list->len > 0)
        cfg_put_string(w, key->name, g_ptr_array_index(list, 0));
    for (guint i = 1; i < list->len; i++)
        cfg_lost(w, g_ptr_array_index(list, i), "xm has one emulated USB device",
                 g_str_has_prefix(g_ptr_array_index(list, i), "host:") ? "/domain/devices/hostdev"
                                                                       : "/domain/devices/input");
}

/* ---- PV USB ---- */

/* As our metadata knows it. */
char *
cfg_usbctrl_name(unsigned index)
{
    return g_strdup_printf("usb%u", index);
}

static gboolean
read_usbctrl(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text);
    ConfController *controller = conf_controller_new();
    g_autoptr(ConfController) owned = controller;
    g_autoptr(GPtrArray) keys = conf_xl_keys_new();
    g_autofree char *name = cfg_usbctrl_name(index);
    int64_t version = 2, number;

    conf_set_string(&controller->type, "usb");
    controller->index = (ConfOptInt){ true, index };
    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);
        const char *value = word->value ? word->value : "";

        if (g_str_equal(word->name, "version") && cfg_parse_int(value, &number) && number >= 1 &&
            number <= 3)
            version = number;
        else if (g_str_equal(word->name, "ports") && cfg_parse_int(value, &number) && number >= 1 &&
                 number <= 31)
            controller->ports = (ConfOptInt){ true, number };
        else if (g_str_equal(word->name, "type") &&
                 (g_str_equal(value, "devicemodel") || g_str_equal(value, "pv")))
            conf_xl_keys_set(keys, "type", value); /* libvirt has models for qusb only */
        else if (g_str_equal(word->name, "type") &&
                 (g_str_equal(value, "qusb") || g_str_equal(value, "auto")))
            continue;
        else if (g_str_equal(word->name, "version") || g_str_equal(word->name, "ports") ||
                 g_str_equal(word->name, "type")) {
            conf_place_error(place, word->offset, error, CONF_ERROR_INVALID,
                             "'%s' is no value for %s", value, word->name);
            return FALSE;
        } else
            conf_place_report(place, word->offset, CONF_OUTCOME_LOST, word->name, value,
                              "no domXML element for this option of a USB controller");
    }
    if (version == 3)
        conf_xl_keys_set(keys, "version", "3");
    cfg_carry_device(r->ext, name, keys);
    conf_set_string(&controller->model, version == 1 ? "qusb1" : "qusb2");
    g_ptr_array_add(r->def->controllers, g_steal_pointer(&owned));
    return TRUE;
}

gboolean
cfg_read_usbctrl(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_usbctrl, error);
}

void
cfg_write_usbctrl(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->controllers->len; i++) {
        const ConfController *controller = g_ptr_array_index(w->def->controllers, i);
        const char *model = controller->model ? controller->model : "qusb2";
        g_autoptr(GString) text = g_string_new(NULL);

        if (g_strcmp0(controller->type, "usb") != 0)
            continue;
        if (!g_str_has_prefix(model, "qusb")) {
            cfg_lost(w, model, "xl's own USB controllers are qusb1 and qusb2",
                     "/domain/devices/controller[%u]", i + 1);
            continue;
        }
        g_autofree char *name = cfg_usbctrl_name((unsigned)controller->index.value);
        const GPtrArray *keys = w->who == CFG_XL ? conf_xl_ext_device(w->ext, name) : NULL;
        const char *type = conf_xl_keys_get(keys, "type");
        const char *version = conf_xl_keys_get(keys, "version");
        g_string_printf(text, "type=%s,version=%s", type ? type : "qusb",
                        version                       ? version
                        : g_str_equal(model, "qusb1") ? "1"
                                                      : "2");
        if (controller->ports.set)
            g_string_append_printf(text, ",ports=%" G_GINT64_FORMAT, controller->ports.value);
        g_ptr_array_add(list, g_string_free(g_steal_pointer(&text), FALSE));
    }
    cfg_put_list(w, key->name, list);
}

static ConfAddress *
usb_address(ConfHostdev *dev)
{
    if (dev->dev.address == NULL) {
        dev->dev.address = conf_address_new();
        conf_set_string(&dev->dev.address->type, "usb");
    }
    return dev->dev.address;
}

static gboolean
read_usbdev(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text);
    g_autoptr(ConfHostdev) dev = conf_hostdev_new();
    int64_t number;

    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "usb");
    conf_set_string(&dev->managed, "no");
    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);
        const char *value = word->value ? word->value : "";
        bool is_number = cfg_parse_int(value, &number) && number >= 0 && number <= 255;

        if (g_str_equal(word->name, "hostbus") && is_number)
            dev->usb_bus = (ConfOptInt){ true, number };
        else if (g_str_equal(word->name, "hostaddr") && is_number)
            dev->usb_device = (ConfOptInt){ true, number };
        else if (g_str_equal(word->name, "controller") && is_number)
            usb_address(dev)->bus = (ConfOptInt){ true, number };
        else if (g_str_equal(word->name, "port") && is_number)
            conf_set_string(&usb_address(dev)->port, value);
        else if (g_str_equal(word->name, "type") && g_str_equal(value, "hostdev"))
            continue;
        else {
            conf_place_error(place, word->offset, error, CONF_ERROR_INVALID,
                             "expected hostbus=N, hostaddr=N, controller=N, port=N or "
                             "type=hostdev, found '%s=%s'",
                             word->name, value);
            return FALSE;
        }
    }
    if (!dev->usb_bus.set || !dev->usb_device.set) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "a USB device needs hostbus= and hostaddr=");
        return FALSE;
    }
    g_ptr_array_add(r->def->hostdevs, g_steal_pointer(&dev));
    return TRUE;
}

gboolean
cfg_read_usbdev(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_usbdev, error);
}

void
cfg_write_usbdev(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->hostdevs->len; i++) {
        const ConfHostdev *dev = g_ptr_array_index(w->def->hostdevs, i);
        const ConfAddress *address = dev->dev.address;
        g_autoptr(GString) text = g_string_new(NULL);
        int64_t port;

        if (g_strcmp0(dev->type, "usb") != 0 || (by_vendor(dev) && w->guest == CFG_HVM))
            continue;
        if (!dev->usb_bus.set || !dev->usb_device.set) {
            cfg_lost(w, NULL, "xl names USB devices of the host by bus and address",
                     "/domain/devices/hostdev[%u]", i + 1);
            continue;
        }
        g_string_printf(text, "type=hostdev,hostbus=%d,hostaddr=%d", (int)dev->usb_bus.value,
                        (int)dev->usb_device.value);
        if (address && address->bus.set)
            g_string_append_printf(text, ",controller=%d", (int)address->bus.value);
        if (address && address->bus.set && address->port) {
            /* domXML may name a port behind a hub, as "1.2" */
            if (cfg_parse_int(address->port, &port) && port >= 0 && port <= 255)
                g_string_append_printf(text, ",port=%d", (int)port);
            else
                cfg_lost(w, address->port, "xl names a port by one number up to 255",
                         "/domain/devices/hostdev[%u]/address/@port", i + 1);
        }
        g_ptr_array_add(list, g_string_free(g_steal_pointer(&text), FALSE));
    }
    cfg_put_list(w, key->name, list);
}

/* ---- serial and parallel ports ---- */

/* xl hands QEMU whatever stands there: words that no element has all of ride in metadata. */
static bool
port_is_whole(const ConfChardev *chr, const char *text)
{
    g_autofree char *again = chr ? conf_chardev_format_qemu(chr) : NULL;

    return g_strcmp0(again, text) == 0;
}

static gboolean
read_port(CfgReader *r, const char *key, GPtrArray *ports, const char *text, const ConfPlace *place,
          GError **error)
{
    g_autoptr(GError) local = NULL;
    ConfPlace quiet = *place;

    if (conf_chardev_is_none(text))
        return TRUE;
    if (r->who == CFG_XL)
        quiet.report = NULL;
    ConfChardev *chr = conf_chardev_parse_qemu(text, &quiet, &local);
    if ((chr || g_error_matches(local, CONF_ERROR, CONF_ERROR_UNSUPPORTED)) &&
        !port_is_whole(chr, text) && cfg_carry_instead(r, key) && chr == NULL)
        return TRUE;
    if (chr == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    chr->target_port = (ConfOptInt){ true, ports->len };
    g_ptr_array_add(ports, chr);
    return TRUE;
}

static gboolean
read_serial(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    return read_port(r, "serial", r->def->serials, text, place, error);
}

static gboolean
read_parallel(CfgReader *r, const char *text, unsigned index, const ConfPlace *place,
              GError **error)
{
    return read_port(r, "parallel", r->def->parallels, text, place, error);
}

gboolean
cfg_read_serial(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_serial, error);
}

gboolean
cfg_read_parallel(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_parallel, error);
}

static void
write_ports(CfgWriter *w, const char *key, const GPtrArray *ports)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < ports->len; i++) {
        const ConfChardev *chr = g_ptr_array_index(ports, i);
        char *text = conf_chardev_format_qemu(chr);

        if (text)
            g_ptr_array_add(list, text);
        else
            cfg_lost(w, chr->type, "QEMU has no word for it", "/domain/devices/%s[%u]", key, i + 1);
    }
    if (list->len == 1)
        cfg_put_string(w, key, g_ptr_array_index(list, 0));
    else
        cfg_put_list(w, key, list);
}

void
cfg_write_serial(CfgWriter *w, const CfgKey *key)
{
    write_ports(w, key->name, w->def->serials);
}

void
cfg_write_parallel(CfgWriter *w, const CfgKey *key)
{
    write_ports(w, key->name, w->def->parallels);
}

/* ---- channels ---- */

static gboolean
read_channel(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text), keys = conf_xl_keys_new();
    const char *name = NULL, *connection = NULL, *path = NULL;
    unsigned connection_at = 0;

    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);

        if (g_str_equal(word->name, "name"))
            name = word->value;
        else if (g_str_equal(word->name, "connection")) {
            connection = word->value;
            connection_at = word->offset;
        } else if (g_str_equal(word->name, "path"))
            path = word->value;
        else if (!cfg_carry_word("channel", word->name, word->value, keys))
            conf_place_report(place, word->offset, CONF_OUTCOME_LOST, word->name, word->value,
                              "no domXML element for this option of a channel");
    }
    if (name == NULL || *name == '\0') {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID, "a channel needs a name=");
        return FALSE;
    }
    bool socket = connection && g_ascii_strcasecmp(connection, "socket") == 0;
    if (!socket && (connection == NULL || g_ascii_strcasecmp(connection, "pty") != 0)) {
        conf_place_error(place, connection_at, error, CONF_ERROR_INVALID,
                         "the connection of a channel is socket or pty, not '%s'",
                         connection ? connection : "");
        return FALSE;
    }
    ConfChardev *chr = conf_chardev_new();
    conf_set_string(&chr->type, socket ? "unix" : "pty");
    if (socket) {
        conf_set_string(&chr->source_mode, "bind");
        conf_set_string(&chr->source_path, path);
    }
    conf_set_string(&chr->target_type, "xen");
    conf_set_string(&chr->target_name, name);
    cfg_carry_device(r->ext, name, keys);
    g_ptr_array_add(r->def->channels, chr);
    return TRUE;
}

gboolean
cfg_read_channel(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_channel, error);
}

void
cfg_write_channel(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->channels->len; i++) {
        const ConfChardev *chr = g_ptr_array_index(w->def->channels, i);
        bool socket = g_strcmp0(chr->type, "unix") == 0;
        g_autoptr(GString) text = g_string_new(NULL);

        if (g_strcmp0(chr->target_type, "xen") != 0 || chr->target_name == NULL ||
            (!socket && g_strcmp0(chr->type, "pty") != 0)) {
            cfg_lost(w, chr->target_name, "xl has Xen's own channels over a socket or a pty only",
                     "/domain/devices/channel[%u]", i + 1);
            continue;
        }
        g_string_append(text, socket ? "connection=socket" : "connection=pty");
        if (socket && chr->source_path)
            g_string_append_printf(text, ",path=%s", chr->source_path);
        g_string_append_printf(text, ",name=%s", chr->target_name);
        cfg_put_carried_words(w, "channel", chr->target_name, text);
        g_ptr_array_add(list, g_string_free(g_steal_pointer(&text), FALSE));
    }
    cfg_put_list(w, key->name, list);
}

/* ---- sound ---- */

static const struct SoundModel {
    const char *qemu, *libvirt;
    bool in_all; /* of those that "all" stood for and libvirt has */
} sound_models[] = {
    { "sb16", "sb16", true }, { "es1370", "es1370", true }, { "ac97", "ac97", true },
    { "hda", "ich6", false }, { "pcspk", "pcspk", false },
};

static void
add_sound(ConfDomain *def, const char *model)
{
    ConfSound *sound = conf_sound_new();

    conf_set_string(&sound->model, model);
    g_ptr_array_add(def->sounds, sound);
}

static gboolean
read_sound(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text);

    if (words->len > 1) /* libvirt's Xen driver has one card */
        cfg_carry_instead(r, "soundhw");
    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);
        bool all = g_str_equal(word->name, "all"), found = false;

        for (size_t k = 0; k < G_N_ELEMENTS(sound_models); k++) {
            if (all ? sound_models[k].in_all : g_str_equal(word->name, sound_models[k].qemu)) {
                add_sound(r->def, sound_models[k].libvirt);
                found = true;
            }
        }
        if ((all || (!found && !g_str_equal(word->name, "none"))) &&
            cfg_carry_instead(r, "soundhw"))
            continue;
        if (all)
            conf_place_report(place, word->offset, CONF_OUTCOME_CHANGED, NULL, text,
                              "libvirt names sound cards one by one: sb16, es1370 and ac97");
        else if (!found && !g_str_equal(word->name, "none"))
            conf_place_report(place, word->offset, CONF_OUTCOME_LOST, NULL, word->name,
                              "libvirt has no sound card of this kind");
    }
    return TRUE;
}

gboolean
cfg_read_soundhw(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_sound, error);
}

void
cfg_write_soundhw(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < w->def->sounds->len; i++) {
        const ConfSound *sound = g_ptr_array_index(w->def->sounds, i);
        const char *word = NULL;

        for (size_t k = 0; k < G_N_ELEMENTS(sound_models); k++) {
            if (g_strcmp0(sound->model, sound_models[k].libvirt) == 0)
                word = sound_models[k].qemu;
        }
        if (word)
            g_string_append_printf(text, "%s%s", text->len ? "," : "", word);
        else
            cfg_lost(w, sound->model, "no such sound card", "/domain/devices/sound[%u]", i + 1);
    }
    if (text->len)
        cfg_put_string(w, key->name, text->str);
}

/* ---- the rest ---- */

gboolean
cfg_devices_join(CfgReader *r, GError **error)
{
    bool on_bus = cfg_node(r, "usbdevice") != NULL;

    if (r->parts.usb == CONF_TRISTATE_ON && !on_bus && !cfg_carry_instead(r, "usb"))
        cfg_report_key(r, "usb", CONF_OUTCOME_LOST,
                       "libvirt's Xen driver knows no emulated USB bus without a device on it");
    if (r->parts.watchdog) {
        ConfWatchdog *watchdog = conf_watchdog_new();

        conf_set_string(&watchdog->model, r->parts.watchdog);
        conf_set_string(&watchdog->action,
                        r->parts.watchdog_action ? r->parts.watchdog_action : "reset");
        g_ptr_array_add(r->def->watchdogs, watchdog);
    } else
        cfg_report_key(r, "watchdog_action", CONF_OUTCOME_DEFAULT, "there is no watchdog=");
    return TRUE;
}

void
cfg_devices_split(CfgWriter *w)
{
    bool usb = false;

    if (w->guest == CFG_HVM) {
        for (guint i = 0; i < w->def->inputs->len; i++)
            usb = usb || is_usb_input(g_ptr_array_index(w->def->inputs, i));
        for (guint i = 0; i < w->def->hostdevs->len; i++)
            usb = usb || is_emulated(w, g_ptr_array_index(w->def->hostdevs, i));
    }
    if (usb)
        w->parts.usb = CONF_TRISTATE_ON;
    if (w->def->watchdogs->len > 0) {
        const ConfWatchdog *watchdog = g_ptr_array_index(w->def->watchdogs, 0);

        conf_set_string(&w->parts.watchdog, watchdog->model);
        conf_set_string(&w->parts.watchdog_action, watchdog->action);
    }
}
