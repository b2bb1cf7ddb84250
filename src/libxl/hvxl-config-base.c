/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity, memory, processors, actions. */
#include "hvxl-config-private.h"

#include <string.h>

#define MAX_VCPUS 8192 /* of any guest of Xen; libxl has closer bounds for its types */

/* ---- identity ---- */

static gboolean
build_passthrough(HvxlBuild *b, GError **error)
{
    static const HvxlName modes[] = {
        { "sync_pt", LIBXL_PASSTHROUGH_SYNC_PT },
        { "share_pt", LIBXL_PASSTHROUGH_SHARE_PT },
        HVXL_NAMES_END,
    };
    const ConfFeatures *features = &b->def->features;
    int value = LIBXL_PASSTHROUGH_ENABLED;

    if (features->xen_passthrough == CONF_TRISTATE_ABSENT)
        return TRUE;
    if (features->xen_passthrough == CONF_TRISTATE_OFF)
        value = LIBXL_PASSTHROUGH_DISABLED;
    else if (features->xen_passthrough_mode &&
             !hvxl_name_find(modes, features->xen_passthrough_mode, &value))
        return hvxl_invalid(error,
                            "features/xen/passthrough: mode is sync_pt or share_pt, not '%s'",
                            features->xen_passthrough_mode);
    b->config->c_info.passthrough = (libxl_passthrough)value;
    return TRUE;
}

static void
build_seclabels(HvxlBuild *b)
{
    for (guint i = 0; i < b->def->seclabels->len; i++) {
        const ConfSeclabel *label = b->def->seclabels->pdata[i];

        if (g_strcmp0(label->model, "flask") == 0 && label->label &&
            g_strcmp0(label->type, "static") == 0)
            hvxl_set_string(&b->config->c_info.ssid_label, label->label);
        else if (g_strcmp0(label->type, "none") != 0)
            hvxl_warn(b, label->model, "seclabel", "not a static one of flask");
    }
}

static gboolean
build_identity(HvxlBuild *b, GError **error)
{
    libxl_domain_create_info *info = &b->config->c_info;

    info->type = b->type;
    hvxl_set_string(&info->name, b->def->name);
    memcpy(info->uuid.uuid, b->def->uuid, sizeof info->uuid.uuid);
    build_seclabels(b);
    return build_passthrough(b, error);
}

/* ---- memory ---- */

static uint64_t
round_to_mib(uint64_t kib)
{
    return kib > UINT64_MAX - 1023 ? kib : (kib + 1023) / 1024 * 1024;
}

static gboolean
build_memory(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    info->max_memkb = round_to_mib(b->def->memory_kib);
    info->target_memkb = round_to_mib(conf_domain_current_memory(b->def));
    if (info->target_memkb == 0 || info->target_memkb > info->max_memkb)
        return hvxl_invalid(error, "currentMemory: %" G_GUINT64_FORMAT " KiB of %" G_GUINT64_FORMAT,
                            info->target_memkb, info->max_memkb);
    /* As xl does unless xl.conf says otherwise: a build that can't have its memory fails at
     * once. */
    libxl_defbool_set(&info->claim_mode, true);
    if (b->def->max_memory_kib)
        hvxl_warn(b, NULL, "maxMemory", NULL);
    return TRUE;
}

/* ---- processors ---- */

static gboolean
build_online(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    unsigned max = MAX(b->def->vcpus_max, 1);
    unsigned online = conf_domain_current_vcpus(b->def);

    if (max > MAX_VCPUS)
        return hvxl_invalid(error, "vcpu: %u of them, and Xen has at most %u", max, MAX_VCPUS);
    info->max_vcpus = (int)max;
    hvxl_bitmap_new(&info->avail_vcpus, max);
    if (b->def->vcpu_list->len == 0) {
        for (unsigned i = 0; i < MIN(online, max); i++)
            libxl_bitmap_set(&info->avail_vcpus, (int)i);
        return TRUE;
    }
    for (guint i = 0; i < b->def->vcpu_list->len; i++) {
        const ConfVcpu *vcpu = b->def->vcpu_list->pdata[i];

        if (vcpu->id >= max)
            return hvxl_invalid(error, "vcpus: there is no vcpu %u among %u", vcpu->id, max);
        if (vcpu->enabled != CONF_TRISTATE_OFF)
            libxl_bitmap_set(&info->avail_vcpus, (int)vcpu->id);
    }
    if (!libxl_bitmap_test(&info->avail_vcpus, 0))
        return hvxl_refuse(NULL, "vcpus/vcpu/@enabled", "no, for vcpu 0", error);
    return TRUE;
}

static const ConfBitmap *
pin_of(const ConfDomain *def, unsigned vcpu)
{
    for (guint i = 0; i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = def->cputune.vcpupin->pdata[i];

        if (pin->vcpu == vcpu && pin->cpuset)
            return pin->cpuset;
    }
    return def->cpuset;
}

/* One vcpu's affinity; one without a pin may run anywhere. */
static void
build_affinity(HvxlBuild *b, libxl_bitmap *xl, const ConfBitmap *cpus)
{
    if (cpus) {
        hvxl_bitmap_build(xl, cpus, b->env->n_cpus);
        return;
    }
    hvxl_bitmap_new(xl, b->env->n_cpus ? b->env->n_cpus : MAX_VCPUS);
    libxl_bitmap_set_any(xl);
}

static void
build_pins(HvxlBuild *b)
{
    libxl_domain_build_info *info = &b->config->b_info;
    bool pinned = false;

    for (int i = 0; i < info->max_vcpus; i++)
        pinned |= pin_of(b->def, (unsigned)i) != NULL;
    if (!pinned)
        return;
    info->vcpu_hard_affinity = g_new0(libxl_bitmap, (gsize)info->max_vcpus);
    for (int i = 0; i < info->max_vcpus; i++)
        build_affinity(b, &info->vcpu_hard_affinity[i], pin_of(b->def, (unsigned)i));
    info->num_vcpu_hard_affinity = info->max_vcpus;
    libxl_defbool_set(&info->numa_placement, false);
}

/* ---- what happens when it ends ---- */

static libxl_action_on_shutdown
action_of(ConfAction action, libxl_action_on_shutdown otherwise)
{
    static const libxl_action_on_shutdown xl_actions[] = {
        [CONF_ACTION_DESTROY] = LIBXL_ACTION_ON_SHUTDOWN_DESTROY,
        [CONF_ACTION_RESTART] = LIBXL_ACTION_ON_SHUTDOWN_RESTART,
        [CONF_ACTION_RENAME_RESTART] = LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME,
        [CONF_ACTION_PRESERVE] = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE,
        [CONF_ACTION_COREDUMP_DESTROY] = LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY,
        [CONF_ACTION_COREDUMP_RESTART] = LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART,
    };

    return action == CONF_ACTION_ABSENT ? otherwise : xl_actions[action];
}

static void
build_actions(HvxlBuild *b)
{
    libxl_domain_config *config = b->config;

    config->on_poweroff = action_of(b->def->on_poweroff, LIBXL_ACTION_ON_SHUTDOWN_DESTROY);
    config->on_reboot = action_of(b->def->on_reboot, LIBXL_ACTION_ON_SHUTDOWN_RESTART);
    config->on_crash = action_of(b->def->on_crash, LIBXL_ACTION_ON_SHUTDOWN_DESTROY);
    config->on_watchdog = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    config->on_soft_reset = LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET;
}

gboolean
hvxl_build_base(HvxlBuild *b, GError **error)
{
    if (!build_identity(b, error) || !build_memory(b, error) || !build_online(b, error))
        return FALSE;
    build_pins(b);
    build_actions(b);
    return TRUE;
}
