/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows. What a path means and what the order is for: conf-schema.h. */
#include "conf-schema.h"

#include <string.h>

/* THIS is the struct that a table is about; a row takes its kind from the field itself. */
#define ROW(row_path, field, ...)                                                                  \
    {                                                                                              \
        .path = row_path, .kind = CONF_KIND(((THIS *)NULL)->field),                                \
        .offset = offsetof(THIS, field), .size = sizeof(((THIS *)NULL)->field), __VA_ARGS__        \
    }
#define SUB(row_path, field, short_name, ...)                                                      \
    ROW(row_path, field, .schema = &conf_schema_##short_name, __VA_ARGS__)
#define ENUM(row_path, field, table, ...) ROW(row_path, field, .names = table##_names, __VA_ARGS__)
#define PLACE(row_path)                                                                            \
    {                                                                                              \
        .path = row_path                                                                           \
    }
#define CONSTANT(row_path, value)                                                                  \
    {                                                                                              \
        .path = row_path, .kind = CONF_FIELD_CONSTANT, .constant = value                           \
    }
#define SCHEMA(short_name, element, ...)                                                           \
    G_STATIC_ASSERT(G_N_ELEMENTS(short_name##_rows) <= CONF_MAX_ROWS);                             \
    const ConfSchema conf_schema_##short_name = { .name = element,                                 \
                                                  .size = sizeof(THIS),                            \
                                                  .rows = short_name##_rows,                       \
                                                  .n_rows = G_N_ELEMENTS(short_name##_rows),       \
                                                  .free = conf_schema_free_##short_name,           \
                                                  __VA_ARGS__ }

/* What ends every device: libvirt writes them in this order. */
#define DEVICE_ROWS                                                                                \
    ROW("boot@order", dev.boot_order), ROW("alias@name", dev.alias, .live = alias_is_live),        \
        PLACE("rom"), PLACE("acpi"), SUB("address", dev.address, address), ROW("#rest", dev.extra)

/* ---- words ---- */

static const ConfName on_off_names[] = {
    { "on", CONF_TRISTATE_ON },
    { "off", CONF_TRISTATE_OFF },
    { NULL },
};
static const ConfName yes_no_names[] = {
    { "yes", CONF_TRISTATE_ON },
    { "no", CONF_TRISTATE_OFF },
    { NULL },
};
/* libvirt once called a paravirtual guest's type "xen" in capabilities and "linux" in domXML;
 * both are read, "linux" is written. */
static const ConfName os_type_names[] = {
    { "linux", CONF_OS_LINUX },   { "xen", CONF_OS_LINUX }, { "hvm", CONF_OS_HVM },
    { "xenpvh", CONF_OS_XENPVH }, { "exe", CONF_OS_EXE },   { NULL },
};
static const ConfName arch_names[] = {
    { "x86_64", CONF_ARCH_X86_64 },
    { "i686", CONF_ARCH_I686 },
    { "aarch64", CONF_ARCH_AARCH64 },
    { "armv7l", CONF_ARCH_ARMV7L },
    { NULL },
};
static const ConfName boot_dev_names[] = {
    { "fd", CONF_BOOT_FD },
    { "hd", CONF_BOOT_HD },
    { "cdrom", CONF_BOOT_CDROM },
    { "network", CONF_BOOT_NETWORK },
    { NULL },
};
const ConfName conf_action_names[] = {
    { "destroy", CONF_ACTION_DESTROY },
    { "restart", CONF_ACTION_RESTART },
    { "rename-restart", CONF_ACTION_RENAME_RESTART },
    { "preserve", CONF_ACTION_PRESERVE },
    { "coredump-destroy", CONF_ACTION_COREDUMP_DESTROY },
    { "coredump-restart", CONF_ACTION_COREDUMP_RESTART },
    { NULL },
};
static const ConfName disk_type_names[] = {
    { "file", CONF_DISK_TYPE_FILE },
    { "block", CONF_DISK_TYPE_BLOCK },
    { "network", CONF_DISK_TYPE_NETWORK },
    { "volume", CONF_DISK_TYPE_VOLUME },
    { "dir", CONF_DISK_TYPE_DIR },
    { "nvme", CONF_DISK_TYPE_NVME },
    { "vhostuser", CONF_DISK_TYPE_VHOSTUSER },
    { NULL },
};
static const ConfName disk_device_names[] = {
    { "disk", CONF_DISK_DEVICE_DISK },
    { "cdrom", CONF_DISK_DEVICE_CDROM },
    { "floppy", CONF_DISK_DEVICE_FLOPPY },
    { "lun", CONF_DISK_DEVICE_LUN },
    { NULL },
};

const ConfName conf_snapshot_place_names[] = {
    { "no", CONF_SNAPSHOT_NO },
    { "internal", CONF_SNAPSHOT_INTERNAL },
    { "external", CONF_SNAPSHOT_EXTERNAL },
    { "manual", CONF_SNAPSHOT_MANUAL },
    { NULL },
};
const ConfName conf_snapshot_state_names[] = {
    { "running", CONF_SNAPSHOT_STATE_RUNNING },    { "blocked", CONF_SNAPSHOT_STATE_BLOCKED },
    { "paused", CONF_SNAPSHOT_STATE_PAUSED },      { "shutdown", CONF_SNAPSHOT_STATE_SHUTDOWN },
    { "shutoff", CONF_SNAPSHOT_STATE_SHUTOFF },    { "crashed", CONF_SNAPSHOT_STATE_CRASHED },
    { "disk-snapshot", CONF_SNAPSHOT_STATE_DISK }, { NULL },
};

/* ---- conditions ---- */

static bool
always(const void *owner)
{
    return true;
}

static bool
alias_is_live(const void *owner)
{
    const ConfDevice *dev = owner;

    return dev->alias && !g_str_has_prefix(dev->alias, "ua-");
}

/* vifN.M is what the toolstack called the interface, not what the user asked for. */
static bool
vif_name_is_live(const void *owner)
{
    const ConfInterface *iface = owner;

    return iface->target &&
           (g_str_has_prefix(iface->target, "vif") || g_str_has_prefix(iface->target, "vnet"));
}

/* The bus and slot of PCI are hexadecimal, those of drives and USB decimal. */
static bool
address_is_pci(const void *owner)
{
    const ConfAddress *address = owner;

    return !address->type || strcmp(address->type, "pci") == 0;
}

static bool
address_is_not_pci(const void *owner)
{
    return !address_is_pci(owner);
}

/* The path of a pseudo terminal is made when the domain starts. */
static bool
chardev_is_pty(const void *owner)
{
    return g_strcmp0(((const ConfChardev *)owner)->type, "pty") == 0;
}

static bool
disk_is_file(const void *owner)
{
    const ConfDisk *disk = owner;

    return disk->type == CONF_DISK_TYPE_FILE || disk->type == CONF_DISK_TYPE_ABSENT;
}

static bool
disk_is_block(const void *owner)
{
    return ((const ConfDisk *)owner)->type == CONF_DISK_TYPE_BLOCK;
}

static bool
snapshot_disk_is_block(const void *owner)
{
    return ((const ConfSnapshotDisk *)owner)->type == CONF_DISK_TYPE_BLOCK;
}

static bool
snapshot_disk_is_file(const void *owner)
{
    return !snapshot_disk_is_block(owner);
}

static bool
disk_is_dir(const void *owner)
{
    return ((const ConfDisk *)owner)->type == CONF_DISK_TYPE_DIR;
}

static bool
hostdev_is_pci(const void *owner)
{
    return g_strcmp0(((const ConfHostdev *)owner)->type, "pci") == 0;
}

static bool
hostdev_is_usb(const void *owner)
{
    return g_strcmp0(((const ConfHostdev *)owner)->type, "usb") == 0;
}

static bool
seclabel_is_dynamic(const void *owner)
{
    const ConfSeclabel *label = owner;

    return !label->type || strcmp(label->type, "dynamic") == 0;
}

static bool
graphics_is_autoport(const void *owner)
{
    return g_strcmp0(((const ConfGraphics *)owner)->autoport, "yes") == 0;
}

/* ---- hooks ---- */

static char *
parse_mac(const char *text, GError **error)
{
    char *mac = conf_mac_canonical(text);

    if (!mac)
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "unable to parse mac address '%.64s'",
                    text);
    return mac;
}

/* An autoport's number belongs to the running domain; libvirt writes -1 in its place for VNC. */
static char *
format_graphics_port(const void *owner, unsigned flags)
{
    const ConfGraphics *graphics = owner;
    bool automatic = graphics_is_autoport(owner);
    bool known = graphics->port.set && graphics->port.value >= 0;

    if (known && !(automatic && (flags & CONF_XML_INACTIVE)))
        return g_strdup_printf("%" G_GINT64_FORMAT, graphics->port.value);
    return (automatic || graphics->port.set) && g_strcmp0(graphics->type, "vnc") == 0
               ? g_strdup("-1")
               : NULL;
}

/* UDP has two: where it sends to, and where it listens. */
static const char *
chardev_branch(const void *owner, const char *name, const char *mode)
{
    const ConfChardev *chr = owner;

    if (strcmp(name, "source") == 0 && g_strcmp0(chr->type, "udp") == 0 &&
        g_strcmp0(mode, "bind") == 0)
        return "source.bind";
    return NULL;
}

/* ---- parts ---- */

#define THIS ConfAddress
static const ConfRow address_rows[] = {
    ROW("@type", type),
    ROW("@domain", domain, .hex = 4),
    ROW("@controller", controller),
    ROW("@bus", bus, .hex = 2, .when = address_is_pci),
    ROW("@bus", bus, .when = address_is_not_pci),
    ROW("@target", target),
    ROW("@slot", slot, .hex = 2, .when = address_is_pci),
    ROW("@slot", slot, .when = address_is_not_pci),
    ROW("@function", function, .hex = 1),
    ROW("@multifunction", multifunction),
    ROW("@unit", unit),
    ROW("@port", port),
    ROW("#rest", extra),
};
SCHEMA(address, "address");
#undef THIS

#define THIS ConfVcpu
static const ConfRow vcpu_rows[] = {
    ROW("@id", id, .flags = CONF_ROW_REQUIRED),
    ENUM("@enabled", enabled, yes_no),
    ENUM("@hotpluggable", hotpluggable, yes_no),
    ROW("@order", order),
    ROW("#rest", extra),
};
SCHEMA(vcpu, "vcpu");
#undef THIS

#define THIS ConfVcpuPin
static const ConfRow vcpu_pin_rows[] = {
    ROW("@vcpu", vcpu, .flags = CONF_ROW_REQUIRED),
    ROW("@cpuset", cpuset),
    ROW("#rest", extra),
};
SCHEMA(vcpu_pin, "vcpupin");
#undef THIS

#define THIS ConfCpuTune
static const ConfRow cpu_tune_rows[] = {
    ROW("shares", shares),
    ROW("period", period),
    ROW("quota", quota),
    ROW("global_period", global_period),
    ROW("global_quota", global_quota),
    ROW("emulator_period", emulator_period),
    ROW("emulator_quota", emulator_quota),
    PLACE("iothread_period"),
    PLACE("iothread_quota"),
    SUB("vcpupin", vcpupin, vcpu_pin),
    ROW("emulatorpin@cpuset", emulatorpin),
    ROW("#rest", extra),
};
SCHEMA(cpu_tune, "cputune");
#undef THIS

#define THIS ConfNumaMemnode
static const ConfRow numa_memnode_rows[] = {
    ROW("@cellid", cellid, .flags = CONF_ROW_REQUIRED),
    ROW("@mode", mode),
    ROW("@nodeset", nodeset),
    ROW("#rest", extra),
};
SCHEMA(numa_memnode, "memnode");
#undef THIS

#define THIS ConfNumaTune
static const ConfRow numa_tune_rows[] = {
    ROW("memory@mode", mode),
    ROW("memory@nodeset", nodeset),
    ROW("memory@placement", placement),
    SUB("memnode", memnodes, numa_memnode),
    ROW("#rest", extra),
};
SCHEMA(numa_tune, "numatune");
#undef THIS

#define THIS ConfCpuFeature
static const ConfRow cpu_feature_rows[] = {
    ROW("@policy", policy),
    ROW("@name", name, .flags = CONF_ROW_REQUIRED),
    ROW("#rest", extra),
};
SCHEMA(cpu_feature, "feature");
#undef THIS

#define THIS ConfNumaDistance
static const ConfRow numa_distance_rows[] = {
    ROW("@id", id, .flags = CONF_ROW_REQUIRED),
    ROW("@value", value, .flags = CONF_ROW_REQUIRED),
};
SCHEMA(numa_distance, "sibling");
#undef THIS

#define THIS ConfNumaCell
static const ConfRow numa_cell_rows[] = {
    ROW("@id", id),
    ROW("@cpus", cpus),
    ROW("@memory", memory_kib),
    SUB("distances/sibling", distances, numa_distance),
    ROW("#rest", extra),
};
SCHEMA(numa_cell, "cell");
#undef THIS

#define THIS ConfCpu
static const ConfRow cpu_rows[] = {
    ROW("@mode", mode),
    ROW("@match", match),
    ROW("@check", check),
    ROW("@migratable", migratable),
    ROW("model@fallback", model_fallback),
    ROW("model", model),
    ROW("vendor", vendor),
    ROW("topology@sockets", sockets),
    ROW("topology@dies", dies),
    ROW("topology@cores", cores),
    ROW("topology@threads", threads),
    PLACE("cache"),
    PLACE("maxphysaddr"),
    SUB("feature", features, cpu_feature),
    SUB("numa/cell", numa, numa_cell),
    ROW("#rest", extra),
};
SCHEMA(cpu, "cpu");
#undef THIS

#define THIS ConfAcpiTable
static const ConfRow acpi_table_rows[] = {
    ROW("@type", type),
    ROW("", path),
};
SCHEMA(acpi_table, "table");
#undef THIS

#define THIS ConfBoot
static const ConfRow boot_rows[] = {
    ENUM("@dev", dev, boot_dev, .flags = CONF_ROW_REQUIRED, .wrong = "unknown boot device"),
};
SCHEMA(boot, "boot");
#undef THIS

#define THIS ConfOs
static const ConfRow os_rows[] = {
    ROW("@firmware", firmware),
    ENUM("type@arch", arch, arch, .wrong = "unknown architecture"),
    ROW("type@machine", machine),
    ENUM("type", type, os_type, .wrong = "unknown OS type"),
    PLACE("firmware"),
    ROW("init", init),
    PLACE("initarg"),
    PLACE("initenv"),
    PLACE("initdir"),
    PLACE("inituser"),
    PLACE("initgroup"),
    ROW("loader@readonly", loader_readonly),
    ROW("loader@secure", loader_secure),
    ROW("loader@type", loader_type),
    PLACE("loader@stateless"),
    ROW("loader@format", loader_format),
    ROW("loader", loader),
    ROW("nvram@template", nvram_template),
    ROW("nvram", nvram),
    ROW("kernel", kernel),
    ROW("initrd", initrd),
    ROW("cmdline", cmdline),
    ROW("dtb", dtb),
    SUB("acpi/table", acpi_tables, acpi_table),
    SUB("boot", boot, boot),
    ENUM("bootmenu@enable", bootmenu, yes_no),
    ROW("bootmenu@timeout", bootmenu_timeout),
    ROW("bios@useserial", bios_useserial),
    ROW("bios@rebootTimeout", bios_reboot_timeout),
    ROW("smbios@mode", smbios_mode),
    ROW("#rest", extra),
};
SCHEMA(os, "os");
#undef THIS

#define THIS ConfHypervFeature
static const ConfRow hyperv_feature_rows[] = {
    ROW("#name", name),
    ENUM("@state", state, on_off),
    ROW("#rest", extra),
};
SCHEMA(hyperv_feature, "hyperv");
#undef THIS

#define THIS ConfFeatures
static const ConfRow features_rows[] = {
    ROW("acpi", acpi),
    ROW("apic", apic),
    ROW("apic@eoi", apic_eoi),
    ROW("pae", pae),
    ROW("hap", hap_present),
    ENUM("hap@state", hap, on_off),
    ROW("viridian", viridian),
    ROW("privnet", privnet),
    ROW("hyperv@mode", hyperv_mode),
    SUB("hyperv/+", hyperv, hyperv_feature),
    PLACE("kvm"),
    PLACE("pvspinlock"),
    PLACE("capabilities"),
    ENUM("pmu@state", pmu, on_off, .flags = CONF_ROW_BARE),
    ENUM("vmport@state", vmport, on_off, .flags = CONF_ROW_BARE),
    ROW("gic@version", gic_version),
    ENUM("smm@state", smm, on_off, .flags = CONF_ROW_BARE),
    PLACE("ioapic"),
    PLACE("hpt"),
    ENUM("vmcoreinfo@state", vmcoreinfo, on_off, .flags = CONF_ROW_BARE),
    ENUM("htm@state", htm, on_off, .flags = CONF_ROW_BARE),
    PLACE("nested-hv"),
    ROW("msrs@unknown", msrs_unknown),
    PLACE("ccf-assist"),
    ENUM("xen/e820_host@state", xen_e820_host, on_off, .flags = CONF_ROW_BARE),
    ENUM("xen/passthrough@state", xen_passthrough, on_off, .flags = CONF_ROW_BARE),
    ROW("xen/passthrough@mode", xen_passthrough_mode),
    ROW("xen#rest", xen_extra),
    ROW("#rest", extra),
};
SCHEMA(features, "features");
#undef THIS

#define THIS ConfTimer
static const ConfRow timer_rows[] = {
    ROW("@name", name, .flags = CONF_ROW_REQUIRED),
    ENUM("@present", present, yes_no),
    ROW("@tickpolicy", tickpolicy),
    ROW("@track", track),
    ROW("@frequency", frequency),
    ROW("@mode", mode),
    ROW("#rest", extra),
};
SCHEMA(timer, "timer");
#undef THIS

#define THIS ConfClock
static const ConfRow clock_rows[] = {
    ROW("@offset", offset),     ROW("@adjustment", adjustment), ROW("@basis", basis),
    ROW("@timezone", timezone), ROW("@start", start),           SUB("timer", timers, timer),
    ROW("#rest", extra),
};
SCHEMA(clock, "clock");
#undef THIS

#define THIS ConfSeclabel
static const ConfRow seclabel_rows[] = {
    ROW("@type", type),
    ROW("@model", model),
    ROW("@relabel", relabel),
    ROW("label", label, .live = seclabel_is_dynamic),
    ROW("imagelabel", imagelabel, .live = seclabel_is_dynamic),
    ROW("baselabel", baselabel),
    ROW("#rest", extra),
};
SCHEMA(seclabel, "seclabel");
#undef THIS

/* ---- devices ---- */

#define THIS ConfDiskHost
static const ConfRow disk_host_rows[] = {
    ROW("@name", name),
    ROW("@port", port),
    ROW("@transport", transport),
    ROW("@socket", socket),
};
SCHEMA(disk_host, "host");
#undef THIS

#define THIS ConfDisk
static const ConfRow disk_rows[] = {
    ENUM("@type", type, disk_type, .absent = CONF_DISK_TYPE_FILE, .wrong = "unknown disk type"),
    ENUM("@device", device, disk_device, .absent = CONF_DISK_DEVICE_DISK,
         .wrong = "unknown disk device"),
    ENUM("@snapshot", snapshot, conf_snapshot_place,
         .wrong = "Invalid value for attribute 'snapshot' in element 'disk':"),
    ROW("driver@name", driver_name),
    ROW("driver@type", driver_type),
    ROW("driver@cache", driver_cache),
    ROW("driver@error_policy", driver_error_policy),
    ROW("driver@io", driver_io),
    ROW("driver@discard", driver_discard),
    ROW("driver#rest", driver_extra),
    PLACE("auth"),
    /* One field, three spellings: the type says which one is written, any of them is read. */
    ROW("source@file", source, .flags = CONF_ROW_ALIAS, .when = disk_is_file),
    ROW("source@dev", source, .flags = CONF_ROW_ALIAS, .when = disk_is_block),
    ROW("source@dir", source, .flags = CONF_ROW_ALIAS, .when = disk_is_dir),
    ROW("source@protocol", source_protocol),
    ROW("source@name", source_name),
    ROW("source@pool", source_pool),
    ROW("source@volume", source_volume),
    ROW("source@startupPolicy", source_startup_policy),
    SUB("source/host", source_hosts, disk_host),
    ROW("source/snapshot@name", source_snapshot),
    ROW("source/config@file", source_config),
    ROW("source#rest", source_extra),
    PLACE("backingStore"),
    ROW("backenddomain@name", backenddomain),
    PLACE("geometry"),
    PLACE("blockio"),
    PLACE("mirror"),
    ROW("target@dev", target),
    ROW("target@bus", target_bus),
    ROW("target@tray", target_tray),
    ROW("iotune#rest", iotune_extra),
    ROW("readonly", readonly),
    ROW("shareable", shareable),
    ROW("transient", transient),
    ROW("serial", serial),
    ROW("wwn", wwn),
    PLACE("vendor"),
    PLACE("product"),
    PLACE("encryption"),
    DEVICE_ROWS,
};
SCHEMA(disk, "disk");
#undef THIS

#define THIS ConfIp
static const ConfRow ip_rows[] = {
    ROW("@address", address),
    ROW("@family", family),
    ROW("@prefix", prefix),
    ROW("@peer", peer),
};
SCHEMA(ip, "ip");
#undef THIS

#define THIS ConfVlanTag
static const ConfRow vlan_tag_rows[] = {
    ROW("@id", id, .flags = CONF_ROW_REQUIRED),
    ROW("@nativeMode", native_mode),
};
SCHEMA(vlan_tag, "tag");
#undef THIS

#define THIS ConfInterface
static const ConfRow interface_rows[] = {
    ROW("@type", type, .flags = CONF_ROW_REQUIRED),
    PLACE("@managed"),
    ROW("mac@address", mac, .parse = parse_mac),
    ROW("source@network", source_network),
    ROW("source@portgroup", source_portgroup),
    ROW("source@bridge", source_bridge),
    ROW("source@dev", source_dev),
    ROW("source@mode", source_mode),
    SUB("source/address", source_address, address),
    ROW("source#rest", source_extra),
    ENUM("vlan@trunk", vlan_trunk, yes_no),
    SUB("vlan/tag", vlan, vlan_tag),
    ROW("virtualport@type", virtualport_type),
    ROW("virtualport#rest", virtualport_extra),
    ROW("bandwidth/inbound@average", inbound_average),
    ROW("bandwidth/inbound@peak", inbound_peak),
    ROW("bandwidth/inbound@burst", inbound_burst),
    ROW("bandwidth/outbound@average", outbound_average),
    ROW("bandwidth/outbound@peak", outbound_peak),
    ROW("bandwidth/outbound@burst", outbound_burst),
    SUB("ip", ips, ip),
    PLACE("route"),
    ROW("script@path", script),
    ROW("backenddomain@name", backenddomain),
    ROW("target@dev", target, .live = vif_name_is_live),
    PLACE("guest"),
    ROW("model@type", model),
    PLACE("driver"),
    PLACE("backend"),
    ROW("filterref@filter", filterref),
    ROW("filterref#rest", filterref_extra),
    PLACE("tune"),
    ROW("link@state", link_state),
    ROW("mtu@size", mtu),
    PLACE("coalesce"),
    DEVICE_ROWS,
};
SCHEMA(interface, "interface");
#undef THIS

#define THIS ConfChardev
static const ConfRow chardev_rows[] = {
    ROW("@type", type),
    ROW("@tty", tty, .live = always),
    CONSTANT("source.bind@mode", "bind"),
    ROW("source.bind@host", source2_host),
    ROW("source.bind@service", source2_service),
    ROW("source@mode", source_mode),
    ROW("source@path", source_path, .live = chardev_is_pty),
    ROW("source@host", source_host),
    ROW("source@service", source_service),
    ROW("source@append", source_append),
    ROW("source#rest", source_extra),
    ROW("protocol@type", protocol_type),
    ROW("log@file", log_file),
    ROW("log@append", log_append),
    ROW("target@type", target_type),
    ROW("target@name", target_name),
    PLACE("target@address"),
    ROW("target@port", target_port),
    ROW("target#rest", target_extra),
    DEVICE_ROWS,
};
SCHEMA(chardev, "chardev", .branch = chardev_branch);
#undef THIS

#define THIS ConfListen
static const ConfRow listen_rows[] = {
    ROW("@type", type),     ROW("@address", address), ROW("@network", network),
    ROW("@socket", socket), ROW("#rest", extra),
};
SCHEMA(listen, "listen");
#undef THIS

#define THIS ConfGraphics
static const ConfRow graphics_rows[] = {
    ROW("@type", type, .flags = CONF_ROW_REQUIRED),
    ROW("@port", port, .live = graphics_is_autoport, .format = format_graphics_port),
    ROW("@tlsPort", tls_port, .live = graphics_is_autoport),
    ROW("@autoport", autoport),
    ROW("@websocket", websocket),
    ROW("@listen", listen),
    ROW("@socket", socket),
    ROW("@display", display),
    ROW("@xauth", xauth),
    ROW("@fullscreen", fullscreen),
    ROW("@keymap", keymap),
    PLACE("@sharePolicy"),
    ROW("@passwd", passwd, .flags = CONF_ROW_SECRET),
    ROW("@passwdValidTo", passwd_valid_to),
    SUB("listen", listens, listen),
    PLACE("channel"),
    ROW("image@compression", image_compression),
    PLACE("jpeg"),
    PLACE("zlib"),
    PLACE("playback"),
    ROW("streaming@mode", streaming_mode),
    ROW("mouse@mode", mouse_mode),
    ENUM("clipboard@copypaste", clipboard_copypaste, yes_no),
    PLACE("filetransfer"),
    ENUM("gl@enable", gl, yes_no),
    DEVICE_ROWS,
};
SCHEMA(graphics, "graphics");
#undef THIS

#define THIS ConfVideo
static const ConfRow video_rows[] = {
    PLACE("driver"),
    ROW("model@type", model_type),
    ROW("model@ram", ram_kib),
    ROW("model@vram", vram_kib),
    PLACE("model@vram64"),
    ROW("model@vgamem", vgamem_kib),
    ROW("model@heads", heads),
    ROW("model@primary", primary),
    ROW("model#rest", model_extra),
    DEVICE_ROWS,
};
SCHEMA(video, "video");
#undef THIS

#define THIS ConfInput
static const ConfRow input_rows[] = {
    ROW("@type", type, .flags = CONF_ROW_REQUIRED),
    ROW("@bus", bus),
    DEVICE_ROWS,
};
SCHEMA(input, "input");
#undef THIS

#define THIS ConfSound
static const ConfRow sound_rows[] = {
    ROW("@model", model, .flags = CONF_ROW_REQUIRED),
    PLACE("codec"),
    DEVICE_ROWS,
};
SCHEMA(sound, "sound");
#undef THIS

#define THIS ConfController
static const ConfRow controller_rows[] = {
    ROW("@type", type, .flags = CONF_ROW_REQUIRED),
    ROW("@index", index),
    ROW("@model", model),
    ROW("@ports", ports),
    ROW("@maxGrantFrames", max_grant_frames),
    ROW("@maxEventChannels", max_event_channels),
    DEVICE_ROWS,
};
SCHEMA(controller, "controller");
#undef THIS

#define THIS ConfHostdev
static const ConfRow hostdev_rows[] = {
    ROW("@mode", mode),
    ROW("@type", type),
    ROW("@managed", managed),
    ROW("driver@name", driver_name),
    ROW("source@startupPolicy", startup_policy),
    ROW("source@writeFiltering", write_filtering),
    PLACE("source/adapter"),
    ROW("source/vendor@id", vendor, .hex = 4),
    ROW("source/product@id", product, .hex = 4),
    ROW("source/address@domain", domain, .hex = 4, .when = hostdev_is_pci),
    ROW("source/address@bus", bus, .hex = 2, .when = hostdev_is_pci),
    ROW("source/address@slot", slot, .hex = 2, .when = hostdev_is_pci),
    ROW("source/address@function", function, .hex = 1, .when = hostdev_is_pci),
    ROW("source/address@bus", usb_bus, .when = hostdev_is_usb),
    ROW("source/address@device", usb_device, .when = hostdev_is_usb),
    ROW("source#rest", source_extra),
    ROW("boot@order", dev.boot_order),
    ROW("alias@name", dev.alias, .live = alias_is_live),
    ROW("rom@bar", rom_bar),
    ROW("rom@file", rom_file),
    SUB("address", dev.address, address),
    ROW("#rest", dev.extra),
};
SCHEMA(hostdev, "hostdev");
#undef THIS

#define THIS ConfWatchdog
static const ConfRow watchdog_rows[] = {
    ROW("@model", model),
    ROW("@action", action),
    DEVICE_ROWS,
};
SCHEMA(watchdog, "watchdog");
#undef THIS

#define THIS ConfLease
static const ConfRow lease_rows[] = {
    ROW("lockspace", lockspace),
    ROW("key", key, .flags = CONF_ROW_REQUIRED, .missing = "missing 'key' element for lease"),
    ROW("target@path", target_path, .flags = CONF_ROW_REQUIRED,
        .missing = "missing 'target' element for lease"),
    ROW("target@offset", target_offset),
    DEVICE_ROWS,
};
SCHEMA(lease, "lease");
#undef THIS

#define THIS ConfMemballoon
static const ConfRow memballoon_rows[] = {
    ROW("@model", model, .flags = CONF_ROW_REQUIRED),
    PLACE("stats"),
    DEVICE_ROWS,
};
SCHEMA(memballoon, "memballoon");
#undef THIS

#define THIS ConfArg
static const ConfRow arg_rows[] = {
    ROW("@value", value, .flags = CONF_ROW_REQUIRED),
};
SCHEMA(arg, "xen:arg");
#undef THIS

#define THIS ConfRawElement
static const ConfRow raw_element_rows[] = {
    ROW("#xml", xml),
};
SCHEMA(raw_element, "device");
#undef THIS

/* ---- the domain ---- */

#define THIS ConfDomain
static const ConfRow domain_rows[] = {
    ROW("@type", type, .flags = CONF_ROW_REQUIRED, .missing = "missing domain type attribute"),
    ROW("@id", id, .live = always),
    ROW("name", name, .flags = CONF_ROW_REQUIRED, .missing = "missing name information"),
    ROW("uuid", uuid, .wrong = "malformed uuid element"),
    ROW("genid", genid),
    ROW("title", title),
    ROW("description", description),
    ROW("metadata#inner", metadata),
    ROW("maxMemory@slots", max_memory_slots),
    ROW("maxMemory", max_memory_kib),
    PLACE("memory@dumpCore"),
    ROW("memory", memory_kib),
    ROW("currentMemory", cur_memory_kib),
    PLACE("blkiotune"),
    PLACE("memtune"),
    PLACE("memoryBacking"),
    ROW("vcpu@placement", vcpu_placement),
    ROW("vcpu@cpuset", cpuset),
    ROW("vcpu@current", vcpus),
    ROW("vcpu", vcpus_max),
    SUB("vcpus/vcpu", vcpu_list, vcpu),
    PLACE("iothreads"),
    PLACE("iothreadids"),
    PLACE("defaultiothread"),
    SUB("cputune", cputune, cpu_tune),
    SUB("numatune", numatune, numa_tune),
    PLACE("resource"),
    PLACE("sysinfo"),
    ROW("bootloader", bootloader),
    ROW("bootloader_args", bootloader_args),
    SUB("os", os, os),
    PLACE("idmap"),
    PLACE("throttlegroups"),
    SUB("features", features, features),
    SUB("cpu", cpu, cpu),
    SUB("clock", clock, clock),
    ENUM("on_poweroff", on_poweroff, conf_action, .wrong = "unknown poweroff action"),
    ENUM("on_reboot", on_reboot, conf_action, .wrong = "unknown reboot action"),
    ENUM("on_crash", on_crash, conf_action, .wrong = "unknown crash action"),
    ROW("on_lockfailure", on_lockfailure),
    ENUM("pm/suspend-to-mem@enabled", pm_suspend_to_mem, yes_no),
    ENUM("pm/suspend-to-disk@enabled", pm_suspend_to_disk, yes_no),
    PLACE("perf"),
    ROW("devices/emulator", emulator),
    SUB("devices/disk", disks, disk),
    SUB("devices/controller", controllers, controller),
    SUB("devices/lease", leases, lease),
    PLACE("devices/filesystem"),
    SUB("devices/interface", interfaces, interface),
    PLACE("devices/smartcard"),
    SUB("devices/serial", serials, chardev),
    SUB("devices/parallel", parallels, chardev),
    SUB("devices/console", consoles, chardev),
    SUB("devices/channel", channels, chardev),
    SUB("devices/input", inputs, input),
    PLACE("devices/tpm"),
    SUB("devices/graphics", graphics, graphics),
    SUB("devices/sound", sounds, sound),
    PLACE("devices/audio"),
    SUB("devices/video", videos, video),
    SUB("devices/hostdev", hostdevs, hostdev),
    PLACE("devices/redirdev"),
    PLACE("devices/redirfilter"),
    PLACE("devices/hub"),
    SUB("devices/watchdog", watchdogs, watchdog),
    SUB("devices/memballoon", memballoon, memballoon),
    PLACE("devices/rng"),
    PLACE("devices/nvram"),
    PLACE("devices/panic"),
    PLACE("devices/shmem"),
    PLACE("devices/memory"),
    PLACE("devices/iommu"),
    PLACE("devices/vsock"),
    PLACE("devices/crypto"),
    PLACE("devices/pstore"),
    SUB("devices/+", raw_devices, raw_element),
    SUB("seclabel", seclabels, seclabel),
    PLACE("keywrap"),
    PLACE("launchSecurity"),
    SUB("xen:commandline/xen:arg", xen_args, arg),
    ROW("#rest", extra),
};
SCHEMA(domain, "domain");
#undef THIS

#define THIS ConfSnapshotDisk
static const ConfRow snapshot_disk_rows[] = {
    ROW("@name", name, .flags = CONF_ROW_REQUIRED,
        .missing = "missing name from disk snapshot element"),
    ENUM("@snapshot", place, conf_snapshot_place,
         .wrong = "Invalid value for attribute 'snapshot' in element 'disk':"),
    ENUM("@type", type, disk_type,
         .wrong = "Invalid value for attribute 'type' in element 'disk':"),
    ROW("driver@type", driver_type),
    ROW("driver#rest", driver_extra),
    ROW("source@file", source, .flags = CONF_ROW_ALIAS, .when = snapshot_disk_is_file),
    ROW("source@dev", source, .flags = CONF_ROW_ALIAS, .when = snapshot_disk_is_block),
    ROW("source#rest", source_extra),
    ROW("#rest", extra),
};
SCHEMA(snapshot_disk, "disk");
#undef THIS

#define THIS ConfSnapshot
static const ConfRow snapshot_rows[] = {
    ROW("name", name),
    ROW("description", description),
    ENUM("state", state, conf_snapshot_state, .wrong = "Invalid state in domain snapshot XML"),
    ROW("parent/name", parent),
    ROW("creationTime", time),
    ENUM("memory@snapshot", memory, conf_snapshot_place,
         .wrong = "unknown memory snapshot setting"),
    ROW("memory@file", memory_file),
    SUB("disks/disk", disks, snapshot_disk),
    SUB("domain", domain, domain),
    SUB("inactiveDomain", inactive, domain),
    PLACE("cookie"),
    ROW("active", active),
    ROW("#rest", extra),
};
SCHEMA(snapshot, "domainsnapshot");
#undef THIS
