/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtxend.conf: the stock daemon's syntax and key names, so that an existing file goes on working.
 */
#include "lvd-config-read.h"
#include "lvd-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)

typedef enum {
    KEY_STRING,
    KEY_NUMBER,
    KEY_SIGNED,
    KEY_SECONDS,
    KEY_MODE,
    KEY_NONE_ONLY,
    KEY_ENGINE,
    KEY_UNUSED
} KeyType;

typedef struct Key {
    const char *name;
    KeyType type;
    gsize offset;
    gint64 least, most;
} Key;

#define FIELD(field) G_STRUCT_OFFSET(LvdConfig, field)

static const Key keys[] = {
    { "unix_sock_dir", KEY_STRING, FIELD(unix_sock_dir) },
    { "unix_sock_group", KEY_STRING, FIELD(unix_sock_group) },
    { "unix_sock_ro_perms", KEY_MODE, FIELD(unix_sock_ro_perms) },
    { "unix_sock_rw_perms", KEY_MODE, FIELD(unix_sock_rw_perms) },
    { "max_clients", KEY_NUMBER, FIELD(max_clients), 1, 1000000 },
    { "max_queued_clients", KEY_NUMBER, FIELD(max_queued_clients), 1, 65535 },
    { "max_anonymous_clients", KEY_NUMBER, FIELD(max_anonymous_clients), 0, 1000000 },
    { "min_workers", KEY_NUMBER, FIELD(min_workers), 1, 1000 },
    { "max_workers", KEY_NUMBER, FIELD(max_workers), 1, 1000 },
    { "prio_workers", KEY_NUMBER, FIELD(prio_workers), 0, 1000 },
    { "max_client_requests", KEY_NUMBER, FIELD(max_client_requests), 1, 10000 },
    { "keepalive_interval", KEY_SIGNED, FIELD(keepalive_interval), -1, 86400 },
    { "keepalive_count", KEY_NUMBER, FIELD(keepalive_count), 0, 100000 },
    { "log_level", KEY_SIGNED, FIELD(log_level), 1, 4 },
    /* not in a stock file */
    { "engine", KEY_STRING, FIELD(engine) },
    { "relay", KEY_STRING, FIELD(relay) },
    { "cpu_map_dir", KEY_STRING, FIELD(cpu_map_dir) },
    { "lock_manager", KEY_STRING, FIELD(lock_manager) },
    { "lock_socket", KEY_STRING, FIELD(lock_socket) },
    { "lock_timeout", KEY_SECONDS, FIELD(lock_timeout_ms), 1, 600 },
    { "max_client_slow_requests", KEY_NUMBER, FIELD(max_client_slow_requests), 0, 10000 },
    { "autostart_workers", KEY_NUMBER, FIELD(autostart_workers), 0, 64 },
    { "job_timeout", KEY_SECONDS, FIELD(job_timeout_ms), 1, 86400 },
    { "hotplug", KEY_ENGINE },
    { "kernel_cache", KEY_ENGINE },
    { "autoballoon", KEY_ENGINE },
    { "libxl_log_level", KEY_ENGINE },

    /* These restrict access. To read over them would let in whom they keep out, so only the
     * value that restricts nothing passes. */
    { "auth_unix_ro", KEY_NONE_ONLY },
    { "auth_unix_rw", KEY_NONE_ONLY },
    { "access_drivers", KEY_NONE_ONLY },
    { "sasl_allowed_username_list", KEY_NONE_ONLY },

    /* The stock daemon's; without effect here. */
    { "unix_sock_admin_perms", KEY_UNUSED },
    { "admin_min_workers", KEY_UNUSED },
    { "admin_max_workers", KEY_UNUSED },
    { "admin_max_clients", KEY_UNUSED },
    { "admin_max_queued_clients", KEY_UNUSED },
    { "admin_max_client_requests", KEY_UNUSED },
    { "admin_keepalive_interval", KEY_UNUSED },
    { "admin_keepalive_count", KEY_UNUSED },
    { "keepalive_required", KEY_UNUSED },
    { "log_filters", KEY_UNUSED },
    { "log_outputs", KEY_UNUSED },
    { "audit_level", KEY_UNUSED },
    { "audit_logging", KEY_UNUSED },
    { "host_uuid", KEY_UNUSED },
    { "host_uuid_source", KEY_UNUSED },
    { "ovs_timeout", KEY_UNUSED },
};

static const Key lockd_keys[] = {
    { "auto_disk_leases", KEY_NUMBER, FIELD(lock_disks), 0, 1 },
    { "require_lease_for_disks", KEY_SIGNED, FIELD(lock_require_lease), 0, 1 },
    { "file_lockspace_dir", KEY_STRING, FIELD(lock_file_dir) },
    { "lvm_lockspace_dir", KEY_STRING, FIELD(lock_lvm_dir) },
    { "scsi_lockspace_dir", KEY_STRING, FIELD(lock_scsi_dir) },
};

LvdConfig *
lvd_config_new(void)
{
    LvdConfig *config = g_new0(LvdConfig, 1);

    config->root = g_strdup("");
    config->engine = g_strdup("auto");
    config->unix_sock_ro_perms = 0777;
    config->unix_sock_rw_perms = 0700;
    config->max_clients = 5000;
    config->max_queued_clients = 1000;
    config->max_anonymous_clients = 20;
    config->min_workers = 5;
    config->max_workers = 20;
    config->prio_workers = 5;
    config->max_client_requests = 5;
    config->max_client_slow_requests = 10;
    config->keepalive_interval = 5;
    config->keepalive_count = 5;
    config->log_level = 3;
    config->lock_timeout_ms = 10000;
    config->lock_disks = 1;
    config->lock_require_lease = -1;
    config->engine_settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return config;
}

LvdConfig *
lvd_config_copy(const LvdConfig *config)
{
    LvdConfig *copy = g_memdup2(config, sizeof(*config));

    copy->root = g_strdup(config->root);
    copy->engine = g_strdup(config->engine);
    copy->unix_sock_dir = g_strdup(config->unix_sock_dir);
    copy->unix_sock_group = g_strdup(config->unix_sock_group);
    copy->relay = g_strdup(config->relay);
    copy->cpu_map_dir = g_strdup(config->cpu_map_dir);
    copy->lock_manager = g_strdup(config->lock_manager);
    copy->lock_socket = g_strdup(config->lock_socket);
    copy->lock_file_dir = g_strdup(config->lock_file_dir);
    copy->lock_lvm_dir = g_strdup(config->lock_lvm_dir);
    copy->lock_scsi_dir = g_strdup(config->lock_scsi_dir);
    copy->engine_settings = g_hash_table_ref(config->engine_settings);
    /* A limit of nothing would be a daemon that serves nobody. */
    copy->max_clients = MAX(config->max_clients, 1);
    copy->max_client_requests = MAX(config->max_client_requests, 1);
    if (config->max_anonymous_clients == 0) /* stock: 0 is no limit */
        copy->max_anonymous_clients = G_MAXINT;
    return copy;
}

void
lvd_config_free(LvdConfig *config)
{
    if (!config)
        return;
    g_free(config->root);
    g_free(config->engine);
    g_free(config->unix_sock_dir);
    g_free(config->unix_sock_group);
    g_free(config->relay);
    g_free(config->cpu_map_dir);
    g_free(config->lock_manager);
    g_free(config->lock_socket);
    g_free(config->lock_file_dir);
    g_free(config->lock_lvm_dir);
    g_free(config->lock_scsi_dir);
    g_hash_table_unref(config->engine_settings);
    g_free(config);
}

char *
lvd_config_socket_dir(const LvdConfig *config)
{
    return g_build_filename(config->root && *config->root ? config->root : "/",
                            config->unix_sock_dir ? config->unix_sock_dir : "/run/libvirt", NULL);
}

/* ---- values ---- */

/* Which setting of which file. */
typedef struct Place {
    const char *path;
    const LvdSetting *setting;
} Place;

static gboolean bad_value(const Place *place, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean
bad_value(const Place *place, GError **error, const char *format, ...)
{
    const LvdSetting *setting = place->setting;
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s:%u:%u: %s: %s", place->path,
                setting->value_line, setting->value_column, setting->key, reason);
    return FALSE;
}

static gboolean
set_number(const Key *key, const Place *place, void *field, GError **error)
{
    gint64 value = place->setting->number;

    if (place->setting->kind != LVD_SETTING_NUMBER)
        return bad_value(place, error, "must be a number");
    if (value < key->least || value > key->most)
        return bad_value(place, error, "must be from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                         key->least, key->most);
    if (key->type == KEY_SIGNED)
        *(int *)field = (int)value;
    else if (key->type == KEY_SECONDS) /* kept in ms */
        *(unsigned *)field = (unsigned)value * 1000;
    else
        *(unsigned *)field = (unsigned)value;
    return TRUE;
}

/* Octal digits in a string, "0770". */
static gboolean
set_mode(const Place *place, unsigned *field, GError **error)
{
    guint64 mode;

    if (place->setting->kind != LVD_SETTING_STRING ||
        !g_ascii_string_to_unsigned(place->setting->text, 8, 0, 0777, &mode, NULL))
        return bad_value(place, error, "must be a mode in octal digits, as \"0770\"");
    *field = (unsigned)mode;
    return TRUE;
}

static gboolean
set_string(const Place *place, char **field, GError **error)
{
    if (place->setting->kind != LVD_SETTING_STRING)
        return bad_value(place, error, "must be a string");
    g_free(*field);
    *field = *place->setting->text ? g_strdup(place->setting->text) : NULL;
    return TRUE;
}

/* The engine knows what is right; here it is text. */
static gboolean
hand_on(LvdConfig *config, const Place *place, GError **error)
{
    const LvdSetting *setting = place->setting;
    char *text;

    if (setting->kind == LVD_SETTING_LIST)
        return bad_value(place, error, "must be a string or a number");
    text = setting->kind == LVD_SETTING_STRING
               ? g_strdup(setting->text)
               : g_strdup_printf("%" G_GINT64_FORMAT, setting->number);
    g_hash_table_insert(config->engine_settings, g_strdup(setting->key), text);
    return TRUE;
}

static gboolean
check_none(const Place *place, GError **error)
{
    const LvdSetting *setting = place->setting;
    gboolean none = FALSE;

    if (setting->kind == LVD_SETTING_STRING)
        none = !*setting->text || g_str_equal(setting->text, "none");
    else if (setting->kind == LVD_SETTING_LIST)
        none = setting->n_items == 0;
    return none || bad_value(place, error,
                             "xlvirtd cannot enforce this yet, and will not run as if it did; "
                             "remove it, and let unix_sock_group and unix_sock_rw_perms say who "
                             "may connect");
}

static gboolean
set_key(LvdConfig *config, const Key *key, const Place *place, GError **error)
{
    void *field = G_STRUCT_MEMBER_P(config, key->offset);

    switch (key->type) {
    case KEY_STRING:
        return set_string(place, field, error);
    case KEY_NUMBER:
    case KEY_SIGNED:
    case KEY_SECONDS:
        return set_number(key, place, field, error);
    case KEY_MODE:
        return set_mode(place, field, error);
    case KEY_NONE_ONLY:
        return check_none(place, error);
    case KEY_ENGINE:
        return hand_on(config, place, error);
    case KEY_UNUSED:
        break;
    }
    g_info("%s:%u:%u: %s has no effect in xlvirtd", place->path, place->setting->line,
           place->setting->column, place->setting->key);
    return TRUE;
}

static const Key *
find_key(const Key *known, guint n_known, const char *name)
{
    for (guint i = 0; i < n_known; i++) {
        if (g_str_equal(known[i].name, name))
            return &known[i];
    }
    return NULL;
}

/* Whether two names differ in one place of two characters at most: one that is wrong, missing, too
 * much, or two that changed places. */
static gboolean
are_alike(const char *a, const char *b)
{
    gsize length_a = strlen(a), length_b = strlen(b), shorter = MIN(length_a, length_b);
    gsize before = 0, behind = 0;

    while (before < shorter && a[before] == b[before])
        before++;
    while (behind < shorter - before && a[length_a - 1 - behind] == b[length_b - 1 - behind])
        behind++;
    return MAX(length_a, length_b) - before - behind <= 2;
}

static void
warn_of_unknown(const Key *known, guint n_known, const Place *place)
{
    const char *meant = NULL;

    for (guint i = 0; i < n_known && !meant; i++) {
        if (known[i].type != KEY_UNUSED && are_alike(known[i].name, place->setting->key))
            meant = known[i].name;
    }
    g_warning("%s:%u:%u: unknown key \"%s\": no effect%s%s%s", place->path, place->setting->line,
              place->setting->column, place->setting->key, meant ? "; is \"" : "",
              meant ? meant : "", meant ? "\" meant?" : "");
}

static gboolean
check_path(const char *key, const char *value, const char *path, GError **error)
{
    if (!value || value[0] == '/')
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s: must be an absolute path",
                path, key);
    return FALSE;
}

/* What no single value shows. */
static gboolean
check_whole(const LvdConfig *config, const char *path, GError **error)
{
    if (!config->engine ||
        (!g_str_equal(config->engine, "auto") && !g_str_equal(config->engine, "libxl") &&
         !g_str_equal(config->engine, "sim"))) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: engine: must be \"auto\", \"libxl\" or \"sim\"", path);
        return FALSE;
    }
    if (config->relay && config->relay[0] != '/' && !g_str_equal(config->relay, "auto") &&
        !g_str_equal(config->relay, "off")) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: relay: must be \"auto\", \"off\" or an absolute path", path);
        return FALSE;
    }
    return check_path("cpu_map_dir", config->cpu_map_dir, path, error) &&
           check_path("lock_socket", config->lock_socket, path, error);
}

/* A file of reasonable size, and a file: no pipe, nothing that never ends. */
static gboolean
read_file(const char *path, char **ret_text, gsize *ret_length, GError **error)
{
    struct stat st;

    if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a configuration file: %s",
                    path, S_ISREG(st.st_mode) ? "larger than 1 MiB" : "not a regular file");
        return FALSE;
    }
    return g_file_get_contents(path, ret_text, ret_length, error);
}

static gboolean
load(LvdConfig *config, const char *path, const Key *known, guint n_known, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) settings = NULL;
    gsize length;

    if (!read_file(path, &text, &length, error))
        return FALSE;
    settings = lvd_settings_read(text, length, path, error);
    if (!settings)
        return FALSE;
    for (guint i = 0; i < settings->len; i++) {
        const LvdSetting *setting = g_ptr_array_index(settings, i);
        const Key *key = find_key(known, n_known, setting->key);
        Place place = { path, setting };

        if (!key)
            warn_of_unknown(known, n_known, &place);
        else if (!set_key(config, key, &place, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
lvd_config_load(LvdConfig *config, const char *path, GError **error)
{
    if (!load(config, path, keys, G_N_ELEMENTS(keys), error))
        return FALSE;
    /* Who wants more from the start than there are at most by default has named one of the two
     * only. */
    config->max_workers = MAX(config->max_workers, config->min_workers);
    return check_whole(config, path, error);
}

gboolean
lvd_config_load_lockd(LvdConfig *config, GError **error)
{
    g_autofree char *path = g_strconcat(config->root, "/etc/libvirt/libxl-lockd.conf", NULL);

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    return load(config, path, lockd_keys, G_N_ELEMENTS(lockd_keys), error) &&
           check_path("file_lockspace_dir", config->lock_file_dir, path, error) &&
           check_path("lvm_lockspace_dir", config->lock_lvm_dir, path, error) &&
           check_path("scsi_lockspace_dir", config->lock_scsi_dir, path, error);
}

char *
lvd_lockd_socket(const LvdConfig *config)
{
    g_autofree char *folder = NULL;

    if (config->lock_socket)
        return g_strdup(config->lock_socket);
    /* A user's own virtlockd is with his other daemons. */
    if (geteuid() != 0 && *config->root == '\0')
        folder = g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL);
    else
        folder = lvd_config_socket_dir(config);
    return g_build_filename(folder, "virtlockd-sock", NULL);
}
