/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-term.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FEW_STEPS    100                             /* below, no bar is worth looking at */
#define BAR_INTERVAL (100 * G_TIME_SPAN_MILLISECOND) /* between two drawings */
#define BAR_WIDTH    30
#define SHOWN        8 /* findings of one kind, without --verbose */

static const char *const codes[] = {
    [X2L_STYLE_PLAIN] = "",        [X2L_STYLE_BOLD] = "\033[1m",    [X2L_STYLE_DIM] = "\033[2m",
    [X2L_STYLE_RED] = "\033[31m",  [X2L_STYLE_YELLOW] = "\033[33m", [X2L_STYLE_GREEN] = "\033[32m",
    [X2L_STYLE_CYAN] = "\033[36m",
};
G_STATIC_ASSERT(G_N_ELEMENTS(codes) == X2L_N_STYLES);

/* main thread */
static gboolean colour_out, colour_err, smart_err;
static struct {
    const char *what;
    unsigned total;
    gint64 drawn_at;
    gboolean visible;
} bar;

static gboolean
is_smart(int fd)
{
    const char *term = g_getenv("TERM");

    return isatty(fd) && term && *term && !g_str_equal(term, "dumb");
}

void
x2l_term_init(void)
{
    const char *no_color = g_getenv("NO_COLOR");
    gboolean wanted = !no_color || !*no_color;

    smart_err = is_smart(STDERR_FILENO);
    colour_err = wanted && smart_err;
    colour_out = wanted && is_smart(STDOUT_FILENO);
}

/* ---- the bar ---- */

static void
hide_bar(void)
{
    if (!bar.visible)
        return;
    fputs("\r\033[K", stderr);
    bar.visible = FALSE;
}

void
x2l_progress_begin(const char *what, unsigned total)
{
    bar.what = what;
    bar.total = smart_err && total >= FEW_STEPS ? total : 0;
    bar.drawn_at = g_get_monotonic_time(); /* what is done at once needs none */
}

void
x2l_progress_step(unsigned done)
{
    gint64 now;
    unsigned filled;

    if (bar.total == 0)
        return;
    now = g_get_monotonic_time();
    if (now - bar.drawn_at < BAR_INTERVAL)
        return;
    filled = (unsigned)((guint64)done * BAR_WIDTH / bar.total);
    fprintf(stderr, "\r\033[K%s [%.*s%.*s] %u of %u", bar.what, (int)MIN(filled, BAR_WIDTH),
            "##############################", (int)(BAR_WIDTH - MIN(filled, BAR_WIDTH)),
            "..............................", done, bar.total);
    fflush(stderr);
    bar.drawn_at = now;
    bar.visible = TRUE;
}

void
x2l_progress_end(void)
{
    hide_bar();
    bar.total = 0;
}

/* ---- lines ---- */

void
x2l_print(FILE *stream, X2lStyle style, const char *format, ...)
{
    gboolean colour = style != X2L_STYLE_PLAIN && (stream == stderr ? colour_err : colour_out);
    va_list args;

    hide_bar();
    if (colour)
        fputs(codes[style], stream);
    va_start(args, format);
    vfprintf(stream, format, args);
    va_end(args);
    if (colour)
        fputs("\033[0m", stream);
}

char *
x2l_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_sized_new(strlen(valid));

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c == '\n')
            g_string_append(out, "\\n");
        else if (g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT)
            g_string_append_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

void
x2l_print_error(const char *message)
{
    g_autofree char *printable = x2l_printable(message);

    x2l_print(stderr, X2L_STYLE_PLAIN, "xen2libvirt: ");
    x2l_print(stderr, X2L_STYLE_RED, "error: ");
    x2l_print(stderr, X2L_STYLE_PLAIN, "%s\n", printable);
}

void
x2l_print_report(const ConfReport *report, gboolean all)
{
    g_autofree char *text = conf_report_format_text(report, all);

    if (*text)
        x2l_print(stderr, X2L_STYLE_PLAIN, "%s", text);
}

void
x2l_print_defaults(const X2lDomain *domain)
{
    for (guint i = 0; domain->defaults && i < domain->defaults->len; i++) {
        const X2lDefault *one = domain->defaults->pdata[i];
        g_autofree char *path = x2l_printable(domain->input->path);
        g_autofree char *value = x2l_printable(one->value);

        x2l_print(stderr, X2L_STYLE_PLAIN, "%s: %s: not given: %s, from %s:%u (%s)\n", path,
                  one->path, value, one->file, one->line, one->key);
    }
}

static X2lStyle
style_of_line(const char *line)
{
    return *line == '+'   ? X2L_STYLE_GREEN
           : *line == '-' ? X2L_STYLE_RED
           : *line == '@' ? X2L_STYLE_CYAN
                          : X2L_STYLE_PLAIN;
}

void
x2l_print_diff(const char *diff)
{
    g_auto(GStrv) lines = g_strsplit(diff, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *printable = x2l_printable(*line);

        if (**line)
            x2l_print(stdout, style_of_line(*line), "    %s\n", printable);
    }
}

/* ---- findings ---- */

static X2lStyle
style_of(X2lSeverity severity)
{
    static const X2lStyle styles[] = {
        [X2L_NOTE] = X2L_STYLE_CYAN,
        [X2L_WARNING] = X2L_STYLE_YELLOW,
        [X2L_SEVERE] = X2L_STYLE_RED,
    };

    return styles[severity];
}

static void
print_finding(const X2lFinding *finding)
{
    g_autofree char *text = x2l_printable(finding->text);
    g_autofree char *name = finding->domain ? x2l_printable(finding->domain->def->name) : NULL;

    x2l_print(stderr, X2L_STYLE_PLAIN, "    %s%s%s\n", name ? name : "", name ? ": " : "", text);
    if (finding->advice) {
        g_autofree char *advice = x2l_printable(finding->advice);

        x2l_print(stderr, X2L_STYLE_DIM, "      %s\n", advice);
    }
}

/* All findings of one problem: a heading, what to do, and the first few of them. */
static void
print_problem(const GPtrArray *sorted, guint start, guint end, gboolean all)
{
    const X2lProblem *problem = ((X2lFinding *)sorted->pdata[start])->problem;
    guint shown = all ? end : MIN(end, start + SHOWN);

    x2l_print(stderr, style_of(problem->severity), "%s", x2l_severity_word(problem->severity));
    x2l_print(stderr, X2L_STYLE_BOLD, "  %s", problem->title);
    x2l_print(stderr, X2L_STYLE_PLAIN, " (%u)\n", end - start);
    for (guint i = start; i < shown; i++)
        print_finding(sorted->pdata[i]);
    if (shown < end)
        x2l_print(stderr, X2L_STYLE_DIM, "    and %u more (-v names them)\n", end - shown);
    if (problem->advice)
        x2l_print(stderr, X2L_STYLE_DIM, "    -> %s\n", problem->advice);
}

void
x2l_print_findings(const X2lReport *report, gboolean all)
{
    g_autoptr(GPtrArray) sorted = x2l_report_sorted_findings(report);

    for (guint i = 0; i < sorted->len;) {
        const X2lProblem *problem = ((X2lFinding *)sorted->pdata[i])->problem;
        guint end = i;

        while (end < sorted->len && ((X2lFinding *)sorted->pdata[end])->problem == problem)
            end++;
        print_problem(sorted, i, end, all);
        i = end;
    }
}

/* ---- the plan ---- */

static void
print_row(const X2lPlanRow *row)
{
    g_autofree char *key = x2l_printable(row->key);
    g_autofree char *value = x2l_printable(row->value);
    g_autofree char *result = row->result ? x2l_printable(row->result) : NULL;

    x2l_print(stdout, X2L_STYLE_PLAIN, "  %s:%u: %s %s: ", row->file, row->line, key, value);
    if (result)
        x2l_print(stdout, X2L_STYLE_GREEN, "%s", result);
    x2l_print(stdout, X2L_STYLE_DIM, "%s%s\n", result ? "; " : "", row->reason ? row->reason : "");
}

static void
print_bridges(const X2lNet *net)
{
    for (guint i = 0; i < net->bridges->len; i++) {
        const X2lBridge *bridge = net->bridges->pdata[i];
        g_autofree char *name = x2l_printable(bridge->name);

        x2l_print(stdout, X2L_STYLE_PLAIN, "  bridge ");
        x2l_print(stdout, X2L_STYLE_BOLD, "%s", name);
        if (bridge->port)
            x2l_print(stdout, X2L_STYLE_PLAIN, " on %s", bridge->port);
        if (bridge->address)
            x2l_print(stdout, X2L_STYLE_PLAIN, ", %s", bridge->address);
        x2l_print(stdout, X2L_STYLE_PLAIN, ", %u domain%s", bridge->users->len,
                  bridge->users->len == 1 ? "" : "s");
        if (bridge->file)
            x2l_print(stdout, X2L_STYLE_DIM, " (%s:%u)", bridge->file, bridge->line);
        else
            x2l_print(stdout, X2L_STYLE_DIM, " (named by domains alone)");
        x2l_print(stdout, X2L_STYLE_PLAIN, "\n");
    }
}

static void
print_snippets(const GPtrArray *snippets)
{
    for (guint i = 0; i < snippets->len; i++) {
        const X2lSnippet *snippet = snippets->pdata[i];
        g_auto(GStrv) lines = g_strsplit(snippet->text, "\n", -1);

        x2l_print(stdout, X2L_STYLE_BOLD, "  %s", snippet->title);
        x2l_print(stdout, X2L_STYLE_DIM, " (%s)\n", snippet->where);
        for (char **line = lines; *line; line++) {
            g_autofree char *printable = x2l_printable(*line);

            if (**line)
                x2l_print(stdout, X2L_STYLE_PLAIN, "    %s\n", printable);
        }
    }
}

/* Short: what has to be written. With `all` each key of the old files, too, and each form. */
void
x2l_print_plan(const X2lReport *report, gboolean all)
{
    if (report->site->rows->len == 0 && report->net->bridges->len == 0)
        return;
    x2l_print(stdout, X2L_STYLE_BOLD, "Plan for the new host\n");
    for (guint i = 0; i < report->site->rows->len; i++) {
        const X2lPlanRow *row = report->site->rows->pdata[i];

        if (all || row->result || row->place == X2L_PLACE_NETWORK)
            print_row(row);
    }
    print_bridges(report->net);
    if (all)
        print_snippets(report->snippets);
    else
        x2l_print(stdout, X2L_STYLE_DIM,
                  "  (-v or --report has each key, and the bridges as text for the new host)\n");
}
