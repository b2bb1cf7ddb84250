/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our element in <metadata>. */
#include "conf-xml.h"

#include <conf/conf-xlext.h>

#include <string.h>

/* ---- the model ---- */

static void
key_free(gpointer data)
{
    ConfXlKey *key = data;

    g_free(key->name);
    g_free(key->value);
    g_free(key);
}

static void
device_free(gpointer data)
{
    ConfXlDevice *device = data;

    g_free(device->target);
    g_ptr_array_unref(device->keys);
    g_free(device);
}

GPtrArray *
conf_xl_keys_new(void)
{
    return g_ptr_array_new_with_free_func(key_free);
}

ConfXlExt *
conf_xl_ext_new(void)
{
    ConfXlExt *ext = g_new0(ConfXlExt, 1);

    ext->keys = conf_xl_keys_new();
    ext->devices = g_ptr_array_new_with_free_func(device_free);
    return ext;
}

void
conf_xl_ext_free(ConfXlExt *ext)
{
    if (ext == NULL)
        return;
    g_ptr_array_unref(ext->keys);
    g_ptr_array_unref(ext->devices);
    g_free(ext);
}

bool
conf_xl_ext_is_empty(const ConfXlExt *ext)
{
    for (guint i = 0; i < ext->devices->len; i++) {
        if (((const ConfXlDevice *)ext->devices->pdata[i])->keys->len)
            return false;
    }
    return ext->keys->len == 0;
}

const char *
conf_xl_keys_get(const GPtrArray *keys, const char *name)
{
    for (guint i = 0; keys && i < keys->len; i++) {
        const ConfXlKey *key = keys->pdata[i];

        if (strcmp(key->name, name) == 0)
            return key->value;
    }
    return NULL;
}

static void
add_key(GPtrArray *keys, const char *name, const char *value, bool list)
{
    ConfXlKey *key = g_new0(ConfXlKey, 1);

    key->name = g_strdup(name);
    key->value = g_strdup(value ? value : "");
    key->list = list;
    g_ptr_array_add(keys, key);
}

void
conf_xl_keys_remove(GPtrArray *keys, const char *name)
{
    for (guint i = keys->len; i > 0; i--) {
        if (strcmp(((const ConfXlKey *)keys->pdata[i - 1])->name, name) == 0)
            g_ptr_array_remove_index(keys, i - 1);
    }
}

void
conf_xl_keys_set(GPtrArray *keys, const char *name, const char *value)
{
    conf_xl_keys_remove(keys, name);
    add_key(keys, name, value, false);
}

void
conf_xl_keys_add_item(GPtrArray *keys, const char *name, const char *value)
{
    add_key(keys, name, value, true);
}

const GPtrArray *
conf_xl_ext_device(const ConfXlExt *ext, const char *target)
{
    for (guint i = 0; target && i < ext->devices->len; i++) {
        const ConfXlDevice *device = ext->devices->pdata[i];

        if (strcmp(device->target, target) == 0)
            return device->keys;
    }
    return NULL;
}

GPtrArray *
conf_xl_ext_ensure_device(ConfXlExt *ext, const char *target)
{
    const GPtrArray *keys = conf_xl_ext_device(ext, target);
    ConfXlDevice *device;

    if (keys)
        return (GPtrArray *)keys;
    device = g_new0(ConfXlDevice, 1);
    device->target = g_strdup(target);
    device->keys = conf_xl_keys_new();
    g_ptr_array_add(ext->devices, device);
    return device->keys;
}

/* ---- reading ---- */

static bool
is_ours(const xmlNode *node, const char *name)
{
    return node->ns && strcmp((const char *)node->ns->href, CONF_XL_EXT_URI) == 0 &&
           strcmp((const char *)node->name, name) == 0;
}

static gboolean
read_key(const xmlNode *node, GPtrArray *keys, GError **error)
{
    g_autofree char *name = conf_xml_attribute(node, "name");
    g_autofree char *list = conf_xml_attribute(node, "list");
    xmlChar *value = xmlNodeGetContent(node);

    if (name && *name)
        add_key(keys, name, (const char *)value, g_strcmp0(list, "yes") == 0);
    else
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "metadata: a <%s:key> without a name=", CONF_XL_EXT_PREFIX);
    xmlFree(value);
    return name && *name;
}

static gboolean
read_keys(xmlNode *parent, GPtrArray *keys, GError **error)
{
    for (xmlNode *node = conf_xml_element(parent->children); node;
         node = conf_xml_element(node->next)) {
        if (is_ours(node, "key") && !read_key(node, keys, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_device(xmlNode *node, ConfXlExt *ext, GError **error)
{
    g_autofree char *target = conf_xml_attribute(node, "target");

    if (target && *target)
        return read_keys(node, conf_xl_ext_ensure_device(ext, target), error);
    g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                "metadata: a <%s:device> without a target=", CONF_XL_EXT_PREFIX);
    return FALSE;
}

static gboolean
read_ext(xmlNode *parent, ConfXlExt *ext, GError **error)
{
    if (!read_keys(parent, ext->keys, error))
        return FALSE;
    for (xmlNode *node = conf_xml_element(parent->children); node;
         node = conf_xml_element(node->next)) {
        if (is_ours(node, "device") && !read_device(node, ext, error))
            return FALSE;
    }
    return TRUE;
}

ConfXlExt *
conf_xl_ext_load(const ConfDomain *def, GError **error)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_new();
    g_autofree char *whole = NULL;
    g_autoptr(ConfXmlNode) all = NULL;

    /* Most domains have none: no need to look closer. */
    if (def->metadata == NULL || strstr(def->metadata, CONF_XL_EXT_URI) == NULL)
        return g_steal_pointer(&ext);
    whole = g_strconcat("<metadata>", def->metadata, "</metadata>", NULL);
    all = conf_xml_read_element(whole);
    for (xmlNode *node = all ? conf_xml_element(all->children) : NULL; node;
         node = conf_xml_element(node->next)) {
        if (is_ours(node, "xl") && !read_ext(node, ext, error))
            return NULL;
    }
    return g_steal_pointer(&ext);
}

/* ---- writing ---- */

#define ELEMENT(name) CONF_XL_EXT_PREFIX ":" name

static void
put_attribute(GString *out, const char *name, const char *value)
{
    conf_xml_print_attribute(out, CONF_XML_STYLE_COMPACT, NULL, name, value);
}

static void
write_keys(GString *out, const GPtrArray *keys)
{
    for (guint i = 0; i < keys->len; i++) {
        const ConfXlKey *key = keys->pdata[i];
        g_autofree char *clean = conf_xml_is_clean(key->value) ? NULL : conf_xml_clean(key->value);
        const char *value = clean ? clean : key->value;

        g_string_append(out, "<" ELEMENT("key"));
        put_attribute(out, "name", key->name);
        if (key->list)
            put_attribute(out, "list", "yes");
        if (*value == '\0') {
            g_string_append(out, "/>");
            continue;
        }
        g_string_append_c(out, '>');
        conf_xml_print_text(out, CONF_XML_STYLE_COMPACT, value);
        g_string_append(out, "</" ELEMENT("key") ">");
    }
}

static char *
format_ext(const ConfXlExt *ext)
{
    GString *out = g_string_new("<" ELEMENT("xl"));

    put_attribute(out, "xmlns:" CONF_XL_EXT_PREFIX, CONF_XL_EXT_URI);
    g_string_append_c(out, '>');
    write_keys(out, ext->keys);
    for (guint i = 0; i < ext->devices->len; i++) {
        const ConfXlDevice *device = ext->devices->pdata[i];

        if (device->keys->len == 0)
            continue;
        g_string_append(out, "<" ELEMENT("device"));
        put_attribute(out, "target", device->target);
        g_string_append_c(out, '>');
        write_keys(out, device->keys);
        g_string_append(out, "</" ELEMENT("device") ">");
    }
    g_string_append(out, "</" ELEMENT("xl") ">");
    return g_string_free(out, FALSE);
}

gboolean
conf_xl_ext_store(ConfDomain *def, const ConfXlExt *ext, GError **error)
{
    bool empty = conf_xl_ext_is_empty(ext);
    g_autofree char *text = empty ? NULL : format_ext(ext);

    if (empty && (def->metadata == NULL || strstr(def->metadata, CONF_XL_EXT_URI) == NULL))
        return TRUE;
    if (def->metadata == NULL) { /* nobody else's to keep beside it */
        def->metadata = g_steal_pointer(&text);
        return TRUE;
    }
    return conf_domain_metadata_set(def, CONF_XL_EXT_URI, CONF_XL_EXT_PREFIX, text, error);
}

gboolean
conf_xl_ext_forget(ConfDomain *def, const char *name, GError **error)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, error);

    if (ext == NULL)
        return FALSE;
    if (conf_xl_keys_get(ext->keys, name) == NULL)
        return TRUE;
    conf_xl_keys_remove(ext->keys, name);
    return conf_xl_ext_store(def, ext, error);
}
