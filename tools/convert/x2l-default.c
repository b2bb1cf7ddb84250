/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-default.h"

static void
replace(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
}

/* ---- is the domain silent? ---- */

/* "type=vnc,vncpasswd=x": a key inside of an xm or xl string. */
static gboolean
has_word(const char *text, const char *key)
{
    gsize len = strlen(key);

    for (const char *p = text; (p = strstr(p, key)); p += len) {
        const char *behind = p + len;

        while (*behind == ' ')
            behind++;
        if ((p == text || strchr(", '\"", p[-1])) && *behind == '=')
            return TRUE;
    }
    return FALSE;
}

/* As deep as a reader's tree: CONF_MAX_DEPTH. */
static gboolean
mentions(const ConfNode *node, const char *key)
{
    if (node->key && g_str_equal(node->key, key))
        return TRUE;
    if (!node->key && node->text && has_word(node->text, key))
        return TRUE;
    for (guint i = 0; node->items && i < node->items->len; i++) {
        if (mentions(node->items->pdata[i], key))
            return TRUE;
    }
    return FALSE;
}

/* The nodes of the interfaces, in order: items of vif=, and each (device (vif ...)). */
static GPtrArray *
find_vifs(const ConfNative *native)
{
    GPtrArray *vifs = g_ptr_array_new();
    const GPtrArray *items = native->root->items;

    if (native->format != CONF_FORMAT_SXP) {
        ConfNode *list = conf_node_find(native->root, "vif");

        for (guint i = 0; list && list->items && i < list->items->len; i++)
            g_ptr_array_add(vifs, list->items->pdata[i]);
        return vifs;
    }
    for (guint i = 0; items && i < items->len; i++) {
        const ConfNode *device = items->pdata[i];
        ConfNode *vif = device->key && g_str_equal(device->key, "device")
                            ? conf_node_find(device, "vif")
                            : NULL;

        if (vif)
            g_ptr_array_add(vifs, vif);
    }
    return vifs;
}

/* ---- what it gets ---- */

typedef struct Applying {
    const X2lSite *site;
    const ConfNative *native;
    X2lDomain *domain;
    gboolean xend; /* whose values count */
} Applying;

static void note(const Applying *a, const X2lSiteValue *value, const char *text, const char *path,
                 ...) G_GNUC_PRINTF(4, 5);

static void
note(const Applying *a, const X2lSiteValue *value, const char *text, const char *path, ...)
{
    X2lDefault *one = g_new0(X2lDefault, 1);
    va_list args;

    one->key = value->key;
    one->value = g_strdup(text);
    one->file = value->file;
    one->line = value->line;
    va_start(args, path);
    one->path = g_strdup_vprintf(path, args);
    va_end(args);
    g_ptr_array_add(a->domain->defaults, one);
}

/* The value for this domain, or NULL. */
static const X2lSiteValue *
value_of(const Applying *a, X2lSiteKey key)
{
    const X2lSiteValue *value = &a->site->values[key];

    return value->value ? value : NULL;
}

/* The reader told that it assumed xenbr0 for the interface that is the `nth` without a bridge. */
static void
drop_assumption(const Applying *a, guint nth)
{
    GPtrArray *rows = a->domain->report->rows;

    for (guint i = 0; i < rows->len; i++) {
        const ConfReportRow *row = rows->pdata[i];

        if (row->outcome != CONF_OUTCOME_CHANGED || !row->reason ||
            !strstr(row->reason, "xenbr0") || !strstr(row->path, "vif"))
            continue;
        if (nth-- == 0) {
            g_ptr_array_remove_index(rows, i);
            return;
        }
    }
}

static gboolean
is_bridged(const char *script)
{
    g_autofree char *name = g_path_get_basename(script);

    return g_str_equal(name, "vif-bridge") || g_str_equal(name, "vif-openvswitch");
}

typedef struct Silence {
    gboolean script, bridge, backend;
} Silence;

static Silence
silence_of(const GPtrArray *vifs, guint index)
{
    const ConfNode *vif = index < vifs->len ? vifs->pdata[index] : NULL;

    if (!vif) /* nics=: nothing is said of it */
        return (Silence){ TRUE, TRUE, TRUE };
    return (Silence){ !mentions(vif, "script"), !mentions(vif, "bridge"),
                      !mentions(vif, "backend") };
}

static void
give_script(const Applying *a, ConfInterface *iface, guint index, const X2lSiteValue *script,
            gboolean no_bridge)
{
    replace(&iface->script, script->value);
    if (no_bridge && !is_bridged(script->value)) {
        g_clear_pointer(&iface->source_bridge, g_free);
        replace(&iface->type, "ethernet");
    }
    note(a, script, script->value, "vif[%u].script", index);
}

static void
give_interface(const Applying *a, ConfInterface *iface, guint index, Silence silent,
               guint *n_assumed)
{
    const X2lSiteValue *script = value_of(a, a->xend ? X2L_SITE_XEND_SCRIPT : X2L_SITE_XL_SCRIPT);
    const X2lSiteValue *bridge = value_of(a, a->xend ? X2L_SITE_XEND_BRIDGE : X2L_SITE_XL_BRIDGE);
    const X2lSiteValue *backend = a->xend ? NULL : value_of(a, X2L_SITE_XL_BACKEND);
    gboolean assumed = silent.bridge && iface->source_bridge;
    gboolean answered = FALSE;

    if (script && silent.script && !iface->script) {
        give_script(a, iface, index, script, silent.bridge);
        answered = assumed && !iface->source_bridge;
    }
    if (bridge && assumed && iface->source_bridge) {
        replace(&iface->source_bridge, bridge->value);
        note(a, bridge, bridge->value, "vif[%u].bridge", index);
        answered = TRUE;
    }
    if (backend && silent.backend && !iface->backenddomain) {
        replace(&iface->backenddomain, backend->value);
        note(a, backend, backend->value, "vif[%u].backend", index);
    }
    if (answered)
        drop_assumption(a, *n_assumed);
    else
        *n_assumed += assumed;
}

static void
give_interfaces(const Applying *a)
{
    g_autoptr(GPtrArray) vifs = find_vifs(a->native);
    GPtrArray *interfaces = a->domain->def->interfaces;
    guint n_assumed = 0;

    /* One that the reader did not take would shift the others. */
    if (vifs->len > interfaces->len)
        return;
    for (guint i = 0; i < interfaces->len; i++)
        give_interface(a, interfaces->pdata[i], i, silence_of(vifs, i), &n_assumed);
}

static void
give_listen(const Applying *a, ConfGraphics *graphics)
{
    const X2lSiteValue *value = value_of(a, X2L_SITE_VNC_LISTEN);
    ConfListen *listen;

    if (!value || graphics->listen || graphics->listens->len ||
        mentions(a->native->root, "vnclisten"))
        return;
    replace(&graphics->listen, value->value);
    listen = conf_listen_new();
    replace(&listen->type, "address");
    replace(&listen->address, value->value);
    g_ptr_array_add(graphics->listens, listen);
    note(a, value, value->value, "vnclisten");
}

static void
give_text(const Applying *a, X2lSiteKey key, char **field, const char *name, gboolean secret)
{
    const X2lSiteValue *value = value_of(a, key);

    if (!value || *field || mentions(a->native->root, name))
        return;
    replace(field, value->value);
    note(a, value, secret ? "***" : value->value, "%s", name);
}

static void
give_graphics(const Applying *a)
{
    GPtrArray *list = a->domain->def->graphics;

    for (guint i = 0; i < list->len; i++) {
        ConfGraphics *graphics = list->pdata[i];

        if (!graphics->type || !g_str_equal(graphics->type, "vnc"))
            continue;
        give_listen(a, graphics);
        give_text(a, X2L_SITE_VNC_PASSWD, &graphics->passwd, "vncpasswd", TRUE);
        give_text(a, X2L_SITE_KEYMAP, &graphics->keymap, "keymap", FALSE);
    }
}

/* xend wrote a core before it did what on_crash says. */
static void
give_dump(const Applying *a)
{
    static const struct {
        ConfAction without, with;
        const char *name;
    } dumps[] = {
        { CONF_ACTION_DESTROY, CONF_ACTION_COREDUMP_DESTROY, "coredump-destroy" },
        { CONF_ACTION_RESTART, CONF_ACTION_COREDUMP_RESTART, "coredump-restart" },
    };
    const X2lSiteValue *value = value_of(a, X2L_SITE_DUMP);
    ConfDomain *def = a->domain->def;

    for (gsize i = 0; value && i < G_N_ELEMENTS(dumps); i++) {
        if (def->on_crash != dumps[i].without)
            continue;
        def->on_crash = dumps[i].with;
        note(a, value, dumps[i].name, "on_crash");
        return;
    }
}

void
x2l_default_apply(const X2lSite *site, const ConfNative *native, X2lDomain *domain)
{
    const Applying a = { site, native, domain, native->format != CONF_FORMAT_XL };

    give_interfaces(&a);
    if (!a.xend)
        return;
    give_graphics(&a);
    give_dump(&a);
}
