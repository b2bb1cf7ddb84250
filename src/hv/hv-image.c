/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XML in a saved domain's file: read, and replaced. The stream behind it is the engine's. */
#include "hv-private.h"

#include <errno.h>
#include <unistd.h>

#define CHUNK (1u << 20)

static char *
format_image(const char *path, unsigned conf_xml_flags, GError **error)
{
    g_autoptr(ConfDomain) def = NULL;
    gboolean paused;
    int fd = hv_save_open(path, &def, &paused, error);

    if (fd < 0)
        return NULL;
    close(fd);
    return conf_domain_format_xml(def, conf_xml_flags | CONF_XML_INACTIVE);
}

char *
hv_image_format_xml(const char *path, unsigned conf_xml_flags, GError **error)
{
    if (!hv_check_path(path, error))
        return NULL;
    return format_image(path, conf_xml_flags, error);
}

/* From where `from` stands to its end. */
static gboolean
copy_stream(int from, HvNewFile *to, GError **error)
{
    g_autofree char *chunk = g_malloc(CHUNK);

    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to->fd, NULL, G_MAXINT32 / 2, 0);

        if (n == 0)
            return TRUE;
        if (n < 0)
            break;
    }
    for (;;) {
        ssize_t n = read(from, chunk, CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            hv_set_io_error(error, errno, "read", to->path);
            return FALSE;
        }
        if (n == 0)
            return TRUE;
        if (!hv_write_all(to->fd, chunk, (gsize)n, to->path, error))
            return FALSE;
    }
}

/* A new file takes the place of the old one, so that there is a whole image at any moment. */
static gboolean
replace(const char *path, ConfDomain *replacement, unsigned save_flags, GError **error)
{
    g_autoptr(ConfDomain) saved = NULL;
    g_autoptr(HvNewFile) file = NULL;
    gboolean paused, ok;
    int fd = hv_save_open(path, &saved, &paused, error);

    if (fd < 0)
        return FALSE;
    if (save_flags & (HV_SAVE_RUNNING | HV_SAVE_PAUSED))
        paused = (save_flags & HV_SAVE_PAUSED) != 0;
    ok = hv_save_check_replacement(saved, replacement, error);
    if (ok && !replacement->uuid_set) {
        memcpy(replacement->uuid, saved->uuid, sizeof(replacement->uuid));
        replacement->uuid_set = true;
    }
    file = ok ? hv_new_file_open(path, error) : NULL;
    ok = file && hv_def_prepare(replacement, error) &&
         hv_save_write_head(file, replacement, paused, error) && copy_stream(fd, file, error) &&
         hv_new_file_commit(file, error);
    close(fd);
    return ok;
}

gboolean
hv_image_define_xml(const char *path, ConfDomain *taken, unsigned save_flags, GError **error)
{
    g_autoptr(ConfDomain) replacement = taken;

    if (!hv_check_path(path, error) || !hv_save_check_flags(save_flags, error))
        return FALSE;
    return replace(path, replacement, save_flags, error);
}

/* ---- managed ones ---- */

static gboolean
check_managed(HvDomain *domain, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);

    if (!hv_control_domain_spare(now, error))
        return FALSE;
    if (now->managed_save)
        return TRUE;
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                        "domain does not have managed save image");
    return FALSE;
}

char *
hv_domain_managed_save_format_xml(HvDomain *domain, unsigned conf_xml_flags, GError **error)
{
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);

    return check_managed(domain, error) ? format_image(path, conf_xml_flags, error) : NULL;
}

gboolean
hv_domain_managed_save_define_xml(HvDomain *domain, ConfDomain *taken, unsigned save_flags,
                                  GError **error)
{
    g_autoptr(ConfDomain) replacement = taken;
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);

    return job && check_managed(domain, error) &&
           hv_image_define_xml(path, g_steal_pointer(&replacement), save_flags, error);
}
