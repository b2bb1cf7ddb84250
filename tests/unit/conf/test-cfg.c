/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf-cfg*.c: what a mapping refuses and in which words, defaults, the completeness of the table.
 * What it carries is in tests/golden/xl and tests/golden/xm. */
#include <conf/conf-cfg.h>
#include <string.h>

static ConfDomain *
convert(ConfFormat format, const char *text, ConfReport **ret_report, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray)
        natives = conf_native_parse(format, text, (gssize)strlen(text), "f.cfg", NULL, &local);
    g_autoptr(ConfReport) report = conf_report_new("f.cfg");

    g_assert_no_error(local);
    ConfDomain *def = conf_domain_from_native(g_ptr_array_index(natives, 0), report, error);
    if (ret_report)
        *ret_report = g_steal_pointer(&report);
    return def;
}

static ConfDomain *
must(ConfFormat format, const char *text)
{
    g_autoptr(GError) error = NULL;
    ConfDomain *def = convert(format, text, NULL, &error);

    g_assert_no_error(error);
    return def;
}

/* ---- errors ---- */

#define BASE "name = 'a'\nmemory = 64\nkernel = '/k'\n"

static const struct Wrong {
    const char *text;
    const char *begin; /* of the message */
    const char *word;  /* in it */
} wrong[] = {
    { "memory = 64\n", "f.cfg:1:1: name: ", "every domain needs a name" },
    { "name = ''\n", "f.cfg:1:8: name: ", "empty" },
    { "name = [ 'a' ]\n", "f.cfg:1:8: name: ", "expected a string, found a list" },
    { "name = 'a'\nmemory = 'much'\n",
      "f.cfg:2:10: memory: ", "expected a number, found the string 'much'" },
    { "name = 'a'\nmemory = 0\n", "f.cfg:2:10: memory: ", "above 0" },
    { "name = 'a'\nmemory = 99999999999999999\n", "f.cfg:2:10: memory: ", "above 0" },
    { "name = 'a'\nmemory = [ 1 ]\n", "f.cfg:2:10: memory: ", "found a list" },
    { BASE "uuid = 'x'\n", "f.cfg:4:8: uuid: ", "no UUID" },
    { BASE "type = 'vm'\n", "f.cfg:4:8: type: ", "pv, pvh or hvm" },
    { BASE "vcpus = 0\n", "f.cfg:4:9: vcpus: ", "from 1" },
    { BASE "vcpus = 4\nmaxvcpus = 2\n", "f.cfg:5:12: maxvcpus: ", "less than vcpus=4" },
    { BASE "cpus = '0-'\n", "f.cfg:4:9: cpus: ", "no list of processors" },
    { BASE "cpus = '^0'\n", "f.cfg:4:9: cpus: ", "leaves no processor" },
    { "name = 'a\\x01'\n", "f.cfg:1:8: name: ", "control character" },
    { BASE "cap = '-1'\n", "f.cfg:4:7: cap: ", "percents" },
    { BASE "disk = [ '/x,raw,zda,w' ]\n", "f.cfg:4:18: disk[0]: ", "no virtual disk" },
    { BASE "disk = [ '/x,raw,xvda,x' ]\n", "f.cfg:4:23: disk[0]: ", "no disk mode" },
    { BASE "disk = [ '/x,zip,xvda,w' ]\n", "f.cfg:4:14: disk[0]: ", "no disk format" },
    { BASE "disk = [ '/x,raw,xvda,w,more' ]\n", "f.cfg:4:25: disk[0]: ", "one value too many" },
    { BASE "disk = [ '/x,raw' ]\n", "f.cfg:4:11: disk[0]: ", "no vdev" },
    { BASE "disk = [ ',raw,xvda,w' ]\n", "f.cfg:4:11: disk[0]: ", "only a CD-ROM drive" },
    { BASE "disk = [ '/x,raw,xvda,w,vdev=xvdb' ]\n", "f.cfg:4:30: disk[0]: ", "given twice" },
    { BASE "disk = [ '/x,,xvda,w',\n         '/y,,d0,w' ]\n",
      "f.cfg:5:11: disk[1]: ", "disk[0] is already" },
    { BASE "disk = [ 5, [ 'x' ] ]\n", "f.cfg:4:10: disk[0]: ", "no vdev" },
    { BASE "disk = [ [ 'x' ] ]\n", "f.cfg:4:10: disk[0]: ", "expected a string, found a list" },
    { BASE "vif = [ 'mac=00:16' ]\n", "f.cfg:4:14: vif[0]: ", "no MAC address" },
    { BASE "vif = [ 'bridge=a,rate=fast' ]\n", "f.cfg:4:24: vif[0]: ", "no rate" },
    { BASE "vif = [ 'bridge=a,mtu=x' ]\n", "f.cfg:4:23: vif[0]: ", "0 to 65535" },
    { BASE "vif = [ 'type=tun' ]\n", "f.cfg:4:10: vif[0]: ", "vif or ioemu" },
    { BASE "vfb = [ 'vnc=1,vncdisplay=70000' ]\n", "f.cfg:4:16: vfb[0]: ", "vncdisplay" },
    { BASE "vnc = 1\nvncdisplay = 65535\n", "f.cfg:5:14: vncdisplay: ", "from 0 to 59635" },
    { BASE "pci = [ '01:99.0' ]\n", "f.cfg:4:10: pci[0]: ", "no PCI device" },
    { BASE "usbdev = [ 'hostbus=1' ]\n", "f.cfg:4:13: usbdev[0]: ", "hostaddr=" },
    { BASE "channel = [ 'name=x' ]\n", "f.cfg:4:14: channel[0]: ", "socket or pty" },
    { BASE "type = 'hvm'\nserial = 'bogus'\n", "f.cfg:5:11: serial: ", "no character device" },
    { BASE "type = 'hvm'\nviridian = [ 'base', 'bass' ]\n",
      "f.cfg:5:22: viridian[1]: ", "no group" },
    { BASE "type = 'hvm'\nvnuma = [ [ 'pnode=0', 'size=x' ] ]\n",
      "f.cfg:5:24: vnuma[0][1]: ", "size=MIB" },
    { BASE "type = 'hvm'\nvnuma = [ [ 'pnode' ] ]\n", "f.cfg:5:13: vnuma[0][0]: ", "size=MIB" },
    { BASE "type = 'hvm'\nacpi = 'maybe'\n", "f.cfg:5:8: acpi: ", "expected 0 or 1" },
};

static void
test_wrong(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", wrong[i].text);
        g_assert_null(convert(CONF_FORMAT_XL, wrong[i].text, NULL, &error));
        g_assert_nonnull(error);
        g_test_message("%s", error->message);
        g_assert_cmpint(error->domain, ==, CONF_ERROR);
        g_assert_true(g_str_has_prefix(error->message, wrong[i].begin));
        g_assert_nonnull(strstr(error->message, wrong[i].word));
    }
}

static void
test_opaque(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = NULL;

    /* What Python could not work out is lost by name, unless no domain can be without it. */
    g_autoptr(ConfDomain) def = convert(
        CONF_FORMAT_XM, "name = 'a'\nmemory = 64\nextra = open('/x').read()\n", &report, &error);
    g_assert_no_error(error);
    g_assert_null(def->os.cmdline);
    g_autofree char *rows = conf_report_format_text(report, false);
    g_assert_nonnull(strstr(rows, "f.cfg:3:1: extra: open"));

    g_assert_null(convert(CONF_FORMAT_XM, "memory = 64\nname = open('/x').read()\n", NULL, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_true(g_str_has_prefix(error->message, "f.cfg:2:8: name: "));
}

/* ---- values ---- */

static void
test_numbers(void)
{
    static const char *const same[] = {
        "name = 'a'\nmemory = 1024\n",     "name = 'a'\nmemory = 0x400\n",
        "name = 'a'\nmemory = '1024'\n",   "name = 'a'\nmemory = '0x400'\n",
        "name = 'a'\nmemory = ' 1024 '\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(same); i++) {
        g_autoptr(ConfDomain) def = must(CONF_FORMAT_XL, same[i]);

        g_assert_cmpuint(def->memory_kib, ==, 1048576);
        g_assert_cmpuint(def->cur_memory_kib, ==, 1048576);
    }
    g_autoptr(ConfDomain) computed = must(
        CONF_FORMAT_XM, "name = 'a'\nmemory = 0.5 * 2048\nhap = False\nbuilder = 'hvm'\n");
    g_assert_cmpuint(computed->memory_kib, ==, 1048576);
    g_assert_cmpint(computed->features.hap, ==, CONF_TRISTATE_OFF);
}

static void
test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = NULL;
    g_autoptr(ConfDomain) xl = convert(CONF_FORMAT_XL, "name = 'a'\n", &report, &error);
    g_autoptr(ConfDomain) xm = must(CONF_FORMAT_XM, "name = 'a'\n");

    g_assert_no_error(error);
    g_assert_cmpint(xl->os.type, ==, CONF_OS_LINUX);
    g_assert_cmpstr(xl->os.machine, ==, "xenpv");
    g_assert_cmpuint(xl->memory_kib, ==, 32 * 1024);
    g_assert_cmpuint(xl->vcpus_max, ==, 1);
    g_assert_cmpint(xl->on_crash, ==, CONF_ACTION_ABSENT);
    g_autofree char *all = conf_report_format_text(report, true);
    g_assert_nonnull(strstr(all, "memory: not given: the default of xl, 32 MiB"));
    g_assert_cmpuint(xm->memory_kib, ==, 128 * 1024);
    g_assert_cmpint(xm->on_crash, ==, CONF_ACTION_RESTART);
}

/* A key at its default, or without effect on this kind of domain, is no loss. */
static void
test_silence(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = NULL;
    g_autoptr(ConfDomain) def G_GNUC_UNUSED = convert(
        CONF_FORMAT_XL,
        BASE "pool = 'Pool-0'\nnomigrate = 0\ncpus = 'all'\nxen_platform_pci = '1'\n"
             "usb = 0\nboot = 'c'\nspice = 1\ndm_restrict = 0\ncap = 0\nviridian = 0\n"
             "vpt_align = 'yes'\ndisk = [ ]\nhostname = 'x'\nnonsense = 1\n",
        &report, &error);

    g_assert_no_error(error);
    g_autofree char *text = conf_report_format_text(report, false);
    g_assert_cmpstr(text, ==,
                    "f.cfg:16:1: hostname: a key of xm, which xl ignores\n"
                    "f.cfg:17:1: nonsense: unknown key\n");
    g_autofree char *all = conf_report_format_text(report, true);
    g_assert_nonnull(strstr(all, "f.cfg:9:1: boot: has no effect on PV domains\n"));
    g_assert_cmpuint(report->rows->len, ==, 17);
}

static void
test_mac_is_stable(void)
{
    static const char text[] = BASE "vif = [ 'bridge=a', 'bridge=b' ]\n";
    g_autoptr(ConfDomain) one = must(CONF_FORMAT_XL, text), two = must(CONF_FORMAT_XL, text);
    const ConfInterface *a = g_ptr_array_index(one->interfaces, 0);
    const ConfInterface *b = g_ptr_array_index(one->interfaces, 1);
    const ConfInterface *again = g_ptr_array_index(two->interfaces, 1);

    g_assert_cmpstr(a->mac, !=, b->mac);
    g_assert_cmpstr(b->mac, ==, again->mac);
}

static void
test_unwritable(void)
{
    g_autoptr(ConfDomain) def = conf_domain_new();
    g_autoptr(ConfReport) report = conf_report_new("(domain)");
    g_autoptr(GError) error = NULL;

    conf_set_string(&def->name, "a");
    def->memory_kib = 1024;
    def->vcpus_max = 1;
    def->os.type = CONF_OS_XENPVH;
    g_assert_null(conf_domain_to_native(def, CONF_FORMAT_XM, report, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    def->os.type = CONF_OS_EXE;
    g_assert_null(conf_domain_to_native(def, CONF_FORMAT_XL, report, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED);
}

/* ---- the table ---- */

/* The keys of xl.cfg(5) and of xl's own parser. */
static const char xl_keys[] =
    "name type builder pool vcpus maxvcpus cpus cpus_soft cpu_weight cap period slice latency "
    "extratime memory maxmem vnuma on_poweroff on_reboot on_watchdog on_crash on_soft_reset kernel "
    "ramdisk cmdline root extra firmware pvshim pvshim_path pvshim_cmdline pvshim_extra uuid "
    "seclabel init_seclabel max_grant_frames max_maptrack_frames max_grant_version "
    "max_event_channels nomigrate driver_domain device_tree passthrough xend_suspend_evtchn_compat "
    "vmtrace_buf_kb vpmu xenstore_feature_mask xenstore_quota disk vif vif2 vtpm p9 pvcalls vfb "
    "channel rdm rdm_mem_boundary usbctrl usbdev pci pci_permissive pci_msitranslate pci_seize "
    "pci_power_mgmt gfx_passthru dtdev ioports iomem irqs vdispl dm_restrict device_model_user "
    "vsnd "
    "vkb virtio tee bootloader bootloader_args bootloader_restrict bootloader_user e820_host boot "
    "hdtype hap oos shadow_memory bios bios_path_override pae acpi acpi_s3 acpi_s4 "
    "acpi_laptop_slate apic nx hpet altp2m altp2mhvm altp2m_count nestedhvm cpuid acpi_firmware "
    "smbios_firmware smbios ms_vm_genid tsc_mode localtime rtc_timeoffset vpt_align timer_mode "
    "mmio_hole xen_platform_pci xen_platform_pci_bar_uc viridian hvm_pirq videoram stdvga vga vnc "
    "vnclisten vncdisplay vncunused vncpasswd keymap sdl opengl display xauthority vncviewer "
    "nographic spice spicehost spiceport spicetls_port spicedisable_ticketing spicepasswd "
    "spiceagent_mouse spicevdagent spice_clipboard_sharing spiceusbredirection "
    "spice_image_compression spice_streaming_video serial soundhw vkb_device usb usbversion "
    "usbdevice vendor_device device_model_version device_model device_model_override "
    "stubdomain_kernel stubdomain_cmdline stubdomain_ramdisk stubdomain_memory "
    "device_model_stubdomain_override device_model_stubdomain_seclabel device_model_args "
    "device_model_args_pv device_model_args_hvm gic_version vuart sve llc_colors nr_spis "
    "trap_unmapped_accesses arm_sci mca_caps msr_relaxed firmware_override";

/* The options of xm create, of older releases too, and those of Oracle VM. */
static const char xm_keys[] =
    "name uuid memory maxmem shadow_memory memory_sharing vcpus vcpu_avail maxvcpus cpu cpus "
    "cpu_cap cpu_weight pool builder kernel ramdisk loader features root extra ip netmask gateway "
    "hostname interface dhcp nfs_server nfs_root bootloader bootargs bootentry disk fda fdb cdrom "
    "vif vif2 nics vfb vtpm pci pci_msitranslate pci_power_mgmt vscsi vusb ioports irq irqs blkif "
    "netif tpmif restart on_poweroff on_reboot on_crash on_xend_start on_xend_stop boot acpi apic "
    "pae hpet hap nestedhvm viridian timer_mode tsc_mode vpt_align rtc_timeoffset localtime "
    "nomigrate oos s3_integrity superpages actmem xenpaging_file xenpaging_extra extid vhpt cpuid "
    "cpuid_check machine_address_size suppress_spurious_page_faults xen_platform_pci gfx_passthru "
    "isa acpi_firmware smbios_firmware device_model vnc vncdisplay vnclisten vncunused vncpasswd "
    "vncviewer vncconsole sdl opengl display xauthority nographic stdvga videoram keymap usb "
    "usbdevice soundhw serial parallel monitor monitor_path ne2000 guest_os_type watchdog "
    "watchdog_action target access_control description OVM_simple_name OVM_os_type OVM_domain_type "
    "OVM_high_availability OVM_cpu_compat_group OVM_description vif_other_config disk_other_config";

static unsigned
rows_of(const char *name, unsigned who)
{
    unsigned n = 0;

    for (size_t i = 0; i < cfg_n_keys; i++)
        n += (cfg_keys[i].who & who) && g_str_equal(cfg_keys[i].name, name);
    return n;
}

static void
check_keys(const char *list, unsigned who, unsigned expected)
{
    g_auto(GStrv) names = g_strsplit(list, " ", 0);

    g_assert_cmpuint(g_strv_length(names), ==, expected);
    for (char **name = names; *name; name++) {
        g_test_message("%s", *name);
        g_assert_cmpuint(rows_of(*name, who), ==, 1);
    }
}

static void
test_table(void)
{
    check_keys(xl_keys, CFG_XL, 172);
    check_keys(xm_keys, CFG_XM, 127);
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const CfgKey *key = &cfg_keys[i];
        bool home = key->read || key->type != CFG_TYPE_HOOK;

        g_test_message("%s", key->name);
        g_assert_cmpuint(rows_of(key->name, key->who), ==, 1);
        /* A key has a home or a reason why not. */
        g_assert_true(home || key->why);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/cfg/wrong", test_wrong);
    g_test_add_func("/conf/cfg/opaque", test_opaque);
    g_test_add_func("/conf/cfg/numbers", test_numbers);
    g_test_add_func("/conf/cfg/defaults", test_defaults);
    g_test_add_func("/conf/cfg/silence", test_silence);
    g_test_add_func("/conf/cfg/mac-is-stable", test_mac_is_stable);
    g_test_add_func("/conf/cfg/unwritable", test_unwritable);
    g_test_add_func("/conf/cfg/table", test_table);
    return g_test_run();
}
