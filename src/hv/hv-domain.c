/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain is on paper: definitions, their XML, autostart, metadata; and its consoles. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- definitions ---- */

gboolean
hv_def_prepare(ConfDomain *def, GError **error)
{
    const char *wrong = hv_store_name_problem(def->name);

    /* The hypervisor's own record of a domain may have any. */
    if (wrong) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "a domain cannot be called '%s' here: %s",
                    def->name, wrong);
        return FALSE;
    }
    if (g_strcmp0(def->type, "xen") != 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "could not find capabilities for domaintype=%s: this host runs domains of type "
                    "'xen' only",
                    def->type ? def->type : "");
        return FALSE;
    }
    if (!def->uuid_set) {
        conf_uuid_generate(def->uuid);
        def->uuid_set = true;
    }
    conf_domain_fill_defaults(def);
    return TRUE;
}

gboolean
hv_domain_edit(HvJob *job, unsigned which, HvEditFunc func, gpointer data, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(HvView) next = hv_view_copy(now);
    HvStore *store = domain->host->store;

    if (which & HV_AFFECT_LIVE) {
        conf_domain_unref(next->live);
        next->live = conf_domain_copy(now->live);
        if (!func(next->live, data, error))
            return FALSE;
    }
    if (which & HV_AFFECT_CONFIG) {
        conf_domain_unref(next->persistent);
        next->persistent = conf_domain_copy(now->persistent);
        next->updated = hv_view_is_active(now);
        if (!func(next->persistent, data, error) ||
            !hv_store_write_definition(store, next->persistent, error))
            return FALSE;
    }
    if (which & HV_AFFECT_LIVE) {
        g_autoptr(GError) local = NULL;

        /* The guest has changed already: what /run says is of use, not of the essence. */
        if (!hv_store_write_status(store, next, &local))
            g_warning("domain '%s': %s", domain->name, local->message);
    }
    hv_domain_publish(domain, g_steal_pointer(&next));
    return TRUE;
}

/* Job held: `def` on disk, then for everybody to see. */
static gboolean
define(HvJob *job, ConfDomain *def, GError **error)
{
    HvDomain *domain = job->domain;
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(HvView) next = hv_view_copy(now);
    HvEventDetail detail = now->persistent ? HV_DETAIL_DEFINED_UPDATED : HV_DETAIL_DEFINED_ADDED;
    int domid = now->domid;

    if (!hv_store_write_definition(domain->host->store, def, error)) {
        if (!hv_domain_is_visible(domain))
            hv_registry_remove(domain);
        return FALSE;
    }
    conf_domain_unref(next->persistent);
    next->persistent = conf_domain_ref(def);
    next->updated = now->persistent && hv_view_is_active(now);
    hv_registry_show(domain, g_steal_pointer(&next));
    hv_event_post(domain, HV_EVENT_DEFINED, detail, domid);
    return TRUE;
}

HvDomain *
hv_host_define(HvHost *host, ConfDomain *taken, GError **error)
{
    g_autoptr(ConfDomain) given = taken;
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(HvJob) job = NULL;

    /* A definition that was dumped from a running domain comes back without its live parts. */
    def = given->id >= 0 ? hv_def_inactive(given, error) : conf_domain_ref(given);
    if (!def || !hv_control_domain_spare_def(def, error) || !hv_def_prepare(def, error))
        return NULL;
    job = hv_registry_begin(host, def, HV_JOB_DEFINE, error);
    if (!job || !define(job, def, error))
        return NULL;
    return hv_domain_ref(job->domain);
}

/* Job held, after a change of several files that failed half-way: what of them is there now. */
static void
look_again(HvDomain *domain)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    hv_view_look_at_store(next, domain->host->store);
    hv_domain_publish(domain, next);
}

gboolean
hv_domain_undefine(HvDomain *domain, unsigned undefine_flags, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_UNDEFINE, error);
    HvStore *store = domain->host->store;
    g_autoptr(HvView) now = NULL;
    g_autoptr(HvView) next = NULL;
    const HvLastEvent last = { HV_EVENT_UNDEFINED, HV_DETAIL_UNDEFINED_REMOVED, -1 };

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_control_domain_spare(now, error))
        return FALSE;
    if (!now->persistent) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "cannot undefine transient domain");
        return FALSE;
    }
    if (now->managed_save && !(undefine_flags & HV_UNDEFINE_MANAGED_SAVE)) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "Refusing to undefine while domain managed save image exists");
        return FALSE;
    }
    if (!hv_view_is_active(now) && now->snapshots && !(undefine_flags & HV_UNDEFINE_SNAPSHOTS)) {
        g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                    "cannot delete inactive domain with %u snapshots",
                    hv_snapshots_count(now->snapshots));
        return FALSE;
    }
    if ((now->managed_save && !hv_store_remove_managed_save(store, domain->name, error)) ||
        !hv_store_remove_definition(store, domain->name, error)) {
        look_again(domain);
        return FALSE;
    }

    next = hv_view_copy(now);
    next->autostart = FALSE;
    next->autostart_once = FALSE;
    next->managed_save = FALSE;
    next->updated = FALSE;
    if (hv_view_is_active(now)) {
        g_clear_pointer(&next->persistent, conf_domain_unref);
    } else {
        hv_snapshots_forget(store, domain->name, now->snapshots);
        g_clear_pointer(&next->snapshots, hv_snapshots_unref);
    }
    hv_domain_publish(domain, g_steal_pointer(&next));
    if (hv_view_is_active(now))
        hv_event_post(domain, last.kind, last.detail, now->domid);
    else
        hv_registry_remove_telling(domain, &last);
    return TRUE;
}

/* The field of a view that says whether a mark is set. */
static gboolean *
mark_field(HvView *view, HvMark mark)
{
    return mark == HV_MARK_AUTOSTART ? &view->autostart : &view->autostart_once;
}

static gboolean
set_mark(HvDomain *domain, HvMark mark, gboolean set, GError **error)
{
    g_autoptr(HvJob) job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    g_autoptr(HvView) now = NULL;
    HvView *next;

    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_control_domain_spare(now, error))
        return FALSE;
    if (!now->persistent) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                            "cannot set autostart for transient domain");
        return FALSE;
    }
    if (!*mark_field(now, mark) == !set)
        return TRUE;
    if (!hv_store_set_mark(domain->host->store, domain->name, mark, set, error))
        return FALSE;
    next = hv_view_copy(now);
    *mark_field(next, mark) = set != FALSE;
    hv_domain_publish(domain, next);
    return TRUE;
}

gboolean
hv_domain_set_autostart(HvDomain *domain, gboolean autostart, GError **error)
{
    return set_mark(domain, HV_MARK_AUTOSTART, autostart, error);
}

gboolean
hv_domain_set_autostart_once(HvDomain *domain, gboolean once, GError **error)
{
    return set_mark(domain, HV_MARK_AUTOSTART_ONCE, once, error);
}

static gboolean
is_removed(HvDomain *domain, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    if (domain->removed)
        hv_domain_set_no_domain(error, domain);
    return domain->removed;
}

char *
hv_domain_format_xml(HvDomain *domain, unsigned conf_xml_flags, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfDomain *def = hv_view_current(now);

    if (is_removed(domain, error))
        return NULL;
    if (now->persistent && (conf_xml_flags & CONF_XML_INACTIVE))
        def = now->persistent;
    if (def == now->persistent)
        conf_xml_flags |= CONF_XML_INACTIVE;
    return conf_domain_format_xml(def, conf_xml_flags);
}

/* ---- metadata ---- */

typedef struct MetadataEdit {
    HvMetadata type;
    const char *text, *prefix, *uri;
} MetadataEdit;

static gboolean
edit_metadata(ConfDomain *def, gpointer data, GError **error)
{
    const MetadataEdit *edit = data;
    /* An empty text is how virsh asks for the removal of a title or description. */
    const char *text = edit->text && *edit->text ? edit->text : NULL;

    switch (edit->type) {
    case HV_METADATA_DESCRIPTION:
        g_free(def->description);
        def->description = g_strdup(text);
        return TRUE;
    case HV_METADATA_TITLE:
        g_free(def->title);
        def->title = g_strdup(text);
        return TRUE;
    case HV_METADATA_ELEMENT:
        return conf_domain_metadata_set(def, edit->uri, edit->prefix, edit->text, error);
    default:
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "unknown metadata type %d", edit->type);
        return FALSE;
    }
}

static gboolean
check_metadata(const MetadataEdit *edit, GError **error)
{
    if (edit->type == HV_METADATA_TITLE && edit->text && strchr(edit->text, '\n')) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "metadata title can't contain newlines");
        return FALSE;
    }
    if (edit->type == HV_METADATA_ELEMENT && (!edit->uri || (edit->text && !edit->prefix))) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "a metadata element needs a namespace uri and a prefix");
        return FALSE;
    }
    return TRUE;
}

gboolean
hv_domain_set_metadata(HvDomain *domain, HvMetadata type, const char *text, const char *prefix,
                       const char *uri, unsigned affect, GError **error)
{
    MetadataEdit edit = { .type = type, .text = text, .prefix = prefix, .uri = uri };
    g_autoptr(HvJob) job = NULL;
    g_autoptr(HvView) now = NULL;
    unsigned which;

    if (!check_metadata(&edit, error))
        return FALSE;
    job = hv_job_begin(domain, HV_JOB_MODIFY, error);
    if (!job)
        return FALSE;
    now = hv_domain_view(domain);
    if (!hv_view_affect(now, affect, &which, error) ||
        !hv_domain_edit(job, which, edit_metadata, &edit, error))
        return FALSE;
    hv_event_post_metadata(domain, type, uri, now->domid);
    return TRUE;
}

char *
hv_domain_get_metadata(HvDomain *domain, HvMetadata type, const char *uri, unsigned affect,
                       GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autofree char *text = NULL;
    const ConfDomain *def;

    if (is_removed(domain, error))
        return NULL;
    def = hv_view_def(now, affect, error);
    if (!def)
        return NULL;
    if (type == HV_METADATA_ELEMENT && !uri) {
        g_set_error_literal(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                            "a metadata element needs a namespace uri");
        return NULL;
    }
    if (type == HV_METADATA_ELEMENT) {
        g_autoptr(GError) local = NULL;

        text = conf_domain_metadata_get(def, uri, &local);
        /* INVALID: there is none, which has a code of its own here. */
        if (local && !g_error_matches(local, CONF_ERROR, CONF_ERROR_INVALID)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    } else {
        text = g_strdup(type == HV_METADATA_TITLE ? def->title : def->description);
    }
    if (!text)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_NO_METADATA,
                            "Requested metadata element is not present");
    return g_steal_pointer(&text);
}

/* ---- consoles ---- */

/* A serial port and the console that mirrors it are one thing, as in libvirt: the alias decides. */
static const ConfChardev *
find_console(const ConfDomain *live, const char *device)
{
    GPtrArray *lists[] = { live->consoles, live->serials };

    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (guint j = 0; j < lists[i]->len; j++) {
            const ConfChardev *chr = g_ptr_array_index(lists[i], j);

            if (!device || g_strcmp0(chr->dev.alias, device) == 0)
                return chr;
        }
    }
    return NULL;
}

/* End of file for whoever reads or writes `fd`; the number stays theirs to close. */
static void
cut_off(int fd)
{
    int pair[2];

    if (shutdown(fd, SHUT_RDWR) == 0)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return;
    close(pair[1]);
    dup3(pair[0], fd, O_CLOEXEC);
    close(pair[0]);
}

/* Is the console free for a new holder? */
static gboolean
claim_locked(HvDomain *domain, const char *alias, gboolean force, GError **error)
{
    for (guint i = 0; i < domain->consoles->len; i++) {
        HvConsole *console = &g_array_index(domain->consoles, HvConsole, i);

        if (g_strcmp0(console->alias, alias) != 0)
            continue;
        if (!force) {
            g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                                "Active console session exists for this domain");
            return FALSE;
        }
        cut_off(console->fd);
        if (console->cut)
            console->cut(console->fd, console->data);
        g_array_remove_index_fast(domain->consoles, i);
        return TRUE;
    }
    return TRUE;
}

static gboolean
hold_console(HvDomain *domain, const char *alias, int domid, int fd, gboolean force, GError **error)
{
    HvConsole console = { .alias = g_strdup(alias), .fd = fd };
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    if (domain->view->domid != domid) {
        g_free(console.alias);
        return hv_set_not_running(error);
    }
    if (!claim_locked(domain, alias, force, error)) {
        g_free(console.alias);
        return FALSE;
    }
    g_array_append_val(domain->consoles, console);
    return TRUE;
}

/* Opens one by the hook for its kind; nobody else gets it until it is closed. */
static int
open_held(HvDomain *domain, const HvView *now,
          int (*hook)(HvEngine *engine, int domid, const ConfChardev *chr, GError **error),
          const ConfChardev *chr, gboolean force, GError **error)
{
    HvHost *host = domain->host;
    int fd;

    if (!hv_host_enter_engine(host, error))
        return -1;
    fd = hook(host->engine, now->domid, chr, error);
    hv_host_leave_engine(host);
    if (fd < 0)
        return -1;
    if (!hold_console(domain, chr->dev.alias, now->domid, fd, force, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

int
hv_domain_open_console(HvDomain *domain, const char *device, gboolean force, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfChardev *chr;

    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW)
        return -1;
    if (!host->ops->console) {
        hv_set_unsupported(error, host, "opening a console");
        return -1;
    }
    chr = find_console(now->live, device);
    if (!chr) {
        if (device)
            g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "cannot find console device '%s'",
                        device);
        else
            g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                                "domain has no console and no serial port");
        return -1;
    }
    return open_held(domain, now, host->ops->console, chr, force, error);
}

static const ConfChardev *
find_channel(const ConfDomain *live, const char *name)
{
    for (guint i = 0; i < live->channels->len; i++) {
        const ConfChardev *chr = g_ptr_array_index(live->channels, i);

        if (!name || g_strcmp0(chr->dev.alias, name) == 0 || g_strcmp0(chr->target_name, name) == 0)
            return chr;
    }
    return NULL;
}

int
hv_domain_open_channel(HvDomain *domain, const char *name, gboolean force, GError **error)
{
    HvHost *host = domain->host;
    g_autoptr(HvView) now = hv_domain_view(domain);
    const ConfChardev *chr;

    if (hv_lifecycle_check(now, HV_OP_TUNE, error) != HV_VERDICT_ALLOW)
        return -1;
    if (!host->ops->channel) {
        hv_set_unsupported(error, host, "opening a channel");
        return -1;
    }
    chr = find_channel(now->live, name);
    if (!chr) {
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "cannot find channel %s",
                    name ? name : "device");
        return -1;
    }
    return open_held(domain, now, host->ops->channel, chr, force, error);
}

/* `watch` NULL: forgets it. */
static gboolean
change_console_locked(HvDomain *domain, int fd, const HvConsole *watch)
{
    for (guint i = 0; i < domain->consoles->len; i++) {
        HvConsole *console = &g_array_index(domain->consoles, HvConsole, i);

        if (console->fd != fd)
            continue;
        if (watch) {
            console->cut = watch->cut;
            console->data = watch->data;
        } else {
            g_array_remove_index_fast(domain->consoles, i);
        }
        return TRUE;
    }
    return FALSE;
}

/* In the domain, or in what it has become. FALSE: nobody holds it. */
static gboolean
change_console(HvDomain *domain, int fd, const HvConsole *watch)
{
    g_autoptr(HvDomain) at = hv_domain_ref(domain);

    while (at) {
        g_autoptr(HvDomain) now = g_steal_pointer(&at);
        g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&now->lock);

        if (change_console_locked(now, fd, watch))
            return TRUE;
        at = now->successor ? hv_domain_ref(now->successor) : NULL;
    }
    return FALSE;
}

gboolean
hv_domain_watch_console(HvDomain *domain, int fd, HvConsoleCut cut, gpointer data)
{
    return change_console(domain, fd, &(HvConsole){ .cut = cut, .data = data });
}

void
hv_domain_close_console(HvDomain *domain, int fd)
{
    change_console(domain, fd, NULL);
}

void
hv_domain_forget_consoles(HvDomain *domain)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domain->lock);

    g_array_set_size(domain->consoles, 0);
}
