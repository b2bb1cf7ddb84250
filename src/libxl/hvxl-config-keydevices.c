/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of xl that are lists of devices which domXML has no element for. */
#include "hvxl-config-keys.h"

#include <string.h>

/* ---- KEY=VALUE,KEY=VALUE ---- */

static gboolean
wrong(const HvxlKey *key, const char *text, GError **error)
{
    return hvxl_invalid(error, "metadata: '%s' can't be a value of xl's %s", text, key->name);
}

/* What one parameter does to a device; FALSE: there is none of this name, or it can't be so. */
typedef gboolean (*SetParameter)(void *device, const char *name, const char *value);

static gboolean
parse_device(const HvxlKey *key, const char *text, SetParameter set, void *device, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 64);

    for (char **word = words; *word; word++) {
        char *equals = strchr(*word, '=');

        if (equals == NULL)
            return wrong(key, text, error);
        *equals = '\0';
        if (!set(device, g_strstrip(*word), g_strstrip(equals + 1)))
            return hvxl_invalid(error, "metadata: %s: '%s=%s' is no parameter of it", key->name,
                                *word, equals + 1);
    }
    return TRUE;
}

static void
put(GString *text, const char *name, const char *value)
{
    if (value)
        g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", name, value);
}

static gboolean
set_bool(bool *field, const char *value)
{
    return hvxl_key_parse_bool(value, field);
}

static gboolean
set_number(uint32_t *field, const char *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &number, NULL))
        return FALSE;
    *field = (uint32_t)number;
    return TRUE;
}

static gboolean
set_text(char **field, const char *value)
{
    hvxl_set_string(field, value);
    return TRUE;
}

/* One list of devices: `kind` as in libxl_device_KIND. */
#define DEFINE_BUILD(key_name, list, count, kind, numbered)                                        \
    gboolean hvxl_key_build_##key_name(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values,  \
                                       void *base, GError **error)                                 \
    {                                                                                              \
        for (guint i = 0; i < values->len; i++) {                                                  \
            libxl_device_##kind *xl = HVXL_ADD(b->config, list, count, kind);                      \
                                                                                                   \
            if (numbered)                                                                          \
                xl->devid = b->config->count - 1;                                                  \
            if (!parse_device(key, values->pdata[i], set_##key_name, xl, error))                   \
                return FALSE;                                                                      \
        }                                                                                          \
        return TRUE;                                                                               \
    }

/* ---- vtpm ---- */

static gboolean
set_vtpm(void *device, const char *name, const char *value)
{
    libxl_device_vtpm *xl = device;

    if (strcmp(name, "backend") == 0)
        return set_text(&xl->backend_domname, value);
    return strcmp(name, "uuid") == 0 && conf_uuid_parse(value, xl->uuid.uuid);
}

DEFINE_BUILD(vtpm, vtpms, num_vtpms, vtpm, true)

void
hvxl_key_adopt_vtpm(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_vtpms; i++) {
        const libxl_device_vtpm *xl = &config->vtpms[i];
        g_autoptr(GString) text = g_string_new(NULL);
        char uuid[37];

        conf_uuid_format(xl->uuid.uuid, uuid);
        put(text, "backend", xl->backend_domname);
        put(text, "uuid", libxl_uuid_is_nil(&xl->uuid) ? NULL : uuid);
        conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- p9 ---- */

static gboolean
set_p9(void *device, const char *name, const char *value)
{
    libxl_device_p9 *xl = device;

    if (strcmp(name, "backend") == 0)
        return set_text(&xl->backend_domname, value);
    if (strcmp(name, "tag") == 0)
        return set_text(&xl->tag, value);
    if (strcmp(name, "path") == 0)
        return set_text(&xl->path, value);
    return strcmp(name, "security_model") == 0 && set_text(&xl->security_model, value);
}

DEFINE_BUILD(p9, p9s, num_p9s, p9, false) /* libxl numbers them */

bool
hvxl_p9_is_filesystem(const libxl_device_p9 *xl)
{
    return xl->backend_domname == NULL && xl->tag && xl->path &&
           g_strcmp0(xl->security_model, "none") == 0;
}

/* Those that <filesystem> can say are devices there. */
void
hvxl_key_adopt_p9(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_p9s; i++) {
        const libxl_device_p9 *xl = &config->p9s[i];
        g_autoptr(GString) text = g_string_new(NULL);

        if (hvxl_p9_is_filesystem(xl))
            continue;
        put(text, "tag", xl->tag);
        put(text, "path", xl->path);
        put(text, "security_model", xl->security_model);
        put(text, "backend", xl->backend_domname);
        conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- pvcalls ---- */

static gboolean
set_pvcalls(void *device, const char *name, const char *value)
{
    libxl_device_pvcallsif *xl = device;

    return strcmp(name, "backend") == 0 && set_text(&xl->backend_domname, value);
}

DEFINE_BUILD(pvcalls, pvcallsifs, num_pvcallsifs, pvcallsif, true)

void
hvxl_key_adopt_pvcalls(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_pvcallsifs; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        const char *backend = config->pvcallsifs[i].backend_domname;

        put(text, "backend", backend ? backend : "0");
        conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- vdispl ---- */

/* ID:WxH;ID:WxH */
static gboolean
set_connectors(libxl_device_vdispl *xl, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ";", 32);

    for (char **word = words; *word; word++) {
        char *colon = strrchr(*word, ':'), *by = colon ? strchr(colon, 'x') : NULL;
        libxl_connector_param *connector;

        if (by == NULL)
            return FALSE;
        *colon = *by = '\0';
        xl->connectors = g_renew(libxl_connector_param, xl->connectors, xl->num_connectors + 1);
        connector = &xl->connectors[xl->num_connectors++];
        libxl_connector_param_init(connector);
        hvxl_set_string(&connector->unique_id, *word);
        if (!set_number(&connector->width, colon + 1) || !set_number(&connector->height, by + 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean
set_vdispl(void *device, const char *name, const char *value)
{
    libxl_device_vdispl *xl = device;

    if (strcmp(name, "backend") == 0)
        return set_text(&xl->backend_domname, value);
    if (strcmp(name, "be-alloc") == 0)
        return set_bool(&xl->be_alloc, value);
    return strcmp(name, "connectors") == 0 && set_connectors(xl, value);
}

DEFINE_BUILD(vdispl, vdispls, num_vdispls, vdispl, true)

void
hvxl_key_adopt_vdispl(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_vdispls; i++) {
        const libxl_device_vdispl *xl = &config->vdispls[i];
        g_autoptr(GString) text = g_string_new(NULL), connectors = g_string_new(NULL);

        for (int k = 0; k < xl->num_connectors; k++)
            g_string_append_printf(connectors, "%s%s:%ux%u", k ? ";" : "",
                                   xl->connectors[k].unique_id, xl->connectors[k].width,
                                   xl->connectors[k].height);
        put(text, "backend", xl->backend_domname);
        put(text, "be-alloc", xl->be_alloc ? "1" : "0");
        put(text, "connectors", connectors->len ? connectors->str : NULL);
        conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- vkb ---- */

#define VKB_FLAG(word, member)                                                                     \
    {                                                                                              \
        word, offsetof(libxl_device_vkb, member), true                                             \
    }
#define VKB_NUMBER(word, member)                                                                   \
    {                                                                                              \
        word, offsetof(libxl_device_vkb, member), false                                            \
    }
static const struct VkbField {
    const char *name;
    size_t offset;
    bool flag;
} vkb_fields[] = {
    VKB_FLAG("feature-disable-keyboard", feature_disable_keyboard),
    VKB_FLAG("feature-disable-pointer", feature_disable_pointer),
    VKB_FLAG("feature-abs-pointer", feature_abs_pointer),
    VKB_FLAG("feature-raw-pointer", feature_raw_pointer),
    VKB_FLAG("feature-multi-touch", feature_multi_touch),
    VKB_NUMBER("width", width),
    VKB_NUMBER("height", height),
    VKB_NUMBER("multi-touch-width", multi_touch_width),
    VKB_NUMBER("multi-touch-height", multi_touch_height),
    VKB_NUMBER("multi-touch-num-contacts", multi_touch_num_contacts),
};

static gboolean
set_vkb(void *device, const char *name, const char *value)
{
    libxl_device_vkb *xl = device;

    if (strcmp(name, "backend") == 0)
        return set_text(&xl->backend_domname, value);
    if (strcmp(name, "unique-id") == 0)
        return set_text(&xl->unique_id, value);
    if (strcmp(name, "backend-type") == 0)
        return libxl_vkb_backend_from_string(value, &xl->backend_type) == 0;
    for (size_t i = 0; i < G_N_ELEMENTS(vkb_fields); i++) {
        void *field = (char *)xl + vkb_fields[i].offset;

        if (strcmp(vkb_fields[i].name, name) == 0)
            return vkb_fields[i].flag ? set_bool(field, value) : set_number(field, value);
    }
    return FALSE;
}

DEFINE_BUILD(vkb, vkbs, num_vkbs, vkb, true)

/* One that says nothing comes with its framebuffer. */
void
hvxl_key_adopt_vkb(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_vkbs; i++) {
        const libxl_device_vkb *xl = &config->vkbs[i];
        g_autoptr(GString) text = g_string_new(NULL);

        put(text, "unique-id", xl->unique_id);
        if (xl->backend_type == LIBXL_VKB_BACKEND_LINUX)
            put(text, "backend-type", "linux");
        put(text, "backend", xl->backend_domname);
        for (size_t k = 0; k < G_N_ELEMENTS(vkb_fields); k++) {
            const void *field = (const char *)xl + vkb_fields[k].offset;
            unsigned number = vkb_fields[k].flag ? *(const bool *)field : *(const uint32_t *)field;
            g_autofree char *value = g_strdup_printf("%u", number);

            if (number)
                put(text, vkb_fields[k].name, value);
        }
        if (text->len)
            conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- dtdev ---- */

gboolean
hvxl_key_build_dtdev(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                     GError **error)
{
    for (guint i = 0; i < values->len; i++)
        hvxl_set_string(&HVXL_ADD(b->config, dtdevs, num_dtdevs, dtdev)->path, values->pdata[i]);
    return TRUE;
}

void
hvxl_key_adopt_dtdev(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_dtdevs; i++)
        conf_xl_keys_add_item(keys, key->name, config->dtdevs[i].path);
}

/* ---- vfb ---- */

/* A framebuffer that nothing shows: those that something does are <graphics>. */
gboolean
hvxl_key_build_vfb(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                   GError **error)
{
    for (guint i = 0; i < values->len; i++) {
        libxl_device_vfb *vfb = HVXL_ADD(b->config, vfbs, num_vfbs, vfb);
        libxl_device_vkb *vkb = HVXL_ADD(b->config, vkbs, num_vkbs, vkb);

        vfb->devid = b->config->num_vfbs - 1;
        vkb->devid = b->config->num_vkbs - 1;
        libxl_defbool_set(&vfb->vnc.enable, false);
        libxl_defbool_set(&vfb->sdl.enable, false);
    }
    return TRUE;
}

/* ---- pci ---- */

static gboolean
hex_field(const char **at, char stop, guint64 max, guint64 *ret)
{
    char *end;

    if (!g_ascii_isxdigit(**at))
        return FALSE;
    *ret = g_ascii_strtoull(*at, &end, 16);
    *at = end + 1;
    return *end == stop && *ret <= max;
}

/* "[DDDD:]BB:SS.*[@VSLOT]": all functions of a slot, each in its place for the guest. */
static gboolean
set_slot(libxl_device_pci *xl, const char *text)
{
    const char *at = text, *vslot = strchr(text, '@');
    guint64 domain = 0, bus, slot, guest = 0;
    bool has_domain = strchr(strchr(text, ':') ? strchr(text, ':') + 1 : text, ':') != NULL;

    if ((has_domain && !hex_field(&at, ':', 0xffff, &domain)) || !hex_field(&at, ':', 0xff, &bus) ||
        !hex_field(&at, '.', 0x1f, &slot) || *at != '*' || (at[1] && at + 1 != vslot))
        return FALSE;
    if (vslot && (vslot++, !hex_field(&vslot, '\0', 0x1f, &guest)))
        return FALSE;
    xl->domain = (int)domain;
    xl->bus = (uint8_t)bus;
    xl->dev = (uint8_t)slot;
    xl->vfunc_mask = LIBXL_PCI_FUNC_ALL;
    xl->vdevfn = (uint32_t)guest << 3;
    return TRUE;
}

static gboolean
build_pci_word(HvxlBuild *b, const HvxlKey *key, const char *word, libxl_device_pci *xl,
               GError **error)
{
    g_autoptr(GPtrArray) keys = conf_xl_keys_new();
    g_auto(GStrv) parts = g_strsplit(word, "=", 2);
    const char *slot = parts[1] == NULL ? word : strcmp(parts[0], "bdf") == 0 ? parts[1] : NULL;

    if (slot)
        return set_slot(xl, slot) || wrong(key, word, error);
    if (strcmp(parts[0], "vslot") == 0) {
        const char *at = parts[1];
        guint64 guest;

        if (!hex_field(&at, '\0', 0x1f, &guest))
            return wrong(key, word, error);
        xl->vdevfn = (uint32_t)guest << 3;
        return TRUE;
    }
    conf_xl_keys_set(keys, parts[0], parts[1]);
    return hvxl_keys_build(b, hvxl_pci_keys, hvxl_n_pci_keys, "pci", keys, xl, error);
}

/* What only xl's own syntax can say: a name of xl's, or all functions of a slot. */
gboolean
hvxl_key_build_pci(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                   GError **error)
{
    for (guint i = 0; i < values->len; i++) {
        g_auto(GStrv) words = g_strsplit(values->pdata[i], ",", 32);
        libxl_device_pci *xl = HVXL_ADD(b->config, pcidevs, num_pcidevs, pci);

        for (char **word = words; *word; word++) {
            if (*g_strstrip(*word) && !build_pci_word(b, key, *word, xl, error))
                return FALSE;
        }
        if (xl->name == NULL && xl->vfunc_mask != LIBXL_PCI_FUNC_ALL)
            return wrong(key, values->pdata[i], error);
    }
    return TRUE;
}
