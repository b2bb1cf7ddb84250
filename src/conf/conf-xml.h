/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML as text: what domXML needs from libxml2, with its limits and its errors. */
#pragma once

#include "conf-private.h"

#include <libxml/tree.h>
#include <string.h>

typedef xmlNode ConfXmlNode; /* a node without a document, freed with all below it */
void conf_xml_node_free(ConfXmlNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfXmlNode, conf_xml_node_free)

/* One document: no network, no DTD, no entities, at most CONF_MAX_XML bytes, not deeper than
 * CONF_MAX_DEPTH. `name` is what messages call it. CONF_ERROR_SYNTAX, CONF_ERROR_LIMIT. */
xmlDoc *conf_xml_read(const char *text, gssize len, const char *name, GError **error);

/* The element that a serialised one describes, without a document; NULL when it is none. */
ConfXmlNode *conf_xml_read_element(const char *text);

/* Deep, without a document, with the namespaces that it uses. */
ConfXmlNode *conf_xml_copy(const xmlNode *node);

/* How an element is laid out. */
typedef enum ConfXmlStyle {
    CONF_XML_STYLE_LIBVIRT,  /* lines, 'attributes', namespaces after them */
    CONF_XML_STYLE_METADATA, /* lines, "attributes", as libvirt leaves the user's own elements */
    CONF_XML_STYLE_COMPACT,  /* one line, "attributes": what is kept in a string */
} ConfXmlStyle;

/* `indent`: spaces before it; the lined styles end it with a new line. */
void conf_xml_print(GString *out, const xmlNode *node, ConfXmlStyle style, unsigned indent);
char *conf_xml_to_string(const xmlNode *node); /* compact */

/* The parts of it, for a tree of another kind (conf-domxml-out.c). `lines`: the element starts a
 * line of its own. */
void conf_xml_print_node(GString *out, const xmlNode *node, ConfXmlStyle style, bool lines,
                         unsigned indent);
void conf_xml_print_attribute(GString *out, ConfXmlStyle style, const char *prefix,
                              const char *name, const char *value);
void conf_xml_print_text(GString *out, ConfXmlStyle style, const char *text);
void conf_xml_print_indent(GString *out, unsigned indent);
bool conf_xml_is_text(const xmlNode *node);
bool conf_xml_is_kept(const xmlNode *node); /* an element or a comment */
/* No document of libvirt is deeper; a hostile one would become a hundred times as long. */
#define CONF_XML_MAX_INDENT 40

/* g_string_append_len(), of which a document has thousands, without a call where there is room. */
static inline void
conf_xml_put(GString *out, const char *text, size_t len)
{
    if (out->allocated_len - out->len <= len) {
        g_string_append_len(out, text, (gssize)len);
        return;
    }
    memcpy(out->str + out->len, text, len);
    out->len += len;
    out->str[out->len] = '\0';
}

/* Text that XML can carry: valid UTF-8 without control characters. */
char *conf_xml_clean(const char *text);
bool conf_xml_is_clean(const char *text); /* for sure: it is printable ASCII */

/* Appends an element without namespace. */
xmlNode *conf_xml_add(xmlNode *parent, const char *name);
void conf_xml_copy_attribute(xmlNode *node, xmlAttr *attr);

/* The next element at or after `node` among its siblings. */
xmlNode *conf_xml_element(xmlNode *node);

/* Without a namespace, of this name. */
bool conf_xml_is(const xmlNode *node, const char *name);
/* The value of an attribute without a namespace; NULL: it has none such. */
char *conf_xml_attribute(const xmlNode *node, const char *name);
