/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command line and environment to HpRequest, and the checks of names and numbers. Pure. */
#ifndef HP_REQUEST_H
#define HP_REQUEST_H

#include "hp.h"

/* `env` looks a variable up, as getenv() does; NULL or "" is not there. */
typedef const char *(*HpGetenv)(const char *name);

typedef enum { HP_PARSE_FAILED, HP_PARSE_NOTHING_TO_DO, HP_PARSE_OK } HpParse;

/* argv[0] may be one of the names of Xen's scripts (block, block-nbd, vif-bridge, vif-route,
 * vif-openvswitch); under another name the kind follows from XENBUS_TYPE, and for a vif remains
 * HP_AUTO. NOTHING_TO_DO: Xen's scripts, too, leave this command to the other kind of interface. */
HpParse hp_request_parse(int argc, char **argv, HpGetenv env, HpRequest *ret, HpError *error);

/* What the kernel takes as the name of an interface, and no program as an option. */
bool hp_check_ifname(const char *what, const char *name, HpError *error);

/* All of `text` is a decimal number of at most `max`. */
bool hp_parse_uint(const char *text, uint64_t max, uint64_t *ret);

typedef struct HpAddress {
    int family; /* AF_INET, AF_INET6 */
    unsigned char bytes[16];
    unsigned prefix; /* in bits; all of them where the text has no /N */
} HpAddress;

bool hp_parse_address(const char *text, HpAddress *ret);

/* The words of `list`, which is cut up in place: *rest is the list, then what is left of it. */
char *hp_next_word(char **rest);

typedef enum { HP_MODE_READ, HP_MODE_WRITE, HP_MODE_SHARED } HpMode;

/* r, w, w!, ro, rw, rw!: a w makes it writable, and with a ! nobody asks who else has it. */
HpMode hp_parse_mode(const char *text);

/* BRIDGE, BRIDGE.TAG, BRIDGE:TRUNK:TRUNK, BRIDGE.TAG:TRUNK... as Xen's vif-openvswitch reads it. */
typedef struct HpOvsBridge {
    char bridge[HP_IFNAME_SIZE];
    char tag[32];      /* "tag=7" or "" */
    char trunks[1024]; /* "trunks=1,2" or "" */
} HpOvsBridge;

bool hp_parse_ovs_bridge(const char *text, HpOvsBridge *ret, HpError *error);

#endif
