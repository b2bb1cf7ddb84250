/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The save stream, there and back, and what becomes of a guest whose save fails. */
#include "sim-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- save and restore ---- */

typedef struct Progress {
    guint calls;
    guint64 done, total;
} Progress;

static void
on_progress(guint64 done, guint64 total, gpointer data)
{
    Progress *progress = data;
    g_assert_cmpuint(done, >=, progress->done);
    g_assert_cmpuint(done, <=, total);
    *progress = (Progress){ progress->calls + 1, done, total };
}

static int
image_fd(Fixture *f, char **ret_path)
{
    g_autofree char *path = g_build_filename(f->root, "image", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    if (ret_path != NULL)
        *ret_path = g_steal_pointer(&path);
    return fd;
}

#define PREFIX 100 /* libhv's own header lies before the stream */

static void
save_to(Fixture *f, int domid, int fd)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(lseek(fd, PREFIX, SEEK_SET), ==, PREFIX);
    OPS->save(f->engine, domid, fd, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

static void
test_save_restore(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 128, 2);
    g_autoptr(GError) error = NULL;
    g_autofree char *boot = NULL, *backlog = NULL, *echo = NULL;
    Progress progress = { 0 };
    int image = image_fd(f, NULL);
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    int fd = open_console(f, domid);
    boot = read_until(fd, "login: ");
    g_assert_cmpint(write(fd, "unread", 6), ==, 6);
    close(fd);
    for (guint i = 0; i < 3; i++) { /* the guest echoes, nobody reads; one loop serves it and us */
        row_of(f, domid);
        g_usleep(30000);
    }
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    g_assert_true(OPS->save(f->engine, domid, image, NULL, on_progress, &progress, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(progress.calls, >, 5);
    g_assert_cmpuint(progress.total, >, 200000);
    g_assert_cmpuint(progress.done, ==, progress.total);
    g_assert_cmpint(lseek(image, 0, SEEK_CUR), ==, (off_t)(PREFIX + progress.total));

    HvEngineDomain saved = row_of(f, domid);
    g_assert_true(saved.shutdown);
    g_assert_cmpint(saved.shutdown_code, ==, 2);
    g_assert_false(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, 50000, NULL));
    destroy(f, domid);

    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    domid = start_def(f, def, TRUE, image, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(domid, ==, 2);
    HvEngineDomain restored = row_of(f, domid);
    g_assert_cmpmem(restored.uuid, 16, def->uuid, 16);
    g_assert_true(restored.paused);
    g_assert_cmpuint(restored.cpu_time_ns, ==, saved.cpu_time_ns);
    g_assert_true(OPS->unpause(f->engine, domid, &error));
    fd = open_console(f, domid);
    backlog = read_until(fd, "unread");
    g_assert_cmpstr(backlog, ==, "unread");
    g_assert_cmpint(write(fd, "\r", 1), ==, 1);
    echo = read_until(fd, "login: ");
    g_assert_cmpstr(echo, ==, "\r\none login: ");
    close(fd);
    close(image);
}

static void
test_save_damaged(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 128, 2);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *good = NULL;
    gsize len;
    int image = image_fd(f, &path);
    guint64 all = free_kib(f);
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    save_to(f, domid, image);
    destroy(f, domid);
    g_assert_true(g_file_get_contents(path, &good, &len, NULL));

    const struct {
        off_t cut;  /* 0: whole */
        off_t flip; /* 0: none; from the start of the stream */
        const char *says;
    } cases[] = {
        { PREFIX + 10, 0, "truncated" },
        { PREFIX + 64 + 10, 0, "truncated" },
        { (off_t)len / 2, 0, "truncated" },
        { (off_t)len - 1, 0, "truncated" },
        { 0, 3, "no guest" },
        { 0, 17, "format" },
        { 0, 47, "out of bounds" },
        { 0, 70, "checksum" },
        { 0, (off_t)len - PREFIX - 1, "checksum" },
        { 0, (off_t)len / 2, "checksum" },
        { PREFIX, 0, "truncated" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_memdup2(good, len);
        if (cases[i].flip != 0)
            bytes[PREFIX + cases[i].flip] ^= 0x40;
        g_assert_cmpint(ftruncate(image, 0), ==, 0);
        g_assert_cmpint(pwrite(image, bytes, cases[i].cut != 0 ? (gsize)cases[i].cut : len, 0), >,
                        0);
        g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
        g_assert_cmpint(start_def(f, def, FALSE, image, NULL, &error), ==, -1);
        g_assert_error(error, HV_ERROR, HV_ERROR_IO);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_clear_error(&error);
        g_assert_cmpuint(free_kib(f), ==, all);
    }
    /* Another domain's image is refused; the good one still works. */
    g_autoptr(ConfDomain) stranger = make_def("stranger", 128, 2);
    g_assert_cmpint(pwrite(image, good, len, 0), ==, (gssize)len);
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    g_assert_cmpint(start_def(f, stranger, FALSE, image, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_clear_error(&error);
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    start_def(f, def, FALSE, image, NULL, &error);
    g_assert_no_error(error);
    close(image);
}

static void
test_save_fails(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    struct stat st;
    int image = image_fd(f, NULL);
    int domid = start_named(f, "one", 128);
    set_control(f, "[one]\nsave-fail-at=100000\n");
    g_assert_false(OPS->save(f->engine, domid, image, NULL, NULL, NULL, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "No space left"));
    g_assert_cmpint(fstat(image, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 100000);
    g_clear_error(&error);
    /* It runs on, and to resume it once more is nothing wrong. */
    HvEngineDomain row = row_of(f, domid);
    g_assert_true(!row.shutdown && !row.paused);
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));

    set_control(f, "[one]\nsave-fail-at=10\nresume-fail=no luck\n");
    g_assert_false(OPS->save(f->engine, domid, image, NULL, NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "still suspended (no luck)"));
    g_clear_error(&error);
    g_assert_cmpint(row_of(f, domid).shutdown_code, ==, 2);
    set_control(f, "");
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));
    g_assert_false(row_of(f, domid).shutdown);

    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    set_control(f, "[one]\nsave-write-ms=60000\n");
    GThread *thread = g_thread_new("cancel", cancel_thread, cancellable);
    g_assert_false(OPS->save(f->engine, domid, image, cancellable, NULL, NULL, &error));
    g_thread_join(thread);
    g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_false(row_of(f, domid).shutdown);
    /* A paused guest comes back paused. */
    g_assert_true(OPS->pause(f->engine, domid, &error));
    set_control(f, "");
    save_to(f, domid, image);
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));
    g_assert_true(row_of(f, domid).paused);
    g_assert_no_error(error);
    close(image);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/hv/sim/save/restore", NULL, test_save_restore);
    add("/hv/sim/save/damaged", NULL, test_save_damaged);
    add("/hv/sim/save/fails", NULL, test_save_fails);
    return g_test_run();
}
