/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of xl that domXML has no place for (conf/conf-xlext.h), and the fields that they are in
 * libxl's structs. One table a struct, read in both directions. */
#pragma once

#include "hvxl-config-private.h"

G_BEGIN_DECLS

typedef enum HvxlKeyType {
    HVXL_KEY_STRING,
    HVXL_KEY_STRINGS, /* libxl_string_list */
    HVXL_KEY_INT,
    HVXL_KEY_UINT32,
    HVXL_KEY_MIB, /* uint64_t in KiB; the key counts MiB */
    HVXL_KEY_BOOL,
    HVXL_KEY_DEFBOOL,
    HVXL_KEY_ENUM,   /* with `words` or `names` */
    HVXL_KEY_HOOK,   /* `build` and `adopt` */
    HVXL_KEY_ABSENT, /* libxl has no field for it; `why` */
} HvxlKeyType;

/* Which guests have it: many fields stand in a union. */
#define HVXL_PV  (1u << LIBXL_DOMAIN_TYPE_PV)
#define HVXL_HVM (1u << LIBXL_DOMAIN_TYPE_HVM)
#define HVXL_PVH (1u << LIBXL_DOMAIN_TYPE_PVH)
#define HVXL_ANY (HVXL_PV | HVXL_HVM | HVXL_PVH)

typedef struct HvxlKey HvxlKey;
struct HvxlKey {
    const char *name; /* of xl.cfg(5), or a parameter of its device syntax */
    HvxlKeyType type;
    unsigned guests;
    size_t offset;
    const char *field;                    /* as documentation has it */
    const libxl_enum_string_table *words; /* ENUM: libxl's words */
    const HvxlName *names;                /* ENUM: xl's own words */
    const char *why;                      /* ABSENT */
    bool build_only;                      /* an element says it on the way back */
    /* `values` of the key, in order, never empty, into the table's struct at `base`. */
    gboolean (*build)(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                      GError **error);
    /* Adds to `keys` what is not the default. */
    void (*adopt)(const void *base, const HvxlKey *key, GPtrArray *keys);
};

extern const HvxlKey hvxl_keys[]; /* offsets in libxl_domain_config */
extern const size_t hvxl_n_keys;
extern const HvxlKey hvxl_disk_keys[];
extern const size_t hvxl_n_disk_keys;
extern const HvxlKey hvxl_nic_keys[];
extern const size_t hvxl_n_nic_keys;
extern const HvxlKey hvxl_pci_keys[];
extern const size_t hvxl_n_pci_keys;
extern const HvxlKey hvxl_usbctrl_keys[];
extern const size_t hvxl_n_usbctrl_keys;
extern const HvxlKey hvxl_channel_keys[];
extern const size_t hvxl_n_channel_keys;
extern const HvxlKey hvxl_vfb_keys[];
extern const size_t hvxl_n_vfb_keys;

/* Puts one list of ConfXlKey into the struct at `base`. `of` names a device; NULL: the domain. A
 * key that is not in the table is a warning. */
gboolean hvxl_keys_build(HvxlBuild *b, const HvxlKey *table, size_t n_rows, const char *of,
                         const GPtrArray *keys, void *base, GError **error);
/* The other way: what differs from the initialised struct `fresh`. */
void hvxl_keys_adopt(const HvxlKey *table, size_t n_rows, libxl_domain_type type, const void *base,
                     const void *fresh, GPtrArray *keys);

/* One value, in the syntax of its type. */
gboolean hvxl_key_parse_bool(const char *text, bool *ret_on);

/* ---- keys with a syntax of their own (hvxl-config-keyhooks.c, hvxl-config-keydevices.c) ---- */

#define HVXL_KEY_HOOKS(DO)                                                                         \
    DO(init_seclabel)                                                                              \
    DO(action)                                                                                     \
    DO(vsnd)                                                                                       \
    DO(spice_word)                                                                                 \
    DO(vncunused)                                                                                  \
    DO(serial)                                                                                     \
    DO(soundhw)                                                                                    \
    DO(cpus_soft)                                                                                  \
    DO(ioports)                                                                                    \
    DO(irqs)                                                                                       \
    DO(iomem)                                                                                      \
    DO(mca_caps)                                                                                   \
    DO(gfx_passthru)                                                                               \
    DO(rdm)                                                                                        \
    DO(bios_path_override)                                                                         \
    DO(acpi)                                                                                       \
    DO(usb)                                                                                        \
    DO(usbdevice)                                                                                  \
    DO(bios)                                                                                       \
    DO(viridian)                                                                                   \
    DO(cpuid)                                                                                      \
    DO(dtdev)                                                                                      \
    DO(pvcalls)                                                                                    \
    DO(vtpm)                                                                                       \
    DO(p9)                                                                                         \
    DO(vdispl)                                                                                     \
    DO(vkb)                                                                                        \
    DO(rate)
#define HVXL_DECLARE_HOOK(key)                                                                     \
    gboolean hvxl_key_build_##key(HvxlBuild *, const HvxlKey *, const GPtrArray *, void *,         \
                                  GError **);                                                      \
    void hvxl_key_adopt_##key(const void *, const HvxlKey *, GPtrArray *);
HVXL_KEY_HOOKS(HVXL_DECLARE_HOOK)

/* Those that are not read back (hvxl-config-keyvalues.c, hvxl-config-keydevices.c). */
#define HVXL_KEY_BUILDERS(DO)                                                                      \
    DO(cpus)                                                                                       \
    DO(firmware)                                                                                   \
    DO(bootloader_args)                                                                            \
    DO(vfb)                                                                                        \
    DO(pci)
#define HVXL_DECLARE_BUILDER(key)                                                                  \
    gboolean hvxl_key_build_##key(HvxlBuild *, const HvxlKey *, const GPtrArray *, void *,         \
                                  GError **);
HVXL_KEY_BUILDERS(HVXL_DECLARE_BUILDER)

/* xl's lists of processors: "0-3,^2", "all,^node:0", "nodes:0-1". HV_ERROR_CONFIG for what is none,
 * and for nodes where the host's are not known. */
#define HVXL_MAX_CPUS 1024 /* where the host's number is not known */
gboolean hvxl_cpus_parse(HvxlBuild *b, const HvxlKey *key, const char *text, libxl_bitmap *ret_map,
                         GError **error);

G_END_DECLS
