/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the cache of unpacked kernels costs: bench-kernel-cache KERNEL [LOOPS], default 1000. Cold,
 * after a restart (nothing remembered), warm. The cache lies in a temporary folder.
 *
 * For instructions and system calls of a warm get: run it under callgrind, or strace, with two
 * values of LOOPS and divide the difference. The kernel has to be older than two seconds.
 */
#include <glib/gstdio.h>
#include <libxl/hvxl-kernel-cache.h>
#include <stdio.h>
#include <stdlib.h>

static HvxlKernelCache *
open_cache(const char *dir)
{
    return hvxl_kernel_cache_new(dir, HVXL_KERNEL_CACHE_BYTES, HVXL_KERNEL_CACHE_ENTRIES);
}

/* Gives back the path that libxl would get. */
static char *
get(HvxlKernelCache *cache, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HvxlKernel) kernel = hvxl_kernel_cache_get(cache, path, NULL, &error);

    if (!kernel)
        g_error("%s", error->message);
    if (hvxl_kernel_why_packed(kernel))
        g_error("%s is used as it is: %s", path, hvxl_kernel_why_packed(kernel));
    return g_strdup(hvxl_kernel_path(kernel));
}

static void
timed(const char *what, HvxlKernelCache *cache, const char *path, int loops)
{
    gint64 began = g_get_monotonic_time();

    for (int i = 0; i < loops; i++)
        g_free(get(cache, path));
    printf("%-14s %12.1f us\n", what, (double)(g_get_monotonic_time() - began) / loops);
}

int
main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("bench-kernel-XXXXXX", NULL);
    HvxlKernelCache *cache = open_cache(dir);
    g_autofree char *entry = NULL;

    if (argc < 2)
        g_error("usage: %s KERNEL [LOOPS]", argv[0]);
    timed("cold", cache, argv[1], 1);
    hvxl_kernel_cache_free(cache);
    cache = open_cache(dir);
    timed("after restart", cache, argv[1], 1);
    timed("warm", cache, argv[1], argc > 2 ? atoi(argv[2]) : 1000);
    entry = get(cache, argv[1]);
    hvxl_kernel_cache_free(cache);
    g_unlink(entry);
    g_rmdir(dir);
    return 0;
}
