/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxl's record of a domain as JSON: what `xl list -l` prints (a list of {domid, config}), and the
 * configs by themselves that `xl create -N` prints and libxl keeps for each domain that runs. A
 * field that is not there has libxl's initial value.
 */
#include "conf-xlj.h"

#include "conf-json.h"
#include "conf-xml.h"

#include <string.h>

#define MAX_CPU 65535

/* ---- reading: documents, domains ---- */

static gboolean
not_a_record(const ConfNode *node, const char *file, GError **error)
{
    g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                "%s:%u:%u: no record of a domain, which has a \"c_info\" and a \"b_info\" (as 'xl "
                "list -l' prints it)",
                file, node->value_line, node->value_column);
    return FALSE;
}

/* Takes what it needs out of `item`. */
static gboolean
add_domain(GPtrArray *natives, ConfNode *item, const char *file, GError **error)
{
    ConfNode *config = item->kind == CONF_NODE_GROUP ? conf_node_find(item, "config") : NULL;
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL_JSON, file);
    ConfNode *record = config ? config : item;

    if (record->kind != CONF_NODE_GROUP || conf_node_find(record, "c_info") == NULL)
        return not_a_record(record, file, error);
    native->root->line = item->value_line;
    native->root->column = item->value_column;
    for (guint i = 0; config && i < item->items->len; i++) {
        ConfNode *beside = item->items->pdata[i];

        if (beside != config)
            g_ptr_array_add(native->root->items, beside);
        else
            conf_node_mark(beside, CONF_FATE_UNSEEN);
    }
    g_ptr_array_extend_and_steal(native->root->items, g_steal_pointer(&record->items));
    if (config) {
        g_ptr_array_set_free_func(item->items, NULL); /* they have gone over */
        g_ptr_array_set_size(item->items, 0);
        conf_node_free(config);
    }
    g_ptr_array_add(natives, g_steal_pointer(&native));
    return TRUE;
}

GPtrArray *
conf_xlj_parse(const char *text, gsize len, const char *file, GError **error)
{
    g_autoptr(ConfNode) root = conf_json_parse(text, len, file, error);
    g_autoptr(GPtrArray) natives = g_ptr_array_new_with_free_func((GDestroyNotify)conf_native_free);

    if (root == NULL)
        return NULL;
    if (root->kind != CONF_NODE_LIST)
        return add_domain(natives, root, file, error) ? g_steal_pointer(&natives) : NULL;
    for (guint i = 0; i < root->items->len; i++) {
        if (!add_domain(natives, root->items->pdata[i], file, error))
            return NULL;
    }
    return g_steal_pointer(&natives);
}

/* ---- what silence means ---- */

ConfNode *
xlj_field(const Via *via, const char *path)
{
    return via_find(via_native(via)->root, path);
}

/* Without findunused the display is 0, unless something says another ("[::1]:7" does). */
bool
xlj_wants_display(const ConfNode *vnc)
{
    bool group = vnc && vnc->kind == CONF_NODE_GROUP, find = true;
    const char *listen = group ? via_find_text(vnc, "listen") : NULL;
    const char *bracket = listen ? strrchr(listen, ']') : NULL;

    return group && via_get_bool(conf_node_find(vnc, "findunused"), &find) && !find &&
           !via_find_text(vnc, "display") && !(listen && strchr(bracket ? bracket : listen, ':'));
}

static void
clear_boot(ConfDomain *def, const char *text)
{
    g_ptr_array_set_size(def->os.boot, 0);
}

void
xlj_finish(Via *via)
{
    static const char *const actions[] = { "on_poweroff", "on_reboot", "on_crash",
                                           "on_soft_reset" };
    gint64 max;

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        via_put(via, actions[i], "destroy", NULL, actions[i]);
    if (!via_has(via, "maxvcpus"))
        via_put(via, "maxvcpus", "1", NULL, "b_info/max_vcpus");
    if (xlj_wants_display(xlj_field(via, "b_info/type.hvm/vnc")))
        via_put(via, "vncdisplay", "0", NULL, "b_info/type.hvm/vnc/display");
    if (!via_has(via, "boot"))
        via_after(via, clear_boot, NULL); /* not what xl says where nothing is said */
    if (via_has(via, "memory"))
        return;
    if (via_get_number(xlj_field(via, "b_info/max_memkb"), &max) && max > 0)
        via_put_number(via, "memory", max / 1024, NULL, "b_info/target_memkb");
}

/* ---- memory, processors ---- */

static uint64_t
parse_kib(const char *text)
{
    return g_ascii_strtoull(text, NULL, 10);
}

/* xl counts MiB, and a domain that was ballooned may have any number of pages. */
static void
set_memory(ConfDomain *def, const char *text)
{
    def->memory_kib = parse_kib(text);
}

static void
set_current_memory(ConfDomain *def, const char *text)
{
    def->cur_memory_kib = parse_kib(text);
}

void
xlj_read_memory(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool max = strcmp(row->key, "maxmem") == 0;
    gint64 kib;

    if (!via_get_number(node, &kib) || kib <= 0 || kib > G_MAXINT64 / 1024) {
        via_lost(via, node, path, "not an amount of memory in KiB");
        return;
    }
    via_put_number(via, row->key, MAX(kib / 1024, 1), node, path);
    if (kib % 1024)
        via_after(via, max ? set_memory : set_current_memory, node->text);
}

/* Those that are on are not the first ones. */
static void
set_vcpus(ConfDomain *def, const char *text)
{
    g_autoptr(ConfBitmap) on = conf_bitmap_parse(text, MAX_CPU, NULL);

    for (unsigned i = 0; on && i < def->vcpus_max && i <= MAX_CPU; i++) {
        ConfVcpu *vcpu = conf_vcpu_new();

        vcpu->id = i;
        vcpu->enabled = conf_bitmap_get(on, i) ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        g_ptr_array_add(def->vcpu_list, vcpu);
    }
}

void
xlj_read_avail_vcpus(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autofree char *ranges = via_ranges(node, MAX_CPU);
    g_autoptr(ConfBitmap) map = ranges ? conf_bitmap_parse(ranges, MAX_CPU, NULL) : NULL;
    unsigned count = map ? conf_bitmap_count(map) : 0;

    if (count == 0) {
        via_lost(via, node, path, "not a list of processors");
        return;
    }
    via_put_number(via, row->key, count, node, path);
    if (conf_bitmap_last(map) >= (int)count)
        via_after(via, set_vcpus, ranges);
}

void
xlj_read_cpumap(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autofree char *ranges = via_ranges(node, MAX_CPU);

    if (ranges)
        via_put(via, row->key, ranges, node, path);
    else
        via_lost(via, node, path, "not a list of processors");
}

static void
set_nodes(ConfDomain *def, const char *text)
{
    if (def->numatune.nodeset)
        return;
    def->numatune.nodeset = conf_bitmap_parse(text, MAX_CPU, NULL);
    if (def->numatune.nodeset)
        def->numatune.mode = g_strdup("preferred");
}

void
xlj_read_nodemap(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autofree char *ranges = via_ranges(node, 1023);

    if (ranges == NULL) {
        via_lost(via, node, path, "not a list of nodes");
        return;
    }
    via_after(via, set_nodes, ranges);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

/* A list of processors for each of the domain's; one where all are the same. */
void
xlj_read_affinity(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    gint64 n_vcpus = 1;
    bool same = true;

    for (guint i = 0; node->items && i < node->items->len; i++) {
        char *ranges = via_ranges(node->items->pdata[i], MAX_CPU);

        if (ranges == NULL) {
            via_lost(via, node, path, "not a list of processors for each of the domain's");
            return;
        }
        g_ptr_array_add(all, ranges);
        same = same && strcmp(all->pdata[0], ranges) == 0;
    }
    via_get_number(xlj_field(via, "b_info/max_vcpus"), &n_vcpus);
    if (all->len == 0) {
        via_lost(via, node, path, "not a list of processors for each of the domain's");
    } else if (same && all->len >= n_vcpus && strcmp(row->key, "cpus") == 0) {
        via_put(via, row->key, all->pdata[0], node, path);
    } else {
        for (guint i = 0; i < all->len; i++) {
            const char *ranges = all->pdata[i];
            g_autofree char *below = g_strdup_printf("%s[%u]", path, i);

            via_put_item(via, row->key, *ranges ? ranges : "all", node->items->pdata[i], below);
        }
    }
    if (node->fate == CONF_FATE_UNSEEN)
        conf_node_mark(node, CONF_FATE_CARRIED);
}

/* An unsigned number of 32 bits that means a signed one. */
void
xlj_read_timeoffset(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    gint64 number;

    if (via_get_number(node, &number) && number >= G_MININT32 && number <= G_MAXUINT32)
        via_put_number(via, row->key, (gint32)(guint32)number, node, path);
    else
        via_lost(via, node, path, "not a number of seconds");
}

/* {"leaf": 1, "subleaf": 0, "eax": "x...", ...} as xend wrote it: "1,0:eax=x...,..." */
static char *
cpuid_text(const ConfNode *leaf)
{
    static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };
    const char *number = leaf->kind == CONF_NODE_GROUP ? via_find_text(leaf, "leaf") : NULL;
    const char *sub = leaf->kind == CONF_NODE_GROUP ? via_find_text(leaf, "subleaf") : NULL;
    g_autoptr(GString) text = g_string_new(number);
    const char *between = ":";

    if (number == NULL)
        return NULL;
    if (sub)
        g_string_append_printf(text, ",%s", sub);
    for (gsize i = 0; i < G_N_ELEMENTS(registers); i++) {
        const char *bits = via_find_text(leaf, registers[i]);

        if (bits == NULL)
            continue;
        g_string_append_printf(text, "%s%s=%s", between, registers[i], bits);
        between = ",";
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Since Xen 4.18 an object with a list of MSRs beside it. */
void
xlj_read_cpuid(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    ConfNode *list = node->kind == CONF_NODE_GROUP ? conf_node_find(node, "cpuid") : node;
    ConfNode *msr = node->kind == CONF_NODE_GROUP ? conf_node_find(node, "msr") : NULL;
    g_autofree char *list_path = list == node ? g_strdup(path) : g_strconcat(path, "/cpuid", NULL);

    if (msr && msr->items && msr->items->len == 0)
        conf_node_mark(msr, CONF_FATE_DEFAULT);
    for (guint i = 0; list && list->items && i < list->items->len; i++) {
        ConfNode *leaf = list->items->pdata[i];
        g_autofree char *below = g_strdup_printf("%s[%u]", list_path, i);
        g_autofree char *text = cpuid_text(leaf);

        if (text)
            via_put_item(via, row->key, text, leaf, below);
        else
            via_lost(via, leaf, below, "not a leaf of CPUID");
        list->fate = CONF_FATE_CARRIED;
    }
    if (list && list->items && list->items->len == 0)
        list->fate = CONF_FATE_DEFAULT;
    if (list != node && node->fate == CONF_FATE_UNSEEN)
        node->fate = CONF_FATE_CARRIED;
}

static void
add_string(ConfNode *list, char *text)
{
    ConfNode *item = conf_node_new(CONF_NODE_STRING, NULL, list->line, 0);

    item->text = text;
    g_ptr_array_add(list->items, item);
}

static char *
numbers_text(const ConfNode *list)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; list && list->items && i < list->items->len; i++) {
        const char *number = via_text(list->items->pdata[i]);

        g_string_append_printf(text, "%s%s", i ? "," : "", number ? number : "");
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static void
add_vnode(Via *via, ConfNode *list, const ConfNode *node)
{
    ConfNode *item = conf_node_new(CONF_NODE_LIST, NULL, list->line, 0);
    const ConfNode *vcpus = conf_node_find(node, "vcpus");
    g_autofree char *ranges = vcpus ? via_ranges(vcpus, MAX_CPU) : NULL;
    g_autofree char *distances = numbers_text(conf_node_find(node, "distances"));
    gint64 kib = 0, pnode = 0;

    via_get_number(conf_node_find(node, "memkb"), &kib);
    /* 4294967295: libxl chooses one. */
    via_get_number(conf_node_find(node, "pnode"), &pnode);
    if (pnode >= 0 && pnode < 1024)
        add_string(item, g_strdup_printf("pnode=%d", (int)pnode));
    add_string(item, g_strdup_printf("size=%" G_GINT64_FORMAT, kib / 1024));
    if (ranges)
        add_string(item, g_strdup_printf("vcpus=%s", ranges));
    if (distances)
        add_string(item, g_strdup_printf("vdistances=%s", distances));
    g_ptr_array_add(list->items, item);
}

void
xlj_read_vnuma(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    ConfNode *list;

    for (guint i = 0; node->items && i < node->items->len; i++) {
        if (((ConfNode *)node->items->pdata[i])->kind != CONF_NODE_GROUP)
            node->fate = CONF_FATE_LOST;
    }
    if (node->kind != CONF_NODE_LIST || node->fate == CONF_FATE_LOST || via_has(via, row->key)) {
        via_lost(via, node, path, "not a list of virtual nodes");
        return;
    }
    list = via_put_list(via, row->key, node, path);
    for (guint i = 0; i < node->items->len; i++)
        add_vnode(via, list, node->items->pdata[i]);
    conf_node_mark(node, CONF_FATE_CARRIED);
}

/* ---- pieces of the host ---- */

/* ioports: "first-last"; iomem: "start,number[@gfn]"; all hexadecimal. */
static char *
range_text(const ConfNode *item, bool ports)
{
    gint64 first = 0, number = 0, gfn;
    bool has_gfn;

    if (item->kind != CONF_NODE_GROUP)
        return NULL;
    via_get_number(conf_node_find(item, ports ? "first" : "start"), &first);
    via_get_number(conf_node_find(item, "number"), &number);
    has_gfn = via_get_number(conf_node_find(item, "gfn"), &gfn) && gfn >= 0;
    if (first < 0 || number < 1 || first > G_MAXINT64 - number)
        return NULL;
    if (ports)
        return number == 1 ? g_strdup_printf("%" G_GINT64_MODIFIER "x", first)
                           : g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                             first, first + number - 1);
    return has_gfn
               ? g_strdup_printf("%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER
                                 "x@%" G_GINT64_MODIFIER "x",
                                 first, number, gfn)
               : g_strdup_printf("%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER "x", first, number);
}

void
xlj_read_range(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    for (guint i = 0; node->items && i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        g_autofree char *below = g_strdup_printf("%s[%u]", path, i);
        g_autofree char *text = range_text(item, strcmp(row->key, "ioports") == 0);

        node->fate = CONF_FATE_CARRIED;
        if (text)
            via_put_item(via, row->key, text, item, below);
        else
            via_lost(via, item, below, "not a range");
    }
}

static void
put_word(Via *via, const ViaRow *row, ConfNode *item, const char *path, guint index)
{
    g_autofree char *below = g_strdup_printf("%s[%u]", path, index);

    if (via_text(item))
        via_put_item(via, row->key, item->text, item, below);
    else
        via_lost(via, item, below, "not a text");
}

/* A domain of our own engine has some that are the running one's. */
void
xlj_read_arguments(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    guint n = node->kind == CONF_NODE_LIST ? node->items->len : 0;

    if (node->kind != CONF_NODE_LIST) {
        via_lost(via, node, path, "not a list of words");
        return;
    }
    node->fate = CONF_FATE_CARRIED;
    for (guint i = 0; i < n; i++) {
        ConfNode *item = node->items->pdata[i];
        ConfNode *next = i + 1 < n ? node->items->pdata[i + 1] : NULL;

        if (!next || !conf_is_monitor_argument(via_text(item), via_text(next))) {
            put_word(via, row, item, path, i);
            continue;
        }
        conf_node_mark(item, CONF_FATE_RUNTIME);
        conf_node_mark(next, CONF_FATE_RUNTIME);
        i++;
    }
}

/* The list has two places in libxl's record, an old one and a new one: the first that is met
 * counts. */
void
xlj_read_bootloader_args(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (node->kind != CONF_NODE_LIST) {
        via_lost(via, node, path, "not a list of words");
        return;
    }
    if (via_has(via, row->key)) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    }
    node->fate = CONF_FATE_CARRIED;
    for (guint i = 0; i < node->items->len; i++)
        put_word(via, row, node->items->pdata[i], path, i);
}

/* One key says both: 1, or the kind. */
void
xlj_read_gfx(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    ConfNode *kind = xlj_field(via, "b_info/type.hvm/gfx_passthru_kind");
    const char *text = via_text(kind);
    bool on;

    if (!via_get_bool(node, &on)) {
        via_lost(via, node, path, "neither true nor false");
        return;
    }
    via_put(via, row->key, !on ? "0" : text && strcmp(text, "default") ? text : "1", node, path);
    if (kind)
        conf_node_mark(kind, on ? CONF_FATE_CARRIED : CONF_FATE_DEFAULT);
}

void
xlj_read_rdm(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *strategy = via_find_text(node, "strategy");
    const char *policy = via_find_text(node, "policy");
    g_autofree char *text = NULL;

    if (strategy && g_str_equal(strategy, "ignore"))
        strategy = NULL;
    if (strategy == NULL && policy == NULL) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return;
    }
    text = g_strdup_printf("%s%s%s%s%s", strategy ? "strategy=" : "", strategy ? strategy : "",
                           strategy && policy ? "," : "", policy ? "policy=" : "",
                           policy ? policy : "");
    via_put(via, row->key, text, node, path);
}

void
xlj_read_mca_caps(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    if (g_strcmp0(node->text, "1") == 0)
        via_put_item(via, row->key, "lmce", node, path);
    else
        via_lost(via, node, path, "a capability that xl has no name for");
}

/* ---- HVM ---- */

static bool
has_number(const ConfNode *list, int number)
{
    for (guint i = 0; list && list->items && i < list->items->len; i++) {
        gint64 one;

        if (via_get_number(list->items->pdata[i], &one) && one == number)
            return true;
    }
    return false;
}

/* A switch and two lists of bits are one list of names in xl. Whichever of them comes first reads
 * all three. */
void
xlj_read_viridian(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const char *const names[] = {
        "base",
        "freq",
        "time_ref_count",
        "reference_tsc",
        "hcall_remote_tlb_flush",
        "apic_assist",
        "crash_ctl",
        "synic",
        "stimer",
        "hcall_ipi",
        "ex_processor_masks",
        "no_vp_limit",
        "cpu_hotplug",
    };
    ConfNode *enable = xlj_field(via, "b_info/type.hvm/viridian_enable");
    ConfNode *disable = xlj_field(via, "b_info/type.hvm/viridian_disable");
    ConfNode *master = xlj_field(via, "b_info/type.hvm/viridian");
    bool lists = (enable && enable->items && enable->items->len) ||
                 (disable && disable->items && disable->items->len);
    bool on = false;

    if (master && !via_get_bool(master, &on)) {
        via_lost(via, node, path, "neither true nor false");
        return;
    }
    if (!lists || (master && !on)) {
        via_put(via, row->key, on ? "1" : "0", node, path);
        return;
    }
    if (on)
        via_put_item(via, row->key, "defaults", node, path);
    if (has_number(enable, 63))
        via_put_item(via, row->key, "all", node, path);
    for (int i = 0; i < (int)G_N_ELEMENTS(names); i++) {
        g_autofree char *not_it = g_strconcat("!", names[i], NULL);

        if (has_number(enable, i) && !has_number(disable, i))
            via_put_item(via, row->key, names[i], node, path);
        if (has_number(disable, i))
            via_put_item(via, row->key, not_it, node, path);
    }
    if (master)
        conf_node_mark(master, CONF_FATE_CARRIED);
    if (enable)
        conf_node_mark(enable, CONF_FATE_CARRIED);
    if (disable)
        conf_node_mark(disable, CONF_FATE_CARRIED);
}

/* No card, and no window of the device model. xl takes it for the end of all displays, so where
 * there is one it becomes "no card". */
void
xlj_read_nographic(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const char *const displays[] = { "vnc", "sdl", "spice" };
    const ConfNode *hvm = xlj_field(via, "b_info/type.hvm");
    bool on, shown = false;

    for (gsize i = 0; i < G_N_ELEMENTS(displays); i++) {
        g_autofree char *enable = g_strconcat(displays[i], "/enable", NULL);

        shown = shown || via_is_on(hvm, enable);
    }
    if (!via_get_bool(node, &on))
        via_lost(via, node, path, "neither true nor false");
    else if (on && shown)
        via_put(via, "vga", "none", node, path);
    else
        via_put(via, row->key, on ? "1" : "0", node, path);
}

/* Bytes as Windows' GUIDs lie in memory. */
void
xlj_read_genid(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t uuid[16], any = 0;
    char text[37];

    for (guint i = 0; i < 16; i++) {
        gint64 byte = -1;

        if (node->items && node->items->len == 16)
            via_get_number(node->items->pdata[order[i]], &byte);
        if (byte < 0 || byte > 255) {
            via_lost(via, node, path, "not a list of 16 bytes");
            return;
        }
        uuid[i] = (uint8_t)byte;
        any |= uuid[i];
    }
    conf_uuid_format(uuid, text);
    if (any)
        via_put(via, row->key, text, node, path);
    else
        conf_node_mark(node, CONF_FATE_DEFAULT);
}

static void
set_vnc_socket(ConfDomain *def, const char *text)
{
    for (guint i = 0; i < def->graphics->len; i++) {
        ConfGraphics *graphics = def->graphics->pdata[i];
        ConfListen *listen;

        if (g_strcmp0(graphics->type, "vnc") != 0)
            continue;
        listen = conf_listen_new();
        listen->type = g_strdup("socket");
        listen->socket = g_strdup(text);
        g_free(graphics->socket);
        graphics->socket = g_strdup(text);
        g_clear_pointer(&graphics->listen, g_free);
        g_clear_pointer(&graphics->autoport, g_free);
        graphics->port.set = false;
        g_ptr_array_set_size(graphics->listens, 0);
        g_ptr_array_add(graphics->listens, listen);
    }
}

/* QEMU takes "unix:PATH" there; xl's mapping has addresses only. */
void
xlj_read_vnc_listen(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *text = via_text(node);

    if (text == NULL) {
        via_lost(via, node, path, "not a text");
    } else if (g_str_has_prefix(text, "unix:/")) {
        via_after(via, set_vnc_socket, text + strlen("unix:"));
        conf_node_mark(node, CONF_FATE_CARRIED);
    } else {
        via_put(via, row->key, text, node, path);
    }
}

/* ---- xenstore ---- */

static void
set_bios_strings(ConfDomain *def, const char *text)
{
    g_auto(GStrv) pairs = g_strsplit(text, "\n", -1);

    conf_domain_set_bios_strings(def, (const char *const *)pairs);
}

void
xlj_read_xsdata(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const char prefix[] = "bios-strings/";
    g_autoptr(GString) pairs = g_string_new(NULL);

    for (guint i = 0; node->kind == CONF_NODE_GROUP && i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];
        const char *value = via_text(item);
        g_autofree char *clean = NULL;

        if (value == NULL || !g_str_has_prefix(item->key, prefix) || strchr(value, '\n') ||
            conf_bios_string_find(item->key + strlen(prefix)) == NULL)
            continue; /* stays unseen: the row has the reason */
        clean = conf_xml_clean(value);
        g_string_append_printf(pairs, "%s%s\n%s", pairs->len ? "\n" : "",
                               item->key + strlen(prefix), clean);
        conf_node_mark(item, CONF_FATE_CARRIED);
    }
    if (pairs->len)
        via_after(via, set_bios_strings, pairs->str);
}
