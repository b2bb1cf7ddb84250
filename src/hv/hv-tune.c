/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory and vcpus, live and on paper, with the meanings that virDomainSetMemoryFlags() and
 * virDomainSetVcpusFlags() document. */
#include "hv-private.h"

/* ---- memory ---- */

typedef struct MemoryEdit {
    guint64 kib;
    gboolean maximum;
    gboolean live;
} MemoryEdit;

static gboolean
check_memory(const ConfDomain *def, const MemoryEdit *edit, GError **error)
{
    if (!edit->maximum && edit->kib > def->memory_kib) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "cannot set memory higher than max memory");
        return FALSE;
    }
    if (edit->maximum && edit->live && edit->kib < conf_domain_current_memory(def)) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "cannot set max memory lower than the memory in use (%" G_GUINT64_FORMAT
                    " KiB is less than %" G_GUINT64_FORMAT " KiB)",
                    edit->kib, (guint64)conf_domain_current_memory(def));
        return FALSE;
    }
    return TRUE;
}

static gboolean
edit_memory(ConfDomain *def, gpointer data, GError **error)
{
    const MemoryEdit *edit = data;

    if (!check_memory(def, edit, error))
        return FALSE;
    if (!edit->maximum) {
        def->cur_memory_kib = edit->kib;
        return TRUE;
    }
    /* Before the maximum grows, "as memory" must become a number of its own. */
    def->cur_memory_kib = MIN(conf_domain_current_memory(def), edit->kib);
    def->memory_kib = edit->kib;
    return TRUE;
}

/* Job held: the hook of the engine. */
static gboolean
set_live_memory(HvJob *job, const HvView *now, const MemoryEdit *edit, GError **error)
{
    HvHost *host = job->domain->host;
    gboolean (*hook)(HvEngine *, int, guint64,
                     GError **) = edit->maximum ? host->ops->set_max_memory : host->ops->set_memory;
    MemoryEdit live = { .kib = edit->kib, .maximum = edit->maximum, .live = TRUE };
    gboolean ok;

    if (!hook) {
        hv_set_unsupported(error, host,
                           edit->maximum ? "changing the maximum memory of a running domain"
                                         : "changing the memory of a running domain");
        return FALSE;
    }
    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW ||
        !check_memory(now->live, &live, error))
        return FALSE;
    hv_job_enter_hook(job);
    ok = hook(host->engine, now->domid, edit->kib, error);
    if (!hv_job_leave_hook(job, error))
        return FALSE;
    hv_sampler_invalidate(host->sampler);
    return ok;
}

gboolean
hv_domain_set_memory(HvDomain *domain, guint64 kib, unsigned affect, GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    MemoryEdit edit = { .maximum = (affect & HV_AFFECT_MAXIMUM) != 0 };
    unsigned which;

    if (kib == 0)
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "memory must not be zero");
    if (kib > G_MAXUINT64 / 1024)
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "memory is larger than any host can have");
    edit.kib = (kib + 1023) / 1024 * 1024; /* Xen counts in MiB, as conf_domain_fill_defaults() */
    job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_view_affect(now, affect, &which, error))
        return FALSE;
    /* What is refused for the one half is refused before the other half has changed. */
    if ((which & HV_AFFECT_CONFIG) && !check_memory(now->persistent, &edit, error))
        return FALSE;
    if ((which & HV_AFFECT_LIVE) && !set_live_memory(job, now, &edit, error))
        return FALSE;
    if (!hv_domain_edit(job, which, edit_memory, &edit, error))
        return FALSE;
    if ((which & HV_AFFECT_LIVE) && !edit.maximum)
        hv_event_post_balloon(domain, edit.kib, now->domid);
    return TRUE;
}

/* ---- vcpus ---- */

typedef struct VcpuEdit {
    guint n;
    gboolean maximum;
} VcpuEdit;

/* <vcpus><vcpu id= enabled=> says the same once more. */
static void
edit_vcpu_list(ConfDomain *def)
{
    for (guint i = def->vcpu_list->len; i > 0; i--) {
        ConfVcpu *vcpu = g_ptr_array_index(def->vcpu_list, i - 1);

        if (vcpu->id >= def->vcpus_max)
            g_ptr_array_remove_index(def->vcpu_list, i - 1);
        else
            vcpu->enabled = vcpu->id < def->vcpus ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    }
}

static gboolean
check_vcpus(const ConfDomain *def, const VcpuEdit *edit, GError **error)
{
    if (edit->maximum || edit->n <= def->vcpus_max)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "requested vcpus is greater than max allowable vcpus for the domain: %u > %u",
                edit->n, def->vcpus_max);
    return FALSE;
}

static gboolean
edit_vcpus(ConfDomain *def, gpointer data, GError **error)
{
    const VcpuEdit *edit = data;

    if (!check_vcpus(def, edit, error))
        return FALSE;
    if (edit->maximum) {
        def->vcpus = MIN(conf_domain_current_vcpus(def), edit->n);
        def->vcpus_max = edit->n;
    } else {
        def->vcpus = edit->n;
    }
    edit_vcpu_list(def);
    return TRUE;
}

static gboolean
set_live_vcpus(HvJob *job, const HvView *now, const VcpuEdit *edit, GError **error)
{
    HvHost *host = job->domain->host;
    gboolean ok;

    if (!host->ops->set_vcpus) {
        hv_set_unsupported(error, host, "changing the vcpus of a running domain");
        return FALSE;
    }
    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW ||
        !check_vcpus(now->live, edit, error))
        return FALSE;
    hv_job_enter_hook(job);
    ok = host->ops->set_vcpus(host->engine, now->domid, edit->n, error);
    if (!hv_job_leave_hook(job, error))
        return FALSE;
    hv_sampler_invalidate(host->sampler);
    return ok;
}

/* More than a domain may have at all, whatever its definition says. */
static gboolean
check_host_vcpus(HvHost *host, guint n, GError **error)
{
    HvHostInfo info;

    if (!hv_host_info(host, &info, error))
        return FALSE;
    if (n <= info.max_vcpus)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                "requested vcpus is greater than max supported vcpus: %u > %u", n, info.max_vcpus);
    return FALSE;
}

gboolean
hv_domain_set_vcpus(HvDomain *domain, guint n, unsigned affect, GError **error)
{
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    VcpuEdit edit = { .n = n, .maximum = (affect & HV_AFFECT_MAXIMUM) != 0 };
    unsigned which;

    if (n == 0)
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "nvcpus is zero");
    if (edit.maximum && !check_host_vcpus(domain->host, n, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_view_affect(now, affect, &which, error))
        return FALSE;
    if (edit.maximum && (which & HV_AFFECT_LIVE))
        return hv_refuse(error, HV_ERROR_INVALID_ARG, "cannot adjust maximum on running domain");
    if ((which & HV_AFFECT_CONFIG) && !check_vcpus(now->persistent, &edit, error))
        return FALSE;
    if ((which & HV_AFFECT_LIVE) && !set_live_vcpus(job, now, &edit, error))
        return FALSE;
    return hv_domain_edit(job, which, edit_vcpus, &edit, error);
}

int
hv_domain_get_vcpus(HvDomain *domain, unsigned affect, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_def(now, affect, error);

    if (!def)
        return -1;
    return (int)(affect & HV_AFFECT_MAXIMUM ? def->vcpus_max : conf_domain_current_vcpus(def));
}
