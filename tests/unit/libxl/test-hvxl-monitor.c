/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device models that tell something: sockets of this process, which say what the case wants. Time
 * stands still unless a case moves it. */
#include "libxl/hvxl-monitor.h"

#include "libxl/hvxl-monitor-event.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/sockios.h>
#include <unistd.h>

#define PATIENCE_MS 1000
#define HELD        "held"
#define READY       "{\"execute\":\"qmp_capabilities\"}\n"
#define GREETING    "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define TRAY(name, open)                                                                           \
    "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"DEVICE_TRAY_MOVED\", "    \
    "\"data\": {\"device\": \"" name "\", \"tray-open\": " open ", \"id\": \"x\"}}\r\n"

static gint life_now;     /* atomic: HvxlMonitorLife of all */
static gint seconds_now;  /* atomic */
static GAsyncQueue *told; /* HvEngineEvent copies */
static GMutex held_lock;  /* whoever has it holds up the thread that tells of the drive HELD */

static GMutex log_lock;
static const char *expected; /* [log_lock] part of a warning that has not come; NULL: none */

static GLogWriterOutput
keep_warning(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    g_autofree char *line = g_log_writer_format_fields(level, fields, n_fields, FALSE);
    gboolean is_it;

    if (level != G_LOG_LEVEL_WARNING)
        return g_log_writer_default(level, fields, n_fields, data);
    g_mutex_lock(&log_lock);
    is_it = expected && strstr(line, expected);
    if (is_it)
        expected = NULL;
    g_mutex_unlock(&log_lock);
    g_assert_true(is_it);
    return G_LOG_WRITER_HANDLED;
}

static void
expect_warning(const char *part)
{
    g_mutex_lock(&log_lock);
    expected = part;
    g_mutex_unlock(&log_lock);
}

static gboolean
was_warned(void)
{
    gboolean was;

    g_mutex_lock(&log_lock);
    was = !expected;
    g_mutex_unlock(&log_lock);
    return was;
}

static void
on_event(const HvEngineEvent *event, gpointer data)
{
    HvEngineEvent *copy = g_memdup2(event, sizeof(*event));

    if (copy->graphics)
        hv_graphics_client_ref(copy->graphics);
    g_async_queue_push(told, copy);
    if (!g_str_equal(event->target, HELD))
        return;
    g_mutex_lock(&held_lock);
    g_mutex_unlock(&held_lock);
}

static HvxlMonitorLife
life_of(int domid, const guint8 uuid[16], gpointer data)
{
    g_assert_cmpint(uuid[0], ==, (guint8)domid);
    return (HvxlMonitorLife)g_atomic_int_get(&life_now);
}

static gint looks_at_clock; /* atomic */

static gint64
clock_now(void)
{
    g_atomic_int_inc(&looks_at_clock);
    return g_atomic_int_get(&seconds_now) * G_TIME_SPAN_SECOND;
}

static void
event_free(gpointer data)
{
    HvEngineEvent *event = data;

    g_clear_pointer(&event->graphics, hv_graphics_client_unref);
    g_free(event);
}

static HvxlMonitors *
monitors_start(void)
{
    const HvxlMonitorConfig config = { .folder = ".",
                                       .event = on_event,
                                       .life = life_of,
                                       .clock = clock_now,
                                       .patience_ms = PATIENCE_MS };
    g_autoptr(GError) error = NULL;
    HvxlMonitors *monitors;

    g_atomic_int_set(&life_now, HVXL_MONITOR_RUNS);
    monitors = hvxl_monitors_new(&config, &error);
    g_assert_no_error(error);
    return monitors;
}

/* ---- a device model ---- */

typedef struct Model {
    int domid;
    guint8 uuid[16];
    char *path;
    int listener, client;
} Model;

static void
model_start(Model *model, int domid)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(GStrv) arguments = NULL;
    const char *at;

    *model = (Model){ .domid = domid,
                      .uuid = { (guint8)domid, (guint8)(domid >> 8), 7 },
                      .client = -1 };
    arguments = hvxl_monitor_arguments(".", model->uuid);
    at = strstr(arguments[1], "path=") + strlen("path=");
    model->path = g_strndup(at, strcspn(at, ","));
    g_assert_cmpuint(g_strlcpy(address.sun_path, model->path, sizeof(address.sun_path)), <,
                     sizeof(address.sun_path));
    model->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(model->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(model->listener, 1), ==, 0);
}

static void
say(const Model *model, const char *text, gsize len)
{
    for (gssize n; len > 0; text += n, len -= (gsize)n) {
        n = send(model->client, text, len, MSG_NOSIGNAL);
        if (n < 0)
            return; /* it has hung up on us */
    }
}

#define SAY(model, text) say(model, text, strlen(text))

static void
model_accept(Model *model)
{
    char heard[sizeof(READY)] = "";

    model->client = accept4(model->listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(model->client, >=, 0);
    SAY(model, GREETING);
    g_assert_cmpint(recv(model->client, heard, sizeof(heard) - 1, MSG_WAITALL), ==,
                    (gssize)strlen(READY));
    g_assert_cmpstr(heard, ==, READY);
    SAY(model, "{\"return\": {}}\r\n");
}

static void
model_hang_up(Model *model)
{
    if (model->client >= 0) {
        shutdown(model->client,
                 SHUT_RDWR); /* whoever has a copy: a device model's end is all of it */
        close(model->client);
    }
    model->client = -1;
}

/* It is left, and comes back. */
static void
expect_renewal(Model *model)
{
    char rest[64];

    while (recv(model->client, rest, sizeof(rest), 0) > 0)
        continue;
    model_hang_up(model);
    model_accept(model);
}

static void
model_end(Model *model)
{
    model_hang_up(model);
    close(model->listener);
    unlink(model->path);
    g_free(model->path);
}

/* ---- what comes of it ---- */

/* Waits; the patience is the test program's. */
static HvEngineEvent *
next_event(const Model *model, HvEngineEventKind kind)
{
    HvEngineEvent *event = g_async_queue_pop(told);

    g_assert_cmpint(event->kind, ==, kind);
    g_assert_cmpint(event->domid, ==, model->domid);
    g_assert_cmpmem(event->uuid, 16, model->uuid, 16);
    return event;
}

static void
expect_tray(const Model *model, const char *name, gboolean open)
{
    HvEngineEvent *event = next_event(model, HV_ENGINE_EVENT_TRAY);

    g_assert_cmpstr(event->target, ==, name);
    g_assert_cmpint(event->value, ==, open);
    event_free(event);
}

static void
expect_lost(const Model *model)
{
    event_free(next_event(model, HV_ENGINE_EVENT_LOST));
}

static void
await_silence(HvxlMonitors *monitors, int domid)
{
    while (hvxl_monitors_hears(monitors, domid))
        g_usleep(1000);
}

static void
test_arguments(void)
{
    static const guint8 uuid[16] = { 0xab };
    g_auto(GStrv) arguments = hvxl_monitor_arguments("/var/run/xen", uuid);
    const char *const others[] = { "-chardev", "socket,id=other,path=/x", "-mon", NULL };

    g_assert_cmpuint(g_strv_length(arguments), ==, 4);
    g_assert_cmpstr(arguments[1], ==,
                    "socket,id=xlvirt-mon,path=/var/run/xen/qmp-xlvirt-ab000000-0000-0000-0000-"
                    "000000000000,server=on,wait=off");
    g_assert_true(conf_is_monitor_argument(arguments[0], arguments[1]));
    g_assert_false(conf_is_monitor_argument(arguments[1], arguments[2]));
    g_assert_true(conf_is_monitor_argument(arguments[2], arguments[3]));
    for (guint i = 0; i + 1 < G_N_ELEMENTS(others); i++)
        g_assert_false(conf_is_monitor_argument(others[i], others[i + 1]));
}

/* ---- events ---- */

static void
test_disks(void)
{
    static const struct {
        const char *line;
        gboolean ok;
        HvEngineEvent event;
    } rows[] = {
        { "{\"event\": \"DEVICE_TRAY_MOVED\", \"data\": {\"device\": \"ide-5632\", \"tray-open\": "
          "true}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_TRAY, .target = "ide-5632", .value = 1 } },
        { "{\"event\": \"DEVICE_TRAY_MOVED\", \"data\": {\"device\": \"\", \"id\": \"q\", "
          "\"tray-open\": false}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_TRAY, .target = "q" } },
        { "{\"event\": \"DEVICE_TRAY_MOVED\", \"data\": {\"tray-open\": true}}", FALSE, { 0 } },
        { "{\"event\": \"DEVICE_TRAY_MOVED\"}", FALSE, { 0 } },
        { "{\"event\": \"DEVICE_TRAY_MOVED\", \"data\": {\"device\": "
          "\"a-name-that-is-longer-than-any-that-a-drive-"
          "can-have-in-this-world\"}}",
          FALSE,
          { 0 } },
        { "{\"event\": \"BLOCK_WRITE_THRESHOLD\", \"data\": {\"node-name\": \"#block044\", "
          "\"amount-exceeded\": "
          "4096, \"write-threshold\": 65536}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_WRITTEN,
            .target = "#block044",
            .value = 65536,
            .excess = 4096 } },
        { "{\"event\": \"BLOCK_WRITE_THRESHOLD\", \"data\": {\"node-name\": \"n\", "
          "\"amount-exceeded\": -1, "
          "\"write-threshold\": 65536}}",
          FALSE,
          { 0 } },
        { "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"\", \"node-name\": "
          "\"hda-raw\", \"operation\": "
          "\"write\", \"action\": \"stop\", \"nospace\": true, \"reason\": \"No space left\"}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_IO_ERROR,
            .target = "hda-raw",
            .code = HV_IO_ERROR_PAUSE,
            .value = 1 } },
        { "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"ide0-hd0\", \"action\": "
          "\"report\"}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_IO_ERROR, .target = "ide0-hd0", .code = HV_IO_ERROR_REPORT } },
        { "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"ide0-hd0\", \"action\": "
          "\"ignore\"}}",
          TRUE,
          { .kind = HV_ENGINE_EVENT_IO_ERROR, .target = "ide0-hd0", .code = HV_IO_ERROR_NONE } },
        { "{\"event\": \"WATCHDOG\", \"data\": {\"action\": \"reset\"}}", FALSE, { 0 } },
        { "{\"event\": 7}", FALSE, { 0 } },
        { "{}", FALSE, { 0 } },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        HvEngineEvent event = { 0 };

        g_test_message("%s", rows[i].line);
        g_assert_true(hvxl_monitor_parse_event(rows[i].line, &event) == rows[i].ok);
        g_assert_cmpint(event.kind, ==, rows[i].event.kind);
        g_assert_cmpstr(event.target, ==, rows[i].event.target);
        g_assert_cmpint(event.code, ==, rows[i].event.code);
        g_assert_cmpint(event.value, ==, rows[i].event.value);
        g_assert_cmpuint(event.excess, ==, rows[i].event.excess);
    }
}

static void
test_graphics(void)
{
    static const char *const lines[] = {
        "{\"event\": \"VNC_CONNECTED\", \"data\": {\"server\": {\"auth\": \"sasl\", \"family\": "
        "\"ipv4\", "
        "\"service\": \"5901\", \"host\": \"0.0.0.0\"}, \"client\": {\"family\": \"ipv6\", "
        "\"service\": "
        "\"58425\", \"host\": \"::1\", \"websocket\": false, \"sasl_username\": \"u\", "
        "\"x509_dname\": \"d\"}}}",
        "{\"event\": \"SPICE_INITIALIZED\", \"data\": {\"server\": {\"auth\": \"spice\", \"port\": "
        "\"5920\", "
        "\"family\": \"ipv4\", \"host\": \"127.0.0.1\"}, \"client\": {\"port\": \"49004\", "
        "\"family\": \"unix\", "
        "\"channel-type\": 3, \"host\": \"\", \"tls\": true}}}",
        "{\"event\": \"SPICE_DISCONNECTED\", \"data\": {\"server\": {}, \"client\": {}}}",
        "{\"event\": \"VNC_DISCONNECTED\", \"data\": {\"server\": {}}}",
    };
    HvEngineEvent event = { 0 };

    g_assert_true(hvxl_monitor_parse_event(lines[0], &event));
    g_assert_cmpint(event.kind, ==, HV_ENGINE_EVENT_GRAPHICS);
    g_assert_cmpint(event.graphics->phase, ==, HV_GRAPHICS_CONNECT);
    g_assert_cmpint(event.graphics->local.family, ==, HV_ADDRESS_IPV4);
    g_assert_cmpstr(event.graphics->local.node, ==, "0.0.0.0");
    g_assert_cmpstr(event.graphics->local.service, ==, "5901");
    g_assert_cmpint(event.graphics->remote.family, ==, HV_ADDRESS_IPV6);
    g_assert_cmpstr(event.graphics->remote.node, ==, "::1");
    g_assert_cmpstr(event.graphics->remote.service, ==, "58425");
    g_assert_cmpstr(event.graphics->auth, ==, "sasl");
    g_assert_cmpstr(event.graphics->x509_name, ==, "d");
    g_assert_cmpstr(event.graphics->sasl_user, ==, "u");
    hv_graphics_client_unref(event.graphics);

    g_assert_true(hvxl_monitor_parse_event(lines[1], &event));
    g_assert_cmpint(event.graphics->phase, ==, HV_GRAPHICS_INITIALIZE);
    g_assert_cmpstr(event.graphics->local.service, ==, "5920");
    g_assert_cmpint(event.graphics->remote.family, ==, HV_ADDRESS_UNIX);
    g_assert_null(event.graphics->x509_name);
    hv_graphics_client_unref(event.graphics);

    g_assert_true(hvxl_monitor_parse_event(lines[2], &event));
    g_assert_cmpint(event.graphics->phase, ==, HV_GRAPHICS_DISCONNECT);
    g_assert_null(event.graphics->remote.node);
    hv_graphics_client_unref(event.graphics);
    g_assert_false(hvxl_monitor_parse_event(lines[3], &event));
}

/* ---- a connection ---- */

static void
test_half_lines(void)
{
    static const char text[] = TRAY("a", "true") "\r\n" TRAY("b", "false") TRAY("c", "true");
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    hvxl_monitors_add(monitors, 1, model.uuid); /* that is known */
    model_accept(&model);
    for (gsize i = 0; i < strlen(text); i++)
        say(&model, text + i, 1);
    expect_tray(&model, "a", TRUE);
    expect_tray(&model, "b", FALSE);
    expect_tray(&model, "c", TRUE);
    g_assert_true(hvxl_monitors_hears(monitors, 1));
    model_end(&model);
    expect_lost(&model);
    g_assert_false(hvxl_monitors_hears(monitors, 1));
    hvxl_monitors_free(monitors);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
}

/* What is no QMP, or too much of it, costs its connection, and no other. */
static void
test_garbage(void)
{
    g_autofree char *endless = g_strnfill(100000, 'x');
    g_autofree char *blanks = g_strnfill(60000, ' ');
    const struct {
        const char *text;
        gsize len;
        guint times;
    } rows[] = {
        { "hello\n", 6, 1 },
        { "{\"event\": \"X\"\n", 14, 1 },
        { "{\"return\": {}}\0\n", 16, 1 },
        { "{\"error\": {}}\n", 14, 1 },
        { "[]\n", 3, 1 },
        { endless, 100000, 1 },
        { endless, 100000, 30 },
    };
    HvxlMonitors *monitors = monitors_start();
    Model bad, good, chatty;

    model_start(&good, 1);
    hvxl_monitors_add(monitors, 1, good.uuid);
    model_accept(&good);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%.20s", rows[i].text);
        expect_warning("not heard any more");
        model_start(&bad, 2 + (int)i);
        hvxl_monitors_add(monitors, bad.domid, bad.uuid);
        model_accept(&bad);
        for (guint n = 0; n < rows[i].times; n++)
            say(&bad, rows[i].text, rows[i].len);
        expect_lost(&bad);
        g_assert_true(was_warned());
        g_assert_false(hvxl_monitors_hears(monitors, bad.domid));
        model_end(&bad);
    }
    /* Lines that are well, but more than a MiB of them within a second. */
    expect_warning("more than a MiB a second");
    model_start(&chatty, 20);
    hvxl_monitors_add(monitors, 20, chatty.uuid);
    model_accept(&chatty);
    for (guint n = 0; n < 20; n++) {
        SAY(&chatty, "{\"return\":");
        SAY(&chatty, blanks);
        SAY(&chatty, "{}}\n");
    }
    expect_lost(&chatty);
    g_assert_true(was_warned());
    model_end(&chatty);
    SAY(&good, TRAY("still", "true"));
    expect_tray(&good, "still", TRUE);
    hvxl_monitors_free(monitors);
    model_end(&good);
}

/* All that the model has said was read, and the thread is at something else by now. */
static void
await_read(HvxlMonitors *monitors, const Model *model)
{
    Model other;
    int unread = 1;

    while (unread > 0) {
        g_usleep(1000);
        g_assert_cmpint(ioctl(model->client, SIOCOUTQ, &unread), ==, 0);
    }
    model_start(&other, 1000);
    hvxl_monitors_add(monitors, other.domid, other.uuid);
    model_accept(&other);
    hvxl_monitors_remove(monitors, other.domid);
    model_end(&other);
}

/* No more than 100 events a second are told; the next second begins anew. */
static void
test_flood(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    expect_warning("more than 100 events a second");
    for (guint i = 0; i < 250; i++)
        SAY(&model, TRAY("a", "true"));
    await_read(monitors, &model);
    g_assert_true(was_warned());
    for (guint i = 0; i < 100; i++)
        expect_tray(&model, "a", TRUE);
    g_atomic_int_set(&seconds_now, 1);
    SAY(&model, TRAY("b", "true"));
    expect_tray(&model, "b", TRUE);
    g_atomic_int_set(&seconds_now, 0);
    hvxl_monitors_free(monitors);
    model_end(&model);
}

/* ---- the end of a device model ---- */

static void
test_gone(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    /* With its domain. */
    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    g_atomic_int_set(&life_now, HVXL_MONITOR_GONE);
    model_end(&model);
    await_silence(monitors, 1);

    /* While libxl takes the domain apart. */
    model_start(&model, 2);
    hvxl_monitors_add(monitors, 2, model.uuid);
    model_accept(&model);
    g_atomic_int_set(&life_now, HVXL_MONITOR_PAUSED);
    model_end(&model);
    await_silence(monitors, 2);
    hvxl_monitors_remove(monitors, 2);
    g_atomic_int_set(&life_now, HVXL_MONITOR_RUNS);

    /* After its domain, as far as we know. */
    model_start(&model, 3);
    hvxl_monitors_add(monitors, 3, model.uuid);
    model_accept(&model);
    hvxl_monitors_remove(monitors, 3);
    await_silence(monitors, 3);
    model_end(&model);

    /* A domain that somebody has paused: in the end it is clear. */
    model_start(&model, 4);
    hvxl_monitors_add(monitors, 4, model.uuid);
    model_accept(&model);
    g_atomic_int_set(&life_now, HVXL_MONITOR_PAUSED);
    model_hang_up(&model);
    await_silence(monitors, 4);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
    g_atomic_int_set(&seconds_now, 1 + PATIENCE_MS / 1000);
    expect_lost(&model);
    g_assert_false(g_file_test(model.path, G_FILE_TEST_EXISTS));
    g_atomic_int_set(&seconds_now, 0);
    model_end(&model);
    hvxl_monitors_free(monitors);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
}

/* A domain without a socket, one with a socket that nobody serves. */
static void
test_nobody(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    close(model.listener);
    hvxl_monitors_add(monitors, 1, model.uuid);
    await_silence(monitors, 1);
    unlink(model.path);
    hvxl_monitors_add(monitors, 1, model.uuid);
    await_silence(monitors, 1);
    hvxl_monitors_remove(monitors, 1);
    hvxl_monitors_remove(monitors, 2);
    hvxl_monitors_heed_trays(monitors, 2);
    hvxl_monitors_free(monitors);
    hvxl_monitors_free(NULL);
    g_free(model.path);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
}

/* A daemon that was started again. */
static void
test_again(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    hvxl_monitors_free(monitors);
    model_hang_up(&model);
    monitors = monitors_start();
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    SAY(&model, TRAY("a", "false"));
    expect_tray(&model, "a", FALSE);
    hvxl_monitors_free(monitors);
    model_end(&model);
}

/* What came between is ours, however late it is read. */
static void
test_own_trays(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    for (guint i = 0; i < 50; i++) {
        hvxl_monitors_ignore_trays(monitors, 1);
        hvxl_monitors_ignore_trays(monitors, 1);
        SAY(&model, TRAY("ours", "true"));
        hvxl_monitors_heed_trays(monitors, 1);
        SAY(&model, TRAY("ours", "false"));
        hvxl_monitors_heed_trays(monitors, 1);
        expect_renewal(&model);
        SAY(&model, TRAY("guest", "true"));
        expect_tray(&model, "guest", TRUE);
    }
    hvxl_monitors_free(monitors);
    model_end(&model);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
}

/* Whoever moved it: QEMU closes a medium's file when nobody is connected. */
/* Its device model, and the domain, end while a medium is changed: what is heard of that end comes
 * while the order is obeyed. Another one keeps the thread until both are there, the order first. */
static void
test_gone_meanwhile(void)
{
    static const HvxlMonitorLife lives[] = { HVXL_MONITOR_GONE, HVXL_MONITOR_RUNS };
    HvxlMonitors *monitors = monitors_start();
    Model other;

    model_start(&other, 29);
    hvxl_monitors_add(monitors, other.domid, other.uuid);
    model_accept(&other);
    for (int i = 0; i < (int)G_N_ELEMENTS(lives); i++) {
        Model model;

        g_atomic_int_set(&life_now, (int)HVXL_MONITOR_RUNS);
        model_start(&model, 30 + i);
        hvxl_monitors_add(monitors, model.domid, model.uuid);
        model_accept(&model);
        SAY(&model, TRAY("a", "true"));
        expect_tray(&model, "a", TRUE);
        g_mutex_lock(&held_lock);
        SAY(&other, TRAY(HELD, "true"));
        expect_tray(&other, HELD, TRUE);
        hvxl_monitors_ignore_trays(monitors, model.domid);
        hvxl_monitors_heed_trays(monitors, model.domid);
        g_atomic_int_set(&life_now, (int)lives[i]);
        model_hang_up(&model);
        g_mutex_unlock(&held_lock);
        await_silence(monitors, model.domid);
        if (lives[i] == HVXL_MONITOR_RUNS)
            expect_lost(&model);
        model_end(&model);
    }
    hvxl_monitors_free(monitors);
    model_end(&other);
}

static void
test_renewed(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model model;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    for (guint i = 0; i < 3; i++) {
        SAY(&model, TRAY("xl's", "true"));
        expect_tray(&model, "xl's", TRUE);
        g_atomic_int_add(&seconds_now, 3);
        expect_renewal(&model);
        SAY(&model, TRAY("xl's", "false"));
        expect_tray(&model, "xl's", FALSE);
        g_atomic_int_add(&seconds_now, 3);
        expect_renewal(&model);
    }
    hvxl_monitors_free(monitors);
    model_end(&model);
}

#define N_MANY 100

/* A child that has copies of all descriptors, as those have that libxl forks to end a domain. */
static pid_t
fork_copies(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    g_assert_cmpint(pid, >, 0);
    return pid;
}

static void
end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* What is left is left, whoever else has a copy of it. */
static void
test_copies(void)
{
    const struct timeval limit = { .tv_sec = 30 };
    HvxlMonitors *monitors = monitors_start();
    char rest[64];
    Model model;
    pid_t child;
    gint looks;
    gssize n;

    model_start(&model, 1);
    hvxl_monitors_add(monitors, 1, model.uuid);
    model_accept(&model);
    child = fork_copies();
    setsockopt(model.client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    hvxl_monitors_ignore_trays(monitors, 1);
    hvxl_monitors_heed_trays(monitors, 1);
    while ((n = recv(model.client, rest, sizeof(rest), 0)) > 0)
        continue;
    g_assert_cmpint(n, ==, 0); /* the connection is made anew: the old one is over */
    model_hang_up(&model);
    end_child(child);
    model_accept(&model);

    child = fork_copies();
    g_atomic_int_set(&life_now, HVXL_MONITOR_GONE);
    model_hang_up(&model);
    await_silence(monitors, 1);
    looks = g_atomic_int_get(&looks_at_clock);
    for (int i = 0; i < 100; i++) {
        g_usleep(1000);
        /* The thread has nothing to wake up for. */
        g_assert_cmpint(g_atomic_int_get(&looks_at_clock) - looks, <, 10);
    }
    end_child(child);
    hvxl_monitors_free(monitors);
    model_end(&model);
}

static void
test_many(void)
{
    HvxlMonitors *monitors = monitors_start();
    Model models[N_MANY];
    guint n_heard[N_MANY] = { 0 };

    for (guint i = 0; i < N_MANY; i++) {
        model_start(&models[i], 1 + (int)i);
        hvxl_monitors_add(monitors, models[i].domid, models[i].uuid);
    }
    for (guint i = 0; i < N_MANY; i++)
        model_accept(&models[i]);
    for (guint turn = 0; turn < 3; turn++) {
        for (guint i = 0; i < N_MANY; i++)
            SAY(&models[i], TRAY("a", "true"));
    }
    for (guint i = 0; i < 3 * N_MANY; i++) {
        HvEngineEvent *event = g_async_queue_pop(told);

        g_assert_cmpint(event->kind, ==, HV_ENGINE_EVENT_TRAY);
        g_assert_cmpmem(event->uuid, 16, models[event->domid - 1].uuid, 16);
        n_heard[event->domid - 1]++;
        event_free(event);
    }
    for (guint i = 0; i < N_MANY; i++) {
        g_assert_cmpuint(n_heard[i], ==, 3);
        model_end(&models[i]);
    }
    for (guint i = 0; i < N_MANY; i++)
        event_free(g_async_queue_pop(told));
    hvxl_monitors_free(monitors);
    g_assert_cmpint(g_async_queue_length(told), ==, 0);
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("monitorXXXXXX", NULL);
    int status;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_log_set_writer_func(keep_warning, NULL, NULL);
    told = g_async_queue_new_full(event_free);
    g_assert_cmpint(g_chdir(folder), ==, 0);
    g_test_add_func("/monitor/arguments", test_arguments);
    g_test_add_func("/monitor/disks", test_disks);
    g_test_add_func("/monitor/graphics", test_graphics);
    g_test_add_func("/monitor/half-lines", test_half_lines);
    g_test_add_func("/monitor/garbage", test_garbage);
    g_test_add_func("/monitor/flood", test_flood);
    g_test_add_func("/monitor/gone", test_gone);
    g_test_add_func("/monitor/nobody", test_nobody);
    g_test_add_func("/monitor/again", test_again);
    g_test_add_func("/monitor/own-trays", test_own_trays);
    g_test_add_func("/monitor/gone-meanwhile", test_gone_meanwhile);
    g_test_add_func("/monitor/renewed", test_renewed);
    g_test_add_func("/monitor/copies", test_copies);
    g_test_add_func("/monitor/many", test_many);
    status = g_test_run();
    g_async_queue_unref(told);
    g_assert_cmpint(g_chdir("/"), ==, 0);
    g_rmdir(folder);
    return status;
}
