/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /run/libvirt/libxl/NAME.xml: what a running domain is, for the daemon that comes after this one.
 *
 *   <domstatus state='running' reason='booted' pid='17' started='1700000000000000' again='yes'>
 *     <volume target='xvda' type='file' path='/srv/images/a.img'/>
 *     <domain type='xen' id='3'> ... </domain>
 *   </domstatus>
 *
 * pid is the daemon's. `started` (wall clock, us), `again` (its guest asked for a reboot, which is
 * under way: where nothing runs, it is to be started) and <volume> (where a disk of the type volume
 * was found) are ours; the stock driver's files lack them and hold more children, all of which are
 * skipped.
 */
#include "hv-private.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>
#include <unistd.h>

static const char *const state_names[] = {
    [HV_STATE_SHUTOFF] = "shutoff",         [HV_STATE_RUNNING] = "running",
    [HV_STATE_BLOCKED] = "blocked",         [HV_STATE_PAUSED] = "paused",
    [HV_STATE_SHUTDOWN] = "shutdown",       [HV_STATE_CRASHED] = "crashed",
    [HV_STATE_PMSUSPENDED] = "pmsuspended",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == HV_N_STATES);

/* The words are libvirt's; one word may stand for several reasons, told apart by the state. */
static const struct {
    HvState state;
    const char *name;
} reasons[] = {
    [HV_REASON_UNKNOWN] = { HV_N_STATES, "unknown" },
    [HV_REASON_RUNNING_BOOTED] = { HV_STATE_RUNNING, "booted" },
    [HV_REASON_RUNNING_MIGRATED] = { HV_STATE_RUNNING, "migrated" },
    [HV_REASON_RUNNING_RESTORED] = { HV_STATE_RUNNING, "restored" },
    [HV_REASON_RUNNING_UNPAUSED] = { HV_STATE_RUNNING, "unpaused" },
    [HV_REASON_RUNNING_SAVE_CANCELED] = { HV_STATE_RUNNING, "save canceled" },
    [HV_REASON_RUNNING_WAKEUP] = { HV_STATE_RUNNING, "wakeup" },
    [HV_REASON_RUNNING_CRASHED] = { HV_STATE_RUNNING, "crashed" },
    [HV_REASON_RUNNING_FROM_SNAPSHOT] = { HV_STATE_RUNNING, "from snapshot" },
    [HV_REASON_PAUSED_USER] = { HV_STATE_PAUSED, "user" },
    [HV_REASON_PAUSED_MIGRATION] = { HV_STATE_PAUSED, "migration" },
    [HV_REASON_PAUSED_SAVE] = { HV_STATE_PAUSED, "save" },
    [HV_REASON_PAUSED_DUMP] = { HV_STATE_PAUSED, "dump" },
    [HV_REASON_PAUSED_STARTING_UP] = { HV_STATE_PAUSED, "starting up" },
    [HV_REASON_PAUSED_CRASHED] = { HV_STATE_PAUSED, "crashed" },
    [HV_REASON_PAUSED_FROM_SNAPSHOT] = { HV_STATE_PAUSED, "from snapshot" },
    [HV_REASON_PAUSED_SNAPSHOT] = { HV_STATE_PAUSED, "snapshot" },
    [HV_REASON_PAUSED_IO_ERROR] = { HV_STATE_PAUSED, "io error" },
    [HV_REASON_SHUTDOWN_USER] = { HV_STATE_SHUTDOWN, "user" },
    [HV_REASON_SHUTOFF_SHUTDOWN] = { HV_STATE_SHUTOFF, "shutdown" },
    [HV_REASON_SHUTOFF_DESTROYED] = { HV_STATE_SHUTOFF, "destroyed" },
    [HV_REASON_SHUTOFF_CRASHED] = { HV_STATE_SHUTOFF, "crashed" },
    [HV_REASON_SHUTOFF_SAVED] = { HV_STATE_SHUTOFF, "saved" },
    [HV_REASON_SHUTOFF_FAILED] = { HV_STATE_SHUTOFF, "failed" },
    [HV_REASON_SHUTOFF_FROM_SNAPSHOT] = { HV_STATE_SHUTOFF, "from snapshot" },
    [HV_REASON_SHUTOFF_DAEMON] = { HV_STATE_SHUTOFF, "daemon" },
    [HV_REASON_CRASHED_PANICKED] = { HV_STATE_CRASHED, "panicked" },
    [HV_REASON_PMSUSPENDED_USER] = { HV_STATE_PMSUSPENDED, "user" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(reasons) == HV_N_REASONS);

static void
status_free(HvStatus *status)
{
    conf_domain_unref(status->live);
    g_free(status);
}

static char *
format_volumes(const ConfDomain *live)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < live->disks->len; i++) {
        const ConfDisk *disk = live->disks->pdata[i];
        g_autofree char *line = NULL;

        if (!disk->volume_type || !disk->source)
            continue;
        line = g_markup_printf_escaped("<volume target='%s' type='%s' path='%s'/>\n", disk->target,
                                       disk->volume_type == CONF_DISK_TYPE_BLOCK ? "block" : "file",
                                       disk->source);
        g_string_append(text, line);
    }
    return g_string_free(text, FALSE);
}

static gboolean
write_status(HvStore *store, const HvView *view, gboolean again, GError **error)
{
    g_autofree char *volumes = format_volumes(view->live);
    g_autofree char *path = hv_store_file(store->state, view->name, ".xml");
    g_autofree char *xml = conf_domain_format_xml(view->live, CONF_XML_SECURE);
    g_autofree char *text = g_strdup_printf(
        "<domstatus state='%s' reason='%s' pid='%d' started='%" G_GINT64_FORMAT
        "'%s>\n%s%s</domstatus>\n",
        state_names[view->state], reasons[view->reason].name, (int)getpid(), view->started_us,
        again ? " again='yes'" : "", volumes, xml);

    return hv_store_write_text(path, text, error);
}

gboolean
hv_store_write_status(HvStore *store, const HvView *view, GError **error)
{
    /* The control domain is there as long as the host is: nothing of it is written. */
    if (view->domid == 0)
        return TRUE;
    return write_status(store, view, FALSE, error);
}

gboolean
hv_store_write_rebooting(HvStore *store, const HvView *view, GError **error)
{
    return write_status(store, view, TRUE, error);
}

void
hv_store_remove_status(HvStore *store, const char *name)
{
    g_autofree char *path = hv_store_file(store->state, name, ".xml");
    g_autoptr(GError) error = NULL;

    /* A stale one does no harm: the engine is asked what really runs. */
    if (!hv_store_remove_file(path, &error))
        g_warning("the state file of domain '%s' stays behind: %s", name, error->message);
}

/* ---- reading ---- */

static char *
attribute(xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, BAD_CAST name);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static HvState
state_parse(const char *name)
{
    for (HvState state = 0; name && state < HV_N_STATES; state++) {
        if (g_str_equal(state_names[state], name))
            return state;
    }
    return HV_STATE_RUNNING;
}

static HvReason
reason_parse(HvState state, const char *name)
{
    for (HvReason reason = 0; name && reason < HV_N_REASONS; reason++) {
        if (reasons[reason].state == state && g_str_equal(reasons[reason].name, name))
            return reason;
    }
    return HV_REASON_UNKNOWN;
}

static ConfDomain *
parse_child(xmlNode *root, const char *path, GError **error)
{
    for (xmlNode *child = root->children; child; child = child->next) {
        xmlBuffer *buffer;
        ConfDomain *def;

        if (child->type != XML_ELEMENT_NODE || !xmlStrEqual(child->name, BAD_CAST "domain"))
            continue;
        buffer = xmlBufferCreate();
        xmlNodeDump(buffer, root->doc, child, 0, 0);
        def = conf_domain_parse_xml((const char *)xmlBufferContent(buffer), xmlBufferLength(buffer),
                                    path, 0, error);
        xmlBufferFree(buffer);
        return def;
    }
    g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' has no <domain> in it", path);
    return NULL;
}

static void
parse_volume(xmlNode *node, ConfDomain *live)
{
    g_autofree char *target = attribute(node, "target");
    g_autofree char *type = attribute(node, "type");
    g_autofree char *path = attribute(node, "path");

    for (guint i = 0; target && path && i < live->disks->len; i++) {
        ConfDisk *disk = live->disks->pdata[i];

        if (disk->type != CONF_DISK_TYPE_VOLUME || g_strcmp0(disk->target, target) != 0)
            continue;
        g_free(disk->source);
        disk->source = g_strdup(path);
        disk->volume_type = g_strcmp0(type, "block") == 0 ? CONF_DISK_TYPE_BLOCK
                                                          : CONF_DISK_TYPE_FILE;
    }
}

static void
parse_volumes(xmlNode *root, ConfDomain *live)
{
    for (xmlNode *child = root->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, BAD_CAST "volume"))
            parse_volume(child, live);
    }
}

static HvStatus *
parse_status(xmlDoc *doc, const char *path, GError **error)
{
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    g_autofree char *state = NULL;
    g_autofree char *reason = NULL;
    g_autofree char *started = NULL;
    g_autofree char *again = NULL;
    ConfDomain *live;
    HvStatus *status;

    if (!root || !xmlStrEqual(root->name, BAD_CAST "domstatus")) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is no <domstatus> document", path);
        return NULL;
    }
    live = parse_child(root, path, error);
    if (!live)
        return NULL;
    parse_volumes(root, live);
    state = attribute(root, "state");
    reason = attribute(root, "reason");
    started = attribute(root, "started");
    again = attribute(root, "again");
    status = g_new0(HvStatus, 1);
    status->live = live;
    status->state = state_parse(state);
    status->reason = reason_parse(status->state, reason);
    status->again = g_strcmp0(again, "yes") == 0;
    status->started_us = started ? g_ascii_strtoll(started, NULL, 10) : 0;
    return status;
}

static HvStatus *
load_status(const char *path, GError **error)
{
    g_autofree char *text = hv_store_read_text(path, error);
    xmlDoc *doc;
    HvStatus *status;

    if (!text)
        return NULL;
    doc = xmlReadMemory(text, (int)strlen(text), path, NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    status = parse_status(doc, path, error);
    xmlFreeDoc(doc);
    return status;
}

GPtrArray *
hv_store_load_statuses(HvStore *store, GError **error)
{
    g_autoptr(GPtrArray) names = hv_store_list_xml(store->state, error);
    GPtrArray *statuses;

    if (!names)
        return NULL;
    statuses = g_ptr_array_new_with_free_func((GDestroyNotify)status_free);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = hv_store_file(store->state, g_ptr_array_index(names, i), ".xml");
        g_autoptr(GError) local = NULL;
        HvStatus *status = load_status(path, &local);

        if (status)
            g_ptr_array_add(statuses, status);
        else
            g_warning("a state file was left out, it stays as it is: %s", local->message);
    }
    return statuses;
}
