/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between a definition and a domain of the simulated host, both ways. No I/O.
 */
#pragma once

#include <hv/engine.h>
#include <hv/sim/hvsim-proto.h>

G_BEGIN_DECLS

/* What the host must know to make a domain of `def`. HV_ERROR_CONFIG when nothing can be made. */
SimStart *sim_live_start(const ConfDomain *def, gboolean paused, GError **error);

/* `def` with what only a running domain has. `live` is the host's answer, SIM_LIVE_TYPE. */
ConfDomain *sim_live_definition(const ConfDomain *def, GVariant *live, int *ret_domid);

/* What the host calls a device that can be plugged and unplugged: "disk xvdb", "interface MAC",
 * "pci 0000:01:00.0", "usb 1:2", "controller usb 0", "channel NAME". NULL: it cannot be, as on
 * Xen: a disk of an emulated bus that is no removable medium, a display, a sound card ... */
char *sim_live_device_key(const ConfAnyDevice *device);

/* The definition of a domain from the host's answer to ADOPT. */
ConfDomain *sim_live_adopt(GVariant *facts, GError **error);

G_END_DECLS
