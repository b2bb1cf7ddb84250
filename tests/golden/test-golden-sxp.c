/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/golden/sxp: NAME.sxp gives NAME.xml, and what became of each key stands in NAME.report;
 * written back it gives NAME.out.sxp.
 */
#include "golden.h"

#include <conf/conf.h>
#include <string.h>

static GPtrArray *
parse(const char *text, const char *file)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *natives = conf_native_parse(CONF_FORMAT_SXP, text, (gssize)strlen(text), file, NULL,
                                           &error);

    g_assert_no_error(error);
    return natives;
}

static bool
is_named(const ConfReport *report, const ConfNode *node)
{
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        gsize len = node->text != NULL ? strlen(node->text) + 2 : 1; /* with its quotes */

        if (row->line == node->line && row->column == node->column)
            return true;
        /* What the value's own syntax says is reported inside of it. */
        if (row->line == node->value_line && row->column >= node->value_column &&
            row->column < node->value_column + len)
            return true;
    }
    return false;
}

/* Nothing is lost in silence: each value has a row, or stands in something that has one. */
static void
check_complete(const ConfReport *report, const ConfNode *node)
{
    for (guint i = 0; node->items != NULL && i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (is_named(report, item))
            continue;
        if (item->items == NULL || item->items->len == 0)
            g_test_message("%s:%u:%u: %s is in no row", report->file, item->line, item->column,
                           item->key != NULL ? item->key : "an item");
        g_assert_true(item->items != NULL && item->items->len > 0);
        check_complete(report, item);
    }
}

static ConfDomain *
convert(ConfNative *native, GString *ret_report)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new(native->file);
    ConfDomain *def = conf_domain_from_native(native, report, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    check_complete(report, native->root);
    text = conf_report_format_text(report, true);
    g_string_append(ret_report, text);
    return def;
}

static char *
write_back(const ConfDomain *def, GString *ret_report)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("written back");
    char *sxp = conf_domain_to_native(def, CONF_FORMAT_SXP, report, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = conf_report_format_text(report, true);
    g_string_append(ret_report, text);
    return sxp;
}

/* What was written says the same when it is read and written once more. */
static void
check_settled(const char *sxp)
{
    g_autoptr(GPtrArray) natives = parse(sxp, "settled");
    g_autoptr(GString) ignored = g_string_new(NULL);
    g_autoptr(ConfDomain) def = convert(natives->pdata[0], ignored);
    g_autofree char *again = write_back(def, ignored);

    g_assert_cmpstr(again, ==, sxp);
}

static void
test_case(gconstpointer data)
{
    const char *name = data;
    g_autofree char *folder = golden_folder("sxp");
    g_autofree char *text = golden_read(folder, name, ".sxp");
    g_autofree char *file = g_strconcat(name, ".sxp", NULL);
    g_autoptr(GPtrArray) natives = parse(text, file);
    g_autoptr(GString) xml = g_string_new(NULL), report = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; i < natives->len; i++) {
        g_autoptr(ConfDomain) def = convert(natives->pdata[i], report);
        g_autofree char *one = golden_format_xml(def, name);
        g_autofree char *back = write_back(def, report);

        g_string_append(xml, one);
        g_string_append(out, back);
        check_settled(back);
    }
    golden_check(folder, name, ".xml", xml->str);
    golden_check(folder, name, ".report", report->str);
    golden_check(folder, name, ".out.sxp", out->str);
}

/* Configs that real xends wrote, where they lie beside the checkout. */
static void
test_corpus(gconstpointer data)
{
    static const char *const places[] = { "..", "../.." };
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *folder = NULL;
    g_autoptr(GPtrArray) names = NULL;

    for (gsize i = 0; folder == NULL && i < G_N_ELEMENTS(places); i++) {
        folder = g_build_filename(source != NULL ? source : ".", places[i], "shared", "corpus",
                                  "sxp", NULL);
        if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
            g_clear_pointer(&folder, g_free);
    }
    if (folder == NULL) {
        g_test_skip("no corpus beside the checkout");
        return;
    }
    names = golden_list(folder, ".sxp");
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text = golden_read(folder, names->pdata[i], ".sxp");
        g_autoptr(GPtrArray) natives = parse(text, names->pdata[i]);
        g_autoptr(GString) report = g_string_new(NULL);
        g_autoptr(ConfDomain) def = convert(natives->pdata[0], report);
        g_autofree char *xml G_GNUC_UNUSED = golden_format_xml(def, names->pdata[i]);
        g_autofree char *back = write_back(def, report);

        check_settled(back);
    }
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = golden_folder("sxp");
    g_autoptr(GPtrArray) names = golden_list(folder, ".sxp");

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat("/golden/sxp/", names->pdata[i], NULL);

        g_test_add_data_func(path, names->pdata[i], test_case);
    }
    g_test_add_data_func("/golden/sxp-corpus", NULL, test_corpus);
    return g_test_run();
}
