/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How engine `sim` bears many domains: bench-sim [DOMAINS [THREADS]], default 1000 and 4.
 */
#include <hv/sim/hvsim.h>

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>

#define OPS (&hv_engine_sim_ops)

typedef struct Bench {
    HvEngine *engine;
    int domains, threads;
    int *domids;      /* one thread an element */
    gint next;        /* atomic: the next element to be done */
    gint shutdowns;   /* atomic */
    gboolean destroy; /* immutable while threads run */
} Bench;

static void
on_event(const HvEngineEvent *event, gpointer data)
{
    Bench *bench = data;
    if (event->kind == HV_ENGINE_EVENT_SHUTDOWN)
        g_atomic_int_inc(&bench->shutdowns);
}

static int
start_one(Bench *bench, int number)
{
    g_autoptr(ConfDomain) def = conf_domain_new();
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GError) error = NULL;
    HvEngineStart start = { .def = def, .restore_fd = -1 };
    int domid = -1;
    def->name = g_strdup_printf("bench-%05d", number);
    conf_uuid_generate(def->uuid);
    def->uuid_set = true;
    def->os.type = CONF_OS_LINUX;
    def->memory_kib = 65536;
    def->vcpus_max = 2;
    conf_domain_fill_defaults(def);
    if (!OPS->start(bench->engine, &start, &domid, &live, &error))
        g_error("start: %s", error->message);
    return domid;
}

static gpointer
worker(gpointer data)
{
    Bench *bench = data;
    int i;
    while ((i = g_atomic_int_add(&bench->next, 1)) < bench->domains) {
        g_autoptr(GError) error = NULL;
        if (!bench->destroy)
            bench->domids[i] = start_one(bench, i);
        else if (!OPS->destroy(bench->engine, bench->domids[i], &error))
            g_error("destroy: %s", error->message);
    }
    return NULL;
}

static void
print_time(const char *what, gint64 began, int n)
{
    double ms = (double)(g_get_monotonic_time() - began) / 1000;
    printf("%-24s %9.1f ms  %9.1f us each\n", what, ms, ms * 1000 / n);
}

static void
run_workers(Bench *bench, gboolean destroy, const char *what)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    gint64 began = g_get_monotonic_time();
    bench->destroy = destroy;
    bench->next = 0;
    for (int i = 0; i < bench->threads; i++)
        g_ptr_array_add(threads, g_thread_new("bench", worker, bench));
    for (guint i = 0; i < threads->len; i++)
        g_thread_join(threads->pdata[i]);
    print_time(what, began, bench->domains);
}

static void
list_domains(Bench *bench)
{
    gint64 began = g_get_monotonic_time();
    for (int i = 0; i < 10; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) list = OPS->list(bench->engine, &error);
        if (list == NULL)
            g_error("list: %s", error->message);
        if ((int)list->len != bench->domains)
            g_error("list has %u domains", list->len);
    }
    print_time("list, ten times", began, 10);
}

static void
shut_down_all(Bench *bench)
{
    gint64 began = g_get_monotonic_time();
    for (int i = 0; i < bench->domains; i++) {
        g_autoptr(GError) error = NULL;
        if (!OPS->shutdown(bench->engine, bench->domids[i], 0, &error))
            g_error("shutdown: %s", error->message);
    }
    while (g_atomic_int_get(&bench->shutdowns) < bench->domains)
        g_usleep(1000);
    print_time("shutdown until the event", began, bench->domains);
}

static void
run(Bench *bench, const char *root)
{
    g_autoptr(GError) error = NULL;
    HvEngineConfig config = { .root = root, .event = on_event, .event_data = bench };
    gint64 began = g_get_monotonic_time();
    bench->engine = OPS->open(&config, &error);
    if (bench->engine == NULL)
        g_error("open: %s", error->message);
    print_time("open, host started", began, 1);
    run_workers(bench, FALSE, "start");
    list_domains(bench);
    shut_down_all(bench);
    run_workers(bench, TRUE, "destroy");
    OPS->close(bench->engine);
}

/* The host ends when its root is gone. */
static void
remove_root(const char *root)
{
    const char *const argv[] = { "rm", "-rf", root, NULL };
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
}

int
main(int argc, char **argv)
{
    Bench bench = { .domains = argc > 1 ? atoi(argv[1]) : 1000,
                    .threads = argc > 2 ? atoi(argv[2]) : 4 };
    if (bench.domains < 1 || bench.threads < 1) {
        fprintf(stderr, "usage: bench-sim [DOMAINS [THREADS]]\n");
        return 1;
    }
    g_autofree char *root = g_dir_make_tmp("xlvirt-bench-XXXXXX", NULL);
    g_autofree char *conf_dir = g_build_filename(root, "etc/xlvirt", NULL);
    g_autofree char *conf = g_build_filename(conf_dir, "sim.conf", NULL);
    g_mkdir_with_parents(conf_dir, 0755);
    g_file_set_contents(conf, "[host]\nmemory-mib=4194304\ncpus=64\n", -1, NULL);
    bench.domids = g_new0(int, bench.domains);
    printf("%d domains, %d threads\n", bench.domains, bench.threads);
    run(&bench, root);
    remove_root(root);
    g_free(bench.domids);
    return 0;
}
