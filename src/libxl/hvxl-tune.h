/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks for tuning and statistics, by the file that has them. Their contract is in
 * <hv/engine.h>. */
#pragma once

#include "hvxl-drive.h"
#include "hvxl-private.h"

/* hvxl-tune.c */
gboolean hvxl_pin_vcpu(HvEngine *engine, int domid, guint vcpu, const ConfBitmap *cpus,
                       GError **error);
gboolean hvxl_set_vcpu_map(HvEngine *engine, int domid, const ConfBitmap *online, GError **error);
/* A device model is a process of domain 0: what it is bound to are cpus of domain 0. */
gboolean hvxl_pin_emulator(HvEngine *engine, int domid, const ConfBitmap *cpus, GError **error);
ConfBitmap *hvxl_emulator_pin(HvEngine *engine, int domid, GError **error);
gboolean hvxl_sched(HvEngine *engine, int domid, HvSched *ret_sched, GError **error);
gboolean hvxl_set_sched(HvEngine *engine, int domid, const HvSched *change, GError **error);
gboolean hvxl_set_nodes(HvEngine *engine, int domid, const ConfBitmap *nodes, GError **error);
ConfBitmap *hvxl_nodes(HvEngine *engine, int domid, GError **error);
/* The back end is told through xenstore, which Linux' netback watches. */
gboolean hvxl_set_interface_rate(HvEngine *engine, int domid, const ConfInterface *iface,
                                 guint64 kib_per_s, GError **error);
GPtrArray *hvxl_guest_addresses(HvEngine *engine, int domid, const ConfInterface *iface,
                                GError **error);
char *hvxl_security_label(HvEngine *engine, int domid, gboolean *ret_enforcing, GError **error);

/* Gives a domain that was just built what libxl's configuration has no place for: the cpus of its
 * device model, the limits of its disks. It runs without them, too: what fails is in its log. */
void hvxl_tune_started(HvxlCtx *ctx, int domid, const ConfDomain *live);

/* hvxl-stats.c */
GPtrArray *hvxl_stats(HvEngine *engine, const HvEngineStatsQuery *queries, guint n, unsigned groups,
                      GError **error);
GArray *hvxl_host_nodes(HvEngine *engine, GError **error);
GArray *hvxl_host_cpus(HvEngine *engine, GError **error);
GArray *hvxl_cpu_leaves(HvEngine *engine, HvCpuView view, GError **error);

/* hvxl-qemu.c: what the device model of a domain tells of its disks, and takes. */

/* GArray of HvxlDrive with a clear function. NULL: there is no device model, or it does not
 * answer in time. */
GArray *hvxl_qemu_drives(int domid, GError **error);
gboolean hvxl_set_disk_limits(HvEngine *engine, int domid, const ConfDisk *disk,
                              const HvDiskLimits *limits, GError **error);
/* hvxl-stats.c. The kernel of domain 0 moves the data of this disk. */
gboolean hvxl_is_blkback(int domid, guint devid);
