/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON where it stands. */
#include "libxl/hvxl-json.h"

#include <string.h>

static void
test_get(void)
{
    static const char text[] =
        " { \"a\" : { \"b\": 1, \"c\\\"\": [1,2] } ,\"b\":\"x, \\\"b\\\": 2\","
        "\"n\" : null, \"t\": true }\r";
    const char *a = hvxl_json_get(text, "a");
    guint64 number;

    g_assert_true(hvxl_json_is_object(text));
    g_assert_true(hvxl_json_uint(hvxl_json_get(a, "b"), &number));
    g_assert_cmpuint(number, ==, 1);
    g_assert_true(hvxl_json_is(hvxl_json_get(text, "b"), "x, \"b\": 2"));
    g_assert_true(hvxl_json_true(hvxl_json_get(text, "t")));
    g_assert_false(hvxl_json_true(hvxl_json_get(text, "n")));
    g_assert_null(hvxl_json_string(hvxl_json_get(text, "n")));
    g_assert_null(hvxl_json_get(text, "c"));
    g_assert_null(hvxl_json_get(text, ""));
    g_assert_null(hvxl_json_get(hvxl_json_get(text, "b"), "b"));
    g_assert_null(hvxl_json_get(NULL, "b"));
    g_assert_null(hvxl_json_get("[1]", "b"));
}

static void
test_next(void)
{
    static const char text[] = "[1, {\"a\": [2, 3]}, \"]\" , []]";
    static const char *const elements[] = { "1", "{", "\"]\"", "[]" };
    const char *at = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        at = hvxl_json_next(text, at);
        g_assert_nonnull(at);
        g_assert_true(g_str_has_prefix(at, elements[i]));
    }
    g_assert_null(hvxl_json_next(text, at));
    g_assert_null(hvxl_json_next("[]", NULL));
    g_assert_null(hvxl_json_next("{\"a\": 1}", NULL));
    g_assert_null(hvxl_json_next(NULL, NULL));
}

static void
test_string(void)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        { "\"\"", "" },
        { " \"a\\n\\t\\\\\\/\\\"\"", "a\n\t\\/\"" },
        { "\"\\u00e4\\u20ac\"", "\u00e4\u20ac" },
        { "\"\\ud83d\\ude00\"", "\U0001f600" },
        { "\"\\ud83d\\u0041\"", "\ufffdA" },
        { "\"\\ude00x\"", "\ufffdx" },
        { "\"a\\u0000b\"", "a\ufffdb" },
        { "\"\\u12\"", "\ufffd" },
        { "\"\xff\"", "\ufffd" },
        { "\"\\q\"", "" },
        { "\"open", NULL },
        { "\"open\\", NULL },
        { "\"open\\\"", NULL },
        { "12", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = hvxl_json_string(rows[i].json);

        g_assert_cmpstr(text, ==, rows[i].text);
    }
}

static void
test_quote(void)
{
    static const char text[] = "a\"b\\c\n\x01 \u00e4";
    g_autofree char *quoted = hvxl_json_quote(text);
    g_autofree char *back = hvxl_json_string(quoted);

    g_assert_cmpstr(quoted, ==, "\"a\\\"b\\\\c\\u000a\\u0001 \u00e4\"");
    g_assert_cmpstr(back, ==, text);
}

static void
test_number(void)
{
    guint64 number = 0;

    g_assert_true(hvxl_json_uint("18446744073709551615}", &number));
    g_assert_true(number == G_MAXUINT64);
    g_assert_false(hvxl_json_uint("18446744073709551616", &number));
    g_assert_false(hvxl_json_uint("-1", &number));
    g_assert_false(hvxl_json_uint("1.5", &number));
    g_assert_false(hvxl_json_uint("\"1\"", &number));
    g_assert_false(hvxl_json_uint(NULL, &number));
}

/* No text is read beyond its end: each one is tried without each of its tails, in memory of its
 * own, so that a sanitizer sees it. */
static void
test_cut_off(void)
{
    static const char text[] =
        "{\"a\": {\"b\": [1, \"x\\u00e4\\\"\"]}, \"c\": [{\"d\": true}, 17], \"e\": \"\\n\"}";

    for (gsize len = 0; len < sizeof(text) - 1; len++) {
        g_autofree char *part = g_strndup(text, len);
        const char *at = NULL;
        guint64 number;

        g_assert_false(hvxl_json_is_object(part));
        for (char key[2] = "a"; key[0] <= 'e'; key[0]++) {
            g_autofree char *string G_GNUC_UNUSED = hvxl_json_string(hvxl_json_get(part, key));

            hvxl_json_uint(hvxl_json_get(part, key), &number);
        }
        while ((at = hvxl_json_next(part + MIN(len, strlen("{\"a\": {\"b\": ")), at)))
            continue;
    }
    g_assert_true(hvxl_json_is_object(text));
}

/* Depth costs no stack. */
static void
test_deep(void)
{
    g_autofree char *open = g_strnfill(1 << 20, '[');
    g_autofree char *close = g_strnfill(1 << 20, ']');
    g_autofree char *whole = g_strconcat("{\"a\":", open, close, "}", NULL);

    g_assert_true(hvxl_json_is_object(whole));
    g_assert_nonnull(hvxl_json_get(whole, "a"));
    g_assert_null(hvxl_json_skip(open));
    g_assert_false(hvxl_json_is_object("{} {}"));
    g_assert_false(hvxl_json_is_object("[]"));
    g_assert_false(hvxl_json_is_object("}"));
    g_assert_false(hvxl_json_is_object(""));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/get", test_get);
    g_test_add_func("/json/next", test_next);
    g_test_add_func("/json/string", test_string);
    g_test_add_func("/json/quote", test_quote);
    g_test_add_func("/json/number", test_number);
    g_test_add_func("/json/cut-off", test_cut_off);
    g_test_add_func("/json/deep", test_deep);
    return g_test_run();
}
