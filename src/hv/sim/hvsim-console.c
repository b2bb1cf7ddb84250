/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-console.h>

#include <hv/hv.h>
#include <hv/sim/hvsim-control.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#define INPUT_CHUNK 512

struct SimConsole {
    SimLoop *loop;
    SimConsoleInput input;
    gpointer user;
    int master, slave; /* -1: no pty yet */
    char *tty;
    SimWatch *watch;
    gboolean listening;
    GByteArray *pending; /* output that the pty did not take */
};

SimConsole *
sim_console_new(SimLoop *loop, SimConsoleInput input, gpointer user)
{
    SimConsole *console = g_new0(SimConsole, 1);
    console->loop = loop;
    console->input = input;
    console->user = user;
    console->master = console->slave = -1;
    console->pending = g_byte_array_new();
    return console;
}

void
sim_console_free(SimConsole *console)
{
    if (console == NULL)
        return;
    sim_watch_remove(console->watch);
    if (console->slave >= 0)
        close(console->slave);
    if (console->master >= 0)
        close(console->master);
    g_free(console->tty);
    g_byte_array_unref(console->pending);
    g_free(console);
}

const char *
sim_console_tty(SimConsole *console)
{
    return console->tty == NULL ? "" : console->tty;
}

static void
update_watch(SimConsole *console)
{
    if (console->watch != NULL)
        sim_watch_set(console->watch, (console->listening ? EPOLLIN : 0) |
                                          (console->pending->len > 0 ? EPOLLOUT : 0));
}

static void
flush_pending(SimConsole *console)
{
    while (console->master >= 0 && console->pending->len > 0) {
        gssize n = write(console->master, console->pending->data, console->pending->len);
        if (n <= 0)
            break;
        g_byte_array_remove_range(console->pending, 0, (guint)n);
    }
    update_watch(console);
}

static void
on_pty(guint32 events, gpointer data)
{
    SimConsole *console = data;
    if (events & EPOLLOUT)
        flush_pending(console);
    if (!(events & EPOLLIN) || !console->listening)
        return;
    char typed[INPUT_CHUNK];
    gssize n = read(console->master, typed, sizeof(typed));
    if (n > 0)
        console->input(typed, (gsize)n, console->user);
}

static guint64
read_number(const char *path)
{
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* ptys belong to the whole machine: people there want to open a terminal, too. */
static gboolean
ptys_are_scarce(int master)
{
    guint64 most = read_number("/proc/sys/kernel/pty/max");
    guint64 used = read_number("/proc/sys/kernel/pty/nr");
    struct rlimit limit;
    gboolean fds = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
                   (rlim_t)master + 256 > limit.rlim_cur;
    return fds || (most != 0 && used > most - most / 4);
}

static gboolean
set_up_pty(int master, int *ret_slave, char **ret_tty)
{
    char name[64];
    struct termios raw;
    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0)
        return FALSE;
    int slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (slave < 0)
        return FALSE;
    gboolean ok = tcgetattr(slave, &raw) == 0;
    if (ok) {
        cfmakeraw(&raw);
        ok = tcsetattr(slave, TCSANOW, &raw) == 0;
    }
    ok = ok && fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0;
    if (!ok) {
        int saved = errno;
        close(slave);
        errno = saved;
        return FALSE;
    }
    *ret_slave = slave;
    *ret_tty = g_strdup(name);
    return TRUE;
}

gboolean
sim_console_open_pty(SimConsole *console, gboolean spare, GError **error)
{
    if (console->master >= 0)
        return TRUE;
    int slave = -1;
    char *tty = NULL;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    gboolean ok = master >= 0;
    if (ok && spare && ptys_are_scarce(master)) {
        ok = FALSE;
        errno = EBUSY;
    }
    ok = ok && set_up_pty(master, &slave, &tty);
    SimWatch *watch = ok ? sim_watch_new(console->loop, master, 0, on_pty, console) : NULL;
    if (watch == NULL) {
        int saved = errno;
        if (slave >= 0)
            close(slave);
        if (master >= 0)
            close(master);
        g_free(tty);
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "no pty for the console: %s (the limits are kernel.pty.max and open files)",
                    g_strerror(saved));
        return FALSE;
    }
    console->master = master;
    console->slave = slave;
    console->tty = tty;
    console->watch = watch;
    flush_pending(console);
    return TRUE;
}

int
sim_console_attach(SimConsole *console, GError **error)
{
    if (!sim_console_open_pty(console, FALSE, error))
        return -1;
    int fd = open(console->tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "cannot open the console %s: %s",
                    console->tty, g_strerror(errno));
    return fd;
}

void
sim_console_write(SimConsole *console, const char *data, gsize len)
{
    gsize skip = len > SIM_BACKLOG ? len - SIM_BACKLOG : 0;
    g_byte_array_append(console->pending, (const guint8 *)data + skip, (guint)(len - skip));
    flush_pending(console);
    if (console->pending->len > SIM_BACKLOG)
        g_byte_array_remove_range(console->pending, 0, console->pending->len - SIM_BACKLOG);
}

void
sim_console_listen(SimConsole *console, gboolean on)
{
    console->listening = on;
    update_watch(console);
}

GBytes *
sim_console_take_backlog(SimConsole *console)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    char unread[4096];
    gssize n;
    /* The master takes more while we read: what waits here comes after it. */
    while (console->slave >= 0 && (n = read(console->slave, unread, sizeof(unread))) > 0)
        g_byte_array_append(all, (guint8 *)unread, (guint)n);
    g_byte_array_append(all, console->pending->data, console->pending->len);
    g_byte_array_set_size(console->pending, 0);
    update_watch(console);
    if (all->len > SIM_BACKLOG)
        g_byte_array_remove_range(all, 0, all->len - SIM_BACKLOG);
    return g_byte_array_free_to_bytes(g_steal_pointer(&all));
}
