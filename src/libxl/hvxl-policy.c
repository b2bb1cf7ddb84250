/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl tells eight words of the features of the processors, libxenguest all that Xen knows. Like
 * hvxl-idle.c this file is apart because a header of Xen needs GNU C. */
#include "hvxl-policy.h"

#include <errno.h>
#include <xenctrl.h>
#include <xenguest.h>

#if defined(__i386__) || defined(__x86_64__)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xc_cpu_policy_t, xc_cpu_policy_destroy)

/* More than any Xen has. */
#define MAX_ENTRIES 4096

/* Not `max`: that has features which Xen's authors do not promise to hold. */
static const unsigned policies[] = {
    [HV_CPU_HOST] = XEN_SYSCTL_cpu_policy_host,
    [HV_CPU_PV] = XEN_SYSCTL_cpu_policy_pv_default,
    [HV_CPU_HVM] = XEN_SYSCTL_cpu_policy_hvm_default,
};

static void
add_leaf(GArray *leaves, const xen_cpuid_leaf_t *from)
{
    ConfCpuLeaf leaf = {
        .leaf = from->leaf,
        .subleaf = from->subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : from->subleaf,
        .eax = from->a,
        .ebx = from->b,
        .ecx = from->c,
        .edx = from->d,
    };

    g_array_append_val(leaves, leaf);
}

static void
add_msr(GArray *leaves, const xen_msr_entry_t *from)
{
    ConfCpuLeaf leaf = {
        .msr = TRUE,
        .leaf = from->idx,
        .eax = (guint32)from->val,
        .edx = (guint32)(from->val >> 32),
    };

    g_array_append_val(leaves, leaf);
}

static GArray *
read_policy(xc_interface *xc, unsigned index)
{
    g_autoptr(xc_cpu_policy_t) policy = xc_cpu_policy_init();
    g_autofree xen_cpuid_leaf_t *cpuid = NULL;
    g_autofree xen_msr_entry_t *msrs = NULL;
    uint32_t n_cpuid = 0, n_msrs = 0;
    GArray *leaves;

    if (!policy || xc_cpu_policy_get_size(xc, &n_cpuid, &n_msrs) != 0)
        return NULL;
    if (n_cpuid > MAX_ENTRIES || n_msrs > MAX_ENTRIES) {
        errno = E2BIG;
        return NULL;
    }
    cpuid = g_new0(xen_cpuid_leaf_t, n_cpuid);
    msrs = g_new0(xen_msr_entry_t, n_msrs);
    if (xc_cpu_policy_get_system(xc, index, policy) != 0 ||
        xc_cpu_policy_serialise(xc, policy, cpuid, &n_cpuid, msrs, &n_msrs) != 0)
        return NULL;
    leaves = g_array_new(FALSE, FALSE, sizeof(ConfCpuLeaf));
    for (uint32_t i = 0; i < n_cpuid; i++)
        add_leaf(leaves, &cpuid[i]);
    for (uint32_t i = 0; i < n_msrs; i++)
        add_msr(leaves, &msrs[i]);
    return leaves;
}

static ConfCpuLeaf *
find_leaf(GArray *leaves, const ConfCpuLeaf *wanted)
{
    for (guint i = 0; i < leaves->len; i++) {
        ConfCpuLeaf *leaf = &g_array_index(leaves, ConfCpuLeaf, i);

        if (leaf->msr == wanted->msr && leaf->leaf == wanted->leaf &&
            leaf->subleaf == wanted->subleaf)
            return leaf;
    }
    return NULL;
}

/* Xen itself does without some features that it gives to guests: SYSENTER on AMD, which every model
 * has. A host has them if its processors do. */
static void
add_given(GArray *host, GArray *raw, GArray *hvm)
{
    for (guint i = 0; i < raw->len; i++) {
        ConfCpuLeaf leaf = g_array_index(raw, ConfCpuLeaf, i);
        const ConfCpuLeaf *given = find_leaf(hvm, &leaf);
        ConfCpuLeaf *ours = find_leaf(host, &leaf);

        if (!given || !ours)
            continue;
        ours->eax |= leaf.eax & given->eax;
        ours->ebx |= leaf.ebx & given->ebx;
        ours->ecx |= leaf.ecx & given->ecx;
        ours->edx |= leaf.edx & given->edx;
    }
}

static GArray *
read_host(xc_interface *xc)
{
    GArray *host = read_policy(xc, policies[HV_CPU_HOST]);
    g_autoptr(GArray) raw = host ? read_policy(xc, XEN_SYSCTL_cpu_policy_raw) : NULL;
    g_autoptr(GArray) hvm = raw ? read_policy(xc, policies[HV_CPU_HVM]) : NULL;

    if (hvm)
        add_given(host, raw, hvm);
    return host;
}

GArray *
hvxl_policy_leaves(HvCpuView view)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    GArray *leaves;
    int saved;

    if (!xc)
        return NULL;
    leaves = view == HV_CPU_HOST ? read_host(xc) : read_policy(xc, policies[view]);
    saved = errno;
    xc_interface_close(xc);
    errno = saved;
    return leaves;
}

#else

GArray *
hvxl_policy_leaves(HvCpuView view)
{
    errno = EOPNOTSUPP;
    return NULL;
}

#endif
