/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about one domain. None of them waits for the domain's job. */
#include "lvd-do.h"

gboolean
lvd_do_domain_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_xml_desc_args *a = args;
    lvd_domain_get_xml_desc_ret *r = ret;
    unsigned flags = 0;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (lvd_call_is_readonly(call) &&
        (a->flags & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE))) {
        lvd_set_error(error, VIR_ERR_OPERATION_DENIED, VIR_FROM_DOMAIN,
                      "virDomainGetXMLDesc with secure flag");
        return FALSE;
    }
    /* What another host is to start a domain from needs its passwords. */
    if (a->flags & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE))
        flags |= CONF_XML_SECURE;
    if (a->flags & VIR_DOMAIN_XML_INACTIVE)
        flags |= CONF_XML_INACTIVE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && lvd_return_text(&r->xml, hv_domain_format_xml(domain, flags, error), error);
}

gboolean
lvd_do_domain_get_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_info_args *a = args;
    lvd_domain_get_info_ret *r = ret;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    HvDomainInfo info;

    if (!domain || !hv_domain_info(domain, &info, error))
        return FALSE;
    r->state = (u_char)lvd_wire_state(info.state);
    r->maxMem = info.max_memory_kib;
    r->memory = info.memory_kib;
    r->nrVirtCpu = (u_short)MIN(info.vcpus, G_MAXUINT16);
    r->cpuTime = info.cpu_time_ns;
    return TRUE;
}

gboolean
lvd_do_domain_get_state(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_state_args *a = args;
    lvd_domain_get_state_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);
    if (!view)
        return FALSE;
    r->state = lvd_wire_state(view->state);
    r->reason = lvd_wire_reason(view->reason);
    return TRUE;
}

gboolean
lvd_do_domain_get_os_type(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_os_type_args *a = args;
    lvd_domain_get_os_type_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->type = g_strdup(conf_domain_os_type_name(hv_view_current(view)));
    return TRUE;
}

gboolean
lvd_do_domain_get_max_memory(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_max_memory_args *a = args;
    lvd_domain_get_max_memory_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->memory = hv_view_current(view)->memory_kib;
    return TRUE;
}

gboolean
lvd_do_domain_get_autostart(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_autostart_args *a = args;
    lvd_domain_get_autostart_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->autostart = view->autostart != 0;
    return TRUE;
}

gboolean
lvd_do_domain_get_autostart_once(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_autostart_once_args *a = args;
    lvd_domain_get_autostart_once_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->autostart = view->autostart_once != 0;
    return TRUE;
}

gboolean
lvd_do_domain_is_active(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_is_active_args *a = args;
    lvd_domain_is_active_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->active = hv_view_is_active(view);
    return TRUE;
}

gboolean
lvd_do_domain_is_persistent(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_is_persistent_args *a = args;
    lvd_domain_is_persistent_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->persistent = view->persistent != NULL;
    return TRUE;
}

gboolean
lvd_do_domain_is_updated(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_is_updated_args *a = args;
    lvd_domain_is_updated_ret *r = ret;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);

    if (!view)
        return FALSE;
    r->updated = view->updated != 0;
    return TRUE;
}

gboolean
lvd_do_domain_has_managed_save_image(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_has_managed_save_image_args *a = args;
    lvd_domain_has_managed_save_image_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);
    if (!view)
        return FALSE;
    r->result = view->managed_save != 0;
    return TRUE;
}

/* Nothing here taints a domain or is deprecated, so the list is empty. */
gboolean
lvd_do_domain_get_messages(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_messages_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvView) view = lvd_domain_view(call, &a->dom, error);
    return view != NULL;
}
