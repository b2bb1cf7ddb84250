/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's end of the wire: one connection to the simulated host of a root, which is started
 * when nobody listens there. Any number of calls run side by side on it.
 *
 * Threads   Any. One reader thread of its own; the event callback runs there.
 * Death     of the host: all calls under way fail with HV_ERROR_ENGINE, each of its domains is
 *           reported GONE, and the next call starts a new host.
 */
#pragma once

#include <hv/engine.h>
#include <hv/sim/hvsim-proto.h>

G_BEGIN_DECLS

typedef struct SimClient SimClient;

/* Connects, or starts the host and connects. */
SimClient *sim_client_new(const HvEngineConfig *config, GError **error);
/* Calls under way fail. Not from the event callback. */
void sim_client_free(SimClient *client);

/* One request; waits for its answer. HV_ERROR_TIMEOUT from a start whose answer never came: nobody
 * knows what it did. `payload` is consumed if floating. `cancellable` may be NULL.
 * *ret_fd (may be NULL) is the descriptor that came with the answer, -1 for none. */
GVariant *sim_client_call(SimClient *client, SimOp op, GVariant *payload, GCancellable *cancellable,
                          int *ret_fd, GError **error);

G_END_DECLS
