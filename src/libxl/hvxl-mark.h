/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts and ends under way, in files that outlive the daemon and not the host's boot: a domain
 * that a daemon was building, or taking apart, when it was killed is half a domain, and goes.
 */
#pragma once

#include "hvxl-private.h"

void hvxl_mark_set(HvEngine *engine, const guint8 uuid[16]);
void hvxl_mark_clear(HvEngine *engine, const guint8 uuid[16]);
/* Destroys what starts and ends that were cut off left behind, unless another daemon lives that has
 * begun them. Before anybody looks for domains. */
void hvxl_mark_sweep(HvEngine *engine);
/* What could not be swept then, because Xen did not answer; costs nothing where all was. */
void hvxl_mark_sweep_rest(HvEngine *engine);
/* Destroys a domain, with a mark for as long as that takes, and what libxl does not find of one
 * that is half built. A code of libxl; 0 also where it is gone already. */
int hvxl_mark_destroy(HvxlCtx *ctx, uint32_t domid);
