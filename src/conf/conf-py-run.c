/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the statements of the tree that conf-py-parse.c made. One whose course depends on a value
 * that is not known is left out with a note, and each name that it might have changed is not known
 * from there on.
 */
#include "conf-py-value.h"

#include <string.h>

typedef enum Flow {
    FLOW_NEXT,
    FLOW_BREAK,
    FLOW_CONTINUE,
    FLOW_RETURN,
    FLOW_FAIL,
} Flow;

static Flow run(ConfPy *py, const ConfPyNode *node);

/* The statement's course depends on a value that is not known. */
static Flow
leave_out(ConfPy *py, const ConfPyNode *statement, ConfPos pos, ConfPyValue *why)
{
    conf_py_note(py, pos, "whether and how this is done is not known, and it is left out: %s",
                 why->str);
    py->outside++;
    conf_py_forget(py, statement, why);
    if (py->env != NULL && conf_py_may_leave(statement, true)) {
        conf_py_forget_body(py, why);
        py->returned = why;
        return FLOW_RETURN;
    }
    if (conf_py_may_leave(statement, false)) {
        py->unsure = why;
        return FLOW_BREAK;
    }
    return FLOW_NEXT;
}

/* ---- assignments ---- */

static bool
unpack(ConfPy *py, const ConfPyNode *target, ConfPyValue *value, ConfPos value_pos)
{
    ConfPyValue *list = conf_py_iterate(py, value_pos, value);

    if (list == NULL)
        return false;
    if (!conf_py_is_opaque(list) && list->list.n != target->n_kids) {
        conf_py_raise(py, value_pos, "ValueError", "%u values cannot be given to %u names",
                      list->list.n, target->n_kids);
        return false;
    }
    for (unsigned i = 0; i < target->n_kids; i++) {
        ConfPyItem item = { list, value_pos };

        if (!conf_py_is_opaque(list))
            item = list->list.items[i];
        if (!conf_py_assign(py, target->kids[i], item.value, item.pos))
            return false;
    }
    return true;
}

/* a[i] = value; an attribute or a slice as a target is outside. */
static bool
assign_item(ConfPy *py, const ConfPyNode *target, ConfPyValue *value)
{
    const ConfPyNode *last = target->kids[target->n_kids - 1];
    ConfPyValue *base, *index;

    if (last->kind != CONF_PY_INDEX) {
        conf_py_forget_target(
            py, target,
            conf_py_opaque(py, target->pos, "an assignment to %s",
                           last->kind == CONF_PY_ATTR ? "an attribute" : "a slice"));
        return true;
    }
    base = conf_py_eval_trailers(py, target, target->n_kids - 1);
    index = base != NULL ? conf_py_eval(py, last->kids[0]) : NULL;
    return index != NULL && conf_py_set_index(py, last->pos, base, index, value);
}

bool
conf_py_assign(ConfPy *py, const ConfPyNode *target, ConfPyValue *value, ConfPos value_pos)
{
    if (target->kind == CONF_PY_NAME) {
        conf_py_set_var(py, conf_py_target_var(py, target->text), value, target->pos, value_pos);
        return true;
    }
    if (target->kind == CONF_PY_TRAILERS)
        return assign_item(py, target, value);
    return unpack(py, target, value, value_pos);
}

/* A value that the config gives and nobody looks at before it gives another one. */
static void
note_override(ConfPy *py, const ConfPyNode *target)
{
    const ConfPyVar *var = py->env == NULL && target->kind == CONF_PY_NAME
                               ? conf_py_find_var(py, target->text)
                               : NULL;

    if (var == NULL || var->value == NULL || var->read_since || conf_py_is_opaque(var->value) ||
        var->value->type >= CONF_PY_V_FUNC || var->pos.line == target->pos.line)
        return;
    conf_py_remark(py, var->pos, "%.100s: line %u assigns it again, and that value holds",
                   var->name, target->pos.line);
}

static Flow
run_assign(ConfPy *py, const ConfPyNode *node)
{
    const ConfPyNode *source = node->kids[node->n_kids - 1];
    ConfPyValue *value = conf_py_eval(py, source);

    if (value == NULL)
        return FLOW_FAIL;
    for (unsigned i = 0; i + 1 < node->n_kids; i++) {
        note_override(py, node->kids[i]);
        if (!conf_py_assign(py, node->kids[i], value, source->pos))
            return FLOW_FAIL;
    }
    return FLOW_NEXT;
}

/* list += more changes the list itself; all else makes a new value. */
static ConfPyValue *
combine(ConfPy *py, const ConfPyNode *node, ConfPyValue *old, ConfPyValue *more)
{
    if (node->op != '+' || old->type != CONF_PY_V_LIST)
        return conf_py_binary(py, node->pos, node->op, old, more);
    return conf_py_extend(py, node->kids[1]->pos, old, more) ? old : NULL;
}

static Flow
run_augment(ConfPy *py, const ConfPyNode *node)
{
    const ConfPyNode *target = node->kids[0];
    ConfPyVar *var = target->kind == CONF_PY_NAME ? conf_py_find_var(py, target->text) : NULL;
    bool read = var != NULL && var->read;
    ConfPyValue *old = conf_py_eval(py, target);
    ConfPyValue *more = old != NULL ? conf_py_eval(py, node->kids[1]) : NULL;
    ConfPyValue *value = more != NULL ? combine(py, node, old, more) : NULL;

    if (value == NULL || !conf_py_assign(py, target, value, node->kids[1]->pos))
        return FLOW_FAIL;
    /* To add to a value is not to use it for something else. */
    if (var != NULL)
        var->read = read;
    return FLOW_NEXT;
}

/* ---- branches and loops ---- */

static Flow
run_if(ConfPy *py, const ConfPyNode *node)
{
    unsigned i = 0;

    for (; i + 1 < node->n_kids; i += 2) {
        ConfPyValue *condition = conf_py_eval(py, node->kids[i]);

        if (condition == NULL)
            return FLOW_FAIL;
        if (conf_py_is_opaque(condition))
            return leave_out(py, node, node->kids[i]->pos, condition);
        if (conf_py_truth(condition))
            return run(py, node->kids[i + 1]);
    }
    return i < node->n_kids ? run(py, node->kids[i]) : FLOW_NEXT;
}

/* What the body's end means to the loop: true when the loop goes on. */
static bool
goes_on(ConfPy *py, const ConfPyNode *loop, Flow *flow)
{
    if (*flow == FLOW_NEXT || *flow == FLOW_CONTINUE)
        return true;
    if (*flow == FLOW_BREAK && py->unsure != NULL) {
        conf_py_forget(py, loop, py->unsure);
        py->unsure = NULL;
    }
    return false;
}

/* The end of a loop: its else runs when no break ended it. */
static Flow
end_loop(ConfPy *py, const ConfPyNode *loop, Flow flow, bool ended)
{
    if (!ended)
        return flow == FLOW_BREAK ? FLOW_NEXT : flow;
    return loop->n_kids > (loop->kind == CONF_PY_FOR ? 3u : 2u)
               ? run(py, loop->kids[loop->n_kids - 1])
               : FLOW_NEXT;
}

static Flow
run_for(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *over = conf_py_eval(py, node->kids[1]);
    ConfPyValue *list = over != NULL ? conf_py_iterate(py, node->kids[1]->pos, over) : NULL;
    Flow flow = FLOW_NEXT;
    bool on = true;

    if (list == NULL)
        return FLOW_FAIL;
    if (conf_py_is_opaque(list))
        return leave_out(py, node, node->kids[1]->pos, list);
    for (unsigned i = 0; on && i < list->list.n; i++) {
        ConfPyItem item = list->list.items[i];

        if (conf_py_is_opaque(item.value) && list->list.n == 1)
            return leave_out(py, node, node->kids[1]->pos, item.value);
        if (!conf_py_assign(py, node->kids[0], item.value, item.pos))
            return FLOW_FAIL;
        flow = run(py, node->kids[2]);
        on = goes_on(py, node, &flow);
    }
    return end_loop(py, node, flow, on);
}

static Flow
run_while(ConfPy *py, const ConfPyNode *node)
{
    for (;;) {
        ConfPyValue *condition = conf_py_eval(py, node->kids[0]);
        Flow flow;

        if (condition == NULL)
            return FLOW_FAIL;
        if (conf_py_is_opaque(condition))
            return leave_out(py, node, node->kids[0]->pos, condition);
        if (!conf_py_truth(condition))
            return end_loop(py, node, FLOW_NEXT, true);
        flow = run(py, node->kids[1]);
        if (!goes_on(py, node, &flow))
            return end_loop(py, node, flow, false);
    }
}

/* ---- exceptions ---- */

static const char *
exception_name(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_EXC || value->type == CONF_PY_V_EXC_TYPE ? value->str
                                                                             : "Exception";
}

static Flow
run_raise(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = node->n_kids > 0 ? conf_py_eval(py, node->kids[0]) : py->handled;
    ConfPyValue *more, *exception;

    if (node->n_kids == 0 && value == NULL) {
        conf_py_raise(py, node->pos, "RuntimeError", "there is no exception to be raised again");
        return FLOW_FAIL;
    }
    if (value == NULL)
        return FLOW_FAIL;
    exception = value;
    if (value->type != CONF_PY_V_EXC) {
        exception = conf_py_static(py, CONF_PY_V_EXC, exception_name(value));
        /* Python 2.4: raise "text" */
        if (value->type == CONF_PY_V_STR && !conf_py_append(py, exception, value, node->pos))
            return FLOW_FAIL;
    }
    if (node->n_kids > 1) {
        more = conf_py_eval(py, node->kids[1]);
        if (more == NULL || !conf_py_append(py, exception, more, node->pos))
            return FLOW_FAIL;
    }
    py->exception = exception;
    py->exception_pos = node->pos;
    py->raised = true;
    return FLOW_FAIL;
}

static Flow
run_assert(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = conf_py_eval(py, node->kids[0]);

    if (value == NULL)
        return FLOW_FAIL;
    if (conf_py_is_opaque(value) || conf_py_truth(value))
        return FLOW_NEXT;
    conf_py_raise(py, node->pos, "AssertionError", "the config's own assertion does not hold");
    return FLOW_FAIL;
}

/* Does "except TYPE" take the exception? A type that is not known takes none. */
static bool
takes(const ConfPyValue *type, const ConfPyValue *exception)
{
    if (type->type == CONF_PY_V_EXC_TYPE)
        return conf_py_is_a(exception->str, type->str);
    if (type->type != CONF_PY_V_TUPLE)
        return false;
    for (unsigned i = 0; i < type->list.n; i++) {
        const ConfPyValue *one = type->list.items[i].value;

        if (one->type == CONF_PY_V_EXC_TYPE && conf_py_is_a(exception->str, one->str))
            return true;
    }
    return false;
}

/* The exception goes to the first handler that takes it, or on. */
static Flow
handle(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *exception = py->exception, *outer = py->handled;

    for (unsigned i = 1; i < node->n_kids && node->kids[i]->kind == CONF_PY_HANDLER; i++) {
        const ConfPyNode *handler = node->kids[i];
        bool mine = handler->n_kids == 1;
        Flow flow;

        py->exception = NULL;
        if (!mine) {
            ConfPyValue *type = conf_py_eval(py, handler->kids[0]);

            if (type == NULL)
                return FLOW_FAIL;
            mine = takes(type, exception);
        }
        if (!mine)
            continue;
        if (handler->text != NULL)
            conf_py_set_var(py, conf_py_target_var(py, handler->text), exception, handler->pos,
                            handler->pos);
        py->handled = exception;
        py->raised = false;
        flow = run(py, handler->kids[handler->n_kids - 1]);
        py->handled = outer;
        return flow;
    }
    py->exception = exception;
    return FLOW_FAIL;
}

/* Something in the try block is not known, and so is whether it raised an exception: what the block
 * did may be undone by what a handler did, or not have happened. */
static Flow
doubt(ConfPy *py, const ConfPyNode *node, Flow flow)
{
    ConfPyValue *why = conf_py_unknown(py, node->pos, "whether this raises an exception");

    conf_py_forget(py, node, why);
    if (flow == FLOW_RETURN || (py->env != NULL && conf_py_may_leave(node, true))) {
        conf_py_forget_body(py, why);
        py->returned = why;
        return FLOW_RETURN;
    }
    if (flow == FLOW_BREAK || flow == FLOW_CONTINUE || conf_py_may_leave(node, false)) {
        py->unsure = why;
        return FLOW_BREAK;
    }
    return flow;
}

static Flow
run_try(ConfPy *py, const ConfPyNode *node)
{
    const ConfPyNode *last = node->op & 2 ? node->kids[node->n_kids - 1] : NULL;
    const ConfPyNode *other = node->op & 1 ? node->kids[node->n_kids - (node->op & 2 ? 2 : 1)]
                                           : NULL;
    unsigned outside = py->outside;
    Flow flow = run(py, node->kids[0]);
    ConfPyValue *exception, *returned;
    bool unsure = py->outside != outside && node->n_kids > 1 &&
                  node->kids[1]->kind == CONF_PY_HANDLER;

    if (flow == FLOW_FAIL && py->fatal == NULL)
        flow = handle(py, node);
    else if (flow == FLOW_NEXT && other != NULL)
        flow = run(py, other);
    if (unsure && flow != FLOW_FAIL)
        flow = doubt(py, node, flow);
    if (last == NULL || py->fatal != NULL)
        return flow;

    /* finally: runs in any case, and what was under way goes on behind it. */
    Flow after;

    exception = py->exception;
    returned = py->returned;
    py->exception = NULL;
    after = run(py, last);
    if (after != FLOW_NEXT)
        return after;
    py->exception = exception;
    py->returned = returned;
    return flow;
}

/* ---- the rest ---- */

static void
import_one(ConfPy *py, const ConfPyNode *node, const ConfPyNode *alias)
{
    const char *name = alias->n_kids > 0 ? alias->kids[0]->text : alias->text;
    g_autofree char *top = g_strndup(name, strcspn(name, "."));
    ConfPyValue *module = conf_py_module(py, node->text != NULL ? node->text : alias->text);
    g_autofree char *what = NULL;

    if (g_str_equal(name, "*")) {
        if (module == NULL)
            py->foreign = conf_py_opaque(py, alias->pos, "the module %.100s", node->text);
        else
            conf_py_import_all(py, module, alias->pos);
        return;
    }
    if (module != NULL && node->text != NULL)
        module = conf_py_attribute(py, alias->pos, module, alias->text);
    /* "import os.path" makes the name os. */
    if (module != NULL && node->text == NULL && alias->n_kids == 0)
        module = conf_py_module(py, top);
    name = conf_py_strndup(&py->arena, node->text == NULL && alias->n_kids == 0 ? top : name,
                           strlen(node->text == NULL && alias->n_kids == 0 ? top : name));
    if (module != NULL) {
        conf_py_set_var(py, conf_py_target_var(py, name), module, alias->pos, alias->pos);
        return;
    }
    what = g_strdup_printf("the module %.100s", node->text != NULL ? node->text : alias->text);
    conf_py_set_lazy(py, name, alias->pos, what);
}

static Flow
run_import(ConfPy *py, const ConfPyNode *node)
{
    for (unsigned i = 0; i < node->n_kids; i++)
        import_one(py, node, node->kids[i]);
    return FLOW_NEXT;
}

static Flow
run_def(ConfPy *py, const ConfPyNode *node)
{
    g_autofree char *what = NULL;
    ConfPyValue *function;

    if (node->op != '\0') {
        what = g_strdup_printf("the function %.100s", node->text);
        conf_py_set_lazy(py, node->text, node->pos, what);
        return FLOW_NEXT;
    }
    function = conf_py_make_function(py, node);
    if (function == NULL)
        return FLOW_FAIL;
    conf_py_set_var(py, conf_py_target_var(py, node->text), function, node->pos, node->pos);
    return FLOW_NEXT;
}

static Flow
run_global(ConfPy *py, const ConfPyNode *node)
{
    for (unsigned i = 0; py->env != NULL && i < node->n_kids; i++) {
        ConfPyVar *var = CONF_PY_NEW(&py->arena, ConfPyVar);

        if (node->kids[i]->kind != CONF_PY_NAME)
            continue;
        var->name = node->kids[i]->text;
        var->next = py->env->global_names;
        py->env->global_names = var;
    }
    return FLOW_NEXT;
}

static bool
delete_item(ConfPy *py, const ConfPyNode *target)
{
    const ConfPyNode *last = target->kind == CONF_PY_TRAILERS ? target->kids[target->n_kids - 1]
                                                              : NULL;
    ConfPyValue *base, *index;

    if (last == NULL || last->kind != CONF_PY_INDEX) {
        conf_py_forget_target(py, target, conf_py_opaque(py, target->pos, "this del"));
        return true;
    }
    base = conf_py_eval_trailers(py, target, target->n_kids - 1);
    index = base != NULL ? conf_py_eval(py, last->kids[0]) : NULL;
    return index != NULL && conf_py_del_index(py, last->pos, base, index);
}

/* class, with, exec, a decorator. An exec may set any name. */
static Flow
run_skipped(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *why = conf_py_opaque(py, node->pos, "%s", node->text);

    py->outside++;
    if (g_str_equal(node->text, "exec"))
        py->foreign = why;
    conf_py_forget(py, node, why);
    return FLOW_NEXT;
}

static Flow
run_del(ConfPy *py, const ConfPyNode *node)
{
    for (unsigned i = 0; i < node->n_kids; i++) {
        const ConfPyNode *target = node->kids[i];
        ConfPyVar *var;

        if (target->kind != CONF_PY_NAME) {
            if (!delete_item(py, target))
                return FLOW_FAIL;
            continue;
        }
        var = conf_py_find_var(py, target->text);
        if (var == NULL || var->value == NULL) {
            conf_py_raise(py, target->pos, "NameError", "the name '%.100s' is not defined",
                          target->text);
            return FLOW_FAIL;
        }
        var->value = NULL;
    }
    return FLOW_NEXT;
}

static Flow
run_return(ConfPy *py, const ConfPyNode *node)
{
    ConfPyValue *value = node->n_kids > 0 ? conf_py_eval(py, node->kids[0]) : &conf_py_none;

    if (py->env == NULL && value != NULL)
        conf_py_raise(py, node->pos, "SyntaxError", "'return' outside of a function");
    if (py->env == NULL || value == NULL)
        return FLOW_FAIL;
    py->returned = value;
    return FLOW_RETURN;
}

static Flow
run_block(ConfPy *py, const ConfPyNode *node)
{
    Flow flow = FLOW_NEXT;

    for (unsigned i = 0; i < node->n_kids && flow == FLOW_NEXT; i++)
        flow = run(py, node->kids[i]);
    return flow;
}

static Flow
run_kind(ConfPy *py, const ConfPyNode *node)
{
    switch (node->kind) {
    case CONF_PY_BLOCK:
        return run_block(py, node);
    case CONF_PY_EXPR:
        return conf_py_eval(py, node->kids[0]) != NULL ? FLOW_NEXT : FLOW_FAIL;
    case CONF_PY_ASSIGN:
        return run_assign(py, node);
    case CONF_PY_AUGMENT:
        return run_augment(py, node);
    case CONF_PY_IF:
        return run_if(py, node);
    case CONF_PY_FOR:
        return run_for(py, node);
    case CONF_PY_WHILE:
        return run_while(py, node);
    case CONF_PY_DEF:
        return run_def(py, node);
    case CONF_PY_RETURN:
        return run_return(py, node);
    case CONF_PY_RAISE:
        return run_raise(py, node);
    case CONF_PY_TRY:
        return run_try(py, node);
    case CONF_PY_IMPORT:
        return run_import(py, node);
    case CONF_PY_GLOBAL:
        return run_global(py, node);
    case CONF_PY_DEL:
        return run_del(py, node);
    case CONF_PY_ASSERT:
        return run_assert(py, node);
    case CONF_PY_BREAK:
        return FLOW_BREAK;
    case CONF_PY_CONTINUE:
        return FLOW_CONTINUE;
    case CONF_PY_SKIPPED:
        return run_skipped(py, node);
    case CONF_PY_PASS:
    default:
        return FLOW_NEXT;
    }
}

static Flow
run(ConfPy *py, const ConfPyNode *node)
{
    Flow flow;

    if (!conf_py_enter(py, node))
        return FLOW_FAIL;
    flow = run_kind(py, node);
    conf_py_leave(py);
    return flow;
}

bool
conf_py_run_body(ConfPy *py, const ConfPyNode *block)
{
    return run(py, block) != FLOW_FAIL;
}

/* ---- the program ---- */

static void
report_exception(ConfPy *py, GError **error)
{
    const char *name = py->exception->str;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *valid = NULL;

    conf_py_print(py, py->exception_pos, text, py->exception, false);
    g_string_truncate(text, MIN(text->len, 500));
    valid = g_utf8_make_valid(text->str, (gssize)text->len);
    if (py->raised)
        conf_error_at(error, CONF_ERROR_INVALID, py->native->file, py->exception_pos,
                      "the config itself raises %s here%s%s", name, *valid != '\0' ? ": " : "",
                      valid);
    else
        conf_error_at(error, CONF_ERROR_INVALID, py->native->file, py->exception_pos, "%s: %s",
                      name, valid);
}

gboolean
conf_py_run(ConfPy *py, const ConfPyNode *program, GError **error)
{
    Flow flow = run(py, program);

    if (flow != FLOW_FAIL)
        return TRUE;
    if (py->fatal == NULL) {
        report_exception(py, error);
        return FALSE;
    }
    g_propagate_error(error, g_steal_pointer(&py->fatal));
    return FALSE;
}
