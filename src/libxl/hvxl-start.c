/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain comes to be, in this order: mark it as ours, translate its definition, see to memory,
 * let libxl build it (paused), complete the live definition, keep that with the domain, let it run.
 */
#include "hvxl-hooks.h"

#include "hvxl-config-private.h"
#include "hvxl-env.h"
#include "hvxl-gate.h"
#include "hvxl-kernel-cache.h"
#include "hvxl-live.h"
#include "hvxl-mark.h"
#include "hvxl-memory.h"
#include "hvxl-model.h"
#include "hvxl-monitor.h"
#include "hvxl-watch.h"
#include "hvxl-tune.h"

#include <errno.h>
#include <unistd.h>

typedef struct Build {
    HvEngine *engine;
    const HvEngineStart *start;
    HvxlCtx *ctx;
    HvxlKernel *kernel; /* NULL: the definition's own, or none */
    libxl_domain_config config;
    uint32_t domid;
} Build;

static void
build_clear(Build *build)
{
    libxl_domain_config_dispose(&build->config);
    hvxl_kernel_free(build->kernel);
    hvxl_ctx_put(build->ctx);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Build, build_clear)

/* ---- the definition ---- */

/* What libxl would find out late, or not at all: a device model starts without its disk. */
static gboolean
check_file(const char *what, const char *path, GError **error)
{
    if (!path || path[0] != '/' || access(path, F_OK) == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "cannot use %s '%s': %s", what, path,
                g_strerror(errno));
    return FALSE;
}

static gboolean
check_files(const HvEngineStart *start, GError **error)
{
    const ConfDomain *def = start->def;

    if (start->restore_fd < 0 && (!check_file("kernel", def->os.kernel, error) ||
                                  !check_file("initrd", def->os.initrd, error)))
        return FALSE;
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = def->disks->pdata[i];
        ConfDiskType type = conf_disk_source_type(disk);
        gboolean local = type == CONF_DISK_TYPE_FILE || type == CONF_DISK_TYPE_BLOCK;
        g_autofree char *what = g_strdup_printf("disk '%s',", disk->target);

        if (local && !disk->backenddomain && !check_file(what, disk->source, error))
            return FALSE;
    }
    return TRUE;
}

static void
log_warnings(Build *build, const GPtrArray *warnings)
{
    for (guint i = 0; i < warnings->len; i++)
        xtl_log(&build->ctx->log.base, XTL_WARN, -1, "xlvirt", "%s",
                (const char *)warnings->pdata[i]);
}

/* Only what libxc loads: an HVM guest's device model wants the kernel packed, and a restored guest
 * brings its own. */
static gboolean
find_kernel(Build *build, GError **error)
{
    const HvEngineStart *start = build->start;
    const ConfDomain *def = start->def;

    if (!def->os.kernel || def->os.type == CONF_OS_HVM || start->restore_fd >= 0)
        return TRUE;
    build->kernel = hvxl_kernel_cache_get(build->engine->kernels, def->os.kernel,
                                          start->cancellable, error);
    return build->kernel != NULL;
}

/* Channels are consoles, and number 0 is the console: the first channel of a domain of xl's, which
 * numbers them from 0, never comes to be (4.17). */
static void
number_channels(libxl_domain_config *config)
{
    for (int i = 0; i < config->num_channels; i++)
        config->channels[i].devid = i + 1;
}

/* The device model's socket for us. One in a stub domain has none, and that of long ago knows no
 * such sockets. */
static void
add_monitor(Build *build)
{
    libxl_domain_build_info *info = &build->config.b_info;
    g_auto(GStrv) arguments = hvxl_monitor_arguments(HVXL_MONITOR_FOLDER, build->start->def->uuid);

    if (hvxl_is_on(info->device_model_stubdomain) ||
        info->device_model_version == LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL)
        return;
    for (guint i = 0; arguments[i]; i++)
        hvxl_list_append(&info->extra, arguments[i]);
}

static gboolean
translate(Build *build, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    HvxlConfigEnv env;
    gboolean ok;

    if (!check_files(build->start, error) || !find_kernel(build, error))
        return FALSE;
    hvxl_env_fill(build->engine, build->ctx, &env);
    env.kernel = build->kernel ? hvxl_kernel_path(build->kernel) : NULL;
    ok = hvxl_config_build(&env, build->start->def, &build->config, warnings, error);
    log_warnings(build, warnings);
    number_channels(&build->config);
    add_monitor(build);
    if (ok && build->start->restore_fd < 0)
        hvxl_bootloader_wrap(build->engine, build->ctx, &build->config.b_info);
    return ok;
}

/* ---- the domain ---- */

static int
create(Build *build)
{
    const HvEngineStart *start = build->start;
    HvxlOp op;
    int rc;

    hvxl_op_init(&op, build->ctx, start->cancellable, 0);
    hvxl_gate_enter(build->engine->gate, start->cancellable);
    rc = hvxl_op_wait(&op, libxl_domain_create_new(build->ctx->libxl, &build->config, &build->domid,
                                                   &op.how, NULL));
    hvxl_gate_leave(build->engine->gate);
    return rc;
}

/* The guest's memory takes longer than what xenstore is asked for: no gate. */
static int
restore(Build *build)
{
    const HvEngineStart *start = build->start;
    libxl_domain_restore_params params;
    HvxlOp op;
    int rc;

    hvxl_op_init(&op, build->ctx, start->cancellable, 0);
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    rc = libxl_domain_create_restore(build->ctx->libxl, &build->config, &build->domid,
                                     start->restore_fd, -1, &params, &op.how, NULL);
    rc = hvxl_op_wait(&op, rc);
    libxl_domain_restore_params_dispose(&params);
    return rc;
}

/* What a start that failed has left behind. */
static void
sweep(Build *build)
{
    if (build->domid == (uint32_t)INVALID_DOMID)
        return;
    if (hvxl_mark_destroy(build->ctx, build->domid) != 0)
        g_warning("domain id %u is left over from a start of '%s' that failed", build->domid,
                  build->start->def->name);
}

/* Where the tty is not there yet the guest need not wait for it: it runs first. */
static gboolean
finish(Build *build, ConfDomain *live, GError **error)
{
    HvEngine *engine = build->engine;
    int domid = (int)build->domid;
    gboolean whole = hvxl_live_fill(engine, domid, live, &build->config, 0);
    g_autoptr(GError) local = NULL;
    int rc = 0;

    if (!hvxl_userdata_write(build->ctx, domid, live, error))
        return FALSE;
    hvxl_tune_started(build->ctx, domid, live);
    if (!hv_engine_may_run(build->start, error))
        return FALSE;
    if (!build->start->paused)
        rc = libxl_domain_unpause(build->ctx->libxl, build->domid, NULL);
    if (rc != 0)
        return hvxl_set_error(build->ctx, rc, error, "cannot let it run");
    /* From here on nothing fails: its guest runs. */
    if (whole)
        return TRUE;
    if (!hvxl_live_fill(engine, domid, live, &build->config, HVXL_TTY_PATIENCE_MS))
        xtl_log(&build->ctx->log.base, XTL_WARN, -1, "xlvirt",
                "a console has no tty; does xenconsoled run?");
    if (!hvxl_userdata_write(build->ctx, domid, live, &local))
        g_warning("what libxl keeps of '%s' lacks a console's tty: %s", live->name, local->message);
    return TRUE;
}

static gboolean
make_domain(Build *build, ConfDomain **ret_live, GError **error)
{
    const HvEngineStart *start = build->start;
    g_autoptr(ConfDomain) live = NULL;
    int rc;

    if (!translate(build, error) ||
        !hvxl_memory_take(build->engine->memory, build->ctx, &build->config, start->def->uuid,
                          start->cancellable, error))
        return FALSE;
    rc = start->restore_fd < 0 ? create(build) : restore(build);
    hvxl_memory_done(build->engine->memory, start->def->uuid);
    if (rc != 0) {
        hvxl_set_error(build->ctx, rc, error, "%s",
                       start->restore_fd < 0 ? "it cannot be built" : "it cannot be restored");
        hvxl_model_explain(start->def->name, error);
        return FALSE;
    }
    if (!hvxl_model_serves(build->engine, (int)build->domid, start->def->name, 0,
                           build->config.disks, build->config.num_disks, error))
        return FALSE;
    live = conf_domain_copy(start->def);
    if (!finish(build, live, error))
        return FALSE;
    *ret_live = g_steal_pointer(&live);
    return TRUE;
}

gboolean
hvxl_start(HvEngine *engine, const HvEngineStart *start, int *ret_domid, ConfDomain **ret_live,
           GError **error)
{
    const ConfDomain *def = start->def;
    g_auto(Build) build = { .engine = engine, .start = start, .domid = (uint32_t)INVALID_DOMID };
    gboolean ok;

    libxl_domain_config_init(&build.config);
    build.ctx = hvxl_ctx_get(engine, error);
    if (!build.ctx)
        return FALSE;
    hvxl_ctx_log_to(build.ctx, start->log_path);
    hvxl_watch_begin_start(engine->watch, def->uuid);
    hvxl_mark_set(engine, def->uuid);
    ok = make_domain(&build, ret_live, error);
    if (!ok)
        sweep(&build);
    hvxl_mark_clear(engine, def->uuid);
    hvxl_watch_end_start(engine->watch, def->uuid, ok ? (int)build.domid : -1);
    if (ok)
        *ret_domid = (int)build.domid;
    else
        g_prefix_error(error, "cannot start domain '%s': ", def->name);
    return ok;
}
