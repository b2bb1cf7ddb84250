/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's memory in a file: because somebody asks, or because the guest has crashed. */
#include "hv-private.h"

/* Job held: the guest's memory into a file that appears complete or not at all. libxl writes it in
 * one go, whoever wants to cancel that: so a stop may take the domain over meanwhile, which ends
 * the dump, too. *ret_ours FALSE: it did, and the caller touches nothing. */
static gboolean
write_core(HvJob *job, int domid, const char *path, gboolean *ret_ours, GError **error)
{
    HvHost *host = job->domain->host;
    g_autoptr(HvNewFile) file = hv_new_file_open(path, error);
    gboolean ok;

    *ret_ours = TRUE;
    if (!file)
        return FALSE;
    hv_job_enter_hook(job);
    ok = host->ops->core_dump(host->engine, domid, file->temp, job->cancellable, hv_job_progress,
                              job, error);
    *ret_ours = hv_job_leave_hook(job, error);
    if (!ok || !*ret_ours)
        return FALSE;
    if (hv_job_is_cancelled(job)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "dump of domain '%s' was cancelled",
                    job->domain->name);
        return FALSE;
    }
    return hv_new_file_commit(file, error);
}

/* ---- on request ---- */

static gboolean
stop_guest(HvJob *job, const HvView *now, GError **error)
{
    HvHost *host = job->domain->host;

    if (!host->ops->pause || !host->ops->unpause) {
        hv_set_unsupported(error, host, "pausing a domain for its dump");
        return FALSE;
    }
    if (!host->ops->pause(host->engine, now->domid, error))
        return FALSE;
    hv_domain_set_state(job, HV_STATE_PAUSED, HV_REASON_PAUSED_DUMP);
    return TRUE;
}

/* Job held. A stop may overtake it, as in hv-save.c. */
static void
let_guest_go_on(HvJob *job, const HvView *before)
{
    HvHost *host = job->domain->host;
    g_autoptr(GError) error = NULL;
    gboolean ok;

    hv_job_enter_hook(job);
    ok = host->ops->unpause(host->engine, before->domid, &error);
    if (!hv_job_leave_hook(job, NULL))
        return;
    if (ok)
        hv_domain_set_state(job, before->state, before->reason);
    else
        g_warning("domain '%s' is still paused after its dump: %s", job->domain->name,
                  error->message);
}

static gboolean
end_dumped(HvJob *job, const HvView *now, GError **error)
{
    HvHost *host = job->domain->host;

    if (!host->ops->destroy(host->engine, now->domid, error)) {
        g_prefix_error(
            error, "the core is written, but domain '%s' could not be ended: ", job->domain->name);
        return FALSE;
    }
    hv_domain_ended(job, HV_REASON_SHUTOFF_CRASHED, HV_DETAIL_STOPPED_CRASHED);
    return TRUE;
}

/* Job held. What stops the guest for a moment is undone, whatever comes of the dump. */
static gboolean
dump(HvJob *job, const HvView *now, const char *path, unsigned dump_flags, GError **error)
{
    gboolean runs = now->state == HV_STATE_RUNNING || now->state == HV_STATE_BLOCKED;
    gboolean stop = runs && !(dump_flags & HV_DUMP_LIVE);
    gboolean ours, ok;

    if (stop && !stop_guest(job, now, error))
        return FALSE;
    ok = write_core(job, now->domid, path, &ours, error);
    if (!ours)
        return FALSE;
    hv_store_log(job->domain->host->store, job->domain->name, "core dump to '%s'%s", path,
                 ok ? "" : " failed");
    if (ok && (dump_flags & HV_DUMP_CRASH))
        return end_dumped(job, now, error);
    if (stop)
        let_guest_go_on(job, now);
    return ok && (!(dump_flags & HV_DUMP_RESET) || hv_domain_reset_running(job, error));
}

static gboolean
check_dump(HvDomain *domain, const char *path, unsigned dump_flags, GError **error)
{
    gboolean live = (dump_flags & HV_DUMP_LIVE) != 0;
    gboolean crash = (dump_flags & HV_DUMP_CRASH) != 0;
    gboolean reset = (dump_flags & HV_DUMP_RESET) != 0;

    if (!domain->host->ops->core_dump) {
        hv_set_unsupported(error, domain->host, "dumping a domain's memory");
        return FALSE;
    }
    if (live + crash + reset > 1) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "live, crash and reset flags are mutually exclusive");
        return FALSE;
    }
    return hv_check_path(path, error);
}

gboolean
hv_domain_core_dump(HvDomain *domain, const char *path, unsigned dump_flags, GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;

    if (!check_dump(domain, path, dump_flags, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_DUMP, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    return hv_lifecycle_check(now, HV_OP_DUMP, error) == HV_VERDICT_ALLOW &&
           dump(job, now, path, dump_flags, error);
}

/* ---- on a crash ---- */

gboolean
hv_domain_auto_dump(HvJob *job, int domid)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%d-%H:%M:%S");
    g_autofree char *path = g_strdup_printf("%s/%s-%s", host->store->dump, domain->name, time);
    g_autoptr(GError) error = NULL;
    gboolean ours = TRUE;

    if (!host->ops->core_dump)
        hv_set_unsupported(&error, host, "dumping a domain's memory");
    else if (write_core(job, domid, path, &ours, &error))
        hv_store_log(host->store, domain->name, "core dump to '%s'", path);
    if (!error || !ours)
        return ours;
    /* The guest is to be destroyed or started again all the same. */
    g_warning("no core dump of domain '%s', which has crashed: %s", domain->name, error->message);
    hv_store_log(host->store, domain->name, "no core dump: %s", error->message);
    return TRUE;
}
