/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Saving a domain to a file and back, managed and not, and the job that it is. */
#include "lvd-do.h"

static gboolean
check_save_flags(LvdCall *call, unsigned flags, GError **error)
{
    return lvd_check_flags(call, flags, error) &&
           LVD_CHECK_EXCLUSIVE(flags, VIR_DOMAIN_SAVE_RUNNING, VIR_DOMAIN_SAVE_PAUSED, error);
}

static unsigned
save_flags(unsigned flags)
{
    return (flags & VIR_DOMAIN_SAVE_RUNNING ? HV_SAVE_RUNNING : 0) |
           (flags & VIR_DOMAIN_SAVE_PAUSED ? HV_SAVE_PAUSED : 0);
}

/* The client library makes a path absolute; ours would be relative to the daemon's own folder. */
static gboolean
check_path(const char *path, GError **error)
{
    if (g_path_is_absolute(path))
        return TRUE;
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                  "'%s' is not an absolute path, the daemon has no folder that it could be below",
                  path);
    return FALSE;
}

/* The definition that replaces the one in the image: absent is TRUE and NULL. */
static gboolean
parse_replacement(const char *xml, ConfDomain **ret_def, GError **error)
{
    *ret_def = xml ? lvd_parse_domain(xml, 0, FALSE, error) : NULL;
    return !xml || *ret_def;
}

typedef struct SaveArgs {
    const char *path;
    const char *dxml; /* may be NULL */
    unsigned flags;
} SaveArgs;

static gboolean
save(LvdCall *call, const lvd_nonnull_domain *dom, const SaveArgs *args, GError **error)
{
    ConfDomain *def;

    if (!check_save_flags(call, args->flags, error) || !check_path(args->path, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    if (!domain || !parse_replacement(args->dxml, &def, error))
        return FALSE;
    return hv_domain_save(domain, args->path, def, save_flags(args->flags), error);
}

gboolean
lvd_do_domain_save(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_args *a = args;

    return save(call, &a->dom, &(SaveArgs){ .path = a->to }, error);
}

gboolean
lvd_do_domain_save_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_flags_args *a = args;
    SaveArgs what = { .path = a->to, .dxml = lvd_opt(a->dxml), .flags = a->flags };

    return save(call, &a->dom, &what, error);
}

static gboolean
restore(LvdCall *call, const SaveArgs *args, GError **error)
{
    ConfDomain *def;

    if (!check_save_flags(call, args->flags, error) || !check_path(args->path, error) ||
        !parse_replacement(args->dxml, &def, error))
        return FALSE;
    g_autoptr(HvDomain) domain = hv_host_restore(lvd_call_host(call), args->path, def,
                                                 save_flags(args->flags), error);
    return domain != NULL;
}

gboolean
lvd_do_domain_restore(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_restore_args *a = args;

    return restore(call, &(SaveArgs){ .path = a->from }, error);
}

gboolean
lvd_do_domain_restore_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_restore_flags_args *a = args;
    SaveArgs what = { .path = a->from, .dxml = lvd_opt(a->dxml), .flags = a->flags };

    return restore(call, &what, error);
}

gboolean
lvd_do_domain_managed_save(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_managed_save_args *a = args;

    if (!check_save_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_managed_save(domain, save_flags(a->flags), error);
}

gboolean
lvd_do_domain_managed_save_remove(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_managed_save_remove_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_managed_save_remove(domain, error);
}

/* ---- the job ---- */

static gboolean
job_info(LvdCall *call, const lvd_nonnull_domain *dom, HvJobInfo *ret_info, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    if (!domain)
        return FALSE;
    hv_domain_job_info(domain, ret_info);
    return TRUE;
}

static int
job_type(const HvJobInfo *info)
{
    if (!info->active)
        return VIR_DOMAIN_JOB_NONE;
    return info->total > 0 ? VIR_DOMAIN_JOB_BOUNDED : VIR_DOMAIN_JOB_UNBOUNDED;
}

static guint64
job_remaining(const HvJobInfo *info)
{
    return info->total > info->done ? info->total - info->done : 0;
}

gboolean
lvd_do_domain_get_job_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_job_info_args *a = args;
    lvd_domain_get_job_info_ret *r = ret;
    HvJobInfo info;

    if (!job_info(call, &a->dom, &info, error))
        return FALSE;
    r->type = job_type(&info);
    if (!info.active)
        return TRUE;
    /* What a save moves is memory. */
    r->timeElapsed = info.elapsed_ms;
    r->dataTotal = r->memTotal = info.total;
    r->dataProcessed = r->memProcessed = info.done;
    r->dataRemaining = r->memRemaining = job_remaining(&info);
    return TRUE;
}

/* libhv's name of a job -> virDomainJobOperation; a job without a row has no number there. */
static const struct {
    const char *kind;
    int operation;
} job_operations[] = {
    { "start", VIR_DOMAIN_JOB_OPERATION_START },
    { "save", VIR_DOMAIN_JOB_OPERATION_SAVE },
    { "restore", VIR_DOMAIN_JOB_OPERATION_RESTORE },
    { "dump", VIR_DOMAIN_JOB_OPERATION_DUMP },
};

static int
job_operation(const char *kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(job_operations); i++)
        if (g_strcmp0(job_operations[i].kind, kind) == 0)
            return job_operations[i].operation;
    return VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
}

static void
add_ullong(lvd_domain_get_job_stats_ret *r, const char *field, guint64 value)
{
    lvd_typed_param *param = &r->params.params_val[r->params.params_len++];

    param->field = g_strdup(field);
    param->value.type = VIR_TYPED_PARAM_ULLONG;
    param->value.lvd_typed_param_value_u.ul = value;
}

static void
add_int(lvd_domain_get_job_stats_ret *r, const char *field, int value)
{
    lvd_typed_param *param = &r->params.params_val[r->params.params_len++];

    param->field = g_strdup(field);
    param->value.type = VIR_TYPED_PARAM_INT;
    param->value.lvd_typed_param_value_u.i = value;
}

gboolean
lvd_do_domain_get_job_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_job_stats_args *a = args;
    lvd_domain_get_job_stats_ret *r = ret;
    HvJobInfo info;

    if (!lvd_check_flags(call, a->flags, error) || !job_info(call, &a->dom, &info, error))
        return FALSE;
    r->type = job_type(&info);
    if (!info.active)
        return TRUE;
    r->params.params_val = g_new0(lvd_typed_param, 8); /* one slot a line below */
    add_int(r, VIR_DOMAIN_JOB_OPERATION, job_operation(info.kind));
    add_ullong(r, VIR_DOMAIN_JOB_TIME_ELAPSED, info.elapsed_ms);
    if (info.total > 0) {
        add_ullong(r, VIR_DOMAIN_JOB_DATA_TOTAL, info.total);
        add_ullong(r, VIR_DOMAIN_JOB_DATA_PROCESSED, info.done);
        add_ullong(r, VIR_DOMAIN_JOB_DATA_REMAINING, job_remaining(&info));
        add_ullong(r, VIR_DOMAIN_JOB_MEMORY_TOTAL, info.total);
        add_ullong(r, VIR_DOMAIN_JOB_MEMORY_PROCESSED, info.done);
        add_ullong(r, VIR_DOMAIN_JOB_MEMORY_REMAINING, job_remaining(&info));
    }
    return TRUE;
}

gboolean
lvd_do_domain_abort_job(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_abort_job_args *a = args;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);

    return domain && hv_domain_job_abort(domain, error);
}
