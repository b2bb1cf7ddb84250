/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XenServer's archives: ova.xml first, then the blocks of the disks, each with its checksum.
 */
#pragma once

#include "x2l-tar.h"

G_BEGIN_DECLS

/* The text of ova.xml, which has to be the first file. X2L_ERROR_FILE. */
char *x2l_xva_read_ova(X2lTar *tar, const char *path, gsize *ret_len, GError **error);

/* Writes the disks of `natives` (ConfNative; those of NULL disk_dir are left out) that the rest of
 * the archive has, each to the path that conf_native_disks() says, in options->disk_format. Blocks
 * of zeros become holes. Nothing is there under its name before all of it is; on an error nothing
 * stays behind. */
gboolean x2l_xva_extract(X2lTar *tar, const GPtrArray *natives, const char *path,
                         const X2lOptions *options, GError **error);

G_END_DECLS
