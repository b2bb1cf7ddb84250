/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domainsnapshot>. Its rows are in conf-schema.c; here is what no row can say. */
#include "conf-schema.h"

#include <string.h>

/* ---- life ---- */

ConfSnapshot *
conf_snapshot_new(void)
{
    ConfSnapshot *def = conf_schema_new(&conf_schema_snapshot);

    g_atomic_ref_count_init(&def->refs);
    return def;
}

ConfSnapshot *
conf_snapshot_ref(ConfSnapshot *def)
{
    g_atomic_ref_count_inc(&def->refs);
    return def;
}

void
conf_snapshot_unref(ConfSnapshot *def)
{
    if (def && g_atomic_ref_count_dec(&def->refs))
        conf_schema_free_snapshot(def);
}

ConfSnapshot *
conf_snapshot_copy(const ConfSnapshot *def)
{
    ConfSnapshot *copy = conf_schema_copy(&conf_schema_snapshot, def);

    g_atomic_ref_count_init(&copy->refs);
    if (copy->domain)
        g_atomic_ref_count_init(&copy->domain->refs);
    if (copy->inactive)
        g_atomic_ref_count_init(&copy->inactive->refs);
    return copy;
}

ConfSnapshotDisk *
conf_snapshot_disk_new(void)
{
    return conf_schema_new(&conf_schema_snapshot_disk);
}

void
conf_snapshot_disk_free(ConfSnapshotDisk *disk)
{
    conf_schema_free_snapshot_disk(disk);
}

/* ---- words ---- */

const char *
conf_snapshot_place_name(unsigned place)
{
    const char *name = conf_name_of(conf_snapshot_place_names, place);

    return name ? name : "";
}

gboolean
conf_snapshot_is_external(const ConfSnapshot *def)
{
    if (def->memory == CONF_SNAPSHOT_EXTERNAL)
        return TRUE;
    for (guint i = 0; i < def->disks->len; i++) {
        const ConfSnapshotDisk *disk = def->disks->pdata[i];

        if (disk->place == CONF_SNAPSHOT_EXTERNAL)
            return TRUE;
    }
    return FALSE;
}

/* ---- parsing ---- */

/* One that is about to be read, and how to refuse it. */
typedef struct Reading {
    const ConfSource *source;
    xmlNode *root;
    GError **error;
} Reading;

static gboolean refuse(const Reading *reading, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(const Reading *reading, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    return conf_source_fail(reading->source, reading->root, CONF_ERROR_INVALID, reading->error,
                            message);
}

/* A name is a file's, and some of what is beside it has a name with a dot in front. */
gboolean
conf_snapshot_check_name(const char *name, GError **error)
{
    const char *why = NULL;

    if (!*name)
        why = "is empty";
    else if (strchr(name, '/'))
        why = "cannot contain '/'";
    else if (*name == '.')
        why = "cannot start with '.'";
    else if (strpbrk(name, "\n\r"))
        why = "cannot contain a line break";
    else if (strlen(name) > CONF_SNAPSHOT_NAME_MAX)
        why = "is too long";
    if (!why)
        return TRUE;
    g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID, "snapshot name %.80s %s", name, why);
    return FALSE;
}

/* The old form of <domain> is a uuid and nothing else. */
static gboolean
is_definition(xmlNode *node)
{
    return conf_xml_child(node, "name") != NULL;
}

/* Definitions have rules beyond their rows, so they are read by themselves. Takes the element out
 * of the document; *ret_def is NULL where there is none. */
static gboolean
read_definition(const Reading *reading, const char *name, gboolean wanted, ConfDomain **ret_def)
{
    xmlNode *node;

    while ((node = conf_xml_child(reading->root, name))) {
        g_autoptr(ConfXmlNode) owned = NULL;
        gboolean use = wanted && !*ret_def && is_definition(node);

        if (use)
            *ret_def = conf_domain_parse_node(node, reading->source, CONF_XML_INACTIVE,
                                              reading->error);
        xmlUnlinkNode(node);
        owned = node;
        if (use && !*ret_def)
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_memory(const Reading *reading, ConfSnapshot *def)
{
    if (def->memory_file && !def->memory)
        def->memory = CONF_SNAPSHOT_EXTERNAL;
    if (def->memory == CONF_SNAPSHOT_MANUAL)
        return refuse(reading, "unknown memory snapshot setting 'manual'");
    if (def->memory_file && def->memory != CONF_SNAPSHOT_EXTERNAL)
        return refuse(reading, "memory filename '%.200s' requires external snapshot",
                      def->memory_file);
    if (!def->memory_file && def->memory == CONF_SNAPSHOT_EXTERNAL)
        return refuse(reading, "external memory snapshots require a filename");
    if (def->memory_file && !g_path_is_absolute(def->memory_file))
        return refuse(reading, "memory snapshot file path (%.200s) must be absolute",
                      def->memory_file);
    return TRUE;
}

static gboolean
check_disk(const Reading *reading, ConfSnapshotDisk *disk)
{
    if (!disk->place && (disk->source || disk->driver_type))
        disk->place = CONF_SNAPSHOT_EXTERNAL;
    if (disk->source && disk->place != CONF_SNAPSHOT_EXTERNAL)
        return refuse(reading,
                      "file '%.200s' for disk '%.80s' requires use of external snapshot mode",
                      disk->source, disk->name);
    if (disk->source && !g_path_is_absolute(disk->source))
        return refuse(reading, "disk snapshot image path '%.200s' must be absolute", disk->source);
    if (disk->type > CONF_DISK_TYPE_BLOCK)
        return refuse(reading, "unsupported type of the snapshot of disk '%.80s'", disk->name);
    return TRUE;
}

/* What a snapshot was is said by whoever took it. */
static gboolean
check_redefined(const Reading *reading, const ConfSnapshot *def)
{
    gboolean offline = def->state == CONF_SNAPSHOT_STATE_SHUTOFF ||
                       def->state == CONF_SNAPSHOT_STATE_DISK;

    if (!def->name)
        return refuse(reading, "a redefined snapshot must have a name");
    if (!def->time.set)
        return refuse(reading, "missing creationTime from existing snapshot");
    if (!def->state)
        return refuse(reading, "missing state from existing snapshot");
    if (offline && conf_snapshot_has_memory(def))
        return refuse(reading, "memory state cannot be saved with offline or disk-only snapshot");
    return TRUE;
}

static void
forget_unchosen(ConfSnapshot *def)
{
    def->state = CONF_SNAPSHOT_STATE_ABSENT;
    def->time.set = false;
    g_clear_pointer(&def->parent, g_free);
    g_clear_pointer(&def->extra, g_free);
}

static gboolean
check(const Reading *reading, ConfSnapshot *def, unsigned flags)
{
    if (def->name && !conf_snapshot_check_name(def->name, reading->error))
        return FALSE;
    if (!check_memory(reading, def))
        return FALSE;
    for (guint i = 0; i < def->disks->len; i++)
        if (!check_disk(reading, def->disks->pdata[i]))
            return FALSE;
    if (flags & CONF_SNAPSHOT_REDEFINE)
        return check_redefined(reading, def);
    forget_unchosen(def);
    return TRUE;
}

ConfSnapshot *
conf_snapshot_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                        GError **error)
{
    g_autoptr(xmlDoc) doc = conf_xml_read(text, len, name, error);
    const ConfSource source = { .name = name, .text = text, .len = len };
    Reading reading = { .source = &source, .error = error };
    gboolean redefine = (flags & CONF_SNAPSHOT_REDEFINE) != 0;
    g_autoptr(ConfSnapshot) def = NULL;

    if (!doc)
        return NULL;
    reading.root = xmlDocGetRootElement(doc);
    if (!conf_xml_is(reading.root, "domainsnapshot")) {
        refuse(&reading, "expecting root element of 'domainsnapshot', not '%.64s'",
               reading.root->name);
        return NULL;
    }
    def = conf_snapshot_new();
    if (!read_definition(&reading, "domain", redefine, &def->domain) ||
        !read_definition(&reading, "inactiveDomain", redefine, &def->inactive) ||
        !conf_schema_parse(&conf_schema_snapshot, def, reading.root, &source, 0, error) ||
        !check(&reading, def, flags))
        return NULL;
    return g_steal_pointer(&def);
}

char *
conf_snapshot_format_xml(const ConfSnapshot *def, unsigned conf_xml_flags)
{
    return conf_schema_format(&conf_schema_snapshot, def, "domainsnapshot",
                              conf_xml_flags | CONF_XML_INACTIVE);
}
