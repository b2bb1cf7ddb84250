/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domxml-from-native and domxml-to-native: xen-xl, xen-xm, xen-sxpr and xen-sxp. What a conversion
 * could not carry over has no place in libvirt's answer; it goes to the daemon's log.
 */
#include "lvd-do.h"

#include <string.h>

/* What messages call a text that has no file. */
#define NATIVE_NAME "(native_config)"

static gboolean
parse_format(const char *name, ConfFormat *ret_format, GError **error)
{
    int format = conf_format_parse(name);

    if (format == CONF_FORMAT_XL || format == CONF_FORMAT_XM || format == CONF_FORMAT_SXP) {
        *ret_format = (ConfFormat)format;
        return TRUE;
    }
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "unsupported config type %s", name);
    return FALSE;
}

static void
log_losses(const ConfReport *report, const char *direction, ConfFormat format)
{
    g_autofree char *text = conf_report_format_text(report, false);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        if (**line)
            g_info("domxml-%s-native %s: %s", direction, conf_format_name(format), *line);
}

/* The one domain of the text. */
static ConfNative *
the_domain(GPtrArray *natives, GError **error)
{
    if (natives->len == 1)
        return g_ptr_array_index(natives, 0);
    lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                  "the config holds %u domains and the answer has room for one; convert them one "
                  "by one, or use xen2libvirt",
                  natives->len);
    return NULL;
}

static ConfDomain *
from_native(ConfFormat format, const char *text, GError **error)
{
    g_autoptr(ConfReport) report = conf_report_new(NATIVE_NAME);
    g_autoptr(GPtrArray)
        natives = conf_native_parse(format, text, strlen(text), NATIVE_NAME, NULL, error);
    ConfNative *native = natives ? the_domain(natives, error) : NULL;

    if (!native)
        return NULL;
    g_autoptr(ConfDomain) def = conf_domain_from_native(native, report, error);
    log_losses(report, "from", format);
    return g_steal_pointer(&def);
}

gboolean
lvd_do_connect_domain_xml_from_native(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_domain_xml_from_native_args *a = args;
    lvd_connect_domain_xml_from_native_ret *r = ret;
    ConfFormat format;

    if (!lvd_check_flags(call, a->flags, error) || !parse_format(a->nativeFormat, &format, error))
        return FALSE;
    g_autoptr(ConfDomain) def = from_native(format, a->nativeConfig, error);
    if (!def) {
        lvd_native_error(error);
        return FALSE;
    }
    conf_domain_fill_defaults(def);
    /* Whoever sent the config has the passwords in it, and its user wants them kept. */
    return lvd_return_text(&r->domainXml,
                           conf_domain_format_xml(def, CONF_XML_INACTIVE | CONF_XML_SECURE), error);
}

/* The document may be of a running domain, and a config names no vif1.0, tty or port of a run. */
static ConfDomain *
parse_lasting(const char *xml, GError **error)
{
    g_autoptr(ConfDomain) def = lvd_parse_domain(xml, CONF_XML_NO_UUID_OK, FALSE, error);

    if (!def)
        return NULL;
    conf_domain_fill_defaults(def);
    g_autofree char *lasting = conf_domain_format_xml(def, CONF_XML_INACTIVE | CONF_XML_SECURE);
    return lvd_parse_domain(lasting, CONF_XML_NO_UUID_OK, FALSE, error);
}

gboolean
lvd_do_connect_domain_xml_to_native(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_domain_xml_to_native_args *a = args;
    lvd_connect_domain_xml_to_native_ret *r = ret;
    ConfFormat format;

    if (!lvd_check_flags(call, a->flags, error) || !parse_format(a->nativeFormat, &format, error))
        return FALSE;
    g_autoptr(ConfDomain) def = parse_lasting(a->domainXml, error);
    if (!def)
        return FALSE;
    g_autoptr(ConfReport) report = conf_report_new("(domain_definition)");
    char *text = conf_domain_to_native(def, format, report, error);
    log_losses(report, "to", format);
    return lvd_return_text(&r->nativeConfig, text, error);
}
