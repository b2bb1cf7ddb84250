/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the domains of a whole old host lie. */
#pragma once

#include "x2l-check.h"
#include "x2l-site.h"
#include "x2l.h"

G_BEGIN_DECLS

/* xend's store first, then /etc/xen, then what xendomains starts: who comes first counts where two
 * describe one domain. options->root and ->site are the host's. */
void x2l_host_find(const X2lOptions *options, X2lFound *found);

/* What the host's own files and the plan's bridges give reason to look at. `net` may be NULL. */
struct X2lNet;
void x2l_host_findings(const X2lSite *site, const struct X2lNet *net, const GPtrArray *domains,
                       GPtrArray *findings);

G_END_DECLS
