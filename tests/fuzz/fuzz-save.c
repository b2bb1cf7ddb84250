/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that a daemon finds and did not write itself: a saved domain (its header and XML, then the
 * simulated host's stream behind them) and the state file of a running one.
 */
#include "hv/hv-private.h"
#include "hv/sim/hvsim-stream.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int image = -1, state = -1;
static char image_path[64];
static char folder[] = "/tmp/fuzz-save-XXXXXX";
static HvStore store = { .state = folder };

static void
clean_up(void)
{
    g_autofree char *path = g_build_filename(folder, "d.xml", NULL);

    g_unlink(path);
    g_rmdir(folder);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *path = NULL;

    image = memfd_create("image", MFD_CLOEXEC);
    g_assert(image >= 0);
    g_snprintf(image_path, sizeof(image_path), "/proc/self/fd/%d", image);
    g_assert(g_mkdtemp(folder) != NULL);
    path = g_build_filename(folder, "d.xml", NULL);
    state = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert(state >= 0);
    atexit(clean_up);
    return 0;
}

static void
fill(int fd, const uint8_t *data, size_t size)
{
    g_assert(ftruncate(fd, 0) == 0);
    g_assert(pwrite(fd, data, size, 0) == (ssize_t)size);
}

static void
check_stream(int fd)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SimStream) stream = sim_stream_read(fd, &error);

    g_assert(!stream == !!error);
}

static void
check_image(void)
{
    g_autoptr(ConfDomain) def = NULL;
    g_autoptr(GError) error = NULL;
    gboolean paused = FALSE;
    int fd = hv_save_open(image_path, &def, &paused, &error);

    g_assert((fd < 0) == (def == NULL) && (fd < 0) == (error != NULL));
    if (fd < 0)
        return;
    g_assert(def->name && def->id < 0);
    check_stream(fd);
    close(fd);
}

/* What is said of a running domain can be said again, and is the same then. */
static void
check_state(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = hv_store_load_statuses(&store, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < all->len; i++) {
        const HvStatus *status = all->pdata[i];

        g_assert(status->live && status->state < HV_N_STATES && status->reason < HV_N_REASONS);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '<') {
        fill(state, data, size);
        check_state();
        return 0;
    }
    fill(image, data, size);
    check_image();
    lseek(image, 0, SEEK_SET);
    check_stream(image); /* by itself, too: coverage gets there without a domain's XML before it */
    return 0;
}
