/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The translation as a whole, and the values that its parts share. */
#include "hvxl-config-private.h"

#include <stdlib.h>
#include <string.h>

void
hvxl_config_env_init(HvxlConfigEnv *env)
{
    *env = (HvxlConfigEnv){ .n_nodes = 1 };
}

/* ---- warnings and errors ---- */

const HvxlRow *
hvxl_row_find(const char *path, const char *value)
{
    for (size_t i = 0; i < hvxl_n_rows; i++) {
        if (strcmp(hvxl_rows[i].path, path) == 0 && g_strcmp0(hvxl_rows[i].value, value) == 0)
            return &hvxl_rows[i];
    }
    return NULL;
}

static char *
describe(const char *of, const HvxlRow *row)
{
    return g_strdup_printf("%s%s%s%s%s%s: %s", of ? of : "", of ? ": " : "", row->path,
                           row->value ? " (" : "", row->value ? row->value : "",
                           row->value ? ")" : "", row->why);
}

void
hvxl_warn(HvxlBuild *b, const char *of, const char *path, const char *value)
{
    const HvxlRow *row = hvxl_row_find(path, value);

    g_assert(row != NULL && row->fate == HVXL_WARNED);
    if (b->warnings)
        g_ptr_array_add(b->warnings, describe(of, row));
}

void
hvxl_warn_path(HvxlBuild *b, const char *of, const char *path, const char *why)
{
    HvxlRow row = { .path = path, .why = why };

    if (b->warnings)
        g_ptr_array_add(b->warnings, describe(of, &row));
}

gboolean
hvxl_refuse(const char *of, const char *path, const char *value, GError **error)
{
    const HvxlRow *row = hvxl_row_find(path, value);
    g_autofree char *text = NULL;

    g_assert(row != NULL && row->fate == HVXL_REFUSED);
    text = describe(of, row);
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "unsupported configuration: %s", text);
    return FALSE;
}

gboolean
hvxl_invalid(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "%s", text);
    return FALSE;
}

/* ---- values ---- */

void
hvxl_set_hotplug(char **field, const HvxlConfigEnv *env, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(env->hotplug_script);
    g_autofree char *path = name ? g_build_filename(folder, "scripts", name, NULL) : NULL;

    hvxl_set_string(field, path ? path : env->hotplug_script);
}

void
hvxl_set_tristate(libxl_defbool *field, ConfTristate value)
{
    if (value != CONF_TRISTATE_ABSENT)
        libxl_defbool_set(field, value == CONF_TRISTATE_ON);
}

ConfTristate
hvxl_get_tristate(libxl_defbool value)
{
    if (libxl_defbool_is_default(value))
        return CONF_TRISTATE_ABSENT;
    return libxl_defbool_val(value) ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
}

bool
hvxl_is_on(libxl_defbool value)
{
    return hvxl_get_tristate(value) == CONF_TRISTATE_ON;
}

/* libxl_bitmap_alloc() wants a context. */
void
hvxl_bitmap_new(libxl_bitmap *ret_map, unsigned n_bits)
{
    libxl_bitmap_dispose(ret_map);
    ret_map->size = (n_bits + 7) / 8;
    ret_map->map = g_malloc0(ret_map->size);
}

void
hvxl_bitmap_build(libxl_bitmap *ret_map, const ConfBitmap *map, unsigned at_least)
{
    int last = conf_bitmap_last(map);

    hvxl_bitmap_new(ret_map, MAX(at_least, (unsigned)(last + 1)));
    for (int i = 0; i <= last; i++) {
        if (conf_bitmap_get(map, (unsigned)i))
            libxl_bitmap_set(ret_map, i);
    }
}

ConfBitmap *
hvxl_bitmap_adopt(const libxl_bitmap *map)
{
    ConfBitmap *out;

    if (map->size == 0 || libxl_bitmap_is_empty(map))
        return NULL;
    out = conf_bitmap_new(map->size * 8);
    for (int i = 0; i < (int)map->size * 8; i++) {
        if (libxl_bitmap_test(map, i))
            conf_bitmap_set(out, (unsigned)i, true);
    }
    return out;
}

void
hvxl_list_append(libxl_string_list *list, const char *text)
{
    int len = libxl_string_list_length(list);

    *list = g_renew(char *, *list, (gsize)len + 2);
    (*list)[len] = hvxl_dup(text);
    (*list)[len + 1] = NULL;
}

void
hvxl_list_append_pair(libxl_key_value_list *list, const char *key, const char *value)
{
    int len = 2 * libxl_key_value_list_length(list);

    *list = g_renew(char *, *list, (gsize)len + 3);
    (*list)[len] = hvxl_dup(key);
    (*list)[len + 1] = hvxl_dup(value);
    (*list)[len + 2] = NULL;
}

bool
hvxl_name_find(const HvxlName *names, const char *name, int *ret_value)
{
    for (; names->name; names++) {
        if (g_strcmp0(names->name, name) == 0) {
            *ret_value = names->value;
            return true;
        }
    }
    return false;
}

const char *
hvxl_name_of(const HvxlName *names, int value)
{
    for (; names->name; names++) {
        if (names->value == value)
            return names->name;
    }
    return NULL;
}

/* ---- the whole ---- */

gboolean
hvxl_build_init(HvxlBuild *b, const HvxlConfigEnv *env, const ConfDomain *def, GPtrArray *warnings,
                GError **error)
{
    static const libxl_domain_type types[] = {
        [CONF_OS_ABSENT] = LIBXL_DOMAIN_TYPE_PV,   [CONF_OS_LINUX] = LIBXL_DOMAIN_TYPE_PV,
        [CONF_OS_HVM] = LIBXL_DOMAIN_TYPE_HVM,     [CONF_OS_XENPVH] = LIBXL_DOMAIN_TYPE_PVH,
        [CONF_OS_EXE] = LIBXL_DOMAIN_TYPE_INVALID,
    };

    *b = (HvxlBuild){ .env = env, .def = def, .warnings = warnings, .type = types[def->os.type] };
    if (b->type == LIBXL_DOMAIN_TYPE_INVALID)
        return hvxl_refuse(NULL, "os/type", "exe", error);
    b->ext = conf_xl_ext_load(def, error);
    return b->ext != NULL;
}

void
hvxl_build_clear(HvxlBuild *b)
{
    g_clear_pointer(&b->ext, conf_xl_ext_free);
}

static gboolean
build_all(HvxlBuild *b, GError **error)
{
    static gboolean (*const parts[])(HvxlBuild *, GError **) = {
        hvxl_build_base,     hvxl_build_boot,    hvxl_build_cpu,      hvxl_build_features,
        hvxl_build_disks,    hvxl_build_nics,    hvxl_build_chardevs, hvxl_build_graphics,
        hvxl_build_hostdevs, hvxl_build_machine, hvxl_build_rest,     hvxl_build_keys,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!parts[i](b, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_config_build(const HvxlConfigEnv *env, const ConfDomain *def, libxl_domain_config *config,
                  GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    if (hvxl_build_init(&b, env, def, warnings, error)) {
        b.config = config;
        libxl_domain_build_info_init_type(&config->b_info, b.type);
        if (build_all(&b, error))
            return TRUE;
    }
    g_prefix_error(error, "domain '%s': ", def->name);
    return FALSE;
}
