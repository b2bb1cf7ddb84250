/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where libarchive or libxxhash was missing: an archive is told as one, and refused. */
#include "x2l-tar.h"

#include "x2l-xva.h"

gboolean
x2l_tar_is(const void *start, gsize len)
{
    static const char magic[] = "ustar";

    return len >= 262 && memcmp((const char *)start + 257, magic, 5) == 0;
}

X2lTar *
x2l_tar_open(int fd, const void *start, gsize len, const char *path, GError **error)
{
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                "%s: archives are not supported: this xen2libvirt was built without libarchive or "
                "libxxhash; ova.xml itself can be given",
                path);
    return NULL;
}

void
x2l_tar_close(X2lTar *tar)
{
}

char *
x2l_xva_read_ova(X2lTar *tar, const char *path, gsize *ret_len, GError **error)
{
    g_assert_not_reached(); /* no archive was opened */
}

gboolean
x2l_xva_extract(X2lTar *tar, const GPtrArray *natives, const char *path, const X2lOptions *options,
                GError **error)
{
    g_assert_not_reached();
}
