/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Saving a domain to a file and back, managed and not, the XML in such a file, and the job that it
 * is. */
#include "lvd-params.h"

#include <string.h>

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

    if (!check_save_flags(call, args->flags, error))
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

    if (!check_save_flags(call, args->flags, error) || !parse_replacement(args->dxml, &def, error))
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

static gboolean
managed_save(LvdCall *call, const lvd_nonnull_domain *dom, unsigned flags, GError **error)
{
    if (!check_save_flags(call, flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && hv_domain_managed_save(domain, save_flags(flags), error);
}

gboolean
lvd_do_domain_managed_save(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_managed_save_args *a = args;

    return managed_save(call, &a->dom, a->flags, error);
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

/* ---- the XML within ---- */

gboolean
lvd_do_domain_save_image_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_image_get_xml_desc_args *a = args;
    lvd_domain_save_image_get_xml_desc_ret *r = ret;
    unsigned flags = a->flags & VIR_DOMAIN_SAVE_IMAGE_XML_SECURE ? CONF_XML_SECURE : 0;

    return lvd_check_flags(call, a->flags, error) &&
           lvd_return_text(&r->xml, hv_image_format_xml(a->file, flags, error), error);
}

gboolean
lvd_do_domain_save_image_define_xml(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_image_define_xml_args *a = args;

    if (!check_save_flags(call, a->flags, error))
        return FALSE;
    ConfDomain *def = lvd_parse_domain(a->dxml, CONF_XML_INACTIVE, FALSE, error);
    return def && hv_image_define_xml(a->file, def, save_flags(a->flags), error);
}

gboolean
lvd_do_domain_managed_save_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_managed_save_get_xml_desc_args *a = args;
    lvd_domain_managed_save_get_xml_desc_ret *r = ret;
    gboolean secure = (a->flags & VIR_DOMAIN_SAVE_IMAGE_XML_SECURE) != 0;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (lvd_call_is_readonly(call) && secure) {
        lvd_set_readonly(error, lvd_call_proc(call));
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && lvd_return_text(&r->xml,
                                     hv_domain_managed_save_format_xml(
                                         domain, secure ? CONF_XML_SECURE : 0, error),
                                     error);
}

gboolean
lvd_do_domain_managed_save_define_xml(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_managed_save_define_xml_args *a = args;
    const char *dxml = lvd_opt(a->dxml);

    if (!check_save_flags(call, a->flags, error))
        return FALSE;
    if (!dxml) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "dxml in virDomainManagedSaveDefineXML must not be NULL");
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    ConfDomain *def = domain ? lvd_parse_domain(dxml, CONF_XML_INACTIVE, FALSE, error) : NULL;
    return def && hv_domain_managed_save_define_xml(domain, def, save_flags(a->flags), error);
}

/* ---- by parameters ---- */

#define SAVE_PARAM_FORMAT "image_format" /* newer than the headers that we are built with */

static const LvdParamRow save_rows[] = {
    { VIR_DOMAIN_SAVE_PARAM_FILE, VIR_TYPED_PARAM_STRING },
    { VIR_DOMAIN_SAVE_PARAM_DXML, VIR_TYPED_PARAM_STRING },
    { SAVE_PARAM_FORMAT, VIR_TYPED_PARAM_STRING },
};

/* NULL: not said. */
static const char *
text_of(const lvd_typed_param *params, u_int n, const char *field)
{
    const lvd_typed_param_value *value = lvd_params_find(params, n, field);

    return value ? value->lvd_typed_param_value_u.s : NULL;
}

/* ret_args->path NULL: not said. */
static gboolean
read_params(const lvd_typed_param *params, u_int n, SaveArgs *ret_args, GError **error)
{
    const char *format;

    if (!lvd_params_check(params, n, save_rows, G_N_ELEMENTS(save_rows), error))
        return FALSE;
    ret_args->path = text_of(params, n, VIR_DOMAIN_SAVE_PARAM_FILE);
    ret_args->dxml = text_of(params, n, VIR_DOMAIN_SAVE_PARAM_DXML);
    format = text_of(params, n, SAVE_PARAM_FORMAT);
    if (!format || strcmp(format, "raw") == 0)
        return TRUE;
    lvd_set_error(error, VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_LIBXL,
                  "image format '%s' is not supported, 'raw' is", format);
    return FALSE;
}

gboolean
lvd_do_domain_save_params(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_params_args *a = args;
    SaveArgs what = { .flags = a->flags };

    if (!check_save_flags(call, a->flags, error) ||
        !read_params(a->params.params_val, a->params.params_len, &what, error))
        return FALSE;
    if (what.path)
        return save(call, &a->dom, &what, error);
    if (!what.dxml)
        return managed_save(call, &a->dom, a->flags, error);
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                  "a managed save takes no XML of its own");
    return FALSE;
}

gboolean
lvd_do_domain_restore_params(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_restore_params_args *a = args;
    SaveArgs what = { .flags = a->flags };

    if (!check_save_flags(call, a->flags, error) ||
        !read_params(a->params.params_val, a->params.params_len, &what, error))
        return FALSE;
    if (what.path)
        return restore(call, &what, error);
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "missing mandatory parameter '%s'",
                  VIR_DOMAIN_SAVE_PARAM_FILE);
    return FALSE;
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

/* What the flags ask about. FALSE: a domain that does not exist. */
static gboolean
chosen_job(LvdCall *call, const lvd_domain_get_job_stats_args *a, HvJobInfo *ret_info,
           int *ret_type, GError **error)
{
    gboolean keep = (a->flags & VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED) != 0;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);

    if (!domain)
        return FALSE;
    if (!(a->flags & VIR_DOMAIN_JOB_STATS_COMPLETED)) {
        hv_domain_job_info(domain, ret_info);
        *ret_type = job_type(ret_info);
    } else if (hv_domain_completed_job(domain, !keep, ret_info)) {
        *ret_type = ret_info->failed ? VIR_DOMAIN_JOB_FAILED : VIR_DOMAIN_JOB_COMPLETED;
    } else {
        *ret_type = VIR_DOMAIN_JOB_NONE;
    }
    return TRUE;
}

gboolean
lvd_do_domain_get_job_stats(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_job_stats_args *a = args;
    lvd_domain_get_job_stats_ret *r = ret;
    HvJobInfo info;

    if (!lvd_check_flags(call, a->flags, error) || !chosen_job(call, a, &info, &r->type, error))
        return FALSE;
    if (r->type == VIR_DOMAIN_JOB_NONE)
        return TRUE;
    GArray *params = lvd_params_new();
    lvd_add_job_stats(params, &info);
    lvd_params_give(params, &r->params.params_val, &r->params.params_len);
    return TRUE;
}

static gboolean
abort_job(LvdCall *call, const lvd_nonnull_domain *dom, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain && hv_domain_job_abort(domain, error);
}

gboolean
lvd_do_domain_abort_job(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_abort_job_args *a = args;

    return abort_job(call, &a->dom, error);
}

gboolean
lvd_do_domain_abort_job_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_abort_job_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) && abort_job(call, &a->dom, error);
}
