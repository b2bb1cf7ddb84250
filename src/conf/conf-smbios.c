/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <sysinfo type='smbios'> and the strings that Xen's hvmloader takes for SMBIOS. */
#include "conf-private.h"

#include <string.h>

const ConfBiosString conf_bios_strings[] = {
    { "bios", "vendor", "bios-vendor" },
    { "bios", "version", "bios-version" },
    { "system", "manufacturer", "system-manufacturer" },
    { "system", "product", "system-product-name" },
    { "system", "version", "system-version" },
    { "system", "serial", "system-serial-number" },
    { "baseBoard", "manufacturer", "baseboard-manufacturer" },
    { "baseBoard", "product", "baseboard-product-name" },
    { "baseBoard", "version", "baseboard-version" },
    { "baseBoard", "serial", "baseboard-serial-number" },
    { "baseBoard", "asset", "baseboard-asset-tag" },
    { "baseBoard", "location", "baseboard-location-in-chassis" },
    { "chassis", "manufacturer", "enclosure-manufacturer" },
    { "chassis", "serial", "enclosure-serial-number" },
    { "chassis", "asset", "enclosure-asset-tag" },
};
const size_t conf_n_bios_strings = G_N_ELEMENTS(conf_bios_strings);

const ConfBiosString *
conf_bios_string_find(const char *name)
{
    for (size_t i = 0; i < conf_n_bios_strings; i++) {
        if (strcmp(conf_bios_strings[i].name, name) == 0)
            return &conf_bios_strings[i];
    }
    return NULL;
}

static void
append_entry(GString *out, const ConfBiosString *string, const char *value)
{
    g_autofree char *text = g_markup_printf_escaped(
        "<%s><entry name=\"%s\">%s</entry></%s>", string->part, string->entry, value, string->part);
    g_autofree char *end = g_strdup_printf("</%s>", string->part);

    /* Entries of one part follow each other. */
    if (g_str_has_suffix(out->str, end)) {
        g_string_truncate(out, out->len - strlen(end));
        g_string_append(out, text + strlen(string->part) + 2);
    } else {
        g_string_append(out, text);
    }
}

void
conf_domain_set_bios_strings(ConfDomain *def, const char *const *pairs)
{
    static const char start[] = "<domain>";
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *before = def->extra;
    const char *rest;

    for (size_t row = 0; row < conf_n_bios_strings; row++) {
        for (const char *const *pair = pairs; pair[0] && pair[1]; pair += 2) {
            if (strcmp(pair[0], conf_bios_strings[row].name) == 0)
                append_entry(out, &conf_bios_strings[row], pair[1]);
        }
    }
    if (out->len == 0) {
        before = NULL;
        return;
    }
    rest = before && g_str_has_prefix(before, start) ? before + strlen(start) : "</domain>";
    g_free(def->os.smbios_mode);
    def->os.smbios_mode = g_strdup("sysinfo");
    def->extra = g_strdup_printf("%s<sysinfo type=\"smbios\">%s</sysinfo>%s", start, out->str,
                                 rest);
}
