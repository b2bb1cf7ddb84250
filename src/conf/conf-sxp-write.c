/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to S-expressions in xend's legacy dialect, which every xend reads.
 *
 * What got lost is not kept in a list that could be forgotten: the text is read back, and
 * conf_report_unsaid() names what the second definition lacks.
 */
#include "conf-sxp.h"

#include <string.h>

/* ---- the tree ---- */

ConfNode *
sxp_add_group(ConfNode *parent, const char *key)
{
    ConfNode *node = conf_node_new(CONF_NODE_GROUP, key, 0, 0);

    g_ptr_array_add(parent->items, node);
    return node;
}

void
sxp_add(ConfNode *parent, const char *key, const char *value)
{
    ConfNode *node;

    if (value == NULL)
        return;
    node = conf_node_new(CONF_NODE_STRING, key, 0, 0);
    node->text = g_strdup(value);
    g_ptr_array_add(parent->items, node);
}

void
sxp_add_number(ConfNode *parent, const char *key, gint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);

    sxp_add(parent, key, text);
}

/* ---- the text ---- */

static void
append_atom(GString *out, const char *text)
{
    /* What xend's own reader takes as a separator has to stand in quotes. */
    if (*text != '\0' && strpbrk(text, " \t\n\r\f\v()[]{}<>!;'\"\\#@") == NULL) {
        g_string_append(out, text);
        return;
    }
    g_string_append_c(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '\'')
            g_string_append_c(out, '\\');
        if (*text == '\n')
            g_string_append(out, "\\n");
        else if (*text == '\t')
            g_string_append(out, "\\t");
        else if (*text == '\r')
            g_string_append(out, "\\r");
        else
            g_string_append_c(out, *text);
    }
    g_string_append_c(out, '\'');
}

static bool
is_flat(const ConfNode *node)
{
    for (guint i = 0; node->items != NULL && i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (item->items != NULL && !is_flat(item))
            return false;
        if (item->key != NULL)
            return false;
    }
    return true;
}

/* As `xm list --long` lays it out: a list a line, four blanks a level. */
static void
append_node(GString *out, const ConfNode *node, unsigned depth)
{
    bool flat = is_flat(node);

    if (node->items == NULL && node->key == NULL) {
        append_atom(out, node->text);
        return;
    }
    g_string_append_c(out, '(');
    if (node->key != NULL)
        append_atom(out, node->key);
    if (node->items == NULL) {
        g_string_append_c(out, ' ');
        append_atom(out, node->text);
    }
    for (guint i = 0; node->items != NULL && i < node->items->len; i++) {
        if (!flat)
            g_string_append_printf(out, "\n%*s", (int)(depth + 1) * 4, "");
        else if (i > 0 || node->key != NULL)
            g_string_append_c(out, ' ');
        append_node(out, node->items->pdata[i], depth + 1);
    }
    if (!flat)
        g_string_append_printf(out, "\n%*s", (int)depth * 4, "");
    g_string_append_c(out, ')');
}

/* ---- rows ---- */

static void
write_field(const SxpRow *row, const char *key, ConfNode *parent, const void *field)
{
    switch (row->type) {
    case SXP_TEXT:
        sxp_add(parent, key, *(char *const *)field);
        break;
    case SXP_SWITCH: {
        ConfTristate value = *(const ConfTristate *)field;

        if (value != CONF_TRISTATE_ABSENT)
            sxp_add_number(parent, key, value == CONF_TRISTATE_ON);
        break;
    }
    case SXP_NUMBER: {
        const ConfOptInt *value = field;
        g_autofree char *hex = g_strdup_printf("0x%02" G_GINT64_MODIFIER "x", value->value);

        if (value->set && row->unit == SXP_HEX)
            sxp_add(parent, key, hex);
        else if (value->set)
            sxp_add_number(parent, key, value->value);
        break;
    }
    case SXP_KIB: {
        uint64_t value = *(const uint64_t *)field;

        if (value != 0)
            sxp_add_number(parent, key, (gint64)((value + 1023) / 1024));
        break;
    }
    case SXP_ACTION:
        sxp_add(parent, key, conf_action_name(*(const ConfAction *)field));
        break;
    case SXP_HOOK:
    case SXP_KEY:
    case SXP_RUNTIME:
    case SXP_LOST:
        break;
    }
}

static void
write_table(SxpWrite *out, const SxpTable *table, ConfNode *parent, gconstpointer device)
{
    for (gsize i = 0; i < table->n_rows; i++) {
        const SxpRow *row = &table->rows[i];
        const char *slash = strrchr(row->path, '/');
        const char *base = row->base == SXP_IN_DOMAIN  ? (const char *)out->def
                           : row->base == SXP_IN_GUEST ? (const char *)&out->guest
                                                       : device;

        /* A PV guest's display is a device, and not a matter of its image. */
        if (!out->guest.hvm && table == &sxp_image_table && row->base == SXP_IN_GUEST &&
            row->offset >= offsetof(SxpGuest, display) &&
            row->offset < offsetof(SxpGuest, display) + sizeof(SxpDisplay))
            continue;
        if (row->alias || (!out->guest.hvm && g_str_has_prefix(row->path, "image/hvm/")))
            continue;
        if (row->type == SXP_KEY)
            sxp_add(parent, slash != NULL ? slash + 1 : row->path,
                    conf_xl_keys_get(out->ext->keys, row->key));
        else if (row->write != NULL)
            row->write(out, row, parent, base);
        else if (base != NULL)
            write_field(row, slash != NULL ? slash + 1 : row->path, parent, base + row->offset);
    }
}

/* ---- what several keys say, out of the definition ---- */

void
sxp_write_uuid(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    char text[37];

    if (!out->def->uuid_set)
        return;
    conf_uuid_format(out->def->uuid, text);
    sxp_add(parent, "uuid", text);
}

/* libvirt ends what crashed, where nothing is said; xend restarts it. */
void
sxp_write_on_crash(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const char *name = conf_action_name(out->def->on_crash);

    sxp_add(parent, "on_crash", name != NULL ? name : "destroy");
}

void
sxp_write_seclabel(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    for (guint i = 0; i < out->def->seclabels->len; i++) {
        const ConfSeclabel *label = out->def->seclabels->pdata[i];

        if (g_strcmp0(label->model, "flask") == 0 && label->label != NULL) {
            sxp_add(parent, "security_label", label->label);
            return;
        }
    }
}

void
sxp_write_acpi_firmware(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const GPtrArray *tables = out->def->os.acpi_tables;

    if (tables->len > 0)
        sxp_add(parent, "acpi_firmware", ((ConfAcpiTable *)tables->pdata[0])->path);
}

/* ---- a domain ---- */

static void
write_devices(SxpWrite *out, ConfNode *root, const char *kind, const SxpTable *table,
              const GPtrArray *devices)
{
    for (guint i = 0; i < devices->len; i++) {
        ConfNode *group = sxp_add_group(sxp_add_group(root, "device"), kind);

        write_table(out, table, group, devices->pdata[i]);
    }
}

static const char *
disk_kind(const ConfDisk *disk)
{
    const char *type = disk->driver_type;

    if (g_strcmp0(disk->driver_name, "tap2") == 0)
        return "tap2";
    if (g_strcmp0(disk->driver_name, "tap") == 0 || (type != NULL && !g_str_equal(type, "raw")))
        return "tap";
    return "vbd";
}

static void
write_disks(SxpWrite *out, ConfNode *root)
{
    for (guint i = 0; i < out->def->disks->len; i++) {
        const ConfDisk *disk = out->def->disks->pdata[i];
        ConfNode *group = sxp_add_group(sxp_add_group(root, "device"), disk_kind(disk));

        write_table(out, &sxp_disk_table, group, disk);
        if (conf_node_find(group, "uname") == NULL)
            g_ptr_array_set_size(root->items, (int)root->items->len - 1); /* no source to name */
    }
}

static void
write_display(SxpWrite *out, ConfNode *root)
{
    if (out->guest.hvm || out->def->graphics->len == 0)
        return;
    write_table(out, &sxp_display_table, sxp_add_group(sxp_add_group(root, "device"), "vfb"),
                &out->guest.display);
    sxp_add(sxp_add_group(sxp_add_group(root, "device"), "vkbd"), "backend", "0");
}

static void
write_hostdevs(SxpWrite *out, ConfNode *root)
{
    ConfNode *pci = NULL;

    for (guint i = 0; i < out->def->hostdevs->len; i++) {
        const ConfHostdev *dev = out->def->hostdevs->pdata[i];

        if (g_strcmp0(dev->type, "pci") != 0)
            continue;
        if (pci == NULL)
            pci = sxp_add_group(sxp_add_group(root, "device"), "pci");
        write_table(out, &sxp_pci_dev_table, sxp_add_group(pci, "dev"), dev);
    }
    if (pci != NULL)
        sxp_add(pci, "backend", "0");
    for (guint i = 0; i < out->def->controllers->len; i++) {
        const ConfController *controller = out->def->controllers->pdata[i];

        if (g_strcmp0(controller->type, "usb") == 0)
            write_table(out, &sxp_usb_table, sxp_add_group(sxp_add_group(root, "device"), "vusb"),
                        controller);
    }
}

static void
write_consoles(SxpWrite *out, ConfNode *root)
{
    for (guint i = 0; !out->guest.hvm && i < out->def->consoles->len; i++)
        sxp_add(sxp_add_group(sxp_add_group(root, "device"), "console"), "protocol", "vt100");
}

static ConfNode *
build_tree(SxpWrite *out)
{
    ConfNode *root = conf_node_new(CONF_NODE_GROUP, "domain", 0, 0);
    ConfNode *image;

    write_table(out, &sxp_domain_table, root, NULL);
    image = sxp_add_group(sxp_add_group(root, "image"), out->guest.hvm ? "hvm" : "linux");
    write_table(out, &sxp_image_table, image, NULL);
    write_disks(out, root);
    write_devices(out, root, "vif", &sxp_interface_table, out->def->interfaces);
    write_display(out, root);
    write_consoles(out, root);
    write_hostdevs(out, root);
    sxp_write_raw_devices(out, root);
    return root;
}

/* ---- what was lost ---- */

static gboolean
report_losses(const ConfDomain *def, const char *text, ConfReport *report, GError **error)
{
    g_autoptr(GPtrArray) natives = conf_sxp_parse(text, strlen(text), "(sxp)", error);
    g_autoptr(ConfReport) inner = conf_report_new("(sxp)");
    g_autoptr(ConfDomain) back = NULL;

    if (natives != NULL)
        back = conf_sxp_to_domain(natives->pdata[0], inner, error);
    if (back == NULL) {
        g_prefix_error(error, "the definition cannot be said as xen-sxpr: ");
        return FALSE;
    }
    conf_report_unsaid(report, def, back, "not carried by xen-sxpr");
    return TRUE;
}

char *
conf_sxp_from_domain(const ConfDomain *def, ConfReport *report, GError **error)
{
    SxpWrite out = { .def = def };
    g_autoptr(ConfXlExt) ext = NULL;
    g_autoptr(ConfNode) root = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (def->os.type != CONF_OS_HVM && def->os.type != CONF_OS_LINUX) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED,
                    "xend knew PV and HVM guests only, and '%s' is of type %s",
                    def->name != NULL ? def->name : "", conf_domain_os_type_name(def));
        return NULL;
    }
    ext = out.ext = conf_xl_ext_load(def, error);
    if (ext == NULL)
        return NULL;
    sxp_guest_from_domain(&out.guest, def);
    root = build_tree(&out);
    append_node(text, root, 0);
    g_string_append_c(text, '\n');
    sxp_clear_fields(&sxp_domain_table, &out.guest, NULL);
    sxp_clear_fields(&sxp_image_table, &out.guest, NULL);
    if (!report_losses(def, text->str, report, error))
        return NULL;
    return g_string_free(g_steal_pointer(&text), FALSE);
}
