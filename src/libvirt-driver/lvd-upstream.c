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

#define BACKLOG      LVD_STREAM_CHUNK
#define KEEP_BYTES   65536u /* buffers above this size are given back when they are empty */
#define OPEN_SECONDS 30
#define RETRY_MS     50
#define STREAMS_MAX  64 /* open ones of one client and family */

enum { KEEPALIVE_PING = 1, KEEPALIVE_PONG = 2 };
enum { PROC_CONNECT_OPEN = 1, PROC_AUTH_LIST = 66, PROC_SET_IDENTITY = 419 };

typedef enum { STEP_CONNECT, STEP_AUTH, STEP_OPEN, STEP_IDENTITY, STEP_READY } Step;

/* A call whose reply is to come, or the stream that it opened. */
typedef struct Pending {
    LvdHeader header; /* as the client sent it */
    gboolean streams; /* its procedure opens one */
    gboolean open;    /* the reply was good: packets pass until the daemon's last one */
} Pending;

struct LvdUpstream {
    LvdWatch watch;
    LvdClient *client; /* outlives it */
    LvdFamily family;
    char *path;
    Step step;
    GQueue waiting;      /* LvdCall: until ready */
    GHashTable *pending; /* serial up there -> Pending */
    guint n_streams;     /* in it */
    guint32 serial;      /* of the last call */
    GByteArray *in;      /* an incomplete message */
    GByteArray *out;
    gsize sent;        /* of out */
    guint32 events;    /* what epoll is told */
    gboolean paused;   /* not read: a stream packet waits in the client's queue */
    gboolean stalling; /* counted in client->stalled */
    gboolean deaf;     /* takes nothing any more: its end will be read */
    gboolean over;
    GSource *timer; /* its ready time is the next deadline */
    gint64 started, heard, pinged;
    guint pings_left;
};

/* ---- the end ---- */

static void
free_post(gpointer data)
{
    LvdUpstream *up = data;

    g_hash_table_unref(up->pending);
    g_byte_array_unref(up->in);
    g_byte_array_unref(up->out);
    g_free(up->path);
    g_free(up);
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

void
lvd_upstream_close(LvdUpstream *up)
{
    LvdLoop *loop = up->client->server->loop;
    int fd = up->watch.fd;

    if (up->over)
        return;
    up->over = TRUE;
    up->client->upstreams[up->family] = NULL;
    set_stalling(up, FALSE);
    g_source_destroy(up->timer);
    g_clear_pointer(&up->timer, g_source_unref);
    lvd_loop_remove(loop, &up->watch);
    if (fd >= 0)
        close(fd);
    g_queue_clear_full(&up->waiting, (GDestroyNotify)lvd_call_free);
    /* The same batch of events may still name it. */
    lvd_loop_post(loop, free_post, up);
}

/* Answers everything that waits for this daemon. */
static void die(LvdUpstream *up, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
die(LvdUpstream *up, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;
    GHashTableIter iter;
    gpointer value;
    va_list args;

    if (up->over)
        return;
    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(&error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_OPERATION_FAILED),
                "the %s daemon at %s %s", lvd_family_name(up->family), up->path, reason);
    if (up->waiting.length > 0 || g_hash_table_size(up->pending) > 0)
        g_warning("client %u: %s", up->client->id, error->message);
    else
        g_info("client %u: %s", up->client->id, error->message);
    for (GList *item = up->waiting.head; item; item = item->next)
        lvd_send_error(up->client, &((LvdCall *)item->data)->header, LVD_REPLY, error);
    g_hash_table_iter_init(&iter, up->pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Pending *pending = value;

        lvd_send_error(up->client, &pending->header, pending->open ? LVD_STREAM : LVD_REPLY, error);
    }
    lvd_upstream_close(up);
}

/* ---- to the daemon ---- */

static gsize
n_unsent(const LvdUpstream *up)
{
    return up->out->len - up->sent;
}

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

/* While paused it is not read, and a hang-up is to be told once, not for ever. */
static void
arm(LvdUpstream *up)
{
    guint32 events = up->paused ? EPOLLONESHOT : EPOLLIN;

    if (up->over || up->watch.fd < 0)
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

static void
send_up(LvdUpstream *up, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    LvdHeader head = *header;
    guint8 bytes[LVD_LENGTH_MIN];

    if (up->deaf)
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

    send_up(up, &header, NULL, 0);
}

/* ---- deadlines ---- */

static void connect_again(LvdUpstream *up);

static gint64
interval(const LvdUpstream *up)
{
    return up->client->server->config->keepalive_interval * G_USEC_PER_SEC;
}

/* A daemon that hangs is noticed while somebody waits for it. */
static void
set_timer(LvdUpstream *up)
{
    gint64 due = -1;

    if (up->over)
        return;
    if (up->step == STEP_CONNECT)
        due = g_get_monotonic_time() + RETRY_MS * 1000;
    else if (up->step != STEP_READY)
        due = up->started + OPEN_SECONDS * G_USEC_PER_SEC;
    else if (interval(up) > 0 && g_hash_table_size(up->pending) > 0)
        due = MAX(up->heard, up->pinged) + interval(up);
    g_source_set_ready_time(up->timer, due);
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
        die(up, "does not answer any more");
        return;
    }
    up->pings_left--;
    up->pinged = now;
    send_keepalive(up, KEEPALIVE_PING);
}

static gboolean
on_timer(gpointer data)
{
    LvdUpstream *up = data;
    gint64 now = g_get_monotonic_time();

    if (up->step == STEP_READY)
        check_alive(up, now);
    else if (now >= up->started + OPEN_SECONDS * G_USEC_PER_SEC)
        die(up, "does not answer");
    else if (up->step == STEP_CONNECT)
        connect_again(up);
    set_timer(up);
    return G_SOURCE_CONTINUE;
}

static gboolean
timer_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    g_source_set_ready_time(source, -1);
    return callback(data);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

/* ---- opening ---- */

/* A call of our own; each is answered before the next one is made. */
static void
ask(LvdUpstream *up, Step step, gint32 proc, xdrproc_t xdr, const void *args)
{
    LvdHeader header = { .prog = LVD_PROGRAM_REMOTE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_CALL,
                         .serial = ++up->serial,
                         .status = LVD_OK };
    guint8 room[1024];
    gsize length = 0;
    guint8 *bytes = lvd_frame_encode(&header, xdr, args, room, sizeof(room), &length);

    g_assert(bytes == room); /* small, and all of our own making */
    up->step = step;
    send_up(up, &header, bytes + LVD_LENGTH_MIN, length - LVD_LENGTH_MIN);
}

/* The daemon's privilege tells which of its two URIs it answers to. */
static void
ask_open(LvdUpstream *up)
{
    struct ucred peer = { .uid = 0 };
    socklen_t size = sizeof(peer);
    g_autofree char *uri = NULL;
    lvd_text name;
    lvd_connect_open_args args = { .name = &name };

    getsockopt(up->watch.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    uri = g_strdup_printf("%s:///%s", lvd_family_name(up->family),
                          peer.uid == 0 ? "system" : "session");
    name = uri;
    if (g_atomic_int_get(&up->client->readonly))
        args.flags = VIR_CONNECT_RO;
    ask(up, STEP_OPEN, PROC_CONNECT_OPEN, (xdrproc_t)xdr_lvd_connect_open_args, &args);
}

static void
add_number(lvd_typed_param *param, const char *field, gboolean negative, gint64 value)
{
    param->field = (char *)field;
    if (negative) {
        param->value.type = VIR_TYPED_PARAM_LLONG;
        param->value.lvd_typed_param_value_u.l = value;
    } else {
        param->value.type = VIR_TYPED_PARAM_ULLONG;
        param->value.lvd_typed_param_value_u.ul = (guint64)value;
    }
}

/* In clock ticks since the boot: with it a process id is not taken for a later process of the
 * same number. 0: the process is gone. */
static guint64
start_time(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    const char *rest;
    unsigned long long ticks = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    rest = strrchr(text, ')'); /* a name may have blanks and brackets in it */
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &ticks) != 1)
        return 0;
    return ticks;
}

/* The daemon sees our process; its rules are about the client's. */
static void
ask_identity(LvdUpstream *up)
{
    const LvdClient *client = up->client;
    lvd_typed_param params[4] = { 0 };
    lvd_connect_set_identity_args args = { .params = { G_N_ELEMENTS(params), params } };

    add_number(&params[0], VIR_CONNECT_IDENTITY_UNIX_USER_ID, FALSE, client->uid);
    add_number(&params[1], VIR_CONNECT_IDENTITY_UNIX_GROUP_ID, FALSE, client->gid);
    add_number(&params[2], VIR_CONNECT_IDENTITY_PROCESS_ID, TRUE, client->pid);
    add_number(&params[3], VIR_CONNECT_IDENTITY_PROCESS_TIME, FALSE,
               (gint64)start_time(client->pid));
    ask(up, STEP_IDENTITY, PROC_SET_IDENTITY, (xdrproc_t)xdr_lvd_connect_set_identity_args, &args);
}

static void
forward(LvdUpstream *up, LvdCall *call)
{
    Pending *pending = g_new0(Pending, 1);
    LvdHeader header = call->header;

    if (g_hash_table_size(up->pending) == 0) /* it was not asked anything until now */
        up->heard = g_get_monotonic_time();
    pending->header = call->header;
    pending->streams = (call->proc->flags & LVD_PROC_STREAM) != 0;
    do
        up->serial++;
    while (g_hash_table_contains(up->pending, GUINT_TO_POINTER(up->serial)));
    g_hash_table_insert(up->pending, GUINT_TO_POINTER(up->serial), pending);
    header.type = LVD_CALL; /* descriptors mean nothing to any of these */
    header.serial = up->serial;
    send_up(up, &header, call->body, call->body_len);
    lvd_call_free(call);
}

static void
become_ready(LvdUpstream *up)
{
    LvdCall *call;

    up->step = STEP_READY;
    lvd_debug("client %u: relayed to the %s daemon at %s", up->client->id,
              lvd_family_name(up->family), up->path);
    while ((call = g_queue_pop_head(&up->waiting)))
        forward(up, call);
}

static gint32
word_at(const guint8 *body, gsize body_len, gsize index)
{
    guint32 value = 0;

    if (body_len >= (index + 1) * sizeof(value))
        memcpy(&value, body + index * sizeof(value), sizeof(value));
    return (gint32)GUINT32_FROM_BE(value);
}

/* Its error, as it is, is the answer to all that wait. */
static void
refuse_waiting(LvdUpstream *up, guint8 *message, gsize length)
{
    for (GList *item = up->waiting.head; item; item = item->next) {
        LvdHeader header = ((LvdCall *)item->data)->header;

        header.length = (guint32)length;
        header.type = LVD_REPLY;
        header.status = LVD_ERROR_STATUS;
        lvd_header_write(&header, message);
        lvd_client_send(up->client, message, length, LVD_OUT_REPLY);
    }
    lvd_upstream_close(up);
}

/* A monolithic daemon may lack the family's driver: as good as no daemon. */
static void
run_waiting_here(LvdUpstream *up)
{
    LvdClient *client = up->client;
    LvdCall *call;

    while ((call = g_queue_pop_head(&up->waiting)))
        lvd_client_run(client, call);
    lvd_upstream_close(up);
}

static void
after_auth(LvdUpstream *up, const guint8 *body, gsize body_len)
{
    gint32 count = word_at(body, body_len, 0);

    for (gint32 i = 0; i < MIN(count, 20); i++) {
        if (body_len >= (gsize)(i + 2) * 4 && word_at(body, body_len, (gsize)i + 1) == 0) {
            ask_open(up);
            return;
        }
    }
    die(up, "wants an authentication that the relay does not have");
}

static void
take_answer(LvdUpstream *up, const LvdHeader *header, guint8 *message)
{
    const guint8 *body = message + LVD_LENGTH_MIN;
    gsize body_len = header->length - LVD_LENGTH_MIN;
    gboolean failed = header->status != LVD_OK;
    gint32 code = failed ? word_at(body, body_len, 0) : 0;
    gboolean unknown = code == VIR_ERR_NO_SUPPORT || code == VIR_ERR_RPC;

    if (header->serial != up->serial)
        die(up, "answered something else than it was asked");
    else if (up->step == STEP_IDENTITY && (!failed || unknown)) /* before libvirt 5.8: unknown */
        become_ready(up);
    else if (up->step == STEP_OPEN && code == VIR_ERR_NO_CONNECT)
        run_waiting_here(up);
    else if (failed)
        refuse_waiting(up, message, header->length);
    else if (up->step == STEP_AUTH)
        after_auth(up, body, body_len);
    else
        ask_identity(up);
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
find(LvdUpstream *up, LvdHeader *header, guint32 *ret_serial)
{
    Pending *pending = g_hash_table_lookup(up->pending, GUINT_TO_POINTER(header->serial));

    if (!pending || pending->header.proc != header->proc)
        return NULL;
    *ret_serial = header->serial;
    header->serial = pending->header.serial;
    return pending;
}

static void
take_reply(LvdUpstream *up, LvdHeader *header, guint8 *message)
{
    guint32 serial;
    Pending *pending = find(up, header, &serial);

    if (!pending || pending->open) {
        die(up, "sent a reply that nobody waits for");
        return;
    }
    lvd_header_write(header, message);
    if (pending->streams && header->status == LVD_OK) {
        pending->open = TRUE;
        up->n_streams++;
    } else {
        drop(up, serial, pending);
    }
    lvd_client_send(up->client, message, header->length, LVD_OUT_REPLY);
}

static void
take_stream(LvdUpstream *up, LvdHeader *header, guint8 *message)
{
    guint32 serial;
    Pending *pending = find(up, header, &serial);

    /* Packets may cross the end of their stream on the way. */
    if (!pending || !pending->open)
        return;
    lvd_header_write(header, message);
    if (header->status != LVD_CONTINUE)
        drop(up, serial, pending);
    if (!lvd_client_send(up->client, message, header->length, LVD_OUT_STREAM))
        up->paused = TRUE;
}

static void
take_event(LvdUpstream *up, const LvdHeader *header, const guint8 *message)
{
    const LvdProc *proc = lvd_proc_find(header->proc);

    if (!proc || !(proc->flags & LVD_PROC_EVENT) || proc->family != up->family) {
        lvd_debug("client %u: dropped a message of number %d of the %s daemon", up->client->id,
                  header->proc, lvd_family_name(up->family));
        return;
    }
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
        die(up, "sent a message of another program");
    else if (header.type == LVD_REPLY && up->step < STEP_READY)
        take_answer(up, &header, message);
    else if (header.type == LVD_REPLY)
        take_reply(up, &header, message);
    else if (header.type == LVD_STREAM || header.type == LVD_STREAM_HOLE)
        take_stream(up, &header, message);
    else if (header.type == LVD_MESSAGE)
        take_event(up, &header, message);
    else
        die(up, "sent a message of type %d", header.type);
}

/* Takes every whole message; returns how many bytes were used. */
static gsize
parse(LvdUpstream *up, guint8 *data, gsize length)
{
    gsize used = 0;

    while (!up->over && length - used >= sizeof(guint32)) {
        guint32 message = (guint32)word_at(data + used, length - used, 0);

        if (message < LVD_LENGTH_MIN || message > LVD_LENGTH_MAX) {
            die(up, "sent a message of impossible length");
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
        if (!up->over && used < length)
            g_byte_array_append(up->in, data + used, (guint)(length - used));
        return;
    }
    g_byte_array_append(up->in, data, (guint)length);
    used = parse(up, up->in->data, up->in->len);
    if (up->over)
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
        die(up, "hung up");
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
    if (up->over)
        return;
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
    ask(up, STEP_AUTH, PROC_AUTH_LIST, NULL, NULL);
}

static void
connect_again(LvdUpstream *up)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    LvdClient *client = up->client;
    int fd = lvd_relay_connect(client->server->config, up->family,
                               g_atomic_int_get(&client->readonly), &path, &error);

    if (fd >= 0)
        begin(up, fd);
    else if (!path)
        die(up, "went away");
}

LvdUpstream *
lvd_upstream_open(LvdClient *client, LvdFamily family, GError **error)
{
    g_autofree char *path = NULL;
    LvdUpstream *up;
    int fd = lvd_relay_connect(client->server->config, family, g_atomic_int_get(&client->readonly),
                               &path, error);

    if (!path)
        return NULL;
    up = g_new0(LvdUpstream, 1);
    up->watch = (LvdWatch){ .fd = -1, .ready = upstream_ready };
    up->client = client;
    up->family = family;
    up->path = g_steal_pointer(&path);
    up->pending = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    up->in = g_byte_array_new();
    up->out = g_byte_array_new();
    up->started = up->heard = g_get_monotonic_time();
    up->timer = g_source_new(&timer_funcs, sizeof(GSource));
    g_source_set_static_name(up->timer, "lvd-upstream");
    g_source_set_callback(up->timer, on_timer, up, NULL);
    g_source_attach(up->timer, lvd_loop_context(client->server->loop));
    if (fd >= 0)
        begin(up, fd);
    set_timer(up);
    return up;
}

/* ---- from the client ---- */

static gboolean
has_room(LvdUpstream *up, const LvdCall *call)
{
    g_autoptr(GError) error = NULL;

    if (!(call->proc->flags & LVD_PROC_STREAM) || up->n_streams < STREAMS_MAX)
        return TRUE;
    g_set_error(&error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_OPERATION_FAILED),
                "this connection has %u streams open, which is the most that it may have",
                up->n_streams);
    lvd_send_error(up->client, &call->header, LVD_REPLY, error);
    return FALSE;
}

void
lvd_upstream_call(LvdUpstream *up, LvdCall *call)
{
    if (!has_room(up, call)) {
        lvd_call_free(call);
        return;
    }
    if (up->step == STEP_READY)
        forward(up, call);
    else
        g_queue_push_tail(&up->waiting, call);
    set_timer(up);
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

        if (!pending->open || pending->header.serial != header->serial ||
            pending->header.proc != header->proc)
            continue;
        head.serial = GPOINTER_TO_UINT(key);
        send_up(up, &head, body, body_len);
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
