/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the translation share. */
#pragma once

#include "hvxl-config.h"

#include <hv/hv.h>

#include <libxl_utils.h>

G_BEGIN_DECLS

/* ---- the table of elements ---- */

typedef enum HvxlFate {
    HVXL_HONOURED,
    HVXL_WARNED,  /* left out, and said so in the domain's log */
    HVXL_REFUSED, /* the domain does not start */
    HVXL_KEPT,    /* about the definition, not the guest: nothing to do */
} HvxlFate;

/* One element or attribute of domXML, one fate. An element may have several rows, where its fate
 * depends on a value or on the kind of guest: then `value` tells which. */
typedef struct HvxlRow {
    const char *path;  /* below <domain>: "devices/disk/driver/@cache" */
    const char *value; /* what the row is about where the path alone does not say it; NULL: all */
    HvxlFate fate;
    const char *libxl; /* honoured: the field of libxl_domain_config */
    const char *why;   /* not honoured: the reason, and what to do; honoured: a remark or NULL */
} HvxlRow;

extern const HvxlRow hvxl_rows[];
extern const size_t hvxl_n_rows;

const HvxlRow *hvxl_row_find(const char *path, const char *value);

/* ---- one translation ---- */

typedef struct HvxlBuild {
    const HvxlConfigEnv *env;
    const ConfDomain *def;
    libxl_domain_config *config; /* NULL: a single device */
    libxl_domain_type type;
    GPtrArray *warnings; /* NULL drops them */
    ConfXlExt *ext;      /* keys of xl in the definition's metadata */
} HvxlBuild;

void hvxl_build_clear(HvxlBuild *b);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HvxlBuild, hvxl_build_clear)

/* FALSE for a type that libxl has not, and for metadata of ours that can't be read. */
gboolean hvxl_build_init(HvxlBuild *b, const HvxlConfigEnv *env, const ConfDomain *def,
                         GPtrArray *warnings, GError **error);

/* "path: why", with `of` (a disk's target, a MAC address ...; may be NULL) in front. The row must
 * be in the table, with this fate. */
void hvxl_warn(HvxlBuild *b, const char *of, const char *path, const char *value);
void hvxl_warn_path(HvxlBuild *b, const char *of, const char *path, const char *why);
gboolean hvxl_refuse(const char *of, const char *path, const char *value,
                     GError **error); /* always FALSE */
/* A value that is wrong in itself. */
gboolean hvxl_invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- libxl's kinds of values ---- */

static inline char *
hvxl_dup(const char *text)
{
    return g_strdup(text); /* GLib's memory is malloc()ed: free() may have it */
}

static inline void
hvxl_set_string(char **field, const char *text)
{
    g_free(*field);
    *field = hvxl_dup(text);
}

/* env->hotplug_script, which must be set, under one of its names, in scripts/ beside it; NULL:
 * under its own, and it finds out by itself what to do. docs/HOTPLUG.md */
void hvxl_set_hotplug(char **field, const HvxlConfigEnv *env, const char *name);

/* Absent stays libxl's default. */
void hvxl_set_tristate(libxl_defbool *field, ConfTristate value);
ConfTristate hvxl_get_tristate(libxl_defbool value);
bool hvxl_is_on(libxl_defbool value);

void hvxl_bitmap_new(libxl_bitmap *ret_map, unsigned n_bits); /* all clear */
void hvxl_bitmap_build(libxl_bitmap *ret_map, const ConfBitmap *map, unsigned at_least);
ConfBitmap *hvxl_bitmap_adopt(const libxl_bitmap *map); /* NULL for one without bits */
void hvxl_list_append(libxl_string_list *list, const char *text);
void hvxl_list_append_pair(libxl_key_value_list *list, const char *key, const char *value);

typedef struct HvxlName {
    const char *name;
    int value;
} HvxlName;
#define HVXL_NAMES_END                                                                             \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* A word of QEMU's for a sound card that <sound> has a model for. */
bool hvxl_sound_is_element(const char *word);
/* A word for how SPICE compresses that libvirt has, too. */
bool hvxl_spice_is_element(const char *word); /* accepts NULL */

bool hvxl_name_find(const HvxlName *names, const char *name, int *ret_value);
const char *hvxl_name_of(const HvxlName *names, int value); /* NULL: there is none */

/* One more member of a list of devices, initialised: a pointer to it, good until the next one. */
#define HVXL_ADD(config, list, count, kind)                                                        \
    ((config)->list = g_renew(libxl_device_##kind, (config)->list, (config)->count + 1),           \
     libxl_device_##kind##_init(&(config)->list[(config)->count]), (config)->count++,              \
     &(config)->list[(config)->count - 1])

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(libxl_bitmap, libxl_bitmap_dispose)

/* ---- the parts: hvxl-config-*.c ---- */

/* What is left of an element that the model has fields for: each attribute and element in it is
 * refused, or warned of. `path` is the element's, "" for <domain>. */
gboolean hvxl_build_extra(HvxlBuild *b, const char *of, const char *path, const char *extra,
                          GError **error);

gboolean hvxl_build_base(HvxlBuild *b, GError **error);
gboolean hvxl_build_boot(HvxlBuild *b, GError **error);
gboolean hvxl_build_cpu(HvxlBuild *b, GError **error);
gboolean hvxl_build_features(HvxlBuild *b, GError **error);
gboolean hvxl_build_disks(HvxlBuild *b, GError **error);
gboolean hvxl_build_nics(HvxlBuild *b, GError **error);
gboolean hvxl_build_chardevs(HvxlBuild *b, GError **error);
gboolean hvxl_build_graphics(HvxlBuild *b, GError **error);
gboolean hvxl_build_hostdevs(HvxlBuild *b, GError **error);
gboolean hvxl_build_machine(HvxlBuild *b, GError **error); /* emulator, watchdog, balloon */
gboolean hvxl_build_rest(HvxlBuild *b, GError **error);
gboolean hvxl_build_keys(HvxlBuild *b, GError **error); /* last: a key of xl has the last word */

gboolean hvxl_build_disk(HvxlBuild *b, const ConfDisk *disk, libxl_device_disk *xl, GError **error);
gboolean hvxl_build_nic(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl,
                        GError **error);
gboolean hvxl_build_channel(HvxlBuild *b, const ConfChardev *chr, libxl_device_channel *xl,
                            GError **error);
gboolean hvxl_build_vfb(HvxlBuild *b, const ConfGraphics *graphics, libxl_device_vfb *xl,
                        GError **error);
gboolean hvxl_build_pci(HvxlBuild *b, const ConfHostdev *hostdev, libxl_device_pci *xl,
                        GError **error);
gboolean hvxl_build_usbdev(HvxlBuild *b, const ConfHostdev *hostdev, libxl_device_usbdev *xl,
                           GError **error);
gboolean hvxl_build_usbctrl(HvxlBuild *b, const ConfController *controller,
                            libxl_device_usbctrl *xl, GError **error);

/* Where a device of the domain stands in our metadata; g_free() it. */
char *hvxl_pci_name(const libxl_device_pci *xl);
char *hvxl_usbctrl_name(const libxl_device_usbctrl *xl);
char *hvxl_mac_format(const libxl_mac *mac); /* NULL: none was given */

/* ---- small facts that both directions need ---- */

#define HVXL_RATE_INTERVAL_US 50000 /* the default of xl */

/* Where hvmloader's SMBIOS strings stand in xenstore; conf_bios_strings[] has their names. */
#define HVXL_BIOS_STRINGS "bios-strings/"

bool hvxl_is_spice_agent(const ConfChardev *channel);
/* KiB/s of <outbound average=>; 0: it can't say this rate. */
int64_t hvxl_rate_average(const libxl_device_nic *xl);
bool hvxl_usbdevice_is_input(const char *word);
bool hvxl_p9_is_filesystem(const libxl_device_p9 *xl);

G_END_DECLS
