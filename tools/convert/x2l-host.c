/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-host.h"

#include "x2l-net.h"

#define ETC_XEN "/etc/xen"

void
x2l_host_find(const X2lOptions *options, X2lFound *found)
{
    g_autoptr(GHashTable) seen = x2l_seen_new();
    const X2lSite *site = options->site;
    const struct {
        const char *folder;
        X2lSource source;
    } folders[] = {
        { site->domains_path, X2L_SOURCE_XEND },
        { ETC_XEN, X2L_SOURCE_ETC },
        { site->auto_path, X2L_SOURCE_AUTO },
    };
    gboolean any = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
        any |= x2l_walk_host(folders[i].folder, folders[i].source, options, seen, found);
    if (!any)
        g_ptr_array_add(found->errors,
                        g_strdup_printf("%s: no old Xen host: there is neither %s nor %s in it",
                                        x2l_root_dir(options->root), ETC_XEN, site->domains_path));
}

/* A file that reads the same in both was read as what the host's toolstack read. */
static void
find_in_doubt(const X2lSite *site, const GPtrArray *domains, GPtrArray *findings)
{
    unsigned count = 0;

    for (guint i = 0; i < domains->len; i++) {
        const X2lDomain *domain = domains->pdata[i];

        count += domain->doubtful != FALSE;
    }
    if (count > 0 && site->in_doubt_why)
        x2l_find(findings, "auto-read-as", NULL, "%u file%s read as %s: %s", count,
                 count == 1 ? " that could be of both was" : "s that could be of both were",
                 conf_format_name(site->in_doubt), site->in_doubt_why);
}

void
x2l_host_findings(const X2lSite *site, const struct X2lNet *net, const GPtrArray *domains,
                  GPtrArray *findings)
{
    for (guint i = 0; i < site->errors->len; i++)
        x2l_find(findings, "host-config", NULL, "%s", (char *)site->errors->pdata[i]);
    for (guint i = 0; net && i < net->notes->len; i++)
        x2l_find(findings, "host-config", NULL, "%s", (char *)net->notes->pdata[i]);
    for (guint i = 0; net && i < net->bridges->len; i++) {
        const X2lBridge *bridge = net->bridges->pdata[i];

        if (bridge->note)
            x2l_find(findings, "bridge-name", NULL, "%s: %s", bridge->name, bridge->note);
    }
    find_in_doubt(site, domains, findings);
}
