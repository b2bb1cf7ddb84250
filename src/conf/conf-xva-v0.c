/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-xva.h"

GPtrArray *
conf_xva_parse_version_0(const char *text, gsize len, const char *file, GError **error)
{
    g_set_error(
        error, CONF_ERROR, CONF_ERROR_UNSUPPORTED,
        "%s:1:1: an <appliance> of XenServer 3 (export version 0): import it into a XenServer "
        "of version 4 to 6 and export it again, which writes today's format",
        file);
    return NULL;
}
