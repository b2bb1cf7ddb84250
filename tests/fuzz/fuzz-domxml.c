/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domXML: whatever the bytes are, they are refused with an error, or what comes out of them comes
 * out again. */
#include <conf/conf.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(ConfDomain *def, unsigned flags)
{
    g_autofree char *once = conf_domain_format_xml(def, flags);
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain)
        again = conf_domain_parse_xml(once, -1, "again", CONF_XML_NO_UUID_OK, &error);
    g_autofree char *twice = NULL;

    /* Escapes and layout may make a document longer than what is read. */
    if (!again && g_error_matches(error, CONF_ERROR, CONF_ERROR_LIMIT))
        return;
    if (!again)
        g_error("refused what was written: %s\n%s", error->message, once);
    twice = conf_domain_format_xml(again, flags);
    if (strcmp(once, twice) != 0)
        g_error("no fixed point:\n%s\n%s", once, twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = conf_domain_parse_xml((const char *)data, (gssize)size, "fuzz",
                                                      CONF_XML_NO_UUID_OK, &error);
    g_autoptr(ConfDomain) copy = NULL;

    g_assert(!def == !!error);
    if (!def)
        return 0;
    copy = conf_domain_copy(def);
    check(copy, CONF_XML_SECURE);
    check(copy, CONF_XML_INACTIVE);
    conf_domain_fill_defaults(copy);
    check(copy, CONF_XML_SECURE);
    return 0;
}
