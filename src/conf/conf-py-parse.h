/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by conf-py-parse.c (expressions) and conf-py-stmt.c (statements). */
#pragma once

#include "conf-py.h"

#include <string.h>

typedef struct ConfPyParser {
    ConfPyLexer lexer;
    ConfPyToken token; /* the one to look at */
    ConfPyArena *arena;
    GError **error;
    unsigned depth;
    bool yields;    /* the function around has a yield in it */
    unsigned loops; /* around, in the same function */
} ConfPyParser;

/* To the next token. FALSE and an error where there is none. */
gboolean conf_py_next(ConfPyParser *p);
/* These are asked some dozen times for each expression: most often the first letter tells. */
static inline bool
conf_py_at_op(const ConfPyParser *p, const char *op)
{
    return p->token.kind == CONF_PY_T_OP && p->token.text[0] == op[0] &&
           strcmp(p->token.text, op) == 0;
}

static inline bool
conf_py_at_word(const ConfPyParser *p, const char *keyword)
{
    return p->token.kind == CONF_PY_T_KEYWORD && p->token.text[0] == keyword[0] &&
           strcmp(p->token.text, keyword) == 0;
}

/* Sets the error "expected ... but found ..."; NULL, always. */
gpointer conf_py_fail(ConfPyParser *p, const char *expected);
gboolean conf_py_expect_op(ConfPyParser *p, const char *op);
/* One level down; who comes back up takes one off `depth`. */
gboolean conf_py_deeper(ConfPyParser *p);

/* Nodes one after the other, in the arena; begin with { 0 }. */
typedef struct ConfPyKids {
    ConfPyNode **items;
    unsigned n, size;
} ConfPyKids;

void conf_py_add(ConfPyParser *p, ConfPyKids *kids, ConfPyNode *node);

ConfPyNode *conf_py_new_node(ConfPyParser *p, ConfPyNodeKind kind, ConfPos pos);
ConfPyNode *conf_py_set_kids(ConfPyParser *p, ConfPyNode *node, const ConfPyKids *kids);
ConfPyNode *conf_py_set_kid(ConfPyParser *p, ConfPyNode *node, ConfPyNode *kid);

/* One expression, or with commas a tuple. */
ConfPyNode *conf_py_parse_testlist(ConfPyParser *p);
/* Parses an expression and puts it among the kids. */
gboolean conf_py_add_expression(ConfPyParser *p, ConfPyKids *kids);
ConfPyNode *conf_py_parse_targets(ConfPyParser *p);
gboolean conf_py_check_target(ConfPyParser *p, const ConfPyNode *node);
/* The token, which is a name or a number, as a node. */
ConfPyNode *conf_py_parse_word(ConfPyParser *p);
/* Up to `end`, which stays. What is not a plain name with or without a default sets *ret_outside.
 */
gboolean conf_py_parse_params(ConfPyParser *p, ConfPyKids *kids, const char *end,
                              bool *ret_outside);
