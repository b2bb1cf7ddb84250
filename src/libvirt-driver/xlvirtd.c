/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's main(): options, the order of start and stop, signals. */
#include "lvd-daemon.h"
#include "lvd-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOFILE_WANTED    65536
#define STOP_PATIENCE_MS 1000
/* Not one a thread: libxl forks the daemon for each device, and each mapping costs twice then. */
#define MALLOC_ARENAS 2
/* The least: of signals, of events, the sampler with its helper, guests, a worker. */
#define N_THREADS 6

enum { EXIT_USAGE = 2 };

typedef struct Options {
    char *engine, *root, *config, *pid_file;
    gboolean verbose, debug, daemon, version;
    int timeout;
} Options;

typedef struct Daemon {
    GMainLoop *main_loop;
    HvHost *host;
    LvdServer *server;
    guint64 seen_accepted; /* at the last look whether we are idle */
    int idle, timeout;     /* seconds */
    gboolean stuck;        /* asked to stop while the start was inside the hypervisor */
} Daemon;

/* ---- options ---- */

static void
options_clear(Options *options)
{
    g_free(options->engine);
    g_free(options->root);
    g_free(options->config);
    g_free(options->pid_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* Exit status of main(), or -1: go on. */
static int
parse_options(Options *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "engine", 0, 0, G_OPTION_ARG_STRING, &options->engine,
          "Hypervisor: auto, libxl (real Xen) or sim (a simulated host)", "NAME" },
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &options->root,
          "Keep all files and sockets below DIR, not below /", "DIR" },
        { "config", 'f', 0, G_OPTION_ARG_FILENAME, &options->config,
          "Configuration file [" LVD_SYSCONFDIR "/libvirt/virtxend.conf]", "FILE" },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, "Log what happens", NULL },
        { "debug", 0, 0, G_OPTION_ARG_NONE, &options->debug, "Log each call, too", NULL },
        { "daemon", 'd', 0, G_OPTION_ARG_NONE, &options->daemon,
          "Run in the background; return when ready", NULL },
        { "pid-file", 'p', 0, G_OPTION_ARG_FILENAME, &options->pid_file,
          "Process id file [/run/xlvirtd.pid]", "FILE" },
        { "timeout", 't', 0, G_OPTION_ARG_INT, &options->timeout,
          "Exit after SECS without a client and without an active domain", "SECS" },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- manages Xen domains for libvirt");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        g_printerr("xlvirtd: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (*argc > 1) {
        g_printerr("xlvirtd: unexpected argument \"%s\"\n", (*argv)[1]);
        return EXIT_USAGE;
    }
    if (options->timeout < 0) {
        g_printerr("xlvirtd: --timeout must not be negative\n");
        return EXIT_USAGE;
    }
    if (options->version) {
        g_print("xlvirtd (xlvirt) %s\n", LVD_PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    return -1;
}

/* 1 debug ... 4 error: what the command line wants shown, at least. */
static int
asked_level(const Options *options)
{
    return options->debug ? 1 : options->verbose ? 2 : 4;
}

/* Options win over the file. */
static LvdConfig *
make_config(const Options *options, GError **error)
{
    g_autoptr(LvdConfig) config = lvd_config_new();
    g_autofree char *path = NULL;

    if (options->root) {
        g_free(config->root);
        config->root = g_canonicalize_filename(options->root, NULL);
        if (g_str_equal(config->root, "/"))
            config->root[0] = '\0';
    }
    path = options->config
               ? g_strdup(options->config)
               : g_strconcat(config->root, LVD_SYSCONFDIR "/libvirt/virtxend.conf", NULL);
    if ((options->config || g_file_test(path, G_FILE_TEST_EXISTS)) &&
        !lvd_config_load(config, path, error))
        return NULL;
    if (!lvd_config_load_lockd(config, error))
        return NULL;
    if (options->engine) {
        g_free(config->engine);
        config->engine = g_strdup(options->engine);
    }
    config->verbose = options->verbose;
    config->log_level = MIN(config->log_level, asked_level(options));
    return g_steal_pointer(&config);
}

/* ---- the process ---- */

/* A descriptor a client, and a few a domain. */
static void
raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= NOFILE_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? NOFILE_WANTED
                                                     : MIN((rlim_t)NOFILE_WANTED, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        g_warning("cannot raise the limit of open files: %s", g_strerror(errno));
}

static gboolean
make_root(const LvdConfig *config, GError **error)
{
    static const char *const dirs[] = { "", "/run", "/run/libvirt" };

    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *dir = g_strconcat(config->root, dirs[i], NULL);

        if (*dir && g_mkdir_with_parents(dir, 0755) < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "cannot make %s: %s", dir,
                        g_strerror(errno));
            return FALSE;
        }
    }
    return TRUE;
}

/* ---- running ---- */

static gboolean
on_stop(gpointer data)
{
    g_info("asked to stop");
    g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

/* One after another. */
static gpointer
tell_reload(gpointer data)
{
    static GMutex turn;
    g_autoptr(HvHost) host = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&turn);

    hv_host_tell_daemon_hook(host, HV_DAEMON_HOOK_RELOAD);
    return NULL;
}

/* Hook scripts may take long. */
static void
tell_reload_aside(HvHost *host)
{
    g_autoptr(GError) error = NULL;
    GThread *thread = hv_thread_new("reload", tell_reload, hv_host_ref(host), &error);

    if (thread) {
        g_thread_unref(thread);
        return;
    }
    g_warning("no hook script hears of SIGHUP: %s", error->message);
    hv_host_unref(host);
}

static gboolean
on_hangup(gpointer data)
{
    Daemon *daemon = data;

    if (daemon->host)
        tell_reload_aside(daemon->host);
    g_message("SIGHUP: there is nothing to read again; a change of the configuration takes a "
              "restart, which leaves guests alone");
    return G_SOURCE_CONTINUE;
}

static gboolean
has_active_domain(HvHost *host)
{
    g_autoptr(GPtrArray) domains = hv_host_list(host);

    for (guint i = 0; i < domains->len; i++) {
        g_autoptr(HvView) view = hv_domain_view(g_ptr_array_index(domains, i));

        /* Domain 0 is always there. */
        if (view->domid > 0)
            return TRUE;
    }
    return FALSE;
}

/* Every second, with --timeout only. */
static gboolean
check_idle(gpointer data)
{
    Daemon *daemon = data;
    guint64 accepted = lvd_server_n_accepted(daemon->server);

    if (lvd_server_n_clients(daemon->server) > 0 || accepted != daemon->seen_accepted)
        daemon->idle = 0;
    else
        daemon->idle++;
    daemon->seen_accepted = accepted;
    if (daemon->idle < daemon->timeout)
        return G_SOURCE_CONTINUE;
    if (has_active_domain(daemon->host)) {
        daemon->idle = 0;
        return G_SOURCE_CONTINUE;
    }
    g_info("nothing to do for %d s", daemon->timeout);
    g_main_loop_quit(daemon->main_loop);
    return G_SOURCE_CONTINUE;
}

/* ---- start and stop ---- */

static gpointer
wait_for_turn(gpointer turn)
{
    g_mutex_lock(turn);
    g_mutex_unlock(turn);
    return NULL;
}

/* GLib starts a thread of its own for signals, and ends the process where there is none to be had.
 * As many at once as we need in any case: one that was joined may count for a moment yet. */
static gboolean
check_threads(GError **error)
{
    GThread *threads[N_THREADS] = { NULL };
    gboolean ok = TRUE;
    GMutex turn;

    g_mutex_init(&turn);
    g_mutex_lock(&turn);
    for (guint i = 0; ok && i < N_THREADS; i++)
        ok = (threads[i] = hv_thread_new("check", wait_for_turn, &turn, error)) != NULL;
    g_mutex_unlock(&turn);
    for (guint i = 0; i < N_THREADS; i++)
        g_clear_pointer(&threads[i], g_thread_join);
    g_mutex_clear(&turn);
    return ok;
}

typedef struct Start {
    Daemon *daemon;
    const LvdConfig *config;
    gboolean (*step)(Daemon *daemon, const LvdConfig *config, GError **error);
    GMainContext *context; /* of signals alone: clients wait in the backlog until all is there */
    gboolean ok;
    GError *error;
    gint over; /* atomic */
} Start;

static gboolean
on_early_stop(gpointer asked)
{
    *(gboolean *)asked = TRUE;
    return G_SOURCE_CONTINUE;
}

static void
watch_signal(GMainContext *context, int number, gboolean *asked)
{
    g_autoptr(GSource) source = g_unix_signal_source_new(number);

    g_source_set_callback(source, on_early_stop, asked, NULL);
    g_source_attach(source, context);
}

static gpointer
run_step(gpointer data)
{
    Start *start = data;

    start->ok = start->step(start->daemon, start->config, &start->error);
    g_atomic_int_set(&start->over, TRUE);
    g_main_context_wakeup(start->context);
    return NULL;
}

static gboolean
start_free(Start *start)
{
    gboolean ok = start->ok;

    g_main_context_unref(start->context);
    g_free(start);
    return ok;
}

/* Asks the hypervisor, which may hang, while we go on to listen to signals. FALSE without an error:
 * we were asked to end, and the thread is left behind; the process has to go with it. */
static gboolean
step(Daemon *daemon, const LvdConfig *config,
     gboolean (*func)(Daemon *daemon, const LvdConfig *config, GError **error), GError **error)
{
    Start *start = g_new0(Start, 1);
    GThread *thread;
    gboolean asked = FALSE;

    start->context = g_main_context_new();
    watch_signal(start->context, SIGTERM, &asked);
    watch_signal(start->context, SIGINT, &asked);
    start->daemon = daemon;
    start->config = config;
    start->step = func;
    thread = hv_thread_new("start", run_step, start, error);
    if (!thread)
        return start_free(start);
    while (!g_atomic_int_get(&start->over) && !asked)
        g_main_context_iteration(start->context, TRUE);
    if (!g_atomic_int_get(&start->over)) {
        g_thread_unref(thread);
        daemon->stuck = TRUE;
        return FALSE;
    }
    g_thread_join(thread);
    if (start->error)
        g_propagate_error(error, start->error);
    return start_free(start);
}

static gboolean
open_host(Daemon *daemon, const LvdConfig *config, GError **error)
{
    HvConfig hv_config = { .root = config->root,
                           .engine = config->engine,
                           .autostart_workers = (int)config->autostart_workers,
                           .job_timeout_ms = config->job_timeout_ms,
                           .engine_settings = config->engine_settings,
                           .cpu_map = config->cpu_map_dir,
                           .find_volume = lvd_find_volume,
                           .find_volume_data = (gpointer)config,
                           .lock = { .manager = config->lock_manager,
                                     .ask = lvd_lockd_ask,
                                     .ask_data = (gpointer)config,
                                     .no_disks = !config->lock_disks,
                                     .require_lease = config->lock_require_lease < 0
                                                          ? !config->lock_disks
                                                          : config->lock_require_lease,
                                     .file_dir = config->lock_file_dir,
                                     .lvm_dir = config->lock_lvm_dir,
                                     .scsi_dir = config->lock_scsi_dir } };

    daemon->host = hv_host_new(&hv_config, error);
    return daemon->host != NULL;
}

static gboolean
start_host(Daemon *daemon, const LvdConfig *config, GError **error)
{
    /* What guests need may be made by it. */
    hv_host_tell_daemon_hook(daemon->host, HV_DAEMON_HOOK_START);
    return hv_host_start(daemon->host, error);
}

/* The sockets come before the engine looks at anything: a daemon that already serves this host is
 * noticed before we could touch its state. Clients that come meanwhile wait in the backlog. */
static gboolean
start(Daemon *daemon, const LvdConfig *config, GError **error)
{
    if (!step(daemon, config, open_host, error))
        return FALSE;
    daemon->server = lvd_server_new(config, daemon->host);
    return lvd_server_listen(daemon->server, error) && step(daemon, config, start_host, error);
}

/* FALSE: a thread is inside the hypervisor and does not come back. What it uses must stay. */
static gboolean
stop(Daemon *daemon)
{
    gboolean calm = TRUE;

    lvd_server_stop(daemon->server);
    /* Ends the waits of the calls that still run, so that the server's workers come to an end. */
    if (daemon->host)
        hv_host_stop(daemon->host);
    if (daemon->server)
        calm = lvd_server_wait(daemon->server, STOP_PATIENCE_MS);
    if (!calm)
        return FALSE;
    lvd_server_free(daemon->server);
    if (daemon->host)
        hv_host_unref(daemon->host);
    g_main_loop_unref(daemon->main_loop);
    return TRUE;
}

static void
run(Daemon *daemon)
{
    lvd_notify("READY=1");
    g_info("ready, engine %s", hv_host_engine_name(daemon->host));
    if (daemon->timeout > 0)
        g_timeout_add_seconds(1, check_idle, daemon);
    g_main_loop_run(daemon->main_loop);
    lvd_notify("STOPPING=1");
    hv_host_tell_daemon_hook(daemon->host, HV_DAEMON_HOOK_SHUTDOWN);
}

/* In the process that stays. FALSE: did not come up. */
static gboolean
serve(const Options *options, const LvdConfig *config, LvdParent *parent)
{
    Daemon daemon = { .timeout = options->timeout };
    g_autofree char *pid_path = options->pid_file
                                    ? g_strdup(options->pid_file)
                                    : g_strconcat(config->root, "/run/xlvirtd.pid", NULL);
    g_autoptr(GError) error = NULL;
    LvdPidFile pid_file = LVD_PID_FILE_INIT;
    gboolean ok, calm;

    if (!check_threads(&error)) {
        lvd_log_failure(error->message);
        return FALSE;
    }
    daemon.main_loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, on_stop, daemon.main_loop);
    g_unix_signal_add(SIGINT, on_stop, daemon.main_loop);
    g_unix_signal_add(SIGHUP, on_hangup, &daemon);
    ok = make_root(config, &error) && lvd_pid_file_take(&pid_file, pid_path, &error) &&
         start(&daemon, config, &error);
    if (ok) {
        lvd_parent_tell(parent, config->root);
        run(&daemon);
    } else if (error) {
        lvd_log_failure(error->message);
    }
    if (daemon.stuck)
        lvd_server_stop(daemon.server);
    calm = !daemon.stuck && stop(&daemon);
    lvd_pid_file_release(&pid_file);
    if (!calm) {
        g_warning("a call hangs in the hypervisor or in a hook script; leaving without it");
        _exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return ok;
}

int
main(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(LvdConfig) config = NULL;
    g_autoptr(GError) error = NULL;
    LvdParent parent = LVD_PARENT_INIT;
    int status;

    setlocale(LC_CTYPE, ""); /* names in messages; numbers and reasons stay as they are */
    status = parse_options(&options, &argc, &argv);
    if (status >= 0)
        return status;
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too large is an error of that write */
    umask(0022);
    lvd_log_init(MIN(asked_level(&options), 3));
    config = make_config(&options, &error);
    if (!config) {
        lvd_log_failure(error->message);
        return EXIT_FAILURE;
    }
    lvd_log_set_level(config->log_level);
    raise_limits();
    /* Before any thread is started: only the thread that forks goes on. */
    if (options.daemon && !lvd_parent_fork(&parent, &status))
        return status;
    return serve(&options, config, &parent) ? EXIT_SUCCESS : EXIT_FAILURE;
}
