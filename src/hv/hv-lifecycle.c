/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start, stop and what lies between. */
#include "hv-private.h"

#include <errno.h>
#include <glib/gstdio.h>

/* ---- the state machine ---- */

#define NO     HV_VERDICT_REFUSE
#define YES    HV_VERDICT_ALLOW
#define SO_YET HV_VERDICT_NOTHING

/* Rows: the state a domain is in. Columns: what is asked. A refusal's words depend on whether the
 * domain is active. As the stock Xen driver: to pause a paused domain, or resume a running one, is
 * no error. */
static const HvVerdict verdicts[HV_N_STATES][HV_N_OPS] = {
    /*     START DESTROY SHUTDOWN REBOOT SUSPEND RESUME SAVE TUNE RESET DUMP PM_SUSPEND PM_WAKEUP
     *     SNAPSHOT */
    [HV_STATE_SHUTOFF] = { YES, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, YES },
    [HV_STATE_RUNNING] = { NO, YES, YES, YES, YES, SO_YET, YES, YES, YES, YES, YES, NO, YES },
    [HV_STATE_BLOCKED] = { NO, YES, YES, YES, YES, SO_YET, YES, YES, YES, YES, YES, NO, YES },
    [HV_STATE_PAUSED] = { NO, YES, YES, YES, SO_YET, YES, YES, YES, YES, YES, NO, NO, YES },
    [HV_STATE_SHUTDOWN] = { NO, YES, NO, NO, NO, NO, NO, NO, YES, YES, NO, NO, NO },
    [HV_STATE_CRASHED] = { NO, YES, NO, NO, NO, NO, NO, NO, YES, YES, NO, NO, NO },
    [HV_STATE_PMSUSPENDED] = { NO, YES, NO, NO, NO, NO, NO, YES, YES, YES, NO, YES, NO },
};

#undef NO
#undef YES
#undef SO_YET

/* Why a state refuses everything but destroy. NULL: by the operation. */
static const char *const refusals[HV_N_STATES] = {
    [HV_STATE_SHUTOFF] = "domain is not running",
    [HV_STATE_SHUTDOWN] = "domain is shut down and only waits to be destroyed",
    [HV_STATE_CRASHED] = "domain is crashed and kept for inspection; destroy it first",
    [HV_STATE_PMSUSPENDED] = "domain is pmsuspended",
};

HvVerdict
hv_lifecycle_check(const HvView *view, HvOp op, GError **error)
{
    HvVerdict verdict = verdicts[view->state][op];

    if (op != HV_OP_TUNE && !hv_control_domain_spare(view, error))
        return HV_VERDICT_REFUSE;
    if (verdict == HV_VERDICT_REFUSE) {
        const char *reason = refusals[view->state];

        if (op == HV_OP_START)
            reason = "domain is already running";
        else if (op == HV_OP_PM_WAKEUP && hv_view_is_active(view))
            reason = "domain is not suspended";
        else if (op == HV_OP_PM_SUSPEND && view->state == HV_STATE_PAUSED)
            reason = "domain is paused";
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, reason);
    }
    return verdict;
}

/* ---- publishing ---- */

/* Writes the state file; a failure is no reason to fail what has happened in the engine. */
static void
write_status(HvDomain *domain, const HvView *view)
{
    g_autoptr(GError) error = NULL;

    if (!hv_store_write_status(domain->host->store, view, &error))
        g_warning("domain '%s' runs, but a restarted daemon may not know it: %s", domain->name,
                  error->message);
}

void
hv_domain_set_state(HvJob *job, HvState state, HvReason reason)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    next->state = state;
    next->reason = reason;
    write_status(domain, next);
    hv_domain_publish(domain, next);
}

/* The guest is no more, which its scripts are to hear; for everybody else it is going down. */
static void
tell_stopped(HvJob *job, const HvView *now, const ConfDomain *def)
{
    HvDomain *domain = job->domain;

    if (!hv_hook_exists(domain->host))
        return;
    if (hv_view_is_active(now) && now->state != HV_STATE_CRASHED) {
        HvView *next = hv_view_copy(now);

        next->state = HV_STATE_SHUTDOWN;
        next->reason = HV_REASON_SHUTDOWN_USER;
        hv_domain_publish(domain, next);
    }
    hv_hook_tell(job, HV_HOOK_STOPPED, def);
}

void
hv_domain_ended(HvJob *job, HvReason reason, HvEventDetail detail)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);
    gboolean transient = !now->persistent;
    /* Else it was told when the guest ended, or when the next one failed to start. */
    gboolean tell = hv_view_is_active(now) && now->live;
    const HvLastEvent last = { .kind = HV_EVENT_STOPPED, .detail = detail, .domid = now->domid };

    if (tell)
        tell_stopped(job, now, now->live);

    /* The last view of a domain that vanishes still has a definition to look at. */
    if (transient)
        next->persistent = conf_domain_ref(now->live);
    g_clear_pointer(&next->live, conf_domain_unref);
    next->domid = -1;
    next->state = HV_STATE_SHUTOFF;
    next->reason = reason;
    next->updated = FALSE;
    next->started_us = 0;

    hv_store_log(domain->host->store, domain->name, "shutting down, domain id %d", now->domid);
    hv_domain_forget_consoles(domain);
    hv_locks_end(domain);
    /* Between two boots there is none, and the one that failed has given back what it had. */
    if (now->live)
        hv_pci_give_back(domain->host, now->live);
    if (tell)
        hv_hook_tell(job, HV_HOOK_RELEASE, now->live);
    /* After the scripts: where a daemon is killed before, the next one tells them. */
    hv_store_remove_status(domain->host->store, domain->name);
    if (transient) {
        hv_snapshots_forget(domain->host->store, domain->name, now->snapshots);
        g_clear_pointer(&next->snapshots, hv_snapshots_unref);
    }
    hv_domain_publish(domain, next);
    if (transient)
        hv_registry_remove_telling(domain, detail == HV_DETAIL_NONE ? NULL : &last);
    else if (detail != HV_DETAIL_NONE)
        hv_event_post(domain, last.kind, last.detail, last.domid);
}

void
hv_domain_found(HvDomain *domain, ConfDomain *live, const HvEngineDomain *seen, HvReason reason,
                gint64 started_us)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    conf_domain_unref(next->live);
    next->live = live;
    live->id = seen->domid;
    conf_domain_assign_aliases(live);
    next->domid = seen->domid;
    next->state = seen->paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
    next->reason = reason;
    next->started_us = started_us ? started_us : g_get_real_time();
    write_status(domain, next);
    hv_registry_show(domain, next);
}

/* ---- start ---- */

static void
publish_start(HvDomain *domain, const HvBoot *boot, int domid, ConfDomain *live)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    conf_domain_unref(next->live);
    next->live = live;
    conf_domain_assign_aliases(live);
    next->domid = domid;
    next->state = boot->paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
    next->reason = boot->reason;
    if (boot->paused)
        next->reason = boot->paused_reason ? boot->paused_reason : HV_REASON_PAUSED_USER;
    next->updated = FALSE;
    next->managed_save = FALSE;
    next->started_us = g_get_real_time();
    write_status(domain, next);
    hv_registry_show(domain, next);
}

/* "shut off (failed)" in place of what made it shut off before. */
static void
publish_start_failure(HvDomain *domain)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next;

    /* What was to be created only now is not visible, and is removed by its creator. */
    if (!now->persistent || now->state != HV_STATE_SHUTOFF)
        return;
    next = hv_view_copy(now);
    next->reason = HV_REASON_SHUTOFF_FAILED;
    hv_domain_publish(domain, next);
}

/* `cause` may be NULL when the job was cancelled before the engine was asked. */
static void
set_start_failure(HvJob *job, const GError *cause, GError **error)
{
    HvDomain *domain = job->domain;

    hv_store_log(domain->host->store, domain->name, "failed to start: %s",
                 cause ? cause->message : "cancelled");
    if (hv_job_is_cancelled(job)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "start of domain '%s' was cancelled",
                    domain->name);
        return;
    }
    publish_start_failure(domain);
    g_propagate_error(error, g_error_copy(cause));
}

static HvEventDetail
paused_detail(const HvBoot *boot)
{
    if (boot->paused_detail)
        return boot->paused_detail;
    return boot->restore_fd >= 0 ? HV_DETAIL_SUSPENDED_RESTORED : HV_DETAIL_SUSPENDED_PAUSED;
}

static void
tell_of_missing(HvDomain *domain, const HvMissing *missing, int domid)
{
    hv_store_log(domain->host->store, domain->name, "started without %s '%s', which is missing",
                 missing->dropped ? "the disk" : "the medium", missing->path);
    hv_event_post_missing(domain, missing, domid);
}

static gboolean
before_run(gpointer data, GError **error)
{
    return hv_managed_give_up(data, error);
}

/* The start failed. Where nobody knows what became of its guest it may still write. */
static void
give_locks_back(HvJob *job, const GError *cause)
{
    HvHost *host = job->domain->host;
    g_autoptr(GArray) all = NULL;

    if (g_error_matches(cause, HV_ERROR, HV_ERROR_TIMEOUT)) {
        all = host->ops->list(host->engine, NULL);
        for (guint i = 0; all && i < all->len; i++)
            if (hv_uuid_equal(g_array_index(all, HvEngineDomain, i).uuid, job->domain->uuid))
                return;
        if (!all)
            return;
    }
    hv_locks_end(job->domain);
}

/* A guest on its way from a definition to a domain id. */
typedef struct Booting {
    HvJob *job;
    const HvBoot *boot;
    HvManagedUse image;
    gboolean prepared;  /* as the scripts have it: else nobody tells them of an end */
    gboolean locked;    /* its disks and leases */
    GPtrArray *missing; /* HvMissing */
    ConfDomain *def;    /* what it starts with; NULL: not that far */
    ConfDomain *live;   /* the view's */
    int domid;
} Booting;

static void
booting_clear(Booting *booting)
{
    g_clear_pointer(&booting->missing, g_ptr_array_unref);
    conf_domain_unref(booting->def);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Booting, booting_clear)

/* What the host lends to a guest; scripts may make what is looked for here. */
static gboolean
gather(Booting *booting, GError **error)
{
    HvJob *job = booting->job;
    const HvBoot *boot = booting->boot;

    booting->prepared = hv_hook_ask(job, HV_HOOK_PREPARE, boot->def, error);
    if (!booting->prepared)
        return FALSE;
    booting->def = hv_def_startup(job->domain->host, boot->def, boot->restore_fd >= 0,
                                  job->cancellable, &booting->missing, error);
    booting->locked = booting->def && !hv_job_is_cancelled(job) &&
                      hv_locks_start(job, booting->def, error);
    return booting->locked && !hv_job_is_cancelled(job) &&
           hv_hook_ask(job, HV_HOOK_START, booting->def, error);
}

static gboolean
start_in_engine(Booting *booting, GError **error)
{
    HvJob *job = booting->job;
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autofree char *log = hv_store_log_path(host->store, domain->name);
    const HvEngineStart start = {
        .def = booting->def,
        .paused = booting->boot->paused,
        .restore_fd = booting->boot->restore_fd,
        .cancellable = job->cancellable,
        .log_path = log,
        .before_run = before_run,
        .before_run_data = &booting->image,
    };

    return host->ops->start(host->engine, &start, &booting->domid, &booting->live, error);
}

/* A start has failed. `cause`: NULL where its guest is known to have ended. */
static void
give_back(const Booting *booting, const GError *cause)
{
    HvJob *job = booting->job;
    const ConfDomain *def = booting->def ? booting->def : booting->boot->def;

    if (!booting->prepared)
        return;
    hv_hook_tell(job, HV_HOOK_STOPPED, def);
    if (booting->locked)
        give_locks_back(job, cause);
    if (booting->def)
        hv_pci_give_back(job->domain->host, def);
    hv_hook_tell(job, HV_HOOK_RELEASE, def);
}

/* A transient domain keeps its live definition: it is all that there is to look at. */
static void
publish_gone(HvDomain *domain, HvReason reason)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    if (now->persistent)
        g_clear_pointer(&next->live, conf_domain_unref);
    next->domid = -1;
    next->state = HV_STATE_SHUTOFF;
    next->reason = reason;
    hv_domain_forget_consoles(domain);
    hv_domain_publish(domain, next);
}

/* The guest runs, and a script does not want it. TRUE: it runs on. */
static gboolean
overrule(const Booting *booting, const GError *cause)
{
    HvDomain *domain = booting->job->domain;
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;

    /* The script was ended with the daemon, which is no reason to end a guest. */
    if (g_atomic_int_get(&host->stopping))
        return TRUE;
    if (!host->ops->destroy(host->engine, booting->domid, &error)) {
        g_warning("domain '%s' could not be ended, so it runs, although a hook script does not "
                  "want it (%s): %s",
                  domain->name, cause->message, error->message);
        return TRUE;
    }
    give_back(booting, NULL);
    hv_managed_done(&booting->image, FALSE);
    hv_store_remove_status(host->store, domain->name);
    publish_gone(domain, HV_REASON_SHUTOFF_FAILED);
    return FALSE;
}

static void
tell_started(const Booting *booting)
{
    HvDomain *domain = booting->job->domain;
    const HvBoot *boot = booting->boot;

    for (guint i = 0; i < booting->missing->len; i++)
        tell_of_missing(domain, booting->missing->pdata[i], booting->domid);
    hv_event_post(domain, HV_EVENT_STARTED, boot->detail, booting->domid);
    if (boot->paused)
        hv_event_post(domain, HV_EVENT_SUSPENDED, paused_detail(boot), booting->domid);
}

gboolean
hv_domain_boot(HvJob *job, const HvBoot *boot, GError **error)
{
    HvDomain *domain = job->domain;
    HvStore *store = domain->host->store;
    g_autoptr(GError) local = NULL;
    g_auto(Booting) booting = { .job = job, .boot = boot, .image = { .job = job }, .domid = -1 };

    hv_store_log(store, domain->name, "%s",
                 boot->restore_fd >= 0 ? "restoring a saved domain" : "starting up");
    if (!gather(&booting, &local) || !start_in_engine(&booting, &local)) {
        hv_managed_take_back(&booting.image, local);
        give_back(&booting, local);
        set_start_failure(job, local, error);
        return FALSE;
    }
    hv_store_log(store, domain->name, "started, domain id %d%s", booting.domid,
                 boot->paused ? ", paused" : "");
    publish_start(domain, boot, booting.domid, booting.live);
    if (!hv_hook_ask(job, HV_HOOK_STARTED, booting.live, &local) && !overrule(&booting, local)) {
        set_start_failure(job, local, error);
        return FALSE;
    }
    hv_managed_done(&booting.image, boot->drops_image);
    tell_started(&booting);
    return TRUE;
}

void
hv_domain_publish_between(HvJob *job, HvReason reason, HvEventDetail detail)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_current(now);

    tell_stopped(job, now, def);
    hv_hook_tell(job, HV_HOOK_RELEASE, def);
    publish_gone(domain, reason);
    hv_event_post(domain, HV_EVENT_STOPPED, detail, now->domid);
}

/* `same`: the definition that ran. Else changes of the persistent one take effect, as with the
 * stock driver. */
static gboolean
boot_again(HvJob *job, const HvView *now, gboolean same, GError **error)
{
    g_autoptr(ConfDomain) def = now->persistent && !same ? conf_domain_ref(now->persistent)
                                                         : hv_def_inactive(now->live, error);

    return def && hv_domain_boot(job,
                                 &(HvBoot){ .def = def,
                                            .restore_fd = -1,
                                            .reason = HV_REASON_RUNNING_BOOTED,
                                            .detail = HV_DETAIL_STARTED_BOOTED },
                                 error);
}

static gboolean
go_on_again(HvJob *job, gboolean tell_reboot, gboolean same, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(HvView) then = NULL;

    hv_domain_publish_between(job, HV_REASON_SHUTOFF_SHUTDOWN, HV_DETAIL_STOPPED_SHUTDOWN);
    hv_job_become(job, HV_JOB_START);
    if (!boot_again(job, now, same, error)) {
        /* Cut off by our own end: the state file tells the next daemon to go on. */
        if (!hv_job_is_cancelled(job) || !g_atomic_int_get(&domain->host->stopping))
            hv_domain_ended(job, HV_REASON_SHUTOFF_FAILED, HV_DETAIL_NONE);
        return FALSE;
    }
    then = hv_domain_view(domain);
    if (tell_reboot)
        hv_event_post(domain, HV_EVENT_REBOOT, HV_DETAIL_NONE, then->domid);
    return TRUE;
}

void
hv_domain_boot_again(HvJob *job, gboolean tell_reboot)
{
    g_autoptr(GError) error = NULL;

    if (!go_on_again(job, tell_reboot, FALSE, &error))
        g_warning("domain '%s' could not be started again after its guest asked for it: %s",
                  job->domain->name, error->message);
}

/* ---- reset ---- */

/* The engine's own way. *ret_done says whether it has one for this guest. */
static gboolean
reset_in_place(HvJob *job, const HvView *now, gboolean *ret_done, GError **error)
{
    HvHost *host = job->domain->host;
    g_autoptr(GError) local = NULL;
    gboolean ok;

    /* One that has ended has nothing left that could be reset. */
    *ret_done = host->ops->reset && now->state != HV_STATE_CRASHED &&
                now->state != HV_STATE_SHUTDOWN;
    if (!*ret_done)
        return TRUE;
    hv_job_enter_hook(job);
    ok = host->ops->reset(host->engine, now->domid, now->live, &local);
    if (!hv_job_leave_hook(job, error))
        return FALSE;
    if (!ok && g_error_matches(local, HV_ERROR, HV_ERROR_UNSUPPORTED)) {
        *ret_done = FALSE;
        return TRUE;
    }
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        hv_event_post(job->domain, HV_EVENT_REBOOT, HV_DETAIL_NONE, now->domid);
    return ok;
}

gboolean
hv_domain_reset_running(HvJob *job, GError **error)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GError) local = NULL;
    gboolean done;

    hv_store_log(host->store, domain->name, "reset, domain id %d", now->domid);
    if (!reset_in_place(job, now, &done, error))
        return FALSE;
    if (done)
        return TRUE;
    if (!hv_store_write_rebooting(host->store, now, &local))
        g_warning("domain '%s' is reset, which a restarted daemon may not know: %s", domain->name,
                  local->message);
    if (!host->ops->destroy(host->engine, now->domid, error)) {
        write_status(domain, now);
        return FALSE;
    }
    return go_on_again(job, TRUE, TRUE, error);
}

gboolean
hv_domain_reset(HvDomain *domain, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_RESET, error);
    g_autoptr(HvView) now = NULL;

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    return hv_lifecycle_check(now, HV_OP_RESET, error) == HV_VERDICT_ALLOW &&
           hv_domain_reset_running(job, error);
}

/* Job held: boots from a saved image of ours, which is used up by that. */
static gboolean
start_from_image(HvJob *job, unsigned start_flags, GError **error)
{
    HvDomain *domain = job->domain;
    HvStore *store = domain->host->store;
    g_autofree char *path = hv_store_managed_save_path(store, domain->name);
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(ConfDomain) wanted = NULL;
    gboolean was_paused;
    gboolean ok;
    int fd = hv_save_open(path, &def, &was_paused, error);

    if (fd < 0)
        return FALSE;
    if (memcmp(def->uuid, domain->uuid, sizeof(domain->uuid)) != 0 ||
        !g_str_equal(def->name, domain->name)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "'%s' is the image of another domain ('%s'); remove it with managedsave-remove",
                    path, def->name);
        ok = FALSE;
    } else {
        wanted = hv_hook_filter(job, HV_HOOK_RESTORE, def, error);
        ok = wanted &&
             hv_domain_boot(job,
                            &(HvBoot){ .def = wanted,
                                       .restore_fd = fd,
                                       .paused = was_paused || (start_flags & HV_START_PAUSED),
                                       .reason = HV_REASON_RUNNING_RESTORED,
                                       .detail = HV_DETAIL_STARTED_RESTORED,
                                       .drops_image = TRUE },
                            error);
    }
    g_close(fd, NULL);
    return ok;
}

static gboolean
start_defined(HvJob *job, const HvView *now, unsigned start_flags, GError **error)
{
    gboolean force_boot = (start_flags & HV_START_FORCE_BOOT) != 0;

    if (now->managed_save && !force_boot)
        return start_from_image(job, start_flags, error);
    return hv_domain_boot(job,
                          &(HvBoot){ .def = now->persistent,
                                     .restore_fd = -1,
                                     .paused = (start_flags & HV_START_PAUSED) != 0,
                                     .reason = HV_REASON_RUNNING_BOOTED,
                                     .detail = HV_DETAIL_STARTED_BOOTED,
                                     .drops_image = force_boot },
                          error);
}

gboolean
hv_domain_start(HvDomain *domain, unsigned start_flags, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_START, error);
    g_autoptr(HvView) now = NULL;

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    return hv_lifecycle_check(now, HV_OP_START, error) == HV_VERDICT_ALLOW &&
           start_defined(job, now, start_flags, error);
}

gboolean
hv_domain_expect(HvJob *job, const ConfDomain *def)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = NULL;
    HvView *next;

    if (hv_domain_is_visible(domain))
        return FALSE;
    now = hv_domain_view(domain);
    next = hv_view_copy(now);
    next->live = conf_domain_copy(def);
    hv_registry_show(domain, next);
    return TRUE;
}

static gboolean
set_active(GError **error, const char *name)
{
    g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE, "domain '%s' is already active", name);
    return FALSE;
}

HvDomain *
hv_host_create(HvHost *host, ConfDomain *taken, unsigned start_flags, GError **error)
{
    g_autoptr(ConfDomain) given = taken;
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    gboolean is_new, ok;

    def = given->id >= 0 ? hv_def_inactive(given, error) : conf_domain_ref(given);
    if (!def || !hv_control_domain_spare_def(def, error) || !hv_def_prepare(def, error))
        return NULL;
    job = hv_registry_begin(host, def, HV_JOB_START, error);
    if (!job)
        return NULL;
    is_new = hv_domain_expect(job, def);
    now = hv_domain_view(job->domain);
    if (hv_view_is_active(now))
        ok = set_active(error, def->name);
    else
        ok = hv_domain_boot(job,
                            &(HvBoot){ .def = def,
                                       .restore_fd = -1,
                                       .paused = (start_flags & HV_START_PAUSED) != 0,
                                       .reason = HV_REASON_RUNNING_BOOTED,
                                       .detail = HV_DETAIL_STARTED_BOOTED },
                            error);
    if (!ok && is_new)
        hv_registry_remove(job->domain);
    return ok ? hv_domain_ref(job->domain) : NULL;
}

/* ---- destroy ---- */

gboolean
hv_domain_destroy(HvDomain *domain, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    g_autoptr(GError) local = NULL;
    HvJobInfo holder;
    gboolean broke = FALSE;

    /* Somebody may be starting it: then there is something to stop although it is not running. In
     * this order: a start that ends in between is seen. */
    hv_domain_job_info(domain, &holder);
    now = hv_domain_view(domain);
    if (!holder.active && hv_lifecycle_check(now, HV_OP_DESTROY, error) != HV_VERDICT_ALLOW)
        return FALSE;

    job = hv_job_begin_stop(domain, &broke, &local);
    if (!job) {
        /* A transient domain whose start was broken off is gone altogether: as was asked. */
        if (broke && g_error_matches(local, HV_ERROR, HV_ERROR_NO_DOMAIN))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    hv_view_unref(now);
    now = hv_domain_view(domain);
    if (broke && !hv_view_is_active(now))
        return TRUE;
    if (hv_lifecycle_check(now, HV_OP_DESTROY, error) != HV_VERDICT_ALLOW)
        return FALSE;
    if (!host->ops->destroy(host->engine, now->domid, error))
        return FALSE;
    hv_domain_ended(job, HV_REASON_SHUTOFF_DESTROYED, HV_DETAIL_STOPPED_DESTROYED);
    return TRUE;
}

/* ---- what the guest is asked to do, and pausing ---- */

/* One hook that acts on a running domain by its id and, where it asks the guest, by its mode. */
typedef gboolean (*IdHook)(HvEngine *engine, int domid, GError **error);
typedef gboolean (*AskHook)(HvEngine *engine, int domid, unsigned mode, GError **error);

static gboolean
ask(HvDomain *domain, HvJobKind kind, HvOp op, AskHook hook, const char *what, unsigned mode,
    GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    gboolean ok;

    if (!hook) {
        hv_set_unsupported(error, domain->host, what);
        return FALSE;
    }
    job = hv_job_begin(domain, kind, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (hv_lifecycle_check(now, op, error) != HV_VERDICT_ALLOW)
        return FALSE;
    hv_job_enter_hook(job);
    ok = hook(domain->host->engine, now->domid, mode, error);
    /* Whoever stopped the domain meanwhile did what was asked for, and more. */
    if (!hv_job_leave_hook(job, NULL)) {
        g_clear_error(error);
        return TRUE;
    }
    return ok;
}

gboolean
hv_domain_shutdown(HvDomain *domain, unsigned mode, GError **error)
{
    return ask(domain, HV_JOB_SHUTDOWN, HV_OP_SHUTDOWN, domain->host->ops->shutdown,
               "shutting a domain down", mode, error);
}

gboolean
hv_domain_reboot(HvDomain *domain, unsigned mode, GError **error)
{
    return ask(domain, HV_JOB_REBOOT, HV_OP_REBOOT, domain->host->ops->reboot, "rebooting a domain",
               mode, error);
}

typedef struct Switch {
    int domid; /* 0: whatever the domain has */
    HvJobKind kind;
    HvOp op;
    const char *what;
    HvState state;
    HvReason reason;
    HvEventKind event;
    HvEventDetail detail;
} Switch;

static gboolean
switch_state(HvDomain *domain, const Switch *to, IdHook hook, GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    HvVerdict verdict;
    gboolean ok;

    if (!hook) {
        hv_set_unsupported(error, domain->host, to->what);
        return FALSE;
    }
    job = hv_job_begin(domain, to->kind, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (to->domid != 0 && now->domid != to->domid)
        return TRUE;
    verdict = hv_lifecycle_check(now, to->op, error);
    if (verdict != HV_VERDICT_ALLOW)
        return verdict == HV_VERDICT_NOTHING;
    hv_job_enter_hook(job);
    ok = hook(domain->host->engine, now->domid, error);
    if (!hv_job_leave_hook(job, error) || !ok)
        return FALSE;
    hv_domain_set_state(job, to->state, to->reason);
    hv_event_post(domain, to->event, to->detail, now->domid);
    return TRUE;
}

gboolean
hv_domain_suspend(HvDomain *domain, GError **error)
{
    static const Switch to_paused = {
        .kind = HV_JOB_SUSPEND,
        .op = HV_OP_SUSPEND,
        .what = "pausing a domain",
        .state = HV_STATE_PAUSED,
        .reason = HV_REASON_PAUSED_USER,
        .event = HV_EVENT_SUSPENDED,
        .detail = HV_DETAIL_SUSPENDED_PAUSED,
    };

    return switch_state(domain, &to_paused, domain->host->ops->pause, error);
}

gboolean
hv_domain_suspend_failed(HvDomain *domain, int domid, GError **error)
{
    const Switch to_paused = {
        .domid = domid,
        .kind = HV_JOB_SUSPEND,
        .op = HV_OP_SUSPEND,
        .what = "pausing a domain",
        .state = HV_STATE_PAUSED,
        .reason = HV_REASON_PAUSED_IO_ERROR,
        .event = HV_EVENT_SUSPENDED,
        .detail = HV_DETAIL_SUSPENDED_IO_ERROR,
    };

    return switch_state(domain, &to_paused, domain->host->ops->pause, error);
}

gboolean
hv_domain_resume(HvDomain *domain, GError **error)
{
    static const Switch to_running = {
        .kind = HV_JOB_RESUME,
        .op = HV_OP_RESUME,
        .what = "resuming a domain",
        .state = HV_STATE_RUNNING,
        .reason = HV_REASON_RUNNING_UNPAUSED,
        .event = HV_EVENT_RESUMED,
        .detail = HV_DETAIL_RESUMED_UNPAUSED,
    };

    return switch_state(domain, &to_running, domain->host->ops->unpause, error);
}
