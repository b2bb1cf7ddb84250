/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UUID.leases beside the state files: what a domain holds at the lock manager. It is written before
 * anything is acquired and after all of it was released, so that nothing is forgotten there,
 * whenever the daemon dies. The file goes with the boot of the host, and so do the locks.
 */
#include "hv-private.h"

#include <errno.h>
#include <sys/stat.h>

#define SUFFIX     ".leases"
#define MAX_LEASES 65536

enum { UUID_TEXT = 37 };

static char *
record_path(const HvStore *store, const guint8 uuid[16])
{
    char text[UUID_TEXT];

    conf_uuid_format(uuid, text);
    return hv_store_file(store->state, text, SUFFIX);
}

gboolean
hv_lock_record_exists(const HvStore *store, const guint8 uuid[16])
{
    g_autofree char *path = record_path(store, uuid);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean
read_one(GKeyFile *file, const char *group, GPtrArray *leases, GError **error)
{
    g_autofree char *lockspace = g_key_file_get_string(file, group, "lockspace", error);
    g_autofree char *resource = lockspace ? g_key_file_get_string(file, group, "resource", error)
                                          : NULL;
    const HvLease lease = {
        .lockspace = lockspace,
        .resource = resource,
        .shared = g_key_file_get_boolean(file, group, "shared", NULL),
        .create = g_key_file_get_boolean(file, group, "create", NULL),
        .inherited = g_key_file_get_boolean(file, group, "inherited", NULL),
    };

    if (!resource)
        return FALSE;
    g_ptr_array_add(leases, hv_lease_copy(&lease));
    return TRUE;
}

GPtrArray *
hv_lock_record_read(const HvStore *store, const guint8 uuid[16], GError **error)
{
    g_autofree char *path = record_path(store, uuid);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GPtrArray) leases = hv_leases_new();
    g_autofree char *text = NULL;
    g_auto(GStrv) groups = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    text = hv_store_read_text(path, error);
    if (!text || !g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, error))
        return NULL;
    groups = g_key_file_get_groups(file, NULL);
    for (guint i = 0; groups[i] && i < MAX_LEASES; i++) {
        if (!read_one(file, groups[i], leases, error)) {
            g_prefix_error(error, "%s: ", path);
            return NULL;
        }
    }
    return g_steal_pointer(&leases);
}

static void
write_one(GKeyFile *file, const char *group, const HvLease *lease)
{
    g_key_file_set_string(file, group, "lockspace", lease->lockspace);
    g_key_file_set_string(file, group, "resource", lease->resource);
    g_key_file_set_boolean(file, group, "shared", lease->shared);
    g_key_file_set_boolean(file, group, "create", lease->create);
    g_key_file_set_boolean(file, group, "inherited", lease->inherited);
}

gboolean
hv_lock_record_write(HvStore *store, const guint8 uuid[16], const GPtrArray *leases, GError **error)
{
    g_autofree char *path = record_path(store, uuid);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *text = NULL;

    if (leases->len == 0)
        return hv_store_remove_file(path, error);
    for (guint i = 0; i < leases->len; i++) {
        g_autofree char *group = g_strdup_printf("lease %u", i);

        write_one(file, group, leases->pdata[i]);
    }
    text = g_key_file_to_data(file, NULL, NULL);
    return hv_store_write_text(path, text, error);
}

GPtrArray *
hv_lock_records(const HvStore *store)
{
    GPtrArray *uuids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(store->state, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, SUFFIX))
            g_ptr_array_add(uuids, g_strndup(name, strlen(name) - strlen(SUFFIX)));
    }
    return uuids;
}
