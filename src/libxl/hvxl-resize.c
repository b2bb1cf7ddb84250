/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image that grows or shrinks under a running guest. Who serves it has to be told: a loop device
 * by its file's new size, QEMU by a command; dom0's kernel looks for itself. */
#include "hvxl-device.h"

#include "hvxl-drive.h"
#include "hvxl-json.h"
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

static gboolean
resize_node(int domid, const char *node, guint64 bytes, GError **error)
{
    g_autofree char *quoted = hvxl_json_quote(node);
    g_autofree char *command = g_strdup_printf("{\"execute\":\"block_resize\",\"arguments\":"
                                               "{\"node-name\":%s,\"size\":%" G_GUINT64_FORMAT "}}",
                                               quoted, bytes);
    g_autofree char *answer = hvxl_qmp_return(domid, command, error);

    return answer != NULL;
}

static gboolean
resize_by_qemu(int domid, const ConfDisk *disk, guint64 bytes, GError **error)
{
    g_autofree char *list = hvxl_qmp_nodes(domid, error);
    g_autoptr(GPtrArray) nodes = list ? hvxl_node_names(list, disk->source, FALSE) : NULL;

    if (!nodes)
        return FALSE;
    if (nodes->len == 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the device model of domain id %d does not know the image '%s'", domid,
                    disk->source);
    for (guint i = 0; i < nodes->len; i++) {
        if (!resize_node(domid, nodes->pdata[i], bytes, error))
            return FALSE;
    }
    return nodes->len > 0;
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
