/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in memory, and a run of xlvirt-hotplug on it. */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include "hp-request.h"
#include "hp-store.h"

#include <glib.h>

typedef struct FakeStore {
    HpStore store;
    GHashTable *values;    /* path -> value */
    const char *read_only; /* a write to a path that ends in this fails */
    guint n_reads, n_writes;
} FakeStore;

FakeStore *fake_store_new(void);
void fake_store_free(FakeStore *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeStore, fake_store_free)

void fake_store_set(FakeStore *fake, const char *path, const char *value);
/* NULL where there is none */
const char *fake_store_get(FakeStore *fake, const char *path);

/* The environment of libxl for `variables` ("NAME=VALUE", NULL terminated) and a command line split
 * at blanks. */
void fake_request(HpRequest *ret, const char *command_line, const char *const *variables);

/* A new folder below the temporary one, removed with all that is in it at the end of the test. */
const char *fake_folder(void);
/* FOLDER/NAME with that text and mode; until the end of the test. */
const char *fake_file(const char *name, const char *text, int mode);

/* Where things are: locks in fake_folder(), no mounts, no hooks, no log. */
HpHost fake_host(void);

/* Puts this process into a network of its own. FALSE where that, or a tap or bridge in it, is not
 * possible: then the tests that need it are skipped. */
gboolean fake_network(void);

/* An interface that lives until the descriptor is closed. */
int fake_tap(const char *name);

#endif
