/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-ask.h"

#include "hvxl-hooks.h"

/* A guest that answers at all does so within milliseconds; an emulated or busy one takes longer.
 * Whoever asks waits this long to hear whether it has. */
#define PATIENCE_US (2 * G_TIME_SPAN_SECOND)

/* How a guest is asked: by its PV drivers, or as if somebody pressed a button. */
typedef struct Request {
    const char *what;
    int (*by_pv)(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how);
    libxl_trigger trigger;
} Request;

static const Request to_shutdown = { "shut down", libxl_domain_shutdown, LIBXL_TRIGGER_POWER };
static const Request to_reboot = { "reboot", libxl_domain_reboot, LIBXL_TRIGGER_RESET };

struct HvxlAsks {
    HvEngine *engine;   /* immutable */
    GCancellable *stop; /* self-locking */
    GMutex lock;
    GCond changed;
    guint under_way; /* [lock] */
};

/* One request. It belongs to its thread, and until that is over or patience ends, to who asks. */
typedef struct Ask {
    HvxlAsks *asks;         /* immutable */
    const Request *request; /* immutable */
    int domid;              /* immutable */
    unsigned modes;         /* immutable */
    gboolean over;          /* [asks->lock] */
    gboolean left;          /* [asks->lock] nobody waits any more */
    gboolean ok;            /* [asks->lock] */
    GError *error;          /* [asks->lock] */
} Ask;

static void
ask_free(Ask *ask)
{
    g_clear_error(&ask->error);
    g_free(ask);
}

/* ---- the guest ---- */

static int
press_button(HvxlCtx *ctx, const Ask *ask)
{
    return libxl_send_trigger(ctx->libxl, (uint32_t)ask->domid, ask->request->trigger, 0, NULL);
}

/* A guest whose drivers do not answer may still have a button. */
static gboolean
has_button(HvxlCtx *ctx, const Ask *ask)
{
    libxl_dominfo info;
    gboolean has;

    libxl_dominfo_init(&info);
    has = libxl_domain_info(ctx->libxl, &info, (uint32_t)ask->domid) == 0 &&
          info.domain_type != LIBXL_DOMAIN_TYPE_PV;
    libxl_dominfo_dispose(&info);
    return has;
}

static int
ask_by_pv(HvxlCtx *ctx, const Ask *ask)
{
    HvxlOp op;
    int rc;

    hvxl_op_init(&op, ctx, ask->asks->stop, 0);
    rc = hvxl_op_wait(&op, ask->request->by_pv(ctx->libxl, (uint32_t)ask->domid, &op.how));
    if (rc == ERROR_TIMEDOUT && (ask->modes & HV_SHUTDOWN_ACPI) && has_button(ctx, ask))
        rc = press_button(ctx, ask);
    return rc;
}

static gboolean
ask_guest(const Ask *ask, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(ask->asks->engine, error);
    int rc = ERROR_NOPARAVIRT;

    if (!ctx)
        return FALSE;
    if (ask->modes & HV_SHUTDOWN_PV)
        rc = ask_by_pv(ctx, ask);
    if (rc == ERROR_NOPARAVIRT && (ask->modes & HV_SHUTDOWN_ACPI))
        rc = press_button(ctx, ask);
    if (rc == ERROR_NOPARAVIRT)
        return hvxl_set_error(ctx, rc, error,
                              "the guest of domain id %d has no PV drivers that could be asked to "
                              "%s; try the mode acpi",
                              ask->domid, ask->request->what);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot ask domain id %d to %s", ask->domid,
                                     ask->request->what);
}

/* ---- its thread ---- */

static gpointer
run(gpointer data)
{
    Ask *ask = data;
    HvxlAsks *asks = ask->asks;
    GError *error = NULL;
    gboolean ok = ask_guest(ask, &error);
    gboolean left;

    g_mutex_lock(&asks->lock);
    left = ask->left;
    ask->over = TRUE;
    ask->ok = ok;
    ask->error = error;
    g_cond_broadcast(&asks->changed);
    g_mutex_unlock(&asks->lock);
    /* Where nobody waits it is ours; else it may be gone already. */
    if (left) {
        if (!ok)
            g_message("%s", error->message);
        ask_free(ask);
    }
    g_mutex_lock(&asks->lock);
    asks->under_way--;
    g_cond_broadcast(&asks->changed);
    g_mutex_unlock(&asks->lock);
    return NULL;
}

/* TRUE: asked, and the guest may still be thinking about it. */
static gboolean
begin(HvEngine *engine, int domid, unsigned mode, const Request *request, GError **error)
{
    HvxlAsks *asks = engine->asks;
    gint64 deadline = g_get_monotonic_time() + PATIENCE_US;
    Ask *ask = g_new0(Ask, 1);
    GThread *thread;
    gboolean ok = TRUE;

    *ask = (Ask){
        .asks = asks,
        .request = request,
        .domid = domid,
        .modes = mode ? mode : HV_SHUTDOWN_PV | HV_SHUTDOWN_ACPI,
    };
    g_mutex_lock(&asks->lock);
    thread = g_thread_try_new("hvxl-ask", run, ask, NULL);
    if (!thread) {
        g_mutex_unlock(&asks->lock);
        ask_free(ask);
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "cannot ask domain id %d to %s: no thread is to be had", domid, request->what);
        return FALSE;
    }
    g_thread_unref(thread);
    asks->under_way++;
    while (!ask->over && g_cond_wait_until(&asks->changed, &asks->lock, deadline))
        continue;
    if (ask->over) {
        ok = ask->ok;
        if (!ok)
            g_propagate_error(error, g_steal_pointer(&ask->error));
        ask_free(ask);
    } else {
        ask->left = TRUE;
    }
    g_mutex_unlock(&asks->lock);
    return ok;
}

gboolean
hvxl_shutdown(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    return begin(engine, domid, mode, &to_shutdown, error);
}

gboolean
hvxl_reboot(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    return begin(engine, domid, mode, &to_reboot, error);
}

/* ---- life cycle ---- */

HvxlAsks *
hvxl_asks_new(HvEngine *engine)
{
    HvxlAsks *asks = g_new0(HvxlAsks, 1);

    asks->engine = engine;
    asks->stop = g_cancellable_new();
    g_mutex_init(&asks->lock);
    g_cond_init(&asks->changed);
    return asks;
}

void
hvxl_asks_free(HvxlAsks *asks)
{
    if (!asks)
        return;
    g_cancellable_cancel(asks->stop);
    g_mutex_lock(&asks->lock);
    while (asks->under_way > 0)
        g_cond_wait(&asks->changed, &asks->lock);
    g_mutex_unlock(&asks->lock);
    g_object_unref(asks->stop);
    g_mutex_clear(&asks->lock);
    g_cond_clear(&asks->changed);
    g_free(asks);
}
