/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start, stop, pause; what a guest does by itself; figures; memory and vcpus. */
#include "fake-engine.h"

#include <string.h>
#include <unistd.h>

static void
assert_wrong_state(gboolean ok, GError **error, const char *message)
{
    g_assert_false(ok);
    g_assert_error(*error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_assert_cmpstr((*error)->message, ==, message);
    g_clear_error(error);
}

static void
test_start_and_destroy(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) by_id = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL;
    int domid;

    clear_events(f);
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_BOOTED);
    domid = domid_of(domain);
    by_id = hv_host_lookup_id(f->host, domid, &error);
    g_assert_true(by_id == domain);
    g_assert_true(file_exists(f, "/run/libvirt/libxl/one.xml"));
    assert_wrong_state(hv_domain_start(domain, 0, &error), &error, "domain is already running");

    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_DESTROYED);
    g_assert_null(hv_host_lookup_id(f->host, domid, NULL));
    g_assert_false(file_exists(f, "/run/libvirt/libxl/one.xml"));
    g_assert_cmpuint(fake_running(), ==, 0);
    assert_wrong_state(hv_domain_destroy(domain, &error), &error, "domain is not running");
    assert_events(f, "one:started:booted", "one:stopped:destroyed");
    log = read_file(f, "/var/log/libvirt/libxl/one.log");
    g_assert_nonnull(strstr(log, "+0000: starting up\n"));
    g_assert_nonnull(strstr(log, "shutting down"));
}

/* The whole table, by what a person is told. */
static void
test_not_running(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    const char *words = "domain is not running";

    assert_wrong_state(hv_domain_destroy(domain, &error), &error, words);
    assert_wrong_state(hv_domain_shutdown(domain, 0, &error), &error, words);
    assert_wrong_state(hv_domain_reboot(domain, 0, &error), &error, words);
    assert_wrong_state(hv_domain_suspend(domain, &error), &error, words);
    assert_wrong_state(hv_domain_resume(domain, &error), &error, words);
    assert_wrong_state(hv_domain_save(domain, "/tmp/x", NULL, 0, &error), &error, words);
    assert_wrong_state(hv_domain_set_memory(domain, 1024, HV_AFFECT_LIVE, &error), &error, words);
    assert_wrong_state(hv_domain_set_vcpus(domain, 1, HV_AFFECT_LIVE, &error), &error, words);
    assert_wrong_state(hv_domain_open_console(domain, NULL, FALSE, &error) >= 0, &error, words);
    g_assert_null(hv_domain_vcpus(domain, &error));
    assert_wrong_state(FALSE, &error, words);
}

static void
test_pause(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, HV_START_PAUSED, &error));
    g_assert_cmpint(state_of(domain), ==, HV_STATE_PAUSED);
    g_assert_true(fake_is_paused(domid_of(domain)));
    g_assert_true(hv_domain_resume(domain, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_UNPAUSED);
    g_assert_true(hv_domain_resume(domain, &error)); /* again: nothing to do */
    g_assert_true(hv_domain_suspend(domain, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_PAUSED_USER);
    g_assert_true(hv_domain_suspend(domain, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(fake_calls(FAKE_PAUSE), ==, 1);
    g_assert_cmpuint(fake_calls(FAKE_UNPAUSE), ==, 1);
    assert_events(f, "one:defined:added", "one:started:booted", "one:suspended:paused",
                  "one:resumed:unpaused", "one:suspended:paused");
}

static void
test_start_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL;

    fake_set_failure(FAKE_START, "no kernel there");
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_cmpstr(error->message, ==, "no kernel there");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_FAILED);
    g_clear_error(&error);
    /* A transient domain that never was leaves nothing. */
    g_assert_null(hv_host_create(f->host, domain_def("two", 2), 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
    log = read_file(f, "/var/log/libvirt/libxl/one.log");
    g_assert_nonnull(strstr(log, "failed to start: no kernel there"));
    assert_events(f, "one:defined:added");
}

static void
test_transient(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = create_domain(f, "one", 1);
    g_autoptr(HvView) last = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(file_exists(f, "/etc/libvirt/libxl/one.xml"));
    assert_wrong_state(hv_domain_undefine(domain, 0, &error), &error,
                       "cannot undefine transient domain");
    assert_wrong_state(hv_domain_set_autostart(domain, TRUE, &error), &error,
                       "cannot set autostart for transient domain");
    assert_wrong_state(hv_domain_managed_save(domain, 0, &error), &error,
                       "cannot do managed save for transient domain");
    assert_wrong_state(hv_domain_set_memory(domain, 1024, HV_AFFECT_CONFIG, &error), &error,
                       "transient domains do not have any persistent config");
    g_assert_null(hv_host_create(f->host, domain_def("one", 1), 0, &error));
    assert_wrong_state(FALSE, &error, "domain 'one' is already active");
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    last = hv_domain_view(domain);
    g_assert_nonnull(hv_view_current(last));
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    assert_events(f, "one:started:booted", "one:stopped:destroyed");
}

/* Define a running transient domain, undefine a running persistent one. */
static void
test_persistence_changes(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = create_domain(f, "one", 1);
    g_autoptr(HvDomain) same = define_domain(f, "one", 1);
    g_autoptr(HvView) view = hv_domain_view(domain);
    g_autoptr(GError) error = NULL;

    g_assert_true(same == domain);
    g_assert_nonnull(view->persistent);
    g_assert_cmpint(view->persistent->id, ==, -1);
    g_assert_true(hv_domain_undefine(domain, 0, &error));
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    assert_events(f, "one:started:booted", "one:defined:added", "one:undefined:removed",
                  "one:stopped:destroyed");
}

/* ---- what guests do ---- */

static HvDomain *
running(Fixture *f, const char *name, guint number, gsize action_at, ConfAction action)
{
    ConfDomain *def = domain_def(name, number);
    g_autoptr(GError) error = NULL;
    HvDomain *domain;

    if (action_at)
        G_STRUCT_MEMBER(ConfAction, def, action_at) = action;
    domain = hv_host_define(f->host, def, &error);
    g_assert_no_error(error);
    g_assert_true(hv_domain_start(domain, 0, &error));
    clear_events(f);
    return domain;
}

static void
test_poweroff(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_shutdown(domain, 0, &error));
    assert_events(f, "one:stopped:shutdown");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_SHUTDOWN);
    g_assert_cmpuint(fake_running(), ==, 0);
}

static void
test_reboot(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(GError) error = NULL;
    int before = domid_of(domain);

    g_assert_true(hv_domain_reboot(domain, 0, &error));
    assert_events(f, "one:stopped:shutdown", "one:started:booted", "one:reboot:");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_cmpint(domid_of(domain), !=, before);
    g_assert_cmpuint(fake_running(), ==, 1);
}

static void
test_transient_reboot(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = create_domain(f, "one", 1);

    clear_events(f);
    fake_end_guest(domid_of(domain), 1);
    assert_events(f, "one:stopped:shutdown", "one:started:booted", "one:reboot:");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    /* It cannot be started again: it vanishes. */
    fake_set_failure(FAKE_START, "no memory");
    fake_end_guest(domid_of(domain), 1);
    assert_events(f, "one:stopped:shutdown");
    wait_for_state(domain, HV_STATE_SHUTOFF);
    while (log_count("could not be started again") == 0)
        g_usleep(1000);
    while (hv_domain_start(domain, 0, NULL))
        g_usleep(1000);
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
}

static void
test_actions(Fixture *f, gconstpointer unused)
{
    static const struct {
        gsize at;
        ConfAction action;
        int code;
        HvState state;
        const char *events[4];
    } cases[] = {
#define AT(field) G_STRUCT_OFFSET(ConfDomain, field)
        { AT(on_poweroff),
          CONF_ACTION_RESTART,
          0,
          HV_STATE_RUNNING,
          { "d:stopped:shutdown", "d:started:booted" } },
        { AT(on_reboot), CONF_ACTION_DESTROY, 1, HV_STATE_SHUTOFF, { "d:stopped:shutdown" } },
        { AT(on_poweroff), CONF_ACTION_PRESERVE, 0, HV_STATE_SHUTDOWN, { "d:shutdown:finished" } },
        { AT(on_crash), CONF_ACTION_DESTROY, 3, HV_STATE_SHUTOFF, { "d:stopped:crashed" } },
        { AT(on_crash), CONF_ACTION_PRESERVE, 3, HV_STATE_CRASHED, { "d:crashed:panicked" } },
        { AT(on_crash),
          CONF_ACTION_RENAME_RESTART,
          3,
          HV_STATE_RUNNING,
          { "d:stopped:shutdown", "d:started:booted" } },
        { AT(on_crash),
          CONF_ACTION_COREDUMP_DESTROY,
          3,
          HV_STATE_SHUTOFF,
          { "d:stopped:crashed" } },
        { AT(on_crash),
          CONF_ACTION_COREDUMP_RESTART,
          4,
          HV_STATE_RUNNING,
          { "d:watchdog:", "d:stopped:shutdown", "d:started:booted" } },
#undef AT
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(HvDomain) domain = running(f, "d", 1, cases[i].at, cases[i].action);

        fake_end_guest(domid_of(domain), cases[i].code);
        assert_events_(f, cases[i].events);
        wait_for_state(domain, cases[i].state);
        hv_domain_destroy(domain, NULL);
        g_assert_true(hv_domain_undefine(domain, 0, NULL));
        clear_events(f);
        g_mutex_lock(&f->lock);
        g_ptr_array_set_size(f->log, 0);
        g_mutex_unlock(&f->lock);
    }
    g_assert_cmpuint(log_count("no core dump of domain"), ==, 2);
}

/* Actions that only xl has a key or a word for. */
static void
test_key_actions(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *key, *word;
        int code;
        HvState state;
        gboolean changed; /* by set_action(), which has the last word then */
    } cases[] = {
        { "on_crash", "soft-reset", 3, HV_STATE_SHUTOFF, TRUE },
        { "on_watchdog", "restart", 4, HV_STATE_RUNNING },
        { "on_watchdog", "preserve", 4, HV_STATE_CRASHED },
        { "on_soft_reset", "destroy", 5, HV_STATE_SHUTOFF },
        { "on_crash", "soft-reset", 3, HV_STATE_RUNNING },
        { "on_poweroff", "soft-reset", 0, HV_STATE_RUNNING },
        { "on_watchdog", "nonsense", 4, HV_STATE_SHUTOFF },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfDomain) def = domain_def("d", 1);
        g_autoptr(ConfXlExt) ext = conf_xl_ext_new();
        g_autoptr(HvDomain) domain = NULL;
        g_autoptr(GError) error = NULL;
        int before;

        conf_xl_keys_set(ext->keys, cases[i].key, cases[i].word);
        g_assert_true(conf_xl_ext_store(def, ext, &error));
        domain = hv_host_define(f->host, g_steal_pointer(&def), &error);
        g_assert_no_error(error);
        if (cases[i].changed)
            g_assert_true(hv_domain_set_action(domain, HV_ACTION_CRASH, CONF_ACTION_DESTROY,
                                               HV_AFFECT_CONFIG, &error));
        g_assert_true(hv_domain_start(domain, 0, &error));
        before = domid_of(domain);
        fake_end_guest(before, cases[i].code);
        while (state_of(domain) != cases[i].state || domid_of(domain) == before) {
            if (cases[i].state == HV_STATE_CRASHED && state_of(domain) == HV_STATE_CRASHED)
                break; /* kept as it is */
            g_usleep(1000);
        }
        hv_domain_destroy(domain, NULL);
        g_assert_true(hv_domain_undefine(domain, 0, NULL));
    }
}

static void
test_preserved(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain)
        domain = running(f, "one", 1, G_STRUCT_OFFSET(ConfDomain, on_crash), CONF_ACTION_PRESERVE);
    g_autoptr(GError) error = NULL;

    fake_end_guest(domid_of(domain), 3);
    wait_for_state(domain, HV_STATE_CRASHED);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_CRASHED_PANICKED);
    g_assert_false(hv_domain_suspend(domain, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_clear_error(&error);
    g_assert_true(hv_domain_destroy(domain, &error));
    assert_events(f, "one:crashed:panicked", "one:stopped:destroyed");
}

static void
test_gone(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(HvDomain) transient = create_domain(f, "two", 2);

    clear_events(f);
    fake_take_away(domid_of(domain));
    assert_events(f, "one:stopped:destroyed");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_false(file_exists(f, "/run/libvirt/libxl/one.xml"));
    fake_take_away(domid_of(transient));
    assert_events(f, "two:stopped:destroyed");
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
}

static void
test_appears(Fixture *f, gconstpointer unused)
{
    g_autofree char *xml = domain_xml("foreign", 9);
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvDomain) known = define_domain(f, "known", 8);
    g_autofree char *known_xml = domain_xml("known", 8);
    int domid;

    clear_events(f);
    domid = fake_start_foreign(xml, TRUE);
    assert_events(f, "foreign:started:booted");
    domain = hv_host_lookup_id(f->host, domid, NULL);
    g_assert_nonnull(domain);
    g_assert_cmpstr(domain->name, ==, "foreign");
    g_assert_true(hv_domain_destroy(domain, NULL));
    g_assert_null(hv_host_lookup_name(f->host, "foreign", NULL));
    assert_events(f, "foreign:stopped:destroyed");
    /* One that is defined here, started by somebody else. */
    fake_start_foreign(known_xml, TRUE);
    assert_events(f, "known:started:booted");
    g_assert_cmpint(state_of(known), ==, HV_STATE_RUNNING);
}

/* Its maker destroys or restarts it when it ends: libhv only shows it. */
static void
test_foreign_end(Fixture *f, gconstpointer unused)
{
    static const struct {
        int code;
        HvState state;
        const char *kept, *gone;
    } ends[] = {
        { 0, HV_STATE_SHUTDOWN, "foreign:shutdown:finished", "foreign:stopped:shutdown" },
        { 1, HV_STATE_SHUTDOWN, "foreign:shutdown:finished", "foreign:stopped:shutdown" },
        { 3, HV_STATE_CRASHED, "foreign:crashed:panicked", "foreign:stopped:crashed" },
    };
    g_autofree char *xml = domain_xml("foreign", 9);

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        int domid = fake_start_foreign(xml, TRUE);
        g_autoptr(HvDomain) domain = NULL;
        guint destroyed = fake_calls(FAKE_DESTROY);

        assert_events(f, "foreign:started:booted");
        domain = hv_host_lookup_id(f->host, domid, NULL);
        fake_set_foreign(domid);
        fake_end_guest(domid, ends[i].code);
        assert_events(f, ends[i].kept);
        g_assert_cmpint(state_of(domain), ==, ends[i].state);
        g_assert_cmpuint(fake_calls(FAKE_DESTROY), ==, destroyed);
        g_assert_cmpuint(fake_running(), ==, 1);
        fake_take_away(domid);
        assert_events(f, ends[i].gone);
    }
}

static void
test_paused_behind(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    int domid = domid_of(domain);

    clear_events(f);
    fake_pause_behind(domid, TRUE, TRUE);
    assert_events(f, "one:suspended:paused");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_PAUSED);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_PAUSED_USER);
    fake_pause_behind(domid, FALSE, TRUE);
    assert_events(f, "one:resumed:unpaused");
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_UNPAUSED);
    /* News of what is so already, and of a domain that has ended since. */
    fake_pause_behind(domid, TRUE, FALSE);
    fake_pause_behind(domid, FALSE, TRUE);
    fake_take_away(domid);
    assert_events(f, "one:stopped:destroyed");
}

/* A job of ours is under way: the change is its own. */
static void
test_paused_in_job(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, NULL);
    int domid = domid_of(domain);

    clear_events(f);
    g_assert_null(hv_job_begin_idle(domain, HV_JOB_MODIFY));
    fake_pause_behind(domid, TRUE, TRUE);
    fake_take_away(domid);
    g_clear_pointer(&job, hv_job_end);
    assert_events(f, "one:stopped:destroyed");
}

/* It is not: that is seen when the job is over. */
static void
test_paused_behind_job(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, NULL);

    clear_events(f);
    fake_pause_behind(domid_of(domain), TRUE, TRUE);
    g_usleep(20000); /* usually the worker has come in vain by then */
    g_clear_pointer(&job, hv_job_end);
    assert_events(f, "one:suspended:paused");
    g_assert_cmpint(state_of(domain), ==, HV_STATE_PAUSED);
}

/* ---- figures ---- */

static void
test_info(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) vcpus = NULL;
    HvDomainInfo info;
    gint64 before;
    guint asked;

    g_assert_true(hv_domain_info(domain, &info, &error));
    g_assert_cmpint(info.state, ==, HV_STATE_SHUTOFF);
    g_assert_cmpuint(info.max_memory_kib, ==, 524288);
    g_assert_cmpuint(info.cpu_time_ns, ==, 0);
    g_assert_cmpuint(fake_calls(FAKE_LIST), ==, 1); /* at the start of the host, no more */

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_true(hv_domain_info(domain, &info, &error));
    g_assert_cmpuint(info.vcpus, ==, 2);
    g_assert_cmpuint(info.cpu_time_ns, ==, 1000);
    vcpus = hv_domain_vcpus(domain, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vcpus->len, ==, 2);

    /* Many questions, few calls. */
    asked = fake_calls(FAKE_LIST);
    before = g_get_monotonic_time();
    for (int i = 0; i < 1000; i++)
        hv_domain_info(domain, &info, NULL);
    g_assert_cmpuint(fake_calls(FAKE_LIST) - asked, <=,
                     (guint)((g_get_monotonic_time() - before) / 50000 + 2));

    /* A hypervisor that hangs: the last answer, after a moment. */
    fake_set_hang(FAKE_LIST, TRUE);
    fake_set_hang(FAKE_VCPUS, TRUE);
    g_usleep(60000);
    before = g_get_monotonic_time();
    g_assert_true(hv_domain_info(domain, &info, &error));
    g_assert_cmpuint(info.cpu_time_ns, ==, 1000);
    g_clear_pointer(&vcpus, g_array_unref);
    vcpus = hv_domain_vcpus(domain, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vcpus->len, ==, 2);
    g_assert_cmpint(g_get_monotonic_time() - before, <, 5 * G_USEC_PER_SEC);
    g_assert_cmpint(g_get_monotonic_time() - before, >=, 500000);
    fake_set_hang(FAKE_LIST, FALSE);
    fake_set_hang(FAKE_VCPUS, FALSE);
}

static gpointer
go_on_later(gpointer unused)
{
    g_usleep(600000);
    fake_set_hang(FAKE_LIST, FALSE);
    fake_set_hang(FAKE_VCPUS, FALSE);
    return NULL;
}

/* A hypervisor that is slow: the first answer about a domain is worth more patience. */
static void
test_info_first(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) vcpus = NULL;
    HvDomainInfo info;
    GThread *thread;

    g_assert_true(hv_domain_start(domain, 0, &error));
    fake_set_hang(FAKE_LIST, TRUE);
    fake_set_hang(FAKE_VCPUS, TRUE);
    thread = g_thread_new("later", go_on_later, NULL);
    vcpus = hv_domain_vcpus(domain, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vcpus->len, ==, 2);
    g_thread_join(thread);

    fake_set_hang(FAKE_LIST, TRUE);
    thread = g_thread_new("later", go_on_later, NULL);
    g_assert_true(hv_domain_info(domain, &info, &error));
    g_assert_cmpuint(info.cpu_time_ns, ==, 1000);
    g_thread_join(thread);
}

static void
test_memory(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvView) view = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *status = NULL;
    g_autofree char *definition = NULL;
    HvDomainInfo info;

    g_assert_true(hv_domain_start(domain, 0, &error));
    clear_events(f);
    g_assert_true(hv_domain_set_memory(domain, 200000, HV_AFFECT_LIVE, &error));
    g_assert_no_error(error);
    g_assert_true(hv_domain_info(domain, &info, &error));
    g_assert_cmpuint(info.memory_kib, ==, 200704); /* whole MiB */
    view = hv_domain_view(domain);
    g_assert_cmpuint(view->live->cur_memory_kib, ==, 200704);
    g_assert_cmpuint(conf_domain_current_memory(view->persistent), ==, 524288);
    g_assert_false(view->updated);
    status = read_file(f, "/run/libvirt/libxl/one.xml");
    g_assert_nonnull(strstr(status, ">200704<"));
    assert_events(f, "one:balloon:");

    g_assert_false(hv_domain_set_memory(domain, 1 << 20, HV_AFFECT_CURRENT, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_false(
        hv_domain_set_memory(domain, 1 << 20, HV_AFFECT_MAXIMUM | HV_AFFECT_LIVE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED); /* the fake engine lacks it */
    g_clear_error(&error);
    g_assert_true(
        hv_domain_set_memory(domain, 1 << 20, HV_AFFECT_MAXIMUM | HV_AFFECT_CONFIG, &error));
    g_assert_no_error(error);
    g_clear_pointer(&view, hv_view_unref);
    view = hv_domain_view(domain);
    g_assert_cmpuint(view->persistent->memory_kib, ==, 1 << 20);
    g_assert_cmpuint(conf_domain_current_memory(view->persistent), ==, 524288);
    g_assert_true(view->updated);
    definition = read_file(f, "/etc/libvirt/libxl/one.xml");
    g_assert_nonnull(strstr(definition, ">1048576<"));
    g_assert_false(hv_domain_set_memory(domain, 0, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
}

static void
test_memory_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(HvView) before = hv_domain_view(domain);
    g_autoptr(HvView) after = NULL;
    g_autoptr(GError) error = NULL;

    fake_set_failure(FAKE_SET_MEMORY, "balloon is stuck");
    g_assert_false(hv_domain_set_memory(domain, 262144, HV_AFFECT_LIVE | HV_AFFECT_CONFIG, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    after = hv_domain_view(domain);
    g_assert_true(after == before);
}

static void
test_vcpus(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_set_vcpus(domain, 1, HV_AFFECT_LIVE, &error));
    g_assert_cmpint(hv_domain_get_vcpus(domain, HV_AFFECT_LIVE, &error), ==, 1);
    g_assert_cmpint(hv_domain_get_vcpus(domain, HV_AFFECT_CONFIG, &error), ==, 2);
    g_assert_cmpint(hv_domain_get_vcpus(domain, HV_AFFECT_LIVE | HV_AFFECT_MAXIMUM, &error), ==, 2);
    g_assert_false(hv_domain_set_vcpus(domain, 3, HV_AFFECT_LIVE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_assert_cmpstr(error->message, ==,
                    "requested vcpus is greater than max allowable vcpus for the domain: 3 > 2");
    g_clear_error(&error);
    g_assert_false(hv_domain_set_vcpus(domain, 4, HV_AFFECT_LIVE | HV_AFFECT_MAXIMUM, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_true(hv_domain_set_vcpus(domain, 4, HV_AFFECT_CONFIG | HV_AFFECT_MAXIMUM, &error));
    g_assert_cmpint(hv_domain_get_vcpus(domain, HV_AFFECT_CONFIG | HV_AFFECT_MAXIMUM, &error), ==,
                    4);
    g_assert_cmpint(hv_domain_get_vcpus(domain, HV_AFFECT_CONFIG, &error), ==, 2);
    g_assert_false(hv_domain_set_vcpus(domain, 5000, HV_AFFECT_CONFIG | HV_AFFECT_MAXIMUM, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_false(hv_domain_set_vcpus(domain, 0, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
}

static void
count_cut(int fd, gpointer data)
{
    *(int *)data = *(int *)data == 0 ? fd : -1;
}

static void
test_console(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1, 0, 0);
    g_autoptr(GError) error = NULL;
    char buffer[16];
    int first, second, cut = 0;

    first = hv_domain_open_console(domain, NULL, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpint(first, >=, 0);
    assert_wrong_state(hv_domain_open_console(domain, NULL, FALSE, &error) >= 0, &error,
                       "Active console session exists for this domain");
    g_assert_true(hv_domain_watch_console(domain, first, count_cut, &cut));
    second = hv_domain_open_console(domain, NULL, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpint(cut, ==, first); /* once */
    g_assert_false(hv_domain_watch_console(domain, first, count_cut, &cut));
    g_assert_cmpint(read(second, buffer, sizeof(buffer)), ==, 5);
    /* The first holder is cut off and gives back what is not his any more: no harm. */
    hv_domain_close_console(domain, first);
    close(first);
    assert_wrong_state(hv_domain_open_console(domain, NULL, FALSE, &error) >= 0, &error,
                       "Active console session exists for this domain");
    hv_domain_close_console(domain, second);
    close(second);
    first = hv_domain_open_console(domain, NULL, FALSE, &error);
    g_assert_no_error(error);
    close(first);
    g_assert_cmpint(hv_domain_open_console(domain, "nosuch", FALSE, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/lifecycle/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("start-and-destroy", test_start_and_destroy);
    TEST("not-running", test_not_running);
    TEST("pause", test_pause);
    TEST("start-fails", test_start_fails);
    TEST("transient", test_transient);
    TEST("persistence-changes", test_persistence_changes);
    TEST("poweroff", test_poweroff);
    TEST("reboot", test_reboot);
    TEST("transient-reboot", test_transient_reboot);
    TEST("actions", test_actions);
    TEST("key-actions", test_key_actions);
    TEST("preserved", test_preserved);
    TEST("gone", test_gone);
    TEST("appears", test_appears);
    TEST("foreign-end", test_foreign_end);
    TEST("paused-behind", test_paused_behind);
    TEST("paused-in-job", test_paused_in_job);
    TEST("paused-behind-job", test_paused_behind_job);
    TEST("info", test_info);
    TEST("info-first", test_info_first);
    TEST("memory", test_memory);
    TEST("memory-fails", test_memory_fails);
    TEST("vcpus", test_vcpus);
    TEST("console", test_console);
    return g_test_run();
}
