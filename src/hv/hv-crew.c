/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that can be had or not. A GThreadPool will not do: it starts a thread of its own and ends
 * the process where it gets none, and what is pushed into an empty one stays there.
 */
#include "hv-private.h"

/* How long a thread waits for more to do. The last one waits for ever. */
#define KEEP_US (15 * G_USEC_PER_SEC)

struct HvCrew {
    gatomicrefcount refs; /* one of the owner, one a thread */
    const char *name;     /* immutable */
    guint max_threads;    /* immutable */
    HvCrewFunc func;      /* immutable */
    gpointer data;        /* immutable */
    GMutex lock;
    GCond changed;
    GQueue items;        /* [lock] */
    guint n_threads;     /* [lock] */
    guint n_idle;        /* [lock] those that wait for an item */
    gboolean ending;     /* [lock] */
    gboolean complained; /* [lock] about a thread that could not be made */
};

GThread *
hv_thread_new(const char *name, GThreadFunc func, gpointer data, GError **error)
{
    g_autoptr(GError) local = NULL;
    GThread *thread = g_thread_try_new(name, func, data, &local);

    if (!thread)
        g_set_error(error, HV_ERROR, HV_ERROR_INTERNAL,
                    "no thread '%s' is to be had (%s); raise the limit of tasks: TasksMax= and "
                    "LimitNPROC= of the unit, ulimit -u, kernel.threads-max",
                    name, local->message);
    return thread;
}

static void
crew_unref(HvCrew *crew)
{
    if (!g_atomic_ref_count_dec(&crew->refs))
        return;
    g_mutex_clear(&crew->lock);
    g_cond_clear(&crew->changed);
    g_free(crew);
}

/* Waits for an item. FALSE: this thread is not needed any more. */
static gboolean
wait_locked(HvCrew *crew)
{
    gint64 until = g_get_monotonic_time() + KEEP_US;
    gboolean kept = TRUE;

    while (g_queue_is_empty(&crew->items)) {
        if (crew->ending || (!kept && crew->n_threads > 1))
            return FALSE;
        crew->n_idle++;
        if (crew->n_threads > 1)
            kept = g_cond_wait_until(&crew->changed, &crew->lock, until);
        else
            g_cond_wait(&crew->changed, &crew->lock);
        crew->n_idle--;
    }
    return TRUE;
}

static gpointer
work(gpointer data)
{
    HvCrew *crew = data;

    g_mutex_lock(&crew->lock);
    while (wait_locked(crew)) {
        gpointer item = g_queue_pop_head(&crew->items);

        g_mutex_unlock(&crew->lock);
        crew->func(item, crew->data);
        g_mutex_lock(&crew->lock);
    }
    crew->n_threads--;
    g_cond_broadcast(&crew->changed);
    g_mutex_unlock(&crew->lock);
    crew_unref(crew);
    return NULL;
}

static gboolean
add_thread_locked(HvCrew *crew, GError **error)
{
    GThread *thread;

    g_atomic_ref_count_inc(&crew->refs);
    thread = hv_thread_new(crew->name, work, crew, error);
    if (!thread) {
        (void)!g_atomic_ref_count_dec(&crew->refs); /* not the last one */
        return FALSE;
    }
    g_thread_unref(thread);
    crew->n_threads++;
    return TRUE;
}

HvCrew *
hv_crew_new(const char *name, guint max_threads, HvCrewFunc func, gpointer data, GError **error)
{
    HvCrew *crew = g_new0(HvCrew, 1);
    gboolean ok;

    g_atomic_ref_count_init(&crew->refs);
    g_mutex_init(&crew->lock);
    g_cond_init(&crew->changed);
    crew->name = name;
    crew->max_threads = max_threads;
    crew->func = func;
    crew->data = data;
    g_mutex_lock(&crew->lock);
    ok = add_thread_locked(crew, error);
    g_mutex_unlock(&crew->lock);
    if (ok)
        return crew;
    crew_unref(crew);
    return NULL;
}

void
hv_crew_push(HvCrew *crew, gpointer item)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&crew->lock);
    g_autoptr(GError) error = NULL;

    g_queue_push_tail(&crew->items, item);
    if (g_queue_get_length(&crew->items) <= crew->n_idle) {
        g_cond_signal(&crew->changed);
    } else if (crew->n_threads < crew->max_threads && !add_thread_locked(crew, &error)) {
        if (!crew->complained)
            g_warning("%s; what it was for waits", error->message);
        crew->complained = TRUE;
    }
}

void
hv_crew_free(HvCrew *crew, gboolean wait)
{
    if (!crew)
        return;
    g_mutex_lock(&crew->lock);
    crew->ending = TRUE;
    g_cond_broadcast(&crew->changed);
    while (wait && crew->n_threads > 0)
        g_cond_wait(&crew->changed, &crew->lock);
    g_mutex_unlock(&crew->lock);
    crew_unref(crew);
}
