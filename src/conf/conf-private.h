/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of src/conf share and nobody else sees. */
#pragma once

#include <conf/conf.h>

/* "KEY[INDEX]", what messages call an item of a list; cut short where the key is longer than any
 * that is known. Returns `path`. */
#define CONF_ITEM_PATH 80
const char *conf_item_path(char path[CONF_ITEM_PATH], const char *key, unsigned index);

/* A decimal number; the text has room for a UUID, too. Returns `text`. */
#define CONF_NUMBER 40
const char *conf_number_format(char text[CONF_NUMBER], gint64 number);

/* Bytes of all values of one native tree: no domXML can hold more. The readers of xl and xm keep to
 * it, the one of sxp does for each word, as one file has many domains. */
#define CONF_MAX_TEXT CONF_MAX_XML

/* The readers behind conf_native_parse(), each in its own file. Same contract. */
GPtrArray *conf_xl_parse(const char *text, gsize len, const char *file, GError **error);
GPtrArray *conf_xm_parse(const char *text, gsize len, const char *file,
                         const ConfNativeOptions *options, GError **error);
GPtrArray *conf_sxp_parse(const char *text, gsize len, const char *file, GError **error);

GPtrArray *conf_xlj_parse(const char *text, gsize len, const char *file, GError **error);
GPtrArray *conf_xva_parse(const char *text, gsize len, const char *file, GError **error);

/* The mappings behind conf_domain_from_native() and conf_domain_to_native(). xl and xm share
 * one table (a row says which of the two knows the key). */
ConfDomain *conf_cfg_to_domain(ConfNative *native, ConfReport *report, GError **error);
char *conf_cfg_from_domain(const ConfDomain *def, ConfFormat format, ConfReport *report,
                           GError **error);
ConfDomain *conf_sxp_to_domain(ConfNative *native, ConfReport *report, GError **error);
ConfDomain *conf_xlj_to_domain(ConfNative *native, ConfReport *report, GError **error);
gboolean conf_xva_wants_autostart(const ConfNative *native);
ConfDomain *conf_xva_to_domain(ConfNative *native, ConfReport *report, GError **error);
char *conf_sxp_from_domain(const ConfDomain *def, ConfReport *report, GError **error);

/* Sub-syntax that all native formats share (conf-devices.c). Each fills one new device from text
 * and reports words without a home through `report` at line and column. `path` names the key. */
typedef struct ConfPlace {
    ConfReport *report;
    const char *file;
    const char *path;
    unsigned line, column; /* of the text's first character */
} ConfPlace;

/* Set *error to "FILE:LINE:COLUMN: PATH: reason" and add a report row, both `offset` characters
 * behind the place. `sub` names a part of the key ("script"), or NULL. */
void conf_place_error(const ConfPlace *place, unsigned offset, GError **error, ConfError code,
                      const char *format, ...) G_GNUC_PRINTF(5, 6);
void conf_place_report(const ConfPlace *place, unsigned offset, ConfOutcome outcome,
                       const char *sub, const char *value, const char *reason, ...)
    G_GNUC_PRINTF(6, 7);

/* The functions below that return FALSE or NULL do so with CONF_ERROR_INVALID where the text is
 * wrong, and with CONF_ERROR_UNSUPPORTED where it is right but libvirt has no element for such a
 * device: the caller then reports the whole device as lost and goes on. */

/* uname prefix forms of xm and sxp: phy:DEV, file:PATH, tap:aio:PATH, tap2:vhd:PATH, nbd:...,
 * iscsi: */
gboolean conf_disk_set_uname(ConfDisk *disk, const char *uname, const ConfPlace *place,
                             GError **error);
/* "hda", "xvda:cdrom", "ioemu:hdc:cdrom", "sda1", "d0p0", "51712", "0xca00" -> target, bus, device
 */
gboolean conf_disk_set_vdev(ConfDisk *disk, const char *vdev, const ConfPlace *place,
                            GError **error);
/* w, w!, r, r!, rw, ro */
gboolean conf_disk_set_mode(ConfDisk *disk, const char *mode, const ConfPlace *place,
                            GError **error);
/* "[DDDD:]BB:DD.F[@VSLOT][,option=...]", "bdf=...,vslot=..." -> one hostdev; `managed` and
 * `write_filtering` stay NULL where the text does not say seize= or permissive= */
ConfHostdev *conf_hostdev_parse_pci(const char *text, const ConfPlace *place, GError **error);
/* "pty", "file:/x", "tcp:host:port,server", "udp:...", "unix:..." -> serial or parallel. "none"
 * means that there is no device: the caller asks conf_chardev_is_none() first. */
bool conf_chardev_is_none(const char *text);
ConfChardev *conf_chardev_parse_qemu(const char *text, const ConfPlace *place, GError **error);
char *conf_chardev_format_qemu(const ConfChardev *chr); /* NULL: cannot be said */
/* A rate as xl has it, "10MB/s@20ms", "100Kb/s" -> KiB/s; false on bad syntax */
bool conf_rate_parse(const char *text, int64_t *ret_kib_per_s);
/* The same exactly, with the time after which the credit is renewed */
bool conf_rate_split(const char *text, guint64 *ret_bytes, guint64 *ret_interval_us);
char *conf_rate_format(int64_t kib_per_s); /* the shortest that parses to the same number */
/* What libvirt has in KiB, whatever its number is, in whole MiB. */
int64_t conf_mib_of_kib(int64_t kib);
/* A quota above 0, in percents of one processor, `most` at the most. `period` 0 and below:
 * libvirt's own. */
int64_t conf_cap_of_quota(int64_t quota, int64_t period, int64_t most);
/* AA:BB:.. in any case, with or without leading zeros -> lower case; NULL when it is no MAC */
char *conf_mac_canonical(const char *text);
/* 00:16:3e:xx:xx:xx, a function of the domain's identity (uuid or, unset, name) and index */
char *conf_mac_derive(const ConfDomain *def, unsigned index);
/* A relative path as an absolute one, beside `file` (the config that names it) or in "/". */
char *conf_path_absolute(const char *path, const char *file);
/* "0000:03:00.0": what a PCI device is called in our metadata (conf-xlext.h) */
char *conf_pci_name(const ConfHostdev *dev);
/* Replace a string of the model by a copy. Always true, so that a test may end in it. */
bool conf_set_string(char **field, const char *value);

/* The reason of (on_xend_start start): right for who imports and for who only converts. Takes the
 * domain's name. */
#define CONF_WHY_AUTOSTART                                                                         \
    "autostart is a flag beside the definition: set when xen2libvirt defines the domain, and "     \
    "else by 'virsh autostart %s'"

/* Adds a row for each element and attribute of `def` that `back`, read from what a writer made of
 * `def`, does not have (LOST, with `reason`) or has differently (CHANGED). Both are compared as
 * domXML, after their defaults (conf-unsaid.c). */
void conf_report_unsaid(ConfReport *report, const ConfDomain *def, const ConfDomain *back,
                        const char *reason);
