/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A unified diff. What both texts begin and end with is left out of the search; the middle is
 * compared by the longest common subsequence, whose table is as large as both middles multiplied.
 */
#include "x2l-diff.h"

#include <string.h>

#define MAX_CELLS (4u << 20)
#define CONTEXT   3

typedef struct Edit {
    char kind; /* ' ', '-', '+' */
    const char *line;
} Edit;

typedef struct Lines {
    char **line;
    guint n;
} Lines;

static Lines
split(const char *text)
{
    Lines lines = { g_strsplit(text, "\n", -1), 0 };

    lines.n = g_strv_length(lines.line);
    if (lines.n > 0 && *lines.line[lines.n - 1] == '\0')
        lines.n--; /* behind the last newline */
    return lines;
}

static void
push(GArray *edits, char kind, const char *line)
{
    Edit edit = { kind, line };

    g_array_append_val(edits, edit);
}

/* table[i][k]: length of the longest common subsequence of a[i..] and b[k..]. */
static guint16 *
common_lengths(char **a, guint n_a, char **b, guint n_b)
{
    guint width = n_b + 1;
    guint16 *table = g_new0(guint16, (gsize)(n_a + 1) * width);

    for (guint i = n_a; i-- > 0;) {
        for (guint k = n_b; k-- > 0;) {
            guint16 *cell = &table[i * width + k];

            *cell = g_str_equal(a[i], b[k]) ? (guint16)(cell[width + 1] + 1)
                                            : MAX(cell[width], cell[1]);
        }
    }
    return table;
}

static void
compare_middle(GArray *edits, char **a, guint n_a, char **b, guint n_b)
{
    gboolean small = n_a < G_MAXUINT16 && n_b < G_MAXUINT16 &&
                     (guint64)(n_a + 1) * (n_b + 1) <= MAX_CELLS;
    g_autofree guint16 *table = small ? common_lengths(a, n_a, b, n_b) : NULL;
    guint i = 0, k = 0;

    while (table && i < n_a && k < n_b) {
        const guint16 *cell = &table[i * (n_b + 1) + k];

        if (g_str_equal(a[i], b[k])) {
            push(edits, ' ', a[i++]);
            k++;
        } else if (cell[n_b + 1] >= cell[1]) {
            push(edits, '-', a[i++]);
        } else {
            push(edits, '+', b[k++]);
        }
    }
    while (i < n_a)
        push(edits, '-', a[i++]);
    while (k < n_b)
        push(edits, '+', b[k++]);
}

static GArray *
compare(const Lines *a, const Lines *b)
{
    GArray *edits = g_array_new(FALSE, FALSE, sizeof(Edit));
    guint head = 0, tail = 0;

    while (head < a->n && head < b->n && g_str_equal(a->line[head], b->line[head]))
        push(edits, ' ', a->line[head++]);
    while (tail < a->n - head && tail < b->n - head &&
           g_str_equal(a->line[a->n - 1 - tail], b->line[b->n - 1 - tail]))
        tail++;
    compare_middle(edits, a->line + head, a->n - head - tail, b->line + head, b->n - head - tail);
    for (guint i = a->n - tail; i < a->n; i++)
        push(edits, ' ', a->line[i]);
    return edits;
}

/* Where the hunk that begins with the change at `first` ends: two changes with more than twice the
 * context between them are two hunks. */
static guint
hunk_end(const GArray *edits, guint first)
{
    guint last = first;

    for (guint i = first; i < edits->len && i <= last + 2 * CONTEXT; i++) {
        if (g_array_index(edits, Edit, i).kind != ' ')
            last = i;
    }
    return MIN(last + CONTEXT + 1, edits->len);
}

static void
put_hunk(GString *out, const GArray *edits, guint start, guint end)
{
    guint before_old = 0, before_new = 0, n_old = 0, n_new = 0;

    for (guint i = 0; i < end; i++) {
        char kind = g_array_index(edits, Edit, i).kind;
        guint is_old = kind != '+', is_new = kind != '-';

        if (i < start) {
            before_old += is_old;
            before_new += is_new;
        } else {
            n_old += is_old;
            n_new += is_new;
        }
    }
    g_string_append_printf(out, "@@ -%u,%u +%u,%u @@\n", before_old + (n_old > 0), n_old,
                           before_new + (n_new > 0), n_new);
    for (guint i = start; i < end; i++) {
        const Edit *edit = &g_array_index(edits, Edit, i);

        g_string_append_printf(out, "%c%s\n", edit->kind, edit->line);
    }
}

char *
x2l_diff(const char *old_text, const char *new_text, const char *old_name, const char *new_name)
{
    GString *out = g_string_new(NULL);
    Lines a = split(old_text), b = split(new_text);
    g_autoptr(GArray) edits = compare(&a, &b);

    for (guint i = 0; i < edits->len; i++) {
        guint start, end;

        if (g_array_index(edits, Edit, i).kind == ' ')
            continue;
        if (out->len == 0)
            g_string_append_printf(out, "--- %s\n+++ %s\n", old_name, new_name);
        start = i > CONTEXT ? i - CONTEXT : 0;
        end = hunk_end(edits, i);
        put_hunk(out, edits, start, end);
        i = end - 1;
    }
    g_strfreev(a.line);
    g_strfreev(b.line);
    return g_string_free(out, FALSE);
}
