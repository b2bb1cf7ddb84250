/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices, dumps and names where something goes wrong in the middle, or somebody comes in between.
 */
#include "fake-engine.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ---- an engine with these hooks, too ---- */

static struct {
    GMutex lock;
    GCond changed;
    gboolean hang, inside;                   /* [lock] of whatever hook is called */
    HvError fail;                            /* [lock] -1: no */
    guint n_attached, n_detached, n_renamed; /* [lock] */
    guint n_given_back;                      /* [lock] PCI devices */
    char *name;                              /* [lock] what the last rename was to */
} turns;

static gboolean
turn(guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&turns.lock);

    (*count)++;
    turns.inside = TRUE;
    g_cond_broadcast(&turns.changed);
    while (turns.hang)
        g_cond_wait(&turns.changed, &turns.lock);
    turns.inside = FALSE;
    if ((int)turns.fail < 0)
        return TRUE;
    g_set_error(error, HV_ERROR, turns.fail, "no");
    return FALSE;
}

static gboolean
hook_attach(HvEngine *engine, int domid, const ConfDomain *live, ConfAnyDevice *device,
            GError **error)
{
    return turn(&turns.n_attached, error);
}

static gboolean
hook_detach(HvEngine *engine, int domid, const ConfDomain *live, const ConfAnyDevice *device,
            GError **error)
{
    return turn(&turns.n_detached, error);
}

static gboolean
hook_rename(HvEngine *engine, int domid, const char *before, const char *after, GError **error)
{
    g_mutex_lock(&turns.lock);
    g_free(turns.name);
    turns.name = g_strdup(after);
    g_mutex_unlock(&turns.lock);
    return turn(&turns.n_renamed, error);
}

static gboolean
hook_core_dump(HvEngine *engine, int domid, const char *path, GCancellable *cancellable,
               HvEngineProgress progress, gpointer data, GError **error)
{
    guint unused = 0;

    g_assert_cmpint(access(path, W_OK), ==, 0);
    return turn(&unused, error) && g_file_set_contents(path, "core", 4, error);
}

static void
set_hang(gboolean hang)
{
    g_mutex_lock(&turns.lock);
    turns.hang = hang;
    g_cond_broadcast(&turns.changed);
    g_mutex_unlock(&turns.lock);
}

static void
wait_inside(void)
{
    g_mutex_lock(&turns.lock);
    while (!turns.inside)
        g_cond_wait(&turns.changed, &turns.lock);
    g_mutex_unlock(&turns.lock);
}

/* The domain is ended while `change` hangs in the engine; what came of that. */
static GError *
destroy_during(HvDomain *domain, GThreadFunc change)
{
    g_autoptr(GError) error = NULL;
    GThread *thread;

    set_hang(TRUE);
    thread = g_thread_new("change", change, domain);
    wait_inside();
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_no_error(error);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_DESTROYED);
    set_hang(FALSE);
    return g_thread_join(thread);
}

static char *
hook_name_of(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&turns.lock);

    return g_strdup(turns.name);
}

static gboolean
hook_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    g_assert_cmpuint(address->bus, ==, 3);
    return turn(&turns.n_given_back, error);
}

/* A guest may write anything. */
static GPtrArray *
hook_guest_addresses(HvEngine *engine, int domid, const ConfInterface *iface, GError **error)
{
    static const char *const words[] = { "10.0.0.9", "",        "no address", "10.0.0.9.1",
                                         "fd00::9",  "fd00::x", "::1%lo" };
    GPtrArray *all;
    guint unused = 0;

    if (!turn(&unused, error))
        return NULL;
    all = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; g_str_equal(iface->mac, "00:16:3e:00:00:01") && i < G_N_ELEMENTS(words); i++)
        g_ptr_array_add(all, g_strdup(words[i]));
    return all;
}

static HvEngineOps with_turns;

static void
setup(Fixture *f, gconstpointer unused)
{
    with_turns = fake_engine_ops;
    with_turns.attach_device = hook_attach;
    with_turns.detach_device = hook_detach;
    with_turns.rename = hook_rename;
    with_turns.name_of = hook_name_of;
    with_turns.pci_attach = hook_pci_attach;
    with_turns.core_dump = hook_core_dump;
    with_turns.guest_addresses = hook_guest_addresses;
    fixture_ops = &with_turns;
    turns.fail = (HvError)-1;
    turns.n_attached = turns.n_detached = turns.n_renamed = turns.n_given_back = 0;
    turns.inside = FALSE;
    fixture_setup(f, unused);
}

static void
teardown(Fixture *f, gconstpointer unused)
{
    fixture_teardown(f, unused);
    fixture_ops = &fake_engine_ops;
}

static HvDomain *
running(Fixture *f)
{
    HvDomain *domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_no_error(error);
    clear_events(f);
    return domain;
}

static ConfAnyDevice *
disk(void)
{
    return conf_device_parse_xml("<disk type='file'><source file='/a'/><target dev='xvdq'/></disk>",
                                 -1, "(x)", 0, NULL);
}

/* In the live definition and in the one on disk. */
static void
assert_disk(HvDomain *domain, gboolean live, gboolean config)
{
    g_autoptr(HvView) now = hv_domain_view(domain);

    if (now->live)
        g_assert_cmpint(conf_domain_find_disk(now->live, "xvdq") != NULL, ==, live);
    g_assert_cmpint(conf_domain_find_disk(now->persistent, "xvdq") != NULL, ==, config);
}

/* ---- devices ---- */

static void
test_both(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(GError) error = NULL;

    g_assert_true(
        hv_domain_attach_device(domain, disk(), HV_AFFECT_LIVE | HV_AFFECT_CONFIG, &error));
    g_assert_no_error(error);
    assert_disk(domain, TRUE, TRUE);
    assert_events(f, "one:device-added:");
    turns.fail = HV_ERROR_TIMEOUT;
    g_assert_false(
        hv_domain_detach_device(domain, disk(), HV_AFFECT_LIVE | HV_AFFECT_CONFIG, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_TIMEOUT);
    assert_disk(domain, TRUE, TRUE);
    assert_events(f, "one:device-removal-failed:");
    turns.fail = (HvError)-1;
    g_clear_error(&error);
    g_assert_true(hv_domain_detach_device(domain, disk(), HV_AFFECT_CURRENT, &error));
    assert_disk(domain, FALSE, TRUE);
    /* What the guest lacks by now is not taken away from paper alone. */
    g_assert_false(
        hv_domain_detach_device(domain, disk(), HV_AFFECT_LIVE | HV_AFFECT_CONFIG, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_MISSING);
    assert_disk(domain, FALSE, TRUE);
}

/* The definition cannot be written after the guest has changed. */
static void
test_undone(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autofree char *folder = path_of(f, "/etc/libvirt/libxl");
    g_autofree char *away = g_strconcat(folder, ".away", NULL);
    unsigned both = HV_AFFECT_LIVE | HV_AFFECT_CONFIG;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_rename(folder, away), ==, 0);
    g_assert_false(hv_domain_attach_device(domain, disk(), both, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_cmpuint(turns.n_detached, ==, 1);
    assert_disk(domain, FALSE, FALSE);
    g_assert_cmpint(g_rename(away, folder), ==, 0);
    g_clear_error(&error);
    g_assert_true(hv_domain_attach_device(domain, disk(), both, &error));
    g_assert_cmpint(g_rename(folder, away), ==, 0);
    g_assert_false(hv_domain_detach_device(domain, disk(), both, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_cmpuint(turns.n_attached, ==, 3);
    assert_disk(domain, TRUE, TRUE);
    g_assert_cmpint(g_rename(away, folder), ==, 0);
}

static gpointer
attach_in_thread(gpointer domain)
{
    GError *error = NULL;

    g_assert_false(
        hv_domain_attach_device(domain, disk(), HV_AFFECT_LIVE | HV_AFFECT_CONFIG, &error));
    return error;
}

/* A guest that hangs while it gets a device can still be ended, at once. */
static void
test_overtaken(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(GError) theirs = destroy_during(domain, attach_in_thread);

    g_assert_error(theirs, HV_ERROR, HV_ERROR_CANCELLED);
    assert_disk(domain, FALSE, FALSE);
    assert_events(f, "one:stopped:destroyed");
}

static void
test_unsupported(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(GError) error = NULL;

    with_turns.attach_device = NULL;
    g_assert_false(hv_domain_attach_device(domain, disk(), HV_AFFECT_LIVE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "<disk>"));
    g_clear_error(&error);
    g_assert_false(hv_domain_block_resize(domain, "xvda", 1, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(hv_domain_inject_nmi(domain, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_null(hv_domain_monitor_command(domain, "info", TRUE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
}

/* ---- names ---- */

static gpointer
rename_in_thread(gpointer domain)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_rename(domain, "two", &error));
    g_assert_no_error(error);
    return NULL;
}

/* While it is under way both names are taken; whoever holds the old object is told that it is gone.
 */
static void
test_rename(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(HvDomain) renamed = NULL;
    g_autoptr(GError) error = NULL;
    GThread *thread;
    int fd;

    fd = hv_domain_open_console(domain, NULL, FALSE, &error);
    g_assert_no_error(error);
    set_hang(TRUE);
    thread = g_thread_new("rename", rename_in_thread, domain);
    wait_inside();
    g_assert_null(hv_host_define(f->host, domain_def("two", 2), &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_EXISTS);
    g_clear_error(&error);
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
    set_hang(FALSE);
    g_thread_join(thread);
    g_assert_false(hv_domain_suspend(domain, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_clear_error(&error);
    renamed = hv_host_lookup_name(f->host, "two", &error);
    g_assert_no_error(error);
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    g_assert_true(file_exists(f, "/etc/libvirt/libxl/two.xml"));
    g_assert_true(file_exists(f, "/run/libvirt/libxl/two.xml"));
    g_assert_false(file_exists(f, "/etc/libvirt/libxl/one.xml"));
    g_assert_false(file_exists(f, "/run/libvirt/libxl/one.xml"));
    /* Its console is held as before, and given back by who knows the old object only. */
    g_assert_cmpint(hv_domain_open_console(renamed, NULL, FALSE, &error), ==, -1);
    g_clear_error(&error);
    hv_domain_close_console(domain, fd);
    close(fd);
    fd = hv_domain_open_console(renamed, NULL, FALSE, &error);
    g_assert_no_error(error);
    close(fd);
    g_assert_true(hv_domain_destroy(renamed, &error));
    g_assert_no_error(error);
}

static void
test_rename_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(HvDomain) other = NULL;
    g_autofree char *folder = path_of(f, "/etc/libvirt/libxl");
    g_autofree char *away = g_strconcat(folder, ".away", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_rename(folder, away), ==, 0);
    g_assert_false(hv_domain_rename(domain, "two", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_clear_error(&error);
    g_assert_cmpint(g_rename(away, folder), ==, 0);
    g_assert_cmpuint(turns.n_renamed, ==, 2);
    g_assert_cmpstr(turns.name, ==, "one");
    turns.fail = HV_ERROR_ENGINE;
    g_assert_false(hv_domain_rename(domain, "two", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    /* The name is free again. */
    other = define_domain(f, "two", 2);
    g_assert_nonnull(other);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
}

/* Somebody else gave it a name: one that is free, one that is not, its own. */
static void
test_renamed_outside(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(HvDomain) renamed = NULL;
    g_autoptr(HvDomain) other = define_domain(f, "taken", 3);
    g_autoptr(HvView) view = hv_domain_view(domain);
    int domid = view->domid;

    g_free(turns.name);
    turns.name = g_strdup("two");
    hv_domain_follow_name(domain, domid + 1);
    g_assert_null(hv_host_lookup_name(f->host, "two", NULL));
    hv_domain_follow_name(domain, domid);
    renamed = hv_host_lookup_name(f->host, "two", NULL);
    g_assert_nonnull(renamed);
    g_assert_cmpint(state_of(renamed), ==, HV_STATE_RUNNING);
    g_assert_true(file_exists(f, "/etc/libvirt/libxl/two.xml"));
    g_assert_true(file_exists(f, "/run/libvirt/libxl/two.xml"));
    g_assert_false(file_exists(f, "/etc/libvirt/libxl/one.xml"));
    g_assert_false(file_exists(f, "/run/libvirt/libxl/one.xml"));
    hv_domain_follow_name(renamed, domid);
    g_assert_cmpuint(turns.n_renamed, ==, 0);
    g_free(turns.name);
    turns.name = g_strdup("taken");
    hv_domain_follow_name(renamed, domid);
    g_assert_true(file_exists(f, "/run/libvirt/libxl/two.xml"));
    g_assert_nonnull(other);
}

/* ---- what a guest says about itself ---- */

static void
test_guest_addresses(Fixture *f, gconstpointer unused)
{
    static const char *const macs[] = { "00:16:3e:00:00:01", "00:16:3e:00:00:02" };
    g_autoptr(ConfDomain) def = domain_def("one", 1);
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(GPtrArray) rows = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(macs); i++) {
        g_autofree char *xml = g_strdup_printf("<interface type='bridge'><mac address='%s'/>"
                                               "<source bridge='b'/></interface>",
                                               macs[i]);
        g_autoptr(ConfAnyDevice) nic = conf_device_parse_xml(xml, -1, "test", 0, &error);

        g_assert_no_error(error);
        g_assert_true(conf_domain_insert_device(def, nic, &error));
    }
    domain = hv_host_create(f->host, g_steal_pointer(&def), 0, &error);
    g_assert_no_error(error);
    rows = hv_domain_addresses(domain, HV_ADDRESSES_GUEST, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, 2);
    for (guint i = 0; i < rows->len; i++) {
        const HvAddress *row = rows->pdata[i];

        g_assert_cmpstr(row->mac, ==, macs[0]);
        g_assert_cmpstr(row->ip, ==, i == 0 ? "10.0.0.9" : "fd00::9");
        g_assert_cmpint(row->v6, ==, i == 1);
    }
    turns.fail = HV_ERROR_ENGINE;
    g_assert_null(hv_domain_addresses(domain, HV_ADDRESSES_GUEST, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_null(hv_domain_addresses(domain, HV_ADDRESSES_GUEST, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
}

/* What the hypervisor's record of it says. */
static ConfDomain *
hook_adopt(HvEngine *engine, int domid, GError **error)
{
    ConfDomain *def = domain_def("one", 1);

    g_free(def->name);
    def->name = g_strdup("../../one");
    return def;
}

/* A name leads out of no folder. */
static void
test_started_outside(Fixture *f, gconstpointer unused)
{
    g_autofree char *xml = domain_xml("one", 1);
    gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    with_turns.adopt = hook_adopt;
    log_count("");
    fake_start_foreign(xml, TRUE);
    while (log_count("cannot be called '../../one'") == 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        g_usleep(1000);
    }
    g_assert_false(file_exists(f, "/run/one.xml"));
    g_assert_false(file_exists(f, "/var/log/one.log"));
}

/* ---- PCI devices ---- */

/* Lent for as long as it runs; a reboot keeps it, but where the boot fails. */
static void
test_lent(Fixture *f, gconstpointer unused)
{
    g_autofree char *plain = domain_xml("one", 1);
    g_auto(GStrv) halves = g_strsplit(plain, "</domain>", 2);
    g_autofree char *xml = g_strconcat(
        halves[0],
        "<devices><hostdev mode='subsystem' type='pci' managed='yes'><source><address "
        "domain='0' bus='3' slot='0' function='0'/></source></hostdev></devices></domain>",
        NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(HvDomain)
        domain = hv_host_define(f->host, conf_domain_parse_xml(xml, -1, "test", 0, &error), &error);

    g_assert_no_error(error);
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_cmpuint(turns.n_given_back, ==, 1);
    g_assert_true(hv_domain_start(domain, 0, &error));
    fake_set_failure(FAKE_START, "no memory");
    fake_end_guest(domid_of(domain), 1);
    /* It is shut off between the two boots already. */
    g_mutex_lock(&turns.lock);
    while (turns.n_given_back < 2)
        g_cond_wait(&turns.changed, &turns.lock);
    g_assert_cmpuint(turns.n_given_back, ==, 2);
    g_mutex_unlock(&turns.lock);
    fake_set_failure(FAKE_START, NULL);
}

/* ---- dumps ---- */

static guint
count_files(Fixture *f, const char *absolute)
{
    g_autofree char *path = path_of(f, absolute);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

static void
test_dump(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autofree char *path = path_of(f, "/var/lib/libvirt/libxl/dump/core");
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_core_dump(domain, path, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_false(fake_is_paused(domid_of(domain)));
    g_assert_cmpuint(count_files(f, "/var/lib/libvirt/libxl/dump"), ==, 1);
    g_unlink(path);
    turns.fail = HV_ERROR_ENGINE;
    g_assert_false(hv_domain_core_dump(domain, path, HV_DUMP_CRASH, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    /* Nothing is left of it, and nobody is ended for a core that does not exist. */
    g_assert_cmpuint(count_files(f, "/var/lib/libvirt/libxl/dump"), ==, 0);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_false(fake_is_paused(domid_of(domain)));
    turns.fail = (HvError)-1;
    g_clear_error(&error);
    g_assert_true(hv_domain_core_dump(domain, path, HV_DUMP_CRASH, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_CRASHED);
    assert_events(f, "one:stopped:crashed");
}

static gpointer
dump_in_thread(gpointer domain)
{
    GError *error = NULL;
    g_autofree char *path = g_strconcat(((HvDomain *)domain)->host->store->dump, "/core", NULL);

    g_assert_false(hv_domain_core_dump(domain, path, 0, &error));
    return error;
}

/* No hypervisor has to be able to break a dump off: to end the domain is always possible. */
static void
test_dump_overtaken(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autoptr(GError) theirs = destroy_during(domain, dump_in_thread);

    g_assert_error(theirs, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpuint(count_files(f, "/var/lib/libvirt/libxl/dump"), ==, 0);
}

/* A guest that was paused before stays so. */
static void
test_dump_paused(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f);
    g_autofree char *path = path_of(f, "/core");
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_suspend(domain, &error));
    g_assert_true(hv_domain_core_dump(domain, path, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_PAUSED_USER);
    g_assert_true(fake_is_paused(domid_of(domain)));
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, function)                                                                       \
    g_test_add("/hv/device/" name, Fixture, NULL, setup, function, teardown)
    TEST("both", test_both);
    TEST("undone", test_undone);
    TEST("overtaken", test_overtaken);
    TEST("unsupported", test_unsupported);
    TEST("rename", test_rename);
    TEST("rename-fails", test_rename_fails);
    TEST("guest-addresses", test_guest_addresses);
    TEST("renamed-outside", test_renamed_outside);
    TEST("started-outside", test_started_outside);
    TEST("lent", test_lent);
    TEST("dump", test_dump);
    TEST("dump-overtaken", test_dump_overtaken);
    TEST("dump-paused", test_dump_paused);
#undef TEST
    return g_test_run();
}
