/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlvirt-simhost as another toolstack: one request to a host that runs, as `xl` would do it.
 * Each returns an exit status.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

int sim_tool_stop(const char *root);
int sim_tool_status(const char *root);
int sim_tool_destroy(const char *root, int domid);
int sim_tool_exit(const char *root, int domid, guint code);
int sim_tool_tray(const char *root, int domid, const char *target, gboolean open);
/* `full`: it has no space left, and the device model stops; else the guest is told of an error. */
int sim_tool_io_error(const char *root, int domid, const char *target, gboolean full);
int sim_tool_visit(const char *root, int domid, const char *address);
int sim_tool_clock(const char *root, int domid, gint64 offset);
int sim_tool_lose(const char *root, int domid);
int sim_tool_create(const char *root, const char *name, guint64 memory_mib);

G_END_DECLS
