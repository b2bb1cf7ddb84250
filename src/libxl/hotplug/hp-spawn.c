/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define MAX_VARIABLES 256 /* of a daemon's environment; what is beyond goes */

/* Ours, with PATH and the extra ones in place of what has their names. */
static const char **
make_environment(const HpSpawn *spawn, const char *path_variable)
{
    const char **result = calloc(MAX_VARIABLES + 1, sizeof *result);
    size_t n = 0, own;
    if (!result)
        abort();
    result[n++] = path_variable;
    for (const char *const *e = spawn->extra; e && *e && n < MAX_VARIABLES; e++)
        result[n++] = *e;
    own = n;
    for (char **e = environ; e && *e && n < MAX_VARIABLES; e++) {
        bool ours = false;
        for (size_t i = 0; i < own; i++)
            ours |= strncmp(*e, result[i], strcspn(result[i], "=") + 1) == 0;
        if (!ours)
            result[n++] = *e;
    }
    return result;
}

static long
left_ms(const struct timespec *until)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (until->tv_sec - now.tv_sec) * 1000 + (until->tv_nsec - now.tv_nsec) / 1000000;
    return ms > 0 ? ms : 0;
}

/* Reads to the end, keeps the beginning. False: time is up. */
static bool
read_output(int fd, HpSpawn *spawn, const struct timespec *until)
{
    size_t length = 0;
    char waste[256];
    for (;;) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        int r = poll(&poller, 1, (int)left_ms(until));
        if (r == 0)
            return false;
        if (r < 0 && errno != EINTR)
            return true;
        if (r < 0)
            continue;
        size_t room = sizeof spawn->output - 1 - length;
        ssize_t n = room ? read(fd, spawn->output + length, room) : read(fd, waste, sizeof waste);
        if (n <= 0)
            return true;
        length += room ? (size_t)n : 0;
        spawn->output[length] = 0;
    }
}

/* A program may leave its stderr to a daemon of its own, so its end is asked for, too. */
static bool
wait_for_end(pid_t pid, int *ret_status, const struct timespec *until)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    for (;;) {
        pid_t r = waitpid(pid, ret_status, WNOHANG);
        if (r == pid || (r < 0 && errno != EINTR))
            return r == pid;
        if (left_ms(until) == 0)
            return false;
        nanosleep(&pause, NULL);
    }
}

/* posix_spawnp() would look in our own PATH. */
static bool
find_program(const HpSpawn *spawn, char *ret, size_t size)
{
    for (const char *folder = spawn->path; folder; folder = strchr(folder, ':')) {
        folder += *folder == ':';
        int n = snprintf(ret, size, "%.*s/%s", (int)strcspn(folder, ":"), folder, spawn->argv[0]);
        if (n > 0 && (size_t)n < size && access(ret, X_OK) == 0)
            return true;
    }
    return false;
}

static int
start(const HpSpawn *spawn, int in, int err, pid_t *ret_pid)
{
    char file[512];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    char path_variable[1024];
    if (!find_program(spawn, file, sizeof file))
        return ENOENT;
    snprintf(path_variable, sizeof path_variable, "PATH=%s", spawn->path);
    HP_AUTO_FREE const char **environment = make_environment(spawn, path_variable);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    int r = posix_spawn(ret_pid, file, &actions, &attributes, (char *const *)spawn->argv,
                        (char *const *)environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* A pipe takes 64 KiB without a reader, so nothing waits here. */
static bool
make_input(const char *input, int *ret_fd)
{
    int ends[2];
    if (!input)
        return true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    bool ok = fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 &&
              write(ends[1], input, strlen(input)) == (ssize_t)strlen(input);
    close(ends[1]);
    *ret_fd = ends[0];
    return ok;
}

int
hp_spawn(HpSpawn *spawn, HpError *error)
{
    const char *name = spawn->argv[0];
    HP_AUTO_CLOSE int in = -1;
    int ends[2];
    struct timespec until;
    pid_t pid;
    spawn->output[0] = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += spawn->timeout_s;
    if (!make_input(spawn->input, &in) || pipe2(ends, O_CLOEXEC) < 0)
        return hp_fail(error, "cannot make a pipe to %s: %s", name, strerror(errno)), -1;
    int r = start(spawn, in, ends[1], &pid);
    close(ends[1]);
    if (r != 0) {
        close(ends[0]);
        return hp_fail(error, "cannot run %s: %s; is it installed in %s?", name, strerror(r),
                       spawn->path),
               -1;
    }
    int status = 0;
    bool in_time = read_output(ends[0], spawn, &until) && wait_for_end(pid, &status, &until);
    close(ends[0]);
    if (!in_time) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return hp_fail(error, "%s took longer than %u s and was ended", name, spawn->timeout_s), -1;
    }
    if (!WIFEXITED(status))
        return hp_fail(error, "%s was ended by signal %d", name, WTERMSIG(status)), -1;
    return WEXITSTATUS(status);
}
