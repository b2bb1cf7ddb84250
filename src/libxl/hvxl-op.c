/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An operation of libxl, driven by the thread that wants it: poll() on what libxl waits for, and on
 * the cancellable. So who cancels never waits for libxl, and nothing can be cancelled too early.
 */
#include "hvxl-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/time.h>

#define RETRY_US 10000

static void
on_complete(libxl_ctx *libxl, int rc, void *data)
{
    HvxlOp *op = data;

    op->rc = rc;
    op->done = TRUE;
}

void
hvxl_op_init(HvxlOp *op, HvxlCtx *ctx, GCancellable *cancellable, guint limit_ms)
{
    *op = (HvxlOp){
        .ctx = ctx,
        .cancellable = cancellable,
        .deadline_us = limit_ms ? g_get_monotonic_time() + limit_ms * G_TIME_SPAN_MILLISECOND : 0,
        .how = { .callback = on_complete, .u.for_callback = op },
    };
}

static void
abort_when_due(HvxlOp *op)
{
    if (op->aborted)
        return;
    if (op->deadline_us && g_get_monotonic_time() >= op->deadline_us)
        op->timed_out = TRUE;
    if (!op->timed_out && !g_cancellable_is_cancelled(op->cancellable))
        return;
    op->aborted = TRUE;
    libxl_ao_abort(op->ctx->libxl, &op->how);
}

/* Milliseconds that poll() may wait for us; -1: for ever. */
static int
patience(const HvxlOp *op)
{
    gint64 left;

    if (op->aborted || !op->deadline_us)
        return -1;
    left = op->deadline_us - g_get_monotonic_time();
    return (int)CLAMP(left / 1000 + 1, 0, G_MAXINT);
}

/* libxl's descriptors into `fds`, whose first entry is ours. */
static gboolean
gather(HvxlOp *op, GArray *fds, int *timeout)
{
    struct timeval now;
    int n, rc;

    gettimeofday(&now, NULL);
    do {
        n = (int)fds->len - 1;
        rc = libxl_osevent_beforepoll(op->ctx->libxl, &n, &g_array_index(fds, struct pollfd, 1),
                                      timeout, now);
        if (rc == ERROR_BUFFERFULL)
            g_array_set_size(fds, (guint)n + 1);
    } while (rc == ERROR_BUFFERFULL);
    g_array_set_size(fds, (guint)n + 1);
    return rc == 0;
}

/* One round. FALSE: the host is out of memory or the like. */
static gboolean
turn(HvxlOp *op, GArray *fds, int cancel_fd)
{
    int timeout = patience(op);
    struct timeval now;
    struct pollfd *all;
    int n;

    g_array_set_size(fds, MAX(fds->len, 16));
    if (!gather(op, fds, &timeout))
        return FALSE;
    all = (struct pollfd *)(void *)fds->data;
    all[0] = (struct pollfd){ .fd = op->aborted ? -1 : cancel_fd, .events = POLLIN };
    n = poll(all, fds->len, timeout);
    if (n < 0 && errno != EINTR)
        return FALSE;
    if (n < 0)
        for (guint i = 0; i < fds->len; i++)
            all[i].revents = 0;
    gettimeofday(&now, NULL);
    libxl_osevent_afterpoll(op->ctx->libxl, (int)fds->len - 1, all + 1, now);
    return TRUE;
}

int
hvxl_op_wait(HvxlOp *op, int rc)
{
    g_autoptr(GArray) fds = NULL;
    GPollFD cancel = { .fd = -1 };
    gboolean has_fd;

    if (rc != 0 || op->done)
        return rc != 0 ? rc : op->rc;
    fds = g_array_new(FALSE, TRUE, sizeof(struct pollfd));
    has_fd = op->cancellable && g_cancellable_make_pollfd(op->cancellable, &cancel);
    while (!op->done) {
        abort_when_due(op);
        /* The operation knows us: there is no way out before it is over. */
        if (!op->done && !turn(op, fds, cancel.fd))
            g_usleep(RETRY_US);
    }
    if (has_fd)
        g_cancellable_release_fd(op->cancellable);
    return op->rc;
}
