/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures that only the engine knows. The engine may hang, a question may not: a thread of its own
 * asks for all domains at once, and who wants a figure waits for it a quarter of a second at most
 * and then takes the one before. Where there is none before, the host may only be busy: an engine
 * has as long as FIRST_US to say something, which counts from when it was asked, not for each who
 * waits.
 */
#include "hv-private.h"

#define FRESH_US      (50 * G_TIME_SPAN_MILLISECOND)
#define PATIENCE_US   (250 * G_TIME_SPAN_MILLISECOND)
#define FIRST_US      (5 * G_TIME_SPAN_SECOND)
#define MAX_QUESTIONS 8 /* about vcpus, at once */

struct HvSampler {
    HvHost *host; /* immutable; the thread holds a reference, we do not */
    GMutex lock;  /* never held across an engine call */
    GCond changed;
    GHashTable *domains; /* [lock] domain id -> HvEngineDomain */
    gint64 asked_us;     /* [lock] when the engine was last asked */
    gint64 taken_us;     /* [lock] when it was asked for `domains`; 0: never */
    gboolean stale;      /* [lock] something was changed since */
    guint64 wanted;      /* [lock] number of the sample that somebody waits for */
    guint64 begun, done; /* [lock] */
    gboolean stopping;   /* [lock] */
    gboolean over;       /* [lock] the thread makes no further call */
    GThread *thread;     /* immutable between start and stop */
    HvCrew *asking;      /* [lock] NULL: not started yet, or stopped */
};

/* ---- the thread ---- */

static void
take_over_locked(HvSampler *sampler, GArray *all, gint64 asked_us)
{
    g_hash_table_remove_all(sampler->domains);
    for (guint i = 0; i < all->len; i++) {
        const HvEngineDomain *seen = &g_array_index(all, HvEngineDomain, i);

        g_hash_table_insert(sampler->domains, GINT_TO_POINTER(seen->domid),
                            g_memdup2(seen, sizeof(*seen)));
    }
    sampler->taken_us = asked_us;
}

/* Opens the lock while the engine is asked. */
static void
sample_locked(HvSampler *sampler)
{
    HvHost *host = sampler->host;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) all = NULL;
    HvEngineDomain control = { 0 };
    gboolean has_control = FALSE;
    gint64 asked_us = g_get_monotonic_time();

    sampler->begun++;
    sampler->asked_us = asked_us;
    sampler->stale = FALSE;
    g_mutex_unlock(&sampler->lock);
    all = host->ops->list(host->engine, &error);
    if (!all)
        g_warning("the hypervisor does not tell what runs, older figures are shown: %s",
                  error->message);
    else if (host->ops->control_domain)
        has_control = host->ops->control_domain(host->engine, &control, NULL, NULL);
    if (has_control)
        g_array_append_val(all, control);
    g_mutex_lock(&sampler->lock);
    if (all)
        take_over_locked(sampler, all, asked_us);
    sampler->done = sampler->begun;
    g_cond_broadcast(&sampler->changed);
}

static gpointer
run(gpointer data)
{
    HvSampler *sampler = data;
    HvHost *host = sampler->host;

    g_mutex_lock(&sampler->lock);
    while (!sampler->stopping) {
        if (sampler->wanted > sampler->begun)
            sample_locked(sampler);
        else
            g_cond_wait(&sampler->changed, &sampler->lock);
    }
    sampler->over = TRUE;
    g_cond_broadcast(&sampler->changed);
    g_mutex_unlock(&sampler->lock);
    hv_host_unref(host);
    return NULL;
}

/* ---- life cycle ---- */

static void ask_vcpus(gpointer data, gpointer user_data);

HvSampler *
hv_sampler_new(HvHost *host)
{
    HvSampler *sampler = g_new0(HvSampler, 1);

    sampler->host = host;
    g_mutex_init(&sampler->lock);
    g_cond_init(&sampler->changed);
    sampler->domains = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    sampler->over = TRUE;
    return sampler;
}

gboolean
hv_sampler_start(HvSampler *sampler, GError **error)
{
    sampler->asking = hv_crew_new("hv-vcpus", MAX_QUESTIONS, ask_vcpus, NULL, error);
    if (!sampler->asking)
        return FALSE;
    hv_host_ref(sampler->host);
    sampler->over = FALSE;
    sampler->thread = hv_thread_new("hv-sampler", run, sampler, error);
    if (sampler->thread)
        return TRUE;
    sampler->over = TRUE;
    hv_host_unref(sampler->host);
    return FALSE;
}

gboolean
hv_sampler_stop(HvSampler *sampler, guint wait_ms)
{
    gint64 deadline = g_get_monotonic_time() + wait_ms * G_TIME_SPAN_MILLISECOND;
    HvCrew *asking;
    gboolean over;

    g_mutex_lock(&sampler->lock);
    sampler->stopping = TRUE;
    g_cond_broadcast(&sampler->changed);
    while (!sampler->over && g_cond_wait_until(&sampler->changed, &sampler->lock, deadline))
        continue;
    over = sampler->over;
    asking = g_steal_pointer(&sampler->asking);
    g_mutex_unlock(&sampler->lock);
    if (sampler->thread && over)
        g_thread_join(g_steal_pointer(&sampler->thread));
    else if (sampler->thread)
        g_thread_unref(g_steal_pointer(&sampler->thread));
    hv_crew_free(asking, FALSE);
    return over;
}

void
hv_sampler_free(HvSampler *sampler)
{
    if (!sampler)
        return;
    g_hash_table_unref(sampler->domains);
    g_mutex_clear(&sampler->lock);
    g_cond_clear(&sampler->changed);
    g_free(sampler);
}

void
hv_sampler_invalidate(HvSampler *sampler)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&sampler->lock);

    sampler->stale = TRUE;
}

/* ---- domain figures ---- */

/* Until when to wait for an engine that was asked at `asked_us`. */
static gint64
patience(gint64 now, gint64 asked_us, gboolean first)
{
    return MAX(now + PATIENCE_US, first ? asked_us + FIRST_US : 0);
}

/* `first`: there is no figure yet to take instead. */
static void
wait_for_sample_locked(HvSampler *sampler, gboolean first)
{
    gint64 now = g_get_monotonic_time();
    gboolean under_way = sampler->begun > sampler->done;
    gint64 deadline = patience(now, under_way ? sampler->asked_us : now, first);
    /* One that begins from now on: one that is under way may have looked too early. */
    guint64 ticket = sampler->begun + 1;

    /* In this order: hv_sampler_stop() takes the thread away after that. */
    if (sampler->stopping || !sampler->thread)
        return;
    if (sampler->taken_us != 0 && !sampler->stale && now - sampler->taken_us < FRESH_US)
        return;
    sampler->wanted = MAX(sampler->wanted, ticket);
    g_cond_broadcast(&sampler->changed);
    while (sampler->done < ticket && !sampler->stopping) {
        if (!g_cond_wait_until(&sampler->changed, &sampler->lock, deadline))
            return;
    }
}

/* FALSE: the engine has never told of this domain. */
static gboolean
get_sample_locked(HvSampler *sampler, const HvView *view, HvEngineDomain *ret_seen)
{
    const HvEngineDomain *seen = g_hash_table_lookup(sampler->domains,
                                                     GINT_TO_POINTER(view->domid));

    if (!seen || memcmp(seen->uuid, view->uuid, sizeof(seen->uuid)) != 0)
        return FALSE;
    *ret_seen = *seen;
    return TRUE;
}

static gboolean
is_new_locked(HvSampler *sampler, const HvView *view)
{
    HvEngineDomain seen;

    return hv_view_is_active(view) && !get_sample_locked(sampler, view, &seen);
}

static void
fill_info_locked(HvSampler *sampler, const HvView *now, HvDomainInfo *ret_info)
{
    const ConfDomain *def = hv_view_current(now);
    HvEngineDomain seen;

    *ret_info = (HvDomainInfo){
        .state = now->state,
        .max_memory_kib = def->memory_kib,
        .memory_kib = conf_domain_current_memory(def),
        .vcpus = conf_domain_current_vcpus(def),
    };
    if (hv_view_is_active(now) && get_sample_locked(sampler, now, &seen)) {
        ret_info->memory_kib = seen.memory_kib;
        ret_info->vcpus = seen.vcpus_online;
        ret_info->cpu_time_ns = seen.cpu_time_ns;
    }
}

gboolean
hv_domain_info(HvDomain *domain, HvDomainInfo *ret_info, GError **error)
{
    HvSampler *sampler = domain->host->sampler;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&sampler->lock);

    if (hv_view_is_active(now))
        wait_for_sample_locked(sampler, is_new_locked(sampler, now));
    fill_info_locked(sampler, now, ret_info);
    return TRUE;
}

void
hv_sampler_fill(HvSampler *sampler, GPtrArray *all)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&sampler->lock);
    gboolean first = FALSE;

    for (guint i = 0; i < all->len && !first; i++)
        first = is_new_locked(sampler, ((HvDomainStats *)g_ptr_array_index(all, i))->view);
    wait_for_sample_locked(sampler, first);
    for (guint i = 0; i < all->len; i++) {
        HvDomainStats *stats = g_ptr_array_index(all, i);

        fill_info_locked(sampler, stats->view, &stats->info);
    }
}

/* ---- vcpus ---- */

typedef struct Question {
    HvDomain *domain;
    int domid;
} Question;

static void
ask_vcpus(gpointer data, gpointer user_data)
{
    Question *question = data;
    HvDomain *domain = question->domain;
    HvHost *host = domain->host;
    g_autoptr(GError) error = NULL;
    GArray *old;
    GArray *vcpus = NULL;

    if (hv_host_enter_engine(host, &error)) {
        vcpus = host->ops->vcpus(host->engine, question->domid, &error);
        hv_host_leave_engine(host);
    }

    g_mutex_lock(&domain->lock);
    old = domain->vcpus;
    domain->vcpus = vcpus;
    domain->vcpus_domid = question->domid;
    g_clear_error(&domain->vcpus_error);
    domain->vcpus_error = g_steal_pointer(&error);
    domain->vcpus_asked = FALSE;
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);

    g_clear_pointer(&old, g_array_unref);
    g_free(question);
    hv_domain_unref(domain);
}

/* [domain->lock held] FALSE: the host does not run. */
static gboolean
put_question_locked(HvDomain *domain, int domid)
{
    HvSampler *sampler = domain->host->sampler;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&sampler->lock);
    Question *question;

    if (!sampler->asking)
        return FALSE;
    question = g_new0(Question, 1);
    question->domain = hv_domain_ref(domain);
    question->domid = domid;
    hv_crew_push(sampler->asking, question);
    return TRUE;
}

static void
wait_for_answer_locked(HvDomain *domain, int domid)
{
    gboolean first = domain->vcpus_domid != domid || !domain->vcpus;
    gint64 deadline = patience(g_get_monotonic_time(), domain->vcpus_asked_us, first);

    while (domain->vcpus_asked && g_cond_wait_until(&domain->changed, &domain->lock, deadline))
        continue;
}

static GArray *
take_answer_locked(HvDomain *domain, int domid, GError **error)
{
    if (domain->vcpus_domid == domid && domain->vcpus)
        return g_array_copy(domain->vcpus);
    if (domain->vcpus_domid == domid && domain->vcpus_error && !domain->vcpus_asked)
        g_propagate_error(error, g_error_copy(domain->vcpus_error));
    else
        g_set_error(error, HV_ERROR, HV_ERROR_TIMEOUT,
                    "the hypervisor does not answer about the vcpus of domain '%s'", domain->name);
    return NULL;
}

GArray *
hv_domain_vcpus(HvDomain *domain, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

    if (!hv_view_is_active(now)) {
        hv_set_not_running(error);
        return NULL;
    }
    if (!host->ops->vcpus) {
        hv_set_unsupported(error, host, "asking for the vcpus of a domain");
        return NULL;
    }
    locker = g_mutex_locker_new(&domain->lock);
    if (!domain->vcpus_asked) {
        domain->vcpus_asked = put_question_locked(domain, now->domid);
        domain->vcpus_asked_us = g_get_monotonic_time();
    }
    wait_for_answer_locked(domain, now->domid);
    return take_answer_locked(domain, now->domid, error);
}
