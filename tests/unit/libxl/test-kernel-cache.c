/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cache as its user sees it: what is remembered, what is evicted, many at once, and whatever
 * may be wrong with kernels, the folder and the disk. XLVIRT_TEST_KERNEL=FILE takes in a real one;
 * else what lies in /boot.
 */
#include "kernel-fixture.h"
#include "libxl/hvxl-kernel-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <hv/hv.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB     ((guint64)1024 * 1024)
#define SIZE    (300 * 1024)
#define TRAILER 80
/* What an entry of SIZE takes on the disk at least: a third of it are holes. */
#define AN_ENTRY (SIZE / 2)

static gint warnings; /* atomic */

/* A warning is no failure here: it is counted. */
static GLogWriterOutput
count_warnings(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    if (level & G_LOG_LEVEL_WARNING)
        g_atomic_int_inc(&warnings);
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return g_log_writer_standard_streams(level, fields, n_fields, data);
    return G_LOG_WRITER_HANDLED;
}

/* ---- a folder with kernels ---- */

typedef struct Fixture {
    char *base, *dir;
    HvxlKernelCache *cache;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->base = g_dir_make_tmp("kernel-cache-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->dir = g_build_filename(fixture->base, "var/cache/kernels", NULL);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 8);
    g_atomic_int_set(&warnings, 0);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    g_chmod(path, 0700);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        if (g_file_test(inner, G_FILE_TEST_IS_DIR) && !g_file_test(inner, G_FILE_TEST_IS_SYMLINK))
            remove_tree(inner);
        else
            g_unlink(inner);
    }
    g_rmdir(path);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    hvxl_kernel_cache_free(fixture->cache);
    remove_tree(fixture->base);
    g_free(fixture->base);
    g_free(fixture->dir);
}

static void
restart(Fixture *fixture)
{
    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 8);
}

static void
write_file(const char *path, const void *data, gsize len)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, data, (gssize)len, &error);
    g_assert_no_error(error);
}

/* gzip, the one that every build has in practice; NULL skips the test. */
static char *
add_kernel(Fixture *fixture, const char *name, guint seed)
{
    g_autoptr(GByteArray) kernel = fixture_kernel(PACK_GZIP, SIZE, seed);
    g_autofree char *path = g_build_filename(fixture->base, name, NULL);

    g_assert_nonnull(kernel);
    write_file(path, kernel->data, kernel->len);
    return g_steal_pointer(&path);
}

static void
assert_one_of(const HvxlKernel *kernel, guint seed, guint other_seed)
{
    g_autoptr(GByteArray) elf = fixture_elf(SIZE, seed);
    g_autoptr(GByteArray) other = fixture_elf(SIZE, other_seed);
    g_autofree char *text = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(hvxl_kernel_path(kernel), &text, &len, NULL));
    g_assert_cmpuint(len, ==, SIZE + TRAILER);
    g_assert_true(memcmp(text, elf->data, SIZE) == 0 || memcmp(text, other->data, SIZE) == 0);
}

static void
assert_unpacked(const HvxlKernel *kernel, guint seed)
{
    g_assert_cmpstr(hvxl_kernel_why_packed(kernel), ==, NULL);
    assert_one_of(kernel, seed, seed);
}

static HvxlKernel *
get(Fixture *fixture, const char *path)
{
    g_autoptr(GError) error = NULL;
    HvxlKernel *kernel = hvxl_kernel_cache_get(fixture->cache, path, NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(kernel);
    return kernel;
}

/* The entry's path; its lease is given back. */
static char *
get_entry(Fixture *fixture, const char *path, guint seed)
{
    g_autoptr(HvxlKernel) kernel = get(fixture, path);

    assert_unpacked(kernel, seed);
    return g_strdup(hvxl_kernel_path(kernel));
}

static void
assert_as_it_is(Fixture *fixture, const char *path, const char *why)
{
    g_autoptr(HvxlKernel) kernel = get(fixture, path);

    g_assert_cmpstr(hvxl_kernel_path(kernel), ==, path);
    g_assert_cmpstr(hvxl_kernel_why_packed(kernel), ==, why);
}

static HvxlKernelCacheStats
stats(Fixture *fixture)
{
    HvxlKernelCacheStats all;

    hvxl_kernel_cache_get_stats(fixture->cache, &all);
    return all;
}

static guint
count_files(Fixture *fixture)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

/* Until a file that was written before counts as settled. */
static void
settle(void)
{
    g_usleep(2 * G_USEC_PER_SEC + G_USEC_PER_SEC / 10);
}

/* ---- what is kept, and for how long ---- */

static void
test_cold_and_again(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *entry = get_entry(fixture, path, 1);
    g_autofree char *again = get_entry(fixture, path, 1);
    struct stat st;

    g_assert_cmpstr(entry, ==, again);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 1);
    g_assert_cmpint(stat(entry, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpint(st.st_size, ==, SIZE + TRAILER);
    g_assert_cmpint(stat(fixture->dir, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
    g_assert_cmpuint(count_files(fixture), ==, 1);

    restart(fixture);
    g_free(again);
    again = get_entry(fixture, path, 1);
    g_assert_cmpstr(entry, ==, again);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 0);
}

static void
test_each_packer(Fixture *fixture, gconstpointer data)
{
    for (Packer packer = 0; packer < N_PACKERS; packer++) {
        g_autoptr(GByteArray) kernel = fixture_kernel(packer, SIZE, packer);
        g_autofree char *path = g_build_filename(fixture->base, packer_names[packer], NULL);
        g_autofree char *entry = NULL;

        if (!kernel)
            continue;
        write_file(path, kernel->data, kernel->len);
        entry = get_entry(fixture, path, packer);
    }
}

/* An unchanged file is not read again, and one that changed is. */
static void
test_memo(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *stub = g_build_filename(fixture->base, "stub", NULL);
    g_autoptr(GByteArray) elf = fixture_elf(8192, 1);
    g_autofree char *entry = NULL, *other = NULL, *moved = NULL;
    guint64 hashed = 0;

    write_file(stub, elf->data, elf->len);
    settle();
    entry = get_entry(fixture, path, 1);
    /* Somebody may mount something just now, which ends the memo. */
    for (guint try = 0; try < 20 && stats(fixture).recalled < 2; try++) {
        g_autofree char *again = get_entry(fixture, path, 1);

        assert_as_it_is(fixture, stub, "it is unpacked already");
        g_assert_cmpstr(again, ==, entry);
    }
    g_assert_cmpuint(stats(fixture).recalled, >=, 2);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 1);

    /* Replaced, as packages do it; then written in place, of the same length. */
    hashed = stats(fixture).hashed;
    moved = add_kernel(fixture, "vmlinuz.new", 2);
    g_assert_cmpint(g_rename(moved, path), ==, 0);
    other = get_entry(fixture, path, 2);
    g_assert_cmpstr(other, !=, entry);
    g_assert_cmpuint(stats(fixture).hashed, ==, hashed + 1);
}

/* What was written a moment ago may be written once more within the same tick, so it is read each
 * time. (Newer kernels of the host have finer ticks for files that somebody looks at.) */
static void
test_racy(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) kernels = fixture_kernel(PACK_GZIP, SIZE, 1);
    g_autoptr(GByteArray) other = fixture_kernel(PACK_GZIP, SIZE, 2);
    gsize len = MAX(kernels->len, other->len);
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    char *entries[2];
    int fd = open(path, O_RDWR | O_CLOEXEC);

    /* One behind the other, of the same length. */
    g_byte_array_set_size(kernels, 2 * len);
    g_byte_array_set_size(other, len);
    memcpy(kernels->data + len, other->data, len);
    for (guint i = 0; i < 500; i++) {
        g_autoptr(HvxlKernel) kernel = NULL;

        g_assert_cmpint(pwrite(fd, kernels->data + i % 2 * len, len, 0), ==, len);
        kernel = get(fixture, path);
        if (i < 2) {
            assert_unpacked(kernel, 1 + i);
            entries[i] = g_strdup(hvxl_kernel_path(kernel));
            g_free(get_entry(fixture, path, 1 + i));
        }
        g_assert_cmpstr(hvxl_kernel_path(kernel), ==, entries[i % 2]);
    }
    g_free(entries[0]);
    g_free(entries[1]);
    g_assert_cmpuint(stats(fixture).recalled, ==, 0);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 2);
    close(fd);
}

static void
test_same_contents(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = add_kernel(fixture, "first", 1);
    g_autofree char *second = add_kernel(fixture, "second", 1);
    g_autofree char *one = get_entry(fixture, first, 1);
    g_autofree char *two = get_entry(fixture, second, 1);

    g_assert_cmpstr(one, ==, two);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 1);
}

static void
set_last_use(const char *entry, int minutes_ago)
{
    struct timespec times[2] = { { 0, UTIME_OMIT }, { time(NULL) - minutes_ago * 60, 0 } };

    g_assert_cmpint(utimensat(AT_FDCWD, entry, times, 0), ==, 0);
}

/* Eight fit; the one that was not used for longest goes first. */
static void
test_evict_by_number(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = add_kernel(fixture, "0", 0);
    g_autofree char *entry = get_entry(fixture, first, 0);
    g_autofree char *second_entry = NULL, *last = NULL;

    set_last_use(entry, 90);
    for (guint i = 1; i < 8; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        g_autofree char *path = add_kernel(fixture, name, i);
        g_autofree char *other = get_entry(fixture, path, i);

        set_last_use(other, 80 - (int)i);
        if (i == 1)
            second_entry = g_steal_pointer(&other);
    }
    /* Used now: number 1 is the oldest then. */
    g_free(get_entry(fixture, first, 0));
    last = add_kernel(fixture, "8", 8);
    g_free(get_entry(fixture, last, 8));
    g_assert_true(g_file_test(entry, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(second_entry, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(count_files(fixture), ==, 8);
}

static void
test_evict_by_bytes(Fixture *fixture, gconstpointer data)
{
    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 2 * SIZE, 100);
    for (guint i = 0; i < 6; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        g_autofree char *path = add_kernel(fixture, name, i);

        g_free(get_entry(fixture, path, i));
        g_assert_cmpuint(count_files(fixture), <=, 2 * SIZE / AN_ENTRY);
    }
    g_assert_cmpuint(stats(fixture).unpacked, ==, 6);

    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, SIZE / 2, 100);
    {
        g_autofree char *path = add_kernel(fixture, "too-large", 77);

        assert_as_it_is(fixture, path, "the cache is full of kernels in use");
    }
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

/* What a start is using stays. */
static void
test_leased(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = add_kernel(fixture, "first", 1);
    g_autofree char *second = add_kernel(fixture, "second", 2);
    HvxlKernel *kernel;

    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 1);
    kernel = get(fixture, first);
    assert_as_it_is(fixture, second, "the cache is full of kernels in use");
    assert_unpacked(kernel, 1);
    hvxl_kernel_free(kernel);
    g_free(get_entry(fixture, second, 2));
    g_assert_cmpuint(count_files(fixture), ==, 1);
}

/* ... also by another process; one that is killed leaves nothing behind. */
static void
test_leased_elsewhere(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = add_kernel(fixture, "first", 1);
    g_autofree char *second = add_kernel(fixture, "second", 2);
    g_autofree char *entry = NULL;
    int ready[2];
    char byte;
    pid_t pid;

    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 1);
    entry = get_entry(fixture, first, 1);
    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    if (pid == 0) {
        int fd = open(entry, O_RDONLY);

        if (fd >= 0 && flock(fd, LOCK_SH) == 0 && write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    assert_as_it_is(fixture, second, "the cache is full of kernels in use");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    g_free(get_entry(fixture, second, 2));
    g_assert_false(g_file_test(entry, G_FILE_TEST_EXISTS));
    close(ready[0]);
    close(ready[1]);
}

static void
test_removed_by_hand(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);

    settle();
    for (guint i = 0; i < 3; i++) {
        g_free(get_entry(fixture, path, 1));
        remove_tree(fixture->dir);
    }
    g_assert_cmpuint(stats(fixture).unpacked, ==, 3);
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

/* ---- damage ---- */

static void
test_damaged_entry(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *other = add_kernel(fixture, "other", 2);
    g_autofree char *entry = get_entry(fixture, path, 1);
    g_autofree char *other_entry = get_entry(fixture, other, 2);

    /* Cut off, of the right length but empty, empty, somebody else's, longer. */
    g_assert_cmpint(truncate(entry, SIZE / 2), ==, 0);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(truncate(entry, 0), ==, 0);
    g_assert_cmpint(truncate(entry, SIZE + TRAILER), ==, 0);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(truncate(entry, 0), ==, 0);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(g_rename(other_entry, entry), ==, 0);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(truncate(entry, SIZE + TRAILER + 1), ==, 0);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(g_unlink(entry), ==, 0);
    g_assert_cmpint(symlink(path, entry), ==, 0);
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 5);
    g_assert_cmpuint(stats(fixture).unpacked, ==, 7);
}

static void
test_leftovers(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *left = g_build_filename(fixture->dir, ".new-left", NULL);
    g_autofree char *busy = g_build_filename(fixture->dir, ".new-busy", NULL);
    g_autofree char *foreign = g_build_filename(fixture->dir, "README", NULL);
    int fd;

    g_free(get_entry(fixture, path, 1));
    write_file(left, "x", 1);
    write_file(busy, "x", 1);
    write_file(foreign, "x", 1);
    fd = open(busy, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    restart(fixture);
    g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(busy, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(foreign, G_FILE_TEST_EXISTS));
    close(fd);
    restart(fixture);
    g_assert_false(g_file_test(busy, G_FILE_TEST_EXISTS));
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpuint(stats(fixture).unpacked, ==, 0);
}

/* A kernel that cannot be unpacked is tried once. */
static void
test_damaged_kernel(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *copy = g_build_filename(fixture->base, "copy", NULL);
    g_autoptr(GByteArray) kernel = fixture_kernel(PACK_GZIP, SIZE, 1);

    kernel->data[kernel->len - 20 - 8] ^= 1; /* gzip's checksum, so it fails at the very end */
    write_file(path, kernel->data, kernel->len);
    write_file(copy, kernel->data, kernel->len);
    assert_as_it_is(fixture, path, "its payload is damaged or cut off");
    assert_as_it_is(fixture, path, "its payload is damaged or cut off");
    assert_as_it_is(fixture, copy, "its payload is damaged or cut off");
    g_assert_cmpuint(stats(fixture).unpacked, ==, 0);
    g_assert_cmpuint(stats(fixture).refused, ==, 1);
    g_assert_cmpuint(count_files(fixture), ==, 0);
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

static void
test_not_for_xen(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) elf = fixture_elf(SIZE, 1);
    g_autoptr(GByteArray) text = g_byte_array_new();
    const char *const why[] = { "what it unpacks to has no notes for Xen",
                                "what it unpacks to is no ELF file for x86" };

    memcpy(elf->data + 64 + 2 * 56 + 12, "GNU", 3);
    g_byte_array_append(text, elf->data, elf->len);
    text->data[0] = 'M';
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GByteArray) payload = fixture_pack(PACK_GZIP, i ? text : elf);
        g_autoptr(GByteArray) kernel = fixture_bzimage(payload);
        g_autofree char *path = g_build_filename(fixture->base, "vmlinuz", NULL);

        write_file(path, kernel->data, kernel->len);
        assert_as_it_is(fixture, path, why[i]);
    }
    g_assert_cmpuint(count_files(fixture), ==, 0);
}

static void
test_odd_paths(Fixture *fixture, gconstpointer data)
{
    g_autofree char *fifo = g_build_filename(fixture->base, "fifo", NULL);
    g_autofree char *link = g_build_filename(fixture->base, "link", NULL);
    g_autofree char *empty = g_build_filename(fixture->base, "empty", NULL);
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autoptr(HvxlKernel) without = NULL;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("vmlinuz", link), ==, 0);
    write_file(empty, "", 0);
    assert_as_it_is(fixture, fifo, "it is no file that can be read");
    assert_as_it_is(fixture, fixture->base, "it is no file that can be read");
    assert_as_it_is(fixture, "/nowhere/vmlinuz", "it is no file that can be read");
    assert_as_it_is(fixture, empty, "it is no bzImage");
    g_free(get_entry(fixture, link, 1));
    without = hvxl_kernel_cache_get(NULL, path, NULL, NULL);
    g_assert_cmpstr(hvxl_kernel_path(without), ==, path);
}

/* ---- the folder and the disk ---- */

static void
test_broken_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *parent = g_path_get_dirname(fixture->dir);
    g_autofree char *other = add_kernel(fixture, "other", 2);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    write_file(fixture->dir, "no folder", 9);
    assert_as_it_is(fixture, path, "the cache is out of order");
    assert_as_it_is(fixture, path, "the cache is out of order");
    assert_as_it_is(fixture, other, "the cache is out of order");
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 1);

    /* One that others may write to is none: what lies there could be theirs. */
    g_assert_cmpint(g_unlink(fixture->dir), ==, 0);
    g_assert_cmpint(g_mkdir(fixture->dir, 0700), ==, 0);
    assert_as_it_is(fixture, path, "the cache is out of order"); /* for a minute */
    g_assert_cmpint(g_chmod(fixture->dir, 0777), ==, 0);
    restart(fixture);
    assert_as_it_is(fixture, path, "the cache is out of order");
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 2);

    g_assert_cmpint(g_chmod(fixture->dir, 0700), ==, 0);
    restart(fixture);
    g_free(get_entry(fixture, path, 1));
}

/* In a process of its own: the limit is the process's. */
static void
test_write_fails(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);

    if (g_test_subprocess()) {
        const struct rlimit limit = { SIZE / 2, SIZE / 2 };

        signal(SIGXFSZ, SIG_IGN);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        assert_as_it_is(fixture, path, "the cache is out of order");
        assert_as_it_is(fixture, path, "the cache is out of order");
        g_assert_cmpint(g_atomic_int_get(&warnings), ==, 1);
        g_assert_cmpuint(count_files(fixture), ==, 0);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

/* A disk that is nearly full, and one that is read-only but has the kernel. */
static void
test_small_disk(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autofree char *other = add_kernel(fixture, "other", 2);

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return; /* no root */
    g_assert_cmpint(g_mkdir_with_parents(fixture->dir, 0700), ==, 0);
    g_assert_cmpint(mount("none", fixture->dir, "tmpfs", 0, "size=8m,mode=0700"), ==, 0);
    assert_as_it_is(fixture, path, "the cache is out of order");
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 1);
    g_assert_cmpuint(count_files(fixture), ==, 0);

    g_assert_cmpint(mount("none", fixture->dir, NULL, MS_REMOUNT, "size=128m"), ==, 0);
    restart(fixture);
    g_free(get_entry(fixture, path, 1));
    g_assert_cmpint(mount("none", fixture->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
    restart(fixture);
    g_free(get_entry(fixture, path, 1));
    assert_as_it_is(fixture, other, "the cache is out of order");
    g_assert_cmpint(umount(fixture->dir), ==, 0);
}

/* ---- many at once ---- */

typedef struct Starter {
    Fixture *fixture;
    char *path;
    guint seed, rounds;
    gboolean must_unpack;
    GCancellable *cancellable;
    GThread *thread;
    gboolean cancelled;
} Starter;

static gpointer
start_guests(gpointer data)
{
    Starter *starter = data;

    for (guint i = 0; i < starter->rounds; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(HvxlKernel) kernel = hvxl_kernel_cache_get(starter->fixture->cache, starter->path,
                                                             starter->cancellable, &error);

        if (error) {
            g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
            starter->cancelled = TRUE;
        } else if (!hvxl_kernel_why_packed(kernel)) {
            assert_unpacked(kernel, starter->seed);
        } else {
            g_assert_false(starter->must_unpack);
            g_assert_cmpstr(hvxl_kernel_path(kernel), ==, starter->path);
        }
    }
    return NULL;
}

#define N_STARTERS 16

static void
run_starters(Starter *starters)
{
    for (guint i = 0; i < N_STARTERS; i++)
        starters[i].thread = g_thread_new("start", start_guests, &starters[i]);
    for (guint i = 0; i < N_STARTERS; i++) {
        g_thread_join(starters[i].thread);
        g_free(starters[i].path);
    }
}

/* One file for all, settled or not, or a file for each with the same contents. */
static void
test_same_at_once(Fixture *fixture, gconstpointer data)
{
    for (guint kind = 0; kind < 3; kind++) {
        Starter starters[N_STARTERS];

        for (guint i = 0; i < N_STARTERS; i++) {
            g_autofree char *name = g_strdup_printf("%u-%u", kind, kind == 2 ? i : 0);

            starters[i] = (Starter){ fixture, NULL, 100 + kind, 3, TRUE };
            starters[i].path = kind == 2 || i == 0 ? add_kernel(fixture, name, 100 + kind)
                                                   : g_strdup(starters[0].path);
        }
        if (kind == 1)
            settle();
        run_starters(starters);
        g_assert_cmpuint(stats(fixture).unpacked, ==, kind + 1);
    }
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

/* More kernels than fit, by threads with two caches on one folder as two daemons would. */
static void
test_evicted_at_once(Fixture *fixture, gconstpointer data)
{
    Fixture second = { fixture->base, fixture->dir, NULL };
    Starter starters[N_STARTERS];

    hvxl_kernel_cache_free(fixture->cache);
    fixture->cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 3);
    second.cache = hvxl_kernel_cache_new(fixture->dir, 16 * MIB, 3);
    for (guint i = 0; i < N_STARTERS; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);

        starters[i] = (Starter){ i % 2 ? &second : fixture, NULL, i % 5, 20, FALSE };
        starters[i].path = add_kernel(fixture, name, i % 5);
    }
    run_starters(starters);
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
    g_assert_cmpuint(count_files(fixture), <=, 3);
    hvxl_kernel_cache_free(second.cache);
}

static gpointer
cancel_soon(gpointer data)
{
    g_usleep(g_random_int_range(0, 20000));
    g_cancellable_cancel(data);
    return NULL;
}

/* Half of the starts are cancelled, also those that unpack for others. */
static void
test_cancelled_at_once(Fixture *fixture, gconstpointer data)
{
    for (guint round = 0; round < 8; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autofree char *name = g_strdup_printf("%u", round);
        g_autofree char *path = add_kernel(fixture, name, round);
        GThread *thread = g_thread_new("cancel", cancel_soon, cancellable);
        Starter starters[N_STARTERS];

        for (guint i = 0; i < N_STARTERS; i++) {
            starters[i] = (Starter){ fixture, g_strdup(path), round, 2, FALSE };
            starters[i].cancellable = i % 2 ? NULL : cancellable;
        }
        run_starters(starters);
        for (guint i = 1; i < N_STARTERS; i += 2)
            g_assert_false(starters[i].cancelled);
        g_thread_join(thread);
        g_free(get_entry(fixture, path, round));
    }
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

static void
test_cancelled(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    g_cancellable_cancel(cancellable);
    g_assert_null(hvxl_kernel_cache_get(fixture->cache, path, cancellable, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_cmpuint(count_files(fixture), ==, 0);
    g_free(get_entry(fixture, path, 1));
}

typedef struct Scribbler {
    const char *path;
    gint stop; /* atomic */
} Scribbler;

static gpointer
scribble(gpointer data)
{
    Scribbler *scribbler = data;
    g_autoptr(GByteArray) one = fixture_kernel(PACK_GZIP, SIZE, 1);
    g_autoptr(GByteArray) two = fixture_kernel(PACK_GZIP, SIZE, 2);
    int fd = open(scribbler->path, O_WRONLY | O_CLOEXEC);

    for (guint i = 0; !g_atomic_int_get(&scribbler->stop); i++) {
        const GByteArray *kernel = i % 2 ? two : one;

        g_assert_cmpint(pwrite(fd, kernel->data, kernel->len, 0), ==, kernel->len);
        g_assert_cmpint(ftruncate(fd, kernel->len), ==, 0);
    }
    close(fd);
    return NULL;
}

/* A file that is written all the time gives one of the two (one of them maybe with the end of the
 * other behind it, which makes a third file with the same kernel in it), or is used as it is. */
static void
test_changes_underneath(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = add_kernel(fixture, "vmlinuz", 1);
    Scribbler scribbler = { path, 0 };
    GThread *thread = g_thread_new("scribble", scribble, &scribbler);
    g_autofree char *one = NULL, *two = NULL;

    for (guint i = 0; i < 200; i++) {
        g_autoptr(HvxlKernel) kernel = get(fixture, path);

        if (!hvxl_kernel_why_packed(kernel))
            assert_one_of(kernel, 1, 2);
    }
    g_atomic_int_set(&scribbler.stop, 1);
    g_thread_join(thread);
    one = add_kernel(fixture, "one", 1);
    two = add_kernel(fixture, "two", 2);
    g_free(get_entry(fixture, one, 1));
    g_free(get_entry(fixture, two, 2));
    g_assert_cmpint(g_atomic_int_get(&warnings), ==, 0);
}

/* ---- a real one ---- */

static char *
find_real(void)
{
    const char *wanted = g_getenv("XLVIRT_TEST_KERNEL");
    g_autoptr(GDir) dir = wanted ? NULL : g_dir_open("/boot", 0, NULL);
    const char *name;

    if (wanted)
        return g_strdup(wanted);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename("/boot", name, NULL);

        if (g_str_has_prefix(name, "vmlinuz-") && g_access(path, R_OK) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

static void
test_real(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = find_real();
    g_autoptr(HvxlKernel) kernel = NULL;
    HvxlKernelCache *cache;
    gint64 began;

    if (!path) {
        g_test_skip("no kernel in /boot");
        return;
    }
    cache = hvxl_kernel_cache_new(fixture->dir, HVXL_KERNEL_CACHE_BYTES, 8);
    for (guint i = 0; i < 3; i++) {
        began = g_get_monotonic_time();
        hvxl_kernel_free(kernel);
        kernel = hvxl_kernel_cache_get(cache, path, NULL, NULL);
        g_test_message("%s: %s in %d us", path,
                       hvxl_kernel_why_packed(kernel) ? hvxl_kernel_why_packed(kernel) : "unpacked",
                       (int)(g_get_monotonic_time() - began));
        g_assert_cmpstr(hvxl_kernel_why_packed(kernel), ==, NULL);
    }
    hvxl_kernel_cache_free(cache);
}

int
main(int argc, char **argv)
{
    const struct {
        const char *path;
        void (*test)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        { "/kernel-cache/cold-and-again", test_cold_and_again },
        { "/kernel-cache/each-packer", test_each_packer },
        { "/kernel-cache/memo", test_memo },
        { "/kernel-cache/racy", test_racy },
        { "/kernel-cache/same-contents", test_same_contents },
        { "/kernel-cache/evict-by-number", test_evict_by_number },
        { "/kernel-cache/evict-by-bytes", test_evict_by_bytes },
        { "/kernel-cache/leased", test_leased },
        { "/kernel-cache/leased-elsewhere", test_leased_elsewhere },
        { "/kernel-cache/removed-by-hand", test_removed_by_hand },
        { "/kernel-cache/damaged-entry", test_damaged_entry },
        { "/kernel-cache/leftovers", test_leftovers },
        { "/kernel-cache/damaged-kernel", test_damaged_kernel },
        { "/kernel-cache/not-for-xen", test_not_for_xen },
        { "/kernel-cache/odd-paths", test_odd_paths },
        { "/kernel-cache/broken-folder", test_broken_folder },
        { "/kernel-cache/write-fails", test_write_fails },
        { "/kernel-cache/small-disk", test_small_disk },
        { "/kernel-cache/same-at-once", test_same_at_once },
        { "/kernel-cache/evicted-at-once", test_evicted_at_once },
        { "/kernel-cache/cancelled", test_cancelled },
        { "/kernel-cache/cancelled-at-once", test_cancelled_at_once },
        { "/kernel-cache/changes-underneath", test_changes_underneath },
        { "/kernel-cache/real", test_real },
    };

    g_test_init(&argc, &argv, NULL);
    g_log_set_writer_func(count_warnings, NULL, NULL);
#if !HVXL_WITH_ZLIB
    g_print("1..0 # SKIP built without zlib, which packs the kernels of this test\n");
    return 0;
#endif
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
    return g_test_run();
}
