/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domXML both ways. Cases are files in tests/golden/domxml:
 *   NAME.xml            the input, and the output with secrets where there is no
 *   NAME.out.xml        output
 *   NAME.inactive.xml   output with CONF_XML_INACTIVE, without secrets (if it is there)
 *   NAME.defaults.xml   output after conf_domain_fill_defaults() (if it is there)
 * HV_TEST_REGENERATE=1 rewrites the outputs that exist.
 */
#include <conf/conf.h>

#include <libxml/relaxng.h>
#include <string.h>
#include <time.h>

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"

static char *folder;
static xmlRelaxNG *schema; /* NULL: libvirt's schemas are not installed */

static char *
read_file(const char *name, const char *suffix)
{
    g_autofree char *path = g_strconcat(folder, "/", name, suffix, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static ConfDomain *
parse(const char *text, unsigned flags)
{
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(text, -1, "(domain_definition)", flags, &error);

    g_assert_no_error(error);
    return def;
}

/* ---- golden files ---- */

static void
assert_valid(const char *name, const char *text)
{
    xmlRelaxNGValidCtxt *ctxt;
    xmlDoc *doc;

    if (!schema)
        return;
    doc = xmlReadMemory(text, strlen(text), name, NULL, XML_PARSE_NONET);
    g_assert_nonnull(doc);
    ctxt = xmlRelaxNGNewValidCtxt(schema);
    if (xmlRelaxNGValidateDoc(ctxt, doc) != 0)
        g_error("%s does not validate:\n%s", name, text);
    xmlRelaxNGFreeValidCtxt(ctxt);
    xmlFreeDoc(doc);
}

static void
assert_golden(const char *name, const char *suffix, const char *text)
{
    g_autofree char *expected = read_file(name, suffix);
    g_autofree char *path = g_strconcat(folder, "/", name, suffix, NULL);

    if (strcmp(suffix, ".xml") && g_strcmp0(g_getenv("HV_TEST_REGENERATE"), "1") == 0) {
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        return;
    }
    g_assert_cmpstr(text, ==, expected);
}

/* What comes out must come out again. */
static void
assert_fixed_point(const char *text, unsigned flags)
{
    g_autoptr(ConfDomain) def = parse(text, CONF_XML_NO_UUID_OK);
    g_autoptr(ConfDomain) copy = conf_domain_copy(def);
    g_autofree char *again = conf_domain_format_xml(def, flags);
    g_autofree char *of_copy = conf_domain_format_xml(copy, flags);

    g_assert_cmpstr(again, ==, text);
    g_assert_cmpstr(of_copy, ==, text);
}

static void
check_defaults(const char *name, ConfDomain *def)
{
    g_autofree char *expected = read_file(name, ".defaults.xml");
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;

    conf_domain_fill_defaults(def);
    once = conf_domain_format_xml(def, CONF_XML_SECURE);
    conf_domain_fill_defaults(def);
    twice = conf_domain_format_xml(def, CONF_XML_SECURE);
    g_assert_cmpstr(twice, ==, once);
    assert_valid(name, once);
    assert_fixed_point(once, CONF_XML_SECURE);
    if (expected)
        assert_golden(name, ".defaults.xml", once);
}

static void
check_inactive(const char *name, const ConfDomain *def, const char *input)
{
    g_autofree char *expected = read_file(name, ".inactive.xml");
    g_autofree char *text = conf_domain_format_xml(def, CONF_XML_INACTIVE);
    g_autoptr(ConfDomain) parsed = parse(input, CONF_XML_NO_UUID_OK | CONF_XML_INACTIVE);
    g_autofree char *of_parsed = conf_domain_format_xml(parsed, 0);

    assert_valid(name, text);
    assert_fixed_point(text, CONF_XML_INACTIVE);
    /* What the formatter leaves out, the parser leaves out as well. */
    g_assert_cmpstr(of_parsed, ==, text);
    if (expected)
        assert_golden(name, ".inactive.xml", text);
}

static void
test_golden(gconstpointer data)
{
    const char *name = data;
    g_autofree char *input = read_file(name, ".xml");
    g_autofree char *other = read_file(name, ".out.xml");
    g_autoptr(ConfDomain) def = parse(input, CONF_XML_NO_UUID_OK);
    g_autofree char *text = conf_domain_format_xml(def, CONF_XML_SECURE);

    assert_golden(name, other ? ".out.xml" : ".xml", text);
    assert_valid(name, text);
    assert_fixed_point(text, CONF_XML_SECURE);
    check_inactive(name, def, input);
    check_defaults(name, def);
}

static void
test_schema_there(void)
{
    if (!schema)
        g_test_skip("libvirt's RelaxNG schemas are not installed: nothing was validated");
}

static void
add_golden_cases(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    unsigned count = 0;
    const char *file;

    g_assert_nonnull(dir);
    while ((file = g_dir_read_name(dir))) {
        g_autofree char *path = NULL;
        char *name;

        if (!g_str_has_suffix(file, ".xml") || strchr(file, '.') != strrchr(file, '.'))
            continue;
        name = g_strndup(file, strlen(file) - strlen(".xml"));
        path = g_strconcat("/conf/domxml/golden/", name, NULL);
        g_test_add_data_func_full(path, name, test_golden, g_free);
        count++;
    }
    g_assert_cmpuint(count, >=, 15);
}

/* ---- errors ---- */

#define HEAD "<domain type='xen'>\n<name>a</name>\n<memory>1</memory>\n"
#define OS   "<os><type>linux</type></os>\n"
#define BAD(code_, message_, text_)                                                                \
    {                                                                                              \
        .code = CONF_ERROR_##code_, .message = message_, .text = text_                             \
    }

static const struct {
    ConfError code;
    const char *message;
    const char *text;
} errors[] = {
    BAD(SYNTAX, "x:1:1: Document is empty", ""),
    BAD(SYNTAX, "x:1:1: Start tag expected, '<' not found", "hello"),
    BAD(SYNTAX, "x:2:14: Opening and ending tag mismatch: name line 2 and nam",
        "<domain type='xen'>\n<name>a</nam>\n</domain>"),
    BAD(SYNTAX, "x:1:18: a document type declaration is not allowed",
        "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>"),
    BAD(SYNTAX, "x:1:31: Entity 'foo' not defined",
        "<domain type='xen'><name>&foo;</name></domain>"),
    BAD(INVALID, "x:1:1: expecting root element of 'domain', not 'network'", "<network/>"),
    BAD(INVALID, "x:1:1: missing domain type attribute", "<domain/>"),
    BAD(INVALID, "x:1:1: missing name information", "<domain type='xen'/>"),
    BAD(INVALID, "x:1:20: missing name information: the name is empty",
        "<domain type='xen'><name/><memory>1</memory></domain>"),
    BAD(INVALID, "x:2:1: name a/b cannot contain '/'",
        "<domain type='xen'>\n<name>a/b</name><memory>1</memory></domain>"),
    BAD(INVALID, "x:2:1: name '..' cannot name a file",
        "<domain type='xen'>\n<name>..</name><memory>1</memory></domain>"),
    BAD(INVALID, "x:1:1: Memory size must be specified via <memory>",
        "<domain type='xen'><name>a</name></domain>"),
    BAD(INVALID, "x:2:1: memory must be greater than 0",
        "<domain type='xen'><name>a</name>\n<memory>0</memory></domain>"),
    BAD(INVALID,
        "x:2:1: Invalid value for element 'memory': 'lots'. Expected non-negative "
        "integer value",
        "<domain type='xen'><name>a</name>\n<memory>lots</memory></domain>"),
    BAD(INVALID,
        "x:2:1: unknown unit 'Kibble' of element 'memory'; known are b, KB, KiB, MB, MiB, "
        "GB, GiB and so on",
        "<domain type='xen'><name>a</name>\n<memory unit='Kibble'>1</memory></domain>"),
    BAD(INVALID, "x:2:1: value of element 'memory' is too large",
        "<domain type='xen'><name>a</name>\n<memory unit='EiB'>16</memory></domain>"),
    BAD(INVALID, "x:4:1: malformed uuid element '123'", HEAD "<uuid>123</uuid>" OS "</domain>"),
    BAD(INVALID, "x:1:1: an os <type> must be specified", HEAD "</domain>"),
    BAD(INVALID, "x:4:5: unknown OS type 'msdos'", HEAD "<os><type>msdos</type></os></domain>"),
    BAD(INVALID, "x:4:5: unknown architecture 'z80'",
        HEAD "<os><type arch='z80'>hvm</type></os></domain>"),
    BAD(INVALID, "x:4:28: unknown boot device 'tape'",
        HEAD "<os> <type>hvm</type>      <boot dev='tape'/></os></domain>"),
    BAD(INVALID, "x:5:1: invalid maxvcpus 0", HEAD OS "<vcpu>0</vcpu></domain>"),
    BAD(INVALID, "x:5:1: maxvcpus 4000000000 is more than 65536",
        HEAD OS "<vcpu>4000000000</vcpu></domain>"),
    BAD(INVALID, "x:5:1: maxvcpus must not be less than current vcpus (1 < 2)",
        HEAD OS "<vcpu current='2'>1</vcpu></domain>"),
    BAD(INVALID,
        "x:5:1: Invalid value for attribute 'cpuset' in element 'vcpu': 'none'. Expected "
        "a list of numbers such as 0-3,^2,7",
        HEAD OS "<vcpu cpuset='none'>1</vcpu></domain>"),
    BAD(INVALID, "x:6:1: element 'vcpu' stands more than once in element 'domain'",
        HEAD OS "<vcpu>1</vcpu>\n<vcpu>2</vcpu></domain>"),
    BAD(INVALID, "x:6:1: element 'devices' stands more than once in element 'domain'",
        HEAD OS "<devices/>\n<devices/></domain>"),
    BAD(INVALID, "x:5:1: unknown crash action 'explode'",
        HEAD OS "<on_crash>explode</on_crash></domain>"),
    BAD(INVALID, "x:5:10: unknown disk type 'tape'",
        HEAD OS "<devices><disk type='tape'/></devices></domain>"),
    BAD(INVALID, "x:5:10: missing target information for device '/a'",
        HEAD OS "<devices><disk type='file'><source file='/a'/></disk></devices></domain>"),
    BAD(INVALID, "x:6:1: target 'xvda' duplicated for disk",
        HEAD OS "<devices><disk><target dev='xvda'/></disk><interface type='user'/>\n"
                "<disk><target dev='xvda'/></disk></devices></domain>"),
    BAD(INVALID, "x:5:10: Missing required attribute 'type' in element 'interface'",
        HEAD OS "<devices><interface/></devices></domain>"),
    BAD(INVALID, "x:5:33: unable to parse mac address 'zz'",
        HEAD OS
        "<devices><interface type='user'><mac address='zz'/></interface></devices></domain>"),
    BAD(INVALID,
        "x:5:33: Invalid value for attribute 'size' in element 'mtu': 'big'. Expected "
        "integer value",
        HEAD OS "<devices><interface type='user'><mtu size='big'/></interface></devices></domain>"),
    /* Two tags of a name in one line: the column is not certain, so it is not said. */
    BAD(INVALID, "x:5: target 'a' duplicated for disk",
        HEAD OS "<devices><disk><target dev='a'/></disk><disk><target dev='a'/></disk></devices>"
                "</domain>"),
};

static void
test_errors(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(errors); i++) {
        g_autoptr(GError) error = NULL;
        ConfDomain *def = conf_domain_parse_xml(errors[i].text, -1, "x", CONF_XML_NO_UUID_OK,
                                                &error);

        g_assert_null(def);
        g_assert_error(error, CONF_ERROR, (int)errors[i].code);
        g_assert_cmpstr(error->message, ==, errors[i].message);
    }
}

static void
test_uuid_required(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(conf_domain_parse_xml(HEAD OS "</domain>", -1, "x", 0, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==, "x:1:1: missing uuid element");
}

static void
assert_limit(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(conf_domain_parse_xml(text, -1, "x", CONF_XML_NO_UUID_OK, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, message));
}

static char *
repeat(const char *head, const char *part, unsigned times, const char *tail)
{
    GString *text = g_string_new(head);

    for (unsigned i = 0; i < times; i++)
        g_string_append(text, part);
    return g_string_free(g_string_append(text, tail), FALSE);
}

static void
test_limits(void)
{
    g_autofree char *deep = repeat("<domain type='xen'>", "<a>", 300, "");
    g_autofree char *large = repeat("<domain type='xen'>", " ", CONF_MAX_XML, "</domain>");
    g_autofree char *many = repeat(HEAD OS "<devices>", "<sound model='sb16'/>",
                                   CONF_MAX_DEVICES + 1, "</devices></domain>");

    assert_limit(deep, "elements are nested too deeply, at most 256");
    assert_limit(large, "bytes, at most 4194304 are read");
    assert_limit(many, "more than 4096 elements of the kind of 'sound'");
}

/* Large, unknown and deep, but within the limits: taken, and given back. */
/* libxml2 takes minutes for what is refused here at once. */
static void
test_many_attributes(void)
{
    static const struct {
        const char *head, *before, *behind, *tail;
    } cases[] = {
        { "<domain ", "a", "='1' ", "/>" },
        { "<domain ", "xmlns:a", "='u' ", "/>" },
        { "<!-- <a b='c --><domain><![CDATA[ <a b=' ]]><?p <a b='?><b ", "a", "='1' ",
          "/></domain>" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(cases[i].head);
        g_autoptr(GError) error = NULL;
        clock_t start = clock(); /* of this process: the machine may have others to run */

        for (unsigned k = 0; k < 150000; k++)
            g_string_append_printf(text, "%s%u%s", cases[i].before, k, cases[i].behind);
        g_string_append(text, cases[i].tail);
        g_assert_null(conf_domain_parse_xml(text->str, -1, "x", 0, &error));
        g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
        g_assert_cmpint(clock() - start, <, 10 * CLOCKS_PER_SEC);
    }
}

static void
test_encodings(void)
{
    static const char *const good[] = { "UTF-8", "ISO-8859-15", "us-ascii", "windows-1252" };
    static const char *const bad[] = { "UTF-7", "IBM037", "UTF-16", "EBCDIC-US" };

    for (gsize i = 0; i < G_N_ELEMENTS(good) + G_N_ELEMENTS(bad); i++) {
        bool is_good = i < G_N_ELEMENTS(good);
        g_autofree char *text = g_strdup_printf(
            "<?xml version='1.0' encoding='%s'?><domain type='xen'><name>a</name>"
            "<memory>65536</memory><os><type>linux</type></os></domain>",
            is_good ? good[i] : bad[i - G_N_ELEMENTS(good)]);
        g_autoptr(GError) error = NULL;
        g_autoptr(ConfDomain)
            def = conf_domain_parse_xml(text, -1, "x", CONF_XML_NO_UUID_OK, &error);

        g_assert_true((def != NULL) == is_good);
        if (is_good)
            g_assert_no_error(error);
        else
            g_assert_error(error, CONF_ERROR, CONF_ERROR_SYNTAX);
    }
}

static void
test_much_unknown(void)
{
    g_autofree char *deep = repeat("<z>", "<a>", 200, "");
    g_autofree char *close = repeat("", "</a>", 200, "</z>");
    g_autofree char *many = repeat("", "<b c='d'/>", 20000, "");
    g_autofree char *text = g_strconcat(HEAD OS, deep, close, many, "</domain>", NULL);
    g_autoptr(ConfDomain) def = parse(text, CONF_XML_NO_UUID_OK);
    g_autofree char *out = conf_domain_format_xml(def, 0);

    assert_fixed_point(out, 0);
    g_assert_nonnull(strstr(out, "<b c='d'/>\n  <b c='d'/>\n</domain>"));
}

/* ---- values ---- */

static void
test_memory_units(void)
{
    static const struct {
        const char *text;
        uint64_t kib;
    } units[] = {
        { "<memory>5</memory>", 5 },
        { "<memory unit='b'>1025</memory>", 2 },
        { "<memory unit='bytes'>1024</memory>", 1 },
        { "<memory unit='KB'>1024</memory>", 1000 },
        { "<memory unit='k'>3</memory>", 3 },
        { "<memory unit='KiB'>3</memory>", 3 },
        { "<memory unit='MB'>1</memory>", 977 },
        { "<memory unit='M'>1</memory>", 1024 },
        { "<memory unit='mib'> 2 </memory>", 2048 },
        { "<memory unit='GB'>1</memory>", 976563 },
        { "<memory unit='G'>1</memory>", 1 << 20 },
        { "<memory unit='GiB'>1</memory>", 1 << 20 },
        { "<memory unit='T'>1</memory>", 1 << 30 },
        { "<memory unit='TiB'>1</memory>", 1 << 30 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autofree char *text = g_strconcat("<domain type='xen'><name>a</name>", units[i].text, OS,
                                            "</domain>", NULL);
        g_autoptr(ConfDomain) def = parse(text, CONF_XML_NO_UUID_OK);

        g_assert_cmpuint(def->memory_kib, ==, units[i].kib);
    }
}

static void
test_flags(void)
{
    g_autofree char *text = read_file("running", ".xml");
    g_autoptr(ConfDomain) def = parse(text, 0);
    g_autofree char *plain = conf_domain_format_xml(def, 0);
    g_autofree char *inactive = conf_domain_format_xml(def, CONF_XML_INACTIVE | CONF_XML_SECURE);

    g_assert_cmpint(def->id, ==, 5);
    g_assert_null(strstr(plain, "secret"));
    g_assert_nonnull(strstr(plain, "<domain type='xen' id='5'>"));
    g_assert_nonnull(strstr(plain, "<target dev='vif5.0'/>"));
    g_assert_nonnull(strstr(inactive, "passwd='secret'"));
    g_assert_nonnull(strstr(inactive, "<domain type='xen'>"));
    g_assert_null(strstr(inactive, "vif5.0"));
    g_assert_nonnull(strstr(inactive, "<target dev='chosen'/>"));
    g_assert_nonnull(strstr(inactive, "<alias name='ua-root'/>"));
    g_assert_null(strstr(inactive, "net0"));
    g_assert_null(strstr(inactive, "/dev/pts/3"));
    g_assert_nonnull(strstr(inactive, "port='-1' autoport='yes'"));
    g_assert_nonnull(strstr(inactive, "port='5910'"));
    g_assert_null(strstr(inactive, "label>"));
}

/* What a converter found in an old file may be nothing that XML can carry. */
static void
test_text_that_xml_cannot_carry(void)
{
    g_autoptr(ConfDomain) def = parse(HEAD OS "</domain>", CONF_XML_NO_UUID_OK);
    g_autofree char *text = NULL;

    def->title = g_strdup("a\x01"
                          "b\xff<>&'\"");
    def->os.cmdline = g_strdup("one\ntwo\rthree");
    def->emulator = g_strdup("");
    def->extra = g_strdup("this is no XML");
    def->features.xen_extra = g_strdup("<xen/>");
    text = conf_domain_format_xml(def, 0);
    g_assert_nonnull(strstr(text, "<title>ab\xef\xbf\xbd&lt;&gt;&amp;&apos;&quot;</title>"));
    g_assert_nonnull(strstr(text, "<cmdline>one\ntwo&#13;three</cmdline>"));
    assert_fixed_point(text, 0);
}

/* Declarations stand further out than what uses them, and what stays unknown is taken apart. */
static void
test_namespaces(void)
{
    g_autoptr(ConfDomain) def = parse(
        "<domain type='xen' xmlns:x='urn:x' xmlns:q='urn:q' x:a='1'><name>a</name>"
        "<memory x:b='2'>1</memory>" OS "<cputune x:c='3'><x:d q:e='4'/><f x:g='5'/></cputune>"
        "<u:v w='6'/><devices><x:sound/></devices></domain>",
        CONF_XML_NO_UUID_OK);
    g_autofree char *out = conf_domain_format_xml(def, 0);

    assert_fixed_point(out, 0);
    for (const char *const *part =
             (const char *const[]){ "x:a='1'", "x:b='2'", "x:c='3'", "<x:d q:e='4'", "<f x:g='5'",
                                    "<u:v w='6'/>", "<x:sound", NULL };
         *part; part++)
        g_assert_nonnull(strstr(out, *part));
}

/* Attributes of others in elements of ours, one under the prefix that is usual for Xen's own. */
static void
test_foreign_attributes(void)
{
    static const char text[] =
        "<domain type='xen' xmlns:a='urn:a' xmlns:xen='urn:other' "
        "xmlns:q='http://libvirt.org/schemas/domain/xen/1.0' xen:y='1' plain='2'>"
        "<name>n</name><memory>1024</memory><vcpu>1</vcpu>"
        "<os><type>linux</type><kernel a:k='v&amp;w' xml:lang='de'>/k<b/>tail</kernel></os>"
        "<q:commandline><q:arg value='-x'/></q:commandline></domain>";
    g_autoptr(ConfDomain) def = parse(text, CONF_XML_NO_UUID_OK);
    g_autofree char *out = conf_domain_format_xml(def, 0);
    g_autoptr(ConfDomain) again = parse(out, CONF_XML_NO_UUID_OK);
    g_autofree char *out_again = conf_domain_format_xml(again, 0);

    g_assert_cmpstr(out, ==,
                    "<domain type='xen' xen1:y='1' plain='2' xmlns:a='urn:a' "
                    "xmlns:xen='http://libvirt.org/schemas/domain/xen/1.0' "
                    "xmlns:xen1='urn:other'>\n"
                    "  <name>n</name>\n"
                    "  <memory unit='KiB'>1024</memory>\n"
                    "  <vcpu>1</vcpu>\n"
                    "  <os>\n"
                    "    <type>linux</type>\n"
                    "    <kernel a:k='v&amp;w' xml:lang='de'>/ktail<b/></kernel>\n"
                    "  </os>\n"
                    "  <xen:commandline>\n"
                    "    <xen:arg value='-x'/>\n"
                    "  </xen:commandline>\n"
                    "</domain>\n");
    g_assert_cmpstr(out, ==, out_again);
    g_assert_cmpuint(again->xen_args->len, ==, 1);
}

static void
test_nul_byte(void)
{
    static const char text[] = "<domain type='xen'>\0</domain>";
    g_autoptr(GError) error = NULL;

    g_assert_null(conf_domain_parse_xml(text, sizeof(text) - 1, "x", 0, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_SYNTAX);
}

/* A field that was changed wins over what the rest remembers; the rest keeps the others. */
static void
test_change_beside_rest(void)
{
    g_autofree char *text = read_file("unmodelled", ".xml");
    g_autoptr(ConfDomain) def = parse(text, 0);
    g_autofree char *out = NULL;
    ConfDisk *disk = def->disks->pdata[0];

    g_free(disk->driver_cache);
    disk->driver_cache = g_strdup("writeback");
    g_clear_pointer(&disk->driver_io, g_free);
    g_free(disk->driver_extra);
    disk->driver_extra = g_strdup("<driver cache='unsafe' queues='8'/>");
    out = conf_domain_format_xml(def, 0);
    g_assert_nonnull(strstr(out, "<driver name='qemu' type='qcow2' cache='writeback' "
                                 "error_policy='stop' queues='8'/>"));
}

/* ---- defaults ---- */

static void
test_defaults_addresses(void)
{
    g_autofree char *text = repeat(HEAD OS "<uuid>2d5b6f0e-5a1e-4a4b-9d8d-3b6a5d1d2f12</uuid>"
                                           "<devices>",
                                   "<interface type='user'/>", 3, "</devices></domain>");
    g_autoptr(ConfDomain) one = parse(text, 0);
    g_autoptr(ConfDomain) two = parse(text, 0);

    conf_domain_fill_defaults(one);
    conf_domain_fill_defaults(two);
    for (guint i = 0; i < 3; i++) {
        const ConfInterface *a = one->interfaces->pdata[i];
        const ConfInterface *b = two->interfaces->pdata[i];

        g_assert_true(g_str_has_prefix(a->mac, "00:16:3e:"));
        g_assert_cmpstr(a->mac, ==, b->mac);
        for (guint j = 0; j < i; j++)
            g_assert_cmpstr(a->mac, !=, ((ConfInterface *)one->interfaces->pdata[j])->mac);
    }
    g_assert_cmpuint(one->memory_kib, ==, 1024);
}

static void
test_defaults_console(void)
{
    g_autoptr(ConfDomain) pv = parse(HEAD OS "<genid/></domain>", CONF_XML_NO_UUID_OK);
    g_autoptr(ConfDomain) hvm = parse(
        HEAD "<os><type>hvm</type></os><devices><serial type='pty'><source path='/dev/pts/1'/>"
             "</serial></devices></domain>",
        CONF_XML_NO_UUID_OK);
    g_autoptr(ConfDomain)
        bare = parse(HEAD "<os><type>hvm</type></os></domain>", CONF_XML_NO_UUID_OK);
    const ConfChardev *console;

    conf_domain_fill_defaults(pv);
    conf_domain_fill_defaults(hvm);
    conf_domain_fill_defaults(bare);
    g_assert_true(pv->uuid_set);
    g_assert_true(g_uuid_string_is_valid(pv->genid));
    console = pv->consoles->pdata[0];
    g_assert_cmpstr(console->type, ==, "pty");
    g_assert_cmpstr(console->target_type, ==, "xen");
    console = hvm->consoles->pdata[0];
    g_assert_cmpstr(console->target_type, ==, "serial");
    g_assert_cmpstr(console->source_path, ==, "/dev/pts/1");
    g_assert_cmpuint(bare->consoles->len, ==, 0);
}

/* ---- metadata ---- */

#define URI "http://example.org/app"

static void
test_metadata(void)
{
    g_autoptr(ConfDomain) def = parse(HEAD OS "</domain>", CONF_XML_NO_UUID_OK);
    g_autoptr(GError) error = NULL;
    g_autofree char *one = NULL;
    g_autofree char *two = NULL;
    g_autofree char *text = NULL;

    g_assert_null(conf_domain_metadata_get(def, URI, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_true(conf_domain_metadata_set(def, URI, "app", "<a x='1'><b/>t</a>", NULL));
    g_assert_true(conf_domain_metadata_set(def, "urn:other", "o", "<z/>", NULL));
    g_assert_cmpstr(def->metadata, ==,
                    "<app:a xmlns:app=\"" URI "\" x=\"1\"><app:b/>t</app:a>"
                    "<o:z xmlns:o=\"urn:other\"/>");
    one = conf_domain_metadata_get(def, URI, NULL);
    g_assert_cmpstr(one, ==, "<a x=\"1\"><b/>t</a>");

    /* An element that brings a namespace of its own is found under the one it was set for. */
    g_assert_true(
        conf_domain_metadata_set(def, URI, "app", "<q:a xmlns:q='urn:q'><q:b/><c/></q:a>", NULL));
    two = conf_domain_metadata_get(def, URI, NULL);
    g_assert_cmpstr(two, ==, "<a xmlns:q=\"urn:q\">\n  <q:b/>\n  <c/>\n</a>");
    text = conf_domain_format_xml(def, 0);
    assert_fixed_point(text, 0);

    g_assert_true(conf_domain_metadata_set(def, URI, NULL, NULL, NULL));
    g_assert_cmpstr(def->metadata, ==, "<o:z xmlns:o=\"urn:other\"/>");
    g_assert_true(conf_domain_metadata_set(def, "urn:other", NULL, NULL, NULL));
    g_assert_null(def->metadata);
}

static void
test_metadata_errors(void)
{
    static const struct {
        ConfError code;
        const char *prefix, *xml, *message;
    } bad[] = {
        { CONF_ERROR_SYNTAX, "p", "<a><b></a>",
          "(metadata_xml):1:11: Opening and ending tag mismatch: b line 1 and a" },
        { CONF_ERROR_SYNTAX, "p", "<a/><b/>",
          "(metadata_xml):1:5: Extra content at the end of the document" },
        { CONF_ERROR_INVALID, "p:q", "<a/>", "invalid namespace prefix 'p:q'" },
        { CONF_ERROR_INVALID, NULL, "<a/>", "invalid namespace prefix ''" },
        { CONF_ERROR_INVALID, "p", "<p:a xmlns:p='urn:p'/>",
          "namespace prefix 'p' has another meaning in the element" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(ConfDomain) def = parse(HEAD OS "</domain>", CONF_XML_NO_UUID_OK);
        g_autoptr(GError) error = NULL;

        g_assert_false(conf_domain_metadata_set(def, URI, bad[i].prefix, bad[i].xml, &error));
        g_assert_error(error, CONF_ERROR, (int)bad[i].code);
        g_assert_cmpstr(error->message, ==, bad[i].message);
        g_assert_null(def->metadata);
    }
}

static void
load_schema(void)
{
    xmlRelaxNGParserCtxt *ctxt;

    if (!g_file_test(SCHEMA, G_FILE_TEST_EXISTS))
        return;
    ctxt = xmlRelaxNGNewParserCtxt(SCHEMA);
    schema = xmlRelaxNGParse(ctxt);
    xmlRelaxNGFreeParserCtxt(ctxt);
    g_assert_nonnull(schema);
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_nonnull(g_getenv("XLVIRT_SOURCE"));
    folder = g_build_filename(g_getenv("XLVIRT_SOURCE"), "tests", "golden", "domxml", NULL);
    load_schema();
    add_golden_cases();
    g_test_add_func("/conf/domxml/schema-there", test_schema_there);
    g_test_add_func("/conf/domxml/errors", test_errors);
    g_test_add_func("/conf/domxml/uuid-required", test_uuid_required);
    g_test_add_func("/conf/domxml/limits", test_limits);
    g_test_add_func("/conf/domxml/many-attributes", test_many_attributes);
    g_test_add_func("/conf/domxml/encodings", test_encodings);
    g_test_add_func("/conf/domxml/much-unknown", test_much_unknown);
    g_test_add_func("/conf/domxml/memory-units", test_memory_units);
    g_test_add_func("/conf/domxml/flags", test_flags);
    g_test_add_func("/conf/domxml/no-xml-text", test_text_that_xml_cannot_carry);
    g_test_add_func("/conf/domxml/namespaces", test_namespaces);
    g_test_add_func("/conf/domxml/foreign-attributes", test_foreign_attributes);
    g_test_add_func("/conf/domxml/nul-byte", test_nul_byte);
    g_test_add_func("/conf/domxml/change-beside-rest", test_change_beside_rest);
    g_test_add_func("/conf/domxml/defaults/addresses", test_defaults_addresses);
    g_test_add_func("/conf/domxml/defaults/console", test_defaults_console);
    g_test_add_func("/conf/domxml/metadata", test_metadata);
    g_test_add_func("/conf/domxml/metadata-errors", test_metadata_errors);
    status = g_test_run();
    xmlRelaxNGFree(schema);
    g_free(folder);
    return status;
}
