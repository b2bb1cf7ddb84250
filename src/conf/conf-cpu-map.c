/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads libvirt's definitions of processors. The table says what an element of them may hold. */
#include "conf-cpu-map.h"
#include "conf-xml.h"

#include <string.h>

/* G_DEFINE_QUARK makes conf_cpu_error_quark(). */
G_DEFINE_QUARK(conf_cpu_error_quark, conf_cpu_error)

#define INDEX "index.xml"
#define ARCH  "x86"

/* ---- life ---- */

static void
vendor_free(gpointer data)
{
    CpuVendor *vendor = data;

    g_free(vendor->name);
    g_free(vendor->string);
    g_free(vendor);
}

static void
feature_free(gpointer data)
{
    CpuFeature *feature = data;

    g_free(feature->name);
    g_free(feature);
}

static void
signature_clear(gpointer data)
{
    CpuSignature *signature = data;

    conf_bitmap_free(signature->steppings);
}

static CpuModel *
model_new(void)
{
    CpuModel *model = g_new0(CpuModel, 1);

    model->for_host = model->for_guest = TRUE;
    model->signatures = g_array_new(FALSE, FALSE, sizeof(CpuSignature));
    g_array_set_clear_func(model->signatures, signature_clear);
    model->removed = g_ptr_array_new_with_free_func(g_free);
    return model;
}

static void
model_free(gpointer data)
{
    CpuModel *model = data;

    g_free(model->name);
    g_array_unref(model->signatures);
    g_ptr_array_unref(model->removed);
    g_free(model);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuModel, model_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuFeature, feature_free)

static ConfCpuMap *
map_new(void)
{
    ConfCpuMap *map = g_new0(ConfCpuMap, 1);

    g_atomic_ref_count_init(&map->refs);
    map->words = g_array_new(FALSE, FALSE, sizeof(CpuWord));
    map->vendors = g_ptr_array_new_with_free_func(vendor_free);
    map->features = g_ptr_array_new_with_free_func(feature_free);
    map->models = g_ptr_array_new_with_free_func(model_free);
    map->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    map->by_model = g_hash_table_new(g_str_hash, g_str_equal);
    return map;
}

ConfCpuMap *
conf_cpu_map_ref(ConfCpuMap *map)
{
    g_atomic_ref_count_inc(&map->refs);
    return map;
}

void
conf_cpu_map_unref(ConfCpuMap *map)
{
    if (!map || !g_atomic_ref_count_dec(&map->refs))
        return;
    g_hash_table_unref(map->by_name);
    g_hash_table_unref(map->by_model);
    g_ptr_array_unref(map->models);
    g_ptr_array_unref(map->features);
    g_ptr_array_unref(map->vendors);
    g_array_unref(map->words);
    g_free(map);
}

/* ---- look-ups ---- */

const CpuVendor *
cpu_vendor_find(const ConfCpuMap *map, const char *name)
{
    for (guint i = 0; i < map->vendors->len; i++) {
        const CpuVendor *vendor = map->vendors->pdata[i];

        if (g_str_equal(vendor->name, name))
            return vendor;
    }
    return NULL;
}

const CpuFeature *
cpu_feature_find(const ConfCpuMap *map, const char *name)
{
    return g_hash_table_lookup(map->by_name, name);
}

const CpuModel *
cpu_model_find(const ConfCpuMap *map, const char *name)
{
    return g_hash_table_lookup(map->by_model, name);
}

const char **
conf_cpu_map_models(const ConfCpuMap *map)
{
    const char **names = g_new0(const char *, map->models->len + 1);

    for (guint i = 0; i < map->models->len; i++)
        names[i] = ((const CpuModel *)map->models->pdata[i])->name;
    return names;
}

/* ---- bits ---- */

void
cpu_bits_add(CpuBits *a, const CpuBits *b)
{
    for (guint i = 0; i < CPU_MAX_WORDS; i++)
        a->words[i] |= b->words[i];
}

void
cpu_bits_subtract(CpuBits *a, const CpuBits *b)
{
    for (guint i = 0; i < CPU_MAX_WORDS; i++)
        a->words[i] &= ~b->words[i];
}

void
cpu_bits_intersect(CpuBits *a, const CpuBits *b)
{
    for (guint i = 0; i < CPU_MAX_WORDS; i++)
        a->words[i] &= b->words[i];
}

gboolean
cpu_bits_are_empty(const CpuBits *a)
{
    static const CpuBits none;

    return cpu_bits_have(&none, a);
}

gboolean
cpu_bits_have(const CpuBits *a, const CpuBits *b)
{
    for (guint i = 0; i < CPU_MAX_WORDS; i++)
        if (b->words[i] & ~a->words[i])
            return FALSE;
    return TRUE;
}

void
cpu_bits_foreach(const ConfCpuMap *map, const CpuBits *bits,
                 void (*func)(const CpuFeature *feature, gpointer data), gpointer data)
{
    CpuBits left = *bits;

    for (guint i = 0; i < map->features->len; i++) {
        const CpuFeature *feature = map->features->pdata[i];

        if (!cpu_bits_have(&left, &feature->bits))
            continue;
        cpu_bits_subtract(&left, &feature->bits);
        func(feature, data);
    }
}

/* ---- reading ---- */

typedef struct Reading {
    ConfCpuMap *map;
    ConfCpuMapRead read;
    gpointer data;
    const char *file; /* that is being read */
    guint n_files;
    GError **error;
} Reading;

static gboolean fail(const Reading *reading, const xmlNode *node, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
fail(const Reading *reading, const xmlNode *node, const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(reading->error, CONF_CPU_ERROR, CONF_CPU_ERROR_MAP, "%s:%ld: %s", reading->file,
                xmlGetLineNo(node), reason);
    return FALSE;
}

/* A name that stands in the map, and goes out in messages and XML. */
static char *
read_name(const Reading *reading, const xmlNode *node)
{
    g_autofree char *name = conf_xml_attribute(node, "name");

    if (name && *name)
        return g_steal_pointer(&name);
    fail(reading, node, "<%s> has no name", (const char *)node->name);
    return NULL;
}

static gboolean
read_number(const Reading *reading, const xmlNode *node, const char *attribute, guint32 *ret_number)
{
    g_autofree char *text = conf_xml_attribute(node, attribute);
    guint base = text && g_str_has_prefix(text, "0x") ? 16 : 10;
    guint64 number = 0;

    if (text && !g_ascii_string_to_unsigned(base == 16 ? text + 2 : text, base, 0, G_MAXUINT32,
                                            &number, NULL))
        return fail(reading, node, "%s='%s' of <%s> is not a number of 32 bits", attribute, text,
                    (const char *)node->name);
    *ret_number = (guint32)number;
    return TRUE;
}

static gboolean
read_vendor(const Reading *reading, xmlNode *node)
{
    g_autofree char *name = read_name(reading, node);
    g_autofree char *string = conf_xml_attribute(node, "string");
    CpuVendor *vendor;

    if (!name)
        return FALSE;
    if (!string || strlen(string) != 12)
        return fail(reading, node, "the string of vendor %s is not of 12 characters", name);
    if (cpu_vendor_find(reading->map, name))
        return fail(reading, node, "vendor %s is defined twice", name);
    if (reading->map->vendors->len >= CPU_MAX_VENDORS)
        return fail(reading, node, "more than %d vendors", CPU_MAX_VENDORS);
    vendor = g_new0(CpuVendor, 1);
    vendor->name = g_steal_pointer(&name);
    vendor->string = g_steal_pointer(&string);
    g_ptr_array_add(reading->map->vendors, vendor);
    return TRUE;
}

/* ---- features ---- */

static guint
find_word(const ConfCpuMap *map, const CpuWord *wanted)
{
    guint i = 0;

    for (; i < map->words->len; i++) {
        const CpuWord *word = &g_array_index(map->words, CpuWord, i);

        if (word->msr == wanted->msr && word->leaf == wanted->leaf &&
            word->subleaf == wanted->subleaf && word->reg == wanted->reg)
            break;
    }
    return i;
}

/* <cpuid eax_in= ecx_in= eax= ...>, or <msr index= eax= edx=>. */
static gboolean
read_bits(const Reading *reading, xmlNode *node, gboolean msr, CpuBits *bits)
{
    static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };
    CpuWord word = { .msr = msr };

    if (!read_number(reading, node, msr ? "index" : "eax_in", &word.leaf) ||
        !read_number(reading, node, "ecx_in", &word.subleaf))
        return FALSE;
    for (word.reg = 0; word.reg < G_N_ELEMENTS(registers); word.reg++) {
        guint32 value;
        guint at;

        if (!read_number(reading, node, registers[word.reg], &value))
            return FALSE;
        if (value == 0)
            continue;
        at = find_word(reading->map, &word);
        if (at >= CPU_MAX_WORDS)
            return fail(reading, node, "features of more than %d words", CPU_MAX_WORDS);
        if (at == reading->map->words->len)
            g_array_append_val(reading->map->words, word);
        bits->words[at] |= value;
    }
    return TRUE;
}

static gboolean
read_feature(const Reading *reading, xmlNode *node)
{
    g_autoptr(CpuFeature) feature = g_new0(CpuFeature, 1);
    g_autofree char *migratable = conf_xml_attribute(node, "migratable");

    feature->name = read_name(reading, node);
    if (!feature->name)
        return FALSE;
    feature->blocks_migration = g_strcmp0(migratable, "no") == 0;
    if (cpu_feature_find(reading->map, feature->name))
        return fail(reading, node, "feature %s is defined twice", feature->name);
    if (reading->map->features->len >= CPU_MAX_FEATURES)
        return fail(reading, node, "more than %d features", CPU_MAX_FEATURES);
    for (xmlNode *at = conf_xml_element(node->children); at; at = conf_xml_element(at->next)) {
        gboolean msr = conf_xml_is(at, "msr");

        if ((msr || conf_xml_is(at, "cpuid")) && !read_bits(reading, at, msr, &feature->bits))
            return FALSE;
    }
    /* It would be in everything. */
    if (cpu_bits_are_empty(&feature->bits))
        return fail(reading, node, "feature %s has no bits", feature->name);
    g_hash_table_insert(reading->map->by_name, feature->name, feature);
    g_ptr_array_add(reading->map->features, g_steal_pointer(&feature));
    return TRUE;
}

/* ---- models ---- */

/* A model begins as what it stands on. */
static gboolean
read_parent(const Reading *reading, xmlNode *node, CpuModel *model)
{
    g_autofree char *name = read_name(reading, node);
    const CpuModel *parent = name ? cpu_model_find(reading->map, name) : NULL;

    if (!name)
        return FALSE;
    if (!parent)
        return fail(reading, node, "model %s stands on %s, which is not defined before it",
                    model->name, name);
    model->vendor = parent->vendor;
    model->bits = parent->bits;
    g_array_set_size(model->signatures, 0);
    for (guint i = 0; i < parent->signatures->len; i++) {
        CpuSignature copy = g_array_index(parent->signatures, CpuSignature, i);

        copy.steppings = conf_bitmap_copy(copy.steppings);
        g_array_append_val(model->signatures, copy);
    }
    model->has_parents_signatures = TRUE;
    return TRUE;
}

static gboolean
read_decode(const Reading *reading, xmlNode *node, CpuModel *model)
{
    g_autofree char *host = conf_xml_attribute(node, "host");
    g_autofree char *guest = conf_xml_attribute(node, "guest");

    model->for_host = g_strcmp0(host, "off") != 0;
    model->for_guest = g_strcmp0(guest, "off") != 0;
    return TRUE;
}

static gboolean
read_signature(const Reading *reading, xmlNode *node, CpuModel *model)
{
    g_autofree char *steppings = conf_xml_attribute(node, "stepping");
    CpuSignature signature = { 0 };

    if (!read_number(reading, node, "family", &signature.family) ||
        !read_number(reading, node, "model", &signature.number))
        return FALSE;
    if (steppings) {
        signature.steppings = conf_bitmap_parse(steppings, CPU_MAX_STEPPING, NULL);
        if (!signature.steppings)
            return fail(reading, node, "stepping='%s' of model %s is no list of numbers", steppings,
                        model->name);
    }
    if (model->has_parents_signatures)
        g_array_set_size(model->signatures, 0);
    model->has_parents_signatures = FALSE;
    g_array_append_val(model->signatures, signature);
    return TRUE;
}

static gboolean
read_model_vendor(const Reading *reading, xmlNode *node, CpuModel *model)
{
    g_autofree char *name = read_name(reading, node);

    if (!name)
        return FALSE;
    model->vendor = cpu_vendor_find(reading->map, name);
    return model->vendor ? TRUE
                         : fail(reading, node, "model %s is of vendor %s, which is not defined",
                                model->name, name);
}

static gboolean
read_model_feature(const Reading *reading, xmlNode *node, CpuModel *model)
{
    g_autofree char *name = read_name(reading, node);
    g_autofree char *removed = conf_xml_attribute(node, "removed");
    const CpuFeature *feature = name ? cpu_feature_find(reading->map, name) : NULL;

    if (!name)
        return FALSE;
    if (!feature)
        return fail(reading, node, "model %s has feature %s, which is not defined", model->name,
                    name);
    if (g_strcmp0(removed, "yes") == 0)
        g_ptr_array_add(model->removed, g_steal_pointer(&name));
    else
        cpu_bits_add(&model->bits, &feature->bits);
    return TRUE;
}

typedef struct ModelPart {
    const char *name;
    gboolean (*read)(const Reading *reading, xmlNode *node, CpuModel *model);
} ModelPart;

/* In this order, whatever the order in the file: what a model has of its own wins. */
static const ModelPart model_parts[] = {
    { "model", read_parent },          { "decode", read_decode },
    { "signature", read_signature },   { "vendor", read_model_vendor },
    { "feature", read_model_feature },
};

static gboolean
read_model(const Reading *reading, xmlNode *node)
{
    g_autoptr(CpuModel) model = model_new();

    model->name = read_name(reading, node);
    if (!model->name)
        return FALSE;
    if (cpu_model_find(reading->map, model->name))
        return fail(reading, node, "model %s is defined twice", model->name);
    if (reading->map->models->len >= CPU_MAX_MODELS)
        return fail(reading, node, "more than %d models", CPU_MAX_MODELS);
    for (gsize i = 0; i < G_N_ELEMENTS(model_parts); i++) {
        const ModelPart *part = &model_parts[i];

        for (xmlNode *at = conf_xml_element(node->children); at; at = conf_xml_element(at->next))
            if (conf_xml_is(at, part->name) && !part->read(reading, at, model))
                return FALSE;
    }
    g_hash_table_insert(reading->map->by_model, model->name, model);
    g_ptr_array_add(reading->map->models, g_steal_pointer(&model));
    return TRUE;
}

/* ---- files ---- */

/* The root of one file, which must be <cpus>. */
static xmlNode *
open_file(const Reading *reading, const char *name, xmlDoc **ret_doc)
{
    g_autofree char *text = reading->read(name, reading->data, reading->error);
    g_autoptr(xmlDoc) doc = text ? conf_xml_read(text, -1, name, reading->error) : NULL;
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    if (!root)
        return NULL;
    if (!conf_xml_is(root, "cpus")) {
        fail(reading, root, "the root is not <cpus>");
        return NULL;
    }
    *ret_doc = g_steal_pointer(&doc);
    return root;
}

static gboolean
read_definition(const Reading *reading, xmlNode *node)
{
    if (conf_xml_is(node, "vendor"))
        return read_vendor(reading, node);
    if (conf_xml_is(node, "feature"))
        return read_feature(reading, node);
    if (conf_xml_is(node, "model"))
        return read_model(reading, node);
    return TRUE; /* of a later release */
}

static gboolean
read_include(Reading *reading, xmlNode *node)
{
    g_autofree char *name = conf_xml_attribute(node, "filename");
    g_autoptr(xmlDoc) doc = NULL;
    Reading inner = *reading;
    xmlNode *root;

    if (!name || !*name || *name == '.' || strchr(name, '/'))
        return fail(reading, node, "filename='%s' is not the name of a file of this folder",
                    name ? name : "");
    if (reading->n_files++ >= CPU_MAX_FILES)
        return fail(reading, node, "more than %d files", CPU_MAX_FILES);
    inner.file = name;
    root = open_file(&inner, name, &doc);
    if (!root)
        return FALSE;
    for (xmlNode *at = conf_xml_element(root->children); at; at = conf_xml_element(at->next))
        if (!read_definition(&inner, at))
            return FALSE;
    return TRUE;
}

/* <arch>, or a <group> in it. Depth is bounded by what reads XML. */
static gboolean
read_arch(Reading *reading, xmlNode *arch)
{
    for (xmlNode *at = conf_xml_element(arch->children); at; at = conf_xml_element(at->next)) {
        gboolean ok;

        if (conf_xml_is(at, "include"))
            ok = read_include(reading, at);
        else if (conf_xml_is(at, "group"))
            ok = read_arch(reading, at);
        else
            ok = read_definition(reading, at);
        if (!ok)
            return FALSE;
    }
    return TRUE;
}

ConfCpuMap *
conf_cpu_map_new(ConfCpuMapRead read, gpointer data, GError **error)
{
    g_autoptr(ConfCpuMap) map = map_new();
    g_autoptr(xmlDoc) doc = NULL;
    Reading reading = { .map = map, .read = read, .data = data, .file = INDEX, .error = error };
    xmlNode *root = open_file(&reading, INDEX, &doc);

    if (!root)
        return NULL;
    for (xmlNode *at = conf_xml_element(root->children); at; at = conf_xml_element(at->next)) {
        g_autofree char *name = conf_xml_attribute(at, "name");

        if (conf_xml_is(at, "arch") && g_strcmp0(name, ARCH) == 0 && !read_arch(&reading, at))
            return NULL;
    }
    if (map->models->len == 0) {
        fail(&reading, root, "no model of %s is defined", ARCH);
        return NULL;
    }
    return g_steal_pointer(&map);
}
