/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How long each physical cpu ran no domain since Xen came up: GArray of guint64, ns. NULL: errno.
 */
GArray *hvxl_idle_times(guint n_cpus);
