/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include "x2l-default.h"
#include "x2l-xva.h"

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

/* An open input: what was read of it to see what it is, and the rest. */
typedef struct Opened {
    int fd;
    gsize expected; /* bytes, as fstat() said; some number where it can't */
    gsize start_len;
    char start[X2L_SNIFF];
} Opened;

static void
opened_clear(Opened *in)
{
    close_input(&in->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Opened, opened_clear)

static ssize_t
read_some(int fd, void *data, gsize len)
{
    ssize_t r;

    do
        r = read(fd, data, len);
    while (r < 0 && errno == EINTR);
    return r;
}

static gboolean
file_error(const char *path, GError **error)
{
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
    return FALSE;
}

static gboolean
open_path(const char *path, int flags, gboolean regular, Opened *ret_in, GError **error)
{
    struct stat st = { 0 };
    ssize_t r = 1;

    ret_in->fd = g_str_equal(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | flags);
    if (ret_in->fd < 0 || fstat(ret_in->fd, &st) < 0)
        return file_error(path, error);
    if (regular && !S_ISREG(st.st_mode)) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: is not a regular file", path);
        return FALSE;
    }
    ret_in->expected = S_ISREG(st.st_mode) && st.st_size > 0 ? (gsize)st.st_size : READ_STEP;
    while (r > 0 && ret_in->start_len < X2L_SNIFF) {
        r = read_some(ret_in->fd, ret_in->start + ret_in->start_len, X2L_SNIFF - ret_in->start_len);
        if (r < 0)
            return file_error(path, error);
        ret_in->start_len += (gsize)r;
    }
    return TRUE;
}

/* One more read for a file of a usual size. */
static char *
read_all(const Opened *in, const char *path, gsize *ret_len, GError **error)
{
    gsize expected = MIN(in->expected, CONF_MAX_INPUT);
    g_autoptr(GByteArray) bytes = g_byte_array_sized_new((guint)MAX(expected, X2L_SNIFF) + 2);
    gsize step = expected > in->start_len ? expected - in->start_len + 1 : 1;

    if (in->expected > CONF_MAX_INPUT)
        return refuse_size(path, error);
    g_byte_array_append(bytes, (const guint8 *)in->start, (guint)in->start_len);
    for (;;) {
        guint old = bytes->len;
        ssize_t r;

        g_byte_array_set_size(bytes, old + (guint)step);
        r = read_some(in->fd, bytes->data + old, step);
        g_byte_array_set_size(bytes, old + (guint)MAX(r, 0));
        if (r < 0) {
            file_error(path, error);
            return NULL;
        }
        if (r == 0)
            break;
        if (bytes->len > CONF_MAX_INPUT)
            return refuse_size(path, error);
        step = bytes->len == in->expected ? 1 : READ_STEP; /* at its end: only to see that it is */
    }
    *ret_len = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

static char *
read_path(const char *path, int flags, gboolean regular, gsize *ret_len, GError **error)
{
    g_auto(Opened) in = { .fd = -1 };

    return open_path(path, flags, regular, &in, error) ? read_all(&in, path, ret_len, error) : NULL;
}

char *
x2l_read(const char *path, gsize *ret_len, GError **error)
{
    return read_path(path, 0, FALSE, ret_len, error);
}

#define CAREFULLY (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

char *
x2l_read_regular(const char *path, gsize *ret_len, GError **error)
{
    return read_path(path, CAREFULLY, TRUE, ret_len, error);
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

static gboolean
open_input(const X2lInput *input, const X2lOptions *options, Opened *ret_in, GError **error)
{
    if (options->root)
        return open_path(input->real ? input->real : input->path, CAREFULLY, TRUE, ret_in, error);
    if (input->walked) /* what was a file when the folder was read may be a FIFO by now */
        return open_path(input->path, O_NONBLOCK | O_NOCTTY, TRUE, ret_in, error);
    return open_path(input->path, 0, FALSE, ret_in, error);
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

    if (native->format != CONF_FORMAT_XL && native->format != CONF_FORMAT_XM)
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

/* What each native config of an input becomes. */
static void
convert_all(X2lResult *result, const X2lInput *input, const GPtrArray *natives,
            const X2lOptions *options)
{
    for (guint i = 0; i < natives->len; i++) {
        ConfNative *native = natives->pdata[i];
        g_autofree char *aside = options->all_vms ? NULL : conf_native_aside(native);

        if (aside) {
            g_autofree char *reason = g_strconcat(aside, " (--all-vms converts it, too)", NULL);

            skip_part(result, input, reason, TRUE);
        } else if (input->walked && !looks_like_domain(native)) {
            /* What has a name might have been meant as a domain: that is said without --verbose. */
            skip_part(result, input, "no domain configuration: at most one key that a domain has",
                      conf_node_find(native->root, "name") != NULL);
        } else {
            convert_one(result, input, native, options);
        }
    }
}

/* ---- archives ---- */

/* Says where the disks of those that are converted go. One that two VMs share has the name that the
 * first one gives it. */
static void
place_disks(GPtrArray *natives, const X2lOptions *options)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < natives->len; i++) {
        ConfNative *native = natives->pdata[i];
        g_autofree char *aside = options->all_vms ? NULL : conf_native_aside(native);
        g_autoptr(GPtrArray) disks = NULL;

        if (aside)
            continue;
        native->disk_dir = g_strdup(options->extract_dir);
        native->disk_format = g_strdup(options->disk_format);
        native->disk_paths = g_hash_table_ref(paths);
        disks = conf_native_disks(native);
        for (guint k = 0; k < disks->len; k++) {
            const ConfXvaDisk *disk = disks->pdata[k];

            if (!g_hash_table_contains(paths, disk->ref))
                g_hash_table_insert(paths, g_strdup(disk->ref), g_strdup(disk->path));
        }
    }
}

static gboolean
convert_archive(X2lResult *result, const X2lInput *input, const Opened *in,
                const X2lOptions *options, GError **error)
{
    g_autoptr(X2lTar) tar = x2l_tar_open(in->fd, in->start, in->start_len, input->path, error);
    g_autofree char *name = g_strconcat(input->path, "/ova.xml", NULL), *text = NULL;
    g_autoptr(GPtrArray) natives = NULL;
    gsize len;

    if (tar)
        text = x2l_xva_read_ova(tar, input->path, &len, error);
    if (!text && input->walked) {
        g_clear_error(error);
        result->skip = x2l_skip_new(input->path, "an archive, and none of XenServer", FALSE);
        return TRUE;
    }
    if (text)
        natives = conf_native_parse(CONF_FORMAT_XVA, text, len, name, NULL, error);
    g_clear_pointer(&text, g_free);
    if (!natives)
        return FALSE;
    if (options->extract_dir) {
        place_disks(natives, options);
        if (!x2l_xva_extract(tar, natives, input->path, options, error))
            return FALSE;
    }
    convert_all(result, input, natives, options);
    return TRUE;
}

/* ---- texts ---- */

static gboolean
convert_text(X2lResult *result, const X2lInput *input, const Opened *in, const X2lOptions *options,
             GError **error)
{
    g_autoptr(GPtrArray) natives = NULL;
    ConfNativeOptions native_options = { .set = options->set };
    gboolean doubtful;
    ConfFormat format;
    const char *why;
    gsize len;
    g_autofree char *text = read_all(in, input->path, &len, error);

    if (!text)
        return FALSE;
    format = format_of(input, options, text, len, &doubtful, &why);
    if (why) {
        result->skip = x2l_skip_new(input->path, why, FALSE);
        return TRUE;
    }
    if (len == 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: there is nothing in it", input->path);
        return FALSE;
    }
    if (format == CONF_FORMAT_DOMXML) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                    "%s:1:1: this is XML already: define it with virsh, or turn it into a native "
                    "format with --to-native",
                    input->path);
        return FALSE;
    }
    natives = conf_native_parse(format, text, len, input->path, &native_options, error);
    if (!natives)
        return FALSE;
    convert_all(result, input, natives, options);
    if (doubtful)
        mark_doubtful(result);
    return TRUE;
}

X2lResult *
x2l_convert(const X2lInput *input, const X2lOptions *options)
{
    g_autoptr(X2lResult) result = x2l_result_new();
    g_autoptr(GError) error = NULL;
    g_auto(Opened) in = { .fd = -1 };
    gboolean ok = open_input(input, options, &in, &error);

    if (ok && x2l_tar_is(in.start, in.start_len))
        ok = convert_archive(result, input, &in, options, &error);
    else if (ok)
        ok = convert_text(result, input, &in, options, &error);
    if (!ok)
        g_ptr_array_add(result->errors, g_strdup(error->message));
    return g_steal_pointer(&result);
}
