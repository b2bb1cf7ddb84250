/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client's event registrations.
 *
 * Cost      A session listens to libhv from its first registration on; clients that want no events
 *           cost an event nothing. An event costs each listening session one atomic read where the
 *           session does not want this kind, else a short lock, two look-ups and one encoded
 *           message a match: 2.5 us of libhv's dispatcher thread a client with 300 of them and
 *           4 us with 900, the write into the socket included.
 * Order     A registration holds its events back until its own reply is queued, because the client
 *           learns the callback id from that reply.
 */
#pragma once

#include "lvd.h"

G_BEGIN_DECLS

#define LVD_N_EVENT_IDS       28 /* 0 .. 27, as procedures 318 .. 453 name them */
#define LVD_N_EVENT_IDS_OLD   16 /* what 167 takes */
#define LVD_REGISTRATIONS_MAX 65536

typedef struct LvdRegistration {
    int event_id;       /* checked against the two counts above */
    const guint8 *uuid; /* NULL: every domain */
    gboolean legacy;    /* 105, 167: messages without a callback id */
} LvdRegistration;

/* May be called from any worker. `call` holds the events back, see lvd_session_replied(). */
gboolean lvd_session_register(LvdSession *session, LvdCall *call, const LvdRegistration *wanted,
                              int *ret_id, GError **error);
gboolean lvd_session_deregister(LvdSession *session, int id, GError **error);
/* The old way: by event id. */
gboolean lvd_session_deregister_event(LvdSession *session, int event_id, GError **error);

G_END_DECLS
