/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Internal snapshots of disks that are logical volumes, by LVM's own, which are made while the
 * volume is in use. A snapshot is a volume beside its origin, called ORIGIN-snap-NAME.
 *
 * LVM goes back by merging: the origin becomes the snapshot, which is no more then. So it is made
 * anew afterwards, and who finds none of it in the middle of that makes it, too.
 */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_PLAIN 60 /* LVM's names end at 127 bytes with all that it adds */
#define HASH_CHARS     16

/* A logical volume, and the snapshot that is spoken of. */
typedef struct Volume {
    char *group, *name, *pool; /* pool: "" or of a thin volume */
    char *snapshot;            /* GROUP/NAME-snap-... */
} Volume;

static void
volume_clear(Volume *volume)
{
    g_free(volume->group);
    g_free(volume->name);
    g_free(volume->pool);
    g_free(volume->snapshot);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Volume, volume_clear)

/* ---- LVM's tools ---- */

/* `ret_out` may be NULL. */
static gboolean
run(const char *const *argv, char **ret_out, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *said = NULL;
    g_autofree char *out = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &said,
                      &status, &local)) {
        gboolean missing = g_error_matches(local, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT);

        g_set_error(error, HV_ERROR, missing ? HV_ERROR_UNSUPPORTED : HV_ERROR_INTERNAL,
                    missing ? "snapshots of logical volumes need LVM's program '%s', which is not "
                              "installed here"
                            : "cannot run '%s'",
                    argv[0]);
        return FALSE;
    }
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "%s failed: %s", argv[0], g_strstrip(said));
        return FALSE;
    }
    if (ret_out)
        *ret_out = g_steal_pointer(&out);
    return TRUE;
}

static gboolean
is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("+.-", *c))
            return FALSE;
    return strlen(name) <= NAME_MAX_PLAIN;
}

/* LVM takes few characters, and some words are its own, all with an underscore. */
static char *
snapshot_volume(const char *origin, const char *snapshot)
{
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, snapshot, -1);

    hash[HASH_CHARS] = '\0';
    return g_strdup_printf("%s-snap-%s", origin, is_plain(snapshot) ? snapshot : hash);
}

static gboolean
look_up(const ConfDisk *disk, const char *snapshot, Volume *ret_volume, GError **error)
{
    const char *const argv[] = { "lvs",         "--noheadings",
                                 "--separator", "|",
                                 "-o",          "vg_name,lv_name,pool_lv",
                                 disk->source,  NULL };
    g_autoptr(GError) local = NULL;
    g_autofree char *out = NULL;
    g_auto(GStrv) fields = NULL;
    g_autofree char *volume = NULL;

    if (!run(argv, &out, &local)) {
        gboolean missing = g_error_matches(local, HV_ERROR, HV_ERROR_UNSUPPORTED);

        g_set_error(error, HV_ERROR, missing ? HV_ERROR_UNSUPPORTED : HV_ERROR_CONFIG,
                    "internal snapshot for disk %s unsupported for storage type raw that is no "
                    "logical volume: %s",
                    disk->target, local->message);
        return FALSE;
    }
    fields = g_strsplit(g_strstrip(out), "|", -1);
    if (g_strv_length(fields) != 3 || strchr(out, '\n')) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "internal snapshot for disk %s unsupported: '%s' is not one logical volume",
                    disk->target, disk->source);
        return FALSE;
    }
    volume = snapshot_volume(fields[1], snapshot);
    *ret_volume = (Volume){ .group = g_strdup(fields[0]),
                            .name = g_strdup(fields[1]),
                            .pool = g_strdup(fields[2]),
                            .snapshot = g_strconcat(fields[0], "/", volume, NULL) };
    return TRUE;
}

static gboolean
exists(const Volume *volume)
{
    const char *const argv[] = { "lvs", "--noheadings", volume->snapshot, NULL };

    return run(argv, NULL, NULL);
}

/* What the host has in its cache of the device belongs into the snapshot, too. */
static gboolean
flush(const ConfDisk *disk, GError **error)
{
    int fd = open(disk->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        hv_set_io_error(error, errno, "flush", disk->source);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A thick one has room for all of its origin: one that overflows is lost. */
static gboolean
make(const Volume *volume, GError **error)
{
    g_autofree char *origin = g_strconcat(volume->group, "/", volume->name, NULL);
    const char *name = strchr(volume->snapshot, '/') + 1;
    const char *const thick[] = { "lvcreate",  "--yes",      "--snapshot", "--name", name,
                                  "--extents", "100%ORIGIN", origin,       NULL };
    const char *const thin[] = { "lvcreate", "--yes", "--snapshot",
                                 "--name",   name,    "--setactivationskip",
                                 "n",        origin,  NULL };

    return run(*volume->pool ? thin : thick, NULL, error);
}

/* ---- what is done to one disk ---- */

gboolean
hv_volume_check(const ConfDisk *disk, GError **error)
{
    g_auto(Volume) volume = { 0 };

    return look_up(disk, "", &volume, error);
}

gboolean
hv_volume_check_free(const ConfDisk *disk, const char *name, GError **error)
{
    g_auto(Volume) volume = { 0 };

    if (!look_up(disk, name, &volume, error))
        return FALSE;
    if (!exists(&volume))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_EXISTS, "there is a logical volume '%s' already",
                volume.snapshot);
    return FALSE;
}

gboolean
hv_volume_create(const ConfDisk *disk, const char *name, GError **error)
{
    g_auto(Volume) volume = { 0 };

    return look_up(disk, name, &volume, error) && flush(disk, error) && make(&volume, error);
}

gboolean
hv_volume_has(const ConfDisk *disk, const char *name, GError **error)
{
    g_auto(Volume) volume = { 0 };

    if (!look_up(disk, name, &volume, error))
        return FALSE;
    if (exists(&volume))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                "the snapshot '%s' of disk '%s' is not there: no logical volume '%s'", name,
                disk->target, volume.snapshot);
    return FALSE;
}

gboolean
hv_volume_revert(const ConfDisk *disk, const char *name, GError **error)
{
    g_auto(Volume) volume = { 0 };
    const char *merge[] = { "lvconvert", "--yes", "--merge", NULL, NULL };

    if (!look_up(disk, name, &volume, error))
        return FALSE;
    merge[3] = volume.snapshot;
    if (exists(&volume) && !run(merge, NULL, error))
        return FALSE;
    if (!exists(&volume))
        return make(&volume, error);
    g_set_error(error, HV_ERROR, HV_ERROR_IO,
                "'%s' is in use: it becomes its snapshot '%s' when it is activated the next time",
                disk->source, volume.snapshot);
    return FALSE;
}

gboolean
hv_volume_delete(const ConfDisk *disk, const char *name, GError **error)
{
    g_auto(Volume) volume = { 0 };
    const char *remove[] = { "lvremove", "--yes", NULL, NULL };

    if (!look_up(disk, name, &volume, error))
        return FALSE;
    remove[2] = volume.snapshot;
    return !exists(&volume) || run(remove, NULL, error);
}
