/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-private.h"

#include <stdarg.h>
#include <string.h>

#define VALUE_CHARS 80 /* of a value in a row; conf-report.h promises it */

static void
row_free(gpointer data)
{
    ConfReportRow *row = data;

    g_free(row->path);
    g_free(row->value);
    g_free(row->reason);
    g_free(row);
}

ConfReport *
conf_report_new(const char *file)
{
    ConfReport *report = g_new0(ConfReport, 1);

    report->file = g_strdup(file != NULL ? file : "(config)");
    report->rows = g_ptr_array_new_with_free_func(row_free);
    return report;
}

void
conf_report_free(ConfReport *report)
{
    if (report == NULL)
        return;
    g_clear_pointer(&report->rows, g_ptr_array_unref);
    g_free(report->file);
    g_free(report);
}

/* At most VALUE_CHARS characters; what is cut off ends in "...". */
static char *
shorten(const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    if (strlen(valid) <= VALUE_CHARS || g_utf8_strlen(valid, -1) <= VALUE_CHARS)
        return g_steal_pointer(&valid);

    g_autofree char *head = g_utf8_substring(valid, 0, VALUE_CHARS - 3);

    return g_strconcat(head, "...", NULL);
}

/* A report is for reading and for sending around; a password is neither. */
static bool
is_secret(const char *path)
{
    return g_str_has_suffix(path, "passwd") || g_str_has_suffix(path, "password");
}

static ConfReportRow *
add_row(ConfReport *report, ConfOutcome outcome, unsigned line, unsigned column, const char *path,
        const char *value)
{
    ConfReportRow *row = g_new0(ConfReportRow, 1);

    row->outcome = outcome;
    row->line = line;
    row->column = column;
    row->path = g_strdup(path != NULL ? path : "");
    if (value != NULL)
        row->value = is_secret(row->path) ? g_strdup("***") : shorten(value);
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
    row->reason = g_strdup_vprintf(reason, args);
    va_end(args);
}

/* ---- closing: the tree's fates become rows ---- */

typedef struct Closing {
    ConfReport *report;
    ConfWhyFunc why;
    GHashTable *named; /* paths, and places as "LINE:COLUMN", that the mapping named itself */
} Closing;

static bool
is_named(const Closing *closing, const ConfNode *node, const char *path)
{
    g_autofree char *place = g_strdup_printf("%u:%u", node->line, node->column);

    return g_hash_table_contains(closing->named, path) ||
           g_hash_table_contains(closing->named, place);
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

static char *
value_of(const ConfNode *node)
{
    GString *out;

    if (node->kind == CONF_NODE_NONE || node->kind == CONF_NODE_OPAQUE)
        return NULL;
    out = g_string_new(NULL);
    append_value(out, node);
    return g_string_free(out, FALSE);
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
    g_autofree char *value = value_of(node);
    ConfReportRow *row = add_row(closing->report, CONF_OUTCOME_LOST, node->line, node->column, path,
                                 value);

    if (node->kind == CONF_NODE_OPAQUE && node->text != NULL) {
        row->reason = g_strdup(node->text);
    } else {
        const char *why = closing->why != NULL ? closing->why(path) : NULL;

        row->reason = g_strdup(why != NULL ? why : "unknown key");
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

    if (g_hash_table_contains(closing->named, path))
        return;
    if (outcomes[fate] == CONF_OUTCOME_LOST) {
        close_lost(closing, node, path);
    } else {
        g_autofree char *value = value_of(node);

        add_row(closing->report, outcomes[fate], node->line, node->column, path, value);
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

/* Paths: key under key is "a/b"; an item without a key, or with one that its neighbours have too,
 * is counted: "disk[0]", "device[2]/vif". */
static void
close_items(Closing *closing, const ConfNode *parent, ConfFate inherited, const char *parent_path)
{
    g_autoptr(GHashTable) totals = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
    const char *slash = *parent_path != '\0' ? "/" : "";

    for (guint i = 0; i < parent->items->len; i++) {
        const ConfNode *item = parent->items->pdata[i];

        if (item->key != NULL) {
            guint total = GPOINTER_TO_UINT(g_hash_table_lookup(totals, item->key));

            g_hash_table_insert(totals, item->key, GUINT_TO_POINTER(total + 1));
        }
    }
    for (guint i = 0; i < parent->items->len; i++) {
        const ConfNode *item = parent->items->pdata[i];
        g_autofree char *path = NULL;

        if (item->key == NULL) {
            path = g_strdup_printf("%s[%u]", parent_path, i);
        } else if (GPOINTER_TO_UINT(g_hash_table_lookup(totals, item->key)) > 1) {
            guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, item->key));

            path = g_strdup_printf("%s%s%s[%u]", parent_path, slash, item->key, count);
            g_hash_table_insert(counts, item->key, GUINT_TO_POINTER(count + 1));
        } else {
            path = g_strconcat(parent_path, slash, item->key, NULL);
        }
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

void
conf_report_close(ConfReport *report, const ConfNative *native, ConfWhyFunc why)
{
    /* The set has its own copies: rows come and their array moves while it is read. */
    g_autoptr(GHashTable) named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Closing closing = { report, why, named };

    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        g_hash_table_add(named, g_strdup(row->path));
        g_hash_table_add(named, g_strdup_printf("%u:%u", row->line, row->column));
    }
    if (native->root->items != NULL)
        close_items(&closing, native->root, CONF_FATE_UNSEEN, "");
    for (guint i = 0; i < native->notes->len; i++) {
        const ConfNote *note = native->notes->pdata[i];

        conf_report_add(report, note->carried ? CONF_OUTCOME_CHANGED : CONF_OUTCOME_LOST,
                        note->line, note->column, NULL, NULL, "%s", note->text);
    }
    /* Stable: rows of one place stay in the order in which they were said. */
    g_ptr_array_sort(report->rows, compare_rows);
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
