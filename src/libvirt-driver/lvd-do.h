/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the procedures (lvd-do-*.c) share. Private to the procedures' half of this folder.
 *
 * A procedure reads its decoded arguments, asks libhv, fills `ret` and reports a GError. It trusts
 * nothing that came over the wire: numbers are checked before they size anything, and of a domain
 * argument only the uuid counts.
 */
#pragma once

#include "lvd.h"
#include "lvd-dispatch.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_BEGIN_DECLS

/* ---- errors that HvError has no code for ---- */

/* With `LVD_BARE |` before the code the message goes out without libvirt's prefix of that code, as
 * the argument checks of libvirt's public functions word theirs. */
#define LVD_BARE 0x8000

/* `code` is a VIR_ERR_*, `from` a VIR_FROM_*. */
void lvd_set_error(GError **error, int code, int from, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* A ConfError of a native config becomes "configuration file syntax error"; other errors pass. */
void lvd_native_error(GError **error);
/* Of a document of a client that is no XML: the line that broke off and a mark below it, as libvirt
 * shows them. Other errors pass. */
void lvd_syntax_error(const char *xml, GError **error);

/* ---- arguments ---- */

/* Refuses flags that the table of allowed flags (lvd-do.c) does not have for this procedure. */
gboolean lvd_check_flags(LvdCall *call, unsigned flags, GError **error);
/* Two flags of one call that exclude each other, by their libvirt names. */
gboolean lvd_check_exclusive(unsigned flags, unsigned a, const char *a_name, unsigned b,
                             const char *b_name, GError **error);
#define LVD_CHECK_EXCLUSIVE(flags, a, b, error) lvd_check_exclusive((flags), a, #a, b, #b, (error))
/* "NAME in virX must not be zero" */
gboolean lvd_check_nonzero(LvdCall *call, guint64 value, const char *name, GError **error);
/* 0 <= value <= max; else "NAME in virX must be zero or greater" or the protocol's limit. */
gboolean lvd_check_count(LvdCall *call, gint64 value, gint64 max, const char *name, GError **error);
/* LIVE and CONFIG (the same numbers in all of libvirt's flag sets) as HvAffect. */
unsigned lvd_affect(unsigned flags);
/* NULL when the optional text is absent. */
static inline const char *
lvd_opt(lvd_opt_text text)
{
    return text ? *text : NULL;
}

/* ---- domains ---- */

HvDomain *lvd_domain_lookup(LvdCall *call, const lvd_nonnull_domain *dom, GError **error);
/* The view of the domain that `dom` names. */
HvView *lvd_domain_view(LvdCall *call, const lvd_nonnull_domain *dom, GError **error);
/* VIR_CONNECT_LIST_DOMAINS_*: flags of one group add up; groups narrow each other; a group without
 * a flag narrows nothing. Other bits are not looked at. */
gboolean lvd_list_matches(const HvView *view, unsigned flags);
void lvd_fill_domain(lvd_nonnull_domain *ret_dom, const HvView *view);
/* As a reply; `domain` is taken over and may be NULL (*error is set then). */
gboolean lvd_return_domain(lvd_nonnull_domain *ret_dom, HvDomain *domain, GError **error);
/* As a reply; `text` is taken over and may be NULL (*error is set then). */
gboolean lvd_return_text(lvd_text *ret_text, char *text, GError **error);
/* VIR_DOMAIN_RUNNING ... and the reason that goes with it. */
int lvd_wire_state(HvState state);
int lvd_wire_reason(HvReason reason);

/* ---- domXML ---- */

/* Parses a document from a client as (domain_definition); with `validate` also against libvirt's
 * RelaxNG schema. */
ConfDomain *lvd_parse_domain(const char *xml, unsigned conf_flags, gboolean validate,
                             GError **error);
/* lvd-schema.c. `xml` was parsed before: it is well-formed and within the limits. */
typedef enum LvdSchema { LVD_SCHEMA_DOMAIN, LVD_SCHEMA_SNAPSHOT, LVD_SCHEMA_CPU } LvdSchema;
gboolean lvd_schema_validate(LvdSchema which, const char *xml, GError **error);

G_END_DECLS
