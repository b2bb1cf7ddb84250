/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program that libvirt has for QEMU's own words. A domain of Xen may have a QEMU, too: what is
 * not about that answers "not supported". */
#include "lvd-do.h"

#define MONITOR_COMMAND_HMP (1u << 0) /* VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP */

static gboolean
do_monitor_command(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_qemu_monitor_command_args *a = args;
    lvd_qemu_monitor_command_ret *r = ret;

    if (a->flags & ~MONITOR_COMMAND_HMP) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "unsupported flags (0x%x) in function virDomainQemuMonitorCommand",
                      a->flags & ~MONITOR_COMMAND_HMP);
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain &&
           lvd_return_text(&r->result,
                           hv_domain_monitor_command(domain, a->cmd,
                                                     (a->flags & MONITOR_COMMAND_HMP) != 0, error),
                           error);
}

static const LvdProc procs[] = {
    { .number = 1,
      .name = "qemu_domain_monitor_command",
      .api = "virDomainQemuMonitorCommand",
      .handler = do_monitor_command,
      .args = (xdrproc_t)xdr_lvd_qemu_monitor_command_args,
      .ret = (xdrproc_t)xdr_lvd_qemu_monitor_command_ret,
      .args_size = sizeof(lvd_qemu_monitor_command_args),
      .ret_size = sizeof(lvd_qemu_monitor_command_ret) },
    { .number = 2, .name = "qemu_domain_attach", .api = "virDomainQemuAttach" },
    { .number = 3, .name = "qemu_domain_agent_command", .api = "virDomainQemuAgentCommand" },
    { .number = 4,
      .name = "qemu_connect_domain_monitor_event_register",
      .api = "virConnectDomainQemuMonitorEventRegister" },
    { .number = 5,
      .name = "qemu_connect_domain_monitor_event_deregister",
      .api = "virConnectDomainQemuMonitorEventDeregister" },
    { .number = 7,
      .name = "qemu_domain_monitor_command_with_files",
      .api = "virDomainQemuMonitorCommandWithFiles" },
};

const LvdProc *
lvd_qemu_proc_find(gint32 number)
{
    for (gsize i = 0; i < G_N_ELEMENTS(procs); i++)
        if (procs[i].number == number)
            return &procs[i];
    return NULL;
}
