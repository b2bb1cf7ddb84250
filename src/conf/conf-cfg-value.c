/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of xl and xm: what their own parsers take, with errors that say what was found where. */
#include "conf-cfg.h"

#include <errno.h>
#include <string.h>

#define MAX_WORDS 256 /* of one device */

static char *
describe(const ConfNode *node)
{
    switch (node->kind) {
    case CONF_NODE_NONE:
        return g_strdup("None");
    case CONF_NODE_STRING: {
        g_autofree char *valid = g_utf8_make_valid(node->text, -1);
        g_autofree char *head = g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), 40));
        return g_strdup_printf("the string '%s'%s", head,
                               strlen(head) < strlen(valid) ? "..." : "");
    }
    case CONF_NODE_INT:
    case CONF_NODE_FLOAT:
        return g_strdup_printf("the number %s", node->text);
    case CONF_NODE_LIST:
        return g_strdup("a list");
    case CONF_NODE_GROUP:
        return g_strdup("a group");
    case CONF_NODE_OPAQUE:
        return g_strdup_printf("something that can't be worked out (%s)", node->text);
    }
    g_assert_not_reached();
}

/* The place of a string is behind its quote, so that a column inside it is the right one. */
ConfPlace
cfg_place(CfgReader *r, const ConfNode *node, const char *path)
{
    return (ConfPlace){
        .report = r->report,
        .file = r->native->file,
        .path = path,
        .line = node->value_line,
        .column = node->value_column + (node->kind == CONF_NODE_STRING ? 1 : 0),
    };
}

void
cfg_error(CfgReader *r, const ConfNode *node, const char *path, GError **error, ConfError code,
          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CONF_ERROR, code, "%s:%u:%u: %s: %s",
                r->native->file ? r->native->file : "(input)", node->value_line, node->value_column,
                path, reason);
}

static void
wrong_type(CfgReader *r, const ConfNode *node, const char *path, const char *expected,
           GError **error)
{
    g_autofree char *found = describe(node);

    cfg_error(r, node, path, error, CONF_ERROR_INVALID, "expected %s, found %s", expected, found);
}

static bool
is_scalar(const ConfNode *node)
{
    return node->kind == CONF_NODE_STRING || node->kind == CONF_NODE_INT ||
           node->kind == CONF_NODE_FLOAT;
}

/* XML 1.0 has no place for these, not even as &#1;. */
bool
cfg_has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 && strchr("\t\n\r", *text) == NULL)
            return true;
    }
    return false;
}

gboolean
cfg_get_string(CfgReader *r, const char *path, const ConfNode *node, const char **ret,
               GError **error)
{
    if (!is_scalar(node)) {
        wrong_type(r, node, path, "a string", error);
        return FALSE;
    }
    if (!g_utf8_validate(node->text, -1, NULL)) {
        cfg_error(r, node, path, error, CONF_ERROR_INVALID,
                  "the string is not UTF-8, which domXML needs");
        return FALSE;
    }
    if (cfg_has_control(node->text)) {
        cfg_error(r, node, path, error, CONF_ERROR_INVALID,
                  "the string has a control character, which XML can't carry");
        return FALSE;
    }
    *ret = node->text;
    return TRUE;
}

/* Decimal, octal with a leading 0, hexadecimal with 0x, as strtol() with base 0. */
bool
cfg_parse_int(const char *text, int64_t *ret)
{
    char *end;

    while (g_ascii_isspace(*text))
        text++;
    if (*text == '\0')
        return false;
    errno = 0;
    gint64 value = g_ascii_strtoll(text, &end, 0);
    while (g_ascii_isspace(*end))
        end++;
    if (errno != 0 || *end != '\0')
        return false;
    *ret = value;
    return true;
}

gboolean
cfg_get_int(CfgReader *r, const char *path, const ConfNode *node, int64_t *ret, GError **error)
{
    if (node->kind == CONF_NODE_INT) {
        *ret = node->number;
        return TRUE;
    }
    /* xm files compute: 0.5 * 2048 */
    if (node->kind == CONF_NODE_FLOAT && node->real > -1e15 && node->real < 1e15) {
        *ret = (int64_t)node->real;
        return TRUE;
    }
    if (node->kind == CONF_NODE_STRING && cfg_parse_int(node->text, ret))
        return TRUE;
    wrong_type(r, node, path, "a number", error);
    return FALSE;
}

bool
cfg_parse_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        { "true", true },    { "yes", true },       { "on", true },  { "y", true },
        { "enabled", true }, { "false", false },    { "no", false }, { "off", false },
        { "n", false },      { "disabled", false },
    };
    int64_t number;

    if (cfg_parse_int(text, &number)) {
        *ret = number != 0;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

gboolean
cfg_get_bool(CfgReader *r, const char *path, const ConfNode *node, bool *ret, GError **error)
{
    if (node->kind == CONF_NODE_INT) {
        *ret = node->number != 0;
        return TRUE;
    }
    if (node->kind == CONF_NODE_STRING && cfg_parse_bool(node->text, ret))
        return TRUE;
    wrong_type(r, node, path, "0 or 1", error);
    return FALSE;
}

ConfNode *
cfg_node(CfgReader *r, const char *key)
{
    return r->beginnings & cfg_beginning(key) ? conf_node_find(r->native->root, key) : NULL;
}

static void
report_va(CfgReader *r, ConfNode *node, const char *path, ConfOutcome outcome, const char *reason,
          va_list args)
{
    g_autofree char *text = g_strdup_vprintf(reason, args);

    if (outcome == CONF_OUTCOME_LOST)
        conf_node_mark(node, CONF_FATE_LOST);
    else if (node->fate == CONF_FATE_UNSEEN)
        conf_node_mark(node,
                       outcome == CONF_OUTCOME_DEFAULT ? CONF_FATE_DEFAULT : CONF_FATE_CARRIED);
    conf_report_add(r->report, outcome, node->line, node->column, path,
                    node->kind == CONF_NODE_OPAQUE ? NULL : node->text, "%s", text);
}

void
cfg_report(CfgReader *r, ConfNode *node, const char *path, ConfOutcome outcome, const char *reason,
           ...)
{
    va_list args;

    va_start(args, reason);
    report_va(r, node, path, outcome, reason, args);
    va_end(args);
}

void
cfg_report_key(CfgReader *r, const char *key, ConfOutcome outcome, const char *reason, ...)
{
    ConfNode *node = cfg_node(r, key);
    va_list args;

    if (node == NULL)
        return;
    va_start(args, reason);
    report_va(r, node, key, outcome, reason, args);
    va_end(args);
}

/* One item; an item that libvirt can't express is lost by name, and the rest goes on. */
static gboolean
one_item(CfgReader *r, ConfNode *node, const char *path, unsigned index, CfgItemFunc item,
         GError **error)
{
    g_autoptr(GError) local = NULL;
    const char *text;

    if (node->kind == CONF_NODE_OPAQUE) {
        cfg_report(r, node, path, CONF_OUTCOME_LOST, "%s", node->text);
        return TRUE;
    }
    if (node->kind == CONF_NODE_NONE) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return TRUE;
    }
    if (!cfg_get_string(r, path, node, &text, error))
        return FALSE;
    ConfPlace place = cfg_place(r, node, path);
    if (item(r, text, index, &place, &local)) {
        if (node->fate == CONF_FATE_UNSEEN)
            conf_node_mark(node, CONF_FATE_CARRIED);
        return TRUE;
    }
    if (g_error_matches(local, CONF_ERROR, CONF_ERROR_UNSUPPORTED)) {
        /* The row has the place of the error itself, and the whole of it is lost. */
        g_autofree char *head = g_strdup_printf("%s: ", path);
        const char *reason = strstr(local->message, head);

        cfg_report(r, node, path, CONF_OUTCOME_LOST, "the whole device is lost: %s",
                   reason ? reason + strlen(head) : local->message);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
cfg_each_string(CfgReader *r, const char *key, ConfNode *node, CfgItemFunc item, GError **error)
{
    if (node->kind != CONF_NODE_LIST)
        return one_item(r, node, key, 0, item, error);
    if (node->items->len > CONF_MAX_DEVICES) {
        cfg_error(r, node, key, error, CONF_ERROR_LIMIT, "%u items, and %u are allowed",
                  node->items->len, CONF_MAX_DEVICES);
        return FALSE;
    }
    node->fate = node->items->len ? CONF_FATE_CARRIED : CONF_FATE_DEFAULT;
    for (guint i = 0; i < node->items->len; i++) {
        char path[CONF_ITEM_PATH];

        if (!one_item(r, g_ptr_array_index(node->items, i), conf_item_path(path, key, i), i, item,
                      error))
            return FALSE;
    }
    return TRUE;
}

/* Text from `from` to `to` without the blanks around it, behind a zero; NULL ends at `to`. */
static char *
put_trimmed(char *out, const char *from, const char *to)
{
    while (from < to && strchr(" \t\n\r", *from))
        from++;
    while (to > from && strchr(" \t\n\r", to[-1]))
        to--;
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
    return out + (to - from) + 1;
}

/* Name and value lie behind the word, in the same piece of memory. */
static CfgWord *
new_word(const char *from, const char *to, unsigned offset)
{
    size_t len = (size_t)(to - from);
    const char *equals = memchr(from, '=', len);
    CfgWord *word = g_malloc(sizeof *word + len + 2);

    word->name = (char *)(word + 1);
    char *behind = put_trimmed(word->name, from, equals ? equals : to);
    word->value = equals ? behind : NULL;
    if (equals)
        put_trimmed(behind, equals + 1, to);
    word->offset = offset;
    return word;
}

GPtrArray *
cfg_words(const char *text)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    for (const char *p = text;;) {
        const char *end = p + strcspn(p, ",");
        const char *start = p + strspn(p, " \t\n\r");

        if (start < end && words->len < MAX_WORDS)
            g_ptr_array_add(words, new_word(start, end, (unsigned)(start - text)));
        if (*end == '\0')
            return words;
        p = end + 1;
    }
}
