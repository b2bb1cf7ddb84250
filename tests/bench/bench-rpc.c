/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a call costs, seen from a raw client. Prints numbers, asserts nothing about them.
 *
 * usage: bench-rpc [-c CONNECTIONS] [-p DEPTH] [-s SECONDS] [SOCKET]
 *
 * Measures connect + open + close, then connectGetLibVersion on CONNECTIONS connections with DEPTH
 * calls in flight on each. SOCKET is a running daemon's, of any that speaks the protocol. Without
 * it a server with empty procedures is started: the transport alone.
 */
#include "../unit/lvd/lvd-harness.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int n_connections = 1, depth = 1, seconds = 3;
static const GOptionEntry entries[] = {
    { "connections", 'c', 0, G_OPTION_ARG_INT, &n_connections, "Connections at a time", "N" },
    { "depth", 'p', 0, G_OPTION_ARG_INT, &depth, "Calls in flight on each", "N" },
    { "seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "How long each part lasts", "N" },
    { NULL }
};

static gint64
clock_ns(clockid_t clock)
{
    struct timespec t = { 0 };

    clock_gettime(clock, &t);
    return (gint64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static gint64
now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* CPU time of all threads of the process at the other end. */
static gint64
server_ns(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    clockid_t clock;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        clock_getcpuclockid(peer.pid, &clock) != 0)
        return 0;
    return clock_ns(clock);
}

static int
connect_and_open(const char *path)
{
    lvd_text uri = (char *)"xen:///system";
    lvd_connect_open_args args = { .name = &uri };
    LvdHeader header = { .prog = LVD_PROGRAM_REMOTE, .vers = LVD_VERSION, .proc = P_OPEN };
    guint8 message[256];
    gsize length;
    int fd = client_connect(path);

    g_assert_nonnull(lvd_frame_encode(&header, (xdrproc_t)xdr_lvd_connect_open_args, &args, message,
                                      sizeof(message), &length));
    client_write(fd, message, length);
    client_expect(fd, P_OPEN, LVD_REPLY, 0, LVD_OK);
    return fd;
}

static int
compare(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static void
report(const char *what, GArray *latencies, gint64 wall, gint64 cpu)
{
    guint n = latencies->len;

    if (n == 0)
        return;
    g_array_sort(latencies, compare);
    g_print("%-28s %8.0f /s   median %6.1f us   99 %% %7.1f us   server CPU %6.1f us\n", what,
            n * 1e9 / (double)wall, (double)g_array_index(latencies, gint64, n / 2) / 1000,
            (double)g_array_index(latencies, gint64, (guint)(n * 0.99)) / 1000,
            (double)cpu / n / 1000);
}

static void
bench_connect(const char *path, int watch)
{
    g_autoptr(GArray) latencies = g_array_new(FALSE, FALSE, sizeof(gint64));
    gint64 began = now_ns(), cpu = server_ns(watch);

    while (now_ns() - began < seconds * G_GINT64_CONSTANT(1000000000)) {
        gint64 start = now_ns(), took;
        int fd = connect_and_open(path);

        client_call(fd, P_CLOSE, 1);
        client_expect(fd, P_CLOSE, LVD_REPLY, 1, LVD_OK);
        client_expect_end(fd);
        close(fd);
        took = now_ns() - start;
        g_array_append_val(latencies, took);
    }
    report("connect + open + close", latencies, now_ns() - began, server_ns(watch) - cpu);
}

/* Sends `n` calls in one write. */
static void
send_calls(int fd, guint32 serial, guint n)
{
    g_autofree guint8 *bytes = g_malloc(n * LVD_LENGTH_MIN);

    for (guint i = 0; i < n; i++) {
        LvdHeader header = { LVD_LENGTH_MIN, LVD_PROGRAM_REMOTE, LVD_VERSION, P_VERSION,
                             LVD_CALL,       serial + i,         LVD_OK };

        lvd_header_write(&header, bytes + i * LVD_LENGTH_MIN);
    }
    client_write(fd, bytes, n * LVD_LENGTH_MIN);
}

/* A reply of getLibVersion is 36 bytes; what came is answered with as many new calls. */
static void
turn(int fd, gint64 *sent, gsize *partial, GArray *latencies)
{
    guint8 room[4096];
    gssize n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
    guint replies;
    gint64 took;

    if (n <= 0)
        return;
    replies = (guint)((*partial + (gsize)n) / 36);
    *partial = (*partial + (gsize)n) % 36;
    if (replies == 0)
        return;
    took = now_ns() - *sent;
    for (guint i = 0; i < replies; i++)
        g_array_append_val(latencies, took);
    *sent = now_ns();
    send_calls(fd, 0, replies);
}

static void
bench_calls(const char *path)
{
    g_autoptr(GArray) latencies = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autofree struct pollfd *fds = g_new0(struct pollfd, n_connections);
    g_autofree gint64 *sent = g_new0(gint64, n_connections);
    g_autofree gsize *partial = g_new0(gsize, n_connections);
    gint64 began, cpu;

    for (int i = 0; i < n_connections; i++)
        fds[i] = (struct pollfd){ .fd = connect_and_open(path), .events = POLLIN };
    began = now_ns();
    cpu = server_ns(fds[0].fd);
    for (int i = 0; i < n_connections; i++) {
        sent[i] = now_ns();
        send_calls(fds[i].fd, 0, (guint)depth);
    }
    while (now_ns() - began < seconds * G_GINT64_CONSTANT(1000000000)) {
        poll(fds, (nfds_t)n_connections, 1000);
        for (int i = 0; i < n_connections; i++) {
            if (fds[i].revents)
                turn(fds[i].fd, &sent[i], &partial[i], latencies);
        }
    }
    report("getLibVersion", latencies, now_ns() - began, server_ns(fds[0].fd) - cpu);
    for (int i = 0; i < n_connections; i++)
        close(fds[i].fd);
}

/* A child that serves until the returned descriptor is closed; its socket in *ret_path. */
static int
start_server(char **ret_path)
{
    int ends[2];
    char path[256] = { 0 };
    pid_t child;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        Harness *harness;
        g_autofree char *socket = NULL;

        close(ends[0]);
        harness = harness_new(NULL);
        socket = harness_path(harness, FALSE);
        client_write(ends[1], socket, strlen(socket));
        g_assert_cmpint(read(ends[1], path, 1), ==, 0);
        harness_free(harness);
        _exit(0);
    }
    close(ends[1]);
    g_assert_cmpint(read(ends[0], path, sizeof(path) - 1), >, 0);
    *ret_path = g_strdup(path);
    return ends[0];
}

int
main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("[SOCKET]");
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    int watch, child = -1;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || n_connections < 1 || depth < 1) {
        g_printerr("bench-rpc: %s\n", error ? error->message : "numbers must be positive");
        return 2;
    }
    if (argc > 1)
        path = g_strdup(argv[1]);
    else
        child = start_server(&path);
    watch = connect_and_open(path);
    bench_connect(path, watch);
    close(watch);
    bench_calls(path);
    if (child >= 0) {
        close(child);
        wait(NULL);
    }
    return 0;
}
