/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The set of a domain's snapshots; which disks take part in one; the list in a qcow2 image. */
#include <hv/hv-private.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the set ---- */

static ConfSnapshot *
snapshot(const char *name, const char *parent, gint64 time)
{
    ConfSnapshot *def = conf_snapshot_new();

    def->name = g_strdup(name);
    def->parent = g_strdup(parent);
    def->time.set = true;
    def->time.value = time;
    return def;
}

/* "name parent" pairs; "-": none. */
static HvSnapshots *
forest(const char *current, const char *pairs)
{
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    g_auto(GStrv) words = g_strsplit(pairs, " ", -1);

    for (guint i = 0; words[i] && words[i + 1]; i += 2)
        g_ptr_array_add(
            defs,
            snapshot(words[i], g_str_equal(words[i + 1], "-") ? NULL : words[i + 1], (gint64)i));
    return hv_snapshots_new(defs, current);
}

static const char *
name_at(const HvSnapshots *all, int index)
{
    return index < 0 ? "-" : hv_snapshots_at(all, (guint)index)->name;
}

static void
assert_parent(const HvSnapshots *all, const char *name, const char *parent)
{
    int index = hv_snapshots_find(all, name, NULL);

    g_assert_cmpint(index, >=, 0);
    g_assert_cmpstr(name_at(all, hv_snapshots_parent(all, (guint)index)), ==, parent);
}

static void
assert_ordered(const HvSnapshots *all)
{
    for (guint i = 0; i < hv_snapshots_count(all); i++)
        g_assert_cmpint(hv_snapshots_parent(all, i), <, (int)i);
}

static void
test_forest(void)
{
    /* Children stand before their parents here, and one is older than its parent. */
    g_autoptr(HvSnapshots) all = forest("c", "d c c b b a a - x - y x");
    g_autoptr(GError) error = NULL;
    int a = hv_snapshots_find(all, "a", NULL), d = hv_snapshots_find(all, "d", NULL);
    int x = hv_snapshots_find(all, "x", NULL);

    g_assert_cmpuint(hv_snapshots_count(all), ==, 6);
    assert_ordered(all);
    assert_parent(all, "a", "-");
    assert_parent(all, "d", "c");
    assert_parent(all, "y", "x");
    g_assert_cmpstr(name_at(all, hv_snapshots_current(all)), ==, "c");
    g_assert_true(hv_snapshots_is_below(all, (guint)d, (guint)a));
    g_assert_false(hv_snapshots_is_below(all, (guint)a, (guint)d));
    g_assert_false(hv_snapshots_is_below(all, (guint)d, (guint)x));
    g_assert_false(hv_snapshots_is_below(all, (guint)a, (guint)a));
    g_assert_cmpuint(hv_snapshots_n_children(all, (guint)a), ==, 1);
    g_assert_cmpint(hv_snapshots_find(all, "q", &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_SNAPSHOT);
}

static void
test_no_parents(void)
{
    g_autoptr(HvSnapshots) lost = forest("q", "a gone b a");
    g_autoptr(HvSnapshots) self = forest(NULL, "a a b a");
    g_autoptr(HvSnapshots) ring = forest("b", "a b b c c a d b");
    guint roots = 0;

    assert_parent(lost, "a", "-");
    assert_parent(lost, "b", "a");
    g_assert_cmpint(hv_snapshots_current(lost), ==, -1);
    assert_parent(self, "a", "-");
    assert_ordered(ring);
    g_assert_cmpuint(hv_snapshots_count(ring), ==, 4);
    for (guint i = 0; i < 4; i++)
        roots += hv_snapshots_parent(ring, i) < 0;
    g_assert_cmpuint(roots, ==, 1);
    assert_parent(ring, "d", "b");
    g_assert_cmpuint(hv_snapshots_count(NULL), ==, 0);
    g_assert_cmpint(hv_snapshots_find(NULL, "a", NULL), ==, -1);
    g_assert_cmpint(hv_snapshots_current(NULL), ==, -1);
}

/* A chain as long as nobody has one: no recursion, no time that grows with its square. */
static void
test_deep(void)
{
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);
    g_autoptr(HvSnapshots) all = NULL;
    const guint n = 100000;

    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("s%u", i);
        g_autofree char *parent = g_strdup_printf("s%u", i + 1);

        g_ptr_array_add(defs, snapshot(name, i + 1 < n ? parent : NULL, i));
    }
    all = hv_snapshots_new(defs, "s0");
    g_assert_cmpuint(hv_snapshots_count(all), ==, n);
    g_assert_cmpstr(hv_snapshots_at(all, 0)->name, ==, "s99999");
    assert_ordered(all);
}

/* ---- disks ---- */

static ConfDomain *
domain_of(const char *disks)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='xen'><name>d</name><memory>1</memory><os><type>hvm</type></os>"
        "<devices>%s</devices></domain>",
        disks);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(xml, -1, "d", CONF_XML_NO_UUID_OK, &error);

    g_assert_no_error(error);
    return def;
}

#define QCOW2(target)                                                                              \
    "<disk type='file'><driver type='qcow2'/><source file='/i/" target ".img'/>"                   \
    "<target dev='" target "'/></disk>"
#define CDROM "<disk type='file' device='cdrom'><target dev='hdc'/></disk>"
#define MEDIUM                                                                                     \
    "<disk type='file' device='cdrom'><source file='/i/cd'/><target dev='hdd'/><readonly/></disk>"

/* "xvda:internal hdc:no", with the file of what is external. */
static char *
aligned(const char *disks, const char *request, unsigned place, GError **error)
{
    g_autoptr(ConfDomain) domain = domain_of(disks);
    g_autofree char *xml = g_strdup_printf(
        "<domainsnapshot><name>n</name><disks>%s</disks></domainsnapshot>", request);
    g_autoptr(ConfSnapshot) def = conf_snapshot_parse_xml(xml, -1, "s", 0, error);
    GString *text;

    if (!def || !hv_snapshot_align(def, domain, place, error))
        return NULL;
    text = g_string_new(NULL);
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *disk = def->disks->pdata[i];

        g_string_append_printf(text, "%s%s:%s%s", i ? " " : "", disk->name,
                               conf_snapshot_place_name(disk->place),
                               disk->source ? disk->source : "");
    }
    return g_string_free(text, FALSE);
}

static void
test_align(void)
{
    static const struct {
        const char *disks, *request;
        unsigned place;
        const char *result;
    } rows[] = {
        { QCOW2("xvda") CDROM MEDIUM, "", CONF_SNAPSHOT_INTERNAL, "xvda:internal hdc:no hdd:no" },
        { QCOW2("xvda") QCOW2("xvdb"), "<disk name='xvdb' snapshot='no'/>", CONF_SNAPSHOT_EXTERNAL,
          "xvda:external/i/xvda.n xvdb:no" },
        { QCOW2("xvda") QCOW2("xvdb"), "<disk name='/i/xvdb.img'><source file='/n'/></disk>",
          CONF_SNAPSHOT_INTERNAL, "xvda:internal xvdb:external/n" },
        { "<disk type='file' snapshot='external'><source file='/a.b/c'/><target "
          "dev='xvda'/></disk>",
          "", CONF_SNAPSHOT_INTERNAL, "xvda:external/a.b/c.n" },
        { "", "", CONF_SNAPSHOT_INTERNAL, "" },
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = aligned(rows[i].disks, rows[i].request, rows[i].place, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, rows[i].result);
    }
    g_assert_null(aligned(QCOW2("xvda"), "<disk name='xvdq'/>", CONF_SNAPSHOT_INTERNAL, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_clear_error(&error);
    g_assert_null(aligned(QCOW2("xvda") QCOW2("xvdb"),
                          "<disk name='xvda'/><disk name='/i/xvda.img'/>", CONF_SNAPSHOT_INTERNAL,
                          &error));
    g_assert_nonnull(strstr(error->message, "specified twice"));
    g_clear_error(&error);
    g_assert_null(aligned("<disk type='block'><source dev='/dev/x'/><target dev='xvda'/></disk>",
                          "", CONF_SNAPSHOT_EXTERNAL, &error));
    g_assert_nonnull(strstr(error->message, "cannot generate external snapshot name"));
}

/* ---- qcow2 ---- */

static void
put(GByteArray *bytes, guint64 value, guint n)
{
    for (guint i = n; i > 0; i--) {
        guint8 byte = i > sizeof(value) ? 0 : (guint8)(value >> (8 * (i - 1)));

        g_byte_array_append(bytes, &byte, 1);
    }
}

static void
put_header(GByteArray *bytes, guint32 n, guint64 offset)
{
    g_byte_array_append(bytes, (const guint8 *)"QFI\xfb", 4);
    put(bytes, 3, 4);
    while (bytes->len < 60)
        put(bytes, 0, 1);
    put(bytes, n, 4);
    put(bytes, offset, 8);
}

static void
put_entry(GByteArray *bytes, const char *id, const char *name, guint extra)
{
    put(bytes, 0, 12);
    put(bytes, strlen(id), 2);
    put(bytes, strlen(name), 2);
    put(bytes, 0, 20);
    put(bytes, extra, 4);
    for (guint i = 0; i < MIN(extra, 2000); i++)
        put(bytes, 0, 1);
    g_byte_array_append(bytes, (const guint8 *)id, (guint)strlen(id));
    g_byte_array_append(bytes, (const guint8 *)name, (guint)strlen(name));
    while (bytes->len % 8)
        put(bytes, 0, 1);
}

static GPtrArray *
read_image(GByteArray *bytes, GError **error)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("qcow2-XXXXXX", &path, NULL);
    GPtrArray *all;

    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL));
    all = hv_qcow2_snapshots(path, error);
    g_unlink(path);
    return all;
}

static void
test_qcow2(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(GError) error = NULL;
    const HvQcow2Snapshot *second;

    put_header(bytes, 2, 72);
    put_entry(bytes, "1", "one", 24);
    put_entry(bytes, "17", "the second", 16);
    all = read_image(bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, 2);
    second = all->pdata[1];
    g_assert_cmpstr(second->id, ==, "17");
    g_assert_cmpstr(second->name, ==, "the second");
}

static void
test_qcow2_hostile(void)
{
    static const struct {
        guint32 n;
        guint64 offset;
        guint extra;
    } rows[] = {
        { 3, 72, 24 },              /* more than there are */
        { G_MAXUINT32, 72, 24 },    /* more than can be */
        { 1, G_MAXUINT64 - 4, 24 }, /* past every end */
        { 1, 1ull << 62, 24 },
        { 1, 72, G_MAXUINT32 }, /* extra data without an end */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        put_header(bytes, rows[i].n, rows[i].offset);
        put_entry(bytes, "1", "one", rows[i].extra);
        g_assert_null(read_image(bytes, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    }
    {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        g_byte_array_append(bytes, (const guint8 *)"no image at all", 15);
        g_assert_null(read_image(bytes, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
        g_clear_error(&error);
        g_assert_null(hv_qcow2_snapshots("/nowhere/a", &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    }
}

/* As many as there may be, each with the longest names, in a file that is mostly holes. */
static void
test_qcow2_huge(void)
{
    const guint64 step = (40 + 2 * 65535 + 7) & ~(guint64)7;
    g_autoptr(GByteArray) header = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("qcow2-XXXXXX", &path, NULL);

    put_header(header, 65536, 72);
    g_assert_cmpint(pwrite(fd, header->data, header->len, 0), ==, header->len);
    for (guint i = 0; i < 1024; i++) {
        static const guint8 lengths[4] = { 0xff, 0xff, 0xff, 0xff };

        g_assert_cmpint(pwrite(fd, lengths, 4, (off_t)(72 + i * step + 12)), ==, 4);
    }
    g_assert_cmpint(ftruncate(fd, (off_t)(1024 * step + 72)), ==, 0);
    g_close(fd, NULL);
    g_assert_null(hv_qcow2_snapshots(path, &error));
    g_unlink(path);
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_assert_true(g_str_has_suffix(error->message, "has no end"));
}

/* A header of version 3 that ends at 104, with `format` in an extension unless it is NULL, and the
 * name behind it, of which the header says that it has `len` bytes; 0: as it has. */
static GByteArray *
overlay(const char *name, guint32 len, const char *format)
{
    GByteArray *bytes = g_byte_array_new();
    gsize extension = format ? (strlen(format) + 7) / 8 * 8 + 8 : 0;

    g_byte_array_append(bytes, (const guint8 *)"QFI\xfb", 4);
    put(bytes, 3, 4);
    put(bytes, 104 + extension + 8, 8);
    put(bytes, len ? len : strlen(name), 4);
    while (bytes->len < 100)
        put(bytes, 0, 1);
    put(bytes, 104, 4);
    if (format) {
        put(bytes, 0xe2792aca, 4);
        put(bytes, strlen(format), 4);
        g_byte_array_append(bytes, (const guint8 *)format, (guint)strlen(format));
        while (bytes->len % 8)
            put(bytes, 0, 1);
    }
    put(bytes, 0, 8);
    g_byte_array_append(bytes, (const guint8 *)name, (guint)strlen(name));
    return bytes;
}

static void
assert_backing(GByteArray *bytes, const char *path, const char *format, int code)
{
    g_autofree char *folder = g_dir_make_tmp("qcow2-XXXXXX", NULL);
    g_autofree char *image = g_build_filename(folder, "image", NULL);
    g_autofree char *beside = path && !strchr(path, '/') ? g_build_filename(folder, path, NULL)
                                                         : g_strdup(path);
    g_auto(HvQcow2Backing) backing = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(image, (const char *)bytes->data, bytes->len, NULL));
    g_assert_cmpint(hv_qcow2_backing(image, &backing, &error), ==, code < 0);
    if (code < 0)
        g_assert_no_error(error);
    else
        g_assert_error(error, HV_ERROR, code);
    g_assert_cmpstr(backing.path, ==, beside);
    g_assert_cmpstr(backing.format, ==, format);
    g_unlink(image);
    g_rmdir(folder);
    g_byte_array_unref(bytes);
}

static void
test_backing(void)
{
    GByteArray *cut = overlay("/base", 0, "raw"), *endless = overlay("/base", 0, "qcow2");

    assert_backing(overlay("/i/base", 0, "raw"), "/i/base", "raw", -1);
    assert_backing(overlay("/i/base", 0, NULL), "/i/base", NULL, -1);
    assert_backing(overlay("beside", 0, "qcow2"), "beside", "qcow2", -1);
    assert_backing(overlay("file:/i/base", 0, "qcow2"), "/i/base", "qcow2", -1);
    assert_backing(
        overlay("json:{\"driver\": \"raw\", \"file\": {\"filename\": \"/i/b\"}}", 0, NULL), "/i/b",
        NULL, -1);
    assert_backing(overlay("json:{\"driver\":\"ssh\",\"path\":\"/b\"}", 0, NULL),
                   "json:{\"driver\":\"ssh\",\"path\":\"/b\"}", NULL, -1);
    assert_backing(overlay("nbd://host/x", 0, "raw"), "nbd://host/x", "raw", -1);
    assert_backing(overlay("", 0, NULL), NULL, NULL, -1);
    assert_backing(g_byte_array_append(g_byte_array_new(), (const guint8 *)"raw", 3), NULL, NULL,
                   -1);
    /* Longer than it may be, and than it is. */
    assert_backing(overlay("/base", 1024, NULL), NULL, NULL, HV_ERROR_CONFIG);
    assert_backing(overlay("/base", 900, NULL), NULL, NULL, HV_ERROR_CONFIG);
    g_byte_array_set_size(cut, 110);
    assert_backing(cut, NULL, NULL, HV_ERROR_CONFIG);
    /* An extension that leads past the end. */
    memset(endless->data + 104, 0x7f, 8);
    assert_backing(endless, NULL, NULL, HV_ERROR_CONFIG);
    {
        g_auto(HvQcow2Backing) backing = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_false(hv_qcow2_backing("/nowhere/a", &backing, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hv/snapshot/forest", test_forest);
    g_test_add_func("/hv/snapshot/no-parents", test_no_parents);
    g_test_add_func("/hv/snapshot/deep", test_deep);
    g_test_add_func("/hv/snapshot/align", test_align);
    g_test_add_func("/hv/snapshot/qcow2", test_qcow2);
    g_test_add_func("/hv/snapshot/qcow2-hostile", test_qcow2_hostile);
    g_test_add_func("/hv/snapshot/qcow2-huge", test_qcow2_huge);
    g_test_add_func("/hv/snapshot/backing", test_backing);
    return g_test_run();
}
