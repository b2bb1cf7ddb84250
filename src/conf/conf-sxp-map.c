/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the native tree of one (domain ...) to a definition: the engine that reads the rows. */
#include "conf-sxp.h"

#include <string.h>

/* ---- values ---- */

static bool
is_attributes(const ConfNode *node)
{
    return g_strcmp0(node->key, "@") == 0;
}

char *
sxp_text(const ConfNode *node)
{
    GString *joined;

    if (node->items == NULL)
        return node->text != NULL && *node->text != '\0' ? g_strdup(node->text) : NULL;
    joined = g_string_new(NULL);
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (is_attributes(item))
            continue;
        if (item->key != NULL || item->items != NULL) {
            g_string_free(joined, TRUE);
            return NULL;
        }
        if (item->text != NULL && *item->text != '\0')
            g_string_append_printf(joined, "%s%s", joined->len > 0 ? " " : "", item->text);
    }
    return g_string_free(joined, joined->len == 0);
}

bool
sxp_is_empty(const ConfNode *node)
{
    if (node->items == NULL)
        return node->text == NULL || *node->text == '\0';
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (item->key != NULL || !sxp_is_empty(item))
            return false;
    }
    return true;
}

static bool
append_number(GArray *numbers, const char *text)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &number, NULL))
        return false;
    g_array_append_val(numbers, number);
    return true;
}

/* In a bare list the first number is the head, so to speak the key. */
bool
sxp_numbers(const ConfNode *node, GArray *numbers)
{
    if (node->items == NULL)
        return node->text == NULL || *node->text == '\0' || append_number(numbers, node->text);
    for (guint i = 0; i < node->items->len; i++) {
        const ConfNode *item = node->items->pdata[i];

        if (item->key != NULL || item->items != NULL || item->text == NULL ||
            !append_number(numbers, item->text))
            return false;
    }
    return true;
}

bool
sxp_switch(const char *text, ConfTristate *ret_value)
{
    static const char *const on[] = { "1", "yes", "y", "true", "on", NULL };
    static const char *const off[] = { "0", "no", "n", "false", "off", NULL };
    g_autofree char *lower = g_ascii_strdown(text, -1);
    gint64 number;

    if (g_strv_contains(on, lower) || g_strv_contains(off, lower)) {
        *ret_value = g_strv_contains(on, lower) ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        return true;
    }
    /* int() of Python and the truth of what it gives */
    if (!g_ascii_string_to_signed(text, 10, G_MININT, G_MAXINT, &number, NULL))
        return false;
    *ret_value = number != 0 ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    return true;
}

/* ---- items and what is said of them ---- */

static void
item_free(gpointer data)
{
    g_free(data);
}

const char *
sxp_path(SxpRead *in, const char *prefix, const char *key)
{
    char *path = *prefix != '\0' ? g_strconcat(prefix, "/", key, NULL) : g_strdup(key);

    g_ptr_array_add(in->paths, path);
    return path;
}

const char *
sxp_first_of(SxpRead *in, const char *path)
{
    char *inner = g_strconcat(path, "[0]", NULL);

    g_ptr_array_add(in->paths, inner);
    return inner;
}

const SxpItem *
sxp_item(const SxpRead *in, const char *path)
{
    return g_hash_table_lookup(in->items, path);
}

ConfPlace
sxp_place(const SxpRead *in, const SxpItem *item)
{
    return (ConfPlace){ in->report, in->native->file, item->path, item->node->value_line,
                        item->node->value_column };
}

/* Without an item the domain as a whole is to blame. */
gboolean
sxp_fail(const SxpRead *in, const SxpItem *item, GError **error, const char *format, ...)
{
    const ConfNode *node = item != NULL ? item->node : in->native->root;
    /* A value is pointed at itself, a whole list by its head. */
    bool whole = node->items != NULL;
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "%s:%u:%u: %s: %s", in->native->file,
                whole ? node->line : node->value_line, whole ? node->column : node->value_column,
                item != NULL ? item->path : "domain", reason);
    return FALSE;
}

/* What has been said of single parts before stays. */
static void
mark_rest(ConfNode *node, ConfFate fate)
{
    if (node->fate == CONF_FATE_UNSEEN)
        node->fate = fate;
    for (guint i = 0; node->items != NULL && i < node->items->len; i++)
        mark_rest(node->items->pdata[i], fate);
}

static void
add_row(SxpRead *in, const SxpItem *item, ConfOutcome outcome, const char *format, va_list args)
{
    g_autofree char *reason = g_strdup_vprintf(format, args);
    g_autofree char *value = sxp_text(item->node);

    conf_report_add(in->report, outcome, item->node->line, item->node->column, item->path, value,
                    "%s", reason);
}

void
sxp_remark_device(SxpRead *in, const SxpItem *item, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_row(in, item, CONF_OUTCOME_CHANGED, format, args);
    va_end(args);
    item->node->fate = CONF_FATE_CARRIED;
}

void
sxp_remark(SxpRead *in, const SxpItem *item, ConfOutcome outcome, const char *format, ...)
{
    va_list args;

    if (item == NULL)
        return;
    va_start(args, format);
    add_row(in, item, outcome, format, args);
    va_end(args);
    if (outcome == CONF_OUTCOME_LOST)
        conf_node_mark(item->node, CONF_FATE_LOST);
    else
        mark_rest(item->node, CONF_FATE_CARRIED);
}

void
sxp_mark(const SxpItem *item, ConfFate fate)
{
    if (item != NULL)
        conf_node_mark(item->node, fate);
}

/* ---- one row's value ---- */

static bool
is_quiet(const SxpRow *row, const char *text)
{
    const char *word = text != NULL ? row->quiet : NULL;
    gsize len = word != NULL ? strlen(text) : 0;

    for (; word != NULL; word = strchr(word, '|')) {
        word += *word == '|';
        if (strncmp(word, text, len) == 0 && (word[len] == '\0' || word[len] == '|'))
            return true;
    }
    return false;
}

/* xend is written in Python, and now and then says so. A guest may have that name. */
static bool
is_none(const SxpRow *row, const char *text)
{
    static const char *const names[] = { "name",        "name_label",       "description",
                                         "Description", "name_description", NULL };

    return g_strcmp0(text, "None") == 0 && !g_strv_contains(names, row->path);
}

static bool
parse_number(const char *text, gint64 *ret_number)
{
    bool hex = g_ascii_strncasecmp(text, "0x", 2) == 0;
    gsize len = strlen(text);
    g_autofree char *digits = len > 1 && text[len - 1] == 'L' ? g_strndup(text, len - 1) : NULL;
    const char *number = digits != NULL ? digits : text; /* a long of Python */
    char *end = NULL;
    double real;

    if (g_ascii_string_to_signed(hex ? number + 2 : number, hex ? 16 : 10, G_MININT64 / 2,
                                 G_MAXINT64 / 2, ret_number, NULL))
        return true;
    /* Python gave whole numbers a fraction now and then: 512.0 */
    if (strspn(text, "0123456789.") != strlen(text))
        return false;
    real = g_ascii_strtod(text, &end);
    if (*end != '\0' || end == text || real > 1e15)
        return false;
    *ret_number = (gint64)real;
    return true;
}

static gboolean
parse_kib(SxpRead *in, const SxpItem *item, const char *text, uint64_t *ret_kib, GError **error)
{
    gint64 number;

    if (!parse_number(text, &number) || number < 0 || number > (G_GINT64_CONSTANT(1) << 50))
        return sxp_fail(in, item, error, "'%s' is no amount of memory (in %s)", text,
                        item->row->unit == SXP_MIB ? "MiB" : "bytes");
    *ret_kib = item->row->unit == SXP_MIB ? (uint64_t)number * 1024 : (uint64_t)number / 1024;
    return TRUE;
}

/* The XenAPI dialect writes rename_restart and coredump_and_destroy. */
static ConfAction
parse_action(const char *text)
{
    g_autofree char *name = g_strdelimit(g_ascii_strdown(text, -1), "_", '-');
    char *join = strstr(name, "-and-");

    if (join != NULL)
        memmove(join, join + 4, strlen(join + 4) + 1);
    return conf_action_parse(name);
}

/* Two keys for one thing: the first one in the table stands, the second one agrees or is lost. */
static gboolean
settle(SxpRead *in, const SxpItem *item, bool is_set, bool agrees)
{
    if (is_set && !agrees)
        sxp_remark(in, item, CONF_OUTCOME_LOST,
                   "another key for the same thing says otherwise "
                   "and is the one that was taken");
    return !is_set;
}

static gboolean
read_value(SxpRead *in, const SxpItem *item, const char *text, void *field, GError **error)
{
    switch (item->row->type) {
    case SXP_TEXT:
        if (settle(in, item, *(char **)field != NULL, g_strcmp0(*(char **)field, text) == 0))
            *(char **)field = g_strdup(text);
        return TRUE;
    case SXP_SWITCH: {
        ConfTristate *to = field, value = CONF_TRISTATE_ABSENT;

        if (!sxp_switch(text, &value))
            return sxp_fail(in, item, error, "'%s' is neither yes (1) nor no (0)", text);
        if (settle(in, item, *to != CONF_TRISTATE_ABSENT, *to == value))
            *to = value;
        return TRUE;
    }
    case SXP_NUMBER: {
        ConfOptInt *to = field;
        gint64 value = 0;

        if (!parse_number(text, &value))
            return sxp_fail(in, item, error, "'%s' is not a number", text);
        if (settle(in, item, to->set, to->value == value))
            *to = (ConfOptInt){ true, value };
        return TRUE;
    }
    case SXP_KIB: {
        uint64_t *to = field, value = 0;

        if (!parse_kib(in, item, text, &value, error))
            return FALSE;
        if (settle(in, item, *to != 0, *to == value))
            *to = value;
        return TRUE;
    }
    case SXP_ACTION: {
        ConfAction *to = field, value = parse_action(text);

        if (value == CONF_ACTION_ABSENT)
            return sxp_fail(in, item, error,
                            "'%s' is no action (destroy, restart, rename-restart, preserve, "
                            "coredump-destroy, coredump-restart)",
                            text);
        if (settle(in, item, *to != CONF_ACTION_ABSENT, *to == value))
            *to = value;
        return TRUE;
    }
    case SXP_KEY:
        if (settle(in, item, conf_xl_keys_get(in->ext->keys, item->row->key) != NULL,
                   g_strcmp0(conf_xl_keys_get(in->ext->keys, item->row->key), text) == 0))
            conf_xl_keys_set(in->ext->keys, item->row->key, text);
        return TRUE;
    case SXP_HOOK:
    case SXP_RUNTIME:
    case SXP_LOST:
        break;
    }
    g_assert_not_reached();
}

static void *
base_of(const SxpRow *row, ConfDomain *def, SxpGuest *guest, gpointer device)
{
    switch (row->base) {
    case SXP_IN_DOMAIN:
        return def;
    case SXP_IN_GUEST:
        return guest;
    case SXP_IN_DEVICE:
        return device;
    }
    g_assert_not_reached();
}

static gboolean
read_item(SxpRead *in, const SxpItem *item, gpointer device, GError **error)
{
    const SxpRow *row = item->row;
    ConfNode *node = item->node;
    g_autofree char *text = sxp_text(node);

    if (row->type == SXP_RUNTIME) {
        conf_node_mark(node, CONF_FATE_RUNTIME);
        return TRUE;
    }
    if (sxp_is_empty(node) || is_quiet(row, text) || is_none(row, text)) {
        conf_node_mark(node, CONF_FATE_DEFAULT);
        return TRUE;
    }
    if (row->type == SXP_LOST)
        return TRUE; /* sxp_why() has the reason when the report is closed */
    if (row->type == SXP_HOOK) {
        gpointer base = base_of(row, in->def, &in->guest, device);

        if (!row->read(in, item, base, error))
            return FALSE;
    } else {
        char *base = base_of(row, in->def, &in->guest, device);

        if (text == NULL)
            return sxp_fail(in, item, error, "one value is expected here, not lists");
        if (!read_value(in, item, text, base + row->offset, error))
            return FALSE;
    }
    if (node->fate == CONF_FATE_UNSEEN)
        conf_node_mark(node, CONF_FATE_CARRIED);
    return TRUE;
}

/* ---- a table ---- */

/* A platform's keys come after the image's, and the image's place is the one to name, unless it
 * said nothing there. */
static void
remember(SxpRead *in, SxpItem *item)
{
    const SxpItem *known = g_hash_table_lookup(in->items, item->row->path);

    if (known == NULL || known->node->fate == CONF_FATE_DEFAULT)
        g_hash_table_insert(in->items, (gpointer)item->row->path, item);
}

/* Row by row rather than key by key: where two rows speak of one thing the order of the table
 * decides, not that of the file. xend takes the first of two equal keys; so does this. */
gboolean
sxp_read_table(SxpRead *in, const SxpTable *table, ConfNode *group, const char *prefix,
               gpointer device, GError **error)
{
    g_autofree ConfNode **found = g_new0(ConfNode *, table->n_rows);

    for (guint i = 0; group->items != NULL && i < group->items->len; i++) {
        ConfNode *node = group->items->pdata[i];
        const SxpRow *row = node->key != NULL ? sxp_row_find(table, node->key, in->guest.hvm)
                                              : NULL;

        /* A platform lists keys of HVM for every guest; to a PV guest they mean nothing. */
        if (row == NULL && table == &sxp_image_table && node->key != NULL && !in->guest.hvm &&
            sxp_row_find(table, node->key, true) != NULL)
            conf_node_mark(node, CONF_FATE_DEFAULT);
        if (row == NULL)
            continue;
        if (found[row - table->rows] == NULL) {
            found[row - table->rows] = node;
        } else if (row->type != SXP_RUNTIME) {
            SxpItem again = { node, row, sxp_path(in, prefix, node->key) };

            sxp_remark(in, &again, CONF_OUTCOME_LOST,
                       "given more than once; xend takes the first one, and so was done here");
        }
    }
    for (gsize i = 0; i < table->n_rows; i++) {
        const SxpRow *row = &table->rows[i];
        ConfNode *node = found[i];
        SxpItem *item;

        if (node == NULL)
            continue;
        item = g_new(SxpItem, 1);
        *item = (SxpItem){ node, row, sxp_path(in, prefix, node->key) };
        g_ptr_array_add(in->paths, item);
        if (device == NULL || table == &sxp_display_table)
            remember(in, item);
        if (!read_item(in, item, device, error))
            return FALSE;
    }
    return TRUE;
}

void
sxp_clear_fields(const SxpTable *table, SxpGuest *guest, gpointer device)
{
    for (gsize i = 0; i < table->n_rows; i++) {
        const SxpRow *row = &table->rows[i];
        char *base = row->base == SXP_IN_GUEST ? (char *)guest : device;

        if (row->type == SXP_TEXT && row->base != SXP_IN_DOMAIN && base != NULL)
            g_clear_pointer((char **)(void *)(base + row->offset), g_free);
    }
}

/* ---- the image and the platform ---- */

/* (platform ((acpi 1) (apic 1))) and (platform (acpi 1) (apic 1)) both occur. */
static ConfNode *
unwrap(ConfNode *node)
{
    ConfNode *only = node->items != NULL && node->items->len == 1 ? node->items->pdata[0] : NULL;

    return only != NULL && only->key == NULL && only->items != NULL ? only : node;
}

/* (image (hvm ...)): what stands in it and which kind it is. */
static gboolean
find_image(SxpRead *in, ConfNode **ret_kind, GError **error)
{
    ConfNode *image = conf_node_find(in->native->root, "image");
    ConfNode *kind = NULL, *policy = conf_node_find(in->native->root, "HVM_boot_policy");
    const char *name = NULL;

    if (image != NULL && image->items == NULL) {
        name = image->text; /* (image linux) */
        image->fate = CONF_FATE_CARRIED;
    }
    for (guint i = 0; image != NULL && image->items != NULL && i < image->items->len; i++) {
        ConfNode *item = image->items->pdata[i];

        if (item->key == NULL || is_attributes(item) || kind != NULL)
            continue;
        kind = item;
        name = item->key;
        image->fate = kind->fate = CONF_FATE_CARRIED;
    }
    in->guest.hvm = name != NULL ? g_str_equal(name, "hvm") || g_str_equal(name, "vmx")
                                 : policy != NULL && !sxp_is_empty(policy);
    if (name != NULL && !in->guest.hvm && !g_str_equal(name, "linux")) {
        SxpItem item = { kind != NULL ? kind : image, NULL, "image" };

        return sxp_fail(in, &item, error, "an image of kind '%s' is neither linux nor hvm", name);
    }
    *ret_kind = kind;
    return TRUE;
}

static gboolean
read_image(SxpRead *in, ConfNode *kind, GError **error)
{
    ConfNode *platform = conf_node_find(in->native->root, "platform");

    if (kind != NULL) {
        const char *prefix = sxp_path(in, "image", kind->key);

        if (!sxp_read_table(in, &sxp_image_table, kind, prefix, NULL, error))
            return FALSE;
    }
    if (platform == NULL)
        return TRUE;
    platform->fate = unwrap(platform)->fate = CONF_FATE_CARRIED;
    return sxp_read_table(in, &sxp_image_table, unwrap(platform),
                          unwrap(platform) == platform ? "platform" : "platform[0]", NULL, error);
}

/* ---- devices ---- */

/* The report counts equal keys: "device[0]", "device[1]"; a lone one is "device". */
static gboolean
read_devices(SxpRead *in, GError **error)
{
    GPtrArray *items = in->native->root->items;
    unsigned total = 0, count = 0;

    for (guint i = 0; i < items->len; i++)
        total += g_strcmp0(((ConfNode *)items->pdata[i])->key, "device") == 0;
    if (total > CONF_MAX_DEVICES) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_LIMIT,
                    "%s:%u:%u: %u devices are more than the %d that a domain may have",
                    in->native->file, in->native->root->line, in->native->root->column, total,
                    CONF_MAX_DEVICES);
        return FALSE;
    }
    for (guint i = 0; i < items->len; i++) {
        ConfNode *node = items->pdata[i];
        g_autofree char *name = NULL;

        if (g_strcmp0(node->key, "device") != 0)
            continue;
        name = total > 1 ? g_strdup_printf("device[%u]", count) : g_strdup("device");
        count++;
        if (!sxp_read_device(in, node, sxp_path(in, "", name), error))
            return FALSE;
    }
    return TRUE;
}

/* (vif_refs (UUID UUID)) and the like repeat what the devices say themselves; a reference to
 * what is not there is lost. */
static void
read_references(SxpRead *in)
{
    GPtrArray *items = in->native->root->items;

    for (guint i = 0; i < items->len; i++) {
        ConfNode *node = items->pdata[i];
        g_autofree char *text = NULL, *head = NULL;
        g_auto(GStrv) uuids = NULL;
        SxpItem item;
        bool all = true;

        if (node->key == NULL || !g_str_has_suffix(node->key, "_refs") ||
            g_str_equal(node->key, "vtpm_refs"))
            continue;
        /* (x_refs (A B)): the inner list has A as its head. */
        ConfNode *list = node->items != NULL && node->items->len == 1 ? node->items->pdata[0]
                                                                      : node;

        head = list != node && list->key != NULL ? g_strdup(list->key) : g_strdup("");
        text = sxp_text(list);
        uuids = g_strsplit(text != NULL ? text : "", " ", -1);
        item = (SxpItem){ node, NULL, sxp_path(in, "", node->key) };
        if (sxp_is_empty(node)) {
            conf_node_mark(node, CONF_FATE_DEFAULT);
            continue;
        }
        all = *head == '\0' || g_hash_table_contains(in->uuids, head);
        for (char **uuid = uuids; all && *uuid != NULL; uuid++)
            all = **uuid == '\0' || g_hash_table_contains(in->uuids, *uuid);
        if (all)
            conf_node_mark(node, CONF_FATE_CARRIED);
        else
            sxp_remark(in, &item, CONF_OUTCOME_LOST,
                       "refers to a device that this file does not describe");
    }
}

/* ---- the whole ---- */

static void
read_clear(SxpRead *in)
{
    sxp_clear_fields(&sxp_domain_table, &in->guest, NULL);
    sxp_clear_fields(&sxp_image_table, &in->guest, NULL);
    sxp_clear_fields(&sxp_display_table, NULL, &in->vfb);
    g_clear_pointer(&in->def, conf_domain_unref);
    g_clear_pointer(&in->ext, conf_xl_ext_free);
    g_clear_pointer(&in->items, g_hash_table_unref);
    g_clear_pointer(&in->uuids, g_hash_table_unref);
    g_clear_pointer(&in->paths, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SxpRead, read_clear)

static gboolean
read_domain(SxpRead *in, GError **error)
{
    ConfNode *kind = NULL;

    if (!find_image(in, &kind, error))
        return FALSE;
    /* The image first: its kernel and arguments are the ones that xend boots with. */
    return read_image(in, kind, error) &&
           sxp_read_table(in, &sxp_domain_table, in->native->root, "", NULL, error) &&
           read_devices(in, error) && sxp_guest_to_domain(in, error) &&
           conf_xl_ext_store(in->def, in->ext, error);
}

ConfDomain *
conf_sxp_to_domain(ConfNative *native, ConfReport *report, GError **error)
{
    g_auto(SxpRead) in = { .native = native, .report = report, .def = conf_domain_new() };

    in.ext = conf_xl_ext_new();
    in.items = g_hash_table_new(g_str_hash, g_str_equal);
    in.paths = g_ptr_array_new_with_free_func(item_free);
    in.uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!read_domain(&in, error))
        return NULL;
    read_references(&in);
    conf_report_close(report, native, sxp_why);
    return g_steal_pointer(&in.def);
}

gboolean
conf_native_wants_autostart(const ConfNative *native)
{
    const ConfNode *start = conf_node_find(native->root, "on_xend_start");
    const ConfNode *power = conf_node_find(native->root, "auto_power_on");
    ConfTristate on = CONF_TRISTATE_ABSENT;

    if (native->format == CONF_FORMAT_XVA)
        return conf_xva_wants_autostart(native);
    if (start != NULL && g_strcmp0(start->text, "start") == 0)
        return TRUE;
    return native->format == CONF_FORMAT_SXP && power != NULL && power->text != NULL &&
           sxp_switch(power->text, &on) && on == CONF_TRISTATE_ON;
}
