/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <metadata>: elements of others, each in a namespace of its own, kept as text in the model. */
#include "conf-xml.h"

#include <string.h>

static ConfXmlNode *
read_all(const char *metadata)
{
    g_autofree char *whole = g_strconcat("<metadata>", metadata ? metadata : "", "</metadata>",
                                         NULL);

    return conf_xml_read_element(whole);
}

static xmlNode *
find(xmlNode *all, const char *uri)
{
    xmlNode *node = all ? conf_xml_element(all->children) : NULL;

    while (node && (!node->ns || strcmp((const char *)node->ns->href, uri) != 0))
        node = conf_xml_element(node->next);
    return node;
}

static bool
is_in(const xmlNode *node, const char *uri)
{
    return node->ns && strcmp((const char *)node->ns->href, uri) == 0;
}

/* Elements without a namespace get `ns`, as libvirt does when it stores them. Not deeper than
 * CONF_MAX_DEPTH, which the reader made sure of. */
static void
put_into(xmlNode *node, xmlNs *ns)
{
    if (!node->ns)
        xmlSetNs(node, ns);
    for (xmlNode *child = conf_xml_element(node->children); child;
         child = conf_xml_element(child->next))
        put_into(child, ns);
}

static void
take_out_of(xmlNode *node, const char *uri)
{
    for (xmlNode *child = conf_xml_element(node->children); child;
         child = conf_xml_element(child->next))
        take_out_of(child, uri);
    if (is_in(node, uri))
        xmlSetNs(node, NULL);
}

static void
drop_declaration(xmlNode *node, const char *uri)
{
    for (xmlNs **at = &node->nsDef; *at;) {
        xmlNs *ns = *at;

        if (ns->href && strcmp((const char *)ns->href, uri) == 0) {
            *at = ns->next;
            xmlFreeNs(ns);
        } else {
            at = &ns->next;
        }
    }
}

/* An attribute of the namespace still needs its declaration. */
static bool
has_attribute_in(const xmlNode *node, const char *uri)
{
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
        if (attr->ns && strcmp((const char *)attr->ns->href, uri) == 0)
            return true;
    for (const xmlNode *child = conf_xml_element(node->children); child;
         child = conf_xml_element(child->next))
        if (has_attribute_in(child, uri))
            return true;
    return false;
}

char *
conf_domain_metadata_get(const ConfDomain *def, const char *uri, GError **error)
{
    g_autoptr(ConfXmlNode) all = def->metadata ? read_all(def->metadata) : NULL;
    xmlNode *found = find(all, uri);
    g_autoptr(ConfXmlNode) copy = found ? conf_xml_copy(found) : NULL;
    GString *out;

    if (!copy) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "metadata not found: Requested metadata element is not present");
        return NULL;
    }
    /* The caller knows the namespace; libvirt hands out the element without it. */
    take_out_of(copy, uri);
    if (!has_attribute_in(copy, uri))
        drop_declaration(copy, uri);
    out = g_string_new(NULL);
    conf_xml_print(out, copy, CONF_XML_STYLE_METADATA, 0);
    g_string_truncate(out, out->len - 1); /* the line's end */
    return g_string_free(out, FALSE);
}

static ConfXmlNode *
read_new(const char *uri, const char *prefix, const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(xml, -1, "(metadata_xml)", error);
    g_autoptr(ConfXmlNode) node = NULL;
    xmlNs *ns;

    if (!doc)
        return NULL;
    if (!prefix || xmlValidateNCName(BAD_CAST prefix, 0) != 0) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "invalid namespace prefix '%.64s'",
                    prefix ? prefix : "");
        return NULL;
    }
    node = conf_xml_copy(xmlDocGetRootElement(doc));
    if (is_in(node, uri))
        return g_steal_pointer(&node);
    /* NULL: the prefix stands for something else here already. */
    ns = xmlNewNs(node, BAD_CAST uri, BAD_CAST prefix);
    if (!ns) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "namespace prefix '%s' has another meaning in the element", prefix);
        return NULL;
    }
    /* get() looks for the outermost element by its namespace, so that one is always put in. */
    xmlSetNs(node, NULL);
    put_into(node, ns);
    return g_steal_pointer(&node);
}

gboolean
conf_domain_metadata_set(ConfDomain *def, const char *uri, const char *prefix, const char *xml,
                         GError **error)
{
    g_autoptr(ConfXmlNode) all = read_all(def->metadata);
    g_autoptr(ConfXmlNode) fresh = xml ? read_new(uri, prefix, xml, error) : NULL;
    GString *out;
    xmlNode *old;

    if (xml && !fresh)
        return FALSE;
    if (!all)
        all = conf_xml_add(NULL, "metadata");
    for (old = find(all, uri); old; old = find(all, uri))
        conf_xml_node_free(old);
    if (fresh)
        xmlAddChild(all, g_steal_pointer(&fresh));
    out = g_string_new(NULL);
    for (xmlNode *child = conf_xml_element(all->children); child;
         child = conf_xml_element(child->next)) {
        g_autoptr(ConfXmlNode) copy = conf_xml_copy(child);

        conf_xml_print(out, copy, CONF_XML_STYLE_COMPACT, 0);
    }
    g_free(def->metadata);
    def->metadata = out->len ? g_string_free(out, FALSE) : (g_string_free(out, TRUE), NULL);
    return TRUE;
}
