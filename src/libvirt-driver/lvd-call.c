/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call, on a worker: what must hold before its handler runs, then the handler, then the reply.
 */
#include "lvd-transport.h"

#include <string.h>
#include <unistd.h>

static _Thread_local LvdCall *current;

LvdCall *
lvd_call_new(LvdClient *client, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    LvdCall *call = g_malloc(sizeof(LvdCall) + body_len);

    memset(call, 0, sizeof(LvdCall));
    call->client = lvd_client_ref(client);
    call->header = *header;
    call->answer_fd = -1;
    call->body_len = body_len;
    memcpy(call->body, body, body_len);
    if (header->prog == LVD_PROGRAM_REMOTE && header->vers == LVD_VERSION)
        call->proc = lvd_proc_find(header->proc);
    else if (header->prog == LVD_PROGRAM_QEMU && header->vers == LVD_VERSION)
        call->proc = lvd_qemu_proc_find(header->proc);
    return call;
}

void
lvd_call_free(LvdCall *call)
{
    if (!call)
        return;
    for (guint i = 0; i < call->n_fds; i++)
        if (call->fds[i] >= 0)
            close(call->fds[i]);
    if (call->answer_fd >= 0)
        close(call->answer_fd);
    lvd_client_unref(call->client);
    g_free(call);
}

/* A call that gets an error from us waits for no guest either. One that we answer in a stock
 * daemon's place looks at files, which may be on a server that hangs. */
gboolean
lvd_call_is_high(const LvdCall *call)
{
    return !call->proc || !call->proc->handler ||
           (call->proc->flags & (LVD_PROC_HIGH | LVD_PROC_RELAY)) == LVD_PROC_HIGH;
}

LvdCall *
lvd_call_current(void)
{
    return current;
}

LvdClient *
lvd_call_client(LvdCall *call)
{
    return call->client;
}

HvHost *
lvd_call_host(LvdCall *call)
{
    return call->client->server->host;
}

LvdSession *
lvd_call_session(LvdCall *call)
{
    return call->client->session;
}

const LvdProc *
lvd_call_proc(LvdCall *call)
{
    return call->proc;
}

gboolean
lvd_call_is_readonly(LvdCall *call)
{
    return g_atomic_int_get(&call->client->readonly);
}

LvdStream *
lvd_call_open_stream(LvdCall *call, int fd, LvdStreamClosed closed, gpointer data)
{
    g_return_val_if_fail(!call->stream, NULL);
    call->stream = lvd_stream_new(call->client, &call->header, fd, closed, data);
    return call->stream;
}

guint
lvd_call_n_fds(LvdCall *call)
{
    return call->n_fds;
}

int
lvd_call_fd(LvdCall *call, guint index)
{
    g_return_val_if_fail(index < call->n_fds, -1);
    return call->fds[index];
}

int
lvd_call_steal_fd(LvdCall *call, guint index)
{
    int fd = lvd_call_fd(call, index);

    call->fds[index] = -1;
    return fd;
}

void
lvd_call_return_fd(LvdCall *call, int fd)
{
    g_return_if_fail(call->answer_fd < 0 && !call->proc->ret);
    call->answer_fd = fd;
}

void
lvd_call_join(LvdCall *call, int a, int b)
{
    lvd_pump_start(call->client->server, a, b);
}

/* ---- before the handler ---- */

/* The frame itself: before anything of its contents is looked at. */
static gboolean
check_header(const LvdCall *call, GError **error)
{
    const LvdHeader *header = &call->header;

    if ((header->prog != LVD_PROGRAM_REMOTE && header->prog != LVD_PROGRAM_QEMU) ||
        header->vers != LVD_VERSION) {
        g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC),
                    "Cannot find program %u version %u", header->prog, header->vers);
        return FALSE;
    }
    if (header->status != LVD_OK) {
        g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC), "Unexpected message status %u",
                    (guint32)header->status);
        return FALSE;
    }
    if (!call->proc || call->proc->flags & LVD_PROC_EVENT) {
        /* Clients look for the first two words: they try an older procedure then. */
        g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC), "unknown procedure: %d",
                    header->proc);
        return FALSE;
    }
    return TRUE;
}

/* Whether this client may make this call, and whether it is to be had. */
static gboolean
check_allowed(LvdCall *call, GError **error)
{
    const LvdProc *proc = call->proc;

    if (!(proc->flags & LVD_PROC_BEFORE_OPEN) && !lvd_client_is_open(call->client)) {
        g_set_error_literal(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_INTERNAL_ERROR),
                            "hypervisor connection not open");
        return FALSE;
    }
    if (lvd_call_is_readonly(call) && !(proc->flags & LVD_PROC_READONLY)) {
        lvd_set_readonly(error, proc);
        return FALSE;
    }
    if (!proc->handler) {
        lvd_set_no_support(error, proc);
        return FALSE;
    }
    return TRUE;
}

static gboolean
decode(LvdCall *call, void *args, GError **error)
{
    XDR xdr;
    gboolean ok;

    if (!call->proc->args)
        return TRUE;
    xdrmem_create(&xdr, (char *)call->body, (u_int)call->body_len, XDR_DECODE);
    ok = call->proc->args(&xdr, args);
    xdr_destroy(&xdr);
    if (!ok)
        g_set_error_literal(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC),
                            "Unable to decode message payload");
    return ok;
}

/* `args` is zeroed storage of the row's type, and freed by the caller in any case. */
static gboolean
perform(LvdCall *call, void *args, void *ret, GError **error)
{
    gboolean ok = decode(call, args, error) && check_allowed(call, error) &&
                  call->proc->handler(call, args, ret, error);

    if (!ok && error && !*error) {
        g_warning("%s failed without saying why", call->proc->name);
        g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_INTERNAL_ERROR),
                    "%s failed without saying why", call->proc->name);
    }
    return ok;
}

/* ---- the reply ---- */

guint8 *
lvd_error_encode(const LvdHeader *header, const GError *error, guint8 *room, gsize room_size,
                 gsize *ret_length)
{
    LvdHeader head = *header;
    lvd_error wire = { 0 };
    guint8 *bytes;

    head.status = LVD_ERROR_STATUS;
    lvd_error_fill(error, &wire);
    bytes = lvd_frame_encode(&head, (xdrproc_t)xdr_lvd_error, &wire, room, room_size, ret_length);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&wire);
    return bytes;
}

void
lvd_send_error(LvdClient *client, const LvdHeader *call, gint32 type, const GError *error)
{
    LvdHeader header = *call;
    guint8 room[2048], *bytes;
    gsize length;

    header.type = type;
    bytes = lvd_error_encode(&header, error, room, sizeof(room), &length);
    if (bytes)
        lvd_client_send(client, bytes, length, type == LVD_REPLY ? LVD_OUT_REPLY : LVD_OUT_PLAIN);
    if (bytes != room)
        g_free(bytes);
}

static guint8 *
encode_reply(LvdCall *call, const void *ret, GError **error, guint8 *scratch, gsize *ret_length)
{
    LvdHeader header = call->header;
    g_autoptr(GError) too_big = NULL;
    guint8 *bytes;

    header.type = LVD_REPLY;
    header.status = LVD_OK;
    if (!*error && call->answer_fd >= 0) {
        u_int n_fds = 1;

        header.type = LVD_REPLY_FDS;
        return lvd_frame_encode(&header, (xdrproc_t)xdr_u_int, &n_fds, scratch, LVD_SCRATCH_SIZE,
                                ret_length);
    }
    if (!*error) {
        bytes = lvd_frame_encode(&header, call->proc->ret, ret, scratch, LVD_SCRATCH_SIZE,
                                 ret_length);
        if (bytes)
            return bytes;
        g_set_error_literal(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC),
                            "Unable to encode message payload");
    }
    bytes = lvd_error_encode(&header, *error, scratch, LVD_SCRATCH_SIZE, ret_length);
    if (bytes)
        return bytes;
    g_set_error_literal(&too_big, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_RPC),
                        "Unable to encode error message");
    return lvd_error_encode(&header, too_big, scratch, LVD_SCRATCH_SIZE, ret_length);
}

static void
reply(LvdCall *call, const void *ret, GError **error, guint8 *scratch)
{
    gsize length = 0;
    guint8 *bytes = encode_reply(call, ret, error, scratch, &length);
    LvdStream *stream = g_steal_pointer(&call->stream);

    lvd_debug("client %u: %s: %s", call->client->id, call->proc ? call->proc->name : "unknown",
              *error ? (*error)->message : "done");
    /* An encode failure above turned a success into an error: no stream then either. */
    if (stream && *error) {
        lvd_stream_abandon(stream);
        stream = NULL;
    }
    if (stream)
        lvd_stream_register(stream);
    lvd_client_call_replies(call->client, call);
    if (bytes && !*error && call->answer_fd >= 0)
        lvd_client_send_with_fd(call->client, bytes, length, g_steal_fd(&call->answer_fd));
    else if (bytes)
        lvd_client_send(call->client, bytes, length, LVD_OUT_REPLY);
    if (stream)
        lvd_stream_start(stream);
    if (bytes != scratch)
        g_free(bytes);
    lvd_session_replied(call->client->session, call);
    if (call->close_after)
        lvd_client_end(call->client);
}

void
lvd_call_run(LvdJob *job, guint8 *scratch)
{
    LvdCall *call = (LvdCall *)job;
    LvdClient *client = call->client;
    g_autoptr(GError) error = NULL;
    g_autofree void *args = NULL;
    g_autofree void *ret = NULL;

    if (!g_atomic_int_get(&client->server->dropping)) {
        current = call;
        if (check_header(call, &error)) {
            args = g_malloc0(call->proc->args_size);
            ret = g_malloc0(call->proc->ret_size);
            perform(call, args, ret, &error);
        }
        reply(call, ret, &error, scratch);
        if (args && call->proc->args)
            xdr_free(call->proc->args, args);
        if (ret && call->proc->ret)
            xdr_free(call->proc->ret, ret);
        current = NULL;
    }
    lvd_client_call_done(client);
    lvd_call_free(call);
}
