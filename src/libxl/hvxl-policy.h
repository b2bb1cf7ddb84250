/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <hv/engine.h>

/* What Xen lets `view` see of the processors: GArray of ConfCpuLeaf. NULL: errno; EOPNOTSUPP where
 * this Xen has no such guests, or no such processors. */
GArray *hvxl_policy_leaves(HvCpuView view);
