/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a hypervisor back end supplies: a const table of functions.
 *
 * Calls     Every hook is synchronous and may block. It is called on a worker thread, with the
 *           domain's job held (where it is about one domain) and no lock held; hooks of different
 *           domains run side by side, so an engine serialises nothing that the hypervisor does not.
 *           query hooks (marked Q) are called without a job, also while another hook of the same
 *           domain lasts. destroy() too is called while a hook of the same domain without a
 *           GCancellable lasts: that one is overtaken, and what it returns then does not count.
 * Errors    *error (HV_ERROR) is set exactly when a hook returns FALSE / NULL / -1. The message
 *           holds the hypervisor's own words.
 * Optional  A hook left NULL means "not supported": hv_* answers HV_ERROR_UNSUPPORTED. An engine
 *           never stubs.
 */
#pragma once

#include <hv/hv.h>

G_BEGIN_DECLS

typedef struct HvEngine HvEngine;

/* One running domain in the bulk list. */
typedef struct HvEngineDomain {
    int domid;
    guint8 uuid[16];
    gboolean running, blocked, paused, shutdown, crashed, dying; /* as Xen's flags r b p s c d */
    int shutdown_code; /* Xen's SHUTDOWN_*: 0 poweroff, 1 reboot, 2 suspend, 3 crash, 4 watchdog */
    guint64 memory_kib, max_memory_kib;
    guint vcpus_online, vcpus_max;
    guint64 cpu_time_ns;
    gboolean foreign; /* somebody else started it, and acts on its end: libhv only shows it */
} HvEngineDomain;

typedef enum HvEngineEventKind {
    HV_ENGINE_EVENT_SHUTDOWN, /* guest ended; `code` is Xen's SHUTDOWN_*. The domain still exists:
                                 libhv destroys it or restarts it by on_* */
    HV_ENGINE_EVENT_GONE,     /* domain is no more, whoever destroyed it */
    HV_ENGINE_EVENT_NEW,      /* a domain appeared that this engine did not create */
    HV_ENGINE_EVENT_STATE,    /* it was paused, or runs again, maybe without libhv's doing: look */
    HV_ENGINE_EVENT_NAME,     /* somebody else may have given it another name: look */
    HV_ENGINE_EVENT_TRAY,     /* the tray of the disk `target` moved: `value` 1 is open, 0 closed */
    HV_ENGINE_EVENT_CLOCK,    /* the guest set its clock to `value` seconds from UTC */
    HV_ENGINE_EVENT_WRITTEN,  /* the guest wrote `excess` bytes beyond the threshold `value` of the
                                 disk `target`, which has none from now on */
    HV_ENGINE_EVENT_IO_ERROR, /* the disk `target` failed: `code` is HvIoErrorAction, `value` 1:
                                 because there was no space left */
    HV_ENGINE_EVENT_GRAPHICS, /* a client came to the guest's screen, or went */
    HV_ENGINE_EVENT_LOST,     /* the domain's device model does not obey any more */
    HV_N_ENGINE_EVENTS,
} HvEngineEventKind;

typedef struct HvEngineEvent {
    HvEngineEventKind kind;
    int domid;
    guint8 uuid[16];
    int code;
    char target[64]; /* TRAY, WRITTEN, IO_ERROR: what event_disk() knows the disk by */
    gint64 value;
    guint64 excess;
    gboolean foreign;           /* as in HvEngineDomain */
    HvGraphicsClient *graphics; /* GRAPHICS: the engine's reference */
} HvEngineEvent;

/* From any thread of the engine, no lock held; it only queues, a copy. */
typedef void (*HvEngineEventFunc)(const HvEngineEvent *event, gpointer data);

typedef struct HvEngineConfig {
    const char *root; /* never NULL; "" = none */
    HvEngineEventFunc event;
    gpointer event_data;
    /* What the configuration says to engines, name -> text; each takes what it knows. May be NULL;
     * it lives as long as open() lasts. */
    GHashTable *settings;
} HvEngineConfig;

typedef void (*HvEngineProgress)(guint64 done, guint64 total, gpointer data);

/* How a domain comes to be. */
typedef struct HvEngineStart {
    const ConfDomain *def; /* volumes of storage pools have been found, as conf-model.h has it */
    gboolean paused;       /* stay paused after the build */
    int restore_fd;        /* -1: boot; else the engine's own stream begins at the file offset */
    GCancellable *cancellable; /* may be NULL */
    const char *log_path;      /* the domain's log file; the engine appends */
    /* Called on the same thread when the domain is built, before its guest may run (or waits,
     * paused, to be let run): see hv_engine_may_run(). NULL: nobody cares. */
    gboolean (*before_run)(gpointer data, GError **error);
    gpointer before_run_data;
} HvEngineStart;

/* ---- tuning and statistics: what the hooks at the end of HvEngineOps speak of ---- */

/* Asks about one running domain. `live` is its live definition, which says what devices it has; it
 * lasts as long as the call. */
typedef struct HvEngineStatsQuery {
    int domid;
    const ConfDomain *live;
} HvEngineStatsQuery;

typedef struct HvEngineNic {
    HvNicStats stats;
    guint index; /* in live->interfaces */
} HvEngineNic;

typedef struct HvEngineDisk {
    HvDiskStats stats;
    guint index; /* in live->disks */
} HvEngineDisk;

/* The answer. Arrays hold what was asked for and could be had, others are NULL; a device that the
 * engine cannot tell about is left out. */
typedef struct HvEngineStats {
    GArray *vcpus; /* HvVcpuInfo */
    GArray *disks; /* HvEngineDisk */
    GArray *nics;  /* HvEngineNic */
    gboolean has_memory;
    HvMemoryStats memory;
    char *why; /* the reason for what is left out, for an error message; NULL: nothing is */
} HvEngineStats;

HvEngineStats *hv_engine_stats_new(void);
void hv_engine_stats_free(HvEngineStats *stats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvEngineStats, hv_engine_stats_free)

/* ---- processors ---- */

/* Whose view of them. */
typedef enum HvCpuView {
    HV_CPU_HOST, /* what the hypervisor uses itself, or lets guests use */
    HV_CPU_PV,   /* what it gives to a guest of this kind that asks for nothing else */
    HV_CPU_HVM,  /* PVH, too */
} HvCpuView;

/* ---- snapshots ---- */

typedef enum HvDiskSnapshotOp {
    HV_DISK_SNAPSHOT_CREATE,
    HV_DISK_SNAPSHOT_DELETE, /* internal ones; one that is not there is as good as deleted */
} HvDiskSnapshotOp;

/* The id of an internal snapshot in a qcow2 image, which may be in use: NULL where it has none of
 * this name. */
gboolean hv_snapshot_find_in_image(const ConfDisk *disk, const char *name, char **ret_id,
                                   GError **error);
/* What the disks of `domain` are after an external snapshot. */
void hv_snapshot_move_disks(ConfDomain *domain, const ConfSnapshot *snapshot);
/* Internal snapshots in images that nobody has open: for an engine whose backends keep none open.
 * `snapshot->disks` are disks of `domain`, by target. On failure none is created; one to be deleted
 * that is not there is as good as deleted. */
gboolean hv_snapshot_images_create(const ConfSnapshot *snapshot, const ConfDomain *domain,
                                   GError **error);
gboolean hv_snapshot_images_delete(const ConfSnapshot *snapshot, const ConfDomain *domain,
                                   GError **error);

/* For start(): asks before_run(). FALSE: the start fails with this error. */
gboolean hv_engine_may_run(const HvEngineStart *start, GError **error);

typedef struct HvEngineOps {
    const char *name;

    /* Required. */
    HvEngine *(*open)(const HvEngineConfig *config, GError **error);
    void (*close)(HvEngine *engine); /* guests go on */
    gboolean (*host_info)(HvEngine *engine, HvHostInfo *ret_info, GError **error); /* Q */
    /* Q. All domains in one call, but for domain 0: GArray of HvEngineDomain. */
    GArray *(*list)(HvEngine *engine, GError **error);
    /* The domain exists on return, running or paused as asked. `ret_live` is a new definition:
     * `def` with what only a running domain has (domain id, tty, vif names, ports). On failure
     * nothing remains in the hypervisor, and the guest has not run, but for HV_ERROR_TIMEOUT after
     * before_run(): then nobody knows whether it has. */
    gboolean (*start)(HvEngine *engine, const HvEngineStart *start, int *ret_domid,
                      ConfDomain **ret_live, GError **error);
    gboolean (*destroy)(HvEngine *engine, int domid, GError **error); /* gone on return */

    /* Optional. */
    /* They ask the guest, and return soon: what it makes of that is seen by its end. */
    gboolean (*shutdown)(HvEngine *engine, int domid, unsigned mode, GError **error);
    gboolean (*reboot)(HvEngine *engine, int domid, unsigned mode, GError **error);
    gboolean (*pause)(HvEngine *engine, int domid, GError **error);
    gboolean (*unpause)(HvEngine *engine, int domid, GError **error);
    gboolean (*set_memory)(HvEngine *engine, int domid, guint64 kib, GError **error); /* target */
    gboolean (*set_max_memory)(HvEngine *engine, int domid, guint64 kib, GError **error);
    gboolean (*set_vcpus)(HvEngine *engine, int domid, guint online, GError **error);
    GArray *(*vcpus)(HvEngine *engine, int domid, GError **error); /* Q: HvVcpuInfo */
    /* Writes the guest to `fd` at its offset and leaves the domain suspended; libhv destroys it
     * after the file is safe, or calls resume_saved() when it is not. On failure the domain is as
     * it was before. */
    gboolean (*save)(HvEngine *engine, int domid, int fd, GCancellable *cancellable,
                     HvEngineProgress progress, gpointer data, GError **error);
    gboolean (*resume_saved)(HvEngine *engine, int domid, GError **error);
    /* Q: a new descriptor, non-blocking, read-write, on the console numbered as in the live XML. */
    int (*console)(HvEngine *engine, int domid, const ConfChardev *console, GError **error);
    /* Q: a definition of a domain that runs and that libhv does not know. */
    ConfDomain *(*adopt)(HvEngine *engine, int domid, GError **error);
    /* Q: path of the device model for the capabilities; NULL is no answer: libhv has a default. */
    const char *(*emulator)(HvEngine *engine);
    /* Q: the lock manager that the engine's own configuration asks for; NULL: none. */
    const char *(*lock_manager)(HvEngine *engine);

    /* ---- devices and the less common turns of a domain's life (all optional) ---- */

    /* Plugs a device into a running domain. `live` is its live definition, without the device;
     * `device` is a copy that belongs to the caller, complete but for what only a running device
     * has: the hook fills that in (vif name, tty, port, a target or address that was left open).
     * On failure nothing of it remains. UNSUPPORTED for a kind, or a form of it, that cannot be
     * plugged: the message names the element. For <hostdev managed='yes'> the hook takes the
     * device away from its driver, too, and detach_device() gives it back. */
    gboolean (*attach_device)(HvEngine *engine, int domid, const ConfDomain *live,
                              ConfAnyDevice *device, GError **error);
    /* Unplugs one of `live` (the pointer in `device` is into it). It is gone on return; TIMEOUT
     * when the guest did not let go of it in time: then it is still there, whole. */
    gboolean (*detach_device)(HvEngine *engine, int domid, const ConfDomain *live,
                              const ConfAnyDevice *device, GError **error);
    /* Makes `before`, one of `live`, into `after`: another medium (source NULL: none), bridge or
     * link state. `after` is filled in as by attach_device(). UNSUPPORTED names the attribute that
     * cannot change while the domain runs. On failure all is as before. `force`: also where the
     * guest has locked the tray. */
    gboolean (*update_device)(HvEngine *engine, int domid, const ConfDomain *live,
                              const ConfAnyDevice *before, ConfAnyDevice *after, gboolean force,
                              GError **error);
    /* As the reset button: the guest boots again in the same domain. NULL, or UNSUPPORTED for this
     * kind of guest: libhv destroys it and starts its live definition again. */
    gboolean (*reset)(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
    gboolean (*inject_nmi)(HvEngine *engine, int domid, GError **error);
    /* All down together, for `hold_ms`, then up. Linux key codes (input-event-codes.h), at most
     * HV_MAX_KEYS. UNSUPPORTED for a combination that this kind of guest cannot be sent. */
    gboolean (*send_keys)(HvEngine *engine, int domid, const ConfDomain *live, const guint *keys,
                          guint n_keys, guint hold_ms, GError **error);
    /* Asks the guest to suspend to memory and waits until it has (TIMEOUT: it runs on), and wakes
     * it up again. */
    gboolean (*pm_suspend)(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
    gboolean (*pm_wakeup)(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
    /* Writes the guest's memory as an ELF core to `path`, an empty file. The guest is paused by the
     * caller, or runs on (a live dump), or has crashed. On failure the caller removes the file. */
    gboolean (*core_dump)(HvEngine *engine, int domid, const char *path, GCancellable *cancellable,
                          HvEngineProgress progress, gpointer data, GError **error);
    /* Of a running domain. On failure it has its old name everywhere. */
    gboolean (*rename)(HvEngine *engine, int domid, const char *before, const char *after,
                       GError **error);
    /* Q. The name that it has in the hypervisor; where somebody else has changed it, what the
     * engine keeps with the domain follows. NULL hook: nobody else can. */
    char *(*name_of)(HvEngine *engine, int domid, GError **error);
    /* The image behind `disk` (one of `live`) becomes `bytes` large, and the guest sees it. */
    gboolean (*block_resize)(HvEngine *engine, int domid, const ConfDomain *live,
                             const ConfDisk *disk, guint64 bytes, GError **error);
    /* Sends HV_ENGINE_EVENT_WRITTEN once, when the guest has written beyond `bytes` of the image
     * behind `disk` (one of `live`); 0: not any more. */
    gboolean (*set_block_threshold)(HvEngine *engine, int domid, const ConfDisk *disk,
                                    guint64 bytes, GError **error);
    /* Q: the disk of `live` that the `target` of an event is about, NULL where there is none. NULL
     * hook: `target` is as in <target dev=>. */
    const ConfDisk *(*event_disk)(HvEngine *engine, int domid, const ConfDomain *live,
                                  const char *target);
    /* Writes a picture of the guest's screen to `fd`; *ret_mime is static ("image/png",
     * "image/x-portable-pixmap"). */
    gboolean (*screenshot)(HvEngine *engine, int domid, const ConfDomain *live, guint screen,
                           int fd, const char **ret_mime, GError **error);
    /* Q: as console(), for one of the live definition's channels. */
    int (*channel)(HvEngine *engine, int domid, const ConfChardev *channel, GError **error);
    /* One command to the domain's device model, and its answer. Text as QMP (one JSON object), or
     * with `human` as the monitor's own command line. */
    char *(*monitor_command)(HvEngine *engine, int domid, const char *command, gboolean human,
                             GError **error);
    /* Q: `fd`, a connected stream socket, becomes a client of the server behind `graphics` (vnc or
     * spice, of the live definition); it stays the caller's. With `skip_auth` it needs no password.
     * UNSUPPORTED, or a NULL hook: libhv connects to where that server listens. */
    gboolean (*add_graphics_client)(HvEngine *engine, int domid, const ConfGraphics *graphics,
                                    int fd, gboolean skip_auth, GError **error);
    /* Q: the domain that we run in, which list() leaves out: its figures and, where `ret_def` is
     * not NULL, its definition (uuid zeros, name "Domain-0", id 0). NULL hook: it is not shown.
     * set_memory(), set_vcpus(), vcpus() and what else tunes a running domain take id 0, too. */
    gboolean (*control_domain)(HvEngine *engine, HvEngineDomain *ret_seen, ConfDomain **ret_def,
                               GError **error);
    /* Of a domain that has ended: it stays in the hypervisor for inspection, under another name and
     * uuid, and keeps nothing that the next one of its kind needs (disks, names of interfaces). */
    gboolean (*preserve)(HvEngine *engine, int domid, const char *name, const guint8 uuid[16],
                         GError **error);
    /* Q: a PCI device of the host. Detached: taken from its driver, free to be assigned to guests;
     * attached: given back. What is so already is no error. */
    gboolean (*pci_detach)(HvEngine *engine, const HvPciAddress *address, GError **error);
    gboolean (*pci_attach)(HvEngine *engine, const HvPciAddress *address, GError **error);
    gboolean (*pci_reset)(HvEngine *engine, const HvPciAddress *address, GError **error);

    /* ---- tuning and statistics (all optional) ---- */

    /* Hard affinity of one vcpu, online or not. `cpus` has at least one cpu that the host has. */
    gboolean (*pin_vcpu)(HvEngine *engine, int domid, guint vcpu, const ConfBitmap *cpus,
                         GError **error);
    /* Exactly these vcpus are online; at least one is, all are below the domain's maximum. */
    gboolean (*set_vcpu_map)(HvEngine *engine, int domid, const ConfBitmap *online, GError **error);
    /* Every thread of the domain's device model. WRONG_STATE: it has none. Q: the reading one. */
    gboolean (*pin_emulator)(HvEngine *engine, int domid, const ConfBitmap *cpus, GError **error);
    ConfBitmap *(*emulator_pin)(HvEngine *engine, int domid, GError **error);
    /* Q. The scheduler of a domain, with the parameters that it has; `domid` -1: of the host, type
     * only. */
    gboolean (*sched)(HvEngine *engine, int domid, HvSched *ret_sched, GError **error);
    /* The parameters in `change->has`, of the scheduler that sched() told; the others stay. Values
     * are checked by the engine: it knows their bounds. */
    gboolean (*set_sched)(HvEngine *engine, int domid, const HvSched *change, GError **error);
    /* Nodes that the domain's memory comes from in future. Q: the reading one. */
    gboolean (*set_nodes)(HvEngine *engine, int domid, const ConfBitmap *nodes, GError **error);
    ConfBitmap *(*nodes)(HvEngine *engine, int domid, GError **error);
    /* Most that one interface (of the live definition) may send; `kib_per_s` 0: no limit. */
    gboolean (*set_interface_rate)(HvEngine *engine, int domid, const ConfInterface *iface,
                                   guint64 kib_per_s, GError **error);
    /* Limits of one disk (of the live definition): all of them, 0 = none. UNSUPPORTED for a
     * backend that has no means for it. */
    gboolean (*set_disk_limits)(HvEngine *engine, int domid, const ConfDisk *disk,
                                const HvDiskLimits *limits, GError **error);
    /* Q. GArray of HvHostNode: the NUMA nodes of the host, index = number. */
    GArray *(*host_nodes)(HvEngine *engine, GError **error);
    /* Q. GArray of HvHostCpu: the physical cpus, index = number. */
    GArray *(*host_cpus)(HvEngine *engine, GError **error);
    /* Q. What the processors say of themselves: GArray of ConfCpuLeaf, each leaf once; what is not
     * in it they do not have. UNSUPPORTED for guests that this hypervisor cannot run. */
    GArray *(*cpu_leaves)(HvEngine *engine, HvCpuView view, GError **error);
    /* Q. Bulk: figures of `groups` (HvStatsGroup) about `n` domains in one call. GPtrArray of
     * HvEngineStats in the order of the queries, with a free function; NULL where a domain is no
     * more. With HV_STATS_NOWAIT nothing that may have to wait (a device model) is asked. One
     * domain whose device model hangs must not keep the others waiting: give it a bounded time. */
    GPtrArray *(*stats)(HvEngine *engine, const HvEngineStatsQuery *queries, guint n,
                        unsigned groups, GError **error);
    /* Q. The security label of a domain, as the hypervisor's security module formats it. NULL
     * without an error: there is no such module, or it is off. *ret_enforcing may be NULL. `domid`
     * -1 asks for our own. */
    char *(*security_label)(HvEngine *engine, int domid, gboolean *ret_enforcing, GError **error);
    /* Q. Addresses that the guest says an interface has: GPtrArray of texts with a free function,
     * as it wrote them. Empty: it says nothing. */
    GPtrArray *(*guest_addresses)(HvEngine *engine, int domid, const ConfInterface *iface,
                                  GError **error);

    /* ---- snapshots (optional) ---- */

    /* What a snapshot is in the disks of a running domain, or of one that save() has left
     * suspended. `snapshot->disks` has one row for each disk of `live`, by target. Internal: a
     * snapshot of the snapshot's name in its qcow2 image; one of a logical volume is libhv's
     * business. External: the file is there, empty on top of the disk's image, and the guest writes
     * to it from now on. All disks at one moment. On failure none of it was done, but for
     * HV_ERROR_TIMEOUT: then nobody knows. */
    gboolean (*disk_snapshot)(HvEngine *engine, int domid, const ConfDomain *live,
                              const ConfSnapshot *snapshot, HvDiskSnapshotOp op, GError **error);
} HvEngineOps;

/* Engines in the library. "libxl" is loaded at run time from ENGINEDIR/hv-engine-libxl.so, whose
 * symbol `hv_engine_ops` is an HvEngineOps. NULL and *error (UNSUPPORTED) when it cannot be had. */
const HvEngineOps *hv_engine_find(const char *name, GError **error);
/* "libxl" where this host runs Xen and we are its control domain; NULL otherwise. */
const char *hv_engine_detect(void);

G_END_DECLS
