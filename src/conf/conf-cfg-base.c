/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: type, identity, memory, boot, features and clock of a domain, both directions. */
#include "conf-cfg.h"

#include <string.h>

#define MAX_MIB        (INT64_C(1) << 40)
#define XL_DEFAULT_MIB 32  /* what libxl takes where a config has neither memory= nor maxmem= */
#define XM_DEFAULT_MIB 128 /* the default of xm create */

static const struct GuestWords {
    CfgGuest guest;
    ConfOsType os;
    const char *xl_type;
    const char *xm_builder;
    const char *machine;
} guest_words[] = {
    { CFG_PV, CONF_OS_LINUX, "pv", "linux", "xenpv" },
    { CFG_HVM, CONF_OS_HVM, "hvm", "hvm", "xenfv" },
    { CFG_PVH, CONF_OS_XENPVH, "pvh", NULL, "xenpvh" },
};

static const CfgName builder_words[] = {
    { "pv", "pv" },    { "hvm", "hvm" },   { "pvh", "pvh" }, { "generic", "pv" },
    { "linux", "pv" }, { "pvgrub", "pv" }, { NULL, NULL },
};

/* ---- identity ---- */

/* type= and builder=; type= stands first in the table and wins. */
gboolean
cfg_read_type(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    if (g_str_equal(key->name, "builder") && r->parts.type) {
        cfg_report(r, node, key->name, CONF_OUTCOME_DEFAULT, "type= says it too, and wins");
        return TRUE;
    }
    for (const CfgName *word = builder_words; word->word; word++) {
        if (!g_str_equal(word->word, text))
            continue;
        conf_set_string(&r->parts.type, word->value);
        for (size_t i = 0; i < G_N_ELEMENTS(guest_words); i++) {
            if (g_str_equal(guest_words[i].xl_type, word->value))
                r->guest = guest_words[i].guest;
        }
        return TRUE;
    }
    cfg_error(r, node, key->name, error, CONF_ERROR_INVALID,
              "'%s' is no kind of domain: pv, pvh or hvm", text);
    return FALSE;
}

gboolean
cfg_read_name(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    if (*text == '\0' || strpbrk(text, "\n\r")) {
        cfg_error(r, node, key->name, error, CONF_ERROR_INVALID,
                  *text ? "a name of a domain can't have more than one line"
                        : "the name of the domain is empty");
        return FALSE;
    }
    conf_set_string(&r->def->name, text);
    if (strchr(text, '/')) {
        g_strdelimit(r->def->name, "/", '_');
        cfg_report(r, node, key->name, CONF_OUTCOME_CHANGED,
                   "libvirt allows no '/' in a name: the domain is called %s", r->def->name);
    }
    return TRUE;
}

gboolean
cfg_read_uuid(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    if (*text == '\0') {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return TRUE;
    }
    if (!conf_uuid_parse(text, r->def->uuid)) {
        cfg_error(r, node, key->name, error, CONF_ERROR_INVALID,
                  "'%s' is no UUID: 32 hexadecimal digits, with or without dashes", text);
        return FALSE;
    }
    r->def->uuid_set = true;
    return TRUE;
}

void
cfg_write_uuid(CfgWriter *w, const CfgKey *key)
{
    char text[37];

    if (!w->def->uuid_set)
        return;
    conf_uuid_format(w->def->uuid, text);
    cfg_put_string(w, key->name, text);
}

static gboolean
join_identity(CfgReader *r, GError **error)
{
    ConfDomain *def = r->def;
    CfgParts *parts = &r->parts;

    if (def->name == NULL) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                    "%s:1:1: name: missing: every domain needs a name",
                    r->native->file ? r->native->file : "(input)");
        return FALSE;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(guest_words); i++) {
        if (guest_words[i].guest == r->guest) {
            def->os.type = guest_words[i].os;
            conf_set_string(&def->os.machine, guest_words[i].machine);
        }
    }
    if (parts->description || parts->ovm_description)
        conf_set_string(&def->description,
                        parts->description ? parts->description : parts->ovm_description);
    if (parts->genid && !g_str_equal(parts->genid, "none")) {
        uint8_t id[16];
        char text[37] = "";

        if (conf_uuid_parse(parts->genid, id))
            conf_uuid_format(id, text);
        else if (!g_str_equal(parts->genid, "generate")) {
            cfg_report_key(r, "ms_vm_genid", CONF_OUTCOME_LOST,
                           "expected generate, none or a UUID");
            return TRUE;
        }
        conf_set_string(&def->genid, text);
    }
    if (parts->seclabel && *parts->seclabel) {
        ConfSeclabel *label = conf_seclabel_new();

        conf_set_string(&label->type, "static");
        conf_set_string(&label->model, "flask");
        conf_set_string(&label->label, parts->seclabel);
        g_ptr_array_add(def->seclabels, label);
    }
    return TRUE;
}

/* ---- memory ---- */

static gboolean
check_mib(CfgReader *r, const char *key, ConfOptInt *value, GError **error)
{
    if (!value->set)
        return TRUE;
    if (value->value > 0 && value->value <= MAX_MIB)
        return TRUE;
    if (value->value == 0 && g_str_equal(key, "maxmem")) {
        value->set = false; /* xm: "as memory" */
        return TRUE;
    }
    cfg_error(r, cfg_node(r, key), key, error, CONF_ERROR_INVALID,
              "expected a number of MiB above 0, found %" G_GINT64_FORMAT, value->value);
    return FALSE;
}

static gboolean
join_memory(CfgReader *r, GError **error)
{
    ConfOptInt memory = r->parts.memory, maxmem = r->parts.maxmem;

    if (!check_mib(r, "memory", &memory, error) || !check_mib(r, "maxmem", &maxmem, error))
        return FALSE;
    if (!memory.set && !maxmem.set) {
        memory = (ConfOptInt){ true, r->who == CFG_XM ? XM_DEFAULT_MIB : XL_DEFAULT_MIB };
        conf_report_add(r->report, CONF_OUTCOME_DEFAULT, 0, 0, "memory", NULL,
                        "not given: the default of %s, %" G_GINT64_FORMAT " MiB",
                        r->who == CFG_XM ? "xm" : "xl", memory.value);
    }
    if (!memory.set)
        memory = maxmem;
    if (maxmem.set && maxmem.value < memory.value) {
        cfg_report_key(r, "maxmem", CONF_OUTCOME_CHANGED,
                       "less than memory=, which is taken as the maximum");
        maxmem = memory;
    }
    r->def->memory_kib = (uint64_t)(maxmem.set ? maxmem.value : memory.value) * 1024;
    r->def->cur_memory_kib = (uint64_t)memory.value * 1024;
    return TRUE;
}

static void
split_memory(CfgWriter *w)
{
    /* xl counts MiB, the model KiB; libxl rounds up too. */
    w->parts.memory = (ConfOptInt){ true,
                                    (int64_t)((conf_domain_current_memory(w->def) + 1023) / 1024) };
    w->parts.maxmem = (ConfOptInt){ true, (int64_t)((w->def->memory_kib + 1023) / 1024) };
    if (w->parts.maxmem.value == w->parts.memory.value)
        w->parts.maxmem.set = false;
}

/* ---- booting ---- */

static void
append_word(GString *line, const char *prefix, const char *word)
{
    if (word == NULL || *word == '\0')
        return;
    g_string_append_printf(line, "%s%s%s", line->len ? " " : "", prefix, word);
}

static bool
is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

static const char *
or_empty(const char *text)
{
    return text ? text : "";
}

/* xm create makes the kernel's own ip= out of these: client:server:gateway:netmask:hostname:
 * interface:autoconf. Only ip= and dhcp= make it happen. */
static void
append_ip(CfgReader *r, GString *line)
{
    CfgParts *p = &r->parts;
    const char *dhcp = p->dhcp ? p->dhcp : "off";
    static const char *const keys[] = { "netmask", "gateway", "hostname", "interface" };

    if ((p->ip == NULL || *p->ip == '\0') && g_str_equal(dhcp, "off")) {
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
            cfg_report_key(r, keys[i], CONF_OUTCOME_DEFAULT, "xm uses it with ip= or dhcp= only");
        if (is_empty(p->nfs_root))
            cfg_report_key(r, "nfs_server", CONF_OUTCOME_DEFAULT,
                           "xm uses it with ip=, dhcp= or nfs_root= only");
        return;
    }
    g_autofree char *word = g_strdup_printf(
        "%s:%s:%s:%s:%s:%s:%s", or_empty(p->ip), p->nfs_server ? p->nfs_server : "127.0.255.255",
        or_empty(p->gateway), or_empty(p->netmask), or_empty(p->hostname),
        p->interface ? p->interface : "eth0", dhcp);
    append_word(line, "ip=", word);
}

static void
append_nfs(CfgReader *r, GString *line)
{
    CfgParts *p = &r->parts;

    if (p->nfs_root == NULL || *p->nfs_root == '\0')
        return;
    if (p->nfs_server == NULL || *p->nfs_server == '\0') {
        cfg_report_key(r, "nfs_root", CONF_OUTCOME_LOST, "xm uses it with nfs_server= only");
        return;
    }
    g_autofree char *word = g_strdup_printf("%s:%s", p->nfs_server, p->nfs_root);
    append_word(line, "nfsroot=", word);
}

static void
join_cmdline(CfgReader *r)
{
    CfgParts *p = &r->parts;
    g_autoptr(GString) line = g_string_new(p->cmdline);

    if (p->cmdline) {
        cfg_report_key(r, "root", CONF_OUTCOME_DEFAULT,
                       "cmdline= is there, and xl takes only that");
        cfg_report_key(r, "extra", CONF_OUTCOME_DEFAULT,
                       "cmdline= is there, and xl takes only that");
    } else {
        if (r->who == CFG_XM)
            append_ip(r, line);
        append_word(line, "root=", p->root);
        if (r->who == CFG_XM)
            append_nfs(r, line);
        append_word(line, "", p->extra);
    }
    if (line->len)
        conf_set_string(&r->def->os.cmdline, line->str);
}

/* kernel= of an HVM domain names hvmloader in xend's time, and a kernel to boot in xl's. */
static void
join_kernel(CfgReader *r)
{
    CfgParts *p = &r->parts;
    ConfOs *os = &r->def->os;

    if (p->kernel == NULL || *p->kernel == '\0')
        return;
    bool loader = r->guest == CFG_HVM && (r->who == CFG_XM || strstr(p->kernel, "hvmloader"));
    if (loader && r->who == CFG_XL) {
        cfg_report_key(r, "kernel", CONF_OUTCOME_DEFAULT,
                       "xl always boots HVM domains through its own hvmloader");
        return;
    }
    char **field = loader ? &os->loader : &os->kernel;
    if (loader && os->loader)
        return; /* loader= said it */
    if (p->kernel[0] == '/') {
        conf_set_string(field, p->kernel);
        return;
    }
    g_free(*field);
    *field = loader ? g_strconcat("/usr/lib/xen/boot/", p->kernel, NULL)
                    : conf_path_absolute(p->kernel, r->native->file);
    cfg_report_key(r, "kernel", CONF_OUTCOME_CHANGED,
                   "libvirt needs an absolute path: %s is assumed", *field);
}

/* xl starts no PV domain that has neither; the stock driver takes pygrub. */
static void
assume_bootloader(CfgReader *r)
{
    if (r->guest != CFG_PV || r->def->os.kernel || r->def->bootloader)
        return;
    conf_set_string(&r->def->bootloader, "pygrub");
    conf_report_add(r->report, CONF_OUTCOME_CHANGED, 0, 0, "bootloader", NULL,
                    "neither kernel= nor bootloader= is given, and a PV domain needs one: "
                    "libvirt's default, pygrub, is assumed");
}

static const struct BootWord {
    char letter;
    ConfBootDev dev;
} boot_words[] = {
    { 'a', CONF_BOOT_FD },
    { 'c', CONF_BOOT_HD },
    { 'd', CONF_BOOT_CDROM },
    { 'n', CONF_BOOT_NETWORK },
};

static void
add_boot(ConfOs *os, char letter)
{
    for (size_t i = 0; i < G_N_ELEMENTS(boot_words); i++) {
        if (boot_words[i].letter == letter) {
            ConfBoot *boot = conf_boot_new();

            boot->dev = boot_words[i].dev;
            g_ptr_array_add(os->boot, boot);
        }
    }
}

static void
join_boot(CfgReader *r)
{
    const char *order = r->parts.boot;
    g_autoptr(GString) unknown = g_string_new(NULL);
    bool seen[128] = { false };

    if (r->guest != CFG_HVM)
        return;
    /* Without boot=, xl tries the disk and falls back to the CD; libvirt tries the disk alone. */
    if (order == NULL)
        order = r->def->os.kernel ? "" : r->who == CFG_XL ? "cd" : "c";
    for (const char *letter = order; *letter; letter++) {
        if (strchr("acdn", *letter) == NULL)
            g_string_append_c(unknown, *letter);
        else if (!seen[(unsigned char)*letter]) {
            seen[(unsigned char)*letter] = true;
            add_boot(&r->def->os, *letter);
        }
    }
    if (unknown->len)
        cfg_report_key(r, "boot", CONF_OUTCOME_CHANGED,
                       "libvirt boots from a (floppy), c (disk), d (CD) and n (network): '%s' is "
                       "left out",
                       unknown->str);
}

static void
split_boot(CfgWriter *w)
{
    const ConfOs *os = &w->def->os;
    g_autoptr(GString) order = g_string_new(NULL);

    for (guint i = 0; i < os->boot->len; i++) {
        const ConfBoot *boot = g_ptr_array_index(os->boot, i);

        for (size_t k = 0; k < G_N_ELEMENTS(boot_words); k++) {
            if (boot_words[k].dev == boot->dev)
                g_string_append_c(order, boot_words[k].letter);
        }
    }
    /* libvirt boots from the disk where nothing is said; xl tries the CD, too. */
    if (order->len == 0 && w->guest == CFG_HVM && os->kernel == NULL)
        g_string_append_c(order, 'c');
    if (order->len)
        conf_set_string(&w->parts.boot, order->str);
}

/* ---- firmware ---- */

static bool
is_one_of(const char *text, const char *const *words)
{
    return text && g_strv_contains(words, text);
}

static void
set_loader(CfgReader *r, const char *key, const char *path, bool pflash)
{
    ConfOs *os = &r->def->os;

    g_free(os->loader);
    os->loader = conf_path_absolute(path, r->native->file);
    conf_set_string(&os->loader_type, pflash ? "pflash" : "rom");
    if (pflash)
        conf_set_string(&os->loader_readonly, "yes");
    if (path[0] != '/')
        cfg_report_key(r, key, CONF_OUTCOME_CHANGED,
                       "libvirt needs an absolute path: %s is assumed", os->loader);
}

/* xl knows where its own boot loader for PV domains is: <kernel> is for other drivers. */
static void
join_pvgrub(CfgReader *r, const char *key, const char *word)
{
    static const char *const words[] = { "pvgrub32", "pvgrub64", NULL };

    if (is_empty(word)) {
        cfg_report_key(r, key, CONF_OUTCOME_DEFAULT, "the default");
        return;
    }
    if (r->guest != CFG_PV || !is_one_of(word, words)) {
        cfg_report_key(r, key, CONF_OUTCOME_LOST, "xl has no such firmware for %s domains",
                       cfg_guest_name(r->guest));
        return;
    }
    cfg_carry_instead(r, key);
    if (r->def->os.kernel == NULL)
        r->def->os.kernel = g_strdup_printf("/usr/lib/xen/boot/%s.bin", word);
}

/* bios= and firmware= of an HVM domain share their words; firmware= also takes a path. */
static void
join_firmware(CfgReader *r)
{
    static const char *const uefi[] = { "ovmf", "uefi", NULL };
    static const char *const bios[] = { "bios", "seabios", "", NULL };
    CfgParts *p = &r->parts;
    const char *key = p->bios ? "bios" : cfg_node(r, "firmware") ? "firmware" : "firmware_override";
    const char *word = p->bios ? p->bios : p->firmware;

    if (word == NULL && p->bios_path == NULL)
        return;
    if (r->guest != CFG_HVM) {
        join_pvgrub(r, key, word);
        return;
    }
    if (is_one_of(word, uefi)) {
        if (p->bios_path)
            set_loader(r, "bios_path_override", p->bios_path, true);
        else
            conf_set_string(&r->def->os.firmware, "efi");
        return;
    }
    /* domXML's loader of a BIOS domain is hvmloader, not the BIOS itself. */
    if (p->bios_path)
        cfg_carry_instead(r, "bios_path_override");
    if (g_strcmp0(word, "rombios") == 0)
        conf_xl_keys_set(r->ext->keys, "bios", word);
    else if (is_one_of(word, bios))
        cfg_report_key(r, key, CONF_OUTCOME_DEFAULT, "the default");
    else if (word)
        set_loader(r, key, word, false);
}

static void
split_firmware(CfgWriter *w)
{
    const ConfOs *os = &w->def->os;
    bool pflash = os->loader_type && g_str_equal(os->loader_type, "pflash");

    if (w->guest != CFG_HVM)
        return;
    if (w->who == CFG_XM) {
        conf_set_string(&w->parts.kernel, pflash ? NULL : os->loader);
        return;
    }
    if (pflash || (os->firmware && g_str_equal(os->firmware, "efi"))) {
        conf_set_string(&w->parts.bios, "ovmf");
        if (os->loader)
            conf_set_string(&w->parts.bios_path, os->loader);
    } else if (os->loader && !g_str_has_suffix(os->loader, "/hvmloader"))
        conf_set_string(&w->parts.firmware, os->loader); /* hvmloader is what xl takes anyway */
}

/* ---- bootloader arguments, device model arguments ---- */

typedef struct Joined {
    GString *text;
    bool blanks; /* an item with a blank inside, which one string can't keep apart */
} Joined;

static gboolean
join_items(CfgReader *r, const CfgKey *key, ConfNode *node, Joined *joined, GError **error)
{
    const char *text;

    if (node->kind != CONF_NODE_LIST) {
        if (!cfg_get_string(r, key->name, node, &text, error))
            return FALSE;
        append_word(joined->text, "", text);
        return TRUE;
    }
    for (guint i = 0; i < node->items->len; i++) {
        ConfNode *item = g_ptr_array_index(node->items, i);
        g_autofree char *path = g_strdup_printf("%s[%u]", key->name, i);

        if (!cfg_get_string(r, path, item, &text, error))
            return FALSE;
        joined->blanks = joined->blanks || strpbrk(text, " \t");
        append_word(joined->text, "", text);
        conf_node_mark(item, CONF_FATE_CARRIED);
    }
    node->fate = CONF_FATE_CARRIED;
    return TRUE;
}

gboolean
cfg_read_bootloader_args(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Joined joined = { text, false };

    if (g_str_equal(key->name, "bootargs") && r->who == CFG_XL && r->def->bootloader_args) {
        cfg_report(r, node, key->name, CONF_OUTCOME_LOST,
                   "xl ignores it: bootloader_args= is there");
        return TRUE;
    }
    if (!join_items(r, key, node, &joined, error))
        return FALSE;
    if (text->len)
        conf_set_string(&r->def->bootloader_args, text->str);
    /* The stock driver's own conversion writes this name, which xl never knew. */
    if (g_str_equal(key->name, "bootargs") && r->who == CFG_XL)
        cfg_report(r, node, key->name, CONF_OUTCOME_CHANGED,
                   "xl ignores this name of bootloader_args=, under which it is carried");
    else if (joined.blanks && !cfg_carry_instead(r, key->name))
        cfg_report(r, node, key->name, CONF_OUTCOME_CHANGED,
                   "domXML has one string for all arguments: blanks inside an argument separate");
    return TRUE;
}

void
cfg_write_bootloader_args(CfgWriter *w, const CfgKey *key)
{
    const char *args = w->def->bootloader_args;

    if (args == NULL || *args == '\0')
        return;
    if (w->who == CFG_XM) {
        cfg_put_string(w, key->name, args);
        return;
    }
    if (g_str_equal(key->name, "bootargs"))
        return; /* bootloader_args= said it */
    g_auto(GStrv) words = g_strsplit_set(args, " \t", 0);
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (char **word = words; *word; word++) {
        if (**word)
            g_ptr_array_add(list, *word);
    }
    cfg_put_list(w, key->name, list);
}

static gboolean
add_dm_arg(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    ConfArg *arg = conf_arg_new();

    arg->value = g_strdup(text);
    g_ptr_array_add(r->def->xen_args, arg);
    return TRUE;
}

gboolean
cfg_read_dm_args(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, add_dm_arg, error);
}

void
cfg_write_dm_args(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (guint i = 0; i < w->def->xen_args->len; i++)
        g_ptr_array_add(list, ((ConfArg *)g_ptr_array_index(w->def->xen_args, i))->value);
    cfg_put_list(w, key->name, list);
}

static void
join_device_model(CfgReader *r)
{
    const char *path = r->parts.device_model;

    if (path == NULL || *path == '\0')
        return;
    if (strstr(path, "stubdom-dm")) {
        cfg_report_key(r, "device_model", CONF_OUTCOME_LOST,
                       "no domXML element for a device-model stub domain");
        return;
    }
    g_free(r->def->emulator);
    if (path[0] == '/') {
        r->def->emulator = g_strdup(path);
        return;
    }
    r->def->emulator = g_strconcat("/usr/lib/xen/bin/", path, NULL);
    cfg_report_key(r, "device_model", CONF_OUTCOME_CHANGED,
                   "libvirt needs an absolute path: %s is assumed", r->def->emulator);
}

/* ---- features ---- */

static bool
not_off(ConfTristate value)
{
    return value != CONF_TRISTATE_OFF;
}

static void
join_features(CfgReader *r)
{
    CfgParts *p = &r->parts;
    ConfFeatures *f = &r->def->features;

    /* On by default in xl and xm, off where domXML does not name them. */
    if (r->guest == CFG_HVM) {
        f->acpi = not_off(p->acpi);
        f->apic = not_off(p->apic);
        f->pae = not_off(p->pae);
    } else if (p->acpi == CONF_TRISTATE_ON)
        f->acpi = true;
    else if (p->acpi == CONF_TRISTATE_OFF)
        cfg_carry_instead(r, "acpi"); /* xm has no domains of this kind */
    if (p->hap != CONF_TRISTATE_ABSENT) {
        f->hap_present = true;
        f->hap = p->hap;
    }
    f->xen_e820_host = p->e820_host;
    if (p->passthrough) {
        bool off = g_str_equal(p->passthrough, "disabled");

        f->xen_passthrough = off ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
        if (!off && !g_str_equal(p->passthrough, "enabled"))
            conf_set_string(&f->xen_passthrough_mode, p->passthrough);
    }
    if (p->acpi_firmware) {
        ConfAcpiTable *table = conf_acpi_table_new();

        /* libvirt's name for "these bytes, as they are" until it got type='rawset'. */
        conf_set_string(&table->type, "slic");
        conf_set_string(&table->path, p->acpi_firmware);
        g_ptr_array_add(r->def->os.acpi_tables, table);
    }
}

static ConfTristate
tristate(bool on)
{
    return on ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
}

static void
split_features(CfgWriter *w)
{
    CfgParts *p = &w->parts;
    const ConfFeatures *f = &w->def->features;

    if (w->guest == CFG_HVM) {
        p->acpi = tristate(f->acpi);
        p->apic = tristate(f->apic);
        p->pae = tristate(f->pae);
    } else if (f->acpi)
        p->acpi = CONF_TRISTATE_ON;
    if (f->hap_present || f->hap != CONF_TRISTATE_ABSENT)
        p->hap = f->hap == CONF_TRISTATE_OFF ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
    p->e820_host = f->xen_e820_host;
    if (f->xen_passthrough == CONF_TRISTATE_OFF)
        conf_set_string(&p->passthrough, "disabled");
    else if (f->xen_passthrough == CONF_TRISTATE_ON)
        conf_set_string(&p->passthrough,
                        f->xen_passthrough_mode ? f->xen_passthrough_mode : "enabled");
    if (w->def->os.acpi_tables->len > 0) {
        const ConfAcpiTable *table = g_ptr_array_index(w->def->os.acpi_tables, 0);

        conf_set_string(&p->acpi_firmware, table->path);
    }
}

/* ---- clock ---- */

static ConfTimer *
timer_find(const ConfClock *clock, const char *name)
{
    for (guint i = 0; i < clock->timers->len; i++) {
        ConfTimer *timer = g_ptr_array_index(clock->timers, i);

        if (g_strcmp0(timer->name, name) == 0)
            return timer;
    }
    return NULL;
}

static ConfTimer *
timer_add(ConfClock *clock, const char *name)
{
    ConfTimer *timer = conf_timer_new();

    conf_set_string(&timer->name, name);
    g_ptr_array_add(clock->timers, timer);
    return timer;
}

static void
join_clock(CfgReader *r)
{
    CfgParts *p = &r->parts;
    ConfClock *clock = &r->def->clock;
    bool local = p->localtime == CONF_TRISTATE_ON;

    if (p->rtc_timeoffset.set && p->rtc_timeoffset.value != 0) {
        conf_set_string(&clock->offset, "variable");
        clock->adjustment = g_strdup_printf("%" G_GINT64_FORMAT, p->rtc_timeoffset.value);
        conf_set_string(&clock->basis, local ? "localtime" : "utc");
    } else
        conf_set_string(&clock->offset, local ? "localtime" : "utc");
    if (p->tsc_mode)
        conf_set_string(&timer_add(clock, "tsc")->mode, p->tsc_mode);
    if (p->hpet != CONF_TRISTATE_ABSENT)
        timer_add(clock, "hpet")->present = p->hpet;
}

static void
split_clock(CfgWriter *w)
{
    CfgParts *p = &w->parts;
    const ConfClock *clock = &w->def->clock;
    const ConfTimer *tsc = timer_find(clock, "tsc"), *hpet = timer_find(clock, "hpet");
    const char *offset = clock->offset ? clock->offset : "utc";
    const char *base = g_str_equal(offset, "variable") ? clock->basis : offset;
    int64_t seconds;

    if (base && g_str_equal(base, "localtime"))
        p->localtime = CONF_TRISTATE_ON;
    if (g_str_equal(offset, "variable") && clock->adjustment &&
        cfg_parse_int(clock->adjustment, &seconds) && seconds != 0)
        p->rtc_timeoffset = (ConfOptInt){ true, seconds };
    if (tsc && tsc->mode && !g_str_equal(tsc->mode, "auto"))
        conf_set_string(&p->tsc_mode, tsc->mode);
    if (hpet)
        p->hpet = hpet->present;
}

/* ---- the rest ---- */

static void
join_limits(CfgReader *r)
{
    CfgParts *p = &r->parts;

    if (!p->max_grant_frames.set && !p->max_event_channels.set)
        return;
    ConfController *xenbus = conf_controller_new();
    conf_set_string(&xenbus->type, "xenbus");
    xenbus->index = (ConfOptInt){ true, 0 };
    xenbus->max_grant_frames = p->max_grant_frames;
    xenbus->max_event_channels = p->max_event_channels;
    g_ptr_array_add(r->def->controllers, xenbus);
}

static void
split_limits(CfgWriter *w)
{
    for (guint i = 0; i < w->def->controllers->len; i++) {
        const ConfController *controller = g_ptr_array_index(w->def->controllers, i);

        if (g_strcmp0(controller->type, "xenbus") == 0) {
            w->parts.max_grant_frames = controller->max_grant_frames;
            w->parts.max_event_channels = controller->max_event_channels;
        }
    }
}

/* conf_native_wants_autostart() tells who imports. */
gboolean
cfg_read_xend_start(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    const char *text;

    if (!cfg_get_string(r, key->name, node, &text, error))
        return FALSE;
    if (g_str_equal(text, "start"))
        cfg_report(r, node, key->name, CONF_OUTCOME_CHANGED, CONF_WHY_AUTOSTART, r->def->name);
    else if (!g_str_equal(text, "ignore"))
        cfg_report(r, node, key->name, CONF_OUTCOME_LOST, "expected start or ignore");
    return TRUE;
}

/* libvirt ends what crashed, where nothing is said; xend restarts it. */
void
cfg_write_on_crash(CfgWriter *w, const CfgKey *key)
{
    const char *name = conf_action_name(w->def->on_crash);

    if (name || w->who == CFG_XM)
        cfg_put_string(w, key->name, name ? name : "destroy");
}

static void
join_actions(CfgReader *r)
{
    ConfDomain *def = r->def;
    const char *restart = r->parts.restart;

    if (restart) {
        bool always = g_str_equal(restart, "always"), never = g_str_equal(restart, "never");

        if (!always && !never && !g_str_equal(restart, "onreboot"))
            cfg_report_key(r, "restart", CONF_OUTCOME_LOST, "expected always, onreboot or never");
        else {
            def->on_poweroff = always ? CONF_ACTION_RESTART : CONF_ACTION_DESTROY;
            def->on_reboot = never ? CONF_ACTION_DESTROY : CONF_ACTION_RESTART;
            def->on_crash = always ? CONF_ACTION_RESTART : CONF_ACTION_DESTROY;
        }
    }
    /* xend restarts what crashed, where nothing is said; libvirt does not. */
    if (r->who == CFG_XM && def->on_crash == CONF_ACTION_ABSENT)
        def->on_crash = CONF_ACTION_RESTART;
}

gboolean
cfg_base_join(CfgReader *r, GError **error)
{
    if (!join_identity(r, error) || !join_memory(r, error))
        return FALSE;
    conf_set_string(&r->def->bootloader,
                    is_empty(r->parts.bootloader) ? NULL : r->parts.bootloader);
    join_cmdline(r);
    join_kernel(r);
    join_firmware(r);
    assume_bootloader(r);
    join_boot(r);
    if (r->parts.bootentry && *r->parts.bootentry) {
        g_autoptr(GString) args = g_string_new(r->def->bootloader_args);

        append_word(args, "--entry=", r->parts.bootentry);
        conf_set_string(&r->def->bootloader_args, args->str);
    }
    join_device_model(r);
    join_features(r);
    join_clock(r);
    join_limits(r);
    join_actions(r);
    return TRUE;
}

void
cfg_base_split(CfgWriter *w)
{
    const ConfDomain *def = w->def;
    CfgParts *p = &w->parts;

    for (size_t i = 0; i < G_N_ELEMENTS(guest_words); i++) {
        if (guest_words[i].guest != w->guest)
            continue;
        if (w->who == CFG_XL)
            conf_set_string(&p->type, guest_words[i].xl_type);
        else
            conf_set_string(&p->builder, guest_words[i].xm_builder);
    }
    conf_set_string(&p->description, def->description);
    if (def->genid) {
        conf_set_string(&p->genid, "generate");
        if (*def->genid && w->who == CFG_XL && w->guest == CFG_HVM)
            cfg_changed(w, def->genid, "xl makes a new one at each start", "/domain/genid");
    }
    /* <bootloader/> and a PV domain without a kernel: the host's default. */
    if (def->bootloader && *def->bootloader)
        conf_set_string(&p->bootloader, def->bootloader);
    else if (def->bootloader || (w->guest == CFG_PV && def->os.kernel == NULL))
        conf_set_string(&p->bootloader, "pygrub");
    for (guint i = 0; i < def->seclabels->len; i++) {
        const ConfSeclabel *label = g_ptr_array_index(def->seclabels, i);

        if (g_strcmp0(label->model, "flask") == 0 && label->label)
            conf_set_string(&p->seclabel, label->label);
    }
    split_memory(w);
    bool pvgrub = w->who == CFG_XL && w->guest == CFG_PV && cfg_is_carried(w, "firmware");
    if (!pvgrub)
        conf_set_string(&p->kernel, def->os.kernel);
    conf_set_string(w->who == CFG_XL ? &p->cmdline : &p->extra, def->os.cmdline);
    conf_set_string(&p->device_model, def->emulator);
    split_boot(w);
    split_firmware(w);
    split_features(w);
    split_clock(w);
    split_limits(w);
}
