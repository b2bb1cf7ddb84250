/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of the converter, from the files to the exit status. */
#pragma once

#include "x2l.h"

G_BEGIN_DECLS

typedef enum X2lStatus {
    X2L_STATUS_OK = 0,
    X2L_STATUS_FAILED = 1, /* something could not be read, converted or defined */
    X2L_STATUS_LOST = 2,   /* --strict: all was done, and keys were not carried */
} X2lStatus;

typedef struct X2lRunOptions {
    X2lOptions convert; /* root and site are the run's own */
    const char *host;   /* --host; NULL: paths */
    char **paths;
    const char *uri;
    const char *output_dir;
    char **reports;
    gboolean convert_only, dry_run, atomic, strict;
} X2lRunOptions;

X2lStatus x2l_run(const X2lRunOptions *options);

/* A text for one domain: into --output-dir as NAME + suffix, else on standard output. */
gboolean x2l_put_out(const char *output_dir, const char *name, const char *suffix, const char *text,
                     GError **error);

G_END_DECLS
