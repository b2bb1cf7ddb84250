/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook scripts of the host's administrator, as libvirt has them (its page hooks.html): the
 * file hooks/libxl, then those in hooks/libxl.d by their names. docs/HOOKS.md tells what they hear.
 *
 * A script may take as long as it likes, or hang. No lock is held meanwhile, only its domain's job.
 */
#include "hv-private.h"

#include <sys/stat.h>
#include <unistd.h>

#define FOLDER         "/etc/libvirt/hooks/"
#define DOMAIN_SCRIPTS "libxl"
#define DAEMON_SCRIPTS "daemon"
/* How long a script may go on once somebody wants its domain to end. */
#define GRACE_MS          3000
#define SHUTDOWN_LIMIT_MS 30000

/* What a script is called with. */
typedef struct Call {
    const char *operation, *suboperation, *extra;
} Call;

static const Call calls[] = {
    [HV_HOOK_PREPARE] = { "prepare", "begin", "-" },
    [HV_HOOK_START] = { "start", "begin", "-" },
    [HV_HOOK_STARTED] = { "started", "begin", "-" },
    [HV_HOOK_STOPPED] = { "stopped", "end", "-" },
    [HV_HOOK_RELEASE] = { "release", "end", "-" },
    [HV_HOOK_RECONNECT] = { "reconnect", "begin", "-" },
    [HV_HOOK_RESTORE] = { "restore", "begin", "-" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(calls) == HV_N_HOOKS);

static const Call daemon_calls[] = {
    [HV_DAEMON_HOOK_START] = { "start", "-", "start" },
    [HV_DAEMON_HOOK_RELOAD] = { "reload", "begin", "SIGHUP" },
    [HV_DAEMON_HOOK_SHUTDOWN] = { "shutdown", "-", "shutdown" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(daemon_calls) == HV_N_DAEMON_HOOKS);

/* ---- which ---- */

static gboolean
is_script(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Their paths; an empty list where there are none. */
static GPtrArray *
find_scripts(HvHost *host, const char *driver)
{
    GPtrArray *scripts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *first = g_strconcat(host->store->root, FOLDER, driver, NULL);
    g_autofree char *folder = g_strconcat(first, ".d", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (is_script(path))
            g_ptr_array_add(scripts, g_steal_pointer(&path));
    }
    g_ptr_array_sort(scripts, compare_paths);
    if (is_script(first))
        g_ptr_array_insert(scripts, 0, g_steal_pointer(&first));
    return scripts;
}

gboolean
hv_hook_exists(HvHost *host)
{
    g_autoptr(GPtrArray) scripts = find_scripts(host, DOMAIN_SCRIPTS);

    return scripts->len > 0;
}

/* ---- running them ---- */

typedef struct Round {
    GPtrArray *scripts;
    const char *name; /* of the domain, or "-" */
    const Call *call;
    gboolean filter; /* what one writes is what the next one reads */
    HvRun run;       /* but for argv and envp */
} Round;

static void
pass_on(GPtrArray *to, const char *name, const char *otherwise)
{
    const char *value = g_getenv(name);

    if (!value)
        value = otherwise;
    if (value)
        g_ptr_array_add(to, g_strconcat(name, "=", value, NULL));
}

/* What the stock daemon gives to a script. */
static GPtrArray *
make_environment(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(all, g_strdup("LC_ALL=C"));
    pass_on(all, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    pass_on(all, "HOME", NULL);
    pass_on(all, "USER", NULL);
    pass_on(all, "LOGNAME", NULL);
    pass_on(all, "TMPDIR", NULL);
    g_ptr_array_add(all, NULL);
    return all;
}

static gboolean
run_one(const Round *round, const char *path, const char *input, char **ret_output, GError **error)
{
    const Call *call = round->call;
    const char *argv[] = {
        path, round->name, call->operation, call->suboperation, call->extra, NULL
    };
    g_autoptr(GPtrArray) environment = make_environment();
    HvRun run = round->run;

    run.argv = argv;
    run.envp = (const char *const *)environment->pdata;
    run.input = input;
    run.output_max = round->filter ? CONF_MAX_XML : 0;
    return hv_run(&run, round->filter ? ret_output : NULL, error);
}

/* What a client or a guest is told: only a script that was there to be asked has refused. */
static int
code_of(const GError *cause)
{
    gboolean ours = g_error_matches(cause, HV_ERROR, HV_ERROR_CANCELLED) ||
                    g_error_matches(cause, HV_ERROR, HV_ERROR_INTERNAL);

    return ours ? cause->code : HV_ERROR_HOOK;
}

/* As the client sees it: who did not want what, and the script's own words. */
static void
take_failure(const Round *round, const char *path, const GError *cause, GError **first)
{
    const Call *call = round->call;
    g_autofree char *text = g_strdup_printf("%s %s %s %s %s: %s", path, round->name,
                                            call->operation, call->suboperation, call->extra,
                                            cause->message);

    if (*first)
        g_warning("hook script: %s", text);
    else
        g_set_error_literal(first, HV_ERROR, code_of(cause), text);
}

static gboolean
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* All of them, also after one that has failed; but none after the domain was to end. *xml is what
 * they read, and what filters have made of it. */
static gboolean
run_all(const Round *round, char **xml, GError **error)
{
    g_autoptr(GError) first = NULL;

    for (guint i = 0; i < round->scripts->len; i++) {
        g_autoptr(GError) local = NULL;
        g_autofree char *output = NULL;

        if (!run_one(round, round->scripts->pdata[i], *xml, &output, &local))
            take_failure(round, round->scripts->pdata[i], local, &first);
        if (g_error_matches(local, HV_ERROR, HV_ERROR_CANCELLED))
            break;
        if (output && !is_blank(output)) {
            g_free(*xml);
            *xml = g_steal_pointer(&output);
        }
    }
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

/* ---- a domain's ---- */

/* As the stock driver: at the end of all it has no id any more. */
static char *
xml_for(HvHook hook, const ConfDomain *def)
{
    g_autoptr(ConfDomain) ended = NULL;

    if (hook != HV_HOOK_RELEASE || def->id < 0)
        return conf_domain_format_xml(def, 0);
    ended = conf_domain_copy(def);
    ended->id = -1;
    return conf_domain_format_xml(ended, 0);
}

static Round
round_of(HvJob *job, HvHook hook, GPtrArray *scripts)
{
    HvDomain *domain = job->domain;

    return (Round){
        .scripts = scripts,
        .name = domain->name,
        .call = &calls[hook],
        .run = { .cancellable = job->cancellable,
                 .grace_ms = GRACE_MS,
                 .hurry = &domain->host->stopping },
    };
}

static gboolean
still_wanted(HvJob *job, GError **error)
{
    if (!hv_job_is_cancelled(job))
        return TRUE;
    return hv_refuse(error, HV_ERROR_CANCELLED, "domain '%s' was to end", job->domain->name);
}

gboolean
hv_hook_ask(HvJob *job, HvHook hook, const ConfDomain *def, GError **error)
{
    g_autoptr(GPtrArray) scripts = find_scripts(job->domain->host, DOMAIN_SCRIPTS);
    Round round = round_of(job, hook, scripts);
    g_autofree char *xml = NULL;

    if (scripts->len == 0)
        return TRUE;
    if (!still_wanted(job, error))
        return FALSE;
    xml = xml_for(hook, def);
    return run_all(&round, &xml, error) && still_wanted(job, error);
}

void
hv_hook_tell(HvJob *job, HvHook hook, const ConfDomain *def)
{
    HvDomain *domain = job->domain;
    g_autoptr(GPtrArray) scripts = find_scripts(domain->host, DOMAIN_SCRIPTS);
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    GCancellable *before;
    Round round;

    if (scripts->len == 0)
        return;
    /* What ended the guest has nothing to do with its scripts, but another stop may end those. */
    before = hv_job_swap_cancellable(job, g_cancellable_new());
    round = round_of(job, hook, scripts);
    round.run.hurry = NULL;
    xml = xml_for(hook, def);
    if (!run_all(&round, &xml, &error)) {
        g_warning("hook script: %s", error->message);
        hv_store_log(domain->host->store, domain->name, "hook script: %s", error->message);
    }
    before = hv_job_swap_cancellable(job, before);
    g_object_unref(before);
}

/* What scripts have written, checked as that of a user who restores with another definition. */
static ConfDomain *
read_filtered(const char *xml, const ConfDomain *def, GError **error)
{
    g_autoptr(ConfDomain)
        said = conf_domain_parse_xml(xml, -1, "(hook_script)", CONF_XML_NO_UUID_OK, error);
    g_autoptr(ConfDomain) inactive = said ? hv_def_inactive(said, error) : NULL;

    if (!inactive)
        return NULL;
    if (!inactive->uuid_set)
        memcpy(inactive->uuid, def->uuid, sizeof(inactive->uuid));
    inactive->uuid_set = true;
    if (!hv_save_check_replacement(def, inactive, error) || !hv_def_prepare(inactive, error))
        return NULL;
    return g_steal_pointer(&inactive);
}

ConfDomain *
hv_hook_filter(HvJob *job, HvHook hook, const ConfDomain *def, GError **error)
{
    g_autoptr(GPtrArray) scripts = find_scripts(job->domain->host, DOMAIN_SCRIPTS);
    Round round = round_of(job, hook, scripts);
    g_autofree char *xml = NULL;
    g_autofree char *given = NULL;
    ConfDomain *result;

    if (scripts->len == 0)
        return conf_domain_ref((ConfDomain *)def);
    round.filter = TRUE;
    /* Passwords, too: what is not in it is lost. */
    xml = conf_domain_format_xml(def, CONF_XML_SECURE);
    given = g_strdup(xml);
    if (!still_wanted(job, error) || !run_all(&round, &xml, error) || !still_wanted(job, error))
        return NULL;
    if (g_str_equal(given, xml))
        return conf_domain_ref((ConfDomain *)def);
    result = read_filtered(xml, def, error);
    if (!result)
        g_prefix_error(error, "the hook script's XML for domain '%s': ", job->domain->name);
    return result;
}

/* ---- the daemon's ---- */

void
hv_host_tell_daemon_hook(HvHost *host, HvDaemonHook hook)
{
    g_autoptr(GPtrArray) scripts = find_scripts(host, DAEMON_SCRIPTS);
    const Round round = {
        .scripts = scripts,
        .name = "-",
        .call = &daemon_calls[hook],
        .run = { .limit_ms = hook == HV_DAEMON_HOOK_SHUTDOWN ? SHUTDOWN_LIMIT_MS : 0 },
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *nothing = NULL;

    if (!run_all(&round, &nothing, &error))
        g_warning("hook script: %s", error->message);
}
