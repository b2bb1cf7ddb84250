/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-loop.h"
#include "hp-request.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TRIES 64 /* each means that somebody else was faster */

/* The kernel since 5.8 does it in one step, before that in two. 0, -errno */
static int
configure(int loop, int fd, const struct loop_config *config)
{
    if (ioctl(loop, LOOP_CONFIGURE, config) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOTTY)
        return -errno;
    if (ioctl(loop, LOOP_SET_FD, fd) < 0)
        return -errno;
    if (ioctl(loop, LOOP_SET_STATUS64, &config->info) < 0) {
        int r = -errno;
        ioctl(loop, LOOP_CLR_FD, 0);
        return r;
    }
    if (config->info.lo_flags & LO_FLAGS_DIRECT_IO)
        ioctl(loop, LOOP_SET_DIRECT_IO, 1); /* where the file system has none it goes without */
    return 0;
}

/* 0: done; -EBUSY, -ENXIO, -ENOENT: try the next one; -errno */
static int
attach_to(const char *dev, int fd, const struct loop_config *config, dev_t *ret_number)
{
    struct stat st;
    int flags = config->info.lo_flags & LO_FLAGS_READ_ONLY ? O_RDONLY : O_RDWR;
    HP_AUTO_CLOSE int loop = open(dev, flags | O_CLOEXEC | O_NOFOLLOW);
    if (loop < 0 || fstat(loop, &st) < 0)
        return -errno;
    if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != LOOP_MAJOR)
        return -ENODEV;
    *ret_number = st.st_rdev;
    return configure(loop, fd, config);
}

bool
hp_loop_attach(int fd, const char *path, bool read_only, bool direct_io, char *ret_dev,
               dev_t *ret_number, HpError *error)
{
    struct loop_config config = { .fd = (uint32_t)fd };
    config.info.lo_flags = (read_only ? LO_FLAGS_READ_ONLY : 0) |
                           (direct_io ? LO_FLAGS_DIRECT_IO : 0);
    strncpy((char *)config.info.lo_file_name, path, LO_NAME_SIZE - 1);
    HP_AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return hp_fail(error,
                       "no loop device for '%s': /dev/loop-control: %s; is the kernel's module "
                       "'loop' loaded?",
                       path, strerror(errno));
    int r = -EBUSY;
    for (int i = 0; i < TRIES && (r == -EBUSY || r == -ENXIO || r == -ENOENT); i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return hp_fail(error, "no free loop device for '%s': %s", path, strerror(errno));
        snprintf(ret_dev, HP_DEV_SIZE, "/dev/loop%d", number);
        r = attach_to(ret_dev, fd, &config, ret_number);
    }
    if (r < 0)
        return hp_fail(error, "cannot make '%s' a loop device (%s): %s", path, ret_dev,
                       strerror(-r));
    return true;
}

bool
hp_loop_detach(const char *dev, dev_t number, HpError *error)
{
    static const char prefix[] = "/dev/loop";
    uint64_t minor_number;
    struct stat st;
    if (strncmp(dev, prefix, sizeof prefix - 1) != 0 ||
        !hp_parse_uint(dev + sizeof prefix - 1, 0xfffff, &minor_number))
        return hp_fail(error, "'%.64s' is no loop device; it is left as it is", dev);
    HP_AUTO_CLOSE int loop = open(dev, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (loop < 0 && (errno == ENOENT || errno == ENXIO))
        return true;
    if (loop < 0 || fstat(loop, &st) < 0)
        return hp_fail(error, "cannot open %s: %s", dev, strerror(errno));
    if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != LOOP_MAJOR)
        return hp_fail(error, "'%s' is no loop device; it is left as it is", dev);
    if (number && number != st.st_rdev)
        return hp_fail(error, "%s has number %u:%u, but the disk had %u:%u; it is left as it is",
                       dev, major(st.st_rdev), minor(st.st_rdev), major(number), minor(number));
    if (ioctl(loop, LOOP_CLR_FD, 0) < 0 && errno != ENXIO)
        return hp_fail(error, "cannot take the file from %s: %s; see losetup -d", dev,
                       strerror(errno));
    return true;
}

/* The kernel hands device numbers out as it keeps them: 12 bits of major inside 20 of minor. */
static dev_t
from_kernel(uint64_t number)
{
    return makedev((unsigned)(number >> 8 & 0xfff),
                   (unsigned)((number & 0xff) | (number >> 12 & 0xfff00)));
}

static bool
has_file(const char *name, dev_t device, ino_t inode, dev_t *ret)
{
    char dev[HP_DEV_SIZE];
    struct loop_info64 info;
    struct stat st;
    if (snprintf(dev, sizeof dev, "/dev/%s", name) >= (int)sizeof dev)
        return false;
    HP_AUTO_CLOSE int loop = open(dev, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (loop < 0 || ioctl(loop, LOOP_GET_STATUS64, &info) < 0 || info.lo_inode != inode ||
        from_kernel(info.lo_device) != device || fstat(loop, &st) < 0)
        return false;
    *ret = st.st_rdev;
    return true;
}

unsigned
hp_loop_find(dev_t device, ino_t inode, dev_t *ret, unsigned max)
{
    unsigned n = 0;
    DIR *blocks = opendir("/sys/block");
    if (!blocks)
        return 0;
    for (struct dirent *entry = readdir(blocks); entry && n < max; entry = readdir(blocks)) {
        uint64_t number;
        if (strncmp(entry->d_name, "loop", 4) == 0 &&
            hp_parse_uint(entry->d_name + 4, 0xfffff, &number) &&
            has_file(entry->d_name, device, inode, &ret[n]))
            n++;
    }
    closedir(blocks);
    return n;
}
