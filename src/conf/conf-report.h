/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loss report: what became of every key of one input. Nothing is lost in silence: a key is
 * carried, or named here with its place and the reason.
 */
#pragma once

#include <conf/conf-native.h>
#include <glib.h>

G_BEGIN_DECLS

typedef enum ConfOutcome {
    CONF_OUTCOME_CARRIED,
    CONF_OUTCOME_DEFAULT, /* equal to what holds without it */
    CONF_OUTCOME_RUNTIME, /* state of a running domain, not configuration */
    CONF_OUTCOME_CHANGED, /* carried, with a difference that the reason explains */
    CONF_OUTCOME_LOST,
} ConfOutcome;

typedef struct ConfReportRow {
    ConfOutcome outcome;
    unsigned line, column; /* 0: no place (domXML input) */
    char *path;            /* "disk[0].script", "image/hvm/vncdisplay", "/domain/memtune" */
    char *value;           /* as it stands in the input, shortened to 80 characters; may be NULL */
    bool ours; /* CARRIED in an element of ours in <metadata>, where the mapping says so itself */
    char *reason; /* LOST and CHANGED: a phrase without a full stop; else NULL */
} ConfReportRow;

typedef struct ConfReport {
    char *file;
    GPtrArray *rows;         /* ConfReportRow, in order of place */
    struct ConfArena *arena; /* private: the memory of the rows */
} ConfReport;

ConfReport *conf_report_new(const char *file);
void conf_report_free(ConfReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfReport, conf_report_free)

/* `reason` is printf-like and may be NULL for CARRIED, DEFAULT and RUNTIME. */
void conf_report_add(ConfReport *report, ConfOutcome outcome, unsigned line, unsigned column,
                     const char *path, const char *value, const char *reason, ...)
    G_GNUC_PRINTF(7, 8);

/* Adds a row for each node below `root` by its fate; a node UNSEEN becomes LOST with `why(path)`'s
 * answer (NULL: "unknown key"). Call it once, when the mapping is done. Sorts the rows by place. */
typedef const char *(*ConfWhyFunc)(const char *path);
void conf_report_close(ConfReport *report, const ConfNative *native, ConfWhyFunc why);

unsigned conf_report_count(const ConfReport *report, ConfOutcome outcome);

/* One line a lost or changed key: "FILE:LINE:COLUMN: KEY: reason\n"; "" when there is none.
 * `all` adds the other rows. */
char *conf_report_format_text(const ConfReport *report, bool all);

G_END_DECLS
