/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-report.h"

#include <string.h>

typedef struct Words {
    const char *word, *title;
} Words;

static const Words categories[] = {
    [X2L_CATEGORY_LOST] = { "lost", "not carried" },
    [X2L_CATEGORY_CHANGED] = { "changed", "changed" },
    [X2L_CATEGORY_HOST] = { "host-default", "from the host's defaults" },
    [X2L_CATEGORY_NAMESPACE] = { "namespace", "carried in xlvirt's namespace" },
    [X2L_CATEGORY_CARRIED] = { "carried", "carried" },
    [X2L_CATEGORY_DEFAULT] = { "default", "holds anyway" },
    [X2L_CATEGORY_RUNTIME] = { "runtime", "state of a running domain" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(categories) == X2L_N_CATEGORIES);

static const struct {
    const char *word, *done, *planned;
} actions[] = {
    [X2L_ACTION_NONE] = { "converted", "converted", "converted" },
    [X2L_ACTION_NEW] = { "new", "defined", "would be defined" },
    [X2L_ACTION_REDEFINE] = { "redefine", "redefined", "would be redefined" },
    [X2L_ACTION_SAME] = { "same", "there already, the same", "there already, the same" },
    [X2L_ACTION_EXISTS] = { "exists", "there already, differs; left as it is",
                            "there already, differs; would be left as it is" },
    [X2L_ACTION_CONFLICT] = { "conflict", "conflict", "conflict" },
    [X2L_ACTION_BLOCKED] = { "blocked", "not imported", "would not be imported" },
    [X2L_ACTION_FAILED] = { "failed", "failed", "failed" },
    [X2L_ACTION_UNDONE] = { "undone", "taken back", "taken back" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(actions) == X2L_N_ACTIONS);

/* "ioports[1]" and "disk[0].script" belong to "ioports" and "disk[0]"; "disk[0]" is no "disk". */
static gboolean
is_ours(const X2lDomain *domain, const char *path)
{
    g_autofree char *name = NULL;
    gsize len = strcspn(path, "./");

    if (!domain->ours)
        return FALSE;
    name = g_strndup(path, len);
    if (g_hash_table_contains(domain->ours, name))
        return TRUE;
    name[strcspn(name, "[")] = '\0';
    return g_hash_table_contains(domain->ours, name);
}

X2lCategory
x2l_category_of(const X2lDomain *domain, const ConfReportRow *row)
{
    switch (row->outcome) {
    case CONF_OUTCOME_CARRIED:
        return row->ours || is_ours(domain, row->path) ? X2L_CATEGORY_NAMESPACE
                                                       : X2L_CATEGORY_CARRIED;
    case CONF_OUTCOME_DEFAULT:
        return X2L_CATEGORY_DEFAULT;
    case CONF_OUTCOME_RUNTIME:
        return X2L_CATEGORY_RUNTIME;
    case CONF_OUTCOME_CHANGED:
        return X2L_CATEGORY_CHANGED;
    case CONF_OUTCOME_LOST:
        return X2L_CATEGORY_LOST;
    }
    g_assert_not_reached();
}

const char *
x2l_category_word(X2lCategory category)
{
    return categories[category].word;
}

const char *
x2l_category_title(X2lCategory category)
{
    return categories[category].title;
}

const char *
x2l_action_word(X2lAction action)
{
    return actions[action].word;
}

const char *
x2l_action_title(X2lAction action, gboolean dry_run)
{
    return dry_run ? actions[action].planned : actions[action].done;
}

static void
count_domain(X2lTotals *totals, const X2lDomain *domain)
{
    const GPtrArray *rows = domain->report->rows;

    totals->actions[domain->action]++;
    if (domain->same_as)
        return;
    totals->domains++;
    totals->autostart += domain->autostart != FALSE;
    totals->keys[X2L_CATEGORY_HOST] += domain->defaults ? domain->defaults->len : 0;
    for (guint i = 0; i < rows->len; i++)
        totals->keys[x2l_category_of(domain, rows->pdata[i])]++;
}

void
x2l_report_count(X2lReport *report)
{
    unsigned failed = report->totals.failed;

    report->totals = (X2lTotals){ .failed = failed };
    for (guint i = 0; i < report->domains->len; i++)
        count_domain(&report->totals, report->domains->pdata[i]);
    for (guint i = 0; i < report->findings->len; i++) {
        const X2lFinding *finding = report->findings->pdata[i];

        report->totals.findings[finding->problem->severity]++;
    }
}

static gint
compare_findings(gconstpointer a, gconstpointer b)
{
    const X2lFinding *x = *(X2lFinding *const *)a, *y = *(X2lFinding *const *)b;

    if (x->problem->severity != y->problem->severity)
        return x->problem->severity > y->problem->severity ? -1 : 1;
    /* Rows of one table: its order is the order of the report. */
    return x->problem == y->problem ? 0 : x->problem < y->problem ? -1 : 1;
}

GPtrArray *
x2l_report_sorted_findings(const X2lReport *report)
{
    GPtrArray *sorted = g_ptr_array_sized_new(report->findings->len);

    for (guint i = 0; i < report->findings->len; i++)
        g_ptr_array_add(sorted, report->findings->pdata[i]);
    g_ptr_array_sort(sorted, compare_findings); /* stable */
    return sorted;
}

char *
x2l_report_date(void)
{
    const char *epoch = g_getenv("SOURCE_DATE_EPOCH");
    gint64 seconds = 0;
    g_autoptr(GDateTime) date = NULL;

    if (epoch && g_ascii_string_to_signed(epoch, 10, 0, G_MAXINT32, &seconds, NULL))
        date = g_date_time_new_from_unix_utc(seconds);
    else
        date = g_date_time_new_now_utc();
    return g_date_time_format(date, "%Y-%m-%dT%H:%M:%SZ");
}

/* ---- files ---- */

static const struct {
    const char *suffix;
    char *(*format)(const X2lReport *report);
} formats[] = {
    { ".json", x2l_report_json },
    { ".html", x2l_report_html },
    { ".htm", x2l_report_html },
    { ".md", x2l_report_markdown },
};

gboolean
x2l_report_check_name(const char *path, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_str_has_suffix(path, formats[i].suffix))
            return TRUE;
    }
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                "--report %s: the name tells the format: .json, .html or .md", path);
    return FALSE;
}

gboolean
x2l_report_write(const X2lReport *report, const char *path, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_str_has_suffix(path, formats[i].suffix)) {
            g_autofree char *text = formats[i].format(report);

            return x2l_write(path, text, error);
        }
    }
    return x2l_report_check_name(path, error);
}
