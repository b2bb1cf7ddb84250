/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The module random. xm drew new numbers at each start; a conversion draws from the text of the
 * config, so that it gives the same domain each time, and says so.
 */
#include "conf-py-value.h"

/* The same for the same text (FNV-1a). */
static guint32
seed_of(const char *text, gsize len)
{
    guint32 hash = 2166136261u;

    for (gsize i = 0; i < len; i++)
        hash = (hash ^ (guchar)text[i]) * 16777619u;
    return hash;
}

static GRand *
dice(ConfPy *py, ConfPos pos)
{
    conf_py_remark(py, pos,
                   "xm draws anew at each start; this was drawn once, and the same at each "
                   "conversion");
    if (py->dice == NULL)
        py->dice = g_rand_new_with_seed(seed_of(py->text, py->len));
    return py->dice;
}

/* From 0 to below n. */
static guint64
below(GRand *rand, guint64 n)
{
    guint64 high = g_rand_int(rand), low = g_rand_int(rand);

    return (high << 32 | low) % n;
}

/* False: failed. */
static bool
need_int(ConfPy *py, const ConfPyCall *call, unsigned i, gint64 *ret_value)
{
    const ConfPyValue *value = call->args[i].value;

    if (value->type == CONF_PY_V_INT || value->type == CONF_PY_V_BOOL) {
        *ret_value = value->i;
        return true;
    }
    conf_py_raise(py, call->args[i].pos, "TypeError", "an int is needed here and not %s",
                  conf_py_type_name(value));
    return false;
}

/* From `low` in steps, to below `high`. */
static ConfPyValue *
draw(ConfPy *py, ConfPos pos, gint64 low, gint64 high, gint64 step)
{
    gint64 width;

    if (step <= 0 || __builtin_sub_overflow(high, low, &width))
        return conf_py_opaque(py, pos, "a draw from such a range");
    if (width <= 0)
        return conf_py_raise(py, pos, "ValueError", "there is nothing to draw from");
    width = (width - 1) / step + 1;
    return conf_py_int(py, low + step * (gint64)below(dice(py, pos), (guint64)width));
}

static ConfPyValue *
random_randint(ConfPy *py, const ConfPyCall *call)
{
    gint64 low, high;

    if (!need_int(py, call, 0, &low) || !need_int(py, call, 1, &high))
        return NULL;
    if (high == G_MAXINT64)
        return conf_py_opaque(py, call->pos, "a draw from such a range");
    return draw(py, call->pos, low, high + 1, 1);
}

static ConfPyValue *
random_randrange(ConfPy *py, const ConfPyCall *call)
{
    gint64 bounds[3] = { 0, 0, 1 };

    for (unsigned i = 0; i < call->n_args; i++) {
        if (!need_int(py, call, i, &bounds[call->n_args == 1 ? 1 : i]))
            return NULL;
    }
    return draw(py, call->pos, bounds[0], bounds[1], bounds[2]);
}

static ConfPyValue *
random_getrandbits(ConfPy *py, const ConfPyCall *call)
{
    gint64 bits;

    if (!need_int(py, call, 0, &bits))
        return NULL;
    if (bits < 1 || bits > 62)
        return conf_py_opaque(py, call->pos, "so many random bits");
    return draw(py, call->pos, 0, G_GINT64_CONSTANT(1) << bits, 1);
}

static ConfPyValue *
random_random(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_float(py, g_rand_double(dice(py, call->pos)));
}

static ConfPyValue *
random_uniform(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *a = call->args[0].value, *b = call->args[1].value;

    if (!conf_py_is_number(a) || !conf_py_is_number(b))
        return conf_py_raise(py, call->pos, "TypeError", "uniform() needs numbers");
    return conf_py_float(py, conf_py_to_real(a) + g_rand_double(dice(py, call->pos)) *
                                                      (conf_py_to_real(b) - conf_py_to_real(a)));
}

static ConfPyValue *
random_choice(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);

    if (list == NULL)
        return NULL;
    if (list->list.n == 0)
        return conf_py_raise(py, call->pos, "IndexError", "there is nothing to draw from");
    return list->list.items[below(dice(py, call->pos), list->list.n)].value;
}

static bool
shuffle(ConfPy *py, const ConfPyCall *call, ConfPyList *list)
{
    GRand *rand = dice(py, call->pos);

    for (unsigned i = list->n; i > 1; i--) {
        unsigned other = (unsigned)below(rand, i);
        ConfPyItem item = list->items[i - 1];

        list->items[i - 1] = list->items[other];
        list->items[other] = item;
    }
    return conf_py_step(py, call->pos, list->n);
}

static ConfPyValue *
random_shuffle(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *value = call->args[0].value;

    if (value->type != CONF_PY_V_LIST)
        return conf_py_raise(py, call->pos, "TypeError", "shuffle() needs a list");
    return shuffle(py, call, &value->list) ? &conf_py_none : NULL;
}

static ConfPyValue *
random_sample(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *list = conf_py_iterate(py, call->pos, call->args[0].value);
    ConfPyValue *result = conf_py_new(py, CONF_PY_V_LIST);
    gint64 count;

    if (list == NULL || !need_int(py, call, 1, &count))
        return NULL;
    if (count < 0 || count > list->list.n)
        return conf_py_raise(py, call->pos, "ValueError", "there are fewer values to draw from");
    for (unsigned i = 0; i < list->list.n; i++) {
        if (!conf_py_append(py, result, list->list.items[i].value, call->pos))
            return NULL;
    }
    if (!shuffle(py, call, &result->list))
        return NULL;
    result->list.n = (unsigned)count;
    return result;
}

/* Python's numbers for a seed are its own; that there is one says that they shall be the same. */
static ConfPyValue *
random_seed(ConfPy *py, const ConfPyCall *call)
{
    return &conf_py_none;
}

const ConfPyBuiltin conf_py_dice[] = {
    { "random", "choice", 1, 1, 0, random_choice },
    { "random", "getrandbits", 1, 1, 0, random_getrandbits },
    { "random", "randint", 2, 2, 0, random_randint },
    { "random", "random", 0, 0, 0, random_random },
    { "random", "randrange", 1, 3, 0, random_randrange },
    { "random", "sample", 2, 2, 0, random_sample },
    { "random", "seed", 0, 1, CONF_PY_TAKES_OPAQUE, random_seed },
    { "random", "shuffle", 1, 1, CONF_PY_CHANGES, random_shuffle },
    { "random", "uniform", 2, 2, 0, random_uniform },
    { NULL, NULL, 0, 0, 0, NULL },
};
