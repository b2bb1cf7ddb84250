/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The managed image of a domain, and when it is none any more. NAME.save is one to start from;
 * the guest of NAME.save.used may have run since; NAME.save.stale was set aside for somebody to
 * look at.
 *
 * Memory must never come back over disks that have moved on. So an image loses its name, for good,
 * before a guest of its domain runs, and gets it back only where that guest certainly did not run.
 * A daemon that is killed in between leaves NAME.save.used: nobody knows then, and the next daemon
 * sets it aside. One that was being written has no name yet, and is swept with the other temporary
 * files.
 */
#include "hv-private.h"

#include <errno.h>
#include <glib/gstdio.h>

#define USED  ".used"
#define STALE ".stale"

static gboolean
is_there(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(path, G_FILE_TEST_IS_SYMLINK);
}

static void
set_managed(HvDomain *domain, gboolean managed_save)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next;

    if (now->managed_save == managed_save)
        return;
    next = hv_view_copy(now);
    next->managed_save = managed_save;
    hv_domain_publish(domain, next);
}

/* Under a name that no earlier one has. `path` is NAME.save. */
static char *
set_aside(const char *from, const char *path, GError **error)
{
    g_autofree char *aside = g_strconcat(path, STALE, NULL);

    for (guint i = 2; is_there(aside); i++) {
        g_free(aside);
        aside = g_strdup_printf("%s" STALE "-%u", path, i);
    }
    return hv_store_rename_file(from, aside, error) ? g_steal_pointer(&aside) : NULL;
}

/* `why` goes before what it is called now. */
static void
set_used_aside(const char *used, const char *path, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = set_aside(used, path, &error);

    if (aside)
        g_warning("%s; it is '%s' now", why, aside);
    else
        g_warning("%s, and stays where it is: %s", why, error->message);
}

/* ---- while a domain starts ---- */

gboolean
hv_managed_give_up(HvManagedUse *use, GError **error)
{
    HvDomain *domain = use->job->domain;
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autofree char *used = g_strconcat(path, USED, NULL);

    if (!is_there(path))
        return TRUE;
    if (is_there(used))
        set_used_aside(used, path, "a used image is in the way of another");
    if (!hv_store_rename_file(path, used, error)) {
        g_prefix_error(error,
                       "the saved image of domain '%s' cannot be marked as used: ", domain->name);
        return FALSE;
    }
    use->given_up = TRUE;
    return TRUE;
}

void
hv_managed_take_back(const HvManagedUse *use, const GError *cause)
{
    HvDomain *domain = use->job->domain;
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autofree char *used = g_strconcat(path, USED, NULL);
    g_autoptr(GError) error = NULL;

    if (!use->given_up)
        return;
    if (g_error_matches(cause, HV_ERROR, HV_ERROR_TIMEOUT)) {
        g_autofree char *why = g_strdup_printf(
            "the guest of domain '%s' may have run since its image was saved", domain->name);

        set_used_aside(used, path, why);
    } else if (!hv_store_rename_file(used, path, &error)) {
        g_warning("the saved image of domain '%s', which did not start, is '%s' now: %s",
                  domain->name, used, error->message);
    }
    set_managed(domain, hv_store_has_managed_save(domain->host->store, domain->name));
}

void
hv_managed_done(const HvManagedUse *use, gboolean drop)
{
    HvDomain *domain = use->job->domain;
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autofree char *used = g_strconcat(path, USED, NULL);
    g_autofree char *why = NULL;
    g_autoptr(GError) error = NULL;

    if (!use->given_up)
        return;
    if (!drop) {
        why = g_strdup_printf("domain '%s' runs, so its saved image is out of date", domain->name);
        set_used_aside(used, path, why);
    } else if (!hv_store_remove_file(used, &error)) {
        g_warning("domain '%s' was started, its saved image could not be removed: %s", domain->name,
                  error->message);
    }
}

/* ---- at other times ---- */

gboolean
hv_managed_put_aside(HvJob *job, GError **error)
{
    HvDomain *domain = job->domain;
    g_autofree char *path = hv_store_managed_save_path(domain->host->store, domain->name);
    g_autofree char *aside = NULL;

    if (is_there(path)) {
        aside = set_aside(path, path, error);
        if (!aside) {
            g_prefix_error(error, "the saved image of domain '%s' is out of date: ", domain->name);
            return FALSE;
        }
        g_warning("the saved image of domain '%s' is out of date; it is '%s' now", domain->name,
                  aside);
    }
    set_managed(domain, FALSE);
    return TRUE;
}

void
hv_managed_sweep(const HvStore *store)
{
    g_autoptr(GDir) dir = g_dir_open(store->save, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".save" USED))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(USED)));
    }
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(store->save, names->pdata[i], NULL);
        g_autofree char *used = g_strconcat(path, USED, NULL);
        g_autofree char *why = g_strdup_printf(
            "'%s' was being started from when the daemon ended, and its guest may have run since",
            path);

        set_used_aside(used, path, why);
    }
}
