/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a simulated domain can be tuned beyond memory, and the counters of its disks and
 * interfaces. One object a domain; the host's loop is its only thread.
 */
#pragma once

#include <hv/sim/hvsim-domain.h>

G_BEGIN_DECLS

/* `options`: SimStart.options. `seed` makes domains differ. */
SimTune *sim_tune_new(GVariant *options, guint seed);
void sim_tune_free(SimTune *tune);
/* The guest ran for so long. */
void sim_tune_run(SimTune *tune, guint64 passed_us);
/* The nodes that the domain's memory comes from: bit numbers; FALSE: any. */
gboolean sim_tune_uses_node(const SimTune *tune, guint node);

/* The request of one of the operations SIM_OP_PIN ... SIM_OP_STATS and its reply (floating); NULL
 * and *error. `domain` is set where the operation is about one. */
GVariant *sim_tune_request(SimMachine *machine, SimDomain *domain, SimOp op, GVariant *payload,
                           GError **error);

G_END_DECLS
