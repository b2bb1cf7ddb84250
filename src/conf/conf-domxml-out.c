/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-domxml-out.h"

#include "conf-arena.h"

#include <string.h>

typedef struct OutAttribute {
    struct OutAttribute *next;
    const char *name; /* as it is printed, with its prefix */
    const char *value;
} OutAttribute;

typedef struct OutItem {
    struct OutItem *next;
    /* one of them */
    OutElement *element;
    const char *text;
    ConfXmlNode *node;
} OutItem;

struct OutElement {
    const char *name; /* as it is printed, with its prefix */
    OutAttribute *attributes, **attributes_end;
    OutItem *items, **items_end;
    bool of_user;
};

struct OutTree {
    ConfArena arena;
    GPtrArray *nodes; /* ConfXmlNode, owned */
    OutElement *root;
    OutAttribute *namespaces; /* declared at the root; name: "xmlns:PREFIX" */
};

/* ---- memory ---- */

void *
conf_out_memory(OutTree *tree, size_t size)
{
    return conf_arena_take(&tree->arena, size);
}

static char *
take_string(OutTree *tree, const char *text, size_t len)
{
    return conf_arena_strndup(&tree->arena, text, len);
}

static const char *
take_clean(OutTree *tree, const char *value)
{
    g_autofree char *clean = conf_xml_is_clean(value) ? NULL : conf_xml_clean(value);

    value = clean ? clean : value;
    return take_string(tree, value, strlen(value));
}

static OutElement *
new_element(OutTree *tree, const char *name)
{
    OutElement *element = conf_out_memory(tree, sizeof(OutElement));

    *element = (OutElement){ .name = name };
    element->attributes_end = &element->attributes;
    element->items_end = &element->items;
    return element;
}

OutTree *
conf_out_new(const char *name)
{
    OutTree *tree = g_new0(OutTree, 1);

    tree->root = new_element(tree, name);
    return tree;
}

void
conf_out_free(OutTree *tree)
{
    if (!tree)
        return;
    conf_arena_clear(&tree->arena);
    g_clear_pointer(&tree->nodes, g_ptr_array_unref);
    g_free(tree);
}

OutElement *
conf_out_root(OutTree *tree)
{
    return tree->root;
}

/* ---- namespaces ---- */

static const char *
prefix_of(const OutAttribute *declaration)
{
    return declaration->name + strlen("xmlns:");
}

static bool
is_taken(const OutTree *tree, const char *prefix)
{
    for (const OutAttribute *each = tree->namespaces; each; each = each->next)
        if (strcmp(prefix_of(each), prefix) == 0)
            return true;
    return false;
}

static const char *
declare(OutTree *tree, const char *prefix, const char *href)
{
    g_autofree char *name = g_strconcat("xmlns:", prefix, NULL);
    OutAttribute *declaration = conf_out_memory(tree, sizeof(OutAttribute));
    OutAttribute **end = &tree->namespaces;

    while (*end)
        end = &(*end)->next;
    *declaration = (OutAttribute){ NULL };
    declaration->name = take_string(tree, name, strlen(name));
    declaration->value = take_string(tree, href, strlen(href));
    *end = declaration;
    return prefix_of(declaration);
}

/* The prefix that stands for it: `prefix`, unless another namespace has it. */
static const char *
prefix_for(OutTree *tree, const char *href, const char *prefix)
{
    g_autofree char *other = NULL;

    for (const OutAttribute *each = tree->namespaces; each; each = each->next)
        if (strcmp(each->value, href) == 0)
            return prefix_of(each);
    for (unsigned i = 1; is_taken(tree, other ? other : prefix); i++) {
        g_free(other);
        other = g_strdup_printf("%s%u", prefix, i);
    }
    return declare(tree, other ? other : prefix, href);
}

/* ---- building ---- */

static OutItem *
append_item(OutTree *tree, OutElement *parent)
{
    OutItem *item = conf_out_memory(tree, sizeof(OutItem));

    *item = (OutItem){ NULL };
    *parent->items_end = item;
    parent->items_end = &item->next;
    return item;
}

OutElement *
conf_out_add(OutTree *tree, OutElement *parent, const char *name, size_t len)
{
    OutElement *element = new_element(tree, take_string(tree, name, len));

    append_item(tree, parent)->element = element;
    return element;
}

OutElement *
conf_out_add_ns(OutTree *tree, OutElement *parent, const char *name, size_t len, const char *href,
                const char *prefix)
{
    OutElement *element = conf_out_add(tree, parent, name, len);
    const char *used = prefix_for(tree, href, prefix);
    g_autofree char *full = g_strconcat(used, ":", element->name, NULL);

    element->name = take_string(tree, full, strlen(full));
    return element;
}

void
conf_out_drop_last(OutElement *parent)
{
    OutItem **last = &parent->items;

    while ((*last)->next)
        last = &(*last)->next;
    *last = NULL;
    parent->items_end = last;
}

bool
conf_out_is_empty(const OutElement *element)
{
    return !element->attributes && !element->items;
}

void
conf_out_set_of_user(OutElement *element)
{
    element->of_user = true;
}

static OutAttribute *
find_attribute(const OutElement *element, const char *name)
{
    OutAttribute *attribute = element->attributes;

    while (attribute && strcmp(attribute->name, name) != 0)
        attribute = attribute->next;
    return attribute;
}

void
conf_out_set_attribute(OutTree *tree, OutElement *element, const char *name, const char *value)
{
    OutAttribute *attribute = find_attribute(element, name);

    if (!attribute) {
        attribute = conf_out_memory(tree, sizeof(OutAttribute));
        *attribute = (OutAttribute){ NULL };
        attribute->name = take_string(tree, name, strlen(name));
        *element->attributes_end = attribute;
        element->attributes_end = &attribute->next;
    }
    attribute->value = take_clean(tree, value);
}

void
conf_out_set_text(OutTree *tree, OutElement *element, const char *value)
{
    const char *clean = take_clean(tree, value);

    /* An empty text would print as <a></a>, which libvirt writes as <a/>. */
    if (*clean)
        append_item(tree, element)->text = clean;
}

void
conf_out_take_attribute(OutTree *tree, OutElement *element, const xmlAttr *attr)
{
    const char *local = (const char *)attr->name;
    const char *prefix = attr->ns ? (const char *)attr->ns->prefix : NULL;
    g_autofree char *full = NULL;
    xmlChar *value;

    /* "xml" is declared for every document. */
    if (prefix && strcmp(prefix, "xml") != 0)
        prefix = prefix_for(tree, (const char *)attr->ns->href, prefix);
    full = prefix ? g_strconcat(prefix, ":", local, NULL) : g_strdup(local);
    if (find_attribute(element, full))
        return;
    value = xmlNodeListGetString(attr->doc, attr->children, 1);
    conf_out_set_attribute(tree, element, full, value ? (const char *)value : "");
    xmlFree(value);
}

void
conf_out_take_node(OutTree *tree, OutElement *element, ConfXmlNode *node)
{
    if (!tree->nodes)
        tree->nodes = g_ptr_array_new_with_free_func((GDestroyNotify)conf_xml_node_free);
    g_ptr_array_add(tree->nodes, node);
    append_item(tree, element)->node = node;
}

/* ---- printing ---- */

static bool
is_text(const OutItem *item)
{
    return item->text || (item->node && conf_xml_is_text(item->node));
}

static bool
is_blank(const OutItem *item)
{
    if (item->node)
        return xmlIsBlankNode(item->node);
    return !item->text[strspn(item->text, " \t\r\n")];
}

static bool
is_kept(const OutItem *item)
{
    return item->element || (item->node && conf_xml_is_kept(item->node));
}

static void print_element(GString *out, const OutElement *element, const OutAttribute *namespaces,
                          ConfXmlStyle style, bool lines, unsigned indent);

static void
print_item(GString *out, const OutItem *item, ConfXmlStyle style, bool lines, unsigned indent)
{
    if (item->text)
        conf_xml_print_text(out, style, item->text);
    else if (item->node)
        conf_xml_print_node(out, item->node, style, lines, indent);
    else
        print_element(out, item->element, NULL, style, lines, indent);
}

/* As conf_xml_print() does it for the children of a node. */
static void
print_items(GString *out, const OutElement *element, ConfXmlStyle style, bool lines,
            unsigned indent)
{
    bool elements = false, text = false;

    for (const OutItem *item = element->items; item; item = item->next) {
        if (is_text(item))
            text |= !is_blank(item);
        else
            elements |= is_kept(item);
    }
    lines = lines && !text && indent < CONF_XML_MAX_INDENT;
    if (element->of_user)
        style = CONF_XML_STYLE_METADATA;
    if (elements && lines)
        g_string_append_c(out, '\n');
    for (const OutItem *item = element->items; item; item = item->next)
        if (is_text(item) ? !elements || text : is_kept(item))
            print_item(out, item, style, lines, indent + 2);
    if (elements && lines)
        conf_xml_print_indent(out, indent);
}

static void
print_attributes(GString *out, const OutAttribute *attribute, ConfXmlStyle style)
{
    for (; attribute; attribute = attribute->next)
        conf_xml_print_attribute(out, style, NULL, attribute->name, attribute->value);
}

static void
print_element(GString *out, const OutElement *element, const OutAttribute *namespaces,
              ConfXmlStyle style, bool lines, unsigned indent)
{
    size_t len = strlen(element->name);

    if (lines)
        conf_xml_print_indent(out, indent);
    g_string_append_c(out, '<');
    conf_xml_put(out, element->name, len);
    print_attributes(out, element->attributes, style);
    print_attributes(out, namespaces, style);
    if (element->items) {
        g_string_append_c(out, '>');
        print_items(out, element, style, lines, indent);
        conf_xml_put(out, "</", 2);
        conf_xml_put(out, element->name, len);
        g_string_append_c(out, '>');
    } else {
        conf_xml_put(out, "/>", 2);
    }
    if (lines)
        g_string_append_c(out, '\n');
}

char *
conf_out_print(const OutTree *tree)
{
    GString *out = g_string_sized_new(4096);

    print_element(out, tree->root, tree->namespaces, CONF_XML_STYLE_LIBVIRT, true, 0);
    return g_string_free(out, FALSE);
}
