/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loop devices: a file as a block device. */
#ifndef HP_LOOP_H
#define HP_LOOP_H

#include "hp.h"

#include <sys/types.h>

#define HP_DEV_SIZE 32 /* of "/dev/loopN" */

/* Makes the open file `fd` a loop device; `path` is what losetup will show. */
bool hp_loop_attach(int fd, const char *path, bool read_only, bool direct_io, char *ret_dev,
                    dev_t *ret_number, HpError *error);

/* Takes the file from `dev`, which must be /dev/loopN and, unless `number` is 0, have that number.
 * Done as well where it has none, or where there is no such device. While a guest holds it the
 * kernel puts it off until that ends. */
bool hp_loop_detach(const char *dev, dev_t number, HpError *error);

/* The loop devices that have the file `inode` of `device`: their number, at most `max` of them. */
unsigned hp_loop_find(dev_t device, ino_t inode, dev_t *ret, unsigned max);

#endif
