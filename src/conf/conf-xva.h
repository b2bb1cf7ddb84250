/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the ova.xml mapping share.
 *
 *   ova.xml ── conf-xva-read.c ──▶ one tree a VM: its record, and in place of its references the
 *   records they lead to (VBDs[0]/VDI/SR/type), each with the reference as its text ── rows
 * (conf-xva-rows.c) ──▶ xl's keys (conf-via.h)
 */
#pragma once

#include "conf-via.h"

extern const ViaTable xva_table;

/* conf-xva-v0.c: exports of XenServer 3 (<appliance>). */
GPtrArray *conf_xva_parse_version_0(const char *text, gsize len, const char *file, GError **error);

/* conf-xva-map.c */
void xva_finish(Via *via);
void xva_read_description(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_domain_type(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_memory(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_dynamic_min(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_pv(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_bootloader(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_hvm(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_viridian(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_cores(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_tablet(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_autostart(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_pci(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_genid(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_bios_strings(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_disk(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_mode(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_bootable(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_ref(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_rest_runtime(Via *via, const ViaRow *row, ConfNode *node, const char *path);
void xva_read_rate(Via *via, const ViaRow *row, ConfNode *node, const char *path);

#define XVA_DISK_DIR "/var/lib/libvirt/images" /* where libvirt's own pool of images is */

/* Whether the VM is an HVM guest, by its record. */
bool xva_is_hvm(const ConfNative *native);
/* The name that a VBD has in the guest ("hda", "xvdb"); NULL: its record says none. */
char *xva_target(const ConfNative *native, const ConfNode *vbd);
