// SPDX-License-Identifier: LGPL-2.1-or-later
/* The smallest guest: a PV kernel that says "stub: up" on its console and then sleeps for ever. It
 * reacts to nothing, so what is left of a start's time is the toolstack's. The interface is that of
 * Xen's public headers (xen.h, sched.h, event_channel.h, io/console.h). */
#include <stdint.h>

enum {
    HYPERCALL_SCHED_OP = 29,
    HYPERCALL_EVENT_CHANNEL_OP = 32,
    SCHEDOP_POLL = 3,
    EVTCHNOP_SEND = 4,
    PAGE = 4096,
};

struct start_info {
    char magic[32];
    uint64_t nr_pages;
    uint64_t shared_info;
    uint32_t flags;
    uint64_t store_mfn;
    uint32_t store_port;
    uint64_t console_mfn;
    uint32_t console_port;
    uint64_t pt_base;
    uint64_t nr_pt_frames;
    const uint64_t *mfn_list;
};

struct console {
    char in[1024];
    char out[2048];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
};

struct poll {
    uint32_t *ports;
    uint32_t nr_ports;
    uint64_t timeout;
};

extern char hypercall_page[PAGE];
void stub_main(const struct start_info *info);

static long
hypercall(int number, long command, void *argument)
{
    long result;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(command), "+S"(argument)
                     : [entry] "r"(hypercall_page + number * 32)
                     : "rcx", "r11", "memory");
    return result;
}

/* The machine page of the console is one of ours; the kernel is linked at 0, so that a page's
 * number is its address. */
static struct console *
find_console(const struct start_info *info)
{
    for (uint64_t page = 0; page < info->nr_pages; page++)
        if (info->mfn_list[page] == info->console_mfn)
            return (struct console *)(page * PAGE);
    return 0;
}

static void
print(const struct start_info *info, const char *text)
{
    volatile struct console *console = find_console(info);
    uint32_t port = info->console_port;

    if (!console)
        return;
    uint32_t place = console->out_prod;
    for (; *text; text++)
        console->out[place++ % sizeof console->out] = *text;
    __asm__ volatile("" ::: "memory");
    console->out_prod = place;
    hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVTCHNOP_SEND, &port);
}

void
stub_main(const struct start_info *info)
{
    struct poll nothing = { 0 };

    print(info, "stub: up\r\n");
    /* Waits for none of no ports, without a time-out. An event may end it; then again. */
    for (;;)
        hypercall(HYPERCALL_SCHED_OP, SCHEDOP_POLL, &nothing);
}
