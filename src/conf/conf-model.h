/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain model: what a domain IS, typed, independent of any text format.
 *
 * Shapes    One struct an element of domXML. A list is a GPtrArray that owns its members
 *           (never NULL in a ConfDomain made by conf_domain_new()).
 * Strings   NUL-terminated UTF-8, owned by their struct; NULL = absent, "" = present and empty.
 * Units     Memory in KiB (the field says so), time in seconds unless said, rates in KiB/s.
 * Absent    Enums: 0 is always "absent" (a name table never formats 0). Numbers whose 0 has a
 *           meaning are ConfOptInt.
 * Unknown   What an element carries and the model has no field for stays in `extra` (or the
 *           closer `..._extra`) and is formatted back: a document that was defined loses
 *           nothing. It is one serialised element, namely the element itself with everything
 *           taken out that has a field: <driver iothread="1"/> in ConfDisk.driver_extra,
 *           <disk><geometry cyls="1"/><target rotation_rate="1"/></disk> in its dev.extra,
 *           <domain><memtune>...</memtune></domain> in ConfDomain.extra. Its own name is not
 *           read. The formatter lays it over the fields, which win.
 * Ownership ConfDomain is reference counted. It may be changed while it has one owner; from
 *           the moment it is shared it is immutable (copy, change, swap).
 * Threads   No globals, no locks: any thread, one writer.
 * Source    libvirt's "Domain XML format" manual page for elements, xl.cfg(5) for meaning on Xen.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/* An integer that may be absent where 0 means something. */
typedef struct ConfOptInt {
    bool set;
    int64_t value;
} ConfOptInt;

/* A set of small integers (cpus, nodes). Bit 0 of byte 0 is member 0, as in libvirt's cpumaps. */
typedef struct ConfBitmap {
    size_t len; /* bytes */
    uint8_t *bits;
} ConfBitmap;

/* Accepts libvirt's and xl's list syntax: "0-3,^2,7". At most `limit` members (0: 65536).
 * NULL and *error on bad syntax. */
ConfBitmap *conf_bitmap_parse(const char *text, unsigned limit, GError **error);
ConfBitmap *conf_bitmap_new(unsigned n_bits);
ConfBitmap *conf_bitmap_copy(const ConfBitmap *map);
void conf_bitmap_free(ConfBitmap *map);
bool conf_bitmap_get(const ConfBitmap *map, unsigned n);
void conf_bitmap_set(ConfBitmap *map, unsigned n, bool on); /* grows */
unsigned conf_bitmap_count(const ConfBitmap *map);
int conf_bitmap_last(const ConfBitmap *map);     /* highest member, -1 when empty or NULL */
char *conf_bitmap_format(const ConfBitmap *map); /* "0-1,3"; "" when empty */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfBitmap, conf_bitmap_free)

typedef enum ConfTristate {
    CONF_TRISTATE_ABSENT,
    CONF_TRISTATE_ON,
    CONF_TRISTATE_OFF
} ConfTristate;

typedef enum ConfOsType {
    CONF_OS_ABSENT,
    CONF_OS_LINUX,
    CONF_OS_HVM,
    CONF_OS_XENPVH,
    CONF_OS_EXE
} ConfOsType;

typedef enum ConfArch {
    CONF_ARCH_ABSENT,
    CONF_ARCH_X86_64,
    CONF_ARCH_I686,
    CONF_ARCH_AARCH64,
    CONF_ARCH_ARMV7L,
} ConfArch;

typedef enum ConfBootDev {
    CONF_BOOT_ABSENT,
    CONF_BOOT_FD,
    CONF_BOOT_HD,
    CONF_BOOT_CDROM,
    CONF_BOOT_NETWORK,
} ConfBootDev;

typedef enum ConfAction {
    CONF_ACTION_ABSENT,
    CONF_ACTION_DESTROY,
    CONF_ACTION_RESTART,
    CONF_ACTION_RENAME_RESTART,
    CONF_ACTION_PRESERVE,
    CONF_ACTION_COREDUMP_DESTROY,
    CONF_ACTION_COREDUMP_RESTART,
} ConfAction;

/* ---- parts of a domain ---- */

typedef struct ConfVcpu { /* <vcpus><vcpu id= enabled= hotpluggable= order=> */
    unsigned id;
    ConfTristate enabled;
    ConfTristate hotpluggable;
    unsigned order;
    char *extra;
} ConfVcpu;

typedef struct ConfVcpuPin { /* <cputune><vcpupin vcpu= cpuset=> */
    unsigned vcpu;
    ConfBitmap *cpuset;
    char *extra;
} ConfVcpuPin;

typedef struct ConfCpuTune {
    ConfOptInt shares; /* credit weight */
    ConfOptInt period; /* us */
    ConfOptInt quota;  /* us; xl's cap = quota * 100 / period */
    ConfOptInt global_period, global_quota;
    ConfOptInt emulator_period, emulator_quota;
    GPtrArray *vcpupin;      /* ConfVcpuPin */
    ConfBitmap *emulatorpin; /* NULL = absent */
    char *extra;
} ConfCpuTune;

typedef struct ConfNumaMemnode { /* <numatune><memnode cellid= mode= nodeset=> */
    unsigned cellid;
    char *mode;
    ConfBitmap *nodeset;
    char *extra;
} ConfNumaMemnode;

typedef struct ConfNumaTune {
    char *mode; /* strict, preferred, interleave, restrictive */
    ConfBitmap *nodeset;
    char *placement;
    GPtrArray *memnodes; /* ConfNumaMemnode */
    char *extra;
} ConfNumaTune;

typedef struct ConfCpuFeature { /* <feature policy= name=> */
    char *policy;               /* force, require, optional, disable, forbid */
    char *name;
    char *extra;
} ConfCpuFeature;

typedef struct ConfNumaDistance {
    unsigned id;
    unsigned value;
} ConfNumaDistance;

typedef struct ConfNumaCell { /* <cpu><numa><cell> */
    ConfOptInt id;
    ConfBitmap *cpus;
    uint64_t memory_kib;
    GPtrArray *distances; /* ConfNumaDistance */
    char *extra;
} ConfNumaCell;

typedef struct ConfCpu {
    char *mode; /* custom, host-model, host-passthrough, maximum */
    char *match;
    char *check;
    char *migratable;
    char *model;
    char *model_fallback;
    char *vendor;
    ConfOptInt sockets, dies, cores, threads; /* <topology> */
    GPtrArray *features;                      /* ConfCpuFeature */
    GPtrArray *numa;                          /* ConfNumaCell */
    char *extra;
} ConfCpu;

typedef struct ConfAcpiTable { /* <os><acpi><table type=>PATH */
    char *type;
    char *path;
} ConfAcpiTable;

typedef struct ConfBoot { /* <os><boot dev=> */
    ConfBootDev dev;
} ConfBoot;

typedef struct ConfOs {
    char *firmware; /* "efi", "bios" */
    ConfOsType type;
    ConfArch arch;
    char *machine; /* xenpv, xenfv, xenpvh */
    char *init;
    char *loader;
    char *loader_readonly; /* yes, no */
    char *loader_secure;
    char *loader_type; /* rom, pflash */
    char *loader_format;
    char *nvram;
    char *nvram_template;
    char *kernel;
    char *initrd;
    char *cmdline;
    char *dtb;
    GPtrArray *boot; /* ConfBoot, in order */
    ConfTristate bootmenu;
    ConfOptInt bootmenu_timeout;
    char *smbios_mode;
    char *bios_useserial;
    ConfOptInt bios_reboot_timeout;
    GPtrArray *acpi_tables; /* ConfAcpiTable */
    char *extra;
} ConfOs;

/* One <hyperv> enlightenment or any feature with state= and values kept in extra. */
typedef struct ConfHypervFeature {
    char *name; /* element name: relaxed, vapic, ... */
    ConfTristate state;
    char *extra; /* retries=, value=, <direct/> ... */
} ConfHypervFeature;

typedef struct ConfFeatures {
    bool acpi, apic, pae, viridian, privnet; /* presence of the empty element */
    char *apic_eoi;
    bool hap_present; /* <hap/>: present without state= means on */
    ConfTristate hap;
    ConfTristate pmu, vmport, smm, vmcoreinfo, htm;
    char *gic_version;
    char *msrs_unknown; /* ignore, fault */
    char *hyperv_mode;  /* custom, passthrough; NULL with an empty list = no <hyperv> */
    GPtrArray *hyperv;  /* ConfHypervFeature */
    ConfTristate xen_e820_host;
    ConfTristate xen_passthrough;
    char *xen_passthrough_mode; /* sync_pt, share_pt */
    char *xen_extra;
    char *extra;
} ConfFeatures;

typedef struct ConfTimer { /* <clock><timer> */
    char *name;
    ConfTristate present; /* yes/no */
    char *tickpolicy;
    char *track;
    char *mode;
    ConfOptInt frequency;
    char *extra;
} ConfTimer;

typedef struct ConfClock {
    char *offset;     /* utc, localtime, timezone, variable, absolute; NULL = absent */
    char *adjustment; /* seconds, or "reset" */
    char *basis;
    char *timezone;
    char *start;
    GPtrArray *timers; /* ConfTimer */
    char *extra;
} ConfClock;

typedef struct ConfSeclabel {
    char *type; /* static, dynamic, none */
    char *model;
    char *relabel;
    char *label;
    char *baselabel;
    char *imagelabel;
    char *extra;
} ConfSeclabel;

/* ---- devices ---- */

/* <address type=...>: the attributes as they stand, so that every bus of libvirt fits. */
typedef struct ConfAddress {
    char *type;                             /* pci, drive, usb, virtio-serial, isa, ... */
    ConfOptInt domain, bus, slot, function; /* pci */
    char *multifunction;
    ConfOptInt controller, target, unit; /* drive, virtio-serial */
    char *port;                          /* usb: "1.2" */
    char *extra;
} ConfAddress;

/* What every device has; the first member of each device struct. */
typedef struct ConfDevice {
    char *alias;          /* live documents, or ua-NAME from the user */
    ConfAddress *address; /* NULL = absent */
    ConfOptInt boot_order;
    char *extra;
} ConfDevice;

typedef struct ConfDiskHost { /* <source protocol=...><host> */
    char *name;
    char *port;
    char *transport;
    char *socket;
} ConfDiskHost;

typedef enum ConfDiskType {
    CONF_DISK_TYPE_ABSENT,
    CONF_DISK_TYPE_FILE,
    CONF_DISK_TYPE_BLOCK,
    CONF_DISK_TYPE_NETWORK,
    CONF_DISK_TYPE_VOLUME,
    CONF_DISK_TYPE_DIR,
    CONF_DISK_TYPE_NVME,
    CONF_DISK_TYPE_VHOSTUSER,
} ConfDiskType;

typedef enum ConfDiskDevice {
    CONF_DISK_DEVICE_ABSENT, /* formatted as disk */
    CONF_DISK_DEVICE_DISK,
    CONF_DISK_DEVICE_CDROM,
    CONF_DISK_DEVICE_FLOPPY,
    CONF_DISK_DEVICE_LUN,
} ConfDiskDevice;

typedef struct ConfDisk {
    ConfDevice dev;
    ConfDiskType type;
    ConfDiskDevice device;
    unsigned snapshot; /* ConfSnapshotPlace: how a snapshot treats it if nobody says otherwise */
    ConfDiskType volume_type; /* of type volume, with a source: what it is, file or block */
    char *driver_name;        /* qemu, phy, file, tap, tap2; NULL = open, the engine chooses */
    char *driver_type;        /* raw, qcow, qcow2, qed, vhd, vmdk, aio */
    char *driver_cache, *driver_io, *driver_error_policy, *driver_discard;
    char *driver_extra;
    /* file=, dev= or dir= by type; NULL = empty drive. Type volume: where the volume is, once
     * somebody has looked; that is neither read nor written. */
    char *source;
    char *source_protocol, *source_name; /* type network */
    char *source_pool, *source_volume;   /* type volume */
    GPtrArray *source_hosts;             /* ConfDiskHost */
    char *source_snapshot, *source_config;
    char *source_startup_policy;
    char *source_extra;
    char *backenddomain;
    char *target; /* xvda, hdc, sdb ... required */
    char *target_bus;
    char *target_tray;
    char *iotune_extra; /* <iotune> children, kept */
    bool readonly, shareable, transient;
    char *serial, *wwn;
} ConfDisk;

typedef struct ConfIp { /* <ip address= prefix= family=> */
    char *address;
    char *family;
    ConfOptInt prefix;
    char *peer;
} ConfIp;

typedef struct ConfVlanTag {
    unsigned id;
    char *native_mode;
} ConfVlanTag;

typedef struct ConfInterface {
    ConfDevice dev;
    char *type; /* bridge, network, ethernet, hostdev, direct, user ... */
    char *mac;  /* lower case, colons; NULL: the caller of define generates 00:16:3e:... */
    char *source_bridge, *source_network, *source_portgroup, *source_dev, *source_mode;
    ConfAddress *source_address; /* type hostdev */
    char *source_extra;
    char *virtualport_type;
    char *virtualport_extra;
    ConfTristate vlan_trunk;
    GPtrArray *vlan; /* ConfVlanTag */
    char *script;
    GPtrArray *ips; /* ConfIp */
    char *target;   /* vif name */
    char *model;    /* netfront, e1000, rtl8139 ... */
    char *backenddomain;
    ConfOptInt outbound_average, outbound_peak, outbound_burst; /* KiB/s, KiB/s, KiB */
    ConfOptInt inbound_average, inbound_peak, inbound_burst;
    ConfOptInt mtu;
    char *link_state;
    char *filterref;
    char *filterref_extra;
} ConfInterface;

/* serial, parallel, console and channel share this shape. */
typedef struct ConfChardev {
    ConfDevice dev;
    char *type; /* pty, file, pipe, dev, tcp, udp, unix, null, stdio, vc, spicevmc */
    char *tty;  /* live <console tty=> */
    char *source_path, *source_mode, *source_host, *source_service, *source_append;
    char *source2_host, *source2_service; /* udp: <source mode='bind'> */
    char *source_extra;
    char *protocol_type; /* raw, telnet ... */
    char *log_file, *log_append;
    char *target_type, *target_name;
    ConfOptInt target_port;
    char *target_extra;
} ConfChardev;

typedef struct ConfListen { /* <graphics><listen> */
    char *type;             /* address, network, socket, none */
    char *address, *network, *socket;
    char *extra;
} ConfListen;

typedef struct ConfGraphics {
    ConfDevice dev;
    char *type; /* vnc, sdl, spice, rdp, desktop ... */
    ConfOptInt port;
    ConfOptInt tls_port;
    char *autoport; /* yes, no */
    ConfOptInt websocket;
    char *listen;
    char *socket;
    char *keymap;
    char *passwd; /* secret: formatted only with CONF_XML_SECURE */
    char *passwd_valid_to;
    char *display, *xauth; /* sdl */
    char *fullscreen;
    GPtrArray *listens; /* ConfListen */
    char *mouse_mode;   /* spice */
    ConfTristate clipboard_copypaste;
    char *image_compression, *streaming_mode;
    ConfTristate gl;
} ConfGraphics;

typedef struct ConfVideo {
    ConfDevice dev;
    char *model_type; /* xen, cirrus, vga, qxl, none, virtio ... */
    ConfOptInt vram_kib, ram_kib, vgamem_kib, heads;
    char *primary;
    char *model_extra;
} ConfVideo;

typedef struct ConfInput {
    ConfDevice dev;
    char *type; /* mouse, tablet, keyboard */
    char *bus;  /* xen, usb, ps2, virtio */
} ConfInput;

typedef struct ConfSound {
    ConfDevice dev;
    char *model; /* sb16, es1370, pcspk, ac97, ich6, ... */
} ConfSound;

typedef struct ConfController {
    ConfDevice dev;
    char *type; /* usb, xenbus, ide, scsi, pci, virtio-serial ... */
    ConfOptInt index;
    char *model;
    ConfOptInt ports;
    ConfOptInt max_grant_frames, max_event_channels; /* xenbus */
} ConfController;

typedef struct ConfHostdev { /* mode='subsystem' pci, usb (others: kept through source_extra) */
    ConfDevice dev;
    char *mode;    /* subsystem, capabilities */
    char *type;    /* pci, usb, scsi, ... */
    char *managed; /* yes, no */
    char *driver_name;
    char *write_filtering;                  /* yes, no */
    ConfOptInt domain, bus, slot, function; /* pci source address */
    ConfOptInt usb_bus, usb_device;         /* usb source address */
    ConfOptInt vendor, product;             /* usb ids */
    char *startup_policy;
    char *source_extra;
    char *rom_bar, *rom_file;
} ConfHostdev;

typedef struct ConfWatchdog {
    ConfDevice dev;
    char *model, *action;
} ConfWatchdog;

typedef struct ConfLease { /* a lock that a lock manager keeps while the domain runs */
    ConfDevice dev;        /* libvirt gives it neither alias nor address */
    char *lockspace, *key;
    char *target_path;   /* folder of the lockspace */
    char *target_offset; /* in bytes; NULL = 0 */
} ConfLease;

typedef struct ConfMemballoon {
    ConfDevice dev;
    char *model; /* xen, none */
} ConfMemballoon;

typedef struct ConfArg { /* <xen:commandline><xen:arg value=> */
    char *value;
} ConfArg;

/* Any device element that the model has no struct for (tpm, rng, filesystem, ...): kept whole. */
typedef struct ConfRawElement {
    char *xml; /* one serialised element */
} ConfRawElement;

typedef struct ConfDomain {
    gatomicrefcount refs;
    char *type; /* "xen" */
    int id;     /* -1: not running */
    char *name;
    uint8_t uuid[16];
    bool uuid_set;
    char *genid; /* UUID text, "" = <genid/> */
    char *title;
    char *description;
    char *metadata; /* serialised children of <metadata>, each with its namespace; NULL = absent */

    uint64_t max_memory_kib; /* <maxMemory slots=> */
    unsigned max_memory_slots;
    uint64_t memory_kib;     /* <memory>: most the domain may have */
    uint64_t cur_memory_kib; /* <currentMemory>: balloon target; 0 = as memory */

    unsigned vcpus_max; /* <vcpu>N; at least 1 after conf_domain_validate() */
    unsigned vcpus;     /* current=; 0 = as vcpus_max */
    ConfBitmap *cpuset;
    char *vcpu_placement;
    GPtrArray *vcpu_list; /* ConfVcpu */
    ConfCpuTune cputune;
    ConfNumaTune numatune;

    char *bootloader; /* "" = present and empty: the host's default */
    char *bootloader_args;
    ConfOs os;
    ConfFeatures features;
    ConfCpu *cpu; /* NULL = absent */
    ConfClock clock;
    ConfAction on_poweroff, on_reboot, on_crash;
    char *on_lockfailure;
    ConfTristate pm_suspend_to_mem, pm_suspend_to_disk;

    char *emulator;
    GPtrArray *disks;           /* ConfDisk */
    GPtrArray *controllers;     /* ConfController */
    GPtrArray *leases;          /* ConfLease */
    GPtrArray *interfaces;      /* ConfInterface */
    GPtrArray *serials;         /* ConfChardev */
    GPtrArray *parallels;       /* ConfChardev */
    GPtrArray *consoles;        /* ConfChardev */
    GPtrArray *channels;        /* ConfChardev */
    GPtrArray *inputs;          /* ConfInput */
    GPtrArray *graphics;        /* ConfGraphics */
    GPtrArray *sounds;          /* ConfSound */
    GPtrArray *videos;          /* ConfVideo */
    GPtrArray *hostdevs;        /* ConfHostdev */
    GPtrArray *watchdogs;       /* ConfWatchdog */
    ConfMemballoon *memballoon; /* NULL = absent */
    GPtrArray *raw_devices;     /* ConfRawElement */

    GPtrArray *seclabels; /* ConfSeclabel */
    GPtrArray *xen_args;  /* ConfArg */
    char *extra;          /* top-level elements that have no field, inside one <domain> */
} ConfDomain;

ConfDomain *conf_domain_new(void); /* type "xen", id -1, empty lists; one reference */
ConfDomain *conf_domain_ref(ConfDomain *def);
void conf_domain_unref(ConfDomain *def);             /* accepts NULL */
ConfDomain *conf_domain_copy(const ConfDomain *def); /* deep; one reference */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfDomain, conf_domain_unref)

/* New zeroed members (lists allocated), ready to be filled and g_ptr_array_add()ed. */
ConfDisk *conf_disk_new(void);
ConfInterface *conf_interface_new(void);
ConfChardev *conf_chardev_new(void);
ConfGraphics *conf_graphics_new(void);
ConfVideo *conf_video_new(void);
ConfInput *conf_input_new(void);
ConfSound *conf_sound_new(void);
ConfController *conf_controller_new(void);
ConfHostdev *conf_hostdev_new(void);
ConfWatchdog *conf_watchdog_new(void);
ConfLease *conf_lease_new(void);
ConfMemballoon *conf_memballoon_new(void);
ConfCpu *conf_cpu_new(void);
ConfCpuFeature *conf_cpu_feature_new(void);
ConfNumaCell *conf_numa_cell_new(void);
ConfTimer *conf_timer_new(void);
ConfVcpu *conf_vcpu_new(void);
ConfVcpuPin *conf_vcpu_pin_new(void);
ConfSeclabel *conf_seclabel_new(void);
ConfHypervFeature *conf_hyperv_feature_new(void);
ConfBoot *conf_boot_new(void);
ConfAcpiTable *conf_acpi_table_new(void);
ConfArg *conf_arg_new(void);
ConfIp *conf_ip_new(void);
ConfVlanTag *conf_vlan_tag_new(void);
ConfDiskHost *conf_disk_host_new(void);
ConfListen *conf_listen_new(void);
ConfNumaDistance *conf_numa_distance_new(void);
ConfNumaMemnode *conf_numa_memnode_new(void);
ConfAddress *conf_address_new(void);
ConfRawElement *conf_raw_element_new(void);
void conf_disk_free(ConfDisk *disk);
void conf_interface_free(ConfInterface *iface);
void conf_chardev_free(ConfChardev *chr);
void conf_graphics_free(ConfGraphics *graphics);
void conf_controller_free(ConfController *controller);
void conf_hostdev_free(ConfHostdev *hostdev);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfDisk, conf_disk_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfInterface, conf_interface_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfChardev, conf_chardev_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfGraphics, conf_graphics_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfController, conf_controller_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfHostdev, conf_hostdev_free)

/* What `source` is: @type, but for a volume that somebody has looked for. */
ConfDiskType conf_disk_source_type(const ConfDisk *disk);

/* <iotune> of a disk, by the name of the element (libvirt's: total_bytes_sec ...); 0 = not there.
 */
uint64_t conf_disk_iotune(const ConfDisk *disk, const char *name);
void conf_disk_set_iotune(ConfDisk *disk, const char *name, uint64_t value); /* 0 removes */

/* UUID helpers. Text is 36 characters, lower case; parse takes 32 hex digits with or without
 * dashes, as libvirt does. */
bool conf_uuid_parse(const char *text, uint8_t ret_uuid[16]);
void conf_uuid_format(const uint8_t uuid[16], char ret_text[37]);
void conf_uuid_generate(uint8_t ret_uuid[16]);

/* Effective values, with the defaults that the Absent rule above leaves open. */
uint64_t conf_domain_current_memory(const ConfDomain *def); /* KiB */
unsigned conf_domain_current_vcpus(const ConfDomain *def);
const char *conf_domain_os_type_name(const ConfDomain *def); /* "linux", "hvm", "xenpvh" */

G_END_DECLS
