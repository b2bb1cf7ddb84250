/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as JSON: docs/REPORT.md. */
#include "x2l-report.h"

/* What is open: a comma goes before each member but the first. */
typedef struct Json {
    GString *out;
    gboolean first;
    unsigned depth;
} Json;

static void
next(Json *json)
{
    if (!json->first)
        g_string_append_c(json->out, ',');
    g_string_append_c(json->out, '\n');
    for (unsigned i = 0; i < json->depth; i++)
        g_string_append_c(json->out, ' ');
    json->first = FALSE;
}

static void
put_text(Json *json, const char *text)
{
    g_autofree char *valid = NULL;

    if (!g_utf8_validate(text, -1, NULL))
        text = valid = g_utf8_make_valid(text, -1);
    g_string_append_c(json->out, '"');
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_c(json->out, '\\');
        if (*p == '\n')
            g_string_append(json->out, "\\n");
        else if (*p < 0x20 || *p == 0x7f)
            g_string_append_printf(json->out, "\\u%04x", *p);
        else
            g_string_append_c(json->out, (char)*p);
    }
    g_string_append_c(json->out, '"');
}

/* `key` NULL: an item of a list. */
static void
put_key(Json *json, const char *key)
{
    next(json);
    if (!key)
        return;
    put_text(json, key);
    g_string_append(json->out, ": ");
}

static void
begin(Json *json, const char *key, char bracket)
{
    put_key(json, key);
    g_string_append_c(json->out, bracket);
    json->depth++;
    json->first = TRUE;
}

static void
end(Json *json, char bracket)
{
    json->depth--;
    if (!json->first) {
        json->first = TRUE; /* no comma */
        next(json);
    }
    g_string_append_c(json->out, bracket);
    json->first = FALSE;
}

static void
put_string(Json *json, const char *key, const char *text)
{
    put_key(json, key);
    if (text)
        put_text(json, text);
    else
        g_string_append(json->out, "null");
}

static void
put_number(Json *json, const char *key, guint64 number)
{
    put_key(json, key);
    g_string_append_printf(json->out, "%" G_GUINT64_FORMAT, number);
}

static void
put_bool(Json *json, const char *key, gboolean value)
{
    put_key(json, key);
    g_string_append(json->out, value ? "true" : "false");
}

/* ---- parts ---- */

static void
put_totals(Json *json, const X2lTotals *totals)
{
    begin(json, "summary", '{');
    put_number(json, "domains", totals->domains);
    put_number(json, "autostart", totals->autostart);
    put_number(json, "failed", totals->failed);
    begin(json, "actions", '{');
    for (int i = 0; i < X2L_N_ACTIONS; i++)
        put_number(json, x2l_action_word((X2lAction)i), totals->actions[i]);
    end(json, '}');
    begin(json, "findings", '{');
    for (int i = X2L_N_SEVERITIES - 1; i >= 0; i--)
        put_number(json, x2l_severity_word((X2lSeverity)i), totals->findings[i]);
    end(json, '}');
    begin(json, "keys", '{');
    for (int i = 0; i < X2L_N_CATEGORIES; i++)
        put_number(json, x2l_category_word((X2lCategory)i), totals->keys[i]);
    end(json, '}');
    end(json, '}');
}

/* One key a line: a report of a thousand domains is still read by people with grep. */
static void
put_row(Json *json, const char *file, unsigned line, unsigned column, const char *path,
        X2lCategory category, const char *value, const char *reason)
{
    static const char *const names[] = { "value", "reason" };
    const char *const texts[] = { value, reason };

    next(json);
    g_string_append(json->out, "{\"key\": ");
    put_text(json, path);
    g_string_append_printf(json->out,
                           ", \"outcome\": \"%s\", \"file\": ", x2l_category_word(category));
    put_text(json, file);
    g_string_append_printf(json->out, ", \"line\": %u, \"column\": %u", line, column);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_string_append_printf(json->out, ", \"%s\": ", names[i]);
        if (texts[i])
            put_text(json, texts[i]);
        else
            g_string_append(json->out, "null");
    }
    g_string_append_c(json->out, '}');
}

static void
put_rows(Json *json, const X2lDomain *domain)
{
    const ConfReport *report = domain->report;

    begin(json, "keys", '[');
    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        put_row(json, report->file, row->line, row->column, row->path, x2l_category_of(domain, row),
                row->value, row->reason);
    }
    for (guint i = 0; domain->defaults && i < domain->defaults->len; i++) {
        const X2lDefault *one = domain->defaults->pdata[i];
        g_autofree char *reason = g_strdup_printf("from %s, %s:%u", one->key, one->file, one->line);

        put_row(json, one->file, one->line, 0, one->path, X2L_CATEGORY_HOST, one->value, reason);
    }
    end(json, ']');
}

static void
put_domain(Json *json, const X2lDomain *domain)
{
    static const char *const uuids[] = {
        [X2L_UUID_NONE] = "none",
        [X2L_UUID_CONFIG] = "config",
        [X2L_UUID_DERIVED] = "derived",
        [X2L_UUID_TARGET] = "target",
    };
    char uuid[37];

    conf_uuid_format(domain->def->uuid, uuid);
    begin(json, NULL, '{');
    put_string(json, "name", domain->def->name);
    put_string(json, "uuid", domain->def->uuid_set ? uuid : NULL);
    put_string(json, "uuid_from", uuids[domain->uuid_from]);
    put_string(json, "file", domain->input->path);
    put_string(json, "format", conf_format_name(domain->format));
    put_string(json, "type", conf_domain_os_type_name(domain->def));
    put_number(json, "memory_kib", domain->def->memory_kib);
    put_number(json, "vcpus", domain->def->vcpus_max);
    put_bool(json, "autostart", domain->autostart);
    put_string(json, "action", x2l_action_word(domain->action));
    put_string(json, "repeats", domain->same_as ? domain->same_as->input->path : NULL);
    put_string(json, "error", domain->error);
    put_string(json, "diff", domain->diff);
    put_rows(json, domain);
    end(json, '}');
}

static void
put_findings(Json *json, const X2lReport *report)
{
    g_autoptr(GPtrArray) sorted = x2l_report_sorted_findings(report);

    begin(json, "findings", '[');
    for (guint i = 0; i < sorted->len; i++) {
        const X2lFinding *finding = sorted->pdata[i];

        begin(json, NULL, '{');
        put_string(json, "severity", x2l_severity_word(finding->problem->severity));
        put_string(json, "code", finding->problem->code);
        put_bool(json, "blocks", finding->problem->blocks);
        put_string(json, "domain", finding->domain ? finding->domain->def->name : NULL);
        put_string(json, "file", finding->domain ? finding->domain->input->path : NULL);
        put_string(json, "text", finding->text);
        put_string(json, "advice", x2l_finding_advice(finding));
        end(json, '}');
    }
    end(json, ']');
}

static void
put_bridges(Json *json, const X2lNet *net)
{
    static const char *const origins[] = {
        [X2L_BRIDGE_SCRIPT] = "network-script",
        [X2L_BRIDGE_SYSTEM] = "system",
        [X2L_BRIDGE_DOMAINS] = "domains",
    };

    begin(json, "bridges", '[');
    for (guint i = 0; i < net->bridges->len; i++) {
        const X2lBridge *bridge = net->bridges->pdata[i];

        begin(json, NULL, '{');
        put_string(json, "name", bridge->name);
        put_string(json, "port", bridge->port);
        put_string(json, "address", bridge->address);
        put_string(json, "gateway", bridge->gateway);
        put_bool(json, "dhcp", bridge->dhcp);
        put_string(json, "origin", origins[bridge->origin]);
        put_string(json, "file", bridge->file);
        put_number(json, "line", bridge->line);
        put_string(json, "note", bridge->note);
        begin(json, "domains", '[');
        for (guint k = 0; k < bridge->users->len; k++)
            put_string(json, NULL, bridge->users->pdata[k]);
        end(json, ']');
        end(json, '}');
    }
    end(json, ']');
}

static void
put_plan(Json *json, const X2lReport *report)
{
    begin(json, "plan", '{');
    begin(json, "keys", '[');
    for (guint i = 0; i < report->site->rows->len; i++) {
        const X2lPlanRow *row = report->site->rows->pdata[i];

        begin(json, NULL, '{');
        put_string(json, "key", row->key);
        put_string(json, "value", row->value);
        put_string(json, "file", row->file);
        put_number(json, "line", row->line);
        put_string(json, "place", x2l_place_word(row->place));
        put_string(json, "result", row->result);
        put_string(json, "reason", row->reason);
        end(json, '}');
    }
    end(json, ']');
    put_bridges(json, report->net);
    begin(json, "texts", '[');
    for (guint i = 0; i < report->snippets->len; i++) {
        const X2lSnippet *snippet = report->snippets->pdata[i];

        begin(json, NULL, '{');
        put_string(json, "id", snippet->id);
        put_string(json, "title", snippet->title);
        put_string(json, "where", snippet->where);
        put_string(json, "text", snippet->text);
        end(json, '}');
    }
    end(json, ']');
    end(json, '}');
}

static void
put_skips(Json *json, const GPtrArray *skips)
{
    begin(json, "skipped", '[');
    for (guint i = 0; i < skips->len; i++) {
        const X2lSkip *skip = skips->pdata[i];

        begin(json, NULL, '{');
        put_string(json, "file", skip->path);
        put_string(json, "reason", skip->reason);
        end(json, '}');
    }
    end(json, ']');
}

static void
put_source(Json *json, const X2lReport *report)
{
    begin(json, "source", '{');
    put_string(json, "host", report->root);
    begin(json, "paths", '[');
    for (char *const *path = report->paths; path && *path; path++)
        put_string(json, NULL, *path);
    end(json, ']');
    end(json, '}');
}

char *
x2l_report_json(const X2lReport *report)
{
    g_autofree char *date = x2l_report_date();
    Json json = { g_string_new(NULL), TRUE, 0 };

    g_string_append_c(json.out, '{');
    json.depth = 1;
    put_string(&json, "format", "xen2libvirt-report");
    put_number(&json, "version", X2L_REPORT_VERSION);
    put_string(&json, "generator", "xen2libvirt " XLVIRT_VERSION);
    put_string(&json, "created", date);
    put_source(&json, report);
    put_string(&json, "mode", report->mode);
    begin(&json, "target", '{');
    put_string(&json, "uri", report->target);
    put_bool(&json, "reached", report->target && !report->no_target);
    put_string(&json, "problem", report->no_target);
    end(&json, '}');
    put_totals(&json, &report->totals);
    begin(&json, "domains", '[');
    for (guint i = 0; i < report->domains->len; i++)
        put_domain(&json, report->domains->pdata[i]);
    end(&json, ']');
    put_findings(&json, report);
    if (report->site)
        put_plan(&json, report);
    put_skips(&json, report->skips);
    end(&json, '}');
    g_string_append_c(json.out, '\n');
    return g_string_free(json.out, FALSE);
}
