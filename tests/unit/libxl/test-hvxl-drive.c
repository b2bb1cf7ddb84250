/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of virtual disks, and QEMU's lists of drives. */
#include <libxl/hvxl-drive.h>

#include <string.h>

static void
test_names(void)
{
    /* xen-vbd-interface(7) */
    static const struct {
        const char *name;
        guint disk, number;
    } good[] = {
        { "xvda", 0, 51712 },
        { "xvdb", 1, 51728 },
        { "xvda1", 0, 51713 },
        { "xvdp15", 15, 51967 },
        { "xvdq", 16, 1u << 28 | 16 << 8 },
        { "xvda16", 0, 1u << 28 | 16 },
        { "xvdz", 25, 1u << 28 | 25 << 8 },
        { "xvdaa", 26, 1u << 28 | 26 << 8 },
        { "xvdba", 52, 1u << 28 | 52 << 8 },
        { "d5", 5, 202 << 8 | 5 << 4 },
        { "d5p2", 5, 202 << 8 | 5 << 4 | 2 },
        { "hda", 0, 768 },
        { "hdb", 1, 832 },
        { "hdc", 2, 5632 },
        { "hdd63", 3, 22 << 8 | 64 | 63 },
        { "sda", 0, 2048 },
        { "sdp", 15, 8 << 8 | 15 << 4 },
    };
    static const char *const bad[] = {
        "",
        "xvd",
        "xvdA",
        "xvda256",
        "xvda0",
        "xvda-1",
        "hde",
        "hda64",
        "sdq",
        "sda16",
        "vda",
        "fda",
        "d",
        "dp1",
        "d1p",
        "d99999999999999999999",
        "xvdzzzzzzzzzzzzzzzzzzzzzzzz9",
        "xvda 1",
    };
    guint disk, number;

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(hvxl_vdev_parse(good[i].name, &disk, &number));
        g_assert_cmpuint(disk, ==, good[i].disk);
        g_assert_cmpuint(number, ==, good[i].number);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        if (hvxl_vdev_parse(bad[i], &disk, &number))
            g_error("'%s' was taken for disk %u", bad[i], disk);
    }
}

/* As QEMU 7.2 prints them for an HVM guest with a disk by IDE and by PV drivers. */
static const char block[] = "ide0-hd0 (#block167): /tmp/a.img (raw)\r\n"
                            "    Attached to:      /machine/unattached/device[15]\r\n"
                            "    Cache mode:       writeback\r\n"
                            "\r\n"
                            "ide1-cd0: [not inserted]\r\n"
                            "    Attached to:      /machine/unattached/device[17]\r\n"
                            "    Removable device: not locked, tray closed\r\n"
                            "\r\n"
                            "xvda-raw: /tmp/a.img (raw)\r\n"
                            "    Attached to:      /machine/unattached/device[28]\r\n"
                            "    Cache mode:       writeback\r\n";
static const char stats[] =
    "ide0-hd0: rd_bytes=512 wr_bytes=0 rd_operations=1 wr_operations=0 flush_operations=0 "
    "wr_total_time_ns=0 rd_total_time_ns=900 flush_total_time_ns=0 rd_merged=0 wr_merged=0 "
    "idle_time_ns=5\r\n"
    "ide1-cd0: rd_bytes=0 wr_bytes=0 rd_operations=0 wr_operations=0 flush_operations=0 "
    "wr_total_time_ns=0 rd_total_time_ns=0 flush_total_time_ns=0\r\n"
    ": rd_bytes=8192 wr_bytes=4096 rd_operations=2 wr_operations=1 flush_operations=3 "
    "wr_total_time_ns=70 rd_total_time_ns=80 flush_total_time_ns=90 rd_merged=0\r\n";

static void
test_lists(void)
{
    g_autoptr(GArray) drives = hvxl_parse_drives(block, stats);
    const HvxlDrive *drive;

    g_assert_cmpuint(drives->len, ==, 3);
    drive = &g_array_index(drives, HvxlDrive, 0);
    g_assert_cmpstr(drive->name, ==, "ide0-hd0");
    g_assert_cmpstr(drive->path, ==, "/machine/unattached/device[15]");
    g_assert_cmpint(drive->stats.rd_bytes, ==, 512);
    g_assert_cmpint(drive->stats.rd_ns, ==, 900);
    drive = &g_array_index(drives, HvxlDrive, 1);
    g_assert_cmpstr(drive->name, ==, "ide1-cd0");
    drive = &g_array_index(drives, HvxlDrive, 2);
    g_assert_cmpstr(drive->name, ==, "xvda-raw");
    g_assert_cmpstr(drive->path, ==, "/machine/unattached/device[28]");
    g_assert_cmpint(drive->stats.rd_reqs, ==, 2);
    g_assert_cmpint(drive->stats.rd_bytes, ==, 8192);
    g_assert_cmpint(drive->stats.wr_reqs, ==, 1);
    g_assert_cmpint(drive->stats.wr_bytes, ==, 4096);
    g_assert_cmpint(drive->stats.wr_ns, ==, 70);
    g_assert_cmpint(drive->stats.fl_reqs, ==, 3);
    g_assert_cmpint(drive->stats.fl_ns, ==, 90);
    g_assert_cmpint(drive->stats.errors, ==, -1);
}

/* Lists that do not fit each other, and what is no list. */
static void
test_odd_lists(void)
{
    static const char *const odd[] = { "", "\n\n", ": rd_bytes=\n: rd_bytes=x", "rd_bytes=1\n" };

    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(GArray) drives = hvxl_parse_drives(block, odd[i]);
        g_autoptr(GArray) none = hvxl_parse_drives(odd[i], stats);

        g_assert_cmpuint(drives->len, ==, 3);
        g_assert_cmpint(g_array_index(drives, HvxlDrive, 0).stats.rd_bytes, ==, -1);
        for (guint j = 0; j < none->len; j++)
            g_assert_nonnull(g_array_index(none, HvxlDrive, j).name);
    }
}

static gboolean
belongs(const char *drive_name, const char *target)
{
    HvxlDrive drive = { .name = (char *)drive_name };
    ConfDisk disk = { .target = (char *)target };

    return hvxl_drive_is_of(&drive, &disk);
}

static void
test_belonging(void)
{
    g_assert_true(belongs("xvda-raw", "xvda"));
    g_assert_true(belongs("xvda-qcow2", "xvda"));
    g_assert_true(belongs("xvda", "xvda"));
    g_assert_false(belongs("xvdaa-raw", "xvda"));
    g_assert_false(belongs("xvda-raw", "xvdaa"));
    g_assert_true(belongs("ide0-hd0", "xvda"));
    g_assert_true(belongs("ide0-hd1", "hdb"));
    g_assert_true(belongs("ide1-hd0", "xvdc"));
    g_assert_true(belongs("ide1-cd1", "hdd"));
    g_assert_false(belongs("ide1-hd0", "xvdb"));
    g_assert_false(belongs("ide2-hd0", "xvde"));
    g_assert_true(belongs("scsi0-hd4", "sde"));
    g_assert_false(belongs("scsi0-hd4", "xvde"));
    g_assert_false(belongs("floppy0", "fda"));
    g_assert_true(belongs("ide-5632", "hdc"));
    g_assert_true(belongs("ide-51744", "xvdc"));
    g_assert_false(belongs("ide-5632", "hdd"));
    g_assert_false(belongs("ide-563", "hdc"));
}

static void
test_find_disk(void)
{
    g_autoptr(ConfDomain) live = conf_domain_new();
    ConfDisk *first = conf_disk_new(), *second = conf_disk_new();

    first->target = g_strdup("xvda");
    second->target = g_strdup("hdc");
    g_ptr_array_add(live->disks, first);
    g_ptr_array_add(live->disks, second);
    g_assert_true(hvxl_drive_find_disk("xvda-qcow2", live) == first);
    g_assert_true(hvxl_drive_find_disk("ide-5632", live) == second);
    g_assert_null(hvxl_drive_find_disk("#block123", live));
    g_assert_null(hvxl_drive_find_disk("", live));
}

/* As QEMU 7.2 has them, without what nobody reads. A qcow2 image on top of a raw one, and another
 * disk. */
static void
test_nodes(void)
{
    static const char answer[] =
        "{\"return\": [{\"image\": {\"filename\": \"/over\", \"format\": \"qcow2\"}, "
        "\"node-name\": \"xvda-over1\", \"drv\": \"qcow2\", \"file\": \"/over\"}, "
        "{\"node-name\": \"#block2\", \"drv\": \"file\", \"file\": \"/over\"}, "
        "{\"node-name\": \"#block3\", \"drv\": \"raw\", \"file\": \"/base\"}, "
        "{\"node-name\": \"#block4\", \"drv\": \"file\", \"file\": \"/base\"}, "
        "{\"node-name\": \"#block5\", \"drv\": \"raw\", \"file\": \"/dev/x\"}, "
        "{\"node-name\": \"#block6\", \"drv\": \"host_device\", \"file\": \"/dev/x\"}, "
        "{\"node-name\": \"#block7\", \"drv\": \"host_device\", \"file\": \"/dev/x\"}]}";
    g_autoptr(GPtrArray) format = hvxl_node_names(answer, "/over", FALSE);
    g_autoptr(GPtrArray) storage = hvxl_node_names(answer, "/over", TRUE);
    g_autoptr(GPtrArray) twice = hvxl_node_names(answer, "/dev/x", TRUE);
    g_autoptr(GPtrArray) none = hvxl_node_names("{\"return\": {}}", "/over", TRUE);
    g_autofree char *file = hvxl_node_file(answer, "#block4");

    g_assert_cmpuint(format->len, ==, 1);
    g_assert_cmpstr(format->pdata[0], ==, "xvda-over1");
    g_assert_cmpuint(storage->len, ==, 1);
    g_assert_cmpstr(storage->pdata[0], ==, "#block2");
    g_assert_cmpuint(twice->len, ==, 2);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpstr(file, ==, "/base");
    g_assert_null(hvxl_node_file(answer, "#block"));
    g_assert_null(hvxl_node_file(NULL, "#block4"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/drive/names", test_names);
    g_test_add_func("/hvxl/drive/lists", test_lists);
    g_test_add_func("/hvxl/drive/odd-lists", test_odd_lists);
    g_test_add_func("/hvxl/drive/belonging", test_belonging);
    g_test_add_func("/hvxl/drive/find-disk", test_find_disk);
    g_test_add_func("/hvxl/drive/nodes", test_nodes);
    return g_test_run();
}
