/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is kept of snapshots: for each domain a folder of its name, with
 *
 *   NAME.xml      the metadata, as libvirt's own drivers write it: <domainsnapshot>, in which
 *                 <active>1</active> marks the current one
 *   NAME.mem      memory of an internal snapshot, in the format of a saved domain
 *   NAME.pending, .reverting, .deleting
 *                 it is being made, gone back to, merged: see hv-snapshot-pending.c
 */
#include "hv-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
folder_of(const HvStore *store, const char *domain)
{
    return g_build_filename(store->snapshot, domain, NULL);
}

char *
hv_snapshot_path(const HvStore *store, const char *domain, const char *name, const char *suffix)
{
    return g_strconcat(store->snapshot, "/", domain, "/", name, suffix, NULL);
}

/* ---- writing ---- */

static char *
format(const ConfSnapshot *def, gboolean current)
{
    ConfSnapshot marked = *def; /* borrows everything */
    g_autofree char *xml = NULL;

    marked.active.set = true;
    marked.active.value = current ? 1 : 0;
    xml = conf_snapshot_format_xml(&marked, CONF_XML_SECURE);
    return g_strconcat("<!--\n"
                       "WARNING: THIS FILE IS WRITTEN BY A PROGRAM. To change it, run\n"
                       "  virsh snapshot-edit\n"
                       "or use another program that speaks to libvirt.\n"
                       "-->\n",
                       xml, NULL);
}

gboolean
hv_snapshot_write_text(HvStore *store, const char *domain, const ConfSnapshot *def,
                       const char *suffix, gboolean current, GError **error)
{
    g_autofree char *path = hv_snapshot_path(store, domain, def->name, suffix);
    g_autofree char *folder = folder_of(store, domain);
    g_autofree char *text = format(def, current);

    return hv_store_make_folder(folder, error) && hv_store_write_text(path, text, error);
}

/* The folder goes with the last of its files. */
gboolean
hv_snapshot_remove_file(HvStore *store, const char *domain, const char *name, const char *suffix,
                        GError **error)
{
    g_autofree char *path = hv_snapshot_path(store, domain, name, suffix);
    g_autofree char *folder = folder_of(store, domain);

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
        return TRUE;
    if (!hv_store_remove_file(path, error))
        return FALSE;
    rmdir(folder);
    return TRUE;
}

/* Metadata last: as long as it is there, it says what else is. */
gboolean
hv_snapshot_remove(HvStore *store, const char *domain, const char *name, GError **error)
{
    return hv_snapshot_remove_file(store, domain, name, ".mem", error) &&
           hv_snapshot_remove_file(store, domain, name, ".xml", error);
}

/* Does the file of the one say what the file of the other does? */
static gboolean
is_same(const HvSnapshots *before, const HvSnapshots *after, const ConfSnapshot *def)
{
    const char *old_current = hv_snapshots_current_name(before);
    const char *new_current = hv_snapshots_current_name(after);

    return hv_snapshots_get(before, def->name) == def &&
           g_str_equal(def->name, old_current ? old_current : "") ==
               g_str_equal(def->name, new_current ? new_current : "");
}

/* The one that becomes current goes first: where two files say so, the younger is right. */
gboolean
hv_snapshots_write(HvStore *store, const char *domain, const HvSnapshots *before,
                   const HvSnapshots *after, GError **error)
{
    int current = hv_snapshots_current(after);

    if (current >= 0 && !is_same(before, after, hv_snapshots_at(after, (guint)current)) &&
        !hv_snapshot_write_text(store, domain, hv_snapshots_at(after, (guint)current), ".xml", TRUE,
                                error))
        return FALSE;
    for (guint i = 0; i < hv_snapshots_count(after); i++) {
        const ConfSnapshot *def = hv_snapshots_at(after, i);

        if ((int)i != current && !is_same(before, after, def) &&
            !hv_snapshot_write_text(store, domain, def, ".xml", FALSE, error))
            return FALSE;
    }
    return TRUE;
}

void
hv_snapshots_forget(HvStore *store, const char *domain, const HvSnapshots *all)
{
    for (guint i = 0; i < hv_snapshots_count(all); i++) {
        const char *name = hv_snapshots_at(all, i)->name;
        g_autoptr(GError) error = NULL;

        if (!hv_snapshot_remove(store, domain, name, &error) ||
            !hv_snapshot_remove_file(store, domain, name, HV_SNAPSHOT_DELETING, &error))
            g_warning("a snapshot of domain '%s', which is no more, stays behind: %s", domain,
                      error->message);
    }
}

gboolean
hv_snapshots_rename(HvStore *store, const char *before, const char *after, GError **error)
{
    g_autofree char *from = folder_of(store, before);
    g_autofree char *to = folder_of(store, after);

    if (g_rename(from, to) == 0 || errno == ENOENT)
        return TRUE;
    hv_set_io_error(error, errno, "rename", from);
    return FALSE;
}

/* ---- reading ---- */

ConfSnapshot *
hv_snapshot_read(const HvStore *store, const char *domain, const char *name, const char *suffix,
                 GError **error)
{
    g_autofree char *path = hv_snapshot_path(store, domain, name, suffix);
    g_autofree char *text = hv_store_read_text(path, error);
    g_autoptr(ConfSnapshot)
        def = text ? conf_snapshot_parse_xml(text, -1, path, CONF_SNAPSHOT_REDEFINE, error) : NULL;

    if (def && !g_str_equal(def->name, name)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is about a snapshot of another name",
                    path);
        return NULL;
    }
    return g_steal_pointer(&def);
}

GPtrArray *
hv_snapshot_list_files(const HvStore *store, const char *domain, const char *suffix)
{
    g_autofree char *folder = folder_of(store, domain);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *file;

    while (dir && (file = g_dir_read_name(dir)))
        if (*file != '.' && g_str_has_suffix(file, suffix) && strlen(file) > strlen(suffix))
            g_ptr_array_add(names, g_strndup(file, strlen(file) - strlen(suffix)));
    return names;
}

static gint64
age_of(const HvStore *store, const char *domain, const char *name)
{
    g_autofree char *path = hv_snapshot_path(store, domain, name, ".xml");
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    return (gint64)st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
}

/* Of several that claim to be current the one that was written last. */
static void
note_current(const HvStore *store, const char *domain, const ConfSnapshot *def,
             const char **current, gint64 *ret_age)
{
    gint64 age = age_of(store, domain, def->name);

    if (!def->active.set || def->active.value != 1 || (*current && age <= *ret_age))
        return;
    *current = def->name;
    *ret_age = age;
}

/* What an earlier domain of the name has left is none of this one's. */
static gboolean
belongs_to(const ConfSnapshot *def, const char *domain, const guint8 uuid[16], GError **error)
{
    char text[37];

    if (!def->domain || memcmp(def->domain->uuid, uuid, sizeof(def->domain->uuid)) == 0)
        return TRUE;
    conf_uuid_format(def->domain->uuid, text);
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                "snapshot '%s' is of another domain '%s', with the uuid %s", def->name, domain,
                text);
    return FALSE;
}

HvSnapshots *
hv_snapshots_load(HvStore *store, const char *domain, const guint8 uuid[16])
{
    g_autoptr(GPtrArray) names = hv_snapshot_list_files(store, domain, ".xml");
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    const char *current = NULL;
    gint64 age = 0;

    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ConfSnapshot)
            def = hv_snapshot_read(store, domain, names->pdata[i], ".xml", &error);

        if (!def || !belongs_to(def, domain, uuid, &error)) {
            g_warning("a snapshot of domain '%s' was left out, its file stays as it is: %s", domain,
                      error->message);
            continue;
        }
        note_current(store, domain, def, &current, &age);
        def->active.set = false;
        g_ptr_array_add(defs, g_steal_pointer(&def));
    }
    return hv_snapshots_new(defs, current);
}
