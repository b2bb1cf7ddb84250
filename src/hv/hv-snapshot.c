/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Immutable pictures of a domain. */
#include "hv-private.h"

HvSnapshot *
hv_snapshot_ref(HvSnapshot *snapshot)
{
    g_atomic_ref_count_inc(&snapshot->refs);
    return snapshot;
}

void
hv_snapshot_unref(HvSnapshot *snapshot)
{
    if (!snapshot || !g_atomic_ref_count_dec(&snapshot->refs))
        return;
    g_free(snapshot->name);
    conf_domain_unref(snapshot->persistent);
    conf_domain_unref(snapshot->live);
    g_free(snapshot);
}

HvSnapshot *
hv_snapshot_copy(const HvSnapshot *snapshot)
{
    HvSnapshot *copy = g_memdup2(snapshot, sizeof(*snapshot));

    g_atomic_ref_count_init(&copy->refs);
    copy->name = g_strdup(snapshot->name);
    copy->persistent = snapshot->persistent ? conf_domain_ref(snapshot->persistent) : NULL;
    copy->live = snapshot->live ? conf_domain_ref(snapshot->live) : NULL;
    return copy;
}

const ConfDomain *
hv_snapshot_current(const HvSnapshot *snapshot)
{
    return snapshot->live ? snapshot->live : snapshot->persistent;
}

ConfDomain *
hv_def_inactive(const ConfDomain *def, GError **error)
{
    /* Through the text, because it alone knows what is live-only in each element. */
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);

    return conf_domain_parse_xml(xml, -1, def->name, CONF_XML_NO_UUID_OK, error);
}

gboolean
hv_snapshot_affect(const HvSnapshot *snapshot, unsigned affect, unsigned *ret_affect,
                   GError **error)
{
    unsigned which = affect & (HV_AFFECT_LIVE | HV_AFFECT_CONFIG);

    if (which == 0)
        which = hv_snapshot_is_active(snapshot) ? HV_AFFECT_LIVE : HV_AFFECT_CONFIG;
    if ((which & HV_AFFECT_LIVE) && !hv_snapshot_is_active(snapshot))
        return hv_set_not_running(error);
    if ((which & HV_AFFECT_CONFIG) && !snapshot->persistent) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "transient domains do not have any persistent config");
        return FALSE;
    }
    *ret_affect = which | (affect & HV_AFFECT_MAXIMUM);
    return TRUE;
}

const ConfDomain *
hv_snapshot_def(const HvSnapshot *snapshot, unsigned affect, GError **error)
{
    unsigned which;

    if (!(affect & (HV_AFFECT_LIVE | HV_AFFECT_CONFIG)))
        return hv_snapshot_current(snapshot);
    if (!hv_snapshot_affect(snapshot, affect, &which, error))
        return NULL;
    return which & HV_AFFECT_CONFIG ? snapshot->persistent : snapshot->live;
}
