/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of domains, of their disks and interfaces, and of the host. */
#include "hv-private.h"

/* ---- domains, many at once ---- */

void
hv_domain_stats_free(HvDomainStats *stats)
{
    if (!stats)
        return;
    hv_domain_unref(stats->domain);
    hv_view_unref(stats->view);
    g_clear_pointer(&stats->vcpus, g_array_unref);
    g_clear_pointer(&stats->disks, g_array_unref);
    g_clear_pointer(&stats->nics, g_array_unref);
    g_free(stats->why);
    g_free(stats);
}

static const HvDiskStats no_disk_stats = { -1, -1, -1, -1, -1, -1, -1, -1, -1 };
static const HvNicStats no_nic_stats = { -1, -1, -1, -1, -1, -1, -1, -1 };

/* One place a disk of the definition, whatever the engine could tell. */
static GArray *
disks_in_order(const ConfDomain *live, GArray *told)
{
    GArray *disks = g_array_sized_new(FALSE, FALSE, sizeof(HvDiskStats), live->disks->len);

    for (guint i = 0; i < live->disks->len; i++)
        g_array_append_val(disks, no_disk_stats);
    for (guint i = 0; i < told->len; i++) {
        const HvEngineDisk *disk = &g_array_index(told, HvEngineDisk, i);

        if (disk->index < disks->len)
            g_array_index(disks, HvDiskStats, disk->index) = disk->stats;
    }
    return disks;
}

static GArray *
nics_in_order(const ConfDomain *live, GArray *told)
{
    GArray *nics = g_array_sized_new(FALSE, FALSE, sizeof(HvNicStats), live->interfaces->len);

    for (guint i = 0; i < live->interfaces->len; i++)
        g_array_append_val(nics, no_nic_stats);
    for (guint i = 0; i < told->len; i++) {
        const HvEngineNic *nic = &g_array_index(told, HvEngineNic, i);

        if (nic->index < nics->len)
            g_array_index(nics, HvNicStats, nic->index) = nic->stats;
    }
    return nics;
}

static void
take_over(HvDomainStats *stats, HvEngineStats *told)
{
    const ConfDomain *live = stats->view->live;

    stats->vcpus = g_steal_pointer(&told->vcpus);
    stats->disks = told->disks ? disks_in_order(live, told->disks) : NULL;
    stats->nics = told->nics ? nics_in_order(live, told->nics) : NULL;
    stats->has_memory = told->has_memory;
    stats->memory = told->memory;
    stats->why = g_steal_pointer(&told->why);
}

/* Asks the engine about all that are active, in one call. */
static gboolean
ask_engine(HvHost *host, GPtrArray *all, unsigned groups, GError **error)
{
    g_autoptr(GArray) queries = g_array_new(FALSE, FALSE, sizeof(HvEngineStatsQuery));
    g_autoptr(GPtrArray) asked = g_ptr_array_new();
    g_autoptr(GPtrArray) answers = NULL;

    for (guint i = 0; i < all->len; i++) {
        HvDomainStats *stats = g_ptr_array_index(all, i);
        HvEngineStatsQuery query = { stats->view->domid, stats->view->live };

        if (!hv_view_is_active(stats->view))
            continue;
        g_array_append_val(queries, query);
        g_ptr_array_add(asked, stats);
    }
    if (asked->len == 0)
        return TRUE;
    if (!hv_host_enter_engine(host, error))
        return FALSE;
    answers = host->ops->stats(host->engine, (const HvEngineStatsQuery *)(gpointer)queries->data,
                               queries->len, groups, error);
    hv_host_leave_engine(host);
    if (!answers)
        return FALSE;
    for (guint i = 0; i < MIN(answers->len, asked->len); i++)
        if (g_ptr_array_index(answers, i))
            take_over(g_ptr_array_index(asked, i), g_ptr_array_index(answers, i));
    return TRUE;
}

GPtrArray *
hv_host_stats(HvHost *host, GPtrArray *domains, unsigned groups, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_stats_free);

    for (guint i = 0; i < domains->len; i++) {
        HvDomain *domain = g_ptr_array_index(domains, i);
        HvDomainStats *stats = g_new0(HvDomainStats, 1);

        stats->domain = hv_domain_ref(domain);
        stats->view = hv_domain_view(domain);
        g_ptr_array_add(all, stats);
    }
    hv_sampler_fill(host->sampler, all);
    if ((groups & ~HV_STATS_NOWAIT) && host->ops->stats && !ask_engine(host, all, groups, error))
        return NULL;
    return g_steal_pointer(&all);
}

/* ---- one domain ---- */

static gboolean
is_complete(const HvDomainStats *stats, unsigned groups)
{
    return (!(groups & HV_STATS_VCPU) || stats->vcpus) &&
           (!(groups & HV_STATS_DISK) || stats->disks) &&
           (!(groups & HV_STATS_NIC) || stats->nics) &&
           (!(groups & HV_STATS_MEMORY) || stats->has_memory);
}

HvDomainStats *
hv_domain_stats(HvDomain *domain, unsigned groups, GError **error)
{
    g_autoptr(GPtrArray) domains = g_ptr_array_new();
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(HvDomainStats) stats = NULL;

    if (!domain->host->ops->stats) {
        hv_set_unsupported(error, domain->host, "asking for statistics");
        return NULL;
    }
    g_ptr_array_add(domains, domain);
    all = hv_host_stats(domain->host, domains, groups, error);
    if (!all)
        return NULL;
    stats = g_ptr_array_steal_index(all, 0);
    if (!hv_view_is_active(stats->view)) {
        hv_set_not_running(error);
        return NULL;
    }
    if (is_complete(stats, groups))
        return g_steal_pointer(&stats);
    if (stats->why)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "%s", stats->why);
    else
        hv_set_not_running(error); /* it ended while we asked */
    return NULL;
}

/* ---- the host ---- */

static GArray *
ask_host(HvHost *host, GArray *(*hook)(HvEngine *, GError **), const char *what, GError **error)
{
    GArray *rows;

    if (!hook) {
        hv_set_unsupported(error, host, what);
        return NULL;
    }
    if (!hv_host_enter_engine(host, error))
        return NULL;
    rows = hook(host->engine, error);
    hv_host_leave_engine(host);
    return rows;
}

GArray *
hv_host_nodes(HvHost *host, GError **error)
{
    return ask_host(host, host->ops->host_nodes, "asking for the NUMA nodes of the host", error);
}

GArray *
hv_host_cpus(HvHost *host, GError **error)
{
    return ask_host(host, host->ops->host_cpus, "asking for the times of the host's cpus", error);
}

/* ---- security labels ---- */

static gboolean
ask_label(HvHost *host, int domid, char **ret_label, gboolean *ret_enforcing, GError **error)
{
    g_autoptr(GError) local = NULL;

    *ret_label = NULL;
    if (!host->ops->security_label)
        return TRUE;
    if (!hv_host_enter_engine(host, error))
        return FALSE;
    *ret_label = host->ops->security_label(host->engine, domid, ret_enforcing, &local);
    hv_host_leave_engine(host);
    if (!local)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
hv_domain_security_label(HvDomain *domain, char **ret_label, gboolean *ret_enforcing,
                         GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);

    *ret_label = NULL;
    *ret_enforcing = FALSE;
    return !hv_view_is_active(now) ||
           ask_label(domain->host, now->domid, ret_label, ret_enforcing, error);
}

gboolean
hv_host_has_security_label(HvHost *host)
{
    g_autofree char *label = NULL;
    gboolean enforcing;

    return ask_label(host, -1, &label, &enforcing, NULL) && label;
}
