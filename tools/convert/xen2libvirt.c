/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xen2libvirt: what the user asked for. See docs/man/xen2libvirt.1. */
#include "x2l-report.h"
#include "x2l-run.h"
#include "x2l-term.h"

#include <errno.h>
#include <libxml/parser.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Arguments {
    gboolean convert_only, recursive, verbose, replace, version;
    gboolean dry_run, atomic, strict;
    int jobs;
    gboolean all_vms;
    char *format, *uri, *to_native, *output_dir, *host, *extract_disks, *disk_format;
    char **set;
    char **reports;
    char **paths;
} Arguments;

static Arguments args;

static const GOptionEntry entries[] = {
    { "convert-only", 'c', 0, G_OPTION_ARG_NONE, &args.convert_only,
      "Print the domXML on standard output and define nothing", NULL },
    { "recursive", 'r', 0, G_OPTION_ARG_NONE, &args.recursive,
      "Convert every configuration below each PATH", NULL },
    { "host", 0, 0, G_OPTION_ARG_FILENAME, &args.host,
      "Take over a whole old host; DIR is its root: a copied tree, a mounted disk, or /", "DIR" },
    { "format", 'f', 0, G_OPTION_ARG_STRING, &args.format,
      "Format of the input: xen-sxpr, xen-sxp, xen-xm, xen-xl, xl-json, xva or auto (default: "
      "auto)",
      "FORMAT" },
    { "connect", 0, 0, G_OPTION_ARG_STRING, &args.uri,
      "libvirt to define the domains in (default: $LIBVIRT_DEFAULT_URI, or xen:///system)", "URI" },
    { "replace", 0, 0, G_OPTION_ARG_NONE, &args.replace,
      "Redefine domains that are there already (default: leave them as they are)", NULL },
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &args.dry_run,
      "Show what would change in the libvirt, and change nothing", NULL },
    { "atomic", 0, 0, G_OPTION_ARG_NONE, &args.atomic,
      "Define all domains or none (default: all that are good)", NULL },
    { "report", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args.reports,
      "Write all that was found into FILE.json, FILE.html or FILE.md; may be given again", "FILE" },
    { "strict", 0, 0, G_OPTION_ARG_NONE, &args.strict, "Exit status 2 when a key was not carried",
      NULL },
    { "jobs", 0, 0, G_OPTION_ARG_INT, &args.jobs,
      "Convert N files at a time (default: as many as there are processors)", "N" },
    { "to-native", 0, 0, G_OPTION_ARG_STRING, &args.to_native,
      "The other way: PATH is domXML, print it as FORMAT", "FORMAT" },
    { "output-dir", 0, 0, G_OPTION_ARG_FILENAME, &args.output_dir,
      "Write one file a domain into DIR instead of standard output; defines nothing", "DIR" },
    { "extract-disks", 0, 0, G_OPTION_ARG_FILENAME, &args.extract_disks,
      "XVA: write the disks of the archive into DIR, where the domXML then looks for them", "DIR" },
    { "disk-format", 0, 0, G_OPTION_ARG_STRING, &args.disk_format,
      "Format of these disks: raw or qcow2 (default: raw)", "FORMAT" },
    { "all-vms", 0, 0, G_OPTION_ARG_NONE, &args.all_vms,
      "XVA: convert templates, snapshots and control domains, too", NULL },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args.set,
      "xm: give a variable of the configuration a value, as xm create does", "NAME=VALUE" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &args.verbose,
      "Name carried keys and skipped files too", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &args.version, "Print the version", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args.paths, NULL, "PATH…" },
    G_OPTION_ENTRY_NULL,
};

static const char summary[] =
    "Converts the configuration of Xen domains (xend's sxp, xm with its Python, xl, libxl's JSON,\n"
    "archives of XenServer) to libvirt's domXML and defines the domains in a libvirt. Every key\n"
    "that is not carried over is named with its line on standard error.";

static const char description[] =
    "Exit status: 0 when all was done, 1 when something could not be read, converted or defined\n"
    "(the rest was done all the same), 2 with --strict when all was done and keys were not "
    "carried.\n\n"
    "Examples:\n"
    "  xen2libvirt -c /etc/xen/web.cfg > web.xml\n"
    "  xen2libvirt --host /mnt/old --dry-run --report old.html\n"
    "  xen2libvirt --host /mnt/old --atomic\n"
    "  xen2libvirt -r /etc/xen /var/lib/xend/domains\n"
    "  xl list -l | xen2libvirt -c -\n"
    "  xen2libvirt --extract-disks /var/lib/libvirt/images web.xva\n"
    "  xen2libvirt --to-native xen-xl web.xml > web.cfg\n";

/* ---- the other way ---- */

static gboolean
do_to_native(const char *path, ConfFormat format, unsigned *lost, GError **error)
{
    static const char *const suffixes[] = {
        [CONF_FORMAT_XL] = ".cfg", [CONF_FORMAT_XM] = ".cfg", [CONF_FORMAT_SXP] = ".sxp"
    };
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(ConfReport) report = conf_report_new(path);
    g_autofree char *text = NULL, *native = NULL;
    gsize len;

    text = x2l_read(path, &len, error);
    if (text)
        def = conf_domain_parse_xml(text, (gssize)len, path, CONF_XML_NO_UUID_OK, error);
    if (def)
        native = conf_domain_to_native(def, format, report, error);
    if (!native || !x2l_put_out(args.output_dir, def->name, suffixes[format], native, error))
        return FALSE;
    *lost += conf_report_count(report, CONF_OUTCOME_LOST);
    x2l_print_report(report, args.verbose);
    return TRUE;
}

static X2lStatus
run_to_native(ConfFormat format)
{
    X2lStatus status = X2L_STATUS_OK;
    unsigned lost = 0;

    for (char **path = args.paths; *path; path++) {
        g_autoptr(GError) error = NULL;

        if (do_to_native(*path, format, &lost, &error))
            continue;
        x2l_print_error(error->message);
        status = X2L_STATUS_FAILED;
    }
    return status == X2L_STATUS_OK && args.strict && lost ? X2L_STATUS_LOST : status;
}

/* ---- arguments ---- */

static gboolean usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

static gboolean
usage(const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list list;

    va_start(list, format);
    message = g_strdup_vprintf(format, list);
    va_end(list);
    x2l_print_error(message);
    return FALSE;
}

static gboolean
parse_format(const char *name, const char *option, ConfFormat *ret_format)
{
    int format = conf_format_parse(name);

    if (format < 0)
        return usage("%s %s: unknown format; known are xen-sxpr, xen-sxp, xen-xm, xen-xl%s", option,
                     name, g_str_equal(option, "--format") ? ", xl-json, xva and auto" : "");
    *ret_format = (ConfFormat)format;
    return TRUE;
}

static gboolean
parse_set(GHashTable *set)
{
    for (char **item = args.set; item && *item; item++) {
        char *equals = strchr(*item, '=');

        if (!equals || equals == *item)
            return usage("--set %s: expected NAME=VALUE", *item);
        g_hash_table_insert(set, g_strndup(*item, (gsize)(equals - *item)), g_strdup(equals + 1));
    }
    return TRUE;
}

static gboolean
prepare_output_dir(void)
{
    if (!args.output_dir || g_mkdir_with_parents(args.output_dir, 0755) == 0)
        return TRUE;
    return usage("%s: %s", args.output_dir, g_strerror(errno));
}

/* The definitions name the disks, so their paths are absolute. */
static gboolean
prepare_extraction(X2lRunOptions *run)
{
    static const char *const formats[] = { "raw", "qcow2", NULL };
    g_autofree char *qemu_img = NULL;
    char *absolute;

    run->convert.disk_format = args.disk_format ? args.disk_format : "raw";
    if (!g_strv_contains(formats, run->convert.disk_format))
        return usage("--disk-format %s: known are raw and qcow2", args.disk_format);
    if (!args.extract_disks)
        return args.disk_format ? usage("--disk-format goes with --extract-disks") : TRUE;
    qemu_img = g_find_program_in_path("qemu-img");
    if (g_str_equal(run->convert.disk_format, "qcow2") && !qemu_img)
        return usage("--disk-format qcow2 needs qemu-img, which is not there (qemu-utils)");
    if (g_mkdir_with_parents(args.extract_disks, 0755) < 0)
        return usage("%s: %s", args.extract_disks, g_strerror(errno));
    absolute = realpath(args.extract_disks, NULL);
    if (!absolute)
        return usage("%s: %s", args.extract_disks, g_strerror(errno));
    g_free(args.extract_disks);
    args.extract_disks = g_strdup(absolute);
    free(absolute);
    run->convert.extract_dir = args.extract_disks;
    return TRUE;
}

static gboolean
check_reports(void)
{
    for (char **path = args.reports; path && *path; path++) {
        g_autoptr(GError) error = NULL;

        if (!x2l_report_check_name(*path, &error))
            return usage("%s", error->message);
    }
    return TRUE;
}

/* Which options go together. */
static gboolean
check_options(void)
{
    if (args.host && args.paths)
        return usage("--host DIR finds the configurations by itself: %s is one too many",
                     args.paths[0]);
    if (!args.paths && !args.host)
        return usage("no PATH given (see xen2libvirt --help)");
    if (args.to_native && (args.host || args.dry_run || args.atomic || args.reports))
        return usage("--to-native goes with none of --host, --dry-run, --atomic and --report");
    if (args.atomic && (args.convert_only || args.output_dir))
        return usage("--atomic is about defining domains; -c and --output-dir define none");
    if (args.jobs < 0)
        return usage("--jobs %d: expected a number of threads", args.jobs);
    if (args.extract_disks && (args.dry_run || args.to_native || args.host))
        return usage("--extract-disks goes with none of --dry-run, --to-native and --host");
    return TRUE;
}

static gboolean
parse_arguments(int *argc, char ***argv, X2lRunOptions *run)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- Xen configurations to libvirt");
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error))
        return usage("%s (see xen2libvirt --help)", error->message);
    if (args.version)
        return TRUE;
    run->convert.recursive = args.recursive;
    run->convert.verbose = args.verbose;
    run->convert.replace = args.replace;
    run->convert.jobs = (unsigned)MAX(args.jobs, 0);
    run->host = args.host;
    run->paths = args.paths;
    run->uri = args.uri;
    run->output_dir = args.output_dir;
    run->reports = args.reports;
    run->convert_only = args.convert_only;
    run->dry_run = args.dry_run;
    run->atomic = args.atomic;
    run->strict = args.strict;
    run->convert.all_vms = args.all_vms;
    return check_options() && check_reports() && prepare_extraction(run) &&
           (!args.format || parse_format(args.format, "--format", &run->convert.format)) &&
           parse_set(run->convert.set) && prepare_output_dir();
}

int
main(int argc, char **argv)
{
    g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    X2lRunOptions run = { .convert.set = set };
    ConfFormat native;

    setlocale(LC_CTYPE, ""); /* names in messages */
    /* What is defined and what is lost stand in the order in which they happened, in a file too. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    x2l_term_init();
    xmlInitParser(); /* before there are threads */
    if (!parse_arguments(&argc, &argv, &run))
        return X2L_STATUS_FAILED;
    if (args.version) {
        printf("xen2libvirt %s\n", XLVIRT_VERSION);
        return X2L_STATUS_OK;
    }
    if (!args.to_native)
        return (int)x2l_run(&run);
    if (!parse_format(args.to_native, "--to-native", &native))
        return X2L_STATUS_FAILED;
    if (native == CONF_FORMAT_AUTO) {
        usage("--to-native auto: name the format to write: xen-xl, xen-xm or xen-sxpr");
        return X2L_STATUS_FAILED;
    }
    return (int)run_to_native(native);
}
