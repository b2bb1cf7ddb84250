/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Saved domains: the file's format, the way there and back, and files that are none. */
#include "fake-engine.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANAGED "/var/lib/libvirt/libxl/save/one.save"
#define USED    MANAGED ".used"
#define STALE   MANAGED ".stale"

static HvDomain *
running(Fixture *f, const char *name, guint number)
{
    HvDomain *domain = define_domain(f, name, number);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_no_error(error);
    clear_events(f);
    return domain;
}

static void
test_round_trip(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(HvDomain) restored = NULL;
    g_autofree char *path = path_of(f, "/image");
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    guint32 words[2];
    struct stat st;
    gsize len;

    g_assert_true(hv_domain_save(domain, path, NULL, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_SHUTOFF);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_SHUTOFF_SAVED);
    g_assert_cmpuint(fake_running(), ==, 0);
    assert_events(f, "one:job:", "one:stopped:saved");

    /* The stock driver's header, by the byte. */
    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    g_assert_cmpmem(bytes, 16, "libvirt-xml\n \0 \r", 16);
    memcpy(words, bytes + 16, sizeof(words));
    g_assert_cmpuint(words[0], ==, 2);
    g_assert_cmpuint(words[1], ==, strlen(bytes + 64) + 1);
    for (int i = 24; i < 64; i++)
        g_assert_cmpint(bytes[i], ==, 0);
    g_assert_true(g_str_has_prefix(bytes + 64, "<domain "));
    g_assert_cmpuint(len, ==, 64 + words[1] + 20);
    g_assert_cmpmem(bytes + 64 + words[1], 4, "FAKE", 4);
    g_assert_cmpint(g_stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);

    restored = hv_host_restore(f->host, path, NULL, 0, &error);
    g_assert_no_error(error);
    g_assert_true(restored == domain);
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_RESTORED);
    assert_events(f, "one:started:restored");
    /* Running now: not a second time. */
    g_assert_null(hv_host_restore(f->host, path, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_assert_cmpstr(error->message, ==, "domain 'one' is already active");
}

/* As /dev/null would be replaced by a file. */
static void
test_no_file(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autofree char *fifo = path_of(f, "/fifo");
    g_autofree char *link = path_of(f, "/link");
    const char *paths[] = { fifo, link };

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("fifo", link), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        struct stat st;

        g_assert_false(hv_domain_save(domain, paths[i], NULL, 0, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
        g_assert_cmpint(stat(paths[i], &st), ==, 0);
        g_assert_true(S_ISFIFO(st.st_mode));
        g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    }
}

static void
test_transient(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = create_domain(f, "one", 1);
    g_autoptr(HvDomain) restored = NULL;
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_save(domain, path, NULL, 0, &error));
    g_assert_null(hv_host_lookup_name(f->host, "one", NULL));
    restored = hv_host_restore(f->host, path, NULL, HV_SAVE_PAUSED, &error);
    g_assert_no_error(error);
    g_assert_true(restored != domain);
    g_assert_cmpint(state_of(restored), ==, HV_STATE_PAUSED);
    assert_events(f, "one:started:booted", "one:job:", "one:stopped:saved", "one:started:restored",
                  "one:suspended:restored");
}

/* Paused when it was saved, so paused when it is back; unless somebody wants otherwise. */
static void
test_paused(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_suspend(domain, &error));
    g_assert_true(hv_domain_save(domain, path, NULL, 0, &error));
    hv_domain_unref(hv_host_restore(f->host, path, NULL, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_PAUSED);
    g_assert_true(hv_domain_destroy(domain, &error));
    hv_domain_unref(hv_host_restore(f->host, path, NULL, HV_SAVE_RUNNING, &error));
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_false(hv_domain_save(domain, path, NULL, HV_SAVE_RUNNING | HV_SAVE_PAUSED, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
}

static void
test_managed(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(HvView) view = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    g_assert_no_error(error);
    view = hv_domain_view(domain);
    g_assert_true(view->managed_save);
    g_assert_true(file_exists(f, MANAGED));
    g_assert_false(hv_domain_undefine(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_assert_cmpstr(error->message, ==,
                    "Refusing to undefine while domain managed save image exists");
    g_clear_error(&error);

    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_RESTORED);
    g_assert_false(file_exists(f, MANAGED));
    g_clear_pointer(&view, hv_view_unref);
    view = hv_domain_view(domain);
    g_assert_false(view->managed_save);

    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    g_assert_true(hv_domain_start(domain, HV_START_FORCE_BOOT, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_BOOTED);
    g_assert_false(file_exists(f, MANAGED));

    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    g_assert_true(hv_domain_managed_save_remove(domain, &error));
    g_assert_false(file_exists(f, MANAGED));
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    g_assert_true(hv_domain_undefine(domain, HV_UNDEFINE_MANAGED_SAVE, &error));
    g_assert_false(file_exists(f, MANAGED));
}

/* An image that does not come up stays, and so does the domain. */
static void
test_managed_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(GError) error = NULL;

    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    fake_set_failure(FAKE_START, "no memory");
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_true(file_exists(f, MANAGED));
    g_clear_error(&error);
    fake_set_failure(FAKE_START, NULL);
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_RESTORED);
}

/* ---- an image that a guest may have run from ---- */

/* What start() does when the guest runs. */
static struct {
    const Fixture *fixture;
    gboolean named;   /* the image still had its name then */
    gboolean lost;    /* nobody knows whether it runs */
    gboolean is_kept; /* its file cannot be removed any more */
} watched;

static gboolean
watched_start(HvEngine *engine, const HvEngineStart *start, int *ret_domid, ConfDomain **ret_live,
              GError **error)
{
    Fixture *f = (Fixture *)watched.fixture;
    g_autofree char *used = path_of(f, USED);

    if (!fake_engine_ops.start(engine, start, ret_domid, ret_live, error))
        return FALSE;
    watched.named = file_exists(f, MANAGED);
    if (watched.is_kept) {
        g_assert_cmpint(g_unlink(used), ==, 0);
        g_assert_cmpint(g_mkdir(used, 0700), ==, 0);
    }
    if (!watched.lost)
        return TRUE;
    fake_take_away(*ret_domid);
    conf_domain_unref(g_steal_pointer(ret_live));
    g_set_error_literal(error, HV_ERROR, HV_ERROR_TIMEOUT, "no answer");
    return FALSE;
}

/* A managed image, on an engine that is watched. */
static HvDomain *
watched_saved(Fixture *f)
{
    static HvEngineOps ops;
    HvDomain *domain;

    ops = fake_engine_ops;
    ops.start = watched_start;
    fixture_stop_host(f);
    fixture_ops = &ops;
    fixture_start_host(f, 30000, TRUE);
    fixture_ops = &fake_engine_ops;
    memset(&watched, 0, sizeof(watched));
    watched.fixture = f;
    domain = running(f, "one", 1);
    g_assert_true(hv_domain_managed_save(domain, 0, NULL));
    g_assert_true(file_exists(f, MANAGED));
    log_count("");
    return domain;
}

static gboolean
has_image(HvDomain *domain)
{
    g_autoptr(HvView) view = hv_domain_view(domain);

    return view->managed_save;
}

/* Whichever way it starts. */
static void
test_name_given_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = watched_saved(f);
    g_autofree char *copy = path_of(f, "/copy");
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 4; i++) {
        g_autoptr(HvDomain) started = NULL;

        watched.named = TRUE;
        if (i < 2)
            g_assert_true(hv_domain_start(domain, i ? HV_START_FORCE_BOOT : 0, &error));
        else if (i == 2)
            started = hv_host_create(f->host, domain_def("one", 1), 0, &error);
        else
            started = hv_host_restore(f->host, copy, NULL, 0, &error);
        g_assert_no_error(error);
        g_assert_false(watched.named);
        g_assert_false(has_image(domain));
        g_assert_false(file_exists(f, MANAGED));
        g_assert_false(file_exists(f, USED));
        /* What was neither used nor refused is kept. */
        g_assert_true(file_exists(f, STALE) == (i >= 2));
        g_assert_true(file_exists(f, STALE "-2") == (i >= 3));
        g_assert_cmpuint(log_count("so its saved image is out of date"), ==, i >= 2);
        if (i == 2) {
            g_assert_true(hv_domain_save(domain, copy, NULL, 0, &error));
            hv_domain_unref(hv_host_restore(f->host, copy, NULL, 0, &error));
            g_assert_no_error(error);
        }
        g_assert_true(hv_domain_managed_save(domain, 0, &error));
        log_count("");
    }
}

/* It was built and could not be let run: as before. */
static void
test_name_taken_back(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = watched_saved(f);
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 2; i++) {
        fake_set_failure(FAKE_RUN, "no");
        g_assert_false(hv_domain_start(domain, i ? HV_START_FORCE_BOOT : 0, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
        g_clear_error(&error);
        g_assert_true(has_image(domain));
        g_assert_true(file_exists(f, MANAGED));
        g_assert_false(file_exists(f, USED));
    }
    fake_set_failure(FAKE_RUN, NULL);
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_RESTORED);
}

/* Nobody knows whether the guest ran: not a second time, and not deleted. */
static void
test_name_lost(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = watched_saved(f);
    g_autoptr(GError) error = NULL;

    watched.lost = TRUE;
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_TIMEOUT);
    g_clear_error(&error);
    g_assert_false(has_image(domain));
    g_assert_true(file_exists(f, STALE));
    g_assert_cmpuint(log_count("may have run since its image was saved"), ==, 1);
    watched.lost = FALSE;
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_BOOTED);
}

/* Its file stays: this daemon and the next one know that it is of no use. */
static void
test_used_stays(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = watched_saved(f);
    g_autoptr(HvDomain) later = NULL;
    g_autoptr(GError) error = NULL;
    int domid;

    watched.is_kept = TRUE;
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(log_count("its saved image could not be removed"), ==, 1);
    g_assert_false(has_image(domain));
    domid = domid_of(domain);
    fixture_stop_host(f);
    fake_take_away(domid);
    fixture_start_host(f, 30000, TRUE);
    later = hv_host_lookup_name(f->host, "one", &error);
    g_assert_no_error(error);
    g_assert_false(has_image(later));
    g_assert_false(file_exists(f, USED));
    g_assert_true(file_exists(f, STALE));
}

/* ---- a disk that fails ---- */

/* Of folders: as a disk that has an error. In place of the C library's. */
static gint folders_fail;

int
fsync(int fd)
{
    struct stat st;

    if (g_atomic_int_get(&folders_fail) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* Its image has its name already: the guest runs on, and nobody may start from it. */
static void
test_folder_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 3; i++) {
        /* The last time in the place of another file. */
        if (i == 2)
            g_assert_true(g_file_set_contents(path, "before", -1, NULL));
        g_atomic_int_set(&folders_fail, TRUE);
        if (i == 0)
            g_assert_false(hv_domain_managed_save(domain, 0, &error));
        else
            g_assert_false(hv_domain_save(domain, path, NULL, 0, &error));
        g_atomic_int_set(&folders_fail, FALSE);
        g_assert_error(error, HV_ERROR, HV_ERROR_IO);
        g_clear_error(&error);
        g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
        g_assert_false(has_image(domain));
        g_assert_false(file_exists(f, MANAGED));
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
    g_assert_true(hv_domain_managed_save(domain, 0, &error));
    /* The mark that it is used is not safe: not started. */
    g_atomic_int_set(&folders_fail, TRUE);
    g_assert_false(hv_domain_start(domain, 0, &error));
    g_atomic_int_set(&folders_fail, FALSE);
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_clear_error(&error);
    g_assert_cmpuint(fake_running(), ==, 0);
    g_assert_true(has_image(domain));
    g_assert_true(file_exists(f, MANAGED));
    g_assert_true(hv_domain_start(domain, 0, &error));
    g_assert_cmpint(reason_of(domain), ==, HV_REASON_RUNNING_RESTORED);
}

/* A definition that was refused is not there after a restart. */
static void
test_folder_fails_define(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    g_atomic_int_set(&folders_fail, TRUE);
    g_assert_null(hv_host_define(f->host, domain_def("one", 1), &error));
    g_atomic_int_set(&folders_fail, FALSE);
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_false(file_exists(f, "/etc/libvirt/libxl/one.xml"));
}

static void
test_save_fails(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;

    fake_set_failure(FAKE_SAVE, "disk is full");
    g_assert_false(hv_domain_save(domain, path, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    fake_set_failure(FAKE_SAVE, NULL);

    g_assert_false(hv_domain_save(domain, "/nonexistent/folder/image", NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_clear_error(&error);
    g_assert_false(hv_domain_save(domain, "relative", NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);

    /* Saved, but it cannot be ended: one guest, and it runs. */
    fake_set_failure(FAKE_DESTROY, "stuck");
    g_assert_false(hv_domain_save(domain, path, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(state_of(domain), ==, HV_STATE_RUNNING);
    g_assert_cmpuint(fake_calls(FAKE_RESUME_SAVED), ==, 1);
    fake_set_failure(FAKE_DESTROY, NULL);
    assert_events(f, "one:job:", "one:job:", "one:job:"); /* each save that failed */
}

static void
test_replacement(Fixture *f, gconstpointer unused)
{
    g_autoptr(HvDomain) domain = running(f, "one", 1);
    g_autoptr(HvView) view = NULL;
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;
    ConfDomain *other = domain_def("one", 1);

    other->title = g_strdup("another title");
    g_assert_true(hv_domain_save(domain, path, other, 0, &error));
    g_assert_no_error(error);
    g_assert_null(hv_host_restore(f->host, path, domain_def("two", 2), 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_clear_error(&error);
    hv_domain_unref(hv_host_restore(f->host, path, NULL, 0, &error));
    g_assert_no_error(error);
    view = hv_domain_view(domain);
    g_assert_cmpstr(view->live->title, ==, "another title");
    g_assert_null(view->persistent->title);
}

/* ---- files that are no images ---- */

static char *
image(guint32 version, guint32 xml_len, const char *xml, gsize *ret_len)
{
    HvSaveHeader header = { .version = version, .xml_len = xml_len };
    gsize len = sizeof(header) + strlen(xml) + 1;
    char *bytes = g_malloc(len);

    memcpy(header.magic, HV_SAVE_MAGIC, 16);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), xml, strlen(xml) + 1);
    *ret_len = len;
    return bytes;
}

static void
assert_refused(Fixture *f, const char *bytes, gsize len, const char *words)
{
    g_autofree char *path = path_of(f, "/image");
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, bytes, len, NULL));
    g_assert_null(hv_host_restore(f->host, path, NULL, 0, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, path));
    if (!strstr(error->message, words))
        g_error("'%s' does not say '%s'", error->message, words);
    g_assert_cmpuint(fake_calls(FAKE_START), ==, 0);
}

static void
test_refused(Fixture *f, gconstpointer unused)
{
    g_autofree char *xml = domain_xml("one", 1);
    guint32 right = (guint32)strlen(xml) + 1;
    static const struct {
        guint32 version, len_change;
        const char *words;
    } cases[] = {
        { 3, 0, "image version is not supported (3, not 2)" },
        { 2, 1, "invalid XML length" },
        { 2, 0x7fffffff, "invalid XML length" },
        { 2, 0xffffffff, "its XML has no end" }, /* one less */
    };
    g_autoptr(GPtrArray) all = NULL;
    g_autofree char *truncated = NULL;
    g_autofree char *zero = NULL;
    g_autofree char *no_domain = NULL;
    g_autoptr(GError) error = NULL;
    gsize len;

    assert_refused(f, "", 0, "the file ends within it");
    assert_refused(f, "LibvirtQemudSave", 16, "the file ends within it");
    assert_refused(f, "LibvirtQemudSave................................................", 64,
                   "image magic is incorrect");
    assert_refused(f, "Xen saved domain, xl format\n \0 \r................................", 64,
                   "use xl restore");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = image(cases[i].version, right + cases[i].len_change, xml, &len);

        assert_refused(f, bytes, len, cases[i].words);
    }
    zero = image(2, 0, xml, &len);
    assert_refused(f, zero, len, "invalid XML length: 0");
    truncated = image(2, right, xml, &len);
    assert_refused(f, truncated, 100, "invalid XML length");
    no_domain = image(2, 6, "<a/>\n", &len);
    assert_refused(f, no_domain, len, "XML within");
    all = hv_host_list(f->host);
    g_assert_cmpuint(all->len, ==, 0);
    g_assert_null(hv_host_restore(f->host, "/nonexistent", NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_clear_error(&error);
    g_assert_null(hv_host_restore(f->host, f->root, NULL, 0, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/save/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("round-trip", test_round_trip);
    TEST("no-file", test_no_file);
    TEST("transient", test_transient);
    TEST("paused", test_paused);
    TEST("managed", test_managed);
    TEST("managed-fails", test_managed_fails);
    TEST("name-given-up", test_name_given_up);
    TEST("name-taken-back", test_name_taken_back);
    TEST("name-lost", test_name_lost);
    TEST("used-stays", test_used_stays);
    TEST("folder-fails", test_folder_fails);
    TEST("folder-fails-define", test_folder_fails_define);
    TEST("save-fails", test_save_fails);
    TEST("replacement", test_replacement);
    TEST("refused", test_refused);
    return g_test_run();
}
