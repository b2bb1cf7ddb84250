/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks that look at several domains. */
#include "x2l-check.h"

#include <string.h>

/* ---- duplicates ---- */

static const char *
uuid_text(const X2lDomain *domain, char text[37])
{
    if (domain->uuid_from != X2L_UUID_CONFIG)
        return "none of its own";
    conf_uuid_format(domain->def->uuid, text);
    return text;
}

/* A copy in auto/ says what a link says: that the domain starts by itself. */
static void
found_copy(X2lDomain *domain, X2lDomain *first, GPtrArray *findings)
{
    first->autostart = TRUE;
    x2l_find(findings, "auto-copy", domain,
             "%s is a copy of the domain in %s, which counts; it starts by itself",
             domain->input->path, first->input->path);
}

static void
found_second(X2lDomain *domain, X2lDomain *first, GPtrArray *findings)
{
    gboolean same_name = g_str_equal(domain->def->name, first->def->name);
    const char *what = same_name ? "the name" : "the uuid";
    char ours[37], theirs[37];

    domain->same_as = first;
    domain->blocked = TRUE;
    if (domain->input->source == X2L_SOURCE_AUTO && same_name) {
        found_copy(domain, first, findings);
        return;
    }
    if (first->input->source == X2L_SOURCE_XEND && domain->input->source == X2L_SOURCE_ETC) {
        first->autostart |= domain->input->autostart;
        x2l_find(
            findings, "shadowed", domain,
            "%s has %s of the domain that xend manages in %s, which counts: xend starts what it "
            "manages (uuid here: %s, there: %s)",
            domain->input->path, what, first->input->path, uuid_text(domain, ours),
            uuid_text(first, theirs));
        return;
    }
    x2l_find(findings, "duplicate", domain,
             "%s: domain '%s' (uuid %s) has %s of '%s' in %s, which comes first and counts",
             domain->input->path, domain->def->name, uuid_text(domain, ours), what,
             first->def->name, first->input->path);
}

void
x2l_check_duplicate(X2lDomain *domain, GHashTable *names, GPtrArray *findings)
{
    g_autofree char *by_name = g_strconcat("name ", domain->def->name, NULL);
    X2lDomain *first = g_hash_table_lookup(names, by_name);
    char by_uuid[5 + 37] = "uuid ";

    if (domain->uuid_from == X2L_UUID_CONFIG) {
        conf_uuid_format(domain->def->uuid, by_uuid + 5);
        if (!first)
            first = g_hash_table_lookup(names, by_uuid);
    }
    if (first) {
        found_second(domain, first, findings);
        return;
    }
    g_hash_table_insert(names, g_steal_pointer(&by_name), domain);
    if (domain->uuid_from == X2L_UUID_CONFIG)
        g_hash_table_insert(names, g_strdup(by_uuid), domain);
}

void
x2l_check_duplicates(const GPtrArray *domains, GPtrArray *findings)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < domains->len; i++)
        x2l_check_duplicate(domains->pdata[i], names, findings);
}

/* ---- things that two domains cannot both have ---- */

/* The other domain that has it already, or NULL and `domain` has it from now on. */
static X2lDomain *
claim(GHashTable *owners, const char *thing, X2lDomain *domain)
{
    X2lDomain *other = g_hash_table_lookup(owners, thing);

    if (!other)
        g_hash_table_insert(owners, g_strdup(thing), domain);
    return other == domain ? NULL : other;
}

static void
check_macs(X2lDomain *domain, GHashTable *owners, GPtrArray *findings)
{
    const GPtrArray *interfaces = domain->def->interfaces;

    for (guint i = 0; i < interfaces->len; i++) {
        const ConfInterface *iface = interfaces->pdata[i];
        const X2lDomain *other = iface->mac ? claim(owners, iface->mac, domain) : NULL;

        if (other)
            x2l_find(findings, "mac-duplicate", domain, "interface %u: %s is in '%s', too", i + 1,
                     iface->mac, other->def->name);
    }
}

static void
check_disks(X2lDomain *domain, GHashTable *owners, GPtrArray *findings)
{
    const GPtrArray *disks = domain->def->disks;

    for (guint i = 0; i < disks->len; i++) {
        const ConfDisk *disk = disks->pdata[i];
        const X2lDomain *other = NULL;

        /* Many may read one, and who says "w!" knows what it does. */
        if (disk->source && !disk->readonly && !disk->shareable &&
            disk->device != CONF_DISK_DEVICE_CDROM)
            other = claim(owners, disk->source, domain);
        if (other)
            x2l_find(findings, "disk-shared", domain, "%s: %s is written by '%s', too",
                     disk->target, disk->source, other->def->name);
    }
}

static void
check_displays(X2lDomain *domain, GHashTable *owners, GPtrArray *findings)
{
    const GPtrArray *list = domain->def->graphics;

    for (guint i = 0; i < list->len; i++) {
        const ConfGraphics *graphics = list->pdata[i];
        const X2lDomain *other = NULL;
        g_autofree char *port = NULL;

        if (!graphics->port.set || graphics->port.value <= 0)
            continue;
        port = g_strdup_printf("%" G_GINT64_FORMAT, graphics->port.value);
        other = claim(owners, port, domain);
        if (other)
            x2l_find(findings, "vnc-port", domain, "port %s is that of '%s', too", port,
                     other->def->name);
    }
}

/* ---- who needs whom ---- */

static void
check_backend(X2lDomain *domain, const char *name, GHashTable *names, GPtrArray *findings)
{
    if (name && !g_hash_table_contains(names, name) && !g_str_equal(name, "Domain-0"))
        x2l_find(findings, "backend-missing", domain, "'%s' is none of the domains here", name);
}

static void
check_backends(X2lDomain *domain, GHashTable *names, GPtrArray *findings)
{
    const ConfDomain *def = domain->def;

    for (guint i = 0; i < def->interfaces->len; i++)
        check_backend(domain, ((ConfInterface *)def->interfaces->pdata[i])->backenddomain, names,
                      findings);
    for (guint i = 0; i < def->disks->len; i++)
        check_backend(domain, ((ConfDisk *)def->disks->pdata[i])->backenddomain, names, findings);
}

static void
check_memory(const GPtrArray *domains, const X2lWorld *world, GPtrArray *findings)
{
    guint64 sum = 0, at_boot = 0;

    for (guint i = 0; i < domains->len; i++) {
        const X2lDomain *domain = domains->pdata[i];
        guint64 memory = domain->blocked ? 0 : conf_domain_current_memory(domain->def);

        sum += memory;
        at_boot += domain->autostart ? memory : 0;
    }
    if (world->memory_kib && sum > world->memory_kib)
        x2l_find(findings, "memory-sum", NULL,
                 "all domains together have %" G_GUINT64_FORMAT
                 " MiB, those that start with the host %" G_GUINT64_FORMAT
                 " MiB, and the host has %" G_GUINT64_FORMAT " MiB",
                 sum >> 10, at_boot >> 10, world->memory_kib >> 10);
}

void
x2l_check_across(const GPtrArray *domains, const X2lWorld *world, GPtrArray *findings)
{
    g_autoptr(GHashTable) macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) displays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < domains->len; i++)
        g_hash_table_add(names, ((X2lDomain *)domains->pdata[i])->def->name);
    for (guint i = 0; i < domains->len; i++) {
        X2lDomain *domain = domains->pdata[i];

        if (domain->same_as)
            continue;
        check_macs(domain, macs, findings);
        check_disks(domain, disks, findings);
        check_displays(domain, displays, findings);
        check_backends(domain, names, findings);
    }
    check_memory(domains, world, findings);
}
