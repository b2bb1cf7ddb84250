/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (64u << 10)

static void
domain_free(X2lDomain *domain)
{
    conf_domain_unref(domain->def);
    conf_report_free(domain->report);
    g_free(domain);
}

static void
close_input(int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

char *
x2l_read(const char *path, gsize *ret_len, GError **error)
{
    gboolean is_stdin = g_str_equal(path, "-");
    __attribute__((cleanup(close_input))) int fd = is_stdin ? STDIN_FILENO
                                                            : open(path, O_RDONLY | O_CLOEXEC);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (fd < 0) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    for (;;) {
        guint old = bytes->len;
        ssize_t r;

        g_byte_array_set_size(bytes, old + READ_STEP);
        r = read(fd, bytes->data + old, READ_STEP);
        if (r < 0 && errno == EINTR)
            r = 0;
        else if (r < 0) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", path, g_strerror(errno));
            return NULL;
        } else if (r == 0) {
            g_byte_array_set_size(bytes, old);
            break;
        }
        g_byte_array_set_size(bytes, old + (guint)r);
        if (bytes->len > CONF_MAX_INPUT) {
            g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                        "%s: larger than %u MiB; this is no configuration", path,
                        CONF_MAX_INPUT >> 20);
            return NULL;
        }
    }
    *ret_len = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
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

/* What has a name might have been meant as a domain: that is said without --verbose, too. */
static void
skip(const ConfNative *native, const X2lInput *input, const X2lOptions *options)
{
    const X2lOptions tell = {
        .verbose = options->verbose || conf_node_find(native->root, "name") != NULL,
    };

    x2l_skip(&tell, input->path, "no domain configuration: at most one key that a domain has");
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
add_error(GPtrArray *errors, const GError *error)
{
    g_ptr_array_add(errors, g_strdup(error->message));
}

static void
convert_one(const X2lInput *input, ConfNative *native, GPtrArray *domains, GPtrArray *errors)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfReport) report = conf_report_new(input->path);
    ConfDomain *def = conf_domain_from_native(native, report, &error);
    X2lDomain *domain;

    if (!def) {
        add_error(errors, error);
        return;
    }
    domain = g_new0(X2lDomain, 1);
    domain->input = input;
    domain->def = def;
    domain->report = g_steal_pointer(&report);
    domain->format = native->format;
    domain->autostart = input->autostart || conf_native_wants_autostart(native);
    g_ptr_array_add(domains, domain);
}

GPtrArray *
x2l_convert(const X2lInput *input, const X2lOptions *options, GPtrArray *errors)
{
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_free);
    g_autoptr(GPtrArray) natives = NULL;
    g_autoptr(GError) error = NULL;
    ConfNativeOptions native_options = { .set = options->set };
    ConfFormat format = options->format;
    g_autofree char *text = NULL;
    const char *why;
    gsize len;

    text = x2l_read(input->path, &len, &error);
    if (!text) {
        add_error(errors, error);
        return g_steal_pointer(&domains);
    }
    why = input->walked ? no_config(text, len) : NULL;
    if (!why && format == CONF_FORMAT_AUTO)
        format = conf_format_detect(text, len);
    if (!why && format == CONF_FORMAT_DOMXML && input->walked)
        why = "XML, not a native configuration";
    if (why) {
        x2l_skip(options, input->path, why);
        return g_steal_pointer(&domains);
    }
    if (format == CONF_FORMAT_DOMXML) {
        g_ptr_array_add(
            errors, g_strdup_printf("%s:1:1: this is XML already: define it with virsh, or turn it "
                                    "into a native format with --to-native",
                                    input->path));
        return g_steal_pointer(&domains);
    }

    natives = conf_native_parse(format, text, len, input->path, &native_options, &error);
    if (!natives) {
        add_error(errors, error);
        return g_steal_pointer(&domains);
    }
    for (guint i = 0; i < natives->len; i++) {
        if (input->walked && !looks_like_domain(natives->pdata[i]))
            skip(natives->pdata[i], input, options);
        else
            convert_one(input, natives->pdata[i], domains, errors);
    }
    return g_steal_pointer(&domains);
}
