/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool. Ordinary workers take any job, the oldest first; priority workers only high ones, which
 * never wait for a guest. So however many guests are stuck, list, lookup and close go on.
 *
 * A job goes straight into the hands of an idle worker, the one that slept least: its stack and
 * its scratch are still in the cache, and nobody is woken in vain.
 */
#include "lvd-transport.h"

typedef struct Worker Worker;
struct Worker {
    LvdWork *work;
    GThread *thread;
    gboolean priority; /* immutable */
    Worker *next_idle; /* [lock] */
    LvdJob *job;       /* [lock] handed over */
    GCond wake;
};

typedef struct Queue {
    LvdJob *head, **tail;
} Queue;

struct LvdWork {
    LvdWorkFunc func;  /* immutable */
    guint max_workers; /* immutable */
    GMutex lock;
    Queue high, low;              /* [lock] */
    guint64 next_number;          /* [lock] */
    Worker *idle, *idle_priority; /* [lock] stacks */
    guint n_workers;              /* [lock] ordinary ones */
    guint n_busy;                 /* [lock] workers inside func */
    gboolean waiting;             /* [lock] somebody waits for n_busy to be 0 */
    GCond calm;
    gboolean stopping;  /* [lock] */
    GError *failure;    /* [lock] the last thread that could not be made; NULL: none */
    GPtrArray *workers; /* [lock] all of them */
};

static void
queue_push(Queue *queue, LvdJob *job)
{
    job->next = NULL;
    *queue->tail = job;
    queue->tail = &job->next;
}

static LvdJob *
queue_pop(Queue *queue)
{
    LvdJob *job = queue->head;

    queue->head = job->next;
    if (!queue->head)
        queue->tail = &queue->head;
    return job;
}

static LvdJob *
take_locked(LvdWork *work, gboolean priority)
{
    if (priority)
        return work->high.head ? queue_pop(&work->high) : NULL;
    if (!work->low.head)
        return work->high.head ? queue_pop(&work->high) : NULL;
    if (work->high.head && work->high.head->number < work->low.head->number)
        return queue_pop(&work->high);
    return queue_pop(&work->low);
}

/* The next job of a worker that has nothing; NULL at the end. */
static LvdJob *
wait_locked(Worker *worker)
{
    LvdWork *work = worker->work;
    LvdJob *job = take_locked(work, worker->priority);
    Worker **stack = worker->priority ? &work->idle_priority : &work->idle;

    if (job || work->stopping)
        return job;
    worker->next_idle = *stack;
    *stack = worker;
    while (!worker->job && !work->stopping)
        g_cond_wait(&worker->wake, &work->lock);
    return g_steal_pointer(&worker->job);
}

static gpointer
worker_main(gpointer data)
{
    Worker *worker = data;
    LvdWork *work = worker->work;
    g_autofree guint8 *scratch = g_malloc(LVD_SCRATCH_SIZE);
    LvdJob *job;

    g_mutex_lock(&work->lock);
    while ((job = wait_locked(worker))) {
        work->n_busy++;
        g_mutex_unlock(&work->lock);
        work->func(job, scratch);
        g_mutex_lock(&work->lock);
        if (--work->n_busy == 0 && work->waiting)
            g_cond_signal(&work->calm);
    }
    g_mutex_unlock(&work->lock);
    return NULL;
}

static void
add_worker_locked(LvdWork *work, gboolean priority)
{
    g_autoptr(GError) error = NULL;
    Worker *worker = g_new0(Worker, 1);

    worker->work = work;
    worker->priority = priority;
    g_cond_init(&worker->wake);
    worker->thread = hv_thread_new(priority ? "lvd-prio" : "lvd-work", worker_main, worker, &error);
    if (!worker->thread) {
        if (!work->failure)
            g_warning("%s", error->message);
        g_clear_error(&work->failure);
        work->failure = g_steal_pointer(&error);
        g_cond_clear(&worker->wake);
        g_free(worker);
        return;
    }
    g_ptr_array_add(work->workers, worker);
    if (!priority)
        work->n_workers++;
}

LvdWork *
lvd_work_new(guint min_workers, guint max_workers, guint prio_workers, LvdWorkFunc func,
             GError **error)
{
    LvdWork *work = g_new0(LvdWork, 1);

    work->func = func;
    work->max_workers = MAX(MAX(min_workers, max_workers), 1);
    work->high.tail = &work->high.head;
    work->low.tail = &work->low.head;
    work->workers = g_ptr_array_new();
    g_mutex_init(&work->lock);
    g_cond_init(&work->calm);
    g_mutex_lock(&work->lock);
    for (guint i = 0; i < MAX(min_workers, 1); i++)
        add_worker_locked(work, FALSE);
    for (guint i = 0; i < prio_workers; i++)
        add_worker_locked(work, TRUE);
    g_mutex_unlock(&work->lock);
    if (work->n_workers > 0)
        return work;
    g_propagate_error(error, g_steal_pointer(&work->failure));
    lvd_work_free(work);
    return NULL;
}

void
lvd_work_push(LvdWork *work, LvdJob *job, gboolean high)
{
    Worker **stack, *worker;

    g_mutex_lock(&work->lock);
    stack = work->idle || !high ? &work->idle : &work->idle_priority;
    worker = *stack;
    job->number = work->next_number++;
    if (worker) {
        *stack = worker->next_idle;
        worker->job = job;
    } else {
        queue_push(high ? &work->high : &work->low, job);
        if (work->n_workers < work->max_workers)
            add_worker_locked(work, FALSE);
    }
    g_mutex_unlock(&work->lock);
    /* Without the lock, which is the first thing it wants. */
    if (worker)
        g_cond_signal(&worker->wake);
}

gboolean
lvd_work_wait(LvdWork *work, guint ms)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);
    gint64 until = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;

    work->waiting = TRUE;
    while (work->n_busy > 0 || work->high.head || work->low.head) {
        if (!g_cond_wait_until(&work->calm, &work->lock, until))
            return FALSE;
    }
    return TRUE;
}

void
lvd_work_free(LvdWork *work)
{
    if (!work)
        return;
    g_mutex_lock(&work->lock);
    work->stopping = TRUE;
    for (guint i = 0; i < work->workers->len; i++)
        g_cond_signal(&((Worker *)g_ptr_array_index(work->workers, i))->wake);
    g_mutex_unlock(&work->lock);
    /* Nobody pushes any more, so the array stays as it is. */
    for (guint i = 0; i < work->workers->len; i++) {
        Worker *worker = g_ptr_array_index(work->workers, i);

        g_thread_join(worker->thread);
        g_cond_clear(&worker->wake);
        g_free(worker);
    }
    g_ptr_array_unref(work->workers);
    g_clear_error(&work->failure);
    g_mutex_clear(&work->lock);
    g_cond_clear(&work->calm);
    g_free(work);
}
