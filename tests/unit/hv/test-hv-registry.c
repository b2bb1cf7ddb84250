/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who there is: define, look up, list, undefine, and who wins a race for a name. */
#include "fake-engine.h"

#include <string.h>

#define RACERS 8

static void
test_define_and_look_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) by_name = NULL;
    g_autoptr(HvDomain) by_uuid = NULL;
    g_autoptr(HvView) view = hv_domain_view(domain);
    g_autoptr(GPtrArray) all = hv_host_list(f->host);
    g_autoptr(GError) error = NULL;

    by_name = hv_host_lookup_name(f->host, "one", &error);
    g_assert_no_error(error);
    g_assert_true(by_name == domain);
    by_uuid = hv_host_lookup_uuid(f->host, view->uuid, &error);
    g_assert_no_error(error);
    g_assert_true(by_uuid == domain);
    g_assert_cmpuint(all->len, ==, 1);
    g_assert_cmpint(view->state, ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(view->domid, ==, -1);
    g_assert_nonnull(view->persistent);
    g_assert_null(view->live);
    assert_events(f, "one:defined:added");
}

static void
test_not_there(Fixture *f, gconstpointer unused)
{
    static const guint8 uuid[16] = { 0xab };
    g_autoptr(GError) error = NULL;

    g_assert_null(hv_host_lookup_name(f->host, "none", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_assert_cmpstr(error->message, ==, "no domain with matching name 'none'");
    g_clear_error(&error);
    g_assert_null(hv_host_lookup_id(f->host, 7, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_clear_error(&error);
    g_assert_null(hv_host_lookup_uuid(f->host, uuid, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_assert_nonnull(strstr(error->message, "ab000000-0000"));
}

static void
test_redefine(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(HvView) before = hv_domain_view(domain);
    g_autoptr(HvView) after = NULL;
    g_autoptr(GError) error = NULL;
    ConfDomain *def = domain_def("one", 1);

    def->vcpus_max = 4;
    again = hv_host_define(f->host, def, &error);
    g_assert_no_error(error);
    g_assert_true(again == domain);
    after = hv_domain_view(domain);
    g_assert_cmpuint(after->persistent->vcpus_max, ==, 4);
    g_assert_cmpuint(before->persistent->vcpus_max, ==, 2);
    g_assert_cmpuint(after->serial, >, before->serial);
    assert_events(f, "one:defined:added", "one:defined:updated");
}

static void
test_taken(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;

    g_assert_null(hv_host_define(f->host, domain_def("one", 2), &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_EXISTS);
    g_assert_cmpstr(error->message, ==,
                    "domain 'one' already exists with uuid 00000000-0000-4000-8000-000000000001");
    g_clear_error(&error);
    g_assert_null(hv_host_define(f->host, domain_def("two", 1), &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_EXISTS);
    g_assert_cmpstr(
        error->message, ==,
        "domain 'one' is already defined with uuid 00000000-0000-4000-8000-000000000001");
    g_clear_error(&error);
    /* What was refused leaves no reservation behind. */
    g_assert_true(hv_domain_undefine(domain, 0, &error));
    g_clear_pointer(&domain, hv_domain_unref);
    domain = define_domain(f, "one", 2);
}

static void
test_undefine(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(HvDomain) again = NULL;
    g_autoptr(HvView) last = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_undefine(domain, 0, &error));
    g_assert_no_error(error);
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    assert_events(f, "one:defined:added", "one:undefined:removed");
    /* Who still holds it is told, and may look. */
    g_assert_false(hv_domain_undefine(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    last = hv_domain_view(domain);
    g_assert_nonnull(hv_view_current(last));
    again = define_domain(f, "one", 1);
    g_assert_true(again != domain);
}

static void
test_type(Fixture *f, gconstpointer unused)
{
    ConfDomain *def = domain_def("one", 1);
    g_autoptr(GError) error = NULL;

    g_free(def->type);
    def->type = g_strdup("kvm");
    g_assert_null(hv_host_define(f->host, def, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_assert_nonnull(strstr(error->message, "domaintype=kvm"));
}

static void
test_uuid_made(Fixture *f, gconstpointer unused)
{
    ConfDomain *def = domain_def("one", 1);
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvView) view = NULL;
    g_autoptr(GError) error = NULL;
    static const guint8 none[16];

    def->uuid_set = false;
    memset(def->uuid, 0, sizeof(def->uuid));
    domain = hv_host_define(f->host, def, &error);
    g_assert_no_error(error);
    view = hv_domain_view(domain);
    g_assert_cmpint(memcmp(view->uuid, none, 16), !=, 0);
}

typedef struct Race {
    Fixture *f;
    guint number;
    gboolean same_uuid;
    gint *go;
} Race;

static gpointer
race_to_define(gpointer data)
{
    Race *race = data;
    g_autoptr(GError) error = NULL;
    HvDomain *domain;

    while (!g_atomic_int_get(race->go))
        g_thread_yield();
    domain = hv_host_define(race->f->host, domain_def("one", race->same_uuid ? 1 : race->number),
                            &error);
    if (!domain)
        g_assert_error(error, HV_ERROR, HV_ERROR_EXISTS);
    return domain;
}

/* One name, many uuids: one wins, the others are told; and it is the one on disk. */
static void
race(Fixture *f, gboolean same_uuid, guint expected_winners)
{
    Race races[RACERS];
    GThread *threads[RACERS];
    g_autoptr(GPtrArray) all = NULL;
    gint go = FALSE;
    guint winners = 0;

    for (guint i = 0; i < RACERS; i++) {
        races[i] = (Race){ .f = f, .number = i + 1, .same_uuid = same_uuid, .go = &go };
        threads[i] = g_thread_new("racer", race_to_define, &races[i]);
    }
    g_atomic_int_set(&go, TRUE);
    for (guint i = 0; i < RACERS; i++) {
        g_autoptr(HvDomain) domain = g_thread_join(threads[i]);
        g_autofree char *text = domain ? read_file(f, "/etc/libvirt/libxl/one.xml") : NULL;
        char uuid[37];

        if (!domain)
            continue;
        winners++;
        conf_uuid_format(domain->uuid, uuid);
        g_assert_nonnull(strstr(text, uuid));
    }
    all = hv_host_list(f->host);
    g_assert_cmpuint(all->len, ==, 1);
    g_assert_cmpuint(winners, ==, expected_winners);
}

static void
test_race_name(Fixture *f, gconstpointer unused)
{
    race(f, FALSE, 1);
}

static void
test_race_same(Fixture *f, gconstpointer unused)
{
    race(f, TRUE, RACERS);
}

static gpointer
define_and_undefine(gpointer data)
{
    Race *mine = data;

    for (int i = 0; i < 20; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(HvDomain) domain = hv_host_define(mine->f->host, domain_def("one", 1), &error);

        g_assert_no_error(error);
        if (!hv_domain_undefine(domain, 0, &error))
            g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    }
    return NULL;
}

/* Nothing is left behind, whoever undefines whose domain. */
static void
test_race_undefine(Fixture *f, gconstpointer unused)
{
    Race mine = { .f = f };
    GThread *threads[4];
    g_autoptr(GPtrArray) all = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("racer", define_and_undefine, &mine);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    all = hv_host_list(f->host);
    g_assert_cmpuint(all->len, ==, 0);
    g_assert_false(file_exists(f, "/etc/libvirt/libxl/one.xml"));
}

static void
test_failed_write(Fixture *f, gconstpointer unused)
{
    g_autofree char *long_name = g_strnfill(300, 'x');
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_null(hv_host_define(f->host, domain_def(long_name, 1), &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    all = hv_host_list(f->host);
    g_assert_cmpuint(all->len, ==, 0);
    /* Name and uuid are free again. */
    hv_domain_unref(define_domain(f, "one", 1));
}

static void
test_metadata(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = define_domain(f, "one", 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *element = NULL;

    g_assert_null(hv_domain_get_metadata(domain, HV_METADATA_TITLE, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_METADATA);
    g_clear_error(&error);
    g_assert_true(
        hv_domain_set_metadata(domain, HV_METADATA_TITLE, "The one", NULL, NULL, 0, &error));
    text = hv_domain_get_metadata(domain, HV_METADATA_TITLE, NULL, HV_AFFECT_CONFIG, &error);
    g_assert_cmpstr(text, ==, "The one");
    g_assert_false(
        hv_domain_set_metadata(domain, HV_METADATA_TITLE, "a\nb", NULL, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_false(
        hv_domain_set_metadata(domain, HV_METADATA_TITLE, "x", NULL, NULL, HV_AFFECT_LIVE, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_clear_error(&error);
    g_assert_true(
        hv_domain_set_metadata(domain, HV_METADATA_ELEMENT, "<a>1</a>", "p", "urn:x", 0, &error));
    element = hv_domain_get_metadata(domain, HV_METADATA_ELEMENT, "urn:x", 0, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(element, "1</"));
    g_assert_true(
        hv_domain_set_metadata(domain, HV_METADATA_ELEMENT, NULL, NULL, "urn:x", 0, &error));
    g_assert_null(hv_domain_get_metadata(domain, HV_METADATA_ELEMENT, "urn:x", 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_METADATA);
    assert_events(f, "one:defined:added", "one:metadata:", "one:metadata:", "one:metadata:");
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/registry/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("define-and-look-up", test_define_and_look_up);
    TEST("not-there", test_not_there);
    TEST("redefine", test_redefine);
    TEST("taken", test_taken);
    TEST("undefine", test_undefine);
    TEST("type", test_type);
    TEST("uuid-made", test_uuid_made);
    TEST("race-name", test_race_name);
    TEST("race-same", test_race_same);
    TEST("race-undefine", test_race_undefine);
    TEST("failed-write", test_failed_write);
    TEST("metadata", test_metadata);
    return g_test_run();
}
