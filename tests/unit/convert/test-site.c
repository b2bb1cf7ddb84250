/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of each key of xend-config.sxp, xl.conf and xendomains: one sample a key at least.
 */
#include <x2l-site.h>

#include <string.h>

typedef struct Sample {
    const char *key, *value;
    X2lPlace place;
    const char *result;
    X2lSiteKey set; /* the value that domains get */
} Sample;

#define NONE X2L_PLACE_NONE
#define SAME X2L_PLACE_SAME

static const Sample xend_samples[] = {
    { "dom0-min-mem", "512", X2L_PLACE_XEN, "dom0_mem=512M,max:512M", 0 },
    { "dom0-min-mem", "0", X2L_PLACE_XL_CONF, "autoballoon=\"off\"", 0 },
    { "dom0-min-mem", "lots", NONE, NULL, 0 },
    { "dom0-cpus", "2", X2L_PLACE_XEN, "dom0_max_vcpus=2", 0 },
    { "dom0-cpus", "0", SAME, NULL, 0 },
    { "dom0-cpus", "-1", NONE, NULL, 0 },
    { "enable-dom0-ballooning", "no", X2L_PLACE_XL_CONF, "autoballoon=\"off\"", 0 },
    { "enable-dom0-ballooning", "yes", X2L_PLACE_XL_CONF, "autoballoon=\"auto\"", 0 },
    { "total_available_memory", "0", NONE, NULL, 0 },
    { "vif-script", "vif-bridge", SAME, NULL, 0 },
    { "vif-script", "vif-route", X2L_PLACE_DOMAINS, "vif.default.script=\"vif-route\"",
      X2L_SITE_XEND_SCRIPT },
    { "vnc-listen", "0.0.0.0", X2L_PLACE_DOMAINS, NULL, X2L_SITE_VNC_LISTEN },
    { "vnc-listen", "127.0.0.1", SAME, NULL, 0 },
    { "vncpasswd", "", SAME, NULL, 0 },
    { "vncpasswd", "secret", X2L_PLACE_DOMAINS, NULL, X2L_SITE_VNC_PASSWD },
    { "keymap", "de", X2L_PLACE_DOMAINS, NULL, X2L_SITE_KEYMAP },
    { "enable-dump", "yes", X2L_PLACE_DOMAINS, NULL, X2L_SITE_DUMP },
    { "enable-dump", "no", SAME, NULL, 0 },
    { "enable-dump", "0", SAME, NULL, 0 },
    { "vnc-tls", "1", NONE, NULL, 0 },
    { "vnc-tls", "0", SAME, NULL, 0 },
    { "vnc-x509-cert-dir", "/etc/xen/vnc", NONE, NULL, 0 },
    { "vnc-x509-verify", "1", NONE, NULL, 0 },
    { "console-limit", "2048", NONE, NULL, 0 },
    { "network-script", "network-bridge", X2L_PLACE_NETWORK, NULL, 0 },
    { "vif-bridge", "br1", X2L_PLACE_DOMAINS, NULL, X2L_SITE_XEND_BRIDGE },
    { "vif-antispoof", "yes", NONE, NULL, 0 },
    { "xend-relocation-server", "yes", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-server", "no", SAME, NULL, 0 },
    { "xend-relocation-port", "8002", SAME, NULL, 0 },
    { "xend-relocation-port", "9002", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-address", "192.0.2.1", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-hosts-allow", "^localhost$", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-ssl-server", "yes", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-ssl-port", "1", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-server-ssl-key-file", "/k", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-server-ssl-cert-file", "/c", X2L_PLACE_MIGRATION, NULL, 0 },
    { "xend-relocation-ssl", "yes", X2L_PLACE_MIGRATION, NULL, 0 },
    { "external-migration-tool", "/x", NONE, NULL, 0 },
    { "xend-http-server", "yes", NONE, NULL, 0 },
    { "xend-port", "8001", NONE, NULL, 0 },
    { "xend-address", "localhost", NONE, NULL, 0 },
    { "xend-unix-server", "yes", NONE, NULL, 0 },
    { "xend-unix-path", "/x", NONE, NULL, 0 },
    { "xend-tcp-xmlrpc-server", "yes", NONE, NULL, 0 },
    { "xend-tcp-xmlrpc-server-address", "x", NONE, NULL, 0 },
    { "xend-tcp-xmlrpc-server-port", "1", NONE, NULL, 0 },
    { "xend-tcp-xmlrpc-server-ssl-key-file", "/k", NONE, NULL, 0 },
    { "xend-tcp-xmlrpc-server-ssl-cert-file", "/c", NONE, NULL, 0 },
    { "xend-unix-xmlrpc-server", "no", NONE, NULL, 0 },
    { "xen-api-server", "unix", NONE, NULL, 0 },
    { "xend-udev-event-server", "yes", NONE, NULL, 0 },
    { "xend-domains-path", "/srv/xend", X2L_PLACE_HERE, NULL, 0 },
    { "logfile", "/var/log/x", X2L_PLACE_DAEMON, NULL, 0 },
    { "loglevel", "DEBUG", X2L_PLACE_DAEMON, NULL, 0 },
    { "device-create-timeout", "5", NONE, NULL, 0 },
    { "device-destroy-timeout", "5", NONE, NULL, 0 },
    { "pci-passthrough-strict-check", "no", NONE, NULL, 0 },
    { "pci-dev-assign-strict-check", "no", NONE, NULL, 0 },
    { "xend-domain-lock", "yes", X2L_PLACE_LIBXL, "lock_manager = \"lockd\"", 0 },
    { "xend-domain-lock-path", "/x", NONE, NULL, 0 },
    { "xend-domain-lock-utility", "x", NONE, NULL, 0 },
    { "xsm_module_name", "dummy", SAME, NULL, 0 },
    { "xsm_module_name", "flask", X2L_PLACE_XEN, "flask=enforcing", 0 },
    { "xsm_module_name", "acm", NONE, NULL, 0 },
    { "resource-label-change-script", "x", NONE, NULL, 0 },
    { "block-file", "block-file", NONE, NULL, 0 },
    { "block-enbd", "block-enbd", NONE, NULL, 0 },
};

static const Sample xl_samples[] = {
    { "autoballoon", "off", X2L_PLACE_XL_CONF, "autoballoon=\"off\"", 0 },
    { "autoballoon", "auto", SAME, NULL, 0 },
    { "vif.default.script", "/etc/xen/scripts/vif-nat", X2L_PLACE_DOMAINS,
      "vif.default.script=\"/etc/xen/scripts/vif-nat\"", X2L_SITE_XL_SCRIPT },
    { "vifscript", "vif-nat", X2L_PLACE_DOMAINS, "vif.default.script=\"vif-nat\"",
      X2L_SITE_XL_SCRIPT },
    { "vif.default.bridge", "br1", X2L_PLACE_DOMAINS, "vif.default.bridge=\"br1\"",
      X2L_SITE_XL_BRIDGE },
    { "defaultbridge", "br1", X2L_PLACE_DOMAINS, "vif.default.bridge=\"br1\"", X2L_SITE_XL_BRIDGE },
    { "vif.default.backend", "net", X2L_PLACE_DOMAINS, "vif.default.backend=\"net\"",
      X2L_SITE_XL_BACKEND },
    { "vif.default.gatewaydev", "eth0", NONE, NULL, 0 },
    { "run_hotplug_scripts", "1", SAME, NULL, 0 },
    { "domid_policy", "random", NONE, NULL, 0 },
    { "lockfile", "/x", NONE, NULL, 0 },
    { "max_grant_frames", "64", NONE, NULL, 0 },
    { "max_maptrack_frames", "64", NONE, NULL, 0 },
    { "max_grant_version", "1", NONE, NULL, 0 },
    { "remus.default.netbufscript", "/x", NONE, NULL, 0 },
    { "colo.default.proxyscript", "/x", NONE, NULL, 0 },
    { "output_format", "sxp", NONE, NULL, 0 },
    { "blkdev_start", "xvdb", NONE, NULL, 0 },
    { "claim_mode", "0", NONE, NULL, 0 },
    { "vm.cpumask", "0-3", NONE, NULL, 0 },
    { "vm.hvm.cpumask", "0-3", NONE, NULL, 0 },
    { "vm.pv.cpumask", "0-3", NONE, NULL, 0 },
};

static const Sample xendomains_samples[] = {
    { "XENDOMAINS_AUTO", "/srv/auto", X2L_PLACE_HERE, NULL, 0 },
    { "XENDOMAINS_SAVE", "/var/lib/xen/save", X2L_PLACE_GUESTS, "ON_SHUTDOWN=suspend", 0 },
    { "XENDOMAINS_SAVE", "", X2L_PLACE_GUESTS, "ON_SHUTDOWN=shutdown", 0 },
    { "XENDOMAINS_RESTORE", "true", X2L_PLACE_GUESTS, "ON_BOOT=start", 0 },
    { "XENDOMAINS_RESTORE", "false", X2L_PLACE_GUESTS, "ON_BOOT=ignore", 0 },
    { "XENDOMAINS_SHUTDOWN_ALL", "--all", X2L_PLACE_GUESTS, NULL, 0 },
    { "XENDOMAINS_SHUTDOWN", "--halt", NONE, NULL, 0 },
    { "XENDOMAINS_STOP_MAXWAIT", "300", X2L_PLACE_GUESTS, "SHUTDOWN_TIMEOUT=300", 0 },
    { "XENDOMAINS_CREATE_USLEEP", "5000", X2L_PLACE_GUESTS, NULL, 0 },
    { "XENDOMAINS_MIGRATE", "host2", NONE, NULL, 0 },
    { "XENDOMAINS_SYSRQ", "s", NONE, NULL, 0 },
    { "XENDOMAINS_AUTO_ONLY", "true", NONE, NULL, 0 },
};

typedef void (*AddFunc)(X2lSite *site, const char *text, gsize len, const char *file);

static void
check_sample(const Sample *sample, const char *format, AddFunc add)
{
    g_autofree char *text = g_strdup_printf(format, sample->key, sample->value);
    g_autoptr(X2lSite) site = x2l_site_new(NULL);
    const X2lPlanRow *row;

    g_test_message("%s", text);
    add(site, text, strlen(text), "the-file");
    g_assert_cmpuint(site->errors->len, ==, 0);
    g_assert_cmpuint(site->rows->len, ==, 1);
    row = site->rows->pdata[0];
    g_assert_cmpstr(row->key, ==, sample->key);
    g_assert_cmpstr(row->file, ==, "the-file");
    g_assert_cmpuint(row->line, ==, 3);
    g_assert_cmpint(row->place, ==, sample->place);
    g_assert_cmpstr(row->result, ==, sample->result);
    g_assert_nonnull(row->reason);
    for (int i = 1; i < X2L_N_SITE_KEYS; i++) {
        const X2lSiteValue *value = &site->values[i];

        if (i == (int)sample->set) {
            g_assert_cmpstr(value->value, ==, sample->value);
            g_assert_cmpuint(value->line, ==, 3);
        } else {
            g_assert_null(value->value);
        }
    }
    if (strstr(sample->key, "passwd") && *sample->value)
        g_assert_cmpstr(row->value, ==, "***");
    else
        g_assert_cmpstr(row->value, ==, sample->value);
}

static void
check_samples(const Sample *samples, gsize n_samples, const X2lKeyRule *rules, gsize n_rules,
              const char *format, AddFunc add)
{
    for (gsize i = 0; i < n_samples; i++)
        check_sample(&samples[i], format, add);
    for (gsize i = 0; i < n_rules; i++) {
        gsize found = 0;

        g_assert_true(rules[i].reason || rules[i].hook);
        for (gsize k = 0; k < n_samples; k++)
            found += g_str_equal(samples[k].key, rules[i].name);
        if (found == 0)
            g_error("%s: no sample", rules[i].name);
        for (gsize k = 0; k < i; k++)
            g_assert_cmpstr(rules[k].name, !=, rules[i].name);
    }
}

static void
test_xend(void)
{
    check_samples(xend_samples, G_N_ELEMENTS(xend_samples), x2l_xend_keys, x2l_n_xend_keys,
                  "# a comment\n\n(%s '%s')\n", x2l_site_add_xend);
}

static void
test_xl(void)
{
    check_samples(xl_samples, G_N_ELEMENTS(xl_samples), x2l_xl_keys, x2l_n_xl_keys,
                  "# a comment\n\n%s=\"%s\"\n", x2l_site_add_xl);
}

static void
test_xendomains(void)
{
    check_samples(xendomains_samples, G_N_ELEMENTS(xendomains_samples), x2l_xendomains_keys,
                  x2l_n_xendomains_keys, "# a comment\n\n%s='%s'\n", x2l_site_add_shell);
}

/* As real files have them: no quotes, empty, lists, twice, unknown. */
static void
test_forms(void)
{
    static const char text[] = "# -*- sh -*-\n"
                               "(dom0-cpus 4)(dom0-min-mem 2048)\n"
                               "(vncpasswd )\n"
                               "#(vnc-listen '0.0.0.0')\n"
                               "(network-script network-bridge bridge=xenbr1)\n"
                               "(xen-api-server ((9363 pam '^localhost$') (unix none)))\n"
                               "(my-own-key \"x\")\n";
    static const char *const values[] = {
        "4", "2048", "", "network-bridge bridge=xenbr1", "((9363 pam ^localhost$) (unix none))",
        "x",
    };
    static const unsigned lines[] = { 2, 2, 3, 5, 6, 7 };
    g_autoptr(X2lSite) site = x2l_site_new(NULL);

    x2l_site_add_xend(site, text, strlen(text), "f");
    g_assert_cmpuint(site->errors->len, ==, 0);
    g_assert_cmpuint(site->rows->len, ==, G_N_ELEMENTS(values));
    for (guint i = 0; i < site->rows->len; i++) {
        const X2lPlanRow *row = site->rows->pdata[i];

        g_assert_cmpuint(row->line, ==, lines[i]);
        if (!g_str_equal(row->key, "xen-api-server"))
            g_assert_cmpstr(row->value, ==, values[i]);
        g_assert_nonnull(row->reason);
    }
    g_assert_cmpuint(site->scripts->len, ==, 1);
}

/* No value leaves the quotes that it is written into. */
static void
test_quotes(void)
{
    static const char text[] = "(vif-script 'x\"; rm -rf /\\\\')\n";
    g_autoptr(X2lSite) site = x2l_site_new(NULL);
    g_autofree char *result = NULL;

    x2l_site_add_xend(site, text, strlen(text), "f");
    result = x2l_site_results(site, X2L_PLACE_XL_CONF, "\n");
    g_assert_cmpstr(result, ==, "vif.default.script=\"x_; rm -rf /_\"");
}

static void
test_broken(void)
{
    static const char *const texts[] = { "(a (b c)\n(dom0-cpus 2)\n",
                                         "dom0-cpus 2\n",
                                         "(dom0-cpus 2))\n(x y)\n",
                                         "(\xff\xfe 1)\n",
                                         "('\n",
                                         "" };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(X2lSite) site = x2l_site_new(NULL);

        x2l_site_add_xend(site, texts[i], strlen(texts[i]), "the-file");
        for (guint k = 0; k < site->errors->len; k++)
            g_assert_true(g_str_has_prefix(site->errors->pdata[k], "the-file:"));
        g_assert_true(site->errors->len > 0 || site->rows->len > 0 || !*texts[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/convert/site/xend-config", test_xend);
    g_test_add_func("/convert/site/xl.conf", test_xl);
    g_test_add_func("/convert/site/xendomains", test_xendomains);
    g_test_add_func("/convert/site/forms", test_forms);
    g_test_add_func("/convert/site/quotes", test_quotes);
    g_test_add_func("/convert/site/broken", test_broken);
    return g_test_run();
}
