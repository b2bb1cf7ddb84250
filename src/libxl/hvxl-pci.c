/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI devices of the host: taken from their driver for guests, given back, reset. */
#include "hvxl-device.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SYSFS "/sys/bus/pci/devices/%04x:%02x:%02x.%x"

static libxl_device_pci
device_of(const HvPciAddress *address)
{
    libxl_device_pci xl;

    libxl_device_pci_init(&xl);
    xl.domain = (int)address->domain;
    xl.bus = (uint8_t)address->bus;
    xl.dev = (uint8_t)address->slot;
    xl.func = (uint8_t)address->function;
    return xl;
}

static gboolean
check_present(const HvPciAddress *address, GError **error)
{
    g_autofree char *path = g_strdup_printf(SYSFS, address->domain, address->bus, address->slot,
                                            address->function);

    if (access(path, F_OK) == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "this host has no PCI device %04x:%02x:%02x.%x", address->domain, address->bus,
                address->slot, address->function);
    return FALSE;
}

static gboolean
is_assignable(HvxlCtx *ctx, const HvPciAddress *address)
{
    int n = 0;
    libxl_device_pci *all = libxl_device_pci_assignable_list(ctx->libxl, &n);
    gboolean found = FALSE;

    for (int i = 0; i < n; i++)
        found |= all[i].domain == (int)address->domain && all[i].bus == address->bus &&
                 all[i].dev == address->slot && all[i].func == address->function;
    libxl_device_pci_assignable_list_free(all, n);
    return found;
}

/* Without one libxl takes a device from its driver before it finds that it cannot go on, and cannot
 * give it back. */
static gboolean
check_iommu(HvxlCtx *ctx, GError **error)
{
    libxl_physinfo info;
    gboolean has;

    libxl_physinfo_init(&info);
    has = libxl_get_physinfo(ctx->libxl, &info) == 0 && info.cap_hvm_directio;
    libxl_physinfo_dispose(&info);
    if (!has)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "giving PCI devices to guests: Xen uses no IOMMU on this host");
    return has;
}

typedef int (*AssignFunc)(libxl_ctx *ctx, libxl_device_pci *pci, int rebind);

static gboolean
assign(HvEngine *engine, const HvPciAddress *address, gboolean to_guests, AssignFunc func,
       GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_device_pci xl = device_of(address);
    int rc = 0;

    if (!ctx || !check_present(address, error) || (to_guests && !check_iommu(ctx, error)))
        return FALSE;
    if (is_assignable(ctx, address) != to_guests)
        rc = func(ctx->libxl, &xl, 1);
    libxl_device_pci_dispose(&xl);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot %s PCI device %04x:%02x:%02x.%x %s",
                          to_guests ? "take" : "give", address->domain, address->bus, address->slot,
                          address->function, to_guests ? "from its driver" : "back to its driver");
}

gboolean
hvxl_pci_detach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    return assign(engine, address, TRUE, libxl_device_pci_assignable_add, error);
}

gboolean
hvxl_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    return assign(engine, address, FALSE, libxl_device_pci_assignable_remove, error);
}

gboolean
hvxl_pci_reset(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    g_autofree char *path = g_strdup_printf(SYSFS "/reset", address->domain, address->bus,
                                            address->slot, address->function);
    gboolean ok;
    int fd;

    if (!check_present(address, error))
        return FALSE;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ok = fd >= 0 && write(fd, "1", 1) == 1;
    if (!ok && errno == ENOENT)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "PCI device %04x:%02x:%02x.%x has no way to be reset", address->domain,
                    address->bus, address->slot, address->function);
    else if (!ok)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot write to '%s': %s", path,
                    g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}
