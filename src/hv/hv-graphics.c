/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways to a guest's screen for a client that cannot reach where its display server listens. */
#include "hv-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_SECONDS 5

/* ---- who looks at it ---- */

HvGraphicsClient *
hv_graphics_client_new(void)
{
    return g_atomic_rc_box_new0(HvGraphicsClient);
}

HvGraphicsClient *
hv_graphics_client_ref(HvGraphicsClient *client)
{
    return g_atomic_rc_box_acquire(client);
}

static void
client_clear(gpointer data)
{
    HvGraphicsClient *client = data;

    g_free(client->local.node);
    g_free(client->local.service);
    g_free(client->remote.node);
    g_free(client->remote.service);
    g_free(client->auth);
    g_free(client->x509_name);
    g_free(client->sasl_user);
}

void
hv_graphics_client_unref(HvGraphicsClient *client)
{
    g_atomic_rc_box_release_full(client, client_clear);
}

/* ---- a new one ---- */

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

typedef union Address {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

static gboolean
find_address(const ConfGraphics *graphics, Address *ret_address, GError **error)
{
    const char *path = socket_path(graphics), *host = host_address(graphics);

    memset(ret_address, 0, sizeof(*ret_address));
    if (path) {
        ret_address->any.sa_family = AF_UNIX;
        if (g_strlcpy(ret_address->local.sun_path, path, sizeof(ret_address->local.sun_path)) <
            sizeof(ret_address->local.sun_path))
            return TRUE;
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "the socket path '%s' is too long",
                    path);
        return FALSE;
    }
    if (!graphics->port.set || graphics->port.value <= 0 || graphics->port.value > G_MAXUINT16) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                            "opening graphics that listen nowhere");
        return FALSE;
    }
    /* Numbers only: a name server that hangs would hang the call. */
    ret_address->v4.sin_port = htons((guint16)graphics->port.value);
    ret_address->any.sa_family = AF_INET;
    if (inet_pton(AF_INET, host, &ret_address->v4.sin_addr) == 1)
        return TRUE;
    ret_address->any.sa_family = AF_INET6; /* its port is in the same place */
    if (inet_pton(AF_INET6, host, &ret_address->v6.sin6_addr) == 1)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "opening graphics that listen on '%s', which is not an address in numbers", host);
    return FALSE;
}

static socklen_t
address_size(const Address *address)
{
    return address->any.sa_family == AF_UNIX   ? sizeof(address->local)
           : address->any.sa_family == AF_INET ? sizeof(address->v4)
                                               : sizeof(address->v6);
}

static int
connect_to(const ConfGraphics *graphics, GError **error)
{
    const struct timeval patience = { .tv_sec = CONNECT_SECONDS };
    Address address;
    int fd;

    if (!find_address(graphics, &address, error))
        return -1;
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* It holds for connect(), too; what is copied later waits for nothing. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, &address.any, address_size(&address)) == 0)
        return fd;
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot connect to the %s server: %s",
                graphics->type, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
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
