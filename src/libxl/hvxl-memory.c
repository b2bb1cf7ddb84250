/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-memory.h"

#include <string.h>

/* For domain 0 to give memory back, as long as it goes on doing so. */
#define ROUND_S  10
#define ROUNDS   6
#define MAX_WAIT (60 * G_TIME_SPAN_SECOND)

typedef struct Promise {
    guint8 uuid[16];
    guint64 kib;
} Promise;

struct HvxlMemory {
    HvEngine *engine;     /* immutable */
    gboolean autoballoon; /* immutable */
    GMutex lock;          /* not held across a call of libxl */
    GCond changed;
    gboolean busy;    /* [lock] somebody asks domain 0 */
    GArray *promises; /* [lock] Promise: starts under way */
};

/* ---- may domain 0 be asked? ---- */

/* As xl's "auto": not where the administrator gave domain 0 a size of its own. */
static gboolean
has_fixed_dom0(const char *commandline)
{
    const char *at = commandline;

    while (at && (at = strstr(at, "dom0_mem="))) {
        if (at == commandline || at[-1] == ' ')
            return TRUE;
        at++;
    }
    return FALSE;
}

static gboolean
wants_autoballoon(HvEngine *engine, HvxlCtx *ctx)
{
    const char *text = hvxl_setting(engine, "autoballoon");
    const libxl_version_info *version;

    if (text && !g_str_equal(text, "auto"))
        return g_str_equal(text, "on") || g_str_equal(text, "1");
    version = libxl_get_version_info(ctx->libxl);
    return !version || !has_fixed_dom0(version->commandline);
}

HvxlMemory *
hvxl_memory_new(HvEngine *engine, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    HvxlMemory *memory;

    if (!ctx)
        return NULL;
    memory = g_new0(HvxlMemory, 1);
    memory->engine = engine;
    memory->autoballoon = wants_autoballoon(engine, ctx);
    memory->promises = g_array_new(FALSE, FALSE, sizeof(Promise));
    g_mutex_init(&memory->lock);
    g_cond_init(&memory->changed);
    return memory;
}

void
hvxl_memory_free(HvxlMemory *memory)
{
    if (!memory)
        return;
    g_array_unref(memory->promises);
    g_mutex_clear(&memory->lock);
    g_cond_clear(&memory->changed);
    g_free(memory);
}

/* ---- promises ---- */

static guint64
memory_of(const libxl_dominfo *all, int n, const guint8 uuid[16])
{
    for (int i = 0; i < n; i++) {
        if (memcmp(all[i].uuid.uuid, uuid, 16) == 0)
            return all[i].current_memkb;
    }
    return 0;
}

/* What others were promised and have not taken yet. */
static guint64
outstanding(HvxlMemory *memory, HvxlCtx *ctx, const guint8 uuid[16])
{
    int n = 0;
    libxl_dominfo *all = libxl_list_domain(ctx->libxl, &n);
    guint64 kib = 0;

    g_mutex_lock(&memory->lock);
    for (guint i = 0; i < memory->promises->len; i++) {
        const Promise *promise = &g_array_index(memory->promises, Promise, i);
        guint64 taken = all ? memory_of(all, n, promise->uuid) : 0;

        if (memcmp(promise->uuid, uuid, 16) != 0 && promise->kib > taken)
            kib += promise->kib - taken;
    }
    g_mutex_unlock(&memory->lock);
    if (all)
        libxl_dominfo_list_free(all, n);
    return kib;
}

static void
promise(HvxlMemory *memory, const guint8 uuid[16], guint64 kib)
{
    Promise made = { .kib = kib };

    memcpy(made.uuid, uuid, sizeof(made.uuid));
    g_mutex_lock(&memory->lock);
    g_array_append_val(memory->promises, made);
    g_mutex_unlock(&memory->lock);
}

void
hvxl_memory_done(HvxlMemory *memory, const guint8 uuid[16])
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&memory->lock);

    for (guint i = 0; i < memory->promises->len; i++) {
        if (memcmp(g_array_index(memory->promises, Promise, i).uuid, uuid, 16) == 0) {
            g_array_remove_index_fast(memory->promises, i);
            return;
        }
    }
}

/* ---- asking domain 0 ---- */

/* One at a time: two who ask at once would set domain 0's target against each other. */
static gboolean
take_turn(HvxlMemory *memory, GCancellable *cancellable, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + MAX_WAIT;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&memory->lock);

    while (memory->busy) {
        gint64 now = g_get_monotonic_time();

        if (g_cancellable_is_cancelled(cancellable)) {
            g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "start was cancelled");
            return FALSE;
        }
        if (now >= deadline) {
            g_set_error_literal(error, HV_ERROR, HV_ERROR_TIMEOUT,
                                "other starts wait for memory of domain 0 for more than a minute");
            return FALSE;
        }
        /* A cancellable has no way to signal a GCond. */
        g_cond_wait_until(&memory->changed, &memory->lock,
                          MIN(deadline, now + 200 * G_TIME_SPAN_MILLISECOND));
    }
    memory->busy = TRUE;
    return TRUE;
}

static void
end_turn(HvxlMemory *memory)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&memory->lock);

    memory->busy = FALSE;
    g_cond_broadcast(&memory->changed);
}

static gboolean
set_short(HvxlCtx *ctx, int rc, guint64 need, guint64 available, GError **error)
{
    return hvxl_set_error(ctx, rc, error,
                          "not enough memory: %" G_GUINT64_FORMAT " KiB are needed, "
                          "%" G_GUINT64_FORMAT " KiB are free, and domain 0 gives no more",
                          need, available);
}

/* A turn of ours: `need` KiB free beside what others were promised. */
static gboolean
make_room(HvxlMemory *memory, HvxlCtx *ctx, const guint8 uuid[16], guint64 need,
          GCancellable *cancellable, GError **error)
{
    uint64_t available = 0;
    int rc = 0;

    for (guint i = 0; i < ROUNDS && !g_cancellable_is_cancelled(cancellable); i++) {
        guint64 wanted = need + outstanding(memory, ctx, uuid);

        rc = libxl_get_free_memory(ctx->libxl, &available);
        if (rc != 0 || available >= wanted)
            break;
        rc = libxl_set_memory_target(ctx->libxl, 0, (int64_t)available - (int64_t)wanted, 1, 0);
        if (rc != 0)
            return set_short(ctx, rc, wanted, available, error);
        rc = libxl_wait_for_free_memory(ctx->libxl, 0, wanted, ROUND_S);
        if (rc == 0)
            return TRUE;
        /* Not yet: go on while domain 0 does. */
        if (libxl_wait_for_memory_target(ctx->libxl, 0, 1) != 0 && i > 0)
            return set_short(ctx, rc, wanted, available, error);
    }
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot see to memory for the domain");
}

gboolean
hvxl_memory_take(HvxlMemory *memory, HvxlCtx *ctx, libxl_domain_config *config,
                 const guint8 uuid[16], GCancellable *cancellable, GError **error)
{
    uint64_t need = 0;
    gboolean ok;
    int rc;

    if (!memory->autoballoon)
        return TRUE;
    rc = libxl_domain_need_memory(ctx->libxl, config, INVALID_DOMID, &need);
    if (rc != 0)
        return hvxl_set_error(ctx, rc, error, "cannot tell how much memory the domain needs");
    if (!take_turn(memory, cancellable, error))
        return FALSE;
    ok = make_room(memory, ctx, uuid, need, cancellable, error);
    if (ok)
        promise(memory, uuid, need);
    end_turn(memory);
    return ok;
}
