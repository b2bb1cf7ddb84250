/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-script and the system's own configuration -> bridges, and the texts of them. */
#include <x2l-ifcfg.h>
#include <x2l-net.h>

#include <string.h>

/* A plan of one network-script for domains that name these bridges. */
static X2lNet *
plan(const char *script, const char *const *bridges)
{
    g_autoptr(X2lSite) site = x2l_site_new(NULL);
    g_autofree char *text = g_strdup_printf("(network-script '%s')\n", script);
    g_autoptr(GPtrArray) domains = g_ptr_array_new();
    g_autoptr(ConfDomain) def = conf_domain_new();
    X2lDomain domain = { .def = def };
    X2lNet *net;

    def->name = g_strdup("d");
    for (; bridges && *bridges; bridges++) {
        ConfInterface *iface = conf_interface_new();

        iface->source_bridge = g_strdup(*bridges);
        g_ptr_array_add(def->interfaces, iface);
    }
    g_ptr_array_add(domains, &domain);
    x2l_site_add_xend(site, text, strlen(text), "f");
    net = x2l_net_plan(site, domains);
    /* Names of domains are borrowed. */
    for (guint i = 0; i < net->bridges->len; i++)
        g_ptr_array_set_size(((X2lBridge *)net->bridges->pdata[i])->users, 0);
    return net;
}

static const X2lBridge *
only_bridge(const X2lNet *net)
{
    g_assert_cmpuint(net->bridges->len, ==, 1);
    return net->bridges->pdata[0];
}

static void
test_scripts(void)
{
    static const char *const eth0[] = { "eth0", NULL }, *const xenbr0[] = { "xenbr0", NULL },
                             *const xenbr2[] = { "xenbr2", NULL };
    const struct {
        const char *script;
        const char *const *used;
        const char *name, *port;
    } cases[] = {
        { "network-bridge", NULL, "xenbr0", "eth0" },
        { "network-bridge", xenbr0, "xenbr0", "eth0" },
        { "network-bridge", eth0, "eth0", "peth0" }, /* Xen 3.2 and later */
        { "network-bridge vifnum=2", xenbr2, "xenbr2", "eth2" },
        { "network-bridge netdev=bond0 bridge=lan", NULL, "lan", "bond0" },
        { "/etc/xen/scripts/network-bridge bridge=lan", NULL, "lan", "eth0" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(X2lNet) net = plan(cases[i].script, cases[i].used);
        const X2lBridge *bridge = only_bridge(net);

        g_test_message("%s", cases[i].script);
        g_assert_cmpstr(bridge->name, ==, cases[i].name);
        g_assert_cmpstr(bridge->port, ==, cases[i].port);
        g_assert_cmpuint(bridge->line, ==, 1);
    }
}

static void
test_other_scripts(void)
{
    static const char *const nothing[] = { "network-dummy", "/bin/true", "" };
    g_autoptr(X2lNet) route = plan("network-route netdev=eth7", NULL);
    g_autoptr(X2lNet) nat = plan("network-nat", NULL);
    g_autoptr(X2lNet) own = plan("my-network", NULL);
    g_autoptr(GPtrArray) snippets = x2l_net_snippets(NULL, nat);

    for (gsize i = 0; i < G_N_ELEMENTS(nothing); i++) {
        g_autoptr(X2lNet) net = plan(nothing[i], NULL);

        g_assert_cmpuint(net->bridges->len + net->notes->len, ==, 0);
        g_assert_false(net->route || net->nat);
    }
    g_assert_true(route->route);
    g_assert_cmpstr(route->outside, ==, "eth7");
    g_assert_true(nat->nat);
    g_assert_cmpuint(snippets->len, ==, 2);
    g_assert_nonnull(strstr(((X2lSnippet *)snippets->pdata[0])->text, "ip_forward = 1"));
    g_assert_nonnull(strstr(((X2lSnippet *)snippets->pdata[1])->text, "\"eth0\" masquerade"));
    g_assert_cmpuint(own->notes->len, ==, 1);
}

/* What is no name of a device gets into no command. */
static void
test_hostile_names(void)
{
    static const char *const used[] = { "a;reboot", "$(reboot)", "../x", "a b", NULL };
    g_autoptr(X2lNet) net = plan("network-bridge netdev=$(reboot) bridge=x", used);
    g_autoptr(GPtrArray) snippets = x2l_net_snippets(NULL, net);

    g_assert_cmpuint(net->notes->len, ==, 1);
    g_assert_cmpuint(net->bridges->len, ==, 4);
    g_assert_cmpuint(snippets->len, ==, 0);
}

static void
test_debian(void)
{
    static const char text[] =
        "auto lo\niface lo inet loopback\n"
        "iface eth0 inet static\n  address 192.0.2.9\n  netmask 255.255.254.0\n"
        "  gateway 192.0.2.1\n  up echo x\n"
        "iface br0 inet dhcp\n\tbridge_ports eth1 eth2\n"
        "iface br1 inet6 static\n  address fd00::1/64\n"
        "iface br2 inet static\n  address 198.51.100.1/28\n";
    g_autoptr(GHashTable) table = x2l_ifcfg_table_new();
    const X2lIface *eth0, *br0, *br2;

    x2l_ifcfg_add_debian(table, text, "f");
    eth0 = g_hash_table_lookup(table, "eth0");
    br0 = g_hash_table_lookup(table, "br0");
    br2 = g_hash_table_lookup(table, "br2");
    g_assert_cmpstr(eth0->address, ==, "192.0.2.9/23");
    g_assert_cmpstr(eth0->gateway, ==, "192.0.2.1");
    g_assert_cmpuint(eth0->line, ==, 3);
    g_assert_true(br0->dhcp);
    g_assert_cmpstr(br0->ports, ==, "eth1 eth2");
    g_assert_cmpstr(br2->address, ==, "198.51.100.1/28");
    g_assert_null(g_hash_table_lookup(table, "br1"));
}

static void
test_ifcfg(void)
{
    g_autoptr(GHashTable) table = x2l_ifcfg_table_new();
    const X2lIface *iface;

    x2l_ifcfg_add_shell(table, "eth0", "DEVICE=eth0\nBOOTPROTO=none\nBRIDGE=br0\n", "f");
    x2l_ifcfg_add_shell(table, "br0",
                        "TYPE=Bridge\nIPADDR='192.0.2.9'\nPREFIX=26\nGATEWAY=nonsense\n", "f");
    x2l_ifcfg_add_shell(table, "br1", "BOOTPROTO='dhcp4'\nBRIDGE='yes'\nBRIDGE_PORTS='eth1 $(x)'\n",
                        "f");
    iface = g_hash_table_lookup(table, "eth0");
    g_assert_cmpstr(iface->master, ==, "br0");
    iface = g_hash_table_lookup(table, "br0");
    g_assert_cmpstr(iface->address, ==, "192.0.2.9/26");
    g_assert_null(iface->gateway);
    iface = g_hash_table_lookup(table, "br1");
    g_assert_true(iface->dhcp);
    g_assert_null(iface->master);
    g_assert_cmpstr(iface->ports, ==, "eth1");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/convert/net/scripts", test_scripts);
    g_test_add_func("/convert/net/other-scripts", test_other_scripts);
    g_test_add_func("/convert/net/hostile-names", test_hostile_names);
    g_test_add_func("/convert/net/debian", test_debian);
    g_test_add_func("/convert/net/ifcfg", test_ifcfg);
    return g_test_run();
}
