/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In every target: what GLib logs. Errors and criticals end in abort(), since libFuzzer keeps no
 * input of one that ends in GLib's own breakpoint trap; the rest is not printed.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    if (!(level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)))
        return G_LOG_WRITER_HANDLED;
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            dprintf(STDERR_FILENO, "FUZZ: %s\n", (const char *)fields[i].value);
    abort();
}

/* Not LLVMFuzzerInitialize(): some targets have their own. */
__attribute__((constructor)) static void
set_writer(void)
{
    g_log_set_writer_func(write_log, NULL, NULL);
}
