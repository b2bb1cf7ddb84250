/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libxl/hvxl-fork.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static gint
    *shared; /* atomic, in memory that children share: probes that began; what `limit` says */

static int
status_of(pid_t pid)
{
    int status = -1;

    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
probe_well(void)
{
    g_atomic_int_inc(&shared[0]);
}

/* Hangs until `shared[1]` of them have begun. */
static void
probe_hanging(void)
{
    if (g_atomic_int_add(&shared[0], 1) + 1 < shared[1])
        for (;;)
            pause();
}

static void
test_well(void)
{
    pid_t pid;

    shared[0] = 0;
    pid = hvxl_fork_probed(probe_well, 60000);
    if (pid == 0)
        _exit(17);
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(status_of(pid), ==, 17);
    g_assert_cmpint(g_atomic_int_get(&shared[0]), ==, 1);
}

/* Children that hang are gone, and exactly one goes on. */
static void
test_again(void)
{
    pid_t pid;

    shared[0] = 0;
    shared[1] = 3;
    pid = hvxl_fork_probed(probe_hanging, 500);
    if (pid == 0)
        _exit(18);
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(status_of(pid), ==, 18);
    g_assert_cmpint(g_atomic_int_get(&shared[0]), >=, 3);
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
}

static void
test_never(void)
{
    pid_t pid;
    int error;

    shared[0] = 0;
    shared[1] = G_MAXINT;
    pid = hvxl_fork_probed(probe_hanging, 1);
    error = errno;
    if (pid == 0)
        _exit(19);
    g_assert_cmpint(pid, ==, -1);
    g_assert_cmpint(error, ==, EAGAIN);
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
}

/* A child that outlives its parent does not keep the parent's lock. */
static void
test_descriptor(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("forkXXXXXX", &path, NULL), again;
    pid_t pid;

    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
    g_atomic_int_set(&shared[0], 0);
    pid = hvxl_fork(&fd);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        g_atomic_int_set(&shared[0], 1);
        for (;;)
            pause();
    }
    g_assert_cmpint(pid, >, 0);
    while (g_atomic_int_get(&shared[0]) != 1)
        g_usleep(1000);
    close(fd);
    again = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(flock(again, LOCK_EX | LOCK_NB), ==, 0);
    close(again);
    unlink(path);
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    fd = -1;
    pid = hvxl_fork(&fd);
    if (pid == 0)
        _exit(21);
    g_assert_cmpint(status_of(pid), ==, 21);
}

/* What it is for: another thread holds a lock of the process now and then. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gint stopping; /* atomic */

static void
spin(int turns)
{
    for (volatile int i = 0; i < turns; i++)
        continue;
}

/* Held for a tenth of the time. */
static gpointer
use_lock(gpointer data)
{
    while (!g_atomic_int_get(&stopping)) {
        pthread_mutex_lock(&lock);
        spin(2000);
        pthread_mutex_unlock(&lock);
        spin(18000);
    }
    return NULL;
}

static void
probe_lock(void)
{
    g_atomic_int_inc(&shared[0]);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

static void
test_lock(void)
{
    GThread *thread = g_thread_new("user", use_lock, NULL);

    shared[0] = 0;
    /* Until it has happened: a child was forked with the lock held. */
    for (int n = 1; n < 2000 && g_atomic_int_get(&shared[0]) < n; n++) {
        pid_t pid = hvxl_fork_probed(probe_lock, 200);

        if (pid == 0) {
            pthread_mutex_lock(&lock);
            _exit(20);
        }
        g_assert_cmpint(pid, >, 0);
        g_assert_cmpint(status_of(pid), ==, 20);
    }
    g_atomic_int_set(&stopping, TRUE);
    g_thread_join(thread);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(shared != MAP_FAILED);
    g_test_add_func("/hvxl/fork/well", test_well);
    g_test_add_func("/hvxl/fork/again", test_again);
    g_test_add_func("/hvxl/fork/never", test_never);
    g_test_add_func("/hvxl/fork/descriptor", test_descriptor);
    g_test_add_func("/hvxl/fork/lock", test_lock);
    return g_test_run();
}
