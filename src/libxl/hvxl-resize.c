/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image that grows or shrinks under a running guest. Who serves it has to be told: a loop device
 * by its file's new size, QEMU by a command; dom0's kernel looks for itself. */
#include "hvxl-device.h"

#include "hvxl-qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
resize_file(const ConfDisk *disk, guint64 bytes, GError **error)
{
    if (truncate(disk->source, (off_t)bytes) == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot resize '%s': %s", disk->source,
                g_strerror(errno));
    return FALSE;
}

/* ---- behind a loop device ---- */

static char *
loop_of(HvEngine *engine, int domid, int devid)
{
    static const char *const nodes[] = { "node", "physical-device-path" };

    for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++) {
        g_autofree char *path = hvxl_xs_read(engine, "/local/domain/0/backend/vbd/%d/%d/%s", domid,
                                             devid, nodes[i]);

        if (path && g_str_has_prefix(path, "/dev/loop"))
            return g_steal_pointer(&path);
    }
    return NULL;
}

static gboolean
tell_loop(const char *loop, GError **error)
{
    int fd = open(loop, O_RDWR | O_CLOEXEC);
    gboolean ok = fd >= 0 && ioctl(fd, LOOP_SET_CAPACITY, 0) == 0;

    if (!ok)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot tell '%s' of its file's new size: %s",
                    loop, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- served by QEMU ---- */

/* The node name that stands closest before the file's name in QEMU's list of block devices, of the
 * format's node, not of the file's own. */
static char *
node_of(const char *answer, const ConfDisk *disk)
{
    g_autofree char *quoted = hvxl_qmp_quote(disk->source);
    g_autofree char *file = g_strconcat("\"file\": ", quoted, NULL);
    const char *at = answer;
    g_autofree char *name = NULL;

    while ((at = strstr(at, file))) {
        const char *name_at = strstr(at, "\"node-name\": \"");
        const char *driver_at = g_strrstr_len(answer, at - answer, "\"drv\": \"");

        if (name_at && driver_at && !g_str_has_prefix(driver_at, "\"drv\": \"file\"")) {
            g_free(name);
            name = hvxl_qmp_string(name_at, "node-name");
        }
        at += strlen(file);
    }
    return g_steal_pointer(&name);
}

static gboolean
resize_by_qemu(int domid, const ConfDisk *disk, guint64 bytes, GError **error)
{
    g_autofree char *list = hvxl_qmp_return(
        domid, "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}", error);
    g_autofree char *node = list ? node_of(list, disk) : NULL;
    g_autofree char *quoted = node ? hvxl_qmp_quote(node) : NULL;
    g_autofree char *command = NULL;
    g_autofree char *answer = NULL;

    if (!list)
        return FALSE;
    if (!node) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the device model of domain id %d does not know the image '%s'", domid,
                    disk->source);
        return FALSE;
    }
    command = g_strdup_printf("{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":%s,"
                              "\"size\":%" G_GUINT64_FORMAT "}}",
                              quoted, bytes);
    answer = hvxl_qmp_return(domid, command, error);
    return answer != NULL;
}

/* ---- the hook ---- */

gboolean
hvxl_block_resize(HvEngine *engine, int domid, const ConfDomain *live, const ConfDisk *disk,
                  guint64 bytes, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autofree char *loop = NULL;
    libxl_device_disk xl;
    libxl_diskinfo info;
    gboolean qemu;
    int rc;

    if (!ctx)
        return FALSE;
    libxl_device_disk_init(&xl);
    libxl_diskinfo_init(&info);
    rc = libxl_vdev_to_device_disk(ctx->libxl, (uint32_t)domid, disk->target, &xl);
    if (rc == 0)
        rc = libxl_device_disk_getinfo(ctx->libxl, (uint32_t)domid, &xl, &info);
    qemu = xl.backend == LIBXL_DISK_BACKEND_QDISK;
    loop = rc == 0 ? loop_of(engine, domid, info.devid) : NULL;
    libxl_diskinfo_dispose(&info);
    libxl_device_disk_dispose(&xl);
    if (rc != 0)
        return hvxl_set_error(ctx, rc, error, "cannot find disk '%s'", disk->target);
    if (qemu)
        return resize_by_qemu(domid, disk, bytes, error);
    if (loop)
        return resize_file(disk, bytes, error) && tell_loop(loop, error);
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "disk '%s' is a block device: resize it by its own tools, the guest sees it then",
                disk->target);
    return FALSE;
}
