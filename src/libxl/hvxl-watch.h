/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who comes and goes, whoever causes it. A thread with a connection to xenstore of its own is told
 * that something has happened, asks Xen for all domains, and compares with what it knew.
 */
#pragma once

#include "hvxl-private.h"

/* Knows all domains there are, and tells of none of them. The thread runs. */
HvxlWatch *hvxl_watch_new(HvEngine *engine, GError **error);
void hvxl_watch_free(HvxlWatch *watch); /* joins the thread; accepts NULL */

/* Around a start of ours: nothing is told about a domain of this uuid until it is over. domid -1:
 * it failed. After that, what has happened meanwhile is told. */
void hvxl_watch_begin_start(HvxlWatch *watch, const guint8 uuid[16]);
void hvxl_watch_end_start(HvxlWatch *watch, const guint8 uuid[16], int domid);
gboolean hvxl_watch_is_starting(HvxlWatch *watch, const guint8 uuid[16]);

/* FALSE: a domain that is not to be shown (yet), because it is being built, by us or by somebody
 * else. TRUE: seen->foreign is set. */
gboolean hvxl_watch_look(HvxlWatch *watch, HvEngineDomain *seen);
