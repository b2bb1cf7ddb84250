/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts that were cut off: what is swept, and when. libxl is of this file's making. */
#include <libxl/hvxl-mark.h>
#include <libxl/hvxl-watch.h>

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HALF  "33333333-0000-0000-0000-000000000001"
#define WHOLE "33333333-0000-0000-0000-000000000002"

/* ---- Xen ---- */

static struct {
    gboolean silent;   /* no list */
    gboolean stubborn; /* nothing can be destroyed */
    gboolean starting; /* all that is there is being started by ourselves */
    gboolean whole;    /* all that is there has its XML */
    gboolean vanished; /* what is destroyed is not there any more */
    guint listed, destroyed, forgotten;
    const char *start_dir; /* of the marks that are counted while a domain is destroyed */
    guint marked;          /* so many there were */
} xen;

static guint
count_files(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

libxl_dominfo *
libxl_list_domain(libxl_ctx *ctx, int *ret_n)
{
    const char *const uuids[] = { HALF, WHOLE };
    libxl_dominfo *all;

    xen.listed++;
    if (xen.silent)
        return NULL;
    all = calloc(G_N_ELEMENTS(uuids), sizeof(*all));
    for (guint i = 0; i < G_N_ELEMENTS(uuids); i++) {
        all[i].domid = i + 1;
        g_assert_true(conf_uuid_parse(uuids[i], all[i].uuid.uuid));
    }
    *ret_n = G_N_ELEMENTS(uuids);
    return all;
}

void
libxl_dominfo_list_free(libxl_dominfo *all, int n)
{
    free(all);
}

int
libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how)
{
    g_assert_cmpuint(domid, ==, 1);
    xen.marked = count_files(xen.start_dir);
    if (xen.stubborn || xen.vanished)
        return ERROR_FAIL;
    xen.destroyed++;
    return 0;
}

void
libxl_dominfo_init(libxl_dominfo *info)
{
    memset(info, 0, sizeof(*info));
}

void
libxl_dominfo_dispose(libxl_dominfo *info)
{
}

int
libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    if (info)
        g_assert_true(conf_uuid_parse(HALF, info->uuid.uuid));
    return xen.vanished ? ERROR_DOMAIN_NOTFOUND : 0;
}

bool
xs_rm(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
    g_assert_cmpstr(path, ==, "/local/domain/0/device-model/1");
    xen.forgotten++;
    return true;
}

char *
hvxl_userdata_read(HvxlCtx *ctx, int domid)
{
    return xen.whole || domid == 2 ? g_strdup("<domain/>") : NULL;
}

HvxlCtx *
hvxl_ctx_get(HvEngine *engine, GError **error)
{
    HvxlCtx *ctx = g_new0(HvxlCtx, 1);

    ctx->engine = engine;
    return ctx;
}

void
hvxl_ctx_put(HvxlCtx *ctx)
{
    g_free(ctx);
}

gboolean
hvxl_watch_is_starting(HvxlWatch *watch, const guint8 uuid[16])
{
    return xen.starting;
}

/* Warnings are part of what is tested. */
static guint warnings;

static GLogWriterOutput
count_warning(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer unused)
{
    if (level & G_LOG_LEVEL_WARNING)
        warnings++;
    return G_LOG_WRITER_HANDLED;
}

/* ---- the tests ---- */

typedef struct Fixture {
    HvEngine engine;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    const char *const uuids[] = { HALF, WHOLE };
    guint8 uuid[16];

    memset(&xen, 0, sizeof(xen));
    f->engine.start_dir = g_dir_make_tmp("markXXXXXX", NULL);
    xen.start_dir = f->engine.start_dir;
    f->engine.lock_fd = -1;
    g_mutex_init(&f->engine.marks_lock);
    for (guint i = 0; i < G_N_ELEMENTS(uuids); i++) {
        g_assert_true(conf_uuid_parse(uuids[i], uuid));
        hvxl_mark_set(&f->engine, uuid);
    }
}

static guint
count_marks(const Fixture *f)
{
    return count_files(f->engine.start_dir);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    g_autofree char *lock = g_strconcat(f->engine.start_dir, ".lock", NULL);
    guint8 uuid[16];

    g_assert_true(conf_uuid_parse(HALF, uuid));
    hvxl_mark_clear(&f->engine, uuid);
    g_assert_cmpint(g_unlink(lock), ==, 0);
    g_assert_cmpint(g_rmdir(f->engine.start_dir), ==, 0);
    close(f->engine.lock_fd);
    g_clear_pointer(&f->engine.marks, g_ptr_array_unref);
    g_mutex_clear(&f->engine.marks_lock);
    g_free(f->engine.start_dir);
}

static void
test_swept(Fixture *f, gconstpointer unused)
{
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(xen.forgotten, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 0);
    hvxl_mark_sweep_rest(&f->engine);
    g_assert_cmpuint(xen.listed, ==, 1);
}

/* Somebody else was faster. What libxl does not find of it is taken away all the same. */
static void
test_vanished(Fixture *f, gconstpointer unused)
{
    xen.vanished = TRUE;
    warnings = 0;
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(warnings, ==, 0);
    g_assert_cmpuint(xen.forgotten, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 0);
}

/* Xen tells nothing: the marks stay, for later or for the next daemon. */
static void
test_silent(Fixture *f, gconstpointer unused)
{
    xen.silent = TRUE;
    warnings = 0;
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(warnings, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 2);
    xen.silent = FALSE;
    hvxl_mark_sweep_rest(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 0);
}

/* What is still there keeps its mark. */
static void
test_stubborn(Fixture *f, gconstpointer unused)
{
    xen.stubborn = TRUE;
    warnings = 0;
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(warnings, ==, 1);
    g_assert_cmpuint(xen.forgotten, ==, 0);
    g_assert_cmpuint(count_marks(f), ==, 1);
    xen.stubborn = FALSE;
    hvxl_mark_sweep_rest(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 0);
}

/* Later may be so late that we start a domain of that uuid ourselves. */
static void
test_begun_since(Fixture *f, gconstpointer unused)
{
    xen.silent = TRUE;
    warnings = 0;
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(warnings, ==, 1);
    xen.silent = FALSE;
    xen.starting = TRUE;
    f->engine.watch = (HvxlWatch *)f; /* any: nobody looks into it */
    hvxl_mark_sweep_rest(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 0);
    g_assert_cmpuint(count_marks(f), ==, 2);
    f->engine.watch = NULL;
    xen.starting = FALSE;
    hvxl_mark_sweep_rest(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 0);
    f->engine.marks = NULL;
    close(f->engine.lock_fd);
    hvxl_mark_sweep(&f->engine);
}

/* ---- ends ---- */

static void
make_mark(const Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->engine.start_dir, name, NULL);

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

/* There is a mark of it for as long as it takes. */
static void
test_destroy(Fixture *f, gconstpointer unused)
{
    HvxlCtx ctx = { .engine = &f->engine };

    g_assert_cmpint(hvxl_mark_destroy(&ctx, 1), ==, 0);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(xen.marked, ==, 3);
    g_assert_cmpuint(count_marks(f), ==, 2);
    xen.stubborn = TRUE;
    g_assert_cmpint(hvxl_mark_destroy(&ctx, 1), ==, ERROR_FAIL);
    g_assert_cmpuint(count_marks(f), ==, 2);
    hvxl_mark_sweep(&f->engine);
}

/* An end that was cut off goes on, whatever is left of the domain, and of no other one. */
static void
test_cut_off(Fixture *f, gconstpointer unused)
{
    static const char *const names[] = { HALF ".1", HALF ".2", WHOLE ".1", HALF ".x", HALF ".-1" };
    guint8 uuid[16];

    g_assert_true(conf_uuid_parse(HALF, uuid));
    hvxl_mark_clear(&f->engine, uuid);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        make_mark(f, names[i]);
    xen.whole = TRUE;
    xen.starting = TRUE; /* that of a mark without an id would be left alone */
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 2);
    for (guint i = 3; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->engine.start_dir, names[i], NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
}

/* A daemon that is killed while a child of its own, forked by libxl, lives on: its marks are swept.
 */
static void
test_child_lives(Fixture *f, gconstpointer unused)
{
    int ready[2], end[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe(ready), ==, 0);
    g_assert_cmpint(pipe(end), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        xen.silent = TRUE; /* it leaves the marks alone */
        hvxl_mark_sweep(&f->engine);
        if (fork() == 0) {
            close(end[1]);
            /* "Ready" comes from here: the child is there, and has the lock's file open. */
            _exit(write(ready[1], "", 1) == 1 && read(end[0], &byte, 1) == 0 ? 0 : 1);
        }
        pause();
        _exit(1);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    hvxl_mark_sweep(&f->engine);
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(count_marks(f), ==, 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(end[i]);
    }
}

int
main(int argc, char **argv)
{
#define TEST(name, function)                                                                       \
    g_test_add("/hvxl/mark/" name, Fixture, NULL, set_up, function, tear_down)
    g_test_init(&argc, &argv, NULL);
    g_log_set_writer_func(count_warning, NULL, NULL);
    TEST("swept", test_swept);
    TEST("vanished", test_vanished);
    TEST("destroy", test_destroy);
    TEST("cut-off", test_cut_off);
    TEST("child-lives", test_child_lives);
    TEST("silent", test_silent);
    TEST("stubborn", test_stubborn);
    TEST("begun-since", test_begun_since);
    return g_test_run();
}
