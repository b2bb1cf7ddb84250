/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the firmware of the host says about it, in libvirt's <sysinfo>. */
#include "hv-private.h"

#define SMBIOS_DIR "/sys/class/dmi/id"

typedef struct Entry {
    const char *block; /* element of <sysinfo> */
    const char *name;
    const char *file;
} Entry;

/* In libvirt's order; the rows of a block stand together. */
static const Entry entries[] = {
    { "bios", "vendor", "bios_vendor" },
    { "bios", "version", "bios_version" },
    { "bios", "date", "bios_date" },
    { "bios", "release", "bios_release" },
    { "system", "manufacturer", "sys_vendor" },
    { "system", "product", "product_name" },
    { "system", "version", "product_version" },
    { "system", "serial", "product_serial" },
    { "system", "uuid", "product_uuid" },
    { "system", "sku", "product_sku" },
    { "system", "family", "product_family" },
    { "baseBoard", "manufacturer", "board_vendor" },
    { "baseBoard", "product", "board_name" },
    { "baseBoard", "version", "board_version" },
    { "baseBoard", "serial", "board_serial" },
    { "baseBoard", "asset", "board_asset_tag" },
    { "chassis", "manufacturer", "chassis_vendor" },
    { "chassis", "version", "chassis_version" },
    { "chassis", "serial", "chassis_serial" },
    { "chassis", "asset", "chassis_asset_tag" },
};

/* NULL: the firmware does not say, or we may not see it. */
static char *
read_entry(const char *dir, const char *file)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    g_strstrip(text);
    return *text && g_utf8_validate(text, -1, NULL) ? g_steal_pointer(&text) : NULL;
}

char *
hv_sysinfo_of(const char *dir)
{
    g_autoptr(GString) xml = g_string_new("<sysinfo type='smbios'>\n");
    const char *open = NULL;
    guint found = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *text = read_entry(dir, entries[i].file);
        g_autofree char *line = NULL;

        if (!text)
            continue;
        if (g_strcmp0(open, entries[i].block) != 0) {
            if (open)
                g_string_append_printf(xml, "  </%s>\n", open);
            open = entries[i].block;
            g_string_append_printf(xml, "  <%s>\n", open);
        }
        line = g_markup_printf_escaped("    <entry name='%s'>%s</entry>\n", entries[i].name, text);
        g_string_append(xml, line);
        found++;
    }
    if (found == 0)
        return NULL;
    g_string_append_printf(xml, "  </%s>\n</sysinfo>\n", open);
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

char *
hv_host_sysinfo(HvHost *host, GError **error)
{
    char *xml = hv_sysinfo_of(SMBIOS_DIR);

    if (!xml)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_CONFIG,
                            "Host SMBIOS information is not available");
    return xml;
}
