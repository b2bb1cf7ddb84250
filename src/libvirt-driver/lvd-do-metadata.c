/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Title, description and the elements of <metadata>. */
#include "lvd-do.h"

#include <string.h>

static const HvMetadata metadata_types[] = {
    [VIR_DOMAIN_METADATA_DESCRIPTION] = HV_METADATA_DESCRIPTION,
    [VIR_DOMAIN_METADATA_TITLE] = HV_METADATA_TITLE,
    [VIR_DOMAIN_METADATA_ELEMENT] = HV_METADATA_ELEMENT,
};

static gboolean
refuse(LvdCall *call, GError **error, const char *name, const char *must)
{
    lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN, "%s in %s must %s", name,
                  lvd_call_proc(call)->api, must);
    return FALSE;
}

static gboolean
check_type(int type, GError **error)
{
    if (type >= 0 && (gsize)type < G_N_ELEMENTS(metadata_types))
        return TRUE;
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN, "unknown metadata type '%d'", type);
    return FALSE;
}

/* An element is found by its namespace; the other two have none. */
static gboolean
check_uri(LvdCall *call, int type, const char *uri, GError **error)
{
    if (type == VIR_DOMAIN_METADATA_ELEMENT && !uri)
        return refuse(call, error, "uri", "not be NULL");
    if (type != VIR_DOMAIN_METADATA_ELEMENT && uri)
        return refuse(call, error, "uri", "be NULL");
    return TRUE;
}

static gboolean
check_set(LvdCall *call, const lvd_domain_set_metadata_args *a, GError **error)
{
    const char *text = lvd_opt(a->metadata), *key = lvd_opt(a->key);

    if (!check_type(a->type, error) || !check_uri(call, a->type, lvd_opt(a->uri), error))
        return FALSE;
    if (a->type == VIR_DOMAIN_METADATA_ELEMENT && text && !key)
        return refuse(call, error, "key", "not be NULL");
    if (a->type != VIR_DOMAIN_METADATA_ELEMENT && key)
        return refuse(call, error, "key", "be NULL");
    if (a->type == VIR_DOMAIN_METADATA_TITLE && text && strchr(text, '\n')) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "metadata title can't contain newlines");
        return FALSE;
    }
    return TRUE;
}

gboolean
lvd_do_domain_set_metadata(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_metadata_args *a = args;
    const char *text = lvd_opt(a->metadata);

    if (!lvd_check_flags(call, a->flags, error) || !check_set(call, a, error))
        return FALSE;
    if (text && *text == '\0')
        text = NULL; /* as stock has it, an empty text removes */
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    gboolean ok = hv_domain_set_metadata(domain, metadata_types[a->type], text, lvd_opt(a->key),
                                         lvd_opt(a->uri), lvd_affect(a->flags), error);
    if (!ok && text)
        lvd_syntax_error(text, error);
    return ok;
}

gboolean
lvd_do_domain_get_metadata(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_metadata_args *a = args;
    lvd_domain_get_metadata_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, error) ||
        !check_type(a->type, error) || !check_uri(call, a->type, lvd_opt(a->uri), error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    char *text = hv_domain_get_metadata(domain, metadata_types[a->type], lvd_opt(a->uri),
                                        lvd_affect(a->flags), error);
    return lvd_return_text(&r->metadata, text, error);
}
