/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event registrations of one client, over a libhv and a transport that only record. */
#include "lvd-do.h"
#include "lvd-session.h"

#include <string.h>

/* ---- fakes ---- */

static HvEventFunc listener;
static gpointer listener_data;
static guint n_listeners;

HvHost *
hv_host_ref(HvHost *host)
{
    return host;
}

void
hv_host_unref(HvHost *host)
{
}

guint
hv_host_add_listener(HvHost *host, HvEventFunc func, gpointer data)
{
    listener = func;
    listener_data = data;
    return ++n_listeners;
}

void
hv_host_remove_listener(HvHost *host, guint id)
{
    g_assert_cmpuint(id, ==, n_listeners);
    listener = NULL;
}

HvGraphicsClient *
hv_graphics_client_ref(HvGraphicsClient *client)
{
    return g_atomic_rc_box_acquire(client);
}

void
hv_graphics_client_unref(HvGraphicsClient *client)
{
    g_atomic_rc_box_release(client);
}

typedef struct Sent {
    int proc;
    guint len;
    guint8 bytes[256];
} Sent;

static GArray *sent;

void
lvd_client_send_message(LvdClient *client, int proc, xdrproc_t xdr, const void *message)
{
    Sent record = { .proc = proc };
    XDR stream;

    xdrmem_create(&stream, (char *)record.bytes, sizeof record.bytes, XDR_ENCODE);
    g_assert_true(xdr(&stream, (void *)message, 0));
    record.len = xdr_getpos(&stream);
    xdr_destroy(&stream);
    g_array_append_val(sent, record);
}

/* ---- helpers ---- */

static const guint8 one[16] = { 1, 2, 3 }, two[16] = { 9, 9, 9 };
static char calls[4]; /* only their addresses count */
#define CALL(n) ((LvdCall *)&calls[n])

typedef struct Fixture {
    LvdSession *session;
} Fixture;

static void
setup(Fixture *f, gconstpointer data)
{
    n_listeners = 0;
    sent = g_array_new(FALSE, TRUE, sizeof(Sent));
    f->session = lvd_session_new(NULL, NULL);
}

static void
teardown(Fixture *f, gconstpointer data)
{
    lvd_session_free(f->session);
    g_assert_null(listener);
    g_array_unref(sent);
}

static int
add(Fixture *f, int event_id, const guint8 *uuid, gboolean legacy)
{
    LvdRegistration wanted = { event_id, uuid, legacy };
    g_autoptr(GError) error = NULL;
    int id = -1;

    g_assert_true(lvd_session_register(f->session, CALL(0), &wanted, &id, &error));
    g_assert_no_error(error);
    lvd_session_replied(f->session, CALL(0));
    return id;
}

static void
refuse(Fixture *f, int event_id, const guint8 *uuid, gboolean legacy)
{
    LvdRegistration wanted = { event_id, uuid, legacy };
    g_autoptr(GError) error = NULL;
    int id = -7;

    g_assert_false(lvd_session_register(f->session, CALL(0), &wanted, &id, &error));
    g_assert_error(error, LVD_ERROR, LVD_ERROR_CODE(LVD_BARE | VIR_ERR_INVALID_ARG, 0));
    g_assert_cmpstr(error->message, ==, "event callback already tracked");
    g_assert_cmpint(id, ==, -7);
}

static void
happen(HvEventKind kind, HvEventDetail detail, const guint8 *uuid)
{
    HvEvent event = { .kind = kind,
                      .detail = detail,
                      .name = "vm",
                      .domid = 7,
                      .metadata_type = HV_METADATA_TITLE,
                      .memory_kib = 4096 };

    memcpy(event.uuid, uuid, 16);
    if (listener)
        listener(NULL, &event, listener_data);
}

static guint32
word(guint message, guint n)
{
    guint32 value;

    g_assert_cmpuint(message, <, sent->len);
    memcpy(&value, g_array_index(sent, Sent, message).bytes + 4 * n, 4);
    return GUINT32_FROM_BE(value);
}

static int
proc_of(guint message)
{
    g_assert_cmpuint(message, <, sent->len);
    return g_array_index(sent, Sent, message).proc;
}

/* ---- tests ---- */

static void
test_lifecycle(Fixture *f, gconstpointer data)
{
    g_assert_cmpuint(n_listeners, ==, 0); /* nobody asked yet */
    g_assert_cmpint(add(f, 0, NULL, FALSE), ==, 0);
    happen(HV_EVENT_SUSPENDED, HV_DETAIL_SUSPENDED_PAUSED, one);
    g_assert_cmpuint(sent->len, ==, 1);
    g_assert_cmpint(proc_of(0), ==, 318);
    /* callback id, "vm", uuid, id, event, detail: as in a trace of stock */
    static const guint8 wire[] = { 0, 0, 0, 0, 0, 0, 0, 2, 'v', 'm', 0, 0, 1, 2, 3, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0, 0, 0, 0, 0,   0,   0, 7, 0, 0, 0, 3, 0, 0, 0, 0 };
    const Sent *message = &g_array_index(sent, Sent, 0);
    g_assert_cmpmem(message->bytes, message->len, wire, sizeof wire);
}

static void
test_kinds(Fixture *f, gconstpointer data)
{
    int reboot = add(f, 1, NULL, FALSE), balloon = add(f, 13, NULL, FALSE);
    int metadata = add(f, 23, NULL, FALSE);

    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, one); /* not asked for */
    g_assert_cmpuint(sent->len, ==, 0);
    happen(HV_EVENT_REBOOT, HV_DETAIL_NONE, one);
    happen(HV_EVENT_BALLOON_CHANGE, HV_DETAIL_NONE, one);
    happen(HV_EVENT_METADATA_CHANGE, HV_DETAIL_NONE, one);
    g_assert_cmpint(proc_of(0), ==, 319);
    g_assert_cmpint((int)word(0, 0), ==, reboot);
    g_assert_cmpint(proc_of(1), ==, 331);
    g_assert_cmpint((int)word(1, 0), ==, balloon);
    g_assert_cmpuint(word(1, 9), ==, 4096);
    g_assert_cmpint(proc_of(2), ==, 379);
    g_assert_cmpint((int)word(2, 0), ==, metadata);
    g_assert_cmpuint(word(2, 8), ==, 1); /* a title */
    g_assert_cmpuint(word(2, 9), ==, 0); /* no uri */
}

/* Every event and detail of libhv has its number of libvirt's. */
static void
test_details(Fixture *f, gconstpointer data)
{
    static const struct {
        HvEventKind kind;
        HvEventDetail detail;
        guint32 event, wire_detail;
    } rows[] = {
        { HV_EVENT_DEFINED, HV_DETAIL_DEFINED_ADDED, 0, 0 },
        { HV_EVENT_DEFINED, HV_DETAIL_DEFINED_UPDATED, 0, 1 },
        { HV_EVENT_UNDEFINED, HV_DETAIL_UNDEFINED_REMOVED, 1, 0 },
        { HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, 2, 0 },
        { HV_EVENT_STARTED, HV_DETAIL_STARTED_RESTORED, 2, 2 },
        { HV_EVENT_STARTED, HV_DETAIL_STARTED_WAKEUP, 2, 4 },
        { HV_EVENT_SUSPENDED, HV_DETAIL_SUSPENDED_RESTORED, 3, 4 },
        { HV_EVENT_RESUMED, HV_DETAIL_RESUMED_UNPAUSED, 4, 0 },
        { HV_EVENT_STOPPED, HV_DETAIL_STOPPED_SHUTDOWN, 5, 0 },
        { HV_EVENT_STOPPED, HV_DETAIL_STOPPED_DESTROYED, 5, 1 },
        { HV_EVENT_STOPPED, HV_DETAIL_STOPPED_CRASHED, 5, 2 },
        { HV_EVENT_STOPPED, HV_DETAIL_STOPPED_SAVED, 5, 4 },
        { HV_EVENT_STOPPED, HV_DETAIL_STOPPED_FAILED, 5, 5 },
        { HV_EVENT_SHUTDOWN, HV_DETAIL_SHUTDOWN_FINISHED, 6, 0 },
        { HV_EVENT_SHUTDOWN, HV_DETAIL_SHUTDOWN_GUEST, 6, 1 },
        { HV_EVENT_SHUTDOWN, HV_DETAIL_SHUTDOWN_HOST, 6, 2 },
        { HV_EVENT_CRASHED, HV_DETAIL_CRASHED_PANICKED, 8, 0 },
    };

    add(f, 0, NULL, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        happen(rows[i].kind, rows[i].detail, one);
        g_assert_cmpuint(word(i, 8), ==, rows[i].event);
        g_assert_cmpuint(word(i, 9), ==, rows[i].wire_detail);
    }
}

static void
test_filter(Fixture *f, gconstpointer data)
{
    int all = add(f, 0, NULL, FALSE), only = add(f, 0, one, FALSE);

    g_assert_cmpint(only, ==, 1);
    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, two);
    g_assert_cmpuint(sent->len, ==, 1);
    g_assert_cmpint((int)word(0, 0), ==, all);
    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, one);
    g_assert_cmpuint(sent->len, ==, 3); /* one a registration that fits */
    refuse(f, 0, one, FALSE);
    refuse(f, 0, NULL, FALSE);
}

static void
test_legacy(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL, again = NULL;

    add(f, 0, NULL, TRUE);
    refuse(f, 0, NULL, FALSE); /* 105 and 316(0) collide, as with stock */
    add(f, 13, NULL, TRUE);
    happen(HV_EVENT_STOPPED, HV_DETAIL_STOPPED_DESTROYED, one);
    happen(HV_EVENT_BALLOON_CHANGE, HV_DETAIL_NONE, one);
    g_assert_cmpint(proc_of(0), ==, 107);
    g_assert_cmpuint(word(0, 0), ==, 2); /* no callback id: the name's length comes first */
    g_assert_cmpint(proc_of(1), ==, 276);
    g_assert_true(lvd_session_deregister_event(f->session, 0, &error));
    happen(HV_EVENT_STOPPED, HV_DETAIL_STOPPED_DESTROYED, one);
    g_assert_cmpuint(sent->len, ==, 2);
    g_assert_false(lvd_session_deregister_event(f->session, 0, &again));
    g_assert_cmpstr(again->message, ==, "domain event 0 not registered");
}

static void
test_deregister(Fixture *f, gconstpointer data)
{
    int id = add(f, 0, NULL, FALSE);
    g_autoptr(GError) error = NULL, again = NULL, old = NULL;

    g_assert_false(lvd_session_deregister_event(f->session, 0, &old)); /* not of that kind */
    g_assert_true(lvd_session_deregister(f->session, id, &error));
    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, one);
    g_assert_cmpuint(sent->len, ==, 0);
    g_assert_false(lvd_session_deregister(f->session, id, &again));
    g_assert_error(again, LVD_ERROR, LVD_ERROR_CODE(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC));
    g_assert_cmpstr(again->message, ==, "domain event callback 0 not registered");
    g_assert_cmpint(add(f, 0, NULL, FALSE), ==, 1); /* ids are not used twice */
}

/* The client learns the id from the reply: no event of that id goes out before it. */
static void
test_held(Fixture *f, gconstpointer data)
{
    LvdRegistration wanted = { 0, NULL, FALSE };
    int id;

    add(f, 1, NULL, FALSE);
    g_assert_true(lvd_session_register(f->session, CALL(1), &wanted, &id, NULL));
    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, one);
    happen(HV_EVENT_SUSPENDED, HV_DETAIL_SUSPENDED_PAUSED, one);
    happen(HV_EVENT_REBOOT, HV_DETAIL_NONE, one);
    g_assert_cmpuint(sent->len, ==, 1); /* the one that waits for nothing */
    lvd_session_replied(f->session, CALL(2));
    g_assert_cmpuint(sent->len, ==, 1);
    lvd_session_replied(f->session, CALL(1));
    g_assert_cmpuint(sent->len, ==, 3);
    g_assert_cmpuint(word(1, 8), ==, VIR_DOMAIN_EVENT_STARTED);
    g_assert_cmpuint(word(2, 8), ==, VIR_DOMAIN_EVENT_SUSPENDED);
    happen(HV_EVENT_RESUMED, HV_DETAIL_RESUMED_UNPAUSED, one);
    g_assert_cmpuint(sent->len, ==, 4);
    /* Gone before its reply: what it held goes with it. */
    wanted.uuid = two;
    g_assert_true(lvd_session_register(f->session, CALL(3), &wanted, &id, NULL));
    happen(HV_EVENT_STARTED, HV_DETAIL_STARTED_BOOTED, two);
    g_assert_cmpuint(sent->len, ==, 5);
}

static void
test_limit(Fixture *f, gconstpointer data)
{
    LvdRegistration wanted = { 0, NULL, FALSE };
    g_autoptr(GError) error = NULL;
    guint8 uuid[16] = { 0 };
    int id;

    wanted.uuid = uuid;
    for (guint32 i = 0; i < LVD_REGISTRATIONS_MAX; i++) {
        memcpy(uuid, &i, sizeof i);
        g_assert_true(lvd_session_register(f->session, CALL(0), &wanted, &id, NULL));
    }
    lvd_session_replied(f->session, CALL(0));
    memset(uuid, 0xff, sizeof uuid);
    g_assert_false(lvd_session_register(f->session, CALL(0), &wanted, &id, &error));
    g_assert_cmpint(error->code & 0xffff, ==, VIR_ERR_OPERATION_FAILED);
}

/* Events on one thread, registrations on another: for the sanitizers. */
static gpointer
storm(gpointer data)
{
    for (int i = 0; i < 2000; i++)
        happen(i % 2 ? HV_EVENT_STARTED : HV_EVENT_REBOOT, HV_DETAIL_NONE, i % 3 ? one : two);
    return NULL;
}

static void
test_threads(Fixture *f, gconstpointer data)
{
    add(f, 0, NULL, FALSE);
    GThread *thread = g_thread_new("storm", storm, NULL);
    for (int i = 0; i < 2000; i++) {
        LvdRegistration wanted = { i % 2, i % 3 ? one : two, FALSE };
        int id;
        g_assert_true(lvd_session_register(f->session, CALL(1), &wanted, &id, NULL));
        lvd_session_replied(f->session, CALL(1));
        g_assert_true(lvd_session_deregister(f->session, id, NULL));
    }
    g_thread_join(thread);
    g_assert_cmpuint(sent->len, >=, 1000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/lvd/session/" name, Fixture, NULL, setup, func, teardown)
    ADD("lifecycle", test_lifecycle);
    ADD("kinds", test_kinds);
    ADD("details", test_details);
    ADD("filter", test_filter);
    ADD("legacy", test_legacy);
    ADD("deregister", test_deregister);
    ADD("held", test_held);
    ADD("limit", test_limit);
    ADD("threads", test_threads);
    return g_test_run();
}
