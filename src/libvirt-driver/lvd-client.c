/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection. The I/O thread reads and parses. Whoever has a message to send writes it to the
 * socket at once while nothing is queued; the I/O thread sends what did not fit.
 */
#include "lvd-transport.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FIRST   4096u /* first buffer of an incomplete message */
#define SEND_BATCH 64

enum { KEEPALIVE_PING = 1, KEEPALIVE_PONG = 2 };

/* A descriptor that came with the byte at `offset`. */
typedef struct LvdFd {
    guint64 offset;
    int fd;
} LvdFd;

struct LvdOut {
    LvdOut *next;
    LvdOutKind kind;
    int fd; /* goes with its only byte; -1: none */
    gsize length, sent;
    guint8 bytes[];
};

/* ---- life ---- */

LvdClient *
lvd_client_ref(LvdClient *client)
{
    g_atomic_ref_count_inc(&client->refs);
    return client;
}

void
lvd_client_unref(LvdClient *client)
{
    if (!client || !g_atomic_ref_count_dec(&client->refs))
        return;
    g_mutex_clear(&client->lock);
    g_free(client);
}

static void
unref_post(gpointer client)
{
    lvd_client_unref(client);
}

static void client_ready(LvdWatch *watch, guint32 events);

LvdClient *
lvd_client_new(LvdListener *listener, int fd)
{
    LvdServer *server = listener->server;
    LvdClient *client = g_new0(LvdClient, 1);
    struct ucred peer = { .pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
    socklen_t size = sizeof(peer);

    g_atomic_ref_count_init(&client->refs);
    g_mutex_init(&client->lock);
    client->server = server;
    client->listener = listener;
    client->id = ++server->next_id;
    client->out_tail = &client->out;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    client->pid = peer.pid;
    client->uid = peer.uid;
    client->gid = peer.gid;
    client->readonly = listener->socket.readonly;
    /* root needs no introduction, and cannot be kept out by others' idle connections */
    client->anonymous = peer.uid != 0;
    client->events = EPOLLIN;
    client->watch.ready = client_ready;
    lvd_debug("client %u: connected to %s by pid %d uid %u", client->id, listener->socket.path,
              (int)client->pid, (unsigned)client->uid);
    client->session = lvd_session_new(client, server->host);
    if (!lvd_loop_add(server->loop, &client->watch, fd, EPOLLIN)) {
        g_warning("client %u: cannot be watched: %s", client->id, g_strerror(errno));
        g_clear_pointer(&client->session, lvd_session_free);
        close(fd);
        lvd_client_unref(client);
        return NULL;
    }
    return client;
}

static void
close_fds(LvdClient *client)
{
    for (guint i = 0; client->fds && i < client->fds->len; i++)
        close(g_array_index(client->fds, LvdFd, i).fd);
    g_clear_pointer(&client->fds, g_array_unref);
}

static void
end_session_post(gpointer data)
{
    LvdClient *client = data;

    g_clear_pointer(&client->session, lvd_session_free);
    lvd_client_unref(client);
}

static void
out_free(LvdOut *out)
{
    if (out->fd >= 0)
        close(out->fd);
    g_free(out);
}

static void
free_out_locked(LvdClient *client)
{
    for (LvdOut *out = client->out, *next; out; out = next) {
        next = out->next;
        out_free(out);
    }
    client->out = NULL;
    client->out_tail = &client->out;
}

/* One that a worker registers from now on finds us dead when it starts. */
static void
close_streams(LvdClient *client)
{
    g_autoptr(GList) streams = NULL;

    g_mutex_lock(&client->lock);
    streams = g_list_copy(client->streams);
    g_mutex_unlock(&client->lock);
    for (GList *item = streams; item; item = item->next)
        lvd_stream_close(item->data);
}

void
lvd_client_close(LvdClient *client, const char *why)
{
    gboolean idle;
    int fd;

    g_mutex_lock(&client->lock);
    if (client->dead) {
        g_mutex_unlock(&client->lock);
        return;
    }
    client->dead = TRUE;
    idle = client->calls == 0;
    fd = client->watch.fd;
    lvd_loop_remove(client->server->loop, &client->watch);
    free_out_locked(client);
    g_mutex_unlock(&client->lock);

    lvd_debug("client %u: %s", client->id, why);
    close(fd);
    close_streams(client);
    lvd_relay_close(client);
    g_clear_pointer(&client->fd_call, lvd_call_free);
    g_clear_pointer(&client->in, g_free);
    client->in_len = client->in_size = 0;
    close_fds(client);
    lvd_client_ref(client);
    lvd_server_client_gone(client->server, client);
    /* A call that still runs keeps the session; its end frees it. By a post in both cases: we may
     * be deep inside this client's parsing. */
    lvd_loop_post(client->server->loop, idle ? end_session_post : unref_post, client);
}

void
lvd_client_call_replies(LvdClient *client, const LvdCall *call)
{
    if (!call->slow)
        return;
    g_mutex_lock(&client->lock);
    client->slow--;
    client->requests++;
    g_mutex_unlock(&client->lock);
}

void
lvd_client_call_done(LvdClient *client)
{
    gboolean last;

    g_mutex_lock(&client->lock);
    last = --client->calls == 0 && client->dead;
    g_mutex_unlock(&client->lock);
    if (last)
        lvd_loop_post(client->server->loop, end_session_post, lvd_client_ref(client));
}

/* The I/O thread learns of it as of any hang-up, the peer at once. */
static void
shut_locked(LvdClient *client)
{
    if (!client->cut && client->watch.fd >= 0)
        shutdown(client->watch.fd, SHUT_RDWR);
    client->cut = TRUE;
}

/* Any thread. */
static void
cut_off(LvdClient *client, const char *why)
{
    g_mutex_lock(&client->lock);
    shut_locked(client);
    g_mutex_unlock(&client->lock);
    g_warning("client %u (pid %d, uid %u): cut off: %s", client->id, (int)client->pid,
              (unsigned)client->uid, why);
}

void
lvd_client_end(LvdClient *client)
{
    g_mutex_lock(&client->lock);
    client->ending = TRUE;
    if (!client->out)
        shut_locked(client);
    g_mutex_unlock(&client->lock);
}

void
lvd_client_close_after_reply(LvdClient *client)
{
    LvdCall *call = lvd_call_current();

    g_mutex_lock(&client->lock);
    client->closing = TRUE;
    g_mutex_unlock(&client->lock);
    if (call && call->client == client)
        call->close_after = TRUE;
    else
        lvd_client_end(client);
}

void
lvd_client_set_open(LvdClient *client, gboolean readonly)
{
    if (readonly)
        g_atomic_int_set(&client->readonly, TRUE);
    if (g_atomic_int_compare_and_exchange(&client->open, FALSE, TRUE) && client->anonymous)
        lvd_server_client_opened(client->server, client->listener);
}

gboolean
lvd_client_is_open(LvdClient *client)
{
    return g_atomic_int_get(&client->open);
}

/* ---- output ---- */

static void
set_events_locked(LvdClient *client, guint32 events)
{
    if (client->events == events || client->watch.fd < 0)
        return;
    client->events = events;
    lvd_loop_modify(client->server->loop, &client->watch, events);
}

/* TRUE: reading may go on; the caller posts that, without the lock. */
static gboolean
left_locked(LvdClient *client, LvdOutKind kind, gsize length)
{
    if (kind == LVD_OUT_EVENT)
        client->event_bytes -= length;
    if (kind != LVD_OUT_REPLY)
        return FALSE;
    client->requests--;
    if (!client->paused)
        return FALSE;
    client->paused = FALSE; /* one resume is enough; it looks again */
    return TRUE;
}

static void
queue_locked(LvdClient *client, const guint8 *bytes, gsize length, LvdOutKind kind, int fd)
{
    LvdOut *out = g_malloc(sizeof(LvdOut) + length);

    out->next = NULL;
    out->kind = kind;
    out->fd = fd;
    out->length = length;
    out->sent = 0;
    memcpy(out->bytes, bytes, length);
    *client->out_tail = out;
    client->out_tail = &out->next;
    if (kind == LVD_OUT_EVENT)
        client->event_bytes += length;
    set_events_locked(client, client->events | EPOLLOUT);
}

/* How much left at once: 0 when something is queued or the socket is full; -1: the peer is gone. */
static gssize
try_send_locked(LvdClient *client, const guint8 *bytes, gsize length)
{
    gssize n;

    if (client->out)
        return 0;
    do
        n = send(client->watch.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

gboolean
lvd_client_send(LvdClient *client, const guint8 *bytes, gsize length, LvdOutKind kind)
{
    gboolean resume = FALSE, flooded;
    gssize n;

    g_mutex_lock(&client->lock);
    if (client->dead || client->cut) {
        g_mutex_unlock(&client->lock);
        return FALSE;
    }
    flooded = kind == LVD_OUT_EVENT && client->event_bytes + length > LVD_EVENT_QUEUE_MAX;
    n = flooded ? -1 : try_send_locked(client, bytes, length);
    if (n < 0)
        shut_locked(client);
    else if ((gsize)n < length)
        queue_locked(client, bytes + n, length - n, kind, -1);
    else if (kind == LVD_OUT_REPLY)
        resume = left_locked(client, kind, length);
    g_mutex_unlock(&client->lock);
    if (flooded)
        cut_off(client, "it does not read its events");
    if (resume)
        lvd_client_resume(client);
    return n >= 0 && (gsize)n == length;
}

void
lvd_client_send_with_fd(LvdClient *client, const guint8 *bytes, gsize length, int fd)
{
    static const guint8 marker = 0;

    g_mutex_lock(&client->lock);
    if (client->dead || client->cut) {
        close(fd);
    } else { /* nothing may come between the two; the I/O thread sends them */
        queue_locked(client, bytes, length, LVD_OUT_REPLY, -1);
        queue_locked(client, &marker, sizeof(marker), LVD_OUT_PLAIN, fd);
    }
    g_mutex_unlock(&client->lock);
}

void
lvd_client_send_header(LvdClient *client, const LvdHeader *header, LvdOutKind kind)
{
    LvdHeader head = *header;
    guint8 bytes[LVD_LENGTH_MIN];

    head.length = LVD_LENGTH_MIN;
    lvd_header_write(&head, bytes);
    lvd_client_send(client, bytes, sizeof(bytes), kind);
}

void
lvd_client_send_message(LvdClient *client, int proc, xdrproc_t xdr, const void *message)
{
    /* Stock daemons count events as serial 1; clients do not look. */
    LvdHeader header = { .prog = LVD_PROGRAM_REMOTE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_MESSAGE,
                         .serial = 1,
                         .status = LVD_OK };
    guint8 room[4096], *bytes;
    gsize length;

    bytes = lvd_frame_encode(&header, xdr, message, room, sizeof(room), &length);
    if (!bytes) {
        g_warning("client %u: an event of number %d cannot be encoded: left out", client->id, proc);
        return;
    }
    lvd_client_send(client, bytes, length, LVD_OUT_EVENT);
    if (bytes != room)
        g_free(bytes);
}

/* Drops the messages that the last write finished. */
static void
advance_locked(LvdClient *client, gsize n, gboolean *ret_resume, gboolean *ret_stream)
{
    while (client->out) {
        LvdOut *out = client->out;
        gsize step = MIN(n, out->length - out->sent);

        out->sent += step;
        n -= step;
        if (out->sent < out->length)
            return;
        *ret_resume |= left_locked(client, out->kind, out->length);
        *ret_stream |= out->kind == LVD_OUT_STREAM;
        client->out = out->next;
        if (!client->out)
            client->out_tail = &client->out;
        out_free(out);
    }
}

typedef union FdControl {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
} FdControl;

static void
attach_fd(struct msghdr *message, FdControl *control, int fd)
{
    struct cmsghdr *header;

    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = sizeof(*control);
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
}

static gssize
send_batch_locked(LvdClient *client)
{
    struct iovec parts[SEND_BATCH];
    struct msghdr message = { .msg_iov = parts };
    LvdOut *out = client->out;
    FdControl control;

    /* A descriptor goes with a byte of its own, and the receiver reads no further in one go. */
    if (out->fd >= 0)
        attach_fd(&message, &control, out->fd);
    do {
        parts[message.msg_iovlen++] = (struct iovec){ out->bytes + out->sent,
                                                      out->length - out->sent };
        out = out->next;
    } while (out && out->fd < 0 && client->out->fd < 0 && message.msg_iovlen < SEND_BATCH);
    return sendmsg(client->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
streams_sent(LvdClient *client)
{
    g_autoptr(GList) streams = NULL;

    g_mutex_lock(&client->lock);
    streams = g_list_copy(client->streams);
    g_mutex_unlock(&client->lock);
    for (GList *item = streams; item; item = item->next)
        lvd_stream_sent(item->data);
    lvd_relay_sent(client);
}

static void
client_flush(LvdClient *client)
{
    gboolean resume = FALSE, stream = FALSE;

    g_mutex_lock(&client->lock);
    while (client->out) {
        gssize n = send_batch_locked(client);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EAGAIN)
                shut_locked(client);
            break;
        }
        advance_locked(client, (gsize)n, &resume, &stream);
    }
    if (!client->out) {
        set_events_locked(client, client->events & ~(guint32)EPOLLOUT);
        if (client->ending)
            shut_locked(client);
    }
    g_mutex_unlock(&client->lock);
    if (stream)
        streams_sent(client);
    if (resume)
        lvd_client_resume(client);
}

/* ---- keepalive ---- */

static void
send_keepalive(LvdClient *client, gint32 proc)
{
    LvdHeader header = { .prog = LVD_PROGRAM_KEEPALIVE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_MESSAGE,
                         .status = LVD_OK };

    lvd_client_send_header(client, &header, LVD_OUT_EVENT);
}

void
lvd_client_start_keepalive(LvdClient *client)
{
    if (client->server->config->keepalive_interval <= 0)
        return;
    g_atomic_int_set(&client->keepalive, TRUE);
    lvd_server_arm_keepalive(client->server);
}

gint64
lvd_client_check_alive(LvdClient *client, gint64 now)
{
    gint64 interval = client->server->config->keepalive_interval * G_TIME_SPAN_SECOND;
    gint64 due;

    /* Its answers may stand in the socket that we do not read. */
    if (client->stopped)
        client->heard = now;
    if (client->heard >= client->pinged)
        client->pings_left = client->server->config->keepalive_count;
    due = MAX(client->heard, client->pinged) + interval;
    if (now < due)
        return due;
    if (client->pings_left == 0) {
        g_warning("client %u (pid %d, uid %u): gone: no answer to keepalive", client->id,
                  (int)client->pid, (unsigned)client->uid);
        lvd_client_close(client, "keepalive timeout");
        return G_MAXINT64;
    }
    client->pings_left--;
    client->pinged = now;
    send_keepalive(client, KEEPALIVE_PING);
    return now + interval;
}

/* ---- input ---- */

/* The descriptor that came with the byte at `offset`; -1: none. */
static int
take_fd(LvdClient *client, guint64 offset)
{
    for (guint i = 0; client->fds && i < client->fds->len; i++) {
        LvdFd *entry = &g_array_index(client->fds, LvdFd, i);

        if (entry->offset == offset) {
            int fd = entry->fd;

            g_array_remove_index(client->fds, i);
            return fd;
        }
    }
    return -1;
}

void
lvd_client_run(LvdClient *client, LvdCall *call)
{
    const gboolean high = lvd_call_is_high(call);

    call->slow = !high && client->server->config->max_client_slow_requests > 0;
    g_mutex_lock(&client->lock);
    if (call->slow) {
        client->requests--;
        client->slow++;
    }
    client->calls++;
    g_mutex_unlock(&client->lock);
    lvd_work_push(client->server->work, &call->job, high);
}

static void
submit(LvdClient *client, LvdCall *call)
{
    g_mutex_lock(&client->lock);
    client->requests++;
    g_mutex_unlock(&client->lock);
    if (!lvd_relay_call(client, call))
        lvd_client_run(client, call);
}

static void
take_call(LvdClient *client, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    guint32 n_fds;
    LvdCall *call;

    if (header->type == LVD_CALL) {
        submit(client, lvd_call_new(client, header, body, body_len));
        return;
    }
    if (body_len < sizeof(n_fds)) {
        lvd_client_close(client, "CALL_WITH_FDS without a number of descriptors");
        return;
    }
    memcpy(&n_fds, body, sizeof(n_fds));
    n_fds = GUINT32_FROM_BE(n_fds);
    if (n_fds > LVD_FDS_MAX) {
        lvd_client_close(client, "more than 32 descriptors in a call");
        return;
    }
    call = lvd_call_new(client, header, body + sizeof(n_fds), body_len - sizeof(n_fds));
    call->fds_left = n_fds;
    if (n_fds == 0)
        submit(client, call);
    else
        client->fd_call = call;
}

static void
take_message(LvdClient *client, const guint8 *message)
{
    LvdHeader header;
    const guint8 *body = message + LVD_LENGTH_MIN;
    gsize body_len;

    lvd_header_read(&header, message);
    body_len = header.length - LVD_LENGTH_MIN;
    if (header.prog == LVD_PROGRAM_KEEPALIVE && header.vers == LVD_VERSION &&
        header.type == LVD_MESSAGE) {
        if (header.proc == KEEPALIVE_PING)
            send_keepalive(client, KEEPALIVE_PONG);
        return;
    }
    switch (header.type) {
    case LVD_CALL:
    case LVD_CALL_FDS:
        take_call(client, &header, body, body_len);
        break;
    case LVD_STREAM:
    case LVD_STREAM_HOLE:
        if (!lvd_relay_packet(client, &header, body, body_len))
            lvd_stream_packet(client, &header, body, body_len);
        break;
    default:
        lvd_debug("client %u: dropped a message of type %d", client->id, header.type);
    }
}

/* One marker byte, with one descriptor, behind a CALL_WITH_FDS. */
static void
take_marker(LvdClient *client, guint64 offset)
{
    LvdCall *call = client->fd_call;
    int fd = take_fd(client, offset);

    if (fd < 0) {
        lvd_client_close(client, "a byte without the descriptor that it announced");
        return;
    }
    call->fds[call->n_fds++] = fd;
    if (--call->fds_left > 0)
        return;
    client->fd_call = NULL;
    submit(client, call);
}

/* As max_client_requests and max_client_slow_requests have it, and as long as a stream's descriptor
 * takes no more. */
static gboolean
must_stop(LvdClient *client)
{
    const LvdConfig *config = client->server->config;

    g_mutex_lock(&client->lock);
    client->paused = client->requests >= config->max_client_requests ||
                     (client->slow > 0 && client->slow >= config->max_client_slow_requests);
    client->stopped = client->paused || client->closing || client->cut || client->dead ||
                      client->stalled > 0;
    g_mutex_unlock(&client->lock);
    return client->stopped;
}

/* Takes every whole message; returns how many bytes were used. `offset` is data[0]'s in all input.
 */
static gsize
parse(LvdClient *client, const guint8 *data, gsize length, guint64 offset)
{
    gsize used = 0;

    while (used < length && !must_stop(client)) {
        guint32 message;

        if (client->fd_call) {
            take_marker(client, offset + used);
            used++;
            continue;
        }
        if (length - used < sizeof(message))
            break;
        memcpy(&message, data + used, sizeof(message));
        message = GUINT32_FROM_BE(message);
        if (message < LVD_LENGTH_MIN || message > LVD_LENGTH_MAX) {
            lvd_client_close(client, "a message of impossible length");
            break;
        }
        if (length - used < message)
            break;
        take_message(client, data + used);
        used += message;
    }
    return used;
}

/* What is left of `data` becomes the client's own buffer. */
static void
keep_rest(LvdClient *client, const guint8 *data, gsize length)
{
    if (client->dead)
        return;
    if (length > client->in_size) {
        g_free(client->in);
        client->in_size = MAX(length, IN_FIRST);
        client->in = g_malloc(client->in_size);
    }
    if (length > 0)
        memmove(client->in, data, length);
    client->in_len = length;
    if (length == 0) { /* an idle client has no buffer */
        g_clear_pointer(&client->in, g_free);
        client->in_size = 0;
    }
    /* A descriptor belongs to a marker byte, and the next marker can only come behind what is still
     * to be read. While stopped, markers may wait in the buffer. */
    if (!client->stopped)
        close_fds(client);
}

static void
parse_in(LvdClient *client)
{
    guint64 offset = client->in_offset;
    gsize used = parse(client, client->in, client->in_len, offset);

    if (client->dead)
        return;
    client->in_offset += used;
    keep_rest(client, client->in + used, client->in_len - used);
}

static void
resume_post(gpointer data)
{
    LvdClient *client = data;

    if (!client->dead && client->stopped) {
        client->stopped = FALSE;
        if (client->in_len > 0)
            parse_in(client);
        /* parse() looks only where there is input. What it stopped at stays stopped, though the
         * reason may be gone by now: another resume is on its way then. */
        if (!client->dead && !client->stopped && !must_stop(client)) {
            g_mutex_lock(&client->lock);
            set_events_locked(client, client->events | EPOLLIN);
            g_mutex_unlock(&client->lock);
        }
    }
    lvd_client_unref(client);
}

void
lvd_client_resume(LvdClient *client)
{
    lvd_loop_post(client->server->loop, resume_post, lvd_client_ref(client));
}

static void
keep_fds(LvdClient *client, struct msghdr *message, guint64 offset)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
            LvdFd entry = { .offset = offset };

            memcpy(&entry.fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (!client->fds)
                client->fds = g_array_new(FALSE, FALSE, sizeof(LvdFd));
            g_array_append_val(client->fds, entry);
        }
    }
}

/* Descriptors are a barrier to recvmsg() (unix(7)): it never returns bytes from behind the one that
 * they came with. So reading ahead cannot lose one, its byte is the last that was returned, and
 * there are at most LVD_FDS_MAX a read: what finds no room the kernel closes. */
static gssize
receive(LvdClient *client, guint8 *room, gsize size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LVD_FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = { room, size };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    gssize n;

    do
        n = recvmsg(client->watch.fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && message.msg_controllen > 0)
        keep_fds(client, &message, client->in_offset + client->in_len + (guint64)n - 1);
    return n;
}

/* Room behind an incomplete message, and never beyond its end. It grows with what has come, so the
 * length word alone buys nothing: who claims 32 MiB and sends 1 KiB costs 4 KiB. */
static gsize
make_room(LvdClient *client)
{
    guint32 total = LVD_LENGTH_MIN;

    if (client->in_len >= sizeof(total)) {
        memcpy(&total, client->in, sizeof(total));
        total = GUINT32_FROM_BE(total);
    }
    if (client->in_len == client->in_size) {
        client->in_size = MIN(MAX(client->in_size * 2, IN_FIRST), MAX(total, IN_FIRST));
        client->in = g_realloc(client->in, client->in_size);
    }
    return MIN(client->in_size, total) - client->in_len;
}

/* One read a turn: the header and its payload together in the usual case. */
static void
client_read(LvdClient *client)
{
    LvdServer *server = client->server;
    gboolean fresh = client->in_len == 0;
    gsize size = fresh ? LVD_SCRATCH_SIZE : make_room(client);
    gssize n = receive(client, fresh ? server->scratch : client->in + client->in_len, size);
    gsize used;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        lvd_client_close(client, n < 0 ? "read error" : "disconnected");
        return;
    }
    client->heard = g_get_monotonic_time();
    if (!fresh) {
        client->in_len += (gsize)n;
        parse_in(client);
        return;
    }
    used = parse(client, server->scratch, (gsize)n, client->in_offset);
    client->in_offset += used;
    if (used < (gsize)n || client->fds)
        keep_rest(client, server->scratch + used, (gsize)n - used);
}

static void
client_ready(LvdWatch *watch, guint32 events)
{
    LvdClient *client = (LvdClient *)watch;
    gboolean cut;

    if (events & EPOLLOUT)
        client_flush(client);
    g_mutex_lock(&client->lock);
    cut = client->cut;
    /* Level-triggered: told again and again unless it is switched off while nobody reads. */
    if (client->stopped && events & EPOLLIN)
        set_events_locked(client, client->events & ~(guint32)EPOLLIN);
    g_mutex_unlock(&client->lock);
    if (cut)
        lvd_client_close(client, "closed");
    else if (events & EPOLLIN && !client->stopped)
        client_read(client); /* what came before a hang-up is still served */
    else if (events & (EPOLLHUP | EPOLLERR))
        lvd_client_close(client, "disconnected");
}
