/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"

char *
golden_folder(const char *kind)
{
    const char *source = g_getenv("XLVIRT_SOURCE");

    return g_build_filename(source != NULL ? source : ".", "tests", "golden", kind, NULL);
}

gint
golden_compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
golden_list(const char *folder, const char *suffix)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir)) != NULL) {
        gsize len = strlen(name) - MIN(strlen(name), strlen(suffix));

        /* NAME.out.sxp is no case of its own. */
        if (g_str_has_suffix(name, suffix) && memchr(name, '.', len) == NULL)
            g_ptr_array_add(names, g_strndup(name, len));
    }
    g_ptr_array_sort(names, golden_compare_names);
    g_assert_cmpuint(names->len, >, 0);
    return names;
}

static char *
file_of(const char *folder, const char *name, const char *suffix)
{
    g_autofree char *base = g_strconcat(name, suffix, NULL);

    return g_build_filename(folder, base, NULL);
}

char *
golden_read(const char *folder, const char *name, const char *suffix)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = file_of(folder, name, suffix);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

void
golden_compare(const char *name, const char *expected, const char *text)
{
    g_auto(GStrv) a = g_strsplit(expected, "\n", -1);
    g_auto(GStrv) b = g_strsplit(text, "\n", -1);
    unsigned line = 0;

    if (g_str_equal(expected, text))
        return;
    while (a[line] != NULL && b[line] != NULL && g_str_equal(a[line], b[line]))
        line++;
    g_test_message("%s:%u: expected: %s", name, line + 1, a[line] != NULL ? a[line] : "(end)");
    g_test_message("%s:%u: found:    %s", name, line + 1, b[line] != NULL ? b[line] : "(end)");
    g_test_fail();
}

void
golden_check(const char *folder, const char *name, const char *suffix, const char *text)
{
    g_autofree char *path = file_of(folder, name, suffix);
    g_autofree char *expected = NULL;
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(g_getenv("HV_TEST_REGENERATE"), "1") == 0) {
        if (*text == '\0')
            g_unlink(path);
        else
            g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
        return;
    }
    if (!g_file_get_contents(path, &expected, NULL, NULL))
        expected = g_strdup("");
    if (!g_str_equal(expected, text))
        g_test_message("HV_TEST_REGENERATE=1 writes what was found");
    golden_compare(path, expected, text);
}

static void
say_schema_error(void *data, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_test_message("%s: %s", (const char *)data, g_strchomp(text));
}

static xmlRelaxNG *
schema(void)
{
    static xmlRelaxNG *loaded; /* for the whole program: parsing it takes longer than any test */
    xmlRelaxNGParserCtxt *context;

    if (loaded != NULL || !g_file_test(SCHEMA, G_FILE_TEST_EXISTS))
        return loaded;
    context = xmlRelaxNGNewParserCtxt(SCHEMA);
    loaded = xmlRelaxNGParse(context);
    xmlRelaxNGFreeParserCtxt(context);
    g_assert_nonnull(loaded);
    return loaded;
}

void
golden_validate(const char *xml, const char *name)
{
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), name, NULL, XML_PARSE_NONET);
    xmlRelaxNGValidCtxt *context;

    g_assert_nonnull(doc);
    if (schema() != NULL) {
        context = xmlRelaxNGNewValidCtxt(schema());
        xmlRelaxNGSetValidErrors(context, say_schema_error, say_schema_error, (void *)name);
        if (xmlRelaxNGValidateDoc(context, doc) != 0)
            g_test_fail();
        xmlRelaxNGFreeValidCtxt(context);
    }
    xmlFreeDoc(doc);
}

char *
golden_format_xml(const ConfDomain *def, const char *name)
{
    g_autoptr(GError) error = NULL;
    char *xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    g_autoptr(ConfDomain) again = conf_domain_parse_xml(xml, -1, name, CONF_XML_NO_UUID_OK, &error);
    g_autofree char *back = NULL;

    g_assert_no_error(error);
    back = conf_domain_format_xml(again, CONF_XML_SECURE);
    g_assert_cmpstr(back, ==, xml);
    golden_validate(xml, name);
    return xml;
}
