/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a simulated domain is made of; for hvsim-domain.c and hvsim-turn.c. */
#pragma once

#include <hv/sim/hvsim-domain.h>
#include <hv/sim/hvsim-vcpu.h>

G_BEGIN_DECLS

#define MS 1000 /* us */

enum { CODE_POWEROFF, CODE_REBOOT, CODE_SUSPEND, CODE_CRASH };

typedef enum GuestTask { TASK_BOOT, TASK_DOWN, TASK_CRASH, TASK_BALLOON, N_TASKS } GuestTask;

/* A timer in the guest's own time. */
typedef struct GuestTimer {
    SimDomain *domain;
    SimTimer timer; /* armed only while the guest runs */
    gboolean set;
    gint64 left_us; /* valid while set and not armed */
} GuestTimer;

struct SimDomain {
    SimMachine *machine;
    int domid;
    char *name;
    guint8 uuid[16];
    char *record;
    gboolean hvm;
    guint64 memory_kib, target_kib, max_memory_kib;
    SimVcpus *vcpus;
    gboolean paused, booted;
    int down;       /* -1: up; else Xen's shutdown code, 2 while it is being saved */
    int asked_down; /* -1, or the code to end with after the boot */
    gint64 mark_us; /* guest time is accounted until here; 0: it stands still */
    gint64 age_us;
    guint64 crash_knob; /* crash-after-ms that TASK_CRASH was armed with */
    GuestTimer tasks[N_TASKS];
    SimConsole *console; /* NULL: has none */
    GArray *ports;       /* guint32 */
    gboolean asleep;     /* its guest suspended itself: `down` is 2 then, and no save is on */
    SimTurns *turns;
    SimTune *tune;
};

/* The guest's own time: booked until now, stopped, running again. */
void sim_guest_account(SimDomain *domain);
void sim_guest_stop(SimDomain *domain);
void sim_guest_start(SimDomain *domain);
void sim_guest_set_task(SimDomain *domain, GuestTask task, gint64 delay_us);
void sim_guest_clear_task(SimDomain *domain, GuestTask task);
/* On its console. */
void sim_guest_say(SimDomain *domain, const char *text);
void sim_guest_greet(SimDomain *domain);
void sim_guest_prompt(SimDomain *domain);

G_END_DECLS
