/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxlconf: what a domain is, as text and as data. Text in, text out: nothing here touches a
 * file system, a hypervisor, a thread or a global.
 *
 * Errors    GError in CONF_ERROR. A message of a parser begins with FILE:LINE:COLUMN: where it is
 *           about a place in the input, then the reason, then what to do.
 * Input     is hostile: sizes and depths are bounded (CONF_MAX_*), recursion too.
 */
#pragma once

#include <conf/conf-cpu.h>
#include <conf/conf-device.h>
#include <conf/conf-model.h>
#include <conf/conf-native.h>
#include <conf/conf-report.h>
#include <conf/conf-snapshot.h>
#include <conf/conf-xlext.h>

G_BEGIN_DECLS

#define CONF_ERROR (conf_error_quark())
GQuark conf_error_quark(void);

typedef enum ConfError {
    CONF_ERROR_SYNTAX,  /* the text is not of the format: XML_ERROR or CONF_SYNTAX to a client */
    CONF_ERROR_INVALID, /* well-formed, but a value is wrong or something required is missing */
    CONF_ERROR_UNSUPPORTED, /* right, but nothing here can express it */
    CONF_ERROR_LIMIT,       /* larger or deeper than the limits below */
    CONF_ERROR_MISSING,     /* no such device in the domain */
    CONF_ERROR_EXISTS,      /* such a device is there already */
    CONF_ERROR_AMBIGUOUS,   /* several devices answer to the description */
    CONF_N_ERRORS,
} ConfError;

#define CONF_MAX_INPUT   (8u << 20) /* bytes of one document */
#define CONF_MAX_XML     (4u << 20) /* bytes of one domXML, as a protocol string */
#define CONF_MAX_DEPTH   256        /* brackets or elements inside each other */
#define CONF_MAX_DEVICES 4096       /* of one kind in one domain */

/* ---- domXML (conf-domxml.c) ---- */

typedef enum ConfXmlFlags {
    CONF_XML_SECURE = 1 << 0,     /* format: with passwords */
    CONF_XML_INACTIVE = 1 << 1,   /* format: without what only a running domain has: id, aliases
                                     that the user did not choose, vifN.M target names, tty,
                                     ports of autoport graphics, dynamic seclabels */
    CONF_XML_NO_UUID_OK = 1 << 2, /* parse: a missing <uuid> stays unset (define generates it) */
} ConfXmlFlags;

/* Parse one <domain> document. `name` is what messages call it ("(domain_definition)").
 * Parsing validates what every consumer relies on: name present, without '/' and not empty, uuid
 * syntax, memory present, vcpus in 1..., known enum words, disks with a unique target. It fills no
 * default: see conf_domain_fill_defaults(). Cost: one libxml2 parse, no network, no DTD, no
 * entities. NULL and CONF_ERROR_SYNTAX / _INVALID / _LIMIT, with line and column where the parser
 * knows. */
ConfDomain *conf_domain_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                                  GError **error);

/* Laid out as libvirt lays it out: two spaces, single quotes, elements in libvirt's order.
 * Never fails for a definition that conf_domain_parse_xml() or a converter returned. */
char *conf_domain_format_xml(const ConfDomain *def, unsigned flags);

/* What the stock Xen driver adds to a definition at define time: uuid, xenbus controller,
 * memballoon xen, PV console, PS/2 or Xen mouse and keyboard beside graphics, default video,
 * emulator is left alone, disk driver format, target buses, MAC addresses (00:16:3e, derived from
 * uuid and index so that the same input gives the same address), on_* actions, clock offset utc,
 * memory rounded up to MiB. Idempotent. */
void conf_domain_fill_defaults(ConfDomain *def);

/* <metadata>: get or replace the child of namespace `uri`; NULL xml removes it.
 * set: CONF_ERROR_SYNTAX when xml is not one well-formed element. get: NULL when there is none. */
char *conf_domain_metadata_get(const ConfDomain *def, const char *uri, GError **error);
gboolean conf_domain_metadata_set(ConfDomain *def, const char *uri, const char *prefix,
                                  const char *xml, GError **error);

/* ---- native formats ---- */

/* The name of a processor feature in cpuid= of xl, and in domXML. Names that the two share are
 * given back. */
const char *conf_cpu_feature_to_xl(const char *name);
const char *conf_cpu_feature_from_xl(const char *name);

/* SMBIOS strings: a part and an entry of <sysinfo type='smbios'>, and what hvmloader (so libxl's
 * bios-strings/NAME and XenServer) calls it. */
typedef struct ConfBiosString {
    const char *part, *entry, *name;
} ConfBiosString;
extern const ConfBiosString conf_bios_strings[];
extern const size_t conf_n_bios_strings;
const ConfBiosString *conf_bios_string_find(const char *name); /* NULL: no entry is like it */
/* `pairs`: name, value, name, value ..., NULL. What no entry is like is left out. Replaces nothing
 * but <smbios mode=>: for a definition without <sysinfo>. Values are valid for XML. */
void conf_domain_set_bios_strings(ConfDomain *def, const char *const *pairs);

/* name <-> ConfAction, for on_* of xl, xm, sxp and for domXML. ABSENT and NULL when unknown. */
ConfAction conf_action_parse(const char *name);
const char *conf_action_name(ConfAction action);

/* A character device as QEMU's -serial has it: "pty", "file:/x", "tcp:host:port,server,nowait";
 * NULL where the one cannot say the other. */
ConfChardev *conf_chardev_from_qemu(const char *text);
char *conf_chardev_to_qemu(const ConfChardev *chr);

/* The socket that our engine gives each device model for itself: QEMU's name for it. */
#define CONF_MONITOR_ID "xlvirt-mon"
/* Two arguments of QEMU that are about it: none of the domain's own. Both may be NULL. */
bool conf_is_monitor_argument(const char *option, const char *value);

/* One ConfDomain out of one native tree, every node of which is accounted for in `report`:
 * carried, default, runtime-only, or lost with its line and the reason (xl and xm: conf-xl.c,
 * sxp: conf-sxp.c). NULL and *error when no domain can be made of it (no name, bad memory ...). */
ConfDomain *conf_domain_from_native(ConfNative *native, ConfReport *report, GError **error);

/* The other way. What `format` cannot say goes into `report` as lost, with the domXML path. */
char *conf_domain_to_native(const ConfDomain *def, ConfFormat format, ConfReport *report,
                            GError **error);

G_END_DECLS
