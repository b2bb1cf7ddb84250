/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xend's S-expressions and definitions: what is refused and how, and what the cases of
 * tests/golden/sxp cannot say. */
#include <conf/conf.h>

#include <string.h>

static ConfDomain *
convert(const char *text, ConfReport **ret_report, GError **error)
{
    g_autoptr(GPtrArray) natives = conf_native_parse(CONF_FORMAT_SXP, text, (gssize)strlen(text),
                                                     "t.sxp", NULL, error);
    g_autoptr(ConfReport) report = conf_report_new("t.sxp");
    ConfDomain *def;

    if (natives == NULL)
        return NULL;
    def = conf_domain_from_native(natives->pdata[0], report, error);
    if (ret_report != NULL)
        *ret_report = g_steal_pointer(&report);
    return def;
}

static void
test_refused(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "(domain (memory 64))", "t.sxp:1:2: this domain has no name; add a (name ...)" },
        { "(domain (name '') (memory 64))",
          "t.sxp:1:2: this domain has no name; add a (name ...)" },
        { "(domain (name a))", "t.sxp:1:2: the domain 'a' has no memory; add a (memory MIB)" },
        { "(domain (name a/b) (memory 64))",
          "t.sxp:1:15: name: a name with a '/' ('a/b') is refused by libvirt" },
        { "(domain (name 'a\\nb') (memory 64))",
          "t.sxp:1:15: name: a name with a line break is refused by libvirt" },
        { "(domain (name ..) (memory 64))",
          "t.sxp:1:15: name: '..' cannot name a file, and libvirt makes one of it" },
        { "(domain (name a) (memory much))",
          "t.sxp:1:26: memory: 'much' is no amount of memory (in MiB)" },
        { "(domain (name a) (memory -1))",
          "t.sxp:1:26: memory: '-1' is no amount of memory (in MiB)" },
        { "(domain (name a) (memory 99999999999999999999))",
          "t.sxp:1:26: memory: '99999999999999999999' is no amount of memory (in MiB)" },
        { "(domain (name a) (memory (x 1)))",
          "t.sxp:1:19: memory: one value is expected here, not lists" },
        { "(domain (name a) (memory 64) (uuid 12345))", "t.sxp:1:36: uuid: '12345' is no UUID" },
        { "(domain (name a) (memory 64) (vcpus 0))",
          "t.sxp:1:37: vcpus: 0 vcpus are not within 1 to 4096" },
        { "(domain (name a) (memory 64) (vcpus 4097))",
          "t.sxp:1:37: vcpus: 4097 vcpus are not within 1 to 4096" },
        { "(domain (name a) (memory 64) (image (hvm (vcpus 0))))",
          "t.sxp:1:49: image/hvm/vcpus: 0 vcpus are not within 1 to 4096" },
        { "(domain (name_label a/b) (memory 64))",
          "t.sxp:1:21: name_label: a name with a '/' ('a/b') is refused by libvirt" },
        { "(domain (name a) (memory 64) (vcpus_params ((cap -5))))",
          "t.sxp:1:31: vcpus_params: a cap of -5 % makes no sense" },
        { "(domain (name a) (memory 64) (localtime maybe))",
          "t.sxp:1:41: localtime: 'maybe' is neither yes (1) nor no (0)" },
        { "(domain (name a) (memory 64) (vcpu_avail 0x3))",
          "t.sxp:1:42: vcpu_avail: '0x3' is no bit mask as a decimal number" },
        { "(domain (name a) (memory 64) (vcpu_avail 2))",
          "t.sxp:1:42: vcpu_avail: no vcpu would be online" },
        { "(domain (name a) (memory 64) (cpus ((0 x))))",
          "t.sxp:1:31: cpus: the list of vcpu 0 is not one of host cpus" },
        { "(domain (name a) (memory 64) (cpu_weight 0))",
          "t.sxp:1:42: cpu_weight: '0' is no weight within 1 to 65535" },
        { "(domain (name a) (memory 64) (on_crash explode))",
          "t.sxp:1:40: on_crash: 'explode' is no action (destroy, restart, rename-restart, "
          "preserve, coredump-destroy, coredump-restart)" },
        { "(domain (name a) (memory 64) (image (hvm (acpi perhaps))))",
          "t.sxp:1:48: image/hvm/acpi: 'perhaps' is neither yes (1) nor no (0)" },
        { "(domain (name a) (memory 64) (image (hvm (tsc_mode 9))))",
          "t.sxp:1:52: image/hvm/tsc_mode: 9 is no mode of the TSC (0 to 3)" },
        { "(domain (name a) (memory 64) (image (hvm (vnc 1) (vncunused 0) (vncdisplay x))))",
          "t.sxp:1:76: image/hvm/vncdisplay: 'x' is no number of a VNC display (0 to 59635)" },
        { "(domain (name a) (memory 64) (image (plan9 (kernel /k))))",
          "t.sxp:1:38: image: an image of kind 'plan9' is neither linux nor hvm" },
        { "(domain (name a) (memory 64) (device))",
          "t.sxp:1:31: device: a device without a kind; expected (device (vbd ...))" },
        { "(domain (name a) (memory 64) (device (vbd)))",
          "t.sxp:1:39: device/vbd: nothing is said about this device" },
        { "(domain (name a) (memory 64) (device (vbd (uname phy:x) (mode w))))",
          "t.sxp:1:39: device/vbd: this disk has no (dev ...)" },
        { "(domain (name a) (memory 64) (device (vbd (dev xvda) (mode w))))",
          "t.sxp:1:39: device/vbd: the disk 'xvda' has no (uname ...)" },
        { "(domain (name a) (memory 64) (device (vbd (uname phy:x) (dev xvda)))"
          " (device (vbd (uname phy:y) (dev xvda))))",
          "t.sxp:1:79: device[1]/vbd: a second disk 'xvda'" },
        { "(domain (name a) (memory 64) (device (vif (mac 00:16:3e))))",
          "t.sxp:1:48: device/vif/mac: '00:16:3e' is no MAC address" },
        { "(domain (name a) (memory 64) (device (vif (ip 300.1.1.1))))",
          "t.sxp:1:47: device/vif/ip: '300.1.1.1' is no IP address" },
        { "(domain (name a) (memory 64) (device (vif (rate fast))))",
          "t.sxp:1:49: device/vif/rate: 'fast' is no rate such as 10MB/s or 65536,50000" },
        { "(domain (name a) (memory 64) (device (pci (dev (bus 0x1) (slot 0x1)))))",
          "t.sxp:1:44: device/pci/dev: a PCI device needs bus, slot and func" },
        { "(domain (name a) (memory 64) (device (pci (dev (bus 0x100) (slot 0x1) (func 0)))))",
          "t.sxp:1:44: device/pci/dev: no PCI address has parts as large as these" },
        { "(domain (name a) (memory 64) (device (vscsi (dev (p-dev sdb) (v-dev 0:0:0:0)))))",
          "t.sxp:1:46: device/vscsi/dev: p-dev and v-dev must be HOST:CHANNEL:TARGET:LUN" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ConfDomain) def = convert(cases[i].text, NULL, &error);

        g_assert_null(def);
        g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void
test_many_devices(void)
{
    g_autoptr(GString) text = g_string_new("(domain (name a) (memory 64)");
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = NULL;

    for (unsigned i = 0; i <= CONF_MAX_DEVICES; i++)
        g_string_append(text, "(device (vif))");
    g_string_append_c(text, ')');
    def = convert(text->str, NULL, &error);
    g_assert_null(def);
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
}

/* More vcpus than a machine word has bits. */
static void
test_long_mask(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("back");
    g_autofree char *sxp = NULL;
    /* 2^100 - 1 */
    g_autoptr(ConfDomain) def = convert("(domain (name a) (memory 64) (vcpus 128)"
                                        " (vcpu_avail 1267650600228229401496703205375))",
                                        NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(def->vcpus_max, ==, 128);
    g_assert_cmpuint(def->vcpus, ==, 100);
    g_assert_cmpuint(def->vcpu_list->len, ==, 0);
    sxp = conf_domain_to_native(def, CONF_FORMAT_SXP, report, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(sxp, "(vcpu_avail 1267650600228229401496703205375)"));
}

static void
test_cpus(void)
{
    static const struct {
        const char *cpus, *cpuset;
        unsigned n_pins;
    } cases[] = {
        { "(cpus (()))", NULL, 0 },
        { "(cpus '')", NULL, 0 },
        { "(cpus 3)", "3", 0 },
        { "(cpus 0-2,^1)", "0,2", 0 },
        { "(cpus 0 1 5)", "0-1,5", 0 },
        { "(cpus (0 1 5))", "0-1,5", 0 },
        { "(cpus ((0 1) (0 1)))", "0-1", 0 },
        { "(cpus ((1 0) (0 1)))", "0-1", 0 },
        { "(cpus ((0) (1)))", NULL, 2 },
        { "(cpus (() (1)))", NULL, 1 },
        { "(cpus ((4)))", NULL, 1 },
        { "(cpu 2)", NULL, 1 },
        { "(cpu -1)", NULL, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("(domain (name a) (memory 64) (vcpus 2) %s)",
                                                cases[i].cpus);
        g_autoptr(ConfDomain) def = convert(text, NULL, &error);
        g_autofree char *set = NULL;

        g_assert_no_error(error);
        set = def->cpuset != NULL ? conf_bitmap_format(def->cpuset) : NULL;
        g_assert_cmpstr(set, ==, cases[i].cpuset);
        g_assert_cmpuint(def->cputune.vcpupin->len, ==, cases[i].n_pins);
    }
}

static void
test_autostart(void)
{
    static const struct {
        const char *text;
        gboolean wanted;
    } cases[] = {
        { "(domain (name a))", FALSE },
        { "(domain (on_xend_start start))", TRUE },
        { "(domain (on_xend_start ignore))", FALSE },
        { "(domain (on_xend_start (start)))", FALSE },
        { "(domain (auto_power_on True))", TRUE },
        { "(domain (auto_power_on 0))", FALSE },
        { "(domain (auto_power_on maybe))", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *text = cases[i].text;
        g_autoptr(GPtrArray) natives = conf_native_parse(CONF_FORMAT_SXP, text,
                                                         (gssize)strlen(text), "t", NULL, NULL);

        g_assert_cmpint(conf_native_wants_autostart(natives->pdata[0]), ==, cases[i].wanted);
    }
}

static const ConfReportRow *
find_row(const ConfReport *report, const char *path)
{
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        if (g_str_equal(row->path, path))
            return row;
    }
    return NULL;
}

/* A secret of the input shows up in no report. */
static void
test_secret(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = NULL;
    g_autoptr(ConfDomain) def = convert("(domain (name a) (memory 64) (image (linux (kernel /k)))"
                                        " (device (vfb (vnc 1) (vncpasswd sesame))))",
                                        &report, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(((ConfGraphics *)def->graphics->pdata[0])->passwd, ==, "sesame");
    g_assert_cmpstr(find_row(report, "device/vfb/vncpasswd")->value, ==, "***");
}

static char *
write_xml(const char *inner, ConfReport *report, GError **error)
{
    g_autofree char *xml = g_strdup_printf("<domain type='xen'><name>a</name>"
                                           "<memory unit='MiB'>64</memory>%s</domain>",
                                           inner);
    g_autoptr(ConfDomain) def = conf_domain_parse_xml(xml, -1, "a.xml", CONF_XML_NO_UUID_OK, error);

    g_assert_nonnull(def);
    return conf_domain_to_native(def, CONF_FORMAT_SXP, report, error);
}

static void
test_write_losses(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("a.xml");
    g_autofree char *sxp = write_xml("<title>T</title><vcpu>1</vcpu>"
                                     "<os><type>linux</type><kernel>/k</kernel></os>"
                                     "<devices><disk type='file' device='disk'>"
                                     "<driver name='qemu' type='qcow2' cache='none'/>"
                                     "<source file='/a'/><target dev='xvda'/></disk>"
                                     "<filesystem type='mount'><source dir='/x'/>"
                                     "<target dir='y'/></filesystem></devices>",
                                     report, &error);

    g_assert_no_error(error);
    g_assert_nonnull(strstr(sxp, "(uname tap:qcow2:/a)"));
    g_assert_cmpint(find_row(report, "/domain/title")->outcome, ==, CONF_OUTCOME_LOST);
    g_assert_cmpstr(find_row(report, "/domain/title")->value, ==, "<title>T</title>");
    g_assert_cmpint(find_row(report, "/domain/devices/disk/driver/@name")->outcome, ==,
                    CONF_OUTCOME_CHANGED);
    g_assert_cmpint(find_row(report, "/domain/devices/disk/driver/@cache")->outcome, ==,
                    CONF_OUTCOME_LOST);
    g_assert_nonnull(find_row(report, "/domain/devices/filesystem"));
    g_assert_null(find_row(report, "/domain/name"));
}

static void
test_write_refused(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new("a.xml");
    g_autofree char *sxp = write_xml(
        "<vcpu>1</vcpu><os><type>xenpvh</type><kernel>/k</kernel></os>", report, &error);

    g_assert_null(sxp);
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==,
                    "xend knew PV and HVM guests only, and 'a' is of type xenpvh");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/sxp/refused", test_refused);
    g_test_add_func("/conf/sxp/many-devices", test_many_devices);
    g_test_add_func("/conf/sxp/long-mask", test_long_mask);
    g_test_add_func("/conf/sxp/cpus", test_cpus);
    g_test_add_func("/conf/sxp/autostart", test_autostart);
    g_test_add_func("/conf/sxp/secret", test_secret);
    g_test_add_func("/conf/sxp/write-losses", test_write_losses);
    g_test_add_func("/conf/sxp/write-refused", test_write_refused);
    return g_test_run();
}
