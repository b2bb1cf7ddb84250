/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One device of a domain by itself: what attach-device, detach-device and update-device speak of.
 *
 * Ownership A ConfAnyDevice from conf_device_parse_xml() or conf_device_copy() owns what it points
 *           to. One that a conf_domain_find_...() filled in is borrowed: it points into the domain.
 * Errors    CONF_ERROR as in conf.h. CONF_ERROR_MISSING: the domain has no such device;
 *           CONF_ERROR_EXISTS: it has one already; CONF_ERROR_AMBIGUOUS: it has several.
 */
#pragma once

#include <conf/conf-model.h>

G_BEGIN_DECLS

typedef enum ConfDeviceKind {
    CONF_DEVICE_DISK,
    CONF_DEVICE_CONTROLLER,
    CONF_DEVICE_INTERFACE,
    CONF_DEVICE_SERIAL,
    CONF_DEVICE_PARALLEL,
    CONF_DEVICE_CONSOLE,
    CONF_DEVICE_CHANNEL,
    CONF_DEVICE_INPUT,
    CONF_DEVICE_GRAPHICS,
    CONF_DEVICE_SOUND,
    CONF_DEVICE_VIDEO,
    CONF_DEVICE_HOSTDEV,
    CONF_DEVICE_WATCHDOG,
    CONF_DEVICE_MEMBALLOON,
    CONF_DEVICE_LEASE,
    CONF_DEVICE_RAW, /* an element that the model keeps as text: tpm, rng, filesystem ... */
    CONF_N_DEVICE_KINDS,
} ConfDeviceKind;

typedef struct ConfAnyDevice {
    ConfDeviceKind kind;
    union {
        void *any;
        ConfDevice *dev; /* what they have in common; not of RAW */
        ConfDisk *disk;
        ConfController *controller;
        ConfInterface *interface;
        ConfChardev *chardev; /* SERIAL, PARALLEL, CONSOLE, CHANNEL */
        ConfInput *input;
        ConfGraphics *graphics;
        ConfSound *sound;
        ConfVideo *video;
        ConfHostdev *hostdev;
        ConfWatchdog *watchdog;
        ConfMemballoon *memballoon;
        ConfLease *lease;
        ConfRawElement *raw;
    };
} ConfAnyDevice;

/* One device element, read by the rows that read it within a <domain>. No default is filled in. */
ConfAnyDevice *conf_device_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                                     GError **error);
char *conf_device_format_xml(const ConfAnyDevice *device, unsigned flags);
ConfAnyDevice *conf_device_copy(const ConfAnyDevice *device);
void conf_device_free(ConfAnyDevice *device); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfAnyDevice, conf_device_free)
/* The name of its element: "disk", "tpm". It lives as long as the device. */
const char *conf_device_element(const ConfAnyDevice *device);

/* The device of `def` that `like` describes, by libvirt's rules: disks by target, interfaces by
 * MAC (and PCI address, where `like` has one), hostdevs by source address, controllers by type and
 * index, graphics by type, the others by all that `like` says. */
gboolean conf_domain_find_device(const ConfDomain *def, const ConfAnyDevice *like,
                                 ConfAnyDevice *ret_found, GError **error);
gboolean conf_domain_find_alias(const ConfDomain *def, const char *alias, ConfAnyDevice *ret_found,
                                GError **error);
/* The disk of this target, or else of this source path. NULL: none. */
const ConfDisk *conf_domain_find_disk(const ConfDomain *def, const char *target_or_path);

/* What conf_domain_fill_defaults() would add to `device` in `def`; `other` (may be NULL) is a
 * second definition that will get the device, too, so that what is derived fits both. */
void conf_device_fill_defaults(ConfAnyDevice *device, const ConfDomain *def,
                               const ConfDomain *other);
/* Appends a copy. CONF_ERROR_EXISTS where it would stand twice. */
gboolean conf_domain_insert_device(ConfDomain *def, const ConfAnyDevice *device, GError **error);
/* `found` is borrowed from `def`; what it points to is freed. */
void conf_domain_remove_device(ConfDomain *def, const ConfAnyDevice *found);
/* Puts a copy of `now` in its place. */
void conf_domain_replace_device(ConfDomain *def, const ConfAnyDevice *found,
                                const ConfAnyDevice *now);
/* Gives each device of a running domain that has no alias one as libvirt's drivers name them:
 * "net0", "usb", "hostdev1", "xen-disk0" (bus, and the number that the target name counts to). */
void conf_domain_assign_aliases(ConfDomain *def);
/* The same for one that is to be added to `def`. NULL alias afterwards: its kind has none. */
void conf_device_assign_alias(const ConfDomain *def, const ConfAnyDevice *device);

G_END_DECLS
