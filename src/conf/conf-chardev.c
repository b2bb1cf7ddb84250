/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Character devices as QEMU's -serial names them; xl, xm and sxp hand that text through. */
#include "conf-private.h"

#include <string.h>

/* ---- our own ---- */

bool
conf_is_monitor_argument(const char *option, const char *value)
{
    if (option == NULL || value == NULL)
        return false;
    return (g_str_equal(option, "-chardev") &&
            g_str_has_prefix(value, "socket,id=" CONF_MONITOR_ID ",")) ||
           (g_str_equal(option, "-mon") && g_str_has_prefix(value, "chardev=" CONF_MONITOR_ID ","));
}

/* ---- character devices ---- */

bool
conf_chardev_is_none(const char *text)
{
    return *text == '\0' || g_str_equal(text, "none");
}

/* Splits the options off: "tcp:h:1,server,nowait" -> "tcp:h:1" and its words. */
static void
chardev_options(ConfChardev *chr, char **words, const ConfPlace *place)
{
    bool server = false, wait = true;

    for (char **w = words; *w; w++) {
        if (g_str_equal(*w, "server") || g_str_equal(*w, "server=on"))
            server = true;
        else if (g_str_equal(*w, "nowait") || g_str_equal(*w, "wait=off"))
            wait = false;
        else if (!g_str_equal(*w, "server=off") && !g_str_equal(*w, "wait=on") &&
                 !g_str_equal(*w, "wait"))
            conf_place_report(place, 0, CONF_OUTCOME_LOST, NULL, *w,
                              "no domXML element for this option of a character device");
    }
    conf_set_string(&chr->source_mode, server ? "bind" : "connect");
    if (server && wait)
        conf_place_report(place, 0, CONF_OUTCOME_CHANGED, NULL, "server",
                          "the guest does not wait for a client: libvirt has no element for that");
}

/* "HOST:PORT", "[::1]:PORT", ":PORT" */
static bool
chardev_endpoint(const char *text, char **ret_host, char **ret_service)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon[1] == '\0')
        return false;
    gsize len = (gsize)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
        *ret_host = g_strndup(text + 1, len - 2);
    else
        *ret_host = len ? g_strndup(text, len) : NULL;
    *ret_service = g_strdup(colon + 1);
    return true;
}

/* "[RHOST]:RPORT[@[LHOST]:LPORT]" */
static bool
chardev_udp(ConfChardev *chr, const char *text)
{
    const char *at = strchr(text, '@');
    g_autofree char *remote = at ? g_strndup(text, (gsize)(at - text)) : g_strdup(text);

    if (!chardev_endpoint(remote, &chr->source_host, &chr->source_service))
        return false;
    conf_set_string(&chr->source_mode, "connect");
    return at == NULL || chardev_endpoint(at + 1, &chr->source2_host, &chr->source2_service);
}

/* The kinds whose source is a path, or nothing. */
static const struct ChardevKind {
    const char *prefix;
    const char *type;
    bool path;
} chardev_kinds[] = {
    { "pty", "pty", false },  { "null", "null", false }, { "stdio", "stdio", false },
    { "vc", "vc", false },    { "file:", "file", true }, { "pipe:", "pipe", true },
    { "/dev/", "dev", true },
};

static bool
chardev_simple(ConfChardev *chr, const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_kinds); i++) {
        const struct ChardevKind *kind = &chardev_kinds[i];

        if (!kind->path) {
            if (g_str_equal(text, kind->prefix))
                return conf_set_string(&chr->type, kind->type);
        } else if (g_str_has_prefix(text, kind->prefix)) {
            bool device = g_str_equal(kind->type, "dev");
            const char *path = device ? text : text + strlen(kind->prefix);

            return *path == '/' && conf_set_string(&chr->type, kind->type) &&
                   conf_set_string(&chr->source_path, path);
        }
    }
    return false;
}

static bool
chardev_network(ConfChardev *chr, const char *text, const ConfPlace *place)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 16);
    const char *rest = words[0] ? strchr(words[0], ':') : NULL;

    if (!rest)
        return false;
    rest++;
    if (g_str_has_prefix(text, "udp:"))
        return conf_set_string(&chr->type, "udp") && words[1] == NULL && chardev_udp(chr, rest);
    if (g_str_has_prefix(text, "unix:")) {
        conf_set_string(&chr->type, "unix");
        conf_set_string(&chr->source_path, rest);
        chardev_options(chr, words + 1, place);
        return *rest == '/';
    }
    bool telnet = g_str_has_prefix(text, "telnet:");
    if (!telnet && !g_str_has_prefix(text, "tcp:"))
        return false;
    conf_set_string(&chr->type, "tcp");
    conf_set_string(&chr->protocol_type, telnet ? "telnet" : "raw");
    chardev_options(chr, words + 1, place);
    return chardev_endpoint(rest, &chr->source_host, &chr->source_service);
}

ConfChardev *
conf_chardev_parse_qemu(const char *text, const ConfPlace *place, GError **error)
{
    g_autoptr(ConfChardev) chr = conf_chardev_new();

    if (g_str_has_prefix(text, "vc:")) {
        conf_place_report(place, 3, CONF_OUTCOME_LOST, NULL, text + 3,
                          "no domXML element for the size of a virtual console");
        text = "vc";
    }
    if (chardev_simple(chr, text) || chardev_network(chr, text, place))
        return g_steal_pointer(&chr);
    if (g_str_has_prefix(text, "mon:") || g_str_equal(text, "msmouse") ||
        g_str_equal(text, "braille") || g_str_has_prefix(text, "COM"))
        conf_place_error(place, 0, error, CONF_ERROR_UNSUPPORTED,
                         "no domXML element for the character device '%s'", text);
    else
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "'%s' is no character device: expected pty, null, stdio, vc, file:PATH, "
                         "pipe:PATH, /dev/NAME, tcp:HOST:PORT, telnet:HOST:PORT, udp:HOST:PORT or "
                         "unix:PATH",
                         text);
    return NULL;
}

static char *
endpoint_format(const char *host, const char *service)
{
    if (host == NULL)
        host = "";
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, service);
}

static char *
chardev_format_network(const ConfChardev *chr)
{
    bool server = chr->source_mode && g_str_equal(chr->source_mode, "bind");
    const char *tail = server ? ",server,nowait" : "";

    if (g_str_equal(chr->type, "unix"))
        return chr->source_path ? g_strdup_printf("unix:%s%s", chr->source_path, tail) : NULL;
    if (chr->source_service == NULL)
        return NULL;
    g_autofree char *remote = endpoint_format(chr->source_host, chr->source_service);
    if (g_str_equal(chr->type, "udp")) {
        if (chr->source2_service == NULL)
            return g_strconcat("udp:", remote, NULL);
        g_autofree char *local = endpoint_format(chr->source2_host, chr->source2_service);
        return g_strconcat("udp:", remote, "@", local, NULL);
    }
    bool telnet = chr->protocol_type && g_str_equal(chr->protocol_type, "telnet");
    return g_strconcat(telnet ? "telnet:" : "tcp:", remote, tail, NULL);
}

char *
conf_chardev_format_qemu(const ConfChardev *chr)
{
    if (chr->type == NULL)
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_kinds); i++) {
        const struct ChardevKind *kind = &chardev_kinds[i];

        if (!g_str_equal(chr->type, kind->type))
            continue;
        if (!kind->path)
            return g_strdup(kind->prefix);
        if (chr->source_path == NULL)
            return NULL;
        if (g_str_equal(kind->type, "dev"))
            return g_strdup(chr->source_path);
        return g_strconcat(kind->prefix, chr->source_path, NULL);
    }
    if (g_str_equal(chr->type, "tcp") || g_str_equal(chr->type, "udp") ||
        g_str_equal(chr->type, "unix"))
        return chardev_format_network(chr);
    return NULL;
}

/* ---- for others than the readers of configs ---- */

ConfChardev *
conf_chardev_from_qemu(const char *text)
{
    ConfPlace nowhere = { .report = NULL };

    return conf_chardev_is_none(text) ? NULL : conf_chardev_parse_qemu(text, &nowhere, NULL);
}

char *
conf_chardev_to_qemu(const ConfChardev *chr)
{
    return conf_chardev_format_qemu(chr);
}
