/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of processors: the folder of definitions, and whose processors are looked at. */
#include "fake-engine.h"

#include "../cpu-map.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- processors: a host that is Quicker, guests that see less of it ---- */

static gboolean no_pv; /* as a Xen without PV guests */

static GArray *
hook_cpu_leaves(HvEngine *engine, HvCpuView view, GError **error)
{
    static const ConfCpuLeaf vendor = { .ebx = 0x656d6341, .ecx = 0x656d6341, .edx = 0x656d6341 };
    static const ConfCpuLeaf base[] = {
        [HV_CPU_HOST] = { .leaf = 1, .eax = 0x206a4, .ecx = 0x22, .edx = 3 },
        [HV_CPU_PV] = { .leaf = 1, .edx = 2 },
        [HV_CPU_HVM] = { .leaf = 1, .ecx = 2, .edx = 3 },
    };
    static const ConfCpuLeaf avx = { .leaf = 7, .ebx = 1 };
    static const ConfCpuLeaf more = { .leaf = 7, .subleaf = 1, .eax = 3 };
    GArray *leaves;

    if (view == HV_CPU_PV && no_pv) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "there is no PV here");
        return NULL;
    }
    leaves = g_array_new(FALSE, FALSE, sizeof(ConfCpuLeaf));
    g_array_append_val(leaves, vendor);
    g_array_append_val(leaves, base[view]);
    if (view == HV_CPU_HOST) {
        g_array_append_val(leaves, avx);
        g_array_append_val(leaves, more);
    }
    return leaves;
}

/* ---- the fixture: definitions below the root of the test ---- */

static HvEngineOps ops;

static void
write_map(Fixture *f)
{
    g_autofree char *dir = path_of(f, "/map");

    g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(cpu_map_files); i++) {
        g_autofree char *path = g_strconcat("/map/", cpu_map_files[i].name, NULL);

        write_file(f, path, cpu_map_files[i].text);
    }
}

static void
remove_map_file(Fixture *f, const char *name)
{
    g_autofree char *path = path_of(f, name);

    g_assert_cmpint(unlink(path), ==, 0);
}

static void
setup(Fixture *f, gconstpointer unused)
{
    g_autofree char *dir = NULL;

    ops = fake_engine_ops;
    ops.cpu_leaves = hook_cpu_leaves;
    no_pv = FALSE;
    fixture_ops = &ops;
    fixture_setup(f, NULL);
    fixture_stop_host(f);
    dir = path_of(f, "/map");
    fixture_cpu_map = dir;
    fixture_start_host(f, 0, TRUE);
    fixture_cpu_map = NULL;
    write_map(f);
}

static void
assert_models(Fixture *f, const char *arch, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = hv_host_cpu_models(f->host, arch, &error);
    g_autofree char *joined = NULL;

    g_assert_no_error(error);
    joined = g_strjoinv(" ", names);
    g_assert_cmpstr(joined, ==, expected);
}

static void
refuse_models(Fixture *f, const char *arch, HvError code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(hv_host_cpu_models(f->host, arch, &error));
    g_assert_error(error, HV_ERROR, (int)code);
    if (!strstr(error->message, message))
        g_error("'%s' is not in '%s'", message, error->message);
}

#define ALL "Base Quick QuickSafe Quicker Hidden Foreign"

static void
test_models(Fixture *f, gconstpointer unused)
{
    assert_models(f, "aarch64", "");
    refuse_models(f, "pdp", HV_ERROR_INVALID_ARG, "cannot find architecture pdp");
    refuse_models(f, "mips", HV_ERROR_UNSUPPORTED, "'mips' architecture is not supported");
    assert_models(f, "x86_64", ALL);
    /* They are read once. */
    remove_map_file(f, "/map/index.xml");
    assert_models(f, "i686", ALL);
}

/* What cannot be read is named, and tried again with the next question. */
static void
test_unreadable(Fixture *f, gconstpointer unused)
{
    g_autofree char *index = path_of(f, "/map/index.xml");
    g_autofree char *large = g_strnfill(CONF_MAX_XML + 1, ' ');

    remove_map_file(f, "/map/index.xml");
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED,
                  "no models of processors are known, see cpu_map_dir: ");
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED, index);
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED, g_strerror(ENOENT));
    g_assert_cmpint(mkfifo(index, 0600), ==, 0); /* nobody writes */
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED, "is no file");
    g_assert_cmpint(unlink(index), ==, 0);
    write_file(f, "/map/index.xml", large);
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED, "larger than");
    write_file(f, "/map/index.xml",
               "<cpus><arch name='x86'><include filename='new.xml'/></arch></cpus>");
    refuse_models(f, "x86_64", HV_ERROR_UNSUPPORTED, "new.xml:1: model Quick stands on Base");
    write_map(f);
    assert_models(f, "x86_64", ALL);
}

static ConfCpuCompare
compare(Fixture *f, const HvGuestKind *guest, const char *xml, GError **error)
{
    g_autoptr(ConfCpuSpec) cpu = conf_cpu_spec_parse(xml, FALSE, error);

    g_assert_nonnull(cpu);
    return hv_host_compare_cpu(f->host, guest, cpu, NULL, error);
}

#define QUICKER "<cpu><model>Quicker</model></cpu>"
#define QUICK   "<cpu><model>Quick</model></cpu>"

static void
test_views(Fixture *f, gconstpointer unused)
{
    static const HvGuestKind any = { NULL }, pv = { .machine = "xenpv" };
    static const HvGuestKind hvm = { .machine = "xenfv" }, pvh = { .machine = "xenpvh" };
    static const struct {
        const HvGuestKind *guest;
        const char *xml;
        ConfCpuCompare expected;
    } cases[] = {
        { NULL, QUICKER, CONF_CPU_COMPARE_SUPERSET },
        { NULL, "<cpu><model>Quicker</model><feature name='vmx'/></cpu>",
          CONF_CPU_COMPARE_IDENTICAL },
        { &any, QUICKER, CONF_CPU_COMPARE_INCOMPATIBLE },
        { &any, QUICK, CONF_CPU_COMPARE_IDENTICAL },
        { &hvm, QUICK, CONF_CPU_COMPARE_IDENTICAL },
        { &pvh, QUICK, CONF_CPU_COMPARE_IDENTICAL },
        { &pv, QUICK, CONF_CPU_COMPARE_INCOMPATIBLE },
        { &pv, "<cpu/>", CONF_CPU_COMPARE_SUPERSET },
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_cmpint(compare(f, cases[i].guest, cases[i].xml, &error), ==, cases[i].expected);
        g_assert_no_error(error);
    }
    no_pv = TRUE;
    g_assert_cmpint(compare(f, &pv, QUICK, &error), ==, CONF_CPU_COMPARE_ERROR);
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_cmpint(compare(f, &any, QUICK, &error), ==, CONF_CPU_COMPARE_IDENTICAL);
}

static void
test_wrong_kind(Fixture *f, gconstpointer unused)
{
    static const HvGuestKind kinds[] = {
        { .virttype = "kvm" },
        { .machine = "pc" },
        { .arch = "s390x" },
        { .emulator = "qemu" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(compare(f, &kinds[i], QUICK, &error), ==, CONF_CPU_COMPARE_ERROR);
        g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
    }
}

static char *
baseline(Fixture *f, const HvGuestKind *guest, const char *xml)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new_with_free_func((GDestroyNotify)conf_cpu_spec_free);
    g_autoptr(GError) error = NULL;
    char *text;

    g_ptr_array_add(cpus, conf_cpu_spec_parse(xml, guest == NULL, &error));
    g_assert_no_error(error);
    text = hv_host_baseline_cpu(f->host, guest, cpus, 0, &error);
    g_assert_no_error(error);
    return text;
}

static void
test_baseline(Fixture *f, gconstpointer unused)
{
    static const HvGuestKind any = { NULL };
    g_autofree char *of_host = NULL, *of_guest = NULL;

    of_host = baseline(f, NULL,
                       "<cpu><arch>x86_64</arch><model>Quick</model>"
                       "<feature name='avx'/></cpu>");
    g_assert_nonnull(strstr(of_host, "<feature policy='require' name='avx'/>"));
    of_guest = baseline(f, &any, "<cpu><model>Quick</model><feature name='avx'/></cpu>");
    g_assert_nonnull(strstr(of_guest, "<model fallback='forbid'>Quick</model>"));
    g_assert_null(strstr(of_guest, "avx"));
}

static void
test_no_hook(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    ops.cpu_leaves = NULL;
    g_assert_cmpint(compare(f, NULL, QUICK, &error), ==, CONF_CPU_COMPARE_ERROR);
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
}

/* ---- capabilities ---- */

static char *
host_cpu(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = hv_host_capabilities(f->host, &error);
    char *begin, *end;

    g_assert_no_error(error);
    begin = strstr(xml, "    <cpu>\n");
    end = strstr(xml, "    </cpu>\n");
    g_assert_true(begin && end);
    return g_strndup(begin, (gsize)(end - begin));
}

#define TOPOLOGY "      <topology sockets='2' dies='1' cores='2' threads='2'/>\n"
#define PAGES    "      <pages unit='KiB' size='4'/>\n"

static void
test_capabilities(Fixture *f, gconstpointer unused)
{
    g_autofree char *known = host_cpu(f);
    g_autofree char *unknown = NULL;

    g_assert_cmpstr(known, ==,
                    "    <cpu>\n      <arch>x86_64</arch>\n"
                    "      <model>Quicker</model>\n      <vendor>Acme</vendor>\n"
                    "      <signature family='6' model='42' stepping='4'/>\n" TOPOLOGY
                    "      <feature name='vmx'/>\n" PAGES);
    ops.cpu_leaves = NULL;
    unknown = host_cpu(f);
    g_assert_cmpstr(unknown, ==, "    <cpu>\n      <arch>x86_64</arch>\n" TOPOLOGY PAGES);
}

int
main(int argc, char **argv)
{
    fake_init(&argc, &argv);
#define TEST(name, func) g_test_add("/hv/cpu/" name, Fixture, NULL, setup, func, fixture_teardown)
    TEST("models", test_models);
    TEST("unreadable", test_unreadable);
    TEST("views", test_views);
    TEST("wrong-kind", test_wrong_kind);
    TEST("baseline", test_baseline);
    TEST("no-hook", test_no_hook);
    TEST("capabilities", test_capabilities);
    return g_test_run();
}
