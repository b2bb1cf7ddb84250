/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf-schema.h>

#include <string.h>

/* ---- every field of the model has a row ---- */

static void
mark(bool *seen, const ConfRow *row)
{
    /* uuid_set belongs to the row of uuid. */
    memset(seen + row->offset, true, row->size + (row->kind == CONF_FIELD_UUID));
}

/* A field without a row would be shared by two copies, and freed twice. No padding is eight
 * aligned bytes long, so such a hole is a field. */
static void
assert_covered(const ConfSchema *schema)
{
    g_autofree bool *seen = g_new0(bool, schema->size);

    /* The reference count is nobody's field. */
    if (schema == &conf_schema_domain || schema == &conf_schema_snapshot)
        memset(seen, true, sizeof(gatomicrefcount));
    for (unsigned i = 0; i < schema->n_rows; i++)
        mark(seen, &schema->rows[i]);
    for (size_t at = 0; at + 8 <= schema->size; at += 8) {
        bool any = false;

        for (size_t byte = at; byte < at + 8; byte++)
            any |= seen[byte];
        if (!any)
            g_error("%s: nothing covers the bytes at %zu", schema->name, at);
    }
}

static void
test_rows_cover(void)
{
#define CHECK(type, short_name)                                                                    \
    g_assert_cmpuint(conf_schema_##short_name.size, ==, sizeof(type));                             \
    assert_covered(&conf_schema_##short_name);
    CONF_SCHEMAS(CHECK)
#undef CHECK
}

/* ---- life ---- */

static int fill_serial;

static void fill(const ConfSchema *schema, void *owner);

static void
fill_field(const ConfRow *row, void *field)
{
    void *member;

    switch (row->kind) {
    case CONF_FIELD_STRING:
        if (!*(char **)field)
            *(char **)field = g_strdup_printf("s%d", fill_serial++);
        break;
    case CONF_FIELD_BITMAP:
        *(ConfBitmap **)field = conf_bitmap_new(9);
        conf_bitmap_set(*(ConfBitmap **)field, fill_serial++ % 9, true);
        break;
    case CONF_FIELD_POINTER:
        *(void **)field = conf_schema_new(row->schema);
        fill(row->schema, *(void **)field);
        break;
    case CONF_FIELD_STRUCT:
        fill(row->schema, field);
        break;
    case CONF_FIELD_LIST:
        member = conf_schema_new(row->schema);
        fill(row->schema, member);
        g_ptr_array_add(*(GPtrArray **)field, member);
        break;
    case CONF_FIELD_UINT:
        *(unsigned *)field = 1;
        break;
    case CONF_FIELD_INT:
        *(int *)field = fill_serial++;
        break;
    case CONF_FIELD_KIB:
        *(uint64_t *)field = fill_serial++;
        break;
    case CONF_FIELD_OPT:
        *(ConfOptInt *)field = (ConfOptInt){ true, fill_serial++ };
        break;
    case CONF_FIELD_BOOL:
        *(bool *)field = true;
        break;
    case CONF_FIELD_UUID:
        conf_uuid_generate(field);
        break;
    case CONF_FIELD_PLACE:
    case CONF_FIELD_CONSTANT:
        break;
    }
}

static void
fill(const ConfSchema *schema, void *owner)
{
    for (unsigned i = 0; i < schema->n_rows; i++)
        if (schema->rows[i].size)
            fill_field(&schema->rows[i], conf_row_field(&schema->rows[i], owner));
}

static void assert_same(const ConfSchema *schema, const void *a, const void *b);

static void
assert_same_list(const ConfRow *row, const GPtrArray *a, const GPtrArray *b)
{
    g_assert_true(a != b);
    g_assert_cmpuint(a->len, ==, b->len);
    for (guint i = 0; i < a->len; i++) {
        g_assert_true(a->pdata[i] != b->pdata[i]);
        assert_same(row->schema, a->pdata[i], b->pdata[i]);
    }
}

static void
assert_same_field(const ConfRow *row, const void *a, const void *b)
{
    const void *const *pa = a;
    const void *const *pb = b;

    if (row->kind == CONF_FIELD_STRING) {
        g_assert_true(*pa != *pb);
        g_assert_cmpstr(*pa, ==, *pb);
    } else if (row->kind == CONF_FIELD_BITMAP) {
        g_assert_true(*pa != *pb);
        g_assert_cmpmem(((const ConfBitmap *)*pa)->bits, ((const ConfBitmap *)*pa)->len,
                        ((const ConfBitmap *)*pb)->bits, ((const ConfBitmap *)*pb)->len);
    } else if (row->kind == CONF_FIELD_POINTER) {
        g_assert_true(*pa != *pb);
        assert_same(row->schema, *pa, *pb);
    } else if (row->kind == CONF_FIELD_STRUCT) {
        assert_same(row->schema, a, b);
    } else if (row->kind == CONF_FIELD_LIST) {
        assert_same_list(row, *pa, *pb);
    } else {
        g_assert_cmpmem(a, row->size, b, row->size);
    }
}

static void
assert_same(const ConfSchema *schema, const void *a, const void *b)
{
    for (unsigned i = 0; i < schema->n_rows; i++)
        if (schema->rows[i].size)
            assert_same_field(&schema->rows[i], conf_row_const_field(&schema->rows[i], a),
                              conf_row_const_field(&schema->rows[i], b));
}

/* Every field filled, copied, the source freed first (the sanitizers see the rest). */
static void
test_copy_everything(void)
{
    g_autoptr(ConfDomain) copy = NULL;
    ConfDomain *def = conf_domain_new();

    fill(&conf_schema_domain, def);
    copy = conf_domain_copy(def);
    assert_same(&conf_schema_domain, def, copy);
    conf_domain_unref(def);
    g_assert_cmpstr(copy->type, ==, "xen");
    g_assert_cmpuint(copy->disks->len, ==, 1);
    g_ptr_array_remove_index(copy->disks, 0);
}

static void
test_references(void)
{
    ConfDomain *def = conf_domain_new();
    g_autoptr(ConfDomain) copy = NULL;

    g_assert_cmpint(def->id, ==, -1);
    g_assert_nonnull(def->cputune.vcpupin);
    g_assert_nonnull(def->os.boot);
    g_assert_true(conf_domain_ref(def) == def);
    copy = conf_domain_copy(def);
    conf_domain_unref(def);
    g_assert_cmpstr(def->type, ==, "xen");
    conf_domain_unref(def);
    conf_domain_unref(NULL);
    g_assert_cmpstr(copy->type, ==, "xen");
}

static void
test_effective(void)
{
    g_autoptr(ConfDomain) def = conf_domain_new();

    g_assert_cmpuint(conf_domain_current_vcpus(def), ==, 1);
    def->vcpus_max = 4;
    g_assert_cmpuint(conf_domain_current_vcpus(def), ==, 4);
    def->vcpus = 2;
    g_assert_cmpuint(conf_domain_current_vcpus(def), ==, 2);
    def->memory_kib = 2048;
    g_assert_cmpuint(conf_domain_current_memory(def), ==, 2048);
    def->cur_memory_kib = 1024;
    g_assert_cmpuint(conf_domain_current_memory(def), ==, 1024);
    g_assert_cmpstr(conf_domain_os_type_name(def), ==, "linux");
    def->os.type = CONF_OS_XENPVH;
    g_assert_cmpstr(conf_domain_os_type_name(def), ==, "xenpvh");
}

static void
test_uuid(void)
{
    static const char *const bad[] = { "",
                                       "12",
                                       "a4e9b0e8-11e5-4f32-9e2a-6f60a3c5d0f",
                                       "a4e9b0e8-11e5-4f32-9e2a-6f60a3c5d0f1f",
                                       "a4e9b0e8-11e5-4f32-9e2a-6f60a3c5d0g1",
                                       "a-4e9b0e811e54f329e2a6f60a3c5d0f1" };
    uint8_t uuid[16], again[16];
    char text[37];

    g_assert_true(conf_uuid_parse("A4E9b0e8-11e5-4f32-9e2a-6f60a3c5d0f1", uuid));
    conf_uuid_format(uuid, text);
    g_assert_cmpstr(text, ==, "a4e9b0e8-11e5-4f32-9e2a-6f60a3c5d0f1");
    g_assert_true(conf_uuid_parse("a4e9b0e811e54f329e2a6f60a3c5d0f1", again));
    g_assert_cmpmem(uuid, 16, again, 16);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(conf_uuid_parse(bad[i], again));
        g_assert_cmpmem(uuid, 16, again, 16);
    }
    conf_uuid_generate(again);
    g_assert_cmpint(memcmp(uuid, again, 16), !=, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/model/rows-cover", test_rows_cover);
    g_test_add_func("/conf/model/copy-everything", test_copy_everything);
    g_test_add_func("/conf/model/references", test_references);
    g_test_add_func("/conf/model/effective", test_effective);
    g_test_add_func("/conf/model/uuid", test_uuid);
    return g_test_run();
}
