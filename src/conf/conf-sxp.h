/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the sxp mapping share. Both directions go through the same rows:
 *
 *   native tree ── rows (conf-sxp-rows.c) ──▶ SxpGuest, ConfDisk ... ── derive ──▶ ConfDomain
 *
 * A row ties one path ("image/hvm/vncdisplay") to one typed field. What several keys say together
 * (kernel, loader and bootloader; vnc of the image and a vfb) is first collected in SxpGuest and
 * SxpDisplay, and derived from there; the writer fills the same structs from the definition.
 */
#pragma once

#include "conf-private.h"

#include <stddef.h>

typedef struct SxpRead SxpRead;
typedef struct SxpWrite SxpWrite;
typedef struct SxpRow SxpRow;

/* ---- what xend says ---- */

/* The display keys: of an image and of a vfb alike. */
typedef struct SxpDisplay {
    char *type; /* vfb of xend 3.0: vnc, sdl */
    ConfTristate vnc, vncunused, sdl, opengl, spice, spice_ticketless, spice_mouse;
    char *vncdisplay, *vnclisten, *vncpasswd;
    char *keymap, *display, *xauthority;
    char *spicehost, *spicepasswd;
    ConfOptInt spiceport, spicetls_port;
    ConfOptInt videoram; /* MiB */
} SxpDisplay;

typedef struct SxpGuest {
    bool hvm;
    SxpDisplay display; /* of the image */
    uint64_t memory_kib, maxmem_kib, dynamic_min_kib, static_min_kib;
    ConfOptInt vcpus, vcpus_at_startup;
    char *vcpu_avail; /* decimal bit mask of any length */
    ConfOptInt cpu, cpu_cap;
    char *bootloader, *bootloader_args;
    char *kernel, *loader, *ramdisk, *root, *args, *ip, *boot, *boot_policy;
    char *device_model;
    char *restart; /* xend 2: always, onreboot, never */
    char *on_xend_start;
    ConfTristate acpi, apic, pae, hap, viridian, hpet, nestedhvm;
    ConfTristate localtime, usb, stdvga, nographic;
    ConfOptInt rtc_timeoffset, tsc_mode;
    char *usbdevice, *serial, *parallel, *soundhw;
    char *watchdog, *watchdog_action;
    char *cdrom, *fda, *fdb; /* drives of an HVM image, as xend 3.0 had them */
} SxpGuest;

typedef struct SxpScsi { /* one (dev ...) of a vscsi */
    char *p_dev, *v_dev; /* HOST:CHANNEL:TARGET:LUN */
} SxpScsi;

/* ---- rows ---- */

typedef enum SxpType {
    SXP_TEXT,    /* char *; several atoms become one text with blanks */
    SXP_SWITCH,  /* ConfTristate: 0/1, yes/no, true/false, on/off */
    SXP_NUMBER,  /* ConfOptInt */
    SXP_KIB,     /* uint64_t; `unit` says in what xend counts */
    SXP_ACTION,  /* ConfAction, in either dialect */
    SXP_HOOK,    /* read and write do it */
    SXP_RUNTIME, /* describes a running domain, or is xend's own bookkeeping */
    SXP_KEY,     /* has no home in domXML, and rides in metadata as xl's key `key` */
    SXP_LOST,    /* has no home; `reason` says why */
} SxpType;

typedef enum SxpBase { SXP_IN_DOMAIN, SXP_IN_GUEST, SXP_IN_DEVICE } SxpBase;

/* KIB: in what xend counts. NUMBER: how it is written, of 2 digits or more; xend reads the parts of
 * a PCI address as hexadecimal. */
typedef enum SxpUnit { SXP_MIB, SXP_BYTES, SXP_HEX } SxpUnit;

/* One node that a row was found for. */
typedef struct SxpItem {
    ConfNode *node;
    const SxpRow *row;
    const char *path; /* as the report names it; owned by the reading */
} SxpItem;

typedef gboolean (*SxpReadFunc)(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
typedef void (*SxpWriteFunc)(SxpWrite *out, const SxpRow *row, ConfNode *parent,
                             gconstpointer source);

struct SxpRow {
    const char *path; /* complete; '*' for either kind of image */
    SxpType type;
    SxpBase base;
    size_t offset;
    SxpUnit unit;
    bool alias;         /* the other dialect's name: read, never written */
    const char *quiet;  /* "0|none": values that say what holds anyway */
    const char *reason; /* LOST */
    const char *key;    /* KEY */
    SxpReadFunc read;   /* HOOK */
    SxpWriteFunc write; /* HOOK: NULL = nothing to write; else instead of the field */
};

/* The rows of one place in the tree. `prefix` ends in '/' or is empty. */
typedef struct SxpTable {
    const char *prefix;
    gsize prefix_len;
    const SxpRow *rows;
    gsize n_rows;
} SxpTable;

extern const SxpTable sxp_domain_table, sxp_image_table, sxp_disk_table, sxp_interface_table,
    sxp_display_table, sxp_input_table, sxp_console_table, sxp_pci_table, sxp_pci_dev_table,
    sxp_usb_table, sxp_scsi_table, sxp_scsi_dev_table;

/* The row for `key` in a table, or NULL. hvm chooses among the image rows. */
const SxpRow *sxp_row_find(const SxpTable *table, const char *key, bool hvm);
/* ConfWhyFunc: the reason of the row for a path as the report has it ("device[2]/vif/accel"). */
const char *sxp_why(const char *path);

/* ---- reading (conf-sxp-map.c) ---- */

struct SxpRead {
    ConfNative *native;
    ConfReport *report;
    ConfDomain *def; /* under construction */
    ConfXlExt *ext;  /* goes into its metadata */
    SxpGuest guest;
    SxpDisplay vfb;
    bool has_vfb, has_vkbd;
    ConfDisk *boot_disk;      /* borrowed: the first one that says bootable */
    const SxpItem *boot_item; /* and where it says so; as long as paths */
    GHashTable *items;        /* row -> SxpItem of the domain's and the image's keys */
    GPtrArray *paths;         /* owns every SxpItem.path */
    GHashTable *uuids;        /* text of each device's uuid, for the *_refs */
};

/* The value as one text; NULL when there is none or it is no plain value. */
char *sxp_text(const ConfNode *node);
/* Nothing in it: (key), (key ''), (key ()), (key (())). */
bool sxp_is_empty(const ConfNode *node);
/* Numbers behind each other, of (key 0 1 2) as well as of a bare (0 1 2). False: others too. */
bool sxp_numbers(const ConfNode *node, GArray *numbers);
const SxpItem *sxp_item(const SxpRead *in, const char *path);
const char *sxp_path(SxpRead *in, const char *prefix, const char *key);
/* PATH[0]: the report's name for the list inside of the list PATH. */
const char *sxp_first_of(SxpRead *in, const char *path);
bool sxp_switch(const char *text, ConfTristate *ret_value);
ConfPlace sxp_place(const SxpRead *in, const SxpItem *item);
gboolean sxp_fail(const SxpRead *in, const SxpItem *item, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Adds the row and marks the node. `item` may be NULL: then nothing happens. */
void sxp_remark(SxpRead *in, const SxpItem *item, ConfOutcome outcome, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* A difference of a whole device. Its keys keep their own fates: one of them may be lost. */
void sxp_remark_device(SxpRead *in, const SxpItem *item, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void sxp_mark(const SxpItem *item, ConfFate fate);
/* Reads each item of `group` by its row. Keys without a row stay UNSEEN. */
gboolean sxp_read_table(SxpRead *in, const SxpTable *table, ConfNode *group, const char *prefix,
                        gpointer device, GError **error);
/* Frees the texts that rows of the table own in guest or device. */
void sxp_clear_fields(const SxpTable *table, SxpGuest *guest, gpointer device);

/* conf-sxp-guest.c: SxpGuest <-> ConfDomain */
gboolean sxp_guest_to_domain(SxpRead *in, GError **error);
void sxp_guest_from_domain(SxpGuest *guest, const ConfDomain *def);
/* conf-sxp-cpu.c */
gboolean sxp_vcpus_to_domain(SxpRead *in, GError **error);
gboolean sxp_scheduling_to_domain(SxpRead *in, GError **error);
void sxp_vcpus_from_domain(SxpGuest *guest, const ConfDomain *def);
gboolean sxp_read_cpus(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_uuid(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_vcpus_params(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_boot_params(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_seclabel(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_image_pci(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_acpi_firmware(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_weight(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
void sxp_write_cpus(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_uuid(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_seclabel(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_acpi_firmware(SxpWrite *out, const SxpRow *row, ConfNode *parent,
                             gconstpointer source);
void sxp_write_on_crash(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_weight(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);

/* conf-sxp-keys.c */
void sxp_drop_key(SxpRead *in, const SxpItem *item);
gboolean sxp_read_ioports(SxpRead *in, const SxpItem *item, GError **error);
gboolean sxp_read_irq(SxpRead *in, const SxpItem *item, GError **error);
void sxp_write_raw_devices(SxpWrite *out, ConfNode *root);

/* conf-sxp-display.c: SxpDisplay <-> graphics and video */
gboolean sxp_display_to_domain(SxpRead *in, GError **error);
void sxp_display_from_domain(SxpDisplay *display, const ConfDomain *def);

/* conf-sxp-devices.c */
gboolean sxp_read_device(SxpRead *in, ConfNode *node, const char *path, GError **error);
/* Drives of the image that xend 3.0 named by key. */
gboolean sxp_image_drives(SxpRead *in, GError **error);
gboolean sxp_read_uname(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_vdev(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_mode(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_bootable(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_discard(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_disk_backend(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_mac(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_ip(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_rate(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_vif_type(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_vif_backend(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_pci_slot(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_pci_opts(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
gboolean sxp_read_usb_version(SxpRead *in, const SxpItem *item, gpointer target, GError **error);
void sxp_write_uname(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_vdev(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_mode(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_bootable(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_discard(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_disk_backend(SxpWrite *out, const SxpRow *row, ConfNode *parent,
                            gconstpointer source);
void sxp_write_mac(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_ip(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_rate(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_vif_type(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_model(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_vif_backend(SxpWrite *out, const SxpRow *row, ConfNode *parent,
                           gconstpointer source);
void sxp_write_pci_slot(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_pci_opts(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source);
void sxp_write_usb_version(SxpWrite *out, const SxpRow *row, ConfNode *parent,
                           gconstpointer source);

/* ---- writing (conf-sxp-write.c) ---- */

struct SxpWrite {
    const ConfDomain *def;
    ConfXlExt *ext; /* of its metadata */
    SxpGuest guest; /* filled from def */
};

/* A new item of `parent`: (key value), (key), (key ...). NULL value: nothing is added. */
ConfNode *sxp_add_group(ConfNode *parent, const char *key);
void sxp_add(ConfNode *parent, const char *key, const char *value);
void sxp_add_number(ConfNode *parent, const char *key, gint64 number);
