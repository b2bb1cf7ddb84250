/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words with a device model: one in this process, which answers as the case says. */
#include "libxl/hvxl-json.h"
#include "libxl/hvxl-qmp.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DOMID 7

typedef struct Model {
    const char *const *answers; /* to each command; NULL-terminated: then it hangs up */
    GString *heard;
    int listener;
    guint n_before; /* others that wait to be talked to */
    int fd;         /* what was passed; -1: nothing */
    GThread *thread;
} Model;

/* A line, and the descriptor that may come with its first byte. */
static gboolean
hear(Model *model, int client)
{
    for (;;) {
        char byte, control[CMSG_SPACE(sizeof(int))];
        struct iovec part = { &byte, 1 };
        struct msghdr message = { .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header;

        if (recvmsg(client, &message, MSG_CMSG_CLOEXEC) != 1)
            return FALSE;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
            memcpy(&model->fd, CMSG_DATA(header), sizeof(int));
        g_string_append_c(model->heard, byte);
        if (byte == '\n')
            return TRUE;
    }
}

static void
say(int client, const char *text)
{
    gsize len = strlen(text);

    g_assert_cmpint(send(client, text, len, MSG_NOSIGNAL), ==, (gssize)len);
}

static gpointer
model_main(gpointer data)
{
    Model *model = data;
    int client;

    for (guint i = 0; i < model->n_before; i++)
        close(accept(model->listener, NULL, NULL));
    client = accept(model->listener, NULL, NULL);
    say(client, "{\"QMP\": {}}\r\n");
    for (guint i = 0; hear(model, client) && model->answers[i]; i++)
        say(client, model->answers[i]);
    close(client);
    return NULL;
}

static void
model_listen(Model *model, const char *const *answers)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "qmp-7" };

    *model = (Model){ .answers = answers, .heard = g_string_new(NULL), .fd = -1 };
    model->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(model->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(model->listener, 1), ==, 0);
}

static void
model_start(Model *model, const char *const *answers)
{
    model_listen(model, answers);
    model->thread = g_thread_new("model", model_main, model);
}

/* Others have all the places, and give them up in a while. */
static gpointer
busy_main(gpointer data)
{
    g_usleep(50000);
    return model_main(data);
}

static void
model_start_busy(Model *model, const char *const *answers)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "qmp-7" };

    model_listen(model, answers);
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r = connect(fd, (struct sockaddr *)&address, sizeof(address));

        close(fd); /* its place stays taken until it is accepted */
        if (r < 0)
            break;
        model->n_before++;
    }
    g_assert_cmpuint(model->n_before, >, 0);
    model->thread = g_thread_new("model", busy_main, model);
}

static void
model_join(Model *model)
{
    if (model->thread)
        g_thread_join(g_steal_pointer(&model->thread));
}

/* What it was told. */
static char *
model_end(Model *model)
{
    model_join(model);
    close(model->listener);
    unlink("qmp-7");
    if (model->fd >= 0)
        close(model->fd);
    return g_string_free(model->heard, FALSE);
}

static void
test_command(void)
{
    static const char *const answers[] = {
        "{\"return\": {}}\r\n",
        "{\"timestamp\": {}, \"event\": \"RESUME\"}\r\n{\"return\": {\"a\": \"b\\\"\\u00e4\"}}\r\n",
        NULL,
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *value = NULL;
    g_autofree char *heard = NULL;
    Model model;

    model_start(&model, answers);
    answer = hvxl_qmp_return(DOMID, "{\"execute\":\"x\"}", &error);
    g_assert_no_error(error);
    heard = model_end(&model);
    g_assert_cmpstr(heard, ==, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"x\"}\n");
    value = hvxl_json_string(hvxl_json_get(hvxl_json_get(answer, "return"), "a"));
    g_assert_cmpstr(value, ==, "b\"\u00e4");
}

static void
test_error(void)
{
    static const char *const answers[] = {
        "{\"return\": {}}\n",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}}\n",
        NULL,
    };
    g_autoptr(GError) error = NULL;
    Model model;

    model_start(&model, answers);
    g_assert_null(hvxl_qmp_return(DOMID, "{}", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_nonnull(strstr(error->message, "no way"));
    g_free(model_end(&model));
}

static void
test_busy(void)
{
    static const char *const answers[] = { "{\"return\": {}}\n", "{\"return\": {}}\n", NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = NULL;
    Model model;

    model_start_busy(&model, answers);
    answer = hvxl_qmp_return(DOMID, "{}", &error);
    g_assert_no_error(error);
    g_assert_nonnull(answer);
    g_free(model_end(&model));
}

static void
test_nobody(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(hvxl_qmp(DOMID, "{}", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_null(hvxl_qmp(DOMID, "{}\n{}", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_INVALID_ARG);
}

static void
test_hangs_up(void)
{
    static const char *const answers[] = { "{\"return\": {}}\n", NULL };
    g_autoptr(GError) error = NULL;
    Model model;

    model_start(&model, answers);
    g_assert_null(hvxl_qmp(DOMID, "{}", &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_free(model_end(&model));
}

/* The descriptor goes ahead of the command that takes it, and is the caller's all the time. */
static void
check_fd(const char *const *answers, gboolean good, const char *told)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *heard = NULL;
    struct stat passed, ours;
    int pair[2];
    Model model;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    model_start(&model, answers);
    answer = hvxl_qmp_with_fd(DOMID, "{\"execute\":\"take\"}", pair[0], &error);
    g_assert_true((answer != NULL) == good && (error == NULL) == good);
    model_join(&model);
    g_assert_cmpint(fstat(model.fd, &passed), ==, 0);
    g_assert_cmpint(fstat(pair[0], &ours), ==, 0);
    g_assert_cmpuint(passed.st_ino, ==, ours.st_ino);
    heard = model_end(&model);
    g_assert_cmpstr(heard, ==, told);
    close(pair[0]);
    close(pair[1]);
}

#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}\n"
#define GET          " {\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"xlvirt\"}}\n"
#define TAKE         "{\"execute\":\"take\"}\n"
#define DROP         "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"xlvirt\"}}\n"

static void
test_fd(void)
{
    static const char *const good[] = { "{\"return\": {}}\n", "{\"return\": {}}\n",
                                        "{\"return\": {}}\n", NULL };
    static const char *const refused[] = { "{\"return\": {}}\n", "{\"return\": {}}\n",
                                           "{\"error\": {\"desc\": \"no\"}}\n",
                                           "{\"return\": {}}\n", NULL };
    static const char *const none[] = { "{\"return\": {}}\n", "{\"error\": {\"desc\": \"no\"}}\n",
                                        NULL };

    check_fd(good, TRUE, CAPABILITIES GET TAKE);
    check_fd(refused, FALSE, CAPABILITIES GET TAKE DROP);
    check_fd(none, FALSE, CAPABILITIES GET);
}

static gboolean
ask_pty(const char *answer, const char *path, gboolean *ret_has)
{
    const char *const answers[] = { "{\"return\": {}}\n", answer, NULL };
    g_autofree char *heard = NULL;
    Model model;
    gboolean ok;

    model_start(&model, answers);
    ok = hvxl_qmp_has_pty(DOMID, path, ret_has, NULL);
    heard = model_end(&model);
    g_assert_cmpstr(heard, ==, CAPABILITIES "{\"execute\":\"query-chardev\"}\n");
    return ok;
}

static void
test_pty(void)
{
    static const char two[] =
        "{\"return\": [{\"filename\": \"unix:/run/a,server=on\", \"label\": \"pty:/dev/pts/3\"},"
        " {\"frontend-open\": true, \"filename\": \"pty:/dev/pts/2\", \"label\": \"xencons1\"}]}\n";
    gboolean has = FALSE;

    g_assert_true(ask_pty(two, "/dev/pts/2", &has));
    g_assert_true(has);
    g_assert_true(ask_pty(two, "/dev/pts/3", &has));
    g_assert_false(has);
    g_assert_true(ask_pty("{\"return\": []}\n", "/dev/pts/2", &has));
    g_assert_false(has);
    has = TRUE;
    g_assert_false(ask_pty("{\"error\": {\"desc\": \"no\"}}\n", "/dev/pts/2", &has));
    g_assert_false(has);
}

/* Answers, with a child beside it that has copies of all descriptors: libxl forks such a one to end
 * a domain. TRUE: its connection ended with the command. */
static gpointer
copied_main(gpointer data)
{
    const struct timeval limit = { .tv_sec = 30 };
    Model *model = data;
    int client = accept(model->listener, NULL, NULL);
    gssize n = -1;
    pid_t child;
    char byte;

    say(client, "{\"QMP\": {}}\r\n");
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (hear(model, client)) {
        child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        say(client, "{\"return\": {}}\n");
        hear(model, client);
        say(client, "{\"return\": {}}\n");
        n = recv(client, &byte, 1, 0);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    close(client);
    return GSIZE_TO_POINTER(n == 0);
}

static void
test_copies(void)
{
    g_autofree char *answer = NULL;
    gboolean over;
    Model model;

    model_listen(&model, NULL);
    model.thread = g_thread_new("model", copied_main, &model);
    answer = hvxl_qmp(DOMID, "{\"execute\":\"a\"}", NULL);
    g_assert_nonnull(answer);
    over = GPOINTER_TO_SIZE(g_thread_join(g_steal_pointer(&model.thread))) != 0;
    g_free(model_end(&model));
    g_assert_true(over);
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("qmpXXXXXX", NULL);
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(g_chdir(folder), ==, 0);
    g_test_add_func("/qmp/command", test_command);
    g_test_add_func("/qmp/error", test_error);
    g_test_add_func("/qmp/busy", test_busy);
    g_test_add_func("/qmp/nobody", test_nobody);
    g_test_add_func("/qmp/hangs-up", test_hangs_up);
    g_test_add_func("/qmp/fd", test_fd);
    g_test_add_func("/qmp/pty", test_pty);
    g_test_add_func("/qmp/copies", test_copies);
    status = g_test_run();
    g_rmdir(folder);
    return status;
}
