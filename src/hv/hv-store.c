/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files. docs/STORE.md describes the layout, which is the stock Xen driver's.
 *
 * A write is: temporary file in the same folder, fsync, rename, fsync of the folder. So a file is
 * there as it was or as it is to be, whenever the machine or the daemon dies. What cannot be read
 * is named in the log and left where it is.
 */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_PREFIX ".xlvirt-"
#define TEMP_SUFFIX ".tmp"

/* ---- files that appear at once ---- */

static gboolean
sync_folder(const char *folder, GError **error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int saved_errno = 0;

    if (fd < 0 || fsync(fd) < 0)
        saved_errno = errno;
    if (fd >= 0)
        close(fd);
    /* Some file systems cannot sync a folder, and then need not. */
    if (saved_errno == 0 || saved_errno == EINVAL)
        return TRUE;
    hv_set_io_error(error, saved_errno, "sync folder", folder);
    return FALSE;
}

static gboolean
sync_folder_of(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return sync_folder(folder, error);
}

gboolean
hv_store_make_folder(const char *path, GError **error)
{
    if (mkdir(path, 0700) == 0)
        return sync_folder_of(path, error);
    if (errno == EEXIST)
        return TRUE;
    hv_set_io_error(error, errno, "create folder", path);
    return FALSE;
}

/* To put a file in the place of anything else, /dev/null say, would harm the host. */
static gboolean
check_replaceable(const char *path, GError **error)
{
    struct stat st;

    if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "'%s' is there already and is no regular file", path);
    return FALSE;
}

HvNewFile *
hv_new_file_open(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *temp = g_build_filename(folder, TEMP_PREFIX "XXXXXX" TEMP_SUFFIX, NULL);
    HvNewFile *file;
    int fd;

    if (!check_replaceable(path, error))
        return NULL;
    fd = mkostemps(temp, strlen(TEMP_SUFFIX), O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        hv_set_io_error(error, errno, "create a temporary file for", path);
        return NULL;
    }
    file = g_new0(HvNewFile, 1);
    file->path = g_strdup(path);
    file->temp = g_steal_pointer(&temp);
    file->fd = fd;
    return file;
}

gboolean
hv_new_file_commit(HvNewFile *file, GError **error)
{
    if (fsync(file->fd) < 0) {
        hv_set_io_error(error, errno, "sync", file->path);
        return FALSE;
    }
    if (rename(file->temp, file->path) < 0) {
        hv_set_io_error(error, errno, "write", file->path);
        return FALSE;
    }
    g_clear_pointer(&file->temp, g_free);
    return sync_folder_of(file->path, error);
}

void
hv_new_file_free(HvNewFile *file)
{
    if (!file)
        return;
    if (file->temp)
        unlink(file->temp);
    close(file->fd);
    g_free(file->temp);
    g_free(file->path);
    g_free(file);
}

gboolean
hv_write_all(int fd, const void *data, gsize len, const char *path, GError **error)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            hv_set_io_error(error, errno, "write", path);
            return FALSE;
        }
        at += n;
        len -= (gsize)n;
    }
    return TRUE;
}

gboolean
hv_store_write_text(const char *path, const char *text, GError **error)
{
    g_autoptr(HvNewFile) file = hv_new_file_open(path, error);

    return file && hv_write_all(file->fd, text, strlen(text), path, error) &&
           hv_new_file_commit(file, error);
}

/* A file that is not there is as good as removed. */
gboolean
hv_store_remove_file(const char *path, GError **error)
{
    if (unlink(path) < 0) {
        if (errno == ENOENT)
            return TRUE;
        hv_set_io_error(error, errno, "remove", path);
        return FALSE;
    }
    return sync_folder_of(path, error);
}

/* ---- folders ---- */

const char *
hv_store_name_problem(const char *name)
{
    if (!*name)
        return "it is empty";
    if (strchr(name, '/'))
        return "it contains '/'";
    if (strpbrk(name, "\n\r"))
        return "it contains a line break";
    if (g_str_equal(name, ".") || g_str_equal(name, ".."))
        return "it cannot name a file";
    return NULL;
}

static char *
make_folder(const char *root, const char *absolute, GError **error)
{
    g_autofree char *path = g_strconcat(root, absolute, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    /* The parents belong to libvirt as a whole: others have to pass through. */
    if (g_mkdir_with_parents(parent, 0755) < 0 || g_mkdir_with_parents(path, 0700) < 0) {
        hv_set_io_error(error, errno, "create folder", path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

HvStore *
hv_store_new(const char *root, GError **error)
{
    HvStore *store = g_new0(HvStore, 1);
    const struct {
        char **path;
        const char *absolute;
    } folders[] = {
        { &store->config, "/etc/libvirt/libxl" },
        { &store->autostart, "/etc/libvirt/libxl/autostart" },
        { &store->state, "/run/libvirt/libxl" },
        { &store->save, "/var/lib/libvirt/libxl/save" },
        { &store->log, "/var/log/libvirt/libxl" },
        { &store->dump, "/var/lib/libvirt/libxl/dump" },
        { &store->snapshot, "/var/lib/libvirt/libxl/snapshot" },
    };

    g_mutex_init(&store->lock);
    store->root = g_strdup(root);
    store->left_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        *folders[i].path = make_folder(root, folders[i].absolute, error);
        if (!*folders[i].path) {
            hv_store_free(store);
            return NULL;
        }
    }
    return store;
}

void
hv_store_free(HvStore *store)
{
    if (!store)
        return;
    g_free(store->config);
    g_free(store->autostart);
    g_free(store->state);
    g_free(store->save);
    g_free(store->log);
    g_free(store->dump);
    g_free(store->snapshot);
    g_free(store->root);
    g_hash_table_unref(store->left_out);
    g_mutex_clear(&store->lock);
    g_free(store);
}

char *
hv_store_file(const char *folder, const char *name, const char *suffix)
{
    return g_strconcat(folder, "/", name, suffix, NULL);
}

static void
sweep_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_str_has_prefix(name, TEMP_PREFIX) && g_str_has_suffix(name, TEMP_SUFFIX) &&
            unlink(path) == 0)
            g_message("removed '%s', left behind by a write that was cut off", path);
    }
}

/* One folder a domain. */
static void
sweep_snapshots(HvStore *store)
{
    g_autoptr(GDir) dir = g_dir_open(store->snapshot, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *folder = g_build_filename(store->snapshot, name, NULL);

        sweep_folder(folder);
        rmdir(folder); /* where that was all */
    }
}

void
hv_store_sweep(HvStore *store)
{
    sweep_folder(store->config);
    sweep_folder(store->autostart);
    sweep_folder(store->state);
    sweep_folder(store->save);
    sweep_folder(store->dump);
    sweep_snapshots(store);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
hv_store_list_xml(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GError) local = NULL;
    const char *file;

    dir = g_dir_open(folder, 0, &local);
    if (!dir) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "%s", local->message);
        return NULL;
    }
    while ((file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, ".xml") && strlen(file) > strlen(".xml"))
            g_ptr_array_add(names, g_strndup(file, strlen(file) - strlen(".xml")));
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

char *
hv_store_read_text(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    struct stat st;

    if (stat(path, &st) < 0) {
        hv_set_io_error(error, errno, "read", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CONF_MAX_XML + 65536) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO,
                    "cannot read '%s': it is no file or larger than a definition may be", path);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, NULL, &local)) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot read '%s': %s", path, local->message);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* ---- definitions ---- */

/* A name can stand in an XML comment and in a shell line only if it is a plain one. */
static gboolean
is_plain(const char *name)
{
    for (const char *c = name; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr("._+-", *c))
            return FALSE;
    }
    return !strstr(name, "--") && *name != '-' && !g_str_has_suffix(name, "-");
}

static char *
with_comment(const ConfDomain *def)
{
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);

    return g_strdup_printf(
        "<!--\n"
        "WARNING: THIS FILE IS WRITTEN BY A PROGRAM. What is changed here by hand "
        "is lost with\nthe next change made through libvirt. To change this "
        "domain, run\n"
        "  virsh edit %s\n"
        "or use another program that speaks to libvirt.\n"
        "-->\n\n%s",
        is_plain(def->name) ? def->name : "NAME", xml);
}

void
hv_store_leave_out(HvStore *store, const char *name, const GError *error)
{
    g_mutex_lock(&store->lock);
    g_hash_table_add(store->left_out, g_strdup(name));
    g_mutex_unlock(&store->lock);
    g_warning("the definition of '%s' was left out, its file stays as it is: %s", name,
              error->message);
}

/* A file that could not be read may be all that is left of somebody's domain: it makes room for a
 * new definition of its name, and is not overwritten. */
static gboolean
set_aside(HvStore *store, const char *name, const char *path, GError **error)
{
    g_autofree char *aside = g_strconcat(path, ".unreadable", NULL);
    gboolean left_out;

    g_mutex_lock(&store->lock);
    left_out = g_hash_table_contains(store->left_out, name);
    g_mutex_unlock(&store->lock);
    if (!left_out)
        return TRUE;
    for (guint i = 2; g_file_test(aside, G_FILE_TEST_EXISTS); i++) {
        g_free(aside);
        aside = g_strdup_printf("%s.unreadable-%u", path, i);
    }
    if (rename(path, aside) < 0 && errno != ENOENT) {
        hv_set_io_error(error, errno, "set aside the unreadable", path);
        return FALSE;
    }
    g_mutex_lock(&store->lock);
    g_hash_table_remove(store->left_out, name);
    g_mutex_unlock(&store->lock);
    g_warning("'%s' could not be read and is '%s' now: its name was defined anew", path, aside);
    return TRUE;
}

gboolean
hv_store_write_definition(HvStore *store, const ConfDomain *def, GError **error)
{
    g_autofree char *path = hv_store_file(store->config, def->name, ".xml");
    g_autofree char *text = with_comment(def);

    if (!set_aside(store, def->name, path, error))
        return FALSE;
    return hv_store_write_text(path, text, error);
}

gboolean
hv_store_remove_definition(HvStore *store, const char *name, GError **error)
{
    g_autofree char *path = hv_store_file(store->config, name, ".xml");

    /* The links first: a link without its file would come to life with the next domain of the name.
     */
    for (HvMark mark = 0; mark < HV_N_MARKS; mark++) {
        if (!hv_store_set_mark(store, name, mark, FALSE, error))
            return FALSE;
    }
    return hv_store_remove_file(path, error);
}

static char *
mark_path(const HvStore *store, const char *name, HvMark mark)
{
    static const char *const suffixes[HV_N_MARKS] = {
        [HV_MARK_AUTOSTART] = ".xml",
        [HV_MARK_AUTOSTART_ONCE] = ".xml.once",
    };

    return hv_store_file(store->autostart, name, suffixes[mark]);
}

gboolean
hv_store_set_mark(HvStore *store, const char *name, HvMark mark, gboolean set, GError **error)
{
    g_autofree char *link = mark_path(store, name, mark);
    g_autofree char *target = g_strconcat("../", name, ".xml", NULL);
    g_autofree char *temp = NULL;

    if (!set)
        return hv_store_remove_file(link, error);
    temp = g_strdup_printf("%s/" TEMP_PREFIX "%08x" TEMP_SUFFIX, store->autostart, g_random_int());
    if (symlink(target, temp) < 0) {
        hv_set_io_error(error, errno, "create link", link);
        return FALSE;
    }
    if (rename(temp, link) < 0) {
        hv_set_io_error(error, errno, "create link", link);
        unlink(temp);
        return FALSE;
    }
    return sync_folder_of(link, error);
}

/* As stock does: the link counts when it leads to the definition, whatever its text. */
gboolean
hv_store_has_mark(const HvStore *store, const char *name, HvMark mark)
{
    g_autofree char *link = mark_path(store, name, mark);
    g_autofree char *path = hv_store_file(store->config, name, ".xml");
    struct stat a, b;

    return stat(link, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

gboolean
hv_store_has_managed_save(const HvStore *store, const char *name)
{
    g_autofree char *path = hv_store_managed_save_path(store, name);

    return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static ConfDomain *
load_definition(HvStore *store, const char *name, GError **error)
{
    g_autofree char *path = hv_store_file(store->config, name, ".xml");
    g_autofree char *text = hv_store_read_text(path, error);
    g_autoptr(ConfDomain) def = NULL;

    if (!text)
        return NULL;
    def = conf_domain_parse_xml(text, -1, path, 0, error);
    if (!def)
        return NULL;
    if (!g_str_equal(def->name, name)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' defines a domain of another name, '%s'",
                    path, def->name);
        return NULL;
    }
    if (def->id >= 0) {
        g_autoptr(ConfDomain) inactive = hv_def_inactive(def, error);

        return g_steal_pointer(&inactive);
    }
    return g_steal_pointer(&def);
}

gboolean
hv_store_load_definitions(HvStore *store, HvStoreDefinitionFunc func, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) names = hv_store_list_xml(store->config, error);

    for (guint i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autoptr(GError) local = NULL;
        ConfDomain *def = load_definition(store, name, &local);

        if (def)
            func(def, data);
        else
            hv_store_leave_out(store, name, local);
    }
    return names != NULL;
}

/* ---- saved images and logs ---- */

char *
hv_store_managed_save_path(const HvStore *store, const char *name)
{
    return hv_store_file(store->save, name, ".save");
}

gboolean
hv_store_remove_managed_save(HvStore *store, const char *name, GError **error)
{
    g_autofree char *path = hv_store_managed_save_path(store, name);

    return hv_store_remove_file(path, error);
}

char *
hv_store_log_path(const HvStore *store, const char *name)
{
    return hv_store_file(store->log, name, ".log");
}

void
hv_store_log(HvStore *store, const char *name, const char *format, ...)
{
    g_autofree char *path = hv_store_log_path(store, name);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;
    int fd;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_strdup_printf("%s.%03d+0000: %s\n", time, g_date_time_get_microsecond(now) / 1000,
                           text);

    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    hv_write_all(fd, line, strlen(line), path, NULL);
    close(fd);
}

/* ---- what outlives the daemon, not the host's boot ---- */

gboolean
hv_store_claim_autostart(HvStore *store)
{
    g_autofree char *path = hv_store_file(store->state, "autostarted", "");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        if (errno != EEXIST)
            g_warning("cannot create '%s', so no domain is autostarted: %s", path,
                      g_strerror(errno));
        return FALSE;
    }
    close(fd);
    return TRUE;
}
