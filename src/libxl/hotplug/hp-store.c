/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-store.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void
hp_store_close(HpStore *store)
{
    if (store)
        store->close(store);
}

static bool
join(const char *dir, const char *name, char *ret, size_t size, HpError *error)
{
    int n = snprintf(ret, size, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= size)
        return hp_fail(error, "the path %.128s/... in xenstore is too long", dir);
    return true;
}

HpRead
hp_store_read(HpStore *store, const char *dir, const char *name, char *ret, size_t size,
              HpError *error)
{
    char path[HP_PATH_SIZE];
    ret[0] = 0;
    if (!join(dir, name, path, sizeof path, error))
        return HP_READ_FAILED;
    size_t length = 0;
    HP_AUTO_FREE char *value = store->read(store, path, &length);
    if (!value && errno == ENOENT)
        return HP_READ_ABSENT;
    if (!value)
        return hp_fail(error, "cannot read %s of xenstore: %s", path, strerror(errno)),
               HP_READ_FAILED;
    if (length >= size)
        return hp_fail(error, "%s of xenstore is too long (%zu bytes, at most %zu)", path, length,
                       size - 1),
               HP_READ_FAILED;
    for (size_t i = 0; i < length; i++) {
        if (iscntrl((unsigned char)value[i]))
            return hp_fail(error, "%s of xenstore has a control character in it", path),
                   HP_READ_FAILED;
    }
    memcpy(ret, value, length);
    ret[length] = 0;
    return length ? HP_READ_OK : HP_READ_ABSENT;
}

bool
hp_store_need(HpStore *store, const char *dir, const char *name, char *ret, size_t size,
              HpError *error)
{
    HpRead read = hp_store_read(store, dir, name, ret, size, error);
    if (read == HP_READ_ABSENT)
        return hp_fail(error, "%s/%s is not in xenstore: who made the device left it out", dir,
                       name);
    return read == HP_READ_OK;
}

bool
hp_store_write(HpStore *store, const char *dir, const char *name, const char *value, HpError *error)
{
    char path[HP_PATH_SIZE];
    if (!join(dir, name, path, sizeof path, error))
        return false;
    if (!store->write(store, path, value))
        return hp_fail(error, "cannot write %s of xenstore: %s", path, strerror(errno));
    return true;
}
