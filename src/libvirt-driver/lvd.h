/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How clients reach libhv. Two halves meet here:
 *
 *   transport   lvd-server.c, lvd-client.c, lvd-stream.c ...: sockets, frames, limits, workers,
 *               keepalive, streams. Knows headers, not procedures.
 *   procedures  lvd-do-*.c: one function a row of lvd-procs.tsv. Knows args and rets, not sockets.
 *
 * Threads   One I/O loop (the main thread's GMainContext) owns every socket and never blocks. Calls
 *           run on workers: ordinary ones take any call, priority ones only calls whose row says
 *           high. The order of replies is not the order of calls.
 */
#pragma once

#include "lvdprotocol.h" /* made by rpcgen; has <rpc/rpc.h> */
#include <hv/hv.h>

G_BEGIN_DECLS

#define LVD_PROGRAM_REMOTE    0x20008086u
#define LVD_PROGRAM_QEMU      0x20008087u
#define LVD_PROGRAM_KEEPALIVE 0x6b656570u
#define LVD_VERSION           1u

enum { LVD_CALL, LVD_REPLY, LVD_MESSAGE, LVD_STREAM, LVD_CALL_FDS, LVD_REPLY_FDS, LVD_STREAM_HOLE };
enum { LVD_OK, LVD_ERROR_STATUS, LVD_CONTINUE };

#define LVD_LENGTH_MIN   28u /* the length itself and the header */
#define LVD_LENGTH_MAX   33554436u
#define LVD_STREAM_CHUNK 262120u
#define LVD_FDS_MAX      32u

typedef struct LvdServer LvdServer;
typedef struct LvdClient LvdClient;
typedef struct LvdCall LvdCall;
typedef struct LvdSession LvdSession; /* the procedures' own state of one client */
typedef struct LvdStream LvdStream;

/* ---- rows (lvd-dispatch.c, generated from lvd-procs.tsv) ---- */

/* Runs on a worker. `args` is decoded, `ret` is zeroed storage of the row's ret type: strings and
 * arrays in it come from malloc (g_malloc is malloc) and are freed with xdr_free() after encoding.
 * FALSE and *error: the error reply is made from it by lvd_error_fill(). */
typedef gboolean (*LvdHandler)(LvdCall *call, const void *args, void *ret, GError **error);

typedef enum LvdProcFlags {
    LVD_PROC_HIGH = 1 << 0,        /* a priority worker may take it: it never waits for a guest */
    LVD_PROC_READONLY = 1 << 1,    /* a read-only client may call it */
    LVD_PROC_BEFORE_OPEN = 1 << 2, /* 1, 2, 60, 66-70 */
    LVD_PROC_EVENT = 1 << 3,       /* never called */
    LVD_PROC_STREAM = 1 << 4,      /* a good reply opens a stream */
    LVD_PROC_RELAY = 1 << 5,       /* goes to the stock daemon of its family, where there is one */
    LVD_PROC_REGISTER = 1 << 6,    /* of RELAY rows: answers the id of a callback for events */
    LVD_PROC_DEREGISTER = 1 << 7,  /* of RELAY rows: is about such an id */
} LvdProcFlags;

/* Who serves it: we, or a stock daemon of the host (lvd-relay.c). */
typedef enum LvdFamily {
    LVD_FAMILY_OURS,
    LVD_FAMILY_NETWORK,
    LVD_FAMILY_STORAGE,
    LVD_FAMILY_NODEDEV,
    LVD_FAMILY_INTERFACE,
    LVD_FAMILY_SECRET,
    LVD_FAMILY_NWFILTER,
    LVD_N_FAMILIES
} LvdFamily;

typedef struct LvdProc {
    int number;
    const char *name;    /* "domain_create" */
    const char *api;     /* "virDomainCreate", for messages; NULL = none */
    LvdHandler handler;  /* NULL: not supported; of a RELAY row: where no stock daemon is */
    xdrproc_t args, ret; /* NULL = void */
    gsize args_size, ret_size;
    unsigned flags;
    LvdFamily family;
} LvdProc;

/* The row of a number, or NULL. Never indexes out of the table. */
const LvdProc *lvd_proc_find(gint32 number);
/* The same of the program for what only a device model can tell (lvd-do-qemu.c). */
const LvdProc *lvd_qemu_proc_find(gint32 number);

/* ---- what a procedure may ask of its call (transport) ---- */

LvdClient *lvd_call_client(LvdCall *call);
HvHost *lvd_call_host(LvdCall *call);
LvdSession *lvd_call_session(LvdCall *call);
const LvdProc *lvd_call_proc(LvdCall *call);
gboolean lvd_call_is_readonly(LvdCall *call);
/* After the OK reply of this call, `fd` (non-blocking, taken over) is pumped both ways as a
 * stream with the call's serial. `closed(data)` runs once, on the I/O thread, when the stream is
 * over and before fd is closed. */
typedef void (*LvdStreamClosed)(int fd, gpointer data);
LvdStream *lvd_call_open_stream(LvdCall *call, int fd, LvdStreamClosed closed, gpointer data);
/* Any thread, before `closed` returns: another file stands behind the stream's descriptor now. */
void lvd_stream_replaced(LvdStream *stream);
/* The descriptors that came with the call; they are closed with it, but for one that was stolen. */
guint lvd_call_n_fds(LvdCall *call);
int lvd_call_fd(LvdCall *call, guint index);
int lvd_call_steal_fd(LvdCall *call, guint index);
/* Goes with the reply of a procedure that returns nothing else; taken over. */
void lvd_call_return_fd(LvdCall *call, int fd);
/* From now on what one of these two stream sockets gets goes to the other; both taken over. */
void lvd_call_join(LvdCall *call, int a, int b);

void lvd_client_set_open(LvdClient *client, gboolean readonly); /* CONNECT_OPEN succeeded */
gboolean lvd_client_is_open(LvdClient *client);
void lvd_client_start_keepalive(LvdClient *client);   /* it asked for feature 10 */
void lvd_client_close_after_reply(LvdClient *client); /* CONNECT_CLOSE */
LvdClient *lvd_client_ref(LvdClient *client);
void lvd_client_unref(LvdClient *client);
/* Queue an event message; any thread; copies. `proc` is the message's procedure number. Order of
 * calls is order on the wire. A client whose queue passes the bound is cut off with a log line. */
void lvd_client_send_message(LvdClient *client, int proc, xdrproc_t xdr, const void *message);

/* ---- what the transport asks of the procedures ---- */

LvdSession *lvd_session_new(LvdClient *client,
                            HvHost *host); /* client connected; client not reffed */
/* Connection is gone and its last call has ended; no send_message after this returns. Called on the
 * I/O thread. Between the two, what is sent is dropped. */
void lvd_session_free(LvdSession *session);
/* After the reply of a call was queued for sending: a session releases the events that a
 * registration in that call held back. */
void lvd_session_replied(LvdSession *session, LvdCall *call);

/* ---- errors (lvd-error.c: the one place with libvirt's numbers) ---- */

/* For what HvError and ConfError cannot say: code is a VIR_ERR_*, with VIR_FROM_* in the upper
 * half. */
#define LVD_ERROR (lvd_error_quark())
GQuark lvd_error_quark(void);
#define LVD_ERROR_CODE(code, from) (((from) << 16) | (code))
/* "this function is not supported by the connection driver: virX" and the like, each as the stock
 * library words it. */
void lvd_set_no_support(GError **error, const LvdProc *proc);
void lvd_set_readonly(GError **error, const LvdProc *proc);
/* Fill a wire error from a GError: code, domain, message (with libvirt's prefix for that code),
 * level 2, str1, str2, ints -1. Free with xdr_free(). */
void lvd_error_fill(const GError *error, lvd_error *ret_error);

/* ---- the daemon's configuration (lvd-config.c): virtxend.conf's syntax and names ---- */

typedef struct LvdConfig {
    char *root;
    char *engine;
    char *unix_sock_dir; /* below root; NULL = /run/libvirt */
    char *relay; /* "auto" (or NULL), "off", or the path of a socket or of a folder of them */
    char *unix_sock_group;
    unsigned unix_sock_ro_perms, unix_sock_rw_perms;
    unsigned max_clients, max_queued_clients, max_anonymous_clients;
    unsigned min_workers, max_workers, prio_workers;
    unsigned max_client_requests, max_client_slow_requests;
    int keepalive_interval;
    unsigned keepalive_count;
    int log_level; /* 1 debug ... 4 error, as libvirt's */
    gboolean verbose;
    /* libxl.conf's and ours, handed to libhv */
    unsigned autostart_workers;
    char *lock_manager;       /* NULL: as the engine's own configuration says */
    char *lock_socket;        /* of virtlockd; NULL: in the folder of our own sockets */
    unsigned lock_timeout_ms; /* for one request to it */
    /* libxl-lockd.conf's */
    unsigned lock_disks;
    int lock_require_lease; /* -1: not said */
    char *lock_file_dir, *lock_lvm_dir, *lock_scsi_dir;
    char *cpu_map_dir;           /* NULL: where libvirt has it */
    GHashTable *engine_settings; /* name -> text, for the engine; immutable once loaded */
    unsigned job_timeout_ms;
} LvdConfig;

LvdConfig *lvd_config_new(void); /* stock defaults */
void lvd_config_free(LvdConfig *config);
/* FILE:LINE:COLUMN: in the message; an unknown key is a warning in the log, not an error. */
gboolean lvd_config_load(LvdConfig *config, const char *path, GError **error);
/* The same for libxl-lockd.conf, which says what lock manager "lockd" locks. One that is not there
 * is no error. */
gboolean lvd_config_load_lockd(LvdConfig *config, GError **error);
char *lvd_config_socket_dir(const LvdConfig *config);
char *lvd_lockd_socket(const LvdConfig *config); /* where virtlockd listens */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvdConfig, lvd_config_free)

/* ---- volumes of storage pools (lvd-volume.c) ---- */

/* HvFindVolume. `config` is the LvdConfig: it says where the storage daemon is. */
gboolean lvd_find_volume(const char *pool, const char *volume, char **ret_path, gboolean *ret_block,
                         GCancellable *cancellable, gpointer config, GError **error);

/* ---- locks of disks (lvd-lockd.c) ---- */

/* HvLockAsk. `config` is the LvdConfig: it says where virtlockd is. */
gboolean lvd_lockd_ask(HvLockOp op, const HvLockOwner *owner, const GPtrArray *leases,
                       GCancellable *cancellable, gpointer config, GError **error);

/* ---- the server (transport) ---- */

/* All in the thread whose thread-default main context then is the I/O loop. `host` outlives it. */
LvdServer *lvd_server_new(const LvdConfig *config, HvHost *host);
gboolean lvd_server_listen(LvdServer *server, GError **error); /* both sockets, or systemd's */
/* Unlinks the sockets, closes clients, drops the calls that wait. Those that run go on. */
void lvd_server_stop(LvdServer *server);
/* Waits for them: end what they wait for first (hv_host_stop()). */
void lvd_server_free(LvdServer *server);

G_END_DECLS
