/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report as one HTML file that needs nothing else: light and dark, for the screen and for
 * paper. It is XML, too (each element is closed), so that any XML tool can check it. The filter by
 * severity is CSS alone; the search, and opening all for the printer, are a little script.
 */
#include "x2l-report-html.h"

#include "x2l-term.h"

#include <string.h>

/* Rows of keys in one page that browsers still like. Beyond, carried ones are in the JSON alone. */
#define MAX_ROWS 60000

typedef struct Page {
    GString *out;
    const X2lReport *report;
    GHashTable *findings; /* X2lDomain -> GPtrArray of X2lFinding */
    gboolean dry, all_rows;
} Page;

/* Text of configs as text: no markup, no control characters. */
static void
put_text(GString *out, const char *text)
{
    g_autofree char *printable = x2l_printable(text);
    g_autofree char *escaped = g_markup_escape_text(printable, -1);

    g_string_append(out, escaped);
}

static void
put_element(GString *out, const char *tag, const char *class, const char *text)
{
    g_string_append_printf(out, "<%s class=\"%s\">", tag, class);
    put_text(out, text);
    g_string_append_printf(out, "</%s>", tag);
}

/* ---- head and summary ---- */

static void
put_head(const Page *page)
{
    const X2lReport *report = page->report;
    GString *out = page->out;
    g_autofree char *date = x2l_report_date();

    g_string_append(out, x2l_html_head);
    g_string_append(out, "<header><h1>");
    put_text(out, report->root ? "Old Xen host " : "Xen configurations");
    if (report->root)
        put_element(out, "code", "path", report->root);
    g_string_append(out, "</h1><p class=\"sub\">");
    g_string_append_printf(out, "xen2libvirt %s · %s · %s", XLVIRT_VERSION, date,
                           page->dry ? "dry run: nothing was changed" : report->mode);
    if (report->target) {
        g_string_append(out, " · target ");
        put_element(out, "code", "path", report->target);
    }
    g_string_append(out, "</p>");
    if (report->no_target) {
        g_string_append(out,
                        "<p class=\"banner\">The domains could not be compared with what a libvirt "
                        "has already: ");
        put_text(out, report->no_target);
        g_string_append(out, "</p>");
    }
    g_string_append(out, "</header>\n");
}

static void
put_tile(GString *out, unsigned number, const char *class, const char *label)
{
    g_string_append_printf(out, "<div class=\"tile %s%s\"><b>%u</b><span>", class,
                           number ? "" : " zero", number);
    put_text(out, label);
    g_string_append(out, "</span></div>");
}

static void
put_key_bar(const Page *page)
{
    GString *out = page->out;
    const unsigned *keys = page->report->totals.keys;

    g_string_append(out, "<div class=\"bar\" aria-hidden=\"true\">");
    for (int i = 0; i < X2L_N_CATEGORIES; i++) {
        if (keys[i])
            g_string_append_printf(out, "<i class=\"k-%s\" style=\"flex-grow:%u\"></i>",
                                   x2l_category_word((X2lCategory)i), keys[i]);
    }
    g_string_append(out, "</div><ul class=\"legend\">");
    for (int i = 0; i < X2L_N_CATEGORIES; i++)
        g_string_append_printf(out, "<li><i class=\"k-%s\"></i><b>%u</b> %s</li>",
                               x2l_category_word((X2lCategory)i), keys[i],
                               x2l_category_title((X2lCategory)i));
    g_string_append(out, "</ul>");
}

static void
put_summary(const Page *page)
{
    static const char *const classes[] = {
        [X2L_NOTE] = "note", [X2L_WARNING] = "warning", [X2L_SEVERE] = "error"
    };
    static const char *const labels[] = {
        [X2L_NOTE] = "notes", [X2L_WARNING] = "warnings", [X2L_SEVERE] = "errors"
    };
    const X2lTotals *totals = &page->report->totals;
    GString *out = page->out;

    g_string_append(out, "<section class=\"summary\"><h2>Summary</h2><div class=\"tiles\">");
    put_tile(out, totals->domains, "plain", "domains");
    for (int i = 0; i < X2L_N_ACTIONS; i++) {
        if (totals->actions[i])
            put_tile(out, totals->actions[i], x2l_action_word((X2lAction)i),
                     x2l_action_title((X2lAction)i, page->dry));
    }
    put_tile(out, totals->autostart, "plain", "start with the host");
    for (int i = X2L_N_SEVERITIES - 1; i >= 0; i--)
        put_tile(out, totals->findings[i], classes[i], labels[i]);
    g_string_append(out, "</div><h3>What became of the keys</h3>");
    put_key_bar(page);
    g_string_append(out, "</section>\n");
}

/* ---- findings ---- */

static void
put_finding(const Page *page, const X2lFinding *finding, gboolean with_name)
{
    GString *out = page->out;

    g_string_append_printf(out, "<li class=\"f %s\">",
                           x2l_severity_word(finding->problem->severity));
    if (finding->domain && with_name) {
        g_string_append_printf(out, "<a href=\"#d%u\">", finding->domain->index);
        put_text(out, finding->domain->def->name);
        g_string_append(out, "</a> ");
    } else if (!with_name) {
        put_element(out, "span", "title", finding->problem->title);
        g_string_append(out, ": ");
    }
    put_element(out, "span", "text", finding->text);
    if (finding->advice)
        put_element(out, "span", "advice", finding->advice);
    g_string_append(out, "</li>");
}

static void
put_findings(const Page *page)
{
    g_autoptr(GPtrArray) sorted = x2l_report_sorted_findings(page->report);
    GString *out = page->out;

    g_string_append(out, "<section class=\"findings\"><h2>What to look at</h2>");
    if (sorted->len == 0)
        g_string_append(out, "<p>Nothing: all is as it should be.</p>");
    for (guint i = 0; i < sorted->len;) {
        const X2lProblem *problem = ((X2lFinding *)sorted->pdata[i])->problem;
        const char *severity = x2l_severity_word(problem->severity);
        guint end = i;

        while (end < sorted->len && ((X2lFinding *)sorted->pdata[end])->problem == problem)
            end++;
        g_string_append_printf(
            out,
            "<details class=\"p %s\"%s><summary><span class=\"badge %s\">%s</span> "
            "%s <span class=\"count\">%u</span></summary>",
            severity, end - i <= 12 ? " open=\"open\"" : "", severity, severity, problem->title,
            end - i);
        if (problem->advice)
            put_element(out, "p", "advice", problem->advice);
        g_string_append(out, "<ul>");
        for (; i < end; i++)
            put_finding(page, sorted->pdata[i], TRUE);
        g_string_append(out, "</ul></details>\n");
    }
    g_string_append(out, "</section>\n");
}

/* ---- plan ---- */

/* "xend-config.sxp:7"; the whole path is in the title. */
static void
put_line(GString *out, const char *file, unsigned line)
{
    g_autofree char *name = g_path_get_basename(file);

    g_string_append(out, "<span title=\"");
    put_text(out, file);
    g_string_append(out, "\">");
    put_text(out, name);
    g_string_append_printf(out, ":%u</span>", line);
}

static void
put_plan_row(GString *out, const X2lPlanRow *row)
{
    g_string_append_printf(out, "<tr class=\"at-%s\"><td>",
                           row->place == X2L_PLACE_NONE   ? "none"
                           : row->place == X2L_PLACE_SAME ? "same"
                                                          : "some");
    put_element(out, "code", "key", row->key);
    g_string_append(out, " ");
    put_element(out, "code", "value", row->value);
    g_string_append(out, "</td><td>");
    put_text(out, x2l_place_title(row->place));
    g_string_append(out, "</td><td>");
    if (row->result)
        put_element(out, "code", "result", row->result);
    put_element(out, "div", "reason", row->reason ? row->reason : "");
    g_string_append(out, "</td><td class=\"where\">");
    put_line(out, row->file, row->line);
    g_string_append(out, "</td></tr>\n");
}

static void
put_bridge(GString *out, const X2lBridge *bridge)
{
    g_string_append(out, "<tr><td>");
    put_element(out, "code", "key", bridge->name);
    g_string_append(out, "</td><td>");
    put_text(out, bridge->port ? bridge->port : "not known");
    g_string_append(out, "</td><td>");
    put_text(out, bridge->address ? bridge->address : bridge->dhcp ? "DHCP" : "none known");
    g_string_append(out, "</td><td>");
    for (guint i = 0; i < bridge->users->len; i++) {
        g_string_append(out, i ? ", " : "");
        put_text(out, bridge->users->pdata[i]);
    }
    if (bridge->note)
        put_element(out, "div", "reason", bridge->note);
    g_string_append(out, "</td><td class=\"where\">");
    if (bridge->file)
        put_line(out, bridge->file, bridge->line);
    else
        g_string_append(out, "named by the domains alone");
    g_string_append(out, "</td></tr>\n");
}

/* Each line by itself: a text has line ends, and nothing else that is not printable. */
static void
put_lines(GString *out, const char *text, const char *(*class_of)(const char *line))
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    g_string_append(out, "<pre>");
    for (char **line = lines; *line; line++) {
        if (!**line && !line[1])
            break;
        if (class_of)
            put_element(out, "span", class_of(*line), *line);
        else
            put_text(out, *line);
        g_string_append_c(out, '\n');
    }
    g_string_append(out, "</pre>");
}

static void
put_plan(const Page *page)
{
    const X2lReport *report = page->report;
    GString *out = page->out;

    g_string_append(out, "<section class=\"plan\"><h2>Plan for the new host</h2>");
    if (report->site->rows->len)
        g_string_append(out, "<div class=\"wide\"><table><thead><tr><th>Key of the old host</th>"
                             "<th>Where to</th><th>What to write, and why</th><th>Line</th></tr>"
                             "</thead><tbody>\n");
    for (guint i = 0; i < report->site->rows->len; i++)
        put_plan_row(out, report->site->rows->pdata[i]);
    if (report->site->rows->len)
        g_string_append(out, "</tbody></table></div>");
    if (report->net->bridges->len)
        g_string_append(out,
                        "<h3>Bridges</h3><div class=\"wide\"><table><thead><tr><th>Bridge</th>"
                        "<th>Card</th><th>Address</th><th>Domains</th><th>From</th></tr></thead>"
                        "<tbody>\n");
    for (guint i = 0; i < report->net->bridges->len; i++)
        put_bridge(out, report->net->bridges->pdata[i]);
    if (report->net->bridges->len)
        g_string_append(out, "</tbody></table></div>");
    if (report->snippets->len)
        g_string_append(out, "<h3>As text</h3>");
    for (guint i = 0; i < report->snippets->len; i++) {
        const X2lSnippet *snippet = report->snippets->pdata[i];

        g_string_append(out, "<details class=\"snippet\"><summary>");
        put_text(out, snippet->title);
        g_string_append_c(out, ' ');
        put_element(out, "span", "where", snippet->where);
        g_string_append(out, "</summary>");
        put_lines(out, snippet->text, NULL);
        g_string_append(out, "</details>\n");
    }
    g_string_append(out, "</section>\n");
}

/* ---- domains ---- */

static void
put_row(GString *out, const char *path, X2lCategory category, const char *value, const char *reason,
        unsigned line)
{
    const char *word = x2l_category_word(category);

    g_string_append(out, "<tr><td class=\"line\">");
    if (line)
        g_string_append_printf(out, "%u", line);
    g_string_append(out, "</td><td>");
    put_element(out, "code", "key", path);
    g_string_append(out, "</td><td>");
    put_element(out, "code", "value", value ? value : "");
    g_string_append_printf(out, "</td><td><span class=\"k k-%s\">%s</span> ", word,
                           x2l_category_title(category));
    put_text(out, reason ? reason : "");
    g_string_append(out, "</td></tr>\n");
}

static void
put_table_head(GString *out)
{
    g_string_append(out,
                    "<div class=\"wide\"><table class=\"keys\"><thead><tr><th>Line</th>"
                    "<th>Key</th><th>Value</th><th>What became of it</th></tr></thead><tbody>\n");
}

/* Rows of `first` to `last`, in the order of the file. Returns how many. */
static unsigned
put_rows(const Page *page, const X2lDomain *domain, X2lCategory first, X2lCategory last)
{
    const GPtrArray *rows = domain->report->rows;
    unsigned count = 0;

    for (guint i = 0; i < rows->len; i++) {
        const ConfReportRow *row = rows->pdata[i];
        X2lCategory category = x2l_category_of(domain, row);

        if (category < first || category > last)
            continue;
        if (count++ == 0)
            put_table_head(page->out);
        put_row(page->out, row->path, category, row->value, row->reason, row->line);
    }
    for (guint i = 0; first <= X2L_CATEGORY_HOST && last >= X2L_CATEGORY_HOST && domain->defaults &&
                      i < domain->defaults->len;
         i++) {
        const X2lDefault *one = domain->defaults->pdata[i];
        g_autofree char *reason = g_strdup_printf("%s, %s:%u", one->key, one->file, one->line);

        if (count++ == 0)
            put_table_head(page->out);
        put_row(page->out, one->path, X2L_CATEGORY_HOST, one->value, reason, 0);
    }
    if (count > 0)
        g_string_append(page->out, "</tbody></table></div>");
    return count;
}

static unsigned
count_keys(const X2lDomain *domain, X2lCategory first, X2lCategory last)
{
    const GPtrArray *rows = domain->report->rows;
    unsigned count = 0;

    for (guint i = 0; i < rows->len; i++) {
        X2lCategory category = x2l_category_of(domain, rows->pdata[i]);

        count += category >= first && category <= last;
    }
    return count;
}

static void
put_facts(const Page *page, const X2lDomain *domain)
{
    static const char *const uuids[] = {
        [X2L_UUID_NONE] = " (made when it is defined)",
        [X2L_UUID_CONFIG] = "",
        [X2L_UUID_DERIVED] = " (not in the config: made of name and path, the same each time)",
        [X2L_UUID_TARGET] = " (that of the domain of this name in the target)",
    };
    GString *out = page->out;
    char uuid[37] = "";

    if (domain->def->uuid_set)
        conf_uuid_format(domain->def->uuid, uuid);
    g_string_append(out, "<p class=\"facts\">");
    put_element(out, "code", "path", domain->input->path);
    g_string_append_printf(out, "<br/>%s · %" G_GUINT64_FORMAT " MiB · %u vcpu%s · uuid %s%s</p>",
                           conf_format_name(domain->format), domain->def->memory_kib >> 10,
                           domain->def->vcpus_max, domain->def->vcpus_max == 1 ? "" : "s",
                           *uuid ? uuid : "none", uuids[domain->uuid_from]);
    if (domain->error)
        put_element(out, "p", "banner", domain->error);
}

static const char *
class_of_diff(const char *line)
{
    return *line == '+' ? "add" : *line == '-' ? "del" : *line == '@' ? "hunk" : "ctx";
}

static void
put_domain_head(const Page *page, const X2lDomain *domain)
{
    unsigned lost = count_keys(domain, X2L_CATEGORY_LOST, X2L_CATEGORY_LOST);
    unsigned changed = count_keys(domain, X2L_CATEGORY_CHANGED, X2L_CATEGORY_CHANGED);
    const unsigned *n = domain->n_findings;
    GString *out = page->out;

    g_string_append_printf(out, "<details class=\"d%s%s%s%s\" id=\"d%u\"><summary>",
                           n[X2L_SEVERE] ? " w-error" : "", n[X2L_WARNING] ? " w-warning" : "",
                           n[X2L_NOTE] ? " w-note" : "", lost + changed ? " w-lost" : "",
                           domain->index);
    put_element(out, "span", "name", domain->def->name);
    g_string_append_printf(out, " <span class=\"badge type\">%s</span>",
                           conf_domain_os_type_name(domain->def));
    g_string_append_printf(out, " <span class=\"badge a-%s\">%s</span>",
                           x2l_action_word(domain->action),
                           x2l_action_title(domain->action, page->dry));
    if (domain->autostart)
        g_string_append(out, " <span class=\"badge type\">autostart</span>");
    g_string_append(out, "<span class=\"counts\">");
    for (int i = X2L_N_SEVERITIES - 1; i >= 0; i--) {
        if (n[i])
            g_string_append_printf(out, " <span class=\"badge %s\">%u %s%s</span>",
                                   x2l_severity_word((X2lSeverity)i), n[i],
                                   x2l_severity_word((X2lSeverity)i), n[i] == 1 ? "" : "s");
    }
    if (lost)
        g_string_append_printf(out, " <span class=\"badge k-lost\">%u lost</span>", lost);
    if (changed)
        g_string_append_printf(out, " <span class=\"badge k-changed\">%u changed</span>", changed);
    g_string_append(out, "</span></summary>\n");
}

static void
put_domain(const Page *page, const X2lDomain *domain)
{
    const GPtrArray *findings = g_hash_table_lookup(page->findings, domain);
    unsigned plain = count_keys(domain, X2L_CATEGORY_CARRIED, X2L_CATEGORY_RUNTIME);
    GString *out = page->out;

    put_domain_head(page, domain);
    put_facts(page, domain);
    g_string_append(out, findings ? "<ul>" : "");
    for (guint i = 0; findings && i < findings->len; i++)
        put_finding(page, findings->pdata[i], FALSE);
    g_string_append(out, findings ? "</ul>" : "");
    if (domain->diff)
        put_lines(out, domain->diff, class_of_diff);
    put_rows(page, domain, X2L_CATEGORY_LOST, X2L_CATEGORY_NAMESPACE);
    if (plain && page->all_rows) {
        g_string_append_printf(out,
                               "<details class=\"more\"><summary>%u keys that are carried, hold "
                               "anyway, or are no configuration</summary>",
                               plain);
        put_rows(page, domain, X2L_CATEGORY_CARRIED, X2L_CATEGORY_RUNTIME);
        g_string_append(out, "</details>");
    } else if (plain) {
        g_string_append_printf(out,
                               "<p class=\"more\">%u keys that are carried, hold anyway, or are no "
                               "configuration: see the JSON report</p>",
                               plain);
    }
    g_string_append(out, "</details>\n");
}

static void
put_domains(const Page *page)
{
    GString *out = page->out;
    const GPtrArray *domains = page->report->domains;

    g_string_append(out, "<section class=\"domains\"><h2>Domains</h2>");
    for (guint i = 0; i < domains->len; i++)
        put_domain(page, domains->pdata[i]);
    g_string_append(out, "</section>\n");
}

static void
put_skips(const Page *page)
{
    const GPtrArray *skips = page->report->skips;
    GString *out = page->out;

    if (skips->len == 0)
        return;
    g_string_append_printf(out,
                           "<section><details class=\"snippet\"><summary>%u files passed over"
                           "</summary><ul class=\"skips\">",
                           skips->len);
    for (guint i = 0; i < skips->len; i++) {
        const X2lSkip *skip = skips->pdata[i];

        g_string_append(out, "<li>");
        put_element(out, "code", "path", skip->path);
        g_string_append(out, " ");
        put_text(out, skip->reason);
        g_string_append(out, "</li>\n");
    }
    g_string_append(out, "</ul></details></section>\n");
}

static GHashTable *
findings_by_domain(const X2lReport *report)
{
    GHashTable *table = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GPtrArray) sorted = x2l_report_sorted_findings(report);

    for (guint i = 0; i < sorted->len; i++) {
        X2lFinding *finding = sorted->pdata[i];
        GPtrArray *list = finding->domain ? g_hash_table_lookup(table, finding->domain) : NULL;

        if (!finding->domain)
            continue;
        if (!list) {
            list = g_ptr_array_new();
            g_hash_table_insert(table, (gpointer)finding->domain, list);
        }
        g_ptr_array_add(list, finding);
    }
    return table;
}

char *
x2l_report_html(const X2lReport *report)
{
    g_autoptr(GHashTable) findings = findings_by_domain(report);
    Page page = { g_string_new(NULL), report, findings, g_str_equal(report->mode, "dry-run"),
                  TRUE };
    guint64 rows = 0;

    for (int i = 0; i < X2L_N_CATEGORIES; i++)
        rows += report->totals.keys[i];
    page.all_rows = rows <= MAX_ROWS;
    put_head(&page);
    g_string_append(page.out, x2l_html_filter);
    g_string_append(page.out, "<main>\n");
    put_summary(&page);
    put_findings(&page);
    if (report->site)
        put_plan(&page);
    put_domains(&page);
    put_skips(&page);
    g_string_append(page.out, "</main>\n");
    g_string_append(page.out, x2l_html_tail);
    return g_string_free(page.out, FALSE);
}
