/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-mark.h"

#include "hvxl-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define UUID_LENGTH 36
#define NO_DOMID    (-1)

/* A file's name: UUID, of a start, or UUID.DOMID, of the end of that domain. */
typedef struct Mark {
    guint8 uuid[16];
    gint64 domid; /* NO_DOMID: of a start */
} Mark;

static gboolean
mark_parse(const char *name, Mark *ret_mark)
{
    g_autofree char *uuid = g_strndup(name, UUID_LENGTH);
    Mark mark = { .domid = NO_DOMID };

    if (!conf_uuid_parse(uuid, mark.uuid))
        return FALSE;
    if (strlen(name) > UUID_LENGTH &&
        (name[UUID_LENGTH] != '.' ||
         !g_ascii_string_to_signed(name + UUID_LENGTH + 1, 10, 1, G_MAXINT, &mark.domid, NULL)))
        return FALSE;
    *ret_mark = mark;
    return TRUE;
}

static char *
path_of(HvEngine *engine, const Mark *mark)
{
    g_autofree char *domid = mark->domid == NO_DOMID
                                 ? NULL
                                 : g_strdup_printf(".%" G_GINT64_FORMAT, mark->domid);
    char name[UUID_LENGTH + 1];

    conf_uuid_format(mark->uuid, name);
    return g_strconcat(engine->start_dir, "/", name, domid, NULL);
}

static void
mark_set(HvEngine *engine, const Mark *mark)
{
    g_autofree char *path = path_of(engine, mark);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        g_warning("cannot make '%s', so a daemon that is killed meanwhile would leave half a "
                  "domain: %s",
                  path, g_strerror(errno));
    else
        close(fd);
}

static void
mark_clear(HvEngine *engine, const Mark *mark)
{
    g_autofree char *path = path_of(engine, mark);

    g_unlink(path);
}

static Mark
start_of(const guint8 uuid[16])
{
    Mark mark = { .domid = NO_DOMID };

    memcpy(mark.uuid, uuid, sizeof(mark.uuid));
    return mark;
}

void
hvxl_mark_set(HvEngine *engine, const guint8 uuid[16])
{
    Mark mark = start_of(uuid);

    mark_set(engine, &mark);
}

void
hvxl_mark_clear(HvEngine *engine, const guint8 uuid[16])
{
    Mark mark = start_of(uuid);

    mark_clear(engine, &mark);
}

/* ---- ends ---- */

/* libxl takes the device model's folder away where it finds the node with its process id, which is
 * written once it has come up (4.17). */
static int
destroy(HvxlCtx *ctx, uint32_t domid)
{
    g_autofree char *path = g_strdup_printf("/local/domain/0/device-model/%u", domid);
    int rc = libxl_domain_destroy(ctx->libxl, domid, NULL);

    if (rc != 0 && libxl_domain_info(ctx->libxl, NULL, domid) != ERROR_DOMAIN_NOTFOUND)
        return rc;
    xs_rm(ctx->engine->xs, XBT_NULL, path);
    return 0;
}

/* libxl pauses a domain, takes its devices and its name away, and then lets Xen end it. */
int
hvxl_mark_destroy(HvxlCtx *ctx, uint32_t domid)
{
    Mark mark = { .domid = domid };
    libxl_dominfo info;
    gboolean marked;
    int rc;

    libxl_dominfo_init(&info);
    marked = libxl_domain_info(ctx->libxl, &info, domid) == 0;
    memcpy(mark.uuid, info.uuid.uuid, sizeof(mark.uuid));
    libxl_dominfo_dispose(&info);
    if (marked)
        mark_set(ctx->engine, &mark);
    rc = destroy(ctx, domid);
    if (marked)
        mark_clear(ctx->engine, &mark);
    return rc;
}

/* ---- what was cut off ---- */

/* One that was being built and has its XML was complete, and may run. FALSE: it is still there. */
static gboolean
destroy_half(HvxlCtx *ctx, const libxl_dominfo *info, const Mark *mark)
{
    gboolean ends = mark->domid != NO_DOMID;
    g_autofree char *xml = ends ? NULL : hvxl_userdata_read(ctx, (int)info->domid);
    int rc;

    if (xml || info->dying)
        return TRUE;
    g_message("domain id %u was being %s when the daemon ended; it is destroyed", info->domid,
              ends ? "destroyed" : "built");
    rc = destroy(ctx, info->domid);
    if (rc != 0)
        g_warning("domain id %u, half of which is there, cannot be destroyed (rc %d)", info->domid,
                  rc);
    return rc == 0;
}

static gboolean
is_marked(const libxl_dominfo *info, const Mark *mark)
{
    return info->domid != 0 && memcmp(info->uuid.uuid, mark->uuid, sizeof(mark->uuid)) == 0 &&
           (mark->domid == NO_DOMID || mark->domid == (gint64)info->domid);
}

/* FALSE: its mark has to stay. */
static gboolean
sweep_one(HvxlCtx *ctx, const libxl_dominfo *all, int n, const char *name)
{
    gboolean ok = TRUE;
    Mark mark;

    if (!mark_parse(name, &mark))
        return TRUE;
    /* Begun since, by ourselves: the mark is of that start now, which clears it. */
    if (mark.domid == NO_DOMID && ctx->engine->watch &&
        hvxl_watch_is_starting(ctx->engine->watch, mark.uuid))
        return TRUE;
    for (int i = 0; i < n; i++) {
        if (is_marked(&all[i], &mark))
            ok &= destroy_half(ctx, &all[i], &mark);
    }
    if (ok)
        mark_clear(ctx->engine, &mark);
    return ok;
}

/* NULL: there are none. */
static GPtrArray *
take_marks(HvEngine *engine)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->marks_lock);

    return g_steal_pointer(&engine->marks);
}

static void
keep_marks(HvEngine *engine, GPtrArray *marks)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->marks_lock);

    engine->marks = marks;
}

static void
sweep_marks(HvxlCtx *ctx, const libxl_dominfo *all, int n, GPtrArray *marks)
{
    for (guint i = marks->len; i-- > 0;) {
        if (sweep_one(ctx, all, n, marks->pdata[i]))
            g_ptr_array_remove_index(marks, i);
    }
}

void
hvxl_mark_sweep_rest(HvEngine *engine)
{
    g_autoptr(GPtrArray) marks = take_marks(engine);
    g_autoptr(HvxlCtx) ctx = marks ? hvxl_ctx_get(engine, NULL) : NULL;
    libxl_dominfo *all;
    int n = 0;

    if (!marks)
        return;
    all = ctx ? libxl_list_domain(ctx->libxl, &n) : NULL;
    if (all) {
        sweep_marks(ctx, all, n, marks);
        libxl_dominfo_list_free(all, n);
    } else {
        g_warning("%u starts and ends that were cut off are not swept yet: Xen does not tell its "
                  "domains",
                  marks->len);
    }
    if (marks->len > 0)
        keep_marks(engine, g_steal_pointer(&marks));
}

/* The marks are of a daemon that lives: whoever has the engine open has a lock. It is the
 * process's: what libxl forks has our descriptors, and may live on when we are killed. */
static gboolean
take_lock(HvEngine *engine)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    g_autofree char *path = g_strconcat(engine->start_dir, ".lock", NULL);

    engine->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return engine->lock_fd >= 0 && fcntl(engine->lock_fd, F_SETLK, &lock) == 0;
}

static GPtrArray *
list_marks(HvEngine *engine)
{
    g_autoptr(GPtrArray) marks = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(engine->start_dir, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        g_ptr_array_add(marks, g_strdup(name));
    return marks->len > 0 ? g_steal_pointer(&marks) : NULL;
}

void
hvxl_mark_sweep(HvEngine *engine)
{
    if (g_mkdir_with_parents(engine->start_dir, 0700) < 0)
        g_warning("cannot make '%s': %s", engine->start_dir, g_strerror(errno));
    if (!take_lock(engine)) {
        g_message("starts and ends that were cut off are not swept: another daemon uses Xen");
        return;
    }
    keep_marks(engine, list_marks(engine));
    hvxl_mark_sweep_rest(engine);
}
