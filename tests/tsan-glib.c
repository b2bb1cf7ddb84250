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

#define WEAK __attribute__((weak))

void __tsan_acquire(void *address) WEAK;
void __tsan_release(void *address) WEAK;
void __tsan_mutex_pre_lock(void *address, unsigned flags) WEAK;
void __tsan_mutex_post_lock(void *address, unsigned flags, int recursion) WEAK;
int __tsan_mutex_pre_unlock(void *address, unsigned flags) WEAK;
void __tsan_mutex_post_unlock(void *address, unsigned flags) WEAK;
void __tsan_mutex_destroy(void *address, unsigned flags) WEAK;

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

/* ---- locks ---- */

/* ThreadSanitizer's words for a lock: with these it also tells of two that are taken in both
 * orders. */
enum {
    REENTRANT = 1 << 1,
    READ = 1 << 3,
    TRY = 1 << 4,
    TRY_FAILED = 1 << 5,
};

static void
before_take(void *lock, unsigned flags)
{
    if (__tsan_mutex_pre_lock)
        __tsan_mutex_pre_lock(lock, flags);
}

static void
after_take(void *lock, unsigned flags)
{
    if (__tsan_mutex_post_lock)
        __tsan_mutex_post_lock(lock, flags, 1);
}

static void
before_give(void *lock, unsigned flags)
{
    if (__tsan_mutex_pre_unlock)
        __tsan_mutex_pre_unlock(lock, flags);
}

static void
after_give(void *lock, unsigned flags)
{
    if (__tsan_mutex_post_unlock)
        __tsan_mutex_post_unlock(lock, flags);
}

#define FIND(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!next)                                                                                     \
    next = NEXT(name)

#define GIVE(name, type, flags)                                                                    \
    void name(type *lock)                                                                          \
    {                                                                                              \
        FIND(name);                                                                                \
        before_give(lock, flags);                                                                  \
        next(lock);                                                                                \
        after_give(lock, flags);                                                                   \
    }
#define TAKE(name, type, flags)                                                                    \
    void name(type *lock)                                                                          \
    {                                                                                              \
        FIND(name);                                                                                \
        before_take(lock, flags);                                                                  \
        next(lock);                                                                                \
        after_take(lock, flags);                                                                   \
    }
#define TRY_TAKE(name, type, flags)                                                                \
    gboolean name(type *lock)                                                                      \
    {                                                                                              \
        gboolean taken;                                                                            \
        FIND(name);                                                                                \
        before_take(lock, flags | TRY);                                                            \
        taken = next(lock);                                                                        \
        after_take(lock, flags | TRY | (taken ? 0 : TRY_FAILED));                                  \
        return taken;                                                                              \
    }
#define END(name, type)                                                                            \
    void name(type *lock)                                                                          \
    {                                                                                              \
        FIND(name);                                                                                \
        if (__tsan_mutex_destroy)                                                                  \
            __tsan_mutex_destroy(lock, 0);                                                         \
        next(lock);                                                                                \
    }

TAKE(g_mutex_lock, GMutex, 0)
TRY_TAKE(g_mutex_trylock, GMutex, 0)
GIVE(g_mutex_unlock, GMutex, 0)
END(g_mutex_clear, GMutex)
TAKE(g_rec_mutex_lock, GRecMutex, REENTRANT)
TRY_TAKE(g_rec_mutex_trylock, GRecMutex, REENTRANT)
GIVE(g_rec_mutex_unlock, GRecMutex, REENTRANT)
END(g_rec_mutex_clear, GRecMutex)
TAKE(g_rw_lock_writer_lock, GRWLock, 0)
GIVE(g_rw_lock_writer_unlock, GRWLock, 0)
TAKE(g_rw_lock_reader_lock, GRWLock, READ)
GIVE(g_rw_lock_reader_unlock, GRWLock, READ)
END(g_rw_lock_clear, GRWLock)

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    before_give(mutex, 0);
    after_give(mutex, 0);
    NEXT(g_cond_wait)(cond, mutex);
    before_take(mutex, 0);
    after_take(mutex, 0);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    gboolean signalled;

    before_give(mutex, 0);
    after_give(mutex, 0);
    signalled = NEXT(g_cond_wait_until)(cond, mutex, end_time);
    before_take(mutex, 0);
    after_take(mutex, 0);
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
