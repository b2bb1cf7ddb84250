/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot of a domain as text and as data: <domainsnapshot>.
 *
 * Ownership ConfSnapshot is reference counted, as ConfDomain: it may be changed while it has one
 *           owner, and is immutable once it is shared. What it points to is its own: a ConfDomain
 *           goes in and out as a copy.
 * Source    libvirt's "Snapshot XML format" manual page.
 */
#pragma once

#include <conf/conf-model.h>

G_BEGIN_DECLS

#define CONF_SNAPSHOT_NAME_MAX 240 /* bytes: it becomes part of a file's name */

/* Where the state of a disk, or of memory, is kept. */
typedef enum ConfSnapshotPlace {
    CONF_SNAPSHOT_ABSENT,
    CONF_SNAPSHOT_NO,
    CONF_SNAPSHOT_INTERNAL, /* in the image itself; memory: where the driver keeps it */
    CONF_SNAPSHOT_EXTERNAL, /* in a file of its own */
    CONF_SNAPSHOT_MANUAL,   /* somebody else does it */
} ConfSnapshotPlace;

/* What the domain was when the snapshot was taken. */
typedef enum ConfSnapshotState {
    CONF_SNAPSHOT_STATE_ABSENT,
    CONF_SNAPSHOT_STATE_RUNNING,
    CONF_SNAPSHOT_STATE_BLOCKED,
    CONF_SNAPSHOT_STATE_PAUSED,
    CONF_SNAPSHOT_STATE_SHUTDOWN,
    CONF_SNAPSHOT_STATE_SHUTOFF,
    CONF_SNAPSHOT_STATE_CRASHED,
    CONF_SNAPSHOT_STATE_DISK, /* "disk-snapshot": it ran, and its memory was not kept */
} ConfSnapshotState;

typedef struct ConfSnapshotDisk { /* <disks><disk name= snapshot= type=> */
    char *name;                   /* target, or in what a user writes the path of the image */
    unsigned place;               /* ConfSnapshotPlace */
    unsigned type;                /* ConfDiskType: of the new image */
    char *driver_type;            /* format of the new image */
    char *driver_extra;
    char *source; /* external: the new image, which the guest writes from now on */
    char *source_extra;
    char *extra;
} ConfSnapshotDisk;

typedef struct ConfSnapshot {
    gatomicrefcount refs;
    char *name;
    char *description;
    unsigned state;  /* ConfSnapshotState */
    char *parent;    /* name; NULL: a root */
    ConfOptInt time; /* of its creation: s since the epoch */
    unsigned memory; /* ConfSnapshotPlace */
    char *memory_file;
    GPtrArray *disks;     /* ConfSnapshotDisk */
    ConfDomain *domain;   /* as it was; NULL: nobody knows */
    ConfDomain *inactive; /* the persistent definition, where the domain ran with another */
    ConfOptInt active;    /* 1: it is the current one. In metadata files only */
    char *extra;
} ConfSnapshot;

ConfSnapshot *conf_snapshot_new(void);
ConfSnapshot *conf_snapshot_ref(ConfSnapshot *def);
void conf_snapshot_unref(ConfSnapshot *def); /* accepts NULL */
ConfSnapshot *conf_snapshot_copy(const ConfSnapshot *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfSnapshot, conf_snapshot_unref)
ConfSnapshotDisk *conf_snapshot_disk_new(void);
void conf_snapshot_disk_free(ConfSnapshotDisk *disk);

typedef enum ConfSnapshotFlags {
    CONF_SNAPSHOT_REDEFINE = 1 << 0, /* of one that is there: also what a user cannot choose */
} ConfSnapshotFlags;

/* Parses one <domainsnapshot>; errors as conf_domain_parse_xml(). A name, a description, and what
 * is to be done with memory and disks is read; with REDEFINE the rest, too, which must be there. */
ConfSnapshot *conf_snapshot_parse_xml(const char *text, gssize len, const char *name,
                                      unsigned flags, GError **error);
/* `conf_xml_flags`: SECURE. The definitions inside are formatted without what only a running domain
 * has. */
char *conf_snapshot_format_xml(const ConfSnapshot *def, unsigned conf_xml_flags);
/* FALSE and *error for a name that cannot name a snapshot, or a file. */
gboolean conf_snapshot_check_name(const char *name, GError **error);
const char *conf_snapshot_place_name(unsigned place); /* "internal" ...; "" when absent */
/* Was the domain's memory kept? */
static inline gboolean
conf_snapshot_has_memory(const ConfSnapshot *def)
{
    return def->memory == CONF_SNAPSHOT_INTERNAL || def->memory == CONF_SNAPSHOT_EXTERNAL;
}
/* Does it consist of files beside the images, in part or in whole? */
gboolean conf_snapshot_is_external(const ConfSnapshot *def);

G_END_DECLS
