/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler's parameters, CPUID, virtual NUMA and where its memory lies. */
#include "hvxl-config-private.h"

#include <string.h>

#define DEFAULT_PERIOD_US 100000
#define MAX_VNODES        64
#define LOCAL_DISTANCE    10
#define REMOTE_DISTANCE   20

/* ---- scheduler ---- */

/* Both in microseconds of one processor; quota below 0 is libvirt's "no limit". */
static gboolean
build_quota(HvxlBuild *b, GError **error)
{
    const ConfCpuTune *tune = &b->def->cputune;
    const ConfOptInt *quota = tune->quota.set ? &tune->quota : &tune->global_quota;
    const ConfOptInt *period = tune->quota.set ? &tune->period : &tune->global_period;
    libxl_domain_sched_params *sched = &b->config->b_info.sched_params;
    int64_t each = period->set && period->value > 0 ? period->value : DEFAULT_PERIOD_US;

    if (!quota->set || quota->value <= 0)
        return TRUE;
    if (each > INT_MAX || quota->value > INT_MAX)
        return hvxl_invalid(error,
                            "cputune: a quota of %" G_GINT64_FORMAT " us in %" G_GINT64_FORMAT,
                            quota->value, each);
    if (b->env->scheduler == LIBXL_SCHEDULER_RTDS) {
        sched->period = (int)each;
        sched->budget = (int)MIN(quota->value, each);
        return TRUE;
    }
    sched->cap = (int)MIN(MAX(quota->value * 100 / each, 1), INT_MAX);
    return TRUE;
}

static gboolean
build_scheduler(HvxlBuild *b, GError **error)
{
    const ConfCpuTune *tune = &b->def->cputune;

    if (tune->shares.set) {
        if (tune->shares.value < 1 || tune->shares.value > 65535)
            return hvxl_invalid(error,
                                "cputune/shares: %" G_GINT64_FORMAT
                                ", and Xen's schedulers take weights of 1 to 65535",
                                tune->shares.value);
        b->config->b_info.sched_params.weight = (int)tune->shares.value;
    }
    if (tune->quota.set && tune->global_quota.set)
        hvxl_warn(b, NULL, "cputune/global_quota", "beside quota");
    if (tune->emulator_period.set || tune->emulator_quota.set)
        hvxl_warn(b, NULL, "cputune/emulator_quota", NULL);
    return build_quota(b, error);
}

/* ---- CPUID ---- */

static bool
is_nesting(const char *name)
{
    return strcmp(name, "vmx") == 0 || strcmp(name, "svm") == 0;
}

static gboolean
build_feature(HvxlBuild *b, const ConfCpuFeature *feature, GError **error)
{
    const char *policy = feature->policy ? feature->policy : "require";
    bool on = strcmp(policy, "force") == 0 || strcmp(policy, "require") == 0;
    g_autofree char *word = NULL;

    if (strcmp(policy, "optional") == 0)
        return TRUE; /* what the host can: Xen's default */
    if (is_nesting(feature->name) && b->type == LIBXL_DOMAIN_TYPE_PV) {
        if (on)
            hvxl_warn(b, feature->name, "cpu/feature/@name", "vmx, svm, PV");
        return TRUE;
    }
    if (is_nesting(feature->name)) {
        libxl_defbool_set(&b->config->b_info.nested_hvm,
                          on || hvxl_is_on(b->config->b_info.nested_hvm));
        return TRUE;
    }
    word = g_strdup_printf("%s=%d", conf_cpu_feature_to_xl(feature->name), on);
    if (libxl_cpuid_parse_config(&b->config->b_info.cpuid, word) != 0)
        return hvxl_refuse(feature->name, "cpu/feature/@name", "unknown to libxl", error);
    return TRUE;
}

static gboolean
build_cpuid(HvxlBuild *b, GError **error)
{
    const ConfCpu *cpu = b->def->cpu;
    bool named = false;

    if (cpu == NULL)
        return TRUE;
    if (cpu->model || g_strcmp0(cpu->mode, "host-model") == 0 ||
        g_strcmp0(cpu->mode, "custom") == 0)
        hvxl_warn(b, cpu->model, "cpu/model", NULL);
    if (cpu->sockets.set || cpu->cores.set || cpu->threads.set)
        hvxl_warn(b, NULL, "cpu/topology", NULL);
    for (guint i = 0; i < cpu->features->len; i++) {
        const ConfCpuFeature *feature = cpu->features->pdata[i];

        named |= is_nesting(feature->name);
        if (!build_feature(b, feature, error))
            return FALSE;
    }
    if (!named && b->env->nested_hvm && b->type != LIBXL_DOMAIN_TYPE_PV &&
        g_strcmp0(cpu->mode, "host-passthrough") == 0)
        libxl_defbool_set(&b->config->b_info.nested_hvm, true);
    return TRUE;
}

/* ---- virtual NUMA ---- */

static gboolean
build_distances(const ConfNumaCell *cell, unsigned self, unsigned n_cells, libxl_vnode_info *node,
                GError **error)
{
    node->num_distances = (int)n_cells;
    node->distances = g_new0(uint32_t, n_cells);
    for (unsigned i = 0; i < n_cells; i++)
        node->distances[i] = i == self ? LOCAL_DISTANCE : REMOTE_DISTANCE;
    for (guint i = 0; i < cell->distances->len; i++) {
        const ConfNumaDistance *distance = cell->distances->pdata[i];

        if (distance->id >= n_cells)
            return hvxl_invalid(error, "cpu/numa: cell %u has a distance to cell %u of %u", self,
                                distance->id, n_cells);
        node->distances[distance->id] = distance->value;
    }
    return TRUE;
}

/* The host's node of a cell: <memnode>, or that of its own number. */
static uint32_t
pnode_of(HvxlBuild *b, unsigned cell)
{
    const GPtrArray *memnodes = b->def->numatune.memnodes;

    for (guint i = 0; i < memnodes->len; i++) {
        const ConfNumaMemnode *memnode = memnodes->pdata[i];

        if (memnode->cellid != cell || conf_bitmap_count(memnode->nodeset) == 0)
            continue;
        if (conf_bitmap_count(memnode->nodeset) > 1)
            hvxl_warn(b, NULL, "numatune/memnode/@nodeset", "several nodes");
        for (unsigned node = 0;; node++) {
            if (conf_bitmap_get(memnode->nodeset, node))
                return node;
        }
    }
    return b->def->cpu->numa->len <= b->env->n_nodes ? cell : 0;
}

static gboolean
build_cell(HvxlBuild *b, unsigned index, GError **error)
{
    const GPtrArray *cells = b->def->cpu->numa;
    const ConfNumaCell *cell = cells->pdata[index];
    int64_t self = cell->id.set ? cell->id.value : index;
    libxl_vnode_info *node;

    if (self < 0 || self >= cells->len)
        return hvxl_invalid(error, "cpu/numa: cell %" G_GINT64_FORMAT " among %u cells", self,
                            cells->len);
    node = &b->config->b_info.vnuma_nodes[self];
    if (node->num_distances)
        return hvxl_invalid(error, "cpu/numa: two cells %" G_GINT64_FORMAT, self);
    node->memkb = cell->memory_kib;
    node->pnode = pnode_of(b, (unsigned)self);
    hvxl_bitmap_build(&node->vcpus, cell->cpus, (unsigned)b->config->b_info.max_vcpus);
    return hvxl_build_extra(b, NULL, "cpu/numa/cell", cell->extra, error) &&
           build_distances(cell, (unsigned)self, cells->len, node, error);
}

static gboolean
build_vnuma(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const GPtrArray *cells = b->def->cpu ? b->def->cpu->numa : NULL;

    if (cells == NULL || cells->len == 0)
        return TRUE;
    if (cells->len > MAX_VNODES)
        return hvxl_invalid(error, "cpu/numa: %u cells, at most %d", cells->len, MAX_VNODES);
    if (b->def->numatune.memnodes->len == 0 && cells->len > b->env->n_nodes)
        hvxl_warn(b, NULL, "cpu/numa/cell", "more than the host has");
    info->vnuma_nodes = g_new0(libxl_vnode_info, cells->len);
    info->num_vnuma_nodes = (int)cells->len;
    for (guint i = 0; i < cells->len; i++)
        libxl_vnode_info_init(&info->vnuma_nodes[i]);
    for (guint i = 0; i < cells->len; i++) {
        if (!build_cell(b, i, error))
            return FALSE;
    }
    /* The guest learns of its nodes from an ACPI table. */
    if (b->type == LIBXL_DOMAIN_TYPE_HVM)
        libxl_defbool_set(&info->acpi, true);
    libxl_defbool_set(&info->numa_placement, false);
    return TRUE;
}

/* Xen takes memory from these nodes while they have some. */
static void
build_numatune(HvxlBuild *b)
{
    const ConfNumaTune *tune = &b->def->numatune;
    libxl_domain_build_info *info = &b->config->b_info;

    if (tune->nodeset == NULL || conf_bitmap_count(tune->nodeset) == 0)
        return;
    if (tune->mode == NULL || strcmp(tune->mode, "strict") == 0)
        hvxl_warn(b, NULL, "numatune/memory/@mode", "strict");
    hvxl_bitmap_build(&info->nodemap, tune->nodeset, b->env->n_nodes);
    libxl_defbool_set(&info->numa_placement, false);
}

gboolean
hvxl_build_cpu(HvxlBuild *b, GError **error)
{
    if (!build_scheduler(b, error) || !build_cpuid(b, error) || !build_vnuma(b, error))
        return FALSE;
    build_numatune(b);
    return TRUE;
}
