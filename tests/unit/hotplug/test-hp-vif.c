/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interfaces, with the kernel's own netlink in a network namespace of this process alone. A tap
 * device stands for netback's or QEMU's. */
#include "fake-store.h"
#include "hp-net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VIF "backend/vif/7/0"

static const char *const environment[] = { "XENBUS_TYPE=vif",      "XENBUS_PATH=" VIF,
                                           "netdev=gate0",         "vif=vif7.0",
                                           "INTERFACE=vif7.0-emu", NULL };

typedef struct Fixture {
    FakeStore *fake;
    HpHost host;
    HpRun run;
    HpNet net;
    int devices[4]; /* which live until they are closed */
    guint n_devices;
} Fixture;

/* 1: found */
static int
look(Fixture *f, const char *name, HpLink *ret)
{
    int r = hp_net_link(&f->net, name, ret);
    g_assert_cmpint(r, >=, 0);
    return r;
}

static void
make_tap(Fixture *f, const char *name)
{
    f->devices[f->n_devices++] = fake_tap(name);
}

static void
make_bridge(const char *name)
{
    const char *const argv[] = { "ip",  "link", "add",  "name",   name,
                                 "mtu", "1400", "type", "bridge", NULL };
    int status = -1;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                 NULL);
    g_assert_cmpint(status, ==, 0);
}

static void
remove_link(const char *name)
{
    const char *const argv[] = { "ip", "link", "del", name, NULL };
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
}

static void
set_up(Fixture *f, gconstpointer unused)
{
    HpError error = { 0 };
    f->fake = fake_store_new();
    f->host = fake_host();
    f->run = (HpRun){ .host = &f->host, .store = &f->fake->store };
    g_assert_true(hp_net_open(&f->net, &error));
    make_bridge("br0.100");
    fake_store_set(f->fake, VIF "/bridge", "br0.100");
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    for (guint i = 0; i < f->n_devices; i++)
        close(f->devices[i]);
    remove_link("br0.100");
    hp_net_close(&f->net);
    fake_store_free(f->fake);
}

static gboolean
run(Fixture *f, const char *line)
{
    memset(&f->run.error, 0, sizeof f->run.error);
    fake_request(&f->run.request, line, environment);
    return hp_run(&f->run);
}

static void
assert_failed(Fixture *f, const char *pattern)
{
    const char *error = fake_store_get(f->fake, VIF "/hotplug-error");
    g_assert_nonnull(error);
    g_test_message("%s", error);
    g_assert_true(g_pattern_match_simple(pattern, error));
    g_assert_cmpstr(fake_store_get(f->fake, VIF "/hotplug-status"), ==, "error");
}

static char *
address_of(const char *name)
{
    struct ifreq request = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    g_assert_cmpint(ioctl(fd, SIOCGIFHWADDR, &request), ==, 0);
    close(fd);
    const guint8 *a = (const guint8 *)request.ifr_hwaddr.sa_data;
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What `ip` prints, for what nobody else tells us. */
static char *
ip(const char *arguments)
{
    g_autofree char *line = g_strconcat("ip ", arguments, NULL);
    char *out = NULL;
    g_spawn_command_line_sync(line, &out, NULL, NULL, NULL);
    return g_strchomp(out);
}

static void
test_bridge(Fixture *f, gconstpointer unused)
{
    HpLink link, bridge;
    make_tap(f, "vif7.0");
    g_assert_true(run(f, "vif-bridge online type_if=vif"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(look(f, "br0.100", &bridge), ==, 1);
    g_assert_cmpint(link.master, ==, bridge.index);
    g_assert_cmpuint(link.mtu, ==, 1400);
    g_assert_true(link.flags & IFF_UP);
    g_autofree char *address = address_of("vif7.0");
    g_assert_cmpstr(address, ==, "fe:ff:ff:ff:ff:ff");
    g_autofree char *addresses = ip("-o addr show dev vif7.0");
    g_assert_cmpstr(addresses, ==, "");
    g_assert_cmpstr(fake_store_get(f->fake, VIF "/hotplug-status"), ==, "connected");
    g_assert_cmpstr(fake_store_get(f->fake, "/local/domain/7/device/vif/0/mtu"), ==, "1400");
    g_assert_true(run(f, "vif-bridge offline type_if=vif"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(link.master, ==, 0);
    g_assert_false(link.flags & IFF_UP);
}

/* Without a name of a bridge the first one; under our own name as well. */
static void
test_default_bridge(Fixture *f, gconstpointer unused)
{
    HpLink link, bridge;
    make_bridge("zz0");
    make_bridge("aa0");
    make_tap(f, "vif7.0");
    g_hash_table_remove(f->fake->values, VIF "/bridge");
    g_assert_true(run(f, "xlvirt-hotplug online"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(look(f, "aa0", &bridge), ==, 1);
    g_assert_cmpint(link.master, ==, bridge.index);
    g_assert_true(run(f, "xlvirt-hotplug offline"));
    remove_link("aa0");
    remove_link("zz0");
    remove_link("br0.100");
    g_assert_false(run(f, "vif-bridge online"));
    assert_failed(f, "no bridge is named for vif7.0, and there is none*");
}

static void
test_old_style_bridge(Fixture *f, gconstpointer unused)
{
    HpLink link, bridge;
    make_bridge("eth7");
    make_tap(f, "vif7.0");
    fake_store_set(f->fake, VIF "/bridge", "xenbr7");
    g_assert_true(run(f, "vif-bridge online"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(look(f, "eth7", &bridge), ==, 1);
    g_assert_cmpint(link.master, ==, bridge.index);
    g_assert_true(run(f, "vif-bridge offline"));
    remove_link("eth7");
    g_assert_false(run(f, "vif-bridge online"));
    assert_failed(f, "bridge 'xenbr7' does not exist*");
}

static void
test_renamed(Fixture *f, gconstpointer unused)
{
    HpLink link;
    make_tap(f, "vif7.0");
    fake_store_set(f->fake, VIF "/vifname", "web");
    fake_store_set(f->fake, VIF "/mtu", "1280");
    g_assert_true(run(f, "vif-bridge online type_if=vif"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 0);
    g_assert_cmpint(look(f, "web", &link), ==, 1);
    g_assert_cmpuint(link.mtu, ==, 1280);
    g_assert_cmpstr(fake_store_get(f->fake, "/local/domain/7/device/vif/0/mtu"), ==, "1280");
    make_tap(f, "vif7.0-emu");
    g_assert_true(run(f, "vif-bridge add type_if=tap"));
    g_assert_cmpint(look(f, "web-emu", &link), ==, 1);
    g_assert_cmpint(link.master, !=, 0);
    g_assert_cmpuint(link.mtu, ==, 1280);
    g_assert_true(run(f, "vif-bridge remove type_if=tap"));
    g_assert_true(run(f, "vif-bridge offline type_if=vif"));
    /* The name is free for the guest's next life before this interface is gone. */
    g_assert_cmpint(look(f, "web", &link), ==, 0);
    g_assert_cmpint(look(f, "web-emu", &link), ==, 0);
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(link.master, ==, 0);
    g_assert_false(link.flags & IFF_UP);
    g_assert_true(run(f, "vif-route offline type_if=vif"));
    /* Another one must not take the name from who has it. */
    make_tap(f, "web");
    g_assert_false(run(f, "vif-bridge online type_if=vif"));
    assert_failed(f, "interface vif7.0 cannot be renamed: there is an interface 'web' already*");
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
}

/* Who could not have a name is taken apart all the same: whoever has it goes on. */
static void
test_name_of_another(Fixture *f, gconstpointer unused)
{
    static const char *const names[] = { "web", "web-emu" };
    HpLink link;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *change = g_strdup_printf("link set %s master br0.100 up", names[i]);
        make_tap(f, names[i]);
        g_free(ip(change));
    }
    make_tap(f, "vif7.0");
    fake_store_set(f->fake, VIF "/vifname", "web");
    g_assert_false(run(f, "vif-bridge online type_if=vif"));
    g_assert_true(run(f, "vif-bridge offline type_if=vif"));
    /* QEMU's has gone with QEMU. */
    g_assert_true(run(f, "vif-bridge remove type_if=tap"));
    g_assert_true(run(f, "vif-route remove type_if=tap"));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpint(look(f, names[i], &link), ==, 1);
        g_assert_cmpint(link.master, !=, 0);
        g_assert_true(link.flags & IFF_UP);
    }
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_false(link.flags & IFF_UP);
}

/* netback and QEMU may be gone with their interface before we come. */
static void
test_gone(Fixture *f, gconstpointer unused)
{
    g_assert_true(run(f, "vif-bridge offline type_if=vif"));
    g_assert_true(run(f, "vif-bridge remove type_if=tap"));
    g_assert_true(run(f, "vif-route offline type_if=vif"));
    fake_store_set(f->fake, VIF "/bridge", "gone0");
    fake_store_set(f->fake, VIF "/vifname", "no interface ever had such a name");
    g_assert_true(run(f, "vif-bridge offline type_if=vif"));
    g_assert_true(run(f, "xlvirt-hotplug offline type_if=vif"));
    g_assert_null(fake_store_get(f->fake, VIF "/hotplug-error"));
    g_hash_table_remove(f->fake->values, VIF "/vifname");
    fake_store_set(f->fake, VIF "/bridge", "br0.100");
    g_assert_false(run(f, "vif-bridge online"));
    assert_failed(f, "interface 'vif7.0' does not exist: is the kernel's module xen-netback*");
    g_assert_false(run(f, "vif-bridge add type_if=tap"));
    assert_failed(f, "interface 'vif7.0-emu' does not exist: QEMU did not make it");
}

static void
test_hostile(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *name, *value, *message;
    } rows[] = {
        { "bridge", "br0/../x", "bridge 'br0/../x' cannot be the name of an interface*" },
        { "bridge", "a bridge with a very long name", "*too long*" },
        { "bridge", "--help", "bridge '--help' cannot be*" },
        { "vifname", "web/1", "vifname 'web/1' cannot be*" },
        { "vifname", "1234567890123456", "the interface name '1234567890123456' is too long*" },
        { "mtu", "99999999999999999999", "*mtu of xenstore is too long*" },
    };
    HpLink link;
    make_tap(f, "vif7.0");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat(VIF "/", rows[i].name, NULL);
        g_autofree char *before = g_strdup(fake_store_get(f->fake, path));
        fake_store_set(f->fake, path, rows[i].value);
        g_assert_false(run(f, "vif-bridge online"));
        assert_failed(f, rows[i].message);
        fake_store_set(f->fake, path, before ? before : "");
        g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
        g_assert_cmpint(link.master, ==, 0);
    }
    fake_store_set(f->fake, VIF "/vifname", "twelve-chars");
    g_assert_false(run(f, "vif-bridge add type_if=tap"));
    assert_failed(f,
                  "the interface name 'twelve-chars' with -emu behind it is too long: at most 11*");
    /* A number that is none costs nobody his guest. */
    fake_store_set(f->fake, VIF "/vifname", "");
    fake_store_set(f->fake, VIF "/mtu", "12x");
    g_assert_true(run(f, "vif-bridge online"));
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpuint(link.mtu, ==, 1400);
}

/* A failure at the end takes back what was done at the beginning. */
static void
test_undo(Fixture *f, gconstpointer unused)
{
    HpLink link;
    make_tap(f, "vif7.0");
    fake_store_set(f->fake, VIF "/vifname", "web");
    f->fake->read_only = "/hotplug-status";
    g_assert_false(run(f, "vif-bridge online"));
    g_assert_nonnull(strstr(f->run.error.text, "hotplug-status of xenstore: Permission denied"));
    g_assert_cmpint(look(f, "web", &link), ==, 0);
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(link.master, ==, 0);
    g_assert_false(link.flags & IFF_UP);
    f->fake->read_only = NULL;
    make_tap(f, "plain0");
    fake_store_set(f->fake, VIF "/bridge", "plain0");
    g_assert_false(run(f, "vif-bridge online"));
    assert_failed(f, "cannot add interface web to 'plain0', which is no bridge*");
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    /* The guest's own end, which a driver domain may not write, is no reason. */
    fake_store_set(f->fake, VIF "/bridge", "br0.100");
    f->fake->read_only = "/device/vif/0/mtu";
    g_assert_true(run(f, "vif-bridge online"));
}

static void
give_gate(Fixture *f)
{
    HpAddress address;
    HpLink link;
    make_tap(f, "gate0");
    g_assert_cmpint(look(f, "gate0", &link), ==, 1);
    g_assert_true(hp_parse_address("192.0.2.1/24", &address));
    g_assert_cmpint(hp_net_add_address(&f->net, link.index, &address), ==, 0);
    const HpLinkChange up = { .state = HP_LINK_UP };
    g_assert_cmpint(hp_net_change(&f->net, link.index, &up), ==, 0);
}

static void
test_route(Fixture *f, gconstpointer unused)
{
    make_tap(f, "vif7.0");
    fake_store_set(f->fake, VIF "/ip", "198.51.100.7  198.51.100.64/26 ");
    g_assert_false(run(f, "vif-route online"));
    assert_failed(f, "'gate0' has no IPv4 address to route through*");
    give_gate(f);
    g_assert_true(run(f, "vif-route online"));
    g_autofree char *routes = ip("-o route show dev vif7.0");
    g_autofree char *addresses = ip("-4 -br addr show dev vif7.0");
    g_assert_nonnull(strstr(routes, "198.51.100.7 scope link src 192.0.2.1 metric 2"));
    g_assert_nonnull(strstr(routes, "198.51.100.64/26 scope link src 192.0.2.1 metric 2"));
    g_assert_nonnull(strstr(addresses, "192.0.2.1/32"));
    g_autofree char *proxy = NULL;
    g_assert_true(
        g_file_get_contents("/proc/sys/net/ipv4/conf/vif7.0/proxy_arp", &proxy, NULL, NULL));
    g_assert_cmpstr(proxy, ==, "1\n");
    g_assert_cmpstr(fake_store_get(f->fake, VIF "/hotplug-status"), ==, "connected");
    /* whose address it is already */
    fake_store_set(f->fake, VIF "/ip", "203.0.113.1 198.51.100.7");
    make_tap(f, "other");
    fake_store_set(f->fake, VIF "/vifname", "third");
    const char *const other[] = { "XENBUS_TYPE=vif", "XENBUS_PATH=" VIF, "netdev=gate0",
                                  "vif=other", NULL };
    fake_request(&f->run.request, "vif-route online", other);
    memset(&f->run.error, 0, sizeof f->run.error);
    g_assert_false(hp_run(&f->run));
    assert_failed(f, "ip: '198.51.100.7' is routed to another interface already*");
    g_autofree char *left = ip("-o route show dev other");
    g_autofree char *left_addresses = ip("-4 -br addr show dev other");
    g_assert_cmpstr(left, ==, "");
    g_assert_null(strstr(left_addresses, "192.0.2.1"));
    g_hash_table_remove(f->fake->values, VIF "/vifname");
    g_assert_true(run(f, "vif-route offline"));
    g_autofree char *after = ip("-o route show dev vif7.0");
    g_assert_cmpstr(after, ==, "");
}

static void
test_route_bad(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *ip, *message;
    } rows[] = {
        { "198.51.100.7/24", "ip: the kernel refuses the network '198.51.100.7/24'*" },
        { "none", "ip: 'none' is no IP address or network" },
        { "198.51.100.7;198.51.100.8", "ip: '198.51.100.7;198.51.100.8' is no IP address*" },
    };
    make_tap(f, "vif7.0");
    give_gate(f);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        fake_store_set(f->fake, VIF "/ip", rows[i].ip);
        g_assert_false(run(f, "vif-route online"));
        assert_failed(f, rows[i].message);
    }
}

static void
test_flush(Fixture *f, gconstpointer unused)
{
    static const char *const texts[] = { "192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24" };
    HpAddress address;
    HpLink link;
    make_tap(f, "vif7.0");
    g_assert_cmpint(look(f, "vif7.0", &link), ==, 1);
    g_assert_cmpint(hp_net_ipv4(&f->net, link.index, &address), ==, 0);
    g_assert_cmpint(hp_net_flush(&f->net, link.index), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(hp_parse_address(texts[i], &address));
        g_assert_cmpint(hp_net_add_address(&f->net, link.index, &address), ==, 0);
    }
    g_assert_cmpint(hp_net_ipv4(&f->net, link.index, &address), ==, 1);
    g_assert_cmpint(address.bytes[3], ==, 1);
    g_assert_cmpint(hp_net_flush(&f->net, link.index), ==, 0);
    g_assert_cmpint(hp_net_ipv4(&f->net, link.index, &address), ==, 0);
    g_assert_cmpint(hp_net_link(&f->net, "no-such", &link), ==, 0);
    const HpLinkChange change = { .mtu = 1000 };
    g_assert_cmpint(hp_net_change(&f->net, 99999, &change), ==, -ENODEV);
}

/* What a route table of a full host answers does not fit one message. */
static void
test_many_links(Fixture *f, gconstpointer unused)
{
    HpLink link;
    for (int i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("many%d", i);
        make_bridge(name);
    }
    make_bridge("a-first");
    g_assert_cmpint(hp_net_first_bridge(&f->net, &link), ==, 1);
    g_assert_cmpstr(link.name, ==, "a-first");
    remove_link("a-first");
    for (int i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("many%d", i);
        remove_link(name);
    }
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *name = g_strconcat("/hotplug/vif/", path, NULL);
    g_test_add(name, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!fake_network()) {
        printf("1..0 # SKIP no network namespace with tap and bridge for us here\n");
        return 0;
    }
    add("bridge", test_bridge);
    add("default-bridge", test_default_bridge);
    add("old-style-bridge", test_old_style_bridge);
    add("renamed", test_renamed);
    add("name-of-another", test_name_of_another);
    add("gone", test_gone);
    add("hostile", test_hostile);
    add("undo", test_undo);
    add("route", test_route);
    add("route-bad", test_route_bad);
    add("flush", test_flush);
    add("many-links", test_many_links);
    return g_test_run();
}
