/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-cpu.h>
#include <hv/sim/hvsim-tune.h>

#include <string.h>

#define MAX_DEVICES 4096 /* of one kind in one domain, as in a definition */

typedef enum SchedParam { WEIGHT, CAP, PERIOD, BUDGET, EXTRATIME, N_SCHED } SchedParam;

/* Counters of one device: millionths of requests or packets, and microseconds. */
typedef struct Device {
    guint seed;
    guint64 in, out; /* read and written, received and sent */
    guint64 run_us;
    guint64 limits[6]; /* disks: bytes in all, read, written; requests likewise; 0 = none */
    guint64 rate;      /* interfaces: most bytes a second that it sends; 0 = none */
    guint64 threshold; /* disks: bytes written that are to be told of; 0 = none */
} Device;

struct SimTune {
    guint seed;
    int sched[N_SCHED];
    guint64 nodes;     /* bits; 0: any */
    GBytes *emulator;  /* cpus of the device model; NULL: any */
    GHashTable *disks; /* target -> Device */
    GHashTable *nics;  /* MAC -> Device */
    SimTimer look;     /* armed while a disk has a threshold */
};

/* ---- devices ---- */

static Device *
find_device(SimTune *tune, GHashTable *devices, const char *name)
{
    Device *device = g_hash_table_lookup(devices, name);
    if (device == NULL) {
        device = g_new0(Device, 1);
        device->seed = g_str_hash(name) + tune->seed * 37;
        g_hash_table_insert(devices, g_strdup(name), device);
    }
    return device;
}

/* A part of `rate` such that none of the limits is passed. */
static guint64
limited(guint64 rate, guint64 limit)
{
    return limit == 0 ? rate : MIN(rate, limit);
}

#define READ_BYTES   16384u
#define WRITE_BYTES  8192u
#define PACKET_BYTES 600u
#define MILLION      1000000u

/* Requests a second of one direction, under the limits of all and of this one. */
static guint64
requests_per_s(guint64 wanted, guint bytes, const guint64 limits[6], guint direction)
{
    guint64 n = limited(wanted, limits[3]);
    n = limited(n, limits[3 + direction]);
    if (limits[0] != 0)
        n = MIN(n, limits[0] / bytes);
    if (limits[direction] != 0)
        n = MIN(n, limits[direction] / bytes);
    return n;
}

static void
run_disk(Device *disk, guint64 passed_us)
{
    disk->in += passed_us * requests_per_s(20 + disk->seed % 60, READ_BYTES, disk->limits, 1);
    disk->out += passed_us * requests_per_s(10 + disk->seed % 30, WRITE_BYTES, disk->limits, 2);
    disk->run_us += passed_us;
}

#define N_DISK 9

/* In the order of HvDiskStats: one flush a second. */
static void
tell_disk(const Device *disk, gint64 *ret_figures)
{
    gint64 reads = (gint64)(disk->in / MILLION), writes = (gint64)(disk->out / MILLION);
    gint64 flushes = (gint64)(disk->run_us / MILLION);
    const gint64 figures[N_DISK] = { reads,   reads * READ_BYTES,   reads * 120000,
                                     writes,  writes * WRITE_BYTES, writes * 250000,
                                     flushes, flushes * 4000000,    0 };
    memcpy(ret_figures, figures, sizeof(figures));
}

static void
run_nic(Device *nic, guint64 passed_us)
{
    guint64 sent = limited((30 + nic->seed % 80) * PACKET_BYTES, nic->rate);
    nic->in += passed_us * (40 + nic->seed % 100);
    nic->out += passed_us * sent / PACKET_BYTES;
}

#define N_NIC 8

/* In the order of HvNicStats. */
static void
tell_nic(const Device *nic, gint64 *ret_figures)
{
    gint64 received = (gint64)(nic->in / MILLION), sent = (gint64)(nic->out / MILLION);
    const gint64 figures[N_NIC] = { received * PACKET_BYTES, received, 0, 0,
                                    sent * PACKET_BYTES,     sent,     0, 0 };
    memcpy(ret_figures, figures, sizeof(figures));
}

void
sim_tune_run(SimTune *tune, guint64 passed_us)
{
    GHashTableIter iter;
    gpointer device;
    g_hash_table_iter_init(&iter, tune->disks);
    while (g_hash_table_iter_next(&iter, NULL, &device))
        run_disk(device, passed_us);
    g_hash_table_iter_init(&iter, tune->nics);
    while (g_hash_table_iter_next(&iter, NULL, &device))
        run_nic(device, passed_us);
}

/* ---- life ---- */

static void
read_devices(SimTune *tune, GHashTable *devices, GVariant *options, const char *key)
{
    g_autofree const char **names = NULL;
    if (options == NULL || !g_variant_lookup(options, key, "^a&s", &names))
        return;
    for (guint i = 0; names[i] != NULL && i < MAX_DEVICES; i++)
        find_device(tune, devices, names[i]);
}

static void
read_limits(SimTune *tune, GVariant *options)
{
    g_autoptr(GVariantIter) iter = NULL;
    const char *name;
    guint64 limits[6], rate;
    if (options == NULL)
        return;
    if (g_variant_lookup(options, "limits", "a{s(tttttt)}", &iter))
        while (g_variant_iter_next(iter, "{&s(tttttt)}", &name, &limits[0], &limits[1], &limits[2],
                                   &limits[3], &limits[4], &limits[5]))
            if (g_hash_table_contains(tune->disks, name))
                memcpy(find_device(tune, tune->disks, name)->limits, limits, sizeof(limits));
    g_clear_pointer(&iter, g_variant_iter_free);
    if (g_variant_lookup(options, "rates", "a{st}", &iter))
        while (g_variant_iter_next(iter, "{&st}", &name, &rate))
            if (g_hash_table_contains(tune->nics, name))
                find_device(tune, tune->nics, name)->rate = rate;
}

static guint64
bits_of(GVariant *map)
{
    guint64 bits = 0;
    for (gsize i = 0; i < MIN(g_variant_get_size(map), sizeof(bits)); i++)
        bits |= (guint64)((const guint8 *)g_variant_get_data(map))[i] << (8 * i);
    return bits;
}

SimTune *
sim_tune_new(GVariant *options, guint seed)
{
    static const struct {
        const char *key;
        int fallback;
    } params[N_SCHED] = {
        { "weight", 256 }, { "cap", 0 }, { "period", 10000 }, { "budget", 4000 }, { "extratime", 1 }
    };
    SimTune *tune = g_new0(SimTune, 1);
    g_autoptr(GVariant) nodes = NULL, emulator = NULL;
    tune->seed = seed;
    tune->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    tune->nics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < N_SCHED; i++) {
        gint32 value;
        tune->sched[i] = options != NULL && g_variant_lookup(options, params[i].key, "i", &value)
                             ? value
                             : params[i].fallback;
    }
    read_devices(tune, tune->disks, options, "disks");
    read_devices(tune, tune->nics, options, "nics");
    read_limits(tune, options);
    if (options != NULL && g_variant_lookup(options, "nodes", "@ay", &nodes))
        tune->nodes = bits_of(nodes);
    if (options != NULL && g_variant_lookup(options, "emulator", "@ay", &emulator) &&
        g_variant_get_size(emulator) <= SIM_MAX_CPUS / 8)
        tune->emulator = g_variant_get_data_as_bytes(emulator);
    return tune;
}

void
sim_tune_free(SimTune *tune)
{
    if (tune == NULL)
        return;
    sim_timer_stop(&tune->look);
    g_hash_table_unref(tune->disks);
    g_hash_table_unref(tune->nics);
    g_clear_pointer(&tune->emulator, g_bytes_unref);
    g_free(tune);
}

gboolean
sim_tune_uses_node(const SimTune *tune, guint node)
{
    return tune->nodes == 0 || (node < 64 && (tune->nodes >> node & 1));
}

/* ---- orders ---- */

static GVariant *
refuse(GError **error, HvError code, const char *text)
{
    g_set_error_literal(error, SIM_ERROR, code, text);
    return NULL;
}

static GVariant *
done(gboolean ok)
{
    return ok ? g_variant_new("()") : NULL;
}

static GVariant *
pin_vcpu(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    g_autoptr(GVariant) map = NULL;
    guint32 vcpu;
    g_variant_get(payload, "(iu@ay)", NULL, &vcpu, &map);
    if (g_variant_get_size(map) > SIM_MAX_CPUS / 8)
        return refuse(error, HV_ERROR_INVALID_ARG, "a cpu affinity is wider than any host");
    g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(map);
    return done(sim_domain_pin(domain, vcpu, bytes, error));
}

static GVariant *
set_vcpu_map(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    g_autoptr(GVariant) map = g_variant_get_child_value(payload, 1);
    g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(map);
    return done(sim_domain_set_vcpu_map(domain, bytes, error));
}

static GVariant *
need_emulator(SimDomain *domain, GError **error)
{
    return refuse(error, HV_ERROR_WRONG_STATE, "the domain is a PV guest: it has no device model");
}

static GVariant *
pin_emulator(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    g_autoptr(GVariant) map = g_variant_get_child_value(payload, 1);
    if (!sim_domain_is_hvm(domain))
        return need_emulator(domain, error);
    if (g_variant_get_size(map) > SIM_MAX_CPUS / 8)
        return refuse(error, HV_ERROR_INVALID_ARG, "a cpu affinity is wider than any host");
    g_clear_pointer(&tune->emulator, g_bytes_unref);
    tune->emulator = g_variant_get_data_as_bytes(map);
    return done(TRUE);
}

static GVariant *
emulator_pin(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    guint8 map[SIM_MAX_CPUS / 8] = { 0 };
    gsize len = 0;
    if (!sim_domain_is_hvm(domain))
        return need_emulator(domain, error);
    const guint8 *bits = tune->emulator == NULL ? NULL : g_bytes_get_data(tune->emulator, &len);
    for (guint cpu = 0; cpu < machine->conf.cpus; cpu++)
        if (bits == NULL || (cpu / 8 < len && (bits[cpu / 8] >> (cpu % 8) & 1)))
            map[cpu / 8] |= (guint8)(1u << (cpu % 8));
    return g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map,
                                                            (machine->conf.cpus + 7) / 8, 1));
}

/* ---- the scheduler ---- */

static GVariant *
get_sched(SimMachine *machine, SimDomain *unused, GVariant *payload, GError **error)
{
    gint32 domid;
    int none[N_SCHED] = { 0 };
    const int *sched = none;
    g_variant_get(payload, "(i)", &domid);
    if (domid >= 0) {
        SimDomain *domain = sim_machine_lookup(machine, domid, error);
        if (domain == NULL)
            return NULL;
        sched = sim_domain_tune(domain)->sched;
    }
    return g_variant_new(
        "(s@ai)", machine->conf.scheduler,
        g_variant_new_fixed_array(G_VARIANT_TYPE_INT32, sched, N_SCHED, sizeof(gint32)));
}

/* The bounds of Xen's own schedulers; what is not theirs is not looked at. */
static const char *
sched_wrong(const char *type, const int sched[N_SCHED], guint vcpus)
{
    gboolean rtds = g_str_equal(type, "rtds");
    if (!rtds && (sched[WEIGHT] < 1 || sched[WEIGHT] > 65535))
        return "weight out of range, valid values are from 1 to 65535";
    if (!rtds && (sched[CAP] < 0 || (guint)sched[CAP] > vcpus * 100))
        return "cap out of range for the number of vcpus";
    if (rtds && (sched[PERIOD] < 10 || sched[BUDGET] < 10 || sched[BUDGET] > sched[PERIOD]))
        return "period and budget must be 10 us at least, and the budget not above the period";
    return NULL;
}

static GVariant *
set_sched(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    g_autoptr(GVariant) values = NULL;
    guint32 has;
    gsize n;
    int after[N_SCHED];
    g_variant_get(payload, "(iu@ai)", NULL, &has, &values);
    const gint32 *value = g_variant_get_fixed_array(values, &n, sizeof(gint32));
    memcpy(after, tune->sched, sizeof(after));
    for (guint i = 0; i < MIN(n, N_SCHED); i++)
        if (has >> i & 1)
            after[i] = value[i];
    const char *wrong = sched_wrong(machine->conf.scheduler, after, sim_domain_max_vcpus(domain));
    if (wrong != NULL)
        return refuse(error, HV_ERROR_ENGINE, wrong);
    memcpy(tune->sched, after, sizeof(after));
    return done(TRUE);
}

/* ---- NUMA ---- */

static GVariant *
set_nodes(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    g_autoptr(GVariant) map = g_variant_get_child_value(payload, 1);
    guint64 bits = bits_of(map);
    if (machine->conf.nodes < 64)
        bits &= (G_GUINT64_CONSTANT(1) << machine->conf.nodes) - 1;
    if (bits == 0)
        return refuse(error, HV_ERROR_ENGINE, "none of these NUMA nodes is there");
    sim_domain_tune(domain)->nodes = bits;
    return done(TRUE);
}

static GVariant *
get_nodes(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    guint8 map[8] = { 0 };
    for (guint node = 0; node < MIN(machine->conf.nodes, 64u); node++)
        if (sim_tune_uses_node(sim_domain_tune(domain), node))
            map[node / 8] |= (guint8)(1u << (node % 8));
    return g_variant_new("(@ay)",
                         g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map, sizeof(map), 1));
}

/* Takes `kib` evenly from the free memory of the nodes that `uses` lets through; returns what was
 * not to be had there. */
static guint64
take_from_nodes(guint64 *free_kib, guint n_nodes, const SimTune *tune, guint64 kib)
{
    guint64 left = kib;
    for (gboolean more = TRUE; left > 0 && more;) {
        guint n = 0;
        for (guint i = 0; i < n_nodes; i++)
            n += free_kib[i] > 0 && (tune == NULL || sim_tune_uses_node(tune, i)) ? 1 : 0;
        guint64 share = n == 0 ? 0 : MAX(left / n, 1);
        more = n > 0;
        for (guint i = 0; i < n_nodes && left > 0; i++) {
            if (tune != NULL && !sim_tune_uses_node(tune, i))
                continue;
            guint64 taken = MIN(MIN(share, free_kib[i]), left);
            free_kib[i] -= taken;
            left -= taken;
        }
    }
    return left;
}

static gint
by_domid(gconstpointer a, gconstpointer b)
{
    return sim_domain_id((SimDomain *)a) - sim_domain_id((SimDomain *)b);
}

/* Each domain has its memory from its nodes, and from the others where those had none left. */
static GVariant *
host_nodes(SimMachine *machine, SimDomain *unused, GVariant *payload, GError **error)
{
    const SimConf *conf = &machine->conf;
    g_autofree guint64 *free_kib = g_new(guint64, conf->nodes);
    g_autoptr(GList) domains = g_list_sort(g_hash_table_get_values(machine->domains), by_domid);
    GVariantBuilder rows;
    for (guint i = 0; i < conf->nodes; i++)
        free_kib[i] = conf->memory_kib / conf->nodes;
    take_from_nodes(free_kib, conf->nodes, NULL, conf->dom0_kib + conf->memory_kib % conf->nodes);
    for (GList *at = domains; at != NULL; at = at->next) {
        SimDomainRow row;
        sim_domain_row(at->data, &row);
        guint64 left = take_from_nodes(free_kib, conf->nodes, sim_domain_tune(at->data),
                                       row.memory_kib);
        take_from_nodes(free_kib, conf->nodes, NULL, left);
    }
    g_variant_builder_init(&rows, G_VARIANT_TYPE("a(tt)"));
    for (guint i = 0; i < conf->nodes; i++)
        g_variant_builder_add(&rows, "(tt)", conf->memory_kib / conf->nodes, free_kib[i]);
    return g_variant_new("(a(tt))", &rows);
}

static GVariant *
host_cpus(SimMachine *machine, SimDomain *unused, GVariant *payload, GError **error)
{
    guint per_node = MAX(machine->conf.cpus / MAX(machine->conf.nodes, 1u), 1u);
    guint64 up_ns = (guint64)(g_get_monotonic_time() - machine->born_us) * 1000;
    GHashTableIter iter;
    gpointer domain;
    GVariantBuilder rows;
    g_hash_table_iter_init(&iter, machine->domains);
    while (g_hash_table_iter_next(&iter, NULL, &domain))
        sim_domain_account(domain);
    g_variant_builder_init(&rows, G_VARIANT_TYPE("a(utt)"));
    for (guint i = 0; i < machine->conf.cpus; i++) {
        guint64 busy = MIN(machine->busy_ns[i], up_ns);
        g_variant_builder_add(&rows, "(utt)", MIN(i / per_node, machine->conf.nodes - 1), busy,
                              up_ns - busy);
    }
    return g_variant_new("(a(utt))", &rows);
}

static GVariant *
cpu_leaves(SimMachine *machine, SimDomain *unused, GVariant *payload, GError **error)
{
    guint32 view;
    g_variant_get(payload, "(u)", &view);
    if (view > HV_CPU_HVM) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "there is no view %u of processors",
                    view);
        return NULL;
    }
    return g_variant_new("(@a(uuuuuu))", sim_cpu_leaves(machine->conf.processor, (HvCpuView)view));
}

/* ---- limits ---- */

static GVariant *
set_rate(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    const char *mac;
    guint64 kib;
    g_variant_get(payload, "(i&st)", NULL, &mac, &kib);
    if (kib > G_MAXUINT64 / 1024 || g_hash_table_size(tune->nics) >= MAX_DEVICES)
        return refuse(error, HV_ERROR_INVALID_ARG, "the rate is out of range");
    sim_domain_account(domain);
    find_device(tune, tune->nics, mac)->rate = kib * 1024;
    return done(TRUE);
}

static GVariant *
set_limits(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    const char *target;
    guint64 limits[6];
    g_variant_get(payload, "(i&s(tttttt))", NULL, &target, &limits[0], &limits[1], &limits[2],
                  &limits[3], &limits[4], &limits[5]);
    if (g_hash_table_size(tune->disks) >= MAX_DEVICES)
        return refuse(error, HV_ERROR_INVALID_ARG, "the domain has too many disks");
    sim_domain_account(domain);
    memcpy(find_device(tune, tune->disks, target)->limits, limits, sizeof(limits));
    return done(TRUE);
}

/* ---- thresholds ---- */

#define LOOK_US 50000

/* How far the image has grown: it holds what was written, one thing behind the other. */
static guint64
written(const Device *disk)
{
    return disk->out / MILLION * WRITE_BYTES;
}

/* TRUE: there are disks left to look at. */
static gboolean
tell_written(SimDomain *domain, GHashTable *disks)
{
    HvEngineEvent what = { .kind = HV_ENGINE_EVENT_WRITTEN };
    GHashTableIter iter;
    gpointer target, device;
    gboolean left = FALSE;
    g_hash_table_iter_init(&iter, disks);
    while (g_hash_table_iter_next(&iter, &target, &device)) {
        Device *disk = device;
        if (disk->threshold != 0 && written(disk) > disk->threshold) {
            g_strlcpy(what.target, target, sizeof(what.target));
            what.value = (gint64)disk->threshold;
            what.excess = written(disk) - disk->threshold;
            disk->threshold = 0;
            sim_domain_tell(domain, &what);
        }
        left |= disk->threshold != 0;
    }
    return left;
}

static void
on_look(gpointer data)
{
    SimDomain *domain = data;
    SimTune *tune = sim_domain_tune(domain);
    sim_domain_account(domain);
    if (tell_written(domain, tune->disks))
        sim_timer_start(&tune->look, sim_domain_machine(domain)->loop, LOOK_US, on_look, domain);
}

static GVariant *
set_threshold(SimMachine *machine, SimDomain *domain, GVariant *payload, GError **error)
{
    SimTune *tune = sim_domain_tune(domain);
    const char *target;
    guint64 bytes;
    g_variant_get(payload, "(i&st)", NULL, &target, &bytes);
    if (bytes > G_MAXINT64 || g_hash_table_size(tune->disks) >= MAX_DEVICES)
        return refuse(error, HV_ERROR_INVALID_ARG, "the threshold is out of range");
    find_device(tune, tune->disks, target)->threshold = bytes;
    sim_timer_start(&tune->look, machine->loop, LOOK_US, on_look, domain);
    return done(TRUE);
}

/* ---- statistics ---- */

/* Devices that the definition does not have any more were unplugged. */
static void
forget_others(GHashTable *devices, GVariant *names)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
    GVariantIter names_iter;
    GHashTableIter iter;
    const char *name;
    gpointer key;
    g_variant_iter_init(&names_iter, names);
    while (g_variant_iter_next(&names_iter, "&s", &name))
        g_hash_table_add(wanted, (gpointer)name);
    g_hash_table_iter_init(&iter, devices);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!g_hash_table_contains(wanted, key))
            g_hash_table_iter_remove(&iter);
}

/* The figures of the devices that the definition has now, in its order. */
static GVariant *
device_rows(SimTune *tune, GHashTable *devices, GVariant *names, guint n_figures, const char *type,
            void (*tell)(const Device *, gint64 *))
{
    gsize n = MIN(g_variant_n_children(names), MAX_DEVICES);
    g_autofree gint64 *figures = g_new(gint64, n * n_figures + 1);
    for (gsize i = 0; i < n; i++) {
        const char *name;
        g_variant_get_child(names, i, "&s", &name);
        tell(find_device(tune, devices, name), figures + i * n_figures);
    }
    forget_others(devices, names);
    return g_variant_new_fixed_array(G_VARIANT_TYPE(type), figures, n, n_figures * sizeof(gint64));
}

static GVariant *
vcpu_rows(SimDomain *domain)
{
    g_autoptr(GVariant) vcpus = g_variant_ref_sink(sim_domain_vcpus(domain));
    GVariantBuilder rows;
    GVariantIter iter;
    guint32 number;
    gint32 state, cpu;
    guint64 used_ns;
    g_variant_builder_init(&rows, G_VARIANT_TYPE("a(uiti)"));
    g_variant_iter_init(&iter, vcpus);
    while (g_variant_iter_next(&iter, "(uiti@ay)", &number, &state, &used_ns, &cpu, NULL))
        g_variant_builder_add(&rows, "(uiti)", number, state, used_ns, cpu);
    return g_variant_builder_end(&rows);
}

#define STATS_ROW "(ia(uiti)a(xxxxxxxxx)a(xxxxxxxx)tt)"

static GVariant *
nothing(const char *element_type)
{
    return g_variant_new_array(G_VARIANT_TYPE(element_type), NULL, 0);
}

/* Domain id -1: there is no such domain. */
static GVariant *
stats_row(SimDomain *domain, GVariant *targets, GVariant *macs, guint32 groups)
{
    SimTune *tune = domain == NULL ? NULL : sim_domain_tune(domain);
    SimDomainRow row = { .domid = -1 };
    GVariant *vcpus, *disks, *nics;
    if (domain != NULL)
        sim_domain_row(domain, &row);
    vcpus = tune != NULL && (groups & HV_STATS_VCPU) ? vcpu_rows(domain) : nothing("(uiti)");
    disks = tune != NULL && (groups & HV_STATS_DISK)
                ? device_rows(tune, tune->disks, targets, N_DISK, "(xxxxxxxxx)", tell_disk)
                : nothing("(xxxxxxxxx)");
    nics = tune != NULL && (groups & HV_STATS_NIC)
               ? device_rows(tune, tune->nics, macs, N_NIC, "(xxxxxxxx)", tell_nic)
               : nothing("(xxxxxxxx)");
    return g_variant_new("(i@a(uiti)@a(xxxxxxxxx)@a(xxxxxxxx)tt)", row.domid, vcpus, disks, nics,
                         row.memory_kib, row.max_memory_kib);
}

static GVariant *
get_stats(SimMachine *machine, SimDomain *unused, GVariant *payload, GError **error)
{
    g_autoptr(GVariantIter) queries = NULL;
    GVariantBuilder rows;
    guint32 groups;
    gint32 domid;
    GVariant *targets, *macs;
    g_variant_get(payload, "(ua(iasas))", &groups, &queries);
    g_variant_builder_init(&rows, G_VARIANT_TYPE("a" STATS_ROW));
    while (g_variant_iter_next(queries, "(i@as@as)", &domid, &targets, &macs)) {
        SimDomain *domain = sim_machine_lookup(machine, domid, NULL);
        g_variant_builder_add_value(&rows, stats_row(domain, targets, macs, groups));
        g_variant_unref(targets);
        g_variant_unref(macs);
    }
    return g_variant_new("(a" STATS_ROW ")", &rows);
}

typedef GVariant *(*TuneHandler)(SimMachine *machine, SimDomain *domain, GVariant *payload,
                                 GError **error);

static const TuneHandler handlers[SIM_N_OPS] = {
    [SIM_OP_PIN] = pin_vcpu,
    [SIM_OP_VCPU_MAP] = set_vcpu_map,
    [SIM_OP_PIN_EMULATOR] = pin_emulator,
    [SIM_OP_EMULATOR_PIN] = emulator_pin,
    [SIM_OP_SCHED] = get_sched,
    [SIM_OP_SET_SCHED] = set_sched,
    [SIM_OP_SET_NODES] = set_nodes,
    [SIM_OP_NODES] = get_nodes,
    [SIM_OP_HOST_NODES] = host_nodes,
    [SIM_OP_HOST_CPUS] = host_cpus,
    [SIM_OP_CPU_LEAVES] = cpu_leaves,
    [SIM_OP_NIC_RATE] = set_rate,
    [SIM_OP_DISK_LIMITS] = set_limits,
    [SIM_OP_THRESHOLD] = set_threshold,
    [SIM_OP_STATS] = get_stats,
};

GVariant *
sim_tune_request(SimMachine *machine, SimDomain *domain, SimOp op, GVariant *payload,
                 GError **error)
{
    return handlers[op](machine, domain, payload, error);
}
