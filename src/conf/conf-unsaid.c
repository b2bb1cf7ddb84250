/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a definition another one does not say. A writer of a native format reads its own text
 * back and compares: what it has no words for cannot be forgotten in a list that way.
 */
#include "conf-private.h"
#include "conf-xml.h"

#include <libxml/parser.h>
#include <string.h>

#define XEN_WEIGHT 256 /* of a domain without one */

typedef struct Comparison {
    ConfReport *report;
    const char *reason;
} Comparison;

/* <vcpu cpuset=> is what <vcpupin> says for each processor that it does not name. */
static void
pin_each_vcpu(ConfDomain *def)
{
    GPtrArray *pins = def->cputune.vcpupin;
    g_autoptr(ConfBitmap) pinned = conf_bitmap_new(1);

    if (def->cpuset == NULL)
        return;
    for (guint i = 0; i < pins->len; i++)
        conf_bitmap_set(pinned, ((ConfVcpuPin *)g_ptr_array_index(pins, i))->vcpu, true);
    for (unsigned i = 0; i < def->vcpus_max; i++) {
        ConfVcpuPin *pin;

        if (conf_bitmap_get(pinned, i))
            continue;
        pin = conf_vcpu_pin_new();
        pin->vcpu = i;
        pin->cpuset = conf_bitmap_copy(def->cpuset);
        g_ptr_array_add(pins, pin);
    }
    g_clear_pointer(&def->cpuset, conf_bitmap_free);
}

/* Both with the defaults, so that what every guest gets anyway is not called lost. Without
 * passwords, since values end up in the report; the native formats have words for them. */
static xmlDoc *
as_document(const ConfDomain *def, bool with_uuid)
{
    g_autoptr(ConfDomain) copy = conf_domain_copy(def);
    g_autofree char *text = NULL;

    if (!with_uuid) {
        memset(copy->uuid, 0, sizeof copy->uuid);
        copy->uuid_set = true;
    }
    conf_domain_fill_defaults(copy);
    pin_each_vcpu(copy);
    /* What a loader is, and a domain weighs, where nobody says it. */
    if (g_strcmp0(copy->os.loader_type, "rom") == 0)
        conf_set_string(&copy->os.loader_type, NULL);
    if (copy->cputune.shares.value == XEN_WEIGHT)
        copy->cputune.shares.set = false;
    text = conf_domain_format_xml(copy, CONF_XML_INACTIVE);
    return xmlReadMemory(text, (int)strlen(text), NULL, NULL,
                         XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS |
                             XML_PARSE_NONET);
}

static char *
dump(const xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text;

    xmlNodeDump(buffer, node->doc, (xmlNode *)node, 0, 0);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

static bool
has_elements(const xmlNode *node)
{
    for (const xmlNode *child = node->children; child != NULL; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            return true;
    }
    return false;
}

static char *
content(const xmlNode *node)
{
    xmlChar *value = xmlNodeGetContent(node);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static void
add_row(const Comparison *cmp, const char *path, const char *value, const char *other)
{
    if (other == NULL)
        conf_report_add(cmp->report, CONF_OUTCOME_LOST, 0, 0, path, value, "%s", cmp->reason);
    else
        conf_report_add(cmp->report, CONF_OUTCOME_CHANGED, 0, 0, path, value,
                        "comes back as '%.80s'", other);
}

static void
compare_attributes(const Comparison *cmp, const xmlNode *a, const xmlNode *b, const char *path)
{
    for (const xmlAttr *attr = a->properties; attr != NULL; attr = attr->next) {
        const char *name = (const char *)attr->name;
        g_autofree char *ours = conf_xml_attribute(a, name);
        g_autofree char *theirs = conf_xml_attribute(b, name);
        g_autofree char *attr_path = g_strdup_printf("%s/@%s", path, name);

        if (g_strcmp0(ours, theirs) != 0)
            add_row(cmp, attr_path, ours, theirs);
    }
}

typedef struct Child {
    const xmlNode *node;
    char *key;  /* name, and of a disk the target: what has to be equal at all */
    char *dump; /* everything */
    bool taken;
} Child;

static void
child_clear(gpointer data)
{
    Child *child = data;

    g_free(child->key);
    g_free(child->dump);
}

static char *
key_of(const xmlNode *node)
{
    const char *name = (const char *)node->name;

    for (const xmlNode *child = node->children; g_str_equal(name, "disk") && child != NULL;
         child = child->next) {
        if (child->type == XML_ELEMENT_NODE && g_str_equal((const char *)child->name, "target")) {
            g_autofree char *dev = conf_xml_attribute(child, "dev");

            return g_strdup_printf("disk %s", dev != NULL ? dev : "");
        }
    }
    return g_strdup(name);
}

static GArray *
children_of(const xmlNode *node)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Child));

    g_array_set_clear_func(list, child_clear);
    for (const xmlNode *child = node->children; child != NULL; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) {
            Child entry = { child, key_of(child), dump(child), false };

            g_array_append_val(list, entry);
        }
    }
    return list;
}

/* The one that is the same altogether, else the first one of the same key. */
static Child *
find_partner(GArray *list, const Child *child, bool exactly)
{
    for (guint i = 0; i < list->len; i++) {
        Child *other = &g_array_index(list, Child, i);

        if (!other->taken &&
            g_str_equal(exactly ? other->dump : other->key, exactly ? child->dump : child->key))
            return other;
    }
    return NULL;
}

static char *
child_path(const GArray *list, guint index, const char *path)
{
    const char *name = (const char *)g_array_index(list, Child, index).node->name;
    unsigned total = 0, number = 0;

    for (guint i = 0; i < list->len; i++) {
        if (!g_str_equal((const char *)g_array_index(list, Child, i).node->name, name))
            continue;
        total++;
        number += i <= index;
    }
    return total > 1 ? g_strdup_printf("%s/%s[%u]", path, name, number)
                     : g_strdup_printf("%s/%s", path, name);
}

/* As deep as what conf_domain_format_xml() wrote and libxml2 (with its limit of 256) read. */
static void
compare(const Comparison *cmp, const xmlNode *a, const xmlNode *b, const char *path)
{
    g_autoptr(GArray) ours = children_of(a), theirs = children_of(b);

    compare_attributes(cmp, a, b, path);
    if (!has_elements(a)) {
        g_autofree char *mine = content(a);
        g_autofree char *other = content(b);

        if (g_strcmp0(mine, other) != 0)
            add_row(cmp, path, mine, *other != '\0' ? other : NULL);
        return;
    }
    for (guint i = 0; i < ours->len; i++) {
        Child *child = &g_array_index(ours, Child, i);
        Child *partner = find_partner(theirs, child, true);

        if (partner != NULL)
            child->taken = partner->taken = true;
    }
    for (guint i = 0; i < ours->len; i++) {
        Child *child = &g_array_index(ours, Child, i);
        Child *partner = child->taken ? NULL : find_partner(theirs, child, false);
        g_autofree char *sub = NULL;

        if (child->taken)
            continue;
        sub = child_path(ours, i, path);
        if (partner != NULL) {
            partner->taken = true;
            compare(cmp, child->node, partner->node, sub);
        } else {
            add_row(cmp, sub, child->dump, NULL);
        }
    }
}

void
conf_report_unsaid(ConfReport *report, const ConfDomain *def, const ConfDomain *back,
                   const char *reason)
{
    g_autoptr(xmlDoc) a = as_document(def, def->uuid_set);
    g_autoptr(xmlDoc) b = as_document(back, def->uuid_set);
    Comparison cmp = { report, reason };

    if (a == NULL || b == NULL) {
        conf_report_add(report, CONF_OUTCOME_LOST, 0, 0, "/domain", NULL,
                        "what was lost could not be worked out");
        return;
    }
    compare(&cmp, xmlDocGetRootElement(a), xmlDocGetRootElement(b), "/domain");
}
