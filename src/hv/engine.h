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
} HvEngineEventKind;

typedef struct HvEngineEvent {
    HvEngineEventKind kind;
    int domid;
    guint8 uuid[16];
    int code;
    gboolean foreign; /* as in HvEngineDomain */
} HvEngineEvent;

/* From any thread of the engine, no lock held; it only queues. */
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
    const ConfDomain *def;
    gboolean paused; /* stay paused after the build */
    int restore_fd;  /* -1: boot; else the engine's own stream begins at the file offset */
    GCancellable *cancellable; /* may be NULL */
    const char *log_path;      /* the domain's log file; the engine appends */
} HvEngineStart;

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
     * nothing remains in the hypervisor. */
    gboolean (*start)(HvEngine *engine, const HvEngineStart *start, int *ret_domid,
                      ConfDomain **ret_live, GError **error);
    gboolean (*destroy)(HvEngine *engine, int domid, GError **error); /* gone on return */

    /* Optional. */
    gboolean (*shutdown)(HvEngine *engine, int domid, unsigned mode, GError **error); /* asks */
    gboolean (*reboot)(HvEngine *engine, int domid, unsigned mode, GError **error);   /* asks */
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
} HvEngineOps;

/* Engines in the library. "libxl" is loaded at run time from ENGINEDIR/hv-engine-libxl.so, whose
 * symbol `hv_engine_ops` is an HvEngineOps. NULL and *error (UNSUPPORTED) when it cannot be had. */
const HvEngineOps *hv_engine_find(const char *name, GError **error);
/* "libxl" where this host runs Xen and we are its control domain; NULL otherwise. */
const char *hv_engine_detect(void);

G_END_DECLS
