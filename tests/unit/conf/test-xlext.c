/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our element in <metadata>: there and back, beside others, and when somebody has spoilt it. */
#include <conf/conf.h>
#include <string.h>

#define URI "xmlns:xlvirt='urn:xlvirt:xl:1'"

static ConfDomain *
with_metadata(const char *metadata)
{
    g_autofree char *text = g_strdup_printf("<domain type='xen'><name>d</name>"
                                            "<uuid>00000000-0000-4000-8000-000000000001</uuid>"
                                            "<metadata>%s</metadata><memory>1</memory>"
                                            "<vcpu>1</vcpu><os><type>linux</type></os></domain>",
                                            metadata);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(text, -1, "(test)", 0, &error);

    g_assert_no_error(error);
    return def;
}

static void
test_there_and_back(void)
{
    g_autoptr(ConfDomain) def = with_metadata("<a:x xmlns:a='urn:a'>kept</a:x>");
    g_autoptr(ConfXlExt) ext = conf_xl_ext_new();
    g_autoptr(ConfXlExt) again = NULL, none = conf_xl_ext_new();
    g_autoptr(GError) error = NULL;

    conf_xl_keys_set(ext->keys, "pool", "a < b & \"c\"");
    conf_xl_keys_add_item(ext->keys, "ioports", "2f8");
    conf_xl_keys_add_item(ext->keys, "ioports", "");
    conf_xl_keys_set(conf_xl_ext_ensure_device(ext, "xvda"), "script", "block-x");
    g_assert_true(conf_xl_ext_store(def, ext, &error));

    g_autofree char *xml = conf_domain_format_xml(def, 0);
    g_autoptr(ConfDomain) parsed = conf_domain_parse_xml(xml, -1, "(again)", 0, &error);
    g_assert_no_error(error);
    again = conf_xl_ext_load(parsed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->keys->len, ==, 3);
    g_assert_cmpstr(conf_xl_keys_get(again->keys, "pool"), ==, "a < b & \"c\"");
    g_assert_true(((ConfXlKey *)again->keys->pdata[2])->list);
    g_assert_cmpstr(((ConfXlKey *)again->keys->pdata[2])->value, ==, "");
    g_assert_cmpstr(conf_xl_keys_get(conf_xl_ext_device(again, "xvda"), "script"), ==, "block-x");
    g_assert_null(conf_xl_ext_device(again, "xvdb"));

    /* An empty one goes, and leaves the others. */
    g_assert_true(conf_xl_ext_store(parsed, none, &error));
    g_assert_null(strstr(parsed->metadata, "xlvirt"));
    g_assert_nonnull(strstr(parsed->metadata, "kept"));
}

static void
test_set_replaces(void)
{
    g_autoptr(GPtrArray) keys = conf_xl_keys_new();

    conf_xl_keys_add_item(keys, "a", "1");
    conf_xl_keys_add_item(keys, "b", "2");
    conf_xl_keys_add_item(keys, "a", "3");
    conf_xl_keys_set(keys, "a", "4");
    g_assert_cmpuint(keys->len, ==, 2);
    g_assert_cmpstr(conf_xl_keys_get(keys, "a"), ==, "4");
    g_assert_cmpstr(conf_xl_keys_get(keys, "b"), ==, "2");
}

/* Alone it is written directly, beside others' elements by the way of all of them: the same text.
 */
static void
test_alone_and_beside(void)
{
    g_autoptr(ConfDomain) alone = conf_domain_new(), beside = conf_domain_new();
    g_autoptr(ConfXlExt) ext = conf_xl_ext_new();
    g_autoptr(GError) error = NULL;

    conf_xl_keys_set(ext->keys, "a", "<&> \"'\"\n\t\xc3\xa9 ");
    conf_xl_keys_set(ext->keys, "empty", "");
    conf_xl_keys_add_item(ext->keys, "list", " x ");
    conf_xl_keys_set(conf_xl_ext_ensure_device(ext, "a\"<"), "b", "\r");
    beside->metadata = g_strdup("<o:other xmlns:o=\"urn:other\"/>");
    g_assert_true(conf_xl_ext_store(alone, ext, &error));
    g_assert_true(conf_xl_ext_store(beside, ext, &error));
    g_assert_no_error(error);
    g_test_message("%s and %s", alone->metadata, beside->metadata);
    g_assert_true(g_str_has_suffix(beside->metadata, alone->metadata));
}

static void
test_other_prefix_and_strangers(void)
{
    g_autoptr(ConfDomain) def = with_metadata(
        "<q:xl xmlns:q='urn:xlvirt:xl:1' new='1'><q:key name='pool'>p<!-- c --></q:key>"
        "<q:later/><key name='not-ours'>x</key></q:xl>");
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(ext->keys->len, ==, 1);
    g_assert_cmpstr(conf_xl_keys_get(ext->keys, "pool"), ==, "p");
}

static void
test_spoilt(void)
{
    static const char *const spoilt[] = {
        "<xlvirt:xl " URI "><xlvirt:key>1</xlvirt:key></xlvirt:xl>",
        "<xlvirt:xl " URI "><xlvirt:key name=''>1</xlvirt:key></xlvirt:xl>",
        "<xlvirt:xl " URI "><xlvirt:device><xlvirt:key name='a'>1</xlvirt:key></xlvirt:device>"
        "</xlvirt:xl>",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(spoilt); i++) {
        g_autoptr(ConfDomain) def = with_metadata(spoilt[i]);
        g_autoptr(GError) error = NULL;

        g_assert_null(conf_xl_ext_load(def, &error));
        g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/xlext/there-and-back", test_there_and_back);
    g_test_add_func("/conf/xlext/set-replaces", test_set_replaces);
    g_test_add_func("/conf/xlext/alone-and-beside", test_alone_and_beside);
    g_test_add_func("/conf/xlext/other-prefix-and-strangers", test_other_prefix_and_strangers);
    g_test_add_func("/conf/xlext/spoilt", test_spoilt);
    return g_test_run();
}
