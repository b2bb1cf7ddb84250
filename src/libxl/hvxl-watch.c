/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-watch.h"

#include "hvxl-hooks.h"
#include "hvxl-monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How often a domain is looked at that somebody else is building: nothing tells of its end. One
 * that has not come to be after this long may never do so (who built it has died), and has as much
 * time as the rest. */
#define PENDING_MS 200
#define PENDING_S  60
/* One that stays paused counts as complete this long after its memory was built. */
#define PAUSED_COMPLETE_S 10
/* Nothing tells of a domain that somebody pauses either. */
#define IDLE_MS 5000
/* Domains that come wait for this long where a start of ours is under way or has just ended: most
 * are ours, and a start has better use for the time. */
#define CALM_MS 200
/* While xenstore does not answer. */
#define BLIND_MS 1000

#define NAME_TOKEN "name"
#define TOKEN_GONE "gone"

typedef struct Known {
    int domid;
    guint8 uuid[16];
    gboolean told;     /* libhv knows it, or will find it: not half built */
    gboolean foreign;  /* its maker has no XML of libvirt's there: xl, or who else */
    gboolean shutdown; /* told */
    int code;
    gboolean paused;
    gboolean dying;   /* told, or never will be */
    gboolean watched; /* its name is */
    gboolean quiet;   /* the next news of its name is that the watch was set */
    gsize record;     /* length of libxl's record at the look before; 0: none yet */
    guint born, seen; /* rounds */
    gint64 since;     /* monotonic: when it was seen first */
} Known;

struct HvxlWatch {
    HvEngine *engine;     /* immutable */
    struct xs_handle *xs; /* the thread's */
    gboolean blind;       /* the thread's: xenstore does not answer any more */
    int wake_fd;          /* immutable */
    GThread *thread;      /* immutable between new and free */
    gint stopping;        /* atomic */
    GMutex lock;          /* never held across a call of libxl, nor of the event function */
    GHashTable *known;    /* [lock] domain id -> Known */
    GHashTable *starting; /* [lock] set of uuids */
    gint64 started;       /* [lock] monotonic: when a start last ended */
    guint round;          /* [lock] of looking at all */
};

/* ---- is it complete? ---- */

/* xl writes its record of the domain early, and once more when all is there; it unpauses after
 * that. A domain that is created paused shows it by the second record, or by its age. */
static gboolean
is_complete(HvxlWatch *watch, HvxlCtx *ctx, Known *known, gboolean paused)
{
    g_autofree char *built = NULL;
    char uuid[37];
    gsize first = known->record;
    uint8_t *record = NULL;
    int len = 0;

    known->foreign = FALSE;
    if (libxl_userdata_retrieve(ctx->libxl, (uint32_t)known->domid, HVXL_USERDATA, &record, &len) ==
            0 &&
        record) {
        free(record);
        return TRUE;
    }
    known->foreign = TRUE;
    if (libxl_userdata_retrieve(ctx->libxl, (uint32_t)known->domid, "libxl-json", &record, &len) !=
            0 ||
        !record)
        return FALSE;
    free(record);
    known->record = (gsize)len;
    if (!paused || (first && known->record != first))
        return TRUE;
    conf_uuid_format(known->uuid, uuid);
    built = hvxl_xs_read(watch->engine, "/vm/%s/start_time", uuid); /* SECONDS.HUNDREDTHS */
    return built && time(NULL) - g_ascii_strtoll(built, NULL, 10) > PAUSED_COMPLETE_S;
}

/* ---- one round ---- */

static void
add_event(GArray *events, const Known *known, HvEngineEventKind kind)
{
    HvEngineEvent event = {
        .kind = kind,
        .domid = known->domid,
        .code = known->code,
        .foreign = known->foreign,
    };

    memcpy(event.uuid, known->uuid, sizeof(event.uuid));
    g_array_append_val(events, event);
}

/* [lock] The entry of this domain; NULL: a start of ours is about it. */
static Known *
know_locked(HvxlWatch *watch, const HvEngineDomain *seen, GArray *events)
{
    gpointer id = GINT_TO_POINTER(seen->domid);
    Known *known = g_hash_table_lookup(watch->known, id);

    if (known && memcmp(known->uuid, seen->uuid, sizeof(known->uuid)) != 0) {
        /* The id was used again within one round. */
        if (known->told && !known->dying)
            add_event(events, known, HV_ENGINE_EVENT_GONE);
        g_hash_table_remove(watch->known, id);
        known = NULL;
    }
    if (known)
        return known;
    if (g_hash_table_contains(watch->starting, seen->uuid))
        return NULL;
    known = g_new0(Known, 1);
    known->domid = seen->domid;
    memcpy(known->uuid, seen->uuid, sizeof(known->uuid));
    /* Nobody wants to know of a domain that was never there for long enough to be told of. */
    known->dying = seen->dying;
    known->paused = seen->paused;
    known->born = watch->round;
    known->since = g_get_monotonic_time();
    g_hash_table_insert(watch->known, id, known);
    return known;
}

/* [lock] */
static void
compare_locked(Known *known, const HvEngineDomain *seen, GArray *events)
{
    if (seen->dying) {
        if (!known->dying && known->told)
            add_event(events, known, HV_ENGINE_EVENT_GONE);
        known->dying = TRUE;
        return;
    }
    if (!known->told)
        return;
    if (seen->shutdown && (!known->shutdown || known->code != seen->shutdown_code)) {
        known->code = seen->shutdown_code;
        add_event(events, known, HV_ENGINE_EVENT_SHUTDOWN);
    } else if (!seen->shutdown && known->paused != seen->paused) {
        add_event(events, known, HV_ENGINE_EVENT_STATE);
    }
    known->shutdown = seen->shutdown;
    known->paused = seen->paused;
}

/* [lock] One that a start of ours added in this very round may be younger than the list. */
static void
drop_vanished_locked(HvxlWatch *watch, GArray *events, GArray *unwatch)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, watch->known);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Known *known = value;

        if (known->seen == watch->round || known->born == watch->round)
            continue;
        if (known->told && !known->dying)
            add_event(events, known, HV_ENGINE_EVENT_GONE);
        if (known->watched)
            g_array_append_val(unwatch, known->domid);
        g_hash_table_iter_remove(&iter);
    }
}

/* Looks at one domain. No lock is held while libxl is asked whether it is complete, so what is
 * known is looked up again after that. TRUE: somebody is building it. */
static gboolean
look_at(HvxlWatch *watch, HvxlCtx *ctx, const HvEngineDomain *seen, GArray *events)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&watch->lock);
    Known *known = know_locked(watch, seen, events);
    Known copy;

    if (!known)
        return FALSE;
    known->seen = watch->round;
    if (!known->told && !known->dying) {
        copy = *known;
        g_mutex_unlock(&watch->lock);
        copy.told = is_complete(watch, ctx, &copy, seen->paused);
        g_mutex_lock(&watch->lock);
        known = g_hash_table_lookup(watch->known, GINT_TO_POINTER(seen->domid));
        if (!known)
            return FALSE;
        *known = copy;
        if (copy.told)
            add_event(events, known, HV_ENGINE_EVENT_NEW);
    }
    compare_locked(known, seen, events);
    return !known->told && !known->dying &&
           g_get_monotonic_time() < known->since + PENDING_S * G_TIME_SPAN_SECOND;
}

/* [lock] All that were told, are not dying, and whose name is not watched yet. `quiet`: their names
 * are as libhv knows them. */
static void
take_unwatched_locked(HvxlWatch *watch, gboolean quiet, GArray *ids)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, watch->known);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Known *known = value;

        if (!known->told || known->dying || known->watched)
            continue;
        known->watched = TRUE;
        known->quiet = quiet;
        g_array_append_val(ids, known->domid);
    }
}

/* xenstore may take its time: no lock is held. */
static void
watch_names(HvxlWatch *watch, const GArray *ids, gboolean on)
{
    for (guint i = 0; i < ids->len; i++) {
        int domid = g_array_index(ids, int, i);
        g_autofree char *path = g_strdup_printf("/local/domain/%d/name", domid);

        if (!on)
            xs_unwatch(watch->xs, path, NAME_TOKEN);
        else if (!xs_watch(watch->xs, path, NAME_TOKEN))
            g_warning("cannot watch the name of domain id %d: %s", domid, g_strerror(errno));
    }
}

/* Device models of the domains that were there already, too. */
static void
listen_to_models(HvxlWatch *watch, const GArray *events)
{
    HvxlMonitors *monitors = watch->engine->monitors;

    for (guint i = 0; i < events->len; i++) {
        const HvEngineEvent *event = &g_array_index(events, HvEngineEvent, i);

        if (event->kind == HV_ENGINE_EVENT_NEW)
            hvxl_monitors_add(monitors, event->domid, event->uuid);
        else if (event->kind == HV_ENGINE_EVENT_GONE)
            hvxl_monitors_remove(monitors, event->domid);
    }
}

static void
tell_all(HvxlWatch *watch, const GArray *events)
{
    for (guint i = 0; i < events->len; i++)
        watch->engine->event(&g_array_index(events, HvEngineEvent, i), watch->engine->event_data);
}

/* Who has vanished, and whose name is to be watched. That is set before anything is told: what is
 * read for an event is not older than the watch. */
static void
finish_round(HvxlWatch *watch, gboolean tell, GArray *events)
{
    g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) fresh = g_array_new(FALSE, FALSE, sizeof(int));

    g_mutex_lock(&watch->lock);
    drop_vanished_locked(watch, events, gone);
    if (!watch->blind)
        take_unwatched_locked(watch, tell, fresh);
    g_mutex_unlock(&watch->lock);
    watch_names(watch, gone, FALSE);
    watch_names(watch, fresh, TRUE);
    listen_to_models(watch, events);
    if (tell)
        tell_all(watch, events);
}

/* Compares what is with what was. `tell`: not the first time, so that what is new came now. TRUE:
 * somebody is building a domain. */
static gboolean
look(HvxlWatch *watch, gboolean tell)
{
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(HvEngineEvent));
    g_autoptr(GError) error = NULL;
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(watch->engine, &error);
    g_autoptr(GArray) all = NULL;
    gboolean pending = FALSE;

    g_mutex_lock(&watch->lock);
    watch->round++;
    g_mutex_unlock(&watch->lock);
    all = ctx ? hvxl_seen_all(ctx, &error) : NULL;
    if (!all) {
        g_warning("cannot look which domains there are: %s", error->message);
        return TRUE;
    }
    for (guint i = 0; i < all->len; i++) {
        const HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);

        if (seen->domid != 0)
            pending |= look_at(watch, ctx, seen, events);
    }
    finish_round(watch, tell, events);
    return pending;
}

/* ---- names ---- */

/* A watch has fired: for the first time it tells that it was set, for the last that the domain is
 * gone. */
static void
name_changed(HvxlWatch *watch, const char *path)
{
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(HvEngineEvent));
    g_autofree char *name = NULL;
    Known *known;
    int domid;

    if (sscanf(path, "/local/domain/%d/name", &domid) != 1)
        return;
    name = hvxl_xs_read(watch->engine, "%s", path);
    g_mutex_lock(&watch->lock);
    known = g_hash_table_lookup(watch->known, GINT_TO_POINTER(domid));
    if (known && name && !known->quiet)
        add_event(events, known, HV_ENGINE_EVENT_NAME);
    if (known)
        known->quiet = FALSE;
    g_mutex_unlock(&watch->lock);
    tell_all(watch, events);
}

/* ---- the thread ---- */

/* FALSE: xenstore does not answer. `ret_news`: there is something to look at; a name is not, it is
 * removed while its domain is taken apart. `ret_gone`: a domain may have ended. */
static gboolean
drain(HvxlWatch *watch, gboolean *ret_news, gboolean *ret_gone)
{
    uint64_t count;
    char **event;
    ssize_t n;

    while ((n = read(watch->wake_fd, &count, sizeof(count))) < 0 && errno == EINTR)
        continue;
    *ret_news = n > 0;
    while ((event = xs_check_watch(watch->xs))) {
        if (g_str_equal(event[XS_WATCH_TOKEN], NAME_TOKEN))
            name_changed(watch, event[XS_WATCH_PATH]);
        else
            *ret_news = TRUE;
        if (g_str_equal(event[XS_WATCH_TOKEN], TOKEN_GONE))
            *ret_gone = TRUE;
        free(event);
    }
    return errno == EAGAIN;
}

static gboolean
is_calm(HvxlWatch *watch, gint64 now)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&watch->lock);

    return g_hash_table_size(watch->starting) == 0 && now >= watch->started + CALM_MS * 1000;
}

/* Whether to look at all domains now. Where that can wait `due`, when to look next, is moved. */
static gboolean
is_time(HvxlWatch *watch, gboolean news, gboolean gone, gint64 *due)
{
    gint64 now = g_get_monotonic_time();

    if (gone || now >= *due)
        return TRUE;
    if (!news)
        return FALSE;
    if (is_calm(watch, now))
        return TRUE;
    *due = MIN(*due, now + CALM_MS * 1000);
    return FALSE;
}

static gpointer
run(gpointer data)
{
    HvxlWatch *watch = data;
    gint64 due = g_get_monotonic_time() + PENDING_MS * 1000;

    while (!g_atomic_int_get(&watch->stopping)) {
        struct pollfd fds[] = {
            { .fd = watch->wake_fd, .events = POLLIN },
            { .fd = watch->blind ? -1 : xs_fileno(watch->xs), .events = POLLIN },
        };
        gint64 now = g_get_monotonic_time();
        gboolean news, gone = FALSE;

        poll(fds, G_N_ELEMENTS(fds), due > now ? (int)((due - now) / 1000 + 1) : 0);
        if (!drain(watch, &news, &gone) && !watch->blind) {
            g_warning("xenstore does not answer any more; domains are looked at once a second");
            watch->blind = TRUE;
        }
        if (is_time(watch, news, gone, &due) && !g_atomic_int_get(&watch->stopping)) {
            gint64 began = g_get_monotonic_time();
            gboolean pending = look(watch, TRUE);

            due = began + (watch->blind ? BLIND_MS : pending ? PENDING_MS : IDLE_MS) * 1000;
        }
    }
    return NULL;
}

static void
wake(HvxlWatch *watch)
{
    uint64_t one = 1;

    while (write(watch->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* ---- for the others ---- */

static guint
uuid_hash(gconstpointer uuid)
{
    guint32 word;

    memcpy(&word, uuid, sizeof(word));
    return word;
}

static gboolean
uuid_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, 16) == 0;
}

void
hvxl_watch_begin_start(HvxlWatch *watch, const guint8 uuid[16])
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&watch->lock);

    g_hash_table_add(watch->starting, g_memdup2(uuid, 16));
}

gboolean
hvxl_watch_is_starting(HvxlWatch *watch, const guint8 uuid[16])
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&watch->lock);

    return g_hash_table_contains(watch->starting, uuid);
}

void
hvxl_watch_end_start(HvxlWatch *watch, const guint8 uuid[16], int domid)
{
    g_mutex_lock(&watch->lock);
    g_hash_table_remove(watch->starting, uuid);
    watch->started = g_get_monotonic_time();
    if (domid >= 0) {
        Known *known = g_new0(Known, 1);

        known->domid = domid;
        memcpy(known->uuid, uuid, sizeof(known->uuid));
        known->told = TRUE;
        known->born = watch->round;
        g_hash_table_insert(watch->known, GINT_TO_POINTER(domid), known);
    }
    g_mutex_unlock(&watch->lock);
    if (domid >= 0)
        hvxl_monitors_add(watch->engine->monitors, domid, uuid);
    wake(watch);
}

gboolean
hvxl_watch_look(HvxlWatch *watch, HvEngineDomain *seen)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&watch->lock);
    const Known *known = g_hash_table_lookup(watch->known, GINT_TO_POINTER(seen->domid));

    if (known && memcmp(known->uuid, seen->uuid, sizeof(known->uuid)) == 0) {
        seen->foreign = known->foreign;
        return known->told;
    }
    return FALSE;
}

/* ---- life cycle ---- */

HvxlWatch *
hvxl_watch_new(HvEngine *engine, GError **error)
{
    HvxlWatch *watch = g_new0(HvxlWatch, 1);

    watch->engine = engine;
    watch->wake_fd = -1;
    g_mutex_init(&watch->lock);
    watch->known = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    watch->starting = g_hash_table_new_full(uuid_hash, uuid_equal, g_free, NULL);
    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch->xs = xs_open(0);
    if (watch->wake_fd < 0 || !watch->xs || !xs_watch(watch->xs, "@releaseDomain", TOKEN_GONE) ||
        !xs_watch(watch->xs, "@introduceDomain", "new")) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot listen to xenstore: %s",
                    g_strerror(errno));
        hvxl_watch_free(watch);
        return NULL;
    }
    /* What is there now is found by list(). */
    look(watch, FALSE);
    watch->thread = hv_thread_new("hvxl-watch", run, watch, error);
    if (!watch->thread)
        g_clear_pointer(&watch, hvxl_watch_free);
    return watch;
}

void
hvxl_watch_free(HvxlWatch *watch)
{
    if (!watch)
        return;
    if (watch->thread) {
        g_atomic_int_set(&watch->stopping, TRUE);
        wake(watch);
        g_thread_join(watch->thread);
    }
    if (watch->xs)
        xs_close(watch->xs);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    g_hash_table_unref(watch->known);
    g_hash_table_unref(watch->starting);
    g_mutex_clear(&watch->lock);
    g_free(watch);
}
