/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that domXML has no place for ride in our element of <metadata> (conf-xlext.h). */
#include "conf-cfg.h"

#include <string.h>

/* ---- reading ---- */

/* NULL for what is no single value. */
static char *
scalar_text(const ConfNode *node)
{
    if (node->kind == CONF_NODE_STRING)
        return g_strdup(node->text ? node->text : "");
    if (node->kind == CONF_NODE_INT)
        return g_strdup_printf("%" G_GINT64_FORMAT, node->number);
    return NULL;
}

static bool
is_flat_list(const ConfNode *node)
{
    if (node->kind != CONF_NODE_LIST || node->items == NULL || node->items->len == 0)
        return false;
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (item->kind != CONF_NODE_STRING && item->kind != CONF_NODE_INT)
            return false;
    }
    return true;
}

/* Leaves a node unseen that is no value and no list of values: it is lost then, with the row's
 * reason. */
void
cfg_carry(CfgReader *r, const CfgKey *key, ConfNode *node)
{
    g_autofree char *text = scalar_text(node);

    if (text) {
        conf_xl_keys_set(r->ext->keys, key->name, text);
    } else if (is_flat_list(node)) {
        for (guint i = 0; i < node->items->len; i++) {
            g_autofree char *item = scalar_text(node->items->pdata[i]);

            conf_xl_keys_add_item(r->ext->keys, key->name, item);
        }
    } else {
        return;
    }
    conf_node_mark(node, CONF_FATE_CARRIED);
}

/* irq= of xm is irqs= of xl, and may be one number. */
gboolean
cfg_read_irq(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    g_autofree char *text = scalar_text(node);

    if (text == NULL) {
        cfg_carry(r, &(const CfgKey){ .name = "irqs" }, node);
    } else {
        conf_xl_keys_add_item(r->ext->keys, "irqs", text);
        conf_node_mark(node, CONF_FATE_CARRIED);
    }
    if (node->fate == CONF_FATE_UNSEEN)
        cfg_report(r, node, key->name, CONF_OUTCOME_LOST, "no list of numbers of interrupts");
    return TRUE;
}

/* ---- writing ---- */

/* A number without quotes is a string to neither xl nor xm. */
static bool
is_number(const char *text)
{
    g_autofree char *again = NULL;
    int64_t number;

    if (!cfg_parse_int(text, &number))
        return false;
    again = g_strdup_printf("%" G_GINT64_FORMAT, number);
    return strcmp(again, text) == 0;
}

void
cfg_write_carried(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new();

    for (guint i = 0; i < w->ext->keys->len; i++) {
        const ConfXlKey *carried = w->ext->keys->pdata[i];
        int64_t number;

        if (strcmp(carried->name, key->name) != 0)
            continue;
        if (carried->list) {
            g_ptr_array_add(items, carried->value);
            continue;
        }
        if (is_number(carried->value) && cfg_parse_int(carried->value, &number))
            cfg_put_int(w, key->name, number);
        else
            cfg_put_string(w, key->name, carried->value);
        return;
    }
    cfg_put_list(w, key->name, items);
}

/* xl has a syntax of its own for one value, and xend's for a list. */
bool
cfg_carries_list(const CfgWriter *w, const char *name)
{
    for (guint i = 0; i < w->ext->keys->len; i++) {
        const ConfXlKey *key = w->ext->keys->pdata[i];

        if (key->list && strcmp(key->name, name) == 0)
            return true;
    }
    return false;
}

static bool
is_carried(const CfgWriter *w, const char *name)
{
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const CfgKey *key = &cfg_keys[i];

        if ((key->carried || (key->carries && w->who == CFG_XL)) && (key->who & w->who) &&
            strcmp(key->name, name) == 0)
            return true;
    }
    return w->who == CFG_XM && strcmp(name, "cpuid") == 0 && cfg_carries_list(w, name);
}

/* Keys that no row has written: of another version of us, or of xl where this is xm. */
static void
report_keys(CfgWriter *w, const GPtrArray *keys, const char *device)
{
    for (guint i = 0; i < keys->len; i++) {
        const ConfXlKey *key = keys->pdata[i];

        if (device == NULL && is_carried(w, key->name))
            continue;
        if (device && cfg_device_key_is_written(w, device, key->name))
            continue;
        cfg_lost(w, key->value,
                 w->who == CFG_XM ? "a key of xl, which xm does not know"
                 : device         ? "xl would not read it"
                                  : "no key of xl",
                 "/domain/metadata/xl%s%s/%s", device ? "/" : "", device ? device : "", key->name);
    }
}

void
cfg_report_uncarried(CfgWriter *w)
{
    report_keys(w, w->ext->keys, NULL);
    for (guint i = 0; i < w->ext->devices->len; i++) {
        const ConfXlDevice *device = w->ext->devices->pdata[i];

        report_keys(w, device->keys, device->target);
    }
}

/* Nobody else has put something there. */
bool
cfg_metadata_is_ours(const ConfDomain *def)
{
    g_autoptr(ConfDomain) copy = conf_domain_new();

    copy->metadata = g_strdup(def->metadata);
    return conf_domain_metadata_set(copy, CONF_XL_EXT_URI, CONF_XL_EXT_PREFIX, NULL, NULL) &&
           copy->metadata == NULL;
}

/* ---- parameters of devices ---- */

/* Flags are "1" in metadata, and two words where xl has one for no: trusted=0 is "untrusted". */
static const struct DeviceWord {
    const char *kind; /* the key */
    const char *name; /* in metadata */
    const char *on;   /* a flag: the word for 1 */
    const char *off;  /* a flag: the word for 0 */
    bool read_only;   /* xl-disk-configuration(5) has it, but xl 4.17 refuses it */
} device_words[] = {
    { "disk", "direct-io-safe", "direct-io-safe", NULL },
    { "disk", "trusted", "trusted", "untrusted", true },
    { "disk", "script", NULL, NULL },
    { "disk", "backendtype", NULL, NULL },
    { "disk", "colo", "colo", "no-colo" },
    { "disk", "colo-host", NULL, NULL },
    { "disk", "colo-port", NULL, NULL },
    { "disk", "colo-export", NULL, NULL },
    { "disk", "active-disk", NULL, NULL },
    { "disk", "hidden-disk", NULL, NULL },
    { "vif", "trusted", "trusted", "untrusted" },
    { "vif", "gatewaydev", NULL, NULL },
    { "vif", "forwarddev", NULL, NULL },
    { "pci", "msitranslate", NULL, NULL },
    { "pci", "power_mgmt", NULL, NULL },
    { "pci", "rdm_policy", NULL, NULL },
};

static bool
is_disk(const ConfDomain *def, const char *target)
{
    for (guint i = 0; i < def->disks->len; i++) {
        if (g_strcmp0(((const ConfDisk *)g_ptr_array_index(def->disks, i))->target, target) == 0)
            return true;
    }
    return false;
}

bool
cfg_device_key_is_written(const CfgWriter *w, const char *target, const char *name)
{
    bool disk = is_disk(w->def, target);

    for (size_t i = 0; w->who == CFG_XL && i < G_N_ELEMENTS(device_words); i++) {
        const struct DeviceWord *word = &device_words[i];

        if (strcmp(word->name, name) == 0 && disk == (strcmp(word->kind, "disk") == 0))
            return !word->read_only;
    }
    return w->who == CFG_XL && strcmp(name, "rate") == 0; /* conf-cfg-vif.c */
}

/* One "NAME=VALUE" or flag of a device's text into `keys`; false: it is none that is carried. */
bool
cfg_carry_word(const char *kind, const char *name, const char *value, GPtrArray *keys)
{
    for (size_t i = 0; i < G_N_ELEMENTS(device_words); i++) {
        const struct DeviceWord *word = &device_words[i];

        if (strcmp(word->kind, kind) != 0)
            continue;
        if (value == NULL && word->on && strcmp(word->on, name) == 0)
            conf_xl_keys_set(keys, word->name, "1");
        else if (value == NULL && word->off && strcmp(word->off, name) == 0)
            conf_xl_keys_set(keys, word->name, "0");
        else if (value && *value && strcmp(word->name, name) == 0)
            conf_xl_keys_set(keys, word->name, value);
        else
            continue;
        return true;
    }
    return false;
}

/* Takes the keys over to the device of this name; nothing for an empty list. */
void
cfg_carry_device(ConfXlExt *ext, const char *target, const GPtrArray *keys)
{
    for (guint i = 0; target && i < keys->len; i++) {
        const ConfXlKey *key = keys->pdata[i];

        conf_xl_keys_set(conf_xl_ext_ensure_device(ext, target), key->name, key->value);
    }
}

/* The other way: ",NAME=VALUE" for each that xl has for this kind of device. */
void
cfg_put_carried_words(const CfgWriter *w, const char *kind, const char *target, GString *text)
{
    const GPtrArray *keys = conf_xl_ext_device(w->ext, target);
    const char *comma = strcmp(kind, "disk") == 0 ? ", " : ",";

    for (size_t i = 0; w->who == CFG_XL && i < G_N_ELEMENTS(device_words); i++) {
        const struct DeviceWord *word = &device_words[i];
        const char *value = conf_xl_keys_get(keys, word->name);

        if (value == NULL || word->read_only || strcmp(word->kind, kind) != 0)
            continue;
        if (word->on == NULL)
            g_string_append_printf(text, "%s%s=%s", comma, word->name, value);
        else if (strcmp(value, "0") != 0)
            g_string_append_printf(text, "%s%s", comma, word->on);
        else if (word->off)
            g_string_append_printf(text, "%s%s", comma, word->off);
    }
}
