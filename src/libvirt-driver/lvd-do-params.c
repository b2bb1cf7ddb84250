/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is tuned by lists of typed parameters: the scheduler, NUMA, limits of interfaces and disks;
 * and what follows the end of a guest. */
#include "lvd-params.h"

#include <string.h>

/* ---- the scheduler ---- */

static const LvdParamRow sched_rows[HV_N_SCHED_PARAMS] = {
    [HV_SCHED_WEIGHT] = { VIR_DOMAIN_SCHEDULER_WEIGHT, VIR_TYPED_PARAM_UINT },
    [HV_SCHED_CAP] = { VIR_DOMAIN_SCHEDULER_CAP, VIR_TYPED_PARAM_UINT },
    /* libvirt has no names for what rtds knows: these are xl's. */
    [HV_SCHED_PERIOD] = { "period", VIR_TYPED_PARAM_UINT },
    [HV_SCHED_BUDGET] = { "budget", VIR_TYPED_PARAM_UINT },
    [HV_SCHED_EXTRATIME] = { "extratime", VIR_TYPED_PARAM_UINT },
};

static gboolean
get_sched(LvdCall *call, const lvd_nonnull_domain *dom, unsigned flags, HvSched *ret_sched,
          GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain && hv_domain_sched(domain, lvd_affect(flags), ret_sched, error);
}

static GArray *
sched_params(const HvSched *sched)
{
    GArray *params = lvd_params_new();

    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++)
        if (hv_sched_has(sched, i))
            lvd_params_add_uint(params, sched_rows[i].field, (guint)sched->value[i]);
    return params;
}

gboolean
lvd_do_domain_get_scheduler_type(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_scheduler_type_args *a = args;
    lvd_domain_get_scheduler_type_ret *r = ret;
    HvSched sched;

    if (!get_sched(call, &a->dom, 0, &sched, error))
        return FALSE;
    r->type = g_strdup(sched.type);
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++)
        r->nparams += hv_sched_has(&sched, i) ? 1 : 0;
    return TRUE;
}

gboolean
lvd_do_domain_get_scheduler_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_scheduler_parameters_args *a = args;
    lvd_domain_get_scheduler_parameters_ret *r = ret;
    HvSched sched;

    return get_sched(call, &a->dom, 0, &sched, error) &&
           lvd_params_return(call, sched_params(&sched), a->nparams,
                             LVD_DOMAIN_SCHEDULER_PARAMETERS_MAX, 0, &r->params.params_val,
                             &r->params.params_len, NULL, error);
}

gboolean
lvd_do_domain_get_scheduler_parameters_flags(LvdCall *call, const void *args, void *ret,
                                             GError **error)
{
    const lvd_domain_get_scheduler_parameters_flags_args *a = args;
    lvd_domain_get_scheduler_parameters_flags_ret *r = ret;
    HvSched sched;

    return lvd_check_flags(call, a->flags, error) &&
           LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error) &&
           get_sched(call, &a->dom, a->flags, &sched, error) &&
           lvd_params_return(call, sched_params(&sched), a->nparams,
                             LVD_DOMAIN_SCHEDULER_PARAMETERS_MAX, a->flags, &r->params.params_val,
                             &r->params.params_len, NULL, error);
}

static gboolean
set_sched(LvdCall *call, const lvd_nonnull_domain *dom, const lvd_typed_param *params, u_int n,
          unsigned flags, GError **error)
{
    HvSched change = { .has = 0 };

    if (!lvd_check_nonzero(call, n, "nparams", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    if (!domain || !lvd_params_check(params, n, sched_rows, HV_N_SCHED_PARAMS, error))
        return FALSE;
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++) {
        const lvd_typed_param_value *value = lvd_params_find(params, n, sched_rows[i].field);
        if (!value)
            continue;
        change.has |= 1u << i;
        change.value[i] = (int)MIN(value->lvd_typed_param_value_u.ui, G_MAXINT);
    }
    return hv_domain_set_sched(domain, &change, lvd_affect(flags), error);
}

gboolean
lvd_do_domain_set_scheduler_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_scheduler_parameters_args *a = args;

    return set_sched(call, &a->dom, a->params.params_val, a->params.params_len, 0, error);
}

gboolean
lvd_do_domain_set_scheduler_parameters_flags(LvdCall *call, const void *args, void *ret,
                                             GError **error)
{
    const lvd_domain_set_scheduler_parameters_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) &&
           set_sched(call, &a->dom, a->params.params_val, a->params.params_len, a->flags, error);
}

/* ---- NUMA ---- */

static const LvdParamRow numa_rows[] = {
    { VIR_DOMAIN_NUMA_MODE, VIR_TYPED_PARAM_INT },
    { VIR_DOMAIN_NUMA_NODESET, VIR_TYPED_PARAM_STRING },
};

static const char *const numa_modes[] = {
    [VIR_DOMAIN_NUMATUNE_MEM_STRICT] = "strict",
    [VIR_DOMAIN_NUMATUNE_MEM_PREFERRED] = "preferred",
    [VIR_DOMAIN_NUMATUNE_MEM_INTERLEAVE] = "interleave",
    [VIR_DOMAIN_NUMATUNE_MEM_RESTRICTIVE] = "restrictive",
};

static int
numa_mode(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(numa_modes); i++)
        if (strcmp(numa_modes[i], name) == 0)
            return (int)i;
    return VIR_DOMAIN_NUMATUNE_MEM_STRICT;
}

gboolean
lvd_do_domain_get_numa_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_numa_parameters_args *a = args;
    lvd_domain_get_numa_parameters_ret *r = ret;
    g_auto(HvNuma) numa = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain || !hv_domain_numa(domain, lvd_affect(a->flags), &numa, error))
        return FALSE;
    GArray *params = lvd_params_new();
    g_autofree char *nodes = numa.nodes ? conf_bitmap_format(numa.nodes) : g_strdup("");
    lvd_params_add_int(params, VIR_DOMAIN_NUMA_MODE, numa_mode(numa.mode));
    lvd_params_add_string(params, VIR_DOMAIN_NUMA_NODESET, nodes);
    return lvd_params_return(call, params, a->nparams, LVD_DOMAIN_NUMA_PARAMETERS_MAX, a->flags,
                             &r->params.params_val, &r->params.params_len, &r->nparams, error);
}

static gboolean
read_numa(const lvd_typed_param *params, u_int n, HvNuma *ret_change, GError **error)
{
    const lvd_typed_param_value *mode = lvd_params_find(params, n, VIR_DOMAIN_NUMA_MODE);
    const lvd_typed_param_value *nodes = lvd_params_find(params, n, VIR_DOMAIN_NUMA_NODESET);

    if (mode) {
        int number = mode->lvd_typed_param_value_u.i;
        if (number < 0 || (gsize)number >= G_N_ELEMENTS(numa_modes)) {
            lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                          "unsupported numatune mode: '%d'", number);
            return FALSE;
        }
        ret_change->mode = g_strdup(numa_modes[number]);
    }
    if (nodes) {
        const char *text = nodes->lvd_typed_param_value_u.s;
        ret_change->nodes = conf_bitmap_parse(text, LVD_NODE_MAX_CELLS, NULL);
        if (!ret_change->nodes || conf_bitmap_count(ret_change->nodes) == 0) {
            lvd_set_error(error, VIR_ERR_OPERATION_INVALID, VIR_FROM_LIBXL,
                          "Invalid nodeset of 'numatune': %s", text);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
lvd_do_domain_set_numa_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_numa_parameters_args *a = args;
    g_auto(HvNuma) change = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, a->params.params_len, "nparams", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain &&
           lvd_params_check(a->params.params_val, a->params.params_len, numa_rows,
                            G_N_ELEMENTS(numa_rows), error) &&
           read_numa(a->params.params_val, a->params.params_len, &change, error) &&
           hv_domain_set_numa(domain, &change, lvd_affect(a->flags), error);
}

/* ---- limits of interfaces ---- */

#define ROW(name, field)                                                                           \
    {                                                                                              \
        { VIR_DOMAIN_BANDWIDTH_##name, VIR_TYPED_PARAM_UINT }, offsetof(HvBandwidth, field)        \
    }

/* The three of one direction stand together, the average first. */
static const struct {
    LvdParamRow row;
    gsize offset;
} bandwidth_rows[] = {
    ROW(IN_AVERAGE, in_average),   ROW(IN_PEAK, in_peak),   ROW(IN_BURST, in_burst),
    ROW(OUT_AVERAGE, out_average), ROW(OUT_PEAK, out_peak), ROW(OUT_BURST, out_burst),
};

#undef ROW

static gint64 *
bandwidth_at(HvBandwidth *bandwidth, gsize i)
{
    return (gint64 *)(gpointer)((char *)bandwidth + bandwidth_rows[i].offset);
}

gboolean
lvd_do_domain_get_interface_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_interface_parameters_args *a = args;
    lvd_domain_get_interface_parameters_ret *r = ret;
    HvBandwidth bandwidth;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain || !hv_domain_bandwidth(domain, a->device, lvd_affect(a->flags), &bandwidth, error))
        return FALSE;
    GArray *params = lvd_params_new();
    for (gsize i = 0; i < G_N_ELEMENTS(bandwidth_rows); i++)
        lvd_params_add_uint(params, bandwidth_rows[i].row.field,
                            (guint)CLAMP(*bandwidth_at(&bandwidth, i), 0, G_MAXUINT));
    return lvd_params_return(call, params, a->nparams, LVD_DOMAIN_INTERFACE_PARAMETERS_MAX,
                             a->flags, &r->params.params_val, &r->params.params_len, &r->nparams,
                             error);
}

/* As libvirt: an average comes with its peak and burst, 0 where they are not named. */
static void
complete_direction(HvBandwidth *bandwidth, gsize average)
{
    if (*bandwidth_at(bandwidth, average) < 0)
        return;
    for (gsize i = average + 1; i < average + 3; i++)
        *bandwidth_at(bandwidth, i) = MAX(*bandwidth_at(bandwidth, i), 0);
}

gboolean
lvd_do_domain_set_interface_parameters(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_interface_parameters_args *a = args;
    LvdParamRow rows[G_N_ELEMENTS(bandwidth_rows)];
    HvBandwidth change;

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, a->params.params_len, "nparams", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        rows[i] = bandwidth_rows[i].row;
    if (!domain || !lvd_params_check(a->params.params_val, a->params.params_len, rows,
                                     G_N_ELEMENTS(rows), error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const lvd_typed_param_value *value = lvd_params_find(a->params.params_val,
                                                             a->params.params_len, rows[i].field);
        *bandwidth_at(&change, i) = value ? (gint64)value->lvd_typed_param_value_u.ui : -1;
    }
    complete_direction(&change, 0);
    complete_direction(&change, 3);
    return hv_domain_set_bandwidth(domain, a->device, &change, lvd_affect(a->flags), error);
}

/* ---- limits of disks ---- */

#define ROW(name, field)                                                                           \
    {                                                                                              \
        { VIR_DOMAIN_BLOCK_IOTUNE_##name, VIR_TYPED_PARAM_ULLONG }, offsetof(HvDiskLimits, field)  \
    }

/* Two groups of three: a limit of the whole excludes those of its parts. */
static const struct {
    LvdParamRow row;
    gsize offset;
} limit_rows[] = {
    ROW(TOTAL_BYTES_SEC, total_bytes), ROW(READ_BYTES_SEC, read_bytes),
    ROW(WRITE_BYTES_SEC, write_bytes), ROW(TOTAL_IOPS_SEC, total_iops),
    ROW(READ_IOPS_SEC, read_iops),     ROW(WRITE_IOPS_SEC, write_iops),
};

#undef ROW

static guint64 *
limit_at(HvDiskLimits *limits, gsize i)
{
    return (guint64 *)(gpointer)((char *)limits + limit_rows[i].offset);
}

gboolean
lvd_do_domain_get_block_io_tune(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_block_io_tune_args *a = args;
    lvd_domain_get_block_io_tune_ret *r = ret;
    HvDiskLimits limits = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    /* Without a disk the question is how many parameters there are. */
    if (lvd_opt(a->disk) &&
        !hv_domain_disk_limits(domain, lvd_opt(a->disk), lvd_affect(a->flags), &limits, error))
        return FALSE;
    GArray *params = lvd_params_new();
    for (gsize i = 0; i < G_N_ELEMENTS(limit_rows); i++)
        lvd_params_add_ullong(params, limit_rows[i].row.field, *limit_at(&limits, i));
    return lvd_params_return(call, params, a->nparams, LVD_DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX,
                             a->flags, &r->params.params_val, &r->params.params_len, &r->nparams,
                             error);
}

/* A group of which anything is named is set as a whole, as libvirt does; the other stays. */
static unsigned
read_group(const lvd_domain_set_block_io_tune_args *a, gsize first, unsigned group,
           HvDiskLimits *limits)
{
    unsigned named = 0;

    for (gsize i = first; i < first + 3; i++) {
        const lvd_typed_param_value *value = lvd_params_find(
            a->params.params_val, a->params.params_len, limit_rows[i].row.field);
        if (!value)
            continue;
        *limit_at(limits, i) = value->lvd_typed_param_value_u.ul;
        named = group;
    }
    return named;
}

gboolean
lvd_do_domain_set_block_io_tune(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_block_io_tune_args *a = args;
    LvdParamRow rows[G_N_ELEMENTS(limit_rows)];
    HvDiskLimits limits = { 0 };

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, a->params.params_len, "nparams", error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        rows[i] = limit_rows[i].row;
    if (!domain || !lvd_params_check(a->params.params_val, a->params.params_len, rows,
                                     G_N_ELEMENTS(rows), error))
        return FALSE;
    unsigned groups = read_group(a, 0, HV_LIMIT_BYTES, &limits) |
                      read_group(a, 3, HV_LIMIT_IOPS, &limits);
    return hv_domain_set_disk_limits(domain, a->disk, &limits, groups, lvd_affect(a->flags), error);
}

/* ---- what follows the end of a guest ---- */

static const ConfAction actions[] = {
    [VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY] = CONF_ACTION_DESTROY,
    [VIR_DOMAIN_LIFECYCLE_ACTION_RESTART] = CONF_ACTION_RESTART,
    [VIR_DOMAIN_LIFECYCLE_ACTION_RESTART_RENAME] = CONF_ACTION_RENAME_RESTART,
    [VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE] = CONF_ACTION_PRESERVE,
    [VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_DESTROY] = CONF_ACTION_COREDUMP_DESTROY,
    [VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_RESTART] = CONF_ACTION_COREDUMP_RESTART,
};

static const HvAction lifecycles[] = {
    [VIR_DOMAIN_LIFECYCLE_POWEROFF] = HV_ACTION_POWEROFF,
    [VIR_DOMAIN_LIFECYCLE_REBOOT] = HV_ACTION_REBOOT,
    [VIR_DOMAIN_LIFECYCLE_CRASH] = HV_ACTION_CRASH,
};

gboolean
lvd_do_domain_set_lifecycle_action(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_lifecycle_action_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (a->type >= G_N_ELEMENTS(lifecycles) || a->action >= G_N_ELEMENTS(actions)) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "there is no lifecycle action %u for type %u", a->action, a->type);
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_set_action(domain, lifecycles[a->type], actions[a->action],
                                          lvd_affect(a->flags), error);
}
