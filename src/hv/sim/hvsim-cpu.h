/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <hv/engine.h>
#include <hv/sim/hvsim-control.h>

/* "a(uuuuuu)", floating: leaf, subleaf, eax, ebx, ecx, edx. */
GVariant *sim_cpu_leaves(SimProcessor processor, HvCpuView view);
