/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The set of a domain's snapshots, which is a forest. Immutable: a change makes another set. */
#include "hv-private.h"

typedef struct Node {
    ConfSnapshot *def; /* a reference */
    int parent;        /* index; -1: a root */
    guint n_children;
} Node;

struct HvSnapshots {
    gatomicrefcount refs;
    GArray *nodes;       /* Node; parents before children */
    GHashTable *by_name; /* name -> index + 1 */
    int current;         /* index; -1: none */
};

static void
node_clear(gpointer data)
{
    conf_snapshot_unref(((Node *)data)->def);
}

HvSnapshots *
hv_snapshots_ref(HvSnapshots *all)
{
    g_atomic_ref_count_inc(&all->refs);
    return all;
}

void
hv_snapshots_unref(HvSnapshots *all)
{
    if (!all || !g_atomic_ref_count_dec(&all->refs))
        return;
    g_hash_table_unref(all->by_name);
    g_array_unref(all->nodes);
    g_free(all);
}

/* ---- making one ---- */

static int
index_of(const HvSnapshots *all, const char *name)
{
    return name ? GPOINTER_TO_INT(g_hash_table_lookup(all->by_name, name)) - 1 : -1;
}

static void
append(HvSnapshots *all, ConfSnapshot *def)
{
    Node node = { .def = conf_snapshot_ref(def), .parent = index_of(all, def->parent) };

    if (node.parent >= 0)
        g_array_index(all->nodes, Node, node.parent).n_children++;
    g_array_append_val(all->nodes, node);
    g_hash_table_insert(all->by_name, def->name, GINT_TO_POINTER(all->nodes->len));
}

/* With all its ancestors that are not there yet, the oldest first. `climbing` is empty before and
 * after: who is met in it twice is his own ancestor. */
static void
append_below_parents(HvSnapshots *all, GHashTable *defs, GHashTable *climbing, ConfSnapshot *def)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new();

    while (def && index_of(all, def->name) < 0 && g_hash_table_add(climbing, def)) {
        g_ptr_array_add(chain, def);
        def = def->parent ? g_hash_table_lookup(defs, def->parent) : NULL;
    }
    for (guint i = chain->len; i > 0; i--)
        append(all, chain->pdata[i - 1]);
    g_hash_table_remove_all(climbing);
}

static int
compare_age(gconstpointer a, gconstpointer b)
{
    const ConfSnapshot *one = *(ConfSnapshot *const *)a, *other = *(ConfSnapshot *const *)b;

    if (one->time.value != other->time.value)
        return one->time.value < other->time.value ? -1 : 1;
    return strcmp(one->name, other->name);
}

HvSnapshots *
hv_snapshots_new(const GPtrArray *defs, const char *current)
{
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) climbing = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) by_age = g_ptr_array_new();
    HvSnapshots *all;

    if (defs->len == 0)
        return NULL;
    all = g_new0(HvSnapshots, 1);
    g_atomic_ref_count_init(&all->refs);
    all->nodes = g_array_sized_new(FALSE, FALSE, sizeof(Node), defs->len);
    g_array_set_clear_func(all->nodes, node_clear);
    all->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < defs->len; i++) {
        ConfSnapshot *def = defs->pdata[i];

        g_hash_table_insert(by_name, def->name, def);
        g_ptr_array_add(by_age, def);
    }
    g_ptr_array_sort(by_age, compare_age);
    for (guint i = 0; i < by_age->len; i++)
        append_below_parents(all, by_name, climbing, by_age->pdata[i]);
    all->current = index_of(all, current);
    return all;
}

GPtrArray *
hv_snapshots_to_list(const HvSnapshots *all)
{
    GPtrArray *defs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_snapshot_unref);

    for (guint i = 0; i < hv_snapshots_count(all); i++)
        g_ptr_array_add(defs, conf_snapshot_ref(g_array_index(all->nodes, Node, i).def));
    return defs;
}

void
hv_domain_set_snapshots(HvDomain *domain, HvSnapshots *all)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    HvView *next = hv_view_copy(now);

    hv_snapshots_unref(next->snapshots);
    next->snapshots = all;
    hv_domain_publish(domain, next);
}

gboolean
hv_snapshot_make_current(HvDomain *domain, const char *name, GError **error)
{
    g_autoptr(HvView) now = hv_domain_view(domain);
    g_autoptr(GPtrArray) defs = hv_snapshots_to_list(now->snapshots);
    g_autoptr(HvSnapshots) all = hv_snapshots_new(defs, name);

    if (!hv_snapshots_write(domain->host->store, domain->name, now->snapshots, all, error))
        return FALSE;
    hv_domain_set_snapshots(domain, g_steal_pointer(&all));
    return TRUE;
}

/* ---- reading ---- */

guint
hv_snapshots_count(const HvSnapshots *all)
{
    return all ? all->nodes->len : 0;
}

const ConfSnapshot *
hv_snapshots_at(const HvSnapshots *all, guint index)
{
    return g_array_index(all->nodes, Node, index).def;
}

const ConfSnapshot *
hv_snapshots_get(const HvSnapshots *all, const char *name)
{
    int index = all ? index_of(all, name) : -1;

    return index < 0 ? NULL : hv_snapshots_at(all, (guint)index);
}

int
hv_snapshots_find(const HvSnapshots *all, const char *name, GError **error)
{
    int index = all ? index_of(all, name) : -1;

    if (index < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_NO_SNAPSHOT,
                    "no domain snapshot with matching name '%s'", name);
    return index;
}

int
hv_snapshots_current(const HvSnapshots *all)
{
    return all ? all->current : -1;
}

const char *
hv_snapshots_current_name(const HvSnapshots *all)
{
    return all && all->current >= 0 ? hv_snapshots_at(all, (guint)all->current)->name : NULL;
}

int
hv_snapshots_parent(const HvSnapshots *all, guint index)
{
    return g_array_index(all->nodes, Node, index).parent;
}

guint
hv_snapshots_n_children(const HvSnapshots *all, guint index)
{
    return g_array_index(all->nodes, Node, index).n_children;
}

gboolean
hv_snapshots_is_below(const HvSnapshots *all, guint index, guint ancestor)
{
    int at = hv_snapshots_parent(all, index);

    /* Parents stand before their children, so this comes to an end. */
    while (at > (int)ancestor)
        at = hv_snapshots_parent(all, (guint)at);
    return at == (int)ancestor;
}
