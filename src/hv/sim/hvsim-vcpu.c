/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-vcpu.h>

#include <string.h>

typedef struct Vcpu {
    guint64 used_ns;
    guint load;     /* permille, once booted */
    int cpu;        /* -1: offline */
    GBytes *pinned; /* NULL or empty: any cpu */
} Vcpu;

struct SimVcpus {
    SimMachine *machine;
    guint max, online;
    Vcpu *all;
    gboolean light; /* no load on the cpus that they are on */
};

/* ---- life ---- */

SimVcpus *
sim_vcpus_new(SimMachine *machine, const SimStart *start, const SimGuest *guest, guint seed)
{
    SimVcpus *vcpus = g_new0(SimVcpus, 1);
    vcpus->machine = machine;
    vcpus->max = start->vcpus_max;
    vcpus->all = g_new0(Vcpu, start->vcpus_max);
    for (guint i = 0; i < start->vcpus_max; i++) {
        Vcpu *vcpu = &vcpus->all[i];
        vcpu->cpu = -1;
        /* 5 to 20 percent, other for each, the same in each run. */
        vcpu->load = 50 + (seed * 37 + i * 61) % 151;
        if (i < start->pinned->len)
            vcpu->pinned = g_bytes_ref(start->pinned->pdata[i]);
        if (guest != NULL && i < guest->cpu_ns->len)
            vcpu->used_ns = g_array_index(guest->cpu_ns, guint64, i);
    }
    return vcpus;
}

SimVcpus *
sim_vcpus_new_control(SimMachine *machine)
{
    g_autoptr(SimStart) start = sim_start_new();
    start->vcpus_max = machine->conf.cpus;
    SimVcpus *vcpus = sim_vcpus_new(machine, start, NULL, 0);
    vcpus->light = TRUE;
    for (guint i = 0; i < vcpus->max; i++)
        vcpus->all[i].cpu = (int)i;
    vcpus->online = vcpus->max;
    return vcpus;
}

void
sim_vcpus_free(SimVcpus *vcpus)
{
    if (vcpus == NULL)
        return;
    for (guint i = 0; i < vcpus->max; i++)
        g_clear_pointer(&vcpus->all[i].pinned, g_bytes_unref);
    g_free(vcpus->all);
    g_free(vcpus);
}

/* ---- placing ---- */

static gboolean
is_in_map(GBytes *map, guint number)
{
    gsize len;
    const guint8 *bits = g_bytes_get_data(map, &len);
    return number / 8 < len && (bits[number / 8] >> (number % 8) & 1);
}

static gboolean
may_run_on(GBytes *pinned, guint cpu)
{
    return pinned == NULL || g_bytes_get_size(pinned) == 0 || is_in_map(pinned, cpu);
}

/* The least loaded cpu that it may run on; -1 when this machine has none of them. */
static int
place(SimMachine *machine, GBytes *pinned)
{
    int best = -1;
    for (guint cpu = 0; cpu < machine->conf.cpus; cpu++)
        if (may_run_on(pinned, cpu) && (best < 0 || machine->load[cpu] < machine->load[best]))
            best = (int)cpu;
    return best;
}

gboolean
sim_vcpus_check(SimVcpus *vcpus, GError **error)
{
    for (guint i = 0; i < vcpus->max; i++)
        if (place(vcpus->machine, vcpus->all[i].pinned) < 0) {
            g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                        "vcpu %u is pinned to cpus that this host lacks (it has 0-%u)", i,
                        vcpus->machine->conf.cpus - 1);
            return FALSE;
        }
    return TRUE;
}

/* `cpu` -1: takes it off. */
static void
move(SimVcpus *vcpus, Vcpu *vcpu, int cpu)
{
    guint *load = vcpus->machine->load;
    if (vcpu->cpu >= 0 && !vcpus->light)
        load[vcpu->cpu]--;
    if (cpu >= 0 && !vcpus->light)
        load[cpu]++;
    vcpus->online += (cpu >= 0) - (vcpu->cpu >= 0);
    vcpu->cpu = cpu;
}

static void
switch_one(SimVcpus *vcpus, guint number, gboolean online)
{
    Vcpu *vcpu = &vcpus->all[number];
    if (online && vcpu->cpu < 0)
        move(vcpus, vcpu, place(vcpus->machine, vcpu->pinned));
    else if (!online)
        move(vcpus, vcpu, -1);
}

/* ---- which are online ---- */

guint
sim_vcpus_max(const SimVcpus *vcpus)
{
    return vcpus->max;
}

guint
sim_vcpus_online(const SimVcpus *vcpus)
{
    return vcpus->online;
}

void
sim_vcpus_set_online(SimVcpus *vcpus, guint online)
{
    for (guint i = 0; i < vcpus->max; i++)
        switch_one(vcpus, i, i < online);
}

static void
set_map(SimVcpus *vcpus, GBytes *map)
{
    for (guint i = 0; i < vcpus->max; i++)
        switch_one(vcpus, i, is_in_map(map, i));
}

void
sim_vcpus_boot(SimVcpus *vcpus, guint online, GVariant *options)
{
    g_autoptr(GVariant) value = NULL;
    guint n = 0;
    sim_vcpus_set_online(vcpus, online);
    if (options == NULL || !g_variant_lookup(options, "online", "@ay", &value))
        return;
    g_autoptr(GBytes) map = g_variant_get_data_as_bytes(value);
    for (guint i = 0; i < vcpus->max; i++)
        n += is_in_map(map, i) ? 1 : 0;
    if (n == online)
        set_map(vcpus, map);
}

gboolean
sim_vcpus_set_map(SimVcpus *vcpus, GBytes *map, GError **error)
{
    if (!is_in_map(map, 0)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "the boot vcpu cannot be taken away");
        return FALSE;
    }
    set_map(vcpus, map);
    return TRUE;
}

gboolean
sim_vcpus_pin(SimVcpus *vcpus, guint number, GBytes *cpus, GError **error)
{
    int cpu = place(vcpus->machine, cpus);
    if (number >= vcpus->max) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "the domain has no vcpu %u", number);
        return FALSE;
    }
    if (cpu < 0) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "this host has none of the wanted cpus");
        return FALSE;
    }
    Vcpu *vcpu = &vcpus->all[number];
    g_clear_pointer(&vcpu->pinned, g_bytes_unref);
    vcpu->pinned = g_bytes_ref(cpus);
    if (vcpu->cpu >= 0 && !may_run_on(cpus, (guint)vcpu->cpu))
        move(vcpus, vcpu, cpu);
    return TRUE;
}

/* ---- time ---- */

void
sim_vcpus_run(SimVcpus *vcpus, guint64 passed_us, gboolean booted)
{
    for (guint i = 0; i < vcpus->max; i++) {
        Vcpu *vcpu = &vcpus->all[i];
        guint boot_load = i == 0 ? 700 : 30;
        guint64 used_ns = passed_us * (booted ? vcpu->load : boot_load); /* us * permille */
        if (vcpu->cpu < 0)
            continue;
        vcpu->used_ns += used_ns;
        vcpus->machine->busy_ns[vcpu->cpu] += used_ns;
    }
}

guint64
sim_vcpus_used_ns(const SimVcpus *vcpus)
{
    guint64 used_ns = 0;
    for (guint i = 0; i < vcpus->max; i++)
        used_ns += vcpus->all[i].used_ns;
    return used_ns;
}

GArray *
sim_vcpus_times(const SimVcpus *vcpus)
{
    GArray *times = g_array_sized_new(FALSE, FALSE, sizeof(guint64), vcpus->max);
    for (guint i = 0; i < vcpus->max; i++)
        g_array_append_val(times, vcpus->all[i].used_ns);
    return times;
}

GVariant *
sim_vcpus_rows(SimVcpus *vcpus, gboolean busy)
{
    GVariantBuilder rows;
    guint cpus = vcpus->machine->conf.cpus;
    g_autofree guint8 *map = g_malloc((cpus + 7) / 8);
    g_variant_builder_init(&rows, G_VARIANT_TYPE("a(uitiay)"));
    for (guint i = 0; i < vcpus->max; i++) {
        const Vcpu *vcpu = &vcpus->all[i];
        int state = vcpu->cpu < 0 ? 0 : busy ? 1 : 2;
        memset(map, 0, (cpus + 7) / 8);
        for (guint cpu = 0; cpu < cpus; cpu++)
            if (may_run_on(vcpu->pinned, cpu))
                map[cpu / 8] |= (guint8)(1u << (cpu % 8));
        g_variant_builder_add(
            &rows, "(uiti@ay)", i, state, vcpu->used_ns, vcpu->cpu,
            g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map, (cpus + 7) / 8, 1));
    }
    return g_variant_builder_end(&rows);
}
