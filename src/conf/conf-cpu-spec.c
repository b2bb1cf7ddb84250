/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A <cpu> as text and as data. The messages are libvirt's: people look for them. */
#include "conf-cpu-map.h"
#include "conf-xml.h"

#include <string.h>

/* ---- words ---- */

/* libvirt's names of architectures. */
static const struct {
    const char *names;
    ConfCpuArch kind;
} archs[] = {
    { "i686 x86_64", CONF_CPU_ARCH_X86 },
    { "aarch64 armv6l armv7b armv7l s390 s390x", CONF_CPU_ARCH_ANY },
    { "alpha cris ia64 lm32 m68k microblaze microblazeel mips mips64 mips64el mipsel openrisc "
      "parisc parisc64 ppc ppc64 ppc64le ppcemb riscv32 riscv64 sh4 sh4eb sparc sparc64 unicore32 "
      "xtensa xtensaeb",
      CONF_CPU_ARCH_OTHER },
};

static const char *const policies[CONF_CPU_N_POLICIES] = {
    [CONF_CPU_FORCE] = "force",       [CONF_CPU_REQUIRE] = "require",
    [CONF_CPU_OPTIONAL] = "optional", [CONF_CPU_DISABLE] = "disable",
    [CONF_CPU_FORBID] = "forbid",
};

static gboolean
is_word(const char *words, const char *word)
{
    g_auto(GStrv) all = g_strsplit(words, " ", -1);

    return g_strv_contains((const char *const *)all, word);
}

ConfCpuArch
conf_cpu_arch(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(archs); i++)
        if (is_word(archs[i].names, name))
            return archs[i].kind;
    return CONF_CPU_ARCH_UNKNOWN;
}

/* ---- life ---- */

static void
wish_free(gpointer data)
{
    ConfCpuWish *wish = data;

    g_free(wish->feature);
    g_free(wish);
}

ConfCpuSpec *
cpu_spec_new(gboolean host)
{
    ConfCpuSpec *spec = g_new0(ConfCpuSpec, 1);

    spec->host = host;
    spec->wishes = g_ptr_array_new_with_free_func(wish_free);
    return spec;
}

void
conf_cpu_spec_free(ConfCpuSpec *spec)
{
    if (!spec)
        return;
    g_free(spec->arch);
    g_free(spec->model);
    g_free(spec->vendor);
    g_ptr_array_unref(spec->wishes);
    g_free(spec);
}

void
cpu_spec_wish(ConfCpuSpec *spec, const char *feature, ConfCpuPolicy policy)
{
    ConfCpuWish *wish = g_new0(ConfCpuWish, 1);

    wish->feature = g_strdup(feature);
    wish->policy = policy;
    g_ptr_array_add(spec->wishes, wish);
}

ConfCpuWish *
cpu_spec_find(const ConfCpuSpec *spec, const char *feature)
{
    for (guint i = 0; i < spec->wishes->len; i++) {
        ConfCpuWish *wish = spec->wishes->pdata[i];

        if (g_str_equal(wish->feature, feature))
            return wish;
    }
    return NULL;
}

/* ---- reading ---- */

static gboolean fail(GError **error, ConfCpuError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
fail(GError **error, ConfCpuError code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, CONF_CPU_ERROR, code, reason);
    return FALSE;
}

static xmlNode *
find_child(const xmlNode *root, const char *name)
{
    xmlNode *child = conf_xml_element(root->children);

    while (child && !conf_xml_is(child, name))
        child = conf_xml_element(child->next);
    return child;
}

/* All text in the first element of this name; NULL: there is none, or it is empty. */
static char *
child_text(const xmlNode *root, const char *name)
{
    xmlNode *child = find_child(root, name);
    xmlChar *content = child ? xmlNodeGetContent(child) : NULL;
    char *text = content && *content ? g_strdup((const char *)content) : NULL;

    xmlFree(content);
    return text;
}

/* Attributes of <cpu> of a guest, and their words. */
static const struct {
    const char *name, *words;
} guest_attributes[] = {
    { "match", "minimum exact strict" },
    { "check", "none partial full" },
    { "migratable", "on off" },
};

static gboolean
read_guest(const xmlNode *root, ConfCpuSpec *spec, GError **error)
{
    g_autofree char *mode = conf_xml_attribute(root, "mode");
    g_autofree char *match = conf_xml_attribute(root, "match");

    if (mode && !is_word("custom host-model host-passthrough maximum", mode))
        return fail(error, CONF_CPU_ERROR_VALUE, "Invalid mode attribute '%s'", mode);
    for (gsize i = 0; i < G_N_ELEMENTS(guest_attributes); i++) {
        g_autofree char *value = conf_xml_attribute(root, guest_attributes[i].name);

        if (value && !is_word(guest_attributes[i].words, value))
            return fail(error, CONF_CPU_ERROR_XML,
                        "Invalid value for attribute '%s' in element 'cpu': '%s'.",
                        guest_attributes[i].name, value);
    }
    spec->strict = g_strcmp0(match, "strict") == 0;
    return TRUE;
}

static gboolean
read_host(const xmlNode *root, ConfCpuSpec *spec, GError **error)
{
    g_autofree char *mode = conf_xml_attribute(root, "mode");

    if (mode)
        return fail(error, CONF_CPU_ERROR_VALUE, "Attribute mode is only allowed for guest CPU");
    spec->arch = child_text(root, "arch");
    if (!spec->arch)
        return fail(error, CONF_CPU_ERROR_XML, "Missing CPU architecture");
    if (conf_cpu_arch(spec->arch) == CONF_CPU_ARCH_UNKNOWN)
        return fail(error, CONF_CPU_ERROR_VALUE, "Unknown architecture %s", spec->arch);
    return TRUE;
}

static gboolean
read_model(const xmlNode *root, ConfCpuSpec *spec, GError **error)
{
    xmlNode *model = find_child(root, "model");
    g_autofree char *fallback = model ? conf_xml_attribute(model, "fallback") : NULL;
    g_autofree char *id = model ? conf_xml_attribute(model, "vendor_id") : NULL;

    spec->model = child_text(root, "model");
    spec->vendor = child_text(root, "vendor");
    if (!spec->model && spec->host)
        return fail(error, CONF_CPU_ERROR_XML, "Missing CPU model name");
    if (spec->model && !spec->host && fallback && !is_word("allow forbid", fallback))
        return fail(error, CONF_CPU_ERROR_VALUE, "Invalid fallback attribute");
    if (spec->model && !spec->host && id && g_utf8_strlen(id, -1) != 12)
        return fail(error, CONF_CPU_ERROR_XML, "vendor_id must be exactly 12 characters long");
    if (spec->vendor && !spec->model)
        return fail(error, CONF_CPU_ERROR_XML, "CPU vendor specified without CPU model");
    return TRUE;
}

static gboolean
read_topology(const xmlNode *root, GError **error)
{
    static const struct {
        const char *name;
        gboolean required;
    } numbers[] = {
        { "sockets", TRUE }, { "dies", FALSE }, { "cores", TRUE }, { "threads", TRUE }
    };
    const xmlNode *topology = find_child(root, "topology");

    for (gsize i = 0; topology && i < G_N_ELEMENTS(numbers); i++) {
        g_autofree char *text = conf_xml_attribute(topology, numbers[i].name);

        if (!text && numbers[i].required)
            return fail(error, CONF_CPU_ERROR_XML,
                        "Missing required attribute '%s' in element 'topology'", numbers[i].name);
        if (text && !g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT32, NULL, NULL))
            return fail(error, CONF_CPU_ERROR_XML,
                        "Invalid value for attribute '%s' in element 'topology': '%s'. "
                        "Expected positive integer value",
                        numbers[i].name, text);
    }
    return TRUE;
}

static gboolean
read_policy(const xmlNode *node, ConfCpuPolicy *ret_policy, GError **error)
{
    g_autofree char *text = conf_xml_attribute(node, "policy");

    for (guint i = 0; text && i < CONF_CPU_N_POLICIES; i++) {
        if (!g_str_equal(text, policies[i]))
            continue;
        *ret_policy = (ConfCpuPolicy)i;
        return TRUE;
    }
    return text ? fail(error, CONF_CPU_ERROR_VALUE, "Invalid CPU feature policy") : TRUE;
}

static gboolean
read_features(const xmlNode *root, ConfCpuSpec *spec, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (xmlNode *at = conf_xml_element(root->children); at; at = conf_xml_element(at->next)) {
        g_autofree char *name = NULL;
        ConfCpuPolicy policy = CONF_CPU_REQUIRE;

        if (!conf_xml_is(at, "feature"))
            continue;
        name = conf_xml_attribute(at, "name");
        if (!spec->host && !read_policy(at, &policy, error))
            return FALSE;
        if (!name || !*name)
            return fail(error, CONF_CPU_ERROR_XML, "Invalid CPU feature name");
        if (g_hash_table_contains(seen, name))
            return fail(error, CONF_CPU_ERROR_XML, "CPU feature '%s' specified more than once",
                        name);
        cpu_spec_wish(spec, name, policy);
        g_hash_table_add(seen,
                         ((ConfCpuWish *)spec->wishes->pdata[spec->wishes->len - 1])->feature);
    }
    return TRUE;
}

/* A guest without a model has the host's, or none. */
static gboolean
check_features(const xmlNode *root, const ConfCpuSpec *spec, GError **error)
{
    g_autofree char *mode = conf_xml_attribute(root, "mode");

    if (spec->wishes->len > 0 && !spec->model && (!mode || g_str_equal(mode, "custom")))
        return fail(error, CONF_CPU_ERROR_XML,
                    "Non-empty feature list specified without CPU model");
    return TRUE;
}

static gboolean
read_spec(const xmlNode *root, gboolean must_host, ConfCpuSpec *spec, GError **error)
{
    g_autofree char *match = conf_xml_attribute(root, "match");

    if (!must_host && spec->host && match)
        return fail(error, CONF_CPU_ERROR_XML,
                    "'arch' element cannot be used inside 'cpu' element with 'match' attribute");
    return (spec->host ? read_host(root, spec, error) : read_guest(root, spec, error)) &&
           read_model(root, spec, error) && read_topology(root, error) &&
           read_features(root, spec, error) && check_features(root, spec, error);
}

ConfCpuSpec *
conf_cpu_spec_parse(const char *xml, gboolean must_host, GError **error)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(xml, -1, "(CPU_definition)", error);
    g_autoptr(ConfCpuSpec) spec = NULL;
    const xmlNode *root;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    if (!conf_xml_is(root, "cpu")) {
        fail(error, CONF_CPU_ERROR_XML, "XML does not contain expected 'cpu' element");
        return NULL;
    }
    spec = cpu_spec_new(must_host || find_child(root, "arch"));
    return read_spec(root, must_host, spec, error) ? g_steal_pointer(&spec) : NULL;
}

/* ---- writing ---- */

static void add(GString *xml, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add(GString *xml, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(xml, text);
}

char *
cpu_spec_format_guest(const ConfCpuSpec *spec, gboolean fallback)
{
    GString *xml = g_string_new("<cpu mode='custom' match='exact'>\n");

    add(xml, "  <model fallback='%s'>%s</model>\n", fallback ? "allow" : "forbid", spec->model);
    if (spec->vendor)
        add(xml, "  <vendor>%s</vendor>\n", spec->vendor);
    for (guint i = 0; i < spec->wishes->len; i++) {
        const ConfCpuWish *wish = spec->wishes->pdata[i];

        add(xml, "  <feature policy='%s' name='%s'/>\n", policies[wish->policy], wish->feature);
    }
    g_string_append(xml, "</cpu>\n");
    return g_string_free(xml, FALSE);
}
