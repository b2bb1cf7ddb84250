/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtxend.conf: the reader of its syntax, then what the keys mean. */
#include "lvd-config-read.h"
#include "lvd.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file = -1;
static char path[64];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    file = memfd_create("virtxend.conf", MFD_CLOEXEC);
    g_assert(file >= 0);
    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    return 0;
}

static void
check_settings(const char *text, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) settings = lvd_settings_read(text, size, "fuzz", &error);

    g_assert(!settings == !!error);
    if (error)
        g_assert(g_str_has_prefix(error->message, "fuzz:"));
    for (guint i = 0; settings && i < settings->len; i++) {
        const LvdSetting *setting = settings->pdata[i];

        g_assert(setting->key && setting->key[0] != '\0' && setting->line > 0);
        g_assert((setting->kind == LVD_SETTING_STRING) == (setting->text != NULL));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(LvdConfig) config = lvd_config_new();
    g_autoptr(GError) error = NULL;
    gboolean ok;

    check_settings((const char *)data, size);
    g_assert(ftruncate(file, 0) == 0);
    g_assert(pwrite(file, data, size, 0) == (ssize_t)size);
    ok = lvd_config_load(config, path, &error);
    g_assert(!ok == !!error);
    if (ok) /* what the server counts on */
        g_assert(config->max_workers >= 1 && config->min_workers <= config->max_workers &&
                 config->max_clients >= 1 && config->max_client_requests >= 1);
    return 0;
}
