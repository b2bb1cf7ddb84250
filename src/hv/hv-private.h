/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of src/hv share and nobody else sees. The rules for locks, jobs and threads stand
 * in docs/LOCKING.md; the note beside each shared field names what guards it.
 */
#pragma once

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv"

#include <hv/engine.h>

typedef struct HvCrew HvCrew;
typedef struct HvStore HvStore;
typedef struct HvEvents HvEvents;
typedef struct HvGuests HvGuests;
typedef struct HvSampler HvSampler;
typedef struct HvLocks HvLocks;
typedef struct HvJob HvJob;

struct HvHost {
    gatomicrefcount refs;
    const HvEngineOps *ops;    /* immutable after hv_host_new() */
    HvEngine *engine;          /* immutable until hv_host_stop() has joined every thread */
    HvStore *store;            /* immutable after hv_host_new(), self-locking */
    HvEvents *events;          /* immutable after hv_host_new(), self-locking */
    HvGuests *guests;          /* immutable after hv_host_new(), self-locking */
    HvSampler *sampler;        /* immutable after hv_host_new(), self-locking */
    HvLocks *locks;            /* immutable after hv_host_new() */
    int autostart_workers;     /* immutable after hv_host_new() */
    guint job_timeout_ms;      /* immutable after hv_host_new() */
    gboolean no_autostart;     /* immutable after hv_host_new() */
    HvFindVolume find_volume;  /* immutable after hv_host_new() */
    gpointer find_volume_data; /* immutable after hv_host_new() */
    gint started;              /* atomic */
    gint stopping;             /* atomic; jobs are refused from then on */
    gint in_engine;            /* atomic; calls that nobody waits for any more, and queries */

    char *cpu_map_dir;   /* immutable after hv_host_new() */
    GMutex cpu_lock;     /* a leaf */
    ConfCpuMap *cpu_map; /* [cpu_lock] NULL: not read yet, or in vain */

    GMutex control_lock; /* hv_host_start() and hv_host_stop() exclude each other */
    HvCrew *autostart;   /* [control_lock] NULL: none under way */
    HvCrew *scripts;     /* [control_lock] of hv_reconcile(); NULL: there are none */

    GMutex registry_lock; /* look-ups and swaps only; order: this, then HvDomain.lock */
    GHashTable *by_uuid;  /* [registry_lock] owns one reference to each HvDomain */
    GHashTable *by_name;  /* [registry_lock] */
    GHashTable *by_id;    /* [registry_lock] active ones only */
};

struct HvDomain {
    gatomicrefcount refs;
    HvHost *host;     /* immutable; a reference, given back by hv_domain_unref() */
    char *name;       /* immutable */
    guint8 uuid[16];  /* immutable */
    gboolean visible; /* [host->registry_lock] FALSE: name and uuid are reserved only */

    GMutex lock;           /* never held across I/O or an engine call */
    GCond changed;         /* job, stop_waiters or removed changed */
    HvView *view;          /* [lock] never NULL */
    gboolean removed;      /* [lock] no longer in the registry; stays TRUE */
    HvDomain *successor;   /* [lock] what it is since it was renamed; a reference, or NULL */
    HvJob *job;            /* [lock] the holder's, or NULL */
    guint stop_waiters;    /* [lock] who wants to end the domain goes before the others */
    gboolean in_doubt;     /* [lock] the engine told of another state during the job */
    GArray *vcpus;         /* [lock] last answer of the engine; may be NULL */
    int vcpus_domid;       /* [lock] the domain id which that answer is about */
    GError *vcpus_error;   /* [lock] why there is none; may be NULL */
    gboolean vcpus_asked;  /* [lock] a question to the engine is under way */
    gint64 vcpus_asked_us; /* [lock] when the last one was put */
    GArray *consoles;      /* [lock] HvConsole: who holds what */
    HvJobInfo completed;   /* [lock] the last one that moved memory; kind NULL: none */
};

/* ---- errors (hv-error.c) ---- */

/* HV_ERROR_UNSUPPORTED for a hook that the engine leaves NULL. `what` is a phrase: "pausing a
 * domain". */
void hv_set_unsupported(GError **error, const HvHost *host, const char *what);
/* HV_ERROR_IO: "cannot WHAT 'PATH': strerror". */
void hv_set_io_error(GError **error, int saved_errno, const char *what, const char *path);
/* HV_ERROR_WRONG_STATE, "domain is not running". Returns FALSE for the caller to return. */
gboolean hv_set_not_running(GError **error);
/* Sets the error. Returns FALSE for the caller to return. */
gboolean hv_refuse(GError **error, HvError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* HV_ERROR_INVALID_ARG where it is not absolute. */
gboolean hv_check_path(const char *path, GError **error);

/* ---- the host (hv-host.c) ---- */

/* Around a call of the engine that no job covers. FALSE: the host stops, the engine goes. */
gboolean hv_host_enter_engine(HvHost *host, GError **error);
void hv_host_leave_engine(HvHost *host);

/* ---- capabilities (hv-caps.c), processors (hv-cpu.c) ---- */

/* Whether `guest` is fully virtual, and the host that runs it. HV_ERROR_INVALID_ARG: this one runs
 * no such guest. */
gboolean hv_guest_kind_check(HvHost *host, const HvGuestKind *guest, HvHostInfo *ret_info,
                             gboolean *ret_hvm, GError **error);
/* The host's processors, in words of the definitions. `arch`: HvHostInfo's model. */
ConfCpuSpec *hv_host_cpu(HvHost *host, const char *arch, GError **error);

/* ---- views (hv-view.c) ---- */

/* A copy with one reference, to be changed and published. */
HvView *hv_view_copy(const HvView *view);
/* What of a domain is a file beside its definition: marks and the managed image. */
void hv_view_look_at_store(HvView *view, const HvStore *store);
/* A definition as if it had just been read from a user: nothing of a running domain in it. */
ConfDomain *hv_def_inactive(const ConfDomain *def, GError **error);
/* The definition that a question with this HvAffect is about. NULL: there is none. */
const ConfDomain *hv_view_def(const HvView *view, unsigned affect, GError **error);
/* Which of live and config a change with this HvAffect is about. FALSE: the domain is not in a
 * state for it. LIVE, CONFIG or both are set in *ret_affect; MAXIMUM is kept. */
gboolean hv_view_affect(const HvView *view, unsigned affect, unsigned *ret_affect, GError **error);

/* ---- jobs (hv-job.c) ---- */

typedef enum HvJobKind {
    HV_JOB_DEFINE,
    HV_JOB_UNDEFINE,
    HV_JOB_START,
    HV_JOB_RESTORE,
    HV_JOB_STOP,
    HV_JOB_SHUTDOWN,
    HV_JOB_REBOOT,
    HV_JOB_SUSPEND,
    HV_JOB_RESUME,
    HV_JOB_SAVE,
    HV_JOB_MODIFY,
    HV_JOB_DUMP,
    HV_JOB_RESET,
    HV_JOB_SNAPSHOT,
    HV_JOB_REVERT,
    HV_JOB_RECONNECT, /* the hook scripts of a domain that this daemon has found */
    HV_N_JOBS,
} HvJobKind;

struct HvJob {
    HvDomain *domain; /* immutable; a reference */
    HvJobKind kind;   /* [domain->lock] to write; the holder reads */
    gint64 since_us;  /* as kind; monotonic */
    /* as kind; NULL where the kind cannot be cancelled */
    GCancellable *cancellable;
    guint64 done, total; /* [domain->lock] */
    gboolean in_hook;    /* [domain->lock] a stop may take the domain over from us now */
    gboolean overtaken;  /* [domain->lock] it did: the domain is not ours any more */
};

/* Takes the domain's one job, waiting as long as the host's configuration allows.
 * HV_ERROR_TIMEOUT names the holder; _NO_DOMAIN: it was removed meanwhile; _CANCELLED: the host
 * stops. HV_JOB_STOP cancels who holds the job, or overtakes one that is inside a hook. */
HvJob *hv_job_begin(HvDomain *domain, HvJobKind kind, GError **error);
/* HV_JOB_STOP for who wants the domain to end: cancels or overtakes the holder. *ret_broke says
 * whether a start or restore was cancelled by it, and is set on failure, too. */
HvJob *hv_job_begin_stop(HvDomain *domain, gboolean *ret_broke, GError **error);
/* HV_JOB_STOP for who heard that the domain has ended: overtakes a hook, cancels nothing (the news
 * may be about a domain that its start job has not yet published), waits without a limit. NULL also
 * when the domain has another id than `domid` by then: it lives again. */
HvJob *hv_job_begin_ended(HvDomain *domain, int domid);
/* For who was told of another state: takes the job only where nobody has it, nor wants to stop the
 * domain. Else hv_guests_look_again() follows the end of that job. */
HvJob *hv_job_begin_idle(HvDomain *domain, HvJobKind kind);
/* The holder goes on as another kind, with a new cancellable. */
void hv_job_become(HvJob *job, HvJobKind kind);
void hv_job_end(HvJob *job); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvJob, hv_job_end)
/* Around an engine hook that takes no GCancellable: between the two a stop may overtake us. When
 * leave returns FALSE it did, *error is replaced by one that says so, and the caller touches
 * nothing. */
void hv_job_enter_hook(HvJob *job);
gboolean hv_job_leave_hook(HvJob *job, GError **error);
/* A stop has taken the domain over: it is not ours any more. */
gboolean hv_job_is_overtaken(HvJob *job);
void hv_job_progress(guint64 done, guint64 total, gpointer job); /* HvEngineProgress */
gboolean hv_job_is_cancelled(HvJob *job);
/* Goes on in a thread of its own, which ends the job; at once where no thread is to be had. `func`
 * takes the job. */
void hv_job_in_background(HvJob *job, const char *name, GThreadFunc func);
/* The job has moved a guest's memory, all of it or not: keeps its figures for
 * hv_domain_completed_job() and posts JOB_COMPLETED. */
void hv_job_completed(HvJob *job, gboolean ok, int domid);
/* For hv_host_stop(): cancels every job and waits for them at most this long. FALSE: some go on. */
gboolean hv_jobs_stop(HvHost *host, guint wait_ms);

/* The holder goes on with another cancellable, which a stop cancels. Takes it over, and hands the
 * one before over, which may be NULL. */
GCancellable *hv_job_swap_cancellable(HvJob *job, GCancellable *cancellable);

/* ---- threads (hv-crew.c) ---- */

/* Threads that do what is pushed, first come, first served: one at least, which is there from the
 * start, and more of them while there is more to do and the system has them to give. */
typedef void (*HvCrewFunc)(gpointer item, gpointer data);
HvCrew *hv_crew_new(const char *name, guint max_threads, HvCrewFunc func, gpointer data,
                    GError **error);            /* `name` is static */
void hv_crew_push(HvCrew *crew, gpointer item); /* never blocks, never fails */
/* What was pushed is done all the same; `wait`: before this returns. Accepts NULL. */
void hv_crew_free(HvCrew *crew, gboolean wait);

/* ---- registry (hv-registry.c) ---- */

/* For hash tables whose keys are the 16 bytes of a uuid. */
guint hv_uuid_hash(gconstpointer uuid);
gboolean hv_uuid_equal(gconstpointer a, gconstpointer b);

void hv_registry_init(HvHost *host);
/* Drops every domain from the tables; they stay valid for whoever holds a reference. */
void hv_registry_clear(HvHost *host);
/* The domain of this uuid and name, or a new one that reserves both and is not visible yet.
 * HV_ERROR_EXISTS where one of the two belongs to another domain. */
HvDomain *hv_registry_reserve(HvHost *host, const ConfDomain *def, GError **error);
/* Reserves and takes the job, in whatever order others come and go. A domain that is still not
 * visible when the job ends belongs to whoever holds the job: hv_registry_remove() it. */
HvJob *hv_registry_begin(HvHost *host, const ConfDomain *def, HvJobKind kind, GError **error);
/* Lets everybody see a reserved domain, with this view. Takes `next` over. */
void hv_registry_show(HvDomain *domain, HvView *next);
/* Takes it out of all tables. */
void hv_registry_remove(HvDomain *domain);
/* The same for a domain that was known, with the event that tells of it: nobody who takes the name
 * or the uuid next comes before this event. NULL: no event. */
typedef struct HvLastEvent {
    HvEventKind kind;
    HvEventDetail detail;
    int domid;
} HvLastEvent;
void hv_registry_remove_telling(HvDomain *domain, const HvLastEvent *last);
/* By uuid, visible or not. NULL without an error when there is none. */
HvDomain *hv_registry_find(HvHost *host, const guint8 uuid[16]);
gboolean hv_domain_is_visible(HvDomain *domain);
/* Swaps the view; `next` is taken over. The caller holds the job. */
void hv_domain_publish(HvDomain *domain, HvView *next);
/* Job held: an object for `domain` under another name, which nobody sees yet, but the name is
 * taken. HV_ERROR_WRONG_STATE: it was taken before. */
HvDomain *hv_registry_reserve_name(HvDomain *domain, const char *name, GError **error);
/* Gives the name back. Drops the caller's reference. */
void hv_registry_release_name(HvDomain *reserved);
/* `reserved` takes the place of `domain`, which is gone for everybody from then on, with the events
 * that tell of it. Takes `next` over. */
void hv_registry_rename(HvDomain *domain, HvDomain *reserved, HvView *next);
void hv_domain_set_no_domain(GError **error, const HvDomain *domain);

/* ---- volumes of storage pools (hv-pool.c) ---- */

/* Fills `source` and `volume_type` of a disk that is a volume and was not found yet; any other
 * stays as it is. May block: between hv_job_enter_hook() and hv_job_leave_hook(), or with the job's
 * cancellable. */
gboolean hv_pool_find(HvHost *host, ConfDisk *disk, GCancellable *cancellable, GError **error);
gboolean hv_pool_find_device(HvHost *host, ConfAnyDevice *device, GError **error);
/* For a running domain of which nobody has noted it. What is not found is logged. */
void hv_pool_find_again(HvHost *host, ConfDomain *live);

/* ---- locks of what domains write to (hv-lock.c, hv-lock-list.c, hv-lock-record.c) ---- */

struct HvLocks {
    /* immutable */
    char *manager; /* NULL: none */
    char *file_dir, *lvm_dir, *scsi_dir;
    gboolean no_disks, require_lease;
    HvLockAsk ask; /* NULL: nobody can */
    gpointer ask_data;
    GCancellable *stop; /* the host stops; self-locking */
    GMutex lock;        /* a leaf */
    HvCrew *crew;       /* [lock] NULL: the host does not run, or needs none */
};

/* `manager`: the engine's choice, where the configuration makes none. */
HvLocks *hv_locks_new(const HvLockConfig *config, const char *manager);
void hv_locks_free(HvLocks *locks);
/* After the host has started: what domains hold and do not need is given back, what running ones
 * need is made sure of. In the background. */
gboolean hv_locks_settle(HvHost *host, GError **error);
void hv_locks_cancel(HvHost *host); /* ends every request that is under way */
void hv_locks_stop(HvHost *host, gboolean wait);

/* All with the job held. They ask another daemon, so they may block, as long as HvLockAsk does. A
 * stop waits for them; where the job has a GCancellable it ends them. */
/* Before a domain starts that does not hold anything. */
gboolean hv_locks_start(HvJob *job, const ConfDomain *def, GError **error);
/* All that it has, where it does not run any more. What cannot be given back now is later. */
void hv_locks_end(HvDomain *domain);
/* Of a domain that runs: what is on record, and what its live definition needs beside it. A failure
 * is logged. */
void hv_locks_keep(HvDomain *domain);
/* Before a device comes to it, and after one has gone; `before` may be NULL, or what it becomes
 * from: what both need stays as it is. */
gboolean hv_locks_add(HvJob *job, const ConfAnyDevice *before, const ConfAnyDevice *device,
                      GError **error);
void hv_locks_drop(HvJob *job, const ConfAnyDevice *device, const ConfAnyDevice *after);
/* The images of an external snapshot, which the guest writes to from then on. Those that it wrote
 * to before stay locked until it ends: what is written now stands on them. */
gboolean hv_locks_add_overlays(HvJob *job, const ConfSnapshot *def, const ConfDomain *live,
                               GError **error);
void hv_locks_drop_overlays(HvJob *job, const ConfSnapshot *def, const ConfDomain *live);

/* What a domain, or a device of it (not both), has to hold: GPtrArray of HvLease. */
GPtrArray *hv_leases_of_domain(const HvLocks *locks, const ConfDomain *def, GError **error);
GPtrArray *hv_leases_of_device(const HvLocks *locks, const ConfAnyDevice *device, GError **error);
GPtrArray *hv_leases_new(void);
HvLease *hv_lease_copy(const HvLease *lease);
/* Index of a lease of the same resource; -1: none. */
int hv_leases_find(const GPtrArray *leases, const HvLease *like);

/* The record of what a domain holds or is about to, one file a domain, for the daemon that comes
 * next. NULL without an error: there is none. */
GPtrArray *hv_lock_record_read(const HvStore *store, const guint8 uuid[16], GError **error);
/* Nothing: it goes. */
gboolean hv_lock_record_write(HvStore *store, const guint8 uuid[16], const GPtrArray *leases,
                              GError **error);
gboolean hv_lock_record_exists(const HvStore *store, const guint8 uuid[16]);
GPtrArray *hv_lock_records(const HvStore *store); /* uuids as text, of all there are */

/* ---- disks without a source (hv-startup.c) ---- */

typedef struct HvMissing {
    char *alias;      /* that the disk would have; may be NULL */
    char *path;       /* what is not there */
    gboolean dropped; /* the disk itself; else it lost its medium only */
} HvMissing;

/* What a domain starts with: a copy of `def` with its volumes found, without the sources that may
 * be missing and are. `restore`: its guest ran before. *ret_missing is a list of HvMissing, also on
 * failure. May block. */
ConfDomain *hv_def_startup(HvHost *host, const ConfDomain *def, gboolean restore,
                           GCancellable *cancellable, GPtrArray **ret_missing, GError **error);
gboolean hv_disk_is_removable(const ConfDisk *disk);

/* ---- events (hv-event.c) ---- */

HvEvents *hv_events_new(HvHost *host); /* no reference to the host: it owns us */
gboolean hv_events_start(HvEvents *events, GError **error);
void hv_events_stop(HvEvents *events); /* delivers what is queued, joins the dispatcher */
void hv_events_free(HvEvents *events);
/* Queues one; never blocks. The view that it speaks of is published by now. */
void hv_event_post(HvDomain *domain, HvEventKind kind, HvEventDetail detail, int domid);
void hv_event_post_metadata(HvDomain *domain, HvMetadata type, const char *uri, int domid);
void hv_event_post_balloon(HvDomain *domain, guint64 memory_kib, int domid);
void hv_event_post_device(HvDomain *domain, HvEventKind kind, const char *alias, int domid);
void hv_event_post_tray(HvDomain *domain, const char *alias, gboolean open, int domid);
void hv_event_post_clock(HvDomain *domain, gint64 offset, int domid);
void hv_event_post_watchdog(HvDomain *domain, HvWatchdogAction action, int domid);
void hv_event_post_missing(HvDomain *domain, const HvMissing *missing, int domid);
void hv_event_post_io_error(HvDomain *domain, const ConfDisk *disk, HvIoErrorAction action,
                            gboolean no_space, int domid);
void hv_event_post_graphics(HvDomain *domain, HvGraphicsClient *client, int domid);
void hv_event_post_threshold(HvDomain *domain, const ConfDisk *disk, guint64 threshold,
                             guint64 excess, int domid);
/* TUNABLE. A list of HvEventParam, to be filled and then not changed any more. `text` is taken
 * over; NULL: the value is the number. */
GPtrArray *hv_event_params_new(void);
void hv_event_params_add(GPtrArray *params, const char *field, char *text, guint64 number);
void hv_event_post_params(HvDomain *domain, HvEventKind kind, GPtrArray *params, int domid);
void hv_event_post_job(HvDomain *domain, const HvJobInfo *job, int domid);

/* ---- guest-initiated changes (hv-guest.c) ---- */

HvGuests *hv_guests_new(HvHost *host);
gboolean hv_guests_start(HvGuests *guests, GError **error);
/* Refuses further engine events, then waits for workers at most this long; FALSE: some go on. */
gboolean hv_guests_stop(HvGuests *guests, guint wait_ms);
void hv_guests_free(HvGuests *guests);
/* HvEngineEventFunc: queues a copy. `data` is HvGuests. */
void hv_guests_engine_event(const HvEngineEvent *event, gpointer guests);
/* As if the engine told of another state of a running domain. */
void hv_guests_look_again(HvDomain *domain);

/* ---- lifecycle (hv-lifecycle.c) ---- */

typedef enum HvOp {
    HV_OP_START,
    HV_OP_DESTROY,
    HV_OP_SHUTDOWN,
    HV_OP_REBOOT,
    HV_OP_SUSPEND,
    HV_OP_RESUME,
    HV_OP_SAVE,
    HV_OP_TUNE, /* memory, vcpus, console of a running domain */
    HV_OP_RESET,
    HV_OP_DUMP,
    HV_OP_PM_SUSPEND,
    HV_OP_PM_WAKEUP,
    HV_OP_SNAPSHOT,
    HV_N_OPS,
} HvOp;

typedef enum HvVerdict {
    HV_VERDICT_REFUSE,
    HV_VERDICT_ALLOW,
    HV_VERDICT_NOTHING, /* it is so already: succeed without doing anything */
} HvVerdict;

/* What the one table of states and operations says; REFUSE sets *error. */
HvVerdict hv_lifecycle_check(const HvView *view, HvOp op, GError **error);

typedef struct HvBoot {
    const ConfDomain *def;
    int restore_fd; /* -1: boot */
    gboolean paused;
    HvReason reason;             /* of a running domain */
    HvEventDetail detail;        /* of the STARTED event */
    HvReason paused_reason;      /* where it is paused; 0: by a user */
    HvEventDetail paused_detail; /* of the SUSPENDED event then; 0: by what it is started from */
    gboolean drops_image; /* a managed image is used up by it, or not wanted; else set aside */
} HvBoot;

/* Job held (START, RESTORE or STOP with a cancellable): runs the domain, writes the state file,
 * publishes, posts STARTED (and SUSPENDED when paused). A managed image is none any more then. On
 * failure nothing changed. */
gboolean hv_domain_boot(HvJob *job, const HvBoot *boot, GError **error);
/* Job held, for a domain that its definition is started from: lets everybody see one that is new,
 * so that it can be found, and destroyed, while it starts. TRUE when it is new; it must be removed
 * then when the start fails. */
gboolean hv_domain_expect(HvJob *job, const ConfDomain *def);
/* Job held: another state of an active domain, in the view and in the state file. */
void hv_domain_set_state(HvJob *job, HvState state, HvReason reason);
/* Job held, the domain is no more in the engine: state file, view, event (none for
 * HV_DETAIL_NONE); a transient domain leaves the registry. */
void hv_domain_ended(HvJob *job, HvReason reason, HvEventDetail detail);
/* Job held, for everybody to see: the guest of before is gone, the next is not there yet. */
void hv_domain_publish_between(HvJob *job, HvReason reason, HvEventDetail detail);
/* Job held (it becomes START): boots a domain again whose guest asked for it. The old one is no
 * more in the engine, and its state file says that it is to be started again. */
void hv_domain_boot_again(HvJob *job, gboolean tell_reboot);
/* Job held: ends what runs and boots its live definition again, which may be other than the one on
 * disk; by the engine's own means where it has some. */
gboolean hv_domain_reset_running(HvJob *job, GError **error);
/* Job held: the domain runs in the engine with this live definition (taken over): publish it. */
void hv_domain_found(HvDomain *domain, ConfDomain *live, const HvEngineDomain *seen,
                     HvReason reason, gint64 started_us);

/* ---- definitions (hv-domain.c) ---- */

typedef struct HvConsole {
    char *alias;
    int fd;           /* borrowed: its holder closes it */
    HvConsoleCut cut; /* may be NULL */
    gpointer data;
} HvConsole;

/* Completes and checks what a user handed in. */
gboolean hv_def_prepare(ConfDomain *def, GError **error);
/* Changes a copy of a definition. */
typedef gboolean (*HvEditFunc)(ConfDomain *def, gpointer data, GError **error);
/* Job held: edits the live definition, the persistent one or both (LIVE, CONFIG in `which`): all
 * edits, then the disk, then the view, so that a failure changes nothing. */
gboolean hv_domain_edit(HvJob *job, unsigned which, HvEditFunc func, gpointer data, GError **error);
/* A change that the engine makes and the definitions repeat. */
typedef struct HvTune {
    /* Does it fit this definition? Asked for each half before either changes. NULL: it does. */
    gboolean (*check)(const ConfDomain *def, gpointer data, GError **error);
    /* Calls the engine, inside the hook's brackets. NULL: the definition is all that changes. */
    gboolean (*live)(HvHost *host, const HvView *now, gpointer data, GError **error);
    HvEditFunc edit;
    /* Posts the events of a live change. NULL: there are none. */
    void (*tell)(HvDomain *domain, int domid, gpointer data);
} HvTune;
/* Takes the job (MODIFY) and does it all. A failure changes nothing, but for an edit or a write
 * that fails after the engine has agreed. */
gboolean hv_domain_tune(HvDomain *domain, unsigned affect, const HvTune *tune, gpointer data,
                        GError **error);
/* Drops what is known of consoles of a domain that ended. */
void hv_domain_forget_consoles(HvDomain *domain);

/* ---- devices (hv-device.c) ---- */

/* Job held: the guest has opened the tray of this disk. */
void hv_domain_tray_moved(HvJob *job, const HvView *now, const ConfDisk *disk, gboolean open);
/* Job held: the guest has set its clock. */
void hv_domain_clock_set(HvJob *job, const HvView *now, gint64 offset);

/* ---- core dumps (hv-dump.c) ---- */

/* Job held, the guest has crashed: a core into the folder that the stock driver has for them.
 * FALSE: a stop has taken the domain over meanwhile, and the caller touches nothing. */
gboolean hv_domain_auto_dump(HvJob *job, int domid);

/* ---- names (hv-rename.c) ---- */

/* What runs under this id may have got another name from somebody else: it gets it here, too. Where
 * it cannot have it, it keeps its own, and a warning says so. */
void hv_domain_follow_name(HvDomain *domain, int domid);

/* ---- PCI devices (hv-pci.c) ---- */

/* Job held, the domain does not run (any more): what it had of <hostdev managed='yes'> goes back to
 * its driver. */
void hv_pci_give_back(HvHost *host, const ConfDomain *def);

/* ---- rename-restart (hv-preserve.c) ---- */

/* Job held, the guest has ended: what is left of it becomes a transient domain of another name and
 * uuid. The domain has no id any more; its definitions stay. */
gboolean hv_domain_preserve(HvJob *job, const HvView *now, HvState state, HvReason reason,
                            GError **error);

/* The device model of this id has stopped at an error of a disk. The domain is paused with it,
 * unless it is already, or has another id by now. Waits for its job. */
gboolean hv_domain_suspend_failed(HvDomain *domain, int domid, GError **error);

/* ---- the control domain (hv-control.c) ---- */

#define HV_CONTROL_NAME "Domain-0"

/* Puts it into the registry. An engine without one is no failure. */
void hv_control_domain_add(HvHost *host);
/* FALSE and *error, in the words of the stock driver, for domain 0. */
gboolean hv_control_domain_spare(const HvView *view, GError **error);
/* The same for a definition that a user hands in. */
gboolean hv_control_domain_spare_def(const ConfDomain *def, GError **error);

/* ---- found again (hv-reconcile.c) ---- */

/* [control_lock held] Reads the store, asks the engine, puts both together. */
gboolean hv_reconcile(HvHost *host, GError **error);
/* A running domain that nobody knows, or one known to be shut off: take it in. */
void hv_reconcile_adopt(HvHost *host, const HvEngineDomain *seen);
/* [control_lock held] Starts the marked domains in the background, once a boot of the host. */
gboolean hv_autostart_begin(HvHost *host, GError **error);

/* ---- other programs (hv-run.c) ---- */

typedef struct HvRun {
    const char *const *argv;   /* [0]: a path */
    const char *const *envp;   /* NULL: our environment, and [0] may be a name in its PATH */
    const char *input;         /* its stdin; NULL: nothing */
    gsize output_max;          /* of stdout, in bytes; 0: it goes nowhere */
    GCancellable *cancellable; /* may be NULL */
    guint grace_ms;            /* how long it may go on after that */
    const gint *hurry;         /* atomic, may be NULL. TRUE: not any longer */
    guint limit_ms;            /* 0: none */
} HvRun;

/* Runs it and waits for its end. Signals are as a program expects them, and nothing is inherited
 * but the environment. Its end before it is done is SIGTERM, two seconds later SIGKILL, to it and
 * its children, and SIGKILL to those that outlive it then; when the daemon ends, SIGKILL. TRUE:
 * exit status 0. CANCELLED, TIMEOUT: it was ended. IO: "exit status N: what it said"; it wrote too
 * much. G_SPAWN_ERROR: it cannot be executed. INTERNAL: nothing can. `ret_output` may be NULL. */
gboolean hv_run(const HvRun *run, char **ret_output, GError **error);

/* ---- hook scripts (hv-hook.c); docs/HOOKS.md ---- */

/* What happens to a domain. Incoming migration will be a filter like RESTORE. */
typedef enum HvHook {
    HV_HOOK_PREPARE,
    HV_HOOK_START,
    HV_HOOK_STARTED,
    HV_HOOK_STOPPED,
    HV_HOOK_RELEASE,
    HV_HOOK_RECONNECT,
    HV_HOOK_RESTORE,
    HV_N_HOOKS,
} HvHook;

/* Has the host such scripts? Two system calls. */
gboolean hv_hook_exists(HvHost *host);
/* Job held, of a kind that can be cancelled. HV_ERROR_HOOK: a script does not want it. CANCELLED.
 * All of these do nothing where there are no scripts. */
gboolean hv_hook_ask(HvJob *job, HvHook hook, const ConfDomain *def, GError **error);
/* Job held. What fails is logged. A stop cuts it short, as it does hv_hook_ask(). */
void hv_hook_tell(HvJob *job, HvHook hook, const ConfDomain *def);
/* Job held, as with hv_hook_ask(): `def`, or what the scripts make of it. */
ConfDomain *hv_hook_filter(HvJob *job, HvHook hook, const ConfDomain *def, GError **error);

/* ---- the sampler (hv-sample.c) ---- */

HvSampler *hv_sampler_new(HvHost *host);
gboolean hv_sampler_start(HvSampler *sampler, GError **error);
gboolean hv_sampler_stop(HvSampler *sampler, guint wait_ms); /* FALSE: the engine hangs */
void hv_sampler_free(HvSampler *sampler);
/* `info` of each HvDomainStats, by its view, all from one sample. */
void hv_sampler_fill(HvSampler *sampler, GPtrArray *all);
/* What the engine says was changed by us: the next question asks again. */
void hv_sampler_invalidate(HvSampler *sampler);

/* ---- the host's firmware (hv-sysinfo.c) ---- */

/* As hv_host_sysinfo(), out of a folder like /sys/class/dmi/id. NULL: nothing is in it. */
char *hv_sysinfo_of(const char *dir);

/* ---- the store (hv-store.c) ---- */

struct HvStore {
    /* folders, immutable after hv_store_new() */
    char *config, *autostart, *state, *save, *log, *dump, *snapshot;
    char *root;           /* "" = none; as the folders */
    GMutex lock;          /* a leaf: nothing else is taken under it */
    GHashTable *left_out; /* [lock] set of names whose definition could not be read */
};

/* Makes the folders. `root` "" = none. */
HvStore *hv_store_new(const char *root, GError **error);
void hv_store_free(HvStore *store);
/* Removes what writes that were cut off left behind. */
void hv_store_sweep(HvStore *store);
gboolean hv_store_write_definition(HvStore *store, const ConfDomain *def, GError **error);
gboolean hv_store_remove_definition(HvStore *store, const char *name, GError **error);
/* Links beside a definition. */
typedef enum HvMark {
    HV_MARK_AUTOSTART,      /* at each boot of the host */
    HV_MARK_AUTOSTART_ONCE, /* at the next one */
    HV_N_MARKS,
} HvMark;
gboolean hv_store_set_mark(HvStore *store, const char *name, HvMark mark, gboolean set,
                           GError **error);
gboolean hv_store_has_mark(const HvStore *store, const char *name, HvMark mark);
gboolean hv_store_has_managed_save(const HvStore *store, const char *name);
/* Each definition on disk; unreadable ones are logged and left alone. */
typedef void (*HvStoreDefinitionFunc)(ConfDomain *def /* taken over */, gpointer data);
/* Says so in the log. A new definition of that name sets the file aside. */
void hv_store_leave_out(HvStore *store, const char *name, const GError *error);
gboolean hv_store_load_definitions(HvStore *store, HvStoreDefinitionFunc func, gpointer data,
                                   GError **error);

/* What /run keeps of a running domain (hv-status.c). */
typedef struct HvStatus {
    HvState state;
    HvReason reason;
    gint64 started_us;
    gboolean again; /* its guest asked for a reboot, which was under way */
    ConfDomain *live;
} HvStatus;
gboolean hv_store_write_status(HvStore *store, const HvView *view, GError **error);
/* The domain is about to be ended and started again: whoever comes next goes on with it. */
gboolean hv_store_write_rebooting(HvStore *store, const HvView *view, GError **error);
void hv_store_remove_status(HvStore *store, const char *name);
/* GPtrArray of HvStatus. */
GPtrArray *hv_store_load_statuses(HvStore *store, GError **error);

/* TRUE once a boot of the host: nobody has autostarted since. Leaves the mark. */
gboolean hv_store_claim_autostart(HvStore *store);

char *hv_store_managed_save_path(const HvStore *store, const char *name);
gboolean hv_store_remove_managed_save(HvStore *store, const char *name, GError **error);
char *hv_store_log_path(const HvStore *store, const char *name);
/* One line with the time in the domain's own log file; failures are ignored. */
void hv_store_log(HvStore *store, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A file that appears under its name complete or not at all. */
typedef struct HvNewFile {
    char *path, *temp;
    int fd;
} HvNewFile;
/* INVALID_ARG where something else than a file has the name. */
HvNewFile *hv_new_file_open(const char *path, GError **error);
/* fsync, rename, fsync of the folder. FALSE: a file that was not there before is not there; one
 * that was may be the new one, which is whole. */
gboolean hv_new_file_commit(HvNewFile *file, GError **error);
void hv_new_file_free(HvNewFile *file); /* removes the temporary file unless committed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvNewFile, hv_new_file_free)
/* Why a domain cannot have this name: it names files. NULL: it can. */
const char *hv_store_name_problem(const char *name);
/* FOLDER/NAME with SUFFIX behind it. */
char *hv_store_file(const char *folder, const char *name, const char *suffix);
/* Inside one of the store's folders; it may be there. */
gboolean hv_store_make_folder(const char *path, GError **error);
gboolean hv_store_write_text(const char *path, const char *text, GError **error);
/* At most a definition's size, whatever somebody put there. */
char *hv_store_read_text(const char *path, GError **error);
/* A file that is not there is as good as removed. */
gboolean hv_store_remove_file(const char *path, GError **error);
/* In one folder: durable on TRUE; on FALSE as before, as far as that can be. */
gboolean hv_store_rename_file(const char *from, const char *to, GError **error);
/* Names of all files NAME.xml in a folder, without ".xml", sorted. */
GPtrArray *hv_store_list_xml(const char *folder, GError **error);
gboolean hv_write_all(int fd, const void *data, gsize len, const char *path, GError **error);

/* ---- managed images (hv-managed.c) ---- */

/* What becomes of a domain's managed image while the domain starts, with its job held. Begins with
 * the job alone. */
typedef struct HvManagedUse {
    HvJob *job;
    gboolean given_up;
} HvManagedUse;
/* Before the guest may run: from now on nobody starts from the image, whenever the daemon or the
 * host dies. TRUE, too, where there is none. */
gboolean hv_managed_give_up(HvManagedUse *use, GError **error);
/* The start failed. The image is as before, unless `cause` (may be NULL) is TIMEOUT: set aside. */
void hv_managed_take_back(const HvManagedUse *use, const GError *cause);
/* The guest runs: the image goes where it is to be dropped, and is set aside otherwise. */
void hv_managed_done(const HvManagedUse *use, gboolean drop);
/* Job held: the image, if there is one, is older than the disks, or about to be. It gets another
 * name, and nobody starts from it. */
gboolean hv_managed_put_aside(HvJob *job, GError **error);
/* What starts that were cut off left behind. Before definitions are loaded. */
void hv_managed_sweep(const HvStore *store);

/* ---- saved domains (hv-save.c) ---- */

#define HV_SAVE_MAGIC   "libvirt-xml\n \0 \r"
#define HV_SAVE_VERSION 2u

/* 64 bytes in the host's byte order; what the stock Xen driver of libvirt writes. */
typedef struct HvSaveHeader {
    char magic[16];
    guint32 version;
    guint32 xml_len; /* with the NUL */
    guint32 paused;  /* ours, in what stock leaves 0: the domain was paused when it was saved */
    guint32 unused[9];
} HvSaveHeader;
G_STATIC_ASSERT(sizeof(HvSaveHeader) == 64);

gboolean hv_save_check_flags(unsigned save_flags, GError **error);
/* What a user hands in instead of the saved XML must be the same machine to its guest. */
gboolean hv_save_check_replacement(const ConfDomain *saved, const ConfDomain *replacement,
                                   GError **error);
/* The head of an image: what comes before the engine's stream. */
gboolean hv_save_write_head(HvNewFile *file, const ConfDomain *def, gboolean paused,
                            GError **error);
/* Job held: the guest is suspended and its image is complete and safe at `path` on TRUE. On FALSE
 * the guest may be suspended or not, and nothing of it can be started from. */
gboolean hv_save_write_image(HvJob *job, const HvView *now, const ConfDomain *def, const char *path,
                             gboolean paused, GError **error);
/* Job held: a guest that may be suspended is as it was `before`; `running` is the reason where it
 * runs. FALSE: it is not, or a stop has taken the domain over. */
gboolean hv_save_resume(HvJob *job, const HvView *before, HvReason running);
/* Opens an image and leaves the offset behind the XML. -1 and *error when it is none. */
int hv_save_open(const char *path, ConfDomain **ret_def, gboolean *ret_paused, GError **error);

/* ---- snapshots: the set (hv-snapshot.c) ---- */

/* Takes references. `current` NULL: none. NULL when there is none at all. A parent that is not
 * there, or that is its own descendant, is none. */
HvSnapshots *hv_snapshots_new(const GPtrArray *defs, const char *current);
/* GPtrArray of ConfSnapshot, each with a reference: to be changed and made a set again. */
GPtrArray *hv_snapshots_to_list(const HvSnapshots *all);
/* NULL: none of that name. */
const ConfSnapshot *hv_snapshots_get(const HvSnapshots *all, const char *name);
const char *hv_snapshots_current_name(const HvSnapshots *all); /* NULL: none */
/* Job held. Publishes the set, which is taken over. */
void hv_domain_set_snapshots(HvDomain *domain, HvSnapshots *all);
/* Job held: on disk, and for everybody to see. */
gboolean hv_snapshot_make_current(HvDomain *domain, const char *name, GError **error);

/* ---- snapshots: files (hv-snapshot-store.c) ---- */

char *hv_snapshot_path(const HvStore *store, const char *domain, const char *name,
                       const char *suffix);
/* One file; `suffix` ".xml" is metadata, anything else a note of our own in the same format. */
gboolean hv_snapshot_write_text(HvStore *store, const char *domain, const ConfSnapshot *def,
                                const char *suffix, gboolean current, GError **error);
ConfSnapshot *hv_snapshot_read(const HvStore *store, const char *domain, const char *name,
                               const char *suffix, GError **error);
/* Metadata, and with it the memory that we keep. */
gboolean hv_snapshot_remove(HvStore *store, const char *domain, const char *name, GError **error);
/* The files of `after` that are not as in `before`. */
gboolean hv_snapshots_write(HvStore *store, const char *domain, const HvSnapshots *before,
                            const HvSnapshots *after, GError **error);
gboolean hv_snapshot_remove_file(HvStore *store, const char *domain, const char *name,
                                 const char *suffix, GError **error);
/* Names of the files with this suffix, without it. Never NULL. */
GPtrArray *hv_snapshot_list_files(const HvStore *store, const char *domain, const char *suffix);
/* Notes, beside the metadata: it is being taken, gone back to, merged. */
#define HV_SNAPSHOT_PENDING   ".pending"
#define HV_SNAPSHOT_REVERTING ".reverting"
#define HV_SNAPSHOT_DELETING  ".deleting"
/* All metadata of a domain that is no more. */
void hv_snapshots_forget(HvStore *store, const char *domain, const HvSnapshots *all);
/* What is on disk; what cannot be read is logged and left alone. NULL: none. */
HvSnapshots *hv_snapshots_load(HvStore *store, const char *domain, const guint8 uuid[16]);
gboolean hv_snapshots_rename(HvStore *store, const char *before, const char *after, GError **error);

/* ---- qcow2 (hv-qcow2.c) ---- */

typedef struct HvQcow2Snapshot {
    char *id, *name;
} HvQcow2Snapshot;
/* GPtrArray of HvQcow2Snapshot. The image may be in use: its list is what its user wrote last. */
GPtrArray *hv_qcow2_snapshots(const char *path, GError **error);
typedef struct HvQcow2Backing {
    char *path;   /* absolute, or no file of this host; NULL: none */
    char *format; /* NULL: the header does not say */
} HvQcow2Backing;
/* What an image stands on. Other formats stand on nothing. */
gboolean hv_qcow2_backing(const char *path, HvQcow2Backing *ret_backing, GError **error);
void hv_qcow2_backing_clear(HvQcow2Backing *backing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HvQcow2Backing, hv_qcow2_backing_clear)

/* ---- images that stand on others (hv-image-chain.c) ---- */

typedef enum HvImageUse {
    HV_IMAGE_CURRENT = 1 << 0, /* one of the domain's definitions names it */
    HV_IMAGE_NAMED = 1 << 1,   /* one of its snapshots does */
    HV_IMAGE_FROZEN = 1 << 2,  /* it is the state of an external snapshot */
    HV_IMAGE_OWN = 1 << 3,     /* any of those, or one of those stands on it */
    HV_IMAGE_LIVE = 1 << 4,    /* the domain runs on it, or on what stands on it */
    HV_IMAGE_FOREIGN = 1 << 5, /* another domain, or what is another domain's stands on it */
} HvImageUse;
typedef struct HvImage {
    char *path;    /* the real one */
    char *backing; /* what it stands on; NULL: nothing */
    char *user;    /* name of a domain that it is FOREIGN by; or NULL */
    unsigned uses; /* HvImageUse; 0: nobody knows it */
    gboolean exists, was_read, is_below_qcow2;
} HvImage;
typedef struct HvImages HvImages;
/* The images of a domain, of others, and what lies beside those of the snapshot `without`, whose
 * own needs do not count. Job held, may block; `without` is of now->snapshots, NULL: none. */
HvImages *hv_images_new(HvDomain *domain, const HvView *now, const ConfSnapshot *without,
                        GError **error);
void hv_images_free(HvImages *images);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvImages, hv_images_free)
/* Also what lies beside this one. */
void hv_images_look_beside(HvImages *images, const char *path);
const HvImage *hv_images_get(HvImages *images, const char *path); /* borrowed, never NULL */
/* GPtrArray of HvImage, borrowed, by path: those that stand directly on this one. */
GPtrArray *hv_images_on(const HvImages *images, const HvImage *base);
/* Nobody needs it, and nothing that is known stands on it. */
gboolean hv_image_is_dead(const HvImages *images, const HvImage *image);
/* The path that an image is known by: without symbolic links. */
char *hv_image_key(const char *path);

/* ---- snapshots: disks (hv-snapshot-disk.c) ---- */

/* Job held. A copy of `domain` in which those volumes of pools are found that the snapshot is in;
 * `live` (NULL: none) knows where some are. NULL and *error also when a stop has taken the domain
 * over. */
ConfDomain *hv_snapshot_find_volumes(HvJob *job, const ConfSnapshot *def, const ConfDomain *domain,
                                     const ConfDomain *live, GError **error);
/* Completes def->disks: one for each disk of `domain`, in its order, by target. `place`: what a
 * disk gets of which nobody says anything. */
gboolean hv_snapshot_align(ConfSnapshot *def, const ConfDomain *domain, unsigned place,
                           GError **error);
/* Can this, which is aligned to `domain`, be taken? */
gboolean hv_snapshot_check_disks(const ConfSnapshot *def, const ConfDomain *domain,
                                 unsigned create_flags, GError **error);
gboolean hv_snapshot_has_disks(const ConfSnapshot *def, unsigned place);
/* Are there internal ones in images (and not in logical volumes)? */
gboolean hv_snapshot_has_images(const ConfSnapshot *def, const ConfDomain *domain);
/* As hv_snapshot_images_create() in engine.h, for logical volumes, which may be in use. */
gboolean hv_snapshot_volumes_create(const ConfSnapshot *def, const ConfDomain *domain,
                                    GError **error);
/* Images and volumes of a domain that does not run. */
gboolean hv_snapshot_disks_check(const ConfSnapshot *def, const ConfDomain *domain, GError **error);
gboolean hv_snapshot_disks_revert(const ConfSnapshot *def, const ConfDomain *domain,
                                  GError **error);
/* External ones: empty images on top of those of `domain`; and their end. */
gboolean hv_snapshot_overlays_create(const ConfSnapshot *def, const ConfDomain *domain,
                                     GError **error);
void hv_snapshot_overlays_remove(const ConfSnapshot *def);
/* Job held: the definitions name the new images instead of those that they stand on, or, not
 * `forth`, again the old ones. */
gboolean hv_snapshot_move(HvJob *job, const ConfSnapshot *def, gboolean forth, GError **error);
/* Job held: internal ones, of a domain that may run. One that is not there is as good as deleted.
 */
gboolean hv_snapshot_disks_delete(HvJob *job, const HvView *now, const ConfSnapshot *def,
                                  GError **error);

/* A file or device of this host, served by it. */
gboolean hv_disk_is_local_image(const ConfDisk *disk);
/* The disk of `def` whose image an external `wanted` stands on; NULL: it is none, or that is no
 * image of this host that anybody knows. */
const ConfDisk *hv_snapshot_base(const ConfSnapshot *def, const ConfSnapshotDisk *wanted);
const char *hv_disk_format(const ConfDisk *disk); /* "raw" where the definition says nothing */
/* What was written to `image`, a qcow2 image on top of `base`, goes into the base. */
gboolean hv_image_commit(const char *image, const ConfDisk *base, GError **error);
/* `image` stands on `base` from now on, which has the same content as what it stood on. */
gboolean hv_image_rebase(const char *image, const ConfDisk *base, GError **error);
/* Disks of `domain` in the images that are external in `merged` get those of merged->domain. TRUE:
 * there were some. */
gboolean hv_snapshot_move_to_bases(ConfDomain *domain, const ConfSnapshot *merged);

/* ---- snapshots: merging external ones (hv-snapshot-merge.c) ---- */

/* Job held: what was written since the snapshot goes into the images that it stands on, and those
 * are what the definitions, the later snapshots and their images stand on then. Its own files go.
 * On failure, and after a kill, it can be done again; until then nobody can go back to the
 * snapshot. */
gboolean hv_snapshot_merge(HvJob *job, const char *name, GError **error);
/* Has that been begun? */
gboolean hv_snapshot_is_half_merged(const HvStore *store, const char *domain, const char *name);

/* ---- snapshots: logical volumes (hv-snapshot-lvm.c) ---- */

gboolean hv_volume_check(const ConfDisk *disk, GError **error); /* is it one? */
/* EXISTS: there is a volume of the name that the snapshot would get. */
gboolean hv_volume_check_free(const ConfDisk *disk, const char *name, GError **error);
gboolean hv_volume_create(const ConfDisk *disk, const char *name, GError **error);
gboolean hv_volume_has(const ConfDisk *disk, const char *name, GError **error);
gboolean hv_volume_revert(const ConfDisk *disk, const char *name, GError **error);
gboolean hv_volume_delete(const ConfDisk *disk, const char *name, GError **error);

/* Job held: one of them, with all that it consists of unless METADATA_ONLY. */
gboolean hv_snapshot_delete_one(HvJob *job, const char *name, unsigned delete_flags,
                                GError **error);

/* ---- snapshots: after a daemon that was killed (hv-snapshot-pending.c) ---- */

/* Of a domain that was just found again: ends what was cut off. */
void hv_snapshot_settle(HvDomain *domain);

/* ---- for tests ---- */

/* hv_host_new() with an engine that hv_engine_find() does not know. */
HvHost *hv_host_new_with_engine(const HvConfig *config, const HvEngineOps *ops, GError **error);
