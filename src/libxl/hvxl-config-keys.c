/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of keys, and what their types have in common. */
#include "hvxl-config-keys.h"

#include <errno.h>
#include <string.h>

#define FIELD(who, key, kind, path, ...)                                                           \
    {                                                                                              \
        .name = key, .type = HVXL_KEY_##kind, .guests = who,                                       \
        .offset = offsetof(libxl_domain_config, path), .field = #path, __VA_ARGS__                 \
    }
#define HOOK(who, key, fn, path)                                                                   \
    {                                                                                              \
        .name = key, .type = HVXL_KEY_HOOK, .guests = who, .field = path,                          \
        .build = hvxl_key_build_##fn, .adopt = hvxl_key_adopt_##fn                                 \
    }
#define ABSENT(key, reason)                                                                        \
    {                                                                                              \
        .name = key, .type = HVXL_KEY_ABSENT, .guests = HVXL_ANY, .why = reason                    \
    }
#define DEVICE_FIELD(kind_of, key, kind, path, ...)                                                \
    {                                                                                              \
        .name = key, .type = HVXL_KEY_##kind, .guests = HVXL_ANY,                                  \
        .offset = offsetof(libxl_device_##kind_of, path), .field = #path, __VA_ARGS__              \
    }

static const char newer[] = "this libxl has no field for it: it came with a later Xen";

static const HvxlName dm_versions[] = {
    { "qemu-xen-traditional", LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL },
    { "qemu-xen", LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN },
    HVXL_NAMES_END,
};

#define BUILD(who, key, fn, path)                                                                  \
    {                                                                                              \
        .name = key, .type = HVXL_KEY_HOOK, .guests = who, .field = path,                          \
        .build = hvxl_key_build_##fn, .build_only = true                                           \
    }

static gboolean
build_elsewhere(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                GError **error)
{
    return TRUE;
}

static void
adopt_elsewhere(const void *base, const HvxlKey *key, GPtrArray *keys)
{
}

const HvxlKey hvxl_keys[] = {
    /* the domain */
    FIELD(HVXL_ANY, "pool", STRING, c_info.pool_name),
    HOOK(HVXL_ANY, "init_seclabel", init_seclabel, "c_info.ssid_label"),
    FIELD(HVXL_ANY, "driver_domain", DEFBOOL, c_info.driver_domain),
    FIELD(HVXL_ANY, "xend_suspend_evtchn_compat", DEFBOOL, c_info.xend_suspend_evtchn_compat),
    FIELD(HVXL_HVM | HVXL_PVH, "oos", DEFBOOL, c_info.oos),
    FIELD(HVXL_ANY, "nomigrate", DEFBOOL, b_info.disable_migrate),
    HOOK(HVXL_ANY, "on_poweroff", action, "on_poweroff"),
    HOOK(HVXL_ANY, "on_reboot", action, "on_reboot"),
    HOOK(HVXL_ANY, "on_crash", action, "on_crash"),
    HOOK(HVXL_ANY, "on_watchdog", action, "on_watchdog"),
    HOOK(HVXL_ANY, "on_soft_reset", action, "on_soft_reset"),
    BUILD(HVXL_PV, "firmware", firmware, "b_info.kernel"),
    BUILD(HVXL_ANY, "bootloader_args", bootloader_args, "b_info.bootloader_args"),
    FIELD(HVXL_ANY, "device_tree", STRING, b_info.device_tree),

    /* processors and memory */
    BUILD(HVXL_ANY, "cpus", cpus, "b_info.vcpu_hard_affinity"),
    FIELD(HVXL_ANY, "cpu_weight", INT, b_info.sched_params.weight, .build_only = true),
    HOOK(HVXL_ANY, "cpus_soft", cpus_soft, "b_info.vcpu_soft_affinity"),
    FIELD(HVXL_ANY, "period", INT, b_info.sched_params.period),
    FIELD(HVXL_ANY, "budget", INT, b_info.sched_params.budget),
    FIELD(HVXL_ANY, "slice", INT, b_info.sched_params.slice),
    FIELD(HVXL_ANY, "latency", INT, b_info.sched_params.latency),
    FIELD(HVXL_ANY, "extratime", INT, b_info.sched_params.extratime),
    HOOK(HVXL_ANY, "cpuid", cpuid, "b_info.cpuid"),
    FIELD(HVXL_HVM | HVXL_PVH, "shadow_memory", MIB, b_info.shadow_memkb),
    FIELD(HVXL_ANY, "max_maptrack_frames", UINT32, b_info.max_maptrack_frames),
    FIELD(HVXL_ANY, "max_grant_version", INT, b_info.max_grant_version),
    FIELD(HVXL_ANY, "altp2m", ENUM, b_info.altp2m, .words = libxl_altp2m_mode_string_table),
    FIELD(HVXL_HVM, "altp2mhvm", DEFBOOL, b_info.u.hvm.altp2m),
    FIELD(HVXL_ANY, "vmtrace_buf_kb", INT, b_info.vmtrace_buf_kb),
    FIELD(HVXL_HVM | HVXL_PVH, "timer_mode", ENUM, b_info.timer_mode,
          .words = libxl_timer_mode_string_table),
    HOOK(HVXL_PVH, "acpi", acpi, "b_info.acpi"),
    FIELD(HVXL_ANY, "tee", ENUM, b_info.tee, .words = libxl_tee_type_string_table),
    FIELD(HVXL_ANY, "vuart", ENUM, b_info.arch_arm.vuart, .words = libxl_vuart_type_string_table),

    /* PVH */
    FIELD(HVXL_PVH, "pvshim", DEFBOOL, b_info.u.pvh.pvshim),
    FIELD(HVXL_PVH, "pvshim_path", STRING, b_info.u.pvh.pvshim_path),
    FIELD(HVXL_PVH, "pvshim_cmdline", STRING, b_info.u.pvh.pvshim_cmdline),
    FIELD(HVXL_PVH, "pvshim_extra", STRING, b_info.u.pvh.pvshim_extra),

    /* HVM */
    HOOK(HVXL_HVM, "bios", bios, "b_info.u.hvm.bios"),
    HOOK(HVXL_HVM, "bios_path_override", bios_path_override, "b_info.u.hvm.system_firmware"),
    FIELD(HVXL_HVM, "acpi_laptop_slate", DEFBOOL, b_info.u.hvm.acpi_laptop_slate),
    FIELD(HVXL_HVM, "nx", DEFBOOL, b_info.u.hvm.nx),
    FIELD(HVXL_HVM, "vpt_align", DEFBOOL, b_info.u.hvm.vpt_align),
    FIELD(HVXL_HVM, "mmio_hole", MIB, b_info.u.hvm.mmio_hole_memkb),
    FIELD(HVXL_HVM, "smbios_firmware", STRING, b_info.u.hvm.smbios_firmware),
    FIELD(HVXL_HVM, "hdtype", ENUM, b_info.u.hvm.hdtype, .words = libxl_hdtype_string_table),
    FIELD(HVXL_HVM, "usbversion", INT, b_info.u.hvm.usbversion),
    FIELD(HVXL_HVM, "vkb_device", DEFBOOL, b_info.u.hvm.vkb_device),
    FIELD(HVXL_HVM, "xen_platform_pci", DEFBOOL, b_info.u.hvm.xen_platform_pci),
    FIELD(HVXL_HVM, "vendor_device", ENUM, b_info.u.hvm.vendor_device,
          .words = libxl_vendor_device_string_table),
    HOOK(HVXL_HVM, "vncunused", vncunused, "b_info.u.hvm.vnc.findunused"),
    FIELD(HVXL_HVM, "spicevdagent", DEFBOOL, b_info.u.hvm.spice.vdagent, .build_only = true),
    HOOK(HVXL_HVM, "spice_image_compression", spice_word, "b_info.u.hvm.spice.image_compression"),
    HOOK(HVXL_HVM, "spice_streaming_video", spice_word, "b_info.u.hvm.spice.streaming_video"),
    HOOK(HVXL_HVM, "soundhw", soundhw, "b_info.u.hvm.soundhw"),
    HOOK(HVXL_HVM, "serial", serial, "b_info.u.hvm.serial_list"),
    HOOK(HVXL_HVM, "usb", usb, "b_info.u.hvm.usb"),
    HOOK(HVXL_HVM, "usbdevice", usbdevice, "b_info.u.hvm.usbdevice_list"),
    HOOK(HVXL_HVM, "viridian", viridian, "b_info.u.hvm.viridian_enable"),
    HOOK(HVXL_HVM, "mca_caps", mca_caps, "b_info.u.hvm.mca_caps"),

    /* the device model and its stub domain */
    FIELD(HVXL_ANY, "device_model_version", ENUM, b_info.device_model_version,
          .names = dm_versions),
    FIELD(HVXL_ANY, "device_model_stubdomain_override", DEFBOOL, b_info.device_model_stubdomain),
    FIELD(HVXL_ANY, "device_model_stubdomain_seclabel", STRING, b_info.device_model_ssid_label),
    FIELD(HVXL_ANY, "stubdomain_kernel", STRING, b_info.stubdomain_kernel),
    FIELD(HVXL_ANY, "stubdomain_cmdline", STRING, b_info.stubdomain_cmdline),
    FIELD(HVXL_ANY, "stubdomain_ramdisk", STRING, b_info.stubdomain_ramdisk),
    FIELD(HVXL_ANY, "stubdomain_memory", MIB, b_info.stubdomain_memkb),
    FIELD(HVXL_ANY, "dm_restrict", DEFBOOL, b_info.dm_restrict),
    FIELD(HVXL_ANY, "device_model_user", STRING, b_info.device_model_user),
    FIELD(HVXL_ANY, "device_model_args_pv", STRINGS, b_info.extra_pv),
    FIELD(HVXL_ANY, "device_model_args_hvm", STRINGS, b_info.extra_hvm),

    /* pieces of the host */
    HOOK(HVXL_ANY, "ioports", ioports, "b_info.ioports"),
    HOOK(HVXL_ANY, "irqs", irqs, "b_info.irqs"),
    HOOK(HVXL_ANY, "iomem", iomem, "b_info.iomem"),
    HOOK(HVXL_ANY, "dtdev", dtdev, "dtdevs[]"),
    HOOK(HVXL_HVM, "gfx_passthru", gfx_passthru, "b_info.u.hvm.gfx_passthru_kind"),
    HOOK(HVXL_HVM, "rdm", rdm, "b_info.u.hvm.rdm"),
    FIELD(HVXL_HVM, "rdm_mem_boundary", MIB, b_info.u.hvm.rdm_mem_boundary_memkb),

    /* devices of PV protocols */
    HOOK(HVXL_ANY, "pvcalls", pvcalls, "pvcallsifs[]"),
    HOOK(HVXL_ANY, "vtpm", vtpm, "vtpms[]"),
    HOOK(HVXL_ANY, "p9", p9, "p9s[]"),
    HOOK(HVXL_ANY, "vdispl", vdispl, "vdispls[]"),
    HOOK(HVXL_ANY, "vkb", vkb, "vkbs[]"),
    HOOK(HVXL_ANY, "vsnd", vsnd, "vsnds[]"),
    BUILD(HVXL_ANY, "vfb", vfb, "vfbs[]"),
    BUILD(HVXL_ANY, "pci", pci, "pcidevs[]"),

    /* Of the PCI devices: hvxl-config-hostdev.c has put them there. */
    { .name = "pci_msitranslate",
      .type = HVXL_KEY_HOOK,
      .guests = HVXL_ANY,
      .field = "pcidevs[].msitranslate",
      .build = build_elsewhere,
      .adopt = adopt_elsewhere },
    { .name = "pci_power_mgmt",
      .type = HVXL_KEY_HOOK,
      .guests = HVXL_ANY,
      .field = "pcidevs[].power_mgmt",
      .build = build_elsewhere,
      .adopt = adopt_elsewhere },

    ABSENT("virtio", newer),
    ABSENT("xenstore_feature_mask", newer),
    ABSENT("xenstore_quota", newer),
    ABSENT("altp2m_count", newer),
    ABSENT("bootloader_restrict", newer),
    ABSENT("bootloader_user", newer),
    ABSENT("smbios", newer),
    ABSENT("hvm_pirq", newer),
    ABSENT("xen_platform_pci_bar_uc", newer),
    ABSENT("trap_unmapped_accesses", newer),
    ABSENT("nr_spis", newer),
    ABSENT("sve", newer),
    ABSENT("llc_colors", newer),
    ABSENT("arm_sci", newer),
};
const size_t hvxl_n_keys = G_N_ELEMENTS(hvxl_keys);

const HvxlKey hvxl_disk_keys[] = {
    ABSENT("grant_usage", newer),
    DEVICE_FIELD(disk, "script", STRING, script),
    DEVICE_FIELD(disk, "direct-io-safe", BOOL, direct_io_safe),
    DEVICE_FIELD(disk, "trusted", DEFBOOL, trusted),
    DEVICE_FIELD(disk, "backendtype", ENUM, backend, .words = libxl_disk_backend_string_table),
    DEVICE_FIELD(disk, "specification", ENUM, specification,
                 .words = libxl_disk_specification_string_table),
    DEVICE_FIELD(disk, "colo", DEFBOOL, colo_enable),
    DEVICE_FIELD(disk, "colo-host", STRING, colo_host),
    DEVICE_FIELD(disk, "colo-port", INT, colo_port),
    DEVICE_FIELD(disk, "colo-export", STRING, colo_export),
    DEVICE_FIELD(disk, "active-disk", STRING, active_disk),
    DEVICE_FIELD(disk, "hidden-disk", STRING, hidden_disk),
};
const size_t hvxl_n_disk_keys = G_N_ELEMENTS(hvxl_disk_keys);

const HvxlKey hvxl_nic_keys[] = {
    DEVICE_FIELD(nic, "gatewaydev", STRING, gatewaydev),
    DEVICE_FIELD(nic, "trusted", DEFBOOL, trusted),
    HOOK(HVXL_ANY, "rate", rate, "rate_bytes_per_interval, rate_interval_usecs"),
    DEVICE_FIELD(nic, "ip", STRING, ip, .build_only = true),
    DEVICE_FIELD(nic, "devid", INT, devid, .build_only = true),
    DEVICE_FIELD(nic, "forwarddev", STRING, coloft_forwarddev),
    ABSENT("vlan", newer),
};
const size_t hvxl_n_nic_keys = G_N_ELEMENTS(hvxl_nic_keys);

const HvxlKey hvxl_pci_keys[] = {
    DEVICE_FIELD(pci, "msitranslate", BOOL, msitranslate),
    DEVICE_FIELD(pci, "power_mgmt", BOOL, power_mgmt),
    DEVICE_FIELD(pci, "permissive", BOOL, permissive),
    DEVICE_FIELD(pci, "seize", BOOL, seize),
    DEVICE_FIELD(pci, "name", STRING, name),
    DEVICE_FIELD(pci, "rdm_policy", ENUM, rdm_policy,
                 .words = libxl_rdm_reserve_policy_string_table),
};
const size_t hvxl_n_pci_keys = G_N_ELEMENTS(hvxl_pci_keys);

const HvxlKey hvxl_usbctrl_keys[] = {
    DEVICE_FIELD(usbctrl, "type", ENUM, type, .words = libxl_usbctrl_type_string_table),
    DEVICE_FIELD(usbctrl, "version", INT, version),
};
const size_t hvxl_n_usbctrl_keys = G_N_ELEMENTS(hvxl_usbctrl_keys);

const HvxlKey hvxl_channel_keys[] = {
    DEVICE_FIELD(channel, "backend", STRING, backend_domname),
};
const size_t hvxl_n_channel_keys = G_N_ELEMENTS(hvxl_channel_keys);

const HvxlKey hvxl_vfb_keys[] = {
    DEVICE_FIELD(vfb, "vncunused", DEFBOOL, vnc.findunused, .build_only = true),
};
const size_t hvxl_n_vfb_keys = G_N_ELEMENTS(hvxl_vfb_keys);

/* ---- text to value ---- */

/* A number as xl reads it: decimal, 0x hexadecimal, 0 octal. */
static gboolean
parse_number(const char *text, gint64 min, gint64 max, gint64 *ret_number)
{
    char *end;

    errno = 0;
    *ret_number = g_ascii_strtoll(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *ret_number >= min && *ret_number <= max;
}

gboolean
hvxl_key_parse_bool(const char *text, bool *ret_on)
{
    static const char *const on[] = { "1", "true", "True", "yes", "on", NULL };
    static const char *const off[] = { "0", "false", "False", "no", "off", NULL };

    gint64 number;

    *ret_on = g_strv_contains(on, text);
    if (*ret_on || g_strv_contains(off, text))
        return TRUE;
    if (!parse_number(text, G_MININT64, G_MAXINT64, &number))
        return FALSE;
    *ret_on = number != 0;
    return TRUE;
}

/* A word, or the number that it stands for: xl takes either. */
static gboolean
parse_enum(const HvxlKey *key, const char *text, int *ret_value)
{
    guint64 number;

    for (const libxl_enum_string_table *word = key->words; word && word->s; word++) {
        if (g_ascii_strcasecmp(word->s, text) == 0) {
            *ret_value = word->v;
            return TRUE;
        }
    }
    if (key->names && hvxl_name_find(key->names, text, ret_value))
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 0, INT_MAX, &number, NULL))
        return FALSE;
    for (const libxl_enum_string_table *word = key->words; word && word->s; word++) {
        if (word->v == (int)number) {
            *ret_value = word->v;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
parse_value(const HvxlKey *key, const char *text, void *field)
{
    gint64 number = 0;
    bool on = false;

    switch (key->type) {
    case HVXL_KEY_STRING:
        hvxl_set_string(field, text);
        return TRUE;
    case HVXL_KEY_STRINGS:
        hvxl_list_append(field, text);
        return TRUE;
    case HVXL_KEY_INT:
        if (!parse_number(text, INT_MIN, INT_MAX, &number))
            return FALSE;
        *(int *)field = (int)number;
        return TRUE;
    case HVXL_KEY_UINT32:
        if (!parse_number(text, 0, G_MAXUINT32, &number))
            return FALSE;
        *(uint32_t *)field = (uint32_t)number;
        return TRUE;
    case HVXL_KEY_MIB:
        if (!parse_number(text, 0, G_MAXINT64 / 1024, &number))
            return FALSE;
        *(uint64_t *)field = (uint64_t)number * 1024;
        return TRUE;
    case HVXL_KEY_BOOL:
        return hvxl_key_parse_bool(text, field);
    case HVXL_KEY_DEFBOOL:
        if (!hvxl_key_parse_bool(text, &on))
            return FALSE;
        libxl_defbool_set(field, on);
        return TRUE;
    case HVXL_KEY_ENUM:
        return parse_enum(key, text, field);
    case HVXL_KEY_HOOK:
    case HVXL_KEY_ABSENT:
        break;
    }
    g_assert_not_reached();
}

/* ---- value to text ---- */

static char *
format_enum(const HvxlKey *key, int value)
{
    for (const libxl_enum_string_table *word = key->words; word && word->s; word++) {
        if (word->v == value)
            return g_strdup(word->s);
    }
    return g_strdup(key->names ? hvxl_name_of(key->names, value) : NULL);
}

static char *
format_value(const HvxlKey *key, const void *field)
{
    switch (key->type) {
    case HVXL_KEY_STRING:
        return g_strdup(*(char *const *)field);
    case HVXL_KEY_INT:
        return g_strdup_printf("%d", *(const int *)field);
    case HVXL_KEY_UINT32:
        return g_strdup_printf("%u", *(const uint32_t *)field);
    case HVXL_KEY_MIB:
        return g_strdup_printf("%" G_GUINT64_FORMAT, *(const uint64_t *)field / 1024);
    case HVXL_KEY_BOOL:
        return g_strdup(*(const bool *)field ? "1" : "0");
    case HVXL_KEY_DEFBOOL:
        return libxl_defbool_is_default(*(const libxl_defbool *)field)
                   ? NULL
                   : g_strdup(hvxl_is_on(*(const libxl_defbool *)field) ? "1" : "0");
    case HVXL_KEY_ENUM:
        return format_enum(key, *(const int *)field);
    case HVXL_KEY_STRINGS:
    case HVXL_KEY_HOOK:
    case HVXL_KEY_ABSENT:
        break;
    }
    g_assert_not_reached();
}

/* ---- all keys ---- */

static const HvxlKey *
find_key(const HvxlKey *table, size_t n_rows, const char *name)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

static void
warn_key(HvxlBuild *b, const char *of, const char *name, const char *why)
{
    g_autofree char *path = g_strdup_printf("metadata/xl/%s", name);

    hvxl_warn_path(b, of, path, why);
}

static gboolean
build_key(HvxlBuild *b, const HvxlKey *key, const char *of, const GPtrArray *values, void *base,
          GError **error)
{
    if (key->type == HVXL_KEY_ABSENT) {
        warn_key(b, of, key->name, key->why);
        return TRUE;
    }
    if (!(key->guests & 1u << b->type)) {
        warn_key(b, of, key->name, "a domain of this type has no such thing");
        return TRUE;
    }
    if (key->type == HVXL_KEY_HOOK)
        return key->build(b, key, values, base, error);
    for (guint i = 0; i < values->len; i++) {
        if (!parse_value(key, values->pdata[i], (char *)base + key->offset))
            return hvxl_invalid(error, "metadata: '%s' can't be a value of xl's %s", //
                                (const char *)values->pdata[i], key->name);
    }
    return TRUE;
}

static bool
seen_before(const GPtrArray *keys, guint index)
{
    const char *name = ((const ConfXlKey *)keys->pdata[index])->name;

    for (guint i = 0; i < index; i++) {
        if (strcmp(((const ConfXlKey *)keys->pdata[i])->name, name) == 0)
            return true;
    }
    return false;
}

gboolean
hvxl_keys_build(HvxlBuild *b, const HvxlKey *table, size_t n_rows, const char *of,
                const GPtrArray *keys, void *base, GError **error)
{
    for (guint i = 0; keys && i < keys->len; i++) {
        const ConfXlKey *first = keys->pdata[i];
        const HvxlKey *key = find_key(table, n_rows, first->name);
        g_autoptr(GPtrArray) values = g_ptr_array_new();

        if (seen_before(keys, i))
            continue;
        for (guint k = i; k < keys->len; k++) {
            const ConfXlKey *item = keys->pdata[k];

            if (strcmp(item->name, first->name) == 0)
                g_ptr_array_add(values, item->value);
        }
        if (key == NULL)
            warn_key(b, of, first->name, "no key of xl that has its place here");
        else if (!build_key(b, key, of, values, base, error))
            return FALSE;
    }
    return TRUE;
}

static void
adopt_strings(const HvxlKey *key, const libxl_string_list *list, GPtrArray *keys)
{
    for (int i = 0; i < libxl_string_list_length(list); i++)
        conf_xl_keys_add_item(keys, key->name, (*list)[i]);
}

static void
adopt_field(const HvxlKey *key, const void *field, const void *fresh, GPtrArray *keys)
{
    g_autofree char *text = NULL, *otherwise = NULL;

    if (key->type == HVXL_KEY_STRINGS) {
        adopt_strings(key, field, keys);
        return;
    }
    text = format_value(key, field);
    otherwise = format_value(key, fresh);
    if (text && g_strcmp0(text, otherwise) != 0)
        conf_xl_keys_set(keys, key->name, text);
}

void
hvxl_keys_adopt(const HvxlKey *table, size_t n_rows, libxl_domain_type type, const void *base,
                const void *fresh, GPtrArray *keys)
{
    for (size_t i = 0; i < n_rows; i++) {
        const HvxlKey *key = &table[i];

        if (!(key->guests & 1u << type) || key->type == HVXL_KEY_ABSENT || key->build_only)
            continue;
        if (key->type == HVXL_KEY_HOOK)
            key->adopt(base, key, keys);
        else
            adopt_field(key, (const char *)base + key->offset, (const char *)fresh + key->offset,
                        keys);
    }
}

gboolean
hvxl_build_keys(HvxlBuild *b, GError **error)
{
    return hvxl_keys_build(b, hvxl_keys, hvxl_n_keys, NULL, b->ext->keys, b->config, error);
}
