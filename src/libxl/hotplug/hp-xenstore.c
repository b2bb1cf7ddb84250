/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-store.h"

#include <errno.h>
#include <string.h>
#include <xenstore.h>

typedef struct {
    HpStore store;
    struct xs_handle *handle;
} Xenstore;

static char *
xenstore_read(HpStore *store, const char *path, size_t *ret_length)
{
    unsigned length = 0;
    char *value = xs_read(((Xenstore *)store)->handle, XBT_NULL, path, &length);
    *ret_length = length;
    return value;
}

static bool
xenstore_write(HpStore *store, const char *path, const char *value)
{
    return xs_write(((Xenstore *)store)->handle, XBT_NULL, path, value, (unsigned)strlen(value));
}

static char **
xenstore_list(HpStore *store, const char *path, unsigned *ret_n)
{
    return xs_directory(((Xenstore *)store)->handle, XBT_NULL, path, ret_n);
}

static void
xenstore_close(HpStore *store)
{
    xs_close(((Xenstore *)store)->handle);
    free(store);
}

HpStore *
hp_xenstore_open(HpError *error)
{
    struct xs_handle *handle = xs_open(0);
    if (!handle) {
        hp_fail(error, "no connection to xenstored: %s; does it run, and is this Xen?",
                strerror(errno));
        return NULL;
    }
    Xenstore *store = calloc(1, sizeof *store);
    if (!store)
        abort();
    store->store = (HpStore){ xenstore_read, xenstore_write, xenstore_list, xenstore_close };
    store->handle = handle;
    return &store->store;
}
