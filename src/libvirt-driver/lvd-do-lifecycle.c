/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Defining, starting and ending domains, and the consoles and channels of running ones. */
#include "lvd-do.h"

/* Most changes are one call of libhv with nothing beside the domain. */
static gboolean
change(LvdCall *call, const lvd_nonnull_domain *dom, gboolean (*func)(HvDomain *, GError **),
       GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain && func(domain, error);
}

/* ---- definitions ---- */

static gboolean
define(LvdCall *call, const char *xml, unsigned flags, lvd_nonnull_domain *ret_dom, GError **error)
{
    ConfDomain *def = lvd_parse_domain(xml, CONF_XML_NO_UUID_OK,
                                       (flags & VIR_DOMAIN_DEFINE_VALIDATE) != 0, error);

    if (!def)
        return FALSE;
    return lvd_return_domain(ret_dom, hv_host_define(lvd_call_host(call), def, error), error);
}

gboolean
lvd_do_domain_define_xml(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_define_xml_args *a = args;
    lvd_domain_define_xml_ret *r = ret;

    return define(call, a->xml, 0, &r->dom, error);
}

gboolean
lvd_do_domain_define_xml_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_define_xml_flags_args *a = args;
    lvd_domain_define_xml_flags_ret *r = ret;

    return lvd_check_flags(call, a->flags, error) && define(call, a->xml, a->flags, &r->dom, error);
}

static gboolean
undefine(LvdCall *call, const lvd_nonnull_domain *dom, unsigned flags, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    unsigned what = (flags & VIR_DOMAIN_UNDEFINE_MANAGED_SAVE ? HV_UNDEFINE_MANAGED_SAVE : 0) |
                    (flags & VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA ? HV_UNDEFINE_SNAPSHOTS : 0);

    return domain && hv_domain_undefine(domain, what, error);
}

gboolean
lvd_do_domain_undefine(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_undefine_args *a = args;

    return undefine(call, &a->dom, 0, error);
}

gboolean
lvd_do_domain_undefine_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_undefine_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) && undefine(call, &a->dom, a->flags, error);
}

/* ---- starting ---- */

static unsigned
start_flags(unsigned flags)
{
    return (flags & VIR_DOMAIN_START_PAUSED ? HV_START_PAUSED : 0) |
           (flags & VIR_DOMAIN_START_FORCE_BOOT ? HV_START_FORCE_BOOT : 0);
}

gboolean
lvd_do_domain_create(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_create_args *a = args;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);

    return domain && hv_domain_start(domain, 0, error);
}

gboolean
lvd_do_domain_create_with_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_create_with_flags_args *a = args;
    lvd_domain_create_with_flags_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain || !hv_domain_start(domain, start_flags(a->flags), error))
        return FALSE;
    return lvd_return_domain(&r->dom, g_steal_pointer(&domain), error);
}

gboolean
lvd_do_domain_create_xml(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_create_xml_args *a = args;
    lvd_domain_create_xml_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    ConfDomain *def = lvd_parse_domain(a->xml_desc, CONF_XML_NO_UUID_OK,
                                       (a->flags & VIR_DOMAIN_START_VALIDATE) != 0, error);
    if (!def)
        return FALSE;
    return lvd_return_domain(
        &r->dom, hv_host_create(lvd_call_host(call), def, start_flags(a->flags), error), error);
}

/* ---- running, pausing, ending ---- */

gboolean
lvd_do_domain_suspend(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_suspend_args *a = args;

    return change(call, &a->dom, hv_domain_suspend, error);
}

gboolean
lvd_do_domain_resume(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_resume_args *a = args;

    return change(call, &a->dom, hv_domain_resume, error);
}

gboolean
lvd_do_domain_destroy(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_destroy_args *a = args;

    return change(call, &a->dom, hv_domain_destroy, error);
}

gboolean
lvd_do_domain_destroy_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_destroy_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) &&
           change(call, &a->dom, hv_domain_destroy, error);
}

/* The two flag sets of shutdown and reboot give these two ways the same numbers. */
G_STATIC_ASSERT((int)VIR_DOMAIN_SHUTDOWN_PARAVIRT == (int)VIR_DOMAIN_REBOOT_PARAVIRT);
G_STATIC_ASSERT((int)VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN == (int)VIR_DOMAIN_REBOOT_ACPI_POWER_BTN);

static unsigned
shutdown_mode(unsigned flags)
{
    return (flags & VIR_DOMAIN_SHUTDOWN_PARAVIRT ? HV_SHUTDOWN_PV : 0) |
           (flags & VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN ? HV_SHUTDOWN_ACPI : 0);
}

static gboolean
ask_down(LvdCall *call, const lvd_nonnull_domain *dom, unsigned flags,
         gboolean (*func)(HvDomain *, unsigned, GError **), GError **error)
{
    if (!lvd_check_flags(call, flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && func(domain, shutdown_mode(flags), error);
}

gboolean
lvd_do_domain_shutdown(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_shutdown_args *a = args;

    return ask_down(call, &a->dom, 0, hv_domain_shutdown, error);
}

gboolean
lvd_do_domain_shutdown_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_shutdown_flags_args *a = args;

    return ask_down(call, &a->dom, a->flags, hv_domain_shutdown, error);
}

gboolean
lvd_do_domain_reboot(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_reboot_args *a = args;

    return ask_down(call, &a->dom, a->flags, hv_domain_reboot, error);
}

/* ---- consoles and channels ---- */

static void
console_closed(int fd, gpointer data)
{
    g_autoptr(HvDomain) domain = data;

    hv_domain_close_console(domain, fd);
}

static void
console_cut(int fd, gpointer stream)
{
    lvd_stream_replaced(stream);
}

/* The stream holds a reference to the domain until it is over. Where somebody was faster to take
 * the console away, the stream begins at its end. */
static gboolean
return_stream(LvdCall *call, HvDomain *domain, int fd)
{
    LvdStream *stream;

    if (fd < 0)
        return FALSE;
    stream = lvd_call_open_stream(call, fd, console_closed, hv_domain_ref(domain));
    hv_domain_watch_console(domain, fd, console_cut, stream);
    return TRUE;
}

gboolean
lvd_do_domain_open_console(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_open_console_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    gboolean force = (a->flags & VIR_DOMAIN_CONSOLE_FORCE) != 0;
    return domain &&
           return_stream(call, domain,
                         hv_domain_open_console(domain, lvd_opt(a->dev_name), force, error));
}

gboolean
lvd_do_domain_open_channel(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_open_channel_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    gboolean force = (a->flags & VIR_DOMAIN_CHANNEL_FORCE) != 0;
    return domain && return_stream(call, domain,
                                   hv_domain_open_channel(domain, lvd_opt(a->name), force, error));
}
