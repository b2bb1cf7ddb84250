/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking a snapshot.
 *
 * What is made on the way is noted in NAME.pending before, so that whoever comes after a daemon
 * that was killed knows what to undo. The snapshot exists from the moment that its metadata is
 * there.
 */
#include "hv-private.h"

/* How far one has come: what there is to undo. */
typedef enum Stage {
    STAGE_NOTHING,
    STAGE_MEMORY,   /* its file is there */
    STAGE_OVERLAYS, /* new images are there */
    STAGE_LOCKED,   /* and locked, where the domain runs */
    STAGE_MOVED,    /* the definitions name them */
    STAGE_DISKS,    /* the disks are done */
} Stage;

/* One that is being taken. */
typedef struct Taking {
    HvJob *job;
    HvView *now;
    ConfSnapshot *def;
    unsigned flags;
    ConfDomain *disks; /* a copy of what the domain is, whose disks are looked at */
    Stage stage;
} Taking;

static void
taking_clear(Taking *taking)
{
    conf_domain_unref(taking->disks);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Taking, taking_clear)

static HvStore *
store_of(const Taking *taking)
{
    return taking->job->domain->host->store;
}

/* ---- what is wanted ---- */

static gboolean
check_flags(const Taking *taking, GError **error)
{
    const HvView *now = taking->now;
    unsigned flags = taking->flags;
    gboolean active = hv_view_is_active(now);

    if (!now->persistent && (flags & HV_SNAPSHOT_HALT))
        return hv_refuse(error, HV_ERROR_WRONG_STATE,
                         "cannot halt after transient domain snapshot");
    if ((flags & HV_SNAPSHOT_LIVE) && (!active || (flags & HV_SNAPSHOT_DISK_ONLY) ||
                                       taking->def->memory != CONF_SNAPSHOT_EXTERNAL))
        return hv_refuse(error, HV_ERROR_WRONG_STATE,
                         "live snapshot creation is supported only with external checkpoints");
    if ((flags & HV_SNAPSHOT_LIVE) != 0) {
        hv_set_unsupported(error, taking->job->domain->host,
                           "writing the memory of a guest that runs on meanwhile");
        return FALSE;
    }
    if (!active && conf_snapshot_has_memory(taking->def))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "memory state cannot be saved with offline or disk-only snapshot");
    return TRUE;
}

static unsigned
state_of(const HvView *now, gboolean disk_only)
{
    if (!hv_view_is_active(now))
        return CONF_SNAPSHOT_STATE_SHUTOFF;
    if (disk_only)
        return CONF_SNAPSHOT_STATE_DISK;
    return now->state == HV_STATE_PAUSED ? CONF_SNAPSHOT_STATE_PAUSED : CONF_SNAPSHOT_STATE_RUNNING;
}

/* How memory is kept, and with it what disks get by default. */
static gboolean
choose_places(Taking *taking, unsigned *ret_place, GError **error)
{
    gboolean disk_only = (taking->flags & HV_SNAPSHOT_DISK_ONLY) != 0;
    gboolean active = hv_view_is_active(taking->now);
    ConfSnapshot *def = taking->def;

    def->state = state_of(taking->now, disk_only);
    if (disk_only && conf_snapshot_has_memory(def))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "memory state cannot be saved with offline or disk-only snapshot");
    if (active && !disk_only && def->memory == CONF_SNAPSHOT_NO)
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "internal snapshot of a running VM must include the memory state");
    if (!def->memory)
        def->memory = active && !disk_only ? CONF_SNAPSHOT_INTERNAL : CONF_SNAPSHOT_NO;
    *ret_place = disk_only || def->memory == CONF_SNAPSHOT_EXTERNAL ? CONF_SNAPSHOT_EXTERNAL
                                                                    : CONF_SNAPSHOT_INTERNAL;
    return TRUE;
}

static gboolean
name_it(Taking *taking, GError **error)
{
    ConfSnapshot *def = taking->def;

    def->time.set = true;
    def->time.value = g_get_real_time() / G_USEC_PER_SEC;
    if (!def->name)
        def->name = g_strdup_printf("%" G_GINT64_FORMAT, def->time.value);
    def->parent = g_strdup(hv_snapshots_current_name(taking->now->snapshots));
    if (!hv_snapshots_get(taking->now->snapshots, def->name))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_EXISTS, "domain moment %s already exists", def->name);
    return FALSE;
}

/* Images of a running domain are open. */
static gboolean
needs_engine(const Taking *taking)
{
    return hv_snapshot_has_disks(taking->def, CONF_SNAPSHOT_EXTERNAL) ||
           hv_snapshot_has_images(taking->def, taking->now->live);
}

/* A disk of a running domain that is internal needs the guest to stand still. */
static gboolean
check_running(const Taking *taking, GError **error)
{
    const ConfSnapshot *def = taking->def;
    HvHost *host = taking->job->domain->host;

    if (conf_snapshot_has_memory(def) && (!host->ops->save || !host->ops->resume_saved)) {
        hv_set_unsupported(error, host, "saving the memory of a domain that goes on");
        return FALSE;
    }
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *disk = def->disks->pdata[i];

        if (disk->place == CONF_SNAPSHOT_INTERNAL && !conf_snapshot_has_memory(def)) {
            g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                        "active domains require external disk snapshots; disk %s requested "
                        "internal",
                        disk->name);
            return FALSE;
        }
    }
    if (needs_engine(taking) && !host->ops->disk_snapshot) {
        hv_set_unsupported(error, host, "snapshots of the disks of a running domain");
        return FALSE;
    }
    return TRUE;
}

static gboolean
prepare(Taking *taking, GError **error)
{
    const HvView *now = taking->now;
    ConfSnapshot *def = taking->def;
    unsigned place = CONF_SNAPSHOT_NO;

    if (hv_lifecycle_check(now, HV_OP_SNAPSHOT, error) != HV_VERDICT_ALLOW ||
        !check_flags(taking, error) || !name_it(taking, error) ||
        !choose_places(taking, &place, error))
        return FALSE;
    if ((taking->flags & HV_SNAPSHOT_NO_METADATA) && def->memory == CONF_SNAPSHOT_INTERNAL)
        return hv_refuse(
            error, HV_ERROR_CONFIG,
            "without metadata nobody could find the memory of the snapshot again: name a "
            "file for it");
    def->domain = hv_def_inactive(hv_view_current(now), error);
    if (def->domain && now->live && now->persistent)
        def->inactive = conf_domain_copy(now->persistent);
    if (!def->domain || !hv_snapshot_align(def, hv_view_current(now), place, error))
        return FALSE;
    taking->disks = hv_snapshot_find_volumes(taking->job, def, hv_view_current(now), NULL, error);
    return taking->disks && (!hv_view_is_active(now) || check_running(taking, error)) &&
           hv_snapshot_check_disks(def, taking->disks, taking->flags, error);
}

/* ---- memory ---- */

static char *
memory_path(const Taking *taking)
{
    if (taking->def->memory_file)
        return g_strdup(taking->def->memory_file);
    return hv_snapshot_path(store_of(taking), taking->job->domain->name, taking->def->name, ".mem");
}

/* The guest is suspended on TRUE, its memory in a complete file. */
static gboolean
write_memory(Taking *taking, GError **error)
{
    g_autofree char *path = memory_path(taking);
    const HvView *now = taking->now;

    if (!conf_snapshot_has_memory(taking->def))
        return TRUE;
    if (taking->def->memory_file && !(taking->flags & HV_SNAPSHOT_REUSE_EXT) &&
        g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "memory snapshot file '%s' already exists",
                    path);
        return FALSE;
    }
    if (!hv_save_write_image(taking->job, now, now->live, path, now->state == HV_STATE_PAUSED,
                             error))
        return FALSE;
    taking->stage = STAGE_MEMORY;
    return TRUE;
}

/* ---- disks ---- */

/* Definitions come before the images that they name: who is killed in between has definitions of
 * empty images on top of those that the guest still writes to, which is the same to it. The other
 * way round it would lose what the guest wrote. */
static gboolean
make_overlays(Taking *taking, GError **error)
{
    gboolean reuse = (taking->flags & HV_SNAPSHOT_REUSE_EXT) != 0;

    if (!hv_snapshot_has_disks(taking->def, CONF_SNAPSHOT_EXTERNAL))
        return TRUE;
    if (!reuse && !hv_snapshot_overlays_create(taking->def, taking->disks, error))
        return FALSE;
    taking->stage = STAGE_OVERLAYS;
    if (taking->now->live &&
        !hv_locks_add_overlays(taking->job, taking->def, taking->now->live, error))
        return FALSE;
    taking->stage = STAGE_LOCKED;
    if (!hv_snapshot_move(taking->job, taking->def, TRUE, error))
        return FALSE;
    taking->stage = STAGE_MOVED;
    return TRUE;
}

/* The images of a running domain, all at once, by who has them open. */
static gboolean
take_running_images(Taking *taking, GError **error)
{
    HvHost *host = taking->job->domain->host;
    g_autoptr(GError) local = NULL;
    gboolean ok;

    if (!needs_engine(taking))
        return TRUE;
    hv_job_enter_hook(taking->job);
    ok = host->ops->disk_snapshot(host->engine, taking->now->domid, taking->now->live, taking->def,
                                  HV_DISK_SNAPSHOT_CREATE, &local);
    /* What may have been done counts as done. */
    if (ok || g_error_matches(local, HV_ERROR, HV_ERROR_TIMEOUT))
        taking->stage = STAGE_DISKS;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&local));
    return hv_job_leave_hook(taking->job, error) && ok;
}

static gboolean
take_disks(Taking *taking, GError **error)
{
    gboolean ok = hv_view_is_active(taking->now)
                      ? take_running_images(taking, error)
                      : hv_snapshot_images_create(taking->def, taking->disks, error);

    if (!ok)
        return FALSE;
    if (hv_snapshot_has_disks(taking->def, CONF_SNAPSHOT_INTERNAL))
        taking->stage = STAGE_DISKS;
    return hv_snapshot_volumes_create(taking->def, taking->disks, error);
}

/* ---- one after the other ---- */

static gboolean
remember(Taking *taking, GError **error)
{
    HvDomain *domain = taking->job->domain;
    g_autoptr(GPtrArray) defs = hv_snapshots_to_list(taking->now->snapshots);
    g_autoptr(HvSnapshots) all = NULL;

    if (taking->flags & HV_SNAPSHOT_NO_METADATA)
        return TRUE;
    g_ptr_array_add(defs, conf_snapshot_ref(taking->def));
    all = hv_snapshots_new(defs, taking->def->name);
    if (!hv_snapshots_write(store_of(taking), domain->name, taking->now->snapshots, all, error))
        return FALSE;
    hv_domain_set_snapshots(domain, g_steal_pointer(&all));
    return TRUE;
}

static gboolean
take_all(Taking *taking, GError **error)
{
    return write_memory(taking, error) && make_overlays(taking, error) &&
           take_disks(taking, error) && remember(taking, error);
}

static void
undo(Taking *taking)
{
    HvDomain *domain = taking->job->domain;
    gboolean external = hv_snapshot_has_disks(taking->def, CONF_SNAPSHOT_EXTERNAL);
    g_autofree char *memory = memory_path(taking);

    if (taking->stage == STAGE_DISKS && external) {
        g_warning("domain '%s' writes to the images of its snapshot '%s', which failed later on",
                  domain->name, taking->def->name);
        return;
    }
    if (taking->stage == STAGE_DISKS)
        hv_snapshot_disks_delete(taking->job, taking->now, taking->def, NULL);
    if (taking->stage == STAGE_MOVED)
        hv_snapshot_move(taking->job, taking->def, FALSE, NULL);
    if (taking->now->live && external && taking->stage >= STAGE_LOCKED)
        hv_locks_drop_overlays(taking->job, taking->def, taking->now->live);
    if (external && taking->stage >= STAGE_OVERLAYS && !(taking->flags & HV_SNAPSHOT_REUSE_EXT))
        hv_snapshot_overlays_remove(taking->def);
    if (conf_snapshot_has_memory(taking->def) && taking->stage >= STAGE_MEMORY)
        hv_store_remove_file(memory, NULL);
}

static void
tell_paused(Taking *taking)
{
    if (taking->now->state != HV_STATE_PAUSED)
        hv_event_post(taking->job->domain, HV_EVENT_SUSPENDED, HV_DETAIL_SUSPENDED_PAUSED,
                      taking->now->domid);
    hv_domain_set_state(taking->job, HV_STATE_PAUSED, HV_REASON_PAUSED_SNAPSHOT);
}

static void
go_on(Taking *taking)
{
    if (hv_save_resume(taking->job, taking->now, taking->now->reason) &&
        taking->now->state != HV_STATE_PAUSED)
        hv_event_post(taking->job->domain, HV_EVENT_RESUMED, HV_DETAIL_RESUMED_UNPAUSED,
                      taking->now->domid);
}

static gboolean
halt(Taking *taking, GError **error)
{
    HvHost *host = taking->job->domain->host;

    if (!host->ops->destroy(host->engine, taking->now->domid, error)) {
        g_prefix_error(error, "the snapshot was taken, but domain '%s' could not be ended: ",
                       taking->job->domain->name);
        return FALSE;
    }
    hv_domain_ended(taking->job, HV_REASON_SHUTOFF_FROM_SNAPSHOT, HV_DETAIL_STOPPED_FROM_SNAPSHOT);
    return TRUE;
}

/* Job held: the guest stands still from its memory on, until all is done or undone. */
static gboolean
take_noted(Taking *taking, GError **error)
{
    gboolean active = hv_view_is_active(taking->now);
    gboolean pause = active && conf_snapshot_has_memory(taking->def);
    gboolean halted = FALSE, ok;

    if (pause)
        tell_paused(taking);
    ok = take_all(taking, error);
    if (hv_job_is_overtaken(taking->job))
        return FALSE;
    if (!ok)
        undo(taking);
    if (active)
        hv_job_completed(taking->job, ok, taking->now->domid);
    if (ok && active && (taking->flags & HV_SNAPSHOT_HALT))
        ok = halted = halt(taking, error);
    if (pause && !halted)
        go_on(taking);
    return ok;
}

static gboolean
take(Taking *taking, GError **error)
{
    const char *name = taking->job->domain->name;
    gboolean ok;

    if (!hv_snapshot_write_text(store_of(taking), name, taking->def, HV_SNAPSHOT_PENDING, FALSE,
                                error))
        return FALSE;
    ok = take_noted(taking, error);
    /* Who has lost the domain leaves it to the next daemon to tidy up. */
    if (!hv_job_is_overtaken(taking->job))
        hv_snapshot_remove_file(store_of(taking), name, taking->def->name, HV_SNAPSHOT_PENDING,
                                NULL);
    hv_store_log(store_of(taking), name, "snapshot '%s' %s", taking->def->name,
                 ok ? "taken" : "failed");
    return ok;
}

/* ---- redefining ---- */

static gboolean
check_parent(const HvSnapshots *all, const ConfSnapshot *def, GError **error)
{
    const ConfSnapshot *above = def;

    if (!def->parent)
        return TRUE;
    if (g_str_equal(def->parent, def->name)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "cannot set snapshot %s as its own parent", def->name);
        return FALSE;
    }
    if (!hv_snapshots_get(all, def->parent)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "parent %s for snapshot %s not found",
                    def->parent, def->name);
        return FALSE;
    }
    for (guint i = 0; above && above->parent && i <= hv_snapshots_count(all); i++) {
        above = hv_snapshots_get(all, above->parent);
        if (above && g_str_equal(above->name, def->name)) {
            g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "parent %s would create cycle to %s",
                        def->parent, def->name);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
is_online(const ConfSnapshot *def)
{
    return def->state == CONF_SNAPSHOT_STATE_RUNNING || def->state == CONF_SNAPSHOT_STATE_BLOCKED ||
           def->state == CONF_SNAPSHOT_STATE_PAUSED;
}

/* What a snapshot consists of does not change by saying so. */
static gboolean
check_kept(const ConfSnapshot *before, const ConfSnapshot *def, GError **error)
{
    const char *what = NULL;

    if (!before)
        return TRUE;
    if (is_online(before) != is_online(def))
        what = "online and offline snapshot state";
    else if ((before->state == CONF_SNAPSHOT_STATE_DISK) !=
             (def->state == CONF_SNAPSHOT_STATE_DISK))
        what = "disk only and full system";
    if (!what)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "cannot change between %s in snapshot %s",
                what, def->name);
    return FALSE;
}

static gboolean
check_identity(const HvView *now, const ConfSnapshot *def, GError **error)
{
    char uuid[37];

    if (!def->domain || memcmp(def->domain->uuid, now->uuid, sizeof(now->uuid)) == 0)
        return TRUE;
    conf_uuid_format(now->uuid, uuid);
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "definition for snapshot %s must use uuid %s", def->name, uuid);
    return FALSE;
}

/* What an older one knows and the new one leaves out is kept. */
static gboolean
complete_redefined(ConfSnapshot *def, const ConfSnapshot *before, GError **error)
{
    unsigned place = def->memory == CONF_SNAPSHOT_EXTERNAL || def->state == CONF_SNAPSHOT_STATE_DISK
                         ? CONF_SNAPSHOT_EXTERNAL
                         : CONF_SNAPSHOT_INTERNAL;

    if (!def->memory)
        def->memory = is_online(def) ? CONF_SNAPSHOT_INTERNAL : CONF_SNAPSHOT_NO;
    if (!def->domain && before && before->domain)
        def->domain = conf_domain_copy(before->domain);
    if (!def->inactive && before && before->inactive)
        def->inactive = conf_domain_copy(before->inactive);
    return !def->domain || hv_snapshot_align(def, def->domain, place, error);
}

static gboolean
redefine(HvJob *job, const HvView *now, ConfSnapshot *def, unsigned flags, GError **error)
{
    const ConfSnapshot *before = hv_snapshots_get(now->snapshots, def->name);
    const char *current = flags & HV_SNAPSHOT_CURRENT ? def->name
                                                      : hv_snapshots_current_name(now->snapshots);
    g_autoptr(GPtrArray) defs = hv_snapshots_to_list(now->snapshots);
    g_autoptr(HvSnapshots) all = NULL;

    if (!hv_control_domain_spare(now, error) || !check_parent(now->snapshots, def, error) ||
        !check_identity(now, def, error) || !check_kept(before, def, error) ||
        !complete_redefined(def, before, error))
        return FALSE;
    for (guint i = 0; before && i < defs->len; i++) {
        if (defs->pdata[i] == before) {
            g_ptr_array_remove_index(defs, i);
            break;
        }
    }
    g_ptr_array_add(defs, conf_snapshot_ref(def));
    all = hv_snapshots_new(defs, current);
    if (!hv_snapshots_write(job->domain->host->store, job->domain->name, now->snapshots, all,
                            error))
        return FALSE;
    hv_domain_set_snapshots(job->domain, g_steal_pointer(&all));
    return TRUE;
}

/* ---- both ---- */

char *
hv_domain_snapshot_create(HvDomain *domain, ConfSnapshot *taken, unsigned flags, GError **error)
{
    g_autoptr(ConfSnapshot) def = taken;
    g_autoptr(HvJob) job = hv_job_begin(
        domain, flags & HV_SNAPSHOT_REDEFINE ? HV_JOB_MODIFY : HV_JOB_SNAPSHOT, error);
    g_autoptr(HvView) now = NULL;
    g_auto(Taking) taking = { .job = job, .def = def, .flags = flags };
    gboolean ok;

    if (!job)
        return NULL;
    taking.now = now = hv_domain_view(domain);
    if (flags & HV_SNAPSHOT_REDEFINE)
        ok = redefine(job, now, def, flags, error);
    else
        ok = prepare(&taking, error) && take(&taking, error);
    return ok ? g_strdup(def->name) : NULL;
}
