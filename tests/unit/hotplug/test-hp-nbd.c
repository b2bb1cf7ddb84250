/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks of an NBD server, as far as it goes without the kernel's devices: those are connected on
 * real Xen (tests/xen). nbd-client and modprobe are scripts that write down how they were called.
 */
#include "fake-store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DISK "backend/vbd/7/51712"

static const char *const environment[] = { "XENBUS_TYPE=vbd", "XENBUS_PATH=" DISK,
                                           "XENBUS_BASE_PATH=backend", NULL };

typedef struct Fixture {
    FakeStore *fake;
    HpHost host;
    HpRun run;
    char *log;   /* what the programs were called with */
    char *sys;   /* the devices that the kernel has */
    char *taken; /* there: nbd0 is connected */
} Fixture;

static void
make_program(Fixture *f, const char *name, const char *body)
{
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n"
                                            "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                                            "for a in %s \"$@\"; do printf '%%s\\n' \"$a\" >>%s; "
                                            "done\n%s\n",
                                            name, f->log, body);
    fake_file(name, text, 0755);
}

static void
make_device(Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->sys, name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

static void
set_up(Fixture *f, gconstpointer unused)
{
    f->fake = fake_store_new();
    f->host = fake_host();
    f->log = g_build_filename(fake_folder(), "calls", NULL);
    f->sys = g_build_filename(fake_folder(), "sys", NULL);
    f->taken = g_build_filename(f->sys, "nbd0", "pid", NULL);
    g_unlink(f->log);
    f->host.program_path = f->host.dev_dir = g_intern_string(fake_folder());
    f->host.sys_block = g_intern_string(f->sys);
    f->run = (HpRun){ .host = &f->host, .store = &f->fake->store };
    fake_store_set(f->fake, DISK "/mode", "w");
    fake_store_set(f->fake, DISK "/params", "server 10809 my disk");
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    static const char *const devices[] = { "nbd0", "nbd1" };
    g_unlink(f->taken);
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *path = g_build_filename(f->sys, devices[i], NULL);
        g_rmdir(path);
    }
    fake_store_free(f->fake);
    g_free(f->log);
    g_free(f->sys);
    g_free(f->taken);
}

static void
run_line(Fixture *f, const char *line, gboolean expected)
{
    memset(&f->run.error, 0, sizeof f->run.error);
    fake_request(&f->run.request, line, environment);
    g_assert_true(hp_run(&f->run) == expected);
}

static void
add_fails(Fixture *f, const char *pattern)
{
    run_line(f, "block-nbd add", FALSE);
    const char *error = fake_store_get(f->fake, DISK "/hotplug-error");
    g_test_message("%s", error);
    g_assert_true(g_pattern_match_simple(pattern, error));
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/hotplug-status"), ==, "error");
    g_assert_null(fake_store_get(f->fake, DISK "/physical-device"));
}

static void
assert_calls(Fixture *f, const char *expected)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(f->log, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
    g_unlink(f->log);
}

static void
test_form(Fixture *f, gconstpointer unused)
{
    static const char *const bad[] = { "server",   "server 0", "server 65536",
                                       "server x", "-L 10809", "server 1080-9" };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        fake_store_set(f->fake, DISK "/params", bad[i]);
        add_fails(f, "*HOST PORT*");
    }
}

static void
test_no_device(Fixture *f, gconstpointer unused)
{
    make_program(f, "modprobe", "exit 1");
    make_program(f, "nbd-client", "exit 1");
    add_fails(f, "*module 'nbd'*");
    assert_calls(f, "modprobe\nnbd\n");
    make_device(f, "nbd0");
    g_assert_true(g_file_set_contents(f->taken, "1", -1, NULL));
    add_fails(f, "all network block devices are in use*");
    g_assert_false(g_file_test(f->log, G_FILE_TEST_EXISTS));
}

/* What nbd-client says is what the client of libvirt reads. */
static void
test_refused(Fixture *f, gconstpointer unused)
{
    g_autofree char *call = g_strdup_printf("nbd-client\nserver\n10809\n%s/nbd1\n-N\nmy disk\n",
                                            f->host.dev_dir);
    g_autofree char *reads = g_strdup_printf("nbd-client\n::1\n1\n%s/nbd1\n-N\n\n-R\n",
                                             f->host.dev_dir);
    make_program(f, "nbd-client", "echo 'Error: Socket failed: Connection refused' >&2; exit 1");
    make_device(f, "nbd0");
    make_device(f, "nbd1");
    g_assert_true(g_file_set_contents(f->taken, "1", -1, NULL));
    add_fails(f, "cannot connect to the NBD server server, port 10809, export 'my disk': Error: "
                 "Socket failed: Connection refused*");
    assert_calls(f, call);
    fake_store_set(f->fake, DISK "/params", "::1 1");
    fake_store_set(f->fake, DISK "/mode", "r");
    add_fails(f, "*export ''*");
    assert_calls(f, reads);
    make_program(f, "nbd-client", "exit 0");
    add_fails(f, "cannot open */nbd1: No such file*");
    run_line(f, "block-nbd remove", TRUE);
}

/* Nothing that is not ours is touched. */
static void
test_remove(Fixture *f, gconstpointer unused)
{
    run_line(f, "block-nbd remove", TRUE);
    fake_store_set(f->fake, DISK "/node", "/dev/null");
    run_line(f, "block-nbd remove", FALSE);
    fake_store_set(f->fake, DISK "/node", "/dev/nbd99999");
    run_line(f, "block-nbd remove", TRUE);
    fake_store_set(f->fake, DISK "/physical-device", "2b");
    run_line(f, "block-nbd remove", FALSE);
    /* Called twice for one disk. */
    fake_store_set(f->fake, DISK "/physical-device", "2b:0");
    run_line(f, "block-nbd add", TRUE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/hp/nbd/form", Fixture, NULL, set_up, test_form, tear_down);
    g_test_add("/hp/nbd/no-device", Fixture, NULL, set_up, test_no_device, tear_down);
    g_test_add("/hp/nbd/refused", Fixture, NULL, set_up, test_refused, tear_down);
    g_test_add("/hp/nbd/remove", Fixture, NULL, set_up, test_remove, tear_down);
    return g_test_run();
}
