/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-net.h"

#include "x2l-ifcfg.h"

#include <string.h>

#define SCRIPT_FOLDER "/etc/xen/scripts"
#define MAX_SCRIPT    (1u << 20) /* bytes of a script that is looked through */

static void
bridge_free(gpointer data)
{
    X2lBridge *bridge = data;

    g_free(bridge->name);
    g_free(bridge->port);
    g_free(bridge->address);
    g_free(bridge->gateway);
    g_free(bridge->file);
    g_free(bridge->note);
    g_ptr_array_unref(bridge->users);
    g_free(bridge);
}

void
x2l_net_free(X2lNet *net)
{
    if (!net)
        return;
    g_ptr_array_unref(net->bridges);
    g_ptr_array_unref(net->notes);
    g_free(net->outside);
    g_free(net);
}

static X2lBridge *
find_bridge(const X2lNet *net, const char *name)
{
    for (guint i = 0; i < net->bridges->len; i++) {
        X2lBridge *bridge = net->bridges->pdata[i];

        if (g_str_equal(bridge->name, name))
            return bridge;
    }
    return NULL;
}

static X2lBridge *
add_bridge(X2lNet *net, const char *name, X2lBridgeOrigin origin, const char *file, unsigned line)
{
    X2lBridge *bridge = find_bridge(net, name);

    if (bridge)
        return bridge;
    bridge = g_new0(X2lBridge, 1);
    bridge->name = g_strdup(name);
    bridge->origin = origin;
    bridge->file = g_strdup(file);
    bridge->line = line;
    bridge->users = g_ptr_array_new();
    g_ptr_array_add(net->bridges, bridge);
    return bridge;
}

/* ---- network-script ---- */

typedef struct Planning {
    const X2lSite *site;
    X2lNet *net;
    GHashTable *ifaces; /* x2l_ifcfg_read() */
    GHashTable *used;   /* bridge -> GPtrArray of names of domains */
} Planning;

/* The value of NAME=VALUE among the words; NULL: not there. */
static const char *
argument(char **words, const char *name)
{
    gsize len = strlen(name);

    for (; *words; words++) {
        if (strncmp(*words, name, len) == 0 && (*words)[len] == '=' && (*words)[len + 1])
            return *words + len + 1;
    }
    return NULL;
}

/* What bridge= was where it is not given: xenbrN up to Xen 3.1; later the name of the card, which
 * was renamed for it. Which of the two it was, the domains know. */
static char *
bridge_name(const Planning *p, const char *netdev, const char *number)
{
    g_autofree char *old = g_strconcat("xenbr", number, NULL);

    if (!g_hash_table_contains(p->used, old) && g_hash_table_contains(p->used, netdev))
        return g_strdup(netdev);
    return g_steal_pointer(&old);
}

static void
take_address(X2lBridge *bridge, const X2lIface *iface)
{
    if (!iface)
        return;
    g_free(bridge->address);
    g_free(bridge->gateway);
    bridge->address = g_strdup(iface->address);
    bridge->gateway = g_strdup(iface->gateway);
    bridge->dhcp = iface->dhcp;
}

static void
network_bridge(Planning *p, char **words, const X2lScript *script)
{
    const char *number = argument(words, "vifnum");
    const char *name = argument(words, "bridge");
    const char *netdev = argument(words, "netdev");
    g_autofree char *card = NULL, *own_name = NULL;
    X2lBridge *bridge;

    if (!number || strspn(number, "0123456789") != strlen(number))
        number = "0";
    card = netdev ? g_strdup(netdev) : g_strconcat("eth", number, NULL);
    own_name = name ? g_strdup(name) : bridge_name(p, card, number);
    if (!x2l_ifcfg_is_name(card) || !x2l_ifcfg_is_name(own_name)) {
        g_ptr_array_add(p->net->notes, g_strdup_printf("%s:%u: '%.80s' names no network device",
                                                       script->file, script->line, script->text));
        return;
    }
    bridge = add_bridge(p->net, own_name, X2L_BRIDGE_SCRIPT, script->file, script->line);
    take_address(bridge, g_hash_table_lookup(p->ifaces, card));
    g_free(bridge->port);
    bridge->port = g_steal_pointer(&card);
    if (g_str_equal(bridge->name, bridge->port)) {
        g_free(bridge->port);
        bridge->port = g_strconcat("p", bridge->name, NULL);
        bridge->note = g_strdup_printf(
            "xend's script renamed the card %s to %s and gave its name to "
            "the bridge; rename the card by a .link file of systemd, or "
            "give the bridge and the domains another name",
            bridge->name, bridge->port);
    } else if (!netdev) {
        bridge->note = g_strdup_printf("netdev= is not given: the card was the one of the default "
                                       "route, %s as a rule; today it has another name",
                                       bridge->port);
    }
}

static void
network_outside(Planning *p, char **words, gboolean nat)
{
    const char *netdev = argument(words, "netdev");

    p->net->nat |= nat;
    p->net->route |= !nat;
    g_free(p->net->outside);
    p->net->outside = g_strdup(netdev && x2l_ifcfg_is_name(netdev) ? netdev : "eth0");
}

/* Scripts of one's own, which call network-bridge once a bridge as a rule. */
static void
custom_script(Planning *p, const char *name, const X2lScript *script)
{
    g_autofree char *path = g_path_is_absolute(name) ? g_strdup(name)
                                                     : g_build_filename(SCRIPT_FOLDER, name, NULL);
    gsize len = 0;
    g_autofree char *text = p->site->root ? x2l_root_read(p->site->root, path, &len, NULL, NULL)
                                          : NULL;
    g_auto(GStrv) lines = g_strsplit(text && len <= MAX_SCRIPT ? text : "", "\n", -1);
    guint before = p->net->bridges->len;

    for (char **line = lines; *line; line++) {
        char *start = g_strstrip(*line);
        g_auto(GStrv) words = g_strsplit_set(start, " \t\"'", -1);

        if (*start != '#' && strstr(start, "network-bridge") && !strstr(start, " stop"))
            network_bridge(p, words, script);
    }
    if (!text)
        g_ptr_array_add(p->net->notes,
                        g_strdup_printf("%s:%u: %s: the network script is not there; what it did "
                                        "has to be found out on the old host",
                                        script->file, script->line, path));
    else if (p->net->bridges->len == before)
        g_ptr_array_add(p->net->notes,
                        g_strdup_printf("%s:%u: %s: a script of this host's own; look into it for "
                                        "the bridges that it made",
                                        script->file, script->line, path));
}

static void
plan_script(Planning *p, const X2lScript *script)
{
    static const char *const nothing[] = { "network-dummy", "true", "false", "network", NULL };
    g_auto(GStrv) words = g_strsplit_set(script->text, " \t", -1);
    g_autofree char *name = words[0] ? g_path_get_basename(words[0]) : NULL;

    if (!name || !*words[0] || g_strv_contains(nothing, name))
        return;
    if (g_str_equal(name, "network-bridge"))
        network_bridge(p, words, script);
    else if (g_str_equal(name, "network-route") || g_str_equal(name, "network-nat"))
        network_outside(p, words, g_str_equal(name, "network-nat"));
    else
        custom_script(p, words[0], script);
}

void
x2l_net_default_bridge(X2lSite *site)
{
    X2lSiteValue *value = &site->values[X2L_SITE_XEND_BRIDGE];

    for (guint i = 0; i < site->scripts->len && !value->value; i++) {
        const X2lScript *script = site->scripts->pdata[i];
        g_auto(GStrv) words = g_strsplit_set(script->text, " \t", -1);
        const char *name = argument(words, "bridge");

        /* xenbr0 is what the readers assume anyway. */
        if (name && x2l_ifcfg_is_name(name) && !g_str_equal(name, "xenbr0"))
            *value = (X2lSiteValue){ "network-script", g_strdup(name), script->file, script->line };
    }
}

/* ---- the domains' view ---- */

static GHashTable *
used_bridges(const GPtrArray *domains)
{
    GHashTable *used = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                             (GDestroyNotify)g_ptr_array_unref);

    for (guint i = 0; i < domains->len; i++) {
        const X2lDomain *domain = domains->pdata[i];
        const GPtrArray *interfaces = domain->def->interfaces;

        for (guint k = 0; !domain->same_as && k < interfaces->len; k++) {
            const ConfInterface *iface = interfaces->pdata[k];
            GPtrArray *names;

            /* The bridge of a driver domain is in that domain. */
            if (!iface->source_bridge || iface->backenddomain)
                continue;
            names = g_hash_table_lookup(used, iface->source_bridge);
            if (!names) {
                names = g_ptr_array_new();
                g_hash_table_insert(used, iface->source_bridge, names);
            }
            if (names->len == 0 || names->pdata[names->len - 1] != domain->def->name)
                g_ptr_array_add(names, domain->def->name);
        }
    }
    return used;
}

static void
plan_used(Planning *p, const char *name)
{
    const GPtrArray *users = g_hash_table_lookup(p->used, name);
    const X2lIface *iface = g_hash_table_lookup(p->ifaces, name);
    X2lBridge *bridge = find_bridge(p->net, name);

    if (!bridge) {
        bridge = add_bridge(p->net, name, iface ? X2L_BRIDGE_SYSTEM : X2L_BRIDGE_DOMAINS,
                            iface ? iface->file : NULL, iface ? iface->line : 0);
        take_address(bridge, iface);
        if (iface && iface->ports)
            bridge->port = g_strndup(iface->ports, strcspn(iface->ports, " "));
    }
    for (guint i = 0; i < users->len; i++)
        g_ptr_array_add(bridge->users, users->pdata[i]);
}

X2lNet *
x2l_net_plan(const X2lSite *site, const GPtrArray *domains)
{
    X2lNet *net = g_new0(X2lNet, 1);
    g_autoptr(GHashTable) used = used_bridges(domains);
    g_autoptr(GHashTable) ifaces = site->root ? x2l_ifcfg_read(site->root)
                                              : g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(used), (GCompareFunc)strcmp);
    Planning p = { site, net, ifaces, used };

    net->bridges = g_ptr_array_new_with_free_func(bridge_free);
    net->notes = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < site->scripts->len; i++)
        plan_script(&p, site->scripts->pdata[i]);
    for (GList *name = names; name; name = name->next)
        plan_used(&p, name->data);
    return net;
}
