/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen2libvirt: from files to definitions. What all of its files share; each step has its own:
 *
 *   xen2libvirt.c    what the user asked for
 *   x2l-run.c        one run: the steps below in their order, and the exit status
 *   x2l-walk.c       paths -> inputs (which files of a tree are domain configurations)
 *   x2l-root.c       an old host's file system below a folder; its links stay inside
 *   x2l-host.c       --host: where the inputs of a whole host lie
 *   x2l-site.c       --host: xend-config.sxp and xl.conf -> defaults of domains, plan rows
 * (x2l-plan*) x2l-net.c        --host: network-script -> bridges, in the words of four systems
 *   x2l-convert.c    input -> model and loss report, in threads (x2l-jobs.c); knows no libvirt
 *   x2l-tar.c x2l-xva.c x2l-disk.c  XenServer's archives: ova.xml, and the disks behind it
 *   x2l-default.c    --host: what the old host's defaults say where a domain is silent
 *   x2l-check.c      what will go wrong: duplicates, missing images, bridges, firmware ...
 *   x2l-import.c     model -> a libvirt, over its public client library
 *   x2l-report*.c    what a run found, as JSON, HTML and Markdown
 *   x2l-term.c       what a run shows on the terminal
 */
#pragma once

#include <conf/conf.h>

G_BEGIN_DECLS

#define X2L_ERROR (x2l_error_quark())
GQuark x2l_error_quark(void);
typedef enum X2lError {
    X2L_ERROR_FILE,     /* cannot be read or written */
    X2L_ERROR_IMPORT,   /* libvirt said no */
    X2L_ERROR_CONFLICT, /* the name or the uuid belongs to another domain there */
} X2lError;

typedef struct X2lRoot X2lRoot; /* x2l-root.h */
typedef struct X2lSite X2lSite; /* x2l-site.h */

typedef struct X2lOptions {
    ConfFormat format;   /* AUTO: each file for itself */
    ConfFormat in_doubt; /* what a file is that could be xl as well as xm */
    GHashTable *set;     /* --set NAME=VALUE */
    gboolean recursive;
    gboolean verbose;
    gboolean replace;
    unsigned jobs;           /* 0: as many as there are processors */
    const X2lRoot *root;     /* the old host; NULL: PATHs of this one */
    const X2lSite *site;     /* the old host's defaults; NULL: none */
    gboolean want_xml;       /* X2lDomain.xml shall be there */
    gboolean all_vms;        /* XVA: templates, snapshots and control domains, too */
    const char *extract_dir; /* XVA: absolute; where disks are written to; NULL: nowhere */
    const char *disk_format; /* "raw" or "qcow2" */
} X2lOptions;

/* Where an input was found, in the order of who wins where two describe one domain. */
typedef enum X2lSource {
    X2L_SOURCE_PATH, /* named by the user, or in a tree that was */
    X2L_SOURCE_XEND, /* xend's store of managed domains */
    X2L_SOURCE_ETC,  /* the administrator's files in /etc/xen */
    X2L_SOURCE_AUTO, /* a copy, not a link, in /etc/xen/auto */
} X2lSource;

/* One file to convert. */
typedef struct X2lInput {
    char *path;    /* as the user would name it; "-" = standard input */
    char *on_host; /* --host: its path on the old host; else NULL */
    char *real;    /* what to open where `path` leads over links inside of a root; else NULL */
    X2lSource source;
    gboolean autostart; /* it stands in, or is linked from, a folder named "auto" */
    gboolean walked;    /* found in a tree, not named by the user: may turn out to be no domain */
} X2lInput;

void x2l_input_free(X2lInput *input);

/* A file that was passed over. */
typedef struct X2lSkip {
    char *path;
    char *reason;
    gboolean loud; /* said without --verbose, too: it might have been meant as a domain */
} X2lSkip;

void x2l_skip_free(X2lSkip *skip);
X2lSkip *x2l_skip_new(const char *path, const char *reason, gboolean loud);

/* What a walk found: all owned. */
typedef struct X2lFound {
    GPtrArray *inputs; /* X2lInput */
    GPtrArray *skips;  /* X2lSkip */
    GPtrArray *errors; /* char *: "PATH: reason" */
} X2lFound;

void x2l_found_init(X2lFound *found);
void x2l_found_clear(X2lFound *found);

/* Appends the inputs of `path`, in the order of their names, each file once, however many links
 * lead to it. Folders are read only with options->recursive; what is known not to be a domain
 * becomes a skip, a folder inside that cannot be read an error. FALSE when `path` itself cannot be
 * read. */
gboolean x2l_walk(const char *path, const X2lOptions *options, X2lFound *found, GError **error);

/* The same for a folder of the old host options->root; FALSE and no error when there is none. Files
 * that an earlier call with the same `seen` found count as seen: NULL where each call stands alone,
 * else a table of x2l_seen_new(). */
gboolean x2l_walk_host(const char *folder, X2lSource source, const X2lOptions *options,
                       GHashTable *seen, X2lFound *found);
GHashTable *x2l_seen_new(void);

/* What of a domain's uuid is the config's. */
typedef enum X2lUuid {
    X2L_UUID_NONE,    /* not set: the libvirt that defines it makes one */
    X2L_UUID_CONFIG,  /* as the config says */
    X2L_UUID_DERIVED, /* made of name and path, the same in each run */
    X2L_UUID_TARGET,  /* that of the domain of this name in the target */
} X2lUuid;

/* What is done, or with --dry-run would be done, to a domain. */
typedef enum X2lAction {
    X2L_ACTION_NONE,     /* converted only; nothing to compare with */
    X2L_ACTION_NEW,      /* defined */
    X2L_ACTION_REDEFINE, /* --replace: it differs */
    X2L_ACTION_SAME,     /* it is there, and says the same */
    X2L_ACTION_EXISTS,   /* it is there, differs, and is left as it is */
    X2L_ACTION_CONFLICT, /* name or uuid belong to another domain there */
    X2L_ACTION_BLOCKED,  /* an error that was found before keeps it from being imported */
    X2L_ACTION_FAILED,   /* libvirt refused it */
    X2L_ACTION_UNDONE,   /* --atomic: another one failed */
    X2L_N_ACTIONS,
} X2lAction;

/* A value that the old host's own configuration gave to a domain that is silent about it. */
typedef struct X2lDefault {
    const char *key;  /* "vif-script" */
    char *path;       /* where it went: "vif[0].script" */
    char *value;      /* a password is "***" */
    const char *file; /* of the configuration it stands in; lives as long as the site */
    unsigned line;
} X2lDefault;

/* One domain of one input. */
typedef struct X2lDomain {
    const X2lInput *input;
    ConfDomain *def;
    ConfReport *report;
    GPtrArray *defaults; /* X2lDefault; NULL: none */
    ConfXlExt *ext;      /* what of it rides in our element of <metadata>; NULL: nothing */
    GHashTable *ours;    /* rows of these keys: "ioports", "disk[0]"; NULL: none */
    char *xml;           /* with passwords; NULL unless options->want_xml */
    ConfFormat format;
    X2lUuid uuid_from;
    gboolean autostart;
    gboolean doubtful; /* it reads the same as xl and as xm */
    unsigned index;    /* among all domains of the run */

    /* x2l-check.c */
    const struct X2lDomain *same_as; /* this one repeats another, which counts; else NULL */
    unsigned n_findings[3];          /* by X2lSeverity */
    gboolean blocked;                /* will not be imported */

    /* x2l-import.c */
    X2lAction action;
    char *diff;  /* NEW: NULL; REDEFINE, EXISTS: unified; without passwords */
    char *error; /* CONFLICT, FAILED */
} X2lDomain;

/* What became of one input. All owned. */
typedef struct X2lResult {
    GPtrArray *domains; /* X2lDomain */
    GPtrArray *errors;  /* char *: complete lines, begin with the path */
    X2lSkip *skip;      /* NULL: it is a domain's, or an error */
    GPtrArray *skips;   /* X2lSkip: parts of it that are no domains; NULL: none */
} X2lResult;

X2lResult *x2l_result_new(void);
void x2l_result_free(X2lResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lResult, x2l_result_free)

/* Reads and converts. A domain that fails is one error; the others are still returned. An input
 * that turns out not to be a domain gives a skip. Any thread. */
X2lResult *x2l_convert(const X2lInput *input, const X2lOptions *options);

/* x2l_convert() of all inputs, options->jobs at a time. `take` gets each result, in the order of
 * the inputs, in the caller's thread; it owns the result. */
typedef void (*X2lTakeFunc)(X2lResult *result, unsigned index, gpointer data);
void x2l_convert_all(const GPtrArray *inputs, const X2lOptions *options, X2lTakeFunc take,
                     gpointer data);

/* The whole of a file, at most CONF_MAX_INPUT bytes. "-" is standard input. */
char *x2l_read(const char *path, gsize *ret_len, GError **error);
/* The same for a file that must be a regular one and no link; neither waits for a FIFO. */
char *x2l_read_regular(const char *path, gsize *ret_len, GError **error);
/* Temporary file, fsync, rename: never half a file. */
gboolean x2l_write(const char *path, const char *text, GError **error);
/* The same without the fsync: what a crash of the system takes is made again by another run. */
gboolean x2l_write_soon(const char *path, const char *text, GError **error);

G_END_DECLS
