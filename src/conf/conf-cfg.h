/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl and xm keys and the domain model: private to the conf-cfg*.c files.
 *
 * One table (conf-cfg.c), one row a key, both directions. A row is plain data over a field of
 * ConfDomain or, where a key and an element don't match one to one, of CfgParts. CfgParts is the
 * domain as these formats cut it (memory in MiB, vnc and its options beside each other ...).
 *
 * Reading   rows fill CfgParts and ConfDomain, then the cfg_*_join() functions make the rest of
 *           the domain out of the parts.
 * Writing   the cfg_*_split() functions fill CfgParts from the domain, then rows write both.
 */
#pragma once

#include "conf-private.h"

typedef enum CfgWho {
    CFG_XL = 1 << 0,
    CFG_XM = 1 << 1,
    CFG_BOTH = CFG_XL | CFG_XM,
} CfgWho;

typedef enum CfgGuest { /* 0 in a row: all of them */
                        CFG_PV = 1 << 0,
                        CFG_HVM = 1 << 1,
                        CFG_PVH = 1 << 2,
} CfgGuest;

typedef struct CfgParts {
    char *type, *builder;
    ConfOptInt memory, maxmem; /* MiB */
    ConfOptInt vcpus, maxvcpus, vcpu_avail, cpu, cap;
    char *kernel, *cmdline, *root, *extra;
    char *ip, *netmask, *gateway, *hostname, *interface, *dhcp, *nfs_server, *nfs_root; /* xm */
    char *bootloader;
    char *bootentry, *restart; /* xm */
    char *bios, *bios_path, *firmware, *boot;
    char *seclabel, *genid, *acpi_firmware;
    char *passthrough, *tsc_mode;
    ConfTristate acpi, apic, pae, hap, hpet, nestedhvm, nx, e820_host, localtime;
    ConfOptInt rtc_timeoffset, max_grant_frames, max_event_channels;

    ConfTristate vnc, vncunused, sdl, opengl, nographic, stdvga;
    char *vnclisten, *vncpasswd, *keymap, *display, *xauthority, *vga;
    ConfOptInt vncdisplay, videoram;
    ConfTristate spice, spice_no_ticket, spice_agent_mouse, spice_vdagent, spice_clipboard;
    char *spicehost, *spicepasswd, *spice_compression, *spice_streaming;
    ConfOptInt spiceport, spicetls_port, spice_usb;

    ConfTristate usb, pci_permissive, pci_seize;
    ConfOptInt nics;
    ConfTristate ne2000;
    char *fda, *fdb, *cdrom, *watchdog, *watchdog_action;
    char *device_model, *description, *ovm_description;
} CfgParts;

void cfg_parts_clear(CfgParts *parts);

typedef struct CfgReader {
    ConfNative *native;
    ConfReport *report;
    ConfDomain *def;
    CfgParts parts;
    CfgWho who;
    CfgGuest guest;     /* known behind the rows of type= and builder= */
    guint64 beginnings; /* of the keys that are there: see cfg_beginning() */
    ConfXlExt *ext;     /* keys that domXML has no place for */
} CfgReader;

/* One of 64 bits for how a key begins. Most of the keys that are looked for are not there, and
 * this tells so at once. */
static inline guint64
cfg_beginning(const char *key)
{
    return (guint64)1 << ((key[0] * 31 + (key[0] ? key[1] : 0)) & 63);
}

typedef struct CfgWriter {
    const ConfDomain *def;
    ConfReport *report;
    CfgParts parts;
    CfgWho who;
    CfgGuest guest;
    GString *out;
    ConfXlExt *ext; /* keys of xl in the definition's metadata */
} CfgWriter;

/* How the value of a row lies in memory; KEY() and PART() take it from the field itself. */
typedef enum CfgType {
    CFG_TYPE_HOOK,     /* .read and .write, or no home */
    CFG_TYPE_STRING,   /* char * */
    CFG_TYPE_OPTINT,   /* ConfOptInt */
    CFG_TYPE_TRISTATE, /* ConfTristate */
    CFG_TYPE_ACTION,   /* ConfAction */
    CFG_TYPE_BOOL,     /* bool: an element that is there or not */
} CfgType;

typedef struct CfgName {
    const char *word;  /* in the config */
    const char *value; /* in domXML; NULL: known, and says what is the case anyway */
} CfgName;

/* A CfgName.value (compared by address): domXML has no word for it, and metadata takes it. */
extern const char cfg_in_metadata[];

/* What of a key rides in metadata (conf-cfg-carry.c). */
typedef enum CfgCarry {
    CFG_CARRY_NONE,
    CFG_CARRY_ALL,     /* domXML has no home for the key */
    CFG_CARRY_INSTEAD, /* a value that domXML can't say, whole: it has the last word there */
    CFG_CARRY_BESIDE,  /* a part of the value: .write puts both together */
} CfgCarry;

typedef struct CfgKey CfgKey;
struct CfgKey {
    const char *name;
    unsigned who;
    CfgType type;
    bool in_parts; /* offset is into CfgParts, else into ConfDomain */
    size_t offset;
    unsigned guests; /* CfgGuest: others ignore the key */
    bool required;   /* a value that could not be worked out is an error */
    bool path;       /* libvirt wants it absolute */
    bool read_only;  /* an old spelling: understood, never written */
    CfgCarry carry;
    bool nested;          /* a list of lists: metadata has an item a list, a line a text */
    const char *neutral;  /* a value that says what is the case anyway */
    const CfgName *names; /* ends in a NULL word */
    /* The node was not OPAQUE or None. Marks it. */
    gboolean (*read)(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
    void (*write)(CfgWriter *w, const CfgKey *key);
    const char *why; /* no home at all, or none for the values outside .names */
};

extern const CfgKey cfg_keys[];
extern const size_t cfg_n_keys;
#define CFG_MAX_KEYS 320
/* The row of the key that one of `who` knows; NULL: none. */
const CfgKey *cfg_key_find(const char *name, unsigned who);
const char *cfg_guest_name(CfgGuest guest); /* "PV", "HVM", "PVH" */

/* ---- values (conf-cfg-value.c) ----
 * The getters take the forms that xl and xend take: a number may be quoted, a string may be a bare
 * number. They leave ret alone, and set an error that names key, place, expectation and finding. */
gboolean cfg_get_string(CfgReader *r, const char *path, const ConfNode *node, const char **ret,
                        GError **error);
gboolean cfg_get_int(CfgReader *r, const char *path, const ConfNode *node, int64_t *ret,
                     GError **error);
gboolean cfg_get_bool(CfgReader *r, const char *path, const ConfNode *node, bool *ret,
                      GError **error);
bool cfg_has_control(const char *text); /* what XML can't hold */
bool cfg_parse_int(const char *text, int64_t *ret);
bool cfg_parse_bool(const char *text, bool *ret);
ConfNode *cfg_node(CfgReader *r, const char *key); /* may be NULL */
void cfg_error(CfgReader *r, const ConfNode *node, const char *path, GError **error, ConfError code,
               const char *format, ...) G_GNUC_PRINTF(6, 7);
/* A row about `node`. LOST also gives the node that fate. */
void cfg_report(CfgReader *r, ConfNode *node, const char *path, ConfOutcome outcome,
                const char *reason, ...) G_GNUC_PRINTF(5, 6);
/* The same about the key of a part that a join found to be different; no row without a node. */
void cfg_report_key(CfgReader *r, const char *key, ConfOutcome outcome, const char *reason, ...)
    G_GNUC_PRINTF(4, 5);
ConfPlace cfg_place(CfgReader *r, const ConfNode *node, const char *path);

/* Calls `item` for each string of a list (a single string is a list of one), with the path
 * "KEY[I]"; CONF_ERROR_UNSUPPORTED from it loses that item by name and goes on. */
typedef gboolean (*CfgItemFunc)(CfgReader *r, const char *text, unsigned index,
                                const ConfPlace *place, GError **error);
gboolean cfg_each_string(CfgReader *r, const char *key, ConfNode *node, CfgItemFunc item,
                         GError **error);

/* One "key=value" word of a device's text. */
typedef struct CfgWord {
    char *name;
    char *value;     /* NULL: a flag or a positional parameter */
    unsigned offset; /* of the word in the text */
} CfgWord;
/* Splits at commas, white space around words dropped. Free with g_ptr_array_unref(). */
GPtrArray *cfg_words(const char *text);

/* ---- writing (conf-cfg-write.c) ---- */
void cfg_put_string(CfgWriter *w, const char *key, const char *value);
void cfg_put_int(CfgWriter *w, const char *key, int64_t value);
void cfg_put_list(CfgWriter *w, const char *key, GPtrArray *strings); /* nothing when empty */
void cfg_put_lists(CfgWriter *w, const char *key, GPtrArray *texts);  /* a line of a text an item */
void cfg_lost(CfgWriter *w, const char *value, const char *reason, const char *path, ...)
    G_GNUC_PRINTF(4, 5);
void cfg_changed(CfgWriter *w, const char *value, const char *reason, const char *path, ...)
    G_GNUC_PRINTF(4, 5);

/* ---- both directions, by subject ---- */

/* conf-cfg-base.c: type, memory, cpus, boot, features, clock */
gboolean cfg_base_join(CfgReader *r, GError **error);
void cfg_base_split(CfgWriter *w);
gboolean cfg_read_type(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_name(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_uuid(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_bootloader_args(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_xend_start(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_on_crash(CfgWriter *w, const CfgKey *key);
gboolean cfg_read_dm_args(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_uuid(CfgWriter *w, const CfgKey *key);
void cfg_write_bootloader_args(CfgWriter *w, const CfgKey *key);
void cfg_write_dm_args(CfgWriter *w, const CfgKey *key);

/* conf-cfg-cpu.c: pinning, cpuid, viridian, virtual NUMA */
gboolean cfg_cpu_join(CfgReader *r, GError **error);
void cfg_cpu_split(CfgWriter *w);
gboolean cfg_read_cpus(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_cpuid(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_irq(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_viridian(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_vnuma(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_cpus(CfgWriter *w, const CfgKey *key);
void cfg_write_cpuid(CfgWriter *w, const CfgKey *key);
void cfg_write_viridian(CfgWriter *w, const CfgKey *key);
void cfg_write_vnuma(CfgWriter *w, const CfgKey *key);

/* conf-cfg-disk.c */
gboolean cfg_disk_join(CfgReader *r, GError **error);
gboolean cfg_read_disk(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_disk(CfgWriter *w, const CfgKey *key);

/* conf-cfg-vif.c */
gboolean cfg_vif_join(CfgReader *r, GError **error);
gboolean cfg_read_vif(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_vif(CfgWriter *w, const CfgKey *key);

/* conf-cfg-graphics.c */
gboolean cfg_graphics_join(CfgReader *r, GError **error);
void cfg_graphics_split(CfgWriter *w);
gboolean cfg_read_vfb(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_vfb(CfgWriter *w, const CfgKey *key);

/* conf-cfg-devices.c: PCI, USB, serial, parallel, channel, sound, watchdog */
gboolean cfg_devices_join(CfgReader *r, GError **error);
void cfg_devices_split(CfgWriter *w);
gboolean cfg_read_pci(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_usbdevice(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_usbctrl(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_usbdev(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_serial(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_parallel(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_channel(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
gboolean cfg_read_soundhw(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error);
void cfg_write_pci(CfgWriter *w, const CfgKey *key);
void cfg_write_usbdevice(CfgWriter *w, const CfgKey *key);
void cfg_write_usbctrl(CfgWriter *w, const CfgKey *key);
void cfg_write_usbdev(CfgWriter *w, const CfgKey *key);
void cfg_write_serial(CfgWriter *w, const CfgKey *key);
void cfg_write_parallel(CfgWriter *w, const CfgKey *key);
void cfg_write_channel(CfgWriter *w, const CfgKey *key);
void cfg_write_soundhw(CfgWriter *w, const CfgKey *key);

/* conf-cfg-carry.c: what rides in metadata */
/* The value of the node as it stands. False, and nothing is changed, where it is no text that XML
 * can hold, and no list of such. */
bool cfg_carry(CfgReader *r, const char *key, ConfNode *node);
bool cfg_carry_nested(CfgReader *r, const char *key, ConfNode *node); /* of a nested row */
/* The value of the key, if it is there, or an item of its list. False for xm, too. */
bool cfg_carry_instead(CfgReader *r, const char *key);
bool cfg_carry_item(CfgReader *r, const char *key, const char *text);
bool cfg_is_carried(const CfgWriter *w, const char *key);
void cfg_append_carried(const CfgWriter *w, const char *key, GPtrArray *list); /* copies */
void cfg_write_carried(CfgWriter *w, const CfgKey *key);
bool cfg_carries_list(const CfgWriter *w, const char *name);
void cfg_report_uncarried(CfgWriter *w);
bool cfg_metadata_is_ours(const ConfDomain *def);
bool cfg_carry_word(const char *kind, const char *name, const char *value, GPtrArray *keys);
char *cfg_usbctrl_name(unsigned index);
char *cfg_vfb_name(unsigned index);
void cfg_carry_device(ConfXlExt *ext, const char *target, const GPtrArray *keys);
void cfg_put_carried_words(const CfgWriter *w, const char *kind, const char *target, GString *text);
bool cfg_device_key_is_written(const CfgWriter *w, const char *target, const char *name);

/* conf-cfg-loss.c: names what of a domain no row writes */
void cfg_report_unwritten(CfgWriter *w);
