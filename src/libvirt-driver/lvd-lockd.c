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

/* Linux counts processes up to 2^22. */
#define OWNER_BASE 0x40000000u
#define OWNER_MASK 0x3fffffffu
/* The stock Xen driver has no process to name. */
#define OWNER_STOCK 0u

static guint32
owner_number(const guint8 uuid[16])
{
    guint32 words[4];

    memcpy(words, uuid, sizeof(words));
    return OWNER_BASE | (GUINT32_FROM_BE(words[0] ^ words[1] ^ words[2] ^ words[3]) & OWNER_MASK);
}

/* ---- the connection ---- */

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
call(LvdAsking *asking, gint32 proc, xdrproc_t xdr, const void *args, GError **error)
{
    g_autoptr(GByteArray) body = lvd_ask(asking, proc, xdr, args, error);

    return body != NULL;
}

static gboolean
introduce(LvdAsking *asking, const HvLockOwner *owner, guint32 number, GError **error)
{
    lvd_lockd_register_args args = { .name = (char *)owner->name,
                                     .id = MAX(number, 1u), /* 0 is refused */
                                     .pid = number };

    memcpy(args.uuid, owner->uuid, sizeof(args.uuid));
    return call(asking, PROC_REGISTER, (xdrproc_t)xdr_lvd_lockd_register_args, &args, error);
}

/* ---- one lease ---- */

/* virtlockd knows the lockspaces that somebody has named since it was started. */
static gboolean
name_lockspace(LvdAsking *asking, const HvLease *lease, GError **error)
{
    const lvd_lockd_lockspace_args args = { .path = lease->lockspace };

    /* It makes the folder, too, which is not always wanted: storage may not be mounted. */
    if (!*lease->lockspace ||
        (!lease->create && !g_file_test(lease->lockspace, G_FILE_TEST_IS_DIR)))
        return TRUE;
    return call(asking, PROC_CREATE_LOCKSPACE, (xdrproc_t)xdr_lvd_lockd_lockspace_args, &args,
                error);
}

static gboolean
acquire(LvdAsking *asking, const HvLease *lease, GError **error)
{
    const lvd_lockd_resource_args args = {
        .lockspace = lease->lockspace,
        .resource = lease->resource,
        .flags = (lease->shared ? ACQUIRE_SHARED : 0u) | (lease->create ? ACQUIRE_CREATE : 0u),
    };

    return name_lockspace(asking, lease, error) &&
           call(asking, PROC_ACQUIRE, (xdrproc_t)xdr_lvd_lockd_resource_args, &args, error);
}

/* Where the lockspace, the resource or the owner of it is another it says so in these two ways. */
static gboolean
release(LvdAsking *asking, const HvLease *lease, GError **error)
{
    const lvd_lockd_resource_args args = { .lockspace = lease->lockspace,
                                           .resource = lease->resource };
    g_autoptr(GError) local = NULL;

    if (call(asking, PROC_RELEASE, (xdrproc_t)xdr_lvd_lockd_resource_args, &args, &local) ||
        lvd_was_refused(local, VIR_ERR_RESOURCE_BUSY) ||
        lvd_was_refused(local, VIR_ERR_INTERNAL_ERROR))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* Only who has a lock may hear that it is taken, and virtlockd does not say by whom: it is ours,
 * then. A shared one counts how often it was acquired, so it is released first; whoever wants it
 * alone in between would have had to be refused sharing it. */
static gboolean
keep(LvdAsking *asking, const HvLease *lease, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (lease->shared && !release(asking, lease, error))
        return FALSE;
    if (acquire(asking, lease, &local) ||
        (!lease->shared && lvd_was_refused(local, VIR_ERR_RESOURCE_BUSY)))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* ---- all of them ---- */

typedef gboolean (*OneFunc)(LvdAsking *asking, const HvLease *lease, GError **error);

static const struct {
    OneFunc one;
    gboolean go_on; /* when one is refused, to the others */
} ops[] = {
    [HV_LOCK_ACQUIRE] = { acquire, FALSE },
    [HV_LOCK_RELEASE] = { release, TRUE },
    [HV_LOCK_KEEP] = { keep, TRUE },
};

/* In the name of the owner of this number. `inherited`: only those that are. */
static gboolean
ask_as(HvLockOp op, guint32 number, const HvLockOwner *owner, const GPtrArray *leases,
       gboolean inherited, GCancellable *cancellable, const LvdConfig *config, GError **error)
{
    g_autofree char *path = lvd_lockd_socket(config);
    g_auto(LvdAsking)
        asking = { .program = PROGRAM_LOCKD,
                   .what = "the locking of disks",
                   .cancellable = cancellable,
                   .deadline = g_get_monotonic_time() + config->lock_timeout_ms * (gint64)1000,
                   .fd = -1 };
    g_autoptr(GError) first = NULL;

    if (!open_socket(&asking, path, error) || !introduce(&asking, owner, number, error))
        return FALSE;
    for (guint i = 0; i < leases->len; i++) {
        const HvLease *lease = leases->pdata[i];
        g_autoptr(GError) local = NULL;
        gboolean answered;

        if ((inherited && !lease->inherited) || ops[op].one(&asking, lease, &local))
            continue;
        answered = lvd_was_answered(local);
        if (!first)
            first = g_steal_pointer(&local);
        if (!answered || !ops[op].go_on)
            break;
    }
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

static gboolean
has_inherited(const GPtrArray *leases)
{
    for (guint i = 0; i < leases->len; i++)
        if (((const HvLease *)leases->pdata[i])->inherited)
            return TRUE;
    return FALSE;
}

gboolean
lvd_lockd_ask(HvLockOp op, const HvLockOwner *owner, const GPtrArray *leases,
              GCancellable *cancellable, gpointer data, GError **error)
{
    const LvdConfig *config = data;

    return ask_as(op, owner_number(owner->uuid), owner, leases, FALSE, cancellable, config,
                  error) &&
           (op != HV_LOCK_RELEASE || !has_inherited(leases) ||
            ask_as(op, OWNER_STOCK, owner, leases, TRUE, cancellable, config, error));
}
