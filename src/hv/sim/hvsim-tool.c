/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-tool.h>

#include <hv/engine.h>
#include <hv/sim/hvsim-control.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
tool_connect(const char *root, GError **error)
{
    g_autofree char *base = sim_root_path(root);
    g_autofree char *path = g_build_filename(base, SIM_RUN_DIR, SIM_SOCKET_NAME, NULL);
    int why = 0;
    int fd = sim_socket_connect(path, &why);
    if (fd < 0)
        g_set_error(error, SIM_ERROR, 0, "no simulated host runs on %s (%s: %s)", base, path,
                    g_strerror(why));
    return fd;
}

static gboolean
read_all(int fd, void *data, gsize len, GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    gboolean ok = sim_recv_all(fd, data, len, fds);
    if (!ok)
        g_set_error(error, SIM_ERROR, 0, "the simulated host went away: %s",
                    errno == 0 ? "end of connection" : g_strerror(errno));
    sim_close_fds(fds);
    return ok;
}

static GVariant *
read_reply(int fd, guint64 id, GError **error)
{
    for (;;) {
        SimHeader header;
        if (!read_all(fd, &header, sizeof(header), error))
            return NULL;
        if (!sim_header_check(&header)) {
            g_set_error(error, SIM_ERROR, 0, "the simulated host answers nonsense");
            return NULL;
        }
        g_autofree char *data = g_malloc(header.length + 1);
        if (!read_all(fd, data, header.length, error))
            return NULL;
        if (header.kind == SIM_KIND_EVENT || header.id != id)
            continue;
        g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&data), header.length);
        g_autoptr(GVariant) payload = sim_payload(&header, bytes);
        if (payload != NULL && header.kind == SIM_KIND_REPLY)
            return g_steal_pointer(&payload);
        const char *text = "the simulated host answers nonsense";
        if (payload != NULL && header.kind == SIM_KIND_ERROR)
            g_variant_get(payload, "(u&s)", NULL, &text);
        g_set_error_literal(error, SIM_ERROR, 0, text);
        return NULL;
    }
}

/* `payload` is floating. */
static GVariant *
call(int fd, SimOp op, GVariant *payload, GError **error)
{
    static guint64 last_id;
    g_autoptr(GVariant) body = g_variant_ref_sink(payload);
    SimHeader header = { .length = (guint32)g_variant_get_size(body),
                         .kind = SIM_KIND_REQUEST,
                         .op = (guint16)op,
                         .id = ++last_id };
    gsize len = sizeof(header) + header.length;
    g_autofree char *frame = g_malloc(len);
    memcpy(frame, &header, sizeof(header));
    g_variant_store(body, frame + sizeof(header));
    for (gsize sent = 0; sent < len;) {
        gssize n = sim_send(fd, frame + sent, len - sent, -1);
        if (n < 0) {
            g_set_error(error, SIM_ERROR, 0, "the simulated host went away: %s", g_strerror(errno));
            return NULL;
        }
        sent += (gsize)n;
    }
    return read_reply(fd, header.id, error);
}

/* Connects, greets, asks. *ret_fd stays open for more; it may be NULL. */
static GVariant *
ask(const char *root, SimOp op, GVariant *payload, int *ret_fd, GError **error)
{
    g_autoptr(GVariant) body = g_variant_ref_sink(payload);
    int fd = tool_connect(root, error);
    if (fd < 0)
        return NULL;
    g_autoptr(GVariant) hello = call(fd, SIM_OP_HELLO, g_variant_new("(u)", SIM_PROTOCOL), error);
    GVariant *reply = hello == NULL ? NULL : call(fd, op, body, error);
    if (reply != NULL && ret_fd != NULL)
        *ret_fd = fd;
    else
        close(fd);
    return reply;
}

static int
report(const GError *error)
{
    if (error == NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "xlvirt-simhost: %s\n", error->message);
    return EXIT_FAILURE;
}

int
sim_tool_stop(const char *root)
{
    g_autoptr(GError) error = NULL;
    int fd = -1;
    g_autoptr(GVariant) reply = ask(root, SIM_OP_STOP, g_variant_new("()"), &fd, &error);
    if (reply == NULL)
        return report(error);
    /* The end of the connection is the end of the host: a new one may start then. */
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    close(fd);
    return EXIT_SUCCESS;
}

/* A request whose answer is that it is done. */
static int
order(const char *root, SimOp op, GVariant *payload)
{
    g_autoptr(GError) error = NULL;
    GVariant *reply = ask(root, op, payload, NULL, &error);
    g_clear_pointer(&reply, g_variant_unref);
    return report(error);
}

int
sim_tool_destroy(const char *root, int domid)
{
    return order(root, SIM_OP_DESTROY, g_variant_new("(i)", domid));
}

int
sim_tool_exit(const char *root, int domid, guint code)
{
    return order(root, SIM_OP_EXIT, g_variant_new("(iu)", domid, code));
}

int
sim_tool_tray(const char *root, int domid, const char *target, gboolean open)
{
    return order(root, SIM_OP_DISK_TELLS,
                 g_variant_new("(iuixs)", domid, HV_ENGINE_EVENT_TRAY, 0, (gint64)open, target));
}

int
sim_tool_io_error(const char *root, int domid, const char *target, gboolean full)
{
    return order(root, SIM_OP_DISK_TELLS,
                 g_variant_new("(iuixs)", domid, HV_ENGINE_EVENT_IO_ERROR,
                               full ? HV_IO_ERROR_PAUSE : HV_IO_ERROR_REPORT, (gint64)full,
                               target));
}

int
sim_tool_visit(const char *root, int domid, const char *address)
{
    return order(root, SIM_OP_VISIT, g_variant_new("(is)", domid, address));
}

int
sim_tool_clock(const char *root, int domid, gint64 offset)
{
    return order(root, SIM_OP_CLOCK, g_variant_new("(ix)", domid, offset));
}

int
sim_tool_lose(const char *root, int domid)
{
    return order(root, SIM_OP_LOSE, g_variant_new("(i)", domid));
}

int
sim_tool_create(const char *root, const char *name, guint64 memory_mib)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SimStart) start = sim_start_new();
    for (gsize i = 0; i < sizeof(start->uuid); i++)
        start->uuid[i] = (guint8)g_random_int_range(0, 256);
    start->uuid[6] = (guint8)((start->uuid[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    start->uuid[8] = (guint8)((start->uuid[8] & 0x3f) | 0x80);
    start->name = g_strdup(name);
    start->record = g_strdup("");
    start->memory_kib = start->max_memory_kib = memory_mib * 1024;
    start->vcpus_online = start->vcpus_max = 1;
    start->console = TRUE;
    g_autoptr(GVariant) reply = NULL;
    if (!g_utf8_validate(name, -1, NULL))
        g_set_error(&error, SIM_ERROR, 0, "the name is not UTF-8");
    else
        reply = ask(root, SIM_OP_START,
                    g_variant_new("(@" SIM_START_TYPE ")", sim_start_pack(start)), NULL, &error);
    if (reply != NULL) {
        int domid;
        g_variant_get_child(reply, 0, "i", &domid);
        printf("%d\n", domid);
    }
    return report(error);
}

static void
print_row(const SimDomainRow *row, const char *name)
{
    static const char letters[] = "rbpscd"; /* by bit of SimFlags, as xl list has them */
    char state[] = "------";
    for (guint bit = 0; bit < 6; bit++)
        if (row->flags >> bit & 1)
            state[bit] = letters[bit];
    printf("%-40s %5d %5" G_GUINT64_FORMAT " %5u     %s %9.1f\n", name, row->domid,
           row->memory_kib / 1024, row->vcpus_online, state, (double)row->cpu_time_ns / 1e9);
}

static int
compare_rows(gconstpointer a, gconstpointer b)
{
    return ((const SimDomainRow *)a)->domid - ((const SimDomainRow *)b)->domid;
}

static void
print_table(GVariant *list, GVariant *names_reply)
{
    g_autoptr(GHashTable) names = g_hash_table_new(NULL, NULL);
    g_autoptr(GVariant) pairs = g_variant_get_child_value(names_reply, 0);
    g_autoptr(GVariant) rows = g_variant_get_child_value(list, 0);
    GVariantIter iter;
    int domid;
    const char *name;
    g_variant_iter_init(&iter, pairs);
    while (g_variant_iter_next(&iter, "(i&stt)", &domid, &name, NULL, NULL))
        g_hash_table_insert(names, GINT_TO_POINTER(domid), (gpointer)name);
    gsize n;
    gconstpointer data = g_variant_get_fixed_array(rows, &n, sizeof(SimDomainRow));
    g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(SimDomainRow));
    g_array_append_vals(sorted, data, (guint)n);
    g_array_sort(sorted, compare_rows);
    printf("%-40s %5s %5s %5s     %-6s %9s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
    for (guint i = 0; i < sorted->len; i++) {
        const SimDomainRow *row = &g_array_index(sorted, SimDomainRow, i);
        name = g_hash_table_lookup(names, GINT_TO_POINTER(row->domid));
        print_row(row, name == NULL ? "(gone)" : name);
    }
}

int
sim_tool_status(const char *root)
{
    g_autoptr(GError) error = NULL;
    int fd = -1;
    g_autoptr(GVariant) list = ask(root, SIM_OP_LIST, g_variant_new("()"), &fd, &error);
    if (list == NULL)
        return report(error);
    g_autoptr(GVariant) names = call(fd, SIM_OP_NAMES, g_variant_new("()"), &error);
    close(fd);
    if (names != NULL)
        print_table(list, names);
    return report(error);
}
