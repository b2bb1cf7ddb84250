/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain boots, and from where. */
#include "hvxl-config-private.h"

#include <string.h>

/* ---- kernel and bootloader ---- */

static void
build_bootloader(HvxlBuild *b)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const char *bootloader = b->def->bootloader;
    g_auto(GStrv) args = NULL;

    if (bootloader == NULL && b->def->os.kernel)
        return;
    if (bootloader == NULL || *bootloader == '\0')
        bootloader = b->env->bootloader ? b->env->bootloader : "pygrub";
    hvxl_set_string(&info->bootloader, bootloader);
    args = g_strsplit_set(b->def->bootloader_args ? b->def->bootloader_args : "", " \t\n", -1);
    for (char **arg = args; *arg; arg++) {
        if (**arg)
            hvxl_list_append(&info->bootloader_args, *arg);
    }
}

static void
build_kernel(HvxlBuild *b)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const ConfOs *os = &b->def->os;

    hvxl_set_string(&info->kernel, os->kernel && b->env->kernel ? b->env->kernel : os->kernel);
    hvxl_set_string(&info->ramdisk, os->initrd && b->env->ramdisk ? b->env->ramdisk : os->initrd);
    hvxl_set_string(&info->cmdline, os->cmdline);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM)
        build_bootloader(b);
    else if (b->def->bootloader)
        hvxl_warn(b, NULL, "bootloader", "HVM");
}

/* ---- firmware ---- */

/* libxl finds its own hvmloader, wherever the distribution has it; only another one is named. */
static void
build_hvmloader(libxl_domain_build_info *info, const char *loader)
{
    g_autofree char *base = loader ? g_path_get_basename(loader) : NULL;

    if (base && strcmp(base, "hvmloader") != 0)
        hvxl_set_string(&info->u.hvm.firmware, loader);
}

static gboolean
build_firmware(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const ConfOs *os = &b->def->os;
    bool pflash = g_strcmp0(os->loader_type, "pflash") == 0;
    bool efi = g_strcmp0(os->firmware, "efi") == 0;

    if (os->loader_format && strcmp(os->loader_format, "raw") != 0)
        return hvxl_refuse(NULL, "os/loader/@format", "not raw", error);
    if (g_strcmp0(os->loader_secure, "yes") == 0)
        return hvxl_refuse(NULL, "os/loader/@secure", "yes", error);
    if (os->nvram || os->nvram_template)
        hvxl_warn(b, NULL, "os/nvram", NULL);
    if (!pflash && !efi) {
        build_hvmloader(info, os->loader);
        return TRUE;
    }
    if (g_strcmp0(os->loader_readonly, "no") == 0)
        return hvxl_refuse(NULL, "os/loader/@readonly", "no, with pflash", error);
    info->u.hvm.bios = LIBXL_BIOS_TYPE_OVMF;
    hvxl_set_string(&info->u.hvm.system_firmware, os->loader ? os->loader : b->env->ovmf);
    return TRUE;
}

/* ---- order ---- */

static char
boot_letter(ConfBootDev dev)
{
    switch (dev) {
    case CONF_BOOT_ABSENT:
        break;
    case CONF_BOOT_FD:
        return 'a';
    case CONF_BOOT_HD:
        return 'c';
    case CONF_BOOT_CDROM:
        return 'd';
    case CONF_BOOT_NETWORK:
        return 'n';
    }
    return '\0';
}

static void
build_order(HvxlBuild *b)
{
    char order[8];
    gsize len = 0;

    for (guint i = 0; i < b->def->os.boot->len && len + 1 < sizeof order; i++) {
        char letter = boot_letter(((const ConfBoot *)b->def->os.boot->pdata[i])->dev);

        if (letter && memchr(order, letter, len) == NULL)
            order[len++] = letter;
    }
    order[len] = '\0';
    if (len)
        hvxl_set_string(&b->config->b_info.u.hvm.boot, order);
}

gboolean
hvxl_build_boot(HvxlBuild *b, GError **error)
{
    build_kernel(b);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM)
        return TRUE;
    build_order(b);
    return build_firmware(b, error);
}
