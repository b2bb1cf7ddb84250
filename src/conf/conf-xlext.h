/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xl can say and domXML has no place for, in an element of ours in <metadata>, which any
 * libvirt keeps:
 *
 *     <xlvirt:xl xmlns:xlvirt="urn:xlvirt:xl:1">
 *       <xlvirt:key name="cpus_soft">0-3</xlvirt:key>
 *       <xlvirt:key name="ioports" list="yes">2f8-2ff</xlvirt:key>
 *       <xlvirt:key name="ioports" list="yes">3f8-3ff</xlvirt:key>
 *       <xlvirt:device target="xvda">
 *         <xlvirt:key name="direct-io-safe">1</xlvirt:key>
 *       </xlvirt:device>
 *     </xlvirt:xl>
 *
 * A key is one of xl.cfg(5), its value what stands there, without quotes; a list has one element
 * an item, in order; of a list of lists, an element is an inner list and a line of it an item. A
 * device is known by what names it in domXML: a disk by its target (xvda), an interface by its MAC
 * address, a PCI device by its address (0000:01:00.0), a USB controller by "usb" and its index
 * (usb0), a channel by its name, the framebuffer of a PV domain by "vfb" and its place among all
 * <graphics> (vfb0). Its keys are the parameters of xl's device syntax; a flag is "1".
 *
 * A key that domXML has an element for is here where the element can't say its value
 * (on_crash="soft-reset"): then it is whole, and has the last word.
 *
 * Unknown elements and attributes are left out when it is written back.
 */
#pragma once

#include <conf/conf-model.h>

G_BEGIN_DECLS

#define CONF_XL_EXT_URI    "urn:xlvirt:xl:1"
#define CONF_XL_EXT_PREFIX "xlvirt"
/* What XenServer's record of a VM has and a domain is silent about, for people: <key name="PATH">.
 * Nothing reads it. */
#define CONF_XENSERVER_URI "urn:xlvirt:xenserver:1"

typedef struct ConfXlKey {
    char *name;
    char *value; /* never NULL */
    bool list;   /* an item of a list, if its only one */
} ConfXlKey;

typedef struct ConfXlDevice {
    char *target;
    GPtrArray *keys; /* ConfXlKey */
} ConfXlDevice;

typedef struct ConfXlExt {
    GPtrArray *keys;    /* ConfXlKey */
    GPtrArray *devices; /* ConfXlDevice */
} ConfXlExt;

ConfXlExt *conf_xl_ext_new(void);
void conf_xl_ext_free(ConfXlExt *ext); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfXlExt, conf_xl_ext_free)

/* Out of the definition's metadata; an empty one where it has none. NULL and CONF_ERROR_INVALID
 * where the element is not as above: a key without a name, a device without a target. */
ConfXlExt *conf_xl_ext_load(const ConfDomain *def, GError **error);
/* Into the definition's metadata, in place of what was there; an empty one takes it out. Values
 * must be UTF-8. */
gboolean conf_xl_ext_store(ConfDomain *def, const ConfXlExt *ext, GError **error);
bool conf_xl_ext_is_empty(const ConfXlExt *ext);
/* Takes a key out of the definition's metadata: its element was changed, and counts from now on. */
gboolean conf_xl_ext_forget(ConfDomain *def, const char *name, GError **error);

/* ---- one list of keys: ext->keys, or those of a device ---- */

GPtrArray *conf_xl_keys_new(void);
const char *conf_xl_keys_get(const GPtrArray *keys, const char *name);       /* the first; NULL */
void conf_xl_keys_set(GPtrArray *keys, const char *name, const char *value); /* replaces all */
void conf_xl_keys_remove(GPtrArray *keys, const char *name);
void conf_xl_keys_add_item(GPtrArray *keys, const char *name, const char *value);

/* The device's keys; NULL where there are none. */
const GPtrArray *conf_xl_ext_device(const ConfXlExt *ext, const char *target);
GPtrArray *conf_xl_ext_ensure_device(ConfXlExt *ext, const char *target);

G_END_DECLS
