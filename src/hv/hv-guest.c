/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens without being asked for: a guest ends by itself, somebody else destroys it, a domain
 * appears.
 *
 * The engine's thread only queues. Each domain that has news has one worker, which may block on the
 * domain's job: order holds within a domain, and no domain waits for another.
 */
#include "hv-private.h"

/* More domains than this with something going on at once wait for a worker. */
#define MAX_WORKERS 256

typedef struct Inbox {
    guint8 uuid[16];
    GQueue events; /* [guests->lock] HvEngineEvent */
} Inbox;

struct HvGuests {
    HvHost *host; /* immutable; a worker holds a reference, we do not */
    GMutex lock;
    GCond changed;
    GHashTable *inboxes; /* [lock] uuid -> Inbox; there is a worker for each once started */
    gboolean started;    /* [lock] */
    gboolean stopping;   /* [lock] */
    HvCrew *crew;        /* immutable between start and stop */
};

static void
event_free(gpointer data)
{
    HvEngineEvent *event = data;

    g_clear_pointer(&event->graphics, hv_graphics_client_unref);
    g_free(event);
}

static void
inbox_free(gpointer data)
{
    Inbox *inbox = data;

    g_queue_clear_full(&inbox->events, event_free);
    g_free(inbox);
}

/* ---- how guests end ---- */

/* Xen's SHUTDOWN_* codes. */
enum { CODE_POWEROFF, CODE_REBOOT, CODE_SUSPEND, CODE_CRASH, CODE_WATCHDOG, CODE_SOFT_RESET };

typedef struct Ending {
    const char *what;
    const char *key;           /* of xl, in the definition's metadata: it has the last word */
    gsize action;              /* offset of the ConfAction in ConfDomain */
    ConfAction default_action; /* where the definition is silent */
    HvState state;             /* until it is destroyed, or for as long as it is preserved */
    HvReason state_reason;
    HvEventKind kept_event; /* when it is preserved */
    HvEventDetail kept_detail;
    HvReason reason; /* once it is destroyed */
    HvEventDetail detail;
    gboolean reboot;
} Ending;

#define GOING_DOWN                                                                                 \
    .state = HV_STATE_SHUTDOWN, .state_reason = HV_REASON_SHUTDOWN_USER,                           \
    .kept_event = HV_EVENT_SHUTDOWN, .kept_detail = HV_DETAIL_SHUTDOWN_FINISHED,                   \
    .reason = HV_REASON_SHUTOFF_SHUTDOWN, .detail = HV_DETAIL_STOPPED_SHUTDOWN
#define BROKEN_DOWN                                                                                \
    .state = HV_STATE_CRASHED, .state_reason = HV_REASON_CRASHED_PANICKED,                         \
    .kept_event = HV_EVENT_CRASHED, .kept_detail = HV_DETAIL_CRASHED_PANICKED,                     \
    .reason = HV_REASON_SHUTOFF_CRASHED, .detail = HV_DETAIL_STOPPED_CRASHED

static const Ending endings[] = {
    [CODE_POWEROFF] = { "powered off", "on_poweroff", G_STRUCT_OFFSET(ConfDomain, on_poweroff),
                        CONF_ACTION_DESTROY, GOING_DOWN },
    [CODE_REBOOT] = { "asked for a reboot", "on_reboot", G_STRUCT_OFFSET(ConfDomain, on_reboot),
                      CONF_ACTION_RESTART, GOING_DOWN, .reboot = TRUE },
    [CODE_SUSPEND] = { NULL },
    [CODE_CRASH] = { "crashed", "on_crash", G_STRUCT_OFFSET(ConfDomain, on_crash),
                     CONF_ACTION_DESTROY, BROKEN_DOWN },
    /* domXML has no on_watchdog: a guest that stopped to feed its watchdog counts as crashed. */
    [CODE_WATCHDOG] = { "was ended by its watchdog", "on_watchdog",
                        G_STRUCT_OFFSET(ConfDomain, on_crash), CONF_ACTION_DESTROY, BROKEN_DOWN },
    [CODE_SOFT_RESET] = { "asked for a soft reset", "on_soft_reset",
                          G_STRUCT_OFFSET(ConfDomain, on_reboot), CONF_ACTION_RESTART, GOING_DOWN,
                          .reboot = TRUE },
};

static void
publish_state(HvDomain *domain, HvState state, HvReason reason)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    next->state = state;
    next->reason = reason;
    hv_domain_publish(domain, next);
}

/* What only xl has a word for, see conf/conf-xlext.h. A soft reset is a restart here: the guest
 * comes up again, in new memory. */
static ConfAction
action_of_key(const Ending *ending, const ConfDomain *live)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(live, NULL);
    const char *word = ext ? conf_xl_keys_get(ext->keys, ending->key) : NULL;

    return g_strcmp0(word, "soft-reset") == 0 ? CONF_ACTION_RESTART : conf_action_parse(word);
}

static ConfAction
action_of(const Ending *ending, const ConfDomain *live)
{
    ConfAction action = action_of_key(ending, live);

    if (action == CONF_ACTION_ABSENT)
        action = G_STRUCT_MEMBER(ConfAction, live, ending->action);

    return action == CONF_ACTION_ABSENT ? ending->default_action : action;
}

static gboolean
is_restart(ConfAction action)
{
    return action == CONF_ACTION_RESTART || action == CONF_ACTION_RENAME_RESTART ||
           action == CONF_ACTION_COREDUMP_RESTART;
}

/* Job held. The guest makes room: TRUE when its name is free for the next one. */
static gboolean
clear_away(HvJob *job, const HvView *now, const Ending *ending, ConfAction action)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;

    if (action == CONF_ACTION_RENAME_RESTART) {
        if (hv_domain_preserve(job, now, ending->state, ending->state_reason, &error))
            return TRUE;
        g_warning("what is left of domain '%s' is not kept: %s", domain->name, error->message);
        g_clear_error(&error);
    }
    if (action == CONF_ACTION_COREDUMP_DESTROY || action == CONF_ACTION_COREDUMP_RESTART) {
        hv_job_become(job, HV_JOB_DUMP);
        if (!hv_domain_auto_dump(job, now->domid))
            return FALSE;
        hv_job_become(job, HV_JOB_STOP);
    }
    if (host->ops->destroy(host->engine, now->domid, &error))
        return TRUE;
    g_warning("the guest of domain '%s' %s, but what is left of it cannot be removed: %s",
              domain->name, ending->what, error->message);
    return FALSE;
}

/* Job held: it stays as it is, for everybody to look at. */
static void
keep_guest(HvJob *job, const HvView *now, const Ending *ending)
{
    hv_domain_set_state(job, ending->state, ending->state_reason);
    hv_event_post(job->domain, ending->kept_event, ending->kept_detail, now->domid);
}

/* Job held. */
static void
end_guest(HvJob *job, const HvView *now, const Ending *ending)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    ConfAction action = action_of(ending, now->live);
    g_autoptr(GError) error = NULL;

    hv_store_log(host->store, domain->name, "guest %s", ending->what);
    if (action == CONF_ACTION_PRESERVE) {
        keep_guest(job, now, ending);
        return;
    }
    publish_state(domain, ending->state, ending->state_reason);
    if (is_restart(action) && !hv_store_write_rebooting(host->store, now, &error)) {
        g_warning("domain '%s' reboots, which a restarted daemon may not know: %s", domain->name,
                  error->message);
        g_clear_error(&error);
    }
    if (!clear_away(job, now, ending, action))
        return;
    if (is_restart(action))
        hv_domain_boot_again(job, ending->reboot);
    else
        hv_domain_ended(job, ending->reason, ending->detail);
}

static HvWatchdogAction
watchdog_action(const HvView *now, gboolean foreign)
{
    ConfAction action = action_of(&endings[CODE_WATCHDOG], now->live);

    if (foreign)
        return HV_WATCHDOG_NONE;
    if (action == CONF_ACTION_PRESERVE)
        return HV_WATCHDOG_PAUSE;
    return is_restart(action) ? HV_WATCHDOG_RESET : HV_WATCHDOG_POWEROFF;
}

/* ---- one event ---- */

static void
guest_shut_down(HvJob *job, const HvView *now, const HvEngineEvent *event)
{
    int code = event->code;

    if (code < 0 || (gsize)code >= G_N_ELEMENTS(endings)) {
        g_warning("the guest of domain '%s' ended with a code that is not known, %d; it counts as "
                  "crashed",
                  job->domain->name, code);
        code = CODE_CRASH;
    }
    if (code == CODE_WATCHDOG)
        hv_event_post_watchdog(job->domain, watchdog_action(now, event->foreign), now->domid);
    /* Whoever started it destroys or restarts it: not two at once. */
    if (event->foreign)
        keep_guest(job, now, &endings[code]);
    else
        end_guest(job, now, &endings[code]);
}

/* What was kept for a while is gone now; its end was told before. */
static void
guest_gone(HvJob *job, const HvView *now)
{
    if (now->state == HV_STATE_SHUTDOWN)
        hv_domain_ended(job, HV_REASON_SHUTOFF_SHUTDOWN, HV_DETAIL_STOPPED_SHUTDOWN);
    else if (now->state == HV_STATE_CRASHED)
        hv_domain_ended(job, HV_REASON_SHUTOFF_CRASHED, HV_DETAIL_STOPPED_CRASHED);
    else
        hv_domain_ended(job, HV_REASON_SHUTOFF_DESTROYED, HV_DETAIL_STOPPED_DESTROYED);
}

/* FALSE: not there. */
static gboolean
find_seen(HvHost *host, int domid, HvEngineDomain *ret_seen, GError **error)
{
    g_autoptr(GArray) all = host->ops->list(host->engine, error);

    for (guint i = 0; all && i < all->len; i++) {
        *ret_seen = g_array_index(all, HvEngineDomain, i);
        if (ret_seen->domid == domid)
            return TRUE;
    }
    return FALSE;
}

static void
domain_appeared(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(GError) error = NULL;
    HvEngineDomain seen;

    if (find_seen(host, event->domid, &seen, &error))
        hv_reconcile_adopt(host, &seen);
    else if (error)
        g_warning("domain id %d appeared, but the hypervisor does not say what it is: %s",
                  event->domid, error->message);
}

/* Somebody else may have paused it. Where a job is under way the change is that job's, or is seen
 * after it. */
static void
state_changed(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, event->uuid);
    g_autoptr(HvJob) job = domain ? hv_job_begin_idle(domain, HV_JOB_MODIFY) : NULL;
    g_autoptr(HvView) now = NULL;
    HvEngineDomain seen;
    gboolean was_paused;

    if (!job)
        return;
    now = hv_domain_view(domain);
    was_paused = now->state == HV_STATE_PAUSED;
    if (now->domid != event->domid || (!was_paused && now->state != HV_STATE_RUNNING) ||
        !find_seen(host, event->domid, &seen, NULL) || seen.shutdown || seen.dying ||
        seen.paused == was_paused)
        return;
    if (seen.paused) {
        hv_domain_set_state(job, HV_STATE_PAUSED, HV_REASON_PAUSED_USER);
        hv_event_post(domain, HV_EVENT_SUSPENDED, HV_DETAIL_SUSPENDED_PAUSED, now->domid);
    } else {
        hv_domain_set_state(job, HV_STATE_RUNNING, HV_REASON_RUNNING_UNPAUSED);
        hv_event_post(domain, HV_EVENT_RESUMED, HV_DETAIL_RESUMED_UNPAUSED, now->domid);
    }
}

static void
domain_ended(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(HvDomain) domain = NULL;
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;

    /* Suspended: whoever has asked for that, a save or a client, goes on with it and is not to be
     * overtaken. */
    if (event->kind == HV_ENGINE_EVENT_SHUTDOWN && event->code == CODE_SUSPEND)
        return;
    domain = hv_registry_find(host, event->uuid);
    job = domain ? hv_job_begin_ended(domain, event->domid) : NULL;
    if (!job)
        return;
    now = hv_domain_view(domain);
    /* News of a domain that we have ended ourselves since, or replaced by its next start. */
    if (now->domid != event->domid)
        return;
    if (event->kind == HV_ENGINE_EVENT_GONE)
        guest_gone(job, now);
    else if (now->state != HV_STATE_SHUTDOWN && now->state != HV_STATE_CRASHED)
        guest_shut_down(job, now, event);
}

/* NULL: it has no such disk, or not any more. */
static const ConfDisk *
find_disk(HvHost *host, const HvView *now, const char *target)
{
    const ConfDisk *disk;

    if (host->ops->event_disk)
        return host->ops->event_disk(host->engine, now->domid, now->live, target);
    disk = conf_domain_find_disk(now->live, target);
    return disk && g_strcmp0(disk->target, target) == 0 ? disk : NULL;
}

/* What happens inside a domain that runs on. */
static void
guest_did(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, event->uuid);
    g_autoptr(HvJob) job = domain ? hv_job_begin(domain, HV_JOB_MODIFY, NULL) : NULL;
    g_autoptr(HvView) now = NULL;
    const ConfDisk *disk;

    if (!job)
        return;
    now = hv_domain_view(domain);
    if (now->domid != event->domid || !now->live)
        return;
    if (event->kind == HV_ENGINE_EVENT_CLOCK) {
        hv_domain_clock_set(job, now, event->value);
        return;
    }
    disk = find_disk(host, now, event->target);
    if (disk && event->kind == HV_ENGINE_EVENT_TRAY)
        hv_domain_tray_moved(job, now, disk, event->value != 0);
    else if (disk)
        hv_event_post_threshold(domain, disk, (guint64)event->value, event->excess, now->domid);
}

/* A device model that stops at an error does not stop the guest's CPUs: what they write then, to
 * whatever it emulates, is lost, and what they read is made up. */
static void
disk_failed(HvHost *host, HvDomain *domain, const HvView *now, const HvEngineEvent *event)
{
    const ConfDisk *disk = now->live ? find_disk(host, now, event->target) : NULL;
    g_autoptr(GError) error = NULL;

    if (disk)
        hv_event_post_io_error(domain, disk, (HvIoErrorAction)event->code, event->value != 0,
                               now->domid);
    if (event->code == HV_IO_ERROR_PAUSE && !hv_domain_suspend_failed(domain, event->domid, &error))
        g_warning("the device model of domain '%s' has stopped at an error of a disk, but the "
                  "domain cannot be paused: %s",
                  domain->name, error->message);
}

/* Whoever holds the domain's job may be the one that waits for it in vain: this is told at once. */
static void
device_model_told(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, event->uuid);
    g_autoptr(HvView) now = domain ? hv_domain_view(domain) : NULL;

    if (!now || now->domid != event->domid)
        return;
    if (event->kind == HV_ENGINE_EVENT_IO_ERROR)
        disk_failed(host, domain, now, event);
    else if (event->kind == HV_ENGINE_EVENT_GRAPHICS)
        hv_event_post_graphics(domain, event->graphics, now->domid);
    else
        hv_event_post(domain, HV_EVENT_CONTROL_ERROR, HV_DETAIL_NONE, now->domid);
}

static void
name_changed(HvHost *host, const HvEngineEvent *event)
{
    g_autoptr(HvDomain) domain = hv_registry_find(host, event->uuid);

    if (domain)
        hv_domain_follow_name(domain, event->domid);
}

static void
handle(HvHost *host, const HvEngineEvent *event)
{
    switch (event->kind) {
    case HV_ENGINE_EVENT_NEW:
        domain_appeared(host, event);
        break;
    case HV_ENGINE_EVENT_SHUTDOWN:
    case HV_ENGINE_EVENT_GONE:
        domain_ended(host, event);
        break;
    case HV_ENGINE_EVENT_STATE:
        state_changed(host, event);
        break;
    case HV_ENGINE_EVENT_NAME:
        name_changed(host, event);
        break;
    case HV_ENGINE_EVENT_TRAY:
    case HV_ENGINE_EVENT_CLOCK:
    case HV_ENGINE_EVENT_WRITTEN:
        guest_did(host, event);
        break;
    case HV_ENGINE_EVENT_IO_ERROR:
    case HV_ENGINE_EVENT_GRAPHICS:
    case HV_ENGINE_EVENT_LOST:
        device_model_told(host, event);
        break;
    case HV_N_ENGINE_EVENTS:
    default:
        g_warning("engine '%s' sent an event of unknown kind %d", host->ops->name, event->kind);
    }
}

/* ---- queues and workers ---- */

/* The next event of this inbox; NULL, and the inbox is gone, when there is none. */
static HvEngineEvent *
next_event(HvGuests *guests, Inbox *inbox)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&guests->lock);
    HvEngineEvent *event = guests->stopping ? NULL : g_queue_pop_head(&inbox->events);

    if (!event) {
        g_hash_table_remove(guests->inboxes, inbox->uuid);
        g_cond_broadcast(&guests->changed);
    }
    return event;
}

static void
work(gpointer data, gpointer user_data)
{
    HvGuests *guests = user_data;
    HvHost *host = guests->host;
    HvEngineEvent *event;

    while ((event = next_event(guests, data))) {
        handle(host, event);
        event_free(event);
    }
    hv_host_unref(host);
}

static void
employ_locked(HvGuests *guests, Inbox *inbox)
{
    hv_host_ref(guests->host);
    hv_crew_push(guests->crew, inbox);
}

/* An engine that lost the uuid along with the domain still knows its id. */
static void
resolve_uuid(HvHost *host, HvEngineEvent *event)
{
    static const guint8 none[16];
    g_autoptr(HvDomain) domain = NULL;

    if (memcmp(event->uuid, none, sizeof(none)) != 0)
        return;
    domain = hv_host_lookup_id(host, event->domid, NULL);
    if (domain)
        memcpy(event->uuid, domain->uuid, sizeof(event->uuid));
}

void
hv_guests_engine_event(const HvEngineEvent *event, gpointer data)
{
    HvGuests *guests = data;
    HvEngineEvent *copy = g_memdup2(event, sizeof(*event));
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;
    Inbox *inbox;
    gboolean is_new;

    if (copy->graphics)
        hv_graphics_client_ref(copy->graphics);
    resolve_uuid(guests->host, copy);
    locker = g_mutex_locker_new(&guests->lock);
    if (guests->stopping) {
        event_free(copy);
        return;
    }
    inbox = g_hash_table_lookup(guests->inboxes, copy->uuid);
    is_new = !inbox;
    if (is_new) {
        inbox = g_new0(Inbox, 1);
        memcpy(inbox->uuid, copy->uuid, sizeof(inbox->uuid));
        g_queue_init(&inbox->events);
        g_hash_table_insert(guests->inboxes, inbox->uuid, inbox);
    }
    g_queue_push_tail(&inbox->events, copy);
    if (is_new && guests->started)
        employ_locked(guests, inbox);
}

void
hv_guests_look_again(HvDomain *domain)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvEngineEvent event = { .kind = HV_ENGINE_EVENT_STATE, .domid = now->domid };

    memcpy(event.uuid, domain->uuid, sizeof(event.uuid));
    if (now->domid >= 0)
        hv_guests_engine_event(&event, domain->host->guests);
}

HvGuests *
hv_guests_new(HvHost *host)
{
    HvGuests *guests = g_new0(HvGuests, 1);

    guests->host = host;
    g_mutex_init(&guests->lock);
    g_cond_init(&guests->changed);
    guests->inboxes = g_hash_table_new_full(hv_uuid_hash, hv_uuid_equal, NULL, inbox_free);
    return guests;
}

gboolean
hv_guests_start(HvGuests *guests, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&guests->lock);
    GHashTableIter iter;
    gpointer inbox;

    guests->crew = hv_crew_new("hv-guests", MAX_WORKERS, work, guests, error);
    if (!guests->crew)
        return FALSE;
    guests->started = TRUE;
    g_hash_table_iter_init(&iter, guests->inboxes);
    while (g_hash_table_iter_next(&iter, NULL, &inbox))
        employ_locked(guests, inbox);
    return TRUE;
}

gboolean
hv_guests_stop(HvGuests *guests, guint wait_ms)
{
    gint64 deadline = g_get_monotonic_time() + wait_ms * G_TIME_SPAN_MILLISECOND;
    gboolean idle = TRUE;

    g_mutex_lock(&guests->lock);
    guests->stopping = TRUE;
    if (!guests->started)
        g_hash_table_remove_all(guests->inboxes);
    while (idle && g_hash_table_size(guests->inboxes) > 0)
        idle = g_cond_wait_until(&guests->changed, &guests->lock, deadline);
    idle = g_hash_table_size(guests->inboxes) == 0;
    g_mutex_unlock(&guests->lock);
    hv_crew_free(g_steal_pointer(&guests->crew), idle);
    return idle;
}

void
hv_guests_free(HvGuests *guests)
{
    if (!guests)
        return;
    g_hash_table_unref(guests->inboxes);
    g_mutex_clear(&guests->lock);
    g_cond_clear(&guests->changed);
    g_free(guests);
}
