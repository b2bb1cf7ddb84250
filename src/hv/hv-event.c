/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events on their way to listeners: one queue, one dispatcher thread, so the order of posting is
 * the order of delivery. */
#include "hv-private.h"

typedef struct Listener {
    gatomicrefcount refs;
    guint id; /* immutable */
    HvEventFunc func;
    gpointer data;
    gboolean gone; /* [events->lock] */
} Listener;

typedef struct Item {
    HvEvent event; /* its strings belong to the item */
    char *name, *uri, *device, *path;
} Item;

struct HvEvents {
    HvHost *host; /* immutable; not owned: the host joins the dispatcher before it goes */
    GMutex lock;  /* never held while a listener runs */
    GCond changed;
    GQueue queue;         /* [lock] Item */
    GPtrArray *listeners; /* [lock] Listener */
    guint last_id;        /* [lock] */
    Listener *running;    /* [lock] the listener that is being called */
    gboolean stopping;    /* [lock] */
    GThread *thread;      /* immutable between start and stop */
};

static void
listener_unref(Listener *listener)
{
    if (g_atomic_ref_count_dec(&listener->refs))
        g_free(listener);
}

static gpointer
listener_ref(gconstpointer data, gpointer unused)
{
    Listener *listener = (gpointer)data;

    g_atomic_ref_count_inc(&listener->refs);
    return listener;
}

static void
item_free(Item *item)
{
    g_free(item->name);
    g_free(item->uri);
    g_free(item->device);
    g_free(item->path);
    g_clear_pointer(&item->event.params, g_ptr_array_unref);
    g_clear_pointer(&item->event.graphics, hv_graphics_client_unref);
    g_free(item);
}

HvEvents *
hv_events_new(HvHost *host)
{
    HvEvents *events = g_new0(HvEvents, 1);

    events->host = host;
    g_mutex_init(&events->lock);
    g_cond_init(&events->changed);
    g_queue_init(&events->queue);
    events->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)listener_unref);
    return events;
}

void
hv_events_free(HvEvents *events)
{
    if (!events)
        return;
    g_assert(!events->thread);
    g_queue_clear_full(&events->queue, (GDestroyNotify)item_free);
    g_ptr_array_unref(events->listeners);
    g_mutex_clear(&events->lock);
    g_cond_clear(&events->changed);
    g_free(events);
}

static void
call_listener(HvEvents *events, Listener *listener, const HvEvent *event)
{
    g_mutex_lock(&events->lock);
    if (listener->gone) {
        g_mutex_unlock(&events->lock);
        return;
    }
    events->running = listener;
    g_mutex_unlock(&events->lock);

    listener->func(events->host, event, listener->data);

    g_mutex_lock(&events->lock);
    events->running = NULL;
    g_cond_broadcast(&events->changed);
    g_mutex_unlock(&events->lock);
}

/* The next item and who hears it; NULL when there is none and none will come. */
static Item *
next_item(HvEvents *events, GPtrArray **ret_listeners)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&events->lock);

    while (g_queue_is_empty(&events->queue)) {
        if (events->stopping)
            return NULL;
        g_cond_wait(&events->changed, &events->lock);
    }
    *ret_listeners = g_ptr_array_copy(events->listeners, listener_ref, NULL);
    g_ptr_array_set_free_func(*ret_listeners, (GDestroyNotify)listener_unref);
    return g_queue_pop_head(&events->queue);
}

static gpointer
dispatch(gpointer data)
{
    HvEvents *events = data;
    GPtrArray *listeners;
    Item *item;

    while ((item = next_item(events, &listeners))) {
        for (guint i = 0; i < listeners->len; i++)
            call_listener(events, g_ptr_array_index(listeners, i), &item->event);
        g_ptr_array_unref(listeners);
        item_free(item);
    }
    return NULL;
}

gboolean
hv_events_start(HvEvents *events, GError **error)
{
    g_assert(!events->thread);
    events->thread = hv_thread_new("hv-events", dispatch, events, error);
    return events->thread != NULL;
}

void
hv_events_stop(HvEvents *events)
{
    g_mutex_lock(&events->lock);
    events->stopping = TRUE;
    g_cond_broadcast(&events->changed);
    g_mutex_unlock(&events->lock);
    g_clear_pointer(&events->thread, g_thread_join);
}

guint
hv_host_add_listener(HvHost *host, HvEventFunc func, gpointer data)
{
    HvEvents *events = host->events;
    Listener *listener = g_new0(Listener, 1);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&events->lock);

    g_atomic_ref_count_init(&listener->refs);
    listener->id = ++events->last_id;
    listener->func = func;
    listener->data = data;
    g_ptr_array_add(events->listeners, listener);
    return listener->id;
}

void
hv_host_remove_listener(HvHost *host, guint id)
{
    HvEvents *events = host->events;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&events->lock);

    g_assert(g_thread_self() != events->thread);
    for (guint i = 0; i < events->listeners->len; i++) {
        Listener *listener = g_ptr_array_index(events->listeners, i);

        if (listener->id != id)
            continue;
        listener->gone = TRUE;
        while (events->running == listener)
            g_cond_wait(&events->changed, &events->lock);
        /* Other removals may have moved it while we waited. */
        g_ptr_array_remove(events->listeners, listener);
        return;
    }
}

/* ---- posting ---- */

static void
post(HvDomain *domain, const HvEvent *event, const char *uri)
{
    HvEvents *events = domain->host->events;
    Item *item = g_new0(Item, 1);

    item->event = *event;
    item->event.name = item->name = g_strdup(domain->name);
    item->event.metadata_uri = item->uri = g_strdup(uri);
    item->event.device = item->device = g_strdup(event->device);
    item->event.path = item->path = g_strdup(event->path);
    memcpy(item->event.uuid, domain->uuid, sizeof(item->event.uuid));

    g_mutex_lock(&events->lock);
    g_queue_push_tail(&events->queue, item);
    g_cond_broadcast(&events->changed);
    g_mutex_unlock(&events->lock);
}

void
hv_event_post(HvDomain *domain, HvEventKind kind, HvEventDetail detail, int domid)
{
    post(domain, &(HvEvent){ .kind = kind, .detail = detail, .domid = domid }, NULL);
}

void
hv_event_post_metadata(HvDomain *domain, HvMetadata type, const char *uri, int domid)
{
    post(domain,
         &(HvEvent){ .kind = HV_EVENT_METADATA_CHANGE, .metadata_type = type, .domid = domid },
         uri);
}

void
hv_event_post_balloon(HvDomain *domain, guint64 memory_kib, int domid)
{
    post(domain,
         &(HvEvent){ .kind = HV_EVENT_BALLOON_CHANGE, .memory_kib = memory_kib, .domid = domid },
         NULL);
}

void
hv_event_post_device(HvDomain *domain, HvEventKind kind, const char *alias, int domid)
{
    post(domain, &(HvEvent){ .kind = kind, .device = alias, .domid = domid }, NULL);
}

void
hv_event_post_tray(HvDomain *domain, const char *alias, gboolean open, int domid)
{
    post(domain,
         &(HvEvent){
             .kind = HV_EVENT_TRAY_CHANGE, .device = alias, .tray_open = open, .domid = domid },
         NULL);
}

void
hv_event_post_clock(HvDomain *domain, gint64 offset, int domid)
{
    post(domain, &(HvEvent){ .kind = HV_EVENT_RTC_CHANGE, .offset = offset, .domid = domid }, NULL);
}

void
hv_event_post_watchdog(HvDomain *domain, HvWatchdogAction action, int domid)
{
    post(domain, &(HvEvent){ .kind = HV_EVENT_WATCHDOG, .watchdog = action, .domid = domid }, NULL);
}

void
hv_event_post_missing(HvDomain *domain, const HvMissing *missing, int domid)
{
    post(domain,
         &(HvEvent){ .kind = HV_EVENT_DISK_CHANGE,
                     .device = missing->alias,
                     .path = missing->path,
                     .dropped = missing->dropped,
                     .domid = domid },
         NULL);
}

void
hv_event_post_threshold(HvDomain *domain, const ConfDisk *disk, guint64 threshold, guint64 excess,
                        int domid)
{
    post(domain,
         &(HvEvent){ .kind = HV_EVENT_BLOCK_THRESHOLD,
                     .device = disk->target,
                     .path = disk->source,
                     .threshold = threshold,
                     .excess = excess,
                     .domid = domid },
         NULL);
}

/* Who has registered for the reason wants no other event of it. */
void
hv_event_post_io_error(HvDomain *domain, const ConfDisk *disk, HvIoErrorAction action,
                       gboolean no_space, int domid)
{
    HvEvent event = {
        .kind = HV_EVENT_IO_ERROR,
        .device = disk->dev.alias,
        .path = disk->source,
        .io_error = action,
        .no_space = no_space,
        .domid = domid,
    };

    post(domain, &event, NULL);
    event.kind = HV_EVENT_IO_ERROR_REASON;
    post(domain, &event, NULL);
}

void
hv_event_post_graphics(HvDomain *domain, HvGraphicsClient *client, int domid)
{
    post(domain,
         &(HvEvent){ .kind = HV_EVENT_GRAPHICS,
                     .graphics = hv_graphics_client_ref(client),
                     .domid = domid },
         NULL);
}

/* ---- values that were tuned, jobs that are over ---- */

static void
param_free(gpointer data)
{
    HvEventParam *param = data;

    g_free(param->field);
    g_free(param->text);
    g_free(param);
}

GPtrArray *
hv_event_params_new(void)
{
    return g_ptr_array_new_with_free_func(param_free);
}

void
hv_event_params_add(GPtrArray *params, const char *field, char *text, guint64 number)
{
    HvEventParam *param = g_new0(HvEventParam, 1);

    param->field = g_strdup(field);
    param->text = text;
    param->number = number;
    g_ptr_array_add(params, param);
}

void
hv_event_post_params(HvDomain *domain, HvEventKind kind, GPtrArray *params, int domid)
{
    post(domain, &(HvEvent){ .kind = kind, .params = g_ptr_array_ref(params), .domid = domid },
         NULL);
}

void
hv_event_post_job(HvDomain *domain, const HvJobInfo *job, int domid)
{
    post(domain, &(HvEvent){ .kind = HV_EVENT_JOB_COMPLETED, .job = *job, .domid = domid }, NULL);
}
