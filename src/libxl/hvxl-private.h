/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of src/libxl share: the engine, libxl contexts, operations, errors. How it all
 * works together stands in docs/XEN.md.
 *
 * A hook looks like this:
 *
 *     g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
 *     int rc;
 *
 *     if (!ctx)
 *         return FALSE;
 *     rc = libxl_domain_pause(ctx->libxl, (uint32_t)domid, NULL);
 *     return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot pause domain id %d", domid);
 */
#pragma once

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv-libxl"

#include <hv/engine.h>

#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>
#include <xenstore.h>

typedef struct HvxlAsks HvxlAsks;
typedef struct HvxlPool HvxlPool;
typedef struct HvxlKernelCache HvxlKernelCache;
typedef struct HvxlGate HvxlGate;
typedef struct HvxlMemory HvxlMemory;
typedef struct HvxlMonitors HvxlMonitors;
typedef struct HvxlWatch HvxlWatch;

struct HvEngine {
    HvEngineEventFunc event;  /* immutable after open() */
    gpointer event_data;      /* immutable after open() */
    char *root;               /* immutable after open(); "" = none */
    GHashTable *settings;     /* immutable after open(): name -> text, see hvxl_setting() */
    char *emulator;           /* immutable after open(); NULL: none found */
    char *start_dir;          /* immutable after open(): marks of starts under way */
    int lock_fd;              /* immutable after open(): held while the engine is open; -1: none */
    char *channel_dir;        /* immutable after open(): sockets of channels without a path */
    char *hotplug;            /* immutable after open(); NULL: Xen's scripts */
    guint n_cpus, n_nodes;    /* immutable after open(): of the host */
    struct xs_handle *xs;     /* self-locking; for reads, never watches */
    HvxlPool *pool;           /* self-locking */
    HvxlAsks *asks;           /* self-locking */
    HvxlMemory *memory;       /* self-locking */
    HvxlGate *gate;           /* self-locking: of starts */
    HvxlKernelCache *kernels; /* self-locking; NULL: none wanted */
    HvxlMonitors *monitors;   /* self-locking */
    HvxlWatch *watch;         /* self-locking */
    xentoollog_level log_min; /* immutable after open(): what goes into a domain's log */
};

/* ---- settings (hvxl-settings.c) ---- */

/* What the configuration says about NAME, as text ("1" and "0" for numbers); NULL: nothing. */
const char *hvxl_setting(HvEngine *engine, const char *name);
gboolean hvxl_setting_bool(HvEngine *engine, const char *name, gboolean otherwise);
guint64 hvxl_setting_number(HvEngine *engine, const char *name, guint64 otherwise);

/* ---- what libxl says (hvxl-log.c) ---- */

#define HVXL_LOG_LINES 4

/* Collects what libxl logs during one operation. Used by the thread that holds the context; a
 * child that libxl forks has a copy, and only writes to the file. */
typedef struct HvxlLog {
    xentoollog_logger base; /* first: libxl knows us by it */
    xentoollog_level min;   /* of the file */
    int fd;                 /* the domain's log file, -1: none */
    pid_t pid;              /* ours; another one's is a child */
    guint n_errors;
    char *errors[HVXL_LOG_LINES];                                 /* the first ones, and the last */
    void (*progress)(guint64 done, guint64 total, gpointer data); /* may be NULL */
    gpointer progress_data;
} HvxlLog;

void hvxl_log_init(HvxlLog *log, xentoollog_level min);
/* Forgets everything and closes the file. */
void hvxl_log_reset(HvxlLog *log);
/* All that was said at level ERROR, in one line; NULL: nothing. */
char *hvxl_log_errors(const HvxlLog *log);

/* ---- contexts (hvxl-ctx.c) ---- */

/* A libxl context for one operation at a time: libxl holds a context's lock while it builds a
 * domain, so two operations that share one wait for each other. */
typedef struct HvxlCtx {
    libxl_ctx *libxl;
    HvEngine *engine; /* immutable */
    HvxlLog log;
    gboolean broken; /* libxl told of a disaster: never used again */
} HvxlCtx;

/* One out of the pool, or a new one; never waits for another operation. */
HvxlCtx *hvxl_ctx_get(HvEngine *engine, GError **error);
void hvxl_ctx_put(HvxlCtx *ctx); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvxlCtx, hvxl_ctx_put)
/* From here on libxl's lines go into this file, too. NULL: nowhere. */
void hvxl_ctx_log_to(HvxlCtx *ctx, const char *path);

HvxlPool *hvxl_pool_new(HvEngine *engine);
/* No context is out any more. Accepts NULL. */
void hvxl_pool_free(HvxlPool *pool);

/* Sets "WHAT: what libxl logged (rc -3: ERROR_FAIL)" and returns FALSE for the caller to return.
 * HV_ERROR_ENGINE, but _CANCELLED where it was aborted, _TIMEOUT where time was up, _UNSUPPORTED
 * where libxl lacks it. rc is a libxl code, below 0. */
gboolean hvxl_set_error(HvxlCtx *ctx, int rc, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* ---- operations that can be broken off (hvxl-op.c) ---- */

/* Drives libxl's event loop on the calling thread until the operation is over:
 *
 *     HvxlOp op;
 *
 *     hvxl_op_init(&op, ctx, cancellable, 0);
 *     rc = hvxl_op_wait(&op, libxl_domain_create_new(ctx->libxl, &config, &domid, &op.how, NULL));
 *
 * The cancellable, or the end of the time, aborts it: ERROR_ABORTED then, unless it was over in
 * spite of that. How long an abort takes is libxl's business. */
typedef struct HvxlOp {
    HvxlCtx *ctx;
    GCancellable *cancellable; /* may be NULL */
    gint64 deadline_us;        /* monotonic; 0: none */
    libxl_asyncop_how how;
    gboolean aborted, timed_out;
    gboolean done;
    int rc;
} HvxlOp;

/* limit_ms 0: none. */
void hvxl_op_init(HvxlOp *op, HvxlCtx *ctx, GCancellable *cancellable, guint limit_ms);
/* `rc` is what the call that began it returned. */
int hvxl_op_wait(HvxlOp *op, int rc);

/* ---- xenstore (hvxl-xs.c) ---- */

/* Text of a node, at most 4 KiB; NULL: not there. */
char *hvxl_xs_read(HvEngine *engine, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A number in a node; FALSE: not there, or none. */
gboolean hvxl_xs_read_number(HvEngine *engine, gint64 *ret_number, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Waits until a node is there and not empty; NULL: it was not in time. Never in a hook that others
 * wait for. */
char *hvxl_xs_await(HvEngine *engine, guint limit_ms, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* ---- bootloaders (hvxl-bootloader.c) ---- */

/* What libxl is to run as bootloader, if anything, gives its kernel to the cache first. Where that
 * cannot be, it stays as it is. */
void hvxl_bootloader_wrap(HvEngine *engine, HvxlCtx *ctx, libxl_domain_build_info *info);

/* ---- userdata (hvxl-userdata.c) ---- */

/* libvirt's name for the domain's XML in libxl's own store, which dies with the domain. The stock
 * driver keeps it under the same name. */
#define HVXL_USERDATA "libvirt-xml"

/* NULL without an error: there is none. */
char *hvxl_userdata_read(HvxlCtx *ctx, int domid);
gboolean hvxl_userdata_write(HvxlCtx *ctx, int domid, const ConfDomain *live, GError **error);
