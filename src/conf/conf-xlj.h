/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the libxl JSON mapping share. */
#pragma once

#include "conf-via.h"

extern const ViaTable xlj_table;

ConfNode *xlj_field(const Via *via, const char *path); /* of the record; NULL: it has none */
/* Whether a display has to be named where libxl's record of VNC is silent about it. */
bool xlj_wants_display(const ConfNode *vnc);

/* conf-xlj.c, and devices in conf-xlj-devices.c: fields that are more than a value. */
void xlj_finish(Via *via);
void xlj_read_memory(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_avail_vcpus(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_cpumap(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_affinity(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_nodemap(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_timeoffset(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_cpuid(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_vnuma(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_range(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_arguments(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_bootloader_args(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_viridian(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_nographic(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_genid(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_gfx(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_rdm(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_mca_caps(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_xsdata(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_vnc_listen(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_disk(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_access(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_removable(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_switch(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_script(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_rate(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_pci(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_dtdev(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_vfb(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_vkb(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_pvcalls(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_connectors(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xlj_read_channel(Via *via, const ViaRow *row, ConfNode *node, const char *path);

/* conf-xlj-sound.c */
void xlj_read_vsnd(Via *via, const ViaRow *row, ConfNode *node, const char *path);
