/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on disk, and what a daemon that comes back makes of it. */
#include "fake-engine.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG "/etc/libvirt/libxl/"
#define STATE  "/run/libvirt/libxl/"
#define SAVE   "/var/lib/libvirt/libxl/save/"
#define DUMP   "/var/lib/libvirt/libxl/dump/"

static void
restart(Fixture *f)
{
    fixture_stop_host(f);
    g_ptr_array_set_size(f->log, 0);
    fixture_start_host(f, 0, TRUE);
}

static HvDomain *
find(Fixture *f, const char *name)
{
    g_autoptr(GError) error = NULL;
    HvDomain *domain = hv_host_lookup_name(f->host, name, &error);

    g_assert_no_error(error);
    return domain;
}

static guint
mode_of(Fixture *f, const char *absolute)
{
    g_autofree char *path = path_of(f, absolute);
    struct stat st;

    g_assert_cmpint(g_lstat(path, &st), ==, 0);
    return st.st_mode & 07777;
}

static void
test_layout(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = read_file(f, CONFIG "one.xml");
    g_autofree char *link = path_of(f, CONFIG "autostart/one.xml");
    g_autofree char *status = NULL;
    struct stat there, linked;
    g_autofree char *config = path_of(f, CONFIG "one.xml");

    g_assert_true(g_str_has_prefix(text, "<!--\n"));
    g_assert_nonnull(strstr(text, "  virsh edit one\n"));
    g_assert_nonnull(strstr(text, "\n<domain type='xen'>\n"));
    g_assert_cmpuint(mode_of(f, CONFIG "one.xml"), ==, 0600);
    g_assert_cmpuint(mode_of(f, CONFIG), ==, 0700);
    g_assert_cmpuint(mode_of(f, STATE), ==, 0700);
    g_assert_cmpuint(mode_of(f, SAVE), ==, 0700);
    g_assert_cmpuint(mode_of(f, "/var/log/libvirt/libxl"), ==, 0700);
    /* Sockets for everybody lie here. */
    g_assert_cmpuint(mode_of(f, "/run/libvirt") & 0055, ==, 0055 & ~022);

    g_assert_true(hv_domain_set_autostart(domain, TRUE, &error));
    g_assert_cmpint(g_stat(link, &linked), ==, 0);
    g_assert_cmpint(g_stat(config, &there), ==, 0);
    g_assert_true(there.st_ino == linked.st_ino);
    g_assert_true(hv_domain_set_autostart(domain, FALSE, &error));
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    g_assert_true(hv_domain_set_autostart(domain, TRUE, &error));

    g_assert_true(hv_domain_start(domain, 0, &error));
    status = read_file(f, STATE "one.xml");
    g_assert_true(g_str_has_prefix(status, "<domstatus state='running' reason='booted' pid='"));
    g_assert_nonnull(strstr(status, "<domain type='xen' id='1'>"));
    g_assert_cmpuint(mode_of(f, STATE "one.xml"), ==, 0600);

    g_assert_true(hv_domain_undefine(domain, 0, &error));
    g_assert_false(g_file_test(config, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
}

/* A name that cannot stand in a comment or in a shell. */
static void
test_odd_names(Fixture *f, gconstpointer unused)
{
    static const char *const names[] = { "a--b",       "-->",      "...",     "$(x)",
                                         "with space", ".xlvirt-", "\xc3\xa4" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *escaped = g_markup_escape_text(names[i], -1);
        g_autoptr(HvDomain) domain = define_domain(f, escaped, i + 1);

        g_assert_cmpstr(domain->name, ==, names[i]);
    }
    restart(f);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        hv_domain_unref(find(f, names[i]));
    g_assert_cmpuint(log_count("left out"), ==, 0);
}

static void
test_comes_back(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(HvView) view = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_set_autostart(domain, TRUE, &error));
    g_assert_true(
        hv_domain_set_metadata(domain, HV_METADATA_TITLE, "The one", NULL, NULL, 0, &error));
    restart(f);
    again = find(f, "one");
    g_assert_true(again != domain);
    view = hv_domain_view(again);
    g_assert_true(view->autostart);
    g_assert_cmpstr(view->persistent->title, ==, "The one");
    g_assert_cmpint(view->state, ==, HV_STATE_SHUTOFF);
}

static void
test_unreadable(Fixture *f, gconstpointer unused)
{
    g_autofree char *wrong_name = domain_xml("other", 7);
    g_autofree char *twin = domain_xml("twin", 1);
    g_autofree char *text = NULL;
    g_autoptr(HvDomain) domain G_GNUC_UNUSED = define_domain(f, "one", 1);
    g_autoptr(GPtrArray) all = NULL;

    write_file(f, CONFIG "broken.xml", "<domain type='xen'><name>broken");
    write_file(f, CONFIG "empty.xml", "");
    write_file(f, CONFIG "wrong.xml", wrong_name);
    write_file(f, CONFIG "twin.xml", twin); /* the uuid of "one" */
    write_file(f, CONFIG "notes.txt", "mine");
    write_file(f, STATE "broken.xml", "<domstatus");
    restart(f);
    g_assert_cmpuint(log_count("stays as it is"), ==, 5);
    all = hv_host_list(f->host);
    g_assert_cmpuint(all->len, ==, 1);
    text = read_file(f, CONFIG "broken.xml");
    g_assert_cmpstr(text, ==, "<domain type='xen'><name>broken");
    g_assert_true(file_exists(f, CONFIG "empty.xml"));
    g_assert_true(file_exists(f, CONFIG "wrong.xml"));
    g_assert_true(file_exists(f, CONFIG "twin.xml"));
    g_assert_true(file_exists(f, CONFIG "notes.txt"));
    g_assert_true(file_exists(f, STATE "broken.xml"));
    /* The name is free, and what stood there is not overwritten, not even the second time. */
    hv_domain_unref(define_domain(f, "broken", 9));
    g_clear_pointer(&text, g_free);
    text = read_file(f, CONFIG "broken.xml.unreadable");
    g_assert_cmpstr(text, ==, "<domain type='xen'><name>broken");
    hv_domain_unref(define_domain(f, "broken", 9)); /* a redefinition overwrites its own */
    g_assert_false(file_exists(f, CONFIG "broken.xml.unreadable-2"));
    write_file(f, CONFIG "broken.xml", "worse");
    restart(f);
    hv_domain_unref(define_domain(f, "broken", 9));
    g_assert_true(file_exists(f, CONFIG "broken.xml.unreadable-2"));
}

static void
test_sweep(Fixture *f, gconstpointer unused)
{
    write_file(f, CONFIG ".xlvirt-abc123.tmp", "half");
    write_file(f, SAVE ".xlvirt-abc123.tmp", "half");
    write_file(f, STATE ".xlvirt-abc123.tmp", "half");
    write_file(f, DUMP ".xlvirt-abc123.tmp", "half");
    write_file(f, CONFIG ".xlvirt-abc123.tmp.xml~", "mine");
    write_file(f, SAVE "kept.tmp", "mine");
    restart(f);
    g_assert_false(file_exists(f, CONFIG ".xlvirt-abc123.tmp"));
    g_assert_false(file_exists(f, SAVE ".xlvirt-abc123.tmp"));
    g_assert_false(file_exists(f, STATE ".xlvirt-abc123.tmp"));
    g_assert_false(file_exists(f, DUMP ".xlvirt-abc123.tmp"));
    g_assert_true(file_exists(f, CONFIG ".xlvirt-abc123.tmp.xml~"));
    g_assert_true(file_exists(f, SAVE "kept.tmp"));
}

/* A write that cannot be done leaves what was there. */
static void
test_failed_write(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autofree char *before = read_file(f, CONFIG "one.xml");
    g_autofree char *folder = path_of(f, CONFIG);
    g_autofree char *aside = path_of(f, "/etc/libvirt/aside");
    g_autofree char *after = NULL;
    g_autoptr(HvView) view = hv_domain_view(domain);
    g_autoptr(HvView) same = NULL;
    g_autoptr(GError) error = NULL;
    ConfDomain *def = domain_def("one", 1);

    def->vcpus_max = 4;
    g_assert_cmpint(g_rename(folder, aside), ==, 0);
    g_assert_null(hv_host_define(f->host, def, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "one.xml"));
    g_assert_cmpint(g_rename(aside, folder), ==, 0);
    after = read_file(f, CONFIG "one.xml");
    g_assert_cmpstr(before, ==, after);
    same = hv_domain_view(domain);
    g_assert_true(same == view);
}

static void
test_running_found_again(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) transient = create_domain(f, "two", 2);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(HvDomain) two = NULL;
    g_autoptr(HvView) before = NULL;
    g_autoptr(HvView) after = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_true(hv_domain_set_memory(domain, 262144, HV_AFFECT_LIVE, &error));
    g_assert_true(hv_domain_suspend(transient, &error));
    before = hv_domain_view(domain);
    restart(f);
    again = find(f, "one");
    after = hv_domain_view(again);
    g_assert_cmpint(after->domid, ==, before->domid);
    g_assert_cmpint(after->state, ==, HV_STATE_RUNNING);
    g_assert_cmpint(after->reason, ==, HV_REASON_RUNNING_BOOTED);
    g_assert_cmpint(after->started_us, ==, before->started_us);
    g_assert_cmpuint(after->live->cur_memory_kib, ==, 262144);
    two = find(f, "two");
    g_assert_cmpint(reason_of(two), ==, HV_REASON_PAUSED_USER);
    /* Known again, so its end is news. */
    fake_end_guest(after->domid, 0);
    assert_events(f, "one:stopped:shutdown");
    g_assert_true(hv_domain_destroy(two, &error));
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
}

/* Things that happened while nobody looked. */
static void
test_gone_meanwhile(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) transient = create_domain(f, "two", 2);
    g_autoptr(HvDomain) off = define_domain(f, "three", 3);
    g_autoptr(HvDomain) one = NULL;
    g_autoptr(HvDomain) three = NULL;
    g_autoptr(GError) error = NULL;
    int three_id;

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_true(hv_domain_start(off, 0, &error));
    three_id = domid_of(off);
    fixture_stop_host(f);
    fake_take_away(domid_of(domain));
    fake_take_away(domid_of(transient));
    fake_end_guest(three_id, 0); /* powered off, waits to be destroyed */
    g_ptr_array_set_size(f->log, 0);
    fixture_start_host(f, 0, TRUE);
    one = find(f, "one");
    g_assert_cmpint(state_of(one), ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(reason_of(one), ==, HV_REASON_SHUTOFF_DAEMON);
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
    g_assert_false(file_exists(f, STATE "one.xml"));
    g_assert_false(file_exists(f, STATE "two.xml"));
    assert_events(f, "three:stopped:shutdown");
    three = find(f, "three");
    g_assert_cmpint(reason_of(three), ==, HV_REASON_SHUTOFF_SHUTDOWN);
    g_assert_cmpuint(fake_running(), ==, 0);
}

/* Killed between the engine's start and the state file; and domains that nobody knows. */
static void
test_adopt(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(HvDomain) foreign = NULL;
    g_autoptr(HvView) view = NULL;
    g_autofree char *state = path_of(f, STATE "one.xml");
    g_autofree char *xml = domain_xml("foreign", 9);
    g_autofree char *clash = domain_xml("one", 8);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    fixture_stop_host(f);
    g_assert_cmpint(g_unlink(state), ==, 0);
    fake_start_foreign(xml, FALSE);
    fake_start_foreign(clash, FALSE); /* our name, another uuid */
    g_ptr_array_set_size(f->log, 0);
    fixture_start_host(f, 0, TRUE);
    again = find(f, "one");
    view = hv_domain_view(again);
    g_assert_cmpint(view->state, ==, HV_STATE_RUNNING);
    g_assert_nonnull(view->persistent);
    g_assert_true(file_exists(f, STATE "one.xml"));
    foreign = find(f, "foreign");
    g_assert_cmpint(state_of(foreign), ==, HV_STATE_RUNNING);
    g_assert_cmpuint(log_count("is left alone: domain 'one' already exists"), ==, 1);
}

/* Killed in the middle of a save: before and after the image got its name. */
static void
test_cut_off_save(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) before = define_domain(f, "before", 1);
    g_autoptr(HvDomain) after = define_domain(f, "after", 2);
    g_autoptr(HvDomain) stale = define_domain(f, "stale", 3);
    g_autoptr(HvDomain) one = NULL;
    g_autoptr(HvDomain) two = NULL;
    g_autoptr(HvDomain) three = NULL;
    g_autoptr(HvView) view = NULL;

    g_assert_true(hv_domain_start(before, 0, NULL));
    g_assert_true(hv_domain_start(after, 0, NULL));
    g_assert_true(hv_domain_start(stale, 0, NULL));
    fake_set_suspended(domid_of(before));
    fake_set_suspended(domid_of(after));
    write_file(f, SAVE "after.save", "complete");
    write_file(f, SAVE "stale.save", "of an earlier life");
    restart(f);
    one = find(f, "before");
    g_assert_cmpint(state_of(one), ==, HV_STATE_RUNNING);
    g_assert_cmpuint(fake_calls(FAKE_RESUME_SAVED), ==, 1);
    two = find(f, "after");
    g_assert_cmpint(reason_of(two), ==, HV_REASON_SHUTOFF_SAVED);
    view = hv_domain_view(two);
    g_assert_true(view->managed_save);
    g_assert_cmpuint(fake_running(), ==, 2);
    three = find(f, "stale");
    g_clear_pointer(&view, hv_view_unref);
    view = hv_domain_view(three);
    g_assert_false(view->managed_save);
    g_assert_true(file_exists(f, SAVE "stale.save.stale"));
}

/* In place of GLib's: there may be no thread for a reboot. Without those of the host's own it would
 * not start. */
static gint no_threads;

GThread *
g_thread_try_new(const char *name, GThreadFunc func, gpointer data, GError **error)
{
    if (!g_atomic_int_get(&no_threads) || g_strcmp0(name, "hv-reboot") != 0)
        return g_thread_new(name, func, data);
    g_set_error_literal(error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN, "no more threads");
    return NULL;
}

/* The reboot goes on all the same. */
static void
test_no_threads(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) later = NULL;
    g_autoptr(HvView) view = NULL;
    int domid;

    g_assert_true(hv_domain_start(domain, 0, NULL));
    domid = domid_of(domain);
    view = hv_domain_view(domain);
    g_assert_true(hv_store_write_rebooting(f->host->store, view, NULL));
    fixture_stop_host(f);
    fake_take_away(domid);
    g_atomic_int_set(&no_threads, TRUE);
    fixture_start_host(f, 0, TRUE);
    g_atomic_int_set(&no_threads, FALSE);
    later = find(f, "one");
    g_assert_cmpint(state_of(later), ==, HV_STATE_RUNNING);
}

/* What a start left that was cut off, beside what is older and what was being written. */
static void
test_used_image(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain G_GNUC_UNUSED = define_domain(f, "one", 1);
    g_autoptr(HvDomain) later = NULL;
    g_autoptr(HvView) view = NULL;
    g_autofree char *text = NULL;

    write_file(f, SAVE "one.save.used", "used");
    write_file(f, SAVE "one.save.stale", "older");
    write_file(f, SAVE ".xlvirt-abcdef.tmp", "half");
    log_count("");
    restart(f);
    later = find(f, "one");
    view = hv_domain_view(later);
    g_assert_false(view->managed_save);
    g_assert_false(file_exists(f, SAVE "one.save.used"));
    g_assert_false(file_exists(f, SAVE ".xlvirt-abcdef.tmp"));
    text = read_file(f, SAVE "one.save.stale-2");
    g_assert_cmpstr(text, ==, "used");
    g_assert_cmpuint(log_count("was being started from when the daemon ended"), ==, 1);
    g_free(text);
    text = read_file(f, SAVE "one.save.stale");
    g_assert_cmpstr(text, ==, "older");
}

/* Its guest ran beside the image, and ended before the daemon came back. */
static void
test_image_of_ended(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) later = NULL;
    g_autoptr(HvView) view = NULL;
    int domid;

    g_assert_true(hv_domain_start(domain, 0, NULL));
    domid = domid_of(domain);
    fixture_stop_host(f);
    write_file(f, SAVE "one.save", "of an earlier life");
    fake_end_guest(domid, 0);
    fixture_start_host(f, 30000, TRUE);
    later = find(f, "one");
    wait_for_state(later, HV_STATE_SHUTOFF);
    view = hv_domain_view(later);
    g_assert_false(view->managed_save);
    g_assert_true(file_exists(f, SAVE "one.save.stale"));
}

static void
wait_for_running(guint n)
{
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (fake_running() < n && g_get_monotonic_time() < deadline)
        g_usleep(1000);
    g_assert_cmpuint(fake_running(), ==, n);
}

static void
test_autostart(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HvDomain) stopped = NULL;

    for (guint i = 0; i < 10; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);
        g_autoptr(HvDomain) domain = define_domain(f, name, i + 1);

        if (i % 2 == 0)
            g_assert_true(hv_domain_set_autostart(domain, TRUE, &error));
    }
    g_assert_cmpuint(fake_running(), ==, 0);
    fixture_stop_host(f);
    g_assert_false(file_exists(f, STATE "autostarted"));
    fixture_start_host(f, 0, FALSE);
    wait_for_running(5);
    g_assert_true(file_exists(f, STATE "autostarted"));
    stopped = find(f, "d0");
    wait_for_state(stopped, HV_STATE_RUNNING);
    g_assert_true(hv_domain_destroy(stopped, &error));
    g_assert_no_error(error);
    /* Another daemon in the same boot of the host: what was stopped stays stopped. */
    fixture_stop_host(f);
    fixture_start_host(f, 0, FALSE);
    g_usleep(100000);
    g_assert_cmpuint(fake_running(), ==, 4);
}

/* As after a power cut: nothing runs, and what lies in /run is gone. */
static void
reboot_host(Fixture *f)
{
    g_autofree char *mark = path_of(f, STATE "autostarted");

    fixture_stop_host(f);
    fake_reset();
    g_unlink(mark);
    fixture_start_host(f, 0, FALSE);
}

static gboolean
has_once(Fixture *f, const char *name)
{
    g_autofree char *link = g_strconcat(CONFIG "autostart/", name, ".xml.once", NULL);
    g_autofree char *path = path_of(f, link);
    g_autoptr(HvDomain) domain = find(f, name);
    g_autoptr(HvView) view = hv_domain_view(domain);

    g_assert_cmpint(view->autostart_once, ==, g_file_test(path, G_FILE_TEST_IS_SYMLINK));
    return view->autostart_once;
}

static void
assert_running(Fixture *f, const char *name)
{
    g_autoptr(HvDomain) domain = find(f, name);

    wait_for_state(domain, HV_STATE_RUNNING);
    g_assert_false(has_once(f, name));
}

static void
set_once(Fixture *f, const char *name)
{
    g_autoptr(HvDomain) domain = find(f, name);
    g_autoptr(GError) error = NULL;

    hv_domain_set_autostart_once(domain, TRUE, &error);
    g_assert_no_error(error);
    g_assert_true(has_once(f, name));
}

static void
test_autostart_once(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) once = define_domain(f, "once", 1);
    g_autoptr(HvDomain) both = define_domain(f, "both", 2);
    g_autoptr(GError) error = NULL;

    set_once(f, "once");
    set_once(f, "both");
    g_assert_true(hv_domain_set_autostart(both, TRUE, &error));
    g_assert_true(hv_domain_rename(once, "one", &error));
    g_assert_no_error(error);
    /* A daemon that comes back keeps the marks, and those that may not be used, too. */
    restart(f);
    g_assert_cmpuint(fake_running(), ==, 0);
    g_assert_true(has_once(f, "one"));
    g_assert_true(has_once(f, "both"));
    reboot_host(f);
    assert_running(f, "one");
    assert_running(f, "both");
    /* Set again in this boot: for the next one. */
    set_once(f, "one");
    fixture_stop_host(f);
    fixture_start_host(f, 0, FALSE);
    g_assert_true(has_once(f, "one"));
    reboot_host(f);
    assert_running(f, "one");
    assert_running(f, "both");
    /* And it was for one boot. */
    reboot_host(f);
    assert_running(f, "both");
    g_assert_cmpuint(fake_running(), ==, 1);
}

static void
test_autostart_once_refused(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) again = NULL;
    g_autofree char *folder = path_of(f, CONFIG "autostart");
    g_autoptr(GError) error = NULL;

    set_once(f, "one");
    g_assert_true(hv_domain_set_autostart_once(domain, FALSE, &error));
    g_assert_false(has_once(f, "one"));
    set_once(f, "one");
    /* The next domain of the name has nothing of it. */
    g_assert_true(hv_domain_undefine(domain, 0, &error));
    again = define_domain(f, "one", 1);
    g_assert_false(has_once(f, "one"));
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_false(hv_domain_set_autostart_once(again, TRUE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_clear_error(&error);
    g_assert_false(has_once(f, "one"));
    /* One that runs has no definition left to be started from. */
    g_assert_true(hv_domain_start(again, 0, &error));
    g_assert_true(hv_domain_undefine(again, 0, &error));
    g_assert_false(hv_domain_set_autostart_once(again, TRUE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_assert_cmpstr(error->message, ==, "cannot set autostart for transient domain");
}

/* A host cannot come up without its hypervisor. */
static void
test_engine_silent(Fixture *f, gconstpointer unused)
{
    HvConfig config = { .root = f->root, .no_autostart = TRUE };
    g_autoptr(HvHost) host = NULL;
    g_autoptr(GError) error = NULL;

    hv_domain_unref(define_domain(f, "one", 1));
    fixture_stop_host(f);
    fake_set_failure(FAKE_LIST, "no answer");
    host = hv_host_new_with_engine(&config, &fake_engine_ops, &error);
    g_assert_no_error(error);
    g_assert_false(hv_host_start(host, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    hv_host_stop(host);
}

/* ---- kill -9 ---- */

/* Another process: defines one domain after the other and says so once libhv has. */
static int
define_for_ever(const char *root)
{
    HvConfig config = { .root = root, .no_autostart = TRUE };
    HvHost *host;

    fake_reset();
    host = hv_host_new_with_engine(&config, &fake_engine_ops, NULL);
    if (!host || !hv_host_start(host, NULL))
        return 1;
    for (guint i = 1; i < 100000; i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);
        HvDomain *domain = hv_host_define(host, domain_def(name, i), NULL);

        if (!domain || !hv_domain_set_autostart(domain, i % 2 == 0, NULL))
            return 1;
        hv_domain_unref(domain);
        g_print("%s\n", name);
    }
    return 0;
}

/* Runs it for a moment and kills it. Returns what it said. */
static char *
run_and_kill(const char *root, guint ms)
{
    const char *argv[] = { "/proc/self/exe", "--define-for-ever", root, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) said = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;
    GPid pid;
    int out;

    g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                             NULL, &out, NULL, &error);
    g_assert_no_error(error);
    n = read(out, buffer, sizeof(buffer)); /* it is at work */
    g_assert_cmpint(n, >, 0);
    g_string_append_len(said, buffer, n);
    g_usleep(ms * 1000);
    kill(pid, SIGKILL);
    while ((n = read(out, buffer, sizeof(buffer))) > 0)
        g_string_append_len(said, buffer, n);
    close(out);
    waitpid(pid, NULL, 0);
    return g_string_free(g_steal_pointer(&said), FALSE);
}

static void
test_killed(Fixture *f, gconstpointer unused)
{
    for (guint round = 0; round < 5; round++) {
        g_autofree char *said = NULL;
        g_auto(GStrv) names = NULL;

        fixture_stop_host(f);
        said = run_and_kill(f->root, 7 + 13 * round);
        fixture_start_host(f, 0, TRUE);
        names = g_strsplit(said, "\n", -1);
        g_assert_nonnull(names[0]);
        /* The last piece has no line end: it was not said. */
        for (guint i = 0; names[i] && names[i + 1]; i++) {
            g_autoptr(HvDomain) domain = find(f, names[i]);
            g_autoptr(HvView) view = hv_domain_view(domain);

            g_assert_cmpint(view->autostart, ==, (i + 1) % 2 == 0);
        }
        g_assert_cmpuint(log_count("left out"), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 3 && g_str_equal(argv[1], "--define-for-ever"))
        return define_for_ever(argv[2]);
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/store/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("layout", test_layout);
    TEST("odd-names", test_odd_names);
    TEST("comes-back", test_comes_back);
    TEST("unreadable", test_unreadable);
    TEST("sweep", test_sweep);
    TEST("failed-write", test_failed_write);
    TEST("running-found-again", test_running_found_again);
    TEST("gone-meanwhile", test_gone_meanwhile);
    TEST("adopt", test_adopt);
    TEST("cut-off-save", test_cut_off_save);
    TEST("no-threads", test_no_threads);
    TEST("used-image", test_used_image);
    TEST("image-of-ended", test_image_of_ended);
    TEST("autostart", test_autostart);
    TEST("autostart-once", test_autostart_once);
    TEST("autostart-once-refused", test_autostart_once_refused);
    TEST("killed", test_killed);
    TEST("engine-silent", test_engine_silent);
    return g_test_run();
}
