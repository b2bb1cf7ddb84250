/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include <errno.h>
#include <sys/stat.h>

#define MAX_DEPTH 64 /* folders inside each other */

G_DEFINE_QUARK(x2l_error_quark, x2l_error)

/* What lies about in /etc/xen and /var/lib/xend and is no domain. Patterns of whole names. */
static const struct {
    const char *pattern;
    const char *reason;
} known_others[] = {
    { "xend-config.sxp*", "configuration of xend, not of a domain" },
    { "xend-pci-*.sxp", "xend's PCI quirks, not a domain" },
    { "xl.conf", "configuration of xl, not of a domain" },
    { "oxenstored.conf", "configuration of oxenstored, not of a domain" },
    { "cpupool", "a cpupool, not a domain" },
    { "README*", "a text" },
    { "*.md", "a text" },
    { "*.txt", "a text" },
    { "*.log", "a log" },
    { "*.sh", "a script" },
    { "*.py", "a program" },
    { "*.chk", "a saved guest, not a configuration" },
    { "*.save", "a saved guest, not a configuration" },
    { "*.img", "a disk image" },
    { "*.qcow2", "a disk image" },
    { "*.iso", "a disk image" },
    { "*~", "an editor's copy" },
    { "#*#", "an editor's copy" },
    { "*.swp", "an editor's copy" },
    { "*.bak", "a copy" },
    { "*.orig", "a copy" },
    { "*.rpm*", "a copy of the package manager" },
    { "*.dpkg-*", "a copy of the package manager" },
    { "*.ucf-*", "a copy of the package manager" },
};

static guint skipped;

void
x2l_input_free(X2lInput *input)
{
    if (!input)
        return;
    g_free(input->path);
    g_free(input);
}

void
x2l_skip(const X2lOptions *options, const char *path, const char *reason)
{
    skipped++;
    if (options->verbose)
        g_printerr("%s: skipped: %s\n", path, reason);
}

guint
x2l_skipped(void)
{
    return skipped;
}

static const char *
known_other(const char *name)
{
    if (name[0] == '.')
        return "a hidden file";
    for (gsize i = 0; i < G_N_ELEMENTS(known_others); i++) {
        if (g_pattern_match_simple(known_others[i].pattern, name))
            return known_others[i].reason;
    }
    return NULL;
}

typedef struct Walk {
    const X2lOptions *options;
    GPtrArray *inputs;
    GHashTable *seen; /* "dev:inode" -> X2lInput, owned by inputs */
    guint failures;
} Walk;

static void
add_input(Walk *walk, const char *path, const struct stat *st, gboolean in_auto, gboolean walked)
{
    g_autofree char *identity = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                                (guint64)st->st_dev, (guint64)st->st_ino);
    X2lInput *input = g_hash_table_lookup(walk->seen, identity);
    if (input) {
        /* A link in auto/ says something about the file; any other second way to it says nothing.
         */
        input->autostart |= in_auto;
        return;
    }
    input = g_new0(X2lInput, 1);
    input->path = g_strdup(path);
    input->autostart = in_auto;
    input->walked = walked;
    g_ptr_array_add(walk->inputs, input);
    g_hash_table_insert(walk->seen, g_steal_pointer(&identity), input);
}

static int
by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
walk_failed(Walk *walk, const char *path, const char *reason)
{
    walk->failures++;
    g_printerr("%s: %s\n", path, reason);
}

static void walk_folder(Walk *walk, const char *folder, int depth);

static void
walk_entry(Walk *walk, const char *folder, const char *name, int depth)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *folder_name = g_path_get_basename(folder);
    struct stat st, target;
    const char *other;

    if (lstat(path, &st) < 0) {
        walk_failed(walk, path, g_strerror(errno));
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        /* /etc/xen/scripts holds programs only. */
        if (g_str_equal(name, "scripts"))
            x2l_skip(walk->options, path, "a folder of scripts");
        else
            walk_folder(walk, path, depth + 1);
        return;
    }
    other = known_other(name);
    if (other) {
        x2l_skip(walk->options, path, other);
        return;
    }
    if (stat(path, &target) < 0) {
        walk_failed(walk, path, "the link leads nowhere; remove it or bring its target along");
        return;
    }
    if (!S_ISREG(target.st_mode)) {
        x2l_skip(walk->options, path,
                 S_ISDIR(target.st_mode)
                     ? "a link to a folder: name that folder, too, if there are domains in it"
                     : "no regular file");
        return;
    }
    add_input(walk, path, &target, g_str_equal(folder_name, "auto"), TRUE);
}

static void
walk_folder(Walk *walk, const char *folder, int depth)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (depth > MAX_DEPTH) {
        walk_failed(walk, folder, "folders are nested too deep here");
        return;
    }
    dir = g_dir_open(folder, 0, &error);
    if (!dir) {
        walk_failed(walk, folder, error->message);
        return;
    }
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        /* auto/ comes behind its siblings, so that a file is known by its own name, not by its
         * link's. */
        if (!g_str_equal(names->pdata[i], "auto"))
            walk_entry(walk, folder, names->pdata[i], depth);
    }
    if (g_ptr_array_find_with_equal_func(names, "auto", g_str_equal, NULL))
        walk_entry(walk, folder, "auto", depth);
}

gboolean
x2l_walk(const char *path, const X2lOptions *options, GPtrArray *inputs, guint *ret_failures,
         GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Walk walk = { options, inputs, seen, 0 };
    struct stat st;

    if (g_str_equal(path, "-")) {
        X2lInput *input = g_new0(X2lInput, 1);
        input->path = g_strdup("-");
        g_ptr_array_add(inputs, input);
        return TRUE;
    }
    if (stat(path, &st) < 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
        return FALSE;
    }
    if (S_ISDIR(st.st_mode)) {
        if (!options->recursive) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                        "%s is a folder; use -r to convert every configuration in it", path);
            return FALSE;
        }
        walk_folder(&walk, path, 0);
    } else if (S_ISREG(st.st_mode)) {
        g_autofree char *folder = g_path_get_dirname(path);
        g_autofree char *folder_name = g_path_get_basename(folder);
        add_input(&walk, path, &st, g_str_equal(folder_name, "auto"), FALSE);
    } else {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s is not a regular file", path);
        return FALSE;
    }
    *ret_failures += walk.failures;
    return TRUE;
}
