/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool: stuck workers, priority workers, order, growth, the end. */
#include "lvd-harness.h"

#include <unistd.h>

typedef struct Task {
    LvdJob job; /* first */
    gboolean stuck;
    gint started, done; /* atomic */
    guint turn;         /* when it ran, from 1 */
    GThread *by;
} Task;

static GMutex lock;
static GCond changed;
static gboolean released; /* [lock] */
static gint turns;        /* atomic */

static void
run_task(LvdJob *job, guint8 *scratch)
{
    Task *task = (Task *)job;

    scratch[0] = scratch[LVD_SCRATCH_SIZE - 1] = 1; /* ours, all of it */
    task->turn = (guint)g_atomic_int_add(&turns, 1) + 1;
    task->by = g_thread_self();
    g_atomic_int_set(&task->started, TRUE);
    if (task->stuck) {
        g_mutex_lock(&lock);
        while (!released)
            g_cond_wait(&changed, &lock);
        g_mutex_unlock(&lock);
    }
    g_atomic_int_set(&task->done, TRUE);
}

static void
release(void)
{
    g_mutex_lock(&lock);
    released = TRUE;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
}

static LvdWork *
work_new(guint min, guint max, guint prio)
{
    g_autoptr(GError) error = NULL;
    LvdWork *work;

    released = FALSE;
    turns = 0;
    work = lvd_work_new(min, max, prio, run_task, &error);
    g_assert_no_error(error);
    return work;
}

static void
test_priority(void)
{
    LvdWork *work = work_new(2, 3, 1);
    Task stuck[3] = { 0 }, low = { 0 }, high[50] = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) {
        stuck[i].stuck = TRUE;
        lvd_work_push(work, &stuck[i].job, FALSE);
    }
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) /* the third on a worker made for it */
        harness_wait(g_atomic_int_get(&stuck[i].started));
    lvd_work_push(work, &low.job, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(high); i++) {
        lvd_work_push(work, &high[i].job, TRUE);
        harness_wait(g_atomic_int_get(&high[i].done));
    }
    g_assert_false(g_atomic_int_get(&low.started)); /* not on the priority worker */
    release();
    harness_wait(g_atomic_int_get(&low.done));
    lvd_work_free(work);
}

/* With all stuck, even the priority ones cannot be: they never take a low job. */
static void
test_never_low_on_priority(void)
{
    LvdWork *work = work_new(1, 1, 3);
    Task stuck = { .stuck = TRUE }, low[20] = { 0 };

    lvd_work_push(work, &stuck.job, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(low); i++)
        lvd_work_push(work, &low[i].job, FALSE);
    g_usleep(20000);
    for (guint i = 0; i < G_N_ELEMENTS(low); i++)
        g_assert_false(g_atomic_int_get(&low[i].started));
    release();
    for (guint i = 0; i < G_N_ELEMENTS(low); i++) {
        harness_wait(g_atomic_int_get(&low[i].done));
        g_assert_true(low[i].by == stuck.by);
    }
    lvd_work_free(work);
}

/* One ordinary worker takes both kinds, the oldest first. */
static void
test_order(void)
{
    LvdWork *work = work_new(1, 1, 0);
    Task stuck = { .stuck = TRUE }, tasks[20] = { 0 };

    lvd_work_push(work, &stuck.job, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(tasks); i++)
        lvd_work_push(work, &tasks[i].job, i % 3 == 0);
    release();
    for (guint i = 0; i < G_N_ELEMENTS(tasks); i++) {
        harness_wait(g_atomic_int_get(&tasks[i].done));
        g_assert_cmpuint(tasks[i].turn, ==, i + 2);
    }
    lvd_work_free(work);
}

static void
test_limit(void)
{
    LvdWork *work = work_new(1, 4, 2);
    Task stuck[10] = { 0 };
    guint started = 0;

    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) {
        stuck[i].stuck = TRUE;
        lvd_work_push(work, &stuck[i].job, FALSE);
    }
    harness_wait(g_atomic_int_get(&turns) == 4);
    g_usleep(20000);
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++)
        started += (guint)g_atomic_int_get(&stuck[i].started);
    g_assert_cmpuint(started, ==, 4);
    g_assert_false(lvd_work_wait(work, 20));
    release();
    g_assert_true(lvd_work_wait(work, 60000));
    lvd_work_free(work);
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++)
        g_assert_true(g_atomic_int_get(&stuck[i].done));
}

static void
test_many(void)
{
    LvdWork *work = work_new(3, 3, 2);
    guint n = 20000;
    g_autofree Task *tasks = g_new0(Task, n);

    for (guint i = 0; i < n; i++)
        lvd_work_push(work, &tasks[i].job, i % 2);
    lvd_work_free(work);
    for (guint i = 0; i < n; i++)
        g_assert_true(g_atomic_int_get(&tasks[i].done));
    lvd_work_free(NULL);
}

/* The same from a client's place: every ordinary worker stuck in a guest, by other clients, and
 * look-ups and close go on. */
static void
test_stuck_guests(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int stuck[5], fd = client_new(harness);

    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) {
        stuck[i] = client_new(harness);
        for (guint32 k = 0; k < 5; k++)
            client_call(stuck[i], P_STUCK, k);
    }
    harness_wait(g_atomic_int_get(&harness_stuck) == 20); /* max_workers */
    for (guint32 i = 0; i < 100; i++) {
        client_call(fd, P_VERSION, i);
        client_expect(fd, P_VERSION, LVD_REPLY, i, LVD_OK);
    }
    client_call(fd, P_HOSTNAME, 100); /* a low one has to wait */
    client_expect_silence(fd);
    harness_release(TRUE);
    client_expect(fd, P_HOSTNAME, LVD_REPLY, 100, LVD_OK);
    client_call(fd, P_CLOSE, 101);
    client_expect(fd, P_CLOSE, LVD_REPLY, 101, LVD_OK);
    client_expect_end(fd);
    close(fd);
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++)
        close(stuck[i]);
}

/* Slow calls leave room for others behind them, until there are too many of them. */
static void
test_max_client_slow_requests(void)
{
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    int fd;

    config->max_client_requests = 1;
    config->max_client_slow_requests = 3;
    harness = harness_new(config);
    fd = client_new(harness);
    for (guint32 i = 0; i < 2; i++)
        client_call(fd, P_STUCK, i);
    harness_wait(g_atomic_int_get(&harness_stuck) == 2);
    for (guint32 i = 2; i < 5; i++)
        client_call(fd, P_VERSION, i);
    for (guint32 i = 2; i < 5; i++)
        client_expect(fd, P_VERSION, LVD_REPLY, i, LVD_OK);
    client_call(fd, P_STUCK, 5);
    client_call(fd, P_VERSION, 6); /* behind the third one: not looked at */
    harness_wait(g_atomic_int_get(&harness_stuck) == 3);
    client_expect_silence(fd);
    harness_release(FALSE);
    for (guint32 i = 0; i < 4; i++) {
        g_autoptr(GByteArray) body = NULL;
        LvdHeader header;

        g_assert_true(client_receive(fd, &header, &body));
    }
    /* All are forgotten: as many may be made again. */
    for (guint32 i = 0; i < 3; i++)
        client_call(fd, P_STUCK, i);
    harness_wait(g_atomic_int_get(&harness_stuck) == 3);
    harness_release(TRUE);
    close(fd);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    lvd_log_init(4);
    g_test_add_func("/lvd/work/priority", test_priority);
    g_test_add_func("/lvd/work/never-low-on-priority", test_never_low_on_priority);
    g_test_add_func("/lvd/work/order", test_order);
    g_test_add_func("/lvd/work/limit", test_limit);
    g_test_add_func("/lvd/work/many", test_many);
    g_test_add_func("/lvd/work/stuck-guests", test_stuck_guests);
    g_test_add_func("/lvd/work/slow-requests", test_max_client_slow_requests);
    return g_test_run();
}
