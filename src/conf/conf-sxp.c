/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of S-expressions as xend writes them: config.sxp, `xm list --long`, `xm create -F`.
 *
 * Bytes go through one loop with a stack of its own for the open lists, so that the input's depth
 * is a number that is checked and never the C stack. Where xend's own reader would drop or split
 * text that stands unquoted ('#', quotes and other brackets inside a word), the word is kept whole:
 * xend quotes such words when it writes, so who left them bare meant the text.
 */
#include "conf-private.h"
#include "conf-text.h"

#include <string.h>

/* Words and lists; (key value) is three. The domains of ten busy hosts stay below, and what comes
 * of it fits into 64 MiB of memory with all that is said about it. */
#define SXP_MAX_NODES  (2 * CONF_MAX_NODES)
#define SXP_MAX_STRAYS 100u

typedef struct SxpOpen {
    ConfNode *node;        /* owned until it is closed */
    ConfNode *only;        /* its only item so far, owned */
    unsigned line, column; /* of the '(' */
    bool headed;           /* something stood behind the '(': no head any more */
} SxpOpen;

typedef struct SxpReader {
    const char *file;
    const char *text;
    gsize len, pos;
    unsigned line, column; /* of text[pos]; columns count characters */
    unsigned n_nodes;
    bool truncated; /* the text broke off here: */
    unsigned break_line, break_column;
    GArray *open;       /* SxpOpen, outermost first */
    GPtrArray *domains; /* ConfNative */
    GPtrArray *strays;  /* ConfNote: what stands between the domains */
} SxpReader;

static void
open_clear(gpointer data)
{
    conf_node_free(((SxpOpen *)data)->node);
    conf_node_free(((SxpOpen *)data)->only);
}

static void
stray_free(gpointer data)
{
    g_free(((ConfNote *)data)->text);
    g_free(data);
}

static void
reader_clear(SxpReader *in)
{
    g_clear_pointer(&in->open, g_array_unref);
    g_clear_pointer(&in->domains, g_ptr_array_unref);
    g_clear_pointer(&in->strays, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SxpReader, reader_clear)

static G_GNUC_PRINTF(6, 7) gboolean fail(const SxpReader *in, unsigned line, unsigned column,
                                         ConfError code, GError **error, const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CONF_ERROR, (int)code, "%s:%u:%u: %s", in->file, line, column, reason);
    return FALSE;
}

static G_GNUC_PRINTF(5, 6) gboolean break_off(SxpReader *in, unsigned line, unsigned column,
                                              GError **error, const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    in->truncated = true;
    in->break_line = line;
    in->break_column = column;
    return fail(in, line, column, CONF_ERROR_SYNTAX, error, "%s", reason);
}

/* Something stands here that is no domain, or was read in an odd way. A file full of it is not
 * worth a line for each. */
static G_GNUC_PRINTF(5, 6) void add_stray(SxpReader *in, unsigned line, unsigned column,
                                          bool carried, const char *format, ...)
{
    bool last = in->strays->len + 1 == SXP_MAX_STRAYS;
    ConfNote *stray;
    va_list args;

    if (in->strays->len == SXP_MAX_STRAYS)
        return;
    stray = g_new0(ConfNote, 1);
    stray->line = line;
    stray->column = column;
    stray->carried = carried;
    va_start(args, format);
    stray->text = last ? g_strdup("here and behind, more that is odd in the same way")
                       : g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(in->strays, stray);
}

static void
advance(SxpReader *in)
{
    unsigned char c = (unsigned char)in->text[in->pos++];

    if (c == '\n') {
        in->line++;
        in->column = 1;
    } else if ((c & 0xc0) != 0x80) {
        in->column++;
    }
    /* Behind the first byte of a character of several bytes come bytes that are no column. */
    while (in->pos < in->len && ((unsigned char)in->text[in->pos] & 0xc0) == 0x80)
        in->pos++;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* ---- atoms ---- */

/* Decimal with leading zeros (Python's int() takes them as such), hexadecimal with 0x. */
static bool
as_integer(const char *text, gint64 *ret_number)
{
    const char *digits = text + (*text == '-' || *text == '+');
    bool hex = digits == text && g_ascii_strncasecmp(digits, "0x", 2) == 0;
    const char *p = hex ? digits + 2 : digits;

    if (*p == '\0')
        return false;
    for (; *p != '\0'; p++) {
        if (hex ? !g_ascii_isxdigit(*p) : !g_ascii_isdigit(*p))
            return false;
    }
    return g_ascii_string_to_signed(hex ? digits + 2 : text, hex ? 16 : 10, G_MININT64, G_MAXINT64,
                                    ret_number, NULL);
}

static bool
as_real(const char *text, double *ret_real)
{
    char *end = NULL;

    /* Not what strtod() also takes: "inf", "nan", hexadecimal. */
    if (*text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text) ||
        strpbrk(text, "0123456789") == NULL)
        return false;
    *ret_real = g_ascii_strtod(text, &end);
    return *end == '\0';
}

/* Takes `text`. */
static ConfNode *
atom_new(char *text, bool quoted, unsigned line, unsigned column)
{
    ConfNode *node = conf_node_new(CONF_NODE_STRING, NULL, line, column);

    node->text = text;
    /* No number begins with a letter. */
    if (quoted || g_ascii_isalpha(*text))
        return node;
    if (as_integer(text, &node->number)) {
        node->kind = CONF_NODE_INT;
        node->real = (double)node->number;
    } else if (as_real(text, &node->real)) {
        node->kind = CONF_NODE_FLOAT;
    }
    return node;
}

/* A list is made when a second item comes: most have one. Takes `item`. */
static void
add_item(SxpOpen *list, ConfNode *item)
{
    if (list->only == NULL && list->node->items == NULL) {
        list->only = item;
        return;
    }
    if (list->node->items == NULL) {
        list->node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
        g_ptr_array_add(list->node->items, g_steal_pointer(&list->only));
    }
    g_ptr_array_add(list->node->items, item);
}

/* Takes `text`: the head of a list, or an item. */
static gboolean
add_word(SxpReader *in, char *text, bool quoted, unsigned line, unsigned column, GError **error)
{
    g_autofree char *owned = text;
    SxpOpen *list = in->open->len > 0 ? &g_array_index(in->open, SxpOpen, in->open->len - 1) : NULL;

    if (++in->n_nodes > SXP_MAX_NODES)
        return fail(in, line, column, CONF_ERROR_LIMIT, error,
                    "more than %u words and lists in one file", SXP_MAX_NODES);
    if (list == NULL) {
        add_stray(in, line, column, false, "the word '%.40s' stands outside of every list", text);
        return TRUE;
    }
    if (list->headed) {
        add_item(list, atom_new(g_steal_pointer(&owned), quoted, line, column));
        return TRUE;
    }
    list->headed = true;
    list->node->key = g_steal_pointer(&owned);
    list->node->line = line;
    list->node->column = column;
    return TRUE;
}

/* domXML can say no control characters, and the model holds UTF-8 only. */
static gboolean
check_text(SxpReader *in, GString *text, unsigned line, unsigned column, GError **error)
{
    bool converted = false;
    g_autofree char *utf8 = conf_text_to_utf8(text->str, text->len, &converted);

    if (converted) {
        add_stray(in, line, column, true, "this word is not UTF-8 and was read as ISO-8859-1");
        g_string_assign(text, utf8);
    }
    for (gsize i = 0; i < text->len; i++) {
        if (g_ascii_iscntrl(text->str[i]) && !is_space(text->str[i]))
            return fail(in, line, column, CONF_ERROR_SYNTAX, error,
                        "a control character (byte 0x%02x) in a word",
                        (unsigned)(unsigned char)text->str[i]);
    }
    return TRUE;
}

/* Bytes of plain ASCII at the cursor that belong to a word. */
static gsize
plain_length(const SxpReader *in)
{
    const char *start = in->text + in->pos, *p = start, *end = in->text + in->len;

    while (p<end && * p> ' ' && *p < 0x7f && *p != '(' && *p != ')')
        p++;
    return (gsize)(p - start);
}

static gboolean
read_bare(SxpReader *in, GError **error)
{
    unsigned line = in->line, column = in->column;
    gsize start = in->pos, plain = plain_length(in);
    g_autoptr(GString) word = NULL;

    in->pos += plain;
    in->column += (unsigned)plain;
    while (in->pos < in->len && !is_space(in->text[in->pos]) && in->text[in->pos] != '(' &&
           in->text[in->pos] != ')')
        advance(in);

    if (in->pos - start > CONF_MAX_TEXT)
        return fail(in, line, column, CONF_ERROR_LIMIT, error, "a word of more than %u bytes",
                    CONF_MAX_TEXT);
    if (in->pos - start == plain)
        return add_word(in, g_strndup(in->text + start, plain), false, line, column, error);
    word = g_string_new_len(in->text + start, (gssize)(in->pos - start));
    if (!check_text(in, word, line, column, error))
        return FALSE;
    return add_word(in, g_string_free(g_steal_pointer(&word), FALSE), false, line, column, error);
}

/* One escape, in->pos behind the backslash. What is no escape keeps its backslash, as in Python. */
static void
read_escape(SxpReader *in, GString *word)
{
    static const char names[] = "abtnvfr\\'\"";
    static const char values[] = "\a\b\t\n\v\f\r\\'\"";
    char c = in->text[in->pos];
    const char *name = c != '\0' ? strchr(names, c) : NULL;
    unsigned base = c == 'x' ? 16 : 8, most = c == 'x' ? 2 : 3, value = 0, count = 0;
    gsize p = in->pos + (c == 'x');

    if (name != NULL) {
        g_string_append_c(word, values[name - names]);
        advance(in);
        return;
    }
    for (; count < most && p < in->len && g_ascii_isxdigit(in->text[p]); count++, p++) {
        unsigned digit = (unsigned)g_ascii_xdigit_value(in->text[p]);

        if (digit >= base)
            break;
        value = value * base + digit;
    }
    if (count == 0) {
        g_string_append_c(word, '\\');
        return;
    }
    g_string_append_c(word, (char)value);
    while (in->pos < p)
        advance(in);
}

static gboolean
read_quoted(SxpReader *in, GError **error)
{
    unsigned line = in->line, column = in->column;
    g_autoptr(GString) word = g_string_new(NULL);
    char quote = in->text[in->pos];

    advance(in);
    while (in->pos < in->len && in->text[in->pos] != quote) {
        gsize start = in->pos;

        advance(in);
        if (in->text[start] == '\\' && in->pos < in->len)
            read_escape(in, word);
        else
            g_string_append_len(word, in->text + start, (gssize)(in->pos - start));
        if (word->len > CONF_MAX_TEXT)
            return fail(in, line, column, CONF_ERROR_LIMIT, error, "a string of more than %u bytes",
                        CONF_MAX_TEXT);
    }
    if (in->pos >= in->len)
        return break_off(in, line, column, error,
                         "the string opened here is never closed; the file looks truncated");
    advance(in);
    if (!check_text(in, word, line, column, error))
        return FALSE;
    return add_word(in, g_string_free(g_steal_pointer(&word), FALSE), true, line, column, error);
}

/* ---- lists ---- */

static gboolean
open_list(SxpReader *in, GError **error)
{
    SxpOpen list = { .line = in->line, .column = in->column };

    if (in->open->len >= CONF_MAX_DEPTH)
        return fail(in, in->line, in->column, CONF_ERROR_LIMIT, error,
                    "more than %d lists inside each other", CONF_MAX_DEPTH);
    if (++in->n_nodes > SXP_MAX_NODES)
        return fail(in, in->line, in->column, CONF_ERROR_LIMIT, error,
                    "more than %u words and lists in one file", SXP_MAX_NODES);
    if (in->open->len > 0)
        g_array_index(in->open, SxpOpen, in->open->len - 1).headed = true;
    list.node = conf_node_new(CONF_NODE_NONE, NULL, in->line, in->column);
    g_array_append_val(in->open, list);
    advance(in);
    return TRUE;
}

/* A closed list as its parent keeps it: (key) is NONE, (key scalar) the scalar itself, anything
 * else with a head a GROUP. */
static ConfNode *
settle(SxpOpen *list)
{
    ConfNode *node = g_steal_pointer(&list->node), *only = g_steal_pointer(&list->only);
    const ConfNode *first = node->items != NULL ? node->items->pdata[0] : only;

    if (first != NULL) {
        node->value_line = first->line;
        node->value_column = first->column;
    } else if (node->key != NULL) {
        node->value_line = node->line;
        node->value_column = node->column;
    }
    if (node->key != NULL && first == NULL)
        return node;
    node->kind = node->key != NULL ? CONF_NODE_GROUP : CONF_NODE_LIST;
    if (node->key != NULL && only != NULL && only->key == NULL && only->items == NULL) {
        node->kind = only->kind;
        node->text = g_steal_pointer(&only->text);
        node->number = only->number;
        node->real = only->real;
        conf_node_free(only);
        return node;
    }
    if (node->items == NULL)
        node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    if (only != NULL)
        g_ptr_array_add(node->items, only);
    return node;
}

/* With all its items in the array. */
static ConfNode *
whole(SxpOpen *list)
{
    ConfNode *node = g_steal_pointer(&list->node);

    if (node->items == NULL)
        node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    if (list->only != NULL)
        g_ptr_array_add(node->items, g_steal_pointer(&list->only));
    return node;
}

/* The root of a native tree is a group, whatever stands in it. */
static void
add_domain(SxpReader *in, SxpOpen *list)
{
    ConfNative *native = conf_native_new(CONF_FORMAT_SXP, in->file);
    ConfNode *node = whole(list);

    conf_node_free(native->root);
    node->kind = CONF_NODE_GROUP;
    native->root = node;
    g_ptr_array_add(in->domains, native);
}

static gboolean
close_list(SxpReader *in, GError **error)
{
    SxpOpen list;

    if (in->open->len == 0 && in->domains->len > 0) {
        add_stray(in, in->line, in->column, false, "')' without a '(' before it");
        advance(in);
        return TRUE;
    }
    if (in->open->len == 0)
        return fail(in, in->line, in->column, CONF_ERROR_SYNTAX, error,
                    "')' without a '(' before it");
    list = g_array_index(in->open, SxpOpen, in->open->len - 1);
    /* From here on the node is the parent's or the domain's. */
    memset(&g_array_index(in->open, SxpOpen, in->open->len - 1), 0, sizeof(SxpOpen));
    g_array_set_size(in->open, in->open->len - 1);
    advance(in);

    if (in->open->len > 0) {
        add_item(&g_array_index(in->open, SxpOpen, in->open->len - 1), settle(&list));
    } else if (g_strcmp0(list.node->key, "domain") == 0 || g_strcmp0(list.node->key, "vm") == 0) {
        add_domain(in, &list);
    } else {
        add_stray(in, list.line, list.column, false, "(%.40s ...) is no (domain ...)",
                  list.node->key != NULL ? list.node->key : "");
        open_clear(&list);
    }
    return TRUE;
}

/* ---- the whole text ---- */

static gboolean
read_all(SxpReader *in, GError **error)
{
    while (in->pos < in->len) {
        char c = in->text[in->pos];
        gboolean ok = TRUE;

        if (c == ' ') {
            in->pos++;
            in->column++;
        } else if (is_space(c)) {
            advance(in);
        } else if (c == '#') {
            while (in->pos < in->len && in->text[in->pos] != '\n')
                advance(in);
        } else if (c == '(') {
            ok = open_list(in, error);
        } else if (c == ')') {
            ok = close_list(in, error);
        } else if (c == '\'' || c == '"') {
            ok = read_quoted(in, error);
        } else {
            ok = read_bare(in, error);
        }
        if (!ok)
            return FALSE;
    }
    if (in->open->len == 0)
        return TRUE;

    /* The innermost list is where the text broke off; the outermost says what is incomplete. */
    const SxpOpen *last = &g_array_index(in->open, SxpOpen, in->open->len - 1);
    const SxpOpen *first = &g_array_index(in->open, SxpOpen, 0);

    if (first == last)
        return break_off(in, last->line, last->column, error,
                         "'(' opened here is never closed; the file looks truncated");
    return break_off(in, last->line, last->column, error,
                     "'(' opened here is never closed; the file looks truncated, "
                     "in the (%.40s ...) that begins at line %u",
                     first->node->key != NULL ? first->node->key : "", first->line);
}

/* Strays beside domains are reported with the domain before them. */
static void
note_strays(SxpReader *in)
{
    ConfNative *last = in->domains->pdata[in->domains->len - 1];

    for (guint i = 0; i < in->strays->len; i++) {
        const ConfNote *stray = in->strays->pdata[i];

        conf_native_add_note(last, stray->line, stray->column, "%s", stray->text)->carried =
            stray->carried;
    }
}

static gboolean
refuse(const SxpReader *in, GError **error)
{
    const ConfNote *stray = in->strays->len > 0 ? in->strays->pdata[0] : NULL;

    if (stray == NULL)
        return fail(in, 1, 1, CONF_ERROR_SYNTAX, error, "no (domain ...) in it: the file is empty");
    /* xend-config.sxp lies beside the domains on every old host. */
    if (memmem(in->text, in->len, "xend-", 5) != NULL ||
        memmem(in->text, in->len, "(vif-script", 11) != NULL)
        return fail(in, stray->line, stray->column, CONF_ERROR_SYNTAX, error,
                    "no (domain ...) in it: this looks like the configuration of xend itself "
                    "(xend-config.sxp), which describes no domain");
    return fail(in, stray->line, stray->column, CONF_ERROR_SYNTAX, error,
                "no (domain ...) in it: %s", stray->text);
}

/* ---- a text that breaks off ---- */

/* Does something whole stand in it? Its last word may be cut. */
static bool
has_lists(const SxpOpen *list)
{
    const ConfNode *only = list->only;

    for (guint i = 0; list->node->items != NULL && i < list->node->items->len; i++) {
        const ConfNode *item = list->node->items->pdata[i];

        if (item->key != NULL || item->items != NULL)
            return true;
    }
    return only != NULL && (only->key != NULL || only->items != NULL);
}

static bool
has_one_of(const ConfNode *domain, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (conf_node_find(domain, *keys) != NULL)
            return true;
    }
    return false;
}

/* What a domain cannot be without; a guest whose kind is not known would be taken for a PV one. */
static bool
is_usable(const ConfNode *domain)
{
    static const char *const names[] = { "name", "name_label", NULL };
    static const char *const sizes[] = { "memory", "maxmem", "memory_dynamic_max",
                                         "memory_static_max", NULL };
    static const char *const kinds[] = { "image",      "PV_kernel",       "PV_bootloader",
                                         "bootloader", "HVM_boot_policy", NULL };

    return has_one_of(domain, names) && has_one_of(domain, sizes) && has_one_of(domain, kinds);
}

/* Half a device is none; an image keeps what is whole in it, since it tells what the guest is. The
 * name of what is left out is added to *left_out. */
static void
close_broken(SxpReader *in, GString *left_out)
{
    const SxpOpen *second = in->open->len > 1 ? &g_array_index(in->open, SxpOpen, 1) : NULL;
    bool parts = second != NULL && (g_strcmp0(second->node->key, "image") == 0 ||
                                    g_strcmp0(second->node->key, "platform") == 0);

    while (in->open->len > 1) {
        SxpOpen *last = &g_array_index(in->open, SxpOpen, in->open->len - 1);

        if (parts && has_lists(last)) {
            add_item(last - 1, settle(last));
        } else {
            g_string_printf(left_out, ", and (%.40s ...) is left out",
                            last->node->key != NULL ? last->node->key : "");
        }
        g_array_set_size(in->open, in->open->len - 1); /* clears what is left of it */
    }
}

/* The domain that the break is in, if what stands before it makes one. */
static void
rescue_last(SxpReader *in, GString *left_out)
{
    SxpOpen *list = in->open->len > 0 ? &g_array_index(in->open, SxpOpen, 0) : NULL;

    if (list == NULL || g_strcmp0(list->node->key, "domain") != 0)
        return;
    close_broken(in, left_out);
    list = &g_array_index(in->open, SxpOpen, 0);
    list->node = whole(list);
    if (!is_usable(list->node)) {
        g_string_truncate(left_out, 0);
        return;
    }
    add_domain(in, list);
    g_string_prepend(left_out, "; what stands before is converted");
}

/* A text that breaks off costs what is incomplete, not what stands before it; but the break is
 * named either way. Any other error costs the whole text, since it is not known what it broke. */
static gboolean
rescue(SxpReader *in, GError **inner, GError **error)
{
    g_autoptr(GString) left_out = g_string_new(NULL);
    g_autofree char *place = NULL;
    const char *reason = (*inner)->message;
    ConfNative *last;

    if (in->truncated)
        rescue_last(in, left_out);
    if (!in->truncated || in->domains->len == 0) {
        g_propagate_error(error, g_steal_pointer(inner));
        return FALSE;
    }
    place = g_strdup_printf("%s:%u:%u: ", in->file, in->break_line, in->break_column);
    if (g_str_has_prefix(reason, place))
        reason += strlen(place);
    last = in->domains->pdata[in->domains->len - 1];
    conf_native_add_note(last, in->break_line, in->break_column, "%s%s", reason, left_out->str);
    g_clear_error(inner);
    return TRUE;
}

GPtrArray *
conf_sxp_parse(const char *text, gsize len, const char *file, GError **error)
{
    g_autoptr(GError) inner = NULL;
    g_auto(SxpReader) in = { .file = file, .text = text, .len = len, .line = 1, .column = 1 };

    in.open = g_array_new(FALSE, FALSE, sizeof(SxpOpen));
    g_array_set_clear_func(in.open, open_clear);
    in.domains = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);
    in.strays = g_ptr_array_new_with_free_func(stray_free);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        in.pos = 3;

    if (!read_all(&in, &inner) && !rescue(&in, &inner, error))
        return NULL;
    if (in.domains->len == 0) {
        refuse(&in, error);
        return NULL;
    }
    note_strays(&in);
    return g_steal_pointer(&in.domains);
}
