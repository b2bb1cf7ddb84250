/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xen2libvirt: what the user asked for. See docs/man/xen2libvirt.1. */
#include "x2l.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS_OK = 0, STATUS_FAILED = 1 };

typedef struct Arguments {
    gboolean convert_only, recursive, verbose, replace, version;
    char *format, *uri, *to_native, *output_dir;
    char **set;
    char **paths;
} Arguments;

static Arguments args;

static const GOptionEntry entries[] = {
    { "convert-only", 'c', 0, G_OPTION_ARG_NONE, &args.convert_only,
      "Print the domXML on standard output and define nothing", NULL },
    { "recursive", 'r', 0, G_OPTION_ARG_NONE, &args.recursive,
      "Convert every configuration below each PATH", NULL },
    { "format", 'f', 0, G_OPTION_ARG_STRING, &args.format,
      "Format of the input: xen-sxpr, xen-sxp, xen-xm, xen-xl or auto (default: auto)", "FORMAT" },
    { "connect", 0, 0, G_OPTION_ARG_STRING, &args.uri,
      "libvirt to define the domains in (default: $LIBVIRT_DEFAULT_URI, or xen:///system)", "URI" },
    { "replace", 0, 0, G_OPTION_ARG_NONE, &args.replace,
      "Redefine domains that are there already (default: leave them as they are)", NULL },
    { "to-native", 0, 0, G_OPTION_ARG_STRING, &args.to_native,
      "The other way: PATH is domXML, print it as FORMAT", "FORMAT" },
    { "output-dir", 0, 0, G_OPTION_ARG_FILENAME, &args.output_dir,
      "Write one file a domain into DIR instead of standard output; defines nothing", "DIR" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args.set,
      "xm: give a variable of the configuration a value, as xm create does", "NAME=VALUE" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &args.verbose,
      "Name carried keys and skipped files too", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &args.version, "Print the version", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args.paths, NULL, "PATH…" },
    G_OPTION_ENTRY_NULL,
};

static const char summary[] =
    "Converts the configuration of Xen domains (xend's sxp, xm with its Python, xl) to\n"
    "libvirt's domXML and defines the domains in a libvirt. Every key that is not carried over\n"
    "is named with its line on standard error.";

static const char description[] =
    "Exit status: 0 when all was done, 1 when something could not be read, converted or defined\n"
    "(the rest was done all the same).\n\n"
    "Examples:\n"
    "  xen2libvirt -c /etc/xen/web.cfg > web.xml\n"
    "  xen2libvirt -r /etc/xen /var/lib/xend/domains\n"
    "  xen2libvirt --to-native xen-xl web.xml > web.cfg\n";

/* What a run has done so far. */
typedef struct Run {
    X2lOptions options;
    X2lTarget *target;   /* NULL: convert only */
    GHashTable *by_name; /* name -> path of the input that gave it */
    GHashTable *by_uuid; /* uuid text -> the same */
    guint done, existing, failed;
    guint lost, changed;
} Run;

static void
fail(Run *run, const char *message)
{
    run->failed++;
    g_printerr("xen2libvirt: error: %s\n", message);
}

static void
print_report(Run *run, const ConfReport *report)
{
    g_autofree char *text = conf_report_format_text(report, run->options.verbose);

    run->lost += conf_report_count(report, CONF_OUTCOME_LOST);
    run->changed += conf_report_count(report, CONF_OUTCOME_CHANGED);
    fputs(text, stderr);
}

/* Two inputs of one name or uuid cannot both be right; the first one counts. */
static gboolean
is_duplicate(Run *run, const X2lDomain *domain)
{
    const char *path = domain->input->path;
    const char *other = g_hash_table_lookup(run->by_name, domain->def->name);
    char uuid[37] = "";

    if (domain->def->uuid_set)
        conf_uuid_format(domain->def->uuid, uuid);
    if (!other && *uuid)
        other = g_hash_table_lookup(run->by_uuid, uuid);
    if (other) {
        g_autofree char *message = g_strdup_printf("%s: domain '%s' (uuid %s) has the name or the "
                                                   "uuid of the one in %s; rename one of them",
                                                   path, domain->def->name,
                                                   *uuid ? uuid : "not set", other);
        fail(run, message);
        return TRUE;
    }
    g_hash_table_insert(run->by_name, g_strdup(domain->def->name), g_strdup(path));
    if (*uuid)
        g_hash_table_insert(run->by_uuid, g_strdup(uuid), g_strdup(path));
    return FALSE;
}

static gboolean
put_out(const char *name, const char *suffix, const char *text, GError **error)
{
    g_autofree char *file = NULL, *path = NULL;

    if (!args.output_dir) {
        fputs(text, stdout);
        if (fflush(stdout) == 0)
            return TRUE;
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "standard output: %s", g_strerror(errno));
        return FALSE;
    }
    file = g_strconcat(name, suffix, NULL);
    path = g_build_filename(args.output_dir, file, NULL);
    return x2l_write(path, text, error);
}

static gboolean
define(Run *run, const X2lDomain *domain, GError **error)
{
    X2lImported imported;

    if (!x2l_target_define(run->target, domain, run->options.replace, &imported, error)) {
        g_prefix_error(error, "%s: ", domain->input->path);
        return FALSE;
    }
    if (imported == X2L_IMPORTED_EXISTS) {
        run->existing++;
        printf("Domain '%s' is there already and was left as it is (--replace redefines it)\n",
               domain->def->name);
        return TRUE;
    }
    run->done++;
    printf("Domain '%s' %s from %s%s\n", domain->def->name,
           imported == X2L_IMPORTED_NEW ? "defined" : "redefined", domain->input->path,
           domain->autostart ? " (autostart)" : "");
    return TRUE;
}

/* xend keeps a file of it among the others, and `xm list --long` prints it first. Who wants the
 * document all the same asks for that file alone. */
static gboolean
is_host_itself(const Run *run, const ConfDomain *def)
{
    static const guint8 zero[16];

    if (!run->target && !args.output_dir && !args.recursive)
        return FALSE;
    return g_str_equal(def->name, "Domain-0") ||
           (def->uuid_set && memcmp(def->uuid, zero, sizeof zero) == 0);
}

static void
do_domain(Run *run, const X2lDomain *domain)
{
    g_autoptr(GError) error = NULL;
    gboolean ok;

    if (is_host_itself(run, domain->def)) {
        const X2lOptions tell = { .verbose = run->options.verbose || !args.recursive };

        x2l_skip(&tell, domain->input->path, "domain 0 is the host itself and needs no definition");
        return;
    }
    print_report(run, domain->report);
    if (is_duplicate(run, domain))
        return;
    if (run->target) {
        ok = define(run, domain, &error);
    } else {
        g_autofree char *xml = conf_domain_format_xml(domain->def,
                                                      CONF_XML_SECURE | CONF_XML_INACTIVE);
        ok = put_out(domain->def->name, ".xml", xml, &error);
        run->done += ok;
    }
    if (!ok)
        fail(run, error->message);
}

static void
do_input(Run *run, const X2lInput *input)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) domains = x2l_convert(input, &run->options, errors);

    for (guint i = 0; i < domains->len; i++)
        do_domain(run, domains->pdata[i]);
    for (guint i = 0; i < errors->len; i++)
        fail(run, errors->pdata[i]);
}

static void
do_to_native(Run *run, const char *path, ConfFormat format)
{
    static const char *const suffixes[] = {
        [CONF_FORMAT_XL] = ".cfg", [CONF_FORMAT_XM] = ".cfg", [CONF_FORMAT_SXP] = ".sxp"
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(ConfReport) report = conf_report_new(path);
    g_autofree char *text = NULL, *native = NULL;
    gsize len;

    text = x2l_read(path, &len, &error);
    if (text)
        def = conf_domain_parse_xml(text, (gssize)len, path, CONF_XML_NO_UUID_OK, &error);
    if (def)
        native = conf_domain_to_native(def, format, report, &error);
    if (!native || !put_out(def->name, suffixes[format], native, &error)) {
        fail(run, error->message);
        return;
    }
    print_report(run, report);
    run->done++;
}

static gboolean
parse_format(const char *name, const char *option, ConfFormat *ret_format)
{
    int format = conf_format_parse(name);

    if (format < 0) {
        g_printerr(
            "xen2libvirt: error: %s %s: unknown format; known are xen-sxpr, xen-sxp, xen-xm, "
            "xen-xl%s\n",
            option, name, g_str_equal(option, "--format") ? " and auto" : "");
        return FALSE;
    }
    *ret_format = (ConfFormat)format;
    return TRUE;
}

static gboolean
parse_set(GHashTable *set)
{
    for (char **item = args.set; item && *item; item++) {
        char *equals = strchr(*item, '=');
        if (!equals || equals == *item) {
            g_printerr("xen2libvirt: error: --set %s: expected NAME=VALUE\n", *item);
            return FALSE;
        }
        g_hash_table_insert(set, g_strndup(*item, (gsize)(equals - *item)), g_strdup(equals + 1));
    }
    return TRUE;
}

static gboolean
prepare_output_dir(void)
{
    if (!args.output_dir || g_mkdir_with_parents(args.output_dir, 0755) == 0)
        return TRUE;
    g_printerr("xen2libvirt: error: %s: %s\n", args.output_dir, g_strerror(errno));
    return FALSE;
}

static void
print_summary(const Run *run)
{
    g_printerr("xen2libvirt: %u domain%s %s", run->done, run->done == 1 ? "" : "s",
               run->target ? "defined" : "converted");
    if (run->existing)
        g_printerr(", %u there already", run->existing);
    g_printerr(", %u failed, %u key%s not carried, %u carried with a change", run->failed,
               run->lost, run->lost == 1 ? "" : "s", run->changed);
    if (x2l_skipped())
        g_printerr(", %u file%s skipped%s", x2l_skipped(), x2l_skipped() == 1 ? "" : "s",
                   run->options.verbose ? "" : " (-v names them)");
    g_printerr("\n");
}

static void
convert_all(Run *run)
{
    g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify)x2l_input_free);

    for (char **path = args.paths; *path; path++) {
        g_autoptr(GError) error = NULL;
        guint failures = 0;
        if (!x2l_walk(*path, &run->options, inputs, &failures, &error))
            fail(run, error->message);
        run->failed += failures;
    }
    for (guint i = 0; i < inputs->len; i++)
        do_input(run, inputs->pdata[i]);
    if (args.recursive || inputs->len > 1 || run->target)
        print_summary(run);
}

static gboolean
parse_arguments(int *argc, char ***argv, Run *run)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- Xen configurations to libvirt");
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        g_printerr("xen2libvirt: error: %s (see xen2libvirt --help)\n", error->message);
        return FALSE;
    }
    if (args.version)
        return TRUE;
    if (!args.paths) {
        g_printerr("xen2libvirt: error: no PATH given (see xen2libvirt --help)\n");
        return FALSE;
    }
    run->options.recursive = args.recursive;
    run->options.verbose = args.verbose;
    run->options.replace = args.replace;
    return (!args.format || parse_format(args.format, "--format", &run->options.format)) &&
           parse_set(run->options.set) && prepare_output_dir();
}

static void
do_all(Run *run)
{
    g_autoptr(GError) error = NULL;
    ConfFormat native;

    if (args.to_native) {
        if (!parse_format(args.to_native, "--to-native", &native)) {
            run->failed++;
            return;
        }
        if (native == CONF_FORMAT_AUTO) {
            fail(run, "--to-native auto: name the format to write: xen-xl, xen-xm or xen-sxpr");
            return;
        }
        for (char **path = args.paths; *path; path++)
            do_to_native(run, *path, native);
        return;
    }
    if (!args.convert_only && !args.output_dir) {
        run->target = x2l_target_open(args.uri, &error);
        if (!run->target) {
            fail(run, error->message);
            return;
        }
    }
    convert_all(run);
}

int
main(int argc, char **argv)
{
    g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Run run = { .options.set = set, .by_name = by_name, .by_uuid = by_uuid };

    setlocale(LC_CTYPE, ""); /* names in messages */
    /* What is defined and what is lost stand in the order in which they happened, in a file too. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse_arguments(&argc, &argv, &run))
        return STATUS_FAILED;
    if (args.version) {
        printf("xen2libvirt %s\n", XLVIRT_VERSION);
        return STATUS_OK;
    }
    do_all(&run);
    x2l_target_close(run.target);
    return run.failed ? STATUS_FAILED : STATUS_OK;
}
