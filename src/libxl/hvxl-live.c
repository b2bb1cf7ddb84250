/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-live.h"

#include "hvxl-config.h"
#include "hvxl-hooks.h"
#include "hvxl-tty.h"

#include <string.h>

/* ---- consoles ---- */

static gboolean
is_pty(const ConfChardev *chr)
{
    return !chr->type || g_str_equal(chr->type, "pty");
}

static char *
serial_path(int domid, const ConfChardev *serial)
{
    return g_strdup_printf("/local/domain/%d/serial/%" G_GINT64_FORMAT "/tty", domid,
                           serial->target_port.set ? serial->target_port.value : 0);
}

static void
set_string(char **field, const char *text)
{
    if (g_strcmp0(*field, text) == 0)
        return;
    g_free(*field);
    *field = g_strdup(text);
}

/* `path`: of its node; NULL: it has no tty. FALSE: it has none yet. */
static gboolean
fill_tty(HvEngine *engine, const char *path, ConfChardev *chr, gboolean serial, guint patience_ms)
{
    g_autofree char *tty = NULL;

    if (!is_pty(chr))
        return TRUE;
    set_string(&chr->type, "pty");
    if (!path) {
        set_string(&chr->source_path, NULL);
        set_string(&chr->tty, NULL);
        return TRUE;
    }
    tty = patience_ms ? hvxl_xs_await(engine, patience_ms, "%s", path)
                      : hvxl_xs_read(engine, "%s", path);
    if (!tty || !*tty)
        return FALSE;
    set_string(&chr->source_path, tty);
    if (!serial)
        set_string(&chr->tty, tty);
    return TRUE;
}

/* virsh console asks by alias; the stock driver writes them, too. */
static void
set_alias(ConfDevice *dev, const char *kind, guint number)
{
    if (!dev->alias)
        dev->alias = g_strdup_printf("%s%u", kind, number);
}

/* In an HVM domain a console of target type serial is the serial port under another name. The
 * others are Xen's, of which libxl makes one. A second one would have its node in a folder of the
 * guest's, and what stands there is the guest's invention. */
static gboolean
fill_console(HvEngine *engine, int domid, ConfDomain *live, guint index, gboolean first_pv,
             gboolean serial, guint patience_ms)
{
    ConfChardev *console = live->consoles->pdata[index];
    g_autofree char *path = NULL;

    set_alias(&console->dev, serial ? "serial" : "console",
              serial && console->target_port.set ? (guint)console->target_port.value : index);
    if (serial)
        path = serial_path(domid, console);
    else if (first_pv)
        path = g_strdup_printf("/local/domain/%d/console/tty", domid);
    return fill_tty(engine, path, console, FALSE, patience_ms);
}

static gboolean
fill_consoles(HvEngine *engine, int domid, ConfDomain *live, guint patience_ms)
{
    gboolean all = TRUE, first_pv = TRUE;

    for (guint i = 0; i < live->serials->len; i++) {
        ConfChardev *serial = live->serials->pdata[i];
        g_autofree char *path = serial_path(domid, serial);

        set_alias(&serial->dev, "serial", i);
        all &= fill_tty(engine, path, serial, TRUE, patience_ms);
    }
    for (guint i = 0; i < live->consoles->len; i++) {
        const ConfChardev *console = live->consoles->pdata[i];
        gboolean serial = live->os.type == CONF_OS_HVM &&
                          g_strcmp0(console->target_type, "serial") == 0;

        all &= fill_console(engine, domid, live, i, first_pv, serial, patience_ms);
        first_pv &= serial;
    }
    return all;
}

/* ---- interfaces ---- */

/* The names that libxl and Xen's scripts give: that of the PV side, or of the emulated one where
 * there is one. */
static void
fill_interfaces(int domid, ConfDomain *live, const libxl_domain_config *config)
{
    int devid = 0;

    for (guint i = 0; i < live->interfaces->len; i++) {
        ConfInterface *iface = live->interfaces->pdata[i];
        const libxl_device_nic *nic = config && devid < config->num_nics ? &config->nics[devid]
                                                                         : NULL;
        gboolean emulated = nic ? nic->nictype == LIBXL_NIC_TYPE_VIF_IOEMU : FALSE;

        if (g_strcmp0(iface->type, "hostdev") == 0)
            continue;
        if (!iface->target)
            iface->target = g_strdup_printf("vif%d.%d%s", domid,
                                            nic && nic->devid >= 0 ? nic->devid : devid,
                                            emulated ? "-emu" : "");
        devid++;
    }
}

/* ---- displays ---- */

static gboolean
is_automatic(const ConfGraphics *graphics)
{
    return g_strcmp0(graphics->autoport, "yes") == 0 || !graphics->port.set ||
           graphics->port.value <= 0;
}

/* QEMU chooses that of VNC, and says so; that of SPICE was chosen for it. 0: none. */
static gint64
port_of(HvEngine *engine, int domid, const ConfGraphics *graphics,
        const libxl_domain_config *config)
{
    gint64 port = 0;

    if (g_strcmp0(graphics->type, "vnc") == 0 && !graphics->socket)
        hvxl_xs_read_number(engine, &port, "/local/domain/%d/console/vnc-port", domid);
    else if (g_strcmp0(graphics->type, "spice") == 0 && config &&
             config->b_info.type == LIBXL_DOMAIN_TYPE_HVM)
        port = config->b_info.u.hvm.spice.port;
    return port > 0 && port <= 65535 ? port : 0;
}

static void
fill_displays(HvEngine *engine, int domid, ConfDomain *live, const libxl_domain_config *config)
{
    for (guint i = 0; i < live->graphics->len; i++) {
        ConfGraphics *graphics = live->graphics->pdata[i];
        gint64 port = port_of(engine, domid, graphics, config);

        if (port == 0)
            continue;
        /* So that the inactive form shows no port again. */
        if (is_automatic(graphics))
            set_string(&graphics->autoport, "yes");
        graphics->port = (ConfOptInt){ true, port };
    }
}

gboolean
hvxl_live_fill(HvEngine *engine, int domid, ConfDomain *live, const libxl_domain_config *config,
               guint patience_ms)
{
    live->id = domid;
    fill_interfaces(domid, live, config);
    fill_displays(engine, domid, live, config);
    return fill_consoles(engine, domid, live, patience_ms);
}

/* ---- opening one ---- */

int
hvxl_console(HvEngine *engine, int domid, const ConfChardev *console, GError **error)
{
    if (!is_pty(console)) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "the console is of type '%s'; only one of type 'pty' can be opened",
                    console->type);
        return -1;
    }
    if (!console->source_path || !*console->source_path) {
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the console of domain id %d has no tty; does xenconsoled run?", domid);
        return -1;
    }
    return hvxl_tty_open(console->source_path, error);
}

/* ---- domains that others started ---- */

static ConfDomain *
adopt_xml(HvEngine *engine, int domid, const char *xml, GError **error)
{
    g_autofree char *name = g_strdup_printf("XML of domain id %d", domid);
    ConfDomain *def = conf_domain_parse_xml(xml, -1, name, 0, error);

    if (def)
        hvxl_live_fill(engine, domid, def, NULL, HVXL_TTY_PATIENCE_MS);
    return def;
}

static ConfDomain *
adopt_record(HvEngine *engine, HvxlCtx *ctx, int domid, GError **error)
{
    libxl_domain_config config;
    ConfDomain *def = NULL;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(ctx->libxl, (uint32_t)domid, &config, NULL);
    if (rc != 0)
        hvxl_set_error(ctx, rc, error, "libxl has no record of domain id %d", domid);
    else
        def = hvxl_config_adopt(&config, error);
    if (def)
        hvxl_live_fill(engine, domid, def, &config, HVXL_TTY_PATIENCE_MS);
    libxl_domain_config_dispose(&config);
    return def;
}

ConfDomain *
hvxl_adopt(HvEngine *engine, int domid, GError **error)
{
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    g_autofree char *xml = NULL;

    if (!ctx)
        return NULL;
    xml = hvxl_userdata_read(ctx, domid);
    return xml ? adopt_xml(engine, domid, xml, error) : adopt_record(engine, ctx, domid, error);
}
