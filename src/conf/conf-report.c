/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-arena.h"
#include "conf-private.h"

#include <stdarg.h>
#include <string.h>

#define VALUE_CHARS 80 /* of a value in a row; conf-report.h promises it */

ConfReport *
conf_report_new(const char *file)
{
    ConfReport *report = g_new0(ConfReport, 1);

    report->file = g_strdup(file != NULL ? file : "(config)");
    report->rows = g_ptr_array_new();
    report->arena = g_new0(ConfArena, 1);
    return report;
}

void
conf_report_free(ConfReport *report)
{
    if (report == NULL)
        return;
    g_clear_pointer(&report->rows, g_ptr_array_unref);
    conf_arena_clear(report->arena);
    g_free(report->arena);
    g_free(report->file);
    g_free(report);
}

/* At most VALUE_CHARS characters of valid UTF-8; what is cut off ends in "...". NULL: as it is. */
static char *
shorten(const char *value, size_t len)
{
    if (len <= VALUE_CHARS && g_utf8_validate(value, (gssize)len, NULL))
        return NULL;

    g_autofree char *valid = g_utf8_make_valid(value, -1);

    if (strlen(valid) <= VALUE_CHARS || g_utf8_strlen(valid, -1) <= VALUE_CHARS)
        return g_steal_pointer(&valid);

    g_autofree char *head = g_utf8_substring(valid, 0, VALUE_CHARS - 3);

    return g_strconcat(head, "...", NULL);
}

/* A report is for reading and for sending around; a password is neither. */
static bool
is_secret(const char *path, size_t len)
{
    return len > 0 && path[len - 1] == 'd' &&
           (g_str_has_suffix(path, "passwd") || g_str_has_suffix(path, "password"));
}

static char *
keep(ConfReport *report, const char *text)
{
    return conf_arena_strndup(report->arena, text, strlen(text));
}

static ConfReportRow *
add_row(ConfReport *report, ConfOutcome outcome, unsigned line, unsigned column, const char *path,
        const char *value)
{
    const char *where = path != NULL ? path : "";
    g_autofree char *shorter = NULL;

    if (value != NULL && is_secret(where, strlen(where)))
        value = "***";
    else if (value != NULL)
        shorter = shorten(value, strlen(value));
    value = shorter != NULL ? shorter : value;

    ConfReportRow *row = conf_arena_take(report->arena, sizeof *row);

    *row = (ConfReportRow){ .outcome = outcome, .line = line, .column = column };
    row->path = keep(report, where);
    row->value = value != NULL ? keep(report, value) : NULL;
    g_ptr_array_add(report->rows, row);
    return row;
}

void
conf_report_add(ConfReport *report, ConfOutcome outcome, unsigned line, unsigned column,
                const char *path, const char *value, const char *reason, ...)
{
    ConfReportRow *row = add_row(report, outcome, line, column, path, value);
    va_list args;

    if (reason == NULL)
        return;
    va_start(args, reason);
    g_autofree char *text = g_strdup_vprintf(reason, args);
    va_end(args);
    row->reason = keep(report, text);
}

/* ---- closing: the tree's fates become rows ---- */

typedef struct Closing {
    ConfReport *report;
    ConfWhyFunc why;
    GHashTable *named; /* paths, and places as "LINE:COLUMN", that the mapping named itself; NULL:
                          none */
    bool keys_repeat;  /* several items of a group may have the same key */
} Closing;

static bool
is_path_named(const Closing *closing, const char *path)
{
    return closing->named != NULL && g_hash_table_contains(closing->named, path);
}

static bool
is_named(const Closing *closing, const ConfNode *node, const char *path)
{
    g_autofree char *place = g_strdup_printf("%u:%u", node->line, node->column);

    return is_path_named(closing, path) || is_path_named(closing, place);
}

static bool
has_items(const ConfNode *node)
{
    return node->items != NULL && node->items->len > 0;
}

/* The value as it would stand in a config; stops soon after it is longer than a row shows. */
static void
append_value(GString *out, const ConfNode *node)
{
    if (node->items == NULL) {
        g_string_append(out, node->text != NULL ? node->text : "");
        return;
    }
    g_string_append_c(out, node->kind == CONF_NODE_LIST ? '[' : '(');
    for (guint i = 0; i < node->items->len && out->len < 4 * VALUE_CHARS; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (i > 0)
            g_string_append(out, node->kind == CONF_NODE_LIST ? ", " : " ");
        if (item->key != NULL)
            g_string_append_printf(out, "%s ", item->key);
        append_value(out, item);
    }
    g_string_append_c(out, node->kind == CONF_NODE_LIST ? ']' : ')');
}

/* *ret_built is what to free afterwards. */
static const char *
value_of(const ConfNode *node, char **ret_built)
{
    GString *out;

    if (node->kind == CONF_NODE_NONE || node->kind == CONF_NODE_OPAQUE)
        return NULL;
    if (node->items == NULL)
        return node->text != NULL ? node->text : "";
    out = g_string_new(NULL);
    append_value(out, node);
    return *ret_built = g_string_free(out, FALSE);
}

static bool
all_unseen(const ConfNode *node)
{
    if (node->fate != CONF_FATE_UNSEEN)
        return false;
    for (guint i = 0; node->items != NULL && i < node->items->len; i++) {
        if (!all_unseen(node->items->pdata[i]))
            return false;
    }
    return true;
}

static void
close_lost(Closing *closing, const ConfNode *node, const char *path)
{
    g_autofree char *built = NULL;
    ConfReportRow *row = add_row(closing->report, CONF_OUTCOME_LOST, node->line, node->column, path,
                                 value_of(node, &built));

    if (node->kind == CONF_NODE_OPAQUE && node->text != NULL) {
        row->reason = keep(closing->report, node->text);
    } else {
        const char *why = closing->why != NULL ? closing->why(path) : NULL;

        row->reason = keep(closing->report, why != NULL ? why : "unknown key");
    }
}

static void
close_leaf(Closing *closing, const ConfNode *node, ConfFate fate, const char *path)
{
    static const ConfOutcome outcomes[] = {
        [CONF_FATE_UNSEEN] = CONF_OUTCOME_LOST,     [CONF_FATE_CARRIED] = CONF_OUTCOME_CARRIED,
        [CONF_FATE_DEFAULT] = CONF_OUTCOME_DEFAULT, [CONF_FATE_RUNTIME] = CONF_OUTCOME_RUNTIME,
        [CONF_FATE_LOST] = CONF_OUTCOME_LOST,
    };

    if (is_path_named(closing, path))
        return;
    if (outcomes[fate] == CONF_OUTCOME_LOST) {
        close_lost(closing, node, path);
    } else {
        g_autofree char *built = NULL;

        add_row(closing->report, outcomes[fate], node->line, node->column, path,
                value_of(node, &built));
    }
}

static void close_items(Closing *closing, const ConfNode *parent, ConfFate inherited,
                        const char *parent_path);

/* `inherited` is what was said of the nodes above this one. "Carried" is not handed down: a
 * mapping that took a list but not all of its items must not hide the rest. */
static void
close_node(Closing *closing, const ConfNode *node, ConfFate inherited, const char *path)
{
    ConfFate fate = node->fate;

    if (fate == CONF_FATE_UNSEEN && inherited != CONF_FATE_CARRIED)
        fate = inherited;
    /* The mapping has spoken of the whole of it. */
    if (fate == CONF_FATE_LOST && is_named(closing, node, path))
        return;
    if (!has_items(node) || (fate == CONF_FATE_UNSEEN && all_unseen(node)))
        close_leaf(closing, node, fate, path);
    else
        close_items(closing, node, fate, path);
}

static guint
count_key(GHashTable *counts, const char *key)
{
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, key));

    g_hash_table_insert(counts, (gpointer)key, GUINT_TO_POINTER(count + 1));
    return count;
}

/* Items without keys, and groups whose keys are all different: nothing has to be counted. */
static void
close_plain_items(Closing *closing, const ConfNode *parent, ConfFate inherited,
                  const char *parent_path)
{
    for (guint i = 0; i < parent->items->len; i++) {
        const ConfNode *item = parent->items->pdata[i];

        if (item->key != NULL && *parent_path == '\0') {
            close_node(closing, item, inherited, item->key);
        } else if (item->key != NULL) {
            g_autofree char *path = g_strconcat(parent_path, "/", item->key, NULL);

            close_node(closing, item, inherited, path);
        } else if (strlen(parent_path) < CONF_ITEM_PATH / 2) {
            char path[CONF_ITEM_PATH];

            close_node(closing, item, inherited, conf_item_path(path, parent_path, i));
        } else {
            g_autofree char *path = g_strdup_printf("%s[%u]", parent_path, i);

            close_node(closing, item, inherited, path);
        }
    }
}

/* Paths: key under key is "a/b"; an item without a key, or with one that its neighbours have too,
 * is counted: "disk[0]", "device[2]/vif". */
static void
close_items(Closing *closing, const ConfNode *parent, ConfFate inherited, const char *parent_path)
{
    if (!closing->keys_repeat || parent->kind == CONF_NODE_LIST) {
        close_plain_items(closing, parent, inherited, parent_path);
        return;
    }

    g_autoptr(GHashTable) totals = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
    const char *slash = *parent_path != '\0' ? "/" : "";

    for (guint i = 0; i < parent->items->len; i++) {
        const ConfNode *item = parent->items->pdata[i];

        if (item->key != NULL)
            count_key(totals, item->key);
    }
    for (guint i = 0; i < parent->items->len; i++) {
        const ConfNode *item = parent->items->pdata[i];
        g_autofree char *path = NULL;

        if (item->key == NULL)
            path = g_strdup_printf("%s[%u]", parent_path, i);
        else if (GPOINTER_TO_UINT(g_hash_table_lookup(totals, item->key)) > 1)
            path = g_strdup_printf("%s%s%s[%u]", parent_path, slash, item->key,
                                   count_key(counts, item->key));
        else
            path = g_strconcat(parent_path, slash, item->key, NULL);
        close_node(closing, item, inherited, path);
    }
}

static gint
compare_rows(gconstpointer a, gconstpointer b)
{
    const ConfReportRow *x = *(ConfReportRow *const *)a;
    const ConfReportRow *y = *(ConfReportRow *const *)b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return 0;
}

/* Stable: rows of one place stay in the order in which they were said. */
static void
sort_rows(GPtrArray *rows)
{
    for (guint i = 1; i < rows->len; i++) {
        if (compare_rows(&rows->pdata[i - 1], &rows->pdata[i]) > 0) {
            g_ptr_array_sort(rows, compare_rows);
            return;
        }
    }
}

void
conf_report_close(ConfReport *report, const ConfNative *native, ConfWhyFunc why)
{
    /* The set has its own copies: rows come and their array moves while it is read. */
    g_autoptr(GHashTable) named = report->rows->len > 0
                                      ? g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)
                                      : NULL;
    Closing closing = { report, why, named, native->format == CONF_FORMAT_SXP };

    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        g_hash_table_add(named, g_strdup(row->path));
        g_hash_table_add(named, g_strdup_printf("%u:%u", row->line, row->column));
    }
    if (native->root->items != NULL)
        close_items(&closing, native->root, CONF_FATE_UNSEEN, "");
    for (guint i = 0; i < native->notes->len; i++) {
        const ConfNote *note = native->notes->pdata[i];

        conf_report_add(report, CONF_OUTCOME_LOST, note->line, note->column, NULL, NULL, "%s",
                        note->text);
    }
    sort_rows(report->rows);
}

unsigned
conf_report_count(const ConfReport *report, ConfOutcome outcome)
{
    unsigned count = 0;

    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        count += row->outcome == outcome;
    }
    return count;
}

/* ---- as text ---- */

/* One row stays one line, and nothing in a config can speak to the reader's terminal. */
static void
append_printable(GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c == '\n')
            g_string_append(out, "\\n");
        else if (g_unichar_iscntrl(c))
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_unichar(out, c);
    }
}

static void
append_row(GString *out, const char *file, const ConfReportRow *row)
{
    static const char *const words[] = {
        [CONF_OUTCOME_CARRIED] = "carried",
        [CONF_OUTCOME_DEFAULT] = "says what holds anyway",
        [CONF_OUTCOME_RUNTIME] = "state of a running domain, not configuration",
        [CONF_OUTCOME_CHANGED] = "carried with a difference",
        [CONF_OUTCOME_LOST] = "not carried over",
    };

    append_printable(out, file);
    if (row->line > 0)
        g_string_append_printf(out, ":%u:%u", row->line, row->column);
    g_string_append(out, ": ");
    if (*row->path != '\0') {
        append_printable(out, row->path);
        g_string_append(out, ": ");
    }
    append_printable(out, row->reason != NULL ? row->reason : words[row->outcome]);
    g_string_append_c(out, '\n');
}

char *
conf_report_format_text(const ConfReport *report, bool all)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        if (all || row->outcome == CONF_OUTCOME_LOST || row->outcome == CONF_OUTCOME_CHANGED)
            append_row(out, report->file, row);
    }
    return g_string_free(out, FALSE);
}
