/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Procedures over a libhv and a transport that are faked: what arguments are refused before libhv
 * is asked, and how answers are packed. The whole way is tests/client's matter.
 */
#include "lvd-do.h"

#include <string.h>

/* ---- fakes: one call at a time, and a host of four domains ---- */

struct LvdCall {
    const LvdProc *proc;
    gboolean readonly;
};

static gboolean client_open, client_readonly;
static guint keepalives;
static GPtrArray *views; /* HvView; an HvDomain is one of them */
static GArray *vcpus;    /* what hv_domain_vcpus() answers; NULL: not active */
static HvHostInfo host_info;

const LvdProc *
lvd_call_proc(LvdCall *call)
{
    return call->proc;
}

LvdClient *
lvd_call_client(LvdCall *call)
{
    return NULL;
}

HvHost *
lvd_call_host(LvdCall *call)
{
    return NULL;
}

gboolean
lvd_call_is_readonly(LvdCall *call)
{
    return call->readonly;
}

gboolean
lvd_client_is_open(LvdClient *client)
{
    return client_open;
}

void
lvd_client_set_open(LvdClient *client, gboolean readonly)
{
    client_open = TRUE;
    client_readonly = readonly;
}

void
lvd_client_start_keepalive(LvdClient *client)
{
    keepalives++;
}

void
lvd_client_close_after_reply(LvdClient *client)
{
}

HvView *
hv_view_ref(HvView *view)
{
    return view;
}

void
hv_view_unref(HvView *view)
{
}

const ConfDomain *
hv_view_current(const HvView *view)
{
    return view->live ? view->live : view->persistent;
}

void
hv_domain_unref(HvDomain *domain)
{
}

HvView *
hv_domain_view(HvDomain *domain)
{
    return (HvView *)domain;
}

GPtrArray *
hv_host_list(HvHost *host)
{
    GPtrArray *list = g_ptr_array_new();

    g_ptr_array_extend(list, views, NULL, NULL);
    return list;
}

HvDomain *
hv_host_lookup_uuid(HvHost *host, const guint8 uuid[16], GError **error)
{
    for (guint i = 0; i < views->len; i++) {
        HvView *view = g_ptr_array_index(views, i);
        if (memcmp(view->uuid, uuid, 16) == 0)
            return (HvDomain *)view;
    }
    g_set_error_literal(error, HV_ERROR, HV_ERROR_NO_DOMAIN, "none");
    return NULL;
}

HvDomain *
hv_host_lookup_name(HvHost *host, const char *name, GError **error)
{
    g_assert_not_reached();
}

HvDomain *
hv_host_lookup_id(HvHost *host, int domid, GError **error)
{
    g_assert_not_reached();
}

gboolean
hv_host_info(HvHost *host, HvHostInfo *ret_info, GError **error)
{
    *ret_info = host_info;
    return TRUE;
}

char *
hv_host_capabilities(HvHost *host, GError **error)
{
    return g_strnfill(LVD_STRING_MAX + 1, 'x');
}

char *
hv_host_domain_capabilities(HvHost *host, const char *emulator, const char *arch,
                            const char *machine, const char *virttype, GError **error)
{
    return g_strdup(arch ? arch : "none");
}

GArray *
hv_domain_vcpus(HvDomain *domain, GError **error)
{
    if (vcpus)
        return g_array_ref(vcpus);
    g_set_error_literal(error, HV_ERROR, HV_ERROR_WRONG_STATE, "domain is not running");
    return NULL;
}

static guint64 memory_asked;
static unsigned affect_asked;

gboolean
hv_domain_set_memory(HvDomain *domain, guint64 kib, unsigned affect, GError **error)
{
    memory_asked = kib;
    affect_asked = affect;
    return TRUE;
}

gboolean
hv_domain_set_vcpus(HvDomain *domain, guint n, unsigned affect, GError **error)
{
    affect_asked = affect;
    return TRUE;
}

int
hv_domain_get_vcpus(HvDomain *domain, unsigned affect, GError **error)
{
    affect_asked = affect;
    return 3;
}

gboolean
hv_domain_set_autostart(HvDomain *domain, gboolean autostart, GError **error)
{
    return TRUE;
}

gboolean
hv_domain_set_autostart_once(HvDomain *domain, gboolean once, GError **error)
{
    return TRUE;
}

bool
conf_bitmap_get(const ConfBitmap *map, unsigned n)
{
    return n / 8 < map->len && (map->bits[n / 8] & 1 << n % 8);
}

ConfDomain *
conf_domain_parse_xml(const char *text, gssize len, const char *name, unsigned flags,
                      GError **error)
{
    return NULL;
}

void
conf_domain_unref(ConfDomain *def)
{
}

/* ---- helpers ---- */

static ConfDomain def = { .name = "d", .vcpus_max = 3, .memory_kib = 1024 };

static void
add_domain(guint8 first, int domid, HvState state, gboolean persistent)
{
    HvView *view = g_new0(HvView, 1);

    view->name = g_strdup_printf("vm%u", first);
    view->uuid[0] = first;
    view->domid = domid;
    view->state = state;
    view->persistent = persistent ? &def : NULL;
    view->live = domid >= 0 ? &def : NULL;
    g_ptr_array_add(views, view);
}

static void
view_free(gpointer data)
{
    HvView *view = data;

    g_free(view->name);
    g_free(view);
}

static LvdCall
call_of(int number, const char *api)
{
    static LvdProc proc;

    proc = (LvdProc){ .number = number, .name = "x", .api = api };
    return (LvdCall){ &proc, FALSE };
}

static void
check_refused(gboolean ok, GError **error, int code, const char *message)
{
    g_assert_false(ok);
    g_assert_nonnull(*error);
    g_assert_true((*error)->domain == LVD_ERROR);
    g_assert_cmpint((*error)->code & 0x7fff, ==, code);
    if (message)
        g_assert_cmpstr((*error)->message, ==, message);
    g_clear_error(error);
}

/* ---- lists ---- */

static guint
count(unsigned flags)
{
    LvdCall call = call_of(LVD_PROC_CONNECT_LIST_ALL_DOMAINS, "virConnectListAllDomains");
    lvd_connect_list_all_domains_args args = { .need_results = 1, .flags = flags };
    lvd_connect_list_all_domains_ret ret = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_true(lvd_do_connect_list_all_domains(&call, &args, &ret, &error));
    g_assert_cmpuint(ret.ret, ==, ret.domains.domains_len);
    guint n = ret.ret;
    xdr_free((xdrproc_t)xdr_lvd_connect_list_all_domains_ret, (char *)&ret);

    args.need_results = 0;
    memset(&ret, 0, sizeof ret);
    g_assert_true(lvd_do_connect_list_all_domains(&call, &args, &ret, &error));
    g_assert_cmpuint(ret.ret, ==, n);
    g_assert_null(ret.domains.domains_val);
    return n;
}

static void
test_list(void)
{
    g_assert_cmpuint(count(0), ==, 4);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_ACTIVE), ==, 3);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_INACTIVE), ==, 1);
    g_assert_cmpuint(count(3), ==, 4);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_TRANSIENT), ==, 1);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_RUNNING), ==, 1);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_RUNNING | VIR_CONNECT_LIST_DOMAINS_PAUSED), ==,
                     2);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_OTHER), ==, 1);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_SHUTOFF | VIR_CONNECT_LIST_DOMAINS_ACTIVE), ==,
                     0);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE), ==, 1);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE), ==, 3);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_AUTOSTART), ==, 1);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART), ==, 3);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT), ==, 0);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT), ==, 4);
    g_assert_cmpuint(count(VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT), ==, 0);
    g_assert_cmpuint(count(0xffff), ==, 4);
}

static void
test_list_old(void)
{
    LvdCall call = call_of(LVD_PROC_CONNECT_LIST_DOMAINS, "virConnectListDomains");
    lvd_connect_list_domains_args args = { .maxids = 2 };
    lvd_connect_list_domains_ret ret = { 0 };
    GError *error = NULL;

    g_assert_true(lvd_do_connect_list_domains(&call, &args, &ret, &error));
    g_assert_cmpuint(ret.ids.ids_len, ==, 2);
    xdr_free((xdrproc_t)xdr_lvd_connect_list_domains_ret, (char *)&ret);
    args.maxids = -1;
    check_refused(lvd_do_connect_list_domains(&call, &args, &ret, &error), &error, 8,
                  "maxids in virConnectListDomains must be zero or greater");
    args.maxids = LVD_DOMAIN_LIST_MAX + 1;
    check_refused(lvd_do_connect_list_domains(&call, &args, &ret, &error), &error, 39, NULL);
}

/* ---- connection ---- */

static void
test_open(void)
{
    static const struct {
        const char *name;
        gboolean ours;
    } rows[] = {
        { NULL, TRUE },
        { "", TRUE },
        { "xen:///system", TRUE },
        { "xen:///", TRUE },
        { "xen:", TRUE },
        { "xen:///system?foo=bar", TRUE },
        { "xen:///session", FALSE },
        { "xen://host/system", FALSE },
        { "qemu:///system", FALSE },
        { "xen", FALSE },
        { ":::%zz", FALSE },
        { "test:///default", FALSE },
    };
    LvdCall call = call_of(LVD_PROC_CONNECT_OPEN, "virConnectOpenAuth");

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        lvd_text text = (char *)rows[i].name;
        lvd_connect_open_args args = { .name = text ? &text : NULL, .flags = i % 2 };
        GError *error = NULL;

        client_open = FALSE;
        gboolean ok = lvd_do_connect_open(&call, &args, NULL, &error);
        if (!rows[i].ours) {
            check_refused(ok, &error, VIR_ERR_NO_CONNECT, rows[i].name);
            g_assert_false(client_open);
            continue;
        }
        g_assert_no_error(error);
        g_assert_true(ok && client_open);
        g_assert_cmpint(client_readonly, ==, i % 2);
        check_refused(lvd_do_connect_open(&call, &args, NULL, &error), &error, 1,
                      "connection already open");
    }
}

static void
test_features(void)
{
    LvdCall call = call_of(LVD_PROC_CONNECT_SUPPORTS_FEATURE, "virConnectSupportsFeature");

    for (int feature = -2; feature < 40; feature++) {
        lvd_connect_supports_feature_args args = { .feature = feature };
        lvd_connect_supports_feature_ret ret = { .supported = -1 };
        GError *error = NULL;

        client_open = FALSE;
        gboolean ok = lvd_do_connect_supports_feature(&call, &args, &ret, &error);
        if (feature != 10)
            check_refused(ok, &error, 1, "hypervisor connection not open");
        else
            g_assert_true(ok && ret.supported == 1);
        client_open = TRUE;
        g_assert_true(lvd_do_connect_supports_feature(&call, &args, &ret, &error));
        gboolean expected = (feature >= 8 && feature <= 10) || (feature >= 14 && feature <= 16);
        g_assert_cmpint(ret.supported, ==, expected);
    }
    g_assert_cmpuint(keepalives, ==, 2);
}

static void
test_host(void)
{
    LvdCall call = call_of(LVD_PROC_NODE_GET_CPU_MAP, "virNodeGetCPUMap");
    lvd_node_get_cpu_map_args args = { .need_map = 1, .need_online = 1 };
    lvd_node_get_cpu_map_ret ret = { 0 };
    lvd_connect_get_capabilities_ret caps = { 0 };
    GError *error = NULL;

    host_info.cpus = 11;
    g_assert_true(lvd_do_node_get_cpu_map(&call, &args, &ret, &error));
    g_assert_cmpint(ret.ret, ==, 11);
    g_assert_cmpmem(ret.cpumap.cpumap_val, ret.cpumap.cpumap_len, "\xff\x07", 2);
    xdr_free((xdrproc_t)xdr_lvd_node_get_cpu_map_ret, (char *)&ret);
    /* What does not fit into the protocol is refused, not cut. */
    host_info.cpus = LVD_CPUMAP_MAX * 8 + 1;
    check_refused(lvd_do_node_get_cpu_map(&call, &args, &ret, &error), &error, 39, NULL);
    check_refused(lvd_do_connect_get_capabilities(&call, NULL, &caps, &error), &error, 39, NULL);
    host_info.cpus = 8;
}

/* ---- flags ---- */

static void
test_flags(void)
{
    LvdCall define = call_of(LVD_PROC_DOMAIN_DEFINE_XML_FLAGS, "virDomainDefineXMLFlags");
    GError *error = NULL;

    g_assert_true(lvd_check_flags(&define, VIR_DOMAIN_DEFINE_VALIDATE, NULL));
    check_refused(lvd_check_flags(&define, 0x8001, &error), &error, 8,
                  "unsupported flags (0x8000) in function virDomainDefineXMLFlags");
    /* Every other procedure: this bit is never allowed. */
    for (int number = 1; number <= LVD_N_PROCS; number++) {
        LvdCall call = call_of(number, "virX");
        check_refused(lvd_check_flags(&call, 1u << 28, &error), &error, 8,
                      "unsupported flags (0x10000000) in function virX");
        g_assert_true(lvd_check_flags(&call, 0, NULL));
    }
}

/* ---- memory and vcpus ---- */

static void
test_memory(void)
{
    LvdCall call = call_of(LVD_PROC_DOMAIN_SET_MEMORY_FLAGS, "virDomainSetMemoryFlags");
    lvd_domain_set_memory_flags_args args = { .dom.uuid = { 1 }, .memory = 77, .flags = 7 };
    GError *error = NULL;

    g_assert_true(lvd_do_domain_set_memory_flags(&call, &args, NULL, &error));
    g_assert_cmpuint(memory_asked, ==, 77);
    g_assert_cmpuint(affect_asked, ==, HV_AFFECT_LIVE | HV_AFFECT_CONFIG | HV_AFFECT_MAXIMUM);
    args.memory = 0;
    check_refused(lvd_do_domain_set_memory_flags(&call, &args, NULL, &error), &error, 8,
                  "memory in virDomainSetMemoryFlags must not be zero");
    args.memory = G_MAXUINT64;
    check_refused(lvd_do_domain_set_memory_flags(&call, &args, NULL, &error), &error, 8, NULL);
    args = (lvd_domain_set_memory_flags_args){ .dom.uuid = { 99 }, .dom.name = "vm1", .memory = 1 };
    g_assert_false(lvd_do_domain_set_memory_flags(&call, &args, NULL, &error));
    g_assert_error(error, HV_ERROR, HV_ERROR_NO_DOMAIN); /* the name does not count */
    g_error_free(error);
}

static void
test_vcpu_flags(void)
{
    LvdCall set = call_of(LVD_PROC_DOMAIN_SET_VCPUS_FLAGS, "virDomainSetVcpusFlags");
    lvd_domain_set_vcpus_flags_args args = { .dom.uuid = { 1 }, .nvcpus = 2 };
    GError *error = NULL;

    args.flags = VIR_DOMAIN_VCPU_MAXIMUM;
    check_refused(lvd_do_domain_set_vcpus_flags(&set, &args, NULL, &error), &error, 8,
                  "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'");
    LvdCall get = call_of(LVD_PROC_DOMAIN_GET_VCPUS_FLAGS, "virDomainGetVcpusFlags");
    lvd_domain_get_vcpus_flags_args which = { .dom.uuid = { 1 }, .flags = 3 };
    lvd_domain_get_vcpus_flags_ret ret = { 0 };
    check_refused(lvd_do_domain_get_vcpus_flags(&get, &which, &ret, &error), &error, 8,
                  "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually "
                  "exclusive");
    which.flags = VIR_DOMAIN_VCPU_GUEST;
    get.readonly = TRUE;
    check_refused(lvd_do_domain_get_vcpus_flags(&get, &which, &ret, &error), &error, 29,
                  "read only access prevents virDomainGetVcpusFlags");
    get.readonly = FALSE;
    check_refused(lvd_do_domain_get_vcpus_flags(&get, &which, &ret, &error), &error, 8, NULL);
}

static void
test_vcpus(void)
{
    LvdCall call = call_of(LVD_PROC_DOMAIN_GET_VCPUS, "virDomainGetVcpus");
    lvd_domain_get_vcpus_args args = { .dom.uuid = { 1 }, .maxinfo = 2, .maplen = 2 };
    lvd_domain_get_vcpus_ret ret = { 0 };
    GError *error = NULL;

    vcpus = g_array_new(FALSE, TRUE, sizeof(HvVcpuInfo));
    for (guint i = 0; i < 3; i++) {
        HvVcpuInfo vcpu = { .number = i, .state = 1, .cpu_time_ns = 5 + i, .cpu = (int)i };
        memset(vcpu.affinity, 0xff, sizeof vcpu.affinity); /* "all" names cpus beyond the host's */
        g_array_append_val(vcpus, vcpu);
    }
    g_assert_true(lvd_do_domain_get_vcpus(&call, &args, &ret, &error));
    g_assert_cmpuint(ret.info.info_len, ==, 2);
    g_assert_cmpuint(ret.info.info_val[1].cpu_time, ==, 6);
    g_assert_cmpmem(ret.cpumaps.cpumaps_val, ret.cpumaps.cpumaps_len, "\xff\x00\xff\x00", 4);
    xdr_free((xdrproc_t)xdr_lvd_domain_get_vcpus_ret, (char *)&ret);
    g_clear_pointer(&vcpus, g_array_unref);

    /* Sizes that do not go together, or not into an int. */
    static const int sizes[][2] = { { -1, 1 },
                                    { 1, -1 },
                                    { LVD_VCPUINFO_MAX + 1, 1 },
                                    { LVD_VCPUINFO_MAX, G_MAXINT },
                                    { 3, LVD_CPUMAPS_MAX / 2 } };
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        args.maxinfo = sizes[i][0];
        args.maplen = sizes[i][1];
        gboolean ok = lvd_do_domain_get_vcpus(&call, &args, &ret, &error);
        check_refused(ok, &error, sizes[i][0] < 0 || sizes[i][1] < 0 ? 8 : 39, NULL);
    }
}

static void
test_pinning(void)
{
    LvdCall call = call_of(LVD_PROC_DOMAIN_GET_VCPU_PIN_INFO, "virDomainGetVcpuPinInfo");
    lvd_domain_get_vcpu_pin_info_args args = { .dom.uuid = { 4 }, .ncpumaps = 9, .maplen = 1 };
    lvd_domain_get_vcpu_pin_info_ret ret = { 0 };
    ConfBitmap two = { 1, (uint8_t[]){ 0x06 } }, all = { 1, (uint8_t[]){ 0x0f } };
    ConfVcpuPin pin = { .vcpu = 1, .cpuset = &two };
    GError *error = NULL;

    g_ptr_array_add(def.cputune.vcpupin, &pin);
    def.cpuset = &all;
    g_assert_true(lvd_do_domain_get_vcpu_pin_info(&call, &args, &ret, &error));
    g_assert_cmpint(ret.num, ==, 3); /* as many as the domain has at most */
    g_assert_cmpmem(ret.cpumaps.cpumaps_val, ret.cpumaps.cpumaps_len, "\x0f\x06\x0f", 3);
    xdr_free((xdrproc_t)xdr_lvd_domain_get_vcpu_pin_info_ret, (char *)&ret);
    def.cpuset = NULL;
    args.flags = VIR_DOMAIN_AFFECT_LIVE;
    check_refused(lvd_do_domain_get_vcpu_pin_info(&call, &args, &ret, &error), &error, 55,
                  "domain is not running");
    args.flags = VIR_DOMAIN_AFFECT_CONFIG;
    args.dom.uuid[0] = 2; /* transient */
    check_refused(lvd_do_domain_get_vcpu_pin_info(&call, &args, &ret, &error), &error, 55,
                  "transient domains do not have any persistent config");
    g_ptr_array_set_size(def.cputune.vcpupin, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    host_info = (HvHostInfo){ .cpus = 8, .max_vcpus = 128 };
    def.cputune.vcpupin = g_ptr_array_new();
    views = g_ptr_array_new_with_free_func(view_free);
    add_domain(1, 5, HV_STATE_BLOCKED, TRUE); /* runs, to a client */
    add_domain(2, 6, HV_STATE_PAUSED, FALSE);
    add_domain(3, 7, HV_STATE_CRASHED, TRUE);
    add_domain(4, -1, HV_STATE_SHUTOFF, TRUE);
    ((HvView *)g_ptr_array_index(views, 3))->managed_save = TRUE;
    ((HvView *)g_ptr_array_index(views, 0))->autostart = TRUE;

    g_test_add_func("/lvd/do/list", test_list);
    g_test_add_func("/lvd/do/list-old", test_list_old);
    g_test_add_func("/lvd/do/open", test_open);
    g_test_add_func("/lvd/do/features", test_features);
    g_test_add_func("/lvd/do/host", test_host);
    g_test_add_func("/lvd/do/flags", test_flags);
    g_test_add_func("/lvd/do/memory", test_memory);
    g_test_add_func("/lvd/do/vcpu-flags", test_vcpu_flags);
    g_test_add_func("/lvd/do/vcpus", test_vcpus);
    g_test_add_func("/lvd/do/pinning", test_pinning);
    int status = g_test_run();
    g_ptr_array_unref(views);
    g_ptr_array_unref(def.cputune.vcpupin);
    return status;
}
