/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-monitor.h"

#include "hvxl-json.h"
#include "hvxl-monitor-event.h"

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv-libxl"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES    (64u << 10)
#define SECOND_MAX_BYTES  (1u << 20)
#define SECOND_MAX_EVENTS 100
#define CHUNK             16384
#define BATCH             32
#define LOOK_MS           200 /* between two looks whether a domain ends with its device model */
/* libxl has done what a tray moved for. */
#define RENEW_AFTER (2 * G_TIME_SPAN_SECOND)
#define NO_DOMID    G_MAXUINT64

/* One device model. All is the thread's. */
typedef struct Monitor {
    int domid;
    guint8 uuid[16];
    int epoll; /* the monitors' */
    int fd;    /* -1: it has ended; the domain is looked at until that is clear */
    GString *in;
    gboolean greeted;
    gint64 second; /* when the second that is counted began */
    gsize bytes;   /* in it */
    guint events;
    gint64 patience_end; /* monotonic */
    gint64 renew_at;     /* monotonic; 0: the connection is as good as a new one */
} Monitor;

typedef enum OrderKind {
    ORDER_ADD,
    ORDER_REMOVE,
    ORDER_HEED,
} OrderKind;

typedef struct Order {
    OrderKind kind;
    int domid;
    guint8 uuid[16];
} Order;

struct HvxlMonitors {
    HvxlMonitorConfig config; /* immutable */
    char *folder;             /* immutable; config.folder is the caller's */
    int epoll, wake_fd;       /* immutable */
    GThread *thread;          /* immutable between new and free */
    gint stopping;            /* atomic */
    GMutex lock;              /* never held across a system call, nor of the functions in config */
    GArray *orders;           /* [lock] Order */
    GHashTable *heard;        /* [lock] set of domain ids: to be connected to, or connected */
    GHashTable *ignored;      /* [lock] domain id -> how many have said so */
    GHashTable *monitors;     /* the thread's: domain id -> Monitor */
    guint n_ended;            /* the thread's: monitors without a connection */
    guint n_old;              /* the thread's: monitors that will be renewed */
    gint64 next_look;         /* the thread's: monotonic, at their domains */
};

/* A child that libxl forks, and that lives as long as a large domain takes to go, has a copy of the
 * socket. So closing it ends nothing: QEMU would still talk to us, and epoll tell us of it. */
static void
disconnect(Monitor *monitor)
{
    if (monitor->fd < 0)
        return;
    epoll_ctl(monitor->epoll, EPOLL_CTL_DEL, monitor->fd, NULL);
    shutdown(monitor->fd, SHUT_RDWR);
    close(monitor->fd);
    monitor->fd = -1;
}

static void
monitor_free(gpointer data)
{
    Monitor *monitor = data;

    disconnect(monitor);
    g_string_free(monitor->in, TRUE);
    g_free(monitor);
}

/* ---- names ---- */

static char *
socket_path(const char *folder, const guint8 uuid[16])
{
    char text[37];

    conf_uuid_format(uuid, text);
    return g_strdup_printf("%s/qmp-xlvirt-%s", folder, text);
}

char **
hvxl_monitor_arguments(const char *folder, const guint8 uuid[16])
{
    g_autofree char *path = socket_path(folder, uuid);
    char **arguments = g_new0(char *, 5);

    arguments[0] = g_strdup("-chardev");
    arguments[1] = g_strdup_printf("socket,id=" CONF_MONITOR_ID ",path=%s,server=on,wait=off",
                                   path);
    arguments[2] = g_strdup("-mon");
    arguments[3] = g_strdup("chardev=" CONF_MONITOR_ID ",mode=control");
    return arguments;
}

/* ---- the end of one ---- */

static void
set_renewal(HvxlMonitors *monitors, Monitor *monitor, gint64 when)
{
    monitors->n_old += (when != 0) - (monitor->renew_at != 0);
    monitor->renew_at = when;
}

static void
set_heard(HvxlMonitors *monitors, int domid, gboolean heard)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&monitors->lock);

    if (heard)
        g_hash_table_add(monitors->heard, GINT_TO_POINTER(domid));
    else
        g_hash_table_remove(monitors->heard, GINT_TO_POINTER(domid));
}

static void
forget(HvxlMonitors *monitors, Monitor *monitor)
{
    set_heard(monitors, monitor->domid, FALSE);
    if (monitor->fd < 0)
        monitors->n_ended--;
    set_renewal(monitors, monitor, 0);
    g_hash_table_remove(monitors->monitors, GINT_TO_POINTER(monitor->domid));
}

static void
tell(HvxlMonitors *monitors, const Monitor *monitor, HvEngineEvent *event)
{
    event->domid = monitor->domid;
    memcpy(event->uuid, monitor->uuid, sizeof(event->uuid));
    monitors->config.event(event, monitors->config.event_data);
}

/* A killed device model leaves its socket. */
static void
tell_lost(HvxlMonitors *monitors, Monitor *monitor)
{
    g_autofree char *path = socket_path(monitors->folder, monitor->uuid);
    HvEngineEvent event = { .kind = HV_ENGINE_EVENT_LOST };

    unlink(path);
    tell(monitors, monitor, &event);
    forget(monitors, monitor);
}

/* Who takes a domain apart pauses it before its device model ends, so one that runs has lost it. Of
 * one that is paused time will tell. */
static void
look_at(HvxlMonitors *monitors, Monitor *monitor)
{
    HvxlMonitorLife life = monitors->config.life(monitor->domid, monitor->uuid,
                                                 monitors->config.life_data);

    if (life == HVXL_MONITOR_GONE)
        forget(monitors, monitor);
    else if (life == HVXL_MONITOR_RUNS || monitors->config.clock() >= monitor->patience_end)
        tell_lost(monitors, monitor);
}

static void
look_at_ended(HvxlMonitors *monitors)
{
    gint64 now = monitors->config.clock();
    g_autoptr(GList) all = NULL;

    if (monitors->n_ended == 0 || now < monitors->next_look)
        return;
    monitors->next_look = now + LOOK_MS * G_TIME_SPAN_MILLISECOND;
    all = g_hash_table_get_values(monitors->monitors);
    for (GList *at = all; at; at = at->next) {
        Monitor *monitor = at->data;

        if (monitor->fd < 0)
            look_at(monitors, monitor);
    }
}

static void
hang_up(HvxlMonitors *monitors, Monitor *monitor, const char *why)
{
    if (why)
        g_warning("the device model of domain id %d %s; its events are not heard any more",
                  monitor->domid, why);
    disconnect(monitor);
    set_renewal(monitors, monitor, 0);
    set_heard(monitors, monitor->domid, FALSE);
    monitors->n_ended++;
    monitor->patience_end = monitors->config.clock() +
                            monitors->config.patience_ms * G_TIME_SPAN_MILLISECOND;
    look_at(monitors, monitor);
}

/* ---- what it says ---- */

static gboolean
is_ignored(HvxlMonitors *monitors, const Monitor *monitor, const HvEngineEvent *event)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&monitors->lock);

    return event->kind == HV_ENGINE_EVENT_TRAY &&
           g_hash_table_contains(monitors->ignored, GINT_TO_POINTER(monitor->domid));
}

/* FALSE: more of them than anybody wants to hear. */
static gboolean
count_event(Monitor *monitor)
{
    if (++monitor->events == SECOND_MAX_EVENTS + 1)
        g_warning("the device model of domain id %d has more than %d events a second; the others "
                  "are left out",
                  monitor->domid, SECOND_MAX_EVENTS);
    return monitor->events <= SECOND_MAX_EVENTS;
}

static void
hear_event(HvxlMonitors *monitors, Monitor *monitor, const char *line)
{
    HvEngineEvent event;

    if (!hvxl_monitor_parse_event(line, &event))
        return;
    if (event.kind == HV_ENGINE_EVENT_TRAY)
        set_renewal(monitors, monitor, monitors->config.clock() + RENEW_AFTER);
    if (!is_ignored(monitors, monitor, &event) && count_event(monitor))
        tell(monitors, monitor, &event);
    g_clear_pointer(&event.graphics, hv_graphics_client_unref);
}

/* It is the first thing that is sent, so there is room for it. */
static gboolean
answer_greeting(Monitor *monitor)
{
    static const char ready[] = "{\"execute\":\"qmp_capabilities\"}\n";

    monitor->greeted = TRUE;
    return send(monitor->fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           (gssize)sizeof(ready) - 1;
}

/* FALSE: that is not QMP. */
static gboolean
hear_line(HvxlMonitors *monitors, Monitor *monitor, const char *line, gsize len)
{
    if (strlen(line) == len && line[strspn(line, " \t\r")] == '\0')
        return TRUE;
    if (strlen(line) != len || !hvxl_json_is_object(line))
        return FALSE;
    if (!monitor->greeted)
        return hvxl_json_get(line, "QMP") && answer_greeting(monitor);
    if (hvxl_json_get(line, "event")) {
        hear_event(monitors, monitor, line);
        return TRUE;
    }
    return hvxl_json_get(line, "return") != NULL;
}

/* No line ends before `from`. NULL: all is well. */
static const char *
hear_lines(HvxlMonitors *monitors, Monitor *monitor, gsize from)
{
    gsize done = 0;
    char *end;

    while ((end = memchr(monitor->in->str + from, '\n', monitor->in->len - from))) {
        char *line = monitor->in->str + done;

        *end = '\0';
        if (!hear_line(monitors, monitor, line, (gsize)(end - line)))
            return "says what is not QMP";
        from = done += (gsize)(end - line) + 1;
    }
    g_string_erase(monitor->in, 0, (gssize)done);
    return monitor->in->len > LINE_MAX_BYTES ? "says a line without an end" : NULL;
}

/* FALSE: more than anybody has to say. */
static gboolean
count(const HvxlMonitors *monitors, Monitor *monitor, gsize bytes)
{
    gint64 now = monitors->config.clock();

    if (now - monitor->second >= G_TIME_SPAN_SECOND) {
        monitor->second = now;
        monitor->bytes = monitor->events = 0;
    }
    monitor->bytes += bytes;
    return monitor->bytes <= SECOND_MAX_BYTES;
}

/* One chunk, so that nobody keeps the others waiting: epoll comes back to it. FALSE: there was
 * none, or its connection is closed. */
static gboolean
hear(HvxlMonitors *monitors, Monitor *monitor)
{
    char chunk[CHUNK];
    ssize_t n = recv(monitor->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    const char *why = NULL;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return FALSE;
    if (n > 0 && !count(monitors, monitor, (gsize)n)) {
        why = "says more than a MiB a second";
    } else if (n > 0) {
        g_string_append_len(monitor->in, chunk, n);
        why = hear_lines(monitors, monitor, monitor->in->len - (gsize)n);
    }
    if (n > 0 && !why)
        return TRUE;
    hang_up(monitors, monitor, why);
    return FALSE;
}

/* ---- orders ---- */

/* -1: this domain has no socket of ours. */
static int
connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return -1;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (fd < 0 || (errno != ENOENT && errno != ECONNREFUSED))
        g_warning("cannot connect to '%s': %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static Monitor *
find(HvxlMonitors *monitors, int domid)
{
    return g_hash_table_lookup(monitors->monitors, GINT_TO_POINTER(domid));
}

/* FALSE: nobody will hear of what it says. */
static gboolean
listen_to(HvxlMonitors *monitors, const Monitor *monitor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (guint64)monitor->domid };

    if (epoll_ctl(monitors->epoll, EPOLL_CTL_ADD, monitor->fd, &event) == 0)
        return TRUE;
    g_warning("cannot listen to the device model of domain id %d: %s", monitor->domid,
              g_strerror(errno));
    return FALSE;
}

/* QEMU closes the files that libxl handed to it for a medium when that is out and no monitor is
 * connected, so one that always is would keep them open. */
static void
renew(HvxlMonitors *monitors, Monitor *monitor)
{
    g_autofree char *path = socket_path(monitors->folder, monitor->uuid);
    int fd = connect_to(path);

    set_renewal(monitors, monitor, 0);
    if (fd < 0)
        return;
    disconnect(monitor);
    monitor->fd = fd;
    monitor->greeted = FALSE;
    g_string_truncate(monitor->in, 0);
    if (!listen_to(monitors, monitor))
        forget(monitors, monitor);
}

static void
renew_old(HvxlMonitors *monitors)
{
    g_autoptr(GList) all = monitors->n_old ? g_hash_table_get_values(monitors->monitors) : NULL;
    gint64 now = monitors->config.clock();

    for (GList *at = all; at; at = at->next) {
        Monitor *monitor = at->data;

        if (monitor->renew_at != 0 && monitor->renew_at <= now)
            renew(monitors, monitor);
    }
}

static void
add(HvxlMonitors *monitors, const Order *order)
{
    g_autofree char *path = socket_path(monitors->folder, order->uuid);
    Monitor *monitor = find(monitors, order->domid);
    int fd;

    if (monitor && memcmp(monitor->uuid, order->uuid, sizeof(monitor->uuid)) == 0)
        return;
    if (monitor)
        forget(monitors, monitor);
    fd = connect_to(path);
    if (fd < 0) {
        set_heard(monitors, order->domid, FALSE);
        return;
    }
    monitor = g_new0(Monitor, 1);
    monitor->domid = order->domid;
    monitor->epoll = monitors->epoll;
    memcpy(monitor->uuid, order->uuid, sizeof(monitor->uuid));
    monitor->fd = fd;
    monitor->in = g_string_new(NULL);
    g_hash_table_insert(monitors->monitors, GINT_TO_POINTER(order->domid), monitor);
    /* The end of another domain of this id may have been heard of since the order was given. */
    set_heard(monitors, order->domid, TRUE);
    if (!listen_to(monitors, monitor))
        forget(monitors, monitor);
}

/* What the device model has said by now came before this order was given. */
static void
heed(HvxlMonitors *monitors, int domid)
{
    Monitor *monitor = find(monitors, domid);
    gpointer id = GINT_TO_POINTER(domid);
    guint n;

    while (monitor && monitor->fd >= 0 && hear(monitors, monitor))
        continue;
    /* What is heard last may be its end. */
    monitor = find(monitors, domid);
    g_mutex_lock(&monitors->lock);
    n = GPOINTER_TO_UINT(g_hash_table_lookup(monitors->ignored, id));
    if (n > 1)
        g_hash_table_insert(monitors->ignored, id, GUINT_TO_POINTER(n - 1));
    else
        g_hash_table_remove(monitors->ignored, id);
    g_mutex_unlock(&monitors->lock);
    if (monitor && monitor->fd >= 0 && n <= 1)
        renew(monitors, monitor);
}

static void
obey(HvxlMonitors *monitors, const Order *order)
{
    Monitor *monitor = find(monitors, order->domid);

    switch (order->kind) {
    case ORDER_ADD:
        add(monitors, order);
        break;
    case ORDER_REMOVE:
        if (monitor)
            forget(monitors, monitor);
        break;
    case ORDER_HEED:
        heed(monitors, order->domid);
        break;
    }
}

static void
obey_all(HvxlMonitors *monitors)
{
    g_autoptr(GArray) orders = NULL;
    guint64 n_wakes;

    while (read(monitors->wake_fd, &n_wakes, sizeof(n_wakes)) < 0 && errno == EINTR)
        continue;
    g_mutex_lock(&monitors->lock);
    orders = g_steal_pointer(&monitors->orders);
    monitors->orders = g_array_new(FALSE, FALSE, sizeof(Order));
    g_mutex_unlock(&monitors->lock);
    for (guint i = 0; i < orders->len; i++)
        obey(monitors, &g_array_index(orders, Order, i));
}

static void
wake(HvxlMonitors *monitors)
{
    guint64 one = 1;

    while (write(monitors->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void
give_order(HvxlMonitors *monitors, OrderKind kind, int domid, const guint8 *uuid)
{
    Order order = { .kind = kind, .domid = domid };

    if (!monitors->thread)
        return;
    if (uuid)
        memcpy(order.uuid, uuid, sizeof(order.uuid));
    g_mutex_lock(&monitors->lock);
    g_array_append_val(monitors->orders, order);
    if (kind == ORDER_ADD)
        g_hash_table_add(monitors->heard, GINT_TO_POINTER(domid));
    g_mutex_unlock(&monitors->lock);
    wake(monitors);
}

void
hvxl_monitors_add(HvxlMonitors *monitors, int domid, const guint8 uuid[16])
{
    give_order(monitors, ORDER_ADD, domid, uuid);
}

void
hvxl_monitors_remove(HvxlMonitors *monitors, int domid)
{
    give_order(monitors, ORDER_REMOVE, domid, NULL);
}

gboolean
hvxl_monitors_hears(HvxlMonitors *monitors, int domid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&monitors->lock);

    return g_hash_table_contains(monitors->heard, GINT_TO_POINTER(domid));
}

void
hvxl_monitors_ignore_trays(HvxlMonitors *monitors, int domid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&monitors->lock);
    gpointer id = GINT_TO_POINTER(domid);
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(monitors->ignored, id));

    g_hash_table_insert(monitors->ignored, id, GUINT_TO_POINTER(n + 1));
}

void
hvxl_monitors_heed_trays(HvxlMonitors *monitors, int domid)
{
    give_order(monitors, ORDER_HEED, domid, NULL);
}

/* ---- the thread ---- */

static gpointer
run(gpointer data)
{
    HvxlMonitors *monitors = data;

    while (!g_atomic_int_get(&monitors->stopping)) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(monitors->epoll, events, BATCH,
                           monitors->n_ended + monitors->n_old ? LOOK_MS : -1);

        for (int i = 0; i < n; i++) {
            Monitor *monitor = NULL;

            if (events[i].data.u64 == NO_DOMID)
                obey_all(monitors);
            else
                monitor = find(monitors, (int)events[i].data.u64);
            if (monitor && monitor->fd >= 0)
                hear(monitors, monitor);
        }
        look_at_ended(monitors);
        renew_old(monitors);
    }
    return NULL;
}

HvxlMonitors *
hvxl_monitors_new(const HvxlMonitorConfig *config, GError **error)
{
    HvxlMonitors *monitors = g_new0(HvxlMonitors, 1);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = NO_DOMID };

    monitors->config = *config;
    monitors->folder = g_strdup(config->folder);
    if (!monitors->config.clock)
        monitors->config.clock = g_get_monotonic_time;
    g_mutex_init(&monitors->lock);
    monitors->orders = g_array_new(FALSE, FALSE, sizeof(Order));
    monitors->heard = g_hash_table_new(NULL, NULL);
    monitors->ignored = g_hash_table_new(NULL, NULL);
    monitors->monitors = g_hash_table_new_full(NULL, NULL, NULL, monitor_free);
    monitors->epoll = epoll_create1(EPOLL_CLOEXEC);
    monitors->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (monitors->epoll < 0 || monitors->wake_fd < 0 ||
        epoll_ctl(monitors->epoll, EPOLL_CTL_ADD, monitors->wake_fd, &event) != 0)
        g_set_error(error, HV_ERROR, HV_ERROR_INTERNAL, "cannot listen to device models: %s",
                    g_strerror(errno));
    else
        monitors->thread = hv_thread_new("hvxl-monitor", run, monitors, error);
    if (!monitors->thread)
        g_clear_pointer(&monitors, hvxl_monitors_free);
    return monitors;
}

void
hvxl_monitors_free(HvxlMonitors *monitors)
{
    if (!monitors)
        return;
    if (monitors->thread) {
        g_atomic_int_set(&monitors->stopping, TRUE);
        wake(monitors);
        g_thread_join(monitors->thread);
    }
    g_hash_table_unref(monitors->monitors);
    if (monitors->epoll >= 0)
        close(monitors->epoll);
    if (monitors->wake_fd >= 0)
        close(monitors->wake_fd);
    g_hash_table_unref(monitors->heard);
    g_hash_table_unref(monitors->ignored);
    g_array_unref(monitors->orders);
    g_mutex_clear(&monitors->lock);
    g_free(monitors->folder);
    g_free(monitors);
}
