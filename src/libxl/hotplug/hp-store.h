/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store behind a table of functions, so that tests bring their own. Strings from it are checked
 * here: bounded, without a NUL or a control character in them. */
#ifndef HP_STORE_H
#define HP_STORE_H

#include "hp.h"

struct HpStore {
    /* Malloced, NUL terminated, *ret_length without that NUL; NULL and errno. */
    char *(*read)(HpStore *store, const char *path, size_t *ret_length);
    /* false and errno */
    bool (*write)(HpStore *store, const char *path, const char *value);
    /* The names below `path`, one block to free(); NULL and errno. */
    char **(*list)(HpStore *store, const char *path, unsigned *ret_n);
    void (*close)(HpStore *store);
};

/* Over libxenstore. NULL: *error is set. */
HpStore *hp_xenstore_open(HpError *error);
void hp_store_close(HpStore *store);

typedef enum { HP_READ_FAILED, HP_READ_ABSENT, HP_READ_OK } HpRead;

/* DIR/NAME. An empty value counts as absent, as it does for Xen's scripts; then, and where it
 * fails, `ret` is "". */
HpRead hp_store_read(HpStore *store, const char *dir, const char *name, char *ret, size_t size,
                     HpError *error);

/* The same where the value must be there. */
bool hp_store_need(HpStore *store, const char *dir, const char *name, char *ret, size_t size,
                   HpError *error);

bool hp_store_write(HpStore *store, const char *dir, const char *name, const char *value,
                    HpError *error);

#endif
