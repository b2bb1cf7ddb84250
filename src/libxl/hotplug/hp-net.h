/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few words of rtnetlink that we speak. Functions return -errno, 0, or what they say. An answer
 * is waited for 10 s at most. */
#ifndef HP_NET_H
#define HP_NET_H

#include "hp-request.h"

typedef struct HpNet {
    struct nl_sock *sock; /* NULL: not connected */
} HpNet;

#define HP_AUTO_NET __attribute__((cleanup(hp_net_close)))

bool hp_net_open(HpNet *net, HpError *error);
void hp_net_close(HpNet *net);

typedef struct HpLink {
    int index;
    int master; /* 0: none */
    unsigned flags;
    unsigned mtu;
    char name[HP_IFNAME_SIZE];
    char kind[16]; /* "bridge", "openvswitch", ...; "" where the kernel names none */
    char alias[2 * HP_IFNAME_SIZE]; /* the beginning of it; "" where it has none */
} HpLink;

/* 1: found; 0: there is no such interface */
int hp_net_link(HpNet *net, const char *name, HpLink *ret);

/* The bridge whose name sorts first, which Xen's scripts take where none is named. 1, 0 as above.
 */
int hp_net_first_bridge(HpNet *net, HpLink *ret);

typedef enum { HP_LINK_KEEP, HP_LINK_DOWN, HP_LINK_UP } HpUpDown;

/* One message for the kernel; what is 0 stays as it is. */
typedef struct HpLinkChange {
    HpUpDown state;
    const char *name;             /* only while it is down */
    const char *alias;            /* a word beside the name, for who looks at the interface */
    const unsigned char *address; /* 6 bytes */
    unsigned mtu;
    int master;       /* index of a bridge; -1: of none */
    bool no_autoconf; /* no IPv6 link-local address of its own */
    bool proxy_arp;   /* answers ARP for what the host routes elsewhere */
} HpLinkChange;

int hp_net_change(HpNet *net, int index, const HpLinkChange *change);

/* Takes every address from the interface. */
int hp_net_flush(HpNet *net, int index);

/* The first primary IPv4 address. 1, 0 as above. */
int hp_net_ipv4(HpNet *net, int index, HpAddress *ret);

int hp_net_add_address(HpNet *net, int index, const HpAddress *address);

/* To `to` by that interface, the address `from` (IPv4; NULL for none) as the sender's. */
int hp_net_route(HpNet *net, bool add, int index, const HpAddress *to, const HpAddress *from,
                 unsigned metric);

#endif
