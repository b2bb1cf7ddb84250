/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways to a guest's screen for a client that cannot reach where its display server listens. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_SECONDS 5

static const ConfGraphics *
find_graphics(const HvView *now, guint index, GError **error)
{
    const ConfGraphics *graphics;

    if (index >= now->live->graphics->len) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "domain '%s' has no graphics of number %u", now->name, index);
        return NULL;
    }
    graphics = g_ptr_array_index(now->live->graphics, index);
    if (g_strcmp0(graphics->type, "vnc") == 0 || g_strcmp0(graphics->type, "spice") == 0)
        return graphics;
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "opening graphics of type '%s': only vnc and spice have a server", graphics->type);
    return NULL;
}

/* ---- by its address ---- */

static const char *
socket_path(const ConfGraphics *graphics)
{
    if (graphics->socket)
        return graphics->socket;
    for (guint i = 0; i < graphics->listens->len; i++) {
        const ConfListen *listen = g_ptr_array_index(graphics->listens, i);

        if (listen->socket)
            return listen->socket;
    }
    return NULL;
}

static const char *
host_address(const ConfGraphics *graphics)
{
    const char *address = graphics->listen;

    for (guint i = 0; !address && i < graphics->listens->len; i++)
        address = ((const ConfListen *)g_ptr_array_index(graphics->listens, i))->address;
    /* What listens everywhere listens here. */
    if (!address || !*address || g_str_equal(address, "localhost") ||
        g_str_equal(address, "0.0.0.0"))
        return "127.0.0.1";
    return g_str_equal(address, "::") ? "::1" : address;
}

static GSocketAddress *
find_address(const ConfGraphics *graphics, GError **error)
{
    const char *path = socket_path(graphics);
    GSocketAddress *address;

    if (path)
        return g_unix_socket_address_new(path);
    if (!graphics->port.set || graphics->port.value <= 0 || graphics->port.value > G_MAXUINT16) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                            "opening graphics that listen nowhere");
        return NULL;
    }
    /* Numbers only: a name server that hangs would hang the call. */
    address = g_inet_socket_address_new_from_string(host_address(graphics),
                                                    (guint)graphics->port.value);
    if (!address)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "opening graphics that listen on '%s', which is not an address in numbers",
                    host_address(graphics));
    return address;
}

static int
connect_to(const ConfGraphics *graphics, GError **error)
{
    g_autoptr(GSocketAddress) address = find_address(graphics, error);
    g_autoptr(GSocket) connection = NULL;
    g_autoptr(GError) reason = NULL;
    int fd = -1;

    if (!address)
        return -1;
    connection = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
                              G_SOCKET_PROTOCOL_DEFAULT, &reason);
    if (connection) {
        g_socket_set_timeout(connection, CONNECT_SECONDS);
        if (g_socket_connect(connection, address, NULL, &reason))
            fd = fcntl(g_socket_get_fd(connection), F_DUPFD_CLOEXEC, 0);
    }
    if (fd < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot connect to the %s server: %s",
                    graphics->type, reason ? reason->message : g_strerror(errno));
    return fd;
}

/* ---- by the engine ---- */

/* FALSE and UNSUPPORTED: it has no such way. */
static gboolean
hand_over(HvHost *host, const HvView *now, const ConfGraphics *graphics, int fd, gboolean skip_auth,
          GError **error)
{
    gboolean ok;

    if (!host->ops->add_graphics_client) {
        hv_set_unsupported(error, host, "handing a connection to a display server");
        return FALSE;
    }
    if (!hv_host_enter_engine(host, error))
        return FALSE;
    ok = host->ops->add_graphics_client(host->engine, now->domid, graphics, fd, skip_auth, error);
    hv_host_leave_engine(host);
    return ok;
}

/* ---- both ---- */

/* The view is held by the caller: the graphics are in it. */
static const ConfGraphics *
begin(const HvView *now, guint index, GError **error)
{
    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW ||
        !hv_control_domain_spare(now, error))
        return NULL;
    return find_graphics(now, index, error);
}

gboolean
hv_domain_open_graphics(HvDomain *domain, guint index, int fd, gboolean skip_auth, int *ret_server,
                        GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfGraphics *graphics = begin(now, index, error);
    g_autoptr(GError) reason = NULL;
    int server = -1;

    if (!graphics)
        return FALSE;
    if (!hand_over(domain->host, now, graphics, fd, skip_auth, &reason)) {
        if (!g_error_matches(reason, HV_ERROR, HV_ERROR_UNSUPPORTED)) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
        server = connect_to(graphics, error);
        if (server < 0)
            return FALSE;
    }
    *ret_server = server;
    return TRUE;
}

int
hv_domain_open_graphics_fd(HvDomain *domain, guint index, gboolean skip_auth, GError **error)
{
    int pair[2], server = -1;
    gboolean ok;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot make a pair of sockets: %s",
                    g_strerror(errno));
        return -1;
    }
    ok = hv_domain_open_graphics(domain, index, pair[0], skip_auth, &server, error);
    close(pair[0]);
    if (ok && server < 0)
        return pair[1];
    close(pair[1]);
    return ok ? server : -1;
}
