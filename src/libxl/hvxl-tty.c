/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-tty.h"

#include <errno.h>
#include <fcntl.h>
#include <hv/hv.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#define FOLDER "/dev/pts/"
/* Of Linux: eight numbers for the ends of ptys that programs have. */
#define FIRST_MAJOR 136
#define LAST_MAJOR  143

static gboolean
is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* Before it is opened: to open a watchdog or a tape does something already. */
static gboolean
is_pty(const char *path)
{
    struct stat st;

    return g_str_has_prefix(path, FOLDER) && is_number(path + strlen(FOLDER)) &&
           lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= FIRST_MAJOR &&
           major(st.st_rdev) <= LAST_MAJOR;
}

static gboolean
make_raw(int fd)
{
    struct termios mode;

    if (tcgetattr(fd, &mode) < 0)
        return FALSE;
    cfmakeraw(&mode);
    return tcsetattr(fd, TCSANOW, &mode) == 0;
}

int
hvxl_tty_open(const char *path, GError **error)
{
    int fd = -1;

    errno = ENOTTY;
    if (is_pty(path))
        fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && make_raw(fd))
        return fd;
    g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot open console '%s': %s", path,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}
