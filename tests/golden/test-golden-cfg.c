/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl and xm, both ways (tests/golden/xl, tests/golden/xm):
 *   NAME.cfg     is read; gives NAME.xml, the loss report NAME.report, and, written again,
 *                NAME.out.cfg, by which nothing is lost and which gives NAME.xml once more
 *   NAME.in.xml  is written; gives NAME.out.cfg and the loss report NAME.report
 */
#include "golden.h"

#include <string.h>

typedef struct Case {
    ConfFormat format;
    char *folder;
    char *name;
} Case;

static void
case_free(gpointer data)
{
    Case *c = data;

    g_free(c->folder);
    g_free(c->name);
    g_free(c);
}

static ConfDomain *
read_config(const Case *c, const char *text, const char *file, ConfReport **ret_report)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(c->format, text, (gssize)strlen(text), file, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 1);
    *ret_report = conf_report_new(file);
    ConfDomain *def = conf_domain_from_native(g_ptr_array_index(natives, 0), *ret_report, &error);
    g_assert_no_error(error);
    g_assert_nonnull(def);
    return def;
}

/* Writes `def`; *ret_losses is what the report says of it. */
static char *
write_config(const Case *c, const ConfDomain *def, char **ret_losses)
{
    g_autoptr(ConfReport) report = conf_report_new("(domain)");
    g_autoptr(GError) error = NULL;
    char *text = conf_domain_to_native(def, c->format, report, &error);

    g_assert_no_error(error);
    *ret_losses = conf_report_format_text(report, false);
    return text;
}

static void
test_read(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *file = g_strconcat(c->name, ".cfg", NULL);
    g_autofree char *text = golden_read(c->folder, c->name, ".cfg");
    g_autoptr(ConfReport) report = NULL, again_report = NULL;
    g_autoptr(ConfDomain) def = read_config(c, text, file, &report);
    g_autofree char *xml = golden_format_xml(def, c->name);
    g_autofree char *rows = conf_report_format_text(report, false);
    g_autofree char *losses = NULL;
    g_autofree char *out = write_config(c, def, &losses);

    golden_check(c->folder, c->name, ".xml", xml);
    golden_check(c->folder, c->name, ".report", rows);
    golden_check(c->folder, c->name, ".out.cfg", out);
    g_assert_cmpstr(losses, ==, "");

    g_autoptr(ConfDomain) again = read_config(c, out, "again.cfg", &again_report);
    g_autofree char *again_xml = golden_format_xml(again, c->name);
    golden_check(c->folder, c->name, ".xml", again_xml);
    g_assert_cmpuint(conf_report_count(again_report, CONF_OUTCOME_LOST), ==, 0);
    g_assert_cmpuint(conf_report_count(again_report, CONF_OUTCOME_CHANGED), ==, 0);
}

static void
test_write(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *text = golden_read(c->folder, c->name, ".in.xml");
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = conf_domain_parse_xml(text, -1, c->name, 0, &error);
    g_autofree char *losses = NULL, *again_losses = NULL;

    g_assert_no_error(error);
    golden_validate(text, c->name);
    g_autofree char *out = write_config(c, def, &losses);
    golden_check(c->folder, c->name, ".out.cfg", out);
    golden_check(c->folder, c->name, ".report", losses);

    /* What was written can be read, and nothing more is lost on the way. */
    g_autoptr(ConfReport) report = NULL;
    g_autoptr(ConfDomain) again = read_config(c, out, "again.cfg", &report);
    g_autofree char *xml G_GNUC_UNUSED = golden_format_xml(again, c->name);
    g_autofree char *out_again = write_config(c, again, &again_losses);
    golden_check(c->folder, c->name, ".out.cfg", out_again);
    g_assert_cmpstr(again_losses, ==, "");
}

static void
add_cases(ConfFormat format, const char *kind, const char *suffix, GTestDataFunc func)
{
    g_autofree char *folder = golden_folder(kind);
    g_autoptr(GPtrArray) names = golden_list(folder, suffix);

    for (guint i = 0; i < names->len; i++) {
        Case *c = g_new0(Case, 1);

        c->format = format;
        c->folder = g_strdup(folder);
        c->name = g_strdup(g_ptr_array_index(names, i));
        g_autofree char *path = g_strdup_printf("/golden/%s/%s", kind, c->name);
        g_test_add_data_func_full(path, c, func, case_free);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_cases(CONF_FORMAT_XL, "xl", ".cfg", test_read);
    add_cases(CONF_FORMAT_XL, "xl", ".in.xml", test_write);
    add_cases(CONF_FORMAT_XM, "xm", ".cfg", test_read);
    add_cases(CONF_FORMAT_XM, "xm", ".in.xml", test_write);
    return g_test_run();
}
