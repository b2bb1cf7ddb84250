/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The generated code is compiled with these in the place of xdr_string(), xdr_bytes() and
 * xdr_array(), for three reasons. Those of the library
 *  - allocate what a length word says before they look whether that much has come: a message of 32
 *    bytes could make megabytes of zeros;
 *  - read the padding into a buffer that all threads share;
 *  - (xdr_string) apply the limit when they free as well: a string too long to be encoded would be
 *    lost, with all that stands behind it.
 */
#include <rpc/rpc.h> /* with the three renamed: declares lvd_xdr_string() ... */
#include <stdlib.h>

#undef xdr_string
#undef xdr_bytes
#undef xdr_array
extern bool_t xdr_string(XDR *xdr, char **text, u_int most);
extern bool_t xdr_bytes(XDR *xdr, char **bytes, u_int *length, u_int most);

/* From memory only, as all our streams are: x_handy is what is left. */
static bool_t
decode_length(XDR *xdr, u_int most, u_int least_size, u_int *ret_length)
{
    return xdr_u_int(xdr, ret_length) && *ret_length <= most &&
           *ret_length <= xdr->x_handy / least_size;
}

/* A NUL follows. */
static bool_t
decode_bytes(XDR *xdr, char **ret_bytes, u_int length)
{
    char padding[3];
    char *bytes = malloc((size_t)length + 1);

    if (!bytes)
        return FALSE;
    bytes[length] = '\0';
    *ret_bytes = bytes; /* freed with the rest, whatever comes */
    return XDR_GETBYTES(xdr, bytes, length) && XDR_GETBYTES(xdr, padding, -length & 3);
}

bool_t
lvd_xdr_string(XDR *xdr, char **text, u_int most)
{
    u_int length;

    switch (xdr->x_op) {
    case XDR_DECODE:
        return decode_length(xdr, most, 1, &length) && decode_bytes(xdr, text, length);
    case XDR_FREE:
        free(*text);
        *text = NULL;
        return TRUE;
    default:
        return xdr_string(xdr, text, most);
    }
}

bool_t
lvd_xdr_bytes(XDR *xdr, char **bytes, u_int *length, u_int most)
{
    switch (xdr->x_op) {
    case XDR_DECODE:
        if (!decode_length(xdr, most, 1, length))
            return FALSE;
        return *length == 0 || decode_bytes(xdr, bytes, *length);
    case XDR_FREE:
        free(*bytes);
        *bytes = NULL;
        return TRUE;
    default:
        return xdr_bytes(xdr, bytes, length, most);
    }
}

static bool_t
each(XDR *xdr, char *items, u_int count, u_int size, xdrproc_t item)
{
    for (u_int i = 0; i < count; i++)
        if (!item(xdr, items + (size_t)i * size))
            return FALSE;
    return TRUE;
}

static bool_t
decode_array(XDR *xdr, char **items, u_int *ret_count, u_int most, u_int size, xdrproc_t item)
{
    u_int count;

    /* Nothing is shorter than a word on the wire. */
    if (!decode_length(xdr, most, BYTES_PER_XDR_UNIT, &count))
        return FALSE;
    if (count == 0)
        return TRUE;
    *items = calloc(count, size);
    if (!*items)
        return FALSE;
    *ret_count = count;
    return each(xdr, *items, count, size, item);
}

bool_t
lvd_xdr_array(XDR *xdr, char **items, u_int *count, u_int most, u_int size, xdrproc_t item)
{
    switch (xdr->x_op) {
    case XDR_DECODE:
        return decode_array(xdr, items, count, most, size, item);
    case XDR_FREE:
        if (*items)
            each(xdr, *items, *count, size, item);
        free(*items);
        *items = NULL;
        return TRUE;
    default:
        return *count <= most && xdr_u_int(xdr, count) && each(xdr, *items, *count, size, item);
    }
}
