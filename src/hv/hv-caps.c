/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host can do, for virt-install, virt-manager and whoever else asks before it acts: the
 * documents of virConnectGetCapabilities() and virConnectGetDomainCapabilities(). One table says
 * what kinds of guest there are; a row answers both.
 */
#include "hv-private.h"

#include <unistd.h>

/* Where Xen's packages have them, unless the engine knows better. */
#define DEFAULT_EMULATOR "/usr/lib/xen/bin/qemu-system-i386"
#define DEFAULT_LOADER   "/usr/lib/xen/boot/hvmloader"
#define OVMF_LOADER      "/usr/lib/xen/boot/ovmf.bin"

/* What libxl gives an HVM guest at most, whatever the host could. */
#define MAX_HVM_VCPUS 128u

typedef struct GuestKind {
    const char *os_type; /* capabilities' word */
    const char *arch;
    const char *machine;
    int word_size;
    gboolean pae, hvm; /* <features> */
    /* domain capabilities, each a list of words with spaces between; NULL = not supported */
    const char *firmware, *loader_types, *loaders;
    const char *disk_devices, *disk_buses;
    const char *graphics, *videos;
    const char *hostdev_types;
} GuestKind;

#define PV_DEVICES                                                                                 \
    .disk_devices = "disk cdrom", .disk_buses = "xen", .graphics = "sdl vnc", .videos = "xen",     \
    .hostdev_types = "usb pci"
#define HVM_DEVICES                                                                                \
    .firmware = "efi", .loader_types = "rom pflash", .loaders = DEFAULT_LOADER " " OVMF_LOADER,    \
    .disk_devices = "disk cdrom", .disk_buses = "ide scsi xen", .graphics = "sdl vnc spice",       \
    .videos = "vga cirrus xen qxl", .hostdev_types = "usb pci"

static const GuestKind kinds[] = {
    { "xen", "x86_64", "xenpv", 64, PV_DEVICES },
    { "xen", "i686", "xenpv", 32, .pae = TRUE, PV_DEVICES },
    { "hvm", "i686", "xenfv", 32, .pae = TRUE, .hvm = TRUE, HVM_DEVICES },
    { "hvm", "x86_64", "xenfv", 64, .hvm = TRUE, HVM_DEVICES },
    { "xenpvh", "x86_64", "xenpvh", 64, .hvm = TRUE, .disk_devices = "disk", .disk_buses = "xen" },
    { "xenpvh", "aarch64", "xenpvh", 64, .disk_devices = "disk", .disk_buses = "xen" },
};

/* A host of one architecture runs guests of these. */
static gboolean
host_runs(const HvHostInfo *info, const GuestKind *kind)
{
    gboolean x86_host = g_str_equal(info->model, "x86_64") || g_str_equal(info->model, "i686");

    return g_str_equal(kind->arch, "aarch64") ? g_str_equal(info->model, "aarch64") : x86_host;
}

/* Like g_string_append_printf(), with every argument escaped for XML. */
G_GNUC_PRINTF(2, 3)
static void
add(GString *xml, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(xml, text);
}

static const char *
emulator_of(HvHost *host)
{
    const char *emulator = NULL;

    if (host->ops->emulator && hv_host_enter_engine(host, NULL)) {
        emulator = host->ops->emulator(host->engine);
        hv_host_leave_engine(host);
    }
    return emulator ? emulator : DEFAULT_EMULATOR;
}

/* ---- capabilities ---- */

/* The firmware's uuid of this machine; libvirt clients tell hosts apart by it. */
static void
add_host_uuid(GString *xml)
{
    static const char *const files[] = { "/sys/class/dmi/id/product_uuid", "/etc/machine-id" };

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = NULL;
        guint8 uuid[16];
        char canonical[37];

        if (!g_file_get_contents(files[i], &text, NULL, NULL) ||
            !conf_uuid_parse(g_strstrip(text), uuid))
            continue;
        conf_uuid_format(uuid, canonical);
        add(xml, "    <uuid>%s</uuid>\n", canonical);
        return;
    }
}

static void
add_cpu(GString *xml, const HvHostInfo *info, guint cpu)
{
    guint threads = MAX(info->threads, 1u);
    guint cores = MAX(info->cores, 1u);
    guint first = cpu / threads * threads;
    guint last = MIN(first + threads, info->cpus) - 1;

    add(xml, "            <cpu id='%u' socket_id='%u' die_id='0' core_id='%u' siblings='%u", cpu,
        cpu / (cores * threads), cpu / threads % cores, first);
    if (last > first)
        add(xml, "-%u", last);
    g_string_append(xml, "'/>\n");
}

static void
add_topology(GString *xml, const HvHostInfo *info)
{
    guint nodes = MAX(info->nodes, 1u);
    guint per_node = (info->cpus + nodes - 1) / nodes;

    add(xml, "    <topology>\n      <cells num='%u'>\n", nodes);
    for (guint node = 0; node < nodes; node++) {
        guint first = MIN(node * per_node, info->cpus);
        guint end = MIN(first + per_node, info->cpus);

        add(xml,
            "        <cell id='%u'>\n"
            "          <memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>\n"
            "          <cpus num='%u'>\n",
            node, info->memory_kib / nodes, end - first);
        for (guint cpu = first; cpu < end; cpu++)
            add_cpu(xml, info, cpu);
        g_string_append(xml, "          </cpus>\n        </cell>\n");
    }
    g_string_append(xml, "      </cells>\n    </topology>\n");
}

static void
add_guest(GString *xml, const GuestKind *kind, const char *emulator)
{
    add(xml,
        "  <guest>\n"
        "    <os_type>%s</os_type>\n"
        "    <arch name='%s'>\n"
        "      <wordsize>%d</wordsize>\n"
        "      <emulator>%s</emulator>\n",
        kind->os_type, kind->arch, kind->word_size, emulator);
    if (kind->loaders)
        add(xml, "      <loader>%s</loader>\n", DEFAULT_LOADER);
    add(xml,
        "      <machine>%s</machine>\n"
        "      <domain type='xen'/>\n"
        "    </arch>\n",
        kind->machine);
    if (kind->pae || kind->hvm) {
        g_string_append(xml, "    <features>\n");
        if (kind->pae)
            g_string_append(xml, "      <pae/>\n");
        if (kind->hvm)
            g_string_append(xml, "      <acpi default='on' toggle='yes'/>\n"
                                 "      <apic default='on' toggle='no'/>\n"
                                 "      <hap default='on' toggle='yes'/>\n");
        g_string_append(xml, "    </features>\n");
    }
    g_string_append(xml, "  </guest>\n\n");
}

/* Without the engine's help, or without definitions, it has no model: that is no reason to refuse
 * the rest. */
static void
add_processor(GString *xml, HvHost *host, const HvHostInfo *info)
{
    g_autoptr(ConfCpuSpec) cpu = hv_host_cpu(host, info->model, NULL);

    add(xml, "    <cpu>\n      <arch>%s</arch>\n", info->model);
    if (cpu && cpu->model)
        add(xml, "      <model>%s</model>\n", cpu->model);
    if (cpu && cpu->model && cpu->vendor)
        add(xml, "      <vendor>%s</vendor>\n", cpu->vendor);
    if (cpu && cpu->is_signed)
        add(xml, "      <signature family='%u' model='%u' stepping='%u'/>\n", cpu->family,
            cpu->number, cpu->stepping);
    add(xml, "      <topology sockets='%u' dies='1' cores='%u' threads='%u'/>\n",
        MAX(info->nodes, 1u) * MAX(info->sockets, 1u), MAX(info->cores, 1u),
        MAX(info->threads, 1u));
    for (guint i = 0; cpu && cpu->model && i < cpu->wishes->len; i++)
        add(xml, "      <feature name='%s'/>\n",
            ((const ConfCpuWish *)cpu->wishes->pdata[i])->feature);
    /* Xen gives memory out in whatever size fits; what is free is counted in pages of 4 KiB. */
    g_string_append(xml, "      <pages unit='KiB' size='4'/>\n    </cpu>\n");
}

char *
hv_host_capabilities(HvHost *host, GError **error)
{
    GString *xml;
    HvHostInfo info;

    if (!hv_host_info(host, &info, error))
        return NULL;
    xml = g_string_new("<capabilities>\n\n  <host>\n");
    add_host_uuid(xml);
    add_processor(xml, host, &info);
    /* No <migration_features>: no engine can migrate yet, and nothing here pretends. */
    add_topology(xml, &info);
    g_string_append(xml, "  </host>\n\n");
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (host_runs(&info, &kinds[i]))
            add_guest(xml, &kinds[i], emulator_of(host));
    }
    g_string_append(xml, "</capabilities>\n");
    return g_string_free(xml, FALSE);
}

/* ---- domain capabilities ---- */

/* An <enum>; `words` NULL or "" gives one without values, which says "none of them". */
static void
add_enum(GString *xml, const char *indent, const char *name, const char *words)
{
    g_auto(GStrv) values = g_strsplit(words ? words : "", " ", -1);

    if (!values[0]) {
        add(xml, "%s<enum name='%s'/>\n", indent, name);
        return;
    }
    add(xml, "%s<enum name='%s'>\n", indent, name);
    for (char **value = values; *value; value++)
        add(xml, "%s  <value>%s</value>\n", indent, *value);
    add(xml, "%s</enum>\n", indent);
}

static void
add_os(GString *xml, const GuestKind *kind)
{
    g_auto(GStrv) loaders = g_strsplit(kind->loaders ? kind->loaders : "", " ", -1);

    g_string_append(xml, "  <os supported='yes'>\n");
    add_enum(xml, "    ", "firmware", kind->firmware);
    if (!kind->loader_types) {
        g_string_append(xml, "    <loader supported='no'/>\n  </os>\n");
        return;
    }
    g_string_append(xml, "    <loader supported='yes'>\n");
    for (char **loader = loaders; *loader; loader++) {
        /* As stock: only files that are there. */
        if (access(*loader, R_OK) == 0)
            add(xml, "      <value>%s</value>\n", *loader);
    }
    add_enum(xml, "      ", "type", kind->loader_types);
    add_enum(xml, "      ", "readonly", "yes no");
    add_enum(xml, "      ", "secure", "no");
    g_string_append(xml, "    </loader>\n  </os>\n");
}

static void
add_devices(GString *xml, const GuestKind *kind)
{
    const struct {
        const char *element;
        struct {
            const char *name, *words;
        } enums[6];
    } devices[] = {
        { "disk", { { "diskDevice", kind->disk_devices }, { "bus", kind->disk_buses } } },
        { "graphics", { { "type", kind->graphics } } },
        { "video", { { "modelType", kind->videos } } },
        { "hostdev",
          { { "mode", kind->hostdev_types ? "subsystem" : NULL },
            { "startupPolicy", "default mandatory requisite optional" },
            { "subsysType", kind->hostdev_types },
            { "capsType", "" },
            { "pciBackend", "xen" } } },
        { "rng", { { NULL } } },
        { "filesystem", { { NULL } } },
        { "tpm", { { NULL } } },
        { "redirdev", { { NULL } } },
        { "channel", { { "type", "pty unix" } } },
    };

    g_string_append(xml, "  <devices>\n");
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (!devices[i].enums[0].words) {
            add(xml, "    <%s supported='no'/>\n", devices[i].element);
            continue;
        }
        add(xml, "    <%s supported='yes'>\n", devices[i].element);
        for (gsize j = 0; devices[i].enums[j].name; j++)
            add_enum(xml, "      ", devices[i].enums[j].name, devices[i].enums[j].words);
        add(xml, "    </%s>\n", devices[i].element);
    }
    g_string_append(xml, "  </devices>\n");
}

static char *
format_domain_capabilities(const GuestKind *kind, const HvHostInfo *info, const char *emulator)
{
    static const char *const modes[] = { "host-passthrough", "maximum", "host-model", "custom" };
    GString *xml = g_string_new("<domainCapabilities>\n");

    add(xml,
        "  <path>%s</path>\n"
        "  <domain>xen</domain>\n"
        "  <machine>%s</machine>\n"
        "  <arch>%s</arch>\n"
        "  <vcpu max='%u'/>\n"
        "  <iothreads supported='no'/>\n",
        emulator, kind->machine, kind->arch,
        kind->hvm ? MIN(info->max_vcpus, MAX_HVM_VCPUS) : info->max_vcpus);
    add_os(xml, kind);
    g_string_append(xml, "  <cpu>\n");
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++)
        add(xml, "    <mode name='%s' supported='%s'/>\n", modes[i],
            i == 0 && kind->hvm ? "yes" : "no");
    g_string_append(xml, "  </cpu>\n  <memoryBacking supported='no'/>\n");
    add_devices(xml, kind);
    g_string_append(xml, "  <features>\n"
                         "    <gic supported='no'/>\n"
                         "    <vmcoreinfo supported='no'/>\n"
                         "    <genid supported='no'/>\n"
                         "    <backingStoreInput supported='no'/>\n"
                         "    <backup supported='no'/>\n"
                         "    <sev supported='no'/>\n"
                         "  </features>\n"
                         "</domainCapabilities>\n");
    return g_string_free(xml, FALSE);
}

/* The row that is asked for, or NULL and which of the words is wrong. */
static const GuestKind *
find_kind(const HvHostInfo *info, const char *arch, const char *machine, GError **error)
{
    gboolean arch_known = FALSE, machine_known = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        gboolean arch_fits = !arch || g_str_equal(arch, kinds[i].arch);
        gboolean machine_fits = !machine || g_str_equal(machine, kinds[i].machine);

        if (!host_runs(info, &kinds[i]))
            continue;
        if (arch_fits && machine_fits)
            return &kinds[i];
        arch_known |= arch_fits;
        machine_known |= machine_fits;
    }
    if (!machine_known)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "Xen only supports 'xenpv', 'xenpvh' and 'xenfv' machines");
    else if (!arch_known)
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "unknown architecture: %s", arch);
    else
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "machine '%s' does not exist for architecture '%s'", machine, arch);
    return NULL;
}

/* The row for `guest`. */
static const GuestKind *
check_kind(HvHost *host, const HvGuestKind *guest, HvHostInfo *ret_info, GError **error)
{
    if (guest->virttype && !g_str_equal(guest->virttype, "xen")) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "unknown virttype: %s", guest->virttype);
        return NULL;
    }
    if (guest->emulator && !hv_check_path(guest->emulator, error)) {
        g_prefix_error(error, "emulator ");
        return NULL;
    }
    if (!hv_host_info(host, ret_info, error))
        return NULL;
    return find_kind(ret_info, guest->arch, guest->machine, error);
}

char *
hv_host_domain_capabilities(HvHost *host, const char *emulator, const char *arch,
                            const char *machine, const char *virttype, GError **error)
{
    const HvGuestKind guest = { emulator, arch, machine, virttype };
    HvHostInfo info;
    const GuestKind *kind = check_kind(host, &guest, &info, error);

    return kind ? format_domain_capabilities(kind, &info, emulator ? emulator : emulator_of(host))
                : NULL;
}

gboolean
hv_guest_kind_check(HvHost *host, const HvGuestKind *guest, HvHostInfo *ret_info, gboolean *ret_hvm,
                    GError **error)
{
    const GuestKind *kind = check_kind(host, guest, ret_info, error);

    if (kind)
        *ret_hvm = kind->hvm;
    return kind != NULL;
}
