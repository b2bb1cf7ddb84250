/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one conversion costs, in process: text -> native tree -> model -> domXML, and domXML ->
 * model -> domXML. Prints the median of several runs in microseconds a conversion; asserts nothing.
 *
 * usage: bench-convert [-l LOOPS] [-r RUNS] FILE...
 *
 * The functions step_* are what instructions.py counts.
 */
#include <conf/conf.h>
#include <stdio.h>

static int n_runs = 7, n_loops = 2000;
static const GOptionEntry entries[] = {
    { "loops", 'l', 0, G_OPTION_ARG_INT, &n_loops, "Conversions in a run", "N" },
    { "runs", 'r', 0, G_OPTION_ARG_INT, &n_runs, "Runs, of which the median is told", "N" },
    { NULL }
};

static int
by_value(gconstpointer a, gconstpointer b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

/* ---- the steps, each a function that a profiler can name ---- */

static __attribute__((noinline)) GPtrArray *
step_read(const char *text, gsize len, ConfFormat format, const char *file)
{
    return conf_native_parse(format, text, len, file, NULL, NULL);
}

static __attribute__((noinline)) ConfDomain *
step_map(ConfNative *native, const char *file)
{
    g_autoptr(ConfReport) report = conf_report_new(file);

    return conf_domain_from_native(native, report, NULL);
}

static __attribute__((noinline)) char *
step_format(const ConfDomain *def)
{
    return conf_domain_format_xml(def, 0);
}

static __attribute__((noinline)) ConfDomain *
step_parse_xml(const char *xml, gsize len, const char *file)
{
    return conf_domain_parse_xml(xml, (gssize)len, file, CONF_XML_NO_UUID_OK, NULL);
}

static __attribute__((noinline)) ConfDomain *
step_copy(const ConfDomain *def)
{
    return conf_domain_copy(def);
}

static __attribute__((noinline)) void
step_free(ConfDomain *def)
{
    conf_domain_unref(def);
}

static char *
convert(const char *text, gsize len, ConfFormat format, const char *file)
{
    g_autoptr(GPtrArray) natives = step_read(text, len, format, file);
    g_autoptr(ConfDomain) def = natives ? step_map(natives->pdata[0], file) : NULL;

    return def ? step_format(def) : NULL;
}

static char *
reformat(const char *xml, gsize len, G_GNUC_UNUSED ConfFormat format, const char *file)
{
    g_autoptr(ConfDomain) def = step_parse_xml(xml, len, file);

    return def ? step_format(def) : NULL;
}

/* What each change of a domain costs: a copy, and the end of the old one. */
static char *
copy(const char *xml, gsize len, G_GNUC_UNUSED ConfFormat format, const char *file)
{
    static ConfDomain *def; /* of the file that is measured */

    if (!xml) {
        g_clear_pointer(&def, conf_domain_unref);
        return NULL;
    }
    if (!def)
        def = step_parse_xml(xml, len, file);
    step_free(step_copy(def));
    return NULL;
}

typedef char *(*Work)(const char *text, gsize len, ConfFormat format, const char *file);

static double
median_us(Work work, const char *text, ConfFormat format, const char *file)
{
    g_autofree double *runs = g_new(double, n_runs);
    gsize len = strlen(text);

    for (int run = 0; run < n_runs; run++) {
        gint64 start = g_get_monotonic_time();
        for (int i = 0; i < n_loops; i++)
            g_free(work(text, len, format, file));
        runs[run] = (double)(g_get_monotonic_time() - start) / n_loops;
    }
    qsort(runs, n_runs, sizeof(runs[0]), by_value);
    return runs[n_runs / 2];
}

static void
measure(const char *path)
{
    g_autofree char *text = NULL, *xml = NULL;
    g_autoptr(GError) error = NULL;
    ConfFormat format;
    gsize len;

    if (!g_file_get_contents(path, &text, &len, &error)) {
        printf("%s\n", error->message);
        return;
    }
    format = conf_format_detect(text, len);
    xml = convert(text, len, format, path);
    if (!xml) {
        printf("%10s %10s %10s %9s  %s\n", "-", "-", "-", conf_format_name(format), path);
        return;
    }
    printf("%10.1f %10.1f %10.1f %9s  %s\n", median_us(convert, text, format, path),
           median_us(reformat, xml, format, path), median_us(copy, xml, format, path),
           conf_format_name(format), path);
    copy(NULL, 0, format, path);
}

int
main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("FILE...");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || n_loops < 1 || n_runs < 1) {
        fprintf(stderr, "bench-convert: %s\n", error ? error->message : "numbers must be positive");
        return 2;
    }
    printf("%10s %10s %10s %9s  file (us, median of %d runs)\n", "to XML", "XML again", "copy",
           "format", n_runs);
    for (int i = 1; i < argc; i++)
        measure(argv[i]);
    return 0;
}
