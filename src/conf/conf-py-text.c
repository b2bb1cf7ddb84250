/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of strings that look at single characters or cut at a place, and the module string. */
#include "conf-py-value.h"

#include <string.h>

/* ---- kinds of characters ---- */

static ConfPyValue *
all_are(ConfPy *py, const ConfPyCall *call, bool (*is)(char c))
{
    for (gsize i = 0; i < call->self->len; i++) {
        if (!is(call->self->str[i]))
            return &conf_py_false;
    }
    return conf_py_step(py, call->pos, call->self->len / 64) ? conf_py_bool(call->self->len > 0)
                                                             : NULL;
}

static bool
is_alpha(char c)
{
    return g_ascii_isalpha(c);
}

static bool
is_alnum(char c)
{
    return g_ascii_isalnum(c);
}

static bool
is_digit(char c)
{
    return g_ascii_isdigit(c);
}

static bool
is_space(char c)
{
    return g_ascii_isspace(c) || c == '\v';
}

static ConfPyValue *
str_isalpha(ConfPy *py, const ConfPyCall *call)
{
    return all_are(py, call, is_alpha);
}

static ConfPyValue *
str_isalnum(ConfPy *py, const ConfPyCall *call)
{
    return all_are(py, call, is_alnum);
}

static ConfPyValue *
str_isdigit(ConfPy *py, const ConfPyCall *call)
{
    return all_are(py, call, is_digit);
}

static ConfPyValue *
str_isspace(ConfPy *py, const ConfPyCall *call)
{
    return all_are(py, call, is_space);
}

/* Some letter is of this case, and none of the other. */
static ConfPyValue *
is_case(ConfPy *py, const ConfPyCall *call, bool upper)
{
    bool some = false;

    for (gsize i = 0; i < call->self->len; i++) {
        char c = call->self->str[i];

        if (upper ? g_ascii_islower(c) : g_ascii_isupper(c))
            return &conf_py_false;
        some |= g_ascii_isalpha(c);
    }
    return conf_py_bool(some);
}

static ConfPyValue *
str_islower(ConfPy *py, const ConfPyCall *call)
{
    return is_case(py, call, false);
}

static ConfPyValue *
str_isupper(ConfPy *py, const ConfPyCall *call)
{
    return is_case(py, call, true);
}

static ConfPyValue *
str_swapcase(ConfPy *py, const ConfPyCall *call)
{
    g_autofree char *text = g_strndup(call->self->str, call->self->len);

    for (gsize i = 0; i < call->self->len; i++) {
        char c = call->self->str[i];

        text[i] = g_ascii_isupper(c) ? g_ascii_tolower(c) : g_ascii_toupper(c);
    }
    return conf_py_str(py, call->pos, text, call->self->len);
}

static ConfPyValue *
str_title(ConfPy *py, const ConfPyCall *call)
{
    g_autofree char *text = g_strndup(call->self->str, call->self->len);
    bool inside = false;

    for (gsize i = 0; i < call->self->len; i++) {
        char c = call->self->str[i];

        text[i] = inside ? g_ascii_tolower(c) : g_ascii_toupper(c);
        inside = g_ascii_isalpha(c);
    }
    return conf_py_str(py, call->pos, text, call->self->len);
}

/* ---- filling up ---- */

static ConfPyValue *
fill(ConfPy *py, const ConfPyCall *call, bool left, bool right)
{
    const ConfPyValue *width = call->args[0].value;
    g_autoptr(GString) out = g_string_new(NULL);
    gsize missing, before;
    char c = ' ';

    if (width->type != CONF_PY_V_INT || width->i > CONF_PY_MAX_WIDTH)
        return conf_py_raise(py, call->pos, "ValueError", "a small number is needed here");
    if (call->n_args > 1) {
        const ConfPyValue *with = conf_py_str_arg(py, call, 1);

        if (with == NULL || with->len != 1)
            return with == NULL
                       ? NULL
                       : conf_py_raise(py, call->pos, "TypeError", "one character is needed here");
        c = with->str[0];
    }
    missing = width->i > (gint64)call->self->len ? (gsize)width->i - call->self->len : 0;
    before = left && right ? missing / 2 : left ? missing : 0;
    for (gsize i = 0; i < before; i++)
        g_string_append_c(out, c);
    g_string_append_len(out, call->self->str, (gssize)call->self->len);
    for (gsize i = before; i < missing; i++)
        g_string_append_c(out, c);
    return conf_py_str(py, call->pos, out->str, out->len);
}

static ConfPyValue *
str_ljust(ConfPy *py, const ConfPyCall *call)
{
    return fill(py, call, false, true);
}

static ConfPyValue *
str_rjust(ConfPy *py, const ConfPyCall *call)
{
    return fill(py, call, true, false);
}

static ConfPyValue *
str_center(ConfPy *py, const ConfPyCall *call)
{
    return fill(py, call, true, true);
}

/* ---- finding and cutting ---- */

/* The last place of what, or NULL. */
static const char *
find_last(const ConfPyValue *in, gsize len, const ConfPyValue *what)
{
    for (gsize at = len - MIN(what->len, len) + 1; what->len <= len && at > 0; at--) {
        if (memcmp(in->str + at - 1, what->str, what->len) == 0)
            return in->str + at - 1;
    }
    return NULL;
}

/* To look for the last place costs more than for the first: each place is compared. */
static bool
charge_search(ConfPy *py, const ConfPyCall *call, const ConfPyValue *what)
{
    return conf_py_step(py, call->pos, 1 + call->self->len * (1 + what->len / 64) / 16);
}

static ConfPyValue *
str_rfind(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *what = conf_py_str_arg(py, call, 0);
    const char *found;

    if (what == NULL || !charge_search(py, call, what))
        return NULL;
    found = find_last(call->self, call->self->len, what);
    return conf_py_int(py, found != NULL ? found - call->self->str : -1);
}

static ConfPyValue *
part(ConfPy *py, const ConfPyCall *call, bool last)
{
    const ConfPyValue *at = conf_py_str_arg(py, call, 0);
    const char *text = call->self->str, *end = text + call->self->len, *found;
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_TUPLE);
    gsize cuts[4] = { 0, call->self->len, call->self->len, call->self->len };

    if (at == NULL || !charge_search(py, call, at))
        return NULL;
    if (at->len == 0)
        return conf_py_raise(py, call->pos, "ValueError", "an empty separator");
    found = last ? find_last(call->self, call->self->len, at)
                 : memmem(text, (gsize)(end - text), at->str, at->len);
    if (found != NULL) {
        cuts[1] = (gsize)(found - text);
        cuts[2] = cuts[1] + at->len;
    } else if (last) {
        cuts[1] = cuts[2] = 0;
    }
    for (int i = 0; i < 3; i++) {
        ConfPyValue *piece = conf_py_str(py, call->pos, text + cuts[i], cuts[i + 1] - cuts[i]);

        if (piece == NULL || !conf_py_append(py, result, piece, call->pos))
            return NULL;
    }
    return result;
}

static ConfPyValue *
str_partition(ConfPy *py, const ConfPyCall *call)
{
    return part(py, call, false);
}

static ConfPyValue *
str_rpartition(ConfPy *py, const ConfPyCall *call)
{
    return part(py, call, true);
}

/* rsplit(separator, max): the first piece keeps what is left over. */
static ConfPyValue *
str_rsplit(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *at = conf_py_str_arg(py, call, 0);
    gint64 max = call->n_args > 1 && call->args[1].value->type == CONF_PY_V_INT
                     ? call->args[1].value->i
                     : -1;
    ConfPyValue *list = conf_py_new(py, CONF_PY_V_LIST);
    gsize len = call->self->len;

    if (at == NULL)
        return NULL;
    if (at->len == 0)
        return conf_py_raise(py, call->pos, "ValueError", "an empty separator");
    for (;; max--) {
        const char *found = max == 0 ? NULL : find_last(call->self, len, at);
        gsize start = found != NULL ? (gsize)(found - call->self->str) + at->len : 0;
        ConfPyValue *piece = conf_py_str(py, call->pos, call->self->str + start, len - start);

        if (piece == NULL || !charge_search(py, call, at) ||
            !conf_py_append(py, list, piece, call->pos))
            return NULL;
        if (found == NULL)
            break;
        len = (gsize)(found - call->self->str);
    }
    for (unsigned i = 0; i < list->list.n / 2; i++) {
        ConfPyItem item = list->list.items[i];

        list->list.items[i] = list->list.items[list->list.n - 1 - i];
        list->list.items[list->list.n - 1 - i] = item;
    }
    return list;
}

static ConfPyValue *
str_splitlines(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_new(py, CONF_PY_V_LIST);
    const char *p = call->self->str, *end = p + call->self->len;

    while (p < end) {
        const char *stop = p;
        ConfPyValue *line;

        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        line = conf_py_str(py, call->pos, p, (gsize)(stop - p));
        if (line == NULL || !conf_py_append(py, list, line, call->pos))
            return NULL;
        p = stop + (stop < end) + (stop + 1 < end && stop[0] == '\r' && stop[1] == '\n');
    }
    return list;
}

/* ---- from bytes to characters and back: strings here are bytes, and UTF-8 at the end ---- */

static ConfPyValue *
str_recode(ConfPy *py, const ConfPyCall *call)
{
    static const char *const same[] = {
        "utf-8", "utf8", "UTF-8", "UTF8", "ascii", "us-ascii", NULL
    };
    const ConfPyValue *name = call->n_args > 0 ? conf_py_str_arg(py, call, 0) : NULL;

    if (call->n_args > 0 && name == NULL)
        return NULL;
    if (name != NULL && !g_strv_contains(same, name->str))
        return conf_py_opaque(py, call->pos, "the encoding %.40s", name->str);
    return call->self;
}

/* ---- string.join(list[, separator]) ---- */

static ConfPyValue *
string_join(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *blank = conf_py_static(py, CONF_PY_V_STR, " ");
    ConfPyValue *separator = call->n_args > 1 ? call->args[1].value : blank;
    ConfPyValue *join = separator->type == CONF_PY_V_STR
                            ? conf_py_attribute(py, call->pos, separator, "join")
                            : conf_py_raise(py, call->pos, "TypeError",
                                            "the separator has to be a string");
    ConfPyCall inner = { .pos = call->pos, .args = call->args, .n_args = 1 };

    return join != NULL ? conf_py_call(py, join, &inner) : NULL;
}

static ConfPyValue *
string_to_number(ConfPy *py, const ConfPyCall *call, const char *type)
{
    ConfPyValue *convert = conf_py_lookup(py, call->pos, type);

    return convert != NULL ? conf_py_call(py, convert, call) : NULL;
}

static ConfPyValue *
string_atoi(ConfPy *py, const ConfPyCall *call)
{
    return string_to_number(py, call, "int");
}

static ConfPyValue *
string_atof(ConfPy *py, const ConfPyCall *call)
{
    return string_to_number(py, call, "float");
}

const ConfPyBuiltin conf_py_text_methods[] = {
    { "str", "center", 1, 2, 0, str_center },
    { "str", "decode", 0, 2, 0, str_recode },
    { "str", "encode", 0, 2, 0, str_recode },
    { "str", "isalnum", 0, 0, 0, str_isalnum },
    { "str", "isalpha", 0, 0, 0, str_isalpha },
    { "str", "isdigit", 0, 0, 0, str_isdigit },
    { "str", "islower", 0, 0, 0, str_islower },
    { "str", "isspace", 0, 0, 0, str_isspace },
    { "str", "isupper", 0, 0, 0, str_isupper },
    { "str", "ljust", 1, 2, 0, str_ljust },
    { "str", "partition", 1, 1, 0, str_partition },
    { "str", "rfind", 1, 1, 0, str_rfind },
    { "str", "rjust", 1, 2, 0, str_rjust },
    { "str", "rpartition", 1, 1, 0, str_rpartition },
    { "str", "rsplit", 1, 2, 0, str_rsplit },
    { "str", "splitlines", 0, 0, 0, str_splitlines },
    { "str", "swapcase", 0, 0, 0, str_swapcase },
    { "str", "title", 0, 0, 0, str_title },
    { "string", "atof", 1, 1, 0, string_atof },
    { "string", "atoi", 1, 2, 0, string_atoi },
    { "string", "join", 1, 2, 0, string_join },
    { "string", "joinfields", 1, 2, 0, string_join },
    { NULL, NULL, 0, 0, 0, NULL },
};
