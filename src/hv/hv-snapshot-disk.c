/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a snapshot that is in disks: which of them take part and how, and the images of a
 * domain that does not run, by qemu-img. */
#include "hv-private.h"

#include <glib/gstdio.h>
#include <string.h>

#define QEMU_IMG "qemu-img"

/* ---- which disks ---- */

static int
index_of_disk(const ConfDomain *domain, const char *name)
{
    for (guint i = 0; i < domain->disks->len; i++) {
        const ConfDisk *disk = domain->disks->pdata[i];

        if (g_strcmp0(disk->target, name) == 0)
            return (int)i;
    }
    for (guint i = 0; i < domain->disks->len; i++) {
        const ConfDisk *disk = domain->disks->pdata[i];

        if (g_strcmp0(disk->source, name) == 0)
            return (int)i;
    }
    return -1;
}

static gboolean
has_medium(const ConfDisk *disk)
{
    return (disk->source && *disk->source) || disk->type == CONF_DISK_TYPE_NETWORK ||
           disk->type == CONF_DISK_TYPE_VOLUME;
}

/* What becomes of a disk of which the request says nothing. */
static unsigned
default_place(const ConfDisk *disk, unsigned place)
{
    if (!has_medium(disk))
        return CONF_SNAPSHOT_NO;
    if (disk->snapshot)
        return disk->snapshot;
    if (disk->readonly || disk->device == CONF_DISK_DEVICE_CDROM ||
        disk->device == CONF_DISK_DEVICE_FLOPPY)
        return CONF_SNAPSHOT_NO;
    return place;
}

/* Puts what was asked for into the place of the domain's disk. */
static gboolean
place_requests(ConfSnapshot *def, const ConfDomain *domain, GPtrArray *placed, GError **error)
{
    if (def->disks->len > domain->disks->len)
        return hv_refuse(error, HV_ERROR_CONFIG, "too many disk snapshot requests for domain");
    while (def->disks->len > 0) {
        ConfSnapshotDisk *asked = def->disks->pdata[0];
        int at = index_of_disk(domain, asked->name);

        if (at < 0)
            return hv_refuse(error, HV_ERROR_CONFIG, "no disk named '%s'", asked->name);
        if (placed->pdata[at])
            return hv_refuse(error, HV_ERROR_CONFIG, "disk '%s' specified twice", asked->name);
        placed->pdata[at] = g_ptr_array_steal_index(def->disks, 0);
        g_free(asked->name);
        asked->name = g_strdup(((const ConfDisk *)domain->disks->pdata[at])->target);
    }
    return TRUE;
}

static void
free_placed(gpointer disk)
{
    if (disk)
        conf_snapshot_disk_free(disk);
}

/* Beside the image that it stands on, with the snapshot's name for an ending. */
static gboolean
name_image(ConfSnapshotDisk *wanted, const ConfDisk *disk, const char *snapshot, GError **error)
{
    g_autofree char *folder = NULL;
    g_autofree char *base = NULL;
    g_autofree char *name = NULL;
    char *dot;

    if (disk->type != CONF_DISK_TYPE_FILE && disk->type != CONF_DISK_TYPE_ABSENT)
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "cannot generate external snapshot name for disk '%s', which is no file",
                         wanted->name);
    folder = g_path_get_dirname(disk->source);
    base = g_path_get_basename(disk->source);
    dot = strrchr(base, '.');
    if (dot && dot != base)
        *dot = '\0';
    name = g_strconcat(base, ".", snapshot, NULL);
    wanted->source = g_build_filename(folder, name, NULL);
    if (!g_str_equal(wanted->source, disk->source))
        return TRUE;
    return hv_refuse(
        error, HV_ERROR_CONFIG,
        "cannot generate external snapshot name for disk '%s': collides with its image",
        wanted->name);
}

static gboolean
complete(ConfSnapshotDisk *wanted, const ConfDisk *disk, const char *snapshot, GError **error)
{
    if (wanted->place != CONF_SNAPSHOT_EXTERNAL)
        return TRUE;
    if (!wanted->type)
        wanted->type = CONF_DISK_TYPE_FILE;
    if (!wanted->driver_type)
        wanted->driver_type = g_strdup("qcow2");
    return wanted->source || name_image(wanted, disk, snapshot, error);
}

gboolean
hv_snapshot_align(ConfSnapshot *def, const ConfDomain *domain, unsigned place, GError **error)
{
    g_autoptr(GPtrArray) placed = g_ptr_array_new_with_free_func(free_placed);

    g_ptr_array_set_size(placed, (int)domain->disks->len);
    if (!place_requests(def, domain, placed, error))
        return FALSE;
    for (guint i = 0; i < domain->disks->len; i++) {
        const ConfDisk *disk = domain->disks->pdata[i];

        if (!placed->pdata[i]) {
            ConfSnapshotDisk *added = conf_snapshot_disk_new();

            added->name = g_strdup(disk->target);
            placed->pdata[i] = added;
        }
    }
    for (guint i = 0; i < placed->len; i++) {
        const ConfDisk *disk = domain->disks->pdata[i];
        ConfSnapshotDisk *wanted = g_steal_pointer(&placed->pdata[i]);

        g_ptr_array_add(def->disks, wanted);
        if (!wanted->place)
            wanted->place = default_place(disk, place);
        if (!complete(wanted, disk, def->name, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- volumes of pools ---- */

static gboolean
is_same_image(const ConfDisk *a, const ConfDisk *b)
{
    if (a->type == CONF_DISK_TYPE_VOLUME && b->type == CONF_DISK_TYPE_VOLUME)
        return g_strcmp0(a->source_pool, b->source_pool) == 0 &&
               g_strcmp0(a->source_volume, b->source_volume) == 0;
    return g_strcmp0(a->source, b->source) == 0;
}

static gboolean
find_volume(HvJob *job, ConfDisk *disk, const ConfDomain *live, GError **error)
{
    int at = live ? index_of_disk(live, disk->target) : -1;
    const ConfDisk *now = at < 0 ? NULL : live->disks->pdata[at];
    gboolean ok;

    if (disk->type != CONF_DISK_TYPE_VOLUME || disk->source)
        return TRUE;
    if (now && now->volume_type && is_same_image(disk, now)) {
        disk->source = g_strdup(now->source);
        disk->volume_type = now->volume_type;
        return TRUE;
    }
    /* Whoever is asked may not answer. */
    hv_job_enter_hook(job);
    ok = hv_pool_find(job->domain->host, disk, job->cancellable, error);
    return hv_job_leave_hook(job, error) && ok;
}

ConfDomain *
hv_snapshot_find_volumes(HvJob *job, const ConfSnapshot *def, const ConfDomain *domain,
                         const ConfDomain *live, GError **error)
{
    g_autoptr(ConfDomain) found = conf_domain_copy(domain);

    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        int at = wanted->place == CONF_SNAPSHOT_INTERNAL ? index_of_disk(found, wanted->name) : -1;

        if (at >= 0 && !find_volume(job, found->disks->pdata[at], live, error))
            return NULL;
    }
    return g_steal_pointer(&found);
}

/* ---- what can be done with them ---- */

const char *
hv_disk_format(const ConfDisk *disk)
{
    return disk->driver_type ? disk->driver_type : "raw";
}

gboolean
hv_disk_is_local_image(const ConfDisk *disk)
{
    ConfDiskType type = conf_disk_source_type(disk);

    return (type == CONF_DISK_TYPE_FILE || type == CONF_DISK_TYPE_BLOCK ||
            type == CONF_DISK_TYPE_ABSENT) &&
           disk->source && g_path_is_absolute(disk->source) && !disk->backenddomain;
}

const ConfDisk *
hv_snapshot_base(const ConfSnapshot *def, const ConfSnapshotDisk *wanted)
{
    const ConfDisk *disk = def->domain && wanted->place == CONF_SNAPSHOT_EXTERNAL
                               ? conf_domain_find_disk(def->domain, wanted->name)
                               : NULL;

    return disk && hv_disk_is_local_image(disk) ? disk : NULL;
}

/* Raw on a block device: that is LVM's, or nobody's. */
static gboolean
is_volume(const ConfDisk *disk)
{
    return hv_disk_is_local_image(disk) && conf_disk_source_type(disk) == CONF_DISK_TYPE_BLOCK &&
           g_str_equal(hv_disk_format(disk), "raw");
}

static gboolean
check_internal(const ConfDisk *disk, GError **error)
{
    if (is_volume(disk))
        return hv_volume_check(disk, error);
    if (hv_disk_is_local_image(disk) && g_str_equal(hv_disk_format(disk), "qcow2"))
        return TRUE;
    return hv_refuse(error, HV_ERROR_CONFIG,
                     "internal snapshot for disk %s unsupported for storage type %s", disk->target,
                     hv_disk_is_local_image(disk) ? hv_disk_format(disk)
                                                  : "that is not on this host");
}

static gboolean
check_external(const ConfSnapshotDisk *wanted, const ConfDisk *disk, gboolean reuse, GError **error)
{
    gboolean there = g_file_test(wanted->source, G_FILE_TEST_EXISTS);

    /* The definition would name the new image, and no pool knows that. */
    if (disk->type == CONF_DISK_TYPE_VOLUME)
        return hv_refuse(
            error, HV_ERROR_CONFIG,
            "external snapshot for disk %s unsupported: it is a volume of a storage pool",
            disk->target);
    if (!hv_disk_is_local_image(disk))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "external snapshot for disk %s unsupported: it is not on this host",
                         disk->target);
    if (wanted->type != CONF_DISK_TYPE_FILE && !reuse)
        return hv_refuse(
            error, HV_ERROR_CONFIG,
            "the external snapshot of disk %s on a block device must be there already: "
            "make an image in it and use --reuse-external",
            disk->target);
    if (!g_str_equal(wanted->driver_type, "qcow2"))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "external snapshot format for disk %s is unsupported: %s", disk->target,
                         wanted->driver_type);
    if (reuse && !there)
        return hv_refuse(error, HV_ERROR_CONFIG, "missing existing file for disk %s: %s",
                         disk->target, wanted->source);
    if (!reuse && there)
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "external snapshot file for disk %s already exists and is not a block "
                         "device: %s",
                         disk->target, wanted->source);
    return TRUE;
}

/* What has the name already belongs to somebody else. */
static gboolean
check_free(const ConfDisk *disk, const char *name, GError **error)
{
    g_autofree char *id = NULL;

    if (is_volume(disk))
        return hv_volume_check_free(disk, name, error);
    if (!hv_snapshot_find_in_image(disk, name, &id, error))
        return FALSE;
    return !id || hv_refuse(error, HV_ERROR_EXISTS, "the image '%s' has a snapshot '%s' already",
                            disk->source, name);
}

static gboolean
check_disk(const ConfSnapshot *def, const ConfSnapshotDisk *wanted, const ConfDisk *disk,
           unsigned create_flags, GError **error)
{
    switch (wanted->place) {
    case CONF_SNAPSHOT_NO:
        return TRUE;
    case CONF_SNAPSHOT_INTERNAL:
        return check_internal(disk, error) && check_free(disk, def->name, error);
    case CONF_SNAPSHOT_EXTERNAL:
        return check_external(wanted, disk, (create_flags & HV_SNAPSHOT_REUSE_EXT) != 0, error);
    default:
        return hv_refuse(error, HV_ERROR_UNSUPPORTED, "a manual snapshot of disk '%s'",
                         disk->target);
    }
}

/* A disk that is written to and is left out. */
static gboolean
is_left_out(const ConfSnapshotDisk *wanted, const ConfDisk *disk)
{
    return wanted->place == CONF_SNAPSHOT_NO && has_medium(disk) && !disk->readonly &&
           default_place(disk, CONF_SNAPSHOT_INTERNAL) == CONF_SNAPSHOT_INTERNAL;
}

gboolean
hv_snapshot_check_disks(const ConfSnapshot *def, const ConfDomain *domain, unsigned create_flags,
                        GError **error)
{
    const unsigned internal = 1u << CONF_SNAPSHOT_INTERNAL, external = 1u << CONF_SNAPSHOT_EXTERNAL;
    gboolean left_out = FALSE;
    unsigned places = 0;

    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        const ConfDisk *disk = domain->disks->pdata[i];

        if (!check_disk(def, wanted, disk, create_flags, error))
            return FALSE;
        places |= 1u << wanted->place;
        left_out |= is_left_out(wanted, disk);
    }
    if (def->memory == CONF_SNAPSHOT_INTERNAL && (places & external))
        places |= internal;
    if ((places & internal) && (places & external))
        return hv_refuse(
            error, HV_ERROR_CONFIG,
            "mixing internal and external targets for a snapshot is not yet supported");
    if (!(places & (internal | external)) && !conf_snapshot_has_memory(def))
        return hv_refuse(error, HV_ERROR_CONFIG, "nothing selected for snapshot");
    if (left_out && ((places & internal) || def->memory == CONF_SNAPSHOT_INTERNAL))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "internal and full system snapshots require all disks to be selected for "
                         "snapshot");
    return TRUE;
}

/* ---- qemu-img ---- */

/* The format is the definition's word, never guessed from the content. */
static char *
image_options(const char *prefix, const char *format, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    return g_strdup_printf("%sdriver=%s,%sfile.filename=%s", prefix, format, prefix, escaped);
}

static gboolean
run(const char *const *argv, const char *image, GError **error)
{
    const HvRun how = { .argv = argv };
    g_autoptr(GError) local = NULL;

    if (hv_run(&how, NULL, &local))
        return TRUE;
    if (g_error_matches(local, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
        return hv_refuse(error, HV_ERROR_UNSUPPORTED,
                         "snapshots of images need the program " QEMU_IMG
                         ", which is not installed here");
    if (!g_error_matches(local, HV_ERROR, HV_ERROR_IO))
        return hv_refuse(error, HV_ERROR_INTERNAL, "%s", local->message);
    return hv_refuse(error, HV_ERROR_IO, "%s %s of '%s' failed: %s", argv[0], argv[1], image,
                     local->message);
}

static gboolean
change_snapshot(const ConfDisk *disk, const char *how, const char *which, GError **error)
{
    g_autofree char *image = image_options("", "qcow2", disk->source);
    const char *const argv[] = { QEMU_IMG, "snapshot", how, which, "--image-opts", image, NULL };

    return run(argv, disk->source, error);
}

gboolean
hv_snapshot_find_in_image(const ConfDisk *disk, const char *name, char **ret_id, GError **error)
{
    g_autoptr(GPtrArray) all = hv_qcow2_snapshots(disk->source, error);

    *ret_id = NULL;
    for (guint i = 0; all && i < all->len && !*ret_id; i++) {
        const HvQcow2Snapshot *snapshot = all->pdata[i];

        if (g_str_equal(snapshot->name, name))
            *ret_id = g_strdup(snapshot->id);
    }
    return all != NULL;
}

/* ---- internal ---- */

static gboolean
create_in_image(const ConfDisk *disk, const char *name, GError **error)
{
    return change_snapshot(disk, "-c", name, error);
}

static gboolean
is_in_image(const ConfDisk *disk, const char *name, GError **error)
{
    g_autofree char *id = NULL;

    if (!hv_snapshot_find_in_image(disk, name, &id, error))
        return FALSE;
    return id ||
           hv_refuse(error, HV_ERROR_CONFIG, "the image '%s' of disk '%s' has no snapshot '%s'",
                     disk->source, disk->target, name);
}

/* By its id: qemu-img would take a name that looks like one for an id. */
static gboolean
revert_image(const ConfDisk *disk, const char *name, GError **error)
{
    g_autofree char *id = NULL;

    if (!hv_snapshot_find_in_image(disk, name, &id, error))
        return FALSE;
    if (!id)
        return is_in_image(disk, name, error);
    return change_snapshot(disk, "-a", id, error);
}

static gboolean
delete_from_image(const ConfDisk *disk, const char *name, GError **error)
{
    g_autofree char *id = NULL;

    if (!g_file_test(disk->source, G_FILE_TEST_EXISTS))
        return TRUE;
    if (!hv_snapshot_find_in_image(disk, name, &id, error))
        return FALSE;
    return !id || change_snapshot(disk, "-d", name, error);
}

/* Those who keep internal snapshots. */
typedef gboolean (*KeeperFunc)(const ConfDisk *disk, const char *name, GError **error);
typedef struct Keeper {
    KeeperFunc create, has, revert, delete;
} Keeper;

static const Keeper images = { create_in_image, is_in_image, revert_image, delete_from_image };
static const Keeper volumes = { hv_volume_create, hv_volume_has, hv_volume_revert,
                                hv_volume_delete };

/* The disk of `domain` that is internal in `def` and that this keeper keeps; NULL: it is not. */
static const ConfDisk *
kept_disk(const Keeper *keeper, const ConfSnapshotDisk *wanted, const ConfDomain *domain)
{
    int at = wanted->place == CONF_SNAPSHOT_INTERNAL ? index_of_disk(domain, wanted->name) : -1;
    const ConfDisk *disk = at < 0 ? NULL : domain->disks->pdata[at];

    return disk && is_volume(disk) == (keeper == &volumes) ? disk : NULL;
}

static gboolean
for_each_kept(const Keeper *keeper, KeeperFunc func, const ConfSnapshot *def,
              const ConfDomain *domain, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = kept_disk(keeper, def->disks->pdata[i], domain);

        if (disk && (!check_internal(disk, error) || !func(disk, def->name, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean
create_all(const Keeper *keeper, const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = kept_disk(keeper, def->disks->pdata[i], domain);

        if (!disk || keeper->create(disk, def->name, error))
            continue;
        while (i-- > 0) {
            disk = kept_disk(keeper, def->disks->pdata[i], domain);
            if (disk)
                keeper->delete (disk, def->name, NULL);
        }
        return FALSE;
    }
    return TRUE;
}

gboolean
hv_snapshot_images_create(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    return create_all(&images, def, domain, error);
}

gboolean
hv_snapshot_images_delete(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    return for_each_kept(&images, images.delete, def, domain, error);
}

gboolean
hv_snapshot_volumes_create(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    return create_all(&volumes, def, domain, error);
}

gboolean
hv_snapshot_disks_check(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    return for_each_kept(&images, images.has, def, domain, error) &&
           for_each_kept(&volumes, volumes.has, def, domain, error);
}

gboolean
hv_snapshot_disks_revert(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    return for_each_kept(&images, images.revert, def, domain, error) &&
           for_each_kept(&volumes, volumes.revert, def, domain, error);
}

gboolean
hv_snapshot_has_images(const ConfSnapshot *def, const ConfDomain *domain)
{
    for (guint i = 0; i < def->disks->len; i++)
        if (kept_disk(&images, def->disks->pdata[i], domain))
            return TRUE;
    return FALSE;
}

gboolean
hv_snapshot_has_disks(const ConfSnapshot *def, unsigned place)
{
    for (guint i = 0; i < def->disks->len; i++)
        if (((const ConfSnapshotDisk *)def->disks->pdata[i])->place == place)
            return TRUE;
    return FALSE;
}

/* Where the guest writes to other images now, on top of those of the snapshot maybe. */
static gboolean
has_moved(const ConfSnapshotDisk *wanted, const ConfSnapshot *def, const ConfDomain *live)
{
    int then = def->domain ? index_of_disk(def->domain, wanted->name) : -1;
    int now = index_of_disk(live, wanted->name);
    const ConfDisk *before = then < 0 ? NULL : def->domain->disks->pdata[then];
    const ConfDisk *after = now < 0 ? NULL : live->disks->pdata[now];

    return before && (!after || !is_same_image(before, after));
}

/* A copy of the snapshot, without those of its disks that have moved, or without the others. */
static ConfSnapshot *
part_of(const ConfSnapshot *def, const ConfDomain *live, gboolean moved)
{
    ConfSnapshot *part = conf_snapshot_copy(def);

    for (guint i = 0; i < part->disks->len; i++) {
        ConfSnapshotDisk *disk = part->disks->pdata[i];

        if (has_moved(disk, def, live) != moved)
            disk->place = CONF_SNAPSHOT_NO;
    }
    return part;
}

/* The images of a running domain, by who has them open. */
static gboolean
delete_running(HvJob *job, const HvView *now, const ConfSnapshot *def, GError **error)
{
    HvHost *host = job->domain->host;
    gboolean ok;

    if (!hv_snapshot_has_images(def, now->live))
        return TRUE;
    if (!host->ops->disk_snapshot) {
        hv_set_unsupported(error, host, "snapshots of the disks of a running domain");
        return FALSE;
    }
    hv_job_enter_hook(job);
    ok = host->ops->disk_snapshot(host->engine, now->domid, now->live, def, HV_DISK_SNAPSHOT_DELETE,
                                  error);
    return hv_job_leave_hook(job, error) && ok;
}

/* Images that the guest does not write to are opened by ourselves: where they are in use below
 * others, their lock says so. */
static gboolean
delete_images(HvJob *job, const HvView *now, const ConfSnapshot *def, const ConfDomain *then,
              GError **error)
{
    g_autoptr(ConfSnapshot) here = NULL;
    g_autoptr(ConfSnapshot) elsewhere = NULL;

    if (!hv_view_is_active(now))
        return hv_snapshot_images_delete(def, then, error);
    here = part_of(def, now->live, FALSE);
    elsewhere = part_of(def, now->live, TRUE);
    return hv_snapshot_images_delete(elsewhere, then, error) &&
           delete_running(job, now, here, error);
}

gboolean
hv_snapshot_disks_delete(HvJob *job, const HvView *now, const ConfSnapshot *def, GError **error)
{
    g_autoptr(ConfDomain) then = hv_snapshot_find_volumes(
        job, def, def->domain ? def->domain : hv_view_current(now), now->live, error);

    return then && delete_images(job, now, def, then, error) &&
           for_each_kept(&volumes, volumes.delete, def, then, error);
}

/* ---- external ---- */

static gboolean
create_overlay(const ConfSnapshotDisk *wanted, const ConfDisk *disk, GError **error)
{
    const char *const argv[] = { QEMU_IMG,       "create",     "-f", "qcow2",
                                 "-b",           disk->source, "-F", hv_disk_format(disk),
                                 wanted->source, NULL };

    return run(argv, wanted->source, error);
}

gboolean
hv_snapshot_overlays_create(const ConfSnapshot *def, const ConfDomain *domain, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        int at = wanted->place == CONF_SNAPSHOT_EXTERNAL ? index_of_disk(domain, wanted->name) : -1;

        if (at < 0 || create_overlay(wanted, domain->disks->pdata[at], error))
            continue;
        while (i-- > 0) {
            wanted = def->disks->pdata[i];
            if (wanted->place == CONF_SNAPSHOT_EXTERNAL)
                g_unlink(wanted->source);
        }
        return FALSE;
    }
    return TRUE;
}

void
hv_snapshot_overlays_remove(const ConfSnapshot *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];

        if (wanted->place == CONF_SNAPSHOT_EXTERNAL)
            g_unlink(wanted->source);
    }
}

/* ---- external, merged ---- */

/* Backing format and name as the definitions have them, whatever the header says. */
gboolean
hv_image_commit(const char *image, const ConfDisk *base, GError **error)
{
    g_autofree char *top = image_options("", "qcow2", image);
    g_autofree char *below = image_options("backing.", hv_disk_format(base), base->source);
    g_autofree char *options = g_strjoin(",", top, below, NULL);
    const char *const argv[] = { QEMU_IMG, "commit", "-q", "-d", "--image-opts", options, NULL };

    return run(argv, image, error);
}

gboolean
hv_image_rebase(const char *image, const ConfDisk *base, GError **error)
{
    const char *const argv[] = { QEMU_IMG, "rebase", "-q",         "-u", "-f",
                                 "qcow2",  "-b",     base->source, "-F", hv_disk_format(base),
                                 image,    NULL };

    return run(argv, image, error);
}

/* ---- definitions ---- */

/* What a disk is on one side of an external snapshot. */
typedef struct Side {
    unsigned type;
    const char *source, *driver_name, *driver_type;
} Side;

static void
set_side(ConfDisk *disk, const Side *side)
{
    disk->type = side->type;
    g_free(disk->source);
    disk->source = g_strdup(side->source);
    g_free(disk->driver_name);
    disk->driver_name = g_strdup(side->driver_name);
    g_free(disk->driver_type);
    disk->driver_type = g_strdup(side->driver_type);
}

static void
move_disk(ConfDisk *disk, const ConfSnapshotDisk *wanted, const ConfDisk *old, gboolean forth)
{
    const Side before = { old->type, old->source, old->driver_name, old->driver_type };
    const Side after = { wanted->type, wanted->source, "qemu", wanted->driver_type };
    const Side *from = forth ? &before : &after, *to = forth ? &after : &before;

    /* Another definition may have another medium there. */
    if (g_strcmp0(disk->source, from->source) == 0)
        set_side(disk, to);
}

static void
move_all(ConfDomain *domain, const ConfSnapshot *def, gboolean forth)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        int at = index_of_disk(domain, wanted->name);
        int old = index_of_disk(def->domain, wanted->name);

        if (wanted->place == CONF_SNAPSHOT_EXTERNAL && at >= 0 && old >= 0)
            move_disk(domain->disks->pdata[at], wanted, def->domain->disks->pdata[old], forth);
    }
}

/* By the image: a disk may have got another target since. */
static gboolean
move_to_base(ConfDisk *disk, const ConfSnapshotDisk *merged, const ConfDisk *base)
{
    const Side side = { base->type, base->source, base->driver_name, base->driver_type };
    g_autofree char *key = hv_image_key(merged->source);
    g_autofree char *now = hv_disk_is_local_image(disk) ? hv_image_key(disk->source) : NULL;

    if (g_strcmp0(key, now) != 0)
        return FALSE;
    set_side(disk, &side);
    return TRUE;
}

gboolean
hv_snapshot_move_to_bases(ConfDomain *domain, const ConfSnapshot *merged)
{
    gboolean changed = FALSE;

    for (guint i = 0; i < merged->disks->len; i++) {
        const ConfSnapshotDisk *wanted = merged->disks->pdata[i];
        const ConfDisk *base = conf_domain_find_disk(merged->domain, wanted->name);

        for (guint j = 0; wanted->place == CONF_SNAPSHOT_EXTERNAL && base && j < domain->disks->len;
             j++)
            changed |= move_to_base(domain->disks->pdata[j], wanted, base);
    }
    return changed;
}

void
hv_snapshot_move_disks(ConfDomain *domain, const ConfSnapshot *snapshot)
{
    move_all(domain, snapshot, TRUE);
}

static gboolean
edit_forth(ConfDomain *domain, gpointer data, GError **error)
{
    move_all(domain, data, TRUE);
    return TRUE;
}

static gboolean
edit_back(ConfDomain *domain, gpointer data, GError **error)
{
    move_all(domain, data, FALSE);
    return TRUE;
}

gboolean
hv_snapshot_move(HvJob *job, const ConfSnapshot *def, gboolean forth, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(job->domain);
    unsigned which = (hv_view_is_active(now) ? HV_AFFECT_LIVE : 0) |
                     (now->persistent ? HV_AFFECT_CONFIG : 0);

    return hv_domain_edit(job, which, forth ? edit_forth : edit_back, (gpointer)def, error);
}
