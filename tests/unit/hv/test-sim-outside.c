/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who comes from outside: another toolstack, a daemon that comes back, the death of the host,
 * strangers on its socket. */
#include "sim-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- other toolstacks, deaths ---- */

static void
test_reopen(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 64);
    guint64 before = row_of(f, domid).cpu_time_ns;
    OPS->close(f->engine);
    g_usleep(50000);
    open_engine(f);
    HvEngineDomain row = row_of(f, domid);
    g_assert_false(row.paused || row.shutdown);
    g_assert_cmpuint(row.cpu_time_ns, >, before);
    g_assert_false(take_event(f, HV_ENGINE_EVENT_GONE, domid, 50000, NULL));
    int fd = open_console(f, domid);
    g_autofree char *text G_GNUC_UNUSED = read_until(fd, "one login: ");
    close(fd);
    g_assert_cmpint(start_named(f, "two", 64), ==, domid + 1);
}

static void
test_other_toolstack(Fixture *f, gconstpointer conf)
{
    g_autofree char *out = NULL, *table = NULL, *err = NULL;
    HvEngineEvent event, gone;
    int ours = start_named(f, "ours", 64);
    g_assert_cmpint(tool(f, &out, NULL, "--create", "theirs", "96", NULL), ==, 0);
    int theirs = atoi(out);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_NEW, theirs, WAIT_US, &event));
    g_assert_cmpmem(event.uuid, 16, row_of(f, theirs).uuid, 16);

    g_assert_cmpint(tool(f, &table, NULL, "--status", NULL), ==, 0);
    g_assert_nonnull(strstr(table, "ours "));
    g_assert_nonnull(strstr(table, "theirs "));
    g_assert_nonnull(strstr(table, "State"));

    g_autofree char *id = g_strdup_printf("%d", ours);
    g_assert_cmpint(tool(f, NULL, NULL, "--exit", id, "3", NULL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, ours, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 3);
    g_assert_cmpint(tool(f, NULL, NULL, "--destroy", id, NULL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, ours, WAIT_US, &gone));
    g_assert_cmpmem(event.uuid, 16, gone.uuid, 16);
    g_assert_false(find_row(f, ours, NULL));
    g_assert_cmpint(tool(f, NULL, &err, "--destroy", id, NULL), ==, 1);
    g_assert_nonnull(strstr(err, "no domain"));
    /* The root is taken: a second host does not start. */
    g_assert_cmpint(tool(f, NULL, NULL, "--foreground", NULL), ==, 3);
}

static void
test_adopt(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 256, 2);
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    add_devices(def);
    int domid = start_def(f, def, FALSE, -1, &live, &error);
    g_assert_no_error(error);
    g_assert_true(OPS->set_memory(f->engine, domid, 200 * MIB, &error));
    await_memory(f, domid, 200 * MIB);
    OPS->close(f->engine);
    open_engine(f);
    g_autoptr(ConfDomain) adopted = OPS->adopt(f->engine, domid, &error);
    g_assert_no_error(error);
    /* All that start() gave, with the memory of now. */
    live->cur_memory_kib = 200 * MIB;
    g_autofree char *was = conf_domain_format_xml(live, 0);
    g_autofree char *now = conf_domain_format_xml(adopted, 0);
    g_assert_cmpstr(now, ==, was);

    g_assert_cmpint(tool(f, &out, NULL, "--create", "theirs", "96", NULL), ==, 0);
    g_autoptr(ConfDomain) theirs = OPS->adopt(f->engine, atoi(out), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(theirs->name, ==, "theirs");
    g_assert_true(theirs->uuid_set);
    g_assert_cmpuint(theirs->memory_kib, ==, 96 * MIB);
    g_assert_cmpint(theirs->id, ==, atoi(out));
    g_assert_nonnull(((ConfChardev *)theirs->consoles->pdata[0])->tty);
    g_assert_null(OPS->adopt(f->engine, 99, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
}

static int
host_pid(Fixture *f)
{
    g_autofree char *text = NULL;
    g_autofree char *path = g_build_filename(f->root, "run/xlvirt/simhost.pid", NULL);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return atoi(text);
}

static void
test_host_dies(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    set_control(f, "[one]\nshutdown-hang=true\n");
    int one = start_named(f, "one", 64), two = start_named(f, "two", 64);
    int old = host_pid(f);
    Order order = { .f = f, .domid = one };
    GThread *thread = g_thread_new("order", shutdown_thread, &order);
    g_usleep(100000);
    g_assert_cmpint(kill(old, SIGKILL), ==, 0);
    g_thread_join(thread);
    g_assert_false(order.ok);
    /* Of a thread that came late the order is the next host's, which knows no such domain. */
    g_assert_true(g_error_matches(order.error, HV_ERROR, HV_ERROR_ENGINE) ||
                  g_error_matches(order.error, HV_ERROR, HV_ERROR_NO_DOMAIN));
    g_clear_error(&order.error);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, one, WAIT_US, NULL));
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, two, WAIT_US, NULL));
    /* The next call finds a new host, an empty one. */
    g_autoptr(GArray) list = OPS->list(f->engine, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 0);
    g_assert_cmpint(host_pid(f), !=, old);
    g_assert_cmpint(start_named(f, "one", 64), ==, 1);
}

/* Many threads find the host dead at once: one new host, and all are served. */
static gpointer
list_thread(gpointer data)
{
    Order *order = data;
    g_autoptr(GArray) list = OPS->list(order->f->engine, &order->error);
    order->ok = list != NULL;
    return NULL;
}

static void
test_host_restarts_once(Fixture *f, gconstpointer conf)
{
    Order orders[8] = { 0 };
    GThread *threads[8];
    int domid = start_named(f, "one", 64);
    g_assert_cmpint(kill(host_pid(f), SIGKILL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
    for (int i = 0; i < 8; i++) {
        orders[i].f = f;
        threads[i] = g_thread_new("list", list_thread, &orders[i]);
    }
    for (int i = 0; i < 8; i++) {
        g_thread_join(threads[i]);
        g_assert_no_error(orders[i].error);
        g_assert_true(orders[i].ok);
    }
}

static void
test_root_vanishes(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 64);
    remove_tree(f->root);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
    g_assert_cmpint(g_mkdir(f->root, 0755), ==, 0);
    g_assert_false(find_row(f, domid, NULL)); /* another host by now */
}

static int
raw_connect(Fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_autofree char *path = g_build_filename(f->root, "run/xlvirt/simhost.sock", NULL);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

/* Whatever comes over the socket, the host lives on and drops who sent it. */
static void
test_hostile_client(Fixture *f, gconstpointer conf)
{
    static const guint32 heads[][6] = {
        /* length, kind | op << 16, id, id, fds, reserved */
        { 0xffffffff, 1 | 1 << 16, 1, 0, 0, 0 }, /* longer than any frame */
        { 4, 1 | 200 << 16, 1, 0, 0, 0 },        /* no such operation */
        { 4, 9 | 1 << 16, 1, 0, 0, 0 },          /* no such kind */
        { 3, 1 | 1 << 16, 1, 0, 0, 0 },          /* HELLO too short */
        { 0, 1 | 4 << 16, 1, 0, 0, 0 },          /* no HELLO before */
        { 4, 1 | 1 << 16, 1, 0, 1, 0 },          /* promises a descriptor */
        { 4, 3 | 1 << 16, 1, 0, 0, 0 },          /* an error as request */
    };
    int domid = start_named(f, "one", 64);
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++) {
        char byte, body[4] = { 1, 0, 0, 0 };
        int fd = raw_connect(f);
        g_assert_cmpint(send(fd, heads[i], sizeof(heads[i]), MSG_NOSIGNAL), ==, sizeof(heads[i]));
        if (heads[i][0] <= sizeof(body) && heads[i][0] > 0)
            send(fd, body, heads[i][0], MSG_NOSIGNAL);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        g_assert_cmpint(poll(&pfd, 1, 5000), ==, 1);
        g_assert_cmpint(recv(fd, &byte, 1, 0), <=, 0);
        close(fd);
    }
    int idle = raw_connect(f); /* sends half a frame and sits there */
    g_assert_cmpint(send(idle, heads[0], 7, MSG_NOSIGNAL), ==, 7);
    g_assert_true(find_row(f, domid, NULL));
    close(idle);
    g_assert_true(find_row(f, domid, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/hv/sim/reopen", NULL, test_reopen);
    add("/hv/sim/other-toolstack", NULL, test_other_toolstack);
    add("/hv/sim/adopt", NULL, test_adopt);
    add("/hv/sim/host/dies", NULL, test_host_dies);
    add("/hv/sim/host/restarts-once", NULL, test_host_restarts_once);
    add("/hv/sim/host/root-vanishes", NULL, test_root_vanishes);
    add("/hv/sim/host/hostile-client", NULL, test_hostile_client);
    return g_test_run();
}
