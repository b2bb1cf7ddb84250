/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A saved guest as bytes (docs/SIM.md has the layout). Text in messages names what is wrong.
 *
 * Both functions begin at the descriptor's offset and leave it behind the stream.
 */
#pragma once

#include <hv/engine.h>
#include <hv/sim/hvsim-proto.h>

G_BEGIN_DECLS

typedef struct SimStream {
    guint8 uuid[16];
    char *record; /* domXML of the definition it ran with; "" = none */
    SimGuest *guest;
} SimStream;

void sim_stream_free(SimStream *stream); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimStream, sim_stream_free)

typedef struct SimStreamWrite {
    guint64 fail_at;  /* bytes after which the medium is full; G_MAXUINT64 = never */
    guint32 write_ms; /* spread the writing over so long */
    GCancellable *cancellable;
    HvEngineProgress progress; /* may be NULL */
    gpointer data;
} SimStreamWrite;

gboolean sim_stream_write(const SimStream *stream, int fd, const SimStreamWrite *how,
                          GError **error);
/* HV_ERROR_IO: cut off, damaged, or not such a stream. */
SimStream *sim_stream_read(int fd, GError **error);

G_END_DECLS
