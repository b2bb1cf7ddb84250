/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvd-transport.h"

#include <string.h>

static guint32
word(const guint8 *bytes)
{
    guint32 value;

    memcpy(&value, bytes, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static void
put_word(guint8 *bytes, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes, &value, sizeof(value));
}

gint32
lvd_body_word(const guint8 *body, gsize body_len, gsize index)
{
    return index < body_len / 4 ? (gint32)word(body + index * 4) : 0;
}

void
lvd_body_set_word(guint8 *body, gint32 value)
{
    put_word(body, (guint32)value);
}

void
lvd_header_read(LvdHeader *ret_header, const guint8 bytes[LVD_LENGTH_MIN])
{
    ret_header->length = word(bytes);
    ret_header->prog = word(bytes + 4);
    ret_header->vers = word(bytes + 8);
    ret_header->proc = (gint32)word(bytes + 12);
    ret_header->type = (gint32)word(bytes + 16);
    ret_header->serial = word(bytes + 20);
    ret_header->status = (gint32)word(bytes + 24);
}

void
lvd_header_write(const LvdHeader *header, guint8 bytes[LVD_LENGTH_MIN])
{
    put_word(bytes, header->length);
    put_word(bytes + 4, header->prog);
    put_word(bytes + 8, header->vers);
    put_word(bytes + 12, (guint32)header->proc);
    put_word(bytes + 16, (guint32)header->type);
    put_word(bytes + 20, header->serial);
    put_word(bytes + 24, (guint32)header->status);
}

/* Payload bytes written, or -1. */
static gssize
encode_payload(xdrproc_t xdr, const void *data, guint8 *room, gsize size)
{
    XDR stream;
    gssize written = -1;

    xdrmem_create(&stream, (char *)room, (u_int)size, XDR_ENCODE);
    if (xdr(&stream, (void *)data))
        written = xdr_getpos(&stream);
    xdr_destroy(&stream);
    return written;
}

guint8 *
lvd_frame_encode(const LvdHeader *header, xdrproc_t xdr, const void *data, guint8 *room,
                 gsize room_size, gsize *ret_length)
{
    LvdHeader head = *header;
    g_autofree guint8 *heap = NULL;
    guint8 *bytes = room;
    gssize payload = 0;

    if (xdr) {
        payload = encode_payload(xdr, data, room + LVD_LENGTH_MIN, room_size - LVD_LENGTH_MIN);
        if (payload < 0) {
            /* Too big for the room, or not to be encoded at all: 0 tells. */
            gsize need = xdr_sizeof(xdr, (void *)data);

            if (need == 0 || need > LVD_LENGTH_MAX - LVD_LENGTH_MIN)
                return NULL;
            bytes = heap = g_malloc(LVD_LENGTH_MIN + need);
            payload = encode_payload(xdr, data, heap + LVD_LENGTH_MIN, need);
            if (payload < 0)
                return NULL;
        }
    }
    head.length = LVD_LENGTH_MIN + (guint32)payload;
    lvd_header_write(&head, bytes);
    *ret_length = head.length;
    g_steal_pointer(&heap);
    return bytes;
}
