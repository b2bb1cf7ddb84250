/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks out of XenServer's archives. Of a disk "Ref:7" the archive has the blocks "Ref:7/00000000",
 * "Ref:7/00000001" ... of 1 MiB each, behind each its checksum ("Ref:7/00000000.checksum": SHA-1,
 * or
 * ".xxhash": XXH64, both as hexadecimal digits). Blocks of zeros are left out, but for the first
 * and the last one.
 */
#include "x2l-xva.h"

#include "x2l-disk.h"
#include "x2l-term.h"

#include <string.h>

#define MAX_CHECKSUM 128
#define BLOCK        (1u << 20)
#define DIGITS       8 /* of a block's number; more of them where it is larger */

/* ---- ova.xml ---- */

char *
x2l_xva_read_ova(X2lTar *tar, const char *path, gsize *ret_len, GError **error)
{
    g_autofree char *text = NULL;
    const char *name;
    guint64 size;

    if (!x2l_tar_next(tar, &name, &size, error))
        return NULL;
    if (!name || (strcmp(name, "ova.xml") != 0 && strcmp(name, "./ova.xml") != 0)) {
        g_autofree char *printable = x2l_printable(name ? name : "(nothing)");

        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                    "%s: this is no XVA: its first file is %s, not ova.xml", path, printable);
        return NULL;
    }
    if (size > CONF_MAX_INPUT) {
        g_set_error(error, X2L_ERROR, X2L_ERROR_FILE,
                    "%s: ova.xml has %" G_GUINT64_FORMAT " bytes, and %u are allowed", path, size,
                    CONF_MAX_INPUT);
        return NULL;
    }
    text = g_malloc(size + 1);
    text[size] = '\0';
    if (!x2l_tar_read(tar, text, size, error))
        return NULL;
    *ret_len = size;
    return g_steal_pointer(&text);
}

/* ---- blocks ---- */

/* A disk of which blocks are expected. */
typedef struct Blocks {
    const ConfXvaDisk *disk;
    X2lDisk *out;
    guint64 next; /* no block before this one may come any more */
} Blocks;

typedef struct Extract {
    X2lTar *tar;
    const char *path;
    GPtrArray *disks;   /* ConfXvaDisk */
    GHashTable *by_ref; /* -> Blocks */
    guint8 *block;
    gsize block_len;
    char *block_name; /* the last one, whose checksum may follow; NULL: none */
    guint64 n_blocks, n_checked;
} Extract;

static void
blocks_free(gpointer data)
{
    Blocks *blocks = data;

    x2l_disk_free(blocks->out);
    g_free(blocks);
}

static void
extract_clear(Extract *x)
{
    g_clear_pointer(&x->by_ref, g_hash_table_unref);
    g_clear_pointer(&x->disks, g_ptr_array_unref);
    g_free(x->block);
    g_free(x->block_name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Extract, extract_clear)

static gboolean fail(const Extract *x, const char *name, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
fail(const Extract *x, const char *name, GError **error, const char *format, ...)
{
    g_autofree char *printable = x2l_printable(name);
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, X2L_ERROR, X2L_ERROR_FILE, "%s: %s: %s", x->path, printable, reason);
    return FALSE;
}

/* "Ref:7/00000012", and what is behind the number (""; ".checksum"). FALSE: another name. */
static gboolean
parse_name(const char *name, char **ret_ref, guint64 *ret_number, const char **ret_suffix)
{
    const char *slash = strchr(name, '/');
    gsize digits = slash ? strspn(slash + 1, "0123456789") : 0;

    if (digits < DIGITS || digits > 12)
        return FALSE;
    *ret_ref = g_strndup(name, (gsize)(slash - name));
    *ret_number = g_ascii_strtoull(slash + 1, NULL, 10);
    *ret_suffix = slash + 1 + digits;
    return TRUE;
}

static guint64
last_block(const ConfXvaDisk *disk)
{
    return (disk->size - 1) / BLOCK;
}

static gboolean
take_block(Extract *x, Blocks *blocks, const char *name, guint64 number, guint64 size,
           GError **error)
{
    guint64 offset = number * BLOCK;
    guint64 expected;

    if (size == 0) /* keeps a connection alive while blocks of zeros are left out */
        return TRUE;
    if (number > last_block(blocks->disk))
        return fail(x, name, error,
                    "behind the end of the disk, which has %" G_GUINT64_FORMAT " bytes",
                    blocks->disk->size);
    if (number < blocks->next)
        return fail(x, name, error, "this block, or a later one, was there before");
    expected = MIN((guint64)BLOCK, blocks->disk->size - offset);
    if (size != expected)
        return fail(x, name, error,
                    "the block has %" G_GUINT64_FORMAT " bytes instead of %" G_GUINT64_FORMAT, size,
                    expected);
    if (!x2l_tar_read(x->tar, x->block, size, error))
        return FALSE;
    x->block_len = size;
    x->block_name = g_strdup(name);
    x->n_blocks++;
    blocks->next = number + 1;
    return x2l_disk_write(blocks->out, offset, x->block, size, error);
}

static gboolean
take_checksum(Extract *x, const char *name, const char *suffix, guint64 size, GError **error)
{
    char text[MAX_CHECKSUM + 1];
    gsize len = strlen(name) - strlen(suffix);
    g_autofree char *found = NULL;

    if (size > MAX_CHECKSUM)
        return fail(x, name, error, "too long for a checksum");
    if (!x2l_tar_read(x->tar, text, size, error))
        return FALSE;
    text[size] = '\0';
    /* Of a block of another disk, or of an empty one: nothing was written. */
    if (!x->block_name || strlen(x->block_name) != len || strncmp(x->block_name, name, len) != 0)
        return TRUE;
    found = x2l_disk_checksum(suffix + 1, x->block, x->block_len);
    if (!found)
        return fail(x, name, error, "an unknown kind of checksum");
    if (g_ascii_strcasecmp(found, g_strstrip(text)) != 0)
        return fail(x, name, error, "the block is damaged: its checksum is %s, and should be %s",
                    found, text);
    x->n_checked++;
    return TRUE;
}

static gboolean
take_file(Extract *x, const char *name, guint64 size, GError **error)
{
    g_autofree char *ref = NULL;
    const char *suffix;
    guint64 number;
    Blocks *blocks;

    if (!parse_name(name, &ref, &number, &suffix))
        return TRUE;
    blocks = g_hash_table_lookup(x->by_ref, ref);
    if (!blocks)
        return TRUE;
    if (*suffix == '.')
        return take_checksum(x, name, suffix, size, error);
    g_clear_pointer(&x->block_name, g_free);
    return *suffix ? TRUE : take_block(x, blocks, name, number, size, error);
}

static unsigned
progress_of(const Extract *x)
{
    return (unsigned)MIN(x2l_tar_position(x->tar) >> 20, G_MAXUINT);
}

static gboolean
take_all(Extract *x, GError **error)
{
    const char *name;
    guint64 size;

    for (;;) {
        if (!x2l_tar_next(x->tar, &name, &size, error))
            return FALSE;
        if (!name)
            return TRUE;
        if (!take_file(x, name, size, error))
            return FALSE;
        x2l_progress_step(progress_of(x));
    }
}

/* ---- the whole ---- */

/* A disk that two VMs share has one file, under the name of the first. */
static gboolean
open_disks(Extract *x, const GPtrArray *natives, const X2lOptions *options, GError **error)
{
    guint64 total = 0, most = x2l_tar_is_packed(x->tar) ? 0 : x2l_tar_size(x->tar);

    for (guint i = 0; i < natives->len; i++) {
        const ConfNative *native = natives->pdata[i];
        g_autoptr(GPtrArray) disks = native->disk_dir ? conf_native_disks(native) : NULL;

        if (disks)
            g_ptr_array_extend_and_steal(x->disks, g_steal_pointer(&disks));
    }
    for (guint i = 0; i < x->disks->len; i++) {
        ConfXvaDisk *disk = x->disks->pdata[i];
        Blocks *blocks;

        if (g_hash_table_contains(x->by_ref, disk->ref))
            continue;
        if (disk->size > X2L_DISK_MAX)
            return fail(x, disk->ref, error,
                        "a disk of %" G_GUINT64_FORMAT " bytes is larger than any that Xen has",
                        disk->size);
        blocks = g_new0(Blocks, 1);
        blocks->disk = disk;
        g_hash_table_insert(x->by_ref, disk->ref, blocks);
        total += disk->size;
        blocks->out = x2l_disk_new(disk->path, disk->size, options->disk_format, options->replace,
                                   error);
        if (!blocks->out)
            return FALSE;
    }
    /* How much is in it is known of a plain file alone. */
    return x->disks->len == 0 || most == 0 ||
           x2l_disk_check_space(options->extract_dir, MIN(total, most), error);
}

static gboolean
check_whole(const Extract *x, GError **error)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, x->by_ref);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Blocks *blocks = value;

        if (blocks->next == 0)
            return fail(x, blocks->disk->ref, error,
                        "the archive has no block of this disk: was it exported with "
                        "metadata=true, or cut off?");
        if (blocks->next <= last_block(blocks->disk))
            return fail(x, blocks->disk->ref, error,
                        "the last block of this disk is missing: was the archive cut off?");
    }
    return TRUE;
}

static gboolean
finish_disks(Extract *x, GError **error)
{
    for (guint i = 0; i < x->disks->len; i++) {
        ConfXvaDisk *disk = x->disks->pdata[i];
        Blocks *blocks = g_hash_table_lookup(x->by_ref, disk->ref);

        if (blocks->disk == disk && !x2l_disk_finish(blocks->out, error))
            return FALSE;
    }
    /* All are whole: now they get their names. */
    for (guint i = 0; i < x->disks->len; i++) {
        ConfXvaDisk *disk = x->disks->pdata[i];
        Blocks *blocks = g_hash_table_lookup(x->by_ref, disk->ref);

        if (blocks->disk != disk)
            continue;
        if (!x2l_disk_publish(blocks->out, error))
            return FALSE;
        x2l_print(stderr, X2L_STYLE_PLAIN, "xen2libvirt: wrote %s\n", disk->path);
    }
    return TRUE;
}

gboolean
x2l_xva_extract(X2lTar *tar, const GPtrArray *natives, const char *path, const X2lOptions *options,
                GError **error)
{
    g_auto(Extract) x = { .tar = tar, .path = path };
    gboolean ok;

    x.disks = g_ptr_array_new_with_free_func((GDestroyNotify)conf_xva_disk_free);
    x.by_ref = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, blocks_free);
    x.block = g_malloc(BLOCK);
    if (!open_disks(&x, natives, options, error))
        return FALSE;
    if (x.disks->len == 0)
        return TRUE;
    x2l_progress_begin("extracting MiB", (unsigned)MIN(x2l_tar_size(tar) >> 20, G_MAXUINT));
    ok = take_all(&x, error) && check_whole(&x, error);
    x2l_progress_end();
    if (ok && x.n_checked < x.n_blocks)
        x2l_print(stderr, X2L_STYLE_YELLOW,
                  "xen2libvirt: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                  " blocks have no checksum in the archive\n",
                  x.n_blocks - x.n_checked, x.n_blocks);
    return ok && finish_disks(&x, error);
}
