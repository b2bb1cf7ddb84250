/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of other toolstacks, by way of xl's keys: see conf-via.h. */
#include "conf-via.h"

#include "conf-xml.h"

#include <stdarg.h>
#include <string.h>

/* Where a word of a device's text comes from. */
typedef struct ViaWord {
    char *key;
    gsize offset;
    ConfNode *node; /* borrowed from the record */
    char *path;
} ViaWord;

/* Where a node of xl's tree comes from. Its number is the node's line. */
typedef struct ViaOrigin {
    char *key;
    ConfNode *node; /* borrowed from the record */
    char *path;
    GPtrArray *words; /* ViaWord; NULL: no device's text */
} ViaOrigin;

#define FIRST_LINE 2 /* xl's mapping says 1 of the whole */

typedef struct ViaAfter {
    ViaAfterFunc func;
    char *text;
} ViaAfter;

struct Via {
    ConfNative *native;
    ConfReport *report;
    const ViaTable *table;
    GHashTable *rows; /* path -> ViaRow */
    ConfNative *xl;
    ConfReport *xl_report;
    GPtrArray *origins; /* ViaOrigin */
    GPtrArray *afters;  /* ViaAfter */
    GString *text;      /* of the device that is being made; NULL: none is */
    GPtrArray *words;   /* of it */
    xmlNode *kept;      /* NULL: nothing yet */
    GHashTable *kept_paths;
};

static void
word_free(gpointer data)
{
    ViaWord *word = data;

    g_free(word->key);
    g_free(word->path);
    g_free(word);
}

static void
origin_free(gpointer data)
{
    ViaOrigin *origin = data;

    g_free(origin->key);
    g_free(origin->path);
    g_clear_pointer(&origin->words, g_ptr_array_unref);
    g_free(origin);
}

static void
after_free(gpointer data)
{
    ViaAfter *after = data;

    g_free(after->text);
    g_free(after);
}

const ConfNative *
via_native(const Via *via)
{
    return via->native;
}

/* ---- values of the record ---- */

ConfNode *
via_find(const ConfNode *group, const char *path)
{
    const char *slash = strchr(path, '/');
    g_autofree char *key = slash ? g_strndup(path, (gsize)(slash - path)) : NULL;
    ConfNode *node = conf_node_find(group, key ? key : path);

    return node && slash ? via_find(node, slash + 1) : node;
}

const char *
via_text(const ConfNode *node)
{
    return node && node->text && *node->text && node->kind != CONF_NODE_OPAQUE ? node->text : NULL;
}

const char *
via_find_text(const ConfNode *group, const char *path)
{
    return via_text(via_find(group, path));
}

bool
via_get_bool(const ConfNode *node, bool *ret)
{
    static const char *const on[] = { "True", "true", "1", NULL };
    static const char *const off[] = { "False", "false", "0", NULL };
    const char *text = via_text(node);

    if (text == NULL)
        return false;
    *ret = g_strv_contains(on, text);
    return *ret || g_strv_contains(off, text);
}

bool
via_get_number(const ConfNode *node, gint64 *ret)
{
    const char *text = via_text(node);

    return text && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret, NULL);
}

bool
via_is_on(const ConfNode *group, const char *path)
{
    bool on;

    return via_get_bool(via_find(group, path), &on) && on;
}

char *
via_ranges(const ConfNode *list, unsigned limit)
{
    g_autoptr(ConfBitmap) map = conf_bitmap_new(1);

    if (list->kind != CONF_NODE_LIST)
        return NULL;
    for (guint i = 0; i < list->items->len; i++) {
        gint64 number;

        if (!via_get_number(list->items->pdata[i], &number) || number < 0 || number > limit)
            return NULL;
        conf_bitmap_set(map, (unsigned)number, true);
    }
    return conf_bitmap_format(map);
}

/* ---- what becomes of a field ---- */

static void
remark(Via *via, ConfNode *node, const char *path, ConfOutcome outcome, const char *reason)
{
    conf_node_mark(node, outcome == CONF_OUTCOME_LOST ? CONF_FATE_LOST : CONF_FATE_CARRIED);
    conf_report_add(via->report, outcome, node->line, node->column, path, node->text, "%s", reason);
}

/* What the record's silence stands for has no node. */
static void
mark(ConfNode *node, ConfFate fate)
{
    if (node)
        conf_node_mark(node, fate);
}

void
via_lost(Via *via, ConfNode *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    remark(via, node, path, CONF_OUTCOME_LOST, reason);
}

void
via_changed(Via *via, ConfNode *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    remark(via, node, path, CONF_OUTCOME_CHANGED, reason);
}

void
via_remark(Via *via, const ConfNode *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    conf_report_add(via->report, CONF_OUTCOME_CHANGED, node->line, node->column, path, node->text,
                    "%s", reason);
}

void
via_after(Via *via, ViaAfterFunc func, const char *text)
{
    ViaAfter *after = g_new0(ViaAfter, 1);

    after->func = func;
    after->text = g_strdup(text);
    g_ptr_array_add(via->afters, after);
}

static void
keep_leaf(Via *via, const ConfNode *node, const char *path)
{
    g_autofree char *name = conf_xml_clean(path);
    g_autofree char *value = conf_xml_clean(node->text);
    xmlNode *key;

    if (via->kept == NULL)
        via->kept = conf_xml_add(NULL, via->table->kept_as);
    g_hash_table_add(via->kept_paths, g_strdup(path));
    key = conf_xml_add(via->kept, "key");
    xmlNewProp(key, BAD_CAST "name", BAD_CAST name);
    xmlAddChild(key, xmlNewText(BAD_CAST value));
}

static bool
is_empty(const ConfNode *node)
{
    return node->kind == CONF_NODE_NONE || (node->items && node->items->len == 0) ||
           (node->text && *node->text == '\0');
}

void
via_keep(Via *via, ConfNode *node, const char *path)
{
    if (is_empty(node)) {
        node->fate = CONF_FATE_DEFAULT;
        return;
    }
    node->fate = CONF_FATE_CARRIED;
    if (node->items == NULL) {
        keep_leaf(via, node, path);
        return;
    }
    for (guint i = 0; i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        g_autofree char *below = item->key ? g_strdup_printf("%s/%s", path, item->key)
                                           : g_strdup_printf("%s[%u]", path, i);

        via_keep(via, item, below);
    }
}

/* ---- xl's tree ---- */

static ConfNode *
xl_node(Via *via, ConfNodeKind kind, const char *key, ConfNode *from, const char *path)
{
    ViaOrigin *origin = g_new0(ViaOrigin, 1);
    ConfNode *node;

    origin->key = g_strdup(key);
    origin->node = from;
    origin->path = g_strdup(path);
    g_ptr_array_add(via->origins, origin);
    /* Column 0 is the whole value; those inside begin with 1. */
    node = conf_node_new(kind, key, via->origins->len - 1 + FIRST_LINE, 0);
    return node;
}

static ConfNode *
xl_string(Via *via, const char *key, const char *value, ConfNode *from, const char *path)
{
    ConfNode *node = xl_node(via, CONF_NODE_STRING, key, from, path);

    node->text = g_strdup(value);
    return node;
}

bool
via_has(const Via *via, const char *key)
{
    return conf_node_find(via->xl->root, key) != NULL;
}

static void
put_word(Via *via, const char *key, const char *value, ConfNode *node, const char *path)
{
    ViaWord *word;

    /* The target is the last, and takes all that follows. */
    if (value && strcmp(key, "target") != 0 && strpbrk(value, ",\n\r\t")) {
        via_lost(via, node, path, "xl has no way to say a value with a comma in it here");
        return;
    }
    if (via->text->len > 0)
        g_string_append_c(via->text, ',');
    word = g_new0(ViaWord, 1);
    word->key = g_strdup(key);
    word->offset = via->text->len;
    word->node = node;
    word->path = g_strdup(path);
    g_ptr_array_add(via->words, word);
    g_string_append(via->text, key);
    if (value)
        g_string_append_printf(via->text, "=%s", value);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

void
via_put(Via *via, const char *key, const char *value, ConfNode *node, const char *path)
{
    const ConfNode *before;

    if (via->text) {
        put_word(via, key, value, node, path);
        return;
    }
    before = conf_node_find(via->xl->root, key);
    if (before && node == NULL)
        return;
    if (before && g_strcmp0(before->text, value) != 0) {
        via_lost(via, node, path, "another field says otherwise, and is the one that was taken");
        return;
    }
    if (before == NULL)
        g_ptr_array_add(via->xl->root->items, xl_string(via, key, value, node, path));
    mark(node, CONF_FATE_CARRIED);
}

void
via_put_number(Via *via, const char *key, gint64 number, ConfNode *node, const char *path)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);

    via_put(via, key, text, node, path);
}

ConfNode *
via_put_list(Via *via, const char *key, ConfNode *node, const char *path)
{
    ConfNode *list = conf_node_find(via->xl->root, key);

    if (list == NULL) {
        list = xl_node(via, CONF_NODE_LIST, key, node, path);
        g_ptr_array_add(via->xl->root->items, list);
    }
    return list;
}

void
via_put_item(Via *via, const char *key, const char *value, ConfNode *node, const char *path)
{
    ConfNode *list = via_put_list(via, key, node, path);

    if (list->items == NULL) {
        via_lost(via, node, path, "another field says otherwise, and is the one that was taken");
        return;
    }
    g_ptr_array_add(list->items, xl_string(via, NULL, value, node, path));
    ((ViaOrigin *)via->origins->pdata[via->origins->len - 1])->key = g_strdup(key);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

/* ---- rows ---- */

static bool
is_neutral(const ViaRow *row, const ConfNode *node)
{
    g_auto(GStrv) words = NULL;

    if (is_empty(node))
        return true;
    if (row->neutral == NULL || node->text == NULL)
        return false;
    words = g_strsplit(row->neutral, "|", -1);
    return g_strv_contains((const char *const *)words, node->text);
}

static void
read_word(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *text = via_text(node);

    for (const ViaName *name = row->names; text && name->word; name++) {
        if (strcmp(name->word, text) != 0)
            continue;
        if (name->value)
            via_put(via, row->key, name->value, node, path);
        else
            conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    }
    via_lost(via, node, path, "%s", row->why ? row->why : "not a word that is known here");
}

static void
read_bool(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on;

    if (!via_get_bool(node, &on))
        via_lost(via, node, path, "neither true nor false");
    else if (row->kind == VIA_BOOL)
        via_put(via, row->key, on ? "1" : "0", node, path);
    else if (on)
        via_put(via, row->key, NULL, node, path);
    else
        conf_node_mark(node, CONF_FATE_DEFAULT);
}

static void
read_number(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    gint64 number, unit = row->unit ? (gint64)row->unit : 1;

    if (!via_get_number(node, &number)) {
        via_lost(via, node, path, "not a number");
        return;
    }
    via_put_number(via, row->key, number / unit, node, path);
    if (number % unit)
        via_changed(via, node, path, "rounded down to a multiple of %" G_GINT64_FORMAT, unit);
}

static void
read_list(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (node->kind != CONF_NODE_LIST) {
        via_lost(via, node, path, "not a list");
        return;
    }
    node->fate = CONF_FATE_CARRIED;
    for (guint i = 0; i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        g_autofree char *below = g_strdup_printf("%s[%u]", path, i);

        if (via_text(item))
            via_put_item(via, row->key, item->text, item, below);
        else
            via_lost(via, item, below, "not a text");
    }
}

static void read_row(Via *via, const ViaRow *row, ConfNode *node, const char *path);

static void
mark_empty_groups(ConfNode *node)
{
    for (guint i = 0; node->items && i < node->items->len; i++)
        mark_empty_groups(node->items->pdata[i]);
    if (node->kind == CONF_NODE_GROUP && node->items->len == 0)
        node->fate = CONF_FATE_DEFAULT;
}

void
via_device(Via *via, const ViaRow *row, ConfNode *group, const char *path, const char *head,
           const char *tail)
{
    gsize len = strlen(row->path);
    ViaOrigin *origin;
    ConfNode *list;

    if (group->kind != CONF_NODE_GROUP) {
        via_lost(via, group, path, "not a group of fields");
        return;
    }
    via->text = g_string_new(head);
    via->words = g_ptr_array_new_with_free_func(word_free);
    group->fate = CONF_FATE_CARRIED;
    for (gsize i = 0; i < via->table->n_rows; i++) {
        const ViaRow *member = &via->table->rows[i];
        ConfNode *node;

        if (strncmp(member->path, row->path, len) != 0 || member->path[len] != '/')
            continue;
        node = via_find(group, member->path + len + 1);
        if (node && node->fate == CONF_FATE_UNSEEN) {
            g_autofree char *below = g_strconcat(path, member->path + len, NULL);

            read_row(via, member, node, below);
        }
    }
    mark_empty_groups(group);
    g_autoptr(GString) text = g_steal_pointer(&via->text);

    if (tail)
        g_string_append(text, tail);
    list = via_put_list(via, row->key, group, path);
    g_ptr_array_add(list->items, xl_string(via, NULL, text->str, group, path));
    origin = via->origins->pdata[via->origins->len - 1];
    origin->key = g_strdup(row->key);
    origin->words = g_steal_pointer(&via->words);
}

static void
read_specs(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (node->kind != CONF_NODE_LIST || node->items->len > CONF_MAX_DEVICES) {
        via_lost(via, node, path, "not a list of at most %d devices", CONF_MAX_DEVICES);
        return;
    }
    node->fate = CONF_FATE_CARRIED;
    for (guint i = 0; i < node->items->len; i++) {
        g_autofree char *below = g_strdup_printf("%s[%u]", path, i);
        ConfNode *item = node->items->pdata[i];

        if (row->read)
            row->read(via, row, item, below);
        else
            via_device(via, row, item, below, NULL, NULL);
    }
}

static void
read_row(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (is_neutral(row, node)) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    }
    switch (row->kind) {
    case VIA_TEXT:
        if (via_text(node))
            via_put(via, row->key, node->text, node, path);
        else
            via_lost(via, node, path, "not a text");
        return;
    case VIA_BOOL:
    case VIA_FLAG:
        read_bool(via, row, node, path);
        return;
    case VIA_NUMBER:
        read_number(via, row, node, path);
        return;
    case VIA_WORD:
        read_word(via, row, node, path);
        return;
    case VIA_LIST:
        read_list(via, row, node, path);
        return;
    case VIA_SPECS:
        read_specs(via, row, node, path);
        return;
    case VIA_HOOK:
        row->read(via, row, node, path);
        return;
    case VIA_RUNTIME:
        conf_node_mark(node, CONF_FATE_RUNTIME);
        return;
    case VIA_USED:
        conf_node_mark(node, CONF_FATE_CARRIED);
        return;
    case VIA_DEFAULT:
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    case VIA_KEPT:
        via_keep(via, node, path);
        return;
    case VIA_LOST:
        return; /* stays unseen: the report has the row's reason */
    }
}

bool
via_knows(const Via *via, const char *plain)
{
    return g_hash_table_contains(via->rows, plain);
}

static bool
has_rows_below(const Via *via, const char *plain)
{
    gsize len = strlen(plain);

    for (gsize i = 0; i < via->table->n_rows; i++) {
        const char *path = via->table->rows[i].path;

        if (strncmp(path, plain, len) == 0 && path[len] == '/')
            return true;
    }
    return false;
}

/* Groups that have no row of their own are gone into; what is in them and has none, either, stays
 * unseen, and the report calls it unknown. `plain` is `path` without counts. */
static void
read_group(Via *via, ConfNode *group, const char *path, const char *plain)
{
    const char *slash = *path ? "/" : "";

    for (guint i = 0; group->items && i < group->items->len; i++) {
        ConfNode *node = group->items->pdata[i];
        g_autofree char *below = NULL, *plain_below = NULL;
        const ViaRow *row;

        if (node->key == NULL || node->fate != CONF_FATE_UNSEEN)
            continue;
        below = g_strconcat(path, slash, node->key, NULL);
        plain_below = g_strconcat(plain, slash, node->key, NULL);
        row = g_hash_table_lookup(via->rows, plain_below);
        if (row == NULL && *plain) {
            g_autofree char *any = g_strconcat(plain, "/*", NULL);

            row = g_hash_table_lookup(via->rows, any);
        }
        if (row)
            read_row(via, row, node, below);
        /* A hook may leave a group to the rows below it. */
        if (row && (node->fate != CONF_FATE_UNSEEN || !has_rows_below(via, plain_below)))
            continue;
        if (node->kind == CONF_NODE_GROUP && node->items->len == 0)
            node->fate = CONF_FATE_DEFAULT;
        else if (node->kind == CONF_NODE_GROUP) {
            /* That is not handed down: each of its fields has its own fate. */
            node->fate = CONF_FATE_CARRIED;
            read_group(via, node, below, plain_below);
        }
    }
}

/* ---- what xl's mapping says about it ---- */

static const ViaOrigin *
origin_of(const Via *via, unsigned line)
{
    return line >= FIRST_LINE && line - FIRST_LINE < via->origins->len
               ? via->origins->pdata[line - FIRST_LINE]
               : NULL;
}

/* The word of a device's text that a row is about: the one of its name ("vif[0].model"), or the one
 * at its place. */
static const ViaWord *
word_of(const ViaOrigin *origin, const ConfReportRow *row)
{
    const char *dot = strrchr(row->path, '.');
    const ViaWord *found = NULL;

    for (guint i = 0; origin->words && i < origin->words->len; i++) {
        const ViaWord *word = origin->words->pdata[i];

        if (dot && strcmp(dot + 1, word->key) == 0)
            return word;
        if (row->column > 1 && word->offset <= row->column - 1)
            found = word;
    }
    return dot ? found : NULL;
}

static void
bring_row(Via *via, const ConfReportRow *row)
{
    const ViaOrigin *origin = origin_of(via, row->line);
    const ViaWord *word = origin ? word_of(origin, row) : NULL;
    ConfNode *node = word ? word->node : origin ? origin->node : NULL;
    const char *path = word ? word->path : origin ? origin->path : row->path;
    /* That a device is changed is said once; its fields keep their own fates. */
    bool whole = node && node->items && row->outcome == CONF_OUTCOME_CHANGED;

    if (row->outcome == CONF_OUTCOME_CARRIED || row->outcome == CONF_OUTCOME_RUNTIME)
        return;
    if (row->outcome == CONF_OUTCOME_DEFAULT) {
        if (node && node->fate == CONF_FATE_CARRIED && !node->items)
            node->fate = CONF_FATE_DEFAULT;
        return;
    }
    if (node && !whole)
        conf_node_mark(node,
                       row->outcome == CONF_OUTCOME_LOST ? CONF_FATE_LOST : CONF_FATE_CARRIED);
    conf_report_add(via->report, row->outcome, node ? node->line : 0, node ? node->column : 0, path,
                    row->value, "%s", row->reason ? row->reason : "not carried over");
}

/* "FILE:LINE:COLUMN: KEY: reason" of xl's tree, about the record. */
static void
bring_error(const Via *via, GError **error)
{
    const char *text = error && *error ? (*error)->message : NULL;
    gsize len = strlen(via->native->file);
    const ViaOrigin *origin;
    const ConfNode *place;
    char *end;
    guint64 line;

    if (text == NULL || strncmp(text, via->native->file, len) != 0 || text[len] != ':')
        return;
    line = g_ascii_strtoull(text + len + 1, &end, 10);
    origin = line < G_MAXUINT ? origin_of(via, (unsigned)line) : NULL;
    end = strstr(end, ": ");
    if (end == NULL)
        return;
    place = origin && origin->node ? origin->node : via->native->root;
    g_autofree char *new_text = g_strdup_printf("%s:%u:%u%s%s%s", via->native->file, place->line,
                                                place->column, origin ? ": " : "",
                                                origin ? origin->path : "", end);

    g_free((*error)->message);
    (*error)->message = g_steal_pointer(&new_text);
}

/* ---- what rides in metadata ---- */

static void
flag_ours(const Via *via, const char *path)
{
    gsize len = strlen(path);

    for (guint i = 0; i < via->report->rows->len; i++) {
        ConfReportRow *row = via->report->rows->pdata[i];

        if (row->outcome == CONF_OUTCOME_CARRIED && strncmp(row->path, path, len) == 0 &&
            (row->path[len] == '\0' || row->path[len] == '[' || row->path[len] == '/'))
            row->ours = true;
    }
}

static void
flag_kept(const Via *via)
{
    for (guint i = 0; i < via->report->rows->len; i++) {
        ConfReportRow *row = via->report->rows->pdata[i];

        row->ours |= row->outcome == CONF_OUTCOME_CARRIED &&
                     g_hash_table_contains(via->kept_paths, row->path);
    }
}

/* Keys of devices are not told apart from what domXML has of them. */
static void
flag_all(Via *via, const ConfDomain *def)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, NULL);

    for (guint i = 0; ext && i < ext->keys->len; i++) {
        for (guint k = 0; k < via->origins->len; k++) {
            const ViaOrigin *origin = via->origins->pdata[k];

            if (g_strcmp0(origin->key, ((ConfXlKey *)ext->keys->pdata[i])->name) == 0)
                flag_ours(via, origin->path);
        }
    }
    flag_kept(via);
}

static gboolean
store_kept(Via *via, ConfDomain *def, GError **error)
{
    g_autofree char *text = via->kept ? conf_xml_to_string(via->kept) : NULL;

    return text == NULL ||
           conf_domain_metadata_set(def, CONF_XENSERVER_URI, CONF_XL_EXT_PREFIX, text, error);
}

/* ---- the whole ---- */

static void
via_clear(Via *via)
{
    g_hash_table_unref(via->rows);
    conf_native_free(via->xl);
    conf_report_free(via->xl_report);
    g_ptr_array_unref(via->origins);
    g_ptr_array_unref(via->afters);
    g_hash_table_unref(via->kept_paths);
    conf_xml_node_free(via->kept);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Via, via_clear)

static ConfDomain *
make(Via *via, GError **error)
{
    g_autoptr(ConfDomain) def = NULL;

    read_group(via, via->native->root, "", "");
    if (via->table->finish)
        via->table->finish(via);
    def = conf_cfg_to_domain(via->xl, via->xl_report, error);
    for (guint i = 0; i < via->xl_report->rows->len; i++)
        bring_row(via, via->xl_report->rows->pdata[i]);
    if (def == NULL) {
        bring_error(via, error);
        return NULL;
    }
    for (guint i = 0; i < via->afters->len; i++) {
        const ViaAfter *after = via->afters->pdata[i];

        after->func(def, after->text);
    }
    return store_kept(via, def, error) ? g_steal_pointer(&def) : NULL;
}

ConfDomain *
via_to_domain(ConfNative *native, ConfReport *report, const ViaTable *table, GError **error)
{
    g_auto(Via) via = { .native = native, .report = report, .table = table };
    ConfDomain *def;

    via.rows = g_hash_table_new(g_str_hash, g_str_equal);
    for (gsize i = 0; i < table->n_rows; i++)
        g_hash_table_insert(via.rows, (gpointer)table->rows[i].path, (gpointer)&table->rows[i]);
    via.xl = conf_native_new(CONF_FORMAT_XL, native->file);
    via.xl_report = conf_report_new(native->file);
    via.origins = g_ptr_array_new_with_free_func(origin_free);
    via.kept_paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    via.afters = g_ptr_array_new_with_free_func(after_free);
    def = make(&via, error);
    conf_report_close(report, native, table->why);
    if (def)
        flag_all(&via, def);
    return def;
}

/* ---- reasons ---- */

/* "a/b", or any "a/..." for a row "a/" and a star. */
static bool
matches(const char *row, const char *path)
{
    gsize len = strlen(row);

    if (len > 1 && row[len - 1] == '*')
        return strncmp(row, path, len - 1) == 0;
    return strcmp(row, path) == 0;
}

const char *
via_why(const ViaTable *table, const char *path)
{
    g_autoptr(GString) plain = g_string_new(NULL);
    char *slash;

    for (const char *p = path; *p; p++) {
        const char *end = *p == '[' ? strchr(p, ']') : NULL;

        if (end == NULL)
            g_string_append_c(plain, *p);
        else
            p = end;
    }
    /* What has no row of its own is part of something that has one. */
    do {
        for (gsize i = 0; i < table->n_rows; i++) {
            if (table->rows[i].why && matches(table->rows[i].path, plain->str))
                return table->rows[i].why;
        }
        slash = strrchr(plain->str, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return NULL;
}
