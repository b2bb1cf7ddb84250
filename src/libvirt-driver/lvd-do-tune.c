/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory, vcpus and autostart. */
#include "lvd-do.h"

#include <string.h>

/* ---- memory ---- */

/* No host has this much, and KiB below it fit into bytes and back. */
#define MEMORY_KIB_MAX (G_GUINT64_CONSTANT(1) << 50)

static gboolean
set_memory(LvdCall *call, const lvd_nonnull_domain *dom, guint64 kib, unsigned affect,
           GError **error)
{
    if (!lvd_check_nonzero(call, kib, "memory", error))
        return FALSE;
    if (kib > MEMORY_KIB_MAX) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "%" G_GUINT64_FORMAT " KiB is more memory than any host has", kib);
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && hv_domain_set_memory(domain, kib, affect, error);
}

gboolean
lvd_do_domain_set_memory(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_memory_args *a = args;

    return set_memory(call, &a->dom, a->memory, HV_AFFECT_LIVE, error);
}

gboolean
lvd_do_domain_set_max_memory(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_max_memory_args *a = args;

    return set_memory(call, &a->dom, a->memory, HV_AFFECT_CURRENT | HV_AFFECT_MAXIMUM, error);
}

gboolean
lvd_do_domain_set_memory_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_memory_flags_args *a = args;
    unsigned affect = lvd_affect(a->flags) |
                      (a->flags & VIR_DOMAIN_MEM_MAXIMUM ? HV_AFFECT_MAXIMUM : 0);

    return lvd_check_flags(call, a->flags, error) &&
           set_memory(call, &a->dom, a->memory, affect, error);
}

/* ---- how many vcpus ---- */

static unsigned
vcpu_affect(unsigned flags)
{
    return lvd_affect(flags) | (flags & VIR_DOMAIN_VCPU_MAXIMUM ? HV_AFFECT_MAXIMUM : 0);
}

static gboolean
set_vcpus(LvdCall *call, const lvd_nonnull_domain *dom, guint n, unsigned affect, GError **error)
{
    if (!lvd_check_nonzero(call, n, "nvcpus", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && hv_domain_set_vcpus(domain, n, affect, error);
}

gboolean
lvd_do_domain_set_vcpus(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_vcpus_args *a = args;

    return set_vcpus(call, &a->dom, a->nvcpus, HV_AFFECT_LIVE, error);
}

gboolean
lvd_do_domain_set_vcpus_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_vcpus_flags_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if ((a->flags & VIR_DOMAIN_VCPU_MAXIMUM) && !(a->flags & VIR_DOMAIN_AFFECT_CONFIG)) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag "
                      "'VIR_DOMAIN_VCPU_MAXIMUM'");
        return FALSE;
    }
    return set_vcpus(call, &a->dom, a->nvcpus, vcpu_affect(a->flags), error);
}

static gboolean
get_vcpus(LvdCall *call, const lvd_nonnull_domain *dom, unsigned affect, int *ret_num,
          GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    int n = domain ? hv_domain_get_vcpus(domain, affect, error) : -1;

    if (n < 0)
        return FALSE;
    *ret_num = n;
    return TRUE;
}

gboolean
lvd_do_domain_get_vcpus_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_vcpus_flags_args *a = args;
    lvd_domain_get_vcpus_flags_ret *r = ret;

    if (lvd_call_is_readonly(call) && (a->flags & VIR_DOMAIN_VCPU_GUEST)) {
        lvd_set_readonly(error, lvd_call_proc(call));
        return FALSE;
    }
    return lvd_check_flags(call, a->flags, error) &&
           LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error) &&
           get_vcpus(call, &a->dom, vcpu_affect(a->flags), &r->num, error);
}

/* Stock answers for active domains only; a definition has a maximum just as well. */
gboolean
lvd_do_domain_get_max_vcpus(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_max_vcpus_args *a = args;
    lvd_domain_get_max_vcpus_ret *r = ret;

    return get_vcpus(call, &a->dom, HV_AFFECT_CURRENT | HV_AFFECT_MAXIMUM, &r->num, error);
}

/* ---- vcpus one by one ---- */

/* Room for `n` maps of `maplen` bytes; the protocol bounds the sum. */
static gboolean
check_maps(LvdCall *call, int n, int maplen, const char *n_name, GError **error)
{
    return lvd_check_count(call, n, LVD_VCPUINFO_MAX, n_name, error) &&
           lvd_check_count(call, maplen, LVD_CPUMAPS_MAX, "maplen", error) &&
           lvd_check_count(call, (gint64)n * maplen, LVD_CPUMAPS_MAX, "size of cpumaps", error);
}

/* The affinity as the hypervisor has it may name cpus that the host lacks ("all"). */
static void
copy_affinity(guint8 *map, guint maplen, const HvVcpuInfo *vcpu, guint n_cpus)
{
    for (guint cpu = 0; cpu < n_cpus && cpu < sizeof vcpu->affinity * 8 && cpu / 8 < maplen; cpu++)
        if (vcpu->affinity[cpu / 8] & 1 << cpu % 8)
            map[cpu / 8] |= (guint8)(1 << cpu % 8);
}

gboolean
lvd_do_domain_get_vcpus(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_vcpus_args *a = args;
    lvd_domain_get_vcpus_ret *r = ret;
    HvHostInfo host;

    if (!check_maps(call, a->maxinfo, a->maplen, "maxinfo", error) ||
        !hv_host_info(lvd_call_host(call), &host, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    g_autoptr(GArray) vcpus = domain ? hv_domain_vcpus(domain, error) : NULL;
    if (!vcpus)
        return FALSE;
    guint n = MIN(vcpus->len, (guint)a->maxinfo), maplen = (guint)a->maplen;
    r->info.info_val = g_new0(lvd_vcpu_info, MAX(n, 1));
    r->info.info_len = n;
    r->cpumaps.cpumaps_val = g_malloc0(MAX(n * maplen, 1));
    r->cpumaps.cpumaps_len = n * maplen;
    for (guint i = 0; i < n; i++) {
        const HvVcpuInfo *vcpu = &g_array_index(vcpus, HvVcpuInfo, i);
        r->info.info_val[i] = (lvd_vcpu_info){ vcpu->number, vcpu->state, vcpu->cpu_time_ns,
                                               vcpu->cpu };
        copy_affinity((guint8 *)r->cpumaps.cpumaps_val + i * maplen, maplen, vcpu, host.cpus);
    }
    return TRUE;
}

/* ---- where vcpus may run ---- */

/* The set that a definition pins this vcpu to; NULL: every cpu. */
static const ConfBitmap *
pinned_to(const ConfDomain *def, guint vcpu)
{
    for (guint i = 0; i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = g_ptr_array_index(def->cputune.vcpupin, i);
        if (pin->vcpu == vcpu && pin->cpuset)
            return pin->cpuset;
    }
    return def->cpuset;
}

static void
copy_pinning(guint8 *map, guint maplen, const ConfBitmap *set, guint n_cpus)
{
    for (guint cpu = 0; cpu < n_cpus && cpu / 8 < maplen; cpu++)
        if (!set || conf_bitmap_get(set, cpu))
            map[cpu / 8] |= (guint8)(1 << cpu % 8);
}

/* What a question with LIVE or CONFIG is about, or *error in libvirt's words. */
static const ConfDomain *
chosen_definition(const HvView *view, unsigned flags, GError **error)
{
    if ((flags & VIR_DOMAIN_AFFECT_LIVE) && !hv_view_is_active(view)) {
        lvd_set_error(error, VIR_ERR_OPERATION_INVALID, VIR_FROM_DOMAIN, "domain is not running");
        return NULL;
    }
    if ((flags & VIR_DOMAIN_AFFECT_CONFIG) && !view->persistent) {
        lvd_set_error(error, VIR_ERR_OPERATION_INVALID, VIR_FROM_DOMAIN,
                      "transient domains do not have any persistent config");
        return NULL;
    }
    return flags & VIR_DOMAIN_AFFECT_CONFIG ? view->persistent : hv_view_current(view);
}

typedef struct Pinning {
    const ConfDomain *def;
    GArray *live; /* HvVcpuInfo; NULL: as the definition says */
    guint n_cpus;
} Pinning;

static void
fill_pinning(const Pinning *pinning, guint vcpu, guint8 *map, guint maplen)
{
    if (pinning->live && vcpu < pinning->live->len)
        copy_affinity(map, maplen, &g_array_index(pinning->live, HvVcpuInfo, vcpu),
                      pinning->n_cpus);
    else
        copy_pinning(map, maplen, pinned_to(pinning->def, vcpu), pinning->n_cpus);
}

gboolean
lvd_do_domain_get_vcpu_pin_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_vcpu_pin_info_args *a = args;
    lvd_domain_get_vcpu_pin_info_ret *r = ret;
    HvHostInfo host;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error) ||
        !check_maps(call, a->ncpumaps, a->maplen, "ncpumaps", error) ||
        !hv_host_info(lvd_call_host(call), &host, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    g_autoptr(HvView) view = hv_domain_view(domain);
    Pinning pinning = { chosen_definition(view, a->flags, error), NULL, host.cpus };
    if (!pinning.def)
        return FALSE;
    /* A domain that stopped meanwhile is answered from its definition. */
    g_autoptr(GArray) live = pinning.def == view->live ? hv_domain_vcpus(domain, NULL) : NULL;
    pinning.live = live;
    guint n = MIN(pinning.def->vcpus_max, (guint)a->ncpumaps), maplen = (guint)a->maplen;
    r->cpumaps.cpumaps_val = g_malloc0(MAX(n * maplen, 1));
    r->cpumaps.cpumaps_len = n * maplen;
    for (guint i = 0; i < n; i++)
        fill_pinning(&pinning, i, (guint8 *)r->cpumaps.cpumaps_val + i * maplen, maplen);
    r->num = (int)n;
    return TRUE;
}

/* ---- autostart ---- */

gboolean
lvd_do_domain_set_autostart(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_autostart_args *a = args;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);

    return domain && hv_domain_set_autostart(domain, a->autostart != 0, error);
}

gboolean
lvd_do_domain_set_autostart_once(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_autostart_once_args *a = args;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);

    return domain && hv_domain_set_autostart_once(domain, a->autostart != 0, error);
}
