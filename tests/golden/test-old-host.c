/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * examples/old-host, the tree that the demo imports: each config converts, its domXML is the one in
 * tests/golden/old-host/NAME.xml and passes libvirt's schema, and what got lost or changed on the
 * way is what NAME.report says.
 */
#include "golden.h"

#include <string.h>

typedef struct Case {
    char *file; /* below the tree, as messages name it */
    char *text;
} Case;

static char *
tree(void)
{
    const char *source = g_getenv("XLVIRT_SOURCE");

    return g_build_filename(source != NULL ? source : ".", "examples", "old-host", NULL);
}

static void
case_free(gpointer data)
{
    Case *one = data;

    g_free(one->file);
    g_free(one->text);
    g_free(one);
}

static Case *
case_new(const char *file)
{
    Case *one = g_new0(Case, 1);
    g_autofree char *root = tree();
    g_autofree char *path = g_build_filename(root, file, NULL);
    g_autoptr(GError) error = NULL;

    one->file = g_strdup(file);
    g_file_get_contents(path, &one->text, NULL, &error);
    g_assert_no_error(error);
    return one;
}

static void
add_cases(GPtrArray *cases, const char *folder, const char *suffix, const char *inside)
{
    g_autofree char *root = tree();
    g_autofree char *path = g_build_filename(root, folder, NULL);
    g_autoptr(GPtrArray) names = golden_list(path, suffix);

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *name = g_strconcat(names->pdata[i], suffix, NULL);
        g_autofree char *file = g_build_filename(folder, name, inside, NULL);

        g_ptr_array_add(cases, case_new(file));
    }
}

static ConfNative *
parse(const Case *one, GPtrArray **ret_natives)
{
    gssize len = (gssize)strlen(one->text);
    g_autoptr(GError) error = NULL;
    ConfFormat format = conf_format_detect(one->text, (gsize)len);

    *ret_natives = conf_native_parse(format, one->text, (gsize)len, one->file, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint((*ret_natives)->len, ==, 1);
    return (*ret_natives)->pdata[0];
}

static ConfDomain *
convert(const Case *one, ConfReport *report)
{
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_from_native(parse(one, &natives), report, &error);

    g_assert_no_error(error);
    return def;
}

static void
test_case(gconstpointer data)
{
    const Case *one = data;
    g_autofree char *folder = golden_folder("old-host");
    g_autoptr(ConfReport) report = conf_report_new(one->file);
    g_autoptr(ConfDomain) def = convert(one, report);
    g_autofree char *xml = golden_format_xml(def, one->file);
    g_autofree char *text = conf_report_format_text(report, false);
    g_autoptr(ConfDomain) filled = conf_domain_copy(def);
    g_autofree char *filled_xml = NULL;

    golden_check(folder, def->name, ".xml", xml);
    golden_check(folder, def->name, ".report", text);
    /* As it is defined, too. */
    conf_domain_fill_defaults(filled);
    filled_xml = golden_format_xml(filled, one->file);
}

static void
add_once(GHashTable *seen, const char *what, const char *file)
{
    if (!g_hash_table_add(seen, g_strdup(what)))
        g_error("%s: %s occurs twice in the tree", file, what);
}

/* One import of the whole tree must not meet the same domain twice. */
static void
test_distinct(gconstpointer data)
{
    const GPtrArray *cases = data;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autoptr(ConfReport) report = conf_report_new(one->file);
        g_autoptr(ConfDomain) def = convert(one, report);
        char uuid[37];

        g_assert_true(def->uuid_set);
        conf_uuid_format(def->uuid, uuid);
        add_once(seen, uuid, one->file);
        add_once(seen, def->name, one->file);
        for (guint k = 0; k < def->interfaces->len; k++)
            add_once(seen, ((ConfInterface *)def->interfaces->pdata[k])->mac, one->file);
        /* xend names the folder after the domain. */
        if (g_str_has_suffix(one->file, "/config.sxp"))
            g_assert_nonnull(strstr(one->file, uuid));
    }
}

static void
test_formats(gconstpointer data)
{
    const GPtrArray *cases = data;
    unsigned counts[CONF_FORMAT_DOMXML + 1] = { 0 };

    for (guint i = 0; i < cases->len; i++) {
        g_autoptr(GPtrArray) natives = NULL;

        counts[parse(cases->pdata[i], &natives)->format]++;
    }
    g_assert_cmpuint(counts[CONF_FORMAT_SXP], ==, 6);
    g_assert_cmpuint(counts[CONF_FORMAT_XM], ==, 2);
    g_assert_cmpuint(counts[CONF_FORMAT_XL], ==, 4);
}

static void
test_autostart(gconstpointer data)
{
    static const char *const links[] = { "10-intranet", "20-resolver" };
    const GPtrArray *cases = data;
    g_autofree char *root = tree();
    unsigned wanted = 0;

    for (guint i = 0; i < cases->len; i++) {
        g_autoptr(GPtrArray) natives = NULL;

        wanted += conf_native_wants_autostart(parse(cases->pdata[i], &natives)) != FALSE;
    }
    g_assert_cmpuint(wanted, ==, 2); /* shop-db, desktop */
    for (gsize i = 0; i < G_N_ELEMENTS(links); i++) {
        g_autofree char *path = g_build_filename(root, "etc/xen/auto", links[i], NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        g_assert_nonnull(target);
        g_assert_true(g_str_has_prefix(target, "../"));
        g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    }
}

/* What lies beside the domains is no domain, and the message tells what it is. */
static void
test_noise(void)
{
    g_autoptr(GError) error = NULL;
    Case *one = case_new("etc/xen/xend-config.sxp");
    g_autoptr(GPtrArray) natives = conf_native_parse(CONF_FORMAT_SXP, one->text, strlen(one->text),
                                                     one->file, NULL, &error);

    case_free(one);
    g_assert_null(natives);
    g_assert_error(error, CONF_ERROR, CONF_ERROR_SYNTAX);
    g_assert_nonnull(strstr(error->message, "the configuration of xend itself"));
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(case_free);

    g_test_init(&argc, &argv, NULL);
    add_cases(cases, "etc/xen", ".cfg", NULL);
    add_cases(cases, "var/lib/xend/domains", "", "config.sxp");
    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autofree char *path = g_strconcat("/golden/old-host/", one->file, NULL);

        g_test_add_data_func(path, one, test_case);
    }
    g_test_add_data_func("/golden/old-host-distinct", cases, test_distinct);
    g_test_add_data_func("/golden/old-host-formats", cases, test_formats);
    g_test_add_data_func("/golden/old-host-autostart", cases, test_autostart);
    g_test_add_func("/golden/old-host-noise", test_noise);
    return g_test_run();
}
