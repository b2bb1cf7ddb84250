/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deleting snapshots. What is known of others goes first (their parent, who is current), then what
 * the snapshot consists of, its metadata last: one that was cut off can be deleted again.
 */
#include "hv-private.h"

typedef struct Deleting {
    HvJob *job;
    HvView *now;
    guint index;
    unsigned flags;
} Deleting;

static gboolean
is_doomed(const Deleting *deleting, guint index)
{
    const HvSnapshots *all = deleting->now->snapshots;
    gboolean below = (deleting->flags &
                      (HV_SNAPSHOT_DELETE_CHILDREN | HV_SNAPSHOT_DELETE_CHILDREN_ONLY)) != 0;

    if (index == deleting->index)
        return !(deleting->flags & HV_SNAPSHOT_DELETE_CHILDREN_ONLY);
    return below && hv_snapshots_is_below(all, index, deleting->index);
}

/* GPtrArray of ConfSnapshot, children before their parents. */
static GPtrArray *
list_doomed(const Deleting *deleting)
{
    const HvSnapshots *all = deleting->now->snapshots;
    GPtrArray *doomed = g_ptr_array_new();

    for (guint i = hv_snapshots_count(all); i > 0; i--)
        if (is_doomed(deleting, i - 1))
            g_ptr_array_add(doomed, (gpointer)hv_snapshots_at(all, i - 1));
    return doomed;
}

static gboolean
check_external(const Deleting *deleting, const GPtrArray *doomed, GError **error)
{
    guint n = 0;

    if (deleting->flags & HV_SNAPSHOT_DELETE_METADATA_ONLY)
        return TRUE;
    for (guint i = 0; i < doomed->len; i++)
        n += hv_snapshot_has_disks(doomed->pdata[i], CONF_SNAPSHOT_EXTERNAL);
    if (n == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                "deletion of %u external disk snapshots not supported yet", n);
    return FALSE;
}

/* The nearest ancestor that stays. */
static const char *
heir_of(const Deleting *deleting, guint index)
{
    const HvSnapshots *all = deleting->now->snapshots;
    int at = (int)index;

    while (at >= 0 && is_doomed(deleting, (guint)at))
        at = hv_snapshots_parent(all, (guint)at);
    return at < 0 ? NULL : hv_snapshots_at(all, (guint)at)->name;
}

static ConfSnapshot *
below_heir(const Deleting *deleting, guint index)
{
    const HvSnapshots *all = deleting->now->snapshots;
    const ConfSnapshot *def = hv_snapshots_at(all, index);
    int parent = hv_snapshots_parent(all, index);
    const char *heir = parent < 0 ? NULL : heir_of(deleting, (guint)parent);
    ConfSnapshot *changed;

    if (g_strcmp0(heir, def->parent) == 0)
        return conf_snapshot_ref((ConfSnapshot *)def);
    changed = conf_snapshot_copy(def);
    g_free(changed->parent);
    changed->parent = g_strdup(heir);
    return changed;
}

/* Those that stay, as they are afterwards. */
static HvSnapshots *
make_rest(const Deleting *deleting)
{
    const HvSnapshots *all = deleting->now->snapshots;
    g_autoptr(GPtrArray) rest = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    int current = hv_snapshots_current(all);

    for (guint i = 0; i < hv_snapshots_count(all); i++)
        if (!is_doomed(deleting, i))
            g_ptr_array_add(rest, below_heir(deleting, i));
    return hv_snapshots_new(rest, current < 0 ? NULL : heir_of(deleting, (guint)current));
}

static gboolean
delete_one(const Deleting *deleting, const ConfSnapshot *def, GError **error)
{
    HvDomain *domain = deleting->job->domain;

    return (deleting->flags & HV_SNAPSHOT_DELETE_METADATA_ONLY ||
            hv_snapshot_disks_delete(deleting->job, deleting->now, def, error)) &&
           hv_snapshot_remove(domain->host->store, domain->name, def->name, error);
}

/* Metadata on disk says so before anything is deleted; what is left of it after a failure is read
 * again. */
static gboolean
delete_all(const Deleting *deleting, const GPtrArray *doomed, GError **error)
{
    HvDomain *domain = deleting->job->domain;
    HvStore *store = domain->host->store;
    g_autoptr(HvSnapshots) rest = make_rest(deleting);
    gboolean ok = hv_snapshots_write(store, domain->name, deleting->now->snapshots, rest, error);

    for (guint i = 0; ok && i < doomed->len; i++)
        ok = delete_one(deleting, doomed->pdata[i], error);
    if (hv_job_is_overtaken(deleting->job))
        return FALSE;
    hv_domain_set_snapshots(domain, ok ? g_steal_pointer(&rest)
                                       : hv_snapshots_load(store, domain->name, domain->uuid));
    return ok;
}

gboolean
hv_domain_snapshot_delete(HvDomain *domain, const char *name, unsigned delete_flags, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    g_autoptr(HvView) now = NULL;
    g_autoptr(GPtrArray) doomed = NULL;
    Deleting deleting = { .job = job, .flags = delete_flags };
    int index;

    if (!job)
        return FALSE;
    deleting.now = now = hv_domain_view(domain);
    index = hv_snapshots_find(now->snapshots, name, error);
    if (index < 0)
        return FALSE;
    deleting.index = (guint)index;
    doomed = list_doomed(&deleting);
    return check_external(&deleting, doomed, error) && delete_all(&deleting, doomed, error);
}
