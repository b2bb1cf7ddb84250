/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-daemon.h"
#include "lvd-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- pid file ---- */

static gboolean
pid_file_failed(const char *what, const char *path, GError **error)
{
    int code = errno;
    const char *hint = code == EACCES && geteuid() != 0
                           ? "; be root, or keep all below a folder of yours with --root"
                           : "";

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "cannot %s the pid file %s: %s%s",
                what, path, g_strerror(code), hint);
    return FALSE;
}

static gboolean
taken_by_other(int fd, const char *path, GError **error)
{
    char holder[32] = { 0 };

    if (pread(fd, holder, sizeof(holder) - 1, 0) <= 0 || !g_ascii_isdigit(holder[0]))
        strcpy(holder, "unknown");
    g_strchomp(holder);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                "another xlvirtd is running (process id %s; it holds %s)", holder, path);
    return FALSE;
}

/* TRUE and *ret_fd < 0: the file went away while we waited for it, try again. */
static gboolean
try_take(const char *path, int *ret_fd, GError **error)
{
    /* Of the process, not of the open file: a child that the engine forks and that execs nothing
     * has our descriptors, and outlives a daemon that is killed. No one else here opens this file.
     */
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat opened, named;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    gboolean ok = TRUE;

    *ret_fd = -1;
    if (fd < 0)
        return pid_file_failed("open", path, error);
    if (fcntl(fd, F_SETLK, &lock) < 0)
        ok = errno == EAGAIN || errno == EACCES ? taken_by_other(fd, path, error)
                                                : pid_file_failed("lock", path, error);
    /* Its last holder may have removed it between our open and our lock. */
    else if (fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
             opened.st_dev == named.st_dev)
        *ret_fd = fd;
    if (*ret_fd < 0)
        close(fd);
    return ok;
}

gboolean
lvd_pid_file_take(LvdPidFile *file, const char *path, GError **error)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    int fd = -1;

    for (int i = 0; i < 10 && fd < 0; i++) {
        if (!try_take(path, &fd, error))
            return FALSE;
    }
    if (fd < 0) {
        errno = EAGAIN;
        return pid_file_failed("lock", path, error);
    }
    file->fd = fd;
    file->path = g_canonicalize_filename(path, NULL);
    if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) != (gssize)strlen(text))
        return pid_file_failed("write", path, error);
    return TRUE;
}

void
lvd_pid_file_release(LvdPidFile *file)
{
    if (file->fd >= 0) {
        unlink(file->path);
        close(file->fd);
    }
    file->fd = -1;
    g_clear_pointer(&file->path, g_free);
}

/* ---- background ---- */

/* One byte: ready. End of file without it: the child failed and has said why. */
static int
wait_for_child(int fd)
{
    char byte;
    gssize n;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static gboolean
fork_failed(const char *what)
{
    g_autofree char *text = g_strdup_printf("cannot go into the background: cannot %s: %s", what,
                                            g_strerror(errno));

    lvd_log_failure(text);
    return FALSE;
}

gboolean
lvd_parent_fork(LvdParent *parent, int *ret_status)
{
    int ends[2];
    pid_t child;

    *ret_status = EXIT_FAILURE;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fork_failed("make a pipe");
    child = fork();
    if (child < 0)
        return fork_failed("fork");
    if (child > 0) {
        close(ends[1]);
        *ret_status = wait_for_child(ends[0]);
        return FALSE;
    }
    close(ends[0]);
    parent->fd = ends[1];
    setsid();
    return TRUE;
}

static void
redirect(int to, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        return;
    dup2(fd, to); /* which is not close-on-exec */
    close(fd);
}

void
lvd_parent_tell(LvdParent *parent, const char *root)
{
    g_autofree char *dir = NULL;
    g_autofree char *log = NULL;

    if (parent->fd < 0)
        return;
    dir = g_strconcat(root, "/var/log/libvirt", NULL);
    log = g_build_filename(dir, "xlvirtd.log", NULL);
    g_mkdir_with_parents(dir, 0755);
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, "/dev/null", O_WRONLY);
    redirect(STDERR_FILENO, "/dev/null", O_WRONLY);
    redirect(STDERR_FILENO, log, O_WRONLY | O_APPEND | O_CREAT);
    if (chdir("/") < 0)
        g_warning("cannot change into /: %s", g_strerror(errno));
    if (write(parent->fd, "", 1) != 1)
        g_warning("cannot tell the parent process that we are ready: %s", g_strerror(errno));
    close(parent->fd);
    parent->fd = -1;
}
