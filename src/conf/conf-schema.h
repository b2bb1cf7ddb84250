/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one schema of the domain model: for each struct of conf-model.h a table of rows, and a row
 * says where the field stands in domXML. The same rows make, copy, free, parse and format.
 *
 * Path      seen from the struct's own element, as in "driver@name":
 *             a/b      element b inside element a: its text; presence for a bool; a struct of its
 *                      own for STRUCT, POINTER and LIST ("devices/disk")
 *             a@b      attribute; "@b" is one of the struct's own element
 *             a/+      LIST of whatever children of a no other row names
 *             ""       the struct's own text
 *             #name    the name of the struct's own element
 *             #xml     the struct's own element, serialised whole
 *             a#inner  the children of a, serialised
 *             a#rest   what a carries that no row names (see below)
 *           The prefix "xen:" stands for the namespace CONF_XEN_NS, whatever the document calls it.
 *           An element name with a dot, "source.bind", is one of several elements "source"; which
 *           one, the schema's `branch` says, and CONSTANT rows tell them apart when written.
 * Order     of rows is the order that the formatter writes, which is libvirt's. A PLACE row has no
 *           field: it says where something unnamed stands among the others.
 * Rest      The string of an #rest row is the element itself with everything taken out that has a
 *           field: a <driver name='qemu' iothread='1'/> leaves <driver iothread='1'/>. A struct's
 *           own "#rest" (`extra`) keeps what has no closer #rest row, under the names of the
 *           elements around it: <disk><geometry cyls='1'/><target rotation_rate='1'/></disk>. The
 *           name of the outermost element is not read. The formatter lays a rest over what the
 *           fields gave: attributes and elements go where they came from, so the result is as
 *           valid as the input was, and a field wins over a rest that says otherwise.
 */
#pragma once

#include "conf-xml.h"

#define CONF_XEN_NS "http://libvirt.org/schemas/domain/xen/1.0"

typedef enum ConfFieldKind {
    CONF_FIELD_PLACE,    /* none */
    CONF_FIELD_CONSTANT, /* none: an attribute that its element always has */
    CONF_FIELD_STRING,   /* char * */
    CONF_FIELD_UINT,     /* unsigned, or an enum when the row has names */
    CONF_FIELD_INT,      /* int; negative = absent */
    CONF_FIELD_KIB,      /* uint64_t KiB, with a unit= attribute beside it */
    CONF_FIELD_OPT,      /* ConfOptInt */
    CONF_FIELD_BOOL,     /* presence of an element */
    CONF_FIELD_BITMAP,   /* ConfBitmap * */
    CONF_FIELD_UUID,     /* uint8_t[16], followed by the bool that says it is set */
    CONF_FIELD_STRUCT,   /* embedded, with a schema */
    CONF_FIELD_POINTER,  /* owned, with a schema; NULL = absent */
    CONF_FIELD_LIST,     /* GPtrArray of owned structs, with a schema */
} ConfFieldKind;

#define CONF_KIND(field)                                                                           \
    _Generic((field),                                                                              \
        char *: CONF_FIELD_STRING,                                                                 \
        unsigned: CONF_FIELD_UINT,                                                                 \
        int: CONF_FIELD_INT,                                                                       \
        uint64_t: CONF_FIELD_KIB,                                                                  \
        ConfOptInt: CONF_FIELD_OPT,                                                                \
        bool: CONF_FIELD_BOOL,                                                                     \
        ConfBitmap *: CONF_FIELD_BITMAP,                                                           \
        uint8_t *: CONF_FIELD_UUID,                                                                \
        GPtrArray *: CONF_FIELD_LIST,                                                              \
        ConfAddress *: CONF_FIELD_POINTER,                                                         \
        ConfCpu *: CONF_FIELD_POINTER,                                                             \
        ConfMemballoon *: CONF_FIELD_POINTER,                                                      \
        ConfDomain *: CONF_FIELD_POINTER,                                                          \
        ConfCpuTune: CONF_FIELD_STRUCT,                                                            \
        ConfNumaTune: CONF_FIELD_STRUCT,                                                           \
        ConfOs: CONF_FIELD_STRUCT,                                                                 \
        ConfFeatures: CONF_FIELD_STRUCT,                                                           \
        ConfClock: CONF_FIELD_STRUCT)

/* Words of an enum; ends with a NULL name. The first row of a value is the one formatted. */
typedef struct ConfName {
    const char *name;
    unsigned value;
} ConfName;

typedef struct ConfSchema ConfSchema;
typedef struct ConfRow ConfRow;

typedef enum ConfRowFlags {
    CONF_ROW_REQUIRED = 1 << 0, /* parse fails without it; 0 is formatted */
    CONF_ROW_SECRET = 1 << 1,   /* formatted only with CONF_XML_SECURE */
    CONF_ROW_BARE = 1 << 2,     /* an element without the attribute means the first name */
    CONF_ROW_ALIAS = 1 << 3,    /* read also when `when` picks another row of the field */
} ConfRowFlags;

struct ConfRow {
    const char *path;
    ConfFieldKind kind;
    unsigned offset, size;
    const ConfName *names;
    const ConfSchema *schema;
    unsigned flags;
    unsigned hex;    /* digits of a 0x number; 0: decimal */
    unsigned absent; /* formatted where an enum is absent */
    const char *constant;
    const char *missing; /* what libvirt says when a required one is missing, */
    const char *wrong;   /* and when it makes no sense: "unknown OS type" */
    /* Where an attribute depends on another: which of several rows of one field is it now? */
    bool (*when)(const void *owner);
    /* What only a running domain has: CONF_XML_INACTIVE leaves it out when this says true. */
    bool (*live)(const void *owner);
    /* Where text is no plain copy of the field: NULL and *error when it is wrong. */
    char *(*parse)(const char *text, GError **error);
    /* Where the field is no plain copy of the text, or `live` says too little: NULL: nothing is
     * written. */
    char *(*format)(const void *owner, unsigned flags);
};

struct ConfSchema {
    const char *name; /* of its element, for messages and skeletons of a rest */
    size_t size;
    const ConfRow *rows;
    unsigned n_rows;
    GDestroyNotify free;
    /* Which of several elements `name` is this one? NULL: there is only one. */
    const char *(*branch)(const void *owner, const char *name, const char *mode);
};

/* The longest path and the longest table: what the walkers keep on their stack. */
#define CONF_MAX_PATH  96
#define CONF_MAX_ROWS  96
#define CONF_MAX_RESTS 6

/* What a table knows about one element path. */
typedef struct ConfMatch {
    const ConfRow *leaf;   /* text, presence or struct; NULL: none */
    const ConfRow *deeper; /* the first about its attributes or elements; NULL: none */
} ConfMatch;

ConfMatch conf_schema_match(const ConfSchema *schema, const char *path);
/* The row of "PATH@NAME" for this owner; NULL: none. */
const ConfRow *conf_schema_attribute(const ConfSchema *schema, const void *owner, const char *path,
                                     const char *name);
/* The list that takes what has no row of its own below this path; NULL: none. */
const ConfRow *conf_schema_wildcard(const ConfSchema *schema, const char *path);
/* The #rest row that keeps what is unknown at `path`, and what of the path is left below it
 * ("" = itself). NULL: the struct keeps none. */
const ConfRow *conf_schema_rest(const ConfSchema *schema, const char *path, const char **ret_left);
bool conf_row_is_rest(const ConfRow *row);
bool conf_row_is_struct(const ConfRow *row); /* STRUCT, POINTER, LIST */
/* What a child element is called in paths: its name, "xen:" and the branch included, after
 * `prefix` and a slash. false: it has a foreign namespace or is too long to be known. */
bool conf_schema_child_path(const ConfSchema *schema, const void *owner, const char *prefix,
                            const xmlNode *child, char ret_path[CONF_MAX_PATH]);

/* struct, short name, element */
#define CONF_SCHEMAS(X)                                                                            \
    X(ConfAddress, address)                                                                        \
    X(ConfVcpu, vcpu)                                                                              \
    X(ConfVcpuPin, vcpu_pin)                                                                       \
    X(ConfCpuTune, cpu_tune)                                                                       \
    X(ConfNumaMemnode, numa_memnode)                                                               \
    X(ConfNumaTune, numa_tune)                                                                     \
    X(ConfCpuFeature, cpu_feature)                                                                 \
    X(ConfNumaDistance, numa_distance)                                                             \
    X(ConfNumaCell, numa_cell)                                                                     \
    X(ConfCpu, cpu)                                                                                \
    X(ConfAcpiTable, acpi_table)                                                                   \
    X(ConfBoot, boot)                                                                              \
    X(ConfOs, os)                                                                                  \
    X(ConfHypervFeature, hyperv_feature)                                                           \
    X(ConfFeatures, features)                                                                      \
    X(ConfTimer, timer)                                                                            \
    X(ConfClock, clock)                                                                            \
    X(ConfSeclabel, seclabel)                                                                      \
    X(ConfDiskHost, disk_host)                                                                     \
    X(ConfDisk, disk)                                                                              \
    X(ConfIp, ip)                                                                                  \
    X(ConfVlanTag, vlan_tag)                                                                       \
    X(ConfInterface, interface)                                                                    \
    X(ConfChardev, chardev)                                                                        \
    X(ConfListen, listen)                                                                          \
    X(ConfGraphics, graphics)                                                                      \
    X(ConfVideo, video)                                                                            \
    X(ConfInput, input)                                                                            \
    X(ConfSound, sound)                                                                            \
    X(ConfController, controller)                                                                  \
    X(ConfHostdev, hostdev)                                                                        \
    X(ConfWatchdog, watchdog)                                                                      \
    X(ConfLease, lease)                                                                            \
    X(ConfMemballoon, memballoon)                                                                  \
    X(ConfArg, arg)                                                                                \
    X(ConfRawElement, raw_element)                                                                 \
    X(ConfDomain, domain)                                                                          \
    X(ConfSnapshotDisk, snapshot_disk)                                                             \
    X(ConfSnapshot, snapshot)

#define CONF_SCHEMA_DECLARE(type, short_name)                                                      \
    extern const ConfSchema conf_schema_##short_name;                                              \
    void conf_schema_free_##short_name(void *owner);
CONF_SCHEMAS(CONF_SCHEMA_DECLARE)
#undef CONF_SCHEMA_DECLARE

/* Any struct that has a schema, empty (conf-model.c); its `free` ends it. */
void *conf_schema_new(const ConfSchema *schema);
void *conf_schema_copy(const ConfSchema *schema, const void *owner);

/* One struct by itself, whose element is the root of a document. conf-domxml.c: `owner` is filled
 * from `node`; `text` (may be NULL) is for the columns of messages. conf-domxml-format.c. */
typedef struct ConfSource {
    const char *name, *text;
    gssize len;
} ConfSource;
gboolean conf_schema_parse(const ConfSchema *schema, void *owner, xmlNode *node,
                           const ConfSource *source, unsigned flags, GError **error);
/* A <domain>, or an element of another name that holds the same, with all the checks of
 * conf_domain_parse_xml(). */
ConfDomain *conf_domain_parse_node(xmlNode *root, const ConfSource *source, unsigned flags,
                                   GError **error);
gboolean conf_source_fail(const ConfSource *source, const xmlNode *node, ConfError code,
                          GError **error, const char *message);
char *conf_schema_format(const ConfSchema *schema, const void *owner, const char *element,
                         unsigned flags);

static inline void *
conf_row_field(const ConfRow *row, void *owner)
{
    return (char *)owner + row->offset;
}

static inline const void *
conf_row_const_field(const ConfRow *row, const void *owner)
{
    return (const char *)owner + row->offset;
}

extern const ConfName conf_action_names[]; /* on_poweroff, on_reboot, on_crash */
extern const ConfName conf_snapshot_place_names[], conf_snapshot_state_names[];

/* NULL when the table has no such value; false when it has no such name. */
const char *conf_name_of(const ConfName *names, unsigned value);
bool conf_name_find(const ConfName *names, const char *name, unsigned *ret_value);
