/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control domain: the one that we run in. It is shown, its memory and vcpus can be changed, and
 * it has no definition on disk. */
#include "hv-private.h"

gboolean
hv_control_domain_spare(const HvView *view, GError **error)
{
    if (view->domid != 0)
        return TRUE;
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                        HV_CONTROL_NAME " does not support requested operation");
    return FALSE;
}

gboolean
hv_control_domain_spare_def(const ConfDomain *def, GError **error)
{
    static const guint8 zeros[16];

    if (!g_str_equal(def->name, HV_CONTROL_NAME) &&
        (!def->uuid_set || memcmp(def->uuid, zeros, sizeof(zeros)) != 0))
        return TRUE;
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                        HV_CONTROL_NAME " does not support requested operation");
    return FALSE;
}

void
hv_control_domain_add(HvHost *host)
{
    HvEngineDomain seen = { 0 };
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(GError) error = NULL;

    if (!host->ops->control_domain)
        return;
    if (host->ops->control_domain(host->engine, &seen, &def, &error))
        domain = hv_registry_reserve(host, def, &error);
    if (!domain) {
        g_warning("the control domain is not shown: %s", error->message);
        return;
    }
    seen.domid = 0;
    hv_domain_found(domain, g_steal_pointer(&def), &seen, HV_REASON_RUNNING_BOOTED, 0);
}
