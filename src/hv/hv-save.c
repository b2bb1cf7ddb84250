/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running domain into a file and back. The file is the stock Xen driver's: a header of 64 bytes,
 * the domain's XML, the engine's stream. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

static gboolean bad_image(GError **error, const char *path, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
bad_image(GError **error, const char *path, const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is not a saved domain: %s", path, reason);
    return FALSE;
}

/* Exactly len bytes. */
static gboolean
read_all(int fd, void *data, gsize len, const char *path, const char *what, GError **error)
{
    char *at = data;

    while (len > 0) {
        ssize_t n = read(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            hv_set_io_error(error, errno, "read", path);
            return FALSE;
        }
        if (n == 0)
            return bad_image(error, path, "failed to read %s: the file ends within it", what);
        at += n;
        len -= (gsize)n;
    }
    return TRUE;
}

static gboolean
check_header(const HvSaveHeader *header, const char *path, off_t size, GError **error)
{
    if (memcmp(header->magic, "Xen saved domain", sizeof(header->magic)) == 0)
        return bad_image(error, path,
                         "it is an image of xl save, without the domain's XML; use xl restore");
    if (memcmp(header->magic, HV_SAVE_MAGIC, sizeof(header->magic)) != 0)
        return bad_image(error, path, "image magic is incorrect");
    if (header->version != HV_SAVE_VERSION)
        return bad_image(error, path, "image version is not supported (%u, not %u)",
                         header->version, HV_SAVE_VERSION);
    if (header->xml_len <= 1 || header->xml_len > CONF_MAX_XML ||
        (off_t)(sizeof(*header) + header->xml_len) > size)
        return bad_image(error, path, "invalid XML length: %u", header->xml_len);
    return TRUE;
}

static ConfDomain *
read_image(int fd, const char *path, gboolean *ret_paused, GError **error)
{
    HvSaveHeader header;
    g_autofree char *xml = NULL;
    g_autofree char *name = g_strdup_printf("%s (XML within)", path);
    ConfDomain *def;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        hv_set_io_error(error, errno, "read", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        bad_image(error, path, "it is not a regular file");
        return NULL;
    }
    if (!read_all(fd, &header, sizeof(header), path, "header", error) ||
        !check_header(&header, path, st.st_size, error))
        return NULL;
    xml = g_malloc(header.xml_len);
    if (!read_all(fd, xml, header.xml_len, path, "XML", error))
        return NULL;
    if (xml[header.xml_len - 1] != '\0') {
        bad_image(error, path, "its XML has no end");
        return NULL;
    }
    def = conf_domain_parse_xml(xml, -1, name, 0, error);
    if (def)
        *ret_paused = header.paused == 1;
    return def;
}

int
hv_save_open(const char *path, ConfDomain **ret_def, gboolean *ret_paused, GError **error)
{
    /* Not to hang in open() when somebody names a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(ConfDomain) inactive = NULL;

    if (fd < 0) {
        hv_set_io_error(error, errno, "open", path);
        return -1;
    }
    def = read_image(fd, path, ret_paused, error);
    inactive = def ? hv_def_inactive(def, error) : NULL;
    if (!inactive) {
        close(fd);
        return -1;
    }
    *ret_def = g_steal_pointer(&inactive);
    return fd;
}

/* ---- writing ---- */

gboolean
hv_save_check_replacement(const ConfDomain *saved, const ConfDomain *replacement, GError **error)
{
    const char *what = NULL;

    if (replacement->uuid_set && memcmp(saved->uuid, replacement->uuid, 16) != 0)
        what = "uuid";
    else if (!g_str_equal(saved->name, replacement->name))
        what = "name";
    else if (saved->os.type != replacement->os.type)
        what = "os type";
    else if (saved->memory_kib != replacement->memory_kib)
        what = "memory";
    else if (saved->vcpus_max != replacement->vcpus_max)
        what = "number of vcpus";
    if (!what)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                "the %s of the XML handed in differs from that of the domain", what);
    return FALSE;
}

gboolean
hv_save_write_head(HvNewFile *file, const ConfDomain *def, gboolean paused, GError **error)
{
    g_autofree char *xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    HvSaveHeader header = {
        .version = HV_SAVE_VERSION,
        .xml_len = (guint32)strlen(xml) + 1,
        .paused = paused,
    };

    memcpy(header.magic, HV_SAVE_MAGIC, sizeof(header.magic));
    return hv_write_all(file->fd, &header, sizeof(header), file->path, error) &&
           hv_write_all(file->fd, xml, header.xml_len, file->path, error);
}

static gboolean
make_empty(const char *path)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* The guest runs on, so its image must not be taken for a good one: it is emptied first, because
 * nobody knows what becomes of a folder that cannot be synced. */
static void
discard(const char *path)
{
    g_autoptr(GError) error = NULL;
    gboolean empty = make_empty(path);

    if (!hv_store_remove_file(path, &error) && !empty && g_file_test(path, G_FILE_TEST_EXISTS))
        g_warning("'%s' is the image of a domain that runs on: remove it before that domain is "
                  "started the next time: %s",
                  path, error->message);
}

gboolean
hv_save_write_image(HvJob *job, const HvView *now, const ConfDomain *def, const char *path,
                    gboolean paused, GError **error)
{
    HvHost *host = job->domain->host;
    g_autoptr(HvNewFile) file = hv_new_file_open(path, error);

    if (!file || !hv_save_write_head(file, def, paused, error))
        return FALSE;
    if (!host->ops->save(host->engine, now->domid, file->fd, job->cancellable, hv_job_progress, job,
                         error))
        return FALSE;
    if (hv_job_is_cancelled(job)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED,
                    "the memory of domain '%s' was not saved: cancelled", job->domain->name);
        return FALSE;
    }
    if (hv_new_file_commit(file, error))
        return TRUE;
    if (!file->temp)
        discard(path);
    return FALSE;
}

/* Only the engine knows how far a save that failed has come. */
static gboolean
is_suspended(HvHost *host, int domid)
{
    g_autoptr(GArray) all = host->ops->list(host->engine, NULL);

    for (guint i = 0; all && i < all->len; i++) {
        const HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);

        if (seen->domid == domid)
            return seen->shutdown && seen->shutdown_code == 2;
    }
    return !all;
}

/* The engine's part of it. FALSE: the guest is still suspended. */
static gboolean
wake_up(HvDomain *domain, const HvView *before)
{
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;

    if (!is_suspended(host, before->domid))
        return TRUE;
    if (!host->ops->resume_saved || !host->ops->resume_saved(host->engine, before->domid, &error)) {
        g_warning("domain '%s' could not be resumed after its save failed: %s", domain->name,
                  error ? error->message : "the engine does not support it");
        return FALSE;
    }
    /* The engine resumes to running. */
    if (before->state == HV_STATE_PAUSED && host->ops->pause &&
        !host->ops->pause(host->engine, before->domid, &error))
        g_warning("domain '%s' runs, although it was paused before its save failed: %s",
                  domain->name, error->message);
    return TRUE;
}

/* A stop may overtake it, because it takes no GCancellable: then the domain is not ours any more,
 * and the caller does nothing to it either. */
gboolean
hv_save_resume(HvJob *job, const HvView *before, HvReason running)
{
    gboolean awake;

    hv_job_enter_hook(job);
    awake = wake_up(job->domain, before);
    if (!hv_job_leave_hook(job, NULL) || !awake)
        return FALSE;
    if (before->state == HV_STATE_PAUSED)
        hv_domain_set_state(job, before->state, before->reason);
    else
        hv_domain_set_state(job, HV_STATE_RUNNING, running);
    return TRUE;
}

/* Job held, the image is safe: the domain goes. */
static gboolean
end_saved(HvJob *job, const HvView *before, const char *path, gboolean managed, GError **error)
{
    HvDomain *domain = job->domain;
    HvHost *host = domain->host;
    g_autoptr(HvView) now = NULL;

    if (!host->ops->destroy(host->engine, before->domid, error)) {
        /* One guest, not two: the one that runs stays, the image goes. */
        g_prefix_error(
            error, "domain '%s' was saved but could not be ended, so it runs on: ", domain->name);
        discard(path);
        hv_job_completed(job, FALSE, before->domid);
        hv_save_resume(job, before, HV_REASON_RUNNING_SAVE_CANCELED);
        return FALSE;
    }
    if (managed) {
        HvView *next;

        now = hv_domain_view(domain);
        next = hv_view_copy(now);
        next->managed_save = TRUE;
        hv_domain_publish(domain, next);
    }
    hv_store_log(host->store, domain->name, "saved to '%s'", path);
    hv_job_completed(job, TRUE, before->domid);
    hv_domain_ended(job, HV_REASON_SHUTOFF_SAVED, HV_DETAIL_STOPPED_SAVED);
    return TRUE;
}

/* Job held. */
static gboolean
save(HvJob *job, const char *path, const ConfDomain *replacement, unsigned save_flags,
     gboolean managed, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    gboolean paused = now->state == HV_STATE_PAUSED;

    if (hv_lifecycle_check(now, HV_OP_SAVE, error) != HV_VERDICT_ALLOW)
        return FALSE;
    if (managed && !now->persistent) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "cannot do managed save for transient domain");
        return FALSE;
    }
    if (replacement && !hv_save_check_replacement(now->live, replacement, error))
        return FALSE;
    if (save_flags & HV_SAVE_RUNNING)
        paused = FALSE;
    if (save_flags & HV_SAVE_PAUSED)
        paused = TRUE;
    hv_domain_set_state(job, HV_STATE_PAUSED, HV_REASON_PAUSED_SAVE);
    if (!hv_save_write_image(job, now, replacement ? replacement : now->live, path, paused,
                             error)) {
        hv_store_log(domain->host->store, domain->name, "save to '%s' failed", path);
        hv_job_completed(job, FALSE, now->domid);
        hv_save_resume(job, now, HV_REASON_RUNNING_SAVE_CANCELED);
        return FALSE;
    }
    return end_saved(job, now, path, managed, error);
}

gboolean
hv_save_check_flags(unsigned save_flags, GError **error)
{
    return !((save_flags & HV_SAVE_RUNNING) && (save_flags & HV_SAVE_PAUSED)) ||
           hv_refuse(error, HV_ERROR_INVALID_ARG,
                     "running and paused flags are mutually exclusive");
}

static gboolean
check_save(HvDomain *domain, unsigned save_flags, GError **error)
{
    if (!domain->host->ops->save) {
        hv_set_unsupported(error, domain->host, "saving a domain");
        return FALSE;
    }
    return hv_save_check_flags(save_flags, error);
}

gboolean
hv_domain_save(HvDomain *domain, const char *path, ConfDomain *replacement, unsigned save_flags,
               GError **error)
{
    g_autoptr(ConfDomain) owned G_GNUC_UNUSED = replacement;
    g_autoptr(HvJob) job = NULL;

    if (!hv_check_path(path, error) || !check_save(domain, save_flags, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_SAVE, error);
    return job && save(job, path, replacement, save_flags, FALSE, error);
}

gboolean
hv_domain_managed_save(HvDomain *domain, unsigned save_flags, GError **error)
{
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autoptr(HvJob) job = NULL;

    if (!check_save(domain, save_flags, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_SAVE, error);
    return job && save(job, path, NULL, save_flags, TRUE, error);
}

gboolean
hv_domain_managed_save_remove(HvDomain *domain, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    g_autoptr(HvView) now = NULL;
    HvView *next;

    if (!job || !hv_store_remove_managed_save(domain->host->store, domain->name, error))
        return FALSE;
    now = hv_domain_view(domain);
    next = hv_view_copy(now);
    next->managed_save = FALSE;
    hv_domain_publish(domain, next);
    return TRUE;
}

/* ---- restore ---- */

static HvDomain *
restore(HvHost *host, const ConfDomain *def, int fd, gboolean paused, GError **error)
{
    g_autoptr(HvJob) job = hv_registry_begin(host, def, HV_JOB_RESTORE, error);
    g_autoptr(HvView) now = NULL;
    g_autoptr(ConfDomain) wanted = NULL;
    gboolean is_new, ok = FALSE;

    if (!job)
        return NULL;
    is_new = hv_domain_expect(job, def);
    now = hv_domain_view(job->domain);
    if (hv_view_is_active(now))
        g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE, "domain '%s' is already active",
                    def->name);
    else
        wanted = hv_hook_filter(job, HV_HOOK_RESTORE, def, error);
    if (wanted)
        ok = hv_domain_boot(job,
                            &(HvBoot){ .def = wanted,
                                       .restore_fd = fd,
                                       .paused = paused,
                                       .reason = HV_REASON_RUNNING_RESTORED,
                                       .detail = HV_DETAIL_STARTED_RESTORED },
                            error);
    if (!ok && is_new)
        hv_registry_remove(job->domain);
    return ok ? hv_domain_ref(job->domain) : NULL;
}

HvDomain *
hv_host_restore(HvHost *host, const char *path, ConfDomain *replacement, unsigned save_flags,
                GError **error)
{
    g_autoptr(ConfDomain) owned = replacement;
    g_autoptr(ConfDomain) saved = NULL;
    gboolean paused = FALSE;
    HvDomain *domain = NULL;
    int fd;

    if (!hv_check_path(path, error) || !hv_save_check_flags(save_flags, error))
        return NULL;
    fd = hv_save_open(path, &saved, &paused, error);
    if (fd < 0)
        return NULL;
    if (save_flags & (HV_SAVE_RUNNING | HV_SAVE_PAUSED))
        paused = (save_flags & HV_SAVE_PAUSED) != 0;
    if (owned && !owned->uuid_set) {
        memcpy(owned->uuid, saved->uuid, sizeof(owned->uuid));
        owned->uuid_set = true;
    }
    if ((!owned || hv_save_check_replacement(saved, owned, error)) &&
        hv_def_prepare(owned ? owned : saved, error))
        domain = restore(host, owned ? owned : saved, fd, paused, error);
    close(fd);
    return domain;
}
