/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

gboolean
conf_cursor_init(ConfCursor *cursor, const char *text, gsize len, const char *file, GError **error)
{
    ConfCursor start = { .file = file, .p = text, .end = text + len, .pos = { 1, 1 } };
    const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;

    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        start.p += 3;
    *cursor = start;
    if (nul == NULL)
        return TRUE;
    while (start.p < nul)
        conf_cursor_advance(&start);
    conf_error_at(error, CONF_ERROR_SYNTAX, file, start.pos,
                  "there is a NUL byte here: this is not a text");
    return FALSE;
}

void
conf_error_at(GError **error, ConfError code, const char *file, ConfPos pos, const char *format,
              ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CONF_ERROR, (int)code, "%s:%u:%u: %s", file, pos.line, pos.column, reason);
}

char *
conf_cursor_describe(const ConfCursor *cursor)
{
    const char *p = cursor->p;
    gsize len = 0;

    if (p == cursor->end)
        return g_strdup("the end of the file");
    if (*p == '\n' || *p == '\r')
        return g_strdup("the end of the line");
    while (p + len < cursor->end && len < 40 && (g_ascii_isalnum(p[len]) || p[len] == '_'))
        len++;
    if (len > 0)
        return g_strdup_printf("'%.*s'", (int)len, p);

    gunichar c = g_utf8_get_char_validated(p, MIN(cursor->end - p, 6));
    char text[7] = "";

    if (c >= (gunichar)-2 || !g_unichar_isprint(c))
        return g_strdup_printf("the byte 0x%02x", (guchar)*p);
    g_unichar_to_utf8(c, text);
    return g_strdup_printf("'%s'", text);
}

char *
conf_text_to_utf8(const char *bytes, gsize len, bool *ret_converted)
{
    GString *out;

    if (g_utf8_validate_len(bytes, len, NULL))
        return g_strndup(bytes, len);
    out = g_string_sized_new(len + 16);
    for (gsize i = 0; i < len; i++)
        g_string_append_unichar(out, (guchar)bytes[i]);
    *ret_converted = true;
    return g_string_free(out, FALSE);
}

bool
conf_text_to_int(const char *text, gint64 *ret_number)
{
    char *end = NULL;
    gint64 number;

    if (!g_ascii_isdigit(*text) && *text != '-')
        return false;
    errno = 0;
    number = g_ascii_strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *ret_number = number;
    return true;
}
