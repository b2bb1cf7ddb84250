/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the translation of definitions has to know about this host. */
#pragma once

#include "hvxl-private.h"

#include "hvxl-config.h"

/* All of it but kernel and ramdisk. It stays valid as long as the engine does. Two hypercalls. */
void hvxl_env_fill(HvEngine *engine, HvxlCtx *ctx, HvxlConfigEnv *ret_env);
