/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <console>, <serial>, <parallel> and <channel>. A PV or PVH domain has its console without being
 * asked; an HVM domain's is its first serial port. */
#include "hvxl-config-keys.h"

#include <string.h>

/* ---- serial ports of the device model ---- */

char *
hvxl_serial_word(const ConfChardev *serial, GError **error)
{
    static const char *const types[] = { "pty",  "file", "pipe",  "dev", "udp", "tcp",
                                         "unix", "null", "stdio", "vc",  NULL };
    g_autofree char *word = serial->type ? conf_chardev_to_qemu(serial) : g_strdup("pty");

    if (word == NULL && !g_strv_contains(types, serial->type)) {
        hvxl_refuse(serial->type, "devices/serial/@type", "other", error);
        return NULL;
    }
    if (word == NULL) {
        hvxl_invalid(error, "serial: <source> does not say where a port of type %s leads to",
                     serial->type);
        return NULL;
    }
    /* QEMU's options begin at a comma. */
    if (serial->source_path && strchr(serial->source_path, ',')) {
        hvxl_invalid(error, "serial: a comma in the path '%s', which the device model can't take",
                     serial->source_path);
        return NULL;
    }
    return g_steal_pointer(&word);
}

static gboolean
build_rest(HvxlBuild *b, const char *path, const ConfChardev *chr, GError **error)
{
    g_autofree char *source = g_strconcat(path, "/source", NULL);
    g_autofree char *target = g_strconcat(path, "/target", NULL);

    return hvxl_build_extra(b, NULL, path, chr->dev.extra, error) &&
           hvxl_build_extra(b, NULL, source, chr->source_extra, error) &&
           hvxl_build_extra(b, NULL, target, chr->target_extra, error);
}

static gboolean
build_serials(HvxlBuild *b, GError **error)
{
    GPtrArray *serials = b->def->serials;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM) {
        if (serials->len)
            hvxl_warn(b, NULL, "devices/serial", "not HVM");
        return TRUE;
    }
    for (guint i = 0; i < serials->len; i++) {
        const ConfChardev *serial = serials->pdata[i];
        g_autofree char *word = hvxl_serial_word(serial, error);

        if (word == NULL || !build_rest(b, "devices/serial", serial, error))
            return FALSE;
        if (serial->log_file)
            hvxl_warn(b, NULL, "devices/serial/log", NULL);
        if (serial->target_port.set && serial->target_port.value != i)
            hvxl_warn(b, NULL, "devices/serial/target/@port", "not in order");
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
        if (console->log_file)
            hvxl_warn(b, NULL, "devices/console/log", NULL);
        if (!build_rest(b, "devices/console", console, error))
            return FALSE;
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
    return build_rest(b, "devices/channel", chr, error) &&
           hvxl_keys_build(b, hvxl_channel_keys, hvxl_n_channel_keys, chr->target_name,
                           conf_xl_ext_device(b->ext, chr->target_name), xl, error);
}

gboolean
hvxl_channel_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfChardev *channel,
                   libxl_device_channel *ret_channel, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_channel(&b, channel, ret_channel, error);
}

static gboolean
build_channels(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->channels->len; i++) {
        const ConfChardev *chr = b->def->channels->pdata[i];
        libxl_device_channel *xl;

        /* Of SPICE's agent there's one, and libxl makes it. */
        if (hvxl_is_spice_agent(chr) && b->type == LIBXL_DOMAIN_TYPE_HVM)
            continue;
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
