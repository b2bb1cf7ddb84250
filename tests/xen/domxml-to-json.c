/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domxml-to-json [--xl] FILE: the libxl configuration that a domXML becomes in our engine, as libxl
 * writes it itself (what `xl create -N` prints). With --xl FILE is a config of xl, and goes the
 * whole way: to domXML, with the defaults that a definition gets, and from there. Warnings and what
 * is lost on the way go to stderr. Needs no Xen.
 */
#include "hvxl-json.h"

#include <stdio.h>
#include <string.h>

static ConfDomain *
read_xl(const char *text, gsize len, const char *file, GError **error)
{
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, text, (gssize)len, file, NULL, error);
    g_autoptr(ConfReport) report = conf_report_new(file);
    g_autoptr(ConfDomain) def = NULL;
    g_autofree char *xml = NULL, *losses = NULL;

    if (natives == NULL)
        return NULL;
    if (natives->len != 1) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "%u domains in one file", natives->len);
        return NULL;
    }
    def = conf_domain_from_native(natives->pdata[0], report, error);
    if (def == NULL)
        return NULL;
    losses = conf_report_format_text(report, false);
    fputs(losses, stderr);
    conf_domain_fill_defaults(def);
    xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    return conf_domain_parse_xml(xml, -1, file, 0, error);
}

/* ---- a host like xenlab's ---- */

static gboolean
node_cpus(unsigned node, ConfBitmap *map, gpointer data, GError **error)
{
    if (node == 0)
        conf_bitmap_set(map, 0, true);
    return TRUE;
}

static char *
firmware(const char *name, gpointer data)
{
    return g_strconcat("/usr/lib/xen-4.17/boot/", name, NULL);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(ConfDomain) def = NULL;
    g_autofree char *text = NULL, *json = NULL;
    bool xl = argc > 1 && strcmp(argv[1], "--xl") == 0;
    const char *file = argc > 1 + xl ? argv[1 + xl] : "/dev/stdin";
    HvxlConfigEnv env;
    gsize len;

    hvxl_config_env_init(&env);
    env.n_cpus = 8; /* libxl's maps of processors are whole bytes */
    env.node_cpus = node_cpus;
    env.firmware = firmware;
    if (g_file_get_contents(file, &text, &len, &error))
        def = xl ? read_xl(text, len, file, &error)
                 : conf_domain_parse_xml(text, (gssize)len, file, 0, &error);
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
