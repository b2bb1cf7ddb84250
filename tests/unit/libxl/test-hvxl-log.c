/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of libxl's lines: the file, and the message of an error. */
#include "../../../src/libxl/hvxl-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
assert_errors(const HvxlLog *log, const char *expected)
{
    g_autofree char *errors = hvxl_log_errors(log);

    g_assert_cmpstr(errors, ==, expected);
}

static void
test_places(void)
{
    static const struct {
        const char *said, *kept;
    } lines[] = {
        { "libxl_device.c:1328:device_hotplug_child_death_cb: script: no such bridge",
          "script: no such bridge" },
        { "libxl_create.c:1640:domcreate_rebuild_done: Domain 20:cannot (re-)build domain: -3",
          "cannot (re-)build domain: -3" },
        { "panic: xg_dom_core.c:205: failed to open file '/x': No such file or directory: "
          "Internal error",
          "failed to open file '/x': No such file or directory" },
        { "cannot open /srv/a.c:7: it is a file", "cannot open /srv/a.c:7: it is a file" },
        { "plain words", "plain words" },
        { "bytes \xff of a name", "bytes \xef\xbf\xbd of a name" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        HvxlLog log;

        hvxl_log_init(&log, XTL_INFO);
        xtl_log(&log.base, XTL_ERROR, -1, "libxl", "%s", lines[i].said);
        assert_errors(&log, lines[i].kept);
        hvxl_log_reset(&log);
        assert_errors(&log, NULL);
    }
}

/* Causes come first, the outcome last. */
static void
test_many(void)
{
    HvxlLog log;

    hvxl_log_init(&log, XTL_INFO);
    xtl_log(&log.base, XTL_WARN, -1, "libxl", "no error");
    xtl_log(&log.base, XTL_ERROR, ENOENT, "libxl", "first");
    xtl_log(&log.base, XTL_ERROR, ENOENT, "libxl", "first");
    xtl_log(&log.base, XTL_ERROR, -1, "libxl", "second");
    assert_errors(&log, "first: No such file or directory; second");
    for (guint i = 3; i < 10; i++)
        xtl_log(&log.base, XTL_ERROR, -1, "libxl", "number %u", i);
    assert_errors(&log, "first: No such file or directory; second; number 3; ...; number 9");
    hvxl_log_reset(&log);
}

static void
test_long(void)
{
    g_autofree char *line = g_strnfill(100000, 'x');
    g_autofree char *errors = NULL;
    HvxlLog log;

    hvxl_log_init(&log, XTL_INFO);
    xtl_log(&log.base, XTL_ERROR, ENOENT, "libxl", "%s", line);
    errors = hvxl_log_errors(&log);
    g_assert_cmpuint(strlen(errors), ==, 300);
    hvxl_log_reset(&log);
}

/* A child of libxl's writes to the file, and the file only. */
static void
test_file(void)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    HvxlLog log;
    int status;
    pid_t child;

    hvxl_log_init(&log, XTL_NOTICE);
    log.fd = g_file_open_tmp("hvxl-log-XXXXXX", &path, NULL);
    g_assert_cmpint(log.fd, >=, 0);
    xtl_log(&log.base, XTL_DEBUG, -1, "libxl", "too much");
    xtl_log(&log.base, XTL_WARN, -1, NULL, "to the file\n");
    child = fork();
    if (child == 0) {
        xtl_log(&log.base, XTL_ERROR, -1, "xc", "from a child");
        _exit(log.n_errors == 0 ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    assert_errors(&log, NULL);
    hvxl_log_reset(&log);
    g_assert_cmpint(log.fd, ==, -1);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "+0000: libxl: warning: to the file\n"));
    g_assert_nonnull(strstr(text, "+0000: xc: error: from a child\n"));
    g_assert_null(strstr(text, "too much"));
    g_unlink(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/log/places", test_places);
    g_test_add_func("/hvxl/log/many", test_many);
    g_test_add_func("/hvxl/log/long", test_long);
    g_test_add_func("/hvxl/log/file", test_file);
    return g_test_run();
}
