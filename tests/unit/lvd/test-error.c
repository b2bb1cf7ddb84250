/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors as clients see them. Wording and numbers were measured against a stock libvirt 9.0. */
#include "lvd-do.h"

#include <string.h>

static void
check_wire(const GError *error, int code, int from, const char *message)
{
    lvd_error wire;

    lvd_error_fill(error, &wire);
    g_assert_cmpint(wire.code, ==, code);
    g_assert_cmpint(wire.domain, ==, from);
    g_assert_cmpint(wire.level, ==, 2);
    g_assert_nonnull(wire.message);
    g_assert_cmpstr(*wire.message, ==, message);
    g_assert_cmpint(wire.int1, ==, -1);
    g_assert_cmpint(wire.int2, ==, -1);
    g_assert_null(wire.dom);
    g_assert_null(wire.net);
    g_assert_null(wire.str3);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&wire);
}

static void
check_new(GQuark domain, int code, const char *text, int wire_code, int from, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(domain, code, text);

    check_wire(error, wire_code, from, message);
}

static void
test_hv(void)
{
    check_new(HV_ERROR, HV_ERROR_NO_DOMAIN, "no domain with matching name 'x'", 42, 41,
              "Domain not found: no domain with matching name 'x'");
    check_new(HV_ERROR, HV_ERROR_WRONG_STATE, "domain is not running", 55, 41,
              "Requested operation is not valid: domain is not running");
    check_new(HV_ERROR, HV_ERROR_INTERNAL, "odd", 1, 41, "internal error: odd");
    check_new(HV_ERROR, HV_ERROR_EXISTS, "domain 'a' already exists with uuid b", 9, 20,
              "operation failed: domain 'a' already exists with uuid b");
    check_new(HV_ERROR, HV_ERROR_INVALID_ARG, "no", 8, 41, "invalid argument: no");
    check_new(HV_ERROR, HV_ERROR_UNSUPPORTED, "virDomainSave", 3, 41,
              "this function is not supported by the connection driver: virDomainSave");
    check_new(HV_ERROR, HV_ERROR_CONFIG, "no disk", 67, 41, "unsupported configuration: no disk");
    check_new(HV_ERROR, HV_ERROR_ENGINE, "xen said no", 9, 41, "operation failed: xen said no");
    check_new(HV_ERROR, HV_ERROR_TIMEOUT, "held by save", 68, 41,
              "Timed out during operation: held by save");
    check_new(HV_ERROR, HV_ERROR_CANCELLED, "by user", 78, 41, "operation aborted: by user");
    check_new(HV_ERROR, HV_ERROR_IO, "/x: No such file", 38, 41, "/x: No such file");
    check_new(HV_ERROR, HV_ERROR_NO_METADATA, "Requested metadata element is not present", 80, 20,
              "metadata not found: Requested metadata element is not present");
}

static void
test_conf(void)
{
    check_new(CONF_ERROR, CONF_ERROR_SYNTAX, "(domain_definition):1:3: bad", 35, 20,
              "(domain_definition):1:3: bad");
    check_new(CONF_ERROR, CONF_ERROR_INVALID, "no name", 27, 20, "XML error: no name");
    check_new(CONF_ERROR, CONF_ERROR_LIMIT, "too deep", 27, 20, "XML error: too deep");
    check_new(CONF_ERROR, CONF_ERROR_UNSUPPORTED, "x", 67, 20, "unsupported configuration: x");
}

static void
test_native(void)
{
    g_autoptr(GError) error = g_error_new_literal(CONF_ERROR, CONF_ERROR_SYNTAX, "(f):3:7: ']'");
    g_autoptr(GError) kept = g_error_new_literal(CONF_ERROR, CONF_ERROR_UNSUPPORTED, "u");
    g_autoptr(GError) other = g_error_new_literal(HV_ERROR, HV_ERROR_TIMEOUT, "t");

    lvd_native_error(&error);
    check_wire(error, 33, 64, "configuration file syntax error: (f):3:7: ']'");
    lvd_native_error(&kept);
    check_wire(kept, 67, 20, "unsupported configuration: u");
    lvd_native_error(&other);
    check_wire(other, 68, 41, "Timed out during operation: t");
}

static void
test_own(void)
{
    g_autoptr(GError) bare = NULL, rpc = NULL, open = NULL;

    lvd_set_error(&bare, LVD_BARE | 8, 20, "%s in %s must not be zero", "memory", "virX");
    check_wire(bare, 8, 20, "memory in virX must not be zero");
    lvd_set_error(&rpc, 39, 7, "unknown procedure: %d", 9);
    check_wire(rpc, 39, 7, "unknown procedure: 9");
    lvd_set_error(&open, 5, 0, "%s", "foo:///x");
    check_wire(open, 5, 0, "no connection driver available for foo:///x");
    /* A GError of somebody else is a fault of ours. */
    check_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "gone", 1, 41, "internal error: gone");
}

static void
test_refusals(void)
{
    static const LvdProc destroy = { .name = "domain_destroy", .api = "virDomainDestroy" };
    static const LvdProc net = { .name = "network_undefine",
                                 .api = "virNetworkUndefine",
                                 .family = LVD_FAMILY_NETWORK };
    static const LvdProc caps = { .name = "connect_get_sysinfo", .api = "virConnectGetSysinfo" };
    static const LvdProc nameless = { .name = "auth_sasl_init" };
    g_autoptr(GError) a = NULL, b = NULL, c = NULL, d = NULL;

    lvd_set_readonly(&a, &destroy);
    check_wire(a, 29, 20, "operation forbidden: read only access prevents virDomainDestroy");
    lvd_set_no_support(&b, &net);
    check_wire(b, 3, 19,
               "this function is not supported by the connection driver: virNetworkUndefine");
    lvd_set_no_support(&c, &caps);
    check_wire(c, 3, 0,
               "this function is not supported by the connection driver: virConnectGetSysinfo");
    lvd_set_no_support(&d, &nameless);
    check_wire(d, 3, 0, "this function is not supported by the connection driver: auth_sasl_init");
}

/* str1 and str2 are what libvirt's own server sends: the template and what goes into it. */
static void
test_strings(void)
{
    g_autoptr(GError) error = g_error_new_literal(HV_ERROR, HV_ERROR_NO_DOMAIN, "n");
    g_autoptr(GError) empty = g_error_new_literal(HV_ERROR, HV_ERROR_NO_DOMAIN, "");
    lvd_error wire;

    lvd_error_fill(error, &wire);
    g_assert_cmpstr(*wire.str1, ==, "Domain not found: %s");
    g_assert_cmpstr(*wire.str2, ==, "n");
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&wire);
    lvd_error_fill(empty, &wire);
    g_assert_cmpstr(*wire.message, ==, "Domain not found");
    g_assert_cmpstr(*wire.str1, ==, "Domain not found");
    g_assert_null(wire.str2);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&wire);
}

/* Names that a client made up come back in messages: they are bounded and made UTF-8. */
static void
test_hostile(void)
{
    g_autofree char *long_name = g_strnfill(1 << 20, 'x');
    g_autoptr(GError) error = g_error_new(HV_ERROR, HV_ERROR_NO_DOMAIN, "%s", long_name);
    lvd_error wire;

    lvd_error_fill(error, &wire);
    g_assert_cmpuint(strlen(*wire.message), <, 70000);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&wire);

    check_new(HV_ERROR, HV_ERROR_NO_DOMAIN, "%s%n \xff", 42, 41,
              "Domain not found: %s%n \xef\xbf\xbd");
}

static void
test_cpu(void)
{
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_XML, "Missing CPU model name", 27, 31,
              "XML error: Missing CPU model name");
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_VALUE, "Unknown architecture foo", 67, 31,
              "unsupported configuration: Unknown architecture foo");
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_UNKNOWN, "Unknown CPU model Nope", 1, 31,
              "internal error: Unknown CPU model Nope");
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_ARCH, "x", 3, 31,
              "this function is not supported by the connection driver: x");
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_ARGUMENT, "no CPUs given", 8, 31,
              "invalid argument: no CPUs given");
    check_new(CONF_CPU_ERROR, CONF_CPU_ERROR_MISMATCH, "CPU vendors do not match", 9, 31,
              "operation failed: CPU vendors do not match");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lvd/error/hv", test_hv);
    g_test_add_func("/lvd/error/conf", test_conf);
    g_test_add_func("/lvd/error/native", test_native);
    g_test_add_func("/lvd/error/own", test_own);
    g_test_add_func("/lvd/error/refusals", test_refusals);
    g_test_add_func("/lvd/error/strings", test_strings);
    g_test_add_func("/lvd/error/hostile", test_hostile);
    g_test_add_func("/lvd/error/cpu", test_cpu);
    return g_test_run();
}
