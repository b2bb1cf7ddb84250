/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk= of xl (xl-disk-configuration(5)) and of xm, both directions. */
#include "conf-cfg.h"

#include <string.h>

/* ---- words that both need ---- */

static const CfgName disk_formats[] = {
    { "raw", "raw" }, { "qcow", "qcow" }, { "qcow2", "qcow2" }, { "vhd", "vhd" },
    { "qed", "qed" }, { "empty", NULL },  { NULL, NULL },
};

static const CfgName disk_backends[] = {
    { "phy", "phy" },
    { "tap", "tap" },
    { "qdisk", "qemu" },
    { NULL, NULL },
};

static const CfgName *
find_word(const CfgName *names, const char *word)
{
    for (; names->word; names++) {
        if (g_str_equal(names->word, word))
            return names;
    }
    return NULL;
}

static const char *
find_value(const CfgName *names, const char *value)
{
    for (; value && names->word; names++) {
        if (names->value && g_str_equal(names->value, value))
            return names->word;
    }
    return NULL;
}

/* ---- xl: the parts of one DISKSPEC ---- */

typedef struct DiskSpec {
    ConfDisk *disk;
    const ConfPlace *place;
    char *target, *format, *vdev, *access, *script, *backendtype;
    unsigned target_at, format_at, vdev_at, access_at, script_at, backendtype_at;
    bool had_target, had_format, had_vdev, had_access; /* said, if only as empty */
    ConfDiskDevice device;                             /* the last word that says so counts */
    GPtrArray *keys; /* parameters that ride in metadata; NULL: none */
} DiskSpec;

static void
disk_spec_clear(DiskSpec *spec)
{
    g_clear_pointer(&spec->disk, conf_disk_free);
    g_ptr_array_unref(spec->keys);
    g_free(spec->target);
    g_free(spec->format);
    g_free(spec->vdev);
    g_free(spec->access);
    g_free(spec->script);
    g_free(spec->backendtype);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DiskSpec, disk_spec_clear)

static gboolean
twice(const DiskSpec *spec, const char *what, unsigned at, GError **error)
{
    conf_place_error(spec->place, at, error, CONF_ERROR_INVALID, "%s is given twice", what);
    return FALSE;
}

static gboolean
take(DiskSpec *spec, const char *what, char **field, unsigned *at, bool *had, const char *value,
     unsigned offset, GError **error)
{
    bool same_is_fine = field == &spec->format;
    bool again = *had && *field && **field;

    if (again && (!same_is_fine || strcmp(*field, value) != 0))
        return twice(spec, what, offset, error);
    conf_set_string(field, value);
    *at = offset;
    *had = true;
    return TRUE;
}

/* Prefixes of xend's time, which xl strips and ignores; three of them still say something. */
static const struct SpecPrefix {
    const char *prefix;
    const char *format; /* the same as format= */
    const char *script; /* the same as script=block-SCRIPT */
} spec_prefixes[] = {
    { "phy:", NULL, NULL },
    { "file:", NULL, NULL },
    { "ioemu:", NULL, NULL },
    { "tap2:", NULL, NULL },
    { "tap:", NULL, NULL },
    { "tapdisk:", NULL, NULL },
    { "aio:", NULL, NULL },
    { "raw:", "raw", NULL },
    { "qcow2:", "qcow2", NULL },
    { "qcow:", "qcow", NULL },
    { "vhd:", "vhd", NULL },
    { "qed:", "qed", NULL },
    { "iscsi:", NULL, "block-iscsi" },
    { "nbd:", NULL, "block-nbd" },
    { "enbd:", NULL, "block-enbd" },
    { "drbd:", NULL, "block-drbd" },
};

static const struct SpecPrefix *
spec_prefix(const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(spec_prefixes); i++) {
        if (g_str_has_prefix(text, spec_prefixes[i].prefix))
            return &spec_prefixes[i];
    }
    return NULL;
}

/* Takes a positional target. With a prefix, the format is no positional parameter any more. */
static gboolean
take_target(DiskSpec *spec, const char *text, unsigned offset, GError **error)
{
    const struct SpecPrefix *prefix;
    const char *rest = text;

    while ((prefix = spec_prefix(rest)) != NULL) {
        unsigned at = offset + (unsigned)(rest - text);

        rest += strlen(prefix->prefix);
        if (prefix->format && !take(spec, "format", &spec->format, &spec->format_at,
                                    &spec->had_format, prefix->format, at, error))
            return FALSE;
        spec->had_format = true;
        if (prefix->script) {
            conf_set_string(&spec->script, prefix->script);
            spec->script_at = at;
            break;
        }
    }
    return take(spec, "target", &spec->target, &spec->target_at, &spec->had_target, rest,
                offset + (unsigned)(rest - text), error);
}

static bool
is_vdev(const char *text)
{
    g_autoptr(ConfDisk) disk = conf_disk_new();
    ConfPlace nowhere = { .report = NULL };

    return *text && conf_disk_set_vdev(disk, text, &nowhere, NULL);
}

/* "vdev:cdrom" */
static gboolean
take_vdev(DiskSpec *spec, const char *text, unsigned offset, GError **error)
{
    const char *colon = strrchr(text, ':');

    if (colon && g_str_equal(colon, ":cdrom"))
        spec->device = CONF_DISK_DEVICE_CDROM;
    else if (colon && g_str_equal(colon, ":disk"))
        spec->device = CONF_DISK_DEVICE_DISK;
    return take(spec, "vdev", &spec->vdev, &spec->vdev_at, &spec->had_vdev, text, offset, error);
}

/* The one parameter that xl lets be said again, by name and by position. */
static gboolean
take_access(DiskSpec *spec, const char *text, unsigned offset)
{
    spec->access_at = offset;
    return conf_set_string(&spec->access, text);
}

static gboolean
take_positional(DiskSpec *spec, const char *text, unsigned offset, GError **error)
{
    if (!spec->had_target)
        return take_target(spec, text, offset, error);
    /* xend's order has no format: ",hdc:cdrom,r" and "file:/x,hda,w". */
    if (!spec->had_format && *text && find_word(disk_formats, text) == NULL && is_vdev(text))
        spec->had_format = true;
    if (!spec->had_format)
        return take(spec, "format", &spec->format, &spec->format_at, &spec->had_format, text,
                    offset, error);
    if (!spec->had_vdev)
        return take_vdev(spec, text, offset, error);
    if (!spec->had_access) {
        spec->had_access = true;
        return take_access(spec, text, offset);
    }
    if (*text == '\0')
        return TRUE;
    conf_place_error(spec->place, offset, error, CONF_ERROR_INVALID,
                     "one value too many: '%s' behind target, format, vdev and access; xm has a "
                     "backend domain there: if this is a config of xm, say so",
                     text);
    return FALSE;
}

/* ---- xl: flags and options ---- */

static bool
take_flag(DiskSpec *spec, const char *word)
{
    /* Paths and empty places, of which there are most, are none. */
    if (!g_ascii_isalpha(*word))
        return false;
    if (g_str_equal(word, "cdrom"))
        spec->device = CONF_DISK_DEVICE_CDROM;
    else if (g_str_equal(word, "discard"))
        conf_set_string(&spec->disk->driver_discard, "unmap");
    else if (g_str_equal(word, "no-discard"))
        conf_set_string(&spec->disk->driver_discard, "ignore");
    else
        return cfg_carry_word("disk", word, NULL, spec->keys);
    return true;
}

static gboolean
take_specification(DiskSpec *spec, const char *value, unsigned offset, GError **error)
{
    if (g_str_equal(value, "virtio"))
        return conf_set_string(&spec->disk->target_bus, "virtio");
    if (g_str_equal(value, "xen") || *value == '\0')
        return TRUE;
    conf_place_error(spec->place, offset, error, CONF_ERROR_INVALID,
                     "specification is xen or virtio, not '%s'", value);
    return FALSE;
}

static gboolean
take_named(DiskSpec *spec, const char *name, const char *value, unsigned offset, GError **error)
{
    unsigned at = offset + (unsigned)strlen(name) + 1;

    if (g_str_equal(name, "format"))
        return take(spec, name, &spec->format, &spec->format_at, &spec->had_format, value, at,
                    error);
    if (g_str_equal(name, "vdev"))
        return take_vdev(spec, value, at, error);
    if (g_str_equal(name, "access"))
        return take_access(spec, value, at);
    if (g_str_equal(name, "script")) {
        spec->script_at = at;
        return conf_set_string(&spec->script, value);
    }
    if (g_str_equal(name, "backendtype")) {
        spec->backendtype_at = at;
        return conf_set_string(&spec->backendtype, value);
    }
    if (g_str_equal(name, "backend"))
        return conf_set_string(&spec->disk->backenddomain, *value ? value : NULL);
    if (g_str_equal(name, "specification"))
        return take_specification(spec, value, at, error);
    if (g_str_equal(name, "devtype")) {
        if (*value == '\0')
            return TRUE;
        spec->device = g_str_equal(value, "cdrom") ? CONF_DISK_DEVICE_CDROM : CONF_DISK_DEVICE_DISK;
        if (g_str_equal(value, "cdrom") || g_str_equal(value, "disk"))
            return TRUE;
        conf_place_error(spec->place, at, error, CONF_ERROR_INVALID,
                         "devtype is cdrom or disk, not '%s'", value);
        return FALSE;
    }
    if (!cfg_carry_word("disk", name, value, spec->keys))
        conf_place_report(spec->place, offset, CONF_OUTCOME_LOST, name, value,
                          "unknown option of a disk");
    return TRUE;
}

static gboolean
split_spec(DiskSpec *spec, const char *text, GError **error)
{
    const char *p = text;

    for (;;) {
        p += strspn(p, " \t\n");
        unsigned offset = (unsigned)(p - text);

        /* By name, the target takes all that is left, commas included. */
        if (g_str_has_prefix(p, "target=")) {
            spec->had_target = spec->had_target && spec->target && *spec->target;
            return take(spec, "target", &spec->target, &spec->target_at, &spec->had_target,
                        p + strlen("target="), offset + (unsigned)strlen("target="), error);
        }
        size_t len = strcspn(p, ",");
        g_autofree char *word = g_strndup(p, len);
        char *equals = strchr(word, '=');
        gboolean ok;

        if (equals) {
            *equals = '\0';
            ok = take_named(spec, word, equals + 1, offset, error);
        } else
            ok = take_flag(spec, word) || take_positional(spec, word, offset, error);
        if (!ok)
            return FALSE;
        if (p[len] == '\0')
            return TRUE;
        p += len + 1;
    }
}

/* ---- xl: from the parts to a disk ---- */

/* "pool/image:id=x:mon_host=a\:1\;b" as QEMU takes it. */
static void
set_rbd(DiskSpec *spec, const char *text)
{
    ConfDisk *disk = spec->disk;
    g_autoptr(GString) word = g_string_new(NULL);

    disk->type = CONF_DISK_TYPE_NETWORK;
    conf_set_string(&disk->source_protocol, "rbd");
    for (const char *p = text;; p++) {
        if (*p == '\\' && p[1]) {
            g_string_append_c(word, *++p);
            continue;
        }
        if (*p && *p != ':') {
            g_string_append_c(word, *p);
            continue;
        }
        if (disk->source_name == NULL) {
            char *at = strchr(word->str, '@');

            disk->source_snapshot = at ? g_strdup(at + 1) : NULL;
            disk->source_name = g_strndup(word->str, at ? (gsize)(at - word->str) : word->len);
        } else if (g_str_has_prefix(word->str, "mon_host=")) {
            g_auto(GStrv) hosts = g_strsplit_set(word->str + strlen("mon_host="), ";", 64);

            for (char **h = hosts; *h; h++) {
                ConfDiskHost *host = conf_disk_host_new();
                char *colon = strrchr(*h, ':');

                if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
                    host->port = g_strdup(colon + 1);
                    *colon = '\0';
                }
                /* Brackets are around an IPv6 address because of the port behind it. */
                host->name = **h == '[' ? g_strndup(*h + 1, strcspn(*h + 1, "]")) : g_strdup(*h);
                g_ptr_array_add(disk->source_hosts, host);
            }
        } else if (g_str_has_prefix(word->str, "conf="))
            conf_set_string(&disk->source_config, word->str + strlen("conf="));
        else
            conf_place_report(spec->place, spec->target_at, CONF_OUTCOME_LOST, "rbd", word->str,
                              "libvirt keeps the credentials of a Ceph cluster in a secret");
        g_string_truncate(word, 0);
        if (*p == '\0')
            return;
    }
}

/* QEMU's rbd: ends a word at a colon. */
static void
append_escaped(GString *text, const char *word)
{
    for (; *word; word++) {
        if (strchr(":\\;", *word))
            g_string_append_c(text, '\\');
        g_string_append_c(text, *word);
    }
}

/* The text behind target=, and a script where it takes one. NULL: xl can't say it. */
static char *
network_target(const ConfDisk *disk, const char **ret_script)
{
    const ConfDiskHost *host = disk->source_hosts->len ? g_ptr_array_index(disk->source_hosts, 0)
                                                       : NULL;
    const char *protocol = disk->source_protocol ? disk->source_protocol : "";
    g_autoptr(GString) text = g_string_new(NULL);

    if (g_str_equal(protocol, "nbd") && host && host->name) {
        *ret_script = "block-nbd";
        g_string_printf(text, "%s %s%s%s", host->name, host->port ? host->port : "10809",
                        disk->source_name ? " " : "", disk->source_name ? disk->source_name : "");
    } else if (g_str_equal(protocol, "iscsi") && host && host->name && disk->source_name) {
        gsize iqn = strcspn(disk->source_name, "/");

        if (disk->source_name[iqn] && !g_str_equal(disk->source_name + iqn, "/0"))
            return NULL; /* block-iscsi knows LUN 0 alone */
        *ret_script = "block-iscsi";
        g_string_printf(text, "iqn=%.*s,portal=%s:%s", (int)iqn, disk->source_name, host->name,
                        host->port ? host->port : "3260");
    } else if (g_str_equal(protocol, "rbd") && disk->source_name) {
        *ret_script = NULL;
        g_string_printf(text, "rbd:%s%s%s", disk->source_name, disk->source_snapshot ? "@" : "",
                        disk->source_snapshot ? disk->source_snapshot : "");
        for (guint i = 0; i < disk->source_hosts->len; i++) {
            host = g_ptr_array_index(disk->source_hosts, i);
            g_string_append(text, i ? "\\;" : ":mon_host=");
            bool v6 = host->name && strchr(host->name, ':');

            g_string_append(text, v6 ? "[" : "");
            append_escaped(text, host->name ? host->name : "");
            g_string_append(text, v6 ? "]" : "");
            if (host->port)
                g_string_append_printf(text, "\\:%s", host->port);
        }
        if (disk->source_config)
            g_string_append_printf(text, ":conf=%s", disk->source_config);
    } else
        return NULL;
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The bare target of block-iscsi and block-nbd is a network disk, if all of it can be said so:
 * Xen's scripts come back for those. */
static bool
set_network(DiskSpec *spec)
{
    static const char *const known[] = { "iscsi", "nbd" };
    ConfPlace quiet = { .report = NULL };
    static const char scripts[] = "/etc/xen/scripts/"; /* where xl looks for a bare name */
    const char *base = spec->script +
                       (g_str_has_prefix(spec->script, scripts) ? strlen(scripts) : 0);
    bool plain = spec->backendtype == NULL && g_strcmp0(spec->disk->driver_type, "raw") == 0;

    for (size_t i = 0; plain && i < G_N_ELEMENTS(known); i++) {
        g_autofree char *name = g_strconcat("block-", known[i], NULL);
        g_autofree char *uname = g_strconcat(known[i], ":", spec->target ? spec->target : "", NULL);
        g_autoptr(ConfDisk) probe = conf_disk_new();
        const char *script = NULL;

        if (!g_str_equal(base, name) || !conf_disk_set_uname(probe, uname, &quiet, NULL))
            continue;
        g_autofree char *back = network_target(probe, &script);
        if (g_strcmp0(back, spec->target) == 0)
            return conf_disk_set_uname(spec->disk, uname, &quiet, NULL);
    }
    return false;
}

/* Only the script knows what its target means; the guest gets a block device of it. */
static gboolean
set_script(DiskSpec *spec)
{
    if (set_network(spec))
        return TRUE;
    conf_xl_keys_set(spec->keys, "script", spec->script);
    spec->disk->type = CONF_DISK_TYPE_BLOCK;
    return conf_set_string(&spec->disk->source, spec->target ? spec->target : "");
}

static gboolean
set_format(DiskSpec *spec, GError **error)
{
    const char *word = spec->format && *spec->format ? spec->format : "raw";
    const CfgName *format = find_word(disk_formats, word);

    if (format == NULL) {
        conf_place_error(spec->place, spec->format_at, error, CONF_ERROR_INVALID,
                         "'%s' is no disk format: raw, qcow, qcow2, vhd or qed", word);
        return FALSE;
    }
    if (format->value)
        conf_set_string(&spec->disk->driver_type, format->value);
    else
        g_clear_pointer(&spec->target, g_free); /* format=empty: a drive without a disc */
    return TRUE;
}

static gboolean
set_backend(DiskSpec *spec, GError **error)
{
    if (spec->backendtype == NULL || *spec->backendtype == '\0')
        return TRUE;
    const CfgName *backend = find_word(disk_backends, spec->backendtype);
    if (backend)
        return conf_set_string(&spec->disk->driver_name, backend->value);
    if (g_str_equal(spec->backendtype, "standalone")) {
        conf_xl_keys_set(spec->keys, "backendtype", "standalone");
        return TRUE;
    }
    conf_place_error(spec->place, spec->backendtype_at, error, CONF_ERROR_INVALID,
                     "'%s' is no backend type: phy, qdisk, tap or standalone", spec->backendtype);
    return FALSE;
}

static gboolean
set_source(DiskSpec *spec, GError **error)
{
    ConfDisk *disk = spec->disk;
    const char *target;

    if (!set_format(spec, error) || !set_backend(spec, error))
        return FALSE;
    if (spec->script && *spec->script)
        return set_script(spec);
    target = spec->target ? spec->target : "";
    if (*target == '\0') {
        disk->type = CONF_DISK_TYPE_FILE;
        g_clear_pointer(&disk->driver_type, g_free);
        return TRUE;
    }
    if (g_str_has_prefix(target, "rbd:")) {
        set_rbd(spec, target + strlen("rbd:"));
        return TRUE;
    }
    /* xl puts /dev in front of what does not begin with a slash. */
    disk->source = target[0] == '/' ? g_strdup(target) : g_strconcat("/dev/", target, NULL);
    bool block = g_str_has_prefix(disk->source, "/dev/") ||
                 g_strcmp0(disk->driver_name, "phy") == 0;
    disk->type = block ? CONF_DISK_TYPE_BLOCK : CONF_DISK_TYPE_FILE;
    return TRUE;
}

static gboolean
set_guest_side(DiskSpec *spec, GError **error)
{
    ConfDisk *disk = spec->disk;
    bool virtio = g_strcmp0(disk->target_bus, "virtio") == 0;
    ConfPlace vdev = *spec->place, access = *spec->place;

    vdev.column += spec->vdev_at;
    access.column += spec->access_at;
    if (spec->vdev == NULL || *spec->vdev == '\0') {
        conf_place_error(spec->place, 0, error, CONF_ERROR_INVALID,
                         "no vdev: which disk of the guest is it?");
        return FALSE;
    }
    if (!conf_disk_set_vdev(disk, spec->vdev, &vdev, error))
        return FALSE;
    if (virtio)
        conf_set_string(&disk->target_bus, "virtio");
    else if (g_str_equal(disk->target_bus, "virtio"))
        conf_set_string(&disk->target_bus, "xen"); /* a name says nothing of it to xl */
    if (spec->device != CONF_DISK_DEVICE_ABSENT)
        disk->device = spec->device;
    if (disk->device == CONF_DISK_DEVICE_ABSENT)
        disk->device = CONF_DISK_DEVICE_DISK;
    /* An access position that says "cdrom" is the flag. */
    if (spec->access && *spec->access && !conf_disk_set_mode(disk, spec->access, &access, error))
        return FALSE;
    if (disk->device == CONF_DISK_DEVICE_CDROM)
        disk->readonly = true;
    if (disk->source == NULL && disk->type != CONF_DISK_TYPE_NETWORK &&
        disk->device != CONF_DISK_DEVICE_CDROM) {
        conf_place_error(spec->place, 0, error, CONF_ERROR_INVALID,
                         "no target: only a CD-ROM drive may be empty");
        return FALSE;
    }
    return TRUE;
}

static gboolean
add_disk(CfgReader *r, ConfDisk **disk, const ConfPlace *place, GError **error)
{
    for (guint i = 0; i < r->def->disks->len; i++) {
        const ConfDisk *other = g_ptr_array_index(r->def->disks, i);

        if (g_str_equal(other->target, (*disk)->target)) {
            conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                             "%s is the disk of the guest that disk[%u] is already", other->target,
                             i);
            return FALSE;
        }
    }
    g_ptr_array_add(r->def->disks, g_steal_pointer(disk));
    return TRUE;
}

static gboolean
read_xl_disk(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_auto(DiskSpec) spec = { .disk = conf_disk_new(), .place = place, .keys = conf_xl_keys_new() };

    if (!split_spec(&spec, text, error) || !set_source(&spec, error) ||
        !set_guest_side(&spec, error))
        return FALSE;
    cfg_carry_device(r->ext, spec.disk->target, spec.keys);
    return add_disk(r, &spec.disk, place, error);
}

/* ---- xm: UNAME,DEVICE,MODE[,BACKEND[,VDI or protocol]] ---- */

/* xend has two ways for a path without a prefix, and block scripts end in the first. Of virtio it
 * knows nothing: to it "vda" is a disk of Xen's. */
static void
set_xend_driver(ConfDisk *disk)
{
    if (g_strcmp0(disk->target_bus, "virtio") == 0)
        conf_set_string(&disk->target_bus, "xen");
    if (disk->type == CONF_DISK_TYPE_NETWORK)
        conf_set_string(&disk->driver_type, "raw");
    if (disk->driver_name || disk->source == NULL)
        return;
    conf_set_string(&disk->driver_name, disk->type == CONF_DISK_TYPE_BLOCK ? "phy" : "file");
}

static gboolean
read_xm_disk(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_auto(GStrv) fields = g_strsplit(text, ",", 16);
    guint n = g_strv_length(fields);
    g_autoptr(ConfDisk) disk = conf_disk_new();
    unsigned at[16] = { 0 };

    for (guint i = 0, offset = 0; i < n; i++) {
        at[i] = offset;
        offset += (unsigned)strlen(fields[i]) + 1;
        g_strstrip(fields[i]);
    }
    /* A comma in a path, or xl's order in an xm file: say so, rather than take it wrongly. */
    if (n < 3 || n > 5) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "expected UNAME,DEVICE,MODE[,BACKEND[,PROTOCOL]], found %u fields", n);
        return FALSE;
    }
    ConfPlace device = *place, mode = *place;
    device.column += at[1];
    mode.column += at[2];
    if (!conf_disk_set_uname(disk, fields[0], place, error) ||
        !conf_disk_set_vdev(disk, fields[1], &device, error) ||
        !conf_disk_set_mode(disk, *fields[2] ? fields[2] : "r", &mode, error))
        return FALSE;
    set_xend_driver(disk);
    if (n > 3 && *fields[3] && !g_str_equal(fields[3], "None") && !g_str_equal(fields[3], "0"))
        conf_set_string(&disk->backenddomain, fields[3]);
    if (n > 4 && *fields[4] && !g_str_equal(fields[4], "None"))
        conf_place_report(place, at[4], CONF_OUTCOME_LOST, "protocol", fields[4],
                          "no domXML element for xend's VDI or protocol of a disk");
    if (disk->device == CONF_DISK_DEVICE_ABSENT)
        disk->device = CONF_DISK_DEVICE_DISK;
    if (disk->device == CONF_DISK_DEVICE_CDROM)
        disk->readonly = true;
    if (disk->source == NULL && disk->type == CONF_DISK_TYPE_FILE &&
        disk->device == CONF_DISK_DEVICE_DISK) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "no path: only a CD-ROM drive may be empty");
        return FALSE;
    }
    return add_disk(r, &disk, place, error);
}

gboolean
cfg_read_disk(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, r->who == CFG_XM ? read_xm_disk : read_xl_disk,
                           error);
}

/* fda=, fdb= and cdrom= of xm, from the time before they were disks. */
static gboolean
join_drive(CfgReader *r, const char *key, const char *path, const char *vdev, bool cdrom,
           GError **error)
{
    if (path == NULL || *path == '\0')
        return TRUE;
    g_autoptr(ConfDisk) disk = conf_disk_new();
    ConfPlace place = cfg_place(r, cfg_node(r, key), key);
    if (!conf_disk_set_uname(disk, path, &place, error) ||
        !conf_disk_set_vdev(disk, vdev, &place, error))
        return FALSE;
    set_xend_driver(disk);
    disk->device = cdrom ? CONF_DISK_DEVICE_CDROM : CONF_DISK_DEVICE_FLOPPY;
    disk->readonly = cdrom;
    return add_disk(r, &disk, &place, error);
}

gboolean
cfg_disk_join(CfgReader *r, GError **error)
{
    return join_drive(r, "fda", r->parts.fda, "fda", false, error) &&
           join_drive(r, "fdb", r->parts.fdb, "fdb", false, error) &&
           join_drive(r, "cdrom", r->parts.cdrom, "hdc", true, error);
}

/* ---- writing ---- */

static bool
is_floppy(const ConfDisk *disk)
{
    return disk->device == CONF_DISK_DEVICE_FLOPPY || g_str_has_prefix(disk->target, "fd");
}

static char *
lose_empty(CfgWriter *w, const ConfDisk *disk, unsigned index)
{
    cfg_lost(w, disk->target, "only a CD-ROM drive may be empty", "/domain/devices/disk[%u]",
             index + 1);
    return NULL;
}

static char *
format_xl(CfgWriter *w, const ConfDisk *disk, unsigned index)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *network = NULL;
    const char *script = NULL, *target = disk->source;
    const char *format = disk->driver_type ? find_value(disk_formats, disk->driver_type) : "raw";
    bool cdrom = disk->device == CONF_DISK_DEVICE_CDROM;

    if (disk->driver_type && g_str_equal(disk->driver_type, "aio"))
        format = "raw";
    if (format == NULL) {
        cfg_lost(w, disk->driver_type, "xl has no such disk format", "/domain/devices/disk[%u]",
                 index + 1);
        return NULL;
    }
    if (disk->type == CONF_DISK_TYPE_NETWORK) {
        network = network_target(disk, &script);
        target = network;
        if (network == NULL) {
            cfg_lost(w, disk->source_protocol, "xl has no such network disk",
                     "/domain/devices/disk[%u]", index + 1);
            return NULL;
        }
    }
    bool none = target == NULL || *target == '\0';
    if (none && !cdrom &&
        conf_xl_keys_get(conf_xl_ext_device(w->ext, disk->target), "script") == NULL)
        return lose_empty(w, disk, index);
    if (none && cdrom)
        g_string_append(text, "format=empty, ");
    else
        g_string_append_printf(text, "format=%s, ", format);
    g_string_append_printf(text, "vdev=%s, access=%s", disk->target,
                           disk->readonly || cdrom ? "ro" : "rw");
    if (cdrom)
        g_string_append(text, ", devtype=cdrom");
    const char *backend = find_value(disk_backends, disk->driver_name);
    if (disk->driver_name && g_str_equal(disk->driver_name, "tap2"))
        backend = "tap";
    if (backend)
        g_string_append_printf(text, ", backendtype=%s", backend);
    if (disk->backenddomain)
        g_string_append_printf(text, ", backend=%s", disk->backenddomain);
    if (disk->target_bus && g_str_equal(disk->target_bus, "virtio"))
        g_string_append(text, ", specification=virtio");
    if (disk->driver_discard)
        g_string_append_printf(
            text, ", %s", g_str_equal(disk->driver_discard, "unmap") ? "discard" : "no-discard");
    if (script)
        g_string_append_printf(text, ", script=%s", script);
    cfg_put_carried_words(w, "disk", disk->target, text);
    if (disk->shareable)
        cfg_lost(w, NULL, "xl has no mode for disks that several domains write",
                 "/domain/devices/disk[%u]/shareable", index + 1);
    /* Last: it takes the rest, commas included. */
    if (target)
        g_string_append_printf(text, ", target=%s", target);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The uname of xend. NULL: can't be said. */
static char *
format_uname(const ConfDisk *disk)
{
    const char *type = disk->driver_type ? disk->driver_type : "raw";
    const char *name = disk->driver_name;
    bool raw = g_str_equal(type, "raw") || g_str_equal(type, "aio");

    if (disk->type == CONF_DISK_TYPE_NETWORK) {
        const char *script = NULL;
        g_autofree char *target = network_target(disk, &script);

        if (target == NULL || script == NULL || strchr(target, ','))
            return NULL;
        return g_strconcat(script + strlen("block-"), ":", target, NULL);
    }
    if (disk->source == NULL)
        return g_strdup("");
    if (strchr(disk->source, ','))
        return NULL; /* xm splits at commas and has no quoting */
    if (name && g_str_has_prefix(name, "tap"))
        return g_strdup_printf("%s:%s:%s", name, raw ? "aio" : type, disk->source);
    bool tapdisk = find_value(disk_formats, type) || g_str_equal(type, "vmdk");
    if (!raw)
        return tapdisk ? g_strdup_printf("tap:%s:%s", type, disk->source) : NULL;
    return g_strconcat(disk->type == CONF_DISK_TYPE_BLOCK ? "phy:" : "file:", disk->source, NULL);
}

static char *
format_xm(CfgWriter *w, const ConfDisk *disk, unsigned index)
{
    g_autofree char *uname = format_uname(disk);
    bool cdrom = disk->device == CONF_DISK_DEVICE_CDROM;
    const char *mode = disk->readonly || cdrom ? "r" : "w";

    bool empty = !cdrom && (disk->source == NULL || *disk->source == '\0') &&
                 disk->type != CONF_DISK_TYPE_NETWORK; /* what a script of xl takes */

    if (uname == NULL || empty) {
        cfg_lost(w, disk->source, "xm has no words for such a disk", "/domain/devices/disk[%u]",
                 index + 1);
        return NULL;
    }
    if (*uname == '\0' && !cdrom)
        return lose_empty(w, disk, index);
    return g_strdup_printf("%s,%s%s,%s%s%s%s", uname, disk->target, cdrom ? ":cdrom" : "", mode,
                           disk->shareable ? "!" : "", disk->backenddomain ? "," : "",
                           disk->backenddomain ? disk->backenddomain : "");
}

static void
write_floppy(CfgWriter *w, const ConfDisk *disk, unsigned index)
{
    if (w->who == CFG_XM && disk->source && g_str_equal(disk->target, "fda"))
        conf_set_string(&w->parts.fda, disk->source);
    else if (w->who == CFG_XM && disk->source && g_str_equal(disk->target, "fdb"))
        conf_set_string(&w->parts.fdb, disk->source);
    else
        cfg_lost(w, disk->source,
                 w->who == CFG_XM ? "xm has two floppy drives, fda and fdb"
                                  : "xl has no floppy drives",
                 "/domain/devices/disk[%u]", index + 1);
}

/* Stands in front of fda= and fdb= in the table, which it fills. */
void
cfg_write_disk(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(w->def->disks, i);
        bool known = disk->type == CONF_DISK_TYPE_FILE || disk->type == CONF_DISK_TYPE_BLOCK ||
                     disk->type == CONF_DISK_TYPE_NETWORK || disk->type == CONF_DISK_TYPE_ABSENT;

        if (disk->target == NULL || !known) {
            cfg_lost(w, disk->target, "only files, block devices and network disks can be said",
                     "/domain/devices/disk[%u]", i + 1);
            continue;
        }
        if (is_floppy(disk)) {
            write_floppy(w, disk, i);
            continue;
        }
        char *text = w->who == CFG_XM ? format_xm(w, disk, i) : format_xl(w, disk, i);
        if (text)
            g_ptr_array_add(list, text);
    }
    cfg_put_list(w, key->name, list);
}
