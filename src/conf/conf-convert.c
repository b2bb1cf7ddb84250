/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one door between the native formats and the model. */
#include "conf-private.h"

#include <string.h>

/* FALSE: more text than any domXML can hold. The depth is the readers' (CONF_MAX_DEPTH). */
static gboolean
count_text(const ConfNode *node, gsize *count, ConfNative *native, GError **error)
{
    *count += node->text != NULL ? strlen(node->text) : 0;
    if (*count > CONF_MAX_TEXT) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                    "%s:%u:%u: the values of this domain have more than %u bytes altogether",
                    native->file, node->line, node->column, CONF_MAX_TEXT);
        return FALSE;
    }
    for (guint i = 0; node->items != NULL && i < node->items->len; i++)
        if (!count_text(g_ptr_array_index(node->items, i), count, native, error))
            return FALSE;
    return TRUE;
}

ConfDomain *
conf_domain_from_native(ConfNative *native, ConfReport *report, GError **error)
{
    gsize n_text = 0;

    if (!count_text(native->root, &n_text, native, error))
        return NULL;
    switch (native->format) {
    case CONF_FORMAT_XL:
    case CONF_FORMAT_XM:
        return conf_cfg_to_domain(native, report, error);
    case CONF_FORMAT_SXP:
        return conf_sxp_to_domain(native, report, error);
    case CONF_FORMAT_XL_JSON:
        return conf_xlj_to_domain(native, report, error);
    case CONF_FORMAT_XVA:
        return conf_xva_to_domain(native, report, error);
    case CONF_FORMAT_AUTO:
    case CONF_FORMAT_DOMXML:
        break;
    }
    g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED, "%s is no native format",
                conf_format_name(native->format));
    return NULL;
}

char *
conf_domain_to_native(const ConfDomain *def, ConfFormat format, ConfReport *report, GError **error)
{
    switch (format) {
    case CONF_FORMAT_XL:
    case CONF_FORMAT_XM:
        return conf_cfg_from_domain(def, format, report, error);
    case CONF_FORMAT_SXP:
        return conf_sxp_from_domain(def, report, error);
    case CONF_FORMAT_AUTO:
    case CONF_FORMAT_DOMXML:
    case CONF_FORMAT_XL_JSON:
    case CONF_FORMAT_XVA:
        break;
    }
    g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED, "a domain can't be written as %s",
                conf_format_name(format));
    return NULL;
}
