/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-qmp.h"

#include "hvxl-json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef HVXL_QMP_SOCKET /* a test has its own */
#define HVXL_QMP_SOCKET "/var/run/xen/qmp-libxenstat-%d"
#endif
#define PATIENCE_MS 5000
#define MINUTE_MS   60000
#define ANSWER_MAX  (4u << 20)
#define RETRY_US    10000

/* One connection. */
typedef struct Qmp {
    int fd;
    int domid;
    gint64 deadline_us;
    GString *in; /* what has come and was not looked at yet */
} Qmp;

static void
qmp_clear(Qmp *qmp)
{
    /* A child that libxl has forked meanwhile may have a copy, which would keep QEMU to us. */
    if (qmp->fd >= 0)
        shutdown(qmp->fd, SHUT_RDWR);
    if (qmp->fd >= 0)
        close(qmp->fd);
    g_string_free(qmp->in, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Qmp, qmp_clear)

static gboolean
fail(const Qmp *qmp, GError **error, HvError code, const char *reason)
{
    g_set_error(error, HV_ERROR, code, "the device model of domain id %d %s", qmp->domid, reason);
    return FALSE;
}

static gboolean
await_bytes(Qmp *qmp, short events, GError **error)
{
    struct pollfd fd = { .fd = qmp->fd, .events = events };
    gint64 left = (qmp->deadline_us - g_get_monotonic_time()) / 1000;
    int n = left > 0 ? poll(&fd, 1, (int)left) : 0;

    if (n > 0 || (n < 0 && errno == EINTR))
        return TRUE;
    return fail(qmp, error, HV_ERROR_TIMEOUT, "does not answer");
}

/* QEMU talks to one at a time and lets two more wait. Nothing tells when there is room. */
static gboolean
try_connect(Qmp *qmp, const struct sockaddr_un *address)
{
    while (connect(qmp->fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return FALSE;
        if (g_get_monotonic_time() >= qmp->deadline_us)
            return FALSE;
        g_usleep(RETRY_US);
    }
    return TRUE;
}

static gboolean
connect_to(Qmp *qmp, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_snprintf(address.sun_path, sizeof(address.sun_path), HVXL_QMP_SOCKET, qmp->domid);
    qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (qmp->fd >= 0 && try_connect(qmp, &address))
        return TRUE;
    if (errno == EAGAIN)
        return fail(qmp, error, HV_ERROR_TIMEOUT, "is busy with others");
    if (errno == ENOENT || errno == ECONNREFUSED) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "domain id %d has no device model",
                    qmp->domid);
        return FALSE;
    }
    return fail(qmp, error, HV_ERROR_ENGINE, "cannot be reached");
}

/* The next line, without its end. */
static char *
read_line(Qmp *qmp, GError **error)
{
    char chunk[4096];

    for (;;) {
        char *end = memchr(qmp->in->str, '\n', qmp->in->len);
        ssize_t n;

        if (end) {
            char *line = g_strndup(qmp->in->str, (gsize)(end - qmp->in->str));

            g_string_erase(qmp->in, 0, end - qmp->in->str + 1);
            return line;
        }
        if (qmp->in->len > ANSWER_MAX) {
            fail(qmp, error, HV_ERROR_ENGINE, "gives an answer that has no end");
            return NULL;
        }
        if (!await_bytes(qmp, POLLIN, error))
            return NULL;
        n = recv(qmp->fd, chunk, sizeof(chunk), 0);
        if (n > 0)
            g_string_append_len(qmp->in, chunk, n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail(qmp, error, HV_ERROR_ENGINE, "has closed the connection");
            return NULL;
        }
    }
}

static gboolean
send_line(Qmp *qmp, const char *command, GError **error)
{
    g_autofree char *line = g_strconcat(command, "\n", NULL);
    gsize len = strlen(line);

    for (gsize done = 0; done < len;) {
        ssize_t n = send(qmp->fd, line + done, len - done, MSG_NOSIGNAL);

        if (n > 0)
            done += (gsize)n;
        else if (errno != EAGAIN && errno != EINTR)
            return fail(qmp, error, HV_ERROR_ENGINE, "has closed the connection");
        else if (!await_bytes(qmp, POLLOUT, error))
            return FALSE;
    }
    return TRUE;
}

/* Events come in between. */
static char *
ask(Qmp *qmp, const char *command, GError **error)
{
    if (!send_line(qmp, command, error))
        return NULL;
    for (;;) {
        g_autofree char *line = read_line(qmp, error);

        if (!line)
            return NULL;
        g_strchomp(line);
        if (g_str_has_prefix(line, "{\"return\"") || g_str_has_prefix(line, "{\"error\"") ||
            (!strstr(line, "\"event\"") && *line))
            return g_steal_pointer(&line);
    }
}

static gboolean
begin(Qmp *qmp, guint patience_ms, GError **error)
{
    g_autofree char *greeting = NULL;
    g_autofree char *ready = NULL;

    qmp->deadline_us = g_get_monotonic_time() + patience_ms * G_TIME_SPAN_MILLISECOND;
    if (!connect_to(qmp, error))
        return FALSE;
    greeting = read_line(qmp, error);
    ready = greeting ? ask(qmp, "{\"execute\":\"qmp_capabilities\"}", error) : NULL;
    return ready != NULL;
}

char *
hvxl_qmp_check(int domid, char *answer, GError **error)
{
    g_autofree char *owned = answer;
    g_autofree char *reason = NULL;

    if (!owned || !g_str_has_prefix(owned, "{\"error\""))
        return g_steal_pointer(&owned);
    reason = hvxl_json_string(hvxl_json_get(hvxl_json_get(owned, "error"), "desc"));
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "the device model of domain id %d says: %s",
                domid, reason ? reason : owned);
    return NULL;
}

static char *
ask_within(int domid, const char *command, guint patience_ms, GError **error)
{
    g_auto(Qmp) qmp = { .fd = -1, .domid = domid, .in = g_string_new(NULL) };

    if (strchr(command, '\n') || strchr(command, '\r')) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "a command is one line");
        return NULL;
    }
    return begin(&qmp, patience_ms, error) ? ask(&qmp, command, error) : NULL;
}

char *
hvxl_qmp(int domid, const char *command, GError **error)
{
    return ask_within(domid, command, PATIENCE_MS, error);
}

char *
hvxl_qmp_patient(int domid, const char *command, GError **error)
{
    return ask_within(domid, command, MINUTE_MS, error);
}

char *
hvxl_qmp_return(int domid, const char *command, GError **error)
{
    return hvxl_qmp_check(domid, hvxl_qmp(domid, command, error), error);
}

/* ---- descriptors ---- */

/* Ahead of the command that takes it: QEMU keeps it until that command comes. One byte has to go
 * with it, and a blank is none of the command's. */
static gboolean
send_fd(Qmp *qmp, int fd, GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char blank = ' ';
    struct iovec part = { &blank, 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    if (sendmsg(qmp->fd, &message, MSG_NOSIGNAL) == 1)
        return TRUE;
    return fail(qmp, error, HV_ERROR_ENGINE, "takes no descriptor");
}

char *
hvxl_qmp_with_fd(int domid, const char *command, int fd, GError **error)
{
    static const char get[] = "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" HVXL_QMP_FD
                              "\"}}";
    static const char drop[] = "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"" HVXL_QMP_FD
                               "\"}}";
    g_auto(Qmp) qmp = { .fd = -1, .domid = domid, .in = g_string_new(NULL) };
    g_autofree char *got = NULL;
    g_autofree char *answer = NULL;

    if (!begin(&qmp, PATIENCE_MS, error) || !send_fd(&qmp, fd, error))
        return NULL;
    got = hvxl_qmp_check(domid, ask(&qmp, get, error), error);
    if (!got)
        return NULL;
    answer = hvxl_qmp_check(domid, ask(&qmp, command, error), error);
    if (!answer) /* it keeps what no command took */
        g_free(ask(&qmp, drop, NULL));
    return g_steal_pointer(&answer);
}

/* ---- images ---- */

static gboolean
is_stopped(int domid, gboolean *ret_stopped, GError **error)
{
    g_autofree char *answer = hvxl_qmp_return(domid, "{\"execute\":\"query-status\"}", error);

    const char *running = hvxl_json_get(hvxl_json_get(answer, "return"), "running");

    *ret_stopped = running && g_str_has_prefix(running, "false");
    return answer != NULL;
}

#define RELEASE                                                                                    \
    "{\"execute\":\"xen-save-devices-state\","                                                     \
    "\"arguments\":{\"filename\":\"/dev/null\",\"live\":true}}"

/* As in a migration, where the other side takes the images over: the state goes nowhere here. What
 * has been let go of cannot be a second time, QEMU would abort; so it takes all back before, which
 * means nothing to a guest whose vcpus are suspended. */
gboolean
hvxl_qmp_release_images(int domid, GError **error)
{
    static const char *const commands[] = {
        "{\"execute\":\"cont\"}",
        "{\"execute\":\"stop\"}",
        RELEASE,
    };
    const Qmp whose = { .domid = domid };
    gboolean stopped;

    if (!is_stopped(domid, &stopped, error))
        return FALSE;
    if (!stopped)
        return fail(&whose, error, HV_ERROR_WRONG_STATE, "is at work");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *answer = hvxl_qmp_check(domid, hvxl_qmp_patient(domid, commands[i], error),
                                                 error);

        if (!answer)
            return FALSE;
    }
    return TRUE;
}

/* ---- what needs more than one word ---- */

char *
hvxl_qmp_human(int domid, const char *line, GError **error)
{
    g_autofree char *quoted = hvxl_json_quote(line);
    g_autofree char *command = g_strdup_printf(
        "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":%s}}", quoted);
    g_autofree char *answer = hvxl_qmp_return(domid, command, error);
    char *text = answer ? hvxl_json_string(hvxl_json_get(answer, "return")) : NULL;

    if (answer && !text)
        text = g_strdup("");
    return text;
}

char *
hvxl_qmp_nodes(int domid, GError **error)
{
    return hvxl_qmp_return(
        domid, "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}", error);
}

gboolean
hvxl_qmp_has_pty(int domid, const char *path, gboolean *ret_has, GError **error)
{
    g_autofree char *answer = hvxl_qmp_return(domid, "{\"execute\":\"query-chardev\"}", error);
    g_autofree char *wanted = g_strconcat("pty:", path, NULL);
    const char *all = hvxl_json_get(answer, "return");

    *ret_has = FALSE;
    for (const char *each = NULL; (each = hvxl_json_next(all, each));)
        *ret_has |= hvxl_json_is(hvxl_json_get(each, "filename"), wanted);
    return answer != NULL;
}
