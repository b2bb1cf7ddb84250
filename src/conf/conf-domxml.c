/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domXML to ConfDomain: one walk over the document, each node looked up among the rows of its
 * struct. What has no row goes into the struct's rest, so nothing is lost. */
#include "conf-schema.h"

#include <errno.h>
#include <string.h>

typedef struct Parse {
    const char *name; /* what messages call the document */
    const char *text; /* for columns; NULL: not known */
    gsize len;
    unsigned flags;
    GError **error;
} Parse;

/* One struct that is being filled. */
typedef struct Frame {
    Parse *parse;
    const ConfSchema *schema;
    void *owner;
    xmlNode *node;
    bool seen[CONF_MAX_ROWS];
    /* The same for elements that only stand around others, under the first row inside them: one
     * bit for each depth, because a row may be the first of several. */
    uint8_t entered[CONF_MAX_ROWS];
    struct {
        const ConfRow *row;
        ConfXmlNode *skeleton;
    } rests[CONF_MAX_RESTS];
    unsigned n_rests;
} Frame;

/* ---- messages ---- */

/* libxml2 keeps only the line of an element. The column is certain when its line has one such
 * tag; 0: it is not. */
static unsigned
find_column(const Parse *parse, const xmlNode *node, long line)
{
    g_autofree char *tag = g_strconcat("<", node->name, NULL);
    const char *at = parse->text;
    const char *end = parse->text ? parse->text + parse->len : NULL;
    const char *eol, *found;

    for (long i = 1; at && i < line; i++) {
        at = memchr(at, '\n', end - at);
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return 0;
    eol = memchr(at, '\n', end - at);
    eol = eol ? eol : end;
    found = g_strstr_len(at, eol - at, tag);
    if (!found || g_strstr_len(found + 1, eol - found - 1, tag))
        return 0;
    return found - at + 1;
}

static gboolean fail(const Parse *parse, const xmlNode *node, ConfError code, const char *format,
                     ...) G_GNUC_PRINTF(4, 5);

static gboolean
fail(const Parse *parse, const xmlNode *node, ConfError code, const char *format, ...)
{
    long line = node ? xmlGetLineNo(node) : 0;
    unsigned column = line > 0 ? find_column(parse, node, line) : 0;
    g_autoptr(GString) place = g_string_new(parse->name);
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    if (line > 0)
        g_string_append_printf(place, ":%ld", line);
    if (column)
        g_string_append_printf(place, ":%u", column);
    g_set_error(parse->error, CONF_ERROR, code, "%s: %s", place->str, reason);
    return FALSE;
}

/* The words of libvirt: "Invalid value for attribute 'x' in element 'y': 'z'". */
static gboolean
fail_value(const Frame *frame, const ConfRow *row, const xmlNode *node, const char *text,
           const char *expected)
{
    const char *attribute = strrchr(row->path, '@');

    if (row->wrong)
        return fail(frame->parse, node, CONF_ERROR_INVALID, "%s '%.80s'", row->wrong, text);
    if (attribute)
        return fail(frame->parse, node, CONF_ERROR_INVALID,
                    "Invalid value for attribute '%s' in element '%s': '%.80s'%s%s", attribute + 1,
                    node->name, text, expected ? ". Expected " : "", expected ? expected : "");
    return fail(frame->parse, node, CONF_ERROR_INVALID,
                "Invalid value for element '%s': '%.80s'%s%s", node->name, text,
                expected ? ". Expected " : "", expected ? expected : "");
}

/* ---- values ---- */

static bool
parse_integer(const char *text, int base, int64_t *ret_value)
{
    char *end = NULL;
    int64_t value;

    while (g_ascii_isspace(*text))
        text++;
    if (base == 10 && (text[0] == '0') && (text[1] == 'x' || text[1] == 'X'))
        base = 16;
    errno = 0;
    value = g_ascii_strtoll(text, &end, base);
    if (end == text || errno)
        return false;
    while (g_ascii_isspace(*end))
        end++;
    if (*end)
        return false;
    *ret_value = value;
    return true;
}

/* Multipliers of libvirt's "scaled integers": a power of ten with "b", of two otherwise. */
static bool
unit_bytes(const char *unit, uint64_t *ret_bytes)
{
    static const char letters[] = "kmgtpe";
    const char *letter;
    uint64_t step, bytes = 1;

    if (g_ascii_strcasecmp(unit, "b") == 0 || g_ascii_strcasecmp(unit, "bytes") == 0 ||
        g_ascii_strcasecmp(unit, "byte") == 0) {
        *ret_bytes = 1;
        return true;
    }
    letter = *unit ? strchr(letters, g_ascii_tolower(*unit)) : NULL;
    if (!letter)
        return false;
    if (unit[1] == '\0' || g_ascii_strcasecmp(unit + 1, "iB") == 0)
        step = 1024;
    else if (g_ascii_strcasecmp(unit + 1, "b") == 0)
        step = 1000;
    else
        return false;
    for (const char *at = letters; at <= letter; at++)
        bytes *= step;
    *ret_bytes = bytes;
    return true;
}

/* Memory is kept in KiB; what is smaller is rounded up, as libvirt does. */
static gboolean
set_kib(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    xmlChar *attribute = xmlGetNoNsProp(node, BAD_CAST "unit");
    g_autofree char *unit = g_strdup(attribute ? (const char *)attribute : "KiB");
    uint64_t *field = conf_row_field(row, frame->owner);
    uint64_t bytes_per_unit;
    int64_t value;

    xmlFree(attribute);
    if (!unit_bytes(unit, &bytes_per_unit))
        return fail(frame->parse, node, CONF_ERROR_INVALID,
                    "unknown unit '%.32s' of element '%s'; known are b, KB, KiB, MB, MiB, GB, GiB "
                    "and so on",
                    unit, node->name);
    if (!parse_integer(text, 10, &value) || value < 0)
        return fail_value(frame, row, node, text, "non-negative integer value");
    if ((uint64_t)value > (UINT64_MAX >> 1) / bytes_per_unit)
        return fail(frame->parse, node, CONF_ERROR_INVALID, "value of element '%s' is too large",
                    node->name);
    *field = ((uint64_t)value * bytes_per_unit + 1023) / 1024;
    return TRUE;
}

static gboolean
set_unsigned(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    unsigned *field = conf_row_field(row, frame->owner);
    int64_t value;

    if (row->names)
        return conf_name_find(row->names, text, field) ? TRUE
                                                       : fail_value(frame, row, node, text, NULL);
    if (!parse_integer(text, 10, &value) || value < 0 || value > UINT_MAX)
        return fail_value(frame, row, node, text, "non-negative integer value");
    *field = value;
    return TRUE;
}

static gboolean
set_optional(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    ConfOptInt *field = conf_row_field(row, frame->owner);
    int64_t value;

    /* libvirt reads PCI and USB numbers as C does: 0x1f, 037, 31. */
    if (!parse_integer(text, row->hex ? 0 : 10, &value))
        return fail_value(frame, row, node, text, "integer value");
    *field = (ConfOptInt){ .set = true, .value = value };
    return TRUE;
}

static gboolean
set_id(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    int *field = conf_row_field(row, frame->owner);
    int64_t value;

    if (!parse_integer(text, 10, &value) || value < -1 || value > INT_MAX)
        return fail_value(frame, row, node, text, "integer value");
    *field = value;
    return TRUE;
}

static gboolean
set_string(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    char **field = conf_row_field(row, frame->owner);
    g_autoptr(GError) error = NULL;
    char *value = row->parse ? row->parse(text, &error) : g_strdup(text);

    if (!value)
        return fail(frame->parse, node, CONF_ERROR_INVALID, "%s", error->message);
    g_free(*field);
    *field = value;
    return TRUE;
}

static gboolean
set_bitmap(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    ConfBitmap **field = conf_row_field(row, frame->owner);
    g_autoptr(GError) error = NULL;
    ConfBitmap *map = conf_bitmap_parse(text, 0, &error);

    if (!map)
        return fail_value(frame, row, node, text, "a list of numbers such as 0-3,^2,7");
    conf_bitmap_free(*field);
    *field = map;
    return TRUE;
}

static gboolean
set_uuid(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    uint8_t *field = conf_row_field(row, frame->owner);
    bool *set = (bool *)(field + row->size);

    if (!conf_uuid_parse(text, field))
        return fail_value(frame, row, node, text, NULL);
    *set = true;
    return TRUE;
}

static gboolean
set_value(Frame *frame, const ConfRow *row, xmlNode *node, const char *text)
{
    frame->seen[row - frame->schema->rows] = true;
    switch (row->kind) {
    case CONF_FIELD_STRING:
        return set_string(frame, row, node, text);
    case CONF_FIELD_UINT:
        return set_unsigned(frame, row, node, text);
    case CONF_FIELD_INT:
        return set_id(frame, row, node, text);
    case CONF_FIELD_KIB:
        return set_kib(frame, row, node, text);
    case CONF_FIELD_OPT:
        return set_optional(frame, row, node, text);
    case CONF_FIELD_BOOL:
        *(bool *)conf_row_field(row, frame->owner) = true;
        return TRUE;
    case CONF_FIELD_BITMAP:
        return set_bitmap(frame, row, node, text);
    case CONF_FIELD_UUID:
        return set_uuid(frame, row, node, text);
    case CONF_FIELD_PLACE:
    case CONF_FIELD_CONSTANT:
    case CONF_FIELD_STRUCT:
    case CONF_FIELD_POINTER:
    case CONF_FIELD_LIST:
        break;
    }
    return TRUE;
}

/* ---- the rest ---- */

/* The element below `skeleton` that stands for the path `left`; made as needed. */
static xmlNode *
skeleton_at(xmlNode *skeleton, const char *left)
{
    g_auto(GStrv) names = g_strsplit(left, "/", -1);

    for (char **name = names; *name; name++) {
        xmlNode *child = conf_xml_element(skeleton->children);

        while (child && strcmp((const char *)child->name, *name) != 0)
            child = conf_xml_element(child->next);
        skeleton = child ? child : conf_xml_add(skeleton, *name);
    }
    return skeleton;
}

/* Where the unknown parts of the element at `path` are kept; NULL: nowhere. */
static xmlNode *
rest_at(Frame *frame, const char *path)
{
    const char *left = NULL;
    const ConfRow *row = conf_schema_rest(frame->schema, path, &left);
    unsigned i = 0;

    if (!row)
        return NULL;
    while (i < frame->n_rests && frame->rests[i].row != row)
        i++;
    if (i == frame->n_rests) {
        g_autofree char *name = g_strndup(row->path, strcspn(row->path, "#"));

        g_assert(i < CONF_MAX_RESTS);
        frame->rests[i].row = row;
        frame->rests[i].skeleton = conf_xml_add(NULL, *name ? name : frame->schema->name);
        frame->n_rests++;
    }
    return skeleton_at(frame->rests[i].skeleton, left);
}

static void
keep_attribute(Frame *frame, const char *path, xmlAttr *attr)
{
    xmlNode *rest = rest_at(frame, path);

    if (rest)
        conf_xml_copy_attribute(rest, attr);
}

static void
keep_element(Frame *frame, const char *path, const xmlNode *node)
{
    xmlNode *rest = rest_at(frame, path);

    if (rest)
        xmlAddChild(rest, conf_xml_copy(node));
}

static void
finish_rests(Frame *frame)
{
    for (unsigned i = 0; i < frame->n_rests; i++) {
        char **field = conf_row_field(frame->rests[i].row, frame->owner);
        xmlNode *skeleton = frame->rests[i].skeleton;

        g_free(*field);
        *field = skeleton->children || skeleton->properties ? conf_xml_to_string(skeleton) : NULL;
        conf_xml_node_free(skeleton);
    }
}

/* ---- the walk ---- */

static gboolean parse_struct(Parse *parse, const ConfSchema *schema, void *owner, xmlNode *node);
static gboolean parse_element(Frame *frame, xmlNode *node, const char *path);

static char *
text_of(const xmlNode *node)
{
    GString *text = g_string_new(NULL);

    for (const xmlNode *child = node->children; child; child = child->next)
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            g_string_append(text, (const char *)child->content);
    return g_string_free(text, FALSE);
}

/* unit= belongs to the memory value of its element. */
static bool
is_unit(const Frame *frame, const char *path, const char *name)
{
    size_t len = strlen(path);

    if (strcmp(name, "unit") != 0)
        return false;
    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];

        if (row->kind == CONF_FIELD_KIB && strncmp(row->path, path, len) == 0 &&
            (row->path[len] == '\0' || row->path[len] == '@'))
            return true;
    }
    return false;
}

static gboolean
parse_attribute(Frame *frame, xmlNode *node, const char *path, xmlAttr *attr)
{
    const char *name = (const char *)attr->name;
    const ConfRow *row = attr->ns ? NULL
                                  : conf_schema_attribute(frame->schema, frame->owner, path, name);
    g_autofree char *text = NULL;
    xmlChar *value;

    if (!row && !attr->ns && is_unit(frame, path, name))
        return TRUE;
    if (!row) {
        keep_attribute(frame, path, attr);
        return TRUE;
    }
    /* The spelling that fits the type wins over the one that is read out of kindness. */
    if (row->flags & CONF_ROW_ALIAS && *(char **)conf_row_field(row, frame->owner) && row->when &&
        !row->when(frame->owner))
        return TRUE;
    value = xmlNodeListGetString(node->doc, attr->children, 1);
    text = g_strdup(value ? (const char *)value : "");
    xmlFree(value);
    return set_value(frame, row, node, text);
}

static gboolean
parse_member(Frame *frame, const ConfRow *row, xmlNode *node)
{
    GPtrArray *list = *(GPtrArray **)conf_row_field(row, frame->owner);
    void *member;

    if (list->len >= CONF_MAX_DEVICES)
        return fail(frame->parse, node, CONF_ERROR_LIMIT,
                    "more than %d elements of the kind of '%s'", CONF_MAX_DEVICES, node->name);
    member = conf_schema_new(row->schema);
    g_ptr_array_add(list, member);
    return parse_struct(frame->parse, row->schema, member, node);
}

static gboolean
parse_leaf_struct(Frame *frame, const ConfRow *row, xmlNode *node)
{
    void *field = conf_row_field(row, frame->owner);

    if (row->kind == CONF_FIELD_LIST)
        return parse_member(frame, row, node);
    if (row->kind == CONF_FIELD_STRUCT)
        return parse_struct(frame->parse, row->schema, field, node);
    *(void **)field = conf_schema_new(row->schema);
    return parse_struct(frame->parse, row->schema, *(void **)field, node);
}

/* An element that only says "here I am" where libvirt expects state='on'. */
static void
set_bare(Frame *frame, const char *path)
{
    size_t len = strlen(path);

    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];

        if (row->flags & CONF_ROW_BARE && !frame->seen[i] && strncmp(row->path, path, len) == 0 &&
            row->path[len] == '@')
            *(unsigned *)conf_row_field(row, frame->owner) = row->names->value;
    }
}

/* "metadata#inner" */
static void
keep_inner(Frame *frame, const ConfRow *row, xmlNode *node)
{
    char **field = conf_row_field(row, frame->owner);
    GString *text = g_string_new(NULL);

    for (xmlNode *child = node->children; child; child = child->next) {
        g_autoptr(ConfXmlNode) copy = NULL;

        if (child->type != XML_ELEMENT_NODE && child->type != XML_COMMENT_NODE)
            continue;
        copy = conf_xml_copy(child);
        conf_xml_print(text, copy, CONF_XML_STYLE_COMPACT, 0);
    }
    g_free(*field);
    *field = g_string_free(text, FALSE);
}

static bool
was_here(Frame *frame, const ConfMatch *match, const char *path)
{
    bool there;
    unsigned i, depth = 0;

    if (match->leaf) {
        i = match->leaf - frame->schema->rows;
        there = frame->seen[i];
        frame->seen[i] = true;
        return there;
    }
    for (; (path = strchr(path, '/')); path++)
        depth++;
    i = match->deeper - frame->schema->rows;
    there = frame->entered[i] & 1u << depth;
    frame->entered[i] |= 1u << depth;
    return there;
}

/* But for lists, an element stands once: of two, one would have to be forgotten. */
static gboolean
enter(Frame *frame, const ConfMatch *match, const char *path, const xmlNode *node)
{
    if (match->leaf && match->leaf->kind == CONF_FIELD_LIST)
        return TRUE;
    if (!was_here(frame, match, path))
        return TRUE;
    return fail(frame->parse, node, CONF_ERROR_INVALID,
                "element '%s' stands more than once in element '%s'", node->name,
                node->parent->name);
}

static gboolean
parse_child(Frame *frame, xmlNode *node, const char *prefix)
{
    char path[CONF_MAX_PATH];
    bool known = conf_schema_child_path(frame->schema, frame->owner, prefix, node, path);
    ConfMatch match = known ? conf_schema_match(frame->schema, path) : (ConfMatch){ 0 };
    const ConfRow *wild;

    if (!match.leaf && !match.deeper) {
        wild = conf_schema_wildcard(frame->schema, prefix);
        if (wild)
            return parse_member(frame, wild, node);
        keep_element(frame, prefix, node);
        return TRUE;
    }
    if (!enter(frame, &match, path, node))
        return FALSE;
    if (match.leaf && conf_row_is_struct(match.leaf))
        return parse_leaf_struct(frame, match.leaf, node);
    if (match.leaf) {
        g_autofree char *text = text_of(node);

        if (!set_value(frame, match.leaf, node, text))
            return FALSE;
    }
    if (match.deeper && g_str_has_suffix(match.deeper->path, "#inner")) {
        keep_inner(frame, match.deeper, node);
        return TRUE;
    }
    if (!parse_element(frame, node, path))
        return FALSE;
    set_bare(frame, path);
    return TRUE;
}

/* Attributes and children of the element at `path`. The recursion is as deep as the rows' paths:
 * what they don't know is kept, not walked. */
static gboolean
parse_element(Frame *frame, xmlNode *node, const char *path)
{
    for (xmlAttr *attr = node->properties; attr; attr = attr->next)
        if (!parse_attribute(frame, node, path, attr))
            return FALSE;
    for (xmlNode *child = conf_xml_element(node->children); child;
         child = conf_xml_element(child->next))
        if (!parse_child(frame, child, path))
            return FALSE;
    return TRUE;
}

/* Rows about the struct's own element: its name, its text, all of it. true: that was all. */
static bool
parse_self(Frame *frame)
{
    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];
        char **field = conf_row_field(row, frame->owner);

        if (row->path[0] != '#' && row->path[0] != '\0')
            continue;
        if (strcmp(row->path, "#xml") == 0) {
            g_autoptr(ConfXmlNode) copy = conf_xml_copy(frame->node);

            *field = conf_xml_to_string(copy);
            return true;
        }
        if (strcmp(row->path, "#name") == 0)
            *field = g_strdup((const char *)frame->node->name);
        else if (strcmp(row->path, "") == 0)
            *field = text_of(frame->node);
    }
    return false;
}

static gboolean
check_required(Frame *frame)
{
    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];
        const char *attribute;

        if (!(row->flags & CONF_ROW_REQUIRED) || frame->seen[i])
            continue;
        attribute = strchr(row->path, '@');
        if (row->missing)
            return fail(frame->parse, frame->node, CONF_ERROR_INVALID, "%s", row->missing);
        return fail(frame->parse, frame->node, CONF_ERROR_INVALID,
                    "Missing required %s '%s' in element '%s'", attribute ? "attribute" : "element",
                    attribute ? attribute + 1 : row->path, frame->node->name);
    }
    return TRUE;
}

static void
drop_live(Frame *frame)
{
    for (unsigned i = 0; i < frame->schema->n_rows; i++) {
        const ConfRow *row = &frame->schema->rows[i];
        void *field = conf_row_field(row, frame->owner);

        if (!row->live || !row->live(frame->owner))
            continue;
        if (row->kind == CONF_FIELD_STRING)
            g_clear_pointer((char **)field, g_free);
        else if (row->kind == CONF_FIELD_OPT)
            ((ConfOptInt *)field)->set = false;
        else if (row->kind == CONF_FIELD_INT)
            *(int *)field = -1;
    }
}

static gboolean
parse_struct(Parse *parse, const ConfSchema *schema, void *owner, xmlNode *node)
{
    Frame frame = { .parse = parse, .schema = schema, .owner = owner, .node = node };
    gboolean ok;

    if (parse_self(&frame))
        return TRUE;
    ok = parse_element(&frame, node, "") && check_required(&frame);
    finish_rests(&frame);
    if (ok && parse->flags & CONF_XML_INACTIVE)
        drop_live(&frame);
    return ok;
}

/* ---- what every consumer relies on ---- */

static xmlNode *
find_child(xmlNode *node, const char *name)
{
    xmlNode *child = conf_xml_child(node, name);

    return child ? child : node;
}

static gboolean
check_identity(const Parse *parse, const ConfDomain *def, xmlNode *root)
{
    xmlNode *node = find_child(root, "name");

    if (!*def->name)
        return fail(parse, node, CONF_ERROR_INVALID, "missing name information: the name is empty");
    if (strchr(def->name, '/'))
        return fail(parse, node, CONF_ERROR_INVALID, "name %.80s cannot contain '/'", def->name);
    if (strpbrk(def->name, "\n\r"))
        return fail(parse, node, CONF_ERROR_INVALID, "name cannot contain a line break");
    if (strcmp(def->name, ".") == 0 || strcmp(def->name, "..") == 0)
        return fail(parse, node, CONF_ERROR_INVALID, "name '%s' cannot name a file", def->name);
    if (!def->uuid_set && !(parse->flags & CONF_XML_NO_UUID_OK))
        return fail(parse, root, CONF_ERROR_INVALID, "missing uuid element");
    return TRUE;
}

/* As many as a ConfBitmap holds: no consumer loops over more. */
#define MAX_VCPUS 65536

static gboolean
check_resources(const Parse *parse, const ConfDomain *def, xmlNode *root)
{
    xmlNode *memory = find_child(root, "memory");
    xmlNode *vcpu = find_child(root, "vcpu");

    if (memory == root)
        return fail(parse, root, CONF_ERROR_INVALID, "Memory size must be specified via <memory>");
    if (!def->memory_kib)
        return fail(parse, memory, CONF_ERROR_INVALID, "memory must be greater than 0");
    if (!def->vcpus_max)
        return fail(parse, vcpu, CONF_ERROR_INVALID, "invalid maxvcpus 0");
    if (def->vcpus_max > MAX_VCPUS)
        return fail(parse, vcpu, CONF_ERROR_INVALID, "maxvcpus %u is more than %d", def->vcpus_max,
                    MAX_VCPUS);
    if (def->vcpus > def->vcpus_max)
        return fail(parse, vcpu, CONF_ERROR_INVALID,
                    "maxvcpus must not be less than current vcpus (%u < %u)", def->vcpus_max,
                    def->vcpus);
    return TRUE;
}

static gboolean
check_os(const Parse *parse, const ConfDomain *def, xmlNode *root)
{
    if (!def->os.type && !def->bootloader)
        return fail(parse, find_child(root, "os"), CONF_ERROR_INVALID,
                    "an os <type> must be specified");
    return TRUE;
}

static gboolean
check_disks(const Parse *parse, const ConfDomain *def, xmlNode *root)
{
    g_autoptr(GHashTable) targets = g_hash_table_new(g_str_hash, g_str_equal);
    xmlNode *node = conf_xml_element(find_child(root, "devices")->children);

    for (guint i = 0; i < def->disks->len; i++, node = conf_xml_element(node->next)) {
        const ConfDisk *disk = def->disks->pdata[i];

        /* The list has one member for each element, in the same order. */
        while (!conf_xml_is(node, "disk"))
            node = conf_xml_element(node->next);
        if (!disk->target || !*disk->target)
            return fail(parse, node, CONF_ERROR_INVALID,
                        "missing target information for device '%.80s'",
                        disk->source ? disk->source : "");
        if (!g_hash_table_add(targets, disk->target))
            return fail(parse, node, CONF_ERROR_INVALID, "target '%.80s' duplicated for disk",
                        disk->target);
    }
    return TRUE;
}

static gboolean
validate(const Parse *parse, const ConfDomain *def, xmlNode *root)
{
    return check_identity(parse, def, root) && check_resources(parse, def, root) &&
           check_os(parse, def, root) && check_disks(parse, def, root);
}

ConfDomain *
conf_domain_parse_node(xmlNode *root, const ConfSource *source, unsigned flags, GError **error)
{
    Parse parse = { .name = source->name, .text = source->text, .flags = flags, .error = error };
    g_autoptr(ConfDomain) def = conf_domain_new();

    parse.len = source->len < 0 ? strlen(source->text) : (gsize)source->len;
    def->vcpus_max = 1; /* what a document without <vcpu> means */
    if (!parse_struct(&parse, &conf_schema_domain, def, root) || !validate(&parse, def, root))
        return NULL;
    return g_steal_pointer(&def);
}

ConfDomain *
conf_domain_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                      GError **error)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(text, len, name, error);
    const ConfSource source = { .name = name, .text = text, .len = len };
    xmlNode *root;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    if (!conf_xml_is(root, "domain")) {
        g_autofree char *message = g_strdup_printf(
            "expecting root element of 'domain', not '%.64s'", root->name);

        conf_source_fail(&source, root, CONF_ERROR_INVALID, error, message);
        return NULL;
    }
    return conf_domain_parse_node(root, &source, flags, error);
}

/* ---- one struct by itself ---- */

gboolean
conf_source_fail(const ConfSource *source, const xmlNode *node, ConfError code, GError **error,
                 const char *message)
{
    Parse parse = { .name = source->name, .text = source->text, .error = error };

    parse.len = source->text && source->len < 0 ? strlen(source->text) : (gsize)source->len;
    return fail(&parse, node, code, "%s", message);
}

gboolean
conf_schema_parse(const ConfSchema *schema, void *owner, xmlNode *node, const ConfSource *source,
                  unsigned flags, GError **error)
{
    Parse parse = { .name = source->name, .text = source->text, .flags = flags, .error = error };

    parse.len = source->text && source->len < 0 ? strlen(source->text) : (gsize)source->len;
    return parse_struct(&parse, schema, owner, node);
}
