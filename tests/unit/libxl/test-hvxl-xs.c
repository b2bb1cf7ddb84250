/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for a node of xenstore. libxenstore is of this file's making. */
#include <libxl/hvxl-private.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS 600000 /* what ends by that has failed: nobody waits as long */

/* ---- xenstore ---- */

static struct {
    int ends[2];
    guint events, looks, reads;
    guint from_read; /* the node is there from this read on */
} store;

struct xs_handle *
xs_open(unsigned long flags)
{
    return (struct xs_handle *)&store;
}

void
xs_close(struct xs_handle *xs)
{
}

int
xs_fileno(struct xs_handle *xs)
{
    return store.ends[0];
}

bool
xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
    return true;
}

/* As libxenstore: a byte in its pipe for what is queued. */
char **
xs_check_watch(struct xs_handle *xs)
{
    char byte;

    store.looks++;
    /* Who asks for ever is stuck. */
    g_assert_cmpuint(store.looks, <, 1000);
    if (store.events == 0)
        return NULL;
    store.events--;
    g_assert_cmpint(read(store.ends[0], &byte, 1), ==, 1);
    return calloc(2, sizeof(char *));
}

void *
xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned int *len)
{
    g_assert_cmpstr(path, ==, "/node/1");
    if (++store.reads < store.from_read)
        return NULL;
    *len = 3;
    return strdup("tty");
}

/* Warnings are part of what is tested. */
static guint warnings;

static GLogWriterOutput
count_warning(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer unused)
{
    if (level & G_LOG_LEVEL_WARNING)
        warnings++;
    return G_LOG_WRITER_HANDLED;
}

/* ---- the tests ---- */

static void
begin(guint events, guint from_read)
{
    memset(&store, 0, sizeof(store));
    store.events = events;
    store.from_read = from_read;
    g_assert_cmpint(pipe(store.ends), ==, 0);
    for (guint i = 0; i < events; i++)
        g_assert_cmpint(write(store.ends[1], "", 1), ==, 1);
}

static void
test_comes(void)
{
    HvEngine engine = { .xs = NULL };
    g_autofree char *text = NULL;

    begin(3, 4);
    text = hvxl_xs_await(&engine, LIMIT_MS, "/node/%d", 1);
    g_assert_cmpstr(text, ==, "tty");
    close(store.ends[0]);
    close(store.ends[1]);
}

static void
test_breaks(void)
{
    HvEngine engine = { .xs = NULL };

    begin(1, G_MAXUINT);
    close(store.ends[1]); /* as libxenstore does when its connection is at its end */
    warnings = 0;
    g_assert_null(hvxl_xs_await(&engine, LIMIT_MS, "/node/%d", 1));
    g_assert_cmpuint(warnings, ==, 1);
    g_assert_cmpuint(store.looks, ==, 2);
    close(store.ends[0]);
}

static void
test_late(void)
{
    HvEngine engine = { .xs = NULL };

    begin(0, G_MAXUINT);
    g_assert_null(hvxl_xs_await(&engine, 1, "/node/%d", 1));
    close(store.ends[0]);
    close(store.ends[1]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_writer_func(count_warning, NULL, NULL);
    g_test_add_func("/hvxl/xs/comes", test_comes);
    g_test_add_func("/hvxl/xs/breaks", test_breaks);
    g_test_add_func("/hvxl/xs/late", test_late);
    return g_test_run();
}
