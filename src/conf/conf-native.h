/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The native tree: what stands in an xl, xm or sxp config, each key with its place.
 *
 * One node type for all three. xl and xm: the root is a GROUP whose items are the keys in order of
 * their (last) assignment. sxp: (key v1 v2 ...) is a node with key = head atom; one scalar behind
 * the head makes it a scalar node, none makes it NONE, anything else a GROUP of keyed and keyless
 * nodes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

G_BEGIN_DECLS

typedef enum ConfFormat {
    CONF_FORMAT_AUTO,
    CONF_FORMAT_XL,      /* "xen-xl" */
    CONF_FORMAT_XM,      /* "xen-xm": Python, evaluated safely */
    CONF_FORMAT_SXP,     /* "xen-sxpr", "xen-sxp", old name "sexpr" */
    CONF_FORMAT_DOMXML,  /* detected only */
    CONF_FORMAT_XL_JSON, /* "xl-json": libxl's own record, as `xl list -l` prints it; read only */
    CONF_FORMAT_XVA,     /* "xva": XenServer's ova.xml; read only */
} ConfFormat;

/* "xen-xl", "xen-xm", "xen-sxpr"; also accepts xen-sxp, sexpr, xm, xl, auto. -1 when unknown. */
int conf_format_parse(const char *name);
const char *conf_format_name(ConfFormat format);

/* What the text is: '(' first = sxp, '{' or '[' first = libxl's JSON, '<' first = domXML, or
 * ova.xml by its first element; Python constructs = xm; keys and value forms that only one of xl
 * and xm has decide between these, and in doubt it is xl. Looks at the content only, never fails.
 */
ConfFormat conf_format_detect(const char *text, gsize len);
/* The same for who knows what the files of a place were written for: in doubt it is `in_doubt`. */
ConfFormat conf_format_detect_or(const char *text, gsize len, ConfFormat in_doubt);

typedef enum ConfNodeKind {
    CONF_NODE_NONE, /* None, an empty sxp value */
    CONF_NODE_STRING,
    CONF_NODE_INT,
    CONF_NODE_FLOAT,
    CONF_NODE_LIST,   /* items without keys */
    CONF_NODE_GROUP,  /* items with keys (and, in sxp, without) */
    CONF_NODE_OPAQUE, /* xm: a value the evaluator did not work out; `text` says why */
} ConfNodeKind;

/* What became of a node; the mapping sets it, the report reads it. */
typedef enum ConfFate {
    CONF_FATE_UNSEEN, /* nobody asked for it: reported as lost */
    CONF_FATE_CARRIED,
    CONF_FATE_DEFAULT, /* says what is the case anyway */
    CONF_FATE_RUNTIME, /* describes a running domain (domid, cpu_time): has no place in a definition
                        */
    CONF_FATE_LOST,    /* named in the report by the mapping itself */
} ConfFate;

typedef struct ConfNode ConfNode;
struct ConfNode {
    ConfNodeKind kind;
    ConfFate fate;
    unsigned line, column; /* 1-based, of the key, or of the value where there is no key */
    unsigned value_line, value_column; /* of the value's first character */
    char *key;                         /* NULL inside a list */
    char *text;       /* scalars: the value as text, unescaped ("0x400" stays "0x400") */
    gint64 number;    /* INT */
    double real;      /* FLOAT, and INT too */
    GPtrArray *items; /* LIST, GROUP: ConfNode; else NULL */
    bool in_arena;    /* node, key and text are memory of the native they belong to */
};

ConfNode *conf_node_new(ConfNodeKind kind, const char *key, unsigned line, unsigned column);
void conf_node_free(ConfNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfNode, conf_node_free)
/* The last item with this key, or NULL. Does not mark. */
ConfNode *conf_node_find(const ConfNode *group, const char *key);
/* Marks the node and all below it. */
void conf_node_mark(ConfNode *node, ConfFate fate);

/* One domain's configuration as it was read. */
typedef struct ConfNative {
    ConfFormat format; /* XL, XM, SXP, XL_JSON or XVA */
    char *file;        /* what messages call the input; never opened */
    ConfNode *root;
    /* XVA: where the disks of the archive will lie, in which format ("raw", "qcow2"; NULL: raw),
     * and the path of those that another VM has named already (reference -> path). NULL disk_dir:
     * nobody knows. Set by the caller before conf_domain_from_native(). */
    char *disk_dir, *disk_format;
    GHashTable *disk_paths;
    struct ConfArena *arena; /* private */
    GPtrArray *notes; /* ConfNote: what the reader itself could not carry (a truncated tail, a
                         Python construct outside the evaluator's scope) */
} ConfNative;

typedef struct ConfNote {
    unsigned line, column;
    char *text;
    bool carried; /* nothing is lost by it: what is there has a difference */
} ConfNote;

typedef struct ConfNativeOptions {
    /* xm: NAME -> VALUE as `xm create NAME=VALUE` gives them; NULL = none. Both const char *. */
    GHashTable *set;
    /* xm: what os.uname()[4] answers; NULL = "x86_64" */
    const char *machine;
} ConfNativeOptions;

/* Read `text`. Returns a GPtrArray of ConfNative (owned): one for xl and xm, one a (domain ...) for
 * sxp, one a domain for JSON, one a VM for ova.xml. NULL and *error ("FILE:LINE:COLUMN: reason")
 * where nothing can be made of it. `options` may be NULL. Cost: linear in len; xm is bounded in
 * steps, memory and depth. */
GPtrArray *conf_native_parse(ConfFormat format, const char *text, gsize len, const char *file,
                             const ConfNativeOptions *options, GError **error);
ConfNative *conf_native_new(ConfFormat format, const char *file);
void conf_native_free(ConfNative *native);
/* Until the next one is added the caller may change what is returned. */
ConfNote *conf_native_add_note(ConfNative *native, unsigned line, unsigned column,
                               const char *format, ...) G_GNUC_PRINTF(4, 5);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfNative, conf_native_free)

/* ova.xml: why this VM is no domain of its own ("a snapshot of 'web'", "a template", "a control
 * domain"); NULL: it is one. Free the text. */
char *conf_native_aside(const ConfNative *native);

/* ova.xml: a disk whose blocks are in the archive. */
typedef struct ConfXvaDisk {
    char *ref;    /* "Ref:7": the folder of its blocks */
    guint64 size; /* bytes */
    char *target; /* "xvda" */
    char *path;   /* of the file that the definition names: in native->disk_dir, or guessed */
} ConfXvaDisk;
void conf_xva_disk_free(ConfXvaDisk *disk);             /* accepts NULL */
GPtrArray *conf_native_disks(const ConfNative *native); /* ConfXvaDisk, owned */

/* Whether the config says that the guest starts with the host: (on_xend_start start) and the like.
 * domXML has no place for it; who imports sets the flag with virDomainSetAutostart(). */
gboolean conf_native_wants_autostart(const ConfNative *native);

G_END_DECLS
