/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages are made and taken apart by libnl-3. libnl-route-3 would add a cache of every interface
 * of the host, and 80 relocated object types at each start, to a program that asks for two.
 */
#include "hp-net.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define WAIT_S      10
#define ANSWER_SIZE 32768 /* what the kernel fills at most when it is asked for a list */

bool
hp_net_open(HpNet *net, HpError *error)
{
    const struct timeval wait = { .tv_sec = WAIT_S };
    net->sock = nl_socket_alloc();
    if (!net->sock)
        abort();
    nl_socket_disable_auto_ack(net->sock); /* a list's end and a found interface need none */
    int r = nl_connect(net->sock, NETLINK_ROUTE);
    if (r < 0)
        return hp_fail(error, "cannot connect to rtnetlink: %s", nl_geterror(r));
    setsockopt(nl_socket_get_fd(net->sock), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return true;
}

void
hp_net_close(HpNet *net)
{
    if (net->sock)
        nl_socket_free(net->sock);
    net->sock = NULL;
}

/* Called with each answer that is not the end or an error. */
typedef int (*OnMessage)(struct nlmsghdr *message, void *data);

/* 1: that was all; 0: there is more; -errno */
static int
take_message(struct nlmsghdr *message, OnMessage on_message, void *data)
{
    if (message->nlmsg_type == NLMSG_ERROR) {
        if (nlmsg_datalen(message) < (int)sizeof(struct nlmsgerr))
            return -EPROTO;
        const struct nlmsgerr *answer = nlmsg_data(message);
        return answer->error ? answer->error : 1;
    }
    if (message->nlmsg_type == NLMSG_DONE)
        return 1;
    int r = on_message ? on_message(message, data) : 0;
    if (r < 0)
        return r;
    return message->nlmsg_flags & NLM_F_MULTI ? 0 : 1;
}

/* Sends and drops `message`, takes all of its answer. */
static int
talk(HpNet *net, struct nl_msg *message, OnMessage on_message, void *data)
{
    HP_AUTO_FREE char *buffer = malloc(ANSWER_SIZE);
    int fd = nl_socket_get_fd(net->sock);
    if (!buffer)
        abort();
    int r = nl_send_auto(net->sock, message);
    uint32_t sequence = nlmsg_hdr(message)->nlmsg_seq;
    nlmsg_free(message);
    if (r < 0)
        return -EIO;
    int failed = 0;
    for (;;) {
        ssize_t n = recv(fd, buffer, ANSWER_SIZE, MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n > ANSWER_SIZE)
            return -EMSGSIZE;
        int rest = (int)n;
        for (struct nlmsghdr *m = (void *)buffer; nlmsg_ok(m, rest); m = nlmsg_next(m, &rest)) {
            if (m->nlmsg_seq != sequence)
                continue;
            r = take_message(m, on_message, data);
            if (r < 0 && !failed)
                failed = r; /* the rest of the answer must be read all the same */
            if (r == 1 || (r < 0 && m->nlmsg_type == NLMSG_ERROR))
                return failed;
        }
    }
}

static struct nl_msg *
new_message(int type, int flags, const void *header, size_t size)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    if (!message || nlmsg_append(message, (void *)header, size, NLMSG_ALIGNTO) < 0)
        abort();
    return message;
}

/* The messages are small: only memory could lack. */
static void
put(struct nl_msg *message, int type, const void *data, int size)
{
    if (nla_put(message, type, size, data) < 0)
        abort();
}

static void
put_u32(struct nl_msg *message, int type, uint32_t value)
{
    put(message, type, &value, sizeof value);
}

static struct nlattr *
nest(struct nl_msg *message, int type)
{
    struct nlattr *start = nla_nest_start(message, type);
    if (!start)
        abort();
    return start;
}

static int
take_link(struct nlmsghdr *message, void *data)
{
    static struct nla_policy policy[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = { .type = NLA_STRING, .minlen = 1, .maxlen = IFNAMSIZ },
        [IFLA_IFALIAS] = { .type = NLA_STRING },
        [IFLA_MTU] = { .type = NLA_U32 },
        [IFLA_MASTER] = { .type = NLA_U32 },
        [IFLA_LINKINFO] = { .type = NLA_NESTED },
    };
    struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
    if (message->nlmsg_type != RTM_NEWLINK ||
        nlmsg_parse(message, sizeof(struct ifinfomsg), tb, IFLA_MAX, policy) < 0 ||
        !tb[IFLA_IFNAME])
        return -EPROTO;
    const struct ifinfomsg *header = nlmsg_data(message);
    HpLink *ret = data, link = { .index = header->ifi_index, .flags = header->ifi_flags };
    nla_strlcpy(link.name, tb[IFLA_IFNAME], sizeof link.name);
    if (tb[IFLA_IFALIAS])
        nla_strlcpy(link.alias, tb[IFLA_IFALIAS], sizeof link.alias);
    if (tb[IFLA_MTU])
        link.mtu = nla_get_u32(tb[IFLA_MTU]);
    if (tb[IFLA_MASTER])
        link.master = (int)nla_get_u32(tb[IFLA_MASTER]);
    if (tb[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) >= 0 &&
        info[IFLA_INFO_KIND])
        nla_strlcpy(link.kind, info[IFLA_INFO_KIND], sizeof link.kind);
    *ret = link;
    return 0;
}

int
hp_net_link(HpNet *net, const char *name, HpLink *ret)
{
    const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    HpLink link = { 0 };
    struct nl_msg *message = new_message(RTM_GETLINK, NLM_F_REQUEST, &header, sizeof header);
    put(message, IFLA_IFNAME, name, (int)strlen(name) + 1);
    put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    int r = talk(net, message, take_link, &link);
    if (r == -ENODEV)
        return 0;
    if (r == 0)
        *ret = link;
    return r < 0 ? r : 1;
}

static int
take_bridge(struct nlmsghdr *message, void *data)
{
    HpLink *ret = data, link = { 0 };
    int r = take_link(message, &link);
    /* An old kernel answers with every interface. */
    if (r == 0 && strcmp(link.kind, "bridge") == 0 &&
        (!ret->index || strcmp(link.name, ret->name) < 0))
        *ret = link;
    return r;
}

int
hp_net_first_bridge(HpNet *net, HpLink *ret)
{
    const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    HpLink link = { 0 };
    struct nl_msg *message = new_message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &header,
                                         sizeof header);
    put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    struct nlattr *info = nest(message, IFLA_LINKINFO);
    put(message, IFLA_INFO_KIND, "bridge", sizeof "bridge");
    nla_nest_end(message, info);
    int r = talk(net, message, take_bridge, &link);
    if (r < 0)
        return r;
    *ret = link;
    return link.index != 0;
}

/* What belongs to the families stands in IFLA_AF_SPEC. */
static void
put_families(struct nl_msg *message, const HpLinkChange *change)
{
    struct nlattr *families = nest(message, IFLA_AF_SPEC);
    if (change->no_autoconf) {
        const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
        struct nlattr *family = nest(message, AF_INET6);
        put(message, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
        nla_nest_end(message, family);
    }
    if (change->proxy_arp) {
        struct nlattr *family = nest(message, AF_INET);
        struct nlattr *values = nest(message, IFLA_INET_CONF);
        put_u32(message, IPV4_DEVCONF_PROXY_ARP, 1);
        nla_nest_end(message, values);
        nla_nest_end(message, family);
    }
    nla_nest_end(message, families);
}

int
hp_net_change(HpNet *net, int index, const HpLinkChange *change)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = index };
    if (change->state != HP_LINK_KEEP) {
        header.ifi_change = IFF_UP;
        header.ifi_flags = change->state == HP_LINK_UP ? IFF_UP : 0;
    }
    struct nl_msg *message = new_message(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, &header,
                                         sizeof header);
    if (change->name)
        put(message, IFLA_IFNAME, change->name, (int)strlen(change->name) + 1);
    if (change->alias)
        put(message, IFLA_IFALIAS, change->alias, (int)strlen(change->alias));
    if (change->address)
        put(message, IFLA_ADDRESS, change->address, 6);
    if (change->mtu)
        put_u32(message, IFLA_MTU, change->mtu);
    if (change->master)
        put_u32(message, IFLA_MASTER, change->master > 0 ? (uint32_t)change->master : 0);
    if (change->no_autoconf || change->proxy_arp)
        put_families(message, change);
    return talk(net, message, NULL, NULL);
}

#define MAX_ADDRESSES 64

typedef struct Addresses {
    int index;
    unsigned n;
    struct {
        struct ifaddrmsg header;
        HpAddress address;
    } at[MAX_ADDRESSES];
} Addresses;

static int
take_address(struct nlmsghdr *message, void *data)
{
    struct nlattr *tb[IFA_MAX + 1];
    Addresses *ret = data;
    if (message->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(message, sizeof(struct ifaddrmsg), tb, IFA_MAX, NULL) < 0)
        return -EPROTO;
    const struct ifaddrmsg *header = nlmsg_data(message);
    struct nlattr *own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
    unsigned char *bytes = ret->at[ret->n].address.bytes;
    if (ret->n == MAX_ADDRESSES - 1 || (int)header->ifa_index != ret->index || !own ||
        nla_len(own) > (int)sizeof ret->at[0].address.bytes)
        return 0;
    memset(bytes, 0, sizeof ret->at[0].address.bytes);
    memcpy(bytes, nla_data(own), (size_t)nla_len(own));
    ret->at[ret->n].header = *header;
    ret->at[ret->n].address.family = header->ifa_family;
    ret->at[ret->n].address.prefix = header->ifa_prefixlen;
    ret->n++;
    return 0;
}

static int
addresses_of(HpNet *net, int index, int family, Addresses *ret)
{
    const struct ifaddrmsg header = { .ifa_family = (unsigned char)family,
                                      .ifa_index = (unsigned)index };
    const int on = 1;
    ret->index = index;
    ret->n = 0;
    /* Then the kernel looks at the index; before 4.20 it does not, and answers with them all. */
    setsockopt(nl_socket_get_fd(net->sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return talk(net, new_message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &header, sizeof header),
                take_address, ret);
}

static int
address_size(const HpAddress *address)
{
    return address->family == AF_INET6 ? 16 : 4;
}

int
hp_net_flush(HpNet *net, int index)
{
    Addresses *addresses HP_AUTO_FREE = malloc(sizeof *addresses);
    if (!addresses)
        abort();
    int r = addresses_of(net, index, AF_UNSPEC, addresses);
    if (r == -ENODEV) /* how a kernel with strict checks says that it has none */
        return 0;
    for (unsigned i = 0; r == 0 && i < addresses->n; i++) {
        const HpAddress *address = &addresses->at[i].address;
        struct nl_msg *message = new_message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK,
                                             &addresses->at[i].header,
                                             sizeof addresses->at[i].header);
        put(message, IFA_LOCAL, address->bytes, address_size(address));
        r = talk(net, message, NULL, NULL);
        if (r == -EADDRNOTAVAIL) /* a secondary went with its primary */
            r = 0;
    }
    return r;
}

int
hp_net_ipv4(HpNet *net, int index, HpAddress *ret)
{
    Addresses *addresses HP_AUTO_FREE = malloc(sizeof *addresses);
    if (!addresses)
        abort();
    int r = addresses_of(net, index, AF_INET, addresses);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < addresses->n; i++) {
        if (addresses->at[i].header.ifa_flags & IFA_F_SECONDARY)
            continue;
        *ret = addresses->at[i].address;
        return 1;
    }
    return 0;
}

int
hp_net_add_address(HpNet *net, int index, const HpAddress *address)
{
    const struct ifaddrmsg header = { .ifa_family = (unsigned char)address->family,
                                      .ifa_prefixlen = (unsigned char)address->prefix,
                                      .ifa_index = (unsigned)index };
    struct nl_msg *message = new_message(RTM_NEWADDR,
                                         NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                                         &header, sizeof header);
    put(message, IFA_LOCAL, address->bytes, address_size(address));
    put(message, IFA_ADDRESS, address->bytes, address_size(address));
    return talk(net, message, NULL, NULL);
}

int
hp_net_route(HpNet *net, bool add, int index, const HpAddress *to, const HpAddress *from,
             unsigned metric)
{
    struct rtmsg header = { .rtm_family = (unsigned char)to->family,
                            .rtm_dst_len = (unsigned char)to->prefix,
                            .rtm_table = RT_TABLE_MAIN,
                            .rtm_scope = RT_SCOPE_NOWHERE };
    if (add) {
        header.rtm_protocol = RTPROT_BOOT;
        header.rtm_type = RTN_UNICAST;
        header.rtm_scope = to->family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    }
    int flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct nl_msg *message = new_message(add ? RTM_NEWROUTE : RTM_DELROUTE, flags, &header,
                                         sizeof header);
    put(message, RTA_DST, to->bytes, address_size(to));
    put_u32(message, RTA_OIF, (uint32_t)index);
    put_u32(message, RTA_PRIORITY, metric);
    if (from && from->family == to->family)
        put(message, RTA_PREFSRC, from->bytes, address_size(from));
    return talk(net, message, NULL, NULL);
}
