/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked about the host, and about all domains at once. */
#include "hvxl-hooks.h"
#include "hvxl-mark.h"
#include "hvxl-policy.h"
#include "hvxl-tune.h"
#include "hvxl-watch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xen/hvm/hvm_info_table.h>

#define PAGE_KIB 4

/* ---- the host ---- */

static guint
count_sockets(const libxl_physinfo *phys)
{
    guint in_socket = MAX(phys->cores_per_socket, 1) * MAX(phys->threads_per_core, 1);
    guint nodes = MAX(phys->nr_nodes, 1);

    return MAX(phys->nr_cpus / (in_socket * nodes), 1);
}

gboolean
hvxl_host_info(HvEngine *engine, HvHostInfo *ret_info, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    const libxl_version_info *version;
    libxl_physinfo phys;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_physinfo_init(&phys);
    rc = libxl_get_physinfo(ctx->libxl, &phys);
    version = libxl_get_version_info(ctx->libxl);
    if (rc != 0 || !version) {
        libxl_physinfo_dispose(&phys);
        return hvxl_set_error(ctx, rc ? rc : ERROR_FAIL, error, "cannot ask Xen about this host");
    }
    *ret_info = (HvHostInfo){
        .model = "x86_64",
        .memory_kib = phys.total_pages * PAGE_KIB,
        .free_memory_kib = (phys.free_pages + phys.scrub_pages) * PAGE_KIB,
        .cpus = phys.nr_cpus,
        .mhz = phys.cpu_khz / 1000,
        .nodes = MAX(phys.nr_nodes, 1),
        .sockets = count_sockets(&phys),
        .cores = MAX(phys.cores_per_socket, 1),
        .threads = MAX(phys.threads_per_core, 1),
        /* The third number of a Xen release is not told to domains as one. */
        .version = (guint64)version->xen_version_major * 1000000 +
                   (guint64)version->xen_version_minor * 1000,
        .max_vcpus = HVM_MAX_VCPUS,
    };
    libxl_physinfo_dispose(&phys);
    return TRUE;
}

GArray *
hvxl_cpu_leaves(HvEngine *engine, HvCpuView view, GError **error)
{
    GArray *leaves = hvxl_policy_leaves(view);
    int saved = errno;

    if (!leaves)
        g_set_error(error, HV_ERROR, saved == EOPNOTSUPP ? HV_ERROR_UNSUPPORTED : HV_ERROR_ENGINE,
                    "cannot ask Xen about the features of its processors: %s", g_strerror(saved));
    return leaves;
}

/* ---- all domains ---- */

static HvEngineDomain
seen_of_info(const libxl_dominfo *info)
{
    HvEngineDomain seen = {
        .domid = (int)info->domid,
        .running = info->running,
        .blocked = info->blocked,
        .paused = info->paused,
        .shutdown = info->shutdown,
        .crashed = info->shutdown && info->shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH,
        .dying = info->dying,
        .shutdown_code = info->shutdown ? (int)info->shutdown_reason : 0,
        .memory_kib = info->current_memkb + info->outstanding_memkb,
        .max_memory_kib = info->max_memkb,
        .vcpus_online = info->vcpu_online,
        .vcpus_max = info->vcpu_max_id + 1,
        .cpu_time_ns = info->cpu_time,
    };

    memcpy(seen.uuid, info->uuid.uuid, sizeof(seen.uuid));
    return seen;
}

GArray *
hvxl_seen_all(HvxlCtx *ctx, GError **error)
{
    libxl_dominfo *all;
    GArray *list;
    int n = 0;

    all = libxl_list_domain(ctx->libxl, &n);
    if (!all) {
        hvxl_set_error(ctx, ERROR_FAIL, error, "cannot list the domains of Xen");
        return NULL;
    }
    list = g_array_sized_new(FALSE, FALSE, sizeof(HvEngineDomain), (guint)n);
    for (int i = 0; i < n; i++) {
        HvEngineDomain seen = seen_of_info(&all[i]);

        g_array_append_val(list, seen);
    }
    libxl_dominfo_list_free(all, n);
    return list;
}

gboolean
hvxl_seen_one(HvxlCtx *ctx, int domid, HvEngineDomain *ret_seen)
{
    libxl_dominfo info;
    gboolean found;

    libxl_dominfo_init(&info);
    found = libxl_domain_info(ctx->libxl, &info, (uint32_t)domid) == 0;
    if (found)
        *ret_seen = seen_of_info(&info);
    libxl_dominfo_dispose(&info);
    return found;
}

GArray *
hvxl_list(HvEngine *engine, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autoptr(GArray) all = NULL;
    GArray *list;

    hvxl_mark_sweep_rest(engine);
    all = ctx ? hvxl_seen_all(ctx, error) : NULL;
    if (!all)
        return NULL;
    list = g_array_sized_new(FALSE, FALSE, sizeof(HvEngineDomain), all->len);
    for (guint i = 0; i < all->len; i++) {
        HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);

        /* Half built ones are shown by nobody: their start job has them, or their maker. */
        if (seen->domid != 0 && hvxl_watch_look(engine->watch, seen))
            g_array_append_val(list, *seen);
    }
    return list;
}

/* ---- the device model ---- */

static char *
first_that_is_there(char **paths)
{
    for (guint i = 0; paths[i]; i++) {
        if (access(paths[i], X_OK) == 0)
            return g_strdup(paths[i]);
    }
    return NULL;
}

/* libxl keeps the path to itself. */
char *
hvxl_find_emulator(HvEngine *engine)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, NULL);
    const libxl_version_info *version = ctx ? libxl_get_version_info(ctx->libxl) : NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (version)
        g_ptr_array_add(paths,
                        g_strdup_printf("/usr/lib/xen-%d.%d/bin/qemu-system-i386",
                                        version->xen_version_major, version->xen_version_minor));
    g_ptr_array_add(paths, g_strdup("/usr/libexec/xen-qemu-system-i386"));
    g_ptr_array_add(paths, g_strdup("/usr/lib/xen/bin/qemu-system-i386"));
    g_ptr_array_add(paths, g_strdup("/usr/libexec/xen/bin/qemu-system-i386"));
    g_ptr_array_add(paths, g_strdup("/usr/local/lib/xen/bin/qemu-system-i386"));
    g_ptr_array_add(paths, NULL);
    return first_that_is_there((char **)paths->pdata);
}

const char *
hvxl_emulator(HvEngine *engine)
{
    return engine->emulator;
}

const char *
hvxl_lock_manager(HvEngine *engine)
{
    return hvxl_setting(engine, "lock_manager");
}
