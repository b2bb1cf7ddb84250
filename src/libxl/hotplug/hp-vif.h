/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bridged, routed and Open vSwitch interfaces have in common. */
#ifndef HP_VIF_H
#define HP_VIF_H

#include "hp-net.h"
#include "hp-store.h"

/* The host's end of a guest's interface. */
typedef struct HpPort {
    HpNet net;
    HpLink link;                /* index 0: it is gone, with all that it was part of */
    char name[HP_IFNAME_SIZE];  /* what it is called, or to be called */
    char given[HP_IFNAME_SIZE]; /* what it was called before it was renamed; else "" */
    uint64_t mtu;               /* configured; 0: not */
} HpPort;

#define HP_AUTO_PORT __attribute__((cleanup(hp_port_clear)))

void hp_port_clear(HpPort *port);

/* Up: it must be there, and is renamed to the store's vifname. Afterwards it is down, has no
 * address, and where `pure` is set the MAC address that bridges never take for their own. */
bool hp_port_open_up(HpPort *port, HpRun *run, bool pure);

/* Down: it may be gone already. One that has the store's vifname and is not ours is left alone: a
 * guest that could not have that name is taken apart, too. */
bool hp_port_open_down(HpPort *port, HpRun *run);

/* Undoes open_up, and what came after it. */
void hp_port_undo(HpPort *port);

/* Brings it up with this change; names `what` it was for where that fails. */
bool hp_port_change(HpPort *port, HpRun *run, const HpLinkChange *change, const char *what);

/* Takes it down and from its bridge, as far as it is there. */
void hp_port_down(HpPort *port);

/* The last thing on the way down: gives the vifname back. netback takes its interface away a while
 * after we are done, and the guest may start again before that. */
void hp_port_release(HpPort *port);

/* Where the kernel refuses an MTU the interface keeps its own. */
void hp_port_set_mtu(HpPort *port, unsigned mtu);

/* Tells netback, and so libxl's wait, that a paravirtual interface is ready. */
bool hp_port_connected(HpRun *run);

/* The store's `ip` or the environment's: at most HP_VALUE_SIZE bytes, "" for none. */
bool hp_read_ip(HpRun *run, char *ret);

/* The store's `bridge` or the environment's; "" for none. */
bool hp_read_bridge(HpRun *run, char *ret, size_t size);

/* Rules of FORWARD for this port. Never fails: where iptables does not work, there are none. */
void hp_iptables(HpRun *run, const char *port, bool add);

/* Runs /etc/xen/scripts/vif-post.d/ *.hook, if somebody has any. */
bool hp_hooks(HpRun *run, const char *port, const char *bridge, const char *main_ip);

#endif
