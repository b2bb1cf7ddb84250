/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-model.h"

#include "hvxl-drive.h"

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv-libxl"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MAX     (64 << 10) /* of its end */
#define MAX_LINES   3
#define WORDS_MAX   300
#define INIT_WAIT   2    /* XenbusStateInitWait: from here on the back end has the disk */
#define PATIENCE_MS 5000 /* for QEMU to say something */
#define COMPLAIN_MS 1000 /* it tries again what has failed when it hears of a change */
#define LOOK_MS     20

/* ---- its log ---- */

static int
open_log(const char *name, struct stat *ret_st)
{
    g_autofree char *path = g_strdup_printf("/var/log/xen/qemu-dm-%s.log", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && (fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

gint64
hvxl_model_log_size(const char *name)
{
    struct stat st;
    int fd = open_log(name, &st);

    if (fd < 0)
        return 0;
    close(fd);
    return st.st_size;
}

/* NULL: nothing. */
static char *
read_log(const char *name, gint64 from)
{
    struct stat st;
    int fd = open_log(name, &st);
    char *text = NULL;
    ssize_t n = -1;

    if (fd < 0)
        return NULL;
    from = MAX(from, (gint64)st.st_size - LOG_MAX);
    if (from < (gint64)st.st_size) {
        text = g_malloc(LOG_MAX + 1);
        n = pread(fd, text, LOG_MAX, from);
    }
    close(fd);
    if (n <= 0) {
        g_free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

/* "xen-qemu-system-i386: failed to ..." and "xen-qemu-system-i386: warning: ..." */
static const char *
without_program(const char *line)
{
    const char *colon = strstr(line, ": ");

    return colon && memchr(line, ' ', (gsize)(colon - line)) == NULL ? colon + 2 : line;
}

char *
hvxl_model_words(const char *name, gint64 from)
{
    g_autofree char *text = read_log(name, from);
    g_auto(GStrv) lines = text ? g_strsplit(g_strchomp(text), "\n", -1) : NULL;
    guint n = lines ? g_strv_length(lines) : 0;
    g_autoptr(GString) words = g_string_new(NULL);

    for (guint i = n > MAX_LINES ? n - MAX_LINES : 0; i < n; i++) {
        const char *line = without_program(lines[i]);

        if (words->len > 0)
            g_string_append(words, "; ");
        g_string_append_len(words, line, (gssize)MIN(strlen(line), WORDS_MAX));
    }
    return words->len > 0 ? g_utf8_make_valid(words->str, (gssize)words->len) : NULL;
}

void
hvxl_model_explain(const char *name, GError **error)
{
    g_autofree char *words = NULL;
    char *text;

    /* Else the log is that of an earlier start. */
    if (!error || !*error || !strstr((*error)->message, "device model did not start"))
        return;
    words = hvxl_model_words(name, 0);
    if (!words)
        return;
    text = g_strdup_printf("%s; the device model says: %s", (*error)->message, words);
    g_free((*error)->message);
    (*error)->message = text;
}

/* ---- its disks ---- */

/* What it says of this device last; NULL: nothing. */
static char *
complaint_of(const char *name, gint64 from, guint devid)
{
    g_autofree char *text = read_log(name, from);
    g_autofree char *start = g_strdup_printf("failed to create 'qdisk' device '%u': ", devid);
    char *found = text ? g_strrstr(text, start) : NULL;

    if (!found)
        return NULL;
    found += strlen(start);
    return g_utf8_make_valid(found, (gssize)MIN(strcspn(found, "\n"), WORDS_MAX));
}

typedef enum Service {
    SERVED,
    NOT_YET,
    TAKEN_AWAY, /* by QEMU, after it had begun */
} Service;

static Service
look(HvEngine *engine, int domid, guint devid)
{
    gint64 state;

    if (!hvxl_xs_read_number(engine, &state, "/local/domain/0/backend/qdisk/%d/%u/state", domid,
                             devid))
        return TAKEN_AWAY;
    return state >= INIT_WAIT ? SERVED : NOT_YET;
}

/* NULL: it is served, or nothing is known to be wrong. */
static char *
wait_for_service(HvEngine *engine, int domid, const char *name, gint64 from, guint devid)
{
    gint64 now = g_get_monotonic_time(), complains = 0;
    gint64 end = now + PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
    Service service;

    while ((service = look(engine, domid, devid)) != SERVED && now < end) {
        g_autofree char *complaint = complaint_of(name, from, devid);

        now = g_get_monotonic_time();
        if (complaint && complains == 0)
            complains = now;
        if (complaint &&
            (service == TAKEN_AWAY || now - complains >= COMPLAIN_MS * G_TIME_SPAN_MILLISECOND))
            return g_steal_pointer(&complaint);
        g_usleep(LOOK_MS * 1000);
    }
    if (service != SERVED)
        g_warning("the device model of domain id %d has not taken up its disk %u yet", domid,
                  devid);
    return NULL;
}

gboolean
hvxl_model_serves(HvEngine *engine, int domid, const char *name, gint64 from,
                  const libxl_device_disk *disks, int n_disks, GError **error)
{
    for (int i = 0; i < n_disks; i++) {
        g_autofree char *complaint = NULL;
        guint number, devid;

        /* Of a CD-ROM drive the emulated half counts: without a medium QEMU refuses the other. */
        if (disks[i].backend != LIBXL_DISK_BACKEND_QDISK || disks[i].backend_domid != 0 ||
            disks[i].is_cdrom || !disks[i].vdev || !hvxl_vdev_parse(disks[i].vdev, &number, &devid))
            continue;
        complaint = wait_for_service(engine, domid, name, from, devid);
        if (complaint) {
            g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                        "disk '%s': the device model cannot serve it: %s", disks[i].vdev,
                        complaint);
            return FALSE;
        }
    }
    return TRUE;
}
