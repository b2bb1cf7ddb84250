/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-client.h>

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM      "xlvirt-simhost"
#define CONNECT_US   (10 * G_USEC_PER_SEC) /* from the first try until we give up */
#define CONNECT_NAP  20000
#define VISITOR_PORT 49152

/* One connection. */
typedef struct Link {
    gatomicrefcount refs;
    SimClient *client; /* immutable after link_new() */
    int fd;            /* immutable after link_new(); closed with the last reference */
    GThread *reader;   /* [SimClient.connecting] */
    GMutex writing;    /* one frame at a time on `fd`; a leaf */
    GMutex lock;       /* a leaf */
    gboolean broken;   /* [lock] */
    gboolean closing;  /* [lock] the break is our own wish */
    guint64 last_id;   /* [lock] */
    GHashTable *calls; /* [lock] &id -> Call, on the stack of its caller */
    GHashTable *known; /* reader thread: domid -> its uuid, as the host told last */
} Link;

struct SimClient {
    char *root;              /* immutable after sim_client_new() */
    HvEngineEventFunc event; /* immutable after sim_client_new() */
    gpointer event_data;
    GMutex connecting; /* also held while a connection is made; before Link.lock */
    Link *link;        /* [connecting] NULL: none */
};

typedef struct Call {
    guint64 id;   /* first: the key of Link.calls */
    GCond done;   /* of [Link.lock] */
    HvError lost; /* what it is when its answer never comes */
    gboolean finished;
    GVariant *reply;
    GError *error;
    int fd;
} Call;

/* What a call that was under way ends with; by whether the break was our own wish. */
static const char *const lost[] = { "the simulated host died; its domains are gone",
                                    "the engine was closed" };

/* ---- a connection ---- */

static Link *
link_ref(Link *link)
{
    g_atomic_ref_count_inc(&link->refs);
    return link;
}

static void
link_unref(Link *link)
{
    if (link == NULL || !g_atomic_ref_count_dec(&link->refs))
        return;
    close(link->fd);
    g_hash_table_unref(link->calls);
    g_hash_table_unref(link->known);
    g_mutex_clear(&link->writing);
    g_mutex_clear(&link->lock);
    g_free(link);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_unref)

static gboolean
write_all(Link *link, const char *data, gsize len)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->writing);
    for (gsize done = 0; done < len;) {
        gssize n = sim_send(link->fd, data + done, len - done, -1);
        if (n < 0)
            return FALSE;
        done += (gsize)n;
    }
    return TRUE;
}

/* `payload` is floating or not. What cannot be sent breaks the link, and the reader tells all. */
static void
link_send(Link *link, SimOp op, guint64 id, GVariant *payload)
{
    g_autoptr(GVariant) body = g_variant_ref_sink(payload);
    SimHeader header = { .length = (guint32)g_variant_get_size(body),
                         .kind = SIM_KIND_REQUEST,
                         .op = (guint16)op,
                         .id = id };
    gsize len = sizeof(header) + header.length;
    g_autofree char *frame = g_malloc(len);
    memcpy(frame, &header, sizeof(header));
    g_variant_store(body, frame + sizeof(header));
    if (!write_all(link, frame, len))
        shutdown(link->fd, SHUT_RDWR);
}

static void
take_error(GVariant *payload, GError **error)
{
    guint32 code;
    const char *text;
    g_variant_get(payload, "(u&s)", &code, &text);
    g_set_error_literal(error, HV_ERROR, code < HV_N_ERRORS ? (int)code : HV_ERROR_ENGINE, text);
}

/* Takes the descriptor in `fds`, if any. */
static void
finish_call(Link *link, const SimHeader *header, GVariant *payload, GArray *fds)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->lock);
    Call *call = g_hash_table_lookup(link->calls, &header->id);
    if (call == NULL)
        return;
    g_hash_table_remove(link->calls, &header->id);
    if (header->kind == SIM_KIND_ERROR)
        take_error(payload, &call->error);
    else
        call->reply = g_variant_ref(payload);
    if (fds->len > 0) {
        call->fd = g_array_index(fds, int, 0);
        g_array_remove_index(fds, 0);
    }
    call->finished = TRUE;
    g_cond_signal(&call->done);
}

static void
know(Link *link, int domid, guint64 high, guint64 low)
{
    guint8 *uuid = g_malloc(16);
    sim_uuid_from_words(high, low, uuid);
    g_hash_table_insert(link->known, GINT_TO_POINTER(domid), uuid);
}

static void
know_all(Link *link, GVariant *names)
{
    g_autoptr(GVariant) rows = g_variant_get_child_value(names, 0);
    GVariantIter iter;
    int domid;
    guint64 high, low;
    g_variant_iter_init(&iter, rows);
    while (g_variant_iter_next(&iter, "(i&stt)", &domid, NULL, &high, &low))
        know(link, domid, high, low);
}

/* Who visits the screen of a simulated guest has no socket: its port is invented. */
static HvGraphicsClient *
make_visitor(const HvEngineEvent *event)
{
    HvGraphicsClient *client = hv_graphics_client_new();
    client->phase = (HvGraphicsPhase)event->code;
    client->local.node = g_strdup("127.0.0.1");
    client->local.service = g_strdup_printf("%" G_GINT64_FORMAT, event->value);
    client->remote.family = strchr(event->target, ':') ? HV_ADDRESS_IPV6 : HV_ADDRESS_IPV4;
    client->remote.node = g_strdup(event->target);
    client->remote.service = g_strdup_printf("%d", VISITOR_PORT + event->domid % 1000);
    client->auth = g_strdup("none");
    return client;
}

static void
take_event(Link *link, GVariant *payload)
{
    HvEngineEvent event = { .foreign = FALSE };
    guint32 kind, code;
    guint64 high, low;
    gboolean ours;
    g_autofree char *target = NULL;
    g_variant_get(payload, SIM_EVENT_TYPE, &kind, &event.domid, &high, &low, &code, &ours, &target,
                  &event.value, &event.excess);
    if (kind >= HV_N_ENGINE_EVENTS)
        return;
    g_strlcpy(event.target, target, sizeof(event.target));
    event.kind = (HvEngineEventKind)kind;
    event.code = (int)code;
    sim_uuid_from_words(high, low, event.uuid);
    if (event.kind == HV_ENGINE_EVENT_NEW)
        know(link, event.domid, high, low);
    else if (event.kind == HV_ENGINE_EVENT_GONE)
        g_hash_table_remove(link->known, GINT_TO_POINTER(event.domid));
    if (event.kind == HV_ENGINE_EVENT_GRAPHICS)
        event.graphics = make_visitor(&event);
    if (!ours)
        link->client->event(&event, link->client->event_data);
    g_clear_pointer(&event.graphics, hv_graphics_client_unref);
}

/* FALSE: the connection is at its end. */
static gboolean
read_frame(Link *link, GArray *fds)
{
    SimHeader header;
    if (!sim_recv_all(link->fd, &header, sizeof(header), fds) || !sim_header_check(&header) ||
        header.kind == SIM_KIND_REQUEST || fds->len != header.n_fds)
        return FALSE;
    g_autofree char *data = g_malloc(header.length + 1);
    if (!sim_recv_all(link->fd, data, header.length, fds))
        return FALSE;
    g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&data), header.length);
    g_autoptr(GVariant) payload = sim_payload(&header, bytes);
    if (payload == NULL)
        return FALSE;
    if (header.kind == SIM_KIND_EVENT) {
        take_event(link, payload);
        return TRUE;
    }
    if (header.op == SIM_OP_NAMES && header.kind == SIM_KIND_REPLY)
        know_all(link, payload); /* here, in the order of the wire, and not where it was asked */
    finish_call(link, &header, payload, fds);
    return TRUE;
}

/* Fails the calls under way. TRUE: nobody wished for the break. */
static gboolean
link_break(Link *link)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->lock);
    GHashTableIter iter;
    gpointer value;
    link->broken = TRUE;
    g_hash_table_iter_init(&iter, link->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Call *call = value;
        g_hash_table_iter_remove(&iter);
        g_set_error_literal(&call->error, HV_ERROR, call->lost, lost[link->closing != 0]);
        call->finished = TRUE;
        g_cond_signal(&call->done);
    }
    return !link->closing;
}

static gpointer
reader_main(gpointer data)
{
    g_autoptr(Link) link = data;
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    while (read_frame(link, fds))
        sim_close_fds(fds);
    sim_close_fds(fds);
    shutdown(link->fd, SHUT_RDWR);
    if (!link_break(link))
        return NULL;
    GHashTableIter iter;
    gpointer domid, uuid;
    g_hash_table_iter_init(&iter, link->known);
    while (g_hash_table_iter_next(&iter, &domid, &uuid)) {
        HvEngineEvent event = { .kind = HV_ENGINE_EVENT_GONE, .domid = GPOINTER_TO_INT(domid) };
        memcpy(event.uuid, uuid, sizeof(event.uuid));
        link->client->event(&event, link->client->event_data);
    }
    return NULL;
}

/* Takes `fd` in any case. */
static Link *
link_new(SimClient *client, int fd, GError **error)
{
    Link *link = g_new0(Link, 1);
    g_atomic_ref_count_init(&link->refs);
    link->client = client;
    link->fd = fd;
    link->calls = g_hash_table_new(g_int64_hash, g_int64_equal);
    link->known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_mutex_init(&link->writing);
    g_mutex_init(&link->lock);
    link->reader = hv_thread_new("sim-reader", reader_main, link_ref(link), error);
    if (link->reader != NULL)
        return link;
    link_unref(link); /* the reader's */
    link_unref(link);
    return NULL;
}

/* Ends the connection and waits for its reader. */
static void
link_close(Link *link)
{
    if (link == NULL)
        return;
    g_mutex_lock(&link->lock);
    link->closing = TRUE;
    g_mutex_unlock(&link->lock);
    shutdown(link->fd, SHUT_RDWR);
    g_thread_join(link->reader);
    link_unref(link);
}

static gboolean
link_is_broken(Link *link)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->lock);
    return link->broken;
}

/* ---- calls ---- */

typedef struct CancelTarget {
    Link *link;
    guint64 id;
} CancelTarget;

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    const CancelTarget *target = data;
    link_send(target->link, SIM_OP_CANCEL, 0, g_variant_new("(t)", target->id));
}

static gboolean
begin_call(Link *link, Call *call)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->lock);
    if (link->broken)
        return FALSE;
    call->id = ++link->last_id;
    g_hash_table_insert(link->calls, &call->id, call);
    return TRUE;
}

static void
await_call(Link *link, Call *call)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&link->lock);
    while (!call->finished)
        g_cond_wait(&call->done, &link->lock);
}

/* `payload` is not floating. The answer is always awaited: also a cancelled call has an outcome,
 * and the host tells it at once. */
static GVariant *
link_call(Link *link, SimOp op, GVariant *payload, GCancellable *cancellable, int *ret_fd,
          GError **error)
{
    gboolean may_run = op == SIM_OP_START || op == SIM_OP_RESTORE;
    Call call = { .fd = -1, .lost = may_run ? HV_ERROR_TIMEOUT : HV_ERROR_ENGINE };
    if (g_cancellable_is_cancelled(cancellable)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "the operation was cancelled");
        return NULL;
    }
    if (!begin_call(link, &call)) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "the simulated host died");
        return NULL;
    }
    g_cond_init(&call.done);
    link_send(link, op, call.id, payload);
    CancelTarget target = { link, call.id };
    gulong handler = cancellable == NULL
                         ? 0
                         : g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), &target,
                                                 NULL);
    await_call(link, &call);
    if (handler != 0)
        g_cancellable_disconnect(cancellable, handler);
    g_cond_clear(&call.done);
    if (call.reply != NULL && ret_fd != NULL)
        *ret_fd = call.fd;
    else if (call.fd >= 0)
        close(call.fd);
    if (call.error != NULL)
        g_propagate_error(error, call.error);
    return call.reply;
}

/* ---- starting the host ---- */

static gboolean
is_program(const char *path)
{
    return g_file_test(path, G_FILE_TEST_IS_EXECUTABLE) && !g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* XLVIRT_SIMHOST; then beside this library, as in a build folder; then where it is installed. */
static char *
find_program(void)
{
    const char *given = g_getenv("XLVIRT_SIMHOST");
    if (given != NULL && given[0] != '\0')
        return g_strdup(given);
    /* Of this file: a public symbol may have its address in the program. */
    static const char here[] = PROGRAM;
    Dl_info self;
    if (dladdr(here, &self) != 0 && self.dli_fname != NULL) {
        g_autofree char *folder = g_path_get_dirname(self.dli_fname);
        g_autofree char *beside = g_build_filename(folder, PROGRAM, NULL);
        if (is_program(beside))
            return g_steal_pointer(&beside);
    }
    return g_build_filename(HV_LIBEXECDIR, PROGRAM, NULL);
}

/* TRUE: a host listens now, of our making or of somebody else's who was faster. */
static gboolean
spawn_host(SimClient *client, GError **error)
{
    g_autofree char *program = find_program();
    g_autofree char *said = NULL;
    g_autoptr(GError) local = NULL;
    int status = 0;
    const char *const argv[] = { program, "--root", client->root, NULL };
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_CLOEXEC_PIPES,
                      NULL, NULL, NULL, &said, &status, &local)) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot start the simulated host: %s",
                    local->message);
        return FALSE;
    }
    if (g_spawn_check_wait_status(status, &local) ||
        g_error_matches(local, G_SPAWN_EXIT_ERROR, SIM_EXIT_TAKEN))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot start the simulated host %s: %s", program,
                said[0] != '\0' ? g_strchomp(said) : local->message);
    return FALSE;
}

static int
connect_or_start(SimClient *client, GError **error)
{
    g_autofree char *path = g_build_filename(client->root, SIM_RUN_DIR, SIM_SOCKET_NAME, NULL);
    gint64 deadline = g_get_monotonic_time() + CONNECT_US;
    int failed = 0;
    int fd = sim_socket_connect(path, &failed);
    while (fd < 0 && (failed == ENOENT || failed == ECONNREFUSED)) {
        if (!spawn_host(client, error))
            return -1;
        fd = sim_socket_connect(path, &failed);
        if (g_get_monotonic_time() > deadline)
            break;
        /* Another process starts the host just now, or the last host is not quite gone. */
        if (fd < 0)
            g_usleep(CONNECT_NAP);
    }
    if (fd < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot reach the simulated host at %s: %s",
                    path, g_strerror(failed));
    return fd;
}

static gboolean
link_greet(Link *link, GError **error)
{
    g_autoptr(GVariant) hello = g_variant_ref_sink(g_variant_new("(u)", SIM_PROTOCOL));
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new("()"));
    g_autoptr(GVariant) reply = link_call(link, SIM_OP_HELLO, hello, NULL, NULL, error);
    guint32 version;
    gint32 pid;
    if (reply == NULL)
        return FALSE;
    g_variant_get(reply, "(ui)", &version, &pid);
    if (version != SIM_PROTOCOL) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the simulated host (pid %d) speaks protocol %u, this engine %u: end it with "
                    "'" PROGRAM " --root %s --stop', its domains end with it",
                    pid, version, SIM_PROTOCOL, link->client->root);
        return FALSE;
    }
    g_autoptr(GVariant) names = link_call(link, SIM_OP_NAMES, nothing, NULL, NULL, error);
    return names != NULL;
}

/* A link that works, with a reference; a new one when there is none. */
static Link *
get_link(SimClient *client, GError **error)
{
    g_autoptr(GMutexLocker) connecting G_GNUC_UNUSED = g_mutex_locker_new(&client->connecting);
    Link *link = client->link;
    if (link != NULL && !link_is_broken(link))
        return link_ref(link);
    /* Its reader has told everybody; after the join all GONE are out before anything new is. */
    link_close(link);
    int fd = connect_or_start(client, error);
    link = fd < 0 ? NULL : link_new(client, fd, error);
    if (link != NULL && !link_greet(link, error)) {
        link_close(link);
        link = NULL;
    }
    client->link = link;
    return link == NULL ? NULL : link_ref(link);
}

GVariant *
sim_client_call(SimClient *client, SimOp op, GVariant *payload, GCancellable *cancellable,
                int *ret_fd, GError **error)
{
    g_autoptr(GVariant) body = g_variant_ref_sink(payload);
    if (g_variant_get_size(body) > SIM_MAX_FRAME) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "too large for the simulated host");
        return NULL;
    }
    g_autoptr(Link) link = get_link(client, error);
    return link == NULL ? NULL : link_call(link, op, body, cancellable, ret_fd, error);
}

SimClient *
sim_client_new(const HvEngineConfig *config, GError **error)
{
    SimClient *client = g_new0(SimClient, 1);
    client->root = sim_root_path(config->root);
    client->event = config->event;
    client->event_data = config->event_data;
    g_mutex_init(&client->connecting);
    Link *link = get_link(client, error);
    if (link == NULL) {
        sim_client_free(client);
        return NULL;
    }
    link_unref(link);
    return client;
}

void
sim_client_free(SimClient *client)
{
    if (client == NULL)
        return;
    link_close(client->link);
    g_mutex_clear(&client->connecting);
    g_free(client->root);
    g_free(client);
}
