/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of single domains. None of these calls waits for the domain's job. */
#include "lvd-params.h"

#include <string.h>

static HvDomainStats *
ask(LvdCall *call, const lvd_nonnull_domain *dom, unsigned groups, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain ? hv_domain_stats(domain, groups, error) : NULL;
}

/* ---- disks ---- */

static void
add_up(gint64 *sum, gint64 figure)
{
    if (figure >= 0)
        *sum = MAX(*sum, 0) + figure;
}

/* Of one disk, or with an empty name of all together. */
static gboolean
disk_stats(LvdCall *call, const lvd_nonnull_domain *dom, const char *name, HvDiskStats *ret_stats,
           GError **error)
{
    g_autoptr(HvDomainStats) stats = ask(call, dom, HV_STATS_DISK, error);
    HvDiskStats sum = { -1, -1, -1, -1, -1, -1, -1, -1, -1 };

    if (!stats)
        return FALSE;
    if (*name) {
        int index = hv_def_find_disk(stats->view->live, name, error);
        if (index < 0)
            return FALSE;
        sum = g_array_index(stats->disks, HvDiskStats, (guint)index);
        if (sum.rd_reqs < 0) {
            lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL,
                          "no statistics of disk '%s': %s", name,
                          stats->why ? stats->why : "its backend does not tell any");
            return FALSE;
        }
    }
    for (guint i = 0; !*name && i < stats->disks->len; i++) {
        const HvDiskStats *one = &g_array_index(stats->disks, HvDiskStats, i);
        add_up(&sum.rd_reqs, one->rd_reqs);
        add_up(&sum.rd_bytes, one->rd_bytes);
        add_up(&sum.rd_ns, one->rd_ns);
        add_up(&sum.wr_reqs, one->wr_reqs);
        add_up(&sum.wr_bytes, one->wr_bytes);
        add_up(&sum.wr_ns, one->wr_ns);
        add_up(&sum.fl_reqs, one->fl_reqs);
        add_up(&sum.fl_ns, one->fl_ns);
        add_up(&sum.errors, one->errors);
    }
    *ret_stats = sum;
    return TRUE;
}

gboolean
lvd_do_domain_block_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_block_stats_args *a = args;
    lvd_domain_block_stats_ret *r = ret;
    HvDiskStats stats;

    if (!disk_stats(call, &a->dom, a->path, &stats, error))
        return FALSE;
    r->rd_req = stats.rd_reqs;
    r->rd_bytes = stats.rd_bytes;
    r->wr_req = stats.wr_reqs;
    r->wr_bytes = stats.wr_bytes;
    r->errs = stats.errors;
    return TRUE;
}

#define ROW(name, field)                                                                           \
    {                                                                                              \
        VIR_DOMAIN_BLOCK_STATS_##name, offsetof(HvDiskStats, field)                                \
    }

static const struct {
    const char *field;
    gsize offset;
} disk_rows[] = {
    ROW(READ_REQ, rd_reqs),  ROW(READ_BYTES, rd_bytes),     ROW(READ_TOTAL_TIMES, rd_ns),
    ROW(WRITE_REQ, wr_reqs), ROW(WRITE_BYTES, wr_bytes),    ROW(WRITE_TOTAL_TIMES, wr_ns),
    ROW(FLUSH_REQ, fl_reqs), ROW(FLUSH_TOTAL_TIMES, fl_ns), ROW(ERRS, errors),
};

#undef ROW

static gint64
disk_figure(const HvDiskStats *stats, gsize i)
{
    return *(const gint64 *)(gconstpointer)((const char *)stats + disk_rows[i].offset);
}

gboolean
lvd_do_domain_block_stats_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_block_stats_flags_args *a = args;
    lvd_domain_block_stats_flags_ret *r = ret;
    HvDiskStats stats;

    if (!lvd_check_flags(call, a->flags, error) ||
        !disk_stats(call, &a->dom, a->path, &stats, error))
        return FALSE;
    GArray *params = lvd_params_new();
    for (gsize i = 0; i < G_N_ELEMENTS(disk_rows); i++)
        if (disk_figure(&stats, i) >= 0)
            lvd_params_add_llong(params, disk_rows[i].field, disk_figure(&stats, i));
    return lvd_params_return(call, params, a->nparams, LVD_DOMAIN_BLOCK_STATS_PARAMETERS_MAX,
                             a->flags, &r->params.params_val, &r->params.params_len, &r->nparams,
                             error);
}

gboolean
lvd_do_domain_get_block_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_block_info_args *a = args;
    lvd_domain_get_block_info_ret *r = ret;
    HvDiskSize size;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);
    if (!view)
        return FALSE;
    const ConfDomain *def = hv_view_current(view);
    int index = hv_def_find_disk(def, a->path, error);
    if (index < 0 || !hv_host_disk_size(lvd_call_host(call),
                                        g_ptr_array_index(def->disks, (guint)index), &size, error))
        return FALSE;
    r->capacity = size.capacity;
    r->allocation = size.allocation;
    r->physical = size.physical;
    return TRUE;
}

/* ---- interfaces ---- */

gboolean
lvd_do_domain_interface_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_interface_stats_args *a = args;
    lvd_domain_interface_stats_ret *r = ret;
    g_autoptr(HvDomainStats) stats = ask(call, &a->dom, HV_STATS_NIC, error);

    if (!stats)
        return FALSE;
    int index = hv_def_find_interface(stats->view->live, a->device, error);
    if (index < 0)
        return FALSE;
    const HvNicStats *nic = &g_array_index(stats->nics, HvNicStats, (guint)index);
    if (nic->rx_bytes < 0) {
        lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL,
                      "no statistics of interface '%s': %s", a->device,
                      stats->why ? stats->why : "its backend does not tell any");
        return FALSE;
    }
    r->rx_bytes = nic->rx_bytes;
    r->rx_packets = nic->rx_packets;
    r->rx_errs = nic->rx_errors;
    r->rx_drop = nic->rx_dropped;
    r->tx_bytes = nic->tx_bytes;
    r->tx_packets = nic->tx_packets;
    r->tx_errs = nic->tx_errors;
    r->tx_drop = nic->tx_dropped;
    return TRUE;
}

/* ---- memory ---- */

gboolean
lvd_do_domain_memory_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_memory_stats_args *a = args;
    lvd_domain_memory_stats_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_count(call, a->maxStats, LVD_DOMAIN_MEMORY_STATS_MAX, "maxStats", error))
        return FALSE;
    g_autoptr(HvDomainStats) stats = ask(call, &a->dom, HV_STATS_MEMORY, error);
    if (!stats)
        return FALSE;
    const HvMemoryStats *memory = &stats->memory;
    const struct {
        int tag;
        gint64 kib;
    } figures[] = {
        { VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, memory->actual_kib },
        { VIR_DOMAIN_MEMORY_STAT_SWAP_IN, memory->swap_in_kib },
        { VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, memory->swap_out_kib },
        { VIR_DOMAIN_MEMORY_STAT_UNUSED, memory->unused_kib },
        /* A guest that does not tell sees all that it has. */
        { VIR_DOMAIN_MEMORY_STAT_AVAILABLE,
          memory->available_kib >= 0 ? memory->available_kib : memory->actual_kib },
        { VIR_DOMAIN_MEMORY_STAT_RSS, memory->rss_kib },
    };
    r->stats.stats_val = g_new0(lvd_domain_memory_stat, G_N_ELEMENTS(figures));
    for (gsize i = 0; i < G_N_ELEMENTS(figures) && r->stats.stats_len < a->maxStats; i++) {
        if (figures[i].kib < 0)
            continue;
        r->stats.stats_val[r->stats.stats_len++] = (lvd_domain_memory_stat){
            figures[i].tag, (guint64)figures[i].kib
        };
    }
    return TRUE;
}

/* ---- cpu time ---- */

/* As the stock Xen driver: nobody tells the time by physical cpu, so the rows are vcpus. */
static gboolean
per_vcpu(const lvd_domain_get_cpu_stats_args *a, lvd_domain_get_cpu_stats_ret *r,
         const GArray *vcpus, GError **error)
{
    if (a->nparams == 0) {
        r->nparams = a->ncpus == 0 ? (int)vcpus->len : 1;
        return TRUE;
    }
    if ((guint)a->start_cpu >= vcpus->len) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "start_cpu %d larger than maximum of %u", a->start_cpu, vcpus->len - 1);
        return FALSE;
    }
    guint n = MIN(a->ncpus, vcpus->len - (guint)a->start_cpu);
    GArray *params = lvd_params_new();
    for (guint i = 0; i < n; i++)
        lvd_params_add_ullong(
            params, VIR_DOMAIN_CPU_STATS_CPUTIME,
            g_array_index(vcpus, HvVcpuInfo, (guint)a->start_cpu + i).cpu_time_ns);
    lvd_params_give(params, &r->params.params_val, &r->params.params_len);
    r->nparams = 1;
    return TRUE;
}

static void
in_total(const lvd_domain_get_cpu_stats_args *a, lvd_domain_get_cpu_stats_ret *r, guint64 total)
{
    r->nparams = 1;
    if (a->nparams == 0)
        return;
    GArray *params = lvd_params_new();
    lvd_params_add_ullong(params, VIR_DOMAIN_CPU_STATS_CPUTIME, total);
    lvd_params_give(params, &r->params.params_val, &r->params.params_len);
}

gboolean
lvd_do_domain_get_cpu_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_cpu_stats_args *a = args;
    lvd_domain_get_cpu_stats_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_count(call, a->nparams, LVD_DOMAIN_GET_CPU_STATS_MAX, "nparams", error) ||
        !lvd_check_count(call, a->ncpus, LVD_DOMAIN_GET_CPU_STATS_NCPUS_MAX, "ncpus", error))
        return FALSE;
    if (a->start_cpu < -1) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "start_cpu in virDomainGetCPUStats must be -1 or greater");
        return FALSE;
    }
    g_autoptr(HvDomainStats) stats = ask(call, &a->dom, HV_STATS_VCPU, error);
    if (!stats)
        return FALSE;
    if (a->start_cpu >= 0)
        return per_vcpu(a, r, stats->vcpus, error);
    in_total(a, r, stats->info.cpu_time_ns);
    return TRUE;
}

/* ---- is it stuck? ---- */

gboolean
lvd_do_domain_get_control_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_control_info_args *a = args;
    lvd_domain_get_control_info_ret *r = ret;
    HvJobInfo job;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    g_autoptr(HvView) view = hv_domain_view(domain);
    hv_domain_job_info(domain, &job);
    if (!hv_view_is_active(view) && !job.active) {
        lvd_set_error(error, VIR_ERR_OPERATION_INVALID, VIR_FROM_LIBXL, "domain is not running");
        return FALSE;
    }
    r->state = !job.active     ? VIR_DOMAIN_CONTROL_OK
               : job.in_engine ? VIR_DOMAIN_CONTROL_OCCUPIED
                               : VIR_DOMAIN_CONTROL_JOB;
    r->stateTime = job.active ? job.elapsed_ms : 0;
    return TRUE;
}

/* ---- security labels ---- */

static gboolean
fill_label(HvDomain *domain, lvd_domain_get_security_label_ret *r, gboolean *ret_any,
           GError **error)
{
    g_autofree char *label = NULL;
    gboolean enforcing = FALSE;

    if (!hv_domain_security_label(domain, &label, &enforcing, error))
        return FALSE;
    *ret_any = label != NULL;
    gsize len = MIN(label ? strlen(label) : 0, LVD_SECURITY_LABEL_MAX - 1);
    /* On the wire with its NUL. */
    r->label.label_val = g_malloc0(len + 1);
    r->label.label_len = (u_int)len + 1;
    if (label)
        memcpy(r->label.label_val, label, len);
    r->enforcing = enforcing;
    return TRUE;
}

gboolean
lvd_do_domain_get_security_label(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_security_label_args *a = args;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    gboolean any;

    return domain && fill_label(domain, ret, &any, error);
}

gboolean
lvd_do_domain_get_security_label_list(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_security_label_list_args *a = args;
    lvd_domain_get_security_label_list_ret *r = ret;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    gboolean any = FALSE;

    if (!domain)
        return FALSE;
    r->labels.labels_val = g_new0(lvd_domain_get_security_label_ret, 1);
    r->labels.labels_len = 1;
    if (!fill_label(domain, r->labels.labels_val, &any, error))
        return FALSE;
    r->labels.labels_len = r->ret = any ? 1 : 0;
    if (any)
        return TRUE;
    g_free(r->labels.labels_val->label.label_val);
    g_clear_pointer(&r->labels.labels_val, g_free);
    return TRUE;
}
