/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks of the engine, by the file that has them. Their contract is in <hv/engine.h>. */
#pragma once

#include "hvxl-private.h"

/* hvxl-host.c */
gboolean hvxl_host_info(HvEngine *engine, HvHostInfo *ret_info, GError **error);
/* HvEngineDomain: all that Xen has, domain 0 and half built ones among them. */
GArray *hvxl_seen_all(HvxlCtx *ctx, GError **error);
/* One of them; FALSE: it is not there, or Xen does not answer. */
gboolean hvxl_seen_one(HvxlCtx *ctx, int domid, HvEngineDomain *ret_seen);
GArray *hvxl_list(HvEngine *engine, GError **error);
const char *hvxl_emulator(HvEngine *engine);
const char *hvxl_lock_manager(HvEngine *engine);
/* Path of the device model of this Xen; NULL: none is installed. */
char *hvxl_find_emulator(HvEngine *engine);

/* hvxl-start.c */
gboolean hvxl_start(HvEngine *engine, const HvEngineStart *start, int *ret_domid,
                    ConfDomain **ret_live, GError **error);

/* hvxl-run.c */
gboolean hvxl_destroy(HvEngine *engine, int domid, GError **error);
gboolean hvxl_pause(HvEngine *engine, int domid, GError **error);
gboolean hvxl_unpause(HvEngine *engine, int domid, GError **error);
gboolean hvxl_set_memory(HvEngine *engine, int domid, guint64 kib, GError **error);
gboolean hvxl_set_max_memory(HvEngine *engine, int domid, guint64 kib, GError **error);
gboolean hvxl_set_vcpus(HvEngine *engine, int domid, guint online, GError **error);
GArray *hvxl_vcpus(HvEngine *engine, int domid, GError **error);

/* hvxl-ask.c */
gboolean hvxl_shutdown(HvEngine *engine, int domid, unsigned mode, GError **error);
gboolean hvxl_reboot(HvEngine *engine, int domid, unsigned mode, GError **error);

/* hvxl-save.c */
gboolean hvxl_save(HvEngine *engine, int domid, int fd, GCancellable *cancellable,
                   HvEngineProgress progress, gpointer data, GError **error);
gboolean hvxl_resume_saved(HvEngine *engine, int domid, GError **error);

/* hvxl-live.c */
int hvxl_console(HvEngine *engine, int domid, const ConfChardev *console, GError **error);
ConfDomain *hvxl_adopt(HvEngine *engine, int domid, GError **error);
