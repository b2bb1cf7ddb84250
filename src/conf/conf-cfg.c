/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of xl.cfg(5) and of xm's create.py, a row a key, in the order in which they are written.
 * Rows are read in this order too: type= is known before anything that depends on it. */
#include "conf-cfg.h"

#include <string.h>

#define TYPE_OF(struct_, field_)                                                                   \
    _Generic(((struct_ *)0)->field_,                                                               \
        char *: CFG_TYPE_STRING,                                                                   \
        ConfOptInt: CFG_TYPE_OPTINT,                                                               \
        ConfTristate: CFG_TYPE_TRISTATE,                                                           \
        ConfAction: CFG_TYPE_ACTION,                                                               \
        bool: CFG_TYPE_BOOL)

#define KEY(name_, who_, field_, ...)                                                              \
    {                                                                                              \
        .name = name_, .who = who_, .type = TYPE_OF(ConfDomain, field_),                           \
        .offset = offsetof(ConfDomain, field_), __VA_ARGS__                                        \
    }
#define PART(name_, who_, field_, ...)                                                             \
    {                                                                                              \
        .name = name_, .who = who_, .type = TYPE_OF(CfgParts, field_), .in_parts = true,           \
        .offset = offsetof(CfgParts, field_), __VA_ARGS__                                          \
    }
#define HOOK(name_, who_, hook_, ...)                                                              \
    {                                                                                              \
        .name = name_, .who = who_, .read = cfg_read_##hook_, .write = cfg_write_##hook_,          \
        __VA_ARGS__                                                                                \
    }
#define LOST(name_, who_, why_, ...)                                                               \
    {                                                                                              \
        .name = name_, .who = who_, .why = why_, __VA_ARGS__                                       \
    }
#define CARRIED(name_, who_, why_, ...)                                                            \
    {                                                                                              \
        .name = name_, .who = who_, .why = why_, .carry = CFG_CARRY_ALL, __VA_ARGS__               \
    }

#define XL         CFG_XL
#define XM         CFG_XM
#define BOTH       CFG_BOTH
#define ON_HVM     .guests = CFG_HVM
#define ON_PV      .guests = CFG_PV
#define ON_HVM_PVH .guests = CFG_HVM | CFG_PVH
#define INSTEAD    .carry = CFG_CARRY_INSTEAD
#define BESIDE     .carry = CFG_CARRY_BESIDE

const char cfg_in_metadata[] = "";

static const CfgName passthrough_names[] = {
    { "default", NULL },      { "disabled", "disabled" }, { "enabled", "enabled" },
    { "sync_pt", "sync_pt" }, { "share_pt", "share_pt" }, { NULL, NULL },
};
/* xmexample.hvm says tsc_mode=1: the integer is the place in this list. xl takes both, xend the
 * integer alone: it is what is written for xm. */
static const CfgName xm_tsc_names[] = {
    { "0", NULL },          { "1", "emulate" },
    { "2", "native" },      { "3", "paravirt" },
    { "default", NULL },    { "always_emulate", "emulate" },
    { "native", "native" }, { "native_paravirt", "paravirt" },
    { NULL, NULL },
};
static const CfgName xl_tsc_names[] = {
    { "default", NULL },    { "always_emulate", "emulate" },
    { "native", "native" }, { "native_paravirt", "paravirt" },
    { "0", NULL },          { "1", "emulate" },
    { "2", "native" },      { "3", "paravirt" },
    { NULL, NULL },
};
static const CfgName vga_names[] = {
    { "none", "none" }, { "stdvga", "vga" }, { "cirrus", "cirrus" },
    { "qxl", "qxl" },   { NULL, NULL },
};
static const CfgName msr_names[] = { { "1", "ignore" }, { "0", NULL }, { NULL, NULL } };
static const CfgName gic_names[] = {
    { "v2", "2" },
    { "v3", "3" },
    { "default", NULL },
    { NULL, NULL },
};
static const CfgName dm_version_names[] = {
    { "qemu-xen", NULL },
    { "qemu-xen-traditional", cfg_in_metadata },
    { NULL, NULL },
};
static const CfgName watchdog_names[] = { { "ib700", "ib700" },
                                          { "i6300esb", "i6300esb" },
                                          { NULL, NULL } };
static const CfgName watchdog_actions[] = {
    { "reset", "reset" }, { "shutdown", "shutdown" }, { "poweroff", "poweroff" },
    { "pause", "pause" }, { "none", "none" },         { NULL, NULL },
};

static const char why_arm[] = "no domXML element for this setting of an Arm domain";
static const char why_sched[] =
    "a parameter of the SEDF and RTDS schedulers, for which domXML has no element";
static const char why_pvshim[] = "no domXML element for the PV shim";
static const char why_stubdom[] = "no domXML element for a device-model stub domain";
static const char why_client[] = "an option of the xm client, not of the domain";
static const char why_driver_domain[] = "no domXML element for the flags of a driver domain";
static const char why_paging[] = "no domXML element for xenpaging";
static const char why_osinfo[] = "domXML has no field for the kind of guest system but metadata";

const CfgKey cfg_keys[] = {
    /* what it is */
    { .name = "type",
      .who = XL,
      .type = CFG_TYPE_STRING,
      .in_parts = true,
      .offset = offsetof(CfgParts, type),
      .read = cfg_read_type },
    { .name = "builder",
      .who = BOTH,
      .type = CFG_TYPE_STRING,
      .in_parts = true,
      .offset = offsetof(CfgParts, builder),
      .read = cfg_read_type },
    KEY("name", BOTH, name, .read = cfg_read_name, .required = true),
    HOOK("uuid", BOTH, uuid),
    PART("description", XM, description),
    KEY("OVM_simple_name", XM, title),
    PART("OVM_description", XM, ovm_description, .read_only = true),
    PART("ms_vm_genid", XL, genid, ON_HVM, .neutral = "none"),
    PART("seclabel", XL, seclabel),

    /* processors */
    PART("vcpus", BOTH, vcpus),
    PART("maxvcpus", BOTH, maxvcpus),
    PART("vcpu_avail", XM, vcpu_avail),
    HOOK("cpus", BOTH, cpus, INSTEAD),
    PART("cpu", XM, cpu, .neutral = "-1", .read_only = true),
    KEY("cpu_weight", BOTH, cputune.shares, INSTEAD),
    PART("cap", XL, cap, .neutral = "0"),
    PART("cpu_cap", XM, cap, .neutral = "0"),
    HOOK("cpuid", BOTH, cpuid, BESIDE),
    PART("nx", XL, nx, .neutral = "1", ON_HVM, .read_only = true),
    PART("nestedhvm", BOTH, nestedhvm, ON_HVM_PVH),
    HOOK("vnuma", XL, vnuma),

    /* memory */
    PART("memory", BOTH, memory, .required = true),
    PART("maxmem", BOTH, maxmem, .required = true),

    /* life cycle */
    KEY("on_poweroff", BOTH, on_poweroff, INSTEAD, .why = "libvirt has no such action"),
    KEY("on_reboot", BOTH, on_reboot, INSTEAD, .why = "libvirt has no such action"),
    KEY("on_crash", BOTH, on_crash, INSTEAD, .write = cfg_write_on_crash,
        .why = "libvirt has no such action"),
    PART("restart", XM, restart, .read_only = true),

    /* what it boots */
    PART("kernel", BOTH, kernel),
    KEY("loader", XM, os.loader, ON_HVM, .path = true, .read_only = true),
    KEY("ramdisk", BOTH, os.initrd, .path = true),
    PART("cmdline", XL, cmdline),
    PART("root", BOTH, root, .read_only = true),
    PART("extra", BOTH, extra),
    PART("ip", XM, ip, .read_only = true),
    PART("netmask", XM, netmask, .read_only = true),
    PART("gateway", XM, gateway, .read_only = true),
    PART("hostname", XM, hostname, .read_only = true),
    PART("interface", XM, interface, .read_only = true),
    PART("dhcp", XM, dhcp, .read_only = true),
    PART("nfs_server", XM, nfs_server, .read_only = true),
    PART("nfs_root", XM, nfs_root, .read_only = true),
    PART("bootloader", BOTH, bootloader),
    HOOK("bootloader_args", XL, bootloader_args, INSTEAD),
    { .name = "bootargs",
      .who = BOTH,
      .read = cfg_read_bootloader_args,
      .write = cfg_write_bootloader_args },
    PART("bootentry", XM, bootentry, .read_only = true),
    PART("boot", BOTH, boot, ON_HVM),
    PART("bios", XL, bios, ON_HVM, INSTEAD),
    PART("bios_path_override", XL, bios_path, ON_HVM, INSTEAD),
    PART("firmware", XL, firmware, INSTEAD),
    PART("firmware_override", XL, firmware, ON_HVM, .read_only = true),

    /* features */
    PART("acpi", BOTH, acpi, ON_HVM_PVH, INSTEAD),
    PART("apic", BOTH, apic, ON_HVM),
    PART("pae", BOTH, pae, ON_HVM),
    PART("hap", BOTH, hap, ON_HVM_PVH),
    { .name = "extid", .who = XM, .read = cfg_read_viridian, ON_HVM, .neutral = "0" }, /* Xen 3.2 */
    HOOK("viridian", BOTH, viridian, ON_HVM, INSTEAD),
    PART("acpi_firmware", BOTH, acpi_firmware, ON_HVM, .path = true),
    KEY("acpi_s3", XL, pm_suspend_to_mem, ON_HVM, .neutral = "1"),
    KEY("acpi_s4", XL, pm_suspend_to_disk, ON_HVM, .neutral = "1"),
    KEY("vpmu", XL, features.pmu, .neutral = "0"),
    KEY("msr_relaxed", XL, features.msrs_unknown, .names = msr_names),
    KEY("gic_version", XL, features.gic_version, .names = gic_names,
        .why = "Xen has no such interrupt controller"),
    PART("e820_host", XL, e820_host, ON_PV),
    PART("passthrough", XL, passthrough, .names = passthrough_names),
    PART("max_grant_frames", XL, max_grant_frames),
    PART("max_event_channels", XL, max_event_channels),

    /* time */
    PART("tsc_mode", XL, tsc_mode, .names = xl_tsc_names),
    PART("tsc_mode", XM, tsc_mode, .names = xm_tsc_names),
    PART("hpet", BOTH, hpet, ON_HVM),
    PART("localtime", BOTH, localtime),
    PART("rtc_timeoffset", BOTH, rtc_timeoffset, .neutral = "0"),

    /* the device model */
    KEY("device_model_override", XL, emulator, .path = true),
    PART("device_model", XM, device_model),
    LOST("device_model", XL, "xl ignores it: device_model_override names another device model",
         .neutral = ""),
    { .name = "device_model_version",
      .who = XL,
      .names = dm_version_names,
      INSTEAD,
      .why = "libvirt has no element for the device model's version: an emulator path decides" },
    HOOK("device_model_args", XL, dm_args),
    { .name = "device_model_args_pv", .who = XL, .read = cfg_read_dm_args, ON_PV },
    { .name = "device_model_args_hvm", .who = XL, .read = cfg_read_dm_args, ON_HVM },

    /* devices */
    HOOK("disk", BOTH, disk),
    PART("fda", XM, fda, ON_HVM, .neutral = ""),
    PART("fdb", XM, fdb, ON_HVM, .neutral = ""),
    PART("cdrom", XM, cdrom, ON_HVM, .neutral = "", .read_only = true),
    HOOK("vif", BOTH, vif),
    PART("nics", XM, nics, .read_only = true),
    PART("ne2000", XM, ne2000, .neutral = "0", .read_only = true),
    HOOK("vfb", BOTH, vfb, BESIDE),
    PART("vnc", BOTH, vnc),
    PART("vnclisten", BOTH, vnclisten, .neutral = ""),
    PART("vncdisplay", BOTH, vncdisplay),
    PART("vncunused", BOTH, vncunused, INSTEAD),
    PART("vncpasswd", BOTH, vncpasswd, .neutral = ""),
    PART("keymap", BOTH, keymap, .neutral = ""),
    PART("sdl", BOTH, sdl),
    PART("opengl", BOTH, opengl),
    PART("display", BOTH, display, .neutral = ""),
    PART("xauthority", BOTH, xauthority, .neutral = ""),
    PART("nographic", BOTH, nographic, ON_HVM, .neutral = "0"),
    PART("vga", XL, vga, ON_HVM, .names = vga_names, .why = "libvirt has no such video model"),
    PART("stdvga", BOTH, stdvga, ON_HVM),
    PART("videoram", BOTH, videoram, ON_HVM),
    PART("spice", XL, spice, ON_HVM),
    PART("spicehost", XL, spicehost, ON_HVM, .neutral = ""),
    PART("spiceport", XL, spiceport, ON_HVM),
    PART("spicetls_port", XL, spicetls_port, ON_HVM),
    PART("spicedisable_ticketing", XL, spice_no_ticket, ON_HVM),
    PART("spicepasswd", XL, spicepasswd, ON_HVM, .neutral = ""),
    PART("spiceagent_mouse", XL, spice_agent_mouse, ON_HVM),
    PART("spicevdagent", XL, spice_vdagent, ON_HVM, INSTEAD),
    PART("spice_clipboard_sharing", XL, spice_clipboard, ON_HVM),
    PART("spiceusbredirection", XL, spice_usb, ON_HVM, .neutral = "0"),
    PART("spice_image_compression", XL, spice_compression, ON_HVM, INSTEAD),
    PART("spice_streaming_video", XL, spice_streaming, ON_HVM, INSTEAD),
    HOOK("serial", BOTH, serial, ON_HVM, INSTEAD),
    HOOK("parallel", XM, parallel, ON_HVM),
    HOOK("channel", XL, channel),
    HOOK("soundhw", BOTH, soundhw, ON_HVM, INSTEAD),
    PART("usb", BOTH, usb, ON_HVM, INSTEAD, .neutral = "0"),
    HOOK("usbdevice", BOTH, usbdevice, ON_HVM, BESIDE),
    HOOK("usbctrl", XL, usbctrl),
    HOOK("usbdev", XL, usbdev),
    PART("pci_permissive", XL, pci_permissive, .neutral = "0", .read_only = true),
    PART("pci_seize", XL, pci_seize, .neutral = "0", .read_only = true),
    HOOK("pci", BOTH, pci, BESIDE),
    PART("watchdog", XM, watchdog, ON_HVM, .names = watchdog_names,
         .why = "libvirt has no such watchdog"),
    PART("watchdog_action", XM, watchdog_action, ON_HVM, .names = watchdog_actions,
         .why = "libvirt has no such watchdog action"),

    /* ---- no home: the host, the scheduler, the hypervisor ---- */
    CARRIED("pool", BOTH, "no domXML element for the cpupool of a domain", .neutral = "Pool-0"),
    CARRIED("cpus_soft", XL, "no domXML element for soft affinity"),
    CARRIED("period", XL, why_sched),
    CARRIED("slice", XL, why_sched),
    CARRIED("latency", XL, why_sched),
    CARRIED("extratime", XL, why_sched),
    CARRIED("on_watchdog", XL,
            "no domXML element for the action after a watchdog timeout of the hypervisor",
            .neutral = "destroy"),
    CARRIED("on_soft_reset", XL, "no domXML element for the action after a soft reset",
            .neutral = "soft-reset"),
    CARRIED("pvshim", XL, why_pvshim, .neutral = "0"),
    CARRIED("pvshim_path", XL, why_pvshim),
    CARRIED("pvshim_cmdline", XL, why_pvshim),
    CARRIED("pvshim_extra", XL, why_pvshim),
    CARRIED("init_seclabel", XL,
            "no domXML element for the label that a domain has while it is built"),
    CARRIED("max_maptrack_frames", XL, "no domXML element for the limit of grant maptrack frames"),
    CARRIED("max_grant_version", XL, "no domXML element for the grant table version"),
    CARRIED("nomigrate", BOTH, "no domXML element that forbids migration", .neutral = "0"),
    CARRIED("driver_domain", XL, why_driver_domain, .neutral = "0"),
    CARRIED("device_tree", XL,
            "domXML's <dtb> is a whole device tree, and xl takes a part of one here"),
    CARRIED("xend_suspend_evtchn_compat", XL, "no domXML element for xend's suspend event channel",
            .neutral = "0"),
    CARRIED("vmtrace_buf_kb", XL, "no domXML element for vmtrace buffers", .neutral = "0"),
    CARRIED("xenstore_feature_mask", XL, "no domXML element for xenstore features"),
    CARRIED("xenstore_quota", XL, "no domXML element for xenstore quotas"),
    CARRIED("bootloader_restrict", XL, "no domXML element for a restricted bootloader"),
    CARRIED("bootloader_user", XL, "no domXML element for the user of the bootloader"),
    CARRIED("hdtype", XL, "no domXML element for the model of the emulated disk controller",
            .neutral = "ide"),
    CARRIED("oos", BOTH, "no domXML element for out-of-sync shadow page tables", .neutral = "1"),
    CARRIED("shadow_memory", BOTH, "no domXML element for the size of shadow memory",
            .neutral = "0"),
    CARRIED("acpi_laptop_slate", XL, "no domXML element for the laptop/slate switch",
            .neutral = "0"),
    CARRIED("altp2m", XL, "no domXML element for alternate p2m", .neutral = "disabled"),
    CARRIED("altp2mhvm", XL, "no domXML element for alternate p2m", .neutral = "0"),
    CARRIED("altp2m_count", XL, "no domXML element for alternate p2m"),
    CARRIED("smbios_firmware", BOTH, "no domXML element for a file of SMBIOS structures"),
    CARRIED("smbios", XL, "libvirt's Xen driver knows no <sysinfo>"),
    CARRIED("vpt_align", BOTH, "no domXML element for the alignment of virtual timers",
            .neutral = "1"),
    CARRIED("timer_mode", BOTH, "no domXML element for the mode of virtual timers"),
    CARRIED("mmio_hole", XL, "no domXML element for the MMIO hole below 4 GiB"),
    CARRIED("xen_platform_pci", BOTH, "no domXML element for the Xen platform device",
            .neutral = "1"),
    CARRIED("xen_platform_pci_bar_uc", XL, "no domXML element for the Xen platform device"),
    CARRIED("hvm_pirq", XL, "no domXML element for physical interrupts over event channels"),
    CARRIED("mca_caps", XL, "no domXML element for machine check capabilities"),
    CARRIED("vendor_device", XL, "no domXML element for the xen-pvdevice", .neutral = "none"),
    LOST("memory_sharing", XM, "no domXML element for memory sharing in Xen", .neutral = "0"),
    LOST("superpages", XM, "no domXML element for superpages of PV domains", .neutral = "0"),
    LOST("actmem", XM, why_paging, .neutral = "0"),
    LOST("xenpaging_file", XM, why_paging),
    LOST("xenpaging_extra", XM, why_paging),
    LOST("features", XM, "no domXML element for the feature string of a PV kernel", .neutral = ""),
    LOST("machine_address_size", XM, "no domXML element for the machine address size"),
    LOST("suppress_spurious_page_faults", XM, "no domXML element for it: an erratum of old kernels",
         .neutral = "0"),
    LOST("s3_integrity", XM, "no domXML element for integrity checks over S3", .neutral = "1"),
    LOST("cpuid_check", XM, "no domXML element for checks of CPUID bits"),
    LOST("vhpt", XM, "only for ia64, which Xen gave up"),
    LOST("isa", XM, "no domXML element for an ISA-only machine", .neutral = "0"),
    LOST("target", XM, "no domXML element: the domain that a stub domain serves", .neutral = "0"),
    LOST("access_control", XM, "the ACM policies of old Xen are gone"),

    /* ---- no home: devices ---- */
    LOST("vif2", BOTH, "netchannel2 is gone from Xen"),
    CARRIED("vtpm", XL, "libvirt's <tpm> has no Xen backend"),
    LOST("vtpm", XM, "libvirt's <tpm> has no Xen backend"),
    CARRIED("p9", XL, "libvirt's Xen driver knows no <filesystem>"),
    CARRIED("pvcalls", XL, "no domXML element for PV calls"),
    CARRIED("rdm", XL, "no domXML element for reserved device memory"),
    CARRIED("rdm_mem_boundary", XL, "no domXML element for reserved device memory"),
    CARRIED("pci_msitranslate", BOTH, "no domXML element for MSI-INTx translation", .neutral = "0"),
    CARRIED("pci_power_mgmt", BOTH, "no domXML element for guest control of PCI power states",
            .neutral = "0"),
    CARRIED("gfx_passthru", BOTH, "no domXML element for graphics passthrough", .neutral = "0"),
    CARRIED("dtdev", XL, "no domXML element for device-tree devices"),
    CARRIED("ioports", BOTH, "no domXML element for raw I/O ports"),
    CARRIED("iomem", XL, "no domXML element for raw I/O memory"),
    CARRIED("irqs", BOTH, "no domXML element for raw interrupts"),
    { .name = "irq", .who = XM, .read = cfg_read_irq },
    CARRIED("vdispl", XL, "no domXML element for the PV display protocol"),
    CARRIED("vsnd", XL, "no domXML element for the PV sound protocol", .nested = true),
    CARRIED("vkb", XL, "no domXML element for the options of a PV keyboard"),
    CARRIED("vkb_device", XL, "no domXML element that leaves out the PV keyboard", .neutral = "1"),
    CARRIED("virtio", XL, "no domXML element for xl's generic virtio devices"),
    CARRIED("usbversion", XL, "libvirt's Xen driver knows no emulated USB controllers",
            .neutral = "0"),
    LOST("vncviewer", BOTH, why_client),
    LOST("vncconsole", XM, why_client),
    LOST("vscsi", XM, "libvirt's Xen driver knows no SCSI devices of the host"),
    LOST("vusb", XM, "no domXML element for xend's virtual USB host controllers"),
    LOST("blkif", XM, why_driver_domain, .neutral = "0"),
    LOST("netif", XM, why_driver_domain, .neutral = "0"),
    LOST("tpmif", XM, why_driver_domain, .neutral = "0"),
    LOST("monitor", XM, "no domXML element for QEMU's monitor", .neutral = "0"),
    LOST("monitor_path", XM, "no domXML element for QEMU's monitor"),

    /* ---- no home: the device model and its stub domain ---- */
    CARRIED("dm_restrict", XL, "no domXML element for a restricted device model", .neutral = "0"),
    CARRIED("device_model_user", XL, "no domXML element for the user of the device model"),
    CARRIED("stubdomain_kernel", XL, why_stubdom),
    CARRIED("stubdomain_cmdline", XL, why_stubdom),
    CARRIED("stubdomain_ramdisk", XL, why_stubdom),
    CARRIED("stubdomain_memory", XL, why_stubdom),
    CARRIED("device_model_stubdomain_override", XL, why_stubdom, .neutral = "0"),
    CARRIED("device_model_stubdomain_seclabel", XL, why_stubdom),

    /* ---- no home: Arm ---- */
    CARRIED("tee", XL, "no domXML element for a trusted execution environment", .neutral = "none"),
    CARRIED("vuart", XL, why_arm),
    CARRIED("sve", XL, why_arm),
    CARRIED("llc_colors", XL, why_arm),
    CARRIED("nr_spis", XL, why_arm),
    CARRIED("trap_unmapped_accesses", XL, why_arm),
    CARRIED("arm_sci", XL, why_arm),

    /* ---- no home: managed by others than the domain ---- */
    { .name = "on_xend_start", .who = XM, .read = cfg_read_xend_start, .neutral = "ignore" },
    LOST("on_xend_stop", XM, "the libvirt-guests service decides it for the whole host",
         .neutral = "ignore"),
    LOST("guest_os_type", XM, why_osinfo, .neutral = "default"),
    LOST("OVM_os_type", XM, why_osinfo),
    LOST("OVM_domain_type", XM, "a hint of Oracle VM's manager, which builder= says already"),
    LOST("OVM_high_availability", XM, "a policy of Oracle VM's manager"),
    LOST("OVM_cpu_compat_group", XM, "a policy of Oracle VM's manager", .neutral = ""),
    LOST("vif_other_config", XM, "a policy of Oracle VM's manager"),
    LOST("disk_other_config", XM, "a policy of Oracle VM's manager"),
};
const size_t cfg_n_keys = G_N_ELEMENTS(cfg_keys);
G_STATIC_ASSERT(G_N_ELEMENTS(cfg_keys) <= CFG_MAX_KEYS);

/* ---- looking a key up ---- */

/* Rows by the hash of their names; the same name may stand in two, one a format. */
#define N_SLOTS 1024 /* a power of two, well above the number of rows */

static gint16 slots[N_SLOTS]; /* immutable once filled; the place of a row, plus 1 */

static guint
slot_of(const char *name)
{
    guint hash = 5381;

    for (; *name; name++)
        hash = hash * 33 + (guchar)*name;
    return (hash ^ hash >> 10) % N_SLOTS;
}

static gpointer
fill_slots(G_GNUC_UNUSED gpointer unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cfg_keys); i++) {
        guint slot = slot_of(cfg_keys[i].name);

        while (slots[slot])
            slot = (slot + 1) % N_SLOTS;
        slots[slot] = (gint16)(i + 1);
    }
    return NULL;
}

const CfgKey *
cfg_key_find(const char *name, unsigned who)
{
    static GOnce once = G_ONCE_INIT;

    g_once(&once, fill_slots, NULL);
    for (guint slot = slot_of(name); slots[slot]; slot = (slot + 1) % N_SLOTS) {
        const CfgKey *key = &cfg_keys[slots[slot] - 1];

        if ((key->who & who) && strcmp(key->name, name) == 0)
            return key;
    }
    return NULL;
}

const char *
cfg_guest_name(CfgGuest guest)
{
    switch (guest) {
    case CFG_PV:
        return "PV";
    case CFG_HVM:
        return "HVM";
    case CFG_PVH:
        return "PVH";
    }
    g_assert_not_reached();
}

/* The strings and numbers of the parts; everything else needs no freeing. */
void
cfg_parts_clear(CfgParts *parts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cfg_keys); i++) {
        if (cfg_keys[i].in_parts && cfg_keys[i].type == CFG_TYPE_STRING)
            g_clear_pointer((char **)((char *)parts + cfg_keys[i].offset), g_free);
    }
}
