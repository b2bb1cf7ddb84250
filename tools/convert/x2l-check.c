/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of one domain: does what it names exist? */
#include "x2l-check.h"

#include "x2l-ifcfg.h"

#include <errno.h>
#include <string.h>

static const X2lProblem problems[] = {
    { "unreadable", "Files that could not be read or converted", X2L_SEVERE, TRUE, NULL },
    { "refused", "Domains that libvirt refused", X2L_SEVERE, TRUE, NULL },
    { "duplicate", "Two domains of one name or uuid", X2L_SEVERE, TRUE,
      "rename one of them, or move its file away" },
    { "conflict", "Name or uuid belong to another domain", X2L_SEVERE, TRUE,
      "rename one of them, or undefine the one that is there" },
    { "shadowed", "Files that xend's store replaces", X2L_WARNING, FALSE,
      "remove the file if it is an old one; if it is the newer one, 'xm delete' the managed "
      "domain" },
    { "auto-copy", "Copies instead of links in auto/", X2L_WARNING, FALSE,
      "make it a link to the file" },
    { "image-missing", "Disk images that are not there", X2L_SEVERE, FALSE,
      "bring the image along before the domain starts, or correct its path" },
    { "device-missing", "Block devices that are not there", X2L_SEVERE, FALSE,
      "attach the disk, or give the domain its new name; names below /dev/disk/by-id last" },
    { "volume-missing", "Logical volumes that are not there", X2L_SEVERE, FALSE,
      "attach the disks of the volume group and run 'vgchange -ay', or make the volume anew" },
    { "disk-kind", "Disks of another kind than the config says", X2L_SEVERE, FALSE,
      "phy: is for block devices, file: and tap: are for files" },
    { "bring-along", "Files that are on the old host only", X2L_NOTE, FALSE,
      "copy it to the same path on the new host" },
    { "device-name", "Device names that change", X2L_NOTE, FALSE,
      "use its name below /dev/disk/by-id, which stays" },
    { "kernel-missing", "Kernels and ramdisks that are not there", X2L_SEVERE, FALSE,
      "bring the file along, or let the guest boot its own kernel with pygrub" },
    { "firmware-missing", "Firmware and loaders that are not there", X2L_SEVERE, FALSE,
      "bring the file along, or leave it out: libxl knows its own" },
    { "xen-file", "Files of the old Xen", X2L_WARNING, FALSE,
      "the new Xen keeps it elsewhere: take the element out and libxl finds its own" },
    { "domuloader", "domUloader is gone", X2L_SEVERE, FALSE, NULL },
    { "domuloader-replaced", "domUloader became pygrub", X2L_WARNING, FALSE,
      "start the guest once while you watch its console: pygrub reads the boot menu (GRUB) in the "
      "first disk, or the files that its arguments name" },
    { "bootloader-missing", "Boot loaders that are not there", X2L_SEVERE, FALSE,
      "install Xen's tools, or say 'pygrub' without a path and libxl finds its own" },
    { "bridge-missing", "Bridges that are not there", X2L_SEVERE, FALSE,
      "make the bridge (see the plan) before the domain starts" },
    { "backend-missing", "Driver domains that are not there", X2L_WARNING, FALSE,
      "import that domain too, and start it first" },
    { "pci-missing", "PCI devices that are not there", X2L_SEVERE, FALSE,
      "find the device's address on the new host with lspci" },
    { "memory", "More memory than the host has", X2L_SEVERE, FALSE, "give the domain less memory" },
    { "memory-sum", "More memory than the host has, altogether", X2L_WARNING, FALSE,
      "not all of them can run at the same time" },
    { "vcpus", "More processors than the host has", X2L_WARNING, FALSE,
      "the domain starts, but its processors share those of the host" },
    { "cpu-pinning", "Pinned to processors that are not there", X2L_SEVERE, FALSE,
      "change cpuset to processors of the new host" },
    { "mac-duplicate", "Two interfaces of one MAC address", X2L_WARNING, FALSE,
      "give one of them another address" },
    { "disk-shared", "Disks of two domains", X2L_WARNING, FALSE,
      "never run both at the same time, or mark the disk as shareable (w!) if its file system is "
      "made for that" },
    { "vnc-port", "Two domains with one VNC display", X2L_WARNING, FALSE,
      "the second one that starts fails: let libvirt choose (autoport)" },
    { "host-config", "The old host's own configuration", X2L_WARNING, FALSE, NULL },
    { "bridge-name", "Bridges to look at", X2L_WARNING, FALSE, NULL },
    { "auto-read-as", "Files that xl and xm read alike", X2L_NOTE, FALSE,
      "say -f xen-xl or -f xen-xm where that is wrong" },
};

const char *
x2l_severity_word(X2lSeverity severity)
{
    static const char *const words[] = {
        [X2L_NOTE] = "note", [X2L_WARNING] = "warning", [X2L_SEVERE] = "error"
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(words) == X2L_N_SEVERITIES);

    return words[severity];
}

static void
finding_free(gpointer data)
{
    X2lFinding *finding = data;

    g_free(finding->text);
    g_free(finding->advice);
    g_free(finding);
}

GPtrArray *
x2l_findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

const char *
x2l_finding_advice(const X2lFinding *finding)
{
    return finding->advice ? finding->advice : finding->problem->advice;
}

static const X2lProblem *
find_problem(const char *code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(problems); i++) {
        if (g_str_equal(problems[i].code, code))
            return &problems[i];
    }
    g_assert_not_reached();
}

void
x2l_find(GPtrArray *findings, const char *code, X2lDomain *domain, const char *format, ...)
{
    X2lFinding *finding = g_new0(X2lFinding, 1);
    va_list args;

    finding->problem = find_problem(code);
    finding->domain = domain;
    va_start(args, format);
    finding->text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(findings, finding);
    if (domain) {
        domain->n_findings[finding->problem->severity]++;
        domain->blocked |= finding->problem->blocks;
    }
}

static void
advise(GPtrArray *findings, char *advice)
{
    ((X2lFinding *)findings->pdata[findings->len - 1])->advice = advice;
}

void
x2l_world_clear(X2lWorld *world)
{
    g_clear_pointer(&world->bridges, g_hash_table_unref);
}

/* ---- paths ---- */

typedef struct Checking {
    const X2lWorld *world;
    GPtrArray *findings;
    X2lDomain *domain;
    GHashTable *paths; /* path -> Found: kernels and bridges are shared by many domains */
} Checking;

typedef enum Where { WHERE_NOWHERE, WHERE_HERE, WHERE_OLD_HOST } Where;

typedef struct Found {
    Where where;
    mode_t mode;
} Found;

static Found
look_up(const Checking *c, const char *path)
{
    const X2lRoot *root = c->world->root;
    gboolean foreign = root && !x2l_root_is_slash(root);
    g_autofree char *real = NULL;
    struct stat st;

    /* On this machine it is what the new host sees; below DIR it is still to be brought along. */
    if (c->world->local && stat(path, &st) == 0)
        return (Found){ WHERE_HERE, st.st_mode };
    if (foreign)
        real = x2l_root_resolve(root, path, &st);
    if (real)
        return (Found){ WHERE_OLD_HOST, st.st_mode };
    return (Found){ WHERE_NOWHERE, 0 };
}

static Found
locate(const Checking *c, const char *path)
{
    Found *found = g_hash_table_lookup(c->paths, path);

    if (!found) {
        Found now = look_up(c, path);

        found = g_memdup2(&now, sizeof now);
        g_hash_table_insert(c->paths, g_strdup(path), found);
    }
    return *found;
}

/* Whether a path can be looked up at all: on another host than this one only what was brought along
 * can. */
static gboolean
can_look(const Checking *c)
{
    return c->world->local || (c->world->root && !x2l_root_is_slash(c->world->root));
}

static void
note_old(const Checking *c, const char *what, const char *path)
{
    x2l_find(c->findings, "bring-along", c->domain, "%s: %s is below %s", what, path,
             x2l_root_dir(c->world->root));
}

/* ---- disks ---- */

/* The volume group and volume of /dev/VG/LV or /dev/mapper/VG-LV; FALSE: it is no such path. */
static gboolean
split_volume(const char *path, char **ret_group, char **ret_volume)
{
    static const char *const others[] = { "disk", "block", "md",   "shm",   "pts",
                                          "loop", "drbd",  "zvol", "cciss", "ida",
                                          "rd",   "nbd",   "xvd",  "input", NULL };
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    guint n = g_strv_length(parts);

    if (n != 4 || !g_str_equal(parts[1], "dev"))
        return FALSE;
    if (g_str_equal(parts[2], "mapper")) {
        /* A dash of a name itself is doubled there. */
        const char *dash = parts[3];

        while ((dash = strchr(dash, '-')) && dash[1] == '-')
            dash += 2;
        if (!dash || dash == parts[3] || !dash[1])
            return FALSE;
        *ret_group = g_strndup(parts[3], (gsize)(dash - parts[3]));
        *ret_volume = g_strdup(dash + 1);
        return TRUE;
    }
    if (g_strv_contains((const char *const *)others, parts[2]))
        return FALSE;
    *ret_group = g_strdup(parts[2]);
    *ret_volume = g_strdup(parts[3]);
    return TRUE;
}

/* LVM keeps a copy of what is in a group on the system's own disk. */
static char *
volume_advice(const Checking *c, const char *group, const char *volume)
{
    g_autofree char *path = g_build_filename("/etc/lvm/backup", group, NULL);
    g_autofree char *text = NULL, *line = NULL;
    gsize len;

    if (!c->world->root || strchr(group, '/') || g_str_equal(group, ".."))
        return NULL;
    text = x2l_root_read(c->world->root, path, &len, NULL, NULL);
    if (!text)
        return NULL;
    line = g_strdup_printf("%s {", volume);
    if (!strstr(text, line))
        return g_strdup_printf("the old host's %s does not know a volume '%s'", path, volume);
    return g_strdup_printf("the old host's %s knows it: attach the disks of the group and run "
                           "'vgchange -ay %s'",
                           path, group);
}

static void
missing_disk(const Checking *c, const ConfDisk *disk)
{
    g_autofree char *group = NULL, *volume = NULL;
    gboolean device = g_str_has_prefix(disk->source, "/dev/");

    if (split_volume(disk->source, &group, &volume)) {
        x2l_find(c->findings, "volume-missing", c->domain, "%s: %s (volume %s of group %s)",
                 disk->target, disk->source, volume, group);
        advise(c->findings, volume_advice(c, group, volume));
    } else {
        x2l_find(c->findings, device ? "device-missing" : "image-missing", c->domain, "%s: %s",
                 disk->target, disk->source);
    }
}

/* /dev/sdb and the like: the kernel numbers them as it finds them. */
static gboolean
is_counted_device(const char *path)
{
    static const char *const prefixes[] = { "/dev/sd", "/dev/hd", "/dev/xvd", "/dev/nvme" };

    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(path, prefixes[i]))
            return TRUE;
    }
    return FALSE;
}

static gboolean
has_script(const Checking *c, const ConfDisk *disk)
{
    const GPtrArray *keys = c->domain->ext && disk->target
                                ? conf_xl_ext_device(c->domain->ext, disk->target)
                                : NULL;

    return keys && conf_xl_keys_get(keys, "script");
}

static void
check_disk(const Checking *c, const ConfDisk *disk)
{
    gboolean block = disk->type == CONF_DISK_TYPE_BLOCK;
    Found found;

    if (!disk->source || disk->source[0] != '/' || disk->backenddomain)
        return;
    if (disk->type != CONF_DISK_TYPE_FILE && !block)
        return;
    /* What its script makes of the text is the script's affair. */
    if (has_script(c, disk))
        return;
    if (is_counted_device(disk->source))
        x2l_find(c->findings, "device-name", c->domain, "%s: %s", disk->target, disk->source);
    if (!can_look(c))
        return;
    found = locate(c, disk->source);
    if (found.where == WHERE_NOWHERE)
        missing_disk(c, disk);
    else if (block && !S_ISBLK(found.mode))
        x2l_find(c->findings, "disk-kind", c->domain, "%s: %s is no block device", disk->target,
                 disk->source);
    else if (!block && !S_ISREG(found.mode))
        x2l_find(c->findings, "disk-kind", c->domain, "%s: %s is no regular file", disk->target,
                 disk->source);
    else if (found.where == WHERE_OLD_HOST)
        note_old(c, disk->target, disk->source);
}

/* ---- what boots ---- */

static void
check_file(const Checking *c, const char *what, const char *path, const char *code)
{
    Found found;

    if (!path || path[0] != '/' || !can_look(c))
        return;
    found = locate(c, path);
    if (found.where == WHERE_OLD_HOST)
        note_old(c, what, path);
    else if (found.where == WHERE_NOWHERE)
        x2l_find(c->findings, code, c->domain, "%s: %s", what, path);
}

static gboolean
has_name(const char *path, const char *name)
{
    g_autofree char *base = path ? g_path_get_basename(path) : NULL;

    return base && g_str_has_prefix(base, name);
}

/* "--entry=xvda1:/boot/vmlinuz,/boot/initrd" of SUSE's domUloader, in pygrub's words. */
static char *
pygrub_advice(const char *args)
{
    const char *entry = args ? strstr(args, "--entry=") : NULL;
    g_auto(GStrv) parts = NULL;
    const char *files;

    if (!entry)
        return g_strdup(
            "set <bootloader>pygrub</bootloader> and no <bootloader_args>; the guest needs a "
            "boot menu (GRUB) in its disk");
    entry += strlen("--entry=");
    parts = g_strsplit_set(entry, " \t", 2);
    files = strchr(parts[0], ':') ? strchr(parts[0], ':') + 1 : parts[0];
    g_auto(GStrv) names = g_strsplit(files, ",", 3);
    if (!names[0])
        return NULL;
    return g_strdup_printf(
        "set <bootloader>pygrub</bootloader> and <bootloader_args>--kernel=%s%s%s"
        "</bootloader_args>, or leave the arguments out where the guest has a boot "
        "menu (GRUB) in its disk; or give it grub-xen as <kernel> (grub2-x86_64-xen)",
        names[0], names[1] ? " --ramdisk=" : "", names[1] ? names[1] : "");
}

/* The reader of sxp put pygrub in its place and said so. */
static void
check_replaced(const Checking *c)
{
    const GPtrArray *rows = c->domain->report->rows;

    for (guint i = 0; i < rows->len; i++) {
        const ConfReportRow *row = rows->pdata[i];

        if (row->outcome == CONF_OUTCOME_CHANGED && row->value && strstr(row->value, "domUloader"))
            x2l_find(c->findings, "domuloader-replaced", c->domain, "%s: %s", row->path,
                     row->value);
    }
}

/* Files that each Xen brings along are missing where there is none, which says nothing. */
static gboolean
knows_xen(const Checking *c)
{
    return c->world->asked && c->world->local;
}

static void
check_bootloader(const Checking *c, const ConfDomain *def)
{
    const char *bootloader = def->bootloader;
    Found found;

    if (has_name(bootloader, "domUloader")) {
        x2l_find(c->findings, "domuloader", c->domain,
                 "the boot loader is SUSE's domUloader, which no Xen of today has");
        advise(c->findings, pygrub_advice(def->bootloader_args));
        return;
    }
    check_replaced(c);
    if (!bootloader || bootloader[0] != '/' || !knows_xen(c))
        return;
    found = locate(c, bootloader);
    if (found.where != WHERE_HERE)
        x2l_find(c->findings, "bootloader-missing", c->domain, "%s", bootloader);
}

/* Each Xen brings these along, in folders that change with its version. */
static void
check_xen_file(const Checking *c, const char *what, const char *path)
{
    if (path && path[0] == '/' && knows_xen(c) && locate(c, path).where != WHERE_HERE)
        x2l_find(c->findings, "xen-file", c->domain, "%s: %s", what, path);
}

static void
check_boot(const Checking *c, const ConfDomain *def)
{
    check_bootloader(c, def);
    check_file(c, "kernel", def->os.kernel, "kernel-missing");
    check_file(c, "ramdisk", def->os.initrd, "kernel-missing");
    if (has_name(def->os.loader, "hvmloader"))
        check_xen_file(c, "loader", def->os.loader);
    else
        check_file(c, "loader", def->os.loader, "firmware-missing");
    for (guint i = 0; i < def->os.acpi_tables->len; i++)
        check_file(c, "ACPI table", ((ConfAcpiTable *)def->os.acpi_tables->pdata[i])->path,
                   "firmware-missing");
    check_xen_file(c, "emulator", def->emulator);
}

/* ---- the rest ---- */

static void
check_bridges(const Checking *c, const ConfDomain *def)
{
    for (guint i = 0; c->world->bridges && i < def->interfaces->len; i++) {
        const ConfInterface *iface = def->interfaces->pdata[i];

        if (iface->source_bridge && !iface->backenddomain &&
            !g_hash_table_contains(c->world->bridges, iface->source_bridge))
            x2l_find(c->findings, "bridge-missing", c->domain, "interface %u: %s", i + 1,
                     iface->source_bridge);
    }
}

static void
check_hostdevs(const Checking *c, const ConfDomain *def)
{
    for (guint i = 0; c->world->asked && c->world->local && i < def->hostdevs->len; i++) {
        const ConfHostdev *dev = def->hostdevs->pdata[i];
        g_autofree char *address = NULL, *path = NULL;

        if (!dev->type || !g_str_equal(dev->type, "pci"))
            continue;
        address = g_strdup_printf("%04x:%02x:%02x.%x", (unsigned)dev->domain.value,
                                  (unsigned)dev->bus.value, (unsigned)dev->slot.value,
                                  (unsigned)dev->function.value);
        path = g_build_filename("/sys/bus/pci/devices", address, NULL);
        if (locate(c, path).where != WHERE_HERE)
            x2l_find(c->findings, "pci-missing", c->domain, "%s", address);
    }
}

static void
check_pin(const Checking *c, const char *what, const ConfBitmap *cpus)
{
    if (!cpus || !c->world->cpus || conf_bitmap_count(cpus) == 0)
        return;
    for (unsigned i = 0; i < c->world->cpus; i++) {
        if (conf_bitmap_get(cpus, i))
            return;
    }
    g_autofree char *text = conf_bitmap_format(cpus);
    x2l_find(c->findings, "cpu-pinning", c->domain, "%s: %s, and the host has 0-%u", what, text,
             c->world->cpus - 1);
}

static void
check_size(const Checking *c, const ConfDomain *def)
{
    const X2lWorld *world = c->world;

    if (world->memory_kib && conf_domain_current_memory(def) > world->memory_kib)
        x2l_find(c->findings, "memory", c->domain,
                 "%" G_GUINT64_FORMAT " MiB, and the host has %" G_GUINT64_FORMAT " MiB",
                 conf_domain_current_memory(def) >> 10, world->memory_kib >> 10);
    if (world->cpus && def->vcpus_max > world->cpus)
        x2l_find(c->findings, "vcpus", c->domain, "%u, and the host has %u", def->vcpus_max,
                 world->cpus);
    check_pin(c, "all vcpus", def->cpuset);
    for (guint i = 0; i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = def->cputune.vcpupin->pdata[i];
        g_autofree char *what = g_strdup_printf("vcpu %u", pin->vcpu);

        check_pin(c, what, pin->cpuset);
    }
}

static void
check_domain(const Checking *c)
{
    const ConfDomain *def = c->domain->def;

    for (guint i = 0; i < def->disks->len; i++)
        check_disk(c, def->disks->pdata[i]);
    check_boot(c, def);
    check_bridges(c, def);
    check_hostdevs(c, def);
    check_size(c, def);
}

void
x2l_check_all(const GPtrArray *domains, const X2lWorld *world, GPtrArray *findings)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Checking c = { .world = world, .findings = findings, .paths = paths };

    for (guint i = 0; i < domains->len; i++) {
        c.domain = domains->pdata[i];
        if (!c.domain->same_as)
            check_domain(&c);
    }
    x2l_check_across(domains, world, findings);
}
