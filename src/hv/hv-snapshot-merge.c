/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deleting external snapshots with their images.
 *
 * Where one image alone stands on the one that is the snapshot's state, what it has is written into
 * that one, which all go on with. From then on the state of the snapshot is lost, so a note beside
 * its metadata says before what is merged: a copy of the metadata whose external disks name the
 * images that go, and whose <domain> names those that they go into. Each step can be done again. An
 * image that is merged is removed when no definition names it any more.
 */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Merging {
    HvJob *job;
    HvView *now;
    const ConfSnapshot *def; /* of now->snapshots */
    ConfSnapshot *plan;      /* the note */
    HvImages *images;
} Merging;

static void
merging_clear(Merging *merging)
{
    hv_view_unref(merging->now);
    conf_snapshot_unref(merging->plan);
    g_clear_pointer(&merging->images, hv_images_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Merging, merging_clear)

static HvStore *
store_of(const Merging *merging)
{
    return merging->job->domain->host->store;
}

gboolean
hv_snapshot_is_half_merged(const HvStore *store, const char *domain, const char *name)
{
    g_autofree char *path = hv_snapshot_path(store, domain, name, HV_SNAPSHOT_DELETING);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* What has changed meanwhile is seen. */
static gboolean
look(Merging *merging, const char *name, GError **error)
{
    int index;

    hv_view_unref(merging->now);
    merging->now = hv_domain_view(merging->job->domain);
    index = hv_snapshots_find(merging->now->snapshots, name, error);
    if (index < 0)
        return FALSE;
    merging->def = hv_snapshots_at(merging->now->snapshots, (guint)index);
    g_clear_pointer(&merging->images, hv_images_free);
    merging->images = hv_images_new(merging->job->domain, merging->now, merging->def, error);
    return merging->images != NULL;
}

/* ---- what is to be merged ---- */

static gboolean
check_users(const Merging *merging, const HvImage *image, GError **error)
{
    g_autoptr(GPtrArray) above = hv_images_on(merging->images, image);

    if (image->uses & HV_IMAGE_FOREIGN)
        return hv_refuse(error, HV_ERROR_CONFIG, "domain '%s' needs the image '%s', too",
                         image->user, image->path);
    for (guint i = 0; i < above->len; i++) {
        const HvImage *other = above->pdata[i];

        if (!(other->uses & HV_IMAGE_OWN))
            return hv_refuse(
                error, HV_ERROR_CONFIG,
                "the image '%s', which no snapshot knows, stands on '%s': remove it if "
                "nobody needs it",
                other->path, image->path);
    }
    return TRUE;
}

static gboolean
check_state(const Merging *merging, const HvImage *top, GError **error)
{
    if (top->uses & HV_IMAGE_LIVE)
        return hv_refuse(
            error, HV_ERROR_WRONG_STATE,
            "the domain runs on the image '%s' of snapshot '%s': shut it off first, or "
            "delete the metadata only",
            top->path, merging->def->name);
    if (merging->now->managed_save && (top->uses & HV_IMAGE_CURRENT))
        return hv_refuse(
            error, HV_ERROR_WRONG_STATE,
            "the domain has a managed save image, which needs the disk image '%s': start "
            "it, or remove the managed save image",
            top->path);
    return TRUE;
}

static gboolean
check_merge(const Merging *merging, const HvImage *top, const HvImage *base, GError **error)
{
    g_autoptr(GPtrArray) inside = NULL;

    if (base->uses & HV_IMAGE_CURRENT)
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "the domain's definition names '%s', on which the image '%s' of snapshot "
                         "'%s' stands",
                         base->path, top->path, merging->def->name);
    if (!check_users(merging, base, error) || !check_users(merging, top, error) ||
        !check_state(merging, top, error))
        return FALSE;
    inside = hv_qcow2_snapshots(top->path, error);
    if (!inside)
        return FALSE;
    return inside->len == 0 ||
           hv_refuse(error, HV_ERROR_CONFIG,
                     "the image '%s' has an internal snapshot '%s', which would be lost: delete it "
                     "first",
                     top->path, ((const HvQcow2Snapshot *)inside->pdata[0])->name);
}

/* The image that goes into `base`. NULL without an error: none has to. `error` is not NULL. */
static const HvImage *
choose_top(const Merging *merging, const HvImage *base, const HvImage *overlay, GError **error)
{
    g_autoptr(GPtrArray) above = hv_images_on(merging->images, base);
    const HvImage *top = NULL, *other = NULL;

    for (guint i = 0; i < above->len; i++) {
        const HvImage *image = above->pdata[i];

        if (image == overlay && hv_image_is_dead(merging->images, image))
            continue;
        if (image->uses & HV_IMAGE_OWN && !top)
            top = image;
        else
            other = image;
    }
    if (!top || (base->uses & HV_IMAGE_FROZEN))
        return NULL;
    if (check_merge(merging, top, base, error) && other)
        hv_refuse(error, HV_ERROR_CONFIG,
                  "the images '%s' and '%s' both stand on '%s', the state of snapshot '%s': delete "
                  "the snapshots of one branch first",
                  top->path, other->path, base->path, merging->def->name);
    return *error ? NULL : top;
}

static void
forget_row(ConfSnapshotDisk *row)
{
    row->place = CONF_SNAPSHOT_NO;
    g_clear_pointer(&row->source, g_free);
    g_clear_pointer(&row->source_extra, g_free);
    g_clear_pointer(&row->driver_type, g_free);
    g_clear_pointer(&row->driver_extra, g_free);
}

/* `row`: of the plan, still as in the snapshot. */
static gboolean
plan_row(const Merging *merging, ConfSnapshotDisk *row, GError **error)
{
    const ConfSnapshot *def = merging->def;
    const ConfDisk *base = hv_snapshot_base(def, row);
    g_autoptr(GError) local = NULL;
    const HvImage *overlay, *top;

    if (!base || !row->source)
        return hv_refuse(
            error, HV_ERROR_CONFIG,
            "nobody knows what the image of disk '%s' of external snapshot '%s' stands "
            "on: delete the metadata only",
            row->name, def->name);
    overlay = hv_images_get(merging->images, row->source);
    top = choose_top(merging, hv_images_get(merging->images, base->source), overlay, &local);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!top) {
        forget_row(row);
    } else if (top != overlay) {
        g_free(row->source);
        row->source = g_strdup(top->path);
    }
    return TRUE;
}

static gboolean
plan(Merging *merging, GError **error)
{
    merging->plan = conf_snapshot_copy(merging->def);
    for (guint i = 0; i < merging->plan->disks->len; i++) {
        ConfSnapshotDisk *row = merging->plan->disks->pdata[i];

        if (row->place != CONF_SNAPSHOT_EXTERNAL)
            forget_row(row);
        else if (!plan_row(merging, row, error))
            return FALSE;
    }
    return TRUE;
}

/* What an earlier try has planned goes on. */
static gboolean
plan_or_read(Merging *merging, GError **error)
{
    const char *domain = merging->job->domain->name, *name = merging->def->name;

    if (hv_snapshot_is_half_merged(store_of(merging), domain, name)) {
        merging->plan = hv_snapshot_read(store_of(merging), domain, name, HV_SNAPSHOT_DELETING,
                                         error);
        return merging->plan &&
               (merging->plan->domain ||
                hv_refuse(error, HV_ERROR_CONFIG,
                          "the note about the deletion of snapshot '%s' is of no use", name));
    }
    return plan(merging, error) && (!hv_snapshot_has_disks(merging->plan, CONF_SNAPSHOT_EXTERNAL) ||
                                    hv_snapshot_write_text(store_of(merging), domain, merging->plan,
                                                           HV_SNAPSHOT_DELETING, FALSE, error));
}

/* ---- images ---- */

/* Was anything written between two looks? Of a device nobody knows. */
static gboolean
was_touched(const struct stat *before, const char *path)
{
    struct stat now;

    return stat(path, &now) < 0 || !S_ISREG(now.st_mode) ||
           now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec || now.st_size != before->st_size;
}

static gboolean
sync_image(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        hv_set_io_error(error, errno, "flush", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Once definitions and images stand on the base it may have been written to since, and what the top
 * has is out of date. */
static gboolean
is_to_be_merged(const Merging *merging, const HvImage *top, const HvImage *base)
{
    g_autoptr(GPtrArray) above = hv_images_on(merging->images, top);

    return top->exists && g_strcmp0(top->backing, base->path) == 0 &&
           (above->len > 0 || (top->uses & (HV_IMAGE_CURRENT | HV_IMAGE_NAMED)));
}

static gboolean
rebase_all(const Merging *merging, const HvImage *top, const ConfDisk *base, GError **error)
{
    g_autoptr(GPtrArray) above = hv_images_on(merging->images, top);

    for (guint i = 0; i < above->len; i++) {
        const HvImage *image = above->pdata[i];

        if (!hv_image_rebase(image->path, base, error) || !sync_image(image->path, error))
            return FALSE;
    }
    return TRUE;
}

/* *untouched: it failed, and nothing of the base is other than before. */
static gboolean
merge_row(const Merging *merging, const ConfSnapshotDisk *row, gboolean *untouched, GError **error)
{
    const ConfDisk *base = conf_domain_find_disk(merging->plan->domain, row->name);
    const HvImage *top, *below;
    struct stat before;

    if (row->place != CONF_SNAPSHOT_EXTERNAL || !base)
        return TRUE;
    top = hv_images_get(merging->images, row->source);
    below = hv_images_get(merging->images, base->source);
    if (!is_to_be_merged(merging, top, below))
        return TRUE;
    if (stat(below->path, &before) < 0) {
        hv_set_io_error(error, errno, "find", below->path);
        return FALSE;
    }
    if (!check_users(merging, top, error) || !check_state(merging, top, error))
        return FALSE;
    if (!hv_image_commit(top->path, base, error)) {
        *untouched = !was_touched(&before, below->path);
        return FALSE;
    }
    return sync_image(below->path, error) && rebase_all(merging, top, base, error);
}

/* The first that fails without having done anything leaves all as it was. */
static gboolean
merge_rows(const Merging *merging, gboolean is_new, GError **error)
{
    const ConfSnapshot *plan = merging->plan;

    for (guint i = 0, n = 0; i < plan->disks->len; i++) {
        const ConfSnapshotDisk *row = plan->disks->pdata[i];
        gboolean untouched = FALSE;

        if (!merge_row(merging, row, &untouched, error)) {
            if (untouched && is_new && n == 0)
                hv_snapshot_remove_file(store_of(merging), merging->job->domain->name,
                                        merging->def->name, HV_SNAPSHOT_DELETING, NULL);
            return FALSE;
        }
        n += row->place == CONF_SNAPSHOT_EXTERNAL;
    }
    return TRUE;
}

/* ---- who names them ---- */

static gboolean
names_any(const ConfDomain *domain, const ConfSnapshot *plan)
{
    g_autoptr(ConfDomain) copy = domain ? conf_domain_copy(domain) : NULL;

    return copy && hv_snapshot_move_to_bases(copy, plan);
}

static ConfSnapshot *
above_bases(const ConfSnapshot *def, const ConfSnapshot *plan)
{
    ConfSnapshot *changed;

    if (!names_any(def->domain, plan) && !names_any(def->inactive, plan))
        return conf_snapshot_ref((ConfSnapshot *)def);
    changed = conf_snapshot_copy(def);
    if (changed->domain)
        hv_snapshot_move_to_bases(changed->domain, plan);
    if (changed->inactive)
        hv_snapshot_move_to_bases(changed->inactive, plan);
    return changed;
}

static gboolean
move_snapshots(const Merging *merging, GError **error)
{
    HvDomain *domain = merging->job->domain;
    const HvSnapshots *before = merging->now->snapshots;
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    g_autoptr(HvSnapshots) after = NULL;

    for (guint i = 0; i < hv_snapshots_count(before); i++)
        g_ptr_array_add(defs, above_bases(hv_snapshots_at(before, i), merging->plan));
    after = hv_snapshots_new(defs, hv_snapshots_current_name(before));
    if (!hv_snapshots_write(domain->host->store, domain->name, before, after, error))
        return FALSE;
    hv_domain_set_snapshots(domain, g_steal_pointer(&after));
    return TRUE;
}

static gboolean
edit_to_bases(ConfDomain *domain, gpointer data, GError **error)
{
    hv_snapshot_move_to_bases(domain, data);
    return TRUE;
}

/* The live definition names none of them: that was refused. */
static gboolean
move_definition(const Merging *merging, GError **error)
{
    if (!names_any(merging->now->persistent, merging->plan))
        return TRUE;
    return hv_domain_edit(merging->job, HV_AFFECT_CONFIG, edit_to_bases, merging->plan, error);
}

/* ---- what nobody needs then ---- */

/* A device stays. */
static gboolean
remove_image(const Merging *merging, const ConfSnapshotDisk *row, GError **error)
{
    const HvImage *image = row->place == CONF_SNAPSHOT_EXTERNAL && row->source
                               ? hv_images_get(merging->images, row->source)
                               : NULL;

    if (!image || !hv_image_is_dead(merging->images, image) ||
        !g_file_test(image->path, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    return hv_store_remove_file(image->path, error);
}

static gboolean
remove_images(const Merging *merging, const ConfSnapshot *which, GError **error)
{
    for (guint i = 0; i < which->disks->len; i++)
        if (!remove_image(merging, which->disks->pdata[i], error))
            return FALSE;
    return TRUE;
}

gboolean
hv_snapshot_merge(HvJob *job, const char *name, GError **error)
{
    g_auto(Merging) merging = { .job = job };
    gboolean is_new = !hv_snapshot_is_half_merged(job->domain->host->store, job->domain->name,
                                                  name);

    return look(&merging, name, error) && plan_or_read(&merging, error) &&
           merge_rows(&merging, is_new, error) && move_snapshots(&merging, error) &&
           move_definition(&merging, error) && look(&merging, name, error) &&
           remove_images(&merging, merging.plan, error) &&
           remove_images(&merging, merging.def, error);
}
