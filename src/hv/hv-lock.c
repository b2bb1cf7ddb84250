/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks of what domains write to: no two hosts on one storage run a guest on the same disk. A lock
 * manager keeps them, a daemon of its own, which whoever opened the host knows how to ask
 * (HvLockConfig.ask). A domain holds its locks from before its start until after its end, whatever
 * becomes of this daemon meanwhile.
 */
#include "hv-private.h"

#include <string.h>

#define LOCKD       "lockd"
#define NONE        "nop"
#define MAX_THREADS 4

/* ---- the settings ---- */

HvLocks *
hv_locks_new(const HvLockConfig *config, const char *manager)
{
    HvLocks *locks = g_new0(HvLocks, 1);
    const char *name = config->manager ? config->manager : manager;

    locks->manager = name && *name && !g_str_equal(name, NONE) ? g_strdup(name) : NULL;
    locks->file_dir = g_strdup(config->file_dir);
    locks->lvm_dir = g_strdup(config->lvm_dir);
    locks->scsi_dir = g_strdup(config->scsi_dir);
    locks->no_disks = config->no_disks;
    locks->require_lease = config->require_lease;
    locks->ask = config->ask;
    locks->ask_data = config->ask_data;
    locks->stop = g_cancellable_new();
    g_mutex_init(&locks->lock);
    return locks;
}

void
hv_locks_free(HvLocks *locks)
{
    if (!locks)
        return;
    g_object_unref(locks->stop);
    g_mutex_clear(&locks->lock);
    g_free(locks->manager);
    g_free(locks->file_dir);
    g_free(locks->lvm_dir);
    g_free(locks->scsi_dir);
    g_free(locks);
}

/* Who asked for protection does not run without it. */
static gboolean
check_manager(const HvLocks *locks, GError **error)
{
    if (!g_str_equal(locks->manager, LOCKD))
        return hv_refuse(error, HV_ERROR_CONFIG,
                         "lock_manager = \"%s\" is asked for, which xlvirt does not have: domains "
                         "start with \"" LOCKD "\", or without locks, by \"" NONE "\", only",
                         locks->manager);
    return locks->ask || hv_refuse(error, HV_ERROR_CONFIG,
                                   "lock_manager = \"%s\" is asked for, which nobody here can ask",
                                   locks->manager);
}

/* ---- requests ---- */

static void settle_later(HvHost *host, const guint8 uuid[16], const char *name);

static gboolean
ask(HvDomain *domain, HvLockOp op, const GPtrArray *leases, GCancellable *cancellable,
    GError **error)
{
    HvLocks *locks = domain->host->locks;
    HvLockOwner owner = { .name = domain->name };

    if (!locks->ask)
        return hv_refuse(error, HV_ERROR_CONFIG, "nobody here can ask a lock manager");
    memcpy(owner.uuid, domain->uuid, sizeof(owner.uuid));
    return locks->ask(op, &owner, leases, cancellable ? cancellable : locks->stop, locks->ask_data,
                      error);
}

/* What is on record; unreadable: as if there were nothing. */
static GPtrArray *
read_record(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *held = hv_lock_record_read(domain->host->store, domain->uuid, &error);

    if (error)
        g_warning("what domain '%s' holds at the lock manager is not known: %s", domain->name,
                  error->message);
    return held ? held : hv_leases_new();
}

static void
write_record(HvDomain *domain, const GPtrArray *held)
{
    g_autoptr(GError) error = NULL;

    if (!hv_lock_record_write(domain->host->store, domain->uuid, held, &error))
        g_warning("what domain '%s' holds at the lock manager is not on record: %s", domain->name,
                  error->message);
}

static void
append(GPtrArray *to, const GPtrArray *leases)
{
    for (guint i = 0; i < leases->len; i++)
        g_ptr_array_add(to, hv_lease_copy(leases->pdata[i]));
}

/* One of each. */
static void
subtract(GPtrArray *from, const GPtrArray *leases)
{
    for (guint i = 0; i < leases->len; i++) {
        int at = hv_leases_find(from, leases->pdata[i]);

        if (at >= 0)
            g_ptr_array_remove_index(from, (guint)at);
    }
}

/* Gives `leases` back, which are on record in `held`. */
static gboolean
release(HvDomain *domain, GPtrArray *held, const GPtrArray *leases, GError **error)
{
    if (leases->len == 0)
        return TRUE;
    if (!ask(domain, HV_LOCK_RELEASE, leases, NULL, error))
        return FALSE;
    subtract(held, leases);
    write_record(domain, held);
    return TRUE;
}

static void
release_or_warn(HvDomain *domain, GPtrArray *held, const GPtrArray *leases)
{
    g_autoptr(GError) error = NULL;

    if (!release(domain, held, leases, &error))
        g_warning("domain '%s' does not need its locks any more, but keeps them for now: %s",
                  domain->name, error->message);
}

/* A resource that the domain has to itself cannot be acquired again. To ask would be to lose it, if
 * what is new is given back. */
static gboolean
check_new(const GPtrArray *held, const GPtrArray *leases, GError **error)
{
    for (guint i = 0; i < leases->len; i++) {
        const HvLease *lease = leases->pdata[i];
        int at = hv_leases_find(held, lease);

        if (at >= 0 && (!lease->shared || !((const HvLease *)held->pdata[at])->shared))
            return hv_refuse(error, HV_ERROR_BUSY,
                             "Lockspace resource '%s' is locked by this domain itself",
                             lease->resource);
    }
    return TRUE;
}

/* Job held: all of `leases`, or none. */
static gboolean
acquire(HvJob *job, const GPtrArray *leases, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(GPtrArray) held = NULL;
    g_autoptr(GError) local = NULL;

    if (leases->len == 0)
        return TRUE;
    held = read_record(domain);
    if (!check_new(held, leases, error))
        return FALSE;
    append(held, leases);
    if (!hv_lock_record_write(domain->host->store, domain->uuid, held, error))
        return FALSE;
    if (ask(domain, HV_LOCK_ACQUIRE, leases, job->cancellable, &local))
        return TRUE;
    if (g_error_matches(local, HV_ERROR, HV_ERROR_IO)) {
        subtract(held, leases);
        write_record(domain, held);
    } else if (g_error_matches(local, HV_ERROR, HV_ERROR_CANCELLED)) {
        /* Whoever broke it off does not wait for an answer. */
        settle_later(domain->host, domain->uuid, domain->name);
    } else {
        release_or_warn(domain, held, leases);
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* ---- start and end ---- */

/* Gives back all that is on record. */
static gboolean
end(HvDomain *domain, GError **error)
{
    g_autoptr(GPtrArray) held = NULL;
    g_autoptr(GPtrArray) all = NULL;

    if (!hv_lock_record_exists(domain->host->store, domain->uuid))
        return TRUE;
    held = read_record(domain);
    if (held->len == 0)
        write_record(domain, held); /* which is of no use */
    all = hv_leases_new();
    append(all, held);
    return release(domain, held, all, error);
}

void
hv_locks_end(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;

    if (!end(domain, &error))
        g_warning("domain '%s' has ended, but keeps its locks until it is started again, or the "
                  "daemon is: %s",
                  domain->name, error->message);
}

gboolean
hv_locks_start(HvJob *job, const ConfDomain *def, GError **error)
{
    HvDomain *domain = job->domain;
    const HvLocks *locks = domain->host->locks;
    g_autoptr(GPtrArray) leases = NULL;

    if (!locks->manager) {
        hv_locks_end(domain);
        if (def->leases->len > 0)
            hv_store_log(domain->host->store, domain->name,
                         "its <lease> has no effect: no lock_manager is configured");
        return TRUE;
    }
    if (!check_manager(locks, error))
        return FALSE;
    leases = hv_leases_of_domain(locks, def, error);
    /* What a former life has left, of this daemon or of one that was killed, goes first. */
    return leases && end(domain, error) && acquire(job, leases, error);
}

void
hv_locks_keep(HvDomain *domain)
{
    const HvLocks *locks = domain->host->locks;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GPtrArray) held = read_record(domain);
    g_autoptr(GPtrArray) needed = NULL;
    g_autoptr(GError) error = NULL;

    if (!locks->manager)
        return;
    if (check_manager(locks, &error))
        needed = hv_leases_of_domain(locks, now->live, &error);
    if (!needed) {
        g_warning("domain '%s' runs without locks: %s", domain->name, error->message);
        return;
    }
    subtract(needed, held);
    for (guint i = 0; i < needed->len; i++)
        ((HvLease *)needed->pdata[i])->inherited = TRUE;
    append(held, needed);
    if (held->len == 0)
        return;
    if (needed->len > 0)
        write_record(domain, held);
    if (!ask(domain, HV_LOCK_KEEP, held, NULL, &error))
        g_warning("domain '%s' runs, maybe without its locks: %s", domain->name, error->message);
}

/* ---- devices ---- */

/* Job held: what `device` needs and `other` (may be NULL) does not. */
static GPtrArray *
leases_beside(HvJob *job, const ConfAnyDevice *device, const ConfAnyDevice *other, GError **error)
{
    const HvLocks *locks = job->domain->host->locks;
    g_autoptr(GPtrArray) leases = hv_leases_of_device(locks, device, error);
    g_autoptr(GPtrArray) others = NULL;

    if (!leases || !other)
        return g_steal_pointer(&leases);
    others = hv_leases_of_device(locks, other, NULL);
    if (others)
        subtract(leases, others);
    return g_steal_pointer(&leases);
}

gboolean
hv_locks_add(HvJob *job, const ConfAnyDevice *before, const ConfAnyDevice *device, GError **error)
{
    const HvLocks *locks = job->domain->host->locks;
    g_autoptr(GPtrArray) leases = NULL;

    if (!locks->manager)
        return TRUE;
    if (!check_manager(locks, error))
        return FALSE;
    leases = leases_beside(job, device, before, error);
    return leases && acquire(job, leases, error);
}

/* Job held. */
static void
drop(HvJob *job, const GPtrArray *leases)
{
    HvDomain *domain = job->domain;
    g_autoptr(GPtrArray) held = read_record(domain);
    g_autoptr(GPtrArray) ours = hv_leases_new();

    /* The lock manager may have been configured after the domain was started. */
    for (guint i = 0; i < leases->len; i++) {
        int at = hv_leases_find(held, leases->pdata[i]);

        if (at >= 0)
            g_ptr_array_add(ours, hv_lease_copy(held->pdata[at]));
    }
    release_or_warn(domain, held, ours);
}

void
hv_locks_drop(HvJob *job, const ConfAnyDevice *device, const ConfAnyDevice *after)
{
    g_autoptr(GPtrArray) leases = NULL;

    if (!hv_lock_record_exists(job->domain->host->store, job->domain->uuid))
        return;
    leases = leases_beside(job, device, after, NULL);
    if (leases)
        drop(job, leases);
}

/* ---- images of external snapshots ---- */

static GPtrArray *
leases_of_overlays(HvJob *job, const ConfSnapshot *def, const ConfDomain *live, GError **error)
{
    const HvLocks *locks = job->domain->host->locks;
    g_autoptr(GPtrArray) leases = hv_leases_new();

    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        const ConfDisk *disk = conf_domain_find_disk(live, wanted->name);
        g_autoptr(ConfAnyDevice) overlay = NULL;
        g_autoptr(GPtrArray) more = NULL;

        if (wanted->place != CONF_SNAPSHOT_EXTERNAL || !disk)
            continue;
        overlay = conf_device_copy(
            &(const ConfAnyDevice){ .kind = CONF_DEVICE_DISK, .disk = (ConfDisk *)disk });
        g_free(overlay->disk->source);
        overlay->disk->source = g_strdup(wanted->source);
        overlay->disk->type = CONF_DISK_TYPE_FILE;
        more = hv_leases_of_device(locks, overlay, error);
        if (!more)
            return NULL;
        append(leases, more);
    }
    return g_steal_pointer(&leases);
}

gboolean
hv_locks_add_overlays(HvJob *job, const ConfSnapshot *def, const ConfDomain *live, GError **error)
{
    const HvLocks *locks = job->domain->host->locks;
    g_autoptr(GPtrArray) leases = NULL;

    if (!locks->manager)
        return TRUE;
    if (!check_manager(locks, error))
        return FALSE;
    leases = leases_of_overlays(job, def, live, error);
    return leases && acquire(job, leases, error);
}

void
hv_locks_drop_overlays(HvJob *job, const ConfSnapshot *def, const ConfDomain *live)
{
    g_autoptr(GPtrArray) leases = NULL;

    if (!hv_lock_record_exists(job->domain->host->store, job->domain->uuid))
        return;
    leases = leases_of_overlays(job, def, live, NULL);
    if (leases)
        drop(job, leases);
}

/* ---- after the host has started ---- */

typedef struct Task {
    HvHost *host; /* a reference */
    guint8 uuid[16];
    char *name; /* of the domain; of one that is no more, its uuid */
} Task;

static void
task_free(Task *task)
{
    hv_host_unref(task->host);
    g_free(task->name);
    g_free(task);
}

/* Job held. */
static void
settle(HvJob *job)
{
    g_autoptr(HvView) now = hv_domain_view(job->domain);

    if (hv_view_is_active(now))
        hv_locks_keep(job->domain);
    else
        hv_locks_end(job->domain);
    if (!hv_domain_is_visible(job->domain))
        hv_registry_remove(job->domain);
}

/* Whoever starts the domain meanwhile has the job, or waits for it. */
static void
do_task(gpointer item, gpointer unused)
{
    Task *task = item;
    g_autoptr(ConfDomain) named = conf_domain_new();
    g_autoptr(HvJob) job = NULL;
    g_autoptr(GError) error = NULL;

    named->name = g_strdup(task->name);
    memcpy(named->uuid, task->uuid, sizeof(named->uuid));
    /* A hook script may have the job for as long as it likes. */
    do {
        g_clear_error(&error);
        job = hv_registry_begin(task->host, named, HV_JOB_MODIFY, &error);
    } while (g_error_matches(error, HV_ERROR, HV_ERROR_TIMEOUT));
    if (job)
        settle(job);
    else if (!g_error_matches(error, HV_ERROR, HV_ERROR_CANCELLED))
        g_warning("the locks of domain '%s' were not looked at: %s", task->name, error->message);
    g_clear_pointer(&job, hv_job_end);
    task_free(task);
}

static void
settle_later(HvHost *host, const guint8 uuid[16], const char *name)
{
    HvLocks *locks = host->locks;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&locks->lock);
    Task *task;

    if (!locks->crew)
        return;
    task = g_new0(Task, 1);
    task->host = hv_host_ref(host);
    memcpy(task->uuid, uuid, sizeof(task->uuid));
    task->name = g_strdup(name);
    hv_crew_push(locks->crew, task);
}

/* Those of domains that are no more. */
static void
push_orphans(HvHost *host, const GPtrArray *uuids)
{
    for (guint i = 0; i < uuids->len; i++) {
        g_autoptr(HvDomain) domain = NULL;
        guint8 uuid[16];

        if (!conf_uuid_parse(uuids->pdata[i], uuid))
            continue;
        domain = hv_registry_find(host, uuid);
        if (!domain)
            settle_later(host, uuid, uuids->pdata[i]);
    }
}

gboolean
hv_locks_settle(HvHost *host, GError **error)
{
    HvLocks *locks = host->locks;
    g_autoptr(GPtrArray) uuids = hv_lock_records(host->store);
    g_autoptr(GPtrArray) all = NULL;

    if (!locks->manager && uuids->len == 0)
        return TRUE;
    g_mutex_lock(&locks->lock);
    locks->crew = hv_crew_new("hv-locks", MAX_THREADS, do_task, NULL, error);
    g_mutex_unlock(&locks->lock);
    if (!locks->crew)
        return FALSE;
    all = hv_host_list(host);
    for (guint i = 0; i < all->len; i++) {
        HvDomain *domain = all->pdata[i];
        g_autoptr(HvView) now = hv_domain_view(domain);

        if (hv_lock_record_exists(host->store, domain->uuid) || (locks->manager && now->domid > 0))
            settle_later(host, domain->uuid, domain->name);
    }
    push_orphans(host, uuids);
    return TRUE;
}

void
hv_locks_cancel(HvHost *host)
{
    g_cancellable_cancel(host->locks->stop);
}

void
hv_locks_stop(HvHost *host, gboolean wait)
{
    HvLocks *locks = host->locks;
    HvCrew *crew;

    g_mutex_lock(&locks->lock);
    crew = g_steal_pointer(&locks->crew);
    g_mutex_unlock(&locks->lock);
    hv_crew_free(crew, wait);
}
