/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going back to a snapshot. What the domain is now is lost, so everything that can be checked is
 * checked before it is ended. From the first image that is changed until all are, a note beside the
 * metadata says so: whoever comes after a daemon that was killed goes on with it.
 */
#include "hv-private.h"

#include <string.h>
#include <unistd.h>

#define TIME_DIGITS 16 /* microseconds since the epoch, until 2286 */

typedef struct Reverting {
    HvJob *job;
    HvView *now;
    const ConfSnapshot *def;
    unsigned flags;
    ConfDomain *domain;     /* what is started, and what the disks are */
    ConfDomain *persistent; /* what is defined from then on; NULL: it is transient */
    int memory_fd;          /* -1: none */
    ConfSnapshot *overlays; /* new images on top of those of an external one; NULL: none */
} Reverting;

static void
reverting_clear(Reverting *reverting)
{
    conf_domain_unref(reverting->domain);
    conf_domain_unref(reverting->persistent);
    conf_snapshot_unref(reverting->overlays);
    if (reverting->memory_fd >= 0)
        close(reverting->memory_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reverting, reverting_clear)

static HvStore *
store_of(const Reverting *reverting)
{
    return reverting->job->domain->host->store;
}

/* ---- may it be done? ---- */

static gboolean
is_to_run(const Reverting *reverting)
{
    return conf_snapshot_has_memory(reverting->def) ||
           (reverting->flags & (HV_SNAPSHOT_REVERT_RUNNING | HV_SNAPSHOT_REVERT_PAUSED));
}

static gboolean
is_to_pause(const Reverting *reverting)
{
    if (reverting->flags & HV_SNAPSHOT_REVERT_RUNNING)
        return FALSE;
    return (reverting->flags & HV_SNAPSHOT_REVERT_PAUSED) ||
           reverting->def->state == CONF_SNAPSHOT_STATE_PAUSED;
}

static gboolean
check_risk(const Reverting *reverting, GError **error)
{
    const HvView *now = reverting->now;
    gboolean memory = conf_snapshot_has_memory(reverting->def);

    if (reverting->flags & HV_SNAPSHOT_REVERT_FORCE)
        return TRUE;
    if (!reverting->def->domain) {
        g_set_error(error, HV_ERROR, HV_ERROR_RISKY,
                    "snapshot '%s' lacks domain '%s' rollback info", reverting->def->name,
                    now->name);
        return FALSE;
    }
    if (hv_view_is_active(now) && !memory && is_to_run(reverting))
        return hv_refuse(error, HV_ERROR_RISKY, "must respawn guest to start inactive snapshot");
    if (now->managed_save && !memory)
        return hv_refuse(error, HV_ERROR_RISKY,
                         "snapshot without memory state, removal of existing managed saved state "
                         "strongly recommended to avoid corruption");
    return TRUE;
}

static gboolean
check(const Reverting *reverting, GError **error)
{
    const HvView *now = reverting->now;

    if (!hv_control_domain_spare(now, error))
        return FALSE;
    if (hv_snapshot_is_half_merged(store_of(reverting), now->name, reverting->def->name))
        return hv_refuse(
            error, HV_ERROR_WRONG_STATE,
            "the deletion of snapshot '%s' has begun, its images are not what they were: "
            "delete it again",
            reverting->def->name);
    if (!now->persistent && !is_to_run(reverting))
        return hv_refuse(error, HV_ERROR_WRONG_STATE,
                         "transient domain needs to request run or pause to revert to inactive "
                         "snapshot");
    return check_risk(reverting, error);
}

/* A definition of then, for the domain as it is called today. */
static ConfDomain *
take_definition(const Reverting *reverting, const ConfDomain *def, GError **error)
{
    g_autoptr(ConfDomain) copy = conf_domain_copy(def);

    g_free(copy->name);
    copy->name = g_strdup(reverting->job->domain->name);
    return hv_def_prepare(copy, error) ? g_steal_pointer(&copy) : NULL;
}

static gboolean
choose_definitions(Reverting *reverting, GError **error)
{
    const ConfSnapshot *def = reverting->def;
    const HvView *now = reverting->now;
    const ConfDomain *then = def->domain ? def->domain : hv_view_current(now);
    g_autoptr(ConfDomain) domain = take_definition(reverting, then, error);

    if (domain)
        reverting->domain = hv_snapshot_find_volumes(reverting->job, def, domain, NULL, error);
    if (!reverting->domain)
        return FALSE;
    if (now->persistent)
        reverting->persistent = take_definition(reverting, def->inactive ? def->inactive : then,
                                                error);
    return !now->persistent || reverting->persistent;
}

/* Going back inside an image changes it under those that stand on it. */
static gboolean
check_nothing_above(const Reverting *reverting, GError **error)
{
    const ConfSnapshot *def = reverting->def;
    g_autoptr(HvImages) images = NULL;

    if (!hv_snapshot_has_images(def, reverting->domain))
        return TRUE;
    images = hv_images_new(reverting->job->domain, reverting->now, def, error);
    for (guint i = 0; images && i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        const ConfDisk *disk = conf_domain_find_disk(reverting->domain, wanted->name);
        g_autoptr(GPtrArray) above = NULL;

        if (!disk || wanted->place != CONF_SNAPSHOT_INTERNAL)
            continue;
        above = hv_images_on(images, hv_images_get(images, disk->source));
        if (above->len > 0)
            return hv_refuse(
                error, HV_ERROR_CONFIG,
                "the image '%s' stands on '%s', which would be another one then: delete "
                "the external snapshots that were taken since",
                ((const HvImage *)above->pdata[0])->path, disk->source);
    }
    return images != NULL;
}

static gboolean
open_memory(Reverting *reverting, GError **error)
{
    const ConfSnapshot *def = reverting->def;
    HvDomain *domain = reverting->job->domain;
    g_autofree char *path = NULL;
    g_autoptr(ConfDomain) saved = NULL;
    gboolean paused;

    if (!conf_snapshot_has_memory(def))
        return TRUE;
    path = def->memory == CONF_SNAPSHOT_EXTERNAL
               ? g_strdup(def->memory_file)
               : hv_snapshot_path(store_of(reverting), domain->name, def->name, ".mem");
    reverting->memory_fd = hv_save_open(path, &saved, &paused, error);
    if (reverting->memory_fd < 0)
        return FALSE;
    if (memcmp(saved->uuid, domain->uuid, sizeof(domain->uuid)) == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' holds the memory of another domain", path);
    return FALSE;
}

/* ---- external ones ---- */

/* The images that it stands on must stay as they are, for other snapshots, too: the guest goes on
 * in new ones on top of them. Those that it wrote to until now stay where they are. */
static gboolean
plan_overlays(Reverting *reverting, GError **error)
{
    const ConfSnapshot *def = reverting->def;
    ConfSnapshot *overlays;

    if (!hv_snapshot_has_disks(def, CONF_SNAPSHOT_EXTERNAL))
        return TRUE;
    if (!def->domain) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "nobody knows what the images of external snapshot '%s' stand on", def->name);
        return FALSE;
    }
    overlays = reverting->overlays = conf_snapshot_new();
    overlays->name = g_strdup_printf("%s-%0*" G_GINT64_FORMAT, def->name, TIME_DIGITS,
                                     g_get_real_time());
    overlays->domain = conf_domain_copy(def->domain);
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *disk = def->disks->pdata[i];
        ConfSnapshotDisk *wanted = conf_snapshot_disk_new();

        wanted->name = g_strdup(disk->name);
        wanted->place = disk->place == CONF_SNAPSHOT_EXTERNAL ? CONF_SNAPSHOT_EXTERNAL
                                                              : CONF_SNAPSHOT_NO;
        g_ptr_array_add(overlays->disks, wanted);
    }
    return hv_snapshot_align(overlays, def->domain, CONF_SNAPSHOT_NO, error) &&
           hv_snapshot_check_disks(overlays, def->domain, HV_SNAPSHOT_DISK_ONLY, error);
}

static gboolean
make_overlays(const Reverting *reverting, GError **error)
{
    if (!reverting->overlays)
        return TRUE;
    if (!hv_snapshot_overlays_create(reverting->overlays, reverting->def->domain, error))
        return FALSE;
    hv_snapshot_move_disks(reverting->domain, reverting->overlays);
    if (reverting->persistent)
        hv_snapshot_move_disks(reverting->persistent, reverting->overlays);
    return TRUE;
}

/* ---- what was left ---- */

/* IMAGE.NAME-TIME, as plan_overlays() calls it. */
static gboolean
is_of_revert(const char *path)
{
    const char *dash = strrchr(path, '-');

    return dash && strspn(dash + 1, "0123456789") == TIME_DIGITS && strlen(dash + 1) == TIME_DIGITS;
}

static void
remove_if_dead(HvImages *images, const ConfDisk *disk)
{
    const HvImage *image = hv_images_get(images, disk->source);
    g_autoptr(GError) error = NULL;

    if (image->backing && hv_image_is_dead(images, image) &&
        g_file_test(image->path, G_FILE_TEST_IS_REGULAR) &&
        !hv_store_remove_file(image->path, &error))
        g_warning("an image that nobody needs any more stays behind: %s", error->message);
}

/* An image that an earlier revert has made, and of which no snapshot was taken since, is known to
 * nobody when the domain leaves it. */
static void
remove_left(const Reverting *reverting)
{
    const ConfDomain *before = hv_view_current(reverting->now);
    HvDomain *domain = reverting->job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(HvImages) images = NULL;

    for (guint i = 0; i < before->disks->len; i++) {
        const ConfDisk *disk = before->disks->pdata[i];

        if (!hv_disk_is_local_image(disk) || !is_of_revert(disk->source))
            continue;
        if (!images && !(images = hv_images_new(domain, now, NULL, NULL)))
            return;
        hv_images_look_beside(images, disk->source);
        remove_if_dead(images, disk);
    }
}

/* ---- doing it ---- */

/* One that is transient stays for everybody to see until it runs again. */
static gboolean
end_running(const Reverting *reverting, GError **error)
{
    HvDomain *domain = reverting->job->domain;
    HvHost *host = domain->host;

    if (!hv_view_is_active(reverting->now))
        return TRUE;
    if (!host->ops->destroy(host->engine, reverting->now->domid, error))
        return FALSE;
    if (reverting->now->persistent)
        hv_domain_ended(reverting->job, HV_REASON_SHUTOFF_FROM_SNAPSHOT,
                        HV_DETAIL_STOPPED_FROM_SNAPSHOT);
    else
        hv_domain_publish_between(reverting->job, HV_REASON_SHUTOFF_FROM_SNAPSHOT,
                                  HV_DETAIL_STOPPED_FROM_SNAPSHOT);
    return TRUE;
}

static gboolean
change_images(const Reverting *reverting, GError **error)
{
    HvDomain *domain = reverting->job->domain;
    const ConfSnapshot *def = reverting->def;

    if (!hv_snapshot_has_disks(def, CONF_SNAPSHOT_INTERNAL))
        return TRUE;
    return hv_snapshot_write_text(store_of(reverting), domain->name, def, HV_SNAPSHOT_REVERTING,
                                  FALSE, error) &&
           hv_snapshot_disks_revert(def, reverting->domain, error);
}

static gboolean
define_again(const Reverting *reverting, GError **error)
{
    HvDomain *domain = reverting->job->domain;
    g_autoptr(HvView) now = NULL;
    HvView *next;

    if (!reverting->persistent)
        return TRUE;
    if (!hv_store_write_definition(store_of(reverting), reverting->persistent, error))
        return FALSE;
    now = hv_domain_view(domain);
    next = hv_view_copy(now);
    conf_domain_unref(next->persistent);
    next->persistent = conf_domain_ref(reverting->persistent);
    next->reason = HV_REASON_SHUTOFF_FROM_SNAPSHOT;
    hv_domain_publish(domain, next);
    hv_event_post(domain, HV_EVENT_DEFINED, HV_DETAIL_DEFINED_FROM_SNAPSHOT, -1);
    return TRUE;
}

static gboolean
boot(const Reverting *reverting, GError **error)
{
    const HvBoot how = {
        .def = reverting->domain,
        .restore_fd = reverting->memory_fd,
        .paused = is_to_pause(reverting),
        .reason = HV_REASON_RUNNING_FROM_SNAPSHOT,
        .detail = HV_DETAIL_STARTED_FROM_SNAPSHOT,
        .paused_reason = HV_REASON_PAUSED_FROM_SNAPSHOT,
        .paused_detail = HV_DETAIL_SUSPENDED_FROM_SNAPSHOT,
    };

    return !is_to_run(reverting) || hv_domain_boot(reverting->job, &how, error);
}

/* The domain is not running. */
static gboolean
go_back(const Reverting *reverting, GError **error)
{
    HvDomain *domain = reverting->job->domain;

    /* First: what it was saved with are the images of now. */
    if (!hv_managed_put_aside(reverting->job, error) || !change_images(reverting, error) ||
        !define_again(reverting, error) ||
        !hv_snapshot_make_current(domain, reverting->def->name, error))
        return FALSE;
    hv_snapshot_remove_file(store_of(reverting), domain->name, reverting->def->name,
                            HV_SNAPSHOT_REVERTING, NULL);
    return boot(reverting, error);
}

static gboolean
revert(const Reverting *reverting, GError **error)
{
    HvDomain *domain = reverting->job->domain;
    gboolean ok;

    if (!make_overlays(reverting, error))
        return FALSE;
    if (!end_running(reverting, error)) {
        if (reverting->overlays)
            hv_snapshot_overlays_remove(reverting->overlays);
        return FALSE;
    }
    ok = go_back(reverting, error);
    if (ok)
        remove_left(reverting);
    hv_store_log(store_of(reverting), domain->name, "revert to snapshot '%s' %s",
                 reverting->def->name, ok ? "done" : "failed");
    if (!ok && !reverting->now->persistent)
        hv_domain_ended(reverting->job, HV_REASON_SHUTOFF_FAILED, HV_DETAIL_NONE);
    return ok;
}

gboolean
hv_domain_snapshot_revert(HvDomain *domain, const char *name, unsigned revert_flags, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_REVERT, error);
    g_autoptr(HvView) now = NULL;
    g_auto(Reverting) reverting = { .job = job, .flags = revert_flags, .memory_fd = -1 };
    int index;

    if (!job)
        return FALSE;
    reverting.now = now = hv_domain_view(domain);
    index = hv_snapshots_find(now->snapshots, name, error);
    if (index < 0)
        return FALSE;
    reverting.def = hv_snapshots_at(now->snapshots, (guint)index);
    return check(&reverting, error) && choose_definitions(&reverting, error) &&
           plan_overlays(&reverting, error) && open_memory(&reverting, error) &&
           hv_snapshot_disks_check(reverting.def, reverting.domain, error) &&
           check_nothing_above(&reverting, error) && revert(&reverting, error);
}
