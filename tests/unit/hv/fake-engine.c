/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-engine.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_US (60 * G_USEC_PER_SEC) /* generous: the machine may be busy */

typedef struct FakeDomain {
    HvEngineDomain seen;
    ConfDomain *def;
} FakeDomain;

/* The hypervisor. One for the process. */
static struct {
    GMutex lock;
    GCond changed;
    GPtrArray *domains; /* [lock] FakeDomain */
    int last_domid;     /* [lock] */
    gboolean hang[FAKE_N_HOOKS];
    char *failure[FAKE_N_HOOKS];
    guint calls[FAKE_N_HOOKS], inside[FAKE_N_HOOKS];
    HvEngineEventFunc event; /* [lock] NULL: nobody listens */
    gpointer event_data;
} fake;

struct HvEngine {
    int unused;
};

static void
fake_domain_free(gpointer data)
{
    FakeDomain *domain = data;

    conf_domain_unref(domain->def);
    g_free(domain);
}

static FakeDomain *
find_locked(int domid)
{
    for (guint i = 0; i < fake.domains->len; i++) {
        FakeDomain *domain = g_ptr_array_index(fake.domains, i);

        if (domain->seen.domid == domid)
            return domain;
    }
    return NULL;
}

static void
on_cancelled(GCancellable *cancellable, gpointer unused)
{
    g_mutex_lock(&fake.lock);
    g_cond_broadcast(&fake.changed);
    g_mutex_unlock(&fake.lock);
}

/* Counts the call, hangs and fails as told. */
static gboolean
enter(FakeHook hook, GCancellable *cancellable, GError **error)
{
    gulong handler = 0;
    gboolean ok = TRUE;

    if (cancellable)
        handler = g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), NULL, NULL);
    g_mutex_lock(&fake.lock);
    fake.calls[hook]++;
    fake.inside[hook]++;
    g_cond_broadcast(&fake.changed);
    while (fake.hang[hook] && !(cancellable && g_cancellable_is_cancelled(cancellable)))
        g_cond_wait(&fake.changed, &fake.lock);
    fake.inside[hook]--;
    if (cancellable && g_cancellable_is_cancelled(cancellable)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "cancelled");
        ok = FALSE;
    } else if (fake.failure[hook]) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_ENGINE, fake.failure[hook]);
        ok = FALSE;
    }
    g_mutex_unlock(&fake.lock);
    if (handler)
        g_cancellable_disconnect(cancellable, handler);
    return ok;
}

/* ---- the test's handles ---- */

void
fake_reset(void)
{
    g_mutex_lock(&fake.lock);
    g_clear_pointer(&fake.domains, g_ptr_array_unref);
    fake.domains = g_ptr_array_new_with_free_func(fake_domain_free);
    fake.last_domid = 0;
    for (int i = 0; i < FAKE_N_HOOKS; i++) {
        fake.hang[i] = FALSE;
        g_clear_pointer(&fake.failure[i], g_free);
        fake.calls[i] = 0;
    }
    g_mutex_unlock(&fake.lock);
}

void
fake_set_hang(FakeHook hook, gboolean hang)
{
    g_mutex_lock(&fake.lock);
    fake.hang[hook] = hang;
    g_cond_broadcast(&fake.changed);
    g_mutex_unlock(&fake.lock);
}

void
fake_set_failure(FakeHook hook, const char *message)
{
    g_mutex_lock(&fake.lock);
    g_free(fake.failure[hook]);
    fake.failure[hook] = g_strdup(message);
    g_mutex_unlock(&fake.lock);
}

void
fake_wait_inside(FakeHook hook)
{
    gint64 deadline = g_get_monotonic_time() + WAIT_US;

    g_mutex_lock(&fake.lock);
    while (fake.inside[hook] == 0)
        g_assert_true(g_cond_wait_until(&fake.changed, &fake.lock, deadline));
    g_mutex_unlock(&fake.lock);
}

guint
fake_calls(FakeHook hook)
{
    guint calls;

    g_mutex_lock(&fake.lock);
    calls = fake.calls[hook];
    g_mutex_unlock(&fake.lock);
    return calls;
}

guint
fake_running(void)
{
    guint n;

    g_mutex_lock(&fake.lock);
    n = fake.domains->len;
    g_mutex_unlock(&fake.lock);
    return n;
}

gboolean
fake_is_paused(int domid)
{
    gboolean paused;

    g_mutex_lock(&fake.lock);
    paused = find_locked(domid)->seen.paused;
    g_mutex_unlock(&fake.lock);
    return paused;
}

/* Lock held; opens it. */
static void
tell(HvEngineEventKind kind, const HvEngineDomain *seen, int code)
{
    HvEngineEvent event = {
        .kind = kind,
        .domid = seen->domid,
        .code = code,
        .foreign = seen->foreign,
    };

    memcpy(event.uuid, seen->uuid, sizeof(event.uuid));
    /* With the lock held, so that the host cannot be gone by now; libhv only queues. */
    if (fake.event)
        fake.event(&event, fake.event_data);
    g_mutex_unlock(&fake.lock);
}

void
fake_end_guest(int domid, int code)
{
    FakeDomain *domain;

    g_mutex_lock(&fake.lock);
    domain = find_locked(domid);
    g_assert_nonnull(domain);
    domain->seen.running = FALSE;
    domain->seen.shutdown = TRUE;
    domain->seen.shutdown_code = code;
    tell(HV_ENGINE_EVENT_SHUTDOWN, &domain->seen, code);
}

void
fake_set_foreign(int domid)
{
    g_mutex_lock(&fake.lock);
    find_locked(domid)->seen.foreign = TRUE;
    g_mutex_unlock(&fake.lock);
}

void
fake_pause_behind(int domid, gboolean paused, gboolean say)
{
    FakeDomain *domain;

    g_mutex_lock(&fake.lock);
    domain = find_locked(domid);
    domain->seen.paused = paused;
    domain->seen.running = !paused;
    if (say)
        tell(HV_ENGINE_EVENT_STATE, &domain->seen, 0);
    else
        g_mutex_unlock(&fake.lock);
}

void
fake_set_suspended(int domid)
{
    g_mutex_lock(&fake.lock);
    find_locked(domid)->seen.shutdown = TRUE;
    find_locked(domid)->seen.shutdown_code = 2;
    g_mutex_unlock(&fake.lock);
}

void
fake_take_away(int domid)
{
    FakeDomain *domain;
    HvEngineDomain seen;

    g_mutex_lock(&fake.lock);
    domain = find_locked(domid);
    g_assert_nonnull(domain);
    seen = domain->seen;
    g_ptr_array_remove(fake.domains, domain);
    tell(HV_ENGINE_EVENT_GONE, &seen, 0);
}

void
fake_late_news(HvDomain *domain, int domid)
{
    g_autoptr(HvView) view = hv_domain_view(domain);
    HvEngineDomain seen = { .domid = domid };

    memcpy(seen.uuid, view->uuid, sizeof(seen.uuid));
    g_mutex_lock(&fake.lock);
    tell(HV_ENGINE_EVENT_GONE, &seen, 0);
}

static FakeDomain *
add_locked(const ConfDomain *def, gboolean paused)
{
    FakeDomain *domain = g_new0(FakeDomain, 1);

    domain->def = conf_domain_copy(def);
    domain->def->id = ++fake.last_domid;
    domain->seen.domid = fake.last_domid;
    memcpy(domain->seen.uuid, def->uuid, 16);
    domain->seen.paused = paused;
    domain->seen.running = !paused;
    domain->seen.memory_kib = conf_domain_current_memory(def);
    domain->seen.max_memory_kib = def->memory_kib;
    domain->seen.vcpus_online = conf_domain_current_vcpus(def);
    domain->seen.vcpus_max = def->vcpus_max;
    domain->seen.cpu_time_ns = 1000;
    g_ptr_array_add(fake.domains, domain);
    return domain;
}

int
fake_start_foreign(const char *xml, gboolean say)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = conf_domain_parse_xml(xml, -1, "foreign", 0, &error);
    FakeDomain *domain;
    int domid;

    g_assert_no_error(error);
    g_mutex_lock(&fake.lock);
    domain = add_locked(def, FALSE);
    domid = domain->seen.domid;
    if (say)
        tell(HV_ENGINE_EVENT_NEW, &domain->seen, 0);
    else
        g_mutex_unlock(&fake.lock);
    return domid;
}

/* ---- hooks ---- */

static HvEngine *
hook_open(const HvEngineConfig *config, GError **error)
{
    g_mutex_lock(&fake.lock);
    fake.event = config->event;
    fake.event_data = config->event_data;
    g_mutex_unlock(&fake.lock);
    return g_new0(HvEngine, 1);
}

static void
hook_close(HvEngine *engine)
{
    g_mutex_lock(&fake.lock);
    fake.event = NULL;
    g_mutex_unlock(&fake.lock);
    g_free(engine);
}

static gboolean
hook_host_info(HvEngine *engine, HvHostInfo *ret_info, GError **error)
{
    *ret_info = (HvHostInfo){
        .model = "x86_64",
        .memory_kib = 16 << 20,
        .free_memory_kib = 8 << 20,
        .cpus = 8,
        .mhz = 2400,
        .nodes = 2,
        .sockets = 1,
        .cores = 2,
        .threads = 2,
        .version = 4017000,
        .max_vcpus = 512,
    };
    return TRUE;
}

static GArray *
hook_list(HvEngine *engine, GError **error)
{
    GArray *all;

    if (!enter(FAKE_LIST, NULL, error))
        return NULL;
    all = g_array_new(FALSE, FALSE, sizeof(HvEngineDomain));
    g_mutex_lock(&fake.lock);
    for (guint i = 0; i < fake.domains->len; i++)
        g_array_append_val(all, ((FakeDomain *)g_ptr_array_index(fake.domains, i))->seen);
    g_mutex_unlock(&fake.lock);
    return all;
}

static gboolean
read_stream(int fd, const ConfDomain *def, GError **error)
{
    char stream[21] = "";

    if (read(fd, stream, 20) == 20 && memcmp(stream, "FAKE", 4) == 0 &&
        memcmp(stream + 4, def->uuid, 16) == 0)
        return TRUE;
    g_set_error_literal(error, HV_ERROR, HV_ERROR_ENGINE, "the stream is not of this domain");
    return FALSE;
}

static gboolean
hook_start(HvEngine *engine, const HvEngineStart *start, int *ret_domid, ConfDomain **ret_live,
           GError **error)
{
    FakeDomain *domain;

    if (!enter(FAKE_START, start->cancellable, error))
        return FALSE;
    if (start->restore_fd >= 0 && !read_stream(start->restore_fd, start->def, error))
        return FALSE;
    if (!hv_engine_may_run(start, error) || !enter(FAKE_RUN, NULL, error))
        return FALSE;
    g_mutex_lock(&fake.lock);
    domain = add_locked(start->def, start->paused);
    *ret_domid = domain->seen.domid;
    *ret_live = conf_domain_copy(domain->def);
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

/* The domain, locked, or an error. */
static FakeDomain *
take(int domid, GError **error)
{
    FakeDomain *domain;

    g_mutex_lock(&fake.lock);
    domain = find_locked(domid);
    if (!domain) {
        g_mutex_unlock(&fake.lock);
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "there is no domain %d", domid);
    }
    return domain;
}

static gboolean
hook_destroy(HvEngine *engine, int domid, GError **error)
{
    FakeDomain *domain;
    HvEngineDomain seen;

    if (!enter(FAKE_DESTROY, NULL, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    seen = domain->seen;
    g_ptr_array_remove(fake.domains, domain);
    tell(HV_ENGINE_EVENT_GONE, &seen, 0); /* as Xen: also to who did it */
    return TRUE;
}

static gboolean
hook_shutdown(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    if (!enter(FAKE_SHUTDOWN, NULL, error) || !take(domid, error))
        return FALSE;
    g_mutex_unlock(&fake.lock);
    fake_end_guest(domid, 0);
    return TRUE;
}

static gboolean
hook_reboot(HvEngine *engine, int domid, unsigned mode, GError **error)
{
    if (!enter(FAKE_REBOOT, NULL, error) || !take(domid, error))
        return FALSE;
    g_mutex_unlock(&fake.lock);
    fake_end_guest(domid, 1);
    return TRUE;
}

static gboolean
set_paused(FakeHook hook, int domid, gboolean paused, GError **error)
{
    FakeDomain *domain;

    if (!enter(hook, NULL, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    domain->seen.paused = paused;
    domain->seen.running = !paused;
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

static gboolean
hook_pause(HvEngine *engine, int domid, GError **error)
{
    return set_paused(FAKE_PAUSE, domid, TRUE, error);
}

static gboolean
hook_unpause(HvEngine *engine, int domid, GError **error)
{
    return set_paused(FAKE_UNPAUSE, domid, FALSE, error);
}

static gboolean
hook_set_memory(HvEngine *engine, int domid, guint64 kib, GError **error)
{
    FakeDomain *domain;

    if (!enter(FAKE_SET_MEMORY, NULL, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    domain->seen.memory_kib = kib;
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

static gboolean
hook_set_vcpus(HvEngine *engine, int domid, guint n, GError **error)
{
    FakeDomain *domain;

    if (!enter(FAKE_SET_VCPUS, NULL, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    domain->seen.vcpus_online = n;
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

static GArray *
hook_vcpus(HvEngine *engine, int domid, GError **error)
{
    FakeDomain *domain;
    GArray *all;

    if (!enter(FAKE_VCPUS, NULL, error))
        return NULL;
    domain = take(domid, error);
    if (!domain)
        return NULL;
    all = g_array_new(FALSE, TRUE, sizeof(HvVcpuInfo));
    for (guint i = 0; i < domain->seen.vcpus_max; i++) {
        HvVcpuInfo vcpu = { .number = i, .state = i < domain->seen.vcpus_online, .cpu = -1 };

        g_array_append_val(all, vcpu);
    }
    g_mutex_unlock(&fake.lock);
    return all;
}

static gboolean
hook_save(HvEngine *engine, int domid, int fd, GCancellable *cancellable, HvEngineProgress progress,
          gpointer data, GError **error)
{
    FakeDomain *domain;
    guint8 uuid[16];

    progress(1, 20, data);
    if (!enter(FAKE_SAVE, cancellable, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    memcpy(uuid, domain->seen.uuid, 16);
    domain->seen.shutdown = TRUE;
    domain->seen.shutdown_code = 2;
    g_mutex_unlock(&fake.lock);
    progress(20, 20, data);
    return hv_write_all(fd, "FAKE", 4, "stream", error) &&
           hv_write_all(fd, uuid, 16, "stream", error);
}

static gboolean
hook_resume_saved(HvEngine *engine, int domid, GError **error)
{
    FakeDomain *domain;

    if (!enter(FAKE_RESUME_SAVED, NULL, error))
        return FALSE;
    domain = take(domid, error);
    if (!domain)
        return FALSE;
    domain->seen.shutdown = FALSE;
    domain->seen.shutdown_code = 0;
    domain->seen.paused = FALSE;
    domain->seen.running = TRUE;
    g_mutex_unlock(&fake.lock);
    return TRUE;
}

/* One end of a socket pair that echoes what is written before it was opened: nothing. */
static int
hook_console(HvEngine *engine, int domid, const ConfChardev *console, GError **error)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    g_assert_cmpint(write(pair[1], "hello", 5), ==, 5);
    close(pair[1]);
    return pair[0];
}

static ConfDomain *
hook_adopt(HvEngine *engine, int domid, GError **error)
{
    FakeDomain *domain;
    ConfDomain *def;

    if (!enter(FAKE_ADOPT, NULL, error))
        return NULL;
    domain = take(domid, error);
    if (!domain)
        return NULL;
    def = conf_domain_copy(domain->def);
    g_mutex_unlock(&fake.lock);
    return def;
}

const HvEngineOps fake_engine_ops = {
    .name = "fake",
    .open = hook_open,
    .close = hook_close,
    .host_info = hook_host_info,
    .list = hook_list,
    .start = hook_start,
    .destroy = hook_destroy,
    .shutdown = hook_shutdown,
    .reboot = hook_reboot,
    .pause = hook_pause,
    .unpause = hook_unpause,
    .set_memory = hook_set_memory,
    .set_vcpus = hook_set_vcpus,
    .vcpus = hook_vcpus,
    .save = hook_save,
    .resume_saved = hook_resume_saved,
    .console = hook_console,
    .adopt = hook_adopt,
};

/* ---- the log ---- */

static GMutex log_lock;
static GString *log_text; /* [log_lock] */

static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer unused)
{
    g_mutex_lock(&log_lock);
    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE"))
            g_string_append_printf(log_text, "%s\n", (const char *)fields[i].value);
    }
    g_mutex_unlock(&log_lock);
    /* Nothing of ours is critical, whatever a test does to it. */
    g_assert_cmpint(level & G_LOG_LEVEL_CRITICAL, ==, 0);
    return G_LOG_WRITER_HANDLED;
}

guint
log_count(const char *text)
{
    guint n = 0;

    g_mutex_lock(&log_lock);
    for (const char *at = log_text->str; *text && (at = strstr(at, text)); at++)
        n++;
    g_string_truncate(log_text, 0);
    g_mutex_unlock(&log_lock);
    return n;
}

void
fake_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    log_text = g_string_new(NULL);
    g_log_set_writer_func(write_log, NULL, NULL);
    fake_reset();
}

/* ---- events ---- */

/* "started", "stopped" ... as events are named in the log */
static const char *
event_word(HvEventKind kind)
{
    static const char *const words[HV_N_EVENTS] = {
        [HV_EVENT_DEFINED] = "defined",
        [HV_EVENT_UNDEFINED] = "undefined",
        [HV_EVENT_STARTED] = "started",
        [HV_EVENT_SUSPENDED] = "suspended",
        [HV_EVENT_RESUMED] = "resumed",
        [HV_EVENT_STOPPED] = "stopped",
        [HV_EVENT_SHUTDOWN] = "shutdown",
        [HV_EVENT_CRASHED] = "crashed",
        [HV_EVENT_REBOOT] = "reboot",
        [HV_EVENT_METADATA_CHANGE] = "metadata",
        [HV_EVENT_BALLOON_CHANGE] = "balloon",
        [HV_EVENT_DEVICE_ADDED] = "device-added",
        [HV_EVENT_DEVICE_REMOVED] = "device-removed",
        [HV_EVENT_DEVICE_REMOVAL_FAILED] = "device-removal-failed",
        [HV_EVENT_TRAY_CHANGE] = "tray",
        [HV_EVENT_PMSUSPENDED] = "pmsuspended",
        [HV_EVENT_PMSUSPEND] = "pmsuspend",
        [HV_EVENT_PMWAKEUP] = "pmwakeup",
        [HV_EVENT_TUNABLE] = "tunable",
        [HV_EVENT_JOB_COMPLETED] = "job",
        [HV_EVENT_RTC_CHANGE] = "rtc",
        [HV_EVENT_WATCHDOG] = "watchdog",
        [HV_EVENT_DISK_CHANGE] = "disk-change",
        [HV_EVENT_BLOCK_THRESHOLD] = "threshold",
        [HV_EVENT_CONTROL_ERROR] = "control-error",
        [HV_EVENT_IO_ERROR] = "io-error",
        [HV_EVENT_IO_ERROR_REASON] = "io-error-reason",
        [HV_EVENT_GRAPHICS] = "graphics",
    };

    return words[kind];
}

static const char *
detail_word(HvEventDetail detail)
{
    static const char *const words[HV_N_DETAILS] = {
        [HV_DETAIL_NONE] = "",
        [HV_DETAIL_DEFINED_ADDED] = "added",
        [HV_DETAIL_DEFINED_UPDATED] = "updated",
        [HV_DETAIL_UNDEFINED_REMOVED] = "removed",
        [HV_DETAIL_STARTED_BOOTED] = "booted",
        [HV_DETAIL_STARTED_RESTORED] = "restored",
        [HV_DETAIL_SUSPENDED_PAUSED] = "paused",
        [HV_DETAIL_SUSPENDED_RESTORED] = "restored",
        [HV_DETAIL_RESUMED_UNPAUSED] = "unpaused",
        [HV_DETAIL_STOPPED_SHUTDOWN] = "shutdown",
        [HV_DETAIL_STOPPED_DESTROYED] = "destroyed",
        [HV_DETAIL_STOPPED_CRASHED] = "crashed",
        [HV_DETAIL_STOPPED_SAVED] = "saved",
        [HV_DETAIL_STOPPED_FAILED] = "failed",
        [HV_DETAIL_SHUTDOWN_FINISHED] = "finished",
        [HV_DETAIL_CRASHED_PANICKED] = "panicked",
        [HV_DETAIL_DEFINED_RENAMED] = "renamed",
        [HV_DETAIL_UNDEFINED_RENAMED] = "renamed",
        [HV_DETAIL_PMSUSPENDED_MEMORY] = "memory",
    };

    return words[detail] ? words[detail] : "?";
}

static void
on_event(HvHost *host, const HvEvent *event, gpointer data)
{
    Fixture *f = data;

    g_mutex_lock(&f->lock);
    g_ptr_array_add(f->log, g_strdup_printf("%s:%s:%s", event->name, event_word(event->kind),
                                            detail_word(event->detail)));
    g_cond_broadcast(&f->changed);
    g_mutex_unlock(&f->lock);
}

void
assert_events_(Fixture *f, const char *const *expected)
{
    guint n = g_strv_length((char **)expected);
    gint64 deadline = g_get_monotonic_time() + WAIT_US;

    g_mutex_lock(&f->lock);
    while (f->log->len < n && g_cond_wait_until(&f->changed, &f->lock, deadline))
        continue;
    for (guint i = 0; i < MIN(n, f->log->len); i++)
        g_assert_cmpstr(g_ptr_array_index(f->log, i), ==, expected[i]);
    g_assert_cmpuint(f->log->len, ==, n);
    g_ptr_array_set_size(f->log, 0);
    g_mutex_unlock(&f->lock);
}

static void
on_last(HvHost *host, const HvEvent *event, gpointer data)
{
    if (event->kind == HV_EVENT_METADATA_CHANGE && g_strcmp0(event->metadata_uri, "flush") == 0)
        g_atomic_int_set((gint *)data, TRUE);
}

void
clear_events(Fixture *f)
{
    g_autoptr(GPtrArray) all = hv_host_list(f->host);
    gint flushed = FALSE;
    guint id;

    /* An event of our own: when it arrives, those before it have. */
    if (all->len > 0) {
        id = hv_host_add_listener(f->host, on_last, &flushed);
        hv_event_post_metadata(g_ptr_array_index(all, 0), HV_METADATA_TITLE, "flush", -1);
        while (!g_atomic_int_get(&flushed))
            g_usleep(1000);
        hv_host_remove_listener(f->host, id);
    }
    g_mutex_lock(&f->lock);
    g_ptr_array_set_size(f->log, 0);
    g_mutex_unlock(&f->lock);
}

/* ---- the fixture ---- */

const HvEngineOps *fixture_ops = &fake_engine_ops;
const char *fixture_cpu_map;
const HvLockConfig *fixture_lock;
HvFindVolume fixture_find_volume;

void
fixture_start_host(Fixture *f, guint job_timeout_ms, gboolean no_autostart)
{
    HvConfig config = {
        .root = f->root,
        .job_timeout_ms = job_timeout_ms,
        .no_autostart = no_autostart,
        .cpu_map = fixture_cpu_map,
        .find_volume = fixture_find_volume,
        .lock = fixture_lock ? *fixture_lock : (HvLockConfig){ 0 },
    };
    g_autoptr(GError) error = NULL;

    f->host = hv_host_new_with_engine(&config, fixture_ops, &error);
    g_assert_no_error(error);
    f->listener = hv_host_add_listener(f->host, on_event, f);
    hv_host_start(f->host, &error);
    g_assert_no_error(error);
}

void
fixture_stop_host(Fixture *f)
{
    hv_host_remove_listener(f->host, f->listener);
    hv_host_stop(f->host);
    g_clear_pointer(&f->host, hv_host_unref);
}

void
fixture_setup(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    fake_reset();
    log_count("");
    f->root = g_dir_make_tmp("hv-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_mutex_init(&f->lock);
    g_cond_init(&f->changed);
    f->log = g_ptr_array_new_with_free_func(g_free);
    fixture_start_host(f, 0, TRUE);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

void
fixture_teardown(Fixture *f, gconstpointer unused)
{
    if (f->host)
        fixture_stop_host(f);
    remove_tree(f->root);
    g_free(f->root);
    g_ptr_array_unref(f->log);
    g_mutex_clear(&f->lock);
    g_cond_clear(&f->changed);
    fake_reset();
}

/* ---- small helpers ---- */

char *
domain_xml(const char *name, guint number)
{
    return g_strdup_printf("<domain type='xen'>\n"
                           "  <name>%s</name>\n"
                           "  <uuid>00000000-0000-4000-8000-%012u</uuid>\n"
                           "  <memory unit='KiB'>524288</memory>\n"
                           "  <vcpu>2</vcpu>\n"
                           "  <os><type arch='x86_64' machine='xenpv'>linux</type>"
                           "<kernel>/boot/vmlinuz</kernel></os>\n"
                           "</domain>\n",
                           name, number);
}

ConfDomain *
domain_def(const char *name, guint number)
{
    g_autofree char *xml = domain_xml(name, number);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(xml, -1, "test", 0, &error);

    g_assert_no_error(error);
    return def;
}

HvDomain *
define_domain(Fixture *f, const char *name, guint number)
{
    g_autoptr(GError) error = NULL;
    HvDomain *domain = hv_host_define(f->host, domain_def(name, number), &error);

    g_assert_no_error(error);
    g_assert_nonnull(domain);
    return domain;
}

HvDomain *
create_domain(Fixture *f, const char *name, guint number)
{
    g_autoptr(GError) error = NULL;
    HvDomain *domain = hv_host_create(f->host, domain_def(name, number), 0, &error);

    g_assert_no_error(error);
    g_assert_nonnull(domain);
    return domain;
}

HvState
state_of(HvDomain *domain)
{
    g_autoptr(HvView) view = hv_domain_view(domain);

    return view->state;
}

HvReason
reason_of(HvDomain *domain)
{
    g_autoptr(HvView) view = hv_domain_view(domain);

    return view->reason;
}

int
domid_of(HvDomain *domain)
{
    g_autoptr(HvView) view = hv_domain_view(domain);

    return view->domid;
}

void
wait_for_state(HvDomain *domain, HvState state)
{
    gint64 deadline = g_get_monotonic_time() + WAIT_US;

    while (state_of(domain) != state && g_get_monotonic_time() < deadline)
        g_usleep(1000);
    g_assert_cmpint(state_of(domain), ==, state);
}

char *
path_of(Fixture *f, const char *absolute)
{
    return g_strconcat(f->root, absolute, NULL);
}

char *
read_file(Fixture *f, const char *absolute)
{
    g_autofree char *path = path_of(f, absolute);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

void
write_file(Fixture *f, const char *absolute, const char *text)
{
    g_autofree char *path = path_of(f, absolute);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

gboolean
file_exists(Fixture *f, const char *absolute)
{
    g_autofree char *path = path_of(f, absolute);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}
