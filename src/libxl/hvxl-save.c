/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-hooks.h"

#define PAGE_SIZE 4096

typedef struct Report {
    HvEngineProgress progress;
    gpointer data;
} Report;

/* libxl counts pages. */
static void
on_progress(guint64 done, guint64 total, gpointer data)
{
    const Report *report = data;

    report->progress(done * PAGE_SIZE, total * PAGE_SIZE, report->data);
}

static gboolean
get_info(HvxlCtx *ctx, int domid, libxl_dominfo *ret_info)
{
    libxl_dominfo_init(ret_info);
    return libxl_domain_info(ctx->libxl, ret_info, (uint32_t)domid) == 0;
}

static gboolean
is_paused(HvxlCtx *ctx, int domid)
{
    libxl_dominfo info;
    gboolean paused = get_info(ctx, domid, &info) && info.paused;

    libxl_dominfo_dispose(&info);
    return paused;
}

static gboolean
is_suspended(HvxlCtx *ctx, int domid)
{
    libxl_dominfo info;
    gboolean suspended = get_info(ctx, domid, &info) && info.shutdown &&
                         info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;

    libxl_dominfo_dispose(&info);
    return suspended;
}

/* As it was before a save that failed. */
static void
run_on(HvxlCtx *ctx, int domid, gboolean was_paused)
{
    int rc = 0;

    if (is_suspended(ctx, domid))
        rc = libxl_domain_resume(ctx->libxl, (uint32_t)domid, 1, NULL);
    if (rc == 0 && was_paused)
        rc = libxl_domain_pause(ctx->libxl, (uint32_t)domid, NULL);
    if (rc != 0)
        g_warning("domain id %d does not run on after a save that failed (rc %d)", domid, rc);
}

gboolean
hvxl_save(HvEngine *engine, int domid, int fd, GCancellable *cancellable, HvEngineProgress progress,
          gpointer data, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    Report report = { progress, data };
    gboolean paused;
    HvxlOp op;
    int rc;

    if (!ctx)
        return FALSE;
    if (progress) {
        ctx->log.progress = on_progress;
        ctx->log.progress_data = &report;
    }
    /* A guest has a part in its suspension, which a paused one cannot play. */
    paused = is_paused(ctx, domid);
    if (paused)
        libxl_domain_unpause(ctx->libxl, (uint32_t)domid, NULL);
    hvxl_op_init(&op, ctx, cancellable, 0);
    rc = hvxl_op_wait(&op, libxl_domain_suspend(ctx->libxl, (uint32_t)domid, fd, 0, &op.how));
    if (rc == 0)
        return TRUE;
    hvxl_set_error(ctx, rc, error, "cannot save domain id %d", domid);
    run_on(ctx, domid, paused);
    return FALSE;
}

gboolean
hvxl_resume_saved(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_resume(ctx->libxl, (uint32_t)domid, 1, NULL);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot resume domain id %d", domid);
}
