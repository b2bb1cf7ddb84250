/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens to a tree. Recursive descent, no deeper than CONF_PY_MAX_NEST levels of brackets, blocks
 * and prefix operators; what Python writes in a row (a + b + c, x.y(z)[0]) is one node with many
 * kids, so that a long row is not a deep tree.
 */
#include "conf-py-parse.h"

#include <string.h>

static ConfPyNode *parse_expression(ConfPyParser *p);

/* ---- tokens ---- */

gboolean
conf_py_next(ConfPyParser *p)
{
    return conf_py_lex(&p->lexer, &p->token);
}

static char *
describe(const ConfPyParser *p)
{
    switch (p->token.kind) {
    case CONF_PY_T_END:
        return g_strdup("the end of the file");
    case CONF_PY_T_NEWLINE:
        return g_strdup("the end of the line");
    case CONF_PY_T_INDENT:
        return g_strdup("an indented line");
    case CONF_PY_T_DEDENT:
        return g_strdup("the end of the block");
    case CONF_PY_T_STRING:
        return g_strdup("a string");
    case CONF_PY_T_INT:
    case CONF_PY_T_FLOAT:
    case CONF_PY_T_OUTSIDE:
        return g_strdup("a number");
    case CONF_PY_T_NAME:
    case CONF_PY_T_KEYWORD:
    case CONF_PY_T_OP:
    default:
        return g_strdup_printf("'%.40s'", p->token.text);
    }
}

gpointer
conf_py_fail(ConfPyParser *p, const char *expected)
{
    g_autofree char *found = describe(p);

    conf_error_at(p->error, CONF_ERROR_SYNTAX, p->lexer.at.file, p->token.pos,
                  "expected %s but found %s", expected, found);
    return NULL;
}

/* Between brackets a '=' or a word in a later line is most likely the next setting. */
static gpointer
fail_open(ConfPyParser *p, ConfPos opened, const char *bracket, const char *expected)
{
    bool later = p->token.pos.line > opened.line;

    if (!conf_py_at_op(p, "=") && !(later && p->token.kind == CONF_PY_T_NAME) &&
        !(later && p->token.kind == CONF_PY_T_KEYWORD))
        return conf_py_fail(p, expected);
    conf_error_at(p->error, CONF_ERROR_SYNTAX, p->lexer.at.file, opened,
                  "'%s' opened here is not closed before line %u", bracket, p->token.pos.line);
    return NULL;
}

gboolean
conf_py_expect_op(ConfPyParser *p, const char *op)
{
    g_autofree char *quoted = NULL;

    if (conf_py_at_op(p, op))
        return conf_py_next(p);
    quoted = g_strdup_printf("'%s'", op);
    conf_py_fail(p, quoted);
    return FALSE;
}

gboolean
conf_py_deeper(ConfPyParser *p)
{
    if (++p->depth <= CONF_PY_MAX_NEST)
        return TRUE;
    conf_error_at(p->error, CONF_ERROR_LIMIT, p->lexer.at.file, p->token.pos,
                  "more than %d levels inside each other", CONF_PY_MAX_NEST);
    return FALSE;
}

/* ---- nodes ---- */

ConfPyNode *
conf_py_new_node(ConfPyParser *p, ConfPyNodeKind kind, ConfPos pos)
{
    ConfPyNode *node = CONF_PY_NEW(p->arena, ConfPyNode);

    node->kind = (guint8)kind;
    node->pos = pos;
    return node;
}

void
conf_py_add(ConfPyParser *p, ConfPyKids *kids, ConfPyNode *node)
{
    if (kids->n == kids->size) {
        unsigned size = MAX(4, kids->size * 2);
        ConfPyNode **items = CONF_PY_NEW_ARRAY(p->arena, ConfPyNode *, size);

        if (kids->n > 0)
            memcpy(items, kids->items, kids->n * sizeof(ConfPyNode *));
        kids->items = items;
        kids->size = size;
    }
    kids->items[kids->n++] = node;
}

ConfPyNode *
conf_py_set_kids(ConfPyParser *p, ConfPyNode *node, const ConfPyKids *kids)
{
    node->n_kids = kids->n;
    node->kids = kids->items;
    return node;
}

ConfPyNode *
conf_py_set_kid(ConfPyParser *p, ConfPyNode *node, ConfPyNode *kid)
{
    node->n_kids = 1;
    node->kids = CONF_PY_NEW(p->arena, ConfPyNode *);
    node->kids[0] = kid;
    return node;
}

/* Reads an expression and puts it among the kids. */
gboolean
conf_py_add_expression(ConfPyParser *p, ConfPyKids *kids)
{
    ConfPyNode *node = parse_expression(p);

    if (node == NULL)
        return FALSE;
    conf_py_add(p, kids, node);
    return TRUE;
}

/* ---- parameters: of def and lambda ---- */

/* (a, b) among the parameters. */
static gboolean
skip_tuple_param(ConfPyParser *p)
{
    unsigned depth = p->lexer.n_open;

    while (p->lexer.n_open >= depth) {
        if (!conf_py_next(p))
            return FALSE;
    }
    return conf_py_next(p);
}

/* Up to `end`, which stays. What is no name sets *ret_outside. */
gboolean
conf_py_parse_params(ConfPyParser *p, ConfPyKids *kids, const char *end, bool *ret_outside)
{
    while (!conf_py_at_op(p, end)) {
        ConfPyNode *param;
        char op = conf_py_at_op(p, "*") ? '*' : conf_py_at_op(p, "**") ? 'P' : '\0';

        if (op != '\0' && !conf_py_next(p))
            return FALSE;
        if (conf_py_at_op(p, "(")) {
            *ret_outside = true;
            if (!skip_tuple_param(p))
                return FALSE;
            if (conf_py_at_op(p, ",") && !conf_py_next(p))
                return FALSE;
            continue;
        }
        if (p->token.kind != CONF_PY_T_NAME)
            return conf_py_fail(p, "the name of a parameter") != NULL;
        param = conf_py_new_node(p, CONF_PY_PARAM, p->token.pos);
        param->text = p->token.text;
        param->op = op;
        conf_py_add(p, kids, param);
        if (!conf_py_next(p))
            return FALSE;
        if (conf_py_at_op(p, "=")) {
            ConfPyNode *value = conf_py_next(p) ? parse_expression(p) : NULL;

            if (value == NULL)
                return FALSE;
            conf_py_set_kid(p, param, value);
        }
        if (!conf_py_at_op(p, ",") && !conf_py_at_op(p, end))
            return conf_py_fail(p, "',' between parameters") != NULL;
        if (conf_py_at_op(p, ",") && !conf_py_next(p))
            return FALSE;
    }
    return TRUE;
}

static ConfPyNode *
parse_lambda(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_LAMBDA, p->token.pos);
    bool outside = false;

    if (!conf_py_next(p) || !conf_py_parse_params(p, &kids, ":", &outside) || !conf_py_next(p) ||
        !conf_py_add_expression(p, &kids))
        return NULL;
    node->op = outside;
    node->text = "lambda";
    return conf_py_set_kids(p, node, &kids);
}

/* ---- displays: ( ) [ ] { } ---- */

static ConfPyNode *parse_or(ConfPyParser *p);

/* "for x in y if z ..." behind `element`, up to the closing bracket, which stays. A generator
 * expression is read as if it were a list: what it is used for here gives the same. */
static ConfPyNode *
parse_comprehension(ConfPyParser *p, ConfPyNode *element, ConfPos pos)
{
    ConfPyKids kids = { 0 };

    conf_py_add(p, &kids, element);
    while (conf_py_at_word(p, "for") || conf_py_at_word(p, "if")) {
        ConfPyKids parts = { 0 };
        bool is_for = conf_py_at_word(p, "for");
        ConfPyNode *clause = conf_py_new_node(p, is_for ? CONF_PY_COMP_FOR : CONF_PY_COMP_IF,
                                              p->token.pos);
        ConfPyNode *part;

        if (!conf_py_next(p))
            return NULL;
        if (is_for) {
            part = conf_py_parse_targets(p);
            if (part == NULL)
                return NULL;
            conf_py_add(p, &parts, part);
            if (!conf_py_at_word(p, "in"))
                return conf_py_fail(p, "'in'");
            if (!conf_py_next(p))
                return NULL;
        }
        part = parse_or(p);
        if (part == NULL)
            return NULL;
        conf_py_add(p, &parts, part);
        conf_py_add(p, &kids, conf_py_set_kids(p, clause, &parts));
    }
    return conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_COMP, pos), &kids);
}

/* Expressions with commas between them and one perhaps behind the last, up to `end`. */
static gboolean
parse_items(ConfPyParser *p, ConfPyKids *kids, ConfPos opened, const char *begin, const char *end,
            bool *ret_comma)
{
    g_autofree char *expected = g_strdup_printf("',' or '%s'", end);

    while (!conf_py_at_op(p, end)) {
        if (!conf_py_add_expression(p, kids))
            return FALSE;
        if (conf_py_at_op(p, ",")) {
            *ret_comma = true;
            if (!conf_py_next(p))
                return FALSE;
        } else if (!conf_py_at_op(p, end)) {
            return kids->n == 1 && conf_py_at_word(p, "for")
                       ? TRUE
                       : fail_open(p, opened, begin, expected) != NULL;
        }
    }
    return TRUE;
}

static ConfPyNode *
parse_bracketed(ConfPyParser *p, const char *begin, const char *end)
{
    ConfPyKids kids = { 0 };
    ConfPos pos = p->token.pos;
    bool is_list = g_str_equal(begin, "[");
    bool comma = false;
    ConfPyNode *node;

    if (!conf_py_next(p) || !parse_items(p, &kids, pos, begin, end, &comma))
        return NULL;
    if (conf_py_at_word(p, "for")) {
        node = parse_comprehension(p, kids.items[0], pos);
        if (node != NULL && !conf_py_at_op(p, end))
            return fail_open(p, pos, begin, "the closing bracket");
    } else if (!is_list && kids.n == 1 && !comma) {
        node = kids.items[0];
    } else {
        node = conf_py_set_kids(p, conf_py_new_node(p, is_list ? CONF_PY_LIST : CONF_PY_TUPLE, pos),
                                &kids);
    }
    return node != NULL && conf_py_next(p) ? node : NULL;
}

/* Up to the closing brace of something in braces that is no plain dict. `depth` is how many
 * brackets were open behind the opening one. */
static ConfPyNode *
skip_braces(ConfPyParser *p, ConfPos pos, unsigned depth)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_OUTSIDE, pos);

    node->text = "a set";
    while (p->lexer.n_open >= depth) {
        if (!conf_py_next(p))
            return NULL;
    }
    return conf_py_next(p) ? node : NULL;
}

/* {key: value for ...}, the two of which are read. */
static ConfPyNode *
parse_dict_comprehension(ConfPyParser *p, ConfPyKids *pair, ConfPos pos)
{
    ConfPyNode *node = conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_TUPLE, pos), pair);

    node = parse_comprehension(p, node, pos);
    if (node == NULL)
        return NULL;
    if (!conf_py_at_op(p, "}"))
        return fail_open(p, pos, "{", "'}'");
    node->op = 'd';
    return conf_py_next(p) ? node : NULL;
}

static ConfPyNode *
parse_dict(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPos pos = p->token.pos;
    unsigned depth = p->lexer.n_open;

    if (!conf_py_next(p))
        return NULL;
    while (!conf_py_at_op(p, "}")) {
        if (!conf_py_add_expression(p, &kids))
            return NULL;
        if (conf_py_at_op(p, ",") || conf_py_at_op(p, "}") || conf_py_at_word(p, "for"))
            return skip_braces(p, pos, depth);
        if (!conf_py_at_op(p, ":"))
            return fail_open(p, pos, "{", "':'");
        if (!conf_py_next(p) || !conf_py_add_expression(p, &kids))
            return NULL;
        if (conf_py_at_word(p, "for") && kids.n == 2)
            return parse_dict_comprehension(p, &kids, pos);
        if (!conf_py_at_op(p, ",") && !conf_py_at_op(p, "}"))
            return fail_open(p, pos, "{", "',' or '}'");
        if (conf_py_at_op(p, ",") && !conf_py_next(p))
            return NULL;
    }
    return conf_py_next(p) ? conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_DICT, pos), &kids)
                           : NULL;
}

/* ---- atoms ---- */

/* Literals that stand beside each other are one. */
static ConfPyNode *
parse_strings(ConfPyParser *p)
{
    g_autoptr(GString) text = g_string_new(NULL);
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_STRING, p->token.pos);
    const char *first = p->token.text;
    unsigned count = 0;

    for (; p->token.kind == CONF_PY_T_STRING; count++) {
        g_string_append_len(text, p->token.text, (gssize)p->token.len);
        if (!conf_py_next(p))
            return NULL;
    }
    node->text = count == 1 ? first : conf_py_strndup(p->arena, text->str, text->len);
    node->len = text->len;
    return node;
}

static ConfPyNode *
parse_backquotes(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_REPR, p->token.pos);
    ConfPyNode *inner = conf_py_next(p) ? conf_py_parse_testlist(p) : NULL;

    return inner != NULL && conf_py_expect_op(p, "`") ? conf_py_set_kid(p, node, inner) : NULL;
}

static ConfPyNode *
parse_yield(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_OUTSIDE, p->token.pos);

    node->text = "yield";
    p->yields = true;
    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind != CONF_PY_T_NEWLINE && !conf_py_at_op(p, ")") && !conf_py_at_op(p, ";") &&
        conf_py_parse_testlist(p) == NULL)
        return NULL;
    return node;
}

ConfPyNode *
conf_py_parse_word(ConfPyParser *p)
{
    static const ConfPyNodeKind kinds[] = {
        [CONF_PY_T_NAME] = CONF_PY_NAME,
        [CONF_PY_T_INT] = CONF_PY_INT,
        [CONF_PY_T_FLOAT] = CONF_PY_FLOAT,
        [CONF_PY_T_OUTSIDE] = CONF_PY_OUTSIDE,
    };
    ConfPyNode *node = conf_py_new_node(p, kinds[p->token.kind], p->token.pos);

    node->text = p->token.text;
    if (p->token.kind == CONF_PY_T_FLOAT)
        node->real = p->token.real;
    else
        node->number = p->token.number;
    return conf_py_next(p) ? node : NULL;
}

static ConfPyNode *
parse_atom(ConfPyParser *p)
{
    switch (p->token.kind) {
    case CONF_PY_T_NAME:
    case CONF_PY_T_INT:
    case CONF_PY_T_FLOAT:
    case CONF_PY_T_OUTSIDE:
        return conf_py_parse_word(p);
    case CONF_PY_T_STRING:
        return parse_strings(p);
    case CONF_PY_T_KEYWORD:
        if (conf_py_at_word(p, "yield"))
            return parse_yield(p);
        break;
    case CONF_PY_T_OP:
        if (conf_py_at_op(p, "("))
            return parse_bracketed(p, "(", ")");
        if (conf_py_at_op(p, "["))
            return parse_bracketed(p, "[", "]");
        if (conf_py_at_op(p, "{"))
            return parse_dict(p);
        if (conf_py_at_op(p, "`"))
            return parse_backquotes(p);
        break;
    case CONF_PY_T_END:
    case CONF_PY_T_NEWLINE:
    case CONF_PY_T_INDENT:
    case CONF_PY_T_DEDENT:
    default:
        break;
    }
    return conf_py_fail(p, "a value");
}

/* ---- trailers: f(x), a[i], a[i:j], a.b ---- */

static ConfPyNode *
parse_argument(ConfPyParser *p)
{
    ConfPyNode *value = parse_expression(p);
    ConfPyNode *keyword;

    if (value == NULL)
        return NULL;
    if (conf_py_at_word(p, "for"))
        return parse_comprehension(p, value, value->pos);
    if (!conf_py_at_op(p, "="))
        return value;
    if (value->kind != CONF_PY_NAME)
        return conf_py_fail(p, "',' or ')'");
    keyword = conf_py_new_node(p, CONF_PY_KEYWORD, value->pos);
    keyword->text = value->text;
    value = conf_py_next(p) ? parse_expression(p) : NULL;
    return value != NULL ? conf_py_set_kid(p, keyword, value) : NULL;
}

static ConfPyNode *
parse_call(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_CALL, p->token.pos);

    if (!conf_py_next(p))
        return NULL;
    while (!conf_py_at_op(p, ")")) {
        ConfPyNode *argument;

        char op = conf_py_at_op(p, "*") ? '*' : conf_py_at_op(p, "**") ? 'P' : '\0';

        if (op != '\0' && !conf_py_next(p))
            return NULL;
        argument = op != '\0' ? parse_expression(p) : parse_argument(p);
        if (argument == NULL)
            return NULL;
        if (op != '\0') {
            ConfPyNode *starred = conf_py_new_node(p, CONF_PY_STARRED, argument->pos);

            starred->op = op;
            argument = conf_py_set_kid(p, starred, argument);
        }
        conf_py_add(p, &kids, argument);
        if (!conf_py_at_op(p, ",") && !conf_py_at_op(p, ")"))
            return fail_open(p, node->pos, "(", "',' or ')'");
        if (conf_py_at_op(p, ",") && !conf_py_next(p))
            return NULL;
    }
    return conf_py_next(p) ? conf_py_set_kids(p, node, &kids) : NULL;
}

static ConfPyNode *
parse_subscript(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_INDEX, p->token.pos);
    ConfPyNode *parts[3] = { NULL, NULL, NULL };
    unsigned n = 0;

    if (!conf_py_next(p))
        return NULL;
    for (; n < 3; n++) {
        if (!conf_py_at_op(p, ":") && !conf_py_at_op(p, "]")) {
            parts[n] = n == 0 ? conf_py_parse_testlist(p) : parse_expression(p);
            if (parts[n] == NULL)
                return NULL;
        }
        if (!conf_py_at_op(p, ":"))
            break;
        if (n < 2)
            node->kind = CONF_PY_SLICE;
        if (!conf_py_next(p))
            return NULL;
    }
    if (!conf_py_at_op(p, "]"))
        return fail_open(p, node->pos, "[", "']'");
    if (node->kind == CONF_PY_INDEX && parts[0] == NULL)
        return conf_py_fail(p, "an index");
    node->n_kids = node->kind == CONF_PY_SLICE ? 3 : 1;
    node->kids = CONF_PY_NEW_ARRAY(p->arena, ConfPyNode *, 3);
    memcpy(node->kids, parts, sizeof(parts));
    return conf_py_next(p) ? node : NULL;
}

static ConfPyNode *
parse_attribute(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_ATTR, p->token.pos);

    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind != CONF_PY_T_NAME)
        return conf_py_fail(p, "a name behind '.'");
    node->pos = p->token.pos;
    node->text = p->token.text;
    return conf_py_next(p) ? node : NULL;
}

static ConfPyNode *
parse_trailers(ConfPyParser *p)
{
    ConfPyNode *base = parse_atom(p);
    ConfPyKids kids = { 0 };

    if (base == NULL)
        return NULL;
    while (conf_py_at_op(p, "(") || conf_py_at_op(p, "[") || conf_py_at_op(p, ".")) {
        ConfPyNode *trailer = conf_py_at_op(p, "(")   ? parse_call(p)
                              : conf_py_at_op(p, "[") ? parse_subscript(p)
                                                      : parse_attribute(p);

        if (trailer == NULL)
            return NULL;
        if (kids.n == 0) {
            conf_py_add(p, &kids, base);
        }
        conf_py_add(p, &kids, trailer);
    }
    return kids.n == 0
               ? base
               : conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_TRAILERS, base->pos), &kids);
}

/* ---- operators ---- */

/* Binds tightest last. */
static const struct {
    const char *op;
    int level;
    char letter;
} binary_ops[] = {
    { "|", 0, '|' },  { "^", 1, '^' },  { "&", 2, '&' }, { "<<", 3, 'L' },
    { ">>", 3, 'R' }, { "+", 4, '+' },  { "-", 4, '-' }, { "*", 5, '*' },
    { "/", 5, '/' },  { "//", 5, 'F' }, { "%", 5, '%' },
};

/* The operator's letter, and how tight it binds; '\0' where there is none. */
static char
binary_op_at(const ConfPyParser *p, int *ret_level)
{
    for (gsize i = 0; p->token.kind == CONF_PY_T_OP && i < G_N_ELEMENTS(binary_ops); i++) {
        if (conf_py_at_op(p, binary_ops[i].op)) {
            *ret_level = binary_ops[i].level;
            return binary_ops[i].letter;
        }
    }
    *ret_level = -1;
    return '\0';
}

static ConfPyNode *parse_unary(ConfPyParser *p);

static ConfPyNode *
parse_power(ConfPyParser *p)
{
    ConfPyNode *base = parse_trailers(p);
    ConfPyKids kids = { 0 };
    ConfPyNode *exponent;

    if (base == NULL || !conf_py_at_op(p, "**"))
        return base;
    conf_py_add(p, &kids, base);
    if (!conf_py_next(p) || !conf_py_deeper(p))
        return NULL;
    exponent = parse_unary(p);
    p->depth--;
    if (exponent == NULL)
        return NULL;
    conf_py_add(p, &kids, exponent);

    ConfPyNode *node = conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_BINARY, base->pos), &kids);

    node->text = "P";
    return node;
}

static ConfPyNode *
parse_unary(ConfPyParser *p)
{
    ConfPyNode *node, *kid;

    if (!conf_py_at_op(p, "-") && !conf_py_at_op(p, "+") && !conf_py_at_op(p, "~"))
        return parse_power(p);
    node = conf_py_new_node(p, CONF_PY_UNARY, p->token.pos);
    node->op = p->token.text[0];
    if (!conf_py_next(p) || !conf_py_deeper(p))
        return NULL;
    kid = parse_unary(p);
    p->depth--;
    return kid != NULL ? conf_py_set_kid(p, node, kid) : NULL;
}

static ConfPyNode *parse_binary(ConfPyParser *p, int level);

/* What stands behind `first` and binds as tight as `level` or tighter. */
static ConfPyNode *
parse_operands(ConfPyParser *p, int level, ConfPyNode *first)
{
    ConfPyKids kids = { 0 };
    g_autoptr(GString) ops = NULL;
    ConfPyNode *node;
    int found;
    char op = binary_op_at(p, &found);

    if (found < level)
        return first;
    if (found > level) {
        first = parse_operands(p, level + 1, first);
        op = first != NULL ? binary_op_at(p, &found) : '\0';
        if (first == NULL || found != level)
            return first;
    }
    ops = g_string_new(NULL);
    conf_py_add(p, &kids, first);
    for (; found == level; op = binary_op_at(p, &found)) {
        g_string_append_c(ops, op);
        node = conf_py_next(p) ? parse_binary(p, level + 1) : NULL;
        if (node == NULL)
            return NULL;
        conf_py_add(p, &kids, node);
    }
    node = conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_BINARY, first->pos), &kids);
    node->text = conf_py_strndup(p->arena, ops->str, ops->len);
    return node;
}

static ConfPyNode *
parse_binary(ConfPyParser *p, int level)
{
    ConfPyNode *first = parse_unary(p);

    return first != NULL ? parse_operands(p, level, first) : NULL;
}

/* The operator's letter, and the cursor behind it; '\0' and no move when there is none. *ret_ok is
 * false when the text is wrong. */
static char
take_comparison(ConfPyParser *p, bool *ret_ok)
{
    static const struct {
        const char *op;
        char letter;
    } ops[] = { { "<", '<' },  { ">", '>' },  { "==", '=' }, { "!=", '!' },
                { "<>", '!' }, { "<=", 'l' }, { ">=", 'g' } };

    for (gsize i = 0; p->token.kind == CONF_PY_T_OP && i < G_N_ELEMENTS(ops); i++) {
        if (conf_py_at_op(p, ops[i].op)) {
            *ret_ok = conf_py_next(p);
            return ops[i].letter;
        }
    }
    if (conf_py_at_word(p, "in")) {
        *ret_ok = conf_py_next(p);
        return 'i';
    }
    if (conf_py_at_word(p, "is")) {
        *ret_ok = conf_py_next(p);
        if (!*ret_ok || !conf_py_at_word(p, "not"))
            return 's';
        *ret_ok = conf_py_next(p);
        return 'S';
    }
    if (conf_py_at_word(p, "not")) {
        *ret_ok = conf_py_next(p) &&
                  (conf_py_at_word(p, "in") || conf_py_fail(p, "'in'") != NULL) && conf_py_next(p);
        return 'n';
    }
    return '\0';
}

static ConfPyNode *
parse_comparison(ConfPyParser *p)
{
    ConfPyNode *first = parse_binary(p, 0), *node;
    ConfPyKids kids = { 0 };
    g_autoptr(GString) ops = NULL;
    bool ok = true;
    char op = first != NULL ? take_comparison(p, &ok) : '\0';

    if (op == '\0')
        return first;
    ops = g_string_new(NULL);
    conf_py_add(p, &kids, first);
    for (; op != '\0'; op = take_comparison(p, &ok)) {
        node = ok ? parse_binary(p, 0) : NULL;
        if (node == NULL)
            return NULL;
        g_string_append_c(ops, op);
        conf_py_add(p, &kids, node);
    }
    node = conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_COMPARE, first->pos), &kids);
    node->text = conf_py_strndup(p->arena, ops->str, ops->len);
    return node;
}

static ConfPyNode *
parse_not(ConfPyParser *p)
{
    ConfPyNode *node, *kid;

    if (!conf_py_at_word(p, "not"))
        return parse_comparison(p);
    node = conf_py_new_node(p, CONF_PY_NOT, p->token.pos);
    if (!conf_py_next(p) || !conf_py_deeper(p))
        return NULL;
    kid = parse_not(p);
    p->depth--;
    return kid != NULL ? conf_py_set_kid(p, node, kid) : NULL;
}

static ConfPyNode *
parse_chain(ConfPyParser *p, const char *word, ConfPyNodeKind kind,
            ConfPyNode *(*parse_kid)(ConfPyParser *))
{
    ConfPyNode *first = parse_kid(p);
    ConfPyKids kids = { 0 };

    if (first == NULL || !conf_py_at_word(p, word))
        return first;
    conf_py_add(p, &kids, first);
    while (conf_py_at_word(p, word)) {
        ConfPyNode *kid = conf_py_next(p) ? parse_kid(p) : NULL;

        if (kid == NULL)
            return NULL;
        conf_py_add(p, &kids, kid);
    }
    return conf_py_set_kids(p, conf_py_new_node(p, kind, first->pos), &kids);
}

static ConfPyNode *
parse_and(ConfPyParser *p)
{
    return parse_chain(p, "and", CONF_PY_AND, parse_not);
}

static ConfPyNode *
parse_or(ConfPyParser *p)
{
    return parse_chain(p, "or", CONF_PY_OR, parse_and);
}

static ConfPyNode *
parse_choice(ConfPyParser *p)
{
    ConfPyNode *value = parse_or(p);
    ConfPyKids kids = { 0 };
    ConfPyNode *part;

    /* Inside a comprehension "if" is its own; there parse_or() is called and not this. */
    if (value == NULL || !conf_py_at_word(p, "if"))
        return value;
    part = conf_py_next(p) ? parse_or(p) : NULL;
    if (part == NULL)
        return NULL;
    conf_py_add(p, &kids, part);
    conf_py_add(p, &kids, value);
    if (!conf_py_at_word(p, "else"))
        return conf_py_fail(p, "'else'");
    if (!conf_py_next(p) || !conf_py_add_expression(p, &kids))
        return NULL;
    return conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_CHOICE, value->pos), &kids);
}

static ConfPyNode *
parse_expression(ConfPyParser *p)
{
    ConfPyNode *node;

    if (!conf_py_deeper(p))
        return NULL;
    node = conf_py_at_word(p, "lambda") ? parse_lambda(p) : parse_choice(p);
    p->depth--;
    return node;
}

static bool
at_list_end(const ConfPyParser *p)
{
    static const char *const ends[] = { "=",  ")",   "]",   "}",   ";",  ":",  "`",
                                        "+=", "-=",  "*=",  "/=",  "%=", "&=", "|=",
                                        "^=", "**=", "//=", "<<=", ">>=" };

    for (gsize i = 0; p->token.kind == CONF_PY_T_OP && i < G_N_ELEMENTS(ends); i++) {
        if (conf_py_at_op(p, ends[i]))
            return true;
    }
    return p->token.kind == CONF_PY_T_NEWLINE || conf_py_at_word(p, "in");
}

/* One expression, or with commas a tuple. */
static ConfPyNode *
parse_list_of(ConfPyParser *p, ConfPyNode *(*parse_item)(ConfPyParser *))
{
    ConfPyNode *first = parse_item(p);
    ConfPyKids kids = { 0 };

    if (first == NULL || !conf_py_at_op(p, ","))
        return first;
    conf_py_add(p, &kids, first);
    while (conf_py_at_op(p, ",")) {
        ConfPyNode *item;

        if (!conf_py_next(p))
            return NULL;
        if (at_list_end(p))
            break;
        item = parse_item(p);
        if (item == NULL)
            return NULL;
        conf_py_add(p, &kids, item);
    }
    return conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_TUPLE, first->pos), &kids);
}

ConfPyNode *
conf_py_parse_testlist(ConfPyParser *p)
{
    return parse_list_of(p, parse_expression);
}

/* ---- targets of assignments ---- */

gboolean
conf_py_check_target(ConfPyParser *p, const ConfPyNode *node)
{
    const ConfPyNode *last;

    switch (node->kind) {
    case CONF_PY_NAME:
        return TRUE;
    case CONF_PY_TUPLE:
    case CONF_PY_LIST:
        for (unsigned i = 0; i < node->n_kids; i++) {
            if (!conf_py_check_target(p, node->kids[i]))
                return FALSE;
        }
        return TRUE;
    case CONF_PY_TRAILERS:
        last = node->kids[node->n_kids - 1];
        if (last->kind != CONF_PY_CALL)
            return TRUE;
        break;
    default:
        break;
    }
    conf_error_at(p->error, CONF_ERROR_SYNTAX, p->lexer.at.file, node->pos,
                  "nothing can be assigned to this");
    return FALSE;
}

/* Of for: no "in" of a comparison may swallow the one that follows. */
ConfPyNode *
conf_py_parse_targets(ConfPyParser *p)
{
    ConfPyNode *node = parse_list_of(p, parse_trailers);

    return node != NULL && conf_py_check_target(p, node) ? node : NULL;
}
