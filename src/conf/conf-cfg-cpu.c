/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: processors of a domain: count, pinning, weight, features, virtual NUMA. */
#include "conf-cfg.h"

#include <string.h>

#define MAX_VCPUS  65536
#define CAP_PERIOD 100000 /* us: a cap of 100 (one processor) is a quota of one whole period */

/* ---- pinning ---- */

/* Says something about the host, which is not known here: "node:0", "all,^1". */
static bool
needs_host(const char *text)
{
    return !g_str_equal(text, "all") && (strstr(text, "all") || strstr(text, "node"));
}

/* No list of numbers: it says nothing, or needs the host. xl's whole cpus= is in metadata then. */
static bool
is_no_list(const CfgReader *r, const char *text, const ConfPlace *place)
{
    if (*text == '\0' || g_str_equal(text, "all"))
        return true;
    if (!needs_host(text))
        return false;
    if (r->who != CFG_XL)
        conf_place_report(place, 0, CONF_OUTCOME_LOST, NULL, text,
                          "domXML names processors by number, and what these words mean depends "
                          "on the host");
    return true;
}

static ConfBitmap *
parse_cpus(const char *text, const ConfPlace *place, GError **error)
{
    g_autoptr(GError) local = NULL;
    ConfBitmap *map = conf_bitmap_parse(text, 0, &local);

    if (map == NULL)
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "'%s' is no list of processors such as 0-3,^2: %s", text, local->message);
    if (map && conf_bitmap_count(map) == 0) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID, "'%s' leaves no processor", text);
        g_clear_pointer(&map, conf_bitmap_free);
    }
    return map;
}

static gboolean
add_pin(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    if (is_no_list(r, text, place))
        return TRUE;
    g_autoptr(ConfBitmap) map = parse_cpus(text, place, error);
    if (map == NULL)
        return FALSE;
    ConfVcpuPin *pin = conf_vcpu_pin_new();
    pin->vcpu = index;
    pin->cpuset = g_steal_pointer(&map);
    g_ptr_array_add(r->def->cputune.vcpupin, pin);
    return TRUE;
}

static gboolean
set_cpuset(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    if (is_no_list(r, text, place))
        return TRUE;
    r->def->cpuset = parse_cpus(text, place, error);
    return r->def->cpuset != NULL;
}

static bool
some_need_host(const ConfNode *node)
{
    if (node->kind == CONF_NODE_STRING)
        return needs_host(node->text);
    for (guint i = 0; node->items && i < node->items->len; i++) {
        if (some_need_host(g_ptr_array_index(node->items, i)))
            return true;
    }
    return false;
}

gboolean
cfg_read_cpus(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    bool list = node->kind == CONF_NODE_LIST;

    if (node->kind == CONF_NODE_STRING && (*node->text == '\0' || g_str_equal(node->text, "all"))) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return TRUE;
    }
    if (some_need_host(node))
        cfg_carry_instead(r, key->name);
    return cfg_each_string(r, key->name, node, list ? add_pin : set_cpuset, error);
}

void
cfg_write_cpus(CfgWriter *w, const CfgKey *key)
{
    const ConfDomain *def = w->def;
    g_autofree char *all = def->cpuset ? conf_bitmap_format(def->cpuset) : NULL;

    if (def->cputune.vcpupin->len == 0) {
        if (all)
            cfg_put_string(w, key->name, all);
        return;
    }
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = g_ptr_array_index(def->cputune.vcpupin, i);

        if (pin->vcpu >= def->vcpus_max || !pin->cpuset) /* <vcpupin> may come without a cpuset */
            continue;                                    /* named by cfg_report_unwritten() */
        while (list->len <= pin->vcpu)
            g_ptr_array_add(list, g_strdup(all ? all : "all"));
        g_free(list->pdata[pin->vcpu]);
        list->pdata[pin->vcpu] = conf_bitmap_format(pin->cpuset);
    }
    while (all && list->len < def->vcpus_max)
        g_ptr_array_add(list, g_strdup(all));
    cfg_put_list(w, key->name, list);
}

/* ---- how many, how much ---- */

static gboolean
check_vcpus(CfgReader *r, const char *key, ConfOptInt value, GError **error)
{
    if (!value.set || (value.value >= 1 && value.value <= MAX_VCPUS))
        return TRUE;
    cfg_error(r, cfg_node(r, key), key, error, CONF_ERROR_INVALID,
              "expected a number from 1 to %d, found %" G_GINT64_FORMAT, MAX_VCPUS, value.value);
    return FALSE;
}

/* xm's mask of the virtual processors that are online at the start. */
static void
join_avail(CfgReader *r)
{
    uint64_t mask = (uint64_t)r->parts.vcpu_avail.value;
    unsigned n = r->def->vcpus_max, online = 0;

    if (!r->parts.vcpu_avail.set)
        return;
    if (n < 64)
        mask &= (UINT64_C(1) << n) - 1;
    for (unsigned i = 0; i < 64; i++)
        online += (mask >> i) & 1;
    if (online == 0)
        return;
    r->def->vcpus = online < n ? online : 0;
    if (online < 64 && mask != (UINT64_C(1) << online) - 1)
        cfg_report_key(r, "vcpu_avail", CONF_OUTCOME_CHANGED,
                       "Xen under libvirt starts with the first %u processors online", online);
}

static gboolean
join_vcpus(CfgReader *r, GError **error)
{
    ConfOptInt vcpus = r->parts.vcpus, max = r->parts.maxvcpus;

    if (!check_vcpus(r, "vcpus", vcpus, error) || !check_vcpus(r, "maxvcpus", max, error))
        return FALSE;
    if (vcpus.set && max.set && max.value < vcpus.value) {
        cfg_error(r, cfg_node(r, "maxvcpus"), "maxvcpus", error, CONF_ERROR_INVALID,
                  "%" G_GINT64_FORMAT " is less than vcpus=%" G_GINT64_FORMAT, max.value,
                  vcpus.value);
        return FALSE;
    }
    r->def->vcpus_max = (unsigned)(max.set ? max.value : vcpus.set ? vcpus.value : 1);
    r->def->vcpus = max.set ? (unsigned)(vcpus.set ? vcpus.value : max.value) : 0;
    if (r->def->vcpus == r->def->vcpus_max)
        r->def->vcpus = 0;
    join_avail(r);
    return TRUE;
}

/* A pin of a processor that the domain does not have is refused by libvirt. */
static void
drop_pins(CfgReader *r)
{
    GPtrArray *pins = r->def->cputune.vcpupin;
    ConfNode *node = cfg_node(r, "cpus");

    while (pins->len > 0) {
        const ConfVcpuPin *pin = g_ptr_array_index(pins, pins->len - 1);

        if (pin->vcpu < r->def->vcpus_max)
            return;
        if (node && node->items && pin->vcpu < node->items->len) {
            g_autofree char *path = g_strdup_printf("cpus[%u]", pin->vcpu);

            cfg_report(r, g_ptr_array_index(node->items, pin->vcpu), path, CONF_OUTCOME_DEFAULT,
                       "the domain has %u virtual processors", r->def->vcpus_max);
        }
        g_ptr_array_remove_index(pins, pins->len - 1);
    }
}

static gboolean
join_share(CfgReader *r, GError **error)
{
    ConfCpuTune *tune = &r->def->cputune;
    const char *key = r->who == CFG_XM ? "cpu_cap" : "cap";
    ConfOptInt cap = r->parts.cap, cpu = r->parts.cpu;

    if (cap.set && (cap.value < 0 || cap.value > 100 * MAX_VCPUS)) {
        cfg_error(r, cfg_node(r, key), key, error, CONF_ERROR_INVALID,
                  "expected percents of one processor, found %" G_GINT64_FORMAT, cap.value);
        return FALSE;
    }
    if (cap.set && cap.value > 0) {
        tune->period = (ConfOptInt){ true, CAP_PERIOD };
        tune->quota = (ConfOptInt){ true, cap.value * (CAP_PERIOD / 100) };
    }
    if (tune->shares.set && (tune->shares.value < 2 || tune->shares.value > 65535)) {
        bool xens = tune->shares.value == 1; /* which libvirt refuses */

        if (!xens || !cfg_carry_instead(r, "cpu_weight"))
            cfg_report_key(r, "cpu_weight", CONF_OUTCOME_LOST,
                           "libvirt takes weights from 2 to 65535");
        tune->shares.set = false;
    }
    if (!cpu.set || cpu.value < 0)
        return TRUE;
    if (cpu.value >= MAX_VCPUS || r->def->cpuset || tune->vcpupin->len > 0) {
        cfg_report_key(r, "cpu", CONF_OUTCOME_LOST,
                       cpu.value >= MAX_VCPUS ? "there is no such processor" : "cpus= is there");
        return TRUE;
    }
    ConfVcpuPin *pin = conf_vcpu_pin_new();
    pin->cpuset = conf_bitmap_new((unsigned)cpu.value + 1);
    conf_bitmap_set(pin->cpuset, (unsigned)cpu.value, true);
    g_ptr_array_add(tune->vcpupin, pin);
    return TRUE;
}

/* ---- features ---- */

/* Names that libxl and libvirt don't share; all others are the same in both. Where libxl has
 * several names, the first one is written. */
static const struct FeatureName {
    const char *libxl;
    const char *libvirt;
} feature_names[] = {
    { "sse3", "pni" },
    { "cmpxchg16", "cx16" },
    { "cmpxchg8", "cx8" },
    { "cntxid", "cid" },
    { "dscpl", "ds_cpl" },
    { "clfsh", "clflush" },
    { "sysenter", "sep" },
    { "htt", "ht" },
    { "psn", "pn" },
    { "ffxsr", "fxsr_opt" },
    { "page1gb", "pdpe1gb" },
    { "lahfsahf", "lahf_lm" },
    { "cmplegacy", "cmp_legacy" },
    { "altmovcr8", "cr8legacy" },
    { "nodeid", "nodeid_msr" },
    { "pclmulqdq", "pclmuldq" },
    { "sse4.1", "sse4.1" },
    { "sse4_1", "sse4.1" },
    { "sse4-1", "sse4.1" },
    { "sse4.2", "sse4.2" },
    { "sse4_2", "sse4.2" },
    { "sse4-2", "sse4.2" },
    { "avx512-bitalg", "avx512bitalg" },
    { "avx512-ifma", "avx512ifma" },
    { "avx512-vbmi", "avx512vbmi" },
    { "avx512-vbmi2", "avx512vbmi2" },
    { "avx512-vnni", "avx512vnni" },
    { "sha", "sha-ni" },
    { "proc-trace", "intel-pt" },
    { "ibrsb", "spec-ctrl" },
    { "arch-caps", "arch-capabilities" },
    { "core-caps", "core-capability" },
    { "tsxldtrk", "tsx-ldtrk" },
    { "rstr-fp-err-ptrs", "xsaveerptr" },
    { "svm_decode", "decodeassists" },
    { "svm_lbrv", "lbrv" },
    { "svm_npt", "npt" },
    { "svm_nrips", "nrip-save" },
    { "svm_pausefilt", "pause-filter" },
    { "svm_tscrate", "tsc-scale" },
    { "svm_vmcbclean", "vmcb-clean" },
};

/* Keys of libxl's cpuid= that take a number. */
static const char *const cpuid_numbers[] = {
    "apicidsize", "brandid", "clflush",   "family",  "localapicid", "maxleaf", "maxhvleaf",
    "model",      "nc",      "proccount", "procpkg", "stepping",    NULL,
};

const char *
conf_cpu_feature_from_xl(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(feature_names); i++) {
        if (g_str_equal(feature_names[i].libxl, name))
            return feature_names[i].libvirt;
    }
    return name;
}

const char *
conf_cpu_feature_to_xl(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(feature_names); i++) {
        if (g_str_equal(feature_names[i].libvirt, name))
            return feature_names[i].libxl;
    }
    return name;
}

static ConfCpu *
ensure_cpu(ConfDomain *def)
{
    if (def->cpu == NULL)
        def->cpu = conf_cpu_new();
    return def->cpu;
}

static ConfCpuFeature *
find_feature(const ConfCpu *cpu, const char *name)
{
    for (guint i = 0; cpu && i < cpu->features->len; i++) {
        ConfCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        if (g_strcmp0(feature->name, name) == 0)
            return feature;
    }
    return NULL;
}

/* The guest sees the host's processor but for some features: that is how Xen works. */
static void
set_feature(ConfDomain *def, const char *name, const char *policy)
{
    ConfCpu *cpu = ensure_cpu(def);
    ConfCpuFeature *feature = find_feature(cpu, name);

    conf_set_string(&cpu->mode, "host-passthrough");
    if (feature == NULL) {
        feature = conf_cpu_feature_new();
        conf_set_string(&feature->name, name);
        g_ptr_array_add(cpu->features, feature);
    }
    conf_set_string(&feature->policy, policy);
}

static bool
is_feature_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == len;
}

/* What domXML can't say of CPUID: "host,WORD,WORD", in metadata. */
static bool
carry_cpuid(CfgReader *r, const CfgWord *word)
{
    const char *before = conf_xl_keys_get(r->ext->keys, "cpuid");
    g_autofree char *text = g_strdup_printf("%s,%s=%s", before ? before : "host", word->name,
                                            word->value ? word->value : "");

    if (r->who != CFG_XL)
        return false;
    conf_xl_keys_set(r->ext->keys, "cpuid", text);
    return true;
}

static bool
passes_host_bit(const char *value)
{
    return g_str_equal(value, "k") || g_str_equal(value, "s");
}

static void
read_cpuid_word(CfgReader *r, const CfgWord *word, const ConfPlace *place)
{
    static const CfgName policies[] = {
        { "0", "disable" },
        { "1", "force" },
        { "x", "optional" },
        { NULL, NULL },
    };
    const char *value = word->value ? word->value : "";

    if ((g_strv_contains(cpuid_numbers, word->name) ||
         (is_feature_name(word->name) && passes_host_bit(value))) &&
        carry_cpuid(r, word))
        return;
    if (g_strv_contains(cpuid_numbers, word->name)) {
        conf_place_report(place, word->offset, CONF_OUTCOME_LOST, word->name, value,
                          "no domXML element for this field of CPUID");
        return;
    }
    for (const CfgName *policy = policies; policy->word; policy++) {
        if (g_str_equal(policy->word, value) && is_feature_name(word->name)) {
            set_feature(r->def, conf_cpu_feature_from_xl(word->name), policy->value);
            return;
        }
    }
    conf_place_report(place, word->offset, CONF_OUTCOME_LOST, word->name, value,
                      passes_host_bit(value)
                          ? "domXML can't pass the host's bit of one feature through"
                          : "expected FEATURE=0, 1, x, k or s");
}

static gboolean
read_cpuid(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text);

    for (guint i = 0; i < words->len; i++) {
        const CfgWord *word = g_ptr_array_index(words, i);

        if (i == 0 && g_str_equal(word->name, "host") && word->value == NULL)
            continue;
        read_cpuid_word(r, word, place);
    }
    return TRUE;
}

gboolean
cfg_read_cpuid(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    if (node->kind == CONF_NODE_LIST)
        cfg_carry(r, key->name, node); /* xend's syntax: bits of leaves */
    if (node->fate == CONF_FATE_CARRIED)
        return TRUE;
    if (node->kind == CONF_NODE_LIST || r->who == CFG_XM) {
        cfg_report(r, node, key->name, CONF_OUTCOME_LOST,
                   "domXML names processor features, and here are bits of CPUID leaves");
        return TRUE;
    }
    return cfg_each_string(r, key->name, node, read_cpuid, error);
}

static bool
is_nesting(const char *name)
{
    return g_str_equal(name, "vmx") || g_str_equal(name, "svm");
}

static const char *
policy_to_libxl(const char *policy)
{
    if (policy == NULL || g_str_equal(policy, "force") || g_str_equal(policy, "require"))
        return "1";
    return g_str_equal(policy, "optional") ? "x" : "0";
}

void
cfg_write_cpuid(CfgWriter *w, const CfgKey *key)
{
    const ConfCpu *cpu = w->def->cpu;
    g_autoptr(GString) text = g_string_new("host");

    if (w->who == CFG_XM) {
        if (cfg_carries_list(w, key->name))
            cfg_write_carried(w, key);
        return;
    }
    for (guint i = 0; cpu && i < cpu->features->len; i++) {
        const ConfCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        const char *policy = policy_to_libxl(feature->policy);
        if (!is_nesting(feature->name) || g_str_equal(policy, "x")) /* else nestedhvm= says it */
            g_string_append_printf(text, ",%s=%s", conf_cpu_feature_to_xl(feature->name), policy);
    }
    const char *carried = conf_xl_keys_get(w->ext->keys, "cpuid");
    if (carried && g_str_has_prefix(carried, "host,"))
        g_string_append(text, carried + strlen("host"));
    if (!g_str_equal(text->str, "host"))
        cfg_put_string(w, key->name, text->str);
    else
        cfg_write_carried(w, key); /* in xend's syntax */
}

/* ---- viridian ---- */

static const struct ViridianGroup {
    const char *group;
    const char *hyperv; /* NULL: libvirt has no name for it */
    bool by_default;
} viridian_groups[] = {
    { "base", "vpindex", true },
    { "freq", "frequencies", true },
    { "time_ref_count", NULL, true },
    { "reference_tsc", NULL, false },
    { "hcall_remote_tlb_flush", "tlbflush", false },
    { "apic_assist", "vapic", true },
    { "crash_ctl", NULL, true },
    { "synic", "synic", false },
    { "stimer", "stimer", true },
    { "hcall_ipi", "ipi", false },
    { "ex_processor_masks", NULL, false },
    { "no_vp_limit", NULL, true },
    { "cpu_hotplug", NULL, true },
};

typedef struct ViridianSet {
    bool on[G_N_ELEMENTS(viridian_groups)];
} ViridianSet;

static bool
viridian_apply(ViridianSet *set, const char *word)
{
    bool on = word[0] != '!', found = false;
    const char *name = on ? word : word + 1;
    bool all = g_str_equal(name, "all"), defaults = g_str_equal(name, "defaults");

    for (size_t i = 0; i < G_N_ELEMENTS(viridian_groups); i++) {
        const struct ViridianGroup *group = &viridian_groups[i];

        if (all || (defaults && group->by_default) || g_str_equal(name, group->group)) {
            set->on[i] = on;
            found = true;
        }
    }
    return found;
}

static void
viridian_add(ConfDomain *def, const char *name)
{
    for (guint i = 0; i < def->features.hyperv->len; i++) {
        if (g_str_equal(((ConfHypervFeature *)g_ptr_array_index(def->features.hyperv, i))->name,
                        name))
            return;
    }
    ConfHypervFeature *feature = conf_hyperv_feature_new();
    conf_set_string(&feature->name, name);
    feature->state = CONF_TRISTATE_ON;
    g_ptr_array_add(def->features.hyperv, feature);
}

/* The whole of it, as it stands: the names of <hyperv> are for other drivers then. */
static void
carry_viridian(CfgReader *r, const ConfNode *node)
{
    if (node->kind == CONF_NODE_LIST) {
        for (guint i = 0; i < node->items->len; i++)
            conf_xl_keys_add_item(r->ext->keys, "viridian",
                                  ((const ConfNode *)g_ptr_array_index(node->items, i))->text);
    } else {
        conf_xl_keys_add_item(r->ext->keys, "viridian", node->text);
    }
}

/* <viridian/> is the default set; any other is named group by group, as far as libvirt can. */
static void
viridian_store(CfgReader *r, ConfNode *node, const ViridianSet *set)
{
    g_autoptr(GString) lost = g_string_new(NULL);
    bool as_default = true, any = false;

    for (size_t i = 0; i < G_N_ELEMENTS(viridian_groups); i++) {
        as_default = as_default && set->on[i] == viridian_groups[i].by_default;
        any = any || set->on[i];
    }
    if (as_default || !any) {
        r->def->features.viridian = any;
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(viridian_groups); i++) {
        if (!set->on[i])
            continue;
        if (viridian_groups[i].hyperv == NULL)
            g_string_append_printf(lost, "%s%s", lost->len ? ", " : "", viridian_groups[i].group);
        else if (g_str_equal(viridian_groups[i].group, "stimer")) {
            viridian_add(r->def, "synic"); /* libvirt wants it named; in Xen stimer brings it */
            viridian_add(r->def, "stimer");
        } else
            viridian_add(r->def, viridian_groups[i].hyperv);
    }
    if (r->def->features.hyperv->len > 0)
        conf_set_string(&r->def->features.hyperv_mode, "custom");
    if (lost->len && r->who == CFG_XL)
        carry_viridian(r, node);
    else if (lost->len)
        cfg_report(r, node, "viridian", CONF_OUTCOME_CHANGED,
                   "libvirt has no names for the groups %s", lost->str);
}

gboolean
cfg_read_viridian(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    ViridianSet set = { { false } };
    bool on;

    if (node->kind == CONF_NODE_INT ||
        (node->kind == CONF_NODE_STRING && cfg_parse_bool(node->text, &on))) {
        if (!cfg_get_bool(r, key->name, node, &on, error))
            return FALSE;
        r->def->features.viridian = on;
        conf_node_mark(node, on ? CONF_FATE_CARRIED : CONF_FATE_DEFAULT);
        return TRUE;
    }
    guint n = node->kind == CONF_NODE_LIST ? node->items->len : 1;
    for (guint i = 0; i < n; i++) {
        ConfNode *item = node->kind == CONF_NODE_LIST ? g_ptr_array_index(node->items, i) : node;
        g_autofree char *path = node->kind == CONF_NODE_LIST
                                    ? g_strdup_printf("%s[%u]", key->name, i)
                                    : g_strdup(key->name);
        const char *word;

        if (!cfg_get_string(r, path, item, &word, error))
            return FALSE;
        if (!viridian_apply(&set, word)) {
            cfg_error(r, item, path, error, CONF_ERROR_INVALID,
                      "'%s' is no group of viridian enlightenments", word);
            return FALSE;
        }
    }
    conf_node_mark(node, CONF_FATE_CARRIED);
    viridian_store(r, node, &set);
    return TRUE;
}

void
cfg_write_viridian(CfgWriter *w, const CfgKey *key)
{
    const ConfFeatures *features = &w->def->features;
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(viridian_groups); i++) {
        for (guint k = 0; k < features->hyperv->len; k++) {
            const ConfHypervFeature *feature = g_ptr_array_index(features->hyperv, k);

            if (feature->state == CONF_TRISTATE_ON && viridian_groups[i].hyperv &&
                g_str_equal(feature->name, viridian_groups[i].hyperv))
                g_ptr_array_add(list, (char *)viridian_groups[i].group);
        }
    }
    if (w->who == CFG_XM || list->len == 0) {
        if (features->viridian || list->len > 0)
            cfg_put_int(w, key->name, 1);
        return;
    }
    /* The other groups can't be enabled without this one. */
    if (!g_str_equal(g_ptr_array_index(list, 0), "base"))
        g_ptr_array_insert(list, 0, (char *)"base");
    cfg_put_list(w, key->name, list);
}

/* ---- virtual NUMA ---- */

static bool
parse_distances(ConfNumaCell *cell, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 256);

    for (unsigned i = 0; words[i]; i++) {
        int64_t value;

        if (!cfg_parse_int(words[i], &value) || value < 10 || value > 254)
            return false;
        ConfNumaDistance *distance = conf_numa_distance_new();
        distance->id = i;
        distance->value = (unsigned)value;
        g_ptr_array_add(cell->distances, distance);
    }
    return true;
}

static void
add_memnode(ConfDomain *def, unsigned cell, unsigned pnode)
{
    ConfNumaMemnode *node = conf_numa_memnode_new();

    node->cellid = cell;
    conf_set_string(&node->mode, "strict");
    node->nodeset = conf_bitmap_new(pnode + 1);
    conf_bitmap_set(node->nodeset, pnode, true);
    g_ptr_array_add(def->numatune.memnodes, node);
}

/* One "key=value" of a virtual node. */
static bool
read_vnode_word(ConfDomain *def, ConfNumaCell *cell, const char *text)
{
    const char *value = strchr(text, '=');
    int64_t number;

    if (value == NULL)
        return false;
    value++;
    if (g_str_has_prefix(text, "vcpus=")) {
        if (cell->cpus == NULL)
            cell->cpus = conf_bitmap_parse(value, MAX_VCPUS, NULL);
        return cell->cpus != NULL;
    }
    if (g_str_has_prefix(text, "vdistances="))
        return cell->distances->len == 0 && parse_distances(cell, value);
    if (!cfg_parse_int(value, &number) || number < 0 || number > INT32_MAX)
        return false;
    if (g_str_has_prefix(text, "size="))
        cell->memory_kib = (uint64_t)number * 1024;
    else if (g_str_has_prefix(text, "pnode=") && number < 1024)
        add_memnode(def, (unsigned)cell->id.value, (unsigned)number);
    else
        return false;
    return true;
}

gboolean
cfg_read_vnuma(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    ConfDomain *def = r->def;

    if (node->kind != CONF_NODE_LIST || node->items->len > 1024) {
        cfg_error(r, node, key->name, error, CONF_ERROR_INVALID,
                  "expected a list of at most 1024 virtual nodes, each a list of \"key=value\"");
        return FALSE;
    }
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *vnode = g_ptr_array_index(node->items, i);
        ConfNumaCell *cell = conf_numa_cell_new();

        cell->id = (ConfOptInt){ true, i };
        g_ptr_array_add(ensure_cpu(def)->numa, cell);
        for (guint k = 0; vnode->kind == CONF_NODE_LIST && k < vnode->items->len; k++) {
            const ConfNode *item = g_ptr_array_index(vnode->items, k);
            g_autofree char *path = g_strdup_printf("%s[%u][%u]", key->name, i, k);
            const char *text;

            if (!cfg_get_string(r, path, item, &text, error))
                return FALSE;
            if (!read_vnode_word(def, cell, text)) {
                cfg_error(r, item, path, error, CONF_ERROR_INVALID,
                          "expected pnode=N, size=MIB, vcpus=LIST or vdistances=N,N..., found '%s'",
                          text);
                return FALSE;
            }
        }
        if (cell->cpus == NULL || cell->memory_kib == 0) {
            cfg_error(r, vnode, key->name, error, CONF_ERROR_INVALID,
                      "virtual node %u needs a size= and vcpus=", i);
            return FALSE;
        }
    }
    conf_node_mark(node, CONF_FATE_CARRIED);
    return TRUE;
}

static unsigned
pnode_of(const ConfDomain *def, unsigned cell)
{
    for (guint i = 0; i < def->numatune.memnodes->len; i++) {
        const ConfNumaMemnode *node = g_ptr_array_index(def->numatune.memnodes, i);

        if (node->cellid == cell && node->nodeset && conf_bitmap_count(node->nodeset) == 1)
            return (unsigned)conf_bitmap_last(node->nodeset);
    }
    return cell;
}

static char *
format_distances(const ConfNumaCell *cell, unsigned self, unsigned n_cells)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned other = 0; other < n_cells; other++) {
        unsigned value = other == self ? 10 : 20;

        for (guint i = 0; i < cell->distances->len; i++) {
            const ConfNumaDistance *distance = g_ptr_array_index(cell->distances, i);

            if (distance->id == other)
                value = distance->value;
        }
        g_string_append_printf(text, "%s%u", other ? "," : "", value);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void
cfg_write_vnuma(CfgWriter *w, const CfgKey *key)
{
    const ConfCpu *cpu = w->def->cpu;

    if (cpu == NULL || cpu->numa->len == 0)
        return;
    g_string_append_printf(w->out, "%s = [ ", key->name);
    for (guint i = 0; i < cpu->numa->len; i++) {
        const ConfNumaCell *cell = g_ptr_array_index(cpu->numa, i);
        g_autofree char *vcpus = cell->cpus ? conf_bitmap_format(cell->cpus) : g_strdup("");
        g_autofree char *distances = format_distances(cell, i, cpu->numa->len);

        g_string_append_printf(w->out,
                               "%s[ \"pnode=%u\", \"size=%" G_GUINT64_FORMAT
                               "\", \"vcpus=%s\", \"vdistances=%s\" ]",
                               i ? ",\n          " : "", pnode_of(w->def, i),
                               (cell->memory_kib + 1023) / 1024, vcpus, distances);
    }
    g_string_append(w->out, " ]\n");
}

/* ---- the rest ---- */

static gint
compare_features(gconstpointer a, gconstpointer b)
{
    return strcmp((*(ConfCpuFeature *const *)a)->name, (*(ConfCpuFeature *const *)b)->name);
}

gboolean
cfg_cpu_join(CfgReader *r, GError **error)
{
    if (!join_vcpus(r, error) || !join_share(r, error))
        return FALSE;
    drop_pins(r);
    if (r->parts.nx == CONF_TRISTATE_OFF)
        set_feature(r->def, "nx", "disable");
    if (r->parts.nestedhvm != CONF_TRISTATE_ABSENT) {
        const char *policy = r->parts.nestedhvm == CONF_TRISTATE_ON ? "require" : "disable";

        /* Which of the two it is depends on the host's vendor. */
        set_feature(r->def, "vmx", policy);
        set_feature(r->def, "svm", policy);
    }
    /* Three keys name features: the order of the keys is not to show. */
    if (r->def->cpu)
        g_ptr_array_sort(r->def->cpu->features, compare_features);
    return TRUE;
}

static void
split_nesting(CfgWriter *w)
{
    static const char *const names[] = { "vmx", "svm" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const ConfCpuFeature *feature = find_feature(w->def->cpu, names[i]);

        if (feature == NULL || g_strcmp0(feature->policy, "optional") == 0)
            continue;
        bool on = g_str_equal(policy_to_libxl(feature->policy), "1");
        if (on || w->parts.nestedhvm == CONF_TRISTATE_ABSENT)
            w->parts.nestedhvm = on ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    }
}

void
cfg_cpu_split(CfgWriter *w)
{
    const ConfDomain *def = w->def;
    const ConfCpuTune *tune = &def->cputune;
    unsigned max = MAX(def->vcpus_max, 1), now = conf_domain_current_vcpus(def);

    if (w->who == CFG_XL) {
        w->parts.vcpus = (ConfOptInt){ true, now };
        w->parts.maxvcpus = (ConfOptInt){ now != max, max };
    } else {
        w->parts.vcpus = (ConfOptInt){ true, max };
        if (now < max && now < 63)
            w->parts.vcpu_avail = (ConfOptInt){ true, (int64_t)((UINT64_C(1) << now) - 1) };
        else if (now < max)
            cfg_lost(w, NULL, "xm's mask of processors has 64 bits", "/domain/vcpu/@current");
    }
    if (tune->quota.set && tune->quota.value > 0)
        w->parts.cap = (ConfOptInt){
            true, conf_cap_of_quota(tune->quota.value, tune->period.set ? tune->period.value : 0,
                                    100 * MAX_VCPUS)
        };
    split_nesting(w);
}
