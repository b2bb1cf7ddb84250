/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XML in saved domains' files; saving and restoring by parameters. */
#include "lvd-do.h"

#include <string.h>

static unsigned
save_flags(unsigned flags)
{
    return (flags & VIR_DOMAIN_SAVE_RUNNING ? HV_SAVE_RUNNING : 0) |
           (flags & VIR_DOMAIN_SAVE_PAUSED ? HV_SAVE_PAUSED : 0);
}

static gboolean
check_save_flags(LvdCall *call, unsigned flags, GError **error)
{
    return lvd_check_flags(call, flags, error) &&
           LVD_CHECK_EXCLUSIVE(flags, VIR_DOMAIN_SAVE_RUNNING, VIR_DOMAIN_SAVE_PAUSED, error);
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

typedef struct SaveParams {
    const char *file, *dxml, *image_format; /* NULL: not said */
} SaveParams;

static const char **
place_of(SaveParams *params, const char *field)
{
    if (strcmp(field, VIR_DOMAIN_SAVE_PARAM_FILE) == 0)
        return &params->file;
    if (strcmp(field, VIR_DOMAIN_SAVE_PARAM_DXML) == 0)
        return &params->dxml;
    if (strcmp(field, "image_format") == 0)
        return &params->image_format;
    return NULL;
}

static gboolean
read_params(const lvd_typed_param *given, guint n, SaveParams *ret_params, GError **error)
{
    for (guint i = 0; i < n; i++) {
        const char **place = place_of(ret_params, given[i].field);

        if (!place || given[i].value.type != VIR_TYPED_PARAM_STRING) {
            lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                          "parameter '%s' not supported", given[i].field);
            return FALSE;
        }
        if (*place) {
            lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                          "parameter '%s' occurs multiple times", given[i].field);
            return FALSE;
        }
        *place = given[i].value.lvd_typed_param_value_u.s;
    }
    if (!ret_params->image_format || strcmp(ret_params->image_format, "raw") == 0)
        return TRUE;
    lvd_set_error(error, VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_LIBXL,
                  "image format '%s' is not supported, 'raw' is", ret_params->image_format);
    return FALSE;
}

/* Absent is TRUE and NULL. */
static gboolean
parse_dxml(const SaveParams *params, ConfDomain **ret_def, GError **error)
{
    *ret_def = params->dxml ? lvd_parse_domain(params->dxml, 0, FALSE, error) : NULL;
    return !params->dxml || *ret_def;
}

/* Without a file it is a managed save. */
gboolean
lvd_do_domain_save_params(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_save_params_args *a = args;
    SaveParams params = { 0 };
    ConfDomain *def;

    if (!check_save_flags(call, a->flags, error) ||
        !read_params(a->params.params_val, a->params.params_len, &params, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    if (!params.file && !params.dxml)
        return hv_domain_managed_save(domain, save_flags(a->flags), error);
    if (!params.file) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "a managed save takes no XML of its own");
        return FALSE;
    }
    return parse_dxml(&params, &def, error) &&
           hv_domain_save(domain, params.file, def, save_flags(a->flags), error);
}

gboolean
lvd_do_domain_restore_params(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_restore_params_args *a = args;
    SaveParams params = { 0 };
    ConfDomain *def;

    if (!check_save_flags(call, a->flags, error) ||
        !read_params(a->params.params_val, a->params.params_len, &params, error))
        return FALSE;
    if (!params.file) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "missing mandatory parameter '%s'", VIR_DOMAIN_SAVE_PARAM_FILE);
        return FALSE;
    }
    if (!parse_dxml(&params, &def, error))
        return FALSE;
    g_autoptr(HvDomain) domain = hv_host_restore(lvd_call_host(call), params.file, def,
                                                 save_flags(a->flags), error);
    return domain != NULL;
}
