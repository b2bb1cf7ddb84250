/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Routed interfaces: the host routes the guest's addresses to it, and answers ARP on its side for
 * the rest of the world. */
#include "hp-vif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The address of the interface that guests are routed through. */
static bool
find_main_address(HpPort *port, HpRun *run, HpAddress *ret)
{
    const char *name = run->request.netdev ? run->request.netdev : "eth0";
    HpLink link;
    if (!hp_check_ifname("gatewaydev", name, &run->error))
        return false;
    int r = hp_net_link(&port->net, name, &link);
    if (r == 1)
        r = hp_net_ipv4(&port->net, link.index, ret);
    if (r < 0)
        return hp_fail(&run->error, "cannot ask the kernel for the address of '%s': %s", name,
                       strerror(-r));
    ret->prefix = 32;
    return r == 1 || hp_fail(&run->error,
                             "'%s' has no IPv4 address to route through: bring it up, or name "
                             "another interface in gatewaydev=",
                             name);
}

static bool
route_to(HpPort *port, HpRun *run, const char *word, const HpAddress *from)
{
    unsigned metric = run->request.tap ? 1 : 2;
    HpAddress to;
    if (!hp_parse_address(word, &to))
        return hp_fail(&run->error, "ip: '%.64s' is no IP address or network", word);
    int r = hp_net_route(&port->net, true, port->link.index, &to, from, metric);
    if (r == -EEXIST)
        return hp_fail(&run->error,
                       "ip: '%s' is routed to another interface already: does another guest have "
                       "it? see ip route show %s",
                       word, word);
    if (r == -EINVAL && to.prefix % (to.family == AF_INET6 ? 128 : 32) != 0)
        return hp_fail(&run->error,
                       "ip: the kernel refuses the network '%s'; are there bits set behind its "
                       "prefix?",
                       word);
    return r == 0 || hp_fail(&run->error, "ip: cannot route '%s' to interface %s: %s", word,
                             port->name, strerror(-r));
}

static bool
add_routes(HpPort *port, HpRun *run, const HpAddress *from)
{
    char ip[HP_VALUE_SIZE];
    if (!hp_read_ip(run, ip))
        return false;
    char *rest = ip;
    for (char *word = hp_next_word(&rest); word; word = hp_next_word(&rest)) {
        if (!route_to(port, run, word, from))
            return false;
    }
    return true;
}

static bool
set_up(HpPort *port, HpRun *run, const HpAddress *from)
{
    const HpLinkChange change = { .state = HP_LINK_UP, .proxy_arp = true };
    int r = hp_net_add_address(&port->net, port->link.index, from);
    if (r < 0)
        return hp_fail(&run->error, "cannot give interface %s its address: %s", port->name,
                       strerror(-r));
    r = hp_net_change(&port->net, port->link.index, &change);
    if (r < 0)
        return hp_fail(&run->error, "cannot bring interface %s up: %s", port->name, strerror(-r));
    return add_routes(port, run, from);
}

bool
hp_route_up(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    HpAddress from;
    char text[INET_ADDRSTRLEN];
    if (!hp_net_open(&port.net, &run->error) || !find_main_address(&port, run, &from) ||
        !hp_port_open_up(&port, run, false))
        return false;
    if (port.mtu)
        hp_port_set_mtu(&port, (unsigned)port.mtu);
    if (set_up(&port, run, &from)) {
        inet_ntop(AF_INET, from.bytes, text, sizeof text);
        hp_iptables(run, port.name, true);
        if (hp_hooks(run, port.name, "", text) && hp_port_connected(run))
            return true;
        hp_iptables(run, port.name, false);
    }
    hp_net_flush(&port.net, port.link.index);
    hp_port_undo(&port); /* its routes go with it */
    return false;
}

bool
hp_route_down(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    HpAddress from = { 0 };
    char text[INET_ADDRSTRLEN] = "";
    if (!hp_port_open_down(&port, run))
        return false;
    hp_port_down(&port); /* the kernel takes the routes of what is down or gone */
    hp_iptables(run, port.name, false);
    HpError kept = run->error;
    if (find_main_address(&port, run, &from))
        inet_ntop(AF_INET, from.bytes, text, sizeof text);
    run->error = kept;
    bool ok = hp_hooks(run, port.name, "", text);
    hp_port_release(&port);
    return ok;
}
