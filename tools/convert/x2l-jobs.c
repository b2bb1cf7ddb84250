/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversion in threads. Who is free takes the next few inputs; the results are handed out in the
 * order of the inputs, so that the output does not depend on the number of threads.
 */
#include "x2l.h"

#define BATCH     16   /* inputs that a thread takes at a time */
#define MAX_AHEAD 4096 /* results that wait for an earlier one: bounds the memory */
#define FEW       8    /* inputs for which no thread is worth its start */
#define MAX_JOBS  256

typedef struct Jobs {
    const GPtrArray *inputs;   /* immutable */
    const X2lOptions *options; /* immutable */
    GMutex lock;               /* never held over a conversion */
    GCond changed;             /* [lock] something was done, or taken */
    X2lResult **results;       /* [lock] NULL: not there yet, or taken */
    guint next;                /* [lock] input that nobody has begun */
    guint taken;               /* [lock] results that were handed out */
} Jobs;

static guint
begin(Jobs *jobs, guint *ret_end)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&jobs->lock);
    guint start;

    while (jobs->next < jobs->inputs->len && jobs->next >= jobs->taken + MAX_AHEAD)
        g_cond_wait(&jobs->changed, &jobs->lock);
    start = jobs->next;
    jobs->next = MIN(jobs->next + BATCH, jobs->inputs->len);
    *ret_end = jobs->next;
    return start;
}

static gpointer
work(gpointer data)
{
    Jobs *jobs = data;
    guint end, start;

    while ((start = begin(jobs, &end)) < end) {
        X2lResult *done[BATCH];

        for (guint i = start; i < end; i++)
            done[i - start] = x2l_convert(jobs->inputs->pdata[i], jobs->options);
        g_mutex_lock(&jobs->lock);
        memcpy(jobs->results + start, done, (end - start) * sizeof *done);
        g_cond_broadcast(&jobs->changed);
        g_mutex_unlock(&jobs->lock);
    }
    return NULL;
}

static X2lResult *
wait_for(Jobs *jobs, guint index)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&jobs->lock);

    while (!jobs->results[index])
        g_cond_wait(&jobs->changed, &jobs->lock);
    jobs->taken = index + 1;
    g_cond_broadcast(&jobs->changed);
    return g_steal_pointer(&jobs->results[index]);
}

static guint
count_jobs(const GPtrArray *inputs, const X2lOptions *options)
{
    guint jobs = options->jobs ? options->jobs : g_get_num_processors();

    if (inputs->len <= FEW || options->extract_dir) /* disks come one after another */
        return 1;
    return MIN(MIN(jobs, MAX_JOBS), (inputs->len + BATCH - 1) / BATCH);
}

void
x2l_convert_all(const GPtrArray *inputs, const X2lOptions *options, X2lTakeFunc take, gpointer data)
{
    guint n_threads = 0, n = count_jobs(inputs, options);
    g_autofree GThread **threads = g_new0(GThread *, n);
    Jobs jobs = { .inputs = inputs, .options = options };

    g_mutex_init(&jobs.lock);
    g_cond_init(&jobs.changed);
    jobs.results = g_new0(X2lResult *, inputs->len);
    while (n > 1 && n_threads < n &&
           (threads[n_threads] = g_thread_try_new("x2l-convert", work, &jobs, NULL)))
        n_threads++;
    for (guint i = 0; i < inputs->len; i++)
        take(n_threads > 0 ? wait_for(&jobs, i) : x2l_convert(inputs->pdata[i], options), i, data);
    while (n_threads > 0)
        g_thread_join(threads[--n_threads]);
    g_free(jobs.results);
    g_cond_clear(&jobs.changed);
    g_mutex_clear(&jobs.lock);
}
