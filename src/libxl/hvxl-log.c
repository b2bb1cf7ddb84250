/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024

/* One write() a line: several processes append. No lock and no GLib: libxl's forked children come
 * here, too, before they exec. */
static void
write_line(const HvxlLog *log, xentoollog_level level, const char *context, const char *text)
{
    char line[LINE_SIZE + 128];
    struct timespec now;
    struct tm tm;
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = snprintf(line, sizeof(line), "%04d-%02d-%02d %02d:%02d:%02d.%03d+0000: %s: %s: %s\n",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(now.tv_nsec / 1000000), context ? context : "libxl",
                 xtl_level_to_string(level), text);
    if (n < 0)
        return;
    n = MIN(n, (int)sizeof(line) - 1);
    line[n - 1] = '\n';
    while (write(log->fd, line, (size_t)n) < 0 && errno == EINTR)
        continue;
}

/* "libxl_device.c:1328:device_hotplug_child_death_cb: Domain 7:script: ..." and "panic:
 * xg_dom_core.c:205: failed to ...: Internal error" name places in Xen's source, which help nobody
 * who reads them at virsh. */
static char *
without_places(const char *text)
{
    static GRegex *places;
    static gsize compiled;
    /* Names of a guest's files may be in it, in whatever bytes. */
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    if (g_once_init_enter(&compiled)) {
        places = g_regex_new("^(panic: )?[a-z0-9_]+\\.c:[0-9]+:([A-Za-z0-9_]+:)? "
                             "(Domain [0-9]+:)?|: Internal error$",
                             G_REGEX_OPTIMIZE, 0, NULL);
        g_once_init_leave(&compiled, 1);
    }
    return g_regex_replace_literal(places, valid, -1, 0, "", 0, NULL);
}

/* The first errors are the causes, the last is what came of it; those between are dropped. */
static void
keep_error(HvxlLog *log, const char *text)
{
    guint slot = MIN(log->n_errors, HVXL_LOG_LINES - 1);
    g_autofree char *words = without_places(text);

    if (!words || (slot > 0 && log->errors[slot - 1] && g_str_equal(log->errors[slot - 1], words)))
        return;
    g_free(log->errors[slot]);
    log->errors[slot] = g_utf8_make_valid(words, MIN(strlen(words), 300));
    log->n_errors++;
}

static void G_GNUC_PRINTF(5, 0)
    on_message(xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context,
               const char *format, va_list args)
{
    HvxlLog *log = (HvxlLog *)logger;
    gboolean to_file = log->fd >= 0 && level >= log->min;
    char text[LINE_SIZE];
    int n;

    if (!to_file && level < XTL_ERROR)
        return;
    n = vsnprintf(text, sizeof(text), format, args);
    if (n < 0)
        return;
    n = (int)strlen(text);
    if (errnoval >= 0)
        snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerror(errnoval));
    g_strchomp(text);
    if (to_file)
        write_line(log, level, context, text);
    if (level >= XTL_ERROR && getpid() == log->pid)
        keep_error(log, text);
}

static void
on_progress(xentoollog_logger *logger, const char *context, const char *what, int percent,
            unsigned long done, unsigned long total)
{
    HvxlLog *log = (HvxlLog *)logger;

    if (log->progress)
        log->progress(done, total, log->progress_data);
}

/* It belongs to its context. */
static void
on_destroy(xentoollog_logger *logger)
{
}

void
hvxl_log_init(HvxlLog *log, xentoollog_level min)
{
    *log = (HvxlLog){
        .base = { .vmessage = on_message, .progress = on_progress, .destroy = on_destroy },
        .min = min,
        .fd = -1,
        .pid = getpid(),
    };
}

void
hvxl_log_reset(HvxlLog *log)
{
    for (guint i = 0; i < HVXL_LOG_LINES; i++)
        g_clear_pointer(&log->errors[i], g_free);
    log->n_errors = 0;
    log->progress = NULL;
    log->progress_data = NULL;
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

char *
hvxl_log_errors(const HvxlLog *log)
{
    g_autoptr(GString) all = g_string_new(NULL);

    for (guint i = 0; i < HVXL_LOG_LINES && log->errors[i]; i++) {
        if (i == HVXL_LOG_LINES - 1 && log->n_errors > HVXL_LOG_LINES)
            g_string_append(all, "; ...");
        g_string_append_printf(all, "%s%s", i > 0 ? "; " : "", log->errors[i]);
    }
    return all->len > 0 ? g_string_free(g_steal_pointer(&all), FALSE) : NULL;
}
