/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-server.h>

#include <hv/sim/hvsim-tune.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUESTS  20000        /* that wait, of one client */
#define MAX_QUEUED    (256u << 20) /* bytes that a client leaves unread */
#define HANG_CHECK_US 50000
#define READ_CHUNK    65536

typedef struct Client Client;

struct SimServer {
    SimLoop *loop;
    SimControl *control;
    SimMachine *machine;
    int listen_fd;
    SimWatch *listen_watch;
    GPtrArray *clients;  /* Client, owned */
    const Client *maker; /* whose START is at work */
};

/* One frame on its way out. */
typedef struct Frame {
    GBytes *bytes;
    gsize sent;
    int fd; /* -1: none; ours until sent */
} Frame;

struct Client {
    SimServer *server;
    int fd;
    SimWatch *watch;
    gboolean greeted;
    gboolean dead;        /* to be freed at the end of the callback that found out */
    GByteArray *in;       /* what has come of the next frames */
    GQueue out;           /* Frame */
    gsize queued;         /* bytes in `out` */
    GHashTable *requests; /* &id -> Request, owned: those that wait */
};

/* A request from its frame to its answer: delay, then hang, then fail or do it. */
typedef struct Request {
    guint64 id; /* first: the key of Client.requests */
    Client *client;
    SimOp op;
    GVariant *payload;
    int domid;  /* -1: not about one domain */
    char *name; /* of the domain; NULL when it is not known */
    SimTimer timer;
    gboolean delayed; /* the delay is over */
    int reply_fd;     /* -1: none */
} Request;

static void step(gpointer data);

/* ---- frames out ---- */

static void
frame_free(gpointer data)
{
    Frame *frame = data;
    g_bytes_unref(frame->bytes);
    if (frame->fd >= 0)
        close(frame->fd);
    g_free(frame);
}

static void
client_flush(Client *client)
{
    Frame *frame;
    while (!client->dead && (frame = g_queue_peek_head(&client->out)) != NULL) {
        gsize len;
        const char *data = g_bytes_get_data(frame->bytes, &len);
        gssize n = sim_send(client->fd, data + frame->sent, len - frame->sent, frame->fd);
        if (n < 0) {
            client->dead = errno != EAGAIN;
            break;
        }
        if (frame->fd >= 0)
            close(frame->fd);
        frame->fd = -1;
        frame->sent += (gsize)n;
        client->queued -= (gsize)n;
        if (frame->sent == len)
            frame_free(g_queue_pop_head(&client->out));
    }
    if (client->dead) /* Whoever runs the callback of this descriptor cleans up. */
        shutdown(client->fd, SHUT_RDWR);
    else
        sim_watch_set(client->watch, EPOLLIN | (client->out.length > 0 ? EPOLLOUT : 0));
}

/* Takes `payload` (floating or not) and `fd`. */
static void
client_send(Client *client, SimKind kind, SimOp op, guint64 id, GVariant *payload, int fd)
{
    g_autoptr(GVariant) body = g_variant_ref_sink(payload);
    Frame *frame = g_new0(Frame, 1);
    SimHeader header = { .length = (guint32)g_variant_get_size(body),
                         .kind = (guint16)kind,
                         .op = (guint16)op,
                         .id = id,
                         .n_fds = fd >= 0 };
    char *bytes = g_malloc(sizeof(header) + header.length);
    memcpy(bytes, &header, sizeof(header));
    g_variant_store(body, bytes + sizeof(header));
    frame->bytes = g_bytes_new_take(bytes, sizeof(header) + header.length);
    frame->fd = fd;
    g_queue_push_tail(&client->out, frame);
    client->queued += sizeof(header) + header.length;
    if (client->queued > MAX_QUEUED) {
        sim_log("a client reads nothing: it is cut off");
        client->dead = TRUE;
    }
    client_flush(client);
}

/* ---- requests ---- */

static void
request_free(gpointer data)
{
    Request *request = data;
    sim_timer_stop(&request->timer);
    g_variant_unref(request->payload);
    g_free(request->name);
    if (request->reply_fd >= 0)
        close(request->reply_fd);
    g_free(request);
}

/* Takes `reply` or reads `error`; the request is gone afterwards. */
static void
answer(Request *request, GVariant *reply, const GError *error)
{
    Client *client = request->client;
    if (error != NULL)
        client_send(client, SIM_KIND_ERROR, request->op, request->id,
                    g_variant_new("(us)", (guint32)error->code, error->message), -1);
    else
        client_send(client, SIM_KIND_REPLY, request->op, request->id,
                    reply != NULL ? reply : g_variant_new("()"), g_steal_fd(&request->reply_fd));
    g_hash_table_remove(client->requests, &request->id);
}

static void
answer_error(Request *request, int code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(SIM_ERROR, code, text);
    answer(request, NULL, error);
}

/* What waits for a domain that is no more will not happen. */
static void
fail_waiting(SimServer *server, int domid, const Request *but)
{
    g_autofree char *text = g_strdup_printf("domain %d was destroyed meanwhile", domid);
    for (guint i = 0; i < server->clients->len; i++) {
        Client *client = server->clients->pdata[i];
        g_autoptr(GList) requests = g_hash_table_get_values(client->requests);
        for (GList *at = requests; at != NULL; at = at->next) {
            Request *request = at->data;
            if (request->domid == domid && request != but)
                answer_error(request, HV_ERROR_NO_DOMAIN, text);
        }
    }
}

static GVariant *
do_info(Request *request, SimDomain *domain, GError **error)
{
    HvHostInfo info;
    SimMachine *machine = request->client->server->machine;
    sim_machine_info(machine, &info);
    return g_variant_new("(sttuuuuuutus)", info.model, info.memory_kib, info.free_memory_kib,
                         info.cpus, info.mhz, info.nodes, info.sockets, info.cores, info.threads,
                         info.version, info.max_vcpus, machine->conf.scheduler);
}

static GVariant *
do_list(Request *request, SimDomain *unused, GError **error)
{
    GHashTable *domains = request->client->server->machine->domains;
    g_autofree SimDomainRow *rows = g_new(SimDomainRow, g_hash_table_size(domains) + 1);
    gsize n = 0;
    GHashTableIter iter;
    gpointer domain;
    g_hash_table_iter_init(&iter, domains);
    while (g_hash_table_iter_next(&iter, NULL, &domain))
        sim_domain_row(domain, &rows[n++]);
    GVariant *array = g_variant_new_fixed_array(G_VARIANT_TYPE(SIM_DOMAIN_TYPE), rows, n,
                                                sizeof(SimDomainRow));
    return g_variant_new_tuple(&array, 1);
}

static GVariant *
do_names(Request *request, SimDomain *unused, GError **error)
{
    GVariantBuilder names;
    GHashTableIter iter;
    gpointer domain;
    guint64 high, low;
    g_variant_builder_init(&names, G_VARIANT_TYPE("a(istt)"));
    g_hash_table_iter_init(&iter, request->client->server->machine->domains);
    while (g_hash_table_iter_next(&iter, NULL, &domain)) {
        sim_uuid_to_words(sim_domain_uuid(domain), &high, &low);
        g_variant_builder_add(&names, "(istt)", sim_domain_id(domain), sim_domain_name(domain),
                              high, low);
    }
    return g_variant_new("(a(istt))", &names);
}

static GVariant *
do_start(Request *request, SimDomain *unused, GError **error)
{
    SimServer *server = request->client->server;
    g_autoptr(GVariant) wanted = g_variant_get_child_value(request->payload, 0);
    g_autoptr(SimGuest) guest = NULL;
    const char *why = NULL;
    g_autoptr(SimStart) start = sim_start_unpack(wanted, &why);
    if (start != NULL && request->op == SIM_OP_RESTORE) {
        g_autoptr(GVariant) state = g_variant_get_child_value(request->payload, 1);
        guest = sim_guest_unpack(state, start->vcpus_max, &why);
    }
    if (why != NULL) {
        g_set_error_literal(error, SIM_ERROR, HV_ERROR_CONFIG, why);
        return NULL;
    }
    server->maker = request->client;
    SimDomain *domain = sim_domain_new(server->machine, start, guest, error);
    server->maker = NULL;
    return domain == NULL ? NULL : sim_domain_live(domain);
}

static GVariant *
do_destroy(Request *request, SimDomain *domain, GError **error)
{
    fail_waiting(request->client->server, request->domid, request);
    sim_domain_destroy(domain);
    return g_variant_new("()");
}

/* "()" for TRUE. */
static GVariant *
done(gboolean ok)
{
    return ok ? g_variant_new("()") : NULL;
}

static guint32
number_of(Request *request)
{
    guint32 number;
    g_variant_get_child(request->payload, 1, "u", &number);
    return number;
}

static guint64
kib_of(Request *request)
{
    guint64 kib;
    g_variant_get_child(request->payload, 1, "t", &kib);
    return kib;
}

static GVariant *
do_down(Request *request, SimDomain *domain, GError **error)
{
    if (number_of(request) == HV_SHUTDOWN_ACPI && !sim_domain_is_hvm(domain)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "domain %d '%s' is a PV guest: it has no ACPI power button", request->domid,
                    request->name);
        return NULL;
    }
    return done(sim_domain_ask_down(domain, request->op == SIM_OP_REBOOT, error));
}

static GVariant *
do_exit(Request *request, SimDomain *domain, GError **error)
{
    guint32 code = number_of(request);
    if (code > 5 || code == 2) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "no guest ends with code %u", code);
        return NULL;
    }
    return done(sim_domain_go_down(domain, (int)code, error));
}

static GVariant *
do_pause(Request *request, SimDomain *domain, GError **error)
{
    return done(request->op == SIM_OP_PAUSE ? sim_domain_pause(domain, error)
                                            : sim_domain_unpause(domain, error));
}

static GVariant *
do_memory(Request *request, SimDomain *domain, GError **error)
{
    return done(request->op == SIM_OP_MEMORY
                    ? sim_domain_set_memory(domain, kib_of(request), error)
                    : sim_domain_set_max_memory(domain, kib_of(request), error));
}

static GVariant *
do_vcpus(Request *request, SimDomain *domain, GError **error)
{
    return done(sim_domain_set_vcpus(domain, number_of(request), error));
}

static GVariant *
do_vcpu_info(Request *request, SimDomain *domain, GError **error)
{
    GVariant *rows = sim_domain_vcpus(domain);
    return g_variant_new_tuple(&rows, 1);
}

static GVariant *
do_save(Request *request, SimDomain *domain, GError **error)
{
    g_autoptr(SimGuest) guest = sim_domain_suspend(domain, error);
    if (guest == NULL)
        return NULL;
    guint64 high, low, fail_at, write_ms;
    SimControl *control = request->client->server->control;
    sim_uuid_to_words(sim_domain_uuid(domain), &high, &low);
    sim_control_knob(control, request->name, SIM_KNOB_SAVE_FAIL_AT, &fail_at);
    sim_control_knob(control, request->name, SIM_KNOB_SAVE_WRITE_MS, &write_ms);
    return g_variant_new("(stt@" SIM_GUEST_TYPE "tu)", sim_domain_record(domain), high, low,
                         sim_guest_pack(guest), fail_at, (guint32)write_ms);
}

static GVariant *
do_resume(Request *request, SimDomain *domain, GError **error)
{
    return done(sim_domain_resume(domain, error));
}

static GVariant *
do_console(Request *request, SimDomain *domain, GError **error)
{
    request->reply_fd = sim_domain_console(domain, number_of(request), error);
    return done(request->reply_fd >= 0);
}

static GVariant *
do_adopt(Request *request, SimDomain *domain, GError **error)
{
    SimDomainRow row;
    sim_domain_row(domain, &row);
    return g_variant_new("(sstt@" SIM_LIVE_TYPE "ttuub)", sim_domain_record(domain),
                         sim_domain_name(domain), row.uuid_high, row.uuid_low,
                         sim_domain_live(domain), row.memory_kib, row.max_memory_kib,
                         row.vcpus_online, row.vcpus_max, sim_domain_is_hvm(domain));
}

static GVariant *
do_stop(Request *request, SimDomain *domain, GError **error)
{
    sim_log("asked to stop");
    sim_loop_quit(request->client->server->loop);
    return g_variant_new("()");
}

/* ---- devices and the less common turns ---- */

static GVariant *
do_device(Request *request, SimDomain *domain, GError **error)
{
    const char *key, *record;
    g_variant_get(request->payload, "(i&s&s)", NULL, &key, &record);
    if (request->op == SIM_OP_ATTACH)
        return done(sim_turn_attach(domain, key, record, error));
    return done(request->op == SIM_OP_DETACH ? sim_turn_detach(domain, key, record, error)
                                             : sim_turn_update(domain, key, record, error));
}

static GVariant *
do_reset(Request *request, SimDomain *domain, GError **error)
{
    return done(sim_domain_reset(domain, error));
}

static GVariant *
do_nmi(Request *request, SimDomain *domain, GError **error)
{
    return done(sim_turn_nmi(domain, error));
}

static GVariant *
do_keys(Request *request, SimDomain *domain, GError **error)
{
    g_autoptr(GVariant) keys = g_variant_get_child_value(request->payload, 1);
    gsize n;
    const guint32 *key = g_variant_get_fixed_array(keys, &n, sizeof(guint32));
    return done(sim_turn_keys(domain, key, n, error));
}

static GVariant *
do_sleep(Request *request, SimDomain *domain, GError **error)
{
    return done(request->op == SIM_OP_SLEEP ? sim_domain_sleep(domain, error)
                                            : sim_domain_wakeup(domain, error));
}

static GVariant *
do_dump(Request *request, SimDomain *domain, GError **error)
{
    SimDomainRow row;
    guint64 write_ms;
    sim_domain_row(domain, &row);
    sim_control_knob(request->client->server->control, request->name, SIM_KNOB_DUMP_WRITE_MS,
                     &write_ms);
    return g_variant_new("(stu)", sim_domain_record(domain), row.memory_kib, (guint32)write_ms);
}

static GVariant *
do_rename(Request *request, SimDomain *domain, GError **error)
{
    const char *name, *record;
    guint64 high, low;
    guint8 uuid[16];
    g_variant_get(request->payload, "(i&stt&s)", NULL, &name, &high, &low, &record);
    if (name[0] == '\0' || strchr(name, '/') != NULL || strlen(name) > 255) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG,
                    "the domain's name is empty, too long or holds a '/'");
        return NULL;
    }
    sim_uuid_from_words(high, low, uuid);
    return done(sim_domain_rename(domain, name, uuid, record, error));
}

static GVariant *
do_resize(Request *request, SimDomain *domain, GError **error)
{
    const char *target;
    guint64 bytes;
    g_variant_get(request->payload, "(i&st)", NULL, &target, &bytes);
    return done(sim_turn_resize(domain, target, bytes, error));
}

/* Images are the engine's business; whether it may be done is the host's. */
static GVariant *
do_disk_snapshot(Request *request, SimDomain *domain, GError **error)
{
    return done(TRUE);
}

static GVariant *
do_screen(Request *request, SimDomain *domain, GError **error)
{
    if (number_of(request) != 0) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "a simulated domain has one screen");
        return NULL;
    }
    g_autofree char *text = sim_turn_screen(domain);
    return g_variant_new("(s)", text);
}

static GVariant *
do_channel(Request *request, SimDomain *domain, GError **error)
{
    const char *name;
    g_variant_get(request->payload, "(i&s)", NULL, &name);
    request->reply_fd = sim_turn_channel(domain, name, error);
    return done(request->reply_fd >= 0);
}

static GVariant *
do_disk_tells(Request *request, SimDomain *domain, GError **error)
{
    HvEngineEvent what = { 0 };
    guint32 kind;
    const char *target;
    g_variant_get(request->payload, "(iuix&s)", NULL, &kind, &what.code, &what.value, &target);
    what.kind = (HvEngineEventKind)kind;
    if ((what.kind != HV_ENGINE_EVENT_TRAY && what.kind != HV_ENGINE_EVENT_IO_ERROR) ||
        what.code < 0 || what.code >= HV_N_IO_ERROR_ACTIONS) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "no disk tells this");
        return NULL;
    }
    g_strlcpy(what.target, target, sizeof(what.target));
    return done(sim_turn_disk_tells(domain, &what, error));
}

static GVariant *
do_visit(Request *request, SimDomain *domain, GError **error)
{
    const char *address;
    g_variant_get(request->payload, "(i&s)", NULL, &address);
    return done(sim_turn_visit(domain, address, error));
}

static GVariant *
do_clock(Request *request, SimDomain *domain, GError **error)
{
    gint64 offset;
    g_variant_get(request->payload, "(ix)", NULL, &offset);
    return done(sim_turn_clock(domain, offset, error));
}

static GVariant *
do_lose(Request *request, SimDomain *domain, GError **error)
{
    return done(sim_turn_lose(domain, error));
}

static GVariant *
do_control(Request *request, SimDomain *unused, GError **error)
{
    SimDomainRow row;
    sim_domain_row(request->client->server->machine->dom0, &row);
    g_autoptr(GBytes) bytes = g_bytes_new(&row, sizeof(row));
    GVariant *packed = g_variant_new_from_bytes(G_VARIANT_TYPE(SIM_DOMAIN_TYPE), bytes, TRUE);
    return g_variant_new_tuple(&packed, 1);
}

static GVariant *
do_pci(Request *request, SimDomain *unused, GError **error)
{
    const char *address;
    guint32 op;
    g_variant_get(request->payload, "(u&s)", &op, &address);
    return done(sim_machine_pci(request->client->server->machine, op, address, error));
}

static GVariant *
do_tune(Request *request, SimDomain *domain, GError **error)
{
    return sim_tune_request(request->client->server->machine, domain, request->op, request->payload,
                            error);
}

/* NULL and *error, or the (floating) reply. `domain` is set where the operation is about one. */
typedef GVariant *(*Handler)(Request *request, SimDomain *domain, GError **error);

static const Handler handlers[SIM_N_OPS] = {
    [SIM_OP_STOP] = do_stop,
    [SIM_OP_INFO] = do_info,
    [SIM_OP_LIST] = do_list,
    [SIM_OP_NAMES] = do_names,
    [SIM_OP_START] = do_start,
    [SIM_OP_RESTORE] = do_start,
    [SIM_OP_DESTROY] = do_destroy,
    [SIM_OP_SHUTDOWN] = do_down,
    [SIM_OP_REBOOT] = do_down,
    [SIM_OP_PAUSE] = do_pause,
    [SIM_OP_UNPAUSE] = do_pause,
    [SIM_OP_MEMORY] = do_memory,
    [SIM_OP_MAX_MEMORY] = do_memory,
    [SIM_OP_VCPUS] = do_vcpus,
    [SIM_OP_VCPU_INFO] = do_vcpu_info,
    [SIM_OP_SAVE] = do_save,
    [SIM_OP_RESUME] = do_resume,
    [SIM_OP_CONSOLE] = do_console,
    [SIM_OP_ADOPT] = do_adopt,
    [SIM_OP_EXIT] = do_exit,
    [SIM_OP_ATTACH] = do_device,
    [SIM_OP_DETACH] = do_device,
    [SIM_OP_UPDATE] = do_device,
    [SIM_OP_RESET] = do_reset,
    [SIM_OP_NMI] = do_nmi,
    [SIM_OP_KEYS] = do_keys,
    [SIM_OP_SLEEP] = do_sleep,
    [SIM_OP_WAKEUP] = do_sleep,
    [SIM_OP_DUMP] = do_dump,
    [SIM_OP_RENAME] = do_rename,
    [SIM_OP_RESIZE] = do_resize,
    [SIM_OP_SCREEN] = do_screen,
    [SIM_OP_CHANNEL] = do_channel,
    [SIM_OP_CONTROL] = do_control,
    [SIM_OP_PCI] = do_pci,
    [SIM_OP_DISK_TELLS] = do_disk_tells,
    [SIM_OP_VISIT] = do_visit,
    [SIM_OP_PIN] = do_tune,
    [SIM_OP_VCPU_MAP] = do_tune,
    [SIM_OP_PIN_EMULATOR] = do_tune,
    [SIM_OP_EMULATOR_PIN] = do_tune,
    [SIM_OP_SCHED] = do_tune,
    [SIM_OP_SET_SCHED] = do_tune,
    [SIM_OP_SET_NODES] = do_tune,
    [SIM_OP_NODES] = do_tune,
    [SIM_OP_HOST_NODES] = do_tune,
    [SIM_OP_HOST_CPUS] = do_tune,
    [SIM_OP_CPU_LEAVES] = do_tune,
    [SIM_OP_NIC_RATE] = do_tune,
    [SIM_OP_DISK_LIMITS] = do_tune,
    [SIM_OP_STATS] = do_tune,
    [SIM_OP_DISK_SNAPSHOT] = do_disk_snapshot,
    [SIM_OP_CLOCK] = do_clock,
    [SIM_OP_LOSE] = do_lose,
    [SIM_OP_THRESHOLD] = do_tune,
};

static void
refresh_control(SimServer *server)
{
    if (sim_control_refresh(server->control))
        sim_machine_control_changed(server->machine);
}

/* Domain 0 is tuned, and nothing else happens to it. */
static gboolean
takes_dom0(SimOp op)
{
    return op == SIM_OP_MEMORY || op == SIM_OP_MAX_MEMORY || op == SIM_OP_VCPUS ||
           op == SIM_OP_VCPU_INFO;
}

/* The next step of a request; also its timer's function. */
static void
step(gpointer data)
{
    Request *request = data;
    SimServer *server = request->client->server;
    g_autoptr(GError) error = NULL;
    SimDomain *domain = NULL;
    refresh_control(server);
    SimFault fault = sim_control_fault(server->control, request->name, request->op);
    g_autofree char *fail = fault.fail;
    if (fault.delay_ms > 0 && !request->delayed) {
        request->delayed = TRUE;
        sim_timer_start(&request->timer, server->loop, fault.delay_ms * G_GINT64_CONSTANT(1000),
                        step, request);
        return;
    }
    request->delayed = TRUE;
    if (fault.hang) {
        sim_timer_start(&request->timer, server->loop, HANG_CHECK_US, step, request);
        return;
    }
    if (sim_ops[request->op].domain) {
        domain = sim_machine_lookup(server->machine, request->domid, &error);
        if (domain == NULL) {
            answer(request, NULL, error);
            return;
        }
        if (request->domid == 0 && !takes_dom0(request->op)) {
            answer_error(request, HV_ERROR_INVALID_ARG, "not with domain 0");
            return;
        }
    }
    if (fail != NULL) {
        answer_error(request, HV_ERROR_ENGINE, fail);
        return;
    }
    GVariant *reply = handlers[request->op](request, domain, &error);
    answer(request, reply, error);
}

static void
find_domain_name(Request *request)
{
    SimServer *server = request->client->server;
    if (sim_ops[request->op].domain) {
        g_variant_get_child(request->payload, 0, "i", &request->domid);
        SimDomain *domain = sim_machine_lookup(server->machine, request->domid, NULL);
        request->name = domain == NULL ? NULL : g_strdup(sim_domain_name(domain));
    } else if (request->op == SIM_OP_START || request->op == SIM_OP_RESTORE) {
        g_autoptr(GVariant) wanted = g_variant_get_child_value(request->payload, 0);
        g_variant_get_child(wanted, 0, "s", &request->name);
    }
}

static void
cancel(Client *client, guint64 id)
{
    Request *request = g_hash_table_lookup(client->requests, &id);
    if (request != NULL)
        answer_error(request, HV_ERROR_CANCELLED, "the operation was cancelled");
}

/* ---- frames in ---- */

/* FALSE: the peer is not ours. */
static gboolean
greet(Client *client, const SimHeader *header, GVariant *payload)
{
    guint32 version;
    if (header->op != SIM_OP_HELLO)
        return FALSE;
    g_variant_get(payload, "(u)", &version);
    client_send(client, SIM_KIND_REPLY, SIM_OP_HELLO, header->id,
                g_variant_new("(ui)", SIM_PROTOCOL, (gint32)getpid()), -1);
    client->greeted = TRUE;
    /* It may still ask for STOP: that is how an old host makes room for a new one. */
    return TRUE;
}

static gboolean
take_request(Client *client, const SimHeader *header, GVariant *payload)
{
    if (!client->greeted || header->op == SIM_OP_HELLO)
        return !client->greeted && greet(client, header, payload);
    if (header->op == SIM_OP_CANCEL) {
        guint64 id;
        g_variant_get(payload, "(t)", &id);
        cancel(client, id);
        return TRUE;
    }
    if (handlers[header->op] == NULL || g_hash_table_contains(client->requests, &header->id) ||
        g_hash_table_size(client->requests) >= MAX_REQUESTS)
        return FALSE;
    Request *request = g_new0(Request, 1);
    request->id = header->id;
    request->client = client;
    request->op = header->op;
    request->payload = g_variant_ref(payload);
    request->domid = request->reply_fd = -1;
    find_domain_name(request);
    g_hash_table_insert(client->requests, &request->id, request);
    step(request);
    return TRUE;
}

/* Takes the first frame out of client->in. FALSE: there is none yet, or the client is dead. */
static gboolean
take_frame(Client *client)
{
    SimHeader header;
    if (client->dead || client->in->len < sizeof(header))
        return FALSE;
    memcpy(&header, client->in->data, sizeof(header));
    if (!sim_header_check(&header) || header.kind != SIM_KIND_REQUEST || header.n_fds != 0) {
        client->dead = TRUE;
        return FALSE;
    }
    if (client->in->len - sizeof(header) < header.length)
        return FALSE;
    g_autoptr(GBytes) bytes = g_bytes_new(client->in->data + sizeof(header), header.length);
    g_byte_array_remove_range(client->in, 0, (guint)(sizeof(header) + header.length));
    g_autoptr(GVariant) payload = sim_payload(&header, bytes);
    if (payload == NULL || !take_request(client, &header, payload))
        client->dead = TRUE;
    return !client->dead;
}

static void
client_free(gpointer data)
{
    Client *client = data;
    g_hash_table_unref(client->requests);
    sim_watch_remove(client->watch);
    close(client->fd);
    g_byte_array_unref(client->in);
    g_queue_clear_full(&client->out, frame_free);
    g_free(client);
}

static void
on_client(guint32 events, gpointer data)
{
    Client *client = data;
    if (events & EPOLLOUT)
        client_flush(client);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        guint old = client->in->len;
        g_byte_array_set_size(client->in, old + READ_CHUNK);
        gssize n = sim_recv(client->fd, client->in->data + old, READ_CHUNK, fds);
        g_byte_array_set_size(client->in, old + (guint)MAX(n, 0));
        sim_close_fds(fds); /* Nobody has one for us. */
        if (n == 0 || (n < 0 && errno != EAGAIN))
            client->dead = TRUE;
        while (take_frame(client))
            ;
    }
    if (client->dead)
        g_ptr_array_remove(client->server->clients, client);
}

static void
on_listen(guint32 events, gpointer data)
{
    SimServer *server = data;
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        close(fd);
        return;
    }
    Client *client = g_new0(Client, 1);
    client->server = server;
    client->fd = fd;
    client->in = g_byte_array_new();
    g_queue_init(&client->out);
    client->requests = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, request_free);
    client->watch = sim_watch_new(server->loop, fd, EPOLLIN, on_client, client);
    if (client->watch == NULL) {
        sim_log("cannot watch a client: %s", g_strerror(errno));
        g_hash_table_unref(client->requests);
        g_byte_array_unref(client->in);
        close(fd);
        g_free(client);
        return;
    }
    g_ptr_array_add(server->clients, client);
}

static void
on_machine_event(SimDomain *domain, const HvEngineEvent *what, gpointer data)
{
    SimServer *server = data;
    guint64 high, low;
    sim_uuid_to_words(sim_domain_uuid(domain), &high, &low);
    for (guint i = 0; i < server->clients->len; i++) {
        Client *client = server->clients->pdata[i];
        if (client->greeted && !client->dead)
            client_send(client, SIM_KIND_EVENT, SIM_OP_NONE, 0,
                        g_variant_new(SIM_EVENT_TYPE, (guint32)what->kind, sim_domain_id(domain),
                                      high, low, (guint32)what->code,
                                      what->kind == HV_ENGINE_EVENT_NEW && client == server->maker,
                                      what->target, what->value, what->excess),
                        -1);
    }
}

SimServer *
sim_server_new(SimLoop *loop, int listen_fd, const char *control_path, SimConf *conf)
{
    SimServer *server = g_new0(SimServer, 1);
    server->loop = loop;
    server->listen_fd = listen_fd;
    server->control = sim_control_new(control_path);
    server->clients = g_ptr_array_new_with_free_func(client_free);
    server->machine = sim_machine_new(loop, server->control, conf, on_machine_event, server);
    server->listen_watch = sim_watch_new(loop, listen_fd, EPOLLIN, on_listen, server);
    if (server->listen_watch == NULL) {
        sim_server_free(server);
        return NULL;
    }
    sim_control_refresh(server->control);
    return server;
}

void
sim_server_tick(SimServer *server)
{
    refresh_control(server);
}

void
sim_server_free(SimServer *server)
{
    if (server == NULL)
        return;
    g_ptr_array_unref(server->clients);
    sim_watch_remove(server->listen_watch);
    close(server->listen_fd);
    sim_machine_free(server->machine);
    sim_control_free(server->control);
    g_free(server);
}
