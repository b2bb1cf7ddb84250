/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ptys whose paths stand in xenstore. */
#pragma once

#include <glib.h>

/* A descriptor, raw and non-blocking; -1: HV_ERROR_IO. What is no pty is not opened: nodes of
 * xenstore are not all out of a guest's reach. */
int hvxl_tty_open(const char *path, GError **error);
