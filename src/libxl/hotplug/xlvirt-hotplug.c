/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main() of xlvirt-hotplug: see hp.h. */
#include "hp-request.h"
#include "hp-store.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* libxl kills a script after 40 s without a word; we say one before. Every wait of our own is
 * shorter, so this is for a store or a file system that does not answer. */
#define ALL_WAIT_S 38

static void
on_alarm(int signal_number)
{
    static const char text[] = "xlvirt-hotplug: no end after 38 s: does xenstored answer, or the "
                               "disk's file system?\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

static const char *
get_variable(const char *name)
{
    return getenv(name);
}

int
main(int argc, char **argv)
{
    HpHost host = hp_host_default;
    HpRun run = { .host = &host };
    switch (hp_request_parse(argc, argv, get_variable, &run.request, &run.error)) {
    case HP_PARSE_FAILED:
        hp_note("%s", run.error.text);
        return 1;
    case HP_PARSE_NOTHING_TO_DO:
        return 0;
    case HP_PARSE_OK:
        break;
    }
    const char *iptables = getenv("XLVIRT_HOTPLUG_IPTABLES");
    host.iptables = iptables && strcmp(iptables, "yes") == 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_alarm);
    alarm(ALL_WAIT_S);
    run.store = hp_xenstore_open(&run.error);
    if (!run.store) {
        hp_note("%s", run.error.text);
        return 1;
    }
    bool ok = hp_run(&run);
    hp_store_close(run.store);
    return ok ? 0 : 1;
}
