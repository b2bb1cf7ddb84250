/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XenServer's ova.xml, as `xe vm-export` puts it first into an archive: a value of XML-RPC that is
 * a list of records. Read as a stream, so that only the records themselves cost memory.
 */
#include "conf-xva.h"

#include "conf-xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>

#define MAX_NODES 200000u /* of one file: some 600 VMs */
#define CHUNK     (64u << 10)

/* A <value> that is open. */
typedef struct Frame {
    ConfNode *node; /* NULL: no struct and no array so far */
    GString *text;
    bool nil;
    char *member;          /* of a struct: the name of the member that is being read */
    unsigned line, column; /* of the value, or of its name */
} Frame;

typedef struct Reader {
    const char *file;
    xmlParserCtxt *parser;
    GArray *frames; /* Frame */
    GString *name;  /* what <name> is being read into; NULL: none is */
    ConfNode *root;
    unsigned n_nodes, depth;
    GError *error;
} Reader;

static void
frame_clear(gpointer data)
{
    Frame *frame = data;

    conf_node_free(frame->node);
    g_string_free(frame->text, TRUE);
    g_free(frame->member);
}

static void
fail(Reader *r, ConfError code, const char *reason)
{
    if (r->error == NULL)
        g_set_error(&r->error, CONF_ERROR, (int)code, "%s:%d:%d: %s", r->file,
                    xmlSAX2GetLineNumber(r->parser), xmlSAX2GetColumnNumber(r->parser), reason);
    xmlStopParser(r->parser);
}

static Frame *
top(Reader *r)
{
    return r->frames->len ? &g_array_index(r->frames, Frame, r->frames->len - 1) : NULL;
}

/* ---- elements ---- */

static void
begin_value(Reader *r)
{
    Frame *parent = top(r);
    Frame frame = { .text = g_string_new(NULL) };
    bool member = parent && parent->node && parent->node->kind == CONF_NODE_GROUP;

    frame.line = member ? parent->line : (unsigned)xmlSAX2GetLineNumber(r->parser);
    frame.column = member ? parent->column : (unsigned)xmlSAX2GetColumnNumber(r->parser);
    if (parent ? parent->node == NULL : r->root != NULL) {
        fail(r, CONF_ERROR_SYNTAX, "a <value> stands where none can be");
    } else if (member && parent->member == NULL) {
        fail(r, CONF_ERROR_SYNTAX, "a member without a <name>");
    } else if (++r->n_nodes > MAX_NODES) {
        fail(r, CONF_ERROR_LIMIT, "more values than an ova.xml can have here");
    } else {
        g_array_append_val(r->frames, frame);
        return;
    }
    g_string_free(frame.text, TRUE);
}

static void
begin_container(Reader *r, ConfNodeKind kind)
{
    Frame *frame = top(r);

    if (frame == NULL || frame->node) {
        fail(r, CONF_ERROR_SYNTAX, "a <struct> or <array> outside of a <value>");
        return;
    }
    frame->node = conf_node_new(kind, NULL, frame->line, frame->column);
}

static void
begin_name(Reader *r)
{
    Frame *frame = top(r);

    if (frame == NULL || frame->node == NULL || frame->node->kind != CONF_NODE_GROUP) {
        fail(r, CONF_ERROR_SYNTAX, "a <name> outside of a <struct>");
        return;
    }
    if (r->name == NULL)
        r->name = g_string_new(NULL);
    frame->line = (unsigned)xmlSAX2GetLineNumber(r->parser);
    frame->column = (unsigned)xmlSAX2GetColumnNumber(r->parser);
}

/* <string>, <i4> ...: the text inside is the value, blanks around it are not. */
static void
begin_scalar(Reader *r)
{
    Frame *frame = top(r);

    if (frame && frame->node == NULL)
        g_string_truncate(frame->text, 0);
    else
        fail(r, CONF_ERROR_SYNTAX, "a scalar outside of a <value>");
}

static const char *const scalars[] = {
    "string", "int", "i4", "i8", "double", "boolean", "dateTime.iso8601", "base64", NULL,
};

static void
on_start(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int n_ns,
         const xmlChar **ns, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    Reader *r = data;
    const char *name = (const char *)local;

    if (++r->depth > CONF_MAX_DEPTH)
        fail(r, CONF_ERROR_LIMIT, "elements are nested too deep");
    else if (strcmp(name, "value") == 0)
        begin_value(r);
    else if (strcmp(name, "struct") == 0)
        begin_container(r, CONF_NODE_GROUP);
    else if (strcmp(name, "array") == 0)
        begin_container(r, CONF_NODE_LIST);
    else if (strcmp(name, "name") == 0)
        begin_name(r);
    else if (g_strv_contains(scalars, name))
        begin_scalar(r);
    else if (strcmp(name, "nil") == 0 && top(r))
        top(r)->nil = true;
    else if (strcmp(name, "member") != 0 && strcmp(name, "data") != 0)
        fail(r, CONF_ERROR_SYNTAX, "an element that XML-RPC does not have");
}

static void
end_value(Reader *r)
{
    Frame *frame = top(r), *parent;
    ConfNode *node;

    if (frame == NULL)
        return;
    node = g_steal_pointer(&frame->node);
    if (node == NULL) {
        node = conf_node_new(frame->nil ? CONF_NODE_NONE : CONF_NODE_STRING, NULL, frame->line,
                             frame->column);
        node->text = frame->nil ? NULL : g_strdup(frame->text->str);
    }
    g_array_set_size(r->frames, r->frames->len - 1);
    parent = top(r);
    if (parent == NULL) {
        r->root = node;
        return;
    }
    node->key = g_steal_pointer(&parent->member);
    g_ptr_array_add(parent->node->items, node);
}

static void
on_end(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    Reader *r = data;
    Frame *frame = top(r);

    r->depth--;
    if (r->error)
        return;
    if (strcmp((const char *)local, "value") == 0) {
        end_value(r);
    } else if (strcmp((const char *)local, "name") == 0 && frame && r->name) {
        g_free(frame->member);
        frame->member = g_string_free(g_steal_pointer(&r->name), FALSE);
    }
}

static void
on_text(void *data, const xmlChar *text, int len)
{
    Reader *r = data;
    Frame *frame = top(r);

    if (r->name)
        g_string_append_len(r->name, (const char *)text, len);
    else if (frame && frame->node == NULL)
        g_string_append_len(frame->text, (const char *)text, len);
}

static void
on_dtd(void *data, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    fail(data, CONF_ERROR_SYNTAX, "a document type declaration, which no ova.xml has");
}

static void
on_error(void *data, xmlErrorPtr xml_error)
{
    Reader *r = data;
    g_autofree char *reason = NULL;

    if (xml_error->level < XML_ERR_ERROR)
        return;
    reason = g_strchomp(g_strdup(xml_error->message ? xml_error->message : "malformed XML"));
    fail(r, CONF_ERROR_SYNTAX, reason);
}

static ConfNode *
read_xml(const char *text, gsize len, const char *file, GError **error)
{
    xmlSAXHandler sax = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .internalSubset = on_dtd,
        .serror = on_error,
    };
    Reader r = { .file = file };
    xmlParserCtxt *parser = xmlCreatePushParserCtxt(&sax, &r, NULL, 0, file);

    r.parser = parser;
    r.frames = g_array_new(FALSE, FALSE, sizeof(Frame));
    g_array_set_clear_func(r.frames, frame_clear);
    xmlCtxtUseOptions(parser, XML_PARSE_NONET);
    for (gsize at = 0; at < len && r.error == NULL; at += CHUNK)
        xmlParseChunk(parser, text + at, (int)MIN(CHUNK, len - at), 0);
    if (r.error == NULL)
        xmlParseChunk(parser, NULL, 0, 1);
    if (r.error == NULL && r.root == NULL)
        fail(&r, CONF_ERROR_SYNTAX, "there is no <value> in it");
    g_array_unref(r.frames);
    if (r.name)
        g_string_free(r.name, TRUE);
    xmlFreeParserCtxt(parser);
    if (r.error == NULL)
        return r.root;
    conf_node_free(r.root);
    g_propagate_error(error, r.error);
    return NULL;
}

/* ---- records and what they refer to ---- */

/* One element of "objects". */
typedef struct Record {
    const char *class, *id; /* of its nodes */
    ConfNode *object;
    ConfNode *fields; /* its snapshot: of the object, or of the VM's tree that took it first */
    bool taken;
} Record;

typedef struct Archive {
    const char *file;
    GPtrArray *records; /* Record */
    GHashTable *by_id;
    unsigned n_copied; /* nodes */
} Archive;

/* Which fields lead to a record that belongs to the VM. There is no circle in it. */
static const struct {
    const char *class, *field, *to;
} links[] = {
    { "VM", "VBDs", "VBD" },
    { "VBD", "VDI", "VDI" },
    { "VDI", "SR", "SR" },
    { "VM", "VIFs", "VIF" },
    { "VIF", "network", "network" },
    { "VM", "VGPUs", "VGPU" },
    { "VGPU", "GPU_group", "GPU_group" },
    { "VGPU", "type", "VGPU_type" },
    { "VM", "VUSBs", "VUSB" },
    { "VUSB", "USB_group", "USB_group" },
    { "VM", "VTPMs", "VTPM" },
    { "VM", "guest_metrics", "VM_guest_metrics" },
    { "VM", "metrics", "VM_metrics" },
    { "VM", "suspend_VDI", "VDI" },
    { "VM", "appliance", "VM_appliance" },
};

static ConfNode *
copy_node(const ConfNode *node, unsigned *count)
{
    ConfNode *copy;

    if (++*count > MAX_NODES)
        return NULL;
    copy = conf_node_new(node->kind, node->key, node->line, node->column);
    copy->text = g_strdup(node->text);
    for (guint i = 0; node->items && i < node->items->len; i++) {
        ConfNode *item = copy_node(node->items->pdata[i], count);

        if (item)
            g_ptr_array_add(copy->items, item);
    }
    return copy;
}

static void link_fields(Archive *archive, const char *class, ConfNode *fields);

/* The record itself goes over to who asks first. */
static ConfNode *
take_record(Archive *archive, Record *record, const char *class)
{
    guint index;

    link_fields(archive, class, record->fields);
    g_ptr_array_find(record->object->items, record->fields, &index);
    record->taken = true;
    return g_ptr_array_steal_index(record->object->items, index);
}

/* The record that a reference leads to, with what it leads to in turn; NULL: it stays as it is.
 * What two VMs share is copied. Its text is the reference. */
static ConfNode *
follow(Archive *archive, const ConfNode *reference, const char *class)
{
    Record *record = reference->text ? g_hash_table_lookup(archive->by_id, reference->text) : NULL;
    ConfNode *node;

    if (record == NULL || strcmp(record->class, class) != 0)
        return NULL;
    node = record->taken ? copy_node(record->fields, &archive->n_copied)
                         : take_record(archive, record, class);
    if (node == NULL)
        return NULL;
    g_free(node->key);
    node->key = g_strdup(reference->key);
    g_free(node->text);
    node->text = g_strdup(reference->text);
    return node;
}

static void
link_at(Archive *archive, GPtrArray *items, guint index, const char *class)
{
    ConfNode *found = follow(archive, items->pdata[index], class);

    if (found) {
        conf_node_free(items->pdata[index]);
        items->pdata[index] = found;
    }
}

static void
link_fields(Archive *archive, const char *class, ConfNode *fields)
{
    for (guint i = 0; i < fields->items->len; i++) {
        ConfNode *field = fields->items->pdata[i];

        for (gsize k = 0; k < G_N_ELEMENTS(links); k++) {
            if (strcmp(links[k].class, class) != 0 || g_strcmp0(links[k].field, field->key) != 0)
                continue;
            if (field->kind != CONF_NODE_LIST) {
                link_at(archive, fields->items, i, links[k].to);
                break; /* the field may be another by now */
            }
            for (guint n = 0; n < field->items->len; n++)
                link_at(archive, field->items, n, links[k].to);
            break;
        }
    }
}

/* By a number that each of them has: the order in which the guest sees them. */
static gint
by_device(gconstpointer a, gconstpointer b)
{
    static const char *const keys[] = { "userdevice", "device" };
    const ConfNode *nodes[] = { *(ConfNode *const *)a, *(ConfNode *const *)b };
    gint64 numbers[2] = { G_MAXINT64, G_MAXINT64 };

    for (int i = 0; i < 2; i++) {
        for (gsize k = 0; nodes[i]->items && k < G_N_ELEMENTS(keys); k++) {
            if (numbers[i] == G_MAXINT64)
                via_get_number(conf_node_find(nodes[i], keys[k]), &numbers[i]);
        }
    }
    return numbers[0] < numbers[1] ? -1 : numbers[0] > numbers[1];
}

static void
sort_devices(ConfNode *fields, const char *key)
{
    ConfNode *list = conf_node_find(fields, key);

    if (list && list->kind == CONF_NODE_LIST)
        g_ptr_array_sort(list->items, by_device);
}

/* ---- the archive ---- */

static void
archive_clear(Archive *archive)
{
    g_ptr_array_unref(archive->records);
    g_hash_table_unref(archive->by_id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Archive, archive_clear)

static gboolean
add_records(Archive *archive, const ConfNode *root, GError **error)
{
    ConfNode *objects = root->kind == CONF_NODE_GROUP ? conf_node_find(root, "objects") : NULL;

    if (objects == NULL || objects->kind != CONF_NODE_LIST) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "%s:%u:%u: no ova.xml of XenServer: a list of \"objects\" is missing",
                    archive->file, root->line, root->column);
        return FALSE;
    }
    for (guint i = 0; i < objects->items->len; i++) {
        ConfNode *object = objects->items->pdata[i];
        Record *record;

        if (object->kind != CONF_NODE_GROUP || !via_find_text(object, "class") ||
            !via_find_text(object, "id") || !conf_node_find(object, "snapshot") ||
            conf_node_find(object, "snapshot")->kind != CONF_NODE_GROUP) {
            g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                        "%s:%u:%u: an object without a class, an id or a snapshot", archive->file,
                        object->line, object->column);
            return FALSE;
        }
        record = g_new0(Record, 1);
        record->class = via_find_text(object, "class");
        record->id = via_find_text(object, "id");
        record->object = object;
        record->fields = conf_node_find(object, "snapshot");
        g_ptr_array_add(archive->records, record);
        g_hash_table_insert(archive->by_id, (gpointer)record->id, record);
    }
    return TRUE;
}

static void
add_vm(Archive *archive, Record *record, GPtrArray *natives)
{
    ConfNative *native = conf_native_new(CONF_FORMAT_XVA, archive->file);

    link_fields(archive, "VM", record->fields);
    sort_devices(record->fields, "VBDs");
    sort_devices(record->fields, "VIFs");
    record->taken = true;
    native->root->line = record->fields->line;
    native->root->column = record->fields->column;
    g_ptr_array_extend_and_steal(native->root->items, g_steal_pointer(&record->fields->items));
    g_ptr_array_add(natives, native);
}

/* Said once, with the first VM: what of the archive no VM has. */
static void
add_rest(Archive *archive, ConfNode *root, ConfNative *native)
{
    static const char *const known[] = { "host", "VM", NULL };
    unsigned n_host = 0;

    for (guint i = 0; i < archive->records->len; i++) {
        const Record *record = archive->records->pdata[i];

        if (record->taken || (g_strv_contains(known, record->class) && ++n_host))
            continue;
        conf_native_add_note(native, record->fields->line, record->fields->column,
                             "%s (%s): no VM of this archive refers to it", record->id,
                             record->class);
    }
    for (guint i = root->items->len; i > 0; i--) {
        ConfNode *item = root->items->pdata[i - 1];

        if (g_strcmp0(item->key, "objects") == 0)
            continue;
        g_ptr_array_add(native->root->items, g_ptr_array_steal_index(root->items, i - 1));
        /* A VM has a version, too. */
        if (g_strcmp0(item->key, "version") == 0) {
            g_free(item->key);
            item->key = g_strdup("archive");
        }
    }
}

static gboolean
too_much(const Archive *archive, GError **error)
{
    if (archive->n_copied <= MAX_NODES)
        return FALSE;
    g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                "%s: its VMs share so much that it would become too large", archive->file);
    return TRUE;
}

static void
no_vm(const char *file, GError **error)
{
    g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "%s: there is no VM in this ova.xml", file);
}

/* <appliance>: exports of XenServer before 4.0. */
static gboolean
is_version_0(const char *text, gsize len)
{
    const char *first = g_strstr_len(text, (gssize)MIN(len, 4096), "<appliance");

    return first && !g_strstr_len(text, first - text, "<value");
}

GPtrArray *
conf_xva_parse(const char *text, gsize len, const char *file, GError **error)
{
    g_auto(Archive) archive = { .file = file };
    g_autoptr(GPtrArray) natives = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);
    g_autoptr(ConfNode) root = NULL;

    archive.records = g_ptr_array_new_with_free_func(g_free);
    archive.by_id = g_hash_table_new(g_str_hash, g_str_equal);
    if (is_version_0(text, len))
        return conf_xva_parse_version_0(text, len, file, error);
    root = read_xml(text, len, file, error);
    if (root == NULL || !add_records(&archive, root, error))
        return NULL;
    for (guint i = 0; i < archive.records->len; i++) {
        Record *record = archive.records->pdata[i];

        if (strcmp(record->class, "VM") == 0)
            add_vm(&archive, record, natives);
    }
    if (too_much(&archive, error))
        return NULL;
    if (natives->len == 0) {
        no_vm(file, error);
        return NULL;
    }
    add_rest(&archive, root, natives->pdata[0]);
    return g_steal_pointer(&natives);
}
