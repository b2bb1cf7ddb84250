/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which engines there are, and which one is right for this host. */
#include "hv-private.h"

#include <gmodule.h>
#include <unistd.h>

#include "sim/hvsim.h"

/* Engines inside the library. */
static const HvEngineOps *const built_in[] = {
    &hv_engine_sim_ops,
};

/* Engines in files of their own, because what they link against is not on every host. */
static const struct {
    const char *name;
    const char *file;
    const char *hint;
} loadable[] = {
    { "libxl", "hv-engine-libxl.so",
      "it needs a host that runs Xen and its libraries; use engine 'sim' to do without" },
};

gboolean
hv_engine_may_run(const HvEngineStart *start, GError **error)
{
    return !start->before_run || start->before_run(start->before_run_data, error);
}

/* The module stays loaded for good: its code may run in threads that outlive every HvHost. */
static const HvEngineOps *
load_engine(const char *name, const char *file, const char *hint, GError **error)
{
    const char *dir = g_getenv("XLVIRT_ENGINE_DIR");
    g_autofree char *path = g_build_filename(dir ? dir : HV_ENGINEDIR, file, NULL);
    GModule *module = g_module_open(path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    gpointer symbol = NULL;

    if (!module) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "cannot load engine '%s': %s; %s", name,
                    g_module_error(), hint);
        return NULL;
    }
    if (!g_module_symbol(module, "hv_engine_ops", &symbol) || !symbol) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "cannot use '%s' as engine '%s': it has no symbol hv_engine_ops", path, name);
        g_module_close(module);
        return NULL;
    }
    g_module_make_resident(module);
    return symbol;
}

const HvEngineOps *
hv_engine_find(const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(built_in); i++) {
        if (g_str_equal(built_in[i]->name, name))
            return built_in[i];
        g_string_append_printf(known, " %s", built_in[i]->name);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(loadable); i++) {
        if (g_str_equal(loadable[i].name, name))
            return load_engine(name, loadable[i].file, loadable[i].hint, error);
        g_string_append_printf(known, " %s", loadable[i].name);
    }
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "unknown engine '%s'; there are:%s", name,
                known->str);
    return NULL;
}

const char *
hv_engine_detect(void)
{
    g_autofree char *text = NULL;

    /* xenfs shows this file in every Xen guest; the word is there in the control domain only. */
    if (!g_file_get_contents("/proc/xen/capabilities", &text, NULL, NULL))
        return NULL;
    return strstr(text, "control_d") ? "libxl" : NULL;
}

/* ---- statistics ---- */

HvEngineStats *
hv_engine_stats_new(void)
{
    HvEngineStats *stats = g_new0(HvEngineStats, 1);

    stats->memory = (HvMemoryStats){ -1, -1, -1, -1, -1, -1, -1 };
    return stats;
}

void
hv_engine_stats_free(HvEngineStats *stats)
{
    if (!stats)
        return;
    g_clear_pointer(&stats->vcpus, g_array_unref);
    g_clear_pointer(&stats->disks, g_array_unref);
    g_clear_pointer(&stats->nics, g_array_unref);
    g_free(stats->why);
    g_free(stats);
}
