/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities, against the schemas that libvirt installs. */
#include "fake-engine.h"

#include <string.h>

#define SCHEMAS "/usr/share/libvirt/schemas/"

/* TRUE when it was validated, FALSE when this machine lacks the means (the test is skipped then).
 */
static gboolean
assert_valid(Fixture *f, const char *schema, const char *xml)
{
    g_autofree char *xmllint = g_find_program_in_path("xmllint");
    g_autofree char *path = path_of(f, "/caps.xml");
    g_autofree char *rng = g_strconcat(SCHEMAS, schema, NULL);
    g_autofree char *complaint = NULL;
    const char *argv[] = { xmllint, "--noout", "--relaxng", rng, path, NULL };
    g_autoptr(GError) error = NULL;
    int status;

    if (!xmllint || !g_file_test(rng, G_FILE_TEST_EXISTS)) {
        g_test_skip("no xmllint, or no schemas of libvirt");
        return FALSE;
    }
    write_file(f, "/caps.xml", xml);
    g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, &complaint, &status, &error);
    g_assert_no_error(error);
    if (status != 0)
        g_error("%s\n%s", complaint, xml);
    return TRUE;
}

/* libvirt's schema (9.0) has no word for PVH, although the stock Xen driver prints it and clients
 * look for it: everything but that one guest is held against the schema. */
static char *
without_pvh(const char *xml)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) guests = g_strsplit(xml, "  <guest>\n", -1);

    g_string_append(text, guests[0]);
    for (guint i = 1; guests[i]; i++) {
        const char *end = strstr(guests[i], "  </guest>\n");

        g_assert_nonnull(end);
        if (strstr(guests[i], "<os_type>xenpvh<"))
            g_string_append(text, end + strlen("  </guest>\n"));
        else
            g_string_append_printf(text, "  <guest>\n%s", guests[i]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
test_capabilities(Fixture *f, gconstpointer unused)
{
    static const char *const needed[] = {
        "<arch>x86_64</arch>",
        "<cells num='2'>",
        "<cell id='1'>",
        "<memory unit='KiB'>8388608</memory>",
        "<os_type>xen</os_type>",
        "<os_type>hvm</os_type>",
        "<os_type>xenpvh</os_type>",
        "<domain type='xen'/>",
        "<machine>xenpv</machine>",
        "<machine>xenfv</machine>",
        "<machine>xenpvh</machine>",
        "<arch name='i686'>",
        "id='7' socket_id='1' die_id='0' core_id='1' siblings='6-7'",
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = hv_host_capabilities(f->host, &error);
    g_autofree char *checked = NULL;

    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!strstr(xml, needed[i]))
            g_error("no %s in:\n%s", needed[i], xml);
    }
    checked = without_pvh(xml);
    g_assert_null(strstr(checked, "xenpvh"));
    assert_valid(f, "capability.rng", checked);
}

static void
test_domain_capabilities(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *arch, *machine, *expected;
    } cases[] = {
        { NULL, NULL, "<machine>xenpv</machine>" },
        { NULL, "xenfv", "<value>cirrus</value>" },
        { "x86_64", "xenfv", "<vcpu max='128'/>" },
        { "i686", "xenpv", "<vcpu max='512'/>" },
        { "x86_64", "xenpvh", "<graphics supported='no'/>" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = hv_host_domain_capabilities(f->host, NULL, cases[i].arch,
                                                           cases[i].machine, "xen", &error);

        g_assert_no_error(error);
        if (!strstr(xml, cases[i].expected))
            g_error("no %s in:\n%s", cases[i].expected, xml);
        assert_valid(f, "domaincaps.rng", xml);
    }
}

static void
test_refused(Fixture *f, gconstpointer unused)
{
    static const struct {
        const char *emulator, *arch, *machine, *virttype, *message;
    } cases[] = {
        { NULL, NULL, NULL, "kvm", "unknown virttype: kvm" },
        { NULL, "s390x", NULL, NULL, "unknown architecture: s390x" },
        { NULL, NULL, "pc", NULL, "Xen only supports 'xenpv', 'xenpvh' and 'xenfv' machines" },
        { NULL, "i686", "xenpvh", NULL, "machine 'xenpvh' does not exist for architecture 'i686'" },
        { "qemu", NULL, NULL, NULL, "emulator 'qemu' is not an absolute path" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(hv_host_domain_capabilities(f->host, cases[i].emulator, cases[i].arch,
                                                  cases[i].machine, cases[i].virttype, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void
test_escaped(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = hv_host_domain_capabilities(f->host, "/opt/a&b<c", NULL, NULL, NULL,
                                                       &error);

    g_assert_no_error(error);
    g_assert_nonnull(strstr(xml, "<path>/opt/a&amp;b&lt;c</path>"));
}

static void
test_engines(void)
{
    g_autoptr(GError) error = NULL;
    const HvEngineOps *ops = hv_engine_find("sim", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(ops->name, ==, "sim");
    g_assert_null(hv_engine_find("nosuch", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==, "unknown engine 'nosuch'; there are: sim libxl");
    g_clear_error(&error);
    g_setenv("XLVIRT_ENGINE_DIR", "/nonexistent", TRUE);
    g_assert_null(hv_engine_find("libxl", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "/nonexistent/hv-engine-libxl.so"));
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func)                                                                           \
    g_test_add("/hv/caps/" name, Fixture, NULL, fixture_setup, func, fixture_teardown)
    TEST("capabilities", test_capabilities);
    TEST("domain-capabilities", test_domain_capabilities);
    TEST("refused", test_refused);
    TEST("escaped", test_escaped);
    g_test_add_func("/hv/caps/engines", test_engines);
    return g_test_run();
}
