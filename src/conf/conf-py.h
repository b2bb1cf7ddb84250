/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small Python for configs of xm, which are Python 2 programs.
 *
 * Safe by construction: there is no function in it that reads a file, runs a program, looks into
 * the environment or calls out in any other way. Steps, memory and depth are bounded, so that a
 * hostile program costs little before it is refused. What a program does beyond this Python's
 * scope yields a value that is OPAQUE, with a note that says where and why; everything that depends
 * on it is OPAQUE too, and all else goes on.
 *
 *     text ─▶ conf-py-lex.c ─▶ conf-py-parse.c ─▶ tree ─▶ conf-py-eval.c ─▶ globals ─▶ conf-xm.c
 *                          run, forget, ops, and the library: lib, more, str, text, list, mod, re,
 * dice
 */
#pragma once

#include "conf-text.h"

#define CONF_PY_MAX_STEPS  1000000u
#define CONF_PY_MAX_MEMORY (24u << 20) /* of tree and values together */
#define CONF_PY_MAX_VALUE  (4u << 20)  /* bytes of one string, or of one list's items */
#define CONF_PY_MAX_NEST   100         /* brackets, blocks or operators inside each other */
#define CONF_PY_MAX_DEPTH  1000        /* evaluations inside each other */
#define CONF_PY_MAX_NOTES  1000
#define CONF_PY_MAX_WIDTH  1000 /* of one formatted value: a config has no use for more */

/* ---- memory: one arena for a program's whole life ---- */

typedef struct ConfPyArena {
    GPtrArray *chunks;
    char *free;
    gsize left;
    gsize used;
    bool full; /* over the limit: the next step or token says so */
} ConfPyArena;

void conf_py_arena_init(ConfPyArena *arena);
void conf_py_arena_clear(ConfPyArena *arena);
/* Zeroed. Never NULL: what is large is asked for with conf_py_room() first, and what is small may
 * go a little over the limit before `full` stops the program. */
void *conf_py_alloc(ConfPyArena *arena, gsize size);
char *conf_py_strndup(ConfPyArena *arena, const char *text, gsize len);
bool conf_py_room(const ConfPyArena *arena, gsize size);

#define CONF_PY_NEW(arena, type)          ((type *)conf_py_alloc(arena, sizeof(type)))
#define CONF_PY_NEW_ARRAY(arena, type, n) ((type *)conf_py_alloc(arena, sizeof(type) * (n)))

/* ---- tokens ---- */

typedef enum ConfPyTok {
    CONF_PY_T_END,
    CONF_PY_T_NEWLINE,
    CONF_PY_T_INDENT,
    CONF_PY_T_DEDENT,
    CONF_PY_T_NAME,
    CONF_PY_T_KEYWORD,
    CONF_PY_T_INT,
    CONF_PY_T_FLOAT,
    CONF_PY_T_STRING,
    CONF_PY_T_OP,
    CONF_PY_T_OUTSIDE, /* legal, but not of our scope: text says why */
} ConfPyTok;

typedef struct ConfPyToken {
    ConfPyTok kind;
    ConfPos pos;
    const char *text; /* in the arena; of a STRING its bytes, of a number as it is written */
    gsize len;
    gint64 number;
    double real;
} ConfPyToken;

typedef struct ConfPyLexer {
    ConfCursor at;
    ConfPyArena *arena;
    GError **error;
    unsigned n_open;
    struct {
        char bracket;
        ConfPos pos;
    } open[CONF_PY_MAX_NEST];
    unsigned n_indents;
    unsigned indents[CONF_PY_MAX_NEST];
    unsigned dedents; /* still to be handed out */
    bool line_start;
    bool ended; /* the newline that every program ends in was handed out */
} ConfPyLexer;

gboolean conf_py_lexer_init(ConfPyLexer *lexer, ConfPyArena *arena, const char *text, gsize len,
                            const char *file, GError **error);
gboolean conf_py_lex(ConfPyLexer *lexer, ConfPyToken *ret_token);

/* ---- the tree ---- */

typedef enum ConfPyNodeKind {
    /* statements; kids in this order ("?" = may be absent, "*" = any number) */
    CONF_PY_BLOCK,   /* statement* */
    CONF_PY_EXPR,    /* expression */
    CONF_PY_ASSIGN,  /* target+ value */
    CONF_PY_AUGMENT, /* target value; op */
    CONF_PY_IF,      /* (condition block)+ block? */
    CONF_PY_FOR,     /* target iterable block block? */
    CONF_PY_WHILE,   /* condition block block? */
    CONF_PY_DEF,     /* PARAM* block; text = name; op = 1: its form is outside the scope */
    CONF_PY_RETURN,  /* expression? */
    CONF_PY_RAISE,   /* expression* */
    CONF_PY_TRY,     /* block HANDLER* else? finally?; op & 1: there is an else, & 2: a finally */
    CONF_PY_HANDLER, /* type? block; text = name or NULL */
    CONF_PY_IMPORT,  /* ALIAS*; text = module of "from ... import", else NULL */
    CONF_PY_ALIAS,   /* text = what is imported ("*" too), kids NAME? = "as" */
    CONF_PY_GLOBAL,  /* NAME* */
    CONF_PY_DEL,     /* target* */
    CONF_PY_ASSERT,  /* expression, expression? */
    CONF_PY_PASS,    /* pass, print */
    CONF_PY_BREAK,
    CONF_PY_CONTINUE,
    CONF_PY_SKIPPED, /* outside the scope: text says why; kids: what would bind names */
    /* expressions */
    CONF_PY_NAME,     /* text */
    CONF_PY_INT,      /* number; text = as written */
    CONF_PY_FLOAT,    /* real */
    CONF_PY_STRING,   /* text, len */
    CONF_PY_LIST,     /* expression* */
    CONF_PY_TUPLE,    /* expression* */
    CONF_PY_DICT,     /* (key value)* */
    CONF_PY_COMP,     /* expression (COMP_FOR | COMP_IF)+; op = 'd': of a dict, of (key, value) */
    CONF_PY_COMP_FOR, /* target iterable */
    CONF_PY_COMP_IF,  /* condition */
    CONF_PY_LAMBDA,   /* PARAM* expression */
    CONF_PY_PARAM,    /* default?; text = name; op = '*' or 'P' (**): takes the rest */
    CONF_PY_CHOICE,   /* condition value-if-true value-if-false */
    CONF_PY_OR,       /* expression+ */
    CONF_PY_AND,      /* expression+ */
    CONF_PY_NOT,      /* expression */
    CONF_PY_COMPARE,  /* expression+; text = one operator letter between two each */
    CONF_PY_BINARY,   /* expression+; text = likewise */
    CONF_PY_UNARY,    /* expression; op */
    CONF_PY_TRAILERS, /* expression (CALL | INDEX | SLICE | ATTR)+ */
    CONF_PY_CALL,     /* (expression | KEYWORD)* */
    CONF_PY_KEYWORD,  /* expression; text = name */
    CONF_PY_STARRED,  /* expression; op = '*' or 'P' (**) */
    CONF_PY_INDEX,    /* expression */
    CONF_PY_SLICE,    /* lower upper step; NULL where absent */
    CONF_PY_ATTR,     /* text */
    CONF_PY_REPR,     /* expression: in backquotes */
    CONF_PY_OUTSIDE,  /* text says why */
} ConfPyNodeKind;

/* Operators are letters: + - * / % & | ^ ~ as they are, F = //, P = **, L = <<, R = >>,
 * < > as they are, = is ==, ! is !=, l = <=, g = >=, i = in, n = not in, s = is, S = is not. */

typedef struct ConfPyNode ConfPyNode;
struct ConfPyNode {
    guint8 kind; /* ConfPyNodeKind */
    char op;
    unsigned n_kids;
    ConfPos pos;
    ConfPyNode **kids;
    const char *text;
    union {
        gsize len;
        gint64 number;
        double real;
    };
};

/* NULL and "FILE:LINE:COLUMN: reason" for what is no Python. */
ConfPyNode *conf_py_parse(ConfPyArena *arena, const char *text, gsize len, const char *file,
                          GError **error);
