/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the old host's configuration says where a domain is silent. */
#pragma once

#include "x2l-site.h"
#include "x2l.h"

G_BEGIN_DECLS

/* xm and sxp take xend-config.sxp's values, xl takes xl.conf's. Each value that is given to the
 * domain becomes an entry of domain->defaults; a row of the report that told of an assumption in
 * its stead is taken out. `native` is read only. */
void x2l_default_apply(const X2lSite *site, const ConfNative *native, X2lDomain *domain);

G_END_DECLS
