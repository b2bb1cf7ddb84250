/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only a running domain has: ttys, names of interfaces, ports of displays. */
#pragma once

#include "hvxl-private.h"

/* For xenconsoled to open the tty of a console that is new. */
#define HVXL_TTY_PATIENCE_MS 3000

/* Fills it all into `live`. `config` (may be NULL) is what libxl made the domain from. With
 * `patience_ms` it waits that long for the ttys, which come from xenconsoled by and by. FALSE: one
 * is not there yet. */
gboolean hvxl_live_fill(HvEngine *engine, int domid, ConfDomain *live,
                        const libxl_domain_config *config, guint patience_ms);
