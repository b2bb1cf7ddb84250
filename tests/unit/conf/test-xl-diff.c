/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of xl against libxlutil, which is what xl itself reads with: the same texts are
 * accepted, with the same values. Texts are put together from pieces, so that many are nearly
 * right; and whole configs are made by the grammar, as they are and with a few bytes changed.
 * The same texts each time: a test that fails must fail again.
 *
 * What we read on purpose and libxlutil does not is in on_purpose().
 */
#include <conf/conf.h>

#include <libxlutil.h>
#include <string.h>

#define N_TEXTS   20000
#define N_CONFIGS 20000
#define N_MUTANTS 2 /* of each config */
#define MAX_DEPTH 3

/* libxlutil forgets some of what it has read of a text that it refuses. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:libxlutil";
}

static const char *const pieces[] = {
    "a",
    "b",
    "a1",
    "_b",
    "A",
    "=",
    "=",
    "=",
    " = ",
    "+=",
    "a=",
    "b = ",
    "a+=",
    "b+=",
    "1",
    "'x'",
    "\"y z\"",
    "''",
    "0x1f",
    "017",
    "1g",
    "12ab",
    "-1",
    "1.5",
    "True",
    "[",
    "[",
    "]",
    "]",
    "]",
    ",",
    ",",
    ", ",
    ";",
    ";",
    "\n",
    "\n",
    "\n",
    " ",
    "\t",
    "# c",
    "#\n",
    "'",
    "\"",
    "(",
    ")",
    "%",
    "+",
    "\\",
    "'\\n'",
    "'#'",
    "'a\n'",
    "{",
    "['x']",
    "[]",
    "['x',1,]",
    "[[1],2]",
    "'\\q'",
    "\v",
    "a=1\n",
    "b=2",
    "a=[1]",
    "\x80",
    "'\x80'",
    "b=[",
    "a = 'x'\n",
    "b = ['p', 'q']\n",
};

static char *
make_text(GRand *rand)
{
    GString *out = g_string_new(NULL);
    int n = g_rand_int_range(rand, 1, 14);

    for (int i = 0; i < n; i++)
        g_string_append(out, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

/* Bytes that are not UTF-8 are read as ISO-8859-1 here, and left alone there. */
static void
compare_string(const char *ours, const char *theirs)
{
    if (theirs == NULL || g_utf8_validate(theirs, -1, NULL))
        g_assert_cmpstr(ours, ==, theirs);
}

static void compare_list(const XLU_Config *cfg, const ConfNode *node, const XLU_ConfigList *list);

static void
compare_item(const XLU_Config *cfg, const ConfNode *item, XLU_ConfigValue *value)
{
    XLU_ConfigList *list;
    char *text;

    if (xlu_cfg_value_type(value) == XLU_LIST) {
        g_assert_cmpint(xlu_cfg_value_get_list(cfg, value, &list, 1), ==, 0);
        compare_list(cfg, item, list);
        return;
    }
    g_assert_cmpint(xlu_cfg_value_get_string(cfg, value, &text, 1), ==, 0);
    g_assert_cmpint(item->kind, !=, CONF_NODE_LIST);
    compare_string(item->text, text);
}

static void
compare_list(const XLU_Config *cfg, const ConfNode *node, const XLU_ConfigList *list)
{
    XLU_ConfigValue *value;
    guint n = 0;

    g_assert_cmpint(node->kind, ==, CONF_NODE_LIST);
    for (; (value = xlu_cfg_get_listitem2(list, (int)n)) != NULL; n++) {
        g_assert_cmpuint(n, <, node->items->len);
        compare_item(cfg, node->items->pdata[n], value);
    }
    g_assert_cmpuint(n, ==, node->items->len);
}

static void
compare_key(const ConfNative *native, const XLU_Config *cfg, const char *key)
{
    const ConfNode *node = conf_node_find(native->root, key);
    XLU_ConfigList *list = NULL;
    const char *text = NULL;

    if (xlu_cfg_get_list(cfg, key, &list, NULL, 1) == 0) {
        g_assert_nonnull(node);
        compare_list(cfg, node, list);
    } else if (xlu_cfg_get_string(cfg, key, &text, 1) == 0) {
        g_assert_nonnull(node);
        g_assert_cmpint(node->kind, !=, CONF_NODE_LIST);
        compare_string(node->text, text);
    } else {
        g_assert_null(node);
    }
}

/* See conf-xl.c: a byte order mark, CR LF, a comment in a last line without a newline (our texts
 * have one), a line that goes on behind a backslash, and \\xHH and \\OOO. */
static bool
on_purpose(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\r' || (*p == '\\' && (p[1] == '\n' || p[1] == 'x' || g_ascii_isdigit(p[1]))))
            return true;
    }
    return g_str_has_prefix(text, "\xef\xbb\xbf");
}

static const char *const all_keys[] = { "a", "b", "a1", "ab", "ba", "a.b", "name", "disk", "c_d2" };

/* Whether both take it. */
static bool
compare_text(const char *text, FILE *nowhere)
{
    XLU_Config *cfg = xlu_cfg_init(nowhere, "xlutil");
    bool theirs = xlu_cfg_readdata(cfg, text, (int)strlen(text)) == 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        ours = conf_native_parse(CONF_FORMAT_XL, text, strlen(text), "ours", NULL, &error);

    if (theirs != (ours != NULL))
        g_test_message("text: %s\nours: %s", text, error != NULL ? error->message : "accepted");
    g_assert_cmpint(theirs, ==, ours != NULL);
    for (gsize i = 0; theirs && i < G_N_ELEMENTS(all_keys); i++)
        compare_key(ours->pdata[0], cfg, all_keys[i]);
    xlu_cfg_destroy(cfg);
    return theirs;
}

static void
test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    FILE *nowhere = fopen("/dev/null", "w");

    g_assert_nonnull(nowhere);
    for (int i = 0; i < N_TEXTS; i++) {
        g_autofree char *text = make_text(rand);

        if (!on_purpose(text))
            compare_text(text, nowhere);
    }
    fclose(nowhere);
}

/* ---- whole configs ---- */

#define PICK(rand, list) list[g_rand_int_range(rand, 0, (gint32)G_N_ELEMENTS(list))]

static void
put_blanks(GString *out, GRand *rand)
{
    static const char *const blanks[] = { "", "", " ", "  ", "\t" };

    g_string_append(out, PICK(rand, blanks));
}

/* Between brackets there may be newlines and comments, too. */
static void
put_space(GString *out, GRand *rand)
{
    static const char *const spaces[] = { "", "", " ", "\n", "\n    ", " # note\n", "#\n\t" };

    g_string_append(out, PICK(rand, spaces));
}

static void
put_string(GString *out, GRand *rand)
{
    static const char *const parts[] = { "a",        "web", " ",    "/dev/vg/a", ",",
                                         "=",        "#",   ";",    "[",         "]",
                                         "\\n",      "\\t", "\\\\", "\\'",       "\\\"",
                                         "\xc3\xa9", "0",   "+=",   "file:",     "\\a" };
    char quote = g_rand_boolean(rand) ? '"' : '\'';

    g_string_append_c(out, quote);
    for (int n = g_rand_int_range(rand, 0, 6); n > 0; n--)
        g_string_append(out, PICK(rand, parts));
    /* The other quote needs no backslash. */
    if (g_rand_int_range(rand, 0, 4) == 0)
        g_string_append_c(out, quote == '"' ? '\'' : '"');
    g_string_append_c(out, quote);
}

static void
put_value(GString *out, GRand *rand, int depth)
{
    static const char *const numbers[] = { "0", "1", "512", "0x1f", "017", "00", "12ab", "0xff" };
    int kind = g_rand_int_range(rand, 0, depth < MAX_DEPTH ? 5 : 3);

    if (kind < 2) {
        put_string(out, rand);
        return;
    }
    if (kind == 2) {
        g_string_append(out, PICK(rand, numbers));
        return;
    }
    g_string_append_c(out, '[');
    put_space(out, rand);
    for (int n = g_rand_int_range(rand, 0, 4); n > 0; n--) {
        put_value(out, rand, depth + 1);
        put_space(out, rand);
        if (n > 1 || g_rand_int_range(rand, 0, 4) == 0)
            g_string_append_c(out, ',');
        put_space(out, rand);
    }
    g_string_append_c(out, ']');
}

static char *
make_config(GRand *rand)
{
    static const char *const ends[] = {
        "\n", "\n", "\n", ";", ";;\n", " # note\n", "\n\n", " ;\n"
    };
    static const char *const operators[] = { "=", "=", "=", "+=" };
    GString *out = g_string_new(NULL);

    for (int n = g_rand_int_range(rand, 1, 8); n > 0; n--) {
        put_blanks(out, rand);
        g_string_append(out, PICK(rand, all_keys));
        put_blanks(out, rand);
        g_string_append(out, PICK(rand, operators));
        put_blanks(out, rand);
        put_value(out, rand, 0);
        put_blanks(out, rand);
        g_string_append(out, PICK(rand, ends));
    }
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

/* One to three bytes more, less or other. */
static char *
mutate(const char *text, GRand *rand)
{
    static const char bytes[] = "a1x'\"[],=;#+ \n\t\\._-(@";
    GString *out = g_string_new(text);

    for (int n = g_rand_int_range(rand, 1, 4); n > 0 && out->len > 1; n--) {
        gssize at = g_rand_int_range(rand, 0, (gint32)out->len - 1); /* the last newline stays */
        char c = bytes[g_rand_int_range(rand, 0, (gint32)sizeof bytes - 1)];
        int how = g_rand_int_range(rand, 0, 3);

        if (how < 2)
            g_string_erase(out, at, 1);
        if (how > 0)
            g_string_insert_c(out, at, c);
    }
    return g_string_free(out, FALSE);
}

static void
test_grammar(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    FILE *nowhere = fopen("/dev/null", "w");
    unsigned n_right = 0, n_wrong = 0;

    g_assert_nonnull(nowhere);
    for (int i = 0; i < N_CONFIGS; i++) {
        g_autofree char *text = make_config(rand);

        n_right += compare_text(text, nowhere);
        for (int k = 0; k < N_MUTANTS; k++) {
            g_autofree char *mutant = mutate(text, rand);

            if (!on_purpose(mutant))
                n_wrong += !compare_text(mutant, nowhere);
        }
    }
    fclose(nowhere);
    g_test_message("%u of %d configs are right, %u mutants are wrong", n_right, N_CONFIGS, n_wrong);
    /* Only "+=" of a list to a string and the like is wrong in the first. */
    g_assert_cmpuint(n_right, >, N_CONFIGS / 2);
    g_assert_cmpuint(n_wrong, >, N_CONFIGS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/xl/as-libxlutil", test_random);
    g_test_add_func("/conf/xl/as-libxlutil/grammar", test_grammar);
    return g_test_run();
}
