/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One disk image that is written: under a temporary name until it is whole. */
#pragma once

#include "x2l.h"

G_BEGIN_DECLS

#define X2L_DISK_MAX (G_GUINT64_CONSTANT(64) << 40) /* bytes */

typedef struct X2lDisk X2lDisk;

/* Begins a disk of `size` bytes, all holes. `format`: "raw", or "qcow2", for which qemu-img has to
 * be there. What has the name `path` already is an error, but for `replace`. X2L_ERROR_FILE. */
X2lDisk *x2l_disk_new(const char *path, guint64 size, const char *format, gboolean replace,
                      GError **error);
/* Removes what was not published. Accepts NULL. */
void x2l_disk_free(X2lDisk *disk);
/* Runs of zeros stay holes. */
gboolean x2l_disk_write(X2lDisk *disk, guint64 offset, const guint8 *data, gsize len,
                        GError **error);
/* All is written: to the disk, and into the other format. */
gboolean x2l_disk_finish(X2lDisk *disk, GError **error);
/* After x2l_disk_finish(): it gets its name. */
gboolean x2l_disk_publish(X2lDisk *disk, GError **error);

/* FALSE and *error when the file system of `dir` has less than `bytes` left. */
gboolean x2l_disk_check_space(const char *dir, guint64 bytes, GError **error);

/* Hexadecimal digits; `kind`: "checksum" (SHA-1) or "xxhash" (XXH64). NULL: another. */
char *x2l_disk_checksum(const char *kind, const guint8 *data, gsize len);

G_END_DECLS
