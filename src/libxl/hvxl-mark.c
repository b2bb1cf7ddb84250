/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static char *
path_of(HvEngine *engine, const guint8 uuid[16])
{
    char name[37];

    conf_uuid_format(uuid, name);
    return g_build_filename(engine->start_dir, name, NULL);
}

void
hvxl_mark_set(HvEngine *engine, const guint8 uuid[16])
{
    g_autofree char *path = path_of(engine, uuid);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        g_warning("cannot make '%s', so a start that is cut off would leave half a domain: %s",
                  path, g_strerror(errno));
    else
        close(fd);
}

void
hvxl_mark_clear(HvEngine *engine, const guint8 uuid[16])
{
    g_autofree char *path = path_of(engine, uuid);

    g_unlink(path);
}

/* One that has its XML was complete, and may run. */
static void
destroy_half(HvxlCtx *ctx, const libxl_dominfo *info, const char *name)
{
    g_autofree char *xml = hvxl_userdata_read(ctx, (int)info->domid);
    int rc;

    if (xml || info->dying)
        return;
    g_message("domain id %u (uuid %s) was being built when the daemon ended; it is destroyed",
              info->domid, name);
    rc = libxl_domain_destroy(ctx->libxl, info->domid, NULL);
    if (rc != 0)
        g_warning("domain id %u, half built, cannot be destroyed (rc %d)", info->domid, rc);
}

static void
sweep_one(HvxlCtx *ctx, const libxl_dominfo *all, int n, const char *name)
{
    guint8 uuid[16];

    if (!conf_uuid_parse(name, uuid))
        return;
    for (int i = 0; i < n; i++) {
        if (all[i].domid != 0 && memcmp(all[i].uuid.uuid, uuid, sizeof(uuid)) == 0)
            destroy_half(ctx, &all[i], name);
    }
}

/* The marks are of a daemon that lives: whoever has the engine open has a lock. It goes with the
 * process, and is in no program that libxl starts. */
static gboolean
take_lock(HvEngine *engine)
{
    g_autofree char *path = g_strconcat(engine->start_dir, ".lock", NULL);

    engine->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return engine->lock_fd >= 0 && flock(engine->lock_fd, LOCK_EX | LOCK_NB) == 0;
}

void
hvxl_mark_sweep(HvEngine *engine)
{
    g_autoptr(GDir) dir = NULL;
    g_autoptr(HvxlCtx) ctx = NULL;
    libxl_dominfo *all = NULL;
    const char *name;
    int n = 0;

    if (g_mkdir_with_parents(engine->start_dir, 0700) < 0)
        g_warning("cannot make '%s': %s", engine->start_dir, g_strerror(errno));
    if (!take_lock(engine)) {
        g_message("starts that were cut off are not swept: another daemon uses Xen");
        return;
    }
    dir = g_dir_open(engine->start_dir, 0, NULL);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(engine->start_dir, name, NULL);

        if (!ctx && (ctx = hvxl_ctx_get(engine, NULL)))
            all = libxl_list_domain(ctx->libxl, &n);
        if (all)
            sweep_one(ctx, all, n, name);
        g_unlink(path);
    }
    if (all)
        libxl_dominfo_list_free(all, n);
}
