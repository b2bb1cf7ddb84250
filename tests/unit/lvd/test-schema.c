/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VALIDATE flags: libvirt's own schema decides. */
#include "lvd-do.h"

#define HEAD "<domain type='xen'>\n<name>x</name>\n<memory>1024</memory>\n"
#define OS   "<os><type>hvm</type></os>\n"

static gboolean
is_installed(void)
{
    if (g_file_test(LVD_DOMAIN_SCHEMA, G_FILE_TEST_EXISTS))
        return TRUE;
    g_test_skip("libvirt's schema is not installed");
    return FALSE;
}

static void
test_good(void)
{
    g_autoptr(GError) error = NULL;

    if (!is_installed())
        return;
    g_assert_true(lvd_schema_validate(LVD_SCHEMA_DOMAIN, HEAD OS "</domain>", &error));
    g_assert_no_error(error);
}

static void
test_bad(void)
{
    g_autoptr(GError) error = NULL;

    if (!is_installed())
        return;
    g_assert_false(
        lvd_schema_validate(LVD_SCHEMA_DOMAIN, HEAD OS "<nonsense/>\n</domain>", &error));
    g_assert_error(error, LVD_ERROR, LVD_ERROR_CODE(VIR_ERR_XML_INVALID_SCHEMA, VIR_FROM_XML));
    g_assert_true(
        g_str_has_prefix(error->message, "Unable to validate doc against " LVD_DOMAIN_SCHEMA "\n"));
    g_assert_nonnull(strstr(error->message, "nonsense"));
}

/* Many faults make a bounded message. */
static void
test_many(void)
{
    g_autoptr(GString) xml = g_string_new(HEAD OS "<devices>");
    g_autoptr(GError) error = NULL;

    if (!is_installed())
        return;
    for (int i = 0; i < 20000; i++)
        g_string_append(xml, "<disk/><odd>text</odd>");
    g_string_append(xml, "</devices></domain>");
    g_assert_false(lvd_schema_validate(LVD_SCHEMA_DOMAIN, xml->str, &error));
    g_assert_cmpuint(strlen(error->message), <, 8192);
}

static gpointer
validate(gpointer data)
{
    for (int i = 0; i < 20; i++)
        g_assert_true(lvd_schema_validate(LVD_SCHEMA_DOMAIN, data, NULL));
    return NULL;
}

static void
test_threads(void)
{
    GThread *threads[4];

    if (!is_installed())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("validate", validate, HEAD OS "</domain>");
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lvd/schema/good", test_good);
    g_test_add_func("/lvd/schema/bad", test_bad);
    g_test_add_func("/lvd/schema/many", test_many);
    g_test_add_func("/lvd/schema/threads", test_threads);
    return g_test_run();
}
