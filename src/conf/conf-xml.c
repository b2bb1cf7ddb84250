/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

void
conf_xml_node_free(ConfXmlNode *node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

/* ---- reading ---- */

typedef struct Reader {
    const char *name;
    GError *error; /* the first one: those that follow are its consequences */
} Reader;

static void
report(Reader *reader, ConfError code, int line, int column, const char *message)
{
    g_autofree char *reason = NULL;

    if (reader->error)
        return;
    reason = g_utf8_make_valid(message, -1);
    g_strstrip(reason);
    reader->error = g_error_new(CONF_ERROR, code, "%s:%d:%d: %s", reader->name, MAX(line, 1),
                                MAX(column, 1), reason);
}

static void
on_error(void *data, xmlErrorPtr xml_error)
{
    xmlParserCtxt *ctxt = data;
    const char *message = xml_error->message ? xml_error->message : "unreadable XML";
    /* libxml2 has no code of its own for its limit of 256, which is ours too. */
    bool deep = g_str_has_prefix(message, "Excessive depth");

    if (xml_error->level < XML_ERR_ERROR)
        return;
    /* int2 is the column; a namespace without declaration is no reason to refuse a document. */
    if (xml_error->domain == XML_FROM_NAMESPACE)
        return;
    report(ctxt->_private, deep ? CONF_ERROR_LIMIT : CONF_ERROR_SYNTAX, xml_error->line,
           xml_error->int2, deep ? "elements are nested too deeply, at most 256" : message);
    xmlStopParser(ctxt);
}

/* A DTD could define entities that grow without end, or name files. domXML needs none. */
static void
on_dtd(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxt *ctxt = data;

    report(ctxt->_private, CONF_ERROR_SYNTAX, xmlSAX2GetLineNumber(ctxt),
           xmlSAX2GetColumnNumber(ctxt), "a document type declaration is not allowed");
    xmlStopParser(ctxt);
}

static void
init_library(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        xmlInitParser();
        g_once_init_leave(&done, 1);
    }
}

/* libxml2 has errors without a context, which it would print on our stderr. */
static void
ignore_error(void *data, xmlErrorPtr xml_error)
{
}

static xmlDoc *
read_with(xmlParserCtxt *ctxt, Reader *reader, const char *text, gsize len)
{
    int options = XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    xmlStructuredErrorFunc of_caller = xmlStructuredError; /* this thread's */
    void *of_caller_data = xmlStructuredErrorContext;
    g_autoptr(xmlDoc) doc = NULL;

    ctxt->_private = reader;
    ctxt->sax->serror = on_error;
    ctxt->sax->internalSubset = on_dtd;
    xmlSetStructuredErrorFunc(NULL, ignore_error);
    doc = xmlCtxtReadMemory(ctxt, text, len, NULL, NULL, options);
    xmlSetStructuredErrorFunc(of_caller_data, of_caller);
    if (!reader->error && (!doc || !xmlDocGetRootElement(doc)))
        report(reader, CONF_ERROR_SYNTAX, 1, 1, "the document is not well-formed XML");
    return reader->error ? NULL : g_steal_pointer(&doc);
}

/* ---- before reading ---- */

/* libxml2 compares each attribute of an element with each other, and looks a prefix up among all
 * namespaces in scope: one element with 250000 attributes would keep it busy for minutes. Nothing
 * in domXML comes near these. */
#define MAX_ATTRIBUTES 256
#define MAX_NAMESPACES 1024

/* Behind what ends with `mark`, or `end`. */
static const char *
skip_to(const char *p, const char *end, const char *mark)
{
    const char *found = g_strstr_len(p, end - p, mark);

    return found ? found + strlen(mark) : end;
}

/* Behind the tag that begins at p; *ret_n is how many values it has. Quotes may hold any '>'. */
static const char *
skip_tag(const char *p, const char *end, unsigned *ret_n)
{
    char quote = '\0';

    for (*ret_n = 0; p < end && (quote != '\0' || *p != '>'); p++) {
        if (*p == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*p == '"' || *p == '\'')) {
            quote = *p;
            ++*ret_n;
        }
    }
    return p;
}

static bool
is_bearable(const char *text, gsize len)
{
    const char *end = text + len, *p = text;
    unsigned n_values = 0, n_namespaces = 0;

    while ((p = memchr(p, '<', (gsize)(end - p)))) {
        if (g_str_has_prefix(p, "<!--"))
            p = skip_to(p + 4, end, "-->");
        else if (g_str_has_prefix(p, "<![CDATA["))
            p = skip_to(p, end, "]]>");
        else if (g_str_has_prefix(p, "<?"))
            p = skip_to(p, end, "?>");
        else
            p = skip_tag(p, end, &n_values);
        if (n_values > MAX_ATTRIBUTES)
            return false;
    }
    for (p = text; (p = g_strstr_len(p, end - p, "xmlns")); p++) {
        if (++n_namespaces > MAX_NAMESPACES)
            return false;
    }
    return true;
}

/* In others the bytes looked at above need not be what they look like. */
static bool
is_ascii_based(const char *text, gsize len)
{
    static const char *const known[] = { "utf-8",     "utf8",  "us-ascii",   "ascii",
                                         "iso-8859-", "latin", "windows-125" };
    g_autofree char *declaration = NULL;
    const char *word;

    if (g_str_has_prefix(text, "\xef\xbb\xbf"))
        return is_ascii_based(text + 3, len - 3);
    if (g_str_has_prefix(text, "\x4c\x6f\xa7\x94")) /* "<?xml" in EBCDIC */
        return false;
    if (!g_str_has_prefix(text, "<?xml"))
        return true;
    declaration = g_ascii_strdown(text, skip_to(text, text + len, "?>") - text);
    word = strstr(declaration, "encoding");
    if (!word)
        return true;
    word += strlen("encoding");
    word += strspn(word, " \t\r\n=\"'");
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_str_has_prefix(word, known[i]))
            return true;
    }
    return false;
}

/* `text` ends in a NUL. */
static gboolean
check_text(const char *text, gsize len, const char *name, GError **error)
{
    if (!is_ascii_based(text, len)) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_SYNTAX,
                    "%s:1:1: the encoding of the document is not supported; convert it to UTF-8",
                    name);
        return FALSE;
    }
    if (!is_bearable(text, len)) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                    "%s:1:1: more than %u attributes of one element, or %u namespaces", name,
                    MAX_ATTRIBUTES, MAX_NAMESPACES);
        return FALSE;
    }
    return TRUE;
}

/* A prefix that nothing declares stays a part of the name. "xen" could then be taken for the one
 * that the writer declares: what has it is dropped, as libvirt drops it. */
static bool
is_undeclared_xen(const xmlNs *ns, const xmlChar *name)
{
    return ns == NULL && g_str_has_prefix((const char *)name, "xen:");
}

static void
drop_undeclared(xmlNode *node)
{
    for (xmlAttr *next, *attr = node->properties; attr; attr = next) {
        next = attr->next;
        if (is_undeclared_xen(attr->ns, attr->name))
            xmlRemoveProp(attr);
    }
    for (xmlNode *next, *child = node->children; child; child = next) {
        next = child->next;
        if (child->type != XML_ELEMENT_NODE)
            continue;
        if (!is_undeclared_xen(child->ns, child->name)) {
            drop_undeclared(child);
            continue;
        }
        xmlUnlinkNode(child);
        xmlFreeNode(child);
    }
}

xmlDoc *
conf_xml_read(const char *text, gssize len, const char *name, GError **error)
{
    g_autofree char *copy = NULL;
    gsize size = len < 0 ? strlen(text) : (gsize)len;
    Reader reader = { .name = name };
    xmlParserCtxt *ctxt;
    xmlDoc *doc;

    if (size > CONF_MAX_XML) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                    "%s:1:1: the document has %" G_GSIZE_FORMAT " bytes, at most %u are read", name,
                    size, CONF_MAX_XML);
        return NULL;
    }
    if (memchr(text, '\0', size)) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_SYNTAX,
                    "%s:1:1: the document has a NUL byte; it must be UTF-8 text", name);
        return NULL;
    }
    copy = g_strndup(text, size);
    if (!check_text(copy, size, name, error))
        return NULL;
    init_library();
    ctxt = xmlNewParserCtxt();
    g_assert(ctxt); /* out of memory, where GLib ends the process too */
    doc = read_with(ctxt, &reader, text, size);
    if (doc && !ctxt->nsWellFormed)
        drop_undeclared(xmlDocGetRootElement(doc));
    xmlFreeParserCtxt(ctxt);
    if (!doc)
        g_propagate_error(error, reader.error);
    return doc;
}

ConfXmlNode *
conf_xml_read_element(const char *text)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(text, -1, "element", NULL);

    return doc ? conf_xml_copy(xmlDocGetRootElement(doc)) : NULL;
}

ConfXmlNode *
conf_xml_copy(const xmlNode *node)
{
    /* The copy of a node without a parent brings the declarations along that it needs. */
    xmlNode *copy = xmlDocCopyNode((xmlNode *)node, NULL, 1);

    g_assert(copy);
    return copy;
}

/* ---- looking ---- */

bool
conf_xml_is(const xmlNode *node, const char *name)
{
    return !node->ns && strcmp((const char *)node->name, name) == 0;
}

char *
conf_xml_attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, BAD_CAST name);
    char *text = g_strdup((const char *)value);

    xmlFree(value);
    return text;
}

/* ---- building ---- */

void
conf_xml_copy_attribute(xmlNode *node, xmlAttr *attr)
{
    xmlAttr *copy = xmlCopyProp(node, attr);

    g_assert(copy);
    /* The copy claims its parent, though it is not in its list yet: xmlAddChild() would take it
     * for one that is. */
    copy->parent = NULL;
    xmlAddChild(node, (xmlNode *)copy);
}

/* What the XML specification lets a document contain. */
static bool
is_xml_char(gunichar c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xd7ff) ||
           (c >= 0xe000 && c <= 0xfffd) || c >= 0x10000;
}

/* Printable ASCII, which nearly all text is. */
bool
conf_xml_is_clean(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

char *
conf_xml_clean(const char *text)
{
    g_autofree char *valid = NULL;
    GString *clean;

    if (conf_xml_is_clean(text))
        return g_strdup(text);
    valid = g_utf8_make_valid(text, -1);
    clean = g_string_sized_new(strlen(valid));
    for (const char *at = valid; *at; at = g_utf8_next_char(at))
        if (is_xml_char(g_utf8_get_char(at)))
            g_string_append_len(clean, at, g_utf8_next_char(at) - at);
    return g_string_free(clean, FALSE);
}

xmlNode *
conf_xml_add(xmlNode *parent, const char *name)
{
    xmlNode *node = xmlNewNode(NULL, BAD_CAST name);

    g_assert(node);
    if (parent)
        xmlAddChild(parent, node);
    return node;
}

xmlNode *
conf_xml_element(xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

/* ---- printing ---- */

/* libvirt escapes both quotes everywhere; in the user's own elements libxml2 does only what it
 * must. White space that a reader would take for a plain space is escaped in either. */
static const char *
special_characters(ConfXmlStyle style, bool attribute)
{
    if (style == CONF_XML_STYLE_LIBVIRT)
        return attribute ? "<>&'\"\n\r\t" : "<>&'\"\r";
    return attribute ? "<>&\"\n\r\t" : "<>&\r";
}

static void
print_escaped(GString *out, ConfXmlStyle style, const char *text, bool attribute)
{
    const char *special = special_characters(style, attribute);

    for (const char *at = text; *at; at++) {
        size_t plain = strcspn(at, special);

        conf_xml_put(out, at, plain);
        at += plain;
        switch (*at) {
        case '\0':
            return;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '\'':
            g_string_append(out, "&apos;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        default:
            g_string_append_printf(out, "&#%d;", *at);
        }
    }
}

/* Either may be NULL. */
static void
print_name(GString *out, const void *prefix, const void *name)
{
    if (prefix)
        conf_xml_put(out, prefix, strlen(prefix));
    if (prefix && name)
        g_string_append_c(out, ':');
    if (name)
        conf_xml_put(out, name, strlen(name));
}

void
conf_xml_print_indent(GString *out, unsigned indent)
{
    static const char blanks[] = "                                                ";

    conf_xml_put(out, blanks, MIN(indent, sizeof(blanks) - 1));
}

void
conf_xml_print_attribute(GString *out, ConfXmlStyle style, const char *prefix, const char *name,
                         const char *value)
{
    char quote = style == CONF_XML_STYLE_LIBVIRT ? '\'' : '"';

    char equals[] = { '=', quote };

    conf_xml_put(out, " ", 1);
    print_name(out, prefix, name);
    conf_xml_put(out, equals, sizeof equals);
    print_escaped(out, style, value, true);
    g_string_append_c(out, quote);
}

static void
print_declarations(GString *out, const xmlNode *node, ConfXmlStyle style)
{
    for (const xmlNs *ns = node->nsDef; ns; ns = ns->next) {
        const char *prefix = (const char *)ns->prefix;

        if (g_strcmp0(prefix, "xml") != 0) /* known to every reader */
            conf_xml_print_attribute(out, style, "xmlns", prefix,
                                     ns->href ? (const char *)ns->href : "");
    }
}

static void
print_attributes(GString *out, const xmlNode *node, ConfXmlStyle style)
{
    if (style != CONF_XML_STYLE_LIBVIRT)
        print_declarations(out, node, style);
    for (xmlAttr *attr = node->properties; attr; attr = attr->next) {
        xmlChar *value = xmlNodeListGetString(node->doc, attr->children, 1);

        conf_xml_print_attribute(out, style, attr->ns ? (const char *)attr->ns->prefix : NULL,
                                 (const char *)attr->name, value ? (const char *)value : "");
        xmlFree(value);
    }
    if (style == CONF_XML_STYLE_LIBVIRT)
        print_declarations(out, node, style);
}

bool
conf_xml_is_text(const xmlNode *node)
{
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

bool
conf_xml_is_kept(const xmlNode *node)
{
    return node->type == XML_ELEMENT_NODE || node->type == XML_COMMENT_NODE;
}

/* Lines and indentation may be added to an element only where nothing but elements is in it. */
static void
look_inside(const xmlNode *node, bool *ret_elements, bool *ret_text)
{
    *ret_elements = *ret_text = false;
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (conf_xml_is_text(child))
            *ret_text |= !xmlIsBlankNode(child);
        else
            *ret_elements |= conf_xml_is_kept(child);
    }
}

static void
print_children(GString *out, const xmlNode *node, ConfXmlStyle style, bool lines, unsigned indent)
{
    bool elements, text;

    look_inside(node, &elements, &text);
    lines = lines && !text && indent < CONF_XML_MAX_INDENT;
    if (elements && lines)
        g_string_append_c(out, '\n');
    for (const xmlNode *child = node->children; child; child = child->next) {
        /* Blanks between elements are layout, which is redone here. */
        if (conf_xml_is_text(child) ? elements && !text : !conf_xml_is_kept(child))
            continue;
        conf_xml_print_node(out, child, style, lines, indent + 2);
    }
    if (elements && lines)
        conf_xml_print_indent(out, indent);
}

static void
print_element(GString *out, const xmlNode *node, ConfXmlStyle style, bool lines, unsigned indent)
{
    const xmlChar *prefix = node->ns ? node->ns->prefix : NULL;

    g_string_append_c(out, '<');
    print_name(out, prefix, node->name);
    print_attributes(out, node, style);
    if (!node->children) {
        g_string_append(out, "/>");
        return;
    }
    g_string_append_c(out, '>');
    print_children(out, node, style, lines, indent);
    g_string_append(out, "</");
    print_name(out, prefix, node->name);
    g_string_append_c(out, '>');
}

void
conf_xml_print_text(GString *out, ConfXmlStyle style, const char *text)
{
    print_escaped(out, style, text, false);
}

void
conf_xml_print_node(GString *out, const xmlNode *node, ConfXmlStyle style, bool lines,
                    unsigned indent)
{
    if (conf_xml_is_text(node)) {
        conf_xml_print_text(out, style, (const char *)node->content);
        return;
    }
    if (lines)
        conf_xml_print_indent(out, indent);
    if (node->type == XML_ELEMENT_NODE)
        print_element(out, node, style, lines, indent);
    else if (node->type == XML_COMMENT_NODE)
        g_string_append_printf(out, "<!--%s-->", (const char *)node->content);
    if (lines)
        g_string_append_c(out, '\n');
}

void
conf_xml_print(GString *out, const xmlNode *node, ConfXmlStyle style, unsigned indent)
{
    conf_xml_print_node(out, node, style, style != CONF_XML_STYLE_COMPACT, indent);
}

char *
conf_xml_to_string(const xmlNode *node)
{
    GString *out = g_string_new(NULL);

    conf_xml_print(out, node, CONF_XML_STYLE_COMPACT, 0);
    return g_string_free(out, FALSE);
}
