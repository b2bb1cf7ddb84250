/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-gate.h"

struct HvxlGate {
    guint places;       /* immutable */
    gint64 patience_us; /* immutable */
    GMutex lock;
    GCond changed;
    guint inside;   /* [lock] may be more than places */
    gint64 moved;   /* [lock] monotonic: when somebody last came in or went out */
    GQueue waiting; /* [lock] GThread */
};

HvxlGate *
hvxl_gate_new(guint places, guint patience_ms)
{
    HvxlGate *gate = g_new0(HvxlGate, 1);

    gate->places = places;
    gate->patience_us = patience_ms * G_TIME_SPAN_MILLISECOND;
    g_mutex_init(&gate->lock);
    g_cond_init(&gate->changed);
    g_queue_init(&gate->waiting);
    return gate;
}

void
hvxl_gate_free(HvxlGate *gate)
{
    if (!gate)
        return;
    g_queue_clear(&gate->waiting);
    g_mutex_clear(&gate->lock);
    g_cond_clear(&gate->changed);
    g_free(gate);
}

static void
moved_locked(HvxlGate *gate)
{
    gate->moved = g_get_monotonic_time();
    g_cond_broadcast(&gate->changed);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    HvxlGate *gate = data;

    g_mutex_lock(&gate->lock);
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->lock);
}

/* Only the first of those that wait looks at the clock; it tells the others when it went in. */
static void
wait_locked(HvxlGate *gate, gconstpointer self, GCancellable *cancellable)
{
    while (!g_cancellable_is_cancelled(cancellable)) {
        gint64 until = gate->moved + gate->patience_us;

        if (g_queue_peek_head(&gate->waiting) != self)
            g_cond_wait(&gate->changed, &gate->lock);
        else if (gate->inside < gate->places || g_get_monotonic_time() >= until)
            return;
        else
            g_cond_wait_until(&gate->changed, &gate->lock, until);
    }
}

void
hvxl_gate_enter(HvxlGate *gate, GCancellable *cancellable)
{
    gpointer self = g_thread_self();
    gulong handler = 0;

    if (cancellable)
        handler = g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), gate, NULL);
    g_mutex_lock(&gate->lock);
    g_queue_push_tail(&gate->waiting, self);
    wait_locked(gate, self, cancellable);
    g_queue_remove(&gate->waiting, self);
    gate->inside++;
    moved_locked(gate);
    g_mutex_unlock(&gate->lock);
    /* Without the lock: this waits for on_cancelled(). */
    g_cancellable_disconnect(cancellable, handler);
}

void
hvxl_gate_leave(HvxlGate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->inside--;
    moved_locked(gate);
    g_mutex_unlock(&gate->lock);
}

guint
hvxl_gate_count_waiting(HvxlGate *gate)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    return gate->waiting.length;
}
