/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xlvirt-bootloader, around a bootloader that is a script: what libxl gets to hear. */
#include "kernel-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *program; /* the first argument */

/* It brings what lies beside it as the kernel, and notes its arguments there. */
static const char script[] =
    "#!/bin/sh\n"
    "here=${0%/*}\n"
    "printf '%s ' \"$@\" >\"$here/args\"\n"
    "for arg; do case $arg in\n"
    "--output=*) output=${arg#*=} ;;\n"
    "--output-directory=*) directory=${arg#*=} ;;\n"
    "esac; done\n"
    "[ ! -e \"$here/fails\" ] || exit 3\n"
    "cp \"$here/kernel\" \"$directory/boot_kernel\"\n"
    "printf 'kernel %s\\0ramdisk %s\\0args a b\\0' \"$directory/boot_kernel\" "
    "\"$directory/initrd\" >\"$output\"\n";

typedef struct Fixture {
    char *base, *out, *answer;
} Fixture;

static void
write_file(const Fixture *f, const char *name, const void *data, gsize len, int mode)
{
    g_autofree char *path = g_build_filename(f->base, name, NULL);

    g_assert_true(g_file_set_contents(path, data, (gssize)len, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static void
set_up(Fixture *f, gconstpointer unused)
{
    f->base = g_dir_make_tmp("bootloader-XXXXXX", NULL);
    f->out = g_build_filename(f->base, "out", NULL);
    f->answer = g_build_filename(f->base, "answer", NULL);
    g_assert_cmpint(g_mkdir(f->out, 0700), ==, 0);
    write_file(f, "pygrub", script, strlen(script), 0700);
    write_file(f, "answer", "", 0, 0600);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    const char *argv[] = { "rm", "-rf", f->base, NULL };

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
    g_free(f->base);
    g_free(f->out);
    g_free(f->answer);
}

/* Its exit status. */
static int
run(const Fixture *f)
{
    g_autofree char *cache = g_strdup_printf("--xlvirt-cache=%s/cache", f->base);
    g_autofree char *loader = g_strdup_printf("--xlvirt-run=%s/pygrub", f->base);
    g_autofree char *output = g_strdup_printf("--output=%s", f->answer);
    g_autofree char *directory = g_strdup_printf("--output-directory=%s", f->out);
    const char *argv[] = { program, cache,     "--xlvirt-cache-mib=16",   loader,
                           output,  directory, "--output-format=simple0", "disk",
                           NULL };
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                               NULL, NULL, &status, NULL));
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
check_answer(const Fixture *f, const char *kernel)
{
    g_autofree char *expected = g_strdup_printf("kernel %s/%s|ramdisk %s/initrd|args a b|", f->out,
                                                kernel, f->out);
    g_autofree char *text = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(f->answer, &text, &len, NULL));
    for (gsize i = 0; i < len; i++)
        if (text[i] == '\0')
            text[i] = '|';
    g_assert_cmpstr(text, ==, expected);
}

static gboolean
is_there(const Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->out, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_unpacks(Fixture *f, gconstpointer unused)
{
    g_autoptr(GByteArray) elf = fixture_elf(300 * 1024, 1);
    g_autoptr(GByteArray) packed = fixture_pack(PACK_GZIP, elf);
    g_autoptr(GByteArray) kernel = packed ? fixture_bzimage(packed) : NULL;
    g_autofree char *path = g_build_filename(f->out, "xlvirt-kernel", NULL);
    g_autofree char *args_path = g_build_filename(f->base, "args", NULL);
    g_autofree char *args = NULL;
    g_autofree char *unpacked = NULL;
    gsize len;

    if (!kernel) {
        g_test_skip("built without zlib");
        return;
    }
    write_file(f, "kernel", kernel->data, kernel->len, 0600);
    g_assert_cmpint(run(f), ==, 0);
    check_answer(f, "xlvirt-kernel");
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
    g_assert_true(g_file_get_contents(path, &unpacked, &len, NULL));
    g_assert_cmpuint(len, >=, elf->len);
    g_assert_cmpint(memcmp(unpacked, elf->data, elf->len), ==, 0);
    /* libxl removes its folder, which has to be empty but for what it was told of. */
    g_assert_false(is_there(f, "boot_kernel"));
    g_assert_false(is_there(f, "xlvirt-output"));
    g_assert_true(g_file_get_contents(args_path, &args, NULL, NULL));
    g_assert_nonnull(strstr(args, "--output-format=simple0 disk"));
    g_assert_null(strstr(args, "--xlvirt-"));
}

static void
test_as_it_is(Fixture *f, gconstpointer unused)
{
    write_file(f, "kernel", "no kernel", 9, 0600);
    g_assert_cmpint(run(f), ==, 0);
    check_answer(f, "boot_kernel");
    g_assert_true(is_there(f, "boot_kernel"));
    g_assert_false(is_there(f, "xlvirt-kernel"));
}

static void
test_fails(Fixture *f, gconstpointer unused)
{
    g_autofree char *text = NULL;

    write_file(f, "fails", "", 0, 0600);
    g_assert_cmpint(run(f), ==, 3);
    g_assert_true(g_file_get_contents(f->answer, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    program = argv[1];
#define TEST(name, func)                                                                           \
    g_test_add("/hvxl/bootloader/" name, Fixture, NULL, set_up, func, tear_down)
    TEST("unpacks", test_unpacks);
    TEST("as-it-is", test_as_it_is);
    TEST("fails", test_fails);
#undef TEST
    return g_test_run();
}
