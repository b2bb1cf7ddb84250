/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Immutable pictures of a domain. */
#include "hv-private.h"

HvView *
hv_view_ref(HvView *view)
{
    g_atomic_ref_count_inc(&view->refs);
    return view;
}

void
hv_view_unref(HvView *view)
{
    if (!view || !g_atomic_ref_count_dec(&view->refs))
        return;
    g_free(view->name);
    conf_domain_unref(view->persistent);
    conf_domain_unref(view->live);
    hv_snapshots_unref(view->snapshots);
    g_free(view);
}

HvView *
hv_view_copy(const HvView *view)
{
    HvView *copy = g_memdup2(view, sizeof(*view));

    g_atomic_ref_count_init(&copy->refs);
    copy->name = g_strdup(view->name);
    copy->persistent = view->persistent ? conf_domain_ref(view->persistent) : NULL;
    copy->live = view->live ? conf_domain_ref(view->live) : NULL;
    copy->snapshots = view->snapshots ? hv_snapshots_ref(view->snapshots) : NULL;
    return copy;
}

void
hv_view_look_at_store(HvView *view, const HvStore *store)
{
    view->autostart = hv_store_has_mark(store, view->name, HV_MARK_AUTOSTART);
    view->autostart_once = hv_store_has_mark(store, view->name, HV_MARK_AUTOSTART_ONCE);
    view->managed_save = hv_store_has_managed_save(store, view->name);
}

const ConfDomain *
hv_view_current(const HvView *view)
{
    return view->live ? view->live : view->persistent;
}

ConfDomain *
hv_def_inactive(const ConfDomain *def, GError **error)
{
    /* Through the text, because it alone knows what is live-only in each element. */
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);

    return conf_domain_parse_xml(xml, -1, def->name, CONF_XML_NO_UUID_OK, error);
}

gboolean
hv_view_affect(const HvView *view, unsigned affect, unsigned *ret_affect, GError **error)
{
    unsigned which = affect & (HV_AFFECT_LIVE | HV_AFFECT_CONFIG);

    if (which == 0)
        which = hv_view_is_active(view) ? HV_AFFECT_LIVE : HV_AFFECT_CONFIG;
    if ((which & HV_AFFECT_LIVE) && !hv_view_is_active(view))
        return hv_set_not_running(error);
    if ((which & HV_AFFECT_CONFIG) && !view->persistent) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "transient domains do not have any persistent config");
        return FALSE;
    }
    *ret_affect = which | (affect & HV_AFFECT_MAXIMUM);
    return TRUE;
}

const ConfDomain *
hv_view_def(const HvView *view, unsigned affect, GError **error)
{
    unsigned which;

    if (!(affect & (HV_AFFECT_LIVE | HV_AFFECT_CONFIG)))
        return hv_view_current(view);
    if (!hv_view_affect(view, affect, &which, error))
        return NULL;
    return which & HV_AFFECT_CONFIG ? view->persistent : view->live;
}
