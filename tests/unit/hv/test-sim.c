/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated machine and its guests: memory, processors, consoles, their going down. */
#include "sim-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the host ---- */

static void
test_info(Fixture *f, gconstpointer conf)
{
    HvHostInfo info;
    g_autoptr(GError) error = NULL;
    g_assert_true(OPS->host_info(f->engine, &info, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(info.model, ==, "x86_64");
    g_assert_cmpuint(info.version, ==, 4017000);
    g_assert_cmpuint(info.cpus, ==, 8);
    g_assert_cmpuint(info.nodes * info.sockets * info.cores * info.threads, ==, 8);
    g_assert_cmpuint(info.memory_kib, ==, 32 * 1024 * MIB);
    g_assert_cmpuint(info.free_memory_kib, ==, 31 * 1024 * MIB);

    struct stat st;
    g_autofree char *path = g_build_filename(f->root, "run/xlvirt/simhost.sock", NULL);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
}

static void
test_conf(Fixture *f, gconstpointer conf)
{
    HvHostInfo info;
    g_autoptr(GError) error = NULL;
    OPS->host_info(f->engine, &info, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(info.cpus, ==, 48);
    g_assert_cmpuint(info.nodes, ==, 2);
    g_assert_cmpuint(info.sockets, ==, 1);
    g_assert_cmpuint(info.cores, ==, 12);
    g_assert_cmpuint(info.threads, ==, 2);
    g_assert_cmpuint(info.version, ==, 4014003);
    g_assert_cmpuint(info.memory_kib, ==, 2048 * MIB);
    g_assert_cmpuint(info.free_memory_kib, ==, 2000 * MIB);
}

static const ConfCpuLeaf *
find_leaf(GArray *leaves, guint32 number)
{
    for (guint i = 0; i < leaves->len; i++)
        if (g_array_index(leaves, ConfCpuLeaf, i).leaf == number)
            return &g_array_index(leaves, ConfCpuLeaf, i);
    return NULL;
}

/* Of either make, what a guest sees is part of what the host has; it knows that it is one. */
static void
test_processor(Fixture *f, gconstpointer conf)
{
    gboolean amd = strstr(conf, "amd") != NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) host = OPS->cpu_leaves(f->engine, HV_CPU_HOST, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(find_leaf(host, 0)->ebx, ==, amd ? 0x68747541 : 0x756e6547);
    g_assert_cmpuint(find_leaf(host, 1)->eax, ==, amd ? 0xa00f11 : 0x50654);
    for (HvCpuView view = HV_CPU_PV; view <= HV_CPU_HVM; view++) {
        g_autoptr(GArray) guest = OPS->cpu_leaves(f->engine, view, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(guest->len, ==, host->len);
        for (guint i = 0; i < guest->len; i++) {
            const ConfCpuLeaf *all = &g_array_index(host, ConfCpuLeaf, i);
            const ConfCpuLeaf *some = &g_array_index(guest, ConfCpuLeaf, i);
            guint32 hypervisor = all->leaf == 1 ? 1u << 31 : 0;
            g_assert_cmpuint(all->leaf, ==, some->leaf);
            g_assert_cmpuint(some->eax & ~all->eax, ==, 0);
            g_assert_cmpuint(some->ebx & ~all->ebx, ==, 0);
            g_assert_cmpuint(some->ecx & ~all->ecx, ==, hypervisor);
            g_assert_cmpuint(some->edx & ~all->edx, ==, 0);
        }
        /* mtrr */
        g_assert_cmpint((find_leaf(guest, 1)->edx & 1u << 12) != 0, ==, view == HV_CPU_HVM);
    }
}

static void
test_bad_conf(Fixture *f, gconstpointer conf)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "[host]\ncpus=7\nthreads=2\n", "7 cpus are not" },
        { "[host]\nmemory-mib=lots\n", "memory-mib" },
        { "[host]\nversion=four\n", "MAJOR.MINOR" },
        { "[host]\ncolour=red\n", "no key 'colour'" },
        { "[machine]\ncpus=8\n", "the one group is [host]" },
        { "[host\n", "sim.conf" },
        { "[host]\nscheduler=cre\\dit\n", "sim.conf: [host] scheduler: " },
        { "[host]\nprocessor=vax\n", "'vax' is neither intel nor amd" },
    };
    OPS->close(f->engine);
    f->engine = NULL;
    tool(f, NULL, NULL, "--stop", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        HvEngineConfig config = { .root = f->root, .event = on_event, .event_data = f };
        write_file(f, "sim.conf", cases[i].text);
        g_assert_null(OPS->open(&config, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

/* ---- start ---- */

static void
test_start(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 512, 2);
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GError) error = NULL;
    add_devices(def);
    def->cur_memory_kib = 256 * MIB;
    def->vcpus = 1;
    int domid = start_def(f, def, FALSE, -1, &live, &error);
    g_assert_no_error(error);
    g_assert_cmpint(domid, ==, 1);

    const ConfChardev *console = live->consoles->pdata[0];
    const ConfInterface *iface = live->interfaces->pdata[0], *named = live->interfaces->pdata[1];
    const ConfGraphics *automatic = live->graphics->pdata[0], *fixed = live->graphics->pdata[1];
    g_assert_true(g_str_has_prefix(console->tty, "/dev/pts/"));
    g_assert_cmpstr(console->source_path, ==, console->tty);
    g_assert_cmpstr(console->dev.alias, ==, "console0");
    g_assert_cmpstr(iface->target, ==, "vif1.0");
    g_assert_cmpstr(named->target, ==, "mine");
    g_assert_cmpint(automatic->port.value, ==, 5900);
    g_assert_cmpint(fixed->port.value, ==, 6000);
    /* The definition itself stays as it was. */
    g_assert_cmpint(def->id, ==, -1);
    g_assert_null(((ConfInterface *)def->interfaces->pdata[0])->target);

    HvEngineDomain row = row_of(f, 1);
    g_assert_cmpmem(row.uuid, 16, def->uuid, 16);
    g_assert_cmpuint(row.memory_kib, ==, 256 * MIB);
    g_assert_cmpuint(row.max_memory_kib, ==, 512 * MIB);
    g_assert_cmpuint(row.vcpus_online, ==, 1);
    g_assert_cmpuint(row.vcpus_max, ==, 2);
    g_assert_true(row.running || row.blocked);
    g_assert_false(row.paused || row.shutdown || row.crashed || row.dying);

    g_autofree char *log = NULL, *log_path = g_build_filename(f->root, "domain.log", NULL);
    g_assert_true(g_file_get_contents(log_path, &log, NULL, NULL));
    g_assert_nonnull(strstr(log, "domain 'one' started with id 1"));
    /* Its own domain is no news. */
    g_assert_false(take_event(f, HV_ENGINE_EVENT_NEW, -1, 50000, NULL));
}

static void
test_start_twice(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 64, 1);
    g_autoptr(ConfDomain) other = make_def("two", 64, 1);
    g_autoptr(GError) error = NULL;
    start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_no_error(error);
    start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_cmpstr(error->message, ==, "a domain named 'one' already runs");
    g_clear_error(&error);
    memcpy(other->uuid, def->uuid, 16);
    start_def(f, other, FALSE, -1, NULL, &error);
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    destroy(f, 1);
    g_assert_cmpint(start_def(f, other, FALSE, -1, NULL, &error), ==, 2);
}

/* A port of a VNC server comes back with its domain. */
static void
test_ports(Fixture *f, gconstpointer conf)
{
    static const int wanted[] = { 5900, 5901, 5900 };
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autofree char *name = g_strdup_printf("d%u", (guint)i);
        g_autoptr(ConfDomain) def = make_def(name, 64, 1);
        g_autoptr(ConfDomain) live = NULL;
        g_autoptr(GError) error = NULL;
        add_devices(def);
        start_def(f, def, FALSE, -1, &live, &error);
        g_assert_no_error(error);
        g_assert_cmpint(((ConfGraphics *)live->graphics->pdata[0])->port.value, ==, wanted[i]);
        if (i == 1)
            destroy(f, 1);
    }
}

static void
test_cpu_time(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    int domid = start_named(f, "one", 64);
    guint64 before = row_of(f, domid).cpu_time_ns;
    g_usleep(100000);
    guint64 after = row_of(f, domid).cpu_time_ns;
    g_assert_cmpuint(after, >, before);

    g_assert_true(OPS->pause(f->engine, domid, &error));
    g_assert_true(row_of(f, domid).paused);
    before = row_of(f, domid).cpu_time_ns;
    g_usleep(50000);
    g_assert_cmpuint(row_of(f, domid).cpu_time_ns, ==, before);
    g_assert_true(OPS->unpause(f->engine, domid, &error));
    g_assert_false(row_of(f, domid).paused);
    g_usleep(50000);
    g_assert_cmpuint(row_of(f, domid).cpu_time_ns, >, before);
    g_assert_no_error(error);
}

static void
test_vcpus(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 64, 4);
    g_autoptr(GError) error = NULL;
    ConfVcpuPin *pin = conf_vcpu_pin_new();
    pin->vcpu = 1;
    pin->cpuset = conf_bitmap_parse("5", 0, &error);
    g_ptr_array_add(def->cputune.vcpupin, pin);
    def->vcpus = 2;
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_no_error(error);

    g_autoptr(GArray) vcpus = OPS->vcpus(f->engine, domid, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vcpus->len, ==, 4);
    const HvVcpuInfo *info = (const HvVcpuInfo *)vcpus->data;
    g_assert_cmpint(info[0].state, !=, 0);
    g_assert_cmpuint(info[0].affinity[0], ==, 0xff);
    g_assert_cmpuint(info[0].affinity[1], ==, 0);
    g_assert_cmpint(info[1].cpu, ==, 5);
    g_assert_cmpuint(info[1].affinity[0], ==, 1 << 5);
    g_assert_cmpint(info[2].state, ==, 0);
    g_assert_cmpint(info[2].cpu, ==, -1);

    g_assert_true(OPS->set_vcpus(f->engine, domid, 4, &error));
    g_assert_cmpuint(row_of(f, domid).vcpus_online, ==, 4);
    g_assert_false(OPS->set_vcpus(f->engine, domid, 5, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);

    g_autoptr(ConfDomain) lost = make_def("lost", 64, 1);
    lost->cpuset = conf_bitmap_parse("100", 0, &error);
    g_assert_cmpint(start_def(f, lost, FALSE, -1, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_nonnull(strstr(error->message, "pinned to cpus that this host lacks"));
}

/* ---- memory ---- */

static void
test_memory_accounting(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    guint64 all = free_kib(f);
    g_assert_cmpuint(all, ==, 2000 * MIB);
    int domid = start_named(f, "big", 1900);
    g_assert_cmpuint(free_kib(f), ==, 100 * MIB);
    g_autoptr(ConfDomain) def = make_def("more", 512, 1);
    g_assert_cmpint(start_def(f, def, FALSE, -1, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_cmpstr(error->message, ==, "not enough free memory: 512 MiB wanted, 100 MiB free");
    g_clear_error(&error);
    g_assert_cmpuint(free_kib(f), ==, 100 * MIB);
    destroy(f, domid);
    g_assert_cmpuint(free_kib(f), ==, all);
    start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_no_error(error);
}

static void
test_balloon(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    guint64 all = free_kib(f);
    int domid = start_named(f, "one", 512);
    g_assert_true(OPS->set_memory(f->engine, domid, 300 * MIB, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(row_of(f, domid).memory_kib, >, 300 * MIB); /* it takes a while */
    await_memory(f, domid, 300 * MIB);
    g_assert_cmpuint(free_kib(f), ==, all - 300 * MIB);

    g_assert_false(OPS->set_memory(f->engine, domid, 600 * MIB, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    g_assert_false(OPS->set_max_memory(f->engine, domid, 200 * MIB, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    g_assert_true(OPS->set_max_memory(f->engine, domid, 4096 * MIB, &error));
    g_assert_cmpuint(row_of(f, domid).max_memory_kib, ==, 4096 * MIB);
    /* More than there is: it gets what is free, and the rest when that comes. */
    g_assert_true(OPS->set_memory(f->engine, domid, 3000 * MIB, &error));
    await_memory(f, domid, all);
    g_assert_cmpuint(free_kib(f), ==, 0);
    destroy(f, domid);
    g_assert_cmpuint(free_kib(f), ==, all);
}

/* ---- console ---- */

static void
test_console(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 128);
    int fd = open_console(f, domid);
    g_autofree char *boot = read_until(fd, "one login: ");
    g_assert_nonnull(strstr(boot, "Booting one under simulated Xen 4.17.0"));
    g_assert_nonnull(strstr(boot, "xvda"));
    g_assert_nonnull(strstr(boot, "2 CPUs"));
    g_assert_cmpint(write(fd, "root\r", 5), ==, 5);
    g_autofree char *echo = read_until(fd, "login: ");
    g_assert_cmpstr(echo, ==, "root\r\none login: ");

    /* A second opener does not hinder the first, and the console survives both. */
    int other = open_console(f, domid);
    g_assert_cmpint(write(other, "x", 1), ==, 1);
    close(fd);
    g_autofree char *x G_GNUC_UNUSED = read_until(other, "x");
    close(other);
    fd = open_console(f, domid);
    g_assert_cmpint(write(fd, "\r", 1), ==, 1);
    g_autofree char *again G_GNUC_UNUSED = read_until(fd, "one login: ");

    destroy(f, domid);
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    g_assert_cmpint(poll(&pfd, 1, 5000), ==, 1);
    g_assert_true(pfd.revents & POLLHUP);
    close(fd);
}

/* What nobody reads does not stop the guest, and its end is what the next reader finds last. */
static void
test_console_flood(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 128);
    int fd = open_console(f, domid), typist = open_console(f, domid);
    g_autofree char *boot G_GNUC_UNUSED = read_until(fd, "login: ");
    for (guint i = 0; i < 12000; i++) { /* a prompt each: 130 KiB and more */
        struct pollfd pfd = { .fd = typist, .events = POLLOUT };
        poll(&pfd, 1, 1000);
        g_assert_cmpint(write(typist, "\r", 1), ==, 1);
    }
    close(typist);
    g_assert_true(find_row(f, domid, NULL));
    g_assert_cmpint(write(fd, "END", 3), ==, 3);
    g_autofree char *text = read_until(fd, "END");
    g_assert_cmpuint(strlen(text), >=, 16384);
    close(fd);
}

static void
test_console_wrong(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfChardev) second = conf_chardev_new();
    g_autoptr(ConfDomain) silent = make_def("silent", 64, 1);
    int domid = start_named(f, "one", 64);
    second->target_port = (ConfOptInt){ true, 1 };
    g_assert_cmpint(OPS->console(f->engine, domid, second, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_cmpint(OPS->console(f->engine, 77, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_clear_error(&error);
    g_ptr_array_set_size(silent->consoles, 0);
    domid = start_def(f, silent, FALSE, -1, NULL, &error);
    g_assert_cmpint(OPS->console(f->engine, domid, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED);
}

/* ---- going down ---- */

static void
test_shutdown(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    HvEngineEvent event;
    int domid = start_named(f, "one", 64);
    guint64 left = free_kib(f);
    g_assert_true(OPS->shutdown(f->engine, domid, 0, &error));
    g_assert_no_error(error);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 0);
    HvEngineDomain row = row_of(f, domid); /* the toolstack has to destroy it */
    g_assert_true(row.shutdown);
    g_assert_cmpint(row.shutdown_code, ==, 0);
    g_assert_cmpmem(row.uuid, 16, event.uuid, 16);
    g_assert_cmpuint(free_kib(f), ==, left);
    g_assert_false(OPS->pause(f->engine, domid, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_WRONG_STATE);
    destroy(f, domid);
    g_assert_false(find_row(f, domid, NULL));
    g_clear_error(&error);
    g_assert_false(OPS->destroy(f->engine, domid, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
}

static void
test_reboot(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    HvEngineEvent event;
    int domid = start_named(f, "one", 64);
    g_assert_false(OPS->reboot(f->engine, domid, HV_SHUTDOWN_ACPI, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_assert_nonnull(strstr(error->message, "ACPI"));
    g_clear_error(&error);
    g_assert_true(OPS->reboot(f->engine, domid, HV_SHUTDOWN_PV, &error));
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 1);
    g_assert_cmpint(row_of(f, domid).shutdown_code, ==, 1);
}

/* A paused guest does nothing, also not what it was asked for. */
static void
test_shutdown_paused(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 64, 1);
    g_autoptr(GError) error = NULL;
    set_control(f, "[*]\nguest-shutdown-ms=10\nguest-boot-ms=10\n");
    int domid = start_def(f, def, TRUE, -1, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(row_of(f, domid).paused);
    g_assert_true(OPS->shutdown(f->engine, domid, 0, &error));
    g_assert_false(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, 200000, NULL));
    g_assert_true(OPS->unpause(f->engine, domid, &error));
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, WAIT_US, NULL));
}

static void
test_ignores(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    set_control(f, "[*]\nguest-shutdown-ms=1\n[deaf]\nguest-ignores-shutdown=true\n");
    int deaf = start_named(f, "deaf", 64), good = start_named(f, "good", 64);
    g_assert_true(OPS->shutdown(f->engine, deaf, 0, &error));
    g_assert_true(OPS->shutdown(f->engine, good, 0, &error));
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, good, WAIT_US, NULL));
    g_assert_false(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, deaf, 300000, NULL));
    g_assert_false(row_of(f, deaf).shutdown);
}

static void
test_crash(Fixture *f, gconstpointer conf)
{
    HvEngineEvent event;
    int before = start_named(f, "before", 64), spared = start_named(f, "spared", 64);
    /* No operation follows: the host looks at the file by itself. */
    set_control(f, "[before]\ncrash-after-ms=20\n[after]\ncrash-after-ms=20\n");
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, before, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 3);
    g_assert_true(row_of(f, before).crashed);
    int after = start_named(f, "after", 64);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, after, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 3);
    g_assert_false(row_of(f, spared).shutdown);
}

int
main(int argc, char **argv)
{
    static const char *const small = "[host]\nmemory-mib=2048\ndom0-memory-mib=48\n";
    g_test_init(&argc, &argv, NULL);
    add("/hv/sim/info", NULL, test_info);
    add("/hv/sim/conf",
        "[host]\nmemory-mib=2048\ndom0-memory-mib=48\nnodes=2\nthreads=2\ncpus=48\n"
        "version=4.14.3\nscheduler=credit\nmhz=3000\n",
        test_conf);
    add("/hv/sim/processor/default", "", test_processor);
    add("/hv/sim/processor/intel", "[host]\nprocessor=intel\n", test_processor);
    add("/hv/sim/processor/amd", "[host]\nprocessor=amd\n", test_processor);
    add("/hv/sim/conf-bad", NULL, test_bad_conf);
    add("/hv/sim/start", NULL, test_start);
    add("/hv/sim/start-twice", NULL, test_start_twice);
    add("/hv/sim/ports", NULL, test_ports);
    add("/hv/sim/cpu-time", NULL, test_cpu_time);
    add("/hv/sim/vcpus", NULL, test_vcpus);
    add("/hv/sim/memory/accounting", small, test_memory_accounting);
    add("/hv/sim/memory/balloon", small, test_balloon);
    add("/hv/sim/console/echo", NULL, test_console);
    add("/hv/sim/console/flood", NULL, test_console_flood);
    add("/hv/sim/console/wrong", NULL, test_console_wrong);
    add("/hv/sim/down/shutdown", NULL, test_shutdown);
    add("/hv/sim/down/reboot", NULL, test_reboot);
    add("/hv/sim/down/paused", NULL, test_shutdown_paused);
    add("/hv/sim/down/ignores", NULL, test_ignores);
    add("/hv/sim/down/crash", NULL, test_crash);
    return g_test_run();
}
