/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does xl itself read what we write? Asks libxlutil about each tests/golden/xl/NAME.out.cfg, and
 * compares what it makes of the disks with what we make of them. */
#include <conf/conf-private.h>

#include <libxlutil.h>
#include <stdio.h>
#include <string.h>

typedef struct Judge {
    XLU_Config *config;
    FILE *log;
    char *text; /* what libxlutil complains about */
    size_t len;
} Judge;

static void
judge_init(Judge *judge, const char *name)
{
    judge->log = open_memstream(&judge->text, &judge->len);
    g_assert_nonnull(judge->log);
    judge->config = xlu_cfg_init(judge->log, name);
    g_assert_nonnull(judge->config);
}

static void
judge_clear(Judge *judge)
{
    fflush(judge->log);
    g_assert_cmpstr(judge->text, ==, "");
    xlu_cfg_destroy(judge->config);
    fclose(judge->log);
    free(judge->text);
}

static void
judge_said(const Judge *judge, const char *spec, int rc)
{
    if (rc == 0)
        return;
    fflush(judge->log);
    g_test_message("%s: %s", spec, judge->text);
    g_test_fail_printf("xl refuses what was written");
}

static const ConfDisk *
disk_at(const ConfDomain *def, const char *target)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(def->disks, i);

        if (g_str_equal(disk->target, target))
            return disk;
    }
    return NULL;
}

static void
compare_disk(const ConfDomain *def, const libxl_device_disk *theirs)
{
    const ConfDisk *ours = disk_at(def, theirs->vdev);

    g_assert_nonnull(ours);
    g_assert_cmpint(theirs->is_cdrom, ==, ours->device == CONF_DISK_DEVICE_CDROM);
    g_assert_cmpint(theirs->readwrite, ==, !ours->readonly);
    g_assert_cmpstr(theirs->backend_domname, ==, ours->backenddomain);
    if (ours->source)
        g_assert_cmpstr(theirs->pdev_path, ==, ours->source);
    if (ours->driver_type && ours->type != CONF_DISK_TYPE_NETWORK)
        g_assert_cmpstr(libxl_disk_format_to_string(theirs->format), ==, ours->driver_type);
    if (g_strcmp0(ours->driver_name, "phy") == 0)
        g_assert_cmpint(theirs->backend, ==, LIBXL_DISK_BACKEND_PHY);
}

static void
judge_disks(const Judge *judge, const ConfDomain *def)
{
    XLU_ConfigList *list;
    int n;

    if (xlu_cfg_get_list(judge->config, "disk", &list, &n, 1) != 0)
        return;
    for (int i = 0; i < n; i++) {
        const char *spec = xlu_cfg_get_listitem(list, i);
        libxl_device_disk disk;

        libxl_device_disk_init(&disk);
        int rc = xlu_disk_parse(judge->config, 1, &spec, &disk);
        judge_said(judge, spec, rc);
        if (rc == 0)
            compare_disk(def, &disk);
        libxl_device_disk_dispose(&disk);
    }
}

static void
judge_pci(const Judge *judge)
{
    XLU_ConfigList *list;
    int n;

    if (xlu_cfg_get_list(judge->config, "pci", &list, &n, 1) != 0)
        return;
    for (int i = 0; i < n; i++) {
        const char *spec = xlu_cfg_get_listitem(list, i);
        libxl_device_pci pci;

        libxl_device_pci_init(&pci);
        judge_said(judge, spec, xlu_pci_parse_spec_string(judge->config, &pci, spec));
        libxl_device_pci_dispose(&pci);
    }
}

static void
judge_rates(const Judge *judge, const ConfDomain *def)
{
    for (guint i = 0; i < def->interfaces->len; i++) {
        const ConfInterface *iface = g_ptr_array_index(def->interfaces, i);
        libxl_device_nic nic;

        if (!iface->outbound_average.set)
            continue;
        g_autofree char *rate = conf_rate_format(iface->outbound_average.value);
        libxl_device_nic_init(&nic);
        judge_said(judge, rate, xlu_vif_parse_rate(judge->config, rate, &nic));
        libxl_device_nic_dispose(&nic);
    }
}

static void
test_file(gconstpointer data)
{
    const char *path = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize len;
    Judge judge;

    g_file_get_contents(path, &text, &len, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, text, (gssize)len, path, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(ConfReport) report = conf_report_new(path);
    g_autoptr(ConfDomain)
        def = conf_domain_from_native(g_ptr_array_index(natives, 0), report, &error);
    g_assert_no_error(error);

    judge_init(&judge, path);
    g_assert_cmpint(xlu_cfg_readdata(judge.config, text, (int)len), ==, 0);
    const char *name;
    g_assert_cmpint(xlu_cfg_get_string(judge.config, "name", &name, 0), ==, 0);
    g_assert_cmpstr(name, ==, def->name);
    judge_disks(&judge, def);
    judge_pci(&judge);
    judge_rates(&judge, def);
    judge_clear(&judge);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *folder = g_build_filename(g_getenv("XLVIRT_SOURCE"), "tests", "golden", "xl",
                                               NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_suffix(name, ".out.cfg"))
            continue;
        g_autofree char *path = g_strconcat("/conf/cfg/as-libxlutil/", name, NULL);
        g_test_add_data_func_full(path, g_build_filename(folder, name, NULL), test_file, g_free);
    }
    return g_test_run();
}
