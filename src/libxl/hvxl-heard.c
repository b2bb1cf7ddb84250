/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is heard from device models (hvxl-monitor.h): which disk and which domain it is about, and
 * the thresholds that are told of. */
#include "hvxl-device.h"

#include "hvxl-drive.h"
#include "hvxl-hooks.h"
#include "hvxl-json.h"
#include "hvxl-monitor.h"
#include "hvxl-qmp.h"

#include <string.h>

/* libxl takes a device model away from a paused domain, and waits up to 40 s for each device before
 * the domain itself goes. */
#define PATIENCE_MS 60000

/* ---- domains ---- */

static HvxlMonitorLife
life_of(int domid, const guint8 uuid[16], gpointer data)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(data, NULL);
    HvEngineDomain seen;

    if (!ctx || !hvxl_seen_one(ctx, domid, &seen) || seen.dying || seen.shutdown ||
        memcmp(seen.uuid, uuid, sizeof(seen.uuid)) != 0)
        return HVXL_MONITOR_GONE;
    return seen.paused ? HVXL_MONITOR_PAUSED : HVXL_MONITOR_RUNS;
}

HvxlMonitors *
hvxl_heard_new(HvEngine *engine, GError **error)
{
    const HvxlMonitorConfig config = {
        .folder = HVXL_MONITOR_FOLDER,
        .event = engine->event,
        .event_data = engine->event_data,
        .life = life_of,
        .life_data = engine,
        .patience_ms = PATIENCE_MS,
    };

    return hvxl_monitors_new(&config, error);
}

/* ---- disks ---- */

/* Nodes have names of QEMU's own choice ("#block123") where libxl gives them none. */
static const ConfDisk *
find_by_node(int domid, const ConfDomain *live, const char *name)
{
    g_autofree char *nodes = hvxl_qmp_nodes(domid, NULL);
    g_autofree char *file = hvxl_node_file(nodes, name);

    for (guint i = 0; file && i < live->disks->len; i++) {
        const ConfDisk *disk = live->disks->pdata[i];

        if (g_strcmp0(disk->source, file) == 0)
            return disk;
    }
    return NULL;
}

const ConfDisk *
hvxl_event_disk(HvEngine *engine, int domid, const ConfDomain *live, const char *target)
{
    const ConfDisk *disk = hvxl_drive_find_disk(target, live);

    return disk ? disk : find_by_node(domid, live, target);
}

/* ---- thresholds ---- */

static gboolean
set_threshold(int domid, const char *node, guint64 bytes, GError **error)
{
    g_autofree char *quoted = hvxl_json_quote(node);
    g_autofree char *command = g_strdup_printf("{\"execute\":\"block-set-write-threshold\","
                                               "\"arguments\":{\"node-name\":%s,"
                                               "\"write-threshold\":%" G_GUINT64_FORMAT "}}",
                                               quoted, bytes);
    g_autofree char *answer = hvxl_qmp_return(domid, command, error);

    return answer != NULL;
}

/* Of the file itself: what a guest writes to an image with a format ends up anywhere in it. A disk
 * that is emulated, too, is written to by one of its two drives: there will be one event. */
gboolean
hvxl_set_block_threshold(HvEngine *engine, int domid, const ConfDisk *disk, guint64 bytes,
                         GError **error)
{
    g_autofree char *list = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!hvxl_monitors_hears(engine->monitors, domid)) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "a threshold of disk '%s': domain id %d has no device model that this driver "
                    "listens to",
                    disk->target, domid);
        return FALSE;
    }
    list = hvxl_qmp_nodes(domid, error);
    if (!list)
        return FALSE;
    nodes = hvxl_node_names(list, disk->source ? disk->source : "", TRUE);
    if (nodes->len == 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "a threshold of disk '%s', whose data QEMU does not write; a disk with "
                    "<driver name='qemu'/> can have one",
                    disk->target);
        return FALSE;
    }
    for (guint i = 0; i < nodes->len; i++) {
        if (!set_threshold(domid, nodes->pdata[i], bytes, error))
            return FALSE;
    }
    return TRUE;
}
