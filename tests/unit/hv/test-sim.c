/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Engine `sim` through its table of functions, against a host process of its own in a temporary
 * root.
 */
#include <hv/sim/hvsim.h>

#include <hv/sim/hvsim-proto.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OPS     (&hv_engine_sim_ops)
#define MIB     ((guint64)1024)
#define WAIT_US (10 * G_USEC_PER_SEC) /* generous: the machine may be busy */

typedef struct Fixture {
    char *root;
    HvEngine *engine;
    GMutex lock;
    GCond changed;
    GArray *events; /* [lock] HvEngineEvent */
} Fixture;

/* ---- helpers ---- */

static void
on_event(const HvEngineEvent *event, gpointer data)
{
    Fixture *f = data;
    g_mutex_lock(&f->lock);
    g_array_append_val(f->events, *event);
    g_cond_broadcast(&f->changed);
    g_mutex_unlock(&f->lock);
}

/* Takes the first event of the kind (and domain, unless -1). */
static gboolean
take_event(Fixture *f, HvEngineEventKind kind, int domid, gint64 wait_us, HvEngineEvent *ret_event)
{
    gint64 deadline = g_get_monotonic_time() + wait_us;
    gboolean found = FALSE;

    g_mutex_lock(&f->lock);
    do {
        for (guint i = 0; i < f->events->len && !found; i++) {
            HvEngineEvent event = g_array_index(f->events, HvEngineEvent, i);
            if (event.kind != kind || (domid >= 0 && event.domid != domid))
                continue;
            if (ret_event != NULL)
                *ret_event = event;
            g_array_remove_index(f->events, i);
            found = TRUE;
        }
    } while (!found && g_cond_wait_until(&f->changed, &f->lock, deadline));
    g_mutex_unlock(&f->lock);
    return found;
}

static void
open_engine(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    HvEngineConfig config = { .root = f->root, .event = on_event, .event_data = f };
    f->engine = OPS->open(&config, &error);
    g_assert_no_error(error);
    g_assert_nonnull(f->engine);
}

static void
write_file(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(f->root, "etc/xlvirt", name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
set_control(Fixture *f, const char *text)
{
    write_file(f, "sim-control", text);
}

static void
set_up(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    f->root = g_dir_make_tmp("xlvirt-sim-XXXXXX", &error);
    g_assert_no_error(error);
    f->events = g_array_new(FALSE, FALSE, sizeof(HvEngineEvent));
    g_mutex_init(&f->lock);
    g_cond_init(&f->changed);
    if (conf != NULL)
        write_file(f, "sim.conf", conf);
    open_engine(f);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            remove_tree(child);
        else
            g_unlink(child);
    }
    g_rmdir(path);
}

/* xlvirt-simhost --root ROOT ARGS... */
static int
tool(Fixture *f, char **ret_out, char **ret_err, const char *first, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *program = g_build_filename(g_getenv("XLVIRT_BUILD"), "src/hv/xlvirt-simhost",
                                                NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL, *err = NULL;
    int status = 0;
    va_list args;
    g_ptr_array_add(argv, program);
    g_ptr_array_add(argv, (char *)"--root");
    g_ptr_array_add(argv, f->root);
    va_start(args, first);
    for (const char *arg = first; arg != NULL; arg = va_arg(args, const char *))
        g_ptr_array_add(argv, (char *)arg);
    va_end(args);
    g_ptr_array_add(argv, NULL);
    g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status,
                 &error);
    g_assert_no_error(error);
    if (ret_out != NULL)
        *ret_out = g_steal_pointer(&out);
    if (ret_err != NULL)
        *ret_err = g_steal_pointer(&err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
tear_down(Fixture *f, gconstpointer conf)
{
    if (f->engine != NULL)
        OPS->close(f->engine);
    tool(f, NULL, NULL, "--stop", NULL);
    remove_tree(f->root);
    g_free(f->root);
    g_array_unref(f->events);
    g_mutex_clear(&f->lock);
    g_cond_clear(&f->changed);
}

static ConfDomain *
make_def(const char *name, guint64 mib, guint vcpus)
{
    ConfDomain *def = conf_domain_new();
    ConfChardev *console = conf_chardev_new();
    ConfDisk *disk = conf_disk_new();
    def->name = g_strdup(name);
    conf_uuid_generate(def->uuid);
    def->uuid_set = true;
    def->os.type = CONF_OS_LINUX;
    def->memory_kib = mib * MIB;
    def->vcpus_max = vcpus;
    console->type = g_strdup("pty");
    console->target_type = g_strdup("xen");
    console->target_port = (ConfOptInt){ true, 0 };
    g_ptr_array_add(def->consoles, console);
    disk->type = CONF_DISK_TYPE_FILE;
    disk->source = g_strdup("/var/lib/xen/images/disk.img");
    disk->target = g_strdup("xvda");
    disk->target_bus = g_strdup("xen");
    g_ptr_array_add(def->disks, disk);
    return def;
}

static int
start_def(Fixture *f, const ConfDomain *def, gboolean paused, int restore_fd, ConfDomain **ret_live,
          GError **error)
{
    g_autoptr(ConfDomain) live = NULL;
    g_autofree char *log = g_build_filename(f->root, "domain.log", NULL);
    HvEngineStart start = {
        .def = def, .paused = paused, .restore_fd = restore_fd, .log_path = log
    };
    int domid = -1;
    if (!OPS->start(f->engine, &start, &domid, &live, error)) {
        g_assert_true(error == NULL || *error != NULL);
        g_assert_null(live);
        return -1;
    }
    g_assert_cmpint(domid, >, 0);
    g_assert_cmpint(live->id, ==, domid);
    if (ret_live != NULL)
        *ret_live = g_steal_pointer(&live);
    return domid;
}

static int
start_named(Fixture *f, const char *name, guint64 mib)
{
    g_autoptr(ConfDomain) def = make_def(name, mib, 2);
    g_autoptr(GError) error = NULL;
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_no_error(error);
    return domid;
}

static void
destroy(Fixture *f, int domid)
{
    g_autoptr(GError) error = NULL;
    OPS->destroy(f->engine, domid, &error);
    g_assert_no_error(error);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
}

static gboolean
find_row(Fixture *f, int domid, HvEngineDomain *ret_row)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) list = OPS->list(f->engine, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < list->len; i++) {
        if (g_array_index(list, HvEngineDomain, i).domid != domid)
            continue;
        if (ret_row != NULL)
            *ret_row = g_array_index(list, HvEngineDomain, i);
        return TRUE;
    }
    return FALSE;
}

static HvEngineDomain
row_of(Fixture *f, int domid)
{
    HvEngineDomain row;
    g_assert_true(find_row(f, domid, &row));
    return row;
}

static guint64
free_kib(Fixture *f)
{
    HvHostInfo info;
    g_autoptr(GError) error = NULL;
    OPS->host_info(f->engine, &info, &error);
    g_assert_no_error(error);
    return info.free_memory_kib;
}

static int
open_console(Fixture *f, int domid)
{
    g_autoptr(GError) error = NULL;
    int fd = OPS->console(f->engine, domid, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return fd;
}

/* Reads until `mark` came; all text so far. */
static char *
read_until(int fd, const char *mark)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gint64 deadline = g_get_monotonic_time() + WAIT_US;
    while (strstr(text->str, mark) == NULL) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char chunk[256];
        if (g_get_monotonic_time() > deadline)
            g_error("'%s' did not come, only '%s'", mark, text->str);
        poll(&pfd, 1, 100);
        gssize n = read(fd, chunk, sizeof(chunk));
        if (n > 0)
            g_string_append_len(text, chunk, n);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

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
add_devices(ConfDomain *def)
{
    for (guint i = 0; i < 2; i++) {
        ConfInterface *iface = conf_interface_new();
        iface->type = g_strdup("bridge");
        iface->source_bridge = g_strdup("xenbr0");
        g_ptr_array_add(def->interfaces, iface);
        ConfGraphics *graphics = conf_graphics_new();
        graphics->type = g_strdup("vnc");
        graphics->autoport = g_strdup("yes");
        g_ptr_array_add(def->graphics, graphics);
    }
    ((ConfInterface *)def->interfaces->pdata[1])->target = g_strdup("mine");
    ((ConfGraphics *)def->graphics->pdata[1])->autoport[0] = 'n';
    ((ConfGraphics *)def->graphics->pdata[1])->port = (ConfOptInt){ true, 6000 };
}

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
await_memory(Fixture *f, int domid, guint64 kib)
{
    gint64 deadline = g_get_monotonic_time() + WAIT_US;
    while (row_of(f, domid).memory_kib != kib && g_get_monotonic_time() < deadline)
        g_usleep(5000);
    g_assert_cmpuint(row_of(f, domid).memory_kib, ==, kib);
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

/* ---- hangs, delays, faults ---- */

typedef struct Order {
    Fixture *f;
    int domid;
    GError *error;
    gboolean ok;
    gint done; /* atomic */
} Order;

static gpointer
shutdown_thread(gpointer data)
{
    Order *order = data;
    order->ok = OPS->shutdown(order->f->engine, order->domid, 0, &order->error);
    g_atomic_int_set(&order->done, 1);
    return NULL;
}

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
    began = g_get_monotonic_time();
    g_assert_true(OPS->pause(f->engine, quick, &error));
    g_assert_cmpint(g_get_monotonic_time() - began, <, 150000);
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

static const struct {
    const char *name;
    gboolean (*call)(Fixture *f, int domid, GError **error);
} hooks[] = {
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

static gpointer
cancel_thread(gpointer data)
{
    g_usleep(100000);
    g_cancellable_cancel(data);
    return NULL;
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

/* ---- save and restore ---- */

typedef struct Progress {
    guint calls;
    guint64 done, total;
} Progress;

static void
on_progress(guint64 done, guint64 total, gpointer data)
{
    Progress *progress = data;
    g_assert_cmpuint(done, >=, progress->done);
    g_assert_cmpuint(done, <=, total);
    *progress = (Progress){ progress->calls + 1, done, total };
}

static int
image_fd(Fixture *f, char **ret_path)
{
    g_autofree char *path = g_build_filename(f->root, "image", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    if (ret_path != NULL)
        *ret_path = g_steal_pointer(&path);
    return fd;
}

#define PREFIX 100 /* libhv's own header lies before the stream */

static void
save_to(Fixture *f, int domid, int fd)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(lseek(fd, PREFIX, SEEK_SET), ==, PREFIX);
    OPS->save(f->engine, domid, fd, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

static void
test_save_restore(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 128, 2);
    g_autoptr(GError) error = NULL;
    g_autofree char *boot = NULL, *backlog = NULL, *echo = NULL;
    Progress progress = { 0 };
    int image = image_fd(f, NULL);
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    int fd = open_console(f, domid);
    boot = read_until(fd, "login: ");
    g_assert_cmpint(write(fd, "unread", 6), ==, 6);
    close(fd);
    g_usleep(100000); /* the guest echoes, nobody reads */
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    g_assert_true(OPS->save(f->engine, domid, image, NULL, on_progress, &progress, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(progress.calls, >, 5);
    g_assert_cmpuint(progress.total, >, 200000);
    g_assert_cmpuint(progress.done, ==, progress.total);
    g_assert_cmpint(lseek(image, 0, SEEK_CUR), ==, (off_t)(PREFIX + progress.total));

    HvEngineDomain saved = row_of(f, domid);
    g_assert_true(saved.shutdown);
    g_assert_cmpint(saved.shutdown_code, ==, 2);
    g_assert_false(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, domid, 50000, NULL));
    destroy(f, domid);

    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    domid = start_def(f, def, TRUE, image, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(domid, ==, 2);
    HvEngineDomain restored = row_of(f, domid);
    g_assert_cmpmem(restored.uuid, 16, def->uuid, 16);
    g_assert_true(restored.paused);
    g_assert_cmpuint(restored.cpu_time_ns, ==, saved.cpu_time_ns);
    g_assert_true(OPS->unpause(f->engine, domid, &error));
    fd = open_console(f, domid);
    backlog = read_until(fd, "unread");
    g_assert_cmpstr(backlog, ==, "unread");
    g_assert_cmpint(write(fd, "\r", 1), ==, 1);
    echo = read_until(fd, "login: ");
    g_assert_cmpstr(echo, ==, "\r\none login: ");
    close(fd);
    close(image);
}

static void
test_save_damaged(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 128, 2);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *good = NULL;
    gsize len;
    int image = image_fd(f, &path);
    guint64 all = free_kib(f);
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    save_to(f, domid, image);
    destroy(f, domid);
    g_assert_true(g_file_get_contents(path, &good, &len, NULL));

    const struct {
        off_t cut;  /* 0: whole */
        off_t flip; /* 0: none; from the start of the stream */
        const char *says;
    } cases[] = {
        { PREFIX + 10, 0, "truncated" },
        { PREFIX + 64 + 10, 0, "truncated" },
        { (off_t)len / 2, 0, "truncated" },
        { (off_t)len - 1, 0, "truncated" },
        { 0, 3, "no guest" },
        { 0, 17, "format" },
        { 0, 47, "out of bounds" },
        { 0, 70, "checksum" },
        { 0, (off_t)len - PREFIX - 1, "checksum" },
        { 0, (off_t)len / 2, "checksum" },
        { PREFIX, 0, "truncated" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_memdup2(good, len);
        if (cases[i].flip != 0)
            bytes[PREFIX + cases[i].flip] ^= 0x40;
        g_assert_cmpint(ftruncate(image, 0), ==, 0);
        g_assert_cmpint(pwrite(image, bytes, cases[i].cut != 0 ? (gsize)cases[i].cut : len, 0), >,
                        0);
        g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
        g_assert_cmpint(start_def(f, def, FALSE, image, NULL, &error), ==, -1);
        g_assert_error(error, HV_ERROR, HV_ERROR_IO);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_clear_error(&error);
        g_assert_cmpuint(free_kib(f), ==, all);
    }
    /* Another domain's image is refused; the good one still works. */
    g_autoptr(ConfDomain) stranger = make_def("stranger", 128, 2);
    g_assert_cmpint(pwrite(image, good, len, 0), ==, (gssize)len);
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    g_assert_cmpint(start_def(f, stranger, FALSE, image, NULL, &error), ==, -1);
    g_assert_error(error, HV_ERROR, HV_ERROR_CONFIG);
    g_clear_error(&error);
    g_assert_cmpint(lseek(image, PREFIX, SEEK_SET), ==, PREFIX);
    start_def(f, def, FALSE, image, NULL, &error);
    g_assert_no_error(error);
    close(image);
}

static void
test_save_fails(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    struct stat st;
    int image = image_fd(f, NULL);
    int domid = start_named(f, "one", 128);
    set_control(f, "[one]\nsave-fail-at=100000\n");
    g_assert_false(OPS->save(f->engine, domid, image, NULL, NULL, NULL, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "No space left"));
    g_assert_cmpint(fstat(image, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 100000);
    g_clear_error(&error);
    /* It runs on, and to resume it once more is nothing wrong. */
    HvEngineDomain row = row_of(f, domid);
    g_assert_true(!row.shutdown && !row.paused);
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));

    set_control(f, "[one]\nsave-fail-at=10\nresume-fail=no luck\n");
    g_assert_false(OPS->save(f->engine, domid, image, NULL, NULL, NULL, &error));
    g_assert_nonnull(strstr(error->message, "still suspended (no luck)"));
    g_clear_error(&error);
    g_assert_cmpint(row_of(f, domid).shutdown_code, ==, 2);
    set_control(f, "");
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));
    g_assert_false(row_of(f, domid).shutdown);

    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    set_control(f, "[one]\nsave-write-ms=60000\n");
    GThread *thread = g_thread_new("cancel", cancel_thread, cancellable);
    g_assert_false(OPS->save(f->engine, domid, image, cancellable, NULL, NULL, &error));
    g_thread_join(thread);
    g_assert_error(error, HV_ERROR, HV_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_false(row_of(f, domid).shutdown);
    /* A paused guest comes back paused. */
    g_assert_true(OPS->pause(f->engine, domid, &error));
    set_control(f, "");
    save_to(f, domid, image);
    g_assert_true(OPS->resume_saved(f->engine, domid, &error));
    g_assert_true(row_of(f, domid).paused);
    g_assert_no_error(error);
    close(image);
}

/* ---- other toolstacks, deaths ---- */

static void
test_reopen(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 64);
    guint64 before = row_of(f, domid).cpu_time_ns;
    OPS->close(f->engine);
    g_usleep(50000);
    open_engine(f);
    HvEngineDomain row = row_of(f, domid);
    g_assert_false(row.paused || row.shutdown);
    g_assert_cmpuint(row.cpu_time_ns, >, before);
    g_assert_false(take_event(f, HV_ENGINE_EVENT_GONE, domid, 50000, NULL));
    int fd = open_console(f, domid);
    g_autofree char *text G_GNUC_UNUSED = read_until(fd, "one login: ");
    close(fd);
    g_assert_cmpint(start_named(f, "two", 64), ==, domid + 1);
}

static void
test_other_toolstack(Fixture *f, gconstpointer conf)
{
    g_autofree char *out = NULL, *table = NULL, *err = NULL;
    HvEngineEvent event, gone;
    int ours = start_named(f, "ours", 64);
    g_assert_cmpint(tool(f, &out, NULL, "--create", "theirs", "96", NULL), ==, 0);
    int theirs = atoi(out);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_NEW, theirs, WAIT_US, &event));
    g_assert_cmpmem(event.uuid, 16, row_of(f, theirs).uuid, 16);

    g_assert_cmpint(tool(f, &table, NULL, "--status", NULL), ==, 0);
    g_assert_nonnull(strstr(table, "ours "));
    g_assert_nonnull(strstr(table, "theirs "));
    g_assert_nonnull(strstr(table, "State"));

    g_autofree char *id = g_strdup_printf("%d", ours);
    g_assert_cmpint(tool(f, NULL, NULL, "--exit", id, "3", NULL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_SHUTDOWN, ours, WAIT_US, &event));
    g_assert_cmpint(event.code, ==, 3);
    g_assert_cmpint(tool(f, NULL, NULL, "--destroy", id, NULL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, ours, WAIT_US, &gone));
    g_assert_cmpmem(event.uuid, 16, gone.uuid, 16);
    g_assert_false(find_row(f, ours, NULL));
    g_assert_cmpint(tool(f, NULL, &err, "--destroy", id, NULL), ==, 1);
    g_assert_nonnull(strstr(err, "no domain"));
    /* The root is taken: a second host does not start. */
    g_assert_cmpint(tool(f, NULL, NULL, "--foreground", NULL), ==, 3);
}

static void
test_adopt(Fixture *f, gconstpointer conf)
{
    g_autoptr(ConfDomain) def = make_def("one", 256, 2);
    g_autoptr(ConfDomain) live = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    add_devices(def);
    int domid = start_def(f, def, FALSE, -1, &live, &error);
    g_assert_no_error(error);
    g_assert_true(OPS->set_memory(f->engine, domid, 200 * MIB, &error));
    await_memory(f, domid, 200 * MIB);
    OPS->close(f->engine);
    open_engine(f);
    g_autoptr(ConfDomain) adopted = OPS->adopt(f->engine, domid, &error);
    g_assert_no_error(error);
    /* All that start() gave, with the memory of now. */
    live->cur_memory_kib = 200 * MIB;
    g_autofree char *was = conf_domain_format_xml(live, 0);
    g_autofree char *now = conf_domain_format_xml(adopted, 0);
    g_assert_cmpstr(now, ==, was);

    g_assert_cmpint(tool(f, &out, NULL, "--create", "theirs", "96", NULL), ==, 0);
    g_autoptr(ConfDomain) theirs = OPS->adopt(f->engine, atoi(out), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(theirs->name, ==, "theirs");
    g_assert_true(theirs->uuid_set);
    g_assert_cmpuint(theirs->memory_kib, ==, 96 * MIB);
    g_assert_cmpint(theirs->id, ==, atoi(out));
    g_assert_nonnull(((ConfChardev *)theirs->consoles->pdata[0])->tty);
    g_assert_null(OPS->adopt(f->engine, 99, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN);
}

static int
host_pid(Fixture *f)
{
    g_autofree char *text = NULL;
    g_autofree char *path = g_build_filename(f->root, "run/xlvirt/simhost.pid", NULL);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return atoi(text);
}

static void
test_host_dies(Fixture *f, gconstpointer conf)
{
    g_autoptr(GError) error = NULL;
    set_control(f, "[one]\nshutdown-hang=true\n");
    int one = start_named(f, "one", 64), two = start_named(f, "two", 64);
    int old = host_pid(f);
    Order order = { .f = f, .domid = one };
    GThread *thread = g_thread_new("order", shutdown_thread, &order);
    g_usleep(100000);
    g_assert_cmpint(kill(old, SIGKILL), ==, 0);
    g_thread_join(thread);
    g_assert_false(order.ok);
    g_assert_error(order.error, HV_ERROR, HV_ERROR_ENGINE);
    g_clear_error(&order.error);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, one, WAIT_US, NULL));
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, two, WAIT_US, NULL));
    /* The next call finds a new host, an empty one. */
    g_autoptr(GArray) list = OPS->list(f->engine, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 0);
    g_assert_cmpint(host_pid(f), !=, old);
    g_assert_cmpint(start_named(f, "one", 64), ==, 1);
}

/* Many threads find the host dead at once: one new host, and all are served. */
static gpointer
list_thread(gpointer data)
{
    Order *order = data;
    g_autoptr(GArray) list = OPS->list(order->f->engine, &order->error);
    order->ok = list != NULL;
    return NULL;
}

static void
test_host_restarts_once(Fixture *f, gconstpointer conf)
{
    Order orders[8] = { 0 };
    GThread *threads[8];
    int domid = start_named(f, "one", 64);
    g_assert_cmpint(kill(host_pid(f), SIGKILL), ==, 0);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
    for (int i = 0; i < 8; i++) {
        orders[i].f = f;
        threads[i] = g_thread_new("list", list_thread, &orders[i]);
    }
    for (int i = 0; i < 8; i++) {
        g_thread_join(threads[i]);
        g_assert_no_error(orders[i].error);
        g_assert_true(orders[i].ok);
    }
}

static void
test_root_vanishes(Fixture *f, gconstpointer conf)
{
    int domid = start_named(f, "one", 64);
    remove_tree(f->root);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
    g_assert_cmpint(g_mkdir(f->root, 0755), ==, 0);
    g_assert_false(find_row(f, domid, NULL)); /* another host by now */
}

static int
raw_connect(Fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_autofree char *path = g_build_filename(f->root, "run/xlvirt/simhost.sock", NULL);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

/* Whatever comes over the socket, the host lives on and drops who sent it. */
static void
test_hostile_client(Fixture *f, gconstpointer conf)
{
    static const guint32 heads[][6] = {
        /* length, kind | op << 16, id, id, fds, reserved */
        { 0xffffffff, 1 | 1 << 16, 1, 0, 0, 0 }, /* longer than any frame */
        { 4, 1 | 200 << 16, 1, 0, 0, 0 },        /* no such operation */
        { 4, 9 | 1 << 16, 1, 0, 0, 0 },          /* no such kind */
        { 3, 1 | 1 << 16, 1, 0, 0, 0 },          /* HELLO too short */
        { 0, 1 | 4 << 16, 1, 0, 0, 0 },          /* no HELLO before */
        { 4, 1 | 1 << 16, 1, 0, 1, 0 },          /* promises a descriptor */
        { 4, 3 | 1 << 16, 1, 0, 0, 0 },          /* an error as request */
    };
    int domid = start_named(f, "one", 64);
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++) {
        char byte, body[4] = { 1, 0, 0, 0 };
        int fd = raw_connect(f);
        g_assert_cmpint(send(fd, heads[i], sizeof(heads[i]), MSG_NOSIGNAL), ==, sizeof(heads[i]));
        if (heads[i][0] <= sizeof(body) && heads[i][0] > 0)
            send(fd, body, heads[i][0], MSG_NOSIGNAL);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        g_assert_cmpint(poll(&pfd, 1, 5000), ==, 1);
        g_assert_cmpint(recv(fd, &byte, 1, 0), <=, 0);
        close(fd);
    }
    int idle = raw_connect(f); /* sends half a frame and sits there */
    g_assert_cmpint(send(idle, heads[0], 7, MSG_NOSIGNAL), ==, 7);
    g_assert_true(find_row(f, domid, NULL));
    close(idle);
    g_assert_true(find_row(f, domid, NULL));
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

static void
add(const char *path, const char *conf, void (*func)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, conf, set_up, func, tear_down);
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
    add("/hv/sim/fault/hang", NULL, test_hang);
    add("/hv/sim/fault/delay", NULL, test_delay);
    add("/hv/sim/fault/each", NULL, test_faults);
    add("/hv/sim/fault/bad-file", NULL, test_bad_control);
    add("/hv/sim/fault/cancel-start", NULL, test_cancel_start);
    add("/hv/sim/save/restore", NULL, test_save_restore);
    add("/hv/sim/save/damaged", NULL, test_save_damaged);
    add("/hv/sim/save/fails", NULL, test_save_fails);
    add("/hv/sim/reopen", NULL, test_reopen);
    add("/hv/sim/other-toolstack", NULL, test_other_toolstack);
    add("/hv/sim/adopt", NULL, test_adopt);
    add("/hv/sim/host/dies", NULL, test_host_dies);
    add("/hv/sim/host/restarts-once", NULL, test_host_restarts_once);
    add("/hv/sim/host/root-vanishes", NULL, test_root_vanishes);
    add("/hv/sim/host/hostile-client", NULL, test_hostile_client);
    g_test_add_func("/hv/sim/manual", test_manual);
    return g_test_run();
}
