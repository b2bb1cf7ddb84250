/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of unpacked kernels: entries named by the SHA-256 of the file that they come from.
 * Safe from any thread and from several processes with the same folder. May block on the disk.
 *
 * An entry is complete or not there: it is written under another name, synced (after a power cut a
 * name must not lead to a file of zeros that somebody boots), and only then linked to its own. Its
 * last bytes say again what it is, so that a cut or mixed-up file is noticed.
 *
 * Who uses an entry holds a shared flock() on it, its lease; who removes one takes an exclusive
 * lock first. Locks go with the process, so a daemon that was killed leaves none behind. The folder
 * itself is locked (flock, too) while names in it come and go.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* SHA-256 in hexadecimal digits, and NUL. */
typedef struct HvxlKernelHash {
    char hex[65];
} HvxlKernelHash;

typedef struct HvxlKernelStore {
    char *dir;         /* immutable after hvxl_kernel_store_init(); as all here */
    guint64 max_bytes; /* on the disk, files under way included */
    guint max_entries; /* likewise */
} HvxlKernelStore;

/* The folder need not exist: it is made (mode 0700, parents 0755) when there is something to
 * store. */
void hvxl_kernel_store_init(HvxlKernelStore *store, const char *dir, guint64 max_bytes,
                            guint max_entries);
void hvxl_kernel_store_clear(HvxlKernelStore *store);

char *hvxl_kernel_store_path(const HvxlKernelStore *store, const HvxlKernelHash *hash);

/* The entry's file, leased and marked as used now; close() gives the lease back. -1: there is no
 * entry that can be used. An entry that is damaged is removed. */
int hvxl_kernel_store_lease(const HvxlKernelStore *store, const HvxlKernelHash *hash);

/* Removes what writers left behind that are no more. A folder that is not there is no error. */
void hvxl_kernel_store_sweep(const HvxlKernelStore *store);

/* An entry under way. One thread's. */
typedef struct HvxlNewKernel HvxlNewKernel;

/* Makes room by removing what has not been used for longest, and reserves `size` bytes.
 * HV_ERROR_IO: the folder or the disk is out of order, or the disk is full. HV_ERROR_WRONG_STATE:
 * no room within the store's own bounds, because what is there is in use. */
HvxlNewKernel *hvxl_kernel_store_begin(const HvxlKernelStore *store, const HvxlKernelHash *hash,
                                       guint64 size, GError **error);
/* Appends. HV_ERROR_IO. */
gboolean hvxl_new_kernel_write(HvxlNewKernel *entry, const guint8 *data, gsize len, GError **error);
/* What was written so far can be read here. */
int hvxl_new_kernel_fd(const HvxlNewKernel *entry);
/* Ends the entry, syncs it and gives it its name. Returns its lease, or -1: HV_ERROR_IO. */
int hvxl_new_kernel_commit(HvxlNewKernel *entry, GError **error);
/* Without a commit nothing remains. */
void hvxl_new_kernel_free(HvxlNewKernel *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvxlNewKernel, hvxl_new_kernel_free)

G_END_DECLS
