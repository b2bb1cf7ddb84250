/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An old host's links stay below its root. */
#include <x2l-root.h>
#include <x2l.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

typedef struct Tree {
    char *dir;
    X2lRoot *root;
} Tree;

static void
put_link(const Tree *tree, const char *name, const char *target)
{
    g_autofree char *path = g_build_filename(tree->dir, name, NULL);

    g_assert_cmpint(symlink(target, path), ==, 0);
}

static void
set_up(Tree *tree, gconstpointer data)
{
    g_autofree char *sub = NULL, *file = NULL;

    tree->dir = g_dir_make_tmp("x2l-root-XXXXXX", NULL);
    sub = g_build_filename(tree->dir, "a/b", NULL);
    file = g_build_filename(tree->dir, "a/b/file", NULL);
    g_assert_cmpint(g_mkdir_with_parents(sub, 0755), ==, 0);
    g_assert_true(g_file_set_contents(file, "text", -1, NULL));
    put_link(tree, "absolute", "/a/b/file");
    put_link(tree, "up", "../../../../a/./b//file");
    put_link(tree, "folder", "/a");
    put_link(tree, "a/chain", "/folder/b/../b/file");
    put_link(tree, "loop", "loop");
    put_link(tree, "ping", "/pong");
    put_link(tree, "pong", "ping");
    put_link(tree, "outside", "/etc/hostname");
    put_link(tree, "slash", "/");
    tree->root = x2l_root_new(tree->dir, NULL);
    g_assert_nonnull(tree->root);
}

static void
tear_down(Tree *tree, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", tree->dir);

    x2l_root_free(tree->root);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(tree->dir);
}

static void
test_resolve(Tree *tree, gconstpointer data)
{
    static const struct {
        const char *path, *real;
        int error;
    } cases[] = {
        { "/a/b/file", "/a/b/file", 0 },
        { "/absolute", "/a/b/file", 0 },
        { "/up", "/a/b/file", 0 },
        { "/a/chain", "/a/b/file", 0 },
        { "/folder/b", "/a/b", 0 },
        { "/../../..", "/", 0 },
        { "/", "/", 0 },
        { "/slash/slash/a", "/a", 0 },
        { "/a/b/..", "/a", 0 },
        { "/loop", NULL, ELOOP },
        { "/ping", NULL, ELOOP },
        { "/outside", NULL, ENOENT },
        { "/nothing", NULL, ENOENT },
        { "/a/b/file/x", NULL, ENOTDIR },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *real = x2l_root_resolve(tree->root, cases[i].path, NULL);
        int error = errno;

        g_test_message("%s", cases[i].path);
        g_assert_cmpstr(real, ==, cases[i].real);
        if (!real)
            g_assert_cmpint(error, ==, cases[i].error);
    }
}

static void
test_read(Tree *tree, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *fifo = g_build_filename(tree->dir, "fifo", NULL);
    gboolean missing;
    gsize len;
    g_autofree char *text = x2l_root_read(tree->root, "/a/chain", &len, &missing, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "text");
    g_assert_null(x2l_root_read(tree->root, "/outside", &len, &missing, &error));
    g_assert_true(missing);
    g_clear_error(&error);
    /* It is refused, not waited for. */
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_null(x2l_root_read(tree->root, "/fifo", &len, &missing, &error));
    g_assert_error(error, X2L_ERROR, X2L_ERROR_FILE);
    g_assert_false(missing);
}

static void
test_not_a_folder(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(x2l_root_new("/proc/version", &error));
    g_assert_error(error, X2L_ERROR, X2L_ERROR_FILE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/convert/root/resolve", Tree, NULL, set_up, test_resolve, tear_down);
    g_test_add("/convert/root/read", Tree, NULL, set_up, test_read, tear_down);
    g_test_add_func("/convert/root/not-a-folder", test_not_a_folder);
    return g_test_run();
}
