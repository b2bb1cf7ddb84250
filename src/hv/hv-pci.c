/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI devices of the host that guests may get. */
#include "hv-private.h"

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
