/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ConfDomain to domXML: a tree built row by row, what is kept in a rest laid over it, printed as
 * libvirt prints. */
#include "conf-domxml-out.h"
#include "conf-schema.h"

#include <string.h>

/* One struct that is being written. */
typedef struct Frame {
    OutTree *tree;
    unsigned flags;
    const ConfSchema *schema;
    const void *owner;
    OutElement *node;
    struct Made *made; /* the elements so far, the newest first: most rows are about that one */
    struct {
        const ConfRow *row;
        ConfXmlNode *skeleton; /* what of the rest is not yet in the tree */
    } rests[CONF_MAX_RESTS];
    unsigned n_rests;
    bool has_raw;       /* there are members without a row of their own */
    bool has_constants; /* there are attributes that stand there always */
} Frame;

typedef struct Made {
    struct Made *next;
    OutElement *node;
    size_t len;
    char path[];
} Made;

static void format_struct(OutTree *tree, const ConfSchema *schema, const void *owner,
                          OutElement *node, unsigned flags);

/* ---- values ---- */

/* A value's text where it is no string of the model. */
typedef struct Text {
    char number[CONF_NUMBER];
    char *owned;
} Text;

static void
text_clear(Text *text)
{
    g_free(text->owned);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Text, text_clear)

static const char *
format_optional(const ConfRow *row, const ConfOptInt *value, Text *text)
{
    if (!value->set)
        return NULL;
    if (row->hex && value->value >= 0)
        return text->owned = g_strdup_printf("0x%0*" G_GINT64_MODIFIER "x", (int)row->hex,
                                             value->value);
    return conf_number_format(text->number, value->value);
}

static const char *
format_unsigned(const ConfRow *row, unsigned value, Text *text)
{
    if (row->names)
        return conf_name_of(row->names, value ? value : row->absent);
    return value || row->flags & CONF_ROW_REQUIRED ? conf_number_format(text->number, value) : NULL;
}

static const char *
format_uuid(const ConfRow *row, const uint8_t *uuid, Text *text)
{
    const bool *set = (const bool *)(uuid + row->size);

    if (!*set)
        return NULL;
    conf_uuid_format(uuid, text->number);
    return text->number;
}

/* Presence, for a bool, is the empty text. */
static const char *
format_field(const ConfRow *row, const void *field, Text *text)
{
    uint64_t kib;

    switch (row->kind) {
    case CONF_FIELD_STRING:
        return *(char *const *)field;
    case CONF_FIELD_UINT:
        return format_unsigned(row, *(const unsigned *)field, text);
    case CONF_FIELD_INT:
        return *(const int *)field < 0 ? NULL
                                       : conf_number_format(text->number, *(const int *)field);
    case CONF_FIELD_KIB:
        kib = *(const uint64_t *)field;
        if (kib > G_MAXINT64)
            return text->owned = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)kib);
        return kib ? conf_number_format(text->number, (gint64)kib) : NULL;
    case CONF_FIELD_OPT:
        return format_optional(row, field, text);
    case CONF_FIELD_BOOL:
        return *(const bool *)field ? "" : NULL;
    case CONF_FIELD_BITMAP:
        return *(ConfBitmap *const *)field
                   ? (text->owned = conf_bitmap_format(*(ConfBitmap *const *)field))
                   : NULL;
    case CONF_FIELD_UUID:
        return format_uuid(row, field, text);
    case CONF_FIELD_PLACE:
    case CONF_FIELD_CONSTANT:
    case CONF_FIELD_STRUCT:
    case CONF_FIELD_POINTER:
    case CONF_FIELD_LIST:
        break;
    }
    return NULL;
}

/* Good as long as the owner and `text` are. */
static const char *
format_value(const Frame *frame, const ConfRow *row, Text *text)
{
    if (row->flags & CONF_ROW_SECRET && !(frame->flags & CONF_XML_SECURE))
        return NULL;
    if (row->format)
        return text->owned = row->format(frame->owner, frame->flags);
    if (row->live && frame->flags & CONF_XML_INACTIVE && row->live(frame->owner))
        return NULL;
    if (row->when && !row->when(frame->owner))
        return NULL;
    return format_field(row, conf_row_const_field(row, frame->owner), text);
}

/* ---- elements ---- */

/* An element of a path: "xen:" has its namespace, and a branch is not seen. */
static OutElement *
add_element(OutTree *tree, OutElement *parent, const char *name)
{
    size_t len = strcspn(name, ".");
    const char *plain = name + strlen("xen:");

    if (!g_str_has_prefix(name, "xen:"))
        return conf_out_add(tree, parent, name, len);
    return conf_out_add_ns(tree, parent, plain, len - strlen("xen:"), CONF_XEN_NS, "xen");
}

static void
set_constants(const Frame *frame, const char *path, OutElement *node)
{
    size_t len = strlen(path);

    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];

        if (row->kind == CONF_FIELD_CONSTANT && strncmp(row->path, path, len) == 0 &&
            row->path[len] == '@')
            conf_out_set_attribute(frame->tree, node, row->path + len + 1, row->constant);
    }
}

/* The element at `path` below the struct's own, made when it is not there yet. */
static OutElement *
element_at(Frame *frame, const char *path)
{
    size_t len = strlen(path);
    OutElement *parent = frame->node;
    const char *slash = strrchr(path, '/');
    Made *made;

    if (!len)
        return frame->node;
    for (made = frame->made; made; made = made->next)
        if (made->len == len && memcmp(made->path, path, len) == 0)
            return made->node;
    if (slash) {
        char above[CONF_MAX_PATH];

        memcpy(above, path, slash - path);
        above[slash - path] = '\0';
        parent = element_at(frame, above);
    }
    made = conf_out_memory(frame->tree, sizeof(Made) + len + 1);
    made->len = len;
    memcpy(made->path, path, len + 1);
    made->node = add_element(frame->tree, parent, slash ? slash + 1 : path);
    made->next = frame->made;
    frame->made = made;
    if (frame->has_constants)
        set_constants(frame, path, made->node);
    return made->node;
}

/* Splits "a/b@c" into "a/b" and "@c", "a/b" into "a/b" and "". */
static const char *
split_path(const char *path, char ret_element[CONF_MAX_PATH])
{
    size_t len = strcspn(path, "@#");

    g_assert(len < CONF_MAX_PATH);
    memcpy(ret_element, path, len);
    ret_element[len] = '\0';
    return path + len;
}

/* ---- the rest ---- */

static void
load_rest(Frame *frame, const ConfRow *row)
{
    const char *text = *(char *const *)conf_row_const_field(row, frame->owner);

    if (!text || !conf_row_is_rest(row))
        return;
    g_assert(frame->n_rests < CONF_MAX_RESTS);
    frame->rests[frame->n_rests].row = row;
    frame->rests[frame->n_rests].skeleton = conf_xml_read_element(text);
    if (frame->rests[frame->n_rests].skeleton)
        frame->n_rests++;
}

/* What is to be known before the first row is written. */
static void
look_ahead(Frame *frame)
{
    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];

        if (row->kind == CONF_FIELD_STRING)
            load_rest(frame, row);
        else if (row->kind == CONF_FIELD_CONSTANT)
            frame->has_constants = true;
        else if (row->kind == CONF_FIELD_LIST && row->schema == &conf_schema_raw_element &&
                 (*(GPtrArray *const *)conf_row_const_field(row, frame->owner))->len)
            frame->has_raw = true;
    }
}

static bool
is_empty(const xmlNode *node)
{
    return !node->children && !node->properties;
}

/* What is kept for the element at `path`; NULL: nothing. */
static xmlNode *
kept_at(const Frame *frame, const char *path)
{
    xmlNode *node = NULL;
    const char *left = path;

    /* The closest of those that are there; the struct's own one holds for every path. */
    for (unsigned i = 0; i < frame->n_rests; i++) {
        size_t len = strcspn(frame->rests[i].row->path, "#");

        if (strncmp(path, frame->rests[i].row->path, len) != 0 ||
            (len && path[len] && path[len] != '/') || (node && len < (size_t)(left - path)))
            continue;
        node = frame->rests[i].skeleton;
        left = path + len + (len && path[len] == '/');
    }
    while (node && *left) {
        size_t len = strcspn(left, "/");
        xmlNode *child = conf_xml_element(node->children);

        while (child && (strncmp((const char *)child->name, left, len) != 0 || child->name[len]))
            child = conf_xml_element(child->next);
        node = child;
        left += len + (left[len] == '/');
    }
    return node && !is_empty(node) ? node : NULL;
}

static void
move_attribute(Frame *frame, xmlAttr *attr, OutElement *node)
{
    conf_out_take_attribute(frame->tree, node, attr);
    xmlRemoveProp(attr);
}

/* The declarations of its namespaces may be those of an element that stays behind. */
static void
move_node(Frame *frame, xmlNode *child, OutElement *node)
{
    conf_out_take_node(frame->tree, node, conf_xml_copy(child));
    conf_xml_node_free(child);
}

/* PLACE: what is kept under this name goes here. */
static void
format_place(Frame *frame, const char *element, const char *suffix)
{
    char parent[CONF_MAX_PATH];
    const char *slash = strrchr(element, '/');
    const char *name = slash ? slash + 1 : element;
    xmlNode *kept, *next;

    if (*suffix == '@') {
        kept = kept_at(frame, element);
        xmlAttr *attr = kept ? xmlHasNsProp(kept, BAD_CAST(suffix + 1), NULL) : NULL;

        if (attr)
            move_attribute(frame, attr, element_at(frame, element));
        return;
    }
    g_strlcpy(parent, element, sizeof(parent));
    parent[slash ? slash - element : 0] = '\0';
    kept = kept_at(frame, parent);
    for (xmlNode *child = kept ? conf_xml_element(kept->children) : NULL; child; child = next) {
        next = conf_xml_element(child->next);
        if (strcmp((const char *)child->name, name) != 0)
            continue;
        move_node(frame, child, element_at(frame, parent));
    }
}

/* Lays what is kept for `path` over the element that stands there. An element that rows know is
 * the one in the tree, any other is added whole. As deep as the rows' paths. */
static void
merge(Frame *frame, const char *path, xmlNode *kept)
{
    OutElement *node = is_empty(kept) ? NULL : element_at(frame, path);
    xmlNode *next;

    while (kept->properties)
        move_attribute(frame, kept->properties, node);
    for (xmlNode *child = kept->children; child; child = next) {
        char child_path[CONF_MAX_PATH];
        ConfMatch match = { 0 };

        next = child->next;
        if (child->type == XML_ELEMENT_NODE && !child->ns &&
            strlen(path) + strlen((const char *)child->name) + 2 < CONF_MAX_PATH) {
            g_snprintf(child_path, sizeof(child_path), "%s%s%s", path, *path ? "/" : "",
                       child->name);
            match = conf_schema_match(frame->schema, child_path);
        }
        if ((match.leaf && !conf_row_is_struct(match.leaf)) || match.deeper) {
            merge(frame, child_path, child);
        } else {
            move_node(frame, child, node);
        }
    }
}

static void
format_rest(Frame *frame, const ConfRow *row, const char *element)
{
    for (unsigned i = 0; i < frame->n_rests; i++)
        if (frame->rests[i].row == row)
            merge(frame, element, frame->rests[i].skeleton);
}

/* ---- lists ---- */

/* Is there a PLACE for members of this name? Then the wildcard leaves them out. */
static bool
has_place(const ConfSchema *schema, const char *container, const char *name)
{
    g_autofree char *path = g_strconcat(container, *container ? "/" : "", name, NULL);

    for (unsigned i = 0; i < schema->n_rows; i++)
        if (schema->rows[i].kind == CONF_FIELD_PLACE && strcmp(schema->rows[i].path, path) == 0)
            return true;
    return false;
}

static char *
name_of_raw(const ConfRawElement *raw)
{
    const char *at = raw->xml && *raw->xml == '<' ? raw->xml + 1 : "";

    return g_strndup(at, strcspn(at, " \t\r\n/>"));
}

/* Raw members called `only`; NULL: those that have no place of their own. */
static void
format_raw(Frame *frame, const ConfRow *row, const char *container, const char *only)
{
    const GPtrArray *list = *(GPtrArray *const *)conf_row_const_field(row, frame->owner);

    for (guint i = 0; i < list->len; i++) {
        const ConfRawElement *raw = list->pdata[i];
        g_autofree char *name = name_of_raw(raw);
        ConfXmlNode *node;

        if (only ? strcmp(name, only) != 0 : has_place(frame->schema, container, name))
            continue;
        node = conf_xml_read_element(raw->xml);
        if (node)
            conf_out_take_node(frame->tree, element_at(frame, container), node);
    }
}

static void
format_list(Frame *frame, const ConfRow *row, const char *container, const char *name)
{
    const GPtrArray *list = *(GPtrArray *const *)conf_row_const_field(row, frame->owner);

    for (guint i = 0; i < list->len; i++) {
        g_autofree char *own = NULL;

        /* A wildcard's members say themselves what they are called. */
        if (strcmp(name, "+") == 0)
            own = conf_xml_clean(
                *(char *const *)conf_row_const_field(row->schema->rows, list->pdata[i]));
        if (own && xmlValidateNCName(BAD_CAST own, 0) != 0)
            continue;
        format_struct(frame->tree, row->schema, list->pdata[i],
                      add_element(frame->tree, element_at(frame, container), own ? own : name),
                      frame->flags);
    }
}

/* ---- rows ---- */

static void
format_sub_struct(Frame *frame, const ConfRow *row, const char *element)
{
    const void *field = conf_row_const_field(row, frame->owner);
    char container[CONF_MAX_PATH];
    const char *slash = strrchr(element, '/');
    const char *name = slash ? slash + 1 : element;
    OutElement *parent, *node;

    if (row->kind == CONF_FIELD_POINTER && !*(void *const *)field)
        return;
    g_strlcpy(container, element, sizeof(container));
    container[slash ? slash - element : 0] = '\0';
    if (row->kind == CONF_FIELD_LIST && row->schema == &conf_schema_raw_element) {
        format_raw(frame, row, container, NULL);
    } else if (row->kind == CONF_FIELD_LIST) {
        format_list(frame, row, container, name);
    } else if (row->kind == CONF_FIELD_POINTER) {
        format_struct(frame->tree, row->schema, *(void *const *)field, element_at(frame, element),
                      frame->flags);
    } else {
        parent = element_at(frame, container);
        node = add_element(frame->tree, parent, name);
        format_struct(frame->tree, row->schema, field, node, frame->flags);
        if (conf_out_is_empty(node))
            conf_out_drop_last(parent);
    }
}

/* "metadata#inner": the user's own elements. */
static void
format_inner(Frame *frame, const ConfRow *row, const char *element)
{
    const char *inner = *(char *const *)conf_row_const_field(row, frame->owner);
    g_autofree char *whole = NULL;
    g_autoptr(ConfXmlNode) node = NULL;
    xmlNode *next;

    if (!inner)
        return;
    conf_out_set_of_user(element_at(frame, element));
    whole = g_strconcat("<inner>", inner, "</inner>", NULL);
    node = conf_xml_read_element(whole);
    for (xmlNode *child = node ? node->children : NULL; child; child = next) {
        next = child->next;
        move_node(frame, child, element_at(frame, element));
    }
}

static void
format_scalar(Frame *frame, const ConfRow *row, const char *element, const char *suffix,
              const char *value)
{
    OutElement *node = element_at(frame, element);

    if (*suffix == '@')
        conf_out_set_attribute(frame->tree, node, suffix + 1, value);
    else if (*suffix == '\0')
        conf_out_set_text(frame->tree, node, value);
    if (row->kind == CONF_FIELD_KIB)
        conf_out_set_attribute(frame->tree, node, "unit", "KiB");
}

/* Most rows of most structs have nothing to say: that is seen before any path is looked at.
 * Where something is kept in a rest, each row may have its share of it. */
static bool
is_absent(const Frame *frame, const ConfRow *row)
{
    const void *field = conf_row_const_field(row, frame->owner);

    switch (row->kind) {
    case CONF_FIELD_STRING:
        return !*(char *const *)field && !row->format;
    case CONF_FIELD_BITMAP:
    case CONF_FIELD_POINTER:
        return !*(void *const *)field && !row->format;
    case CONF_FIELD_LIST:
        return (*(GPtrArray *const *)field)->len == 0;
    case CONF_FIELD_PLACE: /* of what is kept, or among the raw members of a domain */
        return !frame->has_raw;
    case CONF_FIELD_BOOL:
        return !*(const bool *)field && !row->format;
    case CONF_FIELD_OPT:
        return !((const ConfOptInt *)field)->set && !row->format;
    case CONF_FIELD_CONSTANT: /* comes with its element */
        return true;
    case CONF_FIELD_UINT:
    case CONF_FIELD_INT:
    case CONF_FIELD_KIB:
    case CONF_FIELD_UUID:
    case CONF_FIELD_STRUCT:
        break;
    }
    return false;
}

static void
format_row(Frame *frame, const ConfRow *row)
{
    g_auto(Text) text = { .owned = NULL };
    const char *value = NULL;
    char element[CONF_MAX_PATH];
    const char *suffix, *slash;
    const ConfRow *wild;

    if (!conf_row_is_struct(row) && row->kind != CONF_FIELD_PLACE) {
        value = format_value(frame, row, &text);
        if (!value && !frame->n_rests)
            return;
    }
    suffix = split_path(row->path, element);
    slash = strrchr(element, '/');
    /* An element of which nothing but unknown things is there still has its place. */
    if (*element && !conf_row_is_struct(row) && row->kind != CONF_FIELD_PLACE &&
        kept_at(frame, element))
        element_at(frame, element);
    if (strcmp(suffix, "#rest") == 0) {
        format_rest(frame, row, element);
    } else if (strcmp(suffix, "#inner") == 0) {
        format_inner(frame, row, element);
    } else if (conf_row_is_struct(row)) {
        format_sub_struct(frame, row, element);
    } else if (row->kind != CONF_FIELD_PLACE) {
        if (value)
            format_scalar(frame, row, element, suffix, value);
    } else {
        format_place(frame, element, suffix);
        element[slash ? slash - element : 0] = '\0';
        wild = slash ? conf_schema_wildcard(frame->schema, element) : NULL;
        if (wild)
            format_raw(frame, wild, element, slash + 1);
    }
}

/* "#name": the caller has named the element. */
static bool
is_name(const ConfRow *row)
{
    return row->path[0] == '#' && strcmp(row->path, "#name") == 0;
}

static void
format_struct(OutTree *tree, const ConfSchema *schema, const void *owner, OutElement *node,
              unsigned flags)
{
    Frame frame = { .tree = tree, .flags = flags, .schema = schema, .owner = owner, .node = node };

    look_ahead(&frame);
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if ((frame.n_rests || !is_absent(&frame, row)) && row->kind != CONF_FIELD_CONSTANT &&
            !is_name(row))
            format_row(&frame, row);
    }
    for (unsigned i = 0; i < frame.n_rests; i++)
        conf_xml_node_free(frame.rests[i].skeleton);
}

char *
conf_domain_format_xml(const ConfDomain *def, unsigned flags)
{
    g_autoptr(OutTree) tree = conf_out_new("domain");

    format_struct(tree, &conf_schema_domain, def, conf_out_root(tree), flags);
    return conf_out_print(tree);
}

char *
conf_schema_format(const ConfSchema *schema, const void *owner, const char *element, unsigned flags)
{
    g_autoptr(OutTree) tree = conf_out_new(element);

    format_struct(tree, schema, owner, conf_out_root(tree), flags);
    return conf_out_print(tree);
}
