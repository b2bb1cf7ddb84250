/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S-expressions: whatever the bytes are, they are refused with an error, or the definition that
 * comes out of them is one that the parser of domXML takes, and one that can be written back. */
#include <conf/conf.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_xml(const ConfDomain *def)
{
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain)
        again = conf_domain_parse_xml(xml, -1, "again", CONF_XML_NO_UUID_OK, &error);

    if (again == NULL && !g_error_matches(error, CONF_ERROR, CONF_ERROR_LIMIT))
        g_error("refused what was converted: %s\n%s", error->message, xml);
}

static void
check_back(const ConfDomain *def)
{
    g_autoptr(ConfReport) report = conf_report_new("back");
    g_autoptr(GError) error = NULL;
    g_autofree char *sxp = conf_domain_to_native(def, CONF_FORMAT_SXP, report, &error);
    g_autofree char *text G_GNUC_UNUSED = conf_report_format_text(report, true);

    if (sxp == NULL)
        g_error("not written back: %s", error->message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = conf_native_parse(CONF_FORMAT_SXP, (const char *)data, size,
                                                     "fuzz", NULL, &error);

    g_assert(!natives == !!error);
    for (guint i = 0; natives != NULL && i < natives->len; i++) {
        ConfNative *native = natives->pdata[i];
        g_autoptr(ConfReport) report = conf_report_new("fuzz");
        g_autoptr(GError) inner = NULL;
        g_autoptr(ConfDomain) def = conf_domain_from_native(native, report, &inner);
        g_autofree char *text = NULL;

        g_assert(!def == !!inner);
        conf_native_wants_autostart(native);
        text = conf_report_format_text(report, true);
        if (def == NULL)
            continue;
        check_xml(def);
        check_back(def);
    }
    return 0;
}
