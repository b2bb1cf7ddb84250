/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sound cards of the PV protocol: in libxl a tree, in xl a list of texts for each card. */
#include "conf-xlj.h"

#include <string.h>

static const struct {
    const char *field, *key;
} words[] = {
    { "backend_domname", "backend" },
    { "short_name", "short-name" },
    { "long_name", "long-name" },
    { "name", "name" },
    { "unique_id", "unique-id" },
    { "type", "type" },
    { "params/sample_rates", "sample-rates" },
    { "params/sample_formats", "sample-formats" },
    { "params/channels_min", "channels-min" },
    { "params/channels_max", "channels-max" },
    { "params/buffer_size", "buffer-size" },
};

/* A scalar, or a list as "a;b". NULL: there is none. */
static char *
value_of(const ConfNode *node)
{
    g_autoptr(GString) text = g_string_new(node ? via_text(node) : NULL);

    for (guint i = 0; node && node->items && i < node->items->len; i++) {
        const char *item = via_text(node->items->pdata[i]);

        g_string_append_printf(text, "%s%s", i ? ";" : "", item ? item : "");
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* "CARD, short-name=Main": one text of the card's list. false: it can't be said. */
static bool
add_item(ConfNode *card, const char *kind, const ConfNode *group)
{
    g_autoptr(GString) text = g_string_new(kind);
    ConfNode *item;

    if (group->kind != CONF_NODE_GROUP)
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *value = value_of(via_find(group, words[i].field));

        if (value && strpbrk(value, ",\n"))
            return false;
        if (value)
            g_string_append_printf(text, ", %s=%s", words[i].key, value);
    }
    item = conf_node_new(CONF_NODE_STRING, NULL, card->line, 0);
    item->text = g_strdup(text->str);
    g_ptr_array_add(card->items, item);
    return true;
}

static bool
add_items(ConfNode *card, const char *kind, const ConfNode *list)
{
    for (guint i = 0; list && list->items && i < list->items->len; i++) {
        const ConfNode *group = list->items->pdata[i];

        if (!add_item(card, kind, group) ||
            (strcmp(kind, "PCM") == 0 &&
             !add_items(card, "STREAM", conf_node_find(group, "streams"))))
            return false;
    }
    return true;
}

void
xlj_read_vsnd(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    ConfNode *list = via_put_list(via, row->key, node, path);
    g_autoptr(ConfNode) card = conf_node_new(CONF_NODE_LIST, NULL, list->line, 0);

    if (!add_item(card, "CARD", node) || !add_items(card, "PCM", conf_node_find(node, "pcms"))) {
        via_lost(via, node, path, "not a card that xl has words for");
        return;
    }
    g_ptr_array_add(list->items, g_steal_pointer(&card));
    conf_node_mark(node, CONF_FATE_CARRIED);
}
