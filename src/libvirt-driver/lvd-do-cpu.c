/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of processors: their names, what a host can be, what several have in common. */
#include "lvd-do.h"

/* ---- names ---- */

gboolean
lvd_do_connect_get_cpu_model_names(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_get_cpu_model_names_args *a = args;
    lvd_connect_get_cpu_model_names_ret *r = ret;
    char **names;
    guint n;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    names = hv_host_cpu_models(lvd_call_host(call), a->arch, error);
    if (!names)
        return FALSE;
    n = g_strv_length(names);
    r->ret = (int)n;
    if (a->need_results) {
        r->models.models_val = names;
        r->models.models_len = n;
    } else {
        g_strfreev(names);
    }
    return TRUE;
}

/* ---- one ---- */

/* A <cpu> of a client. `must_host`: a guest's is refused. */
static ConfCpuSpec *
parse_cpu(const char *xml, gboolean must_host, gboolean validate, GError **error)
{
    g_autoptr(ConfCpuSpec) cpu = conf_cpu_spec_parse(xml, must_host, error);

    if (!cpu) {
        lvd_syntax_error(xml, error);
        return NULL;
    }
    if (validate && !lvd_schema_validate(LVD_SCHEMA_CPU, xml, error))
        return NULL;
    return g_steal_pointer(&cpu);
}

/* `guest` NULL: the host itself. */
static gboolean
compare(LvdCall *call, const HvGuestKind *guest, const char *xml, unsigned flags, int *ret_result,
        GError **error)
{
    g_autoptr(ConfCpuSpec) cpu = NULL;
    g_autofree char *why = NULL;

    if (!lvd_check_flags(call, flags, error))
        return FALSE;
    cpu = parse_cpu(xml, FALSE, flags & VIR_CONNECT_COMPARE_CPU_VALIDATE_XML, error);
    if (!cpu)
        return FALSE;
    *ret_result = hv_host_compare_cpu(lvd_call_host(call), guest, cpu, &why, error);
    if (*ret_result == VIR_CPU_COMPARE_ERROR)
        return FALSE;
    if (*ret_result != VIR_CPU_COMPARE_INCOMPATIBLE ||
        !(flags & VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE))
        return TRUE;
    lvd_set_error(error, VIR_ERR_CPU_INCOMPATIBLE, VIR_FROM_CPU, "%s", why);
    return FALSE;
}

gboolean
lvd_do_connect_compare_cpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_compare_cpu_args *a = args;
    lvd_connect_compare_cpu_ret *r = ret;

    return compare(call, NULL, a->xml, a->flags, &r->result, error);
}

gboolean
lvd_do_connect_compare_hypervisor_cpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_compare_hypervisor_cpu_args *a = args;
    lvd_connect_compare_hypervisor_cpu_ret *r = ret;
    const HvGuestKind guest = { lvd_opt(a->emulator), lvd_opt(a->arch), lvd_opt(a->machine),
                                lvd_opt(a->virttype) };

    return compare(call, &guest, a->xmlCPU, a->flags, &r->result, error);
}

/* ---- several ---- */

/* `guest` NULL: only hosts' <cpu> are right. */
static gboolean
baseline(LvdCall *call, const HvGuestKind *guest, const lvd_text *xmls, guint n_xmls,
         unsigned flags, lvd_text *ret_cpu, GError **error)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new_with_free_func((GDestroyNotify)conf_cpu_spec_free);
    unsigned wanted = (flags & VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES ? CONF_CPU_BASELINE_EXPAND
                                                                        : 0) |
                      (flags & VIR_CONNECT_BASELINE_CPU_MIGRATABLE ? CONF_CPU_BASELINE_MIGRATABLE
                                                                   : 0);

    if (!lvd_check_flags(call, flags, error))
        return FALSE;
    for (guint i = 0; i < n_xmls; i++) {
        ConfCpuSpec *cpu = parse_cpu(xmls[i], guest == NULL, FALSE, error);

        if (!cpu)
            return FALSE;
        g_ptr_array_add(cpus, cpu);
    }
    return lvd_return_text(
        ret_cpu, hv_host_baseline_cpu(lvd_call_host(call), guest, cpus, wanted, error), error);
}

gboolean
lvd_do_connect_baseline_cpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_baseline_cpu_args *a = args;
    lvd_connect_baseline_cpu_ret *r = ret;

    return baseline(call, NULL, a->xmlCPUs.xmlCPUs_val, a->xmlCPUs.xmlCPUs_len, a->flags, &r->cpu,
                    error);
}

gboolean
lvd_do_connect_baseline_hypervisor_cpu(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_baseline_hypervisor_cpu_args *a = args;
    lvd_connect_baseline_hypervisor_cpu_ret *r = ret;
    const HvGuestKind guest = { lvd_opt(a->emulator), lvd_opt(a->arch), lvd_opt(a->machine),
                                lvd_opt(a->virttype) };

    return baseline(call, &guest, a->xmlCPUs.xmlCPUs_val, a->xmlCPUs.xmlCPUs_len, a->flags, &r->cpu,
                    error);
}
