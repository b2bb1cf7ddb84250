/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan as text for the new host: each bridge in the words of each system. */
#include "x2l-net.h"

#include "x2l-ifcfg.h"

typedef void (*WriteBridge)(GString *out, const X2lBridge *bridge);

/* "DHCP unless something else is known": a bridge that only the domains name has no address. */
static gboolean
wants_dhcp(const X2lBridge *bridge)
{
    return bridge->dhcp || (bridge->origin == X2L_BRIDGE_SCRIPT && !bridge->address);
}

/* Where nothing is known of the card, the text has a word that nobody takes for one. NULL: none. */
static char *
port_of(const X2lBridge *bridge)
{
    if (!bridge->port && bridge->origin == X2L_BRIDGE_DOMAINS)
        return g_strconcat("CARD_OF_", bridge->name, NULL);
    return g_strdup(bridge->port);
}

/* ---- Debian: ifupdown ---- */

static void
write_ifupdown(GString *out, const X2lBridge *bridge)
{
    g_autofree char *port = port_of(bridge);

    if (port)
        g_string_append_printf(out, "iface %s inet manual\n\n", port);
    g_string_append_printf(out, "auto %s\niface %s inet %s\n", bridge->name, bridge->name,
                           bridge->address      ? "static"
                           : wants_dhcp(bridge) ? "dhcp"
                                                : "manual");
    if (bridge->address)
        g_string_append_printf(out, "    address %s\n", bridge->address);
    if (bridge->gateway)
        g_string_append_printf(out, "    gateway %s\n", bridge->gateway);
    g_string_append_printf(out, "    bridge_ports %s\n    bridge_stp off\n    bridge_fd 0\n\n",
                           port ? port : "none");
}

/* ---- systemd-networkd ---- */

static void
write_networkd(GString *out, const X2lBridge *bridge)
{
    g_autofree char *port = port_of(bridge);

    g_string_append_printf(out,
                           "# /etc/systemd/network/%s.netdev\n"
                           "[NetDev]\nName=%s\nKind=bridge\n\n[Bridge]\nSTP=no\n\n",
                           bridge->name, bridge->name);
    g_string_append_printf(out,
                           "# /etc/systemd/network/%s.network\n[Match]\nName=%s\n\n[Network]\n",
                           bridge->name, bridge->name);
    if (bridge->address)
        g_string_append_printf(out, "Address=%s\n", bridge->address);
    if (bridge->gateway)
        g_string_append_printf(out, "Gateway=%s\n", bridge->gateway);
    if (!bridge->address)
        g_string_append(out, wants_dhcp(bridge) ? "DHCP=yes\n" : "LinkLocalAddressing=no\n");
    g_string_append(out, "ConfigureWithoutCarrier=yes\n\n");
    if (port)
        g_string_append_printf(out,
                               "# /etc/systemd/network/%s.network\n"
                               "[Match]\nName=%s\n\n[Network]\nBridge=%s\n\n",
                               port, port, bridge->name);
}

/* ---- SLES: wicked ---- */

static void
write_wicked(GString *out, const X2lBridge *bridge)
{
    g_autofree char *port = port_of(bridge);

    g_string_append_printf(out,
                           "# /etc/sysconfig/network/ifcfg-%s\n"
                           "STARTMODE='auto'\nBOOTPROTO='%s'\n",
                           bridge->name,
                           bridge->address      ? "static"
                           : wants_dhcp(bridge) ? "dhcp"
                                                : "none");
    if (bridge->address)
        g_string_append_printf(out, "IPADDR='%s'\n", bridge->address);
    g_string_append_printf(out,
                           "BRIDGE='yes'\nBRIDGE_PORTS='%s'\nBRIDGE_STP='off'\n"
                           "BRIDGE_FORWARDDELAY='0'\n\n",
                           port ? port : "");
    if (bridge->gateway)
        g_string_append_printf(out, "# /etc/sysconfig/network/ifroute-%s\ndefault %s - -\n\n",
                               bridge->name, bridge->gateway);
    if (port)
        g_string_append_printf(out,
                               "# /etc/sysconfig/network/ifcfg-%s\n"
                               "STARTMODE='hotplug'\nBOOTPROTO='none'\n\n",
                               port);
}

/* ---- RHEL: NetworkManager ---- */

static void
write_nmcli(GString *out, const X2lBridge *bridge)
{
    g_autofree char *port = port_of(bridge);

    g_string_append_printf(
        out,
        "nmcli connection add type bridge con-name %s ifname %s bridge.stp no \\\n"
        "    ipv4.method %s",
        bridge->name, bridge->name,
        bridge->address      ? "manual"
        : wants_dhcp(bridge) ? "auto"
                             : "disabled");
    if (bridge->address)
        g_string_append_printf(out, " ipv4.addresses %s", bridge->address);
    if (bridge->gateway)
        g_string_append_printf(out, " ipv4.gateway %s", bridge->gateway);
    g_string_append_c(out, '\n');
    if (port)
        g_string_append_printf(out,
                               "nmcli connection add type ethernet con-name %s-port ifname %s \\\n"
                               "    master %s\n",
                               bridge->name, port, bridge->name);
}

/* ---- libvirt ---- */

static void
write_libvirt(GString *out, const X2lBridge *bridge)
{
    g_string_append_printf(out,
                           "<network>\n  <name>%s</name>\n  <forward mode='bridge'/>\n"
                           "  <bridge name='%s'/>\n</network>\n",
                           bridge->name, bridge->name);
}

static const struct {
    const char *id, *title, *where;
    WriteBridge write;
} forms[] = {
    { "ifupdown", "Bridges, Debian (ifupdown)", "/etc/network/interfaces; package bridge-utils",
      write_ifupdown },
    { "networkd", "Bridges, systemd-networkd", "/etc/systemd/network/", write_networkd },
    { "wicked", "Bridges, SLES (wicked)", "/etc/sysconfig/network/", write_wicked },
    { "networkmanager", "Bridges, RHEL (NetworkManager)", "commands to run once", write_nmcli },
    { "libvirt-network", "Bridges as networks of libvirt (optional)",
      "one file each for virsh net-define, for domains with <interface type='network'>",
      write_libvirt },
};

/* ---- routed and translated domains ---- */

static char *
write_sysctl(const X2lNet *net)
{
    GString *out = g_string_new("net.ipv4.ip_forward = 1\n");

    if (net->route)
        g_string_append_printf(out, "net.ipv4.conf.%s.proxy_arp = 1\n", net->outside);
    return g_string_free(out, FALSE);
}

static char *
write_nftables(const X2lNet *net)
{
    return g_strdup_printf("table ip xen-nat {\n"
                           "    chain postrouting {\n"
                           "        type nat hook postrouting priority srcnat;\n"
                           "        oifname \"%s\" masquerade\n"
                           "    }\n"
                           "}\n",
                           net->outside);
}

/* ---- all of it ---- */

static void
snippet_free(gpointer data)
{
    X2lSnippet *snippet = data;

    g_free(snippet->text);
    g_free(snippet);
}

/* Takes `text`; NULL or "" adds nothing. */
static void
add(GPtrArray *list, const char *id, const char *title, const char *where, char *text)
{
    X2lSnippet *snippet;

    if (!text || !*text) {
        g_free(text);
        return;
    }
    snippet = g_new0(X2lSnippet, 1);
    snippet->id = id;
    snippet->title = title;
    snippet->where = where;
    snippet->text = text;
    g_ptr_array_add(list, snippet);
}

static void
add_forms(GPtrArray *list, const X2lNet *net)
{
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        GString *out = g_string_new(NULL);

        for (guint k = 0; k < net->bridges->len; k++) {
            const X2lBridge *bridge = net->bridges->pdata[k];

            /* A name that no kernel takes has no place in a command. */
            if (x2l_ifcfg_is_name(bridge->name))
                forms[i].write(out, bridge);
        }
        add(list, forms[i].id, forms[i].title, forms[i].where, g_string_free(out, FALSE));
    }
}

static const struct {
    X2lPlace place;
    const char *id, *where, *between;
} line_snippets[] = {
    { X2L_PLACE_XEN, "xen-command-line",
      "GRUB_CMDLINE_XEN_DEFAULT in /etc/default/grub, or the line of xen.gz in the boot loader's "
      "menu",
      " " },
    { X2L_PLACE_XL_CONF, "xl.conf", "for who goes on using xl beside libvirt", "\n" },
    { X2L_PLACE_LIBXL, "libxl.conf", "libvirt's Xen driver", "\n" },
    { X2L_PLACE_GUESTS, "libvirt-guests", "/etc/sysconfig/libvirt-guests on RHEL and SLES", "\n" },
};

static void
add_lines(GPtrArray *list, const X2lSite *site)
{
    for (gsize i = 0; i < G_N_ELEMENTS(line_snippets); i++) {
        g_autofree char *text = x2l_site_results(site, line_snippets[i].place,
                                                 line_snippets[i].between);

        if (text)
            add(list, line_snippets[i].id, x2l_place_title(line_snippets[i].place),
                line_snippets[i].where, g_strconcat(text, "\n", NULL));
    }
    if (site->autoballoon_off)
        add(list, "libxl.conf-autoballoon", "libvirt's own autoballoon", "/etc/libvirt/libxl.conf",
            g_strdup("autoballoon = 0\n"));
}

GPtrArray *
x2l_net_snippets(const X2lSite *site, const X2lNet *net)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(snippet_free);

    if (site)
        add_lines(list, site);
    if (net && net->bridges->len)
        add_forms(list, net);
    if (net && (net->route || net->nat))
        add(list, "sysctl", "Routed domains", "/etc/sysctl.d/60-xen.conf", write_sysctl(net));
    if (net && net->nat)
        add(list, "nftables", "Translated addresses", "/etc/nftables.conf", write_nftables(net));
    return list;
}
