/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of others: ovs-vsctl, iptables-restore, a user's hooks. */
#ifndef HP_SPAWN_H
#define HP_SPAWN_H

#include "hp.h"

typedef struct HpSpawn {
    const char *const *argv;  /* argv[0] is looked for in `path` */
    const char *const *extra; /* variables added to the environment, NULL terminated; may be NULL */
    const char *input;        /* for its stdin, NULL for none; less than 64 KiB */
    const char *path;
    unsigned timeout_s;
    char output[512]; /* the beginning of its stderr */
} HpSpawn;

/* Its exit status; -1 where it did not start, was killed or took too long: *error says so. */
int hp_spawn(HpSpawn *spawn, HpError *error);

#endif
