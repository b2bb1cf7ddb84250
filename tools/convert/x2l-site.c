/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-site.h"

#include "x2l-net.h"
#include "x2l.h"

#define XEND_CONFIG "/etc/xen/xend-config.sxp"
#define XL_CONFIG   "/etc/xen/xl.conf"

/* Files of shell variables that tell about the toolstack. */
static const char *const shell_files[] = {
    "/etc/default/xendomains",
    "/etc/sysconfig/xendomains",
    "/etc/default/xen",
};

static const struct {
    const char *word, *title;
} places[] = {
    [X2L_PLACE_NONE] = { "none", "No equivalent" },
    [X2L_PLACE_SAME] = { "same", "Holds anyway" },
    [X2L_PLACE_HERE] = { "conversion", "Used by this conversion" },
    [X2L_PLACE_DOMAINS] = { "domains", "Into each domain that is silent about it" },
    [X2L_PLACE_XEN] = { "xen-command-line", "Xen command line" },
    [X2L_PLACE_XL_CONF] = { "xl.conf", "/etc/xen/xl.conf" },
    [X2L_PLACE_LIBXL] = { "libxl.conf", "/etc/libvirt/libxl.conf" },
    [X2L_PLACE_NETWORK] = { "network", "Network of the host" },
    [X2L_PLACE_MIGRATION] = { "migration", "Migration" },
    [X2L_PLACE_DAEMON] = { "daemon", "Daemon of libvirt" },
    [X2L_PLACE_GUESTS] = { "libvirt-guests", "/etc/default/libvirt-guests" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(places) == X2L_N_PLACES);

const char *
x2l_place_word(X2lPlace place)
{
    return places[place].word;
}

const char *
x2l_place_title(X2lPlace place)
{
    return places[place].title;
}

static void
row_free(gpointer data)
{
    X2lPlanRow *row = data;

    g_free(row->key);
    g_free(row->value);
    g_free(row->result);
    g_free(row->reason);
    g_free(row);
}

static void
script_free(gpointer data)
{
    X2lScript *script = data;

    g_free(script->text);
    g_free(script);
}

X2lSite *
x2l_site_new(const X2lRoot *root)
{
    X2lSite *site = g_new0(X2lSite, 1);

    site->root = root;
    site->rows = g_ptr_array_new_with_free_func(row_free);
    site->scripts = g_ptr_array_new_with_free_func(script_free);
    site->errors = g_ptr_array_new_with_free_func(g_free);
    site->names = g_ptr_array_new_with_free_func(g_free);
    site->domains_path = g_strdup("/var/lib/xend/domains");
    site->auto_path = g_strdup("/etc/xen/auto");
    site->in_doubt = CONF_FORMAT_XL;
    return site;
}

void
x2l_site_free(X2lSite *site)
{
    if (!site)
        return;
    for (gsize i = 0; i < X2L_N_SITE_KEYS; i++)
        g_free(site->values[i].value);
    g_ptr_array_unref(site->rows);
    g_ptr_array_unref(site->scripts);
    g_ptr_array_unref(site->errors);
    g_ptr_array_unref(site->names);
    g_free(site->xend_file);
    g_free(site->xl_file);
    g_free(site->domains_path);
    g_free(site->auto_path);
    g_free(site);
}

/* ---- one key ---- */

static const X2lKeyRule *
find_rule(const X2lKeyRule *rules, gsize count, const char *key)
{
    for (gsize i = 0; i < count; i++) {
        if (g_str_equal(rules[i].name, key))
            return &rules[i];
    }
    return NULL;
}

static void
set_value(X2lSite *site, const X2lKeyRule *rule, const X2lPlanRow *row, const char *value)
{
    X2lSiteValue *slot = &site->values[rule->value];

    if (rule->value == X2L_SITE_NO_KEY)
        return;
    g_free(slot->value);
    *slot = (X2lSiteValue){ rule->name, g_strdup(value), row->file, row->line };
}

/* A password may not get into a report. */
static gboolean
is_secret(const char *key)
{
    return g_str_has_suffix(key, "passwd") || g_str_has_suffix(key, "password");
}

/* "%s" is the value; what would break out of its quotes is left out of it. */
static char *
fill_in(const char *result, const char *value)
{
    g_autofree char *safe = g_strdup(value);
    const char *at = strstr(result, "%s");

    for (char *p = safe; *p; p++) {
        if (*p == '"' || *p == '\\' || g_ascii_iscntrl(*p))
            *p = '_';
    }
    if (!at)
        return g_strdup(result);
    return g_strdup_printf("%.*s%s%s", (int)(at - result), result, safe, at + 2);
}

static void
add_key(X2lSite *site, const X2lKeyRule *rules, gsize count, const char *key, const char *value,
        const char *file, unsigned line)
{
    const X2lKeyRule *rule = find_rule(rules, count, key);
    X2lPlanRow *row = g_new0(X2lPlanRow, 1);

    row->key = g_strdup(key);
    row->value = g_utf8_make_valid(value, -1);
    row->file = file;
    row->line = line;
    g_ptr_array_add(site->rows, row);
    if (!rule) {
        row->place = X2L_PLACE_NONE;
        row->reason = g_strdup("no key that is known here: look up what it was for");
        return;
    }
    row->place = rule->place;
    row->reason = g_strdup(rule->reason);
    if (rule->usual && g_str_equal(rule->usual, value)) {
        row->place = X2L_PLACE_SAME;
        g_free(row->reason);
        row->reason = g_strdup("the same as without it");
    } else {
        row->result = rule->result ? fill_in(rule->result, value) : NULL;
        set_value(site, rule, row, value);
    }
    if (rule->hook)
        rule->hook(site, rule, row);
    if (is_secret(key) && *value) {
        g_free(row->value);
        row->value = g_strdup("***");
    }
}

/* ---- xend-config.sxp ---- */

/* A value as it would be written: one atom, several, or a list in brackets. */
static void
append_value(GString *out, const ConfNode *node)
{
    if (!node->items) {
        g_string_append(out, node->text ? node->text : "");
        return;
    }
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];
        gboolean list = item->key || item->items;

        if (i > 0)
            g_string_append_c(out, ' ');
        if (list)
            g_string_append_c(out, '(');
        if (item->key)
            g_string_append_printf(out, "%s%s", item->key, item->text || item->items ? " " : "");
        append_value(out, item);
        if (list)
            g_string_append_c(out, ')');
    }
}

/* The file is one list a key and no more. The reader of domains reads it once it has the brackets
 * of a domain around it; they stand in its first line, so that each line keeps its number. */
void
x2l_site_add_xend(X2lSite *site, const char *text, gsize len, const char *file)
{
    static const char open[] = "(domain ";
    g_autoptr(GString) all = g_string_sized_new(len + sizeof open + 2);
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(GError) error = NULL;
    const ConfNative *native;

    g_free(site->xend_file);
    site->xend_file = g_strdup(file);
    site->in_doubt = CONF_FORMAT_XM;
    site->in_doubt_why = "there is a xend-config.sxp";
    g_string_append(all, open);
    g_string_append_len(all, text, (gssize)len);
    g_string_append(all, "\n)");
    natives = conf_native_parse(CONF_FORMAT_SXP, all->str, all->len, site->xend_file, NULL, &error);
    if (!natives) {
        g_ptr_array_add(site->errors, g_strdup(error->message));
        return;
    }
    native = natives->pdata[0];
    for (guint i = 0; native->root->items && i < native->root->items->len; i++) {
        const ConfNode *item = native->root->items->pdata[i];
        g_autoptr(GString) value = g_string_new(NULL);

        append_value(value, item);
        if (item->key)
            add_key(site, x2l_xend_keys, x2l_n_xend_keys, item->key, value->str, site->xend_file,
                    item->line);
        else
            g_ptr_array_add(site->errors, g_strdup_printf("%s:%u: '%.80s' is no (KEY VALUE)",
                                                          site->xend_file, item->line, value->str));
    }
    if (natives->len > 1 || native->notes->len > 0)
        g_ptr_array_add(site->errors, g_strdup_printf("%s: there is a bracket too many, and what "
                                                      "follows it was not read",
                                                      site->xend_file));
}

/* ---- xl.conf ---- */

void
x2l_site_add_xl(X2lSite *site, const char *text, gsize len, const char *file)
{
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(GError) error = NULL;
    const ConfNative *native;

    g_free(site->xl_file);
    site->xl_file = g_strdup(file);
    natives = conf_native_parse(CONF_FORMAT_XL, text, len, site->xl_file, NULL, &error);
    if (!natives) {
        g_ptr_array_add(site->errors, g_strdup(error->message));
        return;
    }
    native = natives->pdata[0];
    for (guint i = 0; native->root->items && i < native->root->items->len; i++) {
        const ConfNode *item = native->root->items->pdata[i];
        g_autoptr(GString) value = g_string_new(NULL);

        append_value(value, item);
        add_key(site, x2l_xl_keys, x2l_n_xl_keys, item->key, value->str, site->xl_file, item->line);
    }
}

/* ---- shell variables ---- */

/* What `TOOLSTACK=` of Debian's /etc/default/xen says is stronger than which files there are. */
static void
set_toolstack(X2lSite *site, const char *value)
{
    if (g_str_has_prefix(value, "xl"))
        site->in_doubt = CONF_FORMAT_XL;
    else if (g_str_has_prefix(value, "xm"))
        site->in_doubt = CONF_FORMAT_XM;
    else
        return;
    site->in_doubt_why = "TOOLSTACK in /etc/default/xen says so";
}

/* NAME=VALUE, one a line, as far as it needs no shell. */
void
x2l_site_add_shell(X2lSite *site, const char *text, gsize len, const char *file)
{
    g_autofree char *copy = g_strndup(text, len);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    char *name = g_strdup(file);

    g_ptr_array_add(site->names, name);
    for (unsigned i = 0; lines[i]; i++) {
        char *key = g_strstrip(lines[i]), *equals = strchr(key, '=');
        g_auto(GStrv) words = NULL;

        if (*key == '#' || !equals)
            continue;
        *equals = '\0';
        if (equals[1] && !g_shell_parse_argv(equals + 1, NULL, &words, NULL))
            continue;
        if (g_str_equal(key, "TOOLSTACK") && words)
            set_toolstack(site, words[0]);
        else if (g_str_has_prefix(key, "XENDOMAINS_"))
            add_key(site, x2l_xendomains_keys, x2l_n_xendomains_keys, key,
                    words && words[0] ? words[0] : "", name, i + 1);
    }
}

/* ---- all of it ---- */

typedef void (*AddFunc)(X2lSite *site, const char *text, gsize len, const char *file);

static void
read_file(X2lSite *site, const char *path, AddFunc add)
{
    g_autoptr(GError) error = NULL;
    gboolean missing;
    gsize len;
    g_autofree char *text = x2l_root_read(site->root, path, &len, &missing, &error);
    g_autofree char *shown = x2l_root_join(site->root, path);

    if (text)
        add(site, text, len, shown);
    else if (!missing)
        g_ptr_array_add(site->errors, g_strdup(error->message));
}

X2lSite *
x2l_site_read(const X2lRoot *root)
{
    X2lSite *site = x2l_site_new(root);

    read_file(site, XEND_CONFIG, x2l_site_add_xend);
    read_file(site, XL_CONFIG, x2l_site_add_xl);
    for (gsize i = 0; i < G_N_ELEMENTS(shell_files); i++)
        read_file(site, shell_files[i], x2l_site_add_shell);
    x2l_net_default_bridge(site);
    return site;
}

char *
x2l_site_results(const X2lSite *site, X2lPlace place, const char *between)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < site->rows->len; i++) {
        const X2lPlanRow *row = site->rows->pdata[i];
        /* A default of domains has a line of xl.conf beside it, for who goes on using xl. */
        gboolean fits = row->place == place ||
                        (row->place == X2L_PLACE_DOMAINS && place == X2L_PLACE_XL_CONF);

        if (!fits || !row->result || !g_hash_table_add(seen, row->result))
            continue;
        g_string_append_printf(out, "%s%s", out->len ? between : "", row->result);
    }
    return g_string_free(out, out->len == 0);
}
