/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a running domain is tuned beside its memory. */
#include "hvxl-tune.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---- sets of cpus, vcpus and nodes ---- */

static int
fill_bitmap(const ConfBitmap *from, libxl_bitmap *to)
{
    for (guint i = 0; i < to->size * 8; i++)
        if (conf_bitmap_get(from, i))
            libxl_bitmap_set(to, (int)i);
    return 0;
}

static ConfBitmap *
bitmap_of(const libxl_bitmap *from, guint n_bits)
{
    ConfBitmap *to = conf_bitmap_new(n_bits);

    for (guint i = 0; i < n_bits && i < from->size * 8; i++)
        conf_bitmap_set(to, i, libxl_bitmap_test(from, (int)i));
    return to;
}

/* ---- vcpus ---- */

gboolean
hvxl_pin_vcpu(HvEngine *engine, int domid, guint vcpu, const ConfBitmap *cpus, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_bitmap map;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_bitmap_init(&map);
    rc = libxl_cpu_bitmap_alloc(ctx->libxl, &map, 0);
    if (rc == 0)
        rc = fill_bitmap(cpus, &map);
    if (rc == 0)
        rc = libxl_set_vcpuaffinity(ctx->libxl, (uint32_t)domid, vcpu, &map, NULL);
    libxl_bitmap_dispose(&map);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot pin vcpu %u of domain id %d", vcpu, domid);
}

gboolean
hvxl_set_vcpu_map(HvEngine *engine, int domid, const ConfBitmap *online, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_bitmap map;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_bitmap_init(&map);
    rc = libxl_cpu_bitmap_alloc(ctx->libxl, &map, conf_bitmap_last(online) + 1);
    if (rc == 0)
        rc = fill_bitmap(online, &map);
    if (rc == 0)
        rc = libxl_set_vcpuonline(ctx->libxl, (uint32_t)domid, &map, NULL);
    libxl_bitmap_dispose(&map);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot switch vcpus of domain id %d", domid);
}

/* ---- the device model ---- */

/* Its process in domain 0; 0: there is none, and *error says so. */
static pid_t
emulator_pid(HvEngine *engine, int domid, GError **error)
{
    gint64 pid;

    if (hvxl_xs_read_number(engine, &pid, "/local/domain/0/device-model/%d/image-pid", domid) ||
        hvxl_xs_read_number(engine, &pid, "/local/domain/%d/image/device-model-pid", domid))
        if (pid > 1 && pid <= G_MAXINT32)
            return (pid_t)pid;
    g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                "domain id %d has no device model in domain 0", domid);
    return 0;
}

static gboolean
set_affinity_error(GError **error, int domid, const char *what)
{
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot %s the device model of domain id %d: %s",
                what, domid, g_strerror(errno));
    return FALSE;
}

/* A thread that ends meanwhile is none to pin; one that begins has what its maker has. */
static gboolean
pin_threads(pid_t pid, const cpu_set_t *set)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    gboolean ok = dir != NULL;

    while (ok && (entry = readdir(dir))) {
        guint64 tid;

        if (!g_ascii_string_to_unsigned(entry->d_name, 10, 1, G_MAXINT32, &tid, NULL))
            continue;
        ok = sched_setaffinity((pid_t)tid, sizeof(*set), set) == 0 || errno == ESRCH;
    }
    if (dir) {
        int saved = errno;

        closedir(dir);
        errno = saved;
    }
    return ok;
}

gboolean
hvxl_pin_emulator(HvEngine *engine, int domid, const ConfBitmap *cpus, GError **error)
{
    pid_t pid = emulator_pid(engine, domid, error);
    cpu_set_t set;

    if (pid == 0)
        return FALSE;
    CPU_ZERO(&set);
    for (guint cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (conf_bitmap_get(cpus, cpu))
            CPU_SET(cpu, &set);
    /* New threads take after the first one, so it goes twice: before the others and with them. */
    return (sched_setaffinity(pid, sizeof(set), &set) == 0 && pin_threads(pid, &set)) ||
           set_affinity_error(error, domid, "pin");
}

ConfBitmap *
hvxl_emulator_pin(HvEngine *engine, int domid, GError **error)
{
    pid_t pid = emulator_pid(engine, domid, error);
    ConfBitmap *cpus;
    cpu_set_t set;

    if (pid == 0)
        return NULL;
    if (sched_getaffinity(pid, sizeof(set), &set) < 0) {
        set_affinity_error(error, domid, "ask for the cpus of");
        return NULL;
    }
    cpus = conf_bitmap_new(engine->n_cpus);
    for (guint cpu = 0; cpu < engine->n_cpus && cpu < CPU_SETSIZE; cpu++)
        conf_bitmap_set(cpus, cpu, CPU_ISSET(cpu, &set));
    return cpus;
}

/* ---- the scheduler ---- */

#define HAS(param) (1u << HV_SCHED_##param)

/* Which scheduler runs a domain: that of its cpu pool. */
static int
sched_of(HvxlCtx *ctx, int domid, libxl_scheduler *ret_sched)
{
    libxl_cpupoolinfo pool;
    libxl_dominfo info;
    int rc;

    if (domid < 0) {
        rc = libxl_get_scheduler(ctx->libxl);
        if (rc >= 0)
            *ret_sched = (libxl_scheduler)rc;
        return rc >= 0 ? 0 : rc;
    }
    libxl_dominfo_init(&info);
    libxl_cpupoolinfo_init(&pool);
    rc = libxl_domain_info(ctx->libxl, &info, (uint32_t)domid);
    if (rc == 0)
        rc = libxl_cpupool_info(ctx->libxl, &pool, info.cpupool);
    if (rc == 0)
        *ret_sched = pool.sched;
    libxl_cpupoolinfo_dispose(&pool);
    libxl_dominfo_dispose(&info);
    return rc;
}

static int
read_credit(HvxlCtx *ctx, int domid, HvSched *ret_sched)
{
    libxl_domain_sched_params params;
    int rc;

    libxl_domain_sched_params_init(&params);
    rc = libxl_domain_sched_params_get(ctx->libxl, (uint32_t)domid, &params);
    if (rc == 0) {
        ret_sched->has = HAS(WEIGHT) | HAS(CAP);
        ret_sched->value[HV_SCHED_WEIGHT] = params.weight;
        ret_sched->value[HV_SCHED_CAP] = MAX(params.cap, 0);
    }
    libxl_domain_sched_params_dispose(&params);
    return rc;
}

/* rtds has parameters for each vcpu; we give all the same, so the first stands for them. */
static int
read_rtds(HvxlCtx *ctx, int domid, HvSched *ret_sched)
{
    libxl_vcpu_sched_params params;
    int rc;

    libxl_vcpu_sched_params_init(&params);
    rc = libxl_vcpu_sched_params_get_all(ctx->libxl, (uint32_t)domid, &params);
    if (rc == 0 && params.num_vcpus > 0) {
        ret_sched->has = HAS(PERIOD) | HAS(BUDGET) | HAS(EXTRATIME);
        ret_sched->value[HV_SCHED_PERIOD] = params.vcpus[0].period;
        ret_sched->value[HV_SCHED_BUDGET] = params.vcpus[0].budget;
        ret_sched->value[HV_SCHED_EXTRATIME] = params.vcpus[0].extratime;
    }
    libxl_vcpu_sched_params_dispose(&params);
    return rc;
}

static gboolean
is_credit(libxl_scheduler sched)
{
    return sched == LIBXL_SCHEDULER_CREDIT || sched == LIBXL_SCHEDULER_CREDIT2;
}

gboolean
hvxl_sched(HvEngine *engine, int domid, HvSched *ret_sched, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_scheduler sched = LIBXL_SCHEDULER_UNKNOWN;
    int rc;

    if (!ctx)
        return FALSE;
    rc = sched_of(ctx, domid, &sched);
    if (rc == 0)
        g_strlcpy(ret_sched->type, libxl_scheduler_to_string(sched), sizeof(ret_sched->type));
    if (rc == 0 && domid >= 0 && is_credit(sched))
        rc = read_credit(ctx, domid, ret_sched);
    else if (rc == 0 && domid >= 0 && sched == LIBXL_SCHEDULER_RTDS)
        rc = read_rtds(ctx, domid, ret_sched);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot ask for the scheduler of domain id %d", domid);
}

static int
write_credit(HvxlCtx *ctx, int domid, libxl_scheduler sched, const HvSched *change)
{
    libxl_domain_sched_params params;
    int rc;

    libxl_domain_sched_params_init(&params);
    params.sched = sched;
    if (hv_sched_has(change, HV_SCHED_WEIGHT))
        params.weight = change->value[HV_SCHED_WEIGHT];
    if (hv_sched_has(change, HV_SCHED_CAP))
        params.cap = change->value[HV_SCHED_CAP];
    rc = libxl_domain_sched_params_set(ctx->libxl, (uint32_t)domid, &params);
    libxl_domain_sched_params_dispose(&params);
    return rc;
}

static int
write_rtds(HvxlCtx *ctx, int domid, const HvSched *change)
{
    HvSched now = { .has = 0 };
    libxl_sched_params values;
    libxl_vcpu_sched_params params;
    int rc = read_rtds(ctx, domid, &now);

    if (rc != 0)
        return rc;
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++)
        if (hv_sched_has(change, i))
            now.value[i] = change->value[i];
    libxl_sched_params_init(&values);
    values.period = now.value[HV_SCHED_PERIOD];
    values.budget = now.value[HV_SCHED_BUDGET];
    values.extratime = now.value[HV_SCHED_EXTRATIME];
    libxl_vcpu_sched_params_init(&params);
    params.sched = LIBXL_SCHEDULER_RTDS;
    params.num_vcpus = 1;
    params.vcpus = &values; /* ours: no dispose */
    return libxl_vcpu_sched_params_set_all(ctx->libxl, (uint32_t)domid, &params);
}

gboolean
hvxl_set_sched(HvEngine *engine, int domid, const HvSched *change, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_scheduler sched = LIBXL_SCHEDULER_UNKNOWN;
    int rc;

    if (!ctx)
        return FALSE;
    rc = sched_of(ctx, domid, &sched);
    if (rc == 0 && is_credit(sched))
        rc = write_credit(ctx, domid, sched, change);
    else if (rc == 0)
        rc = sched == LIBXL_SCHEDULER_RTDS ? write_rtds(ctx, domid, change) : ERROR_NI;
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot change the scheduler parameters of domain id %d",
                          domid);
}

/* ---- NUMA ---- */

gboolean
hvxl_set_nodes(HvEngine *engine, int domid, const ConfBitmap *nodes, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_bitmap map;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_bitmap_init(&map);
    rc = libxl_node_bitmap_alloc(ctx->libxl, &map, 0);
    if (rc == 0)
        rc = fill_bitmap(nodes, &map);
    if (rc == 0)
        rc = libxl_domain_set_nodeaffinity(ctx->libxl, (uint32_t)domid, &map);
    libxl_bitmap_dispose(&map);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot change the NUMA nodes of domain id %d", domid);
}

ConfBitmap *
hvxl_nodes(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    ConfBitmap *nodes = NULL;
    libxl_bitmap map;
    int rc;

    if (!ctx)
        return NULL;
    libxl_bitmap_init(&map);
    rc = libxl_node_bitmap_alloc(ctx->libxl, &map, 0);
    if (rc == 0)
        rc = libxl_domain_get_nodeaffinity(ctx->libxl, (uint32_t)domid, &map);
    if (rc == 0)
        nodes = bitmap_of(&map, engine->n_nodes);
    else
        hvxl_set_error(ctx, rc, error, "cannot ask for the NUMA nodes of domain id %d", domid);
    libxl_bitmap_dispose(&map);
    return nodes;
}

/* ---- interfaces ---- */

#define RATE_WINDOW_US 50000 /* xl's */
#define MAX_ADDRESSES  64    /* of one interface, whatever its guest writes */

static gboolean
same_mac(const libxl_mac mac, const char *text)
{
    g_autofree char *own = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                           mac[3], mac[4], mac[5]);

    return text && g_ascii_strcasecmp(own, text) == 0;
}

/* FALSE and *error: there is no such interface. */
static gboolean
find_nic(HvxlCtx *ctx, int domid, const ConfInterface *iface, int *ret_devid, guint *ret_backend,
         GError **error)
{
    int n = 0;
    libxl_device_nic *nics = libxl_device_nic_list(ctx->libxl, (uint32_t)domid, &n);
    gboolean found = FALSE;

    for (int i = 0; nics && !found && i < n; i++) {
        found = same_mac(nics[i].mac, iface->mac);
        *ret_devid = nics[i].devid;
        *ret_backend = nics[i].backend_domid;
    }
    libxl_device_nic_list_free(nics, n);
    if (!found)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "domain id %d has no interface '%s' any more",
                    domid, iface->mac ? iface->mac : "");
    return found;
}

gboolean
hvxl_set_interface_rate(HvEngine *engine, int domid, const ConfInterface *iface, guint64 kib_per_s,
                        GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    guint backend;
    gboolean ok;
    int devid;

    if (!ctx || !find_nic(ctx, domid, iface, &devid, &backend, error))
        return FALSE;
    if (kib_per_s > G_MAXUINT32) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "%" G_GUINT64_FORMAT " KiB/s is more than a back end can count", kib_per_s);
        return FALSE;
    }
    path = g_strdup_printf("/local/domain/%u/backend/vif/%d/%d/rate", backend, domid, devid);
    text = g_strdup_printf("%" G_GUINT64_FORMAT ",%u",
                           MAX(kib_per_s * 1024 * RATE_WINDOW_US / G_USEC_PER_SEC, 1),
                           RATE_WINDOW_US);
    ok = kib_per_s > 0 ? xs_write(engine->xs, XBT_NULL, path, text, (unsigned)strlen(text))
                       : xs_rm(engine->xs, XBT_NULL, path) || errno == ENOENT;
    if (!ok)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot change '%s' in xenstore: %s", path,
                    g_strerror(errno));
    return ok;
}

/* Xen's table of xenstore paths gives a guest these nodes to write its addresses to, under any
 * names. */
static void
add_addresses(HvEngine *engine, int domid, int devid, const char *family, GPtrArray *all)
{
    g_autofree char *folder = g_strdup_printf("/local/domain/%d/attr/vif/%d/%s", domid, devid,
                                              family);
    unsigned n = 0;
    char **names = xs_directory(engine->xs, XBT_NULL, folder, &n);

    for (unsigned i = 0; names && i < n && all->len < MAX_ADDRESSES; i++) {
        char *text = hvxl_xs_read(engine, "%s/%s", folder, names[i]);

        if (text)
            g_ptr_array_add(all, text);
    }
    free(names);
}

GPtrArray *
hvxl_guest_addresses(HvEngine *engine, int domid, const ConfInterface *iface, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    guint backend;
    int devid;

    if (!ctx || !find_nic(ctx, domid, iface, &devid, &backend, error))
        return NULL;
    add_addresses(engine, domid, devid, "ipv4", all);
    add_addresses(engine, domid, devid, "ipv6", all);
    return g_steal_pointer(&all);
}

/* ---- security labels ---- */

char *
hvxl_security_label(HvEngine *engine, int domid, gboolean *ret_enforcing, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_dominfo info;
    char *label = NULL;
    int enforcing, rc;

    if (!ctx)
        return NULL;
    /* Xen answers so where it has no FLASK, or its policy is off. */
    enforcing = libxl_flask_getenforce(ctx->libxl);
    if (enforcing < 0)
        return NULL;
    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ctx->libxl, &info, (uint32_t)MAX(domid, 0));
    if (rc == 0)
        label = g_strdup(info.ssid_label);
    else
        hvxl_set_error(ctx, rc, error, "cannot ask for the label of domain id %d", domid);
    libxl_dominfo_dispose(&info);
    if (ret_enforcing)
        *ret_enforcing = enforcing > 0;
    return label;
}

/* ---- at the start ---- */

static void
log_failure(HvxlCtx *ctx, const char *what, const GError *error)
{
    xtl_log(&ctx->log.base, XTL_WARN, -1, "xlvirt", "%s: %s", what, error->message);
}

static HvDiskLimits
limits_of(const ConfDisk *disk)
{
    return (HvDiskLimits){
        .total_bytes = conf_disk_iotune(disk, "total_bytes_sec"),
        .read_bytes = conf_disk_iotune(disk, "read_bytes_sec"),
        .write_bytes = conf_disk_iotune(disk, "write_bytes_sec"),
        .total_iops = conf_disk_iotune(disk, "total_iops_sec"),
        .read_iops = conf_disk_iotune(disk, "read_iops_sec"),
        .write_iops = conf_disk_iotune(disk, "write_iops_sec"),
    };
}

void
hvxl_tune_started(HvxlCtx *ctx, int domid, const ConfDomain *live)
{
    for (guint i = 0; i < live->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(live->disks, i);
        HvDiskLimits limits = limits_of(disk);
        g_autoptr(GError) error = NULL;

        if (disk->iotune_extra && !hvxl_set_disk_limits(ctx->engine, domid, disk, &limits, &error))
            log_failure(ctx, "devices/disk/iotune", error);
    }
    if (live->cputune.emulatorpin) {
        g_autoptr(GError) error = NULL;

        if (!hvxl_pin_emulator(ctx->engine, domid, live->cputune.emulatorpin, &error))
            log_failure(ctx, "cputune/emulatorpin", error);
    }
}
