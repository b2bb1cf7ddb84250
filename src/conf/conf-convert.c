/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one door between the native formats and the model. */
#include "conf-private.h"

ConfDomain *
conf_domain_from_native(ConfNative *native, ConfReport *report, GError **error)
{
    if (native->format == CONF_FORMAT_XL || native->format == CONF_FORMAT_XM)
        return conf_cfg_to_domain(native, report, error);
    g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED, "%s is not supported",
                conf_format_name(native->format));
    return NULL;
}

char *
conf_domain_to_native(const ConfDomain *def, ConfFormat format, ConfReport *report, GError **error)
{
    if (format == CONF_FORMAT_XL || format == CONF_FORMAT_XM)
        return conf_cfg_from_domain(def, format, report, error);
    g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED, "a domain can't be written as %s",
                conf_format_name(format));
    return NULL;
}
