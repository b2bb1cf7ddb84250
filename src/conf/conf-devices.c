/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device sub-syntax that xl, xm and sxp share: one text, one device of the model. */
#include "conf-private.h"

#include <string.h>

/* ---- places ---- */

void
conf_place_error(const ConfPlace *place, unsigned offset, GError **error, ConfError code,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CONF_ERROR, code, "%s:%u:%u: %s: %s", place->file ? place->file : "(input)",
                place->line, place->column + offset, place->path ? place->path : "?", reason);
}

void
conf_place_report(const ConfPlace *place, unsigned offset, ConfOutcome outcome, const char *sub,
                  const char *value, const char *reason, ...)
{
    va_list args;

    if (place->report == NULL)
        return;
    va_start(args, reason);
    g_autofree char *text = g_strdup_vprintf(reason, args);
    va_end(args);
    g_autofree char *path = sub ? g_strdup_printf("%s.%s", place->path, sub)
                                : g_strdup(place->path);
    conf_report_add(place->report, outcome, place->line, place->column + offset, path, value, "%s",
                    text);
}

/* ---- disk: where the bytes are ---- */

typedef enum UnameKind {
    UNAME_SKIP,  /* says nothing about the source */
    UNAME_PHY,   /* a block device of the host */
    UNAME_FILE,  /* an image file behind a loop device */
    UNAME_TAP,   /* blktap; image types follow */
    UNAME_IMAGE, /* the type of an image */
    UNAME_NBD,
    UNAME_ISCSI,
    UNAME_DRBD,
    UNAME_DMMD,
    UNAME_NONE, /* no element of libvirt fits */
} UnameKind;

static const struct UnamePrefix {
    const char *prefix;
    UnameKind kind;
    const char *driver; /* PHY, FILE, TAP: <driver name=>; IMAGE: <driver type=> */
    const char *why;    /* what gets lost */
} uname_prefixes[] = {
    { "ioemu:", UNAME_SKIP, NULL, NULL },
    { "tapdisk:", UNAME_SKIP, NULL, NULL },
    { "phy:", UNAME_PHY, "phy", NULL },
    { "file:", UNAME_FILE, "file", NULL },
    { "tap2:", UNAME_TAP, "tap2", NULL },
    { "tap:", UNAME_TAP, "tap", NULL },
    { "aio:", UNAME_IMAGE, "raw", NULL },
    { "raw:", UNAME_IMAGE, "raw", NULL },
    { "sync:", UNAME_IMAGE, "raw", "libvirt has no synchronous mode of tapdisk: carried as raw" },
    { "ram:", UNAME_IMAGE, "raw",
      "libvirt has no disk kept in memory: carried as the image itself" },
    { "qcow2:", UNAME_IMAGE, "qcow2", NULL },
    { "qcow:", UNAME_IMAGE, "qcow", NULL },
    { "qed:", UNAME_IMAGE, "qed", NULL },
    { "vhd:", UNAME_IMAGE, "vhd", NULL },
    { "vmdk:", UNAME_IMAGE, "vmdk", NULL },
    { "nbd:", UNAME_NBD, NULL, NULL },
    { "iscsi:", UNAME_ISCSI, NULL, NULL },
    { "drbd:", UNAME_DRBD, NULL, NULL },
    { "dmmd:", UNAME_DMMD, NULL, NULL },
    { "enbd:", UNAME_NONE, NULL, "the block script of ENBD has no domXML element" },
    { "npiv:", UNAME_NONE, NULL, "a LUN named by its NPIV port needs a libvirt storage pool" },
    { "hyper:", UNAME_NONE, NULL, "a SnapStore disk has no domXML element" },
};

static const struct UnamePrefix *
uname_prefix(const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(uname_prefixes); i++) {
        if (g_str_has_prefix(text, uname_prefixes[i].prefix))
            return &uname_prefixes[i];
    }
    return NULL;
}

/* xend looks for block devices without a folder in /dev. */
static void
set_block(ConfDisk *disk, const char *device)
{
    disk->type = CONF_DISK_TYPE_BLOCK;
    g_free(disk->source);
    disk->source = device[0] == '/' ? g_strdup(device) : g_strconcat("/dev/", device, NULL);
}

static gboolean
set_file(ConfDisk *disk, const char *path, unsigned offset, const ConfPlace *place)
{
    disk->type = CONF_DISK_TYPE_FILE;
    g_free(disk->source);
    if (path[0] == '/') {
        disk->source = g_strdup(path);
        return TRUE;
    }
    disk->source = conf_path_absolute(path, place->file);
    conf_place_report(place, offset, CONF_OUTCOME_CHANGED, NULL, path,
                      "libvirt needs an absolute path: %s is assumed", disk->source);
    return TRUE;
}

static void
add_host(ConfDisk *disk, const char *name, const char *port)
{
    ConfDiskHost *host = conf_disk_host_new();

    host->name = g_strdup(name);
    host->port = port && *port ? g_strdup(port) : NULL;
    g_ptr_array_add(disk->source_hosts, host);
}

/* "HOST PORT [EXPORT]" or "HOST:PORT" */
static gboolean
set_nbd(ConfDisk *disk, const char *text, unsigned offset, const ConfPlace *place, GError **error)
{
    const char *sep = strpbrk(text, " \t");
    const char *name = sep ? strpbrk(sep + 1, " \t") : NULL;

    if (sep == NULL)
        sep = strrchr(text, ':');
    g_autofree char *host = sep ? g_strndup(text, (gsize)(sep - text)) : g_strdup(text);
    g_autofree char *port = name  ? g_strndup(sep + 1, (gsize)(name - sep - 1))
                            : sep ? g_strdup(sep + 1)
                                  : g_strdup("");
    if (*host == '\0' || strspn(port, "0123456789") != strlen(port)) {
        conf_place_error(place, offset, error, CONF_ERROR_INVALID,
                         "expected the HOST and PORT of an NBD server, found '%s'", text);
        return FALSE;
    }
    disk->type = CONF_DISK_TYPE_NETWORK;
    conf_set_string(&disk->source_protocol, "nbd");
    if (name && name[1])
        conf_set_string(&disk->source_name, name + 1);
    add_host(disk, host, port);
    return TRUE;
}

/* What the block-iscsi script takes: "iqn=IQN,portal=HOST:PORT,user=...", or the bare IQN. */
static gboolean
set_iscsi(ConfDisk *disk, const char *text, unsigned offset, const ConfPlace *place, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 16);
    const char *iqn = NULL, *portal = NULL;

    for (char **w = words; *w; w++) {
        if (g_str_has_prefix(*w, "iqn="))
            iqn = *w + 4;
        else if (g_str_has_prefix(*w, "portal="))
            portal = *w + 7;
        else if (g_str_has_prefix(*w, "iqn."))
            iqn = *w;
        else
            conf_place_report(place, offset, CONF_OUTCOME_LOST, "iscsi", *w,
                              "libvirt keeps iSCSI credentials and options in a secret");
    }
    if (iqn == NULL || portal == NULL) {
        conf_place_error(place, offset, error, CONF_ERROR_UNSUPPORTED,
                         "libvirt names an iSCSI disk by IQN and portal, and here is no %s",
                         iqn ? "portal" : "IQN");
        return FALSE;
    }
    const char *colon = strrchr(portal, ':');
    g_autofree char *host = colon ? g_strndup(portal, (gsize)(colon - portal)) : g_strdup(portal);
    disk->type = CONF_DISK_TYPE_NETWORK;
    conf_set_string(&disk->source_protocol, "iscsi");
    conf_set_string(&disk->source_name, iqn);
    add_host(disk, host, colon ? colon + 1 : "3260");
    return TRUE;
}

/* The block-drbd script makes the resource primary and uses the device that udev names after it. */
static gboolean
set_drbd(ConfDisk *disk, const char *resource, unsigned offset, const ConfPlace *place)
{
    g_autofree char *device = resource[0] == '/'
                                  ? g_strdup(resource)
                                  : g_strconcat("/dev/drbd/by-res/", resource, "/0", NULL);

    set_block(disk, device);
    conf_set_string(&disk->driver_type, "raw");
    conf_place_report(place, offset, CONF_OUTCOME_CHANGED, "script", resource,
                      "domXML has no block script: the device %s is used, and something else must "
                      "make the DRBD resource primary",
                      device);
    return TRUE;
}

/* SUSE's stacked devices, "md;/dev/md0;lvm;/dev/vg/lv": the last one is the disk. */
static gboolean
set_dmmd(ConfDisk *disk, const char *text, unsigned offset, const ConfPlace *place, GError **error)
{
    const char *last = strrchr(text, ';');

    if (last == NULL || last[1] != '/') {
        conf_place_error(place, offset, error, CONF_ERROR_INVALID,
                         "expected KIND;DEVICE pairs that end in a device, found '%s'", text);
        return FALSE;
    }
    set_block(disk, last + 1);
    conf_set_string(&disk->driver_type, "raw");
    conf_place_report(place, offset, CONF_OUTCOME_CHANGED, "script", text,
                      "domXML has no block script: the device %s is used, and something else must "
                      "assemble it",
                      last + 1);
    return TRUE;
}

/* Behind all prefixes: a path, with what the prefixes said about it. */
static gboolean
set_path(ConfDisk *disk, const char *path, UnameKind kind, unsigned offset, const ConfPlace *place)
{
    if (*path == '\0') {
        g_clear_pointer(&disk->source, g_free);
        g_clear_pointer(&disk->driver_name, g_free);
        g_clear_pointer(&disk->driver_type, g_free);
        if (disk->type == CONF_DISK_TYPE_ABSENT)
            disk->type = CONF_DISK_TYPE_FILE;
        return TRUE;
    }
    if (disk->driver_type == NULL)
        conf_set_string(&disk->driver_type, "raw");
    if (kind == UNAME_PHY || g_str_has_prefix(path, "/dev/")) {
        set_block(disk, path);
        return TRUE;
    }
    return set_file(disk, path, offset, place);
}

gboolean
conf_disk_set_uname(ConfDisk *disk, const char *uname, const ConfPlace *place, GError **error)
{
    const struct UnamePrefix *prefix;
    UnameKind kind = UNAME_SKIP;
    const char *rest = uname;

    while ((prefix = uname_prefix(rest)) != NULL) {
        unsigned offset = (unsigned)(rest - uname);

        rest += strlen(prefix->prefix);
        switch (prefix->kind) {
        case UNAME_SKIP:
            break;
        case UNAME_PHY:
        case UNAME_FILE:
        case UNAME_TAP:
            kind = prefix->kind;
            conf_set_string(&disk->driver_name, prefix->driver);
            break;
        case UNAME_IMAGE:
            conf_set_string(&disk->driver_type, prefix->driver);
            if (prefix->why)
                conf_place_report(place, offset, CONF_OUTCOME_CHANGED, NULL, uname, "%s",
                                  prefix->why);
            break;
        case UNAME_NBD:
            return set_nbd(disk, rest, offset, place, error);
        case UNAME_ISCSI:
            return set_iscsi(disk, rest, offset, place, error);
        case UNAME_DRBD:
            return set_drbd(disk, rest, offset, place);
        case UNAME_DMMD:
            return set_dmmd(disk, rest, offset, place, error);
        case UNAME_NONE:
            conf_place_error(place, offset, error, CONF_ERROR_UNSUPPORTED, "%s", prefix->why);
            return FALSE;
        }
        /* After phy: and file: everything is path, whatever it looks like. */
        if (kind == UNAME_PHY || kind == UNAME_FILE)
            break;
    }
    return set_path(disk, rest, kind, (unsigned)(rest - uname), place);
}

/* ---- disk: what the guest sees ---- */

static const struct VdevBus {
    const char *prefix;
    const char *bus;
} vdev_buses[] = {
    { "xvd", "xen" }, { "hd", "ide" }, { "sd", "scsi" }, { "fd", "fdc" }, { "vd", "virtio" },
};

/* 0 -> "a", 25 -> "z", 26 -> "aa", as xen-vbd-interface(7) counts: xvdtq is disk 536. */
static char *
vdev_name(const char *prefix, unsigned disk, unsigned partition)
{
    char letters[8];
    unsigned n = sizeof letters;

    letters[--n] = '\0';
    for (unsigned rest = disk + 1; rest > 0; rest = (rest - 1) / 26)
        letters[--n] = (char)('a' + (rest - 1) % 26);
    return partition ? g_strdup_printf("%s%s%u", prefix, letters + n, partition)
                     : g_strconcat(prefix, letters + n, NULL);
}

/* The number that stands in xenstore, as xen-vbd-interface(7) encodes it. */
static char *
vdev_from_number(guint64 number)
{
    unsigned v = (unsigned)number;

    if (number >= 2u << 28)
        return NULL;
    if (number >= 1u << 28)
        return vdev_name("xvd", (v >> 8) & 0xfffff, v & 0xff);
    switch (v >> 8) {
    case 202:
        return vdev_name("xvd", (v >> 4) & 0xf, v & 0xf);
    case 8:
        return vdev_name("sd", (v >> 4) & 0xf, v & 0xf);
    case 3:
    case 22:
        if ((v & 0xff) >= 128)
            return NULL;
        return vdev_name("hd", (v >> 8 == 22 ? 2 : 0) + ((v >> 6) & 1), v & 0x3f);
    default:
        return NULL;
    }
}

/* "d1p2": Xen virtual disk 1, partition 2 */
static char *
vdev_from_dnpm(const char *text)
{
    char *end;
    guint64 disk = g_ascii_strtoull(text + 1, &end, 10);
    guint64 partition = 0;

    if (end == text + 1 || disk >= 1u << 20)
        return NULL;
    if (*end == 'p') {
        const char *start = end + 1;

        if (!g_ascii_isdigit(*start))
            return NULL;
        partition = g_ascii_strtoull(start, &end, 10);
    }
    if (*end != '\0' || partition > 255)
        return NULL;
    return vdev_name("xvd", (unsigned)disk, (unsigned)partition);
}

static const struct VdevBus *
vdev_bus(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(vdev_buses); i++) {
        const char *rest = name + strlen(vdev_buses[i].prefix);
        size_t letters, digits;

        if (!g_str_has_prefix(name, vdev_buses[i].prefix))
            continue;
        letters = strspn(rest, "abcdefghijklmnopqrstuvwxyz");
        digits = strspn(rest + letters, "0123456789");
        if (letters > 0 && letters <= 4 && digits <= 3 && rest[letters + digits] == '\0')
            return &vdev_buses[i];
    }
    return NULL;
}

static char *
vdev_canonical(const char *text)
{
    if (g_str_has_prefix(text, "/dev/"))
        text += strlen("/dev/");
    if (g_ascii_isdigit(text[0])) {
        char *end;
        guint64 number = g_ascii_strtoull(text, &end, 0);

        return *end == '\0' ? vdev_from_number(number) : NULL;
    }
    if (text[0] == 'd' && g_ascii_isdigit(text[1]))
        return vdev_from_dnpm(text);
    return vdev_bus(text) ? g_strdup(text) : NULL;
}

gboolean
conf_disk_set_vdev(ConfDisk *disk, const char *vdev, const ConfPlace *place, GError **error)
{
    const char *start = g_str_has_prefix(vdev, "ioemu:") ? vdev + strlen("ioemu:") : vdev;
    const char *colon = strchr(start, ':');
    g_autofree char *word = colon ? g_strndup(start, (gsize)(colon - start)) : g_strdup(start);
    ConfDiskDevice device = CONF_DISK_DEVICE_ABSENT;

    if (colon && g_str_equal(colon, ":cdrom"))
        device = CONF_DISK_DEVICE_CDROM;
    else if (colon && !g_str_equal(colon, ":disk") && !g_str_equal(colon, ":tapdisk")) {
        conf_place_error(place, (unsigned)(colon - vdev), error, CONF_ERROR_INVALID,
                         "unknown device type '%s': cdrom and disk are known", colon + 1);
        return FALSE;
    }
    g_autofree char *name = vdev_canonical(word);
    if (name == NULL) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "'%s' is no virtual disk: names are xvda, hda, sda1, d0p0, or the number "
                         "of xenstore",
                         word);
        return FALSE;
    }
    const struct VdevBus *bus = vdev_bus(name);
    g_assert(bus != NULL); /* each way to a name keeps to the table */
    if (g_str_equal(bus->bus, "fdc"))
        device = CONF_DISK_DEVICE_FLOPPY;
    if (device != CONF_DISK_DEVICE_ABSENT)
        disk->device = device;
    conf_set_string(&disk->target, name);
    conf_set_string(&disk->target_bus, bus->bus);
    return TRUE;
}

gboolean
conf_disk_set_mode(ConfDisk *disk, const char *mode, const ConfPlace *place, GError **error)
{
    static const struct {
        const char *name;
        bool readonly, shareable;
    } modes[] = {
        { "w", false, false },  { "rw", false, false }, { "r", true, false },
        { "ro", true, false },  { "w!", false, true },  { "r!", true, true },
        { "rw!", false, true }, { "ro!", true, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (g_str_equal(mode, modes[i].name)) {
            disk->readonly = modes[i].readonly;
            disk->shareable = modes[i].shareable;
            return TRUE;
        }
    }
    conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                     "'%s' is no disk mode: r, ro, w, rw, and with a '!' for sharing", mode);
    return FALSE;
}

/* ---- PCI ---- */

/* One hexadecimal field of a PCI address, up to `stop`. Moves *text behind it. */
static bool
pci_field(const char **text, const char *stops, guint64 max, ConfOptInt *ret)
{
    char *end;

    if (!g_ascii_isxdigit(**text))
        return false;
    guint64 value = g_ascii_strtoull(*text, &end, 16);
    if (value > max || (*end != '\0' && strchr(stops, *end) == NULL))
        return false;
    *ret = (ConfOptInt){ true, (int64_t)value };
    *text = end;
    return true;
}

/* "[DDDD:]BB:DD.F". `ret_all` tells the wildcard "DD.*". */
static bool
pci_bdf(const char *text, ConfHostdev *dev, bool *ret_all)
{
    const char *colon = strchr(text, ':');
    bool has_domain = colon && strchr(colon + 1, ':');

    *ret_all = false;
    dev->domain = (ConfOptInt){ true, 0 };
    if (has_domain && (!pci_field(&text, ":", 0xffff, &dev->domain) || *text++ != ':'))
        return false;
    if (!pci_field(&text, ":", 0xff, &dev->bus) || *text++ != ':')
        return false;
    if (!pci_field(&text, ".", 0x1f, &dev->slot) || *text++ != '.')
        return false;
    if (g_str_equal(text, "*")) {
        *ret_all = true;
        return true;
    }
    return pci_field(&text, "", 7, &dev->function) && *text == '\0';
}

static bool
pci_set_vslot(ConfHostdev *dev, const char *text)
{
    ConfOptInt slot = { false, 0 };

    if (!pci_field(&text, "", 0x1f, &slot) || *text != '\0')
        return false;
    if (dev->dev.address == NULL)
        dev->dev.address = conf_address_new();
    ConfAddress *address = dev->dev.address;
    conf_set_string(&address->type, "pci");
    address->domain = address->bus = address->function = (ConfOptInt){ true, 0 };
    address->slot = slot;
    return true;
}

static const struct PciOption {
    const char *name;
    const char *neutral; /* the value that says what is the case anyway */
    const char *why;
} pci_lost_options[] = {
    { "msitranslate", "0", "no domXML element for MSI-INTx translation" },
    { "power_mgmt", "0", "no domXML element for guest control of PCI power states" },
    { "rdm_policy", "strict", "no domXML element for the policy on reserved device memory" },
    { "key", "", "no domXML element for the key of a PCI device" },
};

static bool
pci_lost_option(const char *word, const char *value, unsigned offset, const ConfPlace *place)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pci_lost_options); i++) {
        const struct PciOption *option = &pci_lost_options[i];

        if (!g_str_equal(word, option->name))
            continue;
        if (!g_str_equal(value, option->neutral))
            conf_place_report(place, offset, CONF_OUTCOME_LOST, option->name, value, "%s",
                              option->why);
        return true;
    }
    return false;
}

static gboolean
pci_bool(const char *value, char **field, const char *on, const char *off)
{
    bool yes = g_str_equal(value, "1") || g_str_equal(value, "yes") || g_str_equal(value, "true");

    if (!yes && !g_str_equal(value, "0") && !g_str_equal(value, "no") &&
        !g_str_equal(value, "false"))
        return FALSE;
    return conf_set_string(field, yes ? on : off);
}

/* One word behind the address. NULL value: a flag, which is the same as =1. */
static gboolean
pci_option(ConfHostdev *dev, const char *word, const char *value, unsigned offset,
           const ConfPlace *place, GError **error)
{
    const char *text = value ? value : "1";
    gboolean ok;

    if (g_str_equal(word, "permissive"))
        ok = pci_bool(text, &dev->write_filtering, "no", "yes");
    else if (g_str_equal(word, "seize"))
        ok = pci_bool(text, &dev->managed, "yes", "no");
    else if (g_str_equal(word, "vslot"))
        ok = *text == '\0' || pci_set_vslot(dev, text);
    else if (pci_lost_option(word, text, offset, place))
        ok = TRUE;
    else {
        conf_place_report(place, offset, CONF_OUTCOME_LOST, word, value,
                          "unknown option of a PCI device");
        ok = TRUE;
    }
    if (!ok)
        conf_place_error(place, offset, error, CONF_ERROR_INVALID, "'%s' is no value for %s", text,
                         word);
    return ok;
}

static gboolean
pci_address(ConfHostdev *dev, const char *text, unsigned offset, const ConfPlace *place,
            GError **error)
{
    const char *at = strchr(text, '@');
    g_autofree char *bdf = at ? g_strndup(text, (gsize)(at - text)) : g_strdup(text);
    bool all;

    if (!pci_bdf(bdf, dev, &all)) {
        conf_place_error(place, offset, error, CONF_ERROR_INVALID,
                         "'%s' is no PCI device: expected [DDDD:]BB:DD.F in hexadecimal", bdf);
        return FALSE;
    }
    if (all) {
        conf_place_error(place, offset, error, CONF_ERROR_UNSUPPORTED,
                         "'%s' means every function that the host has there: libvirt wants one "
                         "device a function",
                         bdf);
        return FALSE;
    }
    if (at && !pci_set_vslot(dev, at + 1)) {
        conf_place_error(place, offset, error, CONF_ERROR_INVALID,
                         "'%s' is no slot of the guest (hexadecimal, at most 1f)", at + 1);
        return FALSE;
    }
    return TRUE;
}

ConfHostdev *
conf_hostdev_parse_pci(const char *text, const ConfPlace *place, GError **error)
{
    g_autoptr(ConfHostdev) dev = conf_hostdev_new();
    g_auto(GStrv) words = g_strsplit(text, ",", 32);
    unsigned offset = 0;
    bool addressed = false;

    for (char **w = words; *w; offset += (unsigned)strlen(*w) + 1, w++) {
        g_autofree char *word = g_strstrip(g_strdup(*w));
        char *equals = strchr(word, '=');
        gboolean ok = TRUE;

        if (equals)
            *equals = '\0';
        if (*word == '\0' && equals == NULL)
            continue;
        if (g_str_equal(word, "name")) {
            conf_place_error(place, offset, error, CONF_ERROR_UNSUPPORTED,
                             "libvirt knows a PCI device by its address, not by the name that xl "
                             "pci-assignable-add gave it");
            return NULL;
        }
        if (!addressed && (equals == NULL || g_str_equal(word, "bdf"))) {
            ok = pci_address(dev, equals ? equals + 1 : word, offset, place, error);
            addressed = true;
        } else
            ok = pci_option(dev, word, equals ? equals + 1 : NULL, offset, place, error);
        if (!ok)
            return NULL;
    }
    if (!addressed) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID, "'%s' names no PCI device", text);
        return NULL;
    }
    conf_set_string(&dev->mode, "subsystem");
    conf_set_string(&dev->type, "pci");
    return g_steal_pointer(&dev);
}
