/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libFuzzer: the reader of xl, what detects formats, and the report over a tree that nobody maps.
 */
#include <conf/conf.h>

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, text, size, "fuzz.cfg", NULL, &error);
    g_autoptr(ConfReport) report = NULL;
    g_autofree char *printed = NULL;

    conf_format_detect(text, size);
    g_assert((natives == NULL) == (error != NULL));
    if (natives == NULL)
        return 0;
    report = conf_report_new("fuzz.cfg");
    conf_report_close(report, natives->pdata[0], NULL);
    printed = conf_report_format_text(report, true);
    g_assert(g_utf8_validate(printed, -1, NULL));
    return 0;
}
