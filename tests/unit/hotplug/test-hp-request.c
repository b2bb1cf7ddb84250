/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-store.h"

#include <string.h>
#include <sys/socket.h>

/* What libxl 4.17 sets. */
static const char *const disk_environment[] = {
    "script=/x/block",
    "XENBUS_TYPE=vbd",
    "XENBUS_PATH=backend/vbd/7/51712",
    "XENBUS_BASE_PATH=backend",
    NULL,
};

static const char *const vif_environment[] = {
    "script=/x/vif-bridge",
    "XENBUS_TYPE=vif",
    "XENBUS_PATH=backend/vif/7/1",
    "XENBUS_BASE_PATH=backend",
    "netdev=",
    "INTERFACE=vif7.1-emu",
    "vif=vif7.1",
    NULL,
};

static const char *const *variables;

static const char *
get_variable(const char *name)
{
    return g_environ_getenv((char **)variables, name);
}

static HpParse
parse(const char *line, const char *const *environment, HpRequest *ret, HpError *error)
{
    static char **argv; /* of which the request keeps parts */
    g_strfreev(argv);
    argv = g_strsplit(line, " ", -1);
    variables = environment;
    memset(error, 0, sizeof *error);
    return hp_request_parse((int)g_strv_length(argv), argv, get_variable, ret, error);
}

static void
test_kinds(void)
{
    static const struct {
        const char *line;
        gboolean disk;
        HpKind kind;
        HpCommand command;
        gboolean tap, shared;
    } rows[] = {
        { "/x/block add", TRUE, HP_BLOCK, HP_ADD, FALSE, FALSE },
        { "/x/block-shared remove", TRUE, HP_BLOCK, HP_REMOVE, FALSE, TRUE },
        { "/x/xlvirt-hotplug add", TRUE, HP_BLOCK, HP_ADD, FALSE, FALSE },
        { "vif-bridge online type_if=vif", FALSE, HP_BRIDGE, HP_ONLINE, FALSE, FALSE },
        { "/x/vif-bridge add type_if=tap", FALSE, HP_BRIDGE, HP_ADD, TRUE, FALSE },
        { "/x/vif-route offline", FALSE, HP_ROUTE, HP_OFFLINE, FALSE, FALSE },
        { "/x/vif-openvswitch remove type_if=tap", FALSE, HP_OPENVSWITCH, HP_REMOVE, TRUE, FALSE },
        { "/x/xlvirt-hotplug online", FALSE, HP_AUTO, HP_ONLINE, FALSE, FALSE },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        HpRequest request;
        HpError error;
        g_test_message("%s", rows[i].line);
        g_assert_cmpint(parse(rows[i].line, rows[i].disk ? disk_environment : vif_environment,
                              &request, &error),
                        ==, HP_PARSE_OK);
        g_assert_cmpint(request.kind, ==, rows[i].kind);
        g_assert_cmpint(request.command, ==, rows[i].command);
        g_assert_cmpint(request.tap, ==, rows[i].tap);
        g_assert_cmpint(request.shared, ==, rows[i].shared);
        g_assert_cmpuint(request.domid, ==, 7);
        g_assert_cmpuint(request.devid, ==, rows[i].disk ? 51712 : 1);
        g_assert_cmpstr(request.dev, ==, rows[i].disk ? "" : rows[i].tap ? "vif7.1-emu" : "vif7.1");
        g_assert_null(request.netdev);
    }
}

/* Xen's scripts leave with 0 then. */
static void
test_nothing_to_do(void)
{
    static const char *const lines[] = {
        "vif-bridge add type_if=vif",
        "vif-bridge remove",
        "vif-bridge online type_if=tap",
        "vif-route offline type_if=tap",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        HpRequest request;
        HpError error;
        g_assert_cmpint(parse(lines[i], vif_environment, &request, &error), ==,
                        HP_PARSE_NOTHING_TO_DO);
    }
}

static void
test_variables(void)
{
    const char *const environment[] = {
        "XENBUS_TYPE=vif", "XENBUS_PATH=/local/domain/3/backend/vif/12/0",
        "vif=vif12.0",     "bridge=fromenv",
        "ip=10.0.0.1",     NULL
    };
    HpRequest request;
    HpError error;
    g_assert_cmpint(
        parse("vif-bridge bridge=fromargs online netdev=eth7", environment, &request, &error), ==,
        HP_PARSE_OK);
    g_assert_cmpstr(request.bridge, ==, "fromargs");
    g_assert_cmpstr(request.ip, ==, "10.0.0.1");
    g_assert_cmpstr(request.netdev, ==, "eth7");
    g_assert_cmpstr(request.path, ==, "/local/domain/3/backend/vif/12/0");
    g_assert_cmpstr(request.base_path, ==, "backend");
    g_assert_cmpuint(request.domid, ==, 12);
}

/* QEMU's own call of a script has no XENBUS_PATH. */
static void
test_tap_alone(void)
{
    const char *const environment[] = { "XENBUS_TYPE=vif", "INTERFACE=vif5.2-emu", NULL };
    const char *const hostile[] = { "XENBUS_TYPE=vif", "INTERFACE=vif5.2-em/", NULL };
    const char *const other[] = { "XENBUS_TYPE=vif", "INTERFACE=tap0", NULL };
    HpRequest request;
    HpError error;
    g_assert_cmpint(parse("vif-bridge add type_if=tap", environment, &request, &error), ==,
                    HP_PARSE_OK);
    g_assert_cmpstr(request.path, ==, "/local/domain/0/backend/vif/5/2");
    g_assert_cmpint(parse("vif-bridge add type_if=tap", hostile, &request, &error), ==,
                    HP_PARSE_FAILED);
    g_assert_cmpint(parse("vif-bridge add type_if=tap", other, &request, &error), ==,
                    HP_PARSE_FAILED);
    g_assert_cmpstr(error.text, ==, "INTERFACE 'tap0' is not of the form vifDOMID.DEVID-emu");
}

static void
test_bad(void)
{
    g_autofree char *long_path = g_strnfill(1000, 'x');
    g_autofree char *long_variable = g_strdup_printf("XENBUS_PATH=%s/1/2", long_path);
    const struct {
        const char *line, *type, *path, *vif, *message;
    } rows[] = {
        { "block", "XENBUS_TYPE=vbd", "XENBUS_PATH=backend/vbd/1/2", "vif=v", "what to do?*" },
        { "block frob", "XENBUS_TYPE=vbd", "XENBUS_PATH=backend/vbd/1/2", "vif=v", "what to do?*" },
        { "block online", "XENBUS_TYPE=vbd", "XENBUS_PATH=backend/vbd/1/2", "vif=v", "*add and*" },
        { "block add", "XENBUS_TYPE=vbd", "X=", "vif=v", "XENBUS_PATH is not set*" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=backend", "vif=v", "*not of the form*" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=1/2", "vif=v", "*not of the form*" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=b/v/1/-2", "vif=v", "*DOMID/DEVID" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=b/v//2", "vif=v", "*DOMID/DEVID" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=b/v/99999999999/2", "vif=v", "*DEVID" },
        { "block add", "XENBUS_TYPE=vbd", "XENBUS_PATH=b/v/999999999999999999/2", "vif=v", "*of*" },
        { "block add", "XENBUS_TYPE=vbd", long_variable, "vif=v", "*too long" },
        { "helper add", "XENBUS_TYPE=vtpm", "XENBUS_PATH=b/v/1/2", "vif=v", "XENBUS_TYPE 'vtpm'*" },
        { "helper add", "X=", "XENBUS_PATH=b/v/1/2", "vif=v", "XENBUS_TYPE ''*" },
        { "vif-bridge online", "X=", "XENBUS_PATH=b/v/1/2", "X=", "vif is not set*" },
        { "vif-bridge online", "X=", "XENBUS_PATH=b/v/1/2", "vif=a b", "vif 'a b' cannot*" },
        { "vif-bridge online", "X=", "XENBUS_PATH=b/v/1/2", "vif=1234567890123456", "*too long*" },
        { "vif-bridge online type_if=x", "X=", "XENBUS_PATH=b/v/1/2", "vif=v", "type_if 'x'*" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const environment[] = { rows[i].type, rows[i].path, rows[i].vif, NULL };
        HpRequest request;
        HpError error;
        g_assert_cmpint(parse(rows[i].line, environment, &request, &error), ==, HP_PARSE_FAILED);
        g_test_message("%s: %s", rows[i].line, error.text);
        g_assert_true(g_pattern_match_simple(rows[i].message, error.text));
    }
}

static void
test_names(void)
{
    static const char *const good[] = { "eth0", "br0.100",         "vif1.0-emu",
                                        "a",    "123456789012345", "x{}\"'$;" };
    static const char *const bad[] = { "",   "1234567890123456", "a/b", "a b", "a\tb", "a:1",
                                       "-x", "--help",           ".",   "..",  "a\nb", "a\x01" };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        HpError error = { 0 };
        g_assert_true(hp_check_ifname("x", good[i], &error));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        HpError error = { 0 };
        g_assert_false(hp_check_ifname("x", bad[i], &error));
        g_assert_cmpstr(error.text, !=, "");
    }
}

static void
test_numbers(void)
{
    guint64 value = 0;
    g_assert_true(hp_parse_uint("0", 0, &value) && value == 0);
    g_assert_true(hp_parse_uint("65535", 65535, &value) && value == 65535);
    g_assert_true(hp_parse_uint("18446744073709551615", G_MAXUINT64, &value) &&
                  value == G_MAXUINT64);
    g_assert_false(hp_parse_uint("65536", 65535, &value));
    g_assert_false(hp_parse_uint("18446744073709551616", G_MAXUINT64, &value));
    g_assert_false(hp_parse_uint("5", 4, &value));
    g_assert_false(hp_parse_uint("", 4, &value));
    g_assert_false(hp_parse_uint("-1", 4, &value));
    g_assert_false(hp_parse_uint("1 ", 4, &value));
}

static void
test_addresses(void)
{
    static const struct {
        const char *text;
        int family;
        guint prefix;
    } rows[] = {
        { "10.0.0.1", AF_INET, 32 },
        { "10.0.0.0/8", AF_INET, 8 },
        { "0.0.0.0/0", AF_INET, 0 },
        { "fd00::1", AF_INET6, 128 },
        { "fd00::/64", AF_INET6, 64 },
        { "10.0.0", 0, 0 },
        { "10.0.0.1/33", 0, 0 },
        { "fd00::/129", 0, 0 },
        { "10.0.0.1/", 0, 0 },
        { "/8", 0, 0 },
        { "10.0.0.1;reboot", 0, 0 },
        { "-j", 0, 0 },
        { "1:2", 0, 0 },
        { "", 0, 0 },
        { "11111111111111111111111111111111111111111111111111111111111111111", 0, 0 },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        HpAddress address = { 0 };
        g_test_message("%s", rows[i].text);
        g_assert_cmpint(hp_parse_address(rows[i].text, &address), ==, rows[i].family != 0);
        g_assert_cmpint(address.family, ==, rows[i].family);
        g_assert_cmpuint(address.prefix, ==, rows[i].prefix);
    }
}

static void
test_ovs_bridges(void)
{
    static const struct {
        const char *text, *bridge, *tag, *trunks; /* bridge NULL: refused */
    } rows[] = {
        { "ovsbr0", "ovsbr0", "", "" },
        { "ovsbr0.7", "ovsbr0", "tag=7", "" },
        { "ovsbr0:1", "ovsbr0", "", "trunks=1" },
        { "ovsbr0:1:22:333", "ovsbr0", "", "trunks=1,22,333" },
        { "ovsbr0.4095:1:2", "ovsbr0", "tag=4095", "trunks=1,2" },
        { "", NULL, NULL, NULL },
        { ".7", NULL, NULL, NULL },
        { "ovsbr0.", NULL, NULL, NULL },
        { "ovsbr0.x", NULL, NULL, NULL },
        { "ovsbr0.7x", NULL, NULL, NULL },
        { "ovsbr0.99999", NULL, NULL, NULL },
        { "ovsbr0:", NULL, NULL, NULL },
        { "ovsbr0:1:", NULL, NULL, NULL },
        { "ovsbr0:1::2", NULL, NULL, NULL },
        { "ovsbr0:1.7", NULL, NULL, NULL },
        { "ovsbr0.7.8", NULL, NULL, NULL },
        { "--help", NULL, NULL, NULL },
        { "a b", NULL, NULL, NULL },
        { "1234567890123456", NULL, NULL, NULL },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        HpOvsBridge bridge;
        HpError error = { 0 };
        g_test_message("%s", rows[i].text);
        g_assert_cmpint(hp_parse_ovs_bridge(rows[i].text, &bridge, &error), ==,
                        rows[i].bridge != NULL);
        if (rows[i].bridge) {
            g_assert_cmpstr(bridge.bridge, ==, rows[i].bridge);
            g_assert_cmpstr(bridge.tag, ==, rows[i].tag);
            g_assert_cmpstr(bridge.trunks, ==, rows[i].trunks);
        } else {
            g_assert_cmpstr(error.text, !=, "");
        }
    }
    g_autofree char *many = g_strnfill(3000, '1');
    g_autofree char *text = g_strconcat("ovsbr0:", many, NULL);
    HpOvsBridge bridge;
    HpError error = { 0 };
    g_assert_false(hp_parse_ovs_bridge(text, &bridge, &error));
}

static void
test_modes(void)
{
    g_assert_cmpint(hp_parse_mode("r"), ==, HP_MODE_READ);
    g_assert_cmpint(hp_parse_mode("ro"), ==, HP_MODE_READ);
    g_assert_cmpint(hp_parse_mode("r!"), ==, HP_MODE_READ);
    g_assert_cmpint(hp_parse_mode("w"), ==, HP_MODE_WRITE);
    g_assert_cmpint(hp_parse_mode("rw"), ==, HP_MODE_WRITE);
    g_assert_cmpint(hp_parse_mode("w!"), ==, HP_MODE_SHARED);
    g_assert_cmpint(hp_parse_mode("!w"), ==, HP_MODE_SHARED);
    g_assert_cmpint(hp_parse_mode(""), ==, HP_MODE_READ);
}

/* What a guest or a driver domain may have written. */
static void
test_values(void)
{
    g_autoptr(FakeStore) fake = fake_store_new();
    g_autofree char *big = g_strnfill(100, 'x');
    char value[16];
    HpError error = { 0 };
    fake_store_set(fake, "d/good", "text");
    fake_store_set(fake, "d/empty", "");
    fake_store_set(fake, "d/big", big);
    fake_store_set(fake, "d/control", "a\nb");
    HpStore *store = &fake->store;
    g_assert_cmpint(hp_store_read(store, "d", "good", value, 16, &error), ==, HP_READ_OK);
    g_assert_cmpstr(value, ==, "text");
    g_assert_cmpint(hp_store_read(store, "d", "good", value, 4, &error), ==, HP_READ_FAILED);
    g_assert_cmpint(hp_store_read(store, "d", "empty", value, 16, &error), ==, HP_READ_ABSENT);
    g_assert_cmpint(hp_store_read(store, "d", "absent", value, 16, &error), ==, HP_READ_ABSENT);
    g_assert_cmpstr(value, ==, "");
    g_assert_cmpint(hp_store_read(store, "d", "big", value, 16, &error), ==, HP_READ_FAILED);
    g_assert_cmpint(hp_store_read(store, "d", "control", value, 16, &error), ==, HP_READ_FAILED);
    g_autofree char *long_path = g_strnfill(HP_PATH_SIZE, 'd');
    g_assert_cmpint(hp_store_read(store, long_path, "x", value, 16, &error), ==, HP_READ_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hotplug/request/kinds", test_kinds);
    g_test_add_func("/hotplug/request/nothing-to-do", test_nothing_to_do);
    g_test_add_func("/hotplug/request/variables", test_variables);
    g_test_add_func("/hotplug/request/tap-alone", test_tap_alone);
    g_test_add_func("/hotplug/request/bad", test_bad);
    g_test_add_func("/hotplug/request/names", test_names);
    g_test_add_func("/hotplug/request/numbers", test_numbers);
    g_test_add_func("/hotplug/request/addresses", test_addresses);
    g_test_add_func("/hotplug/request/ovs-bridges", test_ovs_bridges);
    g_test_add_func("/hotplug/request/modes", test_modes);
    g_test_add_func("/hotplug/request/values", test_values);
    return g_test_run();
}
