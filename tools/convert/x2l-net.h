/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bridges that the domains need on the new host: those that xend's network-script made, those
 * of the old system's own configuration, and those that are known by the domains' names for them
 * alone; and how each of four systems is told to make them.
 */
#pragma once

#include "x2l-site.h"
#include "x2l.h"

G_BEGIN_DECLS

typedef enum X2lBridgeOrigin {
    X2L_BRIDGE_SCRIPT,  /* xend's network-script made it */
    X2L_BRIDGE_SYSTEM,  /* the old system's own network configuration has it */
    X2L_BRIDGE_DOMAINS, /* domains name it; nothing else is known of it */
} X2lBridgeOrigin;

typedef struct X2lBridge {
    char *name;
    char *port;    /* the card in it; NULL: not known, or none */
    char *address; /* of the host in it, "192.0.2.1/24"; NULL: none known */
    char *gateway;
    gboolean dhcp;
    X2lBridgeOrigin origin;
    char *file; /* where that is said; NULL: nowhere */
    unsigned line;
    char *note;       /* what to look at; NULL: nothing */
    GPtrArray *users; /* names of domains, borrowed */
} X2lBridge;

typedef struct X2lNet {
    GPtrArray *bridges;  /* X2lBridge */
    gboolean route, nat; /* network-route, network-nat */
    char *outside;       /* their device towards the world */
    GPtrArray *notes;    /* char *: about scripts that are not known */
} X2lNet;

/* `domains` (X2lDomain): those that will be imported. */
X2lNet *x2l_net_plan(const X2lSite *site, const GPtrArray *domains);
void x2l_net_free(X2lNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lNet, x2l_net_free)

/* The bridge that the first network-script names with bridge=, for interfaces that name none. Sets
 * X2L_SITE_XEND_BRIDGE unless a key did. */
void x2l_net_default_bridge(X2lSite *site);

/* One piece of text for a file or a shell on the new host. */
typedef struct X2lSnippet {
    const char *id;    /* "ifupdown": of the JSON report */
    const char *title; /* for people */
    const char *where; /* the file, or what to do with it */
    char *text;
} X2lSnippet;

/* Everything to write on the new host, of site and net (either may be NULL): X2lSnippet, in a fixed
 * order; none that is empty. */
GPtrArray *x2l_net_snippets(const X2lSite *site, const X2lNet *net);

G_END_DECLS
