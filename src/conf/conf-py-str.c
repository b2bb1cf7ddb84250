/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What strings can do: "..." % values, "...".format() and their methods. */
#include "conf-py-value.h"

#include <string.h>

/* While something grows: conf_py_may_make() at each step would count it over and over. */
static bool
fits(ConfPy *py, ConfPos pos, gsize len)
{
    return conf_py_room(&py->arena, len) || conf_py_may_make(py, pos, len);
}

static bool
is_one_of(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* ---- one value by a format: %-08.3d ---- */

typedef struct Spec {
    bool left, zero, plus, blank, alt;
    int width, precision; /* -1: none */
    char letter;
} Spec;

static void
pad(GString *out, const char *text, gsize len, const Spec *spec)
{
    gsize fill = spec->width > 0 && (gsize)spec->width > len ? (gsize)spec->width - len : 0;
    gsize sign = 0;

    if (spec->left) {
        g_string_append_len(out, text, (gssize)len);
        for (; fill > 0; fill--)
            g_string_append_c(out, ' ');
        return;
    }
    if (spec->zero && spec->letter != 's' && len > 0 && is_one_of("+- ", text[0]))
        sign = 1;
    g_string_append_len(out, text, (gssize)sign);
    for (; fill > 0; fill--)
        g_string_append_c(out, spec->zero && spec->letter != 's' ? '0' : ' ');
    g_string_append_len(out, text + sign, (gssize)(len - sign));
}

static void
format_int(GString *out, gint64 value, const Spec *spec)
{
    guint64 size = value < 0 ? 0 - (guint64)value : (guint64)value;
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->blank ? " " : "";
    const char *prefix = "";
    g_autofree char *digits = NULL;
    g_autofree char *text = NULL;

    if (spec->letter == 'x' || spec->letter == 'X') {
        digits = g_strdup_printf(
            spec->letter == 'x' ? "%" G_GINT64_MODIFIER "x" : "%" G_GINT64_MODIFIER "X", size);
        prefix = spec->alt ? (spec->letter == 'x' ? "0x" : "0X") : "";
    } else if (spec->letter == 'o') {
        digits = g_strdup_printf("%" G_GINT64_MODIFIER "o", size);
        prefix = spec->alt ? "0" : "";
    } else {
        digits = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    }
    if (spec->precision > (int)strlen(digits)) {
        g_autofree char *zeros = g_strnfill((gsize)spec->precision - strlen(digits), '0');

        text = g_strconcat(sign, prefix, zeros, digits, NULL);
    } else {
        text = g_strconcat(sign, prefix, digits, NULL);
    }
    pad(out, text, strlen(text), spec);
}

static void
format_real(GString *out, double value, const Spec *spec)
{
    char format[32], text[512];
    int precision = spec->precision < 0 ? 6 : MIN(spec->precision, 100);

    g_snprintf(format, sizeof(format), "%%%s%s.%d%c", spec->plus ? "+" : "", spec->alt ? "#" : "",
               precision, spec->letter);
    g_ascii_formatd(text, sizeof(text), format, value);
    pad(out, text, strlen(text), spec);
}

/* False: failed. */
static bool
format_value(ConfPy *py, ConfPos pos, GString *out, ConfPyValue *value, const Spec *spec)
{
    g_autoptr(GString) text = NULL;

    if (conf_py_is_opaque(value)) {
        py->opaque_seen = value;
        return true;
    }
    if (is_one_of("diuxXo", spec->letter)) {
        if (!conf_py_is_number(value)) {
            conf_py_raise(py, pos, "TypeError", "'%%%c' needs a number and not %s", spec->letter,
                          conf_py_type_name(value));
            return false;
        }
        format_int(out,
                   value->type == CONF_PY_V_FLOAT ? (gint64)CLAMP(value->f, -9e18, 9e18) : value->i,
                   spec);
        return true;
    }
    if (is_one_of("eEfFgG", spec->letter)) {
        if (!conf_py_is_number(value)) {
            conf_py_raise(py, pos, "TypeError", "'%%%c' needs a number and not %s", spec->letter,
                          conf_py_type_name(value));
            return false;
        }
        format_real(out, conf_py_to_real(value), spec);
        return true;
    }
    text = g_string_new(NULL);
    if (spec->letter == 'c' && value->type == CONF_PY_V_INT)
        g_string_append_c(text, (char)(guchar)value->i);
    else if (!conf_py_print(py, pos, text, value, spec->letter == 'r'))
        return false;
    if (spec->precision >= 0 && (gsize)spec->precision < text->len)
        g_string_truncate(text, (gsize)spec->precision);
    Spec plain = *spec;

    plain.letter = 's';
    pad(out, text->str, text->len, &plain);
    return fits(py, pos, out->len);
}

/* ---- "..." % values ---- */

typedef struct Percent {
    ConfPy *py;
    ConfPos pos;
    const char *p, *end;
    ConfPyValue *values; /* a tuple, a dict or one value */
    unsigned used;
    bool by_name; /* a %(name)s was there */
} Percent;

static ConfPyValue *
next_value(Percent *f)
{
    if (f->values->type == CONF_PY_V_TUPLE && f->used < f->values->list.n)
        return f->values->list.items[f->used++].value;
    if (f->values->type != CONF_PY_V_TUPLE && f->used++ == 0)
        return f->values;
    return conf_py_raise(f->py, f->pos, "TypeError",
                         "there are fewer values than '%%' in the "
                         "string");
}

/* Digits or '*'. False: failed. */
static bool
read_size(Percent *f, int *ret_size)
{
    gint64 size = 0;

    if (f->p < f->end && *f->p == '*') {
        ConfPyValue *value = next_value(f);

        if (value == NULL)
            return false;
        f->p++;
        size = value->type == CONF_PY_V_INT ? value->i : 0;
    }
    for (; f->p < f->end && g_ascii_isdigit(*f->p) && size <= CONF_PY_MAX_WIDTH; f->p++)
        size = size * 10 + (*f->p - '0');
    if (size < 0 || size > CONF_PY_MAX_WIDTH) {
        conf_py_stop(f->py, f->pos, CONF_ERROR_LIMIT, "a width of more than %d", CONF_PY_MAX_WIDTH);
        return false;
    }
    *ret_size = (int)size;
    return true;
}

/* %(name): the value of that name in the dict. */
static ConfPyValue *
named_value(Percent *f)
{
    const char *close = memchr(f->p, ')', (gsize)(f->end - f->p));
    ConfPyValue *key;

    if (close == NULL)
        return conf_py_raise(f->py, f->pos, "ValueError", "'%%(' without ')'");
    key = conf_py_str(f->py, f->pos, f->p + 1, (gsize)(close - f->p - 1));
    f->p = close + 1;
    f->by_name = true;
    if (key == NULL)
        return NULL;
    if (f->values->type != CONF_PY_V_DICT && !conf_py_is_opaque(f->values))
        return conf_py_raise(f->py, f->pos, "TypeError", "'%%(name)' needs a dict");
    return conf_py_index(f->py, f->pos, f->values, key);
}

/* Behind the '%'. */
static bool
percent_one(Percent *f, GString *out)
{
    Spec spec = { .precision = -1 };
    ConfPyValue *value = NULL;

    if (f->p < f->end && *f->p == '(') {
        value = named_value(f);
        if (value == NULL)
            return false;
    }
    for (; f->p < f->end && is_one_of("-0+ #", *f->p); f->p++) {
        spec.left |= *f->p == '-';
        spec.zero |= *f->p == '0';
        spec.plus |= *f->p == '+';
        spec.blank |= *f->p == ' ';
        spec.alt |= *f->p == '#';
    }
    if (!read_size(f, &spec.width))
        return false;
    if (f->p < f->end && *f->p == '.') {
        f->p++;
        if (!read_size(f, &spec.precision))
            return false;
    }
    while (f->p < f->end && is_one_of("hlL", *f->p))
        f->p++;
    if (f->p == f->end || !is_one_of("diuxXoeEfFgGcrs%", *f->p)) {
        conf_py_raise(f->py, f->pos, "ValueError",
                      "a '%%' in the string has no conversion such "
                      "as 's' or 'd' behind it");
        return false;
    }
    spec.letter = *f->p++;
    if (spec.letter == '%') {
        g_string_append_c(out, '%');
        return true;
    }
    if (value == NULL)
        value = next_value(f);
    return value != NULL && format_value(f->py, f->pos, out, value, &spec);
}

ConfPyValue *
conf_py_percent(ConfPy *py, ConfPos pos, ConfPyValue *format, ConfPyValue *value)
{
    g_autoptr(GString) out = g_string_new(NULL);
    Percent f = { py, pos, format->str, format->str + format->len, value, 0, false };

    py->opaque_seen = NULL;
    while (f.p < f.end) {
        if (*f.p != '%') {
            g_string_append_c(out, *f.p++);
            continue;
        }
        f.p++;
        if (!conf_py_step(py, pos, 1) || !percent_one(&f, out))
            return NULL;
    }
    if (py->opaque_seen != NULL)
        return (ConfPyValue *)py->opaque_seen;
    if (conf_py_is_opaque(value))
        return value;
    if ((value->type == CONF_PY_V_TUPLE && f.used < value->list.n) ||
        (value->type != CONF_PY_V_TUPLE && value->type != CONF_PY_V_DICT && f.used == 0))
        return conf_py_raise(py, pos, "TypeError", "there are more values than '%%' in the string");
    return conf_py_str(py, pos, out->str, out->len);
}

/* ---- "...".format() ---- */

/* The argument that a field such as "", "0" or "name" means. */
static ConfPyValue *
format_argument(ConfPy *py, const ConfPyCall *call, const char *field, gsize len, unsigned *at)
{
    gint64 number;
    g_autofree char *name = g_strndup(field, len);

    if (len == 0)
        number = (*at)++;
    else if (!conf_text_to_int(name, &number))
        number = -1;
    if (number >= 0 && number < call->n_args)
        return call->args[number].value;
    if (conf_py_named_arg(call, name) != NULL)
        return conf_py_named_arg(call, name);
    if (strpbrk(name, ".[!") != NULL)
        return conf_py_opaque(py, call->pos, "the format field '{%s}'", name);
    return conf_py_raise(py, call->pos, number >= 0 ? "IndexError" : "KeyError",
                         "there is no value for '{%s}'", name);
}

/* What stands behind the ':', such as "02x" or ">8". False: outside the scope. */
static bool
parse_format_spec(const char *text, const char *end, Spec *spec)
{
    if (text < end && (*text == '<' || *text == '>'))
        spec->left = *text++ == '<';
    if (text < end && *text == '+')
        spec->plus = *text++ == '+';
    if (text < end && *text == '#')
        spec->alt = *text++ == '#';
    if (text < end && *text == '0')
        spec->zero = *text++ == '0';
    for (; text < end && g_ascii_isdigit(*text) && spec->width <= CONF_PY_MAX_WIDTH; text++)
        spec->width = spec->width * 10 + (*text - '0');
    if (text < end && *text == '.') {
        spec->precision = 0;
        for (text++; text < end && g_ascii_isdigit(*text) && spec->precision <= CONF_PY_MAX_WIDTH;
             text++)
            spec->precision = spec->precision * 10 + (*text - '0');
    }
    if (text < end && is_one_of("dxXosfeg", *text))
        spec->letter = *text++;
    return text == end && spec->width <= CONF_PY_MAX_WIDTH && spec->precision <= CONF_PY_MAX_WIDTH;
}

/* One "{...}". *p is behind the '{' and comes out behind the '}'. */
static bool
format_field(ConfPy *py, const ConfPyCall *call, GString *out, const char **p, const char *end,
             unsigned *at)
{
    const char *close = memchr(*p, '}', (gsize)(end - *p));
    const char *colon = close != NULL ? memchr(*p, ':', (gsize)(close - *p)) : NULL;
    Spec spec = { .precision = -1, .letter = 's' };
    ConfPyValue *value;

    if (close == NULL) {
        conf_py_raise(py, call->pos, "ValueError", "'{' without '}' in the string");
        return false;
    }
    value = format_argument(py, call, *p, (gsize)((colon != NULL ? colon : close) - *p), at);
    *p = close + 1;
    if (value == NULL)
        return false;
    if (colon != NULL && conf_py_is_number(value))
        spec.letter = value->type == CONF_PY_V_FLOAT ? 'g' : 'd';
    if (colon != NULL && !parse_format_spec(colon + 1, close, &spec)) {
        py->opaque_seen = conf_py_opaque(py, call->pos, "this format");
        return true;
    }
    return format_value(py, call->pos, out, value, &spec);
}

static ConfPyValue *
str_format(ConfPy *py, const ConfPyCall *call)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *p = call->self->str, *end = p + call->self->len;
    unsigned at = 0;

    py->opaque_seen = NULL;
    while (p < end) {
        char c = *p++;

        if ((c == '{' || c == '}') && p < end && *p == c) {
            g_string_append_c(out, c);
            p++;
        } else if (c != '{') {
            g_string_append_c(out, c);
        } else if (!conf_py_step(py, call->pos, 1) || !format_field(py, call, out, &p, end, &at)) {
            return NULL;
        }
    }
    if (py->opaque_seen != NULL)
        return (ConfPyValue *)py->opaque_seen;
    return conf_py_str(py, call->pos, out->str, out->len);
}

/* ---- methods ---- */

const ConfPyValue *
conf_py_str_arg(ConfPy *py, const ConfPyCall *call, unsigned i)
{
    const ConfPyValue *value = call->args[i].value;

    if (value->type == CONF_PY_V_STR)
        return value;
    conf_py_raise(py, call->args[i].pos, "TypeError", "a string is needed here and not %s",
                  conf_py_type_name(value));
    return NULL;
}

static ConfPyValue *
str_join(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);
    g_autoptr(GString) out = g_string_new(NULL);

    if (list == NULL)
        return NULL;
    for (unsigned i = 0; i < list->list.n; i++) {
        ConfPyValue *item = list->list.items[i].value;

        if (conf_py_is_opaque(item))
            return item;
        if (item->type != CONF_PY_V_STR)
            return conf_py_raise(py, call->pos, "TypeError", "join() needs strings and not %s",
                                 conf_py_type_name(item));
        if (!conf_py_step(py, call->pos, 1) ||
            !fits(py, call->pos, out->len + call->self->len + item->len))
            return NULL;
        if (i > 0)
            g_string_append_len(out, call->self->str, (gssize)call->self->len);
        g_string_append_len(out, item->str, (gssize)item->len);
    }
    return conf_py_str(py, call->pos, out->str, out->len);
}

/* Without a separator: at blanks, and none are left. */
static ConfPyValue *
split_blanks(ConfPy *py, const ConfPyCall *call, gint64 max)
{
    ConfPyValue *list = conf_py_new(py, CONF_PY_V_LIST);
    const char *p = call->self->str, *end = p + call->self->len;

    for (;;) {
        const char *start;
        ConfPyValue *item;

        while (p < end && g_ascii_isspace(*p))
            p++;
        if (p == end)
            return list;
        for (start = p; p < end && (!g_ascii_isspace(*p) || max == 0); p++)
            ;
        max--;
        item = conf_py_str(py, call->pos, start, (gsize)(p - start));
        if (item == NULL || !conf_py_append(py, list, item, call->pos))
            return NULL;
    }
}

static ConfPyValue *
str_split(ConfPy *py, const ConfPyCall *call)
{
    gint64 max = call->n_args > 1 && call->args[1].value->type == CONF_PY_V_INT
                     ? call->args[1].value->i
                     : -1;
    const char *p = call->self->str, *end = p + call->self->len;
    const ConfPyValue *separator;
    ConfPyValue *list, *item;

    if (call->n_args == 0 || call->args[0].value->type == CONF_PY_V_NONE)
        return split_blanks(py, call, max);
    separator = conf_py_str_arg(py, call, 0);
    if (separator == NULL)
        return NULL;
    if (separator->len == 0)
        return conf_py_raise(py, call->pos, "ValueError", "an empty separator");
    list = conf_py_new(py, CONF_PY_V_LIST);
    for (;;) {
        const char *found = max == 0 ? NULL
                                     : memmem(p, (gsize)(end - p), separator->str, separator->len);

        item = conf_py_str(py, call->pos, p, (gsize)((found != NULL ? found : end) - p));
        if (item == NULL || !conf_py_append(py, list, item, call->pos))
            return NULL;
        if (found == NULL)
            return list;
        p = found + separator->len;
        max--;
    }
}

static ConfPyValue *
str_replace(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *from = conf_py_str_arg(py, call, 0);
    const ConfPyValue *to = from != NULL ? conf_py_str_arg(py, call, 1) : NULL;
    const char *p = call->self->str, *end = p + call->self->len;
    g_autoptr(GString) out = g_string_new(NULL);

    if (to == NULL)
        return NULL;
    if (from->len == 0)
        return conf_py_opaque(py, call->pos, "replace() of an empty string");
    while (p < end) {
        const char *found = memmem(p, (gsize)(end - p), from->str, from->len);

        g_string_append_len(out, p, (found != NULL ? found : end) - p);
        if (found == NULL)
            break;
        g_string_append_len(out, to->str, (gssize)to->len);
        p = found + from->len;
        if (!conf_py_step(py, call->pos, 1) || !fits(py, call->pos, out->len))
            return NULL;
    }
    return conf_py_str(py, call->pos, out->str, out->len);
}

static ConfPyValue *
change_case(ConfPy *py, const ConfPyCall *call, bool up, bool first_only)
{
    g_autofree char *text = g_strndup(call->self->str, call->self->len);

    for (gsize i = 0; i < call->self->len; i++) {
        bool upper = first_only ? i == 0 : up;

        text[i] = upper ? g_ascii_toupper(call->self->str[i]) : g_ascii_tolower(call->self->str[i]);
    }
    return conf_py_str(py, call->pos, text, call->self->len);
}

static ConfPyValue *
str_lower(ConfPy *py, const ConfPyCall *call)
{
    return change_case(py, call, false, false);
}

static ConfPyValue *
str_upper(ConfPy *py, const ConfPyCall *call)
{
    return change_case(py, call, true, false);
}

static ConfPyValue *
str_capitalize(ConfPy *py, const ConfPyCall *call)
{
    return change_case(py, call, false, true);
}

/* Each character of the set once, not once a character of the string. */
static void
fill_stripped(bool stripped[256], const ConfPyValue *set)
{
    const char *chars = set != NULL ? set->str : " \t\n\v\f\r";
    gsize len = set != NULL ? set->len : strlen(chars);

    for (gsize i = 0; i < len; i++)
        stripped[(guchar)chars[i]] = true;
}

static ConfPyValue *
strip(ConfPy *py, const ConfPyCall *call, bool left, bool right)
{
    const char *p = call->self->str, *end = p + call->self->len;
    const ConfPyValue *set = NULL;
    bool stripped[256] = { false };

    if (call->n_args > 0 && call->args[0].value->type != CONF_PY_V_NONE) {
        set = conf_py_str_arg(py, call, 0);
        if (set == NULL)
            return NULL;
    }
    fill_stripped(stripped, set);
    while (left && p < end && stripped[(guchar)*p])
        p++;
    while (right && p < end && stripped[(guchar)end[-1]])
        end--;
    return conf_py_str(py, call->pos, p, (gsize)(end - p));
}

static ConfPyValue *
str_strip(ConfPy *py, const ConfPyCall *call)
{
    return strip(py, call, true, true);
}

static ConfPyValue *
str_lstrip(ConfPy *py, const ConfPyCall *call)
{
    return strip(py, call, true, false);
}

static ConfPyValue *
str_rstrip(ConfPy *py, const ConfPyCall *call)
{
    return strip(py, call, false, true);
}

/* One prefix or suffix, or a tuple of them. */
static ConfPyValue *
has_affix(ConfPy *py, const ConfPyCall *call, bool at_end)
{
    const ConfPyValue *arg = call->args[0].value;
    unsigned n = arg->type == CONF_PY_V_TUPLE ? arg->list.n : 1;

    for (unsigned i = 0; i < n; i++) {
        const ConfPyValue *affix = arg->type == CONF_PY_V_TUPLE ? arg->list.items[i].value : arg;

        if (affix->type != CONF_PY_V_STR)
            return conf_py_raise(py, call->pos, "TypeError", "a string is needed here and not %s",
                                 conf_py_type_name(affix));
        if (!conf_py_step(py, call->pos, 1 + affix->len / 64))
            return NULL;
        if (affix->len <= call->self->len &&
            memcmp(call->self->str + (at_end ? call->self->len - affix->len : 0), affix->str,
                   affix->len) == 0)
            return &conf_py_true;
    }
    return &conf_py_false;
}

static ConfPyValue *
str_startswith(ConfPy *py, const ConfPyCall *call)
{
    return has_affix(py, call, false);
}

static ConfPyValue *
str_endswith(ConfPy *py, const ConfPyCall *call)
{
    return has_affix(py, call, true);
}

static ConfPyValue *
find_in(ConfPy *py, const ConfPyCall *call, bool must)
{
    const ConfPyValue *what = conf_py_str_arg(py, call, 0);
    const char *found;

    if (what == NULL || !conf_py_step(py, call->pos, 1 + call->self->len / 64))
        return NULL;
    found = memmem(call->self->str, call->self->len, what->str, what->len);
    if (found == NULL && must)
        return conf_py_raise(py, call->pos, "ValueError", "the text is not in the string");
    return conf_py_int(py, found != NULL ? found - call->self->str : -1);
}

static ConfPyValue *
str_find(ConfPy *py, const ConfPyCall *call)
{
    return find_in(py, call, false);
}

static ConfPyValue *
str_index(ConfPy *py, const ConfPyCall *call)
{
    return find_in(py, call, true);
}

static ConfPyValue *
str_count(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *what = conf_py_str_arg(py, call, 0);
    const char *p = call->self->str, *end = p + call->self->len;
    gint64 count = 0;

    if (what == NULL || !conf_py_step(py, call->pos, 1 + call->self->len / 16))
        return NULL;
    while (what->len > 0 && (p = memmem(p, (gsize)(end - p), what->str, what->len)) != NULL) {
        p += what->len;
        count++;
    }
    return conf_py_int(py, what->len > 0 ? count : (gint64)call->self->len + 1);
}

static ConfPyValue *
str_zfill(ConfPy *py, const ConfPyCall *call)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const ConfPyValue *width = call->args[0].value;
    Spec spec = { .zero = true, .letter = 'd' };

    if (width->type != CONF_PY_V_INT || width->i > CONF_PY_MAX_WIDTH)
        return conf_py_raise(py, call->pos, "ValueError", "zfill() needs a small number");
    spec.width = (int)MAX(width->i, 0);
    pad(out, call->self->str, call->self->len, &spec);
    return conf_py_str(py, call->pos, out->str, out->len);
}

const ConfPyBuiltin conf_py_str_methods[] = {
    { "str", "capitalize", 0, 0, 0, str_capitalize },
    { "str", "count", 1, 1, 0, str_count },
    { "str", "endswith", 1, 1, 0, str_endswith },
    { "str", "find", 1, 1, 0, str_find },
    { "str", "format", 0, 255, CONF_PY_TAKES_NAMED, str_format },
    { "str", "index", 1, 1, 0, str_index },
    { "str", "join", 1, 1, 0, str_join },
    { "str", "lower", 0, 0, 0, str_lower },
    { "str", "lstrip", 0, 1, 0, str_lstrip },
    { "str", "replace", 2, 2, 0, str_replace },
    { "str", "rstrip", 0, 1, 0, str_rstrip },
    { "str", "split", 0, 2, 0, str_split },
    { "str", "startswith", 1, 1, 0, str_startswith },
    { "str", "strip", 0, 1, 0, str_strip },
    { "str", "upper", 0, 0, 0, str_upper },
    { "str", "zfill", 1, 1, 0, str_zfill },
    { NULL, NULL, 0, 0, 0, NULL },
};
