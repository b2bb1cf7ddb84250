/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-json.h"

#include <string.h>

#define BLANKS  " \t\r\n"
#define NO_CHAR 0xfffd

static const char *
skip_blanks(const char *at)
{
    return at + strspn(at, BLANKS);
}

/* `at` is behind the first quote. NULL: there is no second one. */
static const char *
skip_string(const char *at)
{
    for (;;) {
        at += strcspn(at, "\\\"");
        if (*at == '"')
            return at + 1;
        if (!*at || !at[1])
            return NULL;
        at += 2;
    }
}

static const char *
skip_brackets(const char *at)
{
    gsize depth = 0;

    for (;;) {
        at += strcspn(at, "\"{}[]");
        switch (*at++) {
        case '"':
            at = skip_string(at);
            if (!at)
                return NULL;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return at;
            break;
        default:
            return NULL;
        }
    }
}

const char *
hvxl_json_skip(const char *value)
{
    gsize len;

    if (!value)
        return NULL;
    value = skip_blanks(value);
    if (*value == '"')
        return skip_string(value + 1);
    if (*value == '{' || *value == '[')
        return skip_brackets(value);
    len = strcspn(value, BLANKS ",:\"{}[]");
    return len ? value + len : NULL;
}

gboolean
hvxl_json_is_object(const char *text)
{
    const char *end = hvxl_json_skip(text);

    return end && *skip_blanks(text) == '{' && !*skip_blanks(end);
}

/* ---- what is inside ---- */

/* `at` is at an opening bracket, or behind a value. NULL: nothing follows. */
static const char *
next_value(const char *at)
{
    at = skip_blanks(at);
    if (*at != '{' && *at != '[' && *at != ',')
        return NULL;
    at = skip_blanks(at + 1);
    return *at == '}' || *at == ']' || !*at ? NULL : at;
}

const char *
hvxl_json_get(const char *object, const char *key)
{
    const char *name = NULL, *value = object;
    gsize len = strlen(key);

    if (!object || *skip_blanks(object) != '{')
        return NULL;
    while (value && (name = next_value(value))) {
        const char *end = hvxl_json_skip(name);

        if (*name != '"' || !end || *skip_blanks(end) != ':')
            return NULL;
        value = skip_blanks(skip_blanks(end) + 1);
        if ((gsize)(end - name) == len + 2 && strncmp(name + 1, key, len) == 0)
            return hvxl_json_skip(value) ? value : NULL;
        value = hvxl_json_skip(value);
    }
    return NULL;
}

const char *
hvxl_json_next(const char *array, const char *element)
{
    const char *at = element ? hvxl_json_skip(element) : array;
    const char *next;

    if (!at || (!element && *skip_blanks(at) != '['))
        return NULL;
    next = next_value(at);
    return hvxl_json_skip(next) ? next : NULL;
}

/* ---- values ---- */

static gboolean
is_character(gunichar code)
{
    return code && g_unichar_validate(code);
}

/* `at` is behind "\u". The number of characters that it has read. */
static gsize
unescape_code(const char *at, gunichar *ret_code)
{
    gunichar code = 0;
    gsize i;

    for (i = 0; i < 4 && g_ascii_isxdigit(at[i]); i++)
        code = code * 16 + (gunichar)g_ascii_xdigit_value(at[i]);
    *ret_code = i == 4 ? code : 0;
    return i;
}

/* `at` is behind a backslash. */
static const char *
unescape(const char *at, GString *text)
{
    static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
    const char *found = strchr(from, *at);
    gunichar code;

    if (*at && found) {
        g_string_append_c(text, to[found - from]);
        return at + 1;
    }
    if (*at != 'u')
        return *at ? at + 1 : at;
    at++;
    at += unescape_code(at, &code);
    if (code >= 0xd800 && code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
        gunichar low;
        gsize n = unescape_code(at + 2, &low);

        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 2 + n;
        }
    }
    g_string_append_unichar(text, is_character(code) ? code : NO_CHAR);
    return at;
}

char *
hvxl_json_string(const char *value)
{
    g_autoptr(GString) text = NULL;
    const char *at = value ? skip_blanks(value) : "";

    if (*at != '"' || !skip_string(at + 1))
        return NULL;
    text = g_string_new(NULL);
    for (at++; *at != '"';) {
        if (*at == '\\')
            at = unescape(at + 1, text);
        else
            g_string_append_c(text, *at++);
    }
    return g_utf8_make_valid(text->str, (gssize)text->len);
}

gboolean
hvxl_json_is(const char *value, const char *text)
{
    g_autofree char *string = hvxl_json_string(value);

    return g_strcmp0(string, text) == 0;
}

/* A copy of what is neither in brackets nor in quotes; NULL: it is. */
static char *
word(const char *value)
{
    const char *at = value ? skip_blanks(value) : "";
    gsize len = strcspn(at, BLANKS ",:\"{}[]");

    return len ? g_strndup(at, len) : NULL;
}

gboolean
hvxl_json_uint(const char *value, guint64 *ret_number)
{
    g_autofree char *digits = word(value);

    return digits && g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT64, ret_number, NULL);
}

gboolean
hvxl_json_true(const char *value)
{
    g_autofree char *text = word(value);

    return g_strcmp0(text, "true") == 0;
}

char *
hvxl_json_quote(const char *text)
{
    GString *out = g_string_new("\"");

    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            g_string_append_printf(out, "\\%c", *text);
        else if ((guchar)*text < 0x20)
            g_string_append_printf(out, "\\u%04x", (guchar)*text);
        else
            g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}
