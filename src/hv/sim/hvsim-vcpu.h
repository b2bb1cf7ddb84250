/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vcpus of one simulated domain: where they run and how long they have. The host's loop is
 * their only thread. */
#pragma once

#include <hv/sim/hvsim-domain.h>

G_BEGIN_DECLS

typedef struct SimVcpus SimVcpus;

/* All offline. `seed` makes domains differ. `guest` may be NULL. */
SimVcpus *sim_vcpus_new(SimMachine *machine, const SimStart *start, const SimGuest *guest,
                        guint seed);
/* Those of domain 0: one a cpu, all online; guests are placed as if they slept. */
SimVcpus *sim_vcpus_new_control(SimMachine *machine);
void sim_vcpus_free(SimVcpus *vcpus); /* accepts NULL; all offline by then, or nobody looks */
/* Each has a cpu of this host that it may run on. */
gboolean sim_vcpus_check(SimVcpus *vcpus, GError **error);

guint sim_vcpus_max(const SimVcpus *vcpus);
guint sim_vcpus_online(const SimVcpus *vcpus);
void sim_vcpus_set_online(SimVcpus *vcpus, guint online); /* the first ones */
/* The first ones, unless `options` (of SimStart) names as many others. */
void sim_vcpus_boot(SimVcpus *vcpus, guint online, GVariant *options);
gboolean sim_vcpus_set_map(SimVcpus *vcpus, GBytes *map, GError **error);
gboolean sim_vcpus_pin(SimVcpus *vcpus, guint number, GBytes *cpus, GError **error);

/* The guest ran for so long. */
void sim_vcpus_run(SimVcpus *vcpus, guint64 passed_us, gboolean booted);
guint64 sim_vcpus_used_ns(const SimVcpus *vcpus);
GArray *sim_vcpus_times(const SimVcpus *vcpus);           /* guint64 each */
GVariant *sim_vcpus_rows(SimVcpus *vcpus, gboolean busy); /* a(uitiay), floating */

G_END_DECLS
