/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-loop.h>

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct SimLoop {
    int epoll_fd;
    gboolean quit;
    GSequence *timers;  /* SimTimer by due_us, not owned */
    GPtrArray *removed; /* SimWatch: freed when no event of this turn can name them any more */
};

struct SimWatch {
    SimLoop *loop;
    int fd; /* -1: removed */
    guint32 events;
    SimWatchFunc func;
    gpointer data;
};

SimLoop *
sim_loop_new(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return NULL;
    SimLoop *loop = g_new0(SimLoop, 1);
    loop->epoll_fd = fd;
    loop->timers = g_sequence_new(NULL);
    loop->removed = g_ptr_array_new_with_free_func(g_free);
    return loop;
}

void
sim_loop_free(SimLoop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll_fd);
    g_sequence_free(loop->timers);
    g_ptr_array_unref(loop->removed);
    g_free(loop);
}

void
sim_loop_quit(SimLoop *loop)
{
    loop->quit = TRUE;
}

static SimTimer *
first_timer(SimLoop *loop)
{
    GSequenceIter *first = g_sequence_get_begin_iter(loop->timers);
    return g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
}

static int
wait_ms(SimLoop *loop)
{
    SimTimer *timer = first_timer(loop);
    if (timer == NULL)
        return -1;
    gint64 left = timer->due_us - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, 60000);
}

static void
run_timers(SimLoop *loop)
{
    /* One look at the clock: a timer that arms itself again waits for the next turn. */
    gint64 now = g_get_monotonic_time();
    for (SimTimer *timer = first_timer(loop); timer != NULL && timer->due_us <= now && !loop->quit;
         timer = first_timer(loop)) {
        sim_timer_stop(timer);
        timer->func(timer->data);
    }
}

void
sim_loop_run(SimLoop *loop)
{
    while (!loop->quit) {
        struct epoll_event events[64];
        int n = epoll_wait(loop->epoll_fd, events, G_N_ELEMENTS(events), wait_ms(loop));
        for (int i = 0; i < n && !loop->quit; i++) {
            SimWatch *watch = events[i].data.ptr;
            if (watch->fd >= 0)
                watch->func(events[i].events, watch->data);
        }
        g_ptr_array_set_size(loop->removed, 0);
        run_timers(loop);
    }
}

SimWatch *
sim_watch_new(SimLoop *loop, int fd, guint32 epoll_events, SimWatchFunc func, gpointer data)
{
    SimWatch *watch = g_new0(SimWatch, 1);
    *watch = (SimWatch){ loop, fd, epoll_events, func, data };
    struct epoll_event event = { .events = epoll_events, .data.ptr = watch };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        g_free(watch);
        return NULL;
    }
    return watch;
}

void
sim_watch_set(SimWatch *watch, guint32 epoll_events)
{
    if (watch->events == epoll_events)
        return;
    struct epoll_event event = { .events = epoll_events, .data.ptr = watch };
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0)
        watch->events = epoll_events;
}

void
sim_watch_remove(SimWatch *watch)
{
    if (watch == NULL)
        return;
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    g_ptr_array_add(watch->loop->removed, watch);
}

static int
compare_due(gconstpointer a, gconstpointer b, gpointer data)
{
    const SimTimer *left = a, *right = b;
    return left->due_us < right->due_us ? -1 : left->due_us > right->due_us;
}

void
sim_timer_start(SimTimer *timer, SimLoop *loop, gint64 delay_us, SimTimerFunc func, gpointer data)
{
    sim_timer_stop(timer);
    timer->loop = loop;
    timer->due_us = g_get_monotonic_time() + MAX(delay_us, 0);
    timer->func = func;
    timer->data = data;
    timer->place = g_sequence_insert_sorted(loop->timers, timer, compare_due, NULL);
}

void
sim_timer_stop(SimTimer *timer)
{
    if (timer->loop == NULL)
        return;
    g_sequence_remove(timer->place);
    timer->loop = NULL;
    timer->place = NULL;
}
