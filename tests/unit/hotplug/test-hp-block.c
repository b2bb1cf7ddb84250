/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks: who shares what with whom, and files as loop devices where this machine has some. */
#include "fake-store.h"
#include "hp-loop.h"
#include "hp-sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DISK "backend/vbd/7/51712"

static const char *const environment[] = { "XENBUS_TYPE=vbd", "XENBUS_PATH=" DISK,
                                           "XENBUS_BASE_PATH=backend", NULL };

typedef struct Fixture {
    FakeStore *fake;
    HpHost host;
    HpRun run;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    f->fake = fake_store_new();
    f->host = fake_host();
    f->run = (HpRun){ .host = &f->host, .store = &f->fake->store };
    fake_request(&f->run.request, "block add", environment);
    fake_store_set(f->fake, "/local/domain/7/vm", "/vm/seven");
    fake_store_set(f->fake, DISK "/mode", "w");
    fake_store_set(f->fake, DISK "/state", "2");
    fake_store_set(f->fake, DISK "/type", "phy");
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    fake_store_free(f->fake);
}

static gboolean
run(Fixture *f, const char *line)
{
    memset(&f->run.error, 0, sizeof f->run.error);
    fake_request(&f->run.request, line, environment);
    return hp_run(&f->run);
}

/* That it failed, with this message, which libxl finds in the store. */
static void
assert_failed(Fixture *f, const char *status, const char *pattern)
{
    const char *error = fake_store_get(f->fake, DISK "/hotplug-error");
    g_assert_nonnull(error);
    g_test_message("%s", error);
    g_assert_true(g_pattern_match_simple(pattern, error));
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/hotplug-status"), ==, status);
    g_assert_null(fake_store_get(f->fake, DISK "/physical-device"));
}

/* DEV is 8:16. */
static const HpNumbers sdb = { 1, { 0x810 } };

static void
add_disk(Fixture *f, const char *domid, const char *vm, const char *number, const char *mode,
         const char *script)
{
    const struct {
        const char *name, *value;
    } values[] = {
        { "physical-device", number },
        { "mode", mode },
        { "script", script },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *path = g_strdup_printf("backend/vbd/%s/51728/%s", domid, values[i].name);
        fake_store_set(f->fake, path, values[i].value);
    }
    g_autofree char *path = g_strdup_printf("/local/domain/%s/vm", domid);
    if (vm)
        fake_store_set(f->fake, path, vm);
}

static gboolean
guests_let(Fixture *f, gboolean read_only)
{
    memset(&f->run.error, 0, sizeof f->run.error);
    gboolean ok = hp_sharing_check_guests(&f->run, "/dev/sdb", read_only, &sdb);
    g_assert_cmpint(ok, ==, f->run.error.text[0] == 0);
    g_assert_cmpint(ok, ==, !f->run.error.busy);
    return ok;
}

static void
test_guests(Fixture *f, gconstpointer unused)
{
    g_assert_true(guests_let(f, FALSE)); /* there is nobody */
    add_disk(f, "3", "/vm/three", "8:20", "w", "/x/block");
    g_assert_true(guests_let(f, FALSE)); /* another disk */
    add_disk(f, "5", "/vm/five", "8:10", "r", "/x/block");
    fake_store_set(f->fake, "/local/domain/5/name", "web");
    g_assert_true(guests_let(f, TRUE)); /* two readers */
    g_assert_false(guests_let(f, FALSE));
    g_assert_cmpstr(f->run.error.text, ==,
                    "disk '/dev/sdb' is in use by domain web (id 5, disk 51728): detach it there, "
                    "or, if all of them can share it, make it shareable in each (<shareable/>, "
                    "script block-shared)");
    add_disk(f, "5", "/vm/five", "8:10", "w", "/x/block");
    g_assert_false(guests_let(f, TRUE));
    g_assert_nonnull(strstr(f->run.error.text, "which may write to it"));
    /* A reader of what several write to knows; who wants to write alone does not have it alone. */
    add_disk(f, "5", "/vm/five", "8:10", "w!", "/x/block");
    g_assert_true(guests_let(f, TRUE));
    g_assert_false(guests_let(f, FALSE));
    add_disk(f, "5", "/vm/five", "8:10", "w", "/x/block-shared");
    g_assert_true(guests_let(f, TRUE));
    g_assert_false(guests_let(f, FALSE));
}

/* A domain that moves within this host is there twice; a device model has its guest's disks. */
static void
test_same_guest(Fixture *f, gconstpointer unused)
{
    add_disk(f, "5", "/vm/seven", "8:10", "w", "/x/block");
    g_assert_true(guests_let(f, FALSE));
    add_disk(f, "5", "/vm/five", "8:10", "w", "/x/block");
    g_assert_false(guests_let(f, FALSE));
    fake_store_set(f->fake, "/local/domain/5/target", "7");
    g_assert_true(guests_let(f, FALSE)); /* 5 is the device model of 7 */
    g_hash_table_remove(f->fake->values, "/local/domain/5/target");
    fake_store_set(f->fake, "/local/domain/7/target", "5");
    g_assert_true(guests_let(f, FALSE)); /* and the other way round */
    fake_store_set(f->fake, "/local/domain/7/target", "6");
    g_assert_false(guests_let(f, FALSE));
    g_hash_table_remove(f->fake->values, "/local/domain/5/vm");
    g_assert_true(guests_let(f, FALSE)); /* nobody is 5 any more */
}

static void
test_hostile_guests(Fixture *f, gconstpointer unused)
{
    static const char *const numbers[] = { "8:10x", ":",      "8:",           ":10",   "-8:10",
                                           "8 :10", "8:10:1", "100000008:10", "0x8:10" };
    g_autofree char *big = g_strnfill(5000, '8');
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        add_disk(f, "5", "/vm/five", numbers[i], "w", "/x/block");
        g_test_message("%s", numbers[i]);
        g_assert_true(guests_let(f, FALSE));
    }
    add_disk(f, "5", "/vm/five", big, "w", "/x/block");
    g_assert_true(guests_let(f, FALSE));
    add_disk(f, "5", "/vm/five", "8:10", big, big);
    fake_store_set(f->fake, "/local/domain/5/name", big);
    g_assert_false(guests_let(f, FALSE));
    g_assert_nonnull(strstr(f->run.error.text, "domain ? (id 5"));
}

static gboolean
mounts_let(Fixture *f, const char *mountinfo, gboolean read_only)
{
    f->host.mountinfo = fake_file("mounts", mountinfo, 0644);
    memset(&f->run.error, 0, sizeof f->run.error);
    return hp_sharing_check_mounts(&f->run, "/dev/sdb", read_only, &sdb);
}

static void
test_mounts(Fixture *f, gconstpointer unused)
{
    g_assert_true(mounts_let(f, "", FALSE));
    g_assert_true(mounts_let(f, "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n", FALSE));
    g_assert_false(mounts_let(f, "22 1 8:16 / /srv/a\\040b rw - ext4 /dev/root rw\n", FALSE));
    g_assert_true(g_str_has_prefix(f->run.error.text,
                                   "disk '/dev/sdb' is mounted on this host at /srv/a\\040b for "
                                   "writing: unmount it, or give the guest the disk as shareable"));
    g_assert_true(f->run.error.busy);
    g_assert_false(mounts_let(f, "22 1 8:16 / /srv rw - ext4 /dev/sdb rw", TRUE));
    g_assert_true(mounts_let(f, "22 1 8:16 / /srv ro - ext4 /dev/sdb rw", TRUE));
    g_assert_true(mounts_let(f, "22 1 8:16 / /srv rw shared:1 master:2 - ext4 /dev/sdb ro", TRUE));
    g_assert_false(mounts_let(f, "22 1 8:16 / /srv ro - ext4 /dev/sdb ro", FALSE));
    g_assert_nonnull(strstr(f->run.error.text, "read-only, or"));
    g_assert_false(mounts_let(f, "22 1 8:16 / /srv rootish - ext4 /dev/sdb rotten", TRUE));
    /* what is no line of mountinfo(5) */
    g_assert_true(mounts_let(f, "\n- - -\n8:16 8:16 8:16 8:16\n22 1 8:16 / /srv rw -\n", FALSE));
    f->host.mountinfo = "/nonexistent";
    g_assert_false(hp_sharing_check_mounts(&f->run, "/dev/sdb", FALSE, &sdb));
}

static void
test_no_such_disk(Fixture *f, gconstpointer unused)
{
    fake_store_set(f->fake, DISK "/params", "/nonexistent/disk");
    g_assert_false(run(f, "block add"));
    assert_failed(f, "error", "disk '/nonexistent/disk': No such file or directory; create it*");
    fake_store_set(f->fake, DISK "/params", "nonexistent-device");
    g_assert_false(run(f, "block add"));
    assert_failed(f, "error", "disk 'nonexistent-device': No such file*");
    fake_store_set(f->fake, DISK "/params", fake_folder());
    g_assert_false(run(f, "block add"));
    assert_failed(f, "error", "disk '*' is neither a block device nor a file");
    fake_store_set(f->fake, DISK "/params", "");
    g_assert_false(run(f, "block add"));
    assert_failed(f, "error", "backend/vbd/7/51712/params is not in xenstore*");
}

static void
test_refused_files(Fixture *f, gconstpointer unused)
{
    fake_store_set(f->fake, DISK "/params", fake_file("protected.img", "x", 0444));
    g_assert_false(run(f, "block add"));
    assert_failed(f, "busy", "disk '*protected.img' is write protected (mode 444): chmod u+w it*");
    fake_store_set(f->fake, DISK "/params", fake_file("late.img", "x", 0644));
    fake_store_set(f->fake, DISK "/state", "5");
    g_assert_false(run(f, "block add"));
    assert_failed(f, "error", "the disk was taken away while it was added*5)");
}

static void
test_twice(Fixture *f, gconstpointer unused)
{
    fake_store_set(f->fake, DISK "/physical-device", "8:10");
    g_assert_true(run(f, "block add"));
    g_assert_cmpuint(f->fake->n_writes, ==, 0);
}

/* Somebody's own kind of disk. */
static void
test_hand_over(Fixture *f, gconstpointer unused)
{
    /* It takes the folder away, as what runs in place of a test cannot do that at its end. */
    g_autofree char *script = g_strdup_printf("#!/bin/sh\n[ $1 = add ] && rm -r %s\n",
                                              fake_folder());
    fake_file("scripts/block-mine", script, 0755);
    fake_store_set(f->fake, DISK "/params", "mine:web");
    fake_store_set(f->fake, DISK "/type", "mine");
    if (g_test_subprocess()) {
        run(f, "block add");
        g_assert_not_reached(); /* it runs in our place */
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    fake_store_set(f->fake, DISK "/type", "../scripts/block-mine");
    g_assert_false(run(f, "block add"));
    g_assert_true(g_file_test(fake_folder(), G_FILE_TEST_IS_DIR));
}

static void
test_remove_nothing(Fixture *f, gconstpointer unused)
{
    g_assert_true(run(f, "block remove")); /* it was never added */
    fake_store_set(f->fake, DISK "/params", "/dev/null");
    g_assert_true(run(f, "block remove"));
}

/* `node` must not make us let go of what is not ours. */
static void
test_remove_hostile(Fixture *f, gconstpointer unused)
{
    static const char *const nodes[] = { "/dev/loop-control",    "/dev/loop",   "/dev/loop0/../sda",
                                         "/dev/loop99999999999", "/dev/loop1x", "/dev/loop 1" };
    for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++) {
        fake_store_set(f->fake, DISK "/node", nodes[i]);
        g_assert_false(run(f, "block remove"));
        assert_failed(f, "error", "'/dev/loop*' is no loop device; it is left as it is");
    }
    fake_store_set(f->fake, DISK "/node", "/dev/loop1000000");
    g_assert_true(run(f, "block remove")); /* has gone */
    fake_store_set(f->fake, DISK "/node", "/dev/sda");
    g_assert_true(run(f, "block remove")); /* a device is not taken down */
}

/* ---- loop devices: of this machine, if it has any to spare ---- */

/* A loop device that somebody else has made, or we have, who stand beside the program. */
typedef struct Loop {
    char dev[HP_DEV_SIZE];
    dev_t number;
    HpError error;
} Loop;

static gboolean
loop_attach(Loop *loop, const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    *loop = (Loop){ 0 };
    gboolean ok = hp_loop_attach(fd, path, false, false, loop->dev, &loop->number, &loop->error);
    close(fd);
    return ok;
}

static void
loop_detach(Loop *loop)
{
    g_assert_true(hp_loop_detach(loop->dev, loop->number, &loop->error));
}

static const char *
zeros_file(const char *name)
{
    g_autofree char *zeros = g_strnfill(65536, '0');
    return fake_file(name, zeros, 0644);
}

/* The file's; NULL: the test is skipped. */
static const char *
need_loops(const char *name)
{
    const char *path = zeros_file(name);
    Loop loop;
    if (!loop_attach(&loop, path)) {
        g_test_skip(loop.error.text);
        return NULL;
    }
    loop_detach(&loop);
    return path;
}

/* What the kernel says of a loop device; it lets go a little after it was told to. */
static char *
backing_file(const char *dev)
{
    g_autofree char *path = g_strdup_printf("/sys/block/%s/loop/backing_file",
                                            dev + strlen("/dev/"));
    char *text = NULL;
    if (g_file_get_contents(path, &text, NULL, NULL))
        g_strchomp(text);
    return text;
}

static void
assert_released(const char *dev, const char *path)
{
    for (int i = 0; i < 200; i++) {
        g_autofree char *file = backing_file(dev);
        if (g_strcmp0(file, path) != 0)
            return;
        g_usleep(10000);
    }
    g_error("%s still has %s", dev, path);
}

static void
test_loop(Fixture *f, gconstpointer unused)
{
    const char *path = need_loops("disk.img");
    struct stat st;
    if (!path)
        return;
    g_autofree char *link = g_build_filename(fake_folder(), "link.img", NULL);
    g_assert_cmpint(symlink(path, link), ==, 0);
    fake_store_set(f->fake, DISK "/params", link);
    g_assert_true(run(f, "block add"));
    g_autofree char *dev = g_strdup(fake_store_get(f->fake, DISK "/node"));
    g_autofree char *file = backing_file(dev);
    g_assert_cmpstr(file, ==, path);
    g_assert_cmpint(stat(dev, &st), ==, 0);
    g_autofree char *number = g_strdup_printf("%x:%x", major(st.st_rdev), minor(st.st_rdev));
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/physical-device"), ==, number);
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/physical-device-path"), ==, dev);
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/hotplug-status"), ==, "connected");
    g_autofree char *ro = g_strdup_printf("/sys/block/%s/ro", dev + strlen("/dev/"));
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(ro, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "0\n");
    g_unlink(path); /* and it is still found again */
    g_assert_true(run(f, "block remove"));
    assert_released(dev, path);
    g_assert_true(run(f, "block remove")); /* once more does no harm */
}

static void
test_loop_read_only(Fixture *f, gconstpointer unused)
{
    const char *path = need_loops("ro.img");
    if (!path)
        return;
    g_chmod(path, 0444);
    fake_store_set(f->fake, DISK "/params", path);
    fake_store_set(f->fake, DISK "/mode", "r");
    g_assert_true(run(f, "block add"));
    const char *dev = fake_store_get(f->fake, DISK "/node");
    g_autofree char *ro = g_strdup_printf("/sys/block/%s/ro", dev + strlen("/dev/"));
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(ro, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "1\n");
    g_assert_true(run(f, "block remove"));
    assert_released(dev, path);
}

/* The same file by another name is the same file, whichever loop device it has. */
static void
test_loop_sharing(Fixture *f, gconstpointer unused)
{
    const char *path = need_loops("shared.img");
    Loop loop;
    if (!path)
        return;
    g_assert_true(loop_attach(&loop, path));
    g_autofree char *hard = g_build_filename(fake_folder(), "hard.img", NULL);
    g_assert_cmpint(link(path, hard), ==, 0);
    g_autofree char *theirs = g_strdup_printf("%x:%x", major(loop.number), minor(loop.number));
    add_disk(f, "5", "/vm/five", theirs, "w", "/x/block");
    fake_store_set(f->fake, DISK "/params", hard);
    g_assert_false(run(f, "block add"));
    assert_failed(f, "busy", "disk '*hard.img' is in use by domain ? (id 5*may write*");
    g_autofree char *mounted = g_strdup_printf("22 1 %u:%u / /mnt rw - ext4 %s rw\n",
                                               major(loop.number), minor(loop.number), loop.dev);
    f->host.mountinfo = fake_file("mountinfo", mounted, 0644);
    g_assert_false(run(f, "block add"));
    assert_failed(f, "busy", "disk '*hard.img' is mounted on this host at /mnt*");
    g_assert_true(run(f, "block-shared add"));
    g_autofree char *own = g_strdup(fake_store_get(f->fake, DISK "/node"));
    g_assert_cmpstr(own, !=, loop.dev);
    g_assert_true(run(f, "block-shared remove"));
    assert_released(own, hard);
    loop_detach(&loop);
    assert_released(loop.dev, path);
}

/* What cannot be written down is taken back. */
static void
test_loop_undo(Fixture *f, gconstpointer unused)
{
    static const char *const paths[] = { "/node", "/physical-device", "/hotplug-status" };
    const char *path = need_loops("undo.img"), *others = zeros_file("others.img");
    Loop next;
    dev_t found[4];
    struct stat st;
    if (!path)
        return;
    g_assert_cmpint(stat(path, &st), ==, 0);
    fake_store_set(f->fake, DISK "/params", path);
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        f->fake->read_only = paths[i];
        g_assert_false(run(f, "block add"));
        g_assert_nonnull(strstr(f->run.error.text, "cannot write"));
        for (int k = 0; k < 200 && hp_loop_find(st.st_dev, st.st_ino, found, 4) > 0; k++)
            g_usleep(10000);
        g_assert_cmpuint(hp_loop_find(st.st_dev, st.st_ino, found, 4), ==, 0);
        /* Who has the loop device next keeps it. */
        g_assert_true(loop_attach(&next, others));
        f->fake->read_only = NULL;
        g_assert_true(run(f, "block remove"));
        g_autofree char *file = backing_file(next.dev);
        g_assert_cmpstr(file, ==, others);
        loop_detach(&next);
        assert_released(next.dev, others);
        g_hash_table_remove(f->fake->values, DISK "/physical-device");
    }
}

/* Not the one that `physical-device` names: somebody has changed one of them. */
static void
test_loop_other_number(Fixture *f, gconstpointer unused)
{
    const char *path = need_loops("other.img");
    if (!path)
        return;
    fake_store_set(f->fake, DISK "/params", path);
    g_assert_true(run(f, "block add"));
    g_autofree char *dev = g_strdup(fake_store_get(f->fake, DISK "/node"));
    g_autofree char *number = g_strdup(fake_store_get(f->fake, DISK "/physical-device"));
    fake_store_set(f->fake, DISK "/physical-device", "7:fff");
    g_assert_false(run(f, "block remove"));
    g_assert_nonnull(strstr(f->run.error.text, "it is left as it is"));
    g_autofree char *file = backing_file(dev);
    g_assert_cmpstr(file, ==, path);
    fake_store_set(f->fake, DISK "/physical-device", number);
    g_assert_true(run(f, "block remove"));
    assert_released(dev, path);
}

static void
test_device(Fixture *f, gconstpointer unused)
{
    const char *path = need_loops("device.img");
    Loop loop;
    if (!path)
        return;
    g_assert_true(loop_attach(&loop, path));
    g_autofree char *link = g_build_filename(fake_folder(), "link", NULL);
    g_assert_cmpint(symlink(loop.dev, link), ==, 0);
    g_autofree char *text = g_strdup_printf("%x:%x", major(loop.number), minor(loop.number));
    fake_store_set(f->fake, DISK "/params", link);
    g_assert_true(run(f, "block add"));
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/physical-device-path"), ==, loop.dev);
    g_assert_cmpstr(fake_store_get(f->fake, DISK "/physical-device"), ==, text);
    g_assert_null(fake_store_get(f->fake, DISK "/node"));
    g_assert_true(run(f, "block remove"));
    g_hash_table_remove(f->fake->values, DISK "/physical-device");
    fake_store_set(f->fake, DISK "/params", loop.dev + strlen("/dev/")); /* xm's way to write it */
    add_disk(f, "5", "/vm/five", text, "r", "/x/block");
    g_assert_false(run(f, "block add"));
    assert_failed(f, "busy", "disk '/dev/loop*' is in use by domain*");
    g_autofree char *file = backing_file(loop.dev);
    g_assert_cmpstr(file, ==, path);
    loop_detach(&loop);
    assert_released(loop.dev, path);
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *name = g_strconcat("/hotplug/block/", path, NULL);
    g_test_add(name, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("guests", test_guests);
    add("same-guest", test_same_guest);
    add("hostile-guests", test_hostile_guests);
    add("mounts", test_mounts);
    add("no-such-disk", test_no_such_disk);
    add("refused-files", test_refused_files);
    add("twice", test_twice);
    add("hand-over", test_hand_over);
    add("remove-nothing", test_remove_nothing);
    add("remove-hostile", test_remove_hostile);
    add("loop", test_loop);
    add("loop-read-only", test_loop_read_only);
    add("loop-sharing", test_loop_sharing);
    add("loop-undo", test_loop_undo);
    add("loop-other-number", test_loop_other_number);
    add("device", test_device);
    return g_test_run();
}
