/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of each key of xend-config.sxp(5) and xl.conf(5) on a host with libvirt, one row a
 * key. `usual` is what holds where the key is missing.
 */
#include "x2l-site.h"

#include <string.h>

static const char no_http[] =
    "xend's own interface is gone with it; programs speak libvirt's (xen:///system, "
    "xen+ssh://HOST/system), people virsh";
static const char relocation[] = "xend's relocation server is gone; 'virsh migrate --live DOMAIN "
                                 "xen+ssh://HOST/system' needs ssh "
                                 "between the hosts, and the ports 49152 to 49215 open there";
static const char relocation_tls[] = "libvirt speaks TLS by itself (URI xen+tls://HOST/system), "
                                     "with certificates in /etc/pki/libvirt";
static const char vnc_tls[] =
    "libxl starts VNC without TLS; let it listen on 127.0.0.1 and reach it through ssh, as "
    "virt-viewer does with a xen+ssh URI";
static const char lock[] =
    "libvirt's lock manager does the same: lock_manager in libxl.conf, and virtlockd";
static const char netchannel[] =
    "a matter of Xen 2; bridges are the host's network configuration now";
static const char daemon_log[] =
    "libvirt's daemon has log_level, log_filters and log_outputs of its own";
static const char no_mask[] =
    "libvirt has no mask for all domains: give each domain <vcpu cpuset='...'> or vcpupin";

static void
say(X2lPlanRow *row, X2lPlace place, char *result, const char *reason)
{
    row->place = place;
    g_free(row->result);
    row->result = result;
    g_free(row->reason);
    row->reason = g_strdup(reason);
}

static gboolean
number(const X2lPlanRow *row, guint64 *ret)
{
    return g_ascii_string_to_unsigned(row->value, 10, 0, G_MAXUINT, ret, NULL);
}

static gboolean
is_yes(const char *value)
{
    static const char *const words[] = { "yes", "y", "1", "on", "true", "t" };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(value, words[i]) == 0)
            return TRUE;
    }
    return FALSE;
}

/* xend let domain 0 shrink down to this; 0 forbade it to shrink at all. */
static void
dom0_min_mem(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    guint64 mib;

    if (!number(row, &mib)) {
        say(row, X2L_PLACE_NONE, NULL, "the value is no number of MiB");
        return;
    }
    if (mib == 0) {
        site->autoballoon_off = TRUE;
        say(row, X2L_PLACE_XL_CONF, g_strdup("autoballoon=\"off\""),
            "0 forbade xend to take memory from domain 0");
        return;
    }
    say(row, X2L_PLACE_XEN,
        g_strdup_printf("dom0_mem=%" G_GUINT64_FORMAT "M,max:%" G_GUINT64_FORMAT "M", mib, mib),
        mib < 1024
            ? "libxl has no floor for domain 0's memory, so domain 0 gets a fixed amount; today's "
              "system with libvirt wants 1024M at least: raise both numbers"
            : "libxl has no floor for domain 0's memory, so domain 0 gets a fixed amount");
}

static void
dom0_ballooning(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    gboolean on = is_yes(row->value);

    site->autoballoon_off |= !on;
    if (on)
        say(row, X2L_PLACE_XL_CONF, g_strdup("autoballoon=\"auto\""),
            "the default of xl and libvirt: on, unless dom0_mem is on Xen's command line");
    else
        say(row, X2L_PLACE_XL_CONF, g_strdup("autoballoon=\"off\""), rule->reason);
}

static void
dom0_cpus(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    guint64 cpus;

    if (!number(row, &cpus))
        say(row, X2L_PLACE_NONE, NULL, "the value is no number of processors");
    else if (cpus == 0)
        say(row, X2L_PLACE_SAME, NULL, "0 is all of them, as without it");
    else
        say(row, X2L_PLACE_XEN, g_strdup_printf("dom0_max_vcpus=%" G_GUINT64_FORMAT, cpus),
            rule->reason);
}

static void
network_script(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    X2lScript *script = g_new0(X2lScript, 1);

    script->text = g_strdup(row->value);
    script->file = row->file;
    script->line = row->line;
    g_ptr_array_add(site->scripts, script);
}

static void
domains_path(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (g_path_is_absolute(row->value)) {
        g_free(site->domains_path);
        site->domains_path = g_strdup(row->value);
    }
}

static void
enable_dump(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (is_yes(row->value))
        return;
    say(row, X2L_PLACE_SAME, NULL, "the same as without it");
    g_clear_pointer(&site->values[X2L_SITE_DUMP].value, g_free);
}

static void
relocation_server(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (!is_yes(row->value))
        say(row, X2L_PLACE_SAME, NULL, "nothing listens for migrations by itself");
}

static void
autoballoon(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    site->autoballoon_off |= g_str_equal(row->value, "off") || g_str_equal(row->value, "0");
}

static void
xsm_module(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (g_str_equal(row->value, "flask"))
        say(row, X2L_PLACE_XEN, g_strdup("flask=enforcing"),
            "a Xen that is built with XSM, and the policy as a boot module");
    else if (!g_str_equal(row->value, "dummy"))
        say(row, X2L_PLACE_NONE, NULL, "Xen has no other module than FLASK any more");
}

static void
auto_path(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (g_path_is_absolute(row->value)) {
        g_free(site->auto_path);
        site->auto_path = g_strdup(row->value);
    }
}

static void
save_or_shutdown(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (*row->value)
        say(row, X2L_PLACE_GUESTS, g_strdup("ON_SHUTDOWN=suspend"), rule->reason);
    else
        say(row, X2L_PLACE_GUESTS, g_strdup("ON_SHUTDOWN=shutdown"),
            "domains were shut down, not saved, with the host");
}

static void
restore(X2lSite *site, const X2lKeyRule *rule, X2lPlanRow *row)
{
    if (is_yes(row->value))
        say(row, X2L_PLACE_GUESTS, g_strdup("ON_BOOT=start"), rule->reason);
    else
        say(row, X2L_PLACE_GUESTS, g_strdup("ON_BOOT=ignore"), rule->reason);
}

#define NONE(key, why)                                                                             \
    {                                                                                              \
        key, X2L_PLACE_NONE, NULL, NULL, why, 0, NULL                                              \
    }
#define GONE(key, usual_, why)                                                                     \
    {                                                                                              \
        key, X2L_PLACE_NONE, usual_, NULL, why, 0, NULL                                            \
    }
#define MIGRATE(key, usual_, why)                                                                  \
    {                                                                                              \
        key, X2L_PLACE_MIGRATION, usual_, NULL, why, 0, NULL                                       \
    }

const X2lKeyRule x2l_xend_keys[] = {
    /* domain 0 */
    { "dom0-min-mem", X2L_PLACE_XEN, NULL, NULL, NULL, 0, dom0_min_mem },
    { "dom0-cpus", X2L_PLACE_XEN, NULL, NULL,
      "xend took processors from domain 0 after the boot; Xen gives it this many from the start", 0,
      dom0_cpus },
    { "enable-dom0-ballooning", X2L_PLACE_XL_CONF, NULL, NULL,
      "domain 0 keeps its memory: say dom0_mem= on Xen's command line, too", 0, dom0_ballooning },
    NONE("total_available_memory", "Xen itself knows what memory there is, hot-plugged memory too"),

    /* defaults of domains */
    { "vif-script", X2L_PLACE_DOMAINS, "vif-bridge", "vif.default.script=\"%s\"",
      "into each interface without a script; xl.conf's vif.default.script is for xl alone",
      X2L_SITE_XEND_SCRIPT, NULL },
    { "vnc-listen", X2L_PLACE_DOMAINS, "127.0.0.1", NULL,
      "into each domain with VNC that names no address: libvirt's Xen driver has no such default",
      X2L_SITE_VNC_LISTEN, NULL },
    { "vncpasswd", X2L_PLACE_DOMAINS, "", NULL, "into each domain with VNC that names no password",
      X2L_SITE_VNC_PASSWD, NULL },
    { "keymap", X2L_PLACE_DOMAINS, "", NULL, "into each domain with VNC that names no keymap",
      X2L_SITE_KEYMAP, NULL },
    { "enable-dump", X2L_PLACE_DOMAINS, "no", NULL,
      "on_crash of each domain becomes coredump-restart or coredump-destroy: xend wrote a core "
      "of each guest that crashed",
      X2L_SITE_DUMP, enable_dump },
    GONE("vnc-tls", "0", vnc_tls),
    NONE("vnc-x509-cert-dir", vnc_tls),
    NONE("vnc-x509-verify", vnc_tls),
    GONE("console-limit", "1024", "libxl gives each console 1024 KiB, and has no setting for it"),

    /* network */
    { "network-script", X2L_PLACE_NETWORK, NULL, NULL,
      "Xen leaves the host's network alone; its bridges are told below, as the system wants them",
      0, network_script },
    { "vif-bridge", X2L_PLACE_DOMAINS, NULL, NULL, netchannel, X2L_SITE_XEND_BRIDGE, NULL },
    GONE("vif-antispoof", "no",
         "per interface: <filterref filter='clean-traffic'/>, a filter of libvirt's"),

    /* migration */
    { "xend-relocation-server", X2L_PLACE_MIGRATION, NULL, NULL, relocation, 0, relocation_server },
    MIGRATE("xend-relocation-port", "8002", relocation),
    MIGRATE("xend-relocation-address", "",
            "the firewall decides who reaches the ports of a migration"),
    MIGRATE("xend-relocation-hosts-allow", "",
            "the firewall, and who has an ssh key, decide who may migrate to this host"),
    { "xend-relocation-ssl-server", X2L_PLACE_MIGRATION, NULL, NULL, relocation_tls, 0,
      relocation_server },
    MIGRATE("xend-relocation-ssl-port", "8003", relocation_tls),
    MIGRATE("xend-relocation-server-ssl-key-file", NULL, relocation_tls),
    MIGRATE("xend-relocation-server-ssl-cert-file", NULL, relocation_tls),
    MIGRATE("xend-relocation-ssl", "no", relocation_tls),
    NONE("external-migration-tool",
         "it moved the state of a TPM along; libvirt does not migrate domains with one"),

    /* ways to talk to xend */
    GONE("xend-http-server", "no", no_http),
    GONE("xend-port", "8000", no_http),
    GONE("xend-address", "", no_http),
    GONE("xend-unix-server", "no", no_http),
    GONE("xend-unix-path", "/var/lib/xend/xend-socket", no_http),
    GONE("xend-tcp-xmlrpc-server", "no", no_http),
    GONE("xend-tcp-xmlrpc-server-address", "localhost", no_http),
    GONE("xend-tcp-xmlrpc-server-port", "8006", no_http),
    NONE("xend-tcp-xmlrpc-server-ssl-key-file", no_http),
    NONE("xend-tcp-xmlrpc-server-ssl-cert-file", no_http),
    GONE("xend-unix-xmlrpc-server", "yes", no_http),
    NONE("xen-api-server", "xend's XenAPI is gone with it; libvirt's interface takes its place"),
    GONE("xend-udev-event-server", "no",
         "it attached USB devices as they were plugged in; 'virsh attach-device' from a udev rule "
         "does"),

    /* xend itself */
    { "xend-domains-path", X2L_PLACE_HERE, "/var/lib/xend/domains", NULL,
      "the managed domains were read from there; libvirt keeps its own in /etc/libvirt/libxl", 0,
      domains_path },
    { "logfile", X2L_PLACE_DAEMON, "/var/log/xen/xend.log", NULL, daemon_log, 0, NULL },
    { "loglevel", X2L_PLACE_DAEMON, NULL, NULL, daemon_log, 0, NULL },
    GONE("device-create-timeout", "100", "libxl has timeouts of its own for devices, built in"),
    GONE("device-destroy-timeout", "100", "libxl has timeouts of its own for devices, built in"),
    GONE("pci-passthrough-strict-check", "yes",
         "libxl does not look for devices that have to be assigned together: see to it yourself"),
    GONE("pci-dev-assign-strict-check", "yes",
         "libxl does not look for devices that have to be assigned together: see to it yourself"),
    { "xend-domain-lock", X2L_PLACE_LIBXL, "no", "lock_manager = \"lockd\"", lock, 0, NULL },
    NONE("xend-domain-lock-path", lock),
    NONE("xend-domain-lock-utility", lock),
    { "xsm_module_name", X2L_PLACE_SAME, "dummy", NULL, "the same as without it", 0, xsm_module },
    NONE("resource-label-change-script", "the ACM policies of old Xen are gone"),
    NONE("block-file", "a matter of Xen 2: libxl finds the script of a disk by itself"),
    NONE("block-enbd", "the enbd block device is gone from Linux"),
};
const gsize x2l_n_xend_keys = G_N_ELEMENTS(x2l_xend_keys);

const X2lKeyRule x2l_xl_keys[] = {
    { "autoballoon", X2L_PLACE_XL_CONF, "auto", "autoballoon=\"%s\"",
      "for libvirt it stands in libxl.conf as well", 0, autoballoon },
    { "vif.default.script", X2L_PLACE_DOMAINS, "/etc/xen/scripts/vif-bridge",
      "vif.default.script=\"%s\"",
      "into each interface without a script: libvirt does not read xl.conf", X2L_SITE_XL_SCRIPT,
      NULL },
    { "vifscript", X2L_PLACE_DOMAINS, "vif-bridge", "vif.default.script=\"%s\"",
      "the old name of vif.default.script", X2L_SITE_XL_SCRIPT, NULL },
    { "vif.default.bridge", X2L_PLACE_DOMAINS, "xenbr0", "vif.default.bridge=\"%s\"",
      "into each interface that names no bridge: libvirt does not read xl.conf", X2L_SITE_XL_BRIDGE,
      NULL },
    { "defaultbridge", X2L_PLACE_DOMAINS, "xenbr0", "vif.default.bridge=\"%s\"",
      "the old name of vif.default.bridge", X2L_SITE_XL_BRIDGE, NULL },
    { "vif.default.backend", X2L_PLACE_DOMAINS, "0", "vif.default.backend=\"%s\"",
      "into each interface that names no backend", X2L_SITE_XL_BACKEND, NULL },
    GONE("vif.default.gatewaydev", "None", "no domXML element for the device towards a gateway"),
    { "run_hotplug_scripts", X2L_PLACE_SAME, NULL, NULL,
      "libvirt's Xen driver has libxl run the scripts", 0, NULL },
    GONE("domid_policy", "xen", "with libvirt, Xen numbers the domains one after the other"),
    GONE("lockfile", "/var/lock/xl", "libvirt needs no lock file: one daemon does the work"),
    GONE("max_grant_frames", NULL,
         "per domain: <controller type='xenbus' maxGrantFrames='N'/>, or gnttab_max_frames= on "
         "Xen's command line for all"),
    GONE("max_maptrack_frames", NULL,
         "gnttab_max_maptrack_frames= on Xen's command line, for all domains"),
    GONE("max_grant_version", NULL, "gnttab=max-ver:N on Xen's command line, for all domains"),
    GONE("remus.default.netbufscript", NULL, "libvirt has no Remus"),
    GONE("colo.default.proxyscript", NULL, "libvirt has no COLO"),
    GONE("output_format", "json", "a matter of xl's output alone"),
    GONE("blkdev_start", "xvda", "a matter of xl alone"),
    GONE("claim_mode", "1", "libvirt's Xen driver does not claim memory before a domain is built"),
    GONE("vm.cpumask", NULL, no_mask),
    GONE("vm.hvm.cpumask", NULL, no_mask),
    GONE("vm.pv.cpumask", NULL, no_mask),
};
const gsize x2l_n_xl_keys = G_N_ELEMENTS(x2l_xl_keys);

/* /etc/default/xendomains, /etc/sysconfig/xendomains: shell variables. */
const X2lKeyRule x2l_xendomains_keys[] = {
    { "XENDOMAINS_AUTO", X2L_PLACE_HERE, NULL, NULL,
      "what was in it starts by itself: virsh autostart", 0, auto_path },
    { "XENDOMAINS_SAVE", X2L_PLACE_GUESTS, NULL, NULL, "domains were saved when the host went down",
      0, save_or_shutdown },
    { "XENDOMAINS_RESTORE", X2L_PLACE_GUESTS, NULL, NULL,
      "whether domains that were saved come back when the host does", 0, restore },
    { "XENDOMAINS_SHUTDOWN_ALL", X2L_PLACE_GUESTS, NULL, NULL,
      "libvirt-guests shuts down all domains of the connections in URIS", 0, NULL },
    GONE("XENDOMAINS_SHUTDOWN", NULL, "libvirt-guests shuts domains down by itself, and waits"),
    { "XENDOMAINS_STOP_MAXWAIT", X2L_PLACE_GUESTS, NULL, "SHUTDOWN_TIMEOUT=%s",
      "how long the host waits for its domains", 0, NULL },
    { "XENDOMAINS_CREATE_USLEEP", X2L_PLACE_GUESTS, NULL, NULL,
      "START_DELAY, in seconds: the pause between domains", 0, NULL },
    GONE("XENDOMAINS_MIGRATE", "",
         "libvirt-guests does not migrate: 'virsh migrate' before the host goes down"),
    GONE("XENDOMAINS_SYSRQ", "", "'virsh send-key' sends a domain the magic SysRq"),
    GONE("XENDOMAINS_AUTO_ONLY", "false", "libvirt-guests looks at each running domain"),
};
const gsize x2l_n_xendomains_keys = G_N_ELEMENTS(x2l_xendomains_keys);
