/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtlockd: the daemon of libvirt's that holds locks on disks for whoever runs domains.
 *
 * Each request takes a connection of its own: what is locked belongs to an owner, not to the
 * connection, and outlives both it and us. virtlockd tells owners apart by a process id. It
 * releases the locks of a client that hangs up, and kills it, where that number is the client's
 * own; so a domain has a number that no process can have, by its uuid. A later xlvirtd releases by
 * it what an earlier one acquired, so it must stay as it is.
 */
#include "lvd-ask.h"
#include "lvd-transport.h"

#include <errno.h>

#define PROGRAM_LOCKD 0xea7beefu

enum { PROC_REGISTER = 1, PROC_ACQUIRE = 6, PROC_RELEASE = 7, PROC_CREATE_LOCKSPACE = 8 };
enum { ACQUIRE_SHARED = 1 << 0, ACQUIRE_CREATE = 1 << 1 };

/* Owners. Linux counts processes up to 2^22. */
#define DOMAIN_BASE 0x40000000u
#define DOMAIN_MASK 0x3fffffffu
#define STOCK       0u          /* the stock Xen driver has no process to name */
#define NOBODY      0x3fffffffu /* has never locked anything */

/* One request. */
typedef struct Request {
    LvdAsking asking;
    const HvLockOwner *owner;
    gboolean introduced;
    guint32 as; /* whom virtlockd takes us for */
} Request;

static void
request_clear(Request *request)
{
    lvd_asking_clear(&request->asking);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

static guint32
number_of(const HvLockOwner *owner)
{
    guint32 words[4];

    memcpy(words, owner->uuid, sizeof(words));
    return DOMAIN_BASE | (GUINT32_FROM_BE(words[0] ^ words[1] ^ words[2] ^ words[3]) & DOMAIN_MASK);
}

/* ---- calls ---- */

static gboolean
open_socket(LvdAsking *asking, const char *path, GError **error)
{
    asking->who = g_strdup_printf("virtlockd at %s", path);
    for (;;) {
        asking->fd = lvd_connect_unix(path);
        if (asking->fd >= 0)
            return TRUE;
        if (errno != EAGAIN) {
            g_set_error(error, HV_ERROR, HV_ERROR_IO,
                        "Failed to connect socket to '%s': %s; lock_manager = \"lockd\" needs "
                        "virtlockd: systemctl start virtlockd.socket",
                        path, g_strerror(errno));
            return FALSE;
        }
        if (!lvd_asking_pause(asking, error))
            return FALSE;
    }
}

static gboolean
call(Request *request, gint32 proc, xdrproc_t xdr, const void *args, GError **error)
{
    g_autoptr(GByteArray) body = lvd_ask(&request->asking, proc, xdr, args, error);

    return body != NULL;
}

/* What is asked next is asked in the name of this owner. */
static gboolean
speak_as(Request *request, guint32 number, GError **error)
{
    lvd_lockd_register_args args = { .name = (char *)request->owner->name,
                                     .id = MAX(number, 1u), /* 0 is refused */
                                     .pid = number };

    if (request->introduced && request->as == number)
        return TRUE;
    memcpy(args.uuid, request->owner->uuid, sizeof(args.uuid));
    request->introduced = call(request, PROC_REGISTER, (xdrproc_t)xdr_lvd_lockd_register_args,
                               &args, error);
    request->as = number;
    return request->introduced;
}

/* virtlockd knows the lockspaces that somebody has named since it was started. */
static gboolean
name_lockspace(Request *request, const HvLease *lease, GError **error)
{
    const lvd_lockd_lockspace_args args = { .path = lease->lockspace };

    /* It makes the folder, too, which is not always wanted: storage may not be mounted. */
    if (!*lease->lockspace ||
        (!lease->create && !g_file_test(lease->lockspace, G_FILE_TEST_IS_DIR)))
        return TRUE;
    return call(request, PROC_CREATE_LOCKSPACE, (xdrproc_t)xdr_lvd_lockd_lockspace_args, &args,
                error);
}

/* ---- one lease ---- */

static gboolean
acquire(Request *request, const HvLease *lease, GError **error)
{
    const lvd_lockd_resource_args args = {
        .lockspace = lease->lockspace,
        .resource = lease->resource,
        .flags = (lease->shared ? ACQUIRE_SHARED : 0u) | (lease->create ? ACQUIRE_CREATE : 0u),
    };

    return speak_as(request, number_of(request->owner), error) &&
           name_lockspace(request, lease, error) &&
           call(request, PROC_ACQUIRE, (xdrproc_t)xdr_lvd_lockd_resource_args, &args, error);
}

/* What virtlockd says of a resource that this owner does not have: somebody else whom it serves has
 * it; or it serves nobody who has. */
typedef enum Holder { HOLDER_OWNER, HOLDER_ANOTHER, HOLDER_NONE, HOLDER_UNKNOWN } Holder;

static Holder
try_release(Request *request, guint32 number, const HvLease *lease, GError **error)
{
    const lvd_lockd_resource_args args = { .lockspace = lease->lockspace,
                                           .resource = lease->resource };
    g_autoptr(GError) local = NULL;

    if (!speak_as(request, number, error))
        return HOLDER_UNKNOWN;
    if (call(request, PROC_RELEASE, (xdrproc_t)xdr_lvd_lockd_resource_args, &args, &local))
        return HOLDER_OWNER;
    if (lvd_was_refused(local, VIR_ERR_RESOURCE_BUSY))
        return HOLDER_NONE; /* "is not locked" */
    /* A lockspace that it does not know has nothing locked in it. */
    if (lvd_was_refused(local, VIR_ERR_INTERNAL_ERROR))
        return lvd_was_refused_by(local, VIR_FROM_LOCKSPACE) ? HOLDER_ANOTHER : HOLDER_NONE;
    g_propagate_error(error, g_steal_pointer(&local));
    return HOLDER_UNKNOWN;
}

static gboolean
release(Request *request, const HvLease *lease, GError **error)
{
    return try_release(request, number_of(request->owner), lease, error) != HOLDER_UNKNOWN &&
           (!lease->inherited || try_release(request, STOCK, lease, error) != HOLDER_UNKNOWN);
}

/* A shared one counts how often it was acquired, so it is released first. */
static gboolean
keep_shared(Request *request, const HvLease *lease, GError **error)
{
    return try_release(request, number_of(request->owner), lease, error) != HOLDER_UNKNOWN &&
           acquire(request, lease, error);
}

/* Never let go of: what virtlockd holds here is the domain's, or was the stock driver's for it. */
static gboolean
keep_alone(Request *request, const HvLease *lease, GError **error)
{
    Holder holder = try_release(request, NOBODY, lease, error);

    if (holder != HOLDER_NONE)
        return holder != HOLDER_UNKNOWN;
    return acquire(request, lease, error);
}

static gboolean
keep(Request *request, const HvLease *lease, GError **error)
{
    return lease->shared ? keep_shared(request, lease, error) : keep_alone(request, lease, error);
}

/* ---- all of them ---- */

static const struct {
    gboolean (*one)(Request *request, const HvLease *lease, GError **error);
    gboolean go_on; /* when one is refused, to the others */
} ops[] = {
    [HV_LOCK_ACQUIRE] = { acquire, FALSE },
    [HV_LOCK_RELEASE] = { release, TRUE },
    [HV_LOCK_KEEP] = { keep, TRUE },
};

static gboolean
ask_each(Request *request, HvLockOp op, const GPtrArray *leases, GError **error)
{
    g_autoptr(GError) first = NULL;

    for (guint i = 0; i < leases->len; i++) {
        g_autoptr(GError) local = NULL;
        gboolean over;

        if (ops[op].one(request, leases->pdata[i], &local))
            continue;
        over = !ops[op].go_on || !lvd_was_answered(local);
        if (!first)
            first = g_steal_pointer(&local);
        if (over)
            break;
    }
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

gboolean
lvd_lockd_ask(HvLockOp op, const HvLockOwner *owner, const GPtrArray *leases,
              GCancellable *cancellable, gpointer data, GError **error)
{
    const LvdConfig *config = data;
    g_autofree char *path = lvd_lockd_socket(config);
    gint64 patience_us = config->lock_timeout_ms * (gint64)1000;
    g_auto(Request) request = { .asking = { .program = PROGRAM_LOCKD,
                                            .what = "the locking of disks",
                                            .cancellable = cancellable,
                                            .deadline = g_get_monotonic_time() + patience_us,
                                            .fd = -1 },
                                .owner = owner };

    return open_socket(&request.asking, path, error) && ask_each(&request, op, leases, error);
}
