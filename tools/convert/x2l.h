/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen2libvirt: from files to definitions. Three steps, each in its own file:
 *
 *   x2l-walk.c     paths -> inputs (which files of a tree are domain configurations)
 *   x2l-convert.c  input -> domXML and loss report; knows no libvirt
 *   x2l-import.c   domXML -> a libvirt, over its public client library
 */
#pragma once

#include <conf/conf.h>

G_BEGIN_DECLS

#define X2L_ERROR (x2l_error_quark())
GQuark x2l_error_quark(void);
typedef enum X2lError {
    X2L_ERROR_FILE,   /* cannot be read or written */
    X2L_ERROR_IMPORT, /* libvirt said no */
} X2lError;

typedef struct X2lOptions {
    ConfFormat format; /* AUTO: each file for itself */
    GHashTable *set;   /* --set NAME=VALUE */
    gboolean recursive;
    gboolean verbose;
    gboolean replace;
} X2lOptions;

/* One file to convert. */
typedef struct X2lInput {
    char *path;         /* as the user would name it; "-" = standard input */
    gboolean autostart; /* it stands in, or is linked from, a folder named "auto" */
    gboolean walked;    /* found in a tree, not named by the user: may turn out to be no domain */
} X2lInput;

void x2l_input_free(X2lInput *input);

/* Appends the inputs of `path` to `inputs` (X2lInput), in the order of their names, each file once,
 * however many links lead to it. Folders are read only with options->recursive. Files that are
 * known not to be domains are named through x2l_skip(). FALSE when `path` itself cannot be read; a
 * folder inside that cannot be read is reported through *ret_failures. */
gboolean x2l_walk(const char *path, const X2lOptions *options, GPtrArray *inputs,
                  guint *ret_failures, GError **error);

/* "FILE: skipped: REASON" on stderr with --verbose. Counts. */
void x2l_skip(const X2lOptions *options, const char *path, const char *reason);
guint x2l_skipped(void);

/* One domain of one input. */
typedef struct X2lDomain {
    const X2lInput *input;
    ConfDomain *def;
    ConfReport *report;
    ConfFormat format;
    gboolean autostart;
} X2lDomain;

/* Reads and converts. A domain that fails is one error in `errors` (char *, complete lines);
 * the others are still returned. An input that turns out not to be a domain gives none of both. */
GPtrArray *x2l_convert(const X2lInput *input, const X2lOptions *options, GPtrArray *errors);

/* The whole of a file, at most CONF_MAX_INPUT bytes. "-" is standard input. */
char *x2l_read(const char *path, gsize *ret_len, GError **error);
/* Temporary file, fsync, rename: never half a file. */
gboolean x2l_write(const char *path, const char *text, GError **error);

/* ---- import ---- */

typedef struct X2lTarget X2lTarget;

X2lTarget *x2l_target_open(const char *uri,
                           GError **error); /* NULL: libvirt's default, or xen:///system */
void x2l_target_close(X2lTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X2lTarget, x2l_target_close)

typedef enum X2lImported {
    X2L_IMPORTED_NEW,
    X2L_IMPORTED_REPLACED,
    X2L_IMPORTED_EXISTS
} X2lImported;

/* Defines, and sets autostart where the old host had it. A domain of that name that is there
 * already is left as it is (EXISTS) unless `replace`. */
gboolean x2l_target_define(X2lTarget *target, const X2lDomain *domain, gboolean replace,
                           X2lImported *ret_imported, GError **error);

G_END_DECLS
