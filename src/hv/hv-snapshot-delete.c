/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deleting snapshots, one after the other, children before their parents: where one cannot be
 * deleted, those before it are. What is known of others goes first (their parent, who is current),
 * then what the snapshot consists of, its metadata last: one that was cut off can be deleted again.
 * After it goes only the note that its images are being merged, which is of no use without.
 */
#include "hv-private.h"

static gboolean
is_doomed(const HvSnapshots *all, guint index, guint chosen, unsigned flags)
{
    gboolean below = (flags & (HV_SNAPSHOT_DELETE_CHILDREN | HV_SNAPSHOT_DELETE_CHILDREN_ONLY)) !=
                     0;

    if (index == chosen)
        return !(flags & HV_SNAPSHOT_DELETE_CHILDREN_ONLY);
    return below && hv_snapshots_is_below(all, index, chosen);
}

/* GPtrArray of ConfSnapshot of this set, children before their parents. */
static GPtrArray *
list_doomed(const HvSnapshots *all, guint chosen, unsigned flags)
{
    GPtrArray *doomed = g_ptr_array_new();

    for (guint i = hv_snapshots_count(all); i > 0; i--)
        if (is_doomed(all, i - 1, chosen, flags))
            g_ptr_array_add(doomed, (gpointer)hv_snapshots_at(all, i - 1));
    return doomed;
}

/* ---- may it be done? ---- */

/* The disk of `def` whose state the domain runs on; NULL: none. */
static const char *
find_running_disk(HvImages *images, const ConfSnapshot *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *wanted = def->disks->pdata[i];
        const ConfDisk *base = hv_snapshot_base(def, wanted);

        if (base && (hv_images_get(images, base->source)->uses & HV_IMAGE_LIVE))
            return wanted->name;
    }
    return NULL;
}

/* Of many none is begun where one would fail for this. */
static gboolean
check_running(HvDomain *domain, const HvView *now, const GPtrArray *doomed, GError **error)
{
    g_autoptr(HvImages) images = NULL;

    for (guint i = 0; hv_view_is_active(now) && i < doomed->len; i++) {
        const ConfSnapshot *def = doomed->pdata[i];
        const char *disk;

        if (!hv_snapshot_has_disks(def, CONF_SNAPSHOT_EXTERNAL))
            continue;
        if (!images && !(images = hv_images_new(domain, now, def, error)))
            return FALSE;
        disk = find_running_disk(images, def);
        if (disk)
            return hv_refuse(
                error, HV_ERROR_WRONG_STATE,
                "the domain runs on images of external snapshot '%s' (disk '%s'): shut it "
                "off first, or delete the metadata only",
                def->name, disk);
    }
    return TRUE;
}

/* ---- those that stay ---- */

static ConfSnapshot *
with_parent(const ConfSnapshot *def, const char *parent)
{
    ConfSnapshot *changed = conf_snapshot_copy(def);

    g_free(changed->parent);
    changed->parent = g_strdup(parent);
    return changed;
}

/* As they are afterwards: children get the parent of what goes. */
static HvSnapshots *
make_rest(const HvSnapshots *all, guint gone)
{
    g_autoptr(GPtrArray) rest = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    const char *current = hv_snapshots_current_name(all);
    int above = hv_snapshots_parent(all, gone);
    const char *heir = above < 0 ? NULL : hv_snapshots_at(all, (guint)above)->name;

    for (guint i = 0; i < hv_snapshots_count(all); i++) {
        const ConfSnapshot *def = hv_snapshots_at(all, i);

        if (hv_snapshots_parent(all, i) == (int)gone)
            g_ptr_array_add(rest, with_parent(def, heir));
        else if (i != gone)
            g_ptr_array_add(rest, conf_snapshot_ref((ConfSnapshot *)def));
    }
    return hv_snapshots_new(rest, hv_snapshots_current(all) == (int)gone ? heir : current);
}

/* ---- one ---- */

/* A file that somebody chose; one that two snapshots name stays as long as one of them does. */
static gboolean
remove_memory(const HvSnapshots *all, const ConfSnapshot *def, GError **error)
{
    if (!def->memory_file || !g_file_test(def->memory_file, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    for (guint i = 0; i < hv_snapshots_count(all); i++) {
        const ConfSnapshot *other = hv_snapshots_at(all, i);

        if (other != def && g_strcmp0(other->memory_file, def->memory_file) == 0)
            return TRUE;
    }
    return hv_store_remove_file(def->memory_file, error);
}

static gboolean
remove_parts(HvJob *job, const HvView *now, const ConfSnapshot *def, GError **error)
{
    return hv_snapshot_disks_delete(job, now, def, error) &&
           remove_memory(now->snapshots, def, error);
}

/* `index`: of now->snapshots. */
static gboolean
remove_one(HvJob *job, const HvView *now, guint index, unsigned flags, GError **error)
{
    HvDomain *domain = job->domain;
    HvStore *store = domain->host->store;
    const ConfSnapshot *def = hv_snapshots_at(now->snapshots, index);
    g_autoptr(HvSnapshots) rest = make_rest(now->snapshots, index);

    if (!hv_snapshots_write(store, domain->name, now->snapshots, rest, error) ||
        (!(flags & HV_SNAPSHOT_DELETE_METADATA_ONLY) && !remove_parts(job, now, def, error)) ||
        !hv_snapshot_remove(store, domain->name, def->name, error)) {
        /* It stays, and the others stay where they were. */
        if (!hv_job_is_overtaken(job))
            hv_snapshots_write(store, domain->name, rest, now->snapshots, NULL);
        return FALSE;
    }
    hv_domain_set_snapshots(domain, g_steal_pointer(&rest));
    return hv_snapshot_remove_file(store, domain->name, def->name, HV_SNAPSHOT_DELETING, error);
}

gboolean
hv_snapshot_delete_one(HvJob *job, const char *name, unsigned delete_flags, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    int index = hv_snapshots_find(now->snapshots, name, error);
    gboolean ok = index >= 0;

    if (ok && !(delete_flags & HV_SNAPSHOT_DELETE_METADATA_ONLY) &&
        hv_snapshot_has_disks(hv_snapshots_at(now->snapshots, (guint)index),
                              CONF_SNAPSHOT_EXTERNAL)) {
        ok = hv_snapshot_merge(job, name, error);
        hv_view_unref(now);
        now = hv_domain_view(domain);
        index = hv_snapshots_find(now->snapshots, name, NULL);
    }
    ok = ok && remove_one(job, now, (guint)index, delete_flags, error);
    /* What is left of it after a failure is read again. */
    if (!ok && index >= 0 && !hv_job_is_overtaken(job))
        hv_domain_set_snapshots(domain,
                                hv_snapshots_load(domain->host->store, domain->name, domain->uuid));
    return ok;
}

/* ---- all that are to go ---- */

gboolean
hv_domain_snapshot_delete(HvDomain *domain, const char *name, unsigned delete_flags, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    g_autoptr(HvView) now = NULL;
    g_autoptr(GPtrArray) doomed = NULL;
    int index;

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    index = hv_snapshots_find(now->snapshots, name, error);
    if (index < 0)
        return FALSE;
    doomed = list_doomed(now->snapshots, (guint)index, delete_flags);
    if (!(delete_flags & HV_SNAPSHOT_DELETE_METADATA_ONLY) &&
        !check_running(domain, now, doomed, error))
        return FALSE;
    for (guint i = 0; i < doomed->len; i++)
        if (!hv_snapshot_delete_one(job, ((ConfSnapshot *)doomed->pdata[i])->name, delete_flags,
                                    error))
            return FALSE;
    return TRUE;
}
