/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon that was killed had begun. A snapshot that was being taken and has no metadata yet
 * is undone, as far as it can be told to be ours; one that was being gone back to is finished, as
 * far as its images go; one whose images were being merged is deleted.
 */
#include "hv-private.h"

typedef struct Settling {
    HvDomain *domain;
    HvJob *job;
    HvView *now;
} Settling;

static void
undo_taking(const Settling *settling, const ConfSnapshot *def)
{
    HvDomain *domain = settling->domain;
    HvStore *store = domain->host->store;
    g_autoptr(GError) error = NULL;

    if (hv_snapshots_get(settling->now->snapshots, def->name))
        return;
    hv_store_log(store, domain->name, "snapshot '%s' was cut off and is undone", def->name);
    if (!hv_snapshot_disks_delete(settling->job, settling->now, def, &error))
        g_warning("snapshot '%s' of domain '%s' was cut off; some of it is left in images: %s",
                  def->name, domain->name, error->message);
    if (conf_snapshot_is_external(def))
        g_message("snapshot '%s' of domain '%s' was cut off; its files stay where they are",
                  def->name, domain->name);
    hv_snapshot_remove_file(store, domain->name, def->name, ".mem", NULL);
}

static void
finish_reverting(const Settling *settling, const ConfSnapshot *def)
{
    HvDomain *domain = settling->domain;
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) then = NULL;

    /* It runs on its images: then they were done. */
    if (hv_view_is_active(settling->now))
        return;
    hv_store_log(domain->host->store, domain->name,
                 "the revert to snapshot '%s' was cut off; its images are finished", def->name);
    then = hv_snapshot_find_volumes(
        settling->job, def, def->domain ? def->domain : settling->now->persistent, NULL, &error);
    if (!then || !hv_snapshot_disks_revert(def, then, &error) ||
        !hv_snapshot_make_current(domain, def->name, &error))
        g_warning("the revert of domain '%s' to snapshot '%s' was cut off, do it again: %s",
                  domain->name, def->name, error->message);
}

/* Where that cannot be, the note stays: it keeps others from going back to what is no more. */
static void
finish_deleting(const Settling *settling, const ConfSnapshot *def)
{
    HvDomain *domain = settling->domain;
    HvStore *store = domain->host->store;
    g_autoptr(GError) error = NULL;

    if (!hv_snapshots_get(settling->now->snapshots, def->name)) {
        hv_snapshot_remove_file(store, domain->name, def->name, HV_SNAPSHOT_DELETING, NULL);
        return;
    }
    hv_store_log(store, domain->name, "the deletion of snapshot '%s' was cut off and is finished",
                 def->name);
    if (!hv_snapshot_delete_one(settling->job, def->name, 0, &error))
        g_warning("the deletion of snapshot '%s' of domain '%s' was cut off, delete it again: %s",
                  def->name, domain->name, error->message);
}

typedef struct NoteRow {
    const char *suffix;
    void (*settle)(const Settling *settling, const ConfSnapshot *def);
    gboolean stays; /* its function removes the note */
} NoteRow;

static const NoteRow notes[] = {
    { HV_SNAPSHOT_PENDING, undo_taking, FALSE },
    { HV_SNAPSHOT_REVERTING, finish_reverting, FALSE },
    { HV_SNAPSHOT_DELETING, finish_deleting, TRUE },
};

static void
settle_note(const Settling *settling, const char *name, const NoteRow *row)
{
    HvDomain *domain = settling->domain;
    HvStore *store = domain->host->store;
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfSnapshot) def = hv_snapshot_read(store, domain->name, name, row->suffix, &error);

    if (!def)
        g_warning("a note about a snapshot of domain '%s' is of no use: %s", domain->name,
                  error->message);
    else
        row->settle(settling, def);
    if (!row->stays)
        hv_snapshot_remove_file(store, domain->name, name, row->suffix, NULL);
}

static gpointer
settle(gpointer data)
{
    g_autoptr(HvJob) job = data;
    HvStore *store = job->domain->host->store;
    g_autoptr(HvView) now = hv_domain_view(job->domain);
    const Settling settling = { job->domain, job, now };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(GPtrArray) names = hv_snapshot_list_files(store, now->name, notes[i].suffix);

        for (guint j = 0; j < names->len; j++)
            settle_note(&settling, names->pdata[j], &notes[i]);
    }
    return NULL;
}

/* In the background: a device model that hangs must not keep the daemon from starting. The job is
 * taken before, so that nobody comes in between. */
void
hv_snapshot_settle(HvDomain *domain)
{
    HvStore *store = domain->host->store;
    HvJob *job = NULL;
    guint n = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(GPtrArray) names = hv_snapshot_list_files(store, domain->name, notes[i].suffix);

        n += names->len;
    }
    job = n > 0 ? hv_job_begin(domain, HV_JOB_MODIFY, NULL) : NULL;
    if (job)
        hv_job_in_background(job, "hv-settle", settle);
}
