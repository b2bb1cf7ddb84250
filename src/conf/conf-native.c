/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The native tree's own housekeeping, and the one door to the three readers. */
#include "conf-arena.h"
#include "conf-private.h"

#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(conf_error_quark, conf_error)

/* ---- names of formats ---- */

/* Both directions read this: the first name of a format is the one that is shown. */
static const struct {
    ConfFormat format;
    const char *name;
} format_names[] = {
    { CONF_FORMAT_XL, "xen-xl" },          { CONF_FORMAT_XL, "xl" },
    { CONF_FORMAT_XM, "xen-xm" },          { CONF_FORMAT_XM, "xm" },
    { CONF_FORMAT_SXP, "xen-sxpr" },       { CONF_FORMAT_SXP, "xen-sxp" },
    { CONF_FORMAT_SXP, "sexpr" },          { CONF_FORMAT_SXP, "sxp" },
    { CONF_FORMAT_DOMXML, "domxml" },      { CONF_FORMAT_XL_JSON, "xl-json" },
    { CONF_FORMAT_XL_JSON, "libxl-json" }, { CONF_FORMAT_XVA, "xva" },
    { CONF_FORMAT_AUTO, "auto" },
};

int
conf_format_parse(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(format_names); i++) {
        /* domXML is what detection may answer, not a native format that one may ask for. */
        if (format_names[i].format != CONF_FORMAT_DOMXML && g_str_equal(name, format_names[i].name))
            return (int)format_names[i].format;
    }
    return -1;
}

const char *
conf_format_name(ConfFormat format)
{
    for (gsize i = 0; i < G_N_ELEMENTS(format_names); i++) {
        if (format_names[i].format == format)
            return format_names[i].name;
    }
    g_assert_not_reached();
}

/* ---- nodes ---- */

ConfNode *
conf_node_new(ConfNodeKind kind, const char *key, unsigned line, unsigned column)
{
    ConfNode *node = g_new0(ConfNode, 1);

    node->kind = kind;
    node->key = g_strdup(key);
    node->line = node->value_line = line;
    node->column = node->value_column = column;
    if (kind == CONF_NODE_LIST || kind == CONF_NODE_GROUP)
        node->items = g_ptr_array_new_with_free_func((GDestroyNotify)conf_node_free);
    return node;
}

/* Recursion here and in conf_node_mark() is as deep as the tree, and no reader builds one deeper
 * than CONF_MAX_DEPTH. */
void
conf_node_free(ConfNode *node)
{
    if (node == NULL)
        return;
    g_clear_pointer(&node->items, g_ptr_array_unref);
    if (node->in_arena)
        return;
    g_free(node->key);
    g_free(node->text);
    g_free(node);
}

ConfNode *
conf_node_find(const ConfNode *group, const char *key)
{
    if (group->items == NULL)
        return NULL;
    for (guint i = group->items->len; i > 0; i--) {
        ConfNode *item = group->items->pdata[i - 1];

        /* The first letter tells most of them apart, at the cost of no call. */
        if (item->key != NULL && item->key[0] == key[0] && strcmp(item->key, key) == 0)
            return item;
    }
    return NULL;
}

void
conf_node_mark(ConfNode *node, ConfFate fate)
{
    node->fate = fate;
    for (guint i = 0; node->items != NULL && i < node->items->len; i++)
        conf_node_mark(node->items->pdata[i], fate);
}

/* ---- one domain's native config ---- */

static void
note_free(gpointer data)
{
    ConfNote *note = data;

    g_free(note->text);
    g_free(note);
}

ConfNative *
conf_native_new(ConfFormat format, const char *file)
{
    ConfNative *native = g_new0(ConfNative, 1);

    native->format = format;
    native->file = g_strdup(file != NULL ? file : "(config)");
    native->arena = g_new0(ConfArena, 1);
    native->root = conf_node_new(CONF_NODE_GROUP, NULL, 1, 1);
    native->notes = g_ptr_array_new_with_free_func(note_free);
    return native;
}

void
conf_native_free(ConfNative *native)
{
    if (native == NULL)
        return;
    conf_node_free(native->root);
    g_clear_pointer(&native->notes, g_ptr_array_unref);
    conf_arena_clear(native->arena);
    g_free(native->arena);
    g_free(native->file);
    g_free(native->disk_dir);
    g_free(native->disk_format);
    g_clear_pointer(&native->disk_paths, g_hash_table_unref);
    g_free(native);
}

ConfNote *
conf_native_add_note(ConfNative *native, unsigned line, unsigned column, const char *format, ...)
{
    ConfNote *note = g_new0(ConfNote, 1);
    va_list args;

    note->line = line;
    note->column = column;
    va_start(args, format);
    note->text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(native->notes, note);
    return note;
}

/* ---- the door ---- */

GPtrArray *
conf_native_parse(ConfFormat format, const char *text, gsize len, const char *file,
                  const ConfNativeOptions *options, GError **error)
{
    const char *name = file != NULL ? file : "(config)";

    if (len > CONF_MAX_INPUT) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                    "%s: %" G_GSIZE_FORMAT " bytes are more than the %u that a config may have",
                    name, len, CONF_MAX_INPUT);
        return NULL;
    }
    if (format == CONF_FORMAT_AUTO)
        format = conf_format_detect(text, len);

    switch (format) {
    case CONF_FORMAT_XL:
        return conf_xl_parse(text, len, name, error);
    case CONF_FORMAT_XM:
        return conf_xm_parse(text, len, name, options, error);
    case CONF_FORMAT_SXP:
        return conf_sxp_parse(text, len, name, error);
    case CONF_FORMAT_XL_JSON:
        return conf_xlj_parse(text, len, name, error);
    case CONF_FORMAT_XVA:
        return conf_xva_parse(text, len, name, error);
    case CONF_FORMAT_DOMXML:
        g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED,
                    "%s:1:1: this is XML, not a native Xen config (xl, xm or sxp)", name);
        return NULL;
    case CONF_FORMAT_AUTO:
    default:
        break;
    }
    g_assert_not_reached();
}
