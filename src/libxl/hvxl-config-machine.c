/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device model, and devices that are hardly more than a word to it. */
#include "hvxl-config-private.h"

#include <string.h>

/* ---- the device model ---- */

static void
build_emulator(HvxlBuild *b)
{
    libxl_domain_build_info *info = &b->config->b_info;
    g_autofree char *base = NULL;

    if (b->def->emulator) {
        base = g_path_get_basename(b->def->emulator);
        hvxl_set_string(&info->device_model, b->def->emulator);
        info->device_model_version = strcmp(base, "qemu-dm") == 0
                                         ? LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL
                                         : LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
    }
    for (guint i = 0; i < b->def->xen_args->len; i++) {
        const ConfArg *arg = b->def->xen_args->pdata[i];

        hvxl_list_append(&info->extra, arg->value ? arg->value : "");
    }
}

/* ---- watchdogs ---- */

static const struct WatchdogAction {
    const char *name;
    const char *qemu;
} watchdog_actions[] = {
    { "reset", "reset" }, { "shutdown", "shutdown" }, { "poweroff", "poweroff" },
    { "pause", "pause" }, { "none", "none" },         { "inject-nmi", "inject-nmi" },
};

/* Cards that QEMU has; libxl hands them on as they are. */
static gboolean
build_watchdog(HvxlBuild *b, const ConfWatchdog *watchdog, GError **error)
{
    static const char *const models[] = { "i6300esb", "ib700", NULL };
    libxl_domain_build_info *info = &b->config->b_info;
    const char *action = watchdog->action ? watchdog->action : "reset";
    g_autofree char *word = NULL;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM || watchdog->model == NULL ||
        !g_strv_contains(models, watchdog->model)) {
        hvxl_warn(b, watchdog->model, "devices/watchdog", "other models, or not HVM");
        return TRUE;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(watchdog_actions); i++) {
        if (strcmp(watchdog_actions[i].name, action) == 0)
            word = g_strconcat("watchdog=", watchdog_actions[i].qemu, NULL);
    }
    if (word == NULL)
        return hvxl_refuse(action, "devices/watchdog/@action", "other", error);
    hvxl_list_append(&info->extra_hvm, "-device");
    hvxl_list_append(&info->extra_hvm, watchdog->model);
    hvxl_list_append(&info->extra_hvm, "-action");
    hvxl_list_append(&info->extra_hvm, word);
    return TRUE;
}

static gboolean
build_watchdogs(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->watchdogs->len; i++) {
        if (!build_watchdog(b, b->def->watchdogs->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* ---- the balloon, and controllers that are there without being asked ---- */

static gboolean
build_memballoon(HvxlBuild *b, GError **error)
{
    const ConfMemballoon *balloon = b->def->memballoon;

    if (balloon == NULL || balloon->model == NULL || strcmp(balloon->model, "xen") == 0)
        return TRUE;
    if (strcmp(balloon->model, "none") != 0)
        return hvxl_refuse(balloon->model, "devices/memballoon/@model", "other", error);
    hvxl_warn(b, NULL, "devices/memballoon/@model", "none");
    return TRUE;
}

static gboolean
build_controllers(HvxlBuild *b, GError **error)
{
    static const char *const known[] = {
        "usb", "xenbus", "ide", "scsi", "pci", "fdc", "sata", NULL
    };

    for (guint i = 0; i < b->def->controllers->len; i++) {
        const ConfController *controller = b->def->controllers->pdata[i];

        if (controller->type && !g_strv_contains(known, controller->type))
            hvxl_warn(b, controller->type, "devices/controller/@type", "other");
        if (!hvxl_build_extra(b, controller->type, "devices/controller", controller->dev.extra,
                              error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_machine(HvxlBuild *b, GError **error)
{
    build_emulator(b);
    if (b->def->on_lockfailure)
        hvxl_warn(b, NULL, "on_lockfailure", NULL);
    return build_controllers(b, error) && build_watchdogs(b, error) && build_memballoon(b, error);
}
