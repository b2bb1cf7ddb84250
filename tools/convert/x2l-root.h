/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An old host's file system below a folder: a copied tree, a mounted disk, or "/".
 *
 * A link in it means what it meant there: "/etc/xen" in a link is DIR/etc/xen, and ".." does not
 * lead out of DIR. Paths "on the host" are absolute and begin at its own root.
 *
 * Threads: immutable after x2l_root_new().
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

G_BEGIN_DECLS

typedef struct X2lRoot X2lRoot;

/* X2L_ERROR_FILE where `dir` is no folder. */
X2lRoot *x2l_root_new(const char *dir, GError **error);
void x2l_root_free(X2lRoot *root);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lRoot, x2l_root_free)

const char *x2l_root_dir(const X2lRoot *root); /* as the user gave it */
gboolean x2l_root_is_slash(const X2lRoot *root);

/* DIR + path, unresolved: what messages show. */
char *x2l_root_join(const X2lRoot *root, const char *path);

/* The path on the host with every link resolved, and what is there. NULL and errno: ENOENT, ELOOP
 * (40 links), EACCES, ENOTDIR, ENAMETOOLONG. Never leaves DIR. */
char *x2l_root_resolve(const X2lRoot *root, const char *path, struct stat *ret_stat);

/* Whether there is something at `path` on the host. */
gboolean x2l_root_exists(const X2lRoot *root, const char *path);

/* The whole of a regular file (at most CONF_MAX_INPUT bytes) or NULL and X2L_ERROR_FILE. A FIFO or
 * a device is refused, not waited for. `ret_missing` (may be NULL): it is only that there is none.
 */
char *x2l_root_read(const X2lRoot *root, const char *path, gsize *ret_len, gboolean *ret_missing,
                    GError **error);

G_END_DECLS
