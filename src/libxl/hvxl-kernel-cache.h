/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cache of unpacked kernels. libxc unpacks the same bzImage at each start of a PV or PVH guest,
 * which is most of the time that such a start takes; the ELF file inside is loaded at once.
 * docs/KERNEL-CACHE.md tells what is kept where.
 *
 * For PV and PVH. HVM direct boot hands its kernel to the device model, which wants the bzImage: do
 * not ask for those. A ramdisk is not for this cache either.
 *
 * Never in the way: whatever is odd about a kernel, the folder or the disk, the answer is "use the
 * file as it is", and the start goes on as without a cache.
 *
 * Threads: all functions from any thread. hvxl_kernel_cache_get() may block, for seconds where a
 * kernel has to be unpacked, and holds no lock meanwhile.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define HVXL_KERNEL_CACHE_DIR     "/var/cache/xlvirt/kernels"
#define HVXL_KERNEL_CACHE_BYTES   ((guint64)512 * 1024 * 1024)
#define HVXL_KERNEL_CACHE_ENTRIES 64

typedef struct HvxlKernelCache HvxlKernelCache;
typedef struct HvxlKernel HvxlKernel;

/* `dir` is made when there is something to keep, and may go away at any time. Sweeps what a daemon
 * that died left half written. Never NULL. */
HvxlKernelCache *hvxl_kernel_cache_new(const char *dir, guint64 max_bytes, guint max_entries);
/* Nobody is in hvxl_kernel_cache_get() any more. HvxlKernels may outlive it. */
void hvxl_kernel_cache_free(HvxlKernelCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvxlKernelCache, hvxl_kernel_cache_free)

/* The file to give to libxl in place of `kernel_path`. NULL only where the cancellable was
 * cancelled (HV_ERROR_CANCELLED). `cache` may be NULL: as it is. */
HvxlKernel *hvxl_kernel_cache_get(HvxlKernelCache *cache, const char *kernel_path,
                                  GCancellable *cancellable, GError **error);

/* An unpacked kernel stays where it is until this; keep it until the domain is built. */
void hvxl_kernel_free(HvxlKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvxlKernel, hvxl_kernel_free)

const char *hvxl_kernel_path(const HvxlKernel *kernel);
/* Why the file is used as it is, a phrase; NULL: it is an unpacked one. */
const char *hvxl_kernel_why_packed(const HvxlKernel *kernel);

/* What was done since hvxl_kernel_cache_new(), for tests and the log. */
typedef struct HvxlKernelCacheStats {
    guint64 recalled; /* answered without reading the kernel */
    guint64 hashed;   /* kernels that were read */
    guint64 unpacked; /* ... and unpacked */
    guint64 refused;  /* ... or found to be none that can be unpacked */
} HvxlKernelCacheStats;

void hvxl_kernel_cache_get_stats(HvxlKernelCache *cache, HvxlKernelCacheStats *ret_stats);

G_END_DECLS
