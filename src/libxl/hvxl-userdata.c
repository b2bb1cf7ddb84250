/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-private.h"

#include <stdlib.h>
#include <string.h>

char *
hvxl_userdata_read(HvxlCtx *ctx, int domid)
{
    uint8_t *data = NULL;
    int len = 0;
    char *text = NULL;

    if (libxl_userdata_retrieve(ctx->libxl, (uint32_t)domid, HVXL_USERDATA, &data, &len) == 0 &&
        data && len > 0 && (guint)len <= CONF_MAX_XML)
        text = g_strndup((const char *)data, (gsize)len);
    free(data);
    return text;
}

gboolean
hvxl_userdata_write(HvxlCtx *ctx, int domid, const ConfDomain *live, GError **error)
{
    g_autofree char *xml = conf_domain_format_xml(live, CONF_XML_SECURE);
    int rc = libxl_userdata_store(ctx->libxl, (uint32_t)domid, HVXL_USERDATA, (const uint8_t *)xml,
                                  (int)strlen(xml) + 1);

    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot keep the XML of domain id %d", domid);
}
