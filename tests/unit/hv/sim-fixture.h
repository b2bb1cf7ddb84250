/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of engine `sim` share: the engine through its table of functions, against a host
 * process of its own in a temporary root.
 */
#pragma once

#include <hv/sim/hvsim-proto.h>
#include <hv/sim/hvsim.h>

#define OPS     (&hv_engine_sim_ops)
#define MIB     ((guint64)1024)
#define WAIT_US (60 * G_USEC_PER_SEC) /* generous: the machine may be busy */

typedef struct Fixture {
    char *root;
    HvEngine *engine;
    GMutex lock;
    GCond changed;
    GArray *events; /* [lock] HvEngineEvent */
} Fixture;

/* A test case; `conf` is the host's sim.conf, or NULL. */
void add(const char *path, const char *conf, void (*func)(Fixture *, gconstpointer));

void on_event(const HvEngineEvent *event, gpointer fixture); /* HvEngineEventFunc */
/* Takes the first event of the kind (and domain, unless -1). */
gboolean take_event(Fixture *f, HvEngineEventKind kind, int domid, gint64 wait_us,
                    HvEngineEvent *ret_event);
void open_engine(Fixture *f);
void write_file(Fixture *f, const char *name, const char *text);
void set_control(Fixture *f, const char *text);
void remove_tree(const char *path);
/* xlvirt-simhost --root ROOT ARGS... */
int tool(Fixture *f, char **ret_out, char **ret_err, const char *first, ...);
ConfDomain *make_def(const char *name, guint64 mib, guint vcpus);
int start_def(Fixture *f, const ConfDomain *def, gboolean paused, int restore_fd,
              ConfDomain **ret_live, GError **error);
int start_named(Fixture *f, const char *name, guint64 mib);
void destroy(Fixture *f, int domid);
gboolean find_row(Fixture *f, int domid, HvEngineDomain *ret_row);
HvEngineDomain row_of(Fixture *f, int domid);
guint64 free_kib(Fixture *f);
int open_console(Fixture *f, int domid);
/* Reads until `mark` came; all text so far. */
char *read_until(int fd, const char *mark);
void add_devices(ConfDomain *def);
void await_memory(Fixture *f, int domid, guint64 kib);

/* A call on a thread of its own. */
typedef struct Order {
    Fixture *f;
    int domid;
    GError *error;
    gboolean ok;
    gint done; /* atomic */
} Order;
gpointer shutdown_thread(gpointer order);
gpointer cancel_thread(gpointer cancellable); /* in 100 ms */
