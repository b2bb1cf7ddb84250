/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators, subscripts and loops over values, as Python 2 has them. */
#include "conf-py-value.h"

#include <math.h>
#include <string.h>

static ConfPyValue *
fail_types(ConfPy *py, ConfPos pos, char op, const ConfPyValue *a, const ConfPyValue *b)
{
    static const struct {
        char letter;
        const char *text;
    } names[] = { { 'F', "//" }, { 'P', "**" }, { 'L', "<<" }, { 'R', ">>" } };
    char sign[2] = { op, '\0' };
    const char *text = sign;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].letter == op)
            text = names[i].text;
    }
    return conf_py_raise(py, pos, "TypeError", "'%s' does not work between %s and %s", text,
                         conf_py_type_name(a), conf_py_type_name(b));
}

/* ---- numbers ---- */

static ConfPyValue *
too_large(ConfPy *py, ConfPos pos)
{
    return conf_py_opaque(py, pos, "a number larger than 64 bits");
}

/* Division rounds down, and the remainder has the divisor's sign. */
static gint64
floor_div(gint64 a, gint64 b)
{
    gint64 quotient = a / b;

    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

static ConfPyValue *
divide_ints(ConfPy *py, ConfPos pos, char op, gint64 a, gint64 b)
{
    if (b == 0)
        return conf_py_raise(py, pos, "ZeroDivisionError", "division by zero");
    if (a == G_MININT64 && b == -1)
        return op == '%' ? conf_py_int(py, 0) : too_large(py, pos);
    return conf_py_int(py, op == '%' ? a - b * floor_div(a, b) : floor_div(a, b));
}

static ConfPyValue *
power_ints(ConfPy *py, ConfPos pos, gint64 base, gint64 exponent)
{
    gint64 result = 1;

    if (exponent < 0)
        return conf_py_float(py, pow((double)base, (double)exponent));
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return too_large(py, pos);
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            return too_large(py, pos);
    }
    return conf_py_int(py, result);
}

static ConfPyValue *
shift_ints(ConfPy *py, ConfPos pos, char op, gint64 a, gint64 b)
{
    gint64 result;

    if (b < 0)
        return conf_py_raise(py, pos, "ValueError", "negative shift count");
    if (op == 'R')
        return conf_py_int(py, a >> MIN(b, 63));
    if (a == 0)
        return conf_py_int(py, 0);
    if (b > 62 || __builtin_mul_overflow(a, G_GINT64_CONSTANT(1) << b, &result))
        return too_large(py, pos);
    return conf_py_int(py, result);
}

static ConfPyValue *
compute_ints(ConfPy *py, ConfPos pos, char op, gint64 a, gint64 b)
{
    gint64 result = 0;
    bool over = false;

    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case '/':
    case 'F':
    case '%':
        return divide_ints(py, pos, op, a, b);
    case 'P':
        return power_ints(py, pos, a, b);
    case 'L':
    case 'R':
        return shift_ints(py, pos, op, a, b);
    case '&':
        result = a & b;
        break;
    case '|':
        result = a | b;
        break;
    case '^':
        result = a ^ b;
        break;
    default:
        g_assert_not_reached();
    }
    return over ? too_large(py, pos) : conf_py_int(py, result);
}

static ConfPyValue *
compute_reals(ConfPy *py, ConfPos pos, char op, const ConfPyValue *va, const ConfPyValue *vb)
{
    double a = conf_py_to_real(va), b = conf_py_to_real(vb);

    if ((op == '/' || op == 'F' || op == '%') && b == 0)
        return conf_py_raise(py, pos, "ZeroDivisionError", "division by zero");
    switch (op) {
    case '+':
        return conf_py_float(py, a + b);
    case '-':
        return conf_py_float(py, a - b);
    case '*':
        return conf_py_float(py, a * b);
    case '/':
        return conf_py_float(py, a / b);
    case 'F':
        return conf_py_float(py, floor(a / b));
    case '%':
        return conf_py_float(py, a - b * floor(a / b));
    case 'P':
        return conf_py_float(py, pow(a, b));
    default:
        return fail_types(py, pos, op, va, vb);
    }
}

/* ---- strings and lists ---- */

static ConfPyValue *
join_strings(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b)
{
    ConfPyValue *result;
    char *text;

    if (!conf_py_may_make(py, pos, a->len + b->len))
        return NULL;
    text = conf_py_alloc(&py->arena, a->len + b->len + 1);
    if (a->len > 0)
        memcpy(text, a->str, a->len);
    if (b->len > 0)
        memcpy(text + a->len, b->str, b->len);
    result = conf_py_new(py, CONF_PY_V_STR);
    result->str = text;
    result->len = a->len + b->len;
    return result;
}

static bool
extend(ConfPy *py, ConfPos pos, ConfPyValue *list, const ConfPyList *more)
{
    unsigned n = more->n; /* a list may be added to itself */

    for (unsigned i = 0; i < n; i++) {
        if (!conf_py_append(py, list, more->items[i].value, more->items[i].pos))
            return false;
    }
    return conf_py_step(py, pos, n / 16);
}

static ConfPyValue *
join_lists(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b)
{
    ConfPyValue *result = conf_py_new(py, a->type);

    if (!conf_py_may_make(py, pos, ((gsize)a->list.n + b->list.n) * sizeof(ConfPyItem)) ||
        !extend(py, pos, result, &a->list) || !extend(py, pos, result, &b->list))
        return NULL;
    return result;
}

static ConfPyValue *
repeat(ConfPy *py, ConfPos pos, const ConfPyValue *value, gint64 count)
{
    bool is_str = value->type == CONF_PY_V_STR;
    gsize unit = is_str ? value->len : value->list.n * sizeof(ConfPyItem);
    ConfPyValue *result = conf_py_new(py, value->type);
    gsize total;
    char *text;

    if (count < 0)
        count = 0;
    if (__builtin_mul_overflow(unit, (gsize)count, &total))
        total = G_MAXSIZE;
    if (!conf_py_may_make(py, pos, total))
        return NULL;
    if (!is_str) {
        for (gint64 i = 0; i < count && unit > 0; i++) {
            if (!extend(py, pos, result, &value->list))
                return NULL;
        }
        return result;
    }
    text = conf_py_alloc(&py->arena, total + 1);
    for (gsize at = 0; at < total; at += unit)
        memcpy(text + at, value->str, unit);
    result->str = text;
    result->len = total;
    return result;
}

static bool
is_sequence(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_STR || value->type == CONF_PY_V_LIST ||
           value->type == CONF_PY_V_TUPLE;
}

static bool
is_int(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_INT || value->type == CONF_PY_V_BOOL;
}

ConfPyValue *
conf_py_binary(ConfPy *py, ConfPos pos, char op, ConfPyValue *a, ConfPyValue *b)
{
    if (op == '%' && a->type == CONF_PY_V_STR)
        return conf_py_percent(py, pos, a, b);
    if (conf_py_is_opaque(a) || conf_py_is_opaque(b))
        return conf_py_is_opaque(a) ? a : b;
    if (is_int(a) && is_int(b))
        return compute_ints(py, pos, op, a->i, b->i);
    if (conf_py_is_number(a) && conf_py_is_number(b))
        return compute_reals(py, pos, op, a, b);
    if (op == '+' && a->type == b->type && a->type == CONF_PY_V_STR)
        return join_strings(py, pos, a, b);
    if (op == '+' && a->type == b->type && is_sequence(a))
        return join_lists(py, pos, a, b);
    if (op == '*' && is_sequence(a) && is_int(b))
        return repeat(py, pos, a, b->i);
    if (op == '*' && is_int(a) && is_sequence(b))
        return repeat(py, pos, b, a->i);
    return fail_types(py, pos, op, a, b);
}

ConfPyValue *
conf_py_unary(ConfPy *py, ConfPos pos, char op, ConfPyValue *a)
{
    if (conf_py_is_opaque(a))
        return a;
    if (a->type == CONF_PY_V_FLOAT && op != '~')
        return conf_py_float(py, op == '-' ? -a->f : a->f);
    if (!is_int(a))
        return conf_py_raise(py, pos, "TypeError", "'%c' does not work before %s", op,
                             conf_py_type_name(a));
    if (op == '-')
        return a->i == G_MININT64 ? too_large(py, pos) : conf_py_int(py, -a->i);
    return conf_py_int(py, op == '~' ? ~a->i : a->i);
}

/* ---- comparisons ---- */

/* x in y: *ret_found, unless something in y is not known (py->opaque_seen). */
static bool
contains(ConfPy *py, ConfPos pos, const ConfPyValue *value, const ConfPyValue *where,
         bool *ret_found)
{
    *ret_found = false;
    if (where->type == CONF_PY_V_STR && value->type == CONF_PY_V_STR) {
        *ret_found = memmem(where->str, where->len, value->str, value->len) != NULL;
        return conf_py_step(py, pos, 1 + where->len / 64);
    }
    if (where->type == CONF_PY_V_DICT) {
        int found = conf_py_dict_find(py, pos, where, value);

        *ret_found = found >= 0;
        return found != -2;
    }
    if (where->type == CONF_PY_V_MODULE) { /* os.environ */
        py->opaque_seen = conf_py_opaque(py, pos, "looking into %s", where->str);
        return true;
    }
    if (where->type != CONF_PY_V_LIST && where->type != CONF_PY_V_TUPLE) {
        conf_py_raise(py, pos, "TypeError", "'in' does not work with %s on its right",
                      conf_py_type_name(where));
        return false;
    }
    for (unsigned i = 0; i < where->list.n && !*ret_found; i++) {
        if (!conf_py_equal(py, pos, where->list.items[i].value, value, ret_found))
            return false;
    }
    return true;
}

static bool
is_same(const ConfPyValue *a, const ConfPyValue *b)
{
    /* Small ints and interned strings are the same object in CPython; it is what people see. */
    if (a->type == b->type && a->type == CONF_PY_V_INT)
        return a->i == b->i;
    if (a->type == b->type && a->type == CONF_PY_V_STR)
        return a->len == b->len && memcmp(a->str, b->str, a->len) == 0;
    if (a->type == b->type && a->type == CONF_PY_V_BUILTIN)
        return a->builtin == b->builtin && a->self == b->self;
    return a == b;
}

ConfPyValue *
conf_py_relate(ConfPy *py, ConfPos pos, char op, ConfPyValue *a, ConfPyValue *b)
{
    bool found = false;
    int order = 0;

    if (conf_py_is_opaque(a) || conf_py_is_opaque(b))
        return conf_py_is_opaque(a) ? a : b;
    if (op == 's' || op == 'S')
        return conf_py_bool(is_same(a, b) == (op == 's'));
    py->opaque_seen = NULL;
    if (op == 'i' || op == 'n') {
        if (!contains(py, pos, a, b, &found))
            return NULL;
        if (found || py->opaque_seen == NULL)
            return conf_py_bool(found == (op == 'i'));
    } else if (op == '=' || op == '!') {
        if (!conf_py_equal(py, pos, a, b, &found))
            return NULL;
    } else if (!conf_py_compare(py, pos, a, b, &order)) {
        return NULL;
    }
    if (py->opaque_seen != NULL)
        return (ConfPyValue *)py->opaque_seen;
    if (op == '=' || op == '!')
        return conf_py_bool(found == (op == '='));
    return conf_py_bool(op == '<'   ? order < 0
                        : op == '>' ? order > 0
                        : op == 'l' ? order <= 0
                                    : order >= 0);
}

/* ---- subscripts ---- */

/* The place of the item that stands for any number of items, and that item. */
static ConfPyValue *
rest_of(const ConfPyValue *value, gint64 *ret_at)
{
    for (unsigned i = 0; value->many && i < value->list.n; i++) {
        ConfPyValue *item = value->list.items[i].value;

        if (conf_py_is_opaque(item) && item->many) {
            *ret_at = i;
            return item;
        }
    }
    *ret_at = G_MAXINT64;
    return NULL;
}

ConfPyValue *
conf_py_rest(const ConfPyValue *value)
{
    gint64 at;

    return value->type == CONF_PY_V_LIST || value->type == CONF_PY_V_TUPLE ? rest_of(value, &at)
                                                                           : NULL;
}

static gint64
length_of(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_STR ? (gint64)value->len : (gint64)value->list.n;
}

/* The place that an index means: -1 is the last. False: no int, or out of range. */
static bool
resolve_index(ConfPy *py, ConfPos pos, const ConfPyValue *value, const ConfPyValue *index,
              gint64 *ret_at)
{
    gint64 n = length_of(value);

    if (!is_int(index)) {
        conf_py_raise(py, pos, "TypeError", "an index of %s has to be an int and not %s",
                      conf_py_type_name(value), conf_py_type_name(index));
        return false;
    }
    *ret_at = index->i < 0 ? index->i + n : index->i;
    if (*ret_at >= 0 && *ret_at < n)
        return true;
    conf_py_raise(py, pos, "IndexError",
                  "index %" G_GINT64_FORMAT " is not in a %s of length %" G_GINT64_FORMAT, index->i,
                  conf_py_type_name(value), n);
    return false;
}

ConfPyValue *
conf_py_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index)
{
    ConfPyValue *rest;
    gint64 at;

    if (conf_py_is_opaque(value) || conf_py_is_opaque(index))
        return conf_py_is_opaque(value) ? value : index;
    if (value->type == CONF_PY_V_MODULE)
        return conf_py_opaque(py, pos, "reading %s", value->str);
    if (value->type == CONF_PY_V_DICT) {
        int found = conf_py_dict_find(py, pos, value, index);
        g_autoptr(GString) key = NULL;

        if (found != -1)
            return found >= 0 ? value->list.items[found + 1].value : NULL;
        key = g_string_new(NULL);
        return conf_py_print(py, pos, key, index, true)
                   ? conf_py_raise(py, pos, "KeyError", "%s", key->str)
                   : NULL;
    }
    if (!is_sequence(value))
        return conf_py_raise(py, pos, "TypeError", "%s has no items", conf_py_type_name(value));
    rest = conf_py_rest(value) != NULL && is_int(index) ? rest_of(value, &at) : NULL;
    if (rest != NULL && (index->i < 0 || index->i >= at))
        return rest;
    if (!resolve_index(py, pos, value, index, &at))
        return NULL;
    return value->type == CONF_PY_V_STR ? conf_py_str(py, pos, value->str + at, 1)
                                        : value->list.items[at].value;
}

bool
conf_py_set_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index,
                  ConfPyValue *item)
{
    gint64 at;

    if (conf_py_is_opaque(value))
        return true;
    if (conf_py_is_opaque(index) || conf_py_rest(value) != NULL) {
        conf_py_note(py, pos, "an assignment to an item that is not known is left out");
        conf_py_blur(value, conf_py_is_opaque(index) ? index : conf_py_rest(value));
        return true;
    }
    if (value->type == CONF_PY_V_DICT)
        return conf_py_dict_set(py, pos, value, index, item) &&
               conf_py_write_through(py, pos, value, index, item);
    if (value->type == CONF_PY_V_MODULE) {
        conf_py_note(py, pos, "an assignment to %s is left out", value->str);
        return true;
    }
    if (value->type != CONF_PY_V_LIST) {
        conf_py_raise(py, pos, "TypeError", "the items of %s cannot be changed",
                      conf_py_type_name(value));
        return false;
    }
    if (!resolve_index(py, pos, value, index, &at))
        return false;
    value->list.items[at] = (ConfPyItem){ item, pos };
    return true;
}

bool
conf_py_del_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index)
{
    ConfPyList *list = &value->list;
    unsigned width = value->type == CONF_PY_V_DICT ? 2 : 1;
    gint64 at;

    if (conf_py_is_opaque(value))
        return true;
    if (conf_py_is_opaque(index) || value->many) {
        conf_py_blur(value, conf_py_opaque(py, pos, "this del"));
        return true;
    }
    if (value->type == CONF_PY_V_DICT) {
        at = conf_py_dict_find(py, pos, value, index);
        if (at == -1)
            conf_py_raise(py, pos, "KeyError", "there is no such key to be deleted");
    } else if (value->type == CONF_PY_V_LIST) {
        at = resolve_index(py, pos, value, index, &at) ? at : -1;
    } else {
        conf_py_raise(py, pos, "TypeError", "the items of %s cannot be deleted",
                      conf_py_type_name(value));
        return false;
    }
    if (at < 0)
        return false;
    memmove(list->items + at, list->items + at + width,
            (list->n - width - (gsize)at) * sizeof(ConfPyItem));
    list->n -= width;
    return conf_py_step(py, pos, list->n / 16);
}

/* One bound of a slice, cut to what is there. */
static bool
slice_bound(ConfPy *py, ConfPos pos, const ConfPyValue *part, gint64 n, gint64 absent, bool down,
            gint64 *ret_at)
{
    gint64 low = down ? -1 : 0, high = down ? n - 1 : n;

    *ret_at = absent;
    if (part == NULL || part->type == CONF_PY_V_NONE)
        return true;
    if (!is_int(part)) {
        conf_py_raise(py, pos, "TypeError", "a slice needs ints and not %s",
                      conf_py_type_name(part));
        return false;
    }
    *ret_at = part->i < 0 ? part->i + n : part->i;
    *ret_at = CLAMP(*ret_at, low, high);
    return true;
}

ConfPyValue *
conf_py_slice(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *const parts[3])
{
    gint64 step = 1, from, to, n;
    g_autoptr(GString) text = NULL;
    ConfPyValue *result;

    if (conf_py_is_opaque(value))
        return value;
    for (int i = 0; i < 3; i++) {
        if (parts[i] != NULL && conf_py_is_opaque(parts[i]))
            return parts[i];
    }
    if (!is_sequence(value))
        return conf_py_raise(py, pos, "TypeError", "%s has no slices", conf_py_type_name(value));
    if (conf_py_rest(value) != NULL)
        return conf_py_rest(value);
    n = length_of(value);
    if (parts[2] != NULL && parts[2]->type != CONF_PY_V_NONE) {
        if (!is_int(parts[2]) || parts[2]->i == 0)
            return conf_py_raise(py, pos, "ValueError",
                                 "the step of a slice has to be an int "
                                 "other than 0");
        step = CLAMP(parts[2]->i, -G_MAXINT32, G_MAXINT32);
    }
    if (!slice_bound(py, pos, parts[0], n, step < 0 ? n - 1 : 0, step < 0, &from) ||
        !slice_bound(py, pos, parts[1], n, step < 0 ? -1 : n, step < 0, &to) ||
        !conf_py_may_make(py, pos, (gsize)n))
        return NULL;
    result = conf_py_new(py, value->type);
    text = g_string_new(NULL);
    for (gint64 i = from; step < 0 ? i > to : i < to; i += step) {
        if (value->type == CONF_PY_V_STR)
            g_string_append_c(text, value->str[i]);
        else if (!conf_py_append(py, result, value->list.items[i].value, value->list.items[i].pos))
            return NULL;
    }
    return value->type == CONF_PY_V_STR ? conf_py_str(py, pos, text->str, text->len) : result;
}

/* ---- loops ---- */

ConfPyValue *
conf_py_iterate(ConfPy *py, ConfPos pos, ConfPyValue *value)
{
    ConfPyValue *list;

    if (conf_py_rest(value) != NULL)
        return conf_py_rest(value);
    if (value->type == CONF_PY_V_LIST || value->type == CONF_PY_V_TUPLE || conf_py_is_opaque(value))
        return value;
    if (value->type == CONF_PY_V_MODULE)
        return conf_py_opaque(py, pos, "what is in %s", value->str);
    if (value->type != CONF_PY_V_STR && value->type != CONF_PY_V_DICT)
        return conf_py_raise(py, pos, "TypeError", "there is nothing to go over in %s",
                             conf_py_type_name(value));
    list = conf_py_new(py, CONF_PY_V_LIST);
    for (gsize i = 0; value->type == CONF_PY_V_STR && i < value->len; i++) {
        ConfPyValue *item = conf_py_str(py, pos, value->str + i, 1);

        if (item == NULL || !conf_py_append(py, list, item, pos))
            return NULL;
    }
    for (unsigned i = 0; value->type == CONF_PY_V_DICT && i < value->list.n; i += 2) {
        if (!conf_py_append(py, list, value->list.items[i].value, pos))
            return NULL;
    }
    return list;
}

bool
conf_py_extend(ConfPy *py, ConfPos pos, ConfPyValue *list, ConfPyValue *more)
{
    bool plain = more->type == CONF_PY_V_LIST || more->type == CONF_PY_V_TUPLE;
    ConfPyValue *items = plain ? more : conf_py_iterate(py, pos, more);

    if (items == NULL)
        return false;
    if (conf_py_is_opaque(items))
        return conf_py_add_unknown(py, list, items, pos);
    return extend(py, pos, list, &items->list);
}
