/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device model says at its start, and of disks that it shall serve. It says why it fails in
 * a log of its own alone, and libxl does not look whether a disk that it serves was taken up. */
#pragma once

#include "hvxl-private.h"

#include <libxl.h>

/* Of the log of domain `name`, for `from` of the next function. */
gint64 hvxl_model_log_size(const char *name);
/* The last lines behind `from`, without the program's name; NULL: there are none. Never fails. */
char *hvxl_model_words(const char *name, gint64 from);

/* Libxl's error of a device model that did not start gets its words. */
void hvxl_model_explain(const char *name, GError **error);

/* FALSE: one of them is not served, and the error has QEMU's words. Waits where it is not known
 * yet, seconds at most: not in a hook that others wait for. */
gboolean hvxl_model_serves(HvEngine *engine, int domid, const char *name, gint64 from,
                           const libxl_device_disk *disks, int n_disks, GError **error);
