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
        if (item->text && cfg_has_control(item->text))
            return false;
    }
    return true;
}

static bool
carry_text(CfgReader *r, const char *key, char *text, bool list)
{
    g_autofree char *owned = text;

    if (owned == NULL || cfg_has_control(owned))
        return false;
    if (list)
        conf_xl_keys_add_item(r->ext->keys, key, owned);
    else
        conf_xl_keys_set(r->ext->keys, key, owned);
    return true;
}

static char *
joined_lines(const ConfNode *list)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    for (guint i = 0; i < list->items->len; i++) {
        g_autofree char *text = scalar_text(list->items->pdata[i]);

        if (strchr(text, '\n'))
            return NULL;
        g_string_append_printf(lines, "%s%s", i ? "\n" : "", text);
    }
    return g_string_free(g_steal_pointer(&lines), FALSE);
}

bool
cfg_carry_nested(CfgReader *r, const char *key, ConfNode *node)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; node->kind == CONF_NODE_LIST && i < node->items->len; i++) {
        const ConfNode *inner = node->items->pdata[i];
        char *lines = is_flat_list(inner) ? joined_lines(inner) : NULL;

        if (lines == NULL)
            return false;
        g_ptr_array_add(texts, lines);
    }
    for (guint i = 0; i < texts->len; i++)
        conf_xl_keys_add_item(r->ext->keys, key, texts->pdata[i]);
    if (texts->len)
        conf_node_mark(node, CONF_FATE_CARRIED);
    return texts->len > 0;
}

bool
cfg_carry(CfgReader *r, const char *key, ConfNode *node)
{
    if (is_flat_list(node)) {
        for (guint i = 0; i < node->items->len; i++)
            carry_text(r, key, scalar_text(node->items->pdata[i]), true);
    } else if (!carry_text(r, key, scalar_text(node), false)) {
        return false;
    }
    conf_node_mark(node, CONF_FATE_CARRIED);
    return true;
}

bool
cfg_carry_instead(CfgReader *r, const char *key)
{
    ConfNode *node = r->who == CFG_XL ? cfg_node(r, key) : NULL;

    /* An item of it may have been the reason before. */
    return node && (conf_xl_keys_get(r->ext->keys, key) || cfg_carry(r, key, node));
}

bool
cfg_carry_item(CfgReader *r, const char *key, const char *text)
{
    return r->who == CFG_XL && carry_text(r, key, g_strdup(text), true);
}

/* irq= of xm is irqs= of xl, and may be one number. */
gboolean
cfg_read_irq(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    g_autofree char *text = scalar_text(node);

    if (text == NULL) {
        cfg_carry(r, "irqs", node);
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
    if (key->nested)
        cfg_put_lists(w, key->name, items);
    else
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

bool
cfg_is_carried(const CfgWriter *w, const char *key)
{
    return conf_xl_keys_get(w->ext->keys, key) != NULL;
}

void
cfg_append_carried(const CfgWriter *w, const char *key, GPtrArray *list)
{
    for (guint i = 0; w->who == CFG_XL && i < w->ext->keys->len; i++) {
        const ConfXlKey *carried = w->ext->keys->pdata[i];

        if (strcmp(carried->name, key) == 0)
            g_ptr_array_add(list, g_strdup(carried->value));
    }
}

/* Is there a row that writes it for this guest? */
static bool
is_written(const CfgWriter *w, const char *name)
{
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const CfgKey *key = &cfg_keys[i];
        bool carries = key->carry == CFG_CARRY_ALL ||
                       (key->carry != CFG_CARRY_NONE && w->who == CFG_XL);

        if (carries && (key->who & w->who) && (!key->guests || (key->guests & w->guest)) &&
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

        if (device == NULL && is_written(w, key->name))
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
enum {
    WORD_READ_ONLY = 1 << 0, /* xl-disk-configuration(5) has it, but xl 4.17 refuses it */
    WORD_ELSEWHERE = 1 << 1, /* the writer of the device puts it in its place itself */
    WORD_PREFIX = 1 << 2,    /* all that begin so */
};

static const struct DeviceWord {
    const char *kind; /* the key */
    const char *name; /* in metadata */
    const char *on;   /* a flag: the word for 1 */
    const char *off;  /* a flag: the word for 0 */
    unsigned flags;
} device_words[] = {
    { "disk", "direct-io-safe", "direct-io-safe", NULL, 0 },
    { "disk", "trusted", "trusted", "untrusted", WORD_READ_ONLY },
    { "disk", "script", NULL, NULL, 0 },
    { "disk", "backendtype", NULL, NULL, 0 },
    { "disk", "grant_usage", NULL, NULL, 0 },
    { "disk", "colo", "colo", "no-colo", 0 },
    { "disk", "colo-host", NULL, NULL, 0 },
    { "disk", "colo-port", NULL, NULL, 0 },
    { "disk", "colo-export", NULL, NULL, 0 },
    { "disk", "active-disk", NULL, NULL, 0 },
    { "disk", "hidden-disk", NULL, NULL, 0 },
    { "vif", "trusted", "trusted", "untrusted", 0 },
    { "vif", "gatewaydev", NULL, NULL, 0 },
    { "vif", "devid", NULL, NULL, 0 },
    { "vif", "vlan", NULL, NULL, 0 },
    { "vif", "rate", NULL, NULL, 0 },
    { "vif", "forwarddev", NULL, NULL, 0 },
    { "vif", "colo_", NULL, NULL, WORD_PREFIX },
    { "pci", "msitranslate", NULL, NULL, 0 },
    { "pci", "power_mgmt", NULL, NULL, 0 },
    { "pci", "rdm_policy", NULL, NULL, 0 },
    { "vif", "ip", NULL, NULL, 0 },
    { "channel", "backend", NULL, NULL, 0 },
    { "vfb", "vncunused", NULL, NULL, WORD_ELSEWHERE },
    { "usbctrl", "type", NULL, NULL, WORD_ELSEWHERE },
    { "usbctrl", "version", NULL, NULL, WORD_ELSEWHERE },
};

static bool
word_is(const struct DeviceWord *word, const char *kind, const char *name)
{
    if (strcmp(word->kind, kind) != 0)
        return false;
    return word->flags & WORD_PREFIX ? g_str_has_prefix(name, word->name)
                                     : strcmp(word->name, name) == 0;
}

static const struct DeviceWord *
find_word(const char *kind, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(device_words); i++) {
        if (word_is(&device_words[i], kind, name))
            return &device_words[i];
    }
    return NULL;
}

/* What kind of device has this name in our metadata; NULL: there is none. */
static const char *
kind_of(const ConfDomain *def, const char *target)
{
    for (guint i = 0; i < def->disks->len; i++) {
        if (g_strcmp0(((const ConfDisk *)g_ptr_array_index(def->disks, i))->target, target) == 0)
            return "disk";
    }
    for (guint i = 0; i < def->interfaces->len; i++) {
        if (g_strcmp0(((const ConfInterface *)g_ptr_array_index(def->interfaces, i))->mac,
                      target) == 0)
            return "vif";
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const ConfHostdev *dev = g_ptr_array_index(def->hostdevs, i);
        g_autofree char *name = conf_pci_name(dev);

        if (g_strcmp0(dev->type, "pci") == 0 && g_str_equal(name, target))
            return "pci";
    }
    for (guint i = 0; i < def->channels->len; i++) {
        const ConfChardev *chr = g_ptr_array_index(def->channels, i);

        if (g_strcmp0(chr->target_name, target) == 0)
            return "channel";
    }
    for (guint i = 0; i < def->graphics->len; i++) {
        g_autofree char *name = cfg_vfb_name(i);

        if (g_str_equal(name, target))
            return "vfb";
    }
    for (guint i = 0; i < def->controllers->len; i++) {
        const ConfController *controller = g_ptr_array_index(def->controllers, i);
        g_autofree char *name = cfg_usbctrl_name((unsigned)controller->index.value);

        if (g_strcmp0(controller->type, "usb") == 0 && g_str_equal(name, target))
            return "usbctrl";
    }
    return NULL;
}

bool
cfg_device_key_is_written(const CfgWriter *w, const char *target, const char *name)
{
    const char *kind = w->who == CFG_XL ? kind_of(w->def, target) : NULL;
    const struct DeviceWord *word = kind ? find_word(kind, name) : NULL;

    return word && !(word->flags & WORD_READ_ONLY);
}

/* One "NAME=VALUE" or flag of a device's text into `keys`; false: it is none that is carried. */
bool
cfg_carry_word(const char *kind, const char *name, const char *value, GPtrArray *keys)
{
    for (size_t i = 0; i < G_N_ELEMENTS(device_words); i++) {
        const struct DeviceWord *word = &device_words[i];
        bool may_be = word->name[0] == name[0] || (word->off && word->off[0] == name[0]);

        if (!may_be || strcmp(word->kind, kind) != 0 || (word->flags & WORD_ELSEWHERE))
            continue;
        if (value == NULL && word->on && strcmp(word->on, name) == 0)
            conf_xl_keys_set(keys, word->name, "1");
        else if (value == NULL && word->off && strcmp(word->off, name) == 0)
            conf_xl_keys_set(keys, word->name, "0");
        else if (value && *value && word_is(word, kind, name))
            conf_xl_keys_set(keys, name, value);
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

static void
put_word(const struct DeviceWord *word, const ConfXlKey *key, const char *comma, GString *text)
{
    if (word->on == NULL)
        g_string_append_printf(text, "%s%s=%s", comma, key->name, key->value);
    else if (strcmp(key->value, "0") != 0)
        g_string_append_printf(text, "%s%s", comma, word->on);
    else if (word->off)
        g_string_append_printf(text, "%s%s", comma, word->off);
}

/* The other way: ",NAME=VALUE" for each that xl has for this kind of device, in their order. */
void
cfg_put_carried_words(const CfgWriter *w, const char *kind, const char *target, GString *text)
{
    const GPtrArray *keys = w->who == CFG_XL ? conf_xl_ext_device(w->ext, target) : NULL;
    const char *comma = strcmp(kind, "disk") == 0 ? ", " : ",";

    for (guint k = 0; keys && k < keys->len; k++) {
        const ConfXlKey *key = keys->pdata[k];
        const struct DeviceWord *word = find_word(kind, key->name);

        if (word && !(word->flags & (WORD_READ_ONLY | WORD_ELSEWHERE)))
            put_word(word, key, comma, text);
    }
}
