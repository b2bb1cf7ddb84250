/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated machine and its domains: ids, memory accounting, vcpu time, the guests' doing.
 *
 * Threads   One: the host's loop.
 * Time      A guest has its own: it stands still while the domain is paused or suspended, and so
 *           do its boot, its going down, its crash and its ballooning.
 */
#pragma once

#include <hv/engine.h>
#include <hv/sim/hvsim-console.h>
#include <hv/sim/hvsim-control.h>
#include <hv/sim/hvsim-loop.h>

G_BEGIN_DECLS

typedef struct SimMachine SimMachine;
typedef struct SimDomain SimDomain;

/* Something that a toolstack wants to hear. The domain is still there when it is called. */
typedef void (*SimMachineEvent)(HvEngineEventKind kind, SimDomain *domain, int code, gpointer data);

struct SimMachine {
    SimLoop *loop;
    SimControl *control;
    SimConf conf;
    guint64 free_kib;
    int next_domid;
    GHashTable *domains; /* GINT_TO_POINTER(domid) -> SimDomain, owned */
    GHashTable *names;   /* name -> SimDomain */
    GHashTable *uuids;   /* bytes -> SimDomain */
    GHashTable *ports;   /* set of GUINT_TO_POINTER(port) */
    guint *load;         /* vcpus placed on each cpu */
    SimMachineEvent event;
    gpointer event_data;
};

/* `conf` is taken over. */
SimMachine *sim_machine_new(SimLoop *loop, SimControl *control, SimConf *conf,
                            SimMachineEvent event, gpointer data);
void sim_machine_free(SimMachine *machine);
SimDomain *sim_machine_lookup(SimMachine *machine, int domid, GError **error);
void sim_machine_info(SimMachine *machine, HvHostInfo *ret_info);
/* The control file changed: crash-after-ms counts from now for guests that it newly names. */
void sim_machine_control_changed(SimMachine *machine);

/* `guest` is NULL for a boot, else what a save stream held. The domain has no more of `start`
 * afterwards. Emits NEW. On failure nothing remains. */
SimDomain *sim_domain_new(SimMachine *machine, SimStart *start, const SimGuest *guest,
                          GError **error);
void sim_domain_destroy(SimDomain *domain); /* emits GONE */

int sim_domain_id(SimDomain *domain);
const char *sim_domain_name(SimDomain *domain);
const guint8 *sim_domain_uuid(SimDomain *domain);
const char *sim_domain_record(SimDomain *domain);
gboolean sim_domain_is_hvm(SimDomain *domain);
void sim_domain_row(SimDomain *domain, SimDomainRow *ret_row);
GVariant *sim_domain_live(SimDomain *domain);  /* SIM_LIVE_TYPE, floating */
GVariant *sim_domain_vcpus(SimDomain *domain); /* a(uitiay), floating */

/* Asks the guest to end with Xen's shutdown code; it does when it has booted and runs. */
gboolean sim_domain_ask_down(SimDomain *domain, int code, GError **error);
/* The guest ends now, by itself. */
gboolean sim_domain_go_down(SimDomain *domain, int code, GError **error);
gboolean sim_domain_pause(SimDomain *domain, GError **error);
gboolean sim_domain_unpause(SimDomain *domain, GError **error);
gboolean sim_domain_set_memory(SimDomain *domain, guint64 kib, GError **error);
gboolean sim_domain_set_max_memory(SimDomain *domain, guint64 kib, GError **error);
gboolean sim_domain_set_vcpus(SimDomain *domain, guint online, GError **error);
/* Suspends the guest and returns what it is made of. */
SimGuest *sim_domain_suspend(SimDomain *domain, GError **error);
gboolean sim_domain_resume(SimDomain *domain, GError **error); /* of one that runs: nothing to do */
int sim_domain_console(SimDomain *domain, guint number, GError **error);

G_END_DECLS
