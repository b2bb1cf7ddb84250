/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-ask.h"
#include "lvd-transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 20) /* bytes; the answers to our calls are short */
#define PAUSE_MS   50         /* between two tries */

void
lvd_asking_clear(LvdAsking *asking)
{
    if (asking->fd >= 0)
        close(asking->fd);
    g_free(asking->who);
}

gboolean
lvd_asking_fail(const LvdAsking *asking, const char *what, GError **error)
{
    lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_RPC, "%s %s", asking->who, what);
    return FALSE;
}

/* ---- bytes ---- */

/* Until the descriptor is ready (-1: for `most_ms`), the time is over, or nobody wants to know any
 * more. */
static gboolean
wait_for(const LvdAsking *asking, int fd, gushort events, gint64 most_ms, GError **error)
{
    gint64 left_ms = (asking->deadline - g_get_monotonic_time()) / 1000;
    GPollFD fds[2] = { { .fd = fd, .events = events } };
    gboolean watched = g_cancellable_make_pollfd(asking->cancellable, &fds[1]);
    int n = 0;

    if (left_ms > 0)
        n = g_poll(fds, watched ? 2 : 1, (gint)MIN(left_ms, most_ms));
    if (watched)
        g_cancellable_release_fd(asking->cancellable);
    if (g_cancellable_is_cancelled(asking->cancellable)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "%s was cancelled", asking->what);
        return FALSE;
    }
    if (left_ms <= 0 || (n == 0 && left_ms <= most_ms))
        return lvd_asking_fail(asking, "does not answer any more", error);
    return TRUE;
}

gboolean
lvd_asking_pause(const LvdAsking *asking, GError **error)
{
    return wait_for(asking, -1, 0, PAUSE_MS, error);
}

static gboolean
transfer(const LvdAsking *asking, gushort direction, guint8 *bytes, gsize length, GError **error)
{
    gboolean in = direction == G_IO_IN;

    while (length > 0) {
        ssize_t n = in ? read(asking->fd, bytes, length)
                       : send(asking->fd, bytes, length, MSG_NOSIGNAL);

        if (n > 0) {
            bytes += n;
            length -= (gsize)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return lvd_asking_fail(asking, "hung up", error);
        } else if (!wait_for(asking, asking->fd, direction, G_MAXINT, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* ---- calls ---- */

static gboolean
decode(const LvdAsking *asking, const GByteArray *body, xdrproc_t xdr, void *ret, GError **error)
{
    XDR stream;
    gboolean ok;

    xdrmem_create(&stream, (char *)body->data, body->len, XDR_DECODE);
    ok = xdr(&stream, ret);
    xdr_destroy(&stream);
    if (ok)
        return TRUE;
    xdr_free(xdr, ret);
    return lvd_asking_fail(asking, "sends nonsense", error);
}

/* Its words, as they are. */
static void
take_error(const LvdAsking *asking, const GByteArray *body, GError **error)
{
    lvd_error answer = { 0 };
    const char *message;

    if (!decode(asking, body, (xdrproc_t)xdr_lvd_error, &answer, error))
        return;
    message = lvd_opt(answer.message);
    if (message)
        lvd_set_error(error, LVD_BARE | (answer.code & 0x7fff), answer.domain & 0x7fff, "%s",
                      message);
    else
        lvd_set_error(error, LVD_BARE | (answer.code & 0x7fff), answer.domain & 0x7fff,
                      "%s refuses, and does not say why", asking->who);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&answer);
}

/* FALSE: not within reason. */
static gboolean
read_message(const LvdAsking *asking, LvdHeader *ret_header, GByteArray *body, GError **error)
{
    guint8 start[LVD_LENGTH_MIN];

    if (!transfer(asking, G_IO_IN, start, sizeof(start), error))
        return FALSE;
    lvd_header_read(ret_header, start);
    if (ret_header->length < LVD_LENGTH_MIN || ret_header->length > ANSWER_MAX)
        return lvd_asking_fail(asking, "sends nonsense", error);
    g_byte_array_set_size(body, ret_header->length - LVD_LENGTH_MIN);
    return transfer(asking, G_IO_IN, body->data, body->len, error);
}

/* The reply to our last call. What else comes is not for us, and no reason to wait longer. */
static GByteArray *
read_reply(const LvdAsking *asking, GError **error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    LvdHeader header;

    do {
        if (g_get_monotonic_time() >= asking->deadline) {
            lvd_asking_fail(asking, "does not answer any more", error);
            return NULL;
        }
        if (!read_message(asking, &header, body, error))
            return NULL;
    } while (header.prog != asking->program || header.type != LVD_REPLY ||
             header.serial != asking->serial);
    if (header.status == LVD_OK)
        return g_steal_pointer(&body);
    take_error(asking, body, error);
    return NULL;
}

GByteArray *
lvd_ask(LvdAsking *asking, gint32 proc, xdrproc_t xdr, const void *args, GError **error)
{
    LvdHeader header = { .prog = asking->program,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_CALL,
                         .serial = ++asking->serial,
                         .status = LVD_OK };
    guint8 room[1024];
    gsize length;
    guint8 *bytes = lvd_frame_encode(&header, xdr, args, room, sizeof(room), &length);
    gboolean ok;

    if (!bytes) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_RPC,
                      "%s needs a name that is too long for a message", asking->what);
        return NULL;
    }
    ok = transfer(asking, G_IO_OUT, bytes, length, error);
    if (bytes != room)
        g_free(bytes);
    return ok ? read_reply(asking, error) : NULL;
}

gboolean
lvd_ask_for(LvdAsking *asking, gint32 proc, xdrproc_t args_xdr, const void *args, xdrproc_t ret_xdr,
            void *ret, GError **error)
{
    g_autoptr(GByteArray) body = lvd_ask(asking, proc, args_xdr, args, error);

    return body && decode(asking, body, ret_xdr, ret, error);
}

gboolean
lvd_was_answered(const GError *error)
{
    return error->domain == LVD_ERROR && (error->code & LVD_BARE) != 0;
}

gboolean
lvd_was_refused(const GError *error, int code)
{
    return lvd_was_answered(error) && (error->code & 0x7fff) == code;
}

gboolean
lvd_was_refused_by(const GError *error, int from)
{
    return lvd_was_answered(error) && ((error->code >> 16) & 0x7fff) == from;
}
