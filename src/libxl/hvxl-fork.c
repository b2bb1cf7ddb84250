/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between fork() and the probe's end the child runs with whatever locks it has inherited: no GLib.
 */
#include "hvxl-fork.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xencall.h>

#define TRIES       6
#define PATIENCE_MS 300

/* TRUE if a byte came. -1 waits for ever. */
static int
receive(int fd, int timeout_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    char byte;
    ssize_t n;

    while ((n = poll(&poll_fd, 1, timeout_ms)) < 0 && errno == EINTR)
        continue;
    if (n <= 0)
        return 0;
    while ((n = recv(fd, &byte, 1, 0)) < 0 && errno == EINTR)
        continue;
    return n == 1;
}

static int
tell(int fd)
{
    ssize_t n;

    while ((n = send(fd, "", 1, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        continue;
    return n == 1;
}

/* The child goes on only when its parent says so: no child works that its parent gives up. */
static void
pass_probe(void (*probe)(void), int fd)
{
    probe();
    if (!tell(fd) || !receive(fd, -1))
        _exit(255);
    close(fd);
}

static void
end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* -1: the reason is in errno; EAGAIN: the child hung. */
static pid_t
fork_once(void (*probe)(void), int patience_ms)
{
    int fds[2], error = 0;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        pass_probe(probe, fds[1]);
        return 0;
    }
    if (pid < 0)
        error = errno;
    close(fds[1]);
    if (pid > 0 && !(receive(fds[0], patience_ms) && tell(fds[0]))) {
        end_child(pid);
        error = EAGAIN;
    }
    close(fds[0]);
    errno = error;
    return error ? -1 : pid;
}

pid_t
hvxl_fork_probed(void (*probe)(void), int patience_ms)
{
    pid_t pid = -1;

    errno = EAGAIN;
    for (int i = 0; pid < 0 && errno == EAGAIN && i < TRIES; i++)
        pid = fork_once(probe, patience_ms << i);
    return pid;
}

/* Takes each lock that the libraries share between handles. */
static void
touch_xen(void)
{
    xencall_handle *xen = xencall_open(NULL, 0);
    void *page;

    if (!xen)
        return; /* then libxl's child fails, and says why */
    page = xencall_alloc_buffer_pages(xen, 1);
    if (page)
        xencall_free_buffer_pages(xen, page, 1);
    xencall_close(xen);
}

pid_t
hvxl_fork(void *user)
{
    const int *fd = user;
    pid_t pid = hvxl_fork_probed(touch_xen, PATIENCE_MS);

    if (pid == 0 && *fd >= 0)
        close(*fd);
    return pid;
}
