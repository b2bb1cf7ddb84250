/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every field of the records that XenServer and XCP-ng export with a VM, one row each: which key of
 * xl says it, or what else becomes of it. Within a device in the order in which xl's text is
 * written.
 */
#include "conf-xva.h"

#define TEXT(path_, key_, ...)                                                                     \
    {                                                                                              \
        .path = path_, .kind = VIA_TEXT, .key = key_, __VA_ARGS__                                  \
    }
#define NUMBER(path_, key_, ...)                                                                   \
    {                                                                                              \
        .path = path_, .kind = VIA_NUMBER, .key = key_, __VA_ARGS__                                \
    }
#define WORD(path_, key_, names_, ...)                                                             \
    {                                                                                              \
        .path = path_, .kind = VIA_WORD, .key = key_, .names = names_, __VA_ARGS__                 \
    }
#define HOOK(path_, key_, read_, ...)                                                              \
    {                                                                                              \
        .path = path_, .kind = VIA_HOOK, .key = key_, .read = xva_read_##read_, __VA_ARGS__        \
    }
/* HVM guests only: a switch, a text or a word. */
#define HVM_BOOL(path_, key_)         HOOK(path_, key_, hvm)
#define HVM_TEXT(path_, key_)         HOOK(path_, key_, hvm, .unit = 1)
#define HVM_WORD(path_, key_, names_) HOOK(path_, key_, hvm, .names = names_)
#define RUNTIME(path_)                                                                             \
    {                                                                                              \
        .path = path_, .kind = VIA_RUNTIME                                                         \
    }
#define KEPT(path_, ...)                                                                           \
    {                                                                                              \
        .path = path_, .kind = VIA_KEPT, __VA_ARGS__                                               \
    }
#define LOST(path_, neutral_, why_)                                                                \
    {                                                                                              \
        .path = path_, .kind = VIA_LOST, .neutral = neutral_, .why = why_                          \
    }
#define FALSE_WORDS "false|0|False"

static const ViaName actions[] = {
    { "destroy", "destroy" },
    { "restart", "restart" },
    { "preserve", "preserve" },
    { "rename_restart", "rename-restart" },
    { "coredump_and_destroy", "coredump-destroy" },
    { "coredump_and_restart", "coredump-restart" },
    { NULL, NULL },
};
static const ViaName firmwares[] = { { "bios", NULL }, { "uefi", "ovmf" }, { NULL, NULL } };
static const ViaName vga_kinds[] = { { "std", "stdvga" }, { "cirrus", "cirrus" }, { NULL, NULL } };
static const ViaName igd_words[] = {
    { "true", "igd" }, { "false", NULL }, { "1", "igd" }, { "0", NULL }, { NULL, NULL },
};
static const ViaName vendor_words[] = {
    { "true", "xenserver" }, { "false", NULL }, { "1", "xenserver" }, { "0", NULL }, { NULL, NULL },
};

static const char why_action[] = "libvirt has no such action";
static const char why_suspended[] =
    "the memory of a suspended VM can't be resumed here: it starts afresh";
static const char why_vgpu[] = "virtual GPUs of XenServer need its own device model";
static const char why_vusb[] =
    "the archive names a group of USB devices of that pool; attach the device of this host";
static const char why_vtpm[] = "libvirt's <tpm> has no Xen backend";
static const char why_nvram[] =
    "XenServer's own store of UEFI variables, which OVMF does not read: boot entries are made anew";
static const char why_locking[] =
    "XenServer's rules against forged addresses; <filterref> has such for libvirt";
static const char why_secureboot[] = "OVMF on Xen has no Secure Boot";

static const ViaRow rows[] = {
    /* ---- the archive ---- */
    RUNTIME("archive"),

    /* ---- VM ---- */
    TEXT("name_label", "name"),
    TEXT("uuid", "uuid"),
    HOOK("name_description", NULL, description),
    HOOK("domain_type", "type", domain_type),
    RUNTIME("allowed_operations"),
    RUNTIME("current_operations"),
    RUNTIME("power_state"),
    KEPT("user_version", .neutral = "0|1"),
    { .path = "is_a_template", .kind = VIA_DEFAULT },
    { .path = "is_default_template", .kind = VIA_DEFAULT },
    { .path = "is_a_snapshot", .kind = VIA_DEFAULT },
    { .path = "is_control_domain", .kind = VIA_DEFAULT },
    { .path = "is_snapshot_from_vmpp", .kind = VIA_DEFAULT },
    { .path = "is_vmss_snapshot", .kind = VIA_DEFAULT },
    HOOK("suspend_VDI", NULL, ref, .why = why_suspended),
    RUNTIME("suspend_SR"),
    RUNTIME("resident_on"),
    RUNTIME("scheduled_to_be_resident_on"),
    RUNTIME("affinity"),
    HOOK("memory_static_max", "maxmem", memory),
    HOOK("memory_dynamic_max", "memory", memory),
    HOOK("memory_dynamic_min", NULL, dynamic_min),
    KEPT("memory_static_min", .neutral = "0"),
    RUNTIME("memory_target"),
    RUNTIME("memory_overhead"),
    NUMBER("VCPUs_max", "maxvcpus"),
    NUMBER("VCPUs_at_startup", "vcpus"),
    NUMBER("VCPUs_params/weight", "cpu_weight"),
    NUMBER("VCPUs_params/cap", "cap", .neutral = "0"),
    TEXT("VCPUs_params/mask", "cpus"),
    KEPT("VCPUs_params/*"),
    WORD("actions_after_shutdown", "on_poweroff", actions, .why = why_action),
    WORD("actions_after_reboot", "on_reboot", actions, .why = why_action),
    WORD("actions_after_crash", "on_crash", actions, .why = why_action),
    KEPT("actions_after_softreboot", .neutral = "soft_reboot|restart"),
    RUNTIME("consoles"),
    RUNTIME("crash_dumps"),
    HOOK("PV_bootloader", "bootloader", bootloader),
    HOOK("PV_bootloader_args", "bootloader_args", pv),
    HOOK("PV_kernel", "kernel", pv),
    HOOK("PV_ramdisk", "ramdisk", pv),
    HOOK("PV_args", "cmdline", pv),
    KEPT("PV_legacy_args"),
    { .path = "HVM_boot_policy", .kind = VIA_DEFAULT },
    HVM_TEXT("HVM_boot_params/order", "boot"),
    HVM_WORD("HVM_boot_params/firmware", "bios", firmwares),
    KEPT("HVM_boot_params/*"),
    KEPT("HVM_shadow_multiplier", .neutral = "1|1.|1.0|1.000"),
    HVM_BOOL("platform/acpi", "acpi"),
    HVM_BOOL("platform/apic", "apic"),
    HVM_BOOL("platform/pae", "pae"),
    HVM_BOOL("platform/nx", "nx"),
    HVM_BOOL("platform/hap", "hap"),
    HVM_BOOL("platform/hpet", "hpet"),
    HOOK("platform/viridian", "viridian", viridian),
    HOOK("platform/viridian_time_ref_count", "viridian", viridian),
    HOOK("platform/viridian_reference_tsc", "viridian", viridian),
    HOOK("platform/viridian_apic_assist", "viridian", viridian),
    HOOK("platform/viridian_crash_ctl", "viridian", viridian),
    HOOK("platform/viridian_stimer", "viridian", viridian),
    HOOK("platform/viridian_hcall_ipi", "viridian", viridian),
    HVM_WORD("platform/vga", "vga", vga_kinds),
    HVM_TEXT("platform/videoram", "videoram"),
    NUMBER("platform/timeoffset", "rtc_timeoffset", .neutral = "0"),
    TEXT("platform/tsc_mode", "tsc_mode", .neutral = "0"),
    HOOK("platform/cores-per-socket", NULL, cores),
    { .path = "platform/device-model", .kind = VIA_DEFAULT },
    LOST("platform/secureboot", "false|auto|False|0", why_secureboot),
    HVM_BOOL("platform/exp-nested-hvm", "nestedhvm"),
    HVM_BOOL("platform/nested-virt", "nestedhvm"),
    HVM_WORD("platform/igd_passthrough", "gfx_passthru", igd_words),
    HVM_BOOL("platform/usb", "usb"),
    HOOK("platform/usb_tablet", "usbdevice", tablet),
    HVM_TEXT("platform/hvm_serial", "serial"),
    LOST("platform/parallel", "none", "libvirt's Xen driver gives a guest no parallel port by it"),
    LOST("platform/device_id", "0001|0002",
         "the number of Xen's platform device, by which Windows finds XenServer's drivers"),
    HOOK("platform/generation-id", "ms_vm_genid", genid),
    RUNTIME("platform/featureset"),
    LOST("platform/*", NULL, "a setting of XenServer's own device model, or of a later one"),
    RUNTIME("PCI_bus"),
    HOOK("other_config/auto_poweron", NULL, autostart),
    HOOK("other_config/pci", "pci", pci),
    KEPT("other_config/*"),
    RUNTIME("domid"),
    RUNTIME("domarch"),
    RUNTIME("last_boot_CPU_flags"),
    RUNTIME("last_booted_record"),
    RUNTIME("metrics"),
    RUNTIME("guest_metrics"),
    KEPT("recommendations"),
    KEPT("xenstore_data"),
    KEPT("ha_always_run", .neutral = FALSE_WORDS),
    KEPT("ha_restart_priority"),
    RUNTIME("snapshot_of"),
    RUNTIME("snapshots"),
    RUNTIME("snapshot_time"),
    RUNTIME("transportable_snapshot_id"),
    RUNTIME("snapshot_info"),
    RUNTIME("snapshot_metadata"),
    RUNTIME("parent"),
    RUNTIME("children"),
    KEPT("blobs"),
    KEPT("tags"),
    KEPT("blocked_operations"),
    HOOK("bios_strings", NULL, bios_strings),
    RUNTIME("protection_policy"),
    RUNTIME("snapshot_schedule"),
    KEPT("appliance/name_label"),
    KEPT("appliance/name_description"),
    HOOK("appliance", NULL, ref),
    KEPT("start_delay", .neutral = "0"),
    KEPT("shutdown_delay", .neutral = "0"),
    KEPT("order", .neutral = "0"),
    LOST("VGPUs", NULL, why_vgpu),
    LOST("attached_PCIs", NULL, "devices of that host; other_config/pci says what is passed"),
    LOST("VUSBs", NULL, why_vusb),
    LOST("VTPMs", NULL, why_vtpm),
    RUNTIME("version"),
    HOOK("generation_id", "ms_vm_genid", genid, .neutral = "0:0"),
    KEPT("hardware_platform_version", .neutral = "0"),
    HVM_WORD("has_vendor_device", "vendor_device", vendor_words),
    RUNTIME("requires_reboot"),
    KEPT("reference_label"),
    RUNTIME("pending_guidances"),
    RUNTIME("recommended_guidances"),
    RUNTIME("pending_guidances_recommended"),
    RUNTIME("pending_guidances_full"),
    LOST("NVRAM", NULL, why_nvram),
    KEPT("groups"),

    /* ---- VBD: disks ---- */
    { .path = "VBDs", .kind = VIA_SPECS, .key = "disk", .read = xva_read_disk },
    HOOK("VBDs/mode", "access", mode),
    RUNTIME("VBDs/uuid"),
    RUNTIME("VBDs/VM"),
    RUNTIME("VBDs/allowed_operations"),
    RUNTIME("VBDs/current_operations"),
    { .path = "VBDs/userdevice", .kind = VIA_USED },
    { .path = "VBDs/device", .kind = VIA_USED },
    { .path = "VBDs/type", .kind = VIA_USED },
    { .path = "VBDs/empty", .kind = VIA_USED },
    HOOK("VBDs/bootable", NULL, bootable),
    RUNTIME("VBDs/unpluggable"),
    RUNTIME("VBDs/storage_lock"),
    RUNTIME("VBDs/currently_attached"),
    RUNTIME("VBDs/reserved"),
    RUNTIME("VBDs/status_code"),
    RUNTIME("VBDs/status_detail"),
    RUNTIME("VBDs/runtime_properties"),
    RUNTIME("VBDs/metrics"),
    KEPT("VBDs/qos_algorithm_type"),
    KEPT("VBDs/qos_algorithm_params"),
    RUNTIME("VBDs/qos_supported_algorithms"),
    KEPT("VBDs/other_config"),
    { .path = "VBDs/VDI/virtual_size", .kind = VIA_USED },
    KEPT("VBDs/VDI/uuid"),
    KEPT("VBDs/VDI/name_label"),
    KEPT("VBDs/VDI/name_description"),
    KEPT("VBDs/VDI/type", .neutral = "user|system"),
    LOST("VBDs/VDI/sharable", FALSE_WORDS,
         "written to from several domains at once: libvirt's <shareable/> says so, if it shall "
         "stay"),
    LOST("VBDs/VDI/read_only", FALSE_WORDS, "the VBD's mode decides"),
    KEPT("VBDs/VDI/tags"),
    KEPT("VBDs/VDI/other_config"),
    RUNTIME("VBDs/VDI/sm_config"),
    RUNTIME("VBDs/VDI/xenstore_data"),
    RUNTIME("VBDs/VDI/allowed_operations"),
    RUNTIME("VBDs/VDI/current_operations"),
    RUNTIME("VBDs/VDI/VBDs"),
    RUNTIME("VBDs/VDI/crash_dumps"),
    RUNTIME("VBDs/VDI/physical_utilisation"),
    RUNTIME("VBDs/VDI/storage_lock"),
    RUNTIME("VBDs/VDI/location"),
    RUNTIME("VBDs/VDI/managed"),
    RUNTIME("VBDs/VDI/missing"),
    RUNTIME("VBDs/VDI/parent"),
    RUNTIME("VBDs/VDI/is_a_snapshot"),
    RUNTIME("VBDs/VDI/snapshot_of"),
    RUNTIME("VBDs/VDI/snapshots"),
    RUNTIME("VBDs/VDI/snapshot_time"),
    RUNTIME("VBDs/VDI/allow_caching"),
    RUNTIME("VBDs/VDI/on_boot"),
    RUNTIME("VBDs/VDI/metadata_of_pool"),
    RUNTIME("VBDs/VDI/metadata_latest"),
    RUNTIME("VBDs/VDI/is_tools_iso"),
    RUNTIME("VBDs/VDI/cbt_enabled"),
    RUNTIME("VBDs/VDI/activated_on"),
    KEPT("VBDs/VDI/SR/uuid"),
    KEPT("VBDs/VDI/SR/name_label"),
    KEPT("VBDs/VDI/SR/type"),
    HOOK("VBDs/VDI/SR", NULL, rest_runtime),
    HOOK("VBDs/VDI", NULL, ref),

    /* ---- VIF: interfaces ---- */
    { .path = "VIFs", .kind = VIA_SPECS, .key = "vif" },
    TEXT("VIFs/MAC", "mac"),
    TEXT("VIFs/network/bridge", "bridge"),
    NUMBER("VIFs/MTU", "mtu", .neutral = "0|1500"),
    HOOK("VIFs/qos_algorithm_params", "rate", rate),
    KEPT("VIFs/qos_algorithm_type", .neutral = "ratelimit"),
    RUNTIME("VIFs/uuid"),
    { .path = "VIFs/device", .kind = VIA_USED },
    RUNTIME("VIFs/VM"),
    RUNTIME("VIFs/allowed_operations"),
    RUNTIME("VIFs/current_operations"),
    RUNTIME("VIFs/currently_attached"),
    RUNTIME("VIFs/reserved"),
    RUNTIME("VIFs/status_code"),
    RUNTIME("VIFs/status_detail"),
    RUNTIME("VIFs/runtime_properties"),
    RUNTIME("VIFs/metrics"),
    RUNTIME("VIFs/qos_supported_algorithms"),
    RUNTIME("VIFs/MAC_autogenerated"),
    LOST("VIFs/locking_mode", "network_default|unlocked", why_locking),
    LOST("VIFs/ipv4_allowed", NULL, why_locking),
    LOST("VIFs/ipv6_allowed", NULL, why_locking),
    RUNTIME("VIFs/ipv4_configuration_mode"),
    RUNTIME("VIFs/ipv4_addresses"),
    RUNTIME("VIFs/ipv4_gateway"),
    RUNTIME("VIFs/ipv6_configuration_mode"),
    RUNTIME("VIFs/ipv6_addresses"),
    RUNTIME("VIFs/ipv6_gateway"),
    RUNTIME("VIFs/reserved_pci"),
    KEPT("VIFs/other_config"),
    KEPT("VIFs/network/uuid"),
    KEPT("VIFs/network/name_label"),
    KEPT("VIFs/network/name_description"),
    LOST("VIFs/network/default_locking_mode", "unlocked", why_locking),
    HOOK("VIFs/network", NULL, rest_runtime),
};

static const char *
why(const char *path)
{
    return via_why(&xva_table, path);
}

const ViaTable xva_table = { rows, G_N_ELEMENTS(rows), xva_finish, "xenserver", why };

ConfDomain *
conf_xva_to_domain(ConfNative *native, ConfReport *report, GError **error)
{
    return via_to_domain(native, report, &xva_table, error);
}
