/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of domains, and the host's PCI devices that they may get. */
#include "lvd-do.h"

#include <stdio.h>
#include <string.h>

/* ---- attach, detach, update ---- */

typedef gboolean (*DeviceFunc)(HvDomain *domain, ConfAnyDevice *device, unsigned affect,
                               GError **error);

static ConfAnyDevice *
parse_device(const char *xml, unsigned conf_flags, GError **error)
{
    ConfAnyDevice *device = conf_device_parse_xml(xml, -1, "(device_definition)", conf_flags,
                                                  error);

    if (!device)
        lvd_syntax_error(xml, error);
    return device;
}

/* What somebody hands in to be added is read without what only a running device has; of what is to
 * be found in a running domain that may help to find it. */
static gboolean
change(LvdCall *call, const lvd_nonnull_domain *dom, const char *xml, unsigned affect,
       DeviceFunc func, GError **error)
{
    unsigned conf_flags = func == hv_domain_attach_device || !(affect & HV_AFFECT_LIVE)
                              ? CONF_XML_INACTIVE
                              : 0;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    ConfAnyDevice *device = domain ? parse_device(xml, conf_flags, error) : NULL;

    return device && func(domain, device, affect, error);
}

gboolean
lvd_do_domain_attach_device(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_attach_device_args *a = args;

    return change(call, &a->dom, a->xml, HV_AFFECT_LIVE, hv_domain_attach_device, error);
}

gboolean
lvd_do_domain_attach_device_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_attach_device_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) &&
           change(call, &a->dom, a->xml, lvd_affect(a->flags), hv_domain_attach_device, error);
}

gboolean
lvd_do_domain_detach_device(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_detach_device_args *a = args;

    return change(call, &a->dom, a->xml, HV_AFFECT_LIVE, hv_domain_detach_device, error);
}

gboolean
lvd_do_domain_detach_device_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_detach_device_flags_args *a = args;

    return lvd_check_flags(call, a->flags, error) &&
           change(call, &a->dom, a->xml, lvd_affect(a->flags), hv_domain_detach_device, error);
}

gboolean
lvd_do_domain_detach_device_alias(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_detach_device_alias_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_detach_alias(domain, a->alias, lvd_affect(a->flags), error);
}

gboolean
lvd_do_domain_update_device_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_update_device_flags_args *a = args;
    gboolean force = (a->flags & VIR_DOMAIN_DEVICE_MODIFY_FORCE) != 0;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    ConfAnyDevice *device = domain ? parse_device(a->xml, CONF_XML_INACTIVE, error) : NULL;
    return device && hv_domain_update_device(domain, device, lvd_affect(a->flags), force, error);
}

gboolean
lvd_do_domain_block_resize(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_block_resize_args *a = args;
    gboolean in_bytes = (a->flags & VIR_DOMAIN_BLOCK_RESIZE_BYTES) != 0;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (!in_bytes && a->size > G_MAXINT64 / 1024) {
        lvd_set_error(error, VIR_ERR_OVERFLOW, VIR_FROM_LIBXL, "size must be less than %llu",
                      (unsigned long long)(G_MAXINT64 / 1024));
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain &&
           hv_domain_block_resize(domain, a->disk, in_bytes ? a->size : a->size * 1024, error);
}

gboolean
lvd_do_domain_set_block_threshold(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_set_block_threshold_args *a = args;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_set_block_threshold(domain, a->dev, a->threshold, error);
}

/* ---- the host's PCI devices ---- */

/* "pci_0000_01_00_0", as the node device driver names them. */
static gboolean
parse_pci_name(const char *name, HvPciAddress *ret_address, GError **error)
{
    int end = 0;

    if (strlen(name) == strlen("pci_0000_00_00_0") &&
        sscanf(name, "pci_%4x_%2x_%2x_%1x%n", &ret_address->domain, &ret_address->bus,
               &ret_address->slot, &ret_address->function, &end) == 4 &&
        name[end] == '\0' && ret_address->slot < 32 && ret_address->function < 8)
        return TRUE;
    lvd_set_error(error, VIR_ERR_NO_NODE_DEVICE, VIR_FROM_NODEDEV,
                  "no PCI device with matching name '%s'", name);
    return FALSE;
}

static gboolean
pci(LvdCall *call, const char *name, HvPciOp op, GError **error)
{
    HvPciAddress address;

    return parse_pci_name(name, &address, error) &&
           hv_host_pci(lvd_call_host(call), &address, op, error);
}

gboolean
lvd_do_node_device_dettach(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_device_dettach_args *a = args;

    return pci(call, a->name, HV_PCI_DETACH, error);
}

gboolean
lvd_do_node_device_detach_flags(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_device_detach_flags_args *a = args;
    const char *driver = lvd_opt(a->driverName);

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (driver && strcmp(driver, "xen") != 0) {
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL, "unsupported driver name '%s'",
                      driver);
        return FALSE;
    }
    return pci(call, a->name, HV_PCI_DETACH, error);
}

gboolean
lvd_do_node_device_re_attach(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_device_re_attach_args *a = args;

    return pci(call, a->name, HV_PCI_ATTACH, error);
}

gboolean
lvd_do_node_device_reset(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_device_reset_args *a = args;

    return pci(call, a->name, HV_PCI_RESET, error);
}
