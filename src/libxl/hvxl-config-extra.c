/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the model has no field for: devices that it keeps whole, and the remains (`extra`) of
 * everything else. A few of them mean something to libxl; of the others each element and attribute
 * has a row in the table, or is warned of under its own path.
 */
#include "hvxl-config-private.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#define MAX_DEPTH 64

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* These texts came out of our own parser; still nothing outside of them is read. */
static xmlDoc *
read_element(const char *xml)
{
    return xmlReadMemory(xml, (int)strlen(xml), "element", NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static xmlNode *
next_element(xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

static xmlNode *
child_named(const xmlNode *parent, const char *name)
{
    xmlNode *node = parent ? next_element(parent->children) : NULL;

    while (node && strcmp((const char *)node->name, name) != 0)
        node = next_element(node->next);
    return node;
}

static char *
attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = node ? xmlGetNoNsProp(node, BAD_CAST name) : NULL;
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static char *
content(const xmlNode *node)
{
    xmlChar *value = node ? xmlNodeGetContent(node) : NULL;
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

/* ---- what is left ---- */

/* The row of the path itself, or else of what it is in. */
static const HvxlRow *
row_above(const char *path)
{
    g_autofree char *part = g_strdup(path);

    for (;;) {
        const HvxlRow *row = hvxl_row_find(part, NULL);
        char *slash = strrchr(part, '/');

        if (row || slash == NULL)
            return row;
        *slash = '\0';
    }
}

static gboolean
tell(HvxlBuild *b, const char *of, const char *path, GError **error)
{
    const HvxlRow *row = row_above(path);

    if (row == NULL || (row->fate == HVXL_HONOURED && strcmp(row->path, path) != 0)) {
        hvxl_warn_path(b, of, path, "libxl has nothing like it");
        return TRUE;
    }
    switch (row->fate) {
    case HVXL_HONOURED:
    case HVXL_KEPT:
        return TRUE;
    case HVXL_WARNED:
        hvxl_warn_path(b, of, path, row->why);
        return TRUE;
    case HVXL_REFUSED:
        return hvxl_refuse(of, row->path, NULL, error);
    }
    g_assert_not_reached();
}

static gboolean
walk(HvxlBuild *b, const char *of, const xmlNode *node, const char *path, unsigned depth,
     GError **error)
{
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next) {
        g_autofree char *at = g_strdup_printf("%s/@%s", path, attr->name);

        if (!tell(b, of, at, error))
            return FALSE;
    }
    for (xmlNode *child = next_element(node->children); child; child = next_element(child->next)) {
        g_autofree char *at = g_strdup_printf("%s%s%s", path, *path ? "/" : "", child->name);
        bool deeper = child->properties || next_element(child->children);
        const HvxlRow *row = hvxl_row_find(at, NULL);

        /* One line for an element as a whole where the table has it as a whole. */
        if (row && row->fate != HVXL_HONOURED)
            deeper = false;
        if (deeper && depth < MAX_DEPTH ? !walk(b, of, child, at, depth + 1, error)
                                        : !tell(b, of, at, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_extra(HvxlBuild *b, const char *of, const char *path, const char *extra, GError **error)
{
    g_autoptr(xmlDoc) doc = extra ? read_element(extra) : NULL;
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    return root == NULL || walk(b, of, root, path, 0, error);
}

/* ---- <filesystem> ---- */

static gboolean
build_filesystem(HvxlBuild *b, const xmlNode *node, GError **error)
{
    g_autofree char *type = attribute(node, "type");
    g_autofree char *mode = attribute(node, "accessmode");
    g_autofree char *source = attribute(child_named(node, "source"), "dir");
    g_autofree char *target = attribute(child_named(node, "target"), "dir");
    g_autofree char *driver = attribute(child_named(node, "driver"), "type");
    libxl_device_p9 *xl;

    if (type && strcmp(type, "mount") != 0)
        return hvxl_refuse(target, "devices/filesystem/@type", "not mount", error);
    if (driver && strcmp(driver, "path") != 0)
        return hvxl_refuse(target, "devices/filesystem/driver/@type", "not path", error);
    if (g_strcmp0(mode, "mapped") == 0)
        return hvxl_refuse(target, "devices/filesystem/@accessmode", "mapped", error);
    if (child_named(node, "readonly"))
        return hvxl_refuse(target, "devices/filesystem/readonly", NULL, error);
    if (source == NULL || target == NULL)
        return hvxl_invalid(error, "filesystem: it needs <source dir=> and <target dir=>");
    xl = HVXL_ADD(b->config, p9s, num_p9s, p9);
    hvxl_set_string(&xl->tag, target);
    hvxl_set_string(&xl->path, source);
    hvxl_set_string(&xl->security_model, "none");
    return TRUE;
}

/* ---- <redirdev> ---- */

static gboolean
build_redirdev(HvxlBuild *b, const xmlNode *node, GError **error)
{
    g_autofree char *type = attribute(node, "type");
    libxl_spice_info *spice = &b->config->b_info.u.hvm.spice;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM || g_strcmp0(type, "spicevmc") != 0 ||
        !hvxl_is_on(spice->enable)) {
        hvxl_warn(b, NULL, "devices/redirdev", "without SPICE");
        return TRUE;
    }
    spice->usbredirection++;
    return TRUE;
}

/* ---- <sysinfo> ---- */

/* hvmloader reads these beside the domain's own xenstore entries. */
static void
put_string(HvxlBuild *b, const char *key, const char *value)
{
    g_autofree char *path = g_strconcat(HVXL_BIOS_STRINGS, key, NULL);

    hvxl_list_append_pair(&b->config->c_info.xsdata, path, value);
}

static void
build_entry(HvxlBuild *b, const char *part, const xmlNode *entry)
{
    g_autofree char *name = attribute(entry, "name");
    g_autofree char *value = content(entry);

    /* The domain's own UUID is there anyway, and libvirt wants them to be the same. */
    if (strcmp(part, "system") == 0 && g_strcmp0(name, "uuid") == 0)
        return;
    for (size_t i = 0; i < conf_n_bios_strings; i++) {
        if (strcmp(conf_bios_strings[i].part, part) == 0 &&
            g_strcmp0(conf_bios_strings[i].entry, name) == 0) {
            put_string(b, conf_bios_strings[i].name, value);
            return;
        }
    }
    hvxl_warn(b, name, "sysinfo", "other entries");
}

static void
build_oem_strings(HvxlBuild *b, const xmlNode *part)
{
    unsigned number = 1;

    for (xmlNode *entry = next_element(part->children); entry; entry = next_element(entry->next)) {
        g_autofree char *key = g_strdup_printf("oem-%u", number++);
        g_autofree char *value = content(entry);

        put_string(b, key, value);
    }
}

static gboolean
build_sysinfo(HvxlBuild *b, const xmlNode *node, GError **error)
{
    g_autofree char *type = attribute(node, "type");

    if (b->type != LIBXL_DOMAIN_TYPE_HVM || g_strcmp0(type, "smbios") != 0) {
        hvxl_warn(b, type, "sysinfo", "not smbios, or not HVM");
        return TRUE;
    }
    if (g_strcmp0(b->def->os.smbios_mode, "sysinfo") != 0)
        return TRUE; /* libvirt has it there and doesn't use it */
    for (xmlNode *part = next_element(node->children); part; part = next_element(part->next)) {
        if (strcmp((const char *)part->name, "oemStrings") == 0) {
            build_oem_strings(b, part);
            continue;
        }
        for (xmlNode *entry = next_element(part->children); entry;
             entry = next_element(entry->next))
            build_entry(b, (const char *)part->name, entry);
    }
    return TRUE;
}

/* ---- all of them ---- */

static const struct ExtraElement {
    const char *name;
    gboolean (*build)(HvxlBuild *b, const xmlNode *node, GError **error);
} raw_devices[] = {
    { "filesystem", build_filesystem },
    { "redirdev", build_redirdev },
};

static gboolean
build_raw_device(HvxlBuild *b, const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = read_element(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    g_autofree char *path = NULL;

    if (root == NULL)
        return TRUE;
    for (size_t i = 0; i < G_N_ELEMENTS(raw_devices); i++) {
        if (strcmp(raw_devices[i].name, (const char *)root->name) == 0)
            return raw_devices[i].build(b, root, error);
    }
    path = g_strconcat("devices/", (const char *)root->name, NULL);
    return tell(b, NULL, path, error);
}

static gboolean
build_remains(HvxlBuild *b, GError **error)
{
    const ConfDomain *def = b->def;
    const struct {
        const char *path;
        const char *extra;
    } parts[] = {
        { "", def->extra },
        { "cputune", def->cputune.extra },
        { "numatune", def->numatune.extra },
        { "os", def->os.extra },
        { "features", def->features.extra },
        { "features/xen", def->features.xen_extra },
        { "clock", def->clock.extra },
        { "cpu", def->cpu ? def->cpu->extra : NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!hvxl_build_extra(b, NULL, parts[i].path, parts[i].extra, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_rest(HvxlBuild *b, GError **error)
{
    g_autoptr(xmlDoc) doc = b->def->extra ? read_element(b->def->extra) : NULL;
    xmlNode *sysinfo = doc ? child_named(xmlDocGetRootElement(doc), "sysinfo") : NULL;

    for (guint i = 0; i < b->def->raw_devices->len; i++) {
        const ConfRawElement *raw = b->def->raw_devices->pdata[i];

        if (!build_raw_device(b, raw->xml, error))
            return FALSE;
    }
    return (sysinfo == NULL || build_sysinfo(b, sysinfo, error)) && build_remains(b, error);
}
