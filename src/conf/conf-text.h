/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the readers of xl and xm syntax share: walking through text with the place at hand. */
#pragma once

#include <conf/conf.h>

/* Nodes of one native tree. Large configs have some hundred; what has more is no config, and would
 * cost far more memory than its text does. */
#define CONF_MAX_NODES (1u << 16)

typedef struct ConfPos {
    unsigned line, column; /* 1-based; a column is a character (UTF-8), not a byte */
} ConfPos;

typedef struct ConfCursor {
    const char *file;
    const char *p, *end;
    ConfPos pos; /* of *p */
} ConfCursor;

/* Puts the cursor on the first character, behind a byte order mark. FALSE and an error with its
 * place when there is a NUL byte anywhere: no text has one. */
gboolean conf_cursor_init(ConfCursor *cursor, const char *text, gsize len, const char *file,
                          GError **error);

/* One byte on. Not at the end. */
static inline void
conf_cursor_advance(ConfCursor *cursor)
{
    char c = *cursor->p++;

    if (c == '\n') {
        cursor->pos.line++;
        cursor->pos.column = 1;
    } else if (cursor->p == cursor->end || ((guchar)*cursor->p & 0xC0) != 0x80) {
        cursor->pos.column++; /* only behind a character's last byte */
    }
}

/* The byte `offset` ahead, '\0' behind the end. */
static inline char
conf_cursor_peek(const ConfCursor *cursor, gsize offset)
{
    return (gsize)(cursor->end - cursor->p) > offset ? cursor->p[offset] : '\0';
}

/* "FILE:LINE:COLUMN: " and the reason. */
void conf_error_at(GError **error, ConfError code, const char *file, ConfPos pos,
                   const char *format, ...) G_GNUC_PRINTF(5, 6);

/* What a message shows of the text at the cursor: one character or one word, as a quoted string. */
char *conf_cursor_describe(const ConfCursor *cursor);

/* The bytes as valid UTF-8: as they are, or read as ISO-8859-1 (and *ret_converted is set). */
char *conf_text_to_utf8(const char *bytes, gsize len, bool *ret_converted);

/* An integer as C and xl have it: decimal, 0x hexadecimal, 0 octal. False when it is none or does
 * not fit. */
bool conf_text_to_int(const char *text, gint64 *ret_number);
