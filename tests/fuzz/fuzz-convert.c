/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz-convert.h"

#include <string.h>

/* A text may pass a limit that what it was made of did not. */
static gboolean
is_limit(const GError *error)
{
    return g_error_matches(error, CONF_ERROR, CONF_ERROR_LIMIT);
}

static ConfDomain *
read_back(ConfFormat format, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(format, text, strlen(text), "back", NULL, &error);
    g_autoptr(ConfReport) report = conf_report_new("back");
    ConfDomain *def;

    if (!natives && is_limit(error))
        return NULL;
    if (!natives)
        g_error("unreadable %s was written: %s\n%s", conf_format_name(format), error->message,
                text);
    if (natives->len != 1)
        g_error("%u domains instead of one:\n%s", natives->len, text);
    def = conf_domain_from_native(natives->pdata[0], report, &error);
    if (!def && !is_limit(error))
        g_error("%s was written that does not convert: %s\n%s", conf_format_name(format),
                error->message, text);
    return def;
}

static void
check_native(const ConfDomain *def, ConfFormat format)
{
    g_autoptr(ConfReport) report = conf_report_new("to");
    g_autoptr(GError) error = NULL;
    g_autofree char *text = conf_domain_to_native(def, format, report, &error);
    g_autofree char *said = conf_report_format_text(report, true);
    g_autoptr(ConfDomain) again = NULL;

    g_assert(!text == !!error);
    g_assert(g_utf8_validate(said, -1, NULL));
    if (!text)
        return; /* what it has no words for is refused */
    again = read_back(format, text);
    if (again && strcmp(again->name, def->name) != 0)
        g_error("'%s' came back as '%s':\n%s", def->name, again->name, text);
}

void
fuzz_check(const ConfDomain *def)
{
    g_autofree char *once = conf_domain_format_xml(def, CONF_XML_SECURE);
    g_autofree char *twice = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain)
        again = conf_domain_parse_xml(once, -1, "again", CONF_XML_NO_UUID_OK, &error);

    if (!again && is_limit(error))
        return;
    if (!again)
        g_error("refused what was converted: %s\n%s", error->message, once);
    twice = conf_domain_format_xml(again, CONF_XML_SECURE);
    if (strcmp(once, twice) != 0)
        g_error("no fixed point:\n%s\n%s", once, twice);
    conf_domain_fill_defaults(again);
    for (ConfFormat format = CONF_FORMAT_XL; format <= CONF_FORMAT_SXP; format++) {
        check_native(def, format);
        check_native(again, format);
    }
}

/* What is asked of an ova.xml beside its domain. */
static void
look_at_archive(const ConfNative *native)
{
    g_autofree char *aside = conf_native_aside(native);
    g_autoptr(GPtrArray) disks = conf_native_disks(native);

    g_assert(!aside || *aside);
    for (guint i = 0; i < disks->len; i++) {
        const ConfXvaDisk *disk = disks->pdata[i];

        g_assert(disk->ref && disk->size > 0 && disk->target && g_path_is_absolute(disk->path));
        g_assert(g_str_has_prefix(disk->path, "/var/lib/libvirt/images/"));
        g_assert(!strchr(disk->path + strlen("/var/lib/libvirt/images/"), '/'));
    }
}

void
fuzz_convert(ConfFormat format, const char *text, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = conf_native_parse(format, text, size, "fuzz", NULL, &error);

    g_assert(!natives == !!error);
    for (guint i = 0; natives && i < natives->len && i < 4; i++) {
        g_autoptr(ConfReport) report = conf_report_new("fuzz");
        g_autoptr(GError) inner = NULL;
        g_autoptr(ConfDomain) def = conf_domain_from_native(natives->pdata[i], report, &inner);
        g_autofree char *said = conf_report_format_text(report, true);

        g_assert(!def == !!inner);
        g_assert(g_utf8_validate(said, -1, NULL));
        conf_native_wants_autostart(natives->pdata[i]);
        look_at_archive(natives->pdata[i]);
        if (def)
            fuzz_check(def);
    }
}
