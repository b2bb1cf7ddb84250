/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a volume of a storage pool is: asked of the stock storage daemon of the host, as a client
 * of it, read-only, on a connection for this one question. It is asked by whoever starts a domain
 * or plugs a disk, in a thread that may wait; the relay's connections are of clients and of the I/O
 * thread.
 */
#include "lvd-ask.h"
#include "lvd-upstream.h"

#define PATIENCE_S 30 /* where keepalive is off */

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
    LvdAsking of;
    const char *pool, *volume;
} Asking;

static void
asking_clear(Asking *asking)
{
    lvd_asking_clear(&asking->of);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asking, asking_clear)

#define CALL(asking, number, name, args, ret, error)                                               \
    lvd_ask_for(&(asking)->of, (number), (xdrproc_t)xdr_lvd_##name##_args, (args),                 \
                (xdrproc_t)xdr_lvd_##name##_ret, (ret), (error))
#define FREE(type, value) xdr_free((xdrproc_t)xdr_lvd_##type, (char *)(value))

/* ---- the connection ---- */

static gboolean
open_socket(Asking *asking, const LvdConfig *config, GError **error)
{
    g_autoptr(GError) local = NULL;

    for (;;) {
        g_autofree char *path = NULL;

        asking->of.fd = lvd_relay_connect(config, LVD_FAMILY_STORAGE, FALSE, &path, &local);
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        if (!path) {
            lvd_set_error(error, VIR_ERR_NO_CONNECT, VIR_FROM_STORAGE,
                          "storage: no storage daemon runs on this host, and nobody else knows "
                          "where volume '%s' of storage pool '%s' is",
                          asking->volume, asking->pool);
            return FALSE;
        }
        g_free(asking->of.who);
        asking->of.who = g_strdup_printf(
            "the storage daemon at %s, asked for volume '%s' of storage pool '%s',", path,
            asking->volume, asking->pool);
        if (asking->of.fd >= 0)
            return TRUE;
        /* It has no room at the moment. */
        if (!lvd_asking_pause(&asking->of, error))
            return FALSE;
    }
}

static gboolean
open_connection(Asking *asking, GError **error)
{
    g_autofree char *uri = lvd_family_uri(LVD_FAMILY_STORAGE, asking->of.fd);
    lvd_text name = uri;
    const lvd_connect_open_args args = { .name = &name, .flags = VIR_CONNECT_RO };
    g_autoptr(GByteArray) methods = lvd_ask(&asking->of, PROC_AUTH_LIST, NULL, NULL, error);
    g_autoptr(GByteArray) opened = NULL;

    if (!methods)
        return FALSE;
    if (!lvd_auth_may_be_none(methods->data, methods->len))
        return lvd_asking_fail(&asking->of, "wants an authentication that xlvirtd does not have",
                               error);
    opened = lvd_ask(&asking->of, PROC_CONNECT_OPEN, (xdrproc_t)xdr_lvd_connect_open_args, &args,
                     error);
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
    g_auto(Asking) asking = { .of = { .program = LVD_PROGRAM_REMOTE,
                                      .what = "the search for a volume of a storage pool",
                                      .cancellable = cancellable,
                                      .deadline = g_get_monotonic_time() + patience_us(config),
                                      .fd = -1 },
                              .pool = pool,
                              .volume = volume };

    return open_socket(&asking, config, error) && open_connection(&asking, error) &&
           look_at_pool(&asking, ret_path, ret_block, error);
}
