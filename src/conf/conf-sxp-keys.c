/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xend says and domXML has no place for, but xl has a key for: it rides in our element of
 * <metadata> (conf-xlext.h), as the same key of an xl config does. */
#include "conf-sxp.h"

#include <string.h>

/* Nothing for it to speak of: it says what holds anyway. `item` may be NULL. */
void
sxp_drop_key(SxpRead *in, const SxpItem *item)
{
    GPtrArray *keys = in->ext->keys;

    if (item == NULL)
        return;
    for (guint i = keys->len; i > 0; i--) {
        if (strcmp(((ConfXlKey *)keys->pdata[i - 1])->name, item->row->key) == 0)
            g_ptr_array_remove_index(keys, i - 1);
    }
    sxp_mark(item, CONF_FATE_DEFAULT);
}

/* ---- a range of I/O ports, an interrupt: each is a device ---- */

/* False: there is no such part, or it is no number up to `most`. */
static bool
part_of(const ConfNode *group, const char *key, unsigned base, guint64 most, guint64 *ret_number)
{
    const ConfNode *node = conf_node_find(group, key);
    const char *text = node != NULL && node->text != NULL ? node->text : "";

    if (base == 16 && g_ascii_strncasecmp(text, "0x", 2) == 0)
        text += 2;
    return g_ascii_string_to_unsigned(text, base, 0, most, ret_number, NULL);
}

/* Known parts are carried; others stay unseen, and are reported. */
static void
mark_parts(ConfNode *group, const char *const *keys)
{
    for (guint i = 0; i < group->items->len; i++) {
        ConfNode *item = group->items->pdata[i];

        if (item->key == NULL)
            continue;
        if (g_strv_contains(keys, item->key))
            conf_node_mark(item, CONF_FATE_CARRIED);
        else if (g_str_equal(item->key, "uuid") || g_str_equal(item->key, "devid"))
            conf_node_mark(item, CONF_FATE_RUNTIME);
    }
}

/* (ioports (from 2f8) (to 2ff)): hexadecimal, as in xl's ioports=. */
gboolean
sxp_read_ioports(SxpRead *in, const SxpItem *item, GError **error)
{
    static const char *const keys[] = { "from", "to", NULL };
    bool single = conf_node_find(item->node, "to") == NULL;
    g_autofree char *range = NULL;
    guint64 from = 0, to = 0;

    if (!part_of(item->node, "from", 16, 0xffff, &from) ||
        !part_of(item->node, single ? "from" : "to", 16, 0xffff, &to) || from > to) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "no range of I/O ports from 0 to ffff");
        return TRUE;
    }
    range = from == to ? g_strdup_printf("%x", (unsigned)from)
                       : g_strdup_printf("%x-%x", (unsigned)from, (unsigned)to);
    conf_xl_keys_add_item(in->ext->keys, "ioports", range);
    mark_parts(item->node, keys);
    return TRUE;
}

gboolean
sxp_read_irq(SxpRead *in, const SxpItem *item, GError **error)
{
    static const char *const keys[] = { "irq", NULL };
    g_autofree char *text = NULL;
    guint64 irq = 0;

    if (!part_of(item->node, "irq", 10, G_MAXINT32, &irq)) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "no number of an interrupt");
        return TRUE;
    }
    text = g_strdup_printf("%u", (unsigned)irq);
    conf_xl_keys_add_item(in->ext->keys, "irqs", text);
    mark_parts(item->node, keys);
    return TRUE;
}

static void
write_ioports(ConfNode *root, const char *value)
{
    ConfNode *group = sxp_add_group(sxp_add_group(root, "device"), "ioports");
    const char *dash = strchr(value, '-');
    g_autofree char *from = g_strndup(value, strcspn(value, "-"));

    sxp_add(group, "from", from);
    sxp_add(group, "to", dash != NULL ? dash + 1 : from);
}

void
sxp_write_raw_devices(SxpWrite *out, ConfNode *root)
{
    for (guint i = 0; i < out->ext->keys->len; i++) {
        const ConfXlKey *key = out->ext->keys->pdata[i];

        if (strcmp(key->name, "ioports") == 0)
            write_ioports(root, key->value);
        else if (strcmp(key->name, "irqs") == 0)
            sxp_add(sxp_add_group(sxp_add_group(root, "device"), "irq"), "irq", key->value);
    }
}
