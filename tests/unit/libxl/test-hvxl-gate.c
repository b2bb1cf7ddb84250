/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libxl/hvxl-gate.h"

#define FOR_EVER_MS 60000

static gint n_inside; /* atomic: threads of visitors that came in */

typedef struct Visitor {
    HvxlGate *gate;
    GCancellable *cancellable;
    GThread *thread;
    gint leave; /* atomic */
    gint order; /* how many were in before; -1: not in yet */
} Visitor;

static gpointer
visit(gpointer data)
{
    Visitor *visitor = data;

    hvxl_gate_enter(visitor->gate, visitor->cancellable);
    g_atomic_int_set(&visitor->order, g_atomic_int_add(&n_inside, 1));
    while (!g_atomic_int_get(&visitor->leave))
        g_usleep(200);
    hvxl_gate_leave(visitor->gate);
    return NULL;
}

/* Each one has come, and waits or is in, before the next one comes. */
static void
start_visitors(HvxlGate *gate, Visitor *visitors, gint n)
{
    g_atomic_int_set(&n_inside, 0);
    for (gint i = 0; i < n; i++) {
        Visitor *visitor = &visitors[i];

        *visitor = (Visitor){ .gate = gate, .cancellable = g_cancellable_new(), .order = -1 };
        visitor->thread = g_thread_new("visitor", visit, visitor);
        while (g_atomic_int_get(&n_inside) + (gint)hvxl_gate_count_waiting(gate) <= i)
            g_usleep(200);
    }
}

static void
visitor_end(Visitor *visitor)
{
    g_atomic_int_set(&visitor->leave, TRUE);
    g_thread_join(visitor->thread);
    g_object_unref(visitor->cancellable);
}

static void
wait_inside(gint n)
{
    for (guint i = 0; i < 5000 && g_atomic_int_get(&n_inside) < n; i++)
        g_usleep(2000);
    g_assert_cmpint(g_atomic_int_get(&n_inside), ==, n);
}

static void
test_places(void)
{
    HvxlGate *gate = hvxl_gate_new(2, FOR_EVER_MS);
    Visitor visitors[5];

    start_visitors(gate, visitors, 5);
    wait_inside(2);
    g_usleep(50000);
    wait_inside(2);
    for (gint i = 0; i < 5; i++) {
        visitor_end(&visitors[i]);
        wait_inside(MIN(i + 3, 5));
        g_assert_cmpint(visitors[i].order, ==, i); /* first come, first served */
    }
    hvxl_gate_free(gate);
}

/* Who hangs in there keeps the others for a while, not for ever. */
static void
test_hanging(void)
{
    HvxlGate *gate = hvxl_gate_new(1, 100);
    gint64 began = g_get_monotonic_time();
    Visitor visitors[3];

    start_visitors(gate, visitors, 3);
    wait_inside(3);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, 200000);
    for (gint i = 0; i < 3; i++)
        visitor_end(&visitors[i]);
    hvxl_gate_free(gate);
}

static void
test_cancel(void)
{
    HvxlGate *gate = hvxl_gate_new(1, FOR_EVER_MS);
    Visitor visitors[4];

    start_visitors(gate, visitors, 4);
    wait_inside(1);
    g_cancellable_cancel(visitors[2].cancellable);
    wait_inside(2);
    g_assert_cmpint(g_atomic_int_get(&visitors[2].order), ==, 1);
    visitor_end(&visitors[2]);
    visitor_end(&visitors[0]);
    wait_inside(3);
    g_assert_cmpint(g_atomic_int_get(&visitors[1].order), ==, 2);
    visitor_end(&visitors[1]);
    visitor_end(&visitors[3]);
    hvxl_gate_free(gate);
}

/* Cancelled before it came; and without any cancellable. */
static void
test_at_once(void)
{
    HvxlGate *gate = hvxl_gate_new(1, FOR_EVER_MS);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    g_cancellable_cancel(cancellable);
    hvxl_gate_enter(gate, NULL);
    hvxl_gate_enter(gate, cancellable);
    hvxl_gate_leave(gate);
    hvxl_gate_leave(gate);
    hvxl_gate_free(gate);
    hvxl_gate_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/gate/places", test_places);
    g_test_add_func("/hvxl/gate/hanging", test_hanging);
    g_test_add_func("/hvxl/gate/cancel", test_cancel);
    g_test_add_func("/hvxl/gate/at-once", test_at_once);
    return g_test_run();
}
