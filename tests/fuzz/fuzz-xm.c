/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libFuzzer: the reader of xm: its parser, its evaluator, and the report over the tree. */
#include <conf/conf.h>

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    ConfNativeOptions options = { set, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(ConfReport) report = NULL;
    g_autofree char *printed = NULL;

    g_hash_table_insert(set, (char *)"vmid", (char *)"3");
    natives = conf_native_parse(CONF_FORMAT_XM, text, size, "fuzz.cfg", &options, &error);
    g_assert((natives == NULL) == (error != NULL));
    if (natives == NULL)
        return 0;
    report = conf_report_new("fuzz.cfg");
    conf_report_close(report, natives->pdata[0], NULL);
    printed = conf_report_format_text(report, true);
    g_assert(g_utf8_validate(printed, -1, NULL));
    return 0;
}
