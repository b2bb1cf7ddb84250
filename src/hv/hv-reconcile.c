/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon comes back: what the store says, what the hypervisor says, and what follows.
 *
 * The hypervisor is right about what runs, the store about what a domain is.
 */
#include "hv-private.h"

/* ---- definitions ---- */

static void
add_definition(ConfDomain *taken, gpointer data)
{
    HvHost *host = data;
    g_autoptr(ConfDomain) def = taken;
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvView) now = NULL;
    g_autoptr(GError) error = NULL;
    HvView *next;

    if (hv_def_prepare(def, &error))
        domain = hv_registry_reserve(host, def, &error);
    if (!domain) {
        hv_store_leave_out(host->store, def->name, error);
        return;
    }
    now = hv_domain_view(domain);
    next = hv_view_copy(now);
    conf_domain_unref(next->persistent);
    next->persistent = g_steal_pointer(&def);
    hv_view_look_at_store(next, host->store);
    next->snapshots = hv_snapshots_load(host->store, next->name, next->uuid);
    hv_registry_show(domain, next);
}

/* ---- running domains that have a state file ---- */

static gboolean
was_kept(const HvStatus *status)
{
    return status->state == HV_STATE_SHUTDOWN || status->state == HV_STATE_CRASHED ||
           status->state == HV_STATE_PMSUSPENDED;
}

/* What the guest has come to since the state file was written. */
static void
publish_seen(HvDomain *domain, const HvStatus *status, const HvEngineDomain *seen)
{
    HvState state = seen->paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
    HvReason reason = status->state == state ? status->reason : HV_REASON_UNKNOWN;
    g_autoptr(HvView) now = NULL;
    HvView *next;

    hv_domain_found(domain, conf_domain_ref(status->live), seen, reason, status->started_us);
    if (!seen->shutdown || !was_kept(status))
        return;
    now = hv_domain_view(domain);
    next = hv_view_copy(now);
    next->state = status->state;
    next->reason = status->reason;
    hv_domain_publish(domain, next);
}

static void
warn_suspended(const HvDomain *domain, const GError *cause)
{
    g_warning("domain '%s' is still suspended by a save that was cut off: %s", domain->name,
              cause->message);
}

/* The image got its name, so it is complete, and its guest goes. */
static gpointer
end_saved(gpointer data)
{
    g_autoptr(HvJob) job = data;
    HvHost *host = job->domain->host;
    g_autoptr(HvView) now = hv_domain_view(job->domain);
    g_autoptr(GError) error = NULL;

    if (host->ops->destroy(host->engine, now->domid, &error))
        hv_domain_ended(job, HV_REASON_SHUTOFF_SAVED, HV_DETAIL_STOPPED_SAVED);
    else
        warn_suspended(job->domain, error);
    return NULL;
}

/* The daemon was killed in the middle of a save: its guest is suspended. */
static void
finish_save(HvDomain *domain, const HvView *now)
{
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;

    if (now->managed_save) {
        HvJob *job = hv_job_begin(domain, HV_JOB_SAVE, &error);

        /* Scripts take as long as they like. */
        if (job && hv_hook_exists(host))
            hv_job_in_background(job, "hv-saved", end_saved);
        else if (job)
            end_saved(job);
        if (job)
            return;
    } else if (!host->ops->resume_saved) {
        hv_set_unsupported(&error, host, "resuming a domain whose save was cut off");
    } else if (host->ops->resume_saved(host->engine, now->domid, &error)) {
        g_message("domain '%s' runs again, its save had been cut off", domain->name);
        return;
    }
    warn_suspended(domain, error);
}

/* The guest ended before anybody listened: as if it happened now. */
static void
tell_shutdown(HvHost *host, const HvEngineDomain *seen)
{
    HvEngineEvent event = {
        .kind = HV_ENGINE_EVENT_SHUTDOWN,
        .domid = seen->domid,
        .code = seen->shutdown_code,
        .foreign = seen->foreign,
    };

    memcpy(event.uuid, seen->uuid, sizeof(event.uuid));
    hv_guests_engine_event(&event, host->guests);
}

/* Its guest runs or has run, so its image is older than its disks. */
static void
put_image_aside(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, &error);

    if (!job || !hv_managed_put_aside(job, &error))
        g_warning("%s", error->message);
}

/* NULL: left alone. */
static HvDomain *
take_up(HvHost *host, const HvStatus *status, const HvEngineDomain *seen)
{
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvView) now = NULL;
    g_autoptr(GError) error = NULL;

    domain = hv_registry_reserve(host, status->live, &error);
    if (!domain) {
        g_warning("domain id %d ('%s') runs but is left alone: %s", seen->domid, status->live->name,
                  error->message);
        return NULL;
    }
    publish_seen(domain, status, seen);
    now = hv_domain_view(domain);
    if (seen->shutdown && seen->shutdown_code == 2 && !was_kept(status)) {
        finish_save(domain, now);
        return g_steal_pointer(&domain);
    }
    put_image_aside(domain);
    if (seen->shutdown && !was_kept(status))
        tell_shutdown(host, seen);
    return g_steal_pointer(&domain);
}

/* ---- running domains without one ---- */

/* A definition for it: the engine's own words, or those of the store. NULL: there is none. */
static ConfDomain *
describe(HvHost *host, const HvEngineDomain *seen, GError **error)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, seen->uuid);
    g_autoptr(HvView) now = domain ? hv_domain_view(domain) : NULL;

    if (host->ops->adopt) {
        ConfDomain *def = host->ops->adopt(host->engine, seen->domid, error);

        if (def) {
            memcpy(def->uuid, seen->uuid, sizeof(def->uuid));
            def->uuid_set = true;
        }
        return def;
    }
    if (now && now->persistent)
        return conf_domain_copy(now->persistent);
    hv_set_unsupported(error, host, "taking in a domain that somebody else started");
    return NULL;
}

void
hv_reconcile_adopt(HvHost *host, const HvEngineDomain *seen)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) live = describe(host, seen, &error);
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    HvDomain *domain;

    if (live && hv_def_prepare(live, &error))
        job = hv_registry_begin(host, live, HV_JOB_START, &error);
    if (!job) {
        g_warning("domain id %d runs but is left alone: %s", seen->domid, error->message);
        return;
    }
    domain = job->domain;
    now = hv_domain_view(domain);
    /* A start of ours was faster, or the same news came twice. */
    if (hv_view_is_active(now))
        return;
    hv_pool_find_again(host, live);
    hv_store_log(host->store, domain->name, "found running, domain id %d", seen->domid);
    hv_domain_found(domain, g_steal_pointer(&live), seen,
                    seen->paused ? HV_REASON_PAUSED_USER : HV_REASON_RUNNING_BOOTED, 0);
    hv_event_post(domain, HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, seen->domid);
    /* At the start of the host all are looked at together: hv_locks_settle(). */
    if (g_atomic_int_get(&host->started))
        hv_locks_keep(domain);
    if (!hv_managed_put_aside(job, &error))
        g_warning("%s", error->message);
    if (seen->shutdown)
        tell_shutdown(host, seen);
}

/* ---- hook scripts ---- */

/* A script may hang, and each of these waits for one. */
#define SCRIPT_WORKERS 64

/* What the scripts are to hear of a domain. */
typedef struct Tale {
    HvDomain *domain;
    HvJob *job;       /* held for it already, where it is gone; else NULL */
    ConfDomain *gone; /* what it was; NULL: it runs */
} Tale;

static void
tale_free(Tale *tale)
{
    hv_job_end(tale->job);
    conf_domain_unref(tale->gone);
    hv_domain_unref(tale->domain);
    g_free(tale);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tale, tale_free)

/* Job held. As the stock driver: what its scripts do not want ends. */
static void
end_unwanted(HvJob *job, const HvView *now, const GError *cause)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;

    g_warning("domain '%s' is ended, a hook script does not want it: %s", domain->name,
              cause->message);
    hv_store_log(host->store, domain->name, "ended, a hook script does not want it: %s",
                 cause->message);
    if (host->ops->destroy(host->engine, now->domid, &error))
        hv_domain_ended(job, HV_REASON_SHUTOFF_FAILED, HV_DETAIL_STOPPED_FAILED);
    else
        g_warning("domain '%s' could not be ended: %s", domain->name, error->message);
}

/* It waits until the job is to be had: whatever holds it has been going on since before. */
static HvJob *
begin_reconnect(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;
    HvJob *job;

    do {
        g_clear_error(&error);
        job = hv_job_begin(domain, HV_JOB_RECONNECT, &error);
    } while (g_error_matches(error, HV_ERROR, HV_ERROR_TIMEOUT));
    return job;
}

static void
tell_reconnect(HvDomain *domain)
{
    g_autoptr(HvJob) job = begin_reconnect(domain);
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GError) error = NULL;

    if (!job || (now->state != HV_STATE_RUNNING && now->state != HV_STATE_PAUSED))
        return;
    if (hv_hook_ask(job, HV_HOOK_RECONNECT, now->live, &error))
        return;
    if (g_error_matches(error, HV_ERROR, HV_ERROR_HOOK))
        end_unwanted(job, now, error);
    else if (!g_error_matches(error, HV_ERROR, HV_ERROR_CANCELLED))
        g_warning("hook script: %s", error->message);
}

/* Its state file goes last: where we are killed before, the next daemon tells it again. */
static void
tell_gone(HvJob *job, const ConfDomain *was)
{
    HvDomain *domain = job->domain;

    if (g_atomic_int_get(&domain->host->stopping))
        return;
    hv_hook_tell(job, HV_HOOK_STOPPED, was);
    hv_hook_tell(job, HV_HOOK_RELEASE, was);
    hv_store_remove_status(domain->host->store, domain->name);
    if (!hv_domain_is_visible(domain))
        hv_registry_remove(domain);
}

static void
tell(gpointer data, gpointer user_data)
{
    g_autoptr(Tale) tale = data;

    if (tale->gone)
        tell_gone(tale->job, tale->gone);
    else
        tell_reconnect(tale->domain);
}

static void
push(HvHost *host, HvDomain *domain, HvJob *job, const ConfDomain *gone)
{
    Tale *tale = g_new0(Tale, 1);

    tale->domain = hv_domain_ref(domain);
    tale->job = job;
    tale->gone = gone ? conf_domain_ref((ConfDomain *)gone) : NULL;
    hv_crew_push(host->scripts, tale);
}

/* TRUE: the scripts hear of it, with the job held, and its state file goes after that. */
static gboolean
push_gone(HvHost *host, const ConfDomain *was)
{
    g_autoptr(GError) error = NULL;
    HvJob *job;

    if (!host->scripts)
        return FALSE;
    job = hv_registry_begin(host, was, HV_JOB_RECONNECT, &error);
    if (job)
        push(host, job->domain, job, was);
    else
        g_warning("the hook scripts are not told that domain '%s' is gone: %s", was->name,
                  error->message);
    return job != NULL;
}

/* Those whose start the scripts heard of, by us or by the daemon before. */
static void
push_running(HvHost *host, GPtrArray *domains)
{
    for (guint i = 0; host->scripts && i < domains->len; i++)
        push(host, domains->pdata[i], NULL, NULL);
}

/* ---- both together ---- */

static gpointer
go_on_rebooting(gpointer data)
{
    g_autoptr(HvJob) job = data;

    hv_domain_boot_again(job, TRUE);
    return NULL;
}

/* The daemon went in the middle of its guest's reboot. TRUE: it is on its way again, which may take
 * as long as a start takes. */
static gboolean
reboot_on(HvHost *host, const HvStatus *status)
{
    g_autoptr(ConfDomain) def = hv_def_inactive(status->live, NULL);
    g_autoptr(GError) error = NULL;
    HvJob *job = def ? hv_registry_begin(host, def, HV_JOB_START, &error) : NULL;

    if (!job) {
        g_warning("the reboot of domain '%s' was cut off and cannot go on: %s", status->live->name,
                  error ? error->message : "its state file is of no use");
        return FALSE;
    }
    hv_store_log(host->store, def->name, "its reboot was cut off and goes on");
    hv_domain_expect(job, status->live);
    hv_job_in_background(job, "hv-reboot", go_on_rebooting);
    return TRUE;
}

/* It was running when the daemon went and is no more. */
static void
note_gone(HvHost *host, const HvStatus *status)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, status->live->uuid);
    g_autoptr(HvView) now = domain ? hv_domain_view(domain) : NULL;

    if (!push_gone(host, status->live))
        hv_store_remove_status(host->store, status->live->name);
    hv_store_log(host->store, status->live->name, "gone while the daemon was not running");
    if (!now) {
        g_autoptr(HvSnapshots)
            all = hv_snapshots_load(host->store, status->live->name, status->live->uuid);

        hv_snapshots_forget(host->store, status->live->name, all);
    } else {
        HvView *next = hv_view_copy(now);

        next->reason = HV_REASON_SHUTOFF_DAEMON;
        hv_domain_publish(domain, next);
    }
}

/* Takes each running domain's status out of `statuses`; those that are left are gone. */
static void
take_up_all(HvHost *host, GArray *all, GHashTable *statuses, GPtrArray *ret_known)
{
    for (guint i = 0; i < all->len; i++) {
        const HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);
        const HvStatus *status = g_hash_table_lookup(statuses, seen->uuid);

        if (seen->dying)
            continue;
        /* A state file may be of a former life of the domain. */
        if (status && status->live->id == seen->domid) {
            HvDomain *domain = take_up(host, status, seen);

            if (domain)
                g_ptr_array_add(ret_known, domain);
        } else {
            hv_reconcile_adopt(host, seen);
        }
        g_hash_table_remove(statuses, seen->uuid);
    }
}

/* Those of transient domains, and what was being done to any. */
static void
take_up_snapshots(HvHost *host)
{
    g_autoptr(GPtrArray) domains = hv_host_list(host);

    for (guint i = 0; i < domains->len; i++) {
        HvDomain *domain = domains->pdata[i];
        g_autoptr(HvView) now = hv_domain_view(domain);
        HvSnapshots *all = now->persistent
                               ? NULL
                               : hv_snapshots_load(host->store, domain->name, domain->uuid);

        if (all)
            hv_domain_set_snapshots(domain, all);
        hv_snapshot_settle(domain);
    }
}

gboolean
hv_reconcile(HvHost *host, GError **error)
{
    g_autoptr(GPtrArray) statuses = NULL;
    g_autoptr(GHashTable) by_uuid = g_hash_table_new(hv_uuid_hash, hv_uuid_equal);
    g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);
    g_autoptr(GArray) all = NULL;
    GHashTableIter iter;
    gpointer status;

    hv_store_sweep(host->store);
    if (hv_hook_exists(host)) {
        host->scripts = hv_crew_new("hv-scripts", SCRIPT_WORKERS, tell, NULL, error);
        if (!host->scripts)
            return FALSE;
    }
    if (!hv_store_load_definitions(host->store, add_definition, host, error))
        return FALSE;
    statuses = hv_store_load_statuses(host->store, error);
    if (!statuses)
        return FALSE;
    all = host->ops->list(host->engine, error);
    if (!all)
        return FALSE;
    for (guint i = 0; i < statuses->len; i++) {
        HvStatus *each = g_ptr_array_index(statuses, i);

        g_hash_table_insert(by_uuid, each->live->uuid, each);
    }
    take_up_all(host, all, by_uuid, known);
    g_hash_table_iter_init(&iter, by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &status)) {
        if (!((HvStatus *)status)->again || !reboot_on(host, status))
            note_gone(host, status);
    }
    take_up_snapshots(host);
    push_running(host, known);
    return TRUE;
}

/* ---- autostart ---- */

/* Before the start and not after it: a mark that outlived a start would start the domain at two
 * boots. */
static void
use_up_mark(HvDomain *domain)
{
    g_autoptr(GError) error = NULL;

    if (!hv_domain_set_autostart_once(domain, FALSE, &error) &&
        !g_error_matches(error, HV_ERROR, HV_ERROR_CANCELLED))
        g_warning("domain '%s' was to be started at this boot only, and may be at the next: %s",
                  domain->name, error->message);
}

static void
autostart(gpointer data, gpointer user_data)
{
    g_autoptr(HvDomain) domain = data;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GError) error = NULL;

    if (now->autostart_once)
        use_up_mark(domain);
    if (hv_view_is_active(now) || hv_domain_start(domain, 0, &error))
        return;
    if (!g_error_matches(error, HV_ERROR, HV_ERROR_CANCELLED))
        g_warning("autostart of domain '%s' failed: %s", domain->name, error->message);
}

static int
compare_domains(gconstpointer a, gconstpointer b)
{
    return strcmp((*(HvDomain *const *)a)->name, (*(HvDomain *const *)b)->name);
}

gboolean
hv_autostart_begin(HvHost *host, GError **error)
{
    g_autoptr(GPtrArray) all = NULL;

    if (host->no_autostart)
        return TRUE;
    host->autostart = hv_crew_new("hv-autostart", (guint)host->autostart_workers, autostart, NULL,
                                  error);
    if (!host->autostart)
        return FALSE;
    if (!hv_store_claim_autostart(host->store)) {
        hv_crew_free(g_steal_pointer(&host->autostart), FALSE);
        return TRUE;
    }
    all = hv_host_list(host);
    g_ptr_array_sort(all, compare_domains);
    for (guint i = 0; i < all->len; i++) {
        HvDomain *domain = g_ptr_array_index(all, i);
        g_autoptr(HvView) now = hv_domain_view(domain);

        if (now->persistent && (now->autostart_once || (now->autostart && !hv_view_is_active(now))))
            hv_crew_push(host->autostart, hv_domain_ref(domain));
    }
    return TRUE;
}
