/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ConfDomain to libxl's structs, and back.
 *
 * Host      Nothing here asks Xen or touches the host: no libxl_ctx, no file is looked at. What
 *           the host decides comes in through HvxlConfigEnv.
 * Silence   Nothing is ignored without a word. What the guest would miss although libxl cannot do
 *           it is refused (HV_ERROR_CONFIG), with the element, the reason and what to do. What
 *           is left out without harm is a warning, "element: reason", for the domain's log.
 *           docs/LIBXL.md lists both, out of the same table (hvxl-config-rows.c).
 * Memory    libxl's structs are filled with malloc()ed memory, as their _dispose() wants it. A
 *           function that builds a device takes one that the caller initialised (libxl_*_init())
 *           and disposes of, also after a failure.
 * Threads   No globals: any thread.
 */
#pragma once

#include <conf/conf.h>

#include <libxl.h>

G_BEGIN_DECLS

/* What is known about the host, and its defaults. All may be 0 or NULL; all belongs to the caller,
 * and outlives the call. hvxl_config_env_init() first. */
typedef struct HvxlConfigEnv {
    const char *hotplug_script; /* of disks and interfaces that name none, with its other names in
                                   scripts/ beside it; NULL: Xen's own */
    const char *kernel;         /* stands in for <kernel>: its unpacked copy */
    const char *ramdisk;        /* stands in for <initrd> */
    const char *bootloader;     /* of a PV domain that has neither kernel nor bootloader; NULL:
                                   "pygrub", which libxl finds */
    const char *ovmf;           /* of <os firmware='efi'>; NULL: libxl's own */
    const char *vnc_listen;     /* where no listen address is given; NULL: libxl's, 127.0.0.1 */
    const char *spice_listen;   /* likewise */
    const char *keymap;         /* where none is given */
    const char *vif_script;     /* like vif.default.script of xl.conf; hotplug_script goes first */
    const char *channel_dir;    /* sockets of channels without a path:
                                   channel_dir/DOMAIN-CHANNEL */
    unsigned n_cpus;            /* of the host; bounds "all cpus" in an affinity */
    unsigned n_nodes;           /* NUMA nodes of the host */
    libxl_scheduler scheduler;  /* of the domain's cpupool; UNKNOWN counts as credit2 */
    gboolean nested_hvm;        /* nested_hvm of libxl.conf: host-passthrough means it, too */
    gint64 now;                 /* seconds since 1970; 0: the clock */

    gpointer data; /* of the functions below, each of which may be NULL */
    /* Sets the processors of a NUMA node of the host in the map. */
    gboolean (*node_cpus)(unsigned node, ConfBitmap *map, gpointer data, GError **error);
    /* The path of a file that comes with Xen, "pvgrub64.bin"; NULL: it isn't there. g_free() it. */
    char *(*firmware)(const char *name, gpointer data);
    /* The bridge of an active network, g_free() it. */
    char *(*network_bridge)(const char *network, const char *portgroup, gpointer data,
                            GError **error);
    /* A TCP port that nobody uses, for SPICE; 0 and *error. */
    int (*spice_port)(gpointer data, GError **error);
    /* The USB device that is plugged in with these ids; exactly one, or an error. */
    gboolean (*usb_find)(unsigned vendor, unsigned product, unsigned *ret_bus, unsigned *ret_device,
                         gpointer data, GError **error);
} HvxlConfigEnv;

void hvxl_config_env_init(HvxlConfigEnv *env);

/* `warnings` gets strings that it owns (g_free); NULL drops them. `config` has been initialised by
 * libxl_domain_config_init(). HV_ERROR_CONFIG: what cannot be had, or a value that is wrong. */
gboolean hvxl_config_build(const HvxlConfigEnv *env, const ConfDomain *def,
                           libxl_domain_config *config, GPtrArray *warnings, GError **error);

/* ---- one device, for hotplug ---- */

/* `def` tells what kind of domain it is for; the device need not be in it. */
gboolean hvxl_disk_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfDisk *disk,
                         libxl_device_disk *ret_disk, GPtrArray *warnings, GError **error);
/* The hotplug helper (there is one in `env`), under the name that says whether the disk is shared.
 */
void hvxl_disk_set_hotplug(libxl_device_disk *xl, const HvxlConfigEnv *env, const ConfDisk *disk);
/* Not type hostdev, which is a PCI device: see hvxl_interface_pci_build(). devid is left alone. */
gboolean hvxl_nic_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfInterface *iface,
                        libxl_device_nic *ret_nic, GPtrArray *warnings, GError **error);
gboolean hvxl_interface_pci_build(const HvxlConfigEnv *env, const ConfDomain *def,
                                  const ConfInterface *iface, libxl_device_pci *ret_pci,
                                  GPtrArray *warnings, GError **error);
/* <graphics> of a PV framebuffer. */
gboolean hvxl_vfb_build(const HvxlConfigEnv *env, const ConfDomain *def,
                        const ConfGraphics *graphics, libxl_device_vfb *ret_vfb,
                        GPtrArray *warnings, GError **error);
gboolean hvxl_pci_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfHostdev *hostdev,
                        libxl_device_pci *ret_pci, GPtrArray *warnings, GError **error);
gboolean hvxl_usbdev_build(const HvxlConfigEnv *env, const ConfDomain *def,
                           const ConfHostdev *hostdev, libxl_device_usbdev *ret_usbdev,
                           GPtrArray *warnings, GError **error);
/* <controller type='usb'>; devid becomes its index. */
gboolean hvxl_usbctrl_build(const HvxlConfigEnv *env, const ConfDomain *def,
                            const ConfController *controller, libxl_device_usbctrl *ret_usbctrl,
                            GPtrArray *warnings, GError **error);
gboolean hvxl_channel_build(const HvxlConfigEnv *env, const ConfDomain *def,
                            const ConfChardev *channel, libxl_device_channel *ret_channel,
                            GPtrArray *warnings, GError **error);
/* The word that libxl hands to QEMU for a serial port: "pty", "file:/path", "tcp:host:port" ...
 * NULL and *error where there is none. g_free() it. */
char *hvxl_serial_word(const ConfChardev *serial, GError **error);
/* The path of a channel's socket, also where the definition has none; NULL: it is a pty. */
char *hvxl_channel_path(const HvxlConfigEnv *env, const ConfDomain *def,
                        const ConfChardev *channel);

/* ---- back ---- */

/* A definition out of libxl's own record of a domain, as libxl_retrieve_domain_configuration()
 * returns it. What domXML cannot say is carried in our element of <metadata>; cpuid= is not, as
 * libxl doesn't show it. Nothing is filled in: conf_domain_fill_defaults() is the caller's. */
ConfDomain *hvxl_config_adopt(const libxl_domain_config *config, GError **error);

/* A new device; the domain's type tells what an open type means. */
ConfDisk *hvxl_disk_adopt(libxl_domain_type type, const libxl_device_disk *disk);
ConfInterface *hvxl_nic_adopt(libxl_domain_type type, const libxl_device_nic *nic);
ConfHostdev *hvxl_pci_adopt(const libxl_device_pci *pci);
ConfHostdev *hvxl_usbdev_adopt(const libxl_device_usbdev *usbdev);
ConfController *hvxl_usbctrl_adopt(const libxl_device_usbctrl *usbctrl);
ConfChardev *hvxl_channel_adopt(const libxl_device_channel *channel);

G_END_DECLS
