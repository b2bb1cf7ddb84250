/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reader of xl syntax, xl.cfg(5):
 *
 *     file    = { setting? end }            end = newline, ';' or the end of the file
 *     setting = KEY ( '=' | '+=' ) value
 *     value   = STRING | NUMBER | '[' [ value { ',' value } [','] ] ']'
 *
 * Newlines and comments may stand anywhere between brackets, and nowhere else inside a setting.
 * What libxlutil 4.17 refuses is refused here, except for what people would not call an error:
 * a byte order mark, CR LF, a comment in a last line without a newline, a line that goes on behind
 * a backslash, and \xHH and \OOO, which libxlutil means to know but gets wrong.
 */
#include "conf-private.h"
#include "conf-text.h"

#include <string.h>

/* A key that has a value. The text of a string is here while "+=" may still add to it. */
typedef struct Setting {
    ConfNode *node;
    GString *text; /* NULL for a list */
} Setting;

typedef struct XlReader {
    ConfCursor at;
    ConfNative *native;
    GPtrArray *settings; /* Setting, NULL where a later assignment replaced it */
    GHashTable *places;  /* key -> index in settings, plus 1; the keys belong to the nodes */
    unsigned n_nodes;
    gsize n_text; /* bytes of all values */
    GError **error;
} XlReader;

static void
setting_free(gpointer data)
{
    Setting *setting = data;

    if (setting == NULL)
        return;
    conf_node_free(setting->node);
    if (setting->text != NULL)
        g_string_free(setting->text, TRUE);
    g_free(setting);
}

/* ---- blanks ---- */

/* Blanks within a line; the newline is not one, a "\r" before it is. */
static bool
skip_blank(XlReader *r)
{
    char c = conf_cursor_peek(&r->at, 0);

    if (c == ' ' || c == '\t' || (c == '\r' && conf_cursor_peek(&r->at, 1) == '\n')) {
        conf_cursor_advance(&r->at);
        return true;
    }
    if (c == '\\') {
        gsize newline = conf_cursor_peek(&r->at, 1) == '\r' ? 2 : 1;

        if (conf_cursor_peek(&r->at, newline) != '\n')
            return false;
        for (gsize i = 0; i <= newline; i++)
            conf_cursor_advance(&r->at);
        return true;
    }
    return false;
}

static void
skip_line_blanks(XlReader *r)
{
    while (skip_blank(r))
        ;
    if (conf_cursor_peek(&r->at, 0) == '#') {
        while (r->at.p < r->at.end && *r->at.p != '\n')
            conf_cursor_advance(&r->at);
    }
}

/* Blanks, comments and newlines: between brackets. */
static void
skip_space(XlReader *r)
{
    for (skip_line_blanks(r); conf_cursor_peek(&r->at, 0) == '\n'; skip_line_blanks(r))
        conf_cursor_advance(&r->at);
}

/* ---- strings ---- */

static gboolean
fail_escape(XlReader *r, ConfPos pos, const char *reason)
{
    conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, pos, "%s", reason);
    return FALSE;
}

/* `n_digits` digits of a number in `base`, at the cursor: one byte of the string. */
static gboolean
read_coded_byte(XlReader *r, GString *out, ConfPos pos, unsigned n_digits, unsigned base)
{
    unsigned value = 0;

    for (unsigned i = 0; i < n_digits; i++) {
        int digit = g_ascii_xdigit_value(conf_cursor_peek(&r->at, 0));

        if (digit < 0 || (unsigned)digit >= base)
            return fail_escape(r, pos,
                               base == 16 ? "'\\x' needs two hexadecimal digits"
                                          : "a backslash and a digit need three octal digits");
        value = value * base + (unsigned)digit;
        conf_cursor_advance(&r->at);
    }
    if (value == 0 || value > 255)
        return fail_escape(r, pos,
                           value == 0 ? "a string cannot contain a NUL byte"
                                      : "a byte cannot be larger than '\\377'");
    g_string_append_c(out, (char)value);
    return TRUE;
}

static gboolean
read_escape(XlReader *r, GString *out)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    ConfPos pos = r->at.pos;
    char c = conf_cursor_peek(&r->at, 1);
    const char *found = c != '\0' ? strchr(from, c) : NULL;

    conf_cursor_advance(&r->at);
    if (found != NULL) {
        conf_cursor_advance(&r->at);
        g_string_append_c(out, to[found - from]);
        return TRUE;
    }
    if (c == 'x') {
        conf_cursor_advance(&r->at);
        return read_coded_byte(r, out, pos, 2, 16);
    }
    if (c >= '0' && c <= '7')
        return read_coded_byte(r, out, pos, 3, 8);
    return fail_escape(r, pos, "unknown escape in a string; a backslash itself is written '\\\\'");
}

/* Looked at while a value grows, so that a file of one string costs no more than any. */
static gboolean
count_text(XlReader *r, const GString *text)
{
    if (r->n_text + text->len <= CONF_MAX_TEXT)
        return TRUE;
    conf_error_at(r->error, CONF_ERROR_LIMIT, r->at.file, r->at.pos,
                  "the values have more than %u bytes altogether", CONF_MAX_TEXT);
    return FALSE;
}

/* Returns the raw bytes between the quotes, escapes resolved. */
static GString *
read_string(XlReader *r)
{
    GString *out = g_string_new(NULL);
    ConfPos opened = r->at.pos;
    char quote = *r->at.p;

    conf_cursor_advance(&r->at);
    for (;;) {
        char c = conf_cursor_peek(&r->at, 0);
        char next = conf_cursor_peek(&r->at, 1);

        if (c == '\0' || c == '\n' || (c == '\\' && (next == '\0' || next == '\n'))) {
            conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, opened,
                          "the string that %c opens here is not closed in this line", quote);
            g_string_free(out, TRUE);
            return NULL;
        }
        if (c == quote) {
            conf_cursor_advance(&r->at);
            r->n_text += out->len;
            return out;
        }
        if (c != '\\') {
            g_string_append_c(out, c);
            conf_cursor_advance(&r->at);
        }
        if ((c == '\\' && !read_escape(r, out)) || !count_text(r, out)) {
            g_string_free(out, TRUE);
            return NULL;
        }
    }
}

/* Strings come as bytes; the tree speaks UTF-8. */
static void
set_text(XlReader *r, ConfNode *node, const GString *text)
{
    bool converted = false;

    node->text = conf_text_to_utf8(text->str, text->len, &converted);
    if (converted)
        conf_native_add_note(r->native, node->value_line, node->value_column,
                             "this string is not UTF-8 and was read as ISO-8859-1");
    /* What "+=" joined is a number when it looks like one, as it is for xl. */
    if (node->kind == CONF_NODE_INT && !conf_text_to_int(node->text, &node->number))
        node->kind = CONF_NODE_STRING;
    if (node->kind == CONF_NODE_INT)
        node->real = (double)node->number;
}

/* ---- values ---- */

static gboolean
fail_value(XlReader *r)
{
    g_autofree char *found = conf_cursor_describe(&r->at);
    char c = conf_cursor_peek(&r->at, 0);
    const char *advice = "";

    if (c == '-' || c == '+')
        advice = "; a number with a sign needs quotes around it";
    else if (g_ascii_isalpha(c) || c == '_' || c == '/' || c == '.')
        advice = "; text needs quotes around it, and true and false are 1 and 0";
    else if (c == '(' || c == '{')
        advice = "; xl does not read Python: if this is a config of xm, say so";
    conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, r->at.pos,
                  "expected a string, a number or '[' but found %s%s", found, advice);
    return FALSE;
}

static gboolean
count_node(XlReader *r)
{
    if (++r->n_nodes <= CONF_MAX_NODES)
        return TRUE;
    conf_error_at(r->error, CONF_ERROR_LIMIT, r->at.file, r->at.pos,
                  "more than %u values in one config", CONF_MAX_NODES);
    return FALSE;
}

static GString *
read_number(XlReader *r)
{
    GString *out = g_string_new(NULL);
    char c;

    while (g_ascii_isdigit(c = conf_cursor_peek(&r->at, 0)) || (c >= 'a' && c <= 'f') || c == 'x') {
        g_string_append_c(out, c);
        conf_cursor_advance(&r->at);
        if (!count_text(r, out)) {
            g_string_free(out, TRUE);
            return NULL;
        }
    }
    r->n_text += out->len;
    return out;
}

static ConfNode *read_list(XlReader *r, unsigned depth);

/* A value without a key. Scalars: *ret_text gets the bytes, and the node's own text is set by the
 * caller when it is complete. */
static ConfNode *
read_value(XlReader *r, unsigned depth, GString **ret_text)
{
    char c = conf_cursor_peek(&r->at, 0);
    ConfPos pos = r->at.pos;
    GString *text;

    if (!count_node(r))
        return NULL;
    if (c == '[')
        return read_list(r, depth);
    if (c != '"' && c != '\'' && !g_ascii_isdigit(c)) {
        fail_value(r);
        return NULL;
    }
    text = g_ascii_isdigit(c) ? read_number(r) : read_string(r);
    if (text == NULL)
        return NULL;
    *ret_text = text;
    return conf_node_new(g_ascii_isdigit(c) ? CONF_NODE_INT : CONF_NODE_STRING, NULL, pos.line,
                         pos.column);
}

/* The text here cannot go on a list: it is either the end, or the next setting, and then what is
 * wrong is the bracket, or it is wrong itself. */
static gboolean
fail_list(XlReader *r, ConfPos opened, const char *expected)
{
    g_autofree char *found = conf_cursor_describe(&r->at);
    const char *p = r->at.p;

    while (p < r->at.end && (g_ascii_isalnum(*p) || *p == '_'))
        p++;
    while (p < r->at.end && (*p == ' ' || *p == '\t' || *p == '+'))
        p++;
    if (r->at.p == r->at.end)
        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, opened,
                      "'[' opened here is never closed");
    else if (g_ascii_isalpha(*r->at.p) && p < r->at.end && *p == '=')
        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, opened,
                      "'[' opened here is never closed: the next setting begins in line %u",
                      r->at.pos.line);
    else
        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, r->at.pos,
                      "expected %s in the list that begins in line %u but found %s", expected,
                      opened.line, found);
    return FALSE;
}

static gboolean
read_item(XlReader *r, ConfNode *list, unsigned depth, ConfPos opened)
{
    char c = conf_cursor_peek(&r->at, 0);
    GString *text = NULL;
    ConfNode *item;

    if (c == '\0' || c == ',' || g_ascii_isalpha(c))
        return fail_list(r, opened, "a value or ']'");
    item = read_value(r, depth, &text);
    if (item == NULL)
        return FALSE;
    if (text != NULL) {
        set_text(r, item, text);
        g_string_free(text, TRUE);
    }
    g_ptr_array_add(list->items, item);
    return TRUE;
}

static ConfNode *
read_list(XlReader *r, unsigned depth)
{
    ConfPos opened = r->at.pos;
    g_autoptr(ConfNode)
        list = conf_node_new(CONF_NODE_LIST, NULL, r->at.pos.line, r->at.pos.column);

    if (depth >= CONF_MAX_DEPTH) {
        conf_error_at(r->error, CONF_ERROR_LIMIT, r->at.file, opened,
                      "more than %u brackets inside each other", CONF_MAX_DEPTH);
        return NULL;
    }
    conf_cursor_advance(&r->at);
    for (;;) {
        skip_space(r);
        if (conf_cursor_peek(&r->at, 0) == ']')
            break;
        if (!read_item(r, list, depth + 1, opened))
            return NULL;
        skip_space(r);
        if (conf_cursor_peek(&r->at, 0) == ']')
            break;
        if (conf_cursor_peek(&r->at, 0) != ',') {
            fail_list(r, opened, "',' or ']'");
            return NULL;
        }
        conf_cursor_advance(&r->at);
    }
    conf_cursor_advance(&r->at);
    return g_steal_pointer(&list);
}

/* ---- settings ---- */

static Setting *
find_setting(XlReader *r, const char *key)
{
    guint place = GPOINTER_TO_UINT(g_hash_table_lookup(r->places, key));

    return place > 0 ? r->settings->pdata[place - 1] : NULL;
}

static void
assign(XlReader *r, Setting *setting)
{
    Setting *old = find_setting(r, setting->node->key);

    if (old != NULL) {
        guint place = GPOINTER_TO_UINT(g_hash_table_lookup(r->places, old->node->key));

        conf_native_add_note(r->native, old->node->line, old->node->column,
                             "%s: line %u assigns it again, and that value holds", old->node->key,
                             setting->node->line);
        r->settings->pdata[place - 1] = NULL;
        g_hash_table_remove(r->places, setting->node->key);
        setting_free(old);
    }
    g_ptr_array_add(r->settings, setting);
    g_hash_table_insert(r->places, setting->node->key, GUINT_TO_POINTER(r->settings->len));
}

/* "+=": lists grow, strings and numbers are joined as text. */
static gboolean
append(XlReader *r, Setting *old, Setting *more, ConfPos pos)
{
    if ((old->text == NULL) != (more->text == NULL)) {
        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, pos,
                      "'%s' is a %s since line %u, and a %s cannot be added to it", old->node->key,
                      old->text == NULL ? "list" : "string", old->node->line,
                      more->text == NULL ? "list" : "string");
        return FALSE;
    }
    if (old->text != NULL) {
        g_string_append_len(old->text, more->text->str, (gssize)more->text->len);
        if (more->node->kind == CONF_NODE_STRING)
            old->node->kind = CONF_NODE_STRING;
    } else {
        g_ptr_array_extend_and_steal(old->node->items, more->node->items);
        more->node->items = NULL;
    }
    return TRUE;
}

static char *
read_key(XlReader *r)
{
    const char *start = r->at.p;

    if (!g_ascii_islower(conf_cursor_peek(&r->at, 0))) {
        g_autofree char *found = conf_cursor_describe(&r->at);

        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, r->at.pos,
                      "expected a key (lower-case letters, digits and '_') but found %s", found);
        return NULL;
    }
    /* A '.' is no slip: libxlutil takes it, though no key of xl.cfg(5) has one. */
    while (r->at.p < r->at.end && (g_ascii_islower(*r->at.p) || g_ascii_isdigit(*r->at.p) ||
                                   *r->at.p == '_' || *r->at.p == '.'))
        conf_cursor_advance(&r->at);
    return g_strndup(start, (gsize)(r->at.p - start));
}

static gboolean
read_operator(XlReader *r, const char *key, bool *ret_add)
{
    skip_line_blanks(r);
    *ret_add = conf_cursor_peek(&r->at, 0) == '+' && conf_cursor_peek(&r->at, 1) == '=';
    if (*ret_add)
        conf_cursor_advance(&r->at);
    if (conf_cursor_peek(&r->at, 0) == '=') {
        conf_cursor_advance(&r->at);
        skip_line_blanks(r);
        return TRUE;
    }

    static const char *const python[] = { "def",    "elif",  "else",  "for", "from",  "if",
                                          "import", "print", "raise", "try", "while", NULL };
    g_autofree char *found = conf_cursor_describe(&r->at);
    const char *advice = "";

    if (g_strv_contains(python, key))
        advice = "; xl does not read Python: if this is a config of xm, say so";
    conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, r->at.pos,
                  "expected '=' or '+=' behind '%s' but found %s%s", key, found, advice);
    return FALSE;
}

/* Between two settings there is a newline or a semicolon. */
static gboolean
read_end(XlReader *r)
{
    char c;

    skip_line_blanks(r);
    c = conf_cursor_peek(&r->at, 0);
    if (c == '\0' || c == '\n' || c == ';')
        return TRUE;

    g_autofree char *found = conf_cursor_describe(&r->at);

    conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, r->at.pos,
                  "expected the end of the line or ';' behind the value but found %s%s", found,
                  c == ']' ? ", which no '[' opened" : "");
    return FALSE;
}

static gboolean
read_setting(XlReader *r)
{
    ConfPos pos = r->at.pos;
    g_autofree char *key = read_key(r);
    Setting *setting, *old;
    gboolean ok = TRUE;
    bool add;

    if (key == NULL || !read_operator(r, key, &add))
        return FALSE;
    setting = g_new0(Setting, 1);
    setting->node = read_value(r, 0, &setting->text);
    if (setting->node == NULL || !read_end(r)) {
        setting_free(setting);
        return FALSE;
    }
    setting->node->key = g_steal_pointer(&key);
    setting->node->line = pos.line;
    setting->node->column = pos.column;
    old = add ? find_setting(r, setting->node->key) : NULL;
    if (old == NULL) {
        assign(r, setting);
    } else {
        ok = append(r, old, setting, pos);
        setting_free(setting);
    }
    return ok;
}

static gboolean
read_file(XlReader *r)
{
    for (;;) {
        char c;

        skip_line_blanks(r);
        c = conf_cursor_peek(&r->at, 0);
        if (c == '\0')
            return TRUE;
        if (c == '\n' || c == ';')
            conf_cursor_advance(&r->at);
        else if (!read_setting(r))
            return FALSE;
    }
}

/* The settings that remained become the tree, in order of their assignment. */
static void
finish(XlReader *r)
{
    for (guint i = 0; i < r->settings->len; i++) {
        Setting *setting = r->settings->pdata[i];

        if (setting == NULL)
            continue;
        if (setting->text != NULL)
            set_text(r, setting->node, setting->text);
        g_ptr_array_add(r->native->root->items, g_steal_pointer(&setting->node));
    }
}

GPtrArray *
conf_xl_parse(const char *text, gsize len, const char *file, GError **error)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, file);
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(setting_free);
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    XlReader reader = { .native = native, .settings = settings, .places = places, .error = error };
    GPtrArray *natives;

    if (!conf_cursor_init(&reader.at, text, len, file, error) || !read_file(&reader))
        return NULL;
    finish(&reader);
    natives = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);
    g_ptr_array_add(natives, g_steal_pointer(&native));
    return natives;
}
