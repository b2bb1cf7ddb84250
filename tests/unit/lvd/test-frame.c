/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames good and hostile against a live server: what it answers, and that it lives on. */
#include "lvd-harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RPC VIR_FROM_RPC

/* The server still serves, another client and this one. */
static void
check_alive(Harness *harness, int fd)
{
    int other = client_new(harness);

    client_call(other, P_VERSION, 5);
    client_expect(other, P_VERSION, LVD_REPLY, 5, LVD_OK);
    close(other);
    if (fd < 0)
        return;
    client_call(fd, P_VERSION, 77777);
    client_expect(fd, P_VERSION, LVD_REPLY, 77777, LVD_OK);
}

static void
send_raw(int fd, guint32 length, guint32 prog, guint32 vers, gint32 proc, gint32 type,
         guint32 serial, gint32 status)
{
    LvdHeader header = { length, prog, vers, proc, type, serial, status };
    guint8 bytes[LVD_LENGTH_MIN];

    lvd_header_write(&header, bytes);
    client_write(fd, bytes, sizeof(bytes));
}

/* ---- the table of odd input ---- */

static const struct {
    const char *name;
    guint32 prog, vers;
    gint32 proc, type, status;
    const char *message; /* of an error 39 in domain 7; NULL: dropped */
} odd[] = {
    { "program", 0x12345678, 1, 1, LVD_CALL, LVD_OK, "Cannot find program 305419896 version 1" },
    { "version", LVD_PROGRAM_REMOTE, 2, P_VERSION, LVD_CALL, LVD_OK,
      "Cannot find program 536903814 version 2" },
    { "lxc", 0x20008088, 1, 1, LVD_CALL, LVD_OK, "Cannot find program 536903816 version 1" },
    { "qemu-version", LVD_PROGRAM_QEMU, 2, 1, LVD_CALL, LVD_OK,
      "Cannot find program 536903815 version 2" },
    { "qemu-procedure", LVD_PROGRAM_QEMU, 1, 99, LVD_CALL, LVD_OK, "unknown procedure: 99" },
    { "ping-as-call", LVD_PROGRAM_KEEPALIVE, 1, 1, LVD_CALL, LVD_OK,
      "Cannot find program 1801807216 version 1" },
    { "keepalive-version", LVD_PROGRAM_KEEPALIVE, 2, 1, LVD_CALL, LVD_OK,
      "Cannot find program 1801807216 version 2" },
    { "procedure", LVD_PROGRAM_REMOTE, 1, 99999, LVD_CALL, LVD_OK, "unknown procedure: 99999" },
    { "procedure-0", LVD_PROGRAM_REMOTE, 1, 0, LVD_CALL, LVD_OK, "unknown procedure: 0" },
    { "procedure-negative", LVD_PROGRAM_REMOTE, 1, -5, LVD_CALL, LVD_OK, "unknown procedure: -5" },
    { "procedure-least", LVD_PROGRAM_REMOTE, 1, G_MININT32, LVD_CALL, LVD_OK,
      "unknown procedure: -2147483648" },
    { "event", LVD_PROGRAM_REMOTE, 1, P_EVENT, LVD_CALL, LVD_OK, "unknown procedure: 318" },
    { "status-error", LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_CALL, LVD_ERROR_STATUS,
      "Unexpected message status 1" },
    { "status-continue", LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_CALL, LVD_CONTINUE,
      "Unexpected message status 2" },
    { "too-short", LVD_PROGRAM_REMOTE, 1, P_LOOKUP, LVD_CALL, LVD_OK,
      "Unable to decode message payload" },
    { "reply", LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_REPLY, LVD_OK, NULL },
    { "message", LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_MESSAGE, LVD_OK, NULL },
    { "stray-stream", LVD_PROGRAM_REMOTE, 1, P_CONSOLE, LVD_STREAM, LVD_CONTINUE, NULL },
    { "stray-finish", LVD_PROGRAM_REMOTE, 1, P_CONSOLE, LVD_STREAM, LVD_OK, NULL },
    { "stray-hole", LVD_PROGRAM_REMOTE, 1, P_CONSOLE, LVD_STREAM_HOLE, LVD_CONTINUE, NULL },
    { "reply-with-fds", LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_REPLY_FDS, LVD_OK, NULL },
    { "type", LVD_PROGRAM_REMOTE, 1, P_VERSION, 99, LVD_OK, NULL },
    { "type-negative", LVD_PROGRAM_REMOTE, 1, P_VERSION, -1, LVD_OK, NULL },
    { "pong", LVD_PROGRAM_KEEPALIVE, 1, 2, LVD_MESSAGE, LVD_OK, NULL },
    { "keepalive-unknown", LVD_PROGRAM_KEEPALIVE, 1, 3, LVD_MESSAGE, LVD_OK, NULL },
};

static void
test_odd(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    send_raw(fd, LVD_LENGTH_MIN, odd[i].prog, odd[i].vers, odd[i].proc, odd[i].type, 9,
             odd[i].status);
    if (odd[i].message) {
        g_autofree char *message = client_expect_error(fd, odd[i].proc, 9, VIR_ERR_RPC, RPC);

        g_assert_cmpstr(message, ==, odd[i].message);
    } else {
        client_expect_silence(fd);
    }
    check_alive(harness, fd);
    close(fd);
}

static void
test_bad_lengths(void)
{
    static const guint32 lengths[] = { 0, 1, 4, 27, 33554437, 0x7fffffff, 0x80000000, 0xffffffff };
    g_autoptr(Harness) harness = harness_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        int fd = client_new(harness);

        send_raw(fd, lengths[i], LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_CALL, 1, LVD_OK);
        client_expect_end(fd);
        close(fd);
    }
    check_alive(harness, -1);
}

static void
test_wrong_strings(void)
{
    /* a string of 4 GiB - 1 in a message of 32 bytes; then one just over the protocol's limit */
    static const guint8 huge[] = { 0xff, 0xff, 0xff, 0xff }, over[] = { 0, 0x40, 0, 1 };
    static const guint8 short_string[] = { 0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0 };
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    g_autofree char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;

    client_send(fd, P_LOOKUP, LVD_CALL, 1, LVD_OK, huge, sizeof(huge));
    first = client_expect_error(fd, P_LOOKUP, 1, VIR_ERR_RPC, RPC);
    g_assert_cmpstr(first, ==, "Unable to decode message payload");
    client_send(fd, P_LOOKUP, LVD_CALL, 2, LVD_OK, over, sizeof(over));
    second = client_expect_error(fd, P_LOOKUP, 2, VIR_ERR_RPC, RPC);
    g_assert_cmpstr(second, ==, "Unable to decode message payload");
    /* one byte less than its length and padding say */
    client_send(fd, P_LOOKUP, LVD_CALL, 3, LVD_OK, short_string, 4 + 7);
    third = client_expect_error(fd, P_LOOKUP, 3, VIR_ERR_RPC, RPC);
    g_assert_cmpstr(third, ==, "Unable to decode message payload");
    client_send(fd, P_LOOKUP, LVD_CALL, 4, LVD_OK, short_string, sizeof(short_string));
    fourth = client_expect_error(fd, P_LOOKUP, 4, VIR_ERR_NO_DOMAIN, VIR_FROM_LIBXL);
    g_assert_cmpstr(fourth, ==, "no domain with matching name 'abcde'");
    check_alive(harness, fd);
    close(fd);
}

static bool_t
decode(xdrproc_t xdr, void *into, const guint32 *words, guint n_words)
{
    g_autofree guint32 *wire = g_new(guint32, n_words);
    XDR stream;
    bool_t ok;

    for (guint i = 0; i < n_words; i++)
        wire[i] = GUINT32_TO_BE(words[i]);
    xdrmem_create(&stream, (char *)wire, n_words * 4, XDR_DECODE);
    ok = xdr(&stream, into);
    xdr_destroy(&stream);
    return ok;
}

/* Within the protocol's limits, and more than the message holds: nothing is allocated. */
static void
test_claimed_arrays(void)
{
    static const guint32 many[] = { 16384, 0 }, three[] = { 3, 3 };
    static const guint32 cookie[] = { 4194304, 1, 2 };
    lvd_connect_get_all_domain_stats_args stats = { 0 };
    lvd_domain_migrate_prepare3_args prepare = { 0 };
    lvd_connect_get_cpu_model_names_ret models = { 0 };

    g_assert_false(decode((xdrproc_t)xdr_lvd_connect_get_all_domain_stats_args, &stats, many,
                          G_N_ELEMENTS(many)));
    g_assert_null(stats.doms.doms_val);
    xdr_free((xdrproc_t)xdr_lvd_connect_get_all_domain_stats_args, (char *)&stats);
    g_assert_false(decode((xdrproc_t)xdr_lvd_domain_migrate_prepare3_args, &prepare, cookie,
                          G_N_ELEMENTS(cookie)));
    g_assert_null(prepare.cookie_in.cookie_in_val);
    xdr_free((xdrproc_t)xdr_lvd_domain_migrate_prepare3_args, (char *)&prepare);
    /* three strings claimed, one there: what was read is freed */
    g_assert_false(decode((xdrproc_t)xdr_lvd_connect_get_cpu_model_names_ret, &models, three, 2));
    g_assert_null(models.models.models_val);
    g_assert_false(decode((xdrproc_t)xdr_lvd_connect_get_cpu_model_names_ret, &models,
                          (const guint32[]){ 3, 3, 0x61626300, 0xffffffff }, 4));
    g_assert_nonnull(models.models.models_val);
    g_assert_cmpstr(models.models.models_val[0], ==, "abc");
    xdr_free((xdrproc_t)xdr_lvd_connect_get_cpu_model_names_ret, (char *)&models);
}

static void
test_trailing_bytes(void)
{
    static const guint8 args[] = { 0, 0, 0, 14, 1, 2, 3, 4, 5, 6, 7 };
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    client_send(fd, P_FEATURE, LVD_CALL, 1, LVD_OK, args, sizeof(args));
    client_expect(fd, P_FEATURE, LVD_REPLY, 1, LVD_OK);
    client_send(fd, P_VERSION, LVD_CALL, 2, LVD_OK, args, sizeof(args));
    client_expect(fd, P_VERSION, LVD_REPLY, 2, LVD_OK);
    close(fd);
}

/* ---- before open, read-only ---- */

static void
test_before_open(void)
{
    static const guint8 feature[] = { 0, 0, 0, 10 };
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *path = harness_path(harness, FALSE);
    g_autofree char *message = NULL;
    int fd = client_connect(path);

    client_call(fd, P_VERSION, 1);
    message = client_expect_error(fd, P_VERSION, 1, VIR_ERR_INTERNAL_ERROR, RPC);
    g_assert_cmpstr(message, ==, "hypervisor connection not open");
    client_send(fd, P_FEATURE, LVD_CALL, 2, LVD_OK, feature, sizeof(feature));
    client_expect(fd, P_FEATURE, LVD_REPLY, 2, LVD_OK);
    /* close is allowed too, and ends the connection after its reply */
    client_call(fd, P_CLOSE, 3);
    client_expect(fd, P_CLOSE, LVD_REPLY, 3, LVD_OK);
    client_expect_end(fd);
    close(fd);
}

static void
test_close_ignores_rest(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    client_call(fd, P_CLOSE, 1);
    client_expect(fd, P_CLOSE, LVD_REPLY, 1, LVD_OK);
    client_expect_end(fd);
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    close(fd);
}

static void
expect_readonly(int fd)
{
    guint8 dom[24] = { 0, 0, 0, 0 }; /* name "", uuid, id */
    g_autofree char *message = NULL;

    client_send(fd, P_DESTROY, LVD_CALL, 5, LVD_OK, dom, sizeof(dom));
    message = client_expect_error(fd, P_DESTROY, 5, VIR_ERR_OPERATION_DENIED, VIR_FROM_DOMAIN);
    g_assert_cmpstr(message, ==, "read only access prevents virDomainDestroy");
    client_call(fd, P_VERSION, 6);
    client_expect(fd, P_VERSION, LVD_REPLY, 6, LVD_OK);
}

static void
test_readonly(void)
{
    static const guint8 open_rw[8] = { 0 }, open_ro[] = { 0, 0, 0, 0, 0, 0, 0, 1 };
    guint8 dom[24] = { 0 }, device[28] = { 0 };
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *rw = harness_path(harness, FALSE);
    g_autofree char *ro = harness_path(harness, TRUE);
    g_autofree char *message = NULL;
    int by_socket = client_connect(ro), by_flag = client_connect(rw), writer = client_new(harness);

    /* the socket wins over the flag */
    client_send(by_socket, P_OPEN, LVD_CALL, 0, LVD_OK, open_rw, sizeof(open_rw));
    client_expect(by_socket, P_OPEN, LVD_REPLY, 0, LVD_OK);
    expect_readonly(by_socket);
    client_send(by_flag, P_OPEN, LVD_CALL, 0, LVD_OK, open_ro, sizeof(open_ro));
    client_expect(by_flag, P_OPEN, LVD_REPLY, 0, LVD_OK);
    expect_readonly(by_flag);
    g_assert_cmpint(g_atomic_int_get(&harness_handled), ==, 2); /* destroy was never entered */
    client_send(writer, P_DESTROY, LVD_CALL, 1, LVD_OK, dom, sizeof(dom));
    client_expect(writer, P_DESTROY, LVD_REPLY, 1, LVD_OK);
    client_send(writer, P_UNSUPPORTED, LVD_CALL, 2, LVD_OK, device, sizeof(device));
    message = client_expect_error(writer, P_UNSUPPORTED, 2, VIR_ERR_NO_SUPPORT, VIR_FROM_LIBXL);
    g_assert_cmpstr(message, ==, "not supported: virDomainAttachDevice");
    close(by_socket);
    close(by_flag);
    close(writer);
}

static void
test_modes(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *rw = harness_path(harness, FALSE);
    g_autofree char *ro = harness_path(harness, TRUE);
    struct stat st;

    g_assert_cmpint(stat(rw, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
    g_assert_cmpint(stat(ro, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0777);
}

/* ---- how bytes arrive ---- */

static void
test_slow_loris(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    LvdHeader header = { 32, LVD_PROGRAM_REMOTE, 1, P_FEATURE, LVD_CALL, 3, LVD_OK };
    guint8 bytes[32] = { 0 };

    lvd_header_write(&header, bytes);
    for (guint i = 0; i < sizeof(bytes); i++) {
        client_write(fd, bytes + i, 1);
        if (i % 8 == 1)
            check_alive(harness, -1);
    }
    client_expect(fd, P_FEATURE, LVD_REPLY, 3, LVD_OK);
    check_alive(harness, fd);
    client_write(fd, bytes, 5); /* and leaves in the middle */
    close(fd);
    check_alive(harness, -1);
}

/* Message and a half in one write, then the rest: no byte is lost at the seam. */
static void
test_seam(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    guint8 bytes[3 * LVD_LENGTH_MIN];

    for (guint32 cut = 1; cut < sizeof(bytes); cut += 3) {
        for (guint32 i = 0; i < 3; i++) {
            LvdHeader header = { LVD_LENGTH_MIN, LVD_PROGRAM_REMOTE, 1, P_VERSION, LVD_CALL, 7,
                                 LVD_OK };

            lvd_header_write(&header, bytes + i * LVD_LENGTH_MIN);
        }
        client_write(fd, bytes, cut);
        g_usleep(300);
        client_write(fd, bytes + cut, sizeof(bytes) - cut);
        for (guint32 i = 0; i < 3; i++)
            client_expect(fd, P_VERSION, LVD_REPLY, 7, LVD_OK);
    }
    close(fd);
}

static void
test_large_message(void)
{
    static const gsize sizes[] = { 4000, 65508, 65536, 100000, 3000000 };
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        gsize padded = (sizes[i] + 3) & ~(gsize)3;
        g_autofree guint8 *body = g_malloc(4 + padded);
        g_autofree char *message = NULL;
        guint32 word = GUINT32_TO_BE((guint32)sizes[i]);

        memset(body, 'n', 4 + padded);
        memcpy(body, &word, 4);
        client_send(fd, P_LOOKUP, LVD_CALL, i, LVD_OK, body, 4 + padded);
        message = client_expect_error(fd, P_LOOKUP, i, VIR_ERR_NO_DOMAIN, VIR_FROM_LIBXL);
        g_assert_cmpuint(strlen(message), ==, strlen("no domain with matching name ''") + sizes[i]);
    }
    check_alive(harness, fd);
    close(fd);
}

/* The biggest length that is accepted, claimed by many who send next to nothing. */
static void
test_claims_cost_nothing(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fds[50];
    guint8 some[1000] = { 0 };
    struct rusage before, after;

    getrusage(RUSAGE_SELF, &before);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_new(harness);
        send_raw(fds[i], LVD_LENGTH_MAX, LVD_PROGRAM_REMOTE, 1, P_LOOKUP, LVD_CALL, 1, LVD_OK);
        client_write(fds[i], some, sizeof(some));
    }
    check_alive(harness, -1);
    getrusage(RUSAGE_SELF, &after);
    /* 50 x 32 MiB would be 1.6 GB; KiB here, with room for what a sanitizer adds */
    g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 100 * 1024);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}

/* ---- replies ---- */

static void
test_pipelined(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    gboolean seen[500] = { 0 };

    for (guint32 i = 0; i < G_N_ELEMENTS(seen); i++)
        client_call(fd, i % 2 ? P_VERSION : P_HOSTNAME, i);
    for (guint32 i = 0; i < G_N_ELEMENTS(seen); i++) {
        g_autoptr(GByteArray) body = NULL;
        LvdHeader header;

        g_assert_true(client_receive(fd, &header, &body));
        g_assert_cmpint(header.status, ==, LVD_OK);
        g_assert_cmpuint(header.serial, <, G_N_ELEMENTS(seen));
        g_assert_false(seen[header.serial]);
        seen[header.serial] = TRUE;
        g_assert_cmpint(header.proc, ==, header.serial % 2 ? P_VERSION : P_HOSTNAME);
    }
    client_expect_silence(fd);
    close(fd);
}

static void
test_big_reply(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    g_autofree char *message = NULL;

    harness_big_size = 4000000; /* much more than a socket holds */
    client_call(fd, P_BIG, 1);
    harness_wait(g_atomic_int_get(&harness_handled) == 1);
    g_usleep(20000); /* let it fill the socket */
    client_expect(fd, P_BIG, LVD_REPLY, 1, LVD_OK);
    harness_big_size = 4194305; /* over the protocol's limit of a string */
    client_call(fd, P_BIG, 2);
    message = client_expect_error(fd, P_BIG, 2, VIR_ERR_RPC, RPC);
    g_assert_cmpstr(message, ==, "Unable to encode message payload");
    check_alive(harness, fd);
    close(fd);
}

/* ---- limits ---- */

static void
test_max_client_requests(void)
{
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    int fd;

    config->max_client_requests = 3;
    config->max_client_slow_requests = 0;
    harness = harness_new(config);
    fd = client_new(harness);
    for (guint32 i = 0; i < 10; i++)
        client_call(fd, P_STUCK, i);
    client_call(fd, P_VERSION, 10); /* behind them: not looked at */
    harness_wait(g_atomic_int_get(&harness_stuck) == 3);
    client_expect_silence(fd);
    g_assert_cmpint(g_atomic_int_get(&harness_stuck), ==, 3);
    check_alive(harness, -1);
    harness_release(TRUE);
    for (guint32 i = 0; i < 11; i++) {
        g_autoptr(GByteArray) body = NULL;
        LvdHeader header;

        g_assert_true(client_receive(fd, &header, &body));
    }
    client_expect_silence(fd);
    close(fd);
}

/* Replies that are not read count as well, so they cannot pile up. */
static void
test_unread_replies(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    harness_big_size = 1000000;
    for (guint32 i = 0; i < 20; i++)
        client_call(fd, P_BIG, i);
    harness_wait(g_atomic_int_get(&harness_handled) >= 5);
    g_usleep(50000);
    /* Ten that run, or four whose replies wait and ten; and one whose reply went into the socket.
     */
    g_assert_cmpint(g_atomic_int_get(&harness_handled), <=, 15);
    for (guint32 i = 0; i < 20; i++) {
        g_autoptr(GByteArray) body = NULL;
        LvdHeader header;

        g_assert_true(client_receive(fd, &header, &body));
        g_assert_cmpint(header.status, ==, LVD_OK);
    }
    check_alive(harness, fd);
    close(fd);
}

static void
test_max_clients(void)
{
    static const guint8 args[8] = { 0 };
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    g_autofree char *path = NULL;
    int first, second, third;

    config->max_clients = 2;
    harness = harness_new(config);
    path = harness_path(harness, FALSE);
    first = client_new(harness);
    second = client_new(harness);
    third = client_connect(path); /* in the backlog */
    client_send(third, P_OPEN, LVD_CALL, 0, LVD_OK, args, sizeof(args));
    client_expect_silence(third);
    close(first);
    client_expect(third, P_OPEN, LVD_REPLY, 0, LVD_OK);
    close(second);
    close(third);
}

/* As nobody, where we are root: root is never counted. For this thread only. */
static int
connect_as_user(const char *path)
{
    int fd;

    if (geteuid() == 0)
        g_assert_cmpint(syscall(SYS_setresuid, -1, 65534, -1), ==, 0);
    fd = client_connect(path);
    if (getuid() == 0)
        g_assert_cmpint(syscall(SYS_setresuid, -1, 0, -1), ==, 0);
    return fd;
}

static void
test_max_anonymous_clients(void)
{
    static const guint8 args[8] = { 0 };
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    g_autofree char *path = NULL;
    int idle[2], late, root;

    config->max_anonymous_clients = 2;
    harness = harness_new(config);
    path = harness_path(harness, TRUE);
    idle[0] = connect_as_user(path);
    idle[1] = connect_as_user(path);
    late = connect_as_user(path);
    client_send(late, P_OPEN, LVD_CALL, 0, LVD_OK, args, sizeof(args));
    client_expect_silence(late);
    /* the other socket is not concerned */
    root = client_new(harness);
    client_call(root, P_VERSION, 1);
    client_expect(root, P_VERSION, LVD_REPLY, 1, LVD_OK);
    /* one opens: a place is free */
    client_send(idle[0], P_OPEN, LVD_CALL, 0, LVD_OK, args, sizeof(args));
    client_expect(idle[0], P_OPEN, LVD_REPLY, 0, LVD_OK);
    client_expect(late, P_OPEN, LVD_REPLY, 0, LVD_OK);
    /* one that leaves frees a place too, once */
    close(idle[1]);
    idle[1] = connect_as_user(path);
    client_send(idle[1], P_OPEN, LVD_CALL, 0, LVD_OK, args, sizeof(args));
    client_expect(idle[1], P_OPEN, LVD_REPLY, 0, LVD_OK);
    close(idle[0]);
    close(idle[1]);
    close(late);
    close(root);
}

static void
test_events(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    harness_n_events = 20000; /* 1.4 MB: more than the socket holds, far below the bound */
    client_call(fd, P_EVENTS, 1);
    for (guint i = 0; i < harness_n_events; i++) {
        g_autoptr(GByteArray) body = NULL;
        LvdHeader header;
        guint32 id;

        g_assert_true(client_receive(fd, &header, &body));
        g_assert_cmpint(header.type, ==, LVD_MESSAGE);
        g_assert_cmpuint(header.serial, ==, 1);
        memcpy(&id, body->data, 4);
        g_assert_cmpuint(GUINT32_FROM_BE(id), ==, i); /* in order */
    }
    client_expect(fd, P_EVENTS, LVD_REPLY, 1, LVD_OK);
    close(fd);
}

static void
test_event_flood(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    g_autofree guint8 *room = g_malloc(1 << 20);
    gsize got = 0;
    gssize n;

    harness_n_events = 300000; /* 20 MB, and nobody reads */
    client_call(fd, P_EVENTS, 1);
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    while ((n = recv(fd, room, 1 << 20, 0)) > 0)
        got += (gsize)n;
    g_assert_cmpuint(got, <, LVD_EVENT_QUEUE_MAX);
    check_alive(harness, -1);
    close(fd);
}

/* A client that pings and reads no pong costs no more than one that reads no events. */
static void
test_ping_flood(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    LvdHeader ping = { LVD_LENGTH_MIN, LVD_PROGRAM_KEEPALIVE, 1, 1, LVD_MESSAGE, 0, LVD_OK };
    g_autofree guint8 *pings = g_malloc(LVD_LENGTH_MIN * 1000);
    int fd = client_new(harness);
    guint sent = 0;

    for (guint i = 0; i < 1000; i++)
        lvd_header_write(&ping, pings + i * LVD_LENGTH_MIN);
    while (send(fd, pings, LVD_LENGTH_MIN * 1000, MSG_NOSIGNAL) > 0)
        g_assert_cmpuint(sent++, <, 5000); /* 140 MB of pongs */
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    check_alive(harness, -1);
    close(fd);
}

/* ---- keepalive ---- */

static void
test_ping(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *path = harness_path(harness, FALSE);
    int fd = client_connect(path); /* not open */

    send_raw(fd, LVD_LENGTH_MIN, LVD_PROGRAM_KEEPALIVE, 1, 1, LVD_MESSAGE, 0, LVD_OK);
    client_expect(fd, 2, LVD_MESSAGE, 0, LVD_OK);
    close(fd);
}

static void
test_keepalive_timer(void)
{
    static const guint8 feature[] = { 0, 0, 0, 10 };
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    int silent, answering, plain;
    gint64 began;

    config->keepalive_interval = 1;
    config->keepalive_count = 3;
    harness = harness_new(config);
    silent = client_new(harness);
    answering = client_new(harness);
    plain = client_new(harness); /* never asked for feature 10: left alone */
    began = g_get_monotonic_time();
    client_send(silent, P_FEATURE, LVD_CALL, 1, LVD_OK, feature, sizeof(feature));
    client_expect(silent, P_FEATURE, LVD_REPLY, 1, LVD_OK);
    client_send(answering, P_FEATURE, LVD_CALL, 1, LVD_OK, feature, sizeof(feature));
    client_expect(answering, P_FEATURE, LVD_REPLY, 1, LVD_OK);
    for (guint i = 0; i < 5; i++) {
        client_expect(answering, 1, LVD_MESSAGE, 0, LVD_OK);
        send_raw(answering, LVD_LENGTH_MIN, LVD_PROGRAM_KEEPALIVE, 1, 2, LVD_MESSAGE, 0, LVD_OK);
    }
    for (guint i = 0; i < 3; i++) /* pings, then the end */
        client_expect(silent, 1, LVD_MESSAGE, 0, LVD_OK);
    client_expect_end(silent);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, 4 * G_USEC_PER_SEC - 100000);
    check_alive(harness, answering);
    check_alive(harness, plain);
    close(silent);
    close(answering);
    close(plain);
}

/* More microseconds than an int has. */
static void
test_keepalive_seldom(void)
{
    static const guint8 feature[] = { 0, 0, 0, 10 };
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    int fd;

    config->keepalive_interval = 3600;
    harness = harness_new(config);
    fd = client_new(harness);
    client_send(fd, P_FEATURE, LVD_CALL, 1, LVD_OK, feature, sizeof(feature));
    client_expect(fd, P_FEATURE, LVD_REPLY, 1, LVD_OK);
    client_expect_silence(fd);
    check_alive(harness, fd);
    close(fd);
}

/* ---- descriptors ---- */

static const guint8 files_args[] = { 0, 0, 0, 2, 0, 0, 0, 3, '<', 'a', '>', 0, 0, 0, 0, 0 };

static void
test_fds(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness), passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    guint before = harness_count_fds();

    for (guint32 i = 0; i < 20; i++) {
        g_autofree char *message = NULL;

        client_send(fd, P_FILES, LVD_CALL_FDS, i, LVD_OK, files_args, sizeof(files_args));
        if (i % 3 == 0)
            g_usleep(2000); /* the message alone, then the markers */
        client_send_fd(fd, passed);
        client_send_fd(fd, passed);
        client_call(fd, P_VERSION, 1000 + i); /* right behind them */
        if (i % 2)
            g_usleep(2000);
        /* two replies, in any order */
        for (guint k = 0; k < 2; k++) {
            g_autoptr(GByteArray) body = NULL;
            LvdHeader header;

            g_assert_true(client_receive(fd, &header, &body));
            g_assert_cmpuint(header.serial, ==, header.proc == P_FILES ? i : 1000 + i);
            g_assert_cmpint(header.status, ==, header.proc == P_FILES ? LVD_ERROR_STATUS : LVD_OK);
        }
    }
    harness_wait(harness_count_fds() == before);
    close(passed);
    close(fd);
}

/* Pipelined up to the limit: calls and markers wait in the buffer together. */
static void
test_fds_while_stopped(void)
{
    LvdConfig *config = lvd_config_new();
    g_autoptr(Harness) harness = NULL;
    guint before;
    int fd, passed;

    config->max_client_requests = 1;
    config->max_client_slow_requests = 0;
    harness = harness_new(config);
    fd = client_new(harness);
    passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    before = harness_count_fds();
    client_call(fd, P_STUCK, 0);
    for (guint32 i = 1; i <= 3; i++) {
        client_send(fd, P_FILES, LVD_CALL_FDS, i, LVD_OK, files_args, sizeof(files_args));
        client_send_fd(fd, passed);
        client_send_fd(fd, passed);
    }
    harness_wait(g_atomic_int_get(&harness_stuck) == 1);
    g_usleep(20000);
    harness_release(TRUE);
    client_expect(fd, P_STUCK, LVD_REPLY, 0, LVD_OK);
    for (guint32 i = 1; i <= 3; i++) {
        g_autofree char *message = client_expect_error(fd, P_FILES, i, VIR_ERR_NO_SUPPORT,
                                                       VIR_FROM_LIBXL);

        g_assert_cmpstr(message, ==, "got <a>");
    }
    harness_wait(harness_count_fds() == before);
    close(passed);
    close(fd);
}

static void
test_fds_hostile(void)
{
    static const guint8 too_many[] = { 0, 0, 0, 33, 0, 0, 0, 0 }, none[] = { 0, 0, 0 };
    static const guint8 zero[] = { 0, 0, 0, 0, 0, 0, 0, 3, '<', 'a', '>', 0, 0, 0, 0, 0 };
    g_autoptr(Harness) harness = harness_new(NULL);
    int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    guint before = harness_count_fds();
    g_autofree char *message = NULL;
    int fd;

    fd = client_new(harness);
    client_send(fd, P_FILES, LVD_CALL_FDS, 1, LVD_OK, too_many, sizeof(too_many));
    client_expect_end(fd);
    close(fd);

    fd = client_new(harness);
    client_send(fd, P_FILES, LVD_CALL_FDS, 1, LVD_OK, none, sizeof(none));
    client_expect_end(fd);
    close(fd);

    fd = client_new(harness); /* announced, but a plain byte comes */
    client_send(fd, P_FILES, LVD_CALL_FDS, 1, LVD_OK, files_args, sizeof(files_args));
    client_write(fd, "\0", 1);
    client_expect_end(fd);
    close(fd);

    fd = client_new(harness); /* goes away between the two */
    client_send(fd, P_FILES, LVD_CALL_FDS, 1, LVD_OK, files_args, sizeof(files_args));
    client_send_fd(fd, passed);
    close(fd);

    fd = client_new(harness); /* none, as a number */
    client_send(fd, P_FILES, LVD_CALL_FDS, 1, LVD_OK, zero, sizeof(zero));
    message = client_expect_error(fd, P_FILES, 1, VIR_ERR_NO_SUPPORT, VIR_FROM_LIBXL);
    /* unannounced ones, on every byte of a header that never ends */
    send_raw(fd, 100000, LVD_PROGRAM_REMOTE, 1, P_LOOKUP, LVD_CALL, 1, LVD_OK);
    for (guint i = 0; i < 200; i++)
        client_send_fd(fd, passed);
    harness_wait(harness_count_fds() <= before + 2 + 1); /* our two ends, one in flight */
    close(fd);
    check_alive(harness, -1);
    harness_wait(harness_count_fds() == before);
    close(passed);
}

/* ---- ends ---- */

/* A session outlives its client as long as a call of it runs. */
static void
test_gone_while_calling(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);

    client_call(fd, P_STUCK, 1);
    harness_wait(g_atomic_int_get(&harness_stuck) == 1);
    close(fd);
    g_usleep(20000);
    g_assert_cmpint(g_atomic_int_get(&harness_sessions), ==, 1);
    harness_release(FALSE);
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    check_alive(harness, -1);
}

static void
test_stop_while_calling(void)
{
    Harness *harness = harness_new(NULL);
    int fds[4];

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_new(harness);
        for (guint32 k = 0; k < 10; k++)
            client_call(fds[i], P_STUCK, k);
    }
    harness_wait(g_atomic_int_get(&harness_stuck) == 20);
    harness_free(harness); /* waits for the twenty, drops the rest */
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}

static gpointer
come_and_go(gpointer data)
{
    Harness *harness = data;

    for (guint i = 0; i < 60; i++) {
        int fd = client_new(harness);

        for (guint32 k = 0; k < 8; k++)
            client_call(fd, k % 2 ? P_VERSION : P_HOSTNAME, k);
        if (i % 3 == 0)
            client_call(fd, P_CLOSE, 8);
        if (i % 3 == 1)
            for (guint k = 0; k < 8; k++) {
                g_autoptr(GByteArray) body = NULL;
                LvdHeader header;

                g_assert_true(client_receive(fd, &header, &body));
            }
        close(fd);
    }
    return NULL;
}

static void
test_many(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    guint before = harness_count_fds();
    GThread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("client", come_and_go, harness);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    harness_wait(harness_count_fds() == before);
    check_alive(harness, -1);
}

/* ---- sockets ---- */

static void
test_another_daemon(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *path = harness_path(harness, FALSE);
    LvdSocket socket = { .path = path, .fd = -1 };
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("another daemon already listens on %s", path);

    g_assert_false(lvd_socket_listen(&socket, 0700, NULL, 10, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
    g_assert_cmpstr(error->message, ==, message);
    check_alive(harness, -1);
}

static void
test_stale_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("lvd-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "file", NULL);
    LvdSocket dead = { .path = g_build_filename(dir, "sock", NULL), .fd = -1 };
    LvdSocket fresh = { .path = g_strdup(dead.path), .fd = -1 };
    LvdSocket no_socket = { .path = file, .fd = -1 };
    LvdSocket bad_group = { .path = g_build_filename(dir, "sock2", NULL), .fd = -1 };
    LvdSocket long_path = { .fd = -1 };
    g_autofree char *name = g_strnfill(200, 'x');
    g_autoptr(GError) error = NULL;

    g_assert_true(lvd_socket_listen(&dead, 0700, NULL, 10, &error));
    close(dead.fd); /* killed: the file stays */
    g_assert_true(g_file_test(dead.path, G_FILE_TEST_EXISTS));
    g_assert_true(lvd_socket_listen(&fresh, 0700, NULL, 10, &error));
    g_assert_no_error(error);
    /* somebody removed the file and another took its place: the end of the first leaves that */
    unlink(fresh.path);
    dead.fd = -1;
    g_assert_true(lvd_socket_listen(&dead, 0700, NULL, 10, &error));
    lvd_socket_close(&fresh);
    g_assert_true(g_file_test(dead.path, G_FILE_TEST_EXISTS));
    lvd_socket_close(&dead);

    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_assert_false(lvd_socket_listen(&no_socket, 0700, NULL, 10, &error));
    g_assert_nonnull(strstr(error->message, "exists and is not a socket"));
    g_clear_error(&error);
    g_assert_false(lvd_socket_listen(&bad_group, 0700, "no-such-group", 10, &error));
    g_assert_nonnull(strstr(error->message, "there is no group \"no-such-group\""));
    g_clear_error(&error);
    long_path.path = g_build_filename(dir, name, NULL);
    g_assert_false(lvd_socket_listen(&long_path, 0700, NULL, 10, &error));
    g_assert_nonnull(strstr(error->message, "too long"));
    unlink(file);
    g_assert_cmpint(rmdir(dir), ==, 0);
    g_free(bad_group.path);
    g_free(long_path.path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    lvd_log_init(4);
    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autofree char *path = g_strdup_printf("/lvd/frame/odd/%s", odd[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_odd);
    }
    g_test_add_func("/lvd/frame/bad-lengths", test_bad_lengths);
    g_test_add_func("/lvd/frame/wrong-strings", test_wrong_strings);
    g_test_add_func("/lvd/frame/claimed-arrays", test_claimed_arrays);
    g_test_add_func("/lvd/frame/trailing-bytes", test_trailing_bytes);
    g_test_add_func("/lvd/frame/before-open", test_before_open);
    g_test_add_func("/lvd/frame/close-ignores-rest", test_close_ignores_rest);
    g_test_add_func("/lvd/frame/readonly", test_readonly);
    g_test_add_func("/lvd/frame/slow-loris", test_slow_loris);
    g_test_add_func("/lvd/frame/seam", test_seam);
    g_test_add_func("/lvd/frame/large-message", test_large_message);
    g_test_add_func("/lvd/frame/claims-cost-nothing", test_claims_cost_nothing);
    g_test_add_func("/lvd/frame/pipelined", test_pipelined);
    g_test_add_func("/lvd/frame/big-reply", test_big_reply);
    g_test_add_func("/lvd/limits/client-requests", test_max_client_requests);
    g_test_add_func("/lvd/limits/unread-replies", test_unread_replies);
    g_test_add_func("/lvd/limits/clients", test_max_clients);
    g_test_add_func("/lvd/limits/anonymous-clients", test_max_anonymous_clients);
    g_test_add_func("/lvd/limits/event-flood", test_event_flood);
    g_test_add_func("/lvd/limits/ping-flood", test_ping_flood);
    g_test_add_func("/lvd/events/order", test_events);
    g_test_add_func("/lvd/keepalive/ping-before-open", test_ping);
    g_test_add_func("/lvd/keepalive/timer", test_keepalive_timer);
    g_test_add_func("/lvd/keepalive/seldom", test_keepalive_seldom);
    g_test_add_func("/lvd/fds/not-leaked", test_fds);
    g_test_add_func("/lvd/fds/while-stopped", test_fds_while_stopped);
    g_test_add_func("/lvd/fds/hostile", test_fds_hostile);
    g_test_add_func("/lvd/ends/client-gone-while-calling", test_gone_while_calling);
    g_test_add_func("/lvd/ends/stop-while-calling", test_stop_while_calling);
    g_test_add_func("/lvd/ends/many", test_many);
    g_test_add_func("/lvd/socket/modes", test_modes);
    g_test_add_func("/lvd/socket/another-daemon", test_another_daemon);
    g_test_add_func("/lvd/socket/stale", test_stale_socket);
    return g_test_run();
}
