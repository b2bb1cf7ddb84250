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

/* ---- <boot order=> of single devices ---- */

typedef struct Ordered {
    int64_t order;
    char letter;
    bool first_of_kind; /* the firmware tries this one before others of its kind */
} Ordered;

static int
compare_order(const void *a, const void *b)
{
    int64_t left = ((const Ordered *)a)->order, right = ((const Ordered *)b)->order;

    return left < right ? -1 : left > right;
}

static void
add_ordered(GArray *all, const ConfDevice *dev, char letter, bool first_of_kind)
{
    Ordered one = { dev->boot_order.value, letter, first_of_kind };

    if (dev->boot_order.set)
        g_array_append_val(all, one);
}

static GArray *
ordered_devices(const ConfDomain *def)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Ordered));
    bool disk = false, cdrom = false;

    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *one = def->disks->pdata[i];
        bool is_cdrom = one->device == CONF_DISK_DEVICE_CDROM;
        bool *seen = is_cdrom ? &cdrom : &disk;

        add_ordered(all, &one->dev, is_cdrom ? 'd' : 'c', !*seen);
        *seen = true;
    }
    for (guint i = 0; i < def->interfaces->len; i++)
        add_ordered(all, &((const ConfInterface *)def->interfaces->pdata[i])->dev, 'n', i == 0);
    g_array_sort(all, compare_order);
    return all;
}

/* ---- the order of kinds ---- */

typedef struct Order {
    char letters[8];
    gsize len;
} Order;

static bool
append_letter(Order *order, char letter)
{
    if (letter == '\0' || memchr(order->letters, letter, order->len))
        return false;
    order->letters[order->len++] = letter;
    return true;
}

static void
build_order(HvxlBuild *b)
{
    g_autoptr(GArray) devices = ordered_devices(b->def);
    Order order = { "", 0 };
    bool exact = true;

    for (guint i = 0; i < b->def->os.boot->len; i++)
        append_letter(&order, boot_letter(((const ConfBoot *)b->def->os.boot->pdata[i])->dev));
    for (guint i = 0; i < devices->len; i++) {
        const Ordered *device = &g_array_index(devices, Ordered, i);

        if (append_letter(&order, device->letter))
            exact &= device->first_of_kind;
    }
    if (!exact)
        hvxl_warn(b, NULL, "devices/disk/boot/@order", "not the first of its kind");
    if (order.len)
        hvxl_set_string(&b->config->b_info.u.hvm.boot, order.letters);
}

/* ---- ACPI tables, and what no firmware of Xen's does ---- */

static gboolean
build_acpi_tables(HvxlBuild *b, GError **error)
{
    const GPtrArray *tables = b->def->os.acpi_tables;
    const ConfAcpiTable *table;

    if (tables->len == 0)
        return TRUE;
    table = tables->pdata[0];
    if (tables->len > 1)
        return hvxl_refuse(NULL, "os/acpi/table", "a second one", error);
    if (g_strcmp0(table->type, "slic") != 0 && g_strcmp0(table->type, "rawset") != 0)
        return hvxl_refuse(table->type, "os/acpi/table/@type", "other", error);
    hvxl_set_string(&b->config->b_info.u.hvm.acpi_firmware, table->path);
    return TRUE;
}

static void
warn_os(HvxlBuild *b)
{
    const ConfOs *os = &b->def->os;

    if (os->bootmenu == CONF_TRISTATE_ON)
        hvxl_warn(b, NULL, "os/bootmenu", NULL);
    if (os->bios_useserial || os->bios_reboot_timeout.set)
        hvxl_warn(b, NULL, "os/bios", NULL);
    if (g_strcmp0(os->smbios_mode, "host") == 0)
        hvxl_warn(b, NULL, "os/smbios/@mode", "host");
    if (os->init)
        hvxl_warn(b, NULL, "os/init", NULL);
    if (os->dtb)
        hvxl_warn(b, NULL, "os/dtb", NULL);
}

gboolean
hvxl_build_boot(HvxlBuild *b, GError **error)
{
    build_kernel(b);
    warn_os(b);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM)
        return TRUE;
    build_order(b);
    return build_acpi_tables(b, error) && build_firmware(b, error);
}
