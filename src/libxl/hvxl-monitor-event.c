/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-monitor-event.h"

#include "hvxl-json.h"

/* An event of QEMU's. The clock and the watchdog of a guest are Xen's, its balloon is seen in its
 * memory: what QEMU says of them is not the guest's. */
typedef struct Kind {
    const char *name;
    gboolean (*read)(const char *data, const struct Kind *kind, HvEngineEvent *event);
    HvGraphicsPhase phase;
} Kind;

/* ---- disks ---- */

/* The name that QEMU has for a drive. FALSE: none that could be found again. */
static gboolean
read_name(const char *data, const char *key, const char *otherwise, HvEngineEvent *event)
{
    g_autofree char *name = hvxl_json_string(hvxl_json_get(data, key));

    if (otherwise && (!name || !*name)) {
        g_free(name);
        name = hvxl_json_string(hvxl_json_get(data, otherwise));
    }
    return name && *name &&
           g_strlcpy(event->target, name, sizeof(event->target)) < sizeof(event->target);
}

static gboolean
read_tray(const char *data, const Kind *kind, HvEngineEvent *event)
{
    event->kind = HV_ENGINE_EVENT_TRAY;
    event->value = hvxl_json_true(hvxl_json_get(data, "tray-open"));
    return read_name(data, "device", "id", event);
}

static gboolean
read_threshold(const char *data, const Kind *kind, HvEngineEvent *event)
{
    guint64 threshold;

    event->kind = HV_ENGINE_EVENT_WRITTEN;
    if (!hvxl_json_uint(hvxl_json_get(data, "write-threshold"), &threshold) ||
        threshold > G_MAXINT64 ||
        !hvxl_json_uint(hvxl_json_get(data, "amount-exceeded"), &event->excess))
        return FALSE;
    event->value = (gint64)threshold;
    return read_name(data, "node-name", NULL, event);
}

static gboolean
read_io_error(const char *data, const Kind *kind, HvEngineEvent *event)
{
    const char *action = hvxl_json_get(data, "action");

    event->kind = HV_ENGINE_EVENT_IO_ERROR;
    event->code = hvxl_json_is(action, "stop")     ? HV_IO_ERROR_PAUSE
                  : hvxl_json_is(action, "report") ? HV_IO_ERROR_REPORT
                                                   : HV_IO_ERROR_NONE;
    event->value = hvxl_json_true(hvxl_json_get(data, "nospace"));
    return read_name(data, "device", "node-name", event);
}

/* ---- clients of a screen ---- */

/* VNC has a "service", SPICE a "port". */
static void
read_address(const char *peer, HvGraphicsAddress *address)
{
    const char *family = hvxl_json_get(peer, "family");

    address->family = hvxl_json_is(family, "ipv6")   ? HV_ADDRESS_IPV6
                      : hvxl_json_is(family, "unix") ? HV_ADDRESS_UNIX
                                                     : HV_ADDRESS_IPV4;
    address->node = hvxl_json_string(hvxl_json_get(peer, "host"));
    address->service = hvxl_json_string(hvxl_json_get(peer, "service"));
    if (!address->service)
        address->service = hvxl_json_string(hvxl_json_get(peer, "port"));
}

static gboolean
read_graphics(const char *data, const Kind *kind, HvEngineEvent *event)
{
    const char *server = hvxl_json_get(data, "server");
    const char *peer = hvxl_json_get(data, "client");

    if (!server || !peer)
        return FALSE;
    event->kind = HV_ENGINE_EVENT_GRAPHICS;
    event->graphics = hv_graphics_client_new();
    event->graphics->phase = kind->phase;
    read_address(server, &event->graphics->local);
    read_address(peer, &event->graphics->remote);
    event->graphics->auth = hvxl_json_string(hvxl_json_get(server, "auth"));
    event->graphics->x509_name = hvxl_json_string(hvxl_json_get(peer, "x509_dname"));
    event->graphics->sasl_user = hvxl_json_string(hvxl_json_get(peer, "sasl_username"));
    return TRUE;
}

/* ---- all of them ---- */

static const Kind kinds[] = {
    { "DEVICE_TRAY_MOVED", read_tray },
    { "BLOCK_WRITE_THRESHOLD", read_threshold },
    { "BLOCK_IO_ERROR", read_io_error },
    { "VNC_CONNECTED", read_graphics, HV_GRAPHICS_CONNECT },
    { "VNC_INITIALIZED", read_graphics, HV_GRAPHICS_INITIALIZE },
    { "VNC_DISCONNECTED", read_graphics, HV_GRAPHICS_DISCONNECT },
    { "SPICE_CONNECTED", read_graphics, HV_GRAPHICS_CONNECT },
    { "SPICE_INITIALIZED", read_graphics, HV_GRAPHICS_INITIALIZE },
    { "SPICE_DISCONNECTED", read_graphics, HV_GRAPHICS_DISCONNECT },
};

gboolean
hvxl_monitor_parse_event(const char *line, HvEngineEvent *ret_event)
{
    g_autofree char *name = hvxl_json_string(hvxl_json_get(line, "event"));
    HvEngineEvent event = { 0 };

    for (gsize i = 0; name && i < G_N_ELEMENTS(kinds); i++) {
        if (!g_str_equal(kinds[i].name, name))
            continue;
        if (!kinds[i].read(hvxl_json_get(line, "data"), &kinds[i], &event))
            return FALSE;
        *ret_event = event;
        return TRUE;
    }
    return FALSE;
}
