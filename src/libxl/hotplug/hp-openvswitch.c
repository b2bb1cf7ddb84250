/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interfaces on an Open vSwitch. Its database is spoken to by its own ovs-vsctl, once. */
#include "hp-spawn.h"
#include "hp-vif.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOOL_WAIT_S 30 /* Xen's scripts' figure; libxl ends us after 40 */

/* KEY=VALUE with the value as OVSDB's string, in which " and \ have a \ before them. */
static bool
format_external_id(const char *key, const char *value, char *ret, size_t size)
{
    int n = snprintf(ret, size, "external-ids:%s=\"", key);
    size_t length = (size_t)n;
    for (const char *c = value; *c && length + 4 < size; c++) {
        if (*c == '"' || *c == '\\')
            ret[length++] = '\\';
        ret[length++] = *c;
    }
    if (length + 4 >= size)
        return false;
    memcpy(ret + length, "\"", 2);
    return true;
}

typedef struct ExternalIds {
    char name[512];
    char uuid[128];
    char mac[128];
} ExternalIds;

/* Who the port belongs to, for who looks at the switch. */
static bool
read_external_ids(HpRun *run, ExternalIds *ret)
{
    char dir[64], vm[128], name[256], uuid[64], mac[64];
    HpError *error = &run->error;
    snprintf(dir, sizeof dir, "/local/domain/%u", run->request.domid);
    if (!hp_store_need(run->store, dir, "vm", vm, sizeof vm, error) ||
        !hp_store_need(run->store, vm, "name", name, sizeof name, error) ||
        !hp_store_need(run->store, vm, "uuid", uuid, sizeof uuid, error) ||
        !hp_store_need(run->store, run->request.path, "mac", mac, sizeof mac, error))
        return false;
    return (format_external_id("xen-vm-name", name, ret->name, sizeof ret->name) &&
            format_external_id("xen-vm-uuid", uuid, ret->uuid, sizeof ret->uuid) &&
            format_external_id("attached-mac", mac, ret->mac, sizeof ret->mac)) ||
           hp_fail(error, "the name of domain %u is too long for Open vSwitch", run->request.domid);
}

static bool
run_tool(HpRun *run, const char *const *argv, const char *what)
{
    HpSpawn spawn = { .argv = argv, .path = run->host->program_path, .timeout_s = TOOL_WAIT_S + 2 };
    int status = hp_spawn(&spawn, &run->error);
    if (status == 0)
        return true;
    if (status > 0)
        hp_fail(&run->error, "%s failed (%d): %.400s", what, status,
                spawn.output[0] ? spawn.output : "ovs-vsctl says nothing; does ovs-vswitchd run?");
    return false;
}

static bool
add_port(HpRun *run, const HpPort *port, const HpOvsBridge *bridge)
{
    ExternalIds ids;
    char what[128];
    const char *argv[32];
    size_t n = 0;
    if (!read_external_ids(run, &ids))
        return false;
    const char *const head[] = { "ovs-vsctl",    "--timeout=30", "--", "--if-exists",
                                 "del-port",     port->name,     "--", "add-port",
                                 bridge->bridge, port->name };
    for (size_t i = 0; i < HP_N(head); i++)
        argv[n++] = head[i];
    if (bridge->tag[0])
        argv[n++] = bridge->tag;
    if (bridge->trunks[0])
        argv[n++] = bridge->trunks;
    const char *const tail[] = {
        "--", "set", "interface", port->name, ids.name, ids.uuid, ids.mac
    };
    for (size_t i = 0; i < HP_N(tail); i++)
        argv[n++] = tail[i];
    argv[n] = NULL;
    snprintf(what, sizeof what, "adding interface %s to the Open vSwitch bridge '%s'", port->name,
             bridge->bridge);
    return run_tool(run, argv, what);
}

static bool
del_port(HpRun *run, const char *port)
{
    const char *const argv[] = { "ovs-vsctl", "--timeout=30", "--", "--if-exists",
                                 "del-port",  port,           NULL };
    return run_tool(run, argv, "taking an interface from Open vSwitch");
}

bool
hp_openvswitch_up(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    HpOvsBridge bridge;
    char text[HP_PATH_SIZE];
    const HpLinkChange change = { .state = HP_LINK_UP };
    if (!hp_read_bridge(run, text, sizeof text))
        return false;
    if (!hp_parse_ovs_bridge(text, &bridge, &run->error) || !hp_port_open_up(&port, run, true))
        return false;
    if (port.mtu)
        hp_port_set_mtu(&port, (unsigned)port.mtu);
    if (!add_port(run, &port, &bridge)) {
        hp_port_undo(&port);
        return false;
    }
    if (hp_port_change(&port, run, &change, "bring up")) {
        if (!run->request.tap)
            hp_iptables(run, port.name, true);
        if (hp_port_connected(run))
            return true;
        if (!run->request.tap)
            hp_iptables(run, port.name, false);
        hp_port_undo(&port);
    }
    HpError first = run->error;
    del_port(run, port.name);
    run->error = first;
    return false;
}

/* The switch remembers a port whose interface has gone. */
bool
hp_openvswitch_down(HpRun *run)
{
    HP_AUTO_PORT HpPort port = { 0 };
    HpError kept = { 0 };
    if (!hp_port_open_down(&port, run))
        return false;
    if (!del_port(run, port.name)) {
        hp_note("%s", run->error.text);
        run->error = kept;
    }
    hp_port_down(&port);
    if (!run->request.tap)
        hp_iptables(run, port.name, false);
    hp_port_release(&port);
    return true;
}
