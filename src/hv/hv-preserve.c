/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rename-restart: what is left of a guest stays, under another name, and a new one starts. */
#include "hv-private.h"

/* As xl calls it: the domain's name and the moment. */
static char *
preserved_name(const HvDomain *domain)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y%m%dT%H%M%SZ");

    return g_strdup_printf("%s-%s", domain->name, time);
}

/* A transient domain of its own. */
static void
show_preserved(HvHost *host, const HvView *before, ConfDomain *live, HvState state, HvReason reason)
{
    g_autoptr(ConfDomain) owned = live;
    g_autoptr(GError) error = NULL;
    g_autoptr(HvJob) job = hv_registry_begin(host, live, HV_JOB_MODIFY, &error);
    g_autoptr(HvView) empty = NULL;
    HvView *next;

    if (!job) {
        g_warning("what is left of domain '%s' is kept as '%s', but not shown: %s", before->name,
                  live->name, error->message);
        return;
    }
    empty = hv_domain_view(job->domain);
    next = hv_view_copy(empty);
    next->live = g_steal_pointer(&owned);
    next->domid = before->domid;
    next->state = state;
    next->reason = reason;
    next->started_us = before->started_us;
    if (!hv_store_write_status(host->store, next, &error))
        g_warning("domain '%s': %s", next->name, error->message);
    hv_registry_show(job->domain, next);
}

gboolean
hv_domain_preserve(HvJob *job, const HvView *now, HvState state, HvReason reason, GError **error)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autofree char *name = preserved_name(domain);
    g_autoptr(ConfDomain) live = conf_domain_copy(now->live);
    g_autoptr(HvView) between = hv_view_copy(now);

    if (!host->ops->preserve) {
        hv_set_unsupported(error, host, "keeping a domain under another name");
        return FALSE;
    }
    g_free(live->name);
    live->name = g_strdup(name);
    conf_uuid_generate(live->uuid);
    if (!host->ops->preserve(host->engine, now->domid, name, live->uuid, error))
        return FALSE;
    hv_store_log(host->store, domain->name, "what is left of it is domain '%s' now", name);
    /* Its id belongs to the other one. */
    between->domid = -1;
    between->state = HV_STATE_SHUTOFF;
    hv_domain_publish(domain, g_steal_pointer(&between));
    show_preserved(host, now, g_steal_pointer(&live), state, reason);
    return TRUE;
}
