/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf.h>

/* What each text becomes; NULL: refused. */
static const struct {
    const char *text;
    unsigned limit;
    const char *canonical;
    unsigned count;
    int last;
} cases[] = {
    { "0-3,^2,7", 0, "0-1,3,7", 4, 7 },
    { "", 0, "", 0, -1 },
    { " 1 , 2-4 ", 0, "1-4", 4, 4 },
    { "5,3,4", 0, "3-5", 3, 5 },
    { "0-15,^8-9", 0, "0-7,10-15", 14, 15 },
    { "^3", 0, "", 0, -1 },
    { "3,^0-100", 0, "", 0, -1 },
    { "0-65535", 0, "0-65535", 65536, 65535 },
    { "1-30,^3-28", 0, "1-2,29-30", 4, 30 },
    { "1,", 0, "1", 1, 1 },
    { "0-3", 4, "0-3", 4, 3 },
    { "0-4", 4, NULL },
    { "65536", 0, NULL },
    { "99999999999999999999", 0, NULL },
    { "3-1", 0, NULL },
    { "a", 0, NULL },
    { "1-", 0, NULL },
    { "-1", 0, NULL },
    { "1 2", 0, NULL },
    { "1,,2", 0, NULL },
    { "^", 0, NULL },
};

static void
test_parse(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ConfBitmap) map = conf_bitmap_parse(cases[i].text, cases[i].limit, &error);
        g_autofree char *text = NULL;

        if (!cases[i].canonical) {
            g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
            g_assert_null(map);
            continue;
        }
        g_assert_no_error(error);
        text = conf_bitmap_format(map);
        g_assert_cmpstr(text, ==, cases[i].canonical);
        g_assert_cmpuint(conf_bitmap_count(map), ==, cases[i].count);
        g_assert_cmpint(conf_bitmap_last(map), ==, cases[i].last);
    }
}

/* Every range of a small set, against the plain definition of a set. */
static void
test_ranges(void)
{
    for (unsigned first = 0; first < 40; first++) {
        for (unsigned last = first; last < 40; last++) {
            g_autofree char *text = g_strdup_printf("0-39,^%u-%u", first, last);
            g_autoptr(ConfBitmap) map = conf_bitmap_parse(text, 0, NULL);

            for (unsigned n = 0; n < 48; n++)
                g_assert_true(conf_bitmap_get(map, n) == (n < 40 && (n < first || n > last)));
        }
    }
}

static void
test_grow_and_copy(void)
{
    g_autoptr(ConfBitmap) map = conf_bitmap_new(3);
    g_autoptr(ConfBitmap) copy = NULL;

    g_assert_cmpuint(map->len, ==, 1);
    g_assert_false(conf_bitmap_get(map, 100));
    conf_bitmap_set(map, 100, false);
    g_assert_cmpuint(map->len, ==, 1);
    conf_bitmap_set(map, 100, true);
    conf_bitmap_set(map, 0, true);
    g_assert_cmpuint(map->len, ==, 13);
    copy = conf_bitmap_copy(map);
    conf_bitmap_set(map, 0, false);
    g_assert_true(conf_bitmap_get(copy, 0));
    g_assert_true(conf_bitmap_get(copy, 100));
    g_assert_cmpuint(conf_bitmap_count(map), ==, 1);
    g_assert_null(conf_bitmap_copy(NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/bitmap/parse", test_parse);
    g_test_add_func("/conf/bitmap/ranges", test_ranges);
    g_test_add_func("/conf/bitmap/grow-and-copy", test_grow_and_copy);
    return g_test_run();
}
