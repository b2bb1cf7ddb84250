/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A word with a domain's device model, on its own terms: one JSON object there, one back.
 *
 * libxl has a QMP socket of its own and lets only its own commands through. QEMU has a second one,
 * which libxl makes for xenstat: that is ours, for as long as one command takes. Whoever else has
 * it then, we wait for, 5 s at most.
 */
#pragma once

#include "hvxl-private.h"

/* The answer to `command` as one line, with "return" or "error" in it. NULL: *error. */
char *hvxl_qmp(int domid, const char *command, GError **error);
/* The same for what may last, as it writes to images: waits for a minute. */
char *hvxl_qmp_patient(int domid, const char *command, GError **error);
/* As hvxl_qmp(), but an "error" in the answer is an error. */
char *hvxl_qmp_return(int domid, const char *command, GError **error);
/* The answer, which is taken over, unless it is an "error" (or NULL): then *error has QEMU's words
 * for it. */
char *hvxl_qmp_check(int domid, char *answer, GError **error);
/* As hvxl_qmp_return(), with `fd` known to the command by the name HVXL_QMP_FD. */
char *hvxl_qmp_with_fd(int domid, const char *command, int fd, GError **error);
#define HVXL_QMP_FD "xlvirt"
/* The device model of a guest that save() has left suspended writes all that it knows of its images
 * into them and lets go of them; it reads them anew when the guest is resumed. Meanwhile others may
 * change them. Any number of times. WRONG_STATE: it is not suspended. */
gboolean hvxl_qmp_release_images(int domid, GError **error);
/* Its block devices, as hvxl_node_names() reads them. */
char *hvxl_qmp_nodes(int domid, GError **error);
/* Whether it serves the pty `path`: a guest may have written where that stands in xenstore. */
gboolean hvxl_qmp_has_pty(int domid, const char *path, gboolean *ret_has, GError **error);
/* A line of the human monitor; what it prints. */
char *hvxl_qmp_human(int domid, const char *line, GError **error);
