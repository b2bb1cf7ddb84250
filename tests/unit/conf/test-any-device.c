/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One device by itself: text both ways, which of a domain's is meant, what it gets by default. */
#include <conf/conf.h>

#include <string.h>

#define DISK "<disk type='file' device='disk'>"
#define DOMAIN(x)                                                                                  \
    "<domain type='xen'><name>a</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"           \
    "<memory>1024</memory><os><type>linux</type></os><devices>" x "</devices></domain>"

static ConfDomain *
domain(const char *xml)
{
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(xml, -1, "(test)", 0, &error);

    g_assert_no_error(error);
    return def;
}

static ConfAnyDevice *
device(const char *xml)
{
    g_autoptr(GError) error = NULL;
    ConfAnyDevice *parsed = conf_device_parse_xml(xml, -1, "(device_definition)", 0, &error);

    g_assert_no_error(error);
    return parsed;
}

/* What comes back of a kind's text, by the rows that it has in a domain. */
static void
test_round_trip(void)
{
    static const struct {
        ConfDeviceKind kind;
        const char *element, *xml;
    } cases[] = {
        { CONF_DEVICE_DISK, "disk",
          DISK "\n  <driver name='qemu' type='raw'/>\n  <source file='/a'/>\n"
               "  <target dev='xvda' bus='xen'/>\n</disk>\n" },
        { CONF_DEVICE_INTERFACE, "interface",
          "<interface type='bridge'>\n  <mac address='00:16:3e:00:00:01'/>\n"
          "  <source bridge='b'/>\n</interface>\n" },
        { CONF_DEVICE_CONTROLLER, "controller", "<controller type='usb' index='0'/>\n" },
        { CONF_DEVICE_SERIAL, "serial", "<serial type='pty'>\n  <target port='0'/>\n</serial>\n" },
        { CONF_DEVICE_PARALLEL, "parallel",
          "<parallel type='pty'>\n  <target port='0'/>\n</parallel>\n" },
        { CONF_DEVICE_CONSOLE, "console",
          "<console type='pty'>\n  <target type='xen' port='0'/>\n</console>\n" },
        { CONF_DEVICE_CHANNEL, "channel",
          "<channel type='pty'>\n  <target type='xen' name='x'/>\n</channel>\n" },
        { CONF_DEVICE_INPUT, "input", "<input type='mouse' bus='xen'/>\n" },
        { CONF_DEVICE_GRAPHICS, "graphics", "<graphics type='vnc' port='-1' autoport='yes'/>\n" },
        { CONF_DEVICE_SOUND, "sound", "<sound model='ac97'/>\n" },
        { CONF_DEVICE_VIDEO, "video",
          "<video>\n  <model type='vga' vram='16384' heads='1'/>\n</video>\n" },
        { CONF_DEVICE_HOSTDEV, "hostdev",
          "<hostdev mode='subsystem' type='pci' managed='yes'>\n  <source>\n"
          "    <address domain='0x0000' bus='0x01' slot='0x02' function='0x3'/>\n  </source>\n"
          "</hostdev>\n" },
        { CONF_DEVICE_WATCHDOG, "watchdog", "<watchdog model='i6300esb' action='reset'/>\n" },
        { CONF_DEVICE_MEMBALLOON, "memballoon", "<memballoon model='xen'/>\n" },
        { CONF_DEVICE_LEASE, "lease",
          "<lease>\n  <lockspace>l</lockspace>\n  <key>k</key>\n"
          "  <target path='/a' offset='512'/>\n</lease>\n" },
        { CONF_DEVICE_RAW, "rng",
          "<rng model='virtio'>\n  <backend model='random'>/dev/random</backend>\n</rng>\n" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfAnyDevice) parsed = device(cases[i].xml);
        g_autoptr(ConfAnyDevice) copy = conf_device_copy(parsed);
        g_autofree char *text = conf_device_format_xml(copy, 0);

        g_assert_cmpint(parsed->kind, ==, cases[i].kind);
        g_assert_cmpstr(conf_device_element(parsed), ==, cases[i].element);
        g_assert_cmpstr(text, ==, cases[i].xml);
    }
    g_assert_cmpuint(G_N_ELEMENTS(cases), ==, CONF_N_DEVICE_KINDS);
}

static void
test_wrong(void)
{
    static const struct {
        const char *xml, *message;
    } cases[] = {
        { "<nonsense/>", "(x):1:1: unknown device type 'nonsense'" },
        { "<domain/>", "unknown device type 'domain'" },
        { DISK "<source file='/a'/></disk>", "missing target information for device" },
        { DISK "<target dev=''/></disk>", "missing target information for device" },
        { "<disk device='tape'><target dev='a'/></disk>", "unknown disk device 'tape'" },
        { "<x:disk xmlns:x='urn:x'/>", "unknown device type" },
        { "<disk", "(x):1" },
        { "", "(x)" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(conf_device_parse_xml(cases[i].xml, -1, "(x)", 0, &error));
        g_assert_nonnull(error);
        if (!strstr(error->message, cases[i].message))
            g_error("'%s' has no '%s'", error->message, cases[i].message);
    }
}

/* Secrets and what is live only, as in a domain. */
static void
test_flags(void)
{
    g_autoptr(ConfAnyDevice) vnc = device("<graphics type='vnc' port='5901' autoport='yes' "
                                          "passwd='p'/>");
    g_autoptr(ConfAnyDevice) nic = NULL;
    g_autofree char *plain = conf_device_format_xml(vnc, CONF_XML_INACTIVE);
    g_autofree char *secret = conf_device_format_xml(vnc, CONF_XML_SECURE);

    g_assert_null(strstr(plain, "passwd"));
    g_assert_null(strstr(plain, "5901"));
    g_assert_nonnull(strstr(secret, "passwd='p'"));
    nic = conf_device_parse_xml(
        "<interface type='bridge'><target dev='vif3.0'/><alias name='net0'/>"
        "</interface>",
        -1, "(x)", CONF_XML_INACTIVE, NULL);
    g_assert_null(nic->interface->target);
    g_assert_null(nic->dev->alias);
}

/* Two of each that look alike. */
#define RICH                                                                                       \
    DOMAIN(DISK                                                                                    \
           "<target dev='xvda'/></disk>" DISK "<target dev='xvdb'/></disk>"                        \
           "<controller type='usb' index='0'/><controller type='usb' index='1'/>"                  \
           "<interface type='bridge'><mac address='00:16:3e:00:00:01'/></interface>"               \
           "<interface type='bridge'><mac address='00:16:3e:00:00:02'/>"                           \
           "<address type='pci' bus='0x01' slot='0x02'/></interface>"                              \
           "<interface type='bridge'><mac address='00:16:3e:00:00:02'/>"                           \
           "<address type='pci' bus='0x01' slot='0x03'/></interface>"                              \
           "<channel type='pty'><target type='xen' name='x'/></channel>"                           \
           "<channel type='pty'><target type='xen' name='y'/></channel>"                           \
           "<graphics type='vnc'/><graphics type='spice'/>"                                        \
           "<hostdev mode='subsystem' type='pci'><source><address bus='1' slot='2'/></source>"     \
           "</hostdev><hostdev mode='subsystem' type='usb'><source>"                               \
           "<vendor id='0x1234'/><product id='0x5678'/></source></hostdev>"                        \
           "<memballoon model='xen'/><rng model='virtio'/>")

static void
test_find(void)
{
    g_autoptr(ConfDomain) def = domain(RICH);
    static const struct {
        const char *xml;
        int code; /* of CONF_ERROR; -1: found */
        const char *message;
    } cases[] = {
        { DISK "<target dev='xvdb'/></disk>", -1, NULL },
        { DISK "<source file='/else'/><target dev='xvdz'/></disk>", CONF_ERROR_MISSING,
          "disk xvdz not found" },
        { "<controller type='usb' index='1'/>", -1, NULL },
        { "<controller type='usb'/>", -1, NULL },
        { "<controller type='usb' index='2'/>", CONF_ERROR_MISSING, "no controller usb:2 found" },
        { "<interface type='network'><mac address='00:16:3E:00:00:01'/></interface>", -1, NULL },
        { "<interface type='bridge'><mac address='00:16:3e:00:00:02'/></interface>",
          CONF_ERROR_AMBIGUOUS, "multiple devices matching MAC address 00:16:3e:00:00:02 found" },
        { "<interface type='bridge'><mac address='00:16:3e:00:00:02'/>"
          "<address type='pci' bus='1' slot='3'/></interface>",
          -1, NULL },
        { "<interface type='bridge'><mac address='00:16:3e:00:00:03'/></interface>",
          CONF_ERROR_MISSING, "no device matching MAC address 00:16:3e:00:00:03 found" },
        { "<channel type='pty'><target type='xen' name='y'/></channel>", -1, NULL },
        { "<channel type='pty'><target type='xen' name='z'/></channel>", CONF_ERROR_MISSING,
          "no matching channel device found" },
        { "<graphics type='spice'/>", -1, NULL },
        { "<graphics type='sdl'/>", CONF_ERROR_MISSING, "no matching graphics device found" },
        { "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='2' "
          "function='0'/></source></hostdev>",
          -1, NULL },
        { "<hostdev mode='subsystem' type='pci'><source><address bus='9'/></source></hostdev>",
          CONF_ERROR_MISSING, "host pci device 0000:09:00.0 not found" },
        { "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/>"
          "<product id='0x5678'/></source></hostdev>",
          -1, NULL },
        { "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source>"
          "</hostdev>",
          CONF_ERROR_MISSING, "host usb device 1:2 not found" },
        { "<memballoon model='none'/>", -1, NULL },
        { "<watchdog model='ib700'/>", CONF_ERROR_MISSING, "no matching watchdog device found" },
        { "<rng model='virtio'/>", -1, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfAnyDevice) like = device(cases[i].xml);
        g_autoptr(GError) error = NULL;
        ConfAnyDevice found = { 0 };
        gboolean ok = conf_domain_find_device(def, like, &found, &error);

        if (cases[i].code < 0) {
            g_assert_no_error(error);
            g_assert_true(ok);
            g_assert_cmpint(found.kind, ==, like->kind);
            g_assert_nonnull(found.any);
        } else {
            g_assert_false(ok);
            g_assert_error(error, CONF_ERROR, cases[i].code);
            g_assert_cmpstr(error->message, ==, cases[i].message);
        }
    }
}

/* In and out again: the domain is as it was; twice is refused where it would be one too many. */
static void
test_insert(void)
{
    static const struct {
        const char *xml, *twice;
    } cases[] = {
        { DISK "<target dev='xvdq'/></disk>", "target xvdq already exists" },
        { "<interface type='bridge'><mac address='00:16:3e:00:00:09'/></interface>",
          "network device with mac 00:16:3e:00:00:09 already exists" },
        { "<controller type='usb' index='7'/>", "controller usb:7 already exists" },
        { "<hostdev mode='subsystem' type='pci'><source><address bus='9'/></source></hostdev>",
          "device is already in the domain configuration: host pci device 0000:09:00.0" },
        { "<watchdog model='ib700'/>", "domain already has a watchdog" },
        { "<sound model='sb16'/>", NULL },
        { "<tpm model='tpm-tis'/>", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ConfDomain) def = domain(RICH);
        g_autoptr(ConfAnyDevice) added = device(cases[i].xml);
        g_autofree char *before = conf_domain_format_xml(def, 0);
        g_autofree char *after = NULL;
        g_autoptr(GError) error = NULL;
        ConfAnyDevice found;

        g_assert_true(conf_domain_insert_device(def, added, &error));
        g_assert_no_error(error);
        if (cases[i].twice) {
            g_assert_false(conf_domain_insert_device(def, added, &error));
            g_assert_error(error, CONF_ERROR, CONF_ERROR_EXISTS);
            g_assert_cmpstr(error->message, ==, cases[i].twice);
            g_clear_error(&error);
        }
        g_assert_true(conf_domain_find_device(def, added, &found, &error));
        conf_domain_remove_device(def, &found);
        after = conf_domain_format_xml(def, 0);
        g_assert_cmpstr(after, ==, before);
    }
}

static void
test_single(void)
{
    g_autoptr(ConfDomain) def = domain(DOMAIN(""));
    g_autoptr(ConfAnyDevice) balloon = device("<memballoon model='xen'/>");
    g_autoptr(ConfAnyDevice) other = device("<memballoon model='none'/>");
    g_autoptr(GError) error = NULL;
    ConfAnyDevice found;

    g_assert_true(conf_domain_insert_device(def, balloon, &error));
    g_assert_false(conf_domain_insert_device(def, balloon, &error));
    g_clear_error(&error);
    g_assert_true(conf_domain_find_device(def, other, &found, &error));
    conf_domain_replace_device(def, &found, other);
    g_assert_cmpstr(def->memballoon->model, ==, "none");
    g_assert_true(conf_domain_find_device(def, other, &found, &error));
    conf_domain_remove_device(def, &found);
    g_assert_null(def->memballoon);
}

static void
test_replace(void)
{
    g_autoptr(ConfDomain) def = domain(RICH);
    g_autoptr(ConfAnyDevice) now = device(DISK "<source file='/new'/><target dev='xvda'/></disk>");
    g_autoptr(GError) error = NULL;
    ConfAnyDevice found;

    g_assert_true(conf_domain_find_device(def, now, &found, &error));
    conf_domain_replace_device(def, &found, now);
    g_assert_cmpuint(def->disks->len, ==, 2);
    g_assert_cmpstr(((ConfDisk *)def->disks->pdata[0])->source, ==, "/new");
    g_assert_cmpstr(conf_domain_find_disk(def, "/new")->target, ==, "xvda");
    g_assert_cmpstr(conf_domain_find_disk(def, "xvdb")->target, ==, "xvdb");
    g_assert_null(conf_domain_find_disk(def, "/nothing"));
}

static void
test_defaults(void)
{
    g_autoptr(ConfDomain) def = domain(RICH);
    g_autoptr(ConfDomain) other = domain(DOMAIN(""));
    g_autoptr(ConfAnyDevice) disk = device(DISK "<target dev='sda'/></disk>");
    g_autoptr(ConfAnyDevice) nic = device("<interface type='bridge'/>");
    g_autoptr(ConfAnyDevice) second = device("<interface type='bridge'/>");
    g_autoptr(ConfAnyDevice) usb = device("<controller type='usb'/>");
    g_autoptr(ConfAnyDevice) raw = device("<rng model='virtio'/>");
    g_autoptr(ConfAnyDevice) console = device("<console type='pty'/>");
    g_autoptr(GError) error = NULL;

    conf_device_fill_defaults(disk, def, NULL);
    g_assert_cmpstr(disk->disk->target_bus, ==, "scsi");
    conf_device_fill_defaults(usb, def, NULL);
    g_assert_cmpint(usb->controller->index.value, ==, 2);
    conf_device_fill_defaults(raw, def, NULL);
    g_assert_nonnull(raw->raw->xml);
    conf_device_fill_defaults(console, other, NULL);
    g_assert_cmpstr(console->chardev->target_type, ==, "xen");
    /* An address that fits both definitions. */
    conf_device_fill_defaults(nic, other, NULL);
    g_assert_true(g_str_has_prefix(nic->interface->mac, "00:16:3e:"));
    g_assert_true(conf_domain_insert_device(other, nic, &error));
    conf_device_fill_defaults(second, def, other);
    g_assert_cmpstr(second->interface->mac, !=, nic->interface->mac);
    g_assert_true(conf_domain_insert_device(other, second, &error));
}

static void
test_aliases(void)
{
    g_autoptr(ConfDomain) def = domain(DOMAIN(
        DISK "<target dev='xvda'/></disk>" DISK "<target dev='xvdaa' bus='xen'/></disk>" DISK
             "<target dev='hdc' bus='ide'/></disk>" DISK "<target dev='xvda1' bus='xen'/></disk>"
             "<controller type='usb' index='0'/><controller type='usb' index='1'/>"
             "<interface type='bridge'><alias name='ua-mine'/></interface>"
             "<interface type='bridge'/><serial type='pty'><target port='0'/></serial>"
             "<console type='pty'><target type='serial' port='0'/></console>"
             "<graphics type='vnc'/>"));
    static const char *const expected[] = { "xen-disk0", "xen-disk26", "ide-disk2", "xen-xvda1" };
    g_autoptr(ConfAnyDevice) nic = device("<interface type='bridge'/>");
    ConfAnyDevice found;

    conf_domain_assign_aliases(def);
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpstr(((ConfDisk *)def->disks->pdata[i])->dev.alias, ==, expected[i]);
    g_assert_cmpstr(((ConfController *)def->controllers->pdata[0])->dev.alias, ==, "usb");
    g_assert_cmpstr(((ConfController *)def->controllers->pdata[1])->dev.alias, ==, "usb1");
    g_assert_cmpstr(((ConfInterface *)def->interfaces->pdata[0])->dev.alias, ==, "ua-mine");
    g_assert_cmpstr(((ConfInterface *)def->interfaces->pdata[1])->dev.alias, ==, "net1");
    g_assert_cmpstr(((ConfChardev *)def->serials->pdata[0])->dev.alias, ==, "serial0");
    g_assert_cmpstr(((ConfChardev *)def->consoles->pdata[0])->dev.alias, ==, "serial0");
    g_assert_null(((ConfGraphics *)def->graphics->pdata[0])->dev.alias);
    /* One that goes leaves a gap, and the next one does not get a name that is in use. */
    g_assert_true(conf_domain_find_alias(def, "ua-mine", &found, NULL));
    conf_domain_remove_device(def, &found);
    conf_device_assign_alias(def, nic);
    g_assert_cmpstr(nic->dev->alias, ==, "net2");
    g_assert_false(conf_domain_find_alias(def, "net2", &found, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/device/round-trip", test_round_trip);
    g_test_add_func("/conf/device/wrong", test_wrong);
    g_test_add_func("/conf/device/flags", test_flags);
    g_test_add_func("/conf/device/find", test_find);
    g_test_add_func("/conf/device/insert", test_insert);
    g_test_add_func("/conf/device/single", test_single);
    g_test_add_func("/conf/device/replace", test_replace);
    g_test_add_func("/conf/device/defaults", test_defaults);
    g_test_add_func("/conf/device/aliases", test_aliases);
    return g_test_run();
}
