/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <features>, <clock>, <pm>, <genid>, and the limits on the xenbus controller. */
#include "hvxl-config-private.h"

#include <string.h>

/* ---- Hyper-V ---- */

#define GROUP(name) (UINT64_C(1) << LIBXL_VIRIDIAN_ENLIGHTENMENT_##name)
#define ALL_GROUPS  ((GROUP(CPU_HOTPLUG) << 1) - 1)

static const struct HypervName {
    const char *name;
    uint64_t groups; /* 0: see the row of that name */
} hyperv_names[] = {
    { "relaxed", GROUP(BASE) }, /* Xen has no watchdog that a guest would need to relax */
    { "vpindex", GROUP(BASE) },
    { "vapic", GROUP(BASE) | GROUP(APIC_ASSIST) },
    { "synic", GROUP(BASE) | GROUP(SYNIC) },
    { "stimer", GROUP(BASE) | GROUP(SYNIC) | GROUP(STIMER) },
    { "frequencies", GROUP(BASE) | GROUP(FREQ) },
    { "tlbflush", GROUP(BASE) | GROUP(HCALL_REMOTE_TLB_FLUSH) },
    { "ipi", GROUP(BASE) | GROUP(HCALL_IPI) },
};

static void
enable_groups(HvxlBuild *b, uint64_t groups)
{
    libxl_bitmap *enable = &b->config->b_info.u.hvm.viridian_enable;

    if (enable->size == 0)
        hvxl_bitmap_new(enable, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH);
    for (int i = 0; i < 64; i++) {
        if (groups >> i & 1)
            libxl_bitmap_set(enable, i);
    }
}

static gboolean
build_hyperv_feature(HvxlBuild *b, const ConfHypervFeature *feature, GError **error)
{
    g_autofree char *path = g_strconcat("features/hyperv/", feature->name, NULL);

    if (feature->state != CONF_TRISTATE_ON)
        return TRUE;
    for (size_t i = 0; i < G_N_ELEMENTS(hyperv_names); i++) {
        if (strcmp(hyperv_names[i].name, feature->name) == 0) {
            enable_groups(b, hyperv_names[i].groups);
            return hvxl_build_extra(b, NULL, path, feature->extra, error);
        }
    }
    if (strcmp(feature->name, "spinlocks") == 0 || strcmp(feature->name, "vendor_id") == 0) {
        hvxl_warn(b, feature->name, "features/hyperv", "spinlocks, vendor_id");
        return TRUE;
    }
    return hvxl_refuse(feature->name, "features/hyperv", "other", error);
}

static gboolean
build_hyperv(HvxlBuild *b, GError **error)
{
    const ConfFeatures *features = &b->def->features;

    if (features->viridian)
        libxl_defbool_set(&b->config->b_info.u.hvm.viridian, true);
    if (g_strcmp0(features->hyperv_mode, "passthrough") == 0) {
        enable_groups(b, ALL_GROUPS);
        return TRUE;
    }
    for (guint i = 0; i < features->hyperv->len; i++) {
        if (!build_hyperv_feature(b, features->hyperv->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* ---- other features ---- */

static void
warn_features(HvxlBuild *b)
{
    const ConfFeatures *features = &b->def->features;
    const struct {
        bool set;
        const char *path;
    } left_out[] = {
        { features->apic_eoi != NULL, "features/apic/@eoi" },
        { features->privnet, "features/privnet" },
        { features->vmport != CONF_TRISTATE_ABSENT, "features/vmport" },
        { features->smm == CONF_TRISTATE_ON, "features/smm" },
        { features->vmcoreinfo == CONF_TRISTATE_ON, "features/vmcoreinfo" },
        { features->htm == CONF_TRISTATE_ON, "features/htm" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(left_out); i++) {
        if (left_out[i].set)
            hvxl_warn(b, NULL, left_out[i].path, NULL);
    }
}

static gboolean
build_gic(HvxlBuild *b, GError **error)
{
    static const HvxlName versions[] = {
        { "2", LIBXL_GIC_VERSION_V2 },
        { "3", LIBXL_GIC_VERSION_V3 },
        { "host", LIBXL_GIC_VERSION_DEFAULT },
        HVXL_NAMES_END,
    };
    const char *version = b->def->features.gic_version;
    int value = LIBXL_GIC_VERSION_DEFAULT;

    if (version && !hvxl_name_find(versions, version, &value))
        return hvxl_invalid(error, "features/gic: Xen has the versions 2 and 3, not '%s'", version);
    b->config->b_info.arch_arm.gic_version = (libxl_gic_version)value;
    return TRUE;
}

static void
build_hap(HvxlBuild *b)
{
    const ConfFeatures *features = &b->def->features;

    if (!features->hap_present)
        return;
    if (b->type == LIBXL_DOMAIN_TYPE_PV)
        hvxl_warn(b, NULL, "features/hap", "PV");
    else
        libxl_defbool_set(&b->config->c_info.hap, features->hap != CONF_TRISTATE_OFF);
}

/* An element that is not there is a feature that is off, as libvirt has it for HVM. A PVH kernel
 * without ACPI finds nothing, so there it is Xen's default that counts. */
static void
build_machine(HvxlBuild *b)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const ConfFeatures *features = &b->def->features;

    if (b->type == LIBXL_DOMAIN_TYPE_PVH && features->acpi)
        libxl_defbool_set(&info->acpi, true);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM)
        return;
    if (!hvxl_is_on(info->acpi)) /* virtual NUMA may have set it */
        libxl_defbool_set(&info->acpi, features->acpi);
    libxl_defbool_set(&info->apic, features->apic);
    libxl_defbool_set(&info->u.hvm.pae, features->pae || b->def->os.arch == CONF_ARCH_X86_64);
    hvxl_set_tristate(&info->u.hvm.acpi_s3, b->def->pm_suspend_to_mem);
    hvxl_set_tristate(&info->u.hvm.acpi_s4, b->def->pm_suspend_to_disk);
}

static gboolean
build_features(HvxlBuild *b, GError **error)
{
    const ConfFeatures *features = &b->def->features;
    libxl_domain_build_info *info = &b->config->b_info;

    build_hap(b);
    build_machine(b);
    warn_features(b);
    hvxl_set_tristate(&info->vpmu, features->pmu);
    if (features->msrs_unknown)
        libxl_defbool_set(&info->arch_x86.msr_relaxed,
                          strcmp(features->msrs_unknown, "ignore") == 0);
    if (features->xen_e820_host != CONF_TRISTATE_ABSENT && b->type != LIBXL_DOMAIN_TYPE_PV)
        hvxl_warn(b, NULL, "features/xen/e820_host", "not PV");
    else if (b->type == LIBXL_DOMAIN_TYPE_PV)
        hvxl_set_tristate(&info->u.pv.e820_host, features->xen_e820_host);
    if ((features->viridian || features->hyperv->len) && b->type != LIBXL_DOMAIN_TYPE_HVM)
        hvxl_warn(b, NULL, "features/hyperv", "not HVM");
    else if (b->type == LIBXL_DOMAIN_TYPE_HVM && !build_hyperv(b, error))
        return FALSE;
    return build_gic(b, error);
}

/* ---- clock ---- */

static gint64
now(HvxlBuild *b)
{
    return b->env->now ? b->env->now : g_get_real_time() / G_USEC_PER_SEC;
}

static gboolean
parse_seconds(const char *text, gint64 *ret_seconds)
{
    return text == NULL || *text == '\0' || strcmp(text, "reset") == 0
               ? (*ret_seconds = 0, TRUE)
               : g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret_seconds, NULL);
}

/* libxl's field is unsigned and holds the seconds as two's complement. */
static gboolean
set_offset(HvxlBuild *b, gint64 seconds, GError **error)
{
    if (seconds < G_MININT32 || seconds > G_MAXINT32)
        return hvxl_invalid(error, "clock: %" G_GINT64_FORMAT " seconds away from now", seconds);
    b->config->b_info.rtc_timeoffset = (uint32_t)(int32_t)seconds;
    return TRUE;
}

static gboolean
build_timezone(HvxlBuild *b, GError **error)
{
    const char *name = b->def->clock.timezone;
    g_autoptr(GTimeZone) zone = name && *name ? g_time_zone_new_identifier(name) : NULL;

    if (zone == NULL)
        return hvxl_invalid(error, "clock: the host knows no time zone '%s'", name ? name : "");
    return set_offset(b,
                      g_time_zone_get_offset(
                          zone, g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, now(b))),
                      error);
}

static gboolean
build_offset(HvxlBuild *b, GError **error)
{
    const ConfClock *clock = &b->def->clock;
    const char *offset = clock->offset ? clock->offset : "utc";
    gint64 seconds = 0;

    if (strcmp(offset, "timezone") == 0)
        return build_timezone(b, error);
    if (strcmp(offset, "absolute") == 0) {
        if (clock->start == NULL || !parse_seconds(clock->start, &seconds))
            return hvxl_invalid(error, "clock: start='%s' are no seconds since 1970",
                                clock->start ? clock->start : "");
        return set_offset(b, seconds - now(b), error);
    }
    if (strcmp(offset, "localtime") == 0 ||
        (strcmp(offset, "variable") == 0 && g_strcmp0(clock->basis, "localtime") == 0))
        libxl_defbool_set(&b->config->b_info.localtime, true);
    if (!parse_seconds(clock->adjustment, &seconds))
        return hvxl_invalid(error, "clock: adjustment='%s' are no seconds", clock->adjustment);
    return set_offset(b, seconds, error);
}

/* ---- timers ---- */

static const HvxlName tsc_modes[] = {
    { "auto", LIBXL_TSC_MODE_DEFAULT },
    { "native", LIBXL_TSC_MODE_NATIVE },
    { "emulate", LIBXL_TSC_MODE_ALWAYS_EMULATE },
    { "paravirt", LIBXL_TSC_MODE_NATIVE_PARAVIRT },
    HVXL_NAMES_END,
};

static const HvxlName tick_policies[] = {
    { "delay", LIBXL_TIMER_MODE_DELAY_FOR_MISSED_TICKS },
    { "catchup", LIBXL_TIMER_MODE_NO_DELAY_FOR_MISSED_TICKS },
    { "discard", LIBXL_TIMER_MODE_NO_MISSED_TICKS_PENDING },
    { "merge", LIBXL_TIMER_MODE_ONE_MISSED_TICK_PENDING },
    HVXL_NAMES_END,
};

static gboolean
build_tsc(HvxlBuild *b, const ConfTimer *timer, GError **error)
{
    int value = LIBXL_TSC_MODE_DEFAULT;

    if (timer->mode && !hvxl_name_find(tsc_modes, timer->mode, &value))
        return hvxl_refuse(timer->mode, "clock/timer/@mode", "other", error);
    b->config->b_info.tsc_mode = (libxl_tsc_mode)value;
    return TRUE;
}

/* Xen has one policy for all of a domain's timers. */
static gboolean
build_ticks(HvxlBuild *b, const ConfTimer *timer, GError **error)
{
    libxl_timer_mode *mode = &b->config->b_info.timer_mode;
    int value;

    if (timer->present == CONF_TRISTATE_OFF)
        return hvxl_refuse(timer->name, "clock/timer/@present", "no, of rtc or pit", error);
    if (timer->tickpolicy == NULL)
        return TRUE;
    if (!hvxl_name_find(tick_policies, timer->tickpolicy, &value))
        return hvxl_invalid(error, "clock/timer '%s': '%s' is no tick policy", timer->name,
                            timer->tickpolicy);
    if (*mode != LIBXL_TIMER_MODE_DEFAULT && *mode != (libxl_timer_mode)value)
        return hvxl_refuse(timer->name, "clock/timer/@tickpolicy", "two of them", error);
    *mode = (libxl_timer_mode)value;
    return TRUE;
}

static gboolean
build_timer(HvxlBuild *b, const ConfTimer *timer, GError **error)
{
    bool hvm = b->type == LIBXL_DOMAIN_TYPE_HVM;

    if (strcmp(timer->name, "tsc") == 0)
        return build_tsc(b, timer, error);
    if (!hvm && strcmp(timer->name, "hpet") == 0 && timer->present == CONF_TRISTATE_OFF)
        return TRUE; /* so it is */
    if (!hvm)
        return hvxl_refuse(timer->name, "clock/timer/@name", "emulated, not HVM", error);
    if (strcmp(timer->name, "hpet") == 0) {
        libxl_defbool_set(&b->config->b_info.u.hvm.hpet, timer->present != CONF_TRISTATE_OFF);
        return TRUE;
    }
    if (strcmp(timer->name, "rtc") == 0 || strcmp(timer->name, "pit") == 0)
        return build_ticks(b, timer, error);
    if (strcmp(timer->name, "hypervclock") == 0) {
        if (timer->present != CONF_TRISTATE_OFF)
            enable_groups(b, GROUP(BASE) | GROUP(TIME_REF_COUNT) | GROUP(REFERENCE_TSC));
        return TRUE;
    }
    return hvxl_refuse(timer->name, "clock/timer/@name", "other", error);
}

static gboolean
build_clock(HvxlBuild *b, GError **error)
{
    const GPtrArray *timers = b->def->clock.timers;

    for (guint i = 0; i < timers->len; i++) {
        const ConfTimer *timer = timers->pdata[i];

        if (timer->track)
            hvxl_warn(b, timer->name, "clock/timer/@track", NULL);
        if (timer->frequency.set)
            hvxl_warn(b, timer->name, "clock/timer/@frequency", NULL);
        if (!build_timer(b, timer, error) ||
            !hvxl_build_extra(b, timer->name, "clock/timer", timer->extra, error))
            return FALSE;
    }
    return build_offset(b, error);
}

/* ---- the rest ---- */

/* Windows reads it as a GUID: its first three parts are little-endian. */
static gboolean
build_genid(HvxlBuild *b, GError **error)
{
    static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    libxl_ms_vm_genid *genid;
    uint8_t uuid[16];

    if (b->def->genid == NULL || *b->def->genid == '\0')
        return TRUE;
    if (!conf_uuid_parse(b->def->genid, uuid))
        return hvxl_invalid(error, "genid: '%s' is no UUID", b->def->genid);
    if (b->type != LIBXL_DOMAIN_TYPE_HVM) {
        hvxl_warn(b, NULL, "genid", "not HVM");
        return TRUE;
    }
    genid = &b->config->b_info.u.hvm.ms_vm_genid;
    for (int i = 0; i < 16; i++)
        genid->bytes[i] = uuid[order[i]];
    return TRUE;
}

static gboolean
build_xenbus(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    for (guint i = 0; i < b->def->controllers->len; i++) {
        const ConfController *controller = b->def->controllers->pdata[i];
        const ConfOptInt *frames = &controller->max_grant_frames;
        const ConfOptInt *channels = &controller->max_event_channels;

        if (g_strcmp0(controller->type, "xenbus") != 0)
            continue;
        if (frames->value < 0 || frames->value > G_MAXUINT32 || channels->value < 0 ||
            channels->value > G_MAXUINT32)
            return hvxl_invalid(error, "controller xenbus: a limit that is no number of 32 bits");
        if (frames->set)
            info->max_grant_frames = (uint32_t)frames->value;
        if (channels->set)
            info->event_channels = (uint32_t)channels->value;
    }
    return TRUE;
}

gboolean
hvxl_build_features(HvxlBuild *b, GError **error)
{
    return build_features(b, error) && build_clock(b, error) && build_genid(b, error) &&
           build_xenbus(b, error);
}
