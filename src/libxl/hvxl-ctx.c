/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool of libxl contexts, and how a code of libxl becomes an error. */
#include "hvxl-fork.h"
#include "hvxl-private.h"

#include <fcntl.h>
#include <unistd.h>

/* More than this are freed when they come back. One costs about six descriptors and, once it has
 * set a watch, a thread of libxenstore. */
#define MAX_IDLE 8

struct HvxlPool {
    HvEngine *engine; /* immutable */
    GMutex lock;
    GQueue idle; /* [lock] HvxlCtx; the one used last comes first */
};

/* Several contexts and a program with children of its own: libxl reaps its own children only. The
 * daemon installs no handler for SIGCHLD and waits for its own children by their ids. */
static const libxl_childproc_hooks childproc_hooks = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    .fork_replacement = hvxl_fork,
};

/* Without this libxl would end the whole process. It may not be called from here. */
static void
on_disaster(void *user, libxl_event_type type, const char *message, int errnoval)
{
    HvxlCtx *ctx = user;

    ctx->broken = TRUE;
    g_warning("libxl is in trouble: %s: %s", message, g_strerror(errnoval));
}

static const libxl_event_hooks event_hooks = {
    .disaster = on_disaster,
};

/* ---- contexts ---- */

static void
ctx_free(gpointer data)
{
    HvxlCtx *ctx = data;

    if (ctx->libxl)
        libxl_ctx_free(ctx->libxl);
    hvxl_log_reset(&ctx->log);
    g_free(ctx);
}

static HvxlCtx *
ctx_new(HvEngine *engine, GError **error)
{
    HvxlCtx *ctx = g_new0(HvxlCtx, 1);

    ctx->engine = engine;
    hvxl_log_init(&ctx->log, engine->log_min);
    if (libxl_ctx_alloc(&ctx->libxl, LIBXL_VERSION, 0, &ctx->log.base) != 0) {
        g_autofree char *reason = hvxl_log_errors(&ctx->log);

        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "cannot talk to Xen: %s; are we root in the control domain, and does xenstored "
                    "run?",
                    reason ? reason : "libxl gives no reason");
        ctx->libxl = NULL;
        ctx_free(ctx);
        return NULL;
    }
    libxl_event_register_callbacks(ctx->libxl, &event_hooks, ctx);
    libxl_childproc_setmode(ctx->libxl, &childproc_hooks, &engine->lock_fd);
    return ctx;
}

HvxlCtx *
hvxl_ctx_get(HvEngine *engine, GError **error)
{
    HvxlPool *pool = engine->pool;
    HvxlCtx *ctx;

    g_mutex_lock(&pool->lock);
    ctx = g_queue_pop_head(&pool->idle);
    g_mutex_unlock(&pool->lock);
    return ctx ? ctx : ctx_new(engine, error);
}

void
hvxl_ctx_put(HvxlCtx *ctx)
{
    HvxlPool *pool;

    if (!ctx)
        return;
    hvxl_log_reset(&ctx->log);
    pool = ctx->engine->pool;
    g_mutex_lock(&pool->lock);
    if (!ctx->broken && pool->idle.length < MAX_IDLE) {
        g_queue_push_head(&pool->idle, ctx);
        ctx = NULL;
    }
    g_mutex_unlock(&pool->lock);
    if (ctx)
        ctx_free(ctx);
}

void
hvxl_ctx_log_to(HvxlCtx *ctx, const char *path)
{
    HvxlLog *log = &ctx->log;

    if (log->fd >= 0)
        close(log->fd);
    /* The log is a help, not a condition. */
    log->fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
}

HvxlPool *
hvxl_pool_new(HvEngine *engine)
{
    HvxlPool *pool = g_new0(HvxlPool, 1);

    pool->engine = engine;
    g_mutex_init(&pool->lock);
    g_queue_init(&pool->idle);
    return pool;
}

void
hvxl_pool_free(HvxlPool *pool)
{
    if (!pool)
        return;
    g_queue_clear_full(&pool->idle, ctx_free);
    g_mutex_clear(&pool->lock);
    g_free(pool);
}

/* ---- errors ---- */

static HvError
error_of_rc(int rc)
{
    switch (rc) {
    case ERROR_ABORTED:
        return HV_ERROR_CANCELLED;
    case ERROR_TIMEDOUT:
    case ERROR_GUEST_TIMEDOUT:
        return HV_ERROR_TIMEOUT;
    case ERROR_NI:
    case ERROR_FEATURE_REMOVED:
        return HV_ERROR_UNSUPPORTED;
    default:
        return HV_ERROR_ENGINE;
    }
}

gboolean
hvxl_set_error(HvxlCtx *ctx, int rc, GError **error, const char *format, ...)
{
    g_autofree char *said = hvxl_log_errors(&ctx->log);
    const char *name = libxl_error_to_string(rc);
    g_autofree char *upper = name ? g_ascii_strup(name, -1) : NULL;
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, HV_ERROR, error_of_rc(rc), "%s: libxl: %s%s(rc %d: ERROR_%s)", what,
                said ? said : "", said ? " " : "", rc, upper ? upper : "UNKNOWN");
    return FALSE;
}
