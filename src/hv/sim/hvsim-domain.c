/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-domain.h>

#include <hv/sim/hvsim-tune.h>
#include <hv/sim/hvsim-vcpu.h>

#include <string.h>

#define DOMID_LAST      0x7fef /* Xen's DOMID_FIRST_RESERVED - 1 */
#define PORT_FIRST      5900
#define PORT_LAST       65535
#define BALLOON_STEP_US 10000
#define BALLOON_STEP    (16u << 10) /* KiB a step */
#define BALLOON_WAIT_US 100000      /* the host has nothing free */
#define MS              1000        /* us */

enum { CODE_POWEROFF, CODE_REBOOT, CODE_SUSPEND, CODE_CRASH };

typedef enum GuestTask { TASK_BOOT, TASK_DOWN, TASK_CRASH, TASK_BALLOON, N_TASKS } GuestTask;

/* A timer in the guest's own time. */
typedef struct GuestTimer {
    SimDomain *domain;
    SimTimer timer; /* armed only while the guest runs */
    gboolean set;
    gint64 left_us; /* valid while set and not armed */
} GuestTimer;

struct SimDomain {
    SimMachine *machine;
    int domid;
    char *name;
    guint8 uuid[16];
    char *record;
    gboolean hvm;
    guint64 memory_kib, target_kib, max_memory_kib;
    SimVcpus *vcpus;
    gboolean paused, booted;
    int down;       /* -1: up; else Xen's shutdown code, 2 while it is being saved */
    int asked_down; /* -1, or the code to end with after the boot */
    gint64 mark_us; /* guest time is accounted until here; 0: it stands still */
    gint64 age_us;
    guint64 crash_knob; /* crash-after-ms that TASK_CRASH was armed with */
    GuestTimer tasks[N_TASKS];
    SimConsole *console; /* NULL: has none */
    GArray *ports;       /* guint32 */
    gboolean asleep;     /* its guest suspended itself: `down` is 2 then, and no save is on */
    SimTurns *turns;
    SimTune *tune;
};

/* ---- the machine ---- */

static void domain_free(gpointer data);
static SimDomain *control_new(SimMachine *machine);

static guint
hash_uuid(gconstpointer uuid)
{
    guint hash;
    memcpy(&hash, (const guint8 *)uuid + 12, sizeof(hash));
    return hash;
}

static gboolean
equal_uuid(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, 16) == 0;
}

SimMachine *
sim_machine_new(SimLoop *loop, SimControl *control, SimConf *conf, SimMachineEvent event,
                gpointer data)
{
    SimMachine *machine = g_new0(SimMachine, 1);
    machine->loop = loop;
    machine->control = control;
    machine->conf = *conf;
    machine->free_kib = conf->memory_kib - conf->dom0_kib;
    machine->next_domid = 1;
    machine->domains = g_hash_table_new_full(NULL, NULL, NULL, domain_free);
    machine->names = g_hash_table_new(g_str_hash, g_str_equal);
    machine->uuids = g_hash_table_new(hash_uuid, equal_uuid);
    machine->ports = g_hash_table_new(NULL, NULL);
    machine->load = g_new0(guint, conf->cpus);
    machine->busy_ns = g_new0(guint64, conf->cpus);
    machine->born_us = g_get_monotonic_time();
    machine->event = event;
    machine->event_data = data;
    machine->dom0 = control_new(machine);
    machine->free_pci = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return machine;
}

void
sim_machine_free(SimMachine *machine)
{
    if (machine == NULL)
        return;
    domain_free(machine->dom0);
    g_hash_table_unref(machine->free_pci);
    g_hash_table_unref(machine->names);
    g_hash_table_unref(machine->uuids);
    g_hash_table_unref(machine->domains);
    g_hash_table_unref(machine->ports);
    g_free(machine->load);
    g_free(machine->busy_ns);
    g_free(machine->conf.scheduler);
    g_free(machine);
}

SimDomain *
sim_machine_lookup(SimMachine *machine, int domid, GError **error)
{
    SimDomain *domain = domid == 0 ? machine->dom0
                                   : g_hash_table_lookup(machine->domains, GINT_TO_POINTER(domid));
    if (domain == NULL)
        g_set_error(error, SIM_ERROR, HV_ERROR_NO_DOMAIN, "the hypervisor has no domain %d", domid);
    return domain;
}

void
sim_machine_info(SimMachine *machine, HvHostInfo *ret_info)
{
    const SimConf *conf = &machine->conf;
    *ret_info = (HvHostInfo){ .model = "x86_64",
                              .memory_kib = conf->memory_kib,
                              .free_memory_kib = machine->free_kib,
                              .cpus = conf->cpus,
                              .mhz = conf->mhz,
                              .nodes = conf->nodes,
                              .sockets = conf->sockets,
                              .cores = conf->cores,
                              .threads = conf->threads,
                              .version = conf->version,
                              .max_vcpus = conf->max_vcpus };
}

static int
take_domid(SimMachine *machine)
{
    for (int tries = 0; tries < DOMID_LAST; tries++) {
        int domid = machine->next_domid;
        machine->next_domid = domid == DOMID_LAST ? 1 : domid + 1;
        if (!g_hash_table_contains(machine->domains, GINT_TO_POINTER(domid)))
            return domid;
    }
    return -1;
}

void
sim_domain_tell(SimDomain *domain, const HvEngineEvent *what)
{
    domain->machine->event(domain, what, domain->machine->event_data);
}

/* ---- guest time ---- */

/* Books what has passed since the last look. */
static void
account(SimDomain *domain)
{
    if (domain->mark_us == 0)
        return;
    gint64 now = g_get_monotonic_time();
    gint64 passed = now - domain->mark_us;
    sim_vcpus_run(domain->vcpus, (guint64)passed, domain->booted);
    sim_tune_run(domain->tune, (guint64)passed);
    domain->age_us += passed;
    domain->mark_us = now;
}

static void on_task(gpointer data);

static void
set_task(SimDomain *domain, GuestTask task, gint64 delay_us)
{
    GuestTimer *timer = &domain->tasks[task];
    timer->set = TRUE;
    timer->left_us = delay_us;
    if (domain->mark_us != 0)
        sim_timer_start(&timer->timer, domain->machine->loop, delay_us, on_task, timer);
}

static void
clear_task(SimDomain *domain, GuestTask task)
{
    domain->tasks[task].set = FALSE;
    sim_timer_stop(&domain->tasks[task].timer);
}

static void
stop_time(SimDomain *domain)
{
    if (domain->mark_us == 0)
        return;
    account(domain);
    domain->mark_us = 0;
    for (GuestTask task = 0; task < N_TASKS; task++) {
        GuestTimer *timer = &domain->tasks[task];
        if (!timer->set)
            continue;
        timer->left_us = MAX(timer->timer.due_us - g_get_monotonic_time(), 0);
        sim_timer_stop(&timer->timer);
    }
    if (domain->console != NULL)
        sim_console_listen(domain->console, FALSE);
}

static void guest_print(SimDomain *domain, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
guest_say(SimDomain *domain, const char *text)
{
    sim_turns_show(domain->turns, text);
    if (domain->console != NULL)
        sim_console_write(domain->console, text, strlen(text));
}

static void
guest_print(SimDomain *domain, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    guest_say(domain, text);
}

static void
guest_greet(SimDomain *domain)
{
    guint64 version = domain->machine->conf.version;
    guest_print(domain,
                "Booting %s under simulated Xen %u.%u.%u ...\r\n"
                "[    0.000000] Xen: booting as %s guest, domain %d\r\n"
                "[    0.000000] Memory: %" G_GUINT64_FORMAT "K/%" G_GUINT64_FORMAT "K available\r\n"
                "[    0.004000] smp: Brought up 1 node, %u CPU%s\r\n",
                domain->name, (guint)(version / 1000000), (guint)(version / 1000 % 1000),
                (guint)(version % 1000), domain->hvm ? "HVM" : "PV", domain->domid,
                domain->memory_kib, domain->max_memory_kib, sim_vcpus_online(domain->vcpus),
                sim_vcpus_online(domain->vcpus) == 1 ? "" : "s");
}

static void
start_time(SimDomain *domain)
{
    if (domain->mark_us != 0 || domain->paused || domain->down >= 0)
        return;
    domain->mark_us = g_get_monotonic_time();
    for (GuestTask task = 0; task < N_TASKS; task++)
        if (domain->tasks[task].set)
            set_task(domain, task, domain->tasks[task].left_us);
    if (domain->console != NULL)
        sim_console_listen(domain->console, domain->booted);
}

/* ---- what guests do ---- */

static void
prompt(SimDomain *domain)
{
    guest_print(domain, "%s login: ", domain->name);
}

static void
on_typed(const char *data, gsize len, gpointer user)
{
    SimDomain *domain = user;
    for (gsize i = 0; i < len; i++) {
        if (data[i] == '\r' || data[i] == '\n') {
            guest_print(domain, "\r\n");
            prompt(domain);
        } else if (data[i] == '\b' || data[i] == 0x7f) {
            guest_print(domain, "\b \b");
        } else if (!g_ascii_iscntrl(data[i])) {
            guest_print(domain, "%c", data[i]);
        }
    }
}

static gint64
down_delay(SimDomain *domain)
{
    guint64 ms;
    sim_control_knob(domain->machine->control, domain->name, SIM_KNOB_SHUTDOWN_MS, &ms);
    return (gint64)ms * MS;
}

static void
guest_booted(SimDomain *domain)
{
    account(domain);
    domain->booted = TRUE;
    guest_print(domain, "[%12.6f] random: crng init done\r\n\r\n",
                (double)domain->age_us / G_USEC_PER_SEC);
    prompt(domain);
    if (domain->console != NULL)
        sim_console_listen(domain->console, TRUE);
    if (domain->asked_down >= 0)
        set_task(domain, TASK_DOWN, down_delay(domain));
}

static void
guest_ends(SimDomain *domain, int code)
{
    static const char *const last_words[] = {
        [CODE_POWEROFF] = "reboot: Power down",
        [CODE_REBOOT] = "reboot: Restarting system",
        [CODE_SUSPEND] = "PM: suspend entry",
        [CODE_CRASH] = "Kernel panic - not syncing: simulated crash",
    };
    guest_print(domain, "\r\n[%12.6f] %s\r\n", (double)domain->age_us / G_USEC_PER_SEC,
                (guint)code < G_N_ELEMENTS(last_words) ? last_words[code]
                                                       : "reboot: System halted");
    stop_time(domain);
    for (GuestTask task = 0; task < N_TASKS; task++)
        clear_task(domain, task);
    domain->down = code;
    sim_log("domain %d '%s' ended with code %d", domain->domid, domain->name, code);
    sim_domain_tell(domain, &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_SHUTDOWN, .code = code });
}

static void
guest_balloons(SimDomain *domain)
{
    guint64 *free_kib = &domain->machine->free_kib;
    if (domain->memory_kib > domain->target_kib) {
        guint64 step = MIN(domain->memory_kib - domain->target_kib, BALLOON_STEP);
        domain->memory_kib -= step;
        *free_kib += step;
    } else {
        guint64 step = MIN(domain->target_kib - domain->memory_kib, BALLOON_STEP);
        step = MIN(step, *free_kib);
        domain->memory_kib += step;
        *free_kib -= step;
        if (step == 0 && domain->memory_kib < domain->target_kib) {
            set_task(domain, TASK_BALLOON, BALLOON_WAIT_US);
            return;
        }
    }
    if (domain->memory_kib != domain->target_kib)
        set_task(domain, TASK_BALLOON, BALLOON_STEP_US);
}

static void
on_task(gpointer data)
{
    GuestTimer *timer = data;
    SimDomain *domain = timer->domain;
    timer->set = FALSE;
    switch ((GuestTask)(timer - domain->tasks)) {
    case TASK_BOOT:
        guest_booted(domain);
        break;
    case TASK_DOWN:
        guest_ends(domain, domain->asked_down);
        break;
    case TASK_CRASH:
        guest_ends(domain, CODE_CRASH);
        break;
    case TASK_BALLOON:
        guest_balloons(domain);
        break;
    case N_TASKS:
        break;
    }
}

static void
look_at_crash_knob(SimDomain *domain)
{
    guint64 ms;
    gboolean wanted = sim_control_knob(domain->machine->control, domain->name,
                                       SIM_KNOB_CRASH_AFTER_MS, &ms);
    if (domain->down >= 0 || ms == domain->crash_knob)
        return;
    domain->crash_knob = ms;
    if (wanted)
        set_task(domain, TASK_CRASH, (gint64)ms * MS);
    else
        clear_task(domain, TASK_CRASH);
}

void
sim_machine_control_changed(SimMachine *machine)
{
    GHashTableIter iter;
    gpointer domain;
    g_hash_table_iter_init(&iter, machine->domains);
    while (g_hash_table_iter_next(&iter, NULL, &domain))
        look_at_crash_knob(domain);
}

/* ---- coming and going ---- */

static gboolean
check_start(SimMachine *machine, const SimStart *start, const SimGuest *guest, GError **error)
{
    guint64 wanted = guest == NULL ? start->memory_kib : guest->memory_kib;
    if (g_hash_table_contains(machine->names, start->name))
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "a domain named '%s' already runs",
                    start->name);
    else if (g_hash_table_contains(machine->uuids, start->uuid))
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "a domain with the uuid of '%s' already runs", start->name);
    else if (start->vcpus_max > machine->conf.max_vcpus)
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "%u vcpus wanted, a domain of this host may have %u", start->vcpus_max,
                    machine->conf.max_vcpus);
    else if (guest != NULL && guest->memory_kib > start->max_memory_kib)
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "the saved guest has more memory than the domain may have");
    else if (wanted > machine->free_kib)
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "not enough free memory: %" G_GUINT64_FORMAT " MiB wanted, %" G_GUINT64_FORMAT
                    " MiB free",
                    (wanted + 1023) / 1024, machine->free_kib / 1024);
    else
        return TRUE;
    return FALSE;
}

static void
take_ports(SimDomain *domain, guint n)
{
    domain->ports = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint32 port = PORT_FIRST; port <= PORT_LAST && domain->ports->len < n; port++)
        if (g_hash_table_add(domain->machine->ports, GUINT_TO_POINTER(port)))
            g_array_append_val(domain->ports, port);
}

static void
begin_guest(SimDomain *domain, const SimStart *start, const SimGuest *guest)
{
    guint64 boot_ms;
    sim_control_knob(domain->machine->control, domain->name, SIM_KNOB_BOOT_MS, &boot_ms);
    if (guest == NULL) {
        guest_greet(domain);
        for (guint i = 0; i < start->disks->len; i++)
            guest_print(domain, "[    0.0%02u000] blkfront: %s: found\r\n", 10 + i,
                        (const char *)start->disks->pdata[i]);
    } else {
        gsize len;
        const char *backlog = g_bytes_get_data(guest->backlog, &len);
        if (domain->console != NULL)
            sim_console_write(domain->console, backlog, len);
        domain->booted = guest->booted;
        domain->age_us = guest->age_us;
    }
    if (!domain->booted)
        set_task(domain, TASK_BOOT, MAX((gint64)boot_ms * MS - domain->age_us, 0));
    if (domain->memory_kib != domain->target_kib)
        set_task(domain, TASK_BALLOON, 0);
    look_at_crash_knob(domain);
}

SimDomain *
sim_domain_new(SimMachine *machine, SimStart *start, const SimGuest *guest, GError **error)
{
    if (!check_start(machine, start, guest, error))
        return NULL;
    SimDomain *domain = g_new0(SimDomain, 1);
    domain->machine = machine;
    domain->domid = take_domid(machine);
    domain->name = g_strdup(start->name);
    memcpy(domain->uuid, start->uuid, 16);
    domain->record = g_strdup(start->record);
    domain->hvm = start->hvm;
    domain->down = domain->asked_down = -1;
    domain->crash_knob = G_MAXUINT64;
    domain->turns = sim_turns_new(start);
    for (GuestTask task = 0; task < N_TASKS; task++)
        domain->tasks[task].domain = domain;
    domain->target_kib = start->memory_kib;
    domain->max_memory_kib = start->max_memory_kib;
    domain->vcpus = sim_vcpus_new(machine, start, guest, (guint)MAX(domain->domid, 0));
    domain->tune = sim_tune_new(start->options, (guint)MAX(domain->domid, 0));
    if (domain->domid < 0 || !sim_vcpus_check(domain->vcpus, error)) {
        if (domain->domid < 0)
            g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "the host has no free domain id");
        domain_free(domain);
        return NULL;
    }
    /* From here on nothing fails. */
    domain->memory_kib = guest == NULL ? start->memory_kib : guest->memory_kib;
    machine->free_kib -= domain->memory_kib;
    sim_vcpus_boot(domain->vcpus, guest == NULL ? start->vcpus_online : guest->vcpus_online,
                   start->options);
    take_ports(domain, start->n_ports);
    g_hash_table_insert(machine->domains, GINT_TO_POINTER(domain->domid), domain);
    g_hash_table_insert(machine->names, domain->name, domain);
    g_hash_table_insert(machine->uuids, domain->uuid, domain);
    if (start->console) {
        g_autoptr(GError) no_pty = NULL;
        domain->console = sim_console_new(machine->loop, on_typed, domain);
        if (!sim_console_open_pty(domain->console, TRUE, &no_pty))
            sim_log("domain %d '%s' gets its pty when it is asked for: %s", domain->domid,
                    domain->name, no_pty->message);
    }
    domain->paused = start->paused;
    begin_guest(domain, start, guest);
    start_time(domain);
    sim_log("domain %d '%s' %s: %" G_GUINT64_FORMAT " MiB, %u vcpus, console %s", domain->domid,
            domain->name, guest == NULL ? "created" : "restored", domain->memory_kib / 1024,
            sim_vcpus_online(domain->vcpus),
            domain->console == NULL ? "none" : sim_console_tty(domain->console));
    sim_domain_tell(domain, &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_NEW });
    return domain;
}

/* Domain 0 is there from the beginning, with a vcpu for each cpu, and its guest has booted. */
static SimDomain *
control_new(SimMachine *machine)
{
    const SimConf *conf = &machine->conf;
    g_autoptr(SimStart) start = sim_start_new();
    SimDomain *domain = g_new0(SimDomain, 1);
    domain->machine = machine;
    domain->name = g_strdup("Domain-0");
    domain->record = g_strdup("");
    domain->down = domain->asked_down = -1;
    domain->booted = TRUE;
    domain->crash_knob = G_MAXUINT64;
    domain->memory_kib = domain->target_kib = domain->max_memory_kib = conf->dom0_kib;
    domain->turns = sim_turns_new(start);
    domain->ports = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (GuestTask task = 0; task < N_TASKS; task++)
        domain->tasks[task].domain = domain;
    domain->vcpus = sim_vcpus_new_control(machine);
    domain->tune = sim_tune_new(NULL, 0);
    start_time(domain);
    return domain;
}

static void
domain_free(gpointer data)
{
    SimDomain *domain = data;
    for (GuestTask task = 0; task < N_TASKS; task++)
        clear_task(domain, task);
    sim_vcpus_free(domain->vcpus);
    sim_console_free(domain->console);
    sim_tune_free(domain->tune);
    g_clear_pointer(&domain->ports, g_array_unref);
    g_clear_pointer(&domain->turns, sim_turns_free);
    g_free(domain->name);
    g_free(domain->record);
    g_free(domain);
}

void
sim_domain_destroy(SimDomain *domain)
{
    SimMachine *machine = domain->machine;
    sim_log("domain %d '%s' destroyed", domain->domid, domain->name);
    stop_time(domain);
    sim_vcpus_set_online(domain->vcpus, 0);
    machine->free_kib += domain->memory_kib;
    for (guint i = 0; i < domain->ports->len; i++)
        g_hash_table_remove(machine->ports,
                            GUINT_TO_POINTER(g_array_index(domain->ports, guint32, i)));
    g_hash_table_remove(machine->names, domain->name);
    g_hash_table_remove(machine->uuids, domain->uuid);
    g_hash_table_steal(machine->domains, GINT_TO_POINTER(domain->domid));
    sim_domain_tell(domain, &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_GONE });
    domain_free(domain);
}

/* ---- questions ---- */

int
sim_domain_id(SimDomain *domain)
{
    return domain->domid;
}

const char *
sim_domain_name(SimDomain *domain)
{
    return domain->name;
}

const guint8 *
sim_domain_uuid(SimDomain *domain)
{
    return domain->uuid;
}

const char *
sim_domain_record(SimDomain *domain)
{
    return domain->record;
}

gboolean
sim_domain_is_hvm(SimDomain *domain)
{
    return domain->hvm;
}

static guint32
state_flags(const SimDomain *domain)
{
    if (domain->down >= 0)
        return SIM_FLAG_SHUTDOWN | (domain->down == CODE_CRASH ? SIM_FLAG_CRASHED : 0);
    if (domain->paused)
        return SIM_FLAG_PAUSED;
    return domain->booted ? SIM_FLAG_BLOCKED : SIM_FLAG_RUNNING;
}

void
sim_domain_row(SimDomain *domain, SimDomainRow *ret_row)
{
    SimDomainRow row = { .memory_kib = domain->memory_kib,
                         .max_memory_kib = domain->max_memory_kib,
                         .domid = domain->domid,
                         .flags = state_flags(domain),
                         .shutdown_code = domain->down,
                         .vcpus_online = sim_vcpus_online(domain->vcpus),
                         .vcpus_max = sim_vcpus_max(domain->vcpus) };
    account(domain);
    sim_uuid_to_words(domain->uuid, &row.uuid_high, &row.uuid_low);
    row.cpu_time_ns = sim_vcpus_used_ns(domain->vcpus);
    *ret_row = row;
}

GVariant *
sim_domain_live(SimDomain *domain)
{
    return g_variant_new("(is@au)", domain->domid,
                         domain->console == NULL ? "" : sim_console_tty(domain->console),
                         g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, domain->ports->data,
                                                   domain->ports->len, sizeof(guint32)));
}

GVariant *
sim_domain_vcpus(SimDomain *domain)
{
    account(domain);
    return sim_vcpus_rows(domain->vcpus, !domain->booted && domain->mark_us != 0);
}

/* ---- orders ---- */

static gboolean
require_up(SimDomain *domain, GError **error)
{
    if (domain->down < 0)
        return TRUE;
    g_set_error(error, SIM_ERROR, HV_ERROR_WRONG_STATE, "domain %d '%s' has %s", domain->domid,
                domain->name, domain->down == CODE_SUSPEND ? "been suspended" : "ended");
    return FALSE;
}

gboolean
sim_domain_ask_down(SimDomain *domain, int code, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    guint64 ignores;
    sim_control_knob(domain->machine->control, domain->name, SIM_KNOB_IGNORES_SHUTDOWN, &ignores);
    sim_log("domain %d '%s' is asked to end with code %d%s", domain->domid, domain->name, code,
            ignores ? ", and does not listen" : "");
    if (ignores)
        return TRUE;
    domain->asked_down = code;
    if (domain->booted && !domain->tasks[TASK_DOWN].set)
        set_task(domain, TASK_DOWN, down_delay(domain));
    return TRUE;
}

gboolean
sim_domain_go_down(SimDomain *domain, int code, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    guest_ends(domain, code);
    return TRUE;
}

gboolean
sim_domain_pause(SimDomain *domain, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    stop_time(domain);
    domain->paused = TRUE;
    return TRUE;
}

gboolean
sim_domain_unpause(SimDomain *domain, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    domain->paused = FALSE;
    start_time(domain);
    return TRUE;
}

gboolean
sim_domain_set_memory(SimDomain *domain, guint64 kib, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    if (kib == 0 || kib > domain->max_memory_kib) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "memory target %" G_GUINT64_FORMAT
                    " KiB is not between 1 KiB and the maximum of %" G_GUINT64_FORMAT " KiB",
                    kib, domain->max_memory_kib);
        return FALSE;
    }
    domain->target_kib = kib;
    clear_task(domain, TASK_BALLOON);
    if (domain->memory_kib != kib)
        set_task(domain, TASK_BALLOON, BALLOON_STEP_US);
    return TRUE;
}

gboolean
sim_domain_set_max_memory(SimDomain *domain, guint64 kib, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    if (kib < domain->target_kib) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "the maximum of %" G_GUINT64_FORMAT
                    " KiB is below the memory target of %" G_GUINT64_FORMAT " KiB",
                    kib, domain->target_kib);
        return FALSE;
    }
    domain->max_memory_kib = kib;
    return TRUE;
}

gboolean
sim_domain_set_vcpus(SimDomain *domain, guint online, GError **error)
{
    if (!require_up(domain, error))
        return FALSE;
    if (online == 0 || online > sim_vcpus_max(domain->vcpus)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE,
                    "%u vcpus are not between 1 and the maximum of %u", online,
                    sim_vcpus_max(domain->vcpus));
        return FALSE;
    }
    account(domain);
    sim_vcpus_set_online(domain->vcpus, online);
    return TRUE;
}

guint
sim_domain_max_vcpus(SimDomain *domain)
{
    return sim_vcpus_max(domain->vcpus);
}

SimTune *
sim_domain_tune(SimDomain *domain)
{
    return domain->tune;
}

void
sim_domain_account(SimDomain *domain)
{
    account(domain);
}

gboolean
sim_domain_pin(SimDomain *domain, guint number, GBytes *cpus, GError **error)
{
    account(domain);
    return require_up(domain, error) && sim_vcpus_pin(domain->vcpus, number, cpus, error);
}

gboolean
sim_domain_set_vcpu_map(SimDomain *domain, GBytes *map, GError **error)
{
    account(domain);
    return require_up(domain, error) && sim_vcpus_set_map(domain->vcpus, map, error);
}

SimGuest *
sim_domain_suspend(SimDomain *domain, GError **error)
{
    if (!require_up(domain, error))
        return NULL;
    stop_time(domain);
    domain->down = CODE_SUSPEND;
    SimGuest *guest = g_new0(SimGuest, 1);
    guest->memory_kib = domain->memory_kib;
    guest->vcpus_online = sim_vcpus_online(domain->vcpus);
    guest->booted = domain->booted;
    guest->paused = domain->paused;
    guest->age_us = domain->age_us;
    guest->cpu_ns = sim_vcpus_times(domain->vcpus);
    if (domain->console == NULL) {
        guest->backlog = g_bytes_new(NULL, 0);
    } else {
        gsize len;
        guest->backlog = sim_console_take_backlog(domain->console);
        const char *backlog = g_bytes_get_data(guest->backlog, &len);
        /* It may run on after a save that failed. */
        sim_console_write(domain->console, backlog, len);
    }
    return guest;
}

gboolean
sim_domain_resume(SimDomain *domain, GError **error)
{
    if (domain->down == CODE_SUSPEND && !domain->asleep)
        domain->down = -1;
    if (!require_up(domain, error))
        return FALSE;
    start_time(domain);
    return TRUE;
}

int
sim_domain_console(SimDomain *domain, guint number, GError **error)
{
    if (domain->console == NULL || number != 0) {
        g_set_error(error, SIM_ERROR, HV_ERROR_UNSUPPORTED,
                    "domain %d '%s' has no simulated console %u", domain->domid, domain->name,
                    number);
        return -1;
    }
    return sim_console_attach(domain->console, error);
}

/* ---- what hvsim-turn.c needs of the inside ---- */

SimTurns *
sim_domain_turns(SimDomain *domain)
{
    return domain->turns;
}

SimMachine *
sim_domain_machine(SimDomain *domain)
{
    return domain->machine;
}

void
sim_domain_print(SimDomain *domain, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    guest_say(domain, text);
}

gboolean
sim_domain_is_up(SimDomain *domain, GError **error)
{
    return require_up(domain, error);
}

gboolean
sim_domain_reset(SimDomain *domain, GError **error)
{
    guint64 boot_ms;
    if (!domain->hvm) {
        g_set_error(error, SIM_ERROR, HV_ERROR_UNSUPPORTED,
                    "domain %d '%s' is a PV guest: it has no reset button", domain->domid,
                    domain->name);
        return FALSE;
    }
    if (domain->asleep)
        sim_domain_wakeup(domain, NULL);
    if (!require_up(domain, error))
        return FALSE;
    sim_control_knob(domain->machine->control, domain->name, SIM_KNOB_BOOT_MS, &boot_ms);
    account(domain);
    domain->booted = FALSE;
    domain->age_us = 0;
    domain->asked_down = -1;
    clear_task(domain, TASK_DOWN);
    guest_print(domain, "\r\n");
    guest_greet(domain);
    set_task(domain, TASK_BOOT, (gint64)boot_ms * MS);
    return TRUE;
}

gboolean
sim_domain_sleep(SimDomain *domain, GError **error)
{
    guint64 never;
    if (!require_up(domain, error))
        return FALSE;
    sim_control_knob(domain->machine->control, domain->name, SIM_KNOB_NEVER_SLEEPS, &never);
    if (never || domain->paused || !domain->booted) {
        g_set_error(error, SIM_ERROR, HV_ERROR_TIMEOUT,
                    "the guest of domain %d '%s' did not suspend in time", domain->domid,
                    domain->name);
        return FALSE;
    }
    guest_print(domain, "\r\n[%12.6f] PM: suspend entry\r\n",
                (double)domain->age_us / G_USEC_PER_SEC);
    stop_time(domain);
    domain->down = CODE_SUSPEND;
    domain->asleep = TRUE;
    sim_domain_tell(domain,
                    &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_SHUTDOWN, .code = CODE_SUSPEND });
    return TRUE;
}

gboolean
sim_domain_wakeup(SimDomain *domain, GError **error)
{
    if (!domain->asleep) {
        g_set_error(error, SIM_ERROR, HV_ERROR_WRONG_STATE, "domain %d '%s' is not asleep",
                    domain->domid, domain->name);
        return FALSE;
    }
    domain->asleep = FALSE;
    domain->down = -1;
    start_time(domain);
    guest_print(domain, "[%12.6f] PM: suspend exit\r\n", (double)domain->age_us / G_USEC_PER_SEC);
    prompt(domain);
    return TRUE;
}

guint
sim_domain_screen_port(SimDomain *domain)
{
    return domain->ports->len > 0 ? g_array_index(domain->ports, guint32, 0) : 0;
}

void
sim_domain_set_record(SimDomain *domain, const char *record)
{
    g_free(domain->record);
    domain->record = g_strdup(record);
}

gboolean
sim_domain_rename(SimDomain *domain, const char *name, const guint8 uuid[16], const char *record,
                  GError **error)
{
    SimMachine *machine = domain->machine;
    SimDomain *other = g_hash_table_lookup(machine->names, name);
    SimDomain *same = g_hash_table_lookup(machine->uuids, uuid);
    if ((other != NULL && other != domain) || (same != NULL && same != domain)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "a domain named '%s', or of its uuid, runs",
                    name);
        return FALSE;
    }
    g_hash_table_remove(machine->names, domain->name);
    g_hash_table_remove(machine->uuids, domain->uuid);
    g_free(domain->name);
    domain->name = g_strdup(name);
    memcpy(domain->uuid, uuid, 16);
    g_hash_table_insert(machine->names, domain->name, domain);
    g_hash_table_insert(machine->uuids, domain->uuid, domain);
    sim_domain_set_record(domain, record);
    sim_log("domain %d is '%s' now", domain->domid, name);
    return TRUE;
}
