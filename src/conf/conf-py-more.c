/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builtin functions that look at names and types, and what is left over from conf-py-lib.c. */
#include "conf-py-value.h"

#include <math.h>
#include <string.h>

/* ---- the names of the program, as dicts ---- */

static gint
compare_vars(gconstpointer a, gconstpointer b)
{
    const ConfPyVar *x = *(ConfPyVar *const *)a, *y = *(ConfPyVar *const *)b;

    return x->order < y->order ? -1 : x->order > y->order;
}

static bool
add_name(ConfPy *py, ConfPos pos, ConfPyValue *dict, const ConfPyVar *var)
{
    if (var->value == NULL)
        return true;
    return conf_py_step(py, pos, 1) &&
           conf_py_append(py, dict, conf_py_static(py, CONF_PY_V_STR, var->name), pos) &&
           conf_py_append(py, dict, var->value, var->value_pos);
}

/* What is assigned to an item of it is assigned to the name, too; else it is as it was now. */
static ConfPyValue *
global_names(ConfPy *py, ConfPos pos)
{
    ConfPyValue *dict = conf_py_new(py, CONF_PY_V_DICT);
    g_autoptr(GPtrArray) vars = g_ptr_array_new();
    GHashTableIter iter;
    gpointer var;

    g_hash_table_iter_init(&iter, py->globals);
    while (g_hash_table_iter_next(&iter, NULL, &var))
        g_ptr_array_add(vars, var);
    g_ptr_array_sort(vars, compare_vars);
    for (guint i = 0; i < vars->len; i++) {
        if (!add_name(py, pos, dict, vars->pdata[i]))
            return NULL;
    }
    dict->many = true;
    return dict;
}

static ConfPyValue *
lib_globals(ConfPy *py, const ConfPyCall *call)
{
    return global_names(py, call->pos);
}

/* locals(), and vars() without an argument. */
static ConfPyValue *
lib_locals(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *dict;

    if (py->env == NULL)
        return global_names(py, call->pos);
    dict = conf_py_new(py, CONF_PY_V_DICT);
    for (const ConfPyVar *var = py->env->vars; var != NULL; var = var->next) {
        if (!add_name(py, call->pos, dict, var))
            return NULL;
    }
    return dict;
}

bool
conf_py_write_through(ConfPy *py, ConfPos pos, const ConfPyValue *dict, const ConfPyValue *key,
                      ConfPyValue *value)
{
    if (dict->many && key->type == CONF_PY_V_STR && key->len > 0)
        conf_py_set_global(py, conf_py_strndup(&py->arena, key->str, key->len), value, pos);
    return true;
}

static ConfPyValue *
lib_dir(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *dict = lib_locals(py, call), *names = conf_py_new(py, CONF_PY_V_LIST);

    for (unsigned i = 0; dict != NULL && i < dict->list.n; i += 2) {
        if (!conf_py_append(py, names, dict->list.items[i].value, call->pos))
            return NULL;
    }
    return dict != NULL ? names : NULL;
}

/* What another file sets, nobody here sees. */
static ConfPyValue *
lib_execfile(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;
    g_autofree char *valid = path->type == CONF_PY_V_STR
                                 ? g_utf8_make_valid(path->str, (gssize)MIN(path->len, 200))
                                 : g_strdup("...");

    py->foreign = conf_py_opaque(py, call->pos, "another file (%s), and what it sets or changes,",
                                 valid);
    return py->foreign;
}

/* ---- types ---- */

static const char *
constructor_of(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_EXC ? value->str : conf_py_type_name(value);
}

static ConfPyValue *
lib_type(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value;
    ConfPyValue *type = value->type == CONF_PY_V_NONE
                            ? NULL
                            : conf_py_lookup(py, call->pos, constructor_of(value));

    return type != NULL ? type
                        : conf_py_opaque(py, call->pos, "type() of %s", conf_py_type_name(value));
}

static bool
is_instance(const ConfPyValue *value, const ConfPyValue *type)
{
    const char *name = type->type == CONF_PY_V_BUILTIN ? type->builtin->name : "";

    if (type->type == CONF_PY_V_EXC_TYPE)
        return value->type == CONF_PY_V_EXC && conf_py_is_a(value->str, type->str);
    if (g_str_equal(name, "object"))
        return true;
    if (value->type == CONF_PY_V_STR)
        return g_str_equal(name, "str") || g_str_equal(name, "basestring");
    if (value->type == CONF_PY_V_BOOL && g_str_equal(name, "int"))
        return true;
    return g_str_equal(name, conf_py_type_name(value));
}

static ConfPyValue *
lib_isinstance(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *value = call->args[0].value, *types = call->args[1].value;
    bool is = types->type != CONF_PY_V_TUPLE && is_instance(value, types);

    for (unsigned i = 0; types->type == CONF_PY_V_TUPLE && i < types->list.n; i++)
        is |= is_instance(value, types->list.items[i].value);
    return conf_py_bool(is);
}

static ConfPyValue *
lib_callable(ConfPy *py, const ConfPyCall *call)
{
    ConfPyType type = call->args[0].value->type;

    return conf_py_bool(type == CONF_PY_V_FUNC || type == CONF_PY_V_BUILTIN ||
                        type == CONF_PY_V_EXC_TYPE);
}

/* basestring, object: types that are asked for and never called. */
static ConfPyValue *
lib_no_call(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_opaque(py, call->pos, "a call of this type");
}

static ConfPyValue *
lib_getattr(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *name = call->args[1].value;

    if (name->type != CONF_PY_V_STR)
        return conf_py_raise(py, call->pos, "TypeError", "getattr() needs a name");
    return conf_py_attribute(py, call->pos, call->args[0].value, name->str);
}

/* ---- numbers ---- */

static ConfPyValue *
lib_cmp(ConfPy *py, const ConfPyCall *call)
{
    int order = 0;

    if (!conf_py_compare(py, call->pos, call->args[0].value, call->args[1].value, &order))
        return NULL;
    return conf_py_int(py, order < 0 ? -1 : order > 0);
}

static ConfPyValue *
lib_divmod(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *a = call->args[0].value, *b = call->args[1].value;
    ConfPyValue *quotient = conf_py_binary(py, call->pos, 'F', a, b);
    ConfPyValue *rest = quotient != NULL ? conf_py_binary(py, call->pos, '%', a, b) : NULL;

    return rest != NULL ? conf_py_pair(py, call->pos, quotient, rest) : NULL;
}

static ConfPyValue *
lib_pow(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_binary(py, call->pos, 'P', call->args[0].value, call->args[1].value);
}

static ConfPyValue *
real_function(ConfPy *py, const ConfPyCall *call, double (*function)(double))
{
    if (!conf_py_is_number(call->args[0].value))
        return conf_py_raise(py, call->pos, "TypeError", "a number is needed here");
    return conf_py_float(py, function(conf_py_to_real(call->args[0].value)));
}

static ConfPyValue *
math_floor(ConfPy *py, const ConfPyCall *call)
{
    return real_function(py, call, floor);
}

static ConfPyValue *
math_ceil(ConfPy *py, const ConfPyCall *call)
{
    return real_function(py, call, ceil);
}

/* ---- calls ---- */

static ConfPyValue *
lib_reduce(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[1].value);
    ConfPyValue *total = call->n_args > 2 ? call->args[2].value : NULL;

    if (list == NULL)
        return NULL;
    for (unsigned i = 0; i < list->list.n; i++) {
        ConfPyItem args[] = { { total, call->pos }, list->list.items[i] };
        ConfPyCall inner = { .pos = call->pos, .args = args, .n_args = 2 };

        total = total == NULL ? args[1].value : conf_py_call(py, call->args[0].value, &inner);
        if (total == NULL)
            return NULL;
    }
    if (total == NULL)
        return conf_py_raise(py, call->pos, "TypeError", "there is nothing to reduce()");
    return total;
}

static ConfPyValue *
lib_apply(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[1].value);
    ConfPyCall inner = { .pos = call->pos };

    if (list == NULL)
        return NULL;
    inner.args = list->list.items;
    inner.n_args = list->list.n;
    return conf_py_call(py, call->args[0].value, &inner);
}

/* What asks for nothing and gives nothing: time.sleep(), sys.stdout.write(). */
static ConfPyValue *
lib_nothing(ConfPy *py, const ConfPyCall *call)
{
    return &conf_py_none;
}

const ConfPyBuiltin conf_py_more[] = {
    { "", "apply", 2, 2, 0, lib_apply },
    { "", "basestring", 0, 255, 0, lib_no_call },
    { "", "callable", 1, 1, 0, lib_callable },
    { "", "cmp", 2, 2, 0, lib_cmp },
    { "", "dir", 0, 0, 0, lib_dir },
    { "", "divmod", 2, 2, 0, lib_divmod },
    { "", "execfile", 1, 3, CONF_PY_TAKES_OPAQUE, lib_execfile },
    { "", "getattr", 2, 2, 0, lib_getattr },
    { "", "globals", 0, 0, 0, lib_globals },
    { "", "include", 1, 255, CONF_PY_TAKES_OPAQUE, lib_execfile },
    { "", "isinstance", 2, 2, 0, lib_isinstance },
    { "", "locals", 0, 0, 0, lib_locals },
    { "", "object", 0, 255, 0, lib_no_call },
    { "", "pow", 2, 2, 0, lib_pow },
    { "", "reduce", 2, 3, 0, lib_reduce },
    { "", "type", 1, 1, 0, lib_type },
    { "", "vars", 0, 0, 0, lib_locals },
    { "math", "ceil", 1, 1, 0, math_ceil },
    { "math", "floor", 1, 1, 0, math_floor },
    { "sys.stderr", "flush", 0, 0, CONF_PY_TAKES_OPAQUE, lib_nothing },
    { "sys.stderr", "write", 1, 1, CONF_PY_TAKES_OPAQUE, lib_nothing },
    { "sys.stdout", "flush", 0, 0, CONF_PY_TAKES_OPAQUE, lib_nothing },
    { "sys.stdout", "write", 1, 1, CONF_PY_TAKES_OPAQUE, lib_nothing },
    { "time", "sleep", 1, 1, CONF_PY_TAKES_OPAQUE, lib_nothing },
    { NULL, NULL, 0, 0, 0, NULL },
};
