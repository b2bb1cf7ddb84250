/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-py-value.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define MAX_VALUE_DEPTH 64 /* of lists in lists, when they are printed or compared */

/* Immutable: an int that was "written" is the only value with a note on it, and these have none. */
ConfPyValue conf_py_none = { .type = CONF_PY_V_NONE };
ConfPyValue conf_py_true = { .type = CONF_PY_V_BOOL, .i = 1 };
ConfPyValue conf_py_false = { .type = CONF_PY_V_BOOL };
ConfPyValue conf_py_unbound = { .type = CONF_PY_V_NONE };

/* ---- running out, failing, not knowing ---- */

ConfPyValue *
conf_py_stop(ConfPy *py, ConfPos pos, ConfError code, const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    if (py->fatal != NULL)
        return NULL;
    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    conf_error_at(&py->fatal, code, py->native->file, pos, "%s", reason);
    return NULL;
}

bool
conf_py_step(ConfPy *py, ConfPos pos, gsize cost)
{
    if (cost > CONF_PY_MAX_STEPS - py->steps) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT,
                     "the program was not done after %u steps; here it was stopped",
                     CONF_PY_MAX_STEPS);
        return false;
    }
    py->steps += (unsigned)cost;
    if (py->arena.full) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT,
                     "the program needs more than %u MiB of memory; here it was stopped",
                     CONF_PY_MAX_MEMORY >> 20);
        return false;
    }
    return true;
}

bool
conf_py_may_make(ConfPy *py, ConfPos pos, gsize bytes)
{
    if (bytes <= CONF_PY_MAX_VALUE && !conf_py_room(&py->arena, bytes)) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT,
                     "the program needs more than %u MiB of memory; here it was stopped",
                     CONF_PY_MAX_MEMORY >> 20);
        return false;
    }
    if (bytes > CONF_PY_MAX_VALUE) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT,
                     "a value of %" G_GSIZE_FORMAT " bytes is too large for a config", bytes);
        return false;
    }
    return conf_py_step(py, pos, 1 + bytes / 64);
}

ConfPyValue *
conf_py_raise(ConfPy *py, ConfPos pos, const char *type, const char *format, ...)
{
    g_autofree char *message = NULL;
    ConfPyValue *exception = conf_py_static(py, CONF_PY_V_EXC, type);
    ConfPyValue *text = conf_py_new(py, CONF_PY_V_STR);
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    text->len = MIN(strlen(message), 500);
    text->str = conf_py_strndup(&py->arena, message, text->len);
    conf_py_append(py, exception, text, pos);
    py->exception = exception;
    py->exception_pos = pos;
    return NULL;
}

static void
add_note(ConfPy *py, ConfPos pos, const char *text, bool carried)
{
    gpointer place = GUINT_TO_POINTER(pos.line * 4096u + pos.column);

    if (g_hash_table_size(py->noted) < CONF_PY_MAX_NOTES && g_hash_table_add(py->noted, place))
        conf_native_add_note(py->native, pos.line, pos.column, "%s", text)->carried = carried;
}

void
conf_py_note(ConfPy *py, ConfPos pos, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    add_note(py, pos, text, false);
}

void
conf_py_remark(ConfPy *py, ConfPos pos, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    add_note(py, pos, text, true);
}

static ConfPyValue *
opaque_value(ConfPy *py, const char *why)
{
    ConfPyValue *value = conf_py_new(py, CONF_PY_V_OPAQUE);

    value->len = strlen(why);
    value->str = conf_py_strndup(&py->arena, why, value->len);
    return value;
}

ConfPyValue *
conf_py_unknown(ConfPy *py, ConfPos pos, const char *format, ...)
{
    g_autofree char *what = NULL, *why = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    why = g_strdup_printf("%.200s is not known (line %u)", what, pos.line);
    return opaque_value(py, why);
}

ConfPyValue *
conf_py_opaque(ConfPy *py, ConfPos pos, const char *format, ...)
{
    g_autofree char *what = NULL, *why = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    why = g_strdup_printf("%.200s is not evaluated (line %u)", what, pos.line);

    g_autofree char *note = g_strdup_printf(
        "%.200s is not evaluated: what depends on it is not known", what);

    add_note(py, pos, note, false);
    return opaque_value(py, why);
}

/* ---- making values ---- */

ConfPyValue *
conf_py_new(ConfPy *py, ConfPyType type)
{
    ConfPyValue *value = CONF_PY_NEW(&py->arena, ConfPyValue);

    value->type = type;
    return value;
}

ConfPyValue *
conf_py_bool(bool value)
{
    return value ? &conf_py_true : &conf_py_false;
}

ConfPyValue *
conf_py_int(ConfPy *py, gint64 number)
{
    ConfPyValue *value = conf_py_new(py, CONF_PY_V_INT);

    value->i = number;
    return value;
}

ConfPyValue *
conf_py_float(ConfPy *py, double number)
{
    ConfPyValue *value = conf_py_new(py, CONF_PY_V_FLOAT);

    value->f = number;
    return value;
}

ConfPyValue *
conf_py_str(ConfPy *py, ConfPos pos, const char *text, gsize len)
{
    ConfPyValue *value;

    if (!conf_py_may_make(py, pos, len))
        return NULL;
    value = conf_py_new(py, CONF_PY_V_STR);
    value->str = conf_py_strndup(&py->arena, text, len);
    value->len = len;
    return value;
}

ConfPyValue *
conf_py_static(ConfPy *py, ConfPyType type, const char *text)
{
    ConfPyValue *value = conf_py_new(py, type);

    value->str = text;
    value->len = strlen(text);
    return value;
}

bool
conf_py_append(ConfPy *py, ConfPyValue *list, ConfPyValue *value, ConfPos pos)
{
    ConfPyList *l = &list->list;

    if (l->n == l->size) {
        unsigned size = MAX(4, l->size * 2);
        ConfPyItem *items;

        if (!conf_py_may_make(py, pos, size * sizeof(ConfPyItem)))
            return false;
        items = CONF_PY_NEW_ARRAY(&py->arena, ConfPyItem, size);
        if (l->n > 0)
            memcpy(items, l->items, l->n * sizeof(ConfPyItem));
        l->items = items;
        l->size = size;
    }
    l->items[l->n++] = (ConfPyItem){ value, pos };
    list->many |= value != NULL && value->many && list->type != CONF_PY_V_DICT &&
                  conf_py_is_opaque(value);
    return true;
}

/* ---- looking at them ---- */

const char *
conf_py_type_name(const ConfPyValue *value)
{
    static const char *const names[] = {
        [CONF_PY_V_NONE] = "NoneType",   [CONF_PY_V_BOOL] = "bool",
        [CONF_PY_V_INT] = "int",         [CONF_PY_V_FLOAT] = "float",
        [CONF_PY_V_STR] = "str",         [CONF_PY_V_LIST] = "list",
        [CONF_PY_V_TUPLE] = "tuple",     [CONF_PY_V_DICT] = "dict",
        [CONF_PY_V_FUNC] = "function",   [CONF_PY_V_BUILTIN] = "builtin",
        [CONF_PY_V_MODULE] = "module",   [CONF_PY_V_MATCH] = "match",
        [CONF_PY_V_PATTERN] = "pattern", [CONF_PY_V_EXC_TYPE] = "type",
        [CONF_PY_V_EXC] = "exception",   [CONF_PY_V_OPAQUE] = "unknown value",
    };

    return names[value->type];
}

bool
conf_py_is_number(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_INT || value->type == CONF_PY_V_BOOL ||
           value->type == CONF_PY_V_FLOAT;
}

double
conf_py_to_real(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_FLOAT ? value->f : (double)value->i;
}

bool
conf_py_truth(const ConfPyValue *value)
{
    switch (value->type) {
    case CONF_PY_V_NONE:
        return false;
    case CONF_PY_V_BOOL:
    case CONF_PY_V_INT:
        return value->i != 0;
    case CONF_PY_V_FLOAT:
        return value->f != 0;
    case CONF_PY_V_STR:
        return value->len > 0;
    case CONF_PY_V_LIST:
    case CONF_PY_V_TUPLE:
    case CONF_PY_V_DICT:
        return value->list.n > 0;
    case CONF_PY_V_FUNC:
    case CONF_PY_V_BUILTIN:
    case CONF_PY_V_MODULE:
    case CONF_PY_V_MATCH:
    case CONF_PY_V_PATTERN:
    case CONF_PY_V_EXC_TYPE:
    case CONF_PY_V_EXC:
    case CONF_PY_V_OPAQUE: /* asked before; see eval */
    default:
        return true;
    }
}

/* ---- as text ---- */

/* Python 2: str() has 12 digits, repr() as many as it takes to read the same number again. */
static void
print_float(GString *out, double value, bool repr)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (isnan(value) || isinf(value)) {
        g_string_append(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    g_ascii_formatd(text, sizeof(text), "%.12g", value);
    for (int digits = 13; repr && digits <= 17 && g_ascii_strtod(text, NULL) != value; digits++) {
        char format[8];

        g_snprintf(format, sizeof(format), "%%.%dg", digits);
        g_ascii_formatd(text, sizeof(text), format, value);
    }
    g_string_append(out, text);
    if (strpbrk(text, ".e") == NULL)
        g_string_append(out, ".0");
}

static void
print_repr(GString *out, const char *text, gsize len)
{
    bool single = memchr(text, '\'', len) != NULL && memchr(text, '"', len) == NULL;
    char quote = single ? '"' : '\'';

    g_string_append_c(out, quote);
    for (gsize i = 0; i < len; i++) {
        guchar c = (guchar)text[i];

        if (c == '\n')
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (c == '\r')
            g_string_append(out, "\\r");
        else if (c < 0x20 || c >= 0x7f)
            g_string_append_printf(out, "\\x%02x", c);
        else if (c == (guchar)quote || c == '\\')
            g_string_append_printf(out, "\\%c", c);
        else
            g_string_append_c(out, (char)c);
    }
    g_string_append_c(out, quote);
}

static bool print_value(ConfPy *py, ConfPos pos, GString *out, const ConfPyValue *value, bool repr,
                        unsigned depth);

static bool
print_items(ConfPy *py, ConfPos pos, GString *out, const ConfPyValue *value, unsigned depth)
{
    bool is_dict = value->type == CONF_PY_V_DICT;
    const char *brackets = is_dict ? "{}" : value->type == CONF_PY_V_TUPLE ? "()" : "[]";

    g_string_append_c(out, brackets[0]);
    for (unsigned i = 0; i < value->list.n; i++) {
        if (i > 0)
            g_string_append(out, is_dict && i % 2 == 1 ? ": " : ", ");
        if (!print_value(py, pos, out, value->list.items[i].value, true, depth + 1))
            return false;
    }
    if (value->type == CONF_PY_V_TUPLE && value->list.n == 1)
        g_string_append_c(out, ',');
    g_string_append_c(out, brackets[1]);
    return true;
}

static bool
print_value(ConfPy *py, ConfPos pos, GString *out, const ConfPyValue *value, bool repr,
            unsigned depth)
{
    if (depth > MAX_VALUE_DEPTH || out->len > CONF_PY_MAX_VALUE) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT, "this value is too large to be written out");
        return false;
    }
    if (!conf_py_step(py, pos, 1))
        return false;
    switch (value->type) {
    case CONF_PY_V_NONE:
        g_string_append(out, "None");
        return true;
    case CONF_PY_V_BOOL:
        g_string_append(out, value->i != 0 ? "True" : "False");
        return true;
    case CONF_PY_V_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, value->i);
        return true;
    case CONF_PY_V_FLOAT:
        print_float(out, value->f, repr);
        return true;
    case CONF_PY_V_STR:
        if (!conf_py_may_make(py, pos, value->len))
            return false;
        if (repr)
            print_repr(out, value->str, value->len);
        else
            g_string_append_len(out, value->str, (gssize)value->len);
        return true;
    case CONF_PY_V_LIST:
    case CONF_PY_V_TUPLE:
    case CONF_PY_V_DICT:
        return print_items(py, pos, out, value, depth);
    case CONF_PY_V_EXC:
        return value->list.n == 0 ||
               print_value(py, pos, out, value->list.items[0].value, false, depth + 1);
    case CONF_PY_V_OPAQUE:
        py->opaque_seen = value;
        return true;
    case CONF_PY_V_FUNC:
    case CONF_PY_V_BUILTIN:
    case CONF_PY_V_MODULE:
    case CONF_PY_V_MATCH:
    case CONF_PY_V_PATTERN:
    case CONF_PY_V_EXC_TYPE:
    default:
        g_string_append_printf(out, "<%s>", conf_py_type_name(value));
        return true;
    }
}

bool
conf_py_print(ConfPy *py, ConfPos pos, GString *out, const ConfPyValue *value, bool repr)
{
    return print_value(py, pos, out, value, repr, 0);
}

ConfPyValue *
conf_py_repr(ConfPy *py, ConfPos pos, const ConfPyValue *value)
{
    g_autoptr(GString) out = g_string_new(NULL);

    py->opaque_seen = NULL;
    if (!conf_py_print(py, pos, out, value, true))
        return NULL;
    return py->opaque_seen != NULL ? (ConfPyValue *)py->opaque_seen
                                   : conf_py_str(py, pos, out->str, out->len);
}

/* ---- order and equality ---- */

/* Python 2 orders values of different types too: None, numbers, then by the type's name. */
static int
type_rank(const ConfPyValue *value)
{
    if (value->type == CONF_PY_V_NONE)
        return 0;
    return conf_py_is_number(value) ? 1 : 2;
}

static int
compare_numbers(const ConfPyValue *a, const ConfPyValue *b)
{
    if (a->type != CONF_PY_V_FLOAT && b->type != CONF_PY_V_FLOAT)
        return a->i < b->i ? -1 : a->i > b->i;

    double x = conf_py_to_real(a), y = conf_py_to_real(b);

    return x < y ? -1 : x > y;
}

static bool
compare_values(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b, unsigned depth,
               int *ret_order)
{
    int ranks = type_rank(a) - type_rank(b);

    if (depth > MAX_VALUE_DEPTH) {
        conf_py_stop(py, pos, CONF_ERROR_LIMIT, "these values are too deep to be compared");
        return false;
    }
    if (!conf_py_step(py, pos, 1))
        return false;
    if (conf_py_is_opaque(a) || conf_py_is_opaque(b))
        py->opaque_seen = conf_py_is_opaque(a) ? a : b;
    else if (conf_py_rest(a) != NULL || conf_py_rest(b) != NULL)
        py->opaque_seen = conf_py_rest(a) != NULL ? conf_py_rest(a) : conf_py_rest(b);
    if (ranks != 0) {
        *ret_order = ranks;
    } else if (conf_py_is_number(a)) {
        *ret_order = compare_numbers(a, b);
    } else if (a->type != b->type) {
        *ret_order = strcmp(conf_py_type_name(a), conf_py_type_name(b));
    } else if (a->type == CONF_PY_V_STR) {
        gsize len = MIN(a->len, b->len);

        if (!conf_py_step(py, pos, len / 64))
            return false;
        *ret_order = len > 0 ? memcmp(a->str, b->str, len) : 0;
        if (*ret_order == 0)
            *ret_order = a->len < b->len ? -1 : a->len > b->len;
    } else if (a->type == CONF_PY_V_LIST || a->type == CONF_PY_V_TUPLE ||
               a->type == CONF_PY_V_DICT) {
        /* Dicts compare by their items in order here; eq asks for more. */
        *ret_order = 0;
        for (unsigned i = 0; i < MIN(a->list.n, b->list.n) && *ret_order == 0; i++) {
            if (!compare_values(py, pos, a->list.items[i].value, b->list.items[i].value, depth + 1,
                                ret_order))
                return false;
        }
        if (*ret_order == 0)
            *ret_order = a->list.n < b->list.n ? -1 : a->list.n > b->list.n;
    } else if (a->type == CONF_PY_V_BUILTIN && a->builtin == b->builtin) {
        *ret_order = 0; /* str == str: each look-up makes a value of its own */
    } else if (a->type == CONF_PY_V_EXC_TYPE) {
        *ret_order = strcmp(a->str, b->str);
    } else {
        *ret_order = a < b ? -1 : a > b;
    }
    return true;
}

bool
conf_py_compare(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b, int *ret_order)
{
    return compare_values(py, pos, a, b, 0, ret_order);
}

bool
conf_py_equal(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b, bool *ret_equal)
{
    int order = 1;

    if (a == b) {
        *ret_equal = true;
        return true;
    }
    if ((a->type == CONF_PY_V_STR && b->type == CONF_PY_V_STR && a->len != b->len)) {
        *ret_equal = false;
        return true;
    }
    if (!compare_values(py, pos, a, b, 0, &order))
        return false;
    *ret_equal = order == 0;
    return true;
}

/* ---- dicts ---- */

int
conf_py_dict_find(ConfPy *py, ConfPos pos, const ConfPyValue *dict, const ConfPyValue *key)
{
    for (unsigned i = 0; i < dict->list.n; i += 2) {
        bool equal = false;

        if (!conf_py_step(py, pos, 1) ||
            !conf_py_equal(py, pos, dict->list.items[i].value, key, &equal))
            return -2;
        if (equal)
            return (int)i;
    }
    return -1;
}

bool
conf_py_dict_set(ConfPy *py, ConfPos pos, ConfPyValue *dict, ConfPyValue *key, ConfPyValue *value)
{
    int found;

    if (conf_py_is_opaque(key)) { /* it may be any of them */
        conf_py_blur(dict, key);
        return true;
    }
    found = conf_py_dict_find(py, pos, dict, key);
    if (found == -2)
        return false;
    if (found >= 0) {
        dict->list.items[found + 1] = (ConfPyItem){ value, pos };
        return true;
    }
    return conf_py_append(py, dict, key, pos) && conf_py_append(py, dict, value, pos);
}
