/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks of <hv/engine.h>: devices, and the less common turns of a domain's life. */
#pragma once

#include "hvxl-private.h"

/* hvxl-device.c */
gboolean hvxl_attach_device(HvEngine *engine, int domid, const ConfDomain *live,
                            ConfAnyDevice *device, GError **error);
gboolean hvxl_detach_device(HvEngine *engine, int domid, const ConfDomain *live,
                            const ConfAnyDevice *device, GError **error);
gboolean hvxl_update_device(HvEngine *engine, int domid, const ConfDomain *live,
                            const ConfAnyDevice *before, ConfAnyDevice *after, gboolean force,
                            GError **error);

/* hvxl-resize.c */
gboolean hvxl_block_resize(HvEngine *engine, int domid, const ConfDomain *live,
                           const ConfDisk *disk, guint64 bytes, GError **error);

/* hvxl-heard.c */
HvxlMonitors *hvxl_heard_new(HvEngine *engine, GError **error);
const ConfDisk *hvxl_event_disk(HvEngine *engine, int domid, const ConfDomain *live,
                                const char *target);
gboolean hvxl_set_block_threshold(HvEngine *engine, int domid, const ConfDisk *disk, guint64 bytes,
                                  GError **error);

/* hvxl-snapshot.c */
gboolean hvxl_disk_snapshot(HvEngine *engine, int domid, const ConfDomain *live,
                            const ConfSnapshot *snapshot, HvDiskSnapshotOp op, GError **error);

/* hvxl-vif.c: the dom0 side of an interface. */
gboolean hvxl_vif_set_link(HvEngine *engine, int domid, int devid, gboolean up, GError **error);
gboolean hvxl_vif_set_bridge(HvEngine *engine, int domid, int devid, const char *before,
                             const char *after, GError **error);

/* hvxl-turn.c */
gboolean hvxl_inject_nmi(HvEngine *engine, int domid, GError **error);
gboolean hvxl_send_keys(HvEngine *engine, int domid, const ConfDomain *live, const guint *keys,
                        guint n_keys, guint hold_ms, GError **error);
gboolean hvxl_pm_suspend(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
gboolean hvxl_pm_wakeup(HvEngine *engine, int domid, const ConfDomain *live, GError **error);
gboolean hvxl_rename(HvEngine *engine, int domid, const char *before, const char *after,
                     GError **error);
char *hvxl_domain_name(HvEngine *engine, int domid, GError **error);
gboolean hvxl_preserve(HvEngine *engine, int domid, const char *name, const guint8 uuid[16],
                       GError **error);
gboolean hvxl_screenshot(HvEngine *engine, int domid, const ConfDomain *live, guint screen, int fd,
                         const char **ret_mime, GError **error);
int hvxl_channel(HvEngine *engine, int domid, const ConfChardev *channel, GError **error);
gboolean hvxl_add_graphics_client(HvEngine *engine, int domid, const ConfGraphics *graphics, int fd,
                                  gboolean skip_auth, GError **error);
char *hvxl_monitor_command(HvEngine *engine, int domid, const char *command, gboolean human,
                           GError **error);

/* hvxl-dump.c */
gboolean hvxl_core_dump(HvEngine *engine, int domid, const char *path, GCancellable *cancellable,
                        HvEngineProgress progress, gpointer data, GError **error);

/* hvxl-control.c */
gboolean hvxl_control_domain(HvEngine *engine, HvEngineDomain *ret_seen, ConfDomain **ret_def,
                             GError **error);

/* hvxl-pci.c */
gboolean hvxl_pci_detach(HvEngine *engine, const HvPciAddress *address, GError **error);
gboolean hvxl_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error);
gboolean hvxl_pci_reset(HvEngine *engine, const HvPciAddress *address, GError **error);
