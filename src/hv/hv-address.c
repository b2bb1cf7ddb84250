/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host knows of its guests' addresses: the leases that libvirt's dnsmasq has given, the
 * host's own ARP table, and what a guest says itself. All of it others write: read with a bound,
 * and what is not understood is passed over.
 */
#include "hv-private.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LEASE_FOLDER "/var/lib/libvirt/dnsmasq"
#define ARP_TABLE    "/proc/net/arp"
#define FILE_MAX     (4u << 20)

static void
address_free(gpointer data)
{
    HvAddress *address = data;

    g_free(address->interface);
    g_free(address->mac);
    g_free(address->ip);
    g_free(address);
}

static char *
read_file(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) in = g_file_read(file, NULL, NULL);
    g_autofree char *text = g_malloc(FILE_MAX + 1);
    gsize len = 0;

    if (!in || !g_input_stream_read_all(G_INPUT_STREAM(in), text, FILE_MAX, &len, NULL, NULL))
        return NULL;
    text[len] = '\0';
    return g_strdup(text);
}

/* ---- who has which address ---- */

/* One thing that a source knows. */
typedef struct Found {
    const char *mac, *ip;
    const char *bridge;   /* NULL: not known */
    const char *hostname; /* as the guest's DHCP client says; NULL: it does not */
} Found;

typedef void (*FoundFunc)(const Found *found, gpointer data);

/* ---- leases: BRIDGE.status is a JSON array of flat objects ---- */

static const char *
skip_blank(const char *at)
{
    while (g_ascii_isspace(*at))
        at++;
    return at;
}

/* A string or a bare word (number, true, null), without its quotes; addresses need no escapes, so
 * what has one is not an address and stays as it is. NULL: neither. */
static const char *
read_value(const char *at, char **ret_value)
{
    const char *end = at;

    if (*at == '"') {
        for (end = ++at; *end && *end != '"'; end++)
            if (*end == '\\' && end[1])
                end++;
        if (!*end)
            return NULL;
        *ret_value = g_strndup(at, (gsize)(end - at));
        return end + 1;
    }
    while (*end && !g_ascii_isspace(*end) && !strchr(",}]{[\"", *end))
        end++;
    if (end == at)
        return NULL;
    *ret_value = g_strndup(at, (gsize)(end - at));
    return end;
}

/* Behind the '{'. Returns what follows the '}', NULL when it is no flat object. */
static const char *
read_object(const char *at, GHashTable *values)
{
    for (at = skip_blank(at); *at && *at != '}';) {
        g_autofree char *key = NULL;
        char *value = NULL;

        at = read_value(at, &key);
        at = at ? skip_blank(at) : NULL;
        if (!at || *at != ':')
            return NULL;
        at = read_value(skip_blank(at + 1), &value);
        if (!at)
            return NULL;
        g_hash_table_replace(values, g_steal_pointer(&key), value);
        at = skip_blank(at);
        if (*at == ',')
            at = skip_blank(at + 1);
    }
    return *at ? at + 1 : NULL;
}

static gboolean
has_expired(GHashTable *values)
{
    const char *expiry = g_hash_table_lookup(values, "expiry-time");
    guint64 time = expiry ? g_ascii_strtoull(expiry, NULL, 10) : 0;

    return time != 0 && time < (guint64)(g_get_real_time() / G_USEC_PER_SEC);
}

static void
read_leases(const char *path, const char *bridge, FoundFunc func, gpointer data)
{
    g_autofree char *text = read_file(path);
    const char *at = text ? strchr(text, '{') : NULL;

    while (at) {
        g_autoptr(GHashTable)
            values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        Found found = { .bridge = bridge };

        at = read_object(at + 1, values);
        found.mac = g_hash_table_lookup(values, "mac-address");
        found.ip = g_hash_table_lookup(values, "ip-address");
        found.hostname = g_hash_table_lookup(values, "hostname");
        if (at && found.mac && found.ip && !has_expired(values))
            func(&found, data);
        at = at ? strchr(at, '{') : NULL;
    }
}

static void
read_all_leases(HvHost *host, FoundFunc func, gpointer data)
{
    g_autofree char *folder = g_strconcat(host->store->root, LEASE_FOLDER, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *bridge = NULL;

        if (!g_str_has_suffix(name, ".status"))
            continue;
        bridge = g_strndup(name, strlen(name) - strlen(".status"));
        read_leases(path, bridge, func, data);
    }
}

/* ---- the ARP table: a line an address ---- */

static void
read_arp(HvHost *host, FoundFunc func, gpointer data)
{
    g_autofree char *path = g_strconcat(host->store->root, ARP_TABLE, NULL);
    g_autofree char *text = read_file(path);
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;

    for (guint i = 1; lines && lines[0] && lines[i]; i++) {
        char ip[64], mac[64];
        unsigned flags;

        /* IP address, HW type, flags (2: complete), HW address */
        if (sscanf(lines[i], "%63s %*s 0x%x %63s", ip, &flags, mac) == 3 && (flags & 2))
            func(&(Found){ .mac = mac, .ip = ip }, data);
    }
}

/* ---- put together ---- */

typedef struct Search {
    const ConfInterface *iface;
    GPtrArray *rows;
} Search;

/* How wide the network of a lease is, the bridge knows, if it is of this host. 0: not known. */
static guint
prefix_of(const char *bridge, int family)
{
    struct ifaddrs *all;
    guint prefix = 0;

    if (!bridge || getifaddrs(&all) < 0)
        return 0;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        const guint8 *mask;
        gsize len = family == AF_INET ? 4 : 16;

        if (!at->ifa_netmask || !at->ifa_addr || at->ifa_addr->sa_family != family ||
            !g_str_equal(at->ifa_name, bridge))
            continue;
        mask = family == AF_INET
                   ? (const guint8 *)&((struct sockaddr_in *)at->ifa_netmask)->sin_addr
                   : (const guint8 *)&((struct sockaddr_in6 *)at->ifa_netmask)->sin6_addr;
        for (gsize i = 0; i < len; i++)
            prefix += (guint)__builtin_popcount(mask[i]);
        break;
    }
    freeifaddrs(all);
    return prefix;
}

static HvAddress *
row_of(const ConfInterface *iface)
{
    HvAddress *row = g_new0(HvAddress, 1);

    row->interface = g_strdup(iface->target ? iface->target : "");
    row->mac = g_strdup(iface->mac);
    return row;
}

static void
take(const Found *found, gpointer data)
{
    Search *search = data;
    guint8 bytes[16];
    gboolean v6 = strchr(found->ip, ':') != NULL;
    HvAddress *row;

    if (g_ascii_strcasecmp(found->mac, search->iface->mac) != 0 ||
        inet_pton(v6 ? AF_INET6 : AF_INET, found->ip, bytes) != 1)
        return;
    row = row_of(search->iface);
    row->ip = g_strdup(found->ip);
    row->v6 = v6;
    row->prefix = prefix_of(found->bridge, v6 ? AF_INET6 : AF_INET);
    g_ptr_array_add(search->rows, row);
}

static gboolean
ask_guest(HvHost *host, int domid, Search *search, GError **error)
{
    const ConfInterface *iface = search->iface;
    g_autoptr(GPtrArray) told = NULL;

    if (!hv_host_enter_engine(host, error))
        return FALSE;
    told = host->ops->guest_addresses(host->engine, domid, iface, error);
    hv_host_leave_engine(host);
    for (guint i = 0; told && i < told->len; i++)
        take(&(Found){ .mac = iface->mac, .ip = told->pdata[i], .bridge = iface->source_bridge },
             search);
    return told != NULL;
}

static gboolean
search_source(HvHost *host, int domid, HvAddressSource source, Search *search, GError **error)
{
    switch (source) {
    case HV_ADDRESSES_LEASE:
        read_all_leases(host, take, search);
        return TRUE;
    case HV_ADDRESSES_ARP:
        read_arp(host, take, search);
        return TRUE;
    case HV_ADDRESSES_GUEST:
        return ask_guest(host, domid, search, error);
    }
    g_assert_not_reached();
}

GPtrArray *
hv_domain_addresses(HvDomain *domain, HvAddressSource source, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(address_free);

    if (!hv_view_is_active(now)) {
        hv_set_not_running(error);
        return NULL;
    }
    if (source == HV_ADDRESSES_GUEST && !host->ops->guest_addresses) {
        hv_set_unsupported(error, host, "asking a guest for its addresses");
        return NULL;
    }
    for (guint i = 0; i < now->live->interfaces->len; i++) {
        Search search = { .iface = g_ptr_array_index(now->live->interfaces, i), .rows = rows };

        if (search.iface->mac && !search_source(host, now->domid, source, &search, error))
            return NULL;
    }
    return g_steal_pointer(&rows);
}

/* ---- the guest's name for itself ---- */

#define HOSTNAME_MAX 255

typedef struct NameSearch {
    const char *mac;
    char *hostname;
} NameSearch;

/* The guest may say anything. */
static gboolean
is_hostname(const char *text)
{
    gsize len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return len > 0 && len <= HOSTNAME_MAX && text[len] == '\0';
}

static void
take_hostname(const Found *found, gpointer data)
{
    NameSearch *search = data;

    if (!search->hostname && found->hostname && is_hostname(found->hostname) &&
        g_ascii_strcasecmp(found->mac, search->mac) == 0)
        search->hostname = g_strdup(found->hostname);
}

gboolean
hv_domain_hostname(HvDomain *domain, char **ret_hostname, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    NameSearch search = { 0 };

    if (!hv_view_is_active(now)) {
        hv_set_not_running(error);
        return FALSE;
    }
    for (guint i = 0; i < now->live->interfaces->len && !search.hostname; i++) {
        search.mac = ((const ConfInterface *)now->live->interfaces->pdata[i])->mac;
        if (search.mac)
            read_all_leases(domain->host, take_hostname, &search);
    }
    *ret_hostname = search.hostname;
    return TRUE;
}
