/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the user tells the simulated host: sim.conf (the machine, read once) and sim-control
 * (faults, delays and the guests' behaviour, read again whenever it changes).
 */
#pragma once

#include <glib.h>
#include <hv/sim/hvsim-proto.h>

G_BEGIN_DECLS

/* GErrors of the host process carry HvError codes; the engine turns them into HV_ERROR. */
#define SIM_ERROR (sim_error_quark())
GQuark sim_error_quark(void);

void sim_log(const char *format, ...) G_GNUC_PRINTF(1, 2); /* one line with the time, to stderr */

typedef enum SimProcessor { SIM_PROCESSOR_INTEL, SIM_PROCESSOR_AMD, SIM_N_PROCESSORS } SimProcessor;

typedef struct SimConf {
    guint cpus, nodes, sockets, cores, threads; /* sockets a node, cores a socket, threads a core */
    guint mhz, max_vcpus;
    guint64 memory_kib, dom0_kib;
    guint64 version; /* major * 1000000 + minor * 1000 + release */
    char *scheduler;
    SimProcessor processor;
} SimConf;

/* A file that is not there gives the defaults. FALSE: file, key and reason in *error. */
gboolean sim_conf_read(const char *path, SimConf *ret_conf, GError **error);

typedef struct SimControl SimControl;

typedef struct SimFault {
    char *fail; /* NULL: no; the caller's */
    guint delay_ms;
    gboolean hang;
} SimFault;

typedef enum SimKnob {
    SIM_KNOB_BOOT_MS,
    SIM_KNOB_SHUTDOWN_MS,
    SIM_KNOB_IGNORES_SHUTDOWN,
    SIM_KNOB_CRASH_AFTER_MS,
    SIM_KNOB_SAVE_FAIL_AT,
    SIM_KNOB_SAVE_WRITE_MS,
    SIM_KNOB_KEEPS_DEVICES,
    SIM_KNOB_NEVER_SLEEPS,
    SIM_KNOB_DUMP_WRITE_MS,
    SIM_N_KNOBS,
} SimKnob;

SimControl *sim_control_new(const char *path);
void sim_control_free(SimControl *control);
/* Looks whether the file changed. A bad file is logged and the last good one stays. */
gboolean sim_control_refresh(SimControl *control);
/* [NAME] goes before [*], key by key. `name` may be NULL: only [*]. */
SimFault sim_control_fault(SimControl *control, const char *name, SimOp op);
/* FALSE: nobody set it; *ret_value is the default then. */
gboolean sim_control_knob(SimControl *control, const char *name, SimKnob knob, guint64 *ret_value);

G_END_DECLS
