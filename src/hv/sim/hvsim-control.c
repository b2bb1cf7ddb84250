/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-control.h>

#include <errno.h>
#include <hv/hv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONTROL_MAX (1u << 20) /* bytes of the control file */
#define NEVER       G_MAXUINT64

struct SimControl {
    char *path;
    GKeyFile *keys; /* the last good file; empty before the first */
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

typedef enum ValueType { VALUE_NUMBER, VALUE_BOOL, VALUE_TEXT } ValueType;

static const struct {
    const char *key;
    ValueType type;
    guint64 initial;
} knobs[] = {
    [SIM_KNOB_BOOT_MS] = { "guest-boot-ms", VALUE_NUMBER, 150 },
    [SIM_KNOB_SHUTDOWN_MS] = { "guest-shutdown-ms", VALUE_NUMBER, 300 },
    [SIM_KNOB_IGNORES_SHUTDOWN] = { "guest-ignores-shutdown", VALUE_BOOL, 0 },
    [SIM_KNOB_CRASH_AFTER_MS] = { "crash-after-ms", VALUE_NUMBER, NEVER },
    [SIM_KNOB_SAVE_FAIL_AT] = { "save-fail-at", VALUE_NUMBER, NEVER },
    [SIM_KNOB_SAVE_WRITE_MS] = { "save-write-ms", VALUE_NUMBER, 0 },
    [SIM_KNOB_KEEPS_DEVICES] = { "guest-keeps-devices", VALUE_BOOL, 0 },
    [SIM_KNOB_NEVER_SLEEPS] = { "guest-never-sleeps", VALUE_BOOL, 0 },
    [SIM_KNOB_DUMP_WRITE_MS] = { "dump-write-ms", VALUE_NUMBER, 0 },
};
G_STATIC_ASSERT(G_N_ELEMENTS(knobs) == SIM_N_KNOBS);

/* OPERATION + suffix, for each operation with .fault */
static const struct {
    const char *suffix;
    ValueType type;
} faults[] = {
    { "-fail", VALUE_TEXT },
    { "-delay-ms", VALUE_NUMBER },
    { "-hang", VALUE_BOOL },
};

G_DEFINE_QUARK(sim_error, sim_error)

void
sim_log(const char *format, ...)
{
    g_autofree char *stamp = sim_stamp();
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "%s: simhost: %s\n", stamp, text);
    fflush(stderr);
}

/* GKeyFile gives a string and an error at once where an escape is unknown. */
static char *
get_string(GKeyFile *keys, const char *group, const char *key, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *text = g_key_file_get_string(keys, group, key, &local);
    if (local == NULL)
        return g_steal_pointer(&text);
    g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "[%s] %s: %s", group, key, local->message);
    return NULL;
}

/* ---- sim.conf ---- */

static gboolean
parse_version(const char *text, guint64 *ret_version)
{
    unsigned major, minor, release = 0;
    char rest;
    int n = sscanf(text, "%3u.%3u.%3u%c", &major, &minor, &release, &rest);
    if (n != 2 && n != 3)
        return FALSE;
    *ret_version = major * G_GUINT64_CONSTANT(1000000) + minor * 1000 + release;
    return TRUE;
}

static const char *const processors[SIM_N_PROCESSORS] = {
    [SIM_PROCESSOR_INTEL] = "intel",
    [SIM_PROCESSOR_AMD] = "amd",
};

static gboolean
parse_processor(const char *text, SimProcessor *ret_processor)
{
    for (guint i = 0; i < SIM_N_PROCESSORS; i++) {
        if (!g_str_equal(text, processors[i]))
            continue;
        *ret_processor = (SimProcessor)i;
        return TRUE;
    }
    return FALSE;
}

/* Where a number of sim.conf goes. `scale` turns the file's MiB into the model's KiB. */
static const struct {
    const char *key;
    gsize offset;
    gboolean wide;
    guint64 min, max, scale;
} conf_numbers[] = {
    { "cpus", G_STRUCT_OFFSET(SimConf, cpus), FALSE, 1, SIM_MAX_CPUS, 1 },
    { "nodes", G_STRUCT_OFFSET(SimConf, nodes), FALSE, 1, 64, 1 },
    { "sockets", G_STRUCT_OFFSET(SimConf, sockets), FALSE, 1, 64, 1 },
    { "cores", G_STRUCT_OFFSET(SimConf, cores), FALSE, 1, SIM_MAX_CPUS, 1 },
    { "threads", G_STRUCT_OFFSET(SimConf, threads), FALSE, 1, 8, 1 },
    { "mhz", G_STRUCT_OFFSET(SimConf, mhz), FALSE, 1, 100000, 1 },
    { "max-vcpus", G_STRUCT_OFFSET(SimConf, max_vcpus), FALSE, 1, SIM_MAX_VCPUS, 1 },
    { "memory-mib", G_STRUCT_OFFSET(SimConf, memory_kib), TRUE, 64, 1u << 30, 1024 },
    { "dom0-memory-mib", G_STRUCT_OFFSET(SimConf, dom0_kib), TRUE, 0, 1u << 30, 1024 },
};

static gboolean
read_conf_number(GKeyFile *keys, const char *path, const char *key, SimConf *conf, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(conf_numbers); i++) {
        if (!g_str_equal(conf_numbers[i].key, key))
            continue;
        g_autofree char *text = g_key_file_get_value(keys, "host", key, NULL);
        guint64 value;
        if (!g_ascii_string_to_unsigned(text, 10, conf_numbers[i].min, conf_numbers[i].max, &value,
                                        error)) {
            g_prefix_error(error, "%s: %s: ", path, key);
            return FALSE;
        }
        value *= conf_numbers[i].scale;
        if (conf_numbers[i].wide)
            G_STRUCT_MEMBER(guint64, conf, conf_numbers[i].offset) = value;
        else
            G_STRUCT_MEMBER(guint, conf, conf_numbers[i].offset) = (guint)value;
        return TRUE;
    }
    g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "%s: there is no key '%s' (see docs/SIM.md)",
                path, key);
    return FALSE;
}

/* What the file leaves open of the topology follows from the rest. */
static gboolean
complete_topology(SimConf *conf, const char *path, GError **error)
{
    guint sockets = MAX(conf->sockets, 1), threads = MAX(conf->threads, 1);
    conf->nodes = MAX(conf->nodes, 1);
    guint others = conf->nodes * sockets * threads;
    if (conf->cores == 0)
        conf->cores = (conf->cpus == 0 ? MAX(8, others) : conf->cpus) / others;
    guint cpus = others * conf->cores;
    if (conf->cpus == 0)
        conf->cpus = cpus;
    conf->sockets = sockets;
    conf->threads = threads;
    if (conf->cpus == cpus && cpus >= 1 && cpus <= SIM_MAX_CPUS)
        return TRUE;
    g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG,
                "%s: %u cpus are not %u nodes * %u sockets * %u cores * %u threads (at most %u)",
                path, conf->cpus, conf->nodes, conf->sockets, conf->cores, conf->threads,
                SIM_MAX_CPUS);
    return FALSE;
}

static gboolean
read_conf_keys(GKeyFile *keys, const char *path, SimConf *conf, GError **error)
{
    g_autofree char *first = g_key_file_get_start_group(keys);
    g_auto(GStrv) groups = g_key_file_get_groups(keys, NULL);
    if (!g_str_equal(first, "host") || g_strv_length(groups) != 1) {
        g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "%s: the one group is [host]", path);
        return FALSE;
    }
    g_auto(GStrv) names = g_key_file_get_keys(keys, "host", NULL, error);
    for (gsize i = 0; names != NULL && names[i] != NULL; i++) {
        g_autofree char *text = get_string(keys, "host", names[i], error);
        if (text == NULL) {
            g_prefix_error(error, "%s: ", path);
            return FALSE;
        }
        if (g_str_equal(names[i], "scheduler")) {
            g_free(conf->scheduler);
            conf->scheduler = g_steal_pointer(&text);
        } else if (g_str_equal(names[i], "version")) {
            if (!parse_version(text, &conf->version)) {
                g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG,
                            "%s: version: '%s' is not MAJOR.MINOR.RELEASE", path, text);
                return FALSE;
            }
        } else if (g_str_equal(names[i], "processor")) {
            if (!parse_processor(text, &conf->processor)) {
                g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG,
                            "%s: processor: '%s' is neither intel nor amd", path, text);
                return FALSE;
            }
        } else if (!read_conf_number(keys, path, names[i], conf, error)) {
            return FALSE;
        }
    }
    return names != NULL;
}

static gboolean
is_empty(GKeyFile *keys)
{
    g_autofree char *first = g_key_file_get_start_group(keys);
    return first == NULL;
}

gboolean
sim_conf_read(const char *path, SimConf *ret_conf, GError **error)
{
    SimConf conf = { .mhz = 2400,
                     .max_vcpus = 128,
                     .memory_kib = 32u << 20,
                     .dom0_kib = 1u << 20,
                     .version = 4017000,
                     .scheduler = g_strdup("credit2") };
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) local = NULL;
    gboolean ok = g_key_file_load_from_file(keys, path, G_KEY_FILE_NONE, &local);
    if (!ok && g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        ok = TRUE;
    else if (!ok)
        g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "%s: %s", path, local->message);
    else if (!is_empty(keys))
        ok = read_conf_keys(keys, path, &conf, error);
    ok = ok && complete_topology(&conf, path, error);
    if (ok && conf.dom0_kib >= conf.memory_kib) {
        ok = FALSE;
        g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG,
                    "%s: dom0-memory-mib leaves no memory for guests", path);
    }
    if (ok)
        *ret_conf = conf;
    else
        g_free(conf.scheduler);
    return ok;
}

/* ---- sim-control ---- */

SimControl *
sim_control_new(const char *path)
{
    SimControl *control = g_new0(SimControl, 1);
    control->path = g_strdup(path);
    control->keys = g_key_file_new();
    return control;
}

void
sim_control_free(SimControl *control)
{
    if (control == NULL)
        return;
    g_free(control->path);
    g_key_file_unref(control->keys);
    g_free(control);
}

static gboolean
key_type(const char *key, ValueType *ret_type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(knobs); i++)
        if (g_str_equal(key, knobs[i].key)) {
            *ret_type = knobs[i].type;
            return TRUE;
        }
    for (gsize op = 0; op < SIM_N_OPS; op++) {
        gsize len = strlen(sim_ops[op].name);
        if (!sim_ops[op].fault || strncmp(key, sim_ops[op].name, len) != 0)
            continue;
        for (gsize i = 0; i < G_N_ELEMENTS(faults); i++)
            if (g_str_equal(key + len, faults[i].suffix)) {
                *ret_type = faults[i].type;
                return TRUE;
            }
    }
    return FALSE;
}

static gboolean
check_value(GKeyFile *keys, const char *group, const char *key, GError **error)
{
    ValueType type;
    if (!key_type(key, &type)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "[%s] there is no key '%s'", group, key);
        return FALSE;
    }
    if (type == VALUE_BOOL) {
        g_autoptr(GError) local = NULL;
        g_key_file_get_boolean(keys, group, key, &local);
        if (local == NULL)
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_autofree char *text = get_string(keys, group, key, error);
    if (text == NULL)
        return FALSE;
    if (type == VALUE_TEXT && g_utf8_strlen(text, -1) > 1000) {
        g_set_error(error, SIM_ERROR, HV_ERROR_CONFIG, "[%s] %s: longer than 1000 characters",
                    group, key);
        return FALSE;
    }
    guint64 most = g_str_has_suffix(key, "-ms") ? 86400000 : G_MAXINT64;
    if (type == VALUE_NUMBER && !g_ascii_string_to_unsigned(text, 10, 0, most, NULL, error)) {
        g_prefix_error(error, "[%s] %s: ", group, key);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_file(GKeyFile *keys, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(keys, NULL);
    for (gsize i = 0; groups[i] != NULL; i++) {
        g_auto(GStrv) names = g_key_file_get_keys(keys, groups[i], NULL, NULL);
        for (gsize k = 0; names != NULL && names[k] != NULL; k++)
            if (!check_value(keys, groups[i], names[k], error))
                return FALSE;
    }
    return TRUE;
}

gboolean
sim_control_refresh(SimControl *control)
{
    struct stat now = { 0 };
    if (stat(control->path, &now) < 0)
        now = (struct stat){ 0 };
    if (now.st_mtim.tv_sec == control->mtime.tv_sec &&
        now.st_mtim.tv_nsec == control->mtime.tv_nsec && now.st_size == control->size &&
        now.st_ino == control->inode)
        return FALSE;
    control->mtime = now.st_mtim;
    control->size = now.st_size;
    control->inode = now.st_ino;

    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = TRUE;
    if (now.st_size > CONTROL_MAX) {
        g_set_error(&error, SIM_ERROR, HV_ERROR_CONFIG, "larger than 1 MiB");
        ok = FALSE;
    } else if (now.st_ino != 0) {
        ok = g_key_file_load_from_file(keys, control->path, G_KEY_FILE_NONE, &error);
        /* An empty file is a good one: GKeyFile complains about it only when it is not text. */
        ok = ok && check_file(keys, &error);
    }
    if (!ok) {
        sim_log("%s: %s; what was read before stays in force", control->path, error->message);
        return FALSE;
    }
    g_key_file_unref(control->keys);
    control->keys = g_steal_pointer(&keys);
    sim_log("%s: %s", control->path, now.st_ino == 0 ? "gone, no faults" : "read");
    return TRUE;
}

/* The group that has the key: the domain's own, else "*", else NULL. */
static const char *
group_of(SimControl *control, const char *name, const char *key)
{
    if (name != NULL && g_key_file_has_key(control->keys, name, key, NULL))
        return name;
    return g_key_file_has_key(control->keys, "*", key, NULL) ? "*" : NULL;
}

SimFault
sim_control_fault(SimControl *control, const char *name, SimOp op)
{
    SimFault fault = { 0 };
    if (!sim_ops[op].fault)
        return fault;
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        char key[64];
        g_snprintf(key, sizeof(key), "%s%s", sim_ops[op].name, faults[i].suffix);
        const char *group = group_of(control, name, key);
        if (group == NULL)
            continue;
        switch (faults[i].type) {
        case VALUE_TEXT:
            fault.fail = g_key_file_get_string(control->keys, group, key, NULL);
            break;
        case VALUE_NUMBER:
            fault.delay_ms = (guint)g_key_file_get_uint64(control->keys, group, key, NULL);
            break;
        case VALUE_BOOL:
            fault.hang = g_key_file_get_boolean(control->keys, group, key, NULL);
            break;
        }
    }
    return fault;
}

gboolean
sim_control_knob(SimControl *control, const char *name, SimKnob knob, guint64 *ret_value)
{
    const char *group = group_of(control, name, knobs[knob].key);
    if (group == NULL)
        *ret_value = knobs[knob].initial;
    else if (knobs[knob].type == VALUE_BOOL)
        *ret_value = g_key_file_get_boolean(control->keys, group, knobs[knob].key, NULL);
    else
        *ret_value = g_key_file_get_uint64(control->keys, group, knobs[knob].key, NULL);
    return group != NULL;
}
