/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libhv: managed domains over an exchangeable engine.
 *
 * Threads   Every function may be called from any thread. Functions under "may block" take the
 *           domain's job and can last as long as a guest makes them; call them from a worker.
 *           Everything else reads an immutable view: it takes one short lock, makes no system
 *           call, and never waits for a job.
 * Ownership Objects are reference counted; a returned object or string is the caller's unless
 *           it is const.
 * Errors    GError in HV_ERROR (or CONF_ERROR, passed through, for text that cannot be parsed).
 *           *error is set exactly when FALSE or NULL is returned. Messages are what the person at
 *           virsh reads.
 * Units     Memory in KiB, time in ns where the name says so.
 */
#pragma once

#include <conf/conf.h>
#include <gio/gio.h>
#include <glib.h>

G_BEGIN_DECLS

#define HV_ERROR (hv_error_quark())
GQuark hv_error_quark(void);

/* One code for what a caller would do differently. src/libvirt-driver maps each to one number
 * of libvirt's. */
typedef enum HvError {
    HV_ERROR_INTERNAL,    /* ours: a bug or a host out of order */
    HV_ERROR_NO_DOMAIN,   /* looked up and not there */
    HV_ERROR_EXISTS,      /* name or uuid is taken */
    HV_ERROR_WRONG_STATE, /* "domain is not running", ... */
    HV_ERROR_INVALID_ARG, /* an argument that cannot be right */
    HV_ERROR_UNSUPPORTED, /* the engine lacks it */
    HV_ERROR_CONFIG,      /* the configuration asks for what cannot be had */
    HV_ERROR_ENGINE,      /* the hypervisor said no; its reason is in the message */
    HV_ERROR_TIMEOUT,     /* waited for another job, or for the guest */
    HV_ERROR_CANCELLED,
    HV_ERROR_IO,          /* a file: path and errno are in the message */
    HV_ERROR_NO_METADATA, /* requested metadata element is not present */
    HV_ERROR_NO_SNAPSHOT, /* looked up and not there */
    HV_ERROR_BUSY,        /* what it needs, another has */
    HV_ERROR_RISKY,       /* a revert that might lose more than is asked for; force does it */
    HV_ERROR_HOOK,        /* a hook script of the host's administrator does not want it */
    HV_N_ERRORS,
} HvError;

typedef enum HvState {
    HV_STATE_SHUTOFF,
    HV_STATE_RUNNING,
    HV_STATE_BLOCKED, /* kept for completeness; Xen's blocked is RUNNING to a client */
    HV_STATE_PAUSED,
    HV_STATE_SHUTDOWN, /* going down: kernel said goodbye, domain not yet gone */
    HV_STATE_CRASHED,  /* preserved after a crash */
    HV_STATE_PMSUSPENDED,
    HV_N_STATES,
} HvState;

/* Why a domain is in its state. One list; each is used with the states that its name says. */
typedef enum HvReason {
    HV_REASON_UNKNOWN,
    HV_REASON_RUNNING_BOOTED,
    HV_REASON_RUNNING_MIGRATED,
    HV_REASON_RUNNING_RESTORED,
    HV_REASON_RUNNING_UNPAUSED,
    HV_REASON_RUNNING_SAVE_CANCELED,
    HV_REASON_RUNNING_WAKEUP,
    HV_REASON_RUNNING_CRASHED,
    HV_REASON_RUNNING_FROM_SNAPSHOT,
    HV_REASON_PAUSED_USER,
    HV_REASON_PAUSED_MIGRATION,
    HV_REASON_PAUSED_SAVE,
    HV_REASON_PAUSED_DUMP,
    HV_REASON_PAUSED_STARTING_UP,
    HV_REASON_PAUSED_CRASHED,
    HV_REASON_PAUSED_FROM_SNAPSHOT,
    HV_REASON_PAUSED_SNAPSHOT, /* while one is taken */
    HV_REASON_PAUSED_IO_ERROR,
    HV_REASON_SHUTDOWN_USER,
    HV_REASON_SHUTOFF_SHUTDOWN,
    HV_REASON_SHUTOFF_DESTROYED,
    HV_REASON_SHUTOFF_CRASHED,
    HV_REASON_SHUTOFF_SAVED,
    HV_REASON_SHUTOFF_FAILED,
    HV_REASON_SHUTOFF_FROM_SNAPSHOT,
    HV_REASON_SHUTOFF_DAEMON, /* found gone when the daemon came back */
    HV_REASON_CRASHED_PANICKED,
    HV_REASON_PMSUSPENDED_USER,
    HV_N_REASONS,
} HvReason;

typedef struct HvHost HvHost;
typedef struct HvDomain HvDomain;

/* All snapshots of a domain; see below. */
typedef struct HvSnapshots HvSnapshots;

/* ---- views ---- */

/* What a domain is at one moment. Immutable, reference counted; reading it needs no lock. */
typedef struct HvView {
    gatomicrefcount refs;
    guint64 serial; /* grows with each publication of this domain */
    char *name;
    guint8 uuid[16];
    int domid; /* -1: not active */
    HvState state;
    HvReason reason;
    ConfDomain *persistent; /* NULL: transient */
    /* NULL: not active. A transient domain has one also while it is about to start. */
    ConfDomain *live;
    gboolean autostart;
    gboolean autostart_once; /* at the next boot of the host, whatever `autostart` says */
    gboolean managed_save;   /* an image exists */
    gboolean updated;        /* persistent definition changed since start */
    gint64 started_us;       /* wall clock of the start, 0: not active */
    HvSnapshots *snapshots;  /* NULL: none */
} HvView;

HvView *hv_view_ref(HvView *view);
void hv_view_unref(HvView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvView, hv_view_unref)
static inline gboolean
hv_view_is_active(const HvView *view)
{
    return view->domid >= 0;
}
/* The definition that a question without LIVE or CONFIG is about: live if active, else persistent.
 */
const ConfDomain *hv_view_current(const HvView *view);

/* ---- host ---- */

/* Where a volume of a storage pool is, on this host: a path, and whether it is a block device.
 * Called from any thread, with a domain's job maybe and without a lock. It may block, but bounds
 * that, and ends early when `cancellable`, which may be NULL, is cancelled. FALSE: *error, of any
 * domain, is what the person at virsh reads. */
typedef gboolean (*HvFindVolume)(const char *pool, const char *volume, char **ret_path,
                                 gboolean *ret_block, GCancellable *cancellable, gpointer data,
                                 GError **error);

/* ---- locks of what domains write to (hv-lock.c) ---- */

/* A lock that a lock manager keeps for a domain. */
typedef struct HvLease {
    char *lockspace; /* a folder; "": the resource is a file, which is locked itself */
    char *resource;
    gboolean shared;    /* with others that have it shared, too */
    gboolean create;    /* lockspace and resource are made where they are not there */
    gboolean inherited; /* maybe taken by whoever ran the domain before us, in his name */
} HvLease;

typedef struct HvLockOwner {
    guint8 uuid[16];
    const char *name;
} HvLockOwner;

typedef enum HvLockOp {
    HV_LOCK_ACQUIRE, /* FALSE: some may have been acquired, but with HV_ERROR_IO: it was not reached
                      */
    HV_LOCK_RELEASE, /* what the owner does not have is no failure */
    HV_LOCK_KEEP,    /* of a domain that runs: what was lost is acquired again */
} HvLockOp;

/* Asks the lock manager about these leases (HvLease) of one owner. Called from any thread, with a
 * domain's job maybe and without a lock. It may block, but bounds that, and ends early when
 * `cancellable`, which may be NULL, is cancelled. FALSE: *error, of any domain, is what the person
 * at virsh reads. */
typedef gboolean (*HvLockAsk)(HvLockOp op, const HvLockOwner *owner, const GPtrArray *leases,
                              GCancellable *cancellable, gpointer data, GError **error);

/* Texts live as long as hv_host_new() lasts. */
typedef struct HvLockConfig {
    const char *manager; /* "lockd" or "nop"; anything else: no domain starts. NULL: as the engine's
                            own configuration says, or none */
    HvLockAsk ask;       /* NULL: nobody can; what it uses lives as long as the host */
    gpointer ask_data;
    gboolean no_disks;      /* disks take no lock by themselves, only <lease> does */
    gboolean require_lease; /* then no domain with a disk of its own starts without a <lease> */
    /* Folders of lockspaces; NULL: none. For any disk by the hash of its path, for logical volumes
     * by LVM's uuid, for SCSI devices by their id. */
    const char *file_dir, *lvm_dir, *scsi_dir;
} HvLockConfig;

typedef struct HvConfig {
    const char *root;      /* prefix of every path; NULL or "" = none */
    const char *engine;    /* "auto", "libxl", "sim" */
    int autostart_workers; /* domains started side by side; 0 = 4 */
    guint job_timeout_ms;  /* how long to wait for another's job; 0 = 30000 */
    gboolean no_autostart;
    /* Settings of the engine, name -> text (numbers in decimal digits); each engine takes those
     * that it knows. May be NULL; it lives as long as hv_host_new() lasts. */
    GHashTable *engine_settings;
    /* Folder with libvirt's definitions of processors; NULL: where libvirt has it. Not below root.
     */
    const char *cpu_map;
    HvFindVolume find_volume; /* NULL: nobody knows; what it uses lives as long as the host */
    gpointer find_volume_data;
    HvLockConfig lock;
} HvConfig;

/* g_thread_new() ends the process where no thread is to be had; this fails, and its message says
 * what to do about it. */
GThread *hv_thread_new(const char *name, GThreadFunc func, gpointer data, GError **error);

/* Opens the store and the engine. Nothing runs yet. HV_ERROR_UNSUPPORTED when the engine is not to
 * be had here, with what to do about it. */
HvHost *hv_host_new(const HvConfig *config, GError **error);
/* Reads definitions, finds running domains again, sweeps stale state, then autostarts in the
 * background. May block. */
gboolean hv_host_start(HvHost *host, GError **error);
/* Stops threads and jobs and closes the engine; guests go on. Also after a start that failed. */
void hv_host_stop(HvHost *host);
HvHost *hv_host_ref(HvHost *host);
void hv_host_unref(HvHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvHost, hv_host_unref)

const char *hv_host_engine_name(HvHost *host);

/* The hook scripts that are about the daemon (docs/HOOKS.md). */
typedef enum HvDaemonHook {
    HV_DAEMON_HOOK_START,
    HV_DAEMON_HOOK_RELOAD,
    HV_DAEMON_HOOK_SHUTDOWN,
    HV_N_DAEMON_HOOKS,
} HvDaemonHook;
/* Runs them. What fails is logged. May block as long as they take, and for 30 s at SHUTDOWN. */
void hv_host_tell_daemon_hook(HvHost *host, HvDaemonHook hook);

typedef struct HvHostInfo {
    char model[32]; /* CPU architecture, "x86_64" */
    guint64 memory_kib;
    guint64 free_memory_kib;
    guint cpus, mhz, nodes, sockets, cores,
        threads;     /* sockets a node, cores a socket, threads a core */
    guint64 version; /* hypervisor: major * 1000000 + minor * 1000 + release */
    guint max_vcpus; /* of one domain */
} HvHostInfo;

gboolean hv_host_info(HvHost *host, HvHostInfo *ret_info, GError **error);
char *hv_host_capabilities(HvHost *host, GError **error);
/* All arguments may be NULL: defaults of the host. HV_ERROR_INVALID_ARG for a virttype, arch or
 * machine that is not Xen's. */
char *hv_host_domain_capabilities(HvHost *host, const char *emulator, const char *arch,
                                  const char *machine, const char *virttype, GError **error);

/* ---- models of processors (hv-cpu.c); may block: the first one reads their definitions ---- */

/* A kind of guest, as hv_host_domain_capabilities() takes it. */
typedef struct HvGuestKind {
    const char *emulator, *arch, *machine, *virttype;
} HvGuestKind;

/* Names of the models of an architecture, for g_strfreev(); none: any name is right there.
 * HV_ERROR_INVALID_ARG: there is no such architecture. UNSUPPORTED: nothing is known of it, or the
 * definitions cannot be read. */
char **hv_host_cpu_models(HvHost *host, const char *arch, GError **error);
/* Whether the host, or with `guest` what the hypervisor gives to such a guest, can be `cpu`.
 * *ret_why (may be NULL) is the reason of INCOMPATIBLE. */
ConfCpuCompare hv_host_compare_cpu(HvHost *host, const HvGuestKind *guest, const ConfCpuSpec *cpu,
                                   char **ret_why, GError **error);
/* <cpu> of a guest that runs on each of `cpus` (ConfCpuSpec); with `guest` it has nothing that the
 * hypervisor does not give to such a guest here. `flags`: ConfCpuBaseline. */
char *hv_host_baseline_cpu(HvHost *host, const HvGuestKind *guest, GPtrArray *cpus, unsigned flags,
                           GError **error);

/* ---- the registry ---- */

HvDomain *hv_domain_ref(HvDomain *domain);
void hv_domain_unref(HvDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvDomain, hv_domain_unref)

HvDomain *hv_host_lookup_uuid(HvHost *host, const guint8 uuid[16], GError **error);
HvDomain *hv_host_lookup_name(HvHost *host, const char *name, GError **error);
HvDomain *hv_host_lookup_id(HvHost *host, int domid, GError **error);
/* All domains, in no order. GPtrArray of HvDomain with a free function. */
GPtrArray *hv_host_list(HvHost *host);
HvView *hv_domain_view(HvDomain *domain); /* never NULL */

/* domXML of the current (or with CONF_XML_INACTIVE the persistent) definition, as dumpxml shows it.
 */
char *hv_domain_format_xml(HvDomain *domain, unsigned conf_xml_flags, GError **error);

typedef struct HvDomainInfo {
    HvState state;
    guint64 max_memory_kib, memory_kib;
    guint vcpus;
    guint64 cpu_time_ns;
} HvDomainInfo;

typedef struct HvVcpuInfo {
    guint number;
    int state; /* 0 offline, 1 running, 2 blocked */
    guint64 cpu_time_ns;
    int cpu;              /* physical, -1 = none */
    guint8 affinity[128]; /* bitmap of physical cpus (1024) */
} HvVcpuInfo;

/* Figures that only the engine knows. Never wait for a domain's job; where the engine itself does
 * not answer within 250 ms the last sample is returned, and where there is none yet, within 5 s
 * after it was asked, what is known without it; HV_ERROR_TIMEOUT from hv_domain_vcpus(). */
gboolean hv_domain_info(HvDomain *domain, HvDomainInfo *ret_info, GError **error);
/* GArray of HvVcpuInfo, online and offline; HV_ERROR_WRONG_STATE when not active. */
GArray *hv_domain_vcpus(HvDomain *domain, GError **error);

/* ---- changes: may block ---- */

typedef enum HvAffect {
    HV_AFFECT_CURRENT = 0,
    HV_AFFECT_LIVE = 1 << 0,
    HV_AFFECT_CONFIG = 1 << 1,
    HV_AFFECT_MAXIMUM = 1 << 2, /* memory, vcpus: the most instead of the current value */
} HvAffect;

typedef enum HvStartFlags {
    HV_START_PAUSED = 1 << 0,
    HV_START_FORCE_BOOT = 1 << 1, /* drop a managed save image */
} HvStartFlags;

typedef enum HvShutdownMode {
    HV_SHUTDOWN_DEFAULT = 0, /* PV, then ACPI */
    HV_SHUTDOWN_PV = 1 << 0,
    HV_SHUTDOWN_ACPI = 1 << 1,
} HvShutdownMode;

typedef enum HvUndefineFlags {
    HV_UNDEFINE_MANAGED_SAVE = 1 << 0,
    HV_UNDEFINE_SNAPSHOTS = 1 << 1, /* also the metadata of snapshots */
} HvUndefineFlags;

typedef enum HvSaveFlags {
    HV_SAVE_RUNNING = 1 << 0, /* restore: let it run, whatever the image says */
    HV_SAVE_PAUSED = 1 << 1,
} HvSaveFlags;

/* Defines or redefines. `def` is taken over in any case. When this returns, the definition is on
 * disk (temporary file, fsync, rename, fsync of the folder) and the event is queued. */
HvDomain *hv_host_define(HvHost *host, ConfDomain *def, GError **error);
/* Starts a transient domain (or a defined one, from another definition). `def` is taken over. */
HvDomain *hv_host_create(HvHost *host, ConfDomain *def, unsigned start_flags, GError **error);
gboolean hv_domain_undefine(HvDomain *domain, unsigned undefine_flags, GError **error);
gboolean hv_domain_start(HvDomain *domain, unsigned start_flags, GError **error);
gboolean hv_domain_destroy(HvDomain *domain, GError **error);
/* Both ask the guest and return; its going down is an event. */
gboolean hv_domain_shutdown(HvDomain *domain, unsigned mode, GError **error);
gboolean hv_domain_reboot(HvDomain *domain, unsigned mode, GError **error);
gboolean hv_domain_suspend(HvDomain *domain, GError **error);
gboolean hv_domain_resume(HvDomain *domain, GError **error);
gboolean hv_domain_set_memory(HvDomain *domain, guint64 kib, unsigned affect, GError **error);
gboolean hv_domain_set_vcpus(HvDomain *domain, guint n, unsigned affect, GError **error);
/* As virDomainGetVcpusFlags: LIVE or CONFIG, with MAXIMUM or without. Does not block. */
int hv_domain_get_vcpus(HvDomain *domain, unsigned affect, GError **error);
gboolean hv_domain_set_autostart(HvDomain *domain, gboolean autostart, GError **error);
/* At the next boot of the host only; the mark is gone when the domain is started then. */
gboolean hv_domain_set_autostart_once(HvDomain *domain, gboolean once, GError **error);
/* `replacement` is what the image will start from instead of the live definition; it is taken over
 * in any case and may be NULL. So it is in hv_host_restore(). */
gboolean hv_domain_save(HvDomain *domain, const char *path, ConfDomain *replacement,
                        unsigned save_flags, GError **error);
HvDomain *hv_host_restore(HvHost *host, const char *path, ConfDomain *replacement,
                          unsigned save_flags, GError **error);
gboolean hv_domain_managed_save(HvDomain *domain, unsigned save_flags, GError **error);
gboolean hv_domain_managed_save_remove(HvDomain *domain, GError **error);

/* ---- devices and the less common turns (may block) ---- */

/* As virDomainAttachDeviceFlags() and its like: LIVE, CONFIG or both, all or nothing. `device` is
 * taken over in any case. CONF_ERROR_MISSING, _EXISTS, _AMBIGUOUS by libvirt's rules of which
 * device is meant; HV_ERROR_TIMEOUT when the guest does not let go of it. */
gboolean hv_domain_attach_device(HvDomain *domain, ConfAnyDevice *device, unsigned affect,
                                 GError **error);
gboolean hv_domain_detach_device(HvDomain *domain, ConfAnyDevice *device, unsigned affect,
                                 GError **error);
gboolean hv_domain_detach_alias(HvDomain *domain, const char *alias, unsigned affect,
                                GError **error);
/* `force`: change a medium although the guest has locked it. */
gboolean hv_domain_update_device(HvDomain *domain, ConfAnyDevice *device, unsigned affect,
                                 gboolean force, GError **error);
/* `target_or_path` names a disk of the running domain. */
gboolean hv_domain_block_resize(HvDomain *domain, const char *target_or_path, guint64 bytes,
                                GError **error);
/* HV_EVENT_BLOCK_THRESHOLD once, when the guest writes beyond `bytes` of the image; 0: never. */
gboolean hv_domain_set_block_threshold(HvDomain *domain, const char *target, guint64 bytes,
                                       GError **error);

/* The reset button: the guest boots again from its live definition. */
gboolean hv_domain_reset(HvDomain *domain, GError **error);
gboolean hv_domain_inject_nmi(HvDomain *domain, GError **error);
#define HV_MAX_KEYS 16 /* as the protocol */
/* To and from Linux key codes; 0: there is none. XT: 0xe0NN for those with a prefix; QNUM: QEMU's
 * and RFB's numbers. */
guint hv_key_from_linux(guint key);
guint hv_key_from_xt(guint code);
guint hv_key_from_usb(guint usage);
guint hv_key_from_qnum(guint qnum);
guint hv_key_to_qnum(guint key);
/* Linux key codes, pressed together. */
gboolean hv_domain_send_keys(HvDomain *domain, const guint *keys, guint n_keys, guint hold_ms,
                             GError **error);
gboolean hv_domain_pm_suspend(HvDomain *domain, GError **error);
gboolean hv_domain_pm_wakeup(HvDomain *domain, GError **error);

typedef enum HvDumpFlags {
    HV_DUMP_LIVE = 1 << 0,  /* the guest runs on meanwhile */
    HV_DUMP_CRASH = 1 << 1, /* and is destroyed afterwards, */
    HV_DUMP_RESET = 1 << 2, /* or reset */
} HvDumpFlags;
gboolean hv_domain_core_dump(HvDomain *domain, const char *path, unsigned dump_flags,
                             GError **error);

/* Writes a picture to `fd`; its type is returned, static. NULL and *error on failure. */
const char *hv_domain_screenshot(HvDomain *domain, guint screen, int fd, GError **error);
/* To the device model, in its own words; `human` as its monitor's command line. */
char *hv_domain_monitor_command(HvDomain *domain, const char *command, gboolean human,
                                GError **error);
/* A descriptor on the channel of this name or alias (NULL: the first), as for a console. */
int hv_domain_open_channel(HvDomain *domain, const char *name, gboolean force, GError **error);
/* `fd`, a connected stream socket of the caller's, becomes a client of the display server behind
 * the graphics of this number in the live definition. *ret_server -1: done. Else the engine cannot
 * hand it over, and this is a connection to where that server listens: the caller copies between
 * the two, and owns it. `skip_auth`: without the password, where the engine can. */
gboolean hv_domain_open_graphics(HvDomain *domain, guint index, int fd, gboolean skip_auth,
                                 int *ret_server, GError **error);
/* A descriptor on that display server. */
int hv_domain_open_graphics_fd(HvDomain *domain, guint index, gboolean skip_auth, GError **error);

/* The domain goes on under another name, with its files; the old object is no more. */
gboolean hv_domain_rename(HvDomain *domain, const char *name, GError **error);

/* The XML in a saved domain's file. `replacement` is taken over. */
char *hv_image_format_xml(const char *path, unsigned conf_xml_flags, GError **error);
gboolean hv_image_define_xml(const char *path, ConfDomain *replacement, unsigned save_flags,
                             GError **error);
char *hv_domain_managed_save_format_xml(HvDomain *domain, unsigned conf_xml_flags, GError **error);
gboolean hv_domain_managed_save_define_xml(HvDomain *domain, ConfDomain *replacement,
                                           unsigned save_flags, GError **error);

/* A PCI device of the host. */
typedef struct HvPciAddress {
    guint domain, bus, slot, function;
} HvPciAddress;
typedef enum HvPciOp { HV_PCI_DETACH, HV_PCI_ATTACH, HV_PCI_RESET } HvPciOp;
gboolean hv_host_pci(HvHost *host, const HvPciAddress *address, HvPciOp op, GError **error);

typedef enum HvAddressSource {
    HV_ADDRESSES_LEASE,
    HV_ADDRESSES_ARP,
    HV_ADDRESSES_GUEST, /* the guest's own words, which may be any; asks the engine */
} HvAddressSource;
typedef struct HvAddress {
    char *interface; /* vif name */
    char *mac;
    char *ip;
    gboolean v6;
    guint prefix;
} HvAddress;
/* What somebody knows of a running domain's addresses: GPtrArray of HvAddress, those of one
 * interface side by side; an interface without one has no row, as in libvirt's own drivers. */
GPtrArray *hv_domain_addresses(HvDomain *domain, HvAddressSource source, GError **error);
/* What a running domain's guest calls itself, by its leases; *ret_hostname NULL: none tells. */
gboolean hv_domain_hostname(HvDomain *domain, char **ret_hostname, GError **error);

typedef enum HvMetadata {
    HV_METADATA_DESCRIPTION,
    HV_METADATA_TITLE,
    HV_METADATA_ELEMENT
} HvMetadata;
/* NULL text removes. `prefix` and `uri` are for ELEMENT. */
gboolean hv_domain_set_metadata(HvDomain *domain, HvMetadata type, const char *text,
                                const char *prefix, const char *uri, unsigned affect,
                                GError **error);
char *hv_domain_get_metadata(HvDomain *domain, HvMetadata type, const char *uri, unsigned affect,
                             GError **error);

/* A file descriptor on the console named `device` (alias; NULL = the first console or serial).
 * One holder at a time: a second one gets HV_ERROR_WRONG_STATE ("Active console session exists for
 * this domain") unless `force`, which cuts the first off. hv_domain_close_console() frees it. */
int hv_domain_open_console(HvDomain *domain, const char *device, gboolean force, GError **error);
void hv_domain_close_console(HvDomain *domain, int fd);
/* For who polls: `fd` was cut off. It stands for another file by then, at its end, so what epoll(7)
 * knew of it is gone. In the thread of whoever forced it, with a lock held: it only queues. Never
 * after hv_domain_close_console(). */
typedef void (*HvConsoleCut)(int fd, gpointer data);
/* FALSE: it was cut off already, or the domain has ended; `cut` is not called. */
gboolean hv_domain_watch_console(HvDomain *domain, int fd, HvConsoleCut cut, gpointer data);

typedef struct HvJobInfo {
    gboolean active;
    const char *kind; /* "start", "save" ...; static */
    guint64 elapsed_ms;
    guint64 total, done; /* bytes; 0 = not known */
    gboolean in_engine;  /* the engine was asked for what cannot be cancelled */
    gboolean failed;     /* of a job that is over */
} HvJobInfo;
void hv_domain_job_info(HvDomain *domain, HvJobInfo *ret_info); /* does not block */
/* The last job that moved a guest's memory and is over; `forget`: the next question has no answer.
 * Does not block. FALSE: there is none. */
gboolean hv_domain_completed_job(HvDomain *domain, gboolean forget, HvJobInfo *ret_info);
gboolean hv_domain_job_abort(HvDomain *domain, GError **error);

/* ---- tuning and statistics ---- */

/* What the schedulers of Xen let one domain have. */
typedef enum HvSchedParam {
    HV_SCHED_WEIGHT,    /* credit, credit2: share beside the others' */
    HV_SCHED_CAP,       /* credit, credit2: percent of one cpu, 0 = no limit */
    HV_SCHED_PERIOD,    /* rtds: us */
    HV_SCHED_BUDGET,    /* rtds: us of each period */
    HV_SCHED_EXTRATIME, /* rtds: 1 = may use what others leave */
    HV_N_SCHED_PARAMS,
} HvSchedParam;

typedef struct HvSched {
    char type[16]; /* credit, credit2, rtds, null, arinc653 */
    unsigned has;  /* 1 << HvSchedParam */
    int value[HV_N_SCHED_PARAMS];
} HvSched;

/* Counters since the start of the domain, seen from the guest. In all of them -1: the backend does
 * not tell. */
typedef struct HvDiskStats {
    gint64 rd_reqs, rd_bytes, rd_ns;
    gint64 wr_reqs, wr_bytes, wr_ns;
    gint64 fl_reqs, fl_ns;
    gint64 errors;
} HvDiskStats;

typedef struct HvNicStats {
    gint64 rx_bytes, rx_packets, rx_errors, rx_dropped;
    gint64 tx_bytes, tx_packets, tx_errors, tx_dropped;
} HvNicStats;

/* KiB; -1: not known. */
typedef struct HvMemoryStats {
    gint64 actual_kib;    /* what the domain has now */
    gint64 maximum_kib;   /* what it may have */
    gint64 available_kib; /* what the guest says that it can use in all */
    gint64 unused_kib;    /* what the guest says that it leaves unused */
    gint64 rss_kib;       /* of the host's memory, with what the hypervisor needs for it */
    gint64 swap_in_kib, swap_out_kib;
} HvMemoryStats;

/* Bytes or requests a second; 0: no limit. `total` excludes `read` and `write`. */
typedef struct HvDiskLimits {
    guint64 total_bytes, read_bytes, write_bytes;
    guint64 total_iops, read_iops, write_iops;
} HvDiskLimits;

typedef struct HvHostNode {
    guint64 memory_kib, free_kib;
} HvHostNode;

typedef struct HvHostCpu {
    gboolean online;
    guint node;
    guint64 busy_ns, idle_ns; /* since the host's boot; busy: any domain ran, ours too */
} HvHostCpu;

typedef enum HvStatsGroup {
    HV_STATS_VCPU = 1 << 0,
    HV_STATS_DISK = 1 << 1,
    HV_STATS_NIC = 1 << 2,
    HV_STATS_MEMORY = 1 << 3,
    HV_STATS_NOWAIT = 1 << 4, /* no group: leave out what may have to be waited for */
} HvStatsGroup;

static inline gboolean
hv_sched_has(const HvSched *sched, HvSchedParam param)
{
    return (sched->has & 1u << param) != 0;
}

/* Changes. All may block. LIVE: the engine and the live definition; CONFIG: the persistent one.
 * Cpus that the host does not have are left out of a set; none left is HV_ERROR_INVALID_ARG. */
gboolean hv_domain_pin_vcpu(HvDomain *domain, guint vcpu, const ConfBitmap *cpus, unsigned affect,
                            GError **error);
gboolean hv_domain_pin_emulator(HvDomain *domain, const ConfBitmap *cpus, unsigned affect,
                                GError **error);
ConfBitmap *hv_domain_emulator_pin(HvDomain *domain, unsigned affect, GError **error);
/* Switches these vcpus on or off and leaves the others as they are. */
gboolean hv_domain_set_vcpu(HvDomain *domain, const ConfBitmap *vcpus, gboolean online,
                            unsigned affect, GError **error);
gboolean hv_domain_sched(HvDomain *domain, unsigned affect, HvSched *ret_sched, GError **error);
/* The parameters in `change->has`. */
gboolean hv_domain_set_sched(HvDomain *domain, const HvSched *change, unsigned affect,
                             GError **error);

typedef struct HvNuma {
    char *mode;        /* strict, preferred, interleave, restrictive; never NULL in an answer */
    ConfBitmap *nodes; /* NULL: nothing said */
} HvNuma;
void hv_numa_clear(HvNuma *numa);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HvNuma, hv_numa_clear)
gboolean hv_domain_numa(HvDomain *domain, unsigned affect, HvNuma *ret_numa, GError **error);
/* A NULL member of `change` stays as it is. */
gboolean hv_domain_set_numa(HvDomain *domain, const HvNuma *change, unsigned affect,
                            GError **error);

typedef enum HvAction { HV_ACTION_POWEROFF, HV_ACTION_REBOOT, HV_ACTION_CRASH } HvAction;
gboolean hv_domain_set_action(HvDomain *domain, HvAction which, ConfAction action, unsigned affect,
                              GError **error);

/* KiB/s, KiB/s, KiB; an average of 0: no limit. -1 in a change: stays as it is. */
typedef struct HvBandwidth {
    gint64 in_average, in_peak, in_burst;
    gint64 out_average, out_peak, out_burst;
} HvBandwidth;
/* `device`: name of the interface on the host, or its MAC address. */
gboolean hv_domain_bandwidth(HvDomain *domain, const char *device, unsigned affect,
                             HvBandwidth *ret_bandwidth, GError **error);
gboolean hv_domain_set_bandwidth(HvDomain *domain, const char *device, const HvBandwidth *change,
                                 unsigned affect, GError **error);

/* `disk`: its target, or the path of its image. */
gboolean hv_domain_disk_limits(HvDomain *domain, const char *disk, unsigned affect,
                               HvDiskLimits *ret_limits, GError **error);
/* Sets the three of bytes, the three of requests, or both; others stay as they are. */
typedef enum HvLimitGroup { HV_LIMIT_BYTES = 1 << 0, HV_LIMIT_IOPS = 1 << 1 } HvLimitGroup;
gboolean hv_domain_set_disk_limits(HvDomain *domain, const char *disk, const HvDiskLimits *limits,
                                   unsigned groups, unsigned affect, GError **error);

/* Questions to the engine. All may block, but never for a job. */

/* What is known of one domain. */
typedef struct HvDomainStats {
    HvDomain *domain;
    HvView *view; /* what the figures are about */
    HvDomainInfo info;
    GArray *vcpus; /* HvVcpuInfo; NULL: not asked for, not active or not told */
    /* HvDiskStats and HvNicStats in the order of the live definition; NULL as above. All -1 where
     * the engine cannot tell. */
    GArray *disks, *nics;
    gboolean has_memory;
    HvMemoryStats memory;
    char *why; /* a reason why something is missing; may be NULL */
} HvDomainStats;
void hv_domain_stats_free(HvDomainStats *stats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvDomainStats, hv_domain_stats_free)

/* Of all these domains at once. `groups`: HvStatsGroup. GPtrArray of HvDomainStats in the order of
 * `domains` (HvDomain), with a free function. */
GPtrArray *hv_host_stats(HvHost *host, GPtrArray *domains, unsigned groups, GError **error);
/* Of one domain that must be active, in full: a group that the engine cannot tell is an error. */
HvDomainStats *hv_domain_stats(HvDomain *domain, unsigned groups, GError **error);
/* Index of a disk (by target, or path of its image) or interface (by name on the host, or MAC) in a
 * definition; -1 and *error (INVALID_ARG). */
int hv_def_find_disk(const ConfDomain *def, const char *name, GError **error);
int hv_def_find_interface(const ConfDomain *def, const char *name, GError **error);

typedef struct HvDiskSize {
    guint64 capacity;   /* bytes: what the guest sees */
    guint64 allocation; /* bytes that it takes on the host's storage */
    guint64 physical;   /* bytes: the end of the file or device */
} HvDiskSize;
/* Looks at the image. IO or UNSUPPORTED where it is not a file or block device of this host. */
gboolean hv_disk_size(const ConfDisk *disk, HvDiskSize *ret_size, GError **error);
/* Also of a volume of a storage pool, in a definition that does not run: asks where it is. */
gboolean hv_host_disk_size(HvHost *host, const ConfDisk *disk, HvDiskSize *ret_size,
                           GError **error);
/* The <driver type=> of a file, as its content has it; "raw" where that says nothing. For files
 * that no definition knows: a guest may have written what it likes into its raw disk. */
const char *hv_image_format(const char *path);

GArray *hv_host_nodes(HvHost *host, GError **error); /* HvHostNode */
GArray *hv_host_cpus(HvHost *host, GError **error);  /* HvHostCpu */
/* <sysinfo> of the host's SMBIOS. CONFIG: it has none. */
char *hv_host_sysinfo(HvHost *host, GError **error);
/* *ret_label NULL: the hypervisor has no security module, or it is off. */
gboolean hv_domain_security_label(HvDomain *domain, char **ret_label, gboolean *ret_enforcing,
                                  GError **error);
gboolean hv_host_has_security_label(HvHost *host);

/* ---- snapshots ---- */

/* What a view has of them: immutable, reference counted, read without a lock. Each is a
 * ConfSnapshot; parents stand before their children. NULL is an empty set. */
HvSnapshots *hv_snapshots_ref(HvSnapshots *all);
void hv_snapshots_unref(HvSnapshots *all);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HvSnapshots, hv_snapshots_unref)
guint hv_snapshots_count(const HvSnapshots *all);
const ConfSnapshot *hv_snapshots_at(const HvSnapshots *all, guint index);
/* -1 and *error (NO_SNAPSHOT): there is none of this name. */
int hv_snapshots_find(const HvSnapshots *all, const char *name, GError **error);
int hv_snapshots_current(const HvSnapshots *all);             /* -1: none */
int hv_snapshots_parent(const HvSnapshots *all, guint index); /* -1: a root */
guint hv_snapshots_n_children(const HvSnapshots *all, guint index);
/* Is `index` a child of `ancestor`, or a child's child? */
gboolean hv_snapshots_is_below(const HvSnapshots *all, guint index, guint ancestor);

typedef enum HvSnapshotCreateFlags {
    HV_SNAPSHOT_REDEFINE = 1 << 0,    /* only what is known of it: nothing is taken */
    HV_SNAPSHOT_CURRENT = 1 << 1,     /* with REDEFINE: and it becomes the current one */
    HV_SNAPSHOT_NO_METADATA = 1 << 2, /* take it and forget it */
    HV_SNAPSHOT_HALT = 1 << 3,        /* end the guest afterwards */
    HV_SNAPSHOT_DISK_ONLY = 1 << 4,
    HV_SNAPSHOT_REUSE_EXT = 1 << 5, /* the files of external ones are there */
    HV_SNAPSHOT_LIVE = 1 << 6,      /* memory is written while the guest runs */
} HvSnapshotCreateFlags;
/* `def` says what is wanted (conf_snapshot_parse_xml()); it is taken over in any case. Its name is
 * returned; NULL and *error on failure, and all is as before. May block. */
char *hv_domain_snapshot_create(HvDomain *domain, ConfSnapshot *def, unsigned create_flags,
                                GError **error);

typedef enum HvSnapshotRevertFlags {
    HV_SNAPSHOT_REVERT_RUNNING = 1 << 0, /* whatever it was */
    HV_SNAPSHOT_REVERT_PAUSED = 1 << 1,
    HV_SNAPSHOT_REVERT_FORCE = 1 << 2, /* what would be HV_ERROR_RISKY */
} HvSnapshotRevertFlags;
/* What the domain is now is lost. May block. */
gboolean hv_domain_snapshot_revert(HvDomain *domain, const char *name, unsigned revert_flags,
                                   GError **error);

typedef enum HvSnapshotDeleteFlags {
    HV_SNAPSHOT_DELETE_CHILDREN = 1 << 0,
    HV_SNAPSHOT_DELETE_METADATA_ONLY = 1 << 1,
    HV_SNAPSHOT_DELETE_CHILDREN_ONLY = 1 << 2,
} HvSnapshotDeleteFlags;
/* Children get its parent. May block. */
gboolean hv_domain_snapshot_delete(HvDomain *domain, const char *name, unsigned delete_flags,
                                   GError **error);

/* ---- events ---- */

typedef enum HvEventKind {
    HV_EVENT_DEFINED, /* detail: 0 added, 1 updated, 2 renamed */
    HV_EVENT_UNDEFINED,
    HV_EVENT_STARTED,
    HV_EVENT_SUSPENDED,
    HV_EVENT_RESUMED,
    HV_EVENT_STOPPED,
    HV_EVENT_SHUTDOWN, /* guest began to go down */
    HV_EVENT_CRASHED,
    HV_EVENT_REBOOT,                /* not lifecycle: the guest rebooted */
    HV_EVENT_METADATA_CHANGE,       /* metadata_type, metadata_uri */
    HV_EVENT_BALLOON_CHANGE,        /* memory_kib */
    HV_EVENT_DEVICE_ADDED,          /* device */
    HV_EVENT_DEVICE_REMOVED,        /* device */
    HV_EVENT_DEVICE_REMOVAL_FAILED, /* device */
    HV_EVENT_TRAY_CHANGE,           /* device, tray_open */
    HV_EVENT_PMSUSPENDED,           /* lifecycle */
    HV_EVENT_PMSUSPEND,             /* not lifecycle: the guest went to sleep */
    HV_EVENT_PMWAKEUP,
    HV_EVENT_TUNABLE,         /* params */
    HV_EVENT_JOB_COMPLETED,   /* job */
    HV_EVENT_RTC_CHANGE,      /* offset */
    HV_EVENT_WATCHDOG,        /* watchdog */
    HV_EVENT_DISK_CHANGE,     /* device, path, dropped: a source was missing at the start */
    HV_EVENT_BLOCK_THRESHOLD, /* device (the disk's target), path, threshold, excess */
    HV_EVENT_CONTROL_ERROR,   /* the hypervisor's side lost hold of the domain */
    HV_EVENT_IO_ERROR,        /* device, path, io_error */
    HV_EVENT_IO_ERROR_REASON, /* likewise, and no_space; both are told of each error */
    HV_EVENT_GRAPHICS,        /* graphics */
    HV_N_EVENTS,
} HvEventKind;

typedef enum HvEventDetail {
    HV_DETAIL_NONE,
    HV_DETAIL_DEFINED_ADDED,
    HV_DETAIL_DEFINED_UPDATED,
    HV_DETAIL_UNDEFINED_REMOVED,
    HV_DETAIL_STARTED_BOOTED,
    HV_DETAIL_STARTED_RESTORED,
    HV_DETAIL_STARTED_WAKEUP,
    HV_DETAIL_SUSPENDED_PAUSED,
    HV_DETAIL_SUSPENDED_RESTORED,
    HV_DETAIL_RESUMED_UNPAUSED,
    HV_DETAIL_STOPPED_SHUTDOWN,
    HV_DETAIL_STOPPED_DESTROYED,
    HV_DETAIL_STOPPED_CRASHED,
    HV_DETAIL_STOPPED_SAVED,
    HV_DETAIL_STOPPED_FAILED,
    HV_DETAIL_SHUTDOWN_FINISHED,
    HV_DETAIL_SHUTDOWN_GUEST,
    HV_DETAIL_SHUTDOWN_HOST,
    HV_DETAIL_CRASHED_PANICKED,
    HV_DETAIL_DEFINED_RENAMED,
    HV_DETAIL_UNDEFINED_RENAMED,
    HV_DETAIL_PMSUSPENDED_MEMORY,
    HV_DETAIL_DEFINED_FROM_SNAPSHOT,
    HV_DETAIL_STARTED_FROM_SNAPSHOT,
    HV_DETAIL_SUSPENDED_FROM_SNAPSHOT,
    HV_DETAIL_RESUMED_FROM_SNAPSHOT,
    HV_DETAIL_STOPPED_FROM_SNAPSHOT,
    HV_DETAIL_SUSPENDED_IO_ERROR,
    HV_N_DETAILS,
} HvEventDetail;

/* One value that was tuned, under libvirt's name for it. */
typedef struct HvEventParam {
    char *field;
    char *text; /* NULL: the value is the number */
    guint64 number;
} HvEventParam;

/* What became of a guest whose watchdog ran out. */
typedef enum HvWatchdogAction {
    HV_WATCHDOG_NONE, /* nothing by us */
    HV_WATCHDOG_PAUSE,
    HV_WATCHDOG_RESET,
    HV_WATCHDOG_POWEROFF,
    HV_N_WATCHDOG_ACTIONS,
} HvWatchdogAction;

/* What became of a guest whose disk failed. */
typedef enum HvIoErrorAction {
    HV_IO_ERROR_NONE,
    HV_IO_ERROR_PAUSE,  /* until a client resumes it: the disk is tried again then */
    HV_IO_ERROR_REPORT, /* it was told of the error */
    HV_N_IO_ERROR_ACTIONS,
} HvIoErrorAction;

typedef enum HvGraphicsPhase {
    HV_GRAPHICS_CONNECT,
    HV_GRAPHICS_INITIALIZE, /* it is let in */
    HV_GRAPHICS_DISCONNECT,
    HV_N_GRAPHICS_PHASES,
} HvGraphicsPhase;

typedef enum HvAddressFamily {
    HV_ADDRESS_IPV4,
    HV_ADDRESS_IPV6,
    HV_ADDRESS_UNIX,
    HV_N_ADDRESS_FAMILIES,
} HvAddressFamily;

typedef struct HvGraphicsAddress {
    HvAddressFamily family;
    char *node, *service; /* NULL: not known */
} HvGraphicsAddress;

/* A client of a guest's screen. Not changed any more by who has passed it on. */
typedef struct HvGraphicsClient {
    HvGraphicsPhase phase;
    HvGraphicsAddress local, remote;
    char *auth;                  /* "none", "vnc" ...; NULL: not known */
    char *x509_name, *sasl_user; /* who it has shown to be; NULL: not that way */
} HvGraphicsClient;

HvGraphicsClient *hv_graphics_client_new(void); /* all 0 */
HvGraphicsClient *hv_graphics_client_ref(HvGraphicsClient *client);
void hv_graphics_client_unref(HvGraphicsClient *client);

typedef struct HvEvent {
    HvEventKind kind;
    HvEventDetail detail;
    const char *name; /* of the domain; lives as long as the event */
    guint8 uuid[16];
    int domid; /* at the time of the event; -1 when it was not active */
    HvMetadata metadata_type;
    const char *metadata_uri;
    guint64 memory_kib;
    const char *device; /* alias */
    gboolean tray_open;
    GPtrArray *params; /* HvEventParam; not changed by anybody; a reference may be taken */
    HvJobInfo job;
    gint64 offset; /* seconds from UTC */
    HvWatchdogAction watchdog;
    const char *path;          /* of a disk's image; may be NULL */
    gboolean dropped;          /* the disk itself; else it lost its medium only */
    guint64 threshold, excess; /* bytes */
    HvIoErrorAction io_error;
    gboolean no_space;
    HvGraphicsClient *graphics; /* a reference may be taken */
} HvEvent;

/* Called on one dispatcher thread, with no lock held, in order per domain, after the view
 * that the event speaks of was published. It must not block. */
typedef void (*HvEventFunc)(HvHost *host, const HvEvent *event, gpointer data);
guint hv_host_add_listener(HvHost *host, HvEventFunc func, gpointer data);
/* When this returns the listener is not running and will not run again. Not from inside one. */
void hv_host_remove_listener(HvHost *host, guint id);

G_END_DECLS
