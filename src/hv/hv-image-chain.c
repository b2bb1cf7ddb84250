/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which images stand on which others, and who needs them: the domain, its snapshots, other domains,
 * or nobody that is known. Read anew each time that it is asked, because others change images, too.
 */
#include "hv-private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DEPTH 256 /* as many as QEMU opens at all, and more */

struct HvImages {
    GHashTable *by_path; /* HvImage */
};

static void
image_free(gpointer data)
{
    HvImage *image = data;

    g_free(image->path);
    g_free(image->backing);
    g_free(image->user);
    g_free(image);
}

void
hv_images_free(HvImages *images)
{
    g_hash_table_unref(images->by_path);
    g_free(images);
}

char *
hv_image_key(const char *path)
{
    char *real = realpath(path, NULL);
    char *key = real ? g_strdup(real) : g_canonicalize_filename(path, "/");

    free(real);
    return key;
}

/* ---- reading ---- */

static HvImage *
get(HvImages *images, const char *path)
{
    g_autofree char *key = hv_image_key(path);
    HvImage *image = g_hash_table_lookup(images->by_path, key);

    if (image)
        return image;
    image = g_new0(HvImage, 1);
    image->path = g_steal_pointer(&key);
    image->exists = access(image->path, F_OK) == 0;
    g_hash_table_insert(images->by_path, image->path, image);
    return image;
}

/* What is not there stands on nothing. A raw image may have any content that the guest likes, also
 * a header: whether it is believed is the caller's business. */
static gboolean
read_backing(HvImage *image, GError **error)
{
    g_auto(HvQcow2Backing) backing = { 0 };

    if (image->was_read || !image->exists)
        return TRUE;
    if (!hv_qcow2_backing(image->path, &backing, error))
        return FALSE;
    image->was_read = TRUE;
    image->backing = backing.path ? hv_image_key(backing.path) : NULL;
    image->is_below_qcow2 = !backing.format || g_str_equal(backing.format, "qcow2");
    return TRUE;
}

/* How the images of a domain are needed. */
typedef struct Need {
    unsigned head;    /* HvImageUse of an image that a definition names */
    unsigned chain;   /* of all that it stands on, too */
    const char *user; /* another domain's name; NULL: our own */
} Need;

/* Others' images may be out of reach: then what is below them is, too. */
static gboolean
learn_backing(HvImage *image, const Need *need, GError **error)
{
    return read_backing(image, need->user ? NULL : error) || need->user;
}

static gboolean
add_chain(HvImages *images, const char *path, gboolean is_qcow2, const Need *need, GError **error)
{
    HvImage *image = get(images, path);

    image->uses |= need->head;
    for (guint depth = 0; depth < MAX_DEPTH; depth++) {
        image->uses |= need->chain;
        if (!image->user)
            image->user = g_strdup(need->user);
        if (is_qcow2 && !learn_backing(image, need, error))
            return FALSE;
        if (!is_qcow2 || !image->backing)
            return TRUE;
        is_qcow2 = image->is_below_qcow2;
        image = get(images, image->backing);
    }
    g_set_error(need->user ? NULL : error, HV_ERROR, HV_ERROR_CONFIG,
                "the images below '%s' have no end", path);
    return need->user != NULL;
}

static gboolean
add_disk(HvImages *images, const ConfDisk *disk, const Need *need, GError **error)
{
    return !hv_disk_is_local_image(disk) ||
           add_chain(images, disk->source, g_strcmp0(disk->driver_type, "qcow2") == 0, need, error);
}

static gboolean
add_definition(HvImages *images, const ConfDomain *def, const Need *need, GError **error)
{
    for (guint i = 0; def && i < def->disks->len; i++)
        if (!add_disk(images, def->disks->pdata[i], need, error))
            return FALSE;
    return TRUE;
}

static gboolean
add_overlays(HvImages *images, const ConfSnapshot *def, const Need *need, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *disk = def->disks->pdata[i];

        if (disk->place == CONF_SNAPSHOT_EXTERNAL && disk->source &&
            !add_chain(images, disk->source, TRUE, need, error))
            return FALSE;
    }
    return TRUE;
}

/* What an external snapshot stands on must stay as it is. */
static void
freeze(HvImages *images, const ConfSnapshot *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *base = hv_snapshot_base(def, def->disks->pdata[i]);

        if (base)
            get(images, base->source)->uses |= HV_IMAGE_FROZEN;
    }
}

static gboolean
add_snapshot(HvImages *images, const ConfSnapshot *def, const Need *need, GError **error)
{
    return add_definition(images, def->domain, need, error) &&
           add_definition(images, def->inactive, need, error) &&
           add_overlays(images, def, need, error);
}

static gboolean
add_snapshots(HvImages *images, const HvSnapshots *all, const ConfSnapshot *without,
              const Need *need, GError **error)
{
    for (guint i = 0; i < hv_snapshots_count(all); i++) {
        const ConfSnapshot *def = hv_snapshots_at(all, i);

        if (def == without)
            continue;
        if (!add_snapshot(images, def, need, error))
            return FALSE;
        freeze(images, def);
    }
    return TRUE;
}

/* ---- others ---- */

static void
add_other(HvImages *images, HvDomain *domain)
{
    g_autoptr(HvView) view = hv_domain_view(domain);
    const Need need = { .chain = HV_IMAGE_FOREIGN, .user = view->name };

    add_definition(images, view->live, &need, NULL);
    add_definition(images, view->persistent, &need, NULL);
    for (guint i = 0; i < hv_snapshots_count(view->snapshots); i++)
        add_snapshot(images, hv_snapshots_at(view->snapshots, i), &need, NULL);
}

static void
add_others(HvImages *images, HvDomain *domain)
{
    g_autoptr(GPtrArray) all = hv_host_list(domain->host);

    for (guint i = 0; i < all->len; i++)
        if (all->pdata[i] != domain)
            add_other(images, all->pdata[i]);
}

/* Images beside this one, of which nobody has told us. */
void
hv_images_look_beside(HvImages *images, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *beside = g_build_filename(folder, name, NULL);

        if (g_file_test(beside, G_FILE_TEST_IS_REGULAR))
            read_backing(get(images, beside), NULL);
    }
}

static void
add_all_neighbours(HvImages *images, const ConfSnapshot *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        const ConfDisk *base = hv_snapshot_base(def, wanted);

        if (wanted->place == CONF_SNAPSHOT_EXTERNAL && wanted->source)
            hv_images_look_beside(images, wanted->source);
        if (base)
            hv_images_look_beside(images, base->source);
    }
}

/* ---- asking ---- */

HvImages *
hv_images_new(HvDomain *domain, const HvView *now, const ConfSnapshot *without, GError **error)
{
    const Need live = { .head = HV_IMAGE_CURRENT, .chain = HV_IMAGE_OWN | HV_IMAGE_LIVE };
    const Need persistent = { .head = HV_IMAGE_CURRENT, .chain = HV_IMAGE_OWN };
    const Need kept = { .head = HV_IMAGE_NAMED, .chain = HV_IMAGE_OWN };
    const Need doomed = { .chain = HV_IMAGE_OWN };
    g_autoptr(HvImages) images = g_new0(HvImages, 1);

    images->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, image_free);
    if (!add_definition(images, now->live, &live, error) ||
        !add_definition(images, now->persistent, &persistent, error) ||
        !add_snapshots(images, now->snapshots, without, &kept, error) ||
        (without && !add_snapshot(images, without, &doomed, error)))
        return NULL;
    add_others(images, domain);
    if (without)
        add_all_neighbours(images, without);
    return g_steal_pointer(&images);
}

const HvImage *
hv_images_get(HvImages *images, const char *path)
{
    return get(images, path);
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp((*(HvImage *const *)a)->path, (*(HvImage *const *)b)->path);
}

GPtrArray *
hv_images_on(const HvImages *images, const HvImage *base)
{
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, images->by_path);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HvImage *image = value;

        if (image->exists && g_strcmp0(image->backing, base->path) == 0)
            g_ptr_array_add(found, value);
    }
    g_ptr_array_sort(found, compare_paths);
    return found;
}

gboolean
hv_image_is_dead(const HvImages *images, const HvImage *image)
{
    g_autoptr(GPtrArray) above = hv_images_on(images, image);

    return above->len == 0 && !(image->uses & (HV_IMAGE_CURRENT | HV_IMAGE_NAMED | HV_IMAGE_FROZEN |
                                               HV_IMAGE_FOREIGN));
}
