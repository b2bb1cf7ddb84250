/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtxend.conf: good, odd and wrong files. */
#include "lvd-harness.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static GPtrArray *warnings;

static GLogWriterOutput
keep_warning(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    for (gsize i = 0; i < n_fields && level & G_LOG_LEVEL_WARNING; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE"))
            g_ptr_array_add(warnings, g_strdup(fields[i].value));
    }
    return G_LOG_WRITER_HANDLED;
}

/* NULL and *ret_message (without the directory): refused. */
static LvdConfig *
load(const char *text, char **ret_message)
{
    g_autoptr(LvdConfig) config = lvd_config_new();
    g_autofree char *dir = g_dir_make_tmp("lvd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "virtxend.conf", NULL);
    g_autofree char *prefix = g_strconcat(dir, "/", NULL);
    g_autoptr(GError) error = NULL;
    gboolean ok;

    g_ptr_array_set_size(warnings, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    ok = lvd_config_load(config, path, &error);
    g_unlink(path);
    g_rmdir(dir);
    if (ok) {
        g_assert_no_error(error);
        return g_steal_pointer(&config);
    }
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, prefix));
    if (ret_message)
        *ret_message = g_strdup(error->message + strlen(prefix));
    return NULL;
}

static void
test_defaults(void)
{
    g_autoptr(LvdConfig) config = load("", NULL);

    g_assert_nonnull(config);
    g_assert_cmpstr(config->engine, ==, "auto");
    g_assert_cmpuint(config->unix_sock_rw_perms, ==, 0700);
    g_assert_cmpuint(config->unix_sock_ro_perms, ==, 0777);
    g_assert_null(config->unix_sock_group);
    g_assert_cmpuint(config->max_clients, ==, 5000);
    g_assert_cmpuint(config->max_queued_clients, ==, 1000);
    g_assert_cmpuint(config->max_anonymous_clients, ==, 20);
    g_assert_cmpuint(config->min_workers, ==, 5);
    g_assert_cmpuint(config->max_workers, ==, 20);
    g_assert_cmpuint(config->prio_workers, ==, 5);
    g_assert_cmpuint(config->max_client_requests, ==, 5);
    g_assert_cmpuint(config->max_client_slow_requests, ==, 10);
    g_assert_cmpint(config->keepalive_interval, ==, 5);
    g_assert_cmpuint(config->keepalive_count, ==, 5);
}

static void
test_all(void)
{
    g_autoptr(LvdConfig) config = load("# a comment\n"
                                       "unix_sock_group = \"libvirt\"  # behind it\n"
                                       "unix_sock_ro_perms = '0755'\n"
                                       "unix_sock_rw_perms=\"0770\"\n"
                                       "unix_sock_dir = \"/run/other\"\n"
                                       "max_clients = 10\n"
                                       "max_queued_clients = 11\n"
                                       "max_anonymous_clients = 12\n"
                                       "min_workers = 1\n"
                                       "max_workers = 2\n"
                                       "prio_workers = 3\n"
                                       "max_client_requests = 13\n"
                                       "max_client_slow_requests = 0\n"
                                       "keepalive_interval = -1\n"
                                       "keepalive_count = 14\n"
                                       "log_level = 1\n"
                                       "engine = \"sim\"\n"
                                       "autostart_workers = 15\n"
                                       "job_timeout = 16\n"
                                       "cpu_map_dir = \"/map\"\n"
                                       "lock_manager = \"lockd\"\n"
                                       "lock_socket = \"/s\"\n"
                                       "lock_timeout = 18\n"
                                       "hotplug = \"scripts\"\n"
                                       "kernel_cache = 17\n"
                                       "auth_unix_rw = \"none\"\n"
                                       "access_drivers = [ # none\n\n]\n"
                                       "log_outputs = \"\"\"3:stderr\n1:file:/x\"\"\"\n"
                                       "sasl_allowed_username_list = [ ]\r\n"
                                       "audit_level = 2\n",
                                       NULL);

    g_assert_nonnull(config);
    g_assert_cmpuint(warnings->len, ==, 0);
    g_assert_cmpstr(config->unix_sock_group, ==, "libvirt");
    g_assert_cmpuint(config->unix_sock_ro_perms, ==, 0755);
    g_assert_cmpuint(config->unix_sock_rw_perms, ==, 0770);
    g_assert_cmpstr(config->unix_sock_dir, ==, "/run/other");
    g_assert_cmpuint(config->max_clients, ==, 10);
    g_assert_cmpuint(config->max_queued_clients, ==, 11);
    g_assert_cmpuint(config->max_anonymous_clients, ==, 12);
    g_assert_cmpuint(config->min_workers, ==, 1);
    g_assert_cmpuint(config->max_workers, ==, 2);
    g_assert_cmpuint(config->prio_workers, ==, 3);
    g_assert_cmpuint(config->max_client_requests, ==, 13);
    g_assert_cmpuint(config->max_client_slow_requests, ==, 0);
    g_assert_cmpint(config->keepalive_interval, ==, -1);
    g_assert_cmpuint(config->keepalive_count, ==, 14);
    g_assert_cmpint(config->log_level, ==, 1);
    g_assert_cmpstr(config->engine, ==, "sim");
    g_assert_cmpuint(config->autostart_workers, ==, 15);
    g_assert_cmpuint(config->job_timeout_ms, ==, 16000);
    g_assert_cmpstr(config->cpu_map_dir, ==, "/map");
    g_assert_cmpstr(config->lock_manager, ==, "lockd");
    g_assert_cmpstr(config->lock_socket, ==, "/s");
    g_assert_cmpuint(config->lock_timeout_ms, ==, 18000);
    g_assert_cmpstr(g_hash_table_lookup(config->engine_settings, "hotplug"), ==, "scripts");
    g_assert_cmpstr(g_hash_table_lookup(config->engine_settings, "kernel_cache"), ==, "17");
    g_assert_null(g_hash_table_lookup(config->engine_settings, "autoballoon"));
}

static void
test_unknown_key(void)
{
    static const char *const said[] = {
        "virtxend.conf:3:3: unknown key \"max_clinets\": no effect; is \"max_clients\" meant?",
        "virtxend.conf:4:1: unknown key \"engines\": no effect; is \"engine\" meant?",
        "virtxend.conf:5:1: unknown key \"listen_tls\": no effect",
        "virtxend.conf:6:1: unknown key \"rely\": no effect; is \"relay\" meant?",
        "virtxend.conf:7:1: unknown key \"x\": no effect",
    };
    g_autoptr(LvdConfig) config = load("max_clients = 7\n\n  max_clinets = 8\nengines = 1\n"
                                       "listen_tls = 1\nrely = 1\nx = 1\n",
                                       NULL);

    g_assert_nonnull(config);
    g_assert_cmpuint(config->max_clients, ==, 7);
    g_assert_cmpuint(warnings->len, ==, G_N_ELEMENTS(said));
    for (guint i = 0; i < G_N_ELEMENTS(said); i++)
        g_assert_true(g_str_has_suffix(g_ptr_array_index(warnings, i), said[i]));
}

static const struct {
    const char *text, *message;
} wrong[] = {
    { "max_clients = 0\n", "virtxend.conf:1:15: max_clients: must be from 1 to 1000000" },
    { "max_clients = -1\n", "virtxend.conf:1:15: max_clients: must be from 1 to 1000000" },
    { "max_clients = 99999999999\n", "virtxend.conf:1:15: max_clients: must be from 1 to 1000000" },
    { "\nmax_clients = \"5\"\n", "virtxend.conf:2:15: max_clients: must be a number" },
    { "max_clients = [ 5 ]\n", "virtxend.conf:1:15: max_clients: must be a number" },
    { "unix_sock_rw_perms = \"0990\"\n",
      "virtxend.conf:1:22: unix_sock_rw_perms: must be a mode in octal digits, as \"0770\"" },
    { "unix_sock_rw_perms = 0770\n",
      "virtxend.conf:1:22: unix_sock_rw_perms: must be a mode in octal digits, as \"0770\"" },
    { "unix_sock_rw_perms = \"4777\"\n",
      "virtxend.conf:1:22: unix_sock_rw_perms: must be a mode in octal digits, as \"0770\"" },
    { "unix_sock_group = 5\n", "virtxend.conf:1:19: unix_sock_group: must be a string" },
    { "cpu_map_dir = \"map\"\n", "virtxend.conf: cpu_map_dir: must be an absolute path" },
    { "lock_socket = \"s\"\n", "virtxend.conf: lock_socket: must be an absolute path" },
    { "lock_timeout = 0\n", "virtxend.conf:1:16: lock_timeout: must be from 1 to 600" },
    { "log_level = 5\n", "virtxend.conf:1:13: log_level: must be from 1 to 4" },
    { "engine = \"qemu\"\n", "virtxend.conf: engine: must be \"auto\", \"libxl\" or \"sim\"" },
    { "max_clients = 5\nmax_clients\n", "virtxend.conf:2:12: expected '=' behind the key" },
    { "max_clients = 5 6\n", "virtxend.conf:1:17: expected the end of the line" },
    { "max_clients = [ 5\n", "virtxend.conf:1:15: this list has no end" },
    { "max_clients = [ 5 6 ]\n", "virtxend.conf:1:19: expected ',' or ']'" },
    { "max_clients = [[[[[[[[[[ 5\n", "virtxend.conf:1:23: lists nest too deep" },
    { "max_clients = \"5\n", "virtxend.conf:1:15: this string has no end" },
    { "max_clients = \"\"\"5\n\"\"\n", "virtxend.conf:1:15: this string has no end" },
    { "max_clients = 99999999999999999999\n", "virtxend.conf:1:15: this number is too large" },
    { "max_clients = five\n", "virtxend.conf:1:15: expected a string, a number or a list" },
    { "max_clients = -\n", "virtxend.conf:1:15: expected a string, a number or a list" },
    { "max_clients =", "virtxend.conf:1:14: expected a string, a number or a list" },
    { "= 5\n", "virtxend.conf:1:1: expected a key" },
    { "\x80 = 5\n", "virtxend.conf:1:1: expected a key" },
    /* what would open the door if it were read over */
    { "auth_unix_rw = \"polkit\"\n", "virtxend.conf:1:16: auth_unix_rw: xlvirtd cannot enforce" },
    { "auth_unix_ro = \"sasl\"\n", "virtxend.conf:1:16: auth_unix_ro: xlvirtd cannot enforce" },
    { "access_drivers = [ \"polkit\" ]\n", "virtxend.conf:1:18: access_drivers: xlvirtd cannot" },
};

static void
test_wrong(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *message = NULL;
        g_autoptr(LvdConfig) config = load(wrong[i].text, &message);

        g_assert_null(config);
        if (!g_str_has_prefix(message, wrong[i].message))
            g_test_message("got: %s", message);
        g_assert_true(g_str_has_prefix(message, wrong[i].message));
    }
}

/* More from the start than there are at most by default. */
static void
test_workers(void)
{
    g_autoptr(LvdConfig) config = load("min_workers = 54\n", NULL);

    g_assert_nonnull(config);
    g_assert_cmpuint(config->min_workers, ==, 54);
    g_assert_cmpuint(config->max_workers, ==, 54);
}

static void
test_no_file(void)
{
    g_autoptr(LvdConfig) config = lvd_config_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(lvd_config_load(config, "/nonexistent/virtxend.conf", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/virtxend.conf"));
    g_clear_error(&error);
    g_assert_false(lvd_config_load(config, "/dev/zero", &error));
    g_assert_nonnull(strstr(error->message, "not a regular file"));
}

/* The sample names every key that has an effect, with its default, and changes nothing. */
static void
test_sample(void)
{
    const char *source = g_getenv("XLVIRT_SOURCE");
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autofree char *active = NULL;
    g_autoptr(GRegex) commented = g_regex_new("^#(?=[a-z_]+ = )", G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(LvdConfig) config = NULL, defaults = lvd_config_new();

    if (!source) {
        g_test_skip("XLVIRT_SOURCE is not set");
        return;
    }
    path = g_build_filename(source, "data/virtxend.conf", NULL);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    config = load(text, NULL);
    g_assert_nonnull(config);
    g_assert_cmpuint(warnings->len, ==, 0);
    g_clear_pointer(&config, lvd_config_free);

    active = g_regex_replace_literal(commented, text, -1, 0, "", 0, NULL);
    config = load(active, NULL);
    g_assert_nonnull(config);
    g_assert_cmpuint(warnings->len, ==, 0);
    g_assert_cmpstr(config->unix_sock_group, ==, "libvirt"); /* the one example value */
    g_assert_cmpuint(config->unix_sock_rw_perms, ==, defaults->unix_sock_rw_perms);
    g_assert_cmpuint(config->unix_sock_ro_perms, ==, defaults->unix_sock_ro_perms);
    g_assert_cmpuint(config->max_clients, ==, defaults->max_clients);
    g_assert_cmpuint(config->max_queued_clients, ==, defaults->max_queued_clients);
    g_assert_cmpuint(config->max_anonymous_clients, ==, defaults->max_anonymous_clients);
    g_assert_cmpuint(config->min_workers, ==, defaults->min_workers);
    g_assert_cmpuint(config->max_workers, ==, defaults->max_workers);
    g_assert_cmpuint(config->prio_workers, ==, defaults->prio_workers);
    g_assert_cmpuint(config->max_client_requests, ==, defaults->max_client_requests);
    g_assert_cmpuint(config->max_client_slow_requests, ==, defaults->max_client_slow_requests);
    g_assert_cmpint(config->keepalive_interval, ==, defaults->keepalive_interval);
    g_assert_cmpuint(config->keepalive_count, ==, defaults->keepalive_count);
    g_assert_cmpint(config->log_level, ==, defaults->log_level);
    g_assert_cmpstr(config->engine, ==, defaults->engine);
    g_assert_cmpuint(config->job_timeout_ms, ==, 30000); /* what 0 means to libhv */
    g_assert_cmpuint(config->autostart_workers, ==, 4);
}

/* What is locked: NULL and *ret_message (behind the folder), or the settings. */
static LvdConfig *
load_lockd(const char *text, char **ret_message)
{
    g_autoptr(LvdConfig) config = lvd_config_new();
    g_autofree char *root = g_dir_make_tmp("lvd-XXXXXX", NULL);
    g_autofree char *etc = g_build_filename(root, "etc", NULL);
    g_autofree char *dir = g_build_filename(etc, "libvirt", NULL);
    g_autofree char *path = g_build_filename(dir, "libxl-lockd.conf", NULL);
    g_autoptr(GError) error = NULL;
    gboolean ok;

    g_free(config->root);
    config->root = g_strdup(root);
    g_assert_true(lvd_config_load_lockd(config, &error)); /* it need not be there */
    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    ok = lvd_config_load_lockd(config, &error);
    g_unlink(path);
    g_rmdir(dir);
    g_rmdir(etc);
    g_rmdir(root);
    if (ok)
        return g_steal_pointer(&config);
    *ret_message = g_strdup(error->message + strlen(dir) + 1);
    return NULL;
}

static void
test_lockd(void)
{
    g_autofree char *message = NULL;
    g_autofree char *other = NULL;
    g_autoptr(LvdConfig) none = load_lockd("#auto_disk_leases = 0\n", NULL);
    g_autoptr(LvdConfig)
        all = load_lockd("auto_disk_leases = 0\nrequire_lease_for_disks = 0\n"
                         "file_lockspace_dir = \"/f\"\nlvm_lockspace_dir = \"/l\"\n"
                         "scsi_lockspace_dir = \"/s\"\n",
                         NULL);
    g_autoptr(LvdConfig) typo = NULL;

    g_assert_cmpuint(none->lock_disks, ==, 1);
    g_assert_cmpint(none->lock_require_lease, ==, -1);
    g_assert_null(none->lock_file_dir);
    g_assert_cmpuint(all->lock_disks, ==, 0);
    g_assert_cmpint(all->lock_require_lease, ==, 0);
    g_assert_cmpstr(all->lock_file_dir, ==, "/f");
    g_assert_cmpstr(all->lock_lvm_dir, ==, "/l");
    g_assert_cmpstr(all->lock_scsi_dir, ==, "/s");
    g_assert_null(load_lockd("auto_disk_leases = 2\n", &message));
    g_assert_cmpstr(message, ==, "libxl-lockd.conf:1:20: auto_disk_leases: must be from 0 to 1");
    g_assert_null(load_lockd("file_lockspace_dir = \"f\"\n", &other));
    g_assert_cmpstr(other, ==, "libxl-lockd.conf: file_lockspace_dir: must be an absolute path");
    g_ptr_array_set_size(warnings, 0);
    typo = load_lockd("auto_disk_lease = 1\nrelay = 1\n", NULL);
    g_assert_nonnull(typo);
    g_assert_cmpuint(warnings->len, ==, 2);
    g_assert_true(
        g_str_has_suffix(g_ptr_array_index(warnings, 0), "is \"auto_disk_leases\" meant?"));
    g_assert_true(
        g_str_has_suffix(g_ptr_array_index(warnings, 1), "unknown key \"relay\": no effect"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    warnings = g_ptr_array_new_with_free_func(g_free);
    g_log_set_writer_func(keep_warning, NULL, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_test_add_func("/lvd/config/defaults", test_defaults);
    g_test_add_func("/lvd/config/all", test_all);
    g_test_add_func("/lvd/config/unknown-key", test_unknown_key);
    g_test_add_func("/lvd/config/wrong", test_wrong);
    g_test_add_func("/lvd/config/workers", test_workers);
    g_test_add_func("/lvd/config/no-file", test_no_file);
    g_test_add_func("/lvd/config/lockd", test_lockd);
    g_test_add_func("/lvd/config/sample", test_sample);
    return g_test_run();
}
