/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-root.h"

#include "x2l.h"

#include <errno.h>
#include <unistd.h>

#define MAX_LINKS 40         /* as Linux has it */
#define MAX_REST  (64 << 10) /* bytes of a path while links are put into it */

struct X2lRoot {
    char *given; /* as the user named it */
    char *dir;   /* without slashes at the end; "" for "/" */
};

X2lRoot *
x2l_root_new(const char *dir, GError **error)
{
    X2lRoot *root;
    struct stat st;
    gsize len = strlen(dir);

    int r = stat(dir, &st);

    if (r < 0 || !S_ISDIR(st.st_mode)) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s", dir,
                    g_strerror(r < 0 ? errno : ENOTDIR));
        return NULL;
    }
    while (len > 0 && dir[len - 1] == '/')
        len--;
    root = g_new0(X2lRoot, 1);
    root->given = g_strdup(dir);
    root->dir = g_strndup(dir, len);
    return root;
}

void
x2l_root_free(X2lRoot *root)
{
    if (!root)
        return;
    g_free(root->given);
    g_free(root->dir);
    g_free(root);
}

const char *
x2l_root_dir(const X2lRoot *root)
{
    return root->given;
}

gboolean
x2l_root_is_slash(const X2lRoot *root)
{
    return *root->dir == '\0';
}

char *
x2l_root_join(const X2lRoot *root, const char *path)
{
    return g_strconcat(root->dir, path, NULL);
}

/* Puts a link's target before the rest of the path. */
static gboolean
follow(GString *rest, const char *full)
{
    char target[4096];
    ssize_t len = readlink(full, target, sizeof target - 1);

    if (len < 0)
        return FALSE;
    if (rest->len + (gsize)len > MAX_REST) {
        errno = ENAMETOOLONG;
        return FALSE;
    }
    g_string_prepend_c(rest, '/');
    g_string_prepend_len(rest, target, len);
    return TRUE;
}

/* Takes the first name off `rest` into `name`. FALSE: nothing is left. */
static gboolean
take_name(GString *rest, GString *name)
{
    gsize start = 0, end;

    while (start < rest->len && rest->str[start] == '/')
        start++;
    end = start;
    while (end < rest->len && rest->str[end] != '/')
        end++;
    g_string_truncate(name, 0);
    g_string_append_len(name, rest->str + start, (gssize)(end - start));
    g_string_erase(rest, 0, (gssize)end);
    return name->len > 0;
}

static void
drop_last(GString *done, gsize keep)
{
    const char *slash = strrchr(done->str + keep, '/');

    g_string_truncate(done, slash ? (gsize)(slash - done->str) : keep);
}

char *
x2l_root_resolve(const X2lRoot *root, const char *path, struct stat *ret_stat)
{
    g_autoptr(GString) done = g_string_new(root->dir);
    g_autoptr(GString) rest = g_string_new(path);
    g_autoptr(GString) name = g_string_new(NULL);
    gsize keep = done->len;
    unsigned links = 0;
    struct stat st;

    if (stat(*root->dir ? root->dir : "/", &st) < 0)
        return NULL;
    while (take_name(rest, name)) {
        gsize before = done->len;

        if (g_str_equal(name->str, "."))
            continue;
        if (g_str_equal(name->str, "..")) {
            drop_last(done, keep);
            continue;
        }
        g_string_append_c(done, '/');
        g_string_append_len(done, name->str, (gssize)name->len);
        if (lstat(done->str, &st) < 0)
            return NULL;
        if (!S_ISLNK(st.st_mode))
            continue;
        if (++links > MAX_LINKS) {
            errno = ELOOP;
            return NULL;
        }
        if (!follow(rest, done->str))
            return NULL;
        g_string_truncate(done, rest->str[0] == '/' ? keep : before);
    }
    if (done->len == keep)
        g_string_append_c(done, '/');
    /* After "a/..", st is a's. */
    if (lstat(done->str, &st) < 0)
        return NULL;
    if (ret_stat)
        *ret_stat = st;
    return g_strdup(done->str + keep);
}

gboolean
x2l_root_exists(const X2lRoot *root, const char *path)
{
    g_autofree char *real = x2l_root_resolve(root, path, NULL);

    return real != NULL;
}

char *
x2l_root_read(const X2lRoot *root, const char *path, gsize *ret_len, gboolean *ret_missing,
              GError **error)
{
    struct stat st;
    g_autofree char *real = x2l_root_resolve(root, path, &st);
    g_autofree char *full = NULL;

    if (ret_missing)
        *ret_missing = !real && (errno == ENOENT || errno == ENOTDIR);
    if (!real) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s%s: %s", root->dir, path,
                    g_strerror(errno));
        return NULL;
    }
    full = x2l_root_join(root, real);
    return x2l_read_regular(full, ret_len, error);
}
