/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interfaces on a bridge of the kernel. */
#include "hp-vif.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
link_or_error(HpPort *port, HpRun *run, const char *name, HpLink *ret)
{
    int r = hp_net_link(&port->net, name, ret);
    if (r < 0)
        hp_fail(&run->error, "cannot ask the kernel for the bridge '%s': %s", name, strerror(-r));
    return r;
}

/* Configurations from the days when the bridge took the name of the card: xenbr0 then means eth0,
 * if that is a bridge and there is no xenbr0. */
static int
find_old_style(HpPort *port, HpRun *run, const char *name, HpLink *ret)
{
    char old[HP_IFNAME_SIZE + 8];
    if (strncmp(name, "xenbr", 5) != 0)
        return 0;
    snprintf(old, sizeof old, "eth%.*s", HP_IFNAME_SIZE, name + 5);
    int r = link_or_error(port, run, old, ret);
    return r == 1 && strcmp(ret->kind, "bridge") != 0 ? 0 : r;
}

static bool
find_bridge(HpPort *port, HpRun *run, HpLink *ret)
{
    char name[64];
    if (!hp_read_bridge(run, name, sizeof name) || !hp_net_open(&port->net, &run->error))
        return false;
    if (!name[0]) {
        int r = hp_net_first_bridge(&port->net, ret);
        if (r < 0)
            return hp_fail(&run->error, "cannot ask the kernel for its bridges: %s", strerror(-r));
        return r == 1 || hp_fail(&run->error,
                                 "no bridge is named for %s, and there is none: make "
                                 "one with ip link add name xenbr0 type bridge",
                                 run->request.dev);
    }
    if (!hp_check_ifname("bridge", name, &run->error))
        return false;
    int r = link_or_error(port, run, name, ret);
    if (r == 0)
        r = find_old_style(port, run, name, ret);
    return r == 1 ||
           (r == 0 && hp_fail(&run->error,
                              "bridge '%s' does not exist: make it with ip link add name %s type "
                              "bridge, or name another in <source bridge=> (bridge=)",
                              name, name));
}

/* The guest's end shall have the same MTU: its driver reads it here. A guest is not worth less for
 * a store that does not let us: we may be in a driver domain. */
static void
write_frontend_mtu(HpRun *run, unsigned mtu)
{
    char dir[64], text[16];
    HpError error = { 0 };
    snprintf(dir, sizeof dir, "/local/domain/%u/device/vif/%u", run->request.domid,
             run->request.devid);
    snprintf(text, sizeof text, "%u", mtu);
    if (!hp_store_write(run->store, dir, "mtu", text, &error))
        hp_note("%s", error.text);
}

static bool
join_bridge(HpPort *port, HpRun *run, const HpLink *bridge)
{
    const HpLinkChange change = { .state = HP_LINK_UP, .master = bridge->index };
    int r = hp_net_change(&port->net, port->link.index, &change);
    if (r == 0)
        return true;
    if (strcmp(bridge->kind, "openvswitch") == 0)
        return hp_fail(&run->error,
                       "'%s' is an Open vSwitch bridge: name the script vif-openvswitch, or "
                       "<virtualport type='openvswitch'/>",
                       bridge->name);
    return hp_fail(&run->error, "cannot add interface %s to '%s'%s: %s", port->name, bridge->name,
                   strcmp(bridge->kind, "bridge") == 0 ? "" : ", which is no bridge", strerror(-r));
}

bool
hp_bridge_up(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    HpLink bridge;
    if (!find_bridge(&port, run, &bridge) || !hp_port_open_up(&port, run, true))
        return false;
    unsigned mtu = port.mtu ? (unsigned)port.mtu : bridge.mtu;
    hp_port_set_mtu(&port, mtu);
    if (!run->request.tap)
        write_frontend_mtu(run, mtu);
    if (join_bridge(&port, run, &bridge)) {
        hp_iptables(run, port.name, true);
        if (hp_hooks(run, port.name, bridge.name, "") && hp_port_connected(run))
            return true;
        hp_iptables(run, port.name, false);
    }
    hp_port_undo(&port);
    return false;
}

bool
hp_bridge_down(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    char bridge[64];
    if (!hp_read_bridge(run, bridge, sizeof bridge) || !hp_port_open_down(&port, run))
        return false;
    hp_port_down(&port);
    hp_iptables(run, port.name, false);
    bool ok = hp_hooks(run, port.name, bridge, "");
    hp_port_release(&port);
    return ok;
}
