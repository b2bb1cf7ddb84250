/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of a bzImage (Linux' x86 boot protocol) and the checks on the ELF inside. */
#include "hvxl-kernel-image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Fields of the setup header, as offsets into the file. */
enum {
    SETUP_SECTS = 0x1f1,
    BOOT_FLAG = 0x1fe,
    HEADER_MAGIC = 0x202,
    PROTOCOL_VERSION = 0x206,
    PAYLOAD_OFFSET = 0x248, /* since protocol 2.08; counts from the protected-mode code */
    PAYLOAD_LENGTH = 0x24c,
    HEADER_END = 0x250,
};

#define SECTOR             512
#define FIRST_WITH_PAYLOAD 0x0208
#define SIZE_WORD          4 /* behind the packed data: how much they unpack to */

/* Limits of what is looked at in an ELF; Linux has 5 segments and 1 KB of notes. */
#define MAX_SEGMENTS 64
#define MAX_NOTES    65536

static guint16
get_le16(const guint8 *at)
{
    return (guint16)(at[0] | at[1] << 8);
}

static guint32
get_le32(const guint8 *at)
{
    return get_le16(at) | (guint32)get_le16(at + 2) << 16;
}

const char *
hvxl_kernel_find_payload(const guint8 *head, gsize head_len, guint64 file_size,
                         HvxlPayload *ret_payload)
{
    HvxlPayload found = { 0, file_size };
    guint sectors;

    if (hvxl_kernel_is_elf(head, head_len))
        return "it is unpacked already";
    if (file_size > HVXL_KERNEL_MAX_FILE)
        return "it is too large to be a kernel";
    /* A whole ELF in gzip, as Linux before 2.6.24 and others were packed for Xen. */
    if (head_len >= 2 && head[0] == 0x1f && head[1] == 0x8b) {
        *ret_payload = found;
        return NULL;
    }
    if (head_len < HEADER_END || get_le16(head + BOOT_FLAG) != 0xaa55 ||
        memcmp(head + HEADER_MAGIC, "HdrS", 4) != 0)
        return "it is no bzImage";
    if (get_le16(head + PROTOCOL_VERSION) < FIRST_WITH_PAYLOAD)
        return "its boot protocol is older than 2.08";

    sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
    found.offset = (guint64)(sectors + 1) * SECTOR + get_le32(head + PAYLOAD_OFFSET);
    found.length = get_le32(head + PAYLOAD_LENGTH);
    if (found.length <= SIZE_WORD || found.offset > file_size ||
        found.length > file_size - found.offset)
        return "its header places the payload outside the file";
    *ret_payload = found;
    return NULL;
}

const char *
hvxl_kernel_unpacked_size(const guint8 *payload, gsize len, guint64 *ret_size)
{
    guint64 size;

    if (len <= SIZE_WORD)
        return "its payload is cut off";
    size = get_le32(payload + len - SIZE_WORD);
    if (size < sizeof(Elf32_Ehdr))
        return "its payload is too small for an ELF file";
    if (size > HVXL_KERNEL_MAX_UNPACKED || size / HVXL_KERNEL_MAX_RATIO > len)
        return "it unpacks to more than a kernel does";
    *ret_size = size;
    return NULL;
}

/* ---- the ELF inside ---- */

gboolean
hvxl_kernel_is_elf(const guint8 *data, gsize len)
{
    guint16 machine;

    if (len < sizeof(Elf32_Ehdr) || memcmp(data, ELFMAG, SELFMAG) != 0 ||
        data[EI_DATA] != ELFDATA2LSB || data[EI_VERSION] != EV_CURRENT)
        return FALSE;
    machine = get_le16(data + offsetof(Elf64_Ehdr, e_machine)); /* the same place in both classes */
    return (data[EI_CLASS] == ELFCLASS64 && machine == EM_X86_64) ||
           (data[EI_CLASS] == ELFCLASS32 && (machine == EM_386 || machine == EM_X86_64));
}

static gboolean
read_at(int fd, void *buffer, gsize len, guint64 offset)
{
    guint8 *at = buffer;

    while (len > 0) {
        ssize_t n = pread(fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        at += n;
        len -= (gsize)n;
        offset += (guint64)n;
    }
    return TRUE;
}

/* Both classes of ELF in the words of the larger one. */
static gboolean
read_segment(int fd, const Elf64_Ehdr *header, guint index, Elf64_Phdr *ret_segment)
{
    guint64 offset = header->e_phoff + (guint64)index * header->e_phentsize;
    Elf32_Phdr narrow;

    if (header->e_ident[EI_CLASS] == ELFCLASS64)
        return read_at(fd, ret_segment, sizeof(*ret_segment), offset);
    if (!read_at(fd, &narrow, sizeof(narrow), offset))
        return FALSE;
    *ret_segment = (Elf64_Phdr){
        .p_type = narrow.p_type,
        .p_offset = narrow.p_offset,
        .p_filesz = narrow.p_filesz,
    };
    return TRUE;
}

static gboolean
read_header(int fd, guint64 size, Elf64_Ehdr *ret_header)
{
    Elf32_Ehdr narrow;

    if (size < sizeof(*ret_header) || !read_at(fd, ret_header, sizeof(*ret_header), 0) ||
        !hvxl_kernel_is_elf((const guint8 *)ret_header, sizeof(*ret_header)))
        return FALSE;
    if (ret_header->e_ident[EI_CLASS] == ELFCLASS64)
        return ret_header->e_phentsize >= sizeof(Elf64_Phdr);
    memcpy(&narrow, ret_header, sizeof(narrow));
    ret_header->e_phoff = narrow.e_phoff;
    ret_header->e_phentsize = narrow.e_phentsize;
    ret_header->e_phnum = narrow.e_phnum;
    return ret_header->e_phentsize >= sizeof(Elf32_Phdr);
}

static guint64
pad4(guint32 len)
{
    return ((guint64)len + 3) & ~(guint64)3;
}

static gboolean
notes_have_xen(const guint8 *notes, gsize len)
{
    while (len >= sizeof(Elf64_Nhdr)) {
        guint32 name_len = get_le32(notes);
        guint64 all = sizeof(Elf64_Nhdr) + pad4(name_len) + pad4(get_le32(notes + 4));

        if (all > len)
            return FALSE;
        if (name_len == sizeof("Xen") &&
            memcmp(notes + sizeof(Elf64_Nhdr), "Xen", sizeof("Xen")) == 0)
            return TRUE;
        notes += all;
        len -= all;
    }
    return FALSE;
}

static gboolean
segment_has_xen(int fd, const Elf64_Phdr *segment)
{
    g_autofree guint8 *notes = NULL;

    if (segment->p_type != PT_NOTE || segment->p_filesz > MAX_NOTES)
        return FALSE;
    notes = g_malloc(segment->p_filesz + 1);
    return read_at(fd, notes, segment->p_filesz, segment->p_offset) &&
           notes_have_xen(notes, segment->p_filesz);
}

const char *
hvxl_kernel_check_elf(int fd, guint64 size)
{
    Elf64_Ehdr header;
    gboolean has_xen = FALSE;

    if (!read_header(fd, size, &header))
        return "what it unpacks to is no ELF file for x86";
    if (header.e_phnum == 0 || header.e_phnum > MAX_SEGMENTS || header.e_phoff > size ||
        (guint64)header.e_phnum * header.e_phentsize > size - header.e_phoff)
        return "what it unpacks to has no program headers that make sense";
    for (guint i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        if (!read_segment(fd, &header, i, &segment))
            return "what it unpacks to cannot be read";
        if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
            return "what it unpacks to is cut off";
        has_xen = has_xen || segment_has_xen(fd, &segment);
    }
    return has_xen ? NULL : "what it unpacks to has no notes for Xen";
}
