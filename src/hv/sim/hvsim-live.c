/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-live.h>

#include <conf/conf-xlext.h>

#include <string.h>

/* ---- definition to host ---- */

static gboolean
wants_port(const ConfGraphics *graphics)
{
    gboolean served = g_strcmp0(graphics->type, "vnc") == 0 ||
                      g_strcmp0(graphics->type, "spice") == 0;
    gboolean automatic = g_strcmp0(graphics->autoport, "yes") == 0 || !graphics->port.set ||
                         graphics->port.value <= 0;
    return served && automatic && graphics->socket == NULL;
}

static guint
count_ports(const ConfDomain *def)
{
    guint n = 0;
    for (guint i = 0; i < def->graphics->len; i++)
        n += wants_port(def->graphics->pdata[i]) ? 1 : 0;
    return n;
}

/* <vcpupin> of this vcpu, else <vcpu cpuset=>, else any cpu. */
static const ConfBitmap *
pinned_to(const ConfDomain *def, guint vcpu)
{
    for (guint i = 0; def->cputune.vcpupin != NULL && i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = def->cputune.vcpupin->pdata[i];
        if (pin->vcpu == vcpu)
            return pin->cpuset;
    }
    return def->cpuset;
}

static void
add_pinning(SimStart *start, const ConfDomain *def)
{
    gboolean none = def->cpuset == NULL &&
                    (def->cputune.vcpupin == NULL || def->cputune.vcpupin->len == 0);
    for (guint i = 0; !none && i < MIN(start->vcpus_max, SIM_MAX_VCPUS); i++) {
        const ConfBitmap *map = pinned_to(def, i);
        g_ptr_array_add(start->pinned,
                        map == NULL ? g_bytes_new(NULL, 0)
                                    : g_bytes_new(map->bits, MIN(map->len, SIM_MAX_CPUS / 8)));
    }
}

static char *
hostdev_key(const ConfHostdev *hostdev)
{
    if (g_strcmp0(hostdev->type, "pci") == 0)
        return g_strdup_printf("pci %04x:%02x:%02x.%x", (guint)hostdev->domain.value,
                               (guint)hostdev->bus.value, (guint)hostdev->slot.value,
                               (guint)hostdev->function.value);
    if (g_strcmp0(hostdev->type, "usb") == 0)
        return g_strdup_printf("usb %u:%u", (guint)hostdev->usb_bus.value,
                               (guint)hostdev->usb_device.value);
    return NULL;
}

char *
sim_live_device_key(const ConfAnyDevice *device)
{
    const ConfDisk *disk = device->disk;
    if (device->kind == CONF_DEVICE_DISK) {
        gboolean removable = disk->device == CONF_DISK_DEVICE_CDROM ||
                             disk->device == CONF_DISK_DEVICE_FLOPPY;
        gboolean xen = disk->target_bus == NULL || g_str_equal(disk->target_bus, "xen");
        return removable || xen ? g_strdup_printf("disk %s", disk->target) : NULL;
    }
    if (device->kind == CONF_DEVICE_INTERFACE)
        return g_strdup_printf("interface %s", device->interface->mac);
    if (device->kind == CONF_DEVICE_HOSTDEV)
        return hostdev_key(device->hostdev);
    if (device->kind == CONF_DEVICE_CONTROLLER && g_strcmp0(device->controller->type, "usb") == 0)
        return g_strdup_printf("controller usb %u", (guint)device->controller->index.value);
    if (device->kind == CONF_DEVICE_CHANNEL)
        return g_strdup_printf(
            "channel %s", device->chardev->target_name == NULL ? "" : device->chardev->target_name);
    return NULL;
}

static void
add_devices(SimStart *start, GPtrArray *list, ConfDeviceKind kind)
{
    for (guint i = 0; i < list->len; i++) {
        ConfAnyDevice device = { .kind = kind, .any = list->pdata[i] };
        char *key = sim_live_device_key(&device);
        if (key != NULL)
            g_ptr_array_add(start->devices, key);
    }
}

static void
add_int(GVariantBuilder *options, const char *key, ConfOptInt value)
{
    if (value.set && value.value > 0)
        g_variant_builder_add(options, "{sv}", key,
                              g_variant_new_int32((gint32)MIN(value.value, G_MAXINT32)));
}

static void
add_map(GVariantBuilder *options, const char *key, const ConfBitmap *map)
{
    if (map != NULL && conf_bitmap_count(map) > 0)
        g_variant_builder_add(
            options, "{sv}", key,
            g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map->bits, map->len, 1));
}

static void
add_online(GVariantBuilder *options, const ConfDomain *def)
{
    g_autoptr(ConfBitmap) online = conf_bitmap_new(SIM_MAX_VCPUS);
    for (guint i = 0; i < def->vcpu_list->len; i++) {
        const ConfVcpu *vcpu = def->vcpu_list->pdata[i];
        if (vcpu->enabled == CONF_TRISTATE_ON && vcpu->id < SIM_MAX_VCPUS)
            conf_bitmap_set(online, vcpu->id, true);
    }
    add_map(options, "online", online);
}

/* A quota is a budget under rtds, and under the others a cap: percent of one cpu. Which scheduler
 * there is the host knows. */
static void
add_quota(GVariantBuilder *options, const ConfCpuTune *tune)
{
    if (tune->period.set && tune->quota.set) {
        add_int(options, "period", tune->period);
        add_int(options, "budget",
                (ConfOptInt){ true, MIN(tune->quota.value, tune->period.value) });
    }
    gint64 period = tune->period.set && tune->period.value > 0 ? tune->period.value : 100000;
    if (tune->quota.set && tune->quota.value > 0 && tune->quota.value <= G_MAXINT64 / 100)
        add_int(options, "cap", (ConfOptInt){ true, MAX(tune->quota.value * 100 / period, 1) });
}

static void
add_extratime(GVariantBuilder *options, const ConfDomain *def)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, NULL);
    const char *extratime = ext != NULL ? conf_xl_keys_get(ext->keys, "extratime") : NULL;
    if (extratime != NULL)
        g_variant_builder_add(options, "{sv}", "extratime",
                              g_variant_new_int32(strcmp(extratime, "0") != 0));
}

static void
add_disks(GVariantBuilder *options, const ConfDomain *def)
{
    GVariantBuilder names, limits;
    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    g_variant_builder_init(&limits, G_VARIANT_TYPE("a{s(tttttt)}"));
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = def->disks->pdata[i];
        if (disk->target == NULL)
            continue;
        g_variant_builder_add(&names, "s", disk->target);
        if (disk->iotune_extra != NULL)
            g_variant_builder_add(
                &limits, "{s(tttttt)}", disk->target, conf_disk_iotune(disk, "total_bytes_sec"),
                conf_disk_iotune(disk, "read_bytes_sec"), conf_disk_iotune(disk, "write_bytes_sec"),
                conf_disk_iotune(disk, "total_iops_sec"), conf_disk_iotune(disk, "read_iops_sec"),
                conf_disk_iotune(disk, "write_iops_sec"));
    }
    g_variant_builder_add(options, "{sv}", "disks", g_variant_builder_end(&names));
    g_variant_builder_add(options, "{sv}", "limits", g_variant_builder_end(&limits));
}

static void
add_nics(GVariantBuilder *options, const ConfDomain *def)
{
    GVariantBuilder names, rates;
    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    g_variant_builder_init(&rates, G_VARIANT_TYPE("a{st}"));
    for (guint i = 0; i < def->interfaces->len; i++) {
        const ConfInterface *iface = def->interfaces->pdata[i];
        if (iface->mac == NULL)
            continue;
        g_variant_builder_add(&names, "s", iface->mac);
        if (iface->outbound_average.set && iface->outbound_average.value > 0 &&
            iface->outbound_average.value <= G_MAXINT64 / 1024)
            g_variant_builder_add(&rates, "{st}", iface->mac,
                                  (guint64)iface->outbound_average.value * 1024);
    }
    g_variant_builder_add(options, "{sv}", "nics", g_variant_builder_end(&names));
    g_variant_builder_add(options, "{sv}", "rates", g_variant_builder_end(&rates));
}

static GVariant *
make_options(const ConfDomain *def)
{
    GVariantBuilder options;
    g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
    add_online(&options, def);
    add_int(&options, "weight", def->cputune.shares);
    add_quota(&options, &def->cputune);
    add_extratime(&options, def);
    add_map(&options, "nodes", def->numatune.nodeset);
    add_map(&options, "emulator", def->cputune.emulatorpin);
    add_disks(&options, def);
    add_nics(&options, def);
    return g_variant_ref_sink(g_variant_builder_end(&options));
}

SimStart *
sim_live_start(const ConfDomain *def, gboolean paused, GError **error)
{
    if (def->name == NULL || !def->uuid_set) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "the domain has no %s",
                    def->name == NULL ? "name" : "uuid");
        return NULL;
    }
    SimStart *start = sim_start_new();
    start->name = g_strdup(def->name);
    memcpy(start->uuid, def->uuid, sizeof(start->uuid));
    start->record = conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);
    start->memory_kib = conf_domain_current_memory(def);
    start->max_memory_kib = MAX(def->memory_kib, start->memory_kib);
    start->vcpus_online = conf_domain_current_vcpus(def);
    start->vcpus_max = MAX(def->vcpus_max, start->vcpus_online);
    start->hvm = def->os.type == CONF_OS_HVM;
    start->paused = paused;
    start->console = def->consoles->len > 0 || def->serials->len > 0;
    start->n_ports = count_ports(def);
    for (guint i = 0; i < MIN(def->disks->len, SIM_MAX_DISKS); i++) {
        const ConfDisk *disk = def->disks->pdata[i];
        g_ptr_array_add(start->disks, g_strdup(disk->target == NULL ? "?" : disk->target));
    }
    add_devices(start, def->disks, CONF_DEVICE_DISK);
    add_devices(start, def->interfaces, CONF_DEVICE_INTERFACE);
    add_devices(start, def->hostdevs, CONF_DEVICE_HOSTDEV);
    add_devices(start, def->controllers, CONF_DEVICE_CONTROLLER);
    add_devices(start, def->channels, CONF_DEVICE_CHANNEL);
    add_pinning(start, def);
    start->options = make_options(def);
    return start;
}

/* ---- host to definition ---- */

static void
set_string(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

static void
set_alias(ConfDevice *dev, const char *kind, guint number)
{
    if (dev->alias == NULL)
        dev->alias = g_strdup_printf("%s%u", kind, number);
}

static gboolean
is_pty(const ConfChardev *chr)
{
    return chr->type == NULL || g_str_equal(chr->type, "pty");
}

static void
set_tty(ConfChardev *chr, const char *tty, gboolean console)
{
    if (!is_pty(chr) || tty[0] == '\0')
        return;
    set_string(&chr->type, "pty");
    set_string(&chr->source_path, tty);
    if (console)
        set_string(&chr->tty, tty);
}

/* The one console of the host is the first <console>, and for HVM also the first <serial>: there
 * a console of target type serial is the serial port under another name, alias and all. */
static void
fill_consoles(ConfDomain *live, const char *tty)
{
    for (guint i = 0; i < live->serials->len; i++) {
        ConfChardev *serial = live->serials->pdata[i];
        set_alias(&serial->dev, "serial", i);
        if (i == 0)
            set_tty(serial, tty, FALSE);
    }
    for (guint i = 0; i < live->consoles->len; i++) {
        ConfChardev *console = live->consoles->pdata[i];
        gboolean serial = g_strcmp0(console->target_type, "serial") == 0;
        set_alias(&console->dev, serial ? "serial" : "console",
                  serial && console->target_port.set ? (guint)console->target_port.value : i);
        if (i == 0)
            set_tty(console, tty, TRUE);
    }
}

static void
fill_interfaces(ConfDomain *live)
{
    for (guint i = 0; i < live->interfaces->len; i++) {
        ConfInterface *iface = live->interfaces->pdata[i];
        if (iface->target == NULL && g_strcmp0(iface->type, "hostdev") != 0)
            iface->target = g_strdup_printf("vif%d.%u", live->id, i);
    }
}

static void
fill_ports(ConfDomain *live, const guint32 *ports, gsize n)
{
    gsize used = 0;
    for (guint i = 0; i < live->graphics->len && used < n; i++) {
        ConfGraphics *graphics = live->graphics->pdata[i];
        if (!wants_port(graphics))
            continue;
        /* So that the inactive form shows no port again. */
        set_string(&graphics->autoport, "yes");
        graphics->port = (ConfOptInt){ true, ports[used++] };
    }
}

ConfDomain *
sim_live_definition(const ConfDomain *def, GVariant *live_facts, int *ret_domid)
{
    const char *tty;
    g_autoptr(GVariant) ports = NULL;
    ConfDomain *live = conf_domain_copy(def);
    g_variant_get(live_facts, "(i&s@au)", &live->id, &tty, &ports);
    gsize n_ports;
    const guint32 *port = g_variant_get_fixed_array(ports, &n_ports, sizeof(guint32));
    fill_consoles(live, tty);
    fill_interfaces(live);
    fill_ports(live, port, n_ports);
    if (ret_domid != NULL)
        *ret_domid = live->id;
    return live;
}

/* A domain that another toolstack made: all there is to know is what the hypervisor knows. */
static ConfDomain *
bare_definition(const char *name, gboolean hvm)
{
    ConfDomain *def = conf_domain_new();
    ConfChardev *console = conf_chardev_new();
    def->name = g_strdup(name);
    def->os.type = hvm ? CONF_OS_HVM : CONF_OS_LINUX;
    console->type = g_strdup("pty");
    console->target_type = g_strdup("xen");
    console->target_port = (ConfOptInt){ true, 0 };
    g_ptr_array_add(def->consoles, console);
    return def;
}

ConfDomain *
sim_live_adopt(GVariant *facts, GError **error)
{
    const char *record, *name;
    g_autoptr(GVariant) live = NULL;
    guint64 high, low, memory, max_memory;
    guint32 vcpus, vcpus_max;
    gboolean hvm;
    g_variant_get(facts, "(&s&stt@" SIM_LIVE_TYPE "ttuub)", &record, &name, &high, &low, &live,
                  &memory, &max_memory, &vcpus, &vcpus_max, &hvm);
    g_autoptr(ConfDomain) def = record[0] == '\0'
                                    ? bare_definition(name, hvm)
                                    : conf_domain_parse_xml(record, -1, name, 0, error);
    if (def == NULL)
        return NULL;
    sim_uuid_from_words(high, low, def->uuid);
    def->uuid_set = true;
    /* Only what differs by now: a definition does not grow by being found again. */
    def->memory_kib = max_memory;
    if (conf_domain_current_memory(def) != memory)
        def->cur_memory_kib = memory;
    def->vcpus_max = vcpus_max;
    if (conf_domain_current_vcpus(def) != vcpus)
        def->vcpus = vcpus;
    if (record[0] == '\0')
        conf_domain_fill_defaults(def);
    return sim_live_definition(def, live, NULL);
}
