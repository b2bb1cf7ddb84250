/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include "x2l-default.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (64u << 10)

static void
default_free(gpointer data)
{
    X2lDefault *one = data;

    g_free(one->path);
    g_free(one->value);
    g_free(one);
}

static void
domain_free(gpointer data)
{
    X2lDomain *domain = data;

    conf_domain_unref(domain->def);
    conf_report_free(domain->report);
    g_clear_pointer(&domain->defaults, g_ptr_array_unref);
    g_clear_pointer(&domain->ours, g_hash_table_unref);
    conf_xl_ext_free(domain->ext);
    g_free(domain->xml);
    g_free(domain->diff);
    g_free(domain->error);
    g_free(domain);
}

X2lResult *
x2l_result_new(void)
{
    X2lResult *result = g_new0(X2lResult, 1);

    result->domains = g_ptr_array_new_with_free_func(domain_free);
    result->errors = g_ptr_array_new_with_free_func(g_free);
    return result;
}

void
x2l_result_free(X2lResult *result)
{
    if (!result)
        return;
    g_ptr_array_unref(result->domains);
    g_ptr_array_unref(result->errors);
    x2l_skip_free(result->skip);
    g_clear_pointer(&result->skips, g_ptr_array_unref);
    g_free(result);
}

/* ---- files ---- */

static void
close_input(int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

static char *
refuse_size(const char *path, GError **error)
{
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                "%s: larger than %u MiB; this is no configuration", path, CONF_MAX_INPUT >> 20);
    return NULL;
}

/* One read for a file of a usual size: `expected` is what fstat() said. */
static char *
read_all(int fd, gsize expected, const char *path, gsize *ret_len, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_sized_new((guint)MIN(expected, CONF_MAX_INPUT) + 2);
    gsize step = MIN(expected, CONF_MAX_INPUT) + 1;

    if (expected > CONF_MAX_INPUT)
        return refuse_size(path, error);
    for (;;) {
        guint old = bytes->len;
        ssize_t r;

        g_byte_array_set_size(bytes, old + (guint)step);
        r = read(fd, bytes->data + old, step);
        g_byte_array_set_size(bytes, old + (guint)MAX(r, 0));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
            return NULL;
        }
        if (r == 0)
            break;
        if (bytes->len > CONF_MAX_INPUT)
            return refuse_size(path, error);
        step = bytes->len == expected ? 1 : READ_STEP; /* at its end: only to see that it is */
    }
    *ret_len = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

static char *
read_path(const char *path, int flags, gboolean regular, gsize *ret_len, GError **error)
{
    __attribute__((cleanup(close_input))) int fd = g_str_equal(path, "-")
                                                       ? STDIN_FILENO
                                                       : open(path, O_RDONLY | O_CLOEXEC | flags);
    struct stat st = { 0 };

    if (fd < 0 || fstat(fd, &st) < 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    if (regular && !S_ISREG(st.st_mode)) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: is not a regular file", path);
        return NULL;
    }
    return read_all(fd, S_ISREG(st.st_mode) && st.st_size > 0 ? (gsize)st.st_size : READ_STEP, path,
                    ret_len, error);
}

char *
x2l_read(const char *path, gsize *ret_len, GError **error)
{
    return read_path(path, 0, FALSE, ret_len, error);
}

char *
x2l_read_regular(const char *path, gsize *ret_len, GError **error)
{
    return read_path(path, O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, TRUE, ret_len, error);
}

gboolean
x2l_write(const char *path, const char *text, GError **error)
{
    /* 0600: a definition may hold a VNC password. */
    if (g_file_set_contents_full(path, text, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 error))
        return TRUE;
    g_prefix_error(error, "%s: ", path);
    return FALSE;
}

static gboolean
write_all(int fd, const char *text, gsize len)
{
    while (len > 0) {
        ssize_t r = write(fd, text, len);

        if (r < 0 && errno != EINTR)
            return FALSE;
        text += MAX(r, 0);
        len -= (gsize)MAX(r, 0);
    }
    return TRUE;
}

/* GLib syncs the disk even for a file that is only to be whole: twice a file, ten thousand times.
 */
gboolean
x2l_write_soon(const char *path, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    __attribute__((cleanup(close_input))) int fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC,
                                                                  0600);

    if (fd >= 0 && write_all(fd, text, strlen(text)) && rename(temporary, path) == 0)
        return TRUE;
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
    if (fd >= 0)
        unlink(temporary);
    return FALSE;
}

static char *
read_input(const X2lInput *input, const X2lOptions *options, gsize *ret_len, GError **error)
{
    if (options->root)
        return x2l_read_regular(input->real ? input->real : input->path, ret_len, error);
    if (input->walked) /* what was a file when the folder was read may be a FIFO by now */
        return read_path(input->path, O_NONBLOCK | O_NOCTTY, TRUE, ret_len, error);
    return x2l_read(input->path, ret_len, error);
}

/* ---- what is a domain ---- */

/* A file of a tree that reads well as key = value and has none of these describes no domain
 * (xl.conf under another name, a shell fragment). */
static gboolean
looks_like_domain(const ConfNative *native)
{
    static const char *const hints[] = { "name",    "memory", "maxmem",     "kernel",
                                         "builder", "type",   "bootloader", "disk",
                                         "vif",     "vcpus",  "image" };
    guint hits = 0;

    if (native->format == CONF_FORMAT_SXP)
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(hints); i++)
        hits += conf_node_find(native->root, hints[i]) != NULL;
    return hits >= 2;
}

/* Why a file of a tree is not worth a parser's try, or NULL. */
static const char *
no_config(const char *text, gsize len)
{
    if (len == 0)
        return "empty";
    if (memchr(text, '\0', MIN(len, 4096)))
        return "binary data";
    if (len > 1 && text[0] == '#' && text[1] == '!')
        return "a script";
    return NULL;
}

static void
skip_part(X2lResult *result, const X2lInput *input, const char *reason, gboolean loud)
{
    if (!result->skips)
        result->skips = g_ptr_array_new_with_free_func((GDestroyNotify)x2l_skip_free);
    g_ptr_array_add(result->skips, x2l_skip_new(input->path, reason, loud));
}

/* ---- conversion ---- */

/* The same domain gets the same uuid each time: a hash of what names it, marked as such (version 5
 * and variant bits of RFC 4122). */
static void
derive_uuid(X2lDomain *domain)
{
    static const char space[] = "xen2libvirt/1";
    const X2lInput *input = domain->input;
    const char *path = input->on_host ? input->on_host : input->path;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize len = sizeof digest;

    /* The NULs keep "a" + "bc" and "ab" + "c" apart. */
    g_checksum_update(sum, (const guint8 *)space, sizeof space);
    g_checksum_update(sum, (const guint8 *)domain->def->name,
                      (gssize)strlen(domain->def->name) + 1);
    g_checksum_update(sum, (const guint8 *)path, (gssize)strlen(path));
    g_checksum_get_digest(sum, digest, &len);
    memcpy(domain->def->uuid, digest, 16);
    domain->def->uuid[6] = (guint8)((domain->def->uuid[6] & 0x0f) | 0x50);
    domain->def->uuid[8] = (guint8)((domain->def->uuid[8] & 0x3f) | 0x80);
    domain->def->uuid_set = true;
}

/* The row of the device with this name: disks and interfaces come in the order of their lists. */
static char *
row_of_device(const ConfDomain *def, const char *target)
{
    for (guint i = 0; i < def->disks->len; i++) {
        if (g_strcmp0(((ConfDisk *)def->disks->pdata[i])->target, target) == 0)
            return g_strdup_printf("disk[%u]", i);
    }
    for (guint i = 0; i < def->interfaces->len; i++) {
        if (g_strcmp0(((ConfInterface *)def->interfaces->pdata[i])->mac, target) == 0)
            return g_strdup_printf("vif[%u]", i);
    }
    return g_strdup(target);
}

/* Which of the carried keys domXML has no place for, so that another driver would ignore them. */
static void
note_ours(X2lDomain *domain)
{
    const ConfXlExt *ext;

    if (!domain->def->metadata || !strstr(domain->def->metadata, CONF_XL_EXT_URI))
        return;
    ext = domain->ext = conf_xl_ext_load(domain->def, NULL);
    if (!ext)
        return;
    domain->ours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < ext->keys->len; i++)
        g_hash_table_add(domain->ours, g_strdup(((ConfXlKey *)ext->keys->pdata[i])->name));
    for (guint i = 0; i < ext->devices->len; i++)
        g_hash_table_add(
            domain->ours,
            row_of_device(domain->def, ((ConfXlDevice *)ext->devices->pdata[i])->target));
}

static void
convert_one(X2lResult *result, const X2lInput *input, ConfNative *native, const X2lOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new(input->path);
    ConfDomain *def = conf_domain_from_native(native, report, &error);
    X2lDomain *domain;

    if (!def) {
        g_ptr_array_add(result->errors, g_strdup(error->message));
        return;
    }
    domain = g_new0(X2lDomain, 1);
    domain->input = input;
    domain->def = def;
    domain->report = g_steal_pointer(&report);
    domain->format = native->format;
    domain->autostart = input->autostart || conf_native_wants_autostart(native);
    domain->uuid_from = def->uuid_set ? X2L_UUID_CONFIG : X2L_UUID_NONE;
    note_ours(domain);
    if (options->site) {
        domain->defaults = g_ptr_array_new_with_free_func(default_free);
        x2l_default_apply(options->site, native, domain);
    }
    if (options->root && !def->uuid_set) {
        derive_uuid(domain);
        domain->uuid_from = X2L_UUID_DERIVED;
    }
    if (options->want_xml)
        domain->xml = conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);
    g_ptr_array_add(result->domains, domain);
}

/* The format of a file, or why it has none that is wanted. `ret_doubtful`: it reads the same in xl
 * and xm, and the place says which of them it is. */
static ConfFormat
format_of(const X2lInput *input, const X2lOptions *options, const char *text, gsize len,
          gboolean *ret_doubtful, const char **ret_why)
{
    ConfFormat format = options->format;

    *ret_doubtful = FALSE;
    *ret_why = input->walked ? no_config(text, len) : NULL;
    if (*ret_why)
        return format;
    /* What xend manages is sxp, whatever the administrator's files are. */
    if (format == CONF_FORMAT_AUTO || input->source == X2L_SOURCE_XEND)
        format = conf_format_detect_or(text, len, CONF_FORMAT_AUTO);
    if (format == CONF_FORMAT_AUTO) {
        *ret_doubtful = TRUE;
        format = options->in_doubt ? options->in_doubt : CONF_FORMAT_XL;
    }
    if (format == CONF_FORMAT_DOMXML && input->walked)
        *ret_why = "XML, not a native configuration";
    return format;
}

static void
mark_doubtful(X2lResult *result)
{
    for (guint i = 0; i < result->domains->len; i++)
        ((X2lDomain *)result->domains->pdata[i])->doubtful = TRUE;
}

X2lResult *
x2l_convert(const X2lInput *input, const X2lOptions *options)
{
    g_autoptr(X2lResult) result = x2l_result_new();
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(GError) error = NULL;
    ConfNativeOptions native_options = { .set = options->set };
    gboolean doubtful;
    ConfFormat format;
    const char *why;
    gsize len;
    g_autofree char *text = read_input(input, options, &len, &error);

    if (!text) {
        g_ptr_array_add(result->errors, g_strdup(error->message));
        return g_steal_pointer(&result);
    }
    format = format_of(input, options, text, len, &doubtful, &why);
    if (why) {
        result->skip = x2l_skip_new(input->path, why, FALSE);
        return g_steal_pointer(&result);
    }
    if (format == CONF_FORMAT_DOMXML) {
        g_ptr_array_add(result->errors,
                        g_strdup_printf("%s:1:1: this is XML already: define it with virsh, or "
                                        "turn it into a native format with --to-native",
                                        input->path));
        return g_steal_pointer(&result);
    }
    natives = conf_native_parse(format, text, len, input->path, &native_options, &error);
    if (!natives) {
        g_ptr_array_add(result->errors, g_strdup(error->message));
        return g_steal_pointer(&result);
    }
    for (guint i = 0; i < natives->len; i++) {
        ConfNative *native = natives->pdata[i];

        /* What has a name might have been meant as a domain: that is said without --verbose. */
        if (input->walked && !looks_like_domain(native))
            skip_part(result, input, "no domain configuration: at most one key that a domain has",
                      conf_node_find(native->root, "name") != NULL);
        else
            convert_one(result, input, native, options);
    }
    if (doubtful)
        mark_doubtful(result);
    return g_steal_pointer(&result);
}
