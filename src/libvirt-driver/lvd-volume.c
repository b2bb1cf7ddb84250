/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a volume of a storage pool is: asked of the stock storage daemon of the host, as a client
 * of it, read-only, on a connection for this one question. It is asked by whoever starts a domain
 * or plugs a disk, in a thread that may wait; the relay's connections are of clients and of the I/O
 * thread.
 */
#include "lvd-do.h"
#include "lvd-upstream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 20) /* bytes; the answers to these calls are short */
#define PATIENCE_S 30         /* where keepalive is off */
#define NO_ROOM_MS 50         /* pause between two tries */

enum {
    PROC_CONNECT_OPEN = 1,
    PROC_AUTH_LIST = 66,
    PROC_POOL_LOOKUP_BY_NAME = 84,
    PROC_VOL_LOOKUP_BY_NAME = 95,
    PROC_VOL_GET_INFO = 98,
    PROC_VOL_GET_PATH = 100,
    PROC_POOL_IS_ACTIVE = 154,
};

/* One question, for as long as it takes. */
typedef struct Asking {
    const char *pool, *volume;
    GCancellable *cancellable;
    gint64 deadline; /* monotonic */
    char *path;      /* of the socket */
    int fd;
    guint32 serial;
} Asking;

static void
asking_clear(Asking *asking)
{
    if (asking->fd >= 0)
        close(asking->fd);
    g_free(asking->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asking, asking_clear)

static gboolean
fail(const Asking *asking, const char *what, GError **error)
{
    lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_RPC,
                  "the storage daemon at %s, asked for volume '%s' of storage pool '%s', %s",
                  asking->path, asking->volume, asking->pool, what);
    return FALSE;
}

/* ---- bytes ---- */

/* Until the descriptor is ready (-1: for `most_ms`), the time is over, or nobody wants to know any
 * more. */
static gboolean
wait_for(const Asking *asking, int fd, gushort events, gint64 most_ms, GError **error)
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
        g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED,
                            "the search for a volume of a storage pool was cancelled");
        return FALSE;
    }
    if (left_ms <= 0 || (n == 0 && left_ms <= most_ms))
        return fail(asking, "does not answer any more", error);
    return TRUE;
}

static gboolean
transfer(const Asking *asking, gushort direction, guint8 *bytes, gsize length, GError **error)
{
    gboolean in = direction == G_IO_IN;

    while (length > 0) {
        ssize_t n = in ? read(asking->fd, bytes, length)
                       : send(asking->fd, bytes, length, MSG_NOSIGNAL);

        if (n > 0) {
            bytes += n;
            length -= (gsize)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail(asking, "hung up", error);
        } else if (!wait_for(asking, asking->fd, direction, G_MAXINT, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* ---- calls ---- */

static gboolean
decode(const Asking *asking, const GByteArray *body, xdrproc_t xdr, void *ret, GError **error)
{
    XDR stream;
    gboolean ok;

    xdrmem_create(&stream, (char *)body->data, body->len, XDR_DECODE);
    ok = xdr(&stream, ret);
    xdr_destroy(&stream);
    if (ok)
        return TRUE;
    xdr_free(xdr, ret);
    return fail(asking, "sends nonsense", error);
}

/* Its words, as they are. */
static void
take_error(const Asking *asking, const GByteArray *body, GError **error)
{
    lvd_error answer = { 0 };
    const char *message;

    if (!decode(asking, body, (xdrproc_t)xdr_lvd_error, &answer, error))
        return;
    message = lvd_opt(answer.message);
    lvd_set_error(error, LVD_BARE | (answer.code & 0x7fff), answer.domain & 0x7fff, "%s",
                  message ? message : "the storage daemon refuses, and does not say why");
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&answer);
}

/* The reply to our last call. What else comes is not for us. */
static GByteArray *
read_reply(const Asking *asking, GError **error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    guint8 start[LVD_LENGTH_MIN];
    LvdHeader header;

    do {
        if (!transfer(asking, G_IO_IN, start, sizeof(start), error))
            return NULL;
        lvd_header_read(&header, start);
        if (header.length < LVD_LENGTH_MIN || header.length > ANSWER_MAX) {
            fail(asking, "sends nonsense", error);
            return NULL;
        }
        g_byte_array_set_size(body, header.length - LVD_LENGTH_MIN);
        if (!transfer(asking, G_IO_IN, body->data, body->len, error))
            return NULL;
    } while (header.prog != LVD_PROGRAM_REMOTE || header.type != LVD_REPLY ||
             header.serial != asking->serial);
    if (header.status == LVD_OK)
        return g_steal_pointer(&body);
    take_error(asking, body, error);
    return NULL;
}

static GByteArray *
ask(Asking *asking, gint32 proc, xdrproc_t xdr, const void *args, GError **error)
{
    LvdHeader header = { .prog = LVD_PROGRAM_REMOTE,
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
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_STORAGE,
                      "the name of a storage pool or of a volume is too long");
        return NULL;
    }
    ok = transfer(asking, G_IO_OUT, bytes, length, error);
    if (bytes != room)
        g_free(bytes);
    return ok ? read_reply(asking, error) : NULL;
}

/* `ret` is zeroed, and freed with xdr_free() by who gets TRUE. */
static gboolean
call(Asking *asking, gint32 proc, xdrproc_t args_xdr, const void *args, xdrproc_t ret_xdr,
     void *ret, GError **error)
{
    g_autoptr(GByteArray) body = ask(asking, proc, args_xdr, args, error);

    return body && decode(asking, body, ret_xdr, ret, error);
}

#define CALL(asking, number, name, args, ret, error)                                               \
    call((asking), (number), (xdrproc_t)xdr_lvd_##name##_args, (args),                             \
         (xdrproc_t)xdr_lvd_##name##_ret, (ret), (error))
#define FREE(type, value) xdr_free((xdrproc_t)xdr_lvd_##type, (char *)(value))

/* ---- the connection ---- */

static gboolean
open_socket(Asking *asking, const LvdConfig *config, GError **error)
{
    g_autoptr(GError) local = NULL;

    for (;;) {
        g_clear_pointer(&asking->path, g_free);
        asking->fd = lvd_relay_connect(config, LVD_FAMILY_STORAGE, FALSE, &asking->path, &local);
        if (asking->fd >= 0)
            return TRUE;
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        if (!asking->path) {
            lvd_set_error(error, VIR_ERR_NO_CONNECT, VIR_FROM_STORAGE,
                          "storage: no storage daemon runs on this host, and nobody else knows "
                          "where volume '%s' of storage pool '%s' is",
                          asking->volume, asking->pool);
            return FALSE;
        }
        /* It has no room at the moment. */
        if (!wait_for(asking, -1, 0, NO_ROOM_MS, error))
            return FALSE;
    }
}

static gboolean
open_connection(Asking *asking, GError **error)
{
    g_autofree char *uri = lvd_family_uri(LVD_FAMILY_STORAGE, asking->fd);
    lvd_text name = uri;
    const lvd_connect_open_args args = { .name = &name, .flags = VIR_CONNECT_RO };
    g_autoptr(GByteArray) methods = ask(asking, PROC_AUTH_LIST, NULL, NULL, error);
    g_autoptr(GByteArray) opened = NULL;

    if (!methods)
        return FALSE;
    if (!lvd_auth_may_be_none(methods->data, methods->len))
        return fail(asking, "wants an authentication that xlvirtd does not have", error);
    opened = ask(asking, PROC_CONNECT_OPEN, (xdrproc_t)xdr_lvd_connect_open_args, &args, error);
    return opened != NULL;
}

/* ---- the question ---- */

static gboolean
is_active(Asking *asking, const lvd_nonnull_storage_pool *pool, GError **error)
{
    const lvd_storage_pool_is_active_args args = { .pool = *pool };
    lvd_storage_pool_is_active_ret ret = { 0 };

    if (!CALL(asking, PROC_POOL_IS_ACTIVE, storage_pool_is_active, &args, &ret, error))
        return FALSE;
    if (ret.active)
        return TRUE;
    lvd_set_error(error, VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_STORAGE,
                  "storage pool '%s' containing volume '%s' is not active", asking->pool,
                  asking->volume);
    return FALSE;
}

static gboolean
get_kind(Asking *asking, const lvd_nonnull_storage_vol *volume, gboolean *ret_block, GError **error)
{
    const lvd_storage_vol_get_info_args args = { .vol = *volume };
    lvd_storage_vol_get_info_ret ret = { 0 };

    if (!CALL(asking, PROC_VOL_GET_INFO, storage_vol_get_info, &args, &ret, error))
        return FALSE;
    *ret_block = ret.type == VIR_STORAGE_VOL_BLOCK;
    if (*ret_block || ret.type == VIR_STORAGE_VOL_FILE)
        return TRUE;
    lvd_set_error(error, VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_STORAGE,
                  "volume '%s' of storage pool '%s' is neither a file nor a block device",
                  asking->volume, asking->pool);
    return FALSE;
}

static gboolean
get_path(Asking *asking, const lvd_nonnull_storage_vol *volume, char **ret_path, GError **error)
{
    const lvd_storage_vol_get_path_args args = { .vol = *volume };
    lvd_storage_vol_get_path_ret ret = { 0 };

    if (!CALL(asking, PROC_VOL_GET_PATH, storage_vol_get_path, &args, &ret, error))
        return FALSE;
    *ret_path = g_strdup(ret.name);
    FREE(storage_vol_get_path_ret, &ret);
    return TRUE;
}

static gboolean
look_at_volume(Asking *asking, const lvd_nonnull_storage_pool *pool, char **ret_path,
               gboolean *ret_block, GError **error)
{
    const lvd_storage_vol_lookup_by_name_args args = { .pool = *pool,
                                                       .name = (char *)asking->volume };
    lvd_storage_vol_lookup_by_name_ret ret = { 0 };
    gboolean ok;

    if (!CALL(asking, PROC_VOL_LOOKUP_BY_NAME, storage_vol_lookup_by_name, &args, &ret, error))
        return FALSE;
    ok = get_kind(asking, &ret.vol, ret_block, error) &&
         get_path(asking, &ret.vol, ret_path, error);
    FREE(storage_vol_lookup_by_name_ret, &ret);
    return ok;
}

static gboolean
look_at_pool(Asking *asking, char **ret_path, gboolean *ret_block, GError **error)
{
    const lvd_storage_pool_lookup_by_name_args args = { .name = (char *)asking->pool };
    lvd_storage_pool_lookup_by_name_ret ret = { 0 };
    gboolean ok;

    if (!CALL(asking, PROC_POOL_LOOKUP_BY_NAME, storage_pool_lookup_by_name, &args, &ret, error))
        return FALSE;
    ok = is_active(asking, &ret.pool, error) &&
         look_at_volume(asking, &ret.pool, ret_path, ret_block, error);
    FREE(storage_pool_lookup_by_name_ret, &ret);
    return ok;
}

/* As long as the relay lets a daemon be silent. */
static gint64
patience_us(const LvdConfig *config)
{
    gint64 seconds = config->keepalive_interval > 0
                         ? config->keepalive_interval * ((gint64)config->keepalive_count + 1)
                         : PATIENCE_S;

    return MIN(seconds, PATIENCE_S) * G_USEC_PER_SEC;
}

gboolean
lvd_find_volume(const char *pool, const char *volume, char **ret_path, gboolean *ret_block,
                GCancellable *cancellable, gpointer data, GError **error)
{
    const LvdConfig *config = data;
    g_auto(Asking) asking = { .pool = pool,
                              .volume = volume,
                              .cancellable = cancellable,
                              .deadline = g_get_monotonic_time() + patience_us(config),
                              .fd = -1 };

    return open_socket(&asking, config, error) && open_connection(&asking, error) &&
           look_at_pool(&asking, ret_path, ret_block, error);
}
