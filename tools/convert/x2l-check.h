/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What will go wrong, found before anything is imported. */
#pragma once

#include "x2l-root.h"
#include "x2l.h"

G_BEGIN_DECLS

typedef enum X2lSeverity {
    X2L_NOTE,    /* worth knowing */
    X2L_WARNING, /* may go wrong, or is not as it was */
    X2L_SEVERE,  /* will not be imported, or would not start */
    X2L_N_SEVERITIES,
} X2lSeverity;

const char *x2l_severity_word(X2lSeverity severity); /* "note", "warning", "error" */

/* A kind of finding: one row of a table in x2l-check.c. */
typedef struct X2lProblem {
    const char *code;  /* "image-missing": of the JSON report */
    const char *title; /* "Disk images that are not there": over several of them */
    X2lSeverity severity;
    gboolean blocks;    /* the domain is not imported */
    const char *advice; /* what to do, where a finding does not say it better; NULL: nothing */
} X2lProblem;

typedef struct X2lFinding {
    const X2lProblem *problem;
    const X2lDomain *domain; /* NULL: of the host, or of a file that gave none */
    char *text;   /* a phrase without a full stop; names its file and line if it has one */
    char *advice; /* NULL: the problem's */
} X2lFinding;

const char *x2l_finding_advice(const X2lFinding *finding); /* NULL: none */

/* Appends a finding of the problem with this code to `findings` (X2lFinding), counts it for the
 * domain and blocks it where the problem does. `code` is one of the table: anything else is a bug.
 */
void x2l_find(GPtrArray *findings, const char *code, X2lDomain *domain, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
GPtrArray *x2l_findings_new(void);

/* The new host, as far as it is known. */
typedef struct X2lWorld {
    const X2lRoot *root; /* paths are looked up below it first; NULL: not */
    gboolean asked;      /* a libvirt was asked; else only paths are known */
    gboolean local;      /* paths of this machine are the new host's */
    GHashTable *bridges; /* names of network devices; NULL: not known */
    guint64 memory_kib;  /* 0: not known */
    unsigned cpus;       /* 0: not known */
} X2lWorld;

void x2l_world_clear(X2lWorld *world);

/* Of several domains of one name or uuid one counts: the others get `same_as` and are blocked.
 * xend's store goes before /etc/xen, and the first one before the others. To be called before
 * anything is looked at for each domain. `domains`: X2lDomain, in the order of their inputs. */
void x2l_check_duplicates(const GPtrArray *domains, GPtrArray *findings);
/* The same for one domain after the other; `names` is a table of owned strings that knows the ones
 * before, which have to stay. */
void x2l_check_duplicate(X2lDomain *domain, GHashTable *names, GPtrArray *findings);

/* All other checks, domain by domain, then across domains. */
void x2l_check_all(const GPtrArray *domains, const X2lWorld *world, GPtrArray *findings);

/* Across domains (x2l-check-all.c); for x2l_check_all(). */
void x2l_check_across(const GPtrArray *domains, const X2lWorld *world, GPtrArray *findings);

G_END_DECLS
