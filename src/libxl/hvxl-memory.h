/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory for new domains. Where domain 0 has more than its share (it was booted without dom0_mem),
 * it gives some back. Starts that run side by side count what the others were promised.
 */
#pragma once

#include "hvxl-private.h"

HvxlMemory *hvxl_memory_new(HvEngine *engine, GError **error);
void hvxl_memory_free(HvxlMemory *memory); /* accepts NULL */

/* Sees to it that there is memory for the domain, and promises it to the uuid until
 * hvxl_memory_done(). Asks domain 0 only where it may be asked ("autoballoon"). Waits for others
 * who do the same and for domain 0 at most a minute. */
gboolean hvxl_memory_take(HvxlMemory *memory, HvxlCtx *ctx, libxl_domain_config *config,
                          const guint8 uuid[16], GCancellable *cancellable, GError **error);
void hvxl_memory_done(HvxlMemory *memory, const guint8 uuid[16]);
