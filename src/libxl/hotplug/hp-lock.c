/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 2 /* a holder needs about as long; only who finds it taken ever waits */

/* "process 17 " where the kernel knows it, for the error's text */
static void
describe_holder(int fd, char *ret, size_t size)
{
    struct stat st;
    char line[256];
    FILE *locks = fopen("/proc/locks", "re");
    ret[0] = 0;
    if (!locks)
        return;
    if (fstat(fd, &st) == 0) {
        while (fgets(line, sizeof line, locks)) {
            int pid;
            unsigned long inode;
            if (sscanf(line, "%*s FLOCK %*s WRITE %d %*x:%*x:%lu", &pid, &inode) == 2 &&
                inode == st.st_ino) {
                snprintf(ret, size, "process %d ", pid);
                break;
            }
        }
    }
    fclose(locks);
}

/* 1: held; 0: it was unlinked under us, or is not ours in time (errno EWOULDBLOCK); -1: errno */
static int
take_once(const char *path, const struct timespec *until, int *ret_fd)
{
    HP_AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        struct timespec now, pause = { .tv_nsec = POLL_MS * 1000000L };
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= until->tv_sec) {
            *ret_fd = fd;
            fd = -1;
            errno = EWOULDBLOCK;
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    struct stat ours, named;
    if (fstat(fd, &ours) < 0)
        return -1;
    if (stat(path, &named) < 0 || ours.st_dev != named.st_dev || ours.st_ino != named.st_ino)
        return 0;
    *ret_fd = fd;
    fd = -1;
    return 1;
}

bool
hp_lock_take(HpLock *lock, const HpHost *host, const char *name, HpError *error)
{
    char path[256], holder[32];
    struct timespec until;
    snprintf(path, sizeof path, "%s/%s", host->lock_dir, name);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += host->lock_wait_s;
    int fd = -1, r = 0;
    bool made = false;
    while (r == 0) {
        r = take_once(path, &until, &fd);
        if (r >= 0 || errno != ENOENT || made)
            continue;
        made = mkdir(host->lock_dir, 0755) == 0 || errno == EEXIST; /* somebody was faster */
        r = made ? 0 : -1;
    }
    if (r > 0) {
        lock->fd = fd;
        return true;
    }
    if (errno != EWOULDBLOCK || fd < 0)
        return hp_fail(error, "cannot lock %s: %s", path, strerror(errno));
    describe_holder(fd, holder, sizeof holder);
    close(fd);
    return hp_fail(error, "%shas held the lock %s for %u s: look what hangs there, and try again",
                   holder[0] ? holder : "somebody ", path, host->lock_wait_s);
}

void
hp_lock_drop(HpLock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
