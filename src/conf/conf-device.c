/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One device by itself, as text and as data. Its rows are those that it has within a <domain>. */
#include "conf-device-kind.h"

#include <string.h>

/* memballoon is no list: its field holds the one device itself. */
const ConfKindRow conf_kinds[CONF_N_DEVICE_KINDS] = {
#define KIND(kind, element, field, short_name, ...)                                                \
    [CONF_DEVICE_##kind] = { element, G_STRUCT_OFFSET(ConfDomain, field),                          \
                             &conf_schema_##short_name, __VA_ARGS__ }
    KIND(DISK, "disk", disks, disk),
    KIND(CONTROLLER, "controller", controllers, controller),
    KIND(INTERFACE, "interface", interfaces, interface, .alias = "net"),
    KIND(SERIAL, "serial", serials, chardev, .alias = "serial"),
    KIND(PARALLEL, "parallel", parallels, chardev, .alias = "parallel"),
    KIND(CONSOLE, "console", consoles, chardev, .alias = "console"),
    KIND(CHANNEL, "channel", channels, chardev, .alias = "channel"),
    KIND(INPUT, "input", inputs, input, .alias = "input"),
    KIND(GRAPHICS, "graphics", graphics, graphics),
    KIND(SOUND, "sound", sounds, sound, .alias = "sound"),
    KIND(VIDEO, "video", videos, video, .alias = "video"),
    KIND(HOSTDEV, "hostdev", hostdevs, hostdev, .alias = "hostdev"),
    KIND(WATCHDOG, "watchdog", watchdogs, watchdog, .alias = "watchdog"),
    KIND(MEMBALLOON, "memballoon", memballoon, memballoon, .single = true, .alias = "balloon"),
    KIND(LEASE, "lease", leases, lease),
    KIND(RAW, NULL, raw_devices, raw_element),
#undef KIND
};

/* ---- life ---- */

void
conf_device_free(ConfAnyDevice *device)
{
    if (!device)
        return;
    if (device->any)
        conf_kinds[device->kind].schema->free(device->any);
    g_free(device);
}

ConfAnyDevice *
conf_device_copy(const ConfAnyDevice *device)
{
    ConfAnyDevice *copy = g_new0(ConfAnyDevice, 1);

    copy->kind = device->kind;
    copy->any = conf_schema_copy(conf_kinds[device->kind].schema, device->any);
    return copy;
}

/* What follows the '<' of a serialised element. */
static char *
raw_name(const char *xml)
{
    size_t len = strcspn(xml + 1, " \t\r\n/>");

    return g_strndup(xml + 1, len);
}

const char *
conf_device_element(const ConfAnyDevice *device)
{
    g_autofree char *name = NULL;

    if (conf_kinds[device->kind].element)
        return conf_kinds[device->kind].element;
    name = raw_name(device->raw->xml);
    return g_intern_string(name);
}

/* ---- text ---- */

/* Does libvirt know a device element of this name? The domain's table has its place, if so. */
static bool
has_place(const char *name)
{
    const ConfSchema *schema = &conf_schema_domain;

    for (unsigned i = 0; i < schema->n_rows; i++)
        if (schema->rows[i].kind == CONF_FIELD_PLACE &&
            g_str_has_prefix(schema->rows[i].path, "devices/") &&
            strcmp(schema->rows[i].path + strlen("devices/"), name) == 0)
            return true;
    return false;
}

static bool
find_kind(const char *name, ConfDeviceKind *ret_kind)
{
    for (unsigned i = 0; i < CONF_N_DEVICE_KINDS; i++) {
        if (conf_kinds[i].element && strcmp(conf_kinds[i].element, name) == 0) {
            *ret_kind = i;
            return true;
        }
    }
    *ret_kind = CONF_DEVICE_RAW;
    return has_place(name);
}

/* What conf_domain_parse_xml() looks at beyond the rows. */
static gboolean
check_device(const ConfAnyDevice *device, xmlNode *root, const ConfSource *source, GError **error)
{
    const ConfDisk *disk = device->disk;

    if (device->kind != CONF_DEVICE_DISK || (disk->target && *disk->target))
        return TRUE;
    return conf_source_fail(source, root, CONF_ERROR_INVALID, error,
                            "missing target information for device");
}

ConfAnyDevice *
conf_device_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                      GError **error)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(text, len, name, error);
    const ConfSource source = { .name = name, .text = text, .len = len };
    g_autoptr(ConfAnyDevice) device = NULL;
    xmlNode *root;
    ConfDeviceKind kind;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    if (root->ns || !find_kind((const char *)root->name, &kind)) {
        g_autofree char *message = g_strdup_printf("unknown device type '%.64s'", root->name);

        conf_source_fail(&source, root, CONF_ERROR_INVALID, error, message);
        return NULL;
    }
    device = g_new0(ConfAnyDevice, 1);
    device->kind = kind;
    device->any = conf_schema_new(conf_kinds[kind].schema);
    if (!conf_schema_parse(conf_kinds[kind].schema, device->any, root, &source, flags, error) ||
        !check_device(device, root, &source, error))
        return NULL;
    return g_steal_pointer(&device);
}

static char *
format_raw(const ConfAnyDevice *device)
{
    g_autoptr(ConfXmlNode) node = conf_xml_read_element(device->raw->xml);
    GString *out = g_string_new(NULL);

    if (node)
        conf_xml_print(out, node, CONF_XML_STYLE_LIBVIRT, 0);
    return g_string_free(out, FALSE);
}

char *
conf_device_format_xml(const ConfAnyDevice *device, unsigned flags)
{
    const ConfKindRow *kind = &conf_kinds[device->kind];

    if (device->kind == CONF_DEVICE_RAW)
        return format_raw(device);
    return conf_schema_format(kind->schema, device->any, kind->element, flags);
}

/* ---- defaults ---- */

/* The last of its kind in `def`: what was added last. */
static void *
take_last(ConfDomain *def, ConfDeviceKind kind)
{
    void **field = G_STRUCT_MEMBER_P(def, conf_kinds[kind].offset);
    GPtrArray *list = *field;

    if (conf_kinds[kind].single)
        return g_steal_pointer(field);
    return g_ptr_array_steal_index(list, list->len - 1);
}

static void
put_last(ConfDomain *def, ConfDeviceKind kind, void *device)
{
    void **field = G_STRUCT_MEMBER_P(def, conf_kinds[kind].offset);

    if (conf_kinds[kind].single && *field)
        conf_kinds[kind].schema->free(*field);
    if (conf_kinds[kind].single)
        *field = device;
    else
        g_ptr_array_add(*field, device);
}

/* MAC addresses and controller numbers that the other definition has are taken, too. */
static void
add_taken(ConfDomain *def, const ConfDomain *other, ConfDeviceKind kind)
{
    GPtrArray *list = G_STRUCT_MEMBER(GPtrArray *, other, conf_kinds[kind].offset);

    if (kind != CONF_DEVICE_INTERFACE && kind != CONF_DEVICE_CONTROLLER)
        return;
    for (guint i = 0; i < list->len; i++)
        put_last(def, kind, conf_schema_copy(conf_kinds[kind].schema, list->pdata[i]));
}

/* Consoles and inputs that a definition gets by itself stand behind what it has: such a kind is
 * filled in alone. */
static void
empty_list(ConfDomain *def, ConfDeviceKind kind)
{
    GPtrArray *list = G_STRUCT_MEMBER(GPtrArray *, def, conf_kinds[kind].offset);

    if (kind == CONF_DEVICE_INPUT || kind == CONF_DEVICE_CONSOLE)
        g_ptr_array_set_size(list, 0);
}

void
conf_device_fill_defaults(ConfAnyDevice *device, const ConfDomain *def, const ConfDomain *other)
{
    g_autoptr(ConfDomain) scratch = conf_domain_copy(def);
    ConfDeviceKind kind = device->kind;

    if (kind == CONF_DEVICE_RAW)
        return;
    if (!conf_kinds[kind].single)
        empty_list(scratch, kind);
    if (other)
        add_taken(scratch, other, kind);
    if (kind == CONF_DEVICE_INPUT || kind == CONF_DEVICE_CONSOLE)
        g_ptr_array_set_size(scratch->graphics, 0);
    conf_domain_fill_defaults(scratch); /* what it gets anyhow comes before the device */
    put_last(scratch, kind, g_steal_pointer(&device->any));
    conf_domain_fill_defaults(scratch);
    device->any = take_last(scratch, kind);
}
