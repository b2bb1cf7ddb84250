/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is opened as a console, and what is not: the path may be a guest's. */
#include <libxl/hvxl-tty.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <hv/hv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* The other end of a new pty; -1: there are none here. */
static int
make_pty(char **ret_path)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || !ptsname(fd)) {
        g_test_skip("no ptys here");
        return -1;
    }
    *ret_path = g_strdup(ptsname(fd));
    return fd;
}

static void
test_pty(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    struct termios mode;
    char text[8] = "";
    int master = make_pty(&path), fd;

    if (master < 0)
        return;
    fd = hvxl_tty_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(tcgetattr(fd, &mode), ==, 0);
    g_assert_cmpuint(mode.c_lflag & (ECHO | ICANON), ==, 0);
    g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    g_assert_cmpint(write(fd, "a\n", 2), ==, 2);
    g_assert_cmpint(read(master, text, sizeof(text)), ==, 2);
    close(fd);
    close(master);
}

static void
refuse(const char *path, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(hvxl_tty_open(path, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_true(g_str_has_prefix(error->message, "cannot open console '"));
    g_assert_true(g_str_has_suffix(error->message, reason));
}

/* A tty of another kind, or by another way, is none either. */
static void
test_others(void)
{
    g_autofree char *folder = g_dir_make_tmp("ttyXXXXXX", NULL);
    g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    g_autofree char *pty = NULL;
    g_autofree char *roundabout = NULL;
    const char *no_tty = g_strerror(ENOTTY);
    int master = make_pty(&pty);

    if (master < 0)
        return;
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink(pty, link), ==, 0);
    roundabout = g_strconcat("/dev/pts/../..", pty, NULL);
    refuse(fifo, no_tty);
    refuse(link, no_tty);
    refuse(roundabout, no_tty);
    refuse("/dev/null", no_tty);
    refuse("/dev/tty", no_tty);
    refuse("/dev/ptmx", no_tty);
    refuse("/dev/pts/ptmx", no_tty);
    refuse("/dev/pts/", no_tty);
    refuse("/dev/pts/1 ", no_tty);
    refuse("/dev/pts/4294967295", "");
    refuse("", no_tty);
    close(master);
    g_unlink(fifo);
    g_unlink(link);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hvxl/tty/pty", test_pty);
    g_test_add_func("/hvxl/tty/others", test_others);
    return g_test_run();
}
