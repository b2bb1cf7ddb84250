/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures of domains and of the host. What can be asked about all domains at once is: Xen's list of
 * domains is one hypercall, the counters of all interfaces are one file of the kernel. Only device
 * models are asked one by one, side by side.
 */
#include "hvxl-tune.h"

#include "hvxl-hooks.h"
#include "hvxl-idle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECTOR       512
#define MAX_QUEMUS   8 /* asked at once */
#define PROC_NET_DEV "/proc/net/dev"

/* ---- interfaces ---- */

/* From the guest's side: what a vif of ours sends, its guest receives. */
static GHashTable *
read_vifs(void)
{
    GHashTable *vifs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(PROC_NET_DEV, &text, NULL, NULL))
        return vifs;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        char *colon = strchr(lines[i], ':');
        HvNicStats nic;

        if (!colon)
            continue;
        *colon = '\0';
        if (sscanf(colon + 1,
                   "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                   " %" G_GINT64_FORMAT " %*s %*s %*s %*s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                   " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                   &nic.tx_bytes, &nic.tx_packets, &nic.tx_errors, &nic.tx_dropped, &nic.rx_bytes,
                   &nic.rx_packets, &nic.rx_errors, &nic.rx_dropped) == 8)
            g_hash_table_insert(vifs, g_strdup(g_strstrip(lines[i])), g_memdup2(&nic, sizeof(nic)));
    }
    return vifs;
}

static void
add_nic(HvNicStats *sum, const HvNicStats *part)
{
    sum->rx_bytes += part->rx_bytes;
    sum->rx_packets += part->rx_packets;
    sum->rx_errors += part->rx_errors;
    sum->rx_dropped += part->rx_dropped;
    sum->tx_bytes += part->tx_bytes;
    sum->tx_packets += part->tx_packets;
    sum->tx_errors += part->tx_errors;
    sum->tx_dropped += part->tx_dropped;
}

/* An HVM guest without PV drivers uses the emulated card, which has a tap of its own. */
static GArray *
nics_of(const ConfDomain *live, GHashTable *vifs)
{
    GArray *nics = g_array_new(FALSE, FALSE, sizeof(HvEngineNic));

    for (guint i = 0; i < live->interfaces->len; i++) {
        const ConfInterface *iface = g_ptr_array_index(live->interfaces, i);
        g_autofree char *tap = g_strconcat(iface->target ? iface->target : "", "-emu", NULL);
        const HvNicStats *vif = iface->target ? g_hash_table_lookup(vifs, iface->target) : NULL;
        const HvNicStats *emulated = g_hash_table_lookup(vifs, tap);
        HvEngineNic nic = { .index = i };

        if (vif)
            nic.stats = *vif;
        if (emulated)
            add_nic(&nic.stats, emulated);
        if (vif || emulated)
            g_array_append_val(nics, nic);
    }
    return nics;
}

/* ---- disks of the kernel (blkback) ---- */

static char *
blkback_dir(int domid, guint devid)
{
    return g_strdup_printf("/sys/bus/xen-backend/devices/vbd-%d-%u/statistics", domid, devid);
}

gboolean
hvxl_is_blkback(int domid, guint devid)
{
    g_autofree char *dir = blkback_dir(domid, devid);

    return access(dir, F_OK) == 0;
}

static gint64
read_figure(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gint64 figure = -1;

    if (fd < 0)
        return -1;
    if (read(fd, text, sizeof(text) - 1) > 0 && g_ascii_isdigit(text[0]))
        figure = g_ascii_strtoll(text, NULL, 10);
    close(fd);
    return figure;
}

static gboolean
read_blkback(int domid, guint devid, HvDiskStats *ret_stats)
{
    g_autofree char *dir = blkback_dir(domid, devid);
    gint64 read = read_figure(dir, "rd_sect"), written = read_figure(dir, "wr_sect");

    if (read < 0 || written < 0)
        return FALSE;
    *ret_stats = (HvDiskStats){
        .rd_reqs = read_figure(dir, "rd_req"),
        .rd_bytes = read * SECTOR,
        .rd_ns = -1,
        .wr_reqs = read_figure(dir, "wr_req"),
        .wr_bytes = written * SECTOR,
        .wr_ns = -1,
        .fl_reqs = read_figure(dir, "f_req"),
        .fl_ns = -1,
        .errors = read_figure(dir, "oo_req"), /* libvirt's name for what blkback calls so */
    };
    return TRUE;
}

/* ---- disks ---- */

static gint64
sum_of(gint64 a, gint64 b)
{
    return a < 0 ? b : b < 0 ? a : a + b;
}

static void
add_disk(HvDiskStats *sum, const HvDiskStats *part)
{
    sum->rd_reqs = sum_of(sum->rd_reqs, part->rd_reqs);
    sum->rd_bytes = sum_of(sum->rd_bytes, part->rd_bytes);
    sum->rd_ns = sum_of(sum->rd_ns, part->rd_ns);
    sum->wr_reqs = sum_of(sum->wr_reqs, part->wr_reqs);
    sum->wr_bytes = sum_of(sum->wr_bytes, part->wr_bytes);
    sum->wr_ns = sum_of(sum->wr_ns, part->wr_ns);
    sum->fl_reqs = sum_of(sum->fl_reqs, part->fl_reqs);
    sum->fl_ns = sum_of(sum->fl_ns, part->fl_ns);
    sum->errors = sum_of(sum->errors, part->errors);
}

static const HvDiskStats nothing = { -1, -1, -1, -1, -1, -1, -1, -1, -1 };

/* The figures of the disks that the kernel serves; *ret_more: others remain, or the guest may have
 * used emulated ones. */
static GArray *
kernel_disks(int domid, const ConfDomain *live, gboolean *ret_more)
{
    GArray *disks = g_array_new(FALSE, FALSE, sizeof(HvEngineDisk));

    *ret_more = live->os.type == CONF_OS_HVM && live->disks->len > 0;
    for (guint i = 0; i < live->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(live->disks, i);
        HvEngineDisk told = { .index = i, .stats = nothing };
        guint number, devid;

        if (!hvxl_vdev_parse(disk->target, &number, &devid) ||
            !read_blkback(domid, devid, &told.stats))
            *ret_more = *ret_more || disk->source != NULL;
        g_array_append_val(disks, told);
    }
    return disks;
}

static void
add_drives(GArray *disks, const ConfDomain *live, const GArray *drives)
{
    for (guint i = 0; i < disks->len; i++) {
        HvEngineDisk *told = &g_array_index(disks, HvEngineDisk, i);
        const ConfDisk *disk = g_ptr_array_index(live->disks, told->index);

        for (guint j = 0; j < drives->len; j++) {
            const HvxlDrive *drive = &g_array_index(drives, HvxlDrive, j);

            if (hvxl_drive_is_of(drive, disk))
                add_disk(&told->stats, &drive->stats);
        }
    }
}

/* ---- device models, side by side ---- */

typedef struct Asked {
    const HvEngineStatsQuery *query;
    HvEngineStats *stats;
} Asked;

typedef struct Round {
    GArray *asked; /* immutable */
    gint next;     /* atomic */
} Round;

static void
ask_qemu(const Asked *asked)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) drives = hvxl_qemu_drives(asked->query->domid, &error);

    if (drives)
        add_drives(asked->stats->disks, asked->query->live, drives);
    else
        asked->stats->why = g_strdup(error->message);
}

static gpointer
ask_some(gpointer data)
{
    Round *round = data;
    guint i;

    while ((i = (guint)g_atomic_int_add(&round->next, 1)) < round->asked->len)
        ask_qemu(&g_array_index(round->asked, Asked, i));
    return NULL;
}

/* Each is given a bounded time, so this returns. Where no thread is to be had we ask alone. */
static void
ask_qemus(GArray *asked)
{
    Round round = { .asked = asked };
    GThread *threads[MAX_QUEMUS - 1];
    guint n_threads = 0, n_wanted = MIN(asked->len, MAX_QUEMUS) - 1;

    while (n_threads < n_wanted &&
           (threads[n_threads] = g_thread_try_new("hvxl-stats", ask_some, &round, NULL)))
        n_threads++;
    ask_some(&round);
    while (n_threads > 0)
        g_thread_join(threads[--n_threads]);
}

/* ---- memory ---- */

/* What guest tools that write it (those of XenServer) say of the guest's memory. */
static void
read_guest_memory(HvEngine *engine, int domid, HvMemoryStats *memory)
{
    gint64 kib;

    if (hvxl_xs_read_number(engine, &kib, "/local/domain/%d/data/meminfo_total", domid) && kib >= 0)
        memory->available_kib = kib;
    if (hvxl_xs_read_number(engine, &kib, "/local/domain/%d/data/meminfo_free", domid) && kib >= 0)
        memory->unused_kib = kib;
}

static void
fill_memory(HvEngine *engine, HvEngineStats *stats, const HvEngineDomain *seen)
{
    stats->has_memory = TRUE;
    stats->memory.actual_kib = (gint64)seen->memory_kib;
    stats->memory.maximum_kib = (gint64)seen->max_memory_kib;
    read_guest_memory(engine, seen->domid, &stats->memory);
}

/* ---- all of it ---- */

/* Domain id -> HvEngineDomain, domain 0 among them. NULL and *error. */
static GHashTable *
all_domains(HvEngine *engine, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autoptr(GArray) all = ctx ? hvxl_seen_all(ctx, error) : NULL;
    GHashTable *domains;

    if (!all)
        return NULL;
    domains = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    for (guint i = 0; i < all->len; i++) {
        const HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);

        g_hash_table_insert(domains, GINT_TO_POINTER(seen->domid), g_memdup2(seen, sizeof(*seen)));
    }
    return domains;
}

static HvEngineStats *
stats_of(HvEngine *engine, const HvEngineStatsQuery *query, const HvEngineDomain *seen,
         GHashTable *vifs, unsigned groups, gboolean *ret_more)
{
    HvEngineStats *stats = hv_engine_stats_new();

    *ret_more = FALSE;
    if (groups & HV_STATS_VCPU)
        stats->vcpus = hvxl_vcpus(engine, query->domid, NULL);
    if (groups & HV_STATS_NIC)
        stats->nics = nics_of(query->live, vifs);
    if (groups & HV_STATS_DISK)
        stats->disks = kernel_disks(query->domid, query->live, ret_more);
    if (groups & HV_STATS_MEMORY)
        fill_memory(engine, stats, seen);
    return stats;
}

GPtrArray *
hvxl_stats(HvEngine *engine, const HvEngineStatsQuery *queries, guint n, unsigned groups,
           GError **error)
{
    g_autoptr(GHashTable) domains = all_domains(engine, error);
    g_autoptr(GHashTable) vifs = groups & HV_STATS_NIC ? read_vifs() : NULL;
    g_autoptr(GArray) asked = g_array_new(FALSE, FALSE, sizeof(Asked));
    GPtrArray *all;

    if (!domains)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_engine_stats_free);
    for (guint i = 0; i < n; i++) {
        const HvEngineDomain *seen = g_hash_table_lookup(domains,
                                                         GINT_TO_POINTER(queries[i].domid));
        Asked one = { &queries[i], NULL };
        gboolean more = FALSE;

        if (seen)
            one.stats = stats_of(engine, &queries[i], seen, vifs, groups, &more);
        g_ptr_array_add(all, one.stats);
        if (more && !(groups & HV_STATS_NOWAIT))
            g_array_append_val(asked, one);
    }
    if (asked->len > 0)
        ask_qemus(asked);
    return all;
}

/* ---- the host ---- */

GArray *
hvxl_host_nodes(HvEngine *engine, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_numainfo *info;
    GArray *nodes;
    int n = 0;

    if (!ctx)
        return NULL;
    info = libxl_get_numainfo(ctx->libxl, &n);
    if (!info) {
        hvxl_set_error(ctx, ERROR_FAIL, error, "cannot ask for the NUMA nodes of this host");
        return NULL;
    }
    nodes = g_array_new(FALSE, TRUE, sizeof(HvHostNode));
    for (int i = 0; i < n; i++) {
        gboolean there = info[i].size != LIBXL_NUMAINFO_INVALID_ENTRY;
        HvHostNode node = { .memory_kib = there ? info[i].size / 1024 : 0,
                            .free_kib = there ? info[i].free / 1024 : 0 };

        g_array_append_val(nodes, node);
    }
    libxl_numainfo_list_free(info, n);
    return nodes;
}

static guint64
uptime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (guint64)now.tv_sec * 1000000000u + (guint64)now.tv_nsec;
}

GArray *
hvxl_host_cpus(HvEngine *engine, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autoptr(GArray) idle = ctx ? hvxl_idle_times(engine->n_cpus) : NULL;
    libxl_cputopology *topology;
    GArray *cpus;
    int n = 0;

    if (!idle && ctx)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "cannot ask Xen for the times of its cpus: %s", g_strerror(errno));
    if (!idle)
        return NULL;
    topology = libxl_get_cpu_topology(ctx->libxl, &n);
    cpus = g_array_new(FALSE, TRUE, sizeof(HvHostCpu));
    for (guint i = 0; i < idle->len; i++) {
        guint64 up = uptime_ns();
        guint64 idle_ns = g_array_index(idle, guint64, i);
        /* Xen was there some seconds before domain 0, whose clock we have. */
        HvHostCpu cpu = { .online = TRUE,
                          .idle_ns = idle_ns,
                          .busy_ns = up > idle_ns ? up - idle_ns : 0 };

        if (topology && (int)i < n) {
            cpu.online = topology[i].core != LIBXL_CPUTOPOLOGY_INVALID_ENTRY;
            cpu.node = cpu.online ? topology[i].node : 0;
        }
        g_array_append_val(cpus, cpu);
    }
    libxl_cputopology_list_free(topology, n);
    return cpus;
}
