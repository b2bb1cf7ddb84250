/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The libvirt that the domains go to, over its public client library. One thread. */
#pragma once

#include "x2l-check.h"
#include "x2l.h"

G_BEGIN_DECLS

typedef struct X2lTarget X2lTarget;

/* The URI that x2l_target_open() takes: `uri`, or where it is NULL libvirt's default. */
const char *x2l_target_default_uri(const char *uri);

/* `uri` NULL: libvirt's default, or xen:///system. X2L_ERROR_IMPORT. */
X2lTarget *x2l_target_open(const char *uri, GError **error);
void x2l_target_close(X2lTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lTarget, x2l_target_close)

const char *x2l_target_uri(const X2lTarget *target);

/* Fills in what its host can tell: memory, processors, bridges, whether it is this machine. */
void x2l_target_ask_world(X2lTarget *target, X2lWorld *world);

/* Works out what has to be done: sets domain->action (NEW, SAME, EXISTS, REDEFINE or CONFLICT),
 * ->diff and ->error. A domain without a uuid of its config's own takes the one that the target
 * knows for its name. FALSE and X2L_ERROR_IMPORT when the target did not answer. */
gboolean x2l_target_compare(X2lTarget *target, X2lDomain *domain, gboolean replace, GError **error);

/* Does what x2l_target_compare() found: defines, and sets autostart where the old host had it. With
 * `undo` (x2l_undo_new(); may be NULL) it is remembered how to take that back. FALSE: the target
 * refused; domain->action is FAILED and ->error says why. */
typedef struct X2lUndo X2lUndo;
gboolean x2l_target_apply(X2lTarget *target, X2lDomain *domain, X2lUndo *undo);

X2lUndo *x2l_undo_new(void);
void x2l_undo_free(X2lUndo *undo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lUndo, x2l_undo_free)

/* Takes back all that was applied with `undo`, the last one first: what was new is undefined, what
 * was redefined gets its old definition and autostart again; each domain's action becomes UNDONE.
 * What could not be taken back is one line each in `errors` (char *). */
void x2l_undo_all(X2lTarget *target, X2lUndo *undo, GPtrArray *errors);

G_END_DECLS
