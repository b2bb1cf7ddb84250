/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A definition out of libxl's own record of a domain: the way back of hvxl-config-*.c. */
#include "hvxl-adopt.h"

#include <string.h>

#define CAP_PERIOD_US 100000

void
hvxl_adopt_string(char **field, const char *text)
{
    if (text && *text) {
        g_free(*field);
        *field = g_strdup(text);
    }
}

/* ---- identity, memory ---- */

static gboolean
adopt_identity(const libxl_domain_config *config, ConfDomain *def, GError **error)
{
    static const struct {
        libxl_domain_type type;
        ConfOsType os;
        const char *machine;
    } types[] = {
        { LIBXL_DOMAIN_TYPE_PV, CONF_OS_LINUX, "xenpv" },
        { LIBXL_DOMAIN_TYPE_HVM, CONF_OS_HVM, "xenfv" },
        { LIBXL_DOMAIN_TYPE_PVH, CONF_OS_XENPVH, "xenpvh" },
    };
    const libxl_domain_create_info *info = &config->c_info;

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type != info->type)
            continue;
        def->os.type = types[i].os;
        hvxl_adopt_string(&def->os.machine, types[i].machine);
    }
    if (def->os.type == CONF_OS_ABSENT || info->name == NULL || *info->name == '\0') {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "libxl's record of the domain has no name, or no type");
        return FALSE;
    }
    def->name = g_strdup(info->name);
    memcpy(def->uuid, info->uuid.uuid, sizeof def->uuid);
    def->uuid_set = !libxl_uuid_is_nil(&info->uuid);
    return TRUE;
}

static void
adopt_seclabel(const libxl_domain_config *config, ConfDomain *def)
{
    const char *text = config->b_info.exec_ssid_label ? config->b_info.exec_ssid_label
                                                      : config->c_info.ssid_label;
    ConfSeclabel *label;

    if (text == NULL)
        return;
    label = conf_seclabel_new();
    label->type = g_strdup("static");
    label->model = g_strdup("flask");
    label->label = g_strdup(text);
    g_ptr_array_add(def->seclabels, label);
}

static void
adopt_memory(const libxl_domain_build_info *info, ConfDomain *def)
{
    uint64_t target = info->target_memkb == LIBXL_MEMKB_DEFAULT ? 0 : info->target_memkb;

    def->memory_kib = info->max_memkb == LIBXL_MEMKB_DEFAULT ? target : info->max_memkb;
    def->cur_memory_kib = target;
}

/* ---- processors ---- */

static void
adopt_vcpus(const libxl_domain_build_info *info, ConfDomain *def)
{
    unsigned max = info->max_vcpus > 0 ? (unsigned)info->max_vcpus : 1, online = 0;
    bool first_ones = true;

    for (unsigned i = 0; i < max; i++) {
        bool on = libxl_bitmap_test(&info->avail_vcpus, (int)i);

        first_ones = first_ones && (!on || online == i);
        online += on;
    }
    def->vcpus_max = max;
    def->vcpus = online < max ? online : 0;
    for (unsigned i = 0; !first_ones && i < max; i++) {
        ConfVcpu *vcpu = conf_vcpu_new();

        vcpu->id = i;
        vcpu->enabled = libxl_bitmap_test(&info->avail_vcpus, (int)i) ? CONF_TRISTATE_ON
                                                                      : CONF_TRISTATE_OFF;
        g_ptr_array_add(def->vcpu_list, vcpu);
    }
}

static bool
is_anywhere(const libxl_bitmap *map)
{
    return map->size == 0 || libxl_bitmap_is_full(map) || libxl_bitmap_is_empty(map);
}

static void
adopt_affinity(const libxl_domain_build_info *info, ConfDomain *def)
{
    int count = info->num_vcpu_hard_affinity;
    bool same = count > 0 && count >= info->max_vcpus;

    for (int i = 1; same && i < count; i++)
        same = libxl_bitmap_equal(&info->vcpu_hard_affinity[0], &info->vcpu_hard_affinity[i], 0);
    if (same && !is_anywhere(&info->vcpu_hard_affinity[0])) {
        def->cpuset = hvxl_bitmap_adopt(&info->vcpu_hard_affinity[0]);
        return;
    }
    for (int i = 0; !same && i < count; i++) {
        ConfVcpuPin *pin;

        if (is_anywhere(&info->vcpu_hard_affinity[i]))
            continue;
        pin = conf_vcpu_pin_new();
        pin->vcpu = (unsigned)i;
        pin->cpuset = hvxl_bitmap_adopt(&info->vcpu_hard_affinity[i]);
        g_ptr_array_add(def->cputune.vcpupin, pin);
    }
}

static void
adopt_scheduler(const libxl_domain_sched_params *sched, ConfDomain *def)
{
    if (sched->weight > 0)
        def->cputune.shares = (ConfOptInt){ true, sched->weight };
    if (sched->cap > 0) {
        def->cputune.period = (ConfOptInt){ true, CAP_PERIOD_US };
        def->cputune.quota = (ConfOptInt){ true, (int64_t)sched->cap * (CAP_PERIOD_US / 100) };
    }
}

static ConfCpu *
ensure_cpu(ConfDomain *def)
{
    if (def->cpu == NULL) {
        def->cpu = conf_cpu_new();
        def->cpu->mode = g_strdup("host-passthrough");
    }
    return def->cpu;
}

static void
adopt_nesting(const libxl_domain_build_info *info, ConfDomain *def)
{
    static const char *const names[] = { "vmx", "svm" };

    if (libxl_defbool_is_default(info->nested_hvm))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        ConfCpuFeature *feature = conf_cpu_feature_new();

        feature->name = g_strdup(names[i]);
        feature->policy = g_strdup(hvxl_is_on(info->nested_hvm) ? "require" : "disable");
        g_ptr_array_add(ensure_cpu(def)->features, feature);
    }
}

static void
adopt_cell(const libxl_vnode_info *node, unsigned index, ConfDomain *def)
{
    ConfNumaCell *cell = conf_numa_cell_new();
    ConfNumaMemnode *memnode;

    cell->id = (ConfOptInt){ true, index };
    cell->memory_kib = node->memkb;
    cell->cpus = hvxl_bitmap_adopt(&node->vcpus);
    for (int i = 0; i < node->num_distances; i++) {
        ConfNumaDistance *distance = conf_numa_distance_new();

        distance->id = (unsigned)i;
        distance->value = node->distances[i];
        g_ptr_array_add(cell->distances, distance);
    }
    g_ptr_array_add(ensure_cpu(def)->numa, cell);
    if (node->pnode > G_MAXUINT16)
        return;
    memnode = conf_numa_memnode_new();
    memnode->cellid = index;
    memnode->mode = g_strdup("preferred");
    memnode->nodeset = conf_bitmap_new(node->pnode + 1);
    conf_bitmap_set(memnode->nodeset, node->pnode, true);
    g_ptr_array_add(def->numatune.memnodes, memnode);
}

static void
adopt_numa(const libxl_domain_build_info *info, ConfDomain *def)
{
    for (int i = 0; i < info->num_vnuma_nodes; i++)
        adopt_cell(&info->vnuma_nodes[i], (unsigned)i, def);
    def->numatune.nodeset = hvxl_bitmap_adopt(&info->nodemap);
    if (def->numatune.nodeset)
        def->numatune.mode = g_strdup("preferred");
}

/* ---- boot ---- */

static char *
join(const libxl_string_list *list)
{
    return *list ? g_strjoinv(" ", *list) : NULL;
}

static void
adopt_kernel(const libxl_domain_build_info *info, ConfDomain *def)
{
    hvxl_adopt_string(&def->os.kernel, info->kernel);
    hvxl_adopt_string(&def->os.initrd, info->ramdisk);
    hvxl_adopt_string(&def->os.cmdline, info->cmdline);
    hvxl_adopt_string(&def->bootloader, info->bootloader);
    def->bootloader_args = join(&info->bootloader_args);
}

static void
adopt_boot_order(const char *letters, ConfDomain *def)
{
    static const struct {
        char letter;
        ConfBootDev dev;
    } devices[] = {
        { 'a', CONF_BOOT_FD },
        { 'c', CONF_BOOT_HD },
        { 'd', CONF_BOOT_CDROM },
        { 'n', CONF_BOOT_NETWORK },
    };

    for (; letters && *letters; letters++) {
        for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
            ConfBoot *boot;

            if (devices[i].letter != *letters)
                continue;
            boot = conf_boot_new();
            boot->dev = devices[i].dev;
            g_ptr_array_add(def->os.boot, boot);
        }
    }
}

static void
adopt_firmware(const libxl_domain_build_info *info, ConfDomain *def)
{
    ConfAcpiTable *table;

    if (info->u.hvm.acpi_firmware) {
        table = conf_acpi_table_new();
        table->type = g_strdup("slic"); /* libvirt knows it the longest */
        table->path = g_strdup(info->u.hvm.acpi_firmware);
        g_ptr_array_add(def->os.acpi_tables, table);
    }
    if (info->u.hvm.bios != LIBXL_BIOS_TYPE_OVMF) {
        hvxl_adopt_string(&def->os.loader, info->u.hvm.firmware);
    } else if (info->u.hvm.system_firmware) {
        hvxl_adopt_string(&def->os.loader, info->u.hvm.system_firmware);
        def->os.loader_type = g_strdup("pflash");
        def->os.loader_readonly = g_strdup("yes");
    } else {
        def->os.firmware = g_strdup("efi");
    }
}

/* ---- features, clock ---- */

static void
adopt_passthrough(libxl_passthrough passthrough, ConfFeatures *features)
{
    static const char *const modes[] = {
        [LIBXL_PASSTHROUGH_SYNC_PT] = "sync_pt",
        [LIBXL_PASSTHROUGH_SHARE_PT] = "share_pt",
    };

    if (passthrough == LIBXL_PASSTHROUGH_DEFAULT)
        return;
    features->xen_passthrough = passthrough == LIBXL_PASSTHROUGH_DISABLED ? CONF_TRISTATE_OFF
                                                                          : CONF_TRISTATE_ON;
    if ((size_t)passthrough < G_N_ELEMENTS(modes))
        hvxl_adopt_string(&features->xen_passthrough_mode, modes[passthrough]);
}

/* libxl's defaults are on. */
static bool
on_by_default(libxl_defbool value)
{
    return hvxl_get_tristate(value) != CONF_TRISTATE_OFF;
}

static void
adopt_hvm_features(const libxl_domain_build_info *info, ConfDomain *def)
{
    ConfTimer *timer;

    def->features.acpi = on_by_default(info->acpi);
    def->features.apic = on_by_default(info->apic);
    def->features.pae = on_by_default(info->u.hvm.pae);
    def->features.viridian = hvxl_is_on(info->u.hvm.viridian);
    def->pm_suspend_to_mem = hvxl_get_tristate(info->u.hvm.acpi_s3);
    def->pm_suspend_to_disk = hvxl_get_tristate(info->u.hvm.acpi_s4);
    if (libxl_defbool_is_default(info->u.hvm.hpet))
        return;
    timer = conf_timer_new();
    timer->name = g_strdup("hpet");
    timer->present = hvxl_get_tristate(info->u.hvm.hpet);
    g_ptr_array_add(def->clock.timers, timer);
}

static void
adopt_features(const libxl_domain_config *config, ConfDomain *def)
{
    const libxl_domain_build_info *info = &config->b_info;
    ConfFeatures *features = &def->features;

    if (!libxl_defbool_is_default(config->c_info.hap)) {
        features->hap_present = true;
        features->hap = hvxl_get_tristate(config->c_info.hap);
    }
    features->pmu = hvxl_get_tristate(info->vpmu);
    if (!libxl_defbool_is_default(info->arch_x86.msr_relaxed))
        features->msrs_unknown = g_strdup(hvxl_is_on(info->arch_x86.msr_relaxed) ? "ignore"
                                                                                 : "fault");
    if (info->arch_arm.gic_version != LIBXL_GIC_VERSION_DEFAULT)
        features->gic_version = g_strdup(info->arch_arm.gic_version == LIBXL_GIC_VERSION_V2 ? "2"
                                                                                            : "3");
    adopt_passthrough(config->c_info.passthrough, features);
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_PV)
        features->xen_e820_host = hvxl_get_tristate(info->u.pv.e820_host);
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_PVH)
        features->acpi = hvxl_is_on(info->acpi);
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_HVM)
        adopt_hvm_features(info, def);
}

static void
adopt_clock(const libxl_domain_build_info *info, ConfDomain *def)
{
    static const char *const tsc_modes[] = {
        [LIBXL_TSC_MODE_ALWAYS_EMULATE] = "emulate",
        [LIBXL_TSC_MODE_NATIVE] = "native",
        [LIBXL_TSC_MODE_NATIVE_PARAVIRT] = "paravirt",
    };
    bool local = hvxl_is_on(info->localtime);
    ConfTimer *timer;

    def->clock.offset = g_strdup(info->rtc_timeoffset ? "variable" : local ? "localtime" : "utc");
    if (info->rtc_timeoffset) {
        def->clock.adjustment = g_strdup_printf("%d", (int)info->rtc_timeoffset);
        def->clock.basis = g_strdup(local ? "localtime" : "utc");
    }
    if ((size_t)info->tsc_mode >= G_N_ELEMENTS(tsc_modes) || tsc_modes[info->tsc_mode] == NULL)
        return;
    timer = conf_timer_new();
    timer->name = g_strdup("tsc");
    timer->mode = g_strdup(tsc_modes[info->tsc_mode]);
    g_ptr_array_add(def->clock.timers, timer);
}

/* ---- actions, limits, the device model ---- */

static ConfAction
adopt_action(libxl_action_on_shutdown action)
{
    static const ConfAction actions[] = {
        [LIBXL_ACTION_ON_SHUTDOWN_DESTROY] = CONF_ACTION_DESTROY,
        [LIBXL_ACTION_ON_SHUTDOWN_RESTART] = CONF_ACTION_RESTART,
        [LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME] = CONF_ACTION_RENAME_RESTART,
        [LIBXL_ACTION_ON_SHUTDOWN_PRESERVE] = CONF_ACTION_PRESERVE,
        [LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY] = CONF_ACTION_COREDUMP_DESTROY,
        [LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART] = CONF_ACTION_COREDUMP_RESTART,
    };

    return (size_t)action < G_N_ELEMENTS(actions) ? actions[action] : CONF_ACTION_ABSENT;
}

static void
adopt_limits(const libxl_domain_build_info *info, ConfDomain *def)
{
    libxl_domain_build_info fresh;
    ConfController *xenbus;
    bool frames, channels;

    libxl_domain_build_info_init(&fresh);
    frames = info->max_grant_frames != fresh.max_grant_frames;
    channels = info->event_channels != fresh.event_channels;
    libxl_domain_build_info_dispose(&fresh);
    if (!frames && !channels)
        return;
    xenbus = conf_controller_new();
    xenbus->type = g_strdup("xenbus");
    if (frames)
        xenbus->max_grant_frames = (ConfOptInt){ true, info->max_grant_frames };
    if (channels)
        xenbus->max_event_channels = (ConfOptInt){ true, info->event_channels };
    g_ptr_array_add(def->controllers, xenbus);
}

static void
adopt_machine(const libxl_domain_config *config, ConfDomain *def)
{
    const libxl_domain_build_info *info = &config->b_info;

    def->on_poweroff = adopt_action(config->on_poweroff);
    def->on_reboot = adopt_action(config->on_reboot);
    def->on_crash = adopt_action(config->on_crash);
    hvxl_adopt_string(&def->emulator, info->device_model);
    for (guint i = 0; info->extra && info->extra[i]; i++) {
        ConfArg *arg;

        if (conf_is_monitor_argument(info->extra[i], info->extra[i + 1])) {
            i++;
            continue;
        }
        arg = conf_arg_new();
        arg->value = g_strdup(info->extra[i]);
        g_ptr_array_add(def->xen_args, arg);
    }
}

/* ---- the whole ---- */

static void
adopt_keys(const libxl_domain_config *config, ConfXlExt *ext)
{
    libxl_domain_config fresh;

    libxl_domain_config_init(&fresh);
    libxl_domain_build_info_init_type(&fresh.b_info, config->c_info.type);
    hvxl_keys_adopt(hvxl_keys, hvxl_n_keys, config->c_info.type, config, &fresh, ext->keys);
    libxl_domain_config_dispose(&fresh);
}

static void
adopt_parts(const libxl_domain_config *config, ConfDomain *def)
{
    const libxl_domain_build_info *info = &config->b_info;

    adopt_seclabel(config, def);
    adopt_memory(info, def);
    adopt_vcpus(info, def);
    adopt_affinity(info, def);
    adopt_scheduler(&info->sched_params, def);
    adopt_nesting(info, def);
    adopt_numa(info, def);
    adopt_kernel(info, def);
    adopt_features(config, def);
    adopt_clock(info, def);
    adopt_limits(info, def);
    adopt_machine(config, def);
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_HVM) {
        adopt_boot_order(info->u.hvm.boot, def);
        adopt_firmware(info, def);
        hvxl_adopt_genid(info, def);
    }
}

ConfDomain *
hvxl_config_adopt(const libxl_domain_config *config, GError **error)
{
    g_autoptr(ConfDomain) def = conf_domain_new();
    g_autoptr(ConfXlExt) ext = conf_xl_ext_new();

    if (!adopt_identity(config, def, error))
        return NULL;
    adopt_parts(config, def);
    hvxl_adopt_devices(config, def, ext);
    adopt_keys(config, ext);
    if (!conf_xl_ext_store(def, ext, error))
        return NULL;
    return g_steal_pointer(&def);
}
