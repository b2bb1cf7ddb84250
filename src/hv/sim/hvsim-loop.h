/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's event loop: epoll and a sorted list of timers. GMainContext looks at each of its
 * sources in each turn; here 10,000 consoles and guests cost nothing while they are quiet.
 *
 * Threads   One; nothing here locks.
 * Removal   A watch may be removed, and a timer stopped, from inside any callback.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct SimLoop SimLoop;
typedef struct SimWatch SimWatch;
typedef struct SimTimer SimTimer;

typedef void (*SimWatchFunc)(guint32 epoll_events, gpointer data);
typedef void (*SimTimerFunc)(gpointer data);

SimLoop *sim_loop_new(void); /* NULL with errno */
void sim_loop_free(SimLoop *loop);
void sim_loop_run(SimLoop *loop); /* until sim_loop_quit() */
void sim_loop_quit(SimLoop *loop);

/* NULL with errno. The descriptor stays the caller's; remove the watch before closing it. */
SimWatch *sim_watch_new(SimLoop *loop, int fd, guint32 epoll_events, SimWatchFunc func,
                        gpointer data);
void sim_watch_set(SimWatch *watch, guint32 epoll_events);
void sim_watch_remove(SimWatch *watch); /* accepts NULL */

/* Storage is the owner's, zeroed; stop it before it goes away. */
struct SimTimer {
    SimLoop *loop; /* NULL: not armed */
    GSequenceIter *place;
    gint64 due_us; /* g_get_monotonic_time() */
    SimTimerFunc func;
    gpointer data;
};
void sim_timer_start(SimTimer *timer, SimLoop *loop, gint64 delay_us, SimTimerFunc func,
                     gpointer data); /* starts anew when armed */
void sim_timer_stop(SimTimer *timer);

G_END_DECLS
