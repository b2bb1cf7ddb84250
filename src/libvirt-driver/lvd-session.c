/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event registrations of one client, and libhv's events as messages on its wire.
 *
 * Lock order: session->listen_lock or session->lock (never both), then the client's queue.
 * session->lock is held while messages are queued, so that what a registration held back goes out
 * before what comes after it. lvd_client_send_message() only queues.
 */
#include "lvd-session.h"
#include "lvd-params.h"

#include <string.h>

typedef struct Registration {
    int id;
    int event_id;
    gboolean every; /* no domain filter */
    guint8 uuid[16];
    gboolean legacy;
    /* The call that made this registration, while its reply is not queued; only compared. */
    const LvdCall *call; /* [session lock] */
    GPtrArray *held;     /* [session lock] HvEvent copies since `call`; NULL: none */
} Registration;

struct LvdSession {
    LvdClient *client; /* immutable; outlives the session */
    HvHost *host;      /* immutable */
    GMutex listen_lock;
    guint listener; /* [listen_lock] 0: not listening */
    gint wanted;    /* atomic: one bit an event id that any registration has or had */
    gint n_waiting; /* atomic: registrations whose reply is not queued */
    GMutex lock;
    Registration *every[LVD_N_EVENT_IDS]; /* [lock] without a domain filter */
    GHashTable *filtered;                 /* [lock] set of Registration by event id and uuid */
    GHashTable *by_id;                    /* [lock] id -> Registration, owned */
    int next_id;                          /* [lock] */
};
G_STATIC_ASSERT(LVD_N_EVENT_IDS <= 31);

/* ---- HvEvent -> libvirt's numbers ---- */

/* libvirt's event id of each kind; lifecycle kinds also have a number of their own. */
static const struct {
    int event_id;
    int lifecycle; /* VIR_DOMAIN_EVENT_* */
} event_kinds[] = {
    [HV_EVENT_DEFINED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_DEFINED },
    [HV_EVENT_UNDEFINED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_UNDEFINED },
    [HV_EVENT_STARTED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_STARTED },
    [HV_EVENT_SUSPENDED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_SUSPENDED },
    [HV_EVENT_RESUMED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_RESUMED },
    [HV_EVENT_STOPPED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_STOPPED },
    [HV_EVENT_SHUTDOWN] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_SHUTDOWN },
    [HV_EVENT_CRASHED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CRASHED },
    [HV_EVENT_REBOOT] = { VIR_DOMAIN_EVENT_ID_REBOOT, -1 },
    [HV_EVENT_METADATA_CHANGE] = { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, -1 },
    [HV_EVENT_BALLOON_CHANGE] = { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, -1 },
    [HV_EVENT_DEVICE_ADDED] = { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, -1 },
    [HV_EVENT_DEVICE_REMOVED] = { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, -1 },
    [HV_EVENT_DEVICE_REMOVAL_FAILED] = { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, -1 },
    [HV_EVENT_TRAY_CHANGE] = { VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, -1 },
    [HV_EVENT_PMSUSPENDED] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_PMSUSPENDED },
    [HV_EVENT_PMSUSPEND] = { VIR_DOMAIN_EVENT_ID_PMSUSPEND, -1 },
    [HV_EVENT_PMWAKEUP] = { VIR_DOMAIN_EVENT_ID_PMWAKEUP, -1 },
    [HV_EVENT_TUNABLE] = { VIR_DOMAIN_EVENT_ID_TUNABLE, -1 },
    [HV_EVENT_JOB_COMPLETED] = { VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, -1 },
    [HV_EVENT_RTC_CHANGE] = { VIR_DOMAIN_EVENT_ID_RTC_CHANGE, -1 },
    [HV_EVENT_WATCHDOG] = { VIR_DOMAIN_EVENT_ID_WATCHDOG, -1 },
    [HV_EVENT_DISK_CHANGE] = { VIR_DOMAIN_EVENT_ID_DISK_CHANGE, -1 },
    [HV_EVENT_BLOCK_THRESHOLD] = { VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, -1 },
    [HV_EVENT_CONTROL_ERROR] = { VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, -1 },
    [HV_EVENT_IO_ERROR] = { VIR_DOMAIN_EVENT_ID_IO_ERROR, -1 },
    [HV_EVENT_IO_ERROR_REASON] = { VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, -1 },
    [HV_EVENT_GRAPHICS] = { VIR_DOMAIN_EVENT_ID_GRAPHICS, -1 },
};
G_STATIC_ASSERT(G_N_ELEMENTS(event_kinds) == HV_N_EVENTS);

static const int event_details[] = {
    [HV_DETAIL_NONE] = 0,
    [HV_DETAIL_DEFINED_ADDED] = VIR_DOMAIN_EVENT_DEFINED_ADDED,
    [HV_DETAIL_DEFINED_UPDATED] = VIR_DOMAIN_EVENT_DEFINED_UPDATED,
    [HV_DETAIL_UNDEFINED_REMOVED] = VIR_DOMAIN_EVENT_UNDEFINED_REMOVED,
    [HV_DETAIL_STARTED_BOOTED] = VIR_DOMAIN_EVENT_STARTED_BOOTED,
    [HV_DETAIL_STARTED_RESTORED] = VIR_DOMAIN_EVENT_STARTED_RESTORED,
    [HV_DETAIL_STARTED_WAKEUP] = VIR_DOMAIN_EVENT_STARTED_WAKEUP,
    [HV_DETAIL_SUSPENDED_PAUSED] = VIR_DOMAIN_EVENT_SUSPENDED_PAUSED,
    [HV_DETAIL_SUSPENDED_RESTORED] = VIR_DOMAIN_EVENT_SUSPENDED_RESTORED,
    [HV_DETAIL_RESUMED_UNPAUSED] = VIR_DOMAIN_EVENT_RESUMED_UNPAUSED,
    [HV_DETAIL_STOPPED_SHUTDOWN] = VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN,
    [HV_DETAIL_STOPPED_DESTROYED] = VIR_DOMAIN_EVENT_STOPPED_DESTROYED,
    [HV_DETAIL_STOPPED_CRASHED] = VIR_DOMAIN_EVENT_STOPPED_CRASHED,
    [HV_DETAIL_STOPPED_SAVED] = VIR_DOMAIN_EVENT_STOPPED_SAVED,
    [HV_DETAIL_STOPPED_FAILED] = VIR_DOMAIN_EVENT_STOPPED_FAILED,
    [HV_DETAIL_SHUTDOWN_FINISHED] = VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED,
    [HV_DETAIL_SHUTDOWN_GUEST] = VIR_DOMAIN_EVENT_SHUTDOWN_GUEST,
    [HV_DETAIL_SHUTDOWN_HOST] = VIR_DOMAIN_EVENT_SHUTDOWN_HOST,
    [HV_DETAIL_CRASHED_PANICKED] = VIR_DOMAIN_EVENT_CRASHED_PANICKED,
    [HV_DETAIL_DEFINED_RENAMED] = VIR_DOMAIN_EVENT_DEFINED_RENAMED,
    [HV_DETAIL_UNDEFINED_RENAMED] = VIR_DOMAIN_EVENT_UNDEFINED_RENAMED,
    [HV_DETAIL_PMSUSPENDED_MEMORY] = VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY,
    [HV_DETAIL_DEFINED_FROM_SNAPSHOT] = VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT,
    [HV_DETAIL_STARTED_FROM_SNAPSHOT] = VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT,
    [HV_DETAIL_SUSPENDED_FROM_SNAPSHOT] = VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT,
    [HV_DETAIL_RESUMED_FROM_SNAPSHOT] = VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT,
    [HV_DETAIL_STOPPED_FROM_SNAPSHOT] = VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT,
    [HV_DETAIL_SUSPENDED_IO_ERROR] = VIR_DOMAIN_EVENT_SUSPENDED_IOERROR,
};
G_STATIC_ASSERT(G_N_ELEMENTS(event_details) == HV_N_DETAILS);

static const int metadata_types[] = {
    [HV_METADATA_DESCRIPTION] = VIR_DOMAIN_METADATA_DESCRIPTION,
    [HV_METADATA_TITLE] = VIR_DOMAIN_METADATA_TITLE,
    [HV_METADATA_ELEMENT] = VIR_DOMAIN_METADATA_ELEMENT,
};

static const int watchdog_actions[] = {
    [HV_WATCHDOG_NONE] = VIR_DOMAIN_EVENT_WATCHDOG_NONE,
    [HV_WATCHDOG_PAUSE] = VIR_DOMAIN_EVENT_WATCHDOG_PAUSE,
    [HV_WATCHDOG_RESET] = VIR_DOMAIN_EVENT_WATCHDOG_RESET,
    [HV_WATCHDOG_POWEROFF] = VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF,
};
G_STATIC_ASSERT(G_N_ELEMENTS(watchdog_actions) == HV_N_WATCHDOG_ACTIONS);

static const int io_error_actions[] = {
    [HV_IO_ERROR_NONE] = VIR_DOMAIN_EVENT_IO_ERROR_NONE,
    [HV_IO_ERROR_PAUSE] = VIR_DOMAIN_EVENT_IO_ERROR_PAUSE,
    [HV_IO_ERROR_REPORT] = VIR_DOMAIN_EVENT_IO_ERROR_REPORT,
};
G_STATIC_ASSERT(G_N_ELEMENTS(io_error_actions) == HV_N_IO_ERROR_ACTIONS);

static const int graphics_phases[] = {
    [HV_GRAPHICS_CONNECT] = VIR_DOMAIN_EVENT_GRAPHICS_CONNECT,
    [HV_GRAPHICS_INITIALIZE] = VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE,
    [HV_GRAPHICS_DISCONNECT] = VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT,
};
G_STATIC_ASSERT(G_N_ELEMENTS(graphics_phases) == HV_N_GRAPHICS_PHASES);

static const int address_families[] = {
    [HV_ADDRESS_IPV4] = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV4,
    [HV_ADDRESS_IPV6] = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV6,
    [HV_ADDRESS_UNIX] = VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX,
};
G_STATIC_ASSERT(G_N_ELEMENTS(address_families) == HV_N_ADDRESS_FAMILIES);

/* ---- copies of events that wait for a reply ---- */

static HvEvent *
event_copy(const HvEvent *event)
{
    HvEvent *copy = g_memdup2(event, sizeof *event);

    copy->name = g_strdup(event->name);
    copy->metadata_uri = g_strdup(event->metadata_uri);
    copy->device = g_strdup(event->device);
    copy->path = g_strdup(event->path);
    copy->params = event->params ? g_ptr_array_ref(event->params) : NULL;
    copy->graphics = event->graphics ? hv_graphics_client_ref(event->graphics) : NULL;
    return copy;
}

static void
event_copy_free(gpointer data)
{
    HvEvent *copy = data;

    g_free((char *)copy->name);
    g_free((char *)copy->metadata_uri);
    g_free((char *)copy->device);
    g_free((char *)copy->path);
    g_clear_pointer(&copy->params, g_ptr_array_unref);
    g_clear_pointer(&copy->graphics, hv_graphics_client_unref);
    g_free(copy);
}

/* ---- messages ---- */

/* The message borrows the event's strings: it is encoded before this file returns to libhv. */
static lvd_nonnull_domain
event_domain(const HvEvent *event)
{
    lvd_nonnull_domain dom = { .name = (char *)event->name, .id = event->domid };

    memcpy(dom.uuid, event->uuid, sizeof dom.uuid);
    return dom;
}

static void
send_lifecycle(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_lifecycle_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .event = event_kinds[event->kind].lifecycle,
                 .detail = event_details[event->detail] },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_LIFECYCLE,
                                (xdrproc_t)xdr_lvd_domain_event_lifecycle_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE,
                                (xdrproc_t)xdr_lvd_domain_event_callback_lifecycle_msg, &msg);
}

static void
send_reboot(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_reboot_msg msg = { .callbackID = reg->id,
                                                 .msg = { .dom = event_domain(event) } };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_REBOOT,
                                (xdrproc_t)xdr_lvd_domain_event_reboot_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_REBOOT,
                                (xdrproc_t)xdr_lvd_domain_event_callback_reboot_msg, &msg);
}

static void
send_balloon(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_balloon_change_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event), .actual = event->memory_kib },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_BALLOON_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_balloon_change_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_callback_balloon_change_msg, &msg);
}

/* Has no message of the old kind: its id is above what 167 takes. */
static void
send_metadata(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_text uri = (char *)event->metadata_uri;
    lvd_domain_event_callback_metadata_change_msg msg = {
        .callbackID = reg->id,
        .dom = event_domain(event),
        .type = metadata_types[event->metadata_type],
        .nsuri = uri ? &uri : NULL,
    };

    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
                            (xdrproc_t)xdr_lvd_domain_event_callback_metadata_change_msg, &msg);
}

/* These three have messages of one shape. */
static void
send_device_added(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_device_added_msg msg = { .callbackID = reg->id,
                                                       .dom = event_domain(event),
                                                       .devAlias = (char *)event->device };

    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED,
                            (xdrproc_t)xdr_lvd_domain_event_callback_device_added_msg, &msg);
}

static void
send_device_removal_failed(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_device_removal_failed_msg msg = { .callbackID = reg->id,
                                                                .dom = event_domain(event),
                                                                .devAlias = (char *)event->device };

    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED,
                            (xdrproc_t)xdr_lvd_domain_event_callback_device_removal_failed_msg,
                            &msg);
}

static void
send_device_removed(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_device_removed_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event), .devAlias = (char *)event->device },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_DEVICE_REMOVED,
                                (xdrproc_t)xdr_lvd_domain_event_device_removed_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED,
                                (xdrproc_t)xdr_lvd_domain_event_callback_device_removed_msg, &msg);
}

static void
send_tray(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_tray_change_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .devAlias = (char *)event->device,
                 .reason = event->tray_open ? VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN
                                            : VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_TRAY_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_tray_change_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_callback_tray_change_msg, &msg);
}

static void
send_pmsuspend(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_pmsuspend_msg msg = { .callbackID = reg->id,
                                                    .msg = { .dom = event_domain(event) } };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_PMSUSPEND,
                                (xdrproc_t)xdr_lvd_domain_event_pmsuspend_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_PMSUSPEND,
                                (xdrproc_t)xdr_lvd_domain_event_callback_pmsuspend_msg, &msg);
}

static void
send_pmwakeup(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_pmwakeup_msg msg = { .callbackID = reg->id,
                                                   .msg = { .dom = event_domain(event) } };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_PMWAKEUP,
                                (xdrproc_t)xdr_lvd_domain_event_pmwakeup_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_PMWAKEUP,
                                (xdrproc_t)xdr_lvd_domain_event_callback_pmwakeup_msg, &msg);
}

/* As metadata: of the new kind only. */
static void
send_tunable(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_tunable_msg msg = { .callbackID = reg->id,
                                                  .dom = event_domain(event) };
    GArray *params = lvd_params_new();

    for (guint i = 0; i < event->params->len; i++) {
        const HvEventParam *param = g_ptr_array_index(event->params, i);
        if (param->text)
            lvd_params_add_string(params, param->field, param->text);
        else
            lvd_params_add_ullong(params, param->field, param->number);
    }
    lvd_params_give(params, &msg.params.params_val, &msg.params.params_len);
    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_TUNABLE,
                            (xdrproc_t)xdr_lvd_domain_event_callback_tunable_msg, &msg);
    msg.dom.name = NULL; /* the event's */
    xdr_free((xdrproc_t)xdr_lvd_domain_event_callback_tunable_msg, (char *)&msg);
}

static void
send_job_completed(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_job_completed_msg msg = { .callbackID = reg->id,
                                                        .dom = event_domain(event) };
    GArray *params = lvd_params_new();

    lvd_add_job_stats(params, &event->job);
    lvd_params_give(params, &msg.params.params_val, &msg.params.params_len);
    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_JOB_COMPLETED,
                            (xdrproc_t)xdr_lvd_domain_event_callback_job_completed_msg, &msg);
    msg.dom.name = NULL;
    xdr_free((xdrproc_t)xdr_lvd_domain_event_callback_job_completed_msg, (char *)&msg);
}

static void
send_rtc_change(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_rtc_change_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event), .offset = event->offset },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_RTC_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_rtc_change_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_RTC_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_callback_rtc_change_msg, &msg);
}

static void
send_watchdog(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_watchdog_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event), .action = watchdog_actions[event->watchdog] },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_WATCHDOG,
                                (xdrproc_t)xdr_lvd_domain_event_watchdog_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_WATCHDOG,
                                (xdrproc_t)xdr_lvd_domain_event_callback_watchdog_msg, &msg);
}

static void
send_disk_change(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_text before = (char *)event->path;
    lvd_domain_event_callback_disk_change_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .oldSrcPath = before ? &before : NULL,
                 .devAlias = (char *)(event->device ? event->device : ""),
                 .reason = event->dropped ? VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START
                                          : VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_DISK_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_disk_change_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_DISK_CHANGE,
                                (xdrproc_t)xdr_lvd_domain_event_callback_disk_change_msg, &msg);
}

static void
send_control_error(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_control_error_msg msg = { .callbackID = reg->id,
                                                        .msg = { .dom = event_domain(event) } };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CONTROL_ERROR,
                                (xdrproc_t)xdr_lvd_domain_event_control_error_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_CONTROL_ERROR,
                                (xdrproc_t)xdr_lvd_domain_event_callback_control_error_msg, &msg);
}

/* As metadata: of the new kind only. */
static void
send_threshold(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_text path = (char *)event->path;
    lvd_domain_event_block_threshold_msg msg = {
        .callbackID = reg->id,
        .dom = event_domain(event),
        .dev = (char *)event->device,
        .path = path ? &path : NULL,
        .threshold = event->threshold,
        .excess = event->excess,
    };

    lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_BLOCK_THRESHOLD,
                            (xdrproc_t)xdr_lvd_domain_event_block_threshold_msg, &msg);
}

/* A text that has to be there. */
static char *
or_empty(const char *text)
{
    return (char *)(text ? text : "");
}

static void
send_io_error(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_io_error_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .srcPath = or_empty(event->path),
                 .devAlias = or_empty(event->device),
                 .action = io_error_actions[event->io_error] },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_IO_ERROR,
                                (xdrproc_t)xdr_lvd_domain_event_io_error_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR,
                                (xdrproc_t)xdr_lvd_domain_event_callback_io_error_msg, &msg);
}

static void
send_io_error_reason(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    lvd_domain_event_callback_io_error_reason_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .srcPath = or_empty(event->path),
                 .devAlias = or_empty(event->device),
                 .action = io_error_actions[event->io_error],
                 .reason = or_empty(event->no_space ? "enospc" : NULL) },
    };

    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_IO_ERROR_REASON,
                                (xdrproc_t)xdr_lvd_domain_event_io_error_reason_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON,
                                (xdrproc_t)xdr_lvd_domain_event_callback_io_error_reason_msg, &msg);
}

static lvd_domain_event_graphics_address
graphics_address(const HvGraphicsAddress *address)
{
    return (lvd_domain_event_graphics_address){ .family = address_families[address->family],
                                                .node = or_empty(address->node),
                                                .service = or_empty(address->service) };
}

static void
send_graphics(LvdClient *client, const Registration *reg, const HvEvent *event)
{
    const HvGraphicsClient *who = event->graphics;
    lvd_domain_event_graphics_identity names[2];
    lvd_domain_event_callback_graphics_msg msg = {
        .callbackID = reg->id,
        .msg = { .dom = event_domain(event),
                 .phase = graphics_phases[who->phase],
                 .local = graphics_address(&who->local),
                 .remote = graphics_address(&who->remote),
                 .authScheme = or_empty(who->auth),
                 .subject = { .subject_val = names } },
    };
    guint *n = &msg.msg.subject.subject_len;

    if (who->x509_name)
        names[(*n)++] = (lvd_domain_event_graphics_identity){ .type = (char *)"x509dname",
                                                              .name = who->x509_name };
    if (who->sasl_user)
        names[(*n)++] = (lvd_domain_event_graphics_identity){ .type = (char *)"saslUsername",
                                                              .name = who->sasl_user };
    if (reg->legacy)
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_GRAPHICS,
                                (xdrproc_t)xdr_lvd_domain_event_graphics_msg, &msg.msg);
    else
        lvd_client_send_message(client, LVD_PROC_DOMAIN_EVENT_CALLBACK_GRAPHICS,
                                (xdrproc_t)xdr_lvd_domain_event_callback_graphics_msg, &msg);
}

static void (*const senders[LVD_N_EVENT_IDS])(LvdClient *, const Registration *,
                                              const HvEvent *) = {
    [VIR_DOMAIN_EVENT_ID_LIFECYCLE] = send_lifecycle,
    [VIR_DOMAIN_EVENT_ID_REBOOT] = send_reboot,
    [VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE] = send_balloon,
    [VIR_DOMAIN_EVENT_ID_METADATA_CHANGE] = send_metadata,
    [VIR_DOMAIN_EVENT_ID_DEVICE_ADDED] = send_device_added,
    [VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED] = send_device_removed,
    [VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED] = send_device_removal_failed,
    [VIR_DOMAIN_EVENT_ID_TRAY_CHANGE] = send_tray,
    [VIR_DOMAIN_EVENT_ID_PMSUSPEND] = send_pmsuspend,
    [VIR_DOMAIN_EVENT_ID_PMWAKEUP] = send_pmwakeup,
    [VIR_DOMAIN_EVENT_ID_TUNABLE] = send_tunable,
    [VIR_DOMAIN_EVENT_ID_JOB_COMPLETED] = send_job_completed,
    [VIR_DOMAIN_EVENT_ID_RTC_CHANGE] = send_rtc_change,
    [VIR_DOMAIN_EVENT_ID_WATCHDOG] = send_watchdog,
    [VIR_DOMAIN_EVENT_ID_DISK_CHANGE] = send_disk_change,
    [VIR_DOMAIN_EVENT_ID_CONTROL_ERROR] = send_control_error,
    [VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD] = send_threshold,
    [VIR_DOMAIN_EVENT_ID_IO_ERROR] = send_io_error,
    [VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON] = send_io_error_reason,
    [VIR_DOMAIN_EVENT_ID_GRAPHICS] = send_graphics,
};

/* ---- registrations ---- */

static guint
registration_hash(gconstpointer data)
{
    const Registration *reg = data;
    guint word;

    /* A uuid is random enough that any four bytes of it will do. */
    memcpy(&word, reg->uuid, sizeof word);
    return word ^ ((guint)reg->event_id * 0x9e3779b1u);
}

static gboolean
registration_equal(gconstpointer a, gconstpointer b)
{
    const Registration *one = a, *two = b;

    return one->event_id == two->event_id && memcmp(one->uuid, two->uuid, sizeof one->uuid) == 0;
}

static void
registration_free(gpointer data)
{
    Registration *reg = data;

    g_clear_pointer(&reg->held, g_ptr_array_unref);
    g_free(reg);
}

static Registration *
find_locked(LvdSession *session, int event_id, const guint8 *uuid)
{
    Registration key = { .event_id = event_id };

    if (!uuid)
        return session->every[event_id];
    memcpy(key.uuid, uuid, sizeof key.uuid);
    return g_hash_table_lookup(session->filtered, &key);
}

static void
deliver_locked(LvdSession *session, Registration *reg, const HvEvent *event)
{
    if (!reg)
        return;
    if (!reg->call) {
        senders[reg->event_id](session->client, reg, event);
        return;
    }
    if (!reg->held)
        reg->held = g_ptr_array_new_with_free_func(event_copy_free);
    g_ptr_array_add(reg->held, event_copy(event));
}

/* libhv's dispatcher thread. */
static void
on_event(HvHost *host, const HvEvent *event, gpointer data)
{
    LvdSession *session = data;
    int event_id = event_kinds[event->kind].event_id;

    if (!(g_atomic_int_get(&session->wanted) & (1 << event_id)))
        return;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->lock);
    deliver_locked(session, session->every[event_id], event);
    deliver_locked(session, find_locked(session, event_id, event->uuid), event);
}

/* The lock makes the second of two registrations wait until the first really listens. */
static void
listen_to_host(LvdSession *session)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->listen_lock);

    if (session->listener == 0)
        session->listener = hv_host_add_listener(session->host, on_event, session);
}

static int
new_id_locked(LvdSession *session)
{
    while (g_hash_table_contains(session->by_id, GINT_TO_POINTER(session->next_id)))
        session->next_id = session->next_id == G_MAXINT ? 0 : session->next_id + 1;
    int id = session->next_id;
    session->next_id = id == G_MAXINT ? 0 : id + 1;
    return id;
}

static void
add_locked(LvdSession *session, Registration *reg)
{
    reg->id = new_id_locked(session);
    g_hash_table_insert(session->by_id, GINT_TO_POINTER(reg->id), reg);
    if (reg->every)
        session->every[reg->event_id] = reg;
    else
        g_hash_table_add(session->filtered, reg);
    g_atomic_int_or((guint *)&session->wanted, 1u << reg->event_id);
    if (reg->call)
        g_atomic_int_inc(&session->n_waiting);
}

static void
remove_locked(LvdSession *session, Registration *reg)
{
    if (reg->call)
        g_atomic_int_add(&session->n_waiting, -1);
    if (reg->every)
        session->every[reg->event_id] = NULL;
    else
        g_hash_table_remove(session->filtered, reg);
    g_hash_table_remove(session->by_id, GINT_TO_POINTER(reg->id));
}

gboolean
lvd_session_register(LvdSession *session, LvdCall *call, const LvdRegistration *wanted, int *ret_id,
                     GError **error)
{
    g_assert(wanted->event_id >= 0 && wanted->event_id < LVD_N_EVENT_IDS);
    listen_to_host(session);

    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->lock);
    if (find_locked(session, wanted->event_id, wanted->uuid)) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_NONE,
                      "event callback already tracked");
        return FALSE;
    }
    if (g_hash_table_size(session->by_id) >= LVD_REGISTRATIONS_MAX) {
        lvd_set_error(error, VIR_ERR_OPERATION_FAILED, VIR_FROM_RPC,
                      "this connection has %d event callbacks, which is the most that it may have",
                      LVD_REGISTRATIONS_MAX);
        return FALSE;
    }
    Registration *reg = g_new0(Registration, 1);
    reg->event_id = wanted->event_id;
    reg->every = wanted->uuid == NULL;
    reg->legacy = wanted->legacy;
    reg->call = call;
    if (wanted->uuid)
        memcpy(reg->uuid, wanted->uuid, sizeof reg->uuid);
    add_locked(session, reg);
    *ret_id = reg->id;
    return TRUE;
}

gboolean
lvd_session_deregister(LvdSession *session, int id, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->lock);
    Registration *reg = g_hash_table_lookup(session->by_id, GINT_TO_POINTER(id));

    if (!reg) {
        lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC,
                      "domain event callback %d not registered", id);
        return FALSE;
    }
    remove_locked(session, reg);
    return TRUE;
}

gboolean
lvd_session_deregister_event(LvdSession *session, int event_id, GError **error)
{
    g_assert(event_id >= 0 && event_id < LVD_N_EVENT_IDS);

    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->lock);
    Registration *reg = session->every[event_id];
    if (!reg || !reg->legacy) {
        lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, "domain event %d not registered",
                      event_id);
        return FALSE;
    }
    remove_locked(session, reg);
    return TRUE;
}

/* ---- life ---- */

LvdSession *
lvd_session_new(LvdClient *client, HvHost *host)
{
    LvdSession *session = g_new0(LvdSession, 1);

    session->client = client;
    session->host = hv_host_ref(host);
    g_mutex_init(&session->listen_lock);
    g_mutex_init(&session->lock);
    session->filtered = g_hash_table_new(registration_hash, registration_equal);
    session->by_id = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, registration_free);
    return session;
}

void
lvd_session_free(LvdSession *session)
{
    if (!session)
        return;
    /* Waits until on_event() is out of this session. It takes session->lock, so not under it. */
    if (session->listener)
        hv_host_remove_listener(session->host, session->listener);
    g_hash_table_unref(session->filtered);
    g_hash_table_unref(session->by_id);
    g_mutex_clear(&session->lock);
    g_mutex_clear(&session->listen_lock);
    hv_host_unref(session->host);
    g_free(session);
}

static void
release_locked(LvdSession *session, Registration *reg)
{
    g_autoptr(GPtrArray) held = g_steal_pointer(&reg->held);

    reg->call = NULL;
    g_atomic_int_add(&session->n_waiting, -1);
    for (guint i = 0; held && i < held->len; i++)
        senders[reg->event_id](session->client, reg, g_ptr_array_index(held, i));
}

void
lvd_session_replied(LvdSession *session, LvdCall *call)
{
    GHashTableIter iter;
    gpointer value;

    /* Runs after every call; nearly none of them registered something. */
    if (g_atomic_int_get(&session->n_waiting) == 0)
        return;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&session->lock);
    g_hash_table_iter_init(&iter, session->by_id);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Registration *reg = value;
        if (reg->call == call)
            release_locked(session, reg);
    }
}
