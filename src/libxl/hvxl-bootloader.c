/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bootloader's kernel through the cache: libxl runs xlvirt-bootloader, which runs the other. */
#include "hvxl-kernel-cache.h"
#include "hvxl-private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM HV_LIBEXECDIR "/xlvirt/xlvirt-bootloader"

/* libxl looks for a name without a folder among Xen's own programs first, then in PATH. */
static char *
find_program(HvxlCtx *ctx, const char *name)
{
    const libxl_version_info *version = libxl_get_version_info(ctx->libxl);
    g_autofree char *versioned = NULL;
    const char *folders[] = { NULL, "/usr/lib/xen/bin", "/usr/libexec/xen/bin" };

    if (strchr(name, '/'))
        return g_strdup(name);
    if (version)
        versioned = g_strdup_printf("/usr/lib/xen-%d.%d/bin", version->xen_version_major,
                                    version->xen_version_minor);
    folders[0] = versioned ? versioned : folders[1];
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(folders[i], name, NULL);

        if (access(path, X_OK) == 0)
            return g_steal_pointer(&path);
    }
    return g_find_program_in_path(name);
}

static void
prepend(libxl_string_list *list, char **first)
{
    int n = libxl_string_list_length((const libxl_string_list *)list);
    int more = (int)g_strv_length(first);
    char **all = calloc((size_t)(more + n) + 1, sizeof(*all));

    for (int i = 0; i < more; i++)
        all[i] = strdup(first[i]);
    for (int i = 0; i < n; i++)
        all[more + i] = (*list)[i];
    free(*list);
    *list = all;
}

void
hvxl_bootloader_wrap(HvEngine *engine, HvxlCtx *ctx, libxl_domain_build_info *info)
{
    g_autofree char *program = info->bootloader && engine->kernels
                                   ? find_program(ctx, info->bootloader)
                                   : NULL;
    guint64 mib = hvxl_setting_number(engine, "kernel_cache", HVXL_KERNEL_CACHE_BYTES >> 20);
    g_auto(GStrv) first = NULL;
    GPtrArray *args;

    if (!program || access(PROGRAM, X_OK) != 0)
        return;
    args = g_ptr_array_new();
    g_ptr_array_add(args,
                    g_strdup_printf("--xlvirt-cache=%s%s", engine->root, HVXL_KERNEL_CACHE_DIR));
    g_ptr_array_add(args, g_strdup_printf("--xlvirt-cache-mib=%" G_GUINT64_FORMAT, mib));
    g_ptr_array_add(args, g_strdup_printf("--xlvirt-run=%s", program));
    g_ptr_array_add(args, NULL);
    first = (char **)g_ptr_array_free(args, FALSE);
    prepend(&info->bootloader_args, first);
    free(info->bootloader);
    info->bootloader = strdup(PROGRAM);
}
