/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of libxl's record: fields that are more than a word of xl's text. */
#include "conf-xlj.h"

#include <string.h>

#define SCRIPTS       "/etc/xen/scripts/" /* where xl looks for a script without a path */
#define RATE_INTERVAL 50000               /* us: xl's default */

/* Here silence is "read only"; in xl it is not. */
void
xlj_read_disk(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool said = node->kind == CONF_NODE_GROUP && conf_node_find(node, "readwrite");

    via_device(via, row, node, path, said ? NULL : "access=ro", NULL);
}

void
xlj_read_access(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on;

    if (via_get_bool(node, &on))
        via_put(via, row->key, on ? "rw" : "ro", node, path);
    else
        via_lost(via, node, path, "neither 0 nor 1");
}

/* Another field of the device that `node` is a field of. */
static const ConfNode *
beside(const Via *via, const char *list, const ConfNode *node, const char *name)
{
    const ConfNode *devices = xlj_field(via, list);

    for (guint i = 0; devices && devices->items && i < devices->items->len; i++) {
        const ConfNode *device = devices->items->pdata[i];

        if (device->items && g_ptr_array_find(device->items, node, NULL))
            return conf_node_find(device, name);
    }
    return NULL;
}

/* A CD always is. */
void
xlj_read_removable(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool on, cdrom = false;

    via_get_bool(beside(via, "disks", node, "is_cdrom"), &cdrom);
    if (via_get_bool(node, &on) && (!on || cdrom))
        conf_node_mark(node, CONF_FATE_DEFAULT);
}

/* row->key is "ON-WORD|OFF-WORD". */
void
xlj_read_switch(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_auto(GStrv) words = g_strsplit(row->key, "|", 2);
    bool on;

    if (via_get_bool(node, &on))
        via_put(via, words[on ? 0 : 1], NULL, node, path);
    else
        via_lost(via, node, path, "neither true nor false");
}

void
xlj_read_script(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *text = via_text(node);

    if (text == NULL)
        via_lost(via, node, path, "not a text");
    else if (g_str_has_prefix(text, SCRIPTS) && !strchr(text + strlen(SCRIPTS), '/') &&
             g_str_has_prefix(path, "disks"))
        via_put(via, row->key, text + strlen(SCRIPTS), node, path);
    else
        via_put(via, row->key, text, node, path);
}

void
xlj_read_rate(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    gint64 bytes, interval = RATE_INTERVAL;
    g_autofree char *text = NULL;

    via_get_number(beside(via, "nics", node, "rate_interval_usecs"), &interval);
    if (!via_get_number(node, &bytes) || bytes <= 0 || bytes > G_MAXINT64 / 1000000 ||
        interval <= 0 || interval > G_MAXUINT32) {
        via_lost(via, node, path, "not a rate");
        return;
    }
    bytes = bytes * 1000000 / interval;
    text = interval == RATE_INTERVAL
               ? g_strdup_printf("%" G_GINT64_FORMAT "B/s", bytes)
               : g_strdup_printf("%" G_GINT64_FORMAT "B/s@%" G_GINT64_FORMAT "us", bytes, interval);
    via_put(via, row->key, text, node, path);
}

/* A part of an address that is not there is 0. -1: it is out of its bounds. */
static int
address_part(const ConfNode *node, const char *name, int max)
{
    ConfNode *part = conf_node_find(node, name);
    gint64 number = 0;

    if (part == NULL)
        return 0;
    if (!via_get_number(part, &number) || number < 0 || number > max)
        return -1;
    conf_node_mark(part, CONF_FATE_CARRIED);
    return (int)number;
}

void
xlj_read_pci(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool group = node->kind == CONF_NODE_GROUP;
    int domain = group ? address_part(node, "domain", 0xffff) : -1;
    int bus = group ? address_part(node, "bus", 0xff) : -1;
    int slot = group ? address_part(node, "dev", 0x1f) : -1;
    int function = group ? address_part(node, "func", 7) : -1;
    int guest = group ? address_part(node, "vdevfn", 0xffff) : -1;
    g_autofree char *head = NULL, *whole = NULL;

    if (domain < 0 || bus < 0 || slot < 0 || function < 0 || guest < 0) {
        via_lost(via, node, path, "not the address of a PCI device");
        return;
    }
    head = g_strdup_printf("%04x:%02x:%02x.%x", (unsigned)domain, (unsigned)bus, (unsigned)slot,
                           (unsigned)function);
    if (guest)
        whole = g_strdup_printf("%s@%x", head, (unsigned)guest >> 3 & 0x1f);
    via_device(via, row, node, path, whole ? whole : head, NULL);
}

void
xlj_read_dtdev(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const char *device = node->kind == CONF_NODE_GROUP ? via_find_text(node, "path") : NULL;

    if (device)
        via_put_item(via, row->key, device, node, path);
    else
        via_lost(via, node, path, "not the path of a device");
}

/* libxl's own default is VNC where nothing is said. */
void
xlj_read_vfb(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool group = node->kind == CONF_NODE_GROUP;
    const char *head = group && via_find_text(node, "vnc/enable") ? NULL : "vnc=1";

    via_device(via, row, node, path, head,
               group && xlj_wants_display(conf_node_find(node, "vnc")) ? ",vncdisplay=0" : NULL);
}

/* One comes with each frame buffer by itself. */
void
xlj_read_vkb(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    const ConfNode *all = xlj_field(via, "vkbs"), *vfbs = xlj_field(via, "vfbs");
    bool plain = node->kind == CONF_NODE_GROUP;
    guint index = 0;

    for (guint i = 0; plain && i < node->items->len; i++)
        plain = g_strcmp0(((ConfNode *)node->items->pdata[i])->key, "devid") == 0;
    g_ptr_array_find(all->items, node, &index);
    if (plain && vfbs && vfbs->items && index < vfbs->items->len)
        conf_node_mark(node, CONF_FATE_DEFAULT);
    else
        via_device(via, row, node, path, plain ? "backend-type=qemu" : NULL, NULL);
}

void
xlj_read_pvcalls(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    bool said = node->kind == CONF_NODE_GROUP && via_find_text(node, "backend_domname");

    via_device(via, row, node, path, said ? NULL : "backend=0", NULL);
}

/* [{"unique_id": "id0", "width": 1920, "height": 1080}] as "id0:1920x1080;..." */
void
xlj_read_connectors(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; node->items && i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];
        bool group = item->kind == CONF_NODE_GROUP;
        const char *id = group ? via_find_text(item, "unique_id") : NULL;
        const char *width = group ? via_find_text(item, "width") : NULL;
        const char *height = group ? via_find_text(item, "height") : NULL;

        if (id && width && height)
            g_string_append_printf(text, "%s%s:%sx%s", text->len ? ";" : "", id, width, height);
    }
    if (text->len)
        via_put(via, row->key, text->str, node, path);
    else
        via_lost(via, node, path, "not a list of connectors");
}

/* The kind of a channel is the name of the member that has its parameters. */
void
xlj_read_channel(Via *via, const ViaRow *row, ConfNode *node, const char *path)
{
    static const char prefix[] = "connection.";
    g_autofree char *head = NULL;

    for (guint i = 0; node->kind == CONF_NODE_GROUP && i < node->items->len; i++) {
        ConfNode *item = node->items->pdata[i];

        if (item->key == NULL || !g_str_has_prefix(item->key, prefix) || strchr(item->key, ','))
            continue;
        g_free(head);
        head = g_strconcat("connection=", item->key + strlen(prefix), NULL);
        if (item->items && item->items->len)
            item->fate = CONF_FATE_CARRIED;
    }
    via_device(via, row, node, path, head, NULL);
}
