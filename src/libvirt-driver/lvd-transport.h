/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the transport half know of each other.
 *
 *   lvd-loop.c      epoll inside the GMainContext; posts from other threads
 *   lvd-work.c      the pool of workers
 *   lvd-frame.c     headers and whole messages
 *   lvd-socket.c    listening sockets: paths, modes, stale ones, systemd's
 *   lvd-server.c    accept, limits, keepalive timer
 *   lvd-client.c    one connection: input, parsing, output queue
 *   lvd-call.c      one call: the checks before a handler, and its reply
 *   lvd-stream.c    one stream: a descriptor pumped both ways
 *   lvd-pump.c      two descriptors, each copied to the other
 *   lvd-relay.c     which calls go to a stock daemon of the host, and where it listens
 *   lvd-upstream*.c one connection to such a daemon
 *
 * Locks     LvdClient.lock is a leaf but for LvdLoop.lock, which is a leaf. LvdWork.lock is a leaf.
 * Cost      A call takes six system calls in the daemon: poll, epoll_wait, recvmsg and futex in the
 *           I/O thread, sendto and futex in the worker. A reply leaves from the worker's own
 * buffer, so nothing is allocated for it.
 */
#pragma once

#include "lvd.h"
#include <libvirt/virterror.h>

G_BEGIN_DECLS

/* An error of the RPC layer itself: domain VIR_FROM_RPC. */
#define LVD_RPC_ERROR(code) LVD_ERROR_CODE(code, VIR_FROM_RPC)

/* ---- loop ---- */

typedef struct LvdLoop LvdLoop;
typedef struct LvdWatch LvdWatch;
typedef void (*LvdPost)(gpointer data);

/* Embedded in what owns a descriptor. An owner that goes away inside a dispatch is freed by a post,
 * since the same batch of events may still name it; lvd_loop_remove() makes such events no-ops. */
struct LvdWatch {
    int fd; /* -1: not watched */
    void (*ready)(LvdWatch *watch, guint32 events);
};

/* Attached to the thread-default main context of the caller. */
LvdLoop *lvd_loop_new(GError **error);
/* Runs what was posted and not yet run, then frees. */
void lvd_loop_free(LvdLoop *loop);
/* All three from any thread. Events are EPOLL*; add fails only when the kernel is out of room. */
gboolean lvd_loop_add(LvdLoop *loop, LvdWatch *watch, int fd, guint32 events);
void lvd_loop_modify(LvdLoop *loop, LvdWatch *watch, guint32 events);
void lvd_loop_remove(LvdLoop *loop, LvdWatch *watch); /* I/O thread; does not close */
/* Runs func(data) once in the I/O thread, after the events at hand. Any thread. */
void lvd_loop_post(LvdLoop *loop, LvdPost func, gpointer data);
void lvd_loop_run_posts(LvdLoop *loop);
GMainContext *lvd_loop_context(LvdLoop *loop);

/* ---- work ---- */

#define LVD_SCRATCH_SIZE 65536u

typedef struct LvdJob LvdJob;
struct LvdJob { /* embedded */
    LvdJob *next;
    guint64 number;
};
typedef struct LvdWork LvdWork;
/* `scratch` is the worker's own buffer of LVD_SCRATCH_SIZE bytes. */
typedef void (*LvdWorkFunc)(LvdJob *job, guint8 *scratch);

/* Fails where not even one worker is to be had; with fewer than asked for it goes on. */
LvdWork *lvd_work_new(guint min_workers, guint max_workers, guint prio_workers, LvdWorkFunc func,
                      GError **error);
/* Never blocks. `high`: priority workers may take it too. */
void lvd_work_push(LvdWork *work, LvdJob *job, gboolean high);
/* TRUE: nothing runs or waits any more. FALSE: after `ms` something still does. Pushes nothing
 * away, so it is for when nobody pushes. */
gboolean lvd_work_wait(LvdWork *work, guint ms);
/* Runs what is queued, waits for all workers, frees. Accepts NULL. */
void lvd_work_free(LvdWork *work);

/* ---- frames ---- */

typedef struct LvdHeader {
    guint32 length, prog, vers;
    gint32 proc, type;
    guint32 serial;
    gint32 status;
} LvdHeader;

void lvd_header_read(LvdHeader *ret_header, const guint8 bytes[LVD_LENGTH_MIN]);
void lvd_header_write(const LvdHeader *header, guint8 bytes[LVD_LENGTH_MIN]);
/* A word of a payload that is not decoded; 0 where it is shorter. */
gint32 lvd_body_word(const guint8 *body, gsize body_len, gsize index);
void lvd_body_set_word(guint8 *body, gint32 value); /* the first one; there is one */
/* A whole message of header and XDR (NULL = no payload), in `room` where it fits, else in a new
 * block that the caller frees. NULL: it cannot be encoded (a value over its limit, or all of it
 * over LVD_LENGTH_MAX). */
guint8 *lvd_frame_encode(const LvdHeader *header, xdrproc_t xdr, const void *data, guint8 *room,
                         gsize room_size, gsize *ret_length);

/* ---- sockets ---- */

typedef struct LvdSocket {
    char *path;
    int fd; /* listening, non-blocking; -1: none */
    gboolean readonly;
    gboolean inherited; /* systemd's: not ours to unlink */
    guint64 device, inode;
} LvdSocket;

/* "another daemon already listens on PATH", ...; removes a socket that nobody listens on. */
gboolean lvd_socket_listen(LvdSocket *socket, unsigned mode, const char *group, unsigned backlog,
                           GError **error);
/* The sockets that systemd passed (LISTEN_PID, LISTEN_FDS). 0 and no change: none. -1: error. */
int lvd_socket_inherit(LvdSocket *sockets, guint n_sockets, GError **error);
void lvd_socket_close(LvdSocket *socket);
/* READY=1 and the like, to whom NOTIFY_SOCKET names. */
void lvd_notify(const char *state);

/* ---- server ---- */

typedef struct LvdListener {
    LvdWatch watch;
    LvdSocket socket;
    LvdServer *server;
    gboolean accepting; /* I/O thread */
    gint anonymous;     /* atomic: clients that did not open a connection yet */
    gint64 complained;  /* I/O thread: when it was last said that the house is full */
} LvdListener;

struct LvdServer {
    LvdLoop *loop; /* immutable, as all without a note */
    LvdWork *work;
    HvHost *host; /* outlives the server */
    LvdConfig *config;
    LvdListener listeners[2]; /* rw, ro */
    GHashTable *clients;      /* I/O thread: set of LvdClient, the connected ones */
    guint64 accepted;         /* I/O thread: how many ever */
    guint next_id;            /* I/O thread */
    gboolean stopped;         /* I/O thread */
    gint dropping;            /* atomic: queued calls are answered no more */
    GSource *keepalive;       /* its ready time is the next deadline */
    gint keepalive_armed;     /* atomic */
    GSource *retry;           /* I/O thread: accept again after the process ran out of fds */
    guint8 *scratch;          /* I/O thread: LVD_SCRATCH_SIZE bytes of input */
    guint8 *chunk;            /* I/O thread: one stream packet */
    GList *pumps;             /* I/O thread: LvdPump */
    GList *upstreams;         /* I/O thread: LvdUpstream of all clients */
    GSource *relay_timer;     /* I/O thread: their next deadline; NULL: never needed */
};

/* A copy, with every default filled in. */
LvdConfig *lvd_config_copy(const LvdConfig *config);

/* After lvd_server_stop(). FALSE: a call still runs after `ms`, so lvd_server_free() would wait. */
gboolean lvd_server_wait(LvdServer *server, guint ms);
guint lvd_server_n_clients(LvdServer *server);
guint64 lvd_server_n_accepted(LvdServer *server);
void lvd_server_client_gone(LvdServer *server, LvdClient *client); /* I/O thread */
void lvd_server_client_opened(LvdServer *server, LvdListener *listener);
void lvd_server_arm_keepalive(LvdServer *server);

/* ---- client ---- */

typedef struct LvdUpstream LvdUpstream;
typedef struct LvdOut LvdOut;

#define LVD_EVENT_QUEUE_MAX (16u << 20) /* bytes of events that a client leaves unread */

struct LvdClient {
    LvdWatch watch; /* fd: closed by the I/O thread, [lock] */
    gatomicrefcount refs;
    LvdServer *server;     /* immutable */
    LvdListener *listener; /* immutable */
    LvdSession *session;   /* immutable until freed by the I/O thread */
    guint id;              /* immutable */
    pid_t pid;             /* immutable */
    uid_t uid;             /* immutable */
    gid_t gid;             /* immutable */
    gboolean anonymous;    /* immutable: counted in listener->anonymous until open */
    gint open, readonly;   /* atomic */
    gint keepalive;        /* atomic: it answers pings */

    /* Input: I/O thread. `in` holds an incomplete message and, while paused, more behind it. */
    guint8 *in;
    gsize in_len, in_size;
    guint64 in_offset; /* of in[0] in all that was received */
    GArray *fds;       /* LvdFd; NULL: never got one */
    LvdCall *fd_call;  /* its descriptors are still to come */
    gboolean stopped;  /* not parsing, not reading: lvd_client_resume() goes on */
    guint stalled;     /* streams and upstreams that take no more */
    gint64 heard;      /* monotonic time of the last input */
    gint64 pinged;     /* and of our last ping */
    guint pings_left;
    LvdUpstream *upstreams[LVD_N_FAMILIES]; /* I/O thread; NULL: nothing relayed yet */

    GMutex lock;
    LvdOut *out, **out_tail; /* [lock] */
    gsize event_bytes;       /* [lock] events in it */
    guint32 events;          /* [lock] what epoll is told */
    guint requests;          /* [lock] calls whose reply has not left yet, but for the slow ones */
    guint slow;              /* [lock] slow calls that have no reply yet */
    guint calls;             /* [lock] calls that still hold the session */
    gboolean paused;         /* [lock] stopped for these two: who lowers one posts a resume */
    gboolean closing;        /* [lock] no more input is looked at */
    gboolean ending;         /* [lock] close when all output left */
    gboolean cut;            /* [lock] shut down by us, the I/O thread will see it */
    gboolean dead;           /* [lock] disconnected */
    GList *streams;          /* [lock] LvdStream */
};

/* Takes fd over. I/O thread. */
LvdClient *lvd_client_new(LvdListener *listener, int fd);
void lvd_client_close(LvdClient *client, const char *why); /* I/O thread */
/* Any thread. TRUE: all of it left. FALSE: the rest is queued, or the client is gone. */
typedef enum {
    LVD_OUT_PLAIN,
    LVD_OUT_REPLY,  /* the request counts until it left: who reads no replies gets no more calls */
    LVD_OUT_EVENT,  /* whatever we send unasked: bounded by LVD_EVENT_QUEUE_MAX */
    LVD_OUT_STREAM, /* the stream reads on when it left */
} LvdOutKind;
gboolean lvd_client_send(LvdClient *client, const guint8 *bytes, gsize length, LvdOutKind kind);
/* A REPLY_WITH_FDS and its descriptor, which is taken over. */
void lvd_client_send_with_fd(LvdClient *client, const guint8 *bytes, gsize length, int fd);
/* An empty message. */
void lvd_client_send_header(LvdClient *client, const LvdHeader *header, LvdOutKind kind);
/* I/O thread: what is due at `now`; the next time to look at it. */
gint64 lvd_client_check_alive(LvdClient *client, gint64 now);
void lvd_client_resume(LvdClient *client);             /* any thread: go on with the input */
void lvd_client_run(LvdClient *client, LvdCall *call); /* I/O thread: by a worker */
/* Any thread: the call's reply is about to be sent, so it is slow no more. */
void lvd_client_call_replies(LvdClient *client, const LvdCall *call);
void lvd_client_call_done(LvdClient *client); /* any thread: the call lets go of the session */
void lvd_client_end(LvdClient *client);       /* any thread: close when all output left */

/* ---- call ---- */

struct LvdCall {
    LvdJob job; /* first */
    LvdClient *client;
    LvdHeader header;
    const LvdProc *proc; /* NULL: none of that number, or of another program */
    guint fds_left;      /* descriptors still to come */
    guint n_fds;
    int fds[LVD_FDS_MAX]; /* closed with the call; -1: taken by the handler */
    int answer_fd;        /* goes with a good reply; -1: none */
    gboolean slow;        /* counts as such: immutable once it runs */
    gboolean close_after;
    LvdStream *stream; /* asked for by the handler */
    gsize body_len;
    guint8 body[]; /* XDR of the args */
};

/* Copies the body. */
LvdCall *lvd_call_new(LvdClient *client, const LvdHeader *header, const guint8 *body,
                      gsize body_len);
void lvd_call_free(LvdCall *call);
gboolean lvd_call_is_high(const LvdCall *call);
void lvd_call_run(LvdJob *job, guint8 *scratch); /* LvdWorkFunc */
LvdCall *lvd_call_current(void);                 /* of this worker, or NULL */
/* An ERROR message with this header's prog, proc and serial. */
guint8 *lvd_error_encode(const LvdHeader *header, const GError *error, guint8 *room,
                         gsize room_size, gsize *ret_length);
/* The error reply to `call` (LVD_REPLY), or the end of the stream that it opened (LVD_STREAM). */
void lvd_send_error(LvdClient *client, const LvdHeader *call, gint32 type, const GError *error);

/* ---- stream ---- */

LvdStream *lvd_stream_new(LvdClient *client, const LvdHeader *call, int fd, LvdStreamClosed closed,
                          gpointer data);
/* Any thread. Registered before the reply is sent, so that no packet of the client's can miss it;
 * started after, so that no data overtakes it. An abandoned one was never registered. */
void lvd_stream_register(LvdStream *stream);
void lvd_stream_start(LvdStream *stream);
void lvd_stream_abandon(LvdStream *stream);
/* I/O thread. */
void lvd_stream_packet(LvdClient *client, const LvdHeader *header, const guint8 *body,
                       gsize body_len);
void lvd_stream_sent(LvdStream *stream); /* its packet left the client's queue */
void lvd_stream_close(LvdStream *stream);

/* ---- pump ---- */

typedef struct LvdPump LvdPump;
/* Copies between two stream sockets until both have ended. Takes them over. Any thread. */
void lvd_pump_start(LvdServer *server, int a, int b);
void lvd_pump_close(LvdPump *pump); /* I/O thread */

/* ---- relay ---- */

/* Never waits: a Unix socket takes a connection at once or not at all. A descriptor, non-blocking;
 * -1 and errno: not. */
int lvd_connect_unix(const char *path);

/* All in the I/O thread. TRUE: taken over. FALSE: the call is ours to run, or to refuse; so are
 * calls of a family that no stock daemon serves here. */
gboolean lvd_relay_call(LvdClient *client, LvdCall *call);
/* FALSE: not of a procedure that is relayed. */
gboolean lvd_relay_packet(LvdClient *client, const LvdHeader *header, const guint8 *body,
                          gsize body_len);
void lvd_relay_sent(LvdClient *client); /* a stream packet left the client's queue */
void lvd_relay_close(LvdClient *client);

/* ---- log ---- */

/* Everything GLib's structured log gets goes through here: to the journal with its fields where
 * stderr is the journal, else one line on stderr. */
void lvd_log_init(int level);
void lvd_log_set_level(int level); /* 1 debug ... 4 error */
gboolean lvd_log_enabled(int level);
/* For the paths where even formatting would be felt. */
#define lvd_debug(...)                                                                             \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (G_UNLIKELY(lvd_log_enabled(1)))                                                        \
            g_debug(__VA_ARGS__);                                                                  \
    }                                                                                              \
    G_STMT_END

G_END_DECLS
