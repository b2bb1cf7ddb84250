/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel cache knows about kernel files: where a bzImage holds its packed ELF, how to
 * unpack that, and whether the outcome is what libxc loads. Pure functions of their arguments, safe
 * from any thread. Every input is hostile: pygrub takes kernels from disks that guests write.
 *
 * A reason (`why`) is a static string that completes "the kernel is used as it is: ..."; NULL means
 * that there is no reason against it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A kernel file that is larger, or unpacks to more, is none for this cache. */
#define HVXL_KERNEL_MAX_FILE     ((guint64)128 * 1024 * 1024)
#define HVXL_KERNEL_MAX_UNPACKED ((guint64)512 * 1024 * 1024)
/* Real kernels unpack to 4 to 12 times their size; a bomb to a thousand times. */
#define HVXL_KERNEL_MAX_RATIO 64
/* As much of the file's start as hvxl_kernel_find_payload() wants to see. */
#define HVXL_KERNEL_HEAD 1024

typedef struct HvxlPayload {
    guint64 offset, length; /* of the packed data in the file, the size word at its end included */
} HvxlPayload;

/* `head` is the start of a file of `file_size` bytes: HVXL_KERNEL_HEAD of them, or all. */
const char *hvxl_kernel_find_payload(const guint8 *head, gsize head_len, guint64 file_size,
                                     HvxlPayload *ret_payload);

/* How much the payload unpacks to by its own account; never more than the limits above allow. */
const char *hvxl_kernel_unpacked_size(const guint8 *payload, gsize len, guint64 *ret_size);

/* Takes the next piece; FALSE ends the unpacking, with a reason that only says so. */
typedef gboolean (*HvxlUnpackSink)(const guint8 *data, gsize len, gpointer user);

/* Unpacks a payload piece by piece. It has to come to exactly `size` bytes, and never gets further.
 * Takes up to 200 MiB of memory for as long as it lasts. */
const char *hvxl_kernel_unpack(const guint8 *payload, gsize len, guint64 size, HvxlUnpackSink sink,
                               gpointer user);

/* Does an ELF file for x86 begin here? A look at the first piece saves unpacking the others. */
gboolean hvxl_kernel_is_elf(const guint8 *data, gsize len);
/* Whether the first `size` bytes of the file are an ELF with segments inside it and Xen's notes. */
const char *hvxl_kernel_check_elf(int fd, guint64 size);

G_END_DECLS
