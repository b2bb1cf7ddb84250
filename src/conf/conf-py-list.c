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
    ConfPyValue *more = conf_py_iterate(py, call->pos, call->args[0].value);
    unsigned n;

    if (more == NULL)
        return NULL;
    if (conf_py_is_opaque(more)) /* stands for all that would come */
        return list_append(py, call);
    n = more->list.n;
    for (unsigned i = 0; i < n; i++) {
        if (!conf_py_append(py, call->self, more->list.items[i].value, more->list.items[i].pos))
            return NULL;
    }
    return conf_py_step(py, call->pos, n / 16) ? &conf_py_none : NULL;
}

static ConfPyValue *
list_insert(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *at = call->args[0].value;
    ConfPyList *list = &call->self->list;
    gint64 place;

    if (conf_py_is_opaque(at))
        return conf_py_opaque(py, call->pos, "insert() at a place that is not known");
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

typedef struct Sorting {
    ConfPy *py;
    ConfPos pos;
    bool failed;
} Sorting;

static gint
compare_items(gconstpointer a, gconstpointer b, gpointer data)
{
    Sorting *sorting = data;
    const ConfPyItem *x = a, *y = b;
    int order = 0;

    if (!sorting->failed && !conf_py_compare(sorting->py, sorting->pos, x->value, y->value, &order))
        sorting->failed = true;
    return order;
}

static ConfPyValue *
list_sort(ConfPy *py, const ConfPyCall *call)
{
    Sorting sorting = { py, call->pos, false };

    if (call->n_named > 0)
        return conf_py_opaque(py, call->pos, "sort() with a keyword argument");
    if (call->self->list.n > 1)
        g_qsort_with_data(call->self->list.items, (gint)call->self->list.n, sizeof(ConfPyItem),
                          compare_items, &sorting);
    return sorting.failed ? NULL : &conf_py_none;
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

static ConfPyValue *
dict_update(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *more = call->args[0].value;

    if (more->type != CONF_PY_V_DICT)
        return conf_py_opaque(py, call->pos, "update() with something other than a dict");
    for (unsigned i = 0; i < more->list.n; i += 2) {
        if (!conf_py_dict_set(py, call->pos, call->self, more->list.items[i].value,
                              more->list.items[i + 1].value))
            return NULL;
    }
    return &conf_py_none;
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
    { "list", "pop", 0, 1, 0, list_pop },
    { "list", "remove", 1, 1, 0, list_remove },
    { "list", "index", 1, 1, 0, list_index },
    { "list", "count", 1, 1, 0, list_count },
    { "list", "reverse", 0, 0, 0, list_reverse },
    { "list", "sort", 0, 0, CONF_PY_TAKES_NAMED, list_sort },
    { "dict", "get", 1, 2, 0, dict_get },
    { "dict", "has_key", 1, 1, 0, dict_has_key },
    { "dict", "keys", 0, 0, 0, dict_keys },
    { "dict", "iterkeys", 0, 0, 0, dict_keys },
    { "dict", "values", 0, 0, 0, dict_values },
    { "dict", "itervalues", 0, 0, 0, dict_values },
    { "dict", "items", 0, 0, 0, dict_items },
    { "dict", "iteritems", 0, 0, 0, dict_items },
    { "dict", "update", 1, 1, 0, dict_update },
    { "match", "group", 0, 1, 0, match_group },
    { "match", "groups", 0, 0, 0, match_groups },
    { NULL, NULL, 0, 0, 0, NULL },
};
