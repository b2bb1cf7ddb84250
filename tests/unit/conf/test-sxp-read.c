/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of S-expressions: what comes out of which text, and which texts are refused. */
#include <conf/conf.h>

#include <string.h>

static GPtrArray *
parse(const char *text, GError **error)
{
    return conf_native_parse(CONF_FORMAT_SXP, text, strlen(text), "t.sxp", NULL, error);
}

static ConfNative *
parse_one(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = parse(text, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 1);
    g_ptr_array_set_free_func(natives, NULL);
    return natives->pdata[0];
}

static void
assert_refused(const char *text, ConfError code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = parse(text, &error);

    g_assert_null(natives);
    g_assert_error(error, CONF_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_shapes(void)
{
    g_autoptr(ConfNative) native = parse_one("(domain\n"
                                             "    (name web)\n"
                                             "    (memory 0256)\n"
                                             "    (mfn 0x1F)\n"
                                             "    (cpu_time 12.5)\n"
                                             "    (features)\n"
                                             "    (args )\n"
                                             "    (empty '')\n"
                                             "    (cpus ((0 1) ()))\n"
                                             "    (pci ())\n"
                                             "    (image (linux (kernel /k) extra))\n"
                                             ")\n");
    const ConfNode *root = native->root;
    const ConfNode *node;

    g_assert_cmpint(native->format, ==, CONF_FORMAT_SXP);
    g_assert_cmpint(root->kind, ==, CONF_NODE_GROUP);
    node = conf_node_find(root, "name");
    g_assert_cmpint(node->kind, ==, CONF_NODE_STRING);
    g_assert_cmpstr(node->text, ==, "web");
    g_assert_cmpuint(node->line, ==, 2);
    g_assert_cmpuint(node->column, ==, 6);
    g_assert_cmpuint(node->value_line, ==, 2);
    g_assert_cmpuint(node->value_column, ==, 11);
    node = conf_node_find(root, "memory");
    g_assert_cmpint(node->kind, ==, CONF_NODE_INT);
    g_assert_cmpstr(node->text, ==, "0256");
    g_assert_cmpint(node->number, ==, 256);
    node = conf_node_find(root, "mfn");
    g_assert_cmpint(node->kind, ==, CONF_NODE_INT);
    g_assert_cmpint(node->number, ==, 31);
    node = conf_node_find(root, "cpu_time");
    g_assert_cmpint(node->kind, ==, CONF_NODE_FLOAT);
    g_assert_cmpfloat(node->real, ==, 12.5);
    g_assert_cmpint(conf_node_find(root, "features")->kind, ==, CONF_NODE_NONE);
    g_assert_cmpint(conf_node_find(root, "args")->kind, ==, CONF_NODE_NONE);
    node = conf_node_find(root, "empty");
    g_assert_cmpint(node->kind, ==, CONF_NODE_STRING);
    g_assert_cmpstr(node->text, ==, "");
    node = conf_node_find(root, "cpus");
    g_assert_cmpint(node->kind, ==, CONF_NODE_GROUP);
    node = node->items->pdata[0];
    g_assert_cmpint(node->kind, ==, CONF_NODE_LIST);
    g_assert_cmpuint(node->items->len, ==, 2);
    g_assert_cmpstr(((ConfNode *)node->items->pdata[0])->key, ==, "0");
    g_assert_cmpint(((ConfNode *)node->items->pdata[0])->number, ==, 1);
    g_assert_cmpint(((ConfNode *)node->items->pdata[1])->kind, ==, CONF_NODE_LIST);
    node = conf_node_find(root, "image")->items->pdata[0];
    g_assert_cmpstr(node->key, ==, "linux");
    g_assert_cmpuint(node->items->len, ==, 2);
}

static void
test_words(void)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        { "'a b'", "a b" },
        { "\"it's\"", "it's" },
        { "'it\\'s'", "it's" },
        { "'a\\\\b'", "a\\b" },
        { "'C:\\dir'", "C:\\dir" }, /* no escape: kept as it stands */
        { "'a\\nb\\tc'", "a\nb\tc" },
        { "'\\x41\\102'", "AB" },
        { "'\\xc3\\xa9'", "\xc3\xa9" },
        { "'#no comment'", "#no comment" },
        { "a#b", "a#b" },
        { "Bob's", "Bob's" },
        { "[::1]", "[::1]" },
        { "!writable|pae", "!writable|pae" },
        { "18446744071564201984", "18446744071564201984" },
        { "'0x10'", "0x10" },
        { "1e", "1e" },
        { "\xc3\xbc"
          "ber",
          "\xc3\xbc"
          "ber" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("(domain (k %s)) # tail", cases[i].text);
        g_autoptr(ConfNative) native = parse_one(text);
        const ConfNode *node = conf_node_find(native->root, "k");

        /* The one number among them does not fit an INT. */
        g_assert_cmpint(node->kind, ==,
                        g_ascii_isdigit(cases[i].text[0]) && cases[i].text[1] == '8'
                            ? CONF_NODE_FLOAT
                            : CONF_NODE_STRING);
        g_assert_cmpstr(node->text, ==, cases[i].value);
    }
}

static void
test_columns(void)
{
    /* Columns are characters, not bytes. */
    g_autoptr(ConfNative) native = parse_one("# \xc3\xbc\n(domain (a '\xc3\xbc\xc3\xbc') (b 1))");
    const ConfNode *node = conf_node_find(native->root, "b");

    g_assert_cmpuint(node->line, ==, 2);
    g_assert_cmpuint(node->column, ==, 19);
}

static void
test_attributes(void)
{
    g_autoptr(ConfNative) native = parse_one("(domain (name (@ (lang en)) web))");
    const ConfNode *node = conf_node_find(native->root, "name");

    g_assert_cmpint(node->kind, ==, CONF_NODE_GROUP);
    g_assert_cmpstr(((ConfNode *)node->items->pdata[0])->key, ==, "@");
}

static void
test_several(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = parse("(domain (name a))\n(vm (name b))\n(note x)\n(domain)\n", &error);
    const ConfNative *last;
    const ConfNote *note;

    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 3);
    g_assert_cmpstr(conf_node_find(((ConfNative *)natives->pdata[1])->root, "name")->text, ==, "b");
    last = natives->pdata[2];
    g_assert_cmpint(last->root->kind, ==, CONF_NODE_GROUP);
    g_assert_cmpuint(last->notes->len, ==, 1);
    note = last->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 3);
    g_assert_cmpstr(note->text, ==, "(note ...) is no (domain ...)");
}

static void
test_truncated(void)
{
    assert_refused("(domain\n    (name a)\n    (device\n        (vbd (uname", CONF_ERROR_SYNTAX,
                   "t.sxp:4:14: '(' opened here is never closed; the file looks truncated, in the "
                   "(domain ...) that begins at line 1");
    assert_refused("(domain (name a)", CONF_ERROR_SYNTAX,
                   "t.sxp:1:1: '(' opened here is never closed; the file looks truncated");
    assert_refused("(domain (name 'a\n(memory 1))", CONF_ERROR_SYNTAX,
                   "t.sxp:1:15: the string opened here is never closed; the file looks truncated");
    /* Which kind of guest it is, nobody can tell. */
    assert_refused("(domain (name a) (memory 64) (image (hvm", CONF_ERROR_SYNTAX,
                   "t.sxp:1:37: '(' opened here is never closed; the file looks truncated, in the "
                   "(domain ...) that begins at line 1");
    assert_refused("(domain (name 'a\\", CONF_ERROR_SYNTAX,
                   "t.sxp:1:15: the string opened here is never closed; the file looks truncated");
}

static char *
keys_of(const ConfNode *group)
{
    GString *keys = g_string_new(NULL);

    for (guint i = 0; i < group->items->len; i++) {
        const ConfNode *item = group->items->pdata[i];

        g_string_append_printf(keys, "%s%s", i > 0 ? " " : "",
                               item->key != NULL ? item->key : item->text);
    }
    return g_string_free(keys, FALSE);
}

/* A domain that the text breaks off in: what is whole of it is read, half a device is left out, and
 * the place of the break is named. */
static void
test_truncated_domain(void)
{
#define BASE  "(domain (name a) (memory 64)"
#define IMAGE BASE " (image (linux (kernel /k)))"
    static const struct {
        const char *text, *keys, *image, *note;
    } cases[] = {
        { IMAGE " (vcpus 1", "name memory image", "kernel", ", and (vcpus ...) is left out" },
        { IMAGE " (device (vbd (uname phy:/a) (dev xvda) (mod", "name memory image", "kernel",
          ", and (device ...) is left out" },
        { IMAGE " (device (vif (mac 00:16:3e:00:00:01))) (device (vif", "name memory image device",
          "kernel", ", and (device ...) is left out" },
        { BASE " (image (hvm (kernel /k) (boot c", "name memory image", "kernel",
          ", and (boot ...) is left out" },
        { BASE " (image (hvm (kernel /k) ", "name memory image", "kernel",
          "; what stands before is converted" },
        { IMAGE " (description 'half a", "name memory image", "kernel",
          ", and (description ...) is left out" },
        { IMAGE, "name memory image", "kernel", "; what stands before is converted" },
        { IMAGE " (", "name memory image", "kernel", ", and ( ...) is left out" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfNative) native = parse_one(cases[i].text);
        g_autofree char *keys = keys_of(native->root), *inside = NULL;
        const ConfNode *image = conf_node_find(native->root, "image");

        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(keys, ==, cases[i].keys);
        if (cases[i].image != NULL)
            inside = keys_of(image->items->pdata[0]);
        g_assert_cmpstr(inside, ==, cases[i].image);
        g_assert_cmpuint(native->notes->len, ==, 1);

        const ConfNote *note = native->notes->pdata[0];

        g_assert_true(g_str_has_suffix(note->text, cases[i].note));
        g_assert_nonnull(strstr(note->text, "never closed; the file looks truncated"));
        g_assert_false(note->carried);
    }
}

/* A bracket too many behind a domain costs nothing. */
static void
test_odd(void)
{
    g_autoptr(ConfNative) native = parse_one("(domain (name J\xfcrgen)))\n");
    const ConfNote *first, *second;

    g_assert_cmpstr(conf_node_find(native->root, "name")->text, ==, "J\xc3\xbcrgen");
    g_assert_cmpuint(native->notes->len, ==, 2);
    first = native->notes->pdata[0];
    second = native->notes->pdata[1];
    g_assert_cmpstr(first->text, ==, "this word is not UTF-8 and was read as ISO-8859-1");
    g_assert_true(first->carried);
    g_assert_cmpstr(second->text, ==, "')' without a '(' before it");
    g_assert_cmpuint(second->column, ==, 23);
}

/* What is whole before the break stays, and the break is named. */
static void
test_truncated_second(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = parse("(domain (name a))\n(domain (name b)\n  (image", &error);
    const ConfNote *note;

    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 1);
    g_assert_cmpuint(((ConfNative *)natives->pdata[0])->notes->len, ==, 1);
    note = ((ConfNative *)natives->pdata[0])->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 3);
    g_assert_cmpuint(note->column, ==, 3);
    g_assert_cmpstr(note->text, ==,
                    "'(' opened here is never closed; the file looks truncated, in the "
                    "(domain ...) that begins at line 2");
}

static void
test_refused(void)
{
    assert_refused("", CONF_ERROR_SYNTAX, "t.sxp:1:1: no (domain ...) in it: the file is empty");
    assert_refused("# nothing\n", CONF_ERROR_SYNTAX,
                   "t.sxp:1:1: no (domain ...) in it: the file is empty");
    assert_refused(") (domain (name a))", CONF_ERROR_SYNTAX,
                   "t.sxp:1:1: ')' without a '(' before it");
    assert_refused("(xend-unix-server yes)\n(vif-script vif-bridge)\n", CONF_ERROR_SYNTAX,
                   "t.sxp:1:1: no (domain ...) in it: this looks like the configuration of xend "
                   "itself (xend-config.sxp), which describes no domain");
    assert_refused("\n (pool (name a))", CONF_ERROR_SYNTAX,
                   "t.sxp:2:2: no (domain ...) in it: (pool ...) is no (domain ...)");
    assert_refused(
        "hello", CONF_ERROR_SYNTAX,
        "t.sxp:1:1: no (domain ...) in it: the word 'hello' stands outside of every list");
    assert_refused("(domain (name 'a\\x01'))", CONF_ERROR_SYNTAX,
                   "t.sxp:1:15: a control character (byte 0x01) in a word");
}

static void
test_limits(void)
{
    g_autoptr(GString) deep = g_string_new("(domain ");
    g_autoptr(GString) wide = g_string_new("(domain ");
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = NULL;

    for (unsigned i = 0; i < 300000; i++)
        g_string_append_c(deep, '(');
    assert_refused(deep->str, CONF_ERROR_LIMIT,
                   "t.sxp:1:264: more than 256 lists inside each other");

    for (unsigned i = 0; i < (1u << 19) + 1; i++)
        g_string_append(wide, "() a");
    natives = parse(wide->str, &error);
    g_assert_null(natives);
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
}

/* Deep, but within the limit: reading, marking and freeing come through. */
static void
test_depth(void)
{
    g_autoptr(GString) text = g_string_new("(domain ");
    g_autoptr(ConfNative) native = NULL;

    for (unsigned i = 1; i < CONF_MAX_DEPTH; i++)
        g_string_append(text, "(a ");
    for (unsigned i = 0; i < CONF_MAX_DEPTH; i++)
        g_string_append_c(text, ')');
    native = parse_one(text->str);
    conf_node_mark(native->root, CONF_FATE_CARRIED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/sxp/read/shapes", test_shapes);
    g_test_add_func("/conf/sxp/read/words", test_words);
    g_test_add_func("/conf/sxp/read/columns", test_columns);
    g_test_add_func("/conf/sxp/read/attributes", test_attributes);
    g_test_add_func("/conf/sxp/read/several", test_several);
    g_test_add_func("/conf/sxp/read/truncated", test_truncated);
    g_test_add_func("/conf/sxp/read/truncated-second", test_truncated_second);
    g_test_add_func("/conf/sxp/read/truncated-domain", test_truncated_domain);
    g_test_add_func("/conf/sxp/read/odd", test_odd);
    g_test_add_func("/conf/sxp/read/refused", test_refused);
    g_test_add_func("/conf/sxp/read/limits", test_limits);
    g_test_add_func("/conf/sxp/read/depth", test_depth);
    return g_test_run();
}
