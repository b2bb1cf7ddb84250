/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all kinds of disks have in common. */
#ifndef HP_BLOCK_H
#define HP_BLOCK_H

#include "hp.h"

#include <sys/types.h>

/* Tells libxl, QEMU and the kernel's backend that the disk is the block device `path`. */
bool hp_block_write_device(HpRun *run, const char *path, dev_t number);

#endif
