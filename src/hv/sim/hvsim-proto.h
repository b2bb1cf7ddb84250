/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wire between the engine `sim` and its host process, and the paths that both agree on.
 *
 * Frame     A SimHeader, then `length` bytes: one GVariant in normal form, of the type that
 *           sim_ops[] names for this operation and direction. Both ends run on one machine, so
 *           byte order is the machine's; descriptors ride on the frame's first byte.
 * Requests  carry an id that the answer repeats; answers come in any order. Id 0 is for events
 *           and for CANCEL, which nobody answers.
 * Limits    A frame above SIM_MAX_FRAME, an operation that the table lacks and a payload that is
 * not of the type end the connection: the other side is not ours.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

G_BEGIN_DECLS

#define SIM_PROTOCOL  3u /* HELLO refuses another number */
#define SIM_MAX_FRAME (32u << 20)
#define SIM_MAX_CPUS  1024u /* physical: as wide as HvVcpuInfo.affinity */
#define SIM_MAX_VCPUS 4096u
#define SIM_MAX_DISKS 64u   /* named in the boot text */
#define SIM_BACKLOG   16384 /* console output that waits for a reader */
#define SIM_MAX_KEYS  16u
#define SIM_COLUMNS   80u /* of the simulated screen */
#define SIM_LINES     25u

#define SIM_EXIT_TAKEN 3 /* exit status of a host whose root has one already */

#define SIM_RUN_DIR        "run/xlvirt"
#define SIM_SOCKET_NAME    "simhost.sock"
#define SIM_LOCK_NAME      "simhost.pid"
#define SIM_LOG_DIR        "var/log/xlvirt"
#define SIM_AUTOSTART_MARK "run/libvirt/libxl/autostarted" /* see docs/STORE.md */
#define SIM_LOG_NAME       "simhost.log"
#define SIM_CONF_PATH      "etc/xlvirt/sim.conf"
#define SIM_CONTROL_PATH   "etc/xlvirt/sim-control"

typedef enum SimKind {
    SIM_KIND_REQUEST = 1,
    SIM_KIND_REPLY,
    SIM_KIND_ERROR, /* payload "(us)": HvError, message */
    SIM_KIND_EVENT, /* payload SIM_EVENT_TYPE */
    SIM_N_KINDS,
} SimKind;

typedef enum SimOp {
    SIM_OP_NONE, /* events */
    SIM_OP_HELLO,
    SIM_OP_CANCEL,
    SIM_OP_STOP,
    SIM_OP_INFO,
    SIM_OP_LIST,
    SIM_OP_NAMES,
    SIM_OP_START,
    SIM_OP_RESTORE,
    SIM_OP_DESTROY,
    SIM_OP_SHUTDOWN,
    SIM_OP_REBOOT,
    SIM_OP_PAUSE,
    SIM_OP_UNPAUSE,
    SIM_OP_MEMORY,
    SIM_OP_MAX_MEMORY,
    SIM_OP_VCPUS,
    SIM_OP_VCPU_INFO,
    SIM_OP_SAVE,
    SIM_OP_RESUME,
    SIM_OP_CONSOLE,
    SIM_OP_ADOPT,
    SIM_OP_EXIT,
    SIM_OP_ATTACH,
    SIM_OP_DETACH,
    SIM_OP_UPDATE,
    SIM_OP_RESET,
    SIM_OP_NMI,
    SIM_OP_KEYS,
    SIM_OP_SLEEP,
    SIM_OP_WAKEUP,
    SIM_OP_DUMP,
    SIM_OP_RENAME,
    SIM_OP_RESIZE,
    SIM_OP_DISK_SNAPSHOT,
    SIM_OP_SCREEN,
    SIM_OP_CHANNEL,
    SIM_OP_CONTROL,
    SIM_OP_PCI,
    SIM_OP_DISK_TELLS,
    SIM_OP_VISIT,
    SIM_OP_CLOCK,
    SIM_OP_LOSE,
    SIM_OP_PIN, /* from here to STATS: hvsim-tune.c */
    SIM_OP_VCPU_MAP,
    SIM_OP_PIN_EMULATOR,
    SIM_OP_EMULATOR_PIN,
    SIM_OP_SCHED,
    SIM_OP_SET_SCHED,
    SIM_OP_SET_NODES,
    SIM_OP_NODES,
    SIM_OP_HOST_NODES,
    SIM_OP_HOST_CPUS,
    SIM_OP_CPU_LEAVES,
    SIM_OP_NIC_RATE,
    SIM_OP_DISK_LIMITS,
    SIM_OP_THRESHOLD,
    SIM_OP_STATS,
    SIM_N_OPS,
} SimOp;

typedef struct SimOpInfo {
    const char *name;    /* also the first half of the fault keys: "start" -> start-fail= */
    const char *request; /* GVariant type of the request's payload */
    const char *reply;
    gboolean domain; /* the request's first member is a domain id */
    gboolean fault;  /* NAME-fail, NAME-delay-ms, NAME-hang in the control file */
} SimOpInfo;

extern const SimOpInfo sim_ops[SIM_N_OPS];

typedef struct SimHeader {
    guint32 length; /* of the payload */
    guint16 kind;   /* SimKind */
    guint16 op;     /* SimOp */
    guint64 id;
    guint32 n_fds; /* 0 or 1 */
    guint32 reserved;
} SimHeader;

/* False: no sane peer sends this. */
gboolean sim_header_check(const SimHeader *header);

/* The payload of a frame, checked against the table. NULL when it is not of the type. */
GVariant *sim_payload(const SimHeader *header, GBytes *bytes);

/* One row of LIST as it lies in the message: the C layout of SIM_DOMAIN_TYPE. */
typedef struct SimDomainRow {
    guint64 uuid_high, uuid_low;
    guint64 memory_kib, max_memory_kib, cpu_time_ns;
    gint32 domid;
    guint32 flags; /* SimFlags */
    gint32 shutdown_code;
    guint32 vcpus_online, vcpus_max;
    guint32 reserved;
} SimDomainRow;
#define SIM_DOMAIN_TYPE "(tttttiuiuuu)"

typedef enum SimFlags {
    SIM_FLAG_RUNNING = 1 << 0,
    SIM_FLAG_BLOCKED = 1 << 1,
    SIM_FLAG_PAUSED = 1 << 2,
    SIM_FLAG_SHUTDOWN = 1 << 3,
    SIM_FLAG_CRASHED = 1 << 4,
    SIM_FLAG_DYING = 1 << 5,
} SimFlags;

void sim_uuid_to_words(const guint8 uuid[16], guint64 *ret_high, guint64 *ret_low);
void sim_uuid_from_words(guint64 high, guint64 low, guint8 ret_uuid[16]);

/* kind, domid, uuid, code, "this connection made it", target */
#define SIM_EVENT_TYPE "(uittubsxt)"

/* What a saved guest is made of. Also the state record of the save stream. */
typedef struct SimGuest {
    guint64 memory_kib;
    guint32 vcpus_online;
    gboolean booted;
    gboolean paused;
    gint64 age_us;   /* guest time since boot */
    GArray *cpu_ns;  /* guint64 a vcpu */
    GBytes *backlog; /* console output that nobody read yet */
} SimGuest;
#define SIM_GUEST_TYPE "(tubbxatay)"

void sim_guest_free(SimGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimGuest, sim_guest_free)
GVariant *sim_guest_pack(const SimGuest *guest); /* floating */
/* NULL: out of bounds (`vcpus_max` is the domain's), text in *ret_why. */
SimGuest *sim_guest_unpack(GVariant *packed, guint vcpus_max, const char **ret_why);

/* A domain as a toolstack asks for it. */
typedef struct SimStart {
    char *name;
    guint8 uuid[16];
    char *record; /* domXML of the definition; "" = the domain of another toolstack */
    guint64 memory_kib, max_memory_kib;
    guint32 vcpus_online, vcpus_max;
    gboolean hvm;
    gboolean paused;
    gboolean console;   /* wants a pty */
    guint32 n_ports;    /* of graphics that the host chooses */
    GPtrArray *disks;   /* char *: target names */
    GPtrArray *devices; /* char *: sim_live_device_key() of what can be unplugged */
    GPtrArray *pinned;  /* GBytes: one cpu bitmap a vcpu; empty bytes = any cpu */
    /* a{sv} of what else can be said, each only where it is: "online" ay, which vcpus; "weight",
     * "cap", "period", "budget", "extratime" i; "nodes" ay; "emulator" ay, its cpus; "disks" as,
     * targets; "nics" as, MACs; "limits" a{s(tttttt)}, by target; "rates" a{st}, bytes a second by
     * MAC. NULL: nothing. */
    GVariant *options;
} SimStart;
#define SIM_START_TYPE "(sttsttuubbbuasaayasa{sv})"

SimStart *sim_start_new(void);
void sim_start_free(SimStart *start);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimStart, sim_start_free)
GVariant *sim_start_pack(const SimStart *start); /* floating */
/* NULL: out of bounds, text in *ret_why. */
SimStart *sim_start_unpack(GVariant *packed, const char **ret_why);

/* The time as all logs of xlvirt have it: "2026-11-20 13:00:00.123+0000". */
char *sim_stamp(void);

/* ---- paths and sockets ---- */

/* `root` as given ("" = none) -> the folder that everything lies below, absolute. */
char *sim_root_path(const char *root);
/* A unix socket at `path`, listening or connected; paths longer than sun_path work too. -1 with
 * errno in *ret_errno. */
int sim_socket_connect(const char *path, int *ret_errno);
int sim_socket_listen(const char *path, int *ret_errno);

/* One sendmsg() of up to `len` bytes, with a descriptor (or -1) on the first byte. As send(2). */
gssize sim_send(int fd, const void *data, gsize len, int pass_fd);
/* One recvmsg(). Descriptors that came are appended to `fds` (GArray of int), close-on-exec. */
gssize sim_recv(int fd, void *data, gsize len, GArray *fds);
/* Exactly `len` bytes. FALSE: errno, 0 for the end of the connection. */
gboolean sim_recv_all(int fd, void *data, gsize len, GArray *fds);
void sim_close_fds(GArray *fds); /* closes and empties */

/* What the host answers to START, RESTORE and, as part of it, ADOPT. */
#define SIM_LIVE_TYPE "(isau)" /* domid, tty ("" = none), ports */

G_END_DECLS
