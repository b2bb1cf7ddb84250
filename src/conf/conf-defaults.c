/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the stock Xen driver adds to a definition at define time. Each function leaves alone what
 * is there, so doing it twice changes nothing. */
#include "conf-private.h"

#include <string.h>

#define KIB_PER_MIB 1024

static void
default_string(char **field, const char *value)
{
    if (!*field)
        *field = g_strdup(value);
}

static void
default_optional(ConfOptInt *field, int64_t value)
{
    if (!field->set)
        *field = (ConfOptInt){ .set = true, .value = value };
}

static bool
is_hvm(const ConfDomain *def)
{
    return def->os.type == CONF_OS_HVM;
}

static uint64_t
round_to_mib(uint64_t kib)
{
    return kib > UINT64_MAX - KIB_PER_MIB ? kib
                                          : (kib + KIB_PER_MIB - 1) / KIB_PER_MIB * KIB_PER_MIB;
}

static void
fill_resources(ConfDomain *def)
{
    def->memory_kib = round_to_mib(def->memory_kib);
    def->cur_memory_kib = round_to_mib(conf_domain_current_memory(def));
    def->vcpus_max = MAX(def->vcpus_max, 1);
    def->vcpus = MIN(def->vcpus, def->vcpus_max);
    /* libvirt says current= only where it differs. */
    if (def->vcpus == def->vcpus_max)
        def->vcpus = 0;
    default_string(&def->vcpu_placement, "static");
}

static bool
has_boot_order(const ConfDomain *def)
{
    for (guint i = 0; i < def->disks->len; i++)
        if (((ConfDisk *)def->disks->pdata[i])->dev.boot_order.set)
            return true;
    for (guint i = 0; i < def->interfaces->len; i++)
        if (((ConfInterface *)def->interfaces->pdata[i])->dev.boot_order.set)
            return true;
    for (guint i = 0; i < def->hostdevs->len; i++)
        if (((ConfHostdev *)def->hostdevs->pdata[i])->dev.boot_order.set)
            return true;
    return false;
}

static void
fill_boot(ConfDomain *def)
{
    ConfBoot *boot;

    if (!is_hvm(def) || def->os.boot->len > 0 || has_boot_order(def))
        return;
    boot = conf_boot_new();
    boot->dev = CONF_BOOT_HD;
    g_ptr_array_add(def->os.boot, boot);
}

static void
fill_os(ConfDomain *def)
{
    static const char *const machines[] = {
        [CONF_OS_LINUX] = "xenpv",
        [CONF_OS_HVM] = "xenfv",
        [CONF_OS_XENPVH] = "xenpvh",
        [CONF_OS_EXE] = NULL,
    };

    if (!def->os.type)
        def->os.type = CONF_OS_LINUX;
    if (!def->os.arch)
#if defined(__aarch64__)
        def->os.arch = CONF_ARCH_AARCH64;
#elif defined(__arm__)
        def->os.arch = CONF_ARCH_ARMV7L;
#else
        def->os.arch = CONF_ARCH_X86_64;
#endif
    default_string(&def->os.machine, machines[def->os.type]);
    /* A 64-bit guest can't do without. */
    if (is_hvm(def) && def->os.arch == CONF_ARCH_X86_64)
        def->features.pae = true;
    fill_boot(def);
}

static void
fill_actions(ConfDomain *def)
{
    default_string(&def->clock.offset, "utc");
    if (!def->on_poweroff)
        def->on_poweroff = CONF_ACTION_DESTROY;
    if (!def->on_reboot)
        def->on_reboot = CONF_ACTION_RESTART;
    if (!def->on_crash)
        def->on_crash = CONF_ACTION_DESTROY;
}

/* ---- devices ---- */

/* What a disk's name says about its bus. */
static const char *
bus_of_target(const char *target)
{
    static const struct {
        const char *prefix;
        const char *bus;
    } buses[] = {
        { "xvd", "xen" }, { "hd", "ide" }, { "sd", "scsi" }, { "vd", "virtio" }, { "fd", "fdc" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(buses); i++)
        if (g_str_has_prefix(target, buses[i].prefix))
            return buses[i].bus;
    return "xen";
}

static void
fill_disk(ConfDisk *disk)
{
    if (!disk->type)
        disk->type = CONF_DISK_TYPE_FILE;
    if (!disk->device)
        disk->device = CONF_DISK_DEVICE_DISK;
    if (disk->type == CONF_DISK_TYPE_NETWORK)
        default_string(&disk->driver_name, "qemu");
    default_string(&disk->driver_type, "raw");
    if (disk->target)
        default_string(&disk->target_bus, bus_of_target(disk->target));
    if (disk->device == CONF_DISK_DEVICE_CDROM)
        disk->readonly = true;
}

static char *
controller_key(const char *type, int64_t index)
{
    return g_strdup_printf("%s %" G_GINT64_FORMAT, type ? type : "", index);
}

static bool
has_controller(const ConfDomain *def, const char *type)
{
    for (guint i = 0; i < def->controllers->len; i++)
        if (g_strcmp0(((ConfController *)def->controllers->pdata[i])->type, type) == 0)
            return true;
    return false;
}

/* The lowest index of its type that is free, for each that has none. */
static void
number_controllers(GPtrArray *controllers)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) next = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < controllers->len; i++) {
        const ConfController *controller = controllers->pdata[i];

        if (controller->index.set)
            g_hash_table_add(used, controller_key(controller->type, controller->index.value));
    }
    for (guint i = 0; i < controllers->len; i++) {
        ConfController *controller = controllers->pdata[i];
        const char *type = controller->type ? controller->type : "";
        unsigned index = GPOINTER_TO_UINT(g_hash_table_lookup(next, type));

        while (!controller->index.set) {
            if (g_hash_table_add(used, controller_key(type, index)))
                default_optional(&controller->index, index);
            index++;
        }
        g_hash_table_replace(next, (char *)type, GUINT_TO_POINTER(index));
    }
}

static void
fill_controllers(ConfDomain *def)
{
    if (!has_controller(def, "xenbus")) {
        ConfController *xenbus = conf_controller_new();

        xenbus->type = g_strdup("xenbus");
        g_ptr_array_add(def->controllers, xenbus);
    }
    number_controllers(def->controllers);
}

static bool
mac_is_taken(const ConfDomain *def, const char *mac)
{
    for (guint i = 0; i < def->interfaces->len; i++)
        if (g_strcmp0(((ConfInterface *)def->interfaces->pdata[i])->mac, mac) == 0)
            return true;
    return false;
}

static void
fill_interfaces(ConfDomain *def)
{
    unsigned next = 0;

    for (guint i = 0; i < def->interfaces->len; i++) {
        ConfInterface *iface = def->interfaces->pdata[i];

        for (next = MAX(next, i); !iface->mac; next++) {
            g_autofree char *mac = conf_mac_derive(def, next);

            if (!mac_is_taken(def, mac))
                iface->mac = g_steal_pointer(&mac);
        }
    }
}

/* One more than the highest before it, as libvirt counts. */
static void
number_ports(GPtrArray *chardevs)
{
    int64_t next = 0;

    for (guint i = 0; i < chardevs->len; i++) {
        ConfOptInt *port = &((ConfChardev *)chardevs->pdata[i])->target_port;

        default_optional(port, next);
        next = MAX(next, MIN(port->value, INT_MAX) + 1);
    }
}

/* The same character device seen from the other list. */
static ConfChardev *
mirror(const ConfChardev *chr, const char *target_type)
{
    g_autoptr(ConfDomain) carrier = conf_domain_new();
    g_autoptr(ConfDomain) copy = NULL;
    ConfChardev *mirrored;

    g_ptr_array_add(carrier->serials, (ConfChardev *)chr);
    copy = conf_domain_copy(carrier);
    g_ptr_array_steal_index(carrier->serials, 0);
    mirrored = g_ptr_array_steal_index(copy->serials, 0);
    g_clear_pointer(&mirrored->target_type, g_free);
    g_clear_pointer(&mirrored->target_extra, g_free);
    mirrored->target_type = g_strdup(target_type);
    return mirrored;
}

/* An HVM guest has no console of Xen's own: its first one and its first serial are one thing. */
static void
fill_hvm_console(ConfDomain *def)
{
    ConfChardev *console = def->consoles->len ? def->consoles->pdata[0] : NULL;

    if (console && console->target_type && strcmp(console->target_type, "serial") != 0)
        return;
    if (console && !def->serials->len)
        g_ptr_array_add(def->serials, mirror(console, NULL));
    number_ports(def->serials);
    if (!def->serials->len)
        return;
    if (console)
        g_ptr_array_remove_index(def->consoles, 0);
    g_ptr_array_insert(def->consoles, 0, mirror(def->serials->pdata[0], "serial"));
}

static void
fill_consoles(ConfDomain *def)
{
    if (is_hvm(def)) {
        fill_hvm_console(def);
    } else if (!def->consoles->len) {
        ConfChardev *console = conf_chardev_new();

        console->type = g_strdup("pty");
        g_ptr_array_add(def->consoles, console);
    }
    for (guint i = 0; i < def->consoles->len; i++) {
        ConfChardev *console = def->consoles->pdata[i];

        default_string(&console->type, "pty");
        default_string(&console->target_type, is_hvm(def) ? "serial" : "xen");
    }
    number_ports(def->consoles);
    number_ports(def->parallels);
}

static void
add_input(ConfDomain *def, const char *type, const char *bus)
{
    ConfInput *input;

    for (guint i = 0; i < def->inputs->len; i++) {
        input = def->inputs->pdata[i];
        if (g_strcmp0(input->type, type) == 0 && g_strcmp0(input->bus, bus) == 0)
            return;
    }
    input = conf_input_new();
    input->type = g_strdup(type);
    input->bus = g_strdup(bus);
    g_ptr_array_add(def->inputs, input);
}

static void
fill_inputs(ConfDomain *def)
{
    const char *bus = is_hvm(def) ? "ps2" : "xen";

    for (guint i = 0; i < def->inputs->len; i++) {
        ConfInput *input = def->inputs->pdata[i];
        bool tablet = g_strcmp0(input->type, "tablet") == 0;

        default_string(&input->bus, is_hvm(def) && tablet ? "usb" : bus);
    }
    if (!def->graphics->len)
        return;
    add_input(def, "mouse", bus);
    add_input(def, "keyboard", bus);
}

static ConfListen *
first_listen(const ConfGraphics *graphics)
{
    return graphics->listens->len ? graphics->listens->pdata[0] : NULL;
}

/* listen= and socket= say the same as the first <listen>: libvirt writes both. */
static void
fill_listen(ConfGraphics *graphics)
{
    ConfListen *listen = first_listen(graphics);

    if (!listen) {
        listen = conf_listen_new();
        listen->type = g_strdup(graphics->socket ? "socket" : "address");
        listen->socket = g_strdup(graphics->socket);
        listen->address = g_strdup(graphics->socket ? NULL : graphics->listen);
        g_ptr_array_add(graphics->listens, listen);
    }
    if (g_strcmp0(listen->type, "address") == 0 && listen->address)
        default_string(&graphics->listen, listen->address);
    if (g_strcmp0(listen->type, "socket") == 0 && listen->socket)
        default_string(&graphics->socket, listen->socket);
}

static void
fill_graphics(ConfGraphics *graphics)
{
    bool vnc = g_strcmp0(graphics->type, "vnc") == 0;
    bool fixed = graphics->port.set && graphics->port.value > 0;

    if (!vnc && g_strcmp0(graphics->type, "spice") != 0)
        return;
    fill_listen(graphics);
    if (graphics->socket || g_strcmp0(first_listen(graphics)->type, "none") == 0)
        return;
    if (graphics->port.set && graphics->port.value == -1) {
        g_free(graphics->autoport);
        graphics->autoport = g_strdup("yes");
    }
    /* A TLS port alone is a fixed port too. */
    fixed |= !vnc && graphics->tls_port.set && graphics->tls_port.value > 0;
    default_string(&graphics->autoport, fixed ? "no" : "yes");
}

/* Video memory in KiB that libvirt gives a card whose user said nothing. */
static int64_t
default_vram(const char *model)
{
    static const struct {
        const char *model;
        int64_t kib;
    } cards[] = {
        { "xen", 4096 },    { "cirrus", 16384 }, { "vga", 16384 },
        { "vmvga", 16384 }, { "qxl", 65536 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cards); i++)
        if (g_strcmp0(model, cards[i].model) == 0)
            return cards[i].kib;
    return 0;
}

static void
fill_videos(ConfDomain *def)
{
    bool has_primary = false;

    if (def->graphics->len && !def->videos->len)
        g_ptr_array_add(def->videos, conf_video_new());
    for (guint i = 0; i < def->videos->len; i++)
        has_primary |= ((ConfVideo *)def->videos->pdata[i])->primary != NULL;
    for (guint i = 0; i < def->videos->len; i++) {
        ConfVideo *video = def->videos->pdata[i];

        default_string(&video->model_type, is_hvm(def) ? "cirrus" : "xen");
        if (strcmp(video->model_type, "none") == 0)
            continue;
        if (default_vram(video->model_type))
            default_optional(&video->vram_kib, default_vram(video->model_type));
        default_optional(&video->heads, 1);
        if (i == 0 && !has_primary)
            video->primary = g_strdup("yes");
    }
}

static void
fill_hostdev(ConfHostdev *hostdev)
{
    if (g_strcmp0(hostdev->mode, "capabilities") == 0)
        return;
    default_string(&hostdev->mode, "subsystem");
    default_string(&hostdev->managed, "no");
    if (g_strcmp0(hostdev->type, "pci") == 0)
        default_string(&hostdev->driver_name, "xen");
}

static void
fill_memballoon(ConfDomain *def)
{
    if (def->memballoon)
        return;
    def->memballoon = conf_memballoon_new();
    def->memballoon->model = g_strdup("xen");
}

void
conf_domain_fill_defaults(ConfDomain *def)
{
    /* Everything that is derived from the domain's identity comes after it. */
    if (!def->uuid_set) {
        conf_uuid_generate(def->uuid);
        def->uuid_set = true;
    }
    if (def->genid && !*def->genid) { /* <genid/> asks for one */
        g_free(def->genid);
        def->genid = g_uuid_string_random();
    }
    fill_resources(def);
    fill_os(def);
    fill_actions(def);
    for (guint i = 0; i < def->disks->len; i++)
        fill_disk(def->disks->pdata[i]);
    fill_controllers(def);
    fill_interfaces(def);
    fill_consoles(def);
    fill_inputs(def);
    for (guint i = 0; i < def->graphics->len; i++)
        fill_graphics(def->graphics->pdata[i]);
    fill_videos(def);
    for (guint i = 0; i < def->hostdevs->len; i++)
        fill_hostdev(def->hostdevs->pdata[i]);
    fill_memballoon(def);
}
