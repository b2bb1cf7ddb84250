// SPDX-License-Identifier: LGPL-2.1-or-later
/* The smallest guest: a PV kernel that says "stub: up" on its console and then sleeps, so that what
 * is left of a start's time is the toolstack's. It reacts to nothing but what is typed: p, r and c
 * are how it ends. The interface is that of Xen's public headers (xen.h, sched.h, event_channel.h,
 * io/console.h). */
#include <stdint.h>

enum {
    HYPERCALL_UPDATE_VA_MAPPING = 14,
    HYPERCALL_SCHED_OP = 29,
    HYPERCALL_EVENT_CHANNEL_OP = 32,
    SCHEDOP_SHUTDOWN = 2,
    SCHEDOP_POLL = 3,
    EVTCHNOP_SEND = 4,
    UVMF_INVLPG = 2,
    PAGE = 4096,
    PAGE_MAPPED = 7, /* present, writable, the guest's */
};

/* The letters; their places are Xen's reasons: poweroff, reboot, (suspend), crash. */
static const char ends[] = { 'p', 'r', 0, 'c' };

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

struct shared_info {
    char vcpus[2048];
    uint64_t pending[64], mask[64];
    uint32_t clock[4];
    uint64_t max_pfn;
    uint64_t p2m_top;
};

struct poll {
    uint32_t *ports;
    uint32_t nr_ports;
    uint64_t timeout;
};

extern char hypercall_page[PAGE];
static struct shared_info shared __attribute__((aligned(PAGE)));
static uint64_t p2m_pages[PAGE / 8] __attribute__((aligned(PAGE)));
static uint64_t p2m_top[PAGE / 8] __attribute__((aligned(PAGE)));
void stub_main(const struct start_info *info);

static long
hypercall(int number, uint64_t a, uint64_t b, uint64_t c)
{
    long result;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                     : [entry] "r"(hypercall_page + number * 32)
                     : "rcx", "r8", "r9", "r10", "r11", "memory");
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
print(volatile struct console *console, uint32_t port, const char *text)
{
    uint32_t place = console->out_prod;

    for (; *text; text++)
        console->out[place++ % sizeof console->out] = *text;
    __asm__ volatile("" ::: "memory");
    console->out_prod = place;
    hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVTCHNOP_SEND, (uint64_t)&port, 0);
}

/* Takes what was typed. */
static void
obey(volatile struct console *console)
{
    uint32_t reason;

    while (console->in_cons != console->in_prod) {
        char typed = console->in[console->in_cons % sizeof console->in];

        for (reason = 0; reason < sizeof ends; reason++)
            if (typed && ends[reason] == typed)
                hypercall(HYPERCALL_SCHED_OP, SCHEDOP_SHUTDOWN, (uint64_t)&reason, 0);
        console->in_cons++;
    }
}

/* Tells who dumps this domain's memory which pages it has: the pages of the list of them are in a
 * list, and this in one more. */
static void
show_memory(const struct start_info *info)
{
    const uint64_t each = PAGE / 8, first = (uint64_t)info->mfn_list / PAGE;
    uint64_t n = (info->nr_pages + each - 1) / each;

    if (n > each)
        return;
    for (uint64_t i = 0; i < n; i++)
        p2m_pages[i] = info->mfn_list[first + i];
    p2m_top[0] = info->mfn_list[(uint64_t)p2m_pages / PAGE];
    shared.p2m_top = info->mfn_list[(uint64_t)p2m_top / PAGE];
    shared.max_pfn = info->nr_pages;
}

void
stub_main(const struct start_info *info)
{
    volatile struct console *console = find_console(info);
    uint32_t port = info->console_port;
    struct poll poll = { .ports = &port, .nr_ports = !!console };

    if (console) {
        print(console, port, "stub: up\r\n");
        hypercall(HYPERCALL_UPDATE_VA_MAPPING, (uint64_t)&shared, info->shared_info | PAGE_MAPPED,
                  UVMF_INVLPG);
        show_memory(info);
    }
    /* Without a time-out. An event that is pending would end it at once. */
    for (;;) {
        hypercall(HYPERCALL_SCHED_OP, SCHEDOP_POLL, (uint64_t)&poll, 0);
        if (console) {
            __asm__ volatile("lock btr %1, %0"
                             : "+m"(shared.pending)
                             : "r"((uint64_t)port)
                             : "cc", "memory");
            obey(console);
        }
    }
}
