/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the configuration says to this engine: /etc/libvirt/libxl.conf, which is the stock driver's
 * (NAME = NUMBER or NAME = "TEXT", a line each, # begins a comment), and over it what the daemon's
 * own configuration hands on.
 */
#include "hvxl-private.h"
#include "hvxl-settings.h"

#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1 << 20)

/* The text between the quotes, or the word. NULL: neither, as in a list. */
static char *
value_of(char *text)
{
    char *end;

    g_strchug(text);
    if (*text == '"' || *text == '\'') {
        end = strchr(text + 1, *text);
        return end ? g_strndup(text + 1, (gsize)(end - text - 1)) : NULL;
    }
    text[strcspn(text, "#")] = '\0';
    g_strchomp(text);
    return *text && strspn(text, "-0123456789") == strlen(text) ? g_strdup(text) : NULL;
}

static void
read_line(GHashTable *settings, char *line)
{
    char *equals = strchr(g_strchug(line), '=');
    char *value;

    if (*line == '#' || !equals)
        return;
    *equals = '\0';
    value = value_of(equals + 1);
    if (value)
        g_hash_table_insert(settings, g_strdup(g_strchomp(line)), value);
}

static void
read_file(GHashTable *settings, const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX ||
        !g_file_get_contents(path, &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        read_line(settings, lines[i]);
}

GHashTable *
hvxl_settings_new(const char *root, GHashTable *given)
{
    GHashTable *settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *path = g_strconcat(root, "/etc/libvirt/libxl.conf", NULL);
    GHashTableIter iter;
    gpointer name, value;

    read_file(settings, path);
    if (!given)
        return settings;
    g_hash_table_iter_init(&iter, given);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_hash_table_insert(settings, g_strdup(name), g_strdup(value));
    return settings;
}

const char *
hvxl_setting(HvEngine *engine, const char *name)
{
    return g_hash_table_lookup(engine->settings, name);
}

gboolean
hvxl_setting_bool(HvEngine *engine, const char *name, gboolean otherwise)
{
    const char *text = hvxl_setting(engine, name);

    return text ? !g_str_equal(text, "0") : otherwise;
}

guint64
hvxl_setting_number(HvEngine *engine, const char *name, guint64 otherwise)
{
    const char *text = hvxl_setting(engine, name);
    guint64 number;

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &number, NULL) ? number
                                                                                      : otherwise;
}
