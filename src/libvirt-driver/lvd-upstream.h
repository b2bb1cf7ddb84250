/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to a stock daemon of the host, one a client and family. It is opened at the first
 * call of the family, and ends with the client. Packets pass undecoded: calls and streams of the
 * client go up, replies, events and streams of the daemon come down. Only serials are exchanged,
 * and the ids of callbacks, because these outlive a restart of the daemon: who registered for
 * events is registered again.
 *
 * All of it runs in the I/O thread and never waits.
 */
#pragma once

#include "lvd-transport.h"

G_BEGIN_DECLS

/* "network", ... */
const char *lvd_family_name(LvdFamily family);

/* Which of its two URIs the daemon at the other end answers to: its privilege tells. */
char *lvd_family_uri(LvdFamily family, int fd);
/* Does the answer to auth_list say that nobody need prove who he is? */
gboolean lvd_auth_may_be_none(const guint8 *body, gsize body_len);

/* A connected descriptor and whose it is. -1 without an error and without a path: no such daemon
 * here. -1 with a path: it listens there, but has no room at the moment. */
int lvd_relay_connect(const LvdConfig *config, LvdFamily family, gboolean readonly, char **ret_path,
                      GError **error);

/* Connects when it is asked for something. `client` outlives it. */
LvdUpstream *lvd_upstream_new(LvdClient *client, LvdFamily family);
/* TRUE: the call was taken over, and is answered in any case. FALSE without an error: there is no
 * such daemon here. */
gboolean lvd_upstream_call(LvdUpstream *up, LvdCall *call, GError **error);
/* A stream packet of the client's; dropped when it is of no stream. */
void lvd_upstream_packet(LvdUpstream *up, const LvdHeader *header, const guint8 *body,
                         gsize body_len);
/* A stream packet left the client's queue: reads on. */
void lvd_upstream_sent(LvdUpstream *up);
/* The client is gone: nothing is answered. */
void lvd_upstream_free(LvdUpstream *up);

/* ---- between lvd-upstream.c and lvd-upstream-open.c ---- */

typedef enum LvdStep {
    LVD_STEP_NONE, /* not connected */
    LVD_STEP_CONNECT,
    LVD_STEP_AUTH,
    LVD_STEP_OPEN,
    LVD_STEP_IDENTITY,
    LVD_STEP_REGISTER, /* again, what was registered before the daemon went away */
    LVD_STEP_READY
} LvdStep;

struct LvdUpstream {
    LvdWatch watch;
    LvdClient *client;
    LvdFamily family;
    GPtrArray *registrations; /* Registration */
    GQueue waiting;           /* LvdCall: until ready */
    GList *link;              /* in server->upstreams */
    guint reconnect_ms;       /* the last pause between two tries; 0: did not fail yet */
    gint64 retry_at;          /* monotonic: when to try to connect again */

    /* of the connection at hand */
    char *path;
    LvdStep step;
    GHashTable *pending; /* serial up there -> Pending */
    guint n_streams;     /* open ones in it */
    guint n_again;       /* registrations in it that are made again */
    guint32 serial;      /* of the last call */
    GByteArray *in;      /* an incomplete message */
    GByteArray *out;
    gsize sent;        /* of out */
    guint32 events;    /* what epoll is told */
    gboolean paused;   /* not read: a stream packet waits in the client's queue */
    gboolean stalling; /* counted in client->stalled */
    gboolean deaf;     /* takes nothing any more: its end will be read */
    gint64 started, heard, pinged;
    guint pings_left;
};

/* Begins to open it: the next steps follow from the daemon's answers. */
void lvd_upstream_ask(LvdUpstream *up);
/* An answer to that. */
void lvd_upstream_take_answer(LvdUpstream *up, const LvdHeader *header, guint8 *message);
/* What that comes to. */
void lvd_upstream_opened(LvdUpstream *up);
void lvd_upstream_disconnect(LvdUpstream *up); /* `waiting` was answered */
/* Answers everything that waits for this daemon. */
void lvd_upstream_die(LvdUpstream *up, const char *format, ...) G_GNUC_PRINTF(2, 3);
void lvd_upstream_send(LvdUpstream *up, const LvdHeader *header, const guint8 *body,
                       gsize body_len);

G_END_DECLS
