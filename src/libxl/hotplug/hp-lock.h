/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One lock file a class of resources, the same ones and by the same rules as Xen's scripts: who
 * holds it may unlink it, so who got it looks whether it is still the one with that name. Both may
 * thus run side by side on one host. */
#ifndef HP_LOCK_H
#define HP_LOCK_H

#include "hp.h"

typedef struct HpLock {
    int fd; /* -1: not held */
} HpLock;

#define HP_LOCK_NONE                                                                               \
    {                                                                                              \
        -1                                                                                         \
    }

/* Waits host->lock_wait_s seconds at most. */
bool hp_lock_take(HpLock *lock, const HpHost *host, const char *name, HpError *error);
void hp_lock_drop(HpLock *lock);

#define HP_AUTO_UNLOCK __attribute__((cleanup(hp_lock_drop)))

#endif
