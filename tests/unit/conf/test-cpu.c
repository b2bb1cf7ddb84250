/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of processors, over a map of our own. tests/client/cpu.py has libvirt's, and its answers.
 */
#include <conf/conf-cpu-map.h>

#include "../cpu-map.h"

#include <string.h>

/* ---- a map in memory ---- */

/* A file of the map is another one. */
typedef struct Change {
    const char *name, *text;
} Change;

static char *
read_file(const char *name, gpointer data, GError **error)
{
    const Change *change = data;

    if (change && strcmp(change->name, name) == 0)
        return g_strdup(change->text);
    for (gsize i = 0; i < G_N_ELEMENTS(cpu_map_files); i++)
        if (strcmp(cpu_map_files[i].name, name) == 0)
            return g_strdup(cpu_map_files[i].text);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no %s", name);
    return NULL;
}

static ConfCpuMap *
map_new(void)
{
    g_autoptr(GError) error = NULL;
    ConfCpuMap *map = conf_cpu_map_new(read_file, NULL, &error);

    g_assert_no_error(error);
    return map;
}

static void
test_models(void)
{
    g_autoptr(ConfCpuMap) map = map_new();
    g_autofree const char **names = conf_cpu_map_models(map);
    g_autofree char *joined = g_strjoinv(" ", (char **)names);

    g_assert_cmpstr(joined, ==, "Base Quick QuickSafe Quicker Hidden Foreign");
}

static void
test_archs(void)
{
    g_assert_cmpint(conf_cpu_arch("x86_64"), ==, CONF_CPU_ARCH_X86);
    g_assert_cmpint(conf_cpu_arch("i686"), ==, CONF_CPU_ARCH_X86);
    g_assert_cmpint(conf_cpu_arch("aarch64"), ==, CONF_CPU_ARCH_ANY);
    g_assert_cmpint(conf_cpu_arch("mips"), ==, CONF_CPU_ARCH_OTHER);
    g_assert_cmpint(conf_cpu_arch("i386"), ==, CONF_CPU_ARCH_UNKNOWN);
    g_assert_cmpint(conf_cpu_arch(""), ==, CONF_CPU_ARCH_UNKNOWN);
    g_assert_cmpint(conf_cpu_arch("i686 x86_64"), ==, CONF_CPU_ARCH_UNKNOWN);
}

/* ---- broken maps ---- */

#define X86(content)     "<cpus><arch name='x86'>" content "</arch></cpus>"
#define WITH(content)    X86("<include filename='features.xml'/>" content)
#define INCLUDE(content) X86("<include filename='" content "'/>")

static void
test_broken(void)
{
    static const struct {
        Change change;
        const char *message;
    } cases[] = {
        { { "index.xml", "" }, "index.xml:1:1: " },
        { { "index.xml", "<cpus>" }, "index.xml:1:" },
        { { "index.xml", "<map/>" }, "index.xml:1: the root is not <cpus>" },
        { { "index.xml", "<cpus xmlns='urn:x'/>" }, "index.xml:1: the root is not <cpus>" },
        { { "index.xml", "<cpus/>" }, "index.xml:1: no model of x86 is defined" },
        { { "index.xml", "<!DOCTYPE c [<!ENTITY e 'x'>]><cpus>&e;</cpus>" },
          "a document type declaration is not allowed" },
        { { "index.xml", INCLUDE("../etc/shadow") }, "is not the name of a file of this folder" },
        { { "index.xml", INCLUDE("/etc/shadow") }, "is not the name of a file of this folder" },
        { { "index.xml", INCLUDE("..") }, "is not the name of a file of this folder" },
        { { "index.xml", INCLUDE("") }, "is not the name of a file of this folder" },
        { { "index.xml", X86("<include/>") }, "is not the name of a file of this folder" },
        { { "index.xml", INCLUDE("gone.xml") }, "no gone.xml" },
        { { "index.xml", INCLUDE("index.xml") }, "no model of x86 is defined" },
        { { "new.xml", "<cpus><model/></cpus>" }, "new.xml:1: <model> has no name" },
        { { "new.xml", "<cpus>\n<model name=''/></cpus>" }, "new.xml:2: <model> has no name" },
        { { "new.xml", "<cpus><model name='Base'/></cpus>" }, "model Base is defined twice" },
        { { "new.xml", "<cpus><model name='A'><model name='A'/></model></cpus>" },
          "model A stands on A, which is not defined before it" },
        { { "new.xml", "<cpus><model name='A'><model name='B'/></model>"
                       "<model name='B'><model name='A'/></model></cpus>" },
          "model A stands on B, which is not defined before it" },
        { { "new.xml", "<cpus><model name='A'><feature name='nope'/></model></cpus>" },
          "model A has feature nope, which is not defined" },
        { { "new.xml", "<cpus><model name='A'><vendor name='nope'/></model></cpus>" },
          "model A is of vendor nope, which is not defined" },
        { { "new.xml", "<cpus><model name='A'><signature family='x' model='1'/></model></cpus>" },
          "family='x' of <signature> is not a number of 32 bits" },
        { { "new.xml", "<cpus><model name='A'><signature stepping='9-4'/></model></cpus>" },
          "stepping='9-4' of model A is no list of numbers" },
        { { "new.xml",
            "<cpus><model name='A'><signature stepping='0-4000000000'/></model></cpus>" },
          "of model A is no list of numbers" },
        { { "vendors.xml", "<cpus><vendor name='A' string='short'/></cpus>" },
          "the string of vendor A is not of 12 characters" },
        { { "vendors.xml", "<cpus><vendor name='A' string='AcmeAcmeAcme'/>"
                           "<vendor name='A' string='AcmeAcmeAcme'/></cpus>" },
          "vendor A is defined twice" },
        { { "features.xml", "<cpus><feature name='a'/></cpus>" }, "feature a has no bits" },
        { { "features.xml",
            "<cpus><feature name='a'><cpuid eax_in='1' edx='0'/></feature></cpus>" },
          "feature a has no bits" },
        { { "features.xml",
            "<cpus><feature name='a'><cpuid eax_in='1' edx='0x1ffffffff'/></feature></cpus>" },
          "edx='0x1ffffffff' of <cpuid> is not a number of 32 bits" },
        { { "features.xml",
            "<cpus><feature name='a'><cpuid eax_in='-1' edx='1'/></feature></cpus>" },
          "eax_in='-1' of <cpuid> is not a number of 32 bits" },
        { { "index.xml", WITH("<feature name='fpu'><cpuid eax_in='1' edx='1'/></feature>") },
          "feature fpu is defined twice" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s: %s", cases[i].change.name, cases[i].change.text);
        g_assert_null(conf_cpu_map_new(read_file, (gpointer)&cases[i].change, &error));
        g_assert_nonnull(error);
        if (!strstr(error->message, cases[i].message))
            g_error("'%s' is not in '%s'", cases[i].message, error->message);
    }
}

/* A map that would take more than any has. */
static void
refuse_many(const char *unit, guint n, const char *message)
{
    g_autoptr(GString) text = g_string_new("<cpus>");
    g_autoptr(GError) error = NULL;
    Change change = { "new.xml" };

    for (guint i = 0; i < n; i++) {
        g_auto(GStrv) parts = g_strsplit(unit, "#", -1);
        g_autofree char *number = g_strdup_printf("%u", i);
        g_autofree char *one = g_strjoinv(number, parts);

        g_string_append(text, one);
    }
    g_string_append(text, "</cpus>");
    change.text = text->str;
    g_assert_null(conf_cpu_map_new(read_file, &change, &error));
    g_assert_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_MAP);
    if (!strstr(error->message, message))
        g_error("'%s' is not in '%s'", message, error->message);
}

static void
test_limits(void)
{
    refuse_many("<feature name='x#'><cpuid eax_in='#' ecx='1'/></feature>", CPU_MAX_WORDS + 1,
                "features of more than 128 words");
    refuse_many("<feature name='x#'><cpuid eax_in='1' ecx='#1'/></feature>", CPU_MAX_FEATURES + 1,
                "more than 4096 features");
    refuse_many("<model name='x#'/>", CPU_MAX_MODELS + 1, "more than 1024 models");
    refuse_many("<vendor name='x#' string='123456789012'/>", CPU_MAX_VENDORS + 1,
                "more than 64 vendors");
}

/* ---- a host's leaves ---- */

#define ACME                                                                                       \
    {                                                                                              \
        0, 0, 0, .ebx = 0x656d6341, .ecx = 0x656d6341, .edx = 0x656d6341                           \
    }
#define INTEL                                                                                      \
    {                                                                                              \
        0, 0, 0, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69                           \
    }
#define LEAF1(signature, c, d)                                                                     \
    {                                                                                              \
        0, 1, 0, .eax = (signature), .ecx = (c), .edx = (d)                                        \
    }
#define LEAF7(b)                                                                                   \
    {                                                                                              \
        0, 7, 0, .ebx = (b)                                                                        \
    }
#define P(a)                                                                                       \
    {                                                                                              \
        0, 7, 1, .eax = (a)                                                                        \
    }
#define SAFE                                                                                       \
    {                                                                                              \
        TRUE, 0x10a, 0, .eax = 1                                                                   \
    }

static char *
describe(const ConfCpuSpec *spec)
{
    GString *text = g_string_new(spec->model ? spec->model : "-");

    g_string_append_printf(text, "/%s", spec->vendor ? spec->vendor : "-");
    for (guint i = 0; i < spec->wishes->len; i++)
        g_string_append_printf(text, " %s", ((ConfCpuWish *)spec->wishes->pdata[i])->feature);
    return g_string_free(text, FALSE);
}

static void
test_decode(void)
{
    static const struct {
        ConfCpuLeaf leaves[6];
        const char *expected;
    } cases[] = {
        { { { 0 } }, "-/-" },
        { { ACME }, "-/Acme" },
        { { ACME, LEAF1(0, 0, 1) }, "-/Acme fpu" },
        { { ACME, LEAF1(0, 0, 3) }, "Base/Acme" },
        { { ACME, LEAF1(0, 0x22, 3) }, "Quick/Acme vmx" },
        /* bits that nobody has a name for */
        { { ACME, LEAF1(0, 0xff22, 0xff03) }, "Quick/Acme vmx" },
        { { LEAF1(0, 0x22, 3) }, "Quick/- vmx" },
        { { ACME, LEAF1(0, 2, 3), SAFE }, "QuickSafe/Acme" },
        { { ACME, LEAF1(0, 2, 3), LEAF7(1), P(3) }, "Quicker/Acme" },
        /* what a model lost it may have */
        { { ACME, LEAF1(0, 0x22, 3), LEAF7(1), P(3) }, "Quicker/Acme vmx" },
        /* not all of Quicker; Hidden is no host's */
        { { ACME, LEAF1(0, 2, 3), LEAF7(1), P(1) }, "Quick/Acme avx p1" },
        /* another maker's */
        { { ACME, LEAF1(0, 0, 3), P(4) }, "Base/Acme p3" },
        { { LEAF1(0, 0, 3), P(4) }, "Foreign/-" },
        /* a signature goes before the number of features, and has steppings */
        { { ACME, LEAF1(0x106a0, 2, 3), LEAF7(1), P(3) }, "Quick/Acme avx p1 p2" },
        { { ACME, LEAF1(0x106a0, 2, 3), SAFE }, "QuickSafe/Acme" },
        { { ACME, LEAF1(0x206a4, 2, 3), LEAF7(1), P(3), SAFE }, "Quicker/Acme safe" },
        { { ACME, LEAF1(0x206a9, 2, 3), LEAF7(1), P(3), SAFE }, "Quicker/Acme safe" },
        { { ACME, LEAF1(0x206a4, 2, 3), SAFE }, "QuickSafe/Acme" },
        /* of features with the same bits the first */
        { { ACME, LEAF1(0, 0, 3), { 0, 9, 0, .eax = 3 } }, "Base/Acme both" },
        { { ACME, LEAF1(0, 0, 3), { 0, 9, 0, .eax = 1 } }, "Base/Acme half" },
        /* Haswell's transactions: another maker's, another model's, another stepping's work */
        { { INTEL, LEAF1(0x306c3, 0, 3), LEAF7(0x811) }, "Base/Intel avx" },
        { { INTEL, LEAF1(0x306f2, 0, 3), LEAF7(0x811) }, "Base/Intel avx" },
        { { INTEL, LEAF1(0x306f4, 0, 3), LEAF7(0x811) }, "Base/Intel avx hle rtm" },
        { { INTEL, LEAF1(0x306d4, 0, 3), LEAF7(0x811) }, "Base/Intel avx hle rtm" },
        { { ACME, LEAF1(0x306c3, 0, 3), LEAF7(0x811) }, "Base/Acme avx hle rtm" },
    };
    g_autoptr(ConfCpuMap) map = map_new();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfCpuSpec)
            spec = conf_cpu_decode(map, "x86_64", cases[i].leaves, G_N_ELEMENTS(cases[i].leaves));
        g_autofree char *got = describe(spec);

        g_assert_cmpstr(got, ==, cases[i].expected);
        g_assert_true(spec->host);
        g_assert_cmpstr(spec->arch, ==, "x86_64");
    }
}

static void
test_signature(void)
{
    static const struct {
        guint32 eax;
        gboolean is_signed;
        guint family, number, stepping;
    } cases[] = {
        { 0, FALSE, 0, 0, 0 },
        { 0x00000543, TRUE, 5, 4, 3 },
        { 0x000f0543, TRUE, 5, 4, 3 }, /* only families 6 and 15 have more of a model */
        { 0x00050654, TRUE, 6, 85, 4 },
        { 0x00a00f11, TRUE, 25, 1, 1 },
        { 0x0ff50fff, TRUE, 270, 95, 15 },
    };
    g_autoptr(ConfCpuMap) map = map_new();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ConfCpuLeaf leaf = LEAF1(cases[i].eax, 0, 3);
        g_autoptr(ConfCpuSpec) spec = conf_cpu_decode(map, "x86_64", &leaf, 1);

        g_assert_cmpint(spec->is_signed, ==, cases[i].is_signed);
        g_assert_cmpuint(spec->family, ==, cases[i].family);
        g_assert_cmpuint(spec->number, ==, cases[i].number);
        g_assert_cmpuint(spec->stepping, ==, cases[i].stepping);
    }
}

/* ---- <cpu> ---- */

#define GUEST(content) "<cpu>" content "</cpu>"
#define HOST(content)  "<cpu><arch>x86_64</arch>" content "</cpu>"
#define MODEL(name)    "<model>" #name "</model>"
#define VENDOR(name)   "<vendor>" #name "</vendor>"
#define HAS(name)      "<feature name='" #name "'/>"
#define POLICY(p, n)   "<feature policy='" #p "' name='" #n "'/>"

static void
test_refused(void)
{
    static const struct {
        gboolean must_host;
        const char *xml;
        GQuark (*domain)(void);
        int code;
        const char *message;
    } cases[] = {
#define SYNTAX(xml, message) { FALSE, xml, conf_error_quark, CONF_ERROR_SYNTAX, message }
#define BAD(code, xml, message)                                                                    \
    {                                                                                              \
        FALSE, xml, conf_cpu_error_quark, CONF_CPU_ERROR_##code, message                           \
    }
#define NOHOST(code, xml, message)                                                                 \
    {                                                                                              \
        TRUE, xml, conf_cpu_error_quark, CONF_CPU_ERROR_##code, message                            \
    }
        SYNTAX("", NULL),
        SYNTAX("<cpu", NULL),
        BAD(XML, "<domain/>", "XML does not contain expected 'cpu' element"),
        BAD(XML, "<domain>" GUEST(MODEL(Base)) "</domain>",
            "XML does not contain expected 'cpu' element"),
        BAD(XML, "<cpu xmlns='urn:x'/>", "XML does not contain expected 'cpu' element"),
        BAD(XML, HOST(""), "Missing CPU model name"),
        BAD(XML, HOST("<model/>"), "Missing CPU model name"),
        BAD(XML, GUEST("<arch/>" MODEL(Base)), "Missing CPU architecture"),
        BAD(VALUE, GUEST("<arch>pdp</arch>"), "Unknown architecture pdp"),
        BAD(VALUE, "<cpu mode='x'/>", "Invalid mode attribute 'x'"),
        BAD(VALUE, "<cpu mode='custom host-model'/>", "Invalid mode attribute 'custom host-model'"),
        BAD(VALUE, "<cpu mode='custom'><arch>x86_64</arch></cpu>",
            "Attribute mode is only allowed for guest CPU"),
        BAD(XML, "<cpu match='x'/>", "Invalid value for attribute 'match' in element 'cpu': 'x'."),
        BAD(XML, "<cpu check='x'/>", "Invalid value for attribute 'check' in element 'cpu': 'x'."),
        BAD(XML, "<cpu match='exact'><arch>x86_64</arch>" MODEL(Base) "</cpu>",
            "'arch' element cannot be used inside 'cpu' element with 'match' attribute"),
        BAD(VALUE, GUEST("<model fallback='x'>Base</model>"), "Invalid fallback attribute"),
        BAD(XML, GUEST("<model vendor_id='x'>Base</model>"),
            "vendor_id must be exactly 12 characters long"),
        BAD(XML, GUEST(VENDOR(Acme)), "CPU vendor specified without CPU model"),
        BAD(XML, GUEST("<topology/>"),
            "Missing required attribute 'sockets' in element 'topology'"),
        BAD(XML, GUEST("<topology sockets='1' cores='0' threads='1'/>"),
            "Invalid value for attribute 'cores' in element 'topology': '0'. "
            "Expected positive integer value"),
        BAD(XML, GUEST(POLICY(require, aes)), "Non-empty feature list specified without CPU model"),
        BAD(XML, "<cpu mode='custom'>" POLICY(require, aes) "</cpu>",
            "Non-empty feature list specified without CPU model"),
        BAD(XML, GUEST(MODEL(Base) "<feature/>"), "Invalid CPU feature name"),
        BAD(XML, GUEST(MODEL(Base) "<feature name=''/>"), "Invalid CPU feature name"),
        BAD(VALUE, GUEST(MODEL(Base) POLICY(x, aes)), "Invalid CPU feature policy"),
        BAD(XML, GUEST(MODEL(Base) HAS(aes) HAS(aes)),
            "CPU feature 'aes' specified more than once"),
        NOHOST(XML, GUEST(MODEL(Base)), "Missing CPU architecture"),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", cases[i].xml);
        g_assert_null(conf_cpu_spec_parse(cases[i].xml, cases[i].must_host, &error));
        g_assert_error(error, cases[i].domain(), cases[i].code);
        if (cases[i].message)
            g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static ConfCpuSpec *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    ConfCpuSpec *spec = conf_cpu_spec_parse(xml, FALSE, &error);

    g_assert_no_error(error);
    return spec;
}

/* A host's policies are not looked at. */
static void
test_parsed(void)
{
    g_autoptr(ConfCpuSpec) host = parse(HOST(MODEL(Base) VENDOR(Acme) POLICY(forbid, aes)));
    g_autoptr(ConfCpuSpec)
        guest = parse("<cpu match='strict'>" MODEL(Base) POLICY(forbid, aes) HAS(vmx) "</cpu>");

    g_assert_true(host->host);
    g_assert_cmpstr(host->vendor, ==, "Acme");
    g_assert_cmpint(cpu_spec_find(host, "aes")->policy, ==, CONF_CPU_REQUIRE);
    g_assert_false(guest->host);
    g_assert_true(guest->strict);
    g_assert_cmpint(cpu_spec_find(guest, "aes")->policy, ==, CONF_CPU_FORBID);
    g_assert_cmpint(cpu_spec_find(guest, "vmx")->policy, ==, CONF_CPU_REQUIRE);
    g_assert_null(cpu_spec_find(guest, "avx"));
}

/* ---- comparing ---- */

static void
test_compare(void)
{
    static const struct {
        const char *xml;
        ConfCpuCompare expected;
        const char *why;
    } cases[] = {
#define IS(xml) { xml, CONF_CPU_COMPARE_IDENTICAL, NULL }
#define MORE(xml)                                                                                  \
    {                                                                                              \
        xml, CONF_CPU_COMPARE_SUPERSET, NULL                                                       \
    }
#define NOT(xml, why)                                                                              \
    {                                                                                              \
        xml, CONF_CPU_COMPARE_INCOMPATIBLE, why                                                    \
    }
#define FAIL(xml, why)                                                                             \
    {                                                                                              \
        xml, CONF_CPU_COMPARE_ERROR, why                                                           \
    }
#define LACKS "Host CPU does not provide required features: "
        IS(HOST(MODEL(Quick) VENDOR(Acme) HAS(vmx))),
        IS(HOST(MODEL(Quick) HAS(vmx))),
        IS(HOST(MODEL(Base) HAS(aes) HAS(vmx))),
        IS("<cpu><arch>i686</arch>" MODEL(Quick) HAS(vmx) "</cpu>"),
        IS(GUEST(MODEL(Quick) POLICY(require, vmx))),
        IS(GUEST(MODEL(Quick) HAS(vmx))),
        MORE(HOST(MODEL(Quick))),
        MORE(GUEST(MODEL(Base))),
        MORE("<cpu/>"),
        MORE("<cpu mode='host-passthrough'/>"),
        NOT(HOST(MODEL(QuickSafe)), LACKS "safe"),
        NOT(GUEST(MODEL(Quicker)), LACKS "avx, p1, p2"),
        NOT("<cpu mode='host-model'>" POLICY(require, avx) "</cpu>", LACKS "avx"),
        NOT("<cpu><arch>aarch64</arch><model>x</model></cpu>",
            "CPU arch aarch64 does not match host arch"),
        NOT(GUEST(MODEL(Base) VENDOR(Other)),
            "host CPU vendor does not match required CPU vendor Other"),
        /* policies: of a feature that the host has and the model has not */
        MORE(GUEST(MODEL(Base) POLICY(force, aes))),
        MORE(GUEST(MODEL(Base) POLICY(require, aes))),
        MORE(GUEST(MODEL(Base) POLICY(optional, aes))),
        MORE(GUEST(MODEL(Base) POLICY(disable, aes))),
        NOT(GUEST(MODEL(Base) POLICY(forbid, aes)), "Host CPU provides forbidden features: aes"),
        /* that neither has */
        MORE(GUEST(MODEL(Base) POLICY(force, avx))),
        NOT(GUEST(MODEL(Base) POLICY(require, avx)), LACKS "avx"),
        MORE(GUEST(MODEL(Base) POLICY(optional, avx))),
        MORE(GUEST(MODEL(Base) POLICY(forbid, avx))),
        /* that the model has and the host has not */
        MORE(GUEST(MODEL(QuickSafe) POLICY(force, safe))),
        MORE(GUEST(MODEL(QuickSafe) POLICY(optional, safe))),
        MORE(GUEST(MODEL(QuickSafe) POLICY(disable, safe))),
        NOT(GUEST(MODEL(QuickSafe) POLICY(forbid, safe)), LACKS "safe"),
        /* the rest counts as had */
        IS(GUEST(MODEL(Quick) POLICY(optional, vmx))),
        IS(GUEST(MODEL(Quick) POLICY(disable, vmx))),
        MORE("<cpu match='minimum'>" MODEL(Quick) "</cpu>"),
        MORE("<cpu match='exact'>" MODEL(Quick) "</cpu>"),
        NOT("<cpu match='strict'>" MODEL(Quick) "</cpu>",
            "Host CPU does not strictly match guest CPU: Extra features: vmx"),
        IS("<cpu match='strict'>" MODEL(Quick) POLICY(optional, vmx) "</cpu>"),
        FAIL(GUEST(MODEL(Nope)), "Unknown CPU model Nope"),
        FAIL(GUEST(MODEL(Base) POLICY(disable, nope)), "Unknown CPU feature nope"),
        FAIL(HOST(MODEL(Base) HAS(nope)), "Unknown CPU feature nope"),
    };
    g_autoptr(ConfCpuMap) map = map_new();
    g_autoptr(ConfCpuSpec) host = parse(HOST(MODEL(Quick) VENDOR(Acme) HAS(vmx)));

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfCpuSpec) cpu = parse(cases[i].xml);
        g_autoptr(GError) error = NULL;
        g_autofree char *why = NULL;
        ConfCpuCompare got = conf_cpu_compare(map, host, cpu, &why, &error);

        g_test_message("%s", cases[i].xml);
        if (got != cases[i].expected)
            g_error("%s: %d, %s", cases[i].xml, got, error ? error->message : why);
        g_assert_true((got == CONF_CPU_COMPARE_ERROR) == (error != NULL));
        g_assert_cmpstr(error ? error->message : why, ==, cases[i].why);
        g_assert_cmpint(conf_cpu_compare(map, host, cpu, NULL, NULL), ==, got);
    }
}

/* ---- what several have in common ---- */

#define RESULT(fallback, content)                                                                  \
    "<cpu mode='custom' match='exact'>\n  <model fallback='" #fallback "'>" content "</cpu>\n"
#define NAMED(name)   #name "</model>\n"
#define BY(name)      "  <vendor>" #name "</vendor>\n"
#define WISH(p, name) "  <feature policy='" #p "' name='" #name "'/>\n"

static void
test_baseline(void)
{
    static const struct {
        const char *xmls[4];
        unsigned flags;
        const char *expected; /* a document, or a message */
    } cases[] = {
        { { NULL }, 0, "no CPUs given" },
        { { "<cpu/>" }, 0, "no CPU model specified at index 0" },
        { { HOST(MODEL(Base)), "<cpu mode='host-model'/>" },
          0,
          "no CPU model specified at index 1" },
        { { "<cpu><arch>mips</arch>" MODEL(Base) "</cpu>" },
          0,
          "'mips' architecture is not supported by CPU driver" },
        { { HOST(MODEL(Nope)) }, 0, "Unknown CPU model Nope" },
        { { HOST(MODEL(Base) HAS(nope)) }, 0, "Unknown CPU feature nope" },
        { { HOST(MODEL(Base) VENDOR(Nope)) }, 0, "Unknown CPU vendor Nope" },
        { { HOST(MODEL(Base)) }, 0, RESULT(forbid, NAMED(Base)) },
        { { HOST(MODEL(Quick) VENDOR(Acme) HAS(vmx)) },
          0,
          RESULT(forbid, NAMED(Quick) BY(Acme) WISH(require, vmx)) },
        /* the first one is believed, as libvirt does */
        { { HOST(MODEL(Quick) VENDOR(Other)) },
          0,
          RESULT(allow, NAMED(Base) BY(Other) WISH(require, aes)) },
        { { HOST(MODEL(Base)), HOST(MODEL(Quick) VENDOR(Other)) },
          0,
          "CPU vendor Acme of model Quick differs from vendor Other" },
        { { HOST(MODEL(Base) VENDOR(Acme)), HOST(MODEL(Base) VENDOR(Other)) },
          0,
          "CPU vendors do not match" },
        { { HOST(MODEL(Quick)), HOST(MODEL(Quicker)) }, 0, RESULT(allow, NAMED(Quick)) },
        { { HOST(MODEL(Quick) VENDOR(Acme)), HOST(MODEL(Quicker) VENDOR(Acme)) },
          0,
          RESULT(allow, NAMED(Quick) BY(Acme)) },
        { { HOST(MODEL(Quick) VENDOR(Acme)), HOST(MODEL(Quick) VENDOR(Acme) HAS(avx)) },
          0,
          RESULT(forbid, NAMED(Quick) BY(Acme)) },
        { { HOST(MODEL(Quicker)), HOST(MODEL(Foreign)) }, 0, RESULT(allow, NAMED(Base)) },
        { { HOST(MODEL(Hidden)) }, 0, RESULT(allow, NAMED(Base) WISH(require, avx)) },
        /* holes: Quicker without p1 and p2 is Quick with avx */
        { { HOST(MODEL(Hidden) HAS(aes)) }, 0, RESULT(allow, NAMED(Quick) WISH(require, avx)) },
        { { HOST(MODEL(Quicker)), HOST(MODEL(Quicker) HAS(vmx)) },
          0,
          RESULT(forbid, NAMED(Quicker) WISH(disable, vmx)) },
        { { HOST(MODEL(Quicker) HAS(vmx)) }, 0, RESULT(forbid, NAMED(Quicker) WISH(require, vmx)) },
        { { HOST(MODEL(Base) HAS(clock) HAS(aes)) },
          CONF_CPU_BASELINE_MIGRATABLE,
          RESULT(forbid, NAMED(Base) WISH(require, aes)) },
        { { HOST(MODEL(Base) HAS(clock) HAS(aes)) },
          CONF_CPU_BASELINE_EXPAND,
          RESULT(forbid, NAMED(Base) WISH(require, aes) WISH(require, clock) WISH(require, fpu)
                             WISH(require, sse)) },
        { { HOST(MODEL(Base) HAS(clock)) },
          CONF_CPU_BASELINE_EXPAND | CONF_CPU_BASELINE_MIGRATABLE,
          RESULT(forbid, NAMED(Base) WISH(require, fpu) WISH(require, sse)) },
        { { HOST(MODEL(Quick)), HOST(MODEL(Quicker)) },
          CONF_CPU_BASELINE_FORBID,
          RESULT(forbid, NAMED(Quick)) },
        { { GUEST(MODEL(Quick) POLICY(disable, aes) POLICY(force, vmx) POLICY(optional, avx)) },
          0,
          RESULT(forbid, NAMED(Quick) WISH(require, vmx) WISH(disable, aes)) },
        { { HOST(MODEL(Base)), GUEST(MODEL(Base) POLICY(forbid, fpu) POLICY(disable, sse)) },
          0,
          "CPUs are incompatible" },
    };
    g_autoptr(ConfCpuMap) map = map_new();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray)
            cpus = g_ptr_array_new_with_free_func((GDestroyNotify)conf_cpu_spec_free);
        g_autoptr(GError) error = NULL;
        g_autofree char *got = NULL;

        for (guint j = 0; cases[i].xmls[j]; j++)
            g_ptr_array_add(cpus, parse(cases[i].xmls[j]));
        got = conf_cpu_baseline(map, cpus, NULL, cases[i].flags, &error);
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_true(!got == !!error);
        g_assert_cmpstr(got ? got : error->message, ==, cases[i].expected);
    }
}

/* A limit takes away; its vendor does not count. */
static void
test_limit(void)
{
    static const struct {
        const char *xmls[3];
        const char *expected;
    } cases[] = {
        { { HOST(MODEL(Quicker)), HOST(MODEL(QuickSafe) HAS(avx)) }, RESULT(allow, NAMED(Quick)) },
        /* one model keeps its name, as with libvirt */
        { { HOST(MODEL(Quicker)) },
          RESULT(forbid, NAMED(Quicker) WISH(disable, avx) WISH(disable, p2) WISH(disable, vmx)) },
        { { HOST(MODEL(Base) HAS(vmx)) }, RESULT(forbid, NAMED(Base)) },
    };
    g_autoptr(ConfCpuMap) map = map_new();
    g_autoptr(ConfCpuSpec) limit = parse(HOST(MODEL(Quick) VENDOR(Other) HAS(p1)));

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray)
            cpus = g_ptr_array_new_with_free_func((GDestroyNotify)conf_cpu_spec_free);
        g_autoptr(GError) error = NULL;
        g_autofree char *got = NULL;

        for (guint j = 0; cases[i].xmls[j]; j++)
            g_ptr_array_add(cpus, parse(cases[i].xmls[j]));
        got = conf_cpu_baseline(map, cpus, limit, 0, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(got, ==, cases[i].expected);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/cpu/models", test_models);
    g_test_add_func("/conf/cpu/archs", test_archs);
    g_test_add_func("/conf/cpu/broken", test_broken);
    g_test_add_func("/conf/cpu/limits", test_limits);
    g_test_add_func("/conf/cpu/decode", test_decode);
    g_test_add_func("/conf/cpu/signature", test_signature);
    g_test_add_func("/conf/cpu/refused", test_refused);
    g_test_add_func("/conf/cpu/parsed", test_parsed);
    g_test_add_func("/conf/cpu/compare", test_compare);
    g_test_add_func("/conf/cpu/baseline", test_baseline);
    g_test_add_func("/conf/cpu/limit", test_limit);
    return g_test_run();
}
