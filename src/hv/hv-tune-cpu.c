/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where vcpus and device models run, which vcpus are online, and the scheduler's parameters. */
#include "hv-private.h"

#include <conf/conf-xlext.h>

/* ---- the way of every change ---- */

/* Job held: the engine's half. */
static gboolean
tune_live(HvJob *job, const HvView *now, const HvTune *tune, gpointer data, GError **error)
{
    HvHost *host = job->domain->host;
    gboolean ok;

    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW)
        return FALSE;
    if (!tune->live)
        return TRUE;
    hv_job_enter_hook(job);
    ok = tune->live(host, now, data, error);
    if (!hv_job_leave_hook(job, error))
        return FALSE;
    hv_sampler_invalidate(host->sampler);
    return ok;
}

gboolean
hv_domain_tune(HvDomain *domain, unsigned affect, const HvTune *tune, gpointer data, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    g_autoptr(HvView) now = NULL;
    unsigned which;

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_view_affect(now, affect, &which, error))
        return FALSE;
    /* What is refused for the one half is refused before the other half has changed. */
    if ((which & HV_AFFECT_LIVE) && tune->check && !tune->check(now->live, data, error))
        return FALSE;
    if ((which & HV_AFFECT_CONFIG) && tune->check && !tune->check(now->persistent, data, error))
        return FALSE;
    if ((which & HV_AFFECT_LIVE) && !tune_live(job, now, tune, data, error))
        return FALSE;
    if (!hv_domain_edit(job, which, tune->edit, data, error))
        return FALSE;
    if ((which & HV_AFFECT_LIVE) && tune->tell)
        tune->tell(domain, now->domid, data);
    return TRUE;
}

/* ---- pinning ---- */

/* Of the wanted cpus those that this host has. NULL: none. */
static ConfBitmap *
cpus_of_host(HvHost *host, const ConfBitmap *wanted, GError **error)
{
    g_autoptr(ConfBitmap) cpus = NULL;
    HvHostInfo info;

    if (!hv_host_info(host, &info, error))
        return NULL;
    cpus = conf_bitmap_new(info.cpus);
    for (guint cpu = 0; cpu < info.cpus; cpu++)
        if (conf_bitmap_get(wanted, cpu))
            conf_bitmap_set(cpus, cpu, true);
    if (conf_bitmap_count(cpus) > 0)
        return g_steal_pointer(&cpus);
    hv_refuse(error, HV_ERROR_INVALID_ARG, "Empty cpu list for pinning");
    return NULL;
}

typedef struct Pin {
    guint vcpu;
    ConfBitmap *cpus;
} Pin;

static gboolean
check_vcpu(const ConfDomain *def, guint vcpu, GError **error)
{
    if (vcpu < def->vcpus_max)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "vcpu '%u' is not present in the domain",
                vcpu);
    return FALSE;
}

static gboolean
check_pin(const ConfDomain *def, gpointer data, GError **error)
{
    const Pin *pin = data;

    return check_vcpu(def, pin->vcpu, error);
}

/* The pin of this vcpu, made where it is missing; in the order of their numbers. */
static ConfVcpuPin *
pin_in(ConfDomain *def, guint vcpu)
{
    GPtrArray *pins = def->cputune.vcpupin;
    ConfVcpuPin *pin;
    guint at;

    for (at = 0; at < pins->len; at++) {
        pin = g_ptr_array_index(pins, at);
        if (pin->vcpu == vcpu)
            return pin;
        if (pin->vcpu > vcpu)
            break;
    }
    pin = conf_vcpu_pin_new();
    pin->vcpu = vcpu;
    g_ptr_array_insert(pins, (gint)at, pin);
    return pin;
}

static gboolean
edit_pin(ConfDomain *def, gpointer data, GError **error)
{
    const Pin *pin = data;
    ConfVcpuPin *place = pin_in(def, pin->vcpu);

    conf_bitmap_free(place->cpuset);
    place->cpuset = conf_bitmap_copy(pin->cpus);
    return conf_xl_ext_forget(def, "cpus", error);
}

static gboolean
live_pin(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    const Pin *pin = data;

    if (host->ops->pin_vcpu)
        return host->ops->pin_vcpu(host->engine, now->domid, pin->vcpu, pin->cpus, error);
    hv_set_unsupported(error, host, "pinning a vcpu of a running domain");
    return FALSE;
}

static void
tell_pin(HvDomain *domain, int domid, gpointer data)
{
    const Pin *pin = data;
    g_autoptr(GPtrArray) params = hv_event_params_new();
    g_autofree char *field = g_strdup_printf("cputune.vcpupin%u", pin->vcpu);

    hv_event_params_add(params, field, conf_bitmap_format(pin->cpus), 0);
    hv_event_post_params(domain, HV_EVENT_TUNABLE, params, domid);
}

gboolean
hv_domain_pin_vcpu(HvDomain *domain, guint vcpu, const ConfBitmap *cpus, unsigned affect,
                   GError **error)
{
    static const HvTune tune = { check_pin, live_pin, edit_pin, tell_pin };
    g_autoptr(ConfBitmap) own = cpus_of_host(domain->host, cpus, error);
    Pin pin = { .vcpu = vcpu, .cpus = own };

    return own && hv_domain_tune(domain, affect, &tune, &pin, error);
}

static gboolean
edit_emulator_pin(ConfDomain *def, gpointer data, GError **error)
{
    conf_bitmap_free(def->cputune.emulatorpin);
    def->cputune.emulatorpin = conf_bitmap_copy(data);
    return TRUE;
}

static gboolean
live_emulator_pin(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    if (host->ops->pin_emulator)
        return host->ops->pin_emulator(host->engine, now->domid, data, error);
    hv_set_unsupported(error, host, "pinning the device model of a running domain");
    return FALSE;
}

static void
tell_emulator_pin(HvDomain *domain, int domid, gpointer data)
{
    g_autoptr(GPtrArray) params = hv_event_params_new();

    hv_event_params_add(params, "cputune.emulatorpin", conf_bitmap_format(data), 0);
    hv_event_post_params(domain, HV_EVENT_TUNABLE, params, domid);
}

gboolean
hv_domain_pin_emulator(HvDomain *domain, const ConfBitmap *cpus, unsigned affect, GError **error)
{
    static const HvTune tune = { NULL, live_emulator_pin, edit_emulator_pin, tell_emulator_pin };
    g_autoptr(ConfBitmap) own = cpus_of_host(domain->host, cpus, error);

    return own && hv_domain_tune(domain, affect, &tune, own, error);
}

static ConfBitmap *
all_cpus(HvHost *host, GError **error)
{
    ConfBitmap *cpus;
    HvHostInfo info;

    if (!hv_host_info(host, &info, error))
        return NULL;
    cpus = conf_bitmap_new(info.cpus);
    for (guint cpu = 0; cpu < info.cpus; cpu++)
        conf_bitmap_set(cpus, cpu, true);
    return cpus;
}

ConfBitmap *
hv_domain_emulator_pin(HvDomain *domain, unsigned affect, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);
    ConfBitmap *cpus;

    if (!def)
        return NULL;
    if (def == now->live && host->ops->emulator_pin) {
        if (!hv_host_enter_engine(host, error))
            return NULL;
        cpus = host->ops->emulator_pin(host->engine, now->domid, error);
        hv_host_leave_engine(host);
        return cpus;
    }
    if (def->cputune.emulatorpin)
        return conf_bitmap_copy(def->cputune.emulatorpin);
    return def->cpuset ? conf_bitmap_copy(def->cpuset) : all_cpus(host, error);
}

/* ---- single vcpus ---- */

typedef struct VcpuChange {
    const ConfBitmap *vcpus;
    gboolean online;
} VcpuChange;

static gboolean
is_online(const ConfDomain *def, guint vcpu)
{
    for (guint i = 0; i < def->vcpu_list->len; i++) {
        const ConfVcpu *row = g_ptr_array_index(def->vcpu_list, i);

        if (row->id == vcpu && row->enabled != CONF_TRISTATE_ABSENT)
            return row->enabled == CONF_TRISTATE_ON;
    }
    return vcpu < conf_domain_current_vcpus(def);
}

/* Which vcpus are online after the change. */
static ConfBitmap *
online_after(const ConfDomain *def, const VcpuChange *change)
{
    ConfBitmap *online = conf_bitmap_new(def->vcpus_max);

    for (guint i = 0; i < def->vcpus_max; i++) {
        gboolean chosen = conf_bitmap_get(change->vcpus, i);

        conf_bitmap_set(online, i, chosen ? change->online : is_online(def, i));
    }
    return online;
}

static gboolean
check_vcpu_change(const ConfDomain *def, gpointer data, GError **error)
{
    const VcpuChange *change = data;

    /* The vcpu that a guest boots on, and that it cannot do without. */
    if (!change->online && conf_bitmap_get(change->vcpus, 0))
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "vCPU '0' must be enabled");
    return check_vcpu(def, (guint)conf_bitmap_last(change->vcpus), error);
}

static void
append_vcpu(ConfDomain *def, guint id, gboolean online)
{
    ConfVcpu *row = conf_vcpu_new();

    row->id = id;
    row->enabled = online ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    row->hotpluggable = id == 0 ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
    g_ptr_array_add(def->vcpu_list, row);
}

static gboolean
edit_vcpus(ConfDomain *def, gpointer data, GError **error)
{
    g_autoptr(ConfBitmap) online = online_after(def, data);

    g_ptr_array_set_size(def->vcpu_list, 0);
    for (guint i = 0; i < def->vcpus_max; i++)
        append_vcpu(def, i, conf_bitmap_get(online, i));
    def->vcpus = conf_bitmap_count(online);
    return TRUE;
}

static gboolean
live_vcpus(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    g_autoptr(ConfBitmap) online = online_after(now->live, data);

    if (host->ops->set_vcpu_map)
        return host->ops->set_vcpu_map(host->engine, now->domid, online, error);
    hv_set_unsupported(error, host, "switching single vcpus of a running domain");
    return FALSE;
}

gboolean
hv_domain_set_vcpu(HvDomain *domain, const ConfBitmap *vcpus, gboolean online, unsigned affect,
                   GError **error)
{
    static const HvTune tune = { check_vcpu_change, live_vcpus, edit_vcpus, NULL };
    VcpuChange change = { .vcpus = vcpus, .online = online };

    if (conf_bitmap_count(vcpus) == 0)
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "no vcpus selected for modification");
    return hv_domain_tune(domain, affect, &tune, &change, error);
}

/* ---- the scheduler ---- */

#define CAP_PERIOD 100000 /* us: a cap of 100 (one cpu) is a quota of one whole period */

#define HAS(param) (1u << HV_SCHED_##param)

/* The schedulers of Xen and what each lets a domain have. */
static const struct {
    const char *type;
    unsigned has;
} schedulers[] = {
    { "credit", HAS(WEIGHT) | HAS(CAP) },
    { "credit2", HAS(WEIGHT) | HAS(CAP) },
    { "rtds", HAS(PERIOD) | HAS(BUDGET) | HAS(EXTRATIME) },
    { "null", 0 },
    { "arinc653", 0 },
};

/* What a domain has of which nobody said anything, and what it may be. A cap is limited by the
 * number of vcpus, too; a budget by its period. */
static const struct {
    const char *name;
    int fallback, min, max;
} sched_params[HV_N_SCHED_PARAMS] = {
    [HV_SCHED_WEIGHT] = { "weight", 256, 1, 65535 },
    [HV_SCHED_CAP] = { "cap", 0, 0, G_MAXINT },
    [HV_SCHED_PERIOD] = { "period", 10000, 10, G_MAXINT },
    [HV_SCHED_BUDGET] = { "budget", 4000, 10, G_MAXINT },
    [HV_SCHED_EXTRATIME] = { "extratime", 1, 0, 1 },
};

static unsigned
params_of(const char *type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(schedulers); i++)
        if (g_str_equal(schedulers[i].type, type))
            return schedulers[i].has;
    return 0;
}

static gboolean
ask_sched(HvHost *host, int domid, HvSched *ret_sched, GError **error)
{
    gboolean ok;

    *ret_sched = (HvSched){ .has = 0 };
    if (!host->ops->sched) {
        hv_set_unsupported(error, host, "asking for the scheduler");
        return FALSE;
    }
    if (!hv_host_enter_engine(host, error))
        return FALSE;
    ok = host->ops->sched(host->engine, domid, ret_sched, error);
    hv_host_leave_engine(host);
    return ok;
}

/* rtds has a budget in a period as <cputune> has a quota in one; what domXML has no place for is a
 * key of xl's in the metadata. */
static void
rtds_of_def(const ConfDomain *def, HvSched *ret_sched)
{
    const ConfCpuTune *tune = &def->cputune;
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, NULL);
    const char *extratime = ext ? conf_xl_keys_get(ext->keys, "extratime") : NULL;

    if (tune->period.set)
        ret_sched->value[HV_SCHED_PERIOD] = (int)CLAMP(tune->period.value, 0, G_MAXINT);
    if (tune->quota.set)
        ret_sched->value[HV_SCHED_BUDGET] = (int)CLAMP(tune->quota.value, 0,
                                                       ret_sched->value[HV_SCHED_PERIOD]);
    if (extratime)
        ret_sched->value[HV_SCHED_EXTRATIME] = !g_str_equal(extratime, "0");
}

static void
credit_of_def(const ConfDomain *def, HvSched *ret_sched)
{
    const ConfCpuTune *tune = &def->cputune;
    gint64 period = tune->period.set && tune->period.value > 0 ? tune->period.value : CAP_PERIOD;

    if (tune->shares.set)
        ret_sched->value[HV_SCHED_WEIGHT] = (int)CLAMP(tune->shares.value, 0, G_MAXINT);
    if (tune->quota.set && tune->quota.value > 0)
        ret_sched->value[HV_SCHED_CAP] = (int)CLAMP(
            MIN(tune->quota.value, G_MAXINT64 / 100) * 100 / period, 1, G_MAXINT);
}

static void
sched_of_def(const ConfDomain *def, HvSched *ret_sched)
{
    ret_sched->has = params_of(ret_sched->type);
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++)
        ret_sched->value[i] = sched_params[i].fallback;
    if (hv_sched_has(ret_sched, HV_SCHED_BUDGET))
        rtds_of_def(def, ret_sched);
    else
        credit_of_def(def, ret_sched);
}

gboolean
hv_domain_sched(HvDomain *domain, unsigned affect, HvSched *ret_sched, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);

    if (!def)
        return FALSE;
    if (def == now->live)
        return ask_sched(domain->host, now->domid, ret_sched, error);
    if (!ask_sched(domain->host, -1, ret_sched, error))
        return FALSE;
    sched_of_def(def, ret_sched);
    return TRUE;
}

static gboolean
check_sched(const ConfDomain *def, gpointer data, GError **error)
{
    const HvSched *change = data;

    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++) {
        int max = i == HV_SCHED_CAP ? (int)MIN(def->vcpus_max, G_MAXINT / 100) * 100
                                    : sched_params[i].max;

        if (!hv_sched_has(change, i) ||
            (change->value[i] >= sched_params[i].min && change->value[i] <= max))
            continue;
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "scheduler parameter '%s' is %d, it must be in the range from %d to %d",
                    sched_params[i].name, change->value[i], sched_params[i].min, max);
        return FALSE;
    }
    return TRUE;
}

static gboolean
write_extratime(ConfDomain *def, gboolean on, GError **error)
{
    g_autoptr(ConfXlExt) ext = conf_xl_ext_load(def, error);

    if (!ext)
        return FALSE;
    conf_xl_keys_set(ext->keys, "extratime", on ? "1" : "0");
    return conf_xl_ext_store(def, ext, error);
}

/* Period and budget belong together, whichever of them changes. */
static gboolean
edit_rtds(ConfDomain *def, const HvSched *change, GError **error)
{
    HvSched after = { .type = "rtds" };

    sched_of_def(def, &after);
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++)
        if (hv_sched_has(change, i))
            after.value[i] = change->value[i];
    if (after.value[HV_SCHED_BUDGET] > after.value[HV_SCHED_PERIOD]) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "a budget of %d us is more than its period of %d us",
                    after.value[HV_SCHED_BUDGET], after.value[HV_SCHED_PERIOD]);
        return FALSE;
    }
    def->cputune.period = (ConfOptInt){ true, after.value[HV_SCHED_PERIOD] };
    def->cputune.quota = (ConfOptInt){ true, after.value[HV_SCHED_BUDGET] };
    return !hv_sched_has(change, HV_SCHED_EXTRATIME) ||
           write_extratime(def, after.value[HV_SCHED_EXTRATIME], error);
}

static gboolean
edit_sched(ConfDomain *def, gpointer data, GError **error)
{
    const HvSched *change = data;
    ConfCpuTune *tune = &def->cputune;

    if (hv_sched_has(change, HV_SCHED_PERIOD) || hv_sched_has(change, HV_SCHED_BUDGET) ||
        hv_sched_has(change, HV_SCHED_EXTRATIME))
        return edit_rtds(def, change, error);
    if (hv_sched_has(change, HV_SCHED_WEIGHT)) {
        tune->shares = (ConfOptInt){ true, change->value[HV_SCHED_WEIGHT] };
        if (!conf_xl_ext_forget(def, "cpu_weight", error))
            return FALSE;
    }
    if (hv_sched_has(change, HV_SCHED_CAP)) {
        int cap = change->value[HV_SCHED_CAP];

        tune->period = (ConfOptInt){ cap > 0, CAP_PERIOD };
        tune->quota = (ConfOptInt){ cap > 0, (gint64)cap * (CAP_PERIOD / 100) };
    }
    return TRUE;
}

static gboolean
live_sched(HvHost *host, const HvView *now, gpointer data, GError **error)
{
    if (host->ops->set_sched)
        return host->ops->set_sched(host->engine, now->domid, data, error);
    hv_set_unsupported(error, host, "changing the scheduler parameters of a running domain");
    return FALSE;
}

static void
tell_sched(HvDomain *domain, int domid, gpointer data)
{
    const HvSched *change = data;
    g_autoptr(GPtrArray) params = hv_event_params_new();

    /* libvirt has names for these two only. */
    if (hv_sched_has(change, HV_SCHED_WEIGHT))
        hv_event_params_add(params, "cputune.cpu_shares", NULL,
                            (guint64)change->value[HV_SCHED_WEIGHT]);
    if (hv_sched_has(change, HV_SCHED_CAP))
        hv_event_params_add(params, "cputune.vcpu_quota", NULL,
                            (guint64)change->value[HV_SCHED_CAP] * (CAP_PERIOD / 100));
    if (params->len > 0)
        hv_event_post_params(domain, HV_EVENT_TUNABLE, params, domid);
}

/* A budget means something in its period only: they are set together. */
static void
complete_rtds(HvSched *change, const HvSched *now)
{
    unsigned both = 1u << HV_SCHED_PERIOD | 1u << HV_SCHED_BUDGET;

    for (guint i = 0; (change->has & both) && i < HV_N_SCHED_PARAMS; i++) {
        if (!(both & 1u << i) || hv_sched_has(change, i))
            continue;
        change->value[i] = now->value[i];
        change->has |= 1u << i;
    }
}

gboolean
hv_domain_set_sched(HvDomain *domain, const HvSched *change, unsigned affect, GError **error)
{
    static const HvTune tune = { check_sched, live_sched, edit_sched, tell_sched };
    HvSched now;
    HvSched own = *change;

    /* As it stands before the job: a scheduler does not change under a host that runs. */
    if (!hv_domain_sched(domain, affect & HV_AFFECT_LIVE ? HV_AFFECT_LIVE : affect, &now, error))
        return FALSE;
    for (guint i = 0; i < HV_N_SCHED_PARAMS; i++) {
        if (!hv_sched_has(change, i) || (params_of(now.type) & 1u << i))
            continue;
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "the scheduler '%s' has no parameter '%s'", now.type, sched_params[i].name);
        return FALSE;
    }
    complete_rtds(&own, &now);
    return hv_domain_tune(domain, affect, &tune, &own, error);
}
