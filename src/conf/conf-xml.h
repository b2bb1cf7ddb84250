/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML as text: what domXML needs from libxml2, with its limits and its errors. */
#pragma once

#include "conf-private.h"

#include <libxml/tree.h>

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

/* As `_private` of a node: libvirt's style changes to that of metadata inside it. */
extern const char conf_xml_of_user[];

/* `indent`: spaces before it; the lined styles end it with a new line. */
void conf_xml_print(GString *out, const xmlNode *node, ConfXmlStyle style, unsigned indent);
char *conf_xml_to_string(const xmlNode *node); /* compact */

/* Text that XML can carry: valid UTF-8 without control characters. */
char *conf_xml_clean(const char *text);

/* Appends an element without namespace. */
xmlNode *conf_xml_add(xmlNode *parent, const char *name);
void conf_xml_set_attribute(xmlNode *node, const char *name, const char *value);
/* From another tree to the end of this one. */
void conf_xml_move(xmlNode *parent, xmlNode *node);
void conf_xml_copy_attribute(xmlNode *node, xmlAttr *attr);
void conf_xml_set_text(xmlNode *node, const char *value);

/* The next element at or after `node` among its siblings. */
xmlNode *conf_xml_element(xmlNode *node);
