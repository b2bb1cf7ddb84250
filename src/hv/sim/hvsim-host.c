/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlvirt-simhost: a simulated Xen host. One process a root, beside the toolstack as Xen is: it
 * lives on when the daemon dies. It ends on --stop, on SIGTERM, and when its root folder or its
 * socket vanishes, so that a test leaves nothing behind.
 */
#include <hv/sim/hvsim-server.h>
#include <hv/sim/hvsim-tool.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_US 500000

typedef struct Host {
    char *root, *socket_path;
    struct stat root_stat, socket_stat;
    int lock_fd, signal_fd;
    SimLoop *loop;
    SimServer *server;
    SimWatch *signal_watch;
    SimTimer tick;
} Host;

static gboolean
fail_errno(GError **error, const char *what, const char *path)
{
    g_set_error(error, SIM_ERROR, 0, "%s %s: %s", what, path, g_strerror(errno));
    return FALSE;
}

/* 0: we have the root. SIM_EXIT_TAKEN: somebody else has. Else an error. */
static int
take_lock(Host *host, const char *run_dir, GError **error)
{
    g_autofree char *path = g_build_filename(run_dir, SIM_LOCK_NAME, NULL);
    host->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (host->lock_fd < 0) {
        fail_errno(error, "cannot open", path);
        return EXIT_FAILURE;
    }
    if (flock(host->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        int status = errno == EWOULDBLOCK ? SIM_EXIT_TAKEN : EXIT_FAILURE;
        g_set_error(error, SIM_ERROR, 0, "a simulated host runs on %s already", host->root);
        return status;
    }
    return 0;
}

/* After the last fork(): the pid is for people. */
static void
write_pid(Host *host)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    if (ftruncate(host->lock_fd, 0) < 0 || pwrite(host->lock_fd, text, strlen(text), 0) < 0)
        sim_log("cannot write the pid file: %s", g_strerror(errno));
}

static void
raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        sim_log("cannot raise the limit of open files: %s", g_strerror(errno));
}

static void
on_signal(guint32 events, gpointer data)
{
    Host *host = data;
    struct signalfd_siginfo info;
    if (read(host->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    sim_log("signal %u: ending", info.ssi_signo);
    sim_loop_quit(host->loop);
}

static gboolean
same_file(const char *path, const struct stat *was)
{
    struct stat now;
    return lstat(path, &now) == 0 && now.st_dev == was->st_dev && now.st_ino == was->st_ino;
}

static void
on_tick(gpointer data)
{
    Host *host = data;
    if (!same_file(host->root, &host->root_stat) ||
        !same_file(host->socket_path, &host->socket_stat)) {
        sim_log("%s or the socket in it vanished: ending", host->root);
        sim_loop_quit(host->loop);
        return;
    }
    sim_server_tick(host->server);
    sim_timer_start(&host->tick, host->loop, TICK_US, on_tick, host);
}

static gboolean
watch_signals(Host *host, GError **error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    /* Whoever started us may have blocked or ignored anything. */
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    host->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (host->signal_fd >= 0)
        host->signal_watch = sim_watch_new(host->loop, host->signal_fd, EPOLLIN, on_signal, host);
    return host->signal_watch != NULL || fail_errno(error, "cannot watch", "signals");
}

static int
host_listen(Host *host, GError **error)
{
    int why = 0;
    /* We hold the lock: what lies there is of a host that died. */
    unlink(host->socket_path);
    int fd = sim_socket_listen(host->socket_path, &why);
    errno = why;
    if (fd < 0)
        fail_errno(error, "cannot listen on", host->socket_path);
    else if (lstat(host->socket_path, &host->socket_stat) < 0 ||
             lstat(host->root, &host->root_stat) < 0)
        fail_errno(error, "cannot look at", host->socket_path);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean
host_open(Host *host, GError **error)
{
    SimConf conf;
    g_autofree char *conf_path = g_build_filename(host->root, SIM_CONF_PATH, NULL);
    g_autofree char *control_path = g_build_filename(host->root, SIM_CONTROL_PATH, NULL);
    if (!sim_conf_read(conf_path, &conf, error))
        return FALSE;
    host->loop = sim_loop_new();
    int fd = -1;
    if (host->loop == NULL)
        fail_errno(error, "cannot make", "an event loop");
    else if (watch_signals(host, error))
        fd = host_listen(host, error);
    if (fd < 0) {
        g_free(conf.scheduler);
        return FALSE;
    }
    host->server = sim_server_new(host->loop, fd, control_path, &conf);
    return host->server != NULL || fail_errno(error, "cannot serve", host->socket_path);
}

static void
host_close(Host *host)
{
    /* The name goes before the socket: nobody may connect to one that is about to close. */
    if (host->socket_stat.st_ino != 0 && same_file(host->socket_path, &host->socket_stat))
        unlink(host->socket_path);
    sim_timer_stop(&host->tick);
    if (host->lock_fd >= 0)
        close(host->lock_fd);
    sim_server_free(host->server);
    sim_watch_remove(host->signal_watch);
    if (host->signal_fd >= 0)
        close(host->signal_fd);
    sim_loop_free(host->loop);
    g_free(host->root);
    g_free(host->socket_path);
}

/* ---- becoming a daemon ---- */

static void
send_status(int fd, int status, const char *text)
{
    if (fd < 0)
        return;
    char byte = (char)status;
    if (write(fd, &byte, 1) == 1 && text != NULL && write(fd, text, strlen(text)) < 0)
        sim_log("nobody waits for us");
    close(fd);
}

/* What the first process does: waits until the host listens, or tells why it does not. */
static int
await_status(int fd)
{
    char message[1024];
    gsize len = 0;
    gssize n;
    while (len < sizeof(message) - 1 &&
           (n = read(fd, message + len, sizeof(message) - 1 - len)) != 0) {
        if (n > 0)
            len += (gsize)n;
        else if (errno != EINTR)
            break;
    }
    message[len] = '\0';
    if (len > 1)
        fprintf(stderr, "xlvirt-simhost: %s\n", message + 1);
    else if (len == 0)
        fprintf(stderr, "xlvirt-simhost: the host process died at its start, see its log\n");
    return len == 0 ? EXIT_FAILURE : message[0];
}

/* Returns in the host process with the descriptor for send_status(); never in the others. */
static int
become_daemon(const char *log_path)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) {
        perror("xlvirt-simhost: pipe");
        exit(EXIT_FAILURE);
    }
    pid_t child = fork();
    if (child < 0) {
        perror("xlvirt-simhost: fork");
        exit(EXIT_FAILURE);
    }
    if (child > 0) {
        close(ready[1]);
        exit(await_status(ready[0]));
    }
    close(ready[0]);
    setsid();
    if (fork() != 0)
        _exit(0); /* The grandchild cannot get a terminal again. */
    int null_fd = open("/dev/null", O_RDWR);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
        dup2(log_fd >= 0 ? log_fd : null_fd, STDOUT_FILENO);
        dup2(log_fd >= 0 ? log_fd : null_fd, STDERR_FILENO);
    }
    for (int fd = 3; fd < 1024;
         fd++) /* What a careless parent left open would live as long as we do. */
        if (fd != ready[1])
            close(fd);
    if (chdir("/") < 0)
        sim_log("cannot leave the working directory");
    return ready[1];
}

/* A host that boots has an empty /run. What a daemon left there stays for it to read, but its mark
 * that the domains of this boot were started is about a boot that is over. */
static void
forget_last_boot(const Host *host)
{
    g_autofree char *mark = g_build_filename(host->root, SIM_AUTOSTART_MARK, NULL);

    if (unlink(mark) < 0 && errno != ENOENT)
        sim_log("cannot remove %s: %s", mark, g_strerror(errno));
}

static int
run_host(const char *root, gboolean foreground)
{
    g_autoptr(GError) error = NULL;
    Host host = { .root = sim_root_path(root), .lock_fd = -1, .signal_fd = -1 };
    g_autofree char *run_dir = g_build_filename(host.root, SIM_RUN_DIR, NULL);
    g_autofree char *log_dir = g_build_filename(host.root, SIM_LOG_DIR, NULL);
    g_autofree char *log_path = g_build_filename(log_dir, SIM_LOG_NAME, NULL);
    host.socket_path = g_build_filename(run_dir, SIM_SOCKET_NAME, NULL);
    int ready_fd = -1, status = EXIT_FAILURE;
    if (!g_file_test(host.root, G_FILE_TEST_IS_DIR)) {
        fprintf(stderr, "xlvirt-simhost: the root folder %s does not exist\n", host.root);
        host_close(&host);
        return EXIT_FAILURE;
    }
    gboolean ok = (g_mkdir_with_parents(run_dir, 0755) == 0 &&
                   g_mkdir_with_parents(log_dir, 0755) == 0) ||
                  fail_errno(&error, "cannot make folders in", host.root);
    if (ok && !foreground)
        ready_fd = become_daemon(log_path);
    if (ok) {
        status = take_lock(&host, run_dir, &error);
        ok = status == 0;
    }
    ok = ok && host_open(&host, &error);
    if (ok) {
        forget_last_boot(&host);
        write_pid(&host);
        raise_fd_limit();
        sim_log("listening on %s, pid %d", host.socket_path, (int)getpid());
        send_status(ready_fd, 0, NULL);
        on_tick(&host);
        sim_loop_run(host.loop);
        sim_log("ended");
    } else {
        status = status == 0 ? EXIT_FAILURE : status;
        fprintf(stderr, "xlvirt-simhost: %s\n", error->message);
        send_status(ready_fd, status, error->message);
    }
    host_close(&host);
    return status;
}

/* ---- command line ---- */

static gboolean
parse_number(const char *text, guint64 most, guint64 *ret_number)
{
    g_autoptr(GError) error = NULL;
    if (text != NULL && g_ascii_string_to_unsigned(text, 10, 0, most, ret_number, &error))
        return TRUE;
    fprintf(stderr, "xlvirt-simhost: %s\n", error != NULL ? error->message : "a number is missing");
    return FALSE;
}

static int
run_create(const char *root, const char *name, const char *memory)
{
    guint64 mib;
    if (!parse_number(memory, 1u << 30, &mib))
        return EXIT_FAILURE;
    return sim_tool_create(root, name, mib);
}

static int
run_exit(const char *root, int domid, const char *code_text)
{
    guint64 code;
    if (!parse_number(code_text, 5, &code))
        return EXIT_FAILURE;
    return sim_tool_exit(root, domid, (guint)code);
}

static int
run_clock(const char *root, int domid, const char *offset_text)
{
    gint64 offset;
    if (g_ascii_string_to_signed(offset_text, 10, -G_MAXINT32, G_MAXINT32, &offset, NULL))
        return sim_tool_clock(root, domid, offset);
    fprintf(stderr, "xlvirt-simhost: '%s' is no number of seconds\n", offset_text);
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    g_autofree char *root = NULL, *create = NULL;
    gboolean foreground = FALSE, stop = FALSE, status = FALSE;
    int destroy = -1, end = -1, eject = -1, shut = -1, io_error = -1, full = -1, visit = -1,
        clock = -1, lose = -1;
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Everything lies below DIR (required)",
          "DIR" },
        { "foreground", 0, 0, G_OPTION_ARG_NONE, &foreground,
          "Stay in the foreground and log to stderr", NULL },
        { "stop", 0, 0, G_OPTION_ARG_NONE, &stop, "End the host of this root and all its domains",
          NULL },
        { "status", 0, 0, G_OPTION_ARG_NONE, &status, "Print the domains as `xl list` does", NULL },
        { "destroy", 0, 0, G_OPTION_ARG_INT, &destroy, "Destroy a domain as `xl destroy` does",
          "DOMID" },
        { "create", 0, 0, G_OPTION_ARG_STRING, &create,
          "Create a domain that libvirt does not know; needs MEMORY in MiB; prints its id",
          "NAME" },
        { "exit", 0, 0, G_OPTION_ARG_INT, &end,
          "The guest ends by itself; needs CODE: 0 poweroff, 1 reboot, 3 crash, 4 watchdog",
          "DOMID" },
        { "eject", 0, 0, G_OPTION_ARG_INT, &eject, "The guest opens the tray of the disk TARGET",
          "DOMID" },
        { "close", 0, 0, G_OPTION_ARG_INT, &shut, "The guest closes the tray of the disk TARGET",
          "DOMID" },
        { "io-error", 0, 0, G_OPTION_ARG_INT, &io_error,
          "The disk TARGET fails, and the guest is told", "DOMID" },
        { "disk-full", 0, 0, G_OPTION_ARG_INT, &full,
          "The disk TARGET has no space left, and the device model stops", "DOMID" },
        { "visit", 0, 0, G_OPTION_ARG_INT, &visit,
          "Somebody at ADDRESS looks at the guest's screen, and leaves", "DOMID" },
        { "clock", 0, 0, G_OPTION_ARG_INT, &clock,
          "The guest sets its clock to SECONDS from UTC; after -- where they are negative",
          "DOMID" },
        { "lose", 0, 0, G_OPTION_ARG_INT, &lose, "The device model does not obey any more",
          "DOMID" },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &rest, NULL,
          "[MEMORY|CODE|TARGET|ADDRESS|SECONDS]" },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- a simulated Xen host");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, "See docs/SIM.md.\n");
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "xlvirt-simhost: %s\n", error->message);
        return EXIT_FAILURE;
    }
    const char *argument = rest == NULL ? NULL : rest[0];
    gboolean wants_argument = create != NULL || end >= 0 || eject >= 0 || shut >= 0 ||
                              io_error >= 0 || full >= 0 || visit >= 0 || clock >= 0;
    if ((argument != NULL) != wants_argument || (argument != NULL && rest[1] != NULL)) {
        fprintf(stderr, "xlvirt-simhost: wrong number of arguments, see --help\n");
        return EXIT_FAILURE;
    }
    /* Not even the real root by default: who types the bare name wants to see what it does. */
    if (root == NULL) {
        fprintf(stderr, "xlvirt-simhost: --root DIR is needed, see --help\n");
        return EXIT_FAILURE;
    }
    if (stop)
        return sim_tool_stop(root);
    if (status)
        return sim_tool_status(root);
    if (destroy >= 0)
        return sim_tool_destroy(root, destroy);
    if (create != NULL)
        return run_create(root, create, argument);
    if (end >= 0)
        return run_exit(root, end, argument);
    if (eject >= 0)
        return sim_tool_tray(root, eject, argument, TRUE);
    if (shut >= 0)
        return sim_tool_tray(root, shut, argument, FALSE);
    if (io_error >= 0)
        return sim_tool_io_error(root, io_error, argument, FALSE);
    if (full >= 0)
        return sim_tool_io_error(root, full, argument, TRUE);
    if (visit >= 0)
        return sim_tool_visit(root, visit, argument);
    if (clock >= 0)
        return run_clock(root, clock, argument);
    if (lose >= 0)
        return sim_tool_lose(root, lose);
    return run_host(root, foreground);
}
