/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of a domain whose values have a syntax of their own, xl.cfg(5), in both directions. */
#include "hvxl-config-keys.h"

#include <string.h>

#define PAGE_BITS 52 /* of a physical address */

static gboolean
wrong(const HvxlKey *key, const char *text, GError **error)
{
    return hvxl_invalid(error, "metadata: '%s' can't be a value of xl's %s", text, key->name);
}

/* Text up to one of `stops`, as a number in `base`; *at moves on to the stop. */
static gboolean
scan_number(const char **at, const char *stops, guint base, guint64 max, guint64 *ret_number)
{
    gsize len = strcspn(*at, stops);
    g_autofree char *word = g_strstrip(g_strndup(*at, len));
    const char *digits = base == 16 && g_str_has_prefix(word, "0x") ? word + 2 : word;

    *at += len;
    return g_ascii_string_to_unsigned(digits, base, 0, max, ret_number, NULL);
}

/* ---- labels ---- */

/* The label while the domain is built; <seclabel>'s is the one that it then gets. */
gboolean
hvxl_key_build_init_seclabel(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                             GError **error)
{
    libxl_domain_config *config = b->config;

    g_free(config->b_info.exec_ssid_label);
    config->b_info.exec_ssid_label = g_steal_pointer(&config->c_info.ssid_label);
    hvxl_set_string(&config->c_info.ssid_label, values->pdata[0]);
    return TRUE;
}

void
hvxl_key_adopt_init_seclabel(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    if (config->b_info.exec_ssid_label && config->c_info.ssid_label)
        conf_xl_keys_set(keys, key->name, config->c_info.ssid_label);
}

/* ---- soft affinity ---- */

/* A string is for all vcpus; a list has an item a vcpu, and vcpus beyond it have none. */
gboolean
hvxl_key_build_cpus_soft(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                         GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    bool for_all = values->len == 1 && info->max_vcpus > 0;
    int count = for_all ? info->max_vcpus : MIN((int)values->len, info->max_vcpus);

    info->vcpu_soft_affinity = g_new0(libxl_bitmap, (gsize)MAX(count, 1));
    for (int i = 0; i < count; i++) {
        info->num_vcpu_soft_affinity = i + 1;
        if (!hvxl_cpus_parse(b, key, values->pdata[for_all ? 0 : i], &info->vcpu_soft_affinity[i],
                             error))
            return FALSE;
    }
    libxl_defbool_set(&info->numa_placement, false);
    return TRUE;
}

void
hvxl_key_adopt_cpus_soft(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    bool same = info->num_vcpu_soft_affinity > 0 && info->num_vcpu_soft_affinity == info->max_vcpus;

    for (int i = 1; same && i < info->num_vcpu_soft_affinity; i++)
        same = libxl_bitmap_equal(&info->vcpu_soft_affinity[0], &info->vcpu_soft_affinity[i], 0);
    for (int i = 0; i < info->num_vcpu_soft_affinity; i++) {
        g_autoptr(ConfBitmap) map = hvxl_bitmap_adopt(&info->vcpu_soft_affinity[i]);
        g_autofree char *text = map ? conf_bitmap_format(map) : g_strdup("all");

        if (same) {
            conf_xl_keys_set(keys, key->name, text);
            return;
        }
        conf_xl_keys_add_item(keys, key->name, text);
    }
}

/* ---- pieces of the host ---- */

gboolean
hvxl_key_build_ioports(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                       GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    info->ioports = g_renew(libxl_ioport_range, info->ioports, values->len);
    for (guint i = 0; i < values->len; i++) {
        const char *at = values->pdata[i];
        guint64 first, last;

        if (!scan_number(&at, "-", 16, 0xffff, &first))
            return wrong(key, values->pdata[i], error);
        last = first;
        if (*at == '-' && (at++, !scan_number(&at, "", 16, 0xffff, &last)))
            return wrong(key, values->pdata[i], error);
        if (last < first)
            return wrong(key, values->pdata[i], error);
        info->ioports[i] = (libxl_ioport_range){ .first = (uint32_t)first,
                                                 .number = (uint32_t)(last - first + 1) };
        info->num_ioports = (int)i + 1;
    }
    return TRUE;
}

void
hvxl_key_adopt_ioports(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;

    for (int i = 0; i < info->num_ioports; i++) {
        const libxl_ioport_range *range = &info->ioports[i];
        g_autofree char *text = g_strdup_printf("%x-%x", range->first,
                                                range->first + range->number - 1);

        conf_xl_keys_add_item(keys, key->name, text);
    }
}

gboolean
hvxl_key_build_irqs(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    info->irqs = g_renew(uint32_t, info->irqs, values->len);
    for (guint i = 0; i < values->len; i++) {
        guint64 number;

        if (!g_ascii_string_to_unsigned(values->pdata[i], 10, 0, G_MAXINT32, &number, NULL))
            return wrong(key, values->pdata[i], error);
        info->irqs[i] = (uint32_t)number;
        info->num_irqs = (int)i + 1;
    }
    return TRUE;
}

void
hvxl_key_adopt_irqs(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;

    for (int i = 0; i < info->num_irqs; i++) {
        g_autofree char *text = g_strdup_printf("%u", info->irqs[i]);

        conf_xl_keys_add_item(keys, key->name, text);
    }
}

/* START,PAGES[@GFN], in hexadecimal. */
static gboolean
parse_iomem(const char *text, libxl_iomem_range *range)
{
    const guint64 max = (UINT64_C(1) << PAGE_BITS) - 1;
    guint64 start, number, gfn;

    if (!scan_number(&text, ",", 16, max, &start) || *text++ != ',' ||
        !scan_number(&text, "@", 16, max, &number))
        return FALSE;
    gfn = range->gfn; /* as libxl initialised it: 1:1 */
    if (*text == '@' && (text++, !scan_number(&text, "", 16, max, &gfn)))
        return FALSE;
    *range = (libxl_iomem_range){ .start = start, .number = number, .gfn = gfn };
    return TRUE;
}

gboolean
hvxl_key_build_iomem(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                     GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    info->iomem = g_renew(libxl_iomem_range, info->iomem, values->len);
    for (guint i = 0; i < values->len; i++) {
        libxl_iomem_range_init(&info->iomem[i]);
        info->num_iomem = (int)i + 1;
        if (!parse_iomem(values->pdata[i], &info->iomem[i]))
            return wrong(key, values->pdata[i], error);
    }
    return TRUE;
}

void
hvxl_key_adopt_iomem(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    libxl_iomem_range fresh;

    libxl_iomem_range_init(&fresh);
    for (int i = 0; i < info->num_iomem; i++) {
        const libxl_iomem_range *range = &info->iomem[i];
        g_autoptr(GString) text = g_string_new(NULL);

        g_string_printf(text, "%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER "x", range->start,
                        range->number);
        if (range->gfn != fresh.gfn)
            g_string_append_printf(text, "@%" G_GINT64_MODIFIER "x", range->gfn);
        conf_xl_keys_add_item(keys, key->name, text->str);
    }
}

/* ---- HVM ---- */

gboolean
hvxl_key_build_mca_caps(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                        GError **error)
{
    for (guint i = 0; i < values->len; i++) {
        if (strcmp(values->pdata[i], "lmce") != 0)
            return wrong(key, values->pdata[i], error);
        b->config->b_info.u.hvm.mca_caps |= 1; /* XEN_HVM_MCA_CAP_LMCE */
    }
    return TRUE;
}

void
hvxl_key_adopt_mca_caps(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    if (((const libxl_domain_config *)base)->b_info.u.hvm.mca_caps & 1)
        conf_xl_keys_add_item(keys, key->name, "lmce");
}

gboolean
hvxl_key_build_gfx_passthru(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                            GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const char *text = values->pdata[0];
    bool on = true;

    if (strcmp(text, "igd") == 0)
        info->u.hvm.gfx_passthru_kind = LIBXL_GFX_PASSTHRU_KIND_IGD;
    else if (strcmp(text, "default") != 0 && !hvxl_key_parse_bool(text, &on))
        return wrong(key, text, error);
    libxl_defbool_set(&info->u.hvm.gfx_passthru, on);
    return TRUE;
}

void
hvxl_key_adopt_gfx_passthru(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    bool igd = info->u.hvm.gfx_passthru_kind == LIBXL_GFX_PASSTHRU_KIND_IGD;

    if (!libxl_defbool_is_default(info->u.hvm.gfx_passthru))
        conf_xl_keys_set(keys, key->name,
                         !hvxl_is_on(info->u.hvm.gfx_passthru) ? "0"
                         : igd                                 ? "igd"
                                                               : "1");
}

gboolean
hvxl_key_build_rdm(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                   GError **error)
{
    libxl_rdm_reserve *rdm = &b->config->b_info.u.hvm.rdm;
    g_auto(GStrv) words = g_strsplit(values->pdata[0], ",", 8);

    for (char **word = words; *word; word++) {
        const char *text = g_strstrip(*word);

        if (strcmp(text, "strategy=host") == 0)
            rdm->strategy = LIBXL_RDM_RESERVE_STRATEGY_HOST;
        else if (strcmp(text, "policy=strict") == 0)
            rdm->policy = LIBXL_RDM_RESERVE_POLICY_STRICT;
        else if (strcmp(text, "policy=relaxed") == 0)
            rdm->policy = LIBXL_RDM_RESERVE_POLICY_RELAXED;
        else
            return wrong(key, text, error);
    }
    return TRUE;
}

void
hvxl_key_adopt_rdm(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_rdm_reserve *rdm = &((const libxl_domain_config *)base)->b_info.u.hvm.rdm;
    g_autoptr(GString) text = g_string_new(NULL);

    if (rdm->strategy == LIBXL_RDM_RESERVE_STRATEGY_HOST)
        g_string_append(text, "strategy=host");
    if (rdm->policy == LIBXL_RDM_RESERVE_POLICY_STRICT ||
        rdm->policy == LIBXL_RDM_RESERVE_POLICY_RELAXED)
        g_string_append_printf(text, "%spolicy=%s", text->len ? "," : "",
                               rdm->policy == LIBXL_RDM_RESERVE_POLICY_STRICT ? "strict"
                                                                              : "relaxed");
    if (text->len)
        conf_xl_keys_set(keys, key->name, text->str);
}

/* ---- emulated USB ---- */

bool
hvxl_usbdevice_is_input(const char *word)
{
    static const char *const types[] = { "tablet", "mouse", "keyboard", NULL };

    return g_strv_contains(types, word);
}

gboolean
hvxl_key_build_usb(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                   GError **error)
{
    bool on;

    if (!hvxl_key_parse_bool(values->pdata[0], &on))
        return wrong(key, values->pdata[0], error);
    libxl_defbool_set(&b->config->b_info.u.hvm.usb, on);
    return TRUE;
}

/* A device on it says that there is a bus. */
void
hvxl_key_adopt_usb(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    bool devices = info->u.hvm.usbdevice ||
                   libxl_string_list_length(&info->u.hvm.usbdevice_list) > 0;

    if (!libxl_defbool_is_default(info->u.hvm.usb) && hvxl_is_on(info->u.hvm.usb) != devices)
        conf_xl_keys_set(keys, key->name, hvxl_is_on(info->u.hvm.usb) ? "1" : "0");
}

/* What <input> can't say: words of QEMU's. */
gboolean
hvxl_key_build_usbdevice(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                         GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    libxl_defbool_set(&info->u.hvm.usb, true);
    for (guint i = 0; i < values->len; i++)
        hvxl_list_append(&info->u.hvm.usbdevice_list, values->pdata[i]);
    return TRUE;
}

void
hvxl_key_adopt_usbdevice(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    const libxl_string_list *list = &info->u.hvm.usbdevice_list;

    if (info->u.hvm.usbdevice && !hvxl_usbdevice_is_input(info->u.hvm.usbdevice))
        conf_xl_keys_add_item(keys, key->name, info->u.hvm.usbdevice);
    for (int i = 0; i < libxl_string_list_length(list); i++) {
        if (!hvxl_usbdevice_is_input((*list)[i]))
            conf_xl_keys_add_item(keys, key->name, (*list)[i]);
    }
}

static const HvxlName bios_types[] = {
    { "seabios", LIBXL_BIOS_TYPE_SEABIOS },
    { "rombios", LIBXL_BIOS_TYPE_ROMBIOS },
    { "ovmf", LIBXL_BIOS_TYPE_OVMF },
    HVXL_NAMES_END,
};

gboolean
hvxl_key_build_bios(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    int value;

    if (!hvxl_name_find(bios_types, values->pdata[0], &value))
        return wrong(key, values->pdata[0], error);
    b->config->b_info.u.hvm.bios = (libxl_bios_type)value;
    return TRUE;
}

/* OVMF has its place in <os>. */
void
hvxl_key_adopt_bios(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    libxl_bios_type bios = ((const libxl_domain_config *)base)->b_info.u.hvm.bios;

    if (bios != LIBXL_BIOS_TYPE_OVMF && hvxl_name_of(bios_types, (int)bios))
        conf_xl_keys_set(keys, key->name, hvxl_name_of(bios_types, (int)bios));
}

gboolean
hvxl_key_build_bios_path_override(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values,
                                  void *base, GError **error)
{
    hvxl_set_string(&b->config->b_info.u.hvm.system_firmware, values->pdata[0]);
    return TRUE;
}

/* OVMF's path has its place in <os>. */
void
hvxl_key_adopt_bios_path_override(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;

    if (info->u.hvm.bios != LIBXL_BIOS_TYPE_OVMF && info->u.hvm.system_firmware)
        conf_xl_keys_set(keys, key->name, info->u.hvm.system_firmware);
}

/* ---- PVH ---- */

gboolean
hvxl_key_build_acpi(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    bool on;

    if (!hvxl_key_parse_bool(values->pdata[0], &on))
        return wrong(key, values->pdata[0], error);
    libxl_defbool_set(&b->config->b_info.acpi, on);
    return TRUE;
}

/* <acpi/> can't say no: without it, it is Xen's default. */
void
hvxl_key_adopt_acpi(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    libxl_defbool acpi = ((const libxl_domain_config *)base)->b_info.acpi;

    if (hvxl_get_tristate(acpi) == CONF_TRISTATE_OFF)
        conf_xl_keys_set(keys, key->name, "0");
}

/* ---- viridian ---- */

static void
viridian_map(libxl_bitmap *map)
{
    if (map->size == 0)
        hvxl_bitmap_new(map, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH);
}

/* The last word about a group counts. */
static gboolean
viridian_word(libxl_domain_build_info *info, const char *word)
{
    bool on = *word != '!';
    libxl_bitmap *set = on ? &info->u.hvm.viridian_enable : &info->u.hvm.viridian_disable;
    libxl_bitmap *reset = on ? &info->u.hvm.viridian_disable : &info->u.hvm.viridian_enable;
    libxl_viridian_enlightenment group;

    word += !on;
    if (on && strcmp(word, "defaults") == 0) {
        libxl_defbool_set(&info->u.hvm.viridian, true);
        return TRUE;
    }
    viridian_map(set);
    viridian_map(reset);
    if (strcmp(word, "all") == 0) {
        libxl_bitmap_set_any(set);
        libxl_bitmap_set_none(reset);
        return TRUE;
    }
    if (libxl_viridian_enlightenment_from_string(word, &group) != 0)
        return FALSE;
    libxl_bitmap_set(set, (int)group);
    libxl_bitmap_reset(reset, (int)group);
    return TRUE;
}

/* The whole of it, in place of what <features> says: that can't name each group. */
gboolean
hvxl_key_build_viridian(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                        GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    libxl_defbool_unset(&info->u.hvm.viridian);
    libxl_bitmap_dispose(&info->u.hvm.viridian_enable);
    libxl_bitmap_dispose(&info->u.hvm.viridian_disable);
    libxl_bitmap_init(&info->u.hvm.viridian_enable);
    libxl_bitmap_init(&info->u.hvm.viridian_disable);
    for (guint i = 0; i < values->len; i++) {
        if (!viridian_word(info, values->pdata[i]))
            return wrong(key, values->pdata[i], error);
    }
    return TRUE;
}

void
hvxl_key_adopt_viridian(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_build_info *info = &((const libxl_domain_config *)base)->b_info;
    const libxl_bitmap *enable = &info->u.hvm.viridian_enable;
    const libxl_bitmap *disable = &info->u.hvm.viridian_disable;

    if (enable->size == 0 && disable->size == 0)
        return; /* <viridian/> says it */
    if (hvxl_is_on(info->u.hvm.viridian))
        conf_xl_keys_add_item(keys, key->name, "defaults");
    /* A bit that no group has: "all" was said, and exceptions. */
    if (libxl_bitmap_test(enable, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH - 1))
        conf_xl_keys_add_item(keys, key->name, "all");
    for (const libxl_enum_string_table *group = libxl_viridian_enlightenment_string_table; group->s;
         group++) {
        g_autofree char *not_it = g_strconcat("!", group->s, NULL);

        if (libxl_bitmap_test(enable, group->v))
            conf_xl_keys_add_item(keys, key->name, group->s);
        if (libxl_bitmap_test(disable, group->v))
            conf_xl_keys_add_item(keys, key->name, not_it);
    }
}

/* ---- CPUID ---- */

static gboolean
parse_cpuid_string(HvxlBuild *b, const HvxlKey *key, const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (char **word = words; *word; word++) {
        if (word == words && strcmp(*word, "host") == 0)
            continue;
        if (libxl_cpuid_parse_config(&b->config->b_info.cpuid, *word) != 0)
            return wrong(key, *word, error);
    }
    return TRUE;
}

/* "host,FEATURE=..." or, in a list, leaves and bits as xend had them. */
gboolean
hvxl_key_build_cpuid(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                     GError **error)
{
    for (guint i = 0; i < values->len; i++) {
        const char *text = values->pdata[i];

        if (g_str_has_prefix(text, "host")) {
            if (!parse_cpuid_string(b, key, text, error))
                return FALSE;
        } else if (libxl_cpuid_parse_config_xend(&b->config->b_info.cpuid, text) != 0) {
            return wrong(key, text, error);
        }
    }
    return TRUE;
}

/* libxl doesn't show what is in its list. */
void
hvxl_key_adopt_cpuid(const void *base, const HvxlKey *key, GPtrArray *keys)
{
}

/* ---- vif: rate ---- */

static const struct RateUnit {
    char prefix;
    guint64 bytes;
} rate_units[] = { { 'G', 1000000000 }, { 'M', 1000000 }, { 'K', 1000 } };

/* N[G|M|K](B|b)/s[@N(ms|us|s)] */
static gboolean
parse_rate(const char *text, guint64 *ret_bytes, guint64 *ret_interval)
{
    guint64 unit = 1, interval = HVXL_RATE_INTERVAL_US, number;
    char *end;

    if (!g_ascii_isdigit(*text))
        return FALSE;
    number = g_ascii_strtoull(text, &end, 10);
    for (size_t i = 0; i < G_N_ELEMENTS(rate_units); i++) {
        if (*end == rate_units[i].prefix)
            unit = rate_units[i].bytes;
    }
    end += unit > 1;
    if ((*end != 'B' && *end != 'b') || number > G_MAXINT64 / 1000000000)
        return FALSE;
    *ret_bytes = number * unit / (*end == 'b' ? 8 : 1);
    if (!g_str_has_prefix(++end, "/s"))
        return FALSE;
    end += 2;
    if (*end == '@') {
        interval = g_ascii_strtoull(end + 1, &end, 10);
        unit = strcmp(end, "ms") == 0 ? 1000 : strcmp(end, "us") == 0 ? 1 : 1000000;
        if ((unit == 1000000 && *end && strcmp(end, "s") != 0) || interval == 0 ||
            interval > G_MAXUINT32 / unit)
            return FALSE;
        interval *= unit;
    } else if (*end) {
        return FALSE;
    }
    *ret_interval = interval;
    return *ret_bytes < G_MAXUINT64 / interval;
}

gboolean
hvxl_key_build_rate(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    libxl_device_nic *xl = base;
    guint64 bytes, interval;

    if (!parse_rate(values->pdata[0], &bytes, &interval))
        return wrong(key, values->pdata[0], error);
    xl->rate_bytes_per_interval = bytes * interval / 1000000;
    xl->rate_interval_usecs = (uint32_t)interval;
    return TRUE;
}

/* Only what <outbound average=> can't say: see hvxl_nic_adopt(). */
void
hvxl_key_adopt_rate(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_device_nic *xl = base;
    g_autofree char *text = NULL;

    if (xl->rate_interval_usecs == 0 || hvxl_rate_average(xl) > 0)
        return;
    /* Rounded up, so that the same number of bytes comes out again. */
    text = g_strdup_printf("%" G_GUINT64_FORMAT "B/s@%uus",
                           (xl->rate_bytes_per_interval * 1000000 + xl->rate_interval_usecs - 1) /
                               xl->rate_interval_usecs,
                           xl->rate_interval_usecs);
    conf_xl_keys_set(keys, key->name, text);
}
