/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who holds the pid file, and for how long. Each holder is a process, as it is with daemons. */
#include "libvirt-driver/lvd-daemon.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fixture {
    char *folder, *path;
    int end; /* closed: children of a holder end */
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    f->folder = g_dir_make_tmp("pid-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "pid", NULL);
    f->end = -1;
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    if (f->end >= 0)
        close(f->end);
    g_unlink(f->path);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->path);
    g_free(f->folder);
}

/* A process that has taken the file, with a child that has what it has and lives until f->end is
 * closed. */
static pid_t
start_holder(Fixture *f)
{
    int ready[2], end[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe(ready), ==, 0);
    g_assert_cmpint(pipe(end), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        LvdPidFile file = LVD_PID_FILE_INIT;

        close(end[1]);
        if (!lvd_pid_file_take(&file, f->path, NULL))
            _exit(1);
        if (fork() == 0)
            _exit(write(ready[1], "", 1) == 1 && read(end[0], &byte, 1) == 0 ? 0 : 1);
        pause();
        _exit(1);
    }
    close(ready[1]);
    close(end[0]);
    f->end = end[1];
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
    return pid;
}

static void
end_holder(pid_t pid)
{
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void
test_held(Fixture *f, gconstpointer unused)
{
    LvdPidFile file = LVD_PID_FILE_INIT;
    g_autoptr(GError) error = NULL;
    pid_t pid = start_holder(f);
    g_autofree char *said = g_strdup_printf("process id %d;", (int)pid);

    g_assert_false(lvd_pid_file_take(&file, f->path, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, said));
    end_holder(pid);
}

/* What a killed daemon has forked does not keep the next one from starting. */
static void
test_child_lives(Fixture *f, gconstpointer unused)
{
    LvdPidFile file = LVD_PID_FILE_INIT;
    g_autoptr(GError) error = NULL;

    end_holder(start_holder(f));
    lvd_pid_file_take(&file, f->path, &error);
    g_assert_no_error(error);
    lvd_pid_file_release(&file);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/lvd/pid-file/held", Fixture, NULL, set_up, test_held, tear_down);
    g_test_add("/lvd/pid-file/child-lives", Fixture, NULL, set_up, test_child_lives, tear_down);
    return g_test_run();
}
