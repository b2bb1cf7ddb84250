/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every field of libxl's record of a domain (libxl_domain_config as JSON), one row each: which key
 * of xl sets it. In the order of libxl's interface; within a device in the order in which xl's text
 * of it is written.
 */
#include "conf-xlj.h"

#include <string.h>

#define TEXT(path_, key_, ...)                                                                     \
    {                                                                                              \
        .path = path_, .kind = VIA_TEXT, .key = key_, __VA_ARGS__                                  \
    }
#define BOOL(path_, key_, ...)                                                                     \
    {                                                                                              \
        .path = path_, .kind = VIA_BOOL, .key = key_, __VA_ARGS__                                  \
    }
#define FLAG(path_, key_)                                                                          \
    {                                                                                              \
        .path = path_, .kind = VIA_FLAG, .key = key_                                               \
    }
#define NUMBER(path_, key_, ...)                                                                   \
    {                                                                                              \
        .path = path_, .kind = VIA_NUMBER, .key = key_, __VA_ARGS__                                \
    }
#define WORD(path_, key_, names_, ...)                                                             \
    {                                                                                              \
        .path = path_, .kind = VIA_WORD, .key = key_, .names = names_, __VA_ARGS__                 \
    }
#define LIST(path_, key_)                                                                          \
    {                                                                                              \
        .path = path_, .kind = VIA_LIST, .key = key_                                               \
    }
#define SPECS(path_, key_, ...)                                                                    \
    {                                                                                              \
        .path = path_, .kind = VIA_SPECS, .key = key_, __VA_ARGS__                                 \
    }
#define HOOK(path_, key_, read_, ...)                                                              \
    {                                                                                              \
        .path = path_, .kind = VIA_HOOK, .key = key_, .read = xlj_read_##read_, __VA_ARGS__        \
    }
#define RUNTIME(path_)                                                                             \
    {                                                                                              \
        .path = path_, .kind = VIA_RUNTIME                                                         \
    }
#define LOST(path_, neutral_, why_)                                                                \
    {                                                                                              \
        .path = path_, .kind = VIA_LOST, .neutral = neutral_, .why = why_                          \
    }
#define KIB   .unit = 1024
#define UNSET .neutral = "-1|18446744073709551615"

static const ViaName types[] = {
    { "pv", "pv" }, { "hvm", "hvm" }, { "pvh", "pvh" }, { NULL, NULL }
};
static const ViaName actions[] = {
    { "destroy", "destroy" },
    { "restart", "restart" },
    { "restart_rename", "rename-restart" },
    { "rename_restart", "rename-restart" },
    { "preserve", "preserve" },
    { "coredump_destroy", "coredump-destroy" },
    { "coredump_restart", "coredump-restart" },
    { "soft_reset", "soft-reset" },
    { NULL, NULL },
};
static const ViaName dm_versions[] = {
    { "qemu_xen", "qemu-xen" },
    { "qemu_xen_traditional", "qemu-xen-traditional" },
    { "none", NULL },
    { "unknown", NULL },
    { NULL, NULL },
};
static const ViaName tsc_modes[] = {
    { "default", NULL },    { "always_emulate", "always_emulate" },
    { "native", "native" }, { "native_paravirt", "native_paravirt" },
    { NULL, NULL },
};
static const ViaName vga_kinds[] = {
    { "std", "stdvga" }, { "cirrus", "cirrus" }, { "none", "none" },
    { "qxl", "qxl" },    { "unknown", NULL },    { NULL, NULL },
};
static const ViaName nic_types[] = {
    { "vif_ioemu", "ioemu" }, { "vif", "vif" }, { "unknown", NULL }, { NULL, NULL }
};
static const ViaName disk_formats[] = {
    { "raw", "raw" }, { "qcow", "qcow" },   { "qcow2", "qcow2" }, { "vhd", "vhd" },
    { "qed", "qed" }, { "empty", "empty" }, { "unknown", NULL },  { NULL, NULL },
};
static const ViaName disk_backends[] = {
    { "phy", "phy" },    { "tap", "tap" }, { "qdisk", "qdisk" }, { "standalone", "standalone" },
    { "unknown", NULL }, { NULL, NULL },
};
static const ViaName specifications[] = {
    { "xen", "xen" }, { "virtio", "virtio" }, { "unknown", NULL }, { NULL, NULL }
};
static const ViaName usbctrl_types[] = {
    { "auto", NULL },   { "pv", "pv" }, { "devicemodel", "devicemodel" },
    { "qusb", "qusb" }, { NULL, NULL },
};
static const ViaName vkb_backends[] = {
    { "qemu", NULL }, { "linux", "linux" }, { "unknown", NULL }, { NULL, NULL }
};

static const char why_domid[] =
    "a number of that one run; name the backend's domain in <backenddomain>";
static const char why_colo[] = "COLO replication belongs to one run, not to a definition";
static const char why_sched[] = "the scheduler is the host's: 'sched=' of Xen's command line";
static const char why_ssidref[] = "a number of that one run; the label says it";

static const ViaRow rows[] = {
    RUNTIME("domid"),

    /* ---- libxl_domain_create_info ---- */
    WORD("c_info/type", "type", types, .why = "no type of domain that is known here"),
    BOOL("c_info/hap", "hap"),
    BOOL("c_info/oos", "oos"),
    LOST("c_info/ssidref", "0", why_ssidref),
    TEXT("c_info/ssid_label", "seclabel"),
    TEXT("c_info/name", "name"),
    RUNTIME("c_info/domid"),
    TEXT("c_info/uuid", "uuid"),
    HOOK("c_info/xsdata", NULL, xsdata,
         .why = "no domXML element for entries of xenstore; it is written again at each start"),
    LOST("c_info/platformdata", NULL, "nothing reads it since Xen 4.3"),
    LOST("c_info/poolid", "0", "a number of that one run; pool_name says it"),
    TEXT("c_info/pool_name", "pool"),
    { .path = "c_info/run_hotplug_scripts", .kind = VIA_DEFAULT },
    BOOL("c_info/driver_domain", "driver_domain"),
    TEXT("c_info/passthrough", "passthrough", .neutral = "default|unknown"),
    BOOL("c_info/xend_suspend_evtchn_compat", "xend_suspend_evtchn_compat"),
    NUMBER("c_info/xenstore_feature_mask", "xenstore_feature_mask", .neutral = "4294967295"),
    LOST("c_info/llc_colors", NULL, "no domXML element for cache colours"),

    /* ---- libxl_domain_build_info ---- */
    NUMBER("b_info/max_vcpus", "maxvcpus"),
    HOOK("b_info/avail_vcpus", "vcpus", avail_vcpus),
    HOOK("b_info/cpumap", "cpus", cpumap),
    HOOK("b_info/nodemap", NULL, nodemap),
    HOOK("b_info/vcpu_hard_affinity", "cpus", affinity),
    HOOK("b_info/vcpu_soft_affinity", "cpus_soft", affinity),
    { .path = "b_info/numa_placement", .kind = VIA_DEFAULT },
    WORD("b_info/tsc_mode", "tsc_mode", tsc_modes),
    HOOK("b_info/max_memkb", "maxmem", memory, UNSET),
    HOOK("b_info/target_memkb", "memory", memory, UNSET),
    NUMBER("b_info/video_memkb", "videoram", KIB, UNSET),
    NUMBER("b_info/shadow_memkb", "shadow_memory", KIB, UNSET),
    RUNTIME("b_info/iommu_memkb"),
    HOOK("b_info/rtc_timeoffset", "rtc_timeoffset", timeoffset),
    LOST("b_info/exec_ssidref", "0", why_ssidref),
    TEXT("b_info/exec_ssid_label", "seclabel"),
    BOOL("b_info/localtime", "localtime"),
    BOOL("b_info/disable_migrate", "nomigrate"),
    HOOK("b_info/cpuid", "cpuid", cpuid, .why = "xl has no way to say bits of MSRs"),
    LOST("b_info/blkdev_start", "xvda", "where xl looks for the disk of a boot loader"),
    HOOK("b_info/vnuma_nodes", "vnuma", vnuma),
    NUMBER("b_info/max_grant_frames", "max_grant_frames", .neutral = "4294967295"),
    NUMBER("b_info/max_maptrack_frames", "max_maptrack_frames", .neutral = "4294967295"),
    NUMBER("b_info/max_grant_version", "max_grant_version", .neutral = "-1"),
    WORD("b_info/device_model_version", "device_model_version", dm_versions),
    BOOL("b_info/device_model_stubdomain", "device_model_stubdomain_override"),
    NUMBER("b_info/stubdomain_memkb", "stubdomain_memory", KIB, UNSET),
    TEXT("b_info/stubdomain_kernel", "stubdomain_kernel"),
    TEXT("b_info/stubdomain_cmdline", "stubdomain_cmdline"),
    TEXT("b_info/stubdomain_ramdisk", "stubdomain_ramdisk"),
    TEXT("b_info/device_model", "device_model_override"),
    LOST("b_info/device_model_ssidref", "0", why_ssidref),
    TEXT("b_info/device_model_ssid_label", "device_model_stubdomain_seclabel"),
    TEXT("b_info/device_model_user", "device_model_user"),
    HOOK("b_info/extra", "device_model_args", arguments),
    LIST("b_info/extra_pv", "device_model_args_pv"),
    LIST("b_info/extra_hvm", "device_model_args_hvm"),
    LOST("b_info/sched_params/sched", "unknown", why_sched),
    NUMBER("b_info/sched_params/weight", "cpu_weight", .neutral = "-1|0"),
    NUMBER("b_info/sched_params/cap", "cap", .neutral = "-1|0"),
    NUMBER("b_info/sched_params/period", "period", .neutral = "-1|0"),
    LOST("b_info/sched_params/budget", "-1|0",
         "xl has no key for the budget of RTDS: 'xl sched-rtds' sets it in a running domain"),
    NUMBER("b_info/sched_params/extratime", "extratime", .neutral = "-1"),
    NUMBER("b_info/sched_params/slice", "slice", .neutral = "-1|0"),
    NUMBER("b_info/sched_params/latency", "latency", .neutral = "-1|0"),
    HOOK("b_info/ioports", "ioports", range),
    LIST("b_info/irqs", "irqs"),
    HOOK("b_info/iomem", "iomem", range),
    { .path = "b_info/claim_mode", .kind = VIA_DEFAULT },
    NUMBER("b_info/event_channels", "max_event_channels", .neutral = "0"),
    TEXT("b_info/kernel", "kernel"),
    TEXT("b_info/cmdline", "cmdline"),
    TEXT("b_info/ramdisk", "ramdisk"),
    TEXT("b_info/device_tree", "device_tree"),
    BOOL("b_info/acpi", "acpi"),
    TEXT("b_info/bootloader", "bootloader"),
    HOOK("b_info/bootloader_args", "bootloader_args", bootloader_args),
    BOOL("b_info/bootloader_restrict", "bootloader_restrict"),
    TEXT("b_info/bootloader_user", "bootloader_user"),
    TEXT("b_info/timer_mode", "timer_mode", .neutral = "unknown"),
    BOOL("b_info/nested_hvm", "nestedhvm"),
    BOOL("b_info/apic", "apic"),
    BOOL("b_info/dm_restrict", "dm_restrict"),
    TEXT("b_info/tee", "tee", .neutral = "none"),
    RUNTIME("b_info/type"),

    /* HVM */
    TEXT("b_info/type.hvm/firmware", "firmware"),
    TEXT("b_info/type.hvm/bios", "bios", .neutral = "unknown"),
    BOOL("b_info/type.hvm/pae", "pae"),
    BOOL("b_info/type.hvm/apic", "apic"),
    BOOL("b_info/type.hvm/acpi", "acpi"),
    BOOL("b_info/type.hvm/acpi_s3", "acpi_s3"),
    BOOL("b_info/type.hvm/acpi_s4", "acpi_s4"),
    BOOL("b_info/type.hvm/acpi_laptop_slate", "acpi_laptop_slate"),
    BOOL("b_info/type.hvm/nx", "nx"),
    HOOK("b_info/type.hvm/viridian", "viridian", viridian),
    HOOK("b_info/type.hvm/viridian_enable", "viridian", viridian),
    HOOK("b_info/type.hvm/viridian_disable", "viridian", viridian),
    LOST("b_info/type.hvm/timeoffset", "0", "rtc_timeoffset is what Xen uses since 4.2"),
    BOOL("b_info/type.hvm/hpet", "hpet"),
    BOOL("b_info/type.hvm/vpt_align", "vpt_align"),
    NUMBER("b_info/type.hvm/mmio_hole_memkb", "mmio_hole", KIB, UNSET),
    TEXT("b_info/type.hvm/timer_mode", "timer_mode", .neutral = "unknown"),
    BOOL("b_info/type.hvm/nested_hvm", "nestedhvm"),
    BOOL("b_info/type.hvm/altp2m", "altp2mhvm"),
    TEXT("b_info/type.hvm/system_firmware", "bios_path_override"),
    TEXT("b_info/type.hvm/smbios_firmware", "smbios_firmware"),
    TEXT("b_info/type.hvm/acpi_firmware", "acpi_firmware"),
    LOST("b_info/type.hvm/smbios", NULL, "domXML has <sysinfo>: see c_info/xsdata"),
    TEXT("b_info/type.hvm/hdtype", "hdtype"),
    HOOK("b_info/type.hvm/nographic", "nographic", nographic),
    WORD("b_info/type.hvm/vga/kind", "vga", vga_kinds, .why = "libvirt has no such video model"),
    BOOL("b_info/type.hvm/vnc/enable", "vnc"),
    HOOK("b_info/type.hvm/vnc/listen", "vnclisten", vnc_listen),
    TEXT("b_info/type.hvm/vnc/passwd", "vncpasswd"),
    NUMBER("b_info/type.hvm/vnc/display", "vncdisplay"),
    BOOL("b_info/type.hvm/vnc/findunused", "vncunused"),
    TEXT("b_info/type.hvm/keymap", "keymap"),
    BOOL("b_info/type.hvm/sdl/enable", "sdl"),
    BOOL("b_info/type.hvm/sdl/opengl", "opengl"),
    TEXT("b_info/type.hvm/sdl/display", "display"),
    TEXT("b_info/type.hvm/sdl/xauthority", "xauthority"),
    BOOL("b_info/type.hvm/spice/enable", "spice"),
    NUMBER("b_info/type.hvm/spice/port", "spiceport", .neutral = "0"),
    NUMBER("b_info/type.hvm/spice/tls_port", "spicetls_port", .neutral = "0"),
    TEXT("b_info/type.hvm/spice/host", "spicehost"),
    BOOL("b_info/type.hvm/spice/disable_ticketing", "spicedisable_ticketing"),
    TEXT("b_info/type.hvm/spice/passwd", "spicepasswd"),
    BOOL("b_info/type.hvm/spice/agent_mouse", "spiceagent_mouse"),
    BOOL("b_info/type.hvm/spice/vdagent", "spicevdagent"),
    BOOL("b_info/type.hvm/spice/clipboard_sharing", "spice_clipboard_sharing"),
    NUMBER("b_info/type.hvm/spice/usbredirection", "spiceusbredirection", .neutral = "0"),
    TEXT("b_info/type.hvm/spice/image_compression", "spice_image_compression"),
    TEXT("b_info/type.hvm/spice/streaming_video", "spice_streaming_video"),
    HOOK("b_info/type.hvm/gfx_passthru", "gfx_passthru", gfx),
    { .path = "b_info/type.hvm/gfx_passthru_kind", .kind = VIA_DEFAULT },
    TEXT("b_info/type.hvm/serial", "serial"),
    TEXT("b_info/type.hvm/boot", "boot"),
    BOOL("b_info/type.hvm/usb", "usb"),
    NUMBER("b_info/type.hvm/usbversion", "usbversion", .neutral = "0"),
    TEXT("b_info/type.hvm/usbdevice", "usbdevice"),
    BOOL("b_info/type.hvm/vkb_device", "vkb_device"),
    TEXT("b_info/type.hvm/soundhw", "soundhw"),
    BOOL("b_info/type.hvm/xen_platform_pci", "xen_platform_pci"),
    BOOL("b_info/type.hvm/xen_platform_pci_bar_uc", "xen_platform_pci_bar_uc"),
    LIST("b_info/type.hvm/usbdevice_list", "usbdevice"),
    TEXT("b_info/type.hvm/vendor_device", "vendor_device", .neutral = "none"),
    HOOK("b_info/type.hvm/ms_vm_genid", "ms_vm_genid", genid),
    LIST("b_info/type.hvm/serial_list", "serial"),
    HOOK("b_info/type.hvm/rdm", "rdm", rdm),
    NUMBER("b_info/type.hvm/rdm_mem_boundary_memkb", "rdm_mem_boundary", KIB, UNSET),
    HOOK("b_info/type.hvm/mca_caps", "mca_caps", mca_caps, .neutral = "0"),
    BOOL("b_info/type.hvm/pirq", "hvm_pirq"),

    /* PV */
    TEXT("b_info/type.pv/kernel", "kernel"),
    LOST("b_info/type.pv/slack_memkb", "0|18446744073709551615", "xl has no key for it"),
    TEXT("b_info/type.pv/bootloader", "bootloader"),
    HOOK("b_info/type.pv/bootloader_args", "bootloader_args", bootloader_args),
    TEXT("b_info/type.pv/cmdline", "cmdline"),
    TEXT("b_info/type.pv/ramdisk", "ramdisk"),
    LOST("b_info/type.pv/features", NULL, "no domXML element for the features of a PV kernel"),
    BOOL("b_info/type.pv/e820_host", "e820_host"),

    /* PVH */
    BOOL("b_info/type.pvh/pvshim", "pvshim"),
    TEXT("b_info/type.pvh/pvshim_path", "pvshim_path"),
    TEXT("b_info/type.pvh/pvshim_cmdline", "pvshim_cmdline"),
    TEXT("b_info/type.pvh/pvshim_extra", "pvshim_extra"),

    TEXT("b_info/arch_arm/gic_version", "gic_version", .neutral = "default"),
    TEXT("b_info/arch_arm/vuart", "vuart", .neutral = "unknown"),
    TEXT("b_info/arch_arm/sve_vl", "sve", .neutral = "disabled"),
    NUMBER("b_info/arch_arm/nr_spis", "nr_spis", .neutral = "0"),
    BOOL("b_info/arch_x86/msr_relaxed", "msr_relaxed"),
    TEXT("b_info/altp2m", "altp2m", .neutral = "disabled"),
    NUMBER("b_info/altp2m_count", "altp2m_count"),
    NUMBER("b_info/vmtrace_buf_kb", "vmtrace_buf_kb", .neutral = "0"),
    BOOL("b_info/vpmu", "vpmu"),
    BOOL("b_info/trap_unmapped_accesses", "trap_unmapped_accesses"),

    /* ---- disks ---- */
    SPECS("disks", "disk", .read = xlj_read_disk),
    WORD("disks/format", "format", disk_formats),
    TEXT("disks/vdev", "vdev"),
    HOOK("disks/readwrite", "access", access),
    FLAG("disks/is_cdrom", "devtype=cdrom"),
    HOOK("disks/removable", NULL, removable,
         .why = "no domXML element for a removable disk on Xen"),
    TEXT("disks/backend_domname", "backend"),
    LOST("disks/backend_domid", "0", why_domid),
    WORD("disks/backend", "backendtype", disk_backends),
    HOOK("disks/script", "script", script),
    FLAG("disks/direct_io_safe", "direct-io-safe"),
    HOOK("disks/discard_enable", "discard|no-discard", switch),
    WORD("disks/specification", "specification", specifications),
    LOST("disks/transport", "unknown|mmio", "xl has no key for the transport of virtio"),
    RUNTIME("disks/irq"),
    RUNTIME("disks/base"),
    HOOK("disks/colo_enable", "colo|no-colo", switch),
    LOST("disks/colo_restore_enable", "False", why_colo),
    TEXT("disks/colo_host", "colo-host"),
    NUMBER("disks/colo_port", "colo-port", .neutral = "0"),
    TEXT("disks/colo_export", "colo-export"),
    TEXT("disks/active_disk", "active-disk"),
    TEXT("disks/hidden_disk", "hidden-disk"),
    HOOK("disks/trusted", "trusted|untrusted", switch),
    TEXT("disks/grant_usage", "grant_usage", .neutral = "default"),
    TEXT("disks/pdev_path", "target"),

    /* ---- interfaces ---- */
    SPECS("nics", "vif"),
    TEXT("nics/mac", "mac"),
    TEXT("nics/bridge", "bridge"),
    WORD("nics/nictype", "type", nic_types),
    TEXT("nics/model", "model"),
    TEXT("nics/ifname", "vifname"),
    HOOK("nics/script", "script", script),
    TEXT("nics/ip", "ip"),
    TEXT("nics/backend_domname", "backend"),
    LOST("nics/backend_domid", "0", why_domid),
    RUNTIME("nics/devid"),
    NUMBER("nics/mtu", "mtu", .neutral = "0"),
    TEXT("nics/vlan", "vlan"),
    HOOK("nics/rate_bytes_per_interval", "rate", rate, .neutral = "0"),
    { .path = "nics/rate_interval_usecs", .kind = VIA_DEFAULT },
    TEXT("nics/gatewaydev", "gatewaydev"),
    TEXT("nics/coloft_forwarddev", "forwarddev"),
    HOOK("nics/trusted", "trusted|untrusted", switch),

    /* ---- devices of the host ---- */
    SPECS("pcidevs", "pci", .read = xlj_read_pci),
    BOOL("pcidevs/msitranslate", "msitranslate"),
    BOOL("pcidevs/power_mgmt", "power_mgmt"),
    BOOL("pcidevs/permissive", "permissive"),
    BOOL("pcidevs/seize", "seize"),
    TEXT("pcidevs/rdm_policy", "rdm_policy", .neutral = "invalid"),
    LOST("pcidevs/name", NULL, "libvirt knows a PCI device by its address, which is beside it"),
    RUNTIME("pcidevs/vfunc_mask"),
    RUNTIME("rdms"),
    SPECS("dtdevs", "dtdev", .read = xlj_read_dtdev),
    SPECS("usbctrls", "usbctrl"),
    WORD("usbctrls/type", "type", usbctrl_types),
    NUMBER("usbctrls/version", "version", .neutral = "0"),
    NUMBER("usbctrls/ports", "ports", .neutral = "0"),
    RUNTIME("usbctrls/devid"),
    TEXT("usbctrls/backend_domname", "backend"),
    LOST("usbctrls/backend_domid", "0", why_domid),
    SPECS("usbdevs", "usbdev"),
    { .path = "usbdevs/type", .kind = VIA_DEFAULT },
    NUMBER("usbdevs/type.hostdev/hostbus", "hostbus"),
    NUMBER("usbdevs/type.hostdev/hostaddr", "hostaddr"),
    NUMBER("usbdevs/ctrl", "controller", .neutral = "-1"),
    NUMBER("usbdevs/port", "port", .neutral = "0"),

    /* ---- PV devices ---- */
    SPECS("vfbs", "vfb", .read = xlj_read_vfb),
    BOOL("vfbs/vnc/enable", "vnc"),
    TEXT("vfbs/vnc/listen", "vnclisten"),
    TEXT("vfbs/vnc/passwd", "vncpasswd"),
    NUMBER("vfbs/vnc/display", "vncdisplay"),
    BOOL("vfbs/vnc/findunused", "vncunused"),
    BOOL("vfbs/sdl/enable", "sdl"),
    BOOL("vfbs/sdl/opengl", "opengl"),
    TEXT("vfbs/sdl/display", "display"),
    TEXT("vfbs/sdl/xauthority", "xauthority"),
    TEXT("vfbs/keymap", "keymap"),
    RUNTIME("vfbs/devid"),
    LOST("vfbs/backend_domid", "0", why_domid),
    LOST("vfbs/backend_domname", "0|Domain-0", "libvirt runs the device model in domain 0"),
    SPECS("vkbs", "vkb", .read = xlj_read_vkb),
    TEXT("vkbs/unique_id", "unique-id"),
    WORD("vkbs/backend_type", "backend-type", vkb_backends),
    TEXT("vkbs/backend_domname", "backend"),
    LOST("vkbs/backend_domid", "0", why_domid),
    RUNTIME("vkbs/devid"),
    BOOL("vkbs/feature_disable_keyboard", "feature-disable-keyboard"),
    BOOL("vkbs/feature_disable_pointer", "feature-disable-pointer"),
    BOOL("vkbs/feature_abs_pointer", "feature-abs-pointer"),
    BOOL("vkbs/feature_raw_pointer", "feature-raw-pointer"),
    BOOL("vkbs/feature_multi_touch", "feature-multi-touch"),
    NUMBER("vkbs/width", "width"),
    NUMBER("vkbs/height", "height"),
    NUMBER("vkbs/multi_touch_width", "multi-touch-width"),
    NUMBER("vkbs/multi_touch_height", "multi-touch-height"),
    NUMBER("vkbs/multi_touch_num_contacts", "multi-touch-num-contacts"),
    SPECS("vtpms", "vtpm"),
    TEXT("vtpms/backend_domname", "backend"),
    TEXT("vtpms/uuid", "uuid"),
    LOST("vtpms/backend_domid", "0", why_domid),
    RUNTIME("vtpms/devid"),
    SPECS("p9s", "p9"),
    TEXT("p9s/tag", "tag"),
    TEXT("p9s/path", "path"),
    TEXT("p9s/security_model", "security_model"),
    TEXT("p9s/type", "type", .neutral = "unknown|qemu"),
    NUMBER("p9s/max_space", "max-space", .neutral = "0"),
    NUMBER("p9s/max_files", "max-files", .neutral = "0"),
    NUMBER("p9s/max_open_files", "max-open-files", .neutral = "0"),
    BOOL("p9s/auto_delete", "auto-delete"),
    TEXT("p9s/backend_domname", "backend"),
    LOST("p9s/backend_domid", "0", why_domid),
    RUNTIME("p9s/devid"),
    SPECS("pvcallsifs", "pvcalls", .read = xlj_read_pvcalls),
    TEXT("pvcallsifs/backend_domname", "backend"),
    LOST("pvcallsifs/backend_domid", "0", why_domid),
    RUNTIME("pvcallsifs/devid"),
    SPECS("vdispls", "vdispl"),
    TEXT("vdispls/backend_domname", "backend"),
    BOOL("vdispls/be_alloc", "be-alloc"),
    HOOK("vdispls/connectors", "connectors", connectors),
    LOST("vdispls/backend_domid", "0", why_domid),
    RUNTIME("vdispls/devid"),
    SPECS("vsnds", "vsnd", .read = xlj_read_vsnd),
    SPECS("channels", "channel", .read = xlj_read_channel),
    TEXT("channels/connection.socket/path", "path"),
    TEXT("channels/name", "name"),
    TEXT("channels/backend_domname", "backend"),
    LOST("channels/backend_domid", "0", why_domid),
    RUNTIME("channels/devid"),
    SPECS("virtios", "virtio"),
    TEXT("virtios/type", "type"),
    TEXT("virtios/transport", "transport"),
    TEXT("virtios/backend_domname", "backend"),
    TEXT("virtios/grant_usage", "grant_usage", .neutral = "default"),
    LOST("virtios/backend_domid", "0", why_domid),
    RUNTIME("virtios/devid"),
    RUNTIME("virtios/irq"),
    RUNTIME("virtios/base"),

    /* ---- what happens ---- */
    WORD("on_poweroff", "on_poweroff", actions, .why = "libvirt has no such action"),
    WORD("on_reboot", "on_reboot", actions, .why = "libvirt has no such action"),
    WORD("on_watchdog", "on_watchdog", actions, .why = "libvirt has no such action"),
    WORD("on_crash", "on_crash", actions, .why = "libvirt has no such action"),
    WORD("on_soft_reset", "on_soft_reset", actions, .why = "libvirt has no such action"),
};

/* Some sixty fields of one kind. */
static const char *
why(const char *path)
{
    return strstr(path, "/colo_") ? why_colo : via_why(&xlj_table, path);
}

const ViaTable xlj_table = { rows, G_N_ELEMENTS(rows), xlj_finish, NULL, why };

ConfDomain *
conf_xlj_to_domain(ConfNative *native, ConfReport *report, GError **error)
{
    return via_to_domain(native, report, &xlj_table, error);
}
