/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One epoll descriptor is one source of the main context: GLib polls two descriptors however many
 * clients there are, and no call adds or removes a source.
 */
#include "lvd-transport.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

typedef struct Post {
    LvdPost func;
    gpointer data;
} Post;

typedef struct LoopSource {
    GSource source;
    LvdLoop *loop;
} LoopSource;

struct LvdLoop {
    int epoll;             /* immutable */
    GSource *source;       /* immutable */
    GMainContext *context; /* immutable */
    GThread *dispatching;  /* atomic: the thread inside loop_dispatch() */
    GMutex lock;
    GArray *posts; /* [lock] Post */
};

void
lvd_loop_run_posts(LvdLoop *loop)
{
    g_autoptr(GArray) run = NULL;

    /* A post may post again (a client's end is several steps), so until nothing is left. */
    for (;;) {
        g_mutex_lock(&loop->lock);
        if (loop->posts->len == 0) {
            g_mutex_unlock(&loop->lock);
            return;
        }
        g_clear_pointer(&run, g_array_unref);
        run = g_steal_pointer(&loop->posts);
        loop->posts = g_array_new(FALSE, FALSE, sizeof(Post));
        g_mutex_unlock(&loop->lock);
        for (guint i = 0; i < run->len; i++) {
            Post *post = &g_array_index(run, Post, i);

            post->func(post->data);
        }
    }
}

static gboolean
loop_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    LvdLoop *loop = ((LoopSource *)source)->loop;
    struct epoll_event events[BATCH];
    int n;

    g_atomic_pointer_set(&loop->dispatching, g_thread_self());
    /* Before the posts are looked at: who posts after that sets it again. */
    g_source_set_ready_time(source, -1);
    n = epoll_wait(loop->epoll, events, BATCH, 0);
    for (int i = 0; i < n; i++) {
        LvdWatch *watch = events[i].data.ptr;

        if (watch->fd >= 0)
            watch->ready(watch, events[i].events);
    }
    lvd_loop_run_posts(loop);
    g_atomic_pointer_set(&loop->dispatching, NULL);
    /* What was posted between the two lines above came from another thread, which set the ready
     * time, or from this one, which run_posts() saw. */
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs loop_funcs = { .dispatch = loop_dispatch };

LvdLoop *
lvd_loop_new(GError **error)
{
    LvdLoop *loop;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "cannot make an epoll: %s",
                    g_strerror(errno));
        return NULL;
    }
    loop = g_new0(LvdLoop, 1);
    loop->epoll = epoll;
    g_mutex_init(&loop->lock);
    loop->posts = g_array_new(FALSE, FALSE, sizeof(Post));
    loop->context = g_main_context_ref_thread_default();
    loop->source = g_source_new(&loop_funcs, sizeof(LoopSource));
    ((LoopSource *)loop->source)->loop = loop;
    g_source_set_static_name(loop->source, "lvd-loop");
    /* It never runs a loop itself; and GLib need not take it out of the poll and put it back around
     * each dispatch, with two wake-ups. */
    g_source_set_can_recurse(loop->source, TRUE);
    g_source_add_unix_fd(loop->source, epoll, G_IO_IN);
    g_source_attach(loop->source, loop->context);
    return loop;
}

void
lvd_loop_free(LvdLoop *loop)
{
    if (!loop)
        return;
    lvd_loop_run_posts(loop);
    g_source_destroy(loop->source);
    g_source_unref(loop->source);
    g_main_context_unref(loop->context);
    close(loop->epoll);
    g_array_unref(loop->posts);
    g_mutex_clear(&loop->lock);
    g_free(loop);
}

gboolean
lvd_loop_add(LvdLoop *loop, LvdWatch *watch, int fd, guint32 events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    watch->fd = fd;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return TRUE;
    watch->fd = -1;
    return FALSE;
}

void
lvd_loop_modify(LvdLoop *loop, LvdWatch *watch, guint32 events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void
lvd_loop_remove(LvdLoop *loop, LvdWatch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
}

void
lvd_loop_post(LvdLoop *loop, LvdPost func, gpointer data)
{
    Post post = { func, data };

    g_mutex_lock(&loop->lock);
    g_array_append_val(loop->posts, post);
    g_mutex_unlock(&loop->lock);
    /* From inside a dispatch the posts run at its end anyway: no wake-up call. */
    if (g_atomic_pointer_get(&loop->dispatching) != g_thread_self())
        g_source_set_ready_time(loop->source, 0);
}

GMainContext *
lvd_loop_context(LvdLoop *loop)
{
    return loop->context;
}
