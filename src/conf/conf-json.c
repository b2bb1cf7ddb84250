/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON (RFC 8259) as a native tree with the place of each member, which a library's tree does not
 * have and the report needs. true and false become the strings "true" and "false".
 */
#include "conf-json.h"

#include <string.h>

typedef struct Json {
    ConfCursor at;
    unsigned depth, n_nodes;
    GError **error;
} Json;

static gboolean
fail(Json *json, const char *expected)
{
    g_autofree char *found = conf_cursor_describe(&json->at);

    conf_error_at(json->error, CONF_ERROR_SYNTAX, json->at.file, json->at.pos,
                  "expected %s, found %s", expected, found);
    return FALSE;
}

static void
skip_blanks(Json *json)
{
    while (json->at.p < json->at.end && strchr(" \t\r\n", *json->at.p))
        conf_cursor_advance(&json->at);
}

static bool
take(Json *json, char c)
{
    if (conf_cursor_peek(&json->at, 0) != c || json->at.p == json->at.end)
        return false;
    conf_cursor_advance(&json->at);
    return true;
}

/* ---- strings ---- */

static gboolean
read_hex(Json *json, gunichar *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        char c = conf_cursor_peek(&json->at, 0);

        if (!g_ascii_isxdigit(c))
            return fail(json, "four hexadecimal digits");
        *ret = *ret << 4 | (gunichar)g_ascii_xdigit_value(c);
        conf_cursor_advance(&json->at);
    }
    return TRUE;
}

/* Behind the 'u'. Two halves of a surrogate pair make one character. */
static gboolean
read_unicode(Json *json, GString *out)
{
    gunichar c, low = 0;

    if (!read_hex(json, &c))
        return FALSE;
    if (c >= 0xD800 && c < 0xDC00) {
        if (!take(json, '\\') || !take(json, 'u'))
            return fail(json, "the second half of a surrogate pair");
        if (!read_hex(json, &low))
            return FALSE;
        c = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : 0;
    }
    if (c == 0 || !g_unichar_validate(c))
        return fail(json, "a character behind \\u");
    g_string_append_unichar(out, c);
    return TRUE;
}

static gboolean
read_escape(Json *json, GString *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = conf_cursor_peek(&json->at, 0);
    const char *found = c ? strchr(from, c) : NULL;

    if (take(json, 'u'))
        return read_unicode(json, out);
    if (found == NULL)
        return fail(json, "an escape (one of \" \\ / b f n r t u)");
    conf_cursor_advance(&json->at);
    g_string_append_c(out, to[found - from]);
    return TRUE;
}

/* At the opening quote. */
static char *
read_string(Json *json)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!take(json, '"')) {
        fail(json, "a string");
        return NULL;
    }
    while (!take(json, '"')) {
        if (json->at.p == json->at.end || (guchar)*json->at.p < 0x20) {
            fail(json, "the closing quote of a string");
            return NULL;
        }
        if (out->len > CONF_MAX_TEXT) {
            conf_error_at(json->error, CONF_ERROR_LIMIT, json->at.file, json->at.pos,
                          "a string is longer than %u bytes", CONF_MAX_TEXT);
            return NULL;
        }
        if (take(json, '\\')) {
            if (!read_escape(json, out))
                return NULL;
            continue;
        }
        g_string_append_c(out, *json->at.p);
        conf_cursor_advance(&json->at);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- values ---- */

static ConfNode *read_value(Json *json, const char *key, ConfPos key_pos);

static gboolean
read_number(Json *json, ConfNode *node)
{
    const char *start = json->at.p, *p;
    bool whole = true;

    while (json->at.p < json->at.end && strchr("+-.eE0123456789", *json->at.p))
        conf_cursor_advance(&json->at);
    node->text = g_strndup(start, (gsize)(json->at.p - start));
    p = node->text + (*node->text == '-');
    for (const char *c = p; *c; c++)
        whole = whole && g_ascii_isdigit(*c);
    if (!g_ascii_isdigit(*p) || (p[0] == '0' && g_ascii_isdigit(p[1])))
        return fail(json, "a value");
    node->kind = whole ? CONF_NODE_INT : CONF_NODE_FLOAT;
    node->number = whole ? g_ascii_strtoll(node->text, NULL, 10) : 0;
    node->real = g_ascii_strtod(node->text, NULL);
    return TRUE;
}

static gboolean
read_word(Json *json, ConfNode *node)
{
    static const char *const words[] = { "true", "false", "null" };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        gsize len = strlen(words[i]);

        if ((gsize)(json->at.end - json->at.p) < len || memcmp(json->at.p, words[i], len) != 0)
            continue;
        json->at.p += len;
        json->at.pos.column += (unsigned)len;
        node->kind = i < 2 ? CONF_NODE_STRING : CONF_NODE_NONE;
        node->text = i < 2 ? g_strdup(words[i]) : NULL;
        return TRUE;
    }
    return fail(json, "a value");
}

/* One member or item behind another, to the closing bracket. */
static gboolean
read_items(Json *json, ConfNode *parent, char close)
{
    bool group = parent->kind == CONF_NODE_GROUP;

    conf_cursor_advance(&json->at);
    skip_blanks(json);
    if (take(json, close))
        return TRUE;
    do {
        g_autofree char *key = NULL;
        ConfNode *item;
        ConfPos pos;

        skip_blanks(json);
        pos = json->at.pos;
        if (group) {
            key = read_string(json);
            if (key == NULL)
                return FALSE;
            skip_blanks(json);
            if (!take(json, ':'))
                return fail(json, "':'");
            skip_blanks(json);
        }
        item = read_value(json, key, pos);
        if (item == NULL)
            return FALSE;
        g_ptr_array_add(parent->items, item);
        skip_blanks(json);
    } while (take(json, ','));
    return take(json, close) ? TRUE : fail(json, group ? "',' or '}'" : "',' or ']'");
}

static gboolean
fill(Json *json, ConfNode *node, char c)
{
    if (c == '{')
        return read_items(json, node, '}');
    if (c == '[')
        return read_items(json, node, ']');
    if (c == '"')
        return (node->text = read_string(json)) != NULL;
    return c == '-' || g_ascii_isdigit(c) ? read_number(json, node) : read_word(json, node);
}

static ConfNode *
read_value(Json *json, const char *key, ConfPos key_pos)
{
    char c = conf_cursor_peek(&json->at, 0);
    ConfNodeKind kind = c == '{' ? CONF_NODE_GROUP : c == '[' ? CONF_NODE_LIST : CONF_NODE_STRING;
    g_autoptr(ConfNode) node = conf_node_new(kind, key, key_pos.line, key_pos.column);
    gboolean ok;

    node->value_line = json->at.pos.line;
    node->value_column = json->at.pos.column;
    if (++json->depth > CONF_MAX_DEPTH || ++json->n_nodes > CONF_MAX_NODES) {
        conf_error_at(json->error, CONF_ERROR_LIMIT, json->at.file, json->at.pos,
                      json->depth > CONF_MAX_DEPTH ? "brackets are nested deeper than %d"
                                                   : "more than %d values",
                      json->depth > CONF_MAX_DEPTH ? CONF_MAX_DEPTH : (int)CONF_MAX_NODES);
        return NULL;
    }
    ok = fill(json, node, c);
    json->depth--;
    return ok ? g_steal_pointer(&node) : NULL;
}

ConfNode *
conf_json_parse(const char *text, gsize len, const char *file, GError **error)
{
    Json json = { .error = error };
    g_autoptr(ConfNode) root = NULL;
    const char *bad;

    if (!conf_cursor_init(&json.at, text, len, file, error))
        return NULL;
    if (!g_utf8_validate(text, (gssize)len, &bad)) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_SYNTAX,
                    "%s: byte %" G_GSIZE_FORMAT " is not UTF-8, as JSON has to be", file,
                    (gsize)(bad - text));
        return NULL;
    }
    skip_blanks(&json);
    root = read_value(&json, NULL, json.at.pos);
    skip_blanks(&json);
    if (root && json.at.p < json.at.end) {
        fail(&json, "the end");
        return NULL;
    }
    return g_steal_pointer(&root);
}
