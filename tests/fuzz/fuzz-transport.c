/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of a client against a live server in this process (the procedures are the unit tests'). The
 * first byte says in what pieces the rest is written. What comes back is well-formed, and nothing
 * of a client that went is left.
 */
#include "lvd-harness.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Harness *harness;
static char *socket_path;

static void
clean_up(void)
{
    harness_free(harness);
    g_free(socket_path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    LvdConfig *config = lvd_config_new();

    config->max_client_requests = 3; /* so that these are often reached */
    config->max_client_slow_requests = 2;
    harness = harness_new(config);
    harness_release(TRUE);
    socket_path = harness_path(harness, FALSE);
    atexit(clean_up);
    return 0;
}

/* FALSE: the server is not interested any more. */
static gboolean
write_piece(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        struct pollfd wait = { .fd = fd, .events = POLLOUT };
        ssize_t n;

        if (poll(&wait, 1, 1000) != 1)
            return FALSE;
        n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            return FALSE;
        data += n;
        size -= (size_t)n;
    }
    return TRUE;
}

static void
collect(int fd, GByteArray *answers, int ms)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    guint8 room[4096];
    ssize_t n;

    while (poll(&wait, 1, ms) == 1 && (n = read(fd, room, sizeof(room))) > 0 &&
           answers->len < 65536)
        g_byte_array_append(answers, room, (guint)n);
}

static void
check_answers(const GByteArray *answers)
{
    for (guint at = 0; answers->len - at >= LVD_LENGTH_MIN;) {
        LvdHeader header;

        lvd_header_read(&header, answers->data + at);
        g_assert(header.length >= LVD_LENGTH_MIN && header.length <= LVD_LENGTH_MAX);
        g_assert(header.type == LVD_REPLY || header.type == LVD_MESSAGE ||
                 header.type == LVD_STREAM);
        g_assert(header.status == LVD_OK || header.status == LVD_ERROR_STATUS ||
                 header.status == LVD_CONTINUE);
        if (header.length > answers->len - at)
            return; /* we left while it was on its way */
        at += header.length;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const guint8 open_args[8] = { 0 };
    g_autoptr(GByteArray) answers = g_byte_array_new();
    size_t piece = size > 0 && data[0] > 0 ? data[0] : G_MAXSIZE;
    int fd = client_connect(socket_path);

    if (size > 0 && data[0] % 4 != 3)
        client_send(fd, P_OPEN, LVD_CALL, 0, LVD_OK, open_args, sizeof(open_args));
    for (size_t at = 1; at < size; at += MIN(piece, size - at)) {
        if (!write_piece(fd, data + at, MIN(piece, size - at)))
            break;
        if (at > 16 * piece)
            piece = G_MAXSIZE; /* enough of it */
    }
    shutdown(fd, SHUT_WR);
    collect(fd, answers, 100);
    close(fd);
    check_answers(answers);
    harness_wait(g_atomic_int_get(&harness_sessions) == 0);
    return 0;
}
