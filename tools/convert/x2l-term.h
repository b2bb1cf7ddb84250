/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run shows on the terminal: short, coloured where it is one, with a bar while it lasts. */
#pragma once

#include "x2l-report.h"

#include <stdio.h>

G_BEGIN_DECLS

typedef enum X2lStyle {
    X2L_STYLE_PLAIN,
    X2L_STYLE_BOLD,
    X2L_STYLE_DIM,
    X2L_STYLE_RED,
    X2L_STYLE_YELLOW,
    X2L_STYLE_GREEN,
    X2L_STYLE_CYAN,
    X2L_N_STYLES,
} X2lStyle;

/* Colours where the stream is a terminal that knows them, and $NO_COLOR is not set. */
void x2l_term_init(void);

/* printf() with a style around it. Takes the bar away first. Text of configs has to go through
 * x2l_printable(). */
void x2l_print(FILE *stream, X2lStyle style, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Valid UTF-8 without control characters (they become \xNN), so that no name in a config can speak
 * to a terminal or make a second line. */
char *x2l_printable(const char *text);

/* "xen2libvirt: error: MESSAGE" */
void x2l_print_error(const char *message);
/* The report's lines of one domain: what was lost or changed; with `all` the rest, too. */
void x2l_print_report(const ConfReport *report, gboolean all);
void x2l_print_defaults(const X2lDomain *domain);
/* A unified diff, indented. */
void x2l_print_diff(const char *diff);

/* Findings, the plan and the totals of a whole host. */
void x2l_print_findings(const X2lReport *report, gboolean all);
void x2l_print_plan(const X2lReport *report, gboolean all);

/* A bar on stderr, where that is a terminal and there are many things to do. */
void x2l_progress_begin(const char *what, unsigned total);
void x2l_progress_step(unsigned done);
void x2l_progress_end(void);

G_END_DECLS
