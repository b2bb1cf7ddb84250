/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding domains: lists with their filters, and look-ups. */
#include "lvd-do.h"

/* ---- virConnectListAllDomains ---- */

#define LIST(name) VIR_CONNECT_LIST_DOMAINS_##name

/* The flags that a domain answers to. Of each group below it has exactly one, but for OTHER. */
static unsigned
list_traits(const HvView *view)
{
    unsigned traits = LIST(NO_CHECKPOINT); /* there are none */

    traits |= hv_view_is_active(view) ? LIST(ACTIVE) : LIST(INACTIVE);
    traits |= view->persistent ? LIST(PERSISTENT) : LIST(TRANSIENT);
    traits |= view->managed_save ? LIST(MANAGEDSAVE) : LIST(NO_MANAGEDSAVE);
    traits |= view->snapshots ? LIST(HAS_SNAPSHOT) : LIST(NO_SNAPSHOT);
    traits |= view->autostart ? LIST(AUTOSTART) : LIST(NO_AUTOSTART);
    switch (lvd_wire_state(view->state)) {
    case VIR_DOMAIN_RUNNING:
        return traits | LIST(RUNNING);
    case VIR_DOMAIN_PAUSED:
        return traits | LIST(PAUSED);
    case VIR_DOMAIN_SHUTOFF:
        return traits | LIST(SHUTOFF);
    default:
        return traits | LIST(OTHER);
    }
}

gboolean
lvd_list_matches(const HvView *view, unsigned flags)
{
    static const unsigned groups[] = {
        LIST(ACTIVE) | LIST(INACTIVE),
        LIST(PERSISTENT) | LIST(TRANSIENT),
        LIST(RUNNING) | LIST(PAUSED) | LIST(SHUTOFF) | LIST(OTHER),
        LIST(MANAGEDSAVE) | LIST(NO_MANAGEDSAVE),
        LIST(AUTOSTART) | LIST(NO_AUTOSTART),
        LIST(HAS_SNAPSHOT) | LIST(NO_SNAPSHOT),
        LIST(HAS_CHECKPOINT) | LIST(NO_CHECKPOINT),
    };
    unsigned traits = list_traits(view);

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++)
        if ((flags & groups[i]) && !(flags & groups[i] & traits))
            return FALSE;
    return TRUE;
}

/* GPtrArray of HvView. */
static GPtrArray *
list_views(HvHost *host, unsigned flags)
{
    g_autoptr(GPtrArray) domains = hv_host_list(host);
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)hv_view_unref);

    for (guint i = 0; i < domains->len; i++) {
        g_autoptr(HvView) view = hv_domain_view(g_ptr_array_index(domains, i));
        if (lvd_list_matches(view, flags))
            g_ptr_array_add(found, g_steal_pointer(&view));
    }
    return found;
}

gboolean
lvd_do_connect_list_all_domains(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_list_all_domains_args *a = args;
    lvd_connect_list_all_domains_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(GPtrArray) found = list_views(lvd_call_host(call), a->flags);
    r->ret = found->len;
    if (!a->need_results)
        return TRUE;
    if (!lvd_check_count(call, found->len, LVD_DOMAIN_LIST_MAX, "number of domains", error))
        return FALSE;
    r->domains.domains_val = g_new0(lvd_nonnull_domain, MAX(found->len, 1));
    r->domains.domains_len = found->len;
    for (guint i = 0; i < found->len; i++)
        lvd_fill_domain(&r->domains.domains_val[i], g_ptr_array_index(found, i));
    return TRUE;
}

/* ---- the lists from before it ---- */

gboolean
lvd_do_connect_num_of_domains(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_num_of_domains_ret *r = ret;
    g_autoptr(GPtrArray) found = list_views(lvd_call_host(call), LIST(ACTIVE));

    r->num = (int)found->len;
    return TRUE;
}

gboolean
lvd_do_connect_num_of_defined_domains(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_num_of_defined_domains_ret *r = ret;
    g_autoptr(GPtrArray) found = list_views(lvd_call_host(call), LIST(INACTIVE));

    r->num = (int)found->len;
    return TRUE;
}

gboolean
lvd_do_connect_list_domains(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_list_domains_args *a = args;
    lvd_connect_list_domains_ret *r = ret;

    if (!lvd_check_count(call, a->maxids, LVD_DOMAIN_LIST_MAX, "maxids", error))
        return FALSE;
    g_autoptr(GPtrArray) found = list_views(lvd_call_host(call), LIST(ACTIVE));
    guint n = MIN(found->len, (guint)a->maxids);
    r->ids.ids_val = g_new0(int, MAX(n, 1));
    r->ids.ids_len = n;
    for (guint i = 0; i < n; i++)
        r->ids.ids_val[i] = ((HvView *)g_ptr_array_index(found, i))->domid;
    return TRUE;
}

gboolean
lvd_do_connect_list_defined_domains(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_list_defined_domains_args *a = args;
    lvd_connect_list_defined_domains_ret *r = ret;

    if (!lvd_check_count(call, a->maxnames, LVD_DOMAIN_LIST_MAX, "maxnames", error))
        return FALSE;
    g_autoptr(GPtrArray) found = list_views(lvd_call_host(call), LIST(INACTIVE));
    guint n = MIN(found->len, (guint)a->maxnames);
    r->names.names_val = g_new0(lvd_text, MAX(n, 1));
    r->names.names_len = n;
    for (guint i = 0; i < n; i++)
        r->names.names_val[i] = g_strdup(((HvView *)g_ptr_array_index(found, i))->name);
    return TRUE;
}

/* ---- look-ups ---- */

gboolean
lvd_do_domain_lookup_by_id(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_lookup_by_id_args *a = args;
    lvd_domain_lookup_by_id_ret *r = ret;

    return lvd_return_domain(&r->dom, hv_host_lookup_id(lvd_call_host(call), a->id, error), error);
}

gboolean
lvd_do_domain_lookup_by_name(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_lookup_by_name_args *a = args;
    lvd_domain_lookup_by_name_ret *r = ret;

    return lvd_return_domain(&r->dom, hv_host_lookup_name(lvd_call_host(call), a->name, error),
                             error);
}

gboolean
lvd_do_domain_lookup_by_uuid(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_lookup_by_uuid_args *a = args;
    lvd_domain_lookup_by_uuid_ret *r = ret;

    return lvd_return_domain(
        &r->dom, hv_host_lookup_uuid(lvd_call_host(call), (const guint8 *)a->uuid, error), error);
}
