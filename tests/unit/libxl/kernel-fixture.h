/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small kernels for tests, packed as Linux packs its own. */
#pragma once

#include <glib.h>

typedef enum Packer {
    PACK_GZIP,
    PACK_BZIP2,
    PACK_XZ,
    PACK_LZMA,
    PACK_LZ4,
    PACK_ZSTD,
    PACK_LZO,
    N_PACKERS
} Packer;

extern const char *const packer_names[N_PACKERS];

/* An ELF with `size` bytes, the class that Xen boots, a note for it, and contents that follow from
 * `seed`: two in three pages noise and text, one zeros. */
GByteArray *fixture_elf(gsize size, guint seed);

/* Packed, with the size word behind it; NULL where this build has no library for it. */
GByteArray *fixture_pack(Packer packer, const GByteArray *elf);

/* A bzImage around a payload. */
GByteArray *fixture_bzimage(const GByteArray *payload);

/* All of it: gzip, or what comes first. */
GByteArray *fixture_kernel(Packer packer, gsize size, guint seed);

void fixture_put_le32(GByteArray *bytes, gsize at, guint32 value);
