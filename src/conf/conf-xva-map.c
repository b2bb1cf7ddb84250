/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields of XenServer's records that are more than a value. */
#include "conf-xva.h"

#include "conf-xml.h"

#include <string.h>

#define MAX_USERDEVICE 702 /* xvda ... xvdzz */

static const ConfNode *
root_of(const Via *via)
{
    return via_native(via)->root;
}

/* ---- what it is ---- */

bool
xva_is_hvm(const ConfNative *native)
{
    const char *type = via_find_text(native->root, "domain_type");

    if (type && strcmp(type, "unspecified") != 0)
        return strcmp(type, "hvm") == 0;
    return via_find_text(native->root, "HVM_boot_policy") != NULL;
}

static void
set_description(ConfDomain *def, const char *text)
{
    g_free(def->description);
    def->description = conf_xml_clean(text);
}

void
xva_read_description(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (via_text(node) == NULL) {
        via_lost(via, node, path, "not a text");
        return;
    }
    via_after(via, set_description, node->text);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

void
xva_read_domain_type(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *type = via_text(node);

    if (type == NULL || strcmp(type, "unspecified") == 0)
        conf_node_mark(node, CONF_FATE_DEFAULT);
    else if (strcmp(type, "hvm") == 0 || strcmp(type, "pv") == 0 || strcmp(type, "pvh") == 0)
        via_put(via, row->key, type, node, path);
    else if (strcmp(type, "pv_in_pvh") == 0) {
        via_put(via, row->key, "pv", node, path);
        via_changed(via, node, path, "a PV domain; XenServer put a shim around it");
    } else
        via_lost(via, node, path, "no type of domain that is known here");
}

/* ---- memory ---- */

static void
set_memory(ConfDomain *def, const char *text)
{
    def->memory_kib = g_ascii_strtoull(text, NULL, 10) / 1024;
}

static void
set_current_memory(ConfDomain *def, const char *text)
{
    def->cur_memory_kib = g_ascii_strtoull(text, NULL, 10) / 1024;
}

void
xva_read_memory(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool max = strcmp(row->key, "maxmem") == 0;
    gint64 bytes;

    if (!via_get_number(node, &bytes) || bytes <= 0) {
        via_lost(via, node, path, "not an amount of memory in bytes");
        return;
    }
    via_put_number(via, row->key, MAX(bytes >> 20, 1), node, path);
    if (bytes & ((1 << 20) - 1))
        via_after(via, max ? set_memory : set_current_memory, node->text);
}

void
xva_read_dynamic_min(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *max = via_find_text(root_of(via), "memory_dynamic_max");

    if (g_strcmp0(max, node->text) == 0)
        conf_node_mark(node, CONF_FATE_DEFAULT);
    else
        via_keep(via, node, path);
}

/* ---- boot ---- */

static bool
has_no_effect(Via *via, ConfNode *node, bool on_hvm)
{
    if (xva_is_hvm(via_native(via)) != on_hvm)
        return false;
    conf_node_mark(node, CONF_FATE_DEFAULT);
    return true;
}

void
xva_read_pv(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (has_no_effect(via, node, true))
        return;
    if (via_text(node))
        via_put(via, row->key, node->text, node, path);
    else
        via_lost(via, node, path, "not a text");
}

/* eliloader is XenServer's own way to start an installer from a network or a CD; afterwards the
 * guest boots by pygrub. */
void
xva_read_bootloader(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *text = via_text(node);

    if (has_no_effect(via, node, true))
        return;
    if (text && strcmp(text, "eliloader") == 0) {
        via_put(via, row->key, "pygrub", node, path);
        via_changed(via, node, path, "XenServer's installer boot; pygrub boots what it installs");
    } else if (text) {
        via_put(via, row->key, text, node, path);
    } else {
        via_lost(via, node, path, "not a text");
    }
}

/* Fields of HVM guests; the platform of a PV guest lists them, too. */
void
xva_read_hvm(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on;

    if (has_no_effect(via, node, false))
        return;
    if (row->names) {
        for (const ViaName *name = row->names; name->word; name++) {
            if (g_strcmp0(name->word, via_text(node)) != 0)
                continue;
            if (name->value)
                via_put(via, row->key, name->value, node, path);
            else
                conf_node_mark(node, CONF_FATE_DEFAULT);
            return;
        }
        via_lost(via, node, path, "%s", row->why ? row->why : "not a word that is known here");
    } else if (row->unit == 0 && via_get_bool(node, &on)) {
        via_put(via, row->key, on ? "1" : "0", node, path);
    } else if (row->unit == 0) {
        via_lost(via, node, path, "neither true nor false");
    } else if (via_text(node)) {
        via_put(via, row->key, node->text, node, path);
    }
}

/* ---- platform ---- */

/* The switch, and beside it one for each group. Whichever comes first reads all of them. */
void
xva_read_viridian(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const struct {
        const char *key, *group;
    } groups[] = {
        { "viridian_time_ref_count", "time_ref_count" },
        { "viridian_reference_tsc", "reference_tsc" },
        { "viridian_apic_assist", "apic_assist" },
        { "viridian_crash_ctl", "crash_ctl" },
        { "viridian_stimer", "stimer" },
        { "viridian_hcall_ipi", "hcall_ipi" },
    };
    ConfNode *platform = conf_node_find(root_of(via), "platform");
    ConfNode *master = conf_node_find(platform, "viridian");
    bool on = master && via_is_on(platform, "viridian");

    if (has_no_effect(via, node, false))
        return;
    if (!on) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    }
    via_put_item(via, row->key, "base", master, "platform/viridian");
    via_put_item(via, row->key, "freq", master, "platform/viridian");
    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        ConfNode *one = conf_node_find(platform, groups[i].key);
        g_autofree char *own_path = g_strdup_printf("platform/%s", groups[i].key);

        if (one && via_is_on(platform, groups[i].key))
            via_put_item(via, row->key, groups[i].group, one, own_path);
        else if (one)
            conf_node_mark(one, CONF_FATE_DEFAULT);
    }
}

static void
set_cores(ConfDomain *def, const char *text)
{
    gint64 cores = g_ascii_strtoll(text, NULL, 10);

    if (def->cpu == NULL) {
        def->cpu = conf_cpu_new();
        def->cpu->mode = g_strdup("host-passthrough");
    }
    def->cpu->sockets = (ConfOptInt){ true, def->vcpus_max / cores };
    def->cpu->cores = (ConfOptInt){ true, cores };
    def->cpu->threads = (ConfOptInt){ true, 1 };
}

void
xva_read_cores(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    gint64 cores, vcpus = 1;

    via_get_number(conf_node_find(root_of(via), "VCPUs_max"), &vcpus);
    if (!via_get_number(node, &cores) || cores < 1 || vcpus < 1 || vcpus % cores) {
        via_lost(via, node, path, "the number of processors is no multiple of it");
        return;
    }
    via_after(via, set_cores, node->text);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

void
xva_read_tablet(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on;

    if (has_no_effect(via, node, false))
        return;
    if (via_get_bool(node, &on) && on)
        via_put(via, row->key, "tablet", node, path);
    else
        conf_node_mark(node, CONF_FATE_DEFAULT);
}

/* conf_native_wants_autostart() has it. */
void
xva_read_autostart(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *name = via_find_text(root_of(via), "name_label");

    if (conf_xva_wants_autostart(via_native(via)))
        via_changed(via, node, path, CONF_WHY_AUTOSTART, name ? name : "NAME");
    else
        conf_node_mark(node, CONF_FATE_DEFAULT);
}

/* "0/0000:03:00.0,1/0000:04:00.0" */
void
xva_read_pci(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_auto(GStrv) words = g_strsplit(via_text(node) ? node->text : "", ",", 256);

    for (char **word = words; *word; word++) {
        const char *slash = strchr(*word, '/');
        const char *address = g_strstrip(slash ? (char *)slash + 1 : *word);

        if (*address)
            via_put_item(via, row->key, address, node, path);
    }
    if (node->fate == CONF_FATE_UNSEEN)
        via_lost(via, node, path, "not a list of PCI devices");
}

/* Two numbers of 64 bits, as they lie in memory; a GUID of Windows lies there otherwise. */
void
xva_read_genid(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    g_auto(GStrv) words = g_strsplit(via_text(node) ? node->text : "", ":", 3);
    guint8 bytes[16], uuid[16];
    char text[37];

    if (has_no_effect(via, node, false))
        return;
    for (int i = 0; i < 2; i++) {
        gint64 number;

        if (g_strv_length(words) != 2 ||
            !g_ascii_string_to_signed(words[i], 10, G_MININT64, G_MAXINT64, &number, NULL)) {
            via_lost(via, node, path, "not two numbers of 64 bits");
            return;
        }
        for (int k = 0; k < 8; k++)
            bytes[i * 8 + k] = (guint8)((guint64)number >> (8 * k));
    }
    for (int i = 0; i < 16; i++)
        uuid[i] = bytes[order[i]];
    conf_uuid_format(uuid, text);
    via_put(via, row->key, text, node, path);
}

static void
set_bios_strings(ConfDomain *def, const char *text)
{
    g_auto(GStrv) pairs = g_strsplit(text, "\n", -1);

    conf_domain_set_bios_strings(def, (const char *const *)pairs);
}

/* Those that XenServer sets itself say nothing about the machine that was bought. */
void
xva_read_bios_strings(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autoptr(GString) pairs = g_string_new(NULL);

    for (guint i = 0; node->kind == CONF_NODE_GROUP && i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        const char *value = via_text(item);

        if (value == NULL) {
            conf_node_mark(item, CONF_FATE_DEFAULT);
        } else if (!xva_is_hvm(via_native(via))) {
            conf_node_mark(item, CONF_FATE_DEFAULT);
        } else if (conf_bios_string_find(item->key) && !strchr(value, '\n')) {
            g_autofree char *clean = conf_xml_clean(value);

            g_string_append_printf(pairs, "%s%s\n%s", pairs->len ? "\n" : "", item->key, clean);
            conf_node_mark(item, CONF_FATE_CARRIED);
        } else {
            g_autofree char *below = g_strdup_printf("%s/%s", path, item->key);

            via_keep(via, item, below);
        }
    }
    if (pairs->len)
        via_after(via, set_bios_strings, pairs->str);
}

/* ---- disks ---- */

static char *
target_name(bool hvm, gint64 number)
{
    const char *prefix = hvm && number < 4 ? "hd" : "xvd";

    if (number < 26)
        return g_strdup_printf("%s%c", prefix, (char)('a' + number));
    return g_strdup_printf("%s%c%c", prefix, (char)('a' + number / 26 - 1),
                           (char)('a' + number % 26));
}

char *
xva_target(const ConfNative *native, const ConfNode *vbd)
{
    const char *device = vbd->kind == CONF_NODE_GROUP ? via_find_text(vbd, "userdevice") : NULL;
    const char *type = vbd->kind == CONF_NODE_GROUP ? via_find_text(vbd, "type") : NULL;
    gint64 number;

    if (type && strcmp(type, "Floppy") == 0)
        return g_strdup("fda");
    if (device == NULL || strcmp(device, "autodetect") == 0)
        device = vbd->kind == CONF_NODE_GROUP ? via_find_text(vbd, "device") : NULL;
    if (device == NULL)
        return NULL;
    if (!g_ascii_string_to_signed(device, 10, 0, MAX_USERDEVICE - 1, &number, NULL))
        return strspn(device, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(device)
                   ? g_strdup(device)
                   : NULL;
    return target_name(xva_is_hvm(native), number);
}

static bool
has_disk(const ConfNode *vbd)
{
    const ConfNode *vdi = vbd->kind == CONF_NODE_GROUP ? conf_node_find(vbd, "VDI") : NULL;
    const char *type = vdi ? via_find_text(vbd, "type") : NULL;

    return vdi && vdi->kind == CONF_NODE_GROUP && !via_is_on(vbd, "empty") &&
           g_strcmp0(type, "Disk") == 0;
}

/* No name of a VM leads out of the folder. */
static char *
disk_path(const ConfNative *native, const char *target, const char *ref)
{
    const char *known = native->disk_paths && ref ? g_hash_table_lookup(native->disk_paths, ref)
                                                  : NULL;
    const char *name = via_find_text(native->root, "name_label");
    const char *format = native->disk_format ? native->disk_format : "raw";
    g_autofree char *clean = conf_xml_clean(name ? name : "vm");
    g_autofree char *file = g_strdup_printf("%s-%s.%s", clean, target, format);

    if (known)
        return g_strdup(known);
    g_strdelimit(file, "/\n\r\t", '_');
    if (*file == '.')
        *file = '_';
    return g_build_filename(native->disk_dir ? native->disk_dir : XVA_DISK_DIR, file, NULL);
}

void
xva_read_disk(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const ConfNative *native = via_native(via);
    g_autofree char *target = xva_target(native, node);
    g_autofree char *head = NULL, *file = NULL, *tail = NULL;
    bool cd = node->kind == CONF_NODE_GROUP && g_strcmp0(via_find_text(node, "type"), "CD") == 0;
    bool disk = has_disk(node);
    g_autofree char *vdi_path = g_strconcat(path, "/VDI", NULL);

    if (target == NULL) {
        via_lost(via, node, path, "a disk without a number or a name in the guest");
        return;
    }
    if (!disk && !cd) {
        via_lost(via, node, path, "an empty drive, and not one of CDs");
        return;
    }
    head = g_strdup_printf("vdev=%s,format=%s%s", target,
                           disk ? (native->disk_format ? native->disk_format : "raw") : "empty",
                           cd ? ",devtype=cdrom" : "");
    file = disk ? disk_path(native, target, conf_node_find(node, "VDI")->text) : NULL;
    tail = file ? g_strconcat(",target=", file, NULL) : NULL;
    via_device(via, row, node, path, head, tail);
    if (disk && native->disk_dir == NULL)
        via_remark(via, conf_node_find(node, "VDI"), vdi_path,
                   "the archive has its blocks: --extract-disks writes them to a file; %s is "
                   "where this definition looks for it",
                   file);
    else if (!disk && conf_node_find(node, "VDI") &&
             conf_node_find(node, "VDI")->kind == CONF_NODE_GROUP)
        via_remark(via, conf_node_find(node, "VDI"), vdi_path,
                   "the drive is empty here: the archive has no image of its medium");
}

/* A reference that leads to no record of the archive. The record itself has rows of its own. */
void
xva_read_ref(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (node->kind != CONF_NODE_GROUP)
        conf_node_mark(node, CONF_FATE_RUNTIME);
}

/* What of a record no other row has taken is of that pool only. */
void
xva_read_rest_runtime(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (node->kind != CONF_NODE_GROUP)
        conf_node_mark(node, CONF_FATE_RUNTIME);
    for (guint i = 0; node->items && i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        g_autofree char *plain = g_strdup_printf("%s/%s", row->path, item->key ? item->key : "");

        if (item->fate == CONF_FATE_UNSEEN && !via_knows(via, plain))
            conf_node_mark(item, CONF_FATE_RUNTIME);
    }
}

void
xva_read_mode(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *mode = via_text(node);

    if (mode && strcmp(mode, "RO") == 0)
        via_put(via, row->key, "ro", node, path);
    else if (mode && strcmp(mode, "RW") == 0)
        via_put(via, row->key, "rw", node, path);
    else
        via_lost(via, node, path, "neither RO nor RW");
}

/* XenServer boots a PV guest from the disk that says so; here it is the first one. */
void
xva_read_bootable(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on, first = g_str_has_prefix(path, "VBDs[0]/");

    if (!via_get_bool(node, &on))
        via_lost(via, node, path, "neither true nor false");
    else if (!on || first || xva_is_hvm(via_native(via)))
        conf_node_mark(node, on ? CONF_FATE_CARRIED : CONF_FATE_DEFAULT);
    else
        via_lost(via, node, path, "a PV domain boots from its first disk");
}

/* ---- interfaces ---- */

/* qos_algorithm_params: {kbps, timeslice_us}; the algorithm is "ratelimit". KB are kilobytes. */
void
xva_read_rate(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *slice = node->kind == CONF_NODE_GROUP ? via_find_text(node, "timeslice_us") : NULL;
    ConfNode *rate = node->kind == CONF_NODE_GROUP ? conf_node_find(node, "kbps") : NULL;
    g_autofree char *text = NULL;
    gint64 kbps;

    if (!via_get_number(rate, &kbps) || kbps <= 0 || kbps > G_MAXINT32) {
        via_keep(via, node, path);
        return;
    }
    text = g_strdup_printf("%dKB/s%s%s%s", (int)kbps, slice ? "@" : "", slice ? slice : "",
                           slice ? "us" : "");
    via_put(via, row->key, text, node, path);
}

/* ---- the whole ---- */

void
xva_finish(Via *via)
{
    const ConfNative *native = via_native(via);

    via_put(via, "type", xva_is_hvm(native) ? "hvm" : "pv", NULL, "domain_type");
    /* Each HVM guest of XenServer has a display in its console window. */
    if (xva_is_hvm(native))
        via_put(via, "vnc", "1", NULL, "consoles");
}

/* ---- for who reads archives ---- */

gboolean
conf_xva_wants_autostart(const ConfNative *native)
{
    return via_is_on(native->root, "other_config/auto_poweron");
}

char *
conf_native_aside(const ConfNative *native)
{
    const char *name = via_find_text(native->root, "name_label");

    if (native->format != CONF_FORMAT_XVA)
        return NULL;
    if (via_is_on(native->root, "is_a_snapshot"))
        return g_strdup_printf("'%s': a snapshot", name ? name : "");
    if (via_is_on(native->root, "is_control_domain"))
        return g_strdup_printf("'%s': a control domain", name ? name : "");
    if (via_is_on(native->root, "is_a_template"))
        return g_strdup_printf("'%s': a template", name ? name : "");
    return NULL;
}

void
conf_xva_disk_free(ConfXvaDisk *disk)
{
    if (disk == NULL)
        return;
    g_free(disk->ref);
    g_free(disk->target);
    g_free(disk->path);
    g_free(disk);
}

GPtrArray *
conf_native_disks(const ConfNative *native)
{
    GPtrArray *disks = g_ptr_array_new_with_free_func((GDestroyNotify)conf_xva_disk_free);
    const ConfNode *vbds = conf_node_find(native->root, "VBDs");

    for (guint i = 0; vbds && vbds->items && i < vbds->items->len; i++) {
        const ConfNode *vbd = vbds->items->pdata[i];
        g_autofree char *target = xva_target(native, vbd);
        ConfXvaDisk *disk;
        gint64 size;

        if (target == NULL || !has_disk(vbd) || conf_node_find(vbd, "VDI")->text == NULL ||
            !via_get_number(via_find(vbd, "VDI/virtual_size"), &size) || size <= 0)
            continue;
        disk = g_new0(ConfXvaDisk, 1);
        disk->ref = g_strdup(conf_node_find(vbd, "VDI")->text);
        disk->size = (guint64)size;
        disk->target = g_steal_pointer(&target);
        disk->path = disk_path(native, disk->target, disk->ref);
        g_ptr_array_add(disks, disk);
    }
    return disks;
}
