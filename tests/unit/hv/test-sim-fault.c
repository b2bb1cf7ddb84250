/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the control file can do to a call: hangs, delays, failures; and calls that are cancelled. */
#include "sim-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ---- hangs, delays, faults ---- */

static void
test_hang(Fixture *f, gconstpointer conf)
{
    set_control(f, "[stuck]\nshutdown-hang=true\n[freed]\nshutdown-hang=true\n");
    int stuck = start_named(f, "stuck", 64), freed = start_named(f, "freed", 64);
    int other = start_named(f, "other", 64);
    Order orders[] = { { .f = f, .domid = stuck }, { .f = f, .domid = freed } };
    GThread *threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = g_thread_new("order", shutdown_thread, &orders[i]);
    g_usleep(200000);
    /* Everybody else is served meanwhile, and so are questions about the domain itself. */
    g_autoptr(GError) error = NULL;
    g_assert_false(row_of(f, stuck).shutdown);
    g_autoptr(GArray) vcpus G_GNUC_UNUSED = OPS->vcpus(f->engine, stuck, &error);
    g_assert_no_error(error);
    g_assert_true(OPS->pause(f->engine, other, &error));
    g_assert_false(g_atomic_int_get(&orders[0].done));
    g_assert_false(g_atomic_int_get(&orders[1].done));

    destroy(f, stuck);
    g_thread_join(threads[0]);
    g_assert_false(orders[0].ok);
    g_assert_error(orders[0].error, HV_ERROR, HV_ERROR_NO_DOMAIN);
    g_clear_error(&orders[0].error);
    g_assert_false(g_atomic_int_get(&orders[1].done));

    set_control(f, "");
    g_thread_join(threads[1]);
    g_assert_no_error(orders[1].error);
    g_assert_true(orders[1].ok);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, freed, WAIT_US, NULL));
}

static void
test_delay(Fixture *f, gconstpointer conf)
{
    set_control(f, "[slow]\npause-delay-ms=150\n");
    int slow = start_named(f, "slow", 64), quick = start_named(f, "quick", 64);
    g_autoptr(GError) error = NULL;
    gint64 began = g_get_monotonic_time();
    g_assert_true(OPS->pause(f->engine, slow, &error));
    g_assert_cmpint(g_get_monotonic_time() - began, >=, 150000);
    /* At once, where nothing else keeps the machine busy: the delay of another is none of ours. */
    for (guint i = 0; g_get_monotonic_time() - began >= 150000; i++) {
        g_assert_cmpuint(i, <, 50);
        g_assert_true(i == 0 || OPS->unpause(f->engine, quick, &error));
        began = g_get_monotonic_time();
        g_assert_true(OPS->pause(f->engine, quick, &error));
    }
}

/* Each hook that is about a domain and answers yes or no, by the name of its faults. */
static gboolean
call_max_memory(Fixture *f, int domid, GError **error)
{
    return OPS->set_max_memory(f->engine, domid, 64 * MIB, error);
}

static gboolean
call_memory(Fixture *f, int domid, GError **error)
{
    return OPS->set_memory(f->engine, domid, 64 * MIB, error);
}

static gboolean
call_vcpus(Fixture *f, int domid, GError **error)
{
    return OPS->set_vcpus(f->engine, domid, 2, error);
}

static gboolean
call_vcpu_info(Fixture *f, int domid, GError **error)
{
    g_autoptr(GArray) vcpus = OPS->vcpus(f->engine, domid, error);
    return vcpus != NULL;
}

static gboolean
call_pause(Fixture *f, int domid, GError **error)
{
    return OPS->pause(f->engine, domid, error);
}

static gboolean
call_unpause(Fixture *f, int domid, GError **error)
{
    return OPS->unpause(f->engine, domid, error);
}

static gboolean
call_save(Fixture *f, int domid, GError **error)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    gboolean ok = OPS->save(f->engine, domid, fd, NULL, NULL, NULL, error);
    close(fd);
    return ok;
}

static gboolean
call_resume(Fixture *f, int domid, GError **error)
{
    return OPS->resume_saved(f->engine, domid, error);
}

static gboolean
call_console(Fixture *f, int domid, GError **error)
{
    int fd = OPS->console(f->engine, domid, NULL, error);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static gboolean
call_adopt(Fixture *f, int domid, GError **error)
{
    g_autoptr(ConfDomain) def = OPS->adopt(f->engine, domid, error);
    return def != NULL;
}

static gboolean
call_list(Fixture *f, int domid, GError **error)
{
    g_autoptr(GArray) list = OPS->list(f->engine, error);
    return list != NULL;
}

static gboolean
call_info(Fixture *f, int domid, GError **error)
{
    HvHostInfo info;
    return OPS->host_info(f->engine, &info, error);
}

static gboolean
call_start(Fixture *f, int domid, GError **error)
{
    g_autoptr(ConfDomain) def = make_def("another", 64, 1);
    return start_def(f, def, FALSE, -1, NULL, error) > 0;
}

static gboolean
call_shutdown(Fixture *f, int domid, GError **error)
{
    return OPS->shutdown(f->engine, domid, 0, error);
}

static gboolean
call_reboot(Fixture *f, int domid, GError **error)
{
    return OPS->reboot(f->engine, domid, 0, error);
}

static gboolean
call_destroy(Fixture *f, int domid, GError **error)
{
    return OPS->destroy(f->engine, domid, error);
}

static gboolean
with_set(Fixture *f, int domid, GError **error,
         gboolean (*hook)(HvEngine *, int, const ConfBitmap *, GError **))
{
    g_autoptr(ConfBitmap) set = conf_bitmap_new(8);
    conf_bitmap_set(set, 0, true);
    return hook(f->engine, domid, set, error);
}

static gboolean
call_pin(Fixture *f, int domid, GError **error)
{
    g_autoptr(ConfBitmap) cpus = conf_bitmap_parse("1-2", 0, NULL);
    return OPS->pin_vcpu(f->engine, domid, 0, cpus, error);
}

static gboolean
call_vcpu_map(Fixture *f, int domid, GError **error)
{
    return with_set(f, domid, error, OPS->set_vcpu_map);
}

static gboolean
call_set_nodes(Fixture *f, int domid, GError **error)
{
    return with_set(f, domid, error, OPS->set_nodes);
}

static gboolean
call_nodes(Fixture *f, int domid, GError **error)
{
    g_autoptr(ConfBitmap) nodes = OPS->nodes(f->engine, domid, error);
    return nodes != NULL;
}

static gboolean
call_sched(Fixture *f, int domid, GError **error)
{
    HvSched sched = { .has = 0 };
    return OPS->sched(f->engine, domid, &sched, error);
}

static gboolean
call_set_sched(Fixture *f, int domid, GError **error)
{
    const HvSched change = { .has = 1u << HV_SCHED_WEIGHT, .value = { [HV_SCHED_WEIGHT] = 99 } };
    return OPS->set_sched(f->engine, domid, &change, error);
}

static gboolean
call_nic_rate(Fixture *f, int domid, GError **error)
{
    const ConfInterface iface = { .mac = (char *)"00:16:3e:00:00:01" };
    return OPS->set_interface_rate(f->engine, domid, &iface, 100, error);
}

static gboolean
call_disk_limits(Fixture *f, int domid, GError **error)
{
    const ConfDisk disk = { .target = (char *)"xvda" };
    const HvDiskLimits limits = { .read_iops = 5 };
    return OPS->set_disk_limits(f->engine, domid, &disk, &limits, error);
}

static gboolean
call_host_nodes(Fixture *f, int domid, GError **error)
{
    g_autoptr(GArray) nodes = OPS->host_nodes(f->engine, error);
    return nodes != NULL;
}

static gboolean
call_host_cpus(Fixture *f, int domid, GError **error)
{
    g_autoptr(GArray) cpus = OPS->host_cpus(f->engine, error);
    return cpus != NULL;
}

static gboolean
call_cpu_leaves(Fixture *f, int domid, GError **error)
{
    g_autoptr(GArray) leaves = OPS->cpu_leaves(f->engine, HV_CPU_HVM, error);
    return leaves != NULL;
}

static gboolean
call_stats(Fixture *f, int domid, GError **error)
{
    g_autoptr(ConfDomain) live = conf_domain_new();
    const HvEngineStatsQuery query = { domid, live };
    g_autoptr(GPtrArray) stats = OPS->stats(f->engine, &query, 1, HV_STATS_VCPU, error);
    return stats != NULL;
}

static const struct {
    const char *name;
    gboolean (*call)(Fixture *f, int domid, GError **error);
} hooks[] = {
    { "pin", call_pin },
    { "vcpu-map", call_vcpu_map },
    { "set-nodes", call_set_nodes },
    { "nodes", call_nodes },
    { "sched", call_sched },
    { "set-sched", call_set_sched },
    { "nic-rate", call_nic_rate },
    { "disk-limits", call_disk_limits },
    { "host-nodes", call_host_nodes },
    { "host-cpus", call_host_cpus },
    { "cpu-leaves", call_cpu_leaves },
    { "stats", call_stats },
    { "max-memory", call_max_memory },
    { "memory", call_memory },
    { "vcpus", call_vcpus },
    { "vcpu-info", call_vcpu_info },
    { "pause", call_pause },
    { "unpause", call_unpause },
    { "save", call_save },
    { "resume", call_resume },
    { "console", call_console },
    { "adopt", call_adopt },
    { "list", call_list },
    { "info", call_info },
    { "start", call_start },
    { "shutdown", call_shutdown },
    { "reboot", call_reboot },
    { "destroy", call_destroy },
};

/* Each fails when told to, with the words that it was told, and works in this order when not. */
static void
test_faults(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 64);
    for (gsize i = 0; i < G_N_ELEMENTS(hooks); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *control = g_strdup_printf("[*]\n%s-fail=libxl: error -%u\n", hooks[i].name,
                                                   (guint)i);
        g_autofree char *text = g_strdup_printf("libxl: error -%u", (guint)i);
        set_control(f, control);
        g_assert_false(hooks[i].call(f, domid, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
        g_assert_cmpstr(error->message, ==, text);
        g_clear_error(&error);
        set_control(f, "");
        gboolean ok = hooks[i].call(f, domid, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
    }
}

static void
test_bad_control(Fixture *f, gconstpointer conf)
{
    static const char *const bad[] = {
        "[*]\npause-fial=x\n",
        "[*]\npause-delay-ms=soon\n",
        "[*]\npause-hang=perhaps\n",
        "pause-fail=x\n",
        "[*\n",
        "\xff\xfe",
        "[*]\nhello-fail=x\n",
        "[*]\nlist-delay-ms=-1\n",
        "[*]\npause-delay-ms=1\\q\n",
        "[*]\npause-fail=un\\known\n",
    };
    int domid = start_named(f, "one", 64);
    set_control(f, "[one]\npause-fail=still in force\n");
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(OPS->pause(f->engine, domid, &error));
        set_control(f, bad[i]);
        g_clear_error(&error);
        g_assert_false(OPS->pause(f->engine, domid, &error));
        g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
        g_assert_cmpstr(error->message, ==, "still in force");
    }
    g_autofree char *log = NULL;
    g_autofree char *path = g_build_filename(f->root, "var/log/xlvirt/simhost.log", NULL);
    g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
    g_assert_nonnull(strstr(log, "there is no key 'pause-fial'"));
    g_autofree char *control = g_build_filename(f->root, "etc/xlvirt/sim-control", NULL);
    g_autoptr(GError) error = NULL;
    g_unlink(control);
    g_assert_true(OPS->pause(f->engine, domid, &error));
    g_assert_no_error(error);
}

static void
test_cancel_start(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 64, 1);
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    HvEngineStart start = { .def = def, .restore_fd = -1, .cancellable = cancellable };
    guint64 all = free_kib(f);
    int domid = -1;
    set_control(f, "[one]\nstart-delay-ms=60000\n");
    GThread *thread = g_thread_new("cancel", cancel_thread, cancellable);
    g_assert_false(OPS->start(f->engine, &start, &domid, &live, &error));
    g_thread_join(thread);
    g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_null(live);
    g_assert_cmpint(domid, ==, -1);
    g_assert_cmpuint(free_kib(f), ==, all);
    g_clear_error(&error);
    /* One that was cancelled before. */
    set_control(f, "");
    g_assert_false(OPS->start(f->engine, &start, &domid, &live, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
    g_assert_cmpuint(free_kib(f), ==, all);
}

/* Each operation that can be told to fail is named in the manual. */
static void
test_manual(void)
{
    g_autofree char *path = g_build_filename(g_getenv("XLVIRT_SOURCE"), "docs/SIM.md", NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (gsize op = 0; op < SIM_N_OPS; op++) {
        g_autofree char *name = g_strdup_printf("`%s`", sim_ops[op].name);
        if (sim_ops[op].fault && strstr(text, name) == NULL)
            g_error("docs/SIM.md does not know the operation %s", name);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/hv/sim/fault/hang", NULL, test_hang);
    add("/hv/sim/fault/delay", NULL, test_delay);
    add("/hv/sim/fault/each", NULL, test_faults);
    add("/hv/sim/fault/bad-file", NULL, test_bad_control);
    add("/hv/sim/fault/cancel-start", NULL, test_cancel_start);
    g_test_add_func("/hv/sim/manual", test_manual);
    return g_test_run();
}
