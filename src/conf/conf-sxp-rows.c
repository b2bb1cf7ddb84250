/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every key of xend's S-expressions, one row each, in the order in which they are written.
 *
 * Two dialects share the tables. The rows marked `alias` are the names of the XenAPI one, which
 * xend since 3.1 mixes into the legacy one; where both speak of the same thing, the legacy row
 * stands first and is the one that counts.
 */
#include "conf-sxp.h"

#include <string.h>

/* The row's type comes from the field itself, so that a row cannot lie about it. */
#define TYPE_OF(field)                                                                             \
    _Generic((field),                                                                              \
        char *: SXP_TEXT,                                                                          \
        ConfTristate: SXP_SWITCH,                                                                  \
        ConfOptInt: SXP_NUMBER,                                                                    \
        uint64_t: SXP_KIB,                                                                         \
        ConfAction: SXP_ACTION)
#define FIELD(name, in, type_name, field, ...)                                                     \
    {                                                                                              \
        .path = name, .type = TYPE_OF(((type_name *)NULL)->field), .base = in,                     \
        .offset = offsetof(type_name, field), __VA_ARGS__                                          \
    }
#define DOMAIN(name, field, ...)       FIELD(name, SXP_IN_DOMAIN, ConfDomain, field, __VA_ARGS__)
#define GUEST(name, field, ...)        FIELD(name, SXP_IN_GUEST, SxpGuest, field, __VA_ARGS__)
#define DEVICE(name, type, field, ...) FIELD(name, SXP_IN_DEVICE, type, field, __VA_ARGS__)
#define HOOK(name, reader, writer, ...)                                                            \
    {                                                                                              \
        .path = name, .type = SXP_HOOK, .base = SXP_IN_DEVICE, .read = reader, .write = writer,    \
        __VA_ARGS__                                                                                \
    }
#define RUNTIME(name)                                                                              \
    {                                                                                              \
        .path = name, .type = SXP_RUNTIME                                                          \
    }
#define KEY(name, key_, quiets)                                                                    \
    {                                                                                              \
        .path = name, .type = SXP_KEY, .key = key_, .quiet = quiets                                \
    }
#define LOST(name, quiets, why)                                                                    \
    {                                                                                              \
        .path = name, .type = SXP_LOST, .quiet = quiets, .reason = why                             \
    }

#define NO_ELEMENT "domXML has no element for it"
#define NO_MINIMUM "domXML knows no lower limit for the balloon"
#define NO_XENAPI  "bookkeeping of xend's XenAPI, which ended with xend"
#define NO_CPUID   "masks of CPUID leaves have no element; name the features in <cpu>"
#define NO_PAGING  "paging of guest memory (xenpaging) has no element"
#define NO_VTPM    "a vTPM of Xen has no backend in <tpm>; set it up again in the guest's new host"

static const SxpRow domain_rows[] = {
    RUNTIME("domid"),
    DOMAIN("name", name, ),
    DOMAIN("name_label", name, .alias = true),
    HOOK("uuid", sxp_read_uuid, sxp_write_uuid, ),
    DOMAIN("description", description, ),
    DOMAIN("Description", description, .alias = true),
    DOMAIN("name_description", description, .alias = true),
    HOOK("security_label", sxp_read_seclabel, sxp_write_seclabel, ),
    LOST("access_control", NULL, "ACM policies left Xen with version 4.2; label it anew for FLASK"),
    GUEST("memory", memory_kib, .unit = SXP_MIB),
    GUEST("memory_dynamic_max", memory_kib, .unit = SXP_BYTES, .alias = true),
    GUEST("maxmem", maxmem_kib, .unit = SXP_MIB, .quiet = "0"),
    GUEST("memory_static_max", maxmem_kib, .unit = SXP_BYTES, .alias = true, .quiet = "0"),
    GUEST("memory_dynamic_min", dynamic_min_kib, .unit = SXP_BYTES, .alias = true, .quiet = "0",
          .reason = NO_MINIMUM),
    GUEST("memory_static_min", static_min_kib, .unit = SXP_BYTES, .alias = true, .quiet = "0",
          .reason = NO_MINIMUM),
    KEY("shadow_memory", "shadow_memory", "0"),
    LOST("memory_sharing", "0", "sharing of pages among guests has no element"),
    LOST("target", "0", "a stub domain's target is chosen by libxl"),
    GUEST("vcpus", vcpus, ),
    GUEST("VCPUs_max", vcpus, .alias = true),
    GUEST("vcpu_avail", vcpu_avail, ),
    GUEST("VCPUs_at_startup", vcpus_at_startup, .alias = true),
    RUNTIME("VCPUs_live"),
    RUNTIME("online_vcpus"),
    HOOK("cpus", sxp_read_cpus, sxp_write_cpus, ),
    GUEST("cpu", cpu, .quiet = "-1", .alias = true),
    HOOK("cpu_weight", sxp_read_weight, sxp_write_weight, .quiet = "256|256.0"),
    GUEST("cpu_cap", cpu_cap, .quiet = "0"),
    HOOK("vcpus_params", sxp_read_vcpus_params, NULL, .alias = true),
    KEY("pool_name", "pool", "Pool-0"),
    GUEST("bootloader", bootloader, .quiet = "none"),
    GUEST("PV_bootloader", bootloader, .alias = true, .quiet = "none"),
    GUEST("bootloader_args", bootloader_args, ),
    GUEST("PV_bootloader_args", bootloader_args, .alias = true),
    GUEST("PV_kernel", kernel, .alias = true),
    GUEST("PV_ramdisk", ramdisk, .alias = true),
    GUEST("PV_args", args, .alias = true),
    GUEST("HVM_boot_policy", boot_policy, .alias = true),
    HOOK("HVM_boot_params", sxp_read_boot_params, NULL, .alias = true),
    DOMAIN("on_poweroff", on_poweroff, ),
    DOMAIN("actions_after_shutdown", on_poweroff, .alias = true),
    DOMAIN("on_reboot", on_reboot, ),
    DOMAIN("actions_after_reboot", on_reboot, .alias = true),
    DOMAIN("on_crash", on_crash, .write = sxp_write_on_crash),
    DOMAIN("actions_after_crash", on_crash, .alias = true),
    GUEST("restart", restart, .alias = true),
    GUEST("on_xend_start", on_xend_start, .alias = true, .quiet = "ignore"),
    GUEST("auto_power_on", on_xend_start, .alias = true, .quiet = "0|false|False"),
    LOST("on_xend_stop", "ignore",
         "what becomes of guests when the host stops is one setting for all of them: "
         "ON_SHUTDOWN of libvirt-guests"),
    GUEST("localtime", localtime, .alias = true),
    GUEST("rtc_timeoffset", rtc_timeoffset, .alias = true, .quiet = "0"),
    LOST("features", NULL, "feature bits of a PV kernel are negotiated by kernel and libxl"),
    KEY("nomigrate", "nomigrate", "0"),
    LOST("s3_integrity", "0|1", NO_ELEMENT),
    LOST("superpages", "0", "no element that the Xen driver reads asks for superpages"),
    LOST("machine_address_size", "0", NO_ELEMENT),
    LOST("suppress_spurious_page_faults", "0", NO_ELEMENT),
    LOST("cpuid", NULL, NO_CPUID),
    LOST("cpuid_check", NULL, NO_CPUID),
    LOST("PCI_bus", NULL, NO_XENAPI),
    LOST("is_a_template", "0|false|False", NO_XENAPI),
    LOST("is_control_domain", "0|false|False", NO_XENAPI),
    LOST("other_config", NULL, NO_XENAPI),
    LOST("change_home_server", NULL, NO_XENAPI),
    LOST("vtpm_refs", NULL, NO_VTPM),
    RUNTIME("user_version"),
    RUNTIME("tools_version"),
    RUNTIME("resident_on"),
    RUNTIME("power_state"),
    RUNTIME("metrics"),
    RUNTIME("start_time"),
    RUNTIME("up_time"),
    RUNTIME("cpu_time"),
    RUNTIME("state"),
    RUNTIME("status"),
    RUNTIME("shutdown_reason"),
    RUNTIME("store_mfn"),
    RUNTIME("console_mfn"),
    RUNTIME("store_evtchn"),
    RUNTIME("console_port"),
};

static const SxpRow image_rows[] = {
    GUEST("image/*/vcpus", vcpus, .alias = true), /* xend 3.0 to 3.2, beside the domain's */
    GUEST("image/*/kernel", kernel, ),
    GUEST("image/hvm/loader", loader, ),
    GUEST("image/*/ramdisk", ramdisk, ),
    GUEST("image/*/root", root, ),
    GUEST("image/*/ip", ip, ),
    GUEST("image/*/args", args, ),
    GUEST("image/*/device_model", device_model, ),
    GUEST("image/hvm/boot", boot, ),
    GUEST("image/hvm/acpi", acpi, ),
    GUEST("image/hvm/apic", apic, ),
    GUEST("image/hvm/pae", pae, ),
    GUEST("image/hvm/hap", hap, ),
    GUEST("image/hvm/viridian", viridian, ),
    GUEST("image/hvm/extid", viridian, .alias = true, .quiet = "0"),
    GUEST("image/hvm/hpet", hpet, ),
    GUEST("image/hvm/nestedhvm", nestedhvm, .quiet = "0"),
    GUEST("image/*/localtime", localtime, ),
    GUEST("image/*/rtc_timeoffset", rtc_timeoffset, .quiet = "0"),
    GUEST("image/hvm/timeoffset", rtc_timeoffset, .alias = true, .quiet = "0"),
    GUEST("image/*/tsc_mode", tsc_mode, .quiet = "0"),
    GUEST("image/hvm/usb", usb, ),
    GUEST("image/hvm/usbdevice", usbdevice, ),
    GUEST("image/hvm/serial", serial, .quiet = "none"),
    GUEST("image/hvm/parallel", parallel, .quiet = "none"),
    GUEST("image/hvm/soundhw", soundhw, .quiet = "none"),
    GUEST("image/hvm/watchdog", watchdog, ),
    GUEST("image/hvm/watchdog_action", watchdog_action, ),
    GUEST("image/hvm/stdvga", stdvga, ),
    GUEST("image/*/nographic", nographic, .quiet = "0"),
    GUEST("image/hvm/cdrom", cdrom, .alias = true),
    GUEST("image/hvm/fda", fda, .alias = true),
    GUEST("image/hvm/fdb", fdb, .alias = true),
    GUEST("image/*/vnc", display.vnc, ),
    GUEST("image/*/vncdisplay", display.vncdisplay, ),
    GUEST("image/*/vncunused", display.vncunused, ),
    GUEST("image/*/vnclisten", display.vnclisten, ),
    GUEST("image/*/vncpasswd", display.vncpasswd, ),
    GUEST("image/*/sdl", display.sdl, .quiet = "0"),
    GUEST("image/*/opengl", display.opengl, ),
    GUEST("image/*/display", display.display, ),
    GUEST("image/*/xauthority", display.xauthority, ),
    GUEST("image/*/keymap", display.keymap, ),
    GUEST("image/*/videoram", display.videoram, ),
    GUEST("image/hvm/spice", display.spice, .quiet = "0"),
    GUEST("image/hvm/spicehost", display.spicehost, ),
    GUEST("image/hvm/spiceport", display.spiceport, ),
    GUEST("image/hvm/spicetls_port", display.spicetls_port, .quiet = "0"),
    GUEST("image/hvm/spicepasswd", display.spicepasswd, ),
    GUEST("image/hvm/spice_disable_ticketing", display.spice_ticketless, ),
    GUEST("image/hvm/spiceagent_mouse", display.spice_mouse, ),
    HOOK("image/hvm/acpi_firmware", sxp_read_acpi_firmware, sxp_write_acpi_firmware, ),
    HOOK("image/*/pci", sxp_read_image_pci, NULL, .alias = true),
    KEY("image/*/pci_msitranslate", "pci_msitranslate", "0"),
    KEY("image/*/pci_power_mgmt", "pci_power_mgmt", "0"),
    LOST("image/*/features", NULL,
         "feature bits of a PV kernel are negotiated by kernel and libxl"),
    LOST("image/*/superpages", "0", "no element that the Xen driver reads asks for superpages"),
    { .path = "image/*/nomigrate",
      .type = SXP_KEY,
      .key = "nomigrate",
      .quiet = "0",
      .alias = true },
    LOST("image/*/expose_host_uuid", "0",
         "the guest sees its own UUID; no element shows the host's"),
    LOST("image/*/cpuid", NULL, NO_CPUID),
    LOST("image/*/cpuid_check", NULL, NO_CPUID),
    LOST("image/*/machine_address_size", "0", NO_ELEMENT),
    LOST("image/*/suppress_spurious_page_faults", "0", NO_ELEMENT),
    LOST("image/*/actmem", "0", NO_PAGING),
    LOST("image/*/xenpaging", "0", NO_PAGING),
    LOST("image/*/xenpaging_file", NULL, NO_PAGING),
    LOST("image/*/xenpaging_workdir", NULL, NO_PAGING),
    LOST("image/*/xenpaging_extra", NULL, NO_PAGING),
    LOST("image/*/xenpaging_delay", NULL, NO_PAGING),
    LOST("image/*/xenpaging_delay_unit", NULL, NO_PAGING),
    LOST("image/*/xenpaging_max_delay", NULL, NO_PAGING),
    LOST("image/*/xenpaging_retries", NULL, NO_PAGING),
    LOST("image/*/xenpaging_debug", "0", NO_PAGING),
    LOST("image/*/xenpaging_policy_mru_size", NULL, NO_PAGING),
    LOST("image/*/memory_sharing", "0", "sharing of pages among guests has no element"),
    KEY("image/hvm/timer_mode", "timer_mode", "1"),
    KEY("image/hvm/vpt_align", "vpt_align", "1"),
    KEY("image/hvm/oos", "oos", "1"),
    LOST("image/hvm/isa", "0", "the ISA-only machine of qemu-dm is gone"),
    LOST("image/hvm/monitor", "0", "the monitor of the device model belongs to libxl"),
    LOST("image/hvm/monitor_path", NULL, "the monitor of the device model belongs to libxl"),
    LOST("image/hvm/guest_os_type", "default",
         "what runs in the guest is not Xen's business any more"),
    LOST("image/hvm/xen_extended_power_mgmt", "0", NO_ELEMENT),
    KEY("image/hvm/xen_platform_pci", "xen_platform_pci", "1"),
    KEY("image/hvm/gfx_passthru", "gfx_passthru", "0"),
    KEY("image/hvm/smbios_firmware", "smbios_firmware", NULL),
    LOST("image/hvm/vhpt", "0", "Itanium only"),
    LOST("image/hvm/spicedvagent", "0", NO_ELEMENT),
    LOST("image/hvm/spice_clipboard_sharing", "0", "no vdagent channel went with it"),
    RUNTIME("image/*/notes"),
    RUNTIME("image/*/vncconsole"),
    RUNTIME("image/*/pid"),
};

static const SxpRow disk_rows[] = {
    RUNTIME("device/vbd/uuid"),
    HOOK("device/vbd/uname", sxp_read_uname, sxp_write_uname, ),
    HOOK("device/vbd/src", sxp_read_uname, NULL, .alias = true),
    HOOK("device/vbd/dev", sxp_read_vdev, sxp_write_vdev, ),
    HOOK("device/vbd/mode", sxp_read_mode, sxp_write_mode, ),
    HOOK("device/vbd/bootable", sxp_read_bootable, sxp_write_bootable, ),
    HOOK("device/vbd/discard-enable", sxp_read_discard, sxp_write_discard, ),
    HOOK("device/vbd/backend", sxp_read_disk_backend, sxp_write_disk_backend, ),
    LOST("device/vbd/driver", "paravirtualised|ioemu", "unknown kind of disk driver"),
    LOST("device/vbd/VDI", NULL, "a reference into xend's own list of storage; name the image"),
    LOST("device/vbd/other_config", NULL, NO_XENAPI),
    LOST("device/vbd/qos_algorithm_type", NULL, NO_XENAPI),
    LOST("device/vbd/qos_algorithm_params", NULL, NO_XENAPI),
    RUNTIME("device/vbd/protocol"),
    RUNTIME("device/vbd/devid"),
    RUNTIME("device/vbd/location"),
    RUNTIME("device/vbd/VM"),
};

static const SxpRow interface_rows[] = {
    RUNTIME("device/vif/uuid"),
    HOOK("device/vif/mac", sxp_read_mac, sxp_write_mac, ),
    HOOK("device/vif/MAC", sxp_read_mac, NULL, .alias = true),
    DEVICE("device/vif/bridge", ConfInterface, source_bridge, ),
    DEVICE("device/vif/script", ConfInterface, script, ),
    HOOK("device/vif/ip", sxp_read_ip, sxp_write_ip, ),
    DEVICE("device/vif/vifname", ConfInterface, target, ),
    HOOK("device/vif/type", sxp_read_vif_type, sxp_write_vif_type, ),
    DEVICE("device/vif/model", ConfInterface, model, .write = sxp_write_model),
    HOOK("device/vif/rate", sxp_read_rate, sxp_write_rate, ),
    DEVICE("device/vif/mtu", ConfInterface, mtu, .alias = true),
    DEVICE("device/vif/MTU", ConfInterface, mtu, .alias = true),
    HOOK("device/vif/backend", sxp_read_vif_backend, sxp_write_vif_backend, ),
    LOST("device/vif/accel", NULL, "accelerated network plug-ins left Xen"),
    LOST("device/vif/policy", NULL, "ACM policies left Xen with version 4.2"),
    LOST("device/vif/label", NULL, "ACM policies left Xen with version 4.2"),
    LOST("device/vif/security_label", NULL, "labels of single interfaces left Xen with ACM"),
    LOST("device/vif/network", NULL, "a reference into xend's own list of networks"),
    LOST("device/vif/other_config", NULL, NO_XENAPI),
    LOST("device/vif/qos_algorithm_type", NULL, NO_XENAPI),
    LOST("device/vif/qos_algorithm_params", NULL, NO_XENAPI),
    RUNTIME("device/vif/devid"),
    RUNTIME("device/vif/device"),
    RUNTIME("device/vif/VM"),
};

#define VFB(name, field, ...) DEVICE("device/vfb/" name, SxpDisplay, field, __VA_ARGS__)
static const SxpRow display_rows[] = {
    RUNTIME("device/vfb/uuid"),
    VFB("type", type, .alias = true),
    VFB("vnc", vnc, ),
    VFB("sdl", sdl, .quiet = "0"),
    VFB("opengl", opengl, ),
    VFB("vncdisplay", vncdisplay, ),
    VFB("vncunused", vncunused, ),
    VFB("vnclisten", vnclisten, ),
    VFB("vncpasswd", vncpasswd, ),
    VFB("keymap", keymap, ),
    VFB("display", display, ),
    VFB("xauthority", xauthority, ),
    VFB("videoram", videoram, ),
    LOST("device/vfb/backend", "0|Domain-0", "libxl runs the device model in domain 0"),
    LOST("device/vfb/serial", "0", "a console in the frame buffer's window is gone"),
    LOST("device/vfb/monitor", "0", "the monitor of the device model belongs to libxl"),
    LOST("device/vfb/other_config", NULL, NO_XENAPI),
    RUNTIME("device/vfb/location"),
    RUNTIME("device/vfb/vncconsole"),
    RUNTIME("device/vfb/devid"),
    RUNTIME("device/vfb/protocol"),
    RUNTIME("device/vfb/VM"),
};

static const SxpRow input_rows[] = {
    RUNTIME("device/vkbd/uuid"),
    RUNTIME("device/vkbd/devid"),
    LOST("device/vkbd/backend", "0|Domain-0", "libxl runs the device model in domain 0"),
};

static const SxpRow console_rows[] = {
    RUNTIME("device/console/uuid"),
    RUNTIME("device/console/location"),
    RUNTIME("device/console/devid"),
    RUNTIME("device/console/VM"),
    LOST("device/console/backend", "0|Domain-0", "libxl runs the console in domain 0"),
    LOST("device/console/protocol", "vt100|rfb", "unknown console protocol"),
    LOST("device/console/other_config", NULL, NO_XENAPI),
};

static const SxpRow pci_rows[] = {
    RUNTIME("device/pci/uuid"),
    RUNTIME("device/pci/devid"),
    LOST("device/pci/backend", "0|Domain-0", "libxl passes devices of domain 0 only"),
};

#define PCI(name, field, ...) DEVICE("device/pci/dev/" name, ConfHostdev, field, __VA_ARGS__)
static const SxpRow pci_dev_rows[] = {
    PCI("domain", domain, .unit = SXP_HEX),
    PCI("bus", bus, .unit = SXP_HEX),
    PCI("slot", slot, .unit = SXP_HEX),
    PCI("func", function, .unit = SXP_HEX),
    HOOK("device/pci/dev/vdevfn", sxp_read_pci_slot, sxp_write_pci_slot, .quiet = "0x100|256"),
    HOOK("device/pci/dev/vslt", sxp_read_pci_slot, NULL, .alias = true,
         .quiet = "0|0x0|0x00|0x20|0x100"),
    HOOK("device/pci/dev/vslot", sxp_read_pci_slot, NULL, .alias = true,
         .quiet = "0|0x0|0x00|0x20|0x100"),
    HOOK("device/pci/dev/opts", sxp_read_pci_opts, sxp_write_pci_opts, ),
    RUNTIME("device/pci/dev/uuid"),
    RUNTIME("device/pci/dev/key"),
    RUNTIME("device/pci/dev/state"),
};

static const SxpRow usb_rows[] = {
    HOOK("device/vusb/usb-ver", sxp_read_usb_version, sxp_write_usb_version, ),
    DEVICE("device/vusb/num-ports", ConfController, ports, ),
    LOST("device/vusb/port", NULL,
         "xend names a device by its port on the host's bus; attach it by vendor and product"),
    LOST("device/vusb/backend", "0|Domain-0", "libxl runs the USB backend in domain 0"),
    RUNTIME("device/vusb/uuid"),
    RUNTIME("device/vusb/devid"),
};

static const SxpRow scsi_rows[] = {
    LOST("device/vscsi/feature-host", "0",
         "a whole SCSI host adapter cannot be passed; pass its devices one by one"),
    LOST("device/vscsi/backend", "0|Domain-0", "libxl runs the SCSI backend in domain 0"),
    RUNTIME("device/vscsi/uuid"),
    RUNTIME("device/vscsi/devid"),
};

#define SCSI(name, field, ...) DEVICE("device/vscsi/dev/" name, SxpScsi, field, __VA_ARGS__)
static const SxpRow scsi_dev_rows[] = {
    SCSI("p-dev", p_dev, ),
    SCSI("v-dev", v_dev, ),
    RUNTIME("device/vscsi/dev/p-devname"),
    RUNTIME("device/vscsi/dev/devid"),
    RUNTIME("device/vscsi/dev/state"),
    RUNTIME("device/vscsi/dev/frontstate"),
    RUNTIME("device/vscsi/dev/uuid"),
    LOST("device/vscsi/dev/backend", "0|Domain-0", "libxl runs the SCSI backend in domain 0"),
};

/* Whole devices without a home. */
static const SxpRow device_rows[] = {
    LOST("device/vtpm", NULL, NO_VTPM),
    LOST("device/vif2", NULL, "netchannel2 left Xen"),
    LOST("device/blkif", NULL, "a driver domain's role is set up in the guest"),
    LOST("device/netif", NULL, "a driver domain's role is set up in the guest"),
    LOST("device/tpmif", NULL, "a driver domain's role is set up in the guest"),
};

#define TABLE(name, where, rows)                                                                   \
    const SxpTable name = { where, sizeof(where) - 1, rows, G_N_ELEMENTS(rows) }
TABLE(sxp_domain_table, "", domain_rows);
TABLE(sxp_image_table, "image/", image_rows);
TABLE(sxp_disk_table, "device/vbd/", disk_rows);
TABLE(sxp_interface_table, "device/vif/", interface_rows);
TABLE(sxp_display_table, "device/vfb/", display_rows);
TABLE(sxp_input_table, "device/vkbd/", input_rows);
TABLE(sxp_console_table, "device/console/", console_rows);
TABLE(sxp_pci_table, "device/pci/", pci_rows);
TABLE(sxp_pci_dev_table, "device/pci/dev/", pci_dev_rows);
TABLE(sxp_usb_table, "device/vusb/", usb_rows);
TABLE(sxp_scsi_table, "device/vscsi/", scsi_rows);
TABLE(sxp_scsi_dev_table, "device/vscsi/dev/", scsi_dev_rows);
static TABLE(device_table, "device/", device_rows);

/* ---- look-up ---- */

static bool
path_matches(const char *row, const char *path)
{
    const char *star = strchr(row, '*');

    if (star == NULL)
        return g_str_equal(row, path);
    if (strncmp(row, path, (size_t)(star - row)) != 0)
        return false;
    path = strchr(path + (star - row), '/');
    return path != NULL && g_str_equal(star + 1, path);
}

/* The path without the table's place in the tree; of an image row that is for the other kind of
 * image, NULL. */
static const char *
last_part(const SxpTable *table, const SxpRow *row, bool hvm)
{
    const char *rest = row->path + table->prefix_len;

    if (table != &sxp_image_table)
        return rest;
    if (*rest == '*')
        return rest + 2;
    return strncmp(rest, "hvm/", 4) == 0 && hvm ? rest + 4 : NULL;
}

const SxpRow *
sxp_row_find(const SxpTable *table, const char *key, bool hvm)
{
    for (gsize i = 0; i < table->n_rows; i++) {
        const char *name = last_part(table, &table->rows[i], hvm);

        if (name != NULL && name[0] == key[0] && strcmp(name, key) == 0)
            return &table->rows[i];
    }
    return NULL;
}

/* "device[2]/tap/uname" -> "device/vbd/uname" */
static char *
plain_path(const char *path)
{
    static const char *const other_names[][2] = {
        { "platform/", "image/hvm/" },
        { "device/tap/", "device/vbd/" },
        { "device/tap2/", "device/vbd/" },
        { "device/vscsi/devs/dev/", "device/vscsi/dev/" },
    };
    g_autoptr(GString) plain = g_string_new(NULL);

    for (const char *p = path; *p != '\0'; p++) {
        const char *end = *p == '[' ? strchr(p, ']') : NULL;

        if (end == NULL)
            g_string_append_c(plain, *p);
        else
            p = end;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(other_names); i++) {
        if (g_str_has_prefix(plain->str, other_names[i][0]))
            return g_strconcat(other_names[i][1], plain->str + strlen(other_names[i][0]), NULL);
    }
    return g_strdup(plain->str);
}

static const SxpRow *
row_of_path(const char *path)
{
    static const SxpTable *const tables[] = {
        &sxp_domain_table,  &sxp_image_table, &sxp_disk_table,    &sxp_interface_table,
        &sxp_display_table, &sxp_input_table, &sxp_console_table, &sxp_pci_table,
        &sxp_pci_dev_table, &sxp_usb_table,   &sxp_scsi_table,    &sxp_scsi_dev_table,
        &device_table,
    };

    for (gsize t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (gsize i = 0; i < tables[t]->n_rows; i++) {
            if (path_matches(tables[t]->rows[i].path, path))
                return &tables[t]->rows[i];
        }
    }
    return NULL;
}

const char *
sxp_why(const char *path)
{
    g_autofree char *plain = plain_path(path);
    char *end;

    if (g_str_has_suffix(plain, "/@") || g_str_equal(plain, "@"))
        return "an attribute list; xend itself never read one in a domain";
    /* What has no row of its own is part of something that has one: (port (1 1-2)). */
    do {
        const SxpRow *row = row_of_path(plain);

        if (row != NULL && row->reason != NULL)
            return row->reason;
        end = strrchr(plain, '/');
        if (end != NULL)
            *end = '\0';
    } while (end != NULL);
    return NULL;
}
