/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does xl itself read what we write? Every config of tests/golden/xl, the examples that Xen
 * installs and published ones where they are (see CONTRIBUTING.md) are read and written back:
 * libxlutil takes it, with the same disks and PCI devices, and reading and writing it once more
 * changes nothing.
 */
#include "xl-judge.h"

#include <conf/conf-private.h>
#include <string.h>

/* ---- there and back ---- */

static ConfDomain *
read_config(const char *text, const char *path, GError **error)
{
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, text, strlen(text), path, NULL, error);
    g_autoptr(ConfReport) report = conf_report_new(path);

    return natives ? conf_domain_from_native(natives->pdata[0], report, error) : NULL;
}

static char *
write_config(const ConfDomain *def)
{
    g_autoptr(ConfReport) report = conf_report_new("(domain)");
    g_autoptr(GError) error = NULL;
    char *text = conf_domain_to_native(def, CONF_FORMAT_XL, report, &error);

    g_assert_no_error(error);
    g_autofree char *losses = conf_report_format_text(report, false);
    g_assert_cmpstr(losses, ==, "");
    return text;
}

/* ---- the judge ---- */

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
judge_disks(XlJudge *judge, const ConfDomain *def)
{
    XLU_ConfigList *list;
    int n;

    if (xlu_cfg_get_list(judge->config, "disk", &list, &n, 1) != 0)
        return;
    g_assert_cmpint(n, ==, (int)def->disks->len);
    for (int i = 0; i < n; i++) {
        const char *spec = xlu_cfg_get_listitem(list, i);
        libxl_device_disk disk;

        libxl_device_disk_init(&disk);
        g_assert_cmpint(xlu_disk_parse(judge->config, 1, &spec, &disk), ==, 0);
        compare_disk(def, &disk);
        libxl_device_disk_dispose(&disk);
    }
}

static void
judge_text(const char *text, const ConfDomain *def)
{
    static const char *const keys[] = { "pci", "vif", "rdm" };
    g_auto(XlJudge) judge = { NULL };
    const char *name;

    xl_judge_init(&judge, text, strlen(text));
    g_assert_true(judge.readable);
    g_assert_cmpint(xlu_cfg_get_string(judge.config, "name", &name, 0), ==, 0);
    g_assert_cmpstr(name, ==, def->name);
    judge_disks(&judge, def);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *told = xl_judge_value(&judge, keys[i]);

        g_assert_null(told ? strstr(told, "refused") : NULL);
    }
    g_assert_cmpstr(xl_judge_complaint(&judge), ==, "");
}

static void
test_file(gconstpointer data)
{
    const char *path = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(ConfDomain) def = read_config(text, path, &error);
    g_assert_no_error(error);
    g_autofree char *written = write_config(def);
    g_test_message("%s", written);
    judge_text(written, def);
    g_autoptr(ConfDomain) again = read_config(written, path, &error);
    g_assert_no_error(error);
    g_autofree char *once_more = write_config(again);
    g_assert_cmpstr(once_more, ==, written);
    /* The domain is the same, too, but for where it said a relative path. */
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    g_autofree char *xml_again = conf_domain_format_xml(again, CONF_XML_SECURE);
    if (!def->genid)
        g_assert_cmpstr(xml_again, ==, xml);
}

static void
add_folder(const char *group, const char *folder, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        bool config = prefix ? g_str_has_prefix(name, prefix) : strstr(name, ".cfg") != NULL;
        g_autofree char *path = g_strdup_printf("/conf/cfg/as-libxlutil/%s/%s", group, name);

        if (config)
            g_test_add_data_func_full(path, g_build_filename(folder, name, NULL), test_file,
                                      g_free);
    }
}

int
main(int argc, char **argv)
{
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *golden = g_build_filename(source, "tests", "golden", "xl", NULL);
    g_autofree char *corpus = g_build_filename(source, "..", "shared", "corpus", "xl", NULL);

    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    g_assert_true(g_file_test(golden, G_FILE_TEST_IS_DIR));
    add_folder("golden", golden, NULL);
    add_folder("installed", "/etc/xen", "xlexample.");
    add_folder("corpus", g_getenv("XLVIRT_CORPUS") ? g_getenv("XLVIRT_CORPUS") : corpus, "");
    return g_test_run();
}
