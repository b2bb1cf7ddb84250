/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the engine `sim` share. */
#pragma once

#include <hv/sim/hvsim-client.h>

G_BEGIN_DECLS

struct HvEngine {
    SimClient *client; /* self-locking */
};

/* A request whose answer is that it is done. `payload` is consumed if floating. */
gboolean sim_engine_order(HvEngine *engine, SimOp op, GVariant *payload, GError **error);
HvEngineDomain sim_engine_domain(const SimDomainRow *row);

/* hvsim-engine-turn.c: hooks of engine.h */
gboolean sim_engine_attach(HvEngine *engine, int domid, const ConfDomain *live,
                           ConfAnyDevice *device, GError **error);
gboolean sim_engine_detach(HvEngine *engine, int domid, const ConfDomain *live,
                           const ConfAnyDevice *device, GError **error);
gboolean sim_engine_update(HvEngine *engine, int domid, const ConfDomain *live,
                           const ConfAnyDevice *before, ConfAnyDevice *after, gboolean force,
                           GError **error);
gboolean sim_engine_reset(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
gboolean sim_engine_inject_nmi(HvEngine *engine, int domid, GError **error);
gboolean sim_engine_send_keys(HvEngine *engine, int domid, const ConfDomain *live,
                              const guint *keys, guint n_keys, guint hold_ms, GError **error);
gboolean sim_engine_pm_suspend(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
gboolean sim_engine_pm_wakeup(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
gboolean sim_engine_core_dump(HvEngine *engine, int domid, const char *path,
                              GCancellable *cancellable, HvEngineProgress progress, gpointer data,
                              GError **error);
gboolean sim_engine_rename(HvEngine *engine, int domid, const char *before, const char *after,
                           GError **error);
gboolean sim_engine_preserve(HvEngine *engine, int domid, const char *name, const guint8 uuid[16],
                             GError **error);
gboolean sim_engine_disk_snapshot(HvEngine *engine, int domid, const ConfDomain *live,
                                  const ConfSnapshot *snapshot, HvDiskSnapshotOp op,
                                  GError **error);
gboolean sim_engine_block_resize(HvEngine *engine, int domid, const ConfDomain *live,
                                 const ConfDisk *disk, guint64 bytes, GError **error);
gboolean sim_engine_set_block_threshold(HvEngine *engine, int domid, const ConfDisk *disk,
                                        guint64 bytes, GError **error);
gboolean sim_engine_screenshot(HvEngine *engine, int domid, const ConfDomain *live, guint screen,
                               int fd, const char **ret_mime, GError **error);
int sim_engine_channel(HvEngine *engine, int domid, const ConfChardev *channel, GError **error);
gboolean sim_engine_control_domain(HvEngine *engine, HvEngineDomain *ret_seen, ConfDomain **ret_def,
                                   GError **error);
gboolean sim_engine_pci_detach(HvEngine *engine, const HvPciAddress *address, GError **error);
gboolean sim_engine_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error);
gboolean sim_engine_pci_reset(HvEngine *engine, const HvPciAddress *address, GError **error);

/* hvsim-engine-tune.c: the hooks for tuning and statistics; contracts in hv/engine.h. */
gboolean sim_engine_pin_vcpu(HvEngine *engine, int domid, guint vcpu, const ConfBitmap *cpus,
                             GError **error);
gboolean sim_engine_set_vcpu_map(HvEngine *engine, int domid, const ConfBitmap *online,
                                 GError **error);
gboolean sim_engine_pin_emulator(HvEngine *engine, int domid, const ConfBitmap *cpus,
                                 GError **error);
ConfBitmap *sim_engine_emulator_pin(HvEngine *engine, int domid, GError **error);
gboolean sim_engine_sched(HvEngine *engine, int domid, HvSched *ret_sched, GError **error);
gboolean sim_engine_set_sched(HvEngine *engine, int domid, const HvSched *change, GError **error);
gboolean sim_engine_set_nodes(HvEngine *engine, int domid, const ConfBitmap *nodes, GError **error);
ConfBitmap *sim_engine_nodes(HvEngine *engine, int domid, GError **error);
gboolean sim_engine_set_interface_rate(HvEngine *engine, int domid, const ConfInterface *iface,
                                       guint64 kib_per_s, GError **error);
gboolean sim_engine_set_disk_limits(HvEngine *engine, int domid, const ConfDisk *disk,
                                    const HvDiskLimits *limits, GError **error);
GArray *sim_engine_host_nodes(HvEngine *engine, GError **error);
GArray *sim_engine_host_cpus(HvEngine *engine, GError **error);
GArray *sim_engine_cpu_leaves(HvEngine *engine, HvCpuView view, GError **error);
GPtrArray *sim_engine_stats(HvEngine *engine, const HvEngineStatsQuery *queries, guint n,
                            unsigned groups, GError **error);

G_END_DECLS
