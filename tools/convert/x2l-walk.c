/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include "x2l-root.h"

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
    { "interfaces", "the system's network configuration" },
    { "ifcfg-*", "the system's network configuration" },
    { "xendomains", "configuration of xendomains, not of a domain" },
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

void
x2l_input_free(X2lInput *input)
{
    if (!input)
        return;
    g_free(input->path);
    g_free(input->on_host);
    g_free(input->real);
    g_free(input);
}

X2lSkip *
x2l_skip_new(const char *path, const char *reason, gboolean loud)
{
    X2lSkip *skip = g_new0(X2lSkip, 1);

    skip->path = g_strdup(path);
    skip->reason = g_strdup(reason);
    skip->loud = loud;
    return skip;
}

void
x2l_skip_free(X2lSkip *skip)
{
    if (!skip)
        return;
    g_free(skip->path);
    g_free(skip->reason);
    g_free(skip);
}

void
x2l_found_init(X2lFound *found)
{
    found->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)x2l_input_free);
    found->skips = g_ptr_array_new_with_free_func((GDestroyNotify)x2l_skip_free);
    found->errors = g_ptr_array_new_with_free_func(g_free);
}

void
x2l_found_clear(X2lFound *found)
{
    g_clear_pointer(&found->inputs, g_ptr_array_unref);
    g_clear_pointer(&found->skips, g_ptr_array_unref);
    g_clear_pointer(&found->errors, g_ptr_array_unref);
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

/* ---- each file once ---- */

typedef struct Identity {
    guint64 device, inode;
} Identity;

static guint
identity_hash(gconstpointer key)
{
    const Identity *id = key;

    return (guint)(id->inode ^ (id->inode >> 32) ^ (id->device * 31));
}

static gboolean
identity_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Identity)) == 0;
}

GHashTable *
x2l_seen_new(void)
{
    return g_hash_table_new_full(identity_hash, identity_equal, g_free, NULL);
}

/* ---- the walk ---- */

typedef struct Walk {
    const X2lRoot *root; /* NULL: plain paths */
    X2lSource source;
    X2lFound *found;
    GHashTable *seen; /* Identity -> X2lInput, owned by found->inputs */
} Walk;

/* A folder, or what is in it. `on_host` is NULL without a root. */
typedef struct Place {
    const char *path, *on_host;
    gboolean in_auto;
} Place;

static void
add_input(Walk *walk, const Place *place, const char *real, const struct stat *st, gboolean walked)
{
    const Identity id = { st->st_dev, st->st_ino };
    X2lInput *input = g_hash_table_lookup(walk->seen, &id);

    if (input) {
        /* A link in auto/ says something about the file; any other second way to it says nothing.
         */
        input->autostart |= place->in_auto;
        return;
    }
    input = g_new0(X2lInput, 1);
    input->path = g_strdup(place->path);
    input->on_host = g_strdup(place->on_host);
    input->real = g_strdup(real);
    input->source = place->in_auto && walk->root ? X2L_SOURCE_AUTO : walk->source;
    input->autostart = place->in_auto;
    input->walked = walked;
    g_ptr_array_add(walk->found->inputs, input);
    g_hash_table_insert(walk->seen, g_memdup2(&id, sizeof id), input);
}

static int
by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
walk_failed(Walk *walk, const char *path, const char *reason)
{
    g_ptr_array_add(walk->found->errors, g_strdup_printf("%s: %s", path, reason));
}

static void
skip(Walk *walk, const char *path, const char *reason)
{
    g_ptr_array_add(walk->found->skips, x2l_skip_new(path, reason, FALSE));
}

static void walk_folder(Walk *walk, const Place *place, int depth);

/* Where a link leads: on the old host that is looked up there, not here. */
static gboolean
follow_link(const Walk *walk, const Place *place, struct stat *ret_target, char **ret_real)
{
    g_autofree char *resolved = NULL;

    *ret_real = NULL;
    if (!walk->root)
        return stat(place->path, ret_target) == 0;
    resolved = x2l_root_resolve(walk->root, place->on_host, ret_target);
    if (!resolved)
        return FALSE;
    *ret_real = x2l_root_join(walk->root, resolved);
    return TRUE;
}

static const char *
link_problem(void)
{
    if (errno == ELOOP)
        return "the link leads in a circle";
    return errno == ENOENT || errno == ENOTDIR
               ? "the link leads nowhere; remove it or bring its target along"
               : g_strerror(errno);
}

static void
walk_file(Walk *walk, const Place *place, const char *name, const struct stat *st)
{
    g_autofree char *real = NULL;
    struct stat target = *st;
    const char *other = known_other(name);

    if (other) {
        skip(walk, place->path, other);
        return;
    }
    if (S_ISLNK(st->st_mode) && !follow_link(walk, place, &target, &real)) {
        walk_failed(walk, place->path, link_problem());
        return;
    }
    if (!S_ISREG(target.st_mode)) {
        skip(walk, place->path,
             S_ISDIR(target.st_mode)
                 ? "a link to a folder: name that folder, too, if there are domains in it"
                 : "no regular file");
        return;
    }
    add_input(walk, place, real, &target, TRUE);
}

static void
walk_entry(Walk *walk, const Place *folder, const char *name, int depth)
{
    g_autofree char *path = g_build_filename(folder->path, name, NULL);
    g_autofree char *on_host = walk->root ? g_build_filename(folder->on_host, name, NULL) : NULL;
    Place place = { path, on_host, folder->in_auto };
    struct stat st;

    if (lstat(path, &st) < 0) {
        walk_failed(walk, path, g_strerror(errno));
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        walk_file(walk, &place, name, &st);
        return;
    }
    /* /etc/xen/scripts holds programs only. */
    if (g_str_equal(name, "scripts")) {
        skip(walk, path, "a folder of scripts");
        return;
    }
    place.in_auto = g_str_equal(name, "auto");
    walk_folder(walk, &place, depth + 1);
}

static void
walk_folder(Walk *walk, const Place *place, int depth)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (depth > MAX_DEPTH) {
        walk_failed(walk, place->path, "folders are nested too deep here");
        return;
    }
    dir = g_dir_open(place->path, 0, &error);
    if (!dir) {
        walk_failed(walk, place->path, error->message);
        return;
    }
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    /* A deep tree must not hold a file descriptor a level. */
    g_clear_pointer(&dir, g_dir_close);
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        /* auto/ comes behind its siblings, so that a file is known by its own name, not by its
         * link's. */
        if (!g_str_equal(names->pdata[i], "auto"))
            walk_entry(walk, place, names->pdata[i], depth);
    }
    if (g_ptr_array_find_with_equal_func(names, "auto", g_str_equal, NULL))
        walk_entry(walk, place, "auto", depth);
}

gboolean
x2l_walk(const char *path, const X2lOptions *options, X2lFound *found, GError **error)
{
    g_autoptr(GHashTable) seen = x2l_seen_new();
    Walk walk = { NULL, X2L_SOURCE_PATH, found, seen };
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *folder_name = g_path_get_basename(folder);
    Place place = { path, NULL, FALSE };
    struct stat st;

    if (g_str_equal(path, "-")) {
        X2lInput *input = g_new0(X2lInput, 1);
        input->path = g_strdup("-");
        g_ptr_array_add(found->inputs, input);
        return TRUE;
    }
    if (stat(path, &st) < 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
        return FALSE;
    }
    if (S_ISDIR(st.st_mode)) {
        g_autofree char *own_name = g_path_get_basename(path);

        if (!options->recursive) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                        "%s is a folder; use -r to convert every configuration in it", path);
            return FALSE;
        }
        place.in_auto = g_str_equal(own_name, "auto");
        walk_folder(&walk, &place, 0);
    } else if (S_ISREG(st.st_mode)) {
        place.in_auto = g_str_equal(folder_name, "auto");
        add_input(&walk, &place, NULL, &st, FALSE);
    } else {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s is not a regular file", path);
        return FALSE;
    }
    return TRUE;
}

gboolean
x2l_walk_host(const char *folder, X2lSource source, const X2lOptions *options, GHashTable *seen,
              X2lFound *found)
{
    struct stat st;
    g_autofree char *real = x2l_root_resolve(options->root, folder, &st);
    g_autofree char *path = NULL;
    Walk walk = { options->root, source, found, seen };

    if (!real || !S_ISDIR(st.st_mode))
        return FALSE;
    path = x2l_root_join(options->root, real);
    walk_folder(&walk, &(Place){ path, real, source == X2L_SOURCE_AUTO }, 0);
    return TRUE;
}
