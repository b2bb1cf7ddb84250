/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel files, which pygrub may have taken from a guest's disk: the header of a bzImage, each
 * packer, and the ELF that comes out. The input is taken as a file, as a payload and as an ELF.
 */
#include "libxl/hvxl-kernel-image.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LARGEST ((guint64)4 * 1024 * 1024)

static int out = -1;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    out = memfd_create("unpacked", MFD_CLOEXEC);
    g_assert(out >= 0);
    return 0;
}

static gboolean
append(const guint8 *data, gsize len, gpointer user)
{
    guint64 *have = user;

    g_assert(len > 0 && len <= LARGEST - *have);
    g_assert(pwrite(out, data, len, (off_t)*have) == (ssize_t)len);
    *have += len;
    return TRUE;
}

static void
unpack(const guint8 *payload, gsize len)
{
    guint64 size = 0, have = 0;

    if (hvxl_kernel_unpacked_size(payload, len, &size))
        return;
    g_assert(size <= HVXL_KERNEL_MAX_UNPACKED && size / HVXL_KERNEL_MAX_RATIO <= len);
    size = MIN(size, LARGEST);
    g_assert(ftruncate(out, 0) == 0);
    if (hvxl_kernel_unpack(payload, len, size, append, &have))
        return;
    g_assert(have == size);
    hvxl_kernel_check_elf(out, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HvxlPayload payload;

    if (!hvxl_kernel_find_payload(data, MIN(size, HVXL_KERNEL_HEAD), size, &payload)) {
        g_assert(payload.offset <= size && payload.length <= size - payload.offset);
        unpack(data + payload.offset, payload.length);
    }
    unpack(data, size);

    g_assert(ftruncate(out, 0) == 0);
    g_assert(pwrite(out, data, size, 0) == (ssize_t)size);
    hvxl_kernel_check_elf(out, size);
    return 0;
}
