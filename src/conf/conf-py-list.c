/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of lists, dicts and matches. */
#include "conf-py-value.h"

#include <string.h>

/* ---- lists ---- */

static ConfPyValue *
list_append(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_append(py, call->self, call->args[0].value, call->args[0].pos) ? &conf_py_none
                                                                                  : NULL;
}

static ConfPyValue *
list_extend(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_extend(py, call->pos, call->self, call->args[0].value) ? &conf_py_none : NULL;
}

static ConfPyValue *
list_insert(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *at = call->args[0].value;
    ConfPyList *list = &call->self->list;
    gint64 place;

    if (conf_py_is_opaque(at) || call->self->many) {
        ConfPyValue *why = conf_py_opaque(py, call->pos, "insert() at a place that is not known");

        conf_py_blur(call->self, why);
        return why;
    }
    if (at->type != CONF_PY_V_INT)
        return conf_py_raise(py, call->pos, "TypeError", "insert() needs an int");
    if (!conf_py_append(py, call->self, call->args[1].value, call->args[1].pos) ||
        !conf_py_step(py, call->pos, list->n / 16))
        return NULL;
    place = at->i < 0 ? at->i + list->n - 1 : at->i;
    place = CLAMP(place, 0, (gint64)list->n - 1);

    ConfPyItem item = list->items[list->n - 1];

    memmove(list->items + place + 1, list->items + place,
            (list->n - 1 - (gsize)place) * sizeof(ConfPyItem));
    list->items[place] = item;
    return &conf_py_none;
}

static void
remove_at(ConfPyList *list, gsize place)
{
    memmove(list->items + place, list->items + place + 1,
            (list->n - 1 - place) * sizeof(ConfPyItem));
    list->n--;
}

static ConfPyValue *
list_pop(ConfPy *py, const ConfPyCall *call)
{
    ConfPyList *list = &call->self->list;
    ConfPyValue *value;
    gint64 place = -1;

    if (call->n_args > 0 && call->args[0].value->type == CONF_PY_V_INT)
        place = call->args[0].value->i;
    place = place < 0 ? place + list->n : place;
    if (place < 0 || place >= list->n)
        return conf_py_raise(py, call->pos, "IndexError", "pop() of an item that is not there");
    value = list->items[place].value;
    remove_at(list, (gsize)place);
    return conf_py_step(py, call->pos, list->n / 16) ? value : NULL;
}

/* The place of the argument in the list; -1 and a failure when it is not in it. */
static gint64
find_item(ConfPy *py, const ConfPyCall *call)
{
    for (unsigned i = 0; i < call->self->list.n; i++) {
        bool equal = false;

        if (!conf_py_equal(py, call->pos, call->self->list.items[i].value, call->args[0].value,
                           &equal))
            return -1;
        if (equal)
            return i;
    }
    conf_py_raise(py, call->pos, "ValueError", "the value is not in the list");
    return -1;
}

static ConfPyValue *
list_remove(ConfPy *py, const ConfPyCall *call)
{
    gint64 place = find_item(py, call);

    if (place < 0)
        return NULL;
    remove_at(&call->self->list, (gsize)place);
    return &conf_py_none;
}

static ConfPyValue *
list_index(ConfPy *py, const ConfPyCall *call)
{
    gint64 place = find_item(py, call);

    return place < 0 ? NULL : conf_py_int(py, place);
}

static ConfPyValue *
list_count(ConfPy *py, const ConfPyCall *call)
{
    gint64 count = 0;

    for (unsigned i = 0; i < call->self->list.n; i++) {
        bool equal = false;

        if (!conf_py_equal(py, call->pos, call->self->list.items[i].value, call->args[0].value,
                           &equal))
            return NULL;
        count += equal;
    }
    return conf_py_int(py, count);
}

static ConfPyValue *
list_reverse(ConfPy *py, const ConfPyCall *call)
{
    ConfPyList *list = &call->self->list;

    for (unsigned i = 0; i < list->n / 2; i++) {
        ConfPyItem item = list->items[i];

        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = item;
    }
    return conf_py_step(py, call->pos, list->n / 16) ? &conf_py_none : NULL;
}

/* Each item with what it is compared by. */
typedef struct Keyed {
    ConfPyItem item;
    ConfPyValue *key;
} Keyed;

typedef struct Sorting {
    ConfPy *py;
    ConfPos pos;
    ConfPyValue *compare; /* a function of two values, or NULL */
    bool failed;
    ConfPyValue *unknown;
} Sorting;

static int
call_compare(Sorting *s, ConfPyValue *a, ConfPyValue *b)
{
    ConfPyItem args[] = { { a, s->pos }, { b, s->pos } };
    ConfPyCall call = { .pos = s->pos, .args = args, .n_args = 2 };
    ConfPyValue *order = conf_py_call(s->py, s->compare, &call);

    s->failed |= order == NULL;
    if (order != NULL && conf_py_is_opaque(order))
        s->unknown = order;
    return order != NULL && order->type == CONF_PY_V_INT ? CLAMP(order->i, -1, 1) : 0;
}

static gint
compare_keyed(gconstpointer a, gconstpointer b, gpointer data)
{
    Sorting *s = data;
    const Keyed *x = a, *y = b;
    int order = 0;

    if (s->failed || s->unknown != NULL)
        return 0;
    if (s->compare != NULL)
        return call_compare(s, x->key, y->key);
    s->failed = !conf_py_compare(s->py, s->pos, x->key, y->key, &order);
    return order;
}

/* The items with their keys; NULL: failed, or *ret_unknown. */
static Keyed *
find_keys(Sorting *s, const ConfPyList *list, ConfPyValue *function)
{
    g_autofree Keyed *keyed = NULL;

    if (!conf_py_may_make(s->py, s->pos, list->n * sizeof(Keyed)))
        return NULL;
    keyed = g_new(Keyed, list->n + 1);
    for (unsigned i = 0; i < list->n; i++) {
        ConfPyItem item = list->items[i];
        ConfPyCall call = { .pos = s->pos, .args = &item, .n_args = 1 };

        keyed[i].item = item;
        keyed[i].key = function != NULL && function->type != CONF_PY_V_NONE
                           ? conf_py_call(s->py, function, &call)
                           : item.value;
        if (keyed[i].key == NULL)
            return NULL;
        if (conf_py_is_opaque(keyed[i].key))
            s->unknown = keyed[i].key;
    }
    return g_steal_pointer(&keyed);
}

/* sort(), sort(compare), sort(key=..., reverse=...) */
static ConfPyValue *
list_sort(ConfPy *py, const ConfPyCall *call)
{
    ConfPyList *list = &call->self->list;
    ConfPyValue *compare = call->n_args > 0 ? call->args[0].value : conf_py_named_arg(call, "cmp");
    ConfPyValue *key = conf_py_named_arg(call, "key");
    const ConfPyValue *reverse = conf_py_named_arg(call, "reverse");
    Sorting s = { py, call->pos, NULL, false, NULL };
    g_autofree Keyed *keyed = find_keys(&s, list, key);
    unsigned n = list->n;

    if (keyed == NULL)
        return NULL;
    if (compare != NULL && compare->type != CONF_PY_V_NONE)
        s.compare = compare;
    if (n > 1 && s.unknown == NULL)
        g_qsort_with_data(keyed, (gint)n, sizeof(Keyed), compare_keyed, &s);
    if (s.failed)
        return NULL;
    if (s.unknown != NULL)
        conf_py_blur(call->self, s.unknown);
    for (unsigned i = 0; i < n && s.unknown == NULL; i++)
        list->items[reverse != NULL && conf_py_truth(reverse) ? n - 1 - i : i] = keyed[i].item;
    return &conf_py_none;
}

/* ---- dicts ---- */

static ConfPyValue *
dict_get(ConfPy *py, const ConfPyCall *call)
{
    int found = conf_py_dict_find(py, call->pos, call->self, call->args[0].value);

    if (found == -2)
        return NULL;
    if (found >= 0)
        return call->self->list.items[found + 1].value;
    return call->n_args > 1 ? call->args[1].value : &conf_py_none;
}

static ConfPyValue *
dict_has_key(ConfPy *py, const ConfPyCall *call)
{
    int found = conf_py_dict_find(py, call->pos, call->self, call->args[0].value);

    return found == -2 ? NULL : conf_py_bool(found >= 0);
}

static ConfPyValue *
dict_parts(ConfPy *py, const ConfPyCall *call, bool keys, bool values)
{
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_LIST);

    for (unsigned i = 0; i < call->self->list.n; i += 2) {
        ConfPyItem *items = &call->self->list.items[i];
        ConfPyValue *part = keys ? items[0].value : items[1].value;

        if (keys && values) {
            part = conf_py_new(py, CONF_PY_V_TUPLE);
            if (!conf_py_append(py, part, items[0].value, call->pos) ||
                !conf_py_append(py, part, items[1].value, call->pos))
                return NULL;
        }
        if (!conf_py_append(py, result, part, items[1].pos))
            return NULL;
    }
    return result;
}

static ConfPyValue *
dict_keys(ConfPy *py, const ConfPyCall *call)
{
    return dict_parts(py, call, true, false);
}

static ConfPyValue *
dict_values(ConfPy *py, const ConfPyCall *call)
{
    return dict_parts(py, call, false, true);
}

static ConfPyValue *
dict_items(ConfPy *py, const ConfPyCall *call)
{
    return dict_parts(py, call, true, true);
}

static bool
set_one(ConfPy *py, const ConfPyCall *call, ConfPyValue *key, ConfPyValue *value)
{
    return conf_py_dict_set(py, call->pos, call->self, key, value) &&
           conf_py_write_through(py, call->pos, call->self, key, value);
}

/* update(dict), update(NAME=VALUE ...) */
static ConfPyValue *
dict_update(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *more = call->n_args > 0 ? call->args[0].value : NULL;

    if (more != NULL && more->type != CONF_PY_V_DICT) {
        conf_py_blur(call->self, conf_py_opaque(py, call->pos, "update() with no dict"));
        return &conf_py_none;
    }
    for (unsigned i = 0; more != NULL && i < more->list.n; i += 2) {
        if (!set_one(py, call, more->list.items[i].value, more->list.items[i + 1].value))
            return NULL;
    }
    for (unsigned i = 0; i < call->n_named; i++) {
        if (!set_one(py, call, conf_py_static(py, CONF_PY_V_STR, call->names[i]),
                     call->named[i].value))
            return NULL;
    }
    return &conf_py_none;
}

static ConfPyValue *
dict_setdefault(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *value = call->n_args > 1 ? call->args[1].value : &conf_py_none;
    int found = conf_py_dict_find(py, call->pos, call->self, call->args[0].value);

    if (found >= 0)
        return call->self->list.items[found + 1].value;
    return found == -1 && set_one(py, call, call->args[0].value, value) ? value : NULL;
}

static ConfPyValue *
dict_pop(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *value = dict_get(py, call);
    int found = conf_py_dict_find(py, call->pos, call->self, call->args[0].value);

    if (found == -1 && call->n_args == 1)
        return conf_py_raise(py, call->pos, "KeyError", "there is no such key");
    if (found >= 0 && !conf_py_del_index(py, call->pos, call->self, call->args[0].value))
        return NULL;
    return value;
}

static ConfPyValue *
dict_copy(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *copy = conf_py_new(py, CONF_PY_V_DICT);

    for (unsigned i = 0; i < call->self->list.n; i++) {
        if (!conf_py_append(py, copy, call->self->list.items[i].value,
                            call->self->list.items[i].pos))
            return NULL;
    }
    return copy;
}

/* ---- matches ---- */

static ConfPyValue *
match_group(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyList *groups = &call->self->list;
    gint64 n = call->n_args > 0 && call->args[0].value->type == CONF_PY_V_INT
                   ? call->args[0].value->i
                   : 0;

    if (call->n_args > 0 && call->args[0].value->type != CONF_PY_V_INT)
        return conf_py_opaque(py, call->pos, "group() by a name");
    if (n < 0 || n >= groups->n)
        return conf_py_raise(py, call->pos, "IndexError", "the pattern has no such group");
    return groups->items[n].value;
}

static ConfPyValue *
match_groups(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_TUPLE);

    for (unsigned i = 1; i < call->self->list.n; i++) {
        if (!conf_py_append(py, result, call->self->list.items[i].value, call->pos))
            return NULL;
    }
    return result;
}

const ConfPyBuiltin conf_py_list_methods[] = {
    { "list", "append", 1, 1, CONF_PY_TAKES_OPAQUE, list_append },
    { "list", "extend", 1, 1, CONF_PY_TAKES_OPAQUE, list_extend },
    { "list", "insert", 2, 2, CONF_PY_TAKES_OPAQUE, list_insert },
    { "list", "pop", 0, 1, CONF_PY_CHANGES, list_pop },
    { "list", "remove", 1, 1, CONF_PY_CHANGES, list_remove },
    { "list", "index", 1, 1, 0, list_index },
    { "list", "count", 1, 1, 0, list_count },
    { "list", "reverse", 0, 0, CONF_PY_CHANGES, list_reverse },
    { "list", "sort", 0, 1, CONF_PY_TAKES_NAMED | CONF_PY_CHANGES, list_sort },
    { "tuple", "index", 1, 1, 0, list_index },
    { "tuple", "count", 1, 1, 0, list_count },
    { "dict", "get", 1, 2, 0, dict_get },
    { "dict", "has_key", 1, 1, 0, dict_has_key },
    { "dict", "keys", 0, 0, 0, dict_keys },
    { "dict", "iterkeys", 0, 0, 0, dict_keys },
    { "dict", "values", 0, 0, 0, dict_values },
    { "dict", "itervalues", 0, 0, 0, dict_values },
    { "dict", "items", 0, 0, 0, dict_items },
    { "dict", "iteritems", 0, 0, 0, dict_items },
    { "dict", "copy", 0, 0, 0, dict_copy },
    { "dict", "pop", 1, 2, CONF_PY_CHANGES, dict_pop },
    { "dict", "setdefault", 1, 2, CONF_PY_CHANGES, dict_setdefault },
    { "dict", "update", 0, 1, CONF_PY_TAKES_NAMED | CONF_PY_CHANGES, dict_update },
    { "match", "group", 0, 1, 0, match_group },
    { "match", "groups", 0, 0, 0, match_groups },
    { NULL, NULL, 0, 0, 0, NULL },
};
