/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two stream sockets, each copied to the other: a client's connection to a display server. In the
 * I/O thread; outlives the client that asked for it.
 *
 * One buffer a direction: what was read and not yet written keeps the source from being read. The
 * descriptors are watched with EPOLLONESHOT, as a stream's.
 */
#include "lvd-transport.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER    65536u
#define PUMPS_MAX 1000u

typedef struct End {
    LvdWatch watch;
    LvdPump *pump;
    struct End *other;
    gsize start, length; /* what was read here and has to go to the other */
    gboolean ended;      /* nothing more will be read here */
    gboolean told;       /* and the other knows */
    guint8 bytes[BUFFER];
} End;

struct LvdPump {
    LvdServer *server;
    End ends[2];
    gboolean over;
};

static void
free_post(gpointer pump)
{
    g_free(pump);
}

void
lvd_pump_close(LvdPump *pump)
{
    LvdServer *server = pump->server;

    if (pump->over)
        return;
    pump->over = TRUE;
    server->pumps = g_list_remove(server->pumps, pump);
    for (guint i = 0; i < G_N_ELEMENTS(pump->ends); i++) {
        int fd = pump->ends[i].watch.fd;

        lvd_loop_remove(server->loop, &pump->ends[i].watch);
        if (fd >= 0)
            close(fd);
    }
    lvd_loop_post(server->loop, free_post, pump);
}

static void
arm(End *end)
{
    guint32 events = 0;

    if (!end->ended && end->length == 0)
        events |= EPOLLIN;
    if (end->other->length > 0)
        events |= EPOLLOUT;
    if (events)
        lvd_loop_modify(end->pump->server->loop, &end->watch, events | EPOLLONESHOT);
}

/* FALSE: the connection is broken. */
static gboolean
fill(End *end)
{
    gssize n;

    if (end->ended || end->length > 0)
        return TRUE;
    n = recv(end->watch.fd, end->bytes, BUFFER, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    end->start = 0;
    end->length = (gsize)n;
    end->ended = n == 0;
    return TRUE;
}

static gboolean
drain(End *end)
{
    while (end->length > 0) {
        gssize n = send(end->other->watch.fd, end->bytes + end->start, end->length,
                        MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        end->start += (gsize)n;
        end->length -= (gsize)n;
    }
    if (end->ended && !end->told) {
        shutdown(end->other->watch.fd, SHUT_WR);
        end->told = TRUE;
    }
    return TRUE;
}

static void
end_ready(LvdWatch *watch, guint32 events)
{
    End *end = (End *)watch;
    LvdPump *pump = end->pump;
    gboolean ok = TRUE;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        ok = fill(end) && drain(end);
    if (ok && events & EPOLLOUT)
        ok = drain(end->other);
    if (!ok || (pump->ends[0].told && pump->ends[1].told)) {
        lvd_pump_close(pump);
        return;
    }
    arm(end);
    arm(end->other);
}

static void
start_post(gpointer data)
{
    LvdPump *pump = data;
    LvdServer *server = pump->server;

    server->pumps = g_list_prepend(server->pumps, pump);
    if (server->stopped || g_list_length(server->pumps) > PUMPS_MAX) {
        g_warning("a connection to a display was closed: %s",
                  server->stopped ? "the daemon stops" : "there are too many");
        lvd_pump_close(pump);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(pump->ends); i++) {
        LvdWatch *watch = &pump->ends[i].watch;
        int fd = watch->fd;

        if (!lvd_loop_add(server->loop, watch, fd, EPOLLIN | EPOLLONESHOT)) {
            g_warning("a connection to a display cannot be watched: %s", g_strerror(errno));
            close(fd); /* the watch has forgotten it */
            lvd_pump_close(pump);
            return;
        }
    }
}

void
lvd_pump_start(LvdServer *server, int a, int b)
{
    LvdPump *pump = g_new0(LvdPump, 1);
    const int fds[] = { a, b };

    pump->server = server;
    for (guint i = 0; i < G_N_ELEMENTS(pump->ends); i++) {
        pump->ends[i].watch = (LvdWatch){ .fd = fds[i], .ready = end_ready };
        pump->ends[i].pump = pump;
        pump->ends[i].other = &pump->ends[1 - i];
    }
    lvd_loop_post(server->loop, start_post, pump);
}
