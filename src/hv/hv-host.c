/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host: its engine, its store, its threads, from hv_host_new() to hv_host_stop(). */
#include "hv-private.h"

#define DEFAULT_JOB_TIMEOUT_MS    30000
#define DEFAULT_AUTOSTART_WORKERS 4
/* How long hv_host_stop() waits for calls that are inside the engine. */
#define STOP_PATIENCE_MS 5000

/* ---- life cycle ---- */

static const HvEngineOps *
choose_engine(const char *name, GError **error)
{
    if (!name || !*name || g_str_equal(name, "auto")) {
        name = hv_engine_detect();
        if (!name) {
            g_set_error_literal(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                                "this host does not run Xen, or we are not its control domain; "
                                "boot Xen, or use engine 'sim'");
            return NULL;
        }
    }
    return hv_engine_find(name, error);
}

static gboolean
open_host(HvHost *host, const char *root, GHashTable *settings, GError **error)
{
    HvEngineConfig config = {
        .root = root,
        .event = hv_guests_engine_event,
        .event_data = host->guests,
        .settings = settings,
    };

    host->store = hv_store_new(root, error);
    if (!host->store)
        return FALSE;
    host->engine = host->ops->open(&config, error);
    return host->engine != NULL;
}

static const char *
engine_lock_manager(const HvHost *host)
{
    return host->ops->lock_manager ? host->ops->lock_manager(host->engine) : NULL;
}

HvHost *
hv_host_new_with_engine(const HvConfig *config, const HvEngineOps *ops, GError **error)
{
    g_autoptr(HvHost) host = g_new0(HvHost, 1);

    g_atomic_ref_count_init(&host->refs);
    host->ops = ops;
    host->job_timeout_ms = config->job_timeout_ms ? config->job_timeout_ms : DEFAULT_JOB_TIMEOUT_MS;
    host->autostart_workers = config->autostart_workers > 0 ? config->autostart_workers
                                                            : DEFAULT_AUTOSTART_WORKERS;
    host->no_autostart = config->no_autostart;
    host->cpu_map_dir = g_strdup(config->cpu_map ? config->cpu_map : HV_CPU_MAP_DIR);
    g_mutex_init(&host->cpu_lock);
    host->find_volume = config->find_volume;
    host->find_volume_data = config->find_volume_data;
    g_mutex_init(&host->control_lock);
    hv_registry_init(host);
    host->events = hv_events_new(host);
    host->guests = hv_guests_new(host);
    host->sampler = hv_sampler_new(host);
    if (!open_host(host, config->root ? config->root : "", config->engine_settings, error))
        return NULL;
    host->locks = hv_locks_new(&config->lock, engine_lock_manager(host));
    return g_steal_pointer(&host);
}

HvHost *
hv_host_new(const HvConfig *config, GError **error)
{
    const HvEngineOps *ops = choose_engine(config->engine, error);

    return ops ? hv_host_new_with_engine(config, ops, error) : NULL;
}

gboolean
hv_host_start(HvHost *host, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->control_lock);

    if (g_atomic_int_get(&host->started) || g_atomic_int_get(&host->stopping)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, "the host was started before");
        return FALSE;
    }
    if (!hv_events_start(host->events, error) || !hv_sampler_start(host->sampler, error) ||
        !hv_reconcile(host, error))
        return FALSE;
    hv_control_domain_add(host);
    g_atomic_int_set(&host->started, TRUE);
    return hv_guests_start(host->guests, error) && hv_locks_settle(host, error) &&
           hv_autostart_begin(host, error);
}

/* Waits until no call is inside the engine that nobody else waits for. */
static gboolean
wait_for_engine(HvHost *host, gint64 deadline)
{
    while (g_atomic_int_get(&host->in_engine) > 0) {
        if (g_get_monotonic_time() >= deadline)
            return FALSE;
        g_usleep(5000);
    }
    return TRUE;
}

void
hv_host_stop(HvHost *host)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->control_lock);
    gint64 deadline = g_get_monotonic_time() + STOP_PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
    gboolean idle;

    if (g_atomic_int_get(&host->stopping))
        return;
    g_atomic_int_set(&host->stopping, TRUE);
    if (host->locks)
        hv_locks_cancel(host);
    idle = hv_jobs_stop(host, STOP_PATIENCE_MS);
    idle &= hv_guests_stop(host->guests, idle ? STOP_PATIENCE_MS : 0);
    hv_crew_free(g_steal_pointer(&host->autostart), idle);
    if (host->locks)
        hv_locks_stop(host, idle);
    hv_crew_free(g_steal_pointer(&host->scripts), idle);
    idle &= hv_sampler_stop(host->sampler, idle ? STOP_PATIENCE_MS : 0);
    idle &= wait_for_engine(host, deadline);
    hv_events_stop(host->events);
    if (idle && host->engine)
        host->ops->close(g_steal_pointer(&host->engine));
    else if (host->engine)
        /* To take it away from under a thread that is inside would be worse. */
        g_warning("a call to engine '%s' hangs; the engine stays open", host->ops->name);
    hv_registry_clear(host);
}

HvHost *
hv_host_ref(HvHost *host)
{
    g_atomic_ref_count_inc(&host->refs);
    return host;
}

void
hv_host_unref(HvHost *host)
{
    if (!host || !g_atomic_ref_count_dec(&host->refs))
        return;
    /* Never started, or dropped without a stop: nobody else is left who could need it. */
    g_atomic_ref_count_init(&host->refs);
    hv_host_stop(host);
    hv_events_free(host->events);
    hv_guests_free(host->guests);
    hv_sampler_free(host->sampler);
    hv_locks_free(host->locks);
    hv_store_free(host->store);
    g_hash_table_unref(host->by_id);
    g_hash_table_unref(host->by_name);
    g_hash_table_unref(host->by_uuid);
    g_mutex_clear(&host->registry_lock);
    g_mutex_clear(&host->control_lock);
    conf_cpu_map_unref(host->cpu_map);
    g_mutex_clear(&host->cpu_lock);
    g_free(host->cpu_map_dir);
    g_free(host);
}

/* ---- questions ---- */

const char *
hv_host_engine_name(HvHost *host)
{
    return host->ops->name;
}

gboolean
hv_host_enter_engine(HvHost *host, GError **error)
{
    /* Counted first, so that hv_host_stop() either sees us or is seen. */
    g_atomic_int_inc(&host->in_engine);
    if (!g_atomic_int_get(&host->stopping))
        return TRUE;
    hv_host_leave_engine(host);
    g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "the daemon is shutting down");
    return FALSE;
}

void
hv_host_leave_engine(HvHost *host)
{
    g_atomic_int_add(&host->in_engine, -1);
}

gboolean
hv_host_info(HvHost *host, HvHostInfo *ret_info, GError **error)
{
    HvHostInfo info = { .cpus = 0 };
    gboolean ok;

    if (!hv_host_enter_engine(host, error))
        return FALSE;
    ok = host->ops->host_info(host->engine, &info, error);
    hv_host_leave_engine(host);
    if (ok)
        *ret_info = info;
    return ok;
}
