/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engine `sim`: tuning and statistics. */
#include <hv/sim/hvsim.h>

#include <hv/sim/hvsim-engine.h>

#include <string.h>

static GVariant *
pack_map(const ConfBitmap *map)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map->bits, map->len, 1);
}

static GVariant *
ask(HvEngine *engine, SimOp op, GVariant *payload, GError **error)
{
    return sim_client_call(engine->client, op, payload, NULL, NULL, error);
}

/* The reply "(ay)". */
static ConfBitmap *
ask_map(HvEngine *engine, SimOp op, int domid, GError **error)
{
    g_autoptr(GVariant) reply = ask(engine, op, g_variant_new("(i)", domid), error);
    if (reply == NULL)
        return NULL;
    g_autoptr(GVariant) bytes = g_variant_get_child_value(reply, 0);
    const ConfBitmap map = { .len = g_variant_get_size(bytes),
                             .bits = (guint8 *)(gpointer)g_variant_get_data(bytes) };
    return conf_bitmap_copy(&map);
}

gboolean
sim_engine_pin_vcpu(HvEngine *engine, int domid, guint vcpu, const ConfBitmap *cpus, GError **error)
{
    return sim_engine_order(engine, SIM_OP_PIN,
                            g_variant_new("(iu@ay)", domid, vcpu, pack_map(cpus)), error);
}

gboolean
sim_engine_set_vcpu_map(HvEngine *engine, int domid, const ConfBitmap *online, GError **error)
{
    return sim_engine_order(engine, SIM_OP_VCPU_MAP,
                            g_variant_new("(i@ay)", domid, pack_map(online)), error);
}

gboolean
sim_engine_pin_emulator(HvEngine *engine, int domid, const ConfBitmap *cpus, GError **error)
{
    return sim_engine_order(engine, SIM_OP_PIN_EMULATOR,
                            g_variant_new("(i@ay)", domid, pack_map(cpus)), error);
}

ConfBitmap *
sim_engine_emulator_pin(HvEngine *engine, int domid, GError **error)
{
    return ask_map(engine, SIM_OP_EMULATOR_PIN, domid, error);
}

/* ---- scheduler ---- */

static unsigned
params_of(const char *type)
{
    if (g_str_equal(type, "credit") || g_str_equal(type, "credit2"))
        return 1u << HV_SCHED_WEIGHT | 1u << HV_SCHED_CAP;
    if (g_str_equal(type, "rtds"))
        return 1u << HV_SCHED_PERIOD | 1u << HV_SCHED_BUDGET | 1u << HV_SCHED_EXTRATIME;
    return 0;
}

gboolean
sim_engine_sched(HvEngine *engine, int domid, HvSched *ret_sched, GError **error)
{
    g_autoptr(GVariant) reply = ask(engine, SIM_OP_SCHED, g_variant_new("(i)", domid), error);
    g_autoptr(GVariant) values = NULL;
    const char *type;
    gsize n;
    if (reply == NULL)
        return FALSE;
    g_variant_get(reply, "(&s@ai)", &type, &values);
    const gint32 *value = g_variant_get_fixed_array(values, &n, sizeof(gint32));
    g_strlcpy(ret_sched->type, type, sizeof(ret_sched->type));
    ret_sched->has = domid < 0 ? 0 : params_of(type);
    for (gsize i = 0; i < MIN(n, HV_N_SCHED_PARAMS); i++)
        ret_sched->value[i] = value[i];
    return TRUE;
}

gboolean
sim_engine_set_sched(HvEngine *engine, int domid, const HvSched *change, GError **error)
{
    GVariant *values = g_variant_new_fixed_array(G_VARIANT_TYPE_INT32, change->value,
                                                 HV_N_SCHED_PARAMS, sizeof(gint32));
    return sim_engine_order(engine, SIM_OP_SET_SCHED,
                            g_variant_new("(iu@ai)", domid, change->has, values), error);
}

/* ---- NUMA ---- */

gboolean
sim_engine_set_nodes(HvEngine *engine, int domid, const ConfBitmap *nodes, GError **error)
{
    return sim_engine_order(engine, SIM_OP_SET_NODES,
                            g_variant_new("(i@ay)", domid, pack_map(nodes)), error);
}

ConfBitmap *
sim_engine_nodes(HvEngine *engine, int domid, GError **error)
{
    return ask_map(engine, SIM_OP_NODES, domid, error);
}

GArray *
sim_engine_host_nodes(HvEngine *engine, GError **error)
{
    g_autoptr(GVariant) reply = ask(engine, SIM_OP_HOST_NODES, g_variant_new("()"), error);
    g_autoptr(GVariantIter) iter = NULL;
    HvHostNode node;
    if (reply == NULL)
        return NULL;
    GArray *nodes = g_array_new(FALSE, TRUE, sizeof(HvHostNode));
    g_variant_get(reply, "(a(tt))", &iter);
    while (g_variant_iter_next(iter, "(tt)", &node.memory_kib, &node.free_kib))
        g_array_append_val(nodes, node);
    return nodes;
}

GArray *
sim_engine_host_cpus(HvEngine *engine, GError **error)
{
    g_autoptr(GVariant) reply = ask(engine, SIM_OP_HOST_CPUS, g_variant_new("()"), error);
    g_autoptr(GVariantIter) iter = NULL;
    HvHostCpu cpu = { .online = TRUE };
    if (reply == NULL)
        return NULL;
    GArray *cpus = g_array_new(FALSE, TRUE, sizeof(HvHostCpu));
    g_variant_get(reply, "(a(utt))", &iter);
    while (g_variant_iter_next(iter, "(utt)", &cpu.node, &cpu.busy_ns, &cpu.idle_ns))
        g_array_append_val(cpus, cpu);
    return cpus;
}

GArray *
sim_engine_cpu_leaves(HvEngine *engine, HvCpuView view, GError **error)
{
    g_autoptr(GVariant) reply = ask(engine, SIM_OP_CPU_LEAVES, g_variant_new("(u)", view), error);
    g_autoptr(GVariantIter) iter = NULL;
    ConfCpuLeaf leaf = { 0 };
    if (reply == NULL)
        return NULL;
    GArray *leaves = g_array_new(FALSE, TRUE, sizeof(ConfCpuLeaf));
    g_variant_get(reply, "(a(uuuuuu))", &iter);
    while (g_variant_iter_next(iter, "(uuuuuu)", &leaf.leaf, &leaf.subleaf, &leaf.eax, &leaf.ebx,
                               &leaf.ecx, &leaf.edx))
        g_array_append_val(leaves, leaf);
    return leaves;
}

/* ---- limits ---- */

gboolean
sim_engine_set_interface_rate(HvEngine *engine, int domid, const ConfInterface *iface,
                              guint64 kib_per_s, GError **error)
{
    return sim_engine_order(
        engine, SIM_OP_NIC_RATE,
        g_variant_new("(ist)", domid, iface->mac != NULL ? iface->mac : "", kib_per_s), error);
}

gboolean
sim_engine_set_disk_limits(HvEngine *engine, int domid, const ConfDisk *disk,
                           const HvDiskLimits *limits, GError **error)
{
    return sim_engine_order(engine, SIM_OP_DISK_LIMITS,
                            g_variant_new("(is(tttttt))", domid, disk->target, limits->total_bytes,
                                          limits->read_bytes, limits->write_bytes,
                                          limits->total_iops, limits->read_iops,
                                          limits->write_iops),
                            error);
}

/* ---- statistics ---- */

static GVariant *
pack_query(const HvEngineStatsQuery *query)
{
    GVariantBuilder targets, macs;
    g_variant_builder_init(&targets, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < query->live->disks->len; i++)
        g_variant_builder_add(&targets, "s",
                              ((const ConfDisk *)query->live->disks->pdata[i])->target);
    g_variant_builder_init(&macs, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < query->live->interfaces->len; i++) {
        const ConfInterface *iface = query->live->interfaces->pdata[i];
        g_variant_builder_add(&macs, "s", iface->mac != NULL ? iface->mac : "");
    }
    return g_variant_new("(iasas)", query->domid, &targets, &macs);
}

static GArray *
unpack_vcpus(GVariant *rows)
{
    GArray *vcpus = g_array_new(FALSE, TRUE, sizeof(HvVcpuInfo));
    GVariantIter iter;
    HvVcpuInfo vcpu = { 0 };
    g_variant_iter_init(&iter, rows);
    while (g_variant_iter_next(&iter, "(uiti)", &vcpu.number, &vcpu.state, &vcpu.cpu_time_ns,
                               &vcpu.cpu))
        g_array_append_val(vcpus, vcpu);
    return vcpus;
}

G_STATIC_ASSERT(sizeof(HvDiskStats) == 9 * sizeof(gint64));
G_STATIC_ASSERT(sizeof(HvNicStats) == 8 * sizeof(gint64));

static GArray *
unpack_disks(GVariant *rows)
{
    GArray *disks = g_array_new(FALSE, TRUE, sizeof(HvEngineDisk));
    gsize n;
    const HvDiskStats *row = g_variant_get_fixed_array(rows, &n, sizeof(HvDiskStats));
    for (gsize i = 0; i < n; i++) {
        HvEngineDisk disk = { .stats = row[i], .index = (guint)i };
        g_array_append_val(disks, disk);
    }
    return disks;
}

static GArray *
unpack_nics(GVariant *rows)
{
    GArray *nics = g_array_new(FALSE, TRUE, sizeof(HvEngineNic));
    gsize n;
    const HvNicStats *row = g_variant_get_fixed_array(rows, &n, sizeof(HvNicStats));
    for (gsize i = 0; i < n; i++) {
        HvEngineNic nic = { .stats = row[i], .index = (guint)i };
        g_array_append_val(nics, nic);
    }
    return nics;
}

static HvEngineStats *
unpack_stats(GVariant *row, unsigned groups)
{
    g_autoptr(GVariant) vcpus = NULL, disks = NULL, nics = NULL;
    gint32 domid;
    guint64 memory_kib, max_kib;
    g_variant_get(row, "(i@a(uiti)@a(xxxxxxxxx)@a(xxxxxxxx)tt)", &domid, &vcpus, &disks, &nics,
                  &memory_kib, &max_kib);
    if (domid < 0)
        return NULL;
    HvEngineStats *stats = hv_engine_stats_new();
    stats->vcpus = groups & HV_STATS_VCPU ? unpack_vcpus(vcpus) : NULL;
    stats->disks = groups & HV_STATS_DISK ? unpack_disks(disks) : NULL;
    stats->nics = groups & HV_STATS_NIC ? unpack_nics(nics) : NULL;
    stats->has_memory = (groups & HV_STATS_MEMORY) != 0;
    stats->memory.actual_kib = (gint64)memory_kib;
    stats->memory.maximum_kib = (gint64)max_kib;
    return stats;
}

GPtrArray *
sim_engine_stats(HvEngine *engine, const HvEngineStatsQuery *queries, guint n, unsigned groups,
                 GError **error)
{
    GVariantBuilder packed;
    g_variant_builder_init(&packed, G_VARIANT_TYPE("a(iasas)"));
    for (guint i = 0; i < n; i++)
        g_variant_builder_add_value(&packed, pack_query(&queries[i]));
    g_autoptr(GVariant)
        reply = ask(engine, SIM_OP_STATS, g_variant_new("(ua(iasas))", groups, &packed), error);
    if (reply == NULL)
        return NULL;
    g_autoptr(GVariant) rows = g_variant_get_child_value(reply, 0);
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_engine_stats_free);
    for (gsize i = 0; i < MIN(g_variant_n_children(rows), n); i++) {
        g_autoptr(GVariant) row = g_variant_get_child_value(rows, i);
        g_ptr_array_add(all, unpack_stats(row, groups));
    }
    while (all->len < n)
        g_ptr_array_add(all, NULL);
    return all;
}
