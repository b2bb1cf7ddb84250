/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking a path, an attribute or a word up in the tables of conf-schema.c. */
#include "conf-schema.h"

#include <string.h>

const char *
conf_name_of(const ConfName *names, unsigned value)
{
    for (; names->name; names++)
        if (names->value == value)
            return names->name;
    return NULL;
}

bool
conf_name_find(const ConfName *names, const char *name, unsigned *ret_value)
{
    for (; names->name; names++) {
        if (strcmp(names->name, name) == 0) {
            *ret_value = names->value;
            return true;
        }
    }
    return false;
}

/* ---- looking rows up ---- */

bool
conf_row_is_rest(const ConfRow *row)
{
    const char *hash = strchr(row->path, '#');

    return hash && strcmp(hash, "#rest") == 0;
}

bool
conf_row_is_struct(const ConfRow *row)
{
    return row->kind == CONF_FIELD_STRUCT || row->kind == CONF_FIELD_POINTER ||
           row->kind == CONF_FIELD_LIST;
}

/* Most rows differ in the first character: a walk over a table is mostly this. */
static inline bool
starts_with(const ConfRow *row, const char *path, size_t len)
{
    return !len || (row->path[0] == path[0] && strncmp(row->path, path, len) == 0);
}

ConfMatch
conf_schema_match(const ConfSchema *schema, const char *path)
{
    ConfMatch match = { 0 };
    size_t len = strlen(path);

    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if (row->kind == CONF_FIELD_PLACE || !starts_with(row, path, len))
            continue;
        if (row->path[len] == '\0')
            match.leaf = row;
        else if (!match.deeper && strchr("@/#", row->path[len]))
            match.deeper = row;
    }
    return match;
}

/* Is another row of the same field the one for this owner? */
static bool
other_row_holds(const ConfSchema *schema, const void *owner, const ConfRow *alias)
{
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if (row != alias && row->kind == alias->kind && row->offset == alias->offset && row->when &&
            row->when(owner))
            return true;
    }
    return false;
}

const ConfRow *
conf_schema_attribute(const ConfSchema *schema, const void *owner, const char *path,
                      const char *name)
{
    const ConfRow *alias = NULL;
    size_t len = strlen(path);

    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if (row->kind == CONF_FIELD_PLACE || !starts_with(row, path, len) ||
            row->path[len] != '@' || strcmp(row->path + len + 1, name) != 0)
            continue;
        if (!row->when || row->when(owner))
            return row;
        if (row->flags & CONF_ROW_ALIAS)
            alias = row;
    }
    return alias && other_row_holds(schema, owner, alias) ? alias : NULL;
}

const ConfRow *
conf_schema_wildcard(const ConfSchema *schema, const char *path)
{
    size_t len = strlen(path);

    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if (starts_with(row, path, len) && strcmp(row->path + len, "/+") == 0)
            return row;
    }
    return NULL;
}

const ConfRow *
conf_schema_rest(const ConfSchema *schema, const char *path, const char **ret_left)
{
    const ConfRow *best = NULL;
    size_t best_len = 0;

    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];
        size_t len;

        if (row->kind != CONF_FIELD_STRING || !conf_row_is_rest(row))
            continue;
        len = strlen(row->path) - strlen("#rest");
        if (strncmp(path, row->path, len) != 0 || (len && path[len] && path[len] != '/'))
            continue;
        if (!best || len > best_len) {
            best = row;
            best_len = len;
        }
    }
    if (best)
        *ret_left = path + best_len + (path[best_len] == '/');
    return best;
}

bool
conf_schema_child_path(const ConfSchema *schema, const void *owner, const char *prefix,
                       const xmlNode *child, char ret_path[CONF_MAX_PATH])
{
    const char *name = (const char *)child->name;
    const char *branch = NULL;
    bool is_xen = child->ns && strcmp((const char *)child->ns->href, CONF_XEN_NS) == 0;
    size_t len;

    if ((child->ns && !is_xen) || strlen(name) >= CONF_MAX_PATH)
        return false;
    if (schema->branch && !*prefix) {
        xmlChar *mode = xmlGetNoNsProp(child, BAD_CAST "mode");

        branch = schema->branch(owner, name, (const char *)mode);
        xmlFree(mode);
    }
    name = branch ? branch : name;
    len = strlen(prefix) + strlen(name) + strlen("/xen:");
    if (len >= CONF_MAX_PATH)
        return false; /* no row is as long, not even without what may not be needed of it */
    ret_path = g_stpcpy(ret_path, prefix);
    if (*prefix)
        *ret_path++ = '/';
    g_stpcpy(is_xen ? g_stpcpy(ret_path, "xen:") : ret_path, name);
    return true;
}
