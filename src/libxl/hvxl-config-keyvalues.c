/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys whose element in domXML can't say every value of xl's: metadata has the value whole then,
 * and it has the last word. The way back is the element's: what libxl has and no element can say
 * is rare enough. */
#include "hvxl-config-keys.h"

#include <string.h>

static gboolean
wrong(const HvxlKey *key, const char *text, GError **error)
{
    return hvxl_invalid(error, "metadata: '%s' can't be a value of xl's %s", text, key->name);
}

/* ---- what happens when the guest ends ---- */

static const HvxlName actions[] = {
    { "destroy", LIBXL_ACTION_ON_SHUTDOWN_DESTROY },
    { "restart", LIBXL_ACTION_ON_SHUTDOWN_RESTART },
    { "rename-restart", LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME },
    { "preserve", LIBXL_ACTION_ON_SHUTDOWN_PRESERVE },
    { "coredump-destroy", LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY },
    { "coredump-restart", LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART },
    { "soft-reset", LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET },
    HVXL_NAMES_END,
};

static const struct ActionKey {
    const char *name;
    size_t offset;
    libxl_action_on_shutdown usual;
    bool has_element; /* for all but soft-reset */
} action_keys[] = {
    { "on_poweroff", offsetof(libxl_domain_config, on_poweroff), LIBXL_ACTION_ON_SHUTDOWN_DESTROY,
      true },
    { "on_reboot", offsetof(libxl_domain_config, on_reboot), LIBXL_ACTION_ON_SHUTDOWN_RESTART,
      true },
    { "on_crash", offsetof(libxl_domain_config, on_crash), LIBXL_ACTION_ON_SHUTDOWN_DESTROY, true },
    { "on_watchdog", offsetof(libxl_domain_config, on_watchdog), LIBXL_ACTION_ON_SHUTDOWN_DESTROY,
      false },
    { "on_soft_reset", offsetof(libxl_domain_config, on_soft_reset),
      LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET, false },
};

static const struct ActionKey *
action_key(const HvxlKey *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(action_keys); i++) {
        if (strcmp(action_keys[i].name, key->name) == 0)
            return &action_keys[i];
    }
    g_assert_not_reached();
}

gboolean
hvxl_key_build_action(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                      GError **error)
{
    libxl_action_on_shutdown *action = (void *)((char *)base + action_key(key)->offset);
    int value;

    if (!hvxl_name_find(actions, values->pdata[0], &value))
        return wrong(key, values->pdata[0], error);
    *action = (libxl_action_on_shutdown)value;
    return TRUE;
}

void
hvxl_key_adopt_action(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const struct ActionKey *its = action_key(key);
    libxl_action_on_shutdown action = *(const libxl_action_on_shutdown *)((const char *)base +
                                                                          its->offset);
    bool in_element = its->has_element && action != LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET;

    if (!in_element && action != its->usual && hvxl_name_of(actions, (int)action))
        conf_xl_keys_set(keys, key->name, hvxl_name_of(actions, (int)action));
}

/* ---- processors, by number and by node ---- */

static gboolean
add_node(const HvxlBuild *b, const char *path, unsigned node, ConfBitmap *map, GError **error)
{
    if (b->env->node_cpus == NULL)
        return hvxl_refuse(NULL, path, "nodes", error);
    return b->env->node_cpus(node, map, b->env->data, error);
}

/* "3", "0-3"; with nodes, the numbers are theirs. */
static gboolean
add_range(const HvxlBuild *b, const char *path, const char *text, bool nodes, ConfBitmap *map,
          GError **error)
{
    g_autoptr(ConfBitmap) range = conf_bitmap_parse(text, 0, error);

    if (range == NULL)
        return FALSE;
    for (int i = 0; i <= conf_bitmap_last(range); i++) {
        if (!conf_bitmap_get(range, (unsigned)i))
            continue;
        if (!nodes)
            conf_bitmap_set(map, (unsigned)i, true);
        else if (!add_node(b, path, (unsigned)i, map, error))
            return FALSE;
    }
    return TRUE;
}

/* "all", "node:N", "nodes:A-B", "A-B", "N", each with a '^' in front for less. */
static gboolean
add_word(const HvxlBuild *b, const char *path, const char *word, ConfBitmap *map, GError **error)
{
    bool less = *word == '^';
    const char *text = word + less;
    const char *numbers = g_str_has_prefix(text, "nodes:")  ? text + strlen("nodes:")
                          : g_str_has_prefix(text, "node:") ? text + strlen("node:")
                                                            : NULL;
    unsigned n_cpus = b->env->n_cpus ? b->env->n_cpus : HVXL_MAX_CPUS;
    g_autoptr(ConfBitmap) these = conf_bitmap_new(n_cpus);

    if (strcmp(text, "all") == 0) {
        for (unsigned i = 0; i < n_cpus; i++)
            conf_bitmap_set(these, i, true);
    } else if (!add_range(b, path, numbers ? numbers : text, numbers != NULL, these, error)) {
        return FALSE;
    }
    for (int i = 0; i <= conf_bitmap_last(these); i++) {
        if (conf_bitmap_get(these, (unsigned)i))
            conf_bitmap_set(map, (unsigned)i, !less);
    }
    return TRUE;
}

gboolean
hvxl_cpus_parse(HvxlBuild *b, const HvxlKey *key, const char *text, libxl_bitmap *ret_map,
                GError **error)
{
    g_autofree char *path = g_strdup_printf("metadata/xl/%s", key->name);
    g_autoptr(ConfBitmap) map = conf_bitmap_new(HVXL_MAX_CPUS);
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (char **word = words; *word; word++) {
        if (!add_word(b, path, g_strstrip(*word), map, error))
            return FALSE;
    }
    if (conf_bitmap_count(map) == 0)
        return wrong(key, text, error);
    hvxl_bitmap_build(ret_map, map, b->env->n_cpus);
    return TRUE;
}

static void
drop_affinity(libxl_domain_build_info *info)
{
    for (int i = 0; i < info->num_vcpu_hard_affinity; i++)
        libxl_bitmap_dispose(&info->vcpu_hard_affinity[i]);
    g_clear_pointer(&info->vcpu_hard_affinity, g_free);
    info->num_vcpu_hard_affinity = 0;
}

/* A string is for all vcpus; a list has an item a vcpu, and vcpus beyond it run anywhere. Only a
 * list keeps libxl from placing the domain, as with xl. */
gboolean
hvxl_key_build_cpus(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    bool for_all = values->len == 1;
    int count = for_all ? info->max_vcpus : MIN((int)values->len, info->max_vcpus);

    drop_affinity(info);
    info->vcpu_hard_affinity = g_new0(libxl_bitmap, (gsize)MAX(count, 1));
    for (int i = 0; i < count; i++) {
        info->num_vcpu_hard_affinity = i + 1;
        if (!hvxl_cpus_parse(b, key, values->pdata[for_all ? 0 : i], &info->vcpu_hard_affinity[i],
                             error))
            return FALSE;
    }
    if (!for_all)
        libxl_defbool_set(&info->numa_placement, false);
    return TRUE;
}

/* ---- what it boots ---- */

/* Xen's own boot loader for PV domains; where it isn't found, <kernel> stays. */
gboolean
hvxl_key_build_firmware(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                        GError **error)
{
    const char *word = values->pdata[0];
    g_autofree char *name = g_strconcat(word, ".bin", NULL);
    g_autofree char *path = NULL;

    if (strcmp(word, "pvgrub32") != 0 && strcmp(word, "pvgrub64") != 0)
        return wrong(key, word, error);
    path = b->env->firmware ? b->env->firmware(name, b->env->data) : NULL;
    if (path)
        hvxl_set_string(&b->config->b_info.kernel, path);
    return TRUE;
}

static void
replace_list(libxl_string_list *list, const GPtrArray *values)
{
    libxl_string_list_dispose(list);
    *list = NULL;
    for (guint i = 0; i < values->len; i++)
        hvxl_list_append(list, values->pdata[i]);
}

gboolean
hvxl_key_build_bootloader_args(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values,
                               void *base, GError **error)
{
    replace_list(&b->config->b_info.bootloader_args, values);
    return TRUE;
}

/* ---- devices of the device model ---- */

bool
hvxl_spice_is_element(const char *word)
{
    static const char *const words[] = { "auto_glz", "auto_lz", "quic", "glz", "lz",
                                         "off",      "filter",  "all",  NULL };

    return word && g_strv_contains(words, word);
}

/* QEMU knows more words than libvirt. */
static char **
spice_field(const void *base, const HvxlKey *key)
{
    libxl_spice_info *spice = &((libxl_domain_config *)base)->b_info.u.hvm.spice;

    return strcmp(key->name, "spice_streaming_video") == 0 ? &spice->streaming_video
                                                           : &spice->image_compression;
}

gboolean
hvxl_key_build_spice_word(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                          GError **error)
{
    hvxl_set_string(spice_field(base, key), values->pdata[0]);
    return TRUE;
}

void
hvxl_key_adopt_spice_word(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const char *word = *spice_field(base, key);

    if (word && !hvxl_spice_is_element(word))
        conf_xl_keys_set(keys, key->name, word);
}

/* The display of <graphics port=> is a wish: QEMU takes the next one where it is in use. */
gboolean
hvxl_key_build_vncunused(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                         GError **error)
{
    bool on;

    if (!hvxl_key_parse_bool(values->pdata[0], &on))
        return wrong(key, values->pdata[0], error);
    libxl_defbool_set(&b->config->b_info.u.hvm.vnc.findunused, on);
    return TRUE;
}

void
hvxl_key_adopt_vncunused(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_vnc_info *vnc = &((const libxl_domain_config *)base)->b_info.u.hvm.vnc;

    if (hvxl_is_on(vnc->enable) && vnc->display > 0 &&
        hvxl_get_tristate(vnc->findunused) != CONF_TRISTATE_OFF)
        conf_xl_keys_set(keys, key->name, "1");
}

/* QEMU's own words for what is behind serial ports. */
gboolean
hvxl_key_build_serial(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                      GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    /* One port has a field of its own, as xl has it. */
    hvxl_set_string(&info->u.hvm.serial, values->len == 1 ? values->pdata[0] : NULL);
    libxl_string_list_dispose(&info->u.hvm.serial_list);
    info->u.hvm.serial_list = NULL;
    if (values->len > 1)
        replace_list(&info->u.hvm.serial_list, values);
    return TRUE;
}

static bool
is_element(const char *word)
{
    g_autoptr(ConfChardev) chr = conf_chardev_from_qemu(word);
    g_autofree char *again = chr ? conf_chardev_to_qemu(chr) : NULL;

    return g_strcmp0(again, word) == 0;
}

void
hvxl_key_adopt_serial(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    int n = libxl_string_list_length(&info->u.hvm.serial_list);
    bool all = info->u.hvm.serial == NULL || is_element(info->u.hvm.serial);

    for (int i = 0; i < n; i++)
        all = all && is_element(info->u.hvm.serial_list[i]);
    if (all)
        return;
    if (info->u.hvm.serial)
        conf_xl_keys_add_item(keys, key->name, info->u.hvm.serial);
    for (int i = 0; i < n; i++)
        conf_xl_keys_add_item(keys, key->name, info->u.hvm.serial_list[i]);
}

/* QEMU's words for sound cards, of which <sound> has some. */
gboolean
hvxl_key_build_soundhw(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                       GError **error)
{
    const char *words = values->pdata[0];

    if (strchr(words, ',') || strcmp(words, "all") == 0)
        hvxl_warn_path(b, words, "metadata/xl/soundhw", "libxl takes one card: <sound>'s first");
    else
        hvxl_set_string(&b->config->b_info.u.hvm.soundhw, words);
    return TRUE;
}

void
hvxl_key_adopt_soundhw(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const char *words = ((const libxl_domain_config *)base)->b_info.u.hvm.soundhw;
    g_auto(GStrv) list = g_strsplit(words ? words : "", ",", -1);

    for (char **word = list; *word; word++) {
        if (**word && !hvxl_sound_is_element(*word))
            conf_xl_keys_set(keys, key->name, words);
    }
}
