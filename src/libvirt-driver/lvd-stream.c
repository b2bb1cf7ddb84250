/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream: a non-blocking descriptor (a console) pumped both ways. Everything but its birth
 * happens in the I/O thread.
 *
 * To the client: the next chunk is read only after the one before left the client's queue, so a
 * client that does not read holds at most one. From the client: what the descriptor does not take
 * at once waits here; past BACKLOG the client's socket is not read until it went.
 *
 * The descriptor is watched with EPOLLONESHOT: a hang-up is reported whatever one asks for, and
 * would be reported for ever while the client is slow.
 */
#include "lvd-transport.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BACKLOG LVD_STREAM_CHUNK
/* A client that finishes wants to know that its last bytes arrived; a guest that takes none for so
 * long gets no more of its time. */
#define FINISH_SECONDS 5

struct LvdStream {
    LvdWatch watch;
    guint refs;        /* I/O thread, once registered */
    LvdClient *client; /* immutable */
    gint32 proc;       /* immutable */
    guint32 serial;    /* immutable */
    int fd;            /* immutable until closed */
    LvdStreamClosed closed;
    gpointer data;
    /* I/O thread: */
    gboolean started;    /* watched */
    gboolean at_end;     /* read to the end: the client was told */
    gboolean sending;    /* a chunk is in the client's queue */
    gboolean finishing;  /* the client said OK; answered when `pending` is empty */
    gboolean deaf;       /* the descriptor takes nothing any more */
    gboolean stalling;   /* counted in client->stalled */
    gboolean over;       /* closed */
    GByteArray *pending; /* from the client, not yet written */
    gsize written;       /* of pending */
    GSource *deadline;   /* of finishing */
};

static void stream_ready(LvdWatch *watch, guint32 events);

LvdStream *
lvd_stream_new(LvdClient *client, const LvdHeader *call, int fd, LvdStreamClosed closed,
               gpointer data)
{
    LvdStream *stream = g_new0(LvdStream, 1);

    stream->refs = 1;
    stream->watch.fd = -1;
    stream->watch.ready = stream_ready;
    stream->client = lvd_client_ref(client);
    stream->proc = call->proc;
    stream->serial = call->serial;
    stream->fd = fd;
    stream->closed = closed;
    stream->data = data;
    stream->pending = g_byte_array_new();
    return stream;
}

/* ---- end ---- */

static void
unref_post(gpointer data)
{
    LvdStream *stream = data;

    if (--stream->refs > 0)
        return;
    lvd_client_unref(stream->client);
    g_byte_array_unref(stream->pending);
    g_free(stream);
}

static void
set_stalling(LvdStream *stream, gboolean stalling)
{
    if (stream->stalling == stalling)
        return;
    stream->stalling = stalling;
    stream->client->stalled += stalling ? 1 : -1;
    if (!stalling)
        lvd_client_resume(stream->client);
}

static void
drop_deadline(LvdStream *stream)
{
    if (!stream->deadline)
        return;
    g_source_destroy(stream->deadline);
    g_clear_pointer(&stream->deadline, g_source_unref);
}

void
lvd_stream_close(LvdStream *stream)
{
    LvdClient *client = stream->client;

    if (stream->over)
        return;
    stream->over = TRUE;
    g_mutex_lock(&client->lock);
    client->streams = g_list_remove(client->streams, stream);
    g_mutex_unlock(&client->lock);
    set_stalling(stream, FALSE);
    drop_deadline(stream);
    lvd_loop_remove(client->server->loop, &stream->watch);
    if (stream->closed)
        stream->closed(stream->fd, stream->data);
    close(stream->fd);
    lvd_loop_post(client->server->loop, unref_post, stream);
}

static void
abandon_post(gpointer stream)
{
    lvd_stream_close(stream);
}

void
lvd_stream_abandon(LvdStream *stream)
{
    lvd_loop_post(stream->client->server->loop, abandon_post, stream);
}

/* ---- packets to the client ---- */

static LvdHeader
packet_header(const LvdStream *stream, gint32 status)
{
    return (LvdHeader){ .prog = LVD_PROGRAM_REMOTE,
                        .vers = LVD_VERSION,
                        .proc = stream->proc,
                        .type = LVD_STREAM,
                        .serial = stream->serial,
                        .status = status };
}

static void
send_empty(LvdStream *stream, gint32 status)
{
    LvdHeader header = packet_header(stream, status);

    lvd_client_send_header(stream->client, &header, LVD_OUT_PLAIN);
}

/* The stream failed: tells the client and is over. */
static void fail(LvdStream *stream, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void
fail(LvdStream *stream, int code, const char *format, ...)
{
    LvdHeader header = packet_header(stream, LVD_ERROR_STATUS);
    g_autoptr(GError) error = NULL;
    va_list args;

    va_start(args, format);
    error = g_error_new_valist(LVD_ERROR, LVD_ERROR_CODE(code, VIR_FROM_STREAMS), format, args);
    va_end(args);
    lvd_send_error(stream->client, &header, LVD_STREAM, error);
    lvd_stream_close(stream);
}

static void
finish(LvdStream *stream)
{
    send_empty(stream, LVD_OK);
    lvd_stream_close(stream);
}

/* ---- the descriptor ---- */

static gsize
n_pending(const LvdStream *stream)
{
    return stream->pending->len - stream->written;
}

/* Asks for what is wanted now; the last event, if any, disarmed the watch. */
static void
arm(LvdStream *stream)
{
    guint32 events = 0;

    if (!stream->started || stream->over)
        return;
    if (!stream->at_end && !stream->sending && !stream->finishing)
        events |= EPOLLIN;
    if (n_pending(stream) > 0)
        events |= EPOLLOUT;
    if (events)
        lvd_loop_modify(stream->client->server->loop, &stream->watch, events | EPOLLONESHOT);
}

/* The other side is gone: a pty master says EIO, a socket EPIPE or ECONNRESET. */
static gboolean
is_hangup(int code)
{
    return code == EIO || code == EPIPE || code == ECONNRESET;
}

static void
read_chunk(LvdStream *stream)
{
    LvdServer *server = stream->client->server;
    LvdHeader header = packet_header(stream, LVD_CONTINUE);
    gssize n = read(stream->fd, server->chunk + LVD_LENGTH_MIN, LVD_STREAM_CHUNK);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && !is_hangup(errno)) {
        fail(stream, VIR_ERR_SYSTEM_ERROR, "cannot read from the stream: %s", g_strerror(errno));
        return;
    }
    if (n <= 0) { /* an empty packet is the end */
        n = 0;
        stream->at_end = TRUE;
    }
    header.length = LVD_LENGTH_MIN + (guint32)n;
    lvd_header_write(&header, server->chunk);
    stream->sending = !lvd_client_send(stream->client, server->chunk, header.length,
                                       LVD_OUT_STREAM);
}

void
lvd_stream_sent(LvdStream *stream)
{
    if (!stream->sending)
        return;
    stream->sending = FALSE;
    arm(stream);
}

/* Writes what it takes. FALSE: the stream is over. */
static gboolean
write_out(LvdStream *stream)
{
    gsize before = stream->written;

    while (n_pending(stream) > 0 && !stream->deaf) {
        gssize n = write(stream->fd, stream->pending->data + stream->written, n_pending(stream));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && is_hangup(errno)) {
            stream->deaf = TRUE; /* the read side says it, as the end of data */
        } else if (n < 0) {
            fail(stream, VIR_ERR_SYSTEM_ERROR, "cannot write to the stream: %s", g_strerror(errno));
            return FALSE;
        } else {
            stream->written += (gsize)n;
        }
    }
    if (stream->deaf || n_pending(stream) == 0) {
        g_byte_array_set_size(stream->pending, 0);
        stream->written = 0;
    }
    if (stream->deadline && stream->written != before) /* it moves: wait on */
        g_source_set_ready_time(stream->deadline,
                                g_get_monotonic_time() + FINISH_SECONDS * G_USEC_PER_SEC);
    set_stalling(stream, n_pending(stream) > BACKLOG);
    if (stream->finishing && n_pending(stream) == 0) {
        finish(stream);
        return FALSE;
    }
    return TRUE;
}

static void
stream_ready(LvdWatch *watch, guint32 events)
{
    LvdStream *stream = (LvdStream *)watch;

    if (n_pending(stream) > 0 && !write_out(stream))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !stream->at_end && !stream->sending &&
        !stream->finishing)
        read_chunk(stream);
    arm(stream);
}

/* ---- start ---- */

void
lvd_stream_register(LvdStream *stream)
{
    LvdClient *client = stream->client;

    /* One for the list, one for the start to come: the client may abort in between. */
    stream->refs++;
    g_mutex_lock(&client->lock);
    client->streams = g_list_prepend(client->streams, stream);
    g_mutex_unlock(&client->lock);
}

static void
start(LvdStream *stream)
{
    LvdClient *client = stream->client;

    if (stream->over)
        return;
    if (client->watch.fd < 0) {
        lvd_stream_close(stream);
        return;
    }
    if (!lvd_loop_add(client->server->loop, &stream->watch, stream->fd, EPOLLIN | EPOLLONESHOT)) {
        fail(stream, VIR_ERR_SYSTEM_ERROR, "cannot watch the stream: %s", g_strerror(errno));
        return;
    }
    stream->started = TRUE;
    arm(stream);
}

static void
start_post(gpointer stream)
{
    start(stream);
    unref_post(stream);
}

void
lvd_stream_start(LvdStream *stream)
{
    lvd_loop_post(stream->client->server->loop, start_post, stream);
}

/* epoll has forgotten the descriptor together with the file that it stood for. */
static void
replaced_post(gpointer data)
{
    LvdStream *stream = data;

    if (!stream->started || stream->over)
        return;
    lvd_loop_remove(stream->client->server->loop, &stream->watch);
    start(stream);
}

/* The post needs no reference: what `closed` leads to is posted later. */
void
lvd_stream_replaced(LvdStream *stream)
{
    lvd_loop_post(stream->client->server->loop, replaced_post, stream);
}

/* ---- packets from the client ---- */

static gboolean
give_up(gpointer data)
{
    LvdStream *stream = data;

    fail(stream, VIR_ERR_OPERATION_TIMEOUT, "the last %" G_GSIZE_FORMAT " bytes were not taken",
         n_pending(stream));
    return G_SOURCE_REMOVE;
}

static void
begin_finish(LvdStream *stream)
{
    stream->finishing = TRUE;
    if (n_pending(stream) == 0) {
        finish(stream);
        return;
    }
    stream->deadline = g_timeout_source_new(FINISH_SECONDS * 1000);
    g_source_set_callback(stream->deadline, give_up, stream, NULL);
    g_source_attach(stream->deadline, lvd_loop_context(stream->client->server->loop));
    arm(stream);
}

static void
take_data(LvdStream *stream, const guint8 *body, gsize body_len)
{
    if (stream->deaf || body_len == 0)
        return;
    if (stream->written > 0) {
        g_byte_array_remove_range(stream->pending, 0, (guint)stream->written);
        stream->written = 0;
    }
    g_byte_array_append(stream->pending, body, (guint)body_len);
    if (write_out(stream))
        arm(stream);
}

static LvdStream *
find(LvdClient *client, const LvdHeader *header)
{
    LvdStream *found = NULL;

    g_mutex_lock(&client->lock);
    for (GList *item = client->streams; item && !found; item = item->next) {
        LvdStream *stream = item->data;

        if (stream->serial == header->serial && stream->proc == header->proc)
            found = stream;
    }
    g_mutex_unlock(&client->lock);
    return found;
}

void
lvd_stream_packet(LvdClient *client, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    LvdStream *stream = NULL;

    if (header->prog == LVD_PROGRAM_REMOTE && header->vers == LVD_VERSION)
        stream = find(client, header);
    /* Packets of a stream that is over cross our last one on the way: dropped, as are stray ones.
     */
    if (!stream || stream->finishing)
        return;
    if (header->status == LVD_ERROR_STATUS) /* abort: nothing more is written */
        finish(stream);
    else if (header->type == LVD_STREAM_HOLE)
        fail(stream, VIR_ERR_OPERATION_UNSUPPORTED, "this stream is not sparse: no holes");
    else if (header->status == LVD_OK)
        begin_finish(stream);
    else if (header->status == LVD_CONTINUE)
        take_data(stream, body, body_len);
    else
        fail(stream, VIR_ERR_RPC, "Unexpected message status %u", (guint32)header->status);
}
