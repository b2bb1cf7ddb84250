/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of domains: taking, listing, going back, deleting. */
#include "lvd-do.h"

#define CREATE(name) VIR_DOMAIN_SNAPSHOT_CREATE_##name
#define LIST(name)   VIR_DOMAIN_SNAPSHOT_LIST_##name
#define REVERT(name) VIR_DOMAIN_SNAPSHOT_REVERT_##name
#define DELETE(name) VIR_DOMAIN_SNAPSHOT_DELETE_##name

/* ---- flags ---- */

typedef struct FlagRow {
    unsigned wire, hv;
} FlagRow;

static const FlagRow create_flags[] = {
    { CREATE(REDEFINE), HV_SNAPSHOT_REDEFINE },
    { CREATE(CURRENT), HV_SNAPSHOT_CURRENT },
    { CREATE(NO_METADATA), HV_SNAPSHOT_NO_METADATA },
    { CREATE(HALT), HV_SNAPSHOT_HALT },
    { CREATE(DISK_ONLY), HV_SNAPSHOT_DISK_ONLY },
    { CREATE(REUSE_EXT), HV_SNAPSHOT_REUSE_EXT },
    { CREATE(LIVE), HV_SNAPSHOT_LIVE },
    { 0 },
};
/* RESET_NVRAM has no row: guests of Xen have no file of variables that could be reset. */
static const FlagRow revert_flags[] = {
    { REVERT(RUNNING), HV_SNAPSHOT_REVERT_RUNNING },
    { REVERT(PAUSED), HV_SNAPSHOT_REVERT_PAUSED },
    { REVERT(FORCE), HV_SNAPSHOT_REVERT_FORCE },
    { 0 },
};
static const FlagRow delete_flags[] = {
    { DELETE(CHILDREN), HV_SNAPSHOT_DELETE_CHILDREN },
    { DELETE(METADATA_ONLY), HV_SNAPSHOT_DELETE_METADATA_ONLY },
    { DELETE(CHILDREN_ONLY), HV_SNAPSHOT_DELETE_CHILDREN_ONLY },
    { 0 },
};

static unsigned
translate(const FlagRow *rows, unsigned flags)
{
    unsigned result = 0;

    for (; rows->wire; rows++)
        if (flags & rows->wire)
            result |= rows->hv;
    return result;
}

/* ---- answers ---- */

static void
fill(lvd_nonnull_domain_snapshot *ret_snap, const HvView *view, const char *name)
{
    ret_snap->name = g_strdup(name);
    lvd_fill_domain(&ret_snap->dom, view);
}

/* What a call is about: a snapshot, or a domain with all of them. `view` keeps the rest. */
typedef struct Found {
    HvView *view;
    const HvSnapshots *all;
    int index;               /* -1: the domain */
    const ConfSnapshot *def; /* NULL: the domain */
} Found;

static void
found_clear(Found *found)
{
    hv_view_unref(found->view);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

static gboolean
find_domain(LvdCall *call, unsigned flags, const lvd_nonnull_domain *dom, Found *ret_found,
            GError **error)
{
    if (!lvd_check_flags(call, flags, error))
        return FALSE;
    ret_found->view = lvd_domain_view(call, dom, error);
    if (!ret_found->view)
        return FALSE;
    ret_found->all = ret_found->view->snapshots;
    ret_found->index = -1;
    return TRUE;
}

static gboolean
find(LvdCall *call, unsigned flags, const lvd_nonnull_domain *dom, const char *name,
     Found *ret_found, GError **error)
{
    if (!find_domain(call, flags, dom, ret_found, error))
        return FALSE;
    ret_found->index = hv_snapshots_find(ret_found->all, name, error);
    if (ret_found->index < 0)
        return FALSE;
    ret_found->def = hv_snapshots_at(ret_found->all, (guint)ret_found->index);
    return TRUE;
}

/* ---- taking one ---- */

static gboolean
check_create(LvdCall *call, unsigned flags, GError **error)
{
    if (!lvd_check_flags(call, flags, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
                             VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
                             VIR_DOMAIN_SNAPSHOT_CREATE_HALT, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
                             VIR_DOMAIN_SNAPSHOT_CREATE_LIVE, error))
        return FALSE;
    if (flags & CREATE(QUIESCE)) {
        lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                      "quiesce needs an agent in the guest, which Xen has none of");
        return FALSE;
    }
    return TRUE;
}

gboolean
lvd_do_domain_snapshot_create_xml(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_create_xml_args *a = args;
    lvd_domain_snapshot_create_xml_ret *r = ret;
    unsigned parse = a->flags & CREATE(REDEFINE) ? CONF_SNAPSHOT_REDEFINE : 0;

    if (!check_create(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain)
        return FALSE;
    g_autoptr(ConfSnapshot)
        def = conf_snapshot_parse_xml(a->xml_desc, -1, "(domain_snapshot)", parse, error);
    if (!def || ((a->flags & CREATE(VALIDATE)) &&
                 !lvd_schema_validate(LVD_SCHEMA_SNAPSHOT, a->xml_desc, error)))
        return FALSE;
    g_autofree char *name = hv_domain_snapshot_create(domain, g_steal_pointer(&def),
                                                      translate(create_flags, a->flags), error);
    if (!name)
        return FALSE;
    g_autoptr(HvView) view = hv_domain_view(domain);
    fill(&r->snap, view, name);
    return TRUE;
}

/* ---- going back, deleting ---- */

gboolean
lvd_do_domain_revert_to_snapshot(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_revert_to_snapshot_args *a = args;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING,
                             VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->snap.dom, error);
    return domain && hv_domain_snapshot_revert(domain, a->snap.name,
                                               translate(revert_flags, a->flags), error);
}

gboolean
lvd_do_domain_snapshot_delete(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_delete_args *a = args;

    if (!lvd_check_flags(call, a->flags, error) ||
        !LVD_CHECK_EXCLUSIVE(a->flags, VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN,
                             VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->snap.dom, error);
    return domain && hv_domain_snapshot_delete(domain, a->snap.name,
                                               translate(delete_flags, a->flags), error);
}

/* ---- lists ---- */

static unsigned
state_trait(const ConfSnapshot *def)
{
    if (def->state == CONF_SNAPSHOT_STATE_SHUTOFF)
        return LIST(INACTIVE);
    return def->state == CONF_SNAPSHOT_STATE_DISK ? LIST(DISK_ONLY) : LIST(ACTIVE);
}

/* The flags that a snapshot answers to; of each group it has exactly one. */
static unsigned
list_traits(const HvSnapshots *all, guint index)
{
    const ConfSnapshot *def = hv_snapshots_at(all, index);

    return LIST(METADATA) | state_trait(def) |
           (hv_snapshots_n_children(all, index) ? LIST(NO_LEAVES) : LIST(LEAVES)) |
           (conf_snapshot_is_external(def) ? LIST(EXTERNAL) : LIST(INTERNAL));
}

static gboolean
matches(unsigned traits, unsigned flags)
{
    static const unsigned groups[] = {
        LIST(METADATA) | LIST(NO_METADATA),
        LIST(LEAVES) | LIST(NO_LEAVES),
        LIST(INACTIVE) | LIST(ACTIVE) | LIST(DISK_ONLY),
        LIST(INTERNAL) | LIST(EXTERNAL),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++)
        if ((flags & groups[i]) && !(flags & groups[i] & traits))
            return FALSE;
    return TRUE;
}

/* One bit means ROOTS to a domain and DESCENDANTS to a snapshot. */
static gboolean
is_in_range(const Found *from, guint index, unsigned flags)
{
    int parent = hv_snapshots_parent(from->all, index);

    if (from->index < 0)
        return !(flags & LIST(ROOTS)) || parent < 0;
    return flags & LIST(DESCENDANTS) ? hv_snapshots_is_below(from->all, index, (guint)from->index)
                                     : parent == from->index;
}

/* Names in the order of the set, which has parents before their children. They live as long as the
 * set does. */
static GPtrArray *
list_names(const Found *from, unsigned flags)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < hv_snapshots_count(from->all); i++)
        if (is_in_range(from, i, flags) && matches(list_traits(from->all, i), flags))
            g_ptr_array_add(names, hv_snapshots_at(from->all, i)->name);
    return names;
}

static gboolean
give_count(const Found *from, unsigned flags, int *ret_count)
{
    g_autoptr(GPtrArray) names = list_names(from, flags);

    *ret_count = (int)names->len;
    return TRUE;
}

static gboolean
give_names(LvdCall *call, const Found *from, unsigned flags, int most, lvd_text **ret_val,
           u_int *ret_len, GError **error)
{
    g_autoptr(GPtrArray) names = list_names(from, flags);
    guint n;

    if (!lvd_check_count(call, most, LVD_DOMAIN_SNAPSHOT_LIST_MAX, "maxnames", error))
        return FALSE;
    n = MIN(names->len, (guint)most);
    *ret_val = g_new0(lvd_text, MAX(n, 1));
    *ret_len = n;
    for (guint i = 0; i < n; i++)
        (*ret_val)[i] = g_strdup(names->pdata[i]);
    return TRUE;
}

/* `wanted`: themselves, and not only how many there are. */
static gboolean
give_snapshots(LvdCall *call, const Found *from, unsigned flags, gboolean wanted, int *ret_count,
               lvd_nonnull_domain_snapshot **ret_val, u_int *ret_len, GError **error)
{
    g_autoptr(GPtrArray) names = list_names(from, flags);

    *ret_count = (int)names->len;
    if (!wanted)
        return TRUE;
    if (!lvd_check_count(call, names->len, LVD_DOMAIN_SNAPSHOT_LIST_MAX, "number of snapshots",
                         error))
        return FALSE;
    *ret_val = g_new0(lvd_nonnull_domain_snapshot, MAX(names->len, 1));
    *ret_len = names->len;
    for (guint i = 0; i < names->len; i++)
        fill(&(*ret_val)[i], from->view, names->pdata[i]);
    return TRUE;
}

gboolean
lvd_do_domain_snapshot_num(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_num_args *a = args;
    lvd_domain_snapshot_num_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find_domain(call, a->flags, &a->dom, &found, error) &&
           give_count(&found, a->flags, &r->num);
}

gboolean
lvd_do_domain_snapshot_list_names(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_list_names_args *a = args;
    lvd_domain_snapshot_list_names_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find_domain(call, a->flags, &a->dom, &found, error) &&
           give_names(call, &found, a->flags, a->maxnames, &r->names.names_val, &r->names.names_len,
                      error);
}

gboolean
lvd_do_domain_list_all_snapshots(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_list_all_snapshots_args *a = args;
    lvd_domain_list_all_snapshots_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find_domain(call, a->flags, &a->dom, &found, error) &&
           give_snapshots(call, &found, a->flags, a->need_results, &r->ret,
                          &r->snapshots.snapshots_val, &r->snapshots.snapshots_len, error);
}

gboolean
lvd_do_domain_snapshot_num_children(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_num_children_args *a = args;
    lvd_domain_snapshot_num_children_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find(call, a->flags, &a->snap.dom, a->snap.name, &found, error) &&
           give_count(&found, a->flags, &r->num);
}

gboolean
lvd_do_domain_snapshot_list_children_names(LvdCall *call, const void *args, void *ret,
                                           GError **error)
{
    const lvd_domain_snapshot_list_children_names_args *a = args;
    lvd_domain_snapshot_list_children_names_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find(call, a->flags, &a->snap.dom, a->snap.name, &found, error) &&
           give_names(call, &found, a->flags, a->maxnames, &r->names.names_val, &r->names.names_len,
                      error);
}

gboolean
lvd_do_domain_snapshot_list_all_children(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_list_all_children_args *a = args;
    lvd_domain_snapshot_list_all_children_ret *r = ret;
    g_auto(Found) found = { 0 };

    return find(call, a->flags, &a->snapshot.dom, a->snapshot.name, &found, error) &&
           give_snapshots(call, &found, a->flags, a->need_results, &r->ret,
                          &r->snapshots.snapshots_val, &r->snapshots.snapshots_len, error);
}

/* ---- one of them ---- */

gboolean
lvd_do_domain_snapshot_get_xml_desc(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_get_xml_desc_args *a = args;
    lvd_domain_snapshot_get_xml_desc_ret *r = ret;
    g_auto(Found) found = { 0 };
    gboolean secure = (a->flags & VIR_DOMAIN_SNAPSHOT_XML_SECURE) != 0;

    if (secure && lvd_call_is_readonly(call)) {
        lvd_set_error(error, VIR_ERR_OPERATION_DENIED, VIR_FROM_DOMAIN_SNAPSHOT, "%s",
                      "virDomainSnapshotGetXMLDesc with secure flag");
        return FALSE;
    }
    return find(call, a->flags, &a->snap.dom, a->snap.name, &found, error) &&
           lvd_return_text(
               &r->xml, conf_snapshot_format_xml(found.def, secure ? CONF_XML_SECURE : 0), error);
}

gboolean
lvd_do_domain_snapshot_lookup_by_name(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_lookup_by_name_args *a = args;
    lvd_domain_snapshot_lookup_by_name_ret *r = ret;
    g_auto(Found) found = { 0 };

    if (!find(call, a->flags, &a->dom, a->name, &found, error))
        return FALSE;
    fill(&r->snap, found.view, found.def->name);
    return TRUE;
}

gboolean
lvd_do_domain_has_current_snapshot(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_has_current_snapshot_args *a = args;
    lvd_domain_has_current_snapshot_ret *r = ret;
    g_auto(Found) found = { 0 };

    if (!find_domain(call, a->flags, &a->dom, &found, error))
        return FALSE;
    r->result = hv_snapshots_current(found.all) >= 0;
    return TRUE;
}

gboolean
lvd_do_domain_snapshot_current(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_current_args *a = args;
    lvd_domain_snapshot_current_ret *r = ret;
    g_auto(Found) found = { 0 };
    int index;

    if (!find_domain(call, a->flags, &a->dom, &found, error))
        return FALSE;
    index = hv_snapshots_current(found.all);
    if (index < 0) {
        lvd_set_error(error, VIR_ERR_NO_DOMAIN_SNAPSHOT, VIR_FROM_DOMAIN_SNAPSHOT,
                      "the domain does not have a current snapshot");
        return FALSE;
    }
    fill(&r->snap, found.view, hv_snapshots_at(found.all, (guint)index)->name);
    return TRUE;
}

gboolean
lvd_do_domain_snapshot_get_parent(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_get_parent_args *a = args;
    lvd_domain_snapshot_get_parent_ret *r = ret;
    g_auto(Found) found = { 0 };
    int parent;

    if (!find(call, a->flags, &a->snap.dom, a->snap.name, &found, error))
        return FALSE;
    parent = hv_snapshots_parent(found.all, (guint)found.index);
    if (parent < 0) {
        lvd_set_error(error, VIR_ERR_NO_DOMAIN_SNAPSHOT, VIR_FROM_DOMAIN_SNAPSHOT,
                      "snapshot '%s' does not have a parent", found.def->name);
        return FALSE;
    }
    fill(&r->snap, found.view, hv_snapshots_at(found.all, (guint)parent)->name);
    return TRUE;
}

gboolean
lvd_do_domain_snapshot_is_current(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_is_current_args *a = args;
    lvd_domain_snapshot_is_current_ret *r = ret;
    g_auto(Found) found = { 0 };

    if (!find(call, a->flags, &a->snap.dom, a->snap.name, &found, error))
        return FALSE;
    r->current = hv_snapshots_current(found.all) == found.index;
    return TRUE;
}

/* What is known here is known by its metadata. */
gboolean
lvd_do_domain_snapshot_has_metadata(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_snapshot_has_metadata_args *a = args;
    lvd_domain_snapshot_has_metadata_ret *r = ret;
    g_auto(Found) found = { 0 };

    if (!find(call, a->flags, &a->snap.dom, a->snap.name, &found, error))
        return FALSE;
    r->metadata = 1;
    return TRUE;
}
