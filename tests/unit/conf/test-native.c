/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf.h>

#include <string.h>

static void
test_format_names(void)
{
    static const struct {
        const char *name;
        ConfFormat format;
    } cases[] = {
        { "xen-xl", CONF_FORMAT_XL },    { "xl", CONF_FORMAT_XL },
        { "xen-xm", CONF_FORMAT_XM },    { "xm", CONF_FORMAT_XM },
        { "xen-sxpr", CONF_FORMAT_SXP }, { "xen-sxp", CONF_FORMAT_SXP },
        { "sexpr", CONF_FORMAT_SXP },    { "auto", CONF_FORMAT_AUTO },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(conf_format_parse(cases[i].name), ==, cases[i].format);
    g_assert_cmpint(conf_format_parse("vmx"), ==, -1);
    g_assert_cmpint(conf_format_parse("domxml"), ==, -1);
    g_assert_cmpint(conf_format_parse(""), ==, -1);
    g_assert_cmpstr(conf_format_name(CONF_FORMAT_XL), ==, "xen-xl");
    g_assert_cmpstr(conf_format_name(CONF_FORMAT_XM), ==, "xen-xm");
    g_assert_cmpstr(conf_format_name(CONF_FORMAT_SXP), ==, "xen-sxpr");
}

static void
test_detect(void)
{
    static const struct {
        const char *text;
        ConfFormat format;
    } cases[] = {
        { "(domain (domid 1))", CONF_FORMAT_SXP },
        { "# xend wrote this\n\n  (domain", CONF_FORMAT_SXP },
        { "\xEF\xBB\xBF(domain", CONF_FORMAT_SXP },
        { "<domain type='xen'>", CONF_FORMAT_DOMXML },
        { "<?xml version='1.0'?>", CONF_FORMAT_DOMXML },
        { "", CONF_FORMAT_XL },
        { "#", CONF_FORMAT_XL },
        { "name = 'a'\nmemory = 64\n", CONF_FORMAT_XL },
        { "name='a'; memory=64; disk=['phy:/dev/x,xvda,w',\n'file:/y,xvdb,r']", CONF_FORMAT_XL },
        { "extra = 'a % b (c) + d'\n", CONF_FORMAT_XL },
        { "extra += ' ro'\n", CONF_FORMAT_XL },
        { "# import os\nname = 'a'\n", CONF_FORMAT_XL },
        { "type = 'hvm'\ndevice_model_version = 'qemu-xen'\n", CONF_FORMAT_XL },
        { "class = 'a'\n", CONF_FORMAT_XL },
        { "disk = [ phy:/dev/x,xvda,w ]\n", CONF_FORMAT_XL },
        { "import os, re\n", CONF_FORMAT_XM },
        { "def f(x):\n  return x\n", CONF_FORMAT_XM },
        { "if 1:\n  memory = 3\n", CONF_FORMAT_XM },
        { "name = 'VM%d' % 3\n", CONF_FORMAT_XM },
        { "name = 'VM' + 'x'\n", CONF_FORMAT_XM },
        { "name = 'VM' 'x'\n", CONF_FORMAT_XM },
        { "name = ('VM')\n", CONF_FORMAT_XM },
        { "acpi = True\n", CONF_FORMAT_XM },
        { "memory = 2 * 512\n", CONF_FORMAT_XM },
        { "a = 'x', 'y'\n", CONF_FORMAT_XM },
        { "Name = 'x'\n", CONF_FORMAT_XM },
        { "rtc_timeoffset = -3600\n", CONF_FORMAT_XM },
        { "extra = '''a\nb'''\n", CONF_FORMAT_XM },
        { "name = 'a'\ndhcp = 'dhcp'\n", CONF_FORMAT_XM },
        { "OVM_simple_name = 'a'\n", CONF_FORMAT_XM },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        ConfFormat found = conf_format_detect(cases[i].text, strlen(cases[i].text));

        if (found != cases[i].format)
            g_test_message("%s", cases[i].text);
        g_assert_cmpint(found, ==, cases[i].format);
    }
}

/* Detection reads no byte behind the text. */
static void
test_detect_bounds(void)
{
    static const char *const texts[] = { "\"", "'\\", "''", "#", "a", "\xEF\xBB", "+", "a +", "-" };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        gsize len = strlen(texts[i]);
        g_autofree char *exact = g_memdup2(texts[i], len);

        conf_format_detect(exact, len);
    }
}

static void
test_nodes(void)
{
    g_autoptr(ConfNode) group = conf_node_new(CONF_NODE_GROUP, NULL, 1, 1);
    ConfNode *first = conf_node_new(CONF_NODE_INT, "memory", 1, 1);
    ConfNode *list = conf_node_new(CONF_NODE_LIST, "disk", 2, 1);
    ConfNode *last = conf_node_new(CONF_NODE_INT, "memory", 3, 5);

    g_ptr_array_add(group->items, first);
    g_ptr_array_add(group->items, list);
    g_ptr_array_add(group->items, last);
    g_ptr_array_add(list->items, conf_node_new(CONF_NODE_STRING, NULL, 2, 9));

    g_assert_true(conf_node_find(group, "memory") == last);
    g_assert_true(conf_node_find(group, "disk") == list);
    g_assert_null(conf_node_find(group, "vif"));
    g_assert_null(conf_node_find(first, "memory"));
    g_assert_cmpuint(last->line, ==, 3);
    g_assert_cmpuint(last->value_column, ==, 5);

    conf_node_mark(list, CONF_FATE_CARRIED);
    g_assert_cmpint(((ConfNode *)list->items->pdata[0])->fate, ==, CONF_FATE_CARRIED);
    g_assert_cmpint(first->fate, ==, CONF_FATE_UNSEEN);
    conf_node_free(NULL);
}

static void
test_notes(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, NULL);
    const ConfNote *note;

    conf_native_add_note(native, 4, 7, "%s of %d", "one", 2);
    g_assert_cmpuint(native->notes->len, ==, 1);
    note = native->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 4);
    g_assert_cmpuint(note->column, ==, 7);
    g_assert_cmpstr(note->text, ==, "one of 2");
    g_assert_cmpstr(native->file, ==, "(config)");
    conf_native_free(NULL);
}

static void
test_limits(void)
{
    g_autoptr(GError) error = NULL;

    /* Nothing is read of a text that is too long, so none is needed. */
    g_assert_null(
        conf_native_parse(CONF_FORMAT_XL, "", (gsize)CONF_MAX_INPUT + 1, "a.cfg", NULL, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_null(conf_native_parse(CONF_FORMAT_AUTO, "<domain/>", 9, "a.cfg", NULL, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==,
                    "a.cfg:1:1: this is XML, not a native Xen config (xl, xm or sxp)");
}

/* No domXML can hold so much, so no tree does. */
/* Numbers at the end of what domXML has come out as what the readers take. */
static void
test_large_numbers(void)
{
    static const char xml[] =
        "<domain type='xen'><name>x</name><memory>65536</memory><vcpu>1</vcpu>"
        "<cputune><period>1</period><quota>9223372036854775807</quota></cputune>"
        "<os><type>hvm</type></os><devices><graphics type='vnc'/>"
        "<video><model type='vga' vram='9223372036854775807'/></video></devices></domain>";
    static const struct {
        ConfFormat format;
        const char *vram, *cap;
    } cases[] = {
        { CONF_FORMAT_XL, "videoram = 9007199254740992", "cap = 6553600" },
        { CONF_FORMAT_XM, "videoram = 9007199254740992", "cpu_cap = 6553600" },
        { CONF_FORMAT_SXP, "(videoram 9007199254740992)", "(cpu_cap 409600)" },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = conf_domain_parse_xml(xml, -1, "x", CONF_XML_NO_UUID_OK, &error);

    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfReport) report = conf_report_new("x");
        g_autofree char *text = conf_domain_to_native(def, cases[i].format, report, &error);

        g_assert_no_error(error);
        g_test_message("%s", text);
        g_assert_nonnull(strstr(text, cases[i].vram));
        g_assert_nonnull(strstr(text, cases[i].cap));
    }
}

static void
test_much_text(void)
{
    static const struct {
        ConfFormat format;
        const char *head, *tail;
    } cases[] = {
        { CONF_FORMAT_XL, "name='a'\nmemory=64\nextra='", "'\n" },
        { CONF_FORMAT_XL, "memory=", "\n" },
        { CONF_FORMAT_XM, "extra='", "'\n" },
        { CONF_FORMAT_SXP, "(domain (name a) (args '", "'))" },
        { CONF_FORMAT_SXP, "(domain (name a) (args ", "))" },
    };
    g_autofree char *much = g_strnfill(CONF_MAX_XML + 1, '1');

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat(cases[i].head, much, cases[i].tail, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_null(
            conf_native_parse(cases[i].format, text, strlen(text), "a.cfg", NULL, &error));
        g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
        g_assert_true(g_str_has_prefix(error->message, "a.cfg:"));
    }
}

/* A file of sxp may hold it in many domains, but not in one. */
static void
test_much_text_of_one(void)
{
    g_autofree char *half = g_strnfill(CONF_MAX_XML / 2, 'x');
    g_autofree char *text = g_strdup_printf(
        "(domain (name a) (memory 64) (a '%s') (b '%s') (c '%s'))", half, half, half);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_SXP, text, strlen(text), "a.sxp", NULL, &error);
    g_autoptr(ConfReport) report = conf_report_new("a.sxp");

    g_assert_no_error(error);
    g_assert_null(conf_domain_from_native(natives->pdata[0], report, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_assert_true(g_str_has_prefix(error->message, "a.sxp:1:"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/native/format-names", test_format_names);
    g_test_add_func("/conf/native/detect", test_detect);
    g_test_add_func("/conf/native/detect-bounds", test_detect_bounds);
    g_test_add_func("/conf/native/nodes", test_nodes);
    g_test_add_func("/conf/native/notes", test_notes);
    g_test_add_func("/conf/native/limits", test_limits);
    g_test_add_func("/conf/native/large-numbers", test_large_numbers);
    g_test_add_func("/conf/native/much-text", test_much_text);
    g_test_add_func("/conf/native/much-text-of-one", test_much_text_of_one);
    return g_test_run();
}
