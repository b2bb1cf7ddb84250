/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks, and programs of others: they are stood in for by scripts that write down how they were
 * called. */
#include "fake-store.h"
#include "hp-lock.h"
#include "hp-net.h"
#include "hp-spawn.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VIF "backend/vif/7/0"

static const char *const environment[] = { "XENBUS_TYPE=vif", "XENBUS_PATH=" VIF, "vif=vif7.0",
                                           "INTERFACE=vif7.0-emu", NULL };

typedef struct Fixture {
    FakeStore *fake;
    HpHost host;
    HpRun run;
    HpNet net;
    int tap;
    char *log; /* what the programs were called with */
} Fixture;

static gboolean have_network;

static void
set_up(Fixture *f, gconstpointer unused)
{
    HpError error = { 0 };
    f->fake = fake_store_new();
    f->host = fake_host();
    f->host.program_path = g_intern_string(fake_folder());
    f->run = (HpRun){ .host = &f->host, .store = &f->fake->store };
    f->log = g_build_filename(fake_folder(), "calls", NULL);
    g_unlink(f->log);
    f->tap = -1;
    if (!have_network)
        return;
    f->tap = fake_tap("vif7.0");
    g_assert_true(hp_net_open(&f->net, &error));
    fake_store_set(f->fake, VIF "/mac", "00:16:3e:00:00:01");
    fake_store_set(f->fake, "/local/domain/7/vm", "/vm/u");
    fake_store_set(f->fake, "/vm/u/name", "we\"b \\1");
    fake_store_set(f->fake, "/vm/u/uuid", "u-u-i-d");
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    if (f->tap >= 0)
        close(f->tap);
    hp_net_close(&f->net);
    fake_store_free(f->fake);
    g_free(f->log);
}

/* A program of that name: writes its arguments down, one a line, then does `body`. */
static void
make_program(Fixture *f, const char *name, const char *body)
{
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n"
                                            "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                                            "for a; do printf '%%s\\n' \"$a\" >>%s; done\n%s\n",
                                            f->log, body);
    fake_file(name, text, 0755);
}

static char *
calls(Fixture *f)
{
    char *text = NULL;
    if (!g_file_get_contents(f->log, &text, NULL, NULL))
        return g_strdup("");
    g_unlink(f->log);
    return text;
}

static gboolean
run(Fixture *f, const char *line)
{
    memset(&f->run.error, 0, sizeof f->run.error);
    fake_request(&f->run.request, line, environment);
    return hp_run(&f->run);
}

/* ---- locks ---- */

static void
test_lock(Fixture *f, gconstpointer unused)
{
    HpLock one = HP_LOCK_NONE, two = HP_LOCK_NONE, three = HP_LOCK_NONE;
    HpError error = { 0 };
    f->host.lock_wait_s = 1;
    g_assert_true(hp_lock_take(&one, &f->host, "block", &error));
    g_assert_true(hp_lock_take(&three, &f->host, "other", &error)); /* another class */
    gint64 start = g_get_monotonic_time();
    g_assert_false(hp_lock_take(&two, &f->host, "block", &error));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 30 * G_USEC_PER_SEC);
    g_test_message("%s", error.text);
    g_autofree char *holder = g_strdup_printf("process %d has held the lock ", getpid());
    /* a container may hide who holds it */
    g_assert_true(g_str_has_prefix(error.text, holder) ||
                  g_str_has_prefix(error.text, "somebody has held the lock "));
    hp_lock_drop(&one);
    g_assert_true(hp_lock_take(&two, &f->host, "block", &error));
    hp_lock_drop(&two);
    hp_lock_drop(&two);
    hp_lock_drop(&three);
}

/* Xen's scripts unlink the file while they hold it: who waited must not take the old one. */
static void
test_lock_unlinked(Fixture *f, gconstpointer unused)
{
    HpLock one = HP_LOCK_NONE, two = HP_LOCK_NONE;
    HpError error = { 0 };
    g_autofree char *path = g_build_filename(f->host.lock_dir, "block", NULL);
    g_assert_true(hp_lock_take(&one, &f->host, "block", &error));
    pid_t child = fork();
    if (child == 0) {
        hp_lock_drop(&one); /* the parent's stays */
        _exit(hp_lock_take(&two, &f->host, "block", &error) && access(path, F_OK) == 0 ? 0 : 1);
    }
    g_usleep(200000);
    g_assert_cmpint(g_unlink(path), ==, 0);
    hp_lock_drop(&one);
    int status = -1;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

static void
test_lock_nowhere(Fixture *f, gconstpointer unused)
{
    HpLock lock = HP_LOCK_NONE;
    HpError error = { 0 };
    f->host.lock_dir = "/proc/nowhere";
    g_assert_false(hp_lock_take(&lock, &f->host, "block", &error));
    g_assert_true(g_str_has_prefix(error.text, "cannot lock /proc/nowhere/block: "));
    /* There, and not to be had. */
    g_autofree char *link = g_build_filename(fake_folder(), "link", NULL);
    g_assert_cmpint(symlink("/nowhere/at/all", link), ==, 0);
    f->host.lock_dir = link;
    error.text[0] = 0;
    g_assert_false(hp_lock_take(&lock, &f->host, "block", &error));
    g_assert_nonnull(strstr(error.text, "No such file or directory"));
}

/* Sixteen at once, and never two inside. */
static void
test_lock_crowd(Fixture *f, gconstpointer unused)
{
    g_autofree char *inside = g_build_filename(fake_folder(), "inside", NULL);
    pid_t children[16];
    f->host.lock_wait_s = 30;
    for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        gboolean ok = TRUE;
        for (int k = 0; k < 10 && ok; k++) {
            HpLock lock = HP_LOCK_NONE;
            HpError error = { 0 };
            ok = hp_lock_take(&lock, &f->host, "block", &error) && mkdir(inside, 0700) == 0;
            if (ok)
                g_usleep(500);
            ok = ok && rmdir(inside) == 0;
            if (k % 3 == 0) { /* as Xen's scripts do it */
                g_autofree char *path = g_build_filename(f->host.lock_dir, "block", NULL);
                g_unlink(path);
            }
            hp_lock_drop(&lock);
        }
        _exit(ok ? 0 : 1);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
        int status = -1;
        g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
        g_assert_cmpint(status, ==, 0);
    }
}

/* The first ones after a boot come together, and the folder is not there yet. */
static void
test_lock_first(Fixture *f, gconstpointer unused)
{
    for (int round = 0; round < 40; round++) {
        g_autofree char *name = g_strdup_printf("locks-%d", round);
        g_autofree char *folder = g_build_filename(fake_folder(), name, NULL);
        pid_t children[4];
        int gate[2];
        f->host.lock_dir = folder;
        g_assert_cmpint(pipe(gate), ==, 0);
        for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
            children[i] = fork();
            if (children[i] != 0)
                continue;
            HpLock lock = HP_LOCK_NONE;
            HpError error = { 0 };
            char byte;
            close(gate[1]);
            g_assert_cmpint(read(gate[0], &byte, 1), ==, 0);
            _exit(hp_lock_take(&lock, &f->host, "block", &error) ? 0 : 1);
        }
        close(gate[1]);
        for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
            int status = -1;
            g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
            g_assert_cmpint(status, ==, 0);
        }
        close(gate[0]);
    }
}

/* ---- programs ---- */

static void
test_spawn(Fixture *f, gconstpointer unused)
{
    static const char *const argv[] = { "tool", "a b", "$HOME", NULL };
    static const char *const extra[] = { "HOTPLUG_TEST=1 2", NULL };
    HpError error = { 0 };
    make_program(f, "tool", "cat >&2; echo \"$HOTPLUG_TEST\" >&2; exit 3");
    HpSpawn spawn = {
        .argv = argv, .extra = extra, .input = "in\n", .path = f->host.program_path, .timeout_s = 20
    };
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, 3);
    g_assert_cmpstr(spawn.output, ==, "in\n1 2\n");
    g_autofree char *text = calls(f);
    g_assert_cmpstr(text, ==, "a b\n$HOME\n");
    /* more than is kept, and more than a pipe holds */
    make_program(f, "tool", "head -c 200000 /dev/zero | tr '\\000' x >&2");
    spawn.input = NULL;
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, 0);
    g_assert_cmpuint(strlen(spawn.output), ==, sizeof spawn.output - 1);
    make_program(f, "tool", "kill -9 $$");
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, -1);
    g_assert_cmpstr(error.text, ==, "tool was ended by signal 9");
}

static void
test_spawn_hangs(Fixture *f, gconstpointer unused)
{
    static const char *const argv[] = { "tool", NULL };
    HpError error = { 0 };
    HpSpawn spawn = { .argv = argv, .path = f->host.program_path, .timeout_s = 1 };
    make_program(f, "tool", "exec sleep 1000");
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, -1);
    g_assert_cmpstr(error.text, ==, "tool took longer than 1 s and was ended");
    memset(&error, 0, sizeof error);
    make_program(f, "tool", "exec sleep 1000 2>&-");
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, -1);
    g_assert_cmpstr(error.text, ==, "tool took longer than 1 s and was ended");
    memset(&error, 0, sizeof error);
    spawn.path = "/nonexistent";
    g_assert_cmpint(hp_spawn(&spawn, &error), ==, -1);
    g_assert_true(g_str_has_prefix(error.text, "cannot run tool: No such file or directory"));
}

static gboolean
skip_without_network(void)
{
    if (!have_network)
        g_test_skip("no network namespace with tap and bridge for us here");
    return !have_network;
}

static void
test_openvswitch(Fixture *f, gconstpointer unused)
{
    HpLink link;
    if (skip_without_network())
        return;
    make_program(f, "ovs-vsctl", "");
    fake_store_set(f->fake, VIF "/bridge", "ovsbr0.7:1:2");
    fake_store_set(f->fake, VIF "/mtu", "1300");
    g_assert_true(run(f, "vif-openvswitch online"));
    g_autofree char *up = calls(f);
    g_assert_cmpstr(up, ==,
                    "--timeout=30\n--\n--if-exists\ndel-port\nvif7.0\n--\nadd-port\novsbr0\n"
                    "vif7.0\ntag=7\ntrunks=1,2\n--\nset\ninterface\nvif7.0\n"
                    "external-ids:xen-vm-name=\"we\\\"b \\\\1\"\n"
                    "external-ids:xen-vm-uuid=\"u-u-i-d\"\n"
                    "external-ids:attached-mac=\"00:16:3e:00:00:01\"\n");
    g_assert_cmpint(hp_net_link(&f->net, "vif7.0", &link), ==, 1);
    g_assert_cmpuint(link.flags & 1, ==, 1);
    g_assert_cmpuint(link.mtu, ==, 1300);
    g_assert_cmpstr(fake_store_get(f->fake, VIF "/hotplug-status"), ==, "connected");
    g_assert_true(run(f, "vif-openvswitch offline"));
    g_autofree char *down = calls(f);
    g_assert_cmpstr(down, ==, "--timeout=30\n--\n--if-exists\ndel-port\nvif7.0\n");
    /* The switch is told as well when the interface has gone. */
    close(f->tap);
    f->tap = -1;
    make_program(f, "ovs-vsctl", "echo no database >&2; exit 1");
    g_assert_true(run(f, "vif-openvswitch offline"));
    g_autofree char *gone = calls(f);
    g_assert_cmpstr(gone, ==, down);
}

/* Neither the port nor the rules of another guest, which has the name. */
static void
test_name_of_another(Fixture *f, gconstpointer unused)
{
    if (skip_without_network())
        return;
    int other = fake_tap("web");
    make_program(f, "ovs-vsctl", "");
    make_program(f, "iptables-restore", "cat >&2");
    f->host.iptables = true;
    fake_store_set(f->fake, VIF "/bridge", "ovsbr0");
    fake_store_set(f->fake, VIF "/vifname", "web");
    g_assert_false(run(f, "vif-openvswitch online"));
    g_free(calls(f));
    g_assert_true(run(f, "vif-openvswitch offline"));
    g_autofree char *down = calls(f);
    g_assert_true(g_str_has_prefix(down, "--timeout=30\n--\n--if-exists\ndel-port\nvif7.0\n"));
    g_assert_null(strstr(down, "web"));
    close(other);
}

static void
test_openvswitch_fails(Fixture *f, gconstpointer unused)
{
    HpLink link;
    if (skip_without_network())
        return;
    make_program(f, "ovs-vsctl", "echo 'ovs-vsctl: no bridge named ovsbr1' >&2; exit 1");
    fake_store_set(f->fake, VIF "/bridge", "ovsbr1");
    fake_store_set(f->fake, VIF "/vifname", "web");
    g_assert_false(run(f, "vif-openvswitch online"));
    g_assert_cmpstr(fake_store_get(f->fake, VIF "/hotplug-error"), ==,
                    "adding interface web to the Open vSwitch bridge 'ovsbr1' failed (1): "
                    "ovs-vsctl: no bridge named ovsbr1 ");
    g_assert_cmpint(hp_net_link(&f->net, "vif7.0", &link), ==, 1); /* as it was called before */
    /* What was added is taken out again. */
    make_program(f, "ovs-vsctl", "");
    g_free(calls(f));
    f->fake->read_only = "/hotplug-status";
    g_assert_false(run(f, "vif-openvswitch online"));
    g_autofree char *text = calls(f);
    g_assert_true(g_str_has_suffix(text, "--timeout=30\n--\n--if-exists\ndel-port\nweb\n"));
    g_assert_cmpint(hp_net_link(&f->net, "vif7.0", &link), ==, 1);
    f->fake->read_only = NULL;
    g_hash_table_remove(f->fake->values, "/vm/u/uuid");
    g_assert_false(run(f, "vif-openvswitch online"));
    g_assert_true(g_str_has_prefix(f->run.error.text, "/vm/u/uuid is not in xenstore"));
}

static void
test_iptables(Fixture *f, gconstpointer unused)
{
    HpLink link;
    if (skip_without_network())
        return;
    g_assert_cmpint(system("ip link add name br7 type bridge"), ==, 0);
    make_program(f, "iptables-restore", "");
    g_autofree char *body = g_strdup_printf("cat >>%s", f->log);
    fake_store_set(f->fake, VIF "/bridge", "br7");
    fake_store_set(f->fake, VIF "/ip", "10.0.0.1 10.1.0.0/16 fd00::1 x;y");
    g_assert_true(run(f, "vif-bridge online"));
    g_autofree char *none = calls(f);
    g_assert_cmpstr(none, ==, ""); /* as Debian's */
    f->host.iptables = true;
    make_program(f, "iptables-restore", body);
    g_assert_true(run(f, "vif-bridge online"));
    g_autofree char *add = calls(f);
#define RULES(verb)                                                                                \
    "--noflush\n-w\n5\n*filter\n" verb                                                             \
    " FORWARD -m physdev --physdev-is-bridged --physdev-in vif7.0 -s 10.0.0.1 -j ACCEPT\n" verb    \
    " FORWARD -m physdev --physdev-is-bridged --physdev-out vif7.0 -j ACCEPT\n" verb               \
    " FORWARD -m physdev --physdev-is-bridged --physdev-in vif7.0 -s 10.1.0.0/16 -j ACCEPT\n" verb \
    " FORWARD -m physdev --physdev-is-bridged --physdev-out vif7.0 -j ACCEPT\n" verb               \
    " FORWARD -m physdev --physdev-is-bridged --physdev-in vif7.0 -p udp --sport 68 --dport 67 "   \
    "-j ACCEPT\n" verb                                                                             \
    " FORWARD -m physdev --physdev-is-bridged --physdev-out vif7.0 -j ACCEPT\nCOMMIT\n"
    g_assert_cmpstr(add, ==, RULES("-I"));
    g_assert_true(run(f, "vif-bridge offline"));
    g_autofree char *del = calls(f);
    g_assert_cmpstr(del, ==, RULES("-D"));
    fake_store_set(f->fake, VIF "/ip", "");
    g_assert_true(run(f, "vif-bridge online"));
    g_autofree char *any = calls(f);
    g_assert_cmpstr(any, ==,
                    "--noflush\n-w\n5\n*filter\n"
                    "-I FORWARD -m physdev --physdev-is-bridged --physdev-in vif7.0 -j ACCEPT\n"
                    "-I FORWARD -m physdev --physdev-is-bridged --physdev-out vif7.0 -j ACCEPT\n"
                    "COMMIT\n");
    /* What fails later takes them back. */
    f->fake->read_only = "/hotplug-status";
    g_assert_false(run(f, "vif-bridge online"));
    g_assert_true(
        g_str_has_suffix(f->run.error.text, "hotplug-status of xenstore: Permission denied"));
    g_autofree char *undone = calls(f);
    g_assert_nonnull(
        strstr(undone, "-D FORWARD -m physdev --physdev-is-bridged --physdev-in vif7.0 -j"));
    f->fake->read_only = NULL;
    /* Without a working iptables the guest starts as well. */
    make_program(f, "iptables-restore", "exit 1");
    g_assert_true(run(f, "vif-bridge online"));
    g_assert_cmpint(hp_net_link(&f->net, "vif7.0", &link), ==, 1);
    g_assert_cmpint(link.master, !=, 0);
    g_assert_cmpint(system("ip link del br7"), ==, 0);
}

static void
test_hooks(Fixture *f, gconstpointer unused)
{
    HpLink link;
    g_autofree char *bash = g_find_program_in_path("bash");
    if (skip_without_network() || !bash)
        return;
    f->host.program_path = "/usr/bin:/bin";
    g_assert_cmpint(system("ip link add name br7 type bridge"), ==, 0);
    fake_store_set(f->fake, VIF "/bridge", "br7");
    fake_store_set(f->fake, VIF "/ip", "10.0.0.1");
    g_autofree char *first = g_strdup_printf(
        "echo one $command $dev $bridge $ip $type_if $XENBUS_PATH >>%s\n", f->log);
    g_autofree char *second = g_strdup_printf("echo two >>%s\n", f->log);
    fake_file("scripts/vif-post.d/20-two.hook", second, 0755);
    fake_file("scripts/vif-post.d/10-one.hook", first, 0755);
    fake_file("scripts/vif-post.d/30-not-executable.hook", second, 0644);
    fake_file("scripts/vif-post.d/40-other", second, 0755);
    g_assert_true(run(f, "vif-bridge online"));
    g_autofree char *up = calls(f);
    g_assert_cmpstr(up, ==, "one online vif7.0 br7 10.0.0.1 vif " VIF "\ntwo\n");
    const char *failing = fake_file("scripts/vif-post.d/15-fails.hook",
                                    "echo because >&2; exit 9\n", 0755);
    g_assert_false(run(f, "vif-bridge online"));
    g_assert_true(
        g_pattern_match_simple("a hook in *vif-post.d failed (9): because ", f->run.error.text));
    g_assert_cmpint(hp_net_link(&f->net, "vif7.0", &link), ==, 1);
    g_assert_cmpint(link.master, ==, 0); /* undone */
    g_unlink(failing);
    g_free(calls(f));
    g_assert_true(run(f, "vif-bridge offline"));
    g_autofree char *down = calls(f);
    g_assert_true(g_str_has_prefix(down, "one offline vif7.0 br7 "));
    g_assert_cmpint(system("ip link del br7"), ==, 0);
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *name = g_strconcat("/hotplug/outside/", path, NULL);
    g_test_add(name, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN); /* as main() of xlvirt-hotplug has it */
    have_network = fake_network();
    add("lock", test_lock);
    add("lock-unlinked", test_lock_unlinked);
    add("lock-nowhere", test_lock_nowhere);
    add("lock-first", test_lock_first);
    add("lock-crowd", test_lock_crowd);
    add("spawn", test_spawn);
    add("spawn-hangs", test_spawn_hangs);
    add("openvswitch", test_openvswitch);
    add("openvswitch-fails", test_openvswitch_fails);
    add("name-of-another", test_name_of_another);
    add("iptables", test_iptables);
    add("hooks", test_hooks);
    return g_test_run();
}
