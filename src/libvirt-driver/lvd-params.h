/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's typed parameters: lists of named values that many calls take or return. Private to the
 * procedures' half of this folder.
 */
#pragma once

#include "lvd-do.h"

G_BEGIN_DECLS

/* ---- to a client ---- */

/* A GArray of lvd_typed_param that owns what is in it. */
GArray *lvd_params_new(void);
void lvd_params_add_int(GArray *params, const char *field, int value);
void lvd_params_add_uint(GArray *params, const char *field, guint value);
void lvd_params_add_llong(GArray *params, const char *field, gint64 value);
void lvd_params_add_ullong(GArray *params, const char *field, guint64 value);
void lvd_params_add_bool(GArray *params, const char *field, gboolean value);
void lvd_params_add_string(GArray *params, const char *field, const char *value);
/* Nothing is added for -1, "not known". */
void lvd_params_add_figure(GArray *params, const char *field, gint64 value);
/* virDomainGetJobStats, and the event of a job that is over. */
void lvd_add_job_stats(GArray *params, const HvJobInfo *info);
/* As the list of a reply or message (its VALUE and LENGTH); takes `params` over. */
void lvd_params_give(GArray *params, lvd_typed_param **ret_val, u_int *ret_len);

/* The answer to a call that first asks, with `wanted` 0, how many there are. Strings go to clients
 * only that say they know them (VIR_TYPED_PARAM_STRING_OKAY in `flags`). Takes `params` over.
 * `ret_n` may be NULL. (lvd-do.c) */
gboolean lvd_params_return(LvdCall *call, GArray *params, gint64 wanted, gint64 max, unsigned flags,
                           lvd_typed_param **ret_val, u_int *ret_len, int *ret_n, GError **error);

/* ---- from a client ---- */

typedef struct LvdParamRow {
    const char *field;
    int type; /* VIR_TYPED_PARAM_* */
} LvdParamRow;

/* Each parameter is one of the rows, of its type, and there once. *error in libvirt's words. */
gboolean lvd_params_check(const lvd_typed_param *params, u_int n, const LvdParamRow *rows,
                          gsize n_rows, GError **error);
/* NULL: it is not there. */
const lvd_typed_param_value *lvd_params_find(const lvd_typed_param *params, u_int n,
                                             const char *field);

G_END_DECLS
