/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Beside the kernel and the store: rules of iptables, and a user's hooks. Hosts mostly have
 * neither, and then nothing is run. */
#include "hp-spawn.h"
#include "hp-vif.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define RULES_SIZE   32768
#define TOOL_WAIT_S  10
#define HOOKS_WAIT_S 30
#define MAX_HOOKS    64

typedef struct Rules {
    char text[RULES_SIZE];
    size_t length;
    const char *port;
    bool add;
} Rules;

/* What may come from the guest by its port, and what goes there. */
static void
add_rules(Rules *rules, const char *from)
{
    const char *verb = rules->add ? "-I" : "-D";
    size_t room = sizeof rules->text - rules->length;
    int n = snprintf(rules->text + rules->length, room,
                     "%s FORWARD -m physdev --physdev-is-bridged --physdev-in %s%s -j ACCEPT\n"
                     "%s FORWARD -m physdev --physdev-is-bridged --physdev-out %s -j ACCEPT\n",
                     verb, rules->port, from, verb, rules->port);
    if (n > 0 && (size_t)n < room)
        rules->length += (size_t)n;
}

static void
apply_rules(HpRun *run, Rules *rules)
{
    static const char *const argv[] = { "iptables-restore", "--noflush", "-w", "5", NULL };
    HpError error = { 0 };
    size_t room = sizeof rules->text - rules->length;
    snprintf(rules->text + rules->length, room, "COMMIT\n");
    HpSpawn spawn = { .argv = argv,
                      .input = rules->text,
                      .path = run->host->program_path,
                      .timeout_s = TOOL_WAIT_S };
    int status = hp_spawn(&spawn, &error);
    if (status != 0 && rules->add)
        hp_note("no rules of iptables for %s, which may cut the guest off: %s%s", rules->port,
                error.text, spawn.output);
}

void
hp_iptables(HpRun *run, const char *port, bool add)
{
    char ip[HP_VALUE_SIZE], from[96];
    HpAddress address;
    HpError kept = run->error; /* of what failed before, and is being undone */
    if (!run->host->iptables)
        return;
    run->error = (HpError){ 0 };
    bool known = hp_read_ip(run, ip);
    if (!known)
        hp_note("%s", run->error.text);
    run->error = kept;
    if (!known)
        return;
    HP_AUTO_FREE Rules *rules = calloc(1, sizeof *rules);
    if (!rules)
        abort();
    rules->port = port;
    rules->add = add;
    rules->length = (size_t)snprintf(rules->text, sizeof rules->text, "*filter\n");
    bool any = false;
    char *rest = ip;
    for (char *word = hp_next_word(&rest); word; word = hp_next_word(&rest)) {
        any = true; /* also one that is left out: a guest with addresses may not use others */
        if (!hp_parse_address(word, &address) || strchr(word, ':') || strlen(word) > 64) {
            hp_note("ip: '%.64s' is no IPv4 address or network; it gets no rule", word);
            continue;
        }
        snprintf(from, sizeof from, " -s %s", word);
        add_rules(rules, from);
    }
    add_rules(rules, any ? " -p udp --sport 68 --dport 67" : "");
    apply_rules(run, rules);
}

static int
is_hook(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + length - 5, ".hook") == 0;
}

/* They are fragments of shell that Xen's scripts read, with their functions and variables. */
static bool
run_hooks(HpRun *run, struct dirent **hooks, int n, const char *const *variables)
{
    static const char script[] =
        "dir=$(dirname \"$0\")\n"
        "hooks=(\"$@\"); set --\n"
        "for part in xen-hotplug-common.sh xen-network-common.sh; do\n"
        "    [ ! -e \"$dir/$part\" ] || . \"$dir/$part\"\n"
        "done\n"
        "for hook in \"${hooks[@]}\"; do\n"
        "    [ ! -x \"$dir/vif-post.d/$hook\" ] || . \"$dir/vif-post.d/$hook\"\n"
        "done\n";
    char self[256];
    const char *argv[MAX_HOOKS + 5] = { "bash", "-c", script, self };
    snprintf(self, sizeof self, "%s/vif-%s", run->host->script_dir,
             run->request.kind == HP_ROUTE ? "route" : "bridge");
    for (int i = 0; i < n && i < MAX_HOOKS; i++)
        argv[4 + i] = hooks[i]->d_name;
    HpSpawn spawn = {
        .argv = argv, .extra = variables, .path = run->host->program_path, .timeout_s = HOOKS_WAIT_S
    };
    int status = hp_spawn(&spawn, &run->error);
    if (status > 0)
        hp_fail(&run->error, "a hook in %s/vif-post.d failed (%d): %.300s", run->host->script_dir,
                status, spawn.output);
    return status == 0;
}

bool
hp_hooks(HpRun *run, const char *port, const char *bridge, const char *main_ip)
{
    static const char *const commands[] = { "add", "remove", "online", "offline" };
    struct dirent **hooks = NULL;
    char folder[256];
    snprintf(folder, sizeof folder, "%s/vif-post.d", run->host->script_dir);
    int n = scandir(folder, &hooks, is_hook, alphasort);
    if (n <= 0) {
        free(hooks);
        return true;
    }
    char ip[HP_VALUE_SIZE] = "";
    bool ok = hp_read_ip(run, ip);
    if (ok) {
        const struct {
            const char *name, *value;
        } values[] = {
            { "dev", port },
            { "command", commands[run->request.command] },
            { "type_if", run->request.tap ? "tap" : "vif" },
            { "bridge", bridge },
            { "ip", ip },
            { "main_ip", main_ip },
            { "XENBUS_PATH", run->request.path },
        };
        const char *variables[HP_N(values) + 1] = { NULL };
        char *texts[HP_N(values)];
        for (size_t i = 0; i < HP_N(values); i++) {
            if (asprintf(&texts[i], "%s=%s", values[i].name, values[i].value) < 0)
                abort();
            variables[i] = texts[i];
        }
        ok = run_hooks(run, hooks, n, variables);
        for (size_t i = 0; i < HP_N(values); i++)
            free(texts[i]);
    }
    for (int i = 0; i < n; i++)
        free(hooks[i]);
    free(hooks);
    return ok;
}
