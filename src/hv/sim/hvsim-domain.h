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
typedef struct SimTune SimTune; /* hvsim-tune.h */

/* Something that a toolstack wants to hear, without the domain's id and uuid in it. The domain is
 * still there when it is called. */
typedef void (*SimMachineEvent)(SimDomain *domain, const HvEngineEvent *what, gpointer data);

struct SimMachine {
    SimLoop *loop;
    SimControl *control;
    SimConf conf;
    guint64 free_kib;
    int next_domid;
    GHashTable *domains;  /* GINT_TO_POINTER(domid) -> SimDomain, owned */
    GHashTable *names;    /* name -> SimDomain */
    GHashTable *uuids;    /* bytes -> SimDomain */
    GHashTable *ports;    /* set of GUINT_TO_POINTER(port) */
    guint *load;          /* vcpus placed on each cpu */
    SimDomain *dom0;      /* in no table */
    GHashTable *free_pci; /* set of addresses that are free to be assigned, owned */
    guint64 *busy_ns;     /* what ran on each cpu */
    gint64 born_us;
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
/* Hard affinity of a vcpu: as in SimStart.pinned. */
gboolean sim_domain_pin(SimDomain *domain, guint vcpu, GBytes *cpus, GError **error);
/* Exactly the vcpus of this bitmap are online; one is, at least. */
gboolean sim_domain_set_vcpu_map(SimDomain *domain, GBytes *map, GError **error);
guint sim_domain_max_vcpus(SimDomain *domain);
SimTune *sim_domain_tune(SimDomain *domain);
void sim_domain_account(SimDomain *domain); /* brings every counter up to now */
/* Suspends the guest and returns what it is made of. */
SimGuest *sim_domain_suspend(SimDomain *domain, GError **error);
gboolean sim_domain_resume(SimDomain *domain, GError **error); /* of one that runs: nothing to do */
int sim_domain_console(SimDomain *domain, guint number, GError **error);

/* ---- hvsim-turn.c: devices and the less common turns ---- */

typedef struct SimTurns SimTurns; /* what of them a domain keeps */
SimTurns *sim_turns_new(const SimStart *start);
void sim_turns_free(SimTurns *turns);
SimTurns *sim_domain_turns(SimDomain *domain);
SimMachine *sim_domain_machine(SimDomain *domain);
void sim_domain_tell(SimDomain *domain, const HvEngineEvent *what);
/* What its guest says; `console` may have none. */
void sim_domain_print(SimDomain *domain, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The guest boots again in the same domain; the other four are as their names. */
gboolean sim_domain_reset(SimDomain *domain, GError **error);
gboolean sim_domain_sleep(SimDomain *domain, GError **error);
gboolean sim_domain_wakeup(SimDomain *domain, GError **error);
gboolean sim_domain_is_up(SimDomain *domain, GError **error);
/* Of its first display that has chosen a port by itself; 0: there is none. */
guint sim_domain_screen_port(SimDomain *domain);
void sim_domain_set_record(SimDomain *domain, const char *record);
gboolean sim_domain_rename(SimDomain *domain, const char *name, const guint8 uuid[16],
                           const char *record, GError **error);
/* The last text on the screen; for sim_domain_print() and the console. */
void sim_turns_show(SimTurns *turns, const char *text);
gboolean sim_turn_attach(SimDomain *domain, const char *key, const char *record, GError **error);
gboolean sim_turn_detach(SimDomain *domain, const char *key, const char *record, GError **error);
gboolean sim_turn_update(SimDomain *domain, const char *key, const char *record, GError **error);
gboolean sim_turn_nmi(SimDomain *domain, GError **error);
gboolean sim_turn_keys(SimDomain *domain, const guint32 *keys, gsize n, GError **error);
gboolean sim_turn_resize(SimDomain *domain, const char *target, guint64 bytes, GError **error);
/* SIM_LINES lines of at most SIM_COLUMNS characters. */
char *sim_turn_screen(SimDomain *domain);
int sim_turn_channel(SimDomain *domain, const char *name, GError **error);
/* `what` is complete but for its domain. */
gboolean sim_turn_disk_tells(SimDomain *domain, const HvEngineEvent *what, GError **error);
/* Somebody at `address` looks at its screen and leaves. */
gboolean sim_turn_visit(SimDomain *domain, const char *address, GError **error);
gboolean sim_turn_clock(SimDomain *domain, gint64 offset, GError **error);
gboolean sim_turn_lose(SimDomain *domain, GError **error);
gboolean sim_machine_pci(SimMachine *machine, guint op, const char *address, GError **error);

G_END_DECLS
