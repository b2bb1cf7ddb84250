/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of xl against libxlutil, which is what xl itself reads with: the same texts are
 * accepted, with the same values. Texts are put together from pieces, so that many are nearly
 * right.
 */
#include <conf/conf.h>

#include <libxlutil.h>
#include <string.h>

#define N_TEXTS 20000

/* Nothing here is of what we read on purpose and libxlutil does not; see conf-xl.c. */
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

static void
compare_list(const ConfNode *node, const XLU_ConfigList *list, int len)
{
    g_assert_cmpint(node->kind, ==, CONF_NODE_LIST);
    g_assert_cmpint((int)node->items->len, ==, len);
    for (int i = 0; i < len; i++) {
        const ConfNode *item = node->items->pdata[i];

        compare_string(item->text, xlu_cfg_get_listitem(list, i));
    }
}

static void
compare_key(const ConfNative *native, const XLU_Config *cfg, const char *key)
{
    const ConfNode *node = conf_node_find(native->root, key);
    XLU_ConfigList *list = NULL;
    const char *text = NULL;
    int len = 0;

    if (xlu_cfg_get_list(cfg, key, &list, &len, 1) == 0) {
        g_assert_nonnull(node);
        compare_list(node, list, len);
    } else if (xlu_cfg_get_string(cfg, key, &text, 1) == 0) {
        g_assert_nonnull(node);
        compare_string(node->text, text);
    } else {
        g_assert_null(node);
    }
}

static void
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
    if (theirs) {
        static const char *const keys[] = { "a", "b", "a1", "ab", "ba", "a.b" };

        for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
            compare_key(ours->pdata[0], cfg, keys[i]);
    }
    xlu_cfg_destroy(cfg);
}

static void
test_random(void)
{
    /* The same texts each time: a test that fails must fail again. */
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    FILE *nowhere = fopen("/dev/null", "w");

    g_assert_nonnull(nowhere);
    for (int i = 0; i < N_TEXTS; i++) {
        g_autofree char *text = make_text(rand);

        /* A backslash before a newline is a longer line for us and an error for libxlutil. */
        if (strstr(text, "\\\n") == NULL)
            compare_text(text, nowhere);
    }
    fclose(nowhere);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/xl/as-libxlutil", test_random);
    return g_test_run();
}
