/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a domain an xl or xm config does not say. The model's schema is walked, so that a field
 * is in the table below, or its path is in the report: none can be forgotten in silence. */
#include "conf-cfg.h"
#include "conf-schema.h"

#include <libxml/parser.h>
#include <string.h>

#define MAX_DEPTH 8 /* structs inside each other; the model has four */

#define XL     CFG_XL
#define XM     CFG_XM
#define BOTH   CFG_BOTH
#define ALL    0
#define ON_HVM CFG_HVM
#define ON_FV  (CFG_HVM | CFG_PVH)

/* Paths below /domain that the rows of conf-cfg.c write, or that hold anyway. */
static const struct SaidPath {
    const char *path; /* ends in "/": all below it */
    unsigned who;
    unsigned guests;    /* CfgGuest; ALL */
    const char *values; /* only these, with '|' between; NULL: any */
} said[] = {
    { "@type", BOTH, ALL, "xen" },
    { "name", BOTH, ALL, NULL },
    { "uuid", BOTH, ALL, NULL },
    { "genid", XL, ON_HVM, NULL },
    { "title", XM, ALL, NULL },
    { "description", XM, ALL, NULL },
    { "memory", BOTH, ALL, NULL },
    { "currentMemory", BOTH, ALL, NULL },
    { "vcpu", BOTH, ALL, NULL },
    { "vcpu/@current", BOTH, ALL, NULL },
    { "vcpu/@cpuset", BOTH, ALL, NULL },
    { "vcpu/@placement", BOTH, ALL, "static" },
    { "cputune/shares", BOTH, ALL, NULL },
    { "cputune/period", BOTH, ALL, NULL },
    { "cputune/quota", BOTH, ALL, NULL },
    { "cputune/vcpupin/@vcpu", BOTH, ALL, NULL },
    { "cputune/vcpupin/@cpuset", BOTH, ALL, NULL },
    { "numatune/memnode/@cellid", XL, ALL, NULL },
    { "numatune/memnode/@mode", XL, ALL, "strict" },
    { "numatune/memnode/@nodeset", XL, ALL, NULL },
    { "bootloader", BOTH, ALL, NULL },
    { "bootloader_args", BOTH, ALL, NULL },
    { "os/type", BOTH, ALL, NULL },
    { "os/type/@arch", BOTH, ALL, NULL }, /* the host's, as Xen has it */
    { "os/type/@machine", BOTH, ALL, NULL },
    { "os/@firmware", XL, ON_HVM, "efi" },
    { "os/@firmware", XL, ON_HVM, "bios" },
    { "os/loader", BOTH, ON_HVM, NULL },
    { "os/loader/@type", BOTH, ON_HVM, "rom" },
    { "os/loader/@type", XL, ON_HVM, "pflash" },
    { "os/loader/@readonly", BOTH, ON_HVM, "yes" },
    { "os/loader/@format", BOTH, ON_HVM, "raw" },
    { "os/kernel", XL, ALL, NULL },
    { "os/kernel", XM, CFG_PV, NULL }, /* an HVM domain's kernel= is its loader */
    { "os/initrd", BOTH, ALL, NULL },
    { "os/cmdline", BOTH, ALL, NULL },
    { "os/boot/@dev", BOTH, ON_HVM, NULL },
    { "os/acpi/table/@type", BOTH, ON_HVM, "slic|rawset" },
    { "os/acpi/table", BOTH, ON_HVM, NULL },
    { "features/acpi", BOTH, ON_FV, NULL },
    { "features/apic", BOTH, ON_HVM, NULL },
    { "features/pae", BOTH, ALL, NULL },
    { "features/hap", BOTH, ON_FV, NULL },
    { "features/hap/@state", BOTH, ON_FV, NULL },
    { "features/viridian", BOTH, ON_HVM, NULL },
    { "features/hyperv/@mode", XL, ON_HVM, "custom" },
    { "features/hyperv/relaxed/@state", XL, ON_HVM, NULL }, /* comes with base */
    { "features/hyperv/vpindex/@state", XL, ON_HVM, NULL },
    { "features/hyperv/frequencies/@state", XL, ON_HVM, NULL },
    { "features/hyperv/tlbflush/@state", XL, ON_HVM, NULL },
    { "features/hyperv/vapic/@state", XL, ON_HVM, NULL },
    { "features/hyperv/synic/@state", XL, ON_HVM, NULL },
    { "features/hyperv/stimer/@state", XL, ON_HVM, NULL },
    { "features/hyperv/ipi/@state", XL, ON_HVM, NULL },
    { "features/pmu/@state", XL, ALL, NULL },
    { "features/msrs/@unknown", XL, ALL, "ignore" },
    { "features/gic/@version", XL, ALL, "2|3" },
    { "features/xen/e820_host/@state", XL, CFG_PV, NULL },
    { "features/xen/passthrough/@state", XL, ALL, NULL },
    { "features/xen/passthrough/@mode", XL, ALL, NULL },
    { "cpu/@mode", BOTH, ALL, "host-passthrough" },
    { "cpu/@check", BOTH, ALL, "none|partial|full" },
    { "cpu/@migratable", BOTH, ALL, "on" },
    { "cpu/feature/@name", XL, ALL, NULL },
    { "cpu/feature/@policy", XL, ALL, NULL },
    { "cpu/feature/@name", XM, ON_HVM, "vmx|svm" },
    { "cpu/feature/@policy", XM, ON_HVM, NULL },
    { "cpu/numa/cell/", XL, ALL, NULL },
    { "clock/@offset", BOTH, ALL, "utc|localtime|variable" },
    { "clock/@adjustment", BOTH, ALL, NULL },
    { "clock/@basis", BOTH, ALL, "utc|localtime" },
    { "clock/timer/@name", BOTH, ALL, "tsc" },
    { "clock/timer/@name", BOTH, ON_HVM, "hpet" },
    { "clock/timer/@present", BOTH, ON_HVM, NULL },
    { "clock/timer/@mode", BOTH, ALL, NULL },
    { "on_poweroff", BOTH, ALL, NULL },
    { "on_reboot", BOTH, ALL, NULL },
    { "on_crash", BOTH, ALL, NULL },
    { "pm/suspend-to-mem/@enabled", XL, ON_HVM, NULL },
    { "pm/suspend-to-disk/@enabled", XL, ON_HVM, NULL },
    { "devices/emulator", BOTH, ALL, NULL },

    { "devices/disk/@type", BOTH, ALL, "file|block|network" },
    { "devices/disk/@device", BOTH, ALL, "disk|cdrom|floppy" },
    { "devices/disk/driver/@name", BOTH, ALL, NULL },
    { "devices/disk/driver/@type", BOTH, ALL, NULL },
    { "devices/disk/driver/@discard", XL, ALL, "unmap|ignore" },
    { "devices/disk/source/@file", BOTH, ALL, NULL },
    { "devices/disk/source/@dev", BOTH, ALL, NULL },
    { "devices/disk/source/@protocol", BOTH, ALL, NULL },
    { "devices/disk/source/@name", BOTH, ALL, NULL },
    { "devices/disk/source/host/@name", BOTH, ALL, NULL },
    { "devices/disk/source/host/@port", BOTH, ALL, NULL },
    { "devices/disk/source/config/@file", BOTH, ALL, NULL },
    { "devices/disk/target/@dev", BOTH, ALL, NULL },
    { "devices/disk/target/@bus", BOTH, ALL, "xen|ide|scsi|fdc" },
    { "devices/disk/target/@bus", XL, ALL, "virtio" },
    { "devices/disk/backenddomain/@name", BOTH, ALL, NULL },
    { "devices/disk/readonly", BOTH, ALL, NULL },
    { "devices/disk/shareable", BOTH, ALL, NULL }, /* the writer of xl says so itself */
    { "devices/disk/address/", BOTH, ALL, NULL },  /* follows from the target */

    { "devices/interface/@type", BOTH, ALL, NULL },
    { "devices/interface/mac/@address", BOTH, ALL, NULL },
    { "devices/interface/source/@bridge", BOTH, ALL, NULL },
    { "devices/interface/vlan/tag/@id", BOTH, ALL, NULL },
    { "devices/interface/vlan/tag/@nativeMode", BOTH, ALL, "tagged" },
    { "devices/interface/vlan/@trunk", BOTH, ALL, NULL },
    { "devices/interface/virtualport/@type", BOTH, ALL, "openvswitch" },
    { "devices/interface/bandwidth/outbound/@average", BOTH, ALL, NULL },
    { "devices/interface/ip/@address", BOTH, ALL, NULL },
    { "devices/interface/ip/@family", BOTH, ALL, NULL },
    { "devices/interface/ip/@prefix", BOTH, ALL, NULL },
    { "devices/interface/script/@path", BOTH, ALL, NULL },
    { "devices/interface/backenddomain/@name", BOTH, ALL, NULL },
    { "devices/interface/target/@dev", BOTH, ALL, NULL },
    { "devices/interface/model/@type", BOTH, ON_HVM, NULL },
    { "devices/interface/model/@type", BOTH, ALL, "netfront" },
    { "devices/interface/mtu/@size", XL, ALL, NULL },

    { "devices/serial/", BOTH, ON_HVM, NULL },
    { "devices/parallel/", XM, ON_HVM, NULL },
    { "devices/console/@type", BOTH, ALL, "pty" }, /* every domain has one */
    { "devices/console/target/@type", BOTH, ALL, "xen|serial" },
    { "devices/console/target/@port", BOTH, ALL, "0" },
    { "devices/console/source/@path", BOTH, ALL, NULL },
    { "devices/channel/", XL, ALL, NULL },
    { "devices/input/@type", BOTH, ON_HVM, NULL },
    { "devices/input/@type", BOTH, ALL, "mouse|keyboard" },
    { "devices/input/@bus", BOTH, ALL, "ps2|xen" }, /* come with the display */
    { "devices/input/@bus", BOTH, ON_HVM, "usb" },

    { "devices/graphics/@type", BOTH, ALL, NULL },
    { "devices/graphics/@port", BOTH, ALL, NULL },
    { "devices/graphics/@tlsPort", XL, ON_HVM, NULL },
    { "devices/graphics/@autoport", BOTH, ALL, NULL },
    { "devices/graphics/@listen", BOTH, ALL, NULL },
    { "devices/graphics/@display", BOTH, ALL, NULL },
    { "devices/graphics/@xauth", BOTH, ALL, NULL },
    { "devices/graphics/@keymap", BOTH, ALL, NULL },
    { "devices/graphics/@passwd", BOTH, ALL, NULL },
    { "devices/graphics/listen/@type", BOTH, ALL, "address" },
    { "devices/graphics/listen/@address", BOTH, ALL, NULL },
    { "devices/graphics/image/@compression", XL, ON_HVM, NULL },
    { "devices/graphics/streaming/@mode", XL, ON_HVM, NULL },
    { "devices/graphics/mouse/@mode", XL, ON_HVM, NULL },
    { "devices/graphics/clipboard/@copypaste", XL, ON_HVM, NULL },
    { "devices/graphics/gl/@enable", BOTH, ALL, NULL },
    { "devices/video/model/@type", BOTH, ON_HVM, NULL },
    { "devices/video/model/@type", BOTH, ALL, "xen" },
    { "devices/video/model/@vram", BOTH, ALL, NULL },
    { "devices/video/model/@heads", BOTH, ALL, "1" },
    { "devices/video/model/@primary", BOTH, ALL, "yes" },
    { "devices/sound/@model", BOTH, ON_HVM, NULL },

    { "devices/hostdev/@mode", BOTH, ALL, "subsystem" },
    { "devices/hostdev/@type", XL, ALL, "pci|usb" },
    { "devices/hostdev/@type", XM, ALL, "pci" },
    { "devices/hostdev/@type", XM, ON_HVM, "usb" },
    { "devices/hostdev/@managed", XL, ALL, NULL },
    { "devices/hostdev/@managed", XM, ALL, "no" },
    { "devices/hostdev/driver/@name", BOTH, ALL, "xen" },
    { "devices/hostdev/source/vendor/@id", BOTH, ON_HVM, NULL },
    { "devices/hostdev/source/product/@id", BOTH, ON_HVM, NULL },
    { "devices/hostdev/source/address/", BOTH, ALL, NULL },
    { "devices/hostdev/source/@writeFiltering", BOTH, ALL, NULL },
    { "devices/hostdev/address/", BOTH, ALL, NULL },
    { "devices/controller/@type", BOTH, ALL, "xenbus|ide|fdc|pci" }, /* but for xenbus: given */
    { "devices/controller/@type", XL, ALL, "usb" },
    { "devices/controller/@index", BOTH, ALL, NULL },
    { "devices/controller/@model", XL, ALL, NULL },
    { "devices/controller/@model", BOTH, ALL, "pci-root" },
    { "devices/controller/@ports", XL, ALL, NULL },
    { "devices/controller/@maxGrantFrames", XL, ALL, NULL },
    { "devices/controller/@maxEventChannels", XL, ALL, NULL },
    { "devices/controller/address/", BOTH, ALL, NULL },
    { "devices/watchdog/@model", XM, ON_HVM, "ib700|i6300esb" },
    { "devices/watchdog/@action", XM, ON_HVM, NULL },
    { "devices/memballoon/@model", BOTH, ALL, "xen" },
    { "devices/redirdev", XL, ON_HVM, NULL },

    { "seclabel/@type", XL, ALL, "static" },
    { "seclabel/@model", XL, ALL, "flask" },
    { "seclabel/@relabel", XL, ALL, NULL },
    { "seclabel/label", XL, ALL, NULL },
    { "xen:commandline/xen:arg/@value", XL, ALL, NULL },
};

typedef struct Walk {
    CfgWriter *w;
    GString *path;    /* "/domain/devices/disk[1]/target/@dev" */
    GString *pattern; /* "devices/disk/target/@dev" */
    unsigned depth;
    GPtrArray *lost; /* paths that the writers named themselves: nothing below them is said again */
} Walk;

static bool
has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, "|", 16);

    return g_strv_contains((const char *const *)words, word);
}

static bool
is_said(const Walk *walk, const char *value)
{
    const CfgWriter *w = walk->w;

    for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
        const struct SaidPath *row = &said[i];
        size_t len = strlen(row->path);
        bool below = row->path[len - 1] == '/';

        if (!(row->who & w->who) || (row->guests && !(row->guests & w->guest)))
            continue;
        if (below ? strncmp(row->path, walk->pattern->str, len) != 0
                  : strcmp(row->path, walk->pattern->str) != 0)
            continue;
        if (row->values == NULL || (value && has_word(row->values, value)))
            return true;
    }
    return false;
}

static bool
named_already(const Walk *walk)
{
    for (guint i = 0; i < walk->lost->len; i++) {
        const char *path = g_ptr_array_index(walk->lost, i);
        size_t len = strlen(path);

        if (strncmp(path, walk->path->str, len) == 0 && strchr("/", walk->path->str[len]))
            return true;
    }
    return false;
}

/* Is there a row for `pattern` (`len` characters of it) itself, or for anything below it? */
static bool
is_known(const Walk *walk, const char *pattern, size_t len)
{
    const CfgWriter *w = walk->w;

    for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
        const struct SaidPath *row = &said[i];

        if ((row->who & w->who) && (!row->guests || (row->guests & w->guest)) &&
            strncmp(row->path, pattern, len) == 0 &&
            (row->path[len] == '/' || row->path[len] == '\0'))
            return true;
    }
    return false;
}

/* What is lost is the largest element of which nothing is said: <watchdog>, not its attributes.
 * Where the attribute tells what kind of thing an item of a list is, it is that item. */
static void
raise_to_element(const Walk *walk, GString *path, GString *pattern)
{
    static const char *const kinds[] = { "@type", "@name", "@model", NULL };
    const char *leaf = strrchr(path->str, '/') + 1;
    bool of_item = leaf - path->str >= 2 && leaf[-2] == ']' && g_strv_contains(kinds, leaf);

    while (strchr(pattern->str, '/')) {
        size_t len = (size_t)(strrchr(pattern->str, '/') - pattern->str);

        if (!of_item && is_known(walk, pattern->str, len))
            return;
        of_item = false;
        g_string_truncate(pattern, len);
        g_string_truncate(path, (size_t)(strrchr(path->str, '/') - path->str));
    }
}

static void
check(Walk *walk, const char *value, bool secret)
{
    const CfgWriter *w = walk->w;

    if (is_said(walk, value) || named_already(walk))
        return;
    g_autoptr(GString) path = g_string_new(walk->path->str);
    g_autoptr(GString) pattern = g_string_new(walk->pattern->str);
    raise_to_element(walk, path, pattern);
    conf_report_add(w->report, CONF_OUTCOME_LOST, 0, 0, path->str,
                    path->len < walk->path->len ? NULL
                    : secret                    ? "***"
                                                : value,
                    "%s has no word for it in %s domains", w->who == CFG_XM ? "xm" : "xl",
                    cfg_guest_name(w->guest));
    g_ptr_array_add(walk->lost, g_string_free(g_steal_pointer(&path), FALSE));
}

/* Goes down by one step; undo it with leave(). */
typedef struct Mark {
    gsize path, pattern;
} Mark;

static Mark
enter(Walk *walk, const char *step, unsigned index)
{
    Mark mark = { walk->path->len, walk->pattern->len };
    g_auto(GStrv) parts = g_strsplit(step, "@", 2);

    for (int i = 0; parts[i]; i++) {
        const char *at = i ? "@" : "";

        if (*parts[i] == '\0')
            continue;
        g_string_append_printf(walk->path, "/%s%s", at, parts[i]);
        g_string_append_printf(walk->pattern, "%s%s%s", walk->pattern->len ? "/" : "", at,
                               parts[i]);
    }
    if (index > 0)
        g_string_append_printf(walk->path, "[%u]", index);
    return mark;
}

static void
leave(Walk *walk, Mark mark)
{
    g_string_truncate(walk->path, mark.path);
    g_string_truncate(walk->pattern, mark.pattern);
}

static char *
node_text(xmlNode *node)
{
    g_autoptr(GString) text = g_string_new(NULL);
    xmlChar *content = xmlNodeGetContent(node);

    g_string_append(text, content ? (const char *)content : "");
    xmlFree(content);
    g_strstrip(text->str);
    return *text->str ? g_strdup(text->str) : NULL;
}

/* A rest is an element with what no field holds: its attributes and children are lost by name. */
static void
check_rest(Walk *walk, const char *xml)
{
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                    XML_PARSE_RECOVER);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    for (xmlAttr *attr = root ? root->properties : NULL; attr; attr = attr->next) {
        g_autofree char *step = g_strconcat("@", (const char *)attr->name, NULL);
        g_autofree char *value = node_text((xmlNode *)attr);
        Mark mark = enter(walk, step, 0);

        check(walk, value, false);
        leave(walk, mark);
    }
    for (xmlNode *child = root ? root->children : NULL; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        g_autofree char *value = node_text(child);
        Mark mark = enter(walk, (const char *)child->name, 0);

        check(walk, value, false);
        leave(walk, mark);
    }
    xmlFreeDoc(doc);
}

/* A device that the model keeps whole: its name is that of its element. */
static void
check_raw(Walk *walk, const char *xml)
{
    size_t len = *xml == '<' ? strcspn(xml + 1, " \t\n/>") : 0;
    g_autofree char *name = g_strndup(xml + (len ? 1 : 0), len);
    Mark mark = enter(walk, name, 0);

    check(walk, NULL, false);
    leave(walk, mark);
}

static void walk_struct(Walk *walk, const ConfSchema *schema, const void *owner);

static void
walk_list(Walk *walk, const ConfRow *row, const GPtrArray *list)
{
    for (guint i = 0; list && i < list->len; i++) {
        const void *item = g_ptr_array_index(list, i);
        Mark mark;

        if (g_str_has_suffix(row->path, "/+")) {
            g_autofree char *above = g_strndup(row->path, strlen(row->path) - 2);

            mark = enter(walk, above, 0);
        } else
            mark = enter(walk, row->path, i + 1);
        walk_struct(walk, row->schema, item);
        leave(walk, mark);
    }
}

/* The value as text; NULL: absent, or none to speak of (the id of a running domain, a struct). */
static char *
row_text(const ConfRow *row, const void *owner)
{
    const void *field = conf_row_const_field(row, owner);

    if (row->kind == CONF_FIELD_STRING)
        return g_strdup(*(char *const *)field);
    if (row->kind == CONF_FIELD_UINT) {
        unsigned value = *(const unsigned *)field;

        if (row->names)
            return g_strdup(conf_name_of(row->names, value));
        return value || (row->flags & CONF_ROW_REQUIRED) ? g_strdup_printf("%u", value) : NULL;
    }
    if (row->kind == CONF_FIELD_KIB) {
        uint64_t value = *(const uint64_t *)field;

        return value ? g_strdup_printf("%" G_GUINT64_FORMAT, value) : NULL;
    }
    if (row->kind == CONF_FIELD_OPT) {
        const ConfOptInt *value = field;

        return value->set ? g_strdup_printf("%" G_GINT64_FORMAT, value->value) : NULL;
    }
    if (row->kind == CONF_FIELD_BOOL)
        return *(const bool *)field ? g_strdup("") : NULL;
    if (row->kind == CONF_FIELD_BITMAP) {
        const ConfBitmap *map = *(ConfBitmap *const *)field;

        return map ? conf_bitmap_format(map) : NULL;
    }
    return NULL;
}

static void
walk_value(Walk *walk, const ConfRow *row, const void *owner)
{
    g_autofree char *value = row_text(row, owner);
    const char *hash = strchr(row->path, '#');

    if (value == NULL || (row->live && row->live(owner)))
        return;
    if (hash) {
        g_autofree char *above = g_strndup(row->path, (gsize)(hash - row->path));
        bool rest = g_str_equal(hash, "#rest");
        Mark mark = enter(walk, g_str_equal(hash, "#name") ? value : above, 0);

        if (rest)
            check_rest(walk, value);
        else if (g_str_equal(hash, "#xml"))
            check_raw(walk, value);
        else if (g_str_equal(hash, "#inner")) {
            if (!cfg_metadata_is_ours(walk->w->def)) /* ours is told of key by key */
                check(walk, value, false);
        } else
            return; /* #name: the rows behind it belong below the name */
        leave(walk, mark);
        return;
    }
    Mark mark = enter(walk, row->path, 0);
    check(walk, *value ? value : NULL, row->flags & CONF_ROW_SECRET);
    leave(walk, mark);
}

static void
walk_struct(Walk *walk, const ConfSchema *schema, const void *owner)
{
    if (walk->depth >= MAX_DEPTH)
        return;
    walk->depth++;
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];
        const void *field = conf_row_const_field(row, owner);
        Mark mark;

        if (row->when && !row->when(owner))
            continue;
        if (row->kind == CONF_FIELD_LIST)
            walk_list(walk, row, *(GPtrArray *const *)field);
        else if (row->kind == CONF_FIELD_POINTER || row->kind == CONF_FIELD_STRUCT) {
            const void *inner = row->kind == CONF_FIELD_POINTER ? *(void *const *)field : field;

            mark = enter(walk, row->path, 0);
            if (inner)
                walk_struct(walk, row->schema, inner);
            leave(walk, mark);
        } else
            walk_value(walk, row, owner);
    }
    walk->depth--;
}

void
cfg_report_unwritten(CfgWriter *w)
{
    g_autoptr(GString) path = g_string_new("/domain");
    g_autoptr(GString) pattern = g_string_new(NULL);
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
    Walk walk = { .w = w, .path = path, .pattern = pattern, .lost = lost };

    for (guint i = 0; i < w->report->rows->len; i++) {
        const ConfReportRow *row = g_ptr_array_index(w->report->rows, i);

        if (row->outcome == CONF_OUTCOME_LOST)
            g_ptr_array_add(lost, g_strdup(row->path));
    }
    walk_struct(&walk, &conf_schema_domain, w->def);
}
