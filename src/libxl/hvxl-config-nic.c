/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <interface>: xl-network-configuration(5) tells what libxl makes of it. */
#include "hvxl-config-keys.h"

#include <stdio.h>
#include <string.h>

#define MAX_RATE_KIB (INT64_C(1) << 32)

/* ---- where it is plugged ---- */

static bool
is_openvswitch(const ConfInterface *iface)
{
    return g_strcmp0(iface->virtualport_type, "openvswitch") == 0;
}

/* The script of Open vSwitch takes BRIDGE[.TAG][:TRUNK:TRUNK...]. */
static void
build_openvswitch(const ConfInterface *iface, const char *bridge, libxl_device_nic *xl)
{
    g_autoptr(GString) port = g_string_new(bridge);
    bool trunk = iface->vlan_trunk == CONF_TRISTATE_ON || iface->vlan->len > 1;

    for (guint i = 0; i < iface->vlan->len; i++) {
        const ConfVlanTag *tag = iface->vlan->pdata[i];

        if (!trunk || tag->native_mode)
            g_string_append_printf(port, ".%u", tag->id);
    }
    for (guint i = 0; trunk && i < iface->vlan->len; i++) {
        const ConfVlanTag *tag = iface->vlan->pdata[i];

        if (!tag->native_mode)
            g_string_append_printf(port, ":%u", tag->id);
    }
    hvxl_set_string(&xl->bridge, port->str);
}

static gboolean
build_bridge(HvxlBuild *b, const ConfInterface *iface, const char *bridge, libxl_device_nic *xl,
             GError **error)
{
    if (bridge == NULL || *bridge == '\0')
        return hvxl_invalid(error, "interface '%s': <source> has no bridge=", iface->mac);
    if (iface->virtualport_type && !is_openvswitch(iface))
        return hvxl_refuse(iface->mac, "devices/interface/virtualport/@type", "other", error);
    if (iface->vlan->len && !is_openvswitch(iface))
        return hvxl_refuse(iface->mac, "devices/interface/vlan", "on a plain bridge", error);
    if (is_openvswitch(iface))
        build_openvswitch(iface, bridge, xl);
    else
        hvxl_set_string(&xl->bridge, bridge);
    return TRUE;
}

static gboolean
build_network(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    g_autofree char *bridge = NULL;

    /* In a live document the network's bridge stands beside it. */
    if (iface->source_bridge)
        return build_bridge(b, iface, iface->source_bridge, xl, error);
    if (b->env->network_bridge == NULL)
        return hvxl_refuse(iface->mac, "devices/interface/@type", "network, unresolved", error);
    bridge = b->env->network_bridge(iface->source_network, iface->source_portgroup, b->env->data,
                                    error);
    return bridge != NULL && build_bridge(b, iface, bridge, xl, error);
}

static gboolean
build_connection(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    const char *type = iface->type ? iface->type : "bridge";

    if (strcmp(type, "bridge") == 0)
        return build_bridge(b, iface, iface->source_bridge, xl, error);
    if (strcmp(type, "network") == 0)
        return build_network(b, iface, xl, error);
    if (strcmp(type, "ethernet") == 0) {
        hvxl_set_string(&xl->gatewaydev, iface->source_dev);
        return TRUE;
    }
    if (strcmp(type, "hostdev") == 0)
        return hvxl_invalid(error, "interface '%s': type hostdev is a PCI device", iface->mac);
    return hvxl_refuse(iface->mac, "devices/interface/@type", "other", error);
}

/* A script that the definition names runs as it is; a driver domain has scripts of its own. */
static void
build_script(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl)
{
    const char *name = NULL;

    if (iface->script) {
        hvxl_set_string(&xl->script, iface->script);
        return;
    }
    if (is_openvswitch(iface))
        name = "vif-openvswitch";
    else if (g_strcmp0(iface->type, "ethernet") == 0)
        name = "vif-route"; /* no bridge to be plugged into */
    if (iface->backenddomain)
        hvxl_set_string(&xl->script, name);
    else if (b->env->hotplug_script)
        hvxl_set_hotplug(&xl->script, b->env, name);
    else
        hvxl_set_string(&xl->script, name ? name : b->env->vif_script);
}

/* ---- the card ---- */

static gboolean
build_mac(const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    unsigned bytes[6];
    char rest;

    if (iface->mac == NULL)
        return TRUE; /* libxl makes one up */
    if (sscanf(iface->mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
               &bytes[4], &bytes[5], &rest) != 6)
        return hvxl_invalid(error, "interface: '%s' is no MAC address", iface->mac);
    for (int i = 0; i < 6; i++)
        xl->mac[i] = (uint8_t)bytes[i];
    return TRUE;
}

static gboolean
build_model(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    bool front = iface->model && strcmp(iface->model, "netfront") == 0;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM && iface->model && !front)
        return hvxl_refuse(iface->mac, "devices/interface/model", "emulated, not HVM", error);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM)
        return TRUE;
    if (front) {
        xl->nictype = LIBXL_NIC_TYPE_VIF;
        return TRUE;
    }
    hvxl_set_string(&xl->model, iface->model);
    /* No device model plugs in a card while it runs, and libxl would wait for its tap device. */
    if (b->config == NULL) {
        xl->nictype = LIBXL_NIC_TYPE_VIF;
        if (iface->model)
            hvxl_warn(b, iface->mac, "devices/interface/model", "emulated, plugged in");
    } else if (iface->model) {
        xl->nictype = LIBXL_NIC_TYPE_VIF_IOEMU;
    }
    return TRUE;
}

static void
build_ips(const ConfInterface *iface, libxl_device_nic *xl)
{
    g_autoptr(GString) ips = g_string_new(NULL);

    for (guint i = 0; i < iface->ips->len; i++) {
        const ConfIp *ip = iface->ips->pdata[i];

        g_string_append_printf(ips, "%s%s", i ? " " : "", ip->address);
        if (ip->prefix.set)
            g_string_append_printf(ips, "/%" G_GINT64_FORMAT, ip->prefix.value);
    }
    if (ips->len)
        hvxl_set_string(&xl->ip, ips->str);
}

static uint64_t
bytes_per_interval(int64_t kib_per_s)
{
    return (uint64_t)kib_per_s * 1024 * HVXL_RATE_INTERVAL_US / 1000000;
}

int64_t
hvxl_rate_average(const libxl_device_nic *xl)
{
    uint64_t bytes = xl->rate_bytes_per_interval;
    int64_t kib;

    if (xl->rate_interval_usecs != HVXL_RATE_INTERVAL_US || bytes > G_MAXUINT32)
        return 0;
    kib = (int64_t)((bytes * 1000000 / HVXL_RATE_INTERVAL_US + 1023) / 1024);
    return bytes_per_interval(kib) == bytes ? kib : 0;
}

static gboolean
build_rate(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    const ConfOptInt *average = &iface->outbound_average;

    if (average->set && average->value > 0) {
        if (average->value > MAX_RATE_KIB)
            return hvxl_invalid(error,
                                "interface '%s': <outbound average=> is %" G_GINT64_FORMAT
                                " KiB/s, at most %" G_GINT64_FORMAT,
                                iface->mac, average->value, MAX_RATE_KIB);
        xl->rate_bytes_per_interval = bytes_per_interval(average->value);
        xl->rate_interval_usecs = HVXL_RATE_INTERVAL_US;
    }
    if (iface->outbound_peak.set || iface->outbound_burst.set)
        hvxl_warn(b, iface->mac, "devices/interface/bandwidth/outbound", "peak, burst, floor");
    if (iface->inbound_average.set || iface->inbound_peak.set || iface->inbound_burst.set)
        hvxl_warn(b, iface->mac, "devices/interface/bandwidth/inbound", NULL);
    return TRUE;
}

static gboolean
build_nic_rest(HvxlBuild *b, const ConfInterface *iface, GError **error)
{
    return hvxl_build_extra(b, iface->mac, "devices/interface", iface->dev.extra, error) &&
           hvxl_build_extra(b, iface->mac, "devices/interface/source", iface->source_extra,
                            error) &&
           hvxl_build_extra(b, iface->mac, "devices/interface/virtualport",
                            iface->virtualport_extra, error);
}

gboolean
hvxl_build_nic(HvxlBuild *b, const ConfInterface *iface, libxl_device_nic *xl, GError **error)
{
    if (!build_mac(iface, xl, error) || !build_connection(b, iface, xl, error) ||
        !build_model(b, iface, xl, error) || !build_rate(b, iface, xl, error))
        return FALSE;
    if (iface->filterref)
        return hvxl_refuse(iface->mac, "devices/interface/filterref", NULL, error);
    build_script(b, iface, xl);
    build_ips(iface, xl);
    hvxl_set_string(&xl->ifname, iface->target);
    hvxl_set_string(&xl->backend_domname, iface->backenddomain);
    if (iface->mtu.set) {
        if (iface->mtu.value < 68 || iface->mtu.value > 65535)
            return hvxl_invalid(error, "interface '%s': an MTU of %" G_GINT64_FORMAT, iface->mac,
                                iface->mtu.value);
        xl->mtu = (int)iface->mtu.value;
    }
    if (g_strcmp0(iface->link_state, "down") == 0)
        hvxl_warn(b, iface->mac, "devices/interface/link/@state", "down");
    return build_nic_rest(b, iface, error) &&
           hvxl_keys_build(b, hvxl_nic_keys, hvxl_n_nic_keys, iface->mac,
                           conf_xl_ext_device(b->ext, iface->mac), xl, error);
}

gboolean
hvxl_build_nics(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->interfaces->len; i++) {
        const ConfInterface *iface = b->def->interfaces->pdata[i];
        libxl_device_nic *xl;

        if (g_strcmp0(iface->type, "hostdev") == 0)
            continue; /* with the PCI devices */
        xl = HVXL_ADD(b->config, nics, num_nics, nic);
        xl->devid = b->config->num_nics - 1; /* the device model's command line needs it */
        if (!hvxl_build_nic(b, iface, xl, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_nic_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfInterface *iface,
               libxl_device_nic *ret_nic, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_nic(&b, iface, ret_nic, error);
}
