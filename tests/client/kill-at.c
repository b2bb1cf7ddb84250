/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into the daemon by crash.py: kills it, as kill -9 would, in front of the Nth call that
 * others can see the effect of. N is in the file that KILL_AT names, mapped, and counts down over
 * all threads; 0 lets everything pass.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static atomic_int *countdown; /* immutable after map_countdown() */

static void __attribute__((constructor)) map_countdown(void)
{
    const char *path = getenv("KILL_AT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd >= 0)
        close(fd);
    if (map != MAP_FAILED)
        countdown = map;
    /* Not for the children: they are other programs. */
    unsetenv("LD_PRELOAD");
    unsetenv("KILL_AT");
}

static void
count(void)
{
    if (countdown && atomic_load(countdown) > 0 && atomic_fetch_sub(countdown, 1) == 1)
        kill(getpid(), SIGKILL);
}

int
fsync(int fd)
{
    count();
    return NEXT(fsync)(fd);
}

int
rename(const char *from, const char *to)
{
    count();
    return NEXT(rename)(from, to);
}

int
unlink(const char *path)
{
    count();
    return NEXT(unlink)(path);
}

int
symlink(const char *target, const char *path)
{
    count();
    return NEXT(symlink)(target, path);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    count();
    return NEXT(write)(fd, data, len);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    count();
    return NEXT(sendmsg)(fd, message, flags);
}
