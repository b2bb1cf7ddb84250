/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys, NMI, sleep, names, screens: what happens to a running domain beside its start and
 * end. No reset: Xen knows none, and QEMU's own ends the domain. */
#include "hvxl-device.h"

#include "hvxl-hooks.h"
#include "hvxl-json.h"
#include "hvxl-qmp.h"
#include "hvxl-tty.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SUSPEND_MS 60000
#define COPY_CHUNK 65536

/* ---- keys and NMI ---- */

gboolean
hvxl_inject_nmi(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_send_trigger(ctx->libxl, (uint32_t)domid, LIBXL_TRIGGER_NMI, 0, NULL);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot send an NMI to domain id %d", domid);
}

/* The letter of Alt+SysRq+letter, which PV drivers take by itself; 0: it is something else. */
static char
sysrq_of(const guint *keys, guint n_keys)
{
    static const struct {
        guint first;
        const char *letters;
    } rows[] = {
        { KEY_1, "1234567890" },
        { KEY_Q, "qwertyuiop" },
        { KEY_A, "asdfghjkl" },
        { KEY_Z, "zxcvbnm" },
    };
    gboolean sysrq = FALSE;
    char letter = '\0';

    for (guint i = 0; i < n_keys; i++) {
        sysrq |= keys[i] == KEY_SYSRQ;
        for (gsize row = 0; row < G_N_ELEMENTS(rows); row++)
            if (keys[i] >= rows[row].first && keys[i] < rows[row].first + strlen(rows[row].letters))
                letter = rows[row].letters[keys[i] - rows[row].first];
    }
    return sysrq ? letter : '\0';
}

static gboolean
send_sysrq(HvEngine *engine, int domid, char letter, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_send_sysrq(ctx->libxl, (uint32_t)domid, letter);
    return rc == 0 ||
           hvxl_set_error(ctx, rc, error, "cannot send SysRq-%c to domain id %d", letter, domid);
}

static gboolean
press_keys(int domid, const guint *keys, guint n_keys, guint hold_ms, GError **error)
{
    g_autoptr(GString)
        command = g_string_new("{\"execute\":\"send-key\",\"arguments\":{\"keys\":[");
    g_autofree char *answer = NULL;

    for (guint i = 0; i < n_keys; i++) {
        guint code = hv_key_to_qnum(keys[i]);

        if (code == 0) {
            g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "key %u is not on a PC's keyboard",
                        keys[i]);
            return FALSE;
        }
        g_string_append_printf(command, "%s{\"type\":\"number\",\"data\":%u}", i ? "," : "", code);
    }
    g_string_append_c(command, ']');
    if (hold_ms)
        g_string_append_printf(command, ",\"hold-time\":%u", hold_ms);
    g_string_append(command, "}}");
    answer = hvxl_qmp_return(domid, command->str, error);
    return answer != NULL;
}

gboolean
hvxl_send_keys(HvEngine *engine, int domid, const ConfDomain *live, const guint *keys, guint n_keys,
               guint hold_ms, GError **error)
{
    char letter = sysrq_of(keys, n_keys);

    if (live->os.type == CONF_OS_HVM)
        return press_keys(domid, keys, n_keys, hold_ms, error);
    if (letter)
        return send_sysrq(engine, domid, letter, error);
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "the guest of domain id %d has no keyboard: it can be sent Alt+SysRq and a letter",
                domid);
    return FALSE;
}

/* ---- sleep ---- */

gboolean
hvxl_pm_suspend(HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    HvxlOp op;
    int rc;

    if (!ctx)
        return FALSE;
    hvxl_op_init(&op, ctx, NULL, SUSPEND_MS);
    rc = hvxl_op_wait(&op, libxl_domain_suspend_only(ctx->libxl, (uint32_t)domid, &op.how));
    if (rc == ERROR_ABORTED && op.timed_out) {
        g_set_error(error, HV_ERROR, HV_ERROR_TIMEOUT,
                    "the guest of domain id %d did not suspend within %d s", domid,
                    SUSPEND_MS / 1000);
        return FALSE;
    }
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot suspend domain id %d", domid);
}

gboolean
hvxl_pm_wakeup(HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_resume(ctx->libxl, (uint32_t)domid, 1, NULL);
    return rc == 0 || hvxl_set_error(ctx, rc, error, "cannot wake domain id %d up", domid);
}

/* ---- names ---- */

/* The XML that libxl keeps for who finds the domain later says the same. */
static void
rename_userdata(HvxlCtx *ctx, int domid, const char *name, const guint8 *uuid)
{
    g_autofree char *xml = hvxl_userdata_read(ctx, domid);
    g_autoptr(ConfDomain) def = xml ? conf_domain_parse_xml(xml, -1, name, 0, NULL) : NULL;

    if (!def)
        return;
    g_free(def->name);
    def->name = g_strdup(name);
    if (uuid)
        memcpy(def->uuid, uuid, sizeof(def->uuid));
    hvxl_userdata_write(ctx, domid, def, NULL);
}

gboolean
hvxl_rename(HvEngine *engine, int domid, const char *before, const char *after, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    int rc;

    if (!ctx)
        return FALSE;
    rc = libxl_domain_rename(ctx->libxl, (uint32_t)domid, before, after);
    if (rc != 0)
        return hvxl_set_error(ctx, rc, error, "cannot rename domain id %d", domid);
    rename_userdata(ctx, domid, after, NULL);
    return TRUE;
}

char *
hvxl_domain_name(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autofree char *kept = NULL;
    g_autofree char *tag = NULL;
    char *name = ctx ? libxl_domid_to_name(ctx->libxl, (uint32_t)domid) : NULL;
    char *copy = g_strdup(name);

    free(name);
    if (!ctx)
        return NULL;
    if (!copy) {
        hvxl_set_error(ctx, ERROR_DOMAIN_NOTFOUND, error, "domain id %d has no name", domid);
        return NULL;
    }
    kept = hvxl_userdata_read(ctx, domid);
    tag = g_markup_printf_escaped("<name>%s</name>", copy);
    if (kept && !strstr(kept, tag))
        rename_userdata(ctx, domid, copy, NULL);
    return copy;
}

/* What is left of a guest has no use for its disks and interfaces, and its successor needs them. */
static void
take_devices(HvxlCtx *ctx, int domid)
{
    int n = 0;
    libxl_device_disk *disks = libxl_device_disk_list(ctx->libxl, (uint32_t)domid, &n);
    libxl_device_nic *nics;

    for (int i = 0; i < n; i++)
        libxl_device_disk_destroy(ctx->libxl, (uint32_t)domid, &disks[i], NULL);
    libxl_device_disk_list_free(disks, n);
    n = 0;
    nics = libxl_device_nic_list(ctx->libxl, (uint32_t)domid, &n);
    for (int i = 0; i < n; i++)
        libxl_device_nic_destroy(ctx->libxl, (uint32_t)domid, &nics[i], NULL);
    libxl_device_nic_list_free(nics, n);
}

/* libxl makes the new name of the old one and a suffix. */
gboolean
hvxl_preserve(HvEngine *engine, int domid, const char *name, const guint8 uuid[16], GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    char *before = ctx ? libxl_domid_to_name(ctx->libxl, (uint32_t)domid) : NULL;
    libxl_domain_create_info info;
    libxl_uuid new_uuid;
    int rc = ERROR_INVAL;

    if (!ctx)
        return FALSE;
    if (before && g_str_has_prefix(name, before)) {
        libxl_domain_create_info_init(&info);
        info.name = before;
        libxl_uuid_copy(ctx->libxl, &new_uuid, (const libxl_uuid *)uuid);
        rc = libxl_domain_preserve(ctx->libxl, (uint32_t)domid, &info, name + strlen(before),
                                   new_uuid);
        info.name = NULL;
        libxl_domain_create_info_dispose(&info);
    }
    free(before);
    if (rc != 0)
        return hvxl_set_error(ctx, rc, error, "cannot keep domain id %d as '%s'", domid, name);
    rename_userdata(ctx, domid, name, uuid);
    take_devices(ctx, domid);
    return TRUE;
}

/* ---- screen, channels, monitor ---- */

static gboolean
copy_file(const char *path, int fd, GError **error)
{
    g_autofree char *chunk = g_malloc(COPY_CHUNK);
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = from < 0 ? -1 : 0;

    while (from >= 0 && (n = read(from, chunk, COPY_CHUNK)) > 0)
        if (write(fd, chunk, (size_t)n) != n) {
            n = -1;
            break;
        }
    if (n < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot read the picture '%s': %s", path,
                    g_strerror(errno));
    if (from >= 0)
        close(from);
    return n == 0;
}

gboolean
hvxl_screenshot(HvEngine *engine, int domid, const ConfDomain *live, guint screen, int fd,
                const char **ret_mime, GError **error)
{
    g_autofree char *folder = NULL;
    g_autofree char *path = NULL;
    g_autofree char *quoted = NULL;
    g_autofree char *command = NULL;
    g_autofree char *answer = NULL;
    gboolean ok;

    if (live->os.type != CONF_OS_HVM || screen != 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    live->os.type != CONF_OS_HVM ? "only the screen of an HVM guest can be pictured"
                                                 : "a domain of Xen has one screen, number 0");
        return FALSE;
    }
    /* A folder of our own: nobody puts a link there before QEMU writes. */
    folder = g_dir_make_tmp("xlvirt-screen-XXXXXX", error);
    if (!folder)
        return FALSE;
    path = g_build_filename(folder, "screen.ppm", NULL);
    quoted = hvxl_json_quote(path);
    command = g_strdup_printf("{\"execute\":\"screendump\",\"arguments\":{\"filename\":%s}}",
                              quoted);
    answer = hvxl_qmp_return(domid, command, error);
    ok = answer && copy_file(path, fd, error);
    g_unlink(path);
    g_rmdir(folder);
    *ret_mime = "image/x-portable-pixmap";
    return ok;
}

static int
connect_channel(const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "the path '%s' is too long for a socket",
                    path);
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot connect to channel '%s': %s", path,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Channels are consoles with a name, numbered from 1; libxl lists them all as number 0 (4.17). -1:
 * none of this name. */
static int
find_number(HvEngine *engine, int domid, const char *name, int n_channels)
{
    for (int number = 1; number <= n_channels; number++) {
        g_autofree char *other = hvxl_xs_read(engine, "/libxl/%d/device/console/%d/name", domid,
                                              number);

        if (g_strcmp0(other, name) == 0)
            return number;
    }
    return -1;
}

/* The node is in a folder of the guest's, who could put another one there: of another guest's
 * console. So the device model, which serves them all, is asked whether it is its own. */
static int
open_channel(HvEngine *engine, int domid, int number, GError **error)
{
    g_autofree char *tty = hvxl_xs_read(engine, "/local/domain/%d/device/console/%d/tty", domid,
                                        number);
    gboolean own;

    if (!tty || !*tty) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "channel %d of domain id %d has no tty; does its device model run?", number,
                    domid);
        return -1;
    }
    if (!hvxl_qmp_has_pty(domid, tty, &own, error))
        return -1;
    if (own)
        return hvxl_tty_open(tty, error);
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                "the tty of channel %d of domain id %d is not one of its device model: the guest "
                "has written '%s' to xenstore",
                number, domid, tty);
    return -1;
}

/* How many there are, if one has this name; else -1. *ret_path: of its socket; NULL: it is a pty.
 */
static int
find_channel(HvxlCtx *ctx, int domid, const char *name, char **ret_path)
{
    int n = 0, found = -1;
    libxl_device_channel *all = libxl_device_channel_list(ctx->libxl, (uint32_t)domid, &n);

    for (int i = 0; i < n; i++) {
        if (g_strcmp0(all[i].name, name) == 0) {
            found = n;
            *ret_path = all[i].connection == LIBXL_CHANNEL_CONNECTION_SOCKET
                            ? g_strdup(all[i].u.socket.path)
                            : NULL;
        }
        libxl_device_channel_dispose(&all[i]);
    }
    free(all);
    return found;
}

int
hvxl_channel(HvEngine *engine, int domid, const ConfChardev *channel, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autofree char *path = NULL;
    int n, number;

    if (!ctx)
        return -1;
    n = find_channel(ctx, domid, channel->target_name, &path);
    if (n < 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "domain id %d has no channel '%s'", domid,
                    channel->target_name ? channel->target_name : "");
        return -1;
    }
    if (path)
        return connect_channel(path, error);
    number = find_number(engine, domid, channel->target_name, n);
    if (number >= 0)
        return open_channel(engine, domid, number, error);
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "channel '%s' of domain id %d has no tty",
                channel->target_name, domid);
    return -1;
}

char *
hvxl_monitor_command(HvEngine *engine, int domid, const char *command, gboolean human,
                     GError **error)
{
    return human ? hvxl_qmp_human(domid, command, error) : hvxl_qmp(domid, command, error);
}

/* A device model that cannot take it is none that libhv needs to tell of: it has the server's
 * address. */
gboolean
hvxl_add_graphics_client(HvEngine *engine, int domid, const ConfGraphics *graphics, int fd,
                         gboolean skip_auth, GError **error)
{
    g_autofree char *quoted = hvxl_json_quote(graphics->type);
    g_autofree char *command = g_strdup_printf(
        "{\"execute\":\"add_client\",\"arguments\":{\"protocol\":%s,"
        "\"fdname\":\"" HVXL_QMP_FD "\",\"skipauth\":%s}}",
        quoted, skip_auth ? "true" : "false");
    g_autofree char *answer = hvxl_qmp_with_fd(domid, command, fd, error);

    if (!answer && error && *error)
        (*error)->code = HV_ERROR_UNSUPPORTED;
    return answer != NULL;
}
