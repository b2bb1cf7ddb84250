/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlvirt-hotplug: what libxl runs for a domain's disks and network interfaces, in place of Xen's
 * shell scripts (docs/HOTPLUG.md). One process a device and event, so it is written to start fast:
 * C library, libnl-3 and libxenstore, no GLib, one thread, no fork unless a program of somebody
 * else must run. Hence errors are HpError here and not GError.
 *
 * Everything from the store, the environment and the command line counts as hostile.
 */
#ifndef HP_H
#define HP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define HP_IFNAME_SIZE 16   /* IFNAMSIZ, with the NUL */
#define HP_PATH_SIZE   512  /* of a path in the store */
#define HP_VALUE_SIZE  4096 /* of a value in the store, and of a file's path */
#define HP_ERROR_SIZE  1024

/* Our name for a disk that others may have as well: libxl has no word for that, its mode is r or w.
 */
#define HP_BLOCK_SHARED "block-shared"

#define HP_PRINTF(text, args) __attribute__((format(printf, text, args)))
#define HP_AUTO_FREE          __attribute__((cleanup(hp_free_p)))
#define HP_AUTO_CLOSE         __attribute__((cleanup(hp_close_p)))
#define HP_N(array)           (sizeof(array) / sizeof((array)[0]))

void hp_free_p(void *pointer);
void hp_close_p(int *fd);

/* What went wrong: a phrase that says what, where and what to do. `busy` is for what somebody else
 * uses (hotplug-status "busy" instead of "error"). */
typedef struct HpError {
    bool busy;
    char text[HP_ERROR_SIZE];
} HpError;

/* Both return false, so that `return hp_fail(...)` reads well. The first text stays. */
bool hp_fail(HpError *error, const char *format, ...) HP_PRINTF(2, 3);
bool hp_fail_busy(HpError *error, const char *format, ...) HP_PRINTF(2, 3);

/* A line on stderr about something that does not stop us. */
void hp_note(const char *format, ...) HP_PRINTF(1, 2);

typedef enum { HP_ADD, HP_REMOVE, HP_ONLINE, HP_OFFLINE } HpCommand;
typedef enum { HP_BLOCK, HP_NBD, HP_BRIDGE, HP_ROUTE, HP_OPENVSWITCH, HP_N_KINDS, HP_AUTO } HpKind;

/* What we were asked for. The strings live as long as argv and the environment. */
typedef struct HpRequest {
    HpCommand command;
    HpKind kind;
    bool shared;              /* run as block-shared: nobody is asked who else has the disk */
    bool tap;                 /* the emulated interface of an HVM guest, which QEMU made */
    char path[HP_PATH_SIZE];  /* XENBUS_PATH: the device's backend in the store */
    const char *base_path;    /* XENBUS_BASE_PATH */
    uint32_t domid;           /* the frontend's, out of `path` */
    uint32_t devid;           /* likewise */
    char dev[HP_IFNAME_SIZE]; /* the interface as the kernel or QEMU named it; "" for a disk */
    const char *bridge;       /* NULL unless given; what the store says goes before it */
    const char *ip;           /* likewise */
    const char *netdev;       /* whose address a routed interface takes */
} HpRequest;

/* Where things are on this host. Tests have theirs. */
typedef struct HpHost {
    const char *lock_dir;
    const char *mountinfo;
    const char *sys_block;
    const char *dev_dir;
    const char *script_dir; /* Xen's own scripts: hooks, and block-TYPE */
    const char *program_path;
    const char *log_file; /* NULL: none */
    unsigned lock_wait_s;
    bool iptables; /* keep rules in FORWARD as Xen's scripts do outside Debian */
} HpHost;

extern const HpHost hp_host_default;

typedef struct HpStore HpStore;

typedef struct HpRun {
    HpRequest request;
    const HpHost *host;
    HpStore *store;
    HpError error;
} HpRun;

/* true: done. false: run->error says why, and what had been done is undone. */
typedef bool (*HpAction)(HpRun *run);

bool hp_block_add(HpRun *run);
bool hp_block_remove(HpRun *run);
bool hp_nbd_add(HpRun *run);
bool hp_nbd_remove(HpRun *run);
bool hp_bridge_up(HpRun *run);
bool hp_bridge_down(HpRun *run);
bool hp_route_up(HpRun *run);
bool hp_route_down(HpRun *run);
bool hp_openvswitch_up(HpRun *run);
bool hp_openvswitch_down(HpRun *run);

/* Does what run->request says, tells the store when it fails. True: exit 0. */
bool hp_run(HpRun *run);

#endif
