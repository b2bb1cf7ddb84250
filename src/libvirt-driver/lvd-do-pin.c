/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which cpus vcpus and device models may run on, and single vcpus. */
#include "lvd-do.h"

#include <string.h>

/* ---- pinning ---- */

/* The wire's map as it stands: nothing is copied. */
static ConfBitmap
map_of(const char *bytes, u_int len)
{
    return (ConfBitmap){ .len = len, .bits = (guint8 *)(gpointer)bytes };
}

static gboolean
pin_vcpu(LvdCall *call, const lvd_nonnull_domain *dom, guint vcpu, const ConfBitmap *cpus,
         unsigned affect, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain && lvd_check_nonzero(call, cpus->len, "maplen", error) &&
           hv_domain_pin_vcpu(domain, vcpu, cpus, affect, error);
}

gboolean
lvd_do_domain_pin_vcpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_pin_vcpu_args *a = args;
    ConfBitmap cpus = map_of(a->cpumap.cpumap_val, a->cpumap.cpumap_len);

    return pin_vcpu(call, &a->dom, a->vcpu, &cpus, HV_AFFECT_LIVE, error);
}

gboolean
lvd_do_domain_pin_vcpu_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_pin_vcpu_flags_args *a = args;
    ConfBitmap cpus = map_of(a->cpumap.cpumap_val, a->cpumap.cpumap_len);

    return lvd_check_flags(call, a->flags, error) &&
           pin_vcpu(call, &a->dom, a->vcpu, &cpus, lvd_affect(a->flags), error);
}

gboolean
lvd_do_domain_pin_emulator(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_pin_emulator_args *a = args;
    ConfBitmap cpus = map_of(a->cpumap.cpumap_val, a->cpumap.cpumap_len);

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, cpus.len, "maplen", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_pin_emulator(domain, &cpus, lvd_affect(a->flags), error);
}

gboolean
lvd_do_domain_get_emulator_pin_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_emulator_pin_info_args *a = args;
    lvd_domain_get_emulator_pin_info_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error) ||
        !lvd_check_count(call, a->maplen, LVD_CPUMAPS_MAX, "maplen", error) ||
        !lvd_check_nonzero(call, (guint64)a->maplen, "maplen", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    g_autoptr(ConfBitmap)
        cpus = domain ? hv_domain_emulator_pin(domain, lvd_affect(a->flags), error) : NULL;
    if (!cpus)
        return FALSE;
    r->cpumaps.cpumaps_val = g_malloc0((gsize)a->maplen);
    r->cpumaps.cpumaps_len = (u_int)a->maplen;
    memcpy(r->cpumaps.cpumaps_val, cpus->bits, MIN(cpus->len, (gsize)a->maplen));
    r->ret = 1;
    return TRUE;
}

/* ---- single vcpus ---- */

gboolean
lvd_do_domain_set_vcpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_vcpu_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (a->state != 0 && a->state != 1) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "unsupported state %d in virDomainSetVcpu", a->state);
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    g_autoptr(ConfBitmap) vcpus = conf_bitmap_parse(a->cpumap, LVD_VCPUINFO_MAX, NULL);
    if (!vcpus) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "Failed to parse bitmap '%s'",
                      a->cpumap);
        return FALSE;
    }
    return hv_domain_set_vcpu(domain, vcpus, a->state == 1, lvd_affect(a->flags), error);
}
