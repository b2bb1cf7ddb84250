/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one door between the native formats and the model. */
#include "conf-private.h"

ConfDomain *
conf_domain_from_native(ConfNative *native, ConfReport *report, GError **error)
{
    switch (native->format) {
    case CONF_FORMAT_XL:
    case CONF_FORMAT_XM:
        return conf_cfg_to_domain(native, report, error);
    case CONF_FORMAT_SXP:
        return conf_sxp_to_domain(native, report, error);
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
        break;
    }
    g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED, "a domain can't be written as %s",
                conf_format_name(format));
    return NULL;
}
