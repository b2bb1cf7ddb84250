/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-vif.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    HpAction up, down;
} actions[HP_N_KINDS] = {
    [HP_BLOCK] = { hp_block_add, hp_block_remove },
    [HP_NBD] = { hp_nbd_add, hp_nbd_remove },
    [HP_BRIDGE] = { hp_bridge_up, hp_bridge_down },
    [HP_ROUTE] = { hp_route_up, hp_route_down },
    [HP_OPENVSWITCH] = { hp_openvswitch_up, hp_openvswitch_down },
};

const HpHost hp_host_default = {
    .lock_dir = "/run/xen-hotplug",
    .mountinfo = "/proc/self/mountinfo",
    .sys_block = "/sys/block",
    .dev_dir = "/dev",
    .script_dir = HP_XEN_SCRIPT_DIR,
    .program_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    .log_file = "/var/log/xen/xen-hotplug.log",
    .lock_wait_s = 30,
};

/* Under our own name an interface is on an Open vSwitch where `bridge` names one, else on a bridge.
 * The whole name goes before a part of it: br0.100 is a bridge if there is one with that name. */
static bool
choose_kind(HpRun *run)
{
    HP_AUTO_NET HpNet net = { 0 };
    HpError unused = { 0 };
    HpOvsBridge ovs;
    HpLink link;
    char name[HP_PATH_SIZE];
    run->request.kind = HP_BRIDGE;
    if (!hp_read_bridge(run, name, sizeof name) || !hp_net_open(&net, &run->error))
        return false;
    if (!name[0])
        return true;
    int r = strlen(name) < HP_IFNAME_SIZE ? hp_net_link(&net, name, &link) : 0;
    if (r == 0 && hp_parse_ovs_bridge(name, &ovs, &unused))
        r = hp_net_link(&net, ovs.bridge, &link);
    if (r == 1 && strcmp(link.kind, "openvswitch") == 0)
        run->request.kind = HP_OPENVSWITCH;
    return true;
}

/* libxl reads hotplug-error and gives it to who started the guest; the log is for who looks later.
 */
static void
report(HpRun *run)
{
    const char *dir = run->request.path;
    const char *text = run->error.text;
    char line[HP_ERROR_SIZE + HP_PATH_SIZE + 64], stamp[32] = "";
    HpError error = { 0 };
    time_t now = time(NULL);
    struct tm tm;
    if (!hp_store_write(run->store, dir, "hotplug-error", text, &error) ||
        !hp_store_write(run->store, dir, "hotplug-status", run->error.busy ? "busy" : "error",
                        &error))
        hp_note("%s", error.text);
    hp_note("%s: %s", dir, text);
    if (!run->host->log_file)
        return;
    HP_AUTO_CLOSE int fd = open(run->host->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                                0644);
    if (gmtime_r(&now, &tm))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int n = snprintf(line, sizeof line, "%s xlvirt-hotplug %s: %s\n", stamp, dir, text);
    if (fd >= 0 && write(fd, line, (size_t)n) < 0)
        hp_note("%s: %s", run->host->log_file, strerror(errno));
}

bool
hp_run(HpRun *run)
{
    bool up = run->request.command == HP_ADD || run->request.command == HP_ONLINE;
    bool ok = run->request.kind != HP_AUTO || choose_kind(run);
    if (ok) {
        HpAction action = up ? actions[run->request.kind].up : actions[run->request.kind].down;
        ok = action(run);
    }
    if (!ok)
        report(run);
    return ok;
}
