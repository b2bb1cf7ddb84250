/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-run.h"

#include "x2l-check.h"
#include "x2l-host.h"
#include "x2l-import.h"
#include "x2l-net.h"
#include "x2l-report.h"
#include "x2l-root.h"
#include "x2l-site.h"
#include "x2l-term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

typedef struct Run {
    const X2lRunOptions *options;
    X2lOptions convert; /* with root and site */
    X2lRoot *root;      /* NULL: no --host */
    X2lSite *site;      /* the same */
    X2lFound found;
    GPtrArray *results;  /* X2lResult: own what is below */
    GPtrArray *domains;  /* X2lDomain */
    GPtrArray *findings; /* X2lFinding */
    GPtrArray *skips;    /* X2lSkip, borrowed */
    GHashTable *names;   /* one at a time: name or uuid -> X2lDomain that has it */
    X2lTarget *target;   /* NULL: none is wanted, or it was not reached */
    char *no_target;     /* why it was not reached */
    gboolean at_once;    /* each domain is dealt with as it comes; else all are looked at first */
    guint done, existing, failed;
    guint lost, changed;
} Run;

static volatile sig_atomic_t stop; /* SIGINT, SIGTERM */

static void
on_signal(int number)
{
    stop = 1;
}

static void
fail(Run *run, const char *message)
{
    run->failed++;
    x2l_print_error(message);
}

/* What cannot be read is said at once, or with all else that was found. */
static void
unreadable(Run *run, const char *message)
{
    x2l_find(run->findings, "unreadable", NULL, "%s", message);
    if (run->at_once)
        fail(run, message);
    else
        run->failed++;
}

static void
add_skip(Run *run, X2lSkip *skip)
{
    g_autofree char *path = NULL;

    if (!skip)
        return;
    g_ptr_array_add(run->skips, skip);
    if (!run->convert.verbose && !skip->loud)
        return;
    path = x2l_printable(skip->path);
    x2l_print(stderr, X2L_STYLE_DIM, "%s: skipped: %s\n", path, skip->reason);
}

/* ---- one domain ---- */

gboolean
x2l_put_out(const char *output_dir, const char *name, const char *suffix, const char *text,
            GError **error)
{
    g_autofree char *file = NULL, *path = NULL;

    if (!output_dir) {
        fputs(text, stdout);
        if (fflush(stdout) == 0)
            return TRUE;
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "standard output: %s", g_strerror(errno));
        return FALSE;
    }
    file = g_strconcat(name, suffix, NULL);
    /* No name of a domain leads out of the folder. */
    g_strdelimit(file, "/", '_');
    path = g_build_filename(output_dir, file, NULL);
    return x2l_write_soon(path, text, error);
}

static gboolean
is_dry(const Run *run)
{
    return run->options->dry_run;
}

/* The lines of a domain that was, or would be, dealt with. */
static void
print_action(Run *run, const X2lDomain *domain)
{
    g_autofree char *name = x2l_printable(domain->def->name);
    g_autofree char *path = x2l_printable(domain->input->path);
    gboolean news = domain->action == X2L_ACTION_NEW || domain->action == X2L_ACTION_REDEFINE;

    x2l_print(stdout, X2L_STYLE_PLAIN, "Domain '%s' ", name);
    if (domain->action == X2L_ACTION_EXISTS && !is_dry(run))
        x2l_print(stdout, X2L_STYLE_PLAIN,
                  "is there already and was left as it is (--replace redefines it)");
    else
        x2l_print(stdout, news ? X2L_STYLE_GREEN : X2L_STYLE_PLAIN, "%s",
                  x2l_action_title(domain->action, is_dry(run)));
    if (news || is_dry(run))
        x2l_print(stdout, X2L_STYLE_PLAIN, " from %s%s", path,
                  news && domain->autostart ? " (autostart)" : "");
    x2l_print(stdout, X2L_STYLE_PLAIN, "\n");
    if (domain->diff && is_dry(run))
        x2l_print_diff(domain->diff);
}

static void
refused(Run *run, X2lDomain *domain)
{
    g_autofree char *message = g_strdup_printf("%s: %s: %s", domain->input->path, domain->def->name,
                                               domain->error);

    if (domain->action == X2L_ACTION_CONFLICT)
        x2l_find(run->findings, "conflict", domain, "%s", message);
    else
        x2l_find(run->findings, "refused", domain, "%s", message);
    if (run->at_once || domain->action == X2L_ACTION_FAILED)
        fail(run, message);
    else
        run->failed++;
}

static gboolean
compare(Run *run, X2lDomain *domain)
{
    g_autoptr(GError) error = NULL;

    if (!x2l_target_compare(run->target, domain, run->convert.replace, &error)) {
        domain->action = X2L_ACTION_FAILED;
        domain->error = g_strdup(error->message);
    }
    if (domain->action != X2L_ACTION_FAILED && domain->action != X2L_ACTION_CONFLICT)
        return TRUE;
    refused(run, domain);
    return FALSE;
}

static gboolean
apply(Run *run, X2lDomain *domain, X2lUndo *undo)
{
    gboolean news = domain->action == X2L_ACTION_NEW || domain->action == X2L_ACTION_REDEFINE;

    if (!x2l_target_apply(run->target, domain, undo)) {
        refused(run, domain);
        return FALSE;
    }
    run->done += news;
    run->existing += !news;
    if (!undo)
        print_action(run, domain);
    return TRUE;
}

static void
write_out(Run *run, const X2lDomain *domain)
{
    g_autoptr(GError) error = NULL;

    if (x2l_put_out(run->options->output_dir, domain->def->name, ".xml", domain->xml, &error))
        run->done++;
    else
        fail(run, error->message);
}

static gboolean
wants_import(const Run *run)
{
    return !run->options->convert_only && !run->options->output_dir;
}

static void
print_losses(Run *run, const X2lDomain *domain)
{
    gboolean in_report = run->root && run->options->reports;

    run->lost += conf_report_count(domain->report, CONF_OUTCOME_LOST);
    run->changed += conf_report_count(domain->report, CONF_OUTCOME_CHANGED);
    if (in_report && !run->convert.verbose)
        return;
    x2l_print_report(domain->report, run->convert.verbose);
    if (run->convert.verbose)
        x2l_print_defaults(domain);
}

/* ---- one at a time ---- */

/* xend keeps a file of it among the others, and `xm list --long` prints it first. Who wants the
 * document all the same asks for that file alone. */
static gboolean
is_host_itself(const Run *run, const X2lDomain *domain)
{
    static const guint8 zero[16];
    const ConfDomain *def = domain->def;

    if (!wants_import(run) && !run->options->output_dir && !run->convert.recursive && !run->root)
        return FALSE;
    return g_str_equal(def->name, "Domain-0") ||
           (def->uuid_set && memcmp(def->uuid, zero, sizeof zero) == 0);
}

/* Name and uuid are enough to know a second one by. */
static void
shrink(X2lDomain *domain)
{
    ConfDomain *small = conf_domain_new();

    small->name = g_strdup(domain->def->name);
    memcpy(small->uuid, domain->def->uuid, sizeof small->uuid);
    small->uuid_set = domain->def->uuid_set;
    conf_domain_unref(domain->def);
    domain->def = small;
    g_ptr_array_set_size(domain->report->rows, 0);
    g_clear_pointer(&domain->xml, g_free);
    g_clear_pointer(&domain->diff, g_free);
}

static void
do_at_once(Run *run, X2lDomain *domain)
{
    print_losses(run, domain);
    x2l_check_duplicate(domain, run->names, run->findings);
    if (domain->same_as) {
        domain->action = X2L_ACTION_BLOCKED;
        fail(run, ((X2lFinding *)run->findings->pdata[run->findings->len - 1])->text);
    } else if (run->target) {
        if (compare(run, domain))
            apply(run, domain, NULL);
    } else {
        write_out(run, domain);
    }
    if (!run->options->reports)
        shrink(domain);
}

static void
take(X2lResult *result, unsigned index, gpointer data)
{
    Run *run = data;

    x2l_progress_step(index);
    g_ptr_array_add(run->results, result);
    add_skip(run, result->skip);
    for (guint i = 0; result->skips && i < result->skips->len; i++)
        add_skip(run, result->skips->pdata[i]);
    for (guint i = 0; i < result->domains->len; i++) {
        X2lDomain *domain = result->domains->pdata[i];

        if (is_host_itself(run, domain)) {
            X2lSkip *skip = x2l_skip_new(domain->input->path,
                                         "domain 0 is the host itself and needs no definition",
                                         !run->convert.recursive && !run->root);

            g_ptr_array_add(run->found.skips, skip); /* owns it */
            add_skip(run, skip);
            continue;
        }
        domain->index = run->domains->len;
        g_ptr_array_add(run->domains, domain);
        if (run->at_once)
            do_at_once(run, domain);
    }
    for (guint i = 0; i < result->errors->len; i++)
        unreadable(run, result->errors->pdata[i]);
}

/* ---- all at once ---- */

static void
look_at_all(Run *run, X2lNet *net)
{
    X2lWorld world = { .root = run->root, .local = TRUE };

    if (run->target)
        x2l_target_ask_world(run->target, &world);
    if (run->site)
        x2l_host_findings(run->site, net, run->domains, run->findings);
    x2l_check_all(run->domains, &world, run->findings);
    x2l_world_clear(&world);
}

/* Works out for each domain what is to be done. FALSE: some of them cannot be. */
static gboolean
plan_all(Run *run)
{
    gboolean all_good = run->failed == 0;

    for (guint i = 0; i < run->domains->len; i++) {
        X2lDomain *domain = run->domains->pdata[i];

        if (domain->blocked) {
            domain->action = X2L_ACTION_BLOCKED;
            /* What xend's store replaces, and a copy in auto/, is no failure. */
            if (!domain->same_as || domain->n_findings[X2L_SEVERE]) {
                run->failed++;
                all_good = FALSE;
            }
        } else if (run->target) {
            all_good &= compare(run, domain);
        } else if (is_dry(run)) {
            domain->action = X2L_ACTION_NEW;
        }
        x2l_progress_step(i);
    }
    return all_good;
}

static void
report_undone(Run *run, X2lUndo *undo)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func(g_free);

    x2l_undo_all(run->target, undo, errors);
    run->done = 0;
    for (guint i = 0; i < errors->len; i++)
        fail(run, errors->pdata[i]);
    if (errors->len == 0)
        x2l_print(stderr, X2L_STYLE_YELLOW, "xen2libvirt: everything was taken back (--atomic)\n");
}

static void
import_all(Run *run)
{
    g_autoptr(X2lUndo) undo = run->options->atomic ? x2l_undo_new() : NULL;
    gboolean ok = TRUE;

    /* Half of an --atomic import may not stay behind. */
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    for (guint i = 0; i < run->domains->len && (ok || !undo) && !stop; i++) {
        X2lDomain *domain = run->domains->pdata[i];

        if (domain->action == X2L_ACTION_BLOCKED || domain->action == X2L_ACTION_CONFLICT ||
            domain->action == X2L_ACTION_FAILED)
            continue;
        ok &= apply(run, domain, undo);
        x2l_progress_step(i);
    }
    if (stop)
        fail(run, "interrupted");
    if (undo && (!ok || stop)) {
        report_undone(run, undo);
        return;
    }
    for (guint i = 0; undo && i < run->domains->len; i++) {
        if (!((X2lDomain *)run->domains->pdata[i])->same_as)
            print_action(run, run->domains->pdata[i]);
    }
}

static void
print_all(Run *run)
{
    for (guint i = 0; i < run->domains->len; i++) {
        const X2lDomain *domain = run->domains->pdata[i];

        if (!domain->same_as)
            print_losses(run, domain);
    }
    for (guint i = 0; is_dry(run) && i < run->domains->len; i++)
        print_action(run, run->domains->pdata[i]);
}

/* Before anything is done. */
static void
print_found(const Run *run)
{
    const X2lReport report = { .findings = run->findings };

    x2l_print_findings(&report, run->convert.verbose);
}

static void
refuse_all(Run *run)
{
    for (guint i = 0; i < run->domains->len; i++)
        ((X2lDomain *)run->domains->pdata[i])->action = X2L_ACTION_BLOCKED;
    x2l_print(stderr, X2L_STYLE_RED,
              "xen2libvirt: nothing was imported (--atomic): see the errors\n");
}

static void
do_all_at_once(Run *run, X2lNet *net)
{
    gboolean all_good;

    look_at_all(run, net);
    x2l_progress_begin("comparing", run->domains->len);
    all_good = plan_all(run);
    x2l_progress_end();
    print_all(run);
    print_found(run);
    if (is_dry(run))
        return;
    if (!wants_import(run)) {
        for (guint i = 0; i < run->domains->len; i++) {
            if (!((X2lDomain *)run->domains->pdata[i])->blocked)
                write_out(run, run->domains->pdata[i]);
        }
    } else if (run->options->atomic && !all_good) {
        refuse_all(run);
    } else {
        x2l_progress_begin("importing", run->domains->len);
        import_all(run);
        x2l_progress_end();
    }
}

/* ---- the end ---- */

static void
print_summary(const Run *run)
{
    guint skipped = run->skips->len;
    guint n = is_dry(run) ? run->domains->len : run->done;

    x2l_print(stderr, X2L_STYLE_PLAIN, "xen2libvirt: %u domain%s %s", n, n == 1 ? "" : "s",
              is_dry(run)         ? "looked at, nothing was changed"
              : wants_import(run) ? "defined"
                                  : "converted");
    if (run->existing)
        x2l_print(stderr, X2L_STYLE_PLAIN, ", %u there already", run->existing);
    x2l_print(stderr, run->failed ? X2L_STYLE_RED : X2L_STYLE_PLAIN, ", %u failed", run->failed);
    x2l_print(stderr, X2L_STYLE_PLAIN, ", %u key%s not carried, %u carried with a change",
              run->lost, run->lost == 1 ? "" : "s", run->changed);
    if (skipped)
        x2l_print(stderr, X2L_STYLE_PLAIN, ", %u file%s skipped%s", skipped,
                  skipped == 1 ? "" : "s", run->convert.verbose ? "" : " (-v names them)");
    x2l_print(stderr, X2L_STYLE_PLAIN, "\n");
}

static void
write_reports(Run *run, const X2lReport *report)
{
    for (char **path = run->options->reports; path && *path; path++) {
        g_autoptr(GError) error = NULL;

        if (x2l_report_write(report, *path, &error))
            x2l_print(stderr, X2L_STYLE_PLAIN, "xen2libvirt: the whole report is in %s\n", *path);
        else
            fail(run, error->message);
    }
}

static void
finish(Run *run, const X2lNet *net)
{
    g_autoptr(GPtrArray) snippets = run->site ? x2l_net_snippets(run->site, net) : NULL;
    X2lReport report = {
        .root = run->options->host,
        .paths = run->root ? NULL : run->options->paths,
        .mode = is_dry(run)         ? "dry-run"
                : wants_import(run) ? "import"
                                    : "convert",
        .target = run->target         ? x2l_target_uri(run->target)
                  : wants_import(run) ? x2l_target_default_uri(run->options->uri)
                                      : NULL,
        .no_target = run->no_target,
        .domains = run->domains,
        .findings = run->findings,
        .skips = run->skips,
        .site = run->site,
        .net = net,
        .snippets = snippets,
        .totals = { .failed = run->failed },
    };

    x2l_report_count(&report);
    if (run->site && (is_dry(run) || run->convert.verbose))
        x2l_print_plan(&report, run->convert.verbose);
    write_reports(run, &report);
    if (run->convert.recursive || run->found.inputs->len > 1 || wants_import(run) || run->root)
        print_summary(run);
    if (run->no_target && is_dry(run))
        x2l_print(stderr, X2L_STYLE_YELLOW, "xen2libvirt: could not be compared: %s\n",
                  run->no_target);
}

static gboolean
open_target(Run *run)
{
    g_autoptr(GError) error = NULL;

    if (!wants_import(run))
        return TRUE;
    run->target = x2l_target_open(run->options->uri, &error);
    if (run->target)
        return TRUE;
    if (is_dry(run)) {
        run->no_target = g_strdup(error->message);
        return TRUE;
    }
    fail(run, error->message);
    return FALSE;
}

static gboolean
open_host(Run *run)
{
    g_autoptr(GError) error = NULL;

    if (!run->options->host)
        return TRUE;
    run->root = x2l_root_new(run->options->host, &error);
    if (!run->root) {
        fail(run, error->message);
        return FALSE;
    }
    run->site = x2l_site_read(run->root);
    run->convert.root = run->root;
    run->convert.site = run->site;
    run->convert.in_doubt = run->site->in_doubt;
    return TRUE;
}

static void
find_inputs(Run *run)
{
    if (run->root)
        x2l_host_find(&run->convert, &run->found);
    for (char **path = run->root ? NULL : run->options->paths; path && *path; path++) {
        g_autoptr(GError) error = NULL;

        if (!x2l_walk(*path, &run->convert, &run->found, &error))
            unreadable(run, error->message);
    }
    for (guint i = 0; i < run->found.skips->len; i++)
        add_skip(run, run->found.skips->pdata[i]);
    for (guint i = 0; i < run->found.errors->len; i++)
        unreadable(run, run->found.errors->pdata[i]);
}

static void
run_all(Run *run)
{
    g_autoptr(X2lNet) net = NULL;

    if (!open_host(run) || !open_target(run))
        return;
    find_inputs(run);
    x2l_progress_begin("converting", run->found.inputs->len);
    x2l_convert_all(run->found.inputs, &run->convert, take, run);
    x2l_progress_end();
    if (!run->at_once)
        x2l_check_duplicates(run->domains, run->findings);
    if (run->site)
        net = x2l_net_plan(run->site, run->domains);
    if (!run->at_once)
        do_all_at_once(run, net);
    finish(run, net);
}

X2lStatus
x2l_run(const X2lRunOptions *options)
{
    Run run = { .options = options, .convert = options->convert };

    run.convert.want_xml = options->convert_only || options->output_dir;
    run.at_once = !options->host && !options->dry_run && !options->atomic;
    run.results = g_ptr_array_new_with_free_func((GDestroyNotify)x2l_result_free);
    run.domains = g_ptr_array_new();
    run.findings = x2l_findings_new();
    run.skips = g_ptr_array_new();
    run.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    x2l_found_init(&run.found);
    run_all(&run);
    x2l_target_close(run.target);
    g_ptr_array_unref(run.skips);
    g_ptr_array_unref(run.findings);
    g_ptr_array_unref(run.domains);
    g_ptr_array_unref(run.results);
    g_hash_table_unref(run.names);
    x2l_found_clear(&run.found);
    x2l_site_free(run.site);
    x2l_root_free(run.root);
    g_free(run.no_target);
    if (run.failed)
        return X2L_STATUS_FAILED;
    return options->strict && run.lost ? X2L_STATUS_LOST : X2L_STATUS_OK;
}
