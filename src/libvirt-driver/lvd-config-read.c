/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-config-read.h"

#include <gio/gio.h>
#include <string.h>

typedef struct Reader {
    const char *file;
    const char *at, *end, *line_start;
    guint line;
    GError **error;
} Reader;

static void
setting_free(gpointer data)
{
    LvdSetting *setting = data;

    g_free(setting->key);
    g_free(setting->text);
    g_free(setting);
}

static guint
column(const Reader *r)
{
    return (guint)(r->at - r->line_start) + 1;
}

static gboolean
fail(const Reader *r, const char *reason)
{
    g_set_error(r->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s:%u:%u: %s", r->file, r->line,
                column(r), reason);
    return FALSE;
}

static int
peek(const Reader *r)
{
    return r->at < r->end ? (guchar)*r->at : -1;
}

static void
step(Reader *r)
{
    if (*r->at++ == '\n') {
        r->line++;
        r->line_start = r->at;
    }
}

/* Blanks and comments; newlines too where they mean nothing. */
static void
skip(Reader *r, gboolean newlines)
{
    gboolean comment = FALSE;
    int c;

    while ((c = peek(r)) >= 0) {
        if (c == '\n') {
            if (!newlines)
                return;
            comment = FALSE;
        } else if (c == '#') {
            comment = TRUE;
        } else if (!comment && c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        step(r);
    }
}

static gboolean
read_string(Reader *r, char **ret_text)
{
    static const char triple[] = "\"\"\"";
    gboolean several = (gsize)(r->end - r->at) >= 3 && memcmp(r->at, triple, 3) == 0;
    char quote = *r->at;
    gsize n_quotes = several ? 3 : 1;
    Reader opened = *r;
    const char *start;

    for (gsize i = 0; i < n_quotes; i++)
        step(r);
    start = r->at;
    for (; r->at < r->end; step(r)) {
        if (!several && *r->at == '\n')
            break;
        if (*r->at != quote ||
            (several && ((gsize)(r->end - r->at) < 3 || memcmp(r->at, triple, 3))))
            continue;
        if (memchr(start, 0, (gsize)(r->at - start)))
            return fail(&opened, "a string cannot contain a NUL byte");
        *ret_text = g_strndup(start, (gsize)(r->at - start));
        for (gsize i = 0; i < n_quotes; i++)
            step(r);
        return TRUE;
    }
    return fail(&opened, "this string has no end");
}

static gboolean
read_number(Reader *r, gint64 *ret_number)
{
    gboolean negative = peek(r) == '-';
    Reader start = *r;
    gint64 number = 0;

    if (negative)
        step(r);
    if (!g_ascii_isdigit(peek(r)))
        return fail(&start, "expected a string, a number or a list");
    for (; g_ascii_isdigit(peek(r)); step(r)) {
        if (number > (G_MAXINT64 - 9) / 10)
            return fail(&start, "this number is too large");
        number = number * 10 + (*r->at - '0');
    }
    *ret_number = negative ? -number : number;
    return TRUE;
}

static gboolean read_value(Reader *r, LvdSetting *setting, guint depth);

static gboolean
read_list(Reader *r, LvdSetting *setting, guint depth)
{
    Reader opened = *r;

    step(r);
    for (skip(r, TRUE); peek(r) != ']'; skip(r, TRUE)) {
        LvdSetting item = { 0 };
        gboolean ok = peek(r) >= 0 ? read_value(r, &item, depth + 1)
                                   : fail(&opened, "this list has no end");

        g_free(item.text);
        if (!ok)
            return FALSE;
        setting->n_items++;
        skip(r, TRUE);
        if (peek(r) == ',')
            step(r);
        else if (peek(r) != ']')
            return peek(r) < 0 ? fail(&opened, "this list has no end")
                               : fail(r, "expected ',' or ']'");
    }
    step(r);
    return TRUE;
}

static gboolean
read_value(Reader *r, LvdSetting *setting, guint depth)
{
    setting->value_line = r->line;
    setting->value_column = column(r);
    if (peek(r) == '"' || peek(r) == '\'') {
        setting->kind = LVD_SETTING_STRING;
        return read_string(r, &setting->text);
    }
    if (peek(r) == '[') {
        setting->kind = LVD_SETTING_LIST;
        return depth < 8 ? read_list(r, setting, depth) : fail(r, "lists nest too deep");
    }
    setting->kind = LVD_SETTING_NUMBER;
    return read_number(r, &setting->number);
}

static gboolean
read_setting(Reader *r, LvdSetting *setting)
{
    const char *start = r->at;

    setting->line = r->line;
    setting->column = column(r);
    while (g_ascii_isalnum(peek(r)) || peek(r) == '_' || peek(r) == '-')
        step(r);
    if (r->at == start)
        return fail(r, "expected a key");
    setting->key = g_strndup(start, (gsize)(r->at - start));
    skip(r, FALSE);
    if (peek(r) != '=')
        return fail(r, "expected '=' behind the key");
    step(r);
    skip(r, FALSE);
    if (!read_value(r, setting, 0))
        return FALSE;
    skip(r, FALSE);
    return peek(r) < 0 || peek(r) == '\n' || fail(r, "expected the end of the line");
}

GPtrArray *
lvd_settings_read(const char *text, gsize length, const char *file, GError **error)
{
    Reader r = { file, text, text + length, text, 1, error };
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(setting_free);

    for (skip(&r, TRUE); r.at < r.end; skip(&r, TRUE)) {
        LvdSetting *setting = g_new0(LvdSetting, 1);

        g_ptr_array_add(settings, setting);
        if (!read_setting(&r, setting))
            return NULL;
    }
    return g_steal_pointer(&settings);
}
