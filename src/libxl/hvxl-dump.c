/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Core dumps, by a process of their own: see xlvirt-dump-core.c. */
#include "hvxl-device.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM  HV_LIBEXECDIR "/xlvirt/xlvirt-dump-core"
#define ROUND_MS 250
#define SAID_MAX 2048

typedef struct Dump {
    pid_t pid;
    int fd;        /* what it says; it ends when the process does */
    GString *said; /* the first SAID_MAX bytes of it */
    const char *path;
    guint64 total;
    HvEngineProgress progress;
    gpointer data;
} Dump;

static void
dump_clear(Dump *dump)
{
    if (dump->fd >= 0)
        close(dump->fd);
    g_string_free(dump->said, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dump, dump_clear)

static guint64
memory_of(HvxlCtx *ctx, int domid)
{
    libxl_dominfo info;
    guint64 bytes = 0;

    libxl_dominfo_init(&info);
    if (libxl_domain_info(ctx->libxl, &info, (uint32_t)domid) == 0)
        bytes = info.current_memkb * 1024;
    libxl_dominfo_dispose(&info);
    return bytes;
}

/* ---- the process ---- */

static gboolean
begin(Dump *dump, int domid, GError **error)
{
    g_autofree char *id = g_strdup_printf("%d", domid);
    const char *argv[] = { PROGRAM, id, dump->path, NULL };

    /* It is waited for by its id: GLib's own way would take SIGCHLD, which is libxl's. */
    return g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                                    NULL, &dump->pid, NULL, NULL, &dump->fd, error);
}

/* FALSE: it has ended. */
static gboolean
listen_to(Dump *dump)
{
    char chunk[512];
    ssize_t n = read(dump->fd, chunk, sizeof(chunk));

    if (n > 0 && dump->said->len < SAID_MAX)
        g_string_append_len(dump->said, chunk, n);
    return n > 0 || (n < 0 && errno == EINTR);
}

/* libxl does not tell how far it is: the file does. */
static void
report(const Dump *dump)
{
    struct stat st;

    if (dump->progress && stat(dump->path, &st) == 0)
        dump->progress(MIN((guint64)st.st_size, dump->total), dump->total, dump->data);
}

/* Its status as waitpid() tells. */
static int
await_end(Dump *dump, GCancellable *cancellable)
{
    GPollFD cancel = { .fd = -1 };
    gboolean has_fd = cancellable && g_cancellable_make_pollfd(cancellable, &cancel);
    gboolean going = TRUE, killed = FALSE;
    int status = 0;

    while (going) {
        struct pollfd fds[] = {
            { .fd = dump->fd, .events = POLLIN },
            { .fd = killed ? -1 : cancel.fd, .events = POLLIN },
        };

        poll(fds, G_N_ELEMENTS(fds), ROUND_MS);
        if (!killed && g_cancellable_is_cancelled(cancellable)) {
            killed = TRUE;
            kill(dump->pid, SIGKILL);
        }
        if (fds[0].revents)
            going = listen_to(dump);
        else
            report(dump);
    }
    while (waitpid(dump->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (has_fd)
        g_cancellable_release_fd(cancellable);
    return status;
}

/* ---- the hook ---- */

gboolean
hvxl_core_dump(HvEngine *engine, int domid, const char *path, GCancellable *cancellable,
               HvEngineProgress progress, gpointer data, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_auto(Dump) dump = {
        .fd = -1,
        .said = g_string_new(NULL),
        .path = path,
        .progress = progress,
        .data = data,
    };
    int status;

    if (!ctx)
        return FALSE;
    dump.total = memory_of(ctx, domid);
    if (!begin(&dump, domid, error)) {
        g_prefix_error(error, "cannot dump the memory of domain id %d: ", domid);
        return FALSE;
    }
    status = await_end(&dump, cancellable);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return TRUE;
    if (g_cancellable_is_cancelled(cancellable))
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "the dump of domain id %d was broken off",
                    domid);
    else
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "cannot dump the memory of domain id %d: %s (status %d)", domid,
                    dump.said->len ? g_strchomp(dump.said->str) : "no reason is given", status);
    return FALSE;
}
