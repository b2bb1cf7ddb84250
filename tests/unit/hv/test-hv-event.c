/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: order, what they say, and listeners that come and go. */
#include "fake-engine.h"

#include <string.h>

#define N_DOMAINS 6
#define N_ROUNDS  20

/* Starts and stops of many domains side by side; each domain's events alternate. */
typedef struct Worker {
    Fixture *f;
    guint number;
} Worker;

static gpointer
start_and_stop(gpointer data)
{
    Worker *worker = data;
    g_autofree char *name = g_strdup_printf("d%u", worker->number);
    g_autoptr(HvDomain) domain = define_domain(worker->f, name, worker->number + 1);
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < N_ROUNDS; i++) {
        g_assert_true(hv_domain_start(domain, 0, &error));
        g_assert_no_error(error);
        g_assert_true(hv_domain_destroy(domain, &error));
        g_assert_no_error(error);
    }
    g_assert_true(hv_domain_undefine(domain, 0, &error));
    return NULL;
}

/* What must come of one domain, in this order. */
static void
assert_order(Fixture *f, const char *name)
{
    guint seen = 0;

    g_mutex_lock(&f->lock);
    for (guint i = 0; i < f->log->len; i++) {
        g_auto(GStrv) words = g_strsplit(g_ptr_array_index(f->log, i), ":", -1);
        const char *expected = "started";

        if (!g_str_equal(words[0], name))
            continue;
        if (seen == 0)
            expected = "defined";
        else if (seen == 2 * N_ROUNDS + 1)
            expected = "undefined";
        else if (seen % 2 == 0)
            expected = "stopped";
        g_assert_cmpstr(words[1], ==, expected);
        seen++;
    }
    g_mutex_unlock(&f->lock);
    g_assert_cmpuint(seen, ==, 2 * N_ROUNDS + 2);
}

static void
wait_for_log(Fixture *f, guint n)
{
    gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    g_mutex_lock(&f->lock);
    while (f->log->len < n)
        g_assert_true(g_cond_wait_until(&f->changed, &f->lock, deadline));
    g_mutex_unlock(&f->lock);
}

static void
test_order(Fixture *f, gconstpointer unused)
{
    GThread *threads[N_DOMAINS];
    Worker workers[N_DOMAINS];

    for (guint i = 0; i < N_DOMAINS; i++) {
        workers[i] = (Worker){ .f = f, .number = i };
        threads[i] = g_thread_new("worker", start_and_stop, &workers[i]);
    }
    for (guint i = 0; i < N_DOMAINS; i++)
        g_thread_join(threads[i]);
    wait_for_log(f, N_DOMAINS * (2 * N_ROUNDS + 2));
    for (guint i = 0; i < N_DOMAINS; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);

        assert_order(f, name);
    }
}

/* ---- the view is there before the event ---- */

static void
check_view(HvHost *host, const HvEvent *event, gpointer data)
{
    g_autoptr(HvDomain) domain = hv_host_lookup_uuid(host, event->uuid, NULL);
    g_autoptr(HvView) view = domain ? hv_domain_view(domain) : NULL;

    /* Our caller waits between the calls, so nothing newer can have been published. */
    if (event->kind == HV_EVENT_STARTED) {
        g_assert_nonnull(view);
        g_assert_cmpint(view->domid, ==, event->domid);
        g_assert_cmpint(view->state, ==, HV_STATE_RUNNING);
    } else if (event->kind == HV_EVENT_STOPPED) {
        g_assert_cmpint(event->domid, >=, 1);
        g_assert_cmpint(view->state, ==, HV_STATE_SHUTOFF);
    } else if (event->kind == HV_EVENT_UNDEFINED) {
        g_assert_null(view);
    }
    g_atomic_int_inc((gint *)data);
}

static void
wait_for_count(gint *count, gint n)
{
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (g_atomic_int_get(count) < n && g_get_monotonic_time() < deadline)
        g_usleep(500);
    g_assert_cmpint(g_atomic_int_get(count), ==, n);
}

static void
test_after_view(Fixture *f, gconstpointer unused)
{
    gint count = 0;
    guint id = hv_host_add_listener(f->host, check_view, &count);
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);

    wait_for_count(&count, 1);
    g_assert_true(hv_domain_start(domain, 0, NULL));
    wait_for_count(&count, 2);
    g_assert_true(hv_domain_destroy(domain, NULL));
    wait_for_count(&count, 3);
    g_assert_true(hv_domain_undefine(domain, 0, NULL));
    wait_for_count(&count, 4);
    hv_host_remove_listener(f->host, id);
}

/* ---- listeners ---- */

typedef struct Slow {
    gint inside, calls, gone;
} Slow;

static void
listen_slowly(HvHost *host, const HvEvent *event, gpointer data)
{
    Slow *slow = data;

    g_assert_false(g_atomic_int_get(&slow->gone));
    g_atomic_int_set(&slow->inside, TRUE);
    g_usleep(50000);
    g_assert_false(g_atomic_int_get(&slow->gone));
    g_atomic_int_inc(&slow->calls);
    g_atomic_int_set(&slow->inside, FALSE);
}

/* While it runs, removal waits; after that it is not called again. */
static void
test_remove(Fixture *f, gconstpointer unused)
{
    Slow slow = { 0 };
    guint id = hv_host_add_listener(f->host, listen_slowly, &slow);
    g_autoptr(HvDomain) one G_GNUC_UNUSED = define_domain(f, "one", 1);
    g_autoptr(HvDomain) two G_GNUC_UNUSED = define_domain(f, "two", 2);
    g_autoptr(HvDomain) three = NULL;

    while (!g_atomic_int_get(&slow.inside))
        g_usleep(500);
    hv_host_remove_listener(f->host, id);
    g_atomic_int_set(&slow.gone, TRUE);
    g_assert_cmpint(slow.calls, >=, 1);
    three = define_domain(f, "three", 3);
    assert_events(f, "one:defined:added", "two:defined:added", "three:defined:added");
    g_assert_cmpint(slow.calls, <=, 2);
    hv_host_remove_listener(f->host, id);     /* known no more: nothing */
    hv_host_remove_listener(f->host, 123456); /* never known */
}

/* What is queued when the host stops still arrives. */
static void
count_only(HvHost *host, const HvEvent *event, gpointer data)
{
    g_usleep(1000);
    g_atomic_int_inc((gint *)data);
}

static void
test_stop_drains(Fixture *f, gconstpointer unused)
{
    gint count = 0;

    hv_host_add_listener(f->host, count_only, &count);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);

        hv_domain_unref(define_domain(f, name, i + 1));
    }
    fixture_stop_host(f);
    g_assert_cmpint(count, ==, 20);
}

static void
keep_metadata(HvHost *host, const HvEvent *event, gpointer data)
{
    HvEvent *kept = data;

    if (event->kind != HV_EVENT_METADATA_CHANGE)
        return;
    g_assert_cmpstr(event->name, ==, "one");
    g_assert_cmpstr(event->metadata_uri, ==, "urn:x");
    kept->metadata_type = event->metadata_type;
    g_atomic_int_set((gint *)&kept->domid, 77);
}

static void
test_metadata(Fixture *f, gconstpointer unused)
{
    HvEvent kept = { .domid = 0 };
    guint id = hv_host_add_listener(f->host, keep_metadata, &kept);
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);

    g_assert_true(
        hv_domain_set_metadata(domain, HV_METADATA_ELEMENT, "<a/>", "p", "urn:x", 0, NULL));
    wait_for_count((gint *)&kept.domid, 77);
    g_assert_cmpint(kept.metadata_type, ==, HV_METADATA_ELEMENT);
    hv_host_remove_listener(f->host, id);
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/event/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("order", test_order);
    TEST("after-view", test_after_view);
    TEST("remove", test_remove);
    TEST("stop-drains", test_stop_drains);
    TEST("metadata", test_metadata);
    return g_test_run();
}
