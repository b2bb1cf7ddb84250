/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running guest is told or asked from outside, beside its start and end: keys, an NMI,
 * sleep; its screen, its channels, its device model. */
#include "hv-private.h"

/* ---- what the calls share ---- */

/* A job, and the running domain that it is about. */
typedef struct Turn {
    HvJob *job;
    HvView *now;
} Turn;

static void
turn_clear(Turn *turn)
{
    g_clear_pointer(&turn->now, hv_view_unref);
    g_clear_pointer(&turn->job, hv_job_end);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Turn, turn_clear)

/* `what` is not supported where `has_hook` is FALSE. */
static gboolean
turn_begin(Turn *turn, HvDomain *domain, HvJobKind kind, HvOp op, gboolean has_hook,
           const char *what, GError **error)
{
    if (!has_hook) {
        hv_set_unsupported(error, domain->host, what);
        return FALSE;
    }
    turn->job = hv_job_begin(domain, kind, error);
    if (!turn->job)
        return FALSE;
    turn->now = hv_domain_view(domain);
    return hv_lifecycle_check(turn->now, op, error) == HV_VERDICT_ALLOW;
}

/* What goes into a guest's hardware is none of domain 0's. */
static gboolean
turn_begin_guest(Turn *turn, HvDomain *domain, gboolean has_hook, const char *what, GError **error)
{
    return turn_begin(turn, domain, HV_JOB_MODIFY, HV_OP_TUNE, has_hook, what, error) &&
           hv_control_domain_spare(turn->now, error);
}

/* ---- keys and NMI ---- */

gboolean
hv_domain_inject_nmi(HvDomain *domain, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    gboolean ok;

    if (!turn_begin_guest(&turn, domain, host->ops->inject_nmi != NULL, "sending an NMI", error))
        return FALSE;
    hv_job_enter_hook(turn.job);
    ok = host->ops->inject_nmi(host->engine, turn.now->domid, error);
    return hv_job_leave_hook(turn.job, error) && ok;
}

gboolean
hv_domain_send_keys(HvDomain *domain, const guint *keys, guint n_keys, guint hold_ms,
                    GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    gboolean ok;

    if (n_keys == 0 || n_keys > HV_MAX_KEYS) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "%u keys are not between 1 and %d",
                    n_keys, HV_MAX_KEYS);
        return FALSE;
    }
    if (!turn_begin_guest(&turn, domain, host->ops->send_keys != NULL, "sending keys", error))
        return FALSE;
    hv_job_enter_hook(turn.job);
    ok = host->ops->send_keys(host->engine, turn.now->domid, turn.now->live, keys, n_keys, hold_ms,
                              error);
    return hv_job_leave_hook(turn.job, error) && ok;
}

/* ---- sleep ---- */

gboolean
hv_domain_pm_suspend(HvDomain *domain, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    gboolean ok;

    if (!turn_begin(&turn, domain, HV_JOB_SUSPEND, HV_OP_PM_SUSPEND, host->ops->pm_suspend != NULL,
                    "suspending a guest to memory", error))
        return FALSE;
    hv_job_enter_hook(turn.job);
    ok = host->ops->pm_suspend(host->engine, turn.now->domid, turn.now->live, error);
    if (!hv_job_leave_hook(turn.job, error) || !ok)
        return FALSE;
    hv_domain_set_state(turn.job, HV_STATE_PMSUSPENDED, HV_REASON_PMSUSPENDED_USER);
    hv_event_post(domain, HV_EVENT_PMSUSPENDED, HV_DETAIL_PMSUSPENDED_MEMORY, turn.now->domid);
    hv_event_post(domain, HV_EVENT_PMSUSPEND, HV_DETAIL_NONE, turn.now->domid);
    return TRUE;
}

gboolean
hv_domain_pm_wakeup(HvDomain *domain, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    gboolean ok;

    if (!turn_begin(&turn, domain, HV_JOB_RESUME, HV_OP_PM_WAKEUP, host->ops->pm_wakeup != NULL,
                    "waking a guest up", error))
        return FALSE;
    hv_job_enter_hook(turn.job);
    ok = host->ops->pm_wakeup(host->engine, turn.now->domid, turn.now->live, error);
    if (!hv_job_leave_hook(turn.job, error) || !ok)
        return FALSE;
    hv_domain_set_state(turn.job, HV_STATE_RUNNING, HV_REASON_RUNNING_WAKEUP);
    hv_event_post(domain, HV_EVENT_STARTED, HV_DETAIL_STARTED_WAKEUP, turn.now->domid);
    hv_event_post(domain, HV_EVENT_PMWAKEUP, HV_DETAIL_NONE, turn.now->domid);
    return TRUE;
}

/* ---- screen and device model ---- */

const char *
hv_domain_screenshot(HvDomain *domain, guint screen, int fd, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    const char *mime = NULL;
    gboolean ok;

    if (!turn_begin_guest(&turn, domain, host->ops->screenshot != NULL,
                          "taking a picture of a screen", error))
        return NULL;
    hv_job_enter_hook(turn.job);
    ok = host->ops->screenshot(host->engine, turn.now->domid, turn.now->live, screen, fd, &mime,
                               error);
    return hv_job_leave_hook(turn.job, error) && ok ? mime : NULL;
}

char *
hv_domain_monitor_command(HvDomain *domain, const char *command, gboolean human, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Turn) turn = { 0 };
    g_autofree char *reply = NULL;

    if (!turn_begin_guest(&turn, domain, host->ops->monitor_command != NULL,
                          "a command to the device model", error))
        return NULL;
    hv_store_log(host->store, domain->name, "command to the device model, by a client: %s",
                 command);
    hv_job_enter_hook(turn.job);
    reply = host->ops->monitor_command(host->engine, turn.now->domid, command, human, error);
    return hv_job_leave_hook(turn.job, error) ? g_steal_pointer(&reply) : NULL;
}
