/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
fake_read(HpStore *store, const char *path, size_t *ret_length)
{
    FakeStore *fake = (FakeStore *)store;
    const char *value = g_hash_table_lookup(fake->values, path);
    fake->n_reads++;
    if (!value) {
        errno = ENOENT;
        return NULL;
    }
    *ret_length = strlen(value);
    return strdup(value);
}

static bool
fake_write(HpStore *store, const char *path, const char *value)
{
    FakeStore *fake = (FakeStore *)store;
    fake->n_writes++;
    if (fake->read_only && g_str_has_suffix(path, fake->read_only)) {
        errno = EACCES;
        return false;
    }
    fake_store_set(fake, path, value);
    return true;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One block, as libxenstore gives it. */
static char **
fake_list(HpStore *store, const char *path, unsigned *ret_n)
{
    FakeStore *fake = (FakeStore *)store;
    g_autofree char *prefix = g_strconcat(path, "/", NULL);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer key;
    gsize size = 0;
    fake->n_reads++;
    g_hash_table_iter_init(&iter, fake->values);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (g_str_has_prefix(key, prefix)) {
            const char *rest = (const char *)key + strlen(prefix);
            g_hash_table_add(names, g_strndup(rest, strcspn(rest, "/")));
        }
    }
    unsigned n = g_hash_table_size(names);
    if (n == 0) {
        errno = ENOENT;
        return NULL;
    }
    g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(names, NULL);
    qsort(keys, n, sizeof *keys, compare);
    for (unsigned i = 0; i < n; i++)
        size += sizeof *keys + strlen(keys[i]) + 1;
    char **block = malloc(size);
    char *text = (char *)(block + n);
    for (unsigned i = 0; i < n; i++) {
        block[i] = strcpy(text, keys[i]);
        text += strlen(keys[i]) + 1;
    }
    *ret_n = n;
    return block;
}

static void
fake_close(HpStore *store)
{
}

FakeStore *
fake_store_new(void)
{
    FakeStore *fake = g_new0(FakeStore, 1);
    fake->store = (HpStore){ fake_read, fake_write, fake_list, fake_close };
    fake->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return fake;
}

void
fake_store_free(FakeStore *fake)
{
    g_hash_table_unref(fake->values);
    g_free(fake);
}

void
fake_store_set(FakeStore *fake, const char *path, const char *value)
{
    g_hash_table_replace(fake->values, g_strdup(path), g_strdup(value));
}

const char *
fake_store_get(FakeStore *fake, const char *path)
{
    return g_hash_table_lookup(fake->values, path);
}

static const char *const *current_variables;

static const char *
fake_getenv(const char *name)
{
    return g_environ_getenv((char **)current_variables, name);
}

void
fake_request(HpRequest *ret, const char *command_line, const char *const *variables)
{
    static char **argv; /* of which the request keeps parts */
    g_strfreev(argv);
    argv = g_strsplit(command_line, " ", -1);
    HpError error = { 0 };
    current_variables = variables;
    HpParse parse = hp_request_parse((int)g_strv_length(argv), argv, fake_getenv, ret, &error);
    g_assert_cmpstr(error.text, ==, "");
    g_assert_cmpint(parse, ==, HP_PARSE_OK);
}

static char *folder;

static void
remove_folder(void)
{
    const char *const argv[] = { "rm", "-rf", folder, NULL };
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
}

const char *
fake_folder(void)
{
    if (!folder) {
        folder = g_dir_make_tmp("hotplug-XXXXXX", NULL);
        g_assert_nonnull(folder);
        atexit(remove_folder);
    }
    return folder;
}

const char *
fake_file(const char *name, const char *text, int mode)
{
    g_autofree char *path = g_build_filename(fake_folder(), name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_mkdir_with_parents(parent, 0755);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
    return g_intern_string(path);
}

HpHost
fake_host(void)
{
    HpHost host = { .lock_wait_s = 2 };
    g_autofree char *locks = g_build_filename(fake_folder(), "locks", NULL);
    g_autofree char *scripts = g_build_filename(fake_folder(), "scripts", NULL);
    host.lock_dir = g_intern_string(locks);
    host.script_dir = g_intern_string(scripts);
    host.mountinfo = fake_file("mountinfo", "", 0644);
    host.program_path = "/usr/sbin:/usr/bin:/sbin:/bin";
    return host;
}

/* Root for a namespace of this process; else it makes itself root in a namespace of users. */
gboolean
fake_network(void)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
    if (unshare(flags) < 0)
        return FALSE;
    g_autofree char *ip_path = g_find_program_in_path("ip");
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    gboolean ok = ip_path && fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0;
    close(fd);
    return ok && system("ip link add name br0 type bridge && ip link del br0") == 0;
}

int
fake_tap(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    g_assert_cmpint(ioctl(fd, TUNSETIFF, &request), ==, 0);
    return fd;
}
