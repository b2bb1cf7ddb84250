/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine `sim`: a client of xlvirt-simhost, the simulated Xen host (docs/SIM.md).
 */
#pragma once

#include <hv/engine.h>

G_BEGIN_DECLS

extern const HvEngineOps hv_engine_sim_ops;

G_END_DECLS
