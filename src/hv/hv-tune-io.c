/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NUMA nodes, what follows the end of a guest, and limits of interfaces and disks. */
#include "hv-private.h"

#include <string.h>

static gboolean
unsupported(GError **error, const char *message)
{
    g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED, message);
    return FALSE;
}

/* ---- NUMA ---- */

#define DEFAULT_MODE "strict"

void
hv_numa_clear(HvNuma *numa)
{
    g_clear_pointer(&numa->mode, g_free);
    g_clear_pointer(&numa->nodes, conf_bitmap_free);
}

gboolean
hv_domain_numa(HvDomain *domain, unsigned affect, HvNuma *ret_numa, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);

    *ret_numa = (HvNuma){ 0 };
    if (!def)
        return FALSE;
    if (def == now->live && host->ops->nodes) {
        if (!hv_host_enter_engine(host, error))
            return FALSE;
        ret_numa->nodes = host->ops->nodes(host->engine, now->domid, error);
        hv_host_leave_engine(host);
        if (!ret_numa->nodes)
            return FALSE;
    } else if (def->numatune.nodeset) {
        ret_numa->nodes = conf_bitmap_copy(def->numatune.nodeset);
    }
    ret_numa->mode = g_strdup(def->numatune.mode ? def->numatune.mode : DEFAULT_MODE);
    return TRUE;
}

/* Of the wanted nodes, all must be there: unlike cpus they are not unplugged. */
static gboolean
check_nodes(HvHost *host, const ConfBitmap *nodes, GError **error)
{
    HvHostInfo info;
    int last = conf_bitmap_last(nodes);

    if (!hv_host_info(host, &info, error))
        return FALSE;
    if (last >= 0 && (guint)last < info.nodes)
        return TRUE;
    if (last < 0)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "the set of NUMA nodes is empty");
    else
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "NUMA node %d is not there: this host has %u", last, info.nodes);
    return FALSE;
}

static gboolean
live_numa(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    const HvNuma *change = data;
    const char *mode = now->live->numatune.mode;

    if (change->mode && g_strcmp0(change->mode, mode ? mode : DEFAULT_MODE) != 0) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "can't change numatune mode for running domain");
        return FALSE;
    }
    if (!change->nodes)
        return TRUE;
    if (host->ops->set_nodes)
        return host->ops->set_nodes(host->engine, now->domid, change->nodes, error);
    hv_set_unsupported(error, host, "changing the NUMA nodes of a running domain");
    return FALSE;
}

static gboolean
edit_numa(ConfDomain *def, gpointer data, GError **error)
{
    const HvNuma *change = data;
    ConfNumaTune *tune = &def->numatune;

    if (change->mode) {
        g_free(tune->mode);
        tune->mode = g_strdup(change->mode);
    }
    if (change->nodes) {
        conf_bitmap_free(tune->nodeset);
        tune->nodeset = conf_bitmap_copy(change->nodes);
        g_clear_pointer(&tune->placement, g_free); /* "auto" would win over the set */
        if (!tune->mode)
            tune->mode = g_strdup(DEFAULT_MODE);
    }
    return TRUE;
}

gboolean
hv_domain_set_numa(HvDomain *domain, const HvNuma *change, unsigned affect, GError **error)
{
    static const HvTune tune = { NULL, live_numa, edit_numa, NULL };
    HvNuma own = *change;

    if (change->nodes && !check_nodes(domain->host, change->nodes, error))
        return FALSE;
    return hv_domain_tune(domain, affect, &tune, &own, error);
}

/* ---- what follows the end of a guest ---- */

typedef struct ActionChange {
    HvAction which;
    ConfAction action;
} ActionChange;

static gboolean
edit_action(ConfDomain *def, gpointer data, GError **error)
{
    const ActionChange *change = data;
    ConfAction *actions[] = { [HV_ACTION_POWEROFF] = &def->on_poweroff,
                              [HV_ACTION_REBOOT] = &def->on_reboot,
                              [HV_ACTION_CRASH] = &def->on_crash };
    static const char *const keys[] = { [HV_ACTION_POWEROFF] = "on_poweroff",
                                        [HV_ACTION_REBOOT] = "on_reboot",
                                        [HV_ACTION_CRASH] = "on_crash" };

    *actions[change->which] = change->action;
    return conf_xl_ext_forget(def, keys[change->which], error);
}

gboolean
hv_domain_set_action(HvDomain *domain, HvAction which, ConfAction action, unsigned affect,
                     GError **error)
{
    static const HvTune tune = { NULL, NULL, edit_action, NULL };
    ActionChange change = { which, action };

    /* libhv acts on the live definition when a guest ends: no engine need be asked. */
    if (which != HV_ACTION_CRASH &&
        (action == CONF_ACTION_COREDUMP_DESTROY || action == CONF_ACTION_COREDUMP_RESTART)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "lifecycle event '%s' doesn't support a core dump",
                    which == HV_ACTION_REBOOT ? "reboot" : "poweroff");
        return FALSE;
    }
    return hv_domain_tune(domain, affect, &tune, &change, error);
}

/* ---- finding devices ---- */

int
hv_def_find_disk(const ConfDomain *def, const char *name, GError **error)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(def->disks, i);

        if (g_strcmp0(disk->target, name) == 0)
            return (int)i;
    }
    for (guint i = 0; *name && i < def->disks->len; i++) {
        const ConfDisk *disk = g_ptr_array_index(def->disks, i);

        if (g_strcmp0(disk->source, name) == 0)
            return (int)i;
    }
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "invalid path %s not assigned to domain",
                name);
    return -1;
}

int
hv_def_find_interface(const ConfDomain *def, const char *name, GError **error)
{
    for (guint i = 0; i < def->interfaces->len; i++) {
        const ConfInterface *iface = g_ptr_array_index(def->interfaces, i);

        if (g_strcmp0(iface->target, name) == 0 ||
            (iface->mac && g_ascii_strcasecmp(iface->mac, name) == 0))
            return (int)i;
    }
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "'%s' is not a known interface", name);
    return -1;
}

/* ---- what an interface may send and receive ---- */

typedef struct BandwidthChange {
    const char *device;
    HvBandwidth limits;
} BandwidthChange;

static gint64
number_of(ConfOptInt value)
{
    return value.set ? value.value : 0;
}

gboolean
hv_domain_bandwidth(HvDomain *domain, const char *device, unsigned affect,
                    HvBandwidth *ret_bandwidth, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);
    const ConfInterface *iface;
    int index = def ? hv_def_find_interface(def, device, error) : -1;

    if (index < 0)
        return FALSE;
    iface = g_ptr_array_index(def->interfaces, (guint)index);
    *ret_bandwidth = (HvBandwidth){
        .in_average = number_of(iface->inbound_average),
        .in_peak = number_of(iface->inbound_peak),
        .in_burst = number_of(iface->inbound_burst),
        .out_average = number_of(iface->outbound_average),
        .out_peak = number_of(iface->outbound_peak),
        .out_burst = number_of(iface->outbound_burst),
    };
    return TRUE;
}

static gboolean
check_bandwidth(const ConfDomain *def, gpointer data, GError **error)
{
    const BandwidthChange *change = data;

    return hv_def_find_interface(def, change->device, error) >= 0;
}

/* Peak and burst mean something beside an average only. */
static void
edit_direction(ConfOptInt *average, ConfOptInt *peak, ConfOptInt *burst, const gint64 change[3])
{
    ConfOptInt *fields[] = { average, peak, burst };

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
        if (change[i] >= 0)
            *fields[i] = (ConfOptInt){ change[i] > 0, change[i] };
    if (!average->set)
        *peak = *burst = (ConfOptInt){ false, 0 };
}

static gboolean
edit_bandwidth(ConfDomain *def, gpointer data, GError **error)
{
    const BandwidthChange *change = data;
    const HvBandwidth *limits = &change->limits;
    int index = hv_def_find_interface(def, change->device, error);
    ConfInterface *iface;

    if (index < 0)
        return FALSE;
    iface = g_ptr_array_index(def->interfaces, (guint)index);
    edit_direction(&iface->inbound_average, &iface->inbound_peak, &iface->inbound_burst,
                   (const gint64[]){ limits->in_average, limits->in_peak, limits->in_burst });
    edit_direction(&iface->outbound_average, &iface->outbound_peak, &iface->outbound_burst,
                   (const gint64[]){ limits->out_average, limits->out_peak, limits->out_burst });
    return TRUE;
}

static gboolean
live_bandwidth(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    const BandwidthChange *change = data;
    const HvBandwidth *limits = &change->limits;
    int index = hv_def_find_interface(now->live, change->device, error);

    if (index < 0)
        return FALSE;
    /* Xen's back end counts what a guest sends, in one figure. */
    if (limits->in_average > 0 || limits->in_peak > 0 || limits->in_burst > 0)
        return unsupported(error, "limiting what an interface of a running domain receives");
    if (limits->out_peak > 0 || limits->out_burst > 0)
        return unsupported(error, "peak and burst of an interface of a running domain");
    if (limits->out_average < 0)
        return TRUE;
    if (host->ops->set_interface_rate)
        return host->ops->set_interface_rate(host->engine, now->domid,
                                             g_ptr_array_index(now->live->interfaces, (guint)index),
                                             (guint64)limits->out_average, error);
    hv_set_unsupported(error, host, "limiting an interface of a running domain");
    return FALSE;
}

gboolean
hv_domain_set_bandwidth(HvDomain *domain, const char *device, const HvBandwidth *change,
                        unsigned affect, GError **error)
{
    static const HvTune tune = { check_bandwidth, live_bandwidth, edit_bandwidth, NULL };
    BandwidthChange own = { device, *change };

    return hv_domain_tune(domain, affect, &tune, &own, error);
}

/* ---- limits of a disk ---- */

#define LIMIT(name, field, group)                                                                  \
    {                                                                                              \
        name, offsetof(HvDiskLimits, field), group                                                 \
    }

/* libvirt's words, in <iotune> as in an event. */
static const struct {
    const char *name;
    gsize offset;
    unsigned group;
} limit_names[] = {
    LIMIT("total_bytes_sec", total_bytes, HV_LIMIT_BYTES),
    LIMIT("read_bytes_sec", read_bytes, HV_LIMIT_BYTES),
    LIMIT("write_bytes_sec", write_bytes, HV_LIMIT_BYTES),
    LIMIT("total_iops_sec", total_iops, HV_LIMIT_IOPS),
    LIMIT("read_iops_sec", read_iops, HV_LIMIT_IOPS),
    LIMIT("write_iops_sec", write_iops, HV_LIMIT_IOPS),
};

#undef LIMIT

static guint64 *
limit_at(HvDiskLimits *limits, gsize i)
{
    return (guint64 *)(gpointer)((char *)limits + limit_names[i].offset);
}

typedef struct LimitsChange {
    const char *disk;
    HvDiskLimits limits; /* those of `groups` */
    unsigned groups;
} LimitsChange;

static void
limits_of(const ConfDisk *disk, HvDiskLimits *ret_limits)
{
    for (gsize i = 0; i < G_N_ELEMENTS(limit_names); i++)
        *limit_at(ret_limits, i) = conf_disk_iotune(disk, limit_names[i].name);
}

/* What a disk has after the change. */
static HvDiskLimits
limits_after(const ConfDisk *disk, LimitsChange *change)
{
    HvDiskLimits after;

    limits_of(disk, &after);
    for (gsize i = 0; i < G_N_ELEMENTS(limit_names); i++)
        if (limit_names[i].group & change->groups)
            *limit_at(&after, i) = *limit_at(&change->limits, i);
    return after;
}

gboolean
hv_domain_disk_limits(HvDomain *domain, const char *name, unsigned affect, HvDiskLimits *ret_limits,
                      GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);
    int index = def ? hv_def_find_disk(def, name, error) : -1;

    if (index < 0)
        return FALSE;
    limits_of(g_ptr_array_index(def->disks, (guint)index), ret_limits);
    return TRUE;
}

static gboolean
check_limits(const ConfDomain *def, gpointer data, GError **error)
{
    const LimitsChange *change = data;

    return hv_def_find_disk(def, change->disk, error) >= 0;
}

static gboolean
edit_limits(ConfDomain *def, gpointer data, GError **error)
{
    LimitsChange *change = data;
    int index = hv_def_find_disk(def, change->disk, error);

    if (index < 0)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(limit_names); i++)
        if (limit_names[i].group & change->groups)
            conf_disk_set_iotune(g_ptr_array_index(def->disks, (guint)index), limit_names[i].name,
                                 *limit_at(&change->limits, i));
    return TRUE;
}

static gboolean
live_limits(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    LimitsChange *change = data;
    int index = hv_def_find_disk(now->live, change->disk, error);
    const ConfDisk *disk;
    HvDiskLimits after;

    if (index < 0)
        return FALSE;
    disk = g_ptr_array_index(now->live->disks, (guint)index);
    after = limits_after(disk, change);
    if (host->ops->set_disk_limits)
        return host->ops->set_disk_limits(host->engine, now->domid, disk, &after, error);
    hv_set_unsupported(error, host, "limiting a disk of a running domain");
    return FALSE;
}

static void
tell_limits(HvDomain *domain, int domid, gpointer data)
{
    LimitsChange *change = data;
    g_autoptr(GPtrArray) params = hv_event_params_new();

    hv_event_params_add(params, "blkdeviotune.disk", g_strdup(change->disk), 0);
    for (gsize i = 0; i < G_N_ELEMENTS(limit_names); i++) {
        g_autofree char *field = g_strconcat("blkdeviotune.", limit_names[i].name, NULL);

        if (limit_names[i].group & change->groups)
            hv_event_params_add(params, field, NULL, *limit_at(&change->limits, i));
    }
    hv_event_post_params(domain, HV_EVENT_TUNABLE, params, domid);
}

static gboolean
check_exclusive(guint64 total, guint64 read, guint64 write, const char *what, GError **error)
{
    if (total == 0 || (read == 0 && write == 0))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "total and read/write of %s cannot be set at the same time", what);
    return FALSE;
}

gboolean
hv_domain_set_disk_limits(HvDomain *domain, const char *disk, const HvDiskLimits *limits,
                          unsigned groups, unsigned affect, GError **error)
{
    static const HvTune tune = { check_limits, live_limits, edit_limits, tell_limits };
    LimitsChange change = { disk, *limits, groups };

    return check_exclusive(limits->total_bytes, limits->read_bytes, limits->write_bytes,
                           "bytes_sec", error) &&
           check_exclusive(limits->total_iops, limits->read_iops, limits->write_iops, "iops_sec",
                           error) &&
           hv_domain_tune(domain, affect, &tune, &change, error);
}
