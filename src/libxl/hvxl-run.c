/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to a running domain, and how it is ended. */
#include "hvxl-hooks.h"

#include "hvxl-mark.h"

#include <string.h>

/* ---- ending ---- */

gboolean
hvxl_destroy(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = hvxl_mark_destroy(ctx, (uint32_t)domid);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot destroy domain id %d", domid);
}

/* ---- pausing ---- */

gboolean
hvxl_pause(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_pause(ctx->libxl, (uint32_t)domid, NULL);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot pause domain id %d", domid);
}

gboolean
hvxl_unpause(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_unpause(ctx->libxl, (uint32_t)domid, NULL);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot unpause domain id %d", domid);
}

/* ---- memory ---- */

gboolean
hvxl_set_memory(HvEngine *engine, int domid, guint64 kib, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    /* Enforced: a guest that does not give memory back gets no other instead. */
    rc = libxl_set_memory_target(ctx->libxl, (uint32_t)domid, (int64_t)kib, 0, 1);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error,
                          "cannot set the memory of domain id %d to %" G_GUINT64_FORMAT " KiB",
                          domid, kib);
}

gboolean
hvxl_set_max_memory(HvEngine *engine, int domid, guint64 kib, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_setmaxmem(ctx->libxl, (uint32_t)domid, kib);
    return rc == 0 || hvxl_set_error(ctx, rc, error,
                                     "cannot set the maximum memory of domain id %d to "
                                     "%" G_GUINT64_FORMAT " KiB",
                                     domid, kib);
}

/* ---- vcpus ---- */

gboolean
hvxl_set_vcpus(HvEngine *engine, int domid, guint online, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_bitmap map;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_bitmap_init(&map);
    rc = libxl_cpu_bitmap_alloc(ctx->libxl, &map, (int)online);
    for (guint i = 0; rc == 0 && i < online; i++)
        libxl_bitmap_set(&map, (int)i);
    if (rc == 0)
        rc = libxl_set_vcpuonline(ctx->libxl, (uint32_t)domid, &map, NULL);
    libxl_bitmap_dispose(&map);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot give domain id %d %u vcpus", domid, online);
}

static HvVcpuInfo
vcpu_of_info(const libxl_vcpuinfo *info)
{
    HvVcpuInfo vcpu = {
        .number = info->vcpuid,
        .state = !info->online   ? 0
                 : info->blocked ? 2
                                 : 1,
        .cpu_time_ns = info->vcpu_time,
        .cpu = info->online ? (int)info->cpu : -1,
    };

    memcpy(vcpu.affinity, info->cpumap.map, MIN(info->cpumap.size, sizeof(vcpu.affinity)));
    return vcpu;
}

GArray *
hvxl_vcpus(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_vcpuinfo *all;
    GArray *vcpus;
    int n = 0, n_cpus;

    if (!ctx)
        return NULL;
    all = libxl_list_vcpu(ctx->libxl, (uint32_t)domid, &n, &n_cpus);
    if (!all) {
        hvxl_set_error(ctx, ERROR_FAIL, error, "cannot ask for the vcpus of domain id %d", domid);
        return NULL;
    }
    vcpus = g_array_sized_new(FALSE, FALSE, sizeof(HvVcpuInfo), (guint)n);
    for (int i = 0; i < n; i++) {
        HvVcpuInfo vcpu = vcpu_of_info(&all[i]);

        g_array_append_val(vcpus, vcpu);
    }
    libxl_vcpuinfo_list_free(all, n);
    return vcpus;
}
