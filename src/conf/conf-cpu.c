/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What processors have in common, and what one lacks to be another. */
#include "conf-cpu-map.h"

#include <string.h>

/* ---- a <cpu> as bits ---- */

static const CpuFeature *
find_feature(const ConfCpuMap *map, const char *name, GError **error)
{
    const CpuFeature *feature = cpu_feature_find(map, name);

    if (!feature)
        g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_UNKNOWN, "Unknown CPU feature %s", name);
    return feature;
}

/* The bits of the model; none where there is no model. */
static gboolean
model_bits(const ConfCpuMap *map, const char *name, CpuBits *ret_bits, GError **error)
{
    const CpuModel *model = name ? cpu_model_find(map, name) : NULL;

    if (name && !model) {
        g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_UNKNOWN, "Unknown CPU model %s", name);
        return FALSE;
    }
    *ret_bits = model ? model->bits : (CpuBits){ 0 };
    return TRUE;
}

/* The features that `spec` wishes for, by policy. */
static gboolean
wished_bits(const ConfCpuMap *map, const ConfCpuSpec *spec, CpuBits ret_bits[CONF_CPU_N_POLICIES],
            GError **error)
{
    memset(ret_bits, 0, sizeof(CpuBits) * CONF_CPU_N_POLICIES);
    for (guint i = 0; i < spec->wishes->len; i++) {
        const ConfCpuWish *wish = spec->wishes->pdata[i];
        const CpuFeature *feature = find_feature(map, wish->feature, error);

        if (!feature)
            return FALSE;
        cpu_bits_add(&ret_bits[wish->policy], &feature->bits);
    }
    return TRUE;
}

/* What a processor has that is as `spec` says, whatever is optional left out. */
static gboolean
all_bits(const ConfCpuMap *map, const ConfCpuSpec *spec, CpuBits *ret_bits, GError **error)
{
    CpuBits wished[CONF_CPU_N_POLICIES];

    if (!model_bits(map, spec->model, ret_bits, error) || !wished_bits(map, spec, wished, error))
        return FALSE;
    cpu_bits_add(ret_bits, &wished[CONF_CPU_FORCE]);
    cpu_bits_add(ret_bits, &wished[CONF_CPU_REQUIRE]);
    cpu_bits_subtract(ret_bits, &wished[CONF_CPU_DISABLE]);
    cpu_bits_subtract(ret_bits, &wished[CONF_CPU_FORBID]);
    return TRUE;
}

/* ---- comparing ---- */

static void
append_name(const CpuFeature *feature, gpointer data)
{
    GString *names = data;

    g_string_append_printf(names, "%s%s", names->len ? ", " : "", feature->name);
}

/* INCOMPATIBLE, because of the features in `bits`. */
static ConfCpuCompare
refuse_for(const ConfCpuMap *map, const char *what, const CpuBits *bits, char **ret_why)
{
    g_autoptr(GString) names = g_string_new(NULL);

    cpu_bits_foreach(map, bits, append_name, names);
    if (ret_why)
        *ret_why = g_strconcat(what, ": ", names->str, NULL);
    return CONF_CPU_COMPARE_INCOMPATIBLE;
}

G_GNUC_PRINTF(2, 3)
static ConfCpuCompare
refuse(char **ret_why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (ret_why)
        *ret_why = g_strdup_vprintf(format, args);
    va_end(args);
    return CONF_CPU_COMPARE_INCOMPATIBLE;
}

ConfCpuCompare
conf_cpu_compare(const ConfCpuMap *map, const ConfCpuSpec *host, const ConfCpuSpec *cpu,
                 char **ret_why, GError **error)
{
    CpuBits has, needs, wished[CONF_CPU_N_POLICIES], rest;

    if (cpu->arch && conf_cpu_arch(cpu->arch) != CONF_CPU_ARCH_X86)
        return refuse(ret_why, "CPU arch %s does not match host arch", cpu->arch);
    if (cpu->vendor && g_strcmp0(cpu->vendor, host->vendor) != 0)
        return refuse(ret_why, "host CPU vendor does not match required CPU vendor %s",
                      cpu->vendor);
    if (!all_bits(map, host, &has, error) || !model_bits(map, cpu->model, &needs, error) ||
        !wished_bits(map, cpu, wished, error))
        return CONF_CPU_COMPARE_ERROR;

    rest = wished[CONF_CPU_FORBID];
    cpu_bits_intersect(&rest, &has);
    if (!cpu_bits_are_empty(&rest))
        return refuse_for(map, "Host CPU provides forbidden features", &rest, ret_why);

    /* What the model has, but the guest does without, or gets without the host. */
    cpu_bits_add(&needs, &wished[CONF_CPU_REQUIRE]);
    cpu_bits_subtract(&needs, &wished[CONF_CPU_FORCE]);
    cpu_bits_subtract(&needs, &wished[CONF_CPU_OPTIONAL]);
    cpu_bits_subtract(&needs, &wished[CONF_CPU_DISABLE]);
    rest = needs;
    cpu_bits_subtract(&rest, &has);
    if (!cpu_bits_are_empty(&rest))
        return refuse_for(map, "Host CPU does not provide required features", &rest, ret_why);

    rest = has;
    cpu_bits_subtract(&rest, &needs);
    cpu_bits_subtract(&rest, &wished[CONF_CPU_FORCE]);
    cpu_bits_subtract(&rest, &wished[CONF_CPU_OPTIONAL]);
    cpu_bits_subtract(&rest, &wished[CONF_CPU_DISABLE]);
    if (cpu_bits_are_empty(&rest))
        return CONF_CPU_COMPARE_IDENTICAL;
    if (cpu->strict)
        return refuse_for(map, "Host CPU does not strictly match guest CPU: Extra features", &rest,
                          ret_why);
    return CONF_CPU_COMPARE_SUPERSET;
}

/* ---- the model that is nearest ---- */

/* A processor that is to be described. */
typedef struct Subject {
    const ConfCpuMap *map;
    const CpuBits *bits;
    const CpuVendor *vendor; /* NULL: any */
    const char *preferred;   /* model that wins where it may stand; NULL: none */
    GPtrArray *origins;      /* ConfCpuSpec that it came from; NULL: none */
    gboolean host;
    gboolean is_signed;
    guint family, number, stepping;
} Subject;

/* `model` with what is to be added and to be taken away. */
typedef struct Candidate {
    const CpuModel *model;
    CpuBits more, less;
    guint weight, penalty;
    gboolean is_signed;
} Candidate;

static void
count_feature(const CpuFeature *feature, gpointer data)
{
    ++*(guint *)data;
}

static gboolean
has_signature(const CpuModel *model, const Subject *subject)
{
    for (guint i = 0; subject->is_signed && i < model->signatures->len; i++) {
        const CpuSignature *signature = &g_array_index(model->signatures, CpuSignature, i);

        if (signature->family == subject->family && signature->number == subject->number &&
            (!signature->steppings || conf_bitmap_get(signature->steppings, subject->stepping)))
            return TRUE;
    }
    return FALSE;
}

/* A feature that the model lost is named, so that no hypervisor gives it back: unless the processor
 * has it. */
static gboolean
is_lost(const Subject *subject, const char *name)
{
    const CpuFeature *feature = cpu_feature_find(subject->map, name);

    return feature && !cpu_bits_have(subject->bits, &feature->bits);
}

/* Each feature that has to be named weighs. One that is taken away weighs more, the more there are:
 * a guest bears an old model with additions better than a new one with holes. By experiment these
 * are the weights of libvirt 9.0: the first pair of holes costs 1 more, the next 2, the next 3. */
static void
weigh(const Subject *subject, Candidate *candidate)
{
    const GPtrArray *removed = candidate->model->removed;
    guint n_more = 0, n_less = 0;

    cpu_bits_foreach(subject->map, &candidate->more, count_feature, &n_more);
    cpu_bits_foreach(subject->map, &candidate->less, count_feature, &n_less);
    for (guint i = 0; !subject->host && i < removed->len; i++)
        n_less += is_lost(subject, removed->pdata[i]);
    candidate->penalty = (n_less + 1) / 2;
    candidate->weight = n_more + n_less + candidate->penalty * (candidate->penalty + 1) / 2;
}

/* FALSE: `model` is not for this processor. */
static gboolean
consider(const Subject *subject, const CpuModel *model, Candidate *ret)
{
    if (!(subject->host ? model->for_host : model->for_guest))
        return FALSE;
    if (subject->vendor && model->vendor && subject->vendor != model->vendor)
        return FALSE;
    *ret = (Candidate){ .model = model, .more = *subject->bits, .less = model->bits };
    cpu_bits_subtract(&ret->more, &model->bits);
    cpu_bits_subtract(&ret->less, subject->bits);
    /* A host does not have a model and lack some of it. */
    if (subject->host && !cpu_bits_are_empty(&ret->less))
        return FALSE;
    weigh(subject, ret);
    ret->is_signed = has_signature(model, subject);
    return TRUE;
}

static gboolean
is_origin(const Subject *subject, const CpuModel *model)
{
    for (guint i = 0; subject->origins && i < subject->origins->len; i++)
        if (g_strcmp0(((const ConfCpuSpec *)subject->origins->pdata[i])->model, model->name) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
is_better(const Subject *subject, const Candidate *candidate, const Candidate *best)
{
    if (!best->model)
        return TRUE;
    if (candidate->is_signed != best->is_signed)
        return candidate->is_signed;
    if (candidate->penalty < best->penalty && is_origin(subject, candidate->model))
        return TRUE;
    if (candidate->weight != best->weight)
        return candidate->weight < best->weight;
    return candidate->penalty < best->penalty;
}

/* Newer models stand behind older ones: of equal ones the last. */
static gboolean
find_best(const Subject *subject, Candidate *ret_best)
{
    Candidate best = { 0 }, candidate;

    for (guint i = subject->map->models->len; i > 0; i--) {
        const CpuModel *model = subject->map->models->pdata[i - 1];

        if (!consider(subject, model, &candidate))
            continue;
        if (g_strcmp0(model->name, subject->preferred) == 0) {
            best = candidate;
            break;
        }
        if (is_better(subject, &candidate, &best))
            best = candidate;
    }
    *ret_best = best;
    return best.model != NULL;
}

static void
wish_required(const CpuFeature *feature, gpointer spec)
{
    cpu_spec_wish(spec, feature->name, CONF_CPU_REQUIRE);
}

static void
wish_disabled(const CpuFeature *feature, gpointer spec)
{
    cpu_spec_wish(spec, feature->name, CONF_CPU_DISABLE);
}

/* Fills model, vendor and wishes of `spec`. */
static gboolean
describe(const Subject *subject, ConfCpuSpec *spec)
{
    Candidate best;

    spec->vendor = g_strdup(subject->vendor ? subject->vendor->name : NULL);
    if (!find_best(subject, &best))
        return FALSE;
    spec->model = g_strdup(best.model->name);
    cpu_bits_foreach(subject->map, &best.more, wish_required, spec);
    cpu_bits_foreach(subject->map, &best.less, wish_disabled, spec);
    for (guint i = 0; !subject->host && i < best.model->removed->len; i++) {
        const char *name = best.model->removed->pdata[i];

        if (is_lost(subject, name) && !cpu_spec_find(spec, name))
            cpu_spec_wish(spec, name, CONF_CPU_DISABLE);
    }
    return TRUE;
}

/* ---- a host's leaves ---- */

static const ConfCpuLeaf *
find_leaf(const ConfCpuLeaf *leaves, gsize n, const CpuWord *word)
{
    for (gsize i = 0; i < n; i++)
        if (leaves[i].msr == word->msr && leaves[i].leaf == word->leaf &&
            leaves[i].subleaf == word->subleaf)
            return &leaves[i];
    return NULL;
}

static CpuBits
leaves_bits(const ConfCpuMap *map, const ConfCpuLeaf *leaves, gsize n)
{
    CpuBits bits = { 0 };

    for (guint i = 0; i < map->words->len; i++) {
        const CpuWord *word = &g_array_index(map->words, CpuWord, i);
        const ConfCpuLeaf *leaf = find_leaf(leaves, n, word);
        const guint32 registers[] = { leaf ? leaf->eax : 0, leaf ? leaf->ebx : 0,
                                      leaf ? leaf->ecx : 0, leaf ? leaf->edx : 0 };

        bits.words[i] = registers[word->reg];
    }
    return bits;
}

/* Leaf 0 has the vendor's 12 characters in ebx, edx, ecx, the first one lowest. */
static const CpuVendor *
leaves_vendor(const ConfCpuMap *map, const ConfCpuLeaf *leaf)
{
    char string[13] = "";

    for (guint i = 0; leaf && i < 12; i++) {
        guint32 word = i < 4 ? leaf->ebx : i < 8 ? leaf->edx : leaf->ecx;

        string[i] = (char)(word >> 8 * (i % 4) & 0xff);
    }
    for (guint i = 0; i < map->vendors->len; i++) {
        const CpuVendor *vendor = map->vendors->pdata[i];

        if (g_str_equal(vendor->string, string))
            return vendor;
    }
    return NULL;
}

/* Leaf 1 has in eax: stepping 0-3, model 4-7, family 8-11, more of the model 16-19, more of the
 * family 20-27. Family 15 is counted on; families 6 and 15 have more of the model. */
static void
leaves_signature(const ConfCpuLeaf *leaf, Subject *subject)
{
    guint family, model;

    if (!leaf || leaf->eax == 0)
        return;
    family = leaf->eax >> 8 & 0xf;
    model = leaf->eax >> 4 & 0xf;
    if (family == 6 || family == 15)
        model |= (leaf->eax >> 16 & 0xf) << 4;
    if (family == 15)
        family += leaf->eax >> 20 & 0xff;
    subject->is_signed = TRUE;
    subject->family = family;
    subject->number = model;
    subject->stepping = leaf->eax & 0xf;
}

/* Haswell's transactions do not work: microcode takes them away, but not on every host that still
 * claims to have them. */
static void
drop_broken(const Subject *subject, CpuBits *bits)
{
    static const char *const broken[] = { "hle", "rtm" };
    guint number = subject->number;

    if (!subject->vendor || !g_str_equal(subject->vendor->string, "GenuineIntel") ||
        subject->family != 6 ||
        !(number == 60 || number == 69 || number == 70 || (number == 63 && subject->stepping < 4)))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
        const CpuFeature *feature = cpu_feature_find(subject->map, broken[i]);

        if (feature)
            cpu_bits_subtract(bits, &feature->bits);
    }
}

ConfCpuSpec *
conf_cpu_decode(const ConfCpuMap *map, const char *arch, const ConfCpuLeaf *leaves, gsize n_leaves)
{
    static const CpuWord zero = { .leaf = 0 }, one = { .leaf = 1 };
    CpuBits bits = leaves_bits(map, leaves, n_leaves);
    ConfCpuSpec *spec = cpu_spec_new(TRUE);
    Subject subject = {
        .map = map,
        .bits = &bits,
        .vendor = leaves_vendor(map, find_leaf(leaves, n_leaves, &zero)),
        .host = TRUE,
    };

    leaves_signature(find_leaf(leaves, n_leaves, &one), &subject);
    drop_broken(&subject, &bits);
    spec->arch = g_strdup(arch);
    spec->is_signed = subject.is_signed;
    spec->family = subject.family;
    spec->number = subject.number;
    spec->stepping = subject.stepping;
    if (!describe(&subject, spec))
        cpu_bits_foreach(map, &bits, wish_required, spec);
    return spec;
}

/* ---- what several have in common ---- */

typedef struct Common {
    const ConfCpuMap *map;
    CpuBits bits;
    const CpuVendor *vendor; /* NULL: nobody said */
    gboolean vendor_shown;   /* each <cpu> said */
    const char *model;       /* of all; NULL: they differ */
} Common;

static gboolean
mismatch(GError **error, const char *text)
{
    g_set_error_literal(error, CONF_CPU_ERROR, CONF_CPU_ERROR_MISMATCH, text);
    return FALSE;
}

/* A <cpu> says its vendor, or its model does. */
static gboolean
add_vendor(Common *common, const ConfCpuSpec *cpu, gboolean first, GError **error)
{
    const CpuModel *model = cpu_model_find(common->map, cpu->model);
    const CpuVendor *vendor = cpu->vendor ? cpu_vendor_find(common->map, cpu->vendor) : NULL;

    common->vendor_shown &= cpu->vendor != NULL;
    if (!first && cpu->vendor && model->vendor && !g_str_equal(cpu->vendor, model->vendor->name)) {
        g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_MISMATCH,
                    "CPU vendor %s of model %s differs from vendor %s", model->vendor->name,
                    model->name, cpu->vendor);
        return FALSE;
    }
    if (cpu->vendor && !vendor) {
        g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_MISMATCH, "Unknown CPU vendor %s",
                    cpu->vendor);
        return FALSE;
    }
    /* The first one's model does not count: libvirt's answer would be another one. */
    if (!vendor && !first)
        vendor = model->vendor;
    if (vendor && common->vendor && vendor != common->vendor)
        return mismatch(error, "CPU vendors do not match");
    if (vendor)
        common->vendor = vendor;
    return TRUE;
}

static gboolean
add_cpu(Common *common, const ConfCpuSpec *cpu, gboolean first, GError **error)
{
    CpuBits bits;

    if (!all_bits(common->map, cpu, &bits, error) || !add_vendor(common, cpu, first, error))
        return FALSE;
    if (first) {
        common->bits = bits;
        common->model = cpu->model;
    } else {
        cpu_bits_intersect(&common->bits, &bits);
        if (g_strcmp0(common->model, cpu->model) != 0)
            common->model = NULL;
    }
    return TRUE;
}

static gboolean
check_cpus(GPtrArray *cpus, GError **error)
{
    const char *arch;

    if (cpus->len == 0) {
        g_set_error_literal(error, CONF_CPU_ERROR, CONF_CPU_ERROR_ARGUMENT, "no CPUs given");
        return FALSE;
    }
    for (guint i = 0; i < cpus->len; i++) {
        if (((const ConfCpuSpec *)cpus->pdata[i])->model)
            continue;
        g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_ARGUMENT,
                    "no CPU model specified at index %u", i);
        return FALSE;
    }
    arch = ((const ConfCpuSpec *)cpus->pdata[0])->arch;
    if (!arch || conf_cpu_arch(arch) == CONF_CPU_ARCH_X86)
        return TRUE;
    g_set_error(error, CONF_CPU_ERROR, CONF_CPU_ERROR_ARCH,
                "'%s' architecture is not supported by CPU driver", arch);
    return FALSE;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    const ConfCpuWish *x = *(const ConfCpuWish *const *)a, *y = *(const ConfCpuWish *const *)b;

    return strcmp(x->feature, y->feature);
}

static void
wish_of_model(const CpuFeature *feature, gpointer spec)
{
    if (!cpu_spec_find(spec, feature->name))
        cpu_spec_wish(spec, feature->name, CONF_CPU_REQUIRE);
}

/* Names what the model has, in alphabetical order, as libvirt does. */
static void
expand(const ConfCpuMap *map, ConfCpuSpec *spec)
{
    cpu_bits_foreach(map, &cpu_model_find(map, spec->model)->bits, wish_of_model, spec);
    g_ptr_array_sort(spec->wishes, compare_names);
}

static void
drop_blockers(const ConfCpuMap *map, ConfCpuSpec *spec)
{
    for (guint i = spec->wishes->len; i > 0; i--) {
        const ConfCpuWish *wish = spec->wishes->pdata[i - 1];

        if (cpu_feature_find(map, wish->feature)->blocks_migration)
            g_ptr_array_remove_index(spec->wishes, i - 1);
    }
}

/* Words for the common bits of `cpus`. */
static char *
format_common(const Common *common, GPtrArray *cpus, unsigned flags, GError **error)
{
    g_autoptr(ConfCpuSpec) spec = cpu_spec_new(FALSE);
    const Subject subject = {
        .map = common->map,
        .bits = &common->bits,
        .vendor = common->vendor,
        .preferred = common->model,
        .origins = cpus,
    };
    gboolean fallback;

    if (!describe(&subject, spec)) {
        g_set_error_literal(error, CONF_CPU_ERROR, CONF_CPU_ERROR_UNKNOWN,
                            "Cannot find suitable CPU model for given data");
        return NULL;
    }
    if (flags & CONF_CPU_BASELINE_MIGRATABLE)
        drop_blockers(common->map, spec);
    if (flags & CONF_CPU_BASELINE_EXPAND)
        expand(common->map, spec);
    if (!common->vendor_shown)
        g_clear_pointer(&spec->vendor, g_free);
    fallback = !(flags & CONF_CPU_BASELINE_FORBID) && g_strcmp0(spec->model, common->model) != 0;
    return cpu_spec_format_guest(spec, fallback);
}

char *
conf_cpu_baseline(const ConfCpuMap *map, GPtrArray *cpus, const ConfCpuSpec *limit, unsigned flags,
                  GError **error)
{
    Common common = { .map = map, .vendor_shown = TRUE };
    CpuBits bits;

    if (!check_cpus(cpus, error))
        return NULL;
    for (guint i = 0; i < cpus->len; i++)
        if (!add_cpu(&common, cpus->pdata[i], i == 0, error))
            return NULL;
    if (limit) {
        if (!all_bits(map, limit, &bits, error))
            return NULL;
        cpu_bits_intersect(&common.bits, &bits);
    }
    if (cpu_bits_are_empty(&common.bits)) {
        mismatch(error, "CPUs are incompatible");
        return NULL;
    }
    return format_common(&common, cpus, flags, error);
}
