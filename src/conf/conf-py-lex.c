/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Python 2 text to tokens, with INDENT and DEDENT where a block begins and ends. */
#include "conf-py.h"

#include <errno.h>
#include <string.h>

/* ---- the arena ---- */

#define CHUNK_SIZE (16u << 10)
#define MAX_PLAIN  4096 /* bytes of a string that is read in one go */

void
conf_py_arena_init(ConfPyArena *arena)
{
    *arena = (ConfPyArena){ .chunks = g_ptr_array_new_with_free_func(g_free) };
}

void
conf_py_arena_clear(ConfPyArena *arena)
{
    g_clear_pointer(&arena->chunks, g_ptr_array_unref);
}

bool
conf_py_room(const ConfPyArena *arena, gsize size)
{
    return size <= CONF_PY_MAX_VALUE && arena->used + size <= CONF_PY_MAX_MEMORY;
}

void *
conf_py_alloc(ConfPyArena *arena, gsize size)
{
    void *memory;

    size = (size + 7) & ~(gsize)7;
    arena->used += size;
    arena->full |= arena->used > CONF_PY_MAX_MEMORY;
    if (size > CHUNK_SIZE / 4) {
        memory = g_malloc0(size);
        g_ptr_array_add(arena->chunks, memory);
        return memory;
    }
    if (size > arena->left) {
        arena->free = g_malloc0(CHUNK_SIZE);
        arena->left = CHUNK_SIZE;
        g_ptr_array_add(arena->chunks, arena->free);
    }
    memory = arena->free;
    arena->free += size;
    arena->left -= size;
    return memory;
}

char *
conf_py_strndup(ConfPyArena *arena, const char *text, gsize len)
{
    char *copy = conf_py_alloc(arena, len + 1);

    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

/* ---- the lexer ---- */

static const char *const keywords[] = {
    "and",   "as",     "assert", "break", "class",  "continue", "def",   "del",
    "elif",  "else",   "except", "exec",  "for",    "finally",  "from",  "global",
    "if",    "import", "in",     "is",    "lambda", "not",      "or",    "pass",
    "print", "raise",  "return", "try",   "while",  "with",     "yield",
};

/* The longer ones first. */
static const char *const operators[] = {
    "**=", "//=", "<<=", ">>=", "==", "!=", "<>", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "&=",
    "|=",  "^=",  "**",  "//",  "<<", ">>", "+",  "-",  "*",  "/",  "%",  "=",  "<",  ">",  "(",
    ")",   "[",   "]",   "{",   "}",  ",",  ":",  ".",  ";",  "|",  "&",  "^",  "~",  "@",  "`",
};

gboolean
conf_py_lexer_init(ConfPyLexer *lexer, ConfPyArena *arena, const char *text, gsize len,
                   const char *file, GError **error)
{
    memset(lexer, 0, sizeof(*lexer));
    lexer->arena = arena;
    lexer->error = error;
    lexer->line_start = true;
    return conf_cursor_init(&lexer->at, text, len, file, error);
}

static char
peek(const ConfPyLexer *lexer, gsize offset)
{
    return conf_cursor_peek(&lexer->at, offset);
}

static void
advance(ConfPyLexer *lexer, gsize count)
{
    for (gsize i = 0; i < count; i++)
        conf_cursor_advance(&lexer->at);
}

/* Over bytes that no line ends in. */
static void
advance_in_line(ConfPyLexer *lexer, gsize count)
{
    for (const char *end = lexer->at.p + count; lexer->at.p < end; lexer->at.p++)
        lexer->at.pos.column += ((guchar)*lexer->at.p & 0xc0) != 0x80;
}

static gboolean
fail(ConfPyLexer *lexer, ConfPos pos, const char *reason)
{
    conf_error_at(lexer->error, CONF_ERROR_SYNTAX, lexer->at.file, pos, "%s", reason);
    return FALSE;
}

/* ---- blanks and lines ---- */

/* Bytes of a line end at the cursor: 0, 1, or 2 for CR LF. */
static gsize
newline_at(const ConfPyLexer *lexer, gsize offset)
{
    if (peek(lexer, offset) == '\r' && peek(lexer, offset + 1) == '\n')
        return 2;
    return peek(lexer, offset) == '\n' ? 1 : 0;
}

static void
skip_comment(ConfPyLexer *lexer)
{
    const char *end = lexer->at.p;

    if (peek(lexer, 0) != '#')
        return;
    while (end < lexer->at.end && *end != '\n' &&
           !(*end == '\r' && end + 1 < lexer->at.end && end[1] == '\n'))
        end++;
    advance_in_line(lexer, (gsize)(end - lexer->at.p));
}

/* Between tokens; between brackets over line ends too. */
static void
skip_blanks(ConfPyLexer *lexer)
{
    for (;;) {
        char c = peek(lexer, 0);
        gsize newline = newline_at(lexer, 0);

        if (newline > 0 && lexer->n_open > 0)
            advance(lexer, newline);
        else if (c == ' ' || c == '\t' || c == '\f')
            advance(lexer, 1);
        else if (c == '\\' && newline_at(lexer, 1) > 0)
            advance(lexer, 1 + newline_at(lexer, 1));
        else if (c == '#')
            skip_comment(lexer);
        else
            return;
    }
}

/* Skips lines without a statement; what is left is the indentation of one that has. */
static unsigned
read_indentation(ConfPyLexer *lexer)
{
    unsigned width = 0;

    for (;;) {
        char c = peek(lexer, 0);
        gsize newline;

        skip_comment(lexer);
        newline = newline_at(lexer, 0);
        if (newline > 0) {
            advance(lexer, newline);
            width = 0;
        } else if (c == ' ') {
            width++;
            advance(lexer, 1);
        } else if (c == '\t') {
            width = (width / 8 + 1) * 8; /* Python 2: to the next multiple of eight */
            advance(lexer, 1);
        } else if (c == '\f') {
            width = 0;
            advance(lexer, 1);
        } else if (lexer->at.p == lexer->at.end) {
            return 0; /* the end closes all blocks */
        } else {
            return width;
        }
    }
}

static gboolean
begin_line(ConfPyLexer *lexer, ConfPyToken *token)
{
    unsigned width = read_indentation(lexer);
    unsigned current = lexer->n_indents > 0 ? lexer->indents[lexer->n_indents - 1] : 0;

    lexer->line_start = false;
    token->pos = lexer->at.pos;
    if (width > current) {
        if (lexer->n_indents == CONF_PY_MAX_NEST) {
            conf_error_at(lexer->error, CONF_ERROR_LIMIT, lexer->at.file, token->pos,
                          "more than %d blocks inside each other", CONF_PY_MAX_NEST);
            return FALSE;
        }
        lexer->indents[lexer->n_indents++] = width;
        token->kind = CONF_PY_T_INDENT;
        return TRUE;
    }
    while (lexer->n_indents > 0 && lexer->indents[lexer->n_indents - 1] > width) {
        lexer->n_indents--;
        lexer->dedents++;
    }
    if (width != (lexer->n_indents > 0 ? lexer->indents[lexer->n_indents - 1] : 0))
        return fail(lexer, token->pos,
                    "this line is indented like none of the blocks around it "
                    "(a tab goes to the next multiple of 8)");
    return conf_py_lex(lexer, token);
}

/* ---- strings ---- */

static gboolean
append_hex(ConfPyLexer *lexer, GString *out, ConfPos pos, gsize n_digits, bool is_unicode)
{
    gunichar value = 0;

    for (gsize i = 0; i < n_digits; i++) {
        int digit = g_ascii_xdigit_value(peek(lexer, 0));

        if (digit < 0)
            return fail(lexer, pos, "too few hexadecimal digits behind the backslash");
        value = value * 16 + (gunichar)digit;
        advance(lexer, 1);
    }
    if (!is_unicode)
        g_string_append_c(out, (char)value);
    else if (g_unichar_validate(value))
        g_string_append_unichar(out, value);
    else
        return fail(lexer, pos, "there is no character with this number");
    return TRUE;
}

static void
append_octal(ConfPyLexer *lexer, GString *out)
{
    unsigned value = 0;

    for (int i = 0; i < 3 && peek(lexer, 0) >= '0' && peek(lexer, 0) <= '7'; i++) {
        value = value * 8 + (unsigned)(peek(lexer, 0) - '0');
        advance(lexer, 1);
    }
    g_string_append_c(out, (char)(guchar)value);
}

/* The cursor is on the backslash. An unknown escape stays as it is, as in Python. */
static gboolean
append_escape(ConfPyLexer *lexer, GString *out, bool is_unicode)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    ConfPos pos = lexer->at.pos;
    char c = peek(lexer, 1);
    const char *found = c != '\0' ? strchr(from, c) : NULL;

    if (newline_at(lexer, 1) > 0) {
        advance(lexer, 1 + newline_at(lexer, 1));
    } else if (found != NULL) {
        g_string_append_c(out, to[found - from]);
        advance(lexer, 2);
    } else if (c >= '0' && c <= '7') {
        advance(lexer, 1);
        append_octal(lexer, out);
    } else if (c == 'x' || (is_unicode && (c == 'u' || c == 'U'))) {
        advance(lexer, 2);
        return append_hex(lexer, out, pos, c == 'x' ? 2 : c == 'u' ? 4 : 8, is_unicode);
    } else {
        g_string_append_c(out, '\\');
        advance(lexer, 1);
    }
    return TRUE;
}

static gboolean
lex_string_body(ConfPyLexer *lexer, GString *out, ConfPos pos, bool raw, bool is_unicode)
{
    char quote = peek(lexer, 0);
    bool triple = peek(lexer, 1) == quote && peek(lexer, 2) == quote;

    advance(lexer, triple ? 3 : 1);
    for (;;) {
        char c = peek(lexer, 0);

        if (out->len > CONF_PY_MAX_VALUE) {
            conf_error_at(lexer->error, CONF_ERROR_LIMIT, lexer->at.file, pos,
                          "a string of more than %u bytes is too large for a config",
                          CONF_PY_MAX_VALUE);
            return FALSE;
        }
        if (c == '\0')
            return fail(lexer, pos, "the string that opens here is never closed");
        if (!triple && newline_at(lexer, 0) > 0)
            return fail(lexer, pos, "the string that opens here is not closed in this line");
        if (c == quote && (!triple || (peek(lexer, 1) == quote && peek(lexer, 2) == quote))) {
            advance(lexer, triple ? 3 : 1);
            return TRUE;
        }
        if (c == '\\' && raw && peek(lexer, 1) != '\0') {
            g_string_append_len(out, lexer->at.p, 2);
            advance(lexer, 2);
        } else if (c == '\\') {
            if (!append_escape(lexer, out, is_unicode))
                return FALSE;
        } else if (newline_at(lexer, 0) == 2) {
            advance(lexer, 1); /* Python reads CR LF as one newline */
        } else {
            g_string_append_c(out, c);
            advance(lexer, 1);
        }
    }
}

/* Bytes of a prefix such as r or ur, when a string begins behind it. */
static bool
string_prefix(const ConfPyLexer *lexer, gsize *ret_len, bool *ret_raw, bool *ret_unicode)
{
    gsize len = 0;

    *ret_raw = *ret_unicode = false;
    for (; len < 2 && peek(lexer, len) != '\0' && strchr("rRuUbB", peek(lexer, len)); len++) {
        *ret_raw |= g_ascii_tolower(peek(lexer, len)) == 'r';
        *ret_unicode |= g_ascii_tolower(peek(lexer, len)) == 'u';
    }
    *ret_len = len;
    return peek(lexer, len) == '\'' || peek(lexer, len) == '"';
}

/* Nearly every string: in one line, and nothing in it to be looked at. Its length, or -1. */
static gssize
plain_length(const ConfPyLexer *lexer)
{
    const char *start = lexer->at.p + 1, *p = start;

    while (p < lexer->at.end && *p != *lexer->at.p && *p != '\\' && *p != '\n' && *p != '\r')
        p++;
    /* Two quotes may be the first two of three. */
    return p < lexer->at.end && *p == *lexer->at.p && p != start && p - start <= MAX_PLAIN
               ? p - start
               : -1;
}

static gboolean
lex_string(ConfPyLexer *lexer, ConfPyToken *token, gsize prefix, bool raw, bool is_unicode)
{
    g_autoptr(GString) out = NULL;
    gssize plain;

    advance(lexer, prefix);
    plain = plain_length(lexer);
    if (plain > 0) {
        token->kind = CONF_PY_T_STRING;
        token->len = (gsize)plain;
        token->text = conf_py_strndup(lexer->arena, lexer->at.p + 1, token->len);
        advance_in_line(lexer, token->len + 2);
        return TRUE;
    }
    out = g_string_new(NULL);
    if (!lex_string_body(lexer, out, token->pos, raw, is_unicode))
        return FALSE;
    token->kind = CONF_PY_T_STRING;
    token->text = conf_py_strndup(lexer->arena, out->str, out->len);
    token->len = out->len;
    return TRUE;
}

/* ---- numbers ---- */

static gboolean
lex_float(ConfPyLexer *lexer, ConfPyToken *token, const char *text, gsize len)
{
    char *end = NULL;

    token->kind = CONF_PY_T_FLOAT;
    token->real = g_ascii_strtod(text, &end);
    if ((gsize)(end - text) != len)
        return fail(lexer, token->pos, "this is no number");
    return TRUE;
}

/* Python 2: 0x hexadecimal, 0b binary, 0o and 0 octal, an L behind it means nothing here. */
static gboolean
lex_int(ConfPyLexer *lexer, ConfPyToken *token, const char *text, gsize len)
{
    g_autofree char *digits = g_strndup(text, len);
    const char *start = digits;
    char *end = NULL;
    int base = 10;
    guint64 value;

    if (g_ascii_tolower(digits[len - 1]) == 'l')
        digits[len - 1] = '\0';
    if (digits[0] == '0' && g_ascii_isalpha(digits[1])) {
        char letter = g_ascii_tolower(digits[1]);

        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        start += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 0;
    } else if (digits[0] == '0') {
        base = 8;
    }
    errno = 0;
    value = g_ascii_strtoull(start, &end, (guint)base);
    if (end == start || *end != '\0')
        return fail(lexer, token->pos, "this is no number");
    token->kind = CONF_PY_T_INT;
    token->number = (gint64)value;
    token->text = conf_py_strndup(lexer->arena, digits, strlen(digits));
    if (errno != 0 || value > G_MAXINT64) {
        token->kind = CONF_PY_T_OUTSIDE;
        token->text = "a number larger than 64 bits";
    }
    return TRUE;
}

static gboolean
lex_number(ConfPyLexer *lexer, ConfPyToken *token)
{
    const char *start = lexer->at.p;
    bool hex = peek(lexer, 0) == '0' && g_ascii_tolower(peek(lexer, 1)) == 'x';
    bool is_float = false;

    for (;;) {
        char c = peek(lexer, 0);
        bool exponent = !hex && (c == 'e' || c == 'E');

        if (exponent && (peek(lexer, 1) == '+' || peek(lexer, 1) == '-'))
            advance(lexer, 1);
        else if (!g_ascii_isalnum(c) && (c != '.' || hex))
            break;
        is_float |= exponent || c == '.';
        advance(lexer, 1);
    }

    gsize len = (gsize)(lexer->at.p - start);
    g_autofree char *text = g_strndup(start, len);

    if (!hex && g_ascii_tolower(text[len - 1]) == 'j') {
        token->kind = CONF_PY_T_OUTSIDE;
        token->text = "a complex number";
        return TRUE;
    }
    return is_float ? lex_float(lexer, token, text, len) : lex_int(lexer, token, text, len);
}

/* ---- names and signs ---- */

static gboolean
lex_name(ConfPyLexer *lexer, ConfPyToken *token)
{
    const char *start = lexer->at.p, *end = start;

    while (end < lexer->at.end && (g_ascii_isalnum(*end) || *end == '_'))
        end++;
    token->len = (gsize)(end - start);
    token->text = conf_py_strndup(lexer->arena, start, token->len);
    advance_in_line(lexer, token->len);
    token->kind = CONF_PY_T_NAME;
    for (gsize i = 0; i < G_N_ELEMENTS(keywords); i++) {
        if (keywords[i][0] == token->text[0] && strcmp(keywords[i], token->text) == 0)
            token->kind = CONF_PY_T_KEYWORD;
    }
    return TRUE;
}

static gboolean
open_bracket(ConfPyLexer *lexer, ConfPos pos, char bracket)
{
    if (lexer->n_open == CONF_PY_MAX_NEST) {
        conf_error_at(lexer->error, CONF_ERROR_LIMIT, lexer->at.file, pos,
                      "more than %d brackets inside each other", CONF_PY_MAX_NEST);
        return FALSE;
    }
    lexer->open[lexer->n_open].bracket = bracket;
    lexer->open[lexer->n_open++].pos = pos;
    return TRUE;
}

static gboolean
close_bracket(ConfPyLexer *lexer, ConfPos pos, char bracket)
{
    char wanted = bracket == ')' ? '(' : bracket == ']' ? '[' : '{';

    if (lexer->n_open == 0) {
        conf_error_at(lexer->error, CONF_ERROR_SYNTAX, lexer->at.file, pos,
                      "no '%c' was opened for this '%c'", wanted, bracket);
        return FALSE;
    }
    lexer->n_open--;
    if (lexer->open[lexer->n_open].bracket != wanted) {
        conf_error_at(lexer->error, CONF_ERROR_SYNTAX, lexer->at.file, pos,
                      "'%c' does not close the '%c' opened at %u:%u", bracket,
                      lexer->open[lexer->n_open].bracket, lexer->open[lexer->n_open].pos.line,
                      lexer->open[lexer->n_open].pos.column);
        return FALSE;
    }
    return TRUE;
}

static gboolean
lex_operator(ConfPyLexer *lexer, ConfPyToken *token)
{
    gsize left = (gsize)(lexer->at.end - lexer->at.p);

    for (gsize i = 0; i < G_N_ELEMENTS(operators); i++) {
        gsize len;

        if (operators[i][0] != *lexer->at.p)
            continue;
        len = strlen(operators[i]);
        if (len > left || memcmp(operators[i], lexer->at.p, len) != 0)
            continue;
        token->kind = CONF_PY_T_OP;
        token->text = operators[i];
        advance_in_line(lexer, len);
        if (strchr("([{", token->text[0]) != NULL)
            return open_bracket(lexer, token->pos, token->text[0]);
        if (strchr(")]}", token->text[0]) != NULL)
            return close_bracket(lexer, token->pos, token->text[0]);
        return TRUE;
    }

    g_autofree char *found = conf_cursor_describe(&lexer->at);

    conf_error_at(lexer->error, CONF_ERROR_SYNTAX, lexer->at.file, token->pos,
                  "%s means nothing in Python", found);
    return FALSE;
}

static gboolean
lex_end(ConfPyLexer *lexer, ConfPyToken *token)
{
    if (lexer->n_open > 0) {
        conf_error_at(lexer->error, CONF_ERROR_SYNTAX, lexer->at.file,
                      lexer->open[lexer->n_open - 1].pos, "'%c' opened here is never closed",
                      lexer->open[lexer->n_open - 1].bracket);
        return FALSE;
    }
    token->kind = CONF_PY_T_END;
    if (!lexer->ended) {
        token->kind = CONF_PY_T_NEWLINE;
        lexer->ended = lexer->line_start = true;
    }
    return TRUE;
}

gboolean
conf_py_lex(ConfPyLexer *lexer, ConfPyToken *ret_token)
{
    bool raw, is_unicode;
    gsize prefix;
    char c;

    memset(ret_token, 0, sizeof(*ret_token));
    ret_token->pos = lexer->at.pos;
    if (lexer->arena->full) {
        conf_error_at(lexer->error, CONF_ERROR_LIMIT, lexer->at.file, lexer->at.pos,
                      "this program needs more than %u MiB of memory", CONF_PY_MAX_MEMORY >> 20);
        return FALSE;
    }
    if (lexer->dedents > 0) {
        lexer->dedents--;
        ret_token->kind = CONF_PY_T_DEDENT;
        return TRUE;
    }
    if (lexer->line_start)
        return begin_line(lexer, ret_token);
    skip_blanks(lexer);
    ret_token->pos = lexer->at.pos;
    if (lexer->at.p == lexer->at.end)
        return lex_end(lexer, ret_token);
    if (newline_at(lexer, 0) > 0) {
        advance(lexer, newline_at(lexer, 0));
        lexer->line_start = true;
        ret_token->kind = CONF_PY_T_NEWLINE;
        return TRUE;
    }
    c = peek(lexer, 0);
    if (string_prefix(lexer, &prefix, &raw, &is_unicode))
        return lex_string(lexer, ret_token, prefix, raw, is_unicode);
    if (g_ascii_isdigit(c) || (c == '.' && g_ascii_isdigit(peek(lexer, 1))))
        return lex_number(lexer, ret_token);
    if (g_ascii_isalpha(c) || c == '_')
        return lex_name(lexer, ret_token);
    return lex_operator(lexer, ret_token);
}
