/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One job a domain. It, and not a lock, keeps a domain's state still while the engine blocks.
 *
 * Ending a domain has the right of way: a stop cancels the holder where the holder can be cancelled
 * (start, restore, save), takes the domain over where the holder is inside a hook that may hang (a
 * guest may let a device hang for ever; a dump is cancelled as well), and goes before everybody
 * else who waits.
 */
#include "hv-private.h"

static const struct {
    const char *name;
    gboolean cancellable;
} kinds[] = {
    [HV_JOB_DEFINE] = { "define", FALSE }, [HV_JOB_UNDEFINE] = { "undefine", FALSE },
    [HV_JOB_START] = { "start", TRUE },    [HV_JOB_RESTORE] = { "restore", TRUE },
    [HV_JOB_STOP] = { "stop", FALSE },     [HV_JOB_SHUTDOWN] = { "shutdown", FALSE },
    [HV_JOB_REBOOT] = { "reboot", FALSE }, [HV_JOB_SUSPEND] = { "suspend", FALSE },
    [HV_JOB_RESUME] = { "resume", FALSE }, [HV_JOB_SAVE] = { "save", TRUE },
    [HV_JOB_MODIFY] = { "modify", FALSE }, [HV_JOB_DUMP] = { "dump", TRUE },
    [HV_JOB_RESET] = { "reset", FALSE },   [HV_JOB_SNAPSHOT] = { "snapshot", TRUE },
    [HV_JOB_REVERT] = { "revert", TRUE },  [HV_JOB_RECONNECT] = { "reconnect", TRUE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(kinds) == HV_N_JOBS);

static HvJob *
take_locked(HvDomain *domain, HvJobKind kind)
{
    HvJob *job = g_new0(HvJob, 1);

    job->domain = hv_domain_ref(domain);
    job->kind = kind;
    job->since_us = g_get_monotonic_time();
    job->cancellable = kinds[kind].cancellable ? g_cancellable_new() : NULL;
    domain->job = job;
    return job;
}

static gboolean
may_go_on_locked(HvDomain *domain, GError **error)
{
    if (g_atomic_int_get(&domain->host->stopping)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "the daemon is shutting down");
        return FALSE;
    }
    if (domain->removed) {
        hv_domain_set_no_domain(error, domain);
        return FALSE;
    }
    return TRUE;
}

static void
set_timeout_locked(HvDomain *domain, GError **error)
{
    HvJob *job = domain->job;

    if (!job) {
        g_set_error(error, HV_ERROR, HV_ERROR_TIMEOUT,
                    "cannot acquire state change lock of domain '%s' (others wait to stop it)",
                    domain->name);
        return;
    }
    g_set_error(error, HV_ERROR, HV_ERROR_TIMEOUT,
                "cannot acquire state change lock (held by %s for %" G_GINT64_FORMAT " s)",
                kinds[job->kind].name,
                (g_get_monotonic_time() - job->since_us + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC);
}

static gint64
deadline_of(HvDomain *domain)
{
    return g_get_monotonic_time() + domain->host->job_timeout_ms * G_TIME_SPAN_MILLISECOND;
}

HvJob *
hv_job_begin(HvDomain *domain, HvJobKind kind, GError **error)
{
    gint64 deadline = deadline_of(domain);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

    if (kind == HV_JOB_STOP)
        return hv_job_begin_stop(domain, NULL, error);

    locker = g_mutex_locker_new(&domain->lock);
    while (may_go_on_locked(domain, error)) {
        if (!domain->job && domain->stop_waiters == 0)
            return take_locked(domain, kind);
        if (!g_cond_wait_until(&domain->changed, &domain->lock, deadline)) {
            set_timeout_locked(domain, error);
            return NULL;
        }
    }
    return NULL;
}

HvJob *
hv_job_begin_idle(HvDomain *domain, HvJobKind kind)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    if (!domain->job && domain->stop_waiters == 0 && may_go_on_locked(domain, NULL))
        return take_locked(domain, kind);
    domain->in_doubt = TRUE;
    return NULL;
}

/* Tells the holder to end, where it can be told. Opens the lock for a moment. */
static void
cancel_holder_locked(HvDomain *domain, gboolean *ret_broke)
{
    g_autoptr(GCancellable) cancellable = NULL;
    HvJob *job = domain->job;

    if (!job->cancellable || g_cancellable_is_cancelled(job->cancellable))
        return;
    if (ret_broke &&
        (job->kind == HV_JOB_START || job->kind == HV_JOB_RESTORE || job->kind == HV_JOB_REVERT))
        *ret_broke = TRUE;
    cancellable = g_object_ref(job->cancellable);
    /* Runs the engine's handlers, which may take locks of their own. */
    g_mutex_unlock(&domain->lock);
    g_cancellable_cancel(cancellable);
    g_mutex_lock(&domain->lock);
}

/* The hook's holder, if it is still that: what it wanted does not count any more. */
static void
overtake_locked(HvDomain *domain)
{
    HvJob *job = domain->job;

    cancel_holder_locked(domain, NULL);
    if (domain->job != job || !job->in_hook)
        return;
    job->overtaken = TRUE;
    domain->job = NULL;
}

/* News of a domain id that another has followed: whoever works on that one is not to be overtaken.
 */
static gboolean
is_former_locked(const HvDomain *domain, int ended_domid)
{
    return ended_domid >= 0 && domain->view->domid >= 0 && domain->view->domid != ended_domid;
}

/* A deadline of -1: none, and who is in no hook is not cancelled. `ended_domid`: -1, or what has
 * ended. */
static HvJob *
begin_stop_locked(HvDomain *domain, gint64 deadline, int ended_domid, gboolean *ret_broke,
                  GError **error)
{
    while (may_go_on_locked(domain, error) && !is_former_locked(domain, ended_domid)) {
        if (domain->job && domain->job->in_hook)
            overtake_locked(domain);
        if (!domain->job)
            return take_locked(domain, HV_JOB_STOP);
        if (deadline < 0) {
            g_cond_wait(&domain->changed, &domain->lock);
            continue;
        }
        cancel_holder_locked(domain, ret_broke);
        /* It may have ended or entered a hook while the lock was open. */
        if (!domain->job || domain->job->in_hook)
            continue;
        if (!g_cond_wait_until(&domain->changed, &domain->lock, deadline)) {
            set_timeout_locked(domain, error);
            return NULL;
        }
    }
    return NULL;
}

static HvJob *
begin_stop(HvDomain *domain, gint64 deadline, int ended_domid, gboolean *ret_broke, GError **error)
{
    HvJob *job;

    g_mutex_lock(&domain->lock);
    domain->stop_waiters++;
    job = begin_stop_locked(domain, deadline, ended_domid, ret_broke, error);
    domain->stop_waiters--;
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);
    return job;
}

HvJob *
hv_job_begin_stop(HvDomain *domain, gboolean *ret_broke, GError **error)
{
    return begin_stop(domain, deadline_of(domain), -1, ret_broke, error);
}

HvJob *
hv_job_begin_ended(HvDomain *domain, int domid)
{
    return begin_stop(domain, -1, domid, NULL, NULL);
}

void
hv_job_become(HvJob *job, HvJobKind kind)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&job->domain->lock);

    job->kind = kind;
    job->since_us = g_get_monotonic_time();
    job->done = job->total = 0;
    g_clear_object(&job->cancellable);
    job->cancellable = kinds[kind].cancellable ? g_cancellable_new() : NULL;
    /* A stop that waits already has something to cancel now. */
    g_cond_broadcast(&job->domain->changed);
}

GCancellable *
hv_job_swap_cancellable(HvJob *job, GCancellable *cancellable)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&job->domain->lock);
    GCancellable *before = job->cancellable;

    job->cancellable = cancellable;
    g_cond_broadcast(&job->domain->changed);
    return before;
}

void
hv_job_end(HvJob *job)
{
    HvDomain *domain;
    gboolean in_doubt = FALSE;

    if (!job)
        return;
    domain = job->domain;
    g_mutex_lock(&domain->lock);
    if (domain->job == job) {
        domain->job = NULL;
        in_doubt = domain->in_doubt;
        domain->in_doubt = FALSE;
        g_cond_broadcast(&domain->changed);
    }
    g_mutex_unlock(&domain->lock);
    if (in_doubt)
        hv_guests_look_again(domain);
    g_clear_object(&job->cancellable);
    g_free(job);
    hv_domain_unref(domain);
}

void
hv_job_enter_hook(HvJob *job)
{
    HvDomain *domain = job->domain;

    g_atomic_int_inc(&domain->host->in_engine);
    g_mutex_lock(&domain->lock);
    job->in_hook = TRUE;
    /* A stop that waits already need not wait for the hook. */
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);
}

gboolean
hv_job_leave_hook(HvJob *job, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&job->domain->lock);

    g_atomic_int_add(&job->domain->host->in_engine, -1);
    job->in_hook = FALSE;
    if (!job->overtaken)
        return TRUE;
    g_clear_error(error);
    g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "domain '%s' was stopped during %s",
                job->domain->name, kinds[job->kind].name);
    return FALSE;
}

void
hv_job_progress(guint64 done, guint64 total, gpointer data)
{
    HvJob *job = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&job->domain->lock);

    job->done = done;
    job->total = total;
}

gboolean
hv_job_is_cancelled(HvJob *job)
{
    return job->cancellable && g_cancellable_is_cancelled(job->cancellable);
}

gboolean
hv_job_is_overtaken(HvJob *job)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&job->domain->lock);

    return job->overtaken;
}

void
hv_job_in_background(HvJob *job, const char *name, GThreadFunc func)
{
    GThread *thread = g_thread_try_new(name, func, job, NULL);

    if (thread)
        g_thread_unref(thread);
    else
        func(job);
}

static HvJobInfo
job_info_locked(const HvJob *job)
{
    return (HvJobInfo){
        .kind = kinds[job->kind].name,
        .elapsed_ms = (guint64)(g_get_monotonic_time() - job->since_us) / 1000,
        .done = job->done,
        .total = job->total,
    };
}

void
hv_domain_job_info(HvDomain *domain, HvJobInfo *ret_info)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    *ret_info = (HvJobInfo){ .active = FALSE };
    if (!domain->job)
        return;
    *ret_info = job_info_locked(domain->job);
    ret_info->active = TRUE;
    ret_info->in_engine = domain->job->in_hook;
}

void
hv_job_completed(HvJob *job, gboolean ok, int domid)
{
    HvDomain *domain = job->domain;
    HvJobInfo info;

    g_mutex_lock(&domain->lock);
    info = job_info_locked(job);
    info.failed = !ok;
    domain->completed = info;
    g_mutex_unlock(&domain->lock);
    hv_event_post_job(domain, &info, domid);
}

gboolean
hv_domain_completed_job(HvDomain *domain, gboolean forget, HvJobInfo *ret_info)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    *ret_info = domain->completed;
    if (forget)
        domain->completed.kind = NULL;
    return ret_info->kind != NULL;
}

gboolean
hv_domain_job_abort(HvDomain *domain, GError **error)
{
    g_autoptr(GCancellable) cancellable = NULL;

    g_mutex_lock(&domain->lock);
    if (!domain->job) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "no job is active on the domain");
    } else if (!domain->job->cancellable) {
        g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE, "a %s job cannot be aborted",
                    kinds[domain->job->kind].name);
    } else {
        cancellable = g_object_ref(domain->job->cancellable);
    }
    g_mutex_unlock(&domain->lock);
    if (!cancellable)
        return FALSE;
    g_cancellable_cancel(cancellable);
    return TRUE;
}

/* ---- the end of the host ---- */

static GPtrArray *
all_domains(HvHost *host)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->registry_lock);
    GHashTableIter iter;
    gpointer domain;

    g_hash_table_iter_init(&iter, host->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &domain))
        g_ptr_array_add(all, hv_domain_ref(domain));
    return all;
}

/* Wakes who waits for a job (it is refused now) and cancels who holds one. */
static void
cancel_and_wake(HvDomain *domain)
{
    g_autoptr(GCancellable) cancellable = NULL;

    g_mutex_lock(&domain->lock);
    if (domain->job && domain->job->cancellable)
        cancellable = g_object_ref(domain->job->cancellable);
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);
    if (cancellable)
        g_cancellable_cancel(cancellable);
}

static gboolean
wait_for_job(HvDomain *domain, gint64 deadline)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    while (domain->job || domain->stop_waiters > 0) {
        if (!g_cond_wait_until(&domain->changed, &domain->lock, deadline))
            return FALSE;
    }
    return TRUE;
}

gboolean
hv_jobs_stop(HvHost *host, guint wait_ms)
{
    g_autoptr(GPtrArray) all = all_domains(host);
    gint64 deadline = g_get_monotonic_time() + wait_ms * G_TIME_SPAN_MILLISECOND;
    gboolean ok = TRUE;

    for (guint i = 0; i < all->len; i++)
        cancel_and_wake(g_ptr_array_index(all, i));
    for (guint i = 0; i < all->len; i++)
        ok &= wait_for_job(g_ptr_array_index(all, i), deadline);
    return ok;
}
