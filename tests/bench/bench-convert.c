/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one conversion costs, in process: text -> native tree -> model -> domXML, and domXML ->
 * model -> domXML. Prints the median of several runs in microseconds a conversion; asserts nothing.
 *
 * usage: bench-convert FILE...
 */
#include <conf/conf.h>
#include <stdio.h>

#define RUNS  7
#define LOOPS 2000

static int
by_value(gconstpointer a, gconstpointer b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

static char *
convert(const char *text, gsize len, ConfFormat format, const char *file)
{
    g_autoptr(GPtrArray) natives = conf_native_parse(format, text, len, file, NULL, NULL);
    g_autoptr(ConfReport) report = conf_report_new(file);
    g_autoptr(ConfDomain) def = NULL;

    if (natives)
        def = conf_domain_from_native(natives->pdata[0], report, NULL);
    return def ? conf_domain_format_xml(def, 0) : NULL;
}

static char *
reformat(const char *xml, gsize len, G_GNUC_UNUSED ConfFormat format, const char *file)
{
    g_autoptr(ConfDomain)
        def = conf_domain_parse_xml(xml, (gssize)len, file, CONF_XML_NO_UUID_OK, NULL);

    return def ? conf_domain_format_xml(def, 0) : NULL;
}

typedef char *(*Work)(const char *text, gsize len, ConfFormat format, const char *file);

static double
median_us(Work work, const char *text, ConfFormat format, const char *file)
{
    double runs[RUNS];
    gsize len = strlen(text);

    for (int run = 0; run < RUNS; run++) {
        gint64 start = g_get_monotonic_time();
        for (int i = 0; i < LOOPS; i++)
            g_free(work(text, len, format, file));
        runs[run] = (double)(g_get_monotonic_time() - start) / LOOPS;
    }
    qsort(runs, RUNS, sizeof(runs[0]), by_value);
    return runs[RUNS / 2];
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
        printf("%10s %10s %9s  %s\n", "-", "-", conf_format_name(format), path);
        return;
    }
    printf("%10.1f %10.1f %9s  %s\n", median_us(convert, text, format, path),
           median_us(reformat, xml, format, path), conf_format_name(format), path);
}

int
main(int argc, char **argv)
{
    printf("%10s %10s %9s  %s\n", "to XML", "XML again", "format", "file (µs, median of 7 runs)");
    for (int i = 1; i < argc; i++)
        measure(argv[i]);
    return 0;
}
