/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-vif.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* The largest address that is not multicast: a bridge takes the smallest of its ports for its own.
 */
static const unsigned char port_address[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

void
hp_port_clear(HpPort *port)
{
    hp_net_close(&port->net);
}

/* The store's vifname; an emulated interface beside it has -emu behind that. "" for none. */
static bool
read_vifname(HpRun *run, char *ret)
{
    char name[64];
    HpRead read = hp_store_read(run->store, run->request.path, "vifname", name, sizeof name,
                                &run->error);
    ret[0] = 0;
    if (read != HP_READ_OK)
        return read == HP_READ_ABSENT;
    const char *suffix = run->request.tap ? "-emu" : "";
    if (strlen(name) + strlen(suffix) >= HP_IFNAME_SIZE)
        return hp_fail(
            &run->error, "the interface name '%.32s'%s is too long: at most %zu characters%s", name,
            run->request.tap ? " with -emu behind it" : "", HP_IFNAME_SIZE - 1 - strlen(suffix),
            run->request.tap ? " where the guest has an emulated interface, too" : "");
    memcpy(ret, name, strlen(name) + 1);
    memcpy(ret + strlen(ret), suffix, strlen(suffix) + 1);
    return hp_check_ifname("vifname", ret, &run->error);
}

static bool
find(HpPort *port, HpRun *run, const char *name, HpLink *ret, bool *ret_found)
{
    int r = hp_net_link(&port->net, name, ret);
    *ret_found = r == 1;
    if (r < 0)
        return hp_fail(&run->error, "cannot ask the kernel for the interface '%s': %s", name,
                       strerror(-r));
    return true;
}

static bool
find_up(HpPort *port, HpRun *run)
{
    const char *dev = run->request.dev;
    HpLink other;
    bool found;
    if (port->name[0]) {
        if (!find(port, run, port->name, &other, &found))
            return false;
        if (found)
            return hp_fail(&run->error,
                           "interface %s cannot be renamed: there is an interface '%s' already; "
                           "give another name (<target dev=>, vifname=), or rename that one",
                           dev, port->name);
    }
    if (!find(port, run, dev, &port->link, &found))
        return false;
    if (!found)
        return hp_fail(&run->error, "interface '%s' does not exist: %s", dev,
                       run->request.tap ? "QEMU did not make it"
                                        : "is the kernel's module xen-netback loaded?");
    return true;
}

static bool
prepare(HpPort *port, HpRun *run, bool pure)
{
    const char *dev = run->request.dev;
    /* The alias says later whose the new name is. */
    HpLinkChange change = { .state = HP_LINK_DOWN,
                            .name = port->name[0] ? port->name : NULL,
                            .alias = port->name[0] ? dev : NULL,
                            .address = pure ? port_address : NULL,
                            .no_autoconf = pure };
    int r = hp_net_change(&port->net, port->link.index, &change);
    if (r < 0 && pure) {
        /* No IPv6 here, or an address that may not change: neither is worth a guest. */
        change.no_autoconf = false;
        change.address = NULL;
        r = hp_net_change(&port->net, port->link.index, &change);
    }
    if (r < 0 && change.name)
        return hp_fail(&run->error, "cannot rename interface %s to '%s': %s", dev, change.name,
                       strerror(-r));
    if (r < 0)
        return hp_fail(&run->error, "cannot set up interface %s: %s", dev, strerror(-r));
    memcpy(port->given, change.name ? dev : "", change.name ? strlen(dev) + 1 : 1);
    if (!change.name)
        memcpy(port->name, dev, strlen(dev) + 1);
    r = hp_net_flush(&port->net, port->link.index);
    if (r < 0) {
        hp_fail(&run->error, "cannot take the addresses from interface %s: %s", port->name,
                strerror(-r));
        hp_port_undo(port);
        return false;
    }
    return true;
}

static bool
read_mtu(HpPort *port, HpRun *run)
{
    char text[16];
    if (hp_store_read(run->store, run->request.path, "mtu", text, sizeof text, &run->error) ==
        HP_READ_FAILED)
        return false;
    if (text[0] && !hp_parse_uint(text, 65535, &port->mtu))
        hp_note("mtu '%s' of %s is no number from 1 to 65535; it is left out", text,
                run->request.dev);
    return true;
}

bool
hp_port_open_up(HpPort *port, HpRun *run, bool pure)
{
    return read_vifname(run, port->name) && read_mtu(port, run) &&
           (port->net.sock || hp_net_open(&port->net, &run->error)) && find_up(port, run) &&
           prepare(port, run, pure);
}

/* Under its first name, which it has if it never got the other one; else under that. */
static bool
find_down(HpPort *port, HpRun *run, const char *vifname)
{
    const char *dev = run->request.dev;
    HpLink link;
    bool found;
    memcpy(port->name, dev, strlen(dev) + 1);
    if (!find(port, run, dev, &port->link, &found) || found)
        return found;
    port->link.index = 0;
    if (!vifname[0])
        return true;
    if (!find(port, run, vifname, &link, &found))
        return false;
    if (found && strcmp(link.alias, dev) != 0)
        return true;
    memcpy(port->name, vifname, strlen(vifname) + 1);
    if (found) {
        port->link = link;
        memcpy(port->given, dev, strlen(dev) + 1);
    }
    return true;
}

bool
hp_port_open_down(HpPort *port, HpRun *run)
{
    char vifname[HP_IFNAME_SIZE];
    if (!read_vifname(run, vifname)) {
        run->error.text[0] = 0; /* no interface ever got such a name */
        vifname[0] = 0;
    }
    return (port->net.sock || hp_net_open(&port->net, &run->error)) &&
           find_down(port, run, vifname);
}

void
hp_port_undo(HpPort *port)
{
    const HpLinkChange change = { .state = HP_LINK_DOWN, .master = -1 };
    hp_net_change(&port->net, port->link.index, &change);
    hp_port_release(port);
}

bool
hp_port_change(HpPort *port, HpRun *run, const HpLinkChange *change, const char *what)
{
    int r = hp_net_change(&port->net, port->link.index, change);
    if (r == 0)
        return true;
    hp_fail(&run->error, "cannot %s interface %s: %s", what, port->name, strerror(-r));
    hp_port_undo(port);
    return false;
}

void
hp_port_down(HpPort *port)
{
    HpLinkChange change = { .state = HP_LINK_DOWN, .master = port->link.master ? -1 : 0 };
    if (port->link.index)
        hp_net_change(&port->net, port->link.index, &change); /* it may vanish at any moment */
}

void
hp_port_release(HpPort *port)
{
    const HpLinkChange change = { .name = port->given };
    if (port->link.index && port->given[0])
        hp_net_change(&port->net, port->link.index, &change); /* it may have gone since */
}

void
hp_port_set_mtu(HpPort *port, unsigned mtu)
{
    const HpLinkChange change = { .mtu = mtu };
    if (mtu == port->link.mtu)
        return;
    int r = hp_net_change(&port->net, port->link.index, &change);
    if (r < 0)
        hp_note("interface %s keeps its MTU of %u, %u is not possible: %s", port->name,
                port->link.mtu, mtu, strerror(-r));
}

bool
hp_port_connected(HpRun *run)
{
    return run->request.tap || hp_store_write(run->store, run->request.path, "hotplug-status",
                                              "connected", &run->error);
}

static bool
read_or_given(HpRun *run, const char *name, const char *given, char *ret, size_t size)
{
    HpRead read = hp_store_read(run->store, run->request.path, name, ret, size, &run->error);
    if (read == HP_READ_ABSENT && given && (size_t)snprintf(ret, size, "%s", given) >= size)
        return hp_fail(&run->error, "the variable %s is too long", name);
    return read != HP_READ_FAILED;
}

bool
hp_read_ip(HpRun *run, char *ret)
{
    return read_or_given(run, "ip", run->request.ip, ret, HP_VALUE_SIZE);
}

bool
hp_read_bridge(HpRun *run, char *ret, size_t size)
{
    return read_or_given(run, "bridge", run->request.bridge, ret, size);
}
