/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that come, go and change, live and on paper. Everything that can be refused is looked at
 * before anything changes; then the guest, then the definition on disk, then the view. When the
 * disk fails after the guest has changed, the guest is changed back.
 */
#include "hv-private.h"

/* ---- what the three calls share ---- */

/* A change under way. */
typedef struct Change {
    HvJob *job;
    HvView *now;
    unsigned which;
    ConfAnyDevice *device; /* for the definition on disk: nothing of a running domain in it */
    ConfAnyDevice *live;   /* the same, as the engine has it */
} Change;

static void
change_clear(Change *change)
{
    g_clear_pointer(&change->live, conf_device_free);
    g_clear_pointer(&change->now, hv_view_unref);
    g_clear_pointer(&change->job, hv_job_end);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Change, change_clear)

static gboolean
change_begin(Change *change, HvDomain *domain, unsigned affect, GError **error)
{
    change->job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    if (!change->job)
        return FALSE;
    change->now = hv_domain_view(domain);
    return hv_view_affect(change->now, affect, &change->which, error) &&
           (!(change->which & HV_AFFECT_LIVE) ||
            hv_lifecycle_check(change->now, HV_OP_TUNE, error) == HV_VERDICT_ALLOW);
}

static const ConfDomain *
live_def(const Change *change)
{
    return change->which & HV_AFFECT_LIVE ? change->now->live : NULL;
}

static const ConfDomain *
config_def(const Change *change)
{
    return change->which & HV_AFFECT_CONFIG ? change->now->persistent : NULL;
}

/* hv_domain_edit() hands in copies of both definitions: this one is the running domain's. */
static gboolean
is_live(const ConfDomain *def)
{
    return def->id >= 0;
}

static gboolean
set_no_hotplug(HvHost *host, const char *verb, const ConfAnyDevice *device, GError **error)
{
    g_autofree char *what = g_strdup_printf("%s a <%s> of a running domain", verb,
                                            conf_device_element(device));

    hv_set_unsupported(error, host, what);
    return FALSE;
}

static const char *
alias_of(const ConfAnyDevice *device)
{
    const char *alias = device->kind == CONF_DEVICE_RAW ? NULL : device->dev->alias;

    return alias ? alias : "";
}

/* What of the engine's words about a device is also for the domain's own log. */
static void
log_device(HvDomain *domain, const char *what, const ConfAnyDevice *device)
{
    hv_store_log(domain->host->store, domain->name, "%s <%s> '%s'", what,
                 conf_device_element(device), alias_of(device));
}

/* Job held. Whoever is asked may not answer, and the domain may be somebody else's by then. */
static gboolean
find_volume(Change *change, GError **error)
{
    gboolean ok;

    hv_job_enter_hook(change->job);
    ok = hv_pool_find_device(change->job->domain->host, change->live, error);
    return hv_job_leave_hook(change->job, error) && ok;
}

/* ---- attach ---- */

/* A copy of `def` with the device in it, or why it cannot be. */
static gboolean
try_insert(const ConfDomain *def, const ConfAnyDevice *device, GError **error)
{
    g_autoptr(ConfDomain) copy = def ? conf_domain_copy(def) : NULL;

    return !def || conf_domain_insert_device(copy, device, error);
}

static gboolean
edit_attach(ConfDomain *def, gpointer data, GError **error)
{
    const Change *change = data;

    if (is_live(def))
        return conf_domain_insert_device(def, change->live, error);
    if (!conf_domain_insert_device(def, change->device, error))
        return FALSE;
    /* Some devices bring others along: a display its keyboard and mouse. */
    conf_domain_fill_defaults(def);
    return TRUE;
}

/* Job held. `change->live` becomes what the guest has. */
static gboolean
attach_live(Change *change, GError **error)
{
    HvHost *host = change->job->domain->host;
    gboolean ok;

    change->live = conf_device_copy(change->device);
    if (change->live->kind == CONF_DEVICE_LEASE)
        return hv_locks_add(change->job, NULL, change->live, error);
    if (!host->ops->attach_device)
        return set_no_hotplug(host, "attaching", change->device, error);
    conf_device_assign_alias(change->now->live, change->live);
    if (!find_volume(change, error) || !hv_locks_add(change->job, NULL, change->live, error))
        return FALSE;
    hv_job_enter_hook(change->job);
    ok = host->ops->attach_device(host->engine, change->now->domid, change->now->live, change->live,
                                  error);
    if (!hv_job_leave_hook(change->job, error))
        return FALSE;
    if (!ok)
        hv_locks_drop(change->job, change->live, NULL);
    return ok;
}

/* Job held: the definition could not be written. */
static void
undo_attach(Change *change)
{
    HvDomain *domain = change->job->domain;
    HvHost *host = domain->host;
    g_autoptr(ConfDomain) with = conf_domain_copy(change->now->live);
    g_autoptr(GError) error = NULL;
    ConfAnyDevice plugged;

    if (change->live->kind != CONF_DEVICE_LEASE &&
        (!conf_domain_insert_device(with, change->live, &error) ||
         !conf_domain_find_device(with, change->live, &plugged, &error) ||
         !host->ops->detach_device ||
         !host->ops->detach_device(host->engine, change->now->domid, with, &plugged, &error)))
        g_warning("domain '%s' has a <%s> that its definition lacks: %s", domain->name,
                  conf_device_element(change->live), error ? error->message : "it stays plugged");
    else
        hv_locks_drop(change->job, change->live, NULL);
}

gboolean
hv_domain_attach_device(HvDomain *domain, ConfAnyDevice *taken, unsigned affect, GError **error)
{
    g_autoptr(ConfAnyDevice) device = taken;
    g_auto(Change) change = { .device = device };

    if (!change_begin(&change, domain, affect, error))
        return FALSE;
    if (live_def(&change))
        conf_device_fill_defaults(device, live_def(&change), config_def(&change));
    else
        conf_device_fill_defaults(device, config_def(&change), NULL);
    if (!try_insert(live_def(&change), device, error) ||
        !try_insert(config_def(&change), device, error) ||
        (live_def(&change) && !attach_live(&change, error)))
        return FALSE;
    if (!hv_domain_edit(change.job, change.which, edit_attach, &change, error)) {
        if (live_def(&change))
            undo_attach(&change);
        return FALSE;
    }
    if (live_def(&change)) {
        log_device(domain, "attached", change.live);
        hv_event_post_device(domain, HV_EVENT_DEVICE_ADDED, alias_of(change.live),
                             change.now->domid);
    }
    return TRUE;
}

/* ---- detach ---- */

/* Which device, of each of the two definitions: found again in copies of them. */
static gboolean
find_both(const Change *change, const ConfAnyDevice *like, ConfAnyDevice *ret_live, GError **error)
{
    ConfAnyDevice found;

    if (config_def(change) && !conf_domain_find_device(config_def(change), like, &found, error))
        return FALSE;
    return !live_def(change) || conf_domain_find_device(live_def(change), like, ret_live, error);
}

static gboolean
edit_detach(ConfDomain *def, gpointer data, GError **error)
{
    const Change *change = data;
    ConfAnyDevice found;

    if (!conf_domain_find_device(def, is_live(def) ? change->live : change->device, &found, error))
        return FALSE;
    conf_domain_remove_device(def, &found);
    return TRUE;
}

/* Job held. `found` is one of the live definition's. */
static gboolean
detach_live(Change *change, const ConfAnyDevice *found, GError **error)
{
    HvDomain *domain = change->job->domain;
    HvHost *host = domain->host;
    g_autoptr(GError) local = NULL;
    gboolean ok;

    change->live = conf_device_copy(found);
    if (found->kind == CONF_DEVICE_LEASE)
        return TRUE;
    if (!host->ops->detach_device)
        return set_no_hotplug(host, "detaching", found, error);
    hv_job_enter_hook(change->job);
    ok = host->ops->detach_device(host->engine, change->now->domid, change->now->live, found,
                                  &local);
    if (!hv_job_leave_hook(change->job, error))
        return FALSE;
    if (ok)
        return TRUE;
    if (g_error_matches(local, HV_ERROR, HV_ERROR_TIMEOUT))
        hv_event_post_device(domain, HV_EVENT_DEVICE_REMOVAL_FAILED, alias_of(found),
                             change->now->domid);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* Job held: the definition could not be written. */
static void
undo_detach(Change *change)
{
    HvDomain *domain = change->job->domain;
    HvHost *host = domain->host;
    g_autoptr(ConfDomain) without = conf_domain_copy(change->now->live);
    g_autoptr(GError) error = NULL;
    ConfAnyDevice gone;

    if (change->live->kind == CONF_DEVICE_LEASE ||
        !conf_domain_find_device(without, change->live, &gone, &error))
        return;
    conf_domain_remove_device(without, &gone);
    if (!host->ops->attach_device ||
        !host->ops->attach_device(host->engine, change->now->domid, without, change->live, &error))
        g_warning("domain '%s' has lost its <%s> although its definition has it: %s", domain->name,
                  conf_device_element(change->live), error ? error->message : "it stays unplugged");
}

/* Job held. `change->device` says which; `found` is it in the live definition. */
static gboolean
detach(Change *change, const ConfAnyDevice *found, GError **error)
{
    HvDomain *domain = change->job->domain;

    if (live_def(change) && !detach_live(change, found, error))
        return FALSE;
    if (!hv_domain_edit(change->job, change->which, edit_detach, change, error)) {
        if (live_def(change))
            undo_detach(change);
        return FALSE;
    }
    if (live_def(change)) {
        hv_locks_drop(change->job, change->live, NULL);
        log_device(domain, "detached", change->live);
        hv_event_post_device(domain, HV_EVENT_DEVICE_REMOVED, alias_of(change->live),
                             change->now->domid);
    }
    return TRUE;
}

gboolean
hv_domain_detach_device(HvDomain *domain, ConfAnyDevice *taken, unsigned affect, GError **error)
{
    g_autoptr(ConfAnyDevice) device = taken;
    g_auto(Change) change = { .device = device };
    ConfAnyDevice found;

    return change_begin(&change, domain, affect, error) &&
           find_both(&change, device, &found, error) && detach(&change, &found, error);
}

gboolean
hv_domain_detach_alias(HvDomain *domain, const char *alias, unsigned affect, GError **error)
{
    g_auto(Change) change = { 0 };
    g_autoptr(ConfAnyDevice) device = NULL;
    ConfAnyDevice found = { 0 }, on_paper;

    if (!change_begin(&change, domain, affect, error))
        return FALSE;
    if (live_def(&change) && !conf_domain_find_alias(live_def(&change), alias, &found, error))
        return FALSE;
    /* A definition on disk has no aliases but the user's own; else it is what runs that counts. */
    if (config_def(&change)) {
        if (found.any && !g_str_has_prefix(alias, "ua-"))
            device = conf_device_copy(&found);
        else if (!conf_domain_find_alias(config_def(&change), alias, &on_paper, error))
            return FALSE;
        else
            device = conf_device_copy(&on_paper);
        if (!conf_domain_find_device(config_def(&change), device, &on_paper, error))
            return FALSE;
    }
    change.device = device;
    return detach(&change, &found, error);
}

/* ---- update ---- */

static gboolean
edit_update(ConfDomain *def, gpointer data, GError **error)
{
    const Change *change = data;
    const ConfAnyDevice *after = is_live(def) ? change->live : change->device;
    ConfAnyDevice found;

    if (!conf_domain_find_device(def, after, &found, error))
        return FALSE;
    conf_domain_replace_device(def, &found, after);
    return TRUE;
}

gboolean
hv_disk_is_removable(const ConfDisk *disk)
{
    return disk->device == CONF_DISK_DEVICE_CDROM || disk->device == CONF_DISK_DEVICE_FLOPPY;
}

/* The same drive may not become another thing. */
static gboolean
check_update(const ConfAnyDevice *before, const ConfAnyDevice *after, GError **error)
{
    if (before->kind == CONF_DEVICE_DISK && after->disk->device &&
        MAX(before->disk->device, CONF_DISK_DEVICE_DISK) !=
            MAX(after->disk->device, CONF_DISK_DEVICE_DISK)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "cannot modify field 'device' of the disk '%s'", before->disk->target);
        return FALSE;
    }
    return TRUE;
}

/* What the user left open is as it was. */
static void
inherit(const ConfAnyDevice *before, ConfAnyDevice *after)
{
    if (after->kind == CONF_DEVICE_INTERFACE && !after->interface->mac)
        after->interface->mac = g_strdup(before->interface->mac);
    if (after->kind == CONF_DEVICE_DISK && !after->disk->device)
        after->disk->device = before->disk->device;
}

/* What only a running device has. */
static void
inherit_live(const ConfAnyDevice *before, ConfAnyDevice *after)
{
    if (after->kind == CONF_DEVICE_RAW)
        return;
    g_free(after->dev->alias);
    after->dev->alias = g_strdup(before->dev->alias);
    if (after->kind == CONF_DEVICE_INTERFACE && !after->interface->target)
        after->interface->target = g_strdup(before->interface->target);
}

static gboolean
is_other_medium(const ConfAnyDevice *before, const ConfAnyDevice *after)
{
    return after->kind == CONF_DEVICE_DISK && hv_disk_is_removable(after->disk) &&
           g_strcmp0(before->disk->source, after->disk->source) != 0;
}

/* A medium is put into a tray that closes on it, and taken out of one that stays open. */
static void
leave_tray(const ConfAnyDevice *before, ConfAnyDevice *after)
{
    const char *tray;

    if (after->kind != CONF_DEVICE_DISK || !hv_disk_is_removable(after->disk))
        return;
    if (is_other_medium(before, after))
        tray = after->disk->source ? NULL : "open";
    else
        tray = before->disk->target_tray;
    g_free(after->disk->target_tray);
    after->disk->target_tray = g_strdup(tray);
}

static gboolean
update_live(Change *change, const ConfAnyDevice *before, gboolean force, GError **error)
{
    HvHost *host = change->job->domain->host;
    gboolean ok;

    if (!host->ops->update_device || before->kind == CONF_DEVICE_LEASE)
        return set_no_hotplug(host, "changing", before, error);
    change->live = conf_device_copy(change->device);
    inherit_live(before, change->live);
    if (!find_volume(change, error) || !hv_locks_add(change->job, before, change->live, error))
        return FALSE;
    leave_tray(before, change->live);
    hv_job_enter_hook(change->job);
    ok = host->ops->update_device(host->engine, change->now->domid, change->now->live, before,
                                  change->live, force, error);
    if (!hv_job_leave_hook(change->job, error))
        return FALSE;
    if (!ok)
        hv_locks_drop(change->job, change->live, before);
    return ok;
}

/* Job held: the definition could not be written. */
static void
undo_update(Change *change, const ConfAnyDevice *before)
{
    HvDomain *domain = change->job->domain;
    HvHost *host = domain->host;
    g_autoptr(ConfDomain) changed = conf_domain_copy(change->now->live);
    g_autoptr(ConfAnyDevice) back = conf_device_copy(before);
    g_autoptr(GError) error = NULL;
    ConfAnyDevice found;

    if (!conf_domain_find_device(changed, before, &found, &error))
        return;
    conf_domain_replace_device(changed, &found, change->live);
    if (!conf_domain_find_device(changed, change->live, &found, &error) ||
        !host->ops->update_device(host->engine, change->now->domid, changed, &found, back, FALSE,
                                  &error))
        g_warning("the <%s> of domain '%s' is not as its definition says: %s",
                  conf_device_element(before), domain->name, error->message);
    else
        hv_locks_drop(change->job, change->live, before);
}

/* To a guest, another medium is a tray that opens and closes. */
static void
tell_of_medium(HvDomain *domain, const ConfAnyDevice *before, const ConfAnyDevice *after, int domid)
{
    if (!is_other_medium(before, after))
        return;
    if (g_strcmp0(before->disk->target_tray, "open") != 0)
        hv_event_post_tray(domain, alias_of(after), TRUE, domid);
    if (after->disk->source)
        hv_event_post_tray(domain, alias_of(after), FALSE, domid);
}

gboolean
hv_domain_update_device(HvDomain *domain, ConfAnyDevice *taken, unsigned affect, gboolean force,
                        GError **error)
{
    g_autoptr(ConfAnyDevice) device = taken;
    g_auto(Change) change = { .device = device };
    ConfAnyDevice live = { 0 }, config = { 0 };

    if (!change_begin(&change, domain, affect, error))
        return FALSE;
    if (live_def(&change) && !conf_domain_find_device(live_def(&change), device, &live, error))
        return FALSE;
    if (config_def(&change) &&
        !conf_domain_find_device(config_def(&change), device, &config, error))
        return FALSE;
    inherit(live.any ? &live : &config, device);
    conf_device_fill_defaults(device, live.any ? live_def(&change) : config_def(&change), NULL);
    if ((live.any && !check_update(&live, device, error)) ||
        (config.any && !check_update(&config, device, error)) ||
        (live.any && !update_live(&change, &live, force, error)))
        return FALSE;
    if (!hv_domain_edit(change.job, change.which, edit_update, &change, error)) {
        if (live.any)
            undo_update(&change, &live);
        return FALSE;
    }
    if (live.any) {
        hv_locks_drop(change.job, &live, change.live);
        log_device(domain, "changed", change.live);
        tell_of_medium(domain, &live, change.live, change.now->domid);
    }
    return TRUE;
}

/* ---- size ---- */

gboolean
hv_domain_block_resize(HvDomain *domain, const char *target_or_path, guint64 bytes, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Change) change = { 0 };
    const ConfDisk *disk;
    gboolean ok;

    if (!host->ops->block_resize) {
        hv_set_unsupported(error, host, "resizing a disk of a running domain");
        return FALSE;
    }
    if (!change_begin(&change, domain, HV_AFFECT_LIVE, error))
        return FALSE;
    disk = conf_domain_find_disk(change.now->live, target_or_path);
    if (!disk) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "invalid path: %s", target_or_path);
        return FALSE;
    }
    if (!disk->source || hv_disk_is_removable(disk)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "disk '%s' has no medium that could be resized", disk->target);
        return FALSE;
    }
    hv_job_enter_hook(change.job);
    ok = host->ops->block_resize(host->engine, change.now->domid, change.now->live, disk, bytes,
                                 error);
    return hv_job_leave_hook(change.job, error) && ok;
}

/* ---- a tray that moves ---- */

typedef struct Tray {
    const char *target;
    gboolean open;
} Tray;

static gboolean
edit_tray(ConfDomain *def, gpointer data, GError **error)
{
    const Tray *tray = data;
    ConfDisk *disk = (ConfDisk *)conf_domain_find_disk(def, tray->target);

    g_free(disk->target_tray);
    disk->target_tray = tray->open ? g_strdup("open") : NULL;
    return TRUE;
}

/* The medium stays in it. */
void
hv_domain_tray_moved(HvJob *job, const HvView *now, const ConfDisk *disk, gboolean open)
{
    HvDomain *domain = job->domain;
    Tray tray = { disk->target, open };
    g_autoptr(GError) error = NULL;

    if (!hv_disk_is_removable(disk))
        return;
    if (!hv_domain_edit(job, HV_AFFECT_LIVE, edit_tray, &tray, &error)) {
        g_warning("domain '%s': %s", domain->name, error->message);
        return;
    }
    hv_event_post_tray(domain, disk->dev.alias ? disk->dev.alias : "", open, now->domid);
}

/* ---- a threshold of what a guest writes ---- */

gboolean
hv_domain_set_block_threshold(HvDomain *domain, const char *target, guint64 bytes, GError **error)
{
    HvHost *host = domain->host;
    g_auto(Change) change = { 0 };
    const ConfDisk *disk;
    gboolean ok;

    if (!host->ops->set_block_threshold) {
        hv_set_unsupported(error, host, "watching how much a guest writes");
        return FALSE;
    }
    if (!change_begin(&change, domain, HV_AFFECT_LIVE, error))
        return FALSE;
    disk = conf_domain_find_disk(change.now->live, target);
    if (!disk || g_strcmp0(disk->target, target) != 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "block device '%s' doesn't exist",
                    target);
        return FALSE;
    }
    hv_job_enter_hook(change.job);
    ok = host->ops->set_block_threshold(host->engine, change.now->domid, disk, bytes, error);
    return hv_job_leave_hook(change.job, error) && ok;
}

/* ---- a guest that sets its clock ---- */

static gboolean
edit_clock(ConfDomain *def, gpointer data, GError **error)
{
    g_free(def->clock.adjustment);
    def->clock.adjustment = g_strdup_printf("%" G_GINT64_FORMAT, *(const gint64 *)data);
    return TRUE;
}

void
hv_domain_clock_set(HvJob *job, const HvView *now, gint64 offset)
{
    HvDomain *domain = job->domain;
    g_autoptr(GError) error = NULL;

    /* Only such a clock is to go on from where the guest has put it. */
    if (g_strcmp0(now->live->clock.offset, "variable") == 0 &&
        !hv_domain_edit(job, HV_AFFECT_LIVE, edit_clock, &offset, &error))
        g_warning("domain '%s': %s", domain->name, error->message);
    hv_event_post_clock(domain, offset, now->domid);
}
