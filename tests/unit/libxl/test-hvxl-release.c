/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot in an image that a device model has open twice, as it has the disk of an HVM guest
 * without PV drivers: a real QEMU, without a guest. */
#include "libxl/hvxl-qmp.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define DOMID 7
#define QEMU  "qemu-system-x86_64"

#define DRIVE(name)                                                                                \
    "-blockdev",                                                                                   \
        "driver=qcow2,node-name=" name ",file.driver=file,file.filename=image,file.locking=off"

static GPid
model_start(void)
{
    static const char *const argv[] = { QEMU,
                                        "-machine",
                                        "none",
                                        "-nodefaults",
                                        "-display",
                                        "none",
                                        "-qmp",
                                        "unix:qmp-7,server=on,wait=off",
                                        DRIVE("emulated"),
                                        DRIVE("pv"),
                                        NULL };
    g_autoptr(GError) error = NULL;
    GPid pid;

    g_assert_true(g_spawn_async(NULL, (char **)argv, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                    G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                NULL, NULL, &pid, &error));
    g_assert_no_error(error);
    /* However long it takes: who waits for us gives up. */
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        g_autofree char *answer = hvxl_qmp(DOMID, "{\"execute\":\"query-status\"}", NULL);

        if (answer)
            return pid;
        g_usleep(20000);
    }
    g_error(QEMU " does not start");
}

static void
model_end(GPid pid)
{
    int status;

    kill(pid, SIGTERM);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    g_unlink("qmp-7");
}

static void
order(const char *name)
{
    g_autofree char *command = g_strdup_printf("{\"execute\":\"%s\"}", name);
    g_autoptr(GError) error = NULL;
    g_autofree char *answer G_GNUC_UNUSED = hvxl_qmp_return(DOMID, command, &error);

    g_assert_no_error(error);
}

/* What the drive says to a command of qemu-io; it is silent where all is well. */
static void
io(const char *drive, const char *command, const char *said)
{
    g_autofree char *line = g_strdup_printf("qemu-io %s \"%s\"", drive, command);
    g_autoptr(GError) error = NULL;
    g_autofree char *out = hvxl_qmp_human(DOMID, line, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(g_strstrip(out), ==, said);
}

/* What it prints goes to its standard output. */
static char *
run(const char *command)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;

    g_assert_true(g_spawn_command_line_sync(command, &out, NULL, NULL, &error));
    g_assert_no_error(error);
    return out;
}

static void
assert_image(const char *read, const char *other_read)
{
    g_autofree char *command = g_strdup_printf("qemu-io -f qcow2 -c '%s' -c '%s' image", read,
                                               other_read);
    g_autofree char *out = run(command);
    g_autofree char *check = run("qemu-img check image");

    g_assert_null(strstr(out, "failed"));
    g_assert_nonnull(strstr(check, "No errors"));
}

static gboolean
is_installed(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    return path != NULL;
}

static void
test_release(void)
{
    g_autoptr(GError) error = NULL;
    GPid pid;

    if (!is_installed(QEMU) || !is_installed("qemu-io") || !is_installed("qemu-img")) {
        g_test_skip("QEMU is not installed");
        return;
    }
    g_free(run("qemu-img create -f qcow2 image 16M"));
    pid = model_start();
    io("emulated", "write -P 1 0 64k", "");
    /* Not under a guest that goes on. */
    g_assert_false(hvxl_qmp_release_images(DOMID, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    g_clear_error(&error);
    order("stop");
    for (guint i = 0; i < 2; i++) {
        g_assert_true(hvxl_qmp_release_images(DOMID, &error));
        g_assert_no_error(error);
        io("emulated", "write -P 9 0 64k", "Block node is read-only");
        io("pv", "write -P 9 0 64k", "Block node is read-only");
    }
    g_free(run("qemu-img snapshot -c one image"));
    order("cont");
    /* Either drive knows that it must not write to what the snapshot has. */
    io("emulated", "write -P 2 0 64k", "");
    io("emulated", "flush", "");
    order("stop");
    g_assert_true(hvxl_qmp_release_images(DOMID, &error));
    order("cont");
    io("pv", "write -P 3 1M 64k", "");
    model_end(pid);
    assert_image("read -P 2 0 64k", "read -P 3 1M 64k");
    g_free(run("qemu-img snapshot -a one image"));
    assert_image("read -P 1 0 64k", "read -P 0 1M 64k");
    g_unlink("image");
}

static void
test_nobody(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(hvxl_qmp_release_images(DOMID, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("release-XXXXXX", NULL);
    int failed;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(g_chdir(folder), ==, 0);
    g_test_add_func("/hvxl/release/nobody", test_nobody);
    g_test_add_func("/hvxl/release/two-drives", test_release);
    failed = g_test_run();
    g_assert_cmpint(g_chdir("/"), ==, 0);
    g_rmdir(folder);
    return failed;
}
