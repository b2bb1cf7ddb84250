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
#include "conf-arena.h"
#include "conf-private.h"
#include "conf-text.h"

#include <string.h>

typedef struct XlReader {
    ConfCursor at;
    ConfNative *native;
    /* One a key, NULL where a later assignment replaced it. The text of a scalar is raw bytes until
     * finish(), as "+=" may still add to it. */
    GPtrArray *settings;
    GHashTable *places; /* key -> index in settings, plus 1; the keys belong to the nodes. NULL
                           while there are few */
    GHashTable *grown;  /* node -> GString, its text where "+=" added to it; NULL: nowhere yet */
    unsigned n_nodes;
    gsize n_text; /* bytes of all values */
    GError **error;
} XlReader;

#define FEW_SETTINGS 48

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
count_text(XlReader *r, gsize len)
{
    if (r->n_text + len <= CONF_MAX_TEXT)
        return TRUE;
    conf_error_at(r->error, CONF_ERROR_LIMIT, r->at.file, r->at.pos,
                  "the values have more than %u bytes altogether", CONF_MAX_TEXT);
    return FALSE;
}

static void
skip_plain(XlReader *r, char quote)
{
    char c;

    while ((c = conf_cursor_peek(&r->at, 0)) != quote && c != '\\' && c != '\n' && c != '\0')
        conf_cursor_advance(&r->at);
}

/* What is left of a string behind its first plain bytes, escapes resolved. */
static gboolean
read_string_rest(XlReader *r, char quote, ConfPos opened, GString *out)
{
    for (;;) {
        const char *start = r->at.p;

        skip_plain(r, quote);
        g_string_append_len(out, start, r->at.p - start);
        if (!count_text(r, out->len))
            return FALSE;
        char c = conf_cursor_peek(&r->at, 0), next = conf_cursor_peek(&r->at, 1);
        if (c == quote)
            return TRUE;
        if (c != '\\' || next == '\0' || next == '\n') {
            conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, opened,
                          "the string that %c opens here is not closed in this line", quote);
            return FALSE;
        }
        if (!read_escape(r, out))
            return FALSE;
    }
}

static char *
keep(XlReader *r, const char *text, gsize len)
{
    return conf_arena_strndup(r->native->arena, text, len);
}

/* Returns the raw bytes between the quotes, escapes resolved. */
static char *
read_string(XlReader *r)
{
    ConfPos opened = r->at.pos;
    char quote = *r->at.p, *text;
    gsize len;

    conf_cursor_advance(&r->at);
    const char *start = r->at.p;
    skip_plain(r, quote);
    len = (gsize)(r->at.p - start);
    if (conf_cursor_peek(&r->at, 0) == quote) { /* most have no escapes */
        text = count_text(r, len) ? keep(r, start, len) : NULL;
    } else {
        g_autoptr(GString) out = g_string_new_len(start, (gssize)len);
        gboolean ok = read_string_rest(r, quote, opened, out);

        len = out->len;
        text = ok ? keep(r, out->str, len) : NULL;
    }
    if (text == NULL)
        return NULL;
    conf_cursor_advance(&r->at);
    r->n_text += len;
    return text;
}

/* Strings come as bytes; the tree speaks UTF-8. */
static void
finish_text(XlReader *r, ConfNode *node)
{
    bool converted = false;
    gsize len = strlen(node->text);

    if (!g_utf8_validate(node->text, (gssize)len, NULL)) {
        g_autofree char *text = conf_text_to_utf8(node->text, len, &converted);

        node->text = keep(r, text, strlen(text));
    }
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

static char *
read_number(XlReader *r)
{
    const char *start = r->at.p;
    gsize len;
    char c;

    while (g_ascii_isdigit(c = conf_cursor_peek(&r->at, 0)) || (c >= 'a' && c <= 'f') || c == 'x')
        conf_cursor_advance(&r->at);
    len = (gsize)(r->at.p - start);
    if (!count_text(r, len))
        return NULL;
    r->n_text += len;
    return keep(r, start, len);
}

static ConfNode *
new_node(XlReader *r, ConfNodeKind kind)
{
    ConfNode *node = conf_arena_take_zeroed(r->native->arena, sizeof *node);

    node->kind = kind;
    node->in_arena = true;
    node->line = node->value_line = r->at.pos.line;
    node->column = node->value_column = r->at.pos.column;
    if (kind == CONF_NODE_LIST)
        node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    return node;
}

static ConfNode *read_list(XlReader *r, unsigned depth);

/* A value without a key; finish_text() is the caller's, once its text is complete. */
static ConfNode *
read_value(XlReader *r, unsigned depth)
{
    char c = conf_cursor_peek(&r->at, 0);
    ConfNode *node;

    if (!count_node(r))
        return NULL;
    if (c == '[')
        return read_list(r, depth);
    if (c != '"' && c != '\'' && !g_ascii_isdigit(c)) {
        fail_value(r);
        return NULL;
    }
    node = new_node(r, g_ascii_isdigit(c) ? CONF_NODE_INT : CONF_NODE_STRING);
    node->text = g_ascii_isdigit(c) ? read_number(r) : read_string(r);
    return node->text != NULL ? node : NULL;
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
    ConfNode *item;

    if (c == '\0' || c == ',' || g_ascii_isalpha(c))
        return fail_list(r, opened, "a value or ']'");
    item = read_value(r, depth);
    if (item == NULL)
        return FALSE;
    if (item->text != NULL)
        finish_text(r, item);
    g_ptr_array_add(list->items, item);
    return TRUE;
}

static ConfNode *
read_list(XlReader *r, unsigned depth)
{
    ConfPos opened = r->at.pos;
    g_autoptr(ConfNode) list = new_node(r, CONF_NODE_LIST);

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

static bool
find_few(const XlReader *r, const char *key, guint *ret_index)
{
    for (guint i = 0; i < r->settings->len; i++) {
        const ConfNode *node = r->settings->pdata[i];

        if (node != NULL && node->key[0] == key[0] && strcmp(node->key, key) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool
find_setting(XlReader *r, const char *key, guint *ret_index)
{
    gpointer place;

    if (r->places == NULL)
        return find_few(r, key, ret_index);
    place = g_hash_table_lookup(r->places, key);
    *ret_index = GPOINTER_TO_UINT(place) - 1;
    return place != NULL;
}

static void
add_place(XlReader *r, guint index)
{
    const ConfNode *node = r->settings->pdata[index];

    if (node != NULL)
        g_hash_table_insert(r->places, node->key, GUINT_TO_POINTER(index + 1));
}

static void
assign(XlReader *r, ConfNode *node)
{
    guint old;

    if (find_setting(r, node->key, &old)) {
        ConfNode *replaced = r->settings->pdata[old];

        conf_native_add_note(r->native, replaced->line, replaced->column,
                             "%s: line %u assigns it again, and that value holds", node->key,
                             node->line);
        r->settings->pdata[old] = NULL;
        if (r->places != NULL)
            g_hash_table_remove(r->places, node->key);
        if (r->grown != NULL)
            g_hash_table_remove(r->grown, replaced);
        conf_node_free(replaced);
    }
    g_ptr_array_add(r->settings, node);
    if (r->places != NULL) {
        add_place(r, r->settings->len - 1);
    } else if (r->settings->len > FEW_SETTINGS) {
        r->places = g_hash_table_new(g_str_hash, g_str_equal);
        for (guint i = 0; i < r->settings->len; i++)
            add_place(r, i);
    }
}

static void
free_text(gpointer text)
{
    g_string_free(text, TRUE);
}

static GString *
grown_text(XlReader *r, ConfNode *node)
{
    GString *text;

    if (r->grown == NULL)
        r->grown = g_hash_table_new_full(NULL, NULL, NULL, free_text);
    text = g_hash_table_lookup(r->grown, node);
    if (text == NULL) {
        text = g_string_new(node->text);
        g_hash_table_insert(r->grown, node, text);
    }
    return text;
}

static void
take_grown_text(XlReader *r, ConfNode *node)
{
    GString *text = r->grown != NULL ? g_hash_table_lookup(r->grown, node) : NULL;

    if (text == NULL)
        return;
    node->text = keep(r, text->str, text->len);
    g_hash_table_remove(r->grown, node);
}

/* "+=": lists grow, strings and numbers are joined as text. */
static gboolean
append(XlReader *r, ConfNode *old, ConfNode *more, ConfPos pos)
{
    if ((old->text == NULL) != (more->text == NULL)) {
        conf_error_at(r->error, CONF_ERROR_SYNTAX, r->at.file, pos,
                      "'%s' is a %s since line %u, and a %s cannot be added to it", old->key,
                      old->text == NULL ? "list" : "string", old->line,
                      more->text == NULL ? "list" : "string");
        return FALSE;
    }
    if (old->text != NULL) {
        g_string_append(grown_text(r, old), more->text);
        if (more->kind == CONF_NODE_STRING)
            old->kind = CONF_NODE_STRING;
    } else {
        g_ptr_array_extend_and_steal(old->items, more->items);
        more->items = NULL;
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
    return keep(r, start, (gsize)(r->at.p - start));
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
    char *key = read_key(r);
    g_autoptr(ConfNode) node = NULL;
    guint old;
    bool add;

    if (key == NULL || !read_operator(r, key, &add))
        return FALSE;
    node = read_value(r, 0);
    if (node == NULL || !read_end(r))
        return FALSE;
    node->key = key;
    node->line = pos.line;
    node->column = pos.column;
    if (add && find_setting(r, node->key, &old))
        return append(r, r->settings->pdata[old], node, pos);
    assign(r, g_steal_pointer(&node));
    return TRUE;
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
        ConfNode *node = r->settings->pdata[i];

        if (node == NULL)
            continue;
        take_grown_text(r, node);
        if (node->text != NULL)
            finish_text(r, node);
        g_ptr_array_add(r->native->root->items, node);
        r->settings->pdata[i] = NULL;
    }
}

GPtrArray *
conf_xl_parse(const char *text, gsize len, const char *file, GError **error)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, file);
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    XlReader reader = { .native = native, .settings = settings, .error = error };
    gboolean ok = conf_cursor_init(&reader.at, text, len, file, error) && read_file(&reader);
    GPtrArray *natives;

    if (ok)
        finish(&reader);
    g_clear_pointer(&reader.places, g_hash_table_unref);
    g_clear_pointer(&reader.grown, g_hash_table_unref);
    if (!ok)
        return NULL;
    natives = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);
    g_ptr_array_add(natives, g_steal_pointer(&native));
    return natives;
}
