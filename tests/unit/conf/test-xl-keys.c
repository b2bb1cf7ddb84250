/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each key of xl by name, both directions, with libxlutil as the judge: xl-keys.tsv has a row a
 * key. The value is read, stands in domXML where the row says, is written back, and xl reads the
 * same out of it as out of the config that was read. What xl itself ignores is in the report.
 */
#include "xl-judge.h"

#include <conf/conf-cfg.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

#define N_KEYS    172
#define N_COLUMNS 7
#define N_CONFIGS 1500

typedef struct Row {
    char **columns;
    const char *key, *home, *guest, *value, *back, *beside;
} Row;

static GPtrArray *rows;

static void
row_free(gpointer data)
{
    Row *row = data;

    g_strfreev(row->columns);
    g_free(row);
}

static void
load_rows(void)
{
    g_autofree char *path = g_build_filename(g_getenv("XLVIRT_SOURCE"), "tests", "unit", "conf",
                                             "xl-keys.tsv", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    rows = g_ptr_array_new_with_free_func(row_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line == '\0' || **line == '#')
            continue;
        Row *row = g_new0(Row, 1);
        char **c = row->columns = g_strsplit(*line, "\t", -1);
        g_test_message("%s", *line);
        g_assert_cmpuint(g_strv_length(c), ==, N_COLUMNS);
        *row = (Row){ c, c[0], c[2], c[3], c[4], c[5], c[6] };
        g_ptr_array_add(rows, row);
    }
}

/* ---- one conversion there ---- */

typedef struct Result {
    GPtrArray *natives;
    ConfReport *report;
    ConfDomain *def;
    char *xml;
} Result;

static void
result_clear(Result *result)
{
    g_clear_pointer(&result->natives, g_ptr_array_unref);
    g_clear_pointer(&result->report, conf_report_free);
    g_clear_pointer(&result->def, conf_domain_unref);
    g_clear_pointer(&result->xml, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Result, result_clear)

static void
convert(const char *text, Result *ret)
{
    g_autoptr(GError) error = NULL;

    ret->natives = conf_native_parse(CONF_FORMAT_XL, text, strlen(text), "f.cfg", NULL, &error);
    g_assert_no_error(error);
    ret->report = conf_report_new("f.cfg");
    ret->def = conf_domain_from_native(ret->natives->pdata[0], ret->report, &error);
    g_assert_no_error(error);
    ret->xml = conf_domain_format_xml(ret->def, CONF_XML_SECURE);
}

/* What the home of the key has, as text; NULL: it is not there. */
static char *
at_home(const char *xml, const Row *row)
{
    g_autofree char *carried = g_strdup_printf("metadata/*/*[@name='%s']", row->key);
    g_autofree char *path = g_strdup_printf(
        "/domain/%s", g_str_equal(row->home, "metadata") ? carried : row->home);
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NOBLANKS);
    xmlXPathContext *context = xmlXPathNewContext(doc);
    xmlXPathObject *found = xmlXPathEvalExpression(BAD_CAST path, context);
    xmlBuffer *out = xmlBufferCreate();

    g_assert_nonnull(found);
    for (int i = 0; found->nodesetval && i < found->nodesetval->nodeNr; i++)
        xmlNodeDump(out, doc, found->nodesetval->nodeTab[i], 0, 0);
    char *text = found->nodesetval && found->nodesetval->nodeNr > 0
                     ? g_strdup((const char *)xmlBufferContent(out))
                     : NULL;
    xmlBufferFree(out);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(doc);
    return text;
}

/* ---- and back ---- */

static char *
write_back(const ConfDomain *def)
{
    g_autoptr(ConfReport) report = conf_report_new("(domain)");
    g_autoptr(GError) error = NULL;
    char *text = conf_domain_to_native(def, CONF_FORMAT_XL, report, &error);

    g_assert_no_error(error);
    g_autofree char *losses = conf_report_format_text(report, false);
    g_assert_cmpstr(losses, ==, "");
    return text;
}

/* Numbers are what they are in any base. */
static void
assert_same(const char *found, const char *expected)
{
    int64_t a, b;

    if (found && expected && cfg_parse_int(found, &a) && cfg_parse_int(expected, &b))
        g_assert_cmpint(a, ==, b);
    else
        g_assert_cmpstr(found, ==, expected);
}

static void
check_back(const Row *row, const char *input, const char *output)
{
    bool same = g_str_equal(row->back, "same");
    const char *expected_text = same ? input : row->back;
    g_autofree char *key = same ? g_strdup(row->key)
                                : g_strndup(row->back, strcspn(row->back, " ="));
    g_auto(XlJudge) before = { NULL }, after = { NULL };

    g_test_message("written: %s", output);
    xl_judge_init(&before, expected_text, strlen(expected_text));
    xl_judge_init(&after, output, strlen(output));
    g_assert_true(before.readable);
    g_assert_true(after.readable);
    g_autofree char *expected = xl_judge_value(&before, key);
    g_autofree char *found = xl_judge_value(&after, key);
    g_assert_nonnull(expected);
    g_assert_null(strstr(expected, "refused"));
    assert_same(found, expected);
    g_assert_cmpstr(xl_judge_complaint(&after), ==, "");
}

static char *
base_config(const Row *row)
{
    static const char *const keys[] = { "name", "uuid", "memory", "kernel" };
    static const char *const lines[] = { "name = 'base'",
                                         "uuid = '00000000-0000-4000-8000-000000000001'",
                                         "memory = 64", "kernel = '/k'" };
    GString *text = g_string_new(row->beside);

    g_string_append_c(text, '\n');
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        bool kernel = g_str_equal(keys[i], "kernel");
        bool bare = *row->guest == '\0' || g_str_equal(row->guest, "hvm");

        if (!g_str_equal(row->key, keys[i]) && strstr(row->beside, keys[i]) == NULL &&
            !(kernel && bare))
            g_string_append_printf(text, "%s\n", lines[i]);
    }
    if (*row->guest)
        g_string_append_printf(text, "type = '%s'\n", row->guest);
    return g_string_free(text, FALSE);
}

static const ConfReportRow *
find_lost(const ConfReport *report, const char *key)
{
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];
        size_t len = strlen(key);

        if (row->outcome == CONF_OUTCOME_LOST && strncmp(row->path, key, len) == 0 &&
            strchr("[.", row->path[len]))
            return row;
    }
    return NULL;
}

static void
test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *base = base_config(row);
    g_autofree char *text = g_strdup_printf("%s%s = %s\n", base, row->key, row->value);
    g_auto(Result) with = { NULL }, without = { NULL };

    g_test_message("%s", text);
    convert(text, &with);
    g_test_message("%s", with.xml);
    const ConfReportRow *lost = find_lost(with.report, row->key);
    if (g_str_equal(row->home, "none")) {
        g_assert_nonnull(lost);
        g_assert_cmpstr(lost->reason, !=, "unknown key");
        return;
    }
    g_assert_null(lost);
    g_autofree char *here = at_home(with.xml, row);
    if (!g_str_equal(row->key, "name")) { /* no domain is without one */
        convert(base, &without);
        g_autofree char *before = at_home(without.xml, row);
        g_assert_cmpstr(here, !=, before);
    } else
        g_assert_nonnull(here);
    g_autofree char *output = write_back(with.def);
    check_back(row, text, output);
    /* A fixed point: what was written once is written so again. */
    g_auto(Result) again = { NULL };
    convert(output, &again);
    g_autofree char *once_more = write_back(again.def);
    g_assert_cmpstr(once_more, ==, output);
}

/* ---- all together ---- */

/* Any keys beside each other: the last value of a key counts, and many mean nothing to the guest.
 */
static char *
random_config(GRand *rand)
{
    static const char *const guests[] = { "pv", "hvm", "pvh" };
    GString *text = g_string_new("kernel = '/k'\n");

    for (int n = g_rand_int_range(rand, 1, 40); n > 0; n--) {
        const Row *row = rows->pdata[g_rand_int_range(rand, 0, (gint32)rows->len)];

        g_string_append_printf(text, "%s\n%s = %s\n", row->beside, row->key, row->value);
    }
    g_string_append_printf(text, "name = 'all'\ntype = '%s'\nvcpus = 2\nmaxvcpus = 8\n",
                           guests[g_rand_int_range(rand, 0, 3)]);
    return g_string_free(text, FALSE);
}

static void
test_together(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);

    for (int i = 0; i < N_CONFIGS; i++) {
        g_autofree char *text = random_config(rand);
        g_auto(Result) first = { NULL }, second = { NULL };
        g_auto(XlJudge) judge = { NULL };

        g_test_message("%s", text);
        convert(text, &first);
        if (first.def == NULL)
            continue;
        g_autofree char *written = write_back(first.def);
        g_test_message("written: %s", written);
        xl_judge_init(&judge, written, strlen(written));
        g_assert_true(judge.readable);
        convert(written, &second);
        g_autofree char *once_more = write_back(second.def);
        g_assert_cmpstr(once_more, ==, written);
        /* What vfb= of an HVM domain says comes back at the top level, where it is for SPICE, too.
         */
        if (first.def->os.type != CONF_OS_HVM || strstr(text, "vfb = ") == NULL)
            g_assert_cmpstr(second.xml, ==, first.xml);
        if (g_test_failed())
            return; /* one is enough to look at */
    }
}

/* Each key of our table has its row, and each row its key. */
static void
test_complete(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rows->len; i++)
        g_assert_true(g_hash_table_add(names, (char *)((Row *)rows->pdata[i])->key));
    g_assert_cmpuint(g_hash_table_size(names), ==, N_KEYS);
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const CfgKey *key = &cfg_keys[i];

        if ((key->who & CFG_XL) && !g_str_equal(key->name, "bootargs")) /* stock's own */
            g_assert_true(g_hash_table_remove(names, key->name));
    }
    g_assert_cmpuint(g_hash_table_size(names), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions(); /* one run shows all keys that are wrong */
    load_rows();
    g_test_add_func("/conf/xl-keys/complete", test_complete);
    g_test_add_func("/conf/xl-keys/together", test_together);
    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *path = g_strdup_printf("/conf/xl-keys/%s", ((Row *)rows->pdata[i])->key);

        g_test_add_data_func(path, rows->pdata[i], test_row);
    }
    int rc = g_test_run();
    g_ptr_array_unref(rows);
    xmlCleanupParser();
    return rc;
}
