/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 4096

static char *
read_node(struct xs_handle *xs, const char *path)
{
    unsigned len = 0;
    char *text = xs_read(xs, XBT_NULL, path, &len);
    char *copy = text && len <= MAX_TEXT ? g_strndup(text, len) : NULL;

    free(text);
    return copy;
}

char *
hvxl_xs_read(HvEngine *engine, const char *format, ...)
{
    g_autofree char *path = NULL;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    return read_node(engine->xs, path);
}

gboolean
hvxl_xs_read_number(HvEngine *engine, gint64 *ret_number, const char *format, ...)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    text = read_node(engine->xs, path);
    return text && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret_number, NULL);
}

/* The next event, if it comes in time. FALSE: none will come, or none in time. */
static gboolean
await_event(struct xs_handle *xs, const char *path, gint64 deadline)
{
    for (;;) {
        struct pollfd fd = { .fd = xs_fileno(xs), .events = POLLIN };
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        int ready = left > 0 ? poll(&fd, 1, (int)MIN(left + 1, G_MAXINT)) : 0;
        char **event;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return FALSE;
        event = ready > 0 ? xs_check_watch(xs) : NULL;
        /* A connection that has broken is ready for ever, and has nothing to tell. */
        if (!event)
            g_warning("xenstore does not answer any more, so '%s' is not waited for", path);
        free(event);
        return event != NULL;
    }
}

/* A watch fires once when it is set, so the node is read at least once. */
static char *
await_node(struct xs_handle *xs, const char *path, gint64 deadline)
{
    while (await_event(xs, path, deadline)) {
        g_autofree char *text = read_node(xs, path);

        if (text && *text)
            return g_steal_pointer(&text);
    }
    return NULL;
}

char *
hvxl_xs_await(HvEngine *engine, guint limit_ms, const char *format, ...)
{
    gint64 deadline = g_get_monotonic_time() + limit_ms * G_TIME_SPAN_MILLISECOND;
    g_autofree char *path = NULL;
    char *text;
    struct xs_handle *xs;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    text = read_node(engine->xs, path);
    if (text && *text)
        return text;
    g_free(text);
    /* A connection of its own: watch events of others must not wait for ours. */
    xs = xs_open(0);
    if (!xs)
        return NULL;
    text = xs_watch(xs, path, "node") ? await_node(xs, path, deadline) : NULL;
    xs_close(xs);
    return text;
}
