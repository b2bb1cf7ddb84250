/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are volumes of storage pools: who is asked, when, and for how long the answer counts.
 */
#include "fake-engine.h"

#include <glib/gstdio.h>
#include <string.h>

#define STATE "/run/libvirt/libxl/one.xml"

/* ---- somebody who knows pools ---- */

static struct {
    GMutex lock;
    GCond changed;
    guint n_asked;         /* [lock] */
    gboolean hang, inside; /* [lock] */
    const char *refusal;   /* [lock] NULL: every volume is there */
} pools;

static gboolean
find_volume(const char *pool, const char *volume, char **ret_path, gboolean *ret_block,
            GCancellable *cancellable, gpointer data, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pools.lock);

    pools.n_asked++;
    pools.inside = TRUE;
    g_cond_broadcast(&pools.changed);
    while (pools.hang && !g_cancellable_is_cancelled(cancellable))
        g_cond_wait_until(&pools.changed, &pools.lock, g_get_monotonic_time() + 10000);
    pools.inside = FALSE;
    if (pools.refusal) {
        g_set_error_literal(error, G_FILE_ERROR, 7, pools.refusal);
        return FALSE;
    }
    *ret_path = g_strdup_printf("/%s/<%s> & %u", pool, volume, pools.n_asked);
    *ret_block = g_str_equal(volume, "block");
    return TRUE;
}

static void
set_pools(gboolean hang, const char *refusal)
{
    g_mutex_lock(&pools.lock);
    pools.hang = hang;
    pools.refusal = refusal;
    g_cond_broadcast(&pools.changed);
    g_mutex_unlock(&pools.lock);
}

static void
wait_inside(void)
{
    g_mutex_lock(&pools.lock);
    while (!pools.inside)
        g_cond_wait(&pools.changed, &pools.lock);
    g_mutex_unlock(&pools.lock);
}

/* ---- an engine that takes devices ---- */

static char *attached; /* the source of the last one */

static gboolean
hook_attach(HvEngine *engine, int domid, const ConfDomain *live, ConfAnyDevice *device,
            GError **error)
{
    g_free(attached);
    attached = g_strdup(device->disk->source);
    return TRUE;
}

/* What a real engine has kept is text. */
static ConfDomain *
hook_adopt(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(ConfDomain) kept = fake_engine_ops.adopt(engine, domid, error);
    g_autofree char *xml = conf_domain_format_xml(kept, CONF_XML_SECURE);

    return conf_domain_parse_xml(xml, -1, "kept", 0, error);
}

static HvEngineOps with_attach;

static void
setup(Fixture *f, gconstpointer finder)
{
    with_attach = fake_engine_ops;
    with_attach.attach_device = hook_attach;
    with_attach.adopt = hook_adopt;
    fixture_ops = &with_attach;
    fixture_find_volume = finder ? find_volume : NULL;
    pools.n_asked = 0;
    set_pools(FALSE, NULL);
    fixture_setup(f, NULL);
}

static void
teardown(Fixture *f, gconstpointer unused)
{
    fixture_teardown(f, NULL);
    g_clear_pointer(&attached, g_free);
}

static char *
disk_xml(const char *target, const char *source)
{
    return g_strdup_printf("<disk type='volume'><source %s/><target dev='%s'/></disk>", source,
                           target);
}

/* A definition with a disk for each source. */
static HvDomain *
define(Fixture *f, const char *const *sources)
{
    g_autoptr(ConfDomain) def = domain_def("one", 1);
    g_autoptr(GError) error = NULL;
    HvDomain *domain;

    for (guint i = 0; sources[i]; i++) {
        g_autofree char *target = g_strdup_printf("xvd%c", 'a' + (char)i);
        g_autofree char *xml = disk_xml(target, sources[i]);
        g_autoptr(ConfAnyDevice) disk = conf_device_parse_xml(xml, -1, "test", 0, &error);

        g_assert_no_error(error);
        g_assert_true(conf_domain_insert_device(def, disk, &error));
    }
    domain = hv_host_define(f->host, g_steal_pointer(&def), &error);
    g_assert_no_error(error);
    return domain;
}

static const char *const two[] = { "pool='p' volume='file'", "pool='p' volume='block'", NULL };

static const ConfDisk *
live_disk(const HvView *view, guint number)
{
    return view->live->disks->pdata[number];
}

static void
assert_disk(HvDomain *domain, guint number, const char *source, ConfDiskType type)
{
    g_autoptr(HvView) view = hv_domain_view(domain);
    const ConfDisk *disk = live_disk(view, number);

    g_assert_cmpint(disk->type, ==, CONF_DISK_TYPE_VOLUME);
    g_assert_cmpstr(disk->source, ==, source);
    g_assert_cmpint(conf_disk_source_type(disk), ==, type);
}

/* ---- a life ---- */

static void
test_life(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    assert_disk(domain, 0, "/p/<file> & 1", CONF_DISK_TYPE_FILE);
    assert_disk(domain, 1, "/p/<block> & 2", CONF_DISK_TYPE_BLOCK);
    xml = hv_domain_format_xml(domain, 0, &error);
    g_assert_nonnull(strstr(xml, "<source pool='p' volume='file'/>"));
    g_assert_null(strstr(xml, "/p/"));
    /* The next daemon need not ask. */
    set_pools(FALSE, "nobody is to be asked");
    fixture_stop_host(f);
    fixture_start_host(f, 0, TRUE);
    again = hv_host_lookup_name(f->host, "one", &error);
    assert_disk(again, 0, "/p/<file> & 1", CONF_DISK_TYPE_FILE);
    assert_disk(again, 1, "/p/<block> & 2", CONF_DISK_TYPE_BLOCK);
    g_assert_true(hv_domain_suspend(again, &error)); /* and writes the state file again */
    fixture_stop_host(f);
    fixture_start_host(f, 0, TRUE);
    hv_domain_unref(again);
    again = hv_host_lookup_name(f->host, "one", &error);
    assert_disk(again, 1, "/p/<block> & 2", CONF_DISK_TYPE_BLOCK);
    /* But the next life does. */
    g_assert_true(hv_domain_destroy(again, &error));
    g_assert_false(hv_domain_start(again, 0, &error));
    g_assert_cmpstr(error->message, ==, "nobody is to be asked");
    g_assert_error(error, G_FILE_ERROR, 7); /* whoever was asked is quoted */
    g_assert_cmpint(reason_of(again), ==, HV_REASON_SHUTOFF_FAILED);
    set_pools(FALSE, NULL);
    g_clear_error(&error);
    g_assert_true(hv_domain_start(again, 0, &error));
    assert_disk(again, 0, "/p/<file> & 4", CONF_DISK_TYPE_FILE);
}

/* A state file that names what is not there, or is cut. */
static void
test_odd_state(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *odd = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    fixture_stop_host(f);
    text = read_file(f, STATE);
    parts = g_strsplit(text, "<volume target='xvda'", 2);
    odd = g_strconcat(parts[0], "<volume/><volume target='xvdz' path='/z'/><volume target='xvda'/>",
                      "<volume target='xvda' no='path'", strstr(parts[1], "/>"), NULL);
    write_file(f, STATE, odd);
    fixture_start_host(f, 0, TRUE);
    again = hv_host_lookup_name(f->host, "one", &error);
    g_assert_no_error(error);
    assert_disk(again, 0, NULL, CONF_DISK_TYPE_VOLUME);
    assert_disk(again, 1, "/p/<block> & 2", CONF_DISK_TYPE_BLOCK);
}

/* Nobody has noted where the volumes of a running domain are. */
static void
test_adopted(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *state = path_of(f, STATE);

    g_assert_true(hv_domain_start(domain, 0, &error));
    fixture_stop_host(f);
    g_assert_cmpint(g_unlink(state), ==, 0);
    fixture_start_host(f, 0, TRUE);
    again = hv_host_lookup_name(f->host, "one", &error);
    assert_disk(again, 0, "/p/<file> & 3", CONF_DISK_TYPE_FILE);
    fixture_stop_host(f);
    g_assert_cmpint(g_unlink(state), ==, 0);
    set_pools(FALSE, "no such pool");
    log_count("");
    fixture_start_host(f, 0, TRUE);
    g_assert_cmpuint(log_count("where its volume is, is not known: no such pool"), ==, 2);
    hv_domain_unref(again);
    again = hv_host_lookup_name(f->host, "one", &error);
    g_assert_cmpint(state_of(again), ==, HV_STATE_RUNNING);
    assert_disk(again, 0, NULL, CONF_DISK_TYPE_VOLUME);
}

/* ---- what cannot be ---- */

static void
assert_start_fails(HvDomain *domain, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_assert_cmpstr(error->message, ==, why);
}

static void
test_nobody(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);

    assert_start_fails(domain, "disk 'xvda', volume 'file' of storage pool 'p', cannot be found: "
                               "nobody here knows storage pools");
}

static void
test_half_a_name(Fixture *f, gconstpointer unused)
{
    static const char *const pool[] = { "pool='p'", NULL }, *const volume[] = { "volume='v'",
                                                                                NULL };
    g_autoptr(HvDomain) domain = define(f, pool);

    assert_start_fails(domain,
                       "disk 'xvda', volume '' of storage pool 'p', lacks the name of one of "
                       "the two");
    hv_domain_unref(domain);
    domain = define(f, volume);
    assert_start_fails(domain,
                       "disk 'xvda', volume 'v' of storage pool '', lacks the name of one of "
                       "the two");
    g_assert_cmpuint(pools.n_asked, ==, 0);
}

/* ---- somebody who does not answer ---- */

static gpointer
start(gpointer domain)
{
    GError *error = NULL;

    hv_domain_start(domain, 0, &error);
    return error;
}

static void
test_start_cancelled(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) failed = NULL;
    GThread *thread;

    set_pools(TRUE, NULL);
    thread = g_thread_new("start", start, domain);
    wait_inside();
    g_assert_true(hv_domain_destroy(domain, &error));
    failed = g_thread_join(thread);
    g_assert_error(failed, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpuint(fake_running(), ==, 0);
}

static gpointer
attach(gpointer domain)
{
    g_autofree char *xml = disk_xml("xvdz", "pool='p' volume='more'");
    ConfAnyDevice *disk = conf_device_parse_xml(xml, -1, "test", 0, NULL);
    GError *error = NULL;

    hv_domain_attach_device(domain, disk, HV_AFFECT_LIVE, &error);
    return error;
}

static void
test_attach(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define(f, two);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) failed = NULL;
    GThread *thread;

    g_assert_true(hv_domain_start(domain, 0, &error));
    failed = attach(domain);
    g_assert_no_error(failed);
    g_assert_cmpstr(attached, ==, "/p/<more> & 3");
    assert_disk(domain, 2, "/p/<more> & 3", CONF_DISK_TYPE_FILE);
    g_assert_true(hv_domain_destroy(domain, &error));
    g_assert_true(hv_domain_start(domain, 0, &error));
    /* Who wants it to end does not wait for the answer, which comes too late for the engine. */
    g_clear_pointer(&attached, g_free);
    set_pools(TRUE, NULL);
    thread = g_thread_new("attach", attach, domain);
    wait_inside();
    g_assert_true(hv_domain_destroy(domain, &error));
    set_pools(FALSE, NULL);
    failed = g_thread_join(thread);
    g_assert_nonnull(failed);
    g_assert_null(attached);
    g_assert_cmpuint(fake_running(), ==, 0);
}

int
main(int argc, char **argv)
{
    static const int known = 1;

    fake_init(&argc, &argv);
#define TEST(name, finder, func)                                                                   \
    g_test_add("/hv/pool/" name, Fixture, (finder), setup, (func), teardown)
    TEST("life", &known, test_life);
    TEST("odd-state", &known, test_odd_state);
    TEST("adopted", &known, test_adopted);
    TEST("nobody", NULL, test_nobody);
    TEST("half-a-name", &known, test_half_a_name);
    TEST("start-cancelled", &known, test_start_cancelled);
    TEST("attach", &known, test_attach);
    return g_test_run();
}
