/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-proto.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const SimOpInfo sim_ops[SIM_N_OPS] = {
    [SIM_OP_NONE] = { "event", SIM_EVENT_TYPE, SIM_EVENT_TYPE, FALSE, FALSE },
    [SIM_OP_HELLO] = { "hello", "(u)", "(ui)", FALSE, FALSE },
    [SIM_OP_CANCEL] = { "cancel", "(t)", "()", FALSE, FALSE },
    [SIM_OP_STOP] = { "stop", "()", "()", FALSE, FALSE },
    [SIM_OP_INFO] = { "info", "()", "(sttuuuuuutus)", FALSE, TRUE },
    [SIM_OP_LIST] = { "list", "()", "(a" SIM_DOMAIN_TYPE ")", FALSE, TRUE },
    [SIM_OP_NAMES] = { "names", "()", "(a(istt))", FALSE, FALSE },
    [SIM_OP_START] = { "start", "(" SIM_START_TYPE ")", SIM_LIVE_TYPE, FALSE, TRUE },
    [SIM_OP_RESTORE] = { "restore", "(" SIM_START_TYPE SIM_GUEST_TYPE ")", SIM_LIVE_TYPE, FALSE,
                         TRUE },
    [SIM_OP_DESTROY] = { "destroy", "(i)", "()", TRUE, TRUE },
    [SIM_OP_SHUTDOWN] = { "shutdown", "(iu)", "()", TRUE, TRUE },
    [SIM_OP_REBOOT] = { "reboot", "(iu)", "()", TRUE, TRUE },
    [SIM_OP_PAUSE] = { "pause", "(i)", "()", TRUE, TRUE },
    [SIM_OP_UNPAUSE] = { "unpause", "(i)", "()", TRUE, TRUE },
    [SIM_OP_MEMORY] = { "memory", "(it)", "()", TRUE, TRUE },
    [SIM_OP_MAX_MEMORY] = { "max-memory", "(it)", "()", TRUE, TRUE },
    [SIM_OP_VCPUS] = { "vcpus", "(iu)", "()", TRUE, TRUE },
    [SIM_OP_VCPU_INFO] = { "vcpu-info", "(i)", "(a(uitiay))", TRUE, TRUE },
    [SIM_OP_SAVE] = { "save", "(i)", "(stt" SIM_GUEST_TYPE "tu)", TRUE, TRUE },
    [SIM_OP_RESUME] = { "resume", "(i)", "()", TRUE, TRUE },
    [SIM_OP_CONSOLE] = { "console", "(iu)", "()", TRUE, TRUE },
    [SIM_OP_ADOPT] = { "adopt", "(i)", "(sstt" SIM_LIVE_TYPE "ttuub)", TRUE, TRUE },
    [SIM_OP_EXIT] = { "exit", "(iu)", "()", TRUE, FALSE },
    [SIM_OP_ATTACH] = { "attach", "(iss)", "()", TRUE, TRUE },
    [SIM_OP_DETACH] = { "detach", "(iss)", "()", TRUE, TRUE },
    [SIM_OP_UPDATE] = { "update", "(iss)", "()", TRUE, TRUE },
    [SIM_OP_RESET] = { "reset", "(i)", "()", TRUE, TRUE },
    [SIM_OP_NMI] = { "nmi", "(i)", "()", TRUE, TRUE },
    [SIM_OP_KEYS] = { "keys", "(iau)", "()", TRUE, TRUE },
    [SIM_OP_SLEEP] = { "pm-suspend", "(i)", "()", TRUE, TRUE },
    [SIM_OP_WAKEUP] = { "pm-wakeup", "(i)", "()", TRUE, TRUE },
    [SIM_OP_DUMP] = { "dump", "(i)", "(stu)", TRUE, TRUE },
    [SIM_OP_RENAME] = { "rename", "(istts)", "()", TRUE, TRUE },
    [SIM_OP_RESIZE] = { "resize", "(ist)", "()", TRUE, TRUE },
    [SIM_OP_DISK_SNAPSHOT] = { "disk-snapshot", "(i)", "()", TRUE, TRUE },
    [SIM_OP_SCREEN] = { "screenshot", "(iu)", "(s)", TRUE, TRUE },
    [SIM_OP_CHANNEL] = { "channel", "(is)", "()", TRUE, TRUE },
    [SIM_OP_CONTROL] = { "control", "()", "(" SIM_DOMAIN_TYPE ")", FALSE, TRUE },
    [SIM_OP_PCI] = { "pci", "(us)", "()", FALSE, TRUE },
    [SIM_OP_DISK_TELLS] = { "disk-tells", "(iuixs)", "()", TRUE, FALSE },
    [SIM_OP_VISIT] = { "visit", "(is)", "()", TRUE, FALSE },
    [SIM_OP_CLOCK] = { "clock", "(ix)", "()", TRUE, FALSE },
    [SIM_OP_LOSE] = { "lose", "(i)", "()", TRUE, FALSE },
    [SIM_OP_PIN] = { "pin", "(iuay)", "()", TRUE, TRUE },
    [SIM_OP_VCPU_MAP] = { "vcpu-map", "(iay)", "()", TRUE, TRUE },
    [SIM_OP_PIN_EMULATOR] = { "pin-emulator", "(iay)", "()", TRUE, TRUE },
    [SIM_OP_EMULATOR_PIN] = { "emulator-pin", "(i)", "(ay)", TRUE, TRUE },
    [SIM_OP_SCHED] = { "sched", "(i)", "(sai)", FALSE, TRUE },
    [SIM_OP_SET_SCHED] = { "set-sched", "(iuai)", "()", TRUE, TRUE },
    [SIM_OP_SET_NODES] = { "set-nodes", "(iay)", "()", TRUE, TRUE },
    [SIM_OP_NODES] = { "nodes", "(i)", "(ay)", TRUE, TRUE },
    [SIM_OP_HOST_NODES] = { "host-nodes", "()", "(a(tt))", FALSE, TRUE },
    [SIM_OP_HOST_CPUS] = { "host-cpus", "()", "(a(utt))", FALSE, TRUE },
    [SIM_OP_CPU_LEAVES] = { "cpu-leaves", "(u)", "(a(uuuuuu))", FALSE, TRUE },
    [SIM_OP_NIC_RATE] = { "nic-rate", "(ist)", "()", TRUE, TRUE },
    [SIM_OP_DISK_LIMITS] = { "disk-limits", "(is(tttttt))", "()", TRUE, TRUE },
    [SIM_OP_THRESHOLD] = { "threshold", "(ist)", "()", TRUE, TRUE },
    [SIM_OP_STATS] = { "stats", "(ua(iasas))", "(a(ia(uiti)a(xxxxxxxxx)a(xxxxxxxx)tt))", FALSE,
                       TRUE },
};

G_STATIC_ASSERT(sizeof(SimHeader) == 24);
G_STATIC_ASSERT(sizeof(SimDomainRow) == 64);

gboolean
sim_header_check(const SimHeader *header)
{
    return header->length <= SIM_MAX_FRAME && header->kind > 0 && header->kind < SIM_N_KINDS &&
           header->op < SIM_N_OPS && header->n_fds <= 1 && header->reserved == 0;
}

static const char *
payload_type(const SimHeader *header)
{
    switch ((SimKind)header->kind) {
    case SIM_KIND_REQUEST:
        return header->op == SIM_OP_NONE ? NULL : sim_ops[header->op].request;
    case SIM_KIND_REPLY:
        return header->op == SIM_OP_NONE ? NULL : sim_ops[header->op].reply;
    case SIM_KIND_ERROR:
        return "(us)";
    case SIM_KIND_EVENT:
        return header->op == SIM_OP_NONE ? SIM_EVENT_TYPE : NULL;
    case SIM_N_KINDS:
        break;
    }
    return NULL;
}

GVariant *
sim_payload(const SimHeader *header, GBytes *bytes)
{
    const char *type = payload_type(header);
    if (type == NULL)
        return NULL;
    g_autoptr(GVariant)
        payload = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
    return g_variant_is_normal_form(payload) ? g_steal_pointer(&payload) : NULL;
}

void
sim_uuid_to_words(const guint8 uuid[16], guint64 *ret_high, guint64 *ret_low)
{
    memcpy(ret_high, uuid, 8);
    memcpy(ret_low, uuid + 8, 8);
}

void
sim_uuid_from_words(guint64 high, guint64 low, guint8 ret_uuid[16])
{
    memcpy(ret_uuid, &high, 8);
    memcpy(ret_uuid + 8, &low, 8);
}

/* ---- records ---- */

void
sim_guest_free(SimGuest *guest)
{
    if (guest == NULL)
        return;
    g_clear_pointer(&guest->cpu_ns, g_array_unref);
    g_clear_pointer(&guest->backlog, g_bytes_unref);
    g_free(guest);
}

static GVariant *
pack_bytes(GBytes *bytes)
{
    gsize len = 0;
    const void *data = bytes == NULL ? NULL : g_bytes_get_data(bytes, &len);
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, len, 1);
}

GVariant *
sim_guest_pack(const SimGuest *guest)
{
    return g_variant_new("(tubbx@at@ay)", guest->memory_kib, guest->vcpus_online, guest->booted,
                         guest->paused, guest->age_us,
                         g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, guest->cpu_ns->data,
                                                   guest->cpu_ns->len, sizeof(guint64)),
                         pack_bytes(guest->backlog));
}

SimGuest *
sim_guest_unpack(GVariant *packed, guint vcpus_max, const char **ret_why)
{
    g_autoptr(SimGuest) guest = g_new0(SimGuest, 1);
    g_autoptr(GVariant) cpus = NULL, backlog = NULL;
    g_variant_get(packed, "(tubbx@at@ay)", &guest->memory_kib, &guest->vcpus_online, &guest->booted,
                  &guest->paused, &guest->age_us, &cpus, &backlog);
    gsize n_cpus = 0;
    const guint64 *cpu_ns = g_variant_get_fixed_array(cpus, &n_cpus, sizeof(guint64));
    gsize n_backlog = g_variant_get_size(backlog);
    const char *why = NULL;
    if (guest->memory_kib == 0)
        why = "the state has no memory";
    else if (guest->vcpus_online == 0 || n_cpus < guest->vcpus_online || n_cpus > vcpus_max)
        why = "the state's vcpus do not fit the domain";
    else if (guest->age_us < 0 || n_backlog > SIM_BACKLOG)
        why = "the state is out of bounds";
    if (why != NULL) {
        *ret_why = why;
        return NULL;
    }
    guest->cpu_ns = g_array_sized_new(FALSE, FALSE, sizeof(guint64), n_cpus);
    g_array_append_vals(guest->cpu_ns, cpu_ns, n_cpus);
    guest->backlog = g_bytes_new(g_variant_get_data(backlog), n_backlog);
    return g_steal_pointer(&guest);
}

SimStart *
sim_start_new(void)
{
    SimStart *start = g_new0(SimStart, 1);
    start->disks = g_ptr_array_new_with_free_func(g_free);
    start->pinned = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    start->devices = g_ptr_array_new_with_free_func(g_free);
    return start;
}

void
sim_start_free(SimStart *start)
{
    if (start == NULL)
        return;
    g_free(start->name);
    g_free(start->record);
    g_ptr_array_unref(start->disks);
    g_ptr_array_unref(start->pinned);
    g_ptr_array_unref(start->devices);
    g_clear_pointer(&start->options, g_variant_unref);
    g_free(start);
}

GVariant *
sim_start_pack(const SimStart *start)
{
    guint64 high, low;
    GVariantBuilder disks, pinned, devices;
    sim_uuid_to_words(start->uuid, &high, &low);
    g_variant_builder_init(&disks, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < start->disks->len; i++)
        g_variant_builder_add(&disks, "s", start->disks->pdata[i]);
    g_variant_builder_init(&pinned, G_VARIANT_TYPE("aay"));
    for (guint i = 0; i < start->pinned->len; i++)
        g_variant_builder_add_value(&pinned, pack_bytes(start->pinned->pdata[i]));
    g_variant_builder_init(&devices, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < start->devices->len; i++)
        g_variant_builder_add(&devices, "s", start->devices->pdata[i]);
    return g_variant_new("(sttsttuubbbuasaayas@a{sv})", start->name, high, low, start->record,
                         start->memory_kib, start->max_memory_kib, start->vcpus_online,
                         start->vcpus_max, start->hvm, start->paused, start->console,
                         start->n_ports, &disks, &pinned, &devices,
                         start->options != NULL ? start->options : g_variant_new("a{sv}", NULL));
}

static const char *
start_wrong(const SimStart *start)
{
    if (start->name[0] == '\0' || strchr(start->name, '/') != NULL || strlen(start->name) > 255)
        return "the domain's name is empty, too long or holds a '/'";
    if (start->memory_kib == 0 || start->max_memory_kib < start->memory_kib)
        return "memory must be above 0 and not above the maximum";
    if (start->vcpus_max == 0 || start->vcpus_max > SIM_MAX_VCPUS || start->vcpus_online == 0 ||
        start->vcpus_online > start->vcpus_max)
        return "vcpus must be above 0 and not above the maximum";
    if (start->n_ports > 64 || start->disks->len > SIM_MAX_DISKS ||
        start->pinned->len > start->vcpus_max)
        return "too many devices or pinned vcpus";
    for (guint i = 0; i < start->pinned->len; i++)
        if (g_bytes_get_size(start->pinned->pdata[i]) > SIM_MAX_CPUS / 8)
            return "a cpu affinity is wider than any host";
    return NULL;
}

SimStart *
sim_start_unpack(GVariant *packed, const char **ret_why)
{
    g_autoptr(SimStart) start = sim_start_new();
    g_autoptr(GVariantIter) disks = NULL, pinned = NULL, devices = NULL;
    guint64 high, low;
    g_variant_get(packed, "(sttsttuubbbuasaayas@a{sv})", &start->name, &high, &low, &start->record,
                  &start->memory_kib, &start->max_memory_kib, &start->vcpus_online,
                  &start->vcpus_max, &start->hvm, &start->paused, &start->console, &start->n_ports,
                  &disks, &pinned, &devices, &start->options);
    sim_uuid_from_words(high, low, start->uuid);
    char *disk;
    while (g_variant_iter_next(disks, "s", &disk))
        g_ptr_array_add(start->disks, disk);
    while (g_variant_iter_next(devices, "s", &disk))
        g_ptr_array_add(start->devices, disk);
    GVariant *map;
    while ((map = g_variant_iter_next_value(pinned)) != NULL) {
        g_ptr_array_add(start->pinned, g_variant_get_data_as_bytes(map));
        g_variant_unref(map);
    }
    const char *why = start_wrong(start);
    if (why != NULL) {
        *ret_why = why;
        return NULL;
    }
    return g_steal_pointer(&start);
}

char *
sim_stamp(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *text = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    return g_strdup_printf("%s.%03d+0000", text, g_date_time_get_microsecond(now) / 1000);
}

/* ---- paths and sockets ---- */

char *
sim_root_path(const char *root)
{
    return g_canonicalize_filename(root == NULL || root[0] == '\0' ? "/" : root, NULL);
}

/* sun_path holds 107 characters, a test's root may be deeper: name the folder by descriptor then.
 * *ret_dir_fd must stay open while the address is used. */
static gboolean
socket_address(const char *path, struct sockaddr_un *ret_address, int *ret_dir_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int dir_fd = -1;
    if (strlen(path) < sizeof(address.sun_path)) {
        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    } else {
        g_autofree char *folder = g_path_get_dirname(path);
        g_autofree char *name = g_path_get_basename(path);
        dir_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
            return FALSE;
        g_snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
    }
    *ret_address = address;
    *ret_dir_fd = dir_fd;
    return TRUE;
}

static int
socket_open(const char *path, gboolean listening, int *ret_errno)
{
    struct sockaddr_un address;
    int dir_fd = -1;
    if (!socket_address(path, &address, &dir_fd)) {
        *ret_errno = errno;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (listening ? SOCK_NONBLOCK : 0), 0);
    int r = fd;
    if (fd >= 0 && listening) {
        /* Mode 0600 from its first moment: no chmod() after others might have connected. */
        mode_t old = umask(0177);
        r = bind(fd, (struct sockaddr *)&address, sizeof(address));
        umask(old);
        if (r >= 0)
            r = listen(fd, 128);
    } else if (fd >= 0) {
        do
            r = connect(fd, (struct sockaddr *)&address, sizeof(address));
        while (r < 0 && errno == EINTR);
    }
    int saved = errno;
    if (dir_fd >= 0)
        close(dir_fd);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        *ret_errno = saved;
        return -1;
    }
    return fd;
}

int
sim_socket_connect(const char *path, int *ret_errno)
{
    return socket_open(path, FALSE, ret_errno);
}

int
sim_socket_listen(const char *path, int *ret_errno)
{
    return socket_open(path, TRUE, ret_errno);
}

gssize
sim_send(int fd, const void *data, gsize len, int pass_fd)
{
    struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (pass_fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &pass_fd, sizeof(int));
    }
    gssize r;
    do
        r = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r;
}

gssize
sim_recv(int fd, void *data, gsize len, GArray *fds)
{
    struct iovec iov = { .iov_base = data, .iov_len = len };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    gssize r;
    do
        r = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return r;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head != NULL; head = CMSG_NXTHDR(&msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        gsize n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (gsize i = 0; i < n; i++) {
            int passed;
            memcpy(&passed, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            g_array_append_val(fds, passed);
        }
    }
    return r;
}

gboolean
sim_recv_all(int fd, void *data, gsize len, GArray *fds)
{
    for (gsize done = 0; done < len;) {
        gssize n = sim_recv(fd, (char *)data + done, len - done, fds);
        if (n == 0)
            errno = 0;
        if (n <= 0)
            return FALSE;
        done += (gsize)n;
    }
    return TRUE;
}

void
sim_close_fds(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_set_size(fds, 0);
}
