/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-daemon.h"
#include "lvd-transport.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static gint threshold = 3;  /* atomic: libvirt's numbers, 1 debug ... 4 error */
static gboolean to_journal; /* immutable after lvd_log_init() */

static const struct {
    GLogLevelFlags flag;
    int level;
    const char *name;
} levels[] = {
    { G_LOG_LEVEL_ERROR, 4, "error" },     { G_LOG_LEVEL_CRITICAL, 4, "error" },
    { G_LOG_LEVEL_WARNING, 3, "warning" }, { G_LOG_LEVEL_MESSAGE, 2, "info" },
    { G_LOG_LEVEL_INFO, 2, "info" },       { G_LOG_LEVEL_DEBUG, 1, "debug" },
};

gboolean
lvd_log_enabled(int level)
{
    return level >= g_atomic_int_get(&threshold);
}

/* What a client or a file can put into a message must not look like a line of ours. */
static void
append_clean(GString *line, const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        if ((guchar)text[i] < 0x20 || text[i] == 0x7f)
            g_string_append_printf(line, "\\x%02x", (guchar)text[i]);
        else
            g_string_append_c(line, text[i]);
    }
}

static const char *
find_field(const GLogField *fields, gsize n_fields, const char *key, gsize *ret_length)
{
    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, key) && fields[i].value) {
            *ret_length = fields[i].length < 0 ? strlen(fields[i].value) : (gsize)fields[i].length;
            return fields[i].value;
        }
    }
    return NULL;
}

/* 2026-11-20 13:00:00.123+0000: 1234: info : text */
static void
write_line(const char *level, const char *message, gsize length)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *date = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");
    GString *line = g_string_sized_new(length + 64);
    const char *at;
    gsize left;

    g_string_append_printf(line, "%s.%03d+0000: %d: %s : ", date,
                           g_date_time_get_microsecond(now) / 1000, (int)gettid(), level);
    append_clean(line, message, length);
    g_string_append_c(line, '\n');
    at = line->str;
    left = line->len;
    while (left > 0) { /* one write in all usual cases, so lines do not mix */
        gssize n = write(STDERR_FILENO, at, left);

        if (n <= 0)
            break; /* nobody to tell */
        at += n;
        left -= (gsize)n;
    }
    g_string_free(line, TRUE);
}

static GLogWriterOutput
log_writer(GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer data)
{
    const char *name = "error";
    const char *message;
    gsize length = 0;
    int level = 4;

    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (flags & levels[i].flag) {
            level = levels[i].level;
            name = levels[i].name;
            break;
        }
    }
    if (!lvd_log_enabled(level))
        return G_LOG_WRITER_HANDLED;
    if (to_journal && g_log_writer_journald(flags, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    message = find_field(fields, n_fields, "MESSAGE", &length);
    write_line(name, message ? message : "(no message)", message ? length : 12);
    return G_LOG_WRITER_HANDLED;
}

void
lvd_log_set_level(int level)
{
    g_atomic_int_set(&threshold, CLAMP(level, 1, 4));
}

void
lvd_log_init(int level)
{
    lvd_log_set_level(level);
    to_journal = g_log_writer_is_journald(STDERR_FILENO);
    g_log_set_writer_func(log_writer, NULL, NULL);
}

/* Not by way of GLib: there such a message may be fatal by itself. Where stderr is the journal, the
 * line becomes an entry of it. */
void
lvd_log_failure(const char *message)
{
    write_line("error", message, strlen(message));
}
