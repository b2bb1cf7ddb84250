/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks. `params` in the store names a block device or a file; blkback wants its number in
 * physical-device, and libxl and QEMU its path in physical-device-path. A file becomes a loop
 * device first, which is put down in `node` for who removes it.
 */
#include "hp-block.h"
#include "hp-lock.h"
#include "hp-loop.h"
#include "hp-sharing.h"
#include "hp-store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* No name of a program, but of a kind: it must not lead out of the folder. */
static bool
is_plain_word(const char *word)
{
    return word[0] && strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(word);
}

/* Runs block-TYPE in our place, with the signals as we got them; returns only where there is none.
 */
static void
become_script(HpRun *run, const char *type, const char *command)
{
    char script[HP_VALUE_SIZE];
    if (!is_plain_word(type))
        return;
    snprintf(script, sizeof script, "%s/block-%s", run->host->script_dir, type);
    if (access(script, X_OK) < 0)
        return;
    alarm(0);
    signal(SIGPIPE, SIG_DFL);
    execl(script, script, command, (char *)NULL);
}

/* What is neither device nor file goes to the script block-TYPE, if somebody has made one, in our
 * place. Returns only where there is none. */
static bool
hand_over(HpRun *run, const char *params, const char *command)
{
    char type[64];
    HpError unused = { 0 };
    int because = errno;
    hp_store_read(run->store, run->request.path, "type", type, sizeof type, &unused);
    become_script(run, type, command);
    if (because)
        return hp_fail(&run->error, "disk '%s': %s%s", params, strerror(because),
                       because == ENOENT ? "; create it, or correct the domain's disk" : "");
    return hp_fail(&run->error, "disk '%s' is neither a block device nor a file", params);
}

bool
hp_block_write_device(HpRun *run, const char *path, dev_t number)
{
    char text[32];
    const char *dir = run->request.path;
    snprintf(text, sizeof text, "%x:%x", major(number), minor(number));
    return hp_store_write(run->store, dir, "physical-device", text, &run->error) &&
           hp_store_write(run->store, dir, "physical-device-path", path, &run->error) &&
           hp_store_write(run->store, dir, "hotplug-status", "connected", &run->error);
}

static bool
add_device(HpRun *run, const char *path, bool read_only, bool check)
{
    HP_AUTO_UNLOCK HpLock lock = HP_LOCK_NONE;
    HP_AUTO_FREE char *real = NULL;
    struct stat st;
    /* A device keeps the name that it was given, a link is followed: dm-3 for /dev/vg/web. */
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        real = realpath(path, NULL);
        path = real ? real : path;
    }
    if (stat(path, &st) < 0)
        return hp_fail(&run->error, "disk '%s': %s", path, strerror(errno));
    if (!S_ISBLK(st.st_mode))
        return hp_fail(&run->error, "disk '%s' is no block device any more", path);
    const HpNumbers numbers = { 1, { st.st_rdev } };
    return hp_lock_take(&lock, run->host, "block", &run->error) &&
           (!check || hp_sharing_check(run, path, read_only, &numbers)) &&
           hp_block_write_device(run, path, st.st_rdev);
}

/* Who asked for this guest may have given up, and taken the device away, while we waited. */
static bool
check_still_wanted(HpRun *run)
{
    char state[16];
    if (hp_store_read(run->store, run->request.path, "state", state, sizeof state, &run->error) ==
        HP_READ_FAILED)
        return false;
    if (strcmp(state, "2") != 0)
        return hp_fail(&run->error,
                       "the disk was taken away while it was added (state of its backend: %s)",
                       state[0] ? state : "gone");
    return true;
}

/* Opened for reading where that is asked for, or where nothing else is possible. */
static int
open_file(HpRun *run, const char *path, bool *read_only)
{
    int fd = open(path, (*read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0 && !*read_only && (errno == EROFS || errno == EACCES)) {
        hp_note("disk '%s' cannot be written here (%s): the guest will get errors", path,
                strerror(errno));
        *read_only = true;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        hp_fail(&run->error, "cannot open the disk '%s': %s", path, strerror(errno));
    return fd;
}

static bool
check_file(HpRun *run, int fd, const char *path, bool read_only, bool check)
{
    struct stat st;
    HpNumbers numbers = { 0 };
    if (fstat(fd, &st) < 0)
        return hp_fail(&run->error, "cannot look at the disk '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return hp_fail(&run->error, "disk '%s' is no file any more", path);
    if (check && !read_only && !(st.st_mode & 0222))
        return hp_fail_busy(&run->error,
                            "disk '%s' is write protected (mode %o): chmod u+w it, or give the "
                            "guest the disk read-only",
                            path, st.st_mode & 07777);
    if (!check)
        return true;
    numbers.n = hp_loop_find(st.st_dev, st.st_ino, numbers.at, HP_MAX_NUMBERS);
    return hp_sharing_check(run, path, read_only, &numbers);
}

static bool
add_file(HpRun *run, const char *params, bool read_only, bool check)
{
    HP_AUTO_UNLOCK HpLock lock = HP_LOCK_NONE;
    HP_AUTO_FREE char *path = realpath(params, NULL);
    char dev[HP_DEV_SIZE], direct[4];
    bool opened_read_only = read_only;
    dev_t number = 0;
    if (!path)
        return hp_fail(&run->error, "disk '%s': %s", params, strerror(errno));
    HP_AUTO_CLOSE int fd = open_file(run, path, &opened_read_only);
    if (fd < 0 || hp_store_read(run->store, run->request.path, "direct-io-safe", direct,
                                sizeof direct, &run->error) == HP_READ_FAILED)
        return false;
    if (!hp_lock_take(&lock, run->host, "block", &run->error) || !check_still_wanted(run) ||
        !check_file(run, fd, path, read_only, check) ||
        !hp_loop_attach(fd, path, opened_read_only, strcmp(direct, "1") == 0, dev, &number,
                        &run->error))
        return false;
    if (hp_store_write(run->store, run->request.path, "node", dev, &run->error) &&
        hp_block_write_device(run, dev, number))
        return true;
    HpError unused = { 0 };
    hp_loop_detach(dev, number, &unused);
    /* It may be somebody else's before this disk is removed. */
    hp_store_write(run->store, run->request.path, "node", "", &unused);
    return false;
}

bool
hp_block_add(HpRun *run)
{
    char text[HP_VALUE_SIZE], params[HP_VALUE_SIZE + 8], mode[16];
    const char *dir = run->request.path;
    struct stat st;
    HpRead present = hp_store_read(run->store, dir, "physical-device", text, sizeof text,
                                   &run->error);
    if (present != HP_READ_ABSENT) /* called twice for one disk: that happens */
        return present == HP_READ_OK;
    if (!hp_store_need(run->store, dir, "params", text, sizeof text, &run->error) ||
        !hp_store_need(run->store, dir, "mode", mode, sizeof mode, &run->error))
        return false;
    snprintf(params, sizeof params, "%s%s", text[0] == '/' ? "" : "/dev/", text);
    HpMode wanted = hp_parse_mode(mode);
    bool check = !run->request.shared && wanted != HP_MODE_SHARED;
    bool read_only = wanted == HP_MODE_READ;
    errno = 0;
    if (stat(params, &st) == 0 && S_ISBLK(st.st_mode))
        return add_device(run, params, read_only, check);
    if (errno == 0 && S_ISREG(st.st_mode))
        return add_file(run, params, read_only, check);
    return hand_over(run, text, "add");
}

/* A loop device that was made is in `node`, whatever has become of its file since. */
bool
hp_block_remove(HpRun *run)
{
    HP_AUTO_UNLOCK HpLock lock = HP_LOCK_NONE;
    char node[HP_PATH_SIZE], text[32], type[64];
    const char *dir = run->request.path;
    dev_t number = 0;
    HpRead read = hp_store_read(run->store, dir, "node", node, sizeof node, &run->error);
    if (read == HP_READ_FAILED)
        return false;
    if (read == HP_READ_OK && strncmp(node, "/dev/loop", 9) == 0) {
        if (hp_store_read(run->store, dir, "physical-device", text, sizeof text, &run->error) ==
            HP_READ_FAILED)
            return false;
        if (text[0] && !hp_parse_number(text, &number))
            return hp_fail(&run->error, "physical-device of %s is no number; %s is left as it is",
                           dir, node);
        return hp_lock_take(&lock, run->host, "block", &run->error) &&
               hp_loop_detach(node, number, &run->error);
    }
    /* A device needs nothing; a kind that somebody's script added, that script removes. */
    hp_store_read(run->store, dir, "type", type, sizeof type, &run->error);
    if (strcmp(type, "phy") != 0 && strcmp(type, "file") != 0)
        become_script(run, type, "remove");
    return true;
}
