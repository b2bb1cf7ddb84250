/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domainsnapshot>: whatever the bytes are, they are refused with an error, or what comes out of
 * them comes out again. */
#include <conf/conf.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const ConfSnapshot *def)
{
    g_autofree char *once = conf_snapshot_format_xml(def, CONF_XML_SECURE);
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfSnapshot)
        again = conf_snapshot_parse_xml(once, -1, "again", CONF_SNAPSHOT_REDEFINE, &error);
    g_autofree char *twice = NULL;

    /* Escapes and layout may make a document longer than what is read. */
    if (!again && g_error_matches(error, CONF_ERROR, CONF_ERROR_LIMIT))
        return;
    if (!again)
        g_error("refused what was written: %s\n%s", error->message, once);
    twice = conf_snapshot_format_xml(again, CONF_XML_SECURE);
    if (strcmp(once, twice) != 0)
        g_error("no fixed point:\n%s\n%s", once, twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfSnapshot)
        wanted = conf_snapshot_parse_xml((const char *)data, (gssize)size, "fuzz", 0, &error);
    g_autoptr(ConfSnapshot) known = NULL;
    g_autoptr(ConfSnapshot) copy = NULL;

    g_assert(!wanted == !!error);
    g_clear_error(&error);
    known = conf_snapshot_parse_xml((const char *)data, (gssize)size, "fuzz",
                                    CONF_SNAPSHOT_REDEFINE, &error);
    g_assert(!known == !!error);
    if (!known)
        return 0;
    copy = conf_snapshot_copy(known);
    check(copy);
    return 0;
}
