/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks of disks: what is asked of the lock manager and when, what is on record, and what becomes
 * of it when the one or the other fails. */
#include "fake-engine.h"

#include <glib/gstdio.h>
#include <string.h>

/* ---- a lock manager ---- */

/* Each request is a word: the operation and the resources, "+/a" acquire, "-/a" release, "=/a"
 * keep; a shared one has an "s" behind it, one in a lockspace the lockspace before it. */
static struct {
    GMutex lock;
    GCond changed;
    GString *said;         /* [lock] */
    const char *refusal;   /* [lock] of the next acquisitions; NULL: none */
    const char *deaf;      /* [lock] of everything but acquisitions */
    gboolean hang, inside; /* [lock] */
} manager;

static gboolean
ask(HvLockOp op, const HvLockOwner *owner, const GPtrArray *leases, GCancellable *cancellable,
    gpointer data, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&manager.lock);
    const char *why = op == HV_LOCK_ACQUIRE ? manager.refusal : manager.deaf;

    g_assert_cmpstr(owner->name, !=, NULL);
    for (guint i = 0; i < leases->len; i++) {
        const HvLease *lease = leases->pdata[i];

        g_string_append_printf(manager.said, "%s%c%s%s%s%s%s", manager.said->len ? " " : "",
                               "+-="[op], lease -> lockspace, *lease -> lockspace ? ":" : "",
                               lease->resource, lease->shared ? "s" : "",
                               lease->inherited ? "i" : "");
    }
    manager.inside = TRUE;
    g_cond_broadcast(&manager.changed);
    while (manager.hang && !g_cancellable_is_cancelled(cancellable))
        g_cond_wait_until(&manager.changed, &manager.lock, g_get_monotonic_time() + 10000);
    manager.inside = FALSE;
    if (g_cancellable_is_cancelled(cancellable)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "cancelled");
        return FALSE;
    }
    if (why)
        g_set_error_literal(error, G_FILE_ERROR, 7, why);
    return !why;
}

static void
set_manager(const char *refusal, const char *deaf, gboolean hang)
{
    g_mutex_lock(&manager.lock);
    manager.refusal = refusal;
    manager.deaf = deaf;
    manager.hang = hang;
    g_cond_broadcast(&manager.changed);
    g_mutex_unlock(&manager.lock);
}

/* What was asked since the last time. */
#define assert_asked(expected)                                                                     \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_mutex_lock(&manager.lock);                                                               \
        g_assert_cmpstr(manager.said->str, ==, (expected));                                        \
        g_string_truncate(manager.said, 0);                                                        \
        g_mutex_unlock(&manager.lock);                                                             \
    }                                                                                              \
    G_STMT_END

/* ---- domains ---- */

static HvLockConfig settings;

static void
setup(Fixture *f, gconstpointer more)
{
    settings = *(const HvLockConfig *)more;
    settings.ask = ask;
    fixture_lock = &settings;
    set_manager(NULL, NULL, FALSE);
    fixture_setup(f, NULL);
    g_mutex_lock(&manager.lock);
    g_string_truncate(manager.said, 0);
    g_mutex_unlock(&manager.lock);
}

static void
teardown(Fixture *f, gconstpointer unused)
{
    fixture_teardown(f, NULL);
    fixture_lock = NULL;
}

static void
restart(Fixture *f)
{
    fixture_stop_host(f);
    fixture_start_host(f, 0, TRUE);
}

/* A definition with these devices in it. */
static HvDomain *
define(Fixture *f, const char *devices)
{
    g_autofree char *plain = domain_xml("one", 1);
    g_autofree char *end = g_strconcat("<devices>", devices, "</devices></domain>", NULL);
    g_auto(GStrv) parts = g_strsplit(plain, "</domain>", 2);
    g_autofree char *xml = g_strconcat(parts[0], end, NULL);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(xml, -1, "test", 0, &error);
    HvDomain *domain;

    g_assert_no_error(error);
    domain = hv_host_define(f->host, def, &error);
    g_assert_no_error(error);
    return domain;
}

#define DISK(path, target, more)                                                                   \
    "<disk type='file'><source file='" path "'/><target dev='" target "'/>" more "</disk>"

static HvDomain *
find(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    HvDomain *domain = hv_host_lookup_name(f->host, "one", &error);

    g_assert_no_error(error);
    return domain;
}

static char *
record_of(HvDomain *domain)
{
    char uuid[37];

    conf_uuid_format(domain->uuid, uuid);
    return g_strdup_printf("/run/libvirt/libxl/%s.leases", uuid);
}

static gboolean
has_record(Fixture *f, HvDomain *domain)
{
    g_autofree char *path = record_of(domain);

    return file_exists(f, path);
}

/* Until the host has looked at all that there was when it started. */
static void
wait_settled(Fixture *f)
{
    hv_locks_stop(f->host, TRUE);
}

static void
start(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;

    hv_domain_start(domain, 0, &error);
    g_assert_no_error(error);
}

static void
assert_refused(HvDomain *domain, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(domid_of(domain), ==, -1);
}

static void
destroy(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;

    hv_domain_destroy(domain, &error);
    g_assert_no_error(error);
}

/* ---- what is locked ---- */

static void
test_none(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain)
        domain = define(f, DISK("/a", "xvda", "") "<lease><lockspace>l</lockspace><key>k</key>"
                                                  "<target path='/t'/></lease>");
    g_autofree char *log = NULL;

    start(domain);
    assert_asked("");
    log = read_file(f, "/var/log/libvirt/libxl/one.log");
    g_assert_nonnull(strstr(log, "its <lease> has no effect: no lock_manager is configured"));
}

static void
test_unknown(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, "");

    assert_refused(domain, "lock_manager = \"sanlock\" is asked for, which xlvirt does not have: "
                           "domains start with \"lockd\", or without locks, by \"nop\", only");
    assert_asked("");
    g_assert_cmpuint(fake_running(), ==, 0);
}

static void
test_nobody(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = NULL;

    settings.ask = NULL;
    restart(f);
    domain = define(f, "");
    assert_refused(domain, "lock_manager = \"lockd\" is asked for, which nobody here can ask");
}

static void
test_life(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", "") DISK("/b", "xvdb", "<shareable/>")
                                               DISK("/c", "xvdc", "<readonly/>"));

    start(domain);
    assert_asked("+/a +/bs");
    g_assert_true(has_record(f, domain));
    hv_domain_suspend(domain, NULL);
    hv_domain_resume(domain, NULL);
    assert_asked("");
    destroy(domain);
    assert_asked("-/a -/bs");
    g_assert_false(has_record(f, domain));
    start(domain);
    assert_asked("+/a +/bs");
    fake_end_guest(domid_of(domain), 1);
    wait_for_state(domain, HV_STATE_RUNNING);
    while (fake_calls(FAKE_START) < 3)
        g_usleep(1000);
    wait_for_state(domain, HV_STATE_RUNNING);
    destroy(domain);
    assert_asked("-/a -/bs +/a +/bs -/a -/bs");
}

static void
test_folders(Fixture *f, gconstpointer unused)
{
    /* sha256sum knows the first one. */
    g_autoptr(HvDomain) domain = define(
        f, DISK("/a", "xvda", "") "<lease><lockspace>l</lockspace><key>k</key><target path='/t' "
                                  "offset='0'/></lease>");

    start(domain);
    assert_asked("+/t/l:k "
                 "+/locks:"
                 "6a50dc8584134c7de537c0052ff6d236bf874355e050c90523e0c5ff2a543a28");
}

/* LVM is asked, and knows one of the two. */
static void
test_volumes(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain)
        domain = define(f, DISK("/dev/known", "xvda", "") DISK("/dev/other", "xvdb", ""));
    g_autofree char *folder = g_dir_make_tmp("lvsXXXXXX", NULL);
    g_autofree char *lvs = g_build_filename(folder, "lvs", NULL);
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    g_autofree char *path = g_strconcat(folder, ":", before, NULL);

    g_assert_true(g_file_set_contents(
        lvs, "#!/bin/sh\nfor i; do :; done\n[ $i = /dev/known ] && echo '  Abc-1  '\n", -1, NULL));
    g_assert_cmpint(g_chmod(lvs, 0755), ==, 0);
    g_setenv("PATH", path, TRUE);
    start(domain);
    g_setenv("PATH", before, TRUE);
    assert_asked("+/vg:Abc-1 "
                 "+/locks:131ca7c12889adf6947feff7703bb8915b3c5bff86efa1e444cf60c57ad0bd10");
    g_assert_cmpint(g_unlink(lvs), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* ---- failures ---- */

static void
test_refused(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", "") DISK("/b", "xvdb", ""));

    set_manager("taken", NULL, FALSE);
    assert_refused(domain, "taken");
    /* What it has come to nobody says: all of it is given back. */
    assert_asked("+/a +/b -/a -/b");
    g_assert_false(has_record(f, domain));
    g_assert_cmpuint(fake_calls(FAKE_START), ==, 0);
}

static void
test_failed_start(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));

    fake_set_failure(FAKE_START, "no luck");
    assert_refused(domain, "no luck");
    assert_asked("+/a -/a");
    g_assert_false(has_record(f, domain));
}

/* What cannot be given back is when it is started again, or the daemon is. */
static void
test_kept(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));
    g_autoptr(HvDomain) again = NULL;

    start(domain);
    set_manager(NULL, "deaf", FALSE);
    destroy(domain);
    g_assert_cmpuint(log_count("keeps its locks until it is started again"), ==, 1);
    g_assert_true(has_record(f, domain));
    assert_asked("+/a -/a");
    assert_refused(domain, "deaf");
    assert_asked("-/a");
    set_manager(NULL, NULL, FALSE);
    start(domain);
    assert_asked("-/a +/a");
    set_manager(NULL, "deaf", FALSE);
    destroy(domain);
    assert_asked("-/a");
    g_clear_pointer(&domain, hv_domain_unref);
    set_manager(NULL, NULL, FALSE);
    restart(f);
    wait_settled(f);
    assert_asked("-/a");
    again = find(f);
    g_assert_false(has_record(f, again));
    log_count("");
}

static void
test_no_record(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));
    g_autofree char *path = record_of(domain);
    g_autofree char *full = path_of(f, path);
    g_autoptr(GError) error = NULL;

    /* A file cannot get the name of a folder. */
    g_assert_cmpint(g_mkdir(full, 0700), ==, 0);
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_nonnull(strstr(error->message, "is no regular file"));
    assert_asked("");
    g_rmdir(full);
    log_count("");
    /* One that says nothing is as good as none, and is written over. */
    write_file(f, path, "nonsense");
    start(domain);
    g_assert_cmpuint(log_count("is not known"), ==, 1);
    assert_asked("+/a");
}

/* ---- daemons that come back ---- */

static void
test_runs_on(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));

    start(domain);
    assert_asked("+/a");
    g_clear_pointer(&domain, hv_domain_unref);
    restart(f);
    wait_settled(f);
    assert_asked("=/a");
    domain = find(f);
    fake_take_away(domid_of(domain));
    wait_for_state(domain, HV_STATE_SHUTOFF);
    assert_asked("-/a");
}

static void
test_gone(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));
    g_autofree char *path = record_of(domain);

    start(domain);
    fixture_stop_host(f);
    fake_reset();
    g_clear_pointer(&domain, hv_domain_unref);
    /* Of one that nobody knows any more, too. */
    write_file(f, "/run/libvirt/libxl/99999999-0000-4000-8000-000000000001.leases",
               "[lease 0]\nlockspace=/l\nresource=k\nshared=true\n");
    fixture_start_host(f, 0, TRUE);
    wait_settled(f);
    g_mutex_lock(&manager.lock);
    g_assert_nonnull(strstr(manager.said->str, "-/a"));
    g_assert_nonnull(strstr(manager.said->str, "-/l:ks"));
    g_mutex_unlock(&manager.lock);
    g_assert_false(file_exists(f, path));
    g_assert_false(
        file_exists(f, "/run/libvirt/libxl/99999999-0000-4000-8000-000000000001.leases"));
}

/* It was started without a lock manager, or by somebody else. */
static void
test_inherited(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = NULL;

    settings.manager = "nop";
    restart(f);
    domain = define(f, DISK("/a", "xvda", ""));
    start(domain);
    assert_asked("");
    g_clear_pointer(&domain, hv_domain_unref);
    settings.manager = "lockd";
    restart(f);
    wait_settled(f);
    assert_asked("=/ai");
    domain = find(f);
    /* Whatever the configuration says by then. */
    g_clear_pointer(&domain, hv_domain_unref);
    settings.manager = "nop";
    restart(f);
    wait_settled(f);
    domain = find(f);
    destroy(domain);
    assert_asked("-/ai");
}

/* ---- a lock manager that hangs ---- */

static gpointer
start_thread(gpointer data)
{
    GError *error = NULL;

    hv_domain_start(data, 0, &error);
    return error;
}

static void
test_hangs(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, DISK("/a", "xvda", ""));
    g_autoptr(HvDomain) other = define_domain(f, "two", 2);
    g_autoptr(GError) failed = NULL;
    GThread *thread;

    set_manager(NULL, NULL, TRUE);
    thread = g_thread_new("start", start_thread, domain);
    g_mutex_lock(&manager.lock);
    while (!manager.inside)
        g_cond_wait(&manager.changed, &manager.lock);
    g_mutex_unlock(&manager.lock);
    /* Nobody else waits. */
    start(other);
    destroy(domain);
    failed = g_thread_join(thread);
    g_assert_error(failed, HV_ERROR, HV_ERROR_CANCELLED);
    set_manager(NULL, NULL, FALSE);
    wait_settled(f);
    g_assert_false(has_record(f, domain));
    assert_asked("+/a -/a");
}

int
main(int argc, char **argv)
{
    static const HvLockConfig nop = { .manager = "nop" }, sanlock = { .manager = "sanlock" },
                              plain = { .manager = "lockd" },
                              folders = { .manager = "lockd", .file_dir = "/locks" },
                              volumes = { .manager = "lockd",
                                          .file_dir = "/locks",
                                          .lvm_dir = "/vg" };
    static const struct {
        const char *path;
        const HvLockConfig *config;
        void (*func)(Fixture *f, gconstpointer unused);
    } tests[] = {
        { "/hv/lock/none", &nop, test_none },
        { "/hv/lock/unknown", &sanlock, test_unknown },
        { "/hv/lock/nobody", &plain, test_nobody },
        { "/hv/lock/life", &plain, test_life },
        { "/hv/lock/folders", &folders, test_folders },
        { "/hv/lock/volumes", &volumes, test_volumes },
        { "/hv/lock/refused", &plain, test_refused },
        { "/hv/lock/failed-start", &plain, test_failed_start },
        { "/hv/lock/kept", &plain, test_kept },
        { "/hv/lock/no-record", &plain, test_no_record },
        { "/hv/lock/runs-on", &plain, test_runs_on },
        { "/hv/lock/gone", &plain, test_gone },
        { "/hv/lock/inherited", &plain, test_inherited },
        { "/hv/lock/hangs", &plain, test_hangs },
    };

    fake_init(&argc, &argv);
    manager.said = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, tests[i].config, setup, tests[i].func, teardown);
    return g_test_run();
}
