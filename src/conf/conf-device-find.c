/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which device of a domain is meant: libvirt's rules, one match function a kind. */
#include "conf-device-kind.h"

#include <string.h>

/* ---- lists ---- */

static guint
count(const ConfDomain *def, ConfDeviceKind kind)
{
    const void *field = G_STRUCT_MEMBER(void *, def, conf_kinds[kind].offset);

    if (conf_kinds[kind].single)
        return field ? 1 : 0;
    return ((const GPtrArray *)field)->len;
}

static void *
nth(const ConfDomain *def, ConfDeviceKind kind, guint i)
{
    void *field = G_STRUCT_MEMBER(void *, def, conf_kinds[kind].offset);

    return conf_kinds[kind].single ? field : ((GPtrArray *)field)->pdata[i];
}

/* ---- matching ---- */

static bool
same_opt(ConfOptInt a, ConfOptInt b)
{
    return a.set == b.set && (!a.set || a.value == b.value);
}

/* What `like` leaves open fits everything. */
static bool
fits_opt(ConfOptInt like, ConfOptInt have)
{
    return !like.set || same_opt(like, have);
}

static bool
fits_text(const char *like, const char *have)
{
    return !like || g_strcmp0(like, have) == 0;
}

static bool
is_type(const ConfAddress *address, const char *type)
{
    return address && g_strcmp0(address->type, type) == 0;
}

/* Aliases belong to running domains: one of the two may have none for that reason. */
static bool
fits_alias(const ConfDevice *like, const ConfDevice *have)
{
    return !like->alias || !have->alias || strcmp(like->alias, have->alias) == 0;
}

/* The parts of a PCI address that are not said are 0. */
static int64_t
number(ConfOptInt opt)
{
    return opt.set ? opt.value : 0;
}

static bool
same_pci(const ConfAddress *a, const ConfAddress *b)
{
    return number(a->domain) == number(b->domain) && number(a->bus) == number(b->bus) &&
           number(a->slot) == number(b->slot) && number(a->function) == number(b->function);
}

static bool
match_disk(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return g_strcmp0(like->disk->target, have->disk->target) == 0;
}

static bool
match_interface(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    const ConfInterface *wanted = like->interface, *other = have->interface;

    if (wanted->mac && (!other->mac || g_ascii_strcasecmp(wanted->mac, other->mac) != 0))
        return false;
    if (is_type(wanted->dev.address, "pci") &&
        (!is_type(other->dev.address, "pci") || !same_pci(wanted->dev.address, other->dev.address)))
        return false;
    return fits_alias(&wanted->dev, &other->dev);
}

static bool
match_hostdev(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    const ConfHostdev *a = like->hostdev, *b = have->hostdev;

    if (g_strcmp0(a->type, b->type) != 0)
        return false;
    if (g_strcmp0(a->type, "pci") == 0)
        return number(a->domain) == number(b->domain) && number(a->bus) == number(b->bus) &&
               number(a->slot) == number(b->slot) && number(a->function) == number(b->function);
    if (g_strcmp0(a->type, "usb") != 0)
        return g_strcmp0(a->source_extra, b->source_extra) == 0;
    return fits_opt(a->usb_bus, b->usb_bus) && fits_opt(a->usb_device, b->usb_device) &&
           fits_opt(a->vendor, b->vendor) && fits_opt(a->product, b->product);
}

static bool
match_controller(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    const ConfController *a = like->controller, *b = have->controller;

    return g_strcmp0(a->type, b->type) == 0 && number(a->index) == number(b->index);
}

static bool
match_chardev(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    const ConfChardev *a = like->chardev, *b = have->chardev;

    return fits_text(a->target_type, b->target_type) && fits_text(a->target_name, b->target_name) &&
           fits_opt(a->target_port, b->target_port) && fits_alias(&a->dev, &b->dev);
}

static bool
match_graphics(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return g_strcmp0(like->graphics->type, have->graphics->type) == 0;
}

static bool
match_input(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return g_strcmp0(like->input->type, have->input->type) == 0 &&
           fits_text(like->input->bus, have->input->bus);
}

static bool
match_sound(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return fits_text(like->sound->model, have->sound->model);
}

static bool
match_video(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return fits_text(like->video->model_type, have->video->model_type);
}

static bool
match_lease(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    const ConfLease *a = like->lease, *b = have->lease;

    return g_strcmp0(a->lockspace, b->lockspace) == 0 && g_strcmp0(a->key, b->key) == 0;
}

static bool
match_any(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return true; /* a domain has one of it */
}

static bool
match_raw(const ConfAnyDevice *like, const ConfAnyDevice *have)
{
    return g_strcmp0(like->raw->xml, have->raw->xml) == 0;
}

typedef bool (*Match)(const ConfAnyDevice *like, const ConfAnyDevice *have);

static const Match matches[CONF_N_DEVICE_KINDS] = {
    [CONF_DEVICE_DISK] = match_disk,           [CONF_DEVICE_CONTROLLER] = match_controller,
    [CONF_DEVICE_INTERFACE] = match_interface, [CONF_DEVICE_SERIAL] = match_chardev,
    [CONF_DEVICE_PARALLEL] = match_chardev,    [CONF_DEVICE_CONSOLE] = match_chardev,
    [CONF_DEVICE_CHANNEL] = match_chardev,     [CONF_DEVICE_INPUT] = match_input,
    [CONF_DEVICE_GRAPHICS] = match_graphics,   [CONF_DEVICE_SOUND] = match_sound,
    [CONF_DEVICE_VIDEO] = match_video,         [CONF_DEVICE_HOSTDEV] = match_hostdev,
    [CONF_DEVICE_WATCHDOG] = match_any,        [CONF_DEVICE_MEMBALLOON] = match_any,
    [CONF_DEVICE_LEASE] = match_lease,         [CONF_DEVICE_RAW] = match_raw,
};

/* ---- words ---- */

/* libvirt's message of a look-up names what it looked for. */
static char *
describe(const ConfAnyDevice *like)
{
    const ConfInterface *iface = like->interface;
    const ConfHostdev *hostdev = like->hostdev;

    if (like->kind == CONF_DEVICE_INTERFACE && iface->mac)
        return g_strdup_printf("device matching MAC address %s", iface->mac);
    if (like->kind == CONF_DEVICE_HOSTDEV && g_strcmp0(hostdev->type, "pci") == 0)
        return g_strdup_printf("host pci device %04x:%02x:%02x.%x",
                               (unsigned)number(hostdev->domain), (unsigned)number(hostdev->bus),
                               (unsigned)number(hostdev->slot),
                               (unsigned)number(hostdev->function));
    if (like->kind == CONF_DEVICE_HOSTDEV && hostdev->usb_bus.set)
        return g_strdup_printf("host usb device %u:%u", (unsigned)number(hostdev->usb_bus),
                               (unsigned)number(hostdev->usb_device));
    if (like->kind == CONF_DEVICE_HOSTDEV && hostdev->vendor.set)
        return g_strdup_printf("host usb device vendor=0x%.4x product=0x%.4x",
                               (unsigned)number(hostdev->vendor),
                               (unsigned)number(hostdev->product));
    if (like->kind == CONF_DEVICE_CONTROLLER)
        return g_strdup_printf("controller %s:%d", like->controller->type,
                               (int)number(like->controller->index));
    return g_strdup_printf("matching %s device", conf_device_element(like));
}

static gboolean
fail_find(const ConfAnyDevice *like, guint n_found, GError **error)
{
    g_autofree char *what = describe(like);

    if (like->kind == CONF_DEVICE_DISK)
        g_set_error(error, CONF_ERROR, CONF_ERROR_MISSING, "disk %s not found",
                    like->disk->target ? like->disk->target : "");
    else if (n_found > 1 && g_str_has_prefix(what, "device matching"))
        g_set_error(error, CONF_ERROR, CONF_ERROR_AMBIGUOUS, "multiple devices %s found",
                    what + strlen("device "));
    else if (n_found > 1)
        g_set_error(error, CONF_ERROR, CONF_ERROR_AMBIGUOUS, "multiple devices: %s", what);
    else if (g_str_has_prefix(what, "host "))
        g_set_error(error, CONF_ERROR, CONF_ERROR_MISSING, "%s not found", what);
    else
        g_set_error(error, CONF_ERROR, CONF_ERROR_MISSING, "no %s found", what);
    return FALSE;
}

/* ---- looking ---- */

/* How many there are; the first goes into *ret_found. */
static guint
count_matches(const ConfDomain *def, const ConfAnyDevice *like, ConfAnyDevice *ret_found)
{
    guint n_found = 0;

    for (guint i = 0; i < count(def, like->kind); i++) {
        ConfAnyDevice have = { .kind = like->kind, .any = nth(def, like->kind, i) };

        if (!matches[like->kind](like, &have))
            continue;
        if (n_found++ == 0)
            *ret_found = have;
    }
    return n_found;
}

gboolean
conf_domain_find_device(const ConfDomain *def, const ConfAnyDevice *like, ConfAnyDevice *ret_found,
                        GError **error)
{
    guint n_found = count_matches(def, like, ret_found);

    return n_found == 1 ? TRUE : fail_find(like, n_found, error);
}

gboolean
conf_domain_find_alias(const ConfDomain *def, const char *alias, ConfAnyDevice *ret_found,
                       GError **error)
{
    for (unsigned kind = 0; kind < CONF_DEVICE_RAW; kind++) {
        for (guint i = 0; i < count(def, kind); i++) {
            ConfAnyDevice have = { .kind = kind, .any = nth(def, kind, i) };

            if (g_strcmp0(have.dev->alias, alias) == 0) {
                *ret_found = have;
                return TRUE;
            }
        }
    }
    g_set_error(error, CONF_ERROR, CONF_ERROR_MISSING, "no device found with alias %s", alias);
    return FALSE;
}

const ConfDisk *
conf_domain_find_disk(const ConfDomain *def, const char *target_or_path)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->target, target_or_path) == 0)
            return disk;
    }
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->source, target_or_path) == 0)
            return disk;
    }
    return NULL;
}

/* ---- changing ---- */

/* Of which kinds the same device must not stand twice; what libvirt says then. */
static char *
describe_conflict(const ConfDomain *def, const ConfAnyDevice *device)
{
    ConfAnyDevice found;

    switch (device->kind) {
    case CONF_DEVICE_DISK:
        if (count_matches(def, device, &found))
            return g_strdup_printf("target %s already exists", device->disk->target);
        return NULL;
    case CONF_DEVICE_INTERFACE:
        if (device->interface->mac && count_matches(def, device, &found))
            return g_strdup_printf("network device with mac %s already exists",
                                   device->interface->mac);
        return NULL;
    case CONF_DEVICE_HOSTDEV:
        if (count_matches(def, device, &found)) {
            g_autofree char *what = describe(device);

            return g_strdup_printf("device is already in the domain configuration: %s", what);
        }
        return NULL;
    case CONF_DEVICE_CONTROLLER:
        if (device->controller->index.set && count_matches(def, device, &found))
            return g_strdup_printf("controller %s:%d already exists", device->controller->type,
                                   (int)number(device->controller->index));
        return NULL;
    case CONF_DEVICE_LEASE:
        if (count_matches(def, device, &found))
            return g_strdup_printf("lease %s in lockspace %s already exists", device->lease->key,
                                   device->lease->lockspace ? device->lease->lockspace : "");
        return NULL;
    case CONF_DEVICE_MEMBALLOON:
    case CONF_DEVICE_WATCHDOG:
        if (count(def, device->kind))
            return g_strdup_printf("domain already has a %s", conf_device_element(device));
        return NULL;
    case CONF_DEVICE_SERIAL:
    case CONF_DEVICE_PARALLEL:
    case CONF_DEVICE_CONSOLE:
    case CONF_DEVICE_CHANNEL:
    case CONF_DEVICE_INPUT:
    case CONF_DEVICE_GRAPHICS:
    case CONF_DEVICE_SOUND:
    case CONF_DEVICE_VIDEO:
    case CONF_DEVICE_RAW:
    case CONF_N_DEVICE_KINDS:
    default:
        return NULL;
    }
}

gboolean
conf_domain_insert_device(ConfDomain *def, const ConfAnyDevice *device, GError **error)
{
    const ConfKindRow *kind = &conf_kinds[device->kind];
    void **field = G_STRUCT_MEMBER_P(def, kind->offset);
    g_autofree char *conflict = describe_conflict(def, device);

    if (conflict) {
        g_set_error_literal(error, CONF_ERROR, CONF_ERROR_EXISTS, conflict);
        return FALSE;
    }
    if (count(def, device->kind) >= CONF_MAX_DEVICES) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT, "more than %d devices of the kind of '%s'",
                    CONF_MAX_DEVICES, conf_device_element(device));
        return FALSE;
    }
    if (kind->single)
        *field = conf_schema_copy(kind->schema, device->any);
    else
        g_ptr_array_add(*field, conf_schema_copy(kind->schema, device->any));
    return TRUE;
}

void
conf_domain_remove_device(ConfDomain *def, const ConfAnyDevice *found)
{
    const ConfKindRow *kind = &conf_kinds[found->kind];
    void **field = G_STRUCT_MEMBER_P(def, kind->offset);

    if (kind->single) {
        g_assert(*field == found->any);
        kind->schema->free(g_steal_pointer(field));
    } else {
        g_ptr_array_remove(*field, found->any);
    }
}

void
conf_domain_replace_device(ConfDomain *def, const ConfAnyDevice *found, const ConfAnyDevice *now)
{
    const ConfKindRow *kind = &conf_kinds[found->kind];
    void **field = G_STRUCT_MEMBER_P(def, kind->offset);
    guint i;

    g_assert(found->kind == now->kind);
    if (!kind->single) {
        GPtrArray *list = *field;

        if (!g_ptr_array_find(list, found->any, &i))
            g_assert_not_reached();
        field = &list->pdata[i];
    }
    kind->schema->free(*field);
    *field = conf_schema_copy(kind->schema, now->any);
}

/* ---- aliases ---- */

/* "xvda" is 0, "hdc" 2, "sdaa" 26: the letters behind the prefix count. -1: it is no such name, as
 * that of a partition is none. */
static int
target_number(const char *target)
{
    const char *letters = target + (g_str_has_prefix(target, "xvd") ? 3 : 2);
    int n = 0;

    if (strlen(target) < 3)
        return -1;
    for (; g_ascii_islower(*letters) && n < 65536; letters++)
        n = n * 26 + *letters - 'a' + 1;
    return *letters ? -1 : n - 1;
}

static char *
disk_alias(const ConfDisk *disk)
{
    const char *bus = disk->target_bus ? disk->target_bus : "xen";
    int n = disk->target ? target_number(disk->target) : -1;

    return n >= 0 ? g_strdup_printf("%s-disk%d", bus, n)
                  : g_strdup_printf("%s-%s", bus, disk->target ? disk->target : "disk");
}

static char *
own_alias(const ConfAnyDevice *device)
{
    const ConfController *controller = device->controller;

    if (device->kind == CONF_DEVICE_DISK)
        return disk_alias(device->disk);
    if (device->kind != CONF_DEVICE_CONTROLLER || !controller->type)
        return NULL;
    if (g_strcmp0(controller->type, "usb") == 0 && number(controller->index) == 0)
        return g_strdup("usb");
    return g_strdup_printf("%s%d", controller->type, (int)number(controller->index));
}

/* The first that nobody has. A device that was unplugged leaves a gap, as in libvirt. */
static char *
free_alias(const ConfDomain *def, const char *prefix, guint from)
{
    for (guint n = from;; n++) {
        g_autofree char *alias = g_strdup_printf("%s%u", prefix, n);
        ConfAnyDevice found;

        if (!conf_domain_find_alias(def, alias, &found, NULL))
            return g_steal_pointer(&alias);
    }
}

static void
assign_alias(const ConfDomain *def, const ConfAnyDevice *device, guint i)
{
    const char *prefix = conf_kinds[device->kind].alias;
    const ConfChardev *chr = device->chardev;

    if (device->dev->alias)
        return;
    /* The console that mirrors a serial port is that port. */
    if (device->kind == CONF_DEVICE_CONSOLE && g_strcmp0(chr->target_type, "serial") == 0)
        device->dev->alias = g_strdup_printf("serial%d", (int)number(chr->target_port));
    else if (prefix)
        device->dev->alias = free_alias(def, prefix, i);
    else
        device->dev->alias = own_alias(device);
}

void
conf_device_assign_alias(const ConfDomain *def, const ConfAnyDevice *device)
{
    if (device->kind != CONF_DEVICE_RAW)
        assign_alias(def, device, count(def, device->kind));
}

void
conf_domain_assign_aliases(ConfDomain *def)
{
    for (unsigned kind = 0; kind < CONF_DEVICE_RAW; kind++) {
        for (guint i = 0; i < count(def, kind); i++) {
            const ConfAnyDevice device = { .kind = kind, .any = nth(def, kind, i) };

            assign_alias(def, &device, i);
        }
    }
}
