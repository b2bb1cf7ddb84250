/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf-devices.c, conf-chardev.c, conf-words.c: one text, one device. */
#include <conf/conf-private.h>

static ConfReport *report;

static ConfPlace
place(const char *path)
{
    g_clear_pointer(&report, conf_report_free);
    report = conf_report_new("f.cfg");
    return (ConfPlace){ report, "f.cfg", path, 7, 10 };
}

/* ---- disks ---- */

static const struct UnameCase {
    const char *uname;
    ConfDiskType type;
    const char *driver, *format, *source;
} uname_cases[] = {
    { "phy:sda6", CONF_DISK_TYPE_BLOCK, "phy", "raw", "/dev/sda6" },
    { "phy:/dev/vg/lv", CONF_DISK_TYPE_BLOCK, "phy", "raw", "/dev/vg/lv" },
    { "file:/a:b.img", CONF_DISK_TYPE_FILE, "file", "raw", "/a:b.img" },
    { "file:/tap:aio:x", CONF_DISK_TYPE_FILE, "file", "raw", "/tap:aio:x" },
    { "tap:aio:/x.img", CONF_DISK_TYPE_FILE, "tap", "raw", "/x.img" },
    { "tap:tapdisk:qcow2:/x", CONF_DISK_TYPE_FILE, "tap", "qcow2", "/x" },
    { "tap2:vhd:/x.vhd", CONF_DISK_TYPE_FILE, "tap2", "vhd", "/x.vhd" },
    { "/dev/sdb", CONF_DISK_TYPE_BLOCK, NULL, "raw", "/dev/sdb" },
    { "/srv/x", CONF_DISK_TYPE_FILE, NULL, "raw", "/srv/x" },
    { "drbd:r0", CONF_DISK_TYPE_BLOCK, NULL, "raw", "/dev/drbd/by-res/r0/0" },
    { "dmmd:md;/dev/md0;lvm;/dev/vg/lv", CONF_DISK_TYPE_BLOCK, NULL, "raw", "/dev/vg/lv" },
    { "", CONF_DISK_TYPE_FILE, NULL, NULL, NULL },
    { "file:", CONF_DISK_TYPE_FILE, NULL, NULL, NULL },
};

static void
test_uname(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(uname_cases); i++) {
        const struct UnameCase *c = &uname_cases[i];
        g_autoptr(ConfDisk) disk = conf_disk_new();
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("disk[0]");

        g_test_message("%s", c->uname);
        g_assert_true(conf_disk_set_uname(disk, c->uname, &p, &error));
        g_assert_no_error(error);
        g_assert_cmpint(disk->type, ==, c->type);
        g_assert_cmpstr(disk->driver_name, ==, c->driver);
        g_assert_cmpstr(disk->driver_type, ==, c->format);
        g_assert_cmpstr(disk->source, ==, c->source);
    }
}

static void
test_uname_network(void)
{
    g_autoptr(ConfDisk) nbd = conf_disk_new(), iscsi = conf_disk_new(), bad = conf_disk_new();
    g_autoptr(GError) error = NULL;
    ConfPlace p = place("disk[0]");

    g_assert_true(conf_disk_set_uname(nbd, "nbd:10.0.0.1 20004", &p, &error));
    g_assert_cmpint(nbd->type, ==, CONF_DISK_TYPE_NETWORK);
    g_assert_cmpstr(nbd->source_protocol, ==, "nbd");
    ConfDiskHost *host = g_ptr_array_index(nbd->source_hosts, 0);
    g_assert_cmpstr(host->name, ==, "10.0.0.1");
    g_assert_cmpstr(host->port, ==, "20004");

    g_assert_true(
        conf_disk_set_uname(iscsi, "iscsi:iqn=iqn.2001-05.x:y,portal=h:3261", &p, &error));
    g_assert_cmpstr(iscsi->source_name, ==, "iqn.2001-05.x:y");
    host = g_ptr_array_index(iscsi->source_hosts, 0);
    g_assert_cmpstr(host->port, ==, "3261");

    g_assert_false(conf_disk_set_uname(bad, "iscsi:iqn.2001-05.x:y", &p, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(conf_disk_set_uname(bad, "enbd:x", &p, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(conf_disk_set_uname(bad, "nbd::x", &p, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_true(g_str_has_prefix(error->message, "f.cfg:7:10: disk[0]: "));
}

static void
test_vdev(void)
{
    static const struct {
        const char *text, *target, *bus;
        ConfDiskDevice device;
    } cases[] = {
        { "xvda", "xvda", "xen", CONF_DISK_DEVICE_ABSENT },
        { "hdc:cdrom", "hdc", "ide", CONF_DISK_DEVICE_CDROM },
        { "ioemu:hda", "hda", "ide", CONF_DISK_DEVICE_ABSENT },
        { "ioemu:hdc:cdrom", "hdc", "ide", CONF_DISK_DEVICE_CDROM },
        { "sda1", "sda1", "scsi", CONF_DISK_DEVICE_ABSENT },
        { "d0p0", "xvda", "xen", CONF_DISK_DEVICE_ABSENT },
        { "d0", "xvda", "xen", CONF_DISK_DEVICE_ABSENT },
        { "d1p2", "xvdb2", "xen", CONF_DISK_DEVICE_ABSENT },
        { "d536p37", "xvdtq37", "xen", CONF_DISK_DEVICE_ABSENT },
        { "51712", "xvda", "xen", CONF_DISK_DEVICE_ABSENT },
        { "0xca10", "xvdb", "xen", CONF_DISK_DEVICE_ABSENT },
        { "768", "hda", "ide", CONF_DISK_DEVICE_ABSENT },
        { "5632", "hdc", "ide", CONF_DISK_DEVICE_ABSENT },
        { "5697", "hdd1", "ide", CONF_DISK_DEVICE_ABSENT },
        { "2065", "sdb1", "scsi", CONF_DISK_DEVICE_ABSENT },
        { "268435456", "xvda", "xen", CONF_DISK_DEVICE_ABSENT },
        { "/dev/xvdb", "xvdb", "xen", CONF_DISK_DEVICE_ABSENT },
        { "fda", "fda", "fdc", CONF_DISK_DEVICE_FLOPPY },
    };
    static const char *const wrong[] = {
        "",   "xvd", "hda:tape", "536870912", "d1p256", "d1p",
        "1x", "zda", "hdaaaaaa", "0",         "dxp",    "d1048576"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfDisk) disk = conf_disk_new();
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("disk[0]");

        g_test_message("%s", cases[i].text);
        g_assert_true(conf_disk_set_vdev(disk, cases[i].text, &p, &error));
        g_assert_cmpstr(disk->target, ==, cases[i].target);
        g_assert_cmpstr(disk->target_bus, ==, cases[i].bus);
        g_assert_cmpint(disk->device, ==, cases[i].device);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(ConfDisk) disk = conf_disk_new();
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("disk[0]");

        g_test_message("%s", wrong[i]);
        g_assert_false(conf_disk_set_vdev(disk, wrong[i], &p, &error));
        g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
        g_assert_null(disk->target);
    }
}

static void
test_mode(void)
{
    g_autoptr(ConfDisk) disk = conf_disk_new();
    g_autoptr(GError) error = NULL;
    ConfPlace p = place("disk[0]");

    g_assert_true(conf_disk_set_mode(disk, "w!", &p, &error));
    g_assert_true(disk->shareable && !disk->readonly);
    g_assert_true(conf_disk_set_mode(disk, "ro", &p, &error));
    g_assert_true(!disk->shareable && disk->readonly);
    g_assert_false(conf_disk_set_mode(disk, "x", &p, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
}

/* ---- PCI ---- */

static void
test_pci(void)
{
    g_autoptr(GError) error = NULL;
    ConfPlace p = place("pci[0]");
    g_autoptr(ConfHostdev) dev = conf_hostdev_parse_pci(
        "0001:1a:0f.7@1b,permissive=1,seize=1,msitranslate=1", &p, &error);

    g_assert_no_error(error);
    g_assert_cmpint(dev->domain.value, ==, 1);
    g_assert_cmpint(dev->bus.value, ==, 0x1a);
    g_assert_cmpint(dev->slot.value, ==, 0xf);
    g_assert_cmpint(dev->function.value, ==, 7);
    g_assert_cmpstr(dev->write_filtering, ==, "no");
    g_assert_cmpstr(dev->managed, ==, "yes");
    g_assert_nonnull(dev->dev.address);
    g_assert_cmpint(dev->dev.address->slot.value, ==, 0x1b);
    g_assert_cmpuint(report->rows->len, ==, 1);
    const ConfReportRow *row = g_ptr_array_index(report->rows, 0);
    g_assert_cmpstr(row->path, ==, "pci[0].msitranslate");
    g_assert_cmpuint(row->column, ==, 10 + 37);

    g_autoptr(ConfHostdev) named = conf_hostdev_parse_pci("bdf=00:1d.0, vslot=8", &p, &error);
    g_assert_no_error(error);
    g_assert_cmpint(named->domain.value, ==, 0);
    g_assert_cmpint(named->slot.value, ==, 0x1d);
    g_assert_null(named->managed);
    g_assert_null(named->write_filtering);
    g_assert_cmpint(named->dev.address->slot.value, ==, 8);
}

static void
test_pci_wrong(void)
{
    static const struct {
        const char *text;
        ConfError code;
    } cases[] = {
        { "", CONF_ERROR_INVALID },
        { "1:2", CONF_ERROR_INVALID },
        { "01:20.0", CONF_ERROR_INVALID },
        { "01:00.8", CONF_ERROR_INVALID },
        { "100:00.0", CONF_ERROR_INVALID },
        { "01:00.0@20", CONF_ERROR_INVALID },
        { "01:00.0x", CONF_ERROR_INVALID },
        { "01:00.0,permissive=x", CONF_ERROR_INVALID },
        { "01:00.*", CONF_ERROR_UNSUPPORTED },
        { "name=gpu", CONF_ERROR_UNSUPPORTED },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("pci[0]");

        g_test_message("%s", cases[i].text);
        g_assert_null(conf_hostdev_parse_pci(cases[i].text, &p, &error));
        g_assert_error(error, CONF_ERROR, (gint)cases[i].code);
    }
}

/* ---- character devices ---- */

static void
test_chardev(void)
{
    static const struct {
        const char *text, *type, *again; /* NULL: as text */
    } cases[] = {
        { "pty", "pty", NULL },
        { "null", "null", NULL },
        { "stdio", "stdio", NULL },
        { "vc", "vc", NULL },
        { "file:/tmp/x", "file", NULL },
        { "pipe:/tmp/x", "pipe", NULL },
        { "/dev/ttyS0", "dev", NULL },
        { "tcp:1.2.3.4:5", "tcp", NULL },
        { "tcp::5,server,nowait", "tcp", NULL },
        { "tcp:[::1]:5", "tcp", NULL },
        { "tcp:h:5,server", "tcp", "tcp:h:5,server,nowait" },
        { "telnet:h:23,server,nowait", "tcp", NULL },
        { "udp:h:1@l:2", "udp", NULL },
        { "udp::1", "udp", NULL },
        { "unix:/x,server,nowait", "unix", NULL },
        { "unix:/x", "unix", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("serial");
        g_autoptr(ConfChardev) chr = conf_chardev_parse_qemu(cases[i].text, &p, &error);

        g_test_message("%s", cases[i].text);
        g_assert_no_error(error);
        g_assert_cmpstr(chr->type, ==, cases[i].type);
        g_autofree char *text = conf_chardev_format_qemu(chr);
        g_assert_cmpstr(text, ==, cases[i].again ? cases[i].again : cases[i].text);
    }
}

static void
test_chardev_wrong(void)
{
    static const char *const cases[] = { "x",     "file:x", "tcp:", "tcp:h",     "tcp:h:",
                                         "udp:h", "unix:",  "tcp",  "mon:stdio", "vcx" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        ConfPlace p = place("serial");

        g_test_message("%s", cases[i]);
        g_assert_null(conf_chardev_parse_qemu(cases[i], &p, &error));
        g_assert_nonnull(error);
    }
    g_assert_true(conf_chardev_is_none("none"));
    g_assert_false(conf_chardev_is_none("null"));
}

/* ---- words ---- */

static void
test_actions(void)
{
    for (int action = CONF_ACTION_DESTROY; action <= CONF_ACTION_COREDUMP_RESTART; action++)
        g_assert_cmpint(conf_action_parse(conf_action_name((ConfAction)action)), ==, action);
    g_assert_cmpint(conf_action_parse("soft-reset"), ==, CONF_ACTION_ABSENT);
    g_assert_cmpint(conf_action_parse(NULL), ==, CONF_ACTION_ABSENT);
    g_assert_null(conf_action_name(CONF_ACTION_ABSENT));
}

static void
test_rate(void)
{
    static const struct {
        const char *text;
        int64_t kib;
    } cases[] = {
        { "1024B/s", 1 },      { "10MB/s", 9766 },     { "10MB/s@20ms", 9766 },
        { "10Mb/s@1s", 1221 }, { "250KB/s@5us", 244 }, { "1GB/s", 976563 },
        { "0B/s", 0 },         { "1b/s", 0 },          { "100B/s", 1 },
    };
    static const char *const wrong[] = { "",       "MB/s",      "10",
                                         "10MB",   "10MB/s@",   "10MB/s@ms",
                                         "10mB/s", "10MB/s@1h", "99999999999999GB/s" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t kib = -1;

        g_assert_true(conf_rate_parse(cases[i].text, &kib));
        g_assert_cmpint(kib, ==, cases[i].kib);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        int64_t kib = -1;

        g_test_message("%s", wrong[i]);
        g_assert_false(conf_rate_parse(wrong[i], &kib));
        g_assert_cmpint(kib, ==, -1);
    }
    for (int64_t kib = 1; kib < 3000000; kib += 1 + kib / 7) {
        g_autofree char *text = conf_rate_format(kib);
        int64_t back = -1;

        g_assert_true(conf_rate_parse(text, &back));
        g_assert_cmpint(back, ==, kib);
    }
    g_autofree char *ten = conf_rate_format(9766);
    g_assert_cmpstr(ten, ==, "10MB/s");
}

static void
test_mac(void)
{
    g_autofree char *full = conf_mac_canonical("00:16:3E:AA:bb:0C");
    g_autofree char *brief = conf_mac_canonical("0-16-3e-a-b-c");

    g_assert_cmpstr(full, ==, "00:16:3e:aa:bb:0c");
    g_assert_cmpstr(brief, ==, "00:16:3e:0a:0b:0c");
    g_assert_null(conf_mac_canonical("00:16:3e:aa:bb"));
    g_assert_null(conf_mac_canonical("00:16:3e:aa:bb:cc:dd"));
    g_assert_null(conf_mac_canonical("000:16:3e:aa:bb:cc"));
    g_assert_null(conf_mac_canonical(""));

    g_autoptr(ConfDomain) def = conf_domain_new();
    conf_set_string(&def->name, "a");
    g_autofree char *first = conf_mac_derive(def, 0);
    g_autofree char *again = conf_mac_derive(def, 0);
    g_autofree char *second = conf_mac_derive(def, 1);
    def->uuid_set = true;
    g_autofree char *by_uuid = conf_mac_derive(def, 0);
    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, second);
    g_assert_cmpstr(first, !=, by_uuid);
    g_autofree char *canonical = conf_mac_canonical(first);
    g_assert_cmpstr(first, ==, canonical);
    g_assert_true(g_str_has_prefix(first, "00:16:3e:"));
}

static void
test_path(void)
{
    g_autofree char *beside = conf_path_absolute("./k", "/etc/xen/a.cfg");
    g_autofree char *root = conf_path_absolute("k", "a.cfg");
    g_autofree char *same = conf_path_absolute("/k", "/etc/xen/a.cfg");

    g_assert_cmpstr(beside, ==, "/etc/xen/k");
    g_assert_cmpstr(root, ==, "/k");
    g_assert_cmpstr(same, ==, "/k");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/devices/disk/uname", test_uname);
    g_test_add_func("/conf/devices/disk/uname-network", test_uname_network);
    g_test_add_func("/conf/devices/disk/vdev", test_vdev);
    g_test_add_func("/conf/devices/disk/mode", test_mode);
    g_test_add_func("/conf/devices/pci", test_pci);
    g_test_add_func("/conf/devices/pci-wrong", test_pci_wrong);
    g_test_add_func("/conf/devices/chardev", test_chardev);
    g_test_add_func("/conf/devices/chardev-wrong", test_chardev_wrong);
    g_test_add_func("/conf/devices/action", test_actions);
    g_test_add_func("/conf/devices/rate", test_rate);
    g_test_add_func("/conf/devices/mac", test_mac);
    g_test_add_func("/conf/devices/path", test_path);
    int rc = g_test_run();
    g_clear_pointer(&report, conf_report_free);
    return rc;
}
