/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf_format_detect(): which format a text is in, by its content.
 *
 * xl and xm look alike in most files. What no xl config can contain outside of strings and comments
 * (a call, an operator, a Python keyword) makes it xm; then keys that only one of the two has
 * decide; xl is what remains.
 */
#include "conf-cfg.h"

#include <string.h>

/* xl knows it only to say that it ignores it: who writes it means xm. */
#define DEVICE_MODEL "device_model"

/* Who of the two knows this key, by the table that reads it; 0: none. */
static unsigned
readers_of(const char *word)
{
    if (g_str_equal(word, DEVICE_MODEL))
        return CFG_XM;
    return (cfg_key_find(word, CFG_XL) ? CFG_XL : 0) | (cfg_key_find(word, CFG_XM) ? CFG_XM : 0);
}

#define MAX_WORD 64 /* longer than any key */

/* Words that open a Python statement, or are values in Python only. */
static const char *const python_statements[] = {
    "import", "from", "def",   "if",    "elif",   "else", "for",    "while", "try",    "except",
    "raise",  "with", "class", "print", "return", "pass", "assert", "del",   "global", "exec",
};
static const char *const python_values[] = {
    "True", "False", "None", "not", "and", "or", "in", "is", "lambda",
};

static bool
listed(const char *const *words, gsize count, const char *word)
{
    for (gsize i = 0; i < count; i++) {
        if (words[i][0] == word[0] && strcmp(words[i], word) == 0)
            return true;
    }
    return false;
}

#define LISTED(words, word) listed(words, G_N_ELEMENTS(words), word)

typedef struct Scan {
    const char *p, *end;
    bool statement; /* nothing of the current statement was seen yet */
    bool value;     /* the token before was a value: another value beside it is Python */
    int depth;      /* of brackets */
    bool python;
    unsigned xm, xl; /* keys of one of the two alone */
} Scan;

static void
skip_blanks(Scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
        s->p++;
}

/* From the opening quote to behind the closing one. */
static void
scan_string(Scan *s)
{
    char quote = *s->p;

    if (s->end - s->p >= 3 && s->p[1] == quote && s->p[2] == quote) {
        s->python = true;
        return;
    }
    s->python |= s->value;
    for (s->p++; s->p < s->end && *s->p != quote && *s->p != '\n'; s->p++) {
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
    }
    if (s->p < s->end)
        s->p++;
    s->value = true;
}

/* A name, a keyword or a number. */
static void
scan_word(Scan *s)
{
    const char *start = s->p;

    while (s->p < s->end && (g_ascii_isalnum(*s->p) || *s->p == '_'))
        s->p++;

    gsize len = MIN((gsize)(s->p - start), MAX_WORD);
    char word[MAX_WORD + 1];

    memcpy(word, start, len);
    word[len] = '\0';

    bool statement = s->statement;

    skip_blanks(s);

    bool assigned = s->p < s->end && (*s->p == '=' || *s->p == '+');

    if (statement && assigned) {
        unsigned who = readers_of(word);

        s->xm += who == CFG_XM || g_str_has_prefix(word, "OVM_");
        s->xl += who == CFG_XL;
        s->python |= !g_ascii_islower(*word); /* no key of xl begins so */
    } else if (statement) {
        s->python |= LISTED(python_statements, word);
    } else {
        s->python |= LISTED(python_values, word);
    }
    s->value = true;
}

/* Everything else. Names of files and devices that someone forgot to quote hold most signs too, so
 * only those count that make an expression. */
static void
scan_sign(Scan *s)
{
    char c = *s->p++;
    char next = s->p < s->end ? *s->p : '\0';

    if (c == '+' && next == '=')
        s->p++;
    else if (c == '(' || c == '{' || c == '%' || c == '+' || c == '*' ||
             (c == '-' && g_ascii_isdigit(next)) || (c == ',' && s->value && s->depth == 0))
        s->python = true;
    if (c == '[')
        s->depth++;
    else if (c == ']' && s->depth > 0)
        s->depth--;
    s->value = false;
}

static void
scan_token(Scan *s)
{
    char c = *s->p;

    if (c == '\n' || c == ';') {
        s->p++;
        if (c == ';' || s->depth == 0) {
            s->statement = true;
            s->value = false;
        }
        return;
    }
    if (c == ' ' || c == '\t' || c == '\r') {
        s->p++;
        return;
    }
    if (c == '#') {
        while (s->p < s->end && *s->p != '\n')
            s->p++;
        return;
    }
    if (c == '"' || c == '\'')
        scan_string(s);
    else if (g_ascii_isalnum(c) || c == '_')
        scan_word(s);
    else
        scan_sign(s);
    s->statement = false;
}

/* Root elements of XenServer's ova.xml: of today, and of its first format. */
static const char *const xva_roots[] = { "value", "appliance" };

/* The first character that is neither blank nor in a comment. */
static char
first_sign(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '#') {
            while (p < end && *p != '\n')
                p++;
            if (p == end)
                return '\0';
        } else if (!g_ascii_isspace(*p)) {
            return *p;
        }
    }
    return '\0';
}

/* By the first element, behind what may stand before it. */
static ConfFormat
xml_kind(const char *p, const char *end)
{
    while ((p = memchr(p, '<', (gsize)(end - p))) && end - p > 1 && !g_ascii_isalpha(p[1])) {
        bool comment = end - p > 4 && memcmp(p, "<!--", 4) == 0;
        const char *behind = g_strstr_len(p, end - p, comment ? "-->" : ">");

        if (behind == NULL)
            return CONF_FORMAT_DOMXML;
        p = behind;
    }
    for (gsize i = 0; p && i < G_N_ELEMENTS(xva_roots); i++) {
        gsize len = strlen(xva_roots[i]);

        if ((gsize)(end - p) > len + 1 && memcmp(p + 1, xva_roots[i], len) == 0 &&
            !g_ascii_isalnum(p[len + 1]))
            return CONF_FORMAT_XVA;
    }
    return CONF_FORMAT_DOMXML;
}

ConfFormat
conf_format_detect(const char *text, gsize len)
{
    return conf_format_detect_or(text, len, CONF_FORMAT_XL);
}

ConfFormat
conf_format_detect_or(const char *text, gsize len, ConfFormat in_doubt)
{
    Scan s = { .p = text, .end = text + len, .statement = true };
    char first;

    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        s.p += 3;
    first = first_sign(s.p, s.end);
    if (first == '(')
        return CONF_FORMAT_SXP;
    if (first == '{' || first == '[')
        return CONF_FORMAT_XL_JSON;
    if (first == '<')
        return xml_kind(s.p, s.end);
    while (s.p < s.end && !s.python)
        scan_token(&s);
    if (s.python || s.xm > s.xl)
        return CONF_FORMAT_XM;
    return s.xl > s.xm ? CONF_FORMAT_XL : in_doubt;
}
