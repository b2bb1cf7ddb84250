/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <console>, <serial>, <parallel> and <channel>. A PV or PVH domain has its console without being
 * asked; an HVM domain's is its first serial port. */
#include "hvxl-config-private.h"

#include <string.h>

/* ---- serial ports of the device model ---- */

static const char *
or_empty(const char *text)
{
    return text ? text : "";
}

static char *
path_word(const char *prefix, const ConfChardev *serial, GError **error)
{
    if (serial->source_path == NULL || *serial->source_path == '\0') {
        hvxl_invalid(error, "serial: <source> has no path=, and type %s needs one", serial->type);
        return NULL;
    }
    /* QEMU's options end at a comma. */
    if (strchr(serial->source_path, ',')) {
        hvxl_invalid(error, "serial: a comma in the path '%s', which the device model can't take",
                     serial->source_path);
        return NULL;
    }
    return g_strconcat(prefix, serial->source_path, NULL);
}

static char *
tcp_word(const ConfChardev *serial)
{
    bool telnet = g_strcmp0(serial->protocol_type, "telnet") == 0;
    bool listens = g_strcmp0(serial->source_mode, "bind") == 0;

    return g_strdup_printf("%s:%s:%s%s", telnet ? "telnet" : "tcp", or_empty(serial->source_host),
                           or_empty(serial->source_service), listens ? ",server,nowait" : "");
}

static char *
udp_word(const ConfChardev *serial)
{
    return g_strdup_printf("udp:%s:%s@%s:%s", or_empty(serial->source_host),
                           or_empty(serial->source_service), or_empty(serial->source2_host),
                           or_empty(serial->source2_service));
}

static char *
unix_word(const ConfChardev *serial, GError **error)
{
    g_autofree char *word = path_word("unix:", serial, error);
    bool listens = g_strcmp0(serial->source_mode, "connect") != 0;

    return word ? g_strconcat(word, listens ? ",server,nowait" : "", NULL) : NULL;
}

char *
hvxl_serial_word(const ConfChardev *serial, GError **error)
{
    static const char *const plain[] = { "pty", "null", "stdio", "vc", NULL };
    const char *type = serial->type ? serial->type : "pty";

    if (g_strv_contains(plain, type))
        return g_strdup(type);
    if (strcmp(type, "file") == 0)
        return path_word("file:", serial, error);
    if (strcmp(type, "pipe") == 0)
        return path_word("pipe:", serial, error);
    if (strcmp(type, "dev") == 0)
        return path_word("", serial, error);
    if (strcmp(type, "tcp") == 0)
        return tcp_word(serial);
    if (strcmp(type, "udp") == 0)
        return udp_word(serial);
    if (strcmp(type, "unix") == 0)
        return unix_word(serial, error);
    hvxl_refuse(NULL, "devices/serial/@type", "other", error);
    return NULL;
}

static gboolean
build_serials(HvxlBuild *b, GError **error)
{
    GPtrArray *serials = b->def->serials;

    if (serials->len && b->type != LIBXL_DOMAIN_TYPE_HVM)
        return hvxl_refuse(NULL, "devices/serial", "not HVM", error);
    for (guint i = 0; i < serials->len; i++) {
        g_autofree char *word = hvxl_serial_word(serials->pdata[i], error);

        if (word == NULL)
            return FALSE;
        if (serials->len == 1)
            hvxl_set_string(&b->config->b_info.u.hvm.serial, word);
        else
            hvxl_list_append(&b->config->b_info.u.hvm.serial_list, word);
    }
    return TRUE;
}

/* ---- consoles ---- */

static gboolean
build_consoles(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->consoles->len; i++) {
        const ConfChardev *console = b->def->consoles->pdata[i];
        const char *target = console->target_type;

        /* The first serial port again, seen from the other side. */
        if (b->type == LIBXL_DOMAIN_TYPE_HVM && (target == NULL || strcmp(target, "serial") == 0))
            continue;
        if (target && strcmp(target, "xen") != 0)
            return hvxl_refuse(NULL, "devices/console/target/@type", "other", error);
        if (console->type && strcmp(console->type, "pty") != 0)
            hvxl_warn(b, NULL, "devices/console/@type", "not pty");
        if (i > 0)
            hvxl_warn(b, NULL, "devices/console", "a second PV console");
    }
    return TRUE;
}

/* ---- channels ---- */

char *
hvxl_channel_path(const HvxlConfigEnv *env, const ConfDomain *def, const ConfChardev *channel)
{
    if (g_strcmp0(channel->type, "unix") != 0)
        return NULL;
    if (channel->source_path && *channel->source_path)
        return g_strdup(channel->source_path);
    return g_strdup_printf("%s/%s-%s", env->channel_dir ? env->channel_dir : "", def->name,
                           channel->target_name ? channel->target_name : "unknown");
}

gboolean
hvxl_build_channel(HvxlBuild *b, const ConfChardev *chr, libxl_device_channel *xl, GError **error)
{
    const char *type = chr->type ? chr->type : "pty";

    if (g_strcmp0(chr->target_type, "xen") != 0)
        return hvxl_refuse(chr->target_name, "devices/channel/target/@type", "other", error);
    if (chr->target_name == NULL || *chr->target_name == '\0')
        return hvxl_invalid(error, "channel: <target> has no name=, and the guest looks for it");
    if (strcmp(type, "pty") == 0) {
        libxl_device_channel_init_connection(xl, LIBXL_CHANNEL_CONNECTION_PTY);
    } else if (strcmp(type, "unix") == 0) {
        libxl_device_channel_init_connection(xl, LIBXL_CHANNEL_CONNECTION_SOCKET);
        g_free(xl->u.socket.path);
        xl->u.socket.path = hvxl_channel_path(b->env, b->def, chr);
    } else {
        return hvxl_refuse(chr->target_name, "devices/channel/@type", "other", error);
    }
    hvxl_set_string(&xl->name, chr->target_name);
    return TRUE;
}

gboolean
hvxl_channel_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfChardev *channel,
                   libxl_device_channel *ret_channel, GPtrArray *warnings, GError **error)
{
    HvxlBuild b;

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_channel(&b, channel, ret_channel, error);
}

static gboolean
build_channels(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->channels->len; i++) {
        const ConfChardev *chr = b->def->channels->pdata[i];
        libxl_device_channel *xl;

        xl = HVXL_ADD(b->config, channels, num_channels, channel);
        xl->devid = b->config->num_channels - 1;
        if (!hvxl_build_channel(b, chr, xl, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_chardevs(HvxlBuild *b, GError **error)
{
    if (b->def->parallels->len)
        return hvxl_refuse(NULL, "devices/parallel", NULL, error);
    return build_serials(b, error) && build_consoles(b, error) && build_channels(b, error);
}
