/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-transport.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH  32 /* connections a turn: existing clients are served in between */
#define RETRY_SECONDS 1
/* At the limit each connection that ends lets one in, and the house is full again. */
#define COMPLAIN_SECONDS 60

static const char *const socket_names[] = { "virtxend-sock", "virtxend-sock-ro" };

/* ---- accept ---- */

static gboolean
has_room(const LvdListener *listener)
{
    const LvdServer *server = listener->server;

    return !server->retry && g_hash_table_size(server->clients) < server->config->max_clients &&
           (guint)g_atomic_int_get(&listener->anonymous) < server->config->max_anonymous_clients;
}

/* Who comes while the house is full waits in the socket's own queue. */
static void
update_listener(LvdListener *listener)
{
    gboolean accepting = has_room(listener);
    gint64 now;

    if (listener->socket.fd < 0 || listener->accepting == accepting)
        return;
    listener->accepting = accepting;
    now = g_get_monotonic_time();
    lvd_loop_modify(listener->server->loop, &listener->watch, accepting ? EPOLLIN : 0);
    if (accepting ||
        (listener->complained && now - listener->complained < COMPLAIN_SECONDS * G_USEC_PER_SEC))
        return;
    listener->complained = now;
    g_warning("%s: full with %u clients (%d of them not yet open here): new ones wait",
              listener->socket.path, g_hash_table_size(listener->server->clients),
              g_atomic_int_get(&listener->anonymous));
}

static void
update_listeners(gpointer data)
{
    LvdServer *server = data;

    for (guint i = 0; i < G_N_ELEMENTS(server->listeners) && !server->stopped; i++)
        update_listener(&server->listeners[i]);
}

static gboolean
retry_accept(gpointer data)
{
    LvdServer *server = data;

    g_clear_pointer(&server->retry, g_source_unref);
    update_listeners(server);
    return G_SOURCE_REMOVE;
}

/* Out of descriptors or memory: the connection stays in the queue and would wake us for ever. */
static void
accept_failed(LvdServer *server, int code)
{
    if (code == EAGAIN || code == EINTR || code == ECONNABORTED)
        return;
    g_warning("cannot accept a connection: %s; trying again in %d s", g_strerror(code),
              RETRY_SECONDS);
    server->retry = g_timeout_source_new_seconds(RETRY_SECONDS);
    g_source_set_callback(server->retry, retry_accept, server, NULL);
    g_source_attach(server->retry, lvd_loop_context(server->loop));
}

static void
listener_ready(LvdWatch *watch, guint32 events)
{
    LvdListener *listener = (LvdListener *)watch;
    LvdServer *server = listener->server;

    for (int i = 0; i < ACCEPT_BATCH && has_room(listener); i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        LvdClient *client;

        if (fd < 0) {
            accept_failed(server, errno);
            break;
        }
        client = lvd_client_new(listener, fd);
        if (!client)
            continue;
        server->accepted++;
        if (client->anonymous)
            g_atomic_int_inc(&listener->anonymous);
        g_hash_table_add(server->clients, client);
    }
    update_listeners(server);
}

/* ---- clients ---- */

void
lvd_server_client_opened(LvdServer *server, LvdListener *listener)
{
    /* Only a step below the limit changes anything; the I/O thread looks itself. */
    if (g_atomic_int_add(&listener->anonymous, -1) >= (gint)server->config->max_anonymous_clients)
        lvd_loop_post(server->loop, update_listeners, server);
}

static void
unref_client(gpointer client)
{
    lvd_client_unref(client);
}

void
lvd_server_client_gone(LvdServer *server, LvdClient *client)
{
    if (client->anonymous && g_atomic_int_compare_and_exchange(&client->open, FALSE, TRUE))
        g_atomic_int_add(&client->listener->anonymous, -1);
    if (g_hash_table_steal(server->clients, client))
        lvd_loop_post(server->loop, unref_client, client);
    if (!server->stopped)
        update_listeners(server);
}

guint
lvd_server_n_clients(LvdServer *server)
{
    return g_hash_table_size(server->clients);
}

guint64
lvd_server_n_accepted(LvdServer *server)
{
    return server->accepted;
}

/* ---- keepalive ---- */

/* All clients have the same interval, so the time that is set is never later than a new client's
 * first deadline: only the first one has to set it. */
void
lvd_server_arm_keepalive(LvdServer *server)
{
    if (g_atomic_int_compare_and_exchange(&server->keepalive_armed, FALSE, TRUE))
        g_source_set_ready_time(server->keepalive,
                                g_get_monotonic_time() +
                                    server->config->keepalive_interval * G_TIME_SPAN_SECOND);
}

static gboolean
keepalive_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback(data);
}

static GSourceFuncs keepalive_funcs = { .dispatch = keepalive_dispatch };

static gboolean
check_keepalive(gpointer data)
{
    LvdServer *server = data;
    gint64 now = g_get_monotonic_time(), next = G_MAXINT64;
    g_autoptr(GList) clients = NULL;

    /* Before the look round: who starts it meanwhile arms it again. */
    g_source_set_ready_time(server->keepalive, -1);
    g_atomic_int_set(&server->keepalive_armed, FALSE);
    clients = g_hash_table_get_keys(server->clients); /* a check may remove its client */
    for (GList *item = clients; item; item = item->next) {
        LvdClient *client = item->data;

        if (g_atomic_int_get(&client->keepalive))
            next = MIN(next, lvd_client_check_alive(client, now));
    }
    if (next != G_MAXINT64) {
        g_atomic_int_set(&server->keepalive_armed, TRUE);
        g_source_set_ready_time(server->keepalive, next);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

LvdServer *
lvd_server_new(const LvdConfig *config, HvHost *host)
{
    LvdServer *server = g_new0(LvdServer, 1);
    g_autofree char *dir = lvd_config_socket_dir(config);

    server->config = lvd_config_copy(config);
    server->host = host;
    server->clients = g_hash_table_new_full(NULL, NULL, unref_client, NULL);
    server->scratch = g_malloc(LVD_SCRATCH_SIZE);
    server->chunk = g_malloc(LVD_LENGTH_MIN + LVD_STREAM_CHUNK);
    for (guint i = 0; i < G_N_ELEMENTS(server->listeners); i++) {
        LvdListener *listener = &server->listeners[i];

        listener->watch = (LvdWatch){ .fd = -1, .ready = listener_ready };
        listener->server = server;
        listener->socket.fd = -1;
        listener->socket.readonly = i == 1;
        listener->socket.path = g_build_filename(dir, socket_names[i], NULL);
    }
    return server;
}

static gboolean
make_sockets(LvdServer *server, GError **error)
{
    const LvdConfig *config = server->config;
    LvdSocket sockets[G_N_ELEMENTS(server->listeners)];
    gboolean ok = TRUE;
    int inherited;

    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++)
        sockets[i] = server->listeners[i].socket;
    if (config->unix_sock_group && !(config->unix_sock_rw_perms & 0070))
        g_warning(
            "unix_sock_group names a group, but unix_sock_rw_perms is %04o: it may not use the "
            "read-write socket",
            config->unix_sock_rw_perms);
    inherited = lvd_socket_inherit(sockets, G_N_ELEMENTS(sockets), error);
    ok = inherited >= 0;
    for (guint i = 0; i < G_N_ELEMENTS(sockets) && ok && inherited == 0; i++) {
        g_autofree char *dir = g_path_get_dirname(sockets[i].path);

        if (g_mkdir_with_parents(dir, 0755) < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "cannot make %s: %s", dir,
                        g_strerror(errno));
            ok = FALSE;
            break;
        }
        ok = lvd_socket_listen(&sockets[i],
                               sockets[i].readonly ? config->unix_sock_ro_perms
                                                   : config->unix_sock_rw_perms,
                               config->unix_sock_group, config->max_queued_clients, error);
    }
    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++)
        server->listeners[i].socket = sockets[i];
    return ok;
}

gboolean
lvd_server_listen(LvdServer *server, GError **error)
{
    server->loop = lvd_loop_new(error);
    if (!server->loop || !make_sockets(server, error))
        return FALSE;
    server->keepalive = g_source_new(&keepalive_funcs, sizeof(GSource));
    g_source_set_static_name(server->keepalive, "lvd-keepalive");
    g_source_set_callback(server->keepalive, check_keepalive, server, NULL);
    g_source_attach(server->keepalive, lvd_loop_context(server->loop));
    server->work = lvd_work_new(server->config->min_workers, server->config->max_workers,
                                server->config->prio_workers, lvd_call_run, error);
    if (!server->work)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(server->listeners); i++) {
        LvdListener *listener = &server->listeners[i];

        if (listener->socket.fd < 0)
            continue;
        listener->accepting = TRUE;
        if (!lvd_loop_add(server->loop, &listener->watch, listener->socket.fd, EPOLLIN)) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "cannot watch %s: %s",
                        listener->socket.path, g_strerror(errno));
            return FALSE;
        }
        g_info("listening on %s", listener->socket.path);
    }
    return TRUE;
}

void
lvd_server_stop(LvdServer *server)
{
    g_autoptr(GList) clients = NULL;

    if (!server || server->stopped)
        return;
    server->stopped = TRUE;
    g_atomic_int_set(&server->dropping, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(server->listeners); i++) {
        if (server->loop)
            lvd_loop_remove(server->loop, &server->listeners[i].watch);
        lvd_socket_close(&server->listeners[i].socket);
    }
    if (server->retry)
        g_source_destroy(server->retry);
    g_clear_pointer(&server->retry, g_source_unref);
    clients = g_hash_table_get_keys(server->clients);
    for (GList *item = clients; item; item = item->next)
        lvd_client_close(item->data, "the daemon stops");
    if (server->loop)
        lvd_loop_run_posts(server->loop);
    while (server->pumps)
        lvd_pump_close(server->pumps->data);
}

gboolean
lvd_server_wait(LvdServer *server, guint ms)
{
    return !server->work || lvd_work_wait(server->work, ms);
}

void
lvd_server_free(LvdServer *server)
{
    if (!server)
        return;
    lvd_server_stop(server);
    lvd_work_free(server->work); /* waits for the calls that still run */
    if (server->keepalive)
        g_source_destroy(server->keepalive);
    g_clear_pointer(&server->keepalive, g_source_unref);
    if (server->relay_timer)
        g_source_destroy(server->relay_timer);
    g_clear_pointer(&server->relay_timer, g_source_unref);
    lvd_loop_free(server->loop); /* with what these calls posted: sessions, streams */
    g_hash_table_unref(server->clients);
    lvd_config_free(server->config);
    g_free(server->scratch);
    g_free(server->chunk);
    g_free(server);
}
