/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of each element on Xen. docs/LIBXL.md is made from this table, and the words of each
 * warning and refusal are in it. */
#include "hvxl-config-private.h"

#define HONOURED(path, libxl)                                                                      \
    {                                                                                              \
        path, NULL, HVXL_HONOURED, libxl, NULL                                                     \
    }
#define HONOURED_AS(path, value, libxl, why)                                                       \
    {                                                                                              \
        path, value, HVXL_HONOURED, libxl, why                                                     \
    }
#define WARNED(path, value, why)                                                                   \
    {                                                                                              \
        path, value, HVXL_WARNED, NULL, why                                                        \
    }
#define REFUSED(path, value, why)                                                                  \
    {                                                                                              \
        path, value, HVXL_REFUSED, NULL, why                                                       \
    }
#define KEPT(path, why)                                                                            \
    {                                                                                              \
        path, NULL, HVXL_KEPT, NULL, why                                                           \
    }

/* clang-format off */
const HvxlRow hvxl_rows[] = {
    /* ---- what it is ---- */
    HONOURED("name", "c_info.name"),
    HONOURED("uuid", "c_info.uuid"),
    KEPT("title", "about the definition"),
    KEPT("description", "about the definition"),
    HONOURED_AS("seclabel", "type='static' model='flask'", "c_info.ssid_label", NULL),
    WARNED("seclabel", "not a static one of flask", "Xen's only security module is flask; nothing confines the device model by this label"),

    /* ---- memory ---- */
    HONOURED_AS("memory", NULL, "b_info.max_memkb", "rounded up to MiB"),
    HONOURED_AS("currentMemory", NULL, "b_info.target_memkb", "rounded up to MiB"),
    WARNED("maxMemory", NULL, "Xen plugs no memory modules: <memory> bounds what setmem can give"),

    /* ---- processors ---- */
    HONOURED("vcpu", "b_info.max_vcpus"),
    HONOURED("vcpu/@current", "b_info.avail_vcpus"),
    HONOURED("vcpu/@cpuset", "b_info.vcpu_hard_affinity"),
    HONOURED("vcpus/vcpu/@enabled", "b_info.avail_vcpus"),
    REFUSED("vcpus/vcpu/@enabled", "no, for vcpu 0", "a domain boots on vcpu 0: disable another one"),
    HONOURED_AS("cputune/vcpupin", NULL, "b_info.vcpu_hard_affinity", "libxl then places no domain by itself"),

    /* ---- boot ---- */
    HONOURED_AS("os/type", "linux, hvm, xenpvh", "c_info.type", NULL),
    REFUSED("os/type", "exe", "Xen runs machines, no single programs: linux, hvm or xenpvh"),
    HONOURED("os/kernel", "b_info.kernel"),
    HONOURED("os/initrd", "b_info.ramdisk"),
    HONOURED("os/cmdline", "b_info.cmdline"),
    HONOURED_AS("bootloader", NULL, "b_info.bootloader", "pygrub where neither it nor a kernel is given"),
    WARNED("bootloader", "HVM", "only PV and PVH domains have one: an HVM domain boots its firmware"),
    HONOURED("bootloader_args", "b_info.bootloader_args"),
    HONOURED_AS("os/boot/@dev", NULL, "b_info.u.hvm.boot", "HVM"),
    HONOURED_AS("os/@firmware", "efi", "b_info.u.hvm.bios", "OVMF"),
    HONOURED_AS("os/loader", "type='pflash'", "b_info.u.hvm.system_firmware", "OVMF, by its path"),
    HONOURED_AS("os/loader", "other than hvmloader", "b_info.u.hvm.firmware", "in place of hvmloader"),
    REFUSED("os/loader/@format", "not raw", "libxl reads raw images of firmware only"),
    REFUSED("os/loader/@secure", "yes", "libxl has no secure boot: take secure='yes' out"),
    REFUSED("os/loader/@readonly", "no, with pflash", "libxl maps firmware read-only"),
    WARNED("os/nvram", NULL, "libxl keeps no UEFI variables: they are lost when the domain ends"),

    /* ---- features ---- */
    HONOURED("features/xen/passthrough", "c_info.passthrough"),

    /* ---- actions ---- */
    HONOURED("on_poweroff", "on_poweroff"),
    HONOURED("on_reboot", "on_reboot"),
    HONOURED("on_crash", "on_crash"),

    /* ---- disks ---- */
    HONOURED_AS("devices/disk/@type", "file, block", "disks[].pdev_path", NULL),
    HONOURED_AS("devices/disk/@type", "network", "disks[].pdev_path", "protocol rbd"),
    REFUSED("devices/disk/@type", "volume", "the pool's volume is not resolved here: name its path with type='file' or 'block'"),
    REFUSED("devices/disk/@type", "dir, nvme, vhostuser", "libxl has no such disks: type file, block or network"),
    HONOURED_AS("devices/disk/@device", "disk, cdrom", "disks[].is_cdrom", NULL),
    REFUSED("devices/disk/@device", "floppy", "libxl has no floppy drives: pass one to the device model by <xen:commandline>"),
    REFUSED("devices/disk/@device", "lun", "libxl passes no SCSI commands through: device='disk'"),
    HONOURED_AS("devices/disk/driver/@name", "qemu, file, phy", "disks[].backend", NULL),
    HONOURED_AS("devices/disk/driver/@name", "tap, tap2", "disks[].backend", "left open: libxl takes blktap where the host has it, else QEMU"),
    REFUSED("devices/disk/driver/@name", "other", "libxl has the drivers qemu, phy, file and tap"),
    REFUSED("devices/disk/driver/@name", "not qemu, with a network", "only the driver qemu reads disks over a network"),
    HONOURED_AS("devices/disk/driver/@type", "raw, qcow, qcow2, qed, vhd", "disks[].format", NULL),
    REFUSED("devices/disk/driver/@type", "other", "libxl has the formats raw, qcow, qcow2, qed and vhd: convert the image"),
    REFUSED("devices/disk/driver/@type", "not raw, with phy or file", "these drivers read raw images only: driver name='qemu'"),
    HONOURED_AS("devices/disk/driver/@discard", NULL, "disks[].discard_enable", "of writable disks"),
    WARNED("devices/disk/driver/@cache", NULL, "libxl chooses the cache mode"),
    WARNED("devices/disk/driver/@io", NULL, "libxl chooses how QEMU does I/O"),
    WARNED("devices/disk/driver/@error_policy", NULL, "the guest gets the error"),
    HONOURED("devices/disk/source", "disks[].pdev_path"),
    REFUSED("devices/disk/source", "none, and no CD-ROM", "only a CD-ROM drive can be empty"),
    REFUSED("devices/disk/source/@protocol", "other than rbd", "libxl hands QEMU no other protocol: attach the disk on the host, and use type='block'"),
    WARNED("devices/disk/source/@startupPolicy", NULL, "a source that is missing is an error"),
    HONOURED("devices/disk/backenddomain", "disks[].backend_domname"),
    HONOURED_AS("devices/disk/target/@dev", NULL, "disks[].vdev", "the name tells the bus"),
    REFUSED("devices/disk/target/@bus", "virtio", "Xen's disks on x86 are bus='xen' (xvda), ide (hda) or scsi (sda)"),
    REFUSED("devices/disk/target/@bus", "sata", "libxl puts disks of the names hda to hdd on AHCI with the key hdtype=ahci: bus='ide'"),
    HONOURED("devices/disk/readonly", "disks[].readwrite"),
    KEPT("devices/disk/shareable", "for lock managers; libxl's script looks at it by itself"),
    REFUSED("devices/disk/transient", NULL, "libxl writes to the image itself: take a copy or an overlay"),
    WARNED("devices/disk/iotune", NULL, "libxl limits no disk I/O"),
    WARNED("devices/disk/serial", NULL, "libxl chooses the serial number"),
    WARNED("devices/disk/wwn", NULL, "libxl gives disks no name of their own in the world"),

    /* ---- interfaces ---- */
    HONOURED_AS("devices/interface/@type", "bridge", "nics[].bridge", NULL),
    HONOURED_AS("devices/interface/@type", "network", "nics[].bridge", "the bridge of the active network"),
    HONOURED_AS("devices/interface/@type", "ethernet", "nics[].script", "vif-route unless a script is named"),
    HONOURED_AS("devices/interface/@type", "hostdev", "pcidevs[]", NULL),
    REFUSED("devices/interface/@type", "network, unresolved", "the network daemon was not asked for the bridge: name the bridge with type='bridge'"),
    REFUSED("devices/interface/@type", "other", "libxl has the types bridge, network, ethernet and hostdev"),
    HONOURED("devices/interface/mac", "nics[].mac"),
    HONOURED_AS("devices/interface/virtualport/@type", "openvswitch", "nics[].script", "vif-openvswitch"),
    REFUSED("devices/interface/virtualport/@type", "other", "Xen's scripts know Open vSwitch only"),
    HONOURED_AS("devices/interface/vlan", "with Open vSwitch", "nics[].bridge", "BRIDGE.TAG:TRUNK"),
    REFUSED("devices/interface/vlan", "on a plain bridge", "only Open vSwitch tags: use the bridge of that VLAN"),
    HONOURED("devices/interface/script", "nics[].script"),
    HONOURED("devices/interface/ip", "nics[].ip"),
    HONOURED("devices/interface/target/@dev", "nics[].ifname"),
    HONOURED_AS("devices/interface/model", "netfront", "nics[].nictype", NULL),
    HONOURED_AS("devices/interface/model", "emulated", "nics[].model", "HVM"),
    REFUSED("devices/interface/model", "emulated, not HVM", "PV and PVH domains have no device model: model type='netfront'"),
    HONOURED("devices/interface/backenddomain", "nics[].backend_domname"),
    HONOURED("devices/interface/bandwidth/outbound/@average", "nics[].rate_bytes_per_interval"),
    WARNED("devices/interface/bandwidth/outbound", "peak, burst, floor", "netback knows an average only"),
    WARNED("devices/interface/bandwidth/inbound", NULL, "netback limits what a guest sends only"),
    HONOURED("devices/interface/mtu", "nics[].mtu"),
    WARNED("devices/interface/link/@state", "down", "an interface of Xen starts with its link up"),
    REFUSED("devices/interface/filterref", NULL, "no packet filter is set up here, and the guest would run without: filter on the host"),

    /* ---- character devices ---- */
    HONOURED_AS("devices/serial/@type", "pty, file, pipe, dev, tcp, udp, unix, null, stdio, vc", "b_info.u.hvm.serial_list", "HVM"),
    REFUSED("devices/serial/@type", "other", "the device model takes pty, file, pipe, dev, tcp, udp, unix, null, stdio and vc"),
    REFUSED("devices/serial", "not HVM", "PV and PVH domains have no serial port: <console>"),
    REFUSED("devices/parallel", NULL, "libxl has no parallel ports: pass one to the device model by <xen:commandline>"),
    HONOURED_AS("devices/console", NULL, "implicit", "every PV and PVH domain has one; of an HVM domain, it is its first serial port"),
    WARNED("devices/console", "a second PV console", "libxl makes one: use a <channel> with target type='xen'"),
    WARNED("devices/console/@type", "not pty", "Xen's console daemon gives a PV console a pty, and a log"),
    REFUSED("devices/console/target/@type", "other", "libxl has PV consoles (xen) and serial ones only"),
    HONOURED_AS("devices/channel/@type", "pty, unix", "channels[].connection", NULL),
    REFUSED("devices/channel/@type", "other", "libxl has channels of type pty and unix"),
    HONOURED("devices/channel/target/@name", "channels[].name"),
    REFUSED("devices/channel/target/@type", "other", "Xen's channels are target type='xen'"),
};
/* clang-format on */
const size_t hvxl_n_rows = G_N_ELEMENTS(hvxl_rows);
