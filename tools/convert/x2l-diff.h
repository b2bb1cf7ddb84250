/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The lines that differ as a unified diff with three lines around each; "" where none does. Texts
 * that differ too much (more than about four million pairs of lines in between) are told as all old
 * lines, then all new ones. */
char *x2l_diff(const char *old_text, const char *new_text, const char *old_name,
               const char *new_name);

G_END_DECLS
