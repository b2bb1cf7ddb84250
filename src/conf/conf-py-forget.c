/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a statement might have changed of which it is not known whether and how it runs: each name
 * that it assigns is not known from there on, each list that it adds to has an item that stands for
 * what it may have added, and a list or dict that it changes otherwise is not known, under
 * whatever name it goes.
 */
#include "conf-py-value.h"

#include <string.h>

#define MAX_CALLS 8 /* of functions inside each other that are looked into */

typedef struct Forget {
    ConfPy *py;
    ConfPyValue *why;
    const ConfPyNode *body; /* of the function that is looked into, or NULL */
    unsigned calls;
} Forget;

static void forget(Forget *f, const ConfPyNode *node);

/* ---- values ---- */

static bool
is_container(const ConfPyValue *value)
{
    return value != NULL && (value->type == CONF_PY_V_LIST || value->type == CONF_PY_V_DICT);
}

void
conf_py_blur(ConfPyValue *value, const ConfPyValue *why)
{
    if (!is_container(value))
        return;
    value->type = CONF_PY_V_OPAQUE;
    value->many = false;
    value->len = why->len;
    value->str = why->str;
}

bool
conf_py_add_unknown(ConfPy *py, ConfPyValue *list, const ConfPyValue *why, ConfPos pos)
{
    ConfPyValue *rest;

    if (list->many)
        return true;
    rest = conf_py_new(py, CONF_PY_V_OPAQUE);
    rest->many = true;
    rest->len = why->len;
    rest->str = why->str;
    return conf_py_append(py, list, rest, pos);
}

/* ---- names ---- */

static bool
declares_global(const ConfPyNode *node, const char *name)
{
    for (unsigned i = 0; i < node->n_kids; i++) {
        const ConfPyNode *kid = node->kids[i];

        if (kid == NULL || kid->kind == CONF_PY_DEF)
            continue;
        if (node->kind == CONF_PY_GLOBAL && kid->kind == CONF_PY_NAME &&
            g_str_equal(kid->text, name))
            return true;
        if (node->kind != CONF_PY_GLOBAL && declares_global(kid, name))
            return true;
    }
    return false;
}

static void
forget_name(Forget *f, const char *name, ConfPos pos)
{
    ConfPyEnv *env = f->py->env;
    ConfPyVar *var;

    /* Of a function that is called, only its global names outlive it. */
    if (f->body != NULL && !declares_global(f->body, name))
        return;
    if (f->body != NULL)
        f->py->env = NULL;
    var = conf_py_target_var(f->py, name);
    conf_py_set_var(f->py, var, f->why, var->value != NULL ? var->pos : pos, pos);
    f->py->env = env;
}

/* The value at the root of a[0].b(): NULL where that is no variable. */
static ConfPyValue *
root_value(const Forget *f, const ConfPyNode *node)
{
    const ConfPyNode *root = node->kind == CONF_PY_TRAILERS ? node->kids[0] : node;
    const ConfPyVar *var = root->kind == CONF_PY_NAME ? conf_py_find_var(f->py, root->text) : NULL;

    return var != NULL ? var->value : NULL;
}

static void
forget_target(Forget *f, const ConfPyNode *node)
{
    if (node->kind == CONF_PY_NAME)
        forget_name(f, node->text, node->pos);
    else if (node->kind == CONF_PY_TUPLE || node->kind == CONF_PY_LIST)
        for (unsigned i = 0; i < node->n_kids; i++)
            forget_target(f, node->kids[i]);
    else
        conf_py_blur(root_value(f, node), f->why);
}

static void
forget_augment(Forget *f, const ConfPyNode *node)
{
    ConfPyValue *value = root_value(f, node->kids[0]);

    if (node->kids[0]->kind == CONF_PY_NAME && node->op == '+' && value != NULL &&
        value->type == CONF_PY_V_LIST)
        conf_py_add_unknown(f->py, value, f->why, node->pos);
    else
        forget_target(f, node->kids[0]);
}

/* ---- calls ---- */

typedef enum MethodKind { METHOD_LOOKS, METHOD_ADDS, METHOD_CHANGES } MethodKind;

static MethodKind
method_kind(const char *name)
{
    static const char *const looks[] = { "index",      "count",     "get",   "has_key",
                                         "keys",       "values",    "items", "iterkeys",
                                         "itervalues", "iteritems", "copy",  NULL };
    static const char *const adds[] = { "append", "extend", NULL };

    if (g_strv_contains(looks, name))
        return METHOD_LOOKS;
    return g_strv_contains(adds, name) ? METHOD_ADDS : METHOD_CHANGES;
}

static void
change(Forget *f, ConfPyValue *value, MethodKind kind, ConfPos pos)
{
    if (kind == METHOD_ADDS && value->type == CONF_PY_V_LIST)
        conf_py_add_unknown(f->py, value, f->why, pos);
    else if (kind != METHOD_LOOKS)
        conf_py_blur(value, f->why);
}

/* disk.append(x) and the like. */
static void
forget_method(Forget *f, const ConfPyNode *node, ConfPyValue *value)
{
    const ConfPyNode *attr = node->kids[1];

    if (node->n_kids >= 3)
        change(f, value, attr->kind == CONF_PY_ATTR ? method_kind(attr->text) : METHOD_CHANGES,
               node->pos);
}

/* What the function does beside giving a value. */
static void
forget_inside(Forget *f, const ConfPyValue *function, ConfPos pos)
{
    Forget inner = { f->py, f->why, NULL, f->calls + 1 };

    if (function->type == CONF_PY_V_BUILTIN && is_container(function->self))
        change(f, function->self, method_kind(function->builtin->name), pos);
    if (function->type != CONF_PY_V_FUNC || f->calls >= MAX_CALLS)
        return;
    inner.body = function->node->kids[function->node->n_kids - 1];
    forget(&inner, inner.body);
}

/* A call of a function of the program, or of one that is not known. */
static void
forget_call(Forget *f, const ConfPyNode *call, const ConfPyValue *function)
{
    for (unsigned i = 0; i < call->n_kids; i++) {
        ConfPyValue *argument = root_value(f, call->kids[i]);

        if (is_container(argument))
            conf_py_blur(argument, f->why);
    }
    if (function != NULL)
        forget_inside(f, function, call->pos);
}

static void
forget_trailers(Forget *f, const ConfPyNode *node)
{
    ConfPyValue *value = root_value(f, node);
    bool named = node->kids[0]->kind == CONF_PY_NAME;
    ConfPyValue *known = named && value == NULL
                             ? conf_py_lookup(f->py, node->pos, node->kids[0]->text)
                             : value;

    if (is_container(value))
        forget_method(f, node, value);
    for (unsigned i = 1; named && i < node->n_kids && !is_container(value); i++) {
        /* What is built in looks at its arguments only, but for shuffle(). */
        if (node->kids[i]->kind == CONF_PY_CALL &&
            (known == NULL || known->type == CONF_PY_V_FUNC || conf_py_is_opaque(known) ||
             (known->type == CONF_PY_V_MODULE && node->kids[i - 1]->kind == CONF_PY_ATTR &&
              g_str_equal(node->kids[i - 1]->text, "shuffle"))))
            forget_call(f, node->kids[i], known);
    }
}

/* ---- statements and expressions ---- */

static void
forget_kids(Forget *f, const ConfPyNode *node)
{
    for (unsigned i = 0; i < node->n_kids; i++) {
        if (node->kids[i] != NULL)
            forget(f, node->kids[i]);
    }
}

/* As deep as the tree is, which the parser bounds. */
static void
forget(Forget *f, const ConfPyNode *node)
{
    if (!conf_py_step(f->py, node->pos, 1))
        return;
    switch (node->kind) {
    case CONF_PY_ASSIGN:
        for (unsigned i = 0; i + 1 < node->n_kids; i++)
            forget_target(f, node->kids[i]);
        forget(f, node->kids[node->n_kids - 1]);
        return;
    case CONF_PY_AUGMENT:
        forget_augment(f, node);
        forget(f, node->kids[1]);
        return;
    case CONF_PY_DEL:
        for (unsigned i = 0; i < node->n_kids; i++)
            forget_target(f, node->kids[i]);
        return;
    case CONF_PY_FOR:
    case CONF_PY_COMP_FOR: /* Python 2's comprehensions leave their names behind, too */
        forget_target(f, node->kids[0]);
        break;
    case CONF_PY_HANDLER:
        if (node->text != NULL)
            forget_name(f, node->text, node->pos);
        break;
    case CONF_PY_DEF:
        forget_name(f, node->text, node->pos);
        return;
    case CONF_PY_LAMBDA:
    case CONF_PY_GLOBAL:
        return;
    case CONF_PY_SKIPPED:
        for (unsigned i = 0; i < node->n_kids; i++) {
            if (node->kids[i]->kind == CONF_PY_NAME) /* of a class */
                forget_name(f, node->kids[i]->text, node->pos);
        }
        break;
    case CONF_PY_IMPORT:
        for (unsigned i = 0; i < node->n_kids && f->body == NULL; i++) {
            const ConfPyNode *alias = node->kids[i];

            conf_py_set_lazy(f->py, alias->n_kids > 0 ? alias->kids[0]->text : alias->text,
                             alias->pos, "an import");
        }
        return;
    case CONF_PY_TRAILERS:
        forget_trailers(f, node);
        break;
    default:
        break;
    }
    forget_kids(f, node);
}

void
conf_py_forget(ConfPy *py, const ConfPyNode *node, ConfPyValue *why)
{
    Forget f = { py, why, NULL, 0 };

    forget(&f, node);
}

void
conf_py_forget_target(ConfPy *py, const ConfPyNode *target, ConfPyValue *why)
{
    Forget f = { py, why, NULL, 0 };

    forget_target(&f, target);
}

void
conf_py_forget_call(ConfPy *py, const ConfPyValue *function, ConfPyValue *why)
{
    Forget f = { py, why, NULL, 0 };

    forget_inside(&f, function, (ConfPos){ 0, 0 });
}

void
conf_py_forget_body(ConfPy *py, ConfPyValue *why)
{
    Forget f = { py, why, py->env->body, 0 };

    forget(&f, py->env->body);
}

bool
conf_py_may_leave(const ConfPyNode *node, bool function)
{
    switch (node->kind) {
    case CONF_PY_RETURN:
    case CONF_PY_RAISE:
        return function;
    case CONF_PY_BREAK:
    case CONF_PY_CONTINUE:
        return !function;
    case CONF_PY_FOR:
    case CONF_PY_WHILE:
        if (!function)
            return false;
        break;
    case CONF_PY_BLOCK:
    case CONF_PY_IF:
    case CONF_PY_TRY:
    case CONF_PY_HANDLER:
    case CONF_PY_SKIPPED:
        break;
    default:
        return false;
    }
    for (unsigned i = 0; i < node->n_kids; i++) {
        if (conf_py_may_leave(node->kids[i], function))
            return true;
    }
    return false;
}
