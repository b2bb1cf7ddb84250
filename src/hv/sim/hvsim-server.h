/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's side of the wire: clients, requests with their faults, events.
 */
#pragma once

#include <hv/sim/hvsim-domain.h>

G_BEGIN_DECLS

typedef struct SimServer SimServer;

/* `listen_fd` is taken over. `conf` is taken over. */
SimServer *sim_server_new(SimLoop *loop, int listen_fd, const char *control_path, SimConf *conf);
void sim_server_free(SimServer *server); /* accepts NULL */
/* To be called now and then: looks at the control file. */
void sim_server_tick(SimServer *server);

G_END_DECLS
