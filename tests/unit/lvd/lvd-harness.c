/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-harness.h"

#include <dirent.h>
#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

guint64 harness_big_size = 100;
guint harness_n_events = 1;
gint harness_sessions, harness_streams_closed, harness_handled, harness_stuck;

static GMutex gate_lock;
static GCond gate_changed;
static gboolean gate_open;        /* [gate_lock] */
static guint gate_turn;           /* [gate_lock] */
static int console_end = -1;      /* [gate_lock] */
static LvdStream *console_stream; /* [gate_lock] the last one, and its descriptor */
static int console_fd = -1;

/* ---- procedures ---- */

static gboolean
do_open(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_open_args *a = args;

    lvd_client_set_open(lvd_call_client(call), a->flags & 1);
    return TRUE;
}

static gboolean
do_close(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_client_close_after_reply(lvd_call_client(call));
    return TRUE;
}

static gboolean
do_big(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_capabilities_ret *r = ret;

    g_atomic_int_inc(&harness_handled);
    r->capabilities = g_strnfill(harness_big_size, 'x');
    return TRUE;
}

static gboolean
do_nothing(LvdCall *call, const void *args, void *ret, GError **error)
{
    g_atomic_int_inc(&harness_handled);
    return TRUE;
}

static gboolean
do_lookup(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_lookup_by_name_args *a = args;

    g_set_error(error, LVD_ERROR, LVD_ERROR_CODE(42, 41), "no domain with matching name '%s'",
                a->name);
    return FALSE;
}

static gboolean
do_stuck(LvdCall *call, const void *args, void *ret, GError **error)
{
    guint turn;

    g_mutex_lock(&gate_lock);
    turn = gate_turn;
    g_atomic_int_inc(&harness_stuck);
    while (!gate_open && turn == gate_turn)
        g_cond_wait(&gate_changed, &gate_lock);
    g_atomic_int_add(&harness_stuck, -1);
    g_mutex_unlock(&gate_lock);
    return TRUE;
}

static gboolean
do_hostname(LvdCall *call, const void *args, void *ret, GError **error)
{
    ((lvd_connect_get_hostname_ret *)ret)->hostname = g_strdup("host");
    g_atomic_int_inc(&harness_handled);
    return TRUE;
}

static gboolean
do_feature(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_supports_feature_args *a = args;

    ((lvd_connect_supports_feature_ret *)ret)->supported = 1;
    if (a->feature == 10)
        lvd_client_start_keepalive(lvd_call_client(call));
    return TRUE;
}

static gboolean
do_version(LvdCall *call, const void *args, void *ret, GError **error)
{
    ((lvd_connect_get_lib_version_ret *)ret)->lib_ver = 9000000;
    g_atomic_int_inc(&harness_handled);
    return TRUE;
}

static void
console_closed(int fd, gpointer data)
{
    g_assert_cmpint(send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT), >=, -1); /* still open */
    g_assert_true(data == &console_end);
    g_atomic_int_inc(&harness_streams_closed);
}

static gboolean
do_console(LvdCall *call, const void *args, void *ret, GError **error)
{
    LvdStream *stream;
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(g_unix_set_fd_nonblocking(ends[0], TRUE, NULL));
    stream = lvd_call_open_stream(call, ends[0], console_closed, &console_end);
    if (call->proc->number == P_CONSOLE_FAIL) {
        close(ends[1]);
        g_set_error(error, LVD_ERROR, LVD_ERROR_CODE(55, 41), "no console");
        return FALSE;
    }
    g_mutex_lock(&gate_lock);
    if (console_end >= 0) /* nobody took the last one */
        close(console_end);
    console_end = ends[1];
    console_stream = stream;
    console_fd = ends[0];
    g_cond_broadcast(&gate_changed);
    g_mutex_unlock(&gate_lock);
    return TRUE;
}

static gboolean
do_files(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_create_xml_with_files_args *a = args;

    g_set_error(error, LVD_ERROR, LVD_ERROR_CODE(3, 41), "got %s", a->xml_desc);
    return FALSE;
}

static gboolean
do_events(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_domain_event_callback_lifecycle_msg message = { .msg.dom.name = (char *)"dom" };

    for (guint i = 0; i < harness_n_events; i++) {
        message.callbackID = (int)i;
        lvd_client_send_message(lvd_call_client(call), P_EVENT,
                                (xdrproc_t)xdr_lvd_domain_event_callback_lifecycle_msg, &message);
    }
    return TRUE;
}

#define ARGS(name) (xdrproc_t) xdr_lvd_##name##_args
#define RET(name)  (xdrproc_t) xdr_lvd_##name##_ret
#define SIZE(type) sizeof(lvd_##type)

static const LvdProc procs[] = {
    { P_OPEN, "connect_open", NULL, do_open, ARGS(connect_open), NULL, SIZE(connect_open_args), 0,
      LVD_PROC_HIGH | LVD_PROC_READONLY | LVD_PROC_BEFORE_OPEN },
    { P_CLOSE, "connect_close", NULL, do_close, NULL, NULL, 0, 0,
      LVD_PROC_HIGH | LVD_PROC_READONLY | LVD_PROC_BEFORE_OPEN },
    { P_BIG, "connect_get_capabilities", NULL, do_big, NULL, RET(connect_get_capabilities), 0,
      SIZE(connect_get_capabilities_ret), LVD_PROC_READONLY },
    { P_UNSUPPORTED, "domain_attach_device", "virDomainAttachDevice", NULL,
      ARGS(domain_attach_device), NULL, SIZE(domain_attach_device_args), 0, 0 },
    { P_DESTROY, "domain_destroy", "virDomainDestroy", do_nothing, ARGS(domain_destroy), NULL,
      SIZE(domain_destroy_args), 0, LVD_PROC_HIGH },
    { P_LOOKUP, "domain_lookup_by_name", NULL, do_lookup, ARGS(domain_lookup_by_name),
      RET(domain_lookup_by_name), SIZE(domain_lookup_by_name_args), SIZE(domain_lookup_by_name_ret),
      LVD_PROC_HIGH | LVD_PROC_READONLY },
    { P_STUCK, "domain_shutdown", NULL, do_stuck, NULL, NULL, 0, 0, 0 },
    { P_HOSTNAME, "connect_get_hostname", NULL, do_hostname, NULL, RET(connect_get_hostname), 0,
      SIZE(connect_get_hostname_ret), LVD_PROC_READONLY },
    { P_FEATURE, "connect_supports_feature", NULL, do_feature, ARGS(connect_supports_feature),
      RET(connect_supports_feature), SIZE(connect_supports_feature_args),
      SIZE(connect_supports_feature_ret),
      LVD_PROC_HIGH | LVD_PROC_READONLY | LVD_PROC_BEFORE_OPEN },
    { P_VERSION, "connect_get_lib_version", NULL, do_version, NULL, RET(connect_get_lib_version), 0,
      SIZE(connect_get_lib_version_ret), LVD_PROC_HIGH | LVD_PROC_READONLY },
    { P_CONSOLE, "domain_open_console", NULL, do_console, NULL, NULL, 0, 0, 0 },
    { P_CONSOLE_FAIL, "domain_open_channel", NULL, do_console, NULL, NULL, 0, 0, 0 },
    { P_FILES, "domain_create_xml_with_files", NULL, do_files, ARGS(domain_create_xml_with_files),
      RET(domain_create_xml_with_files), SIZE(domain_create_xml_with_files_args),
      SIZE(domain_create_xml_with_files_ret), 0 },
    { P_EVENTS, "connect_domain_event_callback_register_any", NULL, do_events, NULL, NULL, 0, 0,
      LVD_PROC_HIGH | LVD_PROC_READONLY },
    { P_EVENT, "domain_event_callback_lifecycle", NULL, NULL, NULL, NULL, 0, 0, LVD_PROC_EVENT },
};

const LvdProc *
lvd_qemu_proc_find(gint32 number)
{
    return NULL;
}

const LvdProc *
lvd_proc_find(gint32 number)
{
    for (guint i = 0; i < G_N_ELEMENTS(procs); i++) {
        if (procs[i].number == number)
            return &procs[i];
    }
    return NULL;
}

/* ---- sessions and errors ---- */

struct LvdSession {
    LvdClient *client;
    gint replied; /* atomic */
};

LvdSession *
lvd_session_new(LvdClient *client, HvHost *host)
{
    LvdSession *session = g_new0(LvdSession, 1);

    session->client = client;
    g_atomic_int_inc(&harness_sessions);
    return session;
}

void
lvd_session_free(LvdSession *session)
{
    g_free(session);
    g_atomic_int_add(&harness_sessions, -1);
}

void
lvd_session_replied(LvdSession *session, LvdCall *call)
{
    g_assert_true(session->client == lvd_call_client(call));
    g_atomic_int_inc(&session->replied);
}

G_DEFINE_QUARK(lvd_error_quark, lvd_error)

void
lvd_set_no_support(GError **error, const LvdProc *proc)
{
    g_set_error(error, LVD_ERROR, LVD_ERROR_CODE(3, 41), "not supported: %s", proc->api);
}

void
lvd_set_readonly(GError **error, const LvdProc *proc)
{
    g_set_error(error, LVD_ERROR, LVD_ERROR_CODE(29, 20), "read only access prevents %s",
                proc->api);
}

void
lvd_error_fill(const GError *error, lvd_error *ret_error)
{
    g_assert_true(error->domain == LVD_ERROR);
    ret_error->code = error->code & 0xffff;
    ret_error->domain = error->code >> 16;
    ret_error->message = g_new(lvd_text, 1);
    *ret_error->message = g_strdup(error->message);
    ret_error->level = 2;
    ret_error->int1 = ret_error->int2 = -1;
}

/* ---- the server ---- */

struct Harness {
    LvdConfig *config;
    GThread *thread;
    GMainLoop *loop;
    GMutex lock;
    GCond changed;
    gboolean ready; /* [lock] */
};

static gpointer
server_main(gpointer data)
{
    Harness *harness = data;
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GError) error = NULL;
    LvdServer *server;

    g_main_context_push_thread_default(context);
    server = lvd_server_new(harness->config, NULL);
    lvd_server_listen(server, &error);
    g_assert_no_error(error);
    g_mutex_lock(&harness->lock);
    harness->loop = g_main_loop_new(context, FALSE);
    harness->ready = TRUE;
    g_cond_signal(&harness->changed);
    g_mutex_unlock(&harness->lock);
    g_main_loop_run(harness->loop);
    lvd_server_stop(server);
    harness_release(TRUE);
    lvd_server_free(server);
    g_main_context_pop_thread_default(context);
    return NULL;
}

Harness *
harness_new(LvdConfig *config)
{
    Harness *harness = g_new0(Harness, 1);
    g_autoptr(GError) error = NULL;

    harness->config = config ? config : lvd_config_new();
    g_free(harness->config->root);
    harness->config->root = g_dir_make_tmp("lvd-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(harness->config->root, 0755), ==, 0);
    gate_open = FALSE;
    console_end = -1;
    g_atomic_int_set(&harness_handled, 0);
    g_atomic_int_set(&harness_streams_closed, 0);
    g_mutex_init(&harness->lock);
    g_cond_init(&harness->changed);
    harness->thread = g_thread_new("server", server_main, harness);
    g_mutex_lock(&harness->lock);
    while (!harness->ready)
        g_cond_wait(&harness->changed, &harness->lock);
    g_mutex_unlock(&harness->lock);
    return harness;
}

static gboolean
quit(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

void
harness_free(Harness *harness)
{
    g_autofree char *rw = harness_path(harness, FALSE);
    g_autofree char *ro = harness_path(harness, TRUE);

    g_main_context_invoke(g_main_loop_get_context(harness->loop), quit, harness->loop);
    g_thread_join(harness->thread);
    g_main_loop_unref(harness->loop);
    g_assert_false(g_file_test(rw, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(ro, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_atomic_int_get(&harness_sessions), ==, 0);
    for (guint i = 0; i < 3; i++) {
        static const char *const dirs[] = { "run/libvirt", "run", "" };
        g_autofree char *dir = g_build_filename(harness->config->root, dirs[i], NULL);

        g_assert_cmpint(g_rmdir(dir), ==, 0);
    }
    g_mutex_clear(&harness->lock);
    g_cond_clear(&harness->changed);
    lvd_config_free(harness->config);
    g_free(harness);
}

char *
harness_path(Harness *harness, gboolean readonly)
{
    return g_build_filename(harness->config->root, "run/libvirt",
                            readonly ? "virtxend-sock-ro" : "virtxend-sock", NULL);
}

void
harness_release(gboolean on)
{
    g_mutex_lock(&gate_lock);
    gate_turn++;
    gate_open |= on;
    g_cond_broadcast(&gate_changed);
    g_mutex_unlock(&gate_lock);
}

void
harness_replace_console(void)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    close(pair[1]);
    g_mutex_lock(&gate_lock);
    g_assert_cmpint(dup3(pair[0], console_fd, O_CLOEXEC), ==, console_fd);
    lvd_stream_replaced(console_stream);
    g_mutex_unlock(&gate_lock);
    close(pair[0]);
}

int
harness_console(void)
{
    int fd;

    g_mutex_lock(&gate_lock);
    while (console_end < 0)
        g_cond_wait(&gate_changed, &gate_lock);
    fd = console_end;
    console_end = -1;
    g_mutex_unlock(&gate_lock);
    return fd;
}

guint
harness_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    guint count = 0;

    g_assert_nonnull(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* ---- the client ---- */

int
client_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

int
client_new(Harness *harness)
{
    static const guint8 args[] = { 0, 0, 0, 0, 0, 0, 0, 0 }; /* no name, no flags */
    g_autofree char *path = harness_path(harness, FALSE);
    int fd = client_connect(path);

    client_send(fd, P_OPEN, LVD_CALL, 0, LVD_OK, args, sizeof(args));
    client_expect(fd, P_OPEN, LVD_REPLY, 0, LVD_OK);
    return fd;
}

void
client_write(int fd, const void *bytes, gsize length)
{
    const guint8 *at = bytes;

    while (length > 0) {
        gssize n = send(fd, at, length, MSG_NOSIGNAL);

        g_assert_cmpint(n, >, 0);
        at += n;
        length -= (gsize)n;
    }
}

void
client_send(int fd, gint32 proc, gint32 type, guint32 serial, gint32 status, const void *body,
            gsize length)
{
    LvdHeader header = { .length = LVD_LENGTH_MIN + (guint32)length,
                         .prog = LVD_PROGRAM_REMOTE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = type,
                         .serial = serial,
                         .status = status };
    g_autofree guint8 *message = g_malloc(LVD_LENGTH_MIN + length);

    lvd_header_write(&header, message);
    if (length > 0)
        memcpy(message + LVD_LENGTH_MIN, body, length);
    client_write(fd, message, LVD_LENGTH_MIN + length);
}

void
client_call(int fd, gint32 proc, guint32 serial)
{
    client_send(fd, proc, LVD_CALL, serial, LVD_OK, NULL, 0);
}

void
client_send_fd(int fd, int passed)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char marker = 0;
    struct iovec part = { &marker, 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
    g_assert_cmpint(sendmsg(fd, &message, MSG_NOSIGNAL), ==, 1);
}

static gboolean
read_exactly(int fd, guint8 *at, gsize length)
{
    gsize left = length;

    while (left > 0) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        gssize n;

        g_assert_cmpint(poll(&wait, 1, 60000), ==, 1);
        n = read(fd, at, left);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            g_assert_cmpuint(left, ==, length); /* an end between messages, not inside one */
            return FALSE;
        }
        g_assert_cmpint(n, >, 0);
        at += n;
        left -= (gsize)n;
    }
    return TRUE;
}

gboolean
client_receive(int fd, LvdHeader *ret_header, GByteArray **ret_body)
{
    guint8 bytes[LVD_LENGTH_MIN];

    if (!read_exactly(fd, bytes, sizeof(bytes)))
        return FALSE;
    lvd_header_read(ret_header, bytes);
    g_assert_cmpuint(ret_header->length, >=, LVD_LENGTH_MIN);
    g_assert_cmpuint(ret_header->length, <=, LVD_LENGTH_MAX);
    *ret_body = g_byte_array_new();
    g_byte_array_set_size(*ret_body, ret_header->length - LVD_LENGTH_MIN);
    if ((*ret_body)->len > 0)
        g_assert_true(read_exactly(fd, (*ret_body)->data, (*ret_body)->len));
    return TRUE;
}

static GByteArray *
expect_body(int fd, gint32 proc, gint32 type, guint32 serial, gint32 status)
{
    LvdHeader header;
    GByteArray *body = NULL;

    g_assert_true(client_receive(fd, &header, &body));
    g_assert_cmpint(header.proc, ==, proc);
    g_assert_cmpint(header.type, ==, type);
    g_assert_cmpuint(header.serial, ==, serial);
    g_assert_cmpint(header.status, ==, status);
    return body;
}

void
client_expect(int fd, gint32 proc, gint32 type, guint32 serial, gint32 status)
{
    g_byte_array_unref(expect_body(fd, proc, type, serial, status));
}

static char *
error_message(GByteArray *body, int code, int domain)
{
    lvd_error error = { 0 };
    char *message;
    XDR xdr;

    xdrmem_create(&xdr, (char *)body->data, body->len, XDR_DECODE);
    g_assert_true(xdr_lvd_error(&xdr, &error));
    g_assert_cmpint(error.code, ==, code);
    g_assert_cmpint(error.domain, ==, domain);
    message = g_strdup(*error.message);
    xdr_free((xdrproc_t)xdr_lvd_error, (char *)&error);
    return message;
}

char *
client_expect_error(int fd, gint32 proc, guint32 serial, int code, int domain)
{
    g_autoptr(GByteArray) body = expect_body(fd, proc, LVD_REPLY, serial, LVD_ERROR_STATUS);

    return error_message(body, code, domain);
}

void
client_expect_end(int fd)
{
    LvdHeader header;
    GByteArray *body = NULL;

    g_assert_false(client_receive(fd, &header, &body));
}

void
client_expect_silence(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&wait, 1, 50), ==, 0);
}
