/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Round trips (fuzz-convert.h) over every format, as a text's content tells it. */
#include "fuzz-convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    ConfFormat format = conf_format_detect(text, size);

    if (format == CONF_FORMAT_DOMXML) {
        g_autoptr(ConfDomain)
            def = conf_domain_parse_xml(text, (gssize)size, "fuzz", CONF_XML_NO_UUID_OK, NULL);

        if (def)
            fuzz_check(def);
        return 0;
    }
    if (format == CONF_FORMAT_SXP || format == CONF_FORMAT_XL_JSON || format == CONF_FORMAT_XVA) {
        fuzz_convert(format, text, size);
        return 0;
    }
    fuzz_convert(CONF_FORMAT_XL, text, size);
    fuzz_convert(CONF_FORMAT_XM, text, size);
    return 0;
}
