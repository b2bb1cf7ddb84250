/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of each element on Xen (src/libxl/hvxl-config-rows.c). Each row that is refused or
 * warned of has a sample here that is, in the row's own words; docs/LIBXL.md shows the table to
 * people, HV_TEST_REGENERATE=1 writes it.
 */
#include "row-samples.h"

#include <libxl/hvxl-config-keys.h>
#include <string.h>

/* What a row is told by when the devices are plugged in: has no sample of a whole domain. */
static const char *const of_hotplug[] = { "emulated, plugged in", NULL };

static char *
document(const char *guest, const char *path, const char *xml)
{
    bool device = g_str_has_prefix(path, "devices/");
    bool hvm = strcmp(guest, HVM) == 0;
    g_autofree char *os = g_strdup_printf("<os><type>%s</type>%s</os>", guest,
                                          hvm ? "" : "<kernel>/k</kernel>");

    return g_strdup_printf("<domain type='xen'><name>d</name>"
                           "<uuid>00000000-0000-4000-8000-000000000001</uuid>"
                           "<memory>1048576</memory>%s%s%s%s%s</domain>",
                           strstr(xml, "<vcpu>") ? "" : "<vcpu>1</vcpu>",
                           strstr(xml, "<os>") ? "" : os, device ? "<devices>" : "", xml,
                           device ? "</devices>" : "");
}

static ConfDomain *
parse(const char *guest, const char *path, const char *xml)
{
    g_autofree char *text = document(guest, path, xml);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(text, -1, "(test)", 0, &error);

    g_assert_no_error(error);
    return def;
}

static gboolean
build(const ConfDomain *def, GPtrArray *warnings, GError **error)
{
    libxl_domain_config config;
    HvxlConfigEnv env;
    gboolean ok;

    hvxl_config_env_init(&env);
    libxl_domain_config_init(&config);
    ok = hvxl_config_build(&env, def, &config, warnings, error);
    libxl_domain_config_dispose(&config);
    return ok;
}

/* ---- rows that are not honoured ---- */

static bool
says(const char *text, const HvxlRow *row)
{
    return strstr(text, row->path) && strstr(text, row->why) &&
           (row->value == NULL || strstr(text, row->value));
}

static bool
is_warned(const GPtrArray *warnings, const HvxlRow *row)
{
    for (guint i = 0; i < warnings->len; i++) {
        if (says(warnings->pdata[i], row))
            return true;
    }
    return false;
}

static void
test_sample(const struct RowSample *sample)
{
    const HvxlRow *row = hvxl_row_find(sample->path, sample->value);
    g_autoptr(ConfDomain) def = parse(sample->guest, sample->path, sample->xml);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    gboolean ok = build(def, warnings, &error);

    g_test_message("%s (%s)", sample->path, sample->value ? sample->value : "");
    g_assert_nonnull(row);
    if (row->fate == HVXL_WARNED) {
        g_assert_no_error(error);
        g_assert_true(ok && is_warned(warnings, row));
        return;
    }
    g_assert_cmpint(row->fate, ==, HVXL_REFUSED);
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_test_message("%s", error->message);
    g_assert_true(!ok && says(error->message, row));
}

static void
test_samples(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(row_samples); i++)
        test_sample(&row_samples[i]);
}

static bool
has_sample(const HvxlRow *row)
{
    for (size_t i = 0; i < G_N_ELEMENTS(row_samples); i++) {
        if (strcmp(row_samples[i].path, row->path) == 0 &&
            g_strcmp0(row_samples[i].value, row->value) == 0)
            return true;
    }
    return row->value && g_strv_contains(of_hotplug, row->value);
}

static void
test_each_row_has_a_sample(void)
{
    for (size_t i = 0; i < hvxl_n_rows; i++) {
        const HvxlRow *row = &hvxl_rows[i];

        g_test_message("%s (%s)", row->path, row->value ? row->value : "");
        g_assert_true(row->fate == HVXL_HONOURED || row->fate == HVXL_KEPT || has_sample(row) ||
                      g_str_has_prefix(row->path, "metadata/"));
        g_assert_true(hvxl_row_find(row->path, row->value) == row); /* no row twice */
    }
}

/* ---- what the table can't know ---- */

static void
test_unknown_is_named(void)
{
    g_autoptr(ConfDomain) def = parse(PV, "x", "<novelty a='1'><part/></novelty>");
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_true(build(def, warnings, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(warnings->len, ==, 2);
    g_assert_cmpstr(warnings->pdata[0], ==, "novelty/@a: libxl has nothing like it");
    g_assert_cmpstr(warnings->pdata[1], ==, "novelty/part: libxl has nothing like it");
}

static void
test_hotplug_nic(void)
{
    g_autoptr(ConfDomain) def = parse(HVM, "devices/", NIC("<model type='e1000'/>"));
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    libxl_device_nic nic;
    HvxlConfigEnv env;

    hvxl_config_env_init(&env);
    libxl_device_nic_init(&nic);
    g_assert_true(hvxl_nic_build(&env, def, def->interfaces->pdata[0], &nic, warnings, &error));
    g_assert_no_error(error);
    g_assert_cmpint(nic.nictype, ==, LIBXL_NIC_TYPE_VIF);
    g_assert_true(
        is_warned(warnings, hvxl_row_find("devices/interface/model", "emulated, plugged in")));
    libxl_device_nic_dispose(&nic);
}

static void
test_scripts(void)
{
    static const struct {
        const char *xml;
        const char *script; /* of the first disk or interface */
    } cases[] = {
        { "<disk type='block'><source dev='/dev/a'/><target dev='xvda'/></disk>", "/lib/helper" },
        { "<disk type='block'><driver name='qemu'/><source dev='/dev/a'/><target "
          "dev='xvda'/></disk>",
          NULL },
        { "<disk type='file'><source file='/a'/><target dev='xvda'/></disk>", NULL },
        { "<disk type='file'><driver name='qemu'/><source file='/a'/><target "
          "dev='xvda'/><readonly/></disk>",
          "/lib/helper" },
        { "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/a'/><target "
          "dev='xvda'/><readonly/></disk>",
          NULL },
        { "<disk type='network'><source protocol='nbd' name='e'><host name='h'/></source><target "
          "dev='xvda'/></disk>",
          "/lib/scripts/block-nbd" },
        { "<disk type='network'><source protocol='nbd'><host name='h'/></source><backenddomain "
          "name='d'/><target dev='xvda'/></disk>",
          "block-nbd" },
        { "<disk type='block'><source dev='/dev/a'/><target dev='xvda'/><shareable/></disk>",
          "/lib/scripts/block-shared" },
        { "<disk type='block'><source dev='/dev/a'/><backenddomain name='d'/><target "
          "dev='xvda'/></disk>",
          NULL },
        { NIC(""), "/lib/helper" },
        { NIC("<script path='mine'/>"), "mine" },
        { NIC("<backenddomain name='d'/>"), NULL },
        { NIC("<virtualport type='openvswitch'/>"), "/lib/scripts/vif-openvswitch" },
        { NIC("<virtualport type='openvswitch'/><backenddomain name='d'/>"), "vif-openvswitch" },
        { "<interface type='ethernet'><mac address='00:16:3e:00:00:01'/></interface>",
          "/lib/scripts/vif-route" },
        { "<interface type='ethernet'><script path='vif-route'/></interface>", "vif-route" },
    };
    HvxlConfigEnv env;

    hvxl_config_env_init(&env);
    env.hotplug_script = "/lib/helper";
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfDomain) def = parse(PV, "devices/", cases[i].xml);
        g_autoptr(GError) error = NULL;
        libxl_domain_config config;

        libxl_domain_config_init(&config);
        hvxl_config_build(&env, def, &config, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(config.num_disks ? config.disks[0].script : config.nics[0].script, ==,
                        cases[i].script);
        libxl_domain_config_dispose(&config);
    }
}

static void
test_wrong_values(void)
{
    static const struct {
        const char *path, *xml, *message;
    } cases[] = {
        { "", "<cputune><shares>70000</shares></cputune>", "weights of 1 to 65535" },
        { "", "<clock offset='absolute' start='9999999999999'/>", "seconds away" },
        { "", "<clock offset='timezone' timezone='Nowhere/Land'/>", "no time zone" },
        { "", "<genid>x</genid>", "no UUID" },
        { "devices/", NIC("<mtu size='1'/>"), "an MTU of 1" },
        { "devices/", "<graphics type='vnc' port='80' autoport='no'/>", "port 80" },
        { "devices/",
          "<hostdev mode='subsystem' type='usb'><source><address bus='1' "
          "device='900'/></source></hostdev>",
          "number 900" },
        { "",
          "<metadata><x:xl xmlns:x='urn:xlvirt:xl:1'><x:key name='nx'>perhaps</x:key></x:xl>"
          "</metadata>",
          "'perhaps'" },
        { "", "<metadata><x:xl xmlns:x='urn:xlvirt:xl:1'><x:key>1</x:key></x:xl></metadata>",
          "without a name" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfDomain) def = parse(HVM, cases[i].path, cases[i].xml);
        g_autoptr(GError) error = NULL;

        g_test_message("%s", cases[i].xml);
        g_assert_false(build(def, NULL, &error));
        g_assert_nonnull(strstr(error->message, cases[i].message));
    }
}

/* ---- docs/LIBXL.md ---- */

static const char *
fate_name(HvxlFate fate)
{
    static const char *const names[] = { "honoured", "warning", "refused", "nothing to do" };

    return names[fate];
}

/* Text in a table's cell. */
static void
cell(GString *out, const char *text)
{
    g_string_append(out, " ");
    for (; text && *text; text++)
        g_string_append_printf(out, strchr("|<", *text) ? "\\%c" : "%c", *text);
    g_string_append(out, " |");
}

static void
append_rows(GString *out)
{
    g_string_append(out, "| element | of it | what becomes of it | where, or why |\n"
                         "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < hvxl_n_rows; i++) {
        const HvxlRow *row = &hvxl_rows[i];
        g_autofree char *path = g_strdup_printf("`%s`", row->path);
        g_autofree char *where = row->libxl
                                     ? g_strdup_printf("`%s`%s%s", row->libxl, row->why ? "; " : "",
                                                       row->why ? row->why : "")
                                     : g_strdup(row->why);

        g_string_append(out, "|");
        cell(out, path);
        cell(out, row->value);
        cell(out, fate_name(row->fate));
        cell(out, where);
        g_string_append(out, "\n");
    }
}

static void
append_guests(GString *out, unsigned guests)
{
    if (guests == HVXL_ANY) {
        g_string_append(out, " all |");
        return;
    }
    g_string_append_printf(out, "%s%s%s |", guests & HVXL_PV ? " PV" : "",
                           guests & HVXL_HVM ? " HVM" : "", guests & HVXL_PVH ? " PVH" : "");
}

static void
append_keys(GString *out, const char *of, const HvxlKey *keys, size_t n_keys)
{
    for (size_t i = 0; i < n_keys; i++) {
        g_autofree char *name = g_strdup_printf("`%s`", keys[i].name);
        g_autofree char *field = keys[i].field ? g_strdup_printf("`%s`", keys[i].field)
                                               : g_strdup_printf("warning: %s", keys[i].why);

        g_string_append(out, "|");
        cell(out, of);
        cell(out, name);
        append_guests(out, keys[i].guests);
        cell(out, field);
        g_string_append(out, "\n");
    }
}

static char *
tables(void)
{
    GString *out = g_string_new("\n");

    append_rows(out);
    g_string_append(out, "\n## Keys of xl in metadata\n\n| of | key | guests | field of libxl |\n"
                         "| --- | --- | --- | --- |\n");
    append_keys(out, "domain", hvxl_keys, hvxl_n_keys);
    append_keys(out, "disk", hvxl_disk_keys, hvxl_n_disk_keys);
    append_keys(out, "interface", hvxl_nic_keys, hvxl_n_nic_keys);
    append_keys(out, "PCI device", hvxl_pci_keys, hvxl_n_pci_keys);
    append_keys(out, "USB controller", hvxl_usbctrl_keys, hvxl_n_usbctrl_keys);
    append_keys(out, "channel", hvxl_channel_keys, hvxl_n_channel_keys);
    append_keys(out, "framebuffer", hvxl_vfb_keys, hvxl_n_vfb_keys);
    return g_string_free(out, FALSE);
}

#define MARK "<!-- from here on written by test-hvxl-config -->\n"

static void
test_page(void)
{
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *path = g_build_filename(source ? source : ".", "docs", "LIBXL.md", NULL);
    g_autofree char *expected = tables(), *page = NULL;
    g_autoptr(GError) error = NULL;
    char *mark;

    g_file_get_contents(path, &page, NULL, &error);
    g_assert_no_error(error);
    mark = strstr(page, MARK);
    g_assert_nonnull(mark);
    mark += strlen(MARK);
    if (g_getenv("HV_TEST_REGENERATE") && *g_getenv("HV_TEST_REGENERATE")) {
        g_autofree char *text = NULL;

        *mark = '\0';
        text = g_strconcat(page, expected, NULL);
        g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
        return;
    }
    g_test_message("if this fails: HV_TEST_REGENERATE=1, and look at the difference");
    g_assert_true(strcmp(mark, expected) == 0);
}

/* The socket that each device model of ours has is no argument of the user's. */
static void
test_own_arguments(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=" CONF_MONITOR_ID ",path=/x",    "-foo", "-chardev", "null,id=mine",
        "-mon",     "chardev=" CONF_MONITOR_ID ",mode=control", "-mon"
    };
    g_autoptr(GString) kept = g_string_new(NULL);
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(GError) error = NULL;
    libxl_domain_config config;

    libxl_domain_config_init(&config);
    config.c_info.type = LIBXL_DOMAIN_TYPE_HVM;
    config.c_info.name = g_strdup("d");
    libxl_domain_build_info_init_type(&config.b_info, LIBXL_DOMAIN_TYPE_HVM);
    for (gsize i = 0; i < G_N_ELEMENTS(arguments); i++)
        hvxl_list_append(&config.b_info.extra, arguments[i]);
    def = hvxl_config_adopt(&config, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < def->xen_args->len; i++)
        g_string_append_printf(kept, "%s ", ((const ConfArg *)def->xen_args->pdata[i])->value);
    g_assert_cmpstr(kept->str, ==, "-foo -chardev null,id=mine -mon ");
    libxl_domain_config_dispose(&config);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/config/samples", test_samples);
    g_test_add_func("/hvxl/config/each-row-has-a-sample", test_each_row_has_a_sample);
    g_test_add_func("/hvxl/config/unknown-is-named", test_unknown_is_named);
    g_test_add_func("/hvxl/config/hotplug-nic", test_hotplug_nic);
    g_test_add_func("/hvxl/config/scripts", test_scripts);
    g_test_add_func("/hvxl/config/wrong-values", test_wrong_values);
    g_test_add_func("/hvxl/config/own-arguments", test_own_arguments);
    g_test_add_func("/hvxl/config/page", test_page);
    return g_test_run();
}
