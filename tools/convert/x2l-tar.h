/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tar archive, also packed with gzip or zstd, read as a stream: nothing of it is kept, and what
 * is passed over in a plain file is not even read. One thread.
 */
#pragma once

#include "x2l.h"

G_BEGIN_DECLS

#define X2L_SNIFF 512 /* bytes that tell what a file is */

typedef struct X2lTar X2lTar;

/* Whether a file that begins so is such an archive. */
gboolean x2l_tar_is(const void *start, gsize len);

/* Reads on from the place of `fd`, behind the bytes `start`, which the caller has read already;
 * both are borrowed. `path` is for messages. X2L_ERROR_FILE; X2L_ERROR_MISSING: built without. */
X2lTar *x2l_tar_open(int fd, const void *start, gsize len, const char *path, GError **error);
void x2l_tar_close(X2lTar *tar); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lTar, x2l_tar_close)

/* The next regular file; others are passed over. `*ret_name` lives until the next call; NULL: the
 * end. */
gboolean x2l_tar_next(X2lTar *tar, const char **ret_name, guint64 *ret_size, GError **error);
/* The whole of its contents: exactly `size` bytes, as x2l_tar_next() gave it. */
gboolean x2l_tar_read(X2lTar *tar, void *data, gsize size, GError **error);
/* Bytes of the file that were read or passed over. */
guint64 x2l_tar_position(const X2lTar *tar);
/* Bytes of the whole file; 0: it is a pipe. */
guint64 x2l_tar_size(const X2lTar *tar);
/* Whether it is packed: then what is in it may be many times as large. */
gboolean x2l_tar_is_packed(const X2lTar *tar);

G_END_DECLS
