/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every definition of the golden files, whatever it is golden for, written as xm and as sxp:
 *   - what was written can be read; written and read again it is the same domain: a fixed point;
 *   - where the report names no loss, what was read says all that the definition said;
 *   - an xm config is plain Python, of today too: names and literals, nothing else.
 */
#include "golden.h"

#include <conf/conf-private.h>

#include <glib/gstdio.h>
#include <string.h>

static const char *const folders[] = { "domxml", "xl", "xm", "sxp", "libxl", "old-host" };

typedef struct Case {
    char *name, *path;
    ConfFormat format;
} Case;

static GPtrArray *xm_files; /* of what was written, for Python */
static unsigned n_whole;    /* definitions that lost nothing on the way */

static void
case_free(gpointer data)
{
    Case *c = data;

    g_free(c->name);
    g_free(c->path);
    g_free(c);
}

static ConfDomain *
read_back(const Case *c, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("again");
    g_autoptr(GPtrArray)
        natives = conf_native_parse(c->format, text, (gssize)strlen(text), "again", NULL, &error);
    ConfDomain *def = NULL;

    if (natives != NULL)
        def = conf_domain_from_native(natives->pdata[0], report, &error);
    if (def == NULL)
        g_test_message("%s\n%s", text, error->message);
    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 1);
    return def;
}

/* As the driver would keep it. */
static char *
defined_xml(const ConfDomain *def)
{
    g_autoptr(ConfDomain) copy = conf_domain_copy(def);

    copy->uuid_set = true; /* else a new one each time */
    conf_domain_fill_defaults(copy);
    return conf_domain_format_xml(copy, CONF_XML_SECURE | CONF_XML_INACTIVE);
}

/* The second text is the same domain as the first. */
static void
check_same(const Case *c, const ConfDomain *def, const char *again)
{
    g_autoptr(ConfDomain) back = read_back(c, again);
    g_autofree char *expected = defined_xml(def), *found = back != NULL ? defined_xml(back) : NULL;

    if (found != NULL)
        golden_compare("read twice", expected, found);
}

static bool
tells_nothing(const ConfReport *report)
{
    return conf_report_count(report, CONF_OUTCOME_LOST) == 0 &&
           conf_report_count(report, CONF_OUTCOME_CHANGED) == 0;
}

/* Written once more, nothing is named that was not named before. */
static void
check_no_more(const ConfReport *first, const ConfReport *second)
{
    for (guint i = 0; i < second->rows->len; i++) {
        const ConfReportRow *row = second->rows->pdata[i];
        bool found = row->outcome != CONF_OUTCOME_LOST && row->outcome != CONF_OUTCOME_CHANGED;

        for (guint k = 0; k < first->rows->len && !found; k++)
            found = g_str_equal(((ConfReportRow *)first->rows->pdata[k])->path, row->path);
        if (!found)
            g_test_message("%s: %s", row->path, row->reason);
        g_assert_true(found);
    }
}

static void
keep_for_python(const Case *c, const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_strdup_printf("%s/%s.cfg", g_get_tmp_dir(), c->name);

    for (char *p = path + strlen(g_get_tmp_dir()) + 1; *p != '\0'; p++)
        *p = *p == '/' ? '-' : *p;
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_ptr_array_add(xm_files, path);
}

static void
test_settled(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new(c->name), second = conf_report_new("second");
    g_autoptr(ConfDomain) def = NULL, back = NULL;
    g_autofree char *xml = NULL, *text = NULL, *again = NULL;

    g_assert_true(g_file_get_contents(c->path, &xml, NULL, NULL));
    def = conf_domain_parse_xml(xml, -1, c->name, CONF_XML_NO_UUID_OK, &error);
    if (def == NULL) { /* several.xml has more than one domain in it */
        g_test_skip(error->message);
        return;
    }
    text = conf_domain_to_native(def, c->format, report, &error);
    if (g_error_matches(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED)) {
        g_test_skip(error->message); /* PVH, which neither knew */
        return;
    }
    g_assert_no_error(error);
    if (text == NULL)
        return;
    if (c->format == CONF_FORMAT_XM)
        keep_for_python(c, text);

    back = read_back(c, text);
    if (back == NULL)
        return;
    again = conf_domain_to_native(back, c->format, second, &error);
    g_assert_no_error(error);
    check_no_more(report, second);
    check_same(c, back, again);
    if (tells_nothing(report)) {
        g_autoptr(ConfReport) unsaid = conf_report_new("in silence");
        g_autofree char *silent = NULL;

        conf_report_unsaid(unsaid, def, back, "lost");
        silent = conf_report_format_text(unsaid, false);
        g_assert_cmpstr(silent, ==, "");
        n_whole++;
    }
}

/* It is no test of a round trip if everything loses something. */
static void
test_some_are_whole(void)
{
    g_test_message("%u definitions came back whole", n_whole);
    g_assert_cmpuint(n_whole, >=, 40);
}

static void
test_python(void)
{
    static const char program[] = "import ast, sys\n"
                                  "for path in sys.argv[1:]:\n"
                                  "    for node in ast.parse(open(path).read(), path).body:\n"
                                  "        assert isinstance(node, ast.Assign), path\n"
                                  "        ast.literal_eval(node.value)\n";
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;
    int status = 0;

    g_assert_cmpuint(xm_files->len, >, 20);
    g_ptr_array_add(argv, (char *)"python3");
    g_ptr_array_add(argv, (char *)"-c");
    g_ptr_array_add(argv, (char *)program);
    for (guint i = 0; i < xm_files->len; i++)
        g_ptr_array_add(argv, xm_files->pdata[i]);
    g_ptr_array_add(argv, NULL);
    g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &output,
                 &status, &error);
    g_assert_no_error(error);
    if (status != 0)
        g_test_message("%s", output);
    g_assert_cmpint(status, ==, 0);
    for (guint i = 0; i < xm_files->len; i++)
        g_assert_cmpint(g_remove(xm_files->pdata[i]), ==, 0);
}

static void
add_cases(const char *folder, ConfFormat format)
{
    g_autofree char *place = golden_folder(folder);
    g_autoptr(GDir) dir = g_dir_open(place, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(name, ".xml"))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, (GCompareFunc)golden_compare_names);
    for (guint i = 0; i < names->len; i++) {
        Case *c = g_new(Case, 1);

        *c = (Case){ g_strdup_printf("%s/%s/%s", conf_format_name(format), folder,
                                     (char *)names->pdata[i]),
                     g_build_filename(place, names->pdata[i], NULL), format };
        g_autofree char *path = g_strconcat("/golden/settled/", c->name, NULL);
        g_test_add_data_func_full(path, c, test_settled, case_free);
    }
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions(); /* one run shows all definitions that are wrong */
    xm_files = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        add_cases(folders[i], CONF_FORMAT_XM);
        add_cases(folders[i], CONF_FORMAT_SXP);
    }
    g_test_add_func("/golden/written/whole", test_some_are_whole);
    g_test_add_func("/golden/written/python", test_python);
    result = g_test_run();
    g_ptr_array_unref(xm_files);
    return result;
}
