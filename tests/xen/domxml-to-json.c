/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domxml-to-json [--defaults] [FILE]: the libxl configuration that a domXML becomes in our engine,
 * as libxl writes it itself (what `xl create -N` prints). Warnings go to stderr. Needs no Xen.
 */
#include "hvxl-json.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(ConfDomain) def = NULL;
    g_autofree char *text = NULL, *json = NULL;
    gboolean defaults = argc > 1 && strcmp(argv[1], "--defaults") == 0;
    const char *file = argc > 1 + defaults ? argv[1 + defaults] : "/dev/stdin";
    HvxlConfigEnv env;
    gsize len;

    hvxl_config_env_init(&env);
    if (g_file_get_contents(file, &text, &len, &error))
        def = conf_domain_parse_xml(text, (gssize)len, file, 0, &error);
    if (def && defaults)
        conf_domain_fill_defaults(def);
    if (def)
        json = hvxl_json(&env, def, warnings, &error);
    for (guint i = 0; i < warnings->len; i++)
        fprintf(stderr, "warning: %s\n", (const char *)warnings->pdata[i]);
    if (json == NULL) {
        fprintf(stderr, "error: %s\n", error->message);
        return 1;
    }
    puts(json);
    return 0;
}
