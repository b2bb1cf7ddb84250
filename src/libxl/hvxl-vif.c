/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dom0's side of a guest's interface: its link, and the bridge that it is a port of. An HVM guest
 * has two sides, the PV one and the emulated one; both follow. */
#include "hvxl-device.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static gboolean
fail(GError **error, const char *what, const char *name)
{
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot %s interface '%s' of the host: %s", what,
                name, g_strerror(errno));
    return FALSE;
}

/* It is a driver domain's, or has been renamed. */
static gboolean
fail_without_side(GError **error, int domid, int devid)
{
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                "interface %d of domain id %d has no side in this domain", devid, domid);
    return FALSE;
}

static int
open_socket(GError **error)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "cannot reach the host's network: %s",
                    g_strerror(errno));
    return fd;
}

/* The names of the sides that exist. `names` has room for two. */
static guint
sides_of(HvEngine *engine, int domid, int devid, char names[2][IFNAMSIZ])
{
    g_autofree char *chosen = hvxl_xs_read(engine, "/local/domain/0/backend/vif/%d/%d/vifname",
                                           domid, devid);
    char pair[2][IFNAMSIZ + 8];
    guint n = 0;

    if (chosen && *chosen)
        g_snprintf(pair[0], sizeof(pair[0]), "%s", chosen);
    else
        g_snprintf(pair[0], sizeof(pair[0]), "vif%d.%d", domid, devid);
    g_snprintf(pair[1], sizeof(pair[1]), "%.15s-emu", pair[0]);
    for (guint i = 0; i < 2; i++)
        if (strlen(pair[i]) < IFNAMSIZ && if_nametoindex(pair[i]) != 0)
            g_strlcpy(names[n++], pair[i], IFNAMSIZ);
    return n;
}

static gboolean
set_flag(int fd, const char *name, gboolean up, GError **error)
{
    struct ifreq request = { 0 };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return fail(error, "look at", name);
    if (up)
        request.ifr_flags |= IFF_UP;
    else
        request.ifr_flags &= (short)~IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0 || fail(error, up ? "start" : "stop", name);
}

gboolean
hvxl_vif_set_link(HvEngine *engine, int domid, int devid, gboolean up, GError **error)
{
    char names[2][IFNAMSIZ];
    guint n = sides_of(engine, domid, devid, names);
    int fd = open_socket(error);
    gboolean ok = fd >= 0;

    if (ok && n == 0)
        ok = fail_without_side(error, domid, devid);
    for (guint i = 0; ok && i < n; i++)
        ok = set_flag(fd, names[i], up, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- bridges ---- */

static gboolean
port(int fd, const char *bridge, const char *name, gboolean add, GError **error)
{
    struct ifreq request = { 0 };

    g_strlcpy(request.ifr_name, bridge, IFNAMSIZ);
    request.ifr_ifindex = (int)if_nametoindex(name);
    if (ioctl(fd, add ? SIOCBRADDIF : SIOCBRDELIF, &request) == 0)
        return TRUE;
    /* Somebody has taken it off before. */
    if (!add && errno == EINVAL)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                "cannot %s '%s' %s bridge '%s': %s; only bridges of Linux can be changed under a "
                "running domain",
                add ? "add" : "take", name, add ? "to" : "off", bridge, g_strerror(errno));
    return FALSE;
}

static gboolean
move_port(int fd, const char *name, const char *before, const char *after, GError **error)
{
    if (!port(fd, before, name, FALSE, error))
        return FALSE;
    if (port(fd, after, name, TRUE, error))
        return TRUE;
    port(fd, before, name, TRUE, NULL);
    return FALSE;
}

/* For who takes the interface down one day. */
static void
note_bridge(HvEngine *engine, int domid, int devid, const char *bridge)
{
    g_autofree char *path = g_strdup_printf("/local/domain/0/backend/vif/%d/%d/bridge", domid,
                                            devid);

    if (!xs_write(engine->xs, XBT_NULL, path, bridge, (unsigned)strlen(bridge)))
        g_warning("cannot write '%s' to xenstore: %s", path, g_strerror(errno));
}

gboolean
hvxl_vif_set_bridge(HvEngine *engine, int domid, int devid, const char *before, const char *after,
                    GError **error)
{
    char names[2][IFNAMSIZ];
    guint n = sides_of(engine, domid, devid, names);
    guint done = 0;
    int fd;

    if (!*before || !*after) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "an interface cannot begin or cease to have a bridge while its domain runs");
        return FALSE;
    }
    if (n == 0)
        return fail_without_side(error, domid, devid);
    fd = open_socket(error);
    if (fd < 0)
        return FALSE;
    while (done < n && move_port(fd, names[done], before, after, error))
        done++;
    for (guint i = 0; done < n && i < done; i++)
        move_port(fd, names[i], after, before, NULL);
    close(fd);
    if (done < n)
        return FALSE;
    note_bridge(engine, domid, devid, after);
    return TRUE;
}
