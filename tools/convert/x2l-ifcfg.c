/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-ifcfg.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_FILES 512 /* of one folder */

static const char *const shell_folders[] = {
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/network",
};

static void
iface_free(gpointer data)
{
    X2lIface *iface = data;

    g_free(iface->name);
    g_free(iface->file);
    g_free(iface->address);
    g_free(iface->gateway);
    g_free(iface->ports);
    g_free(iface->master);
    g_free(iface);
}

gboolean
x2l_ifcfg_is_name(const char *name)
{
    gsize len = strlen(name);

    if (len == 0 || len > 15 || g_str_equal(name, ".") || g_str_equal(name, ".."))
        return FALSE;
    for (const char *p = name; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("._-@", *p))
            return FALSE;
    }
    return TRUE;
}

GHashTable *
x2l_ifcfg_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, iface_free);
}

static X2lIface *
get_iface(GHashTable *table, const char *name, const char *file, unsigned line)
{
    X2lIface *iface = g_hash_table_lookup(table, name);

    if (iface)
        return iface;
    iface = g_new0(X2lIface, 1);
    iface->name = g_strdup(name);
    iface->file = g_strdup(file);
    iface->line = line;
    g_hash_table_insert(table, iface->name, iface);
    return iface;
}

/* "255.255.255.0" or "24" -> 24; -1 where it is neither. */
static int
prefix_of(const char *mask)
{
    struct in_addr address;
    guint64 bits;
    guint32 value;

    if (g_ascii_string_to_unsigned(mask, 10, 0, 128, &bits, NULL))
        return (int)bits;
    if (inet_pton(AF_INET, mask, &address) != 1)
        return -1;
    value = ntohl(address.s_addr);
    if (value & (~value >> 1))
        return -1; /* a hole in it */
    return __builtin_popcount(value);
}

static void
set(char **field, const char *value)
{
    if (!*value)
        return;
    g_free(*field);
    *field = g_strdup(value);
}

/* An address, which may have its prefix; else `mask` says it. */
static void
set_address(X2lIface *iface, const char *address, const char *mask)
{
    g_auto(GStrv) parts = g_strsplit(address, "/", 2);
    int prefix = parts[0] && parts[1] ? prefix_of(parts[1]) : mask ? prefix_of(mask) : -1;

    if (!parts[0] || !g_hostname_is_ip_address(parts[0]))
        return;
    g_free(iface->address);
    iface->address = prefix < 0 ? g_strdup(parts[0]) : g_strdup_printf("%s/%d", parts[0], prefix);
}

/* Names of devices only, since they end up in a proposal of commands. */
static void
set_ports(X2lIface *iface, char **words)
{
    g_autoptr(GString) ports = g_string_new(NULL);

    for (; *words; words++) {
        if (x2l_ifcfg_is_name(*words) && !g_str_equal(*words, "none"))
            g_string_append_printf(ports, "%s%s", ports->len ? " " : "", *words);
    }
    set(&iface->ports, ports->str);
}

/* ---- interfaces(5) ---- */

static void
debian_option(X2lIface *iface, const char *key, const char *value, char **mask)
{
    g_auto(GStrv) words = g_strsplit_set(value, " \t", -1);

    if (g_str_equal(key, "address"))
        set_address(iface, value, *mask);
    else if (g_str_equal(key, "netmask"))
        set(mask, value);
    else if (g_str_equal(key, "gateway") && g_hostname_is_ip_address(value))
        set(&iface->gateway, value);
    else if (g_str_equal(key, "bridge_ports") || g_str_equal(key, "bridge-ports"))
        set_ports(iface, words);
    if (g_str_equal(key, "netmask") && iface->address && !strchr(iface->address, '/')) {
        g_autofree char *address = g_strdup(iface->address);

        set_address(iface, address, *mask);
    }
}

void
x2l_ifcfg_add_debian(GHashTable *table, const char *text, const char *file)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *mask = NULL;
    X2lIface *iface = NULL;

    for (unsigned i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        gsize len = strcspn(line, " \t");
        g_autofree char *key = g_strndup(line, len);
        const char *value = g_strstrip(line + len);
        g_auto(GStrv) words = g_strsplit_set(value, " \t", 4);

        if (g_str_equal(key, "iface")) {
            g_clear_pointer(&mask, g_free);
            iface = words[0] && words[1] && g_str_equal(words[1], "inet") &&
                            x2l_ifcfg_is_name(words[0])
                        ? get_iface(table, words[0], file, i + 1)
                        : NULL;
            if (iface && words[2] && g_str_equal(words[2], "dhcp"))
                iface->dhcp = TRUE;
        } else if (g_str_equal(key, "auto") || g_str_has_prefix(key, "allow-") ||
                   g_str_equal(key, "mapping") || g_str_has_prefix(key, "source")) {
            iface = NULL;
        } else if (iface && *value) {
            debian_option(iface, key, value, &mask);
        }
    }
}

/* ---- ifcfg ---- */

static char *
unquote(const char *value)
{
    g_auto(GStrv) words = NULL;

    if (!*value || !g_shell_parse_argv(value, NULL, &words, NULL))
        return g_strdup("");
    return g_strdup(words[0]);
}

void
x2l_ifcfg_add_shell(GHashTable *table, const char *name, const char *text, const char *file)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    X2lIface *iface = get_iface(table, name, file, 1);
    g_autofree char *mask = NULL, *address = NULL;

    for (char **line = lines; *line; line++) {
        char *key = g_strstrip(*line), *equals = strchr(key, '=');
        g_autofree char *value = NULL;

        if (*key == '#' || !equals)
            continue;
        *equals = '\0';
        value = unquote(equals + 1);
        if (g_str_equal(key, "IPADDR") || g_str_equal(key, "IPADDR0"))
            set(&address, value);
        else if (g_str_equal(key, "NETMASK") || g_str_equal(key, "PREFIX") ||
                 g_str_equal(key, "PREFIXLEN"))
            set(&mask, value);
        else if (g_str_equal(key, "GATEWAY") && g_hostname_is_ip_address(value))
            set(&iface->gateway, value);
        else if (g_str_equal(key, "BOOTPROTO"))
            iface->dhcp = g_str_has_prefix(value, "dhcp");
        else if (g_str_equal(key, "BRIDGE") && x2l_ifcfg_is_name(value) &&
                 !g_str_equal(value, "yes"))
            set(&iface->master, value);
        else if (g_str_equal(key, "BRIDGE_PORTS")) {
            g_auto(GStrv) words = g_strsplit_set(value, " ", -1);

            set_ports(iface, words);
        }
    }
    if (address)
        set_address(iface, address, mask);
}

/* ---- all of it ---- */

static int
by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
list_folder(const X2lRoot *root, const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *real = x2l_root_resolve(root, folder, NULL);
    g_autofree char *path = real ? x2l_root_join(root, real) : NULL;
    g_autoptr(GDir) dir = path ? g_dir_open(path, 0, NULL) : NULL;
    const char *name;

    while (dir && names->len < MAX_FILES && (name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    return names;
}

static char *
read_text(const X2lRoot *root, const char *path)
{
    gsize len;

    return x2l_root_read(root, path, &len, NULL, NULL);
}

static void
read_debian(GHashTable *table, const X2lRoot *root, const char *path)
{
    g_autofree char *text = read_text(root, path);
    g_autofree char *shown = x2l_root_join(root, path);

    if (text)
        x2l_ifcfg_add_debian(table, text, shown);
}

static void
read_shell(GHashTable *table, const X2lRoot *root, const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    const char *name = file + strlen("ifcfg-");
    g_autofree char *text = x2l_ifcfg_is_name(name) ? read_text(root, path) : NULL;
    g_autofree char *shown = x2l_root_join(root, path);

    if (text)
        x2l_ifcfg_add_shell(table, name, text, shown);
}

/* RHEL says at the port what it is a port of. */
static void
collect_ports(GHashTable *table)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(table), (GCompareFunc)strcmp);

    for (GList *item = names; item; item = item->next) {
        const X2lIface *port = g_hash_table_lookup(table, item->data);
        X2lIface *bridge = port->master ? g_hash_table_lookup(table, port->master) : NULL;
        g_autofree char *ports = NULL;

        if (!bridge)
            continue;
        ports = g_strjoin(bridge->ports ? " " : "", bridge->ports ? bridge->ports : "", port->name,
                          NULL);
        set(&bridge->ports, ports);
    }
}

GHashTable *
x2l_ifcfg_read(const X2lRoot *root)
{
    GHashTable *table = x2l_ifcfg_table_new();
    g_autoptr(GPtrArray) more = list_folder(root, "/etc/network/interfaces.d");

    read_debian(table, root, "/etc/network/interfaces");
    for (guint i = 0; i < more->len; i++) {
        g_autofree char *path = g_build_filename("/etc/network/interfaces.d", more->pdata[i], NULL);

        read_debian(table, root, path);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(shell_folders); i++) {
        g_autoptr(GPtrArray) files = list_folder(root, shell_folders[i]);

        for (guint k = 0; k < files->len; k++) {
            if (g_str_has_prefix(files->pdata[k], "ifcfg-"))
                read_shell(table, root, shell_folders[i], files->pdata[k]);
        }
    }
    collect_ports(table);
    return table;
}
