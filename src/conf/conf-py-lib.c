/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builtin functions, and what a name or an attribute means that the program did not make itself. */
#include "conf-py-value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- conversions ---- */

static ConfPyValue *
fail_int(ConfPy *py, const ConfPyCall *call, const char *text)
{
    return conf_py_raise(py, call->pos, "ValueError", "int() cannot read '%.40s' as a number",
                         text);
}

/* int("text"[, base]) */
static ConfPyValue *
text_to_int(ConfPy *py, const ConfPyCall *call, const char *text, gint64 base)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    const char *digits = copy + (*copy == '-' || *copy == '+');
    char *end = NULL;
    gint64 number;

    if (base != 0 && (base < 2 || base > 36))
        return conf_py_raise(py, call->pos, "ValueError", "a base has to be 2 to 36");
    /* C's strtoll takes "0x" for base 16 only, as Python does; and "0o", "0b" are rare. */
    if (!g_ascii_isalnum(*digits))
        return fail_int(py, call, text);
    errno = 0;
    number = g_ascii_strtoll(copy, &end, (guint)base);
    if (end == copy || (*end != '\0' && !(g_ascii_tolower(*end) == 'l' && end[1] == '\0')))
        return fail_int(py, call, text);
    if (errno == ERANGE)
        return conf_py_opaque(py, call->pos, "a number larger than 64 bits");
    return conf_py_int(py, number);
}

static ConfPyValue *
lib_int(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->n_args > 0 ? call->args[0].value : NULL;
    gint64 base = 10;

    if (value == NULL)
        return conf_py_int(py, 0);
    if (call->n_args > 1 && call->args[1].value->type == CONF_PY_V_INT)
        base = call->args[1].value->i;
    if (value->type == CONF_PY_V_STR)
        return text_to_int(py, call, value->str, base);
    if (!conf_py_is_number(value))
        return conf_py_raise(py, call->pos, "TypeError",
                             "int() needs a string or a number and "
                             "not %s",
                             conf_py_type_name(value));
    if (value->type != CONF_PY_V_FLOAT)
        return conf_py_int(py, value->i);
    if (!(value->f > -9.2e18 && value->f < 9.2e18))
        return conf_py_opaque(py, call->pos, "a number larger than 64 bits");
    return conf_py_int(py, (gint64)value->f);
}

static ConfPyValue *
lib_float(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;
    g_autofree char *text = NULL;
    char *end = NULL;
    double number;

    if (conf_py_is_number(value))
        return conf_py_float(py, conf_py_to_real(value));
    if (value->type != CONF_PY_V_STR)
        return conf_py_raise(py, call->pos, "TypeError", "float() needs a string or a number");
    text = g_strstrip(g_strdup(value->str));
    number = g_ascii_strtod(text, &end);
    if (end == text || *end != '\0')
        return conf_py_raise(py, call->pos, "ValueError", "float() cannot read '%.40s'", text);
    return conf_py_float(py, number);
}

static ConfPyValue *
lib_bool(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_bool(call->n_args > 0 && conf_py_truth(call->args[0].value));
}

static ConfPyValue *
to_text(ConfPy *py, const ConfPyCall *call, bool repr)
{
    g_autoptr(GString) out = g_string_new(NULL);

    py->opaque_seen = NULL;
    if (call->n_args > 0 && !conf_py_print(py, call->pos, out, call->args[0].value, repr))
        return NULL;
    if (py->opaque_seen != NULL)
        return (ConfPyValue *)py->opaque_seen;
    return conf_py_str(py, call->pos, out->str, out->len);
}

static ConfPyValue *
lib_str(ConfPy *py, const ConfPyCall *call)
{
    return to_text(py, call, false);
}

static ConfPyValue *
lib_repr(ConfPy *py, const ConfPyCall *call)
{
    return to_text(py, call, true);
}

static ConfPyValue *
in_base(ConfPy *py, const ConfPyCall *call, bool hex)
{
    const ConfPyValue *value = call->args[0].value;
    g_autofree char *text = NULL;
    guint64 size;

    if (value->type != CONF_PY_V_INT && value->type != CONF_PY_V_BOOL)
        return conf_py_raise(py, call->pos, "TypeError", "an int is needed here and not %s",
                             conf_py_type_name(value));
    size = value->i < 0 ? 0 - (guint64)value->i : (guint64)value->i;
    if (hex)
        text = g_strdup_printf("%s0x%" G_GINT64_MODIFIER "x", value->i < 0 ? "-" : "", size);
    else
        text = g_strdup_printf("%s%s%" G_GINT64_MODIFIER "o", value->i < 0 ? "-" : "",
                               size != 0 ? "0" : "", size);
    return conf_py_str(py, call->pos, text, strlen(text));
}

static ConfPyValue *
lib_hex(ConfPy *py, const ConfPyCall *call)
{
    return in_base(py, call, true);
}

static ConfPyValue *
lib_oct(ConfPy *py, const ConfPyCall *call)
{
    return in_base(py, call, false);
}

static ConfPyValue *
lib_chr(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;
    char c;

    if (value->type != CONF_PY_V_INT || value->i < 0 || value->i > 255)
        return conf_py_raise(py, call->pos, "ValueError", "chr() needs a number from 0 to 255");
    c = (char)(guchar)value->i;
    return conf_py_str(py, call->pos, &c, 1);
}

static ConfPyValue *
lib_ord(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;

    if (value->type != CONF_PY_V_STR || value->len != 1)
        return conf_py_raise(py, call->pos, "TypeError", "ord() needs one character");
    return conf_py_int(py, (guchar)value->str[0]);
}

/* ---- numbers ---- */

static ConfPyValue *
lib_abs(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *value = call->args[0].value;

    if (conf_py_is_number(value) && conf_py_to_real(value) >= 0)
        return value;
    return conf_py_unary(py, call->pos, '-', value);
}

static ConfPyValue *
lib_round(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;

    if (!conf_py_is_number(value))
        return conf_py_raise(py, call->pos, "TypeError", "round() needs a number");
    if (call->n_args > 1 && call->args[1].value->type == CONF_PY_V_INT) {
        double power = pow(10, (double)CLAMP(call->args[1].value->i, -300, 300));

        return conf_py_float(py, round(conf_py_to_real(value) * power) / power);
    }
    return conf_py_float(py, round(conf_py_to_real(value)));
}

/* min(list), min(a, b, ...) */
static ConfPyValue *
extreme(ConfPy *py, const ConfPyCall *call, int sign)
{
    ConfPyItem *items = call->args;
    unsigned n = call->n_args;
    ConfPyValue *best;

    if (n == 1) {
        ConfPyValue *list = conf_py_iterate(py, call->pos, items[0].value);

        if (list == NULL)
            return NULL;
        items = list->list.items;
        n = list->list.n;
    }
    if (n == 0)
        return conf_py_raise(py, call->pos, "ValueError", "there is nothing to choose from");
    best = items[0].value;
    for (unsigned i = 0; i < n; i++) {
        int order = 0;

        if (conf_py_is_opaque(items[i].value))
            return items[i].value;
        if (!conf_py_compare(py, call->pos, items[i].value, best, &order))
            return NULL;
        if (order * sign > 0)
            best = items[i].value;
    }
    return best;
}

static ConfPyValue *
lib_max(ConfPy *py, const ConfPyCall *call)
{
    return extreme(py, call, 1);
}

static ConfPyValue *
lib_min(ConfPy *py, const ConfPyCall *call)
{
    return extreme(py, call, -1);
}

static ConfPyValue *
lib_sum(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);
    ConfPyValue *total = call->n_args > 1 ? call->args[1].value : conf_py_int(py, 0);

    if (list == NULL)
        return NULL;
    for (unsigned i = 0; i < list->list.n && total != NULL; i++) {
        if (!conf_py_step(py, call->pos, 1))
            return NULL;
        total = conf_py_binary(py, call->pos, '+', total, list->list.items[i].value);
    }
    return total;
}

/* ---- lists ---- */

static ConfPyValue *
lib_len(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;

    if (value->type == CONF_PY_V_STR)
        return conf_py_int(py, (gint64)value->len);
    if (value->type == CONF_PY_V_DICT)
        return conf_py_int(py, value->list.n / 2);
    if (value->type == CONF_PY_V_LIST || value->type == CONF_PY_V_TUPLE)
        return conf_py_int(py, value->list.n);
    return conf_py_raise(py, call->pos, "TypeError", "%s has no len()", conf_py_type_name(value));
}

static ConfPyValue *
lib_range(ConfPy *py, const ConfPyCall *call)
{
    gint64 bounds[3] = { 0, 0, 1 };
    ConfPyValue *list = conf_py_new(py, CONF_PY_V_LIST);
    double count;

    for (unsigned i = 0; i < call->n_args; i++) {
        const ConfPyValue *value = call->args[i].value;

        if (value->type != CONF_PY_V_INT && value->type != CONF_PY_V_BOOL)
            return conf_py_raise(py, call->args[i].pos, "TypeError",
                                 "range() needs ints and "
                                 "not %s",
                                 conf_py_type_name(value));
        bounds[call->n_args == 1 ? 1 : i] = value->i;
    }
    if (bounds[2] == 0)
        return conf_py_raise(py, call->pos, "ValueError", "the step of range() cannot be 0");
    count = ceil(((double)bounds[1] - (double)bounds[0]) / (double)bounds[2]);
    if (count * sizeof(ConfPyItem) > CONF_PY_MAX_VALUE)
        return conf_py_opaque(py, call->pos, "range() over %.0f numbers", count);
    for (gint64 i = 0; i < (gint64)count; i++) {
        ConfPyValue *number = conf_py_int(py, bounds[0] + i * bounds[2]);

        if (!conf_py_step(py, call->pos, 1) || !conf_py_append(py, list, number, call->pos))
            return NULL;
    }
    return list;
}

static ConfPyValue *
copy_items(ConfPy *py, const ConfPyCall *call, ConfPyType type)
{
    ConfPyValue *result = conf_py_new(py, type);
    ConfPyValue *from;

    if (call->n_args == 0)
        return result;
    from = conf_py_iterate(py, call->pos, call->args[0].value);
    for (unsigned i = 0; from != NULL && i < from->list.n; i++) {
        if (!conf_py_append(py, result, from->list.items[i].value, from->list.items[i].pos))
            return NULL;
    }
    return from != NULL && conf_py_step(py, call->pos, from->list.n / 16) ? result : NULL;
}

static ConfPyValue *
lib_list(ConfPy *py, const ConfPyCall *call)
{
    return copy_items(py, call, CONF_PY_V_LIST);
}

static ConfPyValue *
lib_tuple(ConfPy *py, const ConfPyCall *call)
{
    return copy_items(py, call, CONF_PY_V_TUPLE);
}

/* Calls a method of lists on a copy: sorted(), reversed(). */
static ConfPyValue *
copy_and(ConfPy *py, const ConfPyCall *call, const char *method)
{
    ConfPyValue *list = copy_items(py, call, CONF_PY_V_LIST);
    ConfPyCall on_copy = *call;

    on_copy.self = list;
    on_copy.args++;
    on_copy.n_args--;

    if (list == NULL || conf_py_is_opaque(list))
        return list;
    for (const ConfPyBuiltin *row = conf_py_list_methods; row->name != NULL; row++) {
        if (g_str_equal(row->owner, "list") && g_str_equal(row->name, method))
            return row->run(py, &on_copy) != NULL ? list : NULL;
    }
    g_assert_not_reached();
}

static ConfPyValue *
lib_sorted(ConfPy *py, const ConfPyCall *call)
{
    return copy_and(py, call, "sort");
}

static ConfPyValue *
lib_reversed(ConfPy *py, const ConfPyCall *call)
{
    return copy_and(py, call, "reverse");
}

static ConfPyValue *
call_one(ConfPy *py, const ConfPyCall *call, ConfPyValue *function, ConfPyItem *item)
{
    ConfPyCall inner = { .pos = call->pos, .args = item, .n_args = 1 };

    return conf_py_call(py, function, &inner);
}

static ConfPyValue *
map_or_filter(ConfPy *py, const ConfPyCall *call, bool filter)
{
    ConfPyValue *function = call->args[0].value;
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[1].value);
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_LIST);

    for (unsigned i = 0; list != NULL && i < list->list.n; i++) {
        ConfPyItem item = list->list.items[i];
        ConfPyValue *value = function->type == CONF_PY_V_NONE ? item.value
                                                              : call_one(py, call, function, &item);

        if (value == NULL)
            return NULL;
        if (filter && conf_py_is_opaque(value))
            return value;
        if (filter && !conf_py_truth(value))
            continue;
        if (!conf_py_append(py, result, filter ? item.value : value, item.pos))
            return NULL;
    }
    return list != NULL ? result : NULL;
}

static ConfPyValue *
lib_map(ConfPy *py, const ConfPyCall *call)
{
    return map_or_filter(py, call, false);
}

static ConfPyValue *
lib_filter(ConfPy *py, const ConfPyCall *call)
{
    return map_or_filter(py, call, true);
}

ConfPyValue *
conf_py_pair(ConfPy *py, ConfPos pos, ConfPyValue *a, ConfPyValue *b)
{
    ConfPyValue *tuple = conf_py_new(py, CONF_PY_V_TUPLE);

    return conf_py_append(py, tuple, a, pos) && conf_py_append(py, tuple, b, pos) ? tuple : NULL;
}

static ConfPyValue *
lib_enumerate(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_LIST);
    gint64 first = call->n_args > 1 && call->args[1].value->type == CONF_PY_V_INT
                       ? CLAMP(call->args[1].value->i, G_MININT32, G_MAXINT32)
                       : 0;

    for (unsigned i = 0; list != NULL && i < list->list.n; i++) {
        ConfPyItem *item = &list->list.items[i];
        ConfPyValue *tuple = conf_py_pair(py, item->pos, conf_py_int(py, first + i), item->value);

        if (tuple == NULL || !conf_py_append(py, result, tuple, item->pos))
            return NULL;
    }
    return list != NULL ? result : NULL;
}

static ConfPyValue *
lib_zip(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_LIST), *lists = conf_py_new(py, CONF_PY_V_LIST);
    unsigned n = G_MAXUINT;

    for (unsigned i = 0; i < call->n_args; i++) {
        ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[i].value);

        if (list == NULL || !conf_py_append(py, lists, list, call->pos))
            return NULL;
        n = MIN(n, list->list.n);
    }
    for (unsigned i = 0; i < n; i++) {
        ConfPyValue *tuple = conf_py_new(py, CONF_PY_V_TUPLE);

        for (unsigned k = 0; k < lists->list.n; k++) {
            if (!conf_py_append(py, tuple, lists->list.items[k].value->list.items[i].value,
                                call->pos))
                return NULL;
        }
        if (!conf_py_append(py, result, tuple, call->pos) || !conf_py_step(py, call->pos, 1))
            return NULL;
    }
    return result;
}

static ConfPyValue *
all_or_any(ConfPy *py, const ConfPyCall *call, bool any)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);

    for (unsigned i = 0; list != NULL && i < list->list.n; i++) {
        ConfPyValue *value = list->list.items[i].value;

        if (conf_py_is_opaque(value))
            return value;
        if (conf_py_truth(value) == any)
            return conf_py_bool(any);
    }
    return list != NULL ? conf_py_bool(!any) : NULL;
}

static ConfPyValue *
lib_all(ConfPy *py, const ConfPyCall *call)
{
    return all_or_any(py, call, false);
}

static ConfPyValue *
lib_any(ConfPy *py, const ConfPyCall *call)
{
    return all_or_any(py, call, true);
}

/* dict(), dict(DICT), dict([(KEY, VALUE) ...]), dict(NAME=VALUE ...) */
static ConfPyValue *
lib_dict(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *dict = conf_py_new(py, CONF_PY_V_DICT);
    const ConfPyValue *from = call->n_args > 0 ? call->args[0].value : NULL;
    bool is_dict = from != NULL && from->type == CONF_PY_V_DICT;

    if (from != NULL && !is_dict && from->type != CONF_PY_V_LIST && from->type != CONF_PY_V_TUPLE)
        return conf_py_opaque(py, call->pos, "dict() of %s", conf_py_type_name(from));
    for (unsigned i = 0; from != NULL && i < from->list.n; i += is_dict ? 2 : 1) {
        const ConfPyItem *item = &from->list.items[i];
        const ConfPyList *pair = &item->value->list;

        if (!is_dict && (item->value->type != CONF_PY_V_TUPLE || pair->n != 2))
            return conf_py_opaque(py, call->pos, "dict() of something other than pairs");
        if (!conf_py_dict_set(py, call->pos, dict, is_dict ? item[0].value : pair->items[0].value,
                              is_dict ? item[1].value : pair->items[1].value))
            return NULL;
    }
    for (unsigned i = 0; i < call->n_named; i++) {
        if (!conf_py_dict_set(py, call->pos, dict,
                              conf_py_static(py, CONF_PY_V_STR, call->names[i]),
                              call->named[i].value))
            return NULL;
    }
    return dict;
}

/* ---- the tables ---- */

static const ConfPyBuiltin lib[] = {
    { "", "abs", 1, 1, 0, lib_abs },
    { "", "all", 1, 1, 0, lib_all },
    { "", "any", 1, 1, 0, lib_any },
    { "", "bool", 0, 1, 0, lib_bool },
    { "", "chr", 1, 1, 0, lib_chr },
    { "", "dict", 0, 1, CONF_PY_TAKES_NAMED, lib_dict },
    { "", "enumerate", 1, 2, 0, lib_enumerate },
    { "", "filter", 2, 2, 0, lib_filter },
    { "", "float", 1, 1, 0, lib_float },
    { "", "hex", 1, 1, 0, lib_hex },
    { "", "int", 0, 2, 0, lib_int },
    { "", "len", 1, 1, 0, lib_len },
    { "", "list", 0, 1, 0, lib_list },
    { "", "long", 0, 2, 0, lib_int },
    { "", "map", 2, 2, 0, lib_map },
    { "", "max", 1, 255, 0, lib_max },
    { "", "min", 1, 255, 0, lib_min },
    { "", "oct", 1, 1, 0, lib_oct },
    { "", "ord", 1, 1, 0, lib_ord },
    { "", "range", 1, 3, 0, lib_range },
    { "", "repr", 1, 1, 0, lib_repr },
    { "", "reversed", 1, 1, 0, lib_reversed },
    { "", "round", 1, 2, 0, lib_round },
    { "", "sorted", 1, 2, CONF_PY_TAKES_NAMED, lib_sorted },
    { "", "str", 0, 1, 0, lib_str },
    { "", "sum", 1, 2, 0, lib_sum },
    { "", "tuple", 0, 1, 0, lib_tuple },
    { "", "unicode", 0, 1, 0, lib_str },
    { "", "xrange", 1, 3, 0, lib_range },
    { "", "zip", 1, 255, 0, lib_zip },
    { NULL, NULL, 0, 0, 0, NULL },
};

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Constants; a row whose text is NULL is an int. */
static const struct {
    const char *owner, *name, *text;
    gint64 number;
} constants[] = {
    { "", "__name__", "__main__", 0 },
    { "", "xm_help", NULL, 0 },
    { "os", "name", "posix", 0 },
    { "os", "sep", "/", 0 },
    { "os", "linesep", "\n", 0 },
    { "re", "I", NULL, 2 },
    { "re", "IGNORECASE", NULL, 2 },
    { "sys", "platform", "linux2", 0 },
    { "os", "curdir", ".", 0 },
    { "os", "pardir", "..", 0 },
    { "os", "pathsep", ":", 0 },
    { "sys", "maxint", NULL, G_MAXINT64 },
    { "string", "digits", "0123456789", 0 },
    { "string", "hexdigits", "0123456789abcdefABCDEF", 0 },
    { "string", "octdigits", "01234567", 0 },
    { "string", "lowercase", LOWER, 0 },
    { "string", "ascii_lowercase", LOWER, 0 },
    { "string", "uppercase", UPPER, 0 },
    { "string", "ascii_uppercase", UPPER, 0 },
    { "string", "letters", LOWER UPPER, 0 },
    { "string", "ascii_letters", LOWER UPPER, 0 },
    { "string", "whitespace", "\t\n\x0b\x0c\r ", 0 },
};

static const char *const modules[] = { "math",       "os",   "os.environ", "os.path", "platform",
                                       "random",     "re",   "string",     "sys",     "sys.stderr",
                                       "sys.stdout", "time", "xm_vars" };

/* Names that every Python 2 program has, and that are outside the scope. */
static const char *const outside[] = {
    "__file__", "__import__",   "bytearray", "classmethod", "compile",   "complex",
    "delattr",  "eval",         "file",      "format",      "frozenset", "hasattr",
    "hash",     "help",         "id",        "input",       "iter",      "next",
    "open",     "property",     "raw_input", "reload",      "set",       "setattr",
    "slice",    "staticmethod", "super",     "unichr",      "xm_file",   "xm_args",
};

/* Each with what else takes it; Exception takes all. */
static const struct {
    const char *name, *base;
} exceptions[] = {
    { "Exception", "" },
    { "BaseException", "" },
    { "StandardError", "" },
    { "ArithmeticError", "" },
    { "AssertionError", "" },
    { "AttributeError", "" },
    { "EnvironmentError", "" },
    { "ImportError", "" },
    { "IndexError", "LookupError" },
    { "IOError", "EnvironmentError" },
    { "KeyError", "LookupError" },
    { "LookupError", "" },
    { "NameError", "" },
    { "NotImplementedError", "RuntimeError" },
    { "OSError", "EnvironmentError" },
    { "OverflowError", "ArithmeticError" },
    { "RuntimeError", "" },
    { "SystemExit", "" },
    { "TypeError", "" },
    { "ValueError", "" },
    { "ZeroDivisionError", "ArithmeticError" },
};

bool
conf_py_is_a(const char *exception, const char *type)
{
    if (g_str_equal(exception, type) || g_str_equal(type, "BaseException"))
        return true;
    if (g_str_equal(type, "Exception") || g_str_equal(type, "StandardError"))
        return !g_str_equal(exception, "SystemExit");
    for (gsize i = 0; i < G_N_ELEMENTS(exceptions); i++) {
        if (g_str_equal(exceptions[i].name, exception))
            return g_str_equal(exceptions[i].base, type);
    }
    return false;
}

ConfPyValue *
conf_py_module(ConfPy *py, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(modules); i++) {
        if (g_str_equal(modules[i], name))
            return conf_py_static(py, CONF_PY_V_MODULE, modules[i]);
    }
    return NULL;
}

static ConfPyValue *
find_builtin(ConfPy *py, const ConfPyBuiltin *table, const char *owner, const char *name,
             ConfPyValue *self)
{
    for (const ConfPyBuiltin *row = table; row->name != NULL; row++) {
        if (row->name[0] == name[0] && strcmp(row->name, name) == 0 &&
            strcmp(row->owner, owner) == 0) {
            ConfPyValue *value = conf_py_new(py, CONF_PY_V_BUILTIN);

            value->builtin = row;
            value->self = self;
            return value;
        }
    }
    return NULL;
}

static ConfPyValue *
find_constant(ConfPy *py, const char *owner, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(constants); i++) {
        if (g_str_equal(constants[i].owner, owner) && g_str_equal(constants[i].name, name))
            return constants[i].text != NULL ? conf_py_static(py, CONF_PY_V_STR, constants[i].text)
                                             : conf_py_int(py, constants[i].number);
    }
    return NULL;
}

ConfPyValue *
conf_py_lookup(ConfPy *py, ConfPos pos, const char *name)
{
    ConfPyValue *value = find_builtin(py, lib, "", name, NULL);

    if (value == NULL)
        value = find_builtin(py, conf_py_more, "", name, NULL);
    if (g_str_equal(name, "True") || g_str_equal(name, "False"))
        return conf_py_bool(*name == 'T');
    if (g_str_equal(name, "None"))
        return &conf_py_none;
    if (value == NULL)
        value = find_constant(py, "", name);
    /* xm imports these two before it runs a config. */
    if (value == NULL &&
        (g_str_equal(name, "os") || g_str_equal(name, "sys") || g_str_equal(name, "xm_vars")))
        value = conf_py_module(py, name);
    for (gsize i = 0; value == NULL && i < G_N_ELEMENTS(exceptions); i++) {
        if (g_str_equal(exceptions[i].name, name))
            value = conf_py_static(py, CONF_PY_V_EXC_TYPE, exceptions[i].name);
    }
    for (gsize i = 0; value == NULL && i < G_N_ELEMENTS(outside); i++) {
        if (g_str_equal(outside[i], name))
            value = conf_py_opaque(py, pos, "%s", outside[i]);
    }
    return value;
}

static ConfPyValue *
str_method(ConfPy *py, const char *name, ConfPyValue *self)
{
    ConfPyValue *found = find_builtin(py, conf_py_str_methods, "str", name, self);

    return found != NULL ? found : find_builtin(py, conf_py_text_methods, "str", name, self);
}

static ConfPyValue *
find_in_module(ConfPy *py, const char *module, const char *name)
{
    static const ConfPyBuiltin *const tables[] = { conf_py_modules, conf_py_re, conf_py_dice,
                                                   conf_py_text_methods, conf_py_more };
    ConfPyValue *value = NULL;

    for (gsize i = 0; value == NULL && i < G_N_ELEMENTS(tables); i++)
        value = find_builtin(py, tables[i], module, name, NULL);
    if (value == NULL)
        value = find_constant(py, module, name);
    /* string.lower(x) is x.lower() */
    if (value == NULL && g_str_equal(module, "string"))
        value = str_method(py, name, &conf_py_unbound);
    return value;
}

static ConfPyValue *
module_attribute(ConfPy *py, ConfPos pos, const ConfPyValue *module, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s.%.100s", module->str, name);
    ConfPyValue *value = find_in_module(py, module->str, name);

    if (value == NULL)
        value = conf_py_module(py, path);
    /* Where modules are looked for: to add to it does nothing here. */
    if (value == NULL && g_str_equal(path, "sys.path"))
        value = conf_py_new(py, CONF_PY_V_LIST);
    return value != NULL ? value : conf_py_opaque(py, pos, "%s", path);
}

void
conf_py_import_all(ConfPy *py, const ConfPyValue *module, ConfPos pos)
{
    static const ConfPyBuiltin *const tables[] = { conf_py_modules, conf_py_re, conf_py_dice,
                                                   conf_py_text_methods, conf_py_more };

    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const ConfPyBuiltin *row = tables[i]; row->name != NULL; row++) {
            if (g_str_equal(row->owner, module->str))
                conf_py_set_global(py, row->name, find_in_module(py, row->owner, row->name), pos);
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(constants); i++) {
        if (g_str_equal(constants[i].owner, module->str))
            conf_py_set_lazy(py, constants[i].name, pos, "a name of 'import *'");
    }
}

ConfPyValue *
conf_py_attribute(ConfPy *py, ConfPos pos, ConfPyValue *value, const char *name)
{
    ConfPyValue *found = NULL;

    switch (value->type) {
    case CONF_PY_V_OPAQUE:
        return value;
    case CONF_PY_V_MODULE:
        return module_attribute(py, pos, value, name);
    case CONF_PY_V_STR:
        found = str_method(py, name, value);
        break;
    case CONF_PY_V_PATTERN:
        found = find_builtin(py, conf_py_re, "pattern", name, value);
        break;
    case CONF_PY_V_BUILTIN: /* str.lower(x) */
        if (g_str_equal(value->builtin->name, "str"))
            found = str_method(py, name, &conf_py_unbound);
        break;
    case CONF_PY_V_LIST:
    case CONF_PY_V_TUPLE:
    case CONF_PY_V_DICT:
    case CONF_PY_V_MATCH:
        found = find_builtin(py, conf_py_list_methods, conf_py_type_name(value), name, value);
        break;
    case CONF_PY_V_NONE:
        return conf_py_raise(py, pos, "AttributeError", "None has no '%.40s'", name);
    case CONF_PY_V_BOOL:
    case CONF_PY_V_INT:
    case CONF_PY_V_FLOAT:
    case CONF_PY_V_FUNC:
    case CONF_PY_V_EXC_TYPE:
    case CONF_PY_V_EXC:
    default:
        break;
    }
    return found != NULL ? found
                         : conf_py_opaque(py, pos, "'%.40s' of %s", name, conf_py_type_name(value));
}
