/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domain 0: the one that we run in. */
#include "hvxl-device.h"

#include <string.h>

#define NAME "Domain-0"

/* Where nobody set a limit, Xen says a number that no host has: the host's memory then. */
static guint64
max_memory(HvxlCtx *ctx, const libxl_dominfo *info)
{
    const libxl_version_info *version = libxl_get_version_info(ctx->libxl);
    guint64 page_kib = version ? (guint64)version->pagesize / 1024 : 4;
    libxl_physinfo host;
    guint64 total = 0;

    libxl_physinfo_init(&host);
    if (libxl_get_physinfo(ctx->libxl, &host) == 0)
        total = host.total_pages * page_kib;
    libxl_physinfo_dispose(&host);
    if (total != 0 && info->max_memkb > total)
        return MAX(total, info->current_memkb);
    return MAX(info->max_memkb, info->current_memkb);
}

static ConfDomain *
definition(const HvEngineDomain *seen)
{
    ConfDomain *def = conf_domain_new();

    def->name = g_strdup(NAME);
    def->uuid_set = true;
    def->id = 0;
    def->os.type = CONF_OS_LINUX;
    def->os.arch = CONF_ARCH_X86_64;
    def->os.machine = g_strdup("xenpv");
    def->memory_kib = seen->max_memory_kib;
    def->cur_memory_kib = seen->memory_kib;
    def->vcpus_max = MAX(seen->vcpus_max, 1);
    if (seen->vcpus_online < def->vcpus_max)
        def->vcpus = MAX(seen->vcpus_online, 1);
    return def;
}

gboolean
hvxl_control_domain(HvEngine *engine, HvEngineDomain *ret_seen, ConfDomain **ret_def,
                    GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_dominfo info;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ctx->libxl, &info, 0);
    if (rc != 0) {
        libxl_dominfo_dispose(&info);
        return hvxl_set_error(ctx, rc, error, "cannot ask for domain 0");
    }
    *ret_seen = (HvEngineDomain){
        .running = TRUE,
        .memory_kib = info.current_memkb,
        .max_memory_kib = max_memory(ctx, &info),
        .vcpus_online = info.vcpu_online,
        .vcpus_max = info.vcpu_max_id + 1,
        .cpu_time_ns = info.cpu_time,
    };
    libxl_dominfo_dispose(&info);
    if (ret_def)
        *ret_def = definition(ret_seen);
    return TRUE;
}
