/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No key is lost in silence. Each key of key-samples.h is added to a config that is fine without
 * it: either the domXML differs and the key comes back with its value, or the report names it.
 * docs/KEYS.md shows the same table to people; HV_TEST_REGENERATE=1 writes it.
 */
#include "key-samples.h"
#include "sxp-samples.h"

#include <conf/conf-cfg.h>
#include <string.h>

/* What the lists of keys count; a key more or less is a decision, not an accident. */
#define N_XL_KEYS 172
#define N_XM_KEYS 127
/* Paths of xend's S-expressions, both dialects, in sxp-paths.tsv. */
#define N_SXP_PATHS 226

typedef struct Result {
    ConfDomain *def;
    ConfReport *report;
    ConfNative *native; /* belongs to natives */
    GPtrArray *natives;
    char *xml;
} Result;

static void
result_clear(Result *result)
{
    g_clear_pointer(&result->def, conf_domain_unref);
    g_clear_pointer(&result->report, conf_report_free);
    g_clear_pointer(&result->natives, g_ptr_array_unref);
    g_clear_pointer(&result->xml, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Result, result_clear)

/* Not asserted: a sample that is refused is shown with its text. */
static bool
convert(ConfFormat format, const char *text, Result *ret)
{
    g_autoptr(GError) error = NULL;

    ret->natives = conf_native_parse(format, text, (gssize)strlen(text), "f.cfg", NULL, &error);
    if (ret->natives) {
        ret->native = g_ptr_array_index(ret->natives, 0);
        ret->report = conf_report_new("f.cfg");
        ret->def = conf_domain_from_native(ret->native, ret->report, &error);
    }
    if (ret->def) {
        ret->xml = conf_domain_format_xml(ret->def, CONF_XML_SECURE);
        return true;
    }
    g_test_message("%s", error->message);
    return false;
}

/* With what every guest gets at define: the mouse beside a display need not be said. */
static char *
defined_xml(const ConfDomain *def)
{
    g_autoptr(ConfDomain) copy = conf_domain_copy(def);

    copy->uuid_set = true; /* else a new one each time */
    if (copy->genid && *copy->genid == '\0')
        conf_set_string(&copy->genid, NULL);
    conf_domain_fill_defaults(copy);
    return conf_domain_format_xml(copy, CONF_XML_SECURE);
}

static void
check_same(const Result *again, const Result *with)
{
    g_autofree char *found = defined_xml(again->def), *expected = defined_xml(with->def);

    g_assert_cmpstr(found, ==, expected);
}

static char *
key_of(const Sample *sample)
{
    return g_strndup(sample->text, strcspn(sample->text, " ="));
}

static bool
is_key(const char *key, const char *of)
{
    return g_str_equal(key, of);
}

/* The config around the key. It says neither of the keys that it would have to say twice. */
static char *
base_config(const Sample *sample, ConfFormat format)
{
    g_autofree char *key = key_of(sample);
    GString *text = g_string_new(sample->context);
    bool hvm = g_str_equal(sample->guest, "hvm");

    if (!is_key(key, "name"))
        g_string_append(text, "name = 'base'\n");
    if (!is_key(key, "uuid"))
        g_string_append(text, "uuid = '00000000-0000-4000-8000-000000000001'\n");
    if (!is_key(key, "memory") && !strstr(sample->context, "memory = "))
        g_string_append(text, "memory = 64\n");
    if (format == CONF_FORMAT_XL && *sample->guest)
        g_string_append_printf(text, "type = '%s'\n", sample->guest);
    if (format == CONF_FORMAT_XM && hvm)
        g_string_append(text, "builder = 'hvm'\n");
    if (*sample->guest && !hvm && !is_key(key, "kernel"))
        g_string_append(text, "kernel = '/k'\n");
    return g_string_free(text, FALSE);
}

/* ---- the report ---- */

static bool
is_about(const ConfReportRow *row, const char *key)
{
    size_t len = strlen(key);

    return strncmp(row->path, key, len) == 0 && strchr("[/.", row->path[len]);
}

static const ConfReportRow *
find_row(const ConfReport *report, const char *key, ConfOutcome outcome)
{
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = g_ptr_array_index(report->rows, i);

        if (row->outcome == outcome && is_about(row, key))
            return row;
    }
    return NULL;
}

static bool
is_named(const ConfReport *report, const char *key, ConfOutcome outcome)
{
    const ConfReportRow *row = find_row(report, key, outcome);

    if (row == NULL)
        return false;
    g_assert_cmpuint(row->line, >, 0);
    if (outcome == CONF_OUTCOME_LOST || outcome == CONF_OUTCOME_CHANGED) {
        g_assert_nonnull(row->reason);
        g_assert_cmpstr(row->reason, !=, "unknown key");
    }
    return true;
}

/* ---- values that mean the same ---- */

static bool
same_text(const char *a, const char *b)
{
    int64_t x, y;
    bool p, q;

    if (g_ascii_strcasecmp(a, b) == 0)
        return true;
    if (cfg_parse_int(a, &x) && cfg_parse_int(b, &y))
        return x == y;
    return cfg_parse_bool(a, &p) && cfg_parse_bool(b, &q) && p == q;
}

/* A string and a list of that string alone are one thing in both formats; blanks behind the commas
 * of a device, and the order of its words, say nothing. */
static int
compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
canonical(const ConfNode *node)
{
    GString *out = g_string_new(NULL);

    if (node->items) {
        for (guint i = 0; i < node->items->len; i++) {
            g_autofree char *item = canonical(g_ptr_array_index(node->items, i));

            g_string_append_printf(out, "%s%s", i ? " | " : "", item);
        }
        return g_string_free(out, FALSE);
    }
    g_auto(GStrv) words = g_strsplit(node->text ? node->text : "", ",", 0);
    for (char **word = words; *word; word++)
        g_strstrip(*word);
    if (strchr(node->text ? node->text : "", '='))
        qsort(words, g_strv_length(words), sizeof *words, compare_words);
    g_string_free(out, TRUE);
    return g_strjoinv(",", words);
}

static bool
same_value(const ConfNode *a, const ConfNode *b)
{
    g_autofree char *x = canonical(a), *y = canonical(b);

    return same_text(x, y);
}

/* ---- one sample ---- */

typedef struct Case {
    const Sample *sample;
    ConfFormat format;
} Case;

static char *
write_back(const Case *c, const ConfDomain *def, char **ret_losses)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("(domain)");
    char *text = conf_domain_to_native(def, c->format, report, &error);

    g_assert_no_error(error);
    *ret_losses = conf_report_format_text(report, false);
    return text;
}

static void
check_back(const Case *c, const Result *with)
{
    const Sample *sample = c->sample;
    g_autofree char *key = key_of(sample), *losses = NULL;
    g_autofree char *text = write_back(c, with->def, &losses);
    g_auto(Result) again = { 0 };

    g_test_message("written again: %s%s", text, losses);
    g_assert_cmpstr(losses, ==, "");
    if (!convert(c->format, text, &again)) {
        g_test_fail();
        return;
    }
    check_same(&again, with);
    if (sample->back) {
        g_assert_nonnull(strstr(text, sample->back));
        return;
    }
    const ConfNode *node = conf_node_find(again.native->root, key);
    g_assert_nonnull(node);
    g_assert_true(node && same_value(conf_node_find(with->native->root, key), node));
}

static void
test_sample(gconstpointer data)
{
    const Case *c = data;
    const Sample *sample = c->sample;
    g_autofree char *key = key_of(sample);
    g_autofree char *base = base_config(sample, c->format);
    g_autofree char *text = g_strconcat(base, sample->text, "\n", NULL);
    g_auto(Result) without = { 0 }, with = { 0 };

    g_test_message("%s", text);
    if (!convert(c->format, text, &with)) {
        g_test_fail();
        return;
    }
    g_autofree char *rows = conf_report_format_text(with.report, true);
    g_test_message("%s%s", rows, with.xml);
    bool same = convert(c->format, base, &without) && g_str_equal(without.xml, with.xml);

    switch (sample->fate) {
    case FATE_CARRIED:
    case FATE_AS:
        g_assert_false(same);
        g_assert_false(is_named(with.report, key, CONF_OUTCOME_LOST));
        g_assert_false(is_named(with.report, key, CONF_OUTCOME_CHANGED));
        break;
    case FATE_SAYS:
        g_assert_true(same);
        g_assert_false(is_named(with.report, key, CONF_OUTCOME_LOST));
        break;
    case FATE_CHANGED:
        g_assert_true(is_named(with.report, key, CONF_OUTCOME_CHANGED));
        if (sample->back == NULL)
            return; /* nothing of the definition */
        break;
    case FATE_LOST:
        g_assert_true(is_named(with.report, key, CONF_OUTCOME_LOST));
        return;
    case FATE_DEFAULT:
        g_assert_true(is_named(with.report, key, CONF_OUTCOME_DEFAULT));
        g_assert_true(same || without.xml == NULL);
        return;
    case FATE_READ:
    case FATE_RUNTIME:
    case FATE_EVERY:
    case FATE_UNKNOWN:
        g_assert_not_reached(); /* of sxp alone */
    }
    check_back(c, &with);
}

/* ---- S-expressions ---- */

/* The first node at "a/b/c"; each of several devices is looked into. */
static ConfNode *
find_path(ConfNode *root, const char *path)
{
    size_t len = strcspn(path, "/");

    for (guint i = 0; root->items && i < root->items->len; i++) {
        ConfNode *item = g_ptr_array_index(root->items, i), *found;

        if (item->key == NULL || strncmp(item->key, path, len) != 0 || item->key[len] != '\0')
            continue;
        found = path[len] ? find_path(item, path + len + 1) : item;
        if (found)
            return found;
    }
    return NULL;
}

static char *
in_frame(const Sample *sample, const char *text)
{
    const char *hole = strstr(sample->guest, "%s");

    return g_strdup_printf("%.*s%s%s", (int)(hole - sample->guest), sample->guest, text, hole + 2);
}

static void
check_sxp_back(const Case *c, const Result *with)
{
    const Sample *sample = c->sample;
    g_autofree char *losses = NULL;
    g_autofree char *text = write_back(c, with->def, &losses);
    g_auto(Result) again = { 0 };

    g_test_message("written again: %s%s", text, losses);
    g_assert_cmpstr(losses, ==, "");
    if (!convert(c->format, text, &again)) {
        g_test_fail();
        return;
    }
    check_same(&again, with);
    if (sample->back) {
        g_assert_nonnull(strstr(text, sample->back));
        return;
    }
    const ConfNode *node = find_path(again.native->root, sample->context);
    g_assert_nonnull(node);
    g_assert_true(node && same_value(find_path(with->native->root, sample->context), node));
}

static void
test_sxp_sample(gconstpointer data)
{
    const Case *c = data;
    const Sample *sample = c->sample;
    const char *path = sample->context;
    g_autofree char *base = in_frame(sample, ""), *text = in_frame(sample, sample->text);
    g_auto(Result) without = { 0 }, with = { 0 };

    g_test_message("%s", text);
    if (!convert(c->format, text, &with)) {
        g_test_fail();
        return;
    }
    g_autofree char *rows = conf_report_format_text(with.report, true);
    g_test_message("%s%s", rows, with.xml);
    bool same = convert(c->format, base, &without) && g_str_equal(without.xml, with.xml);
    const ConfReportRow *unknown = find_row(with.report, path, CONF_OUTCOME_LOST);

    switch (sample->fate) {
    case FATE_READ:
    case FATE_CARRIED:
    case FATE_AS:
        g_assert_false(same);
        g_assert_false(is_named(with.report, path, CONF_OUTCOME_LOST));
        g_assert_false(is_named(with.report, path, CONF_OUTCOME_CHANGED));
        if (sample->fate == FATE_READ)
            return;
        break;
    case FATE_SAYS:
        g_assert_true(same);
        g_assert_false(is_named(with.report, path, CONF_OUTCOME_LOST));
        break;
    case FATE_CHANGED:
        g_assert_true(is_named(with.report, path, CONF_OUTCOME_CHANGED));
        if (sample->back == NULL)
            return; /* what became of it is nothing that xend had words for */
        break;
    case FATE_LOST:
        g_assert_true(is_named(with.report, path, CONF_OUTCOME_LOST));
        return;
    case FATE_DEFAULT:
        g_assert_true(is_named(with.report, path, CONF_OUTCOME_DEFAULT));
        return;
    case FATE_RUNTIME:
        g_assert_true(same);
        g_assert_true(is_named(with.report, path, CONF_OUTCOME_RUNTIME));
        return;
    case FATE_EVERY:
        g_assert_true(find_row(with.report, path, CONF_OUTCOME_DEFAULT) ||
                      find_row(with.report, path, CONF_OUTCOME_RUNTIME) ||
                      find_row(with.report, path, CONF_OUTCOME_CARRIED));
        g_assert_null(unknown);
        return;
    case FATE_UNKNOWN:
        g_assert_cmpstr(unknown ? unknown->reason : "silent", ==, "unknown key");
        return;
    }
    check_sxp_back(c, &with);
}

/* ---- all of them ---- */

static bool
is_for(const Sample *sample, ConfFormat format)
{
    return strstr(sample->keys, format == CONF_FORMAT_XL ? "xl" : "xm");
}

static bool
has_sample(const char *key, ConfFormat format)
{
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *name = key_of(&samples[i]);

        if (is_for(&samples[i], format) && g_str_equal(name, key))
            return true;
    }
    return false;
}

static void
test_complete(void)
{
    g_autoptr(GHashTable) xl = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) xm = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (size_t i = 0; i < cfg_n_keys; i++) {
        g_test_message("%s", cfg_keys[i].name);
        g_assert_true(!(cfg_keys[i].who & CFG_XL) || has_sample(cfg_keys[i].name, CONF_FORMAT_XL));
        g_assert_true(!(cfg_keys[i].who & CFG_XM) || has_sample(cfg_keys[i].name, CONF_FORMAT_XM));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *key = key_of(&samples[i]);

        /* No key of xl, but the stock driver writes it. */
        if (is_for(&samples[i], CONF_FORMAT_XL) && !g_str_equal(key, "bootargs"))
            g_hash_table_add(xl, g_strdup(key));
        if (is_for(&samples[i], CONF_FORMAT_XM))
            g_hash_table_add(xm, g_strdup(key));
    }
    g_assert_cmpuint(g_hash_table_size(xl), ==, N_XL_KEYS);
    g_assert_cmpuint(g_hash_table_size(xm), ==, N_XM_KEYS);
}

/* ---- the tables of names, line by line ---- */

typedef struct Listed {
    char *name, *fate;
    ConfFormat format;
} Listed;

static void
listed_free(void *data)
{
    Listed *row = data;

    g_free(row->name);
    g_free(row->fate);
    g_free(row);
}

/* "device/vbd/uname" is sampled below any kind of image and device that reads by the same rows. */
static bool
is_sample_of(const Listed *row, const Sample *sample)
{
    g_autofree char *key = NULL;
    size_t len = strlen(row->name);

    if (row->format == CONF_FORMAT_SXP)
        return strncmp(sample->context, row->name, len) == 0 &&
               (sample->context[len] == '\0' || sample->context[len] == '/') &&
               sample->fate != FATE_UNKNOWN;
    key = key_of(sample);
    return is_for(sample, row->format) && g_str_equal(key, row->name);
}

static const char *
fate_of(const Listed *row)
{
    bool sxp = row->format == CONF_FORMAT_SXP, runtime = false, lost = false;
    const Sample *all = sxp ? sxp_samples : samples;

    for (size_t i = 0; i < (sxp ? G_N_ELEMENTS(sxp_samples) : G_N_ELEMENTS(samples)); i++) {
        if (!is_sample_of(row, &all[i]))
            continue;
        runtime |= all[i].fate == FATE_RUNTIME || all[i].fate == FATE_DEFAULT ||
                   all[i].fate == FATE_EVERY;
        lost |= all[i].fate == FATE_LOST;
        if (all[i].fate <= FATE_CHANGED)
            return "carried";
    }
    return lost ? "reported" : runtime ? "runtime" : "without a sample";
}

static void
test_listed(gconstpointer data)
{
    const Listed *row = data;

    g_assert_cmpstr(fate_of(row), ==, row->fate);
}

/* One case for each line "NAME<tab>FATE"; `expected` is how many there are. */
static void
add_listed(const char *file, ConfFormat format, unsigned expected)
{
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *path = g_build_filename(source ? source : ".", "tests", "unit", "conf", file,
                                             NULL);
    g_autofree char *text = NULL;
    unsigned count = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, "\t", 2);
        Listed *row;

        if (**line == '#' || g_strv_length(fields) != 2)
            continue;
        row = g_new(Listed, 1);
        *row = (Listed){ g_strdup(fields[0]), g_strdup(fields[1]), format };
        g_autofree char *test = g_strdup_printf(
            "/conf/keys/listed/%s/%s", format == CONF_FORMAT_SXP ? "sxp" : "xm", fields[0]);
        g_test_add_data_func_full(test, row, test_listed, listed_free);
        count++;
    }
    g_assert_cmpuint(count, ==, expected);
}

static void
add_sxp_cases(void)
{
    static Case cases[G_N_ELEMENTS(sxp_samples)];

    for (size_t i = 0; i < G_N_ELEMENTS(sxp_samples); i++) {
        g_autofree char *path = g_strdup_printf("/conf/keys/sxp/%s/%zu", sxp_samples[i].context, i);

        cases[i] = (Case){ &sxp_samples[i], CONF_FORMAT_SXP };
        g_test_add_data_func(path, &cases[i], test_sxp_sample);
    }
}

/* ---- the page ---- */

#define MAX_SHOWN 3 /* lines of domXML in one row */

/* The lines that the key brought. */
static void
append_new_lines(GString *page, const Result *with, const Result *without)
{
    g_auto(GStrv) lines = g_strsplit(with->xml, "\n", -1);
    g_auto(GStrv) before = g_strsplit(without->xml ? without->xml : "", "\n", -1);
    unsigned n = 0;

    for (char **line = lines; *line && without->xml; line++) {
        if (**line == '\0' || g_strv_contains((const char *const *)before, *line) ||
            strstr(*line, " </"))
            continue;
        if (++n > MAX_SHOWN)
            continue;
        g_string_append_printf(page, "%s`%s`", n > 1 ? " " : "", g_strstrip(*line));
    }
    if (n > MAX_SHOWN)
        g_string_append(page, " ...");
    if (n == 0)
        g_string_append(page, "carried");
}

static void
append_reason(GString *page, const Result *with, const char *key, ConfOutcome outcome,
              const char *word)
{
    const ConfReportRow *row = find_row(with->report, key, outcome);

    g_string_append(page, word);
    if (row && row->reason)
        g_string_append_printf(page, ": %s", row->reason);
}

static void
append_sample(GString *page, const Sample *sample, ConfFormat format, const char *key,
              const char *base, const char *text)
{
    g_auto(Result) without = { 0 }, with = { 0 };
    g_auto(GStrv) pieces = g_strsplit(sample->text, "|", -1);
    g_autofree char *shown = g_strjoinv("\\|", pieces);

    if (!convert(format, text, &with)) {
        g_test_fail();
        return;
    }
    convert(format, base, &without);
    g_string_append_printf(page, "| `%s` | ", shown);
    if (sample->fate == FATE_LOST)
        append_reason(page, &with, key, CONF_OUTCOME_LOST, "**lost**");
    else if (sample->fate == FATE_DEFAULT)
        append_reason(page, &with, key, CONF_OUTCOME_DEFAULT, "says what holds anyway");
    else if (sample->fate == FATE_RUNTIME)
        g_string_append(page, "state of a running domain");
    else
        append_new_lines(page, &with, &without);
    if (sample->fate == FATE_CHANGED)
        append_reason(page, &with, key, CONF_OUTCOME_CHANGED, "; **changed**");
    g_string_append(page, " |\n");
}

static void
append_table(GString *page, const char *title, ConfFormat format)
{
    g_string_append_printf(
        page, "\n## %s\n\n| in the config | in the domain XML |\n| --- | --- |\n", title);
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        const Sample *sample = &samples[i];
        g_autofree char *key = key_of(sample);
        g_autofree char *base = base_config(sample, format);
        g_autofree char *text = g_strconcat(base, sample->text, "\n", NULL);

        if (is_for(sample, format))
            append_sample(page, sample, format, key, base, text);
    }
}

static void
append_sxp_table(GString *page)
{
    g_string_append(page,
                    "\n## xen-sxpr\n\n| in the config | in the domain XML |\n| --- | --- |\n");
    for (size_t i = 0; i < G_N_ELEMENTS(sxp_samples); i++) {
        const Sample *sample = &sxp_samples[i];
        g_autofree char *base = in_frame(sample, ""), *text = in_frame(sample, sample->text);

        if (sample->fate != FATE_UNKNOWN && sample->fate != FATE_EVERY)
            append_sample(page, sample, CONF_FORMAT_SXP, sample->context, base, text);
    }
}

/* docs/KEYS.md shows what the converters do, and not what somebody once wrote down. */
static void
test_page(void)
{
    g_autoptr(GString) page = g_string_new(
        "# What becomes of each key\n\n"
        "Each row was converted by xen2libvirt's own code: `HV_TEST_REGENERATE=1 meson test -C "
        "build "
        "test-keys` writes\nthis page out of tests/unit/conf/key-samples.h and sxp-samples.h, and "
        "the test fails when it is not current.\nThe lines of domain XML are those that the key "
        "adds to a small domain of its kind.\n");
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *path = g_build_filename(source ? source : ".", "docs", "KEYS.md", NULL);
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;

    append_table(page, "xen-xl", CONF_FORMAT_XL);
    append_table(page, "xen-xm", CONF_FORMAT_XM);
    append_sxp_table(page);
    if (g_strcmp0(g_getenv("HV_TEST_REGENERATE"), "1") == 0)
        g_file_set_contents(path, page->str, -1, &error);
    else
        g_file_get_contents(path, &found, NULL, &error);
    g_assert_no_error(error);
    if (found)
        g_assert_cmpstr(found, ==, page->str);
}

/* A key that one of the two alone knows tells whose the file is, and two against one win. */
static void
test_detect(void)
{
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const char *key = cfg_keys[i].name;
        bool xl = has_sample(key, CONF_FORMAT_XL), xm = has_sample(key, CONF_FORMAT_XM);
        g_autofree char *text = g_strdup_printf("name = 'a'\n%s = '1'\n", key);

        g_test_message("%s", key);
        if (!xl || !xm)
            g_assert_cmpint(conf_format_detect(text, strlen(text)), ==,
                            xl ? CONF_FORMAT_XL : CONF_FORMAT_XM);
        else if (!g_str_equal(key, "device_model")) /* xl warns of it and ignores it */
            g_assert_cmpint(conf_format_detect(text, strlen(text)), ==, CONF_FORMAT_XL);
    }
}

int
main(int argc, char **argv)
{
    static Case cases[2 * G_N_ELEMENTS(samples)];
    static const ConfFormat formats[] = { CONF_FORMAT_XL, CONF_FORMAT_XM };
    size_t n = 0;

    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions(); /* one run shows all keys that are wrong */
    g_test_add_func("/conf/keys/complete", test_complete);
    g_test_add_func("/conf/keys/detect", test_detect);
    g_test_add_func("/conf/keys/page", test_page);
    for (size_t f = 0; f < G_N_ELEMENTS(formats); f++) {
        for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
            g_autofree char *key = key_of(&samples[i]);

            if (!is_for(&samples[i], formats[f]))
                continue;
            g_autofree char *path = g_strdup_printf(
                "/conf/keys/%s/%s/%zu", formats[f] == CONF_FORMAT_XL ? "xl" : "xm", key, i);
            cases[n] = (Case){ &samples[i], formats[f] };
            g_test_add_data_func(path, &cases[n++], test_sample);
        }
    }
    add_sxp_cases();
    add_listed("xm-keys.tsv", CONF_FORMAT_XM, N_XM_KEYS);
    add_listed("sxp-paths.tsv", CONF_FORMAT_SXP, N_SXP_PATHS);
    return g_test_run();
}
