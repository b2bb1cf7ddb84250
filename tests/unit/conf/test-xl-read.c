/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf.h>

#include <string.h>

static ConfNative *
read_len(const char *text, gsize len, GError **error)
{
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, text, len, "a.cfg", NULL, error);

    if (natives == NULL)
        return NULL;
    g_assert_cmpuint(natives->len, ==, 1);
    g_ptr_array_set_free_func(natives, NULL);
    return natives->pdata[0];
}

static ConfNative *
read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    ConfNative *native = read_len(text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_cmpint(native->format, ==, CONF_FORMAT_XL);
    return native;
}

static void
assert_node(const ConfNode *node, ConfNodeKind kind, const char *text, unsigned line,
            unsigned column)
{
    g_assert_nonnull(node);
    g_assert_cmpint(node->kind, ==, kind);
    g_assert_cmpstr(node->text, ==, text);
    g_assert_cmpuint(node->value_line, ==, line);
    g_assert_cmpuint(node->value_column, ==, column);
}

static void
test_scalars(void)
{
    g_autoptr(ConfNative) native = read_text("name = 'guest'\n"
                                             "memory=0x400;vcpus = 010 ; uuid=\"a#b\" # c\n"
                                             "\n"
                                             "  \tbig = 99999999999999999999\n"
                                             "odd=12ab");
    const ConfNode *node = conf_node_find(native->root, "name");

    g_assert_cmpuint(native->root->items->len, ==, 6);
    g_assert_cmpint(native->root->kind, ==, CONF_NODE_GROUP);
    assert_node(node, CONF_NODE_STRING, "guest", 1, 8);
    g_assert_cmpuint(node->line, ==, 1);
    g_assert_cmpuint(node->column, ==, 1);
    node = conf_node_find(native->root, "memory");
    assert_node(node, CONF_NODE_INT, "0x400", 2, 8);
    g_assert_cmpint(node->number, ==, 1024);
    g_assert_cmpfloat(node->real, ==, 1024.0);
    node = conf_node_find(native->root, "vcpus");
    assert_node(node, CONF_NODE_INT, "010", 2, 22);
    g_assert_cmpint(node->number, ==, 8);
    g_assert_cmpuint(node->column, ==, 14);
    assert_node(conf_node_find(native->root, "uuid"), CONF_NODE_STRING, "a#b", 2, 33);
    assert_node(conf_node_find(native->root, "big"), CONF_NODE_STRING, "99999999999999999999", 4,
                10);
    assert_node(conf_node_find(native->root, "odd"), CONF_NODE_STRING, "12ab", 5, 5);
    g_assert_cmpuint(native->notes->len, ==, 0);
}

static void
test_strings(void)
{
    g_autoptr(ConfNative) native = read_text("a = 'x\\n\\t\\\\\\'\\\"\\x41\\102'\n"
                                             "b = \"it's\"\n"
                                             "c = ''\n"
                                             "d = 'K\xC3\xB6ln' ; e = 1\n"
                                             "f = 'K\xF6ln'\n");
    const ConfNote *note;

    g_assert_cmpstr(conf_node_find(native->root, "a")->text, ==, "x\n\t\\'\"AB");
    g_assert_cmpstr(conf_node_find(native->root, "b")->text, ==, "it's");
    g_assert_cmpstr(conf_node_find(native->root, "c")->text, ==, "");
    /* A column counts characters. */
    g_assert_cmpuint(conf_node_find(native->root, "e")->column, ==, 14);
    g_assert_cmpstr(conf_node_find(native->root, "f")->text, ==, "K\xC3\xB6ln");
    g_assert_cmpuint(native->notes->len, ==, 1);
    note = native->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 5);
    g_assert_cmpuint(note->column, ==, 5);
}

static void
test_lists(void)
{
    g_autoptr(ConfNative) native = read_text("disk = [ 'phy:/a,xvda,w', # the first\n"
                                             "         \"phy:/b,xvdb,r\",\n"
                                             "         # the last\n"
                                             "]\n"
                                             "vif=[]; irqs = [ 5,\n"
                                             "6 ]\n"
                                             "vnuma = [ [ 'pnode=0', 'size=512' ], [ 'x' ] ]\n");
    const ConfNode *list = conf_node_find(native->root, "disk");

    g_assert_cmpint(list->kind, ==, CONF_NODE_LIST);
    g_assert_cmpuint(list->items->len, ==, 2);
    g_assert_cmpuint(list->value_column, ==, 8);
    assert_node(list->items->pdata[0], CONF_NODE_STRING, "phy:/a,xvda,w", 1, 10);
    assert_node(list->items->pdata[1], CONF_NODE_STRING, "phy:/b,xvdb,r", 2, 10);
    g_assert_cmpuint(conf_node_find(native->root, "vif")->items->len, ==, 0);
    list = conf_node_find(native->root, "irqs");
    assert_node(list->items->pdata[1], CONF_NODE_INT, "6", 6, 1);
    list = conf_node_find(native->root, "vnuma");
    g_assert_cmpuint(list->items->len, ==, 2);
    list = list->items->pdata[0];
    g_assert_cmpint(list->kind, ==, CONF_NODE_LIST);
    g_assert_null(list->key);
    assert_node(list->items->pdata[1], CONF_NODE_STRING, "size=512", 7, 24);
}

static void
test_append(void)
{
    g_autoptr(ConfNative) native = read_text("extra = 'ro'\n"
                                             "extra += ' quiet'\n"
                                             "disk = ['a']\n"
                                             "disk += ['b', 'c']\n"
                                             "new += 'x'\n"
                                             "num = 1\n"
                                             "num += 2\n");
    const ConfNode *disk = conf_node_find(native->root, "disk");

    assert_node(conf_node_find(native->root, "extra"), CONF_NODE_STRING, "ro quiet", 1, 9);
    g_assert_cmpuint(disk->items->len, ==, 3);
    assert_node(disk->items->pdata[2], CONF_NODE_STRING, "c", 4, 15);
    g_assert_cmpstr(conf_node_find(native->root, "new")->text, ==, "x");
    g_assert_cmpint(conf_node_find(native->root, "num")->number, ==, 12);
    g_assert_cmpuint(native->notes->len, ==, 0);
}

/* The last assignment holds and gives the key its place; the one before is named. */
static void
test_override(void)
{
    g_autoptr(ConfNative) native = read_text("memory = 64\nname = 'a'\n memory = 128\n");
    const ConfNode *last;
    const ConfNote *note;

    g_assert_cmpuint(native->root->items->len, ==, 2);
    last = native->root->items->pdata[1];
    g_assert_cmpstr(last->key, ==, "memory");
    g_assert_cmpint(last->number, ==, 128);
    g_assert_cmpuint(last->line, ==, 3);
    g_assert_cmpuint(last->column, ==, 2);
    g_assert_cmpuint(native->notes->len, ==, 1);
    note = native->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 1);
    g_assert_cmpuint(note->column, ==, 1);
    g_assert_cmpstr(note->text, ==, "memory: line 3 assigns it again, and that value holds");
}

/* What libxlutil refuses and people do not call an error. */
static void
test_lenient(void)
{
    g_autoptr(ConfNative) native = read_text("\xEF\xBB\xBFname = 'a'\r\n"
                                             "disk = [ 'x',\r\n 'y' ]\r\n"
                                             "extra = \\\r\n 'z'\r\n"
                                             "memory = \\\n 7 # seven");

    g_assert_cmpuint(native->root->items->len, ==, 4);
    g_assert_cmpuint(conf_node_find(native->root, "name")->column, ==, 1);
    g_assert_cmpuint(conf_node_find(native->root, "disk")->items->len, ==, 2);
    assert_node(conf_node_find(native->root, "extra"), CONF_NODE_STRING, "z", 5, 2);
    g_assert_cmpint(conf_node_find(native->root, "memory")->number, ==, 7);
    conf_native_free(read_text(""));
    conf_native_free(read_text("\n;;\n# nothing"));
}

static void
test_errors(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "a = [ 'x',\n'y'\n", "a.cfg:1:5: '[' opened here is never closed" },
        { "a = [", "a.cfg:1:5: '[' opened here is never closed" },
        { "a = [ [ 1 ]\n", "a.cfg:1:5: '[' opened here is never closed" },
        { "a = [ [ 1,\n", "a.cfg:1:7: '[' opened here is never closed" },
        { "a = [ 'x',\nb = 1\n",
          "a.cfg:1:5: '[' opened here is never closed: the next setting begins in line 2" },
        { "a = [ 'x'\nb += 1\n",
          "a.cfg:1:5: '[' opened here is never closed: the next setting begins in line 2" },
        { "a = 'x\n", "a.cfg:1:5: the string that ' opens here is not closed in this line" },
        { "a = \"x\\", "a.cfg:1:5: the string that \" opens here is not closed in this line" },
        { "a = 1 ]\n", "a.cfg:1:7: expected the end of the line or ';' behind the value but found "
                       "']', which no '[' opened" },
        { "a = 1 b = 2", "a.cfg:1:7: expected the end of the line or ';' behind the value but "
                         "found 'b'" },
        { "acpi = True\n", "a.cfg:1:8: expected a string, a number or '[' but found 'True'; text "
                           "needs quotes around it, and true and false are 1 and 0" },
        { "\n\n  a = -1\n", "a.cfg:3:7: expected a string, a number or '[' but found '-'; a "
                            "number with a sign needs quotes around it" },
        { "a =\n1", "a.cfg:1:4: expected a string, a number or '[' but found the end of the line" },
        { "a = ", "a.cfg:1:5: expected a string, a number or '[' but found the end of the file" },
        { "a", "a.cfg:1:2: expected '=' or '+=' behind 'a' but found the end of the file" },
        { "import os\n", "a.cfg:1:8: expected '=' or '+=' behind 'import' but found 'os'; xl does "
                         "not read Python: if this is a config of xm, say so" },
        { "Name = 1", "a.cfg:1:1: expected a key (lower-case letters, digits and '_') but found "
                      "'Name'" },
        { "\x01", "a.cfg:1:1: expected a key (lower-case letters, digits and '_') but found the "
                  "byte 0x01" },
        { "a = [1 2]", "a.cfg:1:8: expected ',' or ']' in the list that begins in line 1 but "
                       "found '2'" },
        { "a = [1,,]", "a.cfg:1:8: expected a value or ']' in the list that begins in line 1 but "
                       "found ','" },
        { "a = 'x\\q'", "a.cfg:1:7: unknown escape in a string; a backslash itself is written "
                        "'\\\\'" },
        { "a = '\\x4'", "a.cfg:1:6: '\\x' needs two hexadecimal digits" },
        { "a = '\\12'", "a.cfg:1:6: a backslash and a digit need three octal digits" },
        { "a = '\\400'", "a.cfg:1:6: a byte cannot be larger than '\\377'" },
        { "a = '\\x00'", "a.cfg:1:6: a string cannot contain a NUL byte" },
        { "a = 'x'\na += ['y']", "a.cfg:2:1: 'a' is a string since line 1, and a list cannot be "
                                 "added to it" },
        { "a = ['x']\na += 'y'", "a.cfg:2:1: 'a' is a list since line 1, and a string cannot be "
                                 "added to it" },
        { "a = 1\rb = 2", "a.cfg:1:6: expected the end of the line or ';' behind the value but "
                          "found the end of the line" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(read_len(cases[i].text, strlen(cases[i].text), &error));
        g_assert_error(error, CONF_ERROR, CONF_ERROR_SYNTAX);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void
test_nul(void)
{
    static const char text[] = "a = 1\nb = '\0'\n";
    g_autoptr(GError) error = NULL;

    g_assert_null(read_len(text, sizeof(text) - 1, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_SYNTAX);
    g_assert_cmpstr(error->message, ==, "a.cfg:2:6: there is a NUL byte here: this is not a text");
}

static void
assert_limit(char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *owned = text;

    g_assert_null(read_len(owned, strlen(owned), &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "a.cfg:1:"));
}

static char *
repeat(const char *head, const char *unit, gsize count)
{
    GString *out = g_string_new(head);

    for (gsize i = 0; i < count; i++)
        g_string_append(out, unit);
    return g_string_free(out, FALSE);
}

static void
test_hostile(void)
{
    g_autoptr(ConfNative) native = NULL;
    g_autofree char *text = NULL;

    assert_limit(repeat("a = ", "[", 1 << 20));
    assert_limit(repeat("a = [", "1,", 1 << 20));
    assert_limit(repeat("", "a = 1;", 1 << 20));
    assert_limit(repeat("", "a += 'x';", 1 << 19));
    /* Linear, where joining one by one would not be. */
    text = repeat("", "a += '0123456789012345678901234567890123456789';", 60000);
    native = read_text(text);
    g_assert_cmpuint(strlen(conf_node_find(native->root, "a")->text), ==, 40 * 60000);
}

/* Real files, where the checkout has them beside it. Their sxp cousins are read elsewhere. */
static void
test_corpus(void)
{
    g_autofree char *folder = g_build_filename(g_getenv("XLVIRT_SOURCE"), "..", "shared", "corpus",
                                               "xl", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    if (dir == NULL) {
        g_test_skip("no corpus beside the checkout");
        return;
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *text = NULL;
        g_autoptr(ConfNative) native = NULL;
        g_autoptr(GError) error = NULL;
        gsize len;

        g_assert_true(g_file_get_contents(path, &text, &len, NULL));
        native = read_len(text, len, &error);
        g_assert_no_error(error);
        g_assert_nonnull(conf_node_find(native->root, "name"));
        g_assert_nonnull(conf_node_find(native->root, "memory"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/xl/scalars", test_scalars);
    g_test_add_func("/conf/xl/strings", test_strings);
    g_test_add_func("/conf/xl/lists", test_lists);
    g_test_add_func("/conf/xl/append", test_append);
    g_test_add_func("/conf/xl/override", test_override);
    g_test_add_func("/conf/xl/lenient", test_lenient);
    g_test_add_func("/conf/xl/errors", test_errors);
    g_test_add_func("/conf/xl/nul", test_nul);
    g_test_add_func("/conf/xl/hostile", test_hostile);
    g_test_add_func("/conf/xl/corpus", test_corpus);
    return g_test_run();
}
