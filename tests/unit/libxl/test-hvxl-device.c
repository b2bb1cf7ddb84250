/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of a running domain: what becomes of them where libxl, or somebody else, is in the way.
 * The functions of libxl that would reach Xen are of this file's making. */
#include <libxl/hvxl-device.h>
#include <libxl/hvxl-env.h>
#include <libxl/hvxl-model.h>
#include <libxl/hvxl-monitor.h>

#include <stdlib.h>
#include <string.h>

/* ---- Xen ---- */

static struct {
    int add;          /* what libxl answers when a device is added */
    char *script;     /* of the disk that was added last */
    guint destroyed;  /* devices */
    guint written;    /* nodes of xenstore */
    guint remembered; /* definitions kept with the domain */
    gboolean refused; /* the device model does not serve a disk */
} xen;

int
libxl_device_disk_add(libxl_ctx *ctx, uint32_t domid, libxl_device_disk *disk,
                      const libxl_asyncop_how *how)
{
    g_free(xen.script);
    xen.script = g_strdup(disk->script);
    return xen.add;
}

int
libxl_device_disk_destroy(libxl_ctx *ctx, uint32_t domid, libxl_device_disk *disk,
                          const libxl_asyncop_how *how)
{
    xen.destroyed++;
    return 0;
}

libxl_device_disk *
libxl_device_disk_list(libxl_ctx *ctx, uint32_t domid, int *ret_n)
{
    *ret_n = 0;
    return NULL;
}

int
libxl_device_nic_add(libxl_ctx *ctx, uint32_t domid, libxl_device_nic *nic,
                     const libxl_asyncop_how *how)
{
    nic->devid = 0; /* the number that libxl takes to be free */
    return xen.add;
}

int
libxl_device_nic_destroy(libxl_ctx *ctx, uint32_t domid, libxl_device_nic *nic,
                         const libxl_asyncop_how *how)
{
    xen.destroyed++;
    return 0;
}

/* The domain's only interface: number 5, which has no side in any domain of this machine. */
libxl_device_nic *
libxl_device_nic_list(libxl_ctx *ctx, uint32_t domid, int *ret_n)
{
    static const libxl_mac mac = { 0, 0x16, 0x3e, 0, 0, 1 };
    libxl_device_nic *nic = calloc(1, sizeof(*nic));

    libxl_device_nic_init(nic);
    memcpy(nic->mac, mac, sizeof(mac));
    nic->devid = 5;
    *ret_n = 1;
    return nic;
}

bool
xs_write(struct xs_handle *xs, xs_transaction_t transaction, const char *path, const void *data,
         unsigned int len)
{
    xen.written++;
    return true;
}

/* ---- the rest of the engine ---- */

HvxlCtx *
hvxl_ctx_get(HvEngine *engine, GError **error)
{
    HvxlCtx *ctx = g_new0(HvxlCtx, 1);

    ctx->engine = engine;
    return ctx;
}

void
hvxl_ctx_put(HvxlCtx *ctx)
{
    g_free(ctx);
}

gboolean
hvxl_set_error(HvxlCtx *ctx, int rc, GError **error, const char *format, ...)
{
    g_set_error(error, HV_ERROR, HV_ERROR_ENGINE, "rc %d", rc);
    return FALSE;
}

void
hvxl_op_init(HvxlOp *op, HvxlCtx *ctx, GCancellable *cancellable, guint limit_ms)
{
    *op = (HvxlOp){ .ctx = ctx };
}

int
hvxl_op_wait(HvxlOp *op, int rc)
{
    return rc;
}

void
hvxl_env_fill(HvEngine *engine, HvxlCtx *ctx, HvxlConfigEnv *ret_env)
{
    hvxl_config_env_init(ret_env);
    ret_env->hotplug_script = engine->hotplug;
}

char *
hvxl_xs_read(HvEngine *engine, const char *format, ...)
{
    return NULL;
}

gboolean
hvxl_xs_read_number(HvEngine *engine, gint64 *ret_number, const char *format, ...)
{
    return FALSE; /* no device model */
}

gboolean
hvxl_userdata_write(HvxlCtx *ctx, int domid, const ConfDomain *live, GError **error)
{
    xen.remembered++;
    return TRUE;
}

void
hvxl_monitors_ignore_trays(HvxlMonitors *monitors, int domid)
{
}

void
hvxl_monitors_heed_trays(HvxlMonitors *monitors, int domid)
{
}

gboolean
hvxl_pci_detach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    g_assert_not_reached();
}

gboolean
hvxl_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    g_assert_not_reached();
}

gint64
hvxl_model_log_size(const char *name)
{
    return 0;
}

gboolean
hvxl_model_serves(HvEngine *engine, int domid, const char *name, gint64 from,
                  const libxl_device_disk *disks, int n_disks, GError **error)
{
    if (xen.refused)
        g_set_error_literal(error, HV_ERROR, HV_ERROR_ENGINE, "not this image");
    return !xen.refused;
}

/* ---- the tests ---- */

#define MAC "00:16:3e:00:00:01"

typedef struct Fixture {
    HvEngine engine;
    ConfDomain *live;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    memset(&xen, 0, sizeof(xen));
    f->engine.hotplug = g_strdup("/libexec/xlvirt/xlvirt-hotplug");
    f->live = conf_domain_parse_xml(
        "<domain type='xen' "
        "id='7'><name>web</name><uuid>77777777-0000-0000-0000-000000000001</uuid><memory>1024</"
        "memory>"
        "<os><type>linux</type></os></domain>",
        -1, "live", 0, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    g_free(xen.script);
    g_free(f->engine.hotplug);
    conf_domain_unref(f->live);
}

static ConfAnyDevice *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    ConfAnyDevice *device = conf_device_parse_xml(xml, -1, "device", 0, &error);

    g_assert_no_error(error);
    return device;
}

static gboolean
attach(Fixture *f, const char *xml)
{
    g_autoptr(ConfAnyDevice) device = parse(xml);
    g_autoptr(GError) error = NULL;
    gboolean ok = hvxl_attach_device(&f->engine, 7, f->live, device, &error);

    g_assert_true(ok == (error == NULL));
    return ok;
}

#define BLOCK "<disk type='block'><source dev='/dev/null'/><target dev='xvdb'/></disk>"
#define IMAGE(more)                                                                                \
    "<disk type='file'><driver name='qemu' type='raw'/><source file='/srv/web.img'/><target "      \
    "dev='xvdb'/>" more "</disk>"
#define NIC(bridge)                                                                                \
    "<interface type='bridge'><mac address='" MAC "'/><source bridge='" bridge "'/></interface>"

/* Half of a device goes; a whole one, that somebody else was faster with, is not ours. */
static void
test_exists(Fixture *f, gconstpointer unused)
{
    xen.add = ERROR_FAIL;
    g_assert_false(attach(f, BLOCK));
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_false(attach(f, NIC("br0")));
    g_assert_cmpuint(xen.destroyed, ==, 2);
    xen.add = ERROR_DEVICE_EXISTS;
    g_assert_false(attach(f, BLOCK));
    g_assert_false(attach(f, NIC("br0")));
    g_assert_cmpuint(xen.destroyed, ==, 2);
    g_assert_cmpuint(xen.remembered, ==, 0);
    xen.add = 0;
    g_assert_true(attach(f, BLOCK));
    g_assert_cmpuint(xen.remembered, ==, 1);
}

/* What QEMU does not serve goes again, as no part of it would ever work. */
static void
test_refused(Fixture *f, gconstpointer unused)
{
    xen.refused = TRUE;
    g_assert_false(attach(f, BLOCK));
    g_assert_cmpuint(xen.destroyed, ==, 1);
    g_assert_cmpuint(xen.remembered, ==, 0);
}

/* An image file that dom0's kernel serves knows its sharers by the helper's name, too. */
static void
test_shared(Fixture *f, gconstpointer unused)
{
    g_assert_true(attach(f, IMAGE("")));
    g_assert_cmpstr(xen.script, ==, "/libexec/xlvirt/xlvirt-hotplug");
    g_assert_true(attach(f, IMAGE("<shareable/>")));
    g_assert_cmpstr(xen.script, ==, "/libexec/xlvirt/scripts/block-shared");
}

static gboolean
update(Fixture *f, const char *from, const char *to, GError **error)
{
    g_autoptr(ConfAnyDevice) before = parse(from);
    g_autoptr(ConfAnyDevice) after = parse(to);

    return hvxl_update_device(&f->engine, 7, f->live, before, after, FALSE, error);
}

/* A driver domain's interface, or one that has been renamed behind our back: nothing is changed,
 * and nobody is told that it was. */
static void
test_bridge_of_none(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(update(f, NIC("br0"), NIC("br1"), &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_cmpstr(error->message, ==, "interface 5 of domain id 7 has no side in this domain");
    g_assert_cmpuint(xen.written, ==, 0);
    g_assert_cmpuint(xen.remembered, ==, 0);
    g_assert_true(update(f, NIC("br0"), NIC("br0"), NULL));
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *name = g_strconcat("/hvxl/device/", path, NULL);

    g_test_add(name, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("exists", test_exists);
    add("refused", test_refused);
    add("shared", test_shared);
    add("bridge-of-none", test_bridge_of_none);
    return g_test_run();
}
