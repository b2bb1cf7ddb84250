/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-env.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define USB_DEVICES  "/sys/bus/usb/devices"
#define NETWORK_FILE "/run/libvirt/network/%s.xml" /* of libvirt's network driver, while active */
#define FILE_MAX     (1 << 20)

/* Beside those in which QEMU looks for VNC displays, 5900 to 5999. */
#define SPICE_FIRST_PORT 6000
#define SPICE_N_PORTS    1000

/* ---- networks ---- */

/* The text of the first match; NULL: none. */
static char *
query(const char *text, gsize len, const char *xpath)
{
    xmlDoc *doc = xmlReadMemory(text, (int)len, "network", NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlXPathContext *context = doc ? xmlXPathNewContext(doc) : NULL;
    xmlXPathObject *found = context ? xmlXPathEvalExpression(BAD_CAST xpath, context) : NULL;
    xmlChar *value = found ? xmlXPathCastToString(found) : NULL;
    char *copy = value && *value ? g_strdup((const char *)value) : NULL;

    xmlFree(value);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(doc);
    return copy;
}

static char *
network_bridge(const char *network, const char *portgroup, gpointer data, GError **error)
{
    HvEngine *engine = data;
    g_autofree char *file = g_strdup_printf(NETWORK_FILE, network);
    g_autofree char *path = g_strconcat(engine->root, file, NULL);
    g_autofree char *text = NULL;
    char *bridge = NULL;
    struct stat st;
    gsize len;

    if (!strchr(network, '/') && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size <= FILE_MAX && g_file_get_contents(path, &text, &len, NULL))
        bridge = query(text, len, "string(//network/bridge/@name)");
    if (!bridge)
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "network '%s' is not active, or has no bridge; start it (virsh net-start), or "
                    "name the bridge: <interface type='bridge'>",
                    network);
    return bridge;
}

/* ---- usb ---- */

static gboolean
read_hex(const char *device, const char *name, int base, unsigned *ret_number)
{
    g_autofree char *path = g_build_filename(USB_DEVICES, device, name, NULL);
    g_autofree char *text = NULL;
    guint64 number;

    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        !g_ascii_string_to_unsigned(g_strchomp(text), (guint)base, 0, G_MAXUINT16, &number, NULL))
        return FALSE;
    *ret_number = (unsigned)number;
    return TRUE;
}

static gboolean
usb_find(unsigned vendor, unsigned product, unsigned *ret_bus, unsigned *ret_device, gpointer data,
         GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(USB_DEVICES, 0, NULL);
    const char *name;
    guint n = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        unsigned its_vendor, its_product, bus, device;

        if (read_hex(name, "idVendor", 16, &its_vendor) && its_vendor == vendor &&
            read_hex(name, "idProduct", 16, &its_product) && its_product == product &&
            read_hex(name, "busnum", 10, &bus) && read_hex(name, "devnum", 10, &device)) {
            *ret_bus = bus;
            *ret_device = device;
            n++;
        }
    }
    if (n == 1)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                n == 0 ? "no USB device %04x:%04x is plugged in"
                       : "several USB devices %04x:%04x are plugged in; name bus and device",
                vendor, product);
    return FALSE;
}

/* ---- NUMA nodes, files of Xen ---- */

static gboolean
node_cpus(unsigned node, ConfBitmap *map, gpointer data, GError **error)
{
    HvEngine *engine = data;
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, error);
    libxl_bitmap cpus;
    gboolean ok;

    if (ctx == NULL)
        return FALSE;
    libxl_bitmap_init(&cpus);
    /* A node that is not there has no processors: xl takes it so, too. */
    if (node >= engine->n_nodes)
        return TRUE;
    ok = libxl_cpu_bitmap_alloc(ctx->libxl, &cpus, 0) == 0 &&
         libxl_node_to_cpumap(ctx->libxl, (int)node, &cpus) == 0;
    for (unsigned i = 0; ok && i < engine->n_cpus; i++) {
        if (libxl_bitmap_test(&cpus, (int)i))
            conf_bitmap_set(map, i, true);
    }
    libxl_bitmap_dispose(&cpus);
    if (!ok)
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                    "the processors of NUMA node %u are not known", node);
    return ok;
}

/* Distributions put a version's files beside those of others. */
static char *
firmware(const char *name, gpointer data)
{
    static const char *const folders[] = { "/usr/lib/xen/boot", "/usr/libexec/xen/boot",
                                           "/usr/lib64/xen/boot" };
    HvEngine *engine = data;
    g_autoptr(HvxlCtx) ctx = hvxl_ctx_get(engine, NULL);
    const libxl_version_info *version = ctx ? libxl_get_version_info(ctx->libxl) : NULL;

    g_autofree char *of_version = version ? g_strdup_printf("/usr/lib/xen-%d.%d/boot/%s",
                                                            version->xen_version_major,
                                                            version->xen_version_minor, name)
                                          : NULL;

    if (of_version && g_file_test(of_version, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&of_version);
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(folders[i], name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* ---- spice ---- */

static gboolean
is_free(in_port_t port)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    gboolean bound;

    if (fd < 0)
        return FALSE;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bound = bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    close(fd);
    return bound;
}

/* Somebody may take it before QEMU does: starts side by side begin at different places. */
static int
spice_port(gpointer data, GError **error)
{
    int first = g_random_int_range(0, SPICE_N_PORTS);

    for (int i = 0; i < SPICE_N_PORTS; i++) {
        int port = SPICE_FIRST_PORT + (first + i) % SPICE_N_PORTS;

        if (is_free((in_port_t)port))
            return port;
    }
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG,
                "no TCP port from %d to %d is free for the SPICE display: give a port=",
                SPICE_FIRST_PORT, SPICE_FIRST_PORT + SPICE_N_PORTS - 1);
    return 0;
}

/* ---- all together ---- */

/* What a setting of libxl.conf says, NULL for none. */
static const char *
text_of(HvEngine *engine, const char *name)
{
    const char *text = hvxl_setting(engine, name);

    return text && *text ? text : NULL;
}

void
hvxl_env_fill(HvEngine *engine, HvxlCtx *ctx, HvxlConfigEnv *ret_env)
{
    hvxl_config_env_init(ret_env);
    ret_env->hotplug_script = engine->hotplug;
    ret_env->n_cpus = engine->n_cpus;
    ret_env->n_nodes = engine->n_nodes;
    ret_env->scheduler = libxl_get_scheduler(ctx->libxl);
    ret_env->nested_hvm = hvxl_setting_bool(engine, "nested_hvm", FALSE);
    ret_env->vnc_listen = text_of(engine, "vnc_listen");
    ret_env->spice_listen = text_of(engine, "spice_listen");
    ret_env->keymap = text_of(engine, "keymap");
    ret_env->channel_dir = engine->channel_dir;
    ret_env->data = engine;
    ret_env->network_bridge = network_bridge;
    ret_env->usb_find = usb_find;
    ret_env->node_cpus = node_cpus;
    ret_env->firmware = firmware;
    ret_env->spice_port = spice_port;
}
