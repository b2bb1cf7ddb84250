/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of the host: its NUMA nodes, its cpus, its firmware, its security module. */
#include "lvd-do.h"

#include <string.h>

/* ---- memory ---- */

static gboolean
check_cells(LvdCall *call, int start, guint n_nodes, GError **error)
{
    if (start >= 0 && (guint)start < n_nodes)
        return TRUE;
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "start cell %d out of range (0-%u)",
                  start, n_nodes - 1);
    return FALSE;
}

gboolean
lvd_do_node_get_cells_free_memory(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_get_cells_free_memory_args *a = args;
    lvd_node_get_cells_free_memory_ret *r = ret;

    if (!lvd_check_count(call, a->maxcells, LVD_NODE_MAX_CELLS, "maxcells", error))
        return FALSE;
    g_autoptr(GArray) nodes = hv_host_nodes(lvd_call_host(call), error);
    if (!nodes || !check_cells(call, a->startCell, nodes->len, error))
        return FALSE;
    guint n = MIN((guint)a->maxcells, nodes->len - (guint)a->startCell);
    r->cells.cells_val = g_new0(u_quad_t, MAX(n, 1));
    r->cells.cells_len = n;
    for (guint i = 0; i < n; i++)
        r->cells.cells_val[i] = g_array_index(nodes, HvHostNode, (guint)a->startCell + i).free_kib *
                                1024;
    return TRUE;
}

#define PAGE_KIB 4

/* Xen gives out its memory in whatever size fits: it is free in pages of the smallest. */
gboolean
lvd_do_node_get_free_pages(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_get_free_pages_args *a = args;
    lvd_node_get_free_pages_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, a->pages.pages_len, "npages", error) ||
        !lvd_check_nonzero(call, a->cellCount, "cellCount", error) ||
        !lvd_check_count(call, (gint64)a->cellCount * a->pages.pages_len, LVD_NODE_MAX_CELLS,
                         "npages * cellCount", error))
        return FALSE;
    g_autoptr(GArray) nodes = hv_host_nodes(lvd_call_host(call), error);
    if (!nodes || !check_cells(call, a->startCell, nodes->len, error))
        return FALSE;
    for (u_int i = 0; i < a->pages.pages_len; i++) {
        if (a->pages.pages_val[i] == PAGE_KIB)
            continue;
        lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL,
                      "page size %u is not available on node %d", a->pages.pages_val[i],
                      a->startCell);
        return FALSE;
    }
    guint n = MIN(a->cellCount, nodes->len - (guint)a->startCell);
    r->counts.counts_val = g_new0(u_quad_t, n * a->pages.pages_len);
    r->counts.counts_len = n * a->pages.pages_len;
    for (guint i = 0; i < r->counts.counts_len; i++)
        r->counts.counts_val[i] = g_array_index(nodes, HvHostNode,
                                                (guint)a->startCell + i / a->pages.pages_len)
                                      .free_kib /
                                  PAGE_KIB;
    return TRUE;
}

#define N_MEMORY_FIELDS 2

gboolean
lvd_do_node_get_memory_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_get_memory_stats_args *a = args;
    lvd_node_get_memory_stats_ret *r = ret;
    HvHostNode sum = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_count(call, a->nparams, LVD_NODE_MEMORY_STATS_MAX, "nparams", error))
        return FALSE;
    g_autoptr(GArray) nodes = hv_host_nodes(lvd_call_host(call), error);
    if (!nodes)
        return FALSE;
    if (a->cellNum != VIR_NODE_MEMORY_STATS_ALL_CELLS &&
        (a->cellNum < 0 || (guint)a->cellNum >= nodes->len)) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "cellNum %d in virNodeGetMemoryStats must be less than or equal to %u",
                      a->cellNum, nodes->len - 1);
        return FALSE;
    }
    for (guint i = 0; i < nodes->len; i++) {
        const HvHostNode *node = &g_array_index(nodes, HvHostNode, i);
        if (a->cellNum >= 0 && (guint)a->cellNum != i)
            continue;
        sum.memory_kib += node->memory_kib;
        sum.free_kib += node->free_kib;
    }
    r->nparams = N_MEMORY_FIELDS;
    if (a->nparams == 0)
        return TRUE;
    const lvd_node_get_memory_stats fields[N_MEMORY_FIELDS] = {
        { (char *)VIR_NODE_MEMORY_STATS_TOTAL, sum.memory_kib },
        { (char *)VIR_NODE_MEMORY_STATS_FREE, sum.free_kib },
    };
    r->nparams = MIN(a->nparams, N_MEMORY_FIELDS);
    r->params.params_val = g_new0(lvd_node_get_memory_stats, N_MEMORY_FIELDS);
    r->params.params_len = (u_int)r->nparams;
    for (int i = 0; i < r->nparams; i++) {
        r->params.params_val[i].field = g_strdup(fields[i].field);
        r->params.params_val[i].value = fields[i].value;
    }
    return TRUE;
}

/* ---- cpus ---- */

#define N_CPU_FIELDS 2

gboolean
lvd_do_node_get_cpu_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_get_cpu_stats_args *a = args;
    lvd_node_get_cpu_stats_ret *r = ret;
    HvHostCpu sum = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_count(call, a->nparams, LVD_NODE_CPU_STATS_MAX, "nparams", error))
        return FALSE;
    g_autoptr(GArray) cpus = hv_host_cpus(lvd_call_host(call), error);
    if (!cpus)
        return FALSE;
    if (a->cpuNum != VIR_NODE_CPU_STATS_ALL_CPUS &&
        (a->cpuNum < 0 || (guint)a->cpuNum >= cpus->len)) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "Invalid cpuNum in %s",
                      "virNodeGetCPUStats");
        return FALSE;
    }
    for (guint i = 0; i < cpus->len; i++) {
        const HvHostCpu *cpu = &g_array_index(cpus, HvHostCpu, i);
        if (a->cpuNum >= 0 && (guint)a->cpuNum != i)
            continue;
        sum.busy_ns += cpu->busy_ns;
        sum.idle_ns += cpu->idle_ns;
    }
    r->nparams = N_CPU_FIELDS;
    if (a->nparams == 0)
        return TRUE;
    /* What ran was a domain, ours among them: the hypervisor's own share is not counted apart. */
    const lvd_node_get_cpu_stats fields[N_CPU_FIELDS] = {
        { (char *)VIR_NODE_CPU_STATS_USER, sum.busy_ns },
        { (char *)VIR_NODE_CPU_STATS_IDLE, sum.idle_ns },
    };
    r->nparams = MIN(a->nparams, N_CPU_FIELDS);
    r->params.params_val = g_new0(lvd_node_get_cpu_stats, N_CPU_FIELDS);
    r->params.params_len = (u_int)r->nparams;
    for (int i = 0; i < r->nparams; i++) {
        r->params.params_val[i].field = g_strdup(fields[i].field);
        r->params.params_val[i].value = fields[i].value;
    }
    return TRUE;
}

/* ---- firmware, security ---- */

gboolean
lvd_do_connect_get_sysinfo(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_get_sysinfo_args *a = args;
    lvd_connect_get_sysinfo_ret *r = ret;

    return lvd_check_flags(call, a->flags, error) &&
           lvd_return_text(&r->sysinfo, hv_host_sysinfo(lvd_call_host(call), error), error);
}

/* Both with their NUL; both empty where there is no such module, as with the stock driver. */
gboolean
lvd_do_node_get_security_model(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_node_get_security_model_ret *r = ret;
    gboolean on = hv_host_has_security_label(lvd_call_host(call));

    r->model.model_val = g_strdup(on ? "flask" : "");
    r->model.model_len = (u_int)strlen(r->model.model_val) + 1;
    r->doi.doi_val = g_strdup(on ? "0" : "");
    r->doi.doi_len = (u_int)strlen(r->doi.doi_val) + 1;
    return TRUE;
}
