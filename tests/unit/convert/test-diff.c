/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <x2l-diff.h>

#include <stdio.h>
#include <string.h>

static void
test_small(void)
{
    static const struct {
        const char *a, *b, *diff;
    } cases[] = {
        { "", "", "" },
        { "a\nb\n", "a\nb\n", "" },
        { "a\n", "b\n", "--- x\n+++ y\n@@ -1,1 +1,1 @@\n-a\n+b\n" },
        { "", "a\n", "--- x\n+++ y\n@@ -0,0 +1,1 @@\n+a\n" },
        { "a\n", "", "--- x\n+++ y\n@@ -1,1 +0,0 @@\n-a\n" },
        { "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
          "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
        { "a\nb\nc\nd\n", "a\nc\nd\ne\n", "--- x\n+++ y\n@@ -1,4 +1,4 @@\n a\n-b\n c\n d\n+e\n" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *diff = x2l_diff(cases[i].a, cases[i].b, "x", "y");

        g_assert_cmpstr(diff, ==, cases[i].diff);
    }
}

/* What patch(1) would do: the second text comes out. */
static char *
apply(const char *text, const char *diff)
{
    g_auto(GStrv) old = g_strsplit(text, "\n", -1), lines = g_strsplit(diff, "\n", -1);
    GString *out = g_string_new(NULL);
    guint at = 0;

    for (char **line = lines; *line; line++) {
        unsigned start, count;

        if (sscanf(*line, "@@ -%u,%u", &start, &count) == 2) {
            while (at + 1 < start + (count == 0))
                g_string_append_printf(out, "%s\n", old[at++]);
        } else if (**line == ' ' || (**line == '-' && !g_str_has_prefix(*line, "--- "))) {
            g_assert_cmpstr(old[at], ==, *line + 1);
            if (**line == ' ')
                g_string_append_printf(out, "%s\n", *line + 1);
            at++;
        } else if (**line == '+' && !g_str_has_prefix(*line, "+++ ")) {
            g_string_append_printf(out, "%s\n", *line + 1);
        }
    }
    while (old[at] && (old[at + 1] || *old[at]))
        g_string_append_printf(out, "%s\n", old[at++]);
    return g_string_free(out, FALSE);
}

static char *
random_text(GRand *rand, guint lines)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < lines; i++)
        g_string_append_printf(out, "%c\n", 'a' + g_rand_int_range(rand, 0, 4));
    return g_string_free(out, FALSE);
}

static void
test_applies(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (int i = 0; i < 500; i++) {
        g_autofree char *a = random_text(rand, (guint)g_rand_int_range(rand, 0, 40));
        g_autofree char *b = random_text(rand, (guint)g_rand_int_range(rand, 0, 40));
        g_autofree char *diff = x2l_diff(a, b, "x", "y");
        g_autofree char *applied = apply(a, diff);

        g_assert_cmpstr(applied, ==, b);
    }
}

/* Texts too different to search are still told, in bounded memory. */
static void
test_large(void)
{
    g_autoptr(GString) a = g_string_new(NULL), b = g_string_new(NULL);
    g_autofree char *diff = NULL, *applied = NULL;

    for (int i = 0; i < 60000; i++) {
        g_string_append_printf(a, "a%d\n", i);
        g_string_append_printf(b, "b%d\n", i);
    }
    diff = x2l_diff(a->str, b->str, "x", "y");
    applied = apply(a->str, diff);
    g_assert_cmpstr(applied, ==, b->str);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/convert/diff/small", test_small);
    g_test_add_func("/convert/diff/applies", test_applies);
    g_test_add_func("/convert/diff/large", test_large);
    return g_test_run();
}
