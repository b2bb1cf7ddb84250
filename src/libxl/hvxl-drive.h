/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of virtual disks, and the drives of a device model that belong to them. Text only: no Xen.
 */
#pragma once

#include <hv/hv.h>

/* A name of xen-vbd-interface(7): "xvdb" is disk 1 with the device number 51728. FALSE: none. */
gboolean hvxl_vdev_parse(const char *name, guint *ret_disk, guint *ret_number);

/* One drive of a device model. A disk of an HVM guest is two: the emulated one that its firmware
 * uses, and the PV one. */
typedef struct HvxlDrive {
    char *name; /* "ide0-hd1", or the node "xvdb-raw" */
    char *path; /* of its device in QEMU's object tree; NULL: not plugged */
    HvDiskStats stats;
} HvxlDrive;
/* The two lists of QEMU's monitor ("info block", "info blockstats"), which have the drives in the
 * same order; only the first has their names. GArray of HvxlDrive with a clear function. Figures
 * that cannot be matched are -1. */
GArray *hvxl_parse_drives(const char *info_block, const char *info_blockstats);
/* Does this drive belong to the disk? */
gboolean hvxl_drive_is_of(const HvxlDrive *drive, const ConfDisk *disk);
/* The disk of `live` that a drive of this name belongs to; NULL: the name does not say. */
const ConfDisk *hvxl_drive_find_disk(const char *name, const ConfDomain *live);

/* The answer to query-named-block-nodes. Names of the nodes of an image: those that read and write
 * the file itself (`storage`), or those that know its format. There are two of each for a disk that
 * is emulated, too. GPtrArray of strings that it owns. */
GPtrArray *hvxl_node_names(const char *answer, const char *file, gboolean storage);
/* The file of the node `name`; NULL: there is none. */
char *hvxl_node_file(const char *answer, const char *name);
