/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of conf-py.h's Python, and what its evaluator is made of. */
#pragma once

#include "conf-py.h"

typedef enum ConfPyType {
    CONF_PY_V_NONE,
    CONF_PY_V_BOOL,
    CONF_PY_V_INT,
    CONF_PY_V_FLOAT,
    CONF_PY_V_STR,
    CONF_PY_V_LIST,
    CONF_PY_V_TUPLE,
    CONF_PY_V_DICT, /* items: key, value, key, value, ... */
    CONF_PY_V_FUNC,
    CONF_PY_V_BUILTIN,
    CONF_PY_V_MODULE,   /* str: its name */
    CONF_PY_V_MATCH,    /* of re; items: the groups */
    CONF_PY_V_PATTERN,  /* of re.compile(); items: the pattern, the flags */
    CONF_PY_V_EXC_TYPE, /* str: its name */
    CONF_PY_V_EXC,      /* str: the name of its type; items: what it was made with */
    CONF_PY_V_OPAQUE,   /* str: why */
} ConfPyType;

typedef struct ConfPyValue ConfPyValue;
typedef struct ConfPyEnv ConfPyEnv;
typedef struct ConfPyBuiltin ConfPyBuiltin;

typedef struct ConfPyItem {
    ConfPyValue *value;
    ConfPos pos; /* of the expression that it came from */
} ConfPyItem;

typedef struct ConfPyList {
    ConfPyItem *items;
    unsigned n, size;
} ConfPyList;

struct ConfPyValue {
    ConfPyType type;
    /* OPAQUE: stands for any number of a list's items. LIST, TUPLE: has such an item. DICT: holds
     * the global names, and is written through to them. */
    bool many;
    union {
        gint64 i; /* BOOL, INT */
        double f;
        const ConfPyNode *node;       /* FUNC: a DEF or LAMBDA */
        const ConfPyBuiltin *builtin; /* BUILTIN */
        gsize len;                    /* where there is a str */
    };
    union {
        const char *str;   /* in the arena, or for ever; of an INT as it was written, or NULL */
        ConfPyEnv *env;    /* FUNC: where it was made */
        ConfPyValue *self; /* BUILTIN: what it is a method of, or NULL */
    };
    ConfPyList list; /* also FUNC: the values of its defaults */
};

static inline bool
conf_py_is_opaque(const ConfPyValue *value)
{
    return value->type == CONF_PY_V_OPAQUE;
}

typedef struct ConfPyVar ConfPyVar;
struct ConfPyVar {
    ConfPyVar *next; /* locals only */
    const char *name;
    ConfPyValue *value; /* NULL: deleted */
    ConfPos pos;        /* of the last assignment */
    ConfPos value_pos;
    unsigned order;  /* of the last assignment among all */
    bool read;       /* by the program, ever */
    bool read_since; /* since the last assignment */
    bool lazy;       /* OPAQUE, but worth a note only when somebody wants it */
};

struct ConfPyEnv {
    ConfPyEnv *outer;       /* NULL: outside of this are the globals */
    const ConfPyNode *body; /* of the function */
    ConfPyVar *vars;
    ConfPyVar *global_names; /* of "global" statements; only their names matter */
};

typedef struct ConfPy {
    ConfPyArena arena;
    ConfNative *native; /* gets the notes */
    const ConfNativeOptions *options;
    GHashTable *globals; /* name -> ConfPyVar */
    ConfPyEnv *env;      /* of the function that runs; NULL at the top */
    GHashTable *noted;   /* places of notes, so that a loop says a thing once */
    GHashTable *wanted;  /* names of xm_vars.var() without a value -> what for */
    GHashTable *given;   /* names of options->set that an xm_vars.var() took */
    unsigned steps, depth, order;
    /* What stopped it. An exception of the program may be caught by it, a fatal one may not. */
    GError *fatal;
    bool raised;          /* by a raise statement */
    ConfPyValue *handled; /* in the except block around: what a bare raise raises again */
    ConfPyValue *exception;
    ConfPos exception_pos;
    ConfPyValue *returned;
    ConfPyValue *unsure;            /* why it is not known how the loop around goes on, or NULL */
    const ConfPyValue *opaque_seen; /* conf_py_print() or conf_py_compare() came across it */
    unsigned outside;               /* how often something was not known, so far */
    ConfPyValue *foreign; /* where names come from that we do not see: execfile(), or NULL */
    GRand *dice;          /* of random; made when it is asked for */
    const char *text;     /* of the program */
    gsize len;
} ConfPy;

/* ---- running out, failing, not knowing (conf-py-value.c) ---- */

/* False when the program is over its steps or memory; a fatal error is set then. */
bool conf_py_step(ConfPy *py, ConfPos pos, gsize cost);
/* Is there room for a value of so many bytes? False and a fatal error if not. */
bool conf_py_may_make(ConfPy *py, ConfPos pos, gsize bytes);
/* These return NULL, always. */
ConfPyValue *conf_py_raise(ConfPy *py, ConfPos pos, const char *type, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
ConfPyValue *conf_py_stop(ConfPy *py, ConfPos pos, ConfError code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void conf_py_note(ConfPy *py, ConfPos pos, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A note that costs nothing: what is said is carried, with a difference. */
void conf_py_remark(ConfPy *py, ConfPos pos, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* An OPAQUE value: "WHAT is not known". Never NULL. */
ConfPyValue *conf_py_unknown(ConfPy *py, ConfPos pos, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* An OPAQUE value, and a note: "WHAT is not evaluated". Never NULL. */
ConfPyValue *conf_py_opaque(ConfPy *py, ConfPos pos, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* ---- making and looking at values (conf-py-value.c) ---- */

extern ConfPyValue conf_py_none, conf_py_true, conf_py_false;

ConfPyValue *conf_py_new(ConfPy *py, ConfPyType type);
ConfPyValue *conf_py_bool(bool value);
ConfPyValue *conf_py_int(ConfPy *py, gint64 value);
ConfPyValue *conf_py_float(ConfPy *py, double value);
/* Copies the bytes. NULL and a fatal error when there is no room. */
ConfPyValue *conf_py_str(ConfPy *py, ConfPos pos, const char *text, gsize len);
/* Keeps the pointer. */
ConfPyValue *conf_py_static(ConfPy *py, ConfPyType type, const char *text);
ConfPyValue *conf_py_pair(ConfPy *py, ConfPos pos, ConfPyValue *a, ConfPyValue *b); /* a tuple */
bool conf_py_append(ConfPy *py, ConfPyValue *list, ConfPyValue *value, ConfPos pos);

const char *conf_py_type_name(const ConfPyValue *value);
bool conf_py_is_number(const ConfPyValue *value);
double conf_py_to_real(const ConfPyValue *value); /* of a number */
bool conf_py_truth(const ConfPyValue *value);
/* Adds str(value) or repr(value). False and a failure when it is too long or too deep. Sets
 * py->opaque_seen when there is something in it that is not known. */
bool conf_py_print(ConfPy *py, ConfPos pos, GString *out, const ConfPyValue *value, bool repr);
ConfPyValue *conf_py_repr(ConfPy *py, ConfPos pos, const ConfPyValue *value);
/* *ret_order < 0, 0, > 0 as Python 2 orders values, also of different types. False: failed. */
bool conf_py_compare(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b,
                     int *ret_order);
bool conf_py_equal(ConfPy *py, ConfPos pos, const ConfPyValue *a, const ConfPyValue *b,
                   bool *ret_equal);
/* The place of the key in a dict's items, or -1; -2: failed. */
int conf_py_dict_find(ConfPy *py, ConfPos pos, const ConfPyValue *dict, const ConfPyValue *key);
bool conf_py_dict_set(ConfPy *py, ConfPos pos, ConfPyValue *dict, ConfPyValue *key,
                      ConfPyValue *value);

/* ---- operators (conf-py-ops.c); NULL: failed ---- */

ConfPyValue *conf_py_binary(ConfPy *py, ConfPos pos, char op, ConfPyValue *a, ConfPyValue *b);
ConfPyValue *conf_py_unary(ConfPy *py, ConfPos pos, char op, ConfPyValue *a);
ConfPyValue *conf_py_relate(ConfPy *py, ConfPos pos, char op, ConfPyValue *a, ConfPyValue *b);
ConfPyValue *conf_py_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index);
ConfPyValue *conf_py_slice(ConfPy *py, ConfPos pos, ConfPyValue *value,
                           ConfPyValue *const parts[3]);
bool conf_py_set_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index,
                       ConfPyValue *item);
bool conf_py_del_index(ConfPy *py, ConfPos pos, ConfPyValue *value, ConfPyValue *index);
/* The item of a list that stands for any number of items, or NULL. */
ConfPyValue *conf_py_rest(const ConfPyValue *value);
/* A dict that holds the global names: the name is assigned, too. False: failed. */
bool conf_py_write_through(ConfPy *py, ConfPos pos, const ConfPyValue *dict, const ConfPyValue *key,
                           ConfPyValue *value);
/* Adds what is in `more`, known or not. False: failed. */
bool conf_py_extend(ConfPy *py, ConfPos pos, ConfPyValue *list, ConfPyValue *more);
/* What a loop goes over, as a list; OPAQUE for OPAQUE, and where it is not known how many items
 * there are. */
ConfPyValue *conf_py_iterate(ConfPy *py, ConfPos pos, ConfPyValue *value);

/* ---- what is not known (conf-py-forget.c) ---- */

/* What this statement or expression might change is not known from here on. */
void conf_py_forget(ConfPy *py, const ConfPyNode *node, ConfPyValue *why);
void conf_py_forget_target(ConfPy *py, const ConfPyNode *target, ConfPyValue *why);
/* A function, or a method of something, that may be called or not. */
void conf_py_forget_call(ConfPy *py, const ConfPyValue *function, ConfPyValue *why);
/* The rest of the function that runs may run or not. */
void conf_py_forget_body(ConfPy *py, ConfPyValue *why);
/* Could the statement end the function (return, raise) or else the loop (break, continue) that it
 * is in? */
bool conf_py_may_leave(const ConfPyNode *node, bool function);
/* A list or dict that is not known any more, under all its names. */
void conf_py_blur(ConfPyValue *value, const ConfPyValue *why);
/* A list that may have more items. False: failed. */
bool conf_py_add_unknown(ConfPy *py, ConfPyValue *list, const ConfPyValue *why, ConfPos pos);

/* ---- strings (conf-py-str.c) ---- */

/* "..." % value */
ConfPyValue *conf_py_percent(ConfPy *py, ConfPos pos, ConfPyValue *format, ConfPyValue *value);

/* ---- calls ---- */

typedef struct ConfPyCall {
    ConfPos pos;
    ConfPyValue *self; /* of a method */
    ConfPyItem *args;
    unsigned n_args;
    const char *const *names; /* of keyword arguments, which stand behind the others */
    ConfPyItem *named;
    unsigned n_named;
} ConfPyCall;

/* The argument as a string, or NULL and a TypeError. */
const ConfPyValue *conf_py_str_arg(ConfPy *py, const ConfPyCall *call, unsigned i);
/* The keyword argument, or NULL; None is one. */
ConfPyValue *conf_py_named_arg(const ConfPyCall *call, const char *name);

/* A function that the program finds as NAME, or as OWNER.NAME. */
struct ConfPyBuiltin {
    const char *owner, *name;
    guint8 min, max; /* how many arguments */
    guint8 flags;
    ConfPyValue *(*run)(ConfPy *py, const ConfPyCall *call);
};
#define CONF_PY_TAKES_NAMED  1 /* keyword arguments */
#define CONF_PY_TAKES_OPAQUE 2 /* else an OPAQUE argument makes the result OPAQUE */
#define CONF_PY_CHANGES      4 /* self, or where there is none the first argument */

/* The `self` of a method that takes it from its first argument: string.lower(x). */
extern ConfPyValue conf_py_unbound;

/* The tables, each ended by a row without a name. */
extern const ConfPyBuiltin conf_py_str_methods[], conf_py_text_methods[], conf_py_list_methods[],
    conf_py_modules[], conf_py_re[], conf_py_dice[], conf_py_more[];

/* ---- the evaluator: expressions and names in conf-py-eval.c, statements in conf-py-run.c ---- */

/* One level deeper; who gets true calls conf_py_leave(). */
bool conf_py_enter(ConfPy *py, const ConfPyNode *node);
void conf_py_leave(ConfPy *py);
ConfPyValue *conf_py_eval(ConfPy *py, const ConfPyNode *node);
/* Of TRAILERS, its base and the first n - 1 trailers. */
ConfPyValue *conf_py_eval_trailers(ConfPy *py, const ConfPyNode *node, unsigned n);
/* A DEF or LAMBDA where it stands. */
ConfPyValue *conf_py_make_function(ConfPy *py, const ConfPyNode *node);
/* Runs a function's block; py->returned is what it returned. False: failed. */
bool conf_py_run_body(ConfPy *py, const ConfPyNode *block);
/* False: failed. */
bool conf_py_assign(ConfPy *py, const ConfPyNode *target, ConfPyValue *value, ConfPos value_pos);

/* The variable of this name as it is seen from here, or NULL. Does not mark it as read. */
ConfPyVar *conf_py_find_var(ConfPy *py, const char *name);
/* The variable that an assignment to the name changes; made where there is none. */
ConfPyVar *conf_py_target_var(ConfPy *py, const char *name);
void conf_py_set_var(ConfPy *py, ConfPyVar *var, ConfPyValue *value, ConfPos pos,
                     ConfPos value_pos);
/* A name that stands for something outside the scope: nobody need know, until it is used. */
void conf_py_set_lazy(ConfPy *py, const char *name, ConfPos pos, const char *what);

ConfPyValue *conf_py_call(ConfPy *py, ConfPyValue *function, const ConfPyCall *call);
void conf_py_set_global(ConfPy *py, const char *name, ConfPyValue *value, ConfPos pos);

/* A builtin or a module of this name, or an attribute of a value; NULL and no failure when there
 * is none (conf-py-lib.c). */
ConfPyValue *conf_py_lookup(ConfPy *py, ConfPos pos, const char *name);
ConfPyValue *conf_py_attribute(ConfPy *py, ConfPos pos, ConfPyValue *value, const char *name);
/* from MODULE import * */
void conf_py_import_all(ConfPy *py, const ConfPyValue *module, ConfPos pos);
/* NULL when we know no module of this name. */
ConfPyValue *conf_py_module(ConfPy *py, const char *name);
/* Does an "except TYPE" take this exception? */
bool conf_py_is_a(const char *exception, const char *type);

/* Runs the program. FALSE and *error when it ended in an exception or ran out. */
gboolean conf_py_run(ConfPy *py, const ConfPyNode *program, GError **error);
