/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other toolstacks' records of a domain (libxl's JSON, XenServer's ova.xml), by way of xl's keys:
 *
 *   record's tree ── rows ──▶ tree of xl's keys ── conf_cfg_to_domain() ──▶ ConfDomain
 *
 * What a key of xl means in domXML is said in one place (conf-cfg-*.c); a row here says only which
 * key of xl a field of the record is. What xl's mapping reports comes back with the place and the
 * path of the record's field.
 *
 * A row's path is the report's without the counts: "disks/vdev" is disks[0]/vdev, disks[1]/vdev ...
 * A star at its end is any field that has no row of its own.
 */
#pragma once

#include "conf-private.h"

typedef struct Via Via;
typedef struct ViaRow ViaRow;
/* Makes of one field what it is in xl, with the via_...() functions below, which mark the node. */
typedef void (*ViaFunc)(Via *via, const ViaRow *row, ConfNode *node, const char *path);

typedef enum ViaKind {
    VIA_TEXT,    /* the value as it stands */
    VIA_BOOL,    /* "True", 1, ...: 1 or 0 */
    VIA_NUMBER,  /* whole, in other units: see `unit` */
    VIA_WORD,    /* one of `names` */
    VIA_FLAG,    /* in a device's text: the word `key` where it is true, else nothing */
    VIA_LIST,    /* each item is one of the list `key` */
    VIA_SPECS,   /* a list of devices: each gives one text for the list `key`, made of the rows
                    below its path, in their order */
    VIA_HOOK,    /* `read` does it */
    VIA_RUNTIME, /* state of the host or of a running domain */
    VIA_USED,    /* something else takes it along: the hook of its device */
    VIA_DEFAULT, /* says what holds anyway, whatever it says */
    VIA_KEPT,    /* nothing in a domain is like it: kept by name, for people (via_keep()) */
    VIA_LOST,
} ViaKind;

/* value NULL: it is what holds without the key. */
typedef struct ViaName {
    const char *word, *value;
} ViaName;

struct ViaRow {
    const char *path;
    ViaKind kind;
    const char *key;
    const ViaName *names; /* WORD; ends in a NULL word */
    guint64 unit;         /* NUMBER: that many are one of xl's; 0: 1 */
    const char *neutral;  /* "0|none": values that say what holds anyway */
    ViaFunc read;
    const char *why; /* LOST, WORD: the reason */
};

typedef struct ViaTable {
    const ViaRow *rows;
    gsize n_rows;
    void (*finish)(Via *via); /* keys that the record's silence stands for; NULL: none */
    const char *kept_as;      /* element of our namespace that holds what is KEPT */
    const char *(*why)(const char *path);
} ViaTable;

/* What is done to the domain when it is there; `text` as it was given to via_after(). */
typedef void (*ViaAfterFunc)(ConfDomain *def, const char *text);

/* Reads `native` by the table. Closes the report. */
ConfDomain *via_to_domain(ConfNative *native, ConfReport *report, const ViaTable *table,
                          GError **error);
/* ViaTable.why: the reason of the row for a path of the report. */
const char *via_why(const ViaTable *table, const char *path);

/* ---- for hooks ---- */

/* A key of xl, or a word "key=value" of the device's text that is being made (value NULL: a flag).
 * `node` is what says it, and is marked; NULL: the record's silence. A second one that says
 * otherwise is lost. */
void via_put(Via *via, const char *key, const char *value, ConfNode *node, const char *path);
void via_put_number(Via *via, const char *key, gint64 number, ConfNode *node, const char *path);
/* One more item of a list of xl's. */
void via_put_item(Via *via, const char *key, const char *value, ConfNode *node, const char *path);
/* A list by itself: the caller puts nodes into it. */
ConfNode *via_put_list(Via *via, const char *key, ConfNode *node, const char *path);
bool via_has(const Via *via, const char *key);
void via_lost(Via *via, ConfNode *node, const char *path, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void via_changed(Via *via, ConfNode *node, const char *path, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* A difference of a whole group, whose fields keep their own fates. */
void via_remark(Via *via, const ConfNode *node, const char *path, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void via_keep(Via *via, ConfNode *node, const char *path);
void via_after(Via *via, ViaAfterFunc func, const char *text);
/* The rows below row->path, for one device: what they say becomes one item of the list row->key,
 * between `head` and `tail` (may be NULL). */
void via_device(Via *via, const ViaRow *row, ConfNode *group, const char *path, const char *head,
                const char *tail);
bool via_knows(const Via *via, const char *path); /* a row's, without counts */
const ConfNative *via_native(const Via *via);

/* A node below `group` by its path; NULL: none. */
ConfNode *via_find(const ConfNode *group, const char *path);
/* The text of a scalar; NULL where it is none, or empty. */
const char *via_text(const ConfNode *node);
const char *via_find_text(const ConfNode *group, const char *path);
bool via_get_bool(const ConfNode *node, bool *ret);
bool via_get_number(const ConfNode *node, gint64 *ret);
bool via_is_on(const ConfNode *group, const char *path);
/* [0, 1, 3] as "0-1,3"; NULL: something else is in it, or a number over `limit`. */
char *via_ranges(const ConfNode *list, unsigned limit);
