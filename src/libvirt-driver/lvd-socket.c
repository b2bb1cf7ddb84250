/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3

static gboolean
set_errno(GError **error, const char *what, const char *path)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "cannot %s %s: %s", what, path,
                g_strerror(code));
    return FALSE;
}

static gboolean
fill_address(struct sockaddr_un *address, const char *path, GError **error)
{
    if (strlen(path) >= sizeof(address->sun_path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "the socket path %s is too long: %zu bytes, a socket takes at most %zu", path,
                    strlen(path), sizeof(address->sun_path) - 1);
        return FALSE;
    }
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, path);
    return TRUE;
}

/* A socket file outlives a daemon that was killed. Only connecting tells whether anyone listens. */
static gboolean
remove_stale(const struct sockaddr_un *address, GError **error)
{
    const char *path = address->sun_path;
    struct stat st;
    int fd, r;

    if (lstat(path, &st) < 0)
        return errno == ENOENT || set_errno(error, "look at", path);
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "%s is in the way: it exists and is not a socket", path);
        return FALSE;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return set_errno(error, "make a socket for", path);
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    if (r < 0)
        r = errno;
    close(fd);
    if (r == 0 || r == EAGAIN) { /* EAGAIN: it listens, and its queue is full */
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                    "another daemon already listens on %s", path);
        return FALSE;
    }
    if (r != ECONNREFUSED && r != ENOENT) {
        errno = r;
        return set_errno(error, "find out who listens on", path);
    }
    return unlink(path) == 0 || errno == ENOENT ||
           set_errno(error, "remove the stale socket", path);
}

/* GROUP is a name or a number. */
static gboolean
find_group(const char *group, gid_t *ret_gid, GError **error)
{
    g_autofree char *room = g_malloc(65536);
    struct group entry, *found = NULL;
    char *end = NULL;
    unsigned long number;

    if (getgrnam_r(group, &entry, room, 65536, &found) == 0 && found) {
        *ret_gid = entry.gr_gid;
        return TRUE;
    }
    number = strtoul(group, &end, 10);
    if (g_ascii_isdigit(group[0]) && !*end && number < G_MAXUINT32) {
        *ret_gid = (gid_t)number;
        return TRUE;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "unix_sock_group: there is no group \"%s\" on this host", group);
    return FALSE;
}

static gboolean
bind_and_listen(int fd, const struct sockaddr_un *address, unsigned mode, const char *group,
                unsigned backlog, GError **error)
{
    const char *path = address->sun_path;
    gid_t gid = 0;

    if (group && *group && !find_group(group, &gid, error))
        return FALSE;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return set_errno(error, "bind", path);
    /* Nobody can connect before listen(), so there is no moment with too wide a mode. */
    if (chmod(path, mode) < 0)
        return set_errno(error, "set the mode of", path);
    if (group && *group && chown(path, (uid_t)-1, gid) < 0)
        return set_errno(error, "set the group of", path);
    if (listen(fd, (int)MIN(backlog, G_MAXINT)) < 0)
        return set_errno(error, "listen on", path);
    return TRUE;
}

gboolean
lvd_socket_listen(LvdSocket *sock, unsigned mode, const char *group, unsigned backlog,
                  GError **error)
{
    struct sockaddr_un address;
    struct stat st;
    int fd;

    if (!fill_address(&address, sock->path, error) || !remove_stale(&address, error))
        return FALSE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return set_errno(error, "make a socket for", sock->path);
    if (!bind_and_listen(fd, &address, mode, group, backlog, error)) {
        close(fd);
        return FALSE;
    }
    if (stat(sock->path, &st) == 0) {
        sock->device = st.st_dev;
        sock->inode = st.st_ino;
    }
    sock->fd = fd;
    return TRUE;
}

void
lvd_socket_close(LvdSocket *sock)
{
    struct stat st;

    if (sock->fd >= 0) {
        /* Unlink first: who finds the file finds somebody listening. The file may be another
         * daemon's by now. */
        if (!sock->inherited && lstat(sock->path, &st) == 0 && st.st_dev == sock->device &&
            st.st_ino == sock->inode)
            unlink(sock->path);
        close(sock->fd);
    }
    sock->fd = -1;
    g_clear_pointer(&sock->path, g_free);
}

/* ---- systemd ---- */

/* The path of a listening UNIX stream socket, or NULL. */
static char *
listening_path(int fd)
{
    struct sockaddr_un address = { 0 };
    socklen_t size = sizeof(address);
    int type = 0, listens = 0;
    socklen_t int_size = sizeof(int);

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_family != AF_UNIX ||
        size <= offsetof(struct sockaddr_un, sun_path) || !address.sun_path[0] ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_size) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) < 0 || !listens)
        return NULL;
    return g_strndup(address.sun_path, size - offsetof(struct sockaddr_un, sun_path));
}

static void
take_inherited(LvdSocket *sockets, guint n_sockets, int fd)
{
    g_autofree char *path = listening_path(fd);

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    for (guint i = 0; path && i < n_sockets; i++) {
        LvdSocket *sock = &sockets[i];

        if (sock->fd < 0 && g_str_has_suffix(path, "-sock-ro") == sock->readonly &&
            !g_str_has_suffix(path, "-admin-sock")) {
            g_free(sock->path);
            sock->path = g_steal_pointer(&path);
            sock->fd = fd;
            sock->inherited = TRUE;
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            return;
        }
    }
    g_warning("systemd passed a socket that has no use here (%s): closed", path ? path : "unknown");
    close(fd);
}

int
lvd_socket_inherit(LvdSocket *sockets, guint n_sockets, GError **error)
{
    const char *pid = g_getenv("LISTEN_PID"), *count = g_getenv("LISTEN_FDS");
    guint64 number = 0;
    int taken = 0;

    if (!pid || !count || g_ascii_strtoull(pid, NULL, 10) != (guint64)getpid())
        return 0;
    if (!g_ascii_string_to_unsigned(count, 10, 0, 1024, &number, NULL)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "LISTEN_FDS is \"%s\": not a number of sockets", count);
        return -1;
    }
    for (int i = 0; i < (int)number; i++)
        take_inherited(sockets, n_sockets, LISTEN_FDS_START + i);
    /* Programs that we start must not think these are theirs. */
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    for (guint i = 0; i < n_sockets; i++)
        taken += sockets[i].inherited;
    return taken;
}

void
lvd_notify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    gsize length = path ? strlen(path) : 0;
    int fd;

    if (length < 2 || length >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@') /* abstract */
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        g_warning("cannot tell systemd \"%s\": %s", state, g_strerror(errno));
    close(fd);
}
