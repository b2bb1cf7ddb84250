/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engine `libxl`: real Xen, over libxenlight. docs/XEN.md tells how it works. */
#include "hvxl-hooks.h"

#include "hvxl-ask.h"
#include "hvxl-device.h"
#include "hvxl-gate.h"
#include "hvxl-kernel-cache.h"
#include "hvxl-mark.h"
#include "hvxl-memory.h"
#include "hvxl-monitor.h"
#include "hvxl-settings.h"
#include "hvxl-tune.h"
#include "hvxl-watch.h"

#include <errno.h>
#include <string.h>
#include <gmodule.h>
#include <unistd.h>

/* Starts inside libxl: one a CPU, as they wait for little else than for each other's use of it. */
#define MAX_PLACES       8
#define GATE_PATIENCE_MS 250

#define HOTPLUG HV_LIBEXECDIR "/xlvirt/xlvirt-hotplug"

/* ---- settings ---- */

static xentoollog_level
log_level_of(HvEngine *engine)
{
    static const struct {
        const char *name;
        xentoollog_level level;
    } levels[] = {
        { "debug", XTL_DEBUG },   { "detail", XTL_DETAIL }, { "info", XTL_INFO },
        { "notice", XTL_NOTICE }, { "warn", XTL_WARN },     { "error", XTL_ERROR },
    };
    const char *name = hvxl_setting(engine, "libxl_log_level");

    for (guint i = 0; name && i < G_N_ELEMENTS(levels); i++) {
        if (g_str_equal(levels[i].name, name))
            return levels[i].level;
    }
    return XTL_INFO;
}

/* NULL: Xen's own scripts. */
static char *
choose_hotplug(HvEngine *engine)
{
    const char *how = hvxl_setting(engine, "hotplug");

    if (g_strcmp0(how, "scripts") == 0)
        return NULL;
    if (access(HOTPLUG, X_OK) == 0)
        return g_strdup(HOTPLUG);
    if (how)
        g_warning("'%s' is not there; Xen's scripts are used for disks and interfaces", HOTPLUG);
    return NULL;
}

/* In MiB; 0: none. */
static HvxlKernelCache *
choose_kernel_cache(HvEngine *engine)
{
    guint64 mib = hvxl_setting_number(engine, "kernel_cache", HVXL_KERNEL_CACHE_BYTES >> 20);
    g_autofree char *dir = g_strconcat(engine->root, HVXL_KERNEL_CACHE_DIR, NULL);

    if (mib == 0)
        return NULL;
    return hvxl_kernel_cache_new(dir, MIN(mib, G_MAXUINT32) << 20, HVXL_KERNEL_CACHE_ENTRIES);
}

/* ---- open and close ---- */

static void
engine_close(HvEngine *engine)
{
    if (!engine)
        return;
    hvxl_asks_free(engine->asks);
    hvxl_watch_free(engine->watch);
    hvxl_monitors_free(engine->monitors);
    hvxl_gate_free(engine->gate);
    hvxl_memory_free(engine->memory);
    hvxl_pool_free(engine->pool);
    hvxl_kernel_cache_free(engine->kernels);
    if (engine->xs)
        xs_close(engine->xs);
    if (engine->lock_fd >= 0)
        close(engine->lock_fd);
    g_clear_pointer(&engine->marks, g_ptr_array_unref);
    g_mutex_clear(&engine->marks_lock);
    g_hash_table_unref(engine->settings);
    g_free(engine->hotplug);
    g_free(engine->emulator);
    g_free(engine->start_dir);
    g_free(engine->channel_dir);
    g_free(engine->root);
    g_free(engine);
}

static gboolean
connect_xen(HvEngine *engine, GError **error)
{
    HvHostInfo info;

    engine->xs = xs_open(0);
    if (!engine->xs) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "cannot talk to xenstore: %s; are we root in the control domain, and does "
                    "xenstored run?",
                    g_strerror(errno));
        return FALSE;
    }
    if (!hvxl_host_info(engine, &info, error))
        return FALSE;
    engine->n_cpus = info.cpus;
    engine->n_nodes = info.nodes;
    hvxl_mark_sweep(engine);
    engine->memory = hvxl_memory_new(engine, error);
    if (!engine->memory)
        return FALSE;
    engine->emulator = hvxl_find_emulator(engine);
    engine->monitors = hvxl_heard_new(engine, error);
    if (!engine->monitors)
        return FALSE;
    engine->watch = hvxl_watch_new(engine, error);
    return engine->watch != NULL;
}

static HvEngine *
engine_open(const HvEngineConfig *config, GError **error)
{
    HvEngine *engine = g_new0(HvEngine, 1);

    g_mutex_init(&engine->marks_lock);
    engine->lock_fd = -1;
    engine->event = config->event;
    engine->event_data = config->event_data;
    engine->root = g_strdup(config->root);
    engine->settings = hvxl_settings_new(config->root, config->settings);
    engine->start_dir = g_strconcat(config->root, "/run/xlvirt/starting", NULL);
    engine->channel_dir = g_strconcat(config->root, "/run/libvirt/libxl/channel", NULL);
    engine->log_min = log_level_of(engine);
    engine->hotplug = choose_hotplug(engine);
    engine->kernels = choose_kernel_cache(engine);
    engine->pool = hvxl_pool_new(engine);
    engine->asks = hvxl_asks_new(engine);
    engine->gate = hvxl_gate_new(CLAMP(g_get_num_processors(), 1, MAX_PLACES), GATE_PATIENCE_MS);
    if (!connect_xen(engine, error)) {
        engine_close(engine);
        return NULL;
    }
    return engine;
}

G_MODULE_EXPORT const HvEngineOps hv_engine_ops = {
    .name = "libxl",
    .open = engine_open,
    .close = engine_close,
    .host_info = hvxl_host_info,
    .list = hvxl_list,
    .start = hvxl_start,
    .destroy = hvxl_destroy,
    .shutdown = hvxl_shutdown,
    .reboot = hvxl_reboot,
    .pause = hvxl_pause,
    .unpause = hvxl_unpause,
    .set_memory = hvxl_set_memory,
    .set_max_memory = hvxl_set_max_memory,
    .set_vcpus = hvxl_set_vcpus,
    .vcpus = hvxl_vcpus,
    .save = hvxl_save,
    .resume_saved = hvxl_resume_saved,
    .console = hvxl_console,
    .adopt = hvxl_adopt,
    .emulator = hvxl_emulator,
    .lock_manager = hvxl_lock_manager,
    .pin_vcpu = hvxl_pin_vcpu,
    .set_vcpu_map = hvxl_set_vcpu_map,
    .pin_emulator = hvxl_pin_emulator,
    .emulator_pin = hvxl_emulator_pin,
    .sched = hvxl_sched,
    .set_sched = hvxl_set_sched,
    .set_nodes = hvxl_set_nodes,
    .nodes = hvxl_nodes,
    .set_interface_rate = hvxl_set_interface_rate,
    .set_disk_limits = hvxl_set_disk_limits,
    .host_nodes = hvxl_host_nodes,
    .host_cpus = hvxl_host_cpus,
    .cpu_leaves = hvxl_cpu_leaves,
    .stats = hvxl_stats,
    .security_label = hvxl_security_label,
    .guest_addresses = hvxl_guest_addresses,
    .attach_device = hvxl_attach_device,
    .detach_device = hvxl_detach_device,
    .update_device = hvxl_update_device,
    /* no .reset: Xen has none; libhv destroys the domain and starts it again */
    .inject_nmi = hvxl_inject_nmi,
    .send_keys = hvxl_send_keys,
    .pm_suspend = hvxl_pm_suspend,
    .pm_wakeup = hvxl_pm_wakeup,
    .core_dump = hvxl_core_dump,
    .rename = hvxl_rename,
    .name_of = hvxl_domain_name,
    .preserve = hvxl_preserve,
    .block_resize = hvxl_block_resize,
    .set_block_threshold = hvxl_set_block_threshold,
    .event_disk = hvxl_event_disk,
    .screenshot = hvxl_screenshot,
    .channel = hvxl_channel,
    .monitor_command = hvxl_monitor_command,
    .add_graphics_client = hvxl_add_graphics_client,
    .control_domain = hvxl_control_domain,
    .pci_detach = hvxl_pci_detach,
    .pci_attach = hvxl_pci_attach,
    .pci_reset = hvxl_pci_reset,
    .disk_snapshot = hvxl_disk_snapshot,
};
