/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs another program and waits for it, for as long as the caller likes.
 *
 * Between us and the program stands a process of ours, the guard, which leads the group that the
 * program and its children are in. It does nothing but wait: when we end, however we end, it kills
 * the group. So whoever comes after a daemon that was killed does not find its programs at work.
 */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX     4096 /* of stderr, for a message */
#define KILL_MS      2000 /* after SIGTERM */
#define TICK_MS      100  /* while its end is under way */
#define BLIND_MS     20   /* where the kernel does not tell of its end */
#define LEFT_MAX     (1 << 20)
#define DAEMON_ENDED SIGUSR1

/* Why it is to end before it is done. */
typedef enum { GOING_ON, CANCELLED, TOO_LATE, TOO_LONG } Verdict;

typedef struct Child {
    const HvRun *run;
    pid_t guard;
    int end;      /* readable once the guard has ended; -1: not told */
    int out, err; /* -1: nobody reads it, or it was closed */
    GString *output, *said;
    int status;
    Verdict verdict;
    gint64 since_us;     /* monotonic; of the start, then of the verdict, then of SIGTERM */
    gboolean terminated; /* SIGTERM was sent */
} Child;

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
child_clear(Child *child)
{
    close_fd(&child->end);
    close_fd(&child->out);
    close_fd(&child->err);
    g_string_free(child->output, TRUE);
    g_string_free(child->said, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Child, child_clear)

/* ---- the guard; a child of a process with threads: system calls only ---- */

static void
guard_until_end(pid_t program)
{
    sigset_t wanted;
    int number, status;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, DAEMON_ENDED);
    for (;;) {
        if (sigwait(&wanted, &number) == 0 && number == DAEMON_ENDED)
            kill(0, SIGKILL);
        /* As a shell tells of it. */
        if (waitpid(program, &status, WNOHANG) == program)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
}

/* Returns in the program's process only. `data`: the daemon's id. */
static void
stand_guard(gpointer data)
{
    sigset_t all, none;
    pid_t guard, program;

    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGXFSZ, SIG_DFL); /* the daemon ignores it; GLib has seen to SIGPIPE */
    setsid();
    prctl(PR_SET_PDEATHSIG, DAEMON_ENDED);
    guard = getpid();
    program = getppid() == *(const pid_t *)data ? fork() : -1;
    if (program < 0)
        _exit(126);
    if (program > 0) {
        prctl(PR_SET_NAME, "xlvirt-guard");
        /* The pipes, the daemon's sockets, and what GLib waits at until the program is there. */
        closefrom(0);
        guard_until_end(program);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard)
        _exit(126);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- begin ---- */

/* A file in memory, and no pipe: of any size, and nobody has to wait until it is read. */
static int
make_input(const char *text, GError **error)
{
    int fd;

    if (!text)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0) {
        hv_set_io_error(error, errno, "make a file in", "memory");
        return -1;
    }
    if (hv_write_all(fd, text, strlen(text), "stdin", error) && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Our end does not block: what a child of the program keeps open must not keep us. */
static gboolean
make_pipe(int *ret_ours, int *ret_theirs, GError **error)
{
    int ends[2];

    if (!g_unix_open_pipe(ends, FD_CLOEXEC, error))
        return FALSE;
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return g_unix_set_fd_nonblocking(*ret_ours, TRUE, error);
}

static int
watch_end(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    return -1;
#endif
}

static gboolean
spawn(Child *child, int input, int out, int err, GError **error)
{
    const HvRun *run = child->run;
    GSpawnFlags how = G_SPAWN_DO_NOT_REAP_CHILD | (run->envp ? 0 : G_SPAWN_SEARCH_PATH) |
                      (out < 0 ? G_SPAWN_STDOUT_TO_DEV_NULL : 0);
    pid_t daemon = getpid();

    /* It is waited for by its id: GLib's own way would take SIGCHLD, which is libxl's. */
    if (!g_spawn_async_with_fds(NULL, (char **)run->argv, (char **)run->envp, how, stand_guard,
                                &daemon, &child->guard, input, out, err, error))
        return FALSE;
    child->end = watch_end(child->guard);
    return TRUE;
}

static gboolean
begin(Child *child, GError **error)
{
    int input = make_input(child->run->input, error), out = -1, err = -1;
    gboolean ok = input >= 0 && make_pipe(&child->err, &err, error) &&
                  (child->run->output_max == 0 || make_pipe(&child->out, &out, error)) &&
                  spawn(child, input, out, err, error);

    close_fd(&input);
    close_fd(&out);
    close_fd(&err);
    return ok;
}

/* ---- while it runs ---- */

static void
judge(Child *child, Verdict verdict)
{
    if (child->verdict != GOING_ON)
        return;
    child->verdict = verdict;
    child->since_us = g_get_monotonic_time();
}

/* What is there. The first `most` bytes are kept, the rest is thrown away. TRUE: there was more. */
static gboolean
take(int *fd, GString *text, gsize most)
{
    char chunk[16384];
    gboolean more = FALSE;

    for (gsize left = LEFT_MAX; *fd >= 0 && left > 0;) {
        ssize_t n = read(*fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            close_fd(fd);
            break;
        }
        more |= (gsize)n > most - text->len;
        g_string_append_len(text, chunk, (gssize)MIN((gsize)n, most - text->len));
        left -= MIN((gsize)n, left);
    }
    return more;
}

static void
listen_to(Child *child)
{
    if (take(&child->out, child->output, child->run->output_max))
        judge(child, TOO_LONG);
    take(&child->err, child->said, SAID_MAX);
}

static gint64
waited_ms(const Child *child)
{
    return (g_get_monotonic_time() - child->since_us) / 1000;
}

static guint
grace_ms(const Child *child)
{
    const HvRun *run = child->run;

    if (child->verdict != CANCELLED || (run->hurry && g_atomic_int_get(run->hurry)))
        return 0;
    return run->grace_ms;
}

static void
send(const Child *child, int number)
{
    kill(-child->guard, number);
}

/* Towards its end, step by step. */
static void
press(Child *child)
{
    const HvRun *run = child->run;

    if (g_cancellable_is_cancelled(run->cancellable))
        judge(child, CANCELLED);
    else if (run->limit_ms > 0 && waited_ms(child) >= run->limit_ms)
        judge(child, TOO_LATE);
    if (child->verdict == GOING_ON)
        return;
    if (child->terminated && waited_ms(child) >= KILL_MS) {
        send(child, SIGKILL);
    } else if (!child->terminated && waited_ms(child) >= grace_ms(child)) {
        child->terminated = TRUE;
        child->since_us = g_get_monotonic_time();
        send(child, SIGTERM);
    }
}

static int
tick_ms(const Child *child)
{
    if (child->end < 0)
        return BLIND_MS;
    if (child->verdict != GOING_ON)
        return TICK_MS;
    if (child->run->limit_ms == 0)
        return -1;
    return (int)MAX(child->run->limit_ms - waited_ms(child), 1);
}

/* It stays a zombie, so that its id, which is the group's, goes to nobody else. */
static gboolean
has_ended(const Child *child)
{
    siginfo_t info = { .si_pid = 0 };
    int r = waitid(P_PID, (id_t)child->guard, &info, WEXITED | WNOHANG | WNOWAIT);

    return r == 0 ? info.si_pid != 0 : errno != EINTR;
}

static void
reap(Child *child)
{
    /* Children that did not end with the program. */
    if (child->terminated)
        send(child, SIGKILL);
    while (waitpid(child->guard, &child->status, 0) < 0 && errno == EINTR)
        continue;
}

static void
await_end(Child *child)
{
    GCancellable *cancellable = child->run->cancellable;
    GPollFD cancel = { .fd = -1 };
    gboolean has_fd = cancellable && g_cancellable_make_pollfd(cancellable, &cancel);

    while (!has_ended(child)) {
        struct pollfd fds[] = {
            { .fd = child->end, .events = POLLIN },
            { .fd = child->out, .events = POLLIN },
            { .fd = child->err, .events = POLLIN },
            { .fd = child->verdict == GOING_ON ? cancel.fd : -1, .events = POLLIN },
        };

        poll(fds, G_N_ELEMENTS(fds), tick_ms(child));
        listen_to(child);
        press(child);
    }
    reap(child);
    listen_to(child);
    if (has_fd)
        g_cancellable_release_fd(cancellable);
}

/* ---- what became of it ---- */

static gboolean
conclude(Child *child, char **ret_output, GError **error)
{
    const char *said = g_strstrip(child->said->str);

    /* It may have come to its end by itself meanwhile. */
    if (child->verdict == CANCELLED && child->terminated)
        return hv_refuse(error, HV_ERROR_CANCELLED, "ended before it was done");
    if (child->verdict == TOO_LATE)
        return hv_refuse(error, HV_ERROR_TIMEOUT, "not done after %u s, ended",
                         child->run->limit_ms / 1000);
    if (child->verdict == TOO_LONG)
        return hv_refuse(error, HV_ERROR_IO, "it writes more than %" G_GSIZE_FORMAT " bytes",
                         child->run->output_max);
    if (!WIFEXITED(child->status) || WEXITSTATUS(child->status) != 0)
        return hv_refuse(error, HV_ERROR_IO, "exit status %d%s%s",
                         WIFEXITED(child->status) ? WEXITSTATUS(child->status)
                                                  : 128 + WTERMSIG(child->status),
                         *said ? ": " : "", said);
    if (ret_output)
        *ret_output = g_strndup(child->output->str, child->output->len);
    return TRUE;
}

/* A program that cannot be executed is one thing, a host that is short of something another. Takes
 * `cause` over. */
static void
tell_why(const HvRun *run, GError *cause, GError **error)
{
    g_autoptr(GError) owned = cause;

    if (cause->domain == G_SPAWN_ERROR && cause->code != G_SPAWN_ERROR_FORK)
        g_propagate_error(error, g_steal_pointer(&owned));
    else
        hv_refuse(error, HV_ERROR_INTERNAL, "cannot run '%s': %s", run->argv[0], cause->message);
}

gboolean
hv_run(const HvRun *run, char **ret_output, GError **error)
{
    g_auto(Child) child = {
        .run = run,
        .end = -1,
        .out = -1,
        .err = -1,
        .output = g_string_new(NULL),
        .said = g_string_new(NULL),
        .since_us = g_get_monotonic_time(),
    };
    g_autoptr(GError) local = NULL;

    if (!begin(&child, &local)) {
        tell_why(run, g_steal_pointer(&local), error);
        return FALSE;
    }
    await_end(&child);
    return conclude(&child, ret_output, error);
}
