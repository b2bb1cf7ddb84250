/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to a stock daemon of the host, one a client and family. It is opened at the first
 * call of the family, and ends with the client. Packets pass undecoded, but for the serial: calls
 * and streams of the client go up, replies, events and streams of the daemon come down.
 *
 * All of it runs in the I/O thread and never waits.
 */
#pragma once

#include "lvd-transport.h"

G_BEGIN_DECLS

/* "network", ... */
const char *lvd_family_name(LvdFamily family);

/* A connected descriptor and whose it is. -1 without an error and without a path: no such daemon
 * here. -1 with a path: it listens there, but has no room at the moment. */
int lvd_relay_connect(const LvdConfig *config, LvdFamily family, gboolean readonly, char **ret_path,
                      GError **error);

/* NULL without an error: no such daemon here. It takes itself out of client->upstreams when it
 * ends. */
LvdUpstream *lvd_upstream_open(LvdClient *client, LvdFamily family, GError **error);
/* Takes the call over; it is answered in any case. */
void lvd_upstream_call(LvdUpstream *up, LvdCall *call);
/* A stream packet of the client's; dropped when it is of no stream. */
void lvd_upstream_packet(LvdUpstream *up, const LvdHeader *header, const guint8 *body,
                         gsize body_len);
/* A stream packet left the client's queue: reads on. */
void lvd_upstream_sent(LvdUpstream *up);
/* The client is gone: nothing is answered. */
void lvd_upstream_close(LvdUpstream *up);

G_END_DECLS
