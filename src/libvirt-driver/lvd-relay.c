/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The relay: which calls go to a stock daemon of the host, and where it listens.
 *
 * It is found as libvirt's client library finds it: the socket of the family's own daemon, else
 * that of the monolithic one. One thing is different: a socket that nobody listens on counts as
 * absent, so a file that a killed daemon left does not hide the next candidate.
 */
#include "lvd-upstream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MONOLITHIC "libvirt-sock"

enum { PROC_SUPPORTS_FEATURE = 60, FEATURE_NETWORK_UPDATE_ORDER = 16 };

static const struct {
    const char *name; /* the scheme of its URI, too */
    const char *socket;
} families[LVD_N_FAMILIES] = {
    [LVD_FAMILY_NETWORK] = { "network", "virtnetworkd-sock" },
    [LVD_FAMILY_STORAGE] = { "storage", "virtstoraged-sock" },
    [LVD_FAMILY_NODEDEV] = { "nodedev", "virtnodedevd-sock" },
    [LVD_FAMILY_INTERFACE] = { "interface", "virtinterfaced-sock" },
    [LVD_FAMILY_SECRET] = { "secret", "virtsecretd-sock" },
    [LVD_FAMILY_NWFILTER] = { "nwfilter", "virtnwfilterd-sock" },
};

const char *
lvd_family_name(LvdFamily family)
{
    return families[family].name;
}

/* ---- where they listen ---- */

static void
add_folder(GPtrArray *paths, const char *folder, LvdFamily family, const char *suffix)
{
    const char *const names[] = { families[family].socket, MONOLITHIC };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_ptr_array_add(paths, g_strconcat(folder, "/", names[i], suffix, NULL));
}

/* A folder of sockets, or one socket for everything. */
static void
add_named(GPtrArray *paths, const char *path, LvdFamily family, const char *suffix)
{
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        add_folder(paths, path, family, suffix);
    else
        g_ptr_array_add(paths, g_strconcat(path, suffix, NULL));
}

/* Candidates, the best first. */
static GPtrArray *
list_paths(const LvdConfig *config, LvdFamily family, gboolean readonly)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    const char *suffix = readonly ? "-ro" : "";
    g_autofree char *folder = lvd_config_socket_dir(config);

    if (config->relay && g_str_equal(config->relay, "off"))
        return paths;
    if (config->relay && config->relay[0] == '/') {
        add_named(paths, config->relay, family, suffix);
        return paths;
    }
    add_folder(paths, folder, family, suffix);
    if (geteuid() != 0 && *config->root == '\0') {
        /* A user's own daemons have no read-only sockets; the open is read-only there. */
        g_autofree char *own = g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL);

        add_folder(paths, own, family, "");
    }
    return paths;
}

int
lvd_connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, code;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    code = errno;
    close(fd);
    errno = code;
    return -1;
}

int
lvd_relay_connect(const LvdConfig *config, LvdFamily family, gboolean readonly, char **ret_path,
                  GError **error)
{
    g_autoptr(GPtrArray) paths = list_paths(config, family, readonly);

    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        int fd = lvd_connect_unix(path);

        if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR))
            continue;
        if (fd < 0 && errno != EAGAIN) {
            g_set_error(error, LVD_ERROR, LVD_RPC_ERROR(VIR_ERR_SYSTEM_ERROR),
                        "Failed to connect socket to '%s': %s", path, g_strerror(errno));
            return -1;
        }
        *ret_path = g_strdup(path);
        return fd;
    }
    return -1;
}

/* ---- calls ---- */

/* One feature is of the daemon behind us, not ours: in which order it takes the arguments of
 * network_update. */
static LvdFamily
family_of(const LvdCall *call)
{
    if (!call->proc || call->header.prog != LVD_PROGRAM_REMOTE)
        return LVD_FAMILY_OURS;
    if (call->proc->flags & LVD_PROC_RELAY)
        return call->proc->family;
    if (call->proc->number == PROC_SUPPORTS_FEATURE &&
        lvd_body_word(call->body, call->body_len, 0) == FEATURE_NETWORK_UPDATE_ORDER)
        return LVD_FAMILY_NETWORK;
    return LVD_FAMILY_OURS;
}

/* What is refused is refused by us, in the words that all calls get. */
static gboolean
may_pass(LvdClient *client, const LvdCall *call)
{
    return call->header.status == LVD_OK && lvd_client_is_open(client) &&
           (!g_atomic_int_get(&client->readonly) || call->proc->flags & LVD_PROC_READONLY);
}

gboolean
lvd_relay_call(LvdClient *client, LvdCall *call)
{
    LvdFamily family = family_of(call);
    g_autoptr(GError) error = NULL;

    if (family == LVD_FAMILY_OURS || !may_pass(client, call))
        return FALSE;
    if (!client->upstreams[family])
        client->upstreams[family] = lvd_upstream_new(client, family);
    if (lvd_upstream_call(client->upstreams[family], call, &error))
        return TRUE;
    if (!error)
        return FALSE;
    lvd_send_error(client, &call->header, LVD_REPLY, error);
    lvd_call_free(call);
    return TRUE;
}

gboolean
lvd_relay_packet(LvdClient *client, const LvdHeader *header, const guint8 *body, gsize body_len)
{
    const LvdProc *proc = NULL;

    if (header->prog == LVD_PROGRAM_REMOTE && header->vers == LVD_VERSION)
        proc = lvd_proc_find(header->proc);
    if (!proc || !(proc->flags & LVD_PROC_RELAY))
        return FALSE;
    if (client->upstreams[proc->family])
        lvd_upstream_packet(client->upstreams[proc->family], header, body, body_len);
    return TRUE;
}

void
lvd_relay_sent(LvdClient *client)
{
    for (guint i = 0; i < LVD_N_FAMILIES; i++)
        if (client->upstreams[i])
            lvd_upstream_sent(client->upstreams[i]);
}

void
lvd_relay_close(LvdClient *client)
{
    for (guint i = 0; i < LVD_N_FAMILIES; i++)
        g_clear_pointer(&client->upstreams[i], lvd_upstream_free);
}
