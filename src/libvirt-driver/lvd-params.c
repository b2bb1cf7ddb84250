/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-params.h"

#include <string.h>

#define U lvd_typed_param_value_u

/* ---- to a client ---- */

static void
param_clear(gpointer data)
{
    lvd_typed_param *param = data;

    g_free(param->field);
    if (param->value.type == VIR_TYPED_PARAM_STRING)
        g_free(param->value.U.s);
}

GArray *
lvd_params_new(void)
{
    GArray *params = g_array_new(FALSE, TRUE, sizeof(lvd_typed_param));

    g_array_set_clear_func(params, param_clear);
    return params;
}

static lvd_typed_param_value *
append(GArray *params, const char *field, int type)
{
    g_array_set_size(params, params->len + 1);
    lvd_typed_param *param = &g_array_index(params, lvd_typed_param, params->len - 1);
    param->field = g_strdup(field);
    param->value.type = type;
    return &param->value;
}

void
lvd_params_add_int(GArray *params, const char *field, int value)
{
    append(params, field, VIR_TYPED_PARAM_INT)->U.i = value;
}

void
lvd_params_add_uint(GArray *params, const char *field, guint value)
{
    append(params, field, VIR_TYPED_PARAM_UINT)->U.ui = value;
}

void
lvd_params_add_llong(GArray *params, const char *field, gint64 value)
{
    append(params, field, VIR_TYPED_PARAM_LLONG)->U.l = value;
}

void
lvd_params_add_ullong(GArray *params, const char *field, guint64 value)
{
    append(params, field, VIR_TYPED_PARAM_ULLONG)->U.ul = value;
}

void
lvd_params_add_bool(GArray *params, const char *field, gboolean value)
{
    append(params, field, VIR_TYPED_PARAM_BOOLEAN)->U.b = value != FALSE;
}

void
lvd_params_add_string(GArray *params, const char *field, const char *value)
{
    append(params, field, VIR_TYPED_PARAM_STRING)->U.s = g_strdup(value);
}

void
lvd_params_add_figure(GArray *params, const char *field, gint64 value)
{
    if (value >= 0)
        lvd_params_add_ullong(params, field, (guint64)value);
}

void
lvd_params_give(GArray *params, lvd_typed_param **ret_val, u_int *ret_len)
{
    gsize len = 0;

    *ret_val = g_array_steal(params, &len);
    *ret_len = (u_int)len;
    g_array_unref(params);
}

/* ---- from a client ---- */

static const char *
type_name(int type)
{
    static const char *const names[] = {
        [VIR_TYPED_PARAM_INT] = "int",       [VIR_TYPED_PARAM_UINT] = "uint",
        [VIR_TYPED_PARAM_LLONG] = "llong",   [VIR_TYPED_PARAM_ULLONG] = "ullong",
        [VIR_TYPED_PARAM_DOUBLE] = "double", [VIR_TYPED_PARAM_BOOLEAN] = "boolean",
        [VIR_TYPED_PARAM_STRING] = "string",
    };

    return type > 0 && (gsize)type < G_N_ELEMENTS(names) ? names[type] : "unknown";
}

static gboolean
check_param(const lvd_typed_param *param, const LvdParamRow *rows, gsize n_rows, GError **error)
{
    for (gsize i = 0; i < n_rows; i++) {
        if (strcmp(rows[i].field, param->field) != 0)
            continue;
        if (rows[i].type == param->value.type)
            return TRUE;
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "invalid type '%s' for parameter '%s', expected '%s'",
                      type_name(param->value.type), param->field, type_name(rows[i].type));
        return FALSE;
    }
    lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                  "parameter '%s' not supported", param->field);
    return FALSE;
}

gboolean
lvd_params_check(const lvd_typed_param *params, u_int n, const LvdParamRow *rows, gsize n_rows,
                 GError **error)
{
    for (u_int i = 0; i < n; i++) {
        if (!check_param(&params[i], rows, n_rows, error))
            return FALSE;
        if (lvd_params_find(params, i, params[i].field)) {
            lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                          "parameter '%s' occurs multiple times", params[i].field);
            return FALSE;
        }
    }
    return TRUE;
}

const lvd_typed_param_value *
lvd_params_find(const lvd_typed_param *params, u_int n, const char *field)
{
    for (u_int i = 0; i < n; i++)
        if (strcmp(params[i].field, field) == 0)
            return &params[i].value;
    return NULL;
}

/* ---- jobs ---- */

/* libhv's name of a job -> virDomainJobOperation; a job without a row has no number there. */
static const struct {
    const char *kind;
    int operation;
} job_operations[] = {
    { "start", VIR_DOMAIN_JOB_OPERATION_START },
    { "save", VIR_DOMAIN_JOB_OPERATION_SAVE },
    { "restore", VIR_DOMAIN_JOB_OPERATION_RESTORE },
    { "dump", VIR_DOMAIN_JOB_OPERATION_DUMP },
};

static int
job_operation(const char *kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(job_operations); i++)
        if (g_strcmp0(job_operations[i].kind, kind) == 0)
            return job_operations[i].operation;
    return VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
}

static guint64
remaining(const HvJobInfo *info)
{
    return info->total > info->done ? info->total - info->done : 0;
}

void
lvd_add_job_stats(GArray *params, const HvJobInfo *info)
{
    lvd_params_add_int(params, VIR_DOMAIN_JOB_OPERATION, job_operation(info->kind));
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_TIME_ELAPSED, info->elapsed_ms);
    if (!info->active)
        lvd_params_add_bool(params, VIR_DOMAIN_JOB_SUCCESS, !info->failed);
    if (info->total == 0)
        return;
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_DATA_TOTAL, info->total);
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_DATA_PROCESSED, info->done);
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_DATA_REMAINING, remaining(info));
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_MEMORY_TOTAL, info->total);
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_MEMORY_PROCESSED, info->done);
    lvd_params_add_ullong(params, VIR_DOMAIN_JOB_MEMORY_REMAINING, remaining(info));
}
