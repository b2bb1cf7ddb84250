/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GLib's locks are futexes inside a library that ThreadSanitizer does not see into: every field
 * under a GMutex would look like a race. Preloaded into a test run, this tells ThreadSanitizer what
 * happens before what: after the GLib call that takes, an acquire; before the one that gives, a
 * release.
 *
 * In a process without ThreadSanitizer (a client that a test starts) it only passes on.
 */
#include <dlfcn.h>
#include <glib.h>

void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

static void
acquire(void *address)
{
    if (__tsan_acquire)
        __tsan_acquire(address);
}

static void
release(void *address)
{
    if (__tsan_release)
        __tsan_release(address);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* GIVE: others may see what we did. TAKE: we may see what they did. */
#define GIVE(name, type)                                                                           \
    void name(type *object)                                                                        \
    {                                                                                              \
        static __typeof__(&name) next;                                                             \
        if (!next)                                                                                 \
            next = NEXT(name);                                                                     \
        release(object);                                                                           \
        next(object);                                                                              \
    }
#define TAKE(name, type)                                                                           \
    void name(type *object)                                                                        \
    {                                                                                              \
        static __typeof__(&name) next;                                                             \
        if (!next)                                                                                 \
            next = NEXT(name);                                                                     \
        next(object);                                                                              \
        acquire(object);                                                                           \
    }
#define TRY(name, type)                                                                            \
    gboolean name(type *object)                                                                    \
    {                                                                                              \
        static __typeof__(&name) next;                                                             \
        gboolean taken;                                                                            \
        if (!next)                                                                                 \
            next = NEXT(name);                                                                     \
        taken = next(object);                                                                      \
        if (taken)                                                                                 \
            acquire(object);                                                                       \
        return taken;                                                                              \
    }

TAKE(g_mutex_lock, GMutex)
TRY(g_mutex_trylock, GMutex)
GIVE(g_mutex_unlock, GMutex)
TAKE(g_rec_mutex_lock, GRecMutex)
TRY(g_rec_mutex_trylock, GRecMutex)
GIVE(g_rec_mutex_unlock, GRecMutex)
TAKE(g_rw_lock_writer_lock, GRWLock)
GIVE(g_rw_lock_writer_unlock, GRWLock)
TAKE(g_rw_lock_reader_lock, GRWLock)
GIVE(g_rw_lock_reader_unlock, GRWLock)

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    release(mutex);
    NEXT(g_cond_wait)(cond, mutex);
    acquire(mutex);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    gboolean signalled;

    release(mutex);
    signalled = NEXT(g_cond_wait_until)(cond, mutex, end_time);
    acquire(mutex);
    return signalled;
}

/* ---- reference counts ---- */

/* The macros of the same names check types; what we replace is the functions. */
#undef g_atomic_ref_count_inc
#undef g_atomic_ref_count_dec
void
g_atomic_ref_count_inc(gatomicrefcount *count)
{
    NEXT(g_atomic_ref_count_inc)(count);
}

gboolean
g_atomic_ref_count_dec(gatomicrefcount *count)
{
    gboolean last;

    release(count);
    last = NEXT(g_atomic_ref_count_dec)(count);
    if (last)
        acquire(count);
    return last;
}

/* ---- once ---- */

#undef g_once_init_enter
#undef g_once_init_leave
gboolean
g_once_init_enter(volatile void *location)
{
    gboolean first = NEXT(g_once_init_enter)(location);

    acquire((void *)location);
    return first;
}

void
g_once_init_leave(volatile void *location, gsize result)
{
    release((void *)location);
    NEXT(g_once_init_leave)(location, result);
}

/* ---- queues ---- */

void
g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    release(queue);
    NEXT(g_async_queue_push)(queue, data);
}

gpointer
g_async_queue_pop(GAsyncQueue *queue)
{
    gpointer data = NEXT(g_async_queue_pop)(queue);

    acquire(queue);
    return data;
}

gpointer
g_async_queue_try_pop(GAsyncQueue *queue)
{
    gpointer data = NEXT(g_async_queue_try_pop)(queue);

    acquire(queue);
    return data;
}

gpointer
g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout)
{
    gpointer data = NEXT(g_async_queue_timeout_pop)(queue, timeout);

    acquire(queue);
    return data;
}

/* ---- functions that run later, on another thread ---- */

typedef struct Later {
    GSourceFunc source_func;
    GFunc func;
    gpointer data;
    GDestroyNotify notify;
} Later;

static gboolean
run_source(gpointer data)
{
    Later *later = data;

    acquire(later);
    return later->source_func(later->data);
}

static void
free_later(gpointer data)
{
    Later *later = data;

    acquire(later);
    if (later->notify)
        later->notify(later->data);
    g_free(later);
}

static Later *
later_new(GSourceFunc function, gpointer data, GDestroyNotify notify)
{
    Later *later = g_new0(Later, 1);

    later->source_func = function;
    later->data = data;
    later->notify = notify;
    release(later);
    return later;
}

void
g_main_context_invoke_full(GMainContext *context, gint priority, GSourceFunc function,
                           gpointer data, GDestroyNotify notify)
{
    NEXT(g_main_context_invoke_full)
    (context, priority, run_source, later_new(function, data, notify), free_later);
}

void
g_main_context_invoke(GMainContext *context, GSourceFunc function, gpointer data)
{
    g_main_context_invoke_full(context, G_PRIORITY_DEFAULT, function, data, NULL);
}

guint
g_idle_add_full(gint priority, GSourceFunc function, gpointer data, GDestroyNotify notify)
{
    return NEXT(g_idle_add_full)(priority, run_source, later_new(function, data, notify),
                                 free_later);
}

guint
g_idle_add(GSourceFunc function, gpointer data)
{
    return g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, function, data, NULL);
}

static void
run_in_pool(gpointer item, gpointer data)
{
    Later *later = data;

    acquire(later);
    later->func(item, later->data);
    release(later);
}

GThreadPool *
g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads, gboolean exclusive,
                  GError **error)
{
    Later *later = g_new0(Later, 1); /* lives as long as the process: a pool may be freed later */

    later->func = func;
    later->data = user_data;
    release(later);
    return NEXT(g_thread_pool_new)(run_in_pool, later, max_threads, exclusive, error);
}

gboolean
g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    release(pool->user_data);
    return NEXT(g_thread_pool_push)(pool, data, error);
}

void
g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait_)
{
    gpointer later = pool->user_data;

    NEXT(g_thread_pool_free)(pool, immediate, wait_);
    if (wait_)
        acquire(later);
}
