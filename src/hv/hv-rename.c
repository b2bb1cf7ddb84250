/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain under another name: its definition, its mark for autostart, its log, and where it runs,
 * its place in the hypervisor and its state file. */
#include "hv-private.h"

#include <errno.h>
#include <glib/gstdio.h>

static gboolean
check_name(const char *name, GError **error)
{
    const char *wrong = hv_store_name_problem(name);

    if (!wrong)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "invalid new name '%s': %s", name, wrong);
    return FALSE;
}

/* As libvirt's own drivers; a running domain may be renamed where its hypervisor can. */
static gboolean
check_domain(const HvHost *host, const HvView *now, GError **error)
{
    const char *why = NULL;

    if (!hv_control_domain_spare(now, error))
        return FALSE;
    if (!now->persistent)
        why = "cannot rename a transient domain";
    else if (hv_view_is_active(now) && !host->ops->rename)
        why = "cannot rename active domain";
    else if (now->managed_save)
        why = "domain with a managed saved state can't be renamed";
    if (!why)
        return TRUE;
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, why);
    return FALSE;
}

static ConfDomain *
named(const ConfDomain *def, const char *name)
{
    ConfDomain *copy = conf_domain_copy(def);

    g_free(copy->name);
    copy->name = g_strdup(name);
    return copy;
}

static HvView *
named_view(const HvView *now, const char *name)
{
    HvView *next = hv_view_copy(now);

    g_free(next->name);
    next->name = g_strdup(name);
    if (now->persistent) {
        conf_domain_unref(next->persistent);
        next->persistent = named(now->persistent, name);
    }
    if (now->live) {
        conf_domain_unref(next->live);
        next->live = named(now->live, name);
    }
    return next;
}

/* What is there of the domain under a name in the store. */
static gboolean
write_files(HvStore *store, const HvView *view, const char *before, GError **error)
{
    return (!view->persistent || hv_store_write_definition(store, view->persistent, error)) &&
           hv_snapshots_rename(store, before, view->name, error) &&
           (!view->autostart ||
            hv_store_set_mark(store, view->name, HV_MARK_AUTOSTART, TRUE, error)) &&
           (!view->autostart_once ||
            hv_store_set_mark(store, view->name, HV_MARK_AUTOSTART_ONCE, TRUE, error)) &&
           (!hv_view_is_active(view) || hv_store_write_status(store, view, error));
}

static void
remove_files(HvStore *store, const char *name)
{
    g_autoptr(GError) error = NULL;

    hv_store_remove_status(store, name);
    if (!hv_store_remove_definition(store, name, &error))
        g_warning("the definition of a domain that had the name '%s' stays behind: %s", name,
                  error->message);
}

static void
move_log(HvStore *store, const char *before, const char *after)
{
    g_autofree char *from = hv_store_log_path(store, before);
    g_autofree char *to = hv_store_log_path(store, after);

    if (g_rename(from, to) < 0 && errno != ENOENT)
        g_warning("cannot rename '%s': %s", from, g_strerror(errno));
}

/* Job held. */
static gboolean
rename_in_engine(HvJob *job, const HvView *now, const char *name, GError **error)
{
    HvHost *host = job->domain->host;
    gboolean ok;

    if (!hv_view_is_active(now))
        return TRUE;
    hv_job_enter_hook(job);
    ok = host->ops->rename(host->engine, now->domid, now->name, name, error);
    return hv_job_leave_hook(job, error) && ok;
}

/* Undoes write_files(). */
static void
take_back_files(HvStore *store, const HvView *now, const char *name)
{
    g_autoptr(GError) error = NULL;

    remove_files(store, name);
    if (now->snapshots && !hv_snapshots_rename(store, name, now->name, &error))
        g_warning("the snapshots of domain '%s' are those of '%s' now: %s", now->name, name,
                  error->message);
}

static void
undo(HvJob *job, const HvView *now, const char *name)
{
    HvHost *host = job->domain->host;
    g_autoptr(GError) error = NULL;

    take_back_files(host->store, now, name);
    if (hv_view_is_active(now) &&
        !host->ops->rename(host->engine, now->domid, name, now->name, &error))
        g_warning("domain '%s' is called '%s' by the hypervisor: %s", now->name, name,
                  error->message);
}

/* Job held, the new name is reserved: all that can fail. */
static gboolean
write_renamed(HvJob *job, const HvView *now, const HvView *next, GError **error)
{
    if (!rename_in_engine(job, now, next->name, error))
        return FALSE;
    if (write_files(job->domain->host->store, next, now->name, error))
        return TRUE;
    undo(job, now, next->name);
    return FALSE;
}

/* Job held, both names are ours: the new one's files are written. */
static void
change_name(HvDomain *domain, const HvView *now, HvDomain *reserved, HvView *next)
{
    HvStore *store = domain->host->store;

    remove_files(store, now->name);
    move_log(store, now->name, next->name);
    hv_store_log(store, next->name, "renamed, it was '%s'", now->name);
    hv_registry_rename(domain, reserved, next);
}

gboolean
hv_domain_rename(HvDomain *domain, const char *name, GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    g_autoptr(HvView) next = NULL;
    HvDomain *reserved;

    if (!check_name(name, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_DEFINE, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!check_domain(domain->host, now, error))
        return FALSE;
    if (g_str_equal(now->name, name)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, "Can't rename domain to itself");
        return FALSE;
    }
    reserved = hv_registry_reserve_name(domain, name, error);
    if (!reserved)
        return FALSE;
    next = named_view(now, name);
    if (!write_renamed(job, now, next, error)) {
        hv_registry_release_name(reserved);
        return FALSE;
    }
    change_name(domain, now, reserved, g_steal_pointer(&next));
    return TRUE;
}

/* ---- renamed by somebody else ---- */

/* Job held. */
static gboolean
follow(HvDomain *domain, const HvView *now, const char *name, GError **error)
{
    g_autoptr(HvView) next = NULL;
    HvDomain *reserved;

    if (!check_name(name, error))
        return FALSE;
    reserved = hv_registry_reserve_name(domain, name, error);
    if (!reserved)
        return FALSE;
    next = named_view(now, name);
    if (!write_files(domain->host->store, next, now->name, error)) {
        take_back_files(domain->host->store, now, name);
        hv_registry_release_name(reserved);
        return FALSE;
    }
    change_name(domain, now, reserved, g_steal_pointer(&next));
    return TRUE;
}

void
hv_domain_follow_name(HvDomain *domain, int domid)
{
    HvHost *host = domain->host;
    g_autoptr(HvJob) job = host->ops->name_of ? hv_job_begin(domain, HV_JOB_DEFINE, NULL) : NULL;
    g_autoptr(HvView) now = job ? hv_domain_view(domain) : NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;

    if (!now || now->domid != domid)
        return;
    /* No error: it may have ended since. */
    name = host->ops->name_of(host->engine, domid, NULL);
    if (name && !g_str_equal(name, now->name) && !follow(domain, now, name, &error))
        g_warning("domain '%s' is called '%s' by the hypervisor now, and keeps its name here: %s",
                  now->name, name, error->message);
}
