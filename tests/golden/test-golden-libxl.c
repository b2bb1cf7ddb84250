/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's configuration of libxl, both ways (tests/golden/libxl):
 *   NAME.xml  gives NAME.json, in libxl's own words, and the warnings NAME.warnings. Out of libxl's
 *             structs comes the definition NAME.back.xml, which gives the same NAME.json; where it
 *             does not, NAME.again.json is what it gives, and NAME.xml's comment says why.
 *   NAME.json  read as text, without libxl (format xl-json), gives NAME.xlj.xml, and what is lost
 * or changed on the way NAME.xlj.losses; of that the engine makes NAME.json again, or else
 *             NAME.xlj.json.
 */
#include "golden.h"

#include "../xen/hvxl-json.h"

#include <string.h>

static char *folder;

static char *
network_bridge(const char *network, const char *portgroup, gpointer data, GError **error)
{
    return g_strdup_printf("virbr-%s", network);
}

static gboolean
usb_find(unsigned vendor, unsigned product, unsigned *ret_bus, unsigned *ret_device, gpointer data,
         GError **error)
{
    g_assert_cmphex(vendor, ==, 0x1234);
    g_assert_cmphex(product, ==, 0xbeef);
    *ret_bus = 3;
    *ret_device = 9;
    return TRUE;
}

static HvxlConfigEnv
host(void)
{
    HvxlConfigEnv env;

    hvxl_config_env_init(&env);
    env.n_cpus = 8;
    env.n_nodes = 2;
    env.now = 1700000000;
    env.channel_dir = "/var/lib/libvirt/libxl/channel";
    env.network_bridge = network_bridge;
    env.usb_find = usb_find;
    return env;
}

static char *
build(const ConfDomain *def, libxl_domain_config *config, char **ret_warnings)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    HvxlConfigEnv env = host();
    GString *text = g_string_new(NULL);

    hvxl_config_build(&env, def, config, warnings, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < warnings->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)warnings->pdata[i]);
    *ret_warnings = g_string_free(text, FALSE);
    return hvxl_json_of(config);
}

/* The record as a converter without libxl reads it. */
static void
check_as_text(const char *name, const char *json)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL_JSON, json, strlen(json), name, NULL, &error);
    g_autoptr(ConfReport) report = conf_report_new(name);
    g_autoptr(ConfDomain) def = NULL;
    g_autofree char *losses = NULL, *xml = NULL, *again = NULL, *warnings = NULL;
    libxl_domain_config config;

    g_assert_no_error(error);
    g_assert_cmpuint(natives->len, ==, 1);
    def = conf_domain_from_native(natives->pdata[0], report, &error);
    g_assert_no_error(error);
    losses = conf_report_format_text(report, false);
    golden_check(folder, name, ".xlj.losses", losses);
    xml = golden_format_xml(def, name);
    golden_check(folder, name, ".xlj.xml", xml);
    libxl_domain_config_init(&config);
    again = build(def, &config, &warnings);
    golden_check(folder, name, ".xlj.json", strcmp(json, again) == 0 ? "" : again);
    libxl_domain_config_dispose(&config);
}

static void
test_case(gconstpointer data)
{
    const char *name = data;
    g_autofree char *text = golden_read(folder, name, ".xml");
    g_autofree char *warnings = NULL, *more = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = conf_domain_parse_xml(text, -1, name, 0, &error);
    g_autoptr(ConfDomain) back = NULL;
    libxl_domain_config config, again;

    g_assert_no_error(error);
    golden_validate(text, name);
    libxl_domain_config_init(&config);
    libxl_domain_config_init(&again);
    g_autofree char *json = build(def, &config, &warnings);
    golden_check(folder, name, ".json", json);
    golden_check(folder, name, ".warnings", warnings);
    check_as_text(name, json);

    back = hvxl_config_adopt(&config, &error);
    g_assert_no_error(error);
    g_autofree char *xml = golden_format_xml(back, name);
    golden_check(folder, name, ".back.xml", xml);
    g_autofree char *json_again = build(back, &again, &more);
    golden_check(folder, name, ".again.json", strcmp(json, json_again) == 0 ? "" : json_again);
    libxl_domain_config_dispose(&config);
    libxl_domain_config_dispose(&again);
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = golden_folder("libxl");
    names = golden_list(folder, ".xml");
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = g_strdup_printf("/golden/libxl/%s", name);

        if (!g_str_has_suffix(name, ".back") && !g_str_has_suffix(name, ".xlj"))
            g_test_add_data_func_full(path, g_strdup(name), test_case, g_free);
    }
    status = g_test_run();
    g_free(folder);
    return status;
}
