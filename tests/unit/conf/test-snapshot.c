/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domainsnapshot>: what is read of it, what is refused, and that what comes out goes in again. */
#include <conf/conf.h>

#include <string.h>

#define UUID "<uuid>11111111-2222-3333-4444-555555555555</uuid>"
#define DOMAIN(name)                                                                               \
    "<" name " type='xen' id='7'><name>d</name>" UUID                                              \
    "<memory>1024</memory><os><type>hvm</type></os><devices>"                                      \
    "<disk type='file' snapshot='no'><source file='/a'/><target dev='xvda'/>"                      \
    "<alias name='xen-disk0'/></disk>"                                                             \
    "<graphics type='vnc' port='-1' autoport='yes' passwd='geheim'/></devices></" name ">"
#define FACTS "<name>s</name><state>running</state><creationTime>1700000000</creationTime>"

static ConfSnapshot *
parse(const char *inner, unsigned flags)
{
    g_autofree char *text = g_strconcat("<domainsnapshot>", inner, "</domainsnapshot>", NULL);
    g_autoptr(GError) error = NULL;
    ConfSnapshot *def = conf_snapshot_parse_xml(text, -1, "test", flags, &error);

    g_assert_no_error(error);
    return def;
}

static void
refuse(const char *inner, unsigned flags, ConfError code, const char *words)
{
    g_autofree char *text = g_strconcat("<domainsnapshot>", inner, "</domainsnapshot>", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(conf_snapshot_parse_xml(text, -1, "test", flags, &error));
    g_assert_error(error, CONF_ERROR, (int)code);
    if (!strstr(error->message, words))
        g_error("\"%s\" is not in \"%s\"", words, error->message);
}

/* A user chooses few things; the rest of what he writes is of no interest. */
static void
test_wanted(void)
{
    g_autoptr(ConfSnapshot) def = parse(
        FACTS "<description>words</description><parent><name>p</name></parent>"
              "<cookie><x/></cookie>" DOMAIN(
                  "domain") "<memory file='/m'/>"
                            "<disks><disk name='xvda'><driver type='qcow2'/></disk>"
                            "<disk name='xvdb' snapshot='no'/></disks><active>1</active>",
        0);
    const ConfSnapshotDisk *disk = def->disks->pdata[0];
    g_autoptr(ConfSnapshot) empty = parse("", 0);

    g_assert_cmpstr(def->name, ==, "s");
    g_assert_cmpstr(def->description, ==, "words");
    g_assert_cmpuint(def->state, ==, CONF_SNAPSHOT_STATE_ABSENT);
    g_assert_null(def->parent);
    g_assert_null(def->domain);
    g_assert_null(def->extra);
    g_assert_false(def->time.set);
    g_assert_cmpuint(def->memory, ==, CONF_SNAPSHOT_EXTERNAL);
    g_assert_cmpuint(def->disks->len, ==, 2);
    g_assert_cmpuint(disk->place, ==, CONF_SNAPSHOT_EXTERNAL);
    g_assert_true(conf_snapshot_is_external(def));
    g_assert_null(empty->name);
    g_assert_false(conf_snapshot_is_external(empty));
}

static void
test_redefined(void)
{
    static const char document[] = FACTS
        "<parent><name>p</name></parent><memory snapshot='internal'/>"
        "<disks><disk name='xvda' snapshot='external' type='block'>"
        "<source dev='/dev/x'/></disk></disks>" DOMAIN("domain")
            DOMAIN("inactiveDomain") "<cookie><x/></cookie>";
    g_autoptr(ConfSnapshot) def = parse(document, CONF_SNAPSHOT_REDEFINE);
    g_autoptr(ConfSnapshot) copy = conf_snapshot_copy(def);
    g_autoptr(ConfSnapshot) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *once = conf_snapshot_format_xml(copy, CONF_XML_SECURE);
    g_autofree char *open = conf_snapshot_format_xml(copy, 0);
    g_autofree char *twice = NULL;

    g_assert_cmpstr(def->parent, ==, "p");
    g_assert_cmpint(def->domain->id, ==, -1);
    g_assert_cmpuint(((const ConfDisk *)def->domain->disks->pdata[0])->snapshot, ==,
                     CONF_SNAPSHOT_NO);
    g_assert_nonnull(def->inactive);
    g_assert_null(strstr(once, "xen-disk0"));
    g_assert_nonnull(strstr(once, "<cookie>"));
    g_assert_nonnull(strstr(once, "<source dev='/dev/x'/>"));
    g_assert_nonnull(strstr(once, "geheim"));
    g_assert_null(strstr(open, "geheim"));
    again = conf_snapshot_parse_xml(once, -1, "again", CONF_SNAPSHOT_REDEFINE, &error);
    g_assert_no_error(error);
    twice = conf_snapshot_format_xml(again, CONF_XML_SECURE);
    g_assert_cmpstr(once, ==, twice);
}

static void
test_old_form(void)
{
    g_autoptr(ConfSnapshot) def = parse(FACTS "<domain>" UUID "</domain>", CONF_SNAPSHOT_REDEFINE);

    g_assert_null(def->domain);
}

static void
test_refused(void)
{
    static const struct {
        unsigned flags;
        const char *inner;
        const char *words;
    } rows[] = {
        { 0, "<name>a/b</name>", "cannot contain '/'" },
        { 0, "<name>..</name>", "cannot start with '.'" },
        { 0, "<name></name>", "is empty" },
        { 0, "<name>a\nb</name>", "line break" },
        { 0, "<memory snapshot='manual'/>", "unknown memory snapshot setting" },
        { 0, "<memory snapshot='some'/>", "unknown memory snapshot setting" },
        { 0, "<memory snapshot='no' file='/x'/>", "requires external snapshot" },
        { 0, "<memory file='x'/>", "must be absolute" },
        { 0, "<disks><disk/></disks>", "missing name" },
        { 0, "<disks><disk name='a' snapshot='no'><source file='/x'/></disk></disks>",
          "requires use of external" },
        { 0, "<disks><disk name='a'><source file='x'/></disk></disks>", "must be absolute" },
        { 0, "<disks><disk name='a' type='network'/></disks>", "unsupported type" },
        { CONF_SNAPSHOT_REDEFINE, "<state>running</state><creationTime>1</creationTime>",
          "must have a name" },
        { CONF_SNAPSHOT_REDEFINE, "<name>a</name><state>running</state>", "missing creationTime" },
        { CONF_SNAPSHOT_REDEFINE, "<name>a</name><creationTime>1</creationTime>", "missing state" },
        { CONF_SNAPSHOT_REDEFINE,
          "<name>a</name><creationTime>1</creationTime><state>shutoff</state>"
          "<memory snapshot='internal'/>",
          "memory state cannot be saved" },
        { CONF_SNAPSHOT_REDEFINE, "<name>a</name><creationTime>soon</creationTime>",
          "creationTime" },
        { CONF_SNAPSHOT_REDEFINE, FACTS "<domain type='xen'><name>x</name></domain>", "uuid" },
        { CONF_SNAPSHOT_REDEFINE, FACTS "<domain type='xen'><name>a/b</name>" UUID "</domain>",
          "name" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        refuse(rows[i].inner, rows[i].flags, CONF_ERROR_INVALID, rows[i].words);
}

static void
test_hostile(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *name = g_strnfill(5000, 'x');
    g_autoptr(GError) error = NULL;

    g_string_printf(text, "<name>%s</name>", name);
    refuse(text->str, 0, CONF_ERROR_INVALID, "is too long");
    g_string_assign(text, "<disks>");
    for (guint i = 0; i <= CONF_MAX_DEVICES; i++)
        g_string_append_printf(text, "<disk name='xvd%u'/>", i);
    g_string_append(text, "</disks>");
    refuse(text->str, 0, CONF_ERROR_LIMIT, "of the kind of 'disk'");
    g_string_truncate(text, 0);
    for (guint i = 0; i < 1000; i++)
        g_string_append(text, "<a>");
    g_assert_null(conf_snapshot_parse_xml(text->str, -1, "test", 0, &error));
    g_clear_error(&error);
    g_assert_null(conf_snapshot_parse_xml("<domain/>", -1, "test", 0, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "expecting root element of 'domainsnapshot', not '"));
    /* Several definitions: the first counts, and all are left out of what is kept as it is. */
    g_string_printf(text, FACTS "%s%s", DOMAIN("domain"), DOMAIN("domain"));
    {
        g_autoptr(ConfSnapshot) def = parse(text->str, CONF_SNAPSHOT_REDEFINE);

        g_assert_nonnull(def->domain);
        g_assert_null(def->extra);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/snapshot/wanted", test_wanted);
    g_test_add_func("/conf/snapshot/redefined", test_redefined);
    g_test_add_func("/conf/snapshot/old-form", test_old_form);
    g_test_add_func("/conf/snapshot/refused", test_refused);
    g_test_add_func("/conf/snapshot/hostile", test_hostile);
    return g_test_run();
}
