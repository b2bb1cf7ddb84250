/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large images are: to the guest, and on the host's storage. */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the image formats keep the size that the guest sees. The format is the definition's word,
 * never guessed from the content: a guest may write what it likes into a raw image. */
typedef struct ImageFormat {
    const char *type; /* as in <driver type=> */
    const char *magic;
    gsize magic_len;
    gboolean at_end; /* in the last 512 bytes of the file */
    gsize offset;    /* of the size: 64 bits */
    gboolean little_endian;
    guint unit; /* bytes that it counts in */
} ImageFormat;

static const ImageFormat formats[] = {
    { "qcow", "QFI\xfb", 4, FALSE, 24, FALSE, 1 }, { "qcow2", "QFI\xfb", 4, FALSE, 24, FALSE, 1 },
    { "qed", "QED\0", 4, FALSE, 48, TRUE, 1 },     { "vmdk", "KDMV", 4, FALSE, 12, TRUE, 512 },
    { "vhd", "conectix", 8, TRUE, 48, FALSE, 1 },  { "vpc", "conectix", 8, TRUE, 48, FALSE, 1 },
};

#define HEADER_LEN 512

static const ImageFormat *
find_format(const char *type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
        if (g_str_equal(formats[i].type, type))
            return &formats[i];
    return NULL;
}

static gboolean
read_capacity(int fd, const char *path, const ImageFormat *format, guint64 *ret_capacity,
              guint64 physical, GError **error)
{
    guint8 header[HEADER_LEN] = { 0 };
    off_t at = format->at_end && physical > HEADER_LEN ? (off_t)(physical - HEADER_LEN) : 0;
    guint64 size;

    if (pread(fd, header, sizeof(header), at) < 0) {
        hv_set_io_error(error, errno, "read", path);
        return FALSE;
    }
    if (memcmp(header, format->magic, format->magic_len) != 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_CONFIG, "'%s' is no image of the format '%s'", path,
                    format->type);
        return FALSE;
    }
    memcpy(&size, header + format->offset, sizeof(size));
    size = format->little_endian ? GUINT64_FROM_LE(size) : GUINT64_FROM_BE(size);
    *ret_capacity = size > G_MAXUINT64 / format->unit ? G_MAXUINT64 : size * format->unit;
    return TRUE;
}

static gboolean
measure(int fd, const ConfDisk *disk, HvDiskSize *ret_size, GError **error)
{
    const char *type = disk->driver_type ? disk->driver_type : "raw";
    const ImageFormat *format = find_format(type);
    struct stat st;
    off_t end;

    if (fstat(fd, &st) < 0) {
        hv_set_io_error(error, errno, "look at", disk->source);
        return FALSE;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "'%s' is neither a file nor a block device", disk->source);
        return FALSE;
    }
    end = lseek(fd, 0, SEEK_END);
    if (end < 0) {
        hv_set_io_error(error, errno, "measure", disk->source);
        return FALSE;
    }
    ret_size->physical = ret_size->capacity = ret_size->allocation = (guint64)end;
    if (S_ISREG(st.st_mode))
        ret_size->allocation = (guint64)st.st_blocks * 512;
    if (format)
        return read_capacity(fd, disk->source, format, &ret_size->capacity, ret_size->physical,
                             error);
    if (g_str_equal(type, "raw") || g_str_equal(type, "aio"))
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED, "the size of images of the format '%s'",
                type);
    return FALSE;
}

const char *
hv_image_format(const char *path)
{
    guint8 start[HEADER_LEN] = { 0 };
    const char *type = "raw";
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return type;
    /* A vhd that grows has its footer at the start, too. */
    if (pread(fd, start, sizeof(start), 0) > 0) {
        for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
            if (memcmp(start, formats[i].magic, formats[i].magic_len) == 0) {
                type = formats[i].type;
                break;
            }
        /* One magic, and a version behind it. */
        if (g_str_equal(type, "qcow") && start[7] > 1)
            type = "qcow2";
    }
    close(fd);
    return type;
}

static gboolean
has_local_image(const ConfDisk *disk, GError **error)
{
    if (disk->backenddomain && *disk->backenddomain)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "the image of disk '%s' belongs to domain '%s'", disk->target,
                    disk->backenddomain);
    else if (!disk->source || !*disk->source)
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG,
                    "disk '%s' does not currently have a source assigned", disk->target);
    else if (conf_disk_source_type(disk) != CONF_DISK_TYPE_FILE &&
             conf_disk_source_type(disk) != CONF_DISK_TYPE_BLOCK)
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "the size of disk '%s', which is neither a file nor a block device",
                    disk->target);
    else
        return TRUE;
    return FALSE;
}

gboolean
hv_disk_size(const ConfDisk *disk, HvDiskSize *ret_size, GError **error)
{
    gboolean ok;
    int fd;

    if (!has_local_image(disk, error))
        return FALSE;
    /* A fifo must not hold us up, a tty not become ours. */
    fd = open(disk->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        hv_set_io_error(error, errno, "open", disk->source);
        return FALSE;
    }
    ok = measure(fd, disk, ret_size, error);
    close(fd);
    return ok;
}
