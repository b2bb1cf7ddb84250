/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reader of xm syntax: the config is a Python 2 program, and what it leaves in its global names is
 * the domain. conf-py.h tells what of Python is understood.
 */
#include "conf-private.h"
#include "conf-py-value.h"

#include <string.h>

#define MAX_TREE_DEPTH 64 /* of lists in lists */

typedef struct Builder {
    ConfPy *py;
    unsigned n_nodes;
    gsize n_text; /* bytes of all values */
} Builder;

/* ---- values to nodes ---- */

static void
make_opaque(ConfNode *node, const char *why)
{
    node->kind = CONF_NODE_OPAQUE;
    node->text = g_strdup(why);
}

static void
set_int(ConfNode *node, const ConfPyValue *value)
{
    gint64 written;

    node->kind = CONF_NODE_INT;
    node->number = value->i;
    node->real = (double)value->i;
    /* "0x400" stays as it was written, where that is what it says. */
    if (value->type == CONF_PY_V_INT && value->str != NULL &&
        conf_text_to_int(value->str, &written) && written == value->i)
        node->text = g_strdup(value->str);
    else
        node->text = g_strdup_printf("%" G_GINT64_FORMAT, value->i);
}

static bool
set_string(Builder *b, ConfNode *node, const ConfPyValue *value)
{
    bool converted = false;

    /* One value may be in many places, too. */
    b->n_text += value->len;
    if (b->n_text > CONF_MAX_TEXT) {
        conf_py_stop(b->py, (ConfPos){ node->line, node->column }, CONF_ERROR_LIMIT,
                     "the values have more than %u bytes altogether", CONF_MAX_TEXT);
        return false;
    }
    if (value->len > 0 && memchr(value->str, '\0', value->len) != NULL) {
        make_opaque(node, "a string with a NUL byte in it");
        return true;
    }
    node->kind = CONF_NODE_STRING;
    node->text = conf_text_to_utf8(value->str, value->len, &converted);
    if (converted)
        conf_py_note(b->py, (ConfPos){ node->value_line, node->value_column },
                     "this string is not UTF-8 and was read as ISO-8859-1");
    return true;
}

static bool set_value(Builder *b, ConfNode *node, const ConfPyValue *value, unsigned depth);

static bool
set_list(Builder *b, ConfNode *node, const ConfPyValue *value, unsigned depth)
{
    node->kind = CONF_NODE_LIST;
    node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    for (unsigned i = 0; i < value->list.n; i++) {
        const ConfPyItem *item = &value->list.items[i];
        ConfNode *child = conf_node_new(CONF_NODE_NONE, NULL, item->pos.line, item->pos.column);

        g_ptr_array_add(node->items, child);
        if (!set_value(b, child, item->value, depth + 1))
            return false;
    }
    return true;
}

static bool
set_value(Builder *b, ConfNode *node, const ConfPyValue *value, unsigned depth)
{
    g_autoptr(GString) text = NULL;

    /* A list may be in many places at once, and even in itself. */
    if (++b->n_nodes > CONF_MAX_NODES) {
        conf_py_stop(b->py, (ConfPos){ node->line, node->column }, CONF_ERROR_LIMIT,
                     "more than %u values in one config", CONF_MAX_NODES);
        return false;
    }
    switch (value->type) {
    case CONF_PY_V_NONE:
        node->kind = CONF_NODE_NONE;
        return true;
    case CONF_PY_V_BOOL:
    case CONF_PY_V_INT:
        set_int(node, value);
        return true;
    case CONF_PY_V_FLOAT:
        text = g_string_new(NULL);
        node->kind = CONF_NODE_FLOAT;
        node->real = value->f;
        if (!conf_py_print(b->py, (ConfPos){ node->line, node->column }, text, value, true))
            return false;
        node->text = g_strdup(text->str);
        return true;
    case CONF_PY_V_STR:
        return set_string(b, node, value);
    case CONF_PY_V_LIST:
        if (depth < MAX_TREE_DEPTH)
            return set_list(b, node, value, depth);
        make_opaque(node, "a list too deep inside other lists");
        return true;
    case CONF_PY_V_OPAQUE:
        make_opaque(node, value->str);
        return true;
    case CONF_PY_V_TUPLE:
        make_opaque(node, "xm takes no tuple for a value; a list has square brackets");
        return true;
    case CONF_PY_V_DICT:
    case CONF_PY_V_FUNC:
    case CONF_PY_V_BUILTIN:
    case CONF_PY_V_MODULE:
    case CONF_PY_V_MATCH:
    case CONF_PY_V_PATTERN:
    case CONF_PY_V_EXC_TYPE:
    case CONF_PY_V_EXC:
    default:
        make_opaque(node, "a value that no option of xm can have");
        return true;
    }
}

/* ---- globals to keys ---- */

static gint
compare_vars(gconstpointer a, gconstpointer b)
{
    const ConfPyVar *x = *(ConfPyVar *const *)a, *y = *(ConfPyVar *const *)b;

    return x->order < y->order ? -1 : x->order > y->order;
}

/* Modules and functions are the program's own tools, never a setting. */
static bool
is_setting(const ConfPyVar *var)
{
    return var->value != NULL && !var->lazy &&
           (var->value->type < CONF_PY_V_FUNC || var->value->type == CONF_PY_V_OPAQUE);
}

static bool
add_globals(Builder *b)
{
    g_autoptr(GPtrArray) vars = g_ptr_array_new();
    GHashTableIter iter;
    gpointer var;

    g_hash_table_iter_init(&iter, b->py->globals);
    while (g_hash_table_iter_next(&iter, NULL, &var))
        g_ptr_array_add(vars, var);
    g_ptr_array_sort(vars, compare_vars);
    for (guint i = 0; i < vars->len; i++) {
        const ConfPyVar *v = vars->pdata[i];
        ConfNode *node;

        if (!is_setting(v))
            continue;
        node = conf_node_new(CONF_NODE_NONE, v->name, v->pos.line, v->pos.column);
        node->value_line = v->value_pos.line;
        node->value_column = v->value_pos.column;
        g_ptr_array_add(b->py->native->root->items, node);
        if (!set_value(b, node, v->value, 0))
            return false;
        /* It helped to compute something; whether it is an option too, the mapping knows. */
        if (v->read)
            conf_node_mark(node, CONF_FATE_DEFAULT);
    }
    return true;
}

/* ---- NAME=VALUE of the command line ---- */

/* What no xm_vars.var() of the program took is an option, and goes over what the config says. */
static void
apply_set(ConfPy *py)
{
    ConfNode *root = py->native->root;
    g_autoptr(GList) names = NULL;

    if (py->options == NULL || py->options->set == NULL)
        return;
    names = g_list_sort(g_hash_table_get_keys(py->options->set), (GCompareFunc)strcmp);
    for (GList *l = names; l != NULL; l = l->next) {
        const char *text = g_hash_table_lookup(py->options->set, l->data);
        ConfNode *old = conf_node_find(root, l->data);
        ConfNode *node = conf_node_new(CONF_NODE_STRING, l->data, 0, 0);
        bool was_list = old != NULL && old->kind == CONF_NODE_LIST;

        if (g_hash_table_contains(py->given, l->data)) {
            conf_node_free(node);
            continue;
        }
        node->text = g_utf8_make_valid(text, -1);
        if (conf_text_to_int(text, &node->number)) {
            node->kind = CONF_NODE_INT;
            node->real = (double)node->number;
        }
        if (was_list) {
            ConfNode *list = conf_node_new(CONF_NODE_LIST, l->data, 0, 0);

            g_clear_pointer(&node->key, g_free);
            g_ptr_array_add(list->items, node);
            node = list;
        }
        if (old != NULL)
            g_ptr_array_remove(root->items, old);
        g_ptr_array_add(root->items, node);
    }
}

/* ---- the reader ---- */

static void
py_init(ConfPy *py, ConfNative *native, const ConfNativeOptions *options)
{
    *py = (ConfPy){ .native = native, .options = options, .returned = &conf_py_none };
    conf_py_arena_init(&py->arena);
    py->globals = g_hash_table_new(g_str_hash, g_str_equal);
    py->noted = g_hash_table_new(NULL, NULL);
    py->wanted = g_hash_table_new(g_str_hash, g_str_equal);
    py->given = g_hash_table_new(g_str_hash, g_str_equal);
}

static void
py_clear(ConfPy *py)
{
    g_clear_pointer(&py->globals, g_hash_table_unref);
    g_clear_pointer(&py->noted, g_hash_table_unref);
    g_clear_pointer(&py->wanted, g_hash_table_unref);
    g_clear_pointer(&py->given, g_hash_table_unref);
    g_clear_pointer(&py->dice, g_rand_free);
    g_clear_error(&py->fatal);
    conf_py_arena_clear(&py->arena);
}

static gboolean
run_config(ConfPy *py, const char *text, gsize len, GError **error)
{
    Builder builder = { py, 0 };
    const ConfPyNode *program = conf_py_parse(&py->arena, text, len, py->native->file, error);

    if (program == NULL || !conf_py_run(py, program, error))
        return FALSE;
    if (!add_globals(&builder)) {
        g_propagate_error(error, g_steal_pointer(&py->fatal));
        return FALSE;
    }
    apply_set(py);
    return TRUE;
}

GPtrArray *
conf_xm_parse(const char *text, gsize len, const char *file, const ConfNativeOptions *options,
              GError **error)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XM, file);
    GPtrArray *natives = NULL;
    ConfPy py;

    py_init(&py, native, options);
    py.text = text;
    py.len = len;
    if (run_config(&py, text, len, error)) {
        natives = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);
        g_ptr_array_add(natives, g_steal_pointer(&native));
    }
    py_clear(&py);
    return natives;
}
