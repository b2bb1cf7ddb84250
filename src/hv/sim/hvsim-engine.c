/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Engine `sim`: each hook is one request to the simulated host.
 */
#include <hv/sim/hvsim.h>

#include <hv/sim/hvsim-engine.h>
#include <hv/sim/hvsim-live.h>
#include <hv/sim/hvsim-stream.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static HvEngine *
engine_open(const HvEngineConfig *config, GError **error)
{
    SimClient *client = sim_client_new(config, error);
    if (client == NULL)
        return NULL;
    HvEngine *engine = g_new0(HvEngine, 1);
    engine->client = client;
    return engine;
}

static void
engine_close(HvEngine *engine)
{
    if (engine == NULL)
        return;
    sim_client_free(engine->client);
    g_free(engine);
}

/* ---- the host ---- */

static gboolean
engine_host_info(HvEngine *engine, HvHostInfo *ret_info, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(engine->client, SIM_OP_INFO, g_variant_new("()"),
                                                NULL, NULL, error);
    const char *model;
    HvHostInfo info = { 0 };
    if (reply == NULL)
        return FALSE;
    g_variant_get(reply, "(&sttuuuuuutus)", &model, &info.memory_kib, &info.free_memory_kib,
                  &info.cpus, &info.mhz, &info.nodes, &info.sockets, &info.cores, &info.threads,
                  &info.version, &info.max_vcpus, NULL);
    g_strlcpy(info.model, model, sizeof(info.model));
    *ret_info = info;
    return TRUE;
}

HvEngineDomain
sim_engine_domain(const SimDomainRow *row)
{
    HvEngineDomain domain = { .domid = row->domid,
                              .running = (row->flags & SIM_FLAG_RUNNING) != 0,
                              .blocked = (row->flags & SIM_FLAG_BLOCKED) != 0,
                              .paused = (row->flags & SIM_FLAG_PAUSED) != 0,
                              .shutdown = (row->flags & SIM_FLAG_SHUTDOWN) != 0,
                              .crashed = (row->flags & SIM_FLAG_CRASHED) != 0,
                              .dying = (row->flags & SIM_FLAG_DYING) != 0,
                              .shutdown_code = row->shutdown_code,
                              .memory_kib = row->memory_kib,
                              .max_memory_kib = row->max_memory_kib,
                              .vcpus_online = row->vcpus_online,
                              .vcpus_max = row->vcpus_max,
                              .cpu_time_ns = row->cpu_time_ns };
    sim_uuid_from_words(row->uuid_high, row->uuid_low, domain.uuid);
    return domain;
}

static GArray *
engine_list(HvEngine *engine, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(engine->client, SIM_OP_LIST, g_variant_new("()"),
                                                NULL, NULL, error);
    if (reply == NULL)
        return NULL;
    g_autoptr(GVariant) rows = g_variant_get_child_value(reply, 0);
    gsize n;
    const SimDomainRow *row = g_variant_get_fixed_array(rows, &n, sizeof(SimDomainRow));
    GArray *list = g_array_sized_new(FALSE, FALSE, sizeof(HvEngineDomain), (guint)n);
    for (gsize i = 0; i < n; i++) {
        HvEngineDomain domain = sim_engine_domain(&row[i]);
        g_array_append_val(list, domain);
    }
    return list;
}

/* ---- coming and going ---- */

/* The log is a help, not a condition: a domain starts without it, too. */
static void append_log(const char *path, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
append_log(const char *path, const char *format, ...)
{
    int fd = path == NULL
                 ? -1
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    g_autofree char *stamp = sim_stamp();
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    dprintf(fd, "%s: sim: %s\n", stamp, text);
    close(fd);
}

static GVariant *
request_start(HvEngine *engine, SimStart *wanted, const HvEngineStart *start, GError **error)
{
    if (start->restore_fd < 0)
        return hv_engine_may_run(start, error)
                   ? sim_client_call(engine->client, SIM_OP_START,
                                     g_variant_new("(@" SIM_START_TYPE ")", sim_start_pack(wanted)),
                                     start->cancellable, NULL, error)
                   : NULL;
    g_autoptr(SimStream) stream = sim_stream_read(start->restore_fd, error);
    if (stream == NULL)
        return NULL;
    if (memcmp(stream->uuid, wanted->uuid, sizeof(stream->uuid)) != 0) {
        char uuid[37];
        conf_uuid_format(stream->uuid, uuid);
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "the saved guest has the uuid %s, it is not domain '%s'", uuid, wanted->name);
        return NULL;
    }
    if (!hv_engine_may_run(start, error))
        return NULL;
    return sim_client_call(engine->client, SIM_OP_RESTORE,
                           g_variant_new("(@" SIM_START_TYPE "@" SIM_GUEST_TYPE ")",
                                         sim_start_pack(wanted), sim_guest_pack(stream->guest)),
                           start->cancellable, NULL, error);
}

static gboolean
engine_start(HvEngine *engine, const HvEngineStart *start, int *ret_domid, ConfDomain **ret_live,
             GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(SimStart) wanted = sim_live_start(start->def, start->paused, error);
    if (wanted == NULL)
        return FALSE;
    g_autoptr(GVariant) live = request_start(engine, wanted, start, &local);
    if (live == NULL) {
        append_log(start->log_path, "domain '%s' was not started: %s", wanted->name,
                   local->message);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    int domid;
    ConfDomain *definition = sim_live_definition(start->def, live, &domid);
    append_log(start->log_path, "domain '%s' %s with id %d, %" G_GUINT64_FORMAT " KiB, %u vcpus%s",
               wanted->name, start->restore_fd < 0 ? "started" : "restored", domid,
               wanted->memory_kib, wanted->vcpus_online, start->paused ? ", paused" : "");
    *ret_domid = domid;
    *ret_live = definition;
    return TRUE;
}

gboolean
sim_engine_order(HvEngine *engine, SimOp op, GVariant *payload, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(engine->client, op, payload, NULL, NULL, error);
    return reply != NULL;
}

static gboolean
engine_destroy(HvEngine *engine, int domid, GError **error)
{
    return sim_engine_order(engine, SIM_OP_DESTROY, g_variant_new("(i)", domid), error);
}

static gboolean
engine_shutdown(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    return sim_engine_order(engine, SIM_OP_SHUTDOWN, g_variant_new("(iu)", domid, mode), error);
}

static gboolean
engine_reboot(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    return sim_engine_order(engine, SIM_OP_REBOOT, g_variant_new("(iu)", domid, mode), error);
}

static gboolean
engine_pause(HvEngine *engine, int domid, GError **error)
{
    return sim_engine_order(engine, SIM_OP_PAUSE, g_variant_new("(i)", domid), error);
}

static gboolean
engine_unpause(HvEngine *engine, int domid, GError **error)
{
    return sim_engine_order(engine, SIM_OP_UNPAUSE, g_variant_new("(i)", domid), error);
}

/* ---- memory and vcpus ---- */

static gboolean
engine_set_memory(HvEngine *engine, int domid, guint64 kib, GError **error)
{
    return sim_engine_order(engine, SIM_OP_MEMORY, g_variant_new("(it)", domid, kib), error);
}

static gboolean
engine_set_max_memory(HvEngine *engine, int domid, guint64 kib, GError **error)
{
    return sim_engine_order(engine, SIM_OP_MAX_MEMORY, g_variant_new("(it)", domid, kib), error);
}

static gboolean
engine_set_vcpus(HvEngine *engine, int domid, guint online, GError **error)
{
    return sim_engine_order(engine, SIM_OP_VCPUS, g_variant_new("(iu)", domid, online), error);
}

static GArray *
engine_vcpus(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(engine->client, SIM_OP_VCPU_INFO,
                                                g_variant_new("(i)", domid), NULL, NULL, error);
    if (reply == NULL)
        return NULL;
    g_autoptr(GVariant) rows = g_variant_get_child_value(reply, 0);
    GArray *list = g_array_new(FALSE, TRUE, sizeof(HvVcpuInfo));
    GVariantIter iter;
    GVariant *map;
    HvVcpuInfo vcpu = { 0 };
    g_variant_iter_init(&iter, rows);
    while (g_variant_iter_next(&iter, "(uiti@ay)", &vcpu.number, &vcpu.state, &vcpu.cpu_time_ns,
                               &vcpu.cpu, &map)) {
        memset(vcpu.affinity, 0, sizeof(vcpu.affinity));
        if (g_variant_get_size(map) > 0)
            memcpy(vcpu.affinity, g_variant_get_data(map),
                   MIN(g_variant_get_size(map), sizeof(vcpu.affinity)));
        g_variant_unref(map);
        g_array_append_val(list, vcpu);
    }
    return list;
}

/* ---- save, console, adopt ---- */

/* After a save that failed: the guest is suspended, for nothing. */
static void
run_on(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(GError) local = NULL;
    if (!sim_engine_order(engine, SIM_OP_RESUME, g_variant_new("(i)", domid), &local))
        g_prefix_error(
            error, "the guest is still suspended (%s) after a save that failed: ", local->message);
}

static gboolean
engine_save(HvEngine *engine, int domid, int fd, GCancellable *cancellable,
            HvEngineProgress progress, gpointer data, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(
        engine->client, SIM_OP_SAVE, g_variant_new("(i)", domid), cancellable, NULL, error);
    if (reply == NULL)
        return FALSE;
    SimStreamWrite how = { .cancellable = cancellable, .progress = progress, .data = data };
    g_autoptr(SimStream) stream = g_new0(SimStream, 1);
    g_autoptr(GVariant) guest = NULL;
    guint64 high, low;
    const char *why = NULL;
    g_variant_get(reply, "(stt@" SIM_GUEST_TYPE "tu)", &stream->record, &high, &low, &guest,
                  &how.fail_at, &how.write_ms);
    sim_uuid_from_words(high, low, stream->uuid);
    stream->guest = sim_guest_unpack(guest, SIM_MAX_VCPUS, &why);
    if (stream->guest == NULL)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_ENGINE, why);
    else if (sim_stream_write(stream, fd, &how, error))
        return TRUE;
    run_on(engine, domid, error);
    return FALSE;
}

static gboolean
engine_resume_saved(HvEngine *engine, int domid, GError **error)
{
    return sim_engine_order(engine, SIM_OP_RESUME, g_variant_new("(i)", domid), error);
}

static int
engine_console(HvEngine *engine, int domid, const ConfChardev *console, GError **error)
{
    guint32 number = console != NULL && console->target_port.set
                         ? (guint32)console->target_port.value
                         : 0;
    int fd = -1;
    g_autoptr(GVariant) reply = sim_client_call(
        engine->client, SIM_OP_CONSOLE, g_variant_new("(iu)", domid, number), NULL, &fd, error);
    if (reply != NULL && fd < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the simulated host sent no descriptor for the console");
    return fd;
}

static ConfDomain *
engine_adopt(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(GVariant) facts = sim_client_call(engine->client, SIM_OP_ADOPT,
                                                g_variant_new("(i)", domid), NULL, NULL, error);
    return facts == NULL ? NULL : sim_live_adopt(facts, error);
}

const HvEngineOps hv_engine_sim_ops = {
    .name = "sim",
    .open = engine_open,
    .close = engine_close,
    .host_info = engine_host_info,
    .list = engine_list,
    .start = engine_start,
    .destroy = engine_destroy,
    .shutdown = engine_shutdown,
    .reboot = engine_reboot,
    .pause = engine_pause,
    .unpause = engine_unpause,
    .set_memory = engine_set_memory,
    .set_max_memory = engine_set_max_memory,
    .set_vcpus = engine_set_vcpus,
    .vcpus = engine_vcpus,
    .save = engine_save,
    .resume_saved = engine_resume_saved,
    .console = engine_console,
    .adopt = engine_adopt,
    /* no .emulator and no .monitor_command: a simulated host has no device model */
    .attach_device = sim_engine_attach,
    .detach_device = sim_engine_detach,
    .update_device = sim_engine_update,
    .reset = sim_engine_reset,
    .inject_nmi = sim_engine_inject_nmi,
    .send_keys = sim_engine_send_keys,
    .pm_suspend = sim_engine_pm_suspend,
    .pm_wakeup = sim_engine_pm_wakeup,
    .core_dump = sim_engine_core_dump,
    .rename = sim_engine_rename,
    .preserve = sim_engine_preserve,
    .block_resize = sim_engine_block_resize,
    .set_block_threshold = sim_engine_set_block_threshold,
    .screenshot = sim_engine_screenshot,
    .channel = sim_engine_channel,
    .control_domain = sim_engine_control_domain,
    .pci_detach = sim_engine_pci_detach,
    .pci_attach = sim_engine_pci_attach,
    .pci_reset = sim_engine_pci_reset,
    .pin_vcpu = sim_engine_pin_vcpu,
    .set_vcpu_map = sim_engine_set_vcpu_map,
    .pin_emulator = sim_engine_pin_emulator,
    .emulator_pin = sim_engine_emulator_pin,
    .sched = sim_engine_sched,
    .set_sched = sim_engine_set_sched,
    .set_nodes = sim_engine_set_nodes,
    .nodes = sim_engine_nodes,
    .set_interface_rate = sim_engine_set_interface_rate,
    .set_disk_limits = sim_engine_set_disk_limits,
    .host_nodes = sim_engine_host_nodes,
    .host_cpus = sim_engine_host_cpus,
    .cpu_leaves = sim_engine_cpu_leaves,
    .stats = sim_engine_stats,
    .disk_snapshot = sim_engine_disk_snapshot,
};
