/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tuning and statistics of the engine sim: what was set is told, and the figures move. */
#include "sim-fixture.h"

#include <string.h>

static ConfBitmap *
set_of(const char *text)
{
    return conf_bitmap_parse(text, 0, NULL);
}

static ConfDomain *
tuned_def(const char *name)
{
    static const char form[] =
        "<domain type='xen'><name>%s</name><memory unit='MiB'>64</memory><vcpu>4</vcpu>"
        "<cputune><shares>300</shares><period>100000</period><quota>150000</quota></cputune>"
        "<os><type arch='x86_64' machine='xenfv'>hvm</type></os><devices>"
        "<disk type='file' device='disk'><source file='/a'/><target dev='xvda' bus='xen'/>"
        "<iotune><read_iops_sec>1</read_iops_sec></iotune></disk>"
        "<disk type='file' device='disk'><source file='/b'/><target dev='xvdb' bus='xen'/></disk>"
        "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='b'/>"
        "</interface></devices></domain>";
    g_autofree char *xml = g_strdup_printf(form, name);
    g_autoptr(GError) error = NULL;
    ConfDomain *def = conf_domain_parse_xml(xml, -1, "test", CONF_XML_NO_UUID_OK, &error);

    g_assert_no_error(error);
    conf_uuid_generate(def->uuid);
    def->uuid_set = true;
    return def;
}

static int
start(Fixture *f, const ConfDomain *def, ConfDomain **ret_live)
{
    HvEngineStart how = { .def = def, .restore_fd = -1 };
    g_autoptr(GError) error = NULL;
    int domid = -1;

    OPS->start(f->engine, &how, &domid, ret_live, &error);
    g_assert_no_error(error);
    return domid;
}

static void
test_sched(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = tuned_def("one");
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GError) error = NULL;
    int domid = start(f, def, &live);
    HvSched sched = { .has = 0 };
    HvSched change = { .has = 1u << HV_SCHED_CAP, .value = { [HV_SCHED_CAP] = 401 } };

    g_assert_true(OPS->sched(f->engine, domid, &sched, &error));
    g_assert_cmpstr(sched.type, ==, "credit2");
    g_assert_cmpint(sched.value[HV_SCHED_WEIGHT], ==, 300);
    g_assert_cmpint(sched.value[HV_SCHED_CAP], ==, 150);
    g_assert_false(OPS->set_sched(f->engine, domid, &change, &error)); /* four vcpus: 400 */
    g_assert_error(error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&error);
    change.value[HV_SCHED_CAP] = 400;
    g_assert_true(OPS->set_sched(f->engine, domid, &change, &error));
    g_assert_true(OPS->sched(f->engine, domid, &sched, &error));
    g_assert_cmpint(sched.value[HV_SCHED_WEIGHT], ==, 300);
    g_assert_cmpint(sched.value[HV_SCHED_CAP], ==, 400);
    g_assert_true(OPS->sched(f->engine, -1, &sched, &error));
    g_assert_cmpuint(sched.has, ==, 0);
    g_assert_false(OPS->sched(f->engine, 999, &sched, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
}

static void
test_pins(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = tuned_def("one");
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(ConfBitmap) cpu3 = set_of("3");
    g_autoptr(ConfBitmap) nowhere = set_of("900");
    g_autoptr(ConfBitmap) pair = set_of("0,2");
    g_autoptr(ConfBitmap) without_boot = set_of("1");
    g_autoptr(GArray) vcpus = NULL;
    g_autoptr(GError) error = NULL;
    int domid = start(f, def, &live);

    g_assert_true(OPS->pin_vcpu(f->engine, domid, 2, cpu3, &error));
    g_assert_false(OPS->pin_vcpu(f->engine, domid, 4, cpu3, NULL));
    g_assert_false(OPS->pin_vcpu(f->engine, domid, 0, nowhere, NULL));
    g_assert_false(OPS->set_vcpu_map(f->engine, domid, without_boot, NULL));
    g_assert_true(OPS->set_vcpu_map(f->engine, domid, pair, &error));
    vcpus = OPS->vcpus(f->engine, domid, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 4; i++) {
        const HvVcpuInfo *vcpu = &g_array_index(vcpus, HvVcpuInfo, i);

        g_assert_cmpint(vcpu->state == 0, ==, i % 2 == 1);
        g_assert_cmpint(vcpu->affinity[0], ==, i == 2 ? 1 << 3 : 0xff);
    }
    g_assert_cmpint(g_array_index(vcpus, HvVcpuInfo, 2).cpu, ==, 3);
}

static HvEngineStats *
ask(Fixture *f, int domid, const ConfDomain *live, unsigned groups)
{
    const HvEngineStatsQuery queries[] = { { 999, live }, { domid, live } };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = OPS->stats(f->engine, queries, 2, groups, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, 2);
    g_assert_null(g_ptr_array_index(all, 0));
    return g_ptr_array_steal_index(all, 1);
}

#define ALL (HV_STATS_VCPU | HV_STATS_DISK | HV_STATS_NIC | HV_STATS_MEMORY)

static const HvDiskStats *
disk_of(const HvEngineStats *stats, guint i)
{
    return &g_array_index(stats->disks, HvEngineDisk, i).stats;
}

static void
test_stats(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = tuned_def("one");
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(HvEngineStats) first = NULL;
    g_autoptr(HvEngineStats) later = NULL;
    g_autoptr(HvEngineStats) paused = NULL;
    g_autoptr(HvEngineStats) none = NULL;
    int domid = start(f, def, &live);
    gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;

    first = ask(f, domid, live, ALL);
    g_assert_cmpuint(first->vcpus->len, ==, 4);
    g_assert_cmpuint(first->disks->len, ==, 2);
    g_assert_cmpuint(first->nics->len, ==, 1);
    g_assert_cmpint(first->memory.actual_kib, ==, 65536);
    for (;;) {
        g_clear_pointer(&later, hv_engine_stats_free);
        later = ask(f, domid, live, ALL);
        if (disk_of(later, 0)->rd_reqs > 0 || g_get_monotonic_time() > deadline)
            break;
        g_usleep(20000);
    }
    /* One read a second is all that the first disk may do; the second has no limit. */
    g_assert_cmpint(disk_of(later, 0)->rd_reqs, >, 0);
    g_assert_cmpint(disk_of(later, 1)->rd_reqs, >, disk_of(later, 0)->rd_reqs);
    g_assert_cmpint(disk_of(later, 1)->rd_bytes, >, disk_of(later, 1)->rd_reqs);
    g_assert_cmpint(g_array_index(later->nics, HvEngineNic, 0).stats.tx_bytes, >, 0);
    g_assert_true(OPS->pause(f->engine, domid, NULL));
    g_clear_pointer(&later, hv_engine_stats_free);
    later = ask(f, domid, live, ALL);
    paused = ask(f, domid, live, ALL);
    g_assert_cmpmem(later->disks->data, later->disks->len * sizeof(HvEngineDisk),
                    paused->disks->data, paused->disks->len * sizeof(HvEngineDisk));
    none = ask(f, domid, live, HV_STATS_MEMORY);
    g_assert_null(none->vcpus);
    g_assert_null(none->disks);
    g_assert_null(none->nics);
    g_clear_pointer(&none, hv_engine_stats_free);
    /* A group that was not asked for is not forgotten. */
    none = ask(f, domid, live, HV_STATS_DISK);
    g_assert_cmpint(disk_of(none, 1)->rd_reqs, ==, disk_of(paused, 1)->rd_reqs);
}

static void
test_host(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = tuned_def("one");
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(ConfBitmap) node1 = set_of("1");
    g_autoptr(GArray) before = NULL;
    g_autoptr(GArray) after = NULL;
    g_autoptr(GArray) cpus = NULL;
    g_autoptr(GError) error = NULL;

    before = OPS->host_nodes(f->engine, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(before->len, ==, 2);
    def->numatune.nodeset = g_steal_pointer(&node1);
    start(f, def, &live);
    after = OPS->host_nodes(f->engine, &error);
    for (guint i = 0; i < 2; i++)
        g_assert_cmpuint(g_array_index(before, HvHostNode, i).free_kib -
                             g_array_index(after, HvHostNode, i).free_kib,
                         ==, i == 1 ? 65536 : 0);
    cpus = OPS->host_cpus(f->engine, &error);
    g_assert_cmpuint(cpus->len, ==, 8);
    g_assert_cmpuint(g_array_index(cpus, HvHostCpu, 7).node, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/hv/sim/tune/sched", NULL, test_sched);
    add("/hv/sim/tune/pins", NULL, test_pins);
    add("/hv/sim/tune/stats", NULL, test_stats);
    add("/hv/sim/tune/host", "[host]\nnodes=2\nsockets=1\ncores=4\nthreads=1\n", test_host);
    return g_test_run();
}
