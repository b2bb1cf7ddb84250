/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The statements of conf-py.h's Python, simple ones first. */
#include "conf-py-parse.h"

#include <string.h>

static ConfPyNode *parse_statement(ConfPyParser *p);

/* ---- assignments ---- */

static ConfPyNode *
parse_augment(ConfPyParser *p, ConfPyNode *target)
{
    static const struct {
        const char *op;
        char letter;
    } ops[] = { { "+=", '+' },  { "-=", '-' },  { "*=", '*' },  { "/=", '/' },
                { "%=", '%' },  { "&=", '&' },  { "|=", '|' },  { "^=", '^' },
                { "**=", 'P' }, { "//=", 'F' }, { "<<=", 'L' }, { ">>=", 'R' } };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_AUGMENT, target->pos);
    ConfPyKids kids = { 0 };
    ConfPyNode *value;

    for (gsize i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (conf_py_at_op(p, ops[i].op))
            node->op = ops[i].letter;
    }
    if (node->op == '\0')
        return conf_py_fail(p, "the end of the line, '=' or an operator");
    if (!conf_py_check_target(p, target))
        return NULL;
    value = conf_py_next(p) ? conf_py_parse_testlist(p) : NULL;
    if (value == NULL)
        return NULL;
    conf_py_add(p, &kids, target);
    conf_py_add(p, &kids, value);
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_expression_statement(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *first = conf_py_parse_testlist(p);

    if (first == NULL)
        return NULL;
    if (p->token.kind == CONF_PY_T_NEWLINE || conf_py_at_op(p, ";"))
        return conf_py_set_kid(p, conf_py_new_node(p, CONF_PY_EXPR, first->pos), first);
    if (!conf_py_at_op(p, "="))
        return parse_augment(p, first);
    conf_py_add(p, &kids, first);
    while (conf_py_at_op(p, "=")) {
        ConfPyNode *value;

        if (!conf_py_check_target(p, kids.items[kids.n - 1]) || !conf_py_next(p))
            return NULL;
        value = conf_py_parse_testlist(p);
        if (value == NULL)
            return NULL;
        conf_py_add(p, &kids, value);
    }
    return conf_py_set_kids(p, conf_py_new_node(p, CONF_PY_ASSIGN, first->pos), &kids);
}

/* ---- simple statements ---- */

/* The rest of a print or exec statement, unread. */
static ConfPyNode *
skip_simple(ConfPyParser *p, ConfPyNode *node)
{
    do {
        if (!conf_py_next(p))
            return NULL;
    } while (p->token.kind != CONF_PY_T_NEWLINE && !conf_py_at_op(p, ";"));
    return node;
}

static char *
parse_dotted_name(ConfPyParser *p)
{
    g_autoptr(GString) name = g_string_new(NULL);

    for (;;) {
        if (p->token.kind != CONF_PY_T_NAME)
            return conf_py_fail(p, "the name of a module");
        g_string_append(name, p->token.text);
        if (!conf_py_next(p))
            return NULL;
        if (!conf_py_at_op(p, "."))
            return conf_py_strndup(p->arena, name->str, name->len);
        g_string_append_c(name, '.');
        if (!conf_py_next(p))
            return NULL;
    }
}

static ConfPyNode *
parse_alias(ConfPyParser *p, bool dotted)
{
    ConfPyNode *alias = conf_py_new_node(p, CONF_PY_ALIAS, p->token.pos);
    ConfPyNode *name;

    if (dotted) {
        alias->text = parse_dotted_name(p);
        if (alias->text == NULL)
            return NULL;
    } else if (p->token.kind == CONF_PY_T_NAME || conf_py_at_op(p, "*")) {
        alias->text = p->token.text;
        if (!conf_py_next(p))
            return NULL;
    } else {
        return conf_py_fail(p, "a name to import");
    }
    if (!conf_py_at_word(p, "as"))
        return alias;
    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind != CONF_PY_T_NAME)
        return conf_py_fail(p, "a name behind 'as'");
    name = conf_py_parse_word(p);
    return name != NULL ? conf_py_set_kid(p, alias, name) : NULL;
}

static ConfPyNode *
parse_import(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_IMPORT, p->token.pos);
    bool from = conf_py_at_word(p, "from"), bracket;

    if (!conf_py_next(p))
        return NULL;
    if (from) {
        node->text = parse_dotted_name(p);
        if (node->text == NULL)
            return NULL;
        if (!conf_py_at_word(p, "import"))
            return conf_py_fail(p, "'import'");
        if (!conf_py_next(p))
            return NULL;
    }
    bracket = from && conf_py_at_op(p, "(");
    if (bracket && !conf_py_next(p))
        return NULL;
    for (;;) {
        ConfPyNode *alias = parse_alias(p, !from);

        if (alias == NULL)
            return NULL;
        conf_py_add(p, &kids, alias);
        if (!conf_py_at_op(p, ","))
            break;
        if (!conf_py_next(p))
            return NULL;
        if (bracket && conf_py_at_op(p, ")"))
            break;
    }
    if (bracket && !conf_py_expect_op(p, ")"))
        return NULL;
    return conf_py_set_kids(p, node, &kids);
}

/* A keyword and expressions with commas between them, perhaps none. */
static ConfPyNode *
parse_keyword_list(ConfPyParser *p, ConfPyNodeKind kind, unsigned min, unsigned max)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, kind, p->token.pos);

    if (!conf_py_next(p))
        return NULL;
    while (p->token.kind != CONF_PY_T_NEWLINE && !conf_py_at_op(p, ";")) {
        if (!conf_py_add_expression(p, &kids) ||
            (kind == CONF_PY_DEL && !conf_py_check_target(p, kids.items[kids.n - 1])))
            return NULL;
        if (!conf_py_at_op(p, ","))
            break;
        if (!conf_py_next(p))
            return NULL;
    }
    if (kids.n < min)
        return conf_py_fail(p, "a value");
    if (kids.n > max)
        return conf_py_fail(p, "less");
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_return(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_RETURN, p->token.pos);
    ConfPyNode *value;

    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind == CONF_PY_T_NEWLINE || conf_py_at_op(p, ";"))
        return node;
    value = conf_py_parse_testlist(p);
    return value != NULL ? conf_py_set_kid(p, node, value) : NULL;
}

static ConfPyNode *
parse_bare(ConfPyParser *p, ConfPyNodeKind kind)
{
    ConfPyNode *node = conf_py_new_node(p, kind, p->token.pos);

    return conf_py_next(p) ? node : NULL;
}

static ConfPyNode *
parse_simple(ConfPyParser *p)
{
    ConfPyNode *node;

    if (p->token.kind != CONF_PY_T_KEYWORD)
        return parse_expression_statement(p);
    if (conf_py_at_word(p, "print"))
        return skip_simple(p, conf_py_new_node(p, CONF_PY_PASS, p->token.pos));
    if (conf_py_at_word(p, "exec")) {
        node = conf_py_new_node(p, CONF_PY_SKIPPED, p->token.pos);
        node->text = "exec";
        return skip_simple(p, node);
    }
    if (conf_py_at_word(p, "pass"))
        return parse_bare(p, CONF_PY_PASS);
    if ((conf_py_at_word(p, "break") || conf_py_at_word(p, "continue")) && p->loops == 0)
        return conf_py_fail(p, "a statement that makes sense outside of a loop");
    if (conf_py_at_word(p, "break"))
        return parse_bare(p, CONF_PY_BREAK);
    if (conf_py_at_word(p, "continue"))
        return parse_bare(p, CONF_PY_CONTINUE);
    if (conf_py_at_word(p, "import") || conf_py_at_word(p, "from"))
        return parse_import(p);
    if (conf_py_at_word(p, "return"))
        return parse_return(p);
    if (conf_py_at_word(p, "raise"))
        return parse_keyword_list(p, CONF_PY_RAISE, 0, 3);
    if (conf_py_at_word(p, "assert"))
        return parse_keyword_list(p, CONF_PY_ASSERT, 1, 2);
    if (conf_py_at_word(p, "global"))
        return parse_keyword_list(p, CONF_PY_GLOBAL, 1, G_MAXUINT);
    if (conf_py_at_word(p, "del"))
        return parse_keyword_list(p, CONF_PY_DEL, 1, G_MAXUINT);
    return parse_expression_statement(p);
}

/* "a = 1; b = 2" and the end of the line. */
static gboolean
parse_simple_line(ConfPyParser *p, ConfPyKids *kids)
{
    for (;;) {
        ConfPyNode *statement = parse_simple(p);

        if (statement == NULL)
            return FALSE;
        conf_py_add(p, kids, statement);
        if (conf_py_at_op(p, ";")) {
            if (!conf_py_next(p))
                return FALSE;
            if (p->token.kind != CONF_PY_T_NEWLINE)
                continue;
        }
        if (p->token.kind != CONF_PY_T_NEWLINE)
            return conf_py_fail(p, "the end of the line") != NULL;
        return conf_py_next(p);
    }
}

/* ---- compound statements ---- */

/* ":" and what is below it. */
static ConfPyNode *
parse_block(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_BLOCK, p->token.pos);

    if (!conf_py_expect_op(p, ":"))
        return NULL;
    if (p->token.kind != CONF_PY_T_NEWLINE)
        return parse_simple_line(p, &kids) ? conf_py_set_kids(p, node, &kids) : NULL;
    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind != CONF_PY_T_INDENT)
        return conf_py_fail(p, "an indented block");
    if (!conf_py_next(p) || !conf_py_deeper(p))
        return NULL;
    while (p->token.kind != CONF_PY_T_DEDENT) {
        ConfPyNode *statement = parse_statement(p);

        if (statement == NULL)
            return NULL;
        conf_py_add(p, &kids, statement);
    }
    p->depth--;
    return conf_py_next(p) ? conf_py_set_kids(p, node, &kids) : NULL;
}

static gboolean
add_block(ConfPyParser *p, ConfPyKids *kids)
{
    ConfPyNode *block = parse_block(p);

    if (block == NULL)
        return FALSE;
    conf_py_add(p, kids, block);
    return TRUE;
}

/* The block of a loop. */
static gboolean
add_body(ConfPyParser *p, ConfPyKids *kids)
{
    gboolean ok;

    p->loops++;
    ok = add_block(p, kids);
    p->loops--;
    return ok;
}

/* An else, where there is one. */
static gboolean
add_else(ConfPyParser *p, ConfPyKids *kids)
{
    return !conf_py_at_word(p, "else") || (conf_py_next(p) && add_block(p, kids));
}

static ConfPyNode *
parse_if(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_IF, p->token.pos);

    do {
        if (!conf_py_next(p) || !conf_py_add_expression(p, &kids) || !add_block(p, &kids))
            return NULL;
    } while (conf_py_at_word(p, "elif"));
    return add_else(p, &kids) ? conf_py_set_kids(p, node, &kids) : NULL;
}

static ConfPyNode *
parse_while(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_WHILE, p->token.pos);

    if (!conf_py_next(p) || !conf_py_add_expression(p, &kids) || !add_body(p, &kids) ||
        !add_else(p, &kids))
        return NULL;
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_for(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_FOR, p->token.pos);
    ConfPyNode *part = conf_py_next(p) ? conf_py_parse_targets(p) : NULL;

    if (part == NULL)
        return NULL;
    conf_py_add(p, &kids, part);
    if (!conf_py_at_word(p, "in"))
        return conf_py_fail(p, "'in'");
    part = conf_py_next(p) ? conf_py_parse_testlist(p) : NULL;
    if (part == NULL)
        return NULL;
    conf_py_add(p, &kids, part);
    if (!add_body(p, &kids) || !add_else(p, &kids))
        return NULL;
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_def(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_DEF, p->token.pos);
    bool outer = p->yields, outside = false;
    unsigned loops = p->loops;

    if (!conf_py_next(p))
        return NULL;
    if (p->token.kind != CONF_PY_T_NAME)
        return conf_py_fail(p, "the name of the function");
    node->text = p->token.text;
    p->yields = false;
    p->loops = 0;
    if (!conf_py_next(p) || !conf_py_expect_op(p, "(") ||
        !conf_py_parse_params(p, &kids, ")", &outside) || !conf_py_next(p) || !add_block(p, &kids))
        return NULL;
    node->op = outside || p->yields;
    p->yields = outer;
    p->loops = loops;
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_handler(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_HANDLER, p->token.pos);

    if (!conf_py_next(p))
        return NULL;
    if (!conf_py_at_op(p, ":")) {
        if (!conf_py_add_expression(p, &kids))
            return NULL;
        if (conf_py_at_op(p, ",") || conf_py_at_word(p, "as")) {
            if (!conf_py_next(p))
                return NULL;
            if (p->token.kind != CONF_PY_T_NAME)
                return conf_py_fail(p, "a name for the exception");
            node->text = p->token.text;
            if (!conf_py_next(p))
                return NULL;
        }
    }
    return add_block(p, &kids) ? conf_py_set_kids(p, node, &kids) : NULL;
}

static ConfPyNode *
parse_try(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_TRY, p->token.pos);

    if (!conf_py_next(p) || !add_block(p, &kids))
        return NULL;
    while (conf_py_at_word(p, "except")) {
        ConfPyNode *handler = parse_handler(p);

        if (handler == NULL)
            return NULL;
        conf_py_add(p, &kids, handler);
    }
    if (conf_py_at_word(p, "else")) {
        node->op |= 1;
        if (!add_else(p, &kids))
            return NULL;
    }
    if (conf_py_at_word(p, "finally")) {
        node->op |= 2;
        if (!conf_py_next(p) || !add_block(p, &kids))
            return NULL;
    }
    return kids.n > 1 ? conf_py_set_kids(p, node, &kids) : conf_py_fail(p, "'except' or 'finally'");
}

/* class and with: read, so that what stands below is not taken for something else, and skipped. */
static ConfPyNode *
parse_skipped_block(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_SKIPPED, p->token.pos);
    bool is_class = conf_py_at_word(p, "class");

    node->text = is_class ? "class" : "with";
    if (!conf_py_next(p))
        return NULL;
    if (is_class && p->token.kind == CONF_PY_T_NAME) {
        ConfPyNode *name = conf_py_new_node(p, CONF_PY_NAME, p->token.pos);

        name->text = p->token.text;
        conf_py_add(p, &kids, name);
    }
    while (!(conf_py_at_op(p, ":") && p->lexer.n_open == 0)) {
        if (p->token.kind == CONF_PY_T_NEWLINE)
            return conf_py_fail(p, "':'");
        if (!conf_py_next(p))
            return NULL;
    }

    ConfPyNode *block = parse_block(p);

    if (block == NULL)
        return NULL;
    if (!is_class)
        conf_py_add(p, &kids, block);
    return conf_py_set_kids(p, node, &kids);
}

static ConfPyNode *
parse_decorated(ConfPyParser *p)
{
    ConfPyNode *node = conf_py_new_node(p, CONF_PY_SKIPPED, p->token.pos);
    ConfPyNode *below;

    node->text = "a decorator";
    if (skip_simple(p, node) == NULL || !conf_py_next(p) || !conf_py_deeper(p))
        return NULL;
    below = parse_statement(p);
    p->depth--;
    return below != NULL ? conf_py_set_kid(p, node, below) : NULL;
}

static ConfPyNode *
parse_compound(ConfPyParser *p)
{
    static const struct {
        const char *word;
        ConfPyNode *(*parse)(ConfPyParser *);
    } statements[] = {
        { "if", parse_if },
        { "for", parse_for },
        { "while", parse_while },
        { "def", parse_def },
        { "try", parse_try },
        { "class", parse_skipped_block },
        { "with", parse_skipped_block },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(statements); i++) {
        if (conf_py_at_word(p, statements[i].word))
            return statements[i].parse(p);
    }
    g_assert_not_reached();
}

static bool
at_compound(const ConfPyParser *p)
{
    static const char *const words[] = {
        "if", "for", "while", "def", "try", "class", "with", NULL
    };

    return p->token.kind == CONF_PY_T_KEYWORD && g_strv_contains(words, p->token.text);
}

/* One compound statement, or a line of simple ones as a block. */
static ConfPyNode *
parse_statement(ConfPyParser *p)
{
    ConfPyKids kids = { 0 };
    ConfPyNode *node;

    if (p->token.kind == CONF_PY_T_INDENT)
        return conf_py_fail(p, "a line that begins where the lines above begin");
    if (conf_py_at_op(p, "@"))
        return parse_decorated(p);
    if (at_compound(p))
        return parse_compound(p);
    node = conf_py_new_node(p, CONF_PY_BLOCK, p->token.pos);
    return parse_simple_line(p, &kids) ? conf_py_set_kids(p, node, &kids) : NULL;
}

ConfPyNode *
conf_py_parse(ConfPyArena *arena, const char *text, gsize len, const char *file, GError **error)
{
    ConfPyKids kids = { 0 };
    g_autoptr(GError) local = NULL;
    ConfPyParser parser = { .arena = arena, .error = &local };
    bool ok = conf_py_lexer_init(&parser.lexer, arena, text, len, file, &local) &&
              conf_py_next(&parser);

    while (ok && parser.token.kind != CONF_PY_T_END) {
        ConfPyNode *statement;

        if (parser.token.kind == CONF_PY_T_NEWLINE) {
            ok = conf_py_next(&parser);
            continue;
        }
        statement = parse_statement(&parser);
        ok = statement != NULL;
        if (ok)
            conf_py_add(&parser, &kids, statement);
    }
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return conf_py_set_kids(&parser, conf_py_new_node(&parser, CONF_PY_BLOCK, (ConfPos){ 1, 1 }),
                            &kids);
}
