/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void
on_event(const HvEngineEvent *event, gpointer data)
{
    Fixture *f = data;
    g_mutex_lock(&f->lock);
    g_array_append_val(f->events, *event);
    g_cond_broadcast(&f->changed);
    g_mutex_unlock(&f->lock);
}

gboolean
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

void
open_engine(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    HvEngineConfig config = { .root = f->root, .event = on_event, .event_data = f };
    f->engine = OPS->open(&config, &error);
    g_assert_no_error(error);
    g_assert_nonnull(f->engine);
}

void
write_file(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(f->root, "etc/xlvirt", name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

void
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

void
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

int
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

ConfDomain *
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

int
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

int
start_named(Fixture *f, const char *name, guint64 mib)
{
    g_autoptr(ConfDomain) def = make_def(name, mib, 2);
    g_autoptr(GError) error = NULL;
    int domid = start_def(f, def, FALSE, -1, NULL, &error);
    g_assert_no_error(error);
    return domid;
}

void
destroy(Fixture *f, int domid)
{
    g_autoptr(GError) error = NULL;
    OPS->destroy(f->engine, domid, &error);
    g_assert_no_error(error);
    g_assert_true(take_event(f, HV_ENGINE_EVENT_GONE, domid, WAIT_US, NULL));
}

gboolean
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

HvEngineDomain
row_of(Fixture *f, int domid)
{
    HvEngineDomain row;
    g_assert_true(find_row(f, domid, &row));
    return row;
}

guint64
free_kib(Fixture *f)
{
    HvHostInfo info;
    g_autoptr(GError) error = NULL;
    OPS->host_info(f->engine, &info, &error);
    g_assert_no_error(error);
    return info.free_memory_kib;
}

int
open_console(Fixture *f, int domid)
{
    g_autoptr(GError) error = NULL;
    int fd = OPS->console(f->engine, domid, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return fd;
}

char *
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

void
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

void
await_memory(Fixture *f, int domid, guint64 kib)
{
    gint64 deadline = g_get_monotonic_time() + WAIT_US;
    while (row_of(f, domid).memory_kib != kib && g_get_monotonic_time() < deadline)
        g_usleep(5000);
    g_assert_cmpuint(row_of(f, domid).memory_kib, ==, kib);
}

gpointer
shutdown_thread(gpointer data)
{
    Order *order = data;
    order->ok = OPS->shutdown(order->f->engine, order->domid, 0, &order->error);
    g_atomic_int_set(&order->done, 1);
    return NULL;
}

gpointer
cancel_thread(gpointer data)
{
    g_usleep(100000);
    g_cancellable_cancel(data);
    return NULL;
}

void
add(const char *path, const char *conf, void (*func)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, conf, set_up, func, tear_down);
}
