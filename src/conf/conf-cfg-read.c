/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: from the native tree to a domain. */
#include "conf-cfg.h"

#include <string.h>

static void *
field_of(CfgReader *r, const CfgKey *key)
{
    char *base = key->in_parts ? (char *)&r->parts : (char *)r->def;

    return base + key->offset;
}

/* "0", "1", "none" ...: the value that holds without the key. */
static bool
is_neutral(const CfgKey *key, const ConfNode *node)
{
    int64_t want, have;
    bool on;

    if (key->neutral == NULL || node->kind == CONF_NODE_LIST || node->kind == CONF_NODE_GROUP)
        return false;
    if (g_str_equal(node->text, key->neutral))
        return true;
    if (!cfg_parse_int(key->neutral, &want))
        return false;
    if (node->kind == CONF_NODE_INT)
        return node->number == want;
    if (cfg_parse_int(node->text, &have))
        return have == want;
    return cfg_parse_bool(node->text, &on) && (want == 0 || want == 1) && on == (want == 1);
}

/* A word in, a word of domXML out. Unknown words are lost by name: a domain without the odd
 * setting is of more use than none. */
static gboolean
read_name(CfgReader *r, const CfgKey *key, ConfNode *node, const char *text, char **field)
{
    for (const CfgName *name = key->names; name->word; name++) {
        if (!g_str_equal(name->word, text))
            continue;
        if (name->value == NULL)
            conf_node_mark(node, CONF_FATE_DEFAULT);
        else if (name->value == cfg_in_metadata)
            cfg_carry_instead(r, key->name);
        else if (field)
            conf_set_string(field, name->value);
        return TRUE;
    }
    g_autoptr(GString) known = g_string_new(NULL);
    for (const CfgName *name = key->names; name->word; name++)
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", name->word);
    cfg_report(r, node, key->name, CONF_OUTCOME_LOST, "%s (%s are known)",
               key->why ? key->why : "libvirt has no word for this value", known->str);
    return TRUE;
}

static gboolean
read_string(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    char **field = key->type == CFG_TYPE_STRING ? field_of(r, key) : NULL;
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    if (key->names)
        return read_name(r, key, node, text, field);
    if (key->path && *text != '\0' && *text != '/') {
        g_free(*field);
        *field = conf_path_absolute(text, r->native->file);
        cfg_report(r, node, key->name, CONF_OUTCOME_CHANGED,
                   "libvirt needs an absolute path: %s is assumed", *field);
        return TRUE;
    }
    if (key->path && *text == '\0') {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return TRUE;
    }
    return conf_set_string(field, text);
}

static gboolean
read_action(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    ConfAction action = conf_action_parse(text);
    if (action == CONF_ACTION_ABSENT && g_str_equal(text, "soft-reset") &&
        cfg_carry_instead(r, key->name))
        return TRUE; /* Xen has it, libvirt has not */
    if (action == CONF_ACTION_ABSENT)
        cfg_report(r, node, key->name, CONF_OUTCOME_LOST, "%s", key->why);
    else
        *(ConfAction *)field_of(r, key) = action;
    return TRUE;
}

static gboolean
read_plain(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    bool on = false;

    switch (key->type) {
    case CFG_TYPE_STRING:
    case CFG_TYPE_HOOK:
        return read_string(r, key, node, error);
    case CFG_TYPE_ACTION:
        return read_action(r, key, node, error);
    case CFG_TYPE_OPTINT: {
        ConfOptInt *field = field_of(r, key);
        int64_t value;

        if (!cfg_get_int(r, key->name, node, &value, error))
            return FALSE;
        *field = (ConfOptInt){ true, value };
        return TRUE;
    }
    case CFG_TYPE_TRISTATE:
        if (!cfg_get_bool(r, key->name, node, &on, error))
            return FALSE;
        *(ConfTristate *)field_of(r, key) = on ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        return TRUE;
    case CFG_TYPE_BOOL:
        if (!cfg_get_bool(r, key->name, node, &on, error))
            return FALSE;
        *(bool *)field_of(r, key) = on;
        return TRUE;
    }
    g_assert_not_reached();
}

static bool
has_home(const CfgKey *key)
{
    return key->read || key->type != CFG_TYPE_HOOK || key->names;
}

static gboolean
read_key(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    if (node->kind == CONF_NODE_OPAQUE) {
        if (key->required) {
            cfg_error(r, node, key->name, error, CONF_ERROR_INVALID,
                      "the value can't be worked out: %s", node->text);
            return FALSE;
        }
        return TRUE; /* stays unseen: conf_report_close() reports it with its text */
    }
    if (node->kind == CONF_NODE_NONE || is_neutral(key, node)) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        if (!has_home(key) || node->kind == CONF_NODE_NONE)
            return TRUE;
    }
    /* What can't be carried stays unseen, and is lost with the row's reason. */
    if (key->carry == CFG_CARRY_ALL && node->fate == CONF_FATE_UNSEEN)
        (key->nested ? cfg_carry_nested : cfg_carry)(r, key->name, node);
    if (!has_home(key))
        return TRUE; /* stays unseen: reported with the row's reason */
    if (key->guests && !(key->guests & r->guest)) {
        cfg_report(r, node, key->name, CONF_OUTCOME_DEFAULT, "has no effect on %s domains",
                   cfg_guest_name(r->guest));
        return TRUE;
    }
    if (!(key->read ? key->read(r, key, node, error) : read_plain(r, key, node, error)))
        return FALSE;
    if (node->fate == CONF_FATE_UNSEEN)
        conf_node_mark(node, CONF_FATE_CARRIED);
    return TRUE;
}

/* Rows are read in the order of the table; which of them a config has is found from its own keys,
 * of which there are fewer. */
static gboolean
read_keys(CfgReader *r, GError **error)
{
    const GPtrArray *items = r->native->root->items;
    ConfNode *nodes[CFG_MAX_KEYS] = { NULL };

    for (guint i = 0; items && i < items->len; i++) {
        ConfNode *node = items->pdata[i];
        const CfgKey *key = node->key ? cfg_key_find(node->key, r->who) : NULL;

        if (key)
            nodes[key - cfg_keys] = node; /* the last one counts */
    }
    for (size_t i = 0; i < cfg_n_keys; i++) {
        if (nodes[i] && !read_key(r, &cfg_keys[i], nodes[i], error))
            return FALSE;
    }
    return TRUE;
}

/* ---- reasons for what nobody asked for ---- */

static const char *
why(const char *path, CfgWho who)
{
    g_autofree char *name = g_strndup(path, strcspn(path, "[./"));
    const CfgKey *key = cfg_key_find(name, who);

    if (key)
        return key->why;
    if (!cfg_key_find(name, CFG_BOTH))
        return NULL;
    return who == CFG_XL ? "a key of xm, which xl ignores" : "a key of xl, which xm ignores";
}

static const char *
why_xl(const char *path)
{
    return why(path, CFG_XL);
}

static const char *
why_xm(const char *path)
{
    return why(path, CFG_XM);
}

/* The mapping adds no keys, so this holds for all of it. */
static guint64
beginnings(const ConfNode *root)
{
    guint64 all = 0;

    for (guint i = 0; root->items && i < root->items->len; i++) {
        const ConfNode *item = root->items->pdata[i];

        all |= item->key ? cfg_beginning(item->key) : 0;
    }
    return all;
}

static gboolean
to_domain(CfgReader *r, GError **error)
{
    return read_keys(r, error) && cfg_base_join(r, error) && cfg_cpu_join(r, error) &&
           cfg_disk_join(r, error) && cfg_vif_join(r, error) && cfg_graphics_join(r, error) &&
           cfg_devices_join(r, error) && conf_xl_ext_store(r->def, r->ext, error);
}

ConfDomain *
conf_cfg_to_domain(ConfNative *native, ConfReport *report, GError **error)
{
    g_autoptr(ConfDomain) def = conf_domain_new();
    g_autoptr(ConfXlExt) ext = conf_xl_ext_new();
    CfgReader r = {
        .native = native,
        .report = report,
        .def = def,
        .who = native->format == CONF_FORMAT_XM ? CFG_XM : CFG_XL,
        .guest = CFG_PV,
        .beginnings = beginnings(native->root),
        .ext = ext,
    };
    gboolean ok = to_domain(&r, error);

    cfg_parts_clear(&r.parts);
    conf_report_close(report, native, r.who == CFG_XM ? why_xm : why_xl);
    return ok ? g_steal_pointer(&def) : NULL;
}
