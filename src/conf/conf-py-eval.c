/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Computes the expressions of the tree that conf-py-parse.c made. An expression gives a value, or
 * NULL when the program failed (py->exception, py->fatal). A value that is not known (OPAQUE) makes
 * what is computed from it not known. Statements: conf-py-run.c.
 */
#include "conf-py-value.h"

#include <string.h>

/* One level deeper; who gets true calls conf_py_leave(). */
bool
conf_py_enter(ConfPy *py, const ConfPyNode *node)
{
    if (py->depth >= CONF_PY_MAX_DEPTH) {
        conf_py_stop(py, node->pos, CONF_ERROR_LIMIT,
                     "the program calls itself too often; here it was stopped");
        return false;
    }
    if (!conf_py_step(py, node->pos, 1))
        return false;
    py->depth++;
    return true;
}

void
conf_py_leave(ConfPy *py)
{
    py->depth--;
}

/* ---- names ---- */

static ConfPyVar *
find_local(ConfPy *py, ConfPyVar *vars, const char *name)
{
    unsigned hops = 0;
    ConfPyVar *var = vars;

    for (; var != NULL && !g_str_equal(var->name, name); var = var->next)
        hops++;
    py->steps = MIN(py->steps + hops / 16, CONF_PY_MAX_STEPS);
    return var;
}

ConfPyVar *
conf_py_find_var(ConfPy *py, const char *name)
{
    for (ConfPyEnv *env = py->env; env != NULL; env = env->outer) {
        ConfPyVar *var = NULL;

        if (find_local(py, env->global_names, name) != NULL)
            break;
        var = find_local(py, env->vars, name);
        if (var != NULL)
            return var;
    }
    return g_hash_table_lookup(py->globals, name);
}

/* The variable that an assignment to the name changes; made where there is none. */
ConfPyVar *
conf_py_target_var(ConfPy *py, const char *name)
{
    ConfPyEnv *env = py->env;
    ConfPyVar *var;

    if (env != NULL && find_local(py, env->global_names, name) != NULL)
        env = NULL;
    var = env != NULL ? find_local(py, env->vars, name) : g_hash_table_lookup(py->globals, name);
    if (var != NULL)
        return var;
    var = CONF_PY_NEW(&py->arena, ConfPyVar);
    var->name = name;
    if (env == NULL) {
        g_hash_table_insert(py->globals, (gpointer)name, var);
    } else {
        var->next = env->vars;
        env->vars = var;
    }
    return var;
}

void
conf_py_set_var(ConfPy *py, ConfPyVar *var, ConfPyValue *value, ConfPos pos, ConfPos value_pos)
{
    var->value = value;
    var->pos = pos;
    var->value_pos = value_pos;
    var->order = ++py->order;
    var->read_since = false;
    var->lazy = false;
}

void
conf_py_set_global(ConfPy *py, const char *name, ConfPyValue *value, ConfPos pos)
{
    ConfPyEnv *env = py->env;

    py->env = NULL;
    conf_py_set_var(py, conf_py_target_var(py, name), value, pos, pos);
    py->env = env;
}

/* A name that stands for something outside the scope: nobody need know, until it is used. */
void
conf_py_set_lazy(ConfPy *py, const char *name, ConfPos pos, const char *what)
{
    ConfPyVar *var = conf_py_target_var(py, name);
    ConfPyValue *value = conf_py_new(py, CONF_PY_V_OPAQUE);
    g_autofree char *why = g_strdup_printf("%.200s is not evaluated (line %u)", what, pos.line);

    value->len = strlen(why);
    value->str = conf_py_strndup(&py->arena, why, value->len);
    conf_py_set_var(py, var, value, pos, pos);
    var->lazy = true;
}

static ConfPyValue *
eval_name(ConfPy *py, const ConfPyNode *node)
{
    ConfPyVar *var = conf_py_find_var(py, node->text);
    ConfPyValue *value;
    const char *use;

    if (var != NULL && var->value != NULL) {
        var->read = var->read_since = true;
        if (var->lazy)
            conf_py_note(py, var->pos, "%s: what depends on it is not known", var->value->str);
        return var->value;
    }
    value = conf_py_lookup(py, node->pos, node->text);
    if (value != NULL)
        return value;
    if (g_hash_table_lookup_extended(py->wanted, node->text, NULL, (gpointer *)&use))
        return conf_py_stop(py, node->pos, CONF_ERROR_INVALID,
                            "this config needs a value for '%s': give it with --set %s=N",
                            node->text, node->text);
    if (py->foreign != NULL)
        return py->foreign;
    return conf_py_raise(py, node->pos, "NameError", "the name '%.100s' is not defined",
                         node->text);
}

/* ---- expressions ---- */

static ConfPyValue *
eval_items(ConfPy *py, const ConfPyNode *node, ConfPyType type)
{
    ConfPyValue *result = conf_py_new(py, type);

    for (unsigned i = 0; i < node->n_kids; i++) {
        ConfPyValue *item = conf_py_eval(py, node->kids[i]);

        if (item == NULL || !conf_py_append(py, result, item, node->kids[i]->pos))
            return NULL;
    }
    return result;
}

static ConfPyValue *
eval_dict(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *dict = conf_py_new(py, CONF_PY_V_DICT);

    for (unsigned i = 0; i + 1 < node->n_kids; i += 2) {
        ConfPyValue *key = conf_py_eval(py, node->kids[i]);
        ConfPyValue *value = key != NULL ? conf_py_eval(py, node->kids[i + 1]) : NULL;

        if (value == NULL || !conf_py_dict_set(py, node->kids[i]->pos, dict, key, value))
            return NULL;
    }
    return dict;
}

/* The clauses from `at` on. True and *ret_opaque where what it goes over is not known. */
static bool
run_clauses(ConfPy *py, const ConfPyNode *node, unsigned at, ConfPyValue *result,
            ConfPyValue **ret_opaque)
{
    const ConfPyNode *clause = at < node->n_kids ? node->kids[at] : NULL;
    ConfPyValue *value;

    if (clause == NULL) {
        value = conf_py_eval(py, node->kids[0]);
        if (value == NULL || node->op != 'd')
            return value != NULL && conf_py_append(py, result, value, node->kids[0]->pos);
        return conf_py_dict_set(py, node->kids[0]->pos, result, value->list.items[0].value,
                                value->list.items[1].value);
    }
    value = conf_py_eval(py, clause->kids[clause->n_kids - 1]);
    if (value == NULL || !conf_py_enter(py, clause))
        return false;

    bool ok = true;

    if (conf_py_is_opaque(value) || conf_py_rest(value) != NULL) {
        *ret_opaque = conf_py_is_opaque(value) ? value : conf_py_rest(value);
    } else if (clause->kind == CONF_PY_COMP_IF) {
        ok = !conf_py_truth(value) || run_clauses(py, node, at + 1, result, ret_opaque);
    } else {
        ConfPyValue *list = conf_py_iterate(py, clause->pos, value);

        ok = list != NULL;
        for (unsigned i = 0; ok && i < list->list.n && *ret_opaque == NULL; i++)
            ok = conf_py_assign(py, clause->kids[0], list->list.items[i].value, clause->pos) &&
                 run_clauses(py, node, at + 1, result, ret_opaque);
    }
    conf_py_leave(py);
    return ok;
}

static ConfPyValue *
eval_comprehension(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *result = conf_py_new(py, node->op == 'd' ? CONF_PY_V_DICT : CONF_PY_V_LIST);
    ConfPyValue *opaque = NULL;

    if (!run_clauses(py, node, 1, result, &opaque))
        return NULL;
    return opaque != NULL ? opaque : result;
}

/* a and b, a or b: the value that decides. */
static ConfPyValue *
eval_logic(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = NULL;

    for (unsigned i = 0; i < node->n_kids; i++) {
        value = conf_py_eval(py, node->kids[i]);
        if (value != NULL && conf_py_is_opaque(value)) {
            for (unsigned k = i + 1; k < node->n_kids; k++)
                conf_py_forget(py, node->kids[k], value);
        }
        if (value == NULL || conf_py_is_opaque(value) ||
            conf_py_truth(value) == (node->kind == CONF_PY_OR))
            break;
    }
    return value;
}

static ConfPyValue *
eval_compare(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *left = conf_py_eval(py, node->kids[0]);
    ConfPyValue *result = NULL;

    for (unsigned i = 1; i < node->n_kids; i++) {
        ConfPyValue *right = left != NULL ? conf_py_eval(py, node->kids[i]) : NULL;

        if (right == NULL)
            return NULL;
        result = conf_py_relate(py, node->kids[i]->pos, node->text[i - 1], left, right);
        if (result == NULL || conf_py_is_opaque(result) || !conf_py_truth(result))
            return result;
        left = right;
    }
    return result;
}

static ConfPyValue *
eval_binary(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = conf_py_eval(py, node->kids[0]);

    for (unsigned i = 1; i < node->n_kids && value != NULL; i++) {
        ConfPyValue *right = conf_py_eval(py, node->kids[i]);

        value = right != NULL
                    ? conf_py_binary(py, node->kids[i]->pos, node->text[i - 1], value, right)
                    : NULL;
    }
    return value;
}

static ConfPyValue *
eval_choice(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *condition = conf_py_eval(py, node->kids[0]);

    if (condition != NULL && conf_py_is_opaque(condition))
        conf_py_forget(py, node, condition);
    if (condition == NULL || conf_py_is_opaque(condition))
        return condition;
    return conf_py_eval(py, node->kids[conf_py_truth(condition) ? 1 : 2]);
}

static ConfPyValue *
eval_int(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = conf_py_int(py, node->number);

    value->str = node->text;
    return value;
}

static ConfPyValue *
eval_string(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = conf_py_new(py, CONF_PY_V_STR);

    value->str = node->text;
    value->len = node->len;
    return value;
}

/* A DEF or LAMBDA where it stands: its defaults are computed now. */
ConfPyValue *
conf_py_make_function(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *function = conf_py_new(py, CONF_PY_V_FUNC);

    function->node = node;
    function->env = py->env;
    for (unsigned i = 0; i + 1 < node->n_kids; i++) {
        const ConfPyNode *param = node->kids[i];
        ConfPyValue *value = param->n_kids > 0 ? conf_py_eval(py, param->kids[0]) : NULL;

        if ((value == NULL && param->n_kids > 0) ||
            !conf_py_append(py, function, value, param->pos))
            return NULL;
    }
    return function;
}

/* ---- calls ---- */

ConfPyValue *
conf_py_named_arg(const ConfPyCall *call, const char *name)
{
    for (unsigned i = 0; i < call->n_named; i++) {
        if (g_str_equal(call->names[i], name))
            return call->named[i].value;
    }
    return NULL;
}

/* The value of a plain parameter: given by place, by name, or by default. NULL: none. */
static ConfPyValue *
argument_for(const ConfPyValue *function, const ConfPyCall *call, unsigned i, const char *name)
{
    ConfPyValue *named = conf_py_named_arg(call, name);

    if (i < call->n_args)
        return call->args[i].value;
    return named != NULL ? named : function->list.items[i].value;
}

static bool
has_param(const ConfPyNode *node, const char *name)
{
    for (unsigned i = 0; i + 1 < node->n_kids; i++) {
        if (node->kids[i]->op == '\0' && g_str_equal(node->kids[i]->text, name))
            return true;
    }
    return false;
}

/* What *ARGS and **NAMED get: all that the plain parameters did not take. */
static ConfPyValue *
rest_for(ConfPy *py, const ConfPyNode *node, const ConfPyCall *call, unsigned n_plain, char op)
{
    ConfPyValue *rest = conf_py_new(py, op == '*' ? CONF_PY_V_TUPLE : CONF_PY_V_DICT);

    for (unsigned i = n_plain; op == '*' && i < call->n_args; i++) {
        if (!conf_py_append(py, rest, call->args[i].value, call->args[i].pos))
            return NULL;
    }
    for (unsigned i = 0; op != '*' && i < call->n_named; i++) {
        ConfPyValue *name = conf_py_static(py, CONF_PY_V_STR, call->names[i]);

        if (!has_param(node, call->names[i]) &&
            !conf_py_dict_set(py, call->pos, rest, name, call->named[i].value))
            return NULL;
    }
    return rest;
}

/* Too many arguments, or one of a name that no parameter has. */
static ConfPyValue *
check_arguments(ConfPy *py, const ConfPyNode *node, const ConfPyCall *call, unsigned n_plain)
{
    bool takes_all = false, takes_named = false;

    for (unsigned i = n_plain; i + 1 < node->n_kids; i++) {
        takes_all |= node->kids[i]->op == '*';
        takes_named |= node->kids[i]->op == 'P';
    }
    if (call->n_args > n_plain && !takes_all)
        return conf_py_raise(py, call->pos, "TypeError", "%.100s() takes %u arguments and not %u",
                             node->text, n_plain, call->n_args);
    for (unsigned i = 0; i < call->n_named && !takes_named; i++) {
        if (!has_param(node, call->names[i]))
            return conf_py_raise(py, call->pos, "TypeError", "%.100s() has no argument '%.100s'",
                                 node->text, call->names[i]);
    }
    return &conf_py_none;
}

static ConfPyValue *
bind_params(ConfPy *py, const ConfPyValue *function, const ConfPyCall *call, ConfPyEnv *env)
{
    const ConfPyNode *node = function->node;
    unsigned n_params = node->n_kids - 1, n_plain = 0;

    while (n_plain < n_params && node->kids[n_plain]->op == '\0')
        n_plain++;
    if (check_arguments(py, node, call, n_plain) == NULL)
        return NULL;
    for (unsigned i = 0; i < n_params; i++) {
        ConfPyVar *var = CONF_PY_NEW(&py->arena, ConfPyVar);

        var->name = node->kids[i]->text;
        var->value = i < n_plain ? argument_for(function, call, i, var->name)
                                 : rest_for(py, node, call, n_plain, node->kids[i]->op);
        if (var->value == NULL && i >= n_plain)
            return NULL;
        if (var->value == NULL)
            return conf_py_raise(py, call->pos, "TypeError", "%.100s() needs a value for '%.100s'",
                                 node->text, var->name);
        var->next = env->vars;
        env->vars = var;
    }
    return &conf_py_none;
}

static ConfPyValue *
call_function(ConfPy *py, const ConfPyValue *function, const ConfPyCall *call)
{
    const ConfPyNode *node = function->node;
    const ConfPyNode *body = node->kids[node->n_kids - 1];
    ConfPyEnv *caller = py->env;
    ConfPyEnv *env = CONF_PY_NEW(&py->arena, ConfPyEnv);
    ConfPyValue *result = NULL;

    env->outer = function->env;
    env->body = body;
    if (!conf_py_enter(py, node))
        return NULL;
    if (bind_params(py, function, call, env) != NULL) {
        py->env = env;
        if (node->kind == CONF_PY_LAMBDA) {
            result = conf_py_eval(py, body);
        } else {
            py->returned = &conf_py_none;
            result = !conf_py_run_body(py, body) ? NULL : py->returned;
            py->returned = &conf_py_none;
        }
        py->env = caller;
    }
    conf_py_leave(py);
    return result;
}

/* Most functions look at each byte of their strings once; who does more charges that itself. */
static bool
charge_strings(ConfPy *py, const ConfPyCall *call)
{
    gsize bytes = 0;

    if (call->self != NULL && call->self->type == CONF_PY_V_STR)
        bytes = call->self->len;
    for (unsigned i = 0; i < call->n_args; i++) {
        if (call->args[i].value->type == CONF_PY_V_STR)
            bytes += call->args[i].value->len;
    }
    return conf_py_step(py, call->pos, bytes / 64);
}

/* Something that goes into the call is not known: what comes out is not, and what it changes. */
static ConfPyValue *
unknown_among(ConfPy *py, const ConfPyBuiltin *row, const ConfPyCall *call)
{
    ConfPyValue *unknown = call->self != NULL ? conf_py_rest(call->self) : NULL;

    for (unsigned i = 0; i < call->n_args && unknown == NULL; i++) {
        unknown = conf_py_is_opaque(call->args[i].value) ? call->args[i].value
                                                         : conf_py_rest(call->args[i].value);
    }
    for (unsigned i = 0; i < call->n_named && unknown == NULL; i++) {
        if (conf_py_is_opaque(call->named[i].value))
            unknown = call->named[i].value;
    }
    if (unknown != NULL && row->flags & CONF_PY_CHANGES)
        conf_py_blur(call->self != NULL ? call->self : call->args[0].value, unknown);
    /* map(disk.append, unknown) */
    for (unsigned i = 0; i < call->n_args && unknown != NULL; i++)
        conf_py_forget_call(py, call->args[i].value, unknown);
    return unknown;
}

static ConfPyValue *
call_builtin(ConfPy *py, const ConfPyValue *function, const ConfPyCall *call)
{
    const ConfPyBuiltin *row = function->builtin;
    ConfPyCall with_self = *call;
    ConfPyValue *unknown;

    with_self.self = function->self;
    if (function->self == &conf_py_unbound) { /* string.lower(x), str.lower(x) */
        if (call->n_args == 0)
            return conf_py_raise(py, call->pos, "TypeError", "%s() needs a string", row->name);
        with_self.self = call->args[0].value;
        with_self.args++;
        with_self.n_args--;
        if (conf_py_is_opaque(with_self.self))
            return with_self.self;
        if (with_self.self->type != CONF_PY_V_STR)
            return conf_py_raise(py, call->pos, "TypeError", "%s() needs a string and not %s",
                                 row->name, conf_py_type_name(with_self.self));
    }
    unknown = row->flags & CONF_PY_TAKES_OPAQUE ? NULL : unknown_among(py, row, &with_self);
    if (unknown != NULL)
        return unknown;
    if (with_self.n_args < row->min)
        return conf_py_raise(py, call->pos, "TypeError", "%s() needs %u arguments and not %u",
                             row->name, row->min, with_self.n_args);
    if (with_self.n_args > row->max || (call->n_named > 0 && !(row->flags & CONF_PY_TAKES_NAMED))) {
        unknown = conf_py_opaque(py, call->pos, "%s() with these arguments", row->name);
        if (row->flags & CONF_PY_CHANGES && with_self.self != NULL)
            conf_py_blur(with_self.self, unknown);
        return unknown;
    }
    return charge_strings(py, &with_self) ? row->run(py, &with_self) : NULL;
}

/* Nobody knows what an unknown function does to the lists that it gets. */
static ConfPyValue *
call_unknown(ConfPy *py, ConfPyValue *function, const ConfPyCall *call)
{
    for (unsigned i = 0; i < call->n_args; i++) {
        ConfPyValue *value = call->args[i].value;

        if (value->type == CONF_PY_V_LIST && !conf_py_add_unknown(py, value, function, call->pos))
            return NULL;
        if (value->type == CONF_PY_V_DICT)
            conf_py_blur(value, function);
        conf_py_forget_call(py, value, function);
    }
    return function;
}

ConfPyValue *
conf_py_call(ConfPy *py, ConfPyValue *function, const ConfPyCall *call)
{
    ConfPyValue *exception;

    switch (function->type) {
    case CONF_PY_V_OPAQUE:
        return call_unknown(py, function, call);
    case CONF_PY_V_FUNC:
        return call_function(py, function, call);
    case CONF_PY_V_BUILTIN:
        return call_builtin(py, function, call);
    case CONF_PY_V_EXC_TYPE:
        exception = conf_py_static(py, CONF_PY_V_EXC, function->str);
        for (unsigned i = 0; i < call->n_args; i++) {
            if (!conf_py_append(py, exception, call->args[i].value, call->args[i].pos))
                return NULL;
        }
        return exception;
    case CONF_PY_V_NONE:
    case CONF_PY_V_BOOL:
    case CONF_PY_V_INT:
    case CONF_PY_V_FLOAT:
    case CONF_PY_V_STR:
    case CONF_PY_V_LIST:
    case CONF_PY_V_TUPLE:
    case CONF_PY_V_DICT:
    case CONF_PY_V_MODULE:
    case CONF_PY_V_MATCH:
    case CONF_PY_V_PATTERN:
    case CONF_PY_V_EXC:
    default:
        return conf_py_raise(py, call->pos, "TypeError", "%s cannot be called",
                             conf_py_type_name(function));
    }
}

/* The arguments of a call while they are computed: lists grow by *LIST and **DICT. */
typedef struct Arguments {
    ConfPyValue *plain, *names, *named;
} Arguments;

static bool
add_named(ConfPy *py, Arguments *a, const ConfPyNode *node, ConfPyValue *name, ConfPyValue *value)
{
    if (name->type != CONF_PY_V_STR)
        return conf_py_raise(py, node->pos, "TypeError", "the keys of '**' have to be strings") !=
               NULL;
    return conf_py_append(py, a->names, name, node->pos) &&
           conf_py_append(py, a->named, value, node->pos);
}

/* *LIST and **DICT. What is not known of them makes *ret_unknown. */
static bool
add_starred(ConfPy *py, Arguments *a, const ConfPyNode *node, ConfPyValue *value,
            ConfPyValue **ret_unknown)
{
    ConfPyValue *list = value;

    if (conf_py_is_opaque(value) || conf_py_rest(value) != NULL) {
        *ret_unknown = conf_py_is_opaque(value) ? value : conf_py_rest(value);
        return true;
    }
    if (node->op == 'P' && value->type != CONF_PY_V_DICT)
        return conf_py_raise(py, node->pos, "TypeError", "'**' needs a dict") != NULL;
    if (node->op == '*')
        list = conf_py_iterate(py, node->pos, value);
    if (list == NULL)
        return false;
    for (unsigned i = 0; i < list->list.n; i += node->op == 'P' ? 2 : 1) {
        const ConfPyItem *items = &list->list.items[i];

        if (!(node->op == 'P' ? add_named(py, a, node, items[0].value, items[1].value)
                              : conf_py_append(py, a->plain, items->value, items->pos)))
            return false;
    }
    return true;
}

static bool
add_argument(ConfPy *py, Arguments *a, const ConfPyNode *node, ConfPyValue **ret_unknown)
{
    bool wrapped = node->kind == CONF_PY_KEYWORD || node->kind == CONF_PY_STARRED;
    ConfPyValue *value = conf_py_eval(py, wrapped ? node->kids[0] : node);

    if (value == NULL)
        return false;
    if (node->kind == CONF_PY_STARRED)
        return add_starred(py, a, node, value, ret_unknown);
    if (node->kind == CONF_PY_KEYWORD)
        return add_named(py, a, node->kids[0], conf_py_static(py, CONF_PY_V_STR, node->text),
                         value);
    return conf_py_append(py, a->plain, value, node->pos);
}

/* Computes the arguments and calls. */
static ConfPyValue *
eval_call(ConfPy *py, const ConfPyNode *node, ConfPyValue *function)
{
    Arguments a = { conf_py_new(py, CONF_PY_V_LIST), conf_py_new(py, CONF_PY_V_LIST),
                    conf_py_new(py, CONF_PY_V_LIST) };
    ConfPyValue *unknown = NULL;
    ConfPyCall call = { .pos = node->pos };
    const char **names;

    for (unsigned i = 0; i < node->n_kids; i++) {
        if (!add_argument(py, &a, node->kids[i], &unknown))
            return NULL;
    }
    names = CONF_PY_NEW_ARRAY(&py->arena, const char *, MAX(a.names->list.n, 1));
    for (unsigned i = 0; i < a.names->list.n; i++)
        names[i] = a.names->list.items[i].value->str;
    call.args = a.plain->list.items;
    call.n_args = a.plain->list.n;
    call.names = names;
    call.named = a.named->list.items;
    call.n_named = a.named->list.n;
    return conf_py_call(py, unknown != NULL ? unknown : function, &call);
}

static ConfPyValue *
eval_slice(ConfPy *py, const ConfPyNode *node, ConfPyValue *value)
{
    ConfPyValue *parts[3] = { NULL, NULL, NULL };

    for (int i = 0; i < 3; i++) {
        if (node->kids[i] == NULL)
            continue;
        parts[i] = conf_py_eval(py, node->kids[i]);
        if (parts[i] == NULL)
            return NULL;
    }
    return conf_py_slice(py, node->pos, value, parts);
}

/* The first `n` kids: base and trailers. */
ConfPyValue *
conf_py_eval_trailers(ConfPy *py, const ConfPyNode *node, unsigned n)
{
    ConfPyValue *value = conf_py_eval(py, node->kids[0]);

    for (unsigned i = 1; i < n && value != NULL; i++) {
        const ConfPyNode *trailer = node->kids[i];

        if (!conf_py_step(py, trailer->pos, 1))
            return NULL;
        if (conf_py_is_opaque(value) && trailer->kind != CONF_PY_CALL)
            continue;
        if (trailer->kind == CONF_PY_CALL) {
            value = eval_call(py, trailer, value);
        } else if (trailer->kind == CONF_PY_ATTR) {
            value = conf_py_attribute(py, trailer->pos, value, trailer->text);
        } else if (trailer->kind == CONF_PY_SLICE) {
            value = eval_slice(py, trailer, value);
        } else {
            ConfPyValue *index = conf_py_eval(py, trailer->kids[0]);

            value = index != NULL ? conf_py_index(py, trailer->pos, value, index) : NULL;
        }
    }
    return value;
}

static ConfPyValue *
eval_kind(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value;

    switch ((ConfPyNodeKind)node->kind) {
    case CONF_PY_NAME:
        return eval_name(py, node);
    case CONF_PY_INT:
        return eval_int(py, node);
    case CONF_PY_FLOAT:
        return conf_py_float(py, node->real);
    case CONF_PY_STRING:
        return eval_string(py, node);
    case CONF_PY_LIST:
        return eval_items(py, node, CONF_PY_V_LIST);
    case CONF_PY_TUPLE:
        return eval_items(py, node, CONF_PY_V_TUPLE);
    case CONF_PY_DICT:
        return eval_dict(py, node);
    case CONF_PY_COMP:
        return eval_comprehension(py, node);
    case CONF_PY_LAMBDA:
        return node->op ? conf_py_opaque(py, node->pos, "a lambda of this form")
                        : conf_py_make_function(py, node);
    case CONF_PY_CHOICE:
        return eval_choice(py, node);
    case CONF_PY_OR:
    case CONF_PY_AND:
        return eval_logic(py, node);
    case CONF_PY_NOT:
        value = conf_py_eval(py, node->kids[0]);
        return value == NULL || conf_py_is_opaque(value) ? value
                                                         : conf_py_bool(!conf_py_truth(value));
    case CONF_PY_COMPARE:
        return eval_compare(py, node);
    case CONF_PY_BINARY:
        return eval_binary(py, node);
    case CONF_PY_UNARY:
        value = conf_py_eval(py, node->kids[0]);
        return value == NULL ? NULL : conf_py_unary(py, node->pos, node->op, value);
    case CONF_PY_TRAILERS:
        return conf_py_eval_trailers(py, node, node->n_kids);
    case CONF_PY_REPR:
        value = conf_py_eval(py, node->kids[0]);
        return value == NULL || conf_py_is_opaque(value) ? value
                                                         : conf_py_repr(py, node->pos, value);
    case CONF_PY_OUTSIDE:
        return conf_py_opaque(py, node->pos, "%s", node->text);
    /* Not expressions. */
    case CONF_PY_BLOCK:
    case CONF_PY_EXPR:
    case CONF_PY_ASSIGN:
    case CONF_PY_AUGMENT:
    case CONF_PY_IF:
    case CONF_PY_FOR:
    case CONF_PY_WHILE:
    case CONF_PY_DEF:
    case CONF_PY_RETURN:
    case CONF_PY_RAISE:
    case CONF_PY_TRY:
    case CONF_PY_HANDLER:
    case CONF_PY_IMPORT:
    case CONF_PY_ALIAS:
    case CONF_PY_GLOBAL:
    case CONF_PY_DEL:
    case CONF_PY_ASSERT:
    case CONF_PY_PASS:
    case CONF_PY_BREAK:
    case CONF_PY_CONTINUE:
    case CONF_PY_SKIPPED:
    case CONF_PY_COMP_FOR:
    case CONF_PY_COMP_IF:
    case CONF_PY_PARAM:
    case CONF_PY_CALL:
    case CONF_PY_KEYWORD:
    case CONF_PY_STARRED:
    case CONF_PY_INDEX:
    case CONF_PY_SLICE:
    case CONF_PY_ATTR:
    default:
        break;
    }
    g_assert_not_reached();
}

ConfPyValue *
conf_py_eval(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value;

    if (!conf_py_enter(py, node))
        return NULL;
    value = eval_kind(py, node);
    if (value != NULL && conf_py_is_opaque(value))
        py->outside++;
    conf_py_leave(py);
    return value;
}
