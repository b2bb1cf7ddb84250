/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running guest is told or asked, beside its start and end; dumps, names, addresses. */
#include "lvd-do.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

/* ---- reset, NMI, sleep ---- */

typedef gboolean (*DomainFunc)(HvDomain *domain, GError **error);

static gboolean
order(LvdCall *call, const lvd_nonnull_domain *dom, unsigned flags, DomainFunc func, GError **error)
{
    if (!lvd_check_flags(call, flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && func(domain, error);
}

gboolean
lvd_do_domain_reset(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_reset_args *a = args;

    return order(call, &a->dom, a->flags, hv_domain_reset, error);
}

gboolean
lvd_do_domain_inject_nmi(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_inject_nmi_args *a = args;

    return order(call, &a->dom, a->flags, hv_domain_inject_nmi, error);
}

gboolean
lvd_do_domain_pm_suspend_for_duration(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_pm_suspend_for_duration_args *a = args;

    if (a->target != VIR_NODE_SUSPEND_TARGET_MEM) {
        lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                      "PMSuspend type %u not supported by this driver", a->target);
        return FALSE;
    }
    if (a->duration != 0) {
        lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                      "Duration not supported. Use 0 for now");
        return FALSE;
    }
    return order(call, &a->dom, a->flags, hv_domain_pm_suspend, error);
}

gboolean
lvd_do_domain_pm_wakeup(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_pm_wakeup_args *a = args;

    return order(call, &a->dom, a->flags, hv_domain_pm_wakeup, error);
}

/* ---- keys ---- */

/* libvirt's code sets that can be told in Linux's codes; NULL: the others. */
static guint (*const key_sets[])(guint key) = {
    [VIR_KEYCODE_SET_LINUX] = hv_key_from_linux, [VIR_KEYCODE_SET_XT] = hv_key_from_xt,
    [VIR_KEYCODE_SET_ATSET1] = hv_key_from_xt,   [VIR_KEYCODE_SET_USB] = hv_key_from_usb,
    [VIR_KEYCODE_SET_QNUM] = hv_key_from_qnum,
};

static gboolean
translate_keys(const lvd_domain_send_key_args *a, guint keys[HV_MAX_KEYS], GError **error)
{
    for (guint i = 0; i < a->keycodes.keycodes_len; i++) {
        guint code = a->keycodes.keycodes_val[i];

        keys[i] = key_sets[a->codeset](code);
        if (keys[i] != 0)
            continue;
        lvd_set_error(error, VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL,
                      "cannot translate keycode %u of code set %u to linux", code, a->codeset);
        return FALSE;
    }
    return TRUE;
}

gboolean
lvd_do_domain_send_key(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_send_key_args *a = args;
    guint keys[HV_MAX_KEYS];

    if (!lvd_check_flags(call, a->flags, error) ||
        !lvd_check_nonzero(call, a->keycodes.keycodes_len, "nkeycodes", error) ||
        !lvd_check_count(call, a->keycodes.keycodes_len, HV_MAX_KEYS, "nkeycodes", error))
        return FALSE;
    if (a->codeset >= G_N_ELEMENTS(key_sets) || !key_sets[a->codeset]) {
        lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                      "code set %u is not supported", a->codeset);
        return FALSE;
    }
    if (!translate_keys(a, keys, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain &&
           hv_domain_send_keys(domain, keys, a->keycodes.keycodes_len, a->holdtime, error);
}

/* ---- core dumps ---- */

static unsigned
dump_flags(unsigned flags)
{
    return (flags & VIR_DUMP_LIVE ? HV_DUMP_LIVE : 0) |
           (flags & VIR_DUMP_CRASH ? HV_DUMP_CRASH : 0) |
           (flags & VIR_DUMP_RESET ? HV_DUMP_RESET : 0);
}

static gboolean
core_dump(LvdCall *call, const lvd_nonnull_domain *dom, const char *path, unsigned flags,
          GError **error)
{
    if (!lvd_check_flags(call, flags, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DUMP_CRASH, VIR_DUMP_LIVE, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DUMP_CRASH, VIR_DUMP_RESET, error) ||
        !LVD_CHECK_EXCLUSIVE(flags, VIR_DUMP_LIVE, VIR_DUMP_RESET, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, dom, error);
    return domain && hv_domain_core_dump(domain, path, dump_flags(flags), error);
}

gboolean
lvd_do_domain_core_dump(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_core_dump_args *a = args;

    return core_dump(call, &a->dom, a->to, a->flags, error);
}

/* Xen writes memory as ELF, and nothing here turns that into another format. */
gboolean
lvd_do_domain_core_dump_with_format(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_core_dump_with_format_args *a = args;

    if (a->dumpformat != VIR_DOMAIN_CORE_DUMP_FORMAT_RAW) {
        lvd_set_error(error, VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_LIBXL,
                      "kdump-compressed formats are not supported by this driver, ELF is");
        return FALSE;
    }
    return core_dump(call, &a->dom, a->to, a->flags, error);
}

/* ---- names ---- */

gboolean
lvd_do_domain_rename(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_rename_args *a = args;
    const char *name = lvd_opt(a->new_name);

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (!name) {
        lvd_set_error(error, LVD_BARE | VIR_ERR_INVALID_ARG, VIR_FROM_DOMAIN,
                      "new_name in virDomainRename must not be NULL");
        return FALSE;
    }
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    return domain && hv_domain_rename(domain, name, error);
}

/* ---- screens ---- */

/* A file cannot be watched: a thread of its own feeds it into a pipe, which can. */
typedef struct Feed {
    int file, pipe;
} Feed;

static void
feed_free(Feed *self)
{
    close(self->file);
    close(self->pipe);
    g_free(self);
}

static gpointer
feed(gpointer data)
{
    Feed *self = data;
    g_autofree char *chunk = g_malloc(LVD_STREAM_CHUNK);
    gssize n;

    while ((n = read(self->file, chunk, LVD_STREAM_CHUNK)) > 0) {
        for (gssize done = 0; done < n;) {
            gssize put = write(self->pipe, chunk + done, (gsize)(n - done));

            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0) /* the client wants no more */
                break;
            done += put;
        }
    }
    feed_free(self);
    return NULL;
}

/* Takes `file` over. */
static gboolean
open_file_stream(LvdCall *call, int file, GError **error)
{
    int ends[2];
    GThread *thread;
    Feed *self;

    if (lseek(file, 0, SEEK_SET) < 0 || !g_unix_open_pipe(ends, FD_CLOEXEC, error)) {
        close(file);
        return FALSE;
    }
    g_unix_set_fd_nonblocking(ends[0], TRUE, NULL);
    self = g_new0(Feed, 1);
    *self = (Feed){ .file = file, .pipe = ends[1] };
    thread = g_thread_try_new("lvd-feed", feed, self, NULL);
    if (!thread) {
        close(ends[0]);
        feed_free(self);
        lvd_set_error(error, VIR_ERR_SYSTEM_ERROR, VIR_FROM_LIBXL,
                      "no thread is to be had that sends the picture");
        return FALSE;
    }
    g_thread_unref(thread);
    lvd_call_open_stream(call, ends[0], NULL, NULL);
    return TRUE;
}

gboolean
lvd_do_domain_screenshot(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_screenshot_args *a = args;
    lvd_domain_screenshot_ret *r = ret;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    int file = domain ? memfd_create("xlvirt-screenshot", MFD_CLOEXEC) : -1;
    if (!domain)
        return FALSE;
    if (file < 0) {
        lvd_set_error(error, VIR_ERR_SYSTEM_ERROR, VIR_FROM_LIBXL, "no room for a picture: %s",
                      g_strerror(errno));
        return FALSE;
    }
    const char *mime = hv_domain_screenshot(domain, a->screen, file, error);
    if (!mime) {
        close(file);
        return FALSE;
    }
    if (!open_file_stream(call, file, error))
        return FALSE;
    r->mime = g_new(lvd_text, 1);
    *r->mime = g_strdup(mime);
    return TRUE;
}

/* ---- addresses ---- */

/* How many rows from `first` on are of one interface. */
static guint
count_addresses(const GPtrArray *rows, guint first)
{
    const HvAddress *row = rows->pdata[first];
    guint n = 1;

    while (first + n < rows->len &&
           g_strcmp0(((const HvAddress *)rows->pdata[first + n])->mac, row->mac) == 0)
        n++;
    return n;
}

static void
fill_interface(lvd_domain_interface *iface, const GPtrArray *rows, guint first, guint n)
{
    const HvAddress *row = rows->pdata[first];

    iface->name = g_strdup(row->interface);
    iface->hwaddr = g_new(lvd_text, 1);
    *iface->hwaddr = g_strdup(row->mac);
    iface->addrs.addrs_len = MIN(n, LVD_DOMAIN_IP_ADDR_MAX);
    iface->addrs.addrs_val = g_new0(lvd_domain_ip_addr, n);
    for (guint i = 0; i < iface->addrs.addrs_len; i++) {
        const HvAddress *address = rows->pdata[first + i];

        iface->addrs.addrs_val[i] = (lvd_domain_ip_addr){
            .type = address->v6 ? VIR_IP_ADDR_TYPE_IPV6 : VIR_IP_ADDR_TYPE_IPV4,
            .addr = g_strdup(address->ip),
            .prefix = address->prefix,
        };
    }
}

/* There is no agent of QEMU; a guest on Xen says in xenstore what it likes to be known. */
static gboolean
find_source(guint source, HvAddressSource *ret_source, GError **error)
{
    static const struct {
        guint wire; /* VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_* */
        HvAddressSource source;
    } sources[] = {
        { VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, HV_ADDRESSES_LEASE },
        { VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, HV_ADDRESSES_ARP },
        { VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, HV_ADDRESSES_GUEST },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
        if (sources[i].wire == source) {
            *ret_source = sources[i].source;
            return TRUE;
        }
    lvd_set_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_LIBXL,
                  "Unsupported IP address data source %u", source);
    return FALSE;
}

gboolean
lvd_do_domain_interface_addresses(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_interface_addresses_args *a = args;
    lvd_domain_interface_addresses_ret *r = ret;
    HvAddressSource source;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    if (lvd_call_is_readonly(call) && a->source == VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT) {
        lvd_set_readonly(error, lvd_call_proc(call));
        return FALSE;
    }
    if (!find_source(a->source, &source, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    g_autoptr(GPtrArray) rows = domain ? hv_domain_addresses(domain, source, error) : NULL;
    if (!rows)
        return FALSE;
    r->ifaces.ifaces_val = g_new0(lvd_domain_interface, rows->len + 1);
    for (guint i = 0, n; i < rows->len && r->ifaces.ifaces_len < LVD_DOMAIN_INTERFACE_MAX; i += n) {
        n = count_addresses(rows, i);
        fill_interface(&r->ifaces.ifaces_val[r->ifaces.ifaces_len++], rows, i, n);
    }
    return TRUE;
}

/* Of the two sources that the call may name guests on Xen have one. */
gboolean
lvd_do_domain_get_hostname(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_domain_get_hostname_args *a = args;
    lvd_domain_get_hostname_ret *r = ret;
    char *hostname = NULL;

    if (!lvd_check_flags(call, a->flags, error))
        return FALSE;
    g_autoptr(HvDomain) domain = lvd_domain_lookup(call, &a->dom, error);
    if (!domain || !hv_domain_hostname(domain, &hostname, error))
        return FALSE;
    if (!hostname)
        lvd_set_error(error, VIR_ERR_NO_HOSTNAME, VIR_FROM_LIBXL, "no lease of domain '%s' has one",
                      a->dom.name);
    return lvd_return_text(&r->hostname, hostname, error);
}
