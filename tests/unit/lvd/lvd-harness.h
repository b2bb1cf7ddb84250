/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server of the transport in this process, with a few procedures made for testing on top, and a
 * client that writes bytes.
 */
#pragma once

#include "lvd-transport.h"

/* Numbers of the real protocol; what they do here: */
enum {
    P_OPEN = 1,
    P_CLOSE = 2,
    P_BIG = 7,         /* low; a reply of harness_big_size bytes, if > 4 MiB it cannot be encoded */
    P_UNSUPPORTED = 8, /* no handler */
    P_DESTROY = 12,    /* high; not for read-only clients */
    P_LOOKUP = 23,     /* high; error 42 */
    P_STUCK = 33,      /* low; waits for harness_release() */
    P_HOSTNAME = 59,   /* low; answers */
    P_FEATURE = 60,    /* high; 10 starts keepalive */
    P_VERSION = 157,   /* high; answers */
    P_CONSOLE = 201,   /* low; opens a stream on harness_console() */
    P_FILES = 309,     /* low; error 3, as one that takes descriptors would until it does */
    P_EVENTS = 316,    /* high; sends harness_n_events events before its reply */
    P_EVENT = 318,     /* an event */
    P_CONSOLE_FAIL = 296, /* low; opens a stream and then fails */
};

typedef struct Harness Harness;

extern guint64 harness_big_size;
extern guint harness_n_events;
extern gint harness_sessions;       /* atomic: that live */
extern gint harness_streams_closed; /* atomic: closed callbacks run */
extern gint harness_handled;        /* atomic: handlers entered */
extern gint harness_stuck;          /* atomic: P_STUCK waiting now */

/* `config` may be NULL: the stock limits. Taken over. Its root is a new directory. */
Harness *harness_new(LvdConfig *config);
void harness_free(Harness *harness); /* checks that no session is left */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Harness, harness_free)
char *harness_path(Harness *harness, gboolean readonly);
void harness_release(gboolean on); /* lets P_STUCK go (and on: not wait at all) */
/* Another file stands behind the last P_CONSOLE's descriptor from now on, and is at its end. */
void harness_replace_console(void);
int harness_console(void); /* the guest's end of the last P_CONSOLE; waits for it */
guint harness_count_fds(void);
/* Waits up to a minute: for what hangs, on a machine that may be busy. */
#define harness_wait(condition)                                                                    \
    G_STMT_START                                                                                   \
    {                                                                                              \
        gint64 until_ = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;                              \
        while (!(condition) && g_get_monotonic_time() < until_)                                    \
            g_usleep(500);                                                                         \
        g_assert_true(condition);                                                                  \
    }                                                                                              \
    G_STMT_END

/* ---- the client ---- */

int client_connect(const char *path);
int client_new(Harness *harness); /* rw, connected and open */
void client_write(int fd, const void *bytes, gsize length);
/* One message; `body` may be NULL with length 0. */
void client_send(int fd, gint32 proc, gint32 type, guint32 serial, gint32 status, const void *body,
                 gsize length);
void client_call(int fd, gint32 proc, guint32 serial);
void client_send_fd(int fd, int passed);
/* One whole message of any kind. FALSE: end of file. */
gboolean client_receive(int fd, LvdHeader *ret_header, GByteArray **ret_body);
void client_expect(int fd, gint32 proc, gint32 type, guint32 serial, gint32 status);
/* An ERROR reply; returns the message. */
char *client_expect_error(int fd, gint32 proc, guint32 serial, int code, int domain);
void client_expect_end(int fd);
/* Nothing arrives within 50 ms. */
void client_expect_silence(int fd);
