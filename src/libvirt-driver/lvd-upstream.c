/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To the daemon: what its socket does not take waits here, and past BACKLOG the client's socket is
 * not read. To the client: while a stream packet waits in the client's queue, this connection is
 * not read; events and replies have the bounds that those of our own have.
 */
#include "lvd-upstream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG           LVD_STREAM_CHUNK
#define KEEP_BYTES        65536u /* buffers above this size are given back when they are empty */
#define OPEN_SECONDS      30
#define RETRY_MS          50 /* the daemon listens, and has no room */
#define RECONNECT_MS_MIN  100
#define RECONNECT_MS_MAX  30000
#define STREAMS_MAX       64 /* open ones of one client and family */
#define REGISTRATIONS_MAX 1024
#define REGISTER_ARGS_MAX 8192u /* bytes that are kept of one */

enum { KEEPALIVE_PING = 1, KEEPALIVE_PONG = 2 };

/* A callback for events. */
typedef struct Registration {
    gint32 proc;      /* of the call that registered it */
    GByteArray *args; /* of that call */
    gint32 id;        /* as the client knows it */
    gint32 there;     /* as the daemon does; -1: not registered there at the moment */
} Registration;

/* A call whose reply is to come, or the stream that it opened. */
typedef struct Pending {
    LvdHeader header; /* as the client sent it */
    gboolean ours;    /* the client knows nothing of it */
    gboolean open;    /* the reply was good, and the daemon's last stream packet is still to come */
    gboolean ended;   /* that packet was before the reply */
    unsigned flags;   /* of its procedure */
    Registration *registration; /* REGISTER: ours to free while it is not in the list */
    gint32 id;                  /* DEREGISTER: the client's */
} Pending;

static void
registration_free(gpointer data)
{
    Registration *registration = data;

    g_byte_array_unref(registration->args);
    g_free(registration);
}

/* ---- the end ---- */

static void set_timer(LvdUpstream *up);

static void
empty(GByteArray **bytes)
{
    if ((*bytes)->len <= KEEP_BYTES) {
        g_byte_array_set_size(*bytes, 0);
        return;
    }
    g_byte_array_unref(*bytes);
    *bytes = g_byte_array_new();
}

static void
set_stalling(LvdUpstream *up, gboolean stalling)
{
    if (up->stalling == stalling)
        return;
    up->stalling = stalling;
    up->client->stalled += stalling ? 1 : -1;
    if (!stalling)
        lvd_client_resume(up->client);
}

static void
drop_pending(gpointer data)
{
    Pending *pending = data;

    if (pending->registration)
        registration_free(pending->registration);
    g_free(pending);
}

/* A batch of events may still name the descriptor; without it they are passed over. */
void
lvd_upstream_disconnect(LvdUpstream *up)
{
    int fd = up->watch.fd;

    lvd_loop_remove(up->client->server->loop, &up->watch);
    if (fd >= 0)
        close(fd);
    g_hash_table_remove_all(up->pending);
    for (guint i = 0; i < up->registrations->len; i++)
        ((Registration *)g_ptr_array_index(up->registrations, i))->there = -1;
    empty(&up->in);
    empty(&up->out);
    up->sent = 0;
    up->n_streams = up->n_again = 0;
    up->paused = up->deaf = FALSE;
    up->step = LVD_STEP_NONE;
    up->retry_at = g_get_monotonic_time() + MAX(up->reconnect_ms, RECONNECT_MS_MIN) * 1000;
    set_stalling(up, FALSE);
    set_timer(up);
}

static void
free_post(gpointer data)
{
    LvdUpstream *up = data;

    g_ptr_array_unref(up->registrations);
    g_hash_table_unref(up->pending);
    g_byte_array_unref(up->in);
    g_byte_array_unref(up->out);
    g_free(up->path);
    g_free(up);
}

void
lvd_upstream_free(LvdUpstream *up)
{
    LvdServer *server = up->client->server;

    lvd_upstream_disconnect(up);
    server->upstreams = g_list_delete_link(server->upstreams, up->link);
    g_queue_clear_full(&up->waiting, (GDestroyNotify)lvd_call_free);
    lvd_loop_post(server->loop, free_post, up);
}

void
lvd_upstream_die(LvdUpstream *up, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;
    GHashTableIter iter;
    gpointer value;
    LvdCall *call;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(&error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_OPERATION_FAILED),
                "the %s daemon at %s %s", lvd_family_name(up->family), up->path, reason);
    if (up->waiting.length > 0 || g_hash_table_size(up->pending) > 0)
        g_warning("client %u: %s", up->client->id, error->message);
    else
        g_info("client %u: %s", up->client->id, error->message);
    while ((call = g_queue_pop_head(&up->waiting))) {
        lvd_send_error(up->client, &call->header, LVD_REPLY, error);
        lvd_call_free(call);
    }
    g_hash_table_iter_init(&iter, up->pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *pending = value;

        if (!pending->ours)
            lvd_send_error(up->client, &pending->header, pending->open ? LVD_STREAM : LVD_REPLY,
                           error);
    }
    lvd_upstream_disconnect(up);
}

/* ---- to the daemon ---- */

static gsize
n_unsent(const LvdUpstream *up)
{
    return up->out->len - up->sent;
}

/* While paused it is not read, and a hang-up is to be told once, not for ever. */
static void
arm(LvdUpstream *up)
{
    guint32 events = up->paused ? EPOLLONESHOT : EPOLLIN;

    if (up->watch.fd < 0)
        return;
    if (n_unsent(up) > 0)
        events |= EPOLLOUT;
    if (events == up->events && !(up->paused && events & EPOLLOUT))
        return;
    up->events = events;
    lvd_loop_modify(up->client->server->loop, &up->watch, events);
}

static void
flush(LvdUpstream *up)
{
    while (n_unsent(up) > 0) {
        gssize n = send(up->watch.fd, up->out->data + up->sent, n_unsent(up),
                        MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) { /* what it said before is still read, and then its end */
            up->deaf = TRUE;
            up->sent = up->out->len;
            break;
        }
        up->sent += (gsize)n;
    }
    if (n_unsent(up) == 0) {
        empty(&up->out);
        up->sent = 0;
    }
    set_stalling(up, n_unsent(up) > BACKLOG);
    arm(up);
}

void
lvd_upstream_send(LvdUpstream *up, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    LvdHeader head = *header;
    guint8 bytes[LVD_LENGTH_MIN];

    if (up->deaf || up->watch.fd < 0)
        return;
    if (up->sent > 0) {
        g_byte_array_remove_range(up->out, 0, (guint)up->sent);
        up->sent = 0;
    }
    head.length = LVD_LENGTH_MIN + (guint32)body_len;
    lvd_header_write(&head, bytes);
    g_byte_array_append(up->out, bytes, sizeof(bytes));
    if (body_len > 0)
        g_byte_array_append(up->out, body, (guint)body_len);
    flush(up);
}

static void
send_keepalive(LvdUpstream *up, gint32 proc)
{
    LvdHeader header = { .prog = LVD_PROGRAM_KEEPALIVE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_MESSAGE,
                         .status = LVD_OK };

    lvd_upstream_send(up, &header, NULL, 0);
}

/* ---- deadlines ---- */

static void connect_again(LvdUpstream *up);
static void reconnect(LvdUpstream *up);

static gint64
interval(const LvdUpstream *up)
{
    return up->client->server->config->keepalive_interval * G_TIME_SPAN_SECOND;
}

/* A daemon that hangs is noticed while somebody waits for it. */
static gint64
next_due(const LvdUpstream *up)
{
    switch (up->step) {
    case LVD_STEP_NONE:
        return up->registrations->len > 0 ? up->retry_at : G_MAXINT64;
    case LVD_STEP_CONNECT:
        return up->retry_at;
    case LVD_STEP_READY:
        return interval(up) > 0 && g_hash_table_size(up->pending) > 0
                   ? MAX(up->heard, up->pinged) + interval(up)
                   : G_MAXINT64;
    case LVD_STEP_AUTH:
    case LVD_STEP_OPEN:
    case LVD_STEP_IDENTITY:
    case LVD_STEP_REGISTER:
        break;
    }
    return up->started + OPEN_SECONDS * G_USEC_PER_SEC;
}

/* One timer for all; where it comes too early for this one, it is set again. */
static void
set_timer(LvdUpstream *up)
{
    GSource *timer = up->client->server->relay_timer;
    gint64 due = next_due(up), set = g_source_get_ready_time(timer);

    if (due != G_MAXINT64 && (set < 0 || due < set))
        g_source_set_ready_time(timer, due);
}

static void
check_alive(LvdUpstream *up, gint64 now)
{
    /* Its answers may stand in the socket that we do not read. */
    if (up->paused)
        up->heard = now;
    if (up->heard >= up->pinged)
        up->pings_left = up->client->server->config->keepalive_count;
    if (now < MAX(up->heard, up->pinged) + interval(up))
        return;
    if (up->pings_left == 0) {
        lvd_upstream_die(up, "does not answer any more");
        return;
    }
    up->pings_left--;
    up->pinged = now;
    send_keepalive(up, KEEPALIVE_PING);
}

static void
check(LvdUpstream *up, gint64 now)
{
    if (now < next_due(up))
        return;
    if (up->step == LVD_STEP_NONE)
        reconnect(up);
    else if (up->step == LVD_STEP_READY)
        check_alive(up, now);
    else if (now >= up->started + OPEN_SECONDS * G_USEC_PER_SEC)
        lvd_upstream_die(up, "does not answer");
    else if (up->step == LVD_STEP_CONNECT)
        connect_again(up);
}

static gboolean
on_timer(gpointer data)
{
    LvdServer *server = data;
    gint64 now = g_get_monotonic_time(), next = G_MAXINT64;

    for (GList *item = server->upstreams; item; item = item->next)
        check(item->data, now);
    for (GList *item = server->upstreams; item; item = item->next)
        next = MIN(next, next_due(item->data));
    g_source_set_ready_time(server->relay_timer, next == G_MAXINT64 ? -1 : next);
    return G_SOURCE_CONTINUE;
}

static gboolean
timer_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback(data);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static void
make_timer(LvdServer *server)
{
    server->relay_timer = g_source_new(&timer_funcs, sizeof(GSource));
    g_source_set_static_name(server->relay_timer, "lvd-upstream");
    g_source_set_callback(server->relay_timer, on_timer, server, NULL);
    g_source_attach(server->relay_timer, lvd_loop_context(server->loop));
}

/* ---- calls ---- */

/* Sends the call up with a serial of its own; `pending` is taken over. */
static void
submit(LvdUpstream *up, Pending *pending, const guint8 *body, gsize body_len)
{
    LvdHeader header = pending->header;

    if (g_hash_table_size(up->pending) == 0) /* it was not asked anything until now */
        up->heard = g_get_monotonic_time();
    do
        up->serial++;
    while (g_hash_table_contains(up->pending, GUINT_TO_POINTER(up->serial)));
    g_hash_table_insert(up->pending, GUINT_TO_POINTER(up->serial), pending);
    header.type = LVD_CALL; /* descriptors mean nothing to any of these */
    header.serial = up->serial;
    lvd_upstream_send(up, &header, body, body_len);
}

static Registration *
find_registration(LvdUpstream *up, gint32 id, gboolean there)
{
    for (guint i = 0; i < up->registrations->len; i++) {
        Registration *registration = g_ptr_array_index(up->registrations, i);

        if ((there ? registration->there : registration->id) == id)
            return registration;
    }
    return NULL;
}

static void
forward(LvdUpstream *up, LvdCall *call)
{
    Pending *pending = g_new0(Pending, 1);

    pending->header = call->header;
    pending->flags = call->proc->flags;
    if (pending->flags & LVD_PROC_REGISTER) {
        pending->registration = g_new0(Registration, 1);
        pending->registration->proc = call->header.proc;
        pending->registration->args = g_byte_array_new();
        g_byte_array_append(pending->registration->args, call->body, (guint)call->body_len);
    } else if (pending->flags & LVD_PROC_DEREGISTER && call->body_len >= sizeof(gint32)) {
        Registration *registration;

        pending->id = lvd_body_word(call->body, call->body_len, 0);
        registration = find_registration(up, pending->id, FALSE);
        if (registration)
            lvd_body_set_word(call->body, registration->there);
        else if (find_registration(up, pending->id, TRUE)) /* none of the client's: hits none */
            lvd_body_set_word(call->body, -1);
    }
    submit(up, pending, call->body, call->body_len);
    lvd_call_free(call);
}

static void
become_ready(LvdUpstream *up)
{
    LvdCall *call;

    up->step = LVD_STEP_READY;
    up->reconnect_ms = 0;
    lvd_debug("client %u: relayed to the %s daemon at %s", up->client->id,
              lvd_family_name(up->family), up->path);
    while ((call = g_queue_pop_head(&up->waiting)))
        forward(up, call);
}

void
lvd_upstream_opened(LvdUpstream *up)
{
    up->step = LVD_STEP_REGISTER;
    for (guint i = 0; i < up->registrations->len; i++) {
        Registration *registration = g_ptr_array_index(up->registrations, i);
        Pending *pending = g_new0(Pending, 1);

        pending->ours = TRUE;
        pending->id = registration->id;
        pending->header = (LvdHeader){ .prog = LVD_PROGRAM_REMOTE,
                                       .vers = LVD_VERSION,
                                       .proc = registration->proc,
                                       .status = LVD_OK };
        up->n_again++;
        submit(up, pending, registration->args->data, registration->args->len);
    }
    if (up->n_again == 0)
        become_ready(up);
}

/* ---- from the daemon ---- */

static void
drop(LvdUpstream *up, guint32 serial, const Pending *pending)
{
    if (pending->open)
        up->n_streams--;
    g_hash_table_remove(up->pending, GUINT_TO_POINTER(serial));
}

/* The call that this belongs to, and its serial down here; NULL: none. */
static Pending *
find_pending(LvdUpstream *up, LvdHeader *header, guint32 *ret_serial)
{
    Pending *pending = g_hash_table_lookup(up->pending, GUINT_TO_POINTER(header->serial));

    if (!pending || pending->header.proc != header->proc)
        return NULL;
    *ret_serial = header->serial;
    header->serial = pending->header.serial;
    return pending;
}

/* The answer to a registration that was made again. */
static void
take_again(LvdUpstream *up, const Pending *pending, const LvdHeader *header, const guint8 *message)
{
    Registration *registration = find_registration(up, pending->id, FALSE);
    gsize body_len = header->length - LVD_LENGTH_MIN;

    if (registration && header->status == LVD_OK && body_len >= sizeof(gint32)) {
        registration->there = lvd_body_word(message + LVD_LENGTH_MIN, body_len, 0);
    } else if (registration) { /* of an object that is no more */
        g_info("client %u: the %s daemon does not take a registration for events again",
               up->client->id, lvd_family_name(up->family));
        g_ptr_array_remove_fast(up->registrations, registration);
    }
    if (--up->n_again == 0)
        become_ready(up);
}

/* Ids are the daemon's, unless a registration from before its restart has that one. */
static gint32
free_id(LvdUpstream *up, gint32 id)
{
    while (find_registration(up, id, FALSE))
        id = id == G_MAXINT32 ? 0 : id + 1;
    return id;
}

static void
note_registration(LvdUpstream *up, Pending *pending, guint8 *body, gsize body_len)
{
    Registration *registration = g_steal_pointer(&pending->registration);

    registration->there = lvd_body_word(body, body_len, 0);
    registration->id = free_id(up, registration->there);
    if (body_len >= sizeof(gint32))
        lvd_body_set_word(body, registration->id);
    g_ptr_array_add(up->registrations, registration);
}

static void
note_good_reply(LvdUpstream *up, Pending *pending, guint8 *body, gsize body_len)
{
    if (pending->flags & LVD_PROC_REGISTER)
        note_registration(up, pending, body, body_len);
    else if (pending->flags & LVD_PROC_DEREGISTER)
        g_ptr_array_remove_fast(up->registrations, find_registration(up, pending->id, FALSE));
    if (!(pending->flags & LVD_PROC_STREAM))
        return;
    pending->open = !pending->ended;
    if (pending->open)
        up->n_streams++;
}

static void
take_reply(LvdUpstream *up, LvdHeader *header, guint8 *message)
{
    guint32 serial;
    Pending *pending = find_pending(up, header, &serial);

    if (!pending || pending->open) {
        lvd_upstream_die(up, "sent a reply that nobody waits for");
        return;
    }
    if (pending->ours) {
        g_autofree Pending *ours = g_memdup2(pending, sizeof(*pending));

        drop(up, serial, pending);
        take_again(up, ours, header, message);
        return;
    }
    lvd_debug("client %u: %s: %s", up->client->id, lvd_proc_find(header->proc)->name,
              header->status == LVD_OK ? "relayed" : "refused by the daemon behind us");
    if (header->status == LVD_OK)
        note_good_reply(up, pending, message + LVD_LENGTH_MIN, header->length - LVD_LENGTH_MIN);
    if (!pending->open)
        drop(up, serial, pending);
    lvd_header_write(header, message);
    lvd_client_send(up->client, message, header->length, LVD_OUT_REPLY);
}

/* The first data may overtake the reply: another thread sends it up there. Packets may also cross
 * the end of their stream on the way. */
static void
take_stream(LvdUpstream *up, LvdHeader *header, guint8 *message)
{
    guint32 serial;
    Pending *pending = find_pending(up, header, &serial);

    if (!pending || !(pending->flags & LVD_PROC_STREAM) || pending->ended)
        return;
    lvd_header_write(header, message);
    if (header->status != LVD_CONTINUE && pending->open)
        drop(up, serial, pending);
    else if (header->status != LVD_CONTINUE)
        pending->ended = TRUE;
    if (!lvd_client_send(up->client, message, header->length, LVD_OUT_STREAM))
        up->paused = TRUE;
}

/* All of them begin with the id of the callback. */
static void
take_event(LvdUpstream *up, const LvdHeader *header, guint8 *message)
{
    const LvdProc *proc = lvd_proc_find(header->proc);
    gsize body_len = header->length - LVD_LENGTH_MIN;
    const Registration *registration;
    gint32 there;

    if (!proc || !(proc->flags & LVD_PROC_EVENT) || proc->family != up->family ||
        body_len < sizeof(gint32)) {
        lvd_debug("client %u: dropped a message of number %d of the %s daemon", up->client->id,
                  header->proc, lvd_family_name(up->family));
        return;
    }
    there = lvd_body_word(message + LVD_LENGTH_MIN, body_len, 0);
    registration = there >= 0 ? find_registration(up, there, TRUE) : NULL;
    if (!registration) /* deregistered meanwhile */
        return;
    lvd_body_set_word(message + LVD_LENGTH_MIN, registration->id);
    lvd_client_send(up->client, message, header->length, LVD_OUT_EVENT);
}

static void
take_message(LvdUpstream *up, guint8 *message)
{
    LvdHeader header;

    lvd_header_read(&header, message);
    if (header.prog == LVD_PROGRAM_KEEPALIVE) {
        if (header.proc == KEEPALIVE_PING)
            send_keepalive(up, KEEPALIVE_PONG);
        return;
    }
    if (header.prog != LVD_PROGRAM_REMOTE || header.vers != LVD_VERSION)
        lvd_upstream_die(up, "sent a message of another program");
    else if (header.type == LVD_REPLY && up->step < LVD_STEP_REGISTER)
        lvd_upstream_take_answer(up, &header, message);
    else if (header.type == LVD_REPLY)
        take_reply(up, &header, message);
    else if (header.type == LVD_STREAM || header.type == LVD_STREAM_HOLE)
        take_stream(up, &header, message);
    else if (header.type == LVD_MESSAGE)
        take_event(up, &header, message);
    else
        lvd_upstream_die(up, "sent a message of type %d", header.type);
}

/* Takes every whole message; returns how many bytes were used. */
static gsize
parse(LvdUpstream *up, guint8 *data, gsize length)
{
    gsize used = 0;

    while (up->watch.fd >= 0 && length - used >= sizeof(guint32)) {
        guint32 message = (guint32)lvd_body_word(data + used, length - used, 0);

        if (message < LVD_LENGTH_MIN || message > LVD_LENGTH_MAX) {
            lvd_upstream_die(up, "sent a message of impossible length");
            break;
        }
        if (length - used < message)
            break;
        take_message(up, data + used);
        used += message;
    }
    return used;
}

static void
take_bytes(LvdUpstream *up, guint8 *data, gsize length)
{
    gsize used;

    if (up->in->len == 0) {
        used = parse(up, data, length);
        if (up->watch.fd >= 0 && used < length)
            g_byte_array_append(up->in, data + used, (guint)(length - used));
        return;
    }
    g_byte_array_append(up->in, data, (guint)length);
    used = parse(up, up->in->data, up->in->len);
    if (up->watch.fd < 0)
        return;
    if (used == up->in->len)
        empty(&up->in);
    else if (used > 0)
        g_byte_array_remove_range(up->in, 0, (guint)used);
}

static void
read_some(LvdUpstream *up)
{
    LvdServer *server = up->client->server;
    gssize n = recv(up->watch.fd, server->scratch, LVD_SCRATCH_SIZE, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lvd_upstream_die(up, "hung up");
        return;
    }
    up->heard = g_get_monotonic_time();
    take_bytes(up, server->scratch, (gsize)n);
}

static void
upstream_ready(LvdWatch *watch, guint32 events)
{
    LvdUpstream *up = (LvdUpstream *)watch;

    if (events & EPOLLOUT)
        flush(up);
    if (!up->paused && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(up);
    arm(up);
    set_timer(up);
}

/* ---- birth ---- */

static void
begin(LvdUpstream *up, int fd)
{
    up->events = EPOLLIN;
    if (!lvd_loop_add(up->client->server->loop, &up->watch, fd, EPOLLIN)) {
        g_warning("client %u: the %s daemon cannot be watched: %s", up->client->id,
                  lvd_family_name(up->family), g_strerror(errno));
        close(fd); /* tried again, as if it had had no room */
        return;
    }
    lvd_upstream_ask(up);
}

/* FALSE without an error: nobody listens. */
static gboolean
start_connecting(LvdUpstream *up, GError **error)
{
    LvdClient *client = up->client;
    g_autofree char *path = NULL;
    int fd = lvd_relay_connect(client->server->config, up->family,
                               g_atomic_int_get(&client->readonly), &path, error);

    if (!path)
        return FALSE;
    g_free(up->path);
    up->path = g_steal_pointer(&path);
    if (up->step == LVD_STEP_NONE)
        up->started = g_get_monotonic_time();
    up->step = LVD_STEP_CONNECT;
    up->retry_at = g_get_monotonic_time() + RETRY_MS * 1000;
    if (fd >= 0)
        begin(up, fd);
    return TRUE;
}

static void
connect_again(LvdUpstream *up)
{
    g_autoptr(GError) error = NULL;

    if (!start_connecting(up, &error))
        lvd_upstream_die(up, "went away");
}

/* For the events alone; nobody waits for an answer. */
static void
reconnect(LvdUpstream *up)
{
    g_autoptr(GError) error = NULL;

    up->reconnect_ms = CLAMP(up->reconnect_ms * 2, RECONNECT_MS_MIN, RECONNECT_MS_MAX);
    up->retry_at = g_get_monotonic_time() + up->reconnect_ms * 1000;
    start_connecting(up, &error);
}

LvdUpstream *
lvd_upstream_new(LvdClient *client, LvdFamily family)
{
    LvdUpstream *up = g_new0(LvdUpstream, 1);

    up->watch = (LvdWatch){ .fd = -1, .ready = upstream_ready };
    up->client = client;
    up->family = family;
    up->registrations = g_ptr_array_new_with_free_func(registration_free);
    up->pending = g_hash_table_new_full(NULL, NULL, NULL, drop_pending);
    up->in = g_byte_array_new();
    up->out = g_byte_array_new();
    if (!client->server->relay_timer)
        make_timer(client->server);
    client->server->upstreams = g_list_prepend(client->server->upstreams, up);
    up->link = client->server->upstreams;
    return up;
}

/* ---- from the client ---- */

static gboolean
has_room(LvdUpstream *up, const LvdCall *call, GError **error)
{
    const char *what = NULL;
    guint count = 0;

    if (call->proc->flags & LVD_PROC_STREAM && up->n_streams >= STREAMS_MAX) {
        what = "streams open";
        count = up->n_streams;
    } else if (call->proc->flags & LVD_PROC_REGISTER &&
               up->registrations->len >= REGISTRATIONS_MAX) {
        what = "event callbacks";
        count = up->registrations->len;
    }
    if (!what && call->proc->flags & LVD_PROC_REGISTER && call->body_len > REGISTER_ARGS_MAX) {
        g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC),
                    "a registration for events of %" G_GSIZE_FORMAT " bytes", call->body_len);
        return FALSE;
    }
    if (!what)
        return TRUE;
    g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_OPERATION_FAILED),
                "this connection has %u %s, which is the most that it may have", count, what);
    return FALSE;
}

gboolean
lvd_upstream_call(LvdUpstream *up, LvdCall *call, GError **error)
{
    if (!has_room(up, call, error) || (up->step == LVD_STEP_NONE && !start_connecting(up, error)))
        return FALSE;
    if (up->step == LVD_STEP_READY)
        forward(up, call);
    else
        g_queue_push_tail(&up->waiting, call);
    set_timer(up);
    return TRUE;
}

void
lvd_upstream_packet(LvdUpstream *up, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    LvdHeader head = *header;
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, up->pending);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        Pending *pending = value;

        if (!(pending->flags & LVD_PROC_STREAM) || pending->header.serial != header->serial ||
            pending->header.proc != header->proc)
            continue;
        head.serial = GPOINTER_TO_UINT(key);
        lvd_upstream_send(up, &head, body, body_len);
        return;
    }
}

void
lvd_upstream_sent(LvdUpstream *up)
{
    if (!up->paused)
        return;
    up->paused = FALSE;
    arm(up);
}
