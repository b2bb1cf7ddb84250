/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One job a domain: who waits, who is told, who has the right of way; and a hook that hangs. */
#include "fake-engine.h"

#include <string.h>

/* "At once", on a machine with much else to do: far below any timeout of ours. */
#define AT_ONCE_US (15 * G_USEC_PER_SEC)

typedef gboolean (*Operation)(HvDomain *domain, GError **error);

typedef struct Call {
    HvDomain *domain;
    Operation operation;
    gboolean ok;
    GError *error;
    GThread *thread;
} Call;

static gpointer
run_call(gpointer data)
{
    Call *call = data;

    call->ok = call->operation(call->domain, &call->error);
    return NULL;
}

static void
begin(Call *call, HvDomain *domain, Operation operation)
{
    *call = (Call){ .domain = domain, .operation = operation };
    call->thread = g_thread_new("call", run_call, call);
}

static gboolean
finish(Call *call)
{
    g_thread_join(call->thread);
    return call->ok;
}

static gboolean
op_shutdown(HvDomain *domain, GError **error)
{
    return hv_domain_shutdown(domain, 0, error);
}

static gboolean
op_start(HvDomain *domain, GError **error)
{
    return hv_domain_start(domain, 0, error);
}

static gboolean
op_managed_save(HvDomain *domain, GError **error)
{
    return hv_domain_managed_save(domain, 0, error);
}

static gboolean
op_autostart(HvDomain *domain, GError **error)
{
    return hv_domain_set_autostart(domain, TRUE, error);
}

static HvDomain *
running(Fixture *f, const char *name, guint number)
{
    HvDomain *domain = define_domain(f, name, number);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_no_error(error);
    return domain;
}

/* Everything that only looks, on every domain. */
static void
assert_queries_at_once(Fixture *f)
{
    gint64 before = g_get_monotonic_time();
    g_autoptr(GPtrArray) all = hv_host_list(f->host);

    for (guint i = 0; i < all->len; i++) {
        HvDomain *domain = g_ptr_array_index(all, i);
        g_autofree char *xml = hv_domain_format_xml(domain, 0, NULL);
        g_autoptr(GArray) vcpus G_GNUC_UNUSED = hv_domain_vcpus(domain, NULL);
        HvDomainInfo info;
        HvJobInfo job;

        g_assert_nonnull(xml);
        g_assert_true(hv_domain_info(domain, &info, NULL));
        g_assert_cmpint(hv_domain_get_vcpus(domain, 0, NULL), ==, 2);
        hv_domain_job_info(domain, &job);
    }
    g_assert_cmpint(g_get_monotonic_time() - before, <, AT_ONCE_US);
}

static void
test_hang_shutdown(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) hangs = running(f, "hangs", 1);
    g_autoptr(HvDomain) other = running(f, "other", 2);
    g_autoptr(GError) error = NULL;
    gint64 before;
    HvJobInfo job;
    Call call;

    fake_set_hang(FAKE_SHUTDOWN, TRUE);
    begin(&call, hangs, op_shutdown);
    fake_wait_inside(FAKE_SHUTDOWN);
    assert_queries_at_once(f);
    hv_domain_job_info(hangs, &job);
    g_assert_true(job.active);
    g_assert_cmpstr(job.kind, ==, "shutdown");

    before = g_get_monotonic_time();
    g_assert_true(hv_domain_suspend(other, &error)); /* not touched by it */
    g_assert_true(hv_domain_destroy(hangs, &error));
    g_assert_no_error(error);
    g_assert_cmpint(g_get_monotonic_time() - before, <, AT_ONCE_US);
    g_assert_cmpint(state_of(hangs), ==, HV_STATE_SHUTOFF);
    /* And it can live on while the old call still hangs. */
    g_assert_true(hv_domain_start(hangs, 0, &error));
    g_assert_no_error(error);

    fake_set_hang(FAKE_SHUTDOWN, FALSE);
    g_assert_true(finish(&call));
    g_assert_no_error(call.error);
    g_assert_cmpint(state_of(hangs), ==, HV_STATE_RUNNING);
    g_assert_true(hv_domain_suspend(hangs, &error));
    g_assert_no_error(error);
}

static void
test_hang_pause(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(GError) error = NULL;
    Call call;

    fake_set_hang(FAKE_PAUSE, TRUE);
    begin(&call, domain, hv_domain_suspend);
    fake_wait_inside(FAKE_PAUSE);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_true(hv_domain_start(domain, 0, &error));
    fake_set_hang(FAKE_PAUSE, FALSE);
    g_assert_false(finish(&call));
    g_assert_error(call.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&call.error);
    /* The new life is not what was paused. */
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
}

static void
test_destroy_breaks_start(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    gint64 before;
    Call call;

    fake_set_hang(FAKE_START, TRUE);
    begin(&call, domain, op_start);
    fake_wait_inside(FAKE_START);
    assert_queries_at_once(f);
    before = g_get_monotonic_time();
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_no_error(error);
    g_assert_cmpint(g_get_monotonic_time() - before, <, AT_ONCE_US);
    g_assert_false(finish(&call));
    g_assert_error(call.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&call.error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpuint(fake_running(), ==, 0);
    assert_events(f, "one:defined:added");
}

static gpointer
create_one(gpointer data)
{
    Fixture *f = data;

    return hv_host_create(f->host, domain_def("one", 1), 0, NULL);
}

/* Also a domain that is not there yet can be found and stopped. */
static void
test_destroy_breaks_create(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvView) view = NULL;
    g_autoptr(GError) error = NULL;
    GThread *thread;

    fake_set_hang(FAKE_START, TRUE);
    thread = g_thread_new("create", create_one, f);
    fake_wait_inside(FAKE_START);
    assert_queries_at_once(f);
    domain = hv_host_lookup_name(f->host, "one", &error);
    g_assert_no_error(error);
    g_assert_cmpint(domid_of(domain), ==, -1);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_no_error(error);
    g_assert_null(g_thread_join(thread));
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    g_assert_cmpuint(fake_running(), ==, 0);
    view = hv_domain_view(domain);
    g_assert_nonnull(hv_view_current(view));
    assert_events(f, NULL);
}

static void
test_destroy_breaks_save(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(GError) error = NULL;
    Call call;

    clear_events(f);
    fake_set_hang(FAKE_SAVE, TRUE);
    begin(&call, domain, op_managed_save);
    fake_wait_inside(FAKE_SAVE);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_PAUSED_SAVE);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_false(finish(&call));
    g_assert_error(call.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&call.error);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_DESTROYED);
    g_assert_false(file_exists(f, "/var/lib/libvirt/libxl/save/one.save"));
    assert_events(f, "one:job:", "one:stopped:destroyed");
}

static void
test_abort(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(GError) error = NULL;
    HvJobInfo job;
    Call call;

    g_assert_false(hv_domain_job_abort(domain, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_clear_error(&error);
    fake_set_hang(FAKE_SAVE, TRUE);
    begin(&call, domain, op_managed_save);
    fake_wait_inside(FAKE_SAVE);
    hv_domain_job_info(domain, &job);
    g_assert_cmpstr(job.kind, ==, "save");
    g_assert_cmpuint(job.done, ==, 1);
    g_assert_cmpuint(job.total, ==, 20);
    g_assert_true(hv_domain_job_abort(domain, &error));
    g_assert_false(finish(&call));
    g_assert_error(call.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&call.error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_SAVE_CANCELED);
    hv_domain_job_info(domain, &job);
    g_assert_false(job.active);
}

static void
test_timeout(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(GError) error = NULL;
    Call call;

    fixture_stop_host(f);
    fixture_start_host(f, 200, TRUE);
    domain = running(f, "one", 1);
    fake_set_hang(FAKE_SHUTDOWN, TRUE);
    begin(&call, domain, op_shutdown);
    fake_wait_inside(FAKE_SHUTDOWN);
    g_assert_false(hv_domain_suspend(domain, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_TIMEOUT);
    g_assert_cmpstr(error->message, ==,
                    "cannot acquire state change lock (held by shutdown for 0 s)");
    fake_set_hang(FAKE_SHUTDOWN, FALSE);
    g_assert_true(finish(&call));
}

/* One after the other, nobody lost. */
static void
test_waiters(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    Call start, others[6];

    fake_set_hang(FAKE_START, TRUE);
    begin(&start, domain, op_start);
    fake_wait_inside(FAKE_START);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        begin(&others[i], domain, op_autostart);
    fake_set_hang(FAKE_START, FALSE);
    g_assert_true(finish(&start));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_true(finish(&others[i]));
}

/* The guest ends while something else of it hangs: the news gets through. */
static void
test_guest_ends_meanwhile(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    Call call;

    clear_events(f);
    fake_set_hang(FAKE_PAUSE, TRUE);
    begin(&call, domain, hv_domain_suspend);
    fake_wait_inside(FAKE_PAUSE);
    fake_end_guest(domid_of(domain), 0);
    assert_events(f, "one:stopped:shutdown");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    fake_set_hang(FAKE_PAUSE, FALSE);
    g_assert_false(finish(&call));
    g_clear_error(&call.error);
}

/* News of a former life comes late, while something hangs in this one: it overtakes nothing. */
static void
test_late_news(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(HvDomain) other = running(f, "other", 2);
    int former = domid_of(domain);
    g_autoptr(GError) error = NULL;
    Call call;

    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_true(hv_domain_start(domain, 0, &error));
    clear_events(f);
    fake_set_hang(FAKE_PAUSE, TRUE);
    begin(&call, domain, hv_domain_suspend);
    fake_wait_inside(FAKE_PAUSE);
    fake_late_news(domain, former);
    /* Domains have queues of their own: this one's end is a hint only that the news was heard. */
    fake_take_away(domid_of(other));
    assert_events(f, "other:stopped:destroyed");
    fake_set_hang(FAKE_PAUSE, FALSE);
    g_assert_true(finish(&call));
    g_assert_no_error(call.error);
    assert_events(f, "one:suspended:paused");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_PAUSED);
}

/* The removal of one guest hangs: news of another domain is dealt with all the same. */
static void
test_other_domains_go_on(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) slow = running(f, "slow", 1);
    g_autoptr(HvDomain) other = running(f, "other", 2);

    clear_events(f);
    fake_set_hang(FAKE_DESTROY, TRUE);
    fake_end_guest(domid_of(slow), 0);
    fake_wait_inside(FAKE_DESTROY);
    wait_for_state(slow, HV_STATE_SHUTDOWN);
    fake_take_away(domid_of(other));
    assert_events(f, "other:stopped:destroyed");
    assert_queries_at_once(f);
    fake_set_hang(FAKE_DESTROY, FALSE);
    assert_events(f, "slow:stopped:shutdown");
}

/* A restart that the guest asked for hangs: destroy breaks that, too. */
static void
test_destroy_breaks_restart(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(GError) error = NULL;

    clear_events(f);
    fake_set_hang(FAKE_START, TRUE);
    fake_end_guest(domid_of(domain), 1);
    fake_wait_inside(FAKE_START);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpuint(fake_running(), ==, 0);
    assert_events(f, "one:stopped:shutdown");
}

/* The daemon goes while a start hangs and somebody waits. */
static void
test_host_stops(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    Call start, waiter;

    fake_set_hang(FAKE_START, TRUE);
    begin(&start, domain, op_start);
    fake_wait_inside(FAKE_START);
    begin(&waiter, domain, op_autostart);
    g_usleep(20000);
    fixture_stop_host(f);
    g_assert_false(finish(&start));
    g_assert_error(start.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_false(finish(&waiter));
    g_assert_error(waiter.error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&start.error);
    g_clear_error(&waiter.error);
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/job/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("hang-shutdown", test_hang_shutdown);
    TEST("hang-pause", test_hang_pause);
    TEST("destroy-breaks-start", test_destroy_breaks_start);
    TEST("destroy-breaks-create", test_destroy_breaks_create);
    TEST("destroy-breaks-save", test_destroy_breaks_save);
    TEST("destroy-breaks-restart", test_destroy_breaks_restart);
    TEST("abort", test_abort);
    TEST("timeout", test_timeout);
    TEST("waiters", test_waiters);
    TEST("guest-ends-meanwhile", test_guest_ends_meanwhile);
    TEST("late-news", test_late_news);
    TEST("other-domains-go-on", test_other_domains_go_on);
    TEST("host-stops", test_host_stops);
    return g_test_run();
}
