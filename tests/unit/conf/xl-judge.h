/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xl itself makes of a config: libxlutil reads it, and its sub-syntaxes become libxl's
 * structs, told as text that is the same for what means the same. */
#pragma once

#include <glib.h>
#include <libxlutil.h>
#include <stdbool.h>

G_BEGIN_DECLS

typedef struct XlJudge {
    XLU_Config *config;
    FILE *log;
    char *text; /* what libxlutil complains about; read it with xl_judge_complaint() */
    size_t len;
    bool readable;
} XlJudge;

/* Not a NULL-terminated text: `len` bytes of it. */
void xl_judge_init(XlJudge *judge, const char *text, size_t len);
void xl_judge_clear(XlJudge *judge);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(XlJudge, xl_judge_clear)
const char *xl_judge_complaint(XlJudge *judge);

/* The value of a key. NULL: it is not there. Lists have "[item | item]"; what one of libxlutil's
 * own parsers reads (disk, pci, rdm, the rate of a vif) is told as that parser understood it, or as
 * "refused". g_free() it. */
char *xl_judge_value(XlJudge *judge, const char *key);

/* One text of disk= or pci=, as JSON of libxl's; NULL: refused. g_free() it. */
char *xl_judge_disk(XlJudge *judge, const char *spec);
char *xl_judge_pci(XlJudge *judge, const char *spec);

G_END_DECLS
