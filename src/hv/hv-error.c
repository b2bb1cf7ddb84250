/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hv-private.h"

G_DEFINE_QUARK(hv_error_quark, hv_error)

void
hv_set_unsupported(GError **error, const HvHost *host, const char *what)
{
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "%s is not supported by engine '%s'", what,
                host->ops->name);
}

void
hv_set_io_error(GError **error, int saved_errno, const char *what, const char *path)
{
    g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot %s '%s': %s", what, path,
                g_strerror(saved_errno));
}

gboolean
hv_set_not_running(GError **error)
{
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, "domain is not running");
    return FALSE;
}

gboolean
hv_refuse(GError **error, HvError code, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, HV_ERROR, code, message);
    return FALSE;
}

gboolean
hv_check_path(const char *path, GError **error)
{
    return g_path_is_absolute(path) ||
           hv_refuse(error, HV_ERROR_INVALID_ARG, "'%s' is not an absolute path", path);
}
