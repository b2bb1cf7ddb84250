/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI devices of the host that guests may get. */
#include "hv-private.h"

/* ---- of a domain ---- */

static gboolean
is_lent(const ConfHostdev *hostdev)
{
    return g_strcmp0(hostdev->type, "pci") == 0 && g_strcmp0(hostdev->managed, "yes") == 0;
}

void
hv_pci_give_back(HvHost *host, const ConfDomain *def)
{
    for (guint i = 0; host->ops->pci_attach && i < def->hostdevs->len; i++) {
        const ConfHostdev *hostdev = def->hostdevs->pdata[i];
        HvPciAddress address = { (guint)hostdev->domain.value, (guint)hostdev->bus.value,
                                 (guint)hostdev->slot.value, (guint)hostdev->function.value };
        g_autoptr(GError) error = NULL;

        if (is_lent(hostdev) && !host->ops->pci_attach(host->engine, &address, &error))
            g_warning("a device of domain '%s': %s", def->name, error->message);
    }
}

/* ---- of the host ---- */

typedef gboolean (*PciHook)(HvEngine *engine, const HvPciAddress *address, GError **error);

gboolean
hv_host_pci(HvHost *host, const HvPciAddress *address, HvPciOp op, GError **error)
{
    const struct {
        PciHook hook;
        const char *what;
    } ops[] = {
        [HV_PCI_DETACH] = { host->ops->pci_detach, "taking a device from its driver" },
        [HV_PCI_ATTACH] = { host->ops->pci_attach, "giving a device back to its driver" },
        [HV_PCI_RESET] = { host->ops->pci_reset, "resetting a device of the host" },
    };
    gboolean ok;

    if (!ops[op].hook) {
        hv_set_unsupported(error, host, ops[op].what);
        return FALSE;
    }
    if (!hv_host_enter_engine(host, error))
        return FALSE;
    ok = ops[op].hook(host->engine, address, error);
    hv_host_leave_engine(host);
    return ok;
}
