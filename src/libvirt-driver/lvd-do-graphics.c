/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's screen through the connection to us: for clients that cannot reach its own socket. */
#include "lvd-do.h"

#include <sys/socket.h>
#include <unistd.h>

static gboolean
is_stream_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

gboolean
lvd_do_domain_open_graphics(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_open_graphics_args *a = args;
    int server = -1;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (lvd_call_n_fds(call) != 1 || !is_stream_socket(lvd_call_fd(call, 0))) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "virDomainOpenGraphics takes one descriptor, of a stream socket");
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain || !hv_domain_open_graphics(domain, a->idx, lvd_call_fd(call, 0),
                                            (a->flags & VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH) != 0,
                                            &server, error))
        return FALSE;
    if (server >= 0)
        lvd_call_join(call, lvd_call_steal_fd(call, 0), server);
    return TRUE;
}

gboolean
lvd_do_domain_open_graphics_fd(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_open_graphics_fd_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    int fd = domain
                 ? hv_domain_open_graphics_fd(
                       domain, a->idx, (a->flags & VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH) != 0, error)
                 : -1;
    if (fd < 0)
        return FALSE;
    lvd_call_return_fd(call, fd);
    return TRUE;
}
