/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virConnectGetAllDomainStats: the figures of many domains in one call, from one question to the
 * engine. */
#include "lvd-params.h"

#include <string.h>

/* What a record is made of. */
static void
add_state(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    lvd_params_add_int(params, "state.state", lvd_wire_state(stats->view->state));
    lvd_params_add_int(params, "state.reason", lvd_wire_reason(stats->view->reason));
}

static void
add_cpu(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    if (hv_view_is_active(stats->view))
        lvd_params_add_ullong(params, "cpu.time", stats->info.cpu_time_ns);
}

static void
add_balloon(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    const HvMemoryStats *memory = &stats->memory;

    lvd_params_add_ullong(params, "balloon.current", stats->info.memory_kib);
    lvd_params_add_ullong(params, "balloon.maximum", stats->info.max_memory_kib);
    if (!stats->has_memory)
        return;
    lvd_params_add_figure(params, "balloon.swap_in", memory->swap_in_kib);
    lvd_params_add_figure(params, "balloon.swap_out", memory->swap_out_kib);
    lvd_params_add_figure(params, "balloon.unused", memory->unused_kib);
    lvd_params_add_figure(params, "balloon.available", memory->available_kib);
    lvd_params_add_figure(params, "balloon.rss", memory->rss_kib);
}

/* "net.3.rx.bytes": the name is made in place, a thousand domains have many of them. */
typedef struct Name {
    char text[64];
    gsize stem; /* length up to and with the last dot */
} Name;

static void
name_stem(Name *name, const char *group, guint number)
{
    name->stem = (gsize)g_snprintf(name->text, sizeof name->text, "%s.%u.", group, number);
}

static const char *
name_of(Name *name, const char *field)
{
    g_strlcpy(name->text + name->stem, field, sizeof name->text - name->stem);
    return name->text;
}

static void
add_vcpus(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    const ConfDomain *def = hv_view_current(stats->view);
    Name name;

    lvd_params_add_uint(params, "vcpu.current", stats->info.vcpus);
    lvd_params_add_uint(params, "vcpu.maximum", def->vcpus_max);
    for (guint i = 0; stats->vcpus && i < stats->vcpus->len; i++) {
        const HvVcpuInfo *vcpu = &g_array_index(stats->vcpus, HvVcpuInfo, i);
        name_stem(&name, "vcpu", vcpu->number);
        lvd_params_add_int(params, name_of(&name, "state"), vcpu->state);
        lvd_params_add_ullong(params, name_of(&name, "time"), vcpu->cpu_time_ns);
    }
}

static void
add_nic(GArray *params, guint number, const ConfInterface *iface, const HvNicStats *nic)
{
    Name name;

    name_stem(&name, "net", number);
    if (iface->target)
        lvd_params_add_string(params, name_of(&name, "name"), iface->target);
    lvd_params_add_figure(params, name_of(&name, "rx.bytes"), nic->rx_bytes);
    lvd_params_add_figure(params, name_of(&name, "rx.pkts"), nic->rx_packets);
    lvd_params_add_figure(params, name_of(&name, "rx.errs"), nic->rx_errors);
    lvd_params_add_figure(params, name_of(&name, "rx.drop"), nic->rx_dropped);
    lvd_params_add_figure(params, name_of(&name, "tx.bytes"), nic->tx_bytes);
    lvd_params_add_figure(params, name_of(&name, "tx.pkts"), nic->tx_packets);
    lvd_params_add_figure(params, name_of(&name, "tx.errs"), nic->tx_errors);
    lvd_params_add_figure(params, name_of(&name, "tx.drop"), nic->tx_dropped);
}

static void
add_nics(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    if (!stats->nics)
        return;
    lvd_params_add_uint(params, "net.count", stats->nics->len);
    for (guint i = 0; i < stats->nics->len; i++)
        add_nic(params, i, g_ptr_array_index(stats->view->live->interfaces, i),
                &g_array_index(stats->nics, HvNicStats, i));
}

static void
add_disk_figures(GArray *params, Name *name, const HvDiskStats *disk)
{
    lvd_params_add_figure(params, name_of(name, "rd.reqs"), disk->rd_reqs);
    lvd_params_add_figure(params, name_of(name, "rd.bytes"), disk->rd_bytes);
    lvd_params_add_figure(params, name_of(name, "rd.times"), disk->rd_ns);
    lvd_params_add_figure(params, name_of(name, "wr.reqs"), disk->wr_reqs);
    lvd_params_add_figure(params, name_of(name, "wr.bytes"), disk->wr_bytes);
    lvd_params_add_figure(params, name_of(name, "wr.times"), disk->wr_ns);
    lvd_params_add_figure(params, name_of(name, "fl.reqs"), disk->fl_reqs);
    lvd_params_add_figure(params, name_of(name, "fl.times"), disk->fl_ns);
    lvd_params_add_figure(params, name_of(name, "errors"), disk->errors);
}

static void
add_disk(GArray *params, guint number, const ConfDisk *disk, const HvDiskStats *figures,
         unsigned flags)
{
    HvDiskSize size;
    Name name;

    name_stem(&name, "block", number);
    lvd_params_add_string(params, name_of(&name, "name"), disk->target);
    if (disk->source)
        lvd_params_add_string(params, name_of(&name, "path"), disk->source);
    if (figures)
        add_disk_figures(params, &name, figures);
    /* Storage that hangs is something to wait for. */
    if ((flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) || !hv_disk_size(disk, &size, NULL))
        return;
    lvd_params_add_ullong(params, name_of(&name, "allocation"), size.allocation);
    lvd_params_add_ullong(params, name_of(&name, "capacity"), size.capacity);
    lvd_params_add_ullong(params, name_of(&name, "physical"), size.physical);
}

static void
add_disks(GArray *params, const HvDomainStats *stats, unsigned flags)
{
    const ConfDomain *def = hv_view_current(stats->view);

    lvd_params_add_uint(params, "block.count", def->disks->len);
    for (guint i = 0; i < def->disks->len; i++)
        add_disk(params, i, g_ptr_array_index(def->disks, i),
                 stats->disks && i < stats->disks->len
                     ? &g_array_index(stats->disks, HvDiskStats, i)
                     : NULL,
                 flags);
}

static const struct {
    unsigned wire;   /* VIR_DOMAIN_STATS_* */
    unsigned groups; /* HvStatsGroup */
    void (*add)(GArray *params, const HvDomainStats *stats, unsigned flags);
} stats_groups[] = {
    { VIR_DOMAIN_STATS_STATE, 0, add_state },
    { VIR_DOMAIN_STATS_CPU_TOTAL, 0, add_cpu },
    { VIR_DOMAIN_STATS_BALLOON, HV_STATS_MEMORY, add_balloon },
    { VIR_DOMAIN_STATS_VCPU, HV_STATS_VCPU, add_vcpus },
    { VIR_DOMAIN_STATS_INTERFACE, HV_STATS_NIC, add_nics },
    { VIR_DOMAIN_STATS_BLOCK, HV_STATS_DISK, add_disks },
};

/* ---- which domains ---- */

/* Of those that are named, or of all, those that the filter lets through. What is named and gone is
 * left out, as libvirt does it. */
static GPtrArray *
chosen_domains(LvdCall *call, const lvd_connect_get_all_domain_stats_args *a)
{
    g_autoptr(GPtrArray) all = NULL;
    GPtrArray *chosen = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);

    if (a->doms.doms_len == 0) {
        all = hv_host_list(lvd_call_host(call));
    } else {
        all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);
        for (u_int i = 0; i < a->doms.doms_len; i++) {
            HvDomain *domain = lvd_domain_lookup(call, &a->doms.doms_val[i], NULL);
            if (domain)
                g_ptr_array_add(all, domain);
        }
    }
    for (guint i = 0; i < all->len; i++) {
        HvDomain *domain = g_ptr_array_index(all, i);
        g_autoptr(HvView) view = hv_domain_view(domain);
        if (lvd_list_matches(view, a->flags))
            g_ptr_array_add(chosen, hv_domain_ref(domain));
    }
    return chosen;
}

/* ---- the call ---- */

static gboolean
check_groups(const lvd_connect_get_all_domain_stats_args *a, unsigned *ret_wire,
             unsigned *ret_groups, GError **error)
{
    unsigned known = 0;

    *ret_groups = a->flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT ? HV_STATS_NOWAIT : 0;
    for (gsize i = 0; i < G_N_ELEMENTS(stats_groups); i++) {
        known |= stats_groups[i].wire;
        if (a->stats == 0 || (a->stats & stats_groups[i].wire))
            *ret_groups |= stats_groups[i].groups;
    }
    *ret_wire = a->stats == 0 ? known : a->stats & known;
    if ((a->stats & ~known) && (a->flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)) {
        lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                      "Stats types bits 0x%x are not supported by this daemon", a->stats & ~known);
        return FALSE;
    }
    return TRUE;
}

static void
fill_record(lvd_domain_stats_record *record, const HvDomainStats *stats, unsigned wire,
            unsigned flags)
{
    GArray *params = lvd_params_new();

    lvd_fill_domain(&record->dom, stats->view);
    for (gsize i = 0; i < G_N_ELEMENTS(stats_groups); i++)
        if (wire & stats_groups[i].wire)
            stats_groups[i].add(params, stats, flags);
    lvd_params_give(params, &record->params.params_val, &record->params.params_len);
}

gboolean
lvd_do_connect_get_all_domain_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_get_all_domain_stats_args *a = args;
    lvd_connect_get_all_domain_stats_ret *r = ret;
    unsigned wire, groups;

    if (!lvd_check_flags(call, a->flags, error) || !check_groups(a, &wire, &groups, error))
        return FALSE;
    g_autoptr(GPtrArray) domains = chosen_domains(call, a);
    if (!lvd_check_count(call, domains->len, LVD_DOMAIN_LIST_MAX, "number of domains", error))
        return FALSE;
    g_autoptr(GPtrArray) all = hv_host_stats(lvd_call_host(call), domains, groups, error);
    if (!all)
        return FALSE;
    r->retStats.retStats_val = g_new0(lvd_domain_stats_record, MAX(all->len, 1));
    r->retStats.retStats_len = all->len;
    for (guint i = 0; i < all->len; i++)
        fill_record(&r->retStats.retStats_val[i], g_ptr_array_index(all, i), wire, a->flags);
    return TRUE;
}
