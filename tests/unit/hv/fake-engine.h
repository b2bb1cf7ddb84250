/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine inside the test process: every hook can be made to hang or to fail, and what "runs" in
 * it outlives the host that opened it, as a hypervisor outlives its toolstack. And the fixture that
 * the tests of libhv share: a temporary root, a host on this engine, a recorder of events.
 */
#pragma once

#include <hv/hv-private.h>

typedef enum FakeHook {
    FAKE_LIST,
    FAKE_START,
    FAKE_RUN, /* the guest that start() has built is let run */
    FAKE_DESTROY,
    FAKE_SHUTDOWN,
    FAKE_REBOOT,
    FAKE_PAUSE,
    FAKE_UNPAUSE,
    FAKE_SET_MEMORY,
    FAKE_SET_VCPUS,
    FAKE_VCPUS,
    FAKE_SAVE,
    FAKE_RESUME_SAVED,
    FAKE_ADOPT,
    FAKE_N_HOOKS,
} FakeHook;

extern const HvEngineOps fake_engine_ops;

void fake_reset(void);                            /* nothing runs, nothing hangs, nothing fails */
void fake_set_hang(FakeHook hook, gboolean hang); /* FALSE lets go of who hangs */
void fake_set_failure(FakeHook hook, const char *message); /* NULL: works again */
void fake_wait_inside(FakeHook hook);                      /* until a call is inside it */
guint fake_calls(FakeHook hook);
guint fake_running(void); /* how many domains there are */
gboolean fake_is_paused(int domid);
void fake_end_guest(int domid, int code);         /* the guest ends with Xen's SHUTDOWN code */
void fake_take_away(int domid);                   /* somebody else destroys it */
void fake_late_news(HvDomain *domain, int domid); /* that this id of its, long gone, is gone */
/* Somebody else starts a domain; `tell`: the engine says so. */
int fake_start_foreign(const char *xml, gboolean tell);
void fake_set_foreign(int domid); /* whoever started it acts on its end */
void fake_pause_behind(int domid, gboolean paused, gboolean tell); /* somebody else does */
void fake_set_suspended(int domid); /* as a save that was cut off leaves it */

/* ---- the fixture ---- */

typedef struct Fixture {
    char *root;
    HvHost *host;
    guint listener;
    GMutex lock;
    GCond changed;
    GPtrArray *log; /* [lock] char *: "NAME:KIND:DETAIL" in order of arrival */
} Fixture;

/* What fixture_start_host() opens: a test may put hooks of its own beside those of the fake. */
extern const HvEngineOps *fixture_ops;
extern const char *fixture_cpu_map;                   /* folder of definitions; NULL: libvirt's */
extern const HvLockConfig *fixture_lock;              /* NULL: nothing is locked */
extern HvFindVolume fixture_find_volume;              /* NULL, unless a test says otherwise */
void fixture_setup(Fixture *f, gconstpointer unused); /* a started host */
void fixture_teardown(Fixture *f, gconstpointer unused);
/* The daemon goes (at once) and comes back on the same root. */
void fixture_stop_host(Fixture *f);
void fixture_start_host(Fixture *f, guint job_timeout_ms, gboolean no_autostart);
/* Waits (10 s at most) until the log is exactly this, NULL-terminated; then empties it. */
#define assert_events(f, ...) assert_events_(f, (const char *const[]){ __VA_ARGS__, NULL })
void assert_events_(Fixture *f, const char *const *expected);
void clear_events(Fixture *f); /* after everything posted so far was delivered */

char *domain_xml(const char *name, guint number); /* uuid made of number */
HvDomain *define_domain(Fixture *f, const char *name, guint number);
HvDomain *create_domain(Fixture *f, const char *name, guint number);
ConfDomain *domain_def(const char *name, guint number);
HvState state_of(HvDomain *domain);
HvReason reason_of(HvDomain *domain);
int domid_of(HvDomain *domain);
/* Waits (10 s at most) for a state. */
void wait_for_state(HvDomain *domain, HvState state);
char *path_of(Fixture *f, const char *absolute);
char *read_file(Fixture *f, const char *absolute);
void write_file(Fixture *f, const char *absolute, const char *text);
gboolean file_exists(Fixture *f, const char *absolute);
/* How often `text` was logged since the last call; "" only forgets. */
guint log_count(const char *text);
void fake_init(int *argc, char ***argv); /* g_test_init(), and a writer that keeps the log */
