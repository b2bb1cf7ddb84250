/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a run found, whole: for people as HTML and Markdown, for programs as JSON
 * (docs/REPORT.md has the format, docs/report.schema.json checks it).
 */
#pragma once

#include "x2l-check.h"
#include "x2l-net.h"
#include "x2l-site.h"
#include "x2l.h"

G_BEGIN_DECLS

#define X2L_REPORT_VERSION 1 /* of the JSON; counts up when a reader of the old one would break */

/* What became of a key, in the order in which people want to know. */
typedef enum X2lCategory {
    X2L_CATEGORY_LOST,
    X2L_CATEGORY_CHANGED,
    X2L_CATEGORY_HOST,      /* not in the config: from the old host's own configuration */
    X2L_CATEGORY_NAMESPACE, /* carried in <metadata>, in a namespace of ours */
    X2L_CATEGORY_CARRIED,
    X2L_CATEGORY_DEFAULT,
    X2L_CATEGORY_RUNTIME,
    X2L_N_CATEGORIES,
} X2lCategory;

/* Of a row of the domain's report. */
X2lCategory x2l_category_of(const X2lDomain *domain, const ConfReportRow *row);
const char *x2l_category_word(X2lCategory category);  /* "lost": of the JSON */
const char *x2l_category_title(X2lCategory category); /* "not carried": for people */

const char *x2l_action_word(X2lAction action);                    /* "new": of the JSON */
const char *x2l_action_title(X2lAction action, gboolean dry_run); /* "would be defined" */

typedef struct X2lTotals {
    unsigned domains; /* without those that repeat another */
    unsigned actions[X2L_N_ACTIONS];
    unsigned findings[X2L_N_SEVERITIES];
    unsigned keys[X2L_N_CATEGORIES];
    unsigned autostart;
    unsigned failed; /* files and domains that were not done */
} X2lTotals;

/* All borrowed. */
typedef struct X2lReport {
    const char *root;          /* the old host; NULL: paths */
    char *const *paths;        /* NULL with root */
    const char *mode;          /* "convert", "dry-run", "import" */
    const char *target;        /* URI; NULL: none */
    const char *no_target;     /* why it could not be asked; NULL: it was, or need not be */
    const GPtrArray *domains;  /* X2lDomain */
    const GPtrArray *findings; /* X2lFinding */
    const GPtrArray *skips;    /* X2lSkip */
    const X2lSite *site;       /* NULL without root */
    const X2lNet *net;         /* the same */
    const GPtrArray *snippets; /* X2lSnippet; NULL without root */
    X2lTotals totals;
} X2lReport;

/* Counts domains, actions, findings, keys; `failed` is the caller's. */
void x2l_report_count(X2lReport *report);

/* Files end in .json, .html or .htm, .md; FALSE and a message for the user for any other. */
gboolean x2l_report_check_name(const char *path, GError **error);
/* X2L_ERROR_FILE. */
gboolean x2l_report_write(const X2lReport *report, const char *path, GError **error);

char *x2l_report_json(const X2lReport *report);
char *x2l_report_html(const X2lReport *report);
char *x2l_report_markdown(const X2lReport *report);

/* When the report was made, RFC 3339 UTC; $SOURCE_DATE_EPOCH is honoured. */
char *x2l_report_date(void);
/* Findings by severity, the worst first, then by problem and as they were found. Borrowed entries.
 */
GPtrArray *x2l_report_sorted_findings(const X2lReport *report);

G_END_DECLS
