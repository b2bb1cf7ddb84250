/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What device models tell by themselves: trays, I/O errors, thresholds, clients of a screen; and
 * that one has ended while its domain goes on.
 *
 * Each device model that we start has a QMP socket for us alone, beside the two that libxl gives
 * it. QEMU talks to one client of a socket at a time, so none of those can be held for good:
 * libxl's own is libxl's, and xenstat's is what xentop asks for figures, and we for commands
 * (hvxl-qmp.h). A device model that somebody else started has no third one, and a running QEMU
 * takes none: of such a domain there are no such events.
 *
 * Names    The socket is named after the domain's uuid, in the folder of libxl's own, which is
 *          there wherever libxl starts a device model: libxl's record of the domain, which an image
 *          of `xl save` takes to another host, has these arguments, too.
 * Threads  One thread has all connections. What is called from others only queues.
 * Media    QEMU keeps the file of a medium that libxl has handed to it as long as any monitor is
 *          connected, so after a tray has moved the connection is made anew. What moves in the
 *          milliseconds between is not told.
 * Input    A device model may be in its guest's hands. A line has a bounded length, and a second a
 *          bounded number of bytes and of events; what breaks that costs its own connection.
 */
#pragma once

#include <hv/engine.h>

#define HVXL_MONITOR_FOLDER "/var/run/xen"

typedef struct HvxlMonitors HvxlMonitors;

typedef enum HvxlMonitorLife {
    HVXL_MONITOR_GONE,   /* the domain has ended, or is about to */
    HVXL_MONITOR_PAUSED, /* as libxl leaves it while it takes a domain apart, or by anybody's wish
                          */
    HVXL_MONITOR_RUNS,
} HvxlMonitorLife;

typedef struct HvxlMonitorConfig {
    const char *folder; /* not kept */
    /* Called on the monitors' thread, which must not wait for long. */
    HvEngineEventFunc event;
    HvxlMonitorLife (*life)(int domid, const guint8 uuid[16], gpointer data);
    gpointer event_data, life_data;
    gint64 (*clock)(void); /* NULL: g_get_monotonic_time() */
    guint patience_ms;     /* for a paused domain whose device model has ended to be gone */
} HvxlMonitorConfig;

/* Arguments of QEMU for a domain: g_strfreev() them. No converter shows them:
 * conf_is_monitor_argument(). */
char **hvxl_monitor_arguments(const char *folder, const guint8 uuid[16]);

HvxlMonitors *hvxl_monitors_new(const HvxlMonitorConfig *config, GError **error);
void hvxl_monitors_free(HvxlMonitors *monitors); /* joins the thread; accepts NULL */

/* A domain is there, with a device model of ours or not. */
void hvxl_monitors_add(HvxlMonitors *monitors, int domid, const guint8 uuid[16]);
/* It is no more; that its device model ends is no news. */
void hvxl_monitors_remove(HvxlMonitors *monitors, int domid);
/* Its events will be told, as far as is known. */
gboolean hvxl_monitors_hears(HvxlMonitors *monitors, int domid);
/* Between the two, moves of trays are our own doing, and not told. Both return at once: what the
 * device model said before heed() is still not told. */
void hvxl_monitors_ignore_trays(HvxlMonitors *monitors, int domid);
void hvxl_monitors_heed_trays(HvxlMonitors *monitors, int domid);
