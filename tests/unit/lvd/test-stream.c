/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams, as virsh console uses them. */
#include "lvd-harness.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Console {
    Harness *harness;
    int fd;    /* the client's socket */
    int guest; /* the guest's end of its console */
} Console;

#define SERIAL 42

static Console
console_open(void)
{
    Console c = { .harness = harness_new(NULL) };

    c.fd = client_new(c.harness);
    client_call(c.fd, P_CONSOLE, SERIAL);
    client_expect(c.fd, P_CONSOLE, LVD_REPLY, SERIAL, LVD_OK);
    c.guest = harness_console();
    return c;
}

static void
console_close(Console *c)
{
    if (c->guest >= 0)
        close(c->guest);
    if (c->fd >= 0)
        close(c->fd);
    harness_free(c->harness);
    g_assert_cmpint(g_atomic_int_get(&harness_streams_closed), ==, 1);
}

static void
send_packet(Console *c, gint32 status, const void *data, gsize length)
{
    client_send(c->fd, P_CONSOLE, LVD_STREAM, SERIAL, status, data, length);
}

/* Stream data of the server's; appended. FALSE: the end of data. */
static gboolean
receive_data(Console *c, GString *text)
{
    g_autoptr(GByteArray) body = NULL;
    LvdHeader header;

    g_assert_true(client_receive(c->fd, &header, &body));
    g_assert_cmpint(header.proc, ==, P_CONSOLE);
    g_assert_cmpint(header.type, ==, LVD_STREAM);
    g_assert_cmpuint(header.serial, ==, SERIAL);
    g_assert_cmpint(header.status, ==, LVD_CONTINUE);
    g_assert_cmpuint(body->len, <=, LVD_STREAM_CHUNK);
    g_string_append_len(text, (const char *)body->data, body->len);
    return body->len > 0;
}

static void
read_guest(Console *c, GString *text, gsize length)
{
    char room[65536];

    while (text->len < length) {
        gssize n = read(c->guest, room, MIN(sizeof(room), length - text->len));

        g_assert_cmpint(n, >, 0);
        g_string_append_len(text, room, n);
    }
}

static void
finish(Console *c, gint32 status)
{
    send_packet(c, status, NULL, 0);
    client_expect(c->fd, P_CONSOLE, LVD_STREAM, SERIAL, LVD_OK);
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 1);
}

static void
test_both_ways(void)
{
    Console c = console_open();
    g_autoptr(GString) out = g_string_new(NULL), in = g_string_new(NULL);

    g_assert_cmpint(write(c.guest, "login: ", 7), ==, 7);
    while (out->len < 7)
        g_assert_true(receive_data(&c, out));
    g_assert_cmpstr(out->str, ==, "login: ");
    send_packet(&c, LVD_CONTINUE, "root\n", 5);
    read_guest(&c, in, 5);
    g_assert_cmpstr(in->str, ==, "root\n");
    /* calls go on beside it */
    client_call(c.fd, P_VERSION, 43);
    client_expect(c.fd, P_VERSION, LVD_REPLY, 43, LVD_OK);
    finish(&c, LVD_OK);
    console_close(&c);
}

static void
test_end_of_data(void)
{
    Console c = console_open();
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_cmpint(write(c.guest, "bye", 3), ==, 3);
    close(c.guest);
    c.guest = -1;
    while (receive_data(&c, out))
        ;
    g_assert_cmpstr(out->str, ==, "bye");
    /* what the user types meanwhile has nowhere to go; the stream is the client's to finish */
    send_packet(&c, LVD_CONTINUE, "x", 1);
    g_assert_cmpint(g_atomic_int_get(&harness_streams_closed), ==, 0);
    finish(&c, LVD_OK);
    console_close(&c);
}

/* What somebody forces the holder of a terminal out with. */
static void
test_replaced(void)
{
    Console c = console_open();
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_cmpint(write(c.guest, "login: ", 7), ==, 7);
    while (out->len < 7)
        g_assert_true(receive_data(&c, out));
    harness_replace_console();
    g_assert_false(receive_data(&c, out));
    finish(&c, LVD_OK);
    console_close(&c);
}

static void
test_abort(void)
{
    Console c = console_open();
    char byte;

    finish(&c, LVD_ERROR_STATUS);
    g_assert_cmpint(read(c.guest, &byte, 1), ==, 0);
    /* late packets of a stream that is over are dropped */
    send_packet(&c, LVD_CONTINUE, "late", 4);
    send_packet(&c, LVD_OK, NULL, 0);
    client_expect_silence(c.fd);
    client_call(c.fd, P_VERSION, 43);
    client_expect(c.fd, P_VERSION, LVD_REPLY, 43, LVD_OK);
    console_close(&c);
}

static void
test_disconnect(void)
{
    Console c = console_open();
    char byte;

    close(c.fd);
    c.fd = -1;
    g_assert_cmpint(read(c.guest, &byte, 1), ==, 0); /* waits for the end */
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 1);
    console_close(&c);
}

static void
test_daemon_stops(void)
{
    Console c = console_open();

    console_close(&c);
}

static void
test_wrong_packets(void)
{
    static const guint8 hole[12] = { 0 };
    Console c = console_open();
    g_autoptr(GByteArray) body = NULL;
    LvdHeader header;

    /* another serial, another procedure: not this stream */
    client_send(c.fd, P_CONSOLE, LVD_STREAM, SERIAL + 1, LVD_OK, NULL, 0);
    client_send(c.fd, P_VERSION, LVD_STREAM, SERIAL, LVD_OK, NULL, 0);
    send_packet(&c, LVD_CONTINUE, NULL, 0); /* no data: no harm */
    client_expect_silence(c.fd);
    client_send(c.fd, P_CONSOLE, LVD_STREAM_HOLE, SERIAL, LVD_CONTINUE, hole, sizeof(hole));
    g_assert_true(client_receive(c.fd, &header, &body));
    g_assert_cmpint(header.type, ==, LVD_STREAM);
    g_assert_cmpint(header.status, ==, LVD_ERROR_STATUS);
    g_assert_cmpuint(header.serial, ==, SERIAL);
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 1);
    console_close(&c);
}

static void
test_failed_call(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    g_autofree char *message = NULL;
    int fd = client_new(harness);

    client_call(fd, P_CONSOLE_FAIL, 1);
    message = client_expect_error(fd, P_CONSOLE_FAIL, 1, 55, 41);
    client_send(fd, P_CONSOLE_FAIL, LVD_STREAM, 1, LVD_OK, NULL, 0); /* no stream: no answer */
    client_expect_silence(fd);
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 1);
    close(fd);
}

/* A guest that writes faster than the client reads is held back, and nothing is lost. */
static gpointer
write_much(gpointer data)
{
    int fd = *(int *)data;
    guint32 numbers[1024];

    for (guint32 i = 0; i < 2000; i++) {
        const char *at = (const char *)numbers;
        gsize left = sizeof(numbers);

        for (guint32 k = 0; k < G_N_ELEMENTS(numbers); k++)
            numbers[k] = i * G_N_ELEMENTS(numbers) + k;
        while (left > 0) {
            gssize n = write(fd, at, left);

            g_assert_cmpint(n, >, 0);
            at += n;
            left -= (gsize)n;
        }
    }
    close(fd);
    return NULL;
}

static void
test_fast_guest(void)
{
    Console c = console_open();
    GThread *writer = g_thread_new("guest", write_much, &c.guest);
    g_autoptr(GString) out = g_string_new(NULL);
    const guint32 *numbers;

    g_usleep(100000); /* let it run into the wall */
    while (receive_data(&c, out))
        ;
    g_thread_join(writer);
    c.guest = -1;
    g_assert_cmpuint(out->len, ==, 2000 * 4096);
    numbers = (const guint32 *)out->str;
    for (guint32 i = 0; i < out->len / 4; i++)
        g_assert_cmpuint(numbers[i], ==, i);
    finish(&c, LVD_OK);
    console_close(&c);
}

/* A client that writes faster than the guest reads: its socket is not read any more, the daemon
 * holds little, and nothing is lost. */
static void
test_slow_guest(void)
{
    Console c = console_open();
    g_autoptr(GString) in = g_string_new(NULL);
    guint8 chunk[10000 + LVD_LENGTH_MIN];
    LvdHeader header = { sizeof(chunk), LVD_PROGRAM_REMOTE, 1, P_CONSOLE, LVD_STREAM,
                         SERIAL,        LVD_CONTINUE };
    gsize sent = 0;

    lvd_header_write(&header, chunk);
    memset(chunk + LVD_LENGTH_MIN, 'k', sizeof(chunk) - LVD_LENGTH_MIN);
    /* until 100 ms pass with no room */
    for (int waits = 0; waits < 100 && sent < 100u << 20;) {
        gssize n = send(c.fd, chunk + sent % sizeof(chunk), sizeof(chunk) - sent % sizeof(chunk),
                        MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            waits++;
            g_usleep(1000);
        } else {
            waits = 0;
            sent += (gsize)n;
        }
    }
    /* two sockets' buffers, the backlog and a message */
    g_assert_cmpuint(sent, <, 3 << 20);
    g_assert_cmpuint(sent, >, LVD_STREAM_CHUNK);
    read_guest(&c, in, sent / sizeof(chunk) * 10000);
    /* the rest of the message that was cut */
    if (sent % sizeof(chunk)) {
        gsize rest = sizeof(chunk) - sent % sizeof(chunk);

        client_write(c.fd, chunk + sizeof(chunk) - rest, rest);
        read_guest(&c, in, in->len + 10000);
    }
    for (gsize i = 0; i < in->len; i++)
        g_assert_cmpint(in->str[i], ==, 'k');
    finish(&c, LVD_OK);
    console_close(&c);
}

/* OK is answered when the last byte was taken. */
static void
test_finish_waits(void)
{
    Console c = console_open();
    g_autofree char *text = g_strnfill(250000, 't');
    g_autoptr(GString) in = g_string_new(NULL);

    send_packet(&c, LVD_CONTINUE, text, 250000); /* more than the socket takes */
    send_packet(&c, LVD_OK, NULL, 0);
    client_expect_silence(c.fd);
    read_guest(&c, in, 250000);
    client_expect(c.fd, P_CONSOLE, LVD_STREAM, SERIAL, LVD_OK);
    console_close(&c);
}

/* But not for ever. */
static void
test_finish_gives_up(void)
{
    Console c = console_open();
    g_autofree char *text = g_strnfill(250000, 't');
    g_autoptr(GByteArray) body = NULL;
    LvdHeader header;

    send_packet(&c, LVD_CONTINUE, text, 250000);
    send_packet(&c, LVD_OK, NULL, 0);
    g_assert_true(client_receive(c.fd, &header, &body));
    g_assert_cmpint(header.type, ==, LVD_STREAM);
    g_assert_cmpint(header.status, ==, LVD_ERROR_STATUS);
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 1);
    console_close(&c);
}

static void
test_many(void)
{
    g_autoptr(Harness) harness = harness_new(NULL);
    int fd = client_new(harness);
    guint before = harness_count_fds();

    for (guint32 i = 0; i < 200; i++) {
        client_call(fd, P_CONSOLE, i);
        /* sometimes before the reply was read: the stream is there with it */
        client_expect(fd, P_CONSOLE, LVD_REPLY, i, LVD_OK);
        client_send(fd, P_CONSOLE, LVD_STREAM, i, i % 2 ? LVD_OK : LVD_ERROR_STATUS, NULL, 0);
        client_expect(fd, P_CONSOLE, LVD_STREAM, i, LVD_OK);
        close(harness_console());
    }
    harness_wait(g_atomic_int_get(&harness_streams_closed) == 200);
    harness_wait(harness_count_fds() == before);
    close(fd);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    lvd_log_init(4);
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    g_test_add_func("/lvd/stream/both-ways", test_both_ways);
    g_test_add_func("/lvd/stream/end-of-data", test_end_of_data);
    g_test_add_func("/lvd/stream/replaced", test_replaced);
    g_test_add_func("/lvd/stream/abort", test_abort);
    g_test_add_func("/lvd/stream/disconnect", test_disconnect);
    g_test_add_func("/lvd/stream/daemon-stops", test_daemon_stops);
    g_test_add_func("/lvd/stream/wrong-packets", test_wrong_packets);
    g_test_add_func("/lvd/stream/failed-call", test_failed_call);
    g_test_add_func("/lvd/stream/fast-guest", test_fast_guest);
    g_test_add_func("/lvd/stream/slow-guest", test_slow_guest);
    g_test_add_func("/lvd/stream/finish-waits", test_finish_waits);
    g_test_add_func("/lvd/stream/finish-gives-up", test_finish_gives_up);
    g_test_add_func("/lvd/stream/many", test_many);
    return g_test_run();
}
