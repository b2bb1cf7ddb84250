/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl.conf of the stock driver, and what the daemon hands on over it. */
#include "../../../src/libxl/hvxl-settings.h"

#include "../../../src/libxl/hvxl-private.h"

#include <glib/gstdio.h>

static const char file[] = "# a comment = 1\n"
                           "autoballoon = \"off\"   # behind\n"
                           "\tnested_hvm=1\n"
                           "single = 'a # b'\n"
                           "list = [ \"a\", \"b\" ]\n"
                           "word = bare\n"
                           "negative = -5 # why\n"
                           "open = \"no end\n"
                           "twice = 1\n"
                           "twice = 2\n"
                           "no equals sign\n"
                           "empty = \"\"\n"
                           "keepalive_interval = 5\r\n";

static void
check_file(GHashTable *settings)
{
    HvEngine engine = { .settings = settings };

    g_assert_cmpstr(hvxl_setting(&engine, "autoballoon"), ==, "off");
    g_assert_true(hvxl_setting_bool(&engine, "nested_hvm", FALSE));
    g_assert_cmpstr(hvxl_setting(&engine, "single"), ==, "a # b");
    g_assert_null(hvxl_setting(&engine, "list"));
    g_assert_null(hvxl_setting(&engine, "word"));
    g_assert_null(hvxl_setting(&engine, "open"));
    g_assert_cmpstr(hvxl_setting(&engine, "empty"), ==, "");
    g_assert_cmpstr(hvxl_setting(&engine, "negative"), ==, "-5");
    g_assert_cmpuint(hvxl_setting_number(&engine, "negative", 7), ==, 7);
    g_assert_cmpuint(hvxl_setting_number(&engine, "twice", 7), ==, 2);
    g_assert_cmpuint(hvxl_setting_number(&engine, "keepalive_interval", 7), ==, 5);
    g_assert_cmpuint(hvxl_setting_number(&engine, "absent", 7), ==, 7);
    g_assert_true(hvxl_setting_bool(&engine, "absent", TRUE));
}

static void
test_file(void)
{
    g_autofree char *root = g_dir_make_tmp("hvxl-XXXXXX", NULL);
    g_autofree char *dir = g_build_filename(root, "etc", "libvirt", NULL);
    g_autofree char *path = g_build_filename(dir, "libxl.conf", NULL);
    g_autofree char *etc = g_path_get_dirname(dir);
    g_autoptr(GHashTable) given = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) settings = NULL;
    g_autoptr(GHashTable) over = NULL;

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, file, -1, NULL));
    settings = hvxl_settings_new(root, NULL);
    check_file(settings);
    g_hash_table_insert(given, (gpointer) "autoballoon", (gpointer) "on");
    over = hvxl_settings_new(root, given);
    g_assert_cmpstr(g_hash_table_lookup(over, "autoballoon"), ==, "on");
    g_assert_cmpstr(g_hash_table_lookup(over, "nested_hvm"), ==, "1");
    g_unlink(path);
    g_rmdir(dir);
    g_rmdir(etc);
    g_rmdir(root);
}

static void
test_no_file(void)
{
    g_autoptr(GHashTable) settings = hvxl_settings_new("/nowhere", NULL);

    g_assert_cmpuint(g_hash_table_size(settings), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/settings/file", test_file);
    g_test_add_func("/hvxl/settings/no-file", test_no_file);
    return g_test_run();
}
