/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* name -> text. `given` wins over the file below `root`; it may be NULL. */
GHashTable *hvxl_settings_new(const char *root, GHashTable *given);
