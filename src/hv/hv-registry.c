/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who there is: domains by uuid, by name and by domain id, and the swap of their views. */
#include "hv-private.h"

guint
hv_uuid_hash(gconstpointer key)
{
    const guint8 *uuid = key;
    guint32 words[4];

    memcpy(words, uuid, sizeof(words));
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}

gboolean
hv_uuid_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, 16) == 0;
}

void
hv_registry_init(HvHost *host)
{
    g_mutex_init(&host->registry_lock);
    host->by_uuid = g_hash_table_new_full(hv_uuid_hash, hv_uuid_equal, NULL,
                                          (GDestroyNotify)hv_domain_unref);
    host->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    host->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
}

void
hv_registry_clear(HvHost *host)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);
    GHashTableIter iter;
    gpointer domain;

    /* The references are dropped after the lock: the last one frees a domain, which takes time. */
    g_mutex_lock(&host->registry_lock);
    g_hash_table_iter_init(&iter, host->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &domain)) {
        g_ptr_array_add(all, domain);
        g_hash_table_iter_steal(&iter);
    }
    g_hash_table_remove_all(host->by_name);
    g_hash_table_remove_all(host->by_id);
    g_mutex_unlock(&host->registry_lock);
}

/* ---- the object ---- */

static void
console_clear(gpointer data)
{
    g_free(((HvConsole *)data)->alias);
}

static HvDomain *
domain_new(HvHost *host, const ConfDomain *def)
{
    HvDomain *domain = g_new0(HvDomain, 1);
    HvView *view = g_new0(HvView, 1);

    g_atomic_ref_count_init(&domain->refs);
    domain->host = hv_host_ref(host);
    domain->name = g_strdup(def->name);
    memcpy(domain->uuid, def->uuid, sizeof(domain->uuid));
    g_mutex_init(&domain->lock);
    g_cond_init(&domain->changed);
    domain->consoles = g_array_new(FALSE, FALSE, sizeof(HvConsole));
    g_array_set_clear_func(domain->consoles, console_clear);

    g_atomic_ref_count_init(&view->refs);
    view->name = g_strdup(def->name);
    memcpy(view->uuid, def->uuid, sizeof(view->uuid));
    view->domid = -1;
    domain->view = view;
    return domain;
}

HvDomain *
hv_domain_ref(HvDomain *domain)
{
    g_atomic_ref_count_inc(&domain->refs);
    return domain;
}

void
hv_domain_unref(HvDomain *domain)
{
    HvHost *host;

    if (!domain || !g_atomic_ref_count_dec(&domain->refs))
        return;
    g_assert(!domain->job);
    host = domain->host;
    hv_domain_unref(domain->successor);
    hv_view_unref(domain->view);
    g_clear_pointer(&domain->vcpus, g_array_unref);
    g_clear_error(&domain->vcpus_error);
    g_array_unref(domain->consoles);
    g_mutex_clear(&domain->lock);
    g_cond_clear(&domain->changed);
    g_free(domain->name);
    g_free(domain);
    hv_host_unref(host);
}

HvView *
hv_domain_view(HvDomain *domain)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    return hv_view_ref(domain->view);
}

void
hv_domain_set_no_domain(GError **error, const HvDomain *domain)
{
    char text[37];

    conf_uuid_format(domain->uuid, text);
    g_set_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN, "no domain with matching uuid '%s' (%s)", text,
                domain->name);
}

/* ---- reserve, show, remove ---- */

static gboolean
set_exists(GError **error, const HvDomain *other, const char *verb)
{
    char text[37];

    conf_uuid_format(other->uuid, text);
    g_set_error(error, HV_ERROR, HV_ERROR_EXISTS, "domain '%s' %s with uuid %s", other->name, verb,
                text);
    return FALSE;
}

static HvDomain *
reserve_locked(HvHost *host, const ConfDomain *def, GError **error)
{
    HvDomain *domain = g_hash_table_lookup(host->by_uuid, def->uuid);
    HvDomain *other = g_hash_table_lookup(host->by_name, def->name);

    if (domain && !g_str_equal(domain->name, def->name)) {
        set_exists(error, domain, "is already defined");
        return NULL;
    }
    if (other && other != domain) {
        set_exists(error, other, "already exists");
        return NULL;
    }
    if (!domain) {
        domain = domain_new(host, def);
        g_hash_table_insert(host->by_uuid, domain->uuid, domain);
        g_hash_table_insert(host->by_name, domain->name, domain);
    }
    return hv_domain_ref(domain);
}

HvDomain *
hv_registry_reserve(HvHost *host, const ConfDomain *def, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->registry_lock);

    return reserve_locked(host, def, error);
}

HvJob *
hv_registry_begin(HvHost *host, const ConfDomain *def, HvJobKind kind, GError **error)
{
    for (;;) {
        g_autoptr(HvDomain) domain = hv_registry_reserve(host, def, error);
        g_autoptr(GError) local = NULL;
        HvJob *job = domain ? hv_job_begin(domain, kind, &local) : NULL;

        if (!domain || job)
            return job;
        /* It went while we waited for it: the name is free again. */
        if (g_error_matches(local, HV_ERROR, HV_ERROR_NO_DOMAIN))
            continue;
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
}

/* Returns the old view, for the caller to drop once the locks are open. */
static HvView *
swap_locked(HvDomain *domain, HvView *next)
{
    HvHost *host = domain->host;
    HvView *old;

    g_mutex_lock(&domain->lock);
    old = domain->view;
    next->serial = old->serial + 1;
    domain->view = next;
    g_mutex_unlock(&domain->lock);

    if (old->domid == next->domid)
        return old;
    if (old->domid >= 0 && g_hash_table_lookup(host->by_id, GINT_TO_POINTER(old->domid)) == domain)
        g_hash_table_remove(host->by_id, GINT_TO_POINTER(old->domid));
    if (next->domid >= 0)
        g_hash_table_insert(host->by_id, GINT_TO_POINTER(next->domid), domain);
    return old;
}

void
hv_domain_publish(HvDomain *domain, HvView *next)
{
    HvHost *host = domain->host;
    HvView *old;

    g_mutex_lock(&host->registry_lock);
    old = swap_locked(domain, next);
    g_mutex_unlock(&host->registry_lock);
    hv_view_unref(old);
}

void
hv_registry_show(HvDomain *domain, HvView *next)
{
    HvHost *host = domain->host;
    HvView *old;

    g_mutex_lock(&host->registry_lock);
    old = swap_locked(domain, next);
    domain->visible = TRUE;
    g_mutex_unlock(&host->registry_lock);
    hv_view_unref(old);
}

void
hv_registry_remove(HvDomain *domain)
{
    hv_registry_remove_telling(domain, NULL);
}

void
hv_registry_remove_telling(HvDomain *domain, const HvLastEvent *last)
{
    HvHost *host = domain->host;
    gboolean there = FALSE;

    g_mutex_lock(&host->registry_lock);
    if (g_hash_table_lookup(host->by_uuid, domain->uuid) == domain) {
        there = TRUE;
        g_hash_table_steal(host->by_uuid, domain->uuid);
        g_hash_table_remove(host->by_name, domain->name);
    }
    g_mutex_lock(&domain->lock);
    domain->removed = TRUE;
    if (domain->view->domid >= 0)
        g_hash_table_remove(host->by_id, GINT_TO_POINTER(domain->view->domid));
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);
    if (last)
        hv_event_post(domain, last->kind, last->detail, last->domid);
    g_mutex_unlock(&host->registry_lock);
    if (there)
        hv_domain_unref(domain);
}

/* ---- rename ---- */

HvDomain *
hv_registry_reserve_name(HvDomain *domain, const char *name, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(ConfDomain) def = conf_domain_new();
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;
    HvDomain *reserved;

    def->name = g_strdup(name);
    memcpy(def->uuid, domain->uuid, sizeof(def->uuid));
    reserved = domain_new(host, def);
    locker = g_mutex_locker_new(&host->registry_lock);
    if (!g_hash_table_contains(host->by_name, name)) {
        g_hash_table_insert(host->by_name, reserved->name, reserved);
        return reserved;
    }
    g_clear_pointer(&locker, g_mutex_locker_free);
    hv_domain_unref(reserved);
    g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE, "domain with name '%s' already exists",
                name);
    return NULL;
}

void
hv_registry_release_name(HvDomain *reserved)
{
    HvHost *host = reserved->host;

    g_mutex_lock(&host->registry_lock);
    g_hash_table_remove(host->by_name, reserved->name);
    g_mutex_unlock(&host->registry_lock);
    hv_domain_unref(reserved);
}

void
hv_registry_rename(HvDomain *domain, HvDomain *reserved, HvView *next)
{
    HvHost *host = domain->host;
    HvView *old;
    gboolean there;

    g_mutex_lock(&host->registry_lock);
    there = g_hash_table_lookup(host->by_uuid, domain->uuid) == domain;
    if (there) {
        g_hash_table_steal(host->by_uuid, domain->uuid);
        g_hash_table_remove(host->by_name, domain->name);
    }
    g_mutex_lock(&domain->lock);
    domain->removed = TRUE;
    domain->successor = hv_domain_ref(reserved);
    /* Whoever has a console open keeps it. */
    g_mutex_lock(&reserved->lock);
    g_clear_pointer(&reserved->consoles, g_array_unref);
    reserved->consoles = domain->consoles;
    domain->consoles = g_array_new(FALSE, FALSE, sizeof(HvConsole));
    g_array_set_clear_func(domain->consoles, console_clear);
    g_mutex_unlock(&reserved->lock);
    if (domain->view->domid >= 0)
        g_hash_table_remove(host->by_id, GINT_TO_POINTER(domain->view->domid));
    g_cond_broadcast(&domain->changed);
    g_mutex_unlock(&domain->lock);
    hv_event_post(domain, HV_EVENT_UNDEFINED, HV_DETAIL_UNDEFINED_RENAMED, next->domid);
    g_hash_table_insert(host->by_uuid, reserved->uuid, reserved);
    reserved->visible = TRUE;
    old = swap_locked(reserved, next);
    hv_event_post(reserved, HV_EVENT_DEFINED, HV_DETAIL_DEFINED_RENAMED, next->domid);
    g_mutex_unlock(&host->registry_lock);
    hv_view_unref(old);
    if (there)
        hv_domain_unref(domain);
}

gboolean
hv_domain_is_visible(HvDomain *domain)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->host->registry_lock);

    return domain->visible;
}

/* ---- look-ups ---- */

static HvDomain *
find_visible(HvHost *host, GHashTable *table, gconstpointer key)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->registry_lock);
    HvDomain *domain = g_hash_table_lookup(table, key);

    return domain && domain->visible ? hv_domain_ref(domain) : NULL;
}

HvDomain *
hv_registry_find(HvHost *host, const guint8 uuid[16])
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->registry_lock);
    HvDomain *domain = g_hash_table_lookup(host->by_uuid, uuid);

    return domain ? hv_domain_ref(domain) : NULL;
}

HvDomain *
hv_host_lookup_uuid(HvHost *host, const guint8 uuid[16], GError **error)
{
    HvDomain *domain = find_visible(host, host->by_uuid, uuid);
    char text[37];

    if (!domain) {
        conf_uuid_format(uuid, text);
        g_set_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN, "no domain with matching uuid '%s'", text);
    }
    return domain;
}

HvDomain *
hv_host_lookup_name(HvHost *host, const char *name, GError **error)
{
    HvDomain *domain = find_visible(host, host->by_name, name);

    if (!domain)
        g_set_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN, "no domain with matching name '%s'", name);
    return domain;
}

HvDomain *
hv_host_lookup_id(HvHost *host, int domid, GError **error)
{
    HvDomain *domain = find_visible(host, host->by_id, GINT_TO_POINTER(domid));

    if (!domain)
        g_set_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN, "no domain with matching id '%d'", domid);
    return domain;
}

GPtrArray *
hv_host_list(HvHost *host)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)hv_domain_unref);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&host->registry_lock);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HvDomain *domain = value;

        if (domain->visible)
            g_ptr_array_add(all, hv_domain_ref(domain));
    }
    return all;
}
