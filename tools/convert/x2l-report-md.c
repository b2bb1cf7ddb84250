/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as Markdown, for a ticket or a wiki. */
#include "x2l-report.h"

#include "x2l-term.h"

#include <string.h>

/* Text of configs: no markup, no HTML, no end of a table's cell. */
static void
put_text(GString *out, const char *text)
{
    g_autofree char *printable = x2l_printable(text);

    for (const char *p = printable; *p; p++) {
        if (strchr("\\`*_{}[]<>#|~&", *p))
            g_string_append_c(out, '\\');
        g_string_append_c(out, *p);
    }
}

/* In a code span nothing is markup but the backtick itself, and a table's bar. */
static void
put_code(GString *out, const char *text)
{
    g_autofree char *printable = x2l_printable(text);

    if (!*printable)
        return;
    g_string_append_c(out, '`');
    for (const char *p = printable; *p; p++) {
        if (*p == '`')
            g_string_append_c(out, '\'');
        else if (*p == '|')
            g_string_append(out, "\\|");
        else
            g_string_append_c(out, *p);
    }
    g_string_append_c(out, '`');
}

/* A block of lines. The fence is longer than any in the text. */
static void
put_block(GString *out, const char *language, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *fence = strstr(text, "```") ? "~~~~~~~~" : "```";

    g_string_append_printf(out, "%s%s\n", fence, language);
    for (char **line = lines; *line; line++) {
        g_autofree char *printable = x2l_printable(*line);

        if (**line || line[1])
            g_string_append_printf(out, "%s\n", printable);
    }
    g_string_append_printf(out, "%s\n\n", fence);
}

static void
put_head(GString *out, const X2lReport *report)
{
    g_autofree char *date = x2l_report_date();
    gboolean dry = g_str_equal(report->mode, "dry-run");

    g_string_append(out, "# Xen to libvirt: ");
    if (report->root)
        put_code(out, report->root);
    else
        g_string_append(out, "configurations");
    g_string_append_printf(out, "\n\nxen2libvirt %s, %s, %s. ", XLVIRT_VERSION, date, report->mode);
    if (report->no_target) {
        g_string_append(out, "Could not be compared: ");
        put_text(out, report->no_target);
    } else if (report->target) {
        g_string_append(out, "Target: ");
        put_code(out, report->target);
    }
    g_string_append(out, "\n\n| | |\n| --- | ---: |\n");
    g_string_append_printf(out, "| domains | %u |\n", report->totals.domains);
    for (int i = 0; i < X2L_N_ACTIONS; i++) {
        if (report->totals.actions[i])
            g_string_append_printf(out, "| %s | %u |\n", x2l_action_title((X2lAction)i, dry),
                                   report->totals.actions[i]);
    }
    for (int i = X2L_N_SEVERITIES - 1; i >= 0; i--)
        g_string_append_printf(out, "| %ss | %u |\n", x2l_severity_word((X2lSeverity)i),
                               report->totals.findings[i]);
    for (int i = 0; i < X2L_N_CATEGORIES; i++)
        g_string_append_printf(out, "| keys %s | %u |\n", x2l_category_title((X2lCategory)i),
                               report->totals.keys[i]);
    g_string_append_c(out, '\n');
}

static void
put_findings(GString *out, const X2lReport *report)
{
    g_autoptr(GPtrArray) sorted = x2l_report_sorted_findings(report);
    const X2lProblem *problem = NULL;

    if (sorted->len)
        g_string_append(out, "## What to look at\n\n");
    for (guint i = 0; i < sorted->len; i++) {
        const X2lFinding *finding = sorted->pdata[i];

        if (finding->problem != problem) {
            problem = finding->problem;
            g_string_append_printf(out, "%s### %s: %s\n\n", i ? "\n" : "",
                                   x2l_severity_word(problem->severity), problem->title);
            if (problem->advice)
                g_string_append_printf(out, "%s.\n\n", problem->advice);
        }
        g_string_append(out, "- ");
        if (finding->domain) {
            g_string_append(out, "**");
            put_text(out, finding->domain->def->name);
            g_string_append(out, "** ");
        }
        put_text(out, finding->text);
        if (finding->advice) {
            g_string_append(out, " (");
            put_text(out, finding->advice);
            g_string_append_c(out, ')');
        }
        g_string_append_c(out, '\n');
    }
    g_string_append(out, sorted->len ? "\n" : "");
}

static void
put_plan(GString *out, const X2lReport *report)
{
    g_string_append(out, "## Plan for the new host\n\n");
    if (report->site->rows->len)
        g_string_append(out, "| key | value | where to | what to write | why | line |\n"
                             "| --- | --- | --- | --- | --- | --- |\n");
    for (guint i = 0; i < report->site->rows->len; i++) {
        const X2lPlanRow *row = report->site->rows->pdata[i];

        g_string_append(out, "| ");
        put_code(out, row->key);
        g_string_append(out, " | ");
        put_code(out, row->value);
        g_string_append_printf(out, " | %s | ", x2l_place_title(row->place));
        put_code(out, row->result ? row->result : "");
        g_string_append(out, " | ");
        put_text(out, row->reason ? row->reason : "");
        g_string_append(out, " | ");
        put_text(out, row->file);
        g_string_append_printf(out, ":%u |\n", row->line);
    }
    for (guint i = 0; i < report->snippets->len; i++) {
        const X2lSnippet *snippet = report->snippets->pdata[i];

        g_string_append_printf(out, "\n### %s\n\n%s\n\n", snippet->title, snippet->where);
        put_block(out, "", snippet->text);
    }
}

static void
put_row(GString *out, const char *path, X2lCategory category, const char *value, const char *reason,
        const char *file, unsigned line)
{
    g_string_append(out, "| ");
    put_code(out, path);
    g_string_append(out, " | ");
    put_code(out, value ? value : "");
    g_string_append_printf(out, " | %s | ", x2l_category_title(category));
    put_text(out, reason ? reason : "");
    g_string_append(out, " | ");
    put_text(out, file);
    g_string_append_printf(out, ":%u |\n", line);
}

static void
put_domain(GString *out, const X2lDomain *domain, gboolean dry)
{
    const ConfReport *report = domain->report;

    g_string_append(out, "### ");
    put_text(out, domain->def->name);
    g_string_append_printf(out, "\n\n%s, from ", x2l_action_title(domain->action, dry));
    put_code(out, domain->input->path);
    g_string_append_printf(out, " (%s)%s.\n\n", conf_format_name(domain->format),
                           domain->autostart ? ", starts with the host" : "");
    if (domain->error) {
        put_text(out, domain->error);
        g_string_append(out, "\n\n");
    }
    if (domain->diff)
        put_block(out, "diff", domain->diff);
    g_string_append(out, "| key | value | outcome | reason | line |\n"
                         "| --- | --- | --- | --- | --- |\n");
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        put_row(out, row->path, x2l_category_of(domain, row), row->value, row->reason, report->file,
                row->line);
    }
    for (guint i = 0; domain->defaults && i < domain->defaults->len; i++) {
        const X2lDefault *one = domain->defaults->pdata[i];

        put_row(out, one->path, X2L_CATEGORY_HOST, one->value, one->key, one->file, one->line);
    }
    g_string_append_c(out, '\n');
}

char *
x2l_report_markdown(const X2lReport *report)
{
    GString *out = g_string_new(NULL);
    gboolean dry = g_str_equal(report->mode, "dry-run");

    put_head(out, report);
    put_findings(out, report);
    if (report->site)
        put_plan(out, report);
    g_string_append(out, "\n## Domains\n\n");
    for (guint i = 0; i < report->domains->len; i++)
        put_domain(out, report->domains->pdata[i], dry);
    if (report->skips->len)
        g_string_append(out, "## Files passed over\n\n");
    for (guint i = 0; i < report->skips->len; i++) {
        const X2lSkip *skip = report->skips->pdata[i];

        g_string_append(out, "- ");
        put_code(out, skip->path);
        g_string_append_printf(out, ": %s\n", skip->reason);
    }
    return g_string_free(out, FALSE);
}
