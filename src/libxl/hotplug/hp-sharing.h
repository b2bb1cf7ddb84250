/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who else has a disk? To read it nobody may write it; to write it nobody may have it at all. This
 * host has what is mounted here, a guest has what its backend in the store names. */
#ifndef HP_SHARING_H
#define HP_SHARING_H

#include "hp-request.h"

#include <sys/types.h>

#define HP_MAX_NUMBERS 64

/* Device numbers that are one disk: a block device has one, a file one a loop device on it. */
typedef struct HpNumbers {
    unsigned n;
    dev_t at[HP_MAX_NUMBERS];
} HpNumbers;

/* False: somebody has it (error->busy), or that cannot be known. `disk` is how errors name it. */
bool hp_sharing_check(HpRun *run, const char *disk, bool read_only, const HpNumbers *numbers);

/* Its halves. */
bool hp_sharing_check_mounts(HpRun *run, const char *disk, bool read_only,
                             const HpNumbers *numbers);
bool hp_sharing_check_guests(HpRun *run, const char *disk, bool read_only,
                             const HpNumbers *numbers);

/* "fd:1f", as physical-device has it: hexadecimal major and minor */
bool hp_parse_number(const char *text, dev_t *ret);

#endif
