/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the keys of a domain and its image mean together, in both directions. */
#include "conf-sxp.h"

#include <string.h>

/* The legacy name of a key, or the other dialect's. */
static const SxpItem *
first_item(const SxpRead *in, const char *path, const char *other)
{
    const SxpItem *item = sxp_item(in, path);

    return item != NULL ? item : sxp_item(in, other);
}

/* ---- name, uuid, label ---- */

gboolean
sxp_read_uuid(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);

    if (text == NULL || !conf_uuid_parse(text, in->def->uuid))
        return sxp_fail(in, item, error, "'%s' is no UUID", text != NULL ? text : "(...)");
    in->def->uuid_set = true;
    return TRUE;
}

gboolean
sxp_read_seclabel(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ":", -1);
    ConfSeclabel *label;

    /* FLASK: user:role:type. ACM: ACM:policy:label. */
    if (g_strv_length(parts) < 3 || g_str_equal(parts[0], "ACM")) {
        sxp_remark(in, item, CONF_OUTCOME_LOST,
                   "ACM policies left Xen with version 4.2; label it anew for FLASK");
        return TRUE;
    }
    label = conf_seclabel_new();
    conf_set_string(&label->type, "static");
    conf_set_string(&label->model, "flask");
    conf_set_string(&label->label, text);
    g_ptr_array_add(in->def->seclabels, label);
    return TRUE;
}

static gboolean
check_identity(SxpRead *in, GError **error)
{
    const SxpItem *name = first_item(in, "name", "name_label");
    const ConfNode *root = in->native->root;

    if (in->def->name == NULL) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "%s:%u:%u: this domain has no name; add a (name ...)", in->native->file,
                    root->line, root->column);
        return FALSE;
    }
    if (strchr(in->def->name, '/') != NULL)
        return sxp_fail(in, name, error, "a name with a '/' ('%s') is refused by libvirt",
                        in->def->name);
    if (strpbrk(in->def->name, "\n\r") != NULL)
        return sxp_fail(in, name, error, "a name with a line break is refused by libvirt");
    if (g_str_equal(in->def->name, ".") || g_str_equal(in->def->name, ".."))
        return sxp_fail(in, name, error, "'%s' cannot name a file, and libvirt makes one of it",
                        in->def->name);
    if (g_str_equal(in->def->name, "Domain-0"))
        sxp_remark(in, name, CONF_OUTCOME_CHANGED,
                   "this describes domain 0, the host itself, which needs no definition");
    return TRUE;
}

/* ---- memory ---- */

static gboolean
derive_memory(SxpRead *in, GError **error)
{
    SxpGuest *guest = &in->guest;
    uint64_t current = guest->memory_kib != 0 ? guest->memory_kib : guest->maxmem_kib;
    const ConfNode *root = in->native->root;

    if (current == 0) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "%s:%u:%u: the domain '%s' has no memory; add a (memory MIB)", in->native->file,
                    root->line, root->column, in->def->name);
        return FALSE;
    }
    in->def->cur_memory_kib = current;
    in->def->memory_kib = guest->maxmem_kib != 0 ? guest->maxmem_kib : current;
    if (in->def->memory_kib < current) {
        in->def->memory_kib = current;
        sxp_remark(in, first_item(in, "maxmem", "memory_static_max"), CONF_OUTCOME_CHANGED,
                   "less than memory; raised to it, as xend did");
    }
    if (guest->dynamic_min_kib == current)
        sxp_mark(sxp_item(in, "memory_dynamic_min"), CONF_FATE_DEFAULT);
    else if (guest->dynamic_min_kib != 0)
        sxp_remark(in, sxp_item(in, "memory_dynamic_min"), CONF_OUTCOME_LOST, "%s",
                   sxp_why("memory_dynamic_min"));
    if (guest->static_min_kib != 0)
        sxp_remark(in, sxp_item(in, "memory_static_min"), CONF_OUTCOME_LOST, "%s",
                   sxp_why("memory_static_min"));
    return TRUE;
}

/* ---- what it boots ---- */

/* The bootloader's copies of kernel and ramdisk stand in the config of a running domain. */
static bool
is_bootloader_copy(const char *path)
{
    return strstr(path, "/boot_kernel.") != NULL || strstr(path, "/boot_ramdisk.") != NULL ||
           strstr(path, "/xend/boot/") != NULL || g_str_has_prefix(path, "/var/lib/xen/vmlinuz.") ||
           g_str_has_prefix(path, "/var/lib/xen/initrd.");
}

static char *
word_after(const char *text, const char *start)
{
    const char *found = strstr(text, start);

    return found != NULL ? g_strndup(found + strlen(start), strcspn(found + strlen(start), " ,"))
                         : NULL;
}

/* domUloader of SUSE: --entry=DEV:KERNEL,RAMDISK. pygrub takes the two paths by name. */
static void
derive_domuloader(SxpRead *in)
{
    const SxpItem *args = first_item(in, "bootloader_args", "PV_bootloader_args");
    const char *text = in->guest.bootloader_args;
    g_autofree char *entry = text != NULL ? word_after(text, "--entry=") : NULL;
    const char *colon = entry != NULL ? strchr(entry, ':') : NULL;
    const char *kernel = colon != NULL ? colon + 1 : entry;
    const char *comma = text != NULL ? strchr(text, ',') : NULL;
    g_autofree char *ramdisk = comma != NULL ? g_strndup(comma + 1, strcspn(comma + 1, " ,"))
                                             : NULL;

    conf_set_string(&in->def->bootloader, "pygrub");
    sxp_remark(in, first_item(in, "bootloader", "PV_bootloader"), CONF_OUTCOME_CHANGED,
               "domUloader ended with xend; pygrub takes its place");
    if (text == NULL)
        return;
    if (kernel == NULL || *kernel == '\0') {
        sxp_remark(in, args, CONF_OUTCOME_LOST,
                   "arguments of domUloader that pygrub does not know");
        return;
    }
    in->def->bootloader_args = ramdisk != NULL && *ramdisk != '\0'
                                   ? g_strdup_printf("--kernel=%s --ramdisk=%s", kernel, ramdisk)
                                   : g_strdup_printf("--kernel=%s", kernel);
    sxp_remark(in, args, CONF_OUTCOME_CHANGED,
               "domUloader's entry as arguments of pygrub, which looks into the first disk "
               "and not into the named one");
}

static void
derive_bootloader(SxpRead *in)
{
    SxpGuest *guest = &in->guest;
    const SxpItem *item = first_item(in, "bootloader", "PV_bootloader");
    g_autofree char *base = NULL;

    if (guest->bootloader == NULL)
        return;
    base = g_path_get_basename(guest->bootloader);
    if (guest->hvm) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "an HVM guest boots from its own disk");
        sxp_remark(in, first_item(in, "bootloader_args", "PV_bootloader_args"), CONF_OUTCOME_LOST,
                   "an HVM guest boots from its own disk");
    } else if (g_ascii_strncasecmp(base, "domUloader", 10) == 0) {
        derive_domuloader(in);
    } else {
        conf_set_string(&in->def->bootloader_args, guest->bootloader_args);
        /* A bare name, too: the toolstack knows where its own pygrub lies, xend as well as libxl.
         */
        conf_set_string(&in->def->bootloader, guest->bootloader);
    }
}

/* xend's order: root, then ip, then what the user wrote, and nothing twice. */
static char *
join_cmdline(const SxpGuest *guest)
{
    g_autoptr(GString) line = g_string_new(NULL);
    const char *args = guest->args != NULL ? guest->args : "";

    if (guest->root != NULL && strstr(args, "root=") == NULL)
        g_string_append_printf(line, "root=%s ", guest->root);
    if (guest->ip != NULL && !g_str_has_prefix(args, "ip=") && strstr(args, " ip=") == NULL)
        g_string_append_printf(line, "ip=%s ", guest->ip);
    g_string_append(line, args);
    g_strchomp(line->str);
    return *line->str != '\0' ? g_strdup(line->str) : NULL;
}

static void
set_path(SxpRead *in, const SxpItem *item, char **field, const char *path)
{
    g_free(*field);
    *field = conf_path_absolute(path, in->native->file);
    if (!g_path_is_absolute(path))
        sxp_remark(in, item, CONF_OUTCOME_CHANGED, "libvirt needs a whole path: %s is assumed",
                   *field);
}

static void
derive_kernel(SxpRead *in)
{
    SxpGuest *guest = &in->guest;
    const SxpItem *kernel = first_item(in, "image/*/kernel", "PV_kernel");
    const SxpItem *ramdisk = first_item(in, "image/*/ramdisk", "PV_ramdisk");
    ConfOs *os = &in->def->os;

    if (guest->kernel != NULL && guest->bootloader != NULL && is_bootloader_copy(guest->kernel))
        sxp_mark(kernel, CONF_FATE_RUNTIME);
    else if (guest->kernel != NULL)
        set_path(in, kernel, &os->kernel, guest->kernel);
    if (guest->ramdisk != NULL && guest->bootloader != NULL && is_bootloader_copy(guest->ramdisk))
        sxp_mark(ramdisk, CONF_FATE_RUNTIME);
    else if (guest->ramdisk != NULL)
        set_path(in, ramdisk, &os->initrd, guest->ramdisk);
    os->cmdline = join_cmdline(guest);
}

static void
derive_pv_boot(SxpRead *in)
{
    in->def->os.type = CONF_OS_LINUX;
    conf_set_string(&in->def->os.machine, "xenpv");
    derive_kernel(in);
    derive_bootloader(in);
}

/* xend up to 3.4 called hvmloader the kernel; later ones have a loader, and a kernel means a
 * guest whose kernel is given directly. */
static void
derive_hvm_boot(SxpRead *in)
{
    SxpGuest *guest = &in->guest;
    ConfOs *os = &in->def->os;
    g_autofree char *base = g_path_get_basename(guest->kernel != NULL ? guest->kernel : "");

    os->type = CONF_OS_HVM;
    conf_set_string(&os->machine, "xenfv");
    if (guest->kernel != NULL && strstr(base, "hvmloader") != NULL) {
        if (guest->loader == NULL)
            guest->loader = g_steal_pointer(&guest->kernel);
        else
            g_clear_pointer(&guest->kernel, g_free);
    }
    if (guest->loader != NULL && g_path_is_absolute(guest->loader))
        conf_set_string(&os->loader, guest->loader);
    else if (guest->loader != NULL)
        /* A bare "hvmloader" is looked up by libxl, which has it without being told. */
        sxp_mark(first_item(in, "image/hvm/loader", "image/*/kernel"), CONF_FATE_DEFAULT);
    derive_kernel(in);
    derive_bootloader(in);
}

/* ---- boot order ---- */

static const struct {
    char letter;
    ConfBootDev dev;
} boot_letters[] = {
    { 'a', CONF_BOOT_FD },
    { 'c', CONF_BOOT_HD },
    { 'd', CONF_BOOT_CDROM },
    { 'n', CONF_BOOT_NETWORK },
};

static void
add_boot(ConfDomain *def, ConfBootDev dev)
{
    ConfBoot *boot = conf_boot_new();

    boot->dev = dev;
    g_ptr_array_add(def->os.boot, boot);
}

/* (HVM_boot_params ((order cd))) */
gboolean
sxp_read_boot_params(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfNode *list = item->node;
    ConfNode *order;

    if (list->items != NULL && list->items->len == 1 &&
        ((ConfNode *)list->items->pdata[0])->key == NULL)
        list = list->items->pdata[0];
    order = list->items != NULL ? conf_node_find(list, "order") : NULL;
    if (order == NULL || order->text == NULL)
        return TRUE;
    list->fate = item->node->fate = order->fate = CONF_FATE_CARRIED;
    if (in->guest.boot == NULL)
        in->guest.boot = g_strdup(order->text);
    return TRUE;
}

static void
derive_boot_order(SxpRead *in)
{
    const SxpItem *item = first_item(in, "image/hvm/boot", "HVM_boot_params");
    ConfDisk *boot = in->boot_disk;

    for (const char *p = in->guest.boot; p != NULL && *p != '\0'; p++) {
        gsize i = 0;

        while (i < G_N_ELEMENTS(boot_letters) && boot_letters[i].letter != *p)
            i++;
        if (i < G_N_ELEMENTS(boot_letters))
            add_boot(in->def, boot_letters[i].dev);
        else
            sxp_remark(in, item, CONF_OUTCOME_CHANGED,
                       "'%c' is no boot device (a, c, d, n) and is left out", *p);
    }
    if (in->def->os.boot->len == 0 && boot != NULL)
        add_boot(in->def, boot->device == CONF_DISK_DEVICE_CDROM ? CONF_BOOT_CDROM : CONF_BOOT_HD);
}

/* A PV bootloader looks into the first disk: the bootable one has to be it. */
static void
move_boot_disk(SxpRead *in)
{
    GPtrArray *disks = in->def->disks;
    guint index;

    if (in->boot_disk == NULL || !g_ptr_array_find(disks, in->boot_disk, &index) || index == 0)
        return;
    g_ptr_array_steal_index(disks, index);
    g_ptr_array_insert(disks, 0, in->boot_disk);
    sxp_remark(in, in->boot_item, CONF_OUTCOME_CHANGED,
               "this disk was moved to the front, where the bootloader looks");
}

/* ---- features, clock, cpu ---- */

static void
derive_features(SxpRead *in)
{
    const SxpGuest *guest = &in->guest;
    ConfFeatures *features = &in->def->features;

    /* xend's defaults for an HVM guest: all of these are on. */
    features->acpi = guest->acpi != CONF_TRISTATE_OFF;
    features->apic = guest->apic != CONF_TRISTATE_OFF;
    features->pae = guest->pae != CONF_TRISTATE_OFF;
    features->viridian = guest->viridian == CONF_TRISTATE_ON;
    if (guest->hap != CONF_TRISTATE_ABSENT) {
        features->hap_present = true;
        features->hap = guest->hap;
    }
    if (guest->nestedhvm == CONF_TRISTATE_ON) {
        in->def->cpu = conf_cpu_new();
        conf_set_string(&in->def->cpu->mode, "host-passthrough");
        sxp_remark(in, sxp_item(in, "image/hvm/nestedhvm"), CONF_OUTCOME_CHANGED,
                   "as <cpu mode='host-passthrough'>; the Xen driver also wants nested_hvm in "
                   "libxl.conf");
    }
}

static const char *const tsc_modes[] = { NULL, "emulate", "native", "paravirt" };

static gboolean
derive_clock(SxpRead *in, GError **error)
{
    const SxpGuest *guest = &in->guest;
    bool local = guest->localtime == CONF_TRISTATE_ON;
    ConfClock *clock = &in->def->clock;

    if (guest->rtc_timeoffset.set && guest->rtc_timeoffset.value != 0) {
        conf_set_string(&clock->offset, "variable");
        clock->adjustment = g_strdup_printf("%" G_GINT64_FORMAT, guest->rtc_timeoffset.value);
        conf_set_string(&clock->basis, local ? "localtime" : "utc");
    } else {
        conf_set_string(&clock->offset, local ? "localtime" : "utc");
    }
    if (guest->tsc_mode.set && guest->tsc_mode.value != 0) {
        int64_t mode = guest->tsc_mode.value;
        ConfTimer *timer;

        if (mode < 0 || mode >= (int64_t)G_N_ELEMENTS(tsc_modes))
            return sxp_fail(in, sxp_item(in, "image/*/tsc_mode"), error,
                            "%" G_GINT64_FORMAT " is no mode of the TSC (0 to 3)", mode);
        timer = conf_timer_new();
        conf_set_string(&timer->name, "tsc");
        conf_set_string(&timer->mode, tsc_modes[mode]);
        g_ptr_array_add(clock->timers, timer);
    }
    if (guest->hpet != CONF_TRISTATE_ABSENT) {
        ConfTimer *timer = conf_timer_new();

        conf_set_string(&timer->name, "hpet");
        timer->present = guest->hpet;
        g_ptr_array_add(clock->timers, timer);
    }
    return TRUE;
}

gboolean
sxp_read_acpi_firmware(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    ConfAcpiTable *table = conf_acpi_table_new();
    g_autofree char *text = sxp_text(item->node);

    /* The type that every libvirt knows; "rawset" came with 11.2 and means the same on Xen. */
    conf_set_string(&table->type, "slic");
    table->path = conf_path_absolute(text != NULL ? text : "", in->native->file);
    g_ptr_array_add(in->def->os.acpi_tables, table);
    return TRUE;
}

/* ---- emulated devices that are keys of the image ---- */

static gboolean
derive_chardev(SxpRead *in, const char *text, const char *path, GPtrArray *list, GError **error)
{
    const SxpItem *item = sxp_item(in, path);
    g_autoptr(GError) inner = NULL;
    ConfPlace place;
    ConfChardev *chr;

    if (text == NULL || item == NULL)
        return TRUE;
    place = sxp_place(in, item);
    chr = conf_chardev_parse_qemu(text, &place, &inner);
    if (chr != NULL) {
        chr->target_port = (ConfOptInt){ true, list->len };
        g_ptr_array_add(list, chr);
    } else if (g_error_matches(inner, CONF_ERROR, CONF_ERROR_UNSUPPORTED)) {
        sxp_remark(in, item, CONF_OUTCOME_LOST, "domXML has no such character device");
    } else {
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    return TRUE;
}

static void
derive_sound(SxpRead *in)
{
    static const char *const models[][2] = { { "sb16", "sb16" },   { "es1370", "es1370" },
                                             { "pcspk", "pcspk" }, { "ac97", "ac97" },
                                             { "hda", "ich6" },    { "all", "sb16" },
                                             { "all", "es1370" } };
    const SxpItem *item = sxp_item(in, "image/hvm/soundhw");
    g_auto(GStrv) words = NULL;

    if (in->guest.soundhw == NULL)
        return;
    words = g_strsplit_set(in->guest.soundhw, ", ", -1);
    for (char **word = words; *word != NULL; word++) {
        bool found = **word == '\0';

        for (gsize i = 0; i < G_N_ELEMENTS(models); i++) {
            ConfSound *sound;

            if (!g_str_equal(*word, models[i][0]))
                continue;
            found = true;
            sound = conf_sound_new();
            conf_set_string(&sound->model, models[i][1]);
            g_ptr_array_add(in->def->sounds, sound);
        }
        if (!found)
            sxp_remark(in, item, CONF_OUTCOME_CHANGED, "libvirt knows no sound card '%s'", *word);
    }
    if (g_str_equal(in->guest.soundhw, "all"))
        sxp_remark(in, item, CONF_OUTCOME_CHANGED,
                   "as the two cards that xend meant: sb16 and "
                   "es1370");
}

/* host:VENDOR:PRODUCT in hexadecimal, host:BUS.ADDRESS in decimal */
static bool
add_usb_host(ConfDomain *def, const char *text)
{
    g_autoptr(ConfHostdev) dev = conf_hostdev_new();
    bool ids = strchr(text, ':') != NULL;
    g_auto(GStrv) parts = g_strsplit(text, ids ? ":" : ".", 3);
    guint64 first, second;

    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_unsigned(parts[0], ids ? 16 : 10, 0, 0xffff, &first, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], ids ? 16 : 10, 0, 0xffff, &second, NULL))
        return false;
    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "usb");
    *(ids ? &dev->vendor : &dev->usb_bus) = (ConfOptInt){ true, (int64_t)first };
    *(ids ? &dev->product : &dev->usb_device) = (ConfOptInt){ true, (int64_t)second };
    g_ptr_array_add(def->hostdevs, g_steal_pointer(&dev));
    return true;
}

static void
derive_usb(SxpRead *in)
{
    static const char *const kinds[] = { "tablet", "mouse", "keyboard", NULL };
    const SxpItem *item = sxp_item(in, "image/hvm/usbdevice");
    g_auto(GStrv) words = NULL;

    if (in->guest.usbdevice == NULL) {
        if (in->guest.usb == CONF_TRISTATE_ON)
            sxp_remark(in, sxp_item(in, "image/hvm/usb"), CONF_OUTCOME_LOST,
                       "libvirt's Xen driver adds the emulated USB controller with the first "
                       "emulated device; there is none here");
        return;
    }
    words = g_strsplit_set(in->guest.usbdevice, ", ", -1);
    for (char **word = words; *word != NULL; word++) {
        if (g_strv_contains(kinds, *word)) {
            ConfInput *input = conf_input_new();

            conf_set_string(&input->type, *word);
            conf_set_string(&input->bus, "usb");
            g_ptr_array_add(in->def->inputs, input);
        } else if (**word != '\0' && (!g_str_has_prefix(*word, "host:") ||
                                      !add_usb_host(in->def, *word + strlen("host:")))) {
            sxp_remark(in, item, CONF_OUTCOME_CHANGED,
                       "domXML on Xen has no USB device '%s', which is left out", *word);
        }
    }
}

static void
derive_watchdog(SxpRead *in)
{
    ConfWatchdog *watchdog;

    if (in->guest.watchdog == NULL) {
        sxp_mark(sxp_item(in, "image/hvm/watchdog_action"), CONF_FATE_DEFAULT);
        return;
    }
    watchdog = conf_watchdog_new();
    conf_set_string(&watchdog->model, in->guest.watchdog);
    conf_set_string(&watchdog->action, in->guest.watchdog_action);
    g_ptr_array_add(in->def->watchdogs, watchdog);
}

static void
derive_emulator(SxpRead *in)
{
    const SxpItem *item = sxp_item(in, "image/*/device_model");
    g_autofree char *base = NULL;

    if (in->guest.device_model == NULL)
        return;
    base = g_path_get_basename(in->guest.device_model);
    if (g_str_equal(base, "stubdom-dm"))
        sxp_remark(in, item, CONF_OUTCOME_LOST,
                   "domXML cannot ask for a device model in a stub "
                   "domain");
    else if (g_path_is_absolute(in->guest.device_model))
        conf_set_string(&in->def->emulator, in->guest.device_model);
    else
        /* Looked up by xend in its own folder; libvirt finds its own. */
        sxp_remark(in, item, CONF_OUTCOME_LOST,
                   "not a whole path; libvirt chooses the device model of the installed Xen");
}

/* (pci ((0x0 0x3 0x0 0x0 0x100 ...))) of an image repeats the pci devices, or, in a config that was
 * never started, stands alone. */
gboolean
sxp_read_image_pci(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    GPtrArray *devices = in->native->root->items;

    for (guint i = 0; i < devices->len; i++) {
        const ConfNode *device = devices->pdata[i];

        if (g_strcmp0(device->key, "device") == 0 && device->items != NULL &&
            conf_node_find(device, "pci") != NULL)
            return TRUE;
    }
    sxp_remark(
        in, item, CONF_OUTCOME_LOST,
        "the addresses stand in the image only, where xend keeps no order of them that holds; "
        "add (device (pci ...))");
    return TRUE;
}

/* ---- life cycle ---- */

/* (restart always|onreboot|never) of xend 2, before there were three keys. */
static gboolean
derive_lifecycle(SxpRead *in, GError **error)
{
    const char *restart = in->guest.restart;
    bool always = g_strcmp0(restart, "always") == 0, never = g_strcmp0(restart, "never") == 0;
    const SxpItem *start = sxp_item(in, "on_xend_start");
    ConfDomain *def = in->def;

    if (restart != NULL && !always && !never && !g_str_equal(restart, "onreboot"))
        return sxp_fail(in, sxp_item(in, "restart"), error,
                        "'%s' is none of always, onreboot, never", restart);
    if (restart != NULL && def->on_poweroff == CONF_ACTION_ABSENT)
        def->on_poweroff = always ? CONF_ACTION_RESTART : CONF_ACTION_DESTROY;
    if (restart != NULL && def->on_reboot == CONF_ACTION_ABSENT)
        def->on_reboot = never ? CONF_ACTION_DESTROY : CONF_ACTION_RESTART;
    if (restart != NULL && def->on_crash == CONF_ACTION_ABSENT)
        def->on_crash = always ? CONF_ACTION_RESTART : CONF_ACTION_DESTROY;
    /* xend restarts what crashed, where nothing is said; libvirt does not. */
    if (def->on_crash == CONF_ACTION_ABSENT)
        def->on_crash = CONF_ACTION_RESTART;

    if (start == NULL || start->node->fate == CONF_FATE_DEFAULT)
        start = sxp_item(in, "auto_power_on");
    if (start != NULL && start->node->fate != CONF_FATE_DEFAULT)
        sxp_remark(in, start, CONF_OUTCOME_CHANGED, CONF_WHY_AUTOSTART, def->name);
    return TRUE;
}

/* ---- all of it ---- */

/* Keys that only say something where there is something to say it about. */
static void
quiet_without(SxpRead *in)
{
    bool pci = false;

    for (guint i = 0; i < in->def->hostdevs->len; i++)
        pci |= g_strcmp0(((ConfHostdev *)in->def->hostdevs->pdata[i])->type, "pci") == 0;
    if (!pci) {
        sxp_drop_key(in, sxp_item(in, "image/*/pci_msitranslate"));
        sxp_drop_key(in, sxp_item(in, "image/*/pci_power_mgmt"));
    }
}

static gboolean
derive_hvm(SxpRead *in, GError **error)
{
    derive_hvm_boot(in);
    derive_features(in);
    derive_usb(in);
    derive_sound(in);
    derive_watchdog(in);
    return derive_chardev(in, in->guest.serial, "image/hvm/serial", in->def->serials, error) &&
           derive_chardev(in, in->guest.parallel, "image/hvm/parallel", in->def->parallels,
                          error) &&
           sxp_image_drives(in, error);
}

gboolean
sxp_guest_to_domain(SxpRead *in, GError **error)
{
    if (!check_identity(in, error) || !derive_memory(in, error) ||
        !sxp_vcpus_to_domain(in, error) || !sxp_scheduling_to_domain(in, error) ||
        !derive_clock(in, error) || !derive_lifecycle(in, error))
        return FALSE;
    if (in->guest.hvm) {
        if (!derive_hvm(in, error))
            return FALSE;
        derive_boot_order(in);
    } else {
        derive_pv_boot(in);
        move_boot_disk(in);
    }
    derive_emulator(in);
    quiet_without(in);
    return sxp_display_to_domain(in, error);
}

/* ---- the other way ---- */

static void
split_boot(SxpGuest *guest, const ConfDomain *def)
{
    GString *letters = g_string_new(NULL);

    conf_set_string(&guest->kernel, def->os.kernel);
    conf_set_string(&guest->ramdisk, def->os.initrd);
    conf_set_string(&guest->args, def->os.cmdline);
    conf_set_string(&guest->loader, def->os.loader);
    conf_set_string(&guest->bootloader, def->bootloader);
    if (guest->bootloader != NULL && *guest->bootloader == '\0') /* the stock driver's default */
        conf_set_string(&guest->bootloader, "pygrub");
    conf_set_string(&guest->bootloader_args, def->bootloader_args);
    conf_set_string(&guest->device_model, def->emulator);
    for (guint i = 0; i < def->os.boot->len; i++) {
        for (gsize l = 0; l < G_N_ELEMENTS(boot_letters); l++) {
            if (boot_letters[l].dev == ((ConfBoot *)def->os.boot->pdata[i])->dev)
                g_string_append_c(letters, boot_letters[l].letter);
        }
    }
    guest->boot = g_string_free(letters, letters->len == 0);
}

static ConfTristate
tristate(bool on)
{
    return on ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
}

static void
split_clock(SxpGuest *guest, const ConfDomain *def)
{
    const ConfClock *clock = &def->clock;
    gint64 adjustment;

    guest->localtime = tristate(g_strcmp0(clock->offset, "localtime") == 0 ||
                                g_strcmp0(clock->basis, "localtime") == 0);
    if (g_strcmp0(clock->offset, "variable") == 0 && clock->adjustment != NULL &&
        g_ascii_string_to_signed(clock->adjustment, 10, G_MININT, G_MAXINT, &adjustment, NULL))
        guest->rtc_timeoffset = (ConfOptInt){ true, adjustment };
    for (guint i = 0; i < clock->timers->len; i++) {
        const ConfTimer *timer = clock->timers->pdata[i];

        if (g_strcmp0(timer->name, "hpet") == 0)
            guest->hpet = timer->present;
        for (gint64 mode = 1; mode < (gint64)G_N_ELEMENTS(tsc_modes); mode++) {
            if (g_strcmp0(timer->name, "tsc") == 0 && g_strcmp0(timer->mode, tsc_modes[mode]) == 0)
                guest->tsc_mode = (ConfOptInt){ true, mode };
        }
    }
}

static void
split_sound(SxpGuest *guest, const ConfDomain *def)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < def->sounds->len; i++) {
        const ConfSound *sound = def->sounds->pdata[i];

        if (sound->model != NULL)
            g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "",
                                   g_str_equal(sound->model, "ich6") ? "hda" : sound->model);
    }
    if (names->len > 0)
        conf_set_string(&guest->soundhw, names->str);
}

static void
split_usb(SxpGuest *guest, const ConfDomain *def)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < def->inputs->len; i++) {
        const ConfInput *input = def->inputs->pdata[i];

        if (g_strcmp0(input->bus, "usb") == 0 && input->type != NULL)
            g_string_append_printf(names, "%s%s", names->len > 0 ? " " : "", input->type);
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const ConfHostdev *dev = def->hostdevs->pdata[i];

        if (g_strcmp0(dev->type, "usb") != 0)
            continue;
        if (dev->vendor.set)
            g_string_append_printf(names, "%shost:%04x:%04x", names->len > 0 ? " " : "",
                                   (unsigned)dev->vendor.value, (unsigned)dev->product.value);
        else
            g_string_append_printf(names, "%shost:%u.%u", names->len > 0 ? " " : "",
                                   (unsigned)dev->usb_bus.value, (unsigned)dev->usb_device.value);
    }
    if (names->len == 0)
        return;
    guest->usb = CONF_TRISTATE_ON;
    conf_set_string(&guest->usbdevice, names->str);
}

static void
split_hvm(SxpGuest *guest, const ConfDomain *def)
{
    const ConfFeatures *features = &def->features;
    const ConfVideo *video = def->videos->len > 0 ? def->videos->pdata[0] : NULL;
    const ConfWatchdog *watchdog = def->watchdogs->len > 0 ? def->watchdogs->pdata[0] : NULL;

    guest->acpi = tristate(features->acpi);
    guest->apic = tristate(features->apic);
    guest->pae = tristate(features->pae);
    guest->viridian = tristate(features->viridian);
    if (features->hap_present)
        guest->hap = tristate(features->hap != CONF_TRISTATE_OFF);
    if (def->cpu != NULL && g_strcmp0(def->cpu->mode, "host-passthrough") == 0)
        guest->nestedhvm = CONF_TRISTATE_ON;
    if (video != NULL && g_strcmp0(video->model_type, "none") == 0)
        guest->nographic = CONF_TRISTATE_ON;
    guest->stdvga = tristate(video != NULL && g_strcmp0(video->model_type, "vga") == 0);
    if (watchdog != NULL) {
        conf_set_string(&guest->watchdog, watchdog->model);
        conf_set_string(&guest->watchdog_action, watchdog->action);
    }
    split_sound(guest, def);
    split_usb(guest, def);
    if (def->serials->len > 0)
        guest->serial = conf_chardev_format_qemu(def->serials->pdata[0]);
    if (def->parallels->len > 0)
        guest->parallel = conf_chardev_format_qemu(def->parallels->pdata[0]);
    if (guest->display.vnc == CONF_TRISTATE_ABSENT)
        guest->display.vnc = CONF_TRISTATE_OFF;
}

void
sxp_guest_from_domain(SxpGuest *guest, const ConfDomain *def)
{
    guest->hvm = def->os.type == CONF_OS_HVM;
    guest->memory_kib = conf_domain_current_memory(def);
    guest->maxmem_kib = def->memory_kib;
    sxp_vcpus_from_domain(guest, def);
    split_boot(guest, def);
    split_clock(guest, def);
    sxp_display_from_domain(&guest->display, def);
    if (guest->hvm)
        split_hvm(guest, def);
}
