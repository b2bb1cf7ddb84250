/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening and closing a connection, what it can do, and the host behind it. */
#include "lvd-do.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define OUR_URI "xen:///system"

/* ---- opening ---- */

gboolean
lvd_do_auth_list(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_auth_list_ret *r = ret;

    /* One entry: 0, none. Who may connect is a matter of the socket's owner, group and mode. */
    r->types.types_val = g_new0(int, 1);
    r->types.types_len = 1;
    return TRUE;
}

/* The client has taken the transport, the server and what it used of the query out of the URI. No
 * URI at all means: whatever this daemon serves. */
static gboolean
is_our_uri(const char *name)
{
    g_autoptr(GError) ignored = NULL;

    if (!name || *name == '\0')
        return TRUE;
    g_autoptr(GUri) uri = g_uri_parse(name, G_URI_FLAGS_NONE, &ignored);
    if (!uri || strcmp(g_uri_get_scheme(uri), "xen") != 0)
        return FALSE;
    const char *host = g_uri_get_host(uri), *path = g_uri_get_path(uri);
    if (host && *host)
        return FALSE;
    return *path == '\0' || strcmp(path, "/") == 0 || strcmp(path, "/system") == 0;
}

gboolean
lvd_do_connect_open(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_open_args *a = args;
    LvdClient *client = lvd_call_client(call);

    if (lvd_client_is_open(client)) {
        lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, "connection already open");
        return FALSE;
    }
    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (!is_our_uri(lvd_opt(a->name))) {
        lvd_set_error(error, VIR_ERR_NO_CONNECT, VIR_FROM_NONE, "%s", lvd_opt(a->name));
        return FALSE;
    }
    lvd_client_set_open(client, (a->flags & VIR_CONNECT_RO) != 0);
    return TRUE;
}

gboolean
lvd_do_connect_close(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_client_close_after_reply(lvd_call_client(call));
    return TRUE;
}

/* The connection is never closed by the driver alone, so there is nothing to register for; virsh
 * always asks. */
gboolean
lvd_do_connect_register_close_callback(LvdCall *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

gboolean
lvd_do_connect_unregister_close_callback(LvdCall *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

/* ---- what the connection can do ---- */

enum {
    FEATURE_FD_PASSING = 8,
    FEATURE_TYPED_PARAM_STRING = 9,
    FEATURE_KEEPALIVE = 10,
    FEATURE_EVENT_CALLBACK = 14,
    FEATURE_CLOSE_CALLBACK = 15,
    FEATURE_NETWORK_UPDATE_ORDER = 16,
};

/* What is not named here, known or not, is answered with 0: migration among it. */
static const int features[] = {
    [FEATURE_FD_PASSING] = 1,     [FEATURE_TYPED_PARAM_STRING] = 1,
    [FEATURE_KEEPALIVE] = 1,      [FEATURE_EVENT_CALLBACK] = 1,
    [FEATURE_CLOSE_CALLBACK] = 1, [FEATURE_NETWORK_UPDATE_ORDER] = 1,
};

gboolean
lvd_do_connect_supports_feature(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_supports_feature_args *a = args;
    lvd_connect_supports_feature_ret *r = ret;
    LvdClient *client = lvd_call_client(call);

    /* Keepalive is the one question that may come before CONNECT_OPEN. */
    if (a->feature != FEATURE_KEEPALIVE && !lvd_client_is_open(client)) {
        lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC,
                      "hypervisor connection not open");
        return FALSE;
    }
    if (a->feature == FEATURE_KEEPALIVE)
        lvd_client_start_keepalive(client);
    r->supported = a->feature >= 0 && (gsize)a->feature < G_N_ELEMENTS(features)
                       ? features[a->feature]
                       : 0;
    return TRUE;
}

gboolean
lvd_do_connect_is_secure(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_is_secure_ret *r = ret;

    r->secure = 1; /* Unix sockets only */
    return TRUE;
}

gboolean
lvd_do_connect_get_uri(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_uri_ret *r = ret;

    r->uri = g_strdup(OUR_URI);
    return TRUE;
}

gboolean
lvd_do_connect_get_type(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_type_ret *r = ret;

    r->type = g_strdup("Xen");
    return TRUE;
}

/* The generation of libvirt's protocol that this daemon was built to speak. */
gboolean
lvd_do_connect_get_lib_version(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_lib_version_ret *r = ret;

    r->lib_ver = LIBVIR_VERSION_NUMBER;
    return TRUE;
}

/* ---- the host ---- */

gboolean
lvd_do_connect_get_version(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_version_ret *r = ret;
    HvHostInfo info;

    if (!hv_host_info(lvd_call_host(call), &info, error))
        return FALSE;
    r->hv_ver = info.version;
    return TRUE;
}

gboolean
lvd_do_connect_get_max_vcpus(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_max_vcpus_ret *r = ret;
    HvHostInfo info;

    if (!hv_host_info(lvd_call_host(call), &info, error))
        return FALSE;
    r->max_vcpus = (int)MIN(info.max_vcpus, G_MAXINT);
    return TRUE;
}

gboolean
lvd_do_connect_get_hostname(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_hostname_ret *r = ret;
    char name[HOST_NAME_MAX + 1] = "";

    /* No look-up of a domain for it: a name server that hangs would hang the call. */
    if (gethostname(name, sizeof name - 1) != 0) {
        lvd_set_error(error, VIR_ERR_SYSTEM_ERROR, VIR_FROM_LIBXL,
                      "failed to determine host name: %s", g_strerror(errno));
        return FALSE;
    }
    r->hostname = g_strdup(name);
    return TRUE;
}

gboolean
lvd_do_connect_get_capabilities(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_connect_get_capabilities_ret *r = ret;

    return lvd_return_text(&r->capabilities, hv_host_capabilities(lvd_call_host(call), error),
                           error);
}

gboolean
lvd_do_connect_get_domain_capabilities(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_get_domain_capabilities_args *a = args;
    lvd_connect_get_domain_capabilities_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    char *text = hv_host_domain_capabilities(lvd_call_host(call), lvd_opt(a->emulatorbin),
                                             lvd_opt(a->arch), lvd_opt(a->machine),
                                             lvd_opt(a->virttype), error);
    return lvd_return_text(&r->capabilities, text, error);
}

gboolean
lvd_do_node_get_info(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_node_get_info_ret *r = ret;
    HvHostInfo info;

    if (!hv_host_info(lvd_call_host(call), &info, error))
        return FALSE;
    g_strlcpy(r->model, info.model, sizeof r->model);
    r->memory = info.memory_kib;
    r->cpus = (int)info.cpus;
    r->mhz = (int)info.mhz;
    r->nodes = (int)info.nodes;
    r->sockets = (int)info.sockets;
    r->cores = (int)info.cores;
    r->threads = (int)info.threads;
    return TRUE;
}

gboolean
lvd_do_node_get_free_memory(LvdCall *call, const void *args, void *ret, GError **error)
{
    lvd_node_get_free_memory_ret *r = ret;
    HvHostInfo info;

    if (!hv_host_info(lvd_call_host(call), &info, error))
        return FALSE;
    r->freeMem = info.free_memory_kib * 1024;
    return TRUE;
}

gboolean
lvd_do_node_get_cpu_map(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_node_get_cpu_map_args *a = args;
    lvd_node_get_cpu_map_ret *r = ret;
    HvHostInfo info;

    if (!lvd_check_flags(call, a->flags, error) || !hv_host_info(lvd_call_host(call), &info, error))
        return FALSE;
    guint bytes = (info.cpus + 7) / 8;
    if (!lvd_check_count(call, bytes, LVD_CPUMAP_MAX, "cpumap", error))
        return FALSE;
    if (a->need_map) {
        r->cpumap.cpumap_val = g_malloc0(MAX(bytes, 1));
        r->cpumap.cpumap_len = bytes;
        for (guint cpu = 0; cpu < info.cpus; cpu++)
            r->cpumap.cpumap_val[cpu / 8] |= (char)(1 << cpu % 8);
    }
    r->online = a->need_online ? info.cpus : 0;
    r->ret = (int)info.cpus;
    return TRUE;
}
