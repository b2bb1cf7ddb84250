/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks of a network block device server. `params` in the store is "HOST PORT [EXPORT]"; nbd-client
 * talks to the server and leaves the connection to the kernel. The device goes into `node` for who
 * removes it. Xen's script of this name takes host and port from the arguments that xend gave it;
 * libxl gives none.
 */
#include "hp-block.h"
#include "hp-lock.h"
#include "hp-request.h"
#include "hp-sharing.h"
#include "hp-spawn.h"
#include "hp-store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <linux/nbd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_DEVICES 1024
#define DEV_SIZE    256

/* Together less than what all of a run may take, so that no nbd-client outlives its helper. */
#define LOCK_WAIT_S   10
#define TOOL_WAIT_S   24
#define MODULE_WAIT_S 2

typedef struct Server {
    char text[HP_VALUE_SIZE]; /* cut up: what is below points into it */
    const char *host, *port, *name;
} Server;

static bool
parse_server(HpRun *run, Server *server)
{
    uint64_t number;
    char *rest = server->text;
    if (!hp_store_need(run->store, run->request.path, "params", server->text, sizeof server->text,
                       &run->error))
        return false;
    server->host = hp_next_word(&rest);
    server->port = hp_next_word(&rest);
    server->name = rest + strspn(rest, " \t");
    if (!server->port || server->host[0] == '-' || !hp_parse_uint(server->port, 65535, &number) ||
        number == 0)
        return hp_fail(&run->error, "the disk's server is not of the form HOST PORT [EXPORT]");
    return true;
}

/* ---- devices ---- */

/* 1: there is one, 0: none, -1: all are taken. A process id is there as long as a connection is. */
static int
find_free(const HpHost *host, char ret_dev[DEV_SIZE])
{
    char path[512];
    int result = 0;
    for (unsigned i = 0; i < MAX_DEVICES; i++) {
        snprintf(path, sizeof path, "%s/nbd%u", host->sys_block, i);
        if (access(path, F_OK) < 0)
            return result;
        snprintf(path, sizeof path, "%s/nbd%u/pid", host->sys_block, i);
        snprintf(ret_dev, DEV_SIZE, "%s/nbd%u", host->dev_dir, i);
        if (access(path, F_OK) < 0)
            return 1;
        result = -1;
    }
    return result;
}

static bool
need_free(HpRun *run, char ret_dev[DEV_SIZE])
{
    static const char *const argv[] = { "modprobe", "nbd", NULL };
    HpSpawn spawn = { .argv = argv, .path = run->host->program_path, .timeout_s = MODULE_WAIT_S };
    HpError unused = { 0 };
    int found = find_free(run->host, ret_dev);
    if (found == 0 && hp_spawn(&spawn, &unused) == 0)
        found = find_free(run->host, ret_dev);
    if (found == 0)
        return hp_fail(&run->error,
                       "there is no network block device: is the kernel's module 'nbd' loaded?");
    return found > 0 ||
           hp_fail(&run->error, "all network block devices are in use: load the kernel's module "
                                "'nbd' with a greater nbds_max=");
}

/* `number`: 0 where it is not known. -1: *error says why. */
static int
open_device(const char *dev, dev_t number, struct stat *ret_st, HpError *error)
{
    int fd = open(dev, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, ret_st) < 0) {
        hp_fail(error, "cannot open %s: %s", dev, strerror(errno));
    } else if (!S_ISBLK(ret_st->st_mode) || major(ret_st->st_rdev) != NBD_MAJOR ||
               (number && number != ret_st->st_rdev)) {
        hp_fail(error, "%s is not the network block device of this disk; it is left as it is", dev);
    } else {
        return fd;
    }
    hp_close_p(&fd);
    return -1;
}

/* The kernel ends the connection when nobody has the device open any more. */
static bool
disconnect(const char *dev, dev_t number, HpError *error)
{
    struct stat st;
    if (access(dev, F_OK) < 0 && errno == ENOENT)
        return true;
    HP_AUTO_CLOSE int fd = open_device(dev, number, &st, error);
    if (fd < 0)
        return false;
    if (ioctl(fd, NBD_DISCONNECT) < 0 && errno != EINVAL && errno != ENOTCONN)
        return hp_fail(error, "cannot disconnect %s: %s; see nbd-client -d", dev, strerror(errno));
    ioctl(fd, NBD_CLEAR_SOCK);
    return true;
}

/* ---- adding ---- */

static bool
connect_device(HpRun *run, const Server *server, bool read_only, const char *dev)
{
    const char *const argv[] = {
        "nbd-client", server->host, server->port, dev, "-N", server->name, read_only ? "-R" : NULL,
        NULL
    };
    HpSpawn spawn = { .argv = argv, .path = run->host->program_path, .timeout_s = TOOL_WAIT_S };
    int status = hp_spawn(&spawn, &run->error);
    if (status > 0)
        hp_fail(&run->error, "cannot connect to the NBD server %s, port %s, export '%s': %.400s",
                server->host, server->port, server->name,
                spawn.output[0] ? spawn.output : "nbd-client says nothing");
    return status == 0;
}

static bool
add_connected(HpRun *run, const char *dev)
{
    struct stat st;
    HP_AUTO_CLOSE int fd = open_device(dev, 0, &st, &run->error);
    return fd >= 0 && hp_store_write(run->store, run->request.path, "node", dev, &run->error) &&
           hp_block_write_device(run, dev, st.st_rdev);
}

bool
hp_nbd_add(HpRun *run)
{
    HP_AUTO_UNLOCK HpLock lock = HP_LOCK_NONE;
    HpHost host = *run->host;
    Server server;
    char dev[DEV_SIZE], text[32];
    const char *dir = run->request.path;
    HpRead present = hp_store_read(run->store, dir, "physical-device", text, sizeof text,
                                   &run->error);
    if (present != HP_READ_ABSENT)
        return present == HP_READ_OK;
    if (host.lock_wait_s > LOCK_WAIT_S)
        host.lock_wait_s = LOCK_WAIT_S;
    if (!hp_store_need(run->store, dir, "mode", text, sizeof text, &run->error) ||
        !parse_server(run, &server) || !hp_lock_take(&lock, &host, "nbd", &run->error) ||
        !need_free(run, dev) ||
        !connect_device(run, &server, hp_parse_mode(text) == HP_MODE_READ, dev))
        return false;
    if (add_connected(run, dev))
        return true;
    HpError unused = { 0 };
    disconnect(dev, 0, &unused);
    /* It may be somebody else's before this disk is removed. */
    hp_store_write(run->store, dir, "node", "", &unused);
    return false;
}

bool
hp_nbd_remove(HpRun *run)
{
    char node[HP_PATH_SIZE], text[32];
    dev_t number = 0;
    HpRead read = hp_store_read(run->store, run->request.path, "node", node, sizeof node,
                                &run->error);
    if (read != HP_READ_OK)
        return read == HP_READ_ABSENT;
    if (hp_store_read(run->store, run->request.path, "physical-device", text, sizeof text,
                      &run->error) == HP_READ_FAILED)
        return false;
    if (strncmp(node, "/dev/nbd", 8) != 0 || (text[0] && !hp_parse_number(text, &number)))
        return hp_fail(&run->error, "'%.64s' is no network block device; it is left as it is",
                       node);
    return disconnect(node, number, &run->error);
}
