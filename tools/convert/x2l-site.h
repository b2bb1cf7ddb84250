/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an old host's own configuration says: xend-config.sxp and xl.conf. Each key has one row in a
 * table (x2l-site-keys.c), which says where the key goes on a host with libvirt, or why nowhere.
 *
 * Threads: immutable once x2l_site_read() has returned.
 */
#pragma once

#include "x2l-root.h"

#include <conf/conf.h>

G_BEGIN_DECLS

typedef struct X2lSite X2lSite;

/* Where something of the old host belongs on the new one. */
typedef enum X2lPlace {
    X2L_PLACE_NONE,      /* nowhere: the reason says why */
    X2L_PLACE_SAME,      /* it says what holds on the new host anyway */
    X2L_PLACE_HERE,      /* this conversion makes use of it */
    X2L_PLACE_DOMAINS,   /* into each domain that is silent about it */
    X2L_PLACE_XEN,       /* command line of Xen */
    X2L_PLACE_XL_CONF,   /* /etc/xen/xl.conf */
    X2L_PLACE_LIBXL,     /* /etc/libvirt/libxl.conf */
    X2L_PLACE_NETWORK,   /* the host's network configuration */
    X2L_PLACE_MIGRATION, /* how domains migrate */
    X2L_PLACE_DAEMON,    /* configuration of libvirt's daemon */
    X2L_PLACE_GUESTS,    /* libvirt-guests: what happens to domains when the host goes down */
    X2L_N_PLACES,
} X2lPlace;

const char *x2l_place_word(X2lPlace place);  /* "xen-command-line": of the JSON report */
const char *x2l_place_title(X2lPlace place); /* "Xen command line": for people */

/* Values that a domain may be silent about. */
typedef enum X2lSiteKey {
    X2L_SITE_NO_KEY,
    X2L_SITE_VNC_LISTEN,
    X2L_SITE_VNC_PASSWD,
    X2L_SITE_KEYMAP,
    X2L_SITE_DUMP, /* xend wrote a core of each guest that crashed */
    X2L_SITE_XEND_SCRIPT,
    X2L_SITE_XEND_BRIDGE,
    X2L_SITE_XL_SCRIPT,
    X2L_SITE_XL_BRIDGE,
    X2L_SITE_XL_BACKEND,
    X2L_N_SITE_KEYS,
} X2lSiteKey;

typedef struct X2lSiteValue {
    const char *key; /* as it stands in the file */
    char *value;     /* NULL: not set, or as it is anyway */
    const char *file;
    unsigned line;
} X2lSiteValue;

/* One key of the old host's configuration, and what becomes of it. */
typedef struct X2lPlanRow {
    char *key;
    char *value;      /* passwords are "***" */
    const char *file; /* owned by the site */
    unsigned line;
    X2lPlace place;
    char *result; /* what to write there: "dom0_max_vcpus=2"; NULL: nothing */
    char *reason; /* why, or why not; a phrase without a full stop */
} X2lPlanRow;

struct X2lSite {
    const X2lRoot *root;
    char *xend_file, *xl_file; /* as messages name them; NULL: there is none */
    X2lSiteValue values[X2L_N_SITE_KEYS];
    GPtrArray *rows;     /* X2lPlanRow, in the order of the files */
    GPtrArray *scripts;  /* X2lScript: the network-scripts */
    GPtrArray *errors;   /* char *: what of the files could not be read */
    GPtrArray *names;    /* char *: files of rows that are neither of the two */
    char *domains_path;  /* where xend keeps its domains */
    char *auto_path;     /* what xendomains starts */
    ConfFormat in_doubt; /* what the host's toolstack read: XM or XL */
    const char *in_doubt_why;
    gboolean autoballoon_off;
};

/* A network-script as xend-config.sxp names it. */
typedef struct X2lScript {
    char *text; /* with its arguments */
    const char *file;
    unsigned line;
} X2lScript;

/* A key's row. */
typedef struct X2lKeyRule X2lKeyRule;
typedef void (*X2lKeyHook)(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row);
struct X2lKeyRule {
    const char *name;
    X2lPlace place;
    const char *usual;  /* the value that says nothing: X2L_PLACE_SAME; NULL: none does */
    const char *result; /* what to write; "%s" is the value */
    const char *reason;
    X2lSiteKey value; /* set from it, unless usual */
    X2lKeyHook hook;  /* what a row cannot say as data; runs last */
};

extern const X2lKeyRule x2l_xend_keys[];
extern const gsize x2l_n_xend_keys;
extern const X2lKeyRule x2l_xl_keys[];
extern const gsize x2l_n_xl_keys;
extern const X2lKeyRule x2l_xendomains_keys[];
extern const gsize x2l_n_xendomains_keys;

/* Never NULL: a host without such files has no rows. What cannot be read stands in `errors`. */
X2lSite *x2l_site_read(const X2lRoot *root);
void x2l_site_free(X2lSite *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lSite, x2l_site_free)

/* The same from texts; either may be NULL. For tests, and x2l_site_read(). */
X2lSite *x2l_site_new(const X2lRoot *root);
void x2l_site_add_xend(X2lSite *site, const char *text, gsize len, const char *file);
void x2l_site_add_xl(X2lSite *site, const char *text, gsize len, const char *file);
void x2l_site_add_shell(X2lSite *site, const char *text, gsize len, const char *file);

/* All results of one place, in order, with `between` between them; NULL: none. */
char *x2l_site_results(const X2lSite *site, X2lPlace place, const char *between);

G_END_DECLS
