/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions of our own to another daemon of libvirt's: calls, one after the other, on a connection
 * that is made for them, in a thread that may wait. Connections of clients and of the I/O thread
 * are no part of it.
 *
 * Errors    LVD_ERROR: the daemon's own words as they are, or who it is and what it does wrong;
 *           HV_ERROR_CANCELLED.
 */
#pragma once

#include "lvd-do.h"

G_BEGIN_DECLS

typedef struct LvdAsking {
    guint32 program;
    const char *what;          /* asked for: "the search for a volume of a storage pool" */
    GCancellable *cancellable; /* may be NULL */
    gint64 deadline;           /* monotonic; of all calls together */
    char *who;                 /* once connected: "the storage daemon at PATH, asked for X," */
    int fd;                    /* -1: not connected */
    guint32 serial;
} LvdAsking;

void lvd_asking_clear(LvdAsking *asking);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LvdAsking, lvd_asking_clear)

/* "WHO WHAT". Returns FALSE for the caller to return. */
gboolean lvd_asking_fail(const LvdAsking *asking, const char *what, GError **error);
/* Before the next try of something that has no room at the moment. FALSE: cancelled, or too late.
 */
gboolean lvd_asking_pause(const LvdAsking *asking, GError **error);
/* The body of the reply. */
GByteArray *lvd_ask(LvdAsking *asking, gint32 proc, xdrproc_t xdr, const void *args,
                    GError **error);
/* `ret` is zeroed, and freed with xdr_free() by who gets TRUE. */
gboolean lvd_ask_for(LvdAsking *asking, gint32 proc, xdrproc_t args_xdr, const void *args,
                     xdrproc_t ret_xdr, void *ret, GError **error);
/* Is this error the daemon's own answer, after which it can be asked on? And is it of this code, or
 * from this part of libvirt? */
gboolean lvd_was_answered(const GError *error);
gboolean lvd_was_refused(const GError *error, int code);
gboolean lvd_was_refused_by(const GError *error, int from);

G_END_DECLS
