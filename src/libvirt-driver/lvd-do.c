/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the procedures share: checks of arguments, the domain that a call means, replies. */
#include "lvd-params.h"

#include <string.h>

#define AFFECT        (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)
#define AFFECT_STRING (AFFECT | VIR_TYPED_PARAM_STRING_OKAY)
/* ROOTS of a domain is DESCENDANTS of a snapshot. */
#define SNAPSHOT_LIST                                                                              \
    (VIR_DOMAIN_SNAPSHOT_LIST_ROOTS | VIR_DOMAIN_SNAPSHOT_LIST_LEAVES |                            \
     VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES | VIR_DOMAIN_SNAPSHOT_LIST_METADATA |                      \
     VIR_DOMAIN_SNAPSHOT_LIST_NO_METADATA | VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE |                    \
     VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE | VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY |                        \
     VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL | VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL |                       \
     VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)

/* The flags that a procedure takes. One that has flags on the wire and no row here takes none. */
static const unsigned allowed_flags[LVD_N_PROCS + 1] = {
    /* The two above RO are what session clients send along; they have no meaning here. */
    [LVD_PROC_CONNECT_OPEN] = VIR_CONNECT_RO | 1 << 1 | 1 << 2,
    [LVD_PROC_CONNECT_LIST_ALL_DOMAINS] =
        VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_LIST_DOMAINS_INACTIVE |
        VIR_CONNECT_LIST_DOMAINS_PERSISTENT | VIR_CONNECT_LIST_DOMAINS_TRANSIENT |
        VIR_CONNECT_LIST_DOMAINS_RUNNING | VIR_CONNECT_LIST_DOMAINS_PAUSED |
        VIR_CONNECT_LIST_DOMAINS_SHUTOFF | VIR_CONNECT_LIST_DOMAINS_OTHER |
        VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE | VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE |
        VIR_CONNECT_LIST_DOMAINS_AUTOSTART | VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART |
        VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT | VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT |
        VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT | VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT,
    [LVD_PROC_DOMAIN_CREATE_XML] = VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_VALIDATE,
    [LVD_PROC_DOMAIN_CREATE_WITH_FLAGS] = VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_FORCE_BOOT,
    [LVD_PROC_DOMAIN_DEFINE_XML_FLAGS] = VIR_DOMAIN_DEFINE_VALIDATE,
    /* Domains have no checkpoints, so there is nothing to refuse to drop. */
    [LVD_PROC_DOMAIN_UNDEFINE_FLAGS] = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                       VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                                       VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    [LVD_PROC_DOMAIN_GET_XML_DESC] = VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_INACTIVE |
                                     VIR_DOMAIN_XML_UPDATE_CPU | VIR_DOMAIN_XML_MIGRATABLE,
    [LVD_PROC_DOMAIN_SHUTDOWN_FLAGS] = VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN |
                                       VIR_DOMAIN_SHUTDOWN_PARAVIRT,
    [LVD_PROC_DOMAIN_REBOOT] = VIR_DOMAIN_REBOOT_ACPI_POWER_BTN | VIR_DOMAIN_REBOOT_PARAVIRT,
    [LVD_PROC_DOMAIN_SET_MEMORY_FLAGS] = AFFECT | VIR_DOMAIN_MEM_MAXIMUM,
    [LVD_PROC_DOMAIN_SET_VCPUS_FLAGS] = AFFECT | VIR_DOMAIN_VCPU_MAXIMUM,
    [LVD_PROC_DOMAIN_GET_VCPUS_FLAGS] = AFFECT | VIR_DOMAIN_VCPU_MAXIMUM,
    [LVD_PROC_DOMAIN_GET_VCPU_PIN_INFO] = AFFECT,
    [LVD_PROC_DOMAIN_PIN_VCPU_FLAGS] = AFFECT,
    [LVD_PROC_DOMAIN_PIN_EMULATOR] = AFFECT,
    [LVD_PROC_DOMAIN_GET_EMULATOR_PIN_INFO] = AFFECT,
    [LVD_PROC_DOMAIN_SET_VCPU] = AFFECT,
    [LVD_PROC_DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS] = AFFECT_STRING,
    [LVD_PROC_DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS] = AFFECT,
    [LVD_PROC_DOMAIN_GET_NUMA_PARAMETERS] = AFFECT_STRING,
    [LVD_PROC_DOMAIN_SET_NUMA_PARAMETERS] = AFFECT,
    [LVD_PROC_DOMAIN_GET_INTERFACE_PARAMETERS] = AFFECT_STRING,
    [LVD_PROC_DOMAIN_SET_INTERFACE_PARAMETERS] = AFFECT,
    [LVD_PROC_DOMAIN_GET_BLOCK_IO_TUNE] = AFFECT_STRING,
    [LVD_PROC_DOMAIN_SET_BLOCK_IO_TUNE] = AFFECT,
    [LVD_PROC_DOMAIN_SET_LIFECYCLE_ACTION] = AFFECT,
    [LVD_PROC_DOMAIN_BLOCK_STATS_FLAGS] = VIR_TYPED_PARAM_STRING_OKAY,
    [LVD_PROC_DOMAIN_GET_CPU_STATS] = VIR_TYPED_PARAM_STRING_OKAY,
    [LVD_PROC_DOMAIN_GET_JOB_STATS] = VIR_DOMAIN_JOB_STATS_COMPLETED |
                                      VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED,
    [LVD_PROC_CONNECT_GET_ALL_DOMAIN_STATS] =
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE |
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT | VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT |
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED |
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF | VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER |
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
    [LVD_PROC_DOMAIN_SET_METADATA] = AFFECT,
    [LVD_PROC_DOMAIN_GET_METADATA] = AFFECT,
    [LVD_PROC_DOMAIN_SAVE_FLAGS] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_RESTORE_FLAGS] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_MANAGED_SAVE] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_ATTACH_DEVICE_FLAGS] = AFFECT,
    [LVD_PROC_DOMAIN_DETACH_DEVICE_FLAGS] = AFFECT,
    [LVD_PROC_DOMAIN_DETACH_DEVICE_ALIAS] = AFFECT,
    [LVD_PROC_DOMAIN_UPDATE_DEVICE_FLAGS] = AFFECT | VIR_DOMAIN_DEVICE_MODIFY_FORCE,
    [LVD_PROC_DOMAIN_BLOCK_RESIZE] = VIR_DOMAIN_BLOCK_RESIZE_BYTES,
    /* What Xen writes is memory only, always. */
    [LVD_PROC_DOMAIN_CORE_DUMP] = VIR_DUMP_CRASH | VIR_DUMP_LIVE | VIR_DUMP_RESET |
                                  VIR_DUMP_MEMORY_ONLY,
    [LVD_PROC_DOMAIN_CORE_DUMP_WITH_FORMAT] = VIR_DUMP_CRASH | VIR_DUMP_LIVE | VIR_DUMP_RESET |
                                              VIR_DUMP_MEMORY_ONLY,
    [LVD_PROC_DOMAIN_OPEN_CHANNEL] = VIR_DOMAIN_CHANNEL_FORCE,
    [LVD_PROC_DOMAIN_SAVE_IMAGE_GET_XML_DESC] = VIR_DOMAIN_SAVE_IMAGE_XML_SECURE,
    [LVD_PROC_DOMAIN_SAVE_IMAGE_DEFINE_XML] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_MANAGED_SAVE_GET_XML_DESC] = VIR_DOMAIN_SAVE_IMAGE_XML_SECURE,
    [LVD_PROC_DOMAIN_MANAGED_SAVE_DEFINE_XML] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_SAVE_PARAMS] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_RESTORE_PARAMS] = VIR_DOMAIN_SAVE_RUNNING | VIR_DOMAIN_SAVE_PAUSED,
    [LVD_PROC_DOMAIN_GET_HOSTNAME] = VIR_DOMAIN_GET_HOSTNAME_LEASE,
    [LVD_PROC_DOMAIN_OPEN_CONSOLE] = VIR_DOMAIN_CONSOLE_FORCE,
    [LVD_PROC_DOMAIN_SNAPSHOT_CREATE_XML] =
        VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT |
        VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | VIR_DOMAIN_SNAPSHOT_CREATE_HALT |
        VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT |
        VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC |
        VIR_DOMAIN_SNAPSHOT_CREATE_LIVE | VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE,
    [LVD_PROC_DOMAIN_SNAPSHOT_GET_XML_DESC] = VIR_DOMAIN_SNAPSHOT_XML_SECURE,
    [LVD_PROC_DOMAIN_SNAPSHOT_NUM] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_SNAPSHOT_LIST_NAMES] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_LIST_ALL_SNAPSHOTS] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_SNAPSHOT_NUM_CHILDREN] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN] = SNAPSHOT_LIST,
    [LVD_PROC_DOMAIN_REVERT_TO_SNAPSHOT] = VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING |
                                           VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED |
                                           VIR_DOMAIN_SNAPSHOT_REVERT_FORCE |
                                           VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM,
    [LVD_PROC_DOMAIN_SNAPSHOT_DELETE] = VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                                        VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY |
                                        VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY,
    [LVD_PROC_DOMAIN_OPEN_GRAPHICS] = VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH,
    [LVD_PROC_DOMAIN_OPEN_GRAPHICS_FD] = VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH,
    [LVD_PROC_STORAGE_VOL_GET_INFO_FLAGS] = VIR_STORAGE_VOL_GET_PHYSICAL,
    [LVD_PROC_STORAGE_POOL_GET_XML_DESC] = VIR_STORAGE_XML_INACTIVE,
    [LVD_PROC_CONNECT_COMPARE_CPU] = VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE |
                                     VIR_CONNECT_COMPARE_CPU_VALIDATE_XML,
    [LVD_PROC_CONNECT_COMPARE_HYPERVISOR_CPU] = VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE |
                                                VIR_CONNECT_COMPARE_CPU_VALIDATE_XML,
    [LVD_PROC_CONNECT_BASELINE_CPU] = VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES |
                                      VIR_CONNECT_BASELINE_CPU_MIGRATABLE,
    [LVD_PROC_CONNECT_BASELINE_HYPERVISOR_CPU] = VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES |
                                                 VIR_CONNECT_BASELINE_CPU_MIGRATABLE,
    [LVD_PROC_DOMAIN_GET_MESSAGES] = VIR_DOMAIN_MESSAGE_DEPRECATION | VIR_DOMAIN_MESSAGE_TAINTING,
};

static const char *
api_name(LvdCall *call)
{
    const LvdProc *proc = lvd_call_proc(call);

    return proc->api ? proc->api : proc->name;
}

gboolean
lvd_check_flags(LvdCall *call, unsigned flags, GError **error)
{
    unsigned unknown = flags & ~allowed_flags[lvd_call_proc(call)->number];

    if (unknown == 0)
        return TRUE;
    lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                  "unsupported flags (0x%x) in function %s", unknown, api_name(call));
    return FALSE;
}

gboolean
lvd_check_exclusive(unsigned flags, unsigned a, const char *a_name, unsigned b, const char *b_name,
                    GError **error)
{
    if (!(flags & a) || !(flags & b))
        return TRUE;
    lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                  "Flags '%s' and '%s' are mutually exclusive", a_name, b_name);
    return FALSE;
}

gboolean
lvd_check_nonzero(LvdCall *call, guint64 value, const char *name, GError **error)
{
    if (value != 0)
        return TRUE;
    lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                  "%s in %s must not be zero", name, api_name(call));
    return FALSE;
}

gboolean
lvd_check_count(LvdCall *call, gint64 value, gint64 max, const char *name, GError **error)
{
    if (value < 0) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "%s in %s must be zero or greater", name, api_name(call));
        return FALSE;
    }
    if (value > max) {
        lvd_set_error(error, VIR_ERR_RPC, VIR_FROM_RPC,
                      "%s in %s is %" G_GINT64_FORMAT ", the protocol's limit is %" G_GINT64_FORMAT,
                      name, api_name(call), value, max);
        return FALSE;
    }
    return TRUE;
}

unsigned
lvd_affect(unsigned flags)
{
    return (flags & VIR_DOMAIN_AFFECT_LIVE ? HV_AFFECT_LIVE : 0) |
           (flags & VIR_DOMAIN_AFFECT_CONFIG ? HV_AFFECT_CONFIG : 0);
}

/* ---- domains ---- */

HvDomain *
lvd_domain_lookup(LvdCall *call, const lvd_nonnull_domain *dom, GError **error)
{
    return hv_host_lookup_uuid(lvd_call_host(call), (const guint8 *)dom->uuid, error);
}

HvView *
lvd_domain_view(LvdCall *call, const lvd_nonnull_domain *dom, GError **error)
{
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);

    return domain ? hv_domain_view(domain) : NULL;
}

void
lvd_fill_domain(lvd_nonnull_domain *ret_dom, const HvView *view)
{
    ret_dom->name = g_strdup(view->name);
    memcpy(ret_dom->uuid, view->uuid, sizeof ret_dom->uuid);
    ret_dom->id = view->domid;
}

gboolean
lvd_return_domain(lvd_nonnull_domain *ret_dom, HvDomain *domain, GError **error)
{
    g_autoptr(HvDomain) owned = domain;

    if (!owned)
        return FALSE;
    g_autoptr(HvView) view = hv_domain_view(owned);
    lvd_fill_domain(ret_dom, view);
    return TRUE;
}

gboolean
lvd_return_text(lvd_text *ret_text, char *text, GError **error)
{
    g_autofree char *owned = text;

    if (!owned)
        return FALSE;
    gsize len = strlen(owned);
    if (len > LVD_STRING_MAX) {
        lvd_set_error(error, VIR_ERR_RPC, VIR_FROM_RPC,
                      "the answer has %" G_GSIZE_FORMAT " bytes, the protocol's limit is %d", len,
                      LVD_STRING_MAX);
        return FALSE;
    }
    *ret_text = g_steal_pointer(&owned);
    return TRUE;
}

/* ---- typed parameters ---- */

static void
drop_strings(GArray *params)
{
    for (guint i = params->len; i > 0; i--)
        if (g_array_index(params, lvd_typed_param, i - 1).value.type == VIR_TYPED_PARAM_STRING)
            g_array_remove_index(params, i - 1);
}

gboolean
lvd_params_return(LvdCall *call, GArray *params, gint64 wanted, gint64 max, unsigned flags,
                  lvd_typed_param **ret_val, u_int *ret_len, int *ret_n, GError **error)
{
    g_autoptr(GArray) owned = params;

    if (!lvd_check_count(call, wanted, max, "nparams", error))
        return FALSE;
    if (!(flags & VIR_TYPED_PARAM_STRING_OKAY))
        drop_strings(owned);
    if (ret_n && wanted == 0) {
        *ret_n = (int)owned->len;
        return TRUE;
    }
    g_array_set_size(owned, MIN(owned->len, (guint)wanted));
    if (ret_n)
        *ret_n = (int)owned->len;
    lvd_params_give(g_steal_pointer(&owned), ret_val, ret_len);
    return TRUE;
}

/* ---- states ---- */

/* Xen calls a domain that waits for an event blocked; to libvirt's clients it runs. */
static const int wire_states[] = {
    [HV_STATE_SHUTOFF] = VIR_DOMAIN_SHUTOFF,         [HV_STATE_RUNNING] = VIR_DOMAIN_RUNNING,
    [HV_STATE_BLOCKED] = VIR_DOMAIN_RUNNING,         [HV_STATE_PAUSED] = VIR_DOMAIN_PAUSED,
    [HV_STATE_SHUTDOWN] = VIR_DOMAIN_SHUTDOWN,       [HV_STATE_CRASHED] = VIR_DOMAIN_CRASHED,
    [HV_STATE_PMSUSPENDED] = VIR_DOMAIN_PMSUSPENDED,
};
G_STATIC_ASSERT(G_N_ELEMENTS(wire_states) == HV_N_STATES);

static const int wire_reasons[] = {
    [HV_REASON_UNKNOWN] = 0,
    [HV_REASON_RUNNING_BOOTED] = VIR_DOMAIN_RUNNING_BOOTED,
    [HV_REASON_RUNNING_MIGRATED] = VIR_DOMAIN_RUNNING_MIGRATED,
    [HV_REASON_RUNNING_RESTORED] = VIR_DOMAIN_RUNNING_RESTORED,
    [HV_REASON_RUNNING_UNPAUSED] = VIR_DOMAIN_RUNNING_UNPAUSED,
    [HV_REASON_RUNNING_SAVE_CANCELED] = VIR_DOMAIN_RUNNING_SAVE_CANCELED,
    [HV_REASON_RUNNING_WAKEUP] = VIR_DOMAIN_RUNNING_WAKEUP,
    [HV_REASON_RUNNING_CRASHED] = VIR_DOMAIN_RUNNING_CRASHED,
    [HV_REASON_RUNNING_FROM_SNAPSHOT] = VIR_DOMAIN_RUNNING_FROM_SNAPSHOT,
    [HV_REASON_PAUSED_USER] = VIR_DOMAIN_PAUSED_USER,
    [HV_REASON_PAUSED_MIGRATION] = VIR_DOMAIN_PAUSED_MIGRATION,
    [HV_REASON_PAUSED_SAVE] = VIR_DOMAIN_PAUSED_SAVE,
    [HV_REASON_PAUSED_DUMP] = VIR_DOMAIN_PAUSED_DUMP,
    [HV_REASON_PAUSED_STARTING_UP] = VIR_DOMAIN_PAUSED_STARTING_UP,
    [HV_REASON_PAUSED_CRASHED] = VIR_DOMAIN_PAUSED_CRASHED,
    [HV_REASON_PAUSED_FROM_SNAPSHOT] = VIR_DOMAIN_PAUSED_FROM_SNAPSHOT,
    [HV_REASON_PAUSED_SNAPSHOT] = VIR_DOMAIN_PAUSED_SNAPSHOT,
    [HV_REASON_PAUSED_IO_ERROR] = VIR_DOMAIN_PAUSED_IOERROR,
    [HV_REASON_SHUTDOWN_USER] = VIR_DOMAIN_SHUTDOWN_USER,
    [HV_REASON_SHUTOFF_SHUTDOWN] = VIR_DOMAIN_SHUTOFF_SHUTDOWN,
    [HV_REASON_SHUTOFF_DESTROYED] = VIR_DOMAIN_SHUTOFF_DESTROYED,
    [HV_REASON_SHUTOFF_CRASHED] = VIR_DOMAIN_SHUTOFF_CRASHED,
    [HV_REASON_SHUTOFF_SAVED] = VIR_DOMAIN_SHUTOFF_SAVED,
    [HV_REASON_SHUTOFF_FAILED] = VIR_DOMAIN_SHUTOFF_FAILED,
    [HV_REASON_SHUTOFF_FROM_SNAPSHOT] = VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT,
    [HV_REASON_SHUTOFF_DAEMON] = VIR_DOMAIN_SHUTOFF_DAEMON,
    [HV_REASON_CRASHED_PANICKED] = VIR_DOMAIN_CRASHED_PANICKED,
    [HV_REASON_PMSUSPENDED_USER] = VIR_DOMAIN_PMSUSPENDED_UNKNOWN,
};
G_STATIC_ASSERT(G_N_ELEMENTS(wire_reasons) == HV_N_REASONS);

int
lvd_wire_state(HvState state)
{
    return wire_states[state];
}

int
lvd_wire_reason(HvReason reason)
{
    return wire_reasons[reason];
}

/* ---- domXML ---- */

ConfDomain *
lvd_parse_domain(const char *xml, unsigned conf_flags, gboolean validate, GError **error)
{
    g_autoptr(ConfDomain)
        def = conf_domain_parse_xml(xml, -1, "(domain_definition)", conf_flags, error);

    if (!def)
        lvd_syntax_error(xml, error);
    if (!def || (validate && !lvd_schema_validate(LVD_SCHEMA_DOMAIN, xml, error)))
        return NULL;
    return g_steal_pointer(&def);
}
